/* Candidates in the order in which they were drawn. */
#include "quadratic/pool.h"

#include <float.h>
#include <string.h>

#define FARTHEST 1e6 /* from the unit cube: of samples */

static void free_arrays(const quad_pool *q)
{
    zo_free(q->v);
    zo_free(q->x);
    zo_free(q->f);
    zo_free(q->worth);
    zo_free(q->by);
    zo_free(q->state);
    zo_free(q->foreign);
}

void zo_quad_pool_fini(quad_pool *q)
{
    free_arrays(q);
    *q = (quad_pool){0};
}

zo_status zo_quad_pool_reserve(quad_pool *q, size_t cap, zo_error *err)
{
    quad_pool bigger = {.n = q->n, .size = q->size, .cap = cap};

    if (cap <= q->cap)
        return ZO_OK;
    bigger.v = zo_calloc(cap, q->n * sizeof *q->v);
    bigger.x = zo_calloc(cap, q->n * sizeof *q->x);
    bigger.f = zo_calloc(cap, sizeof *q->f);
    bigger.worth = zo_calloc(cap, sizeof *q->worth);
    bigger.by = zo_calloc(cap, sizeof *q->by);
    bigger.state = zo_calloc(cap, sizeof *q->state);
    bigger.foreign = zo_calloc(cap, sizeof *q->foreign);
    if (!bigger.v || !bigger.x || !bigger.f || !bigger.worth || !bigger.by || !bigger.state || !bigger.foreign) {
        free_arrays(&bigger);
        return zo_fail_nomem(err);
    }
    if (q->size > 0) {
        memcpy(bigger.v, q->v, q->size * q->n * sizeof *q->v);
        memcpy(bigger.x, q->x, q->size * q->n * sizeof *q->x);
        memcpy(bigger.f, q->f, q->size * sizeof *q->f);
        memcpy(bigger.state, q->state, q->size * sizeof *q->state);
        memcpy(bigger.foreign, q->foreign, q->size * sizeof *q->foreign);
    }
    free_arrays(q);
    *q = bigger;
    return ZO_OK;
}

size_t zo_quad_pool_count(const quad_pool *q, quad_state state)
{
    size_t n = 0;

    for (size_t i = 0; i < q->size; i++)
        n += q->state[i] == state;
    return n;
}

size_t zo_quad_pool_best_free(const quad_pool *q)
{
    size_t best = SIZE_MAX;

    for (size_t i = 0; i < q->size; i++)
        if (q->state[i] == QUAD_FREE && (best == SIZE_MAX || q->worth[i] < q->worth[best]))
            best = i;
    return best;
}

static bool precedes(const quad_pool *q, uint32_t a, uint32_t b)
{
    const bool a_failed = q->state[a] == QUAD_FAILED, b_failed = q->state[b] == QUAD_FAILED;

    return a_failed != b_failed ? b_failed : !a_failed && q->worth[a] < q->worth[b];
}

void zo_quad_pool_rank(quad_pool *q)
{
    for (size_t i = 0; i < q->size; i++) {
        size_t j = i;
        for (; j > 0 && precedes(q, (uint32_t)i, q->by[j - 1]); j--)
            q->by[j] = q->by[j - 1];
        q->by[j] = (uint32_t)i;
    }
}

static bool states_are_sound(const quad_pool *q)
{
    for (size_t i = 0; i < q->size; i++)
        if (q->state[i] > QUAD_FAILED || q->foreign[i] > 1)
            return false;
    return true;
}

void zo_quad_pool_visit(quad_pool *q, zo_visit *v)
{
    zo_visit_count(v, "pool_size", &q->size, q->cap);
    if (v->status != ZO_OK)
        return;
    zo_visit_f64_within(v, "pool_v", q->v, q->size * q->n, -FARTHEST, FARTHEST);
    zo_visit_f64_within(v, "pool_x", q->x, q->size * q->n, 0, 1);
    zo_visit_f64_within(v, "pool_f", q->f, q->size, -DBL_MAX, DBL_MAX);
    zo_visit_u8(v, "pool_state", q->state, q->size);
    zo_visit_u8(v, "pool_foreign", q->foreign, q->size);
    zo_visit_require(v, "pool_state", states_are_sound(q));
}
