/* Studies for tests: specs of several kinds, and a player that gives the same random commands to any number of studies
 * and demands the same answers and the same events from all of them. */
#ifndef ZO_TESTS_STUDY_PLAYER_H
#define ZO_TESTS_STUDY_PLAYER_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "study/study_private.h"

enum fx_kind {
    FX_PLAIN,      /* reals, one objective */
    FX_MIXED,      /* what the solver can take of parameters and constraints; a metric */
    FX_OBJECTIVES, /* two objectives */
    FX_FEW_POINTS, /* a small discrete space, duplicates avoided */
    FX_MEDIAN,     /* reports, judged by the median rule */
    FX_ASHA,       /* reports, judged by asha */
    FX_GRADIENT,   /* reals, a constraint, gradients */
    FX_STEPS,      /* directional, in groups; a metric; the loss is maximized */
    FX_KINDS
};

struct fx_spec {
    zo_study_spec spec;
    zo_param_spec params[4];
    zo_scalar words[3];
    zo_objective_spec objectives[2];
    zo_constraint_spec constraint;
    const char *metric;
    zo_named stop_options[2];
    zo_group groups[2];
    zo_directional directional;
};

/* False if the solver can't be asked for this. */
static inline bool fx_spec_fill(struct fx_spec *x, const zo_solver *solver, enum fx_kind kind, uint64_t seed)
{
    const bool levels = solver->traits & ZO_TRAIT_LEVELS, categories = solver->traits & ZO_TRAIT_CATEGORY;
    size_t n = 0;

    if ((kind == FX_STEPS) != !!(solver->oracles & ZO_ORACLE_DIRECTIONAL)) /* no solver has both */
        return false;
    if ((kind == FX_OBJECTIVES && !(solver->traits & ZO_TRAIT_OBJECTIVES)) || (kind == FX_FEW_POINTS && !levels) ||
        ((kind == FX_MEDIAN || kind == FX_ASHA) && !(solver->oracles & ZO_ORACLE_STEPS)) ||
        (kind == FX_GRADIENT && !(solver->oracles & ZO_ORACLE_GRADIENT)))
        return false;
    *x = (struct fx_spec){0};
    x->metric = "seconds";
    x->objectives[0] = (zo_objective_spec){"loss", kind == FX_MIXED || kind == FX_STEPS};
    x->objectives[1] = (zo_objective_spec){"size", true};
    x->constraint =
        (zo_constraint_spec){.name = "load", .has_upper = true, .upper = 0.6, .has_lower = true, .lower = 0.1};
    for (size_t i = 0; i < 3; i++)
        x->words[i] = (zo_scalar){.kind = ZO_STRING, .string = (const char *[]){"red", "green", "blue"}[i]};
    if (kind == FX_FEW_POINTS) {
        x->params[n++] = (zo_param_spec){.name = "i", .type = ZO_INT, .low = 0, .high = 9};
        x->params[n++] = (zo_param_spec){.name = "j", .type = ZO_INT, .low = 0, .high = 19};
    } else {
        x->params[n++] = (zo_param_spec){.name = "a", .type = ZO_FLOAT, .low = -1, .high = 2};
        x->params[n++] = (zo_param_spec){.name = "b", .type = ZO_FLOAT, .low = 1e-3, .high = 10, .scale = ZO_LOG};
        if (kind == FX_MIXED && levels)
            x->params[n++] = (zo_param_spec){.name = "k", .type = ZO_INT, .low = 1, .high = 7};
        if (kind == FX_MIXED && categories)
            x->params[n++] =
                (zo_param_spec){.name = "colour", .type = ZO_CATEGORICAL, .choices = x->words, .n_choices = 3};
    }
    x->stop_options[0] =
        (zo_named){kind == FX_ASHA ? "reduction_factor" : "n_startup_trials", {.kind = ZO_NUMBER, .number = 3}};
    x->spec = (zo_study_spec){.seed = seed,
                              .space = {.params = x->params, .n_params = n},
                              .objectives = x->objectives,
                              .n_objectives = kind == FX_OBJECTIVES ? 2 : 1,
                              .constraints = &x->constraint,
                              .n_constraints = (kind == FX_MIXED || kind == FX_GRADIENT) && solver->traits & ZO_TRAIT_CONSTRAINTS,
                              .metrics = &x->metric,
                              .n_metrics = kind == FX_MIXED || kind == FX_STEPS,
                              .oracle = kind == FX_MEDIAN || kind == FX_ASHA                              ? ZO_ORACLE_STEPS
                                        : kind == FX_GRADIENT || !(solver->oracles & ZO_ORACLE_VALUE) ? ZO_ORACLE_GRADIENT
                                                                                                       : ZO_ORACLE_VALUE,
                              .parallelism = 1,
                              .lease_ms = 20000,
                              .retries = 2,
                              .on_expiry = kind == FX_PLAIN   ? ZO_EXPIRY_ABANDON
                                           : kind == FX_MIXED ? ZO_EXPIRY_FAIL
                                                              : ZO_EXPIRY_RETRY,
                              .duplicates = kind == FX_FEW_POINTS ? ZO_DUPLICATES_AVOID : ZO_DUPLICATES_ALLOW,
                              .solver = solver->name,
                              .stop_rule = kind == FX_MEDIAN ? "median"
                                           : kind == FX_ASHA ? "asha"
                                                             : NULL,
                              .directional = kind == FX_STEPS ? &x->directional : NULL,
                              .stop_options = x->stop_options,
                              .n_stop_options = kind == FX_MEDIAN || kind == FX_ASHA};
    if (kind == FX_STEPS) {
        x->spec.space = (zo_space_spec){0};
        x->spec.oracle = ZO_ORACLE_DIRECTIONAL;
        x->groups[0] = (zo_group){"head", UINT64_C(1) << 40};
        x->groups[1] = (zo_group){"rest", 3};
        x->directional = (zo_directional){.dimension = (UINT64_C(1) << 40) + 3, .groups = x->groups, .n_groups = 2};
    }
    return true;
}

