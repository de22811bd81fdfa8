/* The hybrid: Adam against its formulas, the search on a rugged bowl against CMA-ES and against Adam alone. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "descent/adam.h"
#include "zeroth/rng.h"
#include "zeroth/solver.h"

enum { N = 10, MEMO = 512 };
static const zo_dim dims[N]; /* reals */
static const adam_rates rates = {.beta1 = 0.9, .beta2 = 0.9999, .max_steps = 10000};

/* ---- functions, on the box [-5, 5]^n ---- */

typedef double (*function)(const double *u, double *g);

/* |x|^2 + 0.1 sum (1 - cos 20 x_i): some 30 basins a coordinate, slopes that point anywhere. The least is 0 at 0. */
static double rugged(const double *u, double *g)
{
    double f = 0;

    for (size_t i = 0; i < N; i++) {
        const double x = 10 * u[i] - 5;
        f += x * x + 0.1 * (1 - cos(20 * x));
        g[i] = 10 * (2 * x + 2 * sin(20 * x));
    }
    return f;
}

static double sphere(const double *u, double *g)
{
    double f = 0;

    for (size_t i = 0; i < N; i++) {
        const double x = 10 * u[i] - 5 - 0.1 * (double)i;
        f += x * x;
        g[i] = 20 * x;
    }
    return f;
}

/* ---- Adam ---- */

static void each_step_of_a_descent_is_that_of_the_formulas(void **state)
{
    const double rate = 1e-3;
    double x[N], m[N] = {0}, v[N] = {0}, g[N], unit = 0;
    adam a = {0};

    (void)state;
    assert_int_equal(zo_adam_init(&a, N, NULL), ZO_OK);
    for (size_t i = 0; i < N; i++)
        x[i] = 0.6;
    double f = sphere(x, g);
    for (size_t i = 0; i < N; i++)
        unit = fmax(unit, fabs(g[i]));
    zo_adam_start(&a, &rates, x, f, g, rate);
    for (int k = 1; k <= 60; k++) {
        for (size_t i = 0; i < N; i++) {
            const double u = g[i] / unit;
            m[i] = 0.9 * m[i] + 0.1 * u;
            v[i] = 0.9999 * v[i] + 0.0001 * u * u;
            x[i] -= rate * pow(0.9, k / 10) * (m[i] / (1 - pow(0.9, k))) / sqrt(v[i] / (1 - pow(0.9999, k)) + 1e-8);
            assert_true(fabs(x[i] - a.x[i]) < 1e-12);
        }
        assert_true(a.live);
        f = sphere(a.x, g);
        zo_adam_tell(&a, &rates, a.x, f, g);
    }
    zo_adam_fini(&a);
}

/* From values times 1e200 and times 1e-200 the same way is gone. */
static void a_descent_does_not_depend_on_the_scale_of_the_values(void **state)
{
    static const double scales[] = {1, 0x1p600, 0x1p-600};
    double ends[3][N], x[N], g[N];

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        adam a = {0};
        assert_int_equal(zo_adam_init(&a, N, NULL), ZO_OK);
        for (size_t i = 0; i < N; i++)
            x[i] = 0.6;
        double f = sphere(x, g);
        for (int step = 0; step < 100; step++) {
            for (size_t i = 0; i < N; i++)
                g[i] *= scales[k];
            if (step == 0)
                zo_adam_start(&a, &rates, x, f * scales[k], g, 1e-3);
            else
                zo_adam_tell(&a, &rates, a.x, f * scales[k], g);
            f = sphere(a.x, g);
        }
        memcpy(ends[k], a.x, sizeof ends[k]);
        zo_adam_fini(&a);
    }
    assert_memory_equal(ends[0], ends[1], sizeof ends[0]);
    assert_memory_equal(ends[0], ends[2], sizeof ends[0]);
}

