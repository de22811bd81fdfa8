/* All that was evaluated, by every core and from outside: looked up by the bits of the point, so that nothing is paid
 * for twice. It holds the newest points up to a limit of memory, and always the best one. */
#ifndef ZO_PORTFOLIO_ARCHIVE_H
#define ZO_PORTFOLIO_ARCHIVE_H

#include "zeroth/bundle.h"

#define ARCHIVE_NONE SIZE_MAX

typedef struct pf_archive {
    size_t n, size, cap, most; /* dimensions; points, room, limit */
    double *x;                 /* [cap][n] */
    double *f;                 /* [cap] +inf: evaluated without a value */
    uint32_t *table;           /* [2 x cap, a power of two] 1 + index, by hash */
    size_t table_size;
    size_t best; /* index, or ARCHIVE_NONE */
    uint64_t n_valued, n_dropped;
} pf_archive;

void pf_archive_init(pf_archive *a, size_t n);
void pf_archive_fini(pf_archive *a);
/* Room for one more, old points leave if need be: then adding can't fail. */
zo_status pf_archive_reserve(pf_archive *a, zo_error *err);
/* Index of the point with these bits, or ARCHIVE_NONE. */
size_t pf_archive_find(const pf_archive *a, const double *x);
/* Add x, reserved for. A point that is there already keeps its first value. */
void pf_archive_add(pf_archive *a, const double *x, double f);
static inline const double *pf_archive_x(const pf_archive *a, size_t i)
{
    return a->x + i * a->n;
}
/* The k best of those with a value, best first; order has room for k. Returns how many. apart > 0: only points that
 * differ by more than that in some coordinate from the one added before them. O(size log k). */
size_t pf_archive_order(const pf_archive *a, size_t k, double apart, uint32_t *order);
void pf_archive_visit(pf_archive *a, zo_visit *v);

#endif
