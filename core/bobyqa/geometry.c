/* See geometry.h. Along a line through the best point (part 0) and another (part 1) the k-th Lagrange function is a
 * parabola that is 0 at part 0, and 1 or 0 at part 1: its slope at the best point says all. */
#include "bobyqa/geometry.h"

#include <math.h>
#include <string.h>

#include "bobyqa/inverse.h"
#include "bobyqa/vector.h"

zo_status zo_bobyqa_geometry_init(bobyqa_geometry *g, size_t n, zo_error *err)
{
    g->x = zo_calloc(n, sizeof *g->x);
    g->other = zo_calloc(n, sizeof *g->other);
    g->d = zo_calloc(n, sizeof *g->d);
    g->slope = zo_calloc(n, sizeof *g->slope);
    g->cauchy = zo_calloc(n, sizeof *g->cauchy);
    g->curve = zo_calloc(n, sizeof *g->curve);
    g->omega = zo_calloc(2 * n + 1, sizeof *g->omega);
    return g->x && g->other && g->d && g->slope && g->cauchy && g->curve && g->omega ? ZO_OK : zo_fail_nomem(err);
}

void zo_bobyqa_geometry_fini(bobyqa_geometry *g)
{
    zo_free(g->x);
    zo_free(g->other);
    zo_free(g->d);
    zo_free(g->slope);
    zo_free(g->cauchy);
    zo_free(g->curve);
    zo_free(g->omega);
}

/* Gradient of the k-th Lagrange function at the best point, and row k of Omega. */
static void lagrange_slope(bobyqa_geometry *g, const bobyqa_model *q, size_t k)
{
    const size_t n = q->n;
    const double *best = q->z + q->best * n;

    zo_bobyqa_omega(q, k, g->omega);
    memcpy(g->slope, q->B + k * n, n * sizeof *g->slope);
    for (size_t i = 0; i < q->m; i++) {
        const double *z = q->z + i * n, weight = g->omega[i] * dot(z, best, n);
        add(g->slope, weight, z, n);
    }
}

/* d' (second derivatives of the Lagrange function) d */
static double lagrange_bend(const bobyqa_geometry *g, const bobyqa_model *q, const double *d)
{
    double sum = 0;

    for (size_t i = 0; i < q->m; i++) {
        const double along = dot(q->z + i * q->n, d, q->n);
        sum += g->omega[i] * along * along;
    }
    return sum;
}

/* ---- lines ---- */

/* The parts of d between which best + part d is in the cube and within delta. */
static void line_ends(const double *best, const double *d, size_t n, double length, double delta, double *low,
                      double *high)
{
    *high = delta / length;
    *low = -*high;
    for (size_t i = 0; i < n; i++) {
        if (d[i] == 0)
            continue;
        const double a = -best[i] / d[i], b = (1 - best[i]) / d[i];
        *low = fmax(*low, fmin(a, b));
        *high = fmin(*high, fmax(a, b));
    }
}

/* On the parabola with this slope at 0 that meets end at 1: of the ends and the turning point, the place of the largest
 * magnitude. */
static double largest_part(double slope, double end, double low, double high, double *value)
{
    const double bend = end - slope, turn = bend != 0 ? -0.5 * slope / bend : high; /* slope t + bend t^2 */
    const double parts[] = {low, high, turn > low && turn < high ? turn : high};
    double best = 0;

    *value = 0;
    for (size_t i = 0; i < ZO_LEN(parts); i++) {
        const double here = parts[i] * (slope + bend * parts[i]);
        if (fabs(here) > fabs(*value)) {
            *value = here;
            best = parts[i];
        }
    }
    return best;
}

