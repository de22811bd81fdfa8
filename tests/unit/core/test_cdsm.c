#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 10, MAX_CONSTRAINTS = 1 };
static const zo_dim dims[MAX_DIMS]; /* reals */

/* u in the cube; f and g <= 0 feasible */
typedef double (*function)(size_t n, const double *u, double *g);

static double sphere(size_t n, const double *u, double *g)
{
    double f = 0;

    (void)g;
    for (size_t i = 0; i < n; i++)
        f += (u[i] - 0.37) * (u[i] - 0.37);
    return f;
}

/* Its best point is on a bound: (1, 0.3). */
static double beyond(size_t n, const double *u, double *g)
{
    (void)n;
    (void)g;
    return pow(u[0] - 1.2, 2) + pow(u[1] - 0.3, 2);
}

/* min (x-0.8)^2 + (y-0.6)^2 under x + y <= 1: at (0.6, 0.4), 0.08 */
static double half_plane(size_t n, const double *u, double *g)
{
    (void)n;
    g[0] = u[0] + u[1] - 1;
    return pow(u[0] - 0.8, 2) + pow(u[1] - 0.6, 2);
}

/* A bowl with a thin cone of lower values that opens toward its bottom: a poll halves its radius past it. */
static double cone(size_t n, const double *u, double *g)
{
    const double x = u[0] - 0.5, y = u[1] - 0.5, r = hypot(x, y), angle = atan2(y, x);

    (void)n;
    (void)g;
    return r < 0.1 && r > 0 && fabs(angle - 1) < 0.1 ? -1 : r * r;
}

static double play(function f, size_t n, size_t m, uint64_t seed, bool cover, const char *restarts, uint64_t limit,
                   double *at)
{
    double u[MAX_DIMS], g[MAX_CONSTRAINTS] = {0}, best = INFINITY;
    const zo_problem p = {.n = n,
                          .dims = dims,
                          .n_objectives = 1,
                          .n_constraints = m,
                          .oracle = ZO_ORACLE_VALUE,
                          .parallelism = 1,
                          .seed = seed};
    const zo_named options[] = {{"cover", {.kind = ZO_BOOLEAN, .boolean = cover}},
                                {"restarts", {.kind = ZO_STRING, .string = restarts}}};
    unsigned char memo[64] __attribute__((aligned(8)));
    zo_solver_run *r = NULL;

    assert_int_equal(zo_solver_run_new(zo_solver_find("cdsm"), &p, options, 2, &r, NULL), ZO_OK);
    for (uint64_t k = 0; k < limit; k++) {
        zo_proposal q = {.number = k, .x = u, .memo = memo};
        memset(memo, 0, sizeof memo);
        assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
        if (q.verdict != ZO_ASK_OK)
            break;
        const double y = f(n, u, g);
        const bool feasible = m == 0 || g[0] <= 0;
        if (feasible && y < best) {
            best = y;
            memcpy(at, u, n * sizeof *at);
        }
        const zo_told t = {
            .number = k, .own = true, .has_values = true, .feasible = feasible, .x = u, .memo = memo, .f = &y, .g = g};
        assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
    }
    zo_solver_run_free(r);
    return best;
}

static void the_poll_converges_on_a_sphere(void **state)
{
    double at[MAX_DIMS];

    (void)state;
    assert_true(play(sphere, 10, 0, 1, false, "none", 20000, at) < 1e-14);
}

static void a_best_point_on_a_bound_is_met_exactly(void **state)
{
    double at[MAX_DIMS];

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        play(beyond, 2, 0, seed, true, "none", 20000, at);
        assert_true(at[0] == 1 && fabs(at[1] - 0.3) < 1e-6);
    }
}

/* Along an oblique constraint only few directions gain, and the closer, the fewer. */
static void an_active_constraint_is_followed_to_its_best_point(void **state)
{
    double at[MAX_DIMS];

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        play(half_plane, 2, 1, seed, true, "random", 3000, at);
        assert_true(at[0] + at[1] <= 1 && fabs(at[0] - 0.6) < 0.02 && fabs(at[1] - 0.4) < 0.02);
    }
}

static void covering_finds_what_polls_step_over(void **state)
{
    size_t with = 0, without = 0;
    double at[MAX_DIMS];

    (void)state;
    for (uint64_t seed = 1; seed <= 30; seed++) {
        with += play(cone, 2, 0, seed, true, "random", 3000, at) == -1;
        without += play(cone, 2, 0, seed, false, "none", 3000, at) == -1;
    }
    assert_int_equal(with, 30);
    assert_true(without <= with);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_poll_converges_on_a_sphere),
        cmocka_unit_test(a_best_point_on_a_bound_is_met_exactly),
        cmocka_unit_test(an_active_constraint_is_followed_to_its_best_point),
        cmocka_unit_test(covering_finds_what_polls_step_over),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
