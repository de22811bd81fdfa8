/* What a study tells its solver and its readers of results: signs, constraints, outcomes, the best trial and the Pareto front. */
#include "study_fx.h"

static const zo_objective_spec gain[] = {{.name = "gain", .maximize = true}};
static const zo_objective_spec many[] = {{.name = "a"}, {.name = "b", .maximize = true}, {.name = "c"}};
static const zo_constraint_spec limits[] = {{.name = "size", .has_upper = true, .upper = 10},
                                            {.name = "speed", .has_upper = true, .upper = 4, .has_lower = true, .lower = 2}};

static void the_solver_minimizes_whatever_the_client_does(void **state)
{
    zo_study_spec spec = fx_spec();
    uint64_t best;
    bool feasible;
    struct fx f;

    (void)state;
    spec.objectives = gain;
    fx_open(&f, &spec);
    fx_ask_n(&f, 3);
    fx_tell(&f, 0, 1);
    fx_tell(&f, 1, 5);
    fx_tell(&f, 2, 0);
    assert_true(spy.told[0].f[0] == -1 && spy.told[1].f[0] == -5);
    assert_true(spy.told[2].f[0] == 0 && !signbit(spy.told[2].f[0]));
    assert_true(fx_trial(&f, 1).values[0] == 5); /* readers see the client's sign */
    assert_true(zo_study_best(f.s, &best, &feasible) && feasible);
    assert_int_equal(best, 1);
    fx_close(&f);
}

static void every_outcome_reaches_the_solver_once_and_only_values_carry_values(void **state)
{
    static const struct {
        zo_trial_state state;
        zo_outcome told;
    } ends[] = {{ZO_TRIAL_COMPLETE, ZO_TOLD_COMPLETE},
                {ZO_TRIAL_INFEASIBLE, ZO_TOLD_INFEASIBLE},
                {ZO_TRIAL_FAILED, ZO_TOLD_FAILED},
                {ZO_TRIAL_STOPPED, ZO_TOLD_STOPPED},
                {ZO_TRIAL_ABANDONED, ZO_TOLD_ABANDONED}};
    const zo_study_spec spec = fx_spec();
    const double value = 3, error = 0.5;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (size_t i = 0; i < ZO_LEN(ends); i++) {
        zo_tell_item item = fx_item(fx_ask(&f), ends[i].state, i ? NULL : &value);
        item.std_errors = i ? NULL : &error;
        fx_tell_item(&f, item);
        fx_tell_item(&f, item); /* again: nothing new for the solver either */
        assert_int_equal(spy.n, i + 1);
        const struct spy_told *t = &spy.told[i];
        const zo_trial trial = fx_trial(&f, i);
        assert_int_equal(t->outcome, ends[i].told);
        assert_true(t->own && t->number == i && t->memo == i + 1000);
        assert_int_equal(t->has_values, i == 0);
        assert_true(fabs(t->x[0] - (trial.v[0] + 5) / 10) < 1e-15 && t->x[1] == trial.v[1]);
    }
    assert_true(spy.told[0].has_stderr && spy.told[0].f_stderr[0] == 0.5);
    fx_close(&f);
}

