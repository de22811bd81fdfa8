/* AL-CMA-ES: CMA-ES under outcome constraints by an augmented Lagrangian (lagrangian.h), for noisy values and for runs
 * of more than some 1000 trials a dimension: it approaches an active constraint from both sides, where ranking the
 * feasible first creeps along it. With few trials and without noise sqp and cobyla are far ahead. Oracle: value or
 * steps (a trial's last value).  Space: any.  Batch: any, as cma-es.  Cost: O(n^2) an ask, O(n^3 / lambda + m) a tell
 * with m constraints. Departures: multipliers begin anew with each restart; only points that hold all constraints count
 * for the stops. Sources: those of lagrangian.h; all else is cma-es's. */
#include "cma/lead.h"

enum { DIMS_MAX = 1000 };

struct al_opts {
    double sigma0;
    uint64_t popsize;
    uint32_t restarts;
    bool active;
};
static const zo_opt al_opt_table[] = {
    CMA_OPT_SIGMA0(struct al_opts),
    CMA_OPT_POPSIZE(struct al_opts),
    CMA_OPT_RESTARTS(struct al_opts),
    CMA_OPT_ACTIVE(struct al_opts),
};

static zo_status al_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct al_opts *o = opts;
    const cma_config config = {.name = "al-cma-es",
                               .shape = CMA_FULL,
                               .active = o->active,
                               .lagrangian = true,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (p->n > DIMS_MAX)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "al-cma-es is limited to %d dimensions", (int)DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

const zo_solver zo_solver_al_cma_es = {
    .name = "al-cma-es",
    .version = 1,
    .summary = "evolution strategy under outcome constraints, by an augmented Lagrangian",
    .reference = "Atamna, Auger and Hansen, FOGA 2017, doi:10.1145/3040718.3040732; Dufosse and Hansen, GECCO 2021, "
                 "doi:10.1145/3449639.3459340",
    .complexity = "O(n^2) an ask, O(n^3 / population) a tell",
    .advice = "outcome constraints with noisy values, or with more than some 1000 trials a dimension",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = al_opt_table,
    .n_opts = ZO_LEN(al_opt_table),
    .opts_bytes = sizeof(struct al_opts),
    .state_bytes = sizeof(cma_run),
    .memo_bytes = zo_cma_memo_bytes,
    .init = al_init,
    .ask = zo_cma_lead_ask,
    .tell = zo_cma_lead_tell,
    .snapshot = zo_cma_lead_snapshot,
    .describe = zo_cma_lead_describe,
    .fini = zo_cma_lead_fini,
};
