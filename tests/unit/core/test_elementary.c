/* cos, exp and log of one's own: against long double, at the points where they are exact, in order, and pinned to the
 * bit. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "model/elementary.h"
#include "zeroth/rng.h"

enum { POINTS = 1000000 };

/* |got - want| in units in the last place of want */
static double ulps(double got, long double want)
{
    int e;

    frexp((double)want, &e);
    return (double)(fabsl(got - want) / ldexpl(1, (e < -1021 ? -1021 : e) - DBL_MANT_DIG));
}

/* cos(2 pi t) where no reduction rounds, so that values near a zero are right in all their bits */
static long double cos_turns(double t)
{
    static const long double TURN = 6.28318530717958647692528676655900576839L;

    if (t > 0.5)
        t = 1 - t;
    if (t > 0.25)
        return -cos_turns(0.5 - t);
    return t > 0.125 ? sinl(TURN * (0.25 - t)) : cosl(TURN * t);
}

static void cos_is_within_a_unit_in_the_last_place(void **state)
{
    zo_portable1 g = zo_portable1_make(1);

    (void)state;
    for (int i = 0; i < POINTS; i++) {
        const double u = zo_portable1_uniform(&g), t = i % 2 ? u : 0.25 + ldexp(u - 0.5, -1 - i % 60);
        assert_true(ulps(zo_fixed_cos_turns(t), cos_turns(t)) <= 0.80);
    }
}

static void exp_is_within_a_unit_in_the_last_place(void **state)
{
    zo_portable1 g = zo_portable1_make(2);

    (void)state;
    for (int i = 0; i < POINTS; i++) {
        const double u = zo_portable1_uniform(&g), x = i % 2 ? 1449 * u - 740 : ldexp(2 * u - 1, 4 - i % 60);
        assert_true(ulps(zo_fixed_exp(x), expl((long double)x)) <= 0.90);
    }
}

static void log_is_within_a_unit_in_the_last_place(void **state)
{
    zo_portable1 g = zo_portable1_make(3);

    (void)state;
    for (int i = 0; i < POINTS; i++) {
        const double u = zo_portable1_uniform(&g),
                     x = i % 2 ? ldexp(1 + u, i % 2098 - 1074) : 1 + ldexp(u - 0.5, -i % 50);
        assert_true(ulps(zo_fixed_log(x), logl((long double)x)) <= 0.90);
    }
}

static void the_special_points_are_exact(void **state)
{
    (void)state;
    assert_true(zo_fixed_cos_turns(0.0) == 1.0 && zo_fixed_cos_turns(1.0) == 1.0);
    assert_true(zo_fixed_cos_turns(0.25) == 0.0 && zo_fixed_cos_turns(0.75) == 0.0);
    assert_true(zo_fixed_cos_turns(0.5) == -1.0);
    assert_true(zo_fixed_cos_turns(0.125) == sqrt(0.5) && zo_fixed_cos_turns(0.375) == -sqrt(0.5));
    assert_true(zo_fixed_exp(0.0) == 1.0 && zo_fixed_exp(-0.0) == 1.0);
    assert_true(zo_fixed_log(1.0) == 0.0 && zo_fixed_log(2.0) == 0x1.62e42fefa39efp-1);
    for (int k = -1074; k < 1024; k++) {
        int e;
        assert_true(zo_fixed_split(ldexp(1.0, k), &e) == 1.0 && e == k);
    }
}

static void exp_ends_in_zero_infinity_and_nan(void **state)
{
    (void)state;
    assert_true(zo_fixed_exp(709.78) < INFINITY && zo_fixed_exp(709.79) == INFINITY && zo_fixed_exp(1e300) == INFINITY);
    assert_true(zo_fixed_exp(INFINITY) == INFINITY && isnan(zo_fixed_exp(NAN)));
    assert_true(zo_fixed_exp(-745.13) == 0x1p-1074 && zo_fixed_exp(-745.14) == 0.0);
    assert_true(zo_fixed_exp(-1e300) == 0.0 && zo_fixed_exp(-INFINITY) == 0.0);
}

static void larger_arguments_give_no_smaller_values(void **state)
{
    (void)state;
    for (int i = 1; i <= POINTS; i++) {
        const double a = (i - 1.0) / POINTS, b = (double)i / POINTS;
        assert_true(zo_fixed_cos_turns(a / 2) >= zo_fixed_cos_turns(b / 2));
        assert_true(zo_fixed_exp(-20 * b) <= zo_fixed_exp(-20 * a));
        assert_true(zo_fixed_log(1e-3 + 4 * a) <= zo_fixed_log(1e-3 + 4 * b));
    }
}

static void cos_is_even_and_odd_about_its_quarters(void **state)
{
    zo_portable1 g = zo_portable1_make(4);

    (void)state;
    for (int i = 0; i < POINTS; i++) { /* multiples of 2^-40, so that the reflections are exact */
        const double t = floor(zo_portable1_uniform(&g) * 0x1p40) * 0x1p-40;
        assert_true(zo_fixed_cos_turns(1 - t) == zo_fixed_cos_turns(t));
        assert_true(zo_fixed_cos_turns(fabs(0.5 - t)) == -zo_fixed_cos_turns(t));
    }
}

