#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "consensus/consensus.h"
#include "zeroth/solver.h"

/* ---- the consensus ---- */

enum { SAMPLES = 400000 };

/* Of points c + s xi it lies at c - alpha s^2 g for a linear f with gradient g, at c / (1 + a alpha s^2) for f = a x^2
 * / 2. */
static void the_consensus_of_many_is_an_implicit_gradient_step(void **state)
{
    double *x = malloc(2 * SAMPLES * sizeof *x), *f = malloc(SAMPLES * sizeof *f), *w = malloc(SAMPLES * sizeof *w),
           c[2];
    zo_rng rng = zo_rng_make(1, ZO_PURPOSE_INIT, 0);

    (void)state;
    assert_true(x && f && w);
    for (size_t i = 0; i < SAMPLES; i++) {
        for (size_t j = 0; j < 2; j++)
            x[2 * i + j] = 0.5 + 0.3 * zo_rng_normal(&rng);
        f[i] = x[2 * i] - 2 * x[2 * i + 1];
    }
    assert_true(zo_consensus_weights(SAMPLES, f, 2, w));
    zo_consensus_mean(SAMPLES, 2, x, w, c);
    assert_true(fabs(c[0] - 0.32) < 0.005 && fabs(c[1] - 0.86) < 0.005);
    for (size_t i = 0; i < SAMPLES; i++)
        f[i] = 1.5 * (x[2 * i] * x[2 * i] + x[2 * i + 1] * x[2 * i + 1]);
    assert_true(zo_consensus_weights(SAMPLES, f, 2, w));
    zo_consensus_mean(SAMPLES, 2, x, w, c);
    assert_true(fabs(c[0] - 0.3247) < 0.005);
    free(x);
    free(f);
    free(w);
}

static void weights_stand_enormous_values(void **state)
{
    const double f[] = {1e300, -1e300, INFINITY, 3}, none[] = {INFINITY, INFINITY};
    double w[4];

    (void)state;
    assert_true(zo_consensus_weights(4, f, 1e15, w));
    assert_true(w[0] == 0 && w[1] == 1 && w[2] == 0 && w[3] == 0);
    assert_false(zo_consensus_weights(2, none, 1, w));
}

static void alpha_gives_the_wanted_share_a_say(void **state)
{
    double f[50], w[50];
    zo_rng rng = zo_rng_make(2, ZO_PURPOSE_INIT, 0);

    (void)state;
    for (double scale = 1e-100; scale < 1e101; scale *= 1e50) {
        for (size_t i = 0; i < 50; i++)
            f[i] = scale * zo_rng_normal(&rng);
        for (double share = 0.1; share < 0.95; share += 0.1) {
            const double alpha = zo_consensus_alpha(50, f, share, w);
            assert_true(fabs(zo_consensus_size(50, f, alpha, w) - 50 * share) < 0.01);
        }
    }
}

/* ---- the solvers ---- */

enum { N = 3, ROUNDS = 30, MOST = 40 };
static const zo_dim dims[N]; /* reals */

/* What is asked in ROUNDS steps; values are rounded to multiples of 1/1024, so that adding shift is exact. */
static void play(const char *name, double shift, bool backwards, double *asked)
{
    const zo_problem p = {
        .n = N, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = 9};
    unsigned char memo[MOST][64] __attribute__((aligned(8)));
    double x[MOST][N];
    zo_solver_run *r = NULL;
    uint64_t number = 0;

    assert_int_equal(zo_solver_run_new(zo_solver_find(name), &p, NULL, 0, &r, NULL), ZO_OK);
    assert_true(zo_solver_run_memo_bytes(r) <= 64);
    for (size_t round = 0; round < ROUNDS; round++) {
        size_t n = 0;
        for (;; n++) {
            zo_proposal q = {.number = number + n, .x = x[n], .memo = memo[n]};
            memset(memo[n], 0, 64);
            assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
            if (q.verdict != ZO_ASK_OK)
                break;
            assert_true(n + 1 < MOST);
        }
        assert_int_equal(n, 12); /* 10 + 2 sqrt 3 */
        memcpy(asked + round * N, x[n - 1], sizeof x[0]);
        for (size_t i = 0; i < n; i++) {
            const size_t k = backwards ? n - 1 - i : i;
            double f = 0;
            for (size_t j = 0; j < N; j++)
                f += floor(1024 * (x[k][j] - 0.4) * (x[k][j] - 0.4)) / 1024;
            f += shift;
            const zo_told t = {.number = number + k,
                               .own = true,
                               .has_values = true,
                               .feasible = true,
                               .x = x[k],
                               .memo = memo[k],
                               .f = &f};
            assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
        }
        number += n;
    }
    zo_solver_run_free(r);
}

static void neither_a_constant_nor_the_order_of_tells_changes_a_bit(void **state)
{
    static const char *const names[] = {"cbo", "consensus-hopping"};
    static double plain[ROUNDS * N], shifted[ROUNDS * N], backwards[ROUNDS * N];

    (void)state;
    for (size_t k = 0; k < ZO_LEN(names); k++) {
        play(names[k], 0, false, plain);
        play(names[k], 4096, false, shifted);
        play(names[k], 0, true, backwards);
        assert_memory_equal(plain, shifted, sizeof plain);
        assert_memory_equal(plain, backwards, sizeof plain);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_consensus_of_many_is_an_implicit_gradient_step),
        cmocka_unit_test(weights_stand_enormous_values),
        cmocka_unit_test(alpha_gives_the_wanted_share_a_say),
        cmocka_unit_test(neither_a_constant_nor_the_order_of_tells_changes_a_bit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
