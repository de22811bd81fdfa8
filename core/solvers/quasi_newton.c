/* Multistart quasi-Newton in a box: damped BFGS, an exact step in the box, finite differences or true gradients.
 * Oracle: value or gradient.  Space: reals.  Batch: a stencil is n points at once, a line search tries several lengths
 * together; further runs fill what is left.  Cost: O(n^3) every n+1 values; beyond 200 dimensions a limited memory.
 * The first run begins at the default point, else at the best point told, else at the centre; the others anywhere.
 * Sources: Kraft, DFVLR-FB 88-28, 1988; Powell, LNM 630, 1978; Rinnooy Kan and Timmer, Math. Programming 39, 1987;
 *          More and Wild, ACM TOMS 38(3), 2012 (difference steps); Byrd, Lu, Nocedal and Zhu, SISC 16(5), 1995. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "quasi_newton/run.h"

enum { DENSE_DIMS = 200, PAIRS = 20, VALUE_DIMS = 1000, GRADIENT_DIMS = 100000, MAX_AT_ONCE = 8 };
typedef enum { START_AUTO, START_CENTER, START_RANDOM } start_rule;
static const char *const starts[] = {"auto", "center", "random", NULL};

static const zo_opt qn_opt_table[] = {
    ZO_OPT_ENUM(qn_opts, start, START_AUTO, starts,
                "where the first run begins: auto is the default point, else the best point known, else the center"),
    ZO_OPT_U64(qn_opts, max_runs, 0, 0, 1000000,
               "runs, each from a start of its own; 0: as many as there are trials for"),
    ZO_OPT_U64(qn_opts, history, 0, 0, 100,
               "pairs of a limited memory; 0: a dense matrix up to 200 dimensions, 20 pairs beyond"),
    ZO_OPT_F64(qn_opts, h_first, 1e-10, 1e-14, 0.1, "first difference step of a run, in widths of the box"),
    ZO_OPT_F64(qn_opts, h_factor, 2, 0.1, 1000,
               "later difference steps: factor times the square root of rounding over curvature"),
    ZO_OPT_F64(qn_opts, h_min, 1e-11, 1e-14, 0.1, "smallest difference step, in widths of the box"),
    ZO_OPT_F64(qn_opts, h_max, 1e-6, 1e-14, 0.1, "largest difference step, in widths of the box"),
    ZO_OPT_F64(qn_opts, b_first, 0.1, 1e-12, 1e6, "first matrix of a run: this times the largest slope"),
    ZO_OPT_F64(qn_opts, b_scale, 1e-4, 1e-12, 1e6, "second matrix: this times the curvature along the first step"),
    ZO_OPT_F64(qn_opts, armijo, 0.1, 1e-6, 0.49, "share of the predicted gain that a step must bring"),
    ZO_OPT_F64(qn_opts, backtrack_min, 0.1, 0.001, 0.9, "shortest cut of a step that brought too little"),
    ZO_OPT_U64(qn_opts, ls_max, 10, 1, 100, "points of a line search at most"),
    ZO_OPT_U64(qn_opts, resets, 5, 0, 1000, "times that a run may begin anew with its matrix"),
    ZO_OPT_F64(qn_opts, ftol, 1e-12, 0, 1, "a run ends when a step gains less than this"),
};

struct qn {
    const zo_problem *p;
    qn_opts o;
    size_t n_runs; /* at once */
    qn_run *runs;  /* [n_runs] */
    uint64_t n_started, n_failed;
    uint32_t last_end;
    bool has_best;        /* a point told before the first ask */
    double *best, best_f; /* [n] the best of them */
};
struct memo {
    uint64_t run;
    stage_memo stage;
};

static size_t memo_bytes(const zo_problem *p)
{
    (void)p;
    return sizeof(struct memo);
}

static zo_status qn_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct qn *s = self;
    const bool gradients = p->oracle == ZO_ORACLE_GRADIENT;
    const size_t most = gradients ? GRADIENT_DIMS : VALUE_DIMS;
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const qn_opts *)opts;
    if (p->n > most)
        return zo_fail(err, ZO_EUNSUPPORTED, "",
                       "quasi-newton takes at most %zu dimensions with the %s oracle, not %zu", most,
                       gradients ? "gradient" : "value", p->n);
    if (s->o.history == 0 && p->n > DENSE_DIMS)
        s->o.history = PAIRS;
    s->n_runs = gradients ? p->parallelism : p->parallelism / (p->n + 1) + 1;
    s->n_runs = s->n_runs < MAX_AT_ONCE ? s->n_runs : MAX_AT_ONCE;
    if (s->o.max_runs > 0 && s->n_runs > s->o.max_runs)
        s->n_runs = (size_t)s->o.max_runs;
    s->best_f = INFINITY;
    s->best = zo_calloc(p->n + 1, sizeof *s->best);
    s->runs = zo_calloc(s->n_runs, sizeof *s->runs);
    if (!s->best || !s->runs)
        return zo_fail_nomem(err);
    for (size_t k = 0; k < s->n_runs; k++)
        if ((rc = qn_run_init(&s->runs[k], p, &s->o, err)) != ZO_OK)
            return rc;
    return ZO_OK;
}

static void qn_fini(void *self)
{
    struct qn *s = self;

    for (size_t k = 0; s->runs && k < s->n_runs; k++)
        qn_run_fini(&s->runs[k]);
    zo_free(s->runs);
    zo_free(s->best);
}

/* ---- ask ---- */

