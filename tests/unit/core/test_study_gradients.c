/* Gradients told with values: what is taken, what the solver hears of it, and that nothing of it is lost. */
#include "study_fx.h"

static const zo_param_spec space[] = {{.name = "rate", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 10},
                                      {.name = "w", .type = ZO_VECTOR, .size = 2, .low = -1, .high = 3}};
static const zo_objective_spec goals[] = {{.name = "loss"}, {.name = "gain", .maximize = true}};
static const zo_constraint_spec limits[] = {
    {.name = "size", .has_upper = true, .upper = 2, .has_lower = true, .lower = -1}};
static const char *const metrics[] = {"hours"};
enum { N = 3, ROWS = 3 };
static const double whole[ROWS * N] = {1, 2, 3, -4, 5, -6, 0.5, 0, 7};

static zo_study_spec gradient_spec(void)
{
    zo_study_spec spec = fx_spec();

    spec.space = (zo_space_spec){.params = space, .n_params = ZO_LEN(space)};
    spec.objectives = goals;
    spec.n_objectives = ZO_LEN(goals);
    spec.constraints = limits;
    spec.n_constraints = ZO_LEN(limits);
    spec.metrics = metrics;
    spec.n_metrics = 1;
    spec.oracle = ZO_ORACLE_GRADIENT;
    return spec;
}

static void open_gradients(struct fx *f)
{
    const zo_study_spec spec = gradient_spec();

    fx_open(f, &spec);
}

static zo_tell_item item_of(uint64_t number, const double *values, const double *gradients)
{
    zo_tell_item item = fx_item(number, ZO_TRIAL_COMPLETE, values);

    item.gradients = gradients;
    return item;
}

static const struct spy_told *last_told(void)
{
    assert_true(spy.n > 0);
    return &spy.told[(spy.n - 1) % FX_LOG];
}

static void assert_row(const double *got, double a, double b, double c)
{
    const double expected[] = {a, b, c};

    for (size_t i = 0; i < N; i++)
        assert_true(fabs(got[i] - (expected[i])) <= 1e-12 * (1 + fabs(expected[i])));
}

static void the_solver_hears_derivatives_by_unit_coordinates_to_be_minimized(void **state)
{
    const double values[] = {1, 2, 0.75, NAN}; /* of size, the upper bound is the nearer one */
    const double v[] = {0.1, 0, 1}, d_rate = 0.1 * log(1e4);
    zo_tell_item item = item_of(0, values, whole);
    struct fx f;

    (void)state;
    open_gradients(&f);
    item.by_number = false;
    item.v = v;
    item.origin = ZO_ORIGIN_CLIENT;
    fx_tell_item(&f, item);
    const struct spy_told *t = last_told();
    assert_true(t->has_df && t->has_dg);
    assert_row(t->df, 1 * d_rate, 2 * 4, 3 * 4);
    assert_row(t->df + N, 4 * d_rate, -5 * 4, 6 * 4); /* gain is maximized */
    assert_row(t->dg, 0.5 * d_rate, 0, 7 * 4);
    fx_close(&f);
}

static void a_lower_bound_turns_the_sign_of_its_constraint(void **state)
{
    const double values[] = {1, 2, -0.5, NAN};
    struct fx f;

    (void)state;
    open_gradients(&f);
    const uint64_t number = fx_ask(&f);
    fx_tell_item(&f, item_of(number, values, whole));
    const struct spy_told *t = last_told();
    assert_true(fabs(t->g[0] - (-0.5)) <= 1e-12); /* lower - value */
    assert_true(fabs(t->dg[2] - (-7 * 4)) <= 1e-12);
    assert_true(t->dg[1] == 0 && !signbit(t->dg[1]));
    fx_close(&f);
}

static void gradients_of_constraints_may_be_left_out(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    double some[ROWS * N];
    struct fx f;

    (void)state;
    memcpy(some, whole, sizeof some);
    some[6] = some[7] = some[8] = NAN;
    open_gradients(&f);
    fx_tell_item(&f, item_of(fx_ask(&f), values, some));
    assert_true(last_told()->has_df && !last_told()->has_dg);
    fx_close(&f);
}

static void trials_without_a_value_have_no_gradient(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    struct fx f;

    (void)state;
    open_gradients(&f);
    fx_ask_n(&f, 4);
    fx_tell_state(&f, 0, ZO_TRIAL_FAILED);
    assert_false(last_told()->has_df || last_told()->has_dg);
    zo_tell_item item = fx_item(1, ZO_TRIAL_INFEASIBLE, NULL);
    item.gradients = whole;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/gradients");
    item = item_of(1, values, NULL);
    item.state = ZO_TRIAL_STOPPED; /* may have one or not */
    fx_tell_item(&f, item);
    assert_true(last_told()->has_values && !last_told()->has_df);
    item.number = 2;
    item.gradients = whole;
    fx_tell_item(&f, item);
    assert_true(last_told()->has_values && last_told()->has_df);
    item.number = 3;
    item.values = NULL;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/gradients/loss");
    fx_close(&f);
}

