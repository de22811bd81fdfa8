/* See model.h. The update of the inverse and the move of its base are in inverse.c. */
#include "bobyqa/inverse.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "bobyqa/vector.h"

zo_status zo_bobyqa_model_init(bobyqa_model *q, size_t n, zo_error *err)
{
    const size_t m = 2 * n + 1;

    q->n = n;
    q->m = m;
    q->base = zo_calloc(n, sizeof *q->base);
    q->x = zo_calloc(m * n, sizeof *q->x);
    q->z = zo_calloc(m * n, sizeof *q->z);
    q->f = zo_calloc(m, sizeof *q->f);
    q->bad = zo_calloc(m, sizeof *q->bad);
    q->B = zo_calloc((m + n) * n, sizeof *q->B);
    q->Z = zo_calloc(n * m, sizeof *q->Z);
    q->g = zo_calloc(n, sizeof *q->g);
    q->H = zo_calloc(n * n, sizeof *q->H);
    q->q = zo_calloc(m, sizeof *q->q);
    q->lagrange = zo_calloc(m + n, sizeof *q->lagrange);
    q->divisor = zo_calloc(m, sizeof *q->divisor);
    q->own_g = zo_calloc(n, sizeof *q->own_g);
    q->own_q = zo_calloc(m, sizeof *q->own_q);
    q->scratch = zo_calloc(2 * m + 4 * n, sizeof *q->scratch);
    return q->base && q->x && q->z && q->f && q->bad && q->B && q->Z && q->g && q->H && q->q && q->lagrange &&
                   q->divisor && q->own_g && q->own_q && q->scratch
               ? ZO_OK
               : zo_fail_nomem(err);
}

void zo_bobyqa_model_fini(bobyqa_model *q)
{
    zo_free(q->base);
    zo_free(q->x);
    zo_free(q->z);
    zo_free(q->f);
    zo_free(q->bad);
    zo_free(q->B);
    zo_free(q->Z);
    zo_free(q->g);
    zo_free(q->H);
    zo_free(q->q);
    zo_free(q->lagrange);
    zo_free(q->divisor);
    zo_free(q->own_g);
    zo_free(q->own_q);
    zo_free(q->scratch);
}

/* ---- the first model ---- */

static void choose_best(bobyqa_model *q)
{
    q->best = 0;
    for (size_t k = 1; k < q->m; k++)
        if (!q->bad[k] && (q->bad[q->best] || q->f[k] < q->f[q->best]))
            q->best = k;
}

/* Axis i has three points, so its parabola and the three Lagrange functions are in closed form. */
static void start_axis(bobyqa_model *q, size_t i)
{
    const size_t n = q->n, m = q->m, ka = 1 + i, kb = 1 + n + i;
    const double a = q->z[ka * n + i], b = q->z[kb * n + i];
    const double slope_a = (q->f[ka] - q->f[0]) / a, slope_b = (q->f[kb] - q->f[0]) / b;
    const double t = sqrt(2) / (b * (b - a));
    double *row = q->Z + i * m;

    q->g[i] = (slope_a * b - slope_b * a) / (b - a);
    q->H[i * n + i] = 2 * (slope_a - slope_b) / (a - b);
    q->B[0 * n + i] = -(a + b) / (a * b);
    q->B[ka * n + i] = -b / (a * (a - b));
    q->B[kb * n + i] = -a / (b * (b - a));
    row[0] = t * (b - a) / a;
    row[ka] = -t * b / a;
    row[kb] = t;
}

void zo_bobyqa_model_start(bobyqa_model *q)
{
    const size_t n = q->n, m = q->m;

    memcpy(q->base, q->x, n * sizeof *q->base);
    for (size_t k = 0; k < m; k++)
        for (size_t j = 0; j < n; j++)
            q->z[k * n + j] = q->x[k * n + j] - q->base[j];
    memset(q->B, 0, (m + n) * n * sizeof *q->B);
    memset(q->Z, 0, n * m * sizeof *q->Z);
    memset(q->H, 0, n * n * sizeof *q->H);
    memset(q->q, 0, m * sizeof *q->q);
    for (size_t i = 0; i < n; i++)
        start_axis(q, i);
    choose_best(q);
    const double *to = q->z + q->best * n;
    for (size_t i = 0; i < n; i++) /* H is diagonal still */
        q->g[i] += q->H[i * n + i] * to[i];
}

/* ---- its values ---- */

/* out += sum_k weight_k (z_k'v) z_k */
static void add_points(const bobyqa_model *q, const double *weight, const double *v, double *out)
{
    for (size_t k = 0; k < q->m; k++) {
        const double *z = q->z + k * q->n;
        if (weight[k] != 0)
            add(out, weight[k] * dot(z, v, q->n), z, q->n);
    }
}

void zo_bobyqa_curve(const bobyqa_model *q, const double *v, double *out)
{
    for (size_t i = 0; i < q->n; i++)
        out[i] = dot(q->H + i * q->n, v, q->n);
    add_points(q, q->q, v, out);
}

double zo_bobyqa_change(const bobyqa_model *q, const double *d)
{
    double sum = dot(q->g, d, q->n);

    for (size_t i = 0; i < q->n; i++)
        sum += 0.5 * d[i] * dot(q->H + i * q->n, d, q->n);
    for (size_t k = 0; k < q->m; k++) {
        const double along = dot(q->z + k * q->n, d, q->n);
        sum += 0.5 * q->q[k] * along * along;
    }
    return sum;
}

