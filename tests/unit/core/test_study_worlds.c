/* Twin studies in many worlds (conditions, linear constraints, several objectives, avoided duplicates, early-stopping rules; every
 * solver that takes them): both get the same commands by chance, one of them is rebuilt from its log now and then, by R2 or from its
 * last rebase on. Every event must be the same to the byte, for as long as they live. */
#include "study_fx.h"

enum { OPS = 600, SEEDS = 3, DAMAGED = 150, FLIPS = 12 };

/* ---- worlds ---- */

#define NUM(x) {.kind = ZO_NUMBER, .number = (x)}
#define STR(s) {.kind = ZO_STRING, .string = (s)}
static const zo_scalar kernels[] = {STR("linear"), STR("poly"), STR("rbf")}, poly[] = {STR("poly")}, curved[] = {STR("poly"), STR("rbf")};
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
static const zo_param_spec grid[] = {{.name = "i", .type = ZO_INT, .low = 0, .high = 14}, {.name = "j", .type = ZO_INT, .low = 0, .high = 14}};
static const zo_term diagonal[] = {{"i", 1}, {"j", 1}};
static const zo_linear_spec below[] = {{diagonal, 2, ZO_LE, 14}};
static const zo_param_spec reals[] = {{.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5}, {.name = "y", .type = ZO_FLOAT, .low = -5, .high = 5}};

static const zo_objective_spec max_one[] = {{"gain", true}}, min_max[] = {{"loss", false}, {"gain", true}},
                               three[] = {{"a", false}, {"b", true}, {"c", false}};
static const zo_constraint_spec band[] = {{.name = "load", .has_upper = true, .upper = 0.8, .has_lower = true, .lower = 0.1}};
static const char *const hours[] = {"hours"};
static const zo_named median_options[] = {{"n_startup_trials", {.kind = ZO_NUMBER, .integral = true, .number = 2}}};
static const zo_named asha_options[] = {{"reduction_factor", {.kind = ZO_NUMBER, .integral = true, .number = 2}}};

#define SPACE(p) .space = {.params = p, .n_params = ZO_LEN(p)}
#define CUT_SPACE(p, c) .space = {.params = p, .n_params = ZO_LEN(p), .linear = c, .n_linear = ZO_LEN(c)}
#define OBJECTIVES(o) .objectives = o, .n_objectives = ZO_LEN(o)
static const zo_study_spec worlds[] = {
    {SPACE(conditional), OBJECTIVES(max_one), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_STEPS, .stop_rule = "asha",
     .stop_options = asha_options, .n_stop_options = 1, .on_expiry = ZO_EXPIRY_ABANDON},
    {SPACE(conditional_levels), OBJECTIVES(min_max), .metrics = hours, .n_metrics = 1, .oracle = ZO_ORACLE_VALUE,
     .duplicates = ZO_DUPLICATES_AVOID, .retries = 1},
    {CUT_SPACE(simplex, cut), OBJECTIVES(three), .oracle = ZO_ORACLE_VALUE, .on_expiry = ZO_EXPIRY_FAIL},
    {CUT_SPACE(grid, below), OBJECTIVES(max_one), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_VALUE,
     .duplicates = ZO_DUPLICATES_AVOID, .on_expiry = ZO_EXPIRY_ABANDON},
    {SPACE(reals), OBJECTIVES(max_one), .metrics = hours, .n_metrics = 1, .oracle = ZO_ORACLE_STEPS, .stop_rule = "median",
     .stop_options = median_options, .n_stop_options = 1, .retries = 2},
    {SPACE(reals), OBJECTIVES(min_max), .constraints = band, .n_constraints = 1, .oracle = ZO_ORACLE_VALUE, .noise = ZO_NOISE_EXPECTED},
};
static const char *const solvers[] = {NULL, "random", "sobol", "cma-es", "auto"};

/* False if the solver does not take this world. */
static bool open_world(struct fx *f, size_t world, const char *solver, uint64_t seed)
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

static uint64_t below_n(zo_portable1 *g, uint64_t n)
{
    return n ? zo_portable1_u64(g) % n : 0;
}

static void values_by_chance(const struct fx *f, zo_portable1 *g, double *values)
{
    for (size_t j = 0; j < zo_study_n_values(f->s); j++)
        values[j] = (double)below_n(g, 16) / 16; /* with ties */
    if (f->spec.n_metrics && below_n(g, 2))
        values[zo_study_n_values(f->s) - 1] = NAN;
}

