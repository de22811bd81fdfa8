/* CMA-ES: a Gaussian whose mean, step size and covariance follow the ranking of its samples, with active update,
 * restarts with growing populations, and integers and categories of their own (levels.h, choices.h).
 * Oracle: value or steps (a trial's last value).  Space: any.  Batch: any; a generation closes at its lambda-th result,
 * whenever and by whatever distribution its points were drawn.  Cost: O(n^2) an ask, O(n^3 / lambda) a tell; with a
 * diagonal covariance O(n).
 * Outcome constraints: the feasible before the others, those by their violation; points without a value last.
 * Sources: "The CMA Evolution Strategy: A Tutorial", Hansen, arXiv:1604.00772; "Injecting External Solutions Into
 *          CMA-ES", Hansen, arXiv:1110.4181; those of restarts, levels, choices and bounds are in their files. */
#include "cma/run.h"

enum { FULL_DIMS = 300, FULL_DIMS_MAX = 2000 };

typedef enum { COVARIANCE_AUTO, COVARIANCE_FULL, COVARIANCE_DIAGONAL } covariance;
static const char *const covariances[] = {"auto", "full", "diagonal", NULL};

struct cma_opts {
    uint32_t covariance, restarts;
    double sigma0;
    uint64_t popsize;
    bool active;
};
static const zo_opt cma_opt_table[] = {
    ZO_OPT_ENUM(struct cma_opts, covariance, COVARIANCE_AUTO, covariances,
                "full matrix, diagonal only, or auto: full up to 300 dimensions"),
    ZO_OPT_F64(struct cma_opts, sigma0, 0.2, 1e-6, 1.0, "initial standard deviation, in widths of the (scaled) box"),
    ZO_OPT_U64(struct cma_opts, popsize, 0, 0, CMA_MAX_POPSIZE,
               "population of the first run, at least 4; 0: by the dimension and the trials that run at once"),
    ZO_OPT_ENUM(
        struct cma_opts, restarts, CMA_RESTARTS_AUTO, zo_cma_restart_rules,
        "what follows a converged run: ipop doubles the population, bipop alternates large and small ones, none "
        "ends; auto: bipop from 1000 trials a dimension on, else ipop"),
    ZO_OPT_BOOL(struct cma_opts, active, true, "let the worst samples shrink the covariance"),
};

static zo_status cma_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct cma_opts *o = opts;
    const size_t n = zo_cma_dims_gauss(p);
    const bool is_auto = o->covariance == COVARIANCE_AUTO;
    const cma_config config = {.diagonal = o->covariance == COVARIANCE_DIAGONAL || (is_auto && n > FULL_DIMS),
                               .active = o->active,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (!config.diagonal && n > FULL_DIMS_MAX)
        return zo_fail(err, ZO_EINVAL, "/covariance", "a full covariance is limited to %d dimensions",
                       (int)FULL_DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

static zo_status cma_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    (void)err;
    zo_cma_run_ask(self, rng, p);
    p->core = "cma-es";
    return ZO_OK;
}

static zo_status cma_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    (void)rng;
    return zo_cma_run_tell(self, t, err);
}

static zo_status cma_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const cma_run *s = self;
    const zo_status rc = zo_cma_run_describe(s, facts, err);

    return rc != ZO_OK ? rc : zo_bundle_set_meta(facts, "covariance", s->gauss.diagonal ? "diagonal" : "full", err);
}

static void cma_snapshot(void *self, zo_visit *v)
{
    zo_cma_run_visit(self, v);
}

static void cma_fini(void *self)
{
    zo_cma_run_fini(self);
}

const zo_solver zo_solver_cma_es = {
    .name = "cma-es",
    .version = 1,
    .summary =
        "evolution strategy that learns scale and correlation; active, with restarts; integers and categories included",
    .reference = "Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; Hamano et al., CatCMA with Margin, "
                 "arXiv:2504.07884",
    .complexity = "O(n^2) an ask, O(n^3 / population) a tell; O(n) with a diagonal covariance",
    .advice = "rugged, ill-conditioned or mixed problems with more than some 100 trials a dimension",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = cma_opt_table,
    .n_opts = ZO_LEN(cma_opt_table),
    .opts_bytes = sizeof(struct cma_opts),
    .state_bytes = sizeof(cma_run),
    .memo_bytes = zo_cma_memo_bytes,
    .init = cma_init,
    .ask = cma_ask,
    .tell = cma_tell,
    .snapshot = cma_snapshot,
    .describe = cma_describe,
    .fini = cma_fini,
};
