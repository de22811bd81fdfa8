/* Leases: expiry and its three ends, retries, late tells, heartbeats, release, resume by a worker, and restarts. */
#include "study_fx.h"

static zo_study_spec spec_of(zo_on_expiry on_expiry, unsigned retries)
{
    zo_study_spec spec = fx_spec();

    spec.on_expiry = on_expiry;
    spec.retries = retries;
    return spec;
}

static void a_lease_runs_out_at_its_time_and_not_before(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    assert_true(zo_study_deadline(f.s) == INT64_MAX);
    const uint64_t n = fx_ask(&f);
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + FX_LEASE_MS);
    assert_int_equal(fx_trial(&f, n).lease_expires_ms, f.now.wall_ms + FX_LEASE_MS);
    assert_int_equal(fx_tick_after(&f, FX_LEASE_MS - 1), 0);
    assert_int_equal(fx_state(&f, n), ZO_TRIAL_RUNNING);
    assert_int_equal(fx_tick_after(&f, 1), 1);
    assert_int_equal(fx_state(&f, n), ZO_TRIAL_QUEUED);
    assert_int_equal(fx_trial(&f, n).lease_expires_ms, 0);
    assert_true(zo_study_deadline(f.s) == INT64_MAX);
    fx_close(&f);
}

static void a_retry_keeps_number_and_point_and_goes_before_new_points(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    struct fx f;
    double v[2];

    (void)state;
    fx_open(&f, &spec);
    const uint64_t n = fx_ask(&f);
    memcpy(v, fx_trial(&f, n).v, sizeof v);
    fx_enqueue(&f, 1, 0.5);
    fx_tick_after(&f, FX_LEASE_MS);
    assert_int_equal(fx_ask(&f), n);
    assert_memory_equal(fx_trial(&f, n).v, v, sizeof v);
    assert_int_equal(fx_trial(&f, n).attempt, 2);
    assert_int_equal(spy.n, 0); /* the solver still waits for it */
    fx_tell(&f, n, 1);
    assert_int_equal(spy.n, 1);
    assert_true(spy.told[0].own);
    assert_int_equal(spy.told[0].memo, n + 1000); /* the memo lived through the expiry */
    fx_close(&f);
}

static void after_its_retries_a_trial_has_failed_and_the_solver_knows(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 2);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (unsigned attempt = 1; attempt <= 3; attempt++) {
        assert_int_equal(fx_ask(&f), 0);
        assert_int_equal(fx_trial(&f, 0).attempt, attempt);
        assert_int_equal(fx_tick_after(&f, FX_LEASE_MS), 1);
        assert_int_equal(fx_state(&f, 0), attempt < 3 ? ZO_TRIAL_QUEUED : ZO_TRIAL_FAILED);
    }
    assert_int_equal(spy.n, 1);
    assert_int_equal(spy.told[0].outcome, ZO_TOLD_FAILED);
    assert_int_equal(fx_trial(&f, 0).finished_ms, f.now.wall_ms);
    assert_string_equal(fx_trial(&f, 0).reason, "the lease ran out");
    assert_int_equal(fx_ask(&f), 1);
    fx_close(&f);
}

static void without_retries_the_first_expiry_ends_the_trial(void **state)
{
    static const struct {
        zo_on_expiry on_expiry;
        unsigned retries;
        zo_trial_state end;
        zo_outcome told;
    } cases[] = {{ZO_EXPIRY_RETRY, 0, ZO_TRIAL_FAILED, ZO_TOLD_FAILED},
                 {ZO_EXPIRY_FAIL, 3, ZO_TRIAL_FAILED, ZO_TOLD_FAILED},
                 {ZO_EXPIRY_ABANDON, 3, ZO_TRIAL_ABANDONED, ZO_TOLD_ABANDONED}};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        const zo_study_spec spec = spec_of(cases[i].on_expiry, cases[i].retries);
        struct fx f;
        fx_open(&f, &spec);
        fx_ask(&f);
        fx_tick_after(&f, FX_LEASE_MS);
        assert_int_equal(fx_state(&f, 0), cases[i].end);
        assert_int_equal(spy.n, 1);
        assert_int_equal(spy.told[0].outcome, cases[i].told);
        fx_close(&f);
    }
}

static void a_release_costs_no_retry(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 1);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (int i = 0; i < 5; i++) {
        assert_int_equal(fx_ask(&f), 0);
        fx_release(&f, 0);
        assert_int_equal(fx_state(&f, 0), ZO_TRIAL_QUEUED);
    }
    FX_REFUSED(&f, zo_study_release(f.s, 0, f.now, &f.ev, &f.err), ZO_ECONFLICT, "");
    FX_REFUSED(&f, zo_study_release(f.s, 9, f.now, &f.ev, &f.err), ZO_ENOTFOUND, "");
    fx_ask(&f);
    fx_tick_after(&f, FX_LEASE_MS);
    assert_int_equal(fx_state(&f, 0), ZO_TRIAL_QUEUED);
    fx_close(&f);
}