static inline zo_study *fx_new(const struct fx_spec *x)
{
    zo_study *s = NULL;
    zo_error err = {0};

    if (zo_study_new(&x->spec, (zo_now){0}, NULL, &s, &err) != ZO_OK)
        fail_msg("new: %s: %s", err.pointer, err.message);
    return s;
}

/* ---- the player ---- */

enum { FX_STUDIES = 4, FX_BATCH = 64, FX_VALUES = 24 };
struct fx_player {
    zo_study *studies[FX_STUDIES];
    zo_events events[FX_STUDIES];
    zo_arena *arena;
    size_t n;
    zo_portable1 dice;
    zo_now now;
    size_t max_count; /* of asks and tells in one command */
    bool pauses;      /* pause and change budgets too */
};

static inline void fx_player_init(struct fx_player *p, zo_study *first, uint64_t seed)
{
    *p = (struct fx_player){.n = 1, .dice = zo_portable1_make(seed), .now = {1700000000000, 5000}, .max_count = 3};
    p->studies[0] = first;
    assert_non_null(p->arena = zo_arena_new(0));
}

static inline void fx_player_drop(struct fx_player *p, size_t i)
{
    zo_study_free(p->studies[i]);
    zo_events_fini(&p->events[i]);
    p->n--;
    p->studies[i] = p->studies[p->n];
    p->events[i] = p->events[p->n];
    p->studies[p->n] = NULL;
    p->events[p->n] = (zo_events){0};
}

static inline void fx_player_fini(struct fx_player *p)
{
    while (p->n)
        fx_player_drop(p, p->n - 1);
    zo_arena_free(p->arena);
}

static inline uint64_t fx_roll(struct fx_player *p, uint64_t n)
{
    return zo_portable1_u64(&p->dice) % n;
}

