/* What a problem asks of its solver, held against the solver's traits. */
#include "zeroth/solver.h"

static bool has_dims(const zo_problem *p, zo_dim_kind kind)
{
    for (size_t i = 0; i < p->n && p->dims != NULL; i++)
        if (p->dims[i].kind == kind)
            return true;
    return false;
}

static bool has_conditions(const zo_problem *p)
{
    for (size_t i = 0; i < p->n && p->dims != NULL; i++)
        if (p->dims[i].conditional)
            return true;
    return false;
}

zo_status zo_solver_accepts(const zo_solver *s, const zo_problem *p, zo_error *err)
{
    const struct {
        bool needed;
        uint32_t trait;
        const char *feature;
    } needs[] = {
        {has_dims(p, ZO_DIM_LEVELS), ZO_TRAIT_LEVELS, "integer, ordinal, boolean or stepped parameters"},
        {has_dims(p, ZO_DIM_CATEGORY), ZO_TRAIT_CATEGORY, "categorical parameters"},
        {has_conditions(p), ZO_TRAIT_CONDITIONAL, "conditional parameters"},
        {p->n_constraints > 0, ZO_TRAIT_CONSTRAINTS, "outcome constraints"},
        {p->space != NULL && zo_space_has_linear(p->space), ZO_TRAIT_LINEAR, "linear constraints"},
        {p->n_objectives > 1, ZO_TRAIT_OBJECTIVES, "several objectives"},
        {p->noise == ZO_NOISE_EXPECTED, ZO_TRAIT_NOISE, "noisy values"},
        {p->parallelism > 1, ZO_TRAIT_PARALLEL, "parallel trials"},
    };

    if ((s->oracles & p->oracle) == 0)
        return zo_fail(err, ZO_EUNSUPPORTED, "/solver/name", "solver '%s' does not support this oracle", s->name);
    for (size_t i = 0; i < ZO_LEN(needs); i++)
        if (needs[i].needed && (s->traits & needs[i].trait) == 0)
            return zo_fail(err, ZO_EUNSUPPORTED, "/solver/name", "solver '%s' does not support %s", s->name,
                           needs[i].feature);
    return ZO_OK;
}
