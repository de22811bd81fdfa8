/* Trials: every move of every state, results told once, batches, points that clients bring, import or queue. */
#include "study_fx.h"

static const zo_param_spec with_defaults[] = {
    {.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5, .has_default = true, .default_value = {.kind = ZO_NUMBER, .number = 1.5}},
    {.name = "y", .type = ZO_FLOAT, .low = 0, .high = 1, .has_default = true, .default_value = {.kind = ZO_NUMBER, .number = 0.25}}};

/* ---- states ---- */

/* The contract's diagram, written out: who may become what. */
static void the_table_of_moves_is_the_contracts(void **state)
{
    enum { Q, R, C, I, F, S, A };
    static const bool may[8][8] = {
        [Q] = {[R] = true, [C] = true, [I] = true, [F] = true, [S] = true, [A] = true},
        [R] = {[Q] = true, [C] = true, [I] = true, [F] = true, [S] = true, [A] = true},
        [F] = {[C] = true, [I] = true, [F] = true, [S] = true},
        [A] = {[C] = true, [I] = true, [F] = true, [S] = true},
    };
    static const char *const names[] = {"queued", "running", "complete",  "infeasible",
                                        "failed", "stopped", "abandoned", "forgotten"};

    (void)state;
    for (int from = 0; from < 8; from++) {
        zo_trial_state s;
        assert_string_equal(zo_trial_state_name((zo_trial_state)from), names[from]);
        assert_true(zo_trial_state_parse(names[from], &s) && (int)s == from);
        for (int to = 0; to < 8; to++)
            assert_int_equal(zo_trial_may_move((zo_trial_state)from, (zo_trial_state)to), may[from][to]);
        assert_false(zo_trial_may_move((zo_trial_state)from, ZO_TRIAL_STATE_COUNT));
    }
    assert_false(zo_trial_state_parse("done", &(zo_trial_state){0}));
}

/* How a trial gets where it is, before it is told. */
enum way { FRESH_QUEUED, RUNNING, RELEASED, EXPIRED_QUEUED, EXPIRED_FAILED, EXPIRED_ABANDONED, TOLD_FIRST };

static void go(struct fx *f, enum way way, zo_trial_state told)
{
    zo_study_spec spec = fx_spec();
    const double value = 1;

    spec.on_expiry = way == EXPIRED_FAILED      ? ZO_EXPIRY_FAIL
                     : way == EXPIRED_ABANDONED ? ZO_EXPIRY_ABANDON
                                                : ZO_EXPIRY_RETRY;
    fx_open(f, &spec);
    fx_enqueue(f, 1, 0.5);
    if (way != FRESH_QUEUED)
        assert_int_equal(fx_ask(f), 0);
    if (way == RELEASED)
        fx_release(f, 0);
    if (way >= EXPIRED_QUEUED && way <= EXPIRED_ABANDONED)
        fx_tick_after(f, FX_LEASE_MS);
    if (way == TOLD_FIRST)
        fx_tell_item(f, fx_item(0, told, told == ZO_TRIAL_COMPLETE ? &value : NULL));
}

static void every_tell_from_every_state_is_taken_repeated_or_refused(void **state)
{
    static const zo_trial_state ends[] = {ZO_TRIAL_COMPLETE, ZO_TRIAL_INFEASIBLE, ZO_TRIAL_FAILED, ZO_TRIAL_STOPPED,
                                          ZO_TRIAL_ABANDONED};
    const double value = 1;

    (void)state;
    for (int way = FRESH_QUEUED; way <= TOLD_FIRST; way++)
        for (size_t first = 0; first < (way == TOLD_FIRST ? ZO_LEN(ends) : 1); first++)
            for (size_t to = 0; to < ZO_LEN(ends); to++) {
                const zo_tell_item item = fx_item(0, ends[to], ends[to] == ZO_TRIAL_COMPLETE ? &value : NULL);
                struct fx f;
                go(&f, (enum way)way, ends[first]);
                const bool dead_again = (way == EXPIRED_ABANDONED || way == EXPIRED_FAILED) && ends[to] == ZO_TRIAL_ABANDONED;
                if (way == FRESH_QUEUED || (way == TOLD_FIRST && first != to) || (dead_again && way == EXPIRED_FAILED)) {
                    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_ECONFLICT, "/trial");
                    assert_true(strstr(f.err.message, zo_trial_state_name(fx_state(&f, 0))) != NULL);
                } else {
                    assert_int_equal(fx_tell_item(&f, item), way != TOLD_FIRST && !dead_again);
                    assert_int_equal(fx_state(&f, 0), ends[to]);
                    assert_int_equal(fx_tell_item(&f, item), 0);
                }
                zo_study_free(fx_replayed(&f));
                fx_close(&f);
            }
}

