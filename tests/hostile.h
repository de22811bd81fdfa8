/* Studies to save, damage and load: a few fixed specs that between them have every part a snapshot can hold, and a life
 * that a study must get through once its snapshot was let in. For the fuzzer and the unit tests of damaged snapshots.
 */
#ifndef ZO_TEST_HOSTILE_H
#define ZO_TEST_HOSTILE_H

#include <math.h>
#include <string.h>

#include "zeroth/study.h"

enum { HOSTILE_SPECS = 8, HOSTILE_TAG = 77, HOSTILE_VALUES = 32, HOSTILE_TERMS = 1 };

/* ---- the specs ---- */

static const zo_scalar hostile_kernels[] = {{.kind = ZO_STRING, .string = "rbf"},
                                            {.kind = ZO_STRING, .string = "poly"},
                                            {.kind = ZO_STRING, .string = "linear"}};
static const zo_when hostile_poly[] = {{.parent = "kernel", .values = &hostile_kernels[1], .n_values = 1}};
static const zo_param_spec hostile_mixed[] = {
    {.name = "C", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 1e3},
    {.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5},
    {.name = "kernel", .type = ZO_CATEGORICAL, .choices = hostile_kernels, .n_choices = ZO_LEN(hostile_kernels)},
    {.name = "degree", .type = ZO_INT, .low = 2, .high = 9, .when = hostile_poly, .n_when = 1},
    {.name = "bias", .type = ZO_BOOL},
};
static const zo_param_spec hostile_box[] = {
    {.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5},
    {.name = "y", .type = ZO_FLOAT, .low = 0, .high = 1},
    {.name = "k", .type = ZO_FLOAT, .low = 0, .high = 2, .step = 0.25},
};
static const zo_term hostile_sum[] = {{"x", 1}, {"y", 4}};
static const zo_linear_spec hostile_half[] = {{.terms = hostile_sum, .n_terms = 2, .op = ZO_LE, .rhs = 1}};
static const zo_objective_spec hostile_goals[] = {{.name = "loss"}, {.name = "gain", .maximize = true}};
static const zo_constraint_spec hostile_limits[] = {{.name = "seconds", .has_upper = true, .upper = 2}};

static const zo_group hostile_groups[] = {{"head", 7}, {"rest", 93}};
static const zo_directional hostile_vector = {.dimension = 100, .groups = hostile_groups, .n_groups = 2};

static inline zo_study_spec hostile_spec(unsigned which)
{
    zo_study_spec s = {.seed = which + 1,
                       .space = {.params = hostile_box, .n_params = ZO_LEN(hostile_box)},
                       .objectives = hostile_goals,
                       .n_objectives = 1,
                       .oracle = ZO_ORACLE_VALUE,
                       .parallelism = 1,
                       .lease_ms = 60000,
                       .retries = 3,
                       .solver = "cma-es"};

    switch (which) {
    case 0: /* every kind of dimension, and an outcome constraint */
        s.space = (zo_space_spec){.params = hostile_mixed, .n_params = ZO_LEN(hostile_mixed)};
        s.constraints = hostile_limits;
        s.n_constraints = 1;
        break;
    case 1: /* linear constraints */
        s.space.linear = hostile_half;
        s.space.n_linear = 1;
        break;
    case 2:
        s.solver = "sobol";
        s.oracle = ZO_ORACLE_STEPS;
        s.stop_rule = "median";
        s.duplicates = ZO_DUPLICATES_AVOID;
        break;
    case 3: /* runs cma-es */
        s.solver = "auto";
        s.oracle = ZO_ORACLE_STEPS;
        s.stop_rule = "asha";
        s.budget = (zo_budget){.trials = 400, .seconds = 1e6, .has_target = true, .target = -1e3};
        break;
    case 4:
        s.solver = "random";
        s.n_objectives = 2;
        break;
    case 6: /* gradients */
        s.space.n_params = 2;
        s.solver = "random";
        s.oracle = ZO_ORACLE_GRADIENT;
        s.constraints = hostile_limits;
        s.n_constraints = 1;
        break;
    case 7: /* steps */
        s.space = (zo_space_spec){0};
        s.solver = "zo-conservative";
        s.oracle = ZO_ORACLE_DIRECTIONAL;
        s.directional = &hostile_vector;
        break;
    default: /* runs sobol */
        s.solver = "auto";
        s.n_objectives = 2;
        s.constraints = hostile_limits;
        s.n_constraints = 1;
    }
    return s;
}