static void a_stopped_trials_last_report_is_its_value(void **state)
{
    zo_study_spec spec = fx_spec();
    bool stop, feasible;
    uint64_t best;
    struct fx f;

    (void)state;
    spec.oracle = ZO_ORACLE_STEPS;
    fx_open(&f, &spec);
    fx_ask(&f);
    for (uint64_t step = 1; step <= 20; step++) {
        const double value = 10.0 / (double)step;
        FX_OK(&f, zo_study_report(f.s, 0, step, &value, f.now, &f.ev, &stop, &f.err));
        assert_false(stop);
    }
    fx_commit(&f);
    fx_tell_state(&f, 0, ZO_TRIAL_STOPPED);
    assert_true(spy.told[0].has_values && spy.told[0].f[0] == 0.5);
    assert_true(fx_trial(&f, 0).values[0] == 0.5);
    assert_int_equal(fx_tell_state(&f, 0, ZO_TRIAL_STOPPED), 0);
    assert_false(zo_study_best(f.s, &best, &feasible)); /* best is of complete trials */
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void steps_of_reports_rise_and_repeat_their_answer(void **state)
{
    const double one = 1, two = 2, nan = NAN;
    zo_study_spec spec = fx_spec();
    zo_report r;
    bool stop = true;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask(&f);
    FX_REFUSED(&f, zo_study_report(f.s, 0, 1, &one, f.now, &f.ev, &stop, &f.err), ZO_EUNSUPPORTED, "");
    fx_close(&f);
    spec.oracle = ZO_ORACLE_STEPS;
    fx_open(&f, &spec);
    fx_ask(&f);
    FX_OK(&f, zo_study_report(f.s, 0, 5, &one, f.now, &f.ev, &stop, &f.err));
    assert_int_equal(fx_commit(&f), 1);
    fx_pass(&f, 1000);
    FX_OK(&f, zo_study_report(f.s, 0, 9, &two, f.now, &f.ev, &stop, &f.err));
    assert_int_equal(fx_commit(&f), 1);
    assert_int_equal(fx_trial(&f, 0).lease_expires_ms, f.now.wall_ms + FX_LEASE_MS); /* who reports is alive */
    FX_OK(&f, zo_study_report(f.s, 0, 5, &one, f.now, &f.ev, &stop, &f.err));
    assert_int_equal(fx_commit(&f), 0);
    FX_REFUSED(&f, zo_study_report(f.s, 0, 5, &two, f.now, &f.ev, &stop, &f.err), ZO_ECONFLICT, "/step");
    FX_REFUSED(&f, zo_study_report(f.s, 0, 7, &two, f.now, &f.ev, &stop, &f.err), ZO_ECONFLICT, "/step");
    FX_REFUSED(&f, zo_study_report(f.s, 0, 10, &nan, f.now, &f.ev, &stop, &f.err), ZO_EINVAL, "/values/loss");
    FX_REFUSED(&f, zo_study_report(f.s, 1, 1, &one, f.now, &f.ev, &stop, &f.err), ZO_ENOTFOUND, "");
    assert_true(zo_study_trial_report(f.s, 0, 1, &r) && r.step == 9 && r.values[0] == 2 && !r.stop);
    assert_false(zo_study_trial_report(f.s, 0, 2, &r));
    fx_release(&f, 0);
    FX_REFUSED(&f, zo_study_report(f.s, 0, 10, &two, f.now, &f.ev, &stop, &f.err), ZO_ECONFLICT, "");
    fx_ask(&f); /* the next attempt reports from its first step on */
    FX_OK(&f, zo_study_report(f.s, 0, 1, &two, f.now, &f.ev, &stop, &f.err));
    fx_commit(&f);
    assert_int_equal(fx_trial(&f, 0).n_reports, 1);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void constraints_make_feasible_and_least_infeasible(void **state)
{
    /* loss, size <= 10, 2 <= speed <= 4; excess of each; which trial is the best so far */
    static const struct {
        double values[3], g[2];
        uint64_t best;
        bool feasible;
    } rows[] = {
        {{1, 15, 3}, {5, -1}, 0, false},  {{9, 11, 5}, {1, 1}, 1, false},  {{0, 10, 0}, {0, 2}, 1, false}, /* equal: first stays */
        {{50, 10, 4}, {0, 0}, 3, true},   {{60, 0, 3}, {-10, -1}, 3, true}, {{40, 9, 2}, {-1, 0}, 5, true},
        {{40, 1, 3}, {-9, -1}, 5, true},  {{1, 10.5, 3}, {0.5, -1}, 5, true},
    };
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.constraints = limits;
    spec.n_constraints = 2;
    fx_open(&f, &spec);
    for (size_t i = 0; i < ZO_LEN(rows); i++) {
        uint64_t best = 99;
        bool feasible;
        fx_tell_item(&f, fx_item(fx_ask(&f), ZO_TRIAL_COMPLETE, rows[i].values));
        const bool holds = rows[i].g[0] <= 0 && rows[i].g[1] <= 0;
        assert_true(spy.told[i].g[0] == rows[i].g[0] && spy.told[i].g[1] == rows[i].g[1]);
        assert_int_equal(spy.told[i].feasible, holds);
        assert_int_equal(fx_trial(&f, i).feasible, holds);
        assert_int_equal(fx_trial(&f, i).state, ZO_TRIAL_COMPLETE);
        assert_true(zo_study_best(f.s, &best, &feasible));
        assert_int_equal(best, rows[i].best);
        assert_int_equal(feasible, rows[i].feasible);
    }
    fx_close(&f);
}

/* ---- the front ---- */

struct point {
    double f[3]; /* less is better */
    bool feasible;
};

/* First of equals, and beaten by none. */
static bool on_front(const struct point *p, size_t n, size_t i, size_t m)
{
    for (size_t k = 0; k < n; k++) {
        bool covers = p[k].feasible && k != i, same = true;
        for (size_t j = 0; j < m; j++) {
            covers = covers && p[k].f[j] <= p[i].f[j];
            same = same && p[k].f[j] == p[i].f[j];
        }
        if (covers && (!same || k < i))
            return false;
    }
    return p[i].feasible;
}

static void front_against_brute_force(size_t m, uint64_t grid, uint64_t seed)
{
    enum { N = 150 };
    zo_study_spec spec = fx_spec();
    zo_portable1 g = zo_portable1_make(seed);
    struct point points[N];
    struct fx f;

    spec.objectives = many;
    spec.n_objectives = m;
    spec.constraints = limits;
    spec.n_constraints = 1;
    fx_open(&f, &spec);
    for (size_t i = 0; i < N; i++) {
        double values[4];
        const uint64_t *front;
        size_t k = 0;
        points[i].feasible = zo_portable1_u64(&g) % 5;
        for (size_t j = 0; j < m; j++) {
            points[i].f[j] = (double)(zo_portable1_u64(&g) % grid) - 3;
            values[j] = many[j].maximize ? -points[i].f[j] : points[i].f[j];
        }
        values[m] = points[i].feasible ? 10 : 11;
        fx_tell_item(&f, fx_item(fx_ask(&f), ZO_TRIAL_COMPLETE, values));
        const size_t n = zo_study_pareto(f.s, &front);
        for (size_t t = 0; t <= i; t++)
            if (on_front(points, i + 1, t, m)) {
                assert_true(k < n);
                assert_int_equal(front[k], t);
                k++;
            }
        assert_int_equal(k, n);
    }
    assert_false(zo_study_best(f.s, &(uint64_t){0}, NULL));
    fx_close(&f);
}

static void the_front_is_what_brute_force_finds(void **state)
{
    (void)state;
    for (size_t m = 2; m <= 3; m++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            front_against_brute_force(m, 6, seed); /* many equal coordinates */
            front_against_brute_force(m, 1 << 30, seed);
        }
}

static void the_front_of_one_objective_is_the_best(void **state)
{
    const zo_study_spec spec = fx_spec();
    const uint64_t *front;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    assert_int_equal(zo_study_pareto(f.s, &front), 0);
    fx_ask_n(&f, 2);
    fx_tell(&f, 0, 2);
    fx_tell(&f, 1, 1);
    assert_int_equal(zo_study_pareto(f.s, &front), 1);
    assert_int_equal(front[0], 1);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_solver_minimizes_whatever_the_client_does),
        cmocka_unit_test(every_outcome_reaches_the_solver_once_and_only_values_carry_values),
        cmocka_unit_test(a_stopped_trials_last_report_is_its_value),
        cmocka_unit_test(steps_of_reports_rise_and_repeat_their_answer),
        cmocka_unit_test(constraints_make_feasible_and_least_infeasible),
        cmocka_unit_test(the_front_is_what_brute_force_finds),
        cmocka_unit_test(the_front_of_one_objective_is_the_best),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
