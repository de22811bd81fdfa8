/* See lagrangian.h. */
#include "cma/lagrangian.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

static const double tiny = 1e-11;
static const double follow_rate = 5;          /* gamma moves by omega g / this a generation */
static const double often = 0.95, rare = 0.9; /* shares of generations in which a constraint was held */

zo_status zo_cma_lagrangian_init(cma_lagrangian *a, size_t n, size_t m, zo_error *err)
{
    *a = (cma_lagrangian){.n = n, .m = m, .span = 5 + n};
    a->gamma = zo_calloc(m + 1, sizeof *a->gamma);
    a->omega = zo_calloc(m + 1, sizeof *a->omega);
    a->scale = zo_calloc(m + 1, sizeof *a->scale);
    a->turns = zo_calloc(m + 1, sizeof *a->turns);
    a->settled = zo_calloc(m + 1, 1);
    a->penalised = zo_calloc(m + 1, 1);
    a->held = zo_calloc(a->span, m + 1);
    if (!a->gamma || !a->omega || !a->scale || !a->turns || !a->settled || !a->penalised || !a->held)
        return zo_fail_nomem(err);
    zo_cma_lagrangian_start(a);
    return ZO_OK;
}

void zo_cma_lagrangian_fini(cma_lagrangian *a)
{
    zo_free(a->gamma);
    zo_free(a->omega);
    zo_free(a->scale);
    zo_free(a->turns);
    zo_free(a->settled);
    zo_free(a->penalised);
    zo_free(a->held);
    zo_free(a->f);
}

zo_status zo_cma_lagrangian_reserve(cma_lagrangian *a, size_t cap, zo_error *err)
{
    double *f;

    if (cap <= a->cap)
        return ZO_OK;
    if (!(f = zo_realloc(a->f, cap * sizeof *f)))
        return zo_fail_nomem(err);
    a->f = f;
    a->cap = cap;
    return ZO_OK;
}

void zo_cma_lagrangian_start(cma_lagrangian *a)
{
    for (size_t i = 0; i < a->m; i++) {
        a->gamma[i] = a->omega[i] = a->turns[i] = 0;
        a->scale[i] = 1;
        a->settled[i] = 0;
    }
    memset(a->held, 0, a->span * a->m);
    a->n_generations = 0;
}

/* ---- merit ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Between the quartiles of x [n], which is sorted. */
static double spread(double *x, size_t n)
{
    qsort(x, n, sizeof *x, ascending);
    return x[n - 1 - n / 4] - x[n / 4];
}

static double constraint(const cma_lagrangian *a, const cma_generation *q, size_t slot, size_t i)
{
    return q->g[slot * q->n_g + i] / a->scale[i];
}

/* Constraint i of the points with a value into x; how many. power: of it. */
static size_t gather(const cma_lagrangian *a, const cma_generation *q, size_t i, int power, double *x)
{
    size_t n = 0;

    for (size_t k = 0; k < q->size; k++)
        if (q->points[k].worth != CMA_FAILED) {
            const double g = constraint(a, q, k, i);
            x[n++] = power == 2 ? g * g : g;
        }
    return n;
}

static void set_scales(cma_lagrangian *a, cma_generation *q)
{
    for (size_t i = 0; i < a->m; i++) {
        const double width = spread(q->scratch, gather(a, q, i, 1, q->scratch));
        a->scale[i] = width > DBL_MIN && width <= DBL_MAX ? width : 1;
    }
}

/* First values, from what a generation shows, until its points lie on both sides of the constraint. */
static void settle(cma_lagrangian *a, cma_generation *q, size_t i, double f_width)
{
    const double n = (double)(a->n > 0 ? a->n : 1), least = tiny * (f_width + 1);
    const size_t size = gather(a, q, i, 1, q->scratch);
    double side = 0;

    for (size_t k = 0; k < size; k++)
        side += q->scratch[k] > 0 ? 1 / (double)size : -1 / (double)size;
    if (side > -0.8) {
        const double width = spread(q->scratch, size);
        const double square = spread(q->scratch, gather(a, q, i, 2, q->scratch));
        const double omega = fmin(0.4 * f_width / (n * (width + 1e-6 * square + least)), 1e100);
        a->gamma[i] = fmin(f_width / (n * width + least), 1e100);
        if (a->omega[i] <= 0 || (omega > a->omega[i] && side > 0.2) || (omega < a->omega[i] && side <= 0.2))
            a->omega[i] = omega;
    }
    a->settled[i] = fabs(side) < 0.8;
}

static double merit(cma_lagrangian *a, const cma_generation *q, size_t slot, double f)
{
    for (size_t i = 0; i < a->m; i++) {
        const double gamma = a->gamma[i], omega = a->omega[i];
        if (omega <= 0)
            continue;
        const double g = constraint(a, q, slot, i), t = fmax(g, -gamma / omega);
        a->penalised[i] |= g > -gamma / omega;
        f += gamma * t + 0.5 * omega * t * t;
    }
    return zo_clip(f, -DBL_MAX, DBL_MAX);
}