double zo_bobyqa_bend(const bobyqa_model *q, size_t i)
{
    double sum = q->H[i * q->n + i];

    for (size_t k = 0; k < q->m; k++)
        sum += q->q[k] * q->z[k * q->n + i] * q->z[k * q->n + i];
    return sum;
}

double zo_bobyqa_distance2(const bobyqa_model *q, size_t k, const double *x)
{
    double sum = 0;

    for (size_t j = 0; j < q->n; j++)
        sum += (q->x[k * q->n + j] - x[j]) * (q->x[k * q->n + j] - x[j]);
    return sum;
}

void zo_bobyqa_place(const bobyqa_model *q, const double *d, double *x)
{
    const double *best = zo_bobyqa_best(q), hair = 4 * DBL_EPSILON;

    for (size_t j = 0; j < q->n; j++) {
        x[j] = best[j] + d[j];
        x[j] = x[j] < hair ? 0 : x[j] > 1 - hair ? 1 : x[j];
    }
}

/* ---- a new point ---- */

/* The second derivatives that came with point k stay, in H, when the point goes. */
static void fold(bobyqa_model *q, size_t k)
{
    const double *z = q->z + k * q->n;

    for (size_t i = 0; i < q->n; i++)
        add(q->H + i * q->n, q->q[k] * z[i], z, q->n);
    q->q[k] = 0;
}

void zo_bobyqa_replace(bobyqa_model *q, size_t k, const double *x, double f, bool bad, double surprise)
{
    const size_t n = q->n, m = q->m, old = q->best;
    double *omega = q->scratch, *gradient = omega + m, *step = gradient + n, *from = step + n;

    zo_bobyqa_inverse_update(q, k);
    fold(q, k);
    memcpy(from, q->z + old * n, n * sizeof *from); /* k may be the best itself */
    for (size_t j = 0; j < n; j++)
        step[j] = x[j] - q->x[old * n + j];
    const bool better = !bad && f < q->f[old];
    memcpy(q->x + k * n, x, n * sizeof *q->x);
    for (size_t j = 0; j < n; j++)
        q->z[k * n + j] = x[j] - q->base[j];
    q->f[k] = f;
    q->bad[k] = bad;
    zo_bobyqa_omega(q, k, omega);
    add(q->q, surprise, omega, m);
    memcpy(gradient, q->B + k * n, n * sizeof *gradient);
    add_points(q, omega, from, gradient);
    add(q->g, surprise, gradient, n);
    if (better) {
        q->best = k;
        zo_bobyqa_curve(q, step, from);
        add(q->g, 1, from, n);
    }
}

void zo_bobyqa_forgetful(bobyqa_model *q)
{
    const size_t n = q->n, m = q->m;
    double *rise = q->scratch;

    for (size_t k = 0; k < m; k++)
        rise[k] = q->f[k] - q->f[q->best];
    memset(q->own_q, 0, m * sizeof *q->own_q);
    for (size_t j = 0; j < n; j++)
        add(q->own_q, dot(q->Z + j * m, rise, m), q->Z + j * m, m);
    memset(q->own_g, 0, n * sizeof *q->own_g);
    for (size_t k = 0; k < m; k++)
        add(q->own_g, rise[k], q->B + k * n, n);
    add_points(q, q->own_q, q->z + q->best * n, q->own_g);
}

void zo_bobyqa_forget(bobyqa_model *q)
{
    memcpy(q->g, q->own_g, q->n * sizeof *q->g);
    memcpy(q->q, q->own_q, q->m * sizeof *q->q);
    memset(q->H, 0, q->n * q->n * sizeof *q->H);
}

/* ---- state ---- */

static bool all_finite(const double *x, size_t n)
{
    double sum = 0; /* NaN as soon as one is not */

    for (size_t i = 0; i < n; i++)
        sum += x[i] * 0;
    return sum == 0;
}

bool zo_bobyqa_is_sound(const bobyqa_model *q)
{
    const size_t n = q->n, m = q->m;

    return all_finite(q->f, m) && all_finite(q->B, (m + n) * n) && all_finite(q->Z, n * m) && all_finite(q->g, n) &&
           all_finite(q->H, n * n) && all_finite(q->q, m);
}

void zo_bobyqa_model_visit(bobyqa_model *q, zo_visit *v)
{
    const size_t n = q->n, m = q->m;
    uint64_t best = q->best;

    zo_visit_u64(v, "best", &best, 1);
    zo_visit_require(v, "best", best < m);
    zo_visit_f64_within(v, "base", q->base, n, 0, 1);
    zo_visit_f64_within(v, "x", q->x, m * n, 0, 1);
    zo_visit_f64_within(v, "f", q->f, m, -DBL_MAX, DBL_MAX);
    zo_visit_u8(v, "bad", q->bad, m);
    zo_visit_f64_within(v, "B", q->B, (m + n) * n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "Z", q->Z, n * m, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "g", q->g, n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "H", q->H, n * n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "q", q->q, m, -DBL_MAX, DBL_MAX);
    if (!v->loading || v->status != ZO_OK)
        return;
    q->best = (size_t)best;
    for (size_t k = 0; k < m; k++)
        for (size_t j = 0; j < n; j++)
            q->z[k * n + j] = q->x[k * n + j] - q->base[j];
}