static inline double fx_value(struct fx_player *p)
{
    return (double)fx_roll(p, 1000) / 999;
}

/* All studies said rc, and made the same events. */
static inline void fx_same(struct fx_player *p, size_t i, zo_status rc, zo_status first)
{
    const zo_events *a = &p->events[0], *b = &p->events[i];

    assert_int_equal(rc, first);
    assert_int_equal(a->n, b->n);
    for (size_t k = 0; k < a->n; k++) {
        assert_int_equal(a->items[k].seq, b->items[k].seq);
        assert_int_equal(a->items[k].kind, b->items[k].kind);
        assert_int_equal(a->items[k].body_bytes, b->items[k].body_bytes);
        assert_memory_equal(a->items[k].body, b->items[k].body, a->items[k].body_bytes);
    }
}

/* Run a command on every study; `s`, `ev` and `err` are its own. */
#define FX_ALL(p, command)                                                                                             \
    do {                                                                                                               \
        zo_status first_ = ZO_OK;                                                                                      \
        for (size_t i_ = 0; i_ < (p)->n; i_++) {                                                                       \
            zo_study *s = (p)->studies[i_];                                                                            \
            zo_events *ev = &(p)->events[i_];                                                                          \
            zo_error error_ = {0}, *err = &error_;                                                                     \
            zo_events_clear(ev);                                                                                       \
            const zo_status rc_ = (command);                                                                           \
            if (i_ == 0)                                                                                               \
                first_ = rc_;                                                                                          \
            fx_same(p, i_, rc_, first_);                                                                               \
            assert_int_not_equal(rc_, ZO_ENOMEM);                                                                      \
            assert_int_not_equal(rc_, ZO_EINTERNAL);                                                                   \
            (void)s, (void)err;                                                                                        \
        }                                                                                                              \
    } while (0)

static inline void fx_ask(struct fx_player *p)
{
    static const char *const workers[] = {NULL, "w1", "w2", "a-worker-with-a-longer-name"};
    const zo_ask_args a = {
        .count = 1 + fx_roll(p, p->max_count), .worker = workers[fx_roll(p, 4)], .lease_ms = fx_roll(p, 3) ? 0 : 5000};
    const zo_ask_args resume = {.count = a.count, .worker = "w1", .resume = true};
    const bool again = fx_roll(p, 10) == 0;
    zo_ask_reply reply[FX_STUDIES];
    size_t i = 0;

    FX_ALL(p, zo_study_ask(s, again ? &resume : &a, p->now, ev, p->arena, &reply[i++], err));
    for (size_t k = 1; k < i; k++) {
        assert_int_equal(reply[k].n, reply[0].n);
        assert_int_equal(reply[k].state, reply[0].state);
        assert_true(reply[k].retry_after_s == reply[0].retry_after_s);
        assert_memory_equal(reply[k].numbers, reply[0].numbers, reply[0].n * sizeof(uint64_t));
        for (size_t j = 0; j < reply[0].n; j++) {
            zo_trial x, y;
            assert_true(zo_study_trial(p->studies[0], reply[0].numbers[j], &x));
            assert_true(zo_study_trial(p->studies[k], reply[0].numbers[j], &y));
            assert_memory_equal(x.v, y.v, p->studies[0]->n * sizeof(double));
        }
    }
    zo_arena_reset(p->arena);
}

/* A trial to tell or report: often one that runs, sometimes any. */
static inline uint64_t fx_pick(struct fx_player *p)
{
    const zo_study *s = p->studies[0];
    const struct pending_pool *pool = &s->pending;

    if (pool->n && fx_roll(p, 8))
        for (uint64_t k = 0, at = fx_roll(p, pool->n); k < pool->n; k++)
            if (pool->items[(at + k) % pool->n].used)
                return pool->items[(at + k) % pool->n].number;
    return fx_roll(p, s->t.next + 1);
}

