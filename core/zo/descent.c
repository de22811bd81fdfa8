/* See descent.h. The state changes by tells, and by asks only in that a move once handed out is not handed out again;
 * so a life that is told all its trials again, in order, comes to the same state. */
#include "zo/descent.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum phase { FIND, FIND_AGAIN, PROBE, LINE, PHASES };
enum { FAILED_TO_HALVE = 3, EQUAL_TO_WARN = 5 };
#define FORGOTTEN 1e-3  /* a move's weight in moves this much later is left out */
#define SLOPE_MAX 1e100 /* beyond: no slope to go by */
#define SMALL_MOVE 1e-3 /* along the first directions, where derivatives are asked for twice */
static const double pi = 3.141592653589793;

const char *const zo_sides_choices[] = {"both", "one", NULL};
const char *const zo_distribution_choices[] = {"gaussian", "rademacher", NULL};
const char *const zo_schedule_choices[] = {"constant", "cosine", "sqrt", NULL};

/* ---- the plan ---- */

/* Steps until a move counts for less than FORGOTTEN; by multiplication, as the moves' weights are computed. */
static size_t window_of(double decay)
{
    size_t n = 1;

    for (double weight = decay; weight > FORGOTTEN && n < ZO_STEP_WINDOW_MAX; weight *= decay)
        n++;
    return n;
}

static size_t max_of(size_t a, size_t b)
{
    return a > b ? a : b;
}

static zo_status check(const zo_descent_opts *o, const zo_problem *p, size_t window, zo_error *err)
{
    if (o->groups && p->directional->n_groups == 0)
        return zo_fail(err, ZO_EINVAL, "/groups", "the oracle names no groups");
    if (o->schedule == ZO_SCHEDULE_COSINE && p->budget_trials == 0)
        return zo_fail(err, ZO_EINVAL, "/schedule", "a schedule that ends needs a budget of trials");
    if (window * o->directions > ZO_STEP_TERMS_MAX)
        return zo_fail(err, ZO_EINVAL, "/directions",
                       "a move would have %zu terms, at most %d are sent: %zu steps back count",
                       window * (size_t)o->directions, (int)ZO_STEP_TERMS_MAX, window);
    return ZO_OK;
}

zo_status zo_descent_plan(const zo_rule *rule, const zo_problem *p, const void *opts, zo_step_plan *out, zo_error *err)
{
    const zo_descent_opts *o = opts;
    const double decay = rule->decay != NULL ? rule->decay(o) : 0;
    const size_t q = (size_t)o->directions, window = window_of(decay);
    const bool find = o->lr == 0;
    zo_status rc;

    if ((rc = check(o, p, window, err)) != ZO_OK)
        return rc;
    *out = (zo_step_plan){.n_fresh = q,
                          .derivatives = rule->derivatives,
                          .signs = o->distribution == ZO_DISTRIBUTION_RADEMACHER,
                          .grouped = o->groups,
                          .keep = o->keep,
                          .refresh = o->refresh,
                          .window = window,
                          .decay = decay};
    out->n_directions = rule->derivatives && find ? max_of(q, ZO_STEP_CURVES) : q;
    if (rule->derivatives)
        out->n_answers = out->n_directions;
    else
        out->n_answers = o->sides == ZO_SIDES_ONE ? q + 1 : 2 * q;
    if (!rule->derivatives && find)
        out->n_answers = max_of(out->n_answers, 1 + 2 * ZO_STEP_CURVES);
    if (rule->line)
        out->n_answers = max_of(out->n_answers, 3);
    return ZO_OK;
}

zo_status zo_descent_init(zo_descent *d, const zo_rule *rule, const zo_problem *p, const void *opts, zo_error *err)
{
    zo_status rc;

    d->rule = rule;
    d->o = *(const zo_descent_opts *)opts;
    if ((rc = zo_descent_plan(rule, p, opts, &d->plan, err)) != ZO_OK)
        return rc;
    d->q = d->plan.n_fresh;
    d->budget = rule->line ? p->budget_trials / 2 : p->budget_trials;
    d->lr = d->o.lr;
    d->phase = d->lr > 0 ? PROBE : FIND;
    d->power1 = d->power2 = 1;
    if ((d->coefs = zo_calloc(d->plan.n_directions, sizeof *d->coefs)) == NULL)
        return zo_fail_nomem(err);
    return ZO_OK;
}

