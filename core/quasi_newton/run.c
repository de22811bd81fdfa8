/* See run.h. The line search looks for the first of a falling row of step lengths that gains enough; with room for more
 * points at once, the lengths that may follow and the stencil around the first are tried along with it. */
#include "quasi_newton/run.h"

#include <math.h>
#include <string.h>

#include "quasi_newton/noise.h"

enum { LABEL_START, LABEL_NOISE, LABEL_STENCIL, LABEL_LINE, LABEL_AHEAD, N_LABELS };
static const char *const labels[N_LABELS] = {"start", "noise", "stencil", "line-search", "speculative"};
enum { LADDER = 4 };
static const double EPSILON = 2.2e-16, NOISE_SPACING = 1e-6;

const char *qn_end_name(uint32_t end)
{
    static const char *const names[QN_ENDS] = {"", "converged", "stalled", "failed start"};

    return end < QN_ENDS ? names[end] : "";
}

zo_status qn_run_init(qn_run *r, const zo_problem *p, const qn_opts *o, zo_error *err)
{
    const size_t n = p->n, pairs = (size_t)o->history;
    const bool gradients = p->oracle == ZO_ORACLE_GRADIENT;
    zo_status rc;

    r->o = o;
    r->n = n;
    r->gradients = gradients;
    r->noisy = p->noise == ZO_NOISE_EXPECTED && !gradients;
    if ((rc = zo_stage_init(&r->stage, p, (gradients ? 1 : n) + 2 + LADDER + QN_NOISE_POINTS, "quasi-newton", labels,
                            N_LABELS, err)) != ZO_OK ||
        (rc = qn_hessian_init(&r->B, n, pairs, err)) != ZO_OK ||
        (rc = qn_box_qp_init(&r->qp, n, pairs == 0, err)) != ZO_OK)
        return rc;
    r->x = zo_calloc(n + 1, sizeof *r->x);
    r->g = zo_calloc(n + 1, sizeof *r->g);
    r->s = zo_calloc(n + 1, sizeof *r->s);
    r->g_last = zo_calloc(n + 1, sizeof *r->g_last);
    r->d = zo_calloc(n + 1, sizeof *r->d);
    r->y = zo_calloc(n + 1, sizeof *r->y);
    r->trial = zo_calloc(n + 1, sizeof *r->trial);
    return r->x && r->g && r->s && r->g_last && r->d && r->y && r->trial ? ZO_OK : zo_fail_nomem(err);
}

void qn_run_fini(qn_run *r)
{
    zo_stage_fini(&r->stage);
    qn_hessian_fini(&r->B);
    qn_box_qp_fini(&r->qp);
    zo_free(r->x);
    zo_free(r->g);
    zo_free(r->s);
    zo_free(r->g_last);
    zo_free(r->d);
    zo_free(r->y);
    zo_free(r->trial);
}

static void finish(qn_run *r, qn_end end)
{
    r->phase = QN_IDLE;
    r->end = end;
    zo_stage_begin(&r->stage); /* nothing is wanted any more */
}

/* ---- stencil ---- */

/* The difference step along i: rounding (or noise) against truncation, by the curvature that B knows and the value
 * where the line search began, so that a stencil is the same before its centre's value is known and after. */
static double difference(const qn_run *r, size_t i)
{
    const qn_opts *o = r->o;
    const bool first = r->phase != QN_LINE && !r->has_last;

    if (r->eps_f > 0) {
        const double b = first ? 1 : qn_hessian_diagonal(&r->B, i);
        return zo_clip(1.68 * sqrt(r->eps_f / b), o->h_min, 0.1);
    }
    if (first)
        return o->h_first;
    const double h = o->h_factor * sqrt(EPSILON * fabs(r->f_line) / qn_hessian_diagonal(&r->B, i));
    return isfinite(h) ? zo_clip(h, o->h_min, o->h_max) : o->h_max;
}

/* The stencil's point along i around x, into r->trial. back: on the other side. */
static const double *stencil_point(qn_run *r, const double *x, size_t i, bool back)
{
    const double h = difference(r, i);
    const bool down = (x[i] + h > 1) != back;

    if (r->trial != x)
        memcpy(r->trial, x, r->n * sizeof *x);
    const double was = r->trial[i];
    r->trial[i] = down ? was - h : was + h;
    return r->trial;
}

static void add_stencil(qn_run *r, const double *x, bool wanted)
{
    for (size_t i = 0; i < r->n; i++) {
        const double *point = stencil_point(r, x, i, false);
        if (wanted)
            zo_stage_add(&r->stage, point, LABEL_STENCIL, NAN);
        else if (!zo_stage_speculate(&r->stage, point, LABEL_AHEAD, NAN))
            return;
    }
}

