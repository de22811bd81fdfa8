/* Rows in slots, and their order apart from them: what is old is told by place, not by time. */
#include "quadratic/rows.h"

#include <float.h>
#include <string.h>

zo_status zo_quad_rows_init(quad_rows *r, size_t n, size_t cap, zo_error *err)
{
    zo_mat X = {0};
    zo_status rc;

    *r = (quad_rows){.n = n, .ld = zo_mat_ld(n), .most = cap, .cap = cap};
    if ((rc = zo_mat_init(&X, n, cap, err)) != ZO_OK)
        return rc;
    r->x = X.a;
    r->f = zo_calloc(cap, sizeof *r->f);
    r->order = zo_calloc(cap, sizeof *r->order);
    r->scratch = zo_calloc(cap, sizeof *r->scratch);
    if (!r->f || !r->order || !r->scratch)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < cap; i++)
        r->order[i] = (uint32_t)i;
    return ZO_OK;
}

void zo_quad_rows_fini(quad_rows *r)
{
    zo_free(r->x);
    zo_free(r->f);
    zo_free(r->order);
    zo_free(r->scratch);
    *r = (quad_rows){0};
}

zo_status zo_quad_rows_reserve(quad_rows *r, size_t cap, zo_error *err)
{
    quad_rows bigger;
    zo_status rc;

    if (cap <= r->cap)
        return ZO_OK;
    if ((rc = zo_quad_rows_init(&bigger, r->n, cap, err)) != ZO_OK) {
        zo_quad_rows_fini(&bigger);
        return rc;
    }
    memcpy(bigger.x, r->x, r->cap * r->ld * sizeof *r->x);
    memcpy(bigger.f, r->f, r->cap * sizeof *r->f);
    memcpy(bigger.order, r->order, r->cap * sizeof *r->order);
    bigger.size = r->size;
    bigger.most = r->most;
    zo_quad_rows_fini(r);
    *r = bigger;
    return ZO_OK;
}

void zo_quad_rows_clear(quad_rows *r)
{
    r->size = 0;
    for (size_t i = 0; i < r->cap; i++)
        r->order[i] = (uint32_t)i;
}

/* The slots in use are the first ones: rows that stay move down to those of rows that go. */
bool zo_quad_rows_keep(quad_rows *r, size_t most)
{
    size_t gone = most;

    ZO_ASSERT(most <= r->cap);
    r->most = most;
    if (r->size <= most)
        return false;
    for (size_t i = 0; i < most; i++) {
        const uint32_t from = r->order[i];
        if (from < most)
            continue;
        while (r->order[gone] >= most)
            gone++;
        const uint32_t to = r->order[gone++];
        memcpy(r->x + to * r->ld, r->x + from * r->ld, r->ld * sizeof *r->x);
        r->f[to] = r->f[from];
        r->order[i] = to;
    }
    for (size_t i = most; i < r->size; i++)
        r->order[i] = (uint32_t)i;
    r->size = most;
    return true;
}

static bool has(const quad_rows *r, const double *x)
{
    for (size_t i = 0; i < r->size; i++)
        if (memcmp(zo_quad_row(r, i), x, r->n * sizeof *x) == 0)
            return true;
    return false;
}

bool zo_quad_rows_add(quad_rows *r, const double *x, double f)
{
    if (r->most == 0 || has(r, x))
        return false;
    r->size += r->size < r->most;
    const uint32_t slot = r->order[r->size - 1];
    memmove(r->order + 1, r->order, (r->size - 1) * sizeof *r->order);
    r->order[0] = slot;
    memcpy(r->x + slot * r->ld, x, r->n * sizeof *x);
    r->f[slot] = f;
    return true;
}

/* Stable, bottom up: runs of width, then of twice that. */
static void merge_sort(const double *f, uint32_t *by, size_t n, uint32_t *scratch)
{
    for (size_t width = 1; width < n; width *= 2) {
        for (size_t low = 0; low < n; low += 2 * width) {
            const size_t middle = low + width < n ? low + width : n, high = middle + width < n ? middle + width : n;
            size_t a = low, b = middle;
            for (size_t k = low; k < high; k++)
                scratch[k] = b >= high || (a < middle && f[by[a]] <= f[by[b]]) ? by[a++] : by[b++];
        }
        memcpy(by, scratch, n * sizeof *by);
    }
}

bool zo_quad_rows_sort(quad_rows *r, size_t k)
{
    const size_t n = k < r->size ? k : r->size;
    bool sorted = true;

    for (size_t i = 1; i < n && sorted; i++)
        sorted = zo_quad_row_f(r, i - 1) <= zo_quad_row_f(r, i);
    if (!sorted)
        merge_sort(r->f, r->order, n, r->scratch);
    return !sorted;
}

void zo_quad_rows_rank(const quad_rows *r, uint32_t *by)
{
    memcpy(by, r->order, r->size * sizeof *by);
    merge_sort(r->f, by, r->size, r->scratch);
}

static bool is_permutation(const quad_rows *r)
{
    memset(r->scratch, 0, r->cap * sizeof *r->scratch);
    for (size_t i = 0; i < r->size; i++)
        if (r->order[i] >= r->size || r->scratch[r->order[i]]++ > 0)
            return false;
    return true;
}

/* The rows in use have the first slots: a new row takes the slot after them, or the oldest one's. */
void zo_quad_rows_visit(quad_rows *r, zo_visit *v)
{
    zo_visit_count(v, "n_rows", &r->size, r->most);
    if (v->status != ZO_OK)
        return;
    zo_visit_u32(v, "row_order", r->order, r->size);
    zo_visit_require(v, "row_order", is_permutation(r));
    zo_visit_f64_within(v, "row_x", r->x, r->size * r->ld, 0, 1);
    zo_visit_f64_within(v, "row_f", r->f, r->size, -DBL_MAX, DBL_MAX);
    for (size_t i = r->size; i < r->cap && v->loading; i++)
        r->order[i] = (uint32_t)i;
}
