/* COBYLA: linear models of the objective and of every constraint through the n+1 vertices of a simplex, in a trust
 * region that only shrinks. Vertices are compared by f + mu * greatest violation, mu rising as steps need it.
 * Oracle: value and constraints together.  Space: real dimensions, a box.  Batch: the first simplex, and all vertices
 * that spoil the simplex's shape.  Cost: O(n^2 m) an evaluation.
 * A run: the simplex; then steps of the models (cobyla/step.h); where a step gains little, vertices are moved until the
 * simplex is well shaped, and then the region halves; at rho_end the run ends. Bounds are constraints of the step,
 * which hold exactly. The first restart is near the best feasible point, the others anywhere. Departures: bounds;
 * constraints are scaled by what the first simplex shows; its edges' signs are drawn; vertices are kept as evaluated. A
 * trial without a value: another place for a vertex, half the region for a step. Source: "A Direct Search Optimization
 * Method That Models the Objective and Constraint Functions by Linear Interpolation", Powell, 1994,
 * doi:10.1007/978-94-015-8330-5_4. */
#include <float.h>
#include <stdio.h>

#include "cobyla/search.h"

enum { MAX_DIMS = 2000, FAILURES_A_DIMENSION = 10 };
static const char *const restart_rules[] = {"random", "none", NULL};

static const zo_opt cobyla_opt_table[] = {
    ZO_OPT_F64(struct cobyla_opts, rho_begin, 0.2, 1e-6, 0.5, "first trust region's radius, in widths of the box"),
    ZO_OPT_F64(struct cobyla_opts, rho_end, 1e-9, 1e-14, 0.1, "last trust region's radius, in widths of the box"),
    ZO_OPT_ENUM(struct cobyla_opts, restarts, COBYLA_RESTARTS_RANDOM, restart_rules,
                "what follows a converged run: random starts anew, first near the best feasible point, none ends"),
    ZO_OPT_BOOL(struct cobyla_opts, scale, true,
                "divide each constraint by its largest absolute value in the first simplex"),
};

/* ---- set-up ---- */

static zo_status cobyla_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct cobyla *s = self;
    const size_t n = p->n, m = p->n_constraints;
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const struct cobyla_opts *)opts;
    s->n = n;
    s->m = m;
    if (n > MAX_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'cobyla' is limited to %d dimensions", (int)MAX_DIMS);
    s->scale = zo_calloc(m, sizeof *s->scale);
    s->sign = zo_calloc(n, sizeof *s->sign);
    s->d = zo_calloc(n, sizeof *s->d);
    s->other = zo_calloc(n, sizeof *s->other);
    s->shares = zo_calloc(n, sizeof *s->shares);
    s->c = zo_calloc(m, sizeof *s->c);
    s->target = zo_calloc(n + 1, sizeof *s->target);
    s->has = zo_calloc(n + 1, sizeof *s->has);
    s->tries = zo_calloc(n, sizeof *s->tries);
    if (!s->scale || !s->sign || !s->d || !s->other || !s->shares || !s->c || !s->target || !s->has || !s->tries)
        return zo_fail_nomem(err);
    if ((rc = zo_stage_init(&s->stage, p, n + 1, "cobyla", zo_cobyla_labels, COBYLA_LABELS, err)) != ZO_OK ||
        (rc = zo_incumbent_init(&s->best, p, err)) != ZO_OK || (rc = zo_incumbent_init(&s->given, p, err)) != ZO_OK ||
        (rc = zo_cobyla_simplex_init(&s->simplex, n, m, err)) != ZO_OK)
        return rc;
    return zo_cobyla_step_init(&s->step, n, m, err);
}

static void cobyla_fini(void *self)
{
    struct cobyla *s = self;

    zo_stage_fini(&s->stage);
    zo_incumbent_fini(&s->best);
    zo_incumbent_fini(&s->given);
    zo_cobyla_simplex_fini(&s->simplex);
    zo_cobyla_step_fini(&s->step);
    zo_free(s->scale);
    zo_free(s->sign);
    zo_free(s->d);
    zo_free(s->other);
    zo_free(s->shares);
    zo_free(s->c);
    zo_free(s->target);
    zo_free(s->has);
    zo_free(s->tries);
}

/* ---- ask, tell ---- */

static const char *reason(const struct cobyla *s)
{
    switch ((zo_verdict)s->verdict) {
    case ZO_ASK_DONE:
        return "converged: the trust region is as small as rho_end";
    case ZO_ASK_INFEASIBLE:
        return "no run found a point that holds the constraints";
    case ZO_ASK_STALLED:
        return "trials fail, one after another";
    case ZO_ASK_OK:
    case ZO_ASK_WAIT:
        break;
    }
    return NULL;
}

