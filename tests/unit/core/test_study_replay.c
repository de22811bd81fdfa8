/* Replay: any course of commands, applied again from its log, gives the same study and the same next candidates (R2); rebuilt from
 * outside points it is deterministic (R3); and a log that was changed is not believed. */
#include "study_fx.h"

enum { OPS = 400, CUTS = 5 };

/* ---- a course of commands by chance, the same on every study in the same state ---- */

static const zo_constraint_spec size_limit[] = {{.name = "size", .has_upper = true, .upper = 0.7}};
static const char *const metrics[] = {"hours"};
static const zo_param_spec mixed[] = {
    {.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5, .has_default = true, .default_value = {.kind = ZO_NUMBER, .number = 1}},
    {.name = "n", .type = ZO_INT, .low = 1, .high = 9, .has_default = true, .default_value = {.kind = ZO_NUMBER, .number = 4}}};
static const zo_param_spec levels[] = {{.name = "a", .type = ZO_INT, .low = 0, .high = 11},
                                       {.name = "b", .type = ZO_INT, .low = 0, .high = 11}};

struct course {
    const char *solver; /* NULL: the spy */
    zo_on_expiry on_expiry;
    bool avoid, constrained, x0;
};
static const struct course courses[] = {
    {NULL, ZO_EXPIRY_RETRY, false, true, true},      {NULL, ZO_EXPIRY_ABANDON, true, false, false},
    {"random", ZO_EXPIRY_FAIL, false, false, true},  {"random", ZO_EXPIRY_ABANDON, true, false, false},
    {"sobol", ZO_EXPIRY_RETRY, false, false, false}, {"cma-es", ZO_EXPIRY_RETRY, false, false, true},
    {"cma-es", ZO_EXPIRY_ABANDON, false, false, false}, {"auto", ZO_EXPIRY_RETRY, false, false, false},
};

static zo_study_spec course_spec(const struct course *c, uint64_t seed)
{
    zo_study_spec spec = fx_spec();

    spec.seed = seed;
    spec.retries = 1;
    spec.on_expiry = c->on_expiry;
    spec.duplicates = c->avoid ? ZO_DUPLICATES_AVOID : ZO_DUPLICATES_ALLOW;
    spec.metrics = metrics;
    spec.n_metrics = 1;
    spec.oracle = c->solver ? ZO_ORACLE_VALUE : ZO_ORACLE_STEPS;
    spec.solver = c->solver;
    if (c->avoid || c->x0)
        spec.space = (zo_space_spec){.params = c->avoid ? levels : mixed, .n_params = 2};
    if (c->constrained) {
        spec.constraints = size_limit;
        spec.n_constraints = 1;
    }
    return spec;
}

static void tell_by_chance(struct fx *f, uint64_t number, zo_portable1 *g)
{
    static const zo_trial_state states[] = {ZO_TRIAL_COMPLETE,   ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE, ZO_TRIAL_COMPLETE,
                                            ZO_TRIAL_INFEASIBLE, ZO_TRIAL_FAILED,   ZO_TRIAL_STOPPED,  ZO_TRIAL_ABANDONED};
    double values[3] = {zo_portable1_normal(g), NAN, NAN}, std_errors[3] = {0.1, NAN, NAN};
    zo_tell_item item = fx_item(number, states[zo_portable1_u64(g) % ZO_LEN(states)], NULL);

    if (f->spec.n_constraints)
        values[1] = zo_portable1_uniform(g);
    if (zo_portable1_u64(g) % 3 == 0)
        values[zo_study_n_values(f->s) - 1] = 0.5; /* the metric */
    if (item.state == ZO_TRIAL_COMPLETE)
        item.values = values;
    if (item.values && zo_portable1_u64(g) % 4 == 0)
        item.std_errors = std_errors;
    if (zo_portable1_u64(g) % 5 == 0)
        item.reason = "so it was";
    if (zo_portable1_u64(g) % 5 == 0)
        item.metadata = "{\"a\":1}";
    if (zo_portable1_u64(g) % 5 == 0)
        item.cost = 2.5;
    if (zo_portable1_u64(g) % 5 == 0)
        item.worker = "w2";
    (void)fx_try_tell(f, &item, 1, NULL); /* refused is an answer too */
}

