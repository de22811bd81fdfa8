/* JSON reader: bounds before parsing, one way in, typed values, objects by table. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/jsonread.h"
#include "codec/jsonwrite.h"

static zo_status parse(const char *text, json_t **out, zo_error *err)
{
    return zo_json_parse(text, strlen(text), NULL, out, err);
}

/* One value of any type, as the member "v" of an object. */
static json_t *value(const char *text)
{
    json_t *doc;
    zo_error err = {0};

    if (zo_json_parse_any(text, strlen(text), NULL, &doc, &err) != ZO_OK)
        fail_msg("%s: %s", text, err.message);
    return doc;
}

static void what_is_no_json_object_is_refused_with_its_position(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what;
    } bad[] = {
        {"", "empty"}, {" ", "too early"}, {"[]", "object is expected"}, {"1", "object is expected"}, {"\"a\"", "object is expected"},
        {"null", "object is expected"}, {"{", "too early"}, {"{\"a\":1", "too early"}, {"{\"a\":1}}", "after its end"},
        {"{\"a\":1} x", "after its end"}, {"{\"a\":1,}", "unexpected"}, {"{'a':1}", "unexpected"}, {"{a:1}", "unexpected"},
        {"{\"a\":01}", "unexpected"}, {"{\"a\":+1}", "unexpected"}, {"{\"a\":.5}", "unexpected"}, {"{\"a\":1.}", "unexpected"},
        {"{\"a\":NaN}", "unexpected"}, {"{\"a\":Infinity}", "unexpected"}, {"{\"a\":-Infinity}", "unexpected"},
        {"{\"a\":1e999}", "too large"}, {"{\"a\":-1e999}", "too large"}, {"{\"a\":9223372036854775808}", "too large"},
        {"{\"a\":1,\"a\":2}", "twice"}, {"{\"b\":{\"a\":1,\"a\":1}}", "twice"}, {"\xEF\xBB\xBF{}", "unexpected"},
        {"{\"a\":\"\xC0\x80\"}", "UTF-8"}, {"{\"a\":\"\xED\xA0\x80\"}", "UTF-8"}, {"{\"a\":\"\xFF\"}", "UTF-8"},
        {"{\"a\":\"\\u0000\"}", "NUL"}, {"{\"a\":\"\\ud800\"}", "unexpected"}, {"{\"a\":\"\\x\"}", "unexpected"},
        {"{\"a\":\"\n\"}", "unexpected"}, {"{/**/}", "unexpected"}, {"{\"a\":tru}", "unexpected"}, {"{\"a\":1 2}", "unexpected"},
    };

    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        json_t *doc = NULL;
        zo_error err = {0};
        assert_int_equal(parse(bad[i].text, &doc, &err), ZO_EMALFORMED);
        if (!strstr(err.message, bad[i].what))
            fail_msg("%s: %s", bad[i].text, err.message);
        assert_string_equal(err.pointer, "");
        assert_null(doc);
        if (!strstr(err.message, "expected") || strstr(err.message, "unexpected"))
            assert_true(strstr(err.message, "position") || strstr(err.message, "empty"));
    }
    zo_error err = {0};
    json_t *doc;
    assert_int_equal(parse("{\"a\": secret}", &doc, &err), ZO_EMALFORMED);
    assert_null(strstr(err.message, "secret")); /* bodies stay out of messages */
    assert_int_equal(zo_json_parse("{}\0", 3, NULL, &doc, &err), ZO_EMALFORMED);
}

static void what_is_json_is_accepted(void **state)
{
    (void)state;
    static const char *const good[] = {"{}", " {\r\n\t} ", "{\"a\":-0,\"b\":1e-999,\"c\":1E5,\"d\":-0.0,\"e\":9223372036854775807}",
                                       "{\"\":\"\\ud83d\\ude00\\/\\\\\\\"\"}", "{\"a\":[[],{},null,true,false]}"};

    for (size_t i = 0; i < ZO_LEN(good); i++) {
        json_t *doc;
        assert_int_equal(parse(good[i], &doc, NULL), ZO_OK);
        json_decref(doc);
    }
}

