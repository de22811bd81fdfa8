/* Every allocation of every command fails once: the command is refused and nothing has changed, or it is done. */
#include "study_fx.h"

#include <stdio.h>

#include "fault/fault.h"

static const zo_objective_spec two[] = {{.name = "a"}, {.name = "b", .maximize = true}};
static const zo_param_spec levels[] = {{.name = "n", .type = ZO_INT, .low = 0, .high = 60}};

/* ---- creation ---- */

static void creating_a_study_survives_every_failed_allocation(void **state)
{
    static const char *const solvers[] = {"random", "sobol", "cma-es"};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(solvers); i++) {
        const zo_named popsize = {"popsize", {.kind = ZO_NUMBER, .integral = true, .number = 8}};
        zo_study_spec spec = fx_spec();
        zo_status rc = ZO_ENOMEM;
        uint64_t k = 0;
        spec.solver = solvers[i];
        spec.oracle = ZO_ORACLE_STEPS;
        spec.stop_rule = "median";
        if (i == 2)
            spec.options = &popsize, spec.n_options = 1, spec.oracle = ZO_ORACLE_VALUE, spec.stop_rule = NULL;
        while (rc != ZO_OK) {
            zo_study *s = NULL;
            zo_events ev = {0};
            zo_error err = {0};
            zo_fault_alloc_arm(++k, false);
            rc = zo_study_new(&spec, (zo_now){1, 1}, &ev, &s, &err);
            assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK);
            if (rc != ZO_OK)
                assert_true(rc == ZO_ENOMEM && err.code == rc && !s && ev.n == 0);
            zo_study_free(s);
            zo_events_fini(&ev);
        }
        assert_true(k > 10);
    }
}

/* ---- commands ---- */

typedef zo_status command(struct fx *f, size_t k);

/* The command with its first allocation failing, then its second, until none fails; ends with the command done. A tell that the solver
 * had no memory for is owed; the study with its debt paid is the one that had memory. */
static void sweep(struct fx *f, command *run, size_t k)
{
    zo_status rc = ZO_ENOMEM;

    for (uint64_t at = 1; rc != ZO_OK; at++) {
        const uint64_t digest = zo_study_digest(f->s), seq = zo_study_seq(f->s);
        f->err = (zo_error){0};
        zo_fault_alloc_arm(at, false);
        rc = run(f, k);
        const bool struck = zo_fault_alloc_disarm();
        if (rc != ZO_OK) {
            assert_true(struck);
            assert_int_equal(rc, ZO_ENOMEM);
            assert_int_equal(f->err.code, ZO_ENOMEM);
            assert_int_equal(f->ev.n, 0);
            assert_int_equal(zo_study_seq(f->s), seq);
            assert_true(zo_study_digest(f->s) == digest);
        }
    }
    fx_commit(f);
    FX_OK(f, solver_pay(f->s, &f->err));
}

static zo_status ask_some(struct fx *f, size_t k)
{
    char worker[32];
    zo_ask_reply reply;

    (void)snprintf(worker, sizeof worker, "worker %zu", k);
    const zo_ask_args args = {.count = 3, .worker = worker};
    const zo_status rc = zo_study_ask(f->s, &args, f->now, &f->ev, f->arena, &reply, &f->err);
    assert_true(rc != ZO_OK || reply.n > 0 || f->s->ended != END_NONE);
    return rc;
}

static zo_status tell_some(struct fx *f, size_t k)
{
    const double values[] = {(double)(k % 7), (double)(k % 5)}, std_errors[] = {1, 1};
    double v[] = {0, 0};
    zo_tell_item items[3];

    for (size_t i = 0; i < 2; i++) {
        items[i] = fx_item(3 * k + i, i ? ZO_TRIAL_COMPLETE : ZO_TRIAL_FAILED, i ? values : NULL);
        items[i].reason = "because";
        items[i].metadata = "{}";
        items[i].std_errors = i ? std_errors : NULL;
        items[i].worker = "another";
    }
    items[2] = fx_item(0, ZO_TRIAL_COMPLETE, values);
    items[2].by_number = false;
    items[2].v = v;
    items[2].origin = ZO_ORIGIN_IMPORT;
    items[2].has_import_number = true;
    items[2].import_number = 100000 + 5000 * k;
    return fx_try_tell(f, items, k == 9 ? 3 : 2, NULL);
}

static zo_status enqueue_some(struct fx *f, size_t k)
{
    const double v[] = {(double)(k % 3), 0.5}, *const points[] = {v, v};
    static const char *const notes[] = {"note", NULL};
    uint64_t numbers[2];

    return zo_study_enqueue(f->s, points, notes, 2, f->now, &f->ev, numbers, &f->err);
}

static zo_status report_some(struct fx *f, size_t k)
{
    const double values[] = {(double)k, 1};
    bool stop;

    return zo_study_report(f->s, 0, k, values, f->now, &f->ev, &stop, &f->err);
}

static zo_status release_some(struct fx *f, size_t k)
{
    return zo_study_release(f->s, 3 * k + 2, f->now, &f->ev, &f->err);
}

static zo_status expire_some(struct fx *f, size_t k)
{
    (void)k;
    return zo_study_tick(f->s, f->now, &f->ev, &f->err);
}

