/* Population size adaptation: as many samples as it takes for the updates to agree on a direction. */
#ifndef ZO_CMA_PSA_H
#define ZO_CMA_PSA_H

#include "cma/change.h"

typedef struct cma_psa {
    cma_change change;
    double least, most; /* population */
    double lambda;      /* not rounded */
    double *p_m;        /* [ld] path of the changes of m, */
    zo_mat p_S;         /* [n x n] of those of the covariance */
    double filled;      /* how far the path has filled: 1 in the end */
} cma_psa;

zo_status zo_cma_psa_init(cma_psa *s, size_t n, zo_error *err);
void zo_cma_psa_fini(cma_psa *s);
/* A run begins with a population of least. */
void zo_cma_psa_start(cma_psa *s, size_t least, size_t most);
/* Around zo_cma_gauss_update, whose constants are p. */
void zo_cma_psa_begin(cma_psa *s, const cma_gauss *g);
void zo_cma_psa_end(cma_psa *s, const cma_gauss *g, const cma_params *p);
size_t zo_cma_psa_lambda(const cma_psa *s);
/* The largest that lambda can be after another update. */
size_t zo_cma_psa_next_most(const cma_psa *s);
/* The step size that is best on a sphere with these constants, but for a factor that does not depend on lambda. */
double zo_cma_psa_step(const cma_params *p, size_t n);
void zo_cma_psa_visit(cma_psa *s, zo_visit *v);

#endif
