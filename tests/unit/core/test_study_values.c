/* Values at their edges: what is absent, what is extreme, and by which names they are found. */
#include "study_fx.h"

#include <float.h>

/* A NaN means absent, whatever its sign and payload; the log does not keep them, so nothing may depend on them. */
static void what_is_absent_has_no_bits(void **state)
{
    static const char *const metrics[] = {"hours", "watts"};
    static const uint64_t nans[] = {UINT64_C(0x7ff8000000000000), UINT64_C(0xfff8000000000000),
                                    UINT64_C(0x7ff8dead00000000), UINT64_C(0xfffc000000000001)};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(nans); i++) {
        double absent;
        zo_study_spec spec = fx_spec();
        struct fx f;
        bool stop;
        memcpy(&absent, &nans[i], sizeof absent);
        spec.metrics = metrics;
        spec.n_metrics = 2;
        spec.oracle = ZO_ORACLE_STEPS;
        fx_open(&f, &spec);
        const uint64_t number = fx_ask(&f);
        const double values[] = {1, absent, 2}, std_errors[] = {0.5, absent, absent};
        FX_OK(&f, zo_study_report(f.s, number, 0, values, f.now, &f.ev, &stop, &f.err));
        fx_commit(&f);
        zo_tell_item item = fx_item(number, ZO_TRIAL_COMPLETE, values);
        item.std_errors = std_errors;
        item.cost = absent;
        fx_tell_item(&f, item);
        zo_study_free(fx_replayed(&f)); /* compares the digests */
        fx_close(&f);
    }
}

/* Told values are finite, and so is what the solver hears of them, wherever the bounds are. */
static void a_constraint_missed_by_far_is_still_a_number(void **state)
{
    static const zo_constraint_spec far[] = {
        {.name = "low", .has_upper = true, .upper = -DBL_MAX},
        {.name = "high", .has_lower = true, .lower = DBL_MAX},
        {.name = "band", .has_lower = true, .lower = 1, .has_upper = true, .upper = 3}};
    const double values[] = {0, DBL_MAX, -DBL_MAX, 5}, better[] = {0, 0, 0, 2};
    zo_study_spec spec = fx_spec();
    uint64_t best;
    bool feasible;
    struct fx f;

    (void)state;
    spec.constraints = far;
    spec.n_constraints = 3;
    fx_open(&f, &spec);
    fx_ask_n(&f, 2);
    fx_tell_item(&f, fx_item(0, ZO_TRIAL_COMPLETE, values));
    fx_tell_item(&f, fx_item(1, ZO_TRIAL_COMPLETE, better));
    assert_true(isfinite(spy.told[0].g[0]) && spy.told[0].g[0] > 1e308 && isfinite(spy.told[0].g[1]) &&
                spy.told[0].g[1] > 1e308);
    assert_true(spy.told[0].g[2] == 2 && spy.told[1].g[2] == -1);
    assert_false(spy.told[0].feasible);
    assert_true(zo_study_best(f.s, &best, &feasible) && !feasible);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void values_are_found_by_their_whole_names(void **state)
{
    static const zo_objective_spec objectives[] = {{.name = "loss"}, {.name = "loss2"}};
    static const zo_constraint_spec constraints[] = {{.name = "l", .has_upper = true}};
    static const char *const metrics[] = {"a/b~c"};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.objectives = objectives, spec.n_objectives = 2;
    spec.constraints = constraints, spec.n_constraints = 1;
    spec.metrics = metrics, spec.n_metrics = 1;
    fx_open(&f, &spec);
    static const struct {
        const char *name;
        size_t length, index;
    } cases[] = {
        {"loss", 4, 0},          {"loss2", 5, 1},   {"l", 1, 2},
        {"a/b~c", 5, 3},         {"loss2", 4, 0},   {"los", 3, SIZE_MAX},
        {"loss22", 6, SIZE_MAX}, {"", 0, SIZE_MAX}, {"l\0oss and more than any name here is long", 42, SIZE_MAX},
        {"loss\0", 5, SIZE_MAX},
    };
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        char *name = malloc(cases[i].length + 1); /* of just its length */
        assert_non_null(name);
        memcpy(name, cases[i].name, cases[i].length);
        assert_true(zo_study_value_index(f.s, name, cases[i].length) == cases[i].index);
        free(name);
    }
    for (size_t j = 0; j < zo_study_n_values(f.s); j++)
        assert_true(zo_study_value_index(f.s, zo_study_value_name(f.s, j), strlen(zo_study_value_name(f.s, j))) == j);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_absent_has_no_bits),
        cmocka_unit_test(a_constraint_missed_by_far_is_still_a_number),
        cmocka_unit_test(values_are_found_by_their_whole_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
