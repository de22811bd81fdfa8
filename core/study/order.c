#include "study/order.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { MAX_VALUES = 1 << 30 };

void order_fini(struct order *o)
{
    zo_free(o->low);
    zo_free(o->high);
    *o = (struct order){0};
}

bool order_reserve(struct order *o, size_t extra)
{
    const size_t need = order_count(o) + extra;
    size_t cap = o->cap ? o->cap : 8;

    if (need <= o->cap)
        return true;
    while (cap < need)
        cap *= 2;
    double *low = zo_realloc(o->low, cap * sizeof *low);
    if (!low)
        return false;
    o->low = low;
    double *high = zo_realloc(o->high, cap * sizeof *high);
    if (!high)
        return false;
    o->high = high;
    o->cap = cap;
    return true;
}

/* Heaps keep the larger (sign +1) or the lesser (-1) on top. */
static bool above(double a, double b, double sign)
{
    return sign * a > sign * b;
}

static void push(double *heap, size_t *n, double x, double sign)
{
    size_t i = (*n)++;

    for (; i > 0 && above(x, heap[(i - 1) / 2], sign); i = (i - 1) / 2)
        heap[i] = heap[(i - 1) / 2];
    heap[i] = x;
}

static double pop(double *heap, size_t *n, double sign)
{
    const double top = heap[0], x = heap[--*n];
    size_t i = 0;

    for (size_t child; (child = 2 * i + 1) < *n; i = child) {
        if (child + 1 < *n && above(heap[child + 1], heap[child], sign))
            child++;
        if (!above(heap[child], x, sign))
            break;
        heap[i] = heap[child];
    }
    if (*n)
        heap[i] = x;
    return top;
}

void order_add(struct order *o, double x, size_t n_low)
{
    ZO_ASSERT(order_count(o) < o->cap && (n_low == o->n_low || n_low == o->n_low + 1) && n_low <= order_count(o) + 1);
    if (o->n_low > 0 && x < o->low[0])
        push(o->low, &o->n_low, x, 1);
    else
        push(o->high, &o->n_high, x, -1);
    if (o->n_low > n_low)
        push(o->high, &o->n_high, pop(o->low, &o->n_low, 1), -1);
    else if (o->n_low < n_low)
        push(o->low, &o->n_low, pop(o->high, &o->n_high, -1), 1);
}

static bool is_heap(const double *heap, size_t n, double sign)
{
    for (size_t i = 0; i < n; i++)
        if (!isfinite(heap[i]) || (i > 0 && above(heap[i], heap[(i - 1) / 2], sign)))
            return false;
    return true;
}

/* One of the two heaps of all orders, one after the other. */
static void heaps_visit(struct order *const *orders, size_t n, bool low, zo_visit *v, const char *name)
{
    size_t total = 0, at = 0;

    for (size_t i = 0; i < n; i++)
        total += low ? orders[i]->n_low : orders[i]->n_high;
    double *all = zo_malloc((total ? total : 1) * sizeof *all);
    if (!all) {
        v->status = zo_fail_nomem(v->err);
        return;
    }
    for (size_t i = 0; i < n && !v->loading; i++) {
        const size_t count = low ? orders[i]->n_low : orders[i]->n_high;
        if (count)
            memcpy(all + at, low ? orders[i]->low : orders[i]->high, count * sizeof *all);
        at += count;
    }
    zo_visit_f64(v, name, all, total);
    for (size_t i = 0; i < n && v->loading && v->status == ZO_OK; i++) {
        const size_t count = low ? orders[i]->n_low : orders[i]->n_high;
        if (count)
            memcpy(low ? orders[i]->low : orders[i]->high, all + at, count * sizeof *all);
        at += count;
        if (count && !is_heap(low ? orders[i]->low : orders[i]->high, count, low ? 1 : -1))
            v->status = zo_fail(v->err, ZO_EINVAL, "", "saved state: '%s' is not ordered", name);
    }
    zo_free(all);
}

/* sizes [n] sum to no more than what is saved under name: memory is made for that. */
static bool fit(const uint64_t *sizes, size_t n, const zo_visit *v, const char *name)
{
    const uint64_t length = zo_visit_length(v, name);
    uint64_t left = length < MAX_VALUES ? length : MAX_VALUES;

    for (size_t i = 0; i < n; i++) {
        if (sizes[i] > left)
            return false;
        left -= sizes[i];
    }
    return true;
}

/* Sizes of the heaps; when loading, also the memory for them. names: those of the sizes, then of the heaps. */
static void sizes_visit(struct order *const *orders, size_t n, zo_visit *v, const char *const *names)
{
    uint64_t *sizes = zo_calloc(2 * n + 1, sizeof *sizes);

    if (!sizes) {
        v->status = zo_fail_nomem(v->err);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        sizes[i] = orders[i]->n_low;
        sizes[n + i] = orders[i]->n_high;
    }
    zo_visit_u64(v, names[0], sizes, n);
    zo_visit_u64(v, names[1], sizes + n, n);
    zo_visit_require(v, names[0], fit(sizes, n, v, names[2]));
    zo_visit_require(v, names[1], fit(sizes + n, n, v, names[3]));
    for (size_t i = 0; i < n && v->loading && v->status == ZO_OK; i++) {
        struct order *o = orders[i];
        if (!order_reserve(o, (size_t)(sizes[i] + sizes[n + i])))
            v->status = zo_fail_nomem(v->err);
        else
            o->n_low = (size_t)sizes[i], o->n_high = (size_t)sizes[n + i];
    }
    zo_free(sizes);
}

void order_visit(struct order *const *orders, size_t n, zo_visit *v, const char *name)
{
    char names[4][48];

    (void)snprintf(names[0], sizeof names[0], "%s.n_low", name);
    (void)snprintf(names[1], sizeof names[1], "%s.n_high", name);
    (void)snprintf(names[2], sizeof names[2], "%s.low", name);
    (void)snprintf(names[3], sizeof names[3], "%s.high", name);
    if (v->status == ZO_OK)
        sizes_visit(orders, n, v, (const char *const[]){names[0], names[1], names[2], names[3]});
    if (v->status == ZO_OK)
        heaps_visit(orders, n, true, v, names[2]);
    if (v->status == ZO_OK)
        heaps_visit(orders, n, false, v, names[3]);
    for (size_t i = 0; i < n && v->loading && v->status == ZO_OK; i++)
        if (orders[i]->n_low && orders[i]->n_high && order_low(orders[i]) > order_high(orders[i]))
            v->status = zo_fail(v->err, ZO_EINVAL, "", "saved state: '%s' is not ordered", name);
}
