#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "quasi_newton/box_qp.h"
#include "quasi_newton/noise.h"
#include "zeroth/rng.h"
#include "zeroth/solver.h"

enum { MAX_DIMS = 16 };
static const zo_dim dims[MAX_DIMS]; /* reals */

/* ---- the problems: x = 10 u - 5, optimum of sphere and ellipsoid at 1.3 ---- */

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

struct play {
    function f;
    size_t n;
    double noise;
    bool gradients; /* of the sphere */
    uint64_t n_evals, limit;
    double best;
    uint64_t at_coarse, at_fine; /* evaluations to 1e-2 and 1e-8 */
};

/* One run from u = 0.2, a point at a time. */
static void play(struct play *k)
{
    double x0[MAX_DIMS], u[MAX_DIMS], x[MAX_DIMS], df[MAX_DIMS];
    const zo_problem p = {.n = k->n,
                          .dims = dims,
                          .n_objectives = 1,
                          .oracle = k->gradients ? ZO_ORACLE_GRADIENT : ZO_ORACLE_VALUE,
                          .noise = k->noise > 0 ? ZO_NOISE_EXPECTED : ZO_NOISE_NONE,
                          .parallelism = 1,
                          .seed = 5,
                          .x0 = x0};
    zo_solver_run *r = NULL;

    for (size_t i = 0; i < k->n; i++)
        x0[i] = 0.2;
    k->n_evals = k->at_coarse = k->at_fine = 0;
    k->best = INFINITY;
    assert_int_equal(zo_solver_run_new(zo_solver_find("quasi-newton"), &p, NULL, 0, &r, NULL), ZO_OK);
    void *memo = calloc(1, zo_solver_run_memo_bytes(r));
    while (k->at_fine == 0 && k->n_evals < k->limit) {
        zo_proposal q = {.number = k->n_evals, .x = u, .memo = memo};
        assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
        assert_int_equal(q.verdict, ZO_ASK_OK);
        for (size_t i = 0; i < k->n; i++)
            x[i] = 10 * u[i] - 5;
        const double clean = k->f(k->n, x);
        zo_rng rng = zo_rng_make(77, ZO_PURPOSE_TELL, k->n_evals);
        const double f = clean + k->noise * zo_rng_normal(&rng);
        for (size_t i = 0; i < k->n; i++)
            df[i] = 10 * 2 * (x[i] - 1.3);
        const zo_told t = {.number = k->n_evals,
                           .outcome = ZO_TOLD_COMPLETE,
                           .own = true,
                           .has_values = true,
                           .feasible = true,
                           .x = u,
                           .memo = memo,
                           .f = &f,
                           .df = k->gradients ? df : NULL};
        assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
        k->n_evals++;
        k->best = fmin(k->best, clean);
        if (k->at_coarse == 0 && k->best <= 1e-2)
            k->at_coarse = k->n_evals;
        if (k->best <= 1e-8)
            k->at_fine = k->n_evals;
    }
    zo_solver_run_free(r);
    free(memo);
}

static void assert_about(uint64_t evals, double expected)
{
    assert_in_range(evals, (uint64_t)(0.6 * expected), (uint64_t)(1.4 * expected));
}

/* Counts of an independent prototype of the same method. */
static void it_takes_as_many_evaluations_as_published_runs(void **state)
{
    static const struct {
        function f;
        size_t n;
        double coarse, fine;
    } cases[] = {{sphere, 5, 8, 8},          {sphere, 10, 13, 13},    {rosenbrock, 5, 172, 209},
                 {rosenbrock, 10, 514, 592}, {ellipsoid, 5, 82, 100}, {ellipsoid, 10, 254, 287}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        struct play game = {.f = cases[k].f, .n = cases[k].n, .limit = 2000};
        play(&game);
        if (getenv("ZEROTH_PRINT"))
            print_message("n %zu: %llu %llu\n", cases[k].n, (unsigned long long)game.at_coarse,
                          (unsigned long long)game.at_fine);
        assert_about(game.at_coarse, cases[k].coarse);
        assert_about(game.at_fine, cases[k].fine);
    }
}

