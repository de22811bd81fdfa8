/* SPSA against its formulas, written down once more for a quadratic, and its manners with noise and bad news. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { N = 10, MEMO = 64 };
static const zo_dim dims[N]; /* reals */

struct world {
    zo_solver_run *run;
    uint64_t next;
    double x[2][N];
    unsigned char memo[2][MEMO];
};

static zo_named number_option(const char *name, double x)
{
    return (zo_named){name, {.kind = ZO_NUMBER, .number = x}};
}

static struct world start(uint64_t seed, zo_noise noise, const zo_named *options, size_t n_options)
{
    const zo_problem p = {.n = N, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = seed, .noise = noise};
    struct world w = {0};

    assert_int_equal(zo_solver_run_new(zo_solver_find("spsa"), &p, options, n_options, &w.run, NULL), ZO_OK);
    assert_true(zo_solver_run_memo_bytes(w.run) <= MEMO);
    return w;
}

static void ask(struct world *w, size_t slot)
{
    zo_proposal p = {.number = w->next++, .x = w->x[slot], .memo = w->memo[slot]};

    memset(w->memo[slot], 0, MEMO);
    assert_int_equal(zo_solver_run_ask(w->run, &p, NULL), ZO_OK);
    assert_int_equal(p.verdict, ZO_ASK_OK);
}

static void tell(struct world *w, size_t slot, zo_outcome outcome, double f)
{
    const zo_told t = {.number = w->next - 1,
                       .outcome = outcome,
                       .own = true,
                       .has_values = outcome == ZO_TOLD_COMPLETE,
                       .feasible = true,
                       .x = w->x[slot],
                       .memo = w->memo[slot],
                       .f = &f};

    assert_int_equal(zo_solver_run_tell(w->run, &t, NULL), ZO_OK);
}

static double quadratic(const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < N; i++)
        sum += (1 + (double)i) * (x[i] - 0.6) * (x[i] - 0.6);
    return sum;
}

/* The iterate is the middle of a pair; it is computed here from the formulas of Spall's papers, with D read off the pair. */
static void each_step_is_that_of_the_formulas(void **state)
{
    const double a = 0.01, c = 0.02, A = 10;
    const zo_named options[] = {number_option("a", a), number_option("c", c)};
    struct world w = start(3, ZO_NOISE_AUTO, options, ZO_LEN(options));
    double x[N];

    (void)state;
    for (size_t i = 0; i < N; i++)
        x[i] = 0.5;
    for (unsigned k = 0; k < 100; k++) {
        const double ck = c / pow(k + 1, 0.101), ak = a / pow(A + k + 1, 0.602);
        ask(&w, 0);
        ask(&w, 1);
        for (size_t i = 0; i < N; i++) {
            assert_true(fabs((w.x[0][i] + w.x[1][i]) / 2 - x[i]) < 1e-9);
            assert_true(fabs(fabs(w.x[0][i] - x[i]) - ck) < 1e-9);
        }
        const double slope = (quadratic(w.x[0]) - quadratic(w.x[1])) / (2 * ck);
        for (size_t i = 0; i < N; i++)
            x[i] -= ak * slope / (w.x[0][i] > w.x[1][i] ? 1 : -1);
        tell(&w, 1, ZO_TOLD_COMPLETE, quadratic(w.x[1])); /* in any order */
        tell(&w, 0, ZO_TOLD_COMPLETE, quadratic(w.x[0]));
    }
    zo_solver_run_free(w.run);
}

/* The pair's middle after n_evals values, with Gaussian noise of deviation sigma on each. */
static double descend(struct world *w, size_t n_evals, double sigma, uint64_t seed)
{
    zo_portable1 g = zo_portable1_make(seed);
    double x[N];

    for (size_t k = 0; k < n_evals / 2; k++)
        for (size_t slot = 0; slot < 2; slot++) {
            ask(w, slot);
            tell(w, slot, ZO_TOLD_COMPLETE, quadratic(w->x[slot]) + sigma * zo_portable1_normal(&g));
        }
    for (size_t i = 0; i < N; i++)
        x[i] = (w->x[0][i] + w->x[1][i]) / 2;
    return quadratic(x);
}

static void a_quadratic_is_descended_without_a_gain_being_given(void **state)
{
    const double first = N * (N + 1) / 2 * 0.01; /* at 0.5 */

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w = start(seed, ZO_NOISE_AUTO, NULL, 0);
        assert_true(descend(&w, 2000, 0, 0) < 1e-3 * first);
        zo_solver_run_free(w.run);
    }
}

/* Noise as large as the value to be won at the start; the median of five runs still wins a factor of five. */
static void noise_slows_it_down_and_does_not_lead_it_astray(void **state)
{
    const double first = N * (N + 1) / 2 * 0.01;
    size_t n_good = 0;

    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct world w = start(seed, ZO_NOISE_EXPECTED, NULL, 0);
        n_good += descend(&w, 4000, 0.1, seed) < 0.2 * first;
        zo_solver_run_free(w.run);
    }
    assert_true(n_good >= 3);
}

/* First steps of a third of the box go wrong; after a step that did, the next pair is where it was good. */
static void blocking_takes_back_every_step_that_made_it_worse(void **state)
{
    const zo_named options[] = {number_option("step", 0.3), {"blocking", {.kind = ZO_BOOLEAN, .boolean = true}}};
    struct world w = start(5, ZO_NOISE_AUTO, options, ZO_LEN(options));
    double kept = INFINITY, kept_x[N] = {0};
    unsigned n_worse = 0;
    bool was_worse = false;

    (void)state;
    for (unsigned k = 0; k < 300; k++) {
        for (unsigned side = 0; side < 3; side++) {
            ask(&w, 0);
            tell(&w, 0, ZO_TOLD_COMPLETE, quadratic(w.x[0]));
        }
        for (size_t i = 0; i < N && was_worse; i++) /* the third value of a pair is its middle's */
            assert_true(fabs(w.x[0][i] - kept_x[i]) < 1e-12);
        was_worse = quadratic(w.x[0]) > kept;
        n_worse += was_worse;
        if (!was_worse) {
            kept = quadratic(w.x[0]);
            memcpy(kept_x, w.x[0], sizeof kept_x);
        }
    }
    assert_true(n_worse > 5);
    assert_true(kept < 0.5 * N * (N + 1) / 2 * 0.01);
    zo_solver_run_free(w.run);
}

static void huge_and_missing_values_leave_it_in_the_box(void **state)
{
    struct world w = start(9, ZO_NOISE_AUTO, NULL, 0);

    (void)state;
    for (unsigned k = 0; k < 400; k++) {
        ask(&w, 0);
        for (size_t i = 0; i < N; i++)
            assert_true(w.x[0][i] >= 0 && w.x[0][i] <= 1);
        tell(&w, 0, k % 7 == 3 ? ZO_TOLD_FAILED : ZO_TOLD_COMPLETE, k % 5 == 0 ? 1.7e308 : k % 5 == 1 ? -1.7e308 : 1);
    }
    zo_solver_run_free(w.run);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_that_of_the_formulas),
        cmocka_unit_test(a_quadratic_is_descended_without_a_gain_being_given),
        cmocka_unit_test(noise_slows_it_down_and_does_not_lead_it_astray),
        cmocka_unit_test(blocking_takes_back_every_step_that_made_it_worse),
        cmocka_unit_test(huge_and_missing_values_leave_it_in_the_box),
    };

    return cmocka_run_group_tests_name("spsa", tests, NULL, NULL);
}
