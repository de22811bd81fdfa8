/* PSA-CMA-ES: CMA-ES whose population grows while the samples of a generation do not agree on a direction, and shrinks
 * when they do (psa.h). Under noise the mean of many ranks what single values can't; on rugged functions the many
 * see over the ripples. On smooth functions without noise it is some 2.5 times slower than cma-es.
 * Oracle: value or steps (a trial's last value).  Space: any; the population follows the Gaussian part alone.  Batch:
 * any, as cma-es.  Cost: O(n^2) an ask, O(n^3 / lambda) a tell.
 * All else (bounds, integers, categories, constraints, restarts, outside points) is cma-es's.
 * Source: "PSA-CMA-ES: CMA-ES with Population Size Adaptation", Nishida and Akimoto, GECCO 2018,
 *         doi:10.1145/3205455.3205467. */
#include "cma/lead.h"

enum { DIMS_MAX = 1000 };

struct psa_opts {
    double sigma0;
    uint64_t popsize, growth;
    uint32_t restarts;
};
static const zo_opt psa_opt_table[] = {
    CMA_OPT_SIGMA0(struct psa_opts),
    CMA_OPT_POPSIZE(struct psa_opts),
    CMA_OPT_RESTARTS(struct psa_opts),
    ZO_OPT_U64(struct psa_opts, growth, 512, 1, 4096,
               "the population is at most this many times that of the first run"),
};

static zo_status psa_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct psa_opts *o = opts;
    const cma_config config = {.name = "psa-cma-es",
                               .shape = CMA_FULL,
                               .adapts_population = true,
                               .growth = o->growth,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (p->n > DIMS_MAX)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "psa-cma-es is limited to %d dimensions", (int)DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

const zo_solver zo_solver_psa_cma_es = {
    .name = "psa-cma-es",
    .version = 1,
    .summary = "evolution strategy whose population grows as far as noise or ruggedness needs it",
    .reference = "Nishida and Akimoto, PSA-CMA-ES: CMA-ES with Population Size Adaptation, GECCO 2018, "
                 "doi:10.1145/3205455.3205467",
    .complexity = "O(n^2) an ask, O(n^3 / population) a tell",
    .advice = "noisy values and more than some 300 trials a dimension",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = psa_opt_table,
    .n_opts = ZO_LEN(psa_opt_table),
    .opts_bytes = sizeof(struct psa_opts),
    .state_bytes = sizeof(cma_run),
    .memo_bytes = zo_cma_memo_bytes,
    .init = psa_init,
    .ask = zo_cma_lead_ask,
    .tell = zo_cma_lead_tell,
    .snapshot = zo_cma_lead_snapshot,
    .describe = zo_cma_lead_describe,
    .fini = zo_cma_lead_fini,
};