/* n times open, then n times close. */
static char *nested(size_t n, const char *open, const char *close)
{
    char *text = zo_calloc(1, n * (strlen(open) + strlen(close)) + 8);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        strcat(text, open);
    for (size_t i = 0; i < n; i++)
        strcat(text, close);
    return text;
}

static void depth_is_bounded_before_parsing(void **state)
{
    (void)state;
    zo_error err = {0};

    for (size_t depth = 31; depth <= 34; depth++) {
        char *text = nested(depth, "[", "]");
        assert_int_equal(zo_json_scan(text, strlen(text), NULL, &err), depth <= 32 ? ZO_OK : ZO_EMALFORMED);
        if (depth > 32)
            assert_non_null(strstr(err.message, "position 32"));
        zo_free(text);
    }
    const zo_json_limits shallow = {.depth = 1};
    assert_int_equal(zo_json_scan("{\"[[[\":\"{{{\\\"{[[\"}", 18, &shallow, NULL), ZO_OK); /* brackets in strings don't count */
    assert_int_equal(zo_json_scan("{\"\\\\\":[]}", 9, &shallow, NULL), ZO_EMALFORMED); /* an escaped backslash ends no escape */
    assert_int_equal(zo_json_scan("[][][]", 6, &shallow, NULL), ZO_OK); /* siblings don't add up */
    assert_int_equal(zo_json_scan("]]]]\"\\", 6, &shallow, NULL), ZO_OK); /* no underflow, no overrun */
}

static void tokens_are_bounded_before_parsing(void **state)
{
    (void)state;
    const size_t n = 200000;
    char *text = zo_malloc(2 * n + 2);

    assert_non_null(text);
    for (size_t i = 0; i < n; i++)
        memcpy(text + 1 + 2 * i, "1,", 2);
    text[0] = '[';
    /* k numbers and the array are k + 1 values */
    for (size_t k = n - 2; k <= n; k++) {
        text[2 * k] = ']';
        assert_int_equal(zo_json_scan(text, 2 * k + 1, NULL, NULL), k + 1 <= n ? ZO_OK : ZO_ETOOLARGE);
        text[2 * k] = ',';
    }
    zo_free(text);
    const zo_json_limits few = {.tokens = 8};
    assert_int_equal(zo_json_scan("{\"a\":{},\"b\":{}}", 15, &few, NULL), ZO_OK);
    assert_int_equal(zo_json_scan("{\"a\":{},\"b\":{},\"c\":{}}", 22, &few, NULL), ZO_ETOOLARGE);
}

static void integers_beyond_2_to_53_are_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        zo_status i64, u64;
        int64_t v;
    } table[] = {
        {"0", ZO_OK, ZO_OK, 0}, {"-0", ZO_OK, ZO_OK, 0}, {"3.0", ZO_OK, ZO_OK, 3}, {"3e2", ZO_OK, ZO_OK, 300},
        {"-1", ZO_OK, ZO_EINVAL, -1}, {"9007199254740992", ZO_OK, ZO_OK, INT64_C(9007199254740992)},
        {"-9007199254740992", ZO_OK, ZO_EINVAL, -INT64_C(9007199254740992)}, {"9007199254740993", ZO_EINVAL, ZO_EINVAL, 0},
        {"9223372036854775807", ZO_EINVAL, ZO_EINVAL, 0}, {"1e16", ZO_EINVAL, ZO_EINVAL, 0}, {"1e300", ZO_EINVAL, ZO_EINVAL, 0},
        {"0.5", ZO_EMALFORMED, ZO_EMALFORMED, 0}, {"\"1\"", ZO_EMALFORMED, ZO_EMALFORMED, 0}, {"true", ZO_EMALFORMED, ZO_EMALFORMED, 0},
        {"null", ZO_EMALFORMED, ZO_EMALFORMED, 0},
    };

    for (size_t i = 0; i < ZO_LEN(table); i++) {
        json_t *v = value(table[i].text);
        int64_t s = 77;
        uint64_t u = 77;
        zo_error err = {0};
        assert_int_equal(zo_json_get_i64(v, &s, &err), table[i].i64);
        assert_true(s == (table[i].i64 == ZO_OK ? table[i].v : 77));
        assert_int_equal(zo_json_get_u64(v, &u, &err), table[i].u64);
        assert_true(u == (table[i].u64 == ZO_OK ? (uint64_t)table[i].v : 77));
        json_decref(v);
    }
}

