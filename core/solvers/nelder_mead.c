/* Nelder-Mead with coefficients that adapt to the dimension, folded into the box, with restarts.
 * Steps: reflect the worst vertex through the others' centre; expand, contract outside or inside, or shrink the
 * simplex. Oracle: value.  Space: reals.  Batch: the first simplex and a shrink are n points, a step's four candidates
 * go out together when there is room.  Cost: O(n) an evaluation, and O(n^2) memory. A run that has converged is
 * repeated around its best vertex with a smaller simplex of turned edges while that gains; then a random start follows.
 * Departures: a point outside is mirrored at the bound; vertices without a value are the worst.
 * Sources: "A simplex method for function minimization", Nelder and Mead, Computer Journal 7, 1965,
 *          doi:10.1093/comjnl/7.4.308; "Implementing the Nelder-Mead simplex algorithm with adaptive parameters", Gao
 * and Han, Comput. Optim. Appl. 51, 2012, doi:10.1007/s10589-010-9329-3. */
#include <math.h>
#include <string.h>

#include "stage/stage.h"
#include "zeroth/linalg.h"

enum { MAX_DIMS = 1000 };
typedef enum { LABEL_SIMPLEX, LABEL_REFLECT, LABEL_EXPAND, LABEL_OUTSIDE, LABEL_INSIDE, LABEL_SHRINK } label;
static const char *const labels[] = {"simplex", "reflect", "expand", "contract outside", "contract inside", "shrink"};
typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};

struct nm_opts {
    double edge, x_tol, f_tol;
    uint64_t repeats;
    uint32_t restarts;
};
static const zo_opt nm_opt_table[] = {
    ZO_OPT_F64(struct nm_opts, edge, 0.2, 1e-6, 0.5, "edges of a start's simplex, in widths of the box"),
    ZO_OPT_F64(struct nm_opts, x_tol, 1e-9, 0, 0.1,
               "a run ends when the simplex is smaller than this, in widths of the box"),
    ZO_OPT_F64(struct nm_opts, f_tol, 1e-13, 0, 1, "or when its values differ by less than this share of the best"),
    ZO_OPT_U64(struct nm_opts, repeats, 3, 0, 1000, "runs around the best vertex of one start, while they gain"),
    ZO_OPT_ENUM(struct nm_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows them: a random start, or nothing"),
};

typedef enum {
    PHASE_NEW,
    PHASE_SIMPLEX,
    PHASE_REFLECT,
    PHASE_EXPAND,
    PHASE_CONTRACT,
    PHASE_SHRINK,
    PHASE_OVER,
    PHASES
} phase;

struct nm {
    const zo_problem *p;
    struct nm_opts o;
    size_t n;
    zo_stage stage;
    double *S; /* [n+1][n] vertices, best first between steps */
    double *F; /* [n+1] their values */
    double *centre, *trial, *reflected,
        *best; /* [n] of all but the worst; scratch; the last reflection; known before */
    double f_reflected, f_best, f_before, edge;
    uint64_t n_starts, n_repeats, n_failed;
    uint32_t phase, outside; /* outside: which contraction is out */
    bool flipped;            /* edges of the present simplex */
};

/* ---- set-up ---- */

static zo_status nm_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct nm *s = self;
    const size_t n = p->n;

    (void)rng;
    s->p = p;
    s->o = *(const struct nm_opts *)opts;
    s->n = n;
    s->f_best = INFINITY;
    if (n > MAX_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'nelder-mead' is limited to %d dimensions", (int)MAX_DIMS);
    s->S = zo_calloc(n + 1, (n + 1) * sizeof *s->S);
    s->F = zo_calloc(n + 1, sizeof *s->F);
    s->centre = zo_calloc(n + 1, sizeof *s->centre);
    s->trial = zo_calloc(n + 1, sizeof *s->trial);
    s->reflected = zo_calloc(n + 1, sizeof *s->reflected);
    s->best = zo_calloc(n + 1, sizeof *s->best);
    if (!s->S || !s->F || !s->centre || !s->trial || !s->reflected || !s->best)
        return zo_fail_nomem(err);
    return zo_stage_init(&s->stage, p, n + 4, "nelder-mead", labels, ZO_LEN(labels), err);
}

static void nm_fini(void *self)
{
    struct nm *s = self;

    zo_stage_fini(&s->stage);
    zo_free(s->S);
    zo_free(s->F);
    zo_free(s->centre);
    zo_free(s->trial);
    zo_free(s->reflected);
    zo_free(s->best);
}

static double *vertex(const struct nm *s, size_t i)
{
    return s->S + i * s->n;
}

static double fold(double x)
{
    x = x < 0 ? -x : x > 1 ? 2 - x : x;
    return zo_clip(x, 0, 1);
}

/* Coefficients of Gao and Han. */
static double expand_by(const struct nm *s)
{
    return 1 + 2 / (double)s->n;
}
static double contract_by(const struct nm *s)
{
    return s->n > 1 ? 0.75 - 0.5 / (double)s->n : 0.5;
}
static double shrink_by(const struct nm *s)
{
    return s->n > 1 ? 1 - 1 / (double)s->n : 0.5;
}

/* ---- the simplex ---- */

/* Around the point at; its own value is asked for only when it is not known. */
static void begin_simplex(struct nm *s, const double *at, double edge, bool known)
{
    memmove(s->S, at, s->n * sizeof *at);
    s->edge = edge;
    s->phase = PHASE_SIMPLEX;
    zo_stage_begin(&s->stage);
    if (!known) {
        zo_stage_add(&s->stage, s->S, LABEL_SIMPLEX, NAN);
        s->F[0] = INFINITY;
    }
    for (size_t i = 0; i < s->n; i++) {
        memcpy(s->trial, s->S, s->n * sizeof *s->trial);
        const double step = s->flipped ? -edge : edge, to = s->trial[i] + step;
        s->trial[i] = to < 0 || to > 1 ? s->trial[i] - step : to;
        zo_stage_add(&s->stage, s->trial, LABEL_SIMPLEX, NAN);
    }
}

static void begin_start(struct nm *s)
{
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->n_starts + 1);
    const double *known = s->n_starts > 0 ? NULL : s->p->x0 ? s->p->x0 : isfinite(s->f_best) ? s->best : NULL;

    for (size_t j = 0; j < s->n; j++)
        s->reflected[j] = known ? known[j] : s->n_starts == 0 ? 0.5 : zo_rng_uniform(&rng);
    s->n_starts++;
    s->n_repeats = 0;
    s->f_before = INFINITY;
    s->flipped = false;
    begin_simplex(s, s->reflected, s->o.edge, false);
}

