/* From [0,1] to values and back: each scale against its formula, levels as cells, printing at 15 digits, snapping. */
#include "space_fx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static double from_unit(const zo_space *s, double u)
{
    double v;

    zo_space_from_unit(s, &u, &v);
    return v;
}

static double to_unit(const zo_space *s, double v)
{
    double u;

    zo_space_to_unit(s, &v, &u);
    return u;
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g", a, b);
}

static zo_space *one(zo_param_spec p)
{
    p.name = "p";
    return fx_space(&p, 1);
}

static void real_scales_follow_their_formulas(void **state)
{
    static const double low = 1e-3, high = 1e2;

    (void)state;
    for (int scale = ZO_LINEAR; scale <= ZO_REVERSE_LOG; scale++) {
        zo_space *s = one((zo_param_spec){.type = ZO_FLOAT, .low = low, .high = high, .scale = (zo_scale)scale});
        for (int k = 0; k <= 100; k++) {
            const double u = k / 100.0;
            const double want = scale == ZO_LINEAR ? low + u * (high - low)
                                : scale == ZO_LOG
                                    ? exp(log(low) + u * (log(high) - log(low)))
                                    : low + high - exp(log(high) + u * (log(low) - log(high)));
            assert_near(from_unit(s, u), want, 1e-12 * high);
            assert_near(to_unit(s, from_unit(s, u)), u, scale == ZO_REVERSE_LOG ? 1e-9 : 1e-12);
        }
        assert_true(from_unit(s, 0) == low && from_unit(s, 1) == high);
        assert_true(from_unit(s, -0.5) == low && from_unit(s, 1.5) == high && from_unit(s, NAN) == low); /* clipped */
        assert_true(to_unit(s, low) == 0 && to_unit(s, high) == 1);
        zo_space_free(s);
    }
}

static void extreme_ranges_do_not_overflow(void **state)
{
    static const double ranges[][2] = {{-1.7e308, 1.7e308}, {0, 5e-324}, {1e-308, 1.7e308}, {-1e-300, 1e300}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(ranges); k++)
        for (int scale = ZO_LINEAR; scale <= ZO_REVERSE_LOG; scale++) {
            if (scale != ZO_LINEAR && ranges[k][0] <= 0)
                continue;
            zo_space *s = one(
                (zo_param_spec){.type = ZO_FLOAT, .low = ranges[k][0], .high = ranges[k][1], .scale = (zo_scale)scale});
            for (int i = 0; i <= 64; i++) {
                const double v = from_unit(s, i / 64.0), u = to_unit(s, v);
                assert_true(isfinite(v) && v >= ranges[k][0] && v <= ranges[k][1]);
                assert_true(u >= 0 && u <= 1);
            }
            zo_space_free(s);
        }
}

/* Linear levels: level k of L is the cell [k/L, (k+1)/L), encoded as its centre. */
static void linear_levels_are_equal_cells(void **state)
{
    zo_space *s = one((zo_param_spec){.type = ZO_INT, .low = -3, .high = 4});

    (void)state;
    for (int k = 0; k < 8; k++) {
        assert_true(from_unit(s, k / 8.0) == k - 3);
        assert_true(from_unit(s, nextafter((k + 1) / 8.0, 0)) == k - 3);
        assert_true(to_unit(s, k - 3) == (k + 0.5) / 8);
    }
    zo_space_free(s);
}

/* Log levels: exp of a uniform over [low - step/2, high + step/2], rounded. */
static void log_levels_are_rounded_logs(void **state)
{
    zo_space *s = one((zo_param_spec){.type = ZO_INT, .low = 1, .high = 1000, .scale = ZO_LOG});
    const double from = log(0.5), to = log(1000.5);

    (void)state;
    for (int k = 1; k <= 1000; k++) {
        const double left = (log(k - 0.5) - from) / (to - from), right = (log(k + 0.5) - from) / (to - from);
        assert_true(from_unit(s, left + 1e-9) == k);
        assert_true(from_unit(s, right - 1e-9) == k);
        assert_true(from_unit(s, to_unit(s, k)) == k);
        assert_true(to_unit(s, k) > left && to_unit(s, k) < right);
    }
    zo_space_free(s);
    s = one((zo_param_spec){.type = ZO_INT, .low = 1, .high = 100, .scale = ZO_REVERSE_LOG});
    for (int k = 1; k <= 100; k++) /* the mirror image */
        assert_true(from_unit(s, to_unit(s, k)) == k);
    assert_true(to_unit(s, 100) - to_unit(s, 99) > to_unit(s, 2) - to_unit(s, 1));
    zo_space_free(s);
}

/* What a decoded point encodes to decodes to it again, and so encodes to the same: exactly on levels, within rounding
 * on reals. */
