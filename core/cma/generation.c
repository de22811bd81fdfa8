/* The running generation: places for points, injection, ranking. */
#include "cma/generation.h"

#include <float.h>
#include <math.h>
#include <string.h>

static void free_arrays(const cma_generation *q)
{
    zo_free(q->points);
    zo_free(q->v);
    zo_free(q->chosen);
    zo_free(q->g);
    zo_free(q->g_scale);
    zo_free(q->ranks);
    zo_free(q->f);
    zo_free(q->nominal);
    zo_free(q->w);
    zo_free(q->scratch);
    zo_free(q->best);
    zo_free(q->best_chosen);
    zo_free(q->Y.a);
    zo_free(q->U.a);
}

void zo_cma_generation_fini(cma_generation *q)
{
    free_arrays(q);
    *q = (cma_generation){0};
}

static zo_status allocate(cma_generation *q, size_t cap, zo_error *err)
{
    zo_mat V = {0};
    zo_status rc;

    q->cap = cap;
    if ((rc = zo_mat_init(&V, q->n, cap, err)) != ZO_OK)
        return rc;
    q->v = V.a;
    q->points = zo_calloc(cap, sizeof *q->points);
    q->chosen = zo_calloc(cap, (q->n_choices + 1) * sizeof *q->chosen);
    q->g = zo_calloc(cap, (q->n_g + 1) * sizeof *q->g);
    q->g_scale = zo_calloc(q->n_g + 1, sizeof *q->g_scale);
    q->ranks = zo_calloc(cap, sizeof *q->ranks);
    q->f = zo_calloc(cap, sizeof *q->f);
    q->nominal = zo_calloc(cap, sizeof *q->nominal);
    q->w = zo_calloc(cap, sizeof *q->w);
    q->scratch = zo_calloc(cap, sizeof *q->scratch);
    q->best = zo_calloc(cap, sizeof *q->best);
    q->best_chosen = zo_calloc(cap, sizeof *q->best_chosen);
    if (!q->points || !q->chosen || !q->g || !q->g_scale || !q->ranks || !q->f || !q->nominal || !q->w || !q->scratch ||
        !q->best || !q->best_chosen)
        return zo_fail_nomem(err);
    if ((rc = zo_mat_init(&q->Y, q->n, cap, err)) == ZO_OK)
        rc = zo_mat_init(&q->U, q->n, cap, err);
    return rc;
}

zo_status zo_cma_generation_reserve(cma_generation *q, size_t cap, zo_error *err)
{
    cma_generation bigger = {.n = q->n,
                             .ld = q->ld,
                             .n_choices = q->n_choices,
                             .n_g = q->n_g,
                             .size = q->size,
                             .n_foreign = q->n_foreign,
                             .paired = q->paired};
    zo_status rc;

    if (cap <= q->cap)
        return ZO_OK;
    if ((rc = allocate(&bigger, cap, err)) != ZO_OK) {
        free_arrays(&bigger);
        return rc;
    }
    if (q->size > 0) {
        memcpy(bigger.points, q->points, q->size * sizeof *q->points);
        memcpy(bigger.v, q->v, q->size * q->ld * sizeof *q->v);
        memcpy(bigger.chosen, q->chosen, q->size * q->n_choices * sizeof *q->chosen);
        memcpy(bigger.g, q->g, q->size * q->n_g * sizeof *q->g);
    }
    free_arrays(q);
    *q = bigger;
    return ZO_OK;
}

size_t zo_cma_generation_add(cma_generation *q)
{
    ZO_ASSERT(q->size < q->cap);
    return q->size++;
}

static double violation(const double *g, size_t n, const double *scale)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fmax(0, g[i]) / (scale != NULL ? scale[i] : 1);
    return sum;
}

/* -1, 0 or 1 as a is better than, equal to or worse than b. */
static int compare(const cma_rank *a, const cma_rank *b)
{
    if (a->worth != b->worth)
        return a->worth < b->worth ? -1 : 1;
    if (a->key != b->key)
        return a->key < b->key ? -1 : 1;
    return (a->number > b->number) - (a->number < b->number);
}

static cma_rank raw_rank(const cma_point *p, const double *g, size_t n_g)
{
    return (cma_rank){
        .worth = p->worth, .number = p->number, .key = p->worth == CMA_VIOLATES ? violation(g, n_g, NULL) : p->f};
}

size_t zo_cma_generation_inject(cma_generation *q, const cma_point *p, const double *g, size_t limit)
{
    cma_rank worst = raw_rank(p, g, q->n_g);
    size_t place = SIZE_MAX;

    if (q->n_foreign < limit) {
        q->n_foreign++;
        return zo_cma_generation_add(q);
    }
    for (size_t i = 0; i < q->size; i++) {
        const cma_rank r = raw_rank(&q->points[i], q->g + i * q->n_g, q->n_g);
        if (q->points[i].foreign && compare(&worst, &r) < 0) {
            worst = r;
            place = i;
        }
    }
    return place;
}

/* Shell's sort with Ciura's gaps: no memory, and plain insertion for the usual handful. */
static void sort(cma_rank *a, size_t n)
{
    static const size_t gaps[] = {8858, 3937, 1750, 701, 301, 132, 57, 23, 10, 4, 1};

    for (size_t k = 0; k < ZO_LEN(gaps); k++)
        for (size_t i = gaps[k]; i < n; i++) {
            const cma_rank x = a[i];
            size_t j = i;
            for (; j >= gaps[k] && compare(&x, &a[j - gaps[k]]) < 0; j -= gaps[k])
                a[j] = a[j - gaps[k]];
            a[j] = x;
        }
}

