/* Axis search: minimize along each coordinate by itself, after a probe has shown that they are separable.
 * Probe: the start, two points on each axis around it, and the point where every coordinate takes its better side. The
 * function is separable if that point's value is what the axes' differences add up to. Where it is not, the search ends
 * here. One more point goes to the vertices of the axes' parabolas, the optimum of any separable quadratic.
 * Search: both ends of each axis; then rounds, on each axis a step near its best point, one where a parabola gets
 * easiest to a better value (axis/line.h), and one more near the best. Values are kept as differences to the best
 * point, so that they stay precise. Points on several axes at once meet in one more, which also repeats the test of the
 * probe. Oracle: value, without noise.  Space: box.  Batch: a point on each axis at once if trials run in parallel.
 * Cost: O(n + k) a point, k of them on its axis; memory O(n^2) to 16 MiB, then the design comes in parts.
 * Departures: an axis whose start is nearer to a bound than a tenth of delta is probed to one side. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "axis/line.h"
#include "stage/stage.h"

enum { STAGE_ENTRIES = 1 << 20 }; /* of a stage's coordinates */
enum { QUIET_ROUNDS = 3 };        /* without gain, before spent axes end the search */
static const uint64_t no_axis = UINT64_MAX;
static const double flat_tolerance = 1e-12, sum_tolerance = 1e-9;

struct axis_opts {
    double delta;
    bool probe, vertex;
};
static const zo_opt axis_opt_table[] = {
    ZO_OPT_F64(struct axis_opts, delta, 0.25, 1e-4, 0.5, "half width of the probe's design, in widths of the box"),
    ZO_OPT_BOOL(struct axis_opts, probe, true, "test whether the function is separable; false: take it for that"),
    ZO_OPT_BOOL(struct axis_opts, vertex, true, "let the probe also try the vertices of the axes' parabolas"),
};

typedef enum { START, DESIGN, CHECK, SWEEP, MEET, END, N_PHASES } phase;
typedef enum { UNKNOWN, SEPARABLE, ASSUMED, NO_VALUE, FLAT, COUPLED, N_FINDINGS } finding;
typedef enum { NOT_SEPARABLE, NOTHING_TO_SEARCH, NO_START, NO_AXIS_IMPROVES, SPENT, FLAT_HERE, N_REASONS } reason;
static const char *const reasons[N_REASONS] = {"not separable", "nothing to search", "the probe's points have no value",
                                               "no axis improves", "a better point would take too steep a valley",
                                               "flat around the start"};

enum { LABEL_DESIGN, LABEL_CHECK, LABEL_VERTEX, LABEL_END, LABEL_LOCAL, LABEL_STEP, N_LABELS };
static const char *const labels[N_LABELS] = {"design",   "separability-check", "vertex",
                                             "axis-end", "axis-local",         "axis-step"};

struct axis {
    const zo_problem *p;
    struct axis_opts o;
    size_t n, grain, sweep_grain; /* axes that share a stage of the design, points that share one of a round */
    zo_stage stage;
    axis_line *lines;    /* [n] */
    double *x, *y;       /* [n] context; scratch */
    uint64_t *axis;      /* [cap] of a slot of the stage */
    double f;            /* of the context */
    double error, scale; /* of the probe, or of the later test that failed */
    uint64_t phase, finding, reason;
    uint64_t known; /* x and f were told before the first ask */
    uint64_t next;  /* DESIGN: the next axis; SWEEP: the next place of the round */
    uint64_t round, n_proposed, gained, quiet;
};

/* ---- set-up ---- */

static zo_status axis_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct axis *s = self;
    const size_t room = STAGE_ENTRIES / (2 * (p->n + 1));
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const struct axis_opts *)opts;
    s->n = p->n;
    s->grain = p->n < room ? p->n : room > 0 ? room : 1;
    s->grain = s->grain > 0 ? s->grain : 1;
    s->sweep_grain = p->parallelism > 1 ? 2 * s->grain : 1;
    s->lines = zo_calloc(s->n, sizeof *s->lines);
    s->x = zo_calloc(s->n, sizeof *s->x);
    s->y = zo_calloc(s->n, sizeof *s->y);
    s->axis = zo_calloc(2 * s->grain + 1, sizeof *s->axis);
    if (s->lines == NULL || s->x == NULL || s->y == NULL || s->axis == NULL)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n; i++)
        if ((rc = zo_axis_line_init(&s->lines[i], err)) != ZO_OK)
            return rc;
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = p->x0 != NULL ? p->x0[i] : 0.5;
    return zo_stage_init(&s->stage, p, 2 * s->grain + 1, "axis-search", labels, N_LABELS, err);
}