static void begin_stencil(qn_run *r)
{
    zo_stage_begin(&r->stage);
    r->phase = QN_STENCIL;
    add_stencil(r, r->x, true);
}

/* NaN where the point has no value. */
static double slope_of(const qn_run *r, size_t slot, size_t i)
{
    const double step = zo_stage_x(&r->stage, slot)[i] - r->x[i], f = zo_stage_f(&r->stage, slot);

    return isfinite(f) && step != 0 ? (f - r->f) / step : NAN;
}

/* ---- line search ---- */

static double model_at(const qn_run *r, double a)
{
    return r->f + a * r->slope + 0.5 * a * a * r->curve;
}

static const double *point_at(qn_run *r, double a)
{
    for (size_t i = 0; i < r->n; i++)
        r->trial[i] = zo_clip(r->x[i] + a * r->d[i], 0, 1);
    return r->trial;
}

/* The lengths that may follow a: a row that reaches further down while B is still a guess. */
static double rung(const qn_run *r, size_t k)
{
    static const double near[LADDER] = {0.5, 0.25, 0.1, 0.03}, far[LADDER] = {0.3, 0.1, 0.03, 0.01};

    return r->fresh ? far[k] : near[k];
}

/* The length that will most likely be taken: the one most like the last that was. */
static double likely(const qn_run *r)
{
    double best = 1;

    if (r->a < 1)
        return r->a;
    for (size_t k = 0; k < LADDER; k++)
        if (fabs(log(rung(r, k) / r->a_taken)) < fabs(log(best / r->a_taken)))
            best = rung(r, k);
    return best;
}

static void speculate(qn_run *r)
{
    for (size_t k = 0; k < LADDER; k++)
        zo_stage_speculate(&r->stage, point_at(r, rung(r, k)), LABEL_AHEAD, model_at(r, rung(r, k)));
    if (!r->gradients) {
        memcpy(r->y, point_at(r, likely(r)), r->n * sizeof *r->y);
        add_stencil(r, r->y, false);
    }
}

static void begin_line(qn_run *r, double a)
{
    zo_stage_begin(&r->stage);
    r->phase = QN_LINE;
    r->a = a;
    r->f_line = r->f;
    zo_stage_add(&r->stage, point_at(r, a), LABEL_LINE, model_at(r, a));
    speculate(r);
}

static bool gains_enough(const qn_run *r, double f, double a)
{
    return f - r->f <= r->o->armijo * a * r->slope + 2 * r->eps_f && isfinite(f);
}

/* ---- an iteration ---- */

static double largest(const double *g, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(g[i]));
    return most;
}

static void reset(qn_run *r, double b0)
{
    r->b0 = b0;
    r->fresh = true;
    qn_hessian_reset(&r->B, b0);
}

static double first_scale(const qn_run *r)
{
    const double most = r->o->b_first * largest(r->g, r->n);

    return most > 0 ? most : 1;
}

/* The direction in r->d; false if it does not lead down. */
static bool find_direction(qn_run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->qp.low[i] = -r->x[i];
        r->qp.high[i] = 1 - r->x[i];
    }
    if (!qn_box_qp_solve(&r->qp, &r->B, r->g, r->d))
        return false;
    r->slope = zo_dot(r->n, r->g, r->d);
    qn_hessian_times(&r->B, r->d, r->y);
    r->curve = zo_dot(r->n, r->d, r->y);
    return r->slope < 0 && isfinite(r->slope) && isfinite(r->curve);
}

static void next_step(qn_run *r)
{
    while (!find_direction(r)) {
        if (r->n_resets++ >= r->o->resets) {
            finish(r, QN_CONVERGED);
            return;
        }
        reset(r, first_scale(r));
    }
    r->n_tries = 0;
    begin_line(r, 1);
}

/* The gradient at x is known. */
static void learn(qn_run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!isfinite(r->g[i])) {
            finish(r, QN_STALLED);
            return;
        }
    if (!r->has_last) {
        reset(r, first_scale(r));
    } else {
        for (size_t i = 0; i < r->n; i++)
            r->y[i] = r->g[i] - r->g_last[i];
        const double sy = zo_dot(r->n, r->s, r->y), ss = zo_dot(r->n, r->s, r->s);
        if (r->fresh && sy > 0 && isfinite(r->o->b_scale * sy / ss) && r->o->b_scale * sy / ss > 0)
            reset(r, r->o->b_scale * sy / ss);
        r->fresh = false;
        memcpy(r->d, r->y, r->n * sizeof *r->d); /* y is scratch of find_direction */
        qn_hessian_update(&r->B, r->s, r->d);
    }
    next_step(r);
}