static void nobody_tells_a_trial_queued_or_running(void **state)
{
    const zo_study_spec spec = fx_spec();
    const zo_trial_state open[] = {ZO_TRIAL_QUEUED, ZO_TRIAL_RUNNING, ZO_TRIAL_STATE_COUNT};
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    for (size_t i = 0; i < ZO_LEN(open); i++) {
        const zo_tell_item item = fx_item(0, open[i], NULL);
        FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/state");
    }
    fx_close(&f);
}

/* ---- results ---- */

static void a_result_differs_by_any_of_its_parts(void **state)
{
    const double value = 1, other = 2, error = 0.1;
    const zo_study_spec spec = fx_spec();
    zo_tell_item full = fx_item(0, ZO_TRIAL_COMPLETE, &value), changed[6];
    struct fx f;

    (void)state;
    full.std_errors = &error;
    full.cost = 2;
    full.reason = "r";
    full.metadata = "{}";
    for (size_t i = 0; i < ZO_LEN(changed); i++)
        changed[i] = full;
    changed[0].values = &other;
    changed[1].std_errors = NULL;
    changed[2].cost = 3;
    changed[3].reason = "q";
    changed[4].metadata = "[]";
    changed[5].state = ZO_TRIAL_FAILED;
    changed[5].values = NULL;
    fx_open(&f, &spec);
    fx_ask(&f);
    assert_int_equal(fx_tell_item(&f, full), 1);
    assert_int_equal(fx_tell_item(&f, full), 0);
    for (size_t i = 0; i < ZO_LEN(changed); i++)
        FX_REFUSED(&f, fx_try_tell(&f, &changed[i], 1, NULL), ZO_ECONFLICT, "/trial");
    const zo_trial t = fx_trial(&f, 0);
    assert_true(t.has_values && t.feasible && t.values[0] == 1 && t.std_errors[0] == 0.1 && t.cost == 2);
    assert_string_equal(t.reason, "r");
    assert_string_equal(t.metadata, "{}");
    fx_close(&f);
}

static void results_out_of_range_point_to_their_field(void **state)
{
    static const char *const metrics[] = {"a/b"};
    const double good[] = {1, 2}, nan[] = {NAN, 2}, inf[] = {1, INFINITY}, negative[] = {-1, NAN};
    zo_study_spec spec = fx_spec();
    zo_tell_item item;
    struct fx f;

    (void)state;
    spec.metrics = metrics;
    spec.n_metrics = 1;
    fx_open(&f, &spec);
    fx_ask(&f);
    item = fx_item(0, ZO_TRIAL_COMPLETE, nan);
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/values/loss");
    item.values = NULL;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/values/loss");
    item.values = inf;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/values/a~1b");
    item.values = good;
    item.std_errors = negative;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/stderr/loss");
    item.std_errors = NULL;
    item.cost = -1;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/cost");
    item = fx_item(0, ZO_TRIAL_FAILED, good);
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/values/loss");
    item = fx_item(7, ZO_TRIAL_COMPLETE, good);
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_ENOTFOUND, "/trial");
    fx_close(&f);
}

static void a_batch_is_all_or_nothing(void **state)
{
    const double value = 1, other = 2, v[] = {1, 0.5}, outside[] = {99, 0.5};
    const zo_study_spec spec = fx_spec();
    zo_tell_item items[4], bad[4];
    uint64_t numbers[4];
    size_t failed_at;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 3);
    items[0] = fx_item(0, ZO_TRIAL_COMPLETE, &value);
    items[1] = (zo_tell_item){
        .v = v, .state = ZO_TRIAL_COMPLETE, .values = &value, .cost = NAN, .origin = ZO_ORIGIN_CLIENT, .metadata = "{}"};
    items[2] = fx_item(2, ZO_TRIAL_FAILED, NULL);
    items[3] = items[0]; /* the same again is no fault */
    static const size_t at[] = {1, 2, 2, 3};
    for (size_t i = 0; i < ZO_LEN(bad); i++)
        bad[i] = items[at[i]];
    bad[0].v = outside;
    bad[1].number = 3; /* the number that item 1 is about to get */
    bad[2].state = ZO_TRIAL_RUNNING;
    bad[3].values = &other; /* another result for trial 0 */
    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        const zo_tell_item good = items[at[i]];
        items[at[i]] = bad[i];
        const uint64_t before = zo_study_digest(f.s);
        assert_int_not_equal(zo_study_tell(f.s, items, 4, f.now, &f.ev, numbers, &failed_at, &f.err), ZO_OK);
        assert_int_equal(failed_at, at[i]);
        assert_int_equal(f.ev.n, 0);
        assert_true(zo_study_digest(f.s) == before);
        items[at[i]] = good;
    }
    FX_OK(&f, zo_study_tell(f.s, items, 4, f.now, &f.ev, numbers, &failed_at, &f.err));
    static const uint64_t expected[] = {0, 3, 2, 0};
    assert_memory_equal(numbers, expected, sizeof expected);
    assert_int_equal(fx_commit(&f), 3);
    assert_int_equal(fx_state(&f, 1), ZO_TRIAL_RUNNING);
    fx_close(&f);
}