static void axis_fini(void *self)
{
    struct axis *s = self;

    for (size_t i = 0; s->lines != NULL && i < s->n; i++)
        zo_axis_line_fini(&s->lines[i]);
    zo_free(s->lines);
    zo_free(s->x);
    zo_free(s->y);
    zo_free(s->axis);
    zo_stage_fini(&s->stage);
}

static void end(struct axis *s, reason r)
{
    s->phase = END;
    s->reason = r;
}

static void not_separable(struct axis *s, finding why)
{
    s->finding = why;
    end(s, why == NO_VALUE ? NO_START : why == FLAT ? FLAT_HERE : NOT_SEPARABLE);
}

/* ---- points ---- */

static void add_on_axis(struct axis *s, size_t i, double t, uint32_t label)
{
    const double context = s->x[i];

    s->x[i] = t;
    s->axis[zo_stage_add(&s->stage, s->x, label, NAN)] = i;
    s->x[i] = context;
}

static double difference(const struct axis *s, double f)
{
    return isfinite(f) ? zo_clip(f - s->f, -1e300, 1e300) : INFINITY;
}

/* Every point on an axis that the stage brought. */
static void take_answers(struct axis *s)
{
    for (size_t k = 0; k < s->stage.now.n_wanted; k++) {
        const size_t i = (size_t)s->axis[k];
        if (i < s->n)
            zo_axis_line_add(&s->lines[i], zo_stage_x(&s->stage, k)[i], difference(s, zo_stage_f(&s->stage, k)));
    }
}

/* y: every axis at its best. Returns how many differ from the context, and the sum of what they gain. */
static size_t meeting(struct axis *s, double *gain)
{
    size_t n_moved = 0;

    *gain = 0;
    for (size_t i = 0; i < s->n; i++) {
        const axis_line *l = &s->lines[i];
        const size_t k = zo_axis_line_best(l);
        s->y[i] = k == l->at ? s->x[i] : l->t[k];
        n_moved += k != l->at;
        *gain += l->v[k];
    }
    return n_moved;
}

/* The context goes to the best of every axis, where the value is f. */
static void move(struct axis *s, double f)
{
    for (size_t i = 0; i < s->n; i++) {
        axis_line *l = &s->lines[i];
        const size_t k = zo_axis_line_best(l);
        if (k != l->at)
            s->x[i] = l->t[k];
        if (k != l->at)
            zo_axis_line_move(l, k);
    }
    s->f = f;
    s->gained = 1;
}

/* ---- the probe ---- */

static void add_start(struct axis *s)
{
    s->axis[zo_stage_add(&s->stage, s->x, LABEL_DESIGN, NAN)] = no_axis;
}

static void add_design(struct axis *s, size_t i)
{
    const double x = s->x[i], delta = s->o.delta, room = fmin(x, 1 - x);
    const double d = fmin(delta, room), inward = x < 0.5 ? delta : -delta;

    if (room >= 0.1 * delta) {
        add_on_axis(s, i, x - d, LABEL_DESIGN);
        add_on_axis(s, i, d == 1 - x ? 1 : x + d, LABEL_DESIGN);
    } else {
        add_on_axis(s, i, x + inward / 2, LABEL_DESIGN);
        add_on_axis(s, i, x + inward, LABEL_DESIGN);
    }
}

/* The engine itself hands out the start that the space declares: it stands last here, to be answered by that trial. */
static void next_design(struct axis *s)
{
    const size_t from = (size_t)s->next, to = s->o.probe && s->n - from > s->grain ? from + s->grain : s->n;
    const bool with_start = from == 0, start_last = s->p->x0 != NULL && !s->known;

    zo_stage_begin(&s->stage);
    if (with_start && !start_last)
        add_start(s);
    for (size_t i = from; s->o.probe && i < to; i++)
        add_design(s, i);
    if (with_start && start_last)
        add_start(s);
    s->phase = DESIGN;
    s->next = to;
    if (with_start && s->known)
        zo_stage_tell(&s->stage, &(zo_told){.outcome = ZO_TOLD_COMPLETE, .has_values = true, .x = s->x, .f = &s->f});
}