static zo_status pause_some(struct fx *f, size_t k)
{
    return zo_study_patch(f->s, &(zo_patch){.has_paused = true, .paused = k % 2}, f->now, &f->ev, &f->err);
}

static zo_status withdraw_some(struct fx *f, size_t k)
{
    return zo_study_withdraw(f->s, zo_study_n_trials(f->s) - 1 - k, f->now, &f->ev, &f->err);
}

static zo_status rebase_some(struct fx *f, size_t k)
{
    (void)k;
    return zo_study_rebase(f->s, "test", 1, f->now, &f->ev, &f->err);
}

/* Two trials that were told; k at a time, so that none is named twice. */
static zo_status forget_some(struct fx *f, size_t k)
{
    return zo_study_forget(f->s, (uint64_t[]){3 * k + 1, 3 * k}, 2, k, f->now, &f->ev, &f->err);
}

static void sweep_course(const zo_study_spec *spec, const zo_solver *def)
{
    struct fx f;

    fx_open_with(&f, spec, def);
    zo_events_fini(&f.ev);
    for (size_t k = 0; k < 10 && f.s->ended == END_NONE; k++) {
        /* each round has three new trials: 3 k, 3 k + 1, 3 k + 2 */
        sweep(&f, ask_some, k);
        while (zo_study_n_trials(f.s) < 3 * (k + 1)) /* the failed allocation may have come after the first of three */
            fx_ask(&f);
        if (k == 0 && spec->oracle == ZO_ORACLE_STEPS)
            for (size_t step = 1; step < 20; step++)
                sweep(&f, report_some, step);
        sweep(&f, tell_some, k);
        if (k < 9) {
            sweep(&f, release_some, k);
            assert_int_equal(fx_ask(&f), 3 * k + 2);
        }
        sweep(&f, pause_some, 1);
        sweep(&f, pause_some, 0);
        zo_events_fini(&f.ev);
    }
    sweep(&f, enqueue_some, 1);
    sweep(&f, withdraw_some, 0);
    fx_pass(&f, FX_LEASE_MS);
    sweep(&f, expire_some, 0);
    assert_true(zo_study_counts(f.s).by_state[ZO_TRIAL_RUNNING] == 0);
    zo_study_free(fx_replayed(&f)); /* and the log tells the same story as the memory that was hard to get */
    sweep(&f, rebase_some, 0);
    zo_study *s = fx_fresh(&f);
    zo_study_begin_data_replay(s, f.n_log);
    fx_replay_into(&f, s, f.n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    zo_study_free(s);
    zo_events_fini(&f.ev);
    sweep(&f, forget_some, 1);
    sweep(&f, forget_some, 0);
    s = fx_fresh(&f);
    zo_study_begin_data_replay(s, f.n_log);
    fx_replay_into(&f, s, f.n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    zo_study_free(s);
    fx_close(&f);
}

static void commands_survive_every_failed_allocation(void **state)
{
    static const char *const solvers[] = {NULL, "random", "sobol", "cma-es"};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(solvers); i++) {
        zo_study_spec spec = fx_spec();
        spec.solver = solvers[i];
        if (!solvers[i]) {
            spec.oracle = ZO_ORACLE_STEPS;
            spec.stop_rule = "asha";
        }
        sweep_course(&spec, solvers[i] ? NULL : &spy_solver);
    }
}

static void commands_of_a_front_and_of_avoided_duplicates_survive_too(void **state)
{
    zo_study_spec spec = fx_spec();

    (void)state;
    spec.objectives = two;
    spec.n_objectives = 2;
    sweep_course(&spec, &spy_solver);
    spec = fx_spec();
    spec.space = (zo_space_spec){.params = levels, .n_params = 1};
    spec.duplicates = ZO_DUPLICATES_AVOID;
    sweep_course(&spec, &spy_solver);
}

/* ---- replay ---- */

static void replay_without_memory_says_so_and_can_go_on(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (size_t k = 0; k < 8; k++) {
        assert_int_equal(ask_some(&f, k), ZO_OK);
        fx_commit(&f);
        assert_int_equal(tell_some(&f, k), ZO_OK);
        assert_int_equal(release_some(&f, k), ZO_OK);
        fx_commit(&f);
        fx_ask(&f);
    }
    assert_int_equal(enqueue_some(&f, 1), ZO_OK);
    fx_commit(&f);
    fx_tick_after(&f, FX_LEASE_MS);
    zo_study *s = fx_fresh(&f);
    for (size_t i = 0; i < f.n_log; i++) {
        zo_status rc = ZO_ENOMEM;
        for (uint64_t at = 1; rc != ZO_OK; at++) {
            zo_error err = {0};
            zo_fault_alloc_arm(at, false);
            rc = zo_study_replay(s, &f.log[i], &err);
            const bool struck = zo_fault_alloc_disarm();
            assert_true(rc == ZO_OK || (struck && rc == ZO_ENOMEM && err.code == ZO_ENOMEM));
        }
    }
    FX_OK(&f, solver_pay(s, &f.err));
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    zo_study_free(s);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(creating_a_study_survives_every_failed_allocation),
        cmocka_unit_test(commands_survive_every_failed_allocation),
        cmocka_unit_test(commands_of_a_front_and_of_avoided_duplicates_survive_too),
        cmocka_unit_test(replay_without_memory_says_so_and_can_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
