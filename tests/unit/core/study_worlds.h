/* Worlds for studies (conditions, linear constraints, several objectives, avoided duplicates, early-stopping rules;
 * every solver that takes them), and a life of commands by chance in them: the same dice give the same commands to
 * studies in the same state. */
#ifndef ZO_TEST_STUDY_WORLDS_H
#define ZO_TEST_STUDY_WORLDS_H

#include "study_fx.h"

/* ---- worlds ---- */

#define NUM(x)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_NUMBER, .number = (x)                                                                               \
    }
#define STR(s)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_STRING, .string = (s)                                                                               \
    }
static const zo_scalar kernels[] = {STR("linear"), STR("poly"), STR("rbf")}, poly[] = {STR("poly")},
                       curved[] = {STR("poly"), STR("rbf")};
static const zo_when when_poly[] = {{"kernel", poly, 1}}, when_curved[] = {{"kernel", curved, 2}};
static const zo_param_spec conditional[] = {
    {.name = "kernel", .type = ZO_CATEGORICAL, .choices = kernels, .n_choices = 3},
    {.name = "degree", .type = ZO_INT, .low = 2, .high = 5, .when = when_poly, .n_when = 1},
    {.name = "gamma", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 10, .when = when_curved, .n_when = 1},
};
static const zo_param_spec conditional_levels[] = {
    {.name = "kernel", .type = ZO_CATEGORICAL, .choices = kernels, .n_choices = 3},
    {.name = "degree", .type = ZO_INT, .low = 2, .high = 9, .when = when_poly, .n_when = 1},
    {.name = "size", .type = ZO_FLOAT, .low = 0, .high = 1, .step = 0.125},
};
static const zo_param_spec simplex[] = {
    {.name = "a", .type = ZO_FLOAT, .low = 0, .high = 1},
    {.name = "b", .type = ZO_FLOAT, .low = 0, .high = 1},
    {.name = "c", .type = ZO_INT, .low = 0, .high = 4},
};
static const zo_term sum[] = {{"a", 1}, {"b", 1}}, weighed[] = {{"c", 1}, {"a", 4}};
static const zo_linear_spec cut[] = {{sum, 2, ZO_LE, 1}, {weighed, 2, ZO_GE, 1}};
static const zo_param_spec grid[] = {{.name = "i", .type = ZO_INT, .low = 0, .high = 14},
                                     {.name = "j", .type = ZO_INT, .low = 0, .high = 14}};
static const zo_term diagonal[] = {{"i", 1}, {"j", 1}};
static const zo_linear_spec below[] = {{diagonal, 2, ZO_LE, 14}};
static const zo_param_spec reals[] = {{.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5},
                                      {.name = "y", .type = ZO_FLOAT, .low = -5, .high = 5}};

static const zo_param_spec scales[] = {
    {.name = "a", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 10},
    {.name = "b", .type = ZO_VECTOR, .size = 2, .scale = ZO_REVERSE_LOG, .low = 1, .high = 3},
};

static const zo_objective_spec max_one[] = {{"gain", true}}, min_max[] = {{"loss", false}, {"gain", true}},
                               three[] = {{"a", false}, {"b", true}, {"c", false}};
static const zo_constraint_spec band[] = {
    {.name = "load", .has_upper = true, .upper = 0.8, .has_lower = true, .lower = 0.1}};
static const char *const hours[] = {"hours"};
static const zo_named median_options[] = {{"n_startup_trials", {.kind = ZO_NUMBER, .integral = true, .number = 2}}};
static const zo_named asha_options[] = {{"reduction_factor", {.kind = ZO_NUMBER, .integral = true, .number = 2}}};

#define SPACE(p) .space = {.params = p, .n_params = ZO_LEN(p)}
#define CUT_SPACE(p, c) .space = {.params = p, .n_params = ZO_LEN(p), .linear = c, .n_linear = ZO_LEN(c)}
#define OBJECTIVES(o) .objectives = o, .n_objectives = ZO_LEN(o)
static const zo_study_spec worlds[] = {
    {SPACE(conditional), OBJECTIVES(max_one), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_STEPS,
     .stop_rule = "asha", .stop_options = asha_options, .n_stop_options = 1, .on_expiry = ZO_EXPIRY_ABANDON},
    {SPACE(conditional_levels), OBJECTIVES(min_max), .metrics = hours, .n_metrics = 1, .oracle = ZO_ORACLE_VALUE,
     .duplicates = ZO_DUPLICATES_AVOID, .retries = 1},
    {CUT_SPACE(simplex, cut), OBJECTIVES(three), .oracle = ZO_ORACLE_VALUE, .on_expiry = ZO_EXPIRY_FAIL},
    {CUT_SPACE(grid, below), OBJECTIVES(max_one), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_VALUE,
     .duplicates = ZO_DUPLICATES_AVOID, .on_expiry = ZO_EXPIRY_ABANDON},
    {SPACE(reals), OBJECTIVES(max_one), .metrics = hours, .n_metrics = 1, .oracle = ZO_ORACLE_STEPS,
     .stop_rule = "median", .stop_options = median_options, .n_stop_options = 1, .retries = 2},
    {SPACE(reals), OBJECTIVES(min_max), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_VALUE,
     .noise = ZO_NOISE_EXPECTED},
    {SPACE(scales), OBJECTIVES(min_max), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_GRADIENT},
};
static const char *const solvers[] = {NULL, "random", "sobol", "cma-es", "auto"};

