/* A bundle's JSON form. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "codec/bundlejson.h"

static void every_type_is_written(void **state)
{
    (void)state;
    const size_t dims[] = {2, 2}, one = 1, two = 2;
    const double x[] = {1, 0.1, NAN, -1e300};
    const float f[] = {0.5f, INFINITY};
    const int64_t i = INT64_MIN;
    const int32_t j = -7;
    const uint64_t u = UINT64_MAX;
    void *p;
    zo_bundle b;
    zo_json w;

    zo_bundle_init(&b);
    assert_int_equal(zo_bundle_add(&b, "x", ZO_F64, 2, dims, &p, NULL), ZO_OK);
    memcpy(p, x, sizeof x);
    assert_int_equal(zo_bundle_add(&b, "f", ZO_F32, 1, &two, &p, NULL), ZO_OK);
    memcpy(p, f, sizeof f);
    assert_int_equal(zo_bundle_add(&b, "i", ZO_I64, 1, &one, &p, NULL), ZO_OK);
    memcpy(p, &i, sizeof i);
    assert_int_equal(zo_bundle_add(&b, "j", ZO_I32, 1, &one, &p, NULL), ZO_OK);
    memcpy(p, &j, sizeof j);
    assert_int_equal(zo_bundle_add(&b, "u", ZO_U64, 0, NULL, &p, NULL), ZO_OK);
    memcpy(p, &u, sizeof u);
    assert_int_equal(zo_bundle_add(&b, "o\"", ZO_U8, 1, &two, &p, NULL), ZO_OK);
    memcpy(p, "\xFF", 1);
    assert_int_equal(zo_bundle_set_meta(&b, "loss", "0.25", NULL), ZO_OK);
    zo_json_init(&w);
    zo_bundle_json(&b, &w);
    char *text = zo_json_take(&w, NULL);
    assert_string_equal(text, "{\"arrays\":{\"x\":{\"dtype\":\"F64\",\"shape\":[2,2],\"data\":[1,0.1,null,-1e300]},"
                              "\"f\":{\"dtype\":\"F32\",\"shape\":[2],\"data\":[0.5,null]},"
                              "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data\":[-9223372036854775808]},"
                              "\"j\":{\"dtype\":\"I32\",\"shape\":[1],\"data\":[-7]},"
                              "\"u\":{\"dtype\":\"U64\",\"shape\":[],\"data\":[18446744073709551615]},"
                              "\"o\\\"\":{\"dtype\":\"U8\",\"shape\":[2],\"data\":[255,0]}},\"meta\":{\"loss\":\"0.25\"}}");
    zo_free(text);
    zo_bundle_fini(&b);
}

static void an_empty_bundle_is_written(void **state)
{
    (void)state;
    zo_bundle b;
    zo_json w;

    zo_bundle_init(&b);
    zo_json_init(&w);
    zo_bundle_json(&b, &w);
    char *text = zo_json_take(&w, NULL);
    assert_string_equal(text, "{\"arrays\":{},\"meta\":{}}");
    zo_free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_written),
        cmocka_unit_test(an_empty_bundle_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