/* a: the step's length. */
static void accept(qn_run *r, size_t slot, double a)
{
    const double *to = zo_stage_x(&r->stage, slot), f = zo_stage_f(&r->stage, slot);
    const double gain = r->f - f;

    for (size_t i = 0; i < r->n; i++)
        r->s[i] = to[i] - r->x[i];
    memcpy(r->x, to, r->n * sizeof *r->x);
    memcpy(r->g_last, r->g, r->n * sizeof *r->g);
    r->has_last = true;
    r->f = f;
    r->a_taken = a;
    r->n_steps++;
    r->f_low = fmin(r->f_low, f);
    const double ftol = r->eps_f > 0 ? r->eps_f : r->o->ftol * fmin(1, r->f_first - r->f_low);
    if (fabs(gain) < ftol || zo_norm2(r->n, r->s) < 0.1 * r->o->ftol) {
        finish(r, QN_CONVERGED);
        return;
    }
    if (r->gradients) {
        memcpy(r->g, zo_stage_df(&r->stage, slot), r->n * sizeof *r->g);
        learn(r);
    } else {
        begin_stencil(r);
    }
}

static void give_up_line(qn_run *r)
{
    if (r->fresh || r->n_resets++ >= r->o->resets) {
        finish(r, QN_STALLED);
        return;
    }
    reset(r, r->b0);
    next_step(r);
}

/* ---- what an answer brings ---- */

static void advance_start(qn_run *r)
{
    if (r->stage.now.state[0] == STAGE_FAILED) {
        finish(r, QN_FAILED_START);
        return;
    }
    memcpy(r->x, zo_stage_x(&r->stage, 0), r->n * sizeof *r->x);
    r->f = r->f_first = r->f_low = zo_stage_f(&r->stage, 0);
    if (r->gradients) {
        memcpy(r->g, zo_stage_df(&r->stage, 0), r->n * sizeof *r->g);
        learn(r);
    } else if (r->noisy) {
        /* eight more points on a line through x, short enough for the function to be smooth there */
        zo_stage_begin(&r->stage);
        r->phase = QN_NOISE;
        for (size_t k = 1; k < QN_NOISE_POINTS; k++) {
            for (size_t i = 0; i < r->n; i++)
                r->trial[i] = r->x[i] + (r->x[i] > 0.5 ? -1 : 1) * (double)k * NOISE_SPACING / sqrt((double)r->n);
            zo_stage_add(&r->stage, r->trial, LABEL_NOISE, NAN);
        }
    } else {
        begin_stencil(r);
    }
}

static void advance_noise(qn_run *r)
{
    double f[QN_NOISE_POINTS] = {r->f};
    bool all = true;

    for (size_t k = 1; k < QN_NOISE_POINTS; k++) {
        f[k] = zo_stage_f(&r->stage, (size_t)k - 1);
        all = all && isfinite(f[k]);
    }
    r->eps_f = all ? qn_noise(f) : 0;
    begin_stencil(r);
}

/* Points without a value are tried on their other side. */
static void advance_stencil(qn_run *r)
{
    size_t n_failed = 0;

    for (size_t i = 0; i < r->n; i++) {
        r->g[i] = slope_of(r, i, i);
        n_failed += isnan(r->g[i]) ? 1 : 0;
    }
    if (n_failed == 0) {
        learn(r);
        return;
    }
    zo_stage_begin(&r->stage);
    r->phase = QN_RETRY;
    for (size_t i = 0; i < r->n; i++)
        if (isnan(r->g[i]))
            zo_stage_add(&r->stage, stencil_point(r, r->x, i, true), LABEL_STENCIL, NAN);
}

static void advance_retry(qn_run *r)
{
    size_t slot = 0;

    for (size_t i = 0; i < r->n; i++)
        if (isnan(r->g[i])) {
            const double slope = slope_of(r, slot++, i);
            r->g[i] = isnan(slope) ? 0 : slope;
        }
    learn(r);
}

/* Slot of the longest step that is known to gain enough, once no longer one is still out; STAGE_NONE: none yet. */
static size_t step_found(const qn_run *r)
{
    const stage_slots *q = &r->stage.now;
    size_t found = STAGE_NONE;

    if (r->stage.n_left == 0 && gains_enough(r, q->f[0], r->a))
        return 0;
    for (size_t i = 1; i <= LADDER && i < q->size && found == STAGE_NONE; i++) {
        const double a = rung(r, i - 1);
        if (q->state[i] == STAGE_OPEN)
            continue;
        if (q->state[i] == STAGE_OUT || (r->stage.n_left > 0 && a < r->a))
            break;
        if (gains_enough(r, q->f[i], a))
            found = i;
    }
    return found;
}

