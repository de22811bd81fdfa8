/* CMA-ES: a Gaussian whose mean, step size and covariance follow the ranking of its samples, with active update,
 * restarts with growing populations, and integers and categories of their own (levels.h, choices.h).
 * Oracle: value or steps (a trial's last value).  Space: any.  Batch: any; a generation closes at its lambda-th result,
 * whenever and by whatever distribution its points were drawn.  Cost: O(n^2) an ask, O(n^3 / lambda) a tell; with a
 * diagonal covariance O(n).
 * Outcome constraints: the feasible before the others, those by their violation; points without a value last.
 * Sources: "The CMA Evolution Strategy: A Tutorial", Hansen, arXiv:1604.00772; "Injecting External Solutions Into
 *          CMA-ES", Hansen, arXiv:1110.4181; those of restarts, levels, choices and bounds are in their files. */
#include "cma/lead.h"

enum { FULL_DIMS = 300, FULL_DIMS_MAX = 2000 };

typedef enum { COVARIANCE_AUTO, COVARIANCE_FULL, COVARIANCE_DIAGONAL } covariance;
static const char *const covariances[] = {"auto", "full", "diagonal", NULL};
static const char *const samplings[] = {"independent", "mirrored", "orthogonal", NULL}; /* as cma_draw_rule */

struct cma_opts {
    uint32_t covariance, restarts, sampling;
    double sigma0;
    uint64_t popsize;
    bool active;
};
static const zo_opt cma_opt_table[] = {
    ZO_OPT_ENUM(struct cma_opts, covariance, COVARIANCE_AUTO, covariances,
                "full matrix, diagonal only, or auto: full up to 300 dimensions"),
    CMA_OPT_SIGMA0(struct cma_opts),
    CMA_OPT_POPSIZE(struct cma_opts),
    CMA_OPT_RESTARTS(struct cma_opts),
    CMA_OPT_ACTIVE(struct cma_opts),
    ZO_OPT_ENUM(struct cma_opts, sampling, CMA_DRAW_INDEPENDENT, samplings,
                "samples one by one, in pairs around the mean of which the better counts, or in orthogonal blocks"),
};

static zo_status cma_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct cma_opts *o = opts;
    const size_t n = zo_cma_dims_gauss(p);
    const bool is_auto = o->covariance == COVARIANCE_AUTO;
    const bool diagonal = o->covariance == COVARIANCE_DIAGONAL || (is_auto && n > FULL_DIMS);
    const cma_config config = {.name = "cma-es",
                               .shape = diagonal ? CMA_DIAGONAL : CMA_FULL,
                               .active = o->active,
                               .draws = (cma_draw_rule)o->sampling,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (!diagonal && n > FULL_DIMS_MAX)
        return zo_fail(err, ZO_EINVAL, "/covariance", "a full covariance is limited to %d dimensions",
                       (int)FULL_DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

static zo_status cma_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const cma_run *s = self;
    const zo_status rc = zo_cma_run_describe(s, facts, err);

    return rc != ZO_OK ? rc
                       : zo_bundle_set_meta(facts, "covariance", s->gauss.shape == CMA_FULL ? "full" : "diagonal", err);
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
    .ask = zo_cma_lead_ask,
    .tell = zo_cma_lead_tell,
    .snapshot = zo_cma_lead_snapshot,
    .describe = cma_describe,
    .fini = zo_cma_lead_fini,
};
