#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

/* cobyla and sqp on problems with a known solution: x in a box, f and g <= 0 feasible. */
enum { MAX_DIMS = 5, MAX_CONSTRAINTS = 4 };
typedef struct world {
    size_t n, m;
    double low, high, start[MAX_DIMS]; /* of every coordinate; natural units */
    void (*eval)(const double *x, double *f, double *g);
} world;

/* min x y on the unit disc: -1/2 at (+-1, -+1) / sqrt 2 */
static void disc(const double *x, double *f, double *g)
{
    *f = x[0] * x[1];
    g[0] = x[0] * x[0] + x[1] * x[1] - 1;
}

/* Hock and Schittkowski 71, the equality as two inequalities: 17.0140173 at (1, 4.743, 3.8211, 1.3794). */
static void hs71(const double *x, double *f, double *g)
{
    const double squares = x[0] * x[0] + x[1] * x[1] + x[2] * x[2] + x[3] * x[3];

    *f = x[0] * x[3] * (x[0] + x[1] + x[2]) + x[2];
    g[0] = 25 - x[0] * x[1] * x[2] * x[3];
    g[1] = squares - 40 - 1e-7;
    g[2] = 40 - squares - 1e-7;
}

/* A linear program: min -x - y under x + 2y <= 4 and 3x + y <= 6: -14/5 at (8/5, 6/5). */
static void program(const double *x, double *f, double *g)
{
    *f = -x[0] - x[1];
    g[0] = x[0] + 2 * x[1] - 4;
    g[1] = 3 * x[0] + x[1] - 6;
}

/* No point is feasible. */
static void nowhere(const double *x, double *f, double *g)
{
    *f = x[0] + x[1];
    g[0] = 1 + x[0] * x[0];
}

static const zo_dim dims[MAX_DIMS]; /* reals */

typedef struct result {
    double best; /* of the feasible points */
    uint64_t n_evals;
    zo_verdict verdict; /* of the last ask */
} result;

/* Derivatives of value k (0: f, else g[k - 1]) along the unit cube, by central differences of the function itself:
 * exact to some 1e-9 for these polynomials. */
static void slopes(const world *w, const double *u, size_t k, double *out)
{
    for (size_t i = 0; i < w->n; i++) {
        double x[MAX_DIMS], side[2];
        for (int s = 0; s < 2; s++) {
            double f, g[MAX_CONSTRAINTS];
            for (size_t j = 0; j < w->n; j++)
                x[j] = w->low + (w->high - w->low) * (u[j] + (j == i ? (s ? 1e-5 : -1e-5) : 0));
            w->eval(x, &f, g);
            side[s] = k == 0 ? f : g[k - 1];
        }
        out[i] = (side[1] - side[0]) / 2e-5;
    }
}

static result play_with(const char *solver, const world *w, uint32_t oracle, bool all_slopes, uint64_t limit)
{
    double df[MAX_DIMS], dg[MAX_CONSTRAINTS * MAX_DIMS];
    double x0[MAX_DIMS], u[MAX_DIMS], x[MAX_DIMS], f, g[MAX_CONSTRAINTS];
    const zo_problem p = {.n = w->n,
                          .dims = dims,
                          .n_objectives = 1,
                          .n_constraints = w->m,
                          .oracle = oracle,
                          .parallelism = 1,
                          .seed = 2,
                          .x0 = x0};
    result r = {.best = INFINITY};
    zo_solver_run *run = NULL;

    for (size_t i = 0; i < w->n; i++)
        x0[i] = (w->start[i] - w->low) / (w->high - w->low);
    assert_int_equal(zo_solver_run_new(zo_solver_find(solver), &p, NULL, 0, &run, NULL), ZO_OK);
    void *memo = calloc(1, zo_solver_run_memo_bytes(run));
    while (r.n_evals < limit) {
        zo_proposal q = {.number = r.n_evals, .x = u, .memo = memo};
        memset(memo, 0, zo_solver_run_memo_bytes(run));
        assert_int_equal(zo_solver_run_ask(run, &q, NULL), ZO_OK);
        if ((r.verdict = q.verdict) != ZO_ASK_OK)
            break;
        for (size_t i = 0; i < w->n; i++)
            x[i] = w->low + (w->high - w->low) * u[i];
        w->eval(x, &f, g);
        bool feasible = true;
        for (size_t j = 0; j < w->m; j++)
            feasible = feasible && g[j] <= 0;
        if (feasible)
            r.best = fmin(r.best, f);
        slopes(w, u, 0, df);
        for (size_t j = 0; j < w->m; j++)
            slopes(w, u, j + 1, dg + j * w->n);
        if (!all_slopes)
            for (size_t i = 0; i < w->n; i++)
                dg[i] = NAN; /* those of the first constraint are not told */
        const bool with_slopes = oracle == ZO_ORACLE_GRADIENT;
        const zo_told t = {.number = r.n_evals++,
                           .own = true,
                           .has_values = true,
                           .feasible = feasible,
                           .x = u,
                           .memo = memo,
                           .f = &f,
                           .g = g,
                           .df = with_slopes ? df : NULL,
                           .dg = with_slopes ? dg : NULL};
        assert_int_equal(zo_solver_run_tell(run, &t, NULL), ZO_OK);
    }
    zo_solver_run_free(run);
    free(memo);
    return r;
}

