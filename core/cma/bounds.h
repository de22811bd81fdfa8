/* What a sample outside of what can be evaluated costs in the ranking. */
#ifndef ZO_CMA_BOUNDS_H
#define ZO_CMA_BOUNDS_H

#include "cma/generation.h"

typedef struct cma_bounds {
    const uint8_t *is_real; /* [n of the Gaussian] lent: those that are no levels */
    size_t n_real;
    double *spreads; /* [cap] ring: f per variance of the step, of the newest generations */
    double *sorted;  /* [cap] scratch */
    size_t n, next, cap;
} cma_bounds;

/* n coordinates, of which is_real [n] are continuous. */
zo_status zo_cma_bounds_init(cma_bounds *b, const uint8_t *is_real, size_t n, zo_error *err);
void zo_cma_bounds_fini(cma_bounds *b);
void zo_cma_bounds_start(cma_bounds *b, size_t n, size_t lambda);
bool zo_cma_is_inside(const cma_bounds *b, const double *v, size_t n);
/* A ranked generation, its feasible values collected: the cost of a unit of squared distance, 0 if no sample lies
 * outside. */
double zo_cma_bounds_penalty(cma_bounds *b, const cma_generation *q, const cma_gauss *g, size_t lambda);
void zo_cma_bounds_visit(cma_bounds *b, zo_visit *v);

#endif