static void point_by_chance(const struct fx *f, zo_portable1 *g, double *v)
{
    double u[4];

    for (size_t i = 0; i < zo_space_n_dims(zo_study_space(f->s)); i++)
        u[i] = zo_portable1_uniform(g);
    zo_space_from_unit(zo_study_space(f->s), u, v);
}

static void bring_by_chance(struct fx *f, zo_portable1 *g)
{
    double v[4], values[3] = {zo_portable1_normal(g), 0.5, NAN};
    zo_tell_item item = {.v = v, .state = ZO_TRIAL_COMPLETE, .values = values, .cost = NAN, .origin = ZO_ORIGIN_CLIENT};

    point_by_chance(f, g, v);
    if (zo_portable1_u64(g) & 1) {
        item.origin = ZO_ORIGIN_IMPORT;
        item.has_import_number = true;
        item.import_number = zo_study_n_trials(f->s) + zo_portable1_u64(g) % 5;
        item.created_ms = -3;
        item.finished_ms = 1600000000000;
    }
    (void)fx_try_tell(f, &item, 1, NULL);
}

static void enqueue_by_chance(struct fx *f, zo_portable1 *g)
{
    static const char *const notes[] = {"mine", NULL};
    double a[4], b[4];
    const double *const points[] = {a, b};
    uint64_t numbers[2];

    point_by_chance(f, g, a);
    point_by_chance(f, g, b);
    FX_OK(f, zo_study_enqueue(f->s, points, notes, 2, f->now, &f->ev, numbers, &f->err));
}

static void ask_by_chance(struct fx *f, zo_portable1 *g)
{
    static const char *const workers[] = {NULL, "ada", "bob"};
    const zo_ask_args args = {.count = 1 + zo_portable1_u64(g) % 4,
                              .lease_ms = zo_portable1_u64(g) % 3 ? 0 : 5000,
                              .worker = workers[zo_portable1_u64(g) % 3]};
    zo_ask_reply reply;

    FX_OK(f, zo_study_ask(f->s, &args, f->now, &f->ev, f->arena, &reply, &f->err));
}

static void patch_by_chance(struct fx *f, zo_portable1 *g)
{
    const zo_patch patches[] = {
        {.has_paused = true, .paused = true},
        {.has_paused = true},
        {.has_paused = true},
        {.has_budget = true},
        {.has_budget = true, .budget = {.trials = zo_study_counts(f->s).handed_out + 3}},
        {.has_budget = true, .budget = {.seconds = 1e6, .has_target = true, .target = -2.5}},
    };

    FX_OK(f, zo_study_patch(f->s, &patches[zo_portable1_u64(g) % ZO_LEN(patches)], f->now, &f->ev, &f->err));
}

static void step(struct fx *f, zo_portable1 *g)
{
    const uint64_t n = zo_study_n_trials(f->s), pick = n ? n - 1 - zo_portable1_u64(g) % (n < 12 ? n : 12) : 0;
    const double values[3] = {zo_portable1_normal(g), 0.1, NAN};
    bool stop;

    switch (zo_portable1_u64(g) % 20) {
    default:
        ask_by_chance(f, g);
        break;
    case 6: case 7: case 8: case 9: case 10: case 11: case 12:
        tell_by_chance(f, pick, g);
        break;
    case 13:
        bring_by_chance(f, g);
        break;
    case 14:
        enqueue_by_chance(f, g);
        break;
    case 15:
        (void)zo_study_withdraw(f->s, pick, f->now, &f->ev, &f->err);
        break;
    case 16:
        (void)zo_study_release(f->s, pick, f->now, &f->ev, &f->err);
        break;
    case 17:
        (void)zo_study_report(f->s, pick, zo_portable1_u64(g) % 9, values, f->now, &f->ev, &stop, &f->err);
        break;
    case 18:
        patch_by_chance(f, g);
        break;
    case 19:
        fx_pass(f, (int64_t)(zo_portable1_u64(g) % 30000));
        FX_OK(f, zo_study_tick(f->s, f->now, &f->ev, &f->err));
        break;
    }
    fx_commit(f);
}

