/* How far one update has moved the search distribution, in the metric that it had before: what tells a drift from
 * the random walk of samples that say nothing. */
#ifndef ZO_CMA_CHANGE_H
#define ZO_CMA_CHANGE_H

#include "cma/gauss.h"

typedef struct cma_change {
    size_t n;
    double sigma, *m; /* of before; [ld] */
    zo_mat C;         /* of before, lower triangle */
    double *dm;       /* [ld] C^-1/2 (m' - m) / sigma */
    zo_mat dS;        /* [n x n] (sigma^2 C)^-1/2 (sigma'^2 C' - sigma^2 C) (sigma^2 C)^-1/2 / sqrt 2, symmetric */
    zo_mat T;         /* scratch */
} cma_change;

/* For a Gaussian with a full covariance. n = 0: there is nothing to measure. */
zo_status zo_cma_change_init(cma_change *c, size_t n, zo_error *err);
void zo_cma_change_fini(cma_change *c);
void zo_cma_change_begin(cma_change *c, const cma_gauss *g);
/* After zo_cma_gauss_update, while B and D are still those of before. False: not finite. O(n^3). */
bool zo_cma_change_end(cma_change *c, const cma_gauss *g);

#endif