/* The largest violation of each constraint in the generation, so that none rules by its unit. */
static void constraint_scales(const cma_generation *q, double *scale)
{
    for (size_t i = 0; i < q->n_g; i++) {
        scale[i] = 0;
        for (size_t k = 0; k < q->size; k++)
            if (q->points[k].worth == CMA_VIOLATES)
                scale[i] = fmax(scale[i], q->g[k * q->n_g + i]);
        scale[i] = scale[i] > 0 ? scale[i] : 1;
    }
}

static double mahalanobis(cma_generation *q, const cma_gauss *g, size_t slot)
{
    double *y = q->Y.a, *u = q->U.a, square = 0;

    if (g->n == 0)
        return 0;
    zo_cma_gauss_step(g, q->v + slot * q->ld, y);
    zo_cma_gauss_whiten(g, y, u);
    for (size_t i = 0; i < g->n; i++)
        square += u[i] * u[i];
    return square;
}

void zo_cma_generation_rank(cma_generation *q, const cma_gauss *g, double penalty)
{
    constraint_scales(q, q->g_scale);
    for (size_t k = 0; k < q->size; k++) {
        const cma_point *p = &q->points[k];
        const double key = p->worth == CMA_FEASIBLE   ? p->f + (p->off > 0 ? penalty * p->off : 0)
                           : p->worth == CMA_VIOLATES ? violation(q->g + k * q->n_g, q->n_g, q->g_scale)
                                                      : mahalanobis(q, g, k);
        q->ranks[k] = (cma_rank){.key = key, .number = p->number, .worth = p->worth, .slot = (uint32_t)k};
    }
    sort(q->ranks, q->size);
    for (size_t r = 0; r < q->size; r++) {
        const size_t k = q->ranks[r].slot;
        q->best[r] = q->v + k * q->ld;
        q->best_chosen[r] = q->chosen + k * q->n_choices;
    }
}

/* Down to the length that a sample of n coordinates may have. */
static void shorten(double *y, double *u, size_t n_dims)
{
    const double n = (double)n_dims, longest = sqrt(n) + 2 * n / (n + 2);
    double square = 0;

    for (size_t j = 0; j < n_dims; j++)
        square += u[j] * u[j];
    const double part = square > longest * longest ? longest / sqrt(square) : 1;
    for (size_t j = 0; j < n_dims; j++) {
        y[j] *= part;
        u[j] *= part;
    }
}

/* Is the sample of rank r the mirror image of one that ranks better? Of steps in Y: y and -y, but for rounding. */
static bool has_better_half(const cma_generation *q, size_t r)
{
    const double *y = q->Y.a + r * q->Y.ld;

    for (size_t k = 0; k < r; k++) {
        const double *x = q->Y.a + k * q->Y.ld;
        size_t i = 0;
        while (i < q->n && fabs(x[i] + y[i]) <= 1e-9 * (fabs(x[i]) + fabs(y[i])))
            i++;
        if (i == q->n && q->n > 0)
            return true;
    }
    return false;
}

void zo_cma_generation_steps(cma_generation *q, const cma_gauss *g, const cma_params *p)
{
    q->Y.cols = q->U.cols = p->lambda;
    for (size_t r = 0; r < p->lambda; r++)
        zo_cma_gauss_step(g, q->best[r], q->Y.a + r * q->Y.ld);
    zo_cma_gauss_whiten_all(g, &q->Y, &q->U);
    for (size_t r = 0, place = 0; r < p->lambda; r++) {
        const cma_point *x = &q->points[q->ranks[r].slot];
        const bool strange = x->foreign || x->stale;
        const double w = q->paired && has_better_half(q, r) ? 0 : p->w[place++];
        q->w[r] = strange ? fmax(0, w) : w;
        if (strange)
            shorten(q->Y.a + r * q->Y.ld, q->U.a + r * q->U.ld, g->n);
    }
}

void zo_cma_generation_clear(cma_generation *q)
{
    q->size = q->n_foreign = 0;
}

static bool points_are_sound(const cma_generation *q)
{
    size_t n_foreign = 0;

    for (size_t k = 0; k < q->size; k++) {
        const cma_point *p = &q->points[k];
        n_foreign += p->foreign;
        if (!isfinite(p->f) || !(p->off >= 0 && p->off <= DBL_MAX) || p->worth > CMA_FAILED || p->foreign > 1 ||
            p->stale > 1)
            return false;
    }
    return n_foreign == q->n_foreign;
}

void zo_cma_generation_visit(cma_generation *q, size_t lambda, zo_visit *v)
{
    zo_visit_count(v, "size", &q->size, lambda - 1);
    zo_visit_count(v, "n_foreign", &q->n_foreign, lambda - 1);
    if (v->status != ZO_OK)
        return;
    zo_visit_u8(v, "points", (uint8_t *)q->points, q->size * sizeof *q->points); /* without padding, see the header */
    zo_visit_require(v, "points", points_are_sound(q));
    zo_visit_f64_within(v, "v", q->v, q->size * q->ld, -CMA_FARTHEST, CMA_FARTHEST);
    zo_visit_u32(v, "chosen", q->chosen, q->size * q->n_choices);
    zo_visit_f64_within(v, "g", q->g, q->size * q->n_g, -DBL_MAX, DBL_MAX);
}
