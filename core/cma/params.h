/* Strategy constants of CMA-ES for n coordinates and a population of lambda. */
#ifndef ZO_CMA_PARAMS_H
#define ZO_CMA_PARAMS_H

#include "zeroth/base.h"

typedef enum cma_shape { CMA_FULL, CMA_DIAGONAL, CMA_LOW_RANK /* low_rank.h */ } cma_shape; /* of the covariance */

typedef struct cma_params {
    size_t lambda, mu;
    double mu_eff;           /* variance effective selection mass of the positive weights */
    double c_sigma, d_sigma; /* step-size path: rate, damping */
    double c_c, c_1, c_mu;   /* covariance: path's rate, rank-one and rank-mu rate */
    double chi;              /* E|N(0,I)| */
    double *w;               /* [capacity] weights by rank: the first mu > 0 with sum 1, the rest <= 0 */
} cma_params;

size_t zo_cma_population(size_t n); /* 4 + floor(3 ln n) */
/* All but w's storage, which holds lambda weights, is set. n >= 1, lambda >= 4. Without active the weights beyond mu
 * are 0, as they are for CMA_LOW_RANK, which begins without directions. */
void zo_cma_params_set(cma_params *p, size_t n, size_t lambda, cma_shape shape, bool active);
/* The rates of a diagonal and k directions. */
void zo_cma_params_directions(cma_params *p, size_t n, size_t k);

#endif
