/* Audits, judged by closed forms and by counting all pairs. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "zeroth/audit.h"
#include "zeroth/rng.h"

enum { N = 400 };

static double work[4 * N];

static void klom_of_equal_margins_is_zero(void **state)
{
    double a[N];
    zo_rng r = zo_rng_make(1, ZO_PURPOSE_INIT, 0);

    (void)state;
    zo_rng_normals(&r, N, a);
    assert_true(zo_klom(a, N, a, N, work) == 0);
    assert_true(zo_klom(a, 2, a, 2, work) == 0);
    for (size_t i = 0; i < N; i++)
        a[i] = 3;
    assert_true(zo_klom(a, N, a, N, work) == 0);
}

static void klom_grows_with_a_shift_and_is_bounded_by_the_added_mass(void **state)
{
    double a[N], b[N], last = 0;
    zo_rng r = zo_rng_make(2, ZO_PURPOSE_INIT, 0);

    (void)state;
    zo_rng_normals(&r, N, a);
    for (double shift = 0.5; shift <= 2; shift += 0.5) {
        for (size_t i = 0; i < N; i++)
            b[i] = a[i] + shift;
        const double kl = zo_klom(a, N, b, N, work);
        assert_true(kl > last);
        last = kl;
    }
    /* disjoint: half of the bins have all of the mass of one and the added mass of the other */
    for (size_t i = 0; i < N; i++) {
        a[i] = (double)i;
        b[i] = (double)(i + 10 * N);
    }
    const double eps = 1e-5, sum = 1 + ZO_KLOM_BINS * eps, p = (0.1 + eps) / sum, q = eps / sum;
    assert_true(fabs(zo_klom(a, N, b, N, work) - 10 * (p * log(p / q) + q * log(q / p))) < 1e-9);
}

static void auc_is_the_share_of_pairs(void **state)
{
    zo_rng r = zo_rng_make(3, ZO_PURPOSE_INIT, 0);

    (void)state;
    for (int round = 0; round < 200; round++) {
        const size_t m = 2 + zo_rng_below(&r, 30), n = 2 + zo_rng_below(&r, 30);
        double a[32], b[32], above = 0;

        for (size_t i = 0; i < m; i++)
            a[i] = (double)zo_rng_below(&r, 12);
        for (size_t i = 0; i < n; i++)
            b[i] = (double)zo_rng_below(&r, 10);
        for (size_t i = 0; i < m; i++)
            for (size_t k = 0; k < n; k++)
                above += a[i] > b[k] ? 1 : a[i] == b[k] ? 0.5 : 0;
        const zo_auc auc = zo_membership_auc(a, m, b, n, work);
        assert_true(fabs(auc.value - above / (double)(m * n)) < 1e-12);
        assert_true(auc.low <= auc.value && auc.value <= auc.high && auc.low >= 0 && auc.high <= 1);
    }
}

static void its_interval_holds_the_truth_as_often_as_it_says(void **state)
{
    double a[60], b[60];
    int held = 0;
    zo_rng r = zo_rng_make(4, ZO_PURPOSE_INIT, 0);
    const double truth = 0.5 * erfc(-0.5 / 1.4142135623730951 / 1.4142135623730951); /* of N(0.5, 1) and N(0, 1) */

    (void)state;
    for (int round = 0; round < 2000; round++) {
        zo_rng_normals(&r, 60, a);
        zo_rng_normals(&r, 60, b);
        for (size_t i = 0; i < 60; i++)
            a[i] += 0.5;
        const zo_auc auc = zo_membership_auc(a, 60, b, 60, work);
        held += auc.low <= truth && truth <= auc.high;
    }
    assert_in_range(held, 1960, 1995); /* 99 % of 2000, less what is known of the method at such sizes */
}

static void quantiles_interpolate(void **state)
{
    const double v[] = {1, 2, 4, 8, 16};

    (void)state;
    assert_true(zo_quantile(v, 5, 0) == 1 && zo_quantile(v, 5, 1) == 16 && zo_quantile(v, 5, 0.5) == 4);
    assert_true(zo_quantile(v, 5, 0.625) == 6 && zo_quantile(v, 1, 0.3) == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(klom_of_equal_margins_is_zero),
        cmocka_unit_test(klom_grows_with_a_shift_and_is_bounded_by_the_added_mass),
        cmocka_unit_test(auc_is_the_share_of_pairs),
        cmocka_unit_test(its_interval_holds_the_truth_as_often_as_it_says),
        cmocka_unit_test(quantiles_interpolate),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
