/* When a run of CMA-ES is over: all rules look at closed generations only. */
#ifndef ZO_CMA_STOPS_H
#define ZO_CMA_STOPS_H

#include "cma/gauss.h"

typedef enum cma_stop {
    CMA_GO_ON,
    CMA_STOP_TOLFUN,
    CMA_STOP_TOLFUNHIST,
    CMA_STOP_TOLX,
    CMA_STOP_CONDITION,
    CMA_STOP_NO_EFFECT,
    CMA_STOP_FLAT,
    CMA_STOP_STAGNATION,
    CMA_STOP_STILL,
    CMA_STOP_NUMERIC,
    CMA_STOP_INFEASIBLE,
} cma_stop;
const char *zo_cma_stop_name(cma_stop s);

enum { CMA_TREND = 512 };

typedef struct cma_stops {
    size_t n, lambda;
    double *recent;                            /* [cap_recent] ring of each generation's best value */
    size_t n_recent, cap_recent;               /* as long as the rules look back */
    uint64_t n_generations;                    /* with values */
    double best[CMA_TREND], median[CMA_TREND]; /* every stride-th generation's; thinned by half when full */
    size_t n_trend;
    uint64_t stride;
    double record;                 /* best value of the run, */
    uint64_t record_at;            /* and its generation */
    uint64_t n_flat, n_infeasible; /* generations in a row */
    double *still;                 /* [n] the mean when it last moved, */
    uint64_t still_at;             /* and its generation */
} cma_stops;

/* n: coordinates of the Gaussian; lambda: the least population. */
zo_status zo_cma_stops_init(cma_stops *s, size_t n, size_t lambda, zo_error *err);
void zo_cma_stops_fini(cma_stops *s);
void zo_cma_stops_start(cma_stops *s, size_t lambda, const double *m);
/* A closed generation: its feasible values in rising order. is_real [n]: coordinates of the Gaussian that are no
 * levels. share: that of levels and choices among all dimensions. */
cma_stop zo_cma_stops_check(cma_stops *s, const cma_gauss *g, const double *f, size_t n_f, size_t lambda,
                            const uint8_t *is_real, double share);
void zo_cma_stops_visit(cma_stops *s, zo_visit *v);

#endif
