/* Strategy constants of CMA-ES for n coordinates and a population of lambda. */
#ifndef ZO_CMA_PARAMS_H
#define ZO_CMA_PARAMS_H

#include "zeroth/base.h"

typedef struct cma_params {
    size_t lambda, mu;
    double mu_eff;           /* variance effective selection mass of the positive weights */
    double c_sigma, d_sigma; /* step-size path: rate, damping */
    double c_c, c_1, c_mu;   /* covariance: path's rate, rank-one and rank-mu rate */
    double chi;              /* E|N(0,I)| */
    double *w;               /* [capacity] weights by rank: the first mu > 0 with sum 1, the rest <= 0 */
} cma_params;

size_t zo_cma_population(size_t n); /* 4 + floor(3 ln n) */
/* All but w's storage, which holds lambda weights, is set. n >= 1, lambda >= 4. diagonal: the faster rates of a
 * diagonal C; without active the weights beyond mu are 0. */
void zo_cma_params_set(cma_params *p, size_t n, size_t lambda, bool diagonal, bool active);

#endif