/* False if the solver does not take this world. */
static inline bool open_world(struct fx *f, size_t world, const char *solver, uint64_t seed)
{
    zo_study_spec spec = worlds[world];
    zo_study *probe = NULL;
    zo_error err = {0};

    spec.seed = seed;
    spec.parallelism = 4;
    spec.lease_ms = FX_LEASE_MS;
    spec.solver = solver;
    if (solver && zo_study_new(&spec, (zo_now){0}, NULL, &probe, &err) != ZO_OK) {
        assert_int_equal(err.code, ZO_EUNSUPPORTED);
        return false;
    }
    zo_study_free(probe);
    fx_open_with(f, &spec, solver ? NULL : &spy_solver);
    return true;
}

/* ---- commands by chance ---- */

static uint64_t world_max_count = 5; /* of one ask */

static inline uint64_t below_n(zo_portable1 *g, uint64_t n)
{
    return n ? zo_portable1_u64(g) % n : 0;
}

static inline void values_by_chance(const struct fx *f, zo_portable1 *g, double *values)
{
    for (size_t j = 0; j < zo_study_n_values(f->s); j++)
        values[j] = (double)below_n(g, 16) / 16; /* with ties */
    if (f->spec.n_metrics && below_n(g, 2))
        values[zo_study_n_values(f->s) - 1] = NAN;
}

/* Of all objectives; of the constraints now and then. */
static inline void gradients_by_chance(const struct fx *f, zo_portable1 *g, double *gradients)
{
    const size_t n = zo_space_n_dims(zo_study_space(f->s)), m = zo_study_n_objectives(f->s);
    const bool all = below_n(g, 2);

    for (size_t i = 0; i < (m + zo_study_n_constraints(f->s)) * n; i++)
        gradients[i] = all || i < m * n ? (double)below_n(g, 16) - 8 : NAN;
}

static inline void point_by_chance(const struct fx *f, zo_portable1 *g, double *v)
{
    const zo_space *space = zo_study_space(f->s);
    zo_rng rng = zo_rng_make(zo_portable1_u64(g), ZO_PURPOSE_ASK, 0);

    zo_space_sample(space, &rng, v);
}

