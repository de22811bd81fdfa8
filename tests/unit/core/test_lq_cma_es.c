/* The solver lq-cma-es as a whole: evaluation counts against those of its author's program, and what it does with
 * points that come early, late or never. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/solver.h"

enum { N = 5, SEEDS = 9, MEMO = 64 };

typedef double (*objective)(const double *x); /* natural units, [-10,10]^N */

struct trial {
    uint64_t number;
    double u[N], memo[MEMO], predicted;
    zo_verdict verdict;
    const char *core, *why;
};

struct fx {
    zo_dim dims[N];
    double x0[N];
    zo_problem problem;
    zo_solver_run *run;
    uint64_t next;
};

static void fx_open(struct fx *x, uint64_t seed, const zo_named *options, size_t n_options)
{
    *x = (struct fx){.next = 0};
    for (size_t i = 0; i < N; i++)
        x->x0[i] = 0.55; /* 1 */
    x->problem = (zo_problem){.n = N,
                              .dims = x->dims,
                              .n_objectives = 1,
                              .oracle = ZO_ORACLE_VALUE,
                              .parallelism = 1,
                              .seed = seed,
                              .x0 = x->x0};
    assert_int_equal(zo_solver_run_new(zo_solver_find("lq-cma-es"), &x->problem, options, n_options, &x->run, NULL),
                     ZO_OK);
    assert_true(zo_solver_run_memo_bytes(x->run) <= MEMO * sizeof(double));
}

static struct trial ask(struct fx *x)
{
    struct trial t = {.number = x->next++};
    zo_proposal p = {.number = t.number, .x = t.u, .memo = t.memo};

    assert_int_equal(zo_solver_run_ask(x->run, &p, NULL), ZO_OK);
    t.verdict = p.verdict;
    t.core = p.core;
    t.why = p.why;
    t.predicted = p.predicted;
    return t;
}

static void tell(struct fx *x, const struct trial *t, bool own, zo_outcome outcome, double f)
{
    const zo_told told = {.number = t->number,
                          .outcome = outcome,
                          .own = own,
                          .has_values = outcome == ZO_TOLD_COMPLETE,
                          .feasible = true,
                          .x = t->u,
                          .memo = own ? t->memo : NULL,
                          .f = &f};

    assert_int_equal(zo_solver_run_tell(x->run, &told, NULL), ZO_OK);
}

static double value(objective f, const double *u)
{
    double x[N];

    for (size_t i = 0; i < N; i++)
        x[i] = 20 * u[i] - 10;
    return f(x);
}

static double ellipsoid(const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += pow(1e6, (double)i / (N - 1)) * x[i] * x[i];
    return sum;
}

static double rotated(const double *x)
{
    double t[N];

    memcpy(t, x, sizeof t);
    for (size_t i = 0; i < N; i++)
        for (size_t j = i + 1; j < N; j++) {
            const double a = t[i], b = t[j];
            t[i] = 0.8 * a - 0.6 * b;
            t[j] = 0.6 * a + 0.8 * b;
        }
    return ellipsoid(t);
}

static double flat(const double *x)
{
    (void)x;
    return 1;
}

static int ascending(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* The median number of evaluations to 1e-9 from x = 1 with a standard deviation of 2.2. */
static size_t evaluations(objective f)
{
    const zo_named sigma = {.name = "sigma0", .value = {.kind = ZO_NUMBER, .number = 0.11}};
    size_t counts[SEEDS];

    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double best = INFINITY;
        struct fx x;
        fx_open(&x, seed, &sigma, 1);
        for (counts[seed] = 0; best > 1e-9 && counts[seed] < 1000; counts[seed]++) {
            const struct trial t = ask(&x);
            best = fmin(best, value(f, t.u));
            tell(&x, &t, true, ZO_TOLD_COMPLETE, value(f, t.u));
        }
        zo_solver_run_free(x.run);
    }
    qsort(counts, SEEDS, sizeof *counts, ascending);
    return counts[SEEDS / 2];
}

/* The tests of pycma's surrogate allow 22 and 40 evaluations. */
static void ellipsoids_take_as_many_evaluations_as_their_models_have_coefficients(void **state)
{
    (void)state;
    assert_in_range(evaluations(ellipsoid), N + 1, 22);
    assert_in_range(evaluations(rotated), N + 1, 40);
}