static void a_late_result_is_welcome_once_however_the_lease_ended(void **state)
{
    static const zo_on_expiry all[] = {ZO_EXPIRY_RETRY, ZO_EXPIRY_FAIL, ZO_EXPIRY_ABANDON};
    const double one = 1, two = 2;

    (void)state;
    for (size_t i = 0; i < ZO_LEN(all); i++) {
        const zo_study_spec spec = spec_of(all[i], 3);
        const zo_tell_item other = fx_item(0, ZO_TRIAL_COMPLETE, &two);
        struct fx f;
        fx_open(&f, &spec);
        fx_ask(&f);
        fx_tick_after(&f, FX_LEASE_MS);
        assert_int_equal(fx_tell(&f, 0, one), 1);
        assert_int_equal(fx_state(&f, 0), ZO_TRIAL_COMPLETE);
        assert_int_equal(fx_tell(&f, 0, one), 0); /* again: no event */
        FX_REFUSED(&f, fx_try_tell(&f, &other, 1, NULL), ZO_ECONFLICT, "/trial");
        assert_true(spy.told[spy.n - 1].has_values && spy.told[spy.n - 1].f[0] == 1);
        assert_int_equal(fx_ask(&f), 1); /* and it is not handed out again */
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
}

static void the_first_of_two_workers_on_one_trial_wins(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    const double slow = 2;
    const zo_tell_item late = fx_item(0, ZO_TRIAL_COMPLETE, &slow);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    fx_tick_after(&f, FX_LEASE_MS);
    assert_int_equal(fx_ask(&f), 0); /* the second worker's */
    assert_int_equal(fx_tell(&f, 0, 1), 1);
    FX_REFUSED(&f, fx_try_tell(&f, &late, 1, NULL), ZO_ECONFLICT, "/trial");
    assert_true(strstr(f.err.message, "complete") != NULL);
    fx_close(&f);
}

static void a_client_that_abandons_or_fails_a_trial_has_spoken(void **state)
{
    static const zo_trial_state ends[] = {ZO_TRIAL_ABANDONED, ZO_TRIAL_FAILED};
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    const double one = 1;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (uint64_t i = 0; i < ZO_LEN(ends); i++) {
        const zo_tell_item item = fx_item(i, ZO_TRIAL_COMPLETE, &one);
        assert_int_equal(fx_ask(&f), i);
        fx_tell_state(&f, i, ends[i]);
        FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_ECONFLICT, "/trial");
    }
    fx_close(&f);
}

static void a_heartbeat_moves_the_expiry_and_leaves_no_event(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    fx_pass(&f, FX_LEASE_MS - 1);
    const uint64_t seq = zo_study_seq(f.s);
    FX_OK(&f, zo_study_heartbeat(f.s, 0, 0, f.now, &f.err));
    assert_int_equal(zo_study_seq(f.s), seq);
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + FX_LEASE_MS);
    FX_OK(&f, zo_study_heartbeat(f.s, 0, 1000, f.now, &f.err));
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 1000);
    FX_REFUSED(&f, zo_study_heartbeat(f.s, 0, 999, f.now, &f.err), ZO_EINVAL, "/lease");
    FX_REFUSED(&f, zo_study_heartbeat(f.s, 0, 7 * 86400 * 1000 + 1, f.now, &f.err), ZO_EINVAL, "/lease");
    FX_REFUSED(&f, zo_study_heartbeat(f.s, 1, 0, f.now, &f.err), ZO_ENOTFOUND, "");
    fx_tell(&f, 0, 1);
    FX_REFUSED(&f, zo_study_heartbeat(f.s, 0, 0, f.now, &f.err), ZO_ECONFLICT, "");
    fx_close(&f);
}

static void an_ask_may_bring_its_own_lease(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    zo_ask_reply reply;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_args(&f, &(zo_ask_args){.count = 1, .lease_ms = 2000});
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 2000);
    fx_restart(&f); /* the log knows it */
    assert_int_equal(zo_study_deadline(f.s), f.now.mono_ms + 2000);
    const zo_ask_args shorter = {.count = 1, .lease_ms = 999};
    FX_REFUSED(&f, zo_study_ask(f.s, &shorter, f.now, &f.ev, f.arena, &reply, &f.err), ZO_EINVAL, "/lease");
    fx_close(&f);
}