static inline zo_status world_tell(struct fx *f, zo_portable1 *g)
{
    static const zo_trial_state states[] = {ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE,
                                            ZO_TRIAL_COMPLETE, ZO_TRIAL_STOPPED,  ZO_TRIAL_INFEASIBLE,
                                            ZO_TRIAL_FAILED,   ZO_TRIAL_ABANDONED};
    double values[4][4], v[4][4], gradients[4][12];
    zo_tell_item items[4];
    const size_t n = 1 + below_n(g, 2) * below_n(g, 4);
    const uint64_t next = zo_study_n_trials(f->s);
    const bool has_gradients = zo_study_oracle(f->s) == ZO_ORACLE_GRADIENT;

    for (size_t i = 0; i < n; i++) {
        const zo_trial_state told = states[below_n(g, ZO_LEN(states))];
        const uint64_t kind = below_n(g, 12);
        values_by_chance(f, g, values[i]);
        items[i] =
            fx_item(next - 1 - below_n(g, next < 16 ? next : 16), told, told == ZO_TRIAL_COMPLETE ? values[i] : NULL);
        gradients_by_chance(f, g, gradients[i]);
        if (has_gradients && told == ZO_TRIAL_COMPLETE && kind != 5) /* 5: refused */
            items[i].gradients = gradients[i];
        if (kind > 1 && next)
            continue;
        point_by_chance(f, g, v[i]);
        items[i] = (zo_tell_item){
            .v = v[i], .state = ZO_TRIAL_COMPLETE, .values = values[i], .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
        items[i].gradients = has_gradients ? gradients[i] : NULL;
        if (kind == 1) {
            items[i].origin = ZO_ORIGIN_IMPORT;
            items[i].has_import_number = true;
            items[i].import_number = next + below_n(g, 6);
        }
    }
    return fx_try_tell(f, items, n, NULL);
}

/* One of the youngest running trials reports its next step; one that was stopped is told so, or goes on. */
static inline zo_status world_report(struct fx *f, zo_portable1 *g)
{
    const uint64_t next = zo_study_n_trials(f->s), skip = below_n(g, 5);
    double values[4];
    zo_report last;
    zo_trial t;
    bool stop;

    values_by_chance(f, g, values);
    for (uint64_t back = 0, n = 0; back < next && back < 40; back++) {
        const uint64_t number = next - 1 - back;
        if (!zo_study_trial(f->s, number, &t) || t.state != ZO_TRIAL_RUNNING || n++ < skip)
            continue;
        if (t.n_reports && zo_study_trial_report(f->s, number, t.n_reports - 1, &last) && last.stop && below_n(g, 2)) {
            const zo_tell_item item = fx_item(number, ZO_TRIAL_STOPPED, NULL);
            return fx_try_tell(f, &item, 1, NULL);
        }
        return zo_study_report(f->s, number, t.n_reports, values, f->now, &f->ev, &stop, &f->err);
    }
    return ZO_OK;
}

static inline zo_status world_ask(struct fx *f, zo_portable1 *g)
{
    static const char *const workers[] = {NULL, "ada", "bob"};
    const char *worker = workers[below_n(g, 3)];
    const zo_ask_args args = {.count = 1 + below_n(g, world_max_count),
                              .lease_ms = below_n(g, 3) ? 0 : 7000,
                              .worker = worker,
                              .resume = worker && below_n(g, 4) == 0};
    zo_ask_reply reply;

    return zo_study_ask(f->s, &args, f->now, &f->ev, f->arena, &reply, &f->err);
}

static inline zo_status world_patch(struct fx *f, zo_portable1 *g)
{
    const zo_patch patches[] = {
        {.has_paused = true, .paused = true},
        {.has_paused = true},
        {.has_budget = true, .has_paused = true},
        {.has_budget = true, .has_paused = true, .budget = {.trials = zo_study_counts(f->s).handed_out + 4}},
        {.has_budget = true, .has_paused = true, .budget = {.seconds = zo_study_seconds_used(f->s, f->now) + 20}},
        {.has_budget = true, .has_paused = true, .budget = {.has_target = true, .target = 0.9}},
    };
    return zo_study_patch(f->s, &patches[below_n(g, ZO_LEN(patches))], f->now, &f->ev, &f->err);
}

static inline zo_status world_enqueue(struct fx *f, zo_portable1 *g)
{
    double a[4], b[4];
    const double *const points[] = {a, b};
    uint64_t numbers[2];

    point_by_chance(f, g, a);
    point_by_chance(f, g, b);
    return zo_study_enqueue(f->s, points, NULL, 1 + below_n(g, 2), f->now, &f->ev, numbers, &f->err);
}

/* One command; whatever it answers. Time passes before it. */
static inline zo_status world_command(struct fx *f, zo_portable1 *g)
{
    const uint64_t next = zo_study_n_trials(f->s), pick = next - 1 - below_n(g, next < 12 ? next : 12);
    const uint64_t dice = below_n(g, 32);

    if (dice < 7)
        return world_ask(f, g);
    if (dice < 13)
        return world_tell(f, g);
    if (dice < 24)
        return f->spec.oracle == ZO_ORACLE_STEPS ? world_report(f, g) : world_tell(f, g);
    if (dice == 24)
        return world_enqueue(f, g);
    if (dice == 25)
        return zo_study_withdraw(f->s, pick, f->now, &f->ev, &f->err);
    if (dice == 26)
        return zo_study_release(f->s, pick, f->now, &f->ev, &f->err);
    if (dice == 27)
        return zo_study_heartbeat(f->s, pick, 0, f->now, &f->err);
    if (dice == 28 || zo_study_get_state(f->s, NULL) == ZO_STUDY_PAUSED)
        return world_patch(f, g);
    return zo_study_tick(f->s, f->now, &f->ev, &f->err);
}

static inline void world_pass(struct fx *f, zo_portable1 *g)
{
    if (below_n(g, 12) == 0)
        fx_pass(f, (int64_t)below_n(g, 20000));
}

static inline void same_events(const struct fx *a, const struct fx *b, size_t from)
{
    assert_int_equal(a->n_log, b->n_log);
    for (size_t i = from; i < a->n_log; i++) {
        assert_int_equal(a->log[i].kind, b->log[i].kind);
        assert_int_equal(a->log[i].body_bytes, b->log[i].body_bytes);
        assert_memory_equal(a->log[i].body, b->log[i].body, a->log[i].body_bytes);
    }
}

#endif