struct fx_batch {
    zo_tell_item items[FX_BATCH];
    double v[FX_BATCH][4], values[FX_BATCH][FX_VALUES], std_errors[FX_BATCH][FX_VALUES], gradients[FX_BATCH][16];
};

static inline void fx_point(struct fx_player *p, double *v)
{
    zo_rng rng = zo_rng_make(fx_roll(p, 1 << 30), ZO_PURPOSE_REPAIR, 0);

    if (p->studies[0]->space)
        zo_space_sample(p->studies[0]->space, &rng, v);
    else
        memset(v, 0, 4 * sizeof *v);
}

/* Of the step that t tells: answers of its probes, or sometimes of one less; no loss but, of derivatives, the client's. */
static inline void fx_answer(struct fx_player *p, const zo_tell_item *t, double *values)
{
    const zo_study *s = p->studies[0];
    const bool loss = s->plan.derivatives && fx_roll(p, 2);
    zo_trial trial;

    assert_in_range(s->n_values, 1, FX_VALUES);
    for (size_t j = loss; j < s->n_values; j += j == 0 ? 2 : 1)
        values[j] = NAN;
    if (t->state != ZO_TRIAL_COMPLETE || !t->by_number || !zo_study_trial(s, t->number, &trial))
        return;
    for (size_t j = 0; j + !fx_roll(p, 30) < zo_step_n_probes(&s->plan, trial.v); j++)
        values[s->n_named + j] = fx_value(p);
}

static inline void fx_tell_item(struct fx_player *p, struct fx_batch *b, size_t i, bool bring)
{
    static const zo_trial_state ends[] = {ZO_TRIAL_COMPLETE,  ZO_TRIAL_COMPLETE,  ZO_TRIAL_COMPLETE,
                                          ZO_TRIAL_COMPLETE,  ZO_TRIAL_STOPPED,   ZO_TRIAL_FAILED,
                                          ZO_TRIAL_ABANDONED, ZO_TRIAL_INFEASIBLE};
    zo_tell_item *t = &b->items[i];

    *t = (zo_tell_item){.by_number = !bring,
                        .number = bring ? 0 : fx_pick(p),
                        .v = b->v[i],
                        .cost = fx_roll(p, 9) ? NAN : fx_value(p),
                        .state = bring ? ZO_TRIAL_COMPLETE : ends[fx_roll(p, ZO_LEN(ends))],
                        .origin = ZO_ORIGIN_CLIENT,
                        .reason = fx_roll(p, 12) ? NULL : "out of luck",
                        .worker = fx_roll(p, 7) ? NULL : "w7",
                        .metadata = fx_roll(p, 11) ? NULL : "{\"k\":[1,2,3]}"};
    fx_point(p, b->v[i]);
    for (size_t j = 0; j < FX_VALUES; j++) {
        b->values[i][j] = fx_value(p);
        b->std_errors[i][j] = fx_roll(p, 3) ? 0.25 : NAN;
    }
    if (t->state == ZO_TRIAL_COMPLETE || (t->state == ZO_TRIAL_STOPPED && fx_roll(p, 2)))
        t->values = b->values[i];
    if (p->studies[0]->plan.n_answers)
        fx_answer(p, t, b->values[i]);
    else if (t->values && !fx_roll(p, 8))
        t->std_errors = b->std_errors[i];
    for (size_t j = 0; j < p->studies[0]->n_gradients; j++)
        b->gradients[i][j] = fx_value(p) - 0.5;
    if (p->studies[0]->n_gradients && t->values && (t->state == ZO_TRIAL_COMPLETE || fx_roll(p, 2)))
        t->gradients = b->gradients[i];
    if (bring && !fx_roll(p, 2)) {
        t->origin = ZO_ORIGIN_IMPORT;
        t->created_ms = 1600000000000;
        t->finished_ms = 1600000001000;
    }
}

