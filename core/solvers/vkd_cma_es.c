/* VkD-CMA-ES: CMA-ES with a diagonal covariance and k directions beside it (low_rank.h), for hundreds to thousands of
 * dimensions that are correlated. k begins at 0, where it is sep-CMA-ES, and rises while directions are worth it.
 * Oracle: value or steps (a trial's last value).  Space: any.  Batch: any, as cma-es.  Cost: O(nk) an ask,
 * O(n (k + lambda)^2 / lambda) a tell; k stays near 3 ln n.
 * All else (bounds, integers, categories, constraints, restarts, outside points) is cma-es's.
 * Sources: "Projection-Based Restricted Covariance Matrix Adaptation for High Dimension", Akimoto and Hansen, GECCO
 *          2016, doi:10.1145/2908812.2908863; of k in low_rank.c.  Departure: the step size by its path. */
#include <stdio.h>

#include "cma/lead.h"

enum { DIMS_MAX = 20000 };

struct vkd_opts {
    double sigma0;
    uint64_t popsize;
    uint32_t restarts;
};
static const zo_opt vkd_opt_table[] = {
    CMA_OPT_SIGMA0(struct vkd_opts),
    CMA_OPT_POPSIZE(struct vkd_opts),
    CMA_OPT_RESTARTS(struct vkd_opts),
};

static zo_status vkd_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    const struct vkd_opts *o = opts;
    const cma_config config = {.name = "vkd-cma-es",
                               .shape = CMA_LOW_RANK,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = (cma_restart_rule)o->restarts};

    if (p->n > DIMS_MAX)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "vkd-cma-es is limited to %d dimensions", (int)DIMS_MAX);
    return zo_cma_run_init(self, p, &config, rng, err);
}

static zo_status vkd_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const cma_run *s = self;
    char text[24];
    const zo_status rc = zo_cma_run_describe(s, facts, err);

    snprintf(text, sizeof text, "%zu", s->gauss.low.k);
    return rc != ZO_OK ? rc : zo_bundle_set_meta(facts, "directions", text, err);
}

const zo_solver zo_solver_vkd_cma_es = {
    .name = "vkd-cma-es",
    .version = 1,
    .summary =
        "evolution strategy that learns scales and a few correlated directions in linear time; for many dimensions",
    .reference =
        "Akimoto and Hansen, Projection-Based Restricted Covariance Matrix Adaptation for High Dimension, GECCO 2016, "
        "doi:10.1145/2908812.2908863",
    .complexity = "O(n k) a trial for k directions, k found out",
    .advice = "many dimensions with a few strong couplings",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = vkd_opt_table,
    .n_opts = ZO_LEN(vkd_opt_table),
    .opts_bytes = sizeof(struct vkd_opts),
    .state_bytes = sizeof(cma_run),
    .memo_bytes = zo_cma_memo_bytes,
    .init = vkd_init,
    .ask = zo_cma_lead_ask,
    .tell = zo_cma_lead_tell,
    .snapshot = zo_cma_lead_snapshot,
    .describe = vkd_describe,
    .fini = zo_cma_lead_fini,
};
