/* Stopping the whole study: four rules over what was told, each with the numbers behind its verdict. A rule that the
 * spec names ends the study at the tell that makes it fire (ENDED, reason "stop"); of the others the verdict is only
 * reported, with default thresholds.
 *
 *   no_improvement        the best value has stood for N trials. While no trial is feasible, a smaller violation
 * improves too. expected_improvement  what the next window of W trials is expected to gain is below x (units of the
 * objective). The estimate is G <- (G + g)/2 at the end of each window, g its gain: the mean of the windows' gains with
 * weights 1/2, 1/4, ... from the newest back. If gains are stationary it is unbiased; if they fall it errs high, so the
 * rule stops late rather than early; what no window has shown (a far better basin) it can't know. From two windows on.
 *   restarts              K whole runs of the solver (restarts, or runs of auto's cores) began and ended after the best
 * value was found. target_gap            the best value is within x of the budget's target.
 *
 * Trials count when they end with any result but abandonment, also when their lease runs out (the next tell judges);
 * imported ones do not, though their values may be the best. A patch of the budget that takes a stop back begins all
 * counts anew. Everything is a function of the events, O(1) a tell; restarts, if the rule is on, adds the solver's own
 * account of itself. */
#include "study/study_private.h"

#include <float.h>
#include <stdio.h>
#include <stdlib.h>

enum { PER_DIMENSION = 50, MIN_WINDOW = 20, WINDOW_PER_DIMENSION = 10, RUNS = 5 };
static const double relative_gain = 1e-8;

const char *const stopping_names[ZO_STOP_RULES] = {"no_improvement", "expected_improvement", "restarts", "target_gap"};

/* ---- thresholds ---- */

zo_status stopping_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    const zo_stopping_spec *o = &spec->stopping;
    const bool any = o->on[ZO_STOP_NO_IMPROVEMENT] || o->on[ZO_STOP_EXPECTED_IMPROVEMENT] || o->on[ZO_STOP_RESTARTS] ||
                     o->on[ZO_STOP_TARGET_GAP];
    const double n = s->n > 0 ? (double)s->n : 1;

    if (any && s->n_objectives != 1)
        return zo_fail(err, ZO_EUNSUPPORTED, "/stop", "stopping rules need a single objective");
    if (o->on[ZO_STOP_RESTARTS] && !s->def->describe)
        return zo_fail(err, ZO_EUNSUPPORTED, "/stop/restarts", "solver %s has no restarts", s->def->name);
    if (o->on[ZO_STOP_TARGET_GAP] && !spec->budget.has_target)
        return zo_fail(err, ZO_EINVAL, "/stop/target_gap", "a gap to the target needs budget.target");
    if (!(o->trials_per_dimension >= 0 && o->trials_per_dimension <= 1e9) || !(o->below >= 0 && o->below <= DBL_MAX) ||
        !(o->within >= 0 && o->within <= DBL_MAX))
        return zo_fail(err, ZO_EINVAL, "/stop", "a threshold is out of range");
    s->stopping = (struct stopping){.mark = INFINITY};
    memcpy(s->stopping.on, o->on, sizeof o->on);
    s->stopping.limit = o->trials                     ? o->trials
                        : o->trials_per_dimension > 0 ? (uint64_t)ceil(o->trials_per_dimension * n)
                                                      : (uint64_t)(PER_DIMENSION * n);
    s->stopping.window = o->window ? o->window : (uint64_t)fmax(MIN_WINDOW, WINDOW_PER_DIMENSION * n);
    s->stopping.runs_limit = o->runs ? o->runs : RUNS;
    s->stopping.below = o->below;
    s->stopping.within = o->within;
    return ZO_OK;
}

/* ---- counting ---- */

/* Runs that the solver, or the cores it runs, have begun; false: it does not say. */
static bool count_runs(const zo_study *s, uint64_t *out)
{
    zo_bundle facts;
    bool found = false;

    *out = 0;
    zo_bundle_init(&facts);
    if (zo_solver_run_describe(s->run, &facts, NULL) == ZO_OK) {
        for (size_t i = 0; i < facts.n_meta; i++) {
            const char *key = facts.meta[i].key, *dot = strrchr(key, '.');
            const char *what = dot ? dot + 1 : key;
            const bool runs = strcmp(what, "runs") == 0, restarts = strcmp(what, "restarts") == 0;

            if (!runs && !restarts)
                continue;
            *out += strtoull(facts.meta[i].value, NULL, 10) + restarts;
            found = true;
        }
    }
    zo_bundle_fini(&facts);
    return found;
}

static void end_window(zo_study *s)
{
    struct stopping *p = &s->stopping;

    if (s->best == UINT64_MAX)
        return;
    if (isfinite(p->mark)) {
        const double gain = fmin(p->mark - s->best_f, DBL_MAX);
        p->gain = p->n_windows == 0 ? gain : p->gain / 2 + gain / 2;
        p->n_windows++;
    }
    p->mark = s->best_f;
}