static result play(const char *solver, const world *w, uint64_t limit)
{
    return play_with(solver, w, ZO_ORACLE_VALUE, true, limit);
}

static void a_product_on_the_disc_is_least_on_its_rim(void **state)
{
    const world w = {.n = 2, .m = 1, .low = -2, .high = 2, .start = {0.8, 0.3}, .eval = disc};

    (void)state;
    assert_true(fabs(play("cobyla", &w, 100).best + 0.5) < 1e-6);
    assert_true(fabs(play("sqp", &w, 100).best + 0.5) < 1e-7);
}

static void a_linear_program_ends_in_its_corner(void **state)
{
    const world w = {.n = 2, .m = 2, .low = 0, .high = 10, .start = {0.5, 0.5}, .eval = program};

    (void)state;
    assert_true(fabs(play("cobyla", &w, 60).best + 2.8) < 1e-6);
    assert_true(fabs(play("sqp", &w, 60).best + 2.8) < 1e-6);
}

static void hock_and_schittkowski_71_is_solved(void **state)
{
    const world w = {.n = 4, .m = 3, .low = 1, .high = 5, .start = {1, 5, 5, 1}, .eval = hs71};

    (void)state;
    assert_true(fabs(play("cobyla", &w, 1500).best - 17.0140173) < 1e-3);
    assert_true(fabs(play("sqp", &w, 200).best - 17.0140173) < 1e-6);
}

/* A stencil costs n trials a step; with n = 4 the gradients save most of them. Where a row is missing, differences take
 * its place. */
static void true_gradients_replace_the_stencils(void **state)
{
    const world w = {.n = 4, .m = 3, .low = 1, .high = 5, .start = {1, 5, 5, 1}, .eval = hs71};

    (void)state;
    assert_true(fabs(play_with("sqp", &w, ZO_ORACLE_GRADIENT, true, 30).best - 17.0140173) < 1e-6);
    assert_false(fabs(play("sqp", &w, 30).best - 17.0140173) < 1e-6);
    assert_true(fabs(play_with("sqp", &w, ZO_ORACLE_GRADIENT, false, 200).best - 17.0140173) < 1e-6);
    assert_true(fabs(play_with("auto", &w, ZO_ORACLE_GRADIENT, true, 30).best - 17.0140173) < 1e-6);
}

static void where_nothing_is_feasible_it_says_so(void **state)
{
    const world w = {.n = 2, .m = 1, .low = -1, .high = 1, .start = {0.5, 0.5}, .eval = nowhere};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const result r = play(k == 0 ? "cobyla" : "sqp", &w, 20000);
        assert_int_equal(r.verdict, ZO_ASK_INFEASIBLE);
        assert_true(isinf(r.best));
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_product_on_the_disc_is_least_on_its_rim),
        cmocka_unit_test(a_linear_program_ends_in_its_corner),
        cmocka_unit_test(hock_and_schittkowski_71_is_solved),
        cmocka_unit_test(true_gradients_replace_the_stencils),
        cmocka_unit_test(where_nothing_is_feasible_it_says_so),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
