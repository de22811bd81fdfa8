/* Random search: independent points, uniform over the encoded cube or the part of it that linear constraints leave.
 * Oracle: value, steps or gradient.  Space: any.  Batch: any.  Cost: O(n) an ask.  A point depends on seed and number alone.
 * Source: "Random search for hyper-parameter optimization", Bergstra and Bengio, JMLR 13, 2012. */
#include "zeroth/solver.h"

struct random {
    const zo_space *space;
    double *v; /* [n] the point in natural units */
};

static zo_status random_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct random *s = self;

    (void)opts;
    (void)rng;
    s->space = p->n > 0 ? p->space : NULL; /* nothing to draw without dimensions */
    s->v = zo_calloc(p->n, sizeof *s->v);
    return s->v != NULL ? ZO_OK : zo_fail_nomem(err);
}

static zo_status random_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct random *s = self;

    (void)err;
    if (s->space != NULL) {
        zo_space_sample(s->space, rng, s->v);
        zo_space_to_unit(s->space, s->v, p->x);
    }
    return ZO_OK;
}

static void random_fini(void *self)
{
    zo_free(((struct random *)self)->v);
}

const zo_solver zo_solver_random = {
    .name = "random",
    .version = 1,
    .summary = "independent uniform points; the baseline",
    .reference = "Bergstra and Bengio, Random search for hyper-parameter optimization, JMLR 13, 2012",
    .complexity = "O(n) an ask",
    .advice = "a baseline, and spaces of any kind",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_OBJECTIVES | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .state_bytes = sizeof(struct random),
    .init = random_init,
    .ask = random_ask,
    .fini = random_fini,
};
