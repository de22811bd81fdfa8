/* Rules that end a whole study, with numbers counted by hand; ends with a reason; predictions that stay with their
 * trials. */
#include "study_fx.h"

#include <stdio.h>

/* Ask and tell each of the values. */
static void run(struct fx *f, const double *values, size_t n)
{
    for (size_t i = 0; i < n; i++)
        fx_tell(f, fx_ask(f), values[i]);
}
#define RUN(f, ...) run(f, (const double[]){__VA_ARGS__}, sizeof((const double[]){__VA_ARGS__}) / sizeof(double))

static void stopped_by(struct fx *f, const char *rule, const char *detail)
{
    fx_is(f, ZO_STUDY_DONE, "stop");
    assert_string_equal(zo_study_stopped_by(f->s), rule);
    assert_string_equal(zo_study_end_detail(f->s), detail);
    fx_ask_in_vain(f, ZO_STUDY_DONE, "stop");
    zo_study_free(fx_replayed(f));
}

static void number_is(const zo_stop_verdict *v, const char *name, double value)
{
    for (size_t i = 0; i < v->n; i++)
        if (strcmp(v->numbers[i].name, name) == 0) {
            assert_true(v->numbers[i].value == value);
            return;
        }
    fail_msg("%s has no number %s", v->rule, name);
}

static void the_same_verdicts(const zo_study *a, const zo_study *b)
{
    for (int rule = 0; rule < ZO_STOP_RULES; rule++) {
        zo_stop_verdict x, y;
        zo_study_stopping(a, (zo_stop_rule)rule, &x);
        zo_study_stopping(b, (zo_stop_rule)rule, &y);
        assert_int_equal(x.fires, y.fires);
        assert_string_equal(x.because, y.because);
        assert_int_equal(x.n, y.n);
        for (size_t i = 0; i < x.n; i++)
            assert_true(x.numbers[i].value == y.numbers[i].value);
    }
}

/* The study from its snapshot. */
static zo_study *snapshotted(struct fx *f)
{
    zo_study *s = fx_fresh(f);
    zo_bundle head;
    size_t n_segments;
    uint64_t seq;

    zo_bundle_init(&head);
    FX_OK(f, zo_study_save_head(f->s, 1, &head, &f->err));
    FX_OK(f, zo_study_load_head(s, &head, 1, &n_segments, &seq, &f->err));
    assert_int_equal(n_segments, 0);
    FX_OK(f, zo_study_load_finish(s, &f->err));
    zo_bundle_fini(&head);
    return s;
}

static void a_best_value_that_stands_too_long_ends_the_study(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_NO_IMPROVEMENT] = true}, .trials = 3};
    fx_open(&f, &spec);
    RUN(&f, 5, 4, 4, 4.5); /* an equal value is no better one */
    const uint64_t lost = fx_ask(&f);
    fx_tell_state(&f, lost, ZO_TRIAL_ABANDONED); /* does not count */
    FX_OK(&f, fx_try_import(&f, 100, 1, 4.4));   /* nor does this */
    fx_commit(&f);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    fx_tell_state(&f, fx_ask(&f), ZO_TRIAL_FAILED); /* this does: the third */
    stopped_by(&f, "no_improvement", "no_improvement: the best value has stood for 3 trials, the limit is 3");
    fx_budget(&f, (zo_budget){0}); /* takes it back, and counts anew */
    RUN(&f, 6, 6);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    RUN(&f, 6);
    stopped_by(&f, "no_improvement", "no_improvement: the best value has stood for 3 trials, the limit is 3");
    fx_close(&f);
}

static void a_trial_whose_lease_ran_out_counts_once(void **state)
{
    zo_study_spec spec = fx_spec();
    zo_stop_verdict v;
    struct fx f;

    (void)state;
    spec.retries = 0;
    spec.on_expiry = ZO_EXPIRY_FAIL;
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_NO_IMPROVEMENT] = true}, .trials = 3};
    fx_open(&f, &spec);
    RUN(&f, 4);
    const uint64_t late = fx_ask(&f);
    assert_int_equal(fx_tick_after(&f, FX_LEASE_MS), 1);
    assert_int_equal(fx_state(&f, late), ZO_TRIAL_FAILED);
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    number_is(&v, "trials", 1);
    fx_tell(&f, late, 5); /* it comes all the same */
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    number_is(&v, "trials", 1);
    RUN(&f, 5);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    RUN(&f, 5);
    stopped_by(&f, "no_improvement", "no_improvement: the best value has stood for 3 trials, the limit is 3");
    fx_close(&f);
}

static void without_a_number_the_limit_follows_the_dimensions(void **state)
{
    zo_study_spec spec = fx_spec();
    zo_stop_verdict v;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    number_is(&v, "limit", 100); /* 50 a dimension, of two */
    assert_false(v.on || v.fires);
    fx_close(&f);
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_NO_IMPROVEMENT] = true}, .trials_per_dimension = 1.25};
    fx_open(&f, &spec);
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    number_is(&v, "limit", 3); /* 2.5, rounded up */
    assert_true(v.on);
    fx_close(&f);
}