static void durations_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        zo_status rc;
        int64_t ms;
    } table[] = {
        {"\"90s\"", ZO_OK, 90000}, {"\"10m\"", ZO_OK, 600000}, {"\"2h\"", ZO_OK, 7200000}, {"\"1.5h\"", ZO_OK, 5400000},
        {"\"7d\"", ZO_OK, 604800000}, {"\"250ms\"", ZO_OK, 250}, {"\"0.0015s\"", ZO_OK, 1}, {"30", ZO_OK, 30000}, {"0.25", ZO_OK, 250},
        {"0", ZO_OK, 0}, {"-1", ZO_EINVAL, 0}, {"1e300", ZO_EINVAL, 0}, {"\"999999999999d\"", ZO_EINVAL, 0},
        {"\"99999999999999999999s\"", ZO_EINVAL, 0}, {"\"\"", ZO_EMALFORMED, 0}, {"\"s\"", ZO_EMALFORMED, 0},
        {"\"10\"", ZO_EMALFORMED, 0}, {"\"10 m\"", ZO_EMALFORMED, 0}, {"\"-10m\"", ZO_EMALFORMED, 0}, {"\"10M\"", ZO_EMALFORMED, 0},
        {"\"1.h\"", ZO_EMALFORMED, 0}, {"\"1e3s\"", ZO_EMALFORMED, 0}, {"\"10mm\"", ZO_EMALFORMED, 0}, {"true", ZO_EMALFORMED, 0},
        {"null", ZO_EMALFORMED, 0}, {"[]", ZO_EMALFORMED, 0},
    };

    for (size_t i = 0; i < ZO_LEN(table); i++) {
        json_t *v = value(table[i].text);
        int64_t ms = -7;
        if (zo_json_get_duration(v, &ms, NULL) != table[i].rc)
            fail_msg("%s", table[i].text);
        assert_true(ms == (table[i].rc == ZO_OK ? table[i].ms : -7));
        json_decref(v);
    }
}

static void times_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        zo_status rc;
        int64_t ms;
    } table[] = {
        /* the examples of RFC 3339, section 5.8, with their stated equivalents */
        {"1985-04-12T23:20:50.52Z", ZO_OK, 482196050520}, {"1996-12-19T16:39:57-08:00", ZO_OK, 851042397000},
        {"1996-12-20T00:39:57Z", ZO_OK, 851042397000}, {"1990-12-31T23:59:60Z", ZO_OK, 662687999000},
        {"1937-01-01T12:00:27.87+00:20", ZO_OK, -1041337172130}, {"1970-01-01t00:00:00.0009z", ZO_OK, 0},
        {"2024-02-29T00:00:00Z", ZO_OK, 1709164800000}, {"2023-02-29T00:00:00Z", ZO_EINVAL, 0}, {"1900-02-29T00:00:00Z", ZO_EINVAL, 0},
        {"2026-13-01T00:00:00Z", ZO_EINVAL, 0}, {"2026-00-01T00:00:00Z", ZO_EINVAL, 0}, {"2026-04-31T00:00:00Z", ZO_EINVAL, 0},
        {"2026-01-01T24:00:00Z", ZO_EINVAL, 0}, {"2026-01-01T00:60:00Z", ZO_EINVAL, 0}, {"2026-01-01T00:00:00", ZO_EMALFORMED, 0},
        {"2026-01-01", ZO_EMALFORMED, 0}, {"", ZO_EMALFORMED, 0}, {"2026-01-01T00:00:00.Z", ZO_EMALFORMED, 0},
        {"2026-01-01T00:00:00Zx", ZO_EMALFORMED, 0}, {"2026-1-01T00:00:00Z", ZO_EMALFORMED, 0}, {"2026-01-01T00:00:00+1:00", ZO_EMALFORMED, 0},
    };

    for (size_t i = 0; i < ZO_LEN(table); i++) {
        int64_t ms = -7;
        if (zo_time_parse(table[i].text, &ms, NULL) != table[i].rc)
            fail_msg("%s", table[i].text);
        if (ms != (table[i].rc == ZO_OK ? table[i].ms : -7))
            fail_msg("%s: %lld", table[i].text, (long long)ms);
    }
}

