/* JSON writer: shortest numbers judged by strtod and by their neighbours, strings judged by jansson, times by gmtime. */
#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "codec/jsonread.h"
#include "codec/jsonwrite.h"
#include "codec/jsonwrite_pow10.h"
#include "zeroth/rng.h"

static const char *print(double v)
{
    static char text[ZO_DOUBLE_CHARS + 1];

    const size_t n = zo_double_print(v, text);
    assert_in_range(n, 1, ZO_DOUBLE_CHARS);
    text[n] = '\0';
    return text;
}

/* The significant digits of a number's text, without leading and trailing zeros; their count. */
static int significant_digits(const char *text, char digits[32])
{
    int n = 0, kept = 0;

    for (; *text && *text != 'e'; text++)
        if (*text >= '0' && *text <= '9' && (n || *text != '0')) {
            digits[n++] = *text;
            kept = *text == '0' ? kept : n;
        }
    digits[kept] = '\0';
    return kept;
}

static void known_numbers_have_their_known_text(void **state)
{
    (void)state;
    static const struct {
        double v;
        const char *text;
    } table[] = {
        {0.0, "0"}, {-0.0, "-0.0"}, {1.0, "1"}, {-1.0, "-1"}, {0.1, "0.1"}, {0.3, "0.3"}, {0.1 + 0.2, "0.30000000000000004"},
        {1e15, "1000000000000000"}, {9007199254740992.0, "9007199254740992"}, {-9007199254740991.0, "-9007199254740991"},
        {9007199254740994.0, "9.007199254740994e15"}, {18446744073709551616.0, "1.8446744073709552e19"}, {1e22, "1e22"},
        {1e23, "1e23"}, {1e300, "1e300"}, {123456.75, "123456.75"}, {0.001, "0.001"}, {0.00012, "0.00012"}, {1e-5, "1e-5"},
        {1.5e-7, "1.5e-7"}, {5e-324, "5e-324"}, {2.2250738585072014e-308, "2.2250738585072014e-308"},
        {2.225073858507201e-308, "2.225073858507201e-308"}, {1.7976931348623157e308, "1.7976931348623157e308"},
        {3.141592653589793, "3.141592653589793"}, {2.0 / 3.0, "0.6666666666666666"}, {1.0 / 3.0, "0.3333333333333333"},
        {9.5367431640625e-7, "9.5367431640625e-7"}, {2251799813685249.5, "2251799813685249.5"}, {1e21, "1e21"},
        {2e-44, "2e-44"}, {9.0608011534336e15, "9.0608011534336e15"}, {4.708356024711512e18, "4.708356024711512e18"},
    };

    for (size_t i = 0; i < ZO_LEN(table); i++)
        assert_string_equal(print(table[i].v), table[i].text);
}

/* %.{n-1}e is the n-digit number closest to v. The first n for which it parses back is what a printer of closest digits needs; a
 * shorter text that also lies in v's interval may exist beside it, so ours may have fewer digits, never more; with as many,
 * ours must be that closest one. */
static void check_shortest(double v)
{
    const char *text = print(v);
    char ours[32], digits[32], other[40];
    const int n = significant_digits(text, ours);

    assert_true(strtod(text, NULL) == v);
    for (int p = 1; p <= (n > 0 ? n : 1); p++) {
        snprintf(other, sizeof other, "%.*e", p - 1, v);
        if (strtod(other, NULL) == v) {
            significant_digits(other, digits);
            assert_string_equal(ours, digits);
            return;
        }
    }
}

static void random_bits_come_back_with_the_fewest_digits(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(11, ZO_PURPOSE_INIT, 0);
    const char *env = getenv("ZO_TEST_DOUBLES");
    const long n = env ? atol(env) : 300000;

    for (long i = 0; i < n; i++) {
        uint64_t bits = zo_rng_u64(&r);
        double v;
        if (i % 4 == 1) /* subnormals */
            bits &= UINT64_C(0x800FFFFFFFFFFFFF) >> zo_rng_below(&r, 40);
        if (i % 8 == 2) /* powers of two and their neighbours: the interval is lopsided there */
            bits = (bits & UINT64_C(0xFFF0000000000000)) + zo_rng_below(&r, 3) - 1;
        memcpy(&v, &bits, sizeof v);
        if (i % 4 == 3) /* what people write: few decimals */
            v = (double)(int64_t)(bits >> 40) / pow(10, (double)(bits & 7));
        if (isfinite(v))
            check_shortest(v);
    }
}

static void every_power_of_two_and_ten_comes_back(void **state)
{
    (void)state;
    for (int e = -1074; e < 1024; e++)
        for (int step = -1; step <= 1; step++) {
            const double v = ldexp(1.0, e);
            check_shortest(step < 0 ? nextafter(v, 0) : step > 0 ? nextafter(v, INFINITY) : v);
        }
    for (int e = -307; e <= 308; e++) {
        char text[16], digits[32], *want = text;
        snprintf(text, sizeof text, "1e%d", e);
        const double v = strtod(want, NULL);
        check_shortest(v);
        assert_int_equal(significant_digits(print(v), digits), 1);
    }
}

