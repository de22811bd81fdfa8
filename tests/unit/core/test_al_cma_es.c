/* al-cma-es on problems whose constrained minimum is known in closed form, against the evaluations that a prototype
 * written apart from this code took; what becomes of a multiplier; restarts and snapshots are the family's. */
#include "cma_fx.h"

/* Minimum of the sphere where x0 >= 1: 1. */
OBJECTIVE(above_one)
{
    g[0] = 1 - x[0];
    return sphere(n, x, u, g);
}

/* Where x0 >= 1 and x1 >= 1: 2. */
OBJECTIVE(both_above_one)
{
    g[0] = 1 - x[0];
    g[1] = 1 - x[1];
    return sphere(n, x, u, g);
}

/* The constraint holds all around the minimum, 0. */
OBJECTIVE(above_minus_four)
{
    g[0] = -4 - x[0];
    return sphere(n, x, u, g);
}

/* sum a_i x_i^2, a from 1 to 1000, where x0 + x1 >= 2: the multiplier l = 4 / (1/a0 + 1/a1), and x_i = l / (2 a_i). */
OBJECTIVE(tilted_ellipsoid)
{
    double f = 0;

    (void)u;
    g[0] = 2 - x[0] - x[1];
    for (size_t i = 0; i < n; i++)
        f += pow(1000, (double)i / (double)(n - 1)) * x[i] * x[i];
    return f;
}

static double tilted_minimum(size_t n)
{
    const double a1 = pow(1000, 1 / (double)(n - 1));
    return 4 / (1 + 1 / a1);
}

static size_t evaluations(objective f, size_t n, size_t n_g, double target)
{
    enum { RUNS = 5, MOST = 20000 };
    size_t taken[RUNS];

    for (uint64_t seed = 0; seed < RUNS; seed++) {
        struct fx x;
        fx_open(&x, n, f, seed + 1);
        x.solver = "al-cma-es";
        x.n_g = n_g;
        fx_from(&x, 2);
        fx_start(&x, "sigma0", 0.05); /* 0.5 of a box of 10 */
        taken[seed] = minimise(&x, target, MOST);
        assert_true(taken[seed] < MOST); /* all succeed, and what counts is feasible */
        fx_close(&x);
    }
    return median(taken, RUNS);
}

static void is_about(size_t taken, size_t prototype)
{
    if ((double)taken > 1.4 * (double)prototype || (double)taken < 0.5 * (double)prototype)
        fail_msg("%zu evaluations, the prototype took %zu", taken, prototype);
}

static void an_active_constraint_is_met_from_both_sides(void **state)
{
    (void)state;
    is_about(evaluations(above_one, 5, 1, 1 + 1e-6), 864);
    is_about(evaluations(above_one, 10, 1, 1 + 1e-6), 1590);
}

static void two_active_constraints_are_met(void **state)
{
    (void)state;
    is_about(evaluations(both_above_one, 5, 2, 2 + 1e-6), 1240);
    is_about(evaluations(both_above_one, 10, 2, 2 + 1e-6), 2100);
}

static void an_ill_conditioned_function_under_a_slanted_constraint_is_solved(void **state)
{
    (void)state;
    is_about(evaluations(tilted_ellipsoid, 5, 1, tilted_minimum(5) + 1e-6), 992);
    is_about(evaluations(tilted_ellipsoid, 10, 1, tilted_minimum(10) + 1e-6), 2480);
}

static void an_inactive_constraint_costs_nothing(void **state)
{
    (void)state;
    is_about(evaluations(above_minus_four, 5, 1, 1e-6), 528);
    is_about(evaluations(above_minus_four, 10, 1, 1e-6), 1150);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_active_constraint_is_met_from_both_sides),
        cmocka_unit_test(two_active_constraints_are_met),
        cmocka_unit_test(an_ill_conditioned_function_under_a_slanted_constraint_is_solved),
        cmocka_unit_test(an_inactive_constraint_costs_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
