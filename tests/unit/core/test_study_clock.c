/* Clocks over restarts, and what a trial and its memo are when they are used again. */
#include "study_fx.h"

static void a_pause_is_free_before_the_first_ask_and_over_a_restart(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.budget.seconds = 20;
    fx_open(&f, &spec);
    fx_pause(&f, true); /* no gift: nothing was used yet */
    fx_pass(&f, 5000);
    fx_pause(&f, false);
    fx_ask(&f);
    fx_pass(&f, 4000);
    fx_restart(&f);
    assert_true(zo_study_seconds_used(f.s, f.now) == 4);
    fx_pause(&f, true);
    fx_pass(&f, 7000);
    f.now.mono_ms = 3; /* clocks of processes have nothing in common */
    fx_restart(&f);
    assert_true(zo_study_seconds_used(f.s, f.now) == 4);
    fx_pass(&f, 9000);
    assert_true(zo_study_seconds_used(f.s, f.now) == 4);
    fx_pause(&f, false);
    fx_pass(&f, 6000);
    assert_true(zo_study_seconds_used(f.s, f.now) == 10);
    fx_restart(&f);
    assert_true(zo_study_seconds_used(f.s, f.now) == 10);
    f.now.wall_ms -= 1000000; /* set back while nobody looked */
    fx_restart(&f);
    assert_true(zo_study_seconds_used(f.s, f.now) == 0);
    fx_close(&f);
}

static void equal_leases_run_out_in_the_order_of_numbers(void **state)
{
    enum { N = 30 };
    const zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, N);
    for (uint64_t i = 0; i < N; i++) { /* shuffle the heap: 7 and 30 have no common factor */
        FX_OK(&f, zo_study_heartbeat(f.s, 7 * i % N, 2 * FX_LEASE_MS + i, f.now, &f.err));
        FX_OK(&f, zo_study_heartbeat(f.s, 7 * i % N, FX_LEASE_MS, f.now, &f.err));
    }
    assert_int_equal(fx_tick_after(&f, FX_LEASE_MS), N);
    for (uint64_t i = 0; i < N; i++)
        assert_int_equal(fx_ask(&f), i);
    fx_close(&f);
}

static void a_trial_handed_out_again_has_no_reason_yet(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    fx_tick_after(&f, FX_LEASE_MS);
    assert_null(fx_trial(&f, 0).reason);
    fx_ask(&f);
    assert_null(fx_trial(&f, 0).reason);
    fx_tell_state(&f, 0, ZO_TRIAL_FAILED);
    assert_null(fx_trial(&f, 0).reason);
    spec.on_expiry = ZO_EXPIRY_FAIL;
    fx_close(&f);
    fx_open(&f, &spec);
    fx_ask(&f);
    fx_tick_after(&f, FX_LEASE_MS);
    assert_string_equal(fx_trial(&f, 0).reason, "the lease ran out");
    fx_close(&f);
}

/* ---- memos ---- */

static zo_status tidy_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    uint64_t memo;

    memcpy(&memo, p->memo, sizeof memo);
    assert_int_equal(memo, 0);
    return spy_ask(self, rng, p, err);
}

static void a_memo_starts_as_zeros_and_comes_back_as_written(void **state)
{
    const zo_study_spec spec = fx_spec();
    zo_solver tidy = spy_solver;
    zo_portable1 g = zo_portable1_make(1);
    struct fx f;

    (void)state;
    tidy.ask = tidy_ask;
    fx_open_with(&f, &spec, &tidy);
    for (size_t k = 0; k < 200; k++) { /* places are used again, in any order */
        const uint64_t next = zo_study_n_trials(f.s);
        const double value = 1;
        const zo_tell_item item = fx_item(next ? zo_portable1_u64(&g) % next : 0, ZO_TRIAL_COMPLETE, &value);
        if (zo_portable1_u64(&g) % 2)
            fx_ask(&f);
        else if (fx_try_tell(&f, &item, 1, NULL) == ZO_OK)
            fx_commit(&f);
    }
    assert_true(spy.n > 30);
    for (size_t i = 0; i < spy.n; i++)
        assert_true(spy.told[i].own && spy.told[i].memo == spy.told[i].number + 1000);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pause_is_free_before_the_first_ask_and_over_a_restart),
        cmocka_unit_test(equal_leases_run_out_in_the_order_of_numbers),
        cmocka_unit_test(a_trial_handed_out_again_has_no_reason_yet),
        cmocka_unit_test(a_memo_starts_as_zeros_and_comes_back_as_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
