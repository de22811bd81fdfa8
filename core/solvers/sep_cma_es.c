/* sep-CMA-ES: CMA-ES with a diagonal covariance, for hundreds to many thousands of dimensions. It learns a scale for
 * every coordinate n/3 times faster than the full matrix would, and no correlation at all.
 * Oracle: value or steps (a trial's last value).  Space: any.  Batch: any, as cma-es.  Cost: O(n) an ask and a tell.
 * All else (bounds, integers, categories, constraints, restarts, outside points) is cma-es's.
 * Source: "A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity", Ros and Hansen, PPSN 2008,
 *         doi:10.1007/978-3-540-87700-4_30.  Departure: active update; rates as in params.c. */
#include "cma/lead.h"

enum { DIMS_MAX = 100000 };

struct sep_opts {
    double sigma0;
    uint64_t popsize;
    uint32_t restarts;
    bool active;
};
static const zo_opt sep_opt_table[] = {
    CMA_OPT_SIGMA0(struct sep_opts),
    CMA_OPT_POPSIZE(struct sep_opts),
    CMA_OPT_RESTARTS(struct sep_opts),
    CMA_OPT_ACTIVE(struct sep_opts),
};

static zo_status sep_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct sep_opts *o = opts;
    const cma_config config = {.name = "sep-cma-es",
                               .shape = CMA_DIAGONAL,
                               .active = o->active,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (p->n > DIMS_MAX)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "sep-cma-es is limited to %d dimensions", (int)DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

const zo_solver zo_solver_sep_cma_es = {
    .name = "sep-cma-es",
    .version = 1,
    .summary = "evolution strategy that learns the scale of each coordinate in linear time; for many dimensions",
    .reference =
        "Ros and Hansen, A Simple Modification in CMA-ES Achieving Linear Time and Space Complexity, PPSN 2008, "
        "doi:10.1007/978-3-540-87700-4_30",
    .complexity = "O(n) a trial",
    .advice = "many dimensions, up to 10,000 and more, with little coupling between parameters",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = sep_opt_table,
    .n_opts = ZO_LEN(sep_opt_table),
    .opts_bytes = sizeof(struct sep_opts),
    .state_bytes = sizeof(cma_run),
    .memo_bytes = zo_cma_memo_bytes,
    .init = sep_init,
    .ask = zo_cma_lead_ask,
    .tell = zo_cma_lead_tell,
    .snapshot = zo_cma_lead_snapshot,
    .describe = zo_cma_lead_describe,
    .fini = zo_cma_lead_fini,
};