/* g 2^-s >= 10^k > (g-1) 2^-s for the entries that 128-bit arithmetic reaches: 10^k for k = 0..38, exactly. */
static void the_table_of_powers_is_exact_where_it_can_be(void **state)
{
    (void)state;
    __extension__ typedef unsigned __int128 uint128;
    uint128 p = 1;

    for (int k = 0; k <= 38; k++, p *= 10) {
        uint128 g = p;
        while (!(g >> 127))
            g <<= 1;
        assert_true(pow10_table[k - POW10_MIN][0] == (uint64_t)(g >> 64) && pow10_table[k - POW10_MIN][1] == (uint64_t)g);
    }
    for (int k = POW10_MIN; k <= POW10_MAX; k++)
        assert_true(pow10_table[k - POW10_MIN][0] >> 63);
    for (int k = POW10_MIN; k < POW10_MAX; k++) { /* each is ten times the one before, up to rounding */
        const double ratio = (double)pow10_table[k + 1 - POW10_MIN][0] / (double)pow10_table[k - POW10_MIN][0];
        assert_true(fabs(ratio - 1.25) < 1e-15 || fabs(ratio - 0.625) < 1e-15);
    }
}

static void integers_are_whole(void **state)
{
    (void)state;
    static const uint64_t u[] = {0, 9, 10, 99, 100, 101, 12345, UINT64_C(9999999999999999999), UINT64_MAX};
    static const int64_t s[] = {0, -1, -10, 5, INT64_MIN, INT64_MAX};
    char want[32];
    zo_json w;

    for (size_t i = 0; i < ZO_LEN(u); i++) {
        zo_json_init(&w);
        zo_json_u64(&w, u[i]);
        char *text = zo_json_take(&w, NULL);
        snprintf(want, sizeof want, "%" PRIu64, u[i]);
        assert_string_equal(text, want);
        zo_free(text);
    }
    for (size_t i = 0; i < ZO_LEN(s); i++) {
        zo_json_init(&w);
        zo_json_i64(&w, s[i]);
        char *text = zo_json_take(&w, NULL);
        snprintf(want, sizeof want, "%" PRId64, s[i]);
        assert_string_equal(text, want);
        zo_free(text);
    }
}

static void commas_stand_between_values_only(void **state)
{
    (void)state;
    zo_json w;
    size_t n;

    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_u64(&w, "a", 1);
    zo_json_key(&w, "b");
    zo_json_begin_array(&w);
    zo_json_begin_array(&w);
    zo_json_end_array(&w);
    zo_json_begin_object(&w);
    zo_json_end_object(&w);
    zo_json_null(&w);
    zo_json_bool(&w, true);
    zo_json_raw(&w, "[1]", 3);
    zo_json_double(&w, NAN);
    zo_json_end_array(&w);
    zo_json_key_string(&w, "c", NULL);
    zo_json_key_bool(&w, "d", false);
    zo_json_key_double(&w, "e", -1.5);
    zo_json_key_i64(&w, "f", -3);
    zo_json_key_null(&w, "g");
    zo_json_end_object(&w);
    zo_json_textf(&w, "\n%d", 7);
    char *text = zo_json_take(&w, &n);
    assert_string_equal(text, "{\"a\":1,\"b\":[[],{},null,true,[1],null],\"c\":null,\"d\":false,\"e\":-1.5,\"f\":-3,\"g\":null}\n7");
    assert_int_equal(n, strlen(text));
    zo_free(text);
}

static void each_line_of_json_lines_starts_afresh(void **state)
{
    zo_json w;

    (void)state;
    zo_json_init(&w);
    for (int i = 0; i < 2; i++) {
        zo_json_begin_object(&w);
        zo_json_key_u64(&w, "a", (uint64_t)i);
        zo_json_end_object(&w);
        zo_json_text(&w, "\n", 1);
    }
    char *text = zo_json_take(&w, NULL);
    assert_string_equal(text, "{\"a\":0}\n{\"a\":1}\n");
    zo_free(text);
}