/* The start, where this stage has it, is the first point of every line. */
static void take_start(struct axis *s)
{
    size_t k = 0;

    while (k < s->stage.now.n_wanted && s->axis[k] != no_axis)
        k++;
    if (k == s->stage.now.n_wanted)
        return;
    s->f = zo_stage_f(&s->stage, k);
    for (size_t i = 0; i < s->n; i++)
        zo_axis_line_add(&s->lines[i], s->x[i], 0);
}

static size_t better_side(const axis_line *l)
{
    const size_t low = l->at > 0 ? 0 : 1, high = l->at < 2 ? 2 : 1;

    return l->v[low] <= l->v[high] ? low : high;
}

/* y: every axis at its better side; returns the sum of their differences. */
static double better_sides(struct axis *s)
{
    double sum = 0;

    for (size_t i = 0; i < s->n; i++) {
        const axis_line *l = &s->lines[i];
        s->y[i] = l->t[better_side(l)];
        sum += l->v[better_side(l)];
    }
    return sum;
}

static void next_check(struct axis *s)
{
    const double sum = better_sides(s);

    zo_stage_begin(&s->stage);
    s->axis[zo_stage_add(&s->stage, s->y, LABEL_CHECK, s->f + sum)] = no_axis;
    for (size_t i = 0; i < s->n; i++)
        s->y[i] = zo_axis_line_vertex(&s->lines[i], 0.5);
    if (s->o.vertex)
        s->axis[zo_stage_add(&s->stage, s->y, LABEL_VERTEX, NAN)] = no_axis;
    s->phase = CHECK;
}

/* Does f agree with what the axes' differences add up to? */
static bool adds_up(struct axis *s, double f, double sum, double scale)
{
    const double error = fabs(f - s->f - sum);
    const bool yes = isfinite(scale) && error <= sum_tolerance * scale + flat_tolerance * fabs(s->f);

    if (s->finding == UNKNOWN || !yes) {
        s->error = error;
        s->scale = scale;
    }
    return yes;
}

/* ---- the rounds ---- */

static void end_or_next_round(struct axis *s)
{
    bool spent = true;

    if (s->round > 0 && s->n_proposed == 0) {
        end(s, NO_AXIS_IMPROVES);
        return;
    }
    s->quiet = s->gained ? 0 : s->quiet + 1;
    for (size_t i = 0; s->quiet >= QUIET_ROUNDS && spent && i < s->n; i++)
        spent = zo_axis_line_is_spent(&s->lines[i]);
    if (s->quiet >= QUIET_ROUNDS && spent) {
        end(s, SPENT);
        return;
    }
    s->round++;
    s->next = s->n_proposed = s->gained = 0;
}

/* What axis i is asked at this place of the round: its ends in the first one, then local, STEP, local. */
static void propose(struct axis *s, size_t i, size_t place)
{
    axis_line *l = &s->lines[i];
    uint32_t label = LABEL_END;
    double t = place == 0 ? 0 : 1;

    if (s->round > 0) {
        label = place == 1 ? LABEL_STEP : LABEL_LOCAL;
        t = place == 1 ? zo_axis_line_step(l) : zo_axis_line_local(l);
    }
    if (isnan(t) || zo_axis_line_knows(l, t))
        return;
    add_on_axis(s, i, t, label);
    s->n_proposed++;
}

/* One point after another, axis by axis; or at each place of the round all axes at once. */
static void next_points(struct axis *s)
{
    const bool together = s->sweep_grain > 1;

    zo_stage_begin(&s->stage);
    s->phase = SWEEP;
    while (s->phase == SWEEP && s->stage.now.size < s->sweep_grain) {
        const size_t n_places = s->round == 0 ? 2 : 3, next = (size_t)s->next;
        if (next >= n_places * s->n) {
            if (s->stage.now.size > 0)
                return;
            end_or_next_round(s);
            continue;
        }
        if (together && s->round > 0 && next % s->n == 0 && s->stage.now.size > 0)
            return;
        s->next++;
        propose(s, together ? next % s->n : next / n_places, together ? next / s->n : next % n_places);
    }
}

static void begin_rounds(struct axis *s, finding f)
{
    s->finding = f;
    s->round = s->next = 0;
    next_points(s);
}

/* ---- a stage is complete ---- */

