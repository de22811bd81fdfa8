/* Ordered levels (integers, ordinals, steps) inside the Gaussian: centering of the selected, and a margin that keeps
 * every coordinate able to leave its cell. Level k of L is the cell [k/L, (k+1)/L) of the unit interval, as in space.h.
 */
#ifndef ZO_CMA_LEVELS_H
#define ZO_CMA_LEVELS_H

#include "cma/gauss.h"

typedef struct cma_levels {
    size_t n;
    size_t *coord;    /* [n] which coordinate of the Gaussian */
    double *count;    /* [n] levels, >= 3 */
    double alpha;     /* the least probability, by coordinate, of a cell other than the mean's */
    double *p_mutate; /* [n] the probability of another cell as of the last generation */
    uint8_t *success; /* [n] has one of the selected another cell than the mean? */
} cma_levels;

/* Room for n levels; the caller fills coord, count and alpha. */
zo_status zo_cma_levels_init(cma_levels *l, size_t n, zo_error *err);
void zo_cma_levels_fini(cma_levels *l);
void zo_cma_levels_start(cma_levels *l);
static inline double zo_cma_cell(double v, double count) /* 0 .. count-1 */
{
    return zo_clip(__builtin_floor(v * count), 0, count - 1);
}
/* The mu selected points best[k][n of the Gaussian], in place: one in another cell than the mean moves to that cell's
 * middle; the others of the coordinate give back the bias. */
void zo_cma_levels_center(cma_levels *l, const cma_gauss *g, double *const *best, size_t mu);
/* After the update: m and A so that every coordinate keeps its margin. */
void zo_cma_levels_margin(cma_levels *l, cma_gauss *g);
void zo_cma_levels_visit(cma_levels *l, zo_visit *v);
double zo_cma_upper_quantile(double p); /* z with P(N(0,1) > z) = p, 0 < p <= 1/2 */

#endif
