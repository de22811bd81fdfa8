#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 10 };
static const zo_dim dims[MAX_DIMS]; /* reals */

/* x = 10 u - 5, optimum of sphere and ellipsoid at 1.3 */
typedef double (*function)(size_t n, const double *x);

static double sphere(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i < n; i++)
        f += (x[i] - 1.3) * (x[i] - 1.3);
    return f;
}

static double ellipsoid(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i < n; i++)
        f += pow(10, 6 * (double)i / (double)(n - 1)) * (x[i] - 1.3) * (x[i] - 1.3);
    return f;
}

static double rosenbrock(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i + 1 < n; i++)
        f += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return f;
}

/* Evaluations to 1e-2 and 1e-8 from u = 0.2, slots at a time; x at the best. */
static void play(function f, size_t n, size_t slots, uint64_t *coarse, uint64_t *fine)
{
    double x0[MAX_DIMS], u[4][MAX_DIMS], x[MAX_DIMS], best = INFINITY;
    const zo_problem p = {.n = n,
                          .dims = dims,
                          .n_objectives = 1,
                          .oracle = ZO_ORACLE_VALUE,
                          .parallelism = (unsigned)slots,
                          .seed = 5,
                          .x0 = x0};
    unsigned char memo[4][64] __attribute__((aligned(8)));
    zo_solver_run *r = NULL;
    uint64_t k = 0;

    for (size_t i = 0; i < n; i++)
        x0[i] = 0.2;
    *coarse = *fine = 0;
    assert_int_equal(zo_solver_run_new(zo_solver_find("nelder-mead"), &p, NULL, 0, &r, NULL), ZO_OK);
    while (*fine == 0 && k < 20000) {
        size_t out = 0;
        for (; out < slots; out++) {
            zo_proposal q = {.number = k + out, .x = u[out], .memo = memo[out]};
            memset(memo[out], 0, sizeof memo[out]);
            assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
            if (q.verdict != ZO_ASK_OK)
                break;
        }
        assert_true(out > 0);
        for (size_t j = 0; j < out; j++) {
            for (size_t i = 0; i < n; i++)
                x[i] = 10 * u[j][i] - 5;
            const double y = f(n, x);
            const zo_told t = {.number = k + j,
                               .own = true,
                               .has_values = true,
                               .feasible = true,
                               .x = u[j],
                               .memo = memo[j],
                               .f = &y};
            assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
            best = fmin(best, y);
        }
        k += out;
        *coarse = *coarse == 0 && best <= 1e-2 ? k : *coarse;
        *fine = *fine == 0 && best <= 1e-8 ? k : *fine;
    }
    zo_solver_run_free(r);
}

/* Counts of an independent prototype of the same method, within a quarter. */
static void it_takes_as_many_evaluations_as_a_prototype(void **state)
{
    static const struct {
        function f;
        size_t n;
        double coarse, fine;
    } cases[] = {{sphere, 2, 21, 64},       {sphere, 5, 128, 320},     {sphere, 10, 353, 845},
                 {rosenbrock, 2, 101, 143}, {rosenbrock, 5, 527, 718}, {rosenbrock, 10, 2311, 2826},
                 {ellipsoid, 2, 52, 98},    {ellipsoid, 5, 791, 1007}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        uint64_t coarse, fine;
        play(cases[k].f, cases[k].n, 1, &coarse, &fine);
        if (getenv("ZEROTH_PRINT"))
            print_message("%llu %llu of %.0f %.0f\n", (unsigned long long)coarse, (unsigned long long)fine,
                          cases[k].coarse, cases[k].fine);
        assert_in_range(coarse, (uint64_t)(0.7 * cases[k].coarse), (uint64_t)(1.3 * cases[k].coarse));
        assert_in_range(fine, (uint64_t)(0.75 * cases[k].fine), (uint64_t)(1.25 * cases[k].fine));
    }
}

/* A step's four candidates are evaluated together: as many rounds as steps. */
static void four_slots_take_fewer_rounds(void **state)
{
    uint64_t coarse, one, four;

    (void)state;
    play(rosenbrock, 5, 1, &coarse, &one);
    play(rosenbrock, 5, 4, &coarse, &four);
    assert_true(four > one && 4 * one > 5 * (four / 4)); /* more evaluations, at least 1.25 times fewer rounds */
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_as_many_evaluations_as_a_prototype),
        cmocka_unit_test(four_slots_take_fewer_rounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