void stopping_tell(zo_study *s, bool counts, bool improved)
{
    struct stopping *p = &s->stopping;

    p->n += counts;
    if (improved) {
        p->n_record = p->n;
        p->is_new = true;
    }
    if (counts && p->n % p->window == 0)
        end_window(s);
}

void stopping_paid(zo_study *s)
{
    if (s->stopping.is_new && s->stopping.on[ZO_STOP_RESTARTS] && !s->as_data)
        (void)count_runs(s, &s->stopping.runs_record);
    s->stopping.is_new = false;
}

void stopping_rebase(zo_study *s)
{
    s->stopping.is_new = true;
    stopping_paid(s);
}

void stopping_restart(zo_study *s)
{
    struct stopping *p = &s->stopping;

    p->n = p->n_record = p->n_windows = 0;
    p->gain = 0;
    p->mark = s->best != UINT64_MAX ? s->best_f : INFINITY;
}

void stopping_reset(zo_study *s)
{
    s->stopping.base = s->t.next;
    stopping_restart(s);
    stopping_rebase(s);
}

void stopping_clear(zo_study *s)
{
    s->stopping.runs_record = 0;
    s->stopping.is_new = false;
    s->stopping.mark = INFINITY;
    s->stopping.n = s->stopping.n_record = s->stopping.n_windows = 0;
    s->stopping.gain = 0;
}

/* ---- verdicts ---- */

static void put(zo_stop_verdict *v, const char *name, double value)
{
    if (isfinite(value) && v->n < ZO_LEN(v->numbers))
        v->numbers[v->n++] = (zo_stop_number){name, value};
}

static void judge_improvement(const zo_study *s, zo_stop_verdict *v)
{
    const struct stopping *p = &s->stopping;
    const uint64_t stood = p->n - p->n_record;

    v->fires = stood >= p->limit;
    put(v, "trials", (double)stood);
    put(v, "limit", (double)p->limit);
    (void)snprintf(v->because, sizeof v->because, "%s for %llu trials, the limit is %llu",
                   s->best != UINT64_MAX    ? "the best value has stood"
                   : s->least != UINT64_MAX ? "no trial is feasible, and the smallest violation has stood"
                                            : "no trial has had a value",
                   (unsigned long long)stood, (unsigned long long)p->limit);
}

static void judge_expected(const zo_study *s, zo_stop_verdict *v)
{
    const struct stopping *p = &s->stopping;
    const double best = s->best != UINT64_MAX ? fabs(s->best_f) : 0;
    const double below = p->below > 0 ? p->below : relative_gain * fmax(1, best);

    put(v, "below", below);
    put(v, "window", (double)p->window);
    put(v, "windows", (double)p->n_windows);
    if (p->n_windows > 0)
        put(v, "expected", p->gain);
    v->fires = p->n_windows >= 2 && p->gain < below;
    if (p->n_windows < 2)
        (void)snprintf(v->because, sizeof v->because, "%llu windows of %llu trials have a gain, an estimate takes 2",
                       (unsigned long long)p->n_windows, (unsigned long long)p->window);
    else
        (void)snprintf(v->because, sizeof v->because,
                       "the next %llu trials are expected to gain %.4g, the limit is %.4g",
                       (unsigned long long)p->window, p->gain, below);
}

static void judge_restarts(const zo_study *s, zo_stop_verdict *v)
{
    const struct stopping *p = &s->stopping;
    uint64_t runs;

    put(v, "limit", (double)p->runs_limit);
    if (!count_runs(s, &runs)) {
        (void)snprintf(v->because, sizeof v->because, "solver %s counts no runs", s->def->name);
        return;
    }
    put(v, "runs", (double)runs);
    if (!p->on[ZO_STOP_RESTARTS]) { /* nobody has looked at the solver when the best value came */
        (void)snprintf(v->because, sizeof v->because, "the solver has begun %llu runs", (unsigned long long)runs);
        return;
    }
    const uint64_t whole = runs > p->runs_record + 1 ? runs - p->runs_record - 1 : 0;
    put(v, "without_record", (double)whole);
    v->fires = whole >= p->runs_limit;
    (void)snprintf(v->because, sizeof v->because, "%llu whole runs since the best value was found, the limit is %llu",
                   (unsigned long long)whole, (unsigned long long)p->runs_limit);
}

static void judge_gap(const zo_study *s, zo_stop_verdict *v)
{
    const double gap = s->best_f - s->sign[0] * s->budget.target;

    put(v, "within", s->stopping.within);
    if (!s->budget.has_target || s->best == UINT64_MAX) {
        (void)snprintf(v->because, sizeof v->because, "%s",
                       s->budget.has_target ? "no feasible value yet" : "the budget has no target");
        return;
    }
    put(v, "target", s->budget.target);
    put(v, "gap", gap);
    v->fires = gap <= s->stopping.within;
    (void)snprintf(v->because, sizeof v->because, "the best value is %.4g from the target, the limit is %.4g", gap,
                   s->stopping.within);
}

