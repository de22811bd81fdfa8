/* Covering direct search: around the best point, one random point near it (covering), one farther away (search), then a
 * poll along an orthogonal basis and its opposite that is drawn anew each time. Reliable on functions with jumps, with
 * constraints and without derivatives.
 * Iteration: a gain in the covering begins the next one; a gain in the search or the poll doubles the poll's radius, a
 * poll without gain halves it. At the least radius the search starts anew elsewhere.
 * Oracle: value and constraints together.  Space: reals.  Batch: a poll's 2n points, and the covering and search points
 * along with it.  Cost: O(n) an evaluation.
 * Constraints: progressive compares violations until one point is feasible and then feasible points only; penalty adds
 * the squared excess to the value; barrier sees feasible points only.
 * Source: "Optimization by Directional Attacks: Solving Problems with Neural Network Surrogates", Bouchet and Vidal,
 *          arXiv:2510.01461, its direct search without the attack. */
#include <math.h>
#include <string.h>

#include "constrained/incumbent.h"
#include "stage/stage.h"
#include "zeroth/linalg.h"

enum { MAX_DIMS = 1000, BLIND_RUNS = 6 };
typedef enum { LABEL_START, LABEL_COVER, LABEL_SEARCH, LABEL_POLL } label;
static const char *const labels[] = {"start", "covering", "search", "poll"};
typedef enum { MODE_PROGRESSIVE, MODE_PENALTY, MODE_BARRIER } mode;
static const char *const modes[] = {"progressive", "penalty", "barrier", NULL};
typedef enum { BATCH_AUTO, BATCH_YES, BATCH_NO } batch;
static const char *const batches[] = {"auto", "yes", "no", NULL};
typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};

struct cdsm_opts {
    double r0, r_min, r_max, weight;
    uint32_t constraints, batch_poll, restarts;
    bool cover, search;
};
static const zo_opt cdsm_opt_table[] = {
    ZO_OPT_F64(struct cdsm_opts, r0, 0.2, 1e-6, 1,
               "first radius of the poll, and that of the covering, in widths of the box"),
    ZO_OPT_F64(struct cdsm_opts, r_min, 1e-9, 1e-15, 0.1, "least radius of the poll: there a search ends"),
    ZO_OPT_F64(struct cdsm_opts, r_max, 0.5, 1e-6, 1, "greatest radius of the poll and of the search"),
    ZO_OPT_ENUM(struct cdsm_opts, constraints, MODE_PROGRESSIVE, modes,
                "how points that violate constraints are compared"),
    ZO_OPT_F64(struct cdsm_opts, weight, 1, 0, 1e12, "of the squared excess, with constraints: penalty"),
    ZO_OPT_ENUM(struct cdsm_opts, batch_poll, BATCH_AUTO, batches,
                "take the best of a whole poll instead of its first gain; auto: when four or more trials run at once"),
    ZO_OPT_ENUM(struct cdsm_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows at the least radius: a random start, or nothing"),
    ZO_OPT_BOOL(struct cdsm_opts, cover, true, "try a random point near the best one in each iteration"),
    ZO_OPT_BOOL(struct cdsm_opts, search, true, "try a random point farther away in each iteration"),
};

typedef enum { PHASE_NEW, PHASE_START, PHASE_COVER, PHASE_SEARCH, PHASE_POLL, PHASE_OVER, PHASES } phase;

struct worth {
    bool valued;
    double violation, f;
};
struct cdsm {
    const zo_problem *p;
    struct cdsm_opts o;
    size_t n;
    bool whole_poll;
    zo_stage stage;
    zo_incumbent known;                 /* of all that was told */
    double *x;                          /* [n] incumbent of this run, */
    struct worth at;                    /* and what it is worth */
    double *u, *trial, *cover, *search; /* [n] of this iteration: the poll's normal; scratch; the two random points */
    double r;
    uint64_t iteration, n_runs, n_searches, n_failed, next_poll;
    uint32_t phase;
};

/* ---- comparison: a total order, whatever the mode ---- */

static struct worth worth_of(const struct cdsm *s, bool valued, double f, const double *g)
{
    struct worth w = {.valued = valued, .f = f};
    double squares = 0;

    if (!valued)
        return w;
    w.violation = zo_violation(s->p->n_constraints, g);
    for (size_t j = 0; j < s->p->n_constraints; j++)
        squares += g[j] > 0 ? g[j] * g[j] : 0;
    if (s->o.constraints == MODE_PENALTY) {
        w.f = f + s->o.weight * squares;
        w.violation = 0;
    } else if (s->o.constraints == MODE_BARRIER && w.violation > 0) {
        w.valued = false;
    }
    return w;
}

static bool is_better(struct worth a, struct worth b)
{
    if (a.valued != b.valued)
        return a.valued;
    if (!a.valued)
        return false;
    if (a.violation > 0 || b.violation > 0)
        return a.violation < b.violation || (a.violation == b.violation && a.f < b.f);
    return a.f < b.f;
}

static struct worth worth_of_slot(const struct cdsm *s, size_t slot)
{
    return worth_of(s, s->stage.now.state[slot] == STAGE_VALUED, zo_stage_f(&s->stage, slot),
                    zo_stage_g(&s->stage, slot));
}

/* ---- set-up ---- */

static zo_status cdsm_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct cdsm *s = self;
    const size_t n = p->n;
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const struct cdsm_opts *)opts;
    s->n = n;
    if (s->o.r0 < s->o.r_min || s->o.r_max < s->o.r0)
        return zo_fail(err, ZO_EINVAL, "/r0", "option 'r0' is %g; it must lie between r_min %g and r_max %g", s->o.r0,
                       s->o.r_min, s->o.r_max);
    s->whole_poll = s->o.batch_poll == BATCH_YES || (s->o.batch_poll == BATCH_AUTO && p->parallelism >= 4);
    if (n > MAX_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'cdsm' is limited to %d dimensions", (int)MAX_DIMS);
    s->x = zo_calloc(n + 1, sizeof *s->x);
    s->u = zo_calloc(n + 1, sizeof *s->u);
    s->trial = zo_calloc(n + 1, sizeof *s->trial);
    s->cover = zo_calloc(n + 1, sizeof *s->cover);
    s->search = zo_calloc(n + 1, sizeof *s->search);
    if (!s->x || !s->u || !s->trial || !s->cover || !s->search)
        return zo_fail_nomem(err);
    if ((rc = zo_incumbent_init(&s->known, p, err)) != ZO_OK)
        return rc;
    return zo_stage_init(&s->stage, p, 2 * n + 2, "cdsm", labels, ZO_LEN(labels), err);
}