static void true_gradients_replace_the_stencils(void **state)
{
    struct play game = {.f = sphere, .n = 10, .limit = 100, .gradients = true};

    (void)state;
    play(&game);
    assert_in_range(game.at_fine, 2, 6);
}

static void with_noise_it_takes_longer_difference_steps(void **state)
{
    struct play game = {.f = sphere, .n = 5, .limit = 500, .noise = 1e-3};

    (void)state;
    play(&game);
    assert_true(game.best < 0.05);
}

/* ---- the noise estimate ---- */

static void the_noise_of_a_smooth_function_is_found(void **state)
{
    size_t n_good = 0;

    (void)state;
    for (uint64_t k = 0; k < 200; k++) {
        zo_rng rng = zo_rng_make(k, ZO_PURPOSE_INIT, 0);
        const double sigma = pow(10, -9 + 8 * zo_rng_uniform(&rng));
        double f[QN_NOISE_POINTS];
        for (size_t i = 0; i < QN_NOISE_POINTS; i++)
            f[i] = exp(1e-6 * (double)i) + sigma * zo_rng_normal(&rng);
        const double found = qn_noise(f);
        n_good += found > sigma / 2 && found < sigma * 2;
    }
    assert_in_range(n_good, 170, 200);
}

static void a_smooth_function_has_no_noise(void **state)
{
    double f[QN_NOISE_POINTS];

    (void)state;
    for (size_t i = 0; i < QN_NOISE_POINTS; i++)
        f[i] = (double)(i * i); /* exact in doubles: the third differences vanish */
    assert_true(qn_noise(f) == 0);
}

/* ---- the step in the box ---- */

/* Brute force: every coordinate free, low or high; the best of the feasible stationary points. */
static double brute_force(const double *B, const double *g, const double *low, const double *high, size_t n)
{
    double best = 0; /* d = 0 */
    size_t cases = 1;

    for (size_t i = 0; i < n; i++)
        cases *= 3;
    for (size_t c = 0; c < cases; c++) {
        double d[4] = {0}, A[4][5];
        size_t side[4], free[4], n_free = 0, code = c;
        for (size_t i = 0; i < n; i++, code /= 3) {
            side[i] = code % 3;
            d[i] = side[i] == 1 ? low[i] : side[i] == 2 ? high[i] : 0;
            if (side[i] == 0)
                free[n_free++] = i;
        }
        for (size_t k = 0; k < n_free; k++) {
            A[k][n_free] = -g[free[k]];
            for (size_t j = 0; j < n; j++)
                A[k][n_free] -= side[j] ? B[free[k] + j * n] * d[j] : 0;
            for (size_t l = 0; l < n_free; l++)
                A[k][l] = B[free[k] + free[l] * n];
        }
        for (size_t k = 0; k < n_free; k++) /* spd: no pivoting needed */
            for (size_t r = 0; r < n_free; r++) {
                const double m = r == k ? 0 : A[r][k] / A[k][k];
                for (size_t l = k; l <= n_free && r != k; l++)
                    A[r][l] -= m * A[k][l];
            }
        bool inside = true;
        for (size_t k = 0; k < n_free; k++) {
            d[free[k]] = A[k][n_free] / A[k][k];
            inside = inside && d[free[k]] >= low[free[k]] - 1e-12 && d[free[k]] <= high[free[k]] + 1e-12;
        }
        double q = 0;
        for (size_t i = 0; i < n; i++) {
            q += g[i] * d[i];
            for (size_t j = 0; j < n; j++)
                q += 0.5 * d[i] * B[i + j * n] * d[j];
        }
        if (inside && q < best)
            best = q;
    }
    return best;
}