static void scalars_cross_both_ways(void **state)
{
    (void)state;
    static const char *const texts[] = {"null", "true", "false", "1", "-5", "1.5", "9007199254740992", "1e300", "\"rbf\"", "\"\"",
                                        "[]", "[1,2.5,-3]", "0.1"};
    zo_arena *arena = zo_arena_new(0);

    for (size_t i = 0; i < ZO_LEN(texts); i++) {
        json_t *v = value(texts[i]);
        zo_scalar s;
        zo_json w;
        assert_int_equal(zo_json_scalar(v, arena, &s, NULL), ZO_OK);
        json_decref(v); /* the scalar lives on in the arena */
        zo_json_init(&w);
        zo_json_scalar_write(&w, &s);
        char *text = zo_json_take(&w, NULL);
        assert_string_equal(text, texts[i]);
        zo_free(text);
    }
    zo_scalar s = {.number = 7};
    zo_error err = {0};
    json_t *v = value("1");
    assert_true(zo_json_scalar(v, arena, &s, &err) == ZO_OK && s.kind == ZO_NUMBER && s.integral);
    json_decref(v);
    v = value("1.0");
    assert_true(zo_json_scalar(v, arena, &s, &err) == ZO_OK && s.kind == ZO_NUMBER && !s.integral);
    json_decref(v);
    v = value("9007199254740993");
    assert_int_equal(zo_json_scalar(v, arena, &s, &err), ZO_EINVAL);
    json_decref(v);
    v = value("[1,2,null]");
    assert_int_equal(zo_json_scalar(v, arena, &s, &err), ZO_EMALFORMED);
    assert_string_equal(err.pointer, "/2");
    assert_int_equal(zo_json_scalar(v, arena, &s, NULL), ZO_EMALFORMED);
    json_decref(v);
    v = value("{}");
    assert_int_equal(zo_json_scalar(v, arena, &s, &err), ZO_EMALFORMED);
    json_decref(v);
    zo_arena_free(arena);
}

struct tell {
    const char *worker;
    double cost;
    uint64_t trial;
    bool stop;
    int64_t lease_ms, at_ms;
    const json_t *any, *values, *results;
};
static const zo_field fields[] = {
    {"worker", ZO_F_STRING, offsetof(struct tell, worker), false, 1, 8},
    {"cost", ZO_F_F64, offsetof(struct tell, cost), false, 0, 10},
    {"trial", ZO_F_U64, offsetof(struct tell, trial), true, 0, 0},
    {"stop", ZO_F_BOOL, offsetof(struct tell, stop), false, 0, 0},
    {"lease", ZO_F_DURATION_MS, offsetof(struct tell, lease_ms), false, 1000, 604800000},
    {"at", ZO_F_TIME_MS, offsetof(struct tell, at_ms), false, 0, 0},
    {"any", ZO_F_ANY, offsetof(struct tell, any), false, 0, 0},
    {"values", ZO_F_OBJECT, offsetof(struct tell, values), false, 0, 0},
    {"results", ZO_F_ARRAY, offsetof(struct tell, results), false, 1, 2},
};

static void an_object_is_read_by_table(void **state)
{
    (void)state;
    json_t *doc;
    struct tell t = {.cost = 3};
    uint64_t seen = 99;

    assert_int_equal(parse("{\"trial\":5,\"worker\":\"w1\",\"stop\":true,\"lease\":\"10m\",\"at\":\"1970-01-01T00:00:01Z\",\"any\":null,"
                           "\"values\":{\"f\":1},\"results\":[1,2]}", &doc, NULL), ZO_OK);
    assert_int_equal(zo_json_read(doc, fields, ZO_LEN(fields), &t, &seen, NULL), ZO_OK);
    assert_int_equal(seen, 0x1FD);
    assert_string_equal(t.worker, "w1");
    assert_true(t.cost == 3 && t.trial == 5 && t.stop && t.lease_ms == 600000 && t.at_ms == 1000);
    assert_true(json_is_null(t.any) && json_object_size(t.values) == 1 && json_array_size(t.results) == 2);
    json_decref(doc);
}