static void take_vertices(struct nm *s)
{
    const size_t first = s->n + 1 - s->stage.now.n_wanted;

    for (size_t i = first; i <= s->n; i++) {
        memcpy(vertex(s, i), zo_stage_x(&s->stage, i - first), s->n * sizeof *s->S);
        s->F[i] = zo_stage_f(&s->stage, i - first);
    }
}

/* Stable: of equal ones the older first. */
static void sort(struct nm *s)
{
    for (size_t i = 1; i <= s->n; i++) {
        const double f = s->F[i];
        size_t j = i;
        if (!(f < s->F[i - 1]))
            continue;
        memcpy(s->trial, vertex(s, i), s->n * sizeof *s->trial);
        for (; j > 0 && f < s->F[j - 1]; j--)
            s->F[j] = s->F[j - 1];
        memmove(vertex(s, j + 1), vertex(s, j), (i - j) * s->n * sizeof *s->S);
        memcpy(vertex(s, j), s->trial, s->n * sizeof *s->S);
        s->F[j] = f;
    }
}

static bool has_converged(const struct nm *s)
{
    double size = 0;

    for (size_t i = 1; i <= s->n; i++)
        for (size_t j = 0; j < s->n; j++)
            size = fmax(size, fabs(vertex(s, i)[j] - s->S[j]));
    return size < s->o.x_tol || s->F[s->n] - s->F[0] <= s->o.f_tol * fabs(s->F[0]) || isinf(s->F[0]);
}

/* ---- steps ---- */

/* The point at factor times the way from the worst vertex to the centre, beyond it: 1 reflects. */
static const double *along(struct nm *s, double factor)
{
    const double *worst = vertex(s, s->n);

    for (size_t j = 0; j < s->n; j++)
        s->trial[j] = fold(s->centre[j] + factor * (s->centre[j] - worst[j]));
    return s->trial;
}