/* Windows of two trials. The best value after each: 10, 6, 5, 5, 5, so the gains are 4, 1, 0, 0 and the estimates 4,
 * 5/2, 5/4, 5/8. */
static void the_expected_gain_is_the_weighted_mean_of_the_windows(void **state)
{
    zo_study_spec spec = fx_spec();
    zo_stop_verdict v;
    struct fx f;

    (void)state;
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_EXPECTED_IMPROVEMENT] = true}, .below = 1, .window = 2};
    fx_open(&f, &spec);
    RUN(&f, 12, 10, 6, 7);
    zo_study_stopping(f.s, ZO_STOP_EXPECTED_IMPROVEMENT, &v);
    number_is(&v, "windows", 1);
    number_is(&v, "expected", 4);
    RUN(&f, 5, 5);
    zo_study_stopping(f.s, ZO_STOP_EXPECTED_IMPROVEMENT, &v);
    number_is(&v, "expected", 2.5);
    zo_study *same = snapshotted(&f);
    the_same_verdicts(f.s, same);
    zo_study_free(same);
    RUN(&f, 9, 9);
    zo_study_stopping(f.s, ZO_STOP_EXPECTED_IMPROVEMENT, &v);
    number_is(&v, "expected", 1.25);
    RUN(&f, 9);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    RUN(&f, 9);
    stopped_by(&f, "expected_improvement",
               "expected_improvement: the next 2 trials are expected to gain 0.625, the limit is 1");
    fx_close(&f);
}

static void a_value_within_the_gap_ends_a_maximization(void **state)
{
    static const zo_objective_spec profit[] = {{.name = "profit", .maximize = true}};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.objectives = profit;
    spec.budget = (zo_budget){.has_target = true, .target = 10};
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_TARGET_GAP] = true}, .within = 0.5};
    fx_open(&f, &spec);
    RUN(&f, 9, 9.25);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    RUN(&f, 9.5);
    stopped_by(&f, "target_gap", "target_gap: the best value is 0.5 from the target, the limit is 0.5");
    fx_close(&f);
}

/* ---- restarts: a spy that counts some ---- */

static unsigned n_restarts;

static zo_status say_restarts(const void *self, zo_bundle *facts, zo_error *err)
{
    char text[16];

    (void)self;
    snprintf(text, sizeof text, "%u", n_restarts);
    return zo_bundle_set_meta(facts, "restarts", text, err);
}

static void whole_runs_without_a_better_value_end_the_study(void **state)
{
    zo_solver restarting = spy_solver;
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    restarting.describe = say_restarts;
    spec.stopping = (zo_stopping_spec){.on = {[ZO_STOP_RESTARTS] = true}, .runs = 2};
    n_restarts = 0;
    fx_open_with(&f, &spec, &restarting);
    RUN(&f, 5);
    n_restarts = 1;
    RUN(&f, 4); /* the best value is one of the second run */
    n_restarts = 2;
    RUN(&f, 6);
    n_restarts = 3; /* one whole run, the third, has passed */
    RUN(&f, 6);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    n_restarts = 4;
    RUN(&f, 6);
    fx_is(&f, ZO_STUDY_DONE, "stop");
    assert_string_equal(zo_study_end_detail(f.s),
                        "restarts: 2 whole runs since the best value was found, the limit is 2");
    fx_close(&f);
}

/* ---- what is refused ---- */

static void refused(const zo_study_spec *spec, const char *pointer)
{
    zo_study *s = NULL;
    zo_error err = {0};

    assert_int_not_equal(study_new_with(spec, &spy_solver, (zo_now){1, 1}, NULL, &s, &err), ZO_OK);
    assert_string_equal(err.pointer, pointer);
    assert_true(err.message[0]);
}

static void rules_that_can_never_be_judged_are_refused(void **state)
{
    static const zo_objective_spec two[] = {{.name = "a"}, {.name = "b"}};
    zo_study_spec spec = fx_spec();

    (void)state;
    spec.stopping.on[ZO_STOP_TARGET_GAP] = true;
    refused(&spec, "/stop/target_gap");
    spec = fx_spec();
    spec.stopping.on[ZO_STOP_RESTARTS] = true; /* the spy counts no runs */
    refused(&spec, "/stop/restarts");
    spec = fx_spec();
    spec.objectives = two;
    spec.n_objectives = 2;
    spec.stopping.on[ZO_STOP_NO_IMPROVEMENT] = true;
    refused(&spec, "/stop");
}

/* ---- ends that need no rule ---- */