static void open_course(struct fx *f, const struct course *c, uint64_t seed)
{
    const zo_study_spec spec = course_spec(c, seed);

    fx_open_with(f, &spec, c->solver ? NULL : &spy_solver);
}

static void next_asks_are_equal(struct fx *f, zo_study *other)
{
    zo_study *const studies[] = {f->s, other};
    double v[2][8][4];
    size_t n[2];

    for (size_t k = 0; k < 2; k++) {
        const zo_patch open = {.has_budget = true, .has_paused = true};
        const zo_ask_args args = {.count = 8};
        zo_ask_reply reply;
        zo_trial t;
        FX_OK(f, zo_study_patch(studies[k], &open, f->now, &f->ev, &f->err));
        FX_OK(f, zo_study_ask(studies[k], &args, f->now, &f->ev, f->arena, &reply, &f->err));
        zo_events_clear(&f->ev);
        n[k] = reply.n;
        for (size_t i = 0; i < reply.n; i++) {
            assert_true(zo_study_trial(studies[k], reply.numbers[i], &t));
            memcpy(v[k][i], t.v, 2 * sizeof(double));
        }
    }
    assert_int_equal(n[0], n[1]);
    for (size_t i = 0; i < n[0]; i++)
        assert_memory_equal(v[0][i], v[1][i], 2 * sizeof(double));
    assert_true(zo_study_digest(studies[0]) == zo_study_digest(studies[1]));
}

/* Whatever is counted as commands come, against one pass over the trials. */
static void counters_are_what_the_trials_say(const struct fx *f)
{
    const zo_counts counts = zo_study_counts(f->s);
    zo_counts seen = {0};
    uint64_t best = UINT64_MAX, is_best;
    double best_value = INFINITY;
    bool feasible = false;

    for (uint64_t number = 0; number < zo_study_n_trials(f->s); number++) {
        zo_trial t;
        if (!zo_study_trial(f->s, number, &t) || t.withdrawn)
            continue;
        seen.by_state[t.state]++;
        seen.total++;
        seen.handed_out += t.attempt > 0 && t.state != ZO_TRIAL_QUEUED && t.state != ZO_TRIAL_ABANDONED;
        const bool holds = t.state == ZO_TRIAL_COMPLETE && (!f->spec.n_constraints || t.values[1] <= 0.7);
        assert_int_equal(t.feasible, holds);
        if (holds && t.values[0] < best_value) {
            best = number;
            best_value = t.values[0];
        }
    }
    assert_memory_equal(&seen, &counts, sizeof seen);
    if (best != UINT64_MAX) {
        assert_true(zo_study_best(f->s, &is_best, &feasible) && feasible);
        zo_trial t;
        assert_true(zo_study_trial(f->s, is_best, &t) && t.values[0] == best_value);
    }
}

static void any_course_of_commands_replays_to_the_same_study(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(courses); k++)
        for (uint64_t seed = 1; seed <= 3; seed++) {
            zo_portable1 g = zo_portable1_make(100 * seed + k);
            struct fx f;
            open_course(&f, &courses[k], seed);
            for (size_t i = 0; i < OPS; i++) {
                step(&f, &g);
                if (i % (OPS / CUTS) == 7)
                    zo_study_free(fx_replayed(&f));
            }
            assert_true(f.n_log > OPS / 4);
            counters_are_what_the_trials_say(&f);
            zo_study *again = fx_replayed(&f);
            next_asks_are_equal(&f, again);
            zo_study_free(again);
            fx_close(&f);
        }
}

static void a_daemon_that_restarts_in_between_changes_nothing(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(courses); k++) {
        zo_portable1 g = zo_portable1_make(k), h = zo_portable1_make(k);
        struct fx whole, parts;
        open_course(&whole, &courses[k], 5);
        open_course(&parts, &courses[k], 5);
        for (size_t i = 0; i < OPS / 2; i++) { /* both clocks' leases are renewed; only one study is rebuilt */
            step(&whole, &g);
            step(&parts, &h);
            if (i % 20 == 3) {
                fx_restart(&parts);
                zo_study_renew_leases(whole.s, whole.now);
            }
        }
        assert_true(zo_study_digest(whole.s) == zo_study_digest(parts.s));
        fx_close(&whole);
        fx_close(&parts);
    }
}

