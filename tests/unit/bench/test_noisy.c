/* The noise models against the distributions that they are defined by. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>
#include "functions/noisy.h"

enum { DRAWS = 20000 };

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void draw(enum noise_kind kind, bool severe, double above, double *out)
{
    for (unsigned k = 0; k < DRAWS; k++) {
        zo_rng rng = zo_rng_make(1, ZO_PURPOSE_REPAIR, k);
        out[k] = noisy_value(kind, severe, 5, above, &rng);
    }
    qsort(out, DRAWS, sizeof *out, ascending);
}

static double quantile(const double *sorted, double q)
{
    return sorted[(size_t)(q * DRAWS)];
}

static void assert_close(double a, double b, double relative)
{
    if (!(fabs(a / b - 1) < relative))
        fail_msg("%g is not near %g", a, b);
}

static void gaussian_noise_is_log_normal_around_the_value(void **state)
{
    static double x[DRAWS];
    (void)state;

    draw(NOISE_GAUSS, true, 10, x);
    assert_close(quantile(x, 0.5), 10, 0.03);
    assert_close(quantile(x, 0.8413), 10 * exp(1), 0.04); /* one standard deviation */
    draw(NOISE_GAUSS, false, 10, x);
    assert_close(quantile(x, 0.8413), 10 * exp(0.01), 1e-3);
}

static void uniform_noise_has_its_two_factors(void **state)
{
    static double x[DRAWS];
    (void)state;

    /* At 10^9 the upper factor is 1, a uniform factor is left; below, values can be far above. */
    draw(NOISE_UNIFORM, true, 1e9, x);
    assert_close(quantile(x, 0.25), 0.25e9, 0.05);
    assert_close(quantile(x, 0.75), 0.75e9, 0.03);
    draw(NOISE_UNIFORM, true, 1, x);
    assert_true(quantile(x, 0.99) > 1e4 && x[DRAWS - 1] < pow(1e9, 0.49 + 0.2));
    draw(NOISE_UNIFORM, false, 1, x); /* alpha = 0.01 (0.49 + 1/5): up to 10^(9 alpha), and U^0.01 */
    assert_true(x[DRAWS - 1] < pow(1e9, 0.0069) && x[0] > 0.85);
}

static void cauchy_noise_hits_seldom_and_hard(void **state)
{
    static double x[DRAWS];
    unsigned usual = 0;
    (void)state;

    draw(NOISE_CAUCHY, true, 5, x); /* one value in five is off 1005, half of those above */
    for (unsigned k = 0; k < DRAWS; k++)
        usual += fabs(x[k] - 1005) < 1e-6;
    assert_close(usual, 0.8 * DRAWS, 0.02);
    /* N / |N'| is Cauchy, beyond 100 with probability 1/(100 pi) on either side. */
    unsigned far = 0;
    for (unsigned k = 0; k < DRAWS; k++)
        far += x[k] > 1105;
    assert_true(far > 3 && far < 30); /* expected 0.2 * DRAWS / (100 pi) = 12.7 */
    assert_true(x[0] >= 5);
    draw(NOISE_CAUCHY, false, 5, x);
    assert_close(quantile(x, 0.5), 15, 1e-6);
}

static void the_last_target_is_told_without_noise(void **state)
{
    (void)state;

    for (unsigned f = 1; f <= NOISY_FUNCTIONS; f++) {
        zo_rng rng = zo_rng_make(1, ZO_PURPOSE_REPAIR, f);
        assert_true(noisy_value(noisy_kind(f), noisy_severe(f), 5, 0.5e-8, &rng) == 0.5e-8);
        assert_true(noisy_value(noisy_kind(f), noisy_severe(f), 5, 1e-3, &rng) > 1e-8);
    }
}

static void functions_are_ten_under_three_noises(void **state)
{
    (void)state;

    assert_int_equal(noisy_base(1), 1);
    assert_int_equal(noisy_base(6), 8);
    assert_int_equal(noisy_base(7), 1);
    assert_int_equal(noisy_base(30), 21);
    assert_int_equal(noisy_kind(2), NOISE_UNIFORM);
    assert_int_equal(noisy_kind(30), NOISE_CAUCHY);
    assert_false(noisy_severe(6));
    assert_true(noisy_severe(7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gaussian_noise_is_log_normal_around_the_value),
        cmocka_unit_test(uniform_noise_has_its_two_factors),
        cmocka_unit_test(cauchy_noise_hits_seldom_and_hard),
        cmocka_unit_test(the_last_target_is_told_without_noise),
        cmocka_unit_test(functions_are_ten_under_three_noises),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
