#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 3, MAX_EVALS = 5000 };
static const zo_dim dims[MAX_DIMS]; /* reals */

typedef double (*function)(const double *u);

static double branin(const double *u)
{
    const double pi = 3.14159265358979323846, x = 15 * u[0] - 5, y = 15 * u[1];

    return pow(y - 5.1 / (4 * pi * pi) * x * x + 5 / pi * x - 6, 2) + 10 * (1 - 1 / (8 * pi)) * cos(x) + 10 -
           0.39788735772973816;
}

static double slope(const double *u)
{
    return u[0] + 10 * u[1];
}

static double points[MAX_EVALS][MAX_DIMS];

/* Evaluations until f is below each of the targets, 0: not within the limit. */
static void play(function f, size_t n, const double *targets, size_t n_targets, uint64_t *evals, uint64_t limit)
{
    const zo_problem p = {
        .n = n, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = 1};
    _Alignas(8) unsigned char memo[64];
    zo_solver_run *r = NULL;
    double best = INFINITY;

    memset(evals, 0, n_targets * sizeof *evals);
    assert_int_equal(zo_solver_run_new(zo_solver_find("direct-l"), &p, NULL, 0, &r, NULL), ZO_OK);
    assert_true(zo_solver_run_memo_bytes(r) <= sizeof memo);
    for (uint64_t k = 0; k < limit; k++) {
        double *x = points[k];
        zo_proposal q = {.number = k, .x = x, .memo = memo};
        memset(memo, 0, sizeof memo);
        assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
        assert_int_equal(q.verdict, ZO_ASK_OK);
        const double value = f(x);
        const zo_told t = {
            .number = k, .own = true, .has_values = true, .feasible = true, .x = x, .memo = memo, .f = &value};
        assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
        best = fmin(best, value);
        for (size_t j = 0; j < n_targets; j++)
            if (evals[j] == 0 && best <= targets[j])
                evals[j] = k + 1;
    }
    zo_solver_run_free(r);
}

static void the_first_points_are_the_centre_and_its_thirds(void **state)
{
    static const double expected[5][2] = {{3, 3}, {5, 3}, {1, 3}, {3, 5}, {3, 1}}; /* sixths */
    uint64_t evals;

    (void)state;
    play(branin, 2, (const double[]){1}, 1, &evals, 5);
    for (size_t k = 0; k < 5; k++)
        for (size_t i = 0; i < 2; i++)
            assert_true(fabs(points[k][i] - expected[k][i] / 6) < 1e-15);
}

/* The better axis is divided first, so its outer thirds are the larger ones and come next. */
static void the_axis_with_the_better_value_keeps_the_larger_rectangles(void **state)
{
    uint64_t evals;

    (void)state;
    play(slope, 2, (const double[]){-1}, 1, &evals, 9);
    /* y falls: (1/2, 1/6) is the best and owns a full side in x */
    assert_true(fabs(points[5][1] - 1.0 / 6) < 1e-15 && fabs(points[6][1] - 1.0 / 6) < 1e-15);
    assert_true(fabs(fabs(points[5][0] - 0.5) - 1.0 / 3) < 1e-15);
}

/* Counts of NLopt 2.7.1's GN_DIRECT_L: 15, 37, 111, 201. Its division of rectangles differs in detail. */
static void branin_takes_about_as_many_evaluations_as_elsewhere(void **state)
{
    static const double targets[] = {1e-1, 1e-2, 1e-4, 1e-6}, expected[] = {15, 37, 111, 201};
    uint64_t evals[4];

    (void)state;
    play(branin, 2, targets, 4, evals, 1000);
    for (size_t j = 0; j < 4; j++) {
        if (getenv("ZEROTH_PRINT"))
            print_message("%llu ", (unsigned long long)evals[j]);
        assert_in_range(evals[j], 1, (uint64_t)(2.5 * expected[j]));
    }
}

/* No point comes twice, and the cube is filled: every ball of radius 1/9 of the box has one in the end. */
static void points_are_new_and_everywhere(void **state)
{
    uint64_t evals;

    (void)state;
    play(branin, 2, (const double[]){-1}, 1, &evals, 3000);
    for (size_t a = 0; a < 3000; a++)
        for (size_t b = 0; b < a; b++)
            assert_false(points[a][0] == points[b][0] && points[a][1] == points[b][1]);
    for (int i = 0; i <= 10; i++)
        for (int j = 0; j <= 10; j++) {
            bool near = false;
            for (size_t a = 0; a < 3000 && !near; a++)
                near = hypot(points[a][0] - i / 10.0, points[a][1] - j / 10.0) < 1.0 / 9;
            assert_true(near);
        }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_points_are_the_centre_and_its_thirds),
        cmocka_unit_test(the_axis_with_the_better_value_keeps_the_larger_rectangles),
        cmocka_unit_test(branin_takes_about_as_many_evaluations_as_elsewhere),
        cmocka_unit_test(points_are_new_and_everywhere),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