void zo_descent_fini(void *self)
{
    zo_free(((zo_descent *)self)->coefs);
}

/* ---- asking ---- */

static zo_step_kind kind_now(const zo_descent *d)
{
    switch ((enum phase)d->phase) {
    case FIND:
        return d->rule->derivatives ? ZO_STEP_SLOPES_HERE : ZO_STEP_CURVES_OF_LOSS;
    case FIND_AGAIN:
        return ZO_STEP_SLOPES_THERE;
    case LINE:
        return ZO_STEP_LINE;
    case PROBE:
    case PHASES:
        break;
    }
    return d->rule->derivatives ? ZO_STEP_SLOPES : d->o.sides == ZO_SIDES_ONE ? ZO_STEP_SIDES : ZO_STEP_PAIRS;
}

zo_status zo_descent_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    static const char *const why[PHASES] = {[FIND] = "curvature for the step size",
                                            [FIND_AGAIN] = "curvature for the step size, a little further",
                                            [PROBE] = "slopes along random directions",
                                            [LINE] = "whether to go, stay or turn"};
    zo_descent *d = self;
    const bool refers = d->has_move || d->phase == LINE || d->phase == FIND_AGAIN;

    (void)rng;
    (void)err;
    p->x[ZO_STEP_NUMBER] = (double)p->number;
    p->x[ZO_STEP_KIND] = (double)kind_now(d);
    p->x[ZO_STEP_SOURCE] = (double)(refers ? d->source : p->number);
    p->x[ZO_STEP_SCALE] = d->has_move ? d->scale : 0;
    p->x[ZO_STEP_MU] = d->rule->derivatives ? 0 : d->o.mu;
    for (size_t j = 0; j < d->plan.n_directions; j++)
        p->x[ZO_STEP_COEFS + j] = refers ? d->coefs[j] : 0;
    d->has_move = false;
    d->newest = p->number + 1;
    p->why = why[d->phase];
    return ZO_OK;
}

/* ---- step size ---- */

static double rms(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * x[i];
    return sqrt(sum / (double)n);
}

/* curves: z'Hz along the first directions, slopes along the same ones. Where the curvature is no guide (negative in the
 * mean, or none), its size is taken, and without any a move as long as ten probes. */
static void find_step_size(zo_descent *d, const double *curves, const double *slopes)
{
    const double q = (double)d->q, size = rms(slopes, ZO_STEP_CURVES);
    double mean = 0, mean_size = 0;

    for (size_t j = 0; j < ZO_STEP_CURVES; j++) {
        mean += curves[j] / ZO_STEP_CURVES;
        mean_size += fabs(curves[j]) / ZO_STEP_CURVES;
    }
    d->trace = mean > 0 ? mean : mean_size;
    double lr = q / ((q + 2) * d->trace);
    if (!isfinite(d->trace) || !(lr < 1e100)) {
        d->trace = 0;
        lr = size > 0 ? 10 * SMALL_MOVE / size : SMALL_MOVE;
    }
    if (d->rule->unit)
        lr *= size > 0 ? size : 1;
    if (d->rule->decay != NULL && !d->rule->unit)
        lr *= 1 - d->rule->decay(&d->o); /* what a slope moves in the end is lr / (1 - decay) */
    d->lr = zo_clip(lr, DBL_MIN, 1e100);
    d->phase = PROBE;
}

static double scheduled(const zo_descent *d)
{
    const double k = (double)d->n_moves;

    switch (d->o.schedule) {
    case ZO_SCHEDULE_COSINE:
        return d->lr * 0.5 * (1 + cos(pi * fmin(k / (double)(d->budget ? d->budget : 1), 1)));
    case ZO_SCHEDULE_SQRT:
        return d->lr / sqrt(k + 1);
    default:
        return d->lr;
    }
}

/* ---- telling ---- */

static void fail(zo_descent *d)
{
    d->n_failed++;
    d->phase = d->lr > 0 ? PROBE : FIND;
    if (++d->n_failed_in_row % FAILED_TO_HALVE == 0 && d->lr > 0) {
        d->lr = fmax(d->lr * 0.5, DBL_MIN);
        d->n_halved++;
    }
}