static void check_box(uint64_t seed, size_t m)
{
    enum { N = 4 };
    zo_rng rng = zo_rng_make(seed, ZO_PURPOSE_INIT, 0);
    double B[N * N] = {0}, g[N], d[N], s[N], y[N], e[N], column[N], q = 0;
    qn_hessian h = {0};
    qn_box_qp qp = {0};

    assert_int_equal(qn_hessian_init(&h, N, m, NULL), ZO_OK);
    assert_int_equal(qn_box_qp_init(&qp, N, m == 0, NULL), ZO_OK);
    qn_hessian_reset(&h, 0.1 + zo_rng_uniform(&rng));
    for (int k = 0; k < 3; k++) {
        zo_rng_normals(&rng, N, s);
        zo_rng_normals(&rng, N, y);
        qn_hessian_update(&h, s, y);
    }
    for (size_t j = 0; j < N; j++) {
        for (size_t i = 0; i < N; i++)
            e[i] = i == j;
        qn_hessian_times(&h, e, column);
        memcpy(B + j * N, column, sizeof column);
        assert_true(fabs(qn_hessian_diagonal(&h, j) - column[j]) <= 1e-9 * fabs(column[j]));
    }
    zo_rng_normals(&rng, N, g);
    for (size_t i = 0; i < N; i++) {
        qp.low[i] = zo_rng_below(&rng, 4) == 0 ? 0 : -zo_rng_uniform(&rng);
        qp.high[i] = zo_rng_below(&rng, 4) == 0 ? 0 : zo_rng_uniform(&rng);
    }
    const double best = brute_force(B, g, qp.low, qp.high, N);
    assert_true(qn_box_qp_solve(&qp, &h, g, d));
    for (size_t i = 0; i < N; i++) {
        assert_true(d[i] >= qp.low[i] && d[i] <= qp.high[i]);
        q += g[i] * d[i];
        for (size_t j = 0; j < N; j++)
            q += 0.5 * d[i] * B[i + j * N] * d[j];
    }
    assert_true(q <= best + 1e-6 * (1 + fabs(best)));
    qn_box_qp_fini(&qp);
    qn_hessian_fini(&h);
}

static void the_step_in_the_box_is_the_best_of_all_active_sets(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++)
        check_box(seed, 0);
}

static void limited_memory_finds_the_same_step(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++)
        check_box(seed, 8);
}

/* With no pair dropped, the limited memory is the dense matrix. */
static void pairs_are_the_dense_matrix(void **state)
{
    enum { N = 6, UPDATES = 5 };
    qn_hessian dense = {0}, pairs = {0};
    double s[N], y[N], a[N], b[N];
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_INIT, 0);

    (void)state;
    assert_int_equal(qn_hessian_init(&dense, N, 0, NULL), ZO_OK);
    assert_int_equal(qn_hessian_init(&pairs, N, UPDATES, NULL), ZO_OK);
    qn_hessian_reset(&dense, 2);
    qn_hessian_reset(&pairs, 2);
    for (int k = 0; k < UPDATES; k++) {
        zo_rng_normals(&rng, N, s);
        zo_rng_normals(&rng, N, y);
        qn_hessian_update(&dense, s, y);
        qn_hessian_update(&pairs, s, y);
        zo_rng_normals(&rng, N, s);
        qn_hessian_times(&dense, s, a);
        qn_hessian_times(&pairs, s, b);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs(a[i] - b[i]) <= 1e-9 * (1 + fabs(a[i])));
    }
    qn_hessian_fini(&dense);
    qn_hessian_fini(&pairs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_as_many_evaluations_as_published_runs),
        cmocka_unit_test(true_gradients_replace_the_stencils),
        cmocka_unit_test(with_noise_it_takes_longer_difference_steps),
        cmocka_unit_test(the_noise_of_a_smooth_function_is_found),
        cmocka_unit_test(a_smooth_function_has_no_noise),
        cmocka_unit_test(the_step_in_the_box_is_the_best_of_all_active_sets),
        cmocka_unit_test(limited_memory_finds_the_same_step),
        cmocka_unit_test(pairs_are_the_dense_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