static void cdsm_fini(void *self)
{
    struct cdsm *s = self;

    zo_stage_fini(&s->stage);
    zo_incumbent_fini(&s->known);
    zo_free(s->x);
    zo_free(s->u);
    zo_free(s->trial);
    zo_free(s->cover);
    zo_free(s->search);
}

/* ---- an iteration ---- */

static void unit_vector(zo_rng *rng, size_t n, double *u)
{
    zo_rng_normals(rng, n, u);
    const double norm = zo_norm2(n, u);
    for (size_t i = 0; i < n; i++)
        u[i] = norm > 0 ? u[i] / norm : i == 0;
}

static void step_to(const struct cdsm *s, const double *direction, double length, double *to)
{
    for (size_t i = 0; i < s->n; i++)
        to[i] = zo_clip(s->x[i] + length * direction[i], 0, 1);
}

/* Direction k of the poll: row k of I - 2 u u', the second n with the other sign, of largest component 1. */
static const double *poll_point(struct cdsm *s, size_t k)
{
    const size_t row = k % s->n;
    double largest = 0;

    for (size_t i = 0; i < s->n; i++) {
        s->trial[i] = (i == row ? 1 : 0) - 2 * s->u[row] * s->u[i];
        largest = fmax(largest, fabs(s->trial[i]));
    }
    const double scale = (k < s->n ? s->r : -s->r) / largest;
    for (size_t i = 0; i < s->n; i++)
        s->trial[i] = zo_clip(s->x[i] + scale * s->trial[i], 0, 1);
    return s->trial;
}

static void add(struct cdsm *s, bool wanted, const double *x, label why)
{
    if (wanted)
        zo_stage_add(&s->stage, x, why, NAN);
    else
        zo_stage_speculate(&s->stage, x, why, NAN);
}

