/* See trust.h. */
#include "bobyqa/trust.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { FREE, LOW, HIGH };
enum { ROUNDS = 10 };              /* a dimension */
static const double worth = 0.01;  /* of the gain so far: less ends the iteration */
static const double slight = 1e-4; /* squared share of the gain that the slope still promises */

zo_status zo_bobyqa_trust_init(bobyqa_trust *t, size_t n, zo_error *err)
{
    t->x = zo_calloc(n, sizeof *t->x);
    t->d = zo_calloc(n, sizeof *t->d);
    t->slope = zo_calloc(n, sizeof *t->slope);
    t->s = zo_calloc(n, sizeof *t->s);
    t->hs = zo_calloc(n, sizeof *t->hs);
    t->hd = zo_calloc(n, sizeof *t->hd);
    t->held = zo_calloc(n, sizeof *t->held);
    return t->x && t->d && t->slope && t->s && t->hs && t->hd && t->held ? ZO_OK : zo_fail_nomem(err);
}

void zo_bobyqa_trust_fini(bobyqa_trust *t)
{
    zo_free(t->x);
    zo_free(t->d);
    zo_free(t->slope);
    zo_free(t->s);
    zo_free(t->hs);
    zo_free(t->hd);
    zo_free(t->held);
}

/* Of the free coordinates. */
static double free_dot(const bobyqa_trust *t, const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += t->held[i] == FREE ? a[i] * b[i] : 0;
    return sum;
}

static size_t count_free(const bobyqa_trust *t, size_t n)
{
    size_t count = 0;

    for (size_t i = 0; i < n; i++)
        count += t->held[i] == FREE;
    return count;
}

static void start(bobyqa_trust *t, const bobyqa_model *q)
{
    const double *best = zo_bobyqa_best(q);

    memset(t->d, 0, q->n * sizeof *t->d);
    memcpy(t->slope, q->g, q->n * sizeof *t->slope);
    for (size_t i = 0; i < q->n; i++)
        t->held[i] = best[i] <= 0 && q->g[i] >= 0 ? LOW : best[i] >= 1 && q->g[i] <= 0 ? HIGH : FREE;
    t->gain = t->length = 0;
    t->least_bend = -1; /* not known yet */
}

/* ---- inside the sphere ---- */

/* The longest part of s that stays in the cube; *at is the coordinate that stops it, n if none does. */
static double to_bound(const bobyqa_trust *t, const double *best, size_t n, double part, size_t *at)
{
    *at = n;
    for (size_t i = 0; i < n; i++) {
        const double now = best[i] + t->d[i], room = t->s[i] > 0 ? 1 - now : -now;
        if (t->held[i] == FREE && t->s[i] != 0 && part * fabs(t->s[i]) > fabs(room)) {
            part = fmax(0, room / t->s[i]);
            *at = i;
        }
    }
    return part;
}

/* The part of s that leads to the sphere: left is what the squared radius has over the squared step. */
static double to_sphere(double left, double ds, double ss)
{
    const double root = sqrt(ss * left + ds * ds);

    return ds < 0 ? (root - ds) / ss : left / (root + ds);
}

static void hold(bobyqa_trust *t, const double *best, size_t i, bool high)
{
    t->held[i] = high ? HIGH : LOW;
    t->d[i] = (high ? 1 : 0) - best[i];
}

/* True if it ended at the sphere. */
static bool descend(bobyqa_trust *t, const bobyqa_model *q, double delta)
{
    const size_t n = q->n;
    const double *best = zo_bobyqa_best(q);
    double room = delta * delta, beta = 0; /* room: the squared radius of the free part */
    size_t left = 0;

    for (size_t round = 0; round < ROUNDS * n; round++) {
        for (size_t i = 0; i < n; i++)
            t->s[i] = t->held[i] == FREE ? beta * t->s[i] - t->slope[i] : 0;
        const double ss = free_dot(t, t->s, t->s, n), now = free_dot(t, t->slope, t->slope, n);
        if (beta == 0)
            left = count_free(t, n);
        if (ss <= 0 || left == 0 || now * room <= slight * t->gain * t->gain)
            return false;
        zo_bobyqa_curve(q, t->s, t->hs);
        const double over = room - free_dot(t, t->d, t->d, n), bend = free_dot(t, t->s, t->hs, n);
        if (over <= 0)
            return true;
        const double far = to_sphere(over, free_dot(t, t->d, t->s, n), ss);
        const double best_part = bend > 0 ? fmin(far, now / bend) : far;
        size_t at;
        const double part = to_bound(t, best, n, best_part, &at);
        double gained = 0;
        if (part > 0) {
            left--;
            if (at == n && bend > 0)
                t->least_bend = t->least_bend < 0 ? bend / ss : fmin(t->least_bend, bend / ss);
            for (size_t i = 0; i < n; i++) {
                t->slope[i] += part * t->hs[i];
                t->d[i] += part * t->s[i];
            }
            gained = fmax(0, part * (now - 0.5 * part * bend));
            t->gain += gained;
        }
        if (at < n) {
            hold(t, best, at, t->s[at] > 0);
            room -= t->d[at] * t->d[at];
            beta = 0;
            if (room <= 0)
                return true;
        } else if (part < far) {
            if (left == 0 || gained <= worth * t->gain)
                return false;
            beta = free_dot(t, t->slope, t->slope, n) / now;
        } else {
            return true;
        }
    }
    return false;
}

/* ---- along the sphere ---- */

/* The widest turn, as tan(angle / 2), from d towards s that no bound forbids; *at is the coordinate whose bound it
 * meets, n if none. Coordinates that are at one already are held: then *at is that one and the turn is 0. */
