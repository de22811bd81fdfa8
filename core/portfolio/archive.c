/* See archive.h. */
#include "portfolio/archive.h"

#include <math.h>
#include <string.h>

enum { MAX_COORDINATES = 1 << 20, LEAST_POINTS = 256, FIRST_CAP = 64 };

void pf_archive_init(pf_archive *a, size_t n)
{
    const size_t most = MAX_COORDINATES / (n + 1);

    *a = (pf_archive){.n = n, .most = most > LEAST_POINTS ? most : LEAST_POINTS, .best = ARCHIVE_NONE};
}

void pf_archive_fini(pf_archive *a)
{
    zo_free(a->x);
    zo_free(a->f);
    zo_free(a->table);
}

static uint64_t hash(const double *x, size_t n)
{
    uint64_t h = 0x9e3779b97f4a7c15;

    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &x[i], sizeof bits);
        h = (h ^ bits) * 0xbf58476d1ce4e5b9;
        h ^= h >> 29;
    }
    return h;
}

/* Where in the table x is, or would be. */
static size_t place(const pf_archive *a, const double *x)
{
    size_t at = (size_t)hash(x, a->n) & (a->table_size - 1);

    while (a->table[at] && memcmp(pf_archive_x(a, a->table[at] - 1), x, a->n * sizeof *x) != 0)
        at = (at + 1) & (a->table_size - 1);
    return at;
}

static void rebuild(pf_archive *a)
{
    memset(a->table, 0, a->table_size * sizeof *a->table);
    a->best = ARCHIVE_NONE;
    for (size_t i = 0; i < a->size; i++) {
        a->table[place(a, pf_archive_x(a, i))] = (uint32_t)i + 1;
        if (isfinite(a->f[i]) && (a->best == ARCHIVE_NONE || a->f[i] < a->f[a->best]))
            a->best = i;
    }
}

/* The older half leaves, but for the best point. */
static void drop_half(pf_archive *a)
{
    const size_t half = a->size / 2;
    size_t from = half;

    if (a->best != ARCHIVE_NONE && a->best < half) {
        from = half - 1;
        memmove(a->x + from * a->n, a->x + a->best * a->n, a->n * sizeof *a->x);
        a->f[from] = a->f[a->best];
    }
    memmove(a->x, a->x + from * a->n, (a->size - from) * a->n * sizeof *a->x);
    memmove(a->f, a->f + from, (a->size - from) * sizeof *a->f);
    a->size -= from;
    a->n_dropped += from;
    rebuild(a);
}

static size_t table_for(size_t cap)
{
    size_t size = 64;

    while (size < 2 * cap)
        size *= 2;
    return size;
}

static zo_status grow(pf_archive *a, size_t cap, zo_error *err)
{
    const size_t table_size = table_for(cap);
    double *x = zo_realloc(a->x, cap * (a->n + 1) * sizeof *x);
    double *f = NULL;
    uint32_t *table = NULL;

    if (x)
        a->x = x;
    if (x && (f = zo_realloc(a->f, cap * sizeof *f)))
        a->f = f;
    if (!f || !(table = zo_calloc(table_size, sizeof *table)))
        return zo_fail_nomem(err);
    zo_free(a->table);
    a->table = table;
    a->table_size = table_size;
    a->cap = cap;
    rebuild(a);
    return ZO_OK;
}

zo_status pf_archive_reserve(pf_archive *a, zo_error *err)
{
    if (a->size < a->cap)
        return ZO_OK;
    if (a->cap < a->most) {
        const size_t twice = a->cap ? 2 * a->cap : FIRST_CAP;
        return grow(a, twice < a->most ? twice : a->most, err);
    }
    drop_half(a);
    return ZO_OK;
}

size_t pf_archive_find(const pf_archive *a, const double *x)
{
    const uint32_t at = a->size > 0 ? a->table[place(a, x)] : 0;

    return at ? at - 1 : ARCHIVE_NONE;
}

void pf_archive_add(pf_archive *a, const double *x, double f)
{
    const size_t at = place(a, x), i = a->size;

    if (a->table[at])
        return;
    memcpy(a->x + i * a->n, x, a->n * sizeof *x);
    a->f[i] = f;
    a->table[at] = (uint32_t)i + 1;
    a->size++;
    if (!isfinite(f))
        return;
    a->n_valued++;
    if (a->best == ARCHIVE_NONE || f < a->f[a->best])
        a->best = i;
}

static bool is_apart(const pf_archive *a, size_t i, double apart)
{
    if (apart <= 0 || i == 0)
        return true;
    const double *x = pf_archive_x(a, i), *before = pf_archive_x(a, i - 1);
    for (size_t j = 0; j < a->n; j++)
        if (fabs(x[j] - before[j]) > apart)
            return true;
    return false;
}

/* Is point i worse than point k? Of equal ones the later. */
static bool worse(const pf_archive *a, uint32_t i, uint32_t k)
{
    return a->f[i] > a->f[k] || (a->f[i] == a->f[k] && i > k);
}

static void sift(const pf_archive *a, uint32_t *heap, size_t at, size_t size)
{
    for (size_t child; (child = 2 * at + 1) < size; at = child) {
        if (child + 1 < size && worse(a, heap[child + 1], heap[child]))
            child++;
        if (!worse(a, heap[child], heap[at]))
            return;
        const uint32_t swap = heap[at];
        heap[at] = heap[child];
        heap[child] = swap;
    }
}

size_t pf_archive_order(const pf_archive *a, size_t k, double apart, uint32_t *order)
{
    size_t size = 0; /* a heap of the k best so far, the worst of them on top */

    for (uint32_t i = 0; i < a->size; i++) {
        if (!isfinite(a->f[i]) || !is_apart(a, i, apart))
            continue;
        if (size < k) {
            order[size++] = i;
            for (size_t at = size; size == k && at-- > 0;)
                sift(a, order, at, size);
        } else if (k > 0 && worse(a, order[0], i)) {
            order[0] = i;
            sift(a, order, 0, size);
        }
    }
    for (size_t at = size; size < k && at-- > 0;)
        sift(a, order, at, size);
    for (size_t left = size; left > 1; left--) { /* heap sort: the worst to the end */
        const uint32_t top = order[0];
        order[0] = order[left - 1];
        order[left - 1] = top;
        sift(a, order, 0, left - 1);
    }
    return size;
}

void pf_archive_visit(pf_archive *a, zo_visit *v)
{
    size_t size = a->size;

    zo_visit_count(v, "archive.size", &size, a->most);
    if (v->loading && v->status == ZO_OK) {
        /* what is read bounds memory only as far as the data goes that came with it */
        zo_visit_require(v, "archive.size", zo_visit_length(v, "archive.f") == size);
        if (v->status == ZO_OK && size > a->cap)
            v->status = grow(a, size, v->err);
    }
    if (v->status != ZO_OK)
        return;
    zo_visit_f64_within(v, "archive.x", a->x, size * a->n, 0, 1);
    zo_visit_f64(v, "archive.f", a->f, size);
    zo_visit_u64(v, "archive.valued", &a->n_valued, 1);
    zo_visit_u64(v, "archive.dropped", &a->n_dropped, 1);
    if (!v->loading || v->status != ZO_OK)
        return;
    for (size_t i = 0; i < size; i++)
        zo_visit_require(v, "archive.f", !isnan(a->f[i]) && a->f[i] > -INFINITY);
    a->size = size;
    if (size > 0)
        rebuild(a);
}
