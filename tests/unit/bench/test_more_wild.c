/* The least-squares problems against the minima and starting values published with them. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "functions/more_wild.h"

struct published {
    unsigned problem; /* one that uses the function */
    double f_start;   /* at the standard start; NaN: not listed */
    double x[MORE_WILD_MAX_N], f, tolerance;
};

static void open_problem(struct more_wild *p, unsigned problem)
{
    assert_true(more_wild_init(p, problem));
}

static void published_starts_and_minimisers_have_their_values(void **state)
{
    static const struct published list[] = {
        {1, NAN, {-1, -1, -1, -1, -1, -1, -1, -1, -1}, 36, 1e-12},        /* m - n */
        {3, NAN, {3.0 / 71}, 35.0 * 34 / (2 * 71), 1e-10},                /* m (m-1) / (2 (2m+1)) */
        {5, NAN, {0, 1.5 / 67}, (35.0 * 35 + 105 - 6) / (2 * 67), 1e-10}, /* (m^2 + 3m - 6) / (2 (2m-3)) */
        {7, 24.2, {1, 1}, 0, 1e-12},
        {9, 2500, {1, 0, 0}, 0, 1e-12},
        {11, 215, {0, 0, 0, 0}, 0, 1e-12},
        {13, 400.5, {5, 4}, 0, 1e-12},
        {13, 400.5, {11.4128, -0.896805}, 48.9842, 1e-4},
        {15, 41.6817, {0.0824106, 1.1330361, 2.3436951}, 8.21487e-3, 1e-8},
        {17, 5.31317e-3, {0.192807, 0.191282, 0.123057, 0.136062}, 3.07505e-4, 1e-9},
        {18, 1.69361e9, {0.005609636, 6181.346346, 345.2236346}, 87.9458, 1e-3},
        {25, 1031.15, {1, 10, 1}, 0, 1e-12},
        {26, 4171.31, {0.257825, 0.257825}, 124.362, 1e-3},
        {27, 7926693, {-11.594440, 13.203630, -0.4034395, 0.2367787}, 85822.2, 0.1},
        {35, NAN, {1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 0, 1e-12},
        {36, NAN, {0.3754100521, 1.935846913, -1.464687137, 0.01286753464, 0.02212269966}, 5.46489e-5, 1e-9},
        {37,
         2.09342,
         {1.30998, 0.431554, 0.633662, 0.599431, 0.754183, 0.904289, 1.36581, 4.82370, 2.39868, 4.56887, 5.67534},
         4.01377e-2,
         1e-6},
        {43, NAN, {1, 1, 1, 1, 1}, 0, 1e-12},
    };
    (void)state;

    for (size_t i = 0; i < ZO_LEN(list); i++) {
        struct more_wild p;
        open_problem(&p, list[i].problem);
        const double start = more_wild_eval(&p, p.x0), f = more_wild_eval(&p, list[i].x);
        if (!isnan(list[i].f_start) && !(fabs(start / list[i].f_start - 1) < 1e-5))
            fail_msg("problem %u starts at %.9g, not %.9g", list[i].problem, start, list[i].f_start);
        if (!(fabs(f - list[i].f) <= list[i].tolerance))
            fail_msg("problem %u has %.9g, not %.9g", list[i].problem, f, list[i].f);
        /* What is known is no worse than what was published. */
        if (!(p.f_best <= list[i].f + list[i].tolerance))
            fail_msg("problem %u: best known %.9g, published %.9g", list[i].problem, p.f_best, list[i].f);
    }
}

/* Published minima where no minimiser is listed. */
static void best_known_values_agree_with_published_minima(void **state)
{
    static const struct {
        unsigned problem;
        double f, relative;
    } list[] = {{19, 2.28767e-3, 1e-5}, {21, 1.39976e-6, 1e-5}, {31, 3.51687e-3, 1e-5}};
    (void)state;

    for (size_t i = 0; i < ZO_LEN(list); i++) {
        struct more_wild p;
        open_problem(&p, list[i].problem);
        if (!(fabs(p.f_best / list[i].f - 1) < list[i].relative))
            fail_msg("problem %u: best known %.9g, published %.9g", list[i].problem, p.f_best, list[i].f);
    }
}

/* The later paper starts Osborne 1 at +1 in the third coordinate, the earlier one, which lists the value, at -1. */
static void osborne_1_has_its_value_at_the_earlier_start(void **state)
{
    static const double x[] = {0.5, 1.5, -1, 0.01, 0.02};
    struct more_wild p;
    (void)state;

    open_problem(&p, 36);
    assert_true(p.x0[2] == 1 && fabs(more_wild_eval(&p, x) / 0.879026 - 1) < 1e-5);
}

static void the_second_start_is_ten_times_the_first(void **state)
{
    (void)state;

    for (unsigned k = 1; k < MORE_WILD_PROBLEMS; k++) {
        struct more_wild a, b;
        open_problem(&a, k);
        open_problem(&b, k + 1);
        if (a.function == b.function && a.n == b.n && a.m == b.m)
            for (size_t i = 0; i < a.n; i++)
                assert_true(b.x0[i] == 10 * a.x0[i]);
    }
}

static void the_published_start_of_mancino_is_near_its_root(void **state)
{
    struct more_wild p;
    double r[MORE_WILD_MAX_M];
    (void)state;

    /* Its residuals are nearly 1400 x_i + c_i, and the start solves the linear part to a few per cent. */
    open_problem(&p, 48);
    more_wild_residuals(&p, p.x0, r);
    for (size_t i = 0; i < p.n; i++)
        assert_true(fabs(r[i]) < 0.3 * 1400 * fabs(p.x0[i]));
}

/* Against the definition by the trigonometric form T_k(cos t) = cos k t. */
static void chebyquad_is_the_mean_of_shifted_chebyshev_polynomials(void **state)
{
    struct more_wild p;
    double r[MORE_WILD_MAX_M];
    (void)state;

    open_problem(&p, 31);
    more_wild_residuals(&p, p.x0, r);
    for (size_t k = 1; k <= p.m; k++) {
        double mean = 0;
        for (size_t j = 0; j < p.n; j++)
            mean += cos((double)k * acos(2 * p.x0[j] - 1)) / (double)p.n;
        const double integral = k % 2 ? 0 : -1 / ((double)k * (double)k - 1);
        assert_true(fabs(r[k - 1] - (mean - integral)) < 1e-12);
    }
}

static void there_are_53_problems(void **state)
{
    struct more_wild p;
    size_t largest = 0;
    (void)state;

    assert_false(more_wild_init(&p, 0));
    assert_false(more_wild_init(&p, MORE_WILD_PROBLEMS + 1));
    for (unsigned k = 1; k <= MORE_WILD_PROBLEMS; k++) {
        open_problem(&p, k);
        largest = p.n > largest ? p.n : largest;
        assert_true(p.m >= p.n && p.m <= MORE_WILD_MAX_M && isfinite(more_wild_eval(&p, p.x0)));
        assert_true(p.f_best >= 0 && p.f_best < more_wild_eval(&p, p.x0));
        assert_non_null(more_wild_name(p.function));
    }
    assert_int_equal(largest, MORE_WILD_MAX_N);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(published_starts_and_minimisers_have_their_values),
        cmocka_unit_test(best_known_values_agree_with_published_minima),
        cmocka_unit_test(osborne_1_has_its_value_at_the_earlier_start),
        cmocka_unit_test(the_second_start_is_ten_times_the_first),
        cmocka_unit_test(the_published_start_of_mancino_is_near_its_root),
        cmocka_unit_test(chebyquad_is_the_mean_of_shifted_chebyshev_polynomials),
        cmocka_unit_test(there_are_53_problems),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