static void meet(struct axis *s, double gain)
{
    zo_stage_begin(&s->stage);
    s->axis[zo_stage_add(&s->stage, s->y, LABEL_CHECK, s->f + gain)] = no_axis;
    s->phase = MEET;
}

static void after_design(struct axis *s)
{
    bool all = true;

    take_start(s);
    for (size_t k = 0; k < s->stage.now.n_wanted; k++)
        all &= isfinite(zo_stage_f(&s->stage, k));
    if (isfinite(s->f))
        take_answers(s);
    if (s->n == 0)
        end(s, NOTHING_TO_SEARCH);
    else if (!s->o.probe && !all)
        end(s, NO_START);
    else if (!s->o.probe)
        begin_rounds(s, ASSUMED);
    else if (!all)
        not_separable(s, NO_VALUE);
    else if (s->next < s->n)
        next_design(s);
    else if (s->n > 1)
        next_check(s);
    else
        begin_rounds(s, SEPARABLE);
}

static void after_check(struct axis *s)
{
    const double f = zo_stage_f(&s->stage, 0), sum = better_sides(s);
    double scale = 0, gain;

    for (size_t i = 0; i < s->n; i++)
        for (size_t k = 0; k < s->lines[i].size; k++)
            scale += fabs(s->lines[i].v[k]);
    const bool yes = adds_up(s, f, sum, scale);
    if (!isfinite(f) || !yes || scale == 0) {
        not_separable(s, !isfinite(f) ? NO_VALUE : scale == 0 ? FLAT : COUPLED);
        return;
    }
    const size_t n_moved = meeting(s, &gain);
    if (n_moved > 1 && n_moved < s->n) {
        meet(s, gain);
        return;
    }
    if (n_moved > 0)
        move(s, n_moved == s->n ? f : s->f + gain);
    begin_rounds(s, SEPARABLE);
}

static void after_points(struct axis *s)
{
    double gain, f = INFINITY;

    take_answers(s);
    const size_t n_moved = meeting(s, &gain);
    for (size_t k = 0; k < s->stage.now.n_wanted; k++)
        f = fmin(f, zo_stage_f(&s->stage, k));
    if (n_moved > 1) {
        meet(s, gain);
        return;
    }
    if (n_moved == 1)
        move(s, f);
    next_points(s);
}

static void after_meeting(struct axis *s)
{
    const double f = zo_stage_f(&s->stage, 0);
    double gain, scale = 0;

    meeting(s, &gain);
    for (size_t i = 0; i < s->n; i++)
        scale += zo_axis_line_spread(&s->lines[i]);
    if (!adds_up(s, f, gain, scale)) {
        not_separable(s, isfinite(f) ? COUPLED : NO_VALUE);
        return;
    }
    move(s, f);
    if (s->finding == UNKNOWN)
        begin_rounds(s, SEPARABLE);
    else
        next_points(s);
}

static void advance(struct axis *s)
{
    while (s->phase != END && zo_stage_is_complete(&s->stage)) {
        if (s->phase == DESIGN)
            after_design(s);
        else if (s->phase == CHECK)
            after_check(s);
        else if (s->phase == MEET)
            after_meeting(s);
        else
            after_points(s);
    }
}

/* ---- ask and tell ---- */

static zo_status axis_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct axis *s = self;
    const bool nothing = s->n == 0 && s->known;

    (void)rng;
    (void)err;
    if (s->phase == END || nothing) {
        p->verdict = !nothing && s->reason == NO_START ? ZO_ASK_STALLED : ZO_ASK_DONE;
        p->core = "axis-search";
        p->why = reasons[nothing ? NOTHING_TO_SEARCH : (reason)s->reason];
        return ZO_OK;
    }
    if (s->phase == START) {
        next_design(s);
        advance(s);
    }
    if (!zo_stage_ask(&s->stage, p))
        p->verdict = ZO_ASK_WAIT;
    return ZO_OK;
}

static bool is_near(const double *x, const double *y, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i] - y[i]) <= 1e-12))
            return false;
    return true;
}

/* Before the first ask: the start is the one that the space declares, with its value if it comes; else the best. */
static void note_start(struct axis *s, const zo_told *t)
{
    if (!zo_told_is_valued(t) || (s->p->x0 != NULL ? !is_near(t->x, s->p->x0, s->n) : s->known && !(t->f[0] < s->f)))
        return;
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = zo_clip(t->x[i], 0, 1) + 0.0;
    s->f = t->f[0];
    s->known = 1;
}

