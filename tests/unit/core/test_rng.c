/* Generators: published known answers, the ziggurat's geometry, and fixed-seed statistics with stated margins. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/philox.h"
#include "base/ziggurat.h"
#include "zeroth/rng.h"

/* The philox4x32 10 rows of kat_vectors in the authors' Random123 distribution. */
static void philox_gives_the_published_answers(void **state)
{
    (void)state;
    static const struct {
        uint32_t counter[4], key[2], answer[4];
    } kat[] = {
        {{0, 0, 0, 0}, {0, 0}, {0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}},
        {{0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff},
         {0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}},
        {{0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0},
         {0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}},
    };

    for (size_t i = 0; i < ZO_LEN(kat); i++) {
        uint32_t out[4];
        philox4x32_10(kat[i].counter, kat[i].key, out);
        assert_memory_equal(out, kat[i].answer, sizeof out);
    }
}

static void a_stream_is_philox_of_its_key_and_counter(void **state)
{
    (void)state;
    const uint64_t seed = UINT64_C(0x0123456789ABCDEF), number = UINT64_C(0xFEDCBA9876543210);
    zo_rng r = zo_rng_make(seed, ZO_PURPOSE_ASK, number);

    for (uint32_t block = 0; block < 5; block++) {
        const uint32_t key[2] = {0x89ABCDEF, 0x01234567}, counter[4] = {block, ZO_PURPOSE_ASK, 0x76543210, 0xFEDCBA98};
        uint32_t out[4];
        philox4x32_10(counter, key, out);
        for (int k = 0; k < 4; k++)
            assert_int_equal(zo_rng_u32(&r), out[k]);
    }
    r.counter[0] = UINT32_MAX; /* the block number carries instead of repeating the stream */
    for (int k = 0; k < 4; k++)
        zo_rng_u32(&r);
    zo_rng first = zo_rng_make(seed, ZO_PURPOSE_ASK, number);
    assert_int_equal(r.counter[0], 0);
    assert_int_not_equal(zo_rng_u64(&r), zo_rng_u64(&first));
}

static void seed_purpose_and_number_each_change_the_stream(void **state)
{
    (void)state;
    uint64_t seen[3 * 3 * 3 * 2];
    size_t n = 0;
    const uint64_t words[] = {0, 1, UINT64_C(1) << 32};

    for (size_t s = 0; s < 3; s++)
        for (size_t k = 0; k < 3; k++)
            for (int p = ZO_PURPOSE_INIT; p <= ZO_PURPOSE_TELL; p++) {
                zo_rng r = zo_rng_make(words[s], (zo_purpose)p, words[k]);
                for (int i = 0; i < 2; i++)
                    seen[n++] = zo_rng_u64(&r);
            }
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < i; j++)
            assert_true(seen[i] != seen[j]);
}

static void a_wide_word_is_two_narrow_ones_at_any_offset(void **state)
{
    (void)state;
    for (int offset = 0; offset < 4; offset++) {
        zo_rng a = zo_rng_make(9, ZO_PURPOSE_INIT, 1), b = a;
        for (int i = 0; i < offset; i++) {
            zo_rng_u32(&a);
            zo_rng_u32(&b);
        }
        for (int i = 0; i < 10; i++) {
            const uint64_t low = zo_rng_u32(&b), high = zo_rng_u32(&b);
            assert_true(zo_rng_u64(&a) == (high << 32 | low));
        }
    }
}