static void point_by_chance(const struct fx *f, zo_portable1 *g, double *v)
{
    const zo_space *space = zo_study_space(f->s);
    zo_rng rng = zo_rng_make(zo_portable1_u64(g), ZO_PURPOSE_ASK, 0);

    zo_space_sample(space, &rng, v);
}

static void tell_batch(struct fx *f, zo_portable1 *g)
{
    static const zo_trial_state states[] = {ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE, ZO_TRIAL_STOPPED,
                                            ZO_TRIAL_INFEASIBLE, ZO_TRIAL_FAILED, ZO_TRIAL_ABANDONED};
    double values[4][4], v[4][4];
    zo_tell_item items[4];
    const size_t n = 1 + below_n(g, 2) * below_n(g, 4);
    const uint64_t next = zo_study_n_trials(f->s);

    for (size_t i = 0; i < n; i++) {
        const zo_trial_state told = states[below_n(g, ZO_LEN(states))];
        const uint64_t kind = below_n(g, 12);
        values_by_chance(f, g, values[i]);
        items[i] = fx_item(next - 1 - below_n(g, next < 16 ? next : 16), told, told == ZO_TRIAL_COMPLETE ? values[i] : NULL);
        if (kind > 1 && next)
            continue;
        point_by_chance(f, g, v[i]);
        items[i] = (zo_tell_item){.v = v[i], .state = ZO_TRIAL_COMPLETE, .values = values[i], .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
        if (kind == 1) {
            items[i].origin = ZO_ORIGIN_IMPORT;
            items[i].has_import_number = true;
            items[i].import_number = next + below_n(g, 6);
        }
    }
    (void)fx_try_tell(f, items, n, NULL); /* often refused: then it must be refused to both */
}

/* Trials report one step after the other; one that was stopped is told so. */
static void report_some(struct fx *f, zo_portable1 *g)
{
    const uint64_t next = zo_study_n_trials(f->s);
    double values[4];
    zo_trial t;
    bool stop = false;

    for (uint64_t back = 0, n = 6; back < next && n; back++) {
        const uint64_t number = next - 1 - back;
        if (!zo_study_trial(f->s, number, &t) || t.state != ZO_TRIAL_RUNNING)
            continue;
        n--;
        values_by_chance(f, g, values);
        if (zo_study_report(f->s, number, t.n_reports, values, f->now, &f->ev, &stop, &f->err) == ZO_OK && stop && below_n(g, 2)) {
            const zo_tell_item item = fx_item(number, ZO_TRIAL_STOPPED, NULL);
            FX_OK(f, fx_try_tell(f, &item, 1, NULL));
        }
    }
}

static void ask_some(struct fx *f, zo_portable1 *g)
{
    static const char *const workers[] = {NULL, "ada", "bob"};
    const char *worker = workers[below_n(g, 3)];
    const zo_ask_args args = {.count = 1 + below_n(g, 5), .lease_ms = below_n(g, 3) ? 0 : 7000, .worker = worker,
                              .resume = worker && below_n(g, 4) == 0};
    zo_ask_reply reply;

    FX_OK(f, zo_study_ask(f->s, &args, f->now, &f->ev, f->arena, &reply, &f->err));
}

static void patch_some(struct fx *f, zo_portable1 *g)
{
    const zo_patch patches[] = {
        {.has_paused = true, .paused = true},
        {.has_paused = true},
        {.has_budget = true, .has_paused = true},
        {.has_budget = true, .has_paused = true, .budget = {.trials = zo_study_counts(f->s).handed_out + 4}},
        {.has_budget = true, .has_paused = true, .budget = {.seconds = zo_study_seconds_used(f->s, f->now) + 20}},
        {.has_budget = true, .has_paused = true, .budget = {.has_target = true, .target = 0.9}},
    };
    (void)zo_study_patch(f->s, &patches[below_n(g, ZO_LEN(patches))], f->now, &f->ev, &f->err); /* no target for a front */
}

static void enqueue_some(struct fx *f, zo_portable1 *g)
{
    double a[4], b[4];
    const double *const points[] = {a, b};
    uint64_t numbers[2];

    point_by_chance(f, g, a);
    point_by_chance(f, g, b);
    FX_OK(f, zo_study_enqueue(f->s, points, NULL, 1 + below_n(g, 2), f->now, &f->ev, numbers, &f->err));
}

static void step(struct fx *f, zo_portable1 *g)
{
    const uint64_t next = zo_study_n_trials(f->s), pick = next - 1 - below_n(g, next < 12 ? next : 12);
    const uint64_t dice = below_n(g, 24);

    if (dice < 7)
        ask_some(f, g);
    else if (dice < 13)
        tell_batch(f, g);
    else if (dice < 17)
        report_some(f, g);
    else if (dice == 17)
        enqueue_some(f, g);
    else if (dice == 18)
        (void)zo_study_withdraw(f->s, pick, f->now, &f->ev, &f->err);
    else if (dice == 19)
        (void)zo_study_release(f->s, pick, f->now, &f->ev, &f->err);
    else if (dice == 20)
        (void)zo_study_heartbeat(f->s, pick, 0, f->now, &f->err);
    else if (dice == 21 || zo_study_get_state(f->s, NULL) == ZO_STUDY_PAUSED)
        patch_some(f, g);
    else {
        fx_pass(f, (int64_t)below_n(g, 20000));
        FX_OK(f, zo_study_tick(f->s, f->now, &f->ev, &f->err));
    }
}

/* ---- twins ---- */

/* From a log with a rebase: everything before it as data. */
static void rebuild(struct fx *f, uint64_t rebased_at)
{
    zo_study *s = fx_fresh(f);

    if (rebased_at)
        zo_study_begin_data_replay(s, rebased_at);
    fx_replay_into(f, s, f->n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f->s));
    zo_study_free(f->s);
    f->s = s;
}