static inline zo_study *hostile_new(unsigned which)
{
    const zo_study_spec spec = hostile_spec(which);
    zo_study *s = NULL;

    ZO_ASSERT(zo_study_new(&spec, (zo_now){.wall_ms = 1700000000000, .mono_ms = 1000}, NULL, &s, NULL) == ZO_OK);
    return s;
}

/* ---- a life ---- */

struct hostile_life {
    zo_study *s;
    zo_events ev;
    zo_arena *arena;
    zo_now now;
};

/* Refused or done: never out of memory, and the two reports of it agree. */
static inline bool hostile_done(zo_status rc, const zo_error *err)
{
    ZO_ASSERT(rc == ZO_OK || (rc == err->code && rc != ZO_ENOMEM && err->message[0]));
    return rc == ZO_OK;
}

static inline void hostile_answer(const struct hostile_life *l, uint64_t number, double *values)
{
    const zo_step_plan *plan = zo_study_steps(l->s)->plan;
    zo_trial t;

    ZO_ASSERT(zo_study_n_values(l->s) <= HOSTILE_VALUES && zo_study_trial(l->s, number, &t));
    for (size_t j = 0; j < HOSTILE_VALUES; j++)
        values[j] = j < 1 || j > zo_step_n_probes(plan, t.v) ? NAN : cos((double)(number * 31 + j));
}

static inline void hostile_tell(struct hostile_life *l, uint64_t number, uint64_t round)
{
    const uint64_t kind = (number + round) % 11;
    double values[HOSTILE_VALUES] = {cos((double)number), sin((double)number), 1 + (double)(number % 3)};
    const double std_errors[] = {0.5, 0.25, 0}, gradients[] = {-sin((double)number), 0, NAN, NAN};
    zo_tell_item t = {.by_number = true, .number = number, .state = ZO_TRIAL_COMPLETE, .values = values, .cost = NAN};
    uint64_t told;
    size_t failed_at;
    zo_error err = {0};

    if (zo_study_steps(l->s))
        hostile_answer(l, number, values);
    if (zo_study_oracle(l->s) == ZO_ORACLE_GRADIENT)
        t.gradients = gradients;
    if (kind == 5)
        t = (zo_tell_item){.by_number = true, .number = number, .state = ZO_TRIAL_FAILED, .reason = "no", .cost = 3};
    if (kind == 7)
        t = (zo_tell_item){.by_number = true, .number = number, .state = ZO_TRIAL_ABANDONED, .cost = NAN};
    if (kind == 9)
        t.std_errors = std_errors;
    (void)hostile_done(zo_study_tell(l->s, &t, 1, l->now, &l->ev, &told, &failed_at, &err), &err);
}

static inline void hostile_report(struct hostile_life *l, uint64_t number, uint64_t steps)
{
    const double values[] = {0.1 * (double)(number % 7), 0.5, 1};
    bool stop = false;

    for (uint64_t step = 1; step <= steps && !stop; step++) {
        zo_error err = {0};
        if (!hostile_done(zo_study_report(l->s, number, step, values, l->now, &l->ev, &stop, &err), &err))
            return;
    }
}

/* A point the client brings, far up in the numbers: what lies below it can become a closed segment. */
static inline void hostile_import(struct hostile_life *l, const double *v, uint64_t number)
{
    const double values[] = {0.25, 0.75, 1}, gradients[] = {1, -2, 3, -4};
    const zo_tell_item t = {.v = v,
                            .state = ZO_TRIAL_COMPLETE,
                            .values = values,
                            .gradients = zo_study_oracle(l->s) == ZO_ORACLE_GRADIENT ? gradients : NULL,
                            .cost = 1.5,
                            .metadata = "{}",
                            .origin = ZO_ORIGIN_IMPORT,
                            .has_import_number = true,
                            .import_number = number};
    uint64_t told;
    size_t failed_at;
    zo_error err = {0};

    (void)hostile_done(zo_study_tell(l->s, &t, 1, l->now, &l->ev, &told, &failed_at, &err), &err);
}

