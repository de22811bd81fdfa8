/* When a study ends, and what reopens it: trials, seconds, target, pauses, a converged solver, an exhausted space. */
#include "study_fx.h"

static const zo_param_spec levels[] = {{.name = "a", .type = ZO_INT, .low = 0, .high = 3}, {.name = "b", .type = ZO_BOOL}};

static void the_budget_counts_numbers_handed_out(void **state)
{
    const double v[] = {1, 0.5};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.budget.trials = 4;
    fx_open(&f, &spec);
    fx_bring(&f, v[0], v[1], 1);                /* 0: a client's own does not count */
    FX_OK(&f, fx_try_import(&f, 1, 2, 3));      /* 1: nor does an imported one */
    fx_commit(&f);
    const zo_ask_reply reply = fx_ask_n(&f, 10); /* 2 .. 5 */
    assert_int_equal(reply.n, 4);
    assert_string_equal(reply.reason, "budget");
    fx_is(&f, ZO_STUDY_DONE, "budget");
    fx_tell(&f, 2, 1);
    fx_tell_state(&f, 3, ZO_TRIAL_FAILED);
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "budget");
    fx_tell_state(&f, 4, ZO_TRIAL_ABANDONED); /* makes room for one */
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    assert_int_equal(fx_ask_n(&f, 10).n, 1);
    fx_budget(&f, (zo_budget){.trials = 6});
    assert_int_equal(fx_ask_n(&f, 10).n, 2);
    fx_budget(&f, (zo_budget){0});
    assert_int_equal(fx_ask_n(&f, 10).n, 10);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

/* Never n + m: leases that expire, come back and go out again do not add to what is out. */
static void expiries_and_releases_never_lift_the_budget(void **state)
{
    enum { BUDGET = 6 };
    zo_study_spec spec = fx_spec();
    zo_portable1 g = zo_portable1_make(1);
    struct fx f;

    (void)state;
    spec.budget.trials = BUDGET;
    spec.retries = 100;
    fx_open(&f, &spec);
    for (int i = 0; i < 200; i++) {
        const uint64_t pick = zo_portable1_u64(&g) % BUDGET;
        fx_ask_n(&f, 1 + zo_portable1_u64(&g) % 3);
        if (i % 7 == 0)
            (void)zo_study_release(f.s, pick, f.now, &f.ev, &f.err), fx_commit(&f);
        if (i % 5 == 0)
            fx_tick_after(&f, FX_LEASE_MS);
        assert_true(zo_study_n_trials(f.s) <= BUDGET);
        assert_true(zo_study_counts(f.s).by_state[ZO_TRIAL_RUNNING] <= BUDGET);
    }
    assert_int_equal(zo_study_n_trials(f.s), BUDGET);
    fx_close(&f);
}

static void a_target_ends_the_study_in_the_tell_that_reaches_it(void **state)
{
    static const zo_objective_spec gain[] = {{.name = "gain", .maximize = true}};

    (void)state;
    for (int maximize = 0; maximize < 2; maximize++) {
        const double sign = maximize ? -1 : 1;
        zo_study_spec spec = fx_spec();
        struct fx f;
        if (maximize)
            spec.objectives = gain;
        spec.budget = (zo_budget){.has_target = true, .target = sign * 1};
        fx_open(&f, &spec);
        fx_ask_n(&f, 4);
        assert_int_equal(fx_tell(&f, 0, sign * 1.001), 1);
        fx_is(&f, ZO_STUDY_ACTIVE, NULL);
        assert_int_equal(fx_tell(&f, 1, sign * 1), 2); /* TOLD and ENDED */
        fx_is(&f, ZO_STUDY_DONE, "target");
        fx_ask_in_vain(&f, ZO_STUDY_DONE, "target");
        assert_int_equal(fx_tell(&f, 2, sign * 0.5), 1); /* what runs may still be told; the end is told once */
        fx_restart(&f);
        fx_is(&f, ZO_STUDY_DONE, "target");
        assert_int_equal(fx_budget(&f, (zo_budget){.has_target = true, .target = sign * 0.7}), 2); /* reached already */
        fx_is(&f, ZO_STUDY_DONE, "target");
        assert_int_equal(fx_budget(&f, (zo_budget){.has_target = true, .target = sign * 0.1}), 1);
        assert_int_equal(fx_ask(&f), 4);
        fx_close(&f);
    }
}