/* What this phase needs, and what the later ones of the iteration may. */
static void ask_phase(struct cdsm *s, phase now)
{
    zo_stage_begin(&s->stage);
    s->phase = now;
    if (now == PHASE_COVER)
        add(s, true, s->cover, LABEL_COVER);
    if (now == PHASE_SEARCH || (now == PHASE_COVER && s->o.search))
        add(s, now == PHASE_SEARCH, s->search, LABEL_SEARCH);
    for (size_t k = now == PHASE_POLL ? (size_t)s->next_poll : 0; k < 2 * s->n; k++)
        add(s, now == PHASE_POLL && (s->whole_poll || k == s->next_poll), poll_point(s, k), LABEL_POLL);
}

static void begin_iteration(struct cdsm *s)
{
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, ++s->iteration);

    unit_vector(&rng, s->n, s->trial);
    step_to(s, s->trial, s->o.r0 * pow(zo_rng_uniform(&rng), 1 / (double)s->n), s->cover);
    unit_vector(&rng, s->n, s->trial);
    const double reach = fmin(s->o.r0 * sqrt((double)s->n_searches + 1), s->o.r_max);
    step_to(s, s->trial, reach * zo_rng_uniform(&rng), s->search);
    unit_vector(&rng, s->n, s->u);
    s->next_poll = 0;
    ask_phase(s, s->o.cover ? PHASE_COVER : s->o.search ? PHASE_SEARCH : PHASE_POLL);
}

static void begin_run(struct cdsm *s)
{
    const double *x = s->n_runs > 0 ? NULL : s->p->x0 ? s->p->x0 : s->known.known ? s->known.x : NULL;

    for (size_t i = 0; i < s->n; i++)
        s->trial[i] = 0.5;
    if (!x && s->n_runs > 0)
        zo_random_start(s->p, s->n_runs, s->trial);
    s->n_runs++;
    s->n_searches = 0;
    s->r = s->o.r0;
    s->at = (struct worth){0};
    memcpy(s->x, x ? x : s->trial, s->n * sizeof *s->x);
    zo_stage_begin(&s->stage);
    s->phase = PHASE_START;
    zo_stage_add(&s->stage, s->x, LABEL_START, NAN);
}

static void end_run(struct cdsm *s)
{
    const bool blind = s->p->n_constraints > 0 && !s->known.feasible && s->n_runs >= BLIND_RUNS;

    if (s->o.restarts == RESTARTS_NONE || blind) {
        zo_stage_begin(&s->stage);
        s->phase = PHASE_OVER;
    } else {
        begin_run(s);
    }
}

/* ---- what an answer brings ---- */

static bool take(struct cdsm *s, size_t slot)
{
    const struct worth w = worth_of_slot(s, slot);

    if (!is_better(w, s->at))
        return false;
    s->at = w;
    memcpy(s->x, zo_stage_x(&s->stage, slot), s->n * sizeof *s->x);
    return true;
}

static void grow(struct cdsm *s)
{
    s->r = fmin(s->o.r_max, 2 * s->r);
    begin_iteration(s);
}

static void advance_poll(struct cdsm *s)
{
    const size_t n_polled = s->stage.now.n_wanted;
    size_t best = 0;

    for (size_t k = 1; k < n_polled; k++)
        if (is_better(worth_of_slot(s, k), worth_of_slot(s, best)))
            best = k;
    if (take(s, best)) {
        grow(s);
        return;
    }
    s->next_poll += n_polled;
    if (s->next_poll < 2 * s->n) {
        ask_phase(s, PHASE_POLL);
        return;
    }
    s->r /= 2;
    if (s->r < s->o.r_min)
        end_run(s);
    else
        begin_iteration(s);
}

static void advance(struct cdsm *s)
{
    switch ((phase)s->phase) {
    case PHASE_START:
        take(s, 0);
        begin_iteration(s);
        break;
    case PHASE_COVER:
        if (take(s, 0))
            begin_iteration(s);
        else
            ask_phase(s, s->o.search ? PHASE_SEARCH : PHASE_POLL);
        break;
    case PHASE_SEARCH:
        s->n_searches++;
        if (take(s, 0))
            grow(s);
        else
            ask_phase(s, PHASE_POLL);
        break;
    case PHASE_POLL:
        advance_poll(s);
        break;
    case PHASE_NEW:
    case PHASE_OVER:
    case PHASES:
        break;
    }
}

/* ---- ask and tell ---- */

