/* Queries: splitting and percent-decoding, by a table and by a round trip over every byte. */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "http/internal.h"

static zo_status parse(const char *text, zo_arena *arena, struct http_pair **pairs, size_t *n, zo_error *err)
{
    return http_query_parse(zo_arena_strdup(arena, text), arena, pairs, n, err);
}

static const struct {
    const char *text;
    int n;                /* -1: refused */
    const char *pairs[6]; /* name, value, ... */
} cases[] = {
    {"", 0, {NULL}},
    {"a=1", 1, {"a", "1"}},
    {"a=1&b=2", 2, {"a", "1", "b", "2"}},
    {"a", 1, {"a", ""}},
    {"a=", 1, {"a", ""}},
    {"=1", 1, {"", "1"}},
    {"&&a=1&", 1, {"a", "1"}},
    {"a=1=2", 1, {"a", "1=2"}},
    {"a=%41%62", 1, {"a", "Ab"}},
    {"%61=x", 1, {"a", "x"}},
    {"a=b+c%2Bd", 1, {"a", "b c+d"}},
    {"a=%26%3d%25", 1, {"a", "&=%"}},
    {"a=%2541", 1, {"a", "%41"}},
    {"a=1&a=2", 2, {"a", "1", "a", "2"}},
    {"a=%c3%a9", 1, {"a", "\xc3\xa9"}},
    {"a=/?:@", 1, {"a", "/?:@"}},
    {"a=%", -1, {NULL}},
    {"a=%4", -1, {NULL}},
    {"a=%g1", -1, {NULL}},
    {"a=%1g", -1, {NULL}},
    {"a=%00", -1, {NULL}},
    {"%00=a", -1, {NULL}},
    {"%=a", -1, {NULL}},
    {"a=%4%31", -1, {NULL}},
};

static void queries_split_and_decode(void **state)
{
    zo_arena *arena = zo_arena_new(0);

    (void)state;
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        struct http_pair *pairs;
        size_t n;
        zo_error err = {0};
        const zo_status rc = parse(cases[i].text, arena, &pairs, &n, &err);
        assert_int_equal(rc, cases[i].n < 0 ? ZO_EMALFORMED : ZO_OK);
        if (rc != ZO_OK)
            continue;
        assert_int_equal(n, cases[i].n);
        for (size_t k = 0; k < n; k++) {
            assert_string_equal(pairs[k].name, cases[i].pairs[2 * k]);
            assert_string_equal(pairs[k].value, cases[i].pairs[2 * k + 1]);
        }
        zo_arena_reset(arena);
    }
    zo_arena_free(arena);
}

static void every_byte_survives_encoding(void **state)
{
    zo_arena *arena = zo_arena_new(0);

    (void)state;
    for (unsigned c = 1; c < 256; c++)
        for (int upper = 0; upper < 2; upper++) {
            char text[16];
            struct http_pair *pairs;
            size_t n;
            zo_error err;
            snprintf(text, sizeof text, upper ? "k=%%%02X" : "k=%%%02x", c);
            assert_int_equal(parse(text, arena, &pairs, &n, &err), ZO_OK);
            assert_int_equal((unsigned char)pairs[0].value[0], c);
            assert_int_equal(pairs[0].value[1], '\0');
        }
    zo_arena_free(arena);
}

static void parameters_are_counted(void **state)
{
    zo_arena *arena = zo_arena_new(0);
    char text[8 * (HTTP_QUERY_MAX + 1)] = "";
    struct http_pair *pairs;
    size_t n;
    zo_error err;

    (void)state;
    for (int i = 0; i < HTTP_QUERY_MAX; i++)
        sprintf(text + strlen(text), "k%d=%d&", i, i);
    assert_int_equal(parse(text, arena, &pairs, &n, &err), ZO_OK);
    assert_int_equal(n, HTTP_QUERY_MAX);
    strcat(text, "z=1");
    assert_int_equal(parse(text, arena, &pairs, &n, &err), ZO_EMALFORMED);
    zo_arena_free(arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(queries_split_and_decode),
        cmocka_unit_test(every_byte_survives_encoding),
        cmocka_unit_test(parameters_are_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