static zo_status cobyla_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct cobyla *s = self;

    (void)rng;
    (void)err;
    if (s->phase == COBYLA_OVER) {
        p->verdict = (zo_verdict)s->verdict;
        p->why = reason(s);
        return ZO_OK;
    }
    if (s->phase == COBYLA_NEW)
        zo_cobyla_start(s);
    if (!zo_stage_ask(&s->stage, p))
        p->verdict = ZO_ASK_WAIT;
    return ZO_OK;
}

static zo_status cobyla_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct cobyla *s = self;

    (void)rng;
    (void)err;
    zo_incumbent_tell(&s->best, t);
    if (s->phase == COBYLA_NEW && s->p->x0 != NULL)
        zo_incumbent_tell_at(&s->given, t, s->p->x0);
    if (zo_stage_tell(&s->stage, t) == STAGE_NONE || s->phase == COBYLA_OVER)
        return ZO_OK;
    if (s->stage.n_failed >= FAILURES_A_DIMENSION * (s->n + 1))
        zo_cobyla_end(s, ZO_ASK_STALLED);
    else if (zo_stage_is_complete(&s->stage))
        zo_cobyla_advance(s);
    return ZO_OK;
}

/* ---- what it is doing; saving it ---- */

static zo_status cobyla_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct cobyla *s = self;
    char text[40];
    zo_status rc;

    snprintf(text, sizeof text, "%.0f", (double)s->run);
    if ((rc = zo_bundle_set_meta(facts, "restarts", text, err)) != ZO_OK)
        return rc;
    snprintf(text, sizeof text, "%.6g", s->rho);
    if ((rc = zo_bundle_set_meta(facts, "rho", text, err)) != ZO_OK)
        return rc;
    snprintf(text, sizeof text, "%.6g", s->mu);
    return zo_bundle_set_meta(facts, "penalty", text, err);
}

static void visit_counts(struct cobyla *s, zo_visit *v)
{
    uint64_t *const fields[] = {&s->phase,     &s->verdict,        &s->run,      &s->n_runs_blind,
                                &s->is_scaled, &s->after_geometry, &s->n_rebuilt};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_u64(v, "counts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
    zo_visit_require(v, "counts", s->phase < COBYLA_COUNT && s->verdict <= ZO_ASK_INFEASIBLE);
}

static void cobyla_snapshot(void *self, zo_visit *v)
{
    struct cobyla *s = self;

    visit_counts(s, v);
    zo_visit_f64_within(v, "rho", &s->rho, 1, 0, 1);
    zo_visit_f64_within(v, "penalty", &s->mu, 1, 0, DBL_MAX);
    zo_visit_f64(v, "rise", &s->rise, 1);
    zo_visit_f64(v, "relief", &s->relief, 1);
    zo_visit_f64_within(v, "scale", s->scale, s->m, 0, DBL_MAX);
    zo_visit_f64_within(v, "sign", s->sign, s->n, -1, 1);
    zo_visit_u64(v, "target", s->target, s->n + 1);
    zo_visit_u8(v, "has", s->has, s->n + 1);
    zo_visit_u8(v, "tries", s->tries, s->n);
    for (size_t i = 0; i <= s->n && v->status == ZO_OK; i++)
        zo_visit_require(v, "target", s->target[i] <= s->n);
    zo_incumbent_visit(&s->best, "best", v);
    zo_incumbent_visit(&s->given, "given", v);
    zo_cobyla_simplex_visit(&s->simplex, v);
    zo_stage_visit(&s->stage, v);
}

const zo_solver zo_solver_cobyla = {
    .name = "cobyla",
    .version = 1,
    .summary = "linear models in a shrinking trust region: few evaluations under constraints, without derivatives",
    .reference = "Powell, A Direct Search Optimization Method That Models the Objective and Constraint Functions by "
                 "Linear Interpolation, 1994, doi:10.1007/978-94-015-8330-5_4",
    .complexity = "O(n^2 m) a trial; memory O(n (n + m))",
    .advice = "outcome constraints without noise, up to some 10 dimensions, few trials",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = cobyla_opt_table,
    .n_opts = ZO_LEN(cobyla_opt_table),
    .opts_bytes = sizeof(struct cobyla_opts),
    .state_bytes = sizeof(struct cobyla),
    .memo_bytes = zo_stage_memo_bytes,
    .init = cobyla_init,
    .ask = cobyla_ask,
    .tell = cobyla_tell,
    .snapshot = cobyla_snapshot,
    .describe = cobyla_describe,
    .fini = cobyla_fini,
};