static inline void fx_tell(struct fx_player *p, bool bring)
{
    static struct fx_batch b;
    size_t n = 1 + fx_roll(p, p->max_count), failed_at;
    uint64_t numbers[FX_BATCH];

    n = n > FX_BATCH ? FX_BATCH : n;
    for (size_t i = 0; i < n; i++)
        fx_tell_item(p, &b, i, bring);
    if (bring && b.items[0].origin == ZO_ORIGIN_IMPORT && !fx_roll(p, 4)) {
        b.items[0].has_import_number = true; /* into a gap, or leaving one */
        b.items[0].import_number =
            fx_roll(p, 2) ? p->studies[0]->t.next + fx_roll(p, 40) : fx_roll(p, p->studies[0]->t.next + 1);
    }
    FX_ALL(p, zo_study_tell(s, b.items, n, p->now, ev, numbers, &failed_at, err));
}

static inline void fx_report(struct fx_player *p)
{
    const uint64_t number = fx_pick(p);
    double values[4] = {fx_value(p), fx_value(p), NAN, NAN};
    zo_trial t;
    zo_report last = {0};
    bool stop[FX_STUDIES] = {false};
    size_t i = 0;

    if (zo_study_trial(p->studies[0], number, &t) && t.n_reports)
        (void)zo_study_trial_report(p->studies[0], number, t.n_reports - 1, &last);
    const uint64_t step = last.step + fx_roll(p, 4);
    FX_ALL(p, zo_study_report(s, number, step, values, p->now, ev, &stop[i++], err));
    for (size_t k = 1; k < i; k++)
        assert_int_equal(stop[k], stop[0]);
}

static inline void fx_enqueue(struct fx_player *p)
{
    double v[2][4];
    const double *const list[] = {v[0], v[1]};
    const char *const metadata[] = {"{}", NULL};
    uint64_t numbers[2];

    fx_point(p, v[0]);
    fx_point(p, v[1]);
    const bool noted = fx_roll(p, 2);
    FX_ALL(p, zo_study_enqueue(s, list, noted ? metadata : NULL, 2, p->now, ev, numbers, err));
}

static inline void fx_patch(struct fx_player *p)
{
    zo_patch patch = {.has_paused = fx_roll(p, 2), .paused = fx_roll(p, 3) == 0};

    if (fx_roll(p, 2)) {
        patch.has_budget = true;
        patch.budget.trials = fx_roll(p, 3) ? 0 : p->studies[0]->counts.handed_out + fx_roll(p, 10);
        patch.budget.seconds = fx_roll(p, 3) ? 0 : 100 + (double)fx_roll(p, 4000);
        patch.budget.has_target = p->studies[0]->n_objectives == 1 && !fx_roll(p, 3);
        patch.budget.target = fx_value(p);
    }
    FX_ALL(p, zo_study_patch(s, &patch, p->now, ev, err));
}

static inline void fx_step(struct fx_player *p)
{
    const bool reports = p->studies[0]->problem.oracle == ZO_ORACLE_STEPS;
    const uint64_t number = fx_pick(p), what = fx_roll(p, 40);
    const int64_t ms = (int64_t)fx_roll(p, p->max_count > 10 ? 9000 : 900); /* many leases: let them end */

    p->now.wall_ms += ms;
    p->now.mono_ms += ms;
    if (what < 12)
        fx_ask(p);
    else if (what < 22)
        reports &&fx_roll(p, 4) ? fx_report(p) : fx_tell(p, false);
    else if (what < 26)
        fx_tell(p, true);
    else if (what < 28)
        fx_enqueue(p);
    else if (what < 30)
        FX_ALL(p, zo_study_withdraw(s, p->studies[0]->t.next - 1 - number % 4, p->now, ev, err));
    else if (what < 31)
        FX_ALL(p, zo_study_release(s, number, p->now, ev, err));
    else if (what < 33)
        FX_ALL(p, zo_study_heartbeat(s, number, 0, p->now, err));
    else if (what < 35 && p->pauses)
        fx_patch(p);
    else
        FX_ALL(p, zo_study_tick(s, p->now, ev, err));
}

#endif