static void begin_run_again(struct nm *s)
{
    const bool gained = s->F[0] < s->f_before - 1e-8 * fabs(s->F[0]) || isinf(s->f_before);

    if (isfinite(s->F[0]) && gained && s->n_repeats < s->o.repeats) {
        s->n_repeats++;
        s->f_before = s->F[0];
        s->flipped = !s->flipped;
        begin_simplex(s, s->S, fmax(s->edge / 4, 1e-3), true);
    } else if (s->o.restarts == RESTARTS_NONE) {
        s->phase = PHASE_OVER;
        zo_stage_begin(&s->stage);
    } else {
        begin_start(s);
    }
}

static void begin_reflection(struct nm *s)
{
    sort(s);
    if (has_converged(s)) {
        begin_run_again(s);
        return;
    }
    memset(s->centre, 0, s->n * sizeof *s->centre);
    for (size_t i = 0; i < s->n; i++)
        zo_axpy(s->n, 1 / (double)s->n, vertex(s, i), s->centre);
    s->phase = PHASE_REFLECT;
    zo_stage_begin(&s->stage);
    zo_stage_add(&s->stage, along(s, 1), LABEL_REFLECT, NAN);
    zo_stage_speculate(&s->stage, along(s, expand_by(s)), LABEL_EXPAND, NAN);
    zo_stage_speculate(&s->stage, along(s, contract_by(s)), LABEL_OUTSIDE, NAN);
    zo_stage_speculate(&s->stage, along(s, -contract_by(s)), LABEL_INSIDE, NAN);
}

static void replace_worst(struct nm *s, const double *x, double f)
{
    memcpy(vertex(s, s->n), x, s->n * sizeof *x);
    s->F[s->n] = f;
    begin_reflection(s);
}

static void begin_one(struct nm *s, phase next, double factor, label why)
{
    zo_stage_begin(&s->stage);
    s->phase = next;
    zo_stage_add(&s->stage, along(s, factor), why, NAN);
}

static void begin_shrink(struct nm *s)
{
    zo_stage_begin(&s->stage);
    s->phase = PHASE_SHRINK;
    for (size_t i = 1; i <= s->n; i++) {
        for (size_t j = 0; j < s->n; j++)
            s->trial[j] = s->S[j] + shrink_by(s) * (vertex(s, i)[j] - s->S[j]);
        zo_stage_add(&s->stage, s->trial, LABEL_SHRINK, NAN);
    }
}

static void take_reflection(struct nm *s)
{
    memcpy(s->reflected, zo_stage_x(&s->stage, 0), s->n * sizeof *s->reflected);
    s->f_reflected = zo_stage_f(&s->stage, 0);
    if (s->f_reflected < s->F[0]) {
        begin_one(s, PHASE_EXPAND, expand_by(s), LABEL_EXPAND);
    } else if (s->f_reflected < s->F[s->n > 0 ? s->n - 1 : 0]) {
        replace_worst(s, s->reflected, s->f_reflected);
    } else {
        s->outside = s->f_reflected < s->F[s->n];
        begin_one(s, PHASE_CONTRACT, s->outside ? contract_by(s) : -contract_by(s),
                  s->outside ? LABEL_OUTSIDE : LABEL_INSIDE);
    }
}

static void advance(struct nm *s)
{
    const double *x = zo_stage_x(&s->stage, 0), f = zo_stage_f(&s->stage, 0);

    switch ((phase)s->phase) {
    case PHASE_SIMPLEX:
    case PHASE_SHRINK:
        take_vertices(s);
        begin_reflection(s);
        break;
    case PHASE_REFLECT:
        take_reflection(s);
        break;
    case PHASE_EXPAND:
        if (f < s->f_reflected)
            replace_worst(s, x, f);
        else
            replace_worst(s, s->reflected, s->f_reflected);
        break;
    case PHASE_CONTRACT:
        if (s->outside ? f <= s->f_reflected : f < s->F[s->n])
            replace_worst(s, x, f);
        else
            begin_shrink(s);
        break;
    case PHASE_NEW:
    case PHASE_OVER:
    case PHASES:
        break;
    }
}

/* ---- ask and tell ---- */