static void start_run(struct qn *s, qn_run *r)
{
    const bool first = s->n_started == 0;
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->n_started + 1);
    const double *x = first && s->o.start == START_AUTO ? s->p->x0 ? s->p->x0 : s->has_best ? s->best : NULL : NULL;

    if (!x) {
        for (size_t i = 0; i < s->p->n; i++)
            r->trial[i] = first && s->o.start != START_RANDOM ? 0.5 : zo_rng_uniform(&rng);
        x = r->trial;
    }
    qn_run_start(r, x);
    s->n_started++;
}

static bool may_start(const struct qn *s)
{
    return s->o.max_runs == 0 || s->n_started < s->o.max_runs;
}

static bool all_fail(const struct qn *s)
{
    return s->n_failed > 10 * (s->p->n + 1);
}

static bool ask_run(struct qn *s, size_t k, zo_proposal *p)
{
    struct memo *memo = p->memo;
    zo_proposal q = *p;

    q.memo = &memo->stage;
    if (!zo_stage_ask(&s->runs[k].stage, &q))
        return false;
    q.memo = p->memo;
    *p = q;
    memo->run = k;
    return true;
}

static zo_status qn_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct qn *s = self;
    bool live = false;

    (void)rng;
    (void)err;
    if (all_fail(s)) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
        return ZO_OK;
    }
    for (size_t k = 0; k < s->n_runs; k++) {
        if (qn_run_is_live(&s->runs[k]) && ask_run(s, k, p))
            return ZO_OK;
        live = live || qn_run_is_live(&s->runs[k]);
    }
    for (size_t k = 0; k < s->n_runs && may_start(s); k++)
        if (!qn_run_is_live(&s->runs[k])) {
            start_run(s, &s->runs[k]);
            if (ask_run(s, k, p))
                return ZO_OK;
        }
    p->verdict = live ? ZO_ASK_WAIT : ZO_ASK_DONE;
    if (!live)
        p->why = qn_end_name(s->last_end);
    return ZO_OK;
}

/* ---- tell ---- */

static bool tell_run(struct qn *s, size_t k, const zo_told *t)
{
    qn_run *r = &s->runs[k];
    const bool was_live = qn_run_is_live(r), taken = qn_run_tell(r, t);

    if (was_live && !qn_run_is_live(r))
        s->last_end = r->end;
    return taken;
}

static void note_best(struct qn *s, const zo_told *t)
{
    if (s->n_started > 0 || !zo_told_is_valued(t) || !(t->f[0] < s->best_f))
        return;
    s->best_f = t->f[0];
    s->has_best = true;
    memcpy(s->best, t->x, s->p->n * sizeof *s->best);
}

static zo_status qn_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct qn *s = self;
    bool taken = false;

    (void)rng;
    (void)err;
    if (t->outcome != ZO_TOLD_ABANDONED)
        s->n_failed = zo_told_is_valued(t) ? 0 : s->n_failed + 1;
    if (t->own) {
        const struct memo *memo = t->memo;
        zo_told own = *t;
        own.memo = &memo->stage;
        if (memo->run < s->n_runs)
            tell_run(s, (size_t)memo->run, &own);
        return ZO_OK;
    }
    for (size_t k = 0; k < s->n_runs && !taken; k++)
        taken = tell_run(s, k, t);
    note_best(s, t);
    return ZO_OK;
}

/* ---- snapshot, description ---- */

static void qn_snapshot(void *self, zo_visit *v)
{
    struct qn *s = self;
    const char *outer = v->prefix;
    char prefix[64];

    zo_visit_u64(v, "started", &s->n_started, 1);
    zo_visit_u64(v, "failed", &s->n_failed, 1);
    zo_visit_u32(v, "last_end", &s->last_end, 1);
    uint32_t has_best = s->has_best;
    zo_visit_u32(v, "has_best", &has_best, 1);
    s->has_best = has_best != 0;
    zo_visit_f64_within(v, "best", s->best, s->p->n, 0, 1);
    zo_visit_f64(v, "best_f", &s->best_f, 1);
    for (size_t k = 0; k < s->n_runs; k++) {
        snprintf(prefix, sizeof prefix, "%srun%zu.", outer ? outer : "", k);
        v->prefix = prefix;
        qn_run_visit(&s->runs[k], v);
        v->prefix = outer;
    }
}

static zo_status qn_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct qn *s = self;
    char text[32];
    zo_status rc;

    snprintf(text, sizeof text, "%llu", (unsigned long long)s->n_started);
    if ((rc = zo_bundle_set_meta(facts, "runs", text, err)) != ZO_OK || s->last_end == QN_GOES_ON)
        return rc;
    return zo_bundle_set_meta(facts, "last_end", qn_end_name(s->last_end), err);
}

const zo_solver zo_solver_quasi_newton = {
    .name = "quasi-newton",
    .version = 1,
    .summary = "multistart BFGS in the box on finite differences or true gradients; smooth problems, few evaluations",
    .reference = "Kraft, A software package for sequential quadratic programming, DFVLR-FB 88-28, 1988",
    .complexity = "O(n^2) a trial on the average, O(n) beyond 200 dimensions; memory O(n^2)",
    .advice = "smooth problems without noise, up to some 300 trials a dimension, or with gradients",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = qn_opt_table,
    .n_opts = ZO_LEN(qn_opt_table),
    .opts_bytes = sizeof(qn_opts),
    .state_bytes = sizeof(struct qn),
    .memo_bytes = memo_bytes,
    .init = qn_init,
    .ask = qn_ask,
    .tell = qn_tell,
    .snapshot = qn_snapshot,
    .describe = qn_describe,
    .fini = qn_fini,
};