static inline void hostile_enqueue(struct hostile_life *l, const double *v)
{
    const double *const points[] = {v, v};
    uint64_t numbers[2];
    zo_error err = {0};

    if (hostile_done(zo_study_enqueue(l->s, points, NULL, 2, l->now, &l->ev, numbers, &err), &err))
        (void)hostile_done(zo_study_withdraw(l->s, numbers[1], l->now, &l->ev, &err), &err);
}

/* Ask for two, tell the older and leave every fifth to its lease. */
static inline void hostile_round(struct hostile_life *l, uint64_t round)
{
    const bool steps = zo_study_n_objectives(l->s) == 1;
    zo_ask_reply reply = {0};
    zo_trial t;
    zo_error err = {0};

    zo_events_clear(&l->ev);
    zo_arena_reset(l->arena);
    l->now.wall_ms += 1000;
    l->now.mono_ms += 1000;
    const zo_ask_args args = {.count = 2, .worker = round % 2 ? "w" : NULL};
    if (!hostile_done(zo_study_ask(l->s, &args, l->now, &l->ev, l->arena, &reply, &err), &err))
        return;
    for (size_t i = 0; i < reply.n; i++) {
        ZO_ASSERT(zo_study_trial(l->s, reply.numbers[i], &t) && t.state == ZO_TRIAL_RUNNING);
        ZO_ASSERT(zo_study_steps(l->s) ? zo_step_check(zo_study_steps(l->s)->plan, t.v, t.number)
                                       : zo_space_check(zo_study_space(l->s), t.v, NULL) == ZO_OK);
        if (round % 8 == 1 && i == 0)
            hostile_enqueue(l, t.v);
        if (steps)
            hostile_report(l, reply.numbers[i], 1 + (round + i) % 4);
        if ((round + i) % 5 != 4)
            hostile_tell(l, reply.numbers[i], round);
        else if (round % 2)
            (void)hostile_done(zo_study_release(l->s, reply.numbers[i], l->now, &l->ev, &err), &err);
    }
    (void)hostile_done(zo_study_tick(l->s, l->now, &l->ev, &err), &err);
}

static inline void hostile_read(const zo_study *s)
{
    const uint64_t n = zo_study_n_trials(s), *front;
    const size_t n_rows = zo_study_n_objectives(s) + zo_study_n_constraints(s);
    const size_t n_gradients = zo_study_steps(s) ? 0 : n_rows * zo_space_n_dims(zo_study_space(s));
    zo_step_term move[HOSTILE_TERMS];
    uint64_t best;
    bool feasible;
    zo_trial t;
    zo_report r;
    zo_bundle facts;

    for (uint64_t k = 0; k < n; k++) {
        ZO_ASSERT(!zo_study_steps(s) || zo_study_move(s, k, move) <= HOSTILE_TERMS);
        for (size_t i = 0; zo_study_trial(s, k, &t) && i < t.n_reports; i++)
            ZO_ASSERT(zo_study_trial_report(s, k, i, &r));
        for (size_t i = 0; zo_study_trial(s, k, &t) && t.gradients && i < n_gradients; i++)
            ZO_ASSERT(!isinf(t.gradients[i]));
    }
    if (zo_study_n_objectives(s) == 1)
        (void)zo_study_best(s, &best, &feasible);
    else
        (void)zo_study_pareto(s, &front);
    zo_bundle_init(&facts);
    ZO_ASSERT(zo_study_describe(s, &facts, NULL) == ZO_OK);
    zo_bundle_fini(&facts);
}