static void a_complete_trial_needs_whole_and_finite_gradients_of_all_objectives(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    double g[ROWS * N];
    struct fx f;

    (void)state;
    open_gradients(&f);
    const uint64_t number = fx_ask(&f);
    const zo_tell_item item = item_of(number, values, g), bare = item_of(number, values, NULL);
    FX_REFUSED(&f, fx_try_tell(&f, &bare, 1, NULL), ZO_EINVAL, "/gradients/loss");
    memcpy(g, whole, sizeof g);
    g[3] = g[4] = g[5] = NAN;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/gradients/gain");
    for (size_t i = 0; i < ROWS * N; i++) {
        static const char *const at[] = {"/gradients/loss", "/gradients/gain", "/gradients/size"};
        memcpy(g, whole, sizeof g);
        g[i] = NAN;
        FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, at[i / N]);
        g[i] = i % 2 ? INFINITY : -INFINITY;
        FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, at[i / N]);
    }
    memcpy(g, whole, sizeof g);
    assert_int_equal(fx_tell_item(&f, item), 1);
    fx_close(&f);
}

static void other_oracles_take_no_gradients(void **state)
{
    const zo_study_spec spec = fx_spec();
    const double value = 1, gradient[] = {1, 2}, nothing[] = {NAN, NAN};
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    zo_tell_item item = item_of(fx_ask(&f), &value, gradient);
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/gradients");
    item.gradients = nothing;
    FX_REFUSED(&f, fx_try_tell(&f, &item, 1, NULL), ZO_EINVAL, "/gradients");
    fx_close(&f);
}

static void the_same_gradients_again_make_no_event_and_others_are_refused(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    double other[ROWS * N], fewer[ROWS * N];
    struct fx f;

    (void)state;
    memcpy(other, whole, sizeof other);
    other[8] = nextafter(other[8], 0);
    memcpy(fewer, whole, sizeof fewer);
    fewer[6] = fewer[7] = fewer[8] = NAN;
    open_gradients(&f);
    const uint64_t number = fx_ask(&f);
    zo_tell_item twice[] = {item_of(number, values, whole), item_of(number, values, other)};
    FX_REFUSED(&f, fx_try_tell(&f, twice, 2, NULL), ZO_ECONFLICT, "/trial"); /* in one batch */
    twice[1].gradients = whole;
    FX_OK(&f, fx_try_tell(&f, twice, 2, NULL));
    assert_int_equal(fx_commit(&f), 1);
    assert_int_equal(fx_tell_item(&f, twice[0]), 0);
    twice[1].gradients = other;
    FX_REFUSED(&f, fx_try_tell(&f, &twice[1], 1, NULL), ZO_ECONFLICT, "/trial");
    twice[1].gradients = fewer;
    FX_REFUSED(&f, fx_try_tell(&f, &twice[1], 1, NULL), ZO_ECONFLICT, "/trial");
    fx_close(&f);
}

static void a_trial_shows_the_gradients_as_they_were_told(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    struct fx f;
    zo_trial t;

    (void)state;
    open_gradients(&f);
    fx_ask_n(&f, 2);
    fx_tell_item(&f, item_of(0, values, whole));
    assert_true(zo_study_trial(f.s, 0, &t));
    assert_non_null(t.gradients);
    assert_memory_equal(t.gradients, whole, sizeof whole);
    assert_true(zo_study_trial(f.s, 1, &t));
    assert_null(t.gradients);
    fx_close(&f);
}

/* The log told again, with and without the solver's help. */
static void a_replayed_study_hears_the_same_gradients(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    double g[ROWS * N];
    struct fx f;

    (void)state;
    open_gradients(&f);
    for (size_t k = 0; k < 6; k++) {
        memcpy(g, whole, sizeof g);
        g[k] = (double)k;
        if (k % 2)
            g[6] = g[7] = g[8] = NAN;
        fx_tell_item(&f, item_of(fx_ask(&f), values, g));
    }
    const size_t n = spy.n;
    struct spy_told before[6];
    assert_int_equal(n, 6);
    memcpy(before, spy.told, sizeof before);
    zo_study *again = fx_replayed(&f); /* compares the digests */
    assert_int_equal(spy.n, 2 * n);
    assert_memory_equal(spy.told + n, before, sizeof before);
    FX_OK(&f, zo_study_rebase(again, "test", 1, f.now, &f.ev, &f.err));
    zo_events_clear(&f.ev);
    assert_int_equal(spy.n, 3 * n);
    for (size_t k = 0; k < n; k++) {
        assert_memory_equal(spy.told[2 * n + k].df, before[k].df, sizeof before[k].df);
        assert_memory_equal(spy.told[2 * n + k].dg, before[k].dg, sizeof before[k].dg);
        assert_false(spy.told[2 * n + k].own);
    }
    zo_study_free(again);
    fx_close(&f);
}