/* Any bytes at all: jansson, an independent reader that checks UTF-8 and escapes, must get back the same characters. */
static void strings_survive_another_reader(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(12, ZO_PURPOSE_INIT, 0);

    for (int round = 0; round < 20000; round++) {
        char s[64];
        size_t n = zo_rng_below(&r, sizeof s);
        for (size_t i = 0; i < n; i++)
            s[i] = (char)(round % 2 ? zo_rng_below(&r, 255) + 1 : zo_rng_below(&r, 127) + 1);
        zo_json w;
        zo_json_init(&w);
        zo_json_begin_array(&w);
        zo_json_string_n(&w, s, n);
        zo_json_end_array(&w);
        size_t bytes;
        char *text = zo_json_take(&w, &bytes);
        json_t *doc = json_loadb(text, bytes, 0, NULL);
        assert_non_null(doc);
        const json_t *back = json_array_get(doc, 0);
        json_t *direct = json_stringn(s, n); /* NULL unless valid UTF-8 */
        assert_true(round % 2 || direct);
        if (direct)
            assert_true(json_equal(back, direct));
        else
            assert_non_null(strstr(json_string_value(back), "\xEF\xBF\xBD"));
        json_decref(direct);
        json_decref(doc);
        zo_free(text);
    }
    zo_json w;
    zo_json_init(&w);
    zo_json_string(&w, "q\" b\\ n\n t\t r\r \b\f \x01 \x1f \x7f / \xE2\x82\xAC \xF0\x9F\x98\x80 \xED\xA0\x80");
    char *text = zo_json_take(&w, NULL);
    assert_string_equal(text, "\"q\\\" b\\\\ n\\n t\\t r\\r \\b\\f \\u0001 \\u001f \x7f / \xE2\x82\xAC \xF0\x9F\x98\x80 "
                              "\xEF\xBF\xBD\xEF\xBF\xBD\xEF\xBF\xBD\"");
    zo_free(text);
}

static void times_agree_with_the_c_library(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(13, ZO_PURPOSE_INIT, 0);
    static const int64_t special[] = {0, -1, 951782399999, 951782400000, 1709164800000, 253402300799999, -62167219200000,
                                      INT64_MIN, INT64_MAX, 1795533960123};

    for (size_t i = 0; i < 20000; i++) {
        int64_t ms = i < ZO_LEN(special) ? special[i] : (int64_t)zo_rng_below(&r, UINT64_C(315569519999999)) - INT64_C(62167219200000);
        char text[ZO_TIME_CHARS + 1], want[64];
        text[zo_time_print(ms, text)] = '\0';
        ms = ms < -INT64_C(62167219200000) ? -INT64_C(62167219200000) : ms > INT64_C(253402300799999) ? INT64_C(253402300799999) : ms;
        const time_t seconds = (time_t)((ms - ((ms % 1000) + 1000) % 1000) / 1000);
        struct tm tm;
        gmtime_r(&seconds, &tm);
        snprintf(want, sizeof want, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1, tm.tm_mday, tm.tm_hour,
                 tm.tm_min, tm.tm_sec, (int)(((ms % 1000) + 1000) % 1000));
        assert_string_equal(text, want);
        int64_t back;
        assert_int_equal(zo_time_parse(text, &back, NULL), ZO_OK);
        assert_true(back == ms);
    }
    zo_json w;
    zo_json_init(&w);
    zo_json_key_time(&w, "at", 1795533960123);
    char *text = zo_json_take(&w, NULL);
    assert_string_equal(text, "\"at\":\"2026-11-24T15:26:00.123Z\"");
    zo_free(text);
}

static void durations_use_the_largest_unit_that_divides(void **state)
{
    (void)state;
    static const struct {
        int64_t ms;
        const char *text;
    } table[] = {{0, "\"0s\""},         {1, "\"1ms\""},      {1500, "\"1500ms\""},   {90000, "\"90s\""},
                 {600000, "\"10m\""}, {7200000, "\"2h\""}, {604800000, "\"7d\""}, {129600000, "\"36h\""}};

    for (size_t i = 0; i < ZO_LEN(table); i++) {
        zo_json w;
        int64_t back;
        zo_json_init(&w);
        zo_json_duration(&w, table[i].ms);
        char *text = zo_json_take(&w, NULL);
        assert_string_equal(text, table[i].text);
        text[strlen(text) - 1] = '\0';
        assert_int_equal(zo_duration_parse(text + 1, &back, NULL), ZO_OK);
        assert_true(back == table[i].ms);
        zo_free(text);
    }
}

static void a_long_text_grows_the_buffer(void **state)
{
    (void)state;
    zo_json w;
    size_t n;

    zo_json_init(&w);
    zo_json_begin_array(&w);
    for (int i = 0; i < 100000; i++)
        zo_json_double(&w, i + 0.5);
    zo_json_textf(&w, "%1000d", 1); /* longer than the formatting buffer */
    zo_json_reset(&w);
    zo_json_textf(&w, "%1000d", 1);
    char *text = zo_json_take(&w, &n);
    assert_int_equal(n, 1000);
    assert_int_equal(text[999], '1');
    zo_free(text);
    assert_false(zo_json_failed(&w));
    zo_json_fini(&w);
    zo_json_fini(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_numbers_have_their_known_text),
        cmocka_unit_test(random_bits_come_back_with_the_fewest_digits),
        cmocka_unit_test(every_power_of_two_and_ten_comes_back),
        cmocka_unit_test(the_table_of_powers_is_exact_where_it_can_be),
        cmocka_unit_test(integers_are_whole),
        cmocka_unit_test(commas_stand_between_values_only),
        cmocka_unit_test(each_line_of_json_lines_starts_afresh),
        cmocka_unit_test(strings_survive_another_reader),
        cmocka_unit_test(times_agree_with_the_c_library),
        cmocka_unit_test(durations_use_the_largest_unit_that_divides),
        cmocka_unit_test(a_long_text_grows_the_buffer),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