static void a_wrong_object_is_refused_with_the_pointer_to_its_fault(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        zo_status rc;
        const char *pointer;
    } bad[] = {
        {"{}", ZO_EMALFORMED, "/trial"},
        {"{\"trial\":1,\"x/y~z\":1}", ZO_EMALFORMED, "/x~1y~0z"},
        {"{\"trial\":\"1\"}", ZO_EMALFORMED, "/trial"},
        {"{\"trial\":null}", ZO_EMALFORMED, "/trial"},
        {"{\"trial\":-1}", ZO_EINVAL, "/trial"},
        {"{\"trial\":1,\"worker\":\"\"}", ZO_EINVAL, "/worker"},
        {"{\"trial\":1,\"worker\":\"123456789\"}", ZO_EINVAL, "/worker"},
        {"{\"trial\":1,\"worker\":5}", ZO_EMALFORMED, "/worker"},
        {"{\"trial\":1,\"cost\":-0.001}", ZO_EINVAL, "/cost"},
        {"{\"trial\":1,\"cost\":10.001}", ZO_EINVAL, "/cost"},
        {"{\"trial\":1,\"cost\":\"1\"}", ZO_EMALFORMED, "/cost"},
        {"{\"trial\":1,\"stop\":1}", ZO_EMALFORMED, "/stop"},
        {"{\"trial\":1,\"lease\":\"999ms\"}", ZO_EINVAL, "/lease"},
        {"{\"trial\":1,\"lease\":\"8d\"}", ZO_EINVAL, "/lease"},
        {"{\"trial\":1,\"lease\":\"soon\"}", ZO_EMALFORMED, "/lease"},
        {"{\"trial\":1,\"at\":0}", ZO_EMALFORMED, "/at"},
        {"{\"trial\":1,\"values\":[]}", ZO_EMALFORMED, "/values"},
        {"{\"trial\":1,\"results\":{}}", ZO_EMALFORMED, "/results"},
        {"{\"trial\":1,\"results\":[]}", ZO_EINVAL, "/results"},
        {"{\"trial\":1,\"results\":[1,2,3]}", ZO_EINVAL, "/results"},
    };

    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        json_t *doc;
        struct tell t = {0};
        zo_error err = {0};
        uint64_t seen = 99;
        assert_int_equal(parse(bad[i].text, &doc, NULL), ZO_OK);
        if (zo_json_read(doc, fields, ZO_LEN(fields), &t, &seen, &err) != bad[i].rc || err.code != bad[i].rc)
            fail_msg("%s: %s", bad[i].text, err.message);
        assert_string_equal(err.pointer, bad[i].pointer);
        assert_int_equal(zo_json_read(doc, fields, ZO_LEN(fields), &t, NULL, NULL), bad[i].rc);
        assert_int_equal(seen, 99);
        json_decref(doc);
    }
    json_t *array = json_array();
    struct tell t;
    assert_int_equal(zo_json_read(array, fields, ZO_LEN(fields), &t, NULL, NULL), ZO_EMALFORMED);
    json_decref(array);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_no_json_object_is_refused_with_its_position),
        cmocka_unit_test(what_is_json_is_accepted),
        cmocka_unit_test(depth_is_bounded_before_parsing),
        cmocka_unit_test(tokens_are_bounded_before_parsing),
        cmocka_unit_test(integers_beyond_2_to_53_are_refused),
        cmocka_unit_test(durations_are_read),
        cmocka_unit_test(times_are_read),
        cmocka_unit_test(scalars_cross_both_ways),
        cmocka_unit_test(an_object_is_read_by_table),
        cmocka_unit_test(a_wrong_object_is_refused_with_the_pointer_to_its_fault),
    };
    zo_json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