static void a_logged_gradient_that_does_not_fit_the_study_is_damage(void **state)
{
    const double values[] = {1, 2, 0, NAN};
    zo_study_spec spec = gradient_spec();
    struct fx f, other;

    (void)state;
    open_gradients(&f);
    fx_tell_item(&f, item_of(fx_ask(&f), values, whole));
    spec.oracle = ZO_ORACLE_VALUE;
    fx_open(&other, &spec);
    FX_OK(&other, zo_study_replay(other.s, &f.log[1], &other.err));
    assert_int_equal(zo_study_replay(other.s, &f.log[2], &other.err), ZO_EMALFORMED);
    fx_close(&other);
    fx_close(&f);
}

#define REFUSED_SPACE(at, ...)                                                                                         \
    do {                                                                                                               \
        const zo_param_spec params[] = {{.name = "x", .type = ZO_FLOAT, .low = 0, .high = 1}, __VA_ARGS__};            \
        zo_study_spec spec = gradient_spec();                                                                          \
        zo_study *s = NULL;                                                                                            \
        zo_error err = {0};                                                                                            \
        spec.space = (zo_space_spec){.params = params, .n_params = ZO_LEN(params)};                                    \
        spec.solver = "random";                                                                                        \
        assert_int_equal(zo_study_new(&spec, (zo_now){0}, NULL, &s, &err), ZO_EUNSUPPORTED);                           \
        assert_string_equal(err.pointer, at);                                                                          \
    } while (0)

static void the_space_of_gradients_is_real_and_unconditional(void **state)
{
    static const zo_scalar words[] = {{.kind = ZO_STRING, .string = "a"}, {.kind = ZO_STRING, .string = "b"}};
    static const zo_scalar one = {.kind = ZO_NUMBER, .number = 1};
    static const zo_when when[] = {{"k", &one, 1}};

    (void)state;
    REFUSED_SPACE("/space/1", {.name = "k", .type = ZO_INT, .low = 0, .high = 5});
    REFUSED_SPACE("/space/1", {.name = "k", .type = ZO_FLOAT, .low = 0, .high = 5, .step = 0.5});
    REFUSED_SPACE("/space/1", {.name = "k", .type = ZO_BOOL});
    REFUSED_SPACE("/space/1", {.name = "k", .type = ZO_CATEGORICAL, .choices = words, .n_choices = 2});
    REFUSED_SPACE("/space/2", {.name = "k", .type = ZO_FIXED, .fixed = one},
                  {.name = "y", .type = ZO_FLOAT, .low = 0, .high = 1, .when = when, .n_when = 1});
}

static void a_solver_that_does_not_use_gradients_is_refused(void **state)
{
    zo_study_spec spec = gradient_spec();
    zo_study *s = NULL;
    zo_error err = {0};

    (void)state;
    spec.n_objectives = 1;
    spec.n_constraints = 0;
    spec.solver = "cma-es";
    assert_int_equal(zo_study_new(&spec, (zo_now){0}, NULL, &s, &err), ZO_EUNSUPPORTED);
    assert_string_equal(err.pointer, "/solver/name");
}

static void more_derivatives_than_a_trial_may_have_are_refused(void **state)
{
    const zo_param_spec large[] = {{.name = "w", .type = ZO_VECTOR, .size = 100000, .low = 0, .high = 1}};
    static zo_objective_spec many[11];
    static char names[ZO_LEN(many)][8];
    zo_study_spec spec = gradient_spec();
    zo_study *s = NULL;
    zo_error err = {0};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(many); i++) {
        names[i][0] = (char)('a' + i);
        many[i].name = names[i];
    }
    spec.space = (zo_space_spec){.params = large, .n_params = 1};
    spec.objectives = many;
    spec.n_constraints = 0;
    spec.solver = "random";
    spec.n_objectives = 11;
    assert_int_equal(zo_study_new(&spec, (zo_now){0}, NULL, &s, &err), ZO_EINVAL);
    assert_string_equal(err.pointer, "/space");
    spec.n_objectives = 10;
    assert_int_equal(zo_study_new(&spec, (zo_now){0}, NULL, &s, &err), ZO_OK);
    zo_study_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_solver_hears_derivatives_by_unit_coordinates_to_be_minimized),
        cmocka_unit_test(a_lower_bound_turns_the_sign_of_its_constraint),
        cmocka_unit_test(gradients_of_constraints_may_be_left_out),
        cmocka_unit_test(trials_without_a_value_have_no_gradient),
        cmocka_unit_test(a_complete_trial_needs_whole_and_finite_gradients_of_all_objectives),
        cmocka_unit_test(other_oracles_take_no_gradients),
        cmocka_unit_test(the_same_gradients_again_make_no_event_and_others_are_refused),
        cmocka_unit_test(a_trial_shows_the_gradients_as_they_were_told),
        cmocka_unit_test(a_replayed_study_hears_the_same_gradients),
        cmocka_unit_test(a_logged_gradient_that_does_not_fit_the_study_is_damage),
        cmocka_unit_test(the_space_of_gradients_is_real_and_unconditional),
        cmocka_unit_test(a_solver_that_does_not_use_gradients_is_refused),
        cmocka_unit_test(more_derivatives_than_a_trial_may_have_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