static void a_study_without_any_value_ends_and_says_so(void **state)
{
    static const struct {
        zo_trial_state each;
        zo_study_state end;
        const char *reason, *detail;
    } cases[] = {{ZO_TRIAL_FAILED, ZO_STUDY_STALLED, "stalled",
                  "none of the first 200 trials gave a value: 200 failed, 0 were infeasible"},
                 {ZO_TRIAL_INFEASIBLE, ZO_STUDY_INFEASIBLE, "infeasible",
                  "none of the first 200 trials gave a value: 0 failed, 200 were infeasible"}};

    (void)state;
    for (size_t c = 0; c < ZO_LEN(cases); c++) {
        const zo_study_spec spec = fx_spec();
        struct fx f;
        fx_open(&f, &spec);
        for (int i = 0; i < 200; i++) {
            fx_is(&f, ZO_STUDY_ACTIVE, NULL);
            fx_tell_state(&f, fx_ask(&f), cases[c].each);
        }
        fx_is(&f, cases[c].end, cases[c].reason);
        assert_string_equal(zo_study_end_detail(f.s), cases[c].detail);
        zo_study *same = snapshotted(&f);
        assert_true(zo_study_digest(same) == zo_study_digest(f.s));
        assert_string_equal(zo_study_end_detail(same), cases[c].detail);
        zo_study_free(same);
        fx_budget(&f, (zo_budget){0}); /* taken up again: to the double */
        for (int i = 200; i < 400; i++)
            fx_tell_state(&f, fx_ask(&f), cases[c].each);
        fx_is(&f, cases[c].end, cases[c].reason);
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
}

static void a_solver_that_gives_up_says_why(void **state)
{
    static const struct {
        zo_verdict verdict;
        zo_study_state end;
        const char *reason;
    } cases[] = {{ZO_ASK_STALLED, ZO_STUDY_STALLED, "stalled"},
                 {ZO_ASK_INFEASIBLE, ZO_STUDY_INFEASIBLE, "infeasible"},
                 {ZO_ASK_DONE, ZO_STUDY_DONE, "converged"}};

    (void)state;
    for (size_t c = 0; c < ZO_LEN(cases); c++) {
        const zo_study_spec spec = fx_spec();
        struct fx f;
        fx_open(&f, &spec);
        RUN(&f, 1);
        spy.verdict = cases[c].verdict;
        spy.why = "the mesh is fine enough";
        const zo_ask_reply reply = fx_ask_n(&f, 1);
        assert_int_equal(reply.n, 0);
        assert_string_equal(reply.reason, cases[c].reason);
        assert_string_equal(reply.detail, "the mesh is fine enough");
        fx_is(&f, cases[c].end, cases[c].reason);
        spy.verdict = ZO_ASK_OK;
        zo_study_free(fx_replayed(&f));
        fx_budget(&f, (zo_budget){0});
        assert_null(zo_study_end_detail(f.s));
        RUN(&f, 2);
        fx_close(&f);
    }
}

/* ---- predictions ---- */

static void a_prediction_stays_with_its_trial_in_the_client_s_sign(void **state)
{
    static const zo_objective_spec profit[] = {{.name = "profit", .maximize = true}};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.objectives = profit;
    fx_open(&f, &spec);
    const uint64_t none = fx_ask(&f);
    spy.predicts = true;
    spy.predicted = -2.5; /* to be minimized */
    const uint64_t one = fx_ask(&f);
    spy.predicted = INFINITY; /* no number */
    const uint64_t infinite = fx_ask(&f);
    const uint64_t queued = fx_enqueue(&f, 1, 0.5);
    assert_int_equal(fx_ask(&f), queued);

    zo_study *const studies[] = {f.s, fx_replayed(&f), snapshotted(&f)};
    for (size_t i = 0; i < ZO_LEN(studies); i++) {
        zo_trial t;
        assert_true(zo_study_trial(studies[i], one, &t) && t.predicted == 2.5);
        assert_true(zo_study_trial(studies[i], none, &t) && isnan(t.predicted));
        assert_true(zo_study_trial(studies[i], infinite, &t) && isnan(t.predicted));
        assert_true(zo_study_trial(studies[i], queued, &t) && isnan(t.predicted));
        assert_true(zo_study_digest(studies[i]) == zo_study_digest(f.s));
        if (i > 0)
            zo_study_free(studies[i]);
    }
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_best_value_that_stands_too_long_ends_the_study),
        cmocka_unit_test(a_trial_whose_lease_ran_out_counts_once),
        cmocka_unit_test(without_a_number_the_limit_follows_the_dimensions),
        cmocka_unit_test(the_expected_gain_is_the_weighted_mean_of_the_windows),
        cmocka_unit_test(a_value_within_the_gap_ends_a_maximization),
        cmocka_unit_test(whole_runs_without_a_better_value_end_the_study),
        cmocka_unit_test(rules_that_can_never_be_judged_are_refused),
        cmocka_unit_test(a_study_without_any_value_ends_and_says_so),
        cmocka_unit_test(a_solver_that_gives_up_says_why),
        cmocka_unit_test(a_prediction_stays_with_its_trial_in_the_client_s_sign),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