/* Slopes of an ordinary step along its directions, into slope [q]. */
static void read_slopes(const zo_descent *d, const double *record, const double *a, double *slope)
{
    const double mu = record[ZO_STEP_MU];

    for (size_t j = 0; j < d->q; j++)
        slope[j] = d->rule->derivatives                                  ? a[j]
                   : (zo_step_kind)record[ZO_STEP_KIND] == ZO_STEP_SIDES ? (a[1 + j] - a[0]) / mu
                                                                         : (a[2 * j] - a[2 * j + 1]) / (2 * mu);
}

static bool are_usable(const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!(fabs(x[i]) <= SLOPE_MAX))
            return false;
    return true;
}

static void count_equal(zo_descent *d, const double *slope)
{
    for (size_t j = 0; j < d->q; j++)
        if (slope[j] != 0) {
            d->n_equal = 0;
            return;
        }
    d->n_equal++;
}

static void tell_slopes(zo_descent *d, const double *record, const double *answers)
{
    double slope[ZO_STEP_DIRECTIONS_MAX];

    read_slopes(d, record, answers, slope);
    if (d->lr == 0)
        return; /* of a life that knew its step size; this one has yet to find it */
    if (!are_usable(slope, d->q)) {
        fail(d);
        return;
    }
    count_equal(d, slope);
    d->n_failed_in_row = 0;
    d->source = (uint64_t)record[ZO_STEP_NUMBER];
    for (size_t j = 0; j < d->plan.n_directions; j++)
        d->coefs[j] = 0;
    d->rule->move(d, slope, scheduled(d), d->coefs, &d->scale);
    d->n_moves++;
    if (d->rule->line) {
        for (size_t j = 0; j < d->q; j++)
            d->coefs[j] *= -d->scale;
        d->phase = LINE;
    } else {
        d->has_move = true;
        d->phase = PROBE;
    }
}

/* Losses at x, against the slopes and along them: to the smallest; x stays where it is one of them. */
static void tell_line(zo_descent *d, const double *record, const double *answers)
{
    const bool moves = answers[1] < answers[0] || answers[2] < answers[0];

    d->n_failed_in_row = 0;
    d->phase = d->lr > 0 ? PROBE : FIND;
    d->has_move = moves;
    d->scale = answers[1] <= answers[2] ? -1 : 1;
    d->source = (uint64_t)record[ZO_STEP_SOURCE];
    memcpy(d->coefs, record + ZO_STEP_COEFS, d->plan.n_directions * sizeof *d->coefs);
}

static void tell_curves(zo_descent *d, const double *record, const double *a)
{
    const double mu = record[ZO_STEP_MU];
    double curves[ZO_STEP_CURVES], slopes[ZO_STEP_CURVES];

    for (size_t j = 0; j < ZO_STEP_CURVES; j++) {
        const double ahead = a[1 + 2 * j], behind = a[2 + 2 * j];
        slopes[j] = (ahead - behind) / (2 * mu);
        curves[j] = ((ahead - a[0]) + (behind - a[0])) / (mu * mu);
    }
    if (!are_usable(slopes, ZO_STEP_CURVES))
        fail(d);
    else if (d->lr == 0)
        find_step_size(d, curves, slopes);
}

/* Derivatives along the first directions; then a little further along their sum, where each has changed by its own
 * curvature and, with mean zero, by those across. */
static void tell_here(zo_descent *d, const double *record, const double *answers)
{
    if (!are_usable(answers, ZO_STEP_CURVES)) {
        fail(d);
        return;
    }
    memcpy(d->slopes, answers, sizeof d->slopes);
    d->source = (uint64_t)record[ZO_STEP_NUMBER];
    d->scale = SMALL_MOVE;
    for (size_t j = 0; j < d->plan.n_directions; j++)
        d->coefs[j] = j < ZO_STEP_CURVES;
    d->has_move = true;
    d->phase = FIND_AGAIN;
}

static void tell_there(zo_descent *d, const double *answers)
{
    double curves[ZO_STEP_CURVES];

    for (size_t j = 0; j < ZO_STEP_CURVES; j++)
        curves[j] = (answers[j] - d->slopes[j]) / SMALL_MOVE;
    if (!are_usable(answers, ZO_STEP_CURVES))
        fail(d);
    else if (d->lr == 0)
        find_step_size(d, curves, d->slopes);
}