static void a_point_without_value_sends_it_back_with_a_quarter_of_the_rate(void **state)
{
    double x[N], g[N], first[N];
    adam a = {0};

    (void)state;
    assert_int_equal(zo_adam_init(&a, N, NULL), ZO_OK);
    for (size_t i = 0; i < N; i++)
        x[i] = 0.9;
    const double f = sphere(x, g);
    zo_adam_start(&a, &rates, x, f, g, 1e-3);
    memcpy(first, a.x, sizeof first);
    for (double share = 0.25; share > 0.01; share /= 4) {
        zo_adam_tell(&a, &rates, a.x, INFINITY, g);
        assert_true(a.live);
        for (size_t i = 0; i < N; i++)
            assert_true(fabs((a.x[i] - x[i]) - share * (first[i] - x[i])) < 1e-15);
    }
    zo_adam_tell(&a, &rates, a.x, INFINITY, g);
    assert_false(a.live);
    zo_adam_start(&a, &rates, x, f, (double[N]){0}, 1e-3);
    assert_false(a.live);
    zo_adam_fini(&a);
}

/* ---- the whole ---- */

struct result {
    int reached_at; /* evaluations to 1e-8; -1: not in time */
    int n_polish;   /* of them by Adam */
    double best;
};

static struct result run(const char *name, function f, uint64_t seed, uint64_t popsize, int most)
{
    const bool gradients = strcmp(name, "cma-es") != 0;
    const zo_named options[] = {{"popsize", {.kind = ZO_NUMBER, .number = (double)popsize, .integral = true}},
                                {"sigma0", {.kind = ZO_NUMBER, .number = 0.1}}};
    unsigned char memo[MEMO];
    double x0[N], x[N], g[N];
    struct result r = {.reached_at = -1, .best = INFINITY};
    zo_solver_run *solver;

    for (size_t i = 0; i < N; i++)
        x0[i] = 0.7;
    const zo_problem p = {.n = N,
                          .dims = dims,
                          .n_objectives = 1,
                          .oracle = gradients ? ZO_ORACLE_GRADIENT : ZO_ORACLE_VALUE,
                          .parallelism = 1,
                          .seed = seed,
                          .x0 = x0};
    assert_int_equal(zo_solver_run_new(zo_solver_find(name), &p, options, 2, &solver, NULL), ZO_OK);
    assert_true(zo_solver_run_memo_bytes(solver) <= MEMO);
    for (int k = 0; k < most && r.reached_at < 0; k++) {
        zo_proposal ask = {.number = (uint64_t)k, .x = x, .memo = memo};
        memset(memo, 0, sizeof memo);
        assert_int_equal(zo_solver_run_ask(solver, &ask, NULL), ZO_OK);
        assert_int_equal(ask.verdict, ZO_ASK_OK);
        const double value = f(x, g);
        const zo_told t = {.number = (uint64_t)k,
                           .outcome = ZO_TOLD_COMPLETE,
                           .own = true,
                           .has_values = true,
                           .feasible = true,
                           .x = x,
                           .memo = memo,
                           .f = &value,
                           .df = gradients ? g : NULL};
        assert_int_equal(zo_solver_run_tell(solver, &t, NULL), ZO_OK);
        r.n_polish += strcmp(ask.core, "adam") == 0;
        r.best = fmin(r.best, value);
        if (value < 1e-8)
            r.reached_at = k + 1;
    }
    zo_solver_run_free(solver);
    return r;
}

/* The published point of the coupling: gradients alone end in the basin they begin in, samples alone are slow to the
 * last digits. Both reach them here; together they need two thirds at most. */
static void the_rugged_bowl_takes_fewer_evaluations_than_the_search_alone(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        const struct result hybrid = run("hybrid-cma-adam", rugged, seed, 40, 8000);
        const struct result search = run("cma-es", rugged, seed, 40, 8000);
        assert_true(search.reached_at > 0);
        assert_true(hybrid.reached_at > 0 && hybrid.reached_at <= search.reached_at * 2 / 3);
        assert_true(hybrid.n_polish > 0 && hybrid.n_polish <= 300);
    }
}