static void best_line(bobyqa_geometry *g, const bobyqa_model *q, size_t k, double delta)
{
    const size_t n = q->n;
    const double *best = zo_bobyqa_best(q), half_alpha = 0.5 * g->omega[k];
    double most = -1, part_of_most = 0;
    size_t at = k;

    for (size_t i = 0; i < q->m; i++) {
        if (i == q->best)
            continue;
        for (size_t j = 0; j < n; j++)
            g->d[j] = q->x[i * n + j] - best[j];
        const double square = dot(g->d, g->d, n);
        if (square <= 0)
            continue;
        double low, high, value;
        line_ends(best, g->d, n, sqrt(square), delta, &low, &high);
        const double part = largest_part(dot(g->slope, g->d, n), i == k, low, high, &value);
        const double bow = part * (1 - part) * square;
        const double worth = value * value * (value * value + half_alpha * bow * bow);
        if (worth > most) {
            most = worth;
            part_of_most = part;
            at = i;
        }
    }
    for (size_t j = 0; j < n; j++)
        g->d[j] = part_of_most * (q->x[at * n + j] - best[j]);
    zo_bobyqa_place(q, g->d, g->x);
}

/* ---- along the gradient ---- */

/* cauchy = the longest step along sign * slope within delta and the cube: coordinates that meet a bound stop there, the
 * others go on. */
static void steepest(bobyqa_geometry *g, const bobyqa_model *q, double sign, double delta)
{
    const size_t n = q->n;
    const double *best = zo_bobyqa_best(q);
    double square = 0, left = delta * delta;

    for (size_t i = 0; i < n; i++) {
        const double way = sign * g->slope[i], room = way > 0 ? 1 - best[i] : -best[i];
        g->curve[i] = way != 0 && room != 0; /* 1: goes on */
        g->cauchy[i] = 0;
        square += g->curve[i] > 0 ? way * way : 0;
    }
    for (bool stopped = true; stopped && square > 0 && left > 0;) {
        const double scale = sqrt(left / square);
        stopped = false;
        for (size_t i = 0; i < n; i++) {
            const double way = sign * g->slope[i], room = way > 0 ? 1 - best[i] : -best[i];
            if (!(g->curve[i] > 0))
                continue;
            g->cauchy[i] = scale * way;
            if (fabs(g->cauchy[i]) < fabs(room))
                continue;
            g->cauchy[i] = room;
            g->curve[i] = 0;
            square -= way * way;
            left -= room * room;
            stopped = true;
        }
    }
}

/* other = the step along sign * slope where the magnitude of the Lagrange function is the largest; returns it. */
static double cauchy_step(bobyqa_geometry *g, const bobyqa_model *q, double sign, double delta)
{
    steepest(g, q, sign, delta);
    const double slope = dot(g->slope, g->cauchy, q->n), bend = lagrange_bend(g, q, g->cauchy);
    const double turn = bend != 0 ? -slope / bend : 1, part = turn > 0 && turn < 1 ? turn : 1;
    const double at_turn = fabs(part * (slope + 0.5 * part * bend)), at_end = fabs(slope + 0.5 * bend);

    for (size_t j = 0; j < q->n; j++)
        g->d[j] = (at_turn > at_end ? part : 1) * g->cauchy[j];
    zo_bobyqa_place(q, g->d, g->other);
    return fmax(at_turn, at_end);
}

void zo_bobyqa_geometry_step(bobyqa_geometry *g, bobyqa_model *q, size_t k, double delta)
{
    lagrange_slope(g, q, k);
    best_line(g, q, k, delta);
    const double up = cauchy_step(g, q, 1, delta), down = cauchy_step(g, q, -1, delta);
    if (up > down)
        cauchy_step(g, q, 1, delta);
    zo_bobyqa_lagrange(q, g->other);
    const double divisor = q->divisor[k];
    zo_bobyqa_lagrange(q, g->x);
    if (divisor > q->divisor[k] || !(q->divisor[k] > 0)) {
        memcpy(g->x, g->other, q->n * sizeof *g->x);
        zo_bobyqa_lagrange(q, g->x);
    }
}
