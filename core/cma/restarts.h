/* The population and step size of the run that follows one that is over: IPOP doubles, BIPOP alternates. */
#ifndef ZO_CMA_RESTARTS_H
#define ZO_CMA_RESTARTS_H

#include "zeroth/bundle.h"
#include "zeroth/rng.h"

typedef struct cma_restarts {
    size_t base, most; /* population of the first run; of any */
    bool alternate;    /* BIPOP */
    uint64_t n;        /* restarts so far */
    uint64_t n_large, evals_small, evals_large, last_large, last_large_evals;
    uint64_t small;  /* is this run a small one? */
    uint64_t budget; /* its evaluations; 0: no limit */
} cma_restarts;

/* The population of the next large run: 2^k of the base for the k-th, up to most. */
size_t zo_cma_large(const cma_restarts *r);
/* A run of population lambda ended after evals. Writes the next one's population; returns the factor of its step size.
 * With spare false the budget is too far gone for a large run, and one of base size follows. */
double zo_cma_restart(cma_restarts *r, zo_rng *rng, size_t lambda, uint64_t evals, bool spare, size_t *lambda_out);
void zo_cma_restarts_visit(cma_restarts *r, zo_visit *v);

#endif