void zo_study_stopping(const zo_study *s, zo_stop_rule rule, zo_stop_verdict *out)
{
    static void (*const judges[ZO_STOP_RULES])(const zo_study *, zo_stop_verdict *) = {
        judge_improvement, judge_expected, judge_restarts, judge_gap};

    *out = (zo_stop_verdict){.rule = stopping_names[rule], .on = s->stopping.on[rule]};
    judges[rule](s, out);
}

bool stopping_end(const zo_study *s, char *why, size_t bytes)
{
    zo_stop_verdict v;

    for (int rule = 0; rule < ZO_STOP_RULES; rule++) {
        if (!s->stopping.on[rule])
            continue;
        zo_study_stopping(s, (zo_stop_rule)rule, &v);
        if (v.fires) {
            (void)snprintf(why, bytes, "%s: %s", v.rule, v.because);
            return true;
        }
    }
    return false;
}

const char *zo_study_stopped_by(const zo_study *s)
{
    const char *why = s->ended == END_STOP ? zo_study_end_detail(s) : NULL;

    for (int rule = 0; why && rule < ZO_STOP_RULES; rule++) {
        const size_t n = strlen(stopping_names[rule]);
        if (strncmp(why, stopping_names[rule], n) == 0 && why[n] == ':')
            return stopping_names[rule];
    }
    return NULL;
}

/* ---- nothing has a value ---- */

enum { MIN_VAIN = 200, VAIN_PER_DIMENSION = 50 };

/* Trials that ended, if none of them had a value. */
uint64_t vain_trials(const zo_study *s)
{
    const uint64_t *by = s->counts.by_state;

    return by[ZO_TRIAL_COMPLETE] || by[ZO_TRIAL_STOPPED] ? 0 : by[ZO_TRIAL_FAILED] + by[ZO_TRIAL_INFEASIBLE];
}

bool vain_end(const zo_study *s, uint64_t before, char *why, size_t bytes)
{
    const uint64_t after = vain_trials(s), per = VAIN_PER_DIMENSION * ((uint64_t)s->n + 1);
    uint64_t limit = per > MIN_VAIN ? per : MIN_VAIN;

    while (limit <= before && limit <= UINT64_MAX / 2)
        limit *= 2;
    if (after < limit)
        return false;
    (void)snprintf(why, bytes, "none of the first %llu trials gave a value: %llu failed, %llu were infeasible",
                   (unsigned long long)after, (unsigned long long)s->counts.by_state[ZO_TRIAL_FAILED],
                   (unsigned long long)s->counts.by_state[ZO_TRIAL_INFEASIBLE]);
    return true;
}

enum end_reason end_without_value(const zo_study *s)
{
    const uint64_t *by = s->counts.by_state;
    const bool others = by[ZO_TRIAL_COMPLETE] || by[ZO_TRIAL_STOPPED] || by[ZO_TRIAL_FAILED];

    return by[ZO_TRIAL_INFEASIBLE] && !others ? END_INFEASIBLE : END_STALLED;
}

/* ---- snapshots ---- */

enum { STOP_N, STOP_RECORD, STOP_RUNS, STOP_WINDOWS, STOP_BASE, STOP_MARK, STOP_GAIN, STOP_WORDS };

size_t stopping_words(void)
{
    return STOP_WORDS;
}

void stopping_save(const struct stopping *p, double *w)
{
    w[STOP_N] = (double)p->n;
    w[STOP_RECORD] = (double)p->n_record;
    w[STOP_RUNS] = (double)p->runs_record;
    w[STOP_WINDOWS] = (double)p->n_windows;
    w[STOP_BASE] = (double)p->base;
    w[STOP_MARK] = p->mark;
    w[STOP_GAIN] = p->gain;
}

bool stopping_load(struct stopping *p, const double *w)
{
    for (size_t i = 0; i <= STOP_BASE; i++)
        if (!(w[i] >= 0 && w[i] <= 0x1p53 && w[i] == floor(w[i])))
            return false;
    if (w[STOP_RECORD] > w[STOP_N] || isnan(w[STOP_MARK]) || w[STOP_MARK] == -INFINITY ||
        !(w[STOP_GAIN] >= 0 && w[STOP_GAIN] <= DBL_MAX))
        return false;
    p->n = (uint64_t)w[STOP_N];
    p->n_record = (uint64_t)w[STOP_RECORD];
    p->runs_record = (uint64_t)w[STOP_RUNS];
    p->n_windows = (uint64_t)w[STOP_WINDOWS];
    p->base = (uint64_t)w[STOP_BASE];
    p->mark = w[STOP_MARK];
    p->gain = w[STOP_GAIN];
    return true;
}