static void shorten(qn_run *r)
{
    const double excess = zo_stage_f(&r->stage, 0) - r->f, gain = r->a * r->slope;
    const double factor = isfinite(excess) ? fmax(r->o->backtrack_min, gain / (2 * (gain - excess))) : 0.1;

    if (++r->n_tries >= r->o->ls_max) {
        give_up_line(r);
        return;
    }
    begin_line(r, r->a * (isfinite(factor) ? fmin(factor, 0.9) : 0.1));
}

/* One step, if the answers are there; false if not. */
static bool advance(qn_run *r)
{
    if (r->phase == QN_LINE) {
        const size_t slot = step_found(r);
        if (slot != STAGE_NONE)
            accept(r, slot, slot == 0 ? r->a : rung(r, slot - 1));
        else if (r->stage.n_left == 0)
            shorten(r);
        else
            return false;
        return true;
    }
    if (r->phase == QN_IDLE || !zo_stage_is_complete(&r->stage))
        return false;
    if (r->phase == QN_START)
        advance_start(r);
    else if (r->phase == QN_NOISE)
        advance_noise(r);
    else if (r->phase == QN_STENCIL)
        advance_stencil(r);
    else
        advance_retry(r);
    return true;
}

void qn_run_start(qn_run *r, const double *x)
{
    r->has_last = r->fresh = false;
    r->n_resets = r->n_steps = 0;
    r->eps_f = 0;
    r->a_taken = 1;
    r->f_line = 0;
    r->end = QN_GOES_ON;
    r->f = INFINITY;
    memcpy(r->x, x, r->n * sizeof *x);
    zo_stage_begin(&r->stage);
    zo_stage_begin(&r->stage); /* twice: nothing to take over either */
    r->phase = QN_START;
    zo_stage_add(&r->stage, x, LABEL_START, NAN);
    if (!r->gradients && !r->noisy)
        add_stencil(r, x, false);
}

bool qn_run_tell(qn_run *r, const zo_told *t)
{
    if (!qn_run_is_live(r) || zo_stage_tell(&r->stage, t) == STAGE_NONE)
        return false;
    while (advance(r))
        ;
    return true;
}

void qn_run_visit(qn_run *r, zo_visit *v)
{
    zo_stage_visit(&r->stage, v);
    qn_hessian_visit(&r->B, v);
    zo_visit_f64_within(v, "run.x", r->x, r->n, 0, 1);
    zo_visit_f64(v, "run.g", r->g, r->n);
    zo_visit_f64(v, "run.s", r->s, r->n);
    zo_visit_f64(v, "run.g_last", r->g_last, r->n);
    zo_visit_f64(v, "run.d", r->d, r->n);
    double scalars[] = {r->f, r->f_first, r->f_low, r->slope, r->curve, r->a, r->b0, r->eps_f, r->a_taken, r->f_line};
    zo_visit_f64(v, "run.scalars", scalars, ZO_LEN(scalars));
    r->f = scalars[0];
    r->f_first = scalars[1];
    r->f_low = scalars[2];
    r->slope = scalars[3];
    r->curve = scalars[4];
    r->a = scalars[5];
    r->b0 = scalars[6];
    r->eps_f = scalars[7];
    r->a_taken = zo_clip(scalars[8], 1e-300, 1);
    r->f_line = scalars[9];
    zo_visit_u32(v, "run.phase", &r->phase, 1);
    zo_visit_require(v, "run.phase", r->phase < QN_PHASES);
    zo_visit_u32(v, "run.end", &r->end, 1);
    zo_visit_u64(v, "run.resets", &r->n_resets, 1);
    zo_visit_u64(v, "run.tries", &r->n_tries, 1);
    zo_visit_u64(v, "run.steps", &r->n_steps, 1);
    uint32_t flags[2] = {r->fresh, r->has_last};
    zo_visit_u32(v, "run.flags", flags, 2);
    r->fresh = flags[0] != 0;
    r->has_last = flags[1] != 0;
    /* a stage holds what its phase wants */
    const size_t wanted = r->phase == QN_IDLE                           ? 0
                          : r->phase == QN_START || r->phase == QN_LINE ? 1
                          : r->phase == QN_NOISE                        ? QN_NOISE_POINTS - 1
                          : r->phase == QN_STENCIL                      ? r->n
                                                                        : 0;
    zo_visit_require(v, "stage.n_wanted",
                     r->phase == QN_RETRY ? r->stage.now.n_wanted <= r->n : r->stage.now.n_wanted == wanted);
}
