/* Derivatives by natural coordinates turned into derivatives by unit ones, judged by finite differences through the
 * space's own map, and by the chain rule written out by hand. */
#include "space_fx.h"

#include <float.h>
#include <math.h>

static const zo_param_spec scales[] = {
    {.name = "line", .type = ZO_FLOAT, .low = -5, .high = 3},
    {.name = "log", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-4, .high = 100},
    {.name = "one", .type = ZO_FIXED, .fixed = NUM(1)},
    {.name = "reverse", .type = ZO_FLOAT, .scale = ZO_REVERSE_LOG, .low = 0.5, .high = 8},
    {.name = "vector", .type = ZO_VECTOR, .scale = ZO_LOG, .size = 3, .low = 0.1, .high = 2},
};
enum { N = 6 };

/* A smooth function of all coordinates and its derivatives. */
static double value(const double *v)
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += sin(v[i] * (double)(i + 1) / 4) + v[i] * v[(i + 1) % N];
    return sum;
}

static void derivatives(const double *v, double *dv)
{
    for (size_t i = 0; i < N; i++)
        dv[i] = cos(v[i] * (double)(i + 1) / 4) * (double)(i + 1) / 4 + v[(i + 1) % N] + v[(i + N - 1) % N];
}

static void derivatives_by_unit_coordinates_are_the_slopes_in_the_cube(void **state)
{
    zo_space *s = fx_space(scales, ZO_LEN(scales));
    double u[N], v[N], dv[N], du[N];
    const double h = 1e-5;

    (void)state;
    assert_int_equal(zo_space_n_dims(s), N);
    for (uint64_t k = 0; k < 200; k++) {
        zo_rng rng = fx_rng(k);
        for (size_t i = 0; i < N; i++)
            u[i] = 0.01 + 0.98 * zo_rng_uniform(&rng);
        zo_space_from_unit(s, u, v);
        derivatives(v, dv);
        zo_space_gradient_to_unit(s, v, dv, du);
        for (size_t i = 0; i < N; i++) {
            const double at = u[i];
            u[i] = at + h;
            zo_space_from_unit(s, u, v);
            const double up = value(v);
            u[i] = at - h;
            zo_space_from_unit(s, u, v);
            const double slope = (up - value(v)) / (2 * h);
            u[i] = at;
            assert_true(fabs(du[i] - slope) <= 1e-5 * (1 + fabs(slope)));
        }
    }
    zo_space_free(s);
}

static void the_factor_of_each_scale_is_the_one_of_the_chain_rule(void **state)
{
    zo_space *s = fx_space(scales, ZO_LEN(scales));
    double v[N] = {1, 0.01, 8, 0.1, 1, 2}, d[N] = {1, 1, 1, -1, 2, 0};

    (void)state;
    zo_space_gradient_to_unit(s, v, d, d); /* in place */
    assert_true(fabs(d[0] - (8)) <= 1e-12);
    assert_true(fabs(d[1] - (0.01 * log(1e6))) <= 1e-12);
    assert_true(fabs(d[2] - (0.5 * log(16))) <= 1e-12); /* x = 8.5 - y, y from 8 down to 0.5 */
    assert_true(fabs(d[3] - (-0.1 * log(20))) <= 1e-12);
    assert_true(fabs(d[4] - (2 * log(20))) <= 1e-12);
    assert_true(d[5] == 0);
    zo_space_free(s);
}

static void what_no_double_holds_becomes_the_largest(void **state)
{
    static const zo_param_spec wide[] = {
        {.name = "a", .type = ZO_VECTOR, .size = 3, .low = -1.5e308, .high = 1.5e308},
        {.name = "b", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-300, .high = 1e300},
    };
    zo_space *s = fx_space(wide, ZO_LEN(wide));
    const double v[] = {0, 0, 0, 1e300}, d[] = {2, 0.25, -1e300, 1e10};
    double u[4];

    (void)state;
    zo_space_gradient_to_unit(s, v, d, u);
    assert_true(u[0] == DBL_MAX);
    assert_true(fabs(u[1] / 1e307 - (7.5)) <= 1e-12); /* the range alone is beyond a double, this is not */
    assert_true(u[2] == -DBL_MAX);
    assert_true(u[3] == DBL_MAX);
    zo_space_free(s);
}

static void what_is_absent_stays_absent(void **state)
{
    zo_space *s = fx_space(scales, ZO_LEN(scales));
    const double v[N] = {1, 0.01, 8, 0.1, 1, 2};
    double d[N] = {NAN, NAN, NAN, NAN, NAN, NAN};

    (void)state;
    zo_space_gradient_to_unit(s, v, d, d);
    for (size_t i = 0; i < N; i++)
        assert_true(isnan(d[i]));
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(derivatives_by_unit_coordinates_are_the_slopes_in_the_cube),
        cmocka_unit_test(the_factor_of_each_scale_is_the_one_of_the_chain_rule),
        cmocka_unit_test(what_no_double_holds_becomes_the_largest),
        cmocka_unit_test(what_is_absent_stays_absent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
