/* CMA-ES through a whole study: linear constraints, and a space of every kind of dimension, few and many. The judge is
 * the known minimum, and random search with as many trials; every point asked for is checked against the constraints
 * in natural units, by hand. */
#include "study_fx.h"

enum { N = 10, TRIALS = 600 };

static double square(double x)
{
    return x * x;
}

/* Best value of so many trials; feasible is called for each point, in natural units. */
static double best_of(const zo_study_spec *spec, const char *solver, double (*f)(size_t n, const double *v),
                      void (*feasible)(size_t n, const double *v))
{
    struct fx x;
    zo_study_spec own = *spec;
    double best = INFINITY;

    own.solver = solver;
    fx_open_with(&x, &own, NULL);
    for (size_t k = 0; k < TRIALS; k++) {
        const uint64_t number = fx_ask(&x);
        const zo_trial t = fx_trial(&x, number);
        assert_int_equal(zo_space_check(zo_study_space(x.s), t.v, NULL), ZO_OK);
        feasible(x.s->n, t.v);
        const double value = f(x.s->n, t.v);
        best = fmin(best, value);
        fx_tell(&x, number, value);
        zo_arena_reset(x.arena);
    }
    fx_close(&x);
    return best;
}

/* ---- linear constraints: the sum of all is at most 1, the minimum of the sphere around (1, ..., 1) lies outside ----
 */

static zo_param_spec boxes[N];
static zo_term terms[N];
static const zo_linear_spec half = {.terms = terms, .n_terms = 0, .op = ZO_LE, .rhs = 1};

static double sphere_at_one(size_t n, const double *v)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += square(v[i] - 1);
    return sum;
}

static void sum_is_at_most_one(size_t n, const double *v)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        assert_true(v[i] >= -5 && v[i] <= 5);
        sum += v[i];
    }
    assert_true(sum <= 1 + 1e-9 * 10 * (double)n);
}

/* The nearest point is x_i = 1/n: f = n (1 - 1/n)^2. */
static void reaches_the_face(size_t n, double within)
{
    static const char *const names[N] = {"a", "b", "c", "d", "e", "f", "g", "h", "i", "j"};
    zo_linear_spec linear = half;
    zo_study_spec spec = fx_spec();
    const double optimum = (double)n * square(1 - 1 / (double)n);

    for (size_t i = 0; i < n; i++) {
        boxes[i] = (zo_param_spec){.name = names[i], .type = ZO_FLOAT, .low = -5, .high = 5};
        terms[i] = (zo_term){names[i], 1};
    }
    linear.n_terms = n;
    spec.space = (zo_space_spec){.params = boxes, .n_params = n, .linear = &linear, .n_linear = 1};
    const double best = best_of(&spec, "cma-es", sphere_at_one, sum_is_at_most_one);
    const double chance = best_of(&spec, "random", sphere_at_one, sum_is_at_most_one);
    if (!(best >= optimum - 1e-6 && best <= optimum + within && best < chance))
        fail_msg("n %zu: best %.9g, optimum %.9g, by chance %.9g", n, best, optimum, chance);
}

static void in_two_dimensions_it_finds_the_minimum_on_a_linear_constraint(void **state)
{
    (void)state;
    reaches_the_face(2, 1e-3);
}

static void in_ten_dimensions_it_finds_the_minimum_on_a_linear_constraint(void **state)
{
    (void)state;
    reaches_the_face(10, 0.5);
}

/* ---- every kind of dimension: the minimum 0 is at rate 1, family second, depth 7, step 0.75, the reals 0 ---- */

static const zo_scalar families[] = {{.kind = ZO_STRING, .string = "first"},
                                     {.kind = ZO_STRING, .string = "second"},
                                     {.kind = ZO_STRING, .string = "third"}};
static const zo_when second[] = {{.parent = "family", .values = &families[1], .n_values = 1}};
static const zo_param_spec mixed[N] = {
    {.name = "family", .type = ZO_CATEGORICAL, .choices = families, .n_choices = 3},
    {.name = "depth", .type = ZO_INT, .low = 0, .high = 20, .when = second, .n_when = 1},
    {.name = "rate", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-4, .high = 1e4},
    {.name = "step", .type = ZO_FLOAT, .low = -2, .high = 2, .step = 0.25},
    {.name = "a", .type = ZO_FLOAT, .low = -3, .high = 5},
    {.name = "b", .type = ZO_FLOAT, .low = -3, .high = 5},
    {.name = "c", .type = ZO_FLOAT, .low = -3, .high = 5},
    {.name = "d", .type = ZO_FLOAT, .low = -3, .high = 5},
    {.name = "e", .type = ZO_FLOAT, .low = -3, .high = 5},
    {.name = "flag", .type = ZO_BOOL},
};

/* v holds a choice's index and natural values. A wrong family costs 2, whatever depth is. */
static double mixed_value(size_t n, const double *v)
{
    double sum = v[0] == 1 ? square((v[1] - 7) / 4) : 2;

    if (n > 2)
        sum += square(log10(v[2])) + square(v[3] - 0.75) + (v[9] == 1 ? 0 : 1);
    for (size_t i = 4; i < 9 && i < n; i++)
        sum += square(v[i]);
    return sum;
}

static void on_its_level(size_t n, const double *v)
{
    assert_true(v[0] == 0 || v[0] == 1 || v[0] == 2);
    assert_true(v[1] == floor(v[1]) && v[1] >= 0 && v[1] <= 20);
    if (n > 2) {
        assert_true(v[2] >= 1e-4 && v[2] <= 1e4);
        assert_true(v[3] * 4 == floor(v[3] * 4) && fabs(v[3]) <= 2);
        assert_true(v[9] == 0 || v[9] == 1);
    }
}

static void mixed_dimensions(size_t n, double within)
{
    zo_study_spec spec = fx_spec();

    spec.space = (zo_space_spec){.params = mixed, .n_params = n};
    const double best = best_of(&spec, "cma-es", mixed_value, on_its_level);
    const double chance = best_of(&spec, "random", mixed_value, on_its_level);
    if (!(best >= 0 && best <= within && best <= chance))
        fail_msg("n %zu: best %.9g, by chance %.9g", n, best, chance);
}

static void in_two_dimensions_it_finds_the_best_choice_and_its_own_level(void **state)
{
    (void)state;
    mixed_dimensions(2, 0);
}

static void in_ten_dimensions_of_every_kind_it_comes_near_the_minimum(void **state)
{
    (void)state;
    mixed_dimensions(10, 0.1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_two_dimensions_it_finds_the_minimum_on_a_linear_constraint),
        cmocka_unit_test(in_ten_dimensions_it_finds_the_minimum_on_a_linear_constraint),
        cmocka_unit_test(in_two_dimensions_it_finds_the_best_choice_and_its_own_level),
        cmocka_unit_test(in_ten_dimensions_of_every_kind_it_comes_near_the_minimum),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