static void the_ziggurat_layers_have_equal_areas(void **state)
{
    (void)state;
    const double r = ziggurat_x[1];
    const double v = r * exp(-0.5 * r * r) + sqrt(acos(-1.0) / 2) * erfc(r / sqrt(2.0)); /* strip and tail, in closed form */

    assert_true(fabs(ziggurat_x[0] * ziggurat_f[1] - v) < 1e-16);
    for (int i = 1; i < 256; i++)
        assert_true(fabs(ziggurat_x[i] * (ziggurat_f[i + 1] - ziggurat_f[i]) - v) < 1e-15);
    for (int i = 0; i < 257; i++)
        assert_true(fabs(ziggurat_f[i] - exp(-0.5 * ziggurat_x[i] * ziggurat_x[i])) < 1e-15);
    assert_true(ziggurat_x[256] == 0.0 && ziggurat_f[256] == 1.0);
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Kolmogorov-Smirnov distance times sqrt(n); 1.95 is exceeded by chance once in 1,000. */
static double ks_normal(double *z, size_t n)
{
    double worst = 0.0;

    qsort(z, n, sizeof *z, by_value);
    for (size_t i = 0; i < n; i++) {
        const double F = 0.5 * erfc(-z[i] / sqrt(2.0));
        worst = fmax(worst, fmax(fabs(F - (double)i / (double)n), fabs(F - (double)(i + 1) / (double)n)));
    }
    return worst * sqrt((double)n);
}

static void normals_have_the_normal_distribution(void **state)
{
    (void)state;
    const size_t n = 1000000;
    double *z = zo_malloc(n * sizeof *z), m[5] = {0};
    size_t tail = 0;
    zo_rng r = zo_rng_make(1, ZO_PURPOSE_ASK, 0);

    assert_non_null(z);
    zo_rng_normals(&r, n, z);
    for (size_t i = 0; i < n; i++) {
        for (int k = 1; k < 5; k++)
            m[k] += pow(z[i], k) / (double)n;
        tail += fabs(z[i]) > ziggurat_x[1];
    }
    /* moments 0, 1, 0, 3 with standard errors sqrt(1, 2, 15, 96)/1000; five of them is the margin */
    assert_true(fabs(m[1]) < 5e-3 && fabs(m[2] - 1) < 7.1e-3 && fabs(m[3]) < 0.0194 && fabs(m[4] - 3) < 0.049);
    /* beyond r: n erfc(r/sqrt 2) = 258 expected */
    const double expected = (double)n * erfc(ziggurat_x[1] / sqrt(2.0));
    assert_true(fabs((double)tail - expected) < 5 * sqrt(expected));
    assert_true(ks_normal(z, n) < 1.95);
    zo_free(z);
}

/* Within the wedges and the tail too: only draws from there are tested, against the normal conditioned on the layer's edge. */
static void rare_branches_have_the_right_distribution(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(2, ZO_PURPOSE_TELL, 7);
    const double edge = ziggurat_x[1], mass = erfc(edge / sqrt(2.0));
    static double u[4000];
    size_t n = 0;

    for (size_t draws = 0; draws < 40000000 && n < ZO_LEN(u); draws++) {
        const double z = fabs(zo_rng_normal(&r));
        if (z > edge)
            u[n++] = 1.0 - erfc(z / sqrt(2.0)) / mass; /* uniform if the tail is right */
    }
    assert_int_equal(n, ZO_LEN(u));
    qsort(u, n, sizeof *u, by_value);
    double worst = 0.0;
    for (size_t i = 0; i < n; i++)
        worst = fmax(worst, fabs(u[i] - ((double)i + 0.5) / (double)n));
    assert_true(worst * sqrt((double)n) < 1.95);
}

static void many_normals_equal_single_calls(void **state)
{
    (void)state;
    for (size_t n = 0; n < 700; n += 37) {
        zo_rng a = zo_rng_make(3, ZO_PURPOSE_ASK, n), b = a;
        double z[700];
        zo_rng_u32(&a);
        zo_rng_u32(&b);
        zo_rng_normals(&a, n, z);
        for (size_t i = 0; i < n; i++)
            assert_true(z[i] == zo_rng_normal(&b));
        assert_int_equal(zo_rng_u32(&a), zo_rng_u32(&b));
    }
}

static void uniforms_fill_the_unit_interval(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(4, ZO_PURPOSE_ASK, 0);
    size_t count[100] = {0};
    double chi2 = 0;

    for (int i = 0; i < 1000000; i++) {
        const double u = zo_rng_uniform(&r);
        assert_true(u >= 0.0 && u < 1.0);
        count[(size_t)(u * 100)]++;
    }
    for (size_t k = 0; k < 100; k++)
        chi2 += pow((double)count[k] - 1e4, 2) / 1e4;
    assert_true(chi2 > 50 && chi2 < 161); /* 99 degrees of freedom, 1e-4 on either side */
}

static void below_is_unbiased_and_in_range(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(5, ZO_PURPOSE_ASK, 0);
    size_t count[7] = {0};
    const uint64_t big = UINT64_C(3) << 62; /* a modulo would make the first third twice as likely */
    size_t low = 0;
    double chi2 = 0;

    for (int i = 0; i < 700000; i++)
        count[zo_rng_below(&r, 7)]++;
    for (size_t k = 0; k < 7; k++)
        chi2 += pow((double)count[k] - 1e5, 2) / 1e5;
    assert_true(chi2 < 27.9); /* 6 degrees of freedom, 1e-4 */
    for (int i = 0; i < 100000; i++) {
        const uint64_t w = zo_rng_below(&r, big);
        assert_true(w < big);
        low += w < big / 3;
    }
    assert_true(fabs((double)low - 1e5 / 3) < 5 * sqrt(1e5 * 2 / 9));
    assert_int_equal(zo_rng_below(&r, 1), 0);
}

static void signs_are_fair_coins(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(6, ZO_PURPOSE_ASK, 0);
    double s[1000], sum = 0, lag = 0;

    for (int k = 0; k < 100; k++) {
        zo_rng_signs(&r, 1000, s);
        for (int i = 0; i < 1000; i++) {
            assert_true(s[i] == 1.0 || s[i] == -1.0);
            sum += s[i];
            lag += i ? s[i] * s[i - 1] : 0;
        }
    }
    assert_true(fabs(sum) < 5 * sqrt(1e5) && fabs(lag) < 5 * sqrt(1e5));
}

static void shuffles_reach_every_order_equally(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(7, ZO_PURPOSE_ASK, 0);
    size_t count[64] = {0}, orders = 0;
    double chi2 = 0;

    for (int i = 0; i < 240000; i++) {
        size_t p[] = {0, 1, 2, 3};
        zo_rng_shuffle(&r, 4, p);
        assert_int_equal((1 << p[0]) + (1 << p[1]) + (1 << p[2]) + (1 << p[3]), 15);
        count[p[0] * 16 + p[1] * 4 + p[2]]++;
    }
    for (size_t k = 0; k < 64; k++)
        if (count[k]) {
            orders++;
            chi2 += pow((double)count[k] - 1e4, 2) / 1e4;
        }
    assert_int_equal(orders, 24);
    assert_true(chi2 < 58.6); /* 23 degrees of freedom, 1e-4 */
}

/* The vectors of portable-1's definition. */
static void portable1_gives_the_published_vectors(void **state)
{
    (void)state;
    static const uint64_t words[] = {UINT64_C(0xe220a8397b1dcdaf), UINT64_C(0x6e789e6aa1b965f4), UINT64_C(0x06c45d188009454f)};
    static const double normals[] = {0.41471975, 0.65268122, -0.89188621, 1.32683356};
    zo_portable1 g = zo_portable1_make(0);

    for (size_t i = 0; i < ZO_LEN(words); i++) {
        assert_true(zo_portable1_u64(&g) == words[i]);
        assert_true(zo_portable1_u64_at(0, i) == words[i]);
    }
    g = zo_portable1_make(42);
    for (size_t i = 0; i < ZO_LEN(normals); i++)
        assert_true(fabs(zo_portable1_normal(&g) - normals[i]) < 5.1e-9);
}

static void portable1_is_random_access(void **state)
{
    (void)state;
    double all[40], part[40], sign[1];
    zo_portable1 g = zo_portable1_make(7);

    for (size_t i = 0; i < 40; i++)
        all[i] = zo_portable1_normal(&g);
    for (size_t first = 0; first < 40; first++)
        for (size_t n = 0; first + n <= 40; n++) {
            zo_portable1_normals_at(7, first, n, part);
            for (size_t i = 0; i < n; i++)
                assert_true(part[i] == all[first + i]);
        }
    for (uint64_t i = 0; i < 100; i++) {
        zo_portable1_signs_at(7, i, 1, sign);
        assert_true(sign[0] == (zo_portable1_u64_at(7, i) & UINT64_C(1) << 63 ? -1.0 : 1.0));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(philox_gives_the_published_answers),
        cmocka_unit_test(a_stream_is_philox_of_its_key_and_counter),
        cmocka_unit_test(seed_purpose_and_number_each_change_the_stream),
        cmocka_unit_test(a_wide_word_is_two_narrow_ones_at_any_offset),
        cmocka_unit_test(the_ziggurat_layers_have_equal_areas),
        cmocka_unit_test(normals_have_the_normal_distribution),
        cmocka_unit_test(rare_branches_have_the_right_distribution),
        cmocka_unit_test(many_normals_equal_single_calls),
        cmocka_unit_test(uniforms_fill_the_unit_interval),
        cmocka_unit_test(below_is_unbiased_and_in_range),
        cmocka_unit_test(signs_are_fair_coins),
        cmocka_unit_test(shuffles_reach_every_order_equally),
        cmocka_unit_test(portable1_gives_the_published_vectors),
        cmocka_unit_test(portable1_is_random_access),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