/* Many leases with times by chance: a tick ends exactly those that are due, as one pass over a plain list says. */
static void a_tick_ends_what_is_due_and_the_deadline_is_the_least(void **state)
{
    enum { N = 300, ROUNDS = 60 };
    const zo_study_spec spec = spec_of(ZO_EXPIRY_ABANDON, 0);
    zo_portable1 g = zo_portable1_make(5);
    int64_t due[N];
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (uint64_t i = 0; i < N; i++) {
        const uint64_t lease = 1000 + zo_portable1_u64(&g) % 50000;
        assert_int_equal(fx_ask_args(&f, &(zo_ask_args){.count = 1, .lease_ms = lease}).numbers[0], i);
        due[i] = f.now.mono_ms + (int64_t)lease;
    }
    for (int round = 0; round < ROUNDS; round++) {
        const uint64_t pick = zo_portable1_u64(&g) % N;
        int64_t least = INT64_MAX;
        size_t n_due = 0;
        if (due[pick] != INT64_MAX && round % 3 == 0) {
            fx_tell(&f, pick, 1);
            due[pick] = INT64_MAX;
        } else if (due[pick] != INT64_MAX) {
            FX_OK(&f, zo_study_heartbeat(f.s, pick, 0, f.now, &f.err));
            const zo_trial t = fx_trial(&f, pick);
            due[pick] = f.now.mono_ms + (t.lease_expires_ms - f.now.wall_ms);
        }
        for (size_t i = 0; i < N; i++)
            least = due[i] < least ? due[i] : least;
        assert_int_equal(zo_study_deadline(f.s), least);
        fx_pass(&f, 1000);
        for (size_t i = 0; i < N; i++)
            if (due[i] <= f.now.mono_ms) {
                due[i] = INT64_MAX;
                n_due++;
            }
        assert_int_equal(fx_tick_after(&f, 0), n_due);
    }
    fx_close(&f);
}

static void a_worker_resumes_its_own_running_trials(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    const zo_ask_args ada = {.count = 2, .worker = "ada"}, bob = {.count = 1, .worker = "bob"};
    const zo_ask_args again = {.count = 4, .worker = "ada", .resume = true};
    const zo_ask_args nobody = {.count = 1, .resume = true};
    zo_ask_reply reply;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_args(&f, &ada); /* 0, 1 */
    fx_ask_args(&f, &bob); /* 2 */
    fx_ask_args(&f, &ada); /* 3, 4 */
    fx_tell(&f, 1, 1);
    fx_pass(&f, 1000);
    reply = fx_ask_args(&f, &again);
    assert_int_equal(reply.n, 4);
    static const uint64_t expected[] = {0, 3, 4, 5};
    assert_memory_equal(reply.numbers, expected, sizeof expected);
    assert_int_equal(fx_trial(&f, 0).attempt, 1); /* the same hand-out */
    assert_int_equal(fx_trial(&f, 0).lease_expires_ms, f.now.wall_ms + FX_LEASE_MS);
    assert_int_equal(fx_trial(&f, 2).lease_expires_ms, f.now.wall_ms - 1000 + FX_LEASE_MS);
    FX_REFUSED(&f, zo_study_ask(f.s, &nobody, f.now, &f.ev, f.arena, &reply, &f.err), ZO_EINVAL, "/resume");
    fx_restart(&f); /* names of workers are in the log */
    assert_int_equal(fx_ask_args(&f, &(zo_ask_args){.count = 1, .worker = "bob", .resume = true}).numbers[0], 2);
    fx_close(&f);
}

static void after_a_restart_running_trials_have_full_new_leases(void **state)
{
    const zo_study_spec spec = spec_of(ZO_EXPIRY_RETRY, 3);
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 3);
    fx_tell(&f, 1, 1);
    fx_release(&f, 2);
    fx_pass(&f, 10 * FX_LEASE_MS); /* the daemon was down */
    f.now.mono_ms = 17;            /* another boot */
    fx_restart(&f);
    assert_int_equal(zo_study_deadline(f.s), 17 + FX_LEASE_MS);
    assert_int_equal(fx_trial(&f, 0).lease_expires_ms, f.now.wall_ms + FX_LEASE_MS);
    assert_int_equal(fx_tick_after(&f, FX_LEASE_MS - 1), 0);
    assert_int_equal(fx_tick_after(&f, 1), 1); /* trial 0; the released one has none */
    assert_int_equal(fx_ask(&f), 2);
    assert_int_equal(fx_ask(&f), 0);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lease_runs_out_at_its_time_and_not_before),
        cmocka_unit_test(a_retry_keeps_number_and_point_and_goes_before_new_points),
        cmocka_unit_test(after_its_retries_a_trial_has_failed_and_the_solver_knows),
        cmocka_unit_test(without_retries_the_first_expiry_ends_the_trial),
        cmocka_unit_test(a_release_costs_no_retry),
        cmocka_unit_test(a_late_result_is_welcome_once_however_the_lease_ended),
        cmocka_unit_test(the_first_of_two_workers_on_one_trial_wins),
        cmocka_unit_test(a_client_that_abandons_or_fails_a_trial_has_spoken),
        cmocka_unit_test(a_heartbeat_moves_the_expiry_and_leaves_no_event),
        cmocka_unit_test(an_ask_may_bring_its_own_lease),
        cmocka_unit_test(a_tick_ends_what_is_due_and_the_deadline_is_the_least),
        cmocka_unit_test(a_worker_resumes_its_own_running_trials),
        cmocka_unit_test(after_a_restart_running_trials_have_full_new_leases),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