/* ---- points of others ---- */

static void a_brought_point_takes_the_next_number_and_reaches_the_solver(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    assert_int_equal(fx_bring(&f, 2.5, 0.25, 4), 1);
    const zo_trial t = fx_trial(&f, 1);
    assert_int_equal(t.origin, ZO_ORIGIN_CLIENT);
    assert_int_equal(t.attempt, 0);
    assert_int_equal(t.created_ms, f.now.wall_ms);
    assert_int_equal(zo_study_counts(f.s).handed_out, 1);
    assert_int_equal(spy.n, 1);
    assert_false(spy.told[0].own);
    assert_true(spy.told[0].x[0] == 0.75 && spy.told[0].x[1] == 0.25 && spy.told[0].f[0] == 4);
    assert_int_equal(fx_ask(&f), 2);
    fx_close(&f);
}

static void imports_keep_their_numbers_and_times_and_may_leave_gaps(void **state)
{
    const zo_study_spec spec = fx_spec();
    zo_trial t;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    FX_OK(&f, fx_try_import(&f, 5000, 1, 10));
    fx_commit(&f);
    assert_false(zo_study_trial(f.s, 4999, &t));
    assert_false(zo_study_trial(f.s, 5001, &t));
    t = fx_trial(&f, 5000);
    assert_true(t.created_ms == 11 && t.finished_ms == 22 && t.origin == ZO_ORIGIN_IMPORT);
    FX_OK(&f, fx_try_import(&f, 17, 2, 9)); /* into the gap */
    fx_commit(&f);
    FX_REFUSED(&f, fx_try_import(&f, 17, 2, 9), ZO_ECONFLICT, "/number");
    FX_REFUSED(&f, fx_try_import(&f, 20000000, 2, 9), ZO_EINVAL, "/number");
    assert_int_equal(fx_ask(&f), 5001);
    assert_int_equal(zo_study_counts(f.s).total, 3);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void queued_points_go_out_in_order_before_the_solvers(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    assert_int_equal(fx_ask(&f), 0);
    for (uint64_t i = 1; i <= 20; i++)
        assert_int_equal(fx_enqueue(&f, (double)i / 10, 0.5), i);
    FX_OK(&f, zo_study_withdraw(f.s, 1, f.now, &f.ev, &f.err));
    FX_OK(&f, zo_study_withdraw(f.s, 7, f.now, &f.ev, &f.err));
    fx_commit(&f);
    for (uint64_t i = 2; i <= 20; i++) {
        if (i == 7)
            continue;
        assert_int_equal(fx_ask(&f), i);
        assert_true(fx_trial(&f, i).v[0] == (double)i / 10);
        assert_int_equal(fx_trial(&f, i).origin, ZO_ORIGIN_QUEUED);
    }
    assert_int_equal(fx_ask(&f), 21);
    assert_int_equal(fx_trial(&f, 21).origin, ZO_ORIGIN_SOLVER);
    fx_close(&f);
}

static void only_what_was_never_handed_out_can_be_withdrawn(void **state)
{
    const zo_study_spec spec = fx_spec();
    const double outside[] = {6, 0.5}, inside[] = {1, 0.5}, *const points[] = {inside, outside};
    uint64_t numbers[2];
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_enqueue(&f, 1, 0.5);
    fx_enqueue(&f, 2, 0.5);
    FX_OK(&f, zo_study_withdraw(f.s, 1, f.now, &f.ev, &f.err));
    fx_commit(&f);
    assert_true(fx_trial(&f, 1).withdrawn);
    assert_int_equal(zo_study_counts(f.s).total, 1);
    FX_REFUSED(&f, zo_study_withdraw(f.s, 1, f.now, &f.ev, &f.err), ZO_ENOTFOUND, "");
    FX_REFUSED(&f, zo_study_withdraw(f.s, 2, f.now, &f.ev, &f.err), ZO_ENOTFOUND, "");
    fx_ask(&f);
    FX_REFUSED(&f, zo_study_withdraw(f.s, 0, f.now, &f.ev, &f.err), ZO_ECONFLICT, "");
    fx_release(&f, 0);
    FX_REFUSED(&f, zo_study_withdraw(f.s, 0, f.now, &f.ev, &f.err), ZO_ECONFLICT, "");
    f.err = (zo_error){0};
    assert_int_equal(zo_study_enqueue(f.s, points, NULL, 2, f.now, &f.ev, numbers, &f.err), ZO_EINVAL);
    assert_true(strncmp(f.err.pointer, "/trials/1/params", 16) == 0);
    assert_int_equal(zo_study_n_trials(f.s), 2); /* neither of the two came in */
    fx_close(&f);
}

static void the_default_point_is_the_solvers_first(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.space = (zo_space_spec){.params = with_defaults, .n_params = 2};
    fx_open(&f, &spec);
    fx_enqueue(&f, 3, 0.5);
    assert_int_equal(fx_ask(&f), 0); /* the queue goes first */
    fx_ask_n(&f, 2);
    const zo_trial x0 = fx_trial(&f, 1), next = fx_trial(&f, 2);
    assert_true(x0.v[0] == 1.5 && x0.v[1] == 0.25);
    assert_string_equal(x0.why, "default point");
    assert_true(next.v[0] != 1.5);
    assert_string_equal(next.core, "spy");
    fx_tell(&f, 1, 3);
    assert_false(spy.told[0].own); /* the engine's idea, not the solver's */
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

/* ---- creation ---- */

static void a_spec_is_refused_where_it_is_wrong(void **state)
{
    static const zo_objective_spec twice[] = {{.name = "loss"}, {.name = "loss"}}, nameless[] = {{.name = ""}};
    static const zo_constraint_spec unbounded[] = {{.name = "c"}}, crossed[] = {{"c", true, true, 1, 2}};
    static const zo_param_spec empty[] = {{.name = "x", .type = ZO_FLOAT, .low = 1, .high = 0}};
    static const zo_named option[] = {{"popsize", {.kind = ZO_NUMBER, .number = 1}}};
    static const char *const metrics[] = {"loss"};
    zo_study_spec bad[16];
    static const char *const pointers[] = {
        "/objectives",         "/objectives/1/name",   "/objectives/0/name", "/constraints/0", "/constraints/0/lower",
        "/metrics/0",          "/space/0/high",        "/solver/name",       "/solver/options/popsize",
        "/early_stopping/rule", "/early_stopping/rule", "/lease",            "/budget/seconds", "/budget/target",
        "/parallelism",        "/oracle"};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(bad); i++)
        bad[i] = fx_spec();
    bad[0].n_objectives = 0;
    bad[1].objectives = twice, bad[1].n_objectives = 2;
    bad[2].objectives = nameless;
    bad[3].constraints = unbounded, bad[3].n_constraints = 1;
    bad[4].constraints = crossed, bad[4].n_constraints = 1;
    bad[5].metrics = metrics, bad[5].n_metrics = 1;
    bad[6].space = (zo_space_spec){.params = empty, .n_params = 1};
    bad[7].solver = "none-such";
    bad[8].solver = "cma-es", bad[8].options = option, bad[8].n_options = 1;
    bad[9].stop_rule = "none-such";
    bad[10].stop_rule = "median"; /* with oracle "value" */
    bad[11].lease_ms = 999;
    bad[12].budget.seconds = -1;
    bad[13].budget.has_target = true, bad[13].budget.target = INFINITY;
    bad[14].parallelism = 0;
    bad[15].oracle = ZO_ORACLE_PREFERENCE;
    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        zo_events ev = {0};
        zo_study *s = NULL;
        zo_error err = {0};
        const zo_status rc = zo_study_new(&bad[i], (zo_now){1, 1}, &ev, &s, &err);
        assert_true(rc == ZO_EINVAL || rc == ZO_EUNSUPPORTED);
        assert_string_equal(err.pointer, pointers[i]);
        assert_true(!s && ev.n == 0);
        zo_events_fini(&ev);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_table_of_moves_is_the_contracts),
        cmocka_unit_test(every_tell_from_every_state_is_taken_repeated_or_refused),
        cmocka_unit_test(nobody_tells_a_trial_queued_or_running),
        cmocka_unit_test(a_result_differs_by_any_of_its_parts),
        cmocka_unit_test(results_out_of_range_point_to_their_field),
        cmocka_unit_test(a_batch_is_all_or_nothing),
        cmocka_unit_test(a_brought_point_takes_the_next_number_and_reaches_the_solver),
        cmocka_unit_test(imports_keep_their_numbers_and_times_and_may_leave_gaps),
        cmocka_unit_test(queued_points_go_out_in_order_before_the_solvers),
        cmocka_unit_test(only_what_was_never_handed_out_can_be_withdrawn),
        cmocka_unit_test(the_default_point_is_the_solvers_first),
        cmocka_unit_test(a_spec_is_refused_where_it_is_wrong),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