static void gradients_alone_end_in_the_basin_they_begin_in(void **state)
{
    zo_portable1 r = zo_portable1_make(1);

    (void)state;
    for (int k = 0; k < 20; k++) {
        double x[N], g[N];
        adam a = {0};
        assert_int_equal(zo_adam_init(&a, N, NULL), ZO_OK);
        for (size_t i = 0; i < N; i++)
            x[i] = zo_portable1_uniform(&r);
        zo_adam_start(&a, &rates, x, rugged(x, g), g, 0.01);
        while (a.live) {
            const double f = rugged(a.x, g);
            zo_adam_tell(&a, &rates, a.x, f, g);
        }
        assert_true(a.best_f > 1e-3);
        zo_adam_fini(&a);
    }
}

static void a_small_population_finds_the_basin_by_its_restarts(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++)
        assert_true(run("hybrid-cma-adam", rugged, seed, 0, 20000).reached_at > 0);
}

static void the_end_and_the_neighbourhood_follow_as_the_option_says(void **state)
{
    static const char *const after[] = {"end", "near"};

    (void)state;
    for (size_t k = 0; k < 2; k++) {
        const zo_named option = {"after", {.kind = ZO_STRING, .string = after[k]}};
        const zo_problem p = {
            .n = N, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_GRADIENT, .parallelism = 1, .seed = 4};
        unsigned char memo[MEMO];
        double x[N], g[N], best[N] = {0}, least = INFINITY;
        zo_solver_run *solver;
        bool polished = false, over = false;
        assert_int_equal(zo_solver_run_new(zo_solver_find("hybrid-cma-adam"), &p, &option, 1, &solver, NULL), ZO_OK);
        for (uint64_t number = 0; number < 5000 && !over; number++) {
            zo_proposal ask = {.number = number, .x = x, .memo = memo};
            memset(memo, 0, sizeof memo);
            assert_int_equal(zo_solver_run_ask(solver, &ask, NULL), ZO_OK);
            over = ask.verdict == ZO_ASK_DONE;
            if (over)
                break;
            const bool polish = strcmp(ask.core, "adam") == 0;
            if (polished && !polish) { /* the first sample after a polish: a tenth of 0.2 around the best */
                double far = 0;
                for (size_t i = 0; i < N; i++)
                    far += (x[i] - best[i]) * (x[i] - best[i]);
                assert_int_equal(k, 1);
                assert_true(sqrt(far) < 0.02 * (sqrt(N) + 4));
                break;
            }
            polished = polish;
            const double f = sphere(x, g);
            if (f < least) {
                least = f;
                memcpy(best, x, sizeof best);
            }
            const zo_told t = {.number = number,
                               .outcome = ZO_TOLD_COMPLETE,
                               .own = true,
                               .has_values = true,
                               .feasible = true,
                               .x = x,
                               .memo = memo,
                               .f = &f,
                               .df = g};
            assert_int_equal(zo_solver_run_tell(solver, &t, NULL), ZO_OK);
        }
        assert_true(polished);
        assert_int_equal(over, k == 0);
        assert_true(least < 1e-10);
        zo_solver_run_free(solver);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_of_a_descent_is_that_of_the_formulas),
        cmocka_unit_test(a_descent_does_not_depend_on_the_scale_of_the_values),
        cmocka_unit_test(a_point_without_value_sends_it_back_with_a_quarter_of_the_rate),
        cmocka_unit_test(the_rugged_bowl_takes_fewer_evaluations_than_the_search_alone),
        cmocka_unit_test(gradients_alone_end_in_the_basin_they_begin_in),
        cmocka_unit_test(a_small_population_finds_the_basin_by_its_restarts),
        cmocka_unit_test(the_end_and_the_neighbourhood_follow_as_the_option_says),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