void zo_cma_lagrangian_merit(cma_lagrangian *a, cma_generation *q)
{
    size_t n = 0;

    for (size_t k = 0; k < q->size; k++) {
        a->f[k] = q->points[k].f;
        if (q->points[k].worth != CMA_FAILED)
            q->scratch[n++] = q->points[k].f;
    }
    if (n == 0)
        return;
    const double f_width = fmin(spread(q->scratch, n), 1e150);
    if (a->n_generations == 0)
        set_scales(a, q);
    for (size_t i = 0; i < a->m; i++)
        if (!a->settled[i])
            settle(a, q, i, f_width);
    memset(a->penalised, 0, a->m);
    for (size_t k = 0; k < q->size; k++) {
        cma_point *p = &q->points[k];
        if (p->worth == CMA_FAILED)
            continue;
        p->f = merit(a, q, k, p->f);
        p->worth = CMA_FEASIBLE;
    }
}

/* ---- what follows the best point ---- */

static double share_held(const cma_lagrangian *a, size_t i)
{
    const size_t n = a->n_generations < a->span ? (size_t)a->n_generations : a->span;
    size_t held = 0;

    for (size_t k = 0; k < n; k++)
        held += a->held[k * a->m + i];
    return n > 0 ? (double)held / (double)n : 0;
}

static void turn_penalty(cma_lagrangian *a, size_t i, double g)
{
    const double p = share_held(a, i), most = 2 + (double)a->m;
    const int d = g > 0 || p > often ? 1 : g < 0 && p < rare ? -1 : 0;

    if (d == 0)
        return;
    a->turns[i] = a->turns[i] * d > 0 ? a->turns[i] + d : d;
    const double more = fmax(0, fabs(a->turns[i]) - most), haste = 4 * fmin(most, more) / most;
    a->omega[i] = zo_clip(a->omega[i] * exp2(d * (1 + haste) / (20 * (double)(a->n > 0 ? a->n : 1))), 1e-100, 1e100);
}

static void follow(cma_lagrangian *a, size_t i, double g)
{
    if (a->omega[i] <= 0)
        return;
    if (g * a->omega[i] > -a->gamma[i] || a->penalised[i])
        a->gamma[i] = fmin(a->gamma[i] + a->omega[i] * g / follow_rate, 1e100);
    if (a->gamma[i] < 0)
        a->gamma[i] = 0;
    else if (!(g * a->omega[i] < -a->gamma[i]))
        turn_penalty(a, i, g);
}

/* Feasible is what holds every constraint, whatever its merit. */
static void list_feasible(const cma_lagrangian *a, cma_generation *q)
{
    q->n_f = 0;
    for (size_t k = 0; k < q->size; k++) {
        bool holds = q->points[k].worth != CMA_FAILED;
        for (size_t i = 0; i < a->m && holds; i++)
            holds = q->g[k * q->n_g + i] <= 0;
        if (holds)
            q->f[q->n_f++] = a->f[k];
    }
    qsort(q->f, q->n_f, sizeof *q->f, ascending);
}

void zo_cma_lagrangian_follow(cma_lagrangian *a, cma_generation *q)
{
    list_feasible(a, q);
    if (q->size == 0 || q->ranks[0].worth == CMA_FAILED)
        return;
    const size_t best = q->ranks[0].slot;
    uint8_t *held = a->held + a->n_generations % a->span * a->m;
    for (size_t i = 0; i < a->m; i++)
        held[i] = constraint(a, q, best, i) <= 0;
    a->n_generations++;
    for (size_t i = 0; i < a->m && a->n_generations > 1; i++)
        follow(a, i, constraint(a, q, best, i));
}

/* ---- snapshot ---- */

void zo_cma_lagrangian_visit(cma_lagrangian *a, zo_visit *v)
{
    zo_visit_f64_within(v, "al_gamma", a->gamma, a->m, 0, 1e100);
    zo_visit_f64_within(v, "al_omega", a->omega, a->m, 0, 1e100);
    zo_visit_f64_within(v, "al_scale", a->scale, a->m, DBL_MIN, DBL_MAX);
    zo_visit_f64_within(v, "al_turns", a->turns, a->m, -1e18, 1e18);
    zo_visit_u8(v, "al_settled", a->settled, a->m);
    zo_visit_u8(v, "al_held", a->held, a->span * a->m);
    zo_visit_u64(v, "al_generations", &a->n_generations, 1);
    for (size_t i = 0; v->status == ZO_OK && i < a->span * a->m; i++)
        zo_visit_require(v, "al_held", a->held[i] <= 1);
    for (size_t i = 0; v->status == ZO_OK && i < a->m; i++)
        zo_visit_require(v, "al_settled", a->settled[i] <= 1);
}
