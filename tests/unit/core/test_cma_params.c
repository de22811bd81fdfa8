/* Strategy constants of CMA-ES against values worked out apart from this code. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cma/params.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

/* The tutorial's table 1, evaluated to five digits by another program; c_mu with the 1/4 of pycma. */
static const struct {
    size_t n, lambda;
    double mu_eff, c_sigma, d_sigma, c_c, c_1, c_mu, w[3], w_sum_negative;
} published[] = {
    {5, 8, 2.60018, .36509, 1.36509, .45020, .04729, .04786, {.5299, .2857, .1429}, 1 + .04729 / .04786},
    {10, 10, 3.16730, .28443, 1.28443, .29499, .01528, .02355, {.4563, .2708, .1622}, 1 + .01528 / .02355},
    {20, 12, 3.72946, .19943, 1.19943, .17177, .00437, .0, {.4024, .2534, .1662}, 0},
    {10, 100, 26.96666, .69023, 2.76308, .34531, .01293, .0, {.0824, .0678, .0593}, 0},
};

static void constants_are_the_published_ones(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(published); k++) {
        double w[100];
        cma_params p = {.w = w};
        zo_cma_params_set(&p, published[k].n, published[k].lambda, false, true);
        assert_close(p.mu_eff, published[k].mu_eff, 1e-5);
        assert_close(p.c_sigma, published[k].c_sigma, 1e-5);
        assert_close(p.d_sigma, published[k].d_sigma, 1e-5);
        assert_close(p.c_c, published[k].c_c, 1e-5);
        assert_close(p.c_1, published[k].c_1, 1e-5);
        if (published[k].c_mu > 0)
            assert_close(p.c_mu, published[k].c_mu, 1e-5);
        for (size_t i = 0; i < 3; i++)
            assert_close(w[i], published[k].w[i], 1e-4);
        double negative = 0;
        for (size_t i = p.mu; i < p.lambda; i++)
            negative -= w[i];
        if (published[k].w_sum_negative > 0)
            assert_close(negative, published[k].w_sum_negative, 1e-3);
    }
}

static void populations_grow_with_the_logarithm_of_the_dimension(void **state)
{
    (void)state;
    static const size_t known[][2] = {{1, 4}, {2, 6}, {5, 8}, {10, 10}, {20, 12}, {100, 17}, {300, 21}};
    for (size_t i = 0; i < ZO_LEN(known); i++)
        assert_int_equal(zo_cma_population(known[i][0]), known[i][1]);
}

/* Whatever the sizes: weights add up, rates leave room for the past, and C's decay cannot turn negative. */
static void constants_are_sound_at_every_size(void **state)
{
    (void)state;
    static double w[4000];
    static const size_t ns[] = {1, 2, 3, 7, 40, 300, 2000}, lambdas[] = {4, 5, 9, 50, 700, 4000};
    for (size_t i = 0; i < ZO_LEN(ns); i++)
        for (size_t k = 0; k < ZO_LEN(lambdas); k++)
            for (int how = 0; how < 4; how++) {
                cma_params p = {.w = w};
                zo_cma_params_set(&p, ns[i], lambdas[k], how & 1, how & 2);
                double positive = 0, all = 0;
                for (size_t r = 0; r < p.lambda; r++) {
                    positive += fmax(0, w[r]);
                    all += w[r];
                    assert_true(r == 0 || w[r] <= w[r - 1]);
                    assert_true(how & 2 || w[r] >= 0);
                }
                assert_close(positive, 1, 1e-12);
                assert_true(p.c_1 > 0 && p.c_mu >= 0 && p.c_1 + p.c_mu <= 1 && p.c_sigma > 0 && p.c_sigma < 1);
                assert_true(p.c_c > 0 && p.c_c <= 1 && p.d_sigma >= 1);
                /* the worst samples take at most what decay leaves: n c_mu |w-| <= 1 - c_1 - c_mu */
                assert_true((double)ns[i] * p.c_mu * (1 - all) <= 1 - p.c_1 - p.c_mu + 1e-9);
            }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(constants_are_the_published_ones),
        cmocka_unit_test(populations_grow_with_the_logarithm_of_the_dimension),
        cmocka_unit_test(constants_are_sound_at_every_size),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