static zo_status cdsm_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct cdsm *s = self;

    (void)rng;
    (void)err;
    if (s->phase == PHASE_NEW)
        begin_run(s);
    if (s->n_failed > 10 * (s->n + 1)) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
    } else if (s->phase == PHASE_OVER) {
        const bool blind = s->p->n_constraints > 0 && !s->known.feasible;
        p->verdict = blind ? ZO_ASK_INFEASIBLE : ZO_ASK_DONE;
        p->why = blind ? "no run has come to a feasible point" : "the poll has come to its least radius";
    } else if (!zo_stage_ask(&s->stage, p)) {
        p->verdict = ZO_ASK_WAIT;
    }
    return ZO_OK;
}

/* A better point from outside is the incumbent at once; the radius stays. */
static void hear(struct cdsm *s, const zo_told *t)
{
    const struct worth w = worth_of(s, zo_told_is_valued(t), t->f ? t->f[0] : 0, t->g);

    if (s->phase < PHASE_COVER || s->phase > PHASE_POLL || !is_better(w, s->at))
        return;
    s->at = w;
    memcpy(s->x, t->x, s->n * sizeof *s->x);
    begin_iteration(s);
}

static zo_status cdsm_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct cdsm *s = self;

    (void)rng;
    (void)err;
    if (t->outcome != ZO_TOLD_ABANDONED)
        s->n_failed = zo_told_is_valued(t) ? 0 : s->n_failed + 1;
    zo_incumbent_tell(&s->known, t);
    if (s->n == 0)
        return ZO_OK;
    if (zo_stage_tell(&s->stage, t) == STAGE_NONE) {
        if (zo_told_is_valued(t))
            hear(s, t);
        return ZO_OK;
    }
    for (size_t k = 0; zo_stage_is_complete(&s->stage) && k < 4 * s->stage.cap;
         k++) /* what was speculated may be there already */
        advance(s);
    return ZO_OK;
}

static void cdsm_snapshot(void *self, zo_visit *v)
{
    struct cdsm *s = self;
    double values[] = {s->r, s->at.f, s->at.violation};
    uint64_t counts[] = {s->iteration, s->n_runs, s->n_searches, s->n_failed, s->next_poll, s->at.valued};

    zo_visit_f64_within(v, "x", s->x, s->n, 0, 1);
    zo_visit_f64_within(v, "cover", s->cover, s->n, 0, 1);
    zo_visit_f64_within(v, "search", s->search, s->n, 0, 1);
    zo_visit_f64_within(v, "u", s->u, s->n, -1, 1);
    zo_visit_f64(v, "values", values, ZO_LEN(values));
    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    s->r = zo_clip(values[0], 0, 1);
    s->at = (struct worth){.f = values[1], .violation = values[2], .valued = counts[5] != 0};
    s->iteration = counts[0];
    s->n_runs = counts[1];
    s->n_searches = counts[2];
    s->n_failed = counts[3];
    s->next_poll = counts[4];
    zo_visit_require(v, "counts", s->next_poll <= 2 * s->n);
    zo_visit_u32(v, "phase", &s->phase, 1);
    zo_visit_require(v, "phase", s->phase < PHASES);
    zo_incumbent_visit(&s->known, "known", v);
    zo_stage_visit(&s->stage, v);
    const size_t wanted = s->stage.now.n_wanted;
    zo_visit_require(v, "stage.n_wanted",
                     s->phase == PHASE_NEW || s->phase == PHASE_OVER ? wanted == 0
                     : s->phase == PHASE_POLL                        ? wanted >= 1 && wanted + s->next_poll <= 2 * s->n
                                                                     : wanted == 1);
}

const zo_solver zo_solver_cdsm = {
    .name = "cdsm",
    .version = 1,
    .summary = "covering direct search: polls along turning bases, with constraints, jumps and no derivatives",
    .reference = "Bouchet and Vidal, Optimization by Directional Attacks, arXiv:2510.01461",
    .complexity = "O(n) a trial; memory O(n^2)",
    .advice = "functions with jumps and constraints where reliability counts more than speed",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = cdsm_opt_table,
    .n_opts = ZO_LEN(cdsm_opt_table),
    .opts_bytes = sizeof(struct cdsm_opts),
    .state_bytes = sizeof(struct cdsm),
    .memo_bytes = zo_stage_memo_bytes,
    .init = cdsm_init,
    .ask = cdsm_ask,
    .tell = cdsm_tell,
    .snapshot = cdsm_snapshot,
    .fini = cdsm_fini,
};