static zo_status nm_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct nm *s = self;

    (void)rng;
    (void)err;
    if (s->phase == PHASE_NEW)
        begin_start(s);
    if (s->n_failed > 10 * (s->n + 1)) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
    } else if (!zo_stage_ask(&s->stage, p)) {
        p->verdict = s->phase == PHASE_OVER ? ZO_ASK_DONE : ZO_ASK_WAIT;
        p->why = s->phase == PHASE_OVER ? "the simplex has converged" : NULL;
    }
    return ZO_OK;
}

static void note_best(struct nm *s, const zo_told *t)
{
    if (s->phase != PHASE_NEW || !zo_told_is_valued(t) || !(t->f[0] < s->f_best))
        return;
    s->f_best = t->f[0];
    memcpy(s->best, t->x, s->n * sizeof *s->best);
}

static zo_status nm_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct nm *s = self;

    (void)rng;
    (void)err;
    if (t->outcome != ZO_TOLD_ABANDONED)
        s->n_failed = zo_told_is_valued(t) ? 0 : s->n_failed + 1;
    note_best(s, t);
    if (s->n == 0 || zo_stage_tell(&s->stage, t) == STAGE_NONE)
        return ZO_OK;
    for (size_t k = 0; zo_stage_is_complete(&s->stage) && k < 4 * s->stage.cap;
         k++) /* what was speculated may be there already */
        advance(s);
    return ZO_OK;
}

static void nm_snapshot(void *self, zo_visit *v)
{
    struct nm *s = self;
    double *const scalars[] = {&s->f_reflected, &s->f_best, &s->f_before, &s->edge};
    double values[ZO_LEN(scalars)];
    uint64_t counts[] = {s->n_starts, s->n_repeats, s->n_failed, s->outside, s->flipped};

    zo_visit_f64_within(v, "S", s->S, (s->n + 1) * s->n, 0, 1);
    zo_visit_f64(v, "F", s->F, s->n + 1);
    zo_visit_f64_within(v, "centre", s->centre, s->n, -1e-9, 1 + 1e-9);
    zo_visit_f64_within(v, "reflected", s->reflected, s->n, 0, 1);
    zo_visit_f64_within(v, "best", s->best, s->n, 0, 1);
    for (size_t k = 0; k < ZO_LEN(scalars); k++)
        values[k] = *scalars[k];
    zo_visit_f64(v, "scalars", values, ZO_LEN(values));
    for (size_t k = 0; k < ZO_LEN(scalars); k++)
        *scalars[k] = values[k];
    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    s->n_starts = counts[0];
    s->n_repeats = counts[1];
    s->n_failed = counts[2];
    s->outside = counts[3] != 0;
    s->flipped = counts[4] != 0;
    zo_visit_u32(v, "phase", &s->phase, 1);
    zo_visit_require(v, "phase", s->phase < PHASES);
    zo_stage_visit(&s->stage, v);
    const size_t wanted = s->stage.now.n_wanted;
    const bool fits = s->phase == PHASE_NEW || s->phase == PHASE_OVER ? wanted == 0
                      : s->phase == PHASE_SIMPLEX                     ? wanted == s->n || wanted == s->n + 1
                      : s->phase == PHASE_SHRINK                      ? wanted == s->n
                                                                      : wanted == 1;
    zo_visit_require(v, "stage.n_wanted", fits);
}

const zo_solver zo_solver_nelder_mead = {
    .name = "nelder-mead",
    .version = 1,
    .summary = "the simplex method with coefficients for its dimension, folded into the box, restarted",
    .reference =
        "Gao and Han, Implementing the Nelder-Mead simplex algorithm with adaptive parameters, Comput. Optim. Appl. "
        "51, 2012, doi:10.1007/s10589-010-9329-3",
    .complexity = "O(n) a trial, O(n^2) a shrink; memory O(n^2)",
    .advice = "few dimensions and functions that are rough but not noisy",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = nm_opt_table,
    .n_opts = ZO_LEN(nm_opt_table),
    .opts_bytes = sizeof(struct nm_opts),
    .state_bytes = sizeof(struct nm),
    .memo_bytes = zo_stage_memo_bytes,
    .init = nm_init,
    .ask = nm_ask,
    .tell = nm_tell,
    .snapshot = nm_snapshot,
    .fini = nm_fini,
};