static void points_told_early_make_a_model_whose_optimum_is_asked_first(void **state)
{
    zo_rng rng = zo_rng_make(2, ZO_PURPOSE_INIT, 0);
    struct fx x;

    (void)state;
    fx_open(&x, 3, NULL, 0);
    for (int i = 0; i < 42; i++) {
        struct trial t = {.number = x.next++};
        for (size_t j = 0; j < N; j++)
            t.u[j] = 0.4 + 0.2 * zo_rng_uniform(&rng);
        tell(&x, &t, false, ZO_TOLD_COMPLETE, value(rotated, t.u));
    }
    const struct trial t = ask(&x);
    assert_string_equal(t.core, "lq-cma-es");
    assert_string_equal(t.why, "model-optimum");
    assert_true(value(rotated, t.u) < 1e-9);
    assert_true(fabs(t.predicted) < 1e-6);
    zo_solver_run_free(x.run);
}

static void what_others_told_early_can_be_left_out(void **state)
{
    const zo_named off = {.name = "prefill", .value = {.kind = ZO_BOOLEAN, .boolean = false}};
    struct fx with, without;

    (void)state;
    fx_open(&with, 3, &off, 1);
    fx_open(&without, 3, &off, 1);
    for (size_t i = 0; i < 30; i++) {
        struct trial t = {.number = with.next++};
        for (size_t j = 0; j < N; j++)
            t.u[j] = 0.01 * (double)(i + j);
        tell(&with, &t, false, ZO_TOLD_COMPLETE, value(rotated, t.u));
    }
    with.next = 0;
    const struct trial a = ask(&with), b = ask(&without);
    assert_memory_equal(a.u, b.u, sizeof a.u);
    zo_solver_run_free(with.run);
    zo_solver_run_free(without.run);
}

static void a_lost_candidate_is_asked_again(void **state)
{
    struct fx x;

    (void)state;
    fx_open(&x, 3, NULL, 0);
    const struct trial first = ask(&x), second = ask(&x);
    assert_memory_not_equal(first.u, second.u, sizeof first.u);
    tell(&x, &first, true, ZO_TOLD_ABANDONED, 0);
    const struct trial again = ask(&x);
    assert_memory_equal(first.u, again.u, sizeof first.u);
    zo_solver_run_free(x.run);
}

/* 64 at a time, all late by one round, a tenth never heard of: the search goes on and gets there. */
static void late_and_missing_results_do_not_stop_the_search(void **state)
{
    enum { SLOTS = 64, ROUNDS = 60 };
    struct trial out[SLOTS];
    double best = INFINITY;
    struct fx x;

    (void)state;
    fx_open(&x, 3, NULL, 0);
    for (size_t i = 0; i < SLOTS; i++)
        out[i] = ask(&x);
    for (size_t round = 0; round < ROUNDS; round++)
        for (size_t i = 0; i < SLOTS; i++) {
            const struct trial next = ask(&x);
            best = fmin(best, value(rotated, out[i].u));
            if (i % 10 != 0)
                tell(&x, &out[i], true, ZO_TOLD_COMPLETE, value(rotated, out[i].u));
            out[i] = next;
        }
    assert_true(best < 1e-9);
    zo_solver_run_free(x.run);
}

static void without_restarts_a_converged_run_is_done_and_says_why(void **state)
{
    const zo_named none = {.name = "restarts", .value = {.kind = ZO_STRING, .string = "none"}};
    static const objective functions[] = {flat, rotated};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(functions); k++) {
        struct fx x;
        struct trial t;
        fx_open(&x, 3, &none, 1);
        for (t = ask(&x); t.verdict == ZO_ASK_OK && x.next < 5000; t = ask(&x))
            tell(&x, &t, true, ZO_TOLD_COMPLETE, value(functions[k], t.u));
        assert_int_equal(t.verdict, ZO_ASK_DONE);
        assert_true(t.why != NULL && strcmp(t.why, "sample") != 0 && strcmp(t.why, "none") != 0);
        assert_int_equal(ask(&x).verdict, ZO_ASK_DONE);
        zo_solver_run_free(x.run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ellipsoids_take_as_many_evaluations_as_their_models_have_coefficients),
        cmocka_unit_test(points_told_early_make_a_model_whose_optimum_is_asked_first),
        cmocka_unit_test(what_others_told_early_can_be_left_out),
        cmocka_unit_test(a_lost_candidate_is_asked_again),
        cmocka_unit_test(late_and_missing_results_do_not_stop_the_search),
        cmocka_unit_test(without_restarts_a_converged_run_is_done_and_says_why),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