static void a_target_needs_a_feasible_trial(void **state)
{
    static const zo_constraint_spec limit[] = {{.name = "size", .has_upper = true, .upper = 1}};
    const double cheat[] = {0, 2}, honest[] = {0, 1};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.constraints = limit;
    spec.n_constraints = 1;
    spec.budget = (zo_budget){.has_target = true, .target = 0.5};
    fx_open(&f, &spec);
    fx_ask_n(&f, 2);
    fx_tell_item(&f, fx_item(0, ZO_TRIAL_COMPLETE, cheat));
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    fx_tell_item(&f, fx_item(1, ZO_TRIAL_COMPLETE, honest));
    fx_is(&f, ZO_STUDY_DONE, "target");
    fx_close(&f);
}

static void seconds_run_from_the_first_ask_without_pauses(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.budget.seconds = 30;
    fx_open(&f, &spec);
    fx_pass(&f, 1000000);
    assert_true(zo_study_seconds_used(f.s, f.now) == 0);
    assert_true(zo_study_deadline(f.s) == INT64_MAX);
    fx_ask(&f);
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 30000);
    fx_pass(&f, 10000);
    assert_true(zo_study_seconds_used(f.s, f.now) == 10);
    fx_pause(&f, true);
    fx_ask_in_vain(&f, ZO_STUDY_PAUSED, "paused");
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 50000); /* only the lease */
    fx_pass(&f, 40000);
    assert_true(zo_study_seconds_used(f.s, f.now) == 10);
    fx_pause(&f, false);
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 10000); /* the lease is the nearer one */
    FX_OK(&f, zo_study_heartbeat(f.s, 0, 0, f.now, &f.err));
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 20000);
    f.now.mono_ms += 777; /* a restart: the two clocks have nothing in common */
    fx_restart(&f);
    assert_true(zo_study_seconds_used(f.s, f.now) == 10);
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 20000);
    assert_int_equal(fx_tick_after(&f, 19999), 0);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    assert_int_equal(fx_tick_after(&f, 1), 1);
    fx_is(&f, ZO_STUDY_DONE, "seconds");
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "seconds");
    assert_int_equal(fx_tell(&f, 0, 1), 1); /* running trials may still be told */
    fx_budget(&f, (zo_budget){.seconds = 31});
    assert_int_equal(fx_ask(&f), 1);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void an_ask_that_comes_before_the_tick_sees_the_seconds_end(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.budget.seconds = 5;
    fx_open(&f, &spec);
    fx_ask(&f);
    fx_pass(&f, 5000);
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "seconds");
    assert_int_equal(f.log[f.n_log - 1].kind, ZO_EVENT_ENDED);
    assert_int_equal(fx_tick_after(&f, 0), 0); /* once */
    fx_close(&f);
}

static void a_waiting_solver_stalls_a_study_only_while_nothing_is_out(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    spy.verdict = ZO_ASK_WAIT;
    fx_ask_in_vain(&f, ZO_STUDY_ACTIVE, "waiting");
    fx_tell(&f, 0, 1);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL); /* the tell may be what it waited for */
    fx_ask_in_vain(&f, ZO_STUDY_STALLED, "waiting");
    fx_bring(&f, 1, 0.5, 2);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    spy.verdict = ZO_ASK_OK;
    fx_ask(&f);
    spy.verdict = ZO_ASK_WAIT;
    fx_ask_in_vain(&f, ZO_STUDY_ACTIVE, "waiting");
    fx_tell_state(&f, 2, ZO_TRIAL_ABANDONED);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    fx_close(&f);
}

/* An expiry is news for the solver as well as a tell. */
static void an_expired_trial_wakes_a_stalled_study(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.on_expiry = ZO_EXPIRY_FAIL;
    fx_open(&f, &spec);
    fx_ask(&f);
    spy.verdict = ZO_ASK_WAIT;
    fx_ask_in_vain(&f, ZO_STUDY_ACTIVE, "waiting");
    fx_tick_after(&f, FX_LEASE_MS);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    fx_close(&f);
}