/* ---- R3 ---- */

static zo_study *data_replay(const struct fx *f, uint64_t until, size_t n)
{
    zo_study *s = fx_fresh(f);

    zo_study_begin_data_replay(s, until);
    fx_replay_into(f, s, n);
    return s;
}

static void a_rebased_study_goes_on_the_same_from_every_replay(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(courses); k++) {
        zo_portable1 g = zo_portable1_make(k);
        struct fx f;
        open_course(&f, &courses[k], 8);
        for (int life = 0; life < 2; life++) {
            for (size_t i = 0; i < OPS / 4; i++)
                step(&f, &g);
            zo_study *s = data_replay(&f, UINT64_MAX, f.n_log);
            zo_study_free(f.s);
            f.s = s;
            FX_OK(&f, zo_study_rebase(f.s, "test", 0x1234, f.now, &f.ev, &f.err));
            zo_study_renew_leases(f.s, f.now);
            assert_int_equal(fx_commit(&f), 1);
        }
        const uint64_t rebased_at = f.n_log;
        for (size_t i = 0; i < OPS / 4; i++)
            step(&f, &g);
        zo_study *again = data_replay(&f, rebased_at, f.n_log);
        assert_true(zo_study_digest(again) == zo_study_digest(f.s));
        next_asks_are_equal(&f, again);
        zo_study_free(again);
        fx_close(&f);
    }
}

static void a_rebase_tells_the_solver_every_finished_trial_as_a_strangers(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 6);
    fx_tell(&f, 3, 3);
    fx_tell_state(&f, 1, ZO_TRIAL_FAILED);
    fx_tell_state(&f, 2, ZO_TRIAL_ABANDONED);
    fx_tell_state(&f, 0, ZO_TRIAL_INFEASIBLE);
    spy.n = 0;
    FX_OK(&f, zo_study_rebase(f.s, "test", 1, f.now, &f.ev, &f.err));
    fx_commit(&f);
    static const struct {
        uint64_t number;
        zo_outcome outcome;
    } expected[] = {{0, ZO_TOLD_INFEASIBLE}, {1, ZO_TOLD_FAILED}, {3, ZO_TOLD_COMPLETE}};
    assert_int_equal(spy.n, ZO_LEN(expected));
    for (size_t i = 0; i < ZO_LEN(expected); i++) {
        assert_int_equal(spy.told[i].number, expected[i].number);
        assert_int_equal(spy.told[i].outcome, expected[i].outcome);
        assert_false(spy.told[i].own);
    }
    spy.n = 0; /* what ran at the rebase is a stranger's too; its abandoning is no news */
    fx_tell(&f, 4, 4);
    fx_tell_state(&f, 5, ZO_TRIAL_ABANDONED);
    assert_int_equal(spy.n, 1);
    assert_int_equal(spy.told[0].number, 4);
    assert_false(spy.told[0].own);
    fx_close(&f);
}

/* ---- a log that was changed ---- */

static void replay_notices_a_candidate_that_is_not_the_one_handed_out(void **state)
{
    static const char *const solvers[] = {"random", "sobol", "cma-es"};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++) {
        zo_study_spec spec = fx_spec();
        struct fx f;
        zo_error err = {0};
        spec.solver = solvers[k];
        fx_open_with(&f, &spec, NULL);
        fx_ask(&f);
        zo_study *s = fx_fresh(&f);
        uint8_t *body = malloc(f.log[1].body_bytes);
        assert_non_null(body);
        memcpy(body, f.log[1].body, f.log[1].body_bytes);
        body[f.log[1].body_bytes - 16] ^= 1; /* lowest bit of x */
        const zo_event tampered = {2, ZO_EVENT_ASKED, f.log[1].at_ms, body, f.log[1].body_bytes};
        assert_int_equal(zo_study_replay(s, &f.log[0], &err), ZO_OK);
        assert_int_equal(zo_study_replay(s, &tampered, &err), ZO_ECONFLICT);
        assert_int_equal(zo_study_n_trials(s), 0);
        zo_study_free(s);
        free(body);
        fx_close(&f);
    }
}

