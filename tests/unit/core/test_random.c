#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { N = 3 };

static zo_space *mixed_space(void)
{
    const zo_param_spec params[] = {{.name = "log", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 1e3},
                                    {.name = "int", .type = ZO_INT, .low = 1, .high = 7},
                                    {.name = "x", .type = ZO_FLOAT, .low = -1, .high = 1}};
    const zo_space_spec spec = {.params = params, .n_params = N};
    zo_space *space = NULL;

    assert_int_equal(zo_space_new(&spec, &space, NULL), ZO_OK);
    return space;
}

static zo_solver_run *start(const zo_space *space, uint64_t seed)
{
    const zo_problem p = {.space = space,
                          .n = N,
                          .dims = zo_space_dims(space),
                          .n_objectives = 1,
                          .oracle = ZO_ORACLE_VALUE,
                          .parallelism = 1,
                          .seed = seed};
    zo_solver_run *r = NULL;

    assert_int_equal(zo_solver_run_new(zo_solver_find("random"), &p, NULL, 0, &r, NULL), ZO_OK);
    return r;
}

static void a_point_is_the_space_s_sample_of_its_trial_whatever_came_before(void **state)
{
    static const uint64_t numbers[] = {0, 1, 2, 900, 17, 17};
    zo_space *space = mixed_space();
    zo_solver_run *r = start(space, 6);

    (void)state;
    for (size_t i = 0; i < ZO_LEN(numbers); i++) {
        zo_rng rng = zo_rng_make(6, ZO_PURPOSE_ASK, numbers[i]);
        double v[N], u[N], x[N];
        zo_proposal p = {.number = numbers[i], .x = x};
        zo_space_sample(space, &rng, v);
        zo_space_to_unit(space, v, u);
        assert_int_equal(zo_solver_run_ask(r, &p, NULL), ZO_OK);
        assert_int_equal(p.verdict, ZO_ASK_OK);
        assert_memory_equal(x, u, sizeof x);
    }
    zo_solver_run_free(r);
    zo_space_free(space);
}

/* Uniform over the encoded cube: the mean of 4,000 points is within 4.5 standard errors, 1/sqrt(12 * 4000), of one
 * half. */
static void points_are_uniform_over_the_encoded_cube(void **state)
{
    enum { POINTS = 4000 };
    zo_space *space = mixed_space();
    zo_solver_run *r = start(space, 1);
    double mean[N] = {0};

    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        double x[N];
        zo_proposal p = {.number = i, .x = x};
        assert_int_equal(zo_solver_run_ask(r, &p, NULL), ZO_OK);
        for (size_t j = 0; j < N; j++)
            mean[j] += x[j] / POINTS;
    }
    for (size_t j = 0; j < N; j++)
        assert_true(fabs(mean[j] - 0.5) < 4.5 / sqrt(12.0 * POINTS));
    zo_solver_run_free(r);
    zo_space_free(space);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_point_is_the_space_s_sample_of_its_trial_whatever_came_before),
        cmocka_unit_test(points_are_uniform_over_the_encoded_cube),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
