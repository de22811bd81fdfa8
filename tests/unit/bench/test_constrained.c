/* The constrained functions' promises: the known optimum is one, the start is feasible, active constraints are active.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "functions/constrained.h"
#include "zeroth/rng.h"

enum { MAX_N = 10, MAX_M = 64 };

static void open_constrained(struct constrained *p, unsigned f, unsigned instance, size_t n)
{
    if (!constrained_init(p, f, instance, n))
        fail_msg("f%u instance %u in %zu-D", f, instance, n);
    assert_true(p->m <= MAX_M);
}

static double worst(const double *g, size_t m)
{
    double most = -INFINITY;

    for (size_t k = 0; k < m; k++)
        most = fmax(most, g[k]);
    return most;
}

static void the_optimum_is_feasible_and_has_the_optimal_value(void **state)
{
    (void)state;

    for (unsigned f = 1; f <= CONSTRAINED_FUNCTIONS; f++)
        for (size_t n = 2; n <= MAX_N; n += 4) {
            struct constrained p;
            double g[MAX_M];
            open_constrained(&p, f, 1, n);
            assert_true(fabs(constrained_eval(&p, p.x_opt, g) - p.f_opt) < 1e-9);
            for (size_t k = 0; k < p.m; k++)
                assert_true(k < p.n_active ? g[k] == 0 : g[k] < -0.05);
            constrained_fini(&p);
        }
}

static void the_start_is_strictly_feasible_and_in_the_box(void **state)
{
    (void)state;

    for (unsigned f = 1; f <= CONSTRAINED_FUNCTIONS; f++)
        for (unsigned instance = 1; instance <= 5; instance++) {
            struct constrained p;
            double g[MAX_M];
            open_constrained(&p, f, instance, 5);
            assert_true(constrained_eval(&p, p.x0, g) > p.f_opt + 1e-3);
            assert_true(worst(g, p.m) < 0);
            for (size_t i = 0; i < p.n; i++)
                assert_true(fabs(p.x0[i]) <= 5);
            constrained_fini(&p);
        }
}

/* Points all over the box and close to the optimum: whatever is feasible is no better, and the unconstrained optimum,
 * which is better, is not feasible. */
static void no_feasible_point_is_better_than_the_optimum(void **state)
{
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_ASK, 0);
    (void)state;

    for (unsigned f = 1; f <= CONSTRAINED_FUNCTIONS; f++)
        for (size_t n = 2; n <= 5; n += 3) {
            struct constrained p;
            unsigned feasible = 0, better = 0;
            open_constrained(&p, f, 2, n);
            for (unsigned trial = 0; trial < 6000; trial++) {
                double x[MAX_N], g[MAX_M];
                const double radius = pow(10, -6 * zo_rng_uniform(&rng));
                for (size_t i = 0; i < n; i++)
                    x[i] = trial % 2 ? 10 * zo_rng_uniform(&rng) - 5 : p.x_opt[i] + radius * zo_rng_normal(&rng);
                const double above = constrained_eval(&p, x, g) - p.f_opt;
                feasible += worst(g, p.m) <= 0;
                better += above < 0;
                if (worst(g, p.m) <= 0 && above < -1e-9)
                    fail_msg("f%u in %zu-D: feasible and %g below", f, n, -above);
            }
            if (p.n_active <= 2)
                assert_true(feasible > 100);
            assert_true(p.objective >= 7 || better > 100); /* it is the constraints that make the optimum */
            constrained_fini(&p);
        }
}

static void the_numbers_of_constraints_grow_with_the_dimension(void **state)
{
    static const size_t in_10d[6] = {1, 3, 9, 16, 24, 54};
    (void)state;

    for (unsigned f = 1; f <= 6; f++) {
        struct constrained p;
        open_constrained(&p, f, 1, 10);
        assert_int_equal(p.m, in_10d[f - 1]);
        constrained_fini(&p);
    }
    struct constrained p;
    assert_false(constrained_init(&p, 55, 1, 5));
    constrained_fini(&p);
    assert_false(constrained_init(&p, 1, 1, 1));
    constrained_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_optimum_is_feasible_and_has_the_optimal_value),
        cmocka_unit_test(the_start_is_strictly_feasible_and_in_the_box),
        cmocka_unit_test(no_feasible_point_is_better_than_the_optimum),
        cmocka_unit_test(the_numbers_of_constraints_grow_with_the_dimension),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
