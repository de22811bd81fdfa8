/* A run of CMA-ES and the runs that follow it: the distribution and all that lives around it, for the solvers that are
 * built on it. One of them embeds a cma_run and either lets it lead (lead.h), or leads itself: sample, add, close.
 *
 * What is sampled is a vector v of the Gaussian's coordinates (and choices); what is evaluated for it is a point x of
 * the unit cube. A cma_memo remembers v, and what it was drawn from, until the value of x is known. */
#ifndef ZO_CMA_RUN_H
#define ZO_CMA_RUN_H

#include "cma/bounds.h"
#include "cma/dims.h"
#include "cma/draws.h"
#include "cma/lagrangian.h"
#include "cma/psa.h"
#include "cma/restarts.h"
#include "cma/stops.h"
#include "zeroth/solver.h"

enum { CMA_MAX_POPSIZE = 10000 };

typedef enum cma_restart_rule {
    CMA_RESTARTS_AUTO,
    CMA_RESTARTS_IPOP,
    CMA_RESTARTS_BIPOP,
    CMA_RESTARTS_NONE
} cma_restart_rule;
extern const char *const zo_cma_restart_rules[]; /* their names, for a solver's options */

/* The options that all of the family have, for a table over struct S. */
#define CMA_OPT_SIGMA0(S)                                                                                              \
    ZO_OPT_F64(S, sigma0, 0.2, 1e-6, 1.0, "initial standard deviation, in widths of the (scaled) box")
#define CMA_OPT_POPSIZE(S)                                                                                             \
    ZO_OPT_U64(S, popsize, 0, 0, CMA_MAX_POPSIZE,                                                                      \
               "population of the first run, at least 4; 0: by the dimension and the trials that run "                 \
               "at once")
#define CMA_OPT_RESTARTS(S)                                                                                            \
    ZO_OPT_ENUM(S, restarts, CMA_RESTARTS_AUTO, zo_cma_restart_rules,                                                  \
                "what follows a converged run: ipop doubles the population, bipop alternates large and small ones, "   \
                "none ends; auto: bipop from 1000 trials a dimension on, else ipop")
#define CMA_OPT_ACTIVE(S) ZO_OPT_BOOL(S, active, true, "let the worst samples shrink the covariance")

typedef struct cma_config {
    const char *name;       /* of the solver, for the provenance of its trials */
    cma_shape shape;        /* of the covariance */
    bool active;            /* let the worst samples shrink it */
    bool adapts_population; /* psa.h; of a full matrix that is not active */
    bool lagrangian;        /* lagrangian.h; else the feasible come before the others */
    uint64_t growth;        /* of the population at most; 0: 64 */
    cma_draw_rule draws;    /* pairs take part with their better half only */
    double sigma0;
    uint64_t popsize; /* of the first run; 0: by the dimension and what runs at once */
    cma_restart_rule restarts;
} cma_config;

typedef struct cma_memo { /* [8 x (2 + n)] what a trial was drawn from, and its sample before clipping */
    uint64_t run, generation;
    double v[];
} cma_memo;

typedef struct cma_run {
    const zo_problem *p;
    cma_config config;
    cma_dims dims;
    size_t run_lambda; /* population that this run began with */
    size_t lambda_cap; /* of any */
    cma_params params;
    cma_gauss gauss;
    cma_levels levels;
    cma_choices choices;
    cma_generation gen;
    cma_stops stops;
    cma_bounds bounds;
    cma_draws draws;
    cma_restarts restarts;
    cma_psa psa;               /* if the population adapts */
    cma_lagrangian lagrangian; /* if it is wanted */
    uint32_t *chosen;          /* [n choices] scratch of ask */
    uint64_t run_evals, n_told;
    uint64_t pending, peak;     /* own trials out now; the most since the last close */
    uint64_t n_asked, n_before; /* own asks; outside values before the first of them */
    uint64_t last_stop, done;
    double best; /* of all feasible values */
} cma_run;

size_t zo_cma_memo_bytes(const zo_problem *p);

/* Zeroed memory to a first run, at p->x0 or anywhere. ZO_EINVAL points to the option at fault. */
zo_status zo_cma_run_init(cma_run *s, const zo_problem *p, const cma_config *config, zo_rng *rng, zo_error *err);
void zo_cma_run_fini(cma_run *s);
void zo_cma_run_visit(cma_run *s, zo_visit *v);
zo_status zo_cma_run_describe(const cma_run *s, zo_bundle *facts, zo_error *err);

/* ---- the parts, for who leads ---- */

/* Begin a run at s->gauss.m, which the caller wrote. */
void zo_cma_run_start(cma_run *s, size_t lambda, double sigma);
void zo_cma_run_random_mean(cma_run *s, zo_rng *rng);
/* The run is over: the next one, with the population that the rule says. */
void zo_cma_run_restart(cma_run *s);
/* Room for whatever population the next close may ask for: first thing in a tell. */
zo_status zo_cma_run_reserve(cma_run *s, zo_error *err);
/* One sample into memo [zo_cma_memo_bytes], and the point x [p->n] to evaluate for it. */
void zo_cma_run_sample(cma_run *s, zo_rng *rng, cma_memo *memo, double *x);
/* Is it a sample of this run, whole? A memo may come from a saved study, which may be damaged. */
bool zo_cma_run_owns(const cma_run *s, const cma_memo *memo);
/* Let p take part in the generation: number, worth and f are the caller's, and foreign as memo is NULL. x [p->n] as
 * evaluated, g its constraint values (may be NULL with CMA_FAILED or without constraints). The caller closes the
 * generation when it is full: gen.size reaches params.lambda. */
void zo_cma_run_add(cma_run *s, const cma_point *p, const double *x, const double *g, const cma_memo *memo);
/* The same for a point of others: one of the best that a generation has places for, or it is passed over (false). */
bool zo_cma_run_inject(cma_run *s, const cma_point *p, const double *x, const double *g);
/* Learn from a full generation and begin the next one; a new run if this one is over (true). */
bool zo_cma_run_close(cma_run *s);

#endif