/* Room for every point that the stage under way can bring. */
static zo_status reserve(struct axis *s, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t i = 0; s->phase == DESIGN && rc == ZO_OK && i < s->n; i++)
        rc = zo_axis_line_reserve(&s->lines[i], 3, err);
    for (size_t k = 0; s->phase == SWEEP && rc == ZO_OK && k < s->stage.now.n_wanted; k++)
        if (s->axis[k] < s->n)
            rc = zo_axis_line_reserve(&s->lines[s->axis[k]], 2, err);
    return rc;
}

static zo_status axis_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct axis *s = self;
    zo_status rc;

    (void)rng;
    if (s->phase == START) {
        note_start(s, t);
        return ZO_OK;
    }
    if ((rc = reserve(s, err)) != ZO_OK)
        return rc;
    zo_stage_tell(&s->stage, t);
    advance(s);
    return ZO_OK;
}

/* ---- what it is doing; saving it ---- */

static zo_status axis_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    static const char *const texts[N_FINDINGS] = {"not known yet",         "yes",
                                                  "taken for granted",     "no: a point of the probe has no value",
                                                  "no: the probe is flat", "no"};
    const struct axis *s = self;
    const bool numbers = s->n > 1 && (s->finding == SEPARABLE || s->finding == COUPLED);
    char text[96], round[24];
    zo_status rc;

    snprintf(text, sizeof text, "%s", texts[s->finding]);
    if (numbers)
        snprintf(text, sizeof text, "%s: |error| %.2g of %.4g", texts[s->finding], s->error, s->scale);
    snprintf(round, sizeof round, "%.0f", (double)s->round);
    if ((rc = zo_bundle_set_meta(facts, "separability", text, err)) != ZO_OK)
        return rc;
    return zo_bundle_set_meta(facts, "round", round, err);
}

static void visit_counts(struct axis *s, zo_visit *v)
{
    uint64_t *const fields[] = {&s->phase, &s->finding,    &s->reason, &s->known, &s->next,
                                &s->round, &s->n_proposed, &s->gained, &s->quiet};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_u64(v, "counts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
    zo_visit_require(v, "counts",
                     s->phase < N_PHASES && s->finding < N_FINDINGS && s->reason < N_REASONS && s->known <= 1 &&
                         s->next <= 3 * s->n);
}

/* No axis has more than two points of a stage. */
static void visit_axes(struct axis *s, zo_visit *v)
{
    const size_t size = s->stage.now.size;
    bool sound = true;

    if (v->status != ZO_OK)
        return;
    zo_visit_u64(v, "axis", s->axis, size);
    memset(s->y, 0, s->n * sizeof *s->y);
    for (size_t k = 0; sound && k < size; k++)
        sound = s->axis[k] < s->n ? ++s->y[s->axis[k]] <= 2 : s->axis[k] == no_axis;
    zo_visit_require(v, "axis", sound);
}

static void axis_snapshot(void *self, zo_visit *v)
{
    struct axis *s = self;

    visit_counts(s, v);
    zo_visit_f64_within(v, "x", s->x, s->n, 0, 1);
    zo_visit_f64(v, "f", &s->f, 1);
    zo_visit_f64(v, "error", &s->error, 1);
    zo_visit_f64(v, "scale", &s->scale, 1);
    zo_axis_lines_visit(s->lines, s->n, v);
    zo_stage_visit(&s->stage, v);
    visit_axes(s, v);
}

const zo_solver zo_solver_axis_search = {
    .name = "axis-search",
    .version = 1,
    .summary = "line searches along the axes of a separable function, after a probe that shows it is one",
    .reference = "Posik and Baudis, Dimension selection in axis-parallel Brent-STEP method, GECCO 2015, "
                 "doi:10.1145/2739482.2768469",
    .complexity = "O(log k + k) a trial with k points on its axis",
    .advice = "functions that are sums over single parameters; the probe tells",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = axis_opt_table,
    .n_opts = ZO_LEN(axis_opt_table),
    .opts_bytes = sizeof(struct axis_opts),
    .state_bytes = sizeof(struct axis),
    .memo_bytes = zo_stage_memo_bytes,
    .init = axis_init,
    .ask = axis_ask,
    .tell = axis_tell,
    .snapshot = axis_snapshot,
    .describe = axis_describe,
    .fini = axis_fini,
};
