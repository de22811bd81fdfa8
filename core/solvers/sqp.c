/* Sequential quadratic programming under outcome constraints: quasi-Newton steps that hold all constraints to first
 * order, on finite differences of one joint evaluation of the value and the constraints. Oracle: value and constraints
 * together, without noise.  Space: reals.  Batch: a stencil is n points at once. Cost: O(n^3 + m n^2) every n+1 trials.
 * The first run begins at the default point, else at the best point told, else at the centre; the others anywhere.
 * Sources: Kraft, DFVLR-FB 88-28, 1988; Powell, "A fast algorithm for nonlinearly constrained optimization
 * calculations", LNM 630, 1978, doi:10.1007/BFb0067703. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "constrained/incumbent.h"
#include "sqp/run.h"

enum { MAX_DIMS = 500, BLIND_RUNS = 6 };
typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};

static const zo_opt sqp_opt_table[] = {
    ZO_OPT_F64(sqp_opts, h, 1.5e-9, 1e-14, 0.1, "difference step, in widths of the box"),
    ZO_OPT_F64(sqp_opts, b_first, 0.1, 1e-12, 1e6, "first matrix of a run: this times the largest slope"),
    ZO_OPT_F64(sqp_opts, b_scale, 1e-4, 1e-12, 1e6, "second matrix: this times the curvature along the first step"),
    ZO_OPT_F64(sqp_opts, armijo, 0.1, 1e-6, 0.49, "share of the predicted gain that a step must bring"),
    ZO_OPT_F64(sqp_opts, backtrack_min, 0.1, 0.001, 0.9, "shortest cut of a step that brought too little"),
    ZO_OPT_F64(sqp_opts, ftol, 1e-12, 0, 1, "a run ends when a step gains less than this"),
    ZO_OPT_F64(sqp_opts, margin, 1e-12, 0, 1,
               "how far inside of its bound a constraint is kept, in its change across the box"),
    ZO_OPT_U64(sqp_opts, ls_max, 10, 1, 100, "points of a line search at most"),
    ZO_OPT_U64(sqp_opts, resets, 5, 0, 1000, "times that a run may begin anew with its matrix"),
    ZO_OPT_ENUM(sqp_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows a run that has come to its end: one from a random point, or nothing"),
};

struct sqp {
    const zo_problem *p;
    sqp_opts o;
    sqp_run run;
    zo_incumbent best;
    uint64_t n_started, n_failed;
};

static zo_status sqp_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct sqp *s = self;
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const sqp_opts *)opts;
    if (p->n > MAX_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'sqp' is limited to %d dimensions", (int)MAX_DIMS);
    if ((rc = zo_incumbent_init(&s->best, p, err)) != ZO_OK)
        return rc;
    return sqp_run_init(&s->run, p, &s->o, err);
}

static void sqp_fini(void *self)
{
    struct sqp *s = self;

    zo_incumbent_fini(&s->best);
    sqp_run_fini(&s->run);
}

/* ---- ask ---- */

static void start_run(struct sqp *s)
{
    const double *x = s->n_started > 0 ? NULL : s->p->x0 ? s->p->x0 : s->best.known ? s->best.x : NULL;

    if (!x) {
        for (size_t i = 0; i < s->p->n; i++)
            s->run.trial[i] = 0.5;
        if (s->n_started > 0)
            zo_random_start(s->p, s->n_started, s->run.trial);
        x = s->run.trial;
    }
    sqp_run_start(&s->run, x);
    s->n_started++;
}

static void end(const struct sqp *s, zo_proposal *p)
{
    const bool blind = s->p->n_constraints > 0 && s->best.known && !s->best.feasible;

    p->verdict = blind ? ZO_ASK_INFEASIBLE : ZO_ASK_DONE;
    p->why = blind ? "no run has come to a feasible point" : sqp_end_name(s->run.end);
}

static zo_status sqp_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct sqp *s = self;
    const bool blind = s->p->n_constraints > 0 && !s->best.feasible && s->n_started >= BLIND_RUNS;

    (void)rng;
    (void)err;
    if (s->n_failed > 10 * (s->p->n + 1)) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
        return ZO_OK;
    }
    if (!sqp_run_is_live(&s->run)) {
        if (s->n_started > 0 && (s->o.restarts == RESTARTS_NONE || blind)) {
            end(s, p);
            return ZO_OK;
        }
        start_run(s);
    }
    if (!zo_stage_ask(&s->run.stage, p))
        p->verdict = ZO_ASK_WAIT;
    return ZO_OK;
}

static zo_status sqp_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct sqp *s = self;

    (void)rng;
    (void)err;
    if (t->outcome != ZO_TOLD_ABANDONED)
        s->n_failed = zo_told_is_valued(t) ? 0 : s->n_failed + 1;
    zo_incumbent_tell(&s->best, t);
    sqp_run_tell(&s->run, t);
    return ZO_OK;
}

static void sqp_snapshot(void *self, zo_visit *v)
{
    struct sqp *s = self;

    zo_visit_u64(v, "started", &s->n_started, 1);
    zo_visit_u64(v, "failed", &s->n_failed, 1);
    zo_incumbent_visit(&s->best, "best", v);
    sqp_run_visit(&s->run, v);
}

static zo_status sqp_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct sqp *s = self;
    char text[32];

    snprintf(text, sizeof text, "%llu", (unsigned long long)s->n_started);
    return zo_bundle_set_meta(facts, "runs", text, err);
}

const zo_solver zo_solver_sqp = {
    .name = "sqp",
    .version = 1,
    .summary = "sequential quadratic programming on finite differences or true gradients; smooth problems with outcome constraints",
    .reference = "Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28, 1988",
    .complexity = "O(n^3 + m n^2) every n+1 trials, with gradients every trial or two; memory O(n (n + m))",
    .advice = "smooth outcome constraints without noise, more than some 10 dimensions, or with gradients",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = sqp_opt_table,
    .n_opts = ZO_LEN(sqp_opt_table),
    .opts_bytes = sizeof(sqp_opts),
    .state_bytes = sizeof(struct sqp),
    .memo_bytes = zo_stage_memo_bytes,
    .init = sqp_init,
    .ask = sqp_ask,
    .tell = sqp_tell,
    .snapshot = sqp_snapshot,
    .describe = sqp_describe,
    .fini = sqp_fini,
};