static void same_events(const struct fx *a, const struct fx *b, size_t from)
{
    assert_int_equal(a->n_log, b->n_log);
    for (size_t i = from; i < a->n_log; i++) {
        assert_int_equal(a->log[i].kind, b->log[i].kind);
        assert_int_equal(a->log[i].body_bytes, b->log[i].body_bytes);
        assert_memory_equal(a->log[i].body, b->log[i].body, a->log[i].body_bytes);
    }
}

static void same_readings(const struct fx *a, const struct fx *b)
{
    const zo_counts x = zo_study_counts(a->s), y = zo_study_counts(b->s);
    const uint64_t *front_a, *front_b;
    uint64_t best_a = 0, best_b = 0;
    bool feasible_a = false, feasible_b = false;
    const size_t n = zo_study_pareto(a->s, &front_a);

    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(zo_study_pareto(b->s, &front_b), n);
    if (n)
        assert_memory_equal(front_a, front_b, n * sizeof *front_a);
    assert_int_equal(zo_study_best(a->s, &best_a, &feasible_a), zo_study_best(b->s, &best_b, &feasible_b));
    assert_true(best_a == best_b && feasible_a == feasible_b);
    assert_int_equal(zo_study_deadline(a->s), zo_study_deadline(b->s));
    assert_true(zo_study_digest(a->s) == zo_study_digest(b->s));
}

static void live(struct fx *whole, struct fx *parts, uint64_t seed)
{
    zo_portable1 g = zo_portable1_make(seed), h = g, chance = zo_portable1_make(~seed);
    uint64_t rebased_at = 0;

    for (size_t i = 0; i < OPS && whole->n_log < FX_LOG - 64; i++) {
        const size_t from = whole->n_log;
        step(whole, &g);
        step(parts, &h);
        fx_commit(whole);
        fx_commit(parts);
        same_events(whole, parts, from);
        if (below_n(&chance, 25) == 0) {
            rebuild(parts, below_n(&chance, 2) ? rebased_at : 0);
            zo_study_renew_leases(parts->s, parts->now);
            zo_study_renew_leases(whole->s, whole->now);
            same_readings(whole, parts);
        }
        if (below_n(&chance, 80) == 0) {
            FX_OK(whole, zo_study_rebase(whole->s, "test", 1, whole->now, &whole->ev, &whole->err));
            FX_OK(parts, zo_study_rebase(parts->s, "test", 1, parts->now, &parts->ev, &parts->err));
            fx_commit(whole);
            fx_commit(parts);
            rebased_at = zo_study_seq(whole->s);
        }
    }
    rebuild(parts, rebased_at);
}

