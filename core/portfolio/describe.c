/* What the portfolio says of itself: the stage and why, and what each core did for its evaluations. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "portfolio/portfolio.h"

static const char *const stage_names[PF_STAGES] = {"probe", "descent", "restarts", "model", "turns", "turns"};
static const char *const reasons[PF_STAGES] = {
    "a small design around the start shows whether the axes can be searched one by one",
    "a quasi-Newton run from the best point",
    "quasi-Newton runs from other starts, in case the first one ended in a local optimum",
    "CMA-ES with a quadratic model, from the best point",
    "a quasi-Newton run from another start and a CMA-ES run with a larger population, in turn",
    "a quasi-Newton run from another start and a CMA-ES run with a larger population, in turn",
};

static zo_status say_u64(zo_bundle *facts, const char *core, const char *what, uint64_t k, zo_error *err)
{
    char key[96], text[32];

    snprintf(key, sizeof key, "%s.%s", core, what);
    snprintf(text, sizeof text, "%" PRIu64, k);
    return zo_bundle_set_meta(facts, key, text, err);
}

static zo_status say_f64(zo_bundle *facts, const char *core, const char *what, double x, zo_error *err)
{
    char key[96], text[32];

    snprintf(key, sizeof key, "%s.%s", core, what);
    snprintf(text, sizeof text, "%.17g", x);
    return isfinite(x) ? zo_bundle_set_meta(facts, key, text, err) : ZO_OK;
}

static zo_status say_record(const portfolio *s, uint32_t kind, zo_bundle *facts, zo_error *err)
{
    const pf_record *r = &s->records[kind];
    const char *core = pf_core_of(&s->p, kind)->name;
    char key[96];
    zo_status rc;

    if ((rc = say_u64(facts, core, "runs", r->runs, err)) != ZO_OK ||
        (rc = say_u64(facts, core, "evaluations", r->evals, err)) != ZO_OK ||
        (rc = say_u64(facts, core, "reused", r->hits, err)) != ZO_OK ||
        (rc = say_u64(facts, core, "records", r->records, err)) != ZO_OK ||
        (rc = say_f64(facts, core, "gain", r->gain, err)) != ZO_OK ||
        (rc = say_f64(facts, core, "best", r->best, err)) != ZO_OK || !r->last_end[0])
        return rc;
    snprintf(key, sizeof key, "%s.last_end", core);
    return zo_bundle_set_meta(facts, key, (const char *)r->last_end, err);
}

/* The axis search says what it knows of the separability: it is why it runs. */
static zo_status say_axis(const portfolio *s, zo_bundle *facts, zo_error *err)
{
    const char *found;
    char text[256];
    zo_status rc;

    if ((rc = zo_solver_run_describe(s->lines[PF_LOCAL_LINE].run, facts, err)) != ZO_OK ||
        !(found = zo_bundle_meta(facts, "separability")))
        return rc;
    snprintf(text, sizeof text, "%s; separable: %s", reasons[s->stage], found);
    return zo_bundle_set_meta(facts, "reason", text, err);
}

zo_status portfolio_describe(const portfolio *s, zo_bundle *facts, zo_error *err)
{
    const bool global = s->stage == PF_MODEL || s->stage == PF_TURN_GLOBAL;
    const uint32_t kind = s->stage == PF_PROBE ? PF_AXIS : global ? PF_GLOBAL : PF_LOCAL;
    const zo_solver *running = pf_core_of(&s->p, kind);
    zo_status rc;

    if ((rc = zo_bundle_set_meta(facts, "running", running ? running->name : "random", err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(facts, "reason", reasons[s->stage], err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(facts, "stage", stage_names[s->stage], err)) != ZO_OK)
        return rc;
    if (s->lines[PF_LOCAL_LINE].run && s->lines[PF_LOCAL_LINE].plan.kind == PF_AXIS &&
        (rc = say_axis(s, facts, err)) != ZO_OK)
        return rc;
    for (uint32_t kind_ = 1; kind_ < PF_KINDS; kind_++)
        if (s->records[kind_].runs > 0 && (rc = say_record(s, kind_, facts, err)) != ZO_OK)
            return rc;
    return ZO_OK;
}
