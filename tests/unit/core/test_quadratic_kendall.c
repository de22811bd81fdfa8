/* Kendall's tau-b against its definition and a figure worked by hand. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "quadratic/kendall.h"
#include "zeroth/rng.h"

static void equal_and_opposite_orders_give_one_and_minus_one(void **state)
{
    const double x[] = {3, 1, 4, 1.5, 9}, down[] = {-3, -1, -4, -1.5, -9};

    (void)state;
    assert_true(zo_kendall(x, x, ZO_LEN(x)) == 1);
    assert_true(zo_kendall(x, down, ZO_LEN(x)) == -1);
}

/* x has 5 of 6 pairs untied, y 5; 4 concordant ones, none discordant: 4/5. */
static void ties_count_as_in_the_definition(void **state)
{
    const double x[] = {1, 2, 2, 3}, y[] = {1, 2, 3, 3};

    (void)state;
    assert_true(fabs(zo_kendall(x, y, 4) - 0.8) < 1e-15);
}

static void what_is_undefined_is_zero(void **state)
{
    const double x[] = {1, 2, 3}, same[] = {5, 5, 5};

    (void)state;
    assert_true(zo_kendall(x, same, 3) == 0);
    assert_true(zo_kendall(same, same, 3) == 0);
    assert_true(zo_kendall(x, x, 1) == 0);
    assert_true(zo_kendall(x, x, 0) == 0);
}

/* By counts of concordant, discordant and tied pairs, as the textbook has it. */
static double by_definition(const double *x, const double *y, size_t n)
{
    double concordant = 0, discordant = 0, only_x = 0, only_y = 0;

    for (size_t i = 0; i < n; i++)
        for (size_t j = i + 1; j < n; j++) {
            const double product = (x[i] - x[j]) * (y[i] - y[j]);
            concordant += product > 0;
            discordant += product < 0;
            only_x += x[i] == x[j] && y[i] != y[j];
            only_y += x[i] != x[j] && y[i] == y[j];
        }
    const double untied = concordant + discordant;
    return (concordant - discordant) / sqrt((untied + only_x) * (untied + only_y));
}

static void random_pairs_with_ties_agree_with_the_definition(void **state)
{
    zo_rng rng = zo_rng_make(1, ZO_PURPOSE_INIT, 0);
    double x[40], y[40];

    (void)state;
    for (int round = 0; round < 50; round++) {
        for (size_t i = 0; i < ZO_LEN(x); i++) {
            x[i] = (double)zo_rng_below(&rng, 12);
            y[i] = x[i] + (double)zo_rng_below(&rng, 6);
        }
        assert_true(fabs(zo_kendall(x, y, ZO_LEN(x)) - by_definition(x, y, ZO_LEN(x))) < 1e-14);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_and_opposite_orders_give_one_and_minus_one),
        cmocka_unit_test(ties_count_as_in_the_definition),
        cmocka_unit_test(what_is_undefined_is_zero),
        cmocka_unit_test(random_pairs_with_ties_agree_with_the_definition),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