static void decoding_and_encoding_settles_at_once(void **state)
{
    static const zo_param_spec specs[] = {
        {.type = ZO_INT, .low = -9007199254740991, .high = 0},
        {.type = ZO_INT, .low = 1, .high = 1000000000, .scale = ZO_LOG},
        {.type = ZO_INT, .low = 1, .high = 100000, .step = 7, .scale = ZO_REVERSE_LOG},
        {.type = ZO_INT, .low = 5, .high = 5},
        {.type = ZO_INT, .low = 0, .high = 4503599627370496 /* 2^52 */},
        {.type = ZO_FLOAT, .low = 0.1, .high = 12.3, .step = 0.1},
        {.type = ZO_FLOAT, .low = 1e-5, .high = 1, .step = 1e-5, .scale = ZO_LOG},
        {.type = ZO_FLOAT, .low = -1e10, .high = 1e10, .step = 0.02},
        {.type = ZO_BOOL},
        {.type = ZO_FLOAT, .low = -7, .high = 13},
        {.type = ZO_FLOAT, .low = 1e-12, .high = 1e12, .scale = ZO_LOG},
        {.type = ZO_FLOAT, .low = 1, .high = 2, .scale = ZO_REVERSE_LOG},
    };

    (void)state;
    for (size_t k = 0; k < ZO_LEN(specs); k++) {
        zo_space *s = one(specs[k]);
        zo_rng rng = fx_rng(k);
        const bool exact = zo_space_dims(s)->kind != ZO_DIM_REAL;
        for (int i = 0; i < 5000; i++) {
            const double v = from_unit(s, zo_rng_uniform(&rng)), u = to_unit(s, v), again = from_unit(s, u);
            assert_int_equal(zo_space_check(s, &v, NULL), ZO_OK);
            assert_int_equal(zo_space_check(s, &again, NULL), ZO_OK);
            assert_near(again, v, exact ? 0 : 1e-13 * fabs(v) + 1e-15);
            assert_near(to_unit(s, again), u, exact ? 0 : 1e-13);
        }
        zo_space_free(s);
    }
}

/* Steps print as a person would write them: 0.1 + 2 * 0.1 is 0.3. */
static void steps_print_at_15_digits(void **state)
{
    zo_space *s = one((zo_param_spec){.type = ZO_FLOAT, .low = 0, .high = 1, .step = 0.1});

    (void)state;
    assert_int_equal(zo_space_dims(s)->levels, 11);
    for (int k = 0; k <= 10; k++) {
        char text[8];
        snprintf(text, sizeof text, "%d.%d", k / 10, k % 10);
        assert_true(from_unit(s, (k + 0.5) / 11) == strtod(text, NULL));
    }
    zo_space_free(s);
    s = one((zo_param_spec){.type = ZO_FLOAT, .low = 0, .high = 1, .step = 0.3}); /* 0 0.3 0.6 0.9: high is no level */
    assert_int_equal(zo_space_dims(s)->levels, 4);
    assert_true(from_unit(s, 1) == 0.9);
    zo_space_free(s);
}

static void told_points_are_snapped_within_a_billionth_of_a_step(void **state)
{
    zo_space *s = one((zo_param_spec){.type = ZO_FLOAT, .low = 0, .high = 10, .step = 0.1});
    double v = -1;

    (void)state;
    const zo_named near = {"p", NUM(0.3 + 0.9e-10)}, far = {"p", NUM(0.3 + 1.2e-10)}, sum = {"p", NUM(0.1 + 0.2)},
                   above = {"p", NUM(10 + 0.9e-10)};
    assert_int_equal(zo_space_encode(s, &far, 1, &v, NULL), ZO_EINVAL);
    assert_true(v == -1); /* written on success only */
    assert_int_equal(zo_space_encode(s, &near, 1, &v, NULL), ZO_OK);
    assert_true(v == 0.3);
    assert_int_equal(zo_space_encode(s, &sum, 1, &v, NULL), ZO_OK);
    assert_true(v == 0.3);
    assert_int_equal(zo_space_encode(s, &above, 1, &v, NULL), ZO_OK);
    assert_true(v == 10);
    zo_space_free(s);
}

static void samples_are_uniform_in_encoded_units(void **state)
{
    enum { N = 40000 };
    zo_space *s = one((zo_param_spec){.type = ZO_FLOAT, .low = 1e-4, .high = 1, .scale = ZO_LOG});
    double v, sum = 0, sum2 = 0;

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, &v);
        const double u = (log(v) - log(1e-4)) / -log(1e-4);
        sum += u / N;
        sum2 += u * u / N;
    }
    assert_near(sum, 0.5, 5 * sqrt(1.0 / 12 / N));
    assert_near(sum2, 1.0 / 3, 5 * sqrt(4.0 / 45 / N));
    zo_space_free(s);
}

static void vectors_from_disk_are_checked_again(void **state)
{
    const zo_param_spec p[] = {{.name = "x", .type = ZO_FLOAT, .low = 0, .high = 1},
                               {.name = "i", .type = ZO_INT, .low = 0, .high = 3}};
    static const double bad[][2] = {{-0.1, 0},  {1.1, 0}, {NAN, 0},  {INFINITY, 0},
                                    {0.5, 0.5}, {0.5, 4}, {0.5, -1}, {0.5, NAN}};
    static const double good[][2] = {{0, 0}, {1, 3}, {0.5, 2}};
    zo_space *s = fx_space(p, 2);

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++)
        assert_int_equal(zo_space_check(s, bad[k], NULL), ZO_EINVAL);
    for (size_t k = 0; k < ZO_LEN(good); k++)
        assert_int_equal(zo_space_check(s, good[k], NULL), ZO_OK);
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_scales_follow_their_formulas),
        cmocka_unit_test(extreme_ranges_do_not_overflow),
        cmocka_unit_test(linear_levels_are_equal_cells),
        cmocka_unit_test(log_levels_are_rounded_logs),
        cmocka_unit_test(decoding_and_encoding_settles_at_once),
        cmocka_unit_test(steps_print_at_15_digits),
        cmocka_unit_test(told_points_are_snapped_within_a_billionth_of_a_step),
        cmocka_unit_test(samples_are_uniform_in_encoded_units),
        cmocka_unit_test(vectors_from_disk_are_checked_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