static void tell_answers(zo_descent *d, const double *record, const double *answers)
{
    switch ((zo_step_kind)record[ZO_STEP_KIND]) {
    case ZO_STEP_PAIRS:
    case ZO_STEP_SIDES:
    case ZO_STEP_SLOPES:
        tell_slopes(d, record, answers);
        break;
    case ZO_STEP_LINE:
        tell_line(d, record, answers);
        break;
    case ZO_STEP_CURVES_OF_LOSS:
        tell_curves(d, record, answers);
        break;
    case ZO_STEP_SLOPES_HERE:
        tell_here(d, record, answers);
        break;
    case ZO_STEP_SLOPES_THERE:
        tell_there(d, answers);
        break;
    case ZO_STEP_KINDS:
        break;
    }
}

zo_status zo_descent_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    zo_descent *d = self;
    const bool answered = t->outcome == ZO_TOLD_COMPLETE && t->answers != NULL;

    (void)rng;
    (void)err;
    if (t->number + 1 < d->newest || !zo_step_check(&d->plan, t->x, t->number))
        return ZO_OK; /* late: x has moved on */
    d->newest = t->number + 1;
    if (t->x[ZO_STEP_SCALE] != 0)
        d->has_move = false; /* its step began with the move */
    if (answered)
        tell_answers(d, t->x, t->answers);
    else if (t->outcome != ZO_TOLD_ABANDONED)
        fail(d);
    return ZO_OK;
}

/* ---- saving and showing ---- */

static bool can_be_in(const zo_descent *d, enum phase phase)
{
    const bool find = d->o.lr == 0;

    return phase == PROBE || (phase == LINE && d->rule->line) || (phase == FIND && find) ||
           (phase == FIND_AGAIN && find && d->rule->derivatives);
}

void zo_descent_snapshot(void *self, zo_visit *v)
{
    zo_descent *d = self;
    uint64_t *const words[] = {&d->source,          &d->newest,   &d->n_moves, &d->n_failed,
                               &d->n_failed_in_row, &d->n_halved, &d->n_equal};
    uint64_t phase[] = {d->phase, d->has_move}, counts[ZO_LEN(words)];
    double reals[] = {d->lr, d->trace, d->scale, d->second, d->power1, d->power2};

    for (size_t i = 0; i < ZO_LEN(words); i++)
        counts[i] = *words[i];
    zo_visit_u64(v, "phase", phase, ZO_LEN(phase));
    zo_visit_require(v, "phase", phase[0] < PHASES && phase[1] <= 1);
    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    zo_visit_require(v, "counts", counts[1] <= UINT64_C(1) << 53 && (counts[0] < counts[1] || counts[0] == 0));
    zo_visit_require(v, "phase", can_be_in(d, (enum phase)phase[0]));
    zo_visit_f64_within(v, "reals", reals, ZO_LEN(reals), -DBL_MAX, DBL_MAX);
    zo_visit_require(v, "reals", reals[0] >= 0 && (reals[0] > 0 || phase[0] <= FIND_AGAIN));
    zo_visit_f64_within(v, "slopes", d->slopes, ZO_STEP_CURVES, -SLOPE_MAX, SLOPE_MAX);
    zo_visit_f64_within(v, "coefs", d->coefs, d->plan.n_directions, -DBL_MAX, DBL_MAX);
    d->phase = (uint32_t)phase[0];
    d->has_move = phase[1];
    for (size_t i = 0; i < ZO_LEN(words); i++)
        *words[i] = counts[i];
    d->lr = reals[0];
    d->trace = reals[1];
    d->scale = reals[2];
    d->second = reals[3];
    d->power1 = reals[4];
    d->power2 = reals[5];
}

static zo_status put_real(zo_bundle *facts, const char *key, double x, zo_error *err)
{
    char text[40];

    (void)snprintf(text, sizeof text, "%.6g", x);
    return zo_bundle_set_meta(facts, key, text, err);
}

zo_status zo_descent_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const zo_descent *d = self;
    const struct {
        const char *key;
        double x;
        bool shown;
    } rows[] = {
        {"lr", d->lr, d->lr > 0},
        {"trace", d->trace, d->trace > 0},
        {"moves", (double)d->n_moves, true},
        {"failed_steps", (double)d->n_failed, true},
        {"lr_halved", (double)d->n_halved, true},
    };
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < ZO_LEN(rows) && rc == ZO_OK; i++)
        if (rows[i].shown)
            rc = put_real(facts, rows[i].key, rows[i].x, err);
    if (rc == ZO_OK && d->n_equal >= EQUAL_TO_WARN)
        rc = zo_bundle_set_meta(facts, "warning", "mu_too_small: the losses on both sides are equal, step after step",
                                err);
    return rc;
}
