/* Cursors: what went in comes out, and nothing else is taken for one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "api/cursor.h"

static void assert_same(const api_cursor *a, const api_cursor *b)
{
    for (size_t i = 0; i < API_CURSOR_NUMBERS; i++)
        assert_true(a->number[i] == b->number[i]);
    assert_string_equal(a->text, b->text);
}

static void a_cursor_comes_back_as_it_went_whatever_its_length(void **state)
{
    api_cursor c = {.number = {0, UINT64_MAX, UINT64_C(0x0123456789abcdef)}}, back;
    char text[API_CURSOR_CHARS];
    zo_error err;

    (void)state;
    for (size_t n = 0; n < API_CURSOR_TEXT; n++) { /* all remainders of a base64 group, up to the longest */
        memset(c.text, 0, sizeof c.text);
        memset(c.text, 'a' + (int)(n % 26), n);
        api_cursor_encode(&c, "trials 1", text);
        assert_true(strlen(text) < API_CURSOR_CHARS);
        assert_int_equal(strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"),
                         strlen(text));
        assert_int_equal(api_cursor_decode(text, "trials 1", &back, &err), ZO_OK);
        assert_same(&c, &back);
    }
}

static void a_cursor_of_another_list_is_refused(void **state)
{
    const api_cursor c = {.number = {7}};
    char text[API_CURSOR_CHARS];
    api_cursor back;
    zo_error err;

    (void)state;
    api_cursor_encode(&c, "trials st_a 0number -1", text);
    assert_int_equal(api_cursor_decode(text, "trials st_a 1number -1", &back, &err), ZO_EMALFORMED);
    assert_int_equal(api_cursor_decode(text, "trials st_b 0number -1", &back, &err), ZO_EMALFORMED);
    assert_int_equal(api_cursor_decode(text, "", &back, &err), ZO_EMALFORMED);
    assert_string_equal(err.pointer, "");
}

static void one_changed_character_anywhere_is_refused_or_harmless(void **state)
{
    const api_cursor c = {.number = {1, 2, 3}, .text = "svm"};
    char text[API_CURSOR_CHARS], damaged[API_CURSOR_CHARS];
    api_cursor back;
    zo_error err;
    size_t taken = 0;

    (void)state;
    api_cursor_encode(&c, "studies", text);
    const size_t n = strlen(text);
    for (size_t i = 0; i < n; i++)
        for (int by = 1; by < 256; by++) {
            memcpy(damaged, text, sizeof damaged);
            damaged[i] = (char)((unsigned char)damaged[i] ^ by);
            if (api_cursor_decode(damaged, "studies", &back, &err) != ZO_OK)
                continue;
            assert_same(&c, &back); /* only the last character has bits that mean nothing */
            assert_int_equal(i, n - 1);
            taken++;
        }
    assert_true(taken < 16);
}

static void a_cut_or_longer_text_is_refused(void **state)
{
    const api_cursor c = {.number = {1, 2, 3}, .text = "svm"};
    char text[API_CURSOR_CHARS], other[3 * API_CURSOR_CHARS];
    api_cursor back;
    zo_error err;

    (void)state;
    api_cursor_encode(&c, "studies", text);
    for (size_t n = 0; n < strlen(text); n++) {
        snprintf(other, sizeof other, "%.*s", (int)n, text);
        assert_int_equal(api_cursor_decode(other, "studies", &back, &err), ZO_EMALFORMED);
    }
    snprintf(other, sizeof other, "%sA", text);
    assert_int_equal(api_cursor_decode(other, "studies", &back, &err), ZO_EMALFORMED);
    snprintf(other, sizeof other, "%s%s%s", text, text, text);
    assert_int_equal(api_cursor_decode(other, "studies", &back, &err), ZO_EMALFORMED);
    memset(other, 'A', sizeof other - 1);
    other[sizeof other - 1] = '\0';
    assert_int_equal(api_cursor_decode(other, "studies", &back, &err), ZO_EMALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_cursor_comes_back_as_it_went_whatever_its_length),
        cmocka_unit_test(a_cursor_of_another_list_is_refused),
        cmocka_unit_test(one_changed_character_anywhere_is_refused_or_harmless),
        cmocka_unit_test(a_cut_or_longer_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