static double widest_turn(bobyqa_trust *t, const double *best, size_t n, size_t *at, bool *high)
{
    double turn = 1;

    *at = n;
    for (size_t i = 0; i < n; i++) {
        if (t->held[i] != FREE)
            continue;
        const double low_room = best[i] + t->d[i], high_room = 1 - low_room;
        if (low_room <= 0 || high_room <= 0) {
            *at = i;
            *high = high_room <= 0;
            return 0;
        }
        const double square = t->d[i] * t->d[i] + t->s[i] * t->s[i];
        const double beyond_low = square - best[i] * best[i], beyond_high = square - (1 - best[i]) * (1 - best[i]);
        if (beyond_low > 0) {
            const double to = sqrt(beyond_low) - t->s[i];
            if (turn * to > low_room) {
                turn = low_room / to;
                *at = i;
                *high = false;
            }
        }
        if (beyond_high > 0) {
            const double to = sqrt(beyond_high) + t->s[i];
            if (turn * to > high_room) {
                turn = high_room / to;
                *at = i;
                *high = true;
            }
        }
    }
    return turn;
}

/* The model's gain by a turn of tan(angle / 2) = a. */
static double gain_at(double a, double dg, double sg, double shs, double dhs, double dhd)
{
    const double sine = 2 * a / (1 + a * a);

    return sine * (a * dg - sg - 0.5 * sine * (shs + a * (a * dhd - 2 * dhs)));
}

/* Turn d by tan(angle / 2) = a towards s. */
static void turn_by(bobyqa_trust *t, double a, size_t n)
{
    const double cosine = (1 - a * a) / (1 + a * a), sine = 2 * a / (1 + a * a);

    for (size_t i = 0; i < n; i++) {
        t->slope[i] += (cosine - 1) * t->hd[i] + sine * t->hs[i];
        t->hd[i] = cosine * t->hd[i] + sine * t->hs[i];
        if (t->held[i] == FREE)
            t->d[i] = cosine * t->d[i] + sine * t->s[i];
    }
}

/* The best turn on a grid up to the widest, refined by the parabola through the best of it. *last: it is the widest. */
static double best_turn(const bobyqa_trust *t, size_t n, double widest, double dg, double sg, bool *last, double *gain)
{
    const double shs = free_dot(t, t->s, t->hs, n), dhs = free_dot(t, t->d, t->hs, n),
                 dhd = free_dot(t, t->d, t->hd, n);
    const int most = (int)(17 * widest + 3.1);
    double best = 0, before = 0, after = 0, previous = 0;
    int at = 0;

    for (int i = 1; i <= most; i++) {
        const double now = gain_at(widest * i / most, dg, sg, shs, dhs, dhd);
        if (now > best) {
            best = now;
            at = i;
            before = previous;
        } else if (i == at + 1) {
            after = now;
        }
        previous = now;
    }
    *last = at == most;
    *gain = best;
    if (at == 0)
        return 0;
    double place = at;
    if (at < most)
        place += 0.5 * (after - before) / (2 * best - before - after);
    const double turn = widest * place / most;
    *gain = gain_at(turn, dg, sg, shs, dhs, dhd);
    return turn;
}

static void follow_sphere(bobyqa_trust *t, const bobyqa_model *q)
{
    const size_t n = q->n;
    const double *best = zo_bobyqa_best(q);
    bool fresh = true; /* the set of free coordinates has changed */

    for (size_t round = 0; round < ROUNDS * n && count_free(t, n) > 1; round++) {
        const double dd = free_dot(t, t->d, t->d, n), dg = free_dot(t, t->d, t->slope, n),
                     gg = free_dot(t, t->slope, t->slope, n), across = gg * dd - dg * dg;
        if (!(across > slight * t->gain * t->gain))
            return;
        if (fresh) {
            for (size_t i = 0; i < n; i++)
                t->s[i] = t->held[i] == FREE ? t->d[i] : 0;
            zo_bobyqa_curve(q, t->s, t->hd);
            fresh = false;
        }
        const double root = sqrt(across);
        for (size_t i = 0; i < n; i++)
            t->s[i] = t->held[i] == FREE ? (dg * t->d[i] - dd * t->slope[i]) / root : 0;
        size_t at;
        bool high = false, last;
        const double widest = widest_turn(t, best, n, &at, &high);
        if (widest <= 0) {
            hold(t, best, at, high);
            fresh = true;
            continue;
        }
        zo_bobyqa_curve(q, t->s, t->hs);
        double gained;
        const double turn = best_turn(t, n, widest, dg, -root, &last, &gained);
        if (!(gained > 0))
            return;
        turn_by(t, turn, n);
        t->gain += gained;
        if (at < n && last) {
            hold(t, best, at, high);
            fresh = true;
        } else if (gained <= worth * t->gain) {
            return;
        }
    }
}

void zo_bobyqa_trust_step(bobyqa_trust *t, const bobyqa_model *q, double delta)
{
    const double *best = zo_bobyqa_best(q);

    start(t, q);
    if (descend(t, q, delta)) {
        t->least_bend = 0;
        follow_sphere(t, q);
    }
    t->least_bend = fmax(t->least_bend, 0);
    zo_bobyqa_place(q, t->d, t->x);
    double square = 0;
    for (size_t i = 0; i < q->n; i++) {
        if (t->held[i] != FREE)
            t->x[i] = t->held[i] == HIGH;
        t->d[i] = t->x[i] - best[i];
        square += t->d[i] * t->d[i];
    }
    t->length = sqrt(square);
    t->gain = -zo_bobyqa_change(q, t->d);
}