static uint64_t bits_of(double x)
{
    uint64_t b;
    memcpy(&b, &x, sizeof b);
    return b;
}

/* FNV-1a over the bits of f at all points: one wrong bit anywhere changes it. */
static uint64_t digest(double (*f)(double), double low, double high)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);

    for (int i = 0; i < POINTS; i++) {
        const uint64_t bits = bits_of(f(low + (high - low) * i / POINTS));
        for (int k = 0; k < 64; k += 8)
            h = (h ^ ((bits >> k) & 0xff)) * UINT64_C(0x100000001b3);
    }
    return h;
}

static void no_bit_differs_from_the_day_they_were_written(void **state)
{
    static const struct {
        double (*f)(double);
        double x, y;
    } pins[] = {
        {zo_fixed_cos_turns, 0x1.47ae147ae147bp-7, 0x1.fefd5bfe443fep-1},
        {zo_fixed_cos_turns, 0x1.999999999999ap-4, 0x1.9e3779b97f4a8p-1},
        {zo_fixed_cos_turns, 0x1.5555555555555p-3, 0x1p-1},
        {zo_fixed_cos_turns, 0x1.999999999999ap-3, 0x1.3c6ef372fe94ep-2},
        {zo_fixed_cos_turns, 0x1.3333333333333p-2, -0x1.3c6ef372fe94ep-2},
        {zo_fixed_cos_turns, 0x1.5555555555555p-2, -0x1.ffffffffffffep-2},
        {zo_fixed_cos_turns, 0x1.3f4dd3b2fa3aep-1, -0x1.6d1e1ca312692p-1},
        {zo_fixed_cos_turns, 0x1.ccccccccccccdp-1, 0x1.9e3779b97f4a9p-1},
        {zo_fixed_exp, -0x1.5e4p+9, 0x1.4ff475c68ca02p-1011},
        {zo_fixed_exp, -0x1.e95bd9852123p+6, 0x1.6a52420a83124p-177},
        {zo_fixed_exp, -0x1.4p+3, 0x1.7cd79b5647c9ap-15},
        {zo_fixed_exp, -0x1p+0, 0x1.78b56362cef38p-2},
        {zo_fixed_exp, -0x1.999999999999ap-4, 0x1.cf46d99d52b3ap-1},
        {zo_fixed_exp, 0x1.12e0be826d695p-30, 0x1.000000044b83p+0},
        {zo_fixed_exp, 0x1.8p+1, 0x1.415e5bf6fb106p+4},
        {zo_fixed_exp, 0x1.5ep+9, 0x1.d945df4f8ec8ep+1009},
        {zo_fixed_log, 0x0.0000000000001p-1022, -0x1.74385446d71c3p+9},
        {zo_fixed_log, 0x1.56e1fc2f8f359p-997, -0x1.5963447f87fb5p+9},
        {zo_fixed_log, 0x1.0624dd2f1a9fcp-10, -0x1.ba18a998fffap+2},
        {zo_fixed_log, 0x1.0000035afe535p-1, -0x1.62e42939a7039p-1},
        {zo_fixed_log, 0x1.6a0902de00d1bp-1, -0x1.62e6b3842a25ep-2},
        {zo_fixed_log, 0x1.ff7ced916872bp-1, -0x1.064670d979b73p-10},
        {zo_fixed_log, 0x1.8p+0, 0x1.9f323ecbf984cp-2},
        {zo_fixed_log, 0x1.7e43c8800759cp+996, 0x1.5963447f87fb5p+9},
    };

    (void)state;
    for (size_t i = 0; i < ZO_LEN(pins); i++)
        assert_int_equal(bits_of(pins[i].f(pins[i].x)), bits_of(pins[i].y));
    assert_int_equal(digest(zo_fixed_cos_turns, 0.0, 1.0), UINT64_C(0xf3ef4463ab2e7a1d));
    assert_int_equal(digest(zo_fixed_exp, -750.0, 710.0), UINT64_C(0x12d56391212fa2ca));
    assert_int_equal(digest(zo_fixed_exp, -1.0, 0.0), UINT64_C(0x77135a7c337b887b));
    assert_int_equal(digest(zo_fixed_log, 1e-9, 2.0), UINT64_C(0x55753f29da02112b));
    assert_int_equal(digest(zo_fixed_log, 1.0, 1e6), UINT64_C(0xab90a478683e1ff6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cos_is_within_a_unit_in_the_last_place),
        cmocka_unit_test(exp_is_within_a_unit_in_the_last_place),
        cmocka_unit_test(log_is_within_a_unit_in_the_last_place),
        cmocka_unit_test(the_special_points_are_exact),
        cmocka_unit_test(exp_ends_in_zero_infinity_and_nan),
        cmocka_unit_test(larger_arguments_give_no_smaller_values),
        cmocka_unit_test(cos_is_even_and_odd_about_its_quarters),
        cmocka_unit_test(no_bit_differs_from_the_day_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
