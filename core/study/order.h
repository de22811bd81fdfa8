/* A running order statistic: the k least of all values so far, k growing with their number. Two heaps, O(log n) a
 * value. */
#ifndef ZO_STUDY_ORDER_H
#define ZO_STUDY_ORDER_H

#include "zeroth/bundle.h"

struct order {
    double *low, *high; /* [cap] max-heap of the n_low least, min-heap of the others */
    size_t n_low, n_high, cap;
};
void order_fini(struct order *o);
ZO_NODISCARD bool order_reserve(struct order *o, size_t extra);
/* Add x; afterwards the low heap holds the n_low least: as many as before or one more. Reserved. */
void order_add(struct order *o, double x, size_t n_low);
static inline size_t order_count(const struct order *o)
{
    return o->n_low + o->n_high;
}
/* Largest of the low heap, least of the other; there must be one. */
static inline double order_low(const struct order *o)
{
    return o->low[0];
}
static inline double order_high(const struct order *o)
{
    return o->high[0];
}
/* Save or load n of them as four arrays, "<name>.n_low", ".n_high", ".low", ".high". What is loaded is checked:
 * v->status. */
void order_visit(struct order *const *orders, size_t n, zo_visit *v, const char *name);

#endif
