/* The running generation of CMA-ES: results in order of arrival, whatever distribution their points came from, and
 * their ranking. */
#ifndef ZO_CMA_GENERATION_H
#define ZO_CMA_GENERATION_H

#include "cma/gauss.h"

typedef enum cma_worth { CMA_FEASIBLE, CMA_VIOLATES /* an outcome constraint */, CMA_FAILED /* no value */ } cma_worth;

typedef struct cma_point {
    uint64_t number; /* trial */
    double f;
    double off;              /* squared distance of the sample from the point that was evaluated for it */
    uint32_t worth;          /* cma_worth */
    uint16_t foreign, stale; /* not sampled by this run; not a sample of today's distribution */
} cma_point;
_Static_assert(sizeof(cma_point) == 32, "saved as bytes: no padding");

typedef struct cma_rank {
    double key;
    uint64_t number;
    uint32_t worth, slot;
} cma_rank;

typedef struct cma_generation {
    size_t n, ld, n_choices, n_g; /* coordinates of the Gaussian; categories; outcome constraints */
    size_t cap, size, n_foreign;
    bool paired;       /* samples come as m + y and m - y: only the better one of two counts */
    cma_point *points; /* [cap] */
    double *v;         /* [ld x cap] samples */
    uint32_t *chosen;  /* [n_choices x cap] */
    double *g;         /* [n_g x cap] constraint values */
    /* of the close */
    cma_rank *ranks; /* [cap] best first */
    double *g_scale; /* [n_g] */
    double *f;       /* [cap] feasible values, rising */
    size_t n_f;
    double *nominal, *w, *scratch; /* [cap] weights by rank: all, those in use, and room for the update's own */
    double **best;                 /* [cap] samples by rank */
    const uint32_t **best_chosen;  /* [cap] choices by rank */
    zo_mat Y, U;                   /* [n x cap] steps by rank, and whitened */
} cma_generation;

void zo_cma_generation_fini(cma_generation *q);
/* Room for cap points; what is there stays. On ZO_ENOMEM nothing has changed. */
zo_status zo_cma_generation_reserve(cma_generation *q, size_t cap, zo_error *err);
/* Where the next point of the run goes: size grows by one. */
size_t zo_cma_generation_add(cma_generation *q);
/* Where a foreign point p with constraint values g goes: a new place, or that of a worse foreign one if there are limit
 * of them; SIZE_MAX if it is not among the best. */
size_t zo_cma_generation_inject(cma_generation *q, const cma_point *p, const double *g, size_t limit);
/* Sort by worth, then value plus penalty * off for the feasible, violation, or closeness to the mean for the failed;
 * ties by trial number, so that order of arrival does not matter. */
void zo_cma_generation_rank(cma_generation *q, const cma_gauss *g, double penalty);
/* Y, U and w by rank, of a pair only the better one weighs anything. Points that today's distribution did not draw step
 * no farther than it might, and never have a negative weight. */
void zo_cma_generation_steps(cma_generation *q, const cma_gauss *g, const cma_params *p);
void zo_cma_generation_clear(cma_generation *q);
/* Of a population of lambda; when loading, there is room for it. */
void zo_cma_generation_visit(cma_generation *q, size_t lambda, zo_visit *v);

#endif