static void twins_stay_twins_when_one_is_rebuilt(void **state)
{
    size_t n_lives = 0;

    (void)state;
    for (size_t world = 0; world < ZO_LEN(worlds); world++)
        for (size_t k = 0; k < ZO_LEN(solvers); k++)
            for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct fx *whole = calloc(1, sizeof *whole), *parts = calloc(1, sizeof *parts);
                assert_true(whole && parts);
                if (open_world(whole, world, solvers[k], seed)) {
                    assert_true(open_world(parts, world, solvers[k], seed));
                    live(whole, parts, 1000 * world + 10 * k + seed);
                    assert_true(whole->n_log > OPS / 10);
                    fx_close(whole);
                    fx_close(parts);
                    n_lives++;
                }
                free(whole);
                free(parts);
            }
    assert_true(n_lives >= 4 * ZO_LEN(worlds) * SEEDS);
}

/* ---- damage ---- */

static zo_study *replayed_to(const struct fx *f, size_t n)
{
    zo_study *s = fx_fresh(f);

    fx_replay_into(f, s, n);
    return s;
}

/* Offer s one damaged event. Refused as damage: nothing has changed. Taken, or refused for another candidate (the solver has been asked
 * then): such a study is of no further use. */
static zo_study *offer(const struct fx *f, zo_study *s, const zo_event *e, size_t *n_refused)
{
    const uint64_t digest = zo_study_digest(s);
    const zo_counts before = zo_study_counts(s);
    zo_error err = {0};
    const zo_status rc = zo_study_replay(s, e, &err);
    const zo_counts after = zo_study_counts(s);

    assert_int_equal(rc, err.code);
    if (rc == ZO_OK || rc == ZO_ECONFLICT) {
        zo_study_renew_leases(s, f->now);
        zo_study_free(s);
        return replayed_to(f, (size_t)e->seq - 1);
    }
    assert_true(rc == ZO_EMALFORMED || rc == ZO_EUNSUPPORTED);
    assert_true(zo_study_digest(s) == digest);
    assert_memory_equal(&before, &after, sizeof before);
    ++*n_refused;
    return s;
}

static void a_damaged_event_is_refused_without_a_trace(void **state)
{
    (void)state;
    for (size_t world = 0; world < ZO_LEN(worlds); world++) {
        struct fx *f = calloc(1, sizeof *f);
        zo_portable1 g = zo_portable1_make(world);
        size_t n_refused = 0, n_cut = 0;
        assert_non_null(f);
        assert_true(open_world(f, world, NULL, 5));
        while (f->n_log < DAMAGED) {
            step(f, &g);
            fx_commit(f);
        }
        zo_study *s = fx_fresh(f);
        for (size_t i = 0; i < DAMAGED; i++) {
            const zo_event good = f->log[i];
            for (size_t bytes = 0; bytes < good.body_bytes; bytes++) { /* a body of its own, so that overruns show */
                uint8_t *body = malloc(bytes + !bytes);
                assert_non_null(body);
                memcpy(body, good.body, bytes);
                const size_t before = n_refused;
                s = offer(f, s, &(zo_event){good.seq, good.kind, good.at_ms, body, bytes}, &n_refused);
                assert_int_equal(n_refused, before + 1);
                free(body);
                n_cut++;
            }
            for (int flip = 0; flip < FLIPS; flip++) {
                uint8_t *body = malloc(good.body_bytes);
                assert_non_null(body);
                memcpy(body, good.body, good.body_bytes);
                body[below_n(&g, good.body_bytes)] ^= (uint8_t)(1 + below_n(&g, 255));
                const zo_event_kind kind = below_n(&g, 8) ? good.kind : (zo_event_kind)below_n(&g, 14);
                s = offer(f, s, &(zo_event){good.seq, kind, good.at_ms, body, good.body_bytes}, &n_refused);
                free(body);
            }
            fx_replay_into(f, s, i + 1);
        }
        assert_true(n_cut > 10 * DAMAGED && n_refused > n_cut + FLIPS * DAMAGED / 4);
        zo_study_free(s);
        fx_close(f);
        free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_stay_twins_when_one_is_rebuilt),
        cmocka_unit_test(a_damaged_event_is_refused_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