static void replay_wants_events_in_order_from_the_same_study(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;
    zo_error err = {0};

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 2);
    zo_study *s = fx_fresh(&f);
    assert_int_equal(zo_study_replay(s, &f.log[1], &err), ZO_EMALFORMED);
    assert_int_equal(zo_study_replay(s, &f.log[0], &err), ZO_OK);
    assert_int_equal(zo_study_replay(s, &f.log[0], &err), ZO_EMALFORMED);
    assert_int_equal(zo_study_replay(s, &f.log[2], &err), ZO_EMALFORMED);
    zo_study_free(s);
    f.spec.seed++;
    s = fx_fresh(&f);
    assert_int_equal(zo_study_replay(s, &f.log[0], &err), ZO_EMALFORMED);
    zo_study_free(s);
    fx_close(&f);
}

static void a_newer_solver_must_rebase(void **state)
{
    const zo_study_spec spec = fx_spec();
    zo_solver newer = spy_solver;
    struct fx f;
    zo_error err = {0};

    (void)state;
    fx_open(&f, &spec);
    fx_tell(&f, fx_ask(&f), 1);
    newer.version++;
    f.def = &newer;
    zo_study *s = fx_fresh(&f);
    assert_int_equal(zo_study_replay(s, &f.log[0], &err), ZO_ECONFLICT);
    zo_study_free(s);
    s = data_replay(&f, UINT64_MAX, f.n_log);
    zo_study_free(f.s);
    f.s = s;
    FX_OK(&f, zo_study_rebase(s, "solver", 0, f.now, &f.ev, &f.err));
    fx_commit(&f);
    fx_ask(&f);
    s = data_replay(&f, 4, f.n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    zo_study_free(s);
    fx_close(&f);
}

/* Every event of a course with one byte changed: refused, or applied as what it now says; never a crash, and never a state that the
 * table can't have. */
static void a_damaged_log_is_refused_or_consistent(void **state)
{
    const struct course *const c = &courses[0];
    zo_portable1 g = zo_portable1_make(77);
    struct fx f;
    size_t refused = 0;

    (void)state;
    open_course(&f, c, 3);
    while (f.n_log < 120)
        step(&f, &g);
    for (size_t k = 0; k < 2000; k++) {
        const size_t at = zo_portable1_u64(&g) % f.n_log;
        uint8_t *byte = (uint8_t *)(uintptr_t)f.log[at].body + zo_portable1_u64(&g) % f.log[at].body_bytes;
        const uint8_t was = *byte;
        struct fx copy = f;
        zo_error err = {0};
        zo_status rc = ZO_OK;
        *byte = (uint8_t)zo_portable1_u64(&g);
        copy.s = fx_fresh(&f);
        for (size_t i = 0; i < f.n_log && rc == ZO_OK; i++)
            rc = zo_study_replay(copy.s, &f.log[i], &err);
        refused += rc != ZO_OK;
        zo_study_renew_leases(copy.s, f.now);
        counters_are_what_the_trials_say(&copy);
        zo_study_free(copy.s);
        *byte = was;
    }
    assert_true(refused > 500);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(any_course_of_commands_replays_to_the_same_study),
        cmocka_unit_test(a_daemon_that_restarts_in_between_changes_nothing),
        cmocka_unit_test(a_rebased_study_goes_on_the_same_from_every_replay),
        cmocka_unit_test(a_rebase_tells_the_solver_every_finished_trial_as_a_strangers),
        cmocka_unit_test(replay_notices_a_candidate_that_is_not_the_one_handed_out),
        cmocka_unit_test(replay_wants_events_in_order_from_the_same_study),
        cmocka_unit_test(a_newer_solver_must_rebase),
        cmocka_unit_test(a_damaged_log_is_refused_or_consistent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