static void a_converged_solver_ends_the_study_until_the_budget_is_patched(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    spy.verdict = ZO_ASK_DONE;
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "converged");
    spy.verdict = ZO_ASK_OK;
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "converged");
    fx_budget(&f, (zo_budget){0});
    assert_int_equal(fx_ask(&f), 1);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

/* All 4 x 2 points, each once, whatever the solver says; then the end. */
static void a_finite_space_is_walked_through_once_without_duplicates(void **state)
{
    (void)state;
    for (int corner = 0; corner < 2; corner++) {
        bool seen[8] = {false};
        zo_study_spec spec = fx_spec();
        struct fx f;
        spec.space = (zo_space_spec){.params = levels, .n_params = 2};
        spec.duplicates = ZO_DUPLICATES_AVOID;
        fx_open(&f, &spec);
        spy.corner = corner; /* a solver that always says the same */
        fx_enqueue(&f, 3, 1); /* counts as seen while it waits */
        for (int i = 0; i < 8; i++) {
            const zo_trial t = fx_trial(&f, fx_ask(&f));
            const size_t at = (size_t)(2 * t.v[0] + t.v[1]);
            assert_true(at < 8 && !seen[at]);
            seen[at] = true;
        }
        fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
        fx_tell_state(&f, 5, ZO_TRIAL_ABANDONED); /* nobody has tried that point after all */
        fx_budget(&f, (zo_budget){0});
        const zo_trial again = fx_trial(&f, fx_ask(&f)), lost = fx_trial(&f, 5);
        assert_true(again.v[0] == lost.v[0] && again.v[1] == lost.v[1]);
        fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
}

/* n <= 1.5 leaves 2 of 4 levels: that the space is exhausted is found by looking, and the log says the solver was asked. */
static void a_space_cut_by_linear_constraints_is_exhausted_too(void **state)
{
    static const zo_term terms[] = {{"a", 1}};
    static const zo_linear_spec linear[] = {{terms, 1, ZO_LE, 1.5}};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.space = (zo_space_spec){.params = levels, .n_params = 1, .linear = linear, .n_linear = 1};
    spec.duplicates = ZO_DUPLICATES_AVOID;
    fx_open(&f, &spec);
    const double a = fx_trial(&f, fx_ask(&f)).v[0], b = fx_trial(&f, fx_ask(&f)).v[0];
    assert_true(a + b == 1 && a * b == 0);
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
    assert_int_equal(spy.n, 1);
    assert_int_equal(spy.told[0].outcome, ZO_TOLD_ABANDONED); /* of the proposal that went nowhere */
    assert_true(spy.told[0].own && spy.told[0].number == 2);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void duplicates_are_allowed_unless_avoided(void **state)
{
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    spy.corner = true;
    fx_ask_n(&f, 3);
    assert_true(fx_trial(&f, 0).v[0] == -5 && fx_trial(&f, 2).v[0] == -5);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_budget_counts_numbers_handed_out),
        cmocka_unit_test(expiries_and_releases_never_lift_the_budget),
        cmocka_unit_test(a_target_ends_the_study_in_the_tell_that_reaches_it),
        cmocka_unit_test(a_target_needs_a_feasible_trial),
        cmocka_unit_test(seconds_run_from_the_first_ask_without_pauses),
        cmocka_unit_test(an_ask_that_comes_before_the_tick_sees_the_seconds_end),
        cmocka_unit_test(a_waiting_solver_stalls_a_study_only_while_nothing_is_out),
        cmocka_unit_test(an_expired_trial_wakes_a_stalled_study),
        cmocka_unit_test(a_converged_solver_ends_the_study_until_the_budget_is_patched),
        cmocka_unit_test(a_finite_space_is_walked_through_once_without_duplicates),
        cmocka_unit_test(a_space_cut_by_linear_constraints_is_exhausted_too),
        cmocka_unit_test(duplicates_are_allowed_unless_avoided),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