/* Renewed leases, rounds of commands, all of it read; the study stays the caller's. */
static inline void hostile_live(zo_study *s, uint64_t first_round, uint64_t rounds)
{
    struct hostile_life l = {.s = s, .arena = zo_arena_new(0), .now = {.wall_ms = 1700000001000, .mono_ms = 2000}};

    ZO_ASSERT(l.arena);
    zo_study_renew_leases(s, l.now);
    for (uint64_t round = first_round; round < first_round + rounds; round++)
        hostile_round(&l, round);
    hostile_read(s);
    zo_events_fini(&l.ev);
    zo_arena_free(l.arena);
}

/* One that has lived: open trials, expired and queued ones, reports, and with far a closed segment. */
static inline zo_study *hostile_lived(unsigned which, uint64_t rounds, bool far)
{
    struct hostile_life l = {
        .s = hostile_new(which), .arena = zo_arena_new(0), .now = {.wall_ms = 1700000000000, .mono_ms = 1000}};
    zo_trial t;

    ZO_ASSERT(l.arena);
    hostile_live(l.s, 0, rounds);
    l.now.wall_ms += 100000;
    l.now.mono_ms += 100000;
    ZO_ASSERT(zo_study_tick(l.s, l.now, &l.ev, NULL) == ZO_OK);
    if (far && zo_study_trial(l.s, 0, &t))
        hostile_import(&l, t.v, ZO_SEGMENT_TRIALS + 10);
    hostile_live(l.s, rounds, 3);
    zo_events_fini(&l.ev);
    zo_arena_free(l.arena);
    return l.s;
}

/* ---- loading ---- */

enum { HOSTILE_PARTS = 3 };

/* Parts 0: head, 1..: segments. NULL when refused, which must be with a reason. */
static inline zo_study *hostile_load(unsigned which, const zo_bundle *parts, size_t n)
{
    zo_study *s = hostile_new(which);
    size_t n_segments = 0;
    uint64_t seq = 0;
    zo_error err = {0};
    zo_status rc = zo_study_load_head(s, &parts[0], HOSTILE_TAG, &n_segments, &seq, &err);

    for (size_t i = 0; rc == ZO_OK && i < n_segments && i + 1 < n; i++)
        rc = zo_study_load_segment(s, i, &parts[i + 1], &err);
    if (rc == ZO_OK)
        rc = zo_study_load_finish(s, &err);
    if (rc == ZO_OK)
        return s;
    ZO_ASSERT(rc == err.code && err.message[0]);
    ZO_ASSERT(rc == ZO_EINVAL || rc == ZO_ECONFLICT || rc == ZO_EUNSUPPORTED);
    zo_study_free(s);
    return NULL;
}

/* Head and segments, as many as fit; returns how many. The caller frees each. */
static inline size_t hostile_save(zo_study *s, zo_bundle *parts)
{
    const size_t closed = zo_study_closed_segments(s);
    size_t n = 0;

    zo_bundle_init(&parts[n]);
    ZO_ASSERT(zo_study_save_head(s, HOSTILE_TAG, &parts[n++], NULL) == ZO_OK);
    for (size_t i = 0; i < closed && n < HOSTILE_PARTS; i++) {
        zo_bundle_init(&parts[n]);
        ZO_ASSERT(zo_study_save_segment(s, i, &parts[n++], NULL) == ZO_OK);
    }
    return n;
}

/* What a study that was let in must do: live, be saved, and be the same when loaded again, unless what it was let in
 * with has grown beyond what is let in. */
static inline void hostile_prove(unsigned which, zo_study *s, uint64_t rounds)
{
    zo_bundle parts[HOSTILE_PARTS];
    zo_study *again;

    hostile_live(s, 1, rounds);
    const size_t n = hostile_save(s, parts);
    if (n == zo_study_closed_segments(s) + 1) {
        again = hostile_load(which, parts, n);
        ZO_ASSERT(!again || zo_study_digest(again) == zo_study_digest(s));
        zo_study_free(again);
    }
    for (size_t i = 0; i < n; i++)
        zo_bundle_fini(&parts[i]);
}

#endif
