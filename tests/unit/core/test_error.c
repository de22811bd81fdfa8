/* Errors: pointers grow from the inside out, messages stay one line of whole UTF-8. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/error.h"

static void fail_returns_and_fills_the_error(void **state)
{
    (void)state;
    zo_error err = {0};

    assert_int_equal(zo_fail(&err, ZO_EINVAL, "/high", "high %g must exceed low %g", 0.0, 1.0), ZO_EINVAL);
    assert_int_equal(err.code, ZO_EINVAL);
    assert_string_equal(err.message, "high 0 must exceed low 1");
    assert_int_equal(zo_fail_at(&err, "/space/%zu", (size_t)3), ZO_EINVAL);
    assert_string_equal(err.pointer, "/space/3/high");
    assert_string_equal(err.message, "high 0 must exceed low 1");
}

static void fail_accepts_no_error(void **state)
{
    (void)state;
    assert_int_equal(zo_fail(NULL, ZO_EGONE, "", "x"), ZO_EGONE);
    assert_int_equal(zo_fail_nomem(NULL), ZO_ENOMEM);
}

static void fail_may_quote_its_own_message_and_pointer(void **state)
{
    (void)state;
    zo_error err = {0};

    zo_fail(&err, ZO_EINVAL, "/a", "inner");
    zo_fail(&err, ZO_ENUMERIC, err.pointer, "outer: %s", err.message);
    assert_string_equal(err.message, "outer: inner");
    assert_string_equal(err.pointer, "/a");
}

static void a_message_is_one_line_of_whole_characters(void **state)
{
    (void)state;
    zo_error err = {0};
    enum { MOST = sizeof err.message - 1 };
    char text[2 * MOST];

    zo_fail(&err, ZO_EINVAL, "", "a\nb\tc\x7f");
    assert_string_equal(err.message, "a b c ");
    /* every alignment of 2, 3 and 4 byte characters against the cut at MOST bytes */
    static const char *const chars[] = {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80"};
    for (size_t c = 0; c < 3; c++)
        for (size_t shift = 0; shift < 4; shift++) {
            const size_t w = strlen(chars[c]);
            size_t n = shift;
            memset(text, 'x', shift);
            for (; n + w < sizeof text; n += w)
                memcpy(text + n, chars[c], w);
            text[n] = '\0';
            zo_fail(&err, ZO_EINVAL, "", "%s", text);
            const size_t kept = strlen(err.message);
            assert_int_equal((kept - shift) % w, 0);
            assert_true(kept + w > MOST && kept <= MOST);
            assert_memory_equal(err.message, text, kept);
        }
}

static void a_long_pointer_is_cut_and_terminated(void **state)
{
    (void)state;
    zo_error err = {0};
    char key[300];

    memset(key, 'k', sizeof key - 1);
    key[sizeof key - 1] = '\0';
    zo_fail(&err, ZO_EINVAL, "/x", "m");
    for (int i = 0; i < 3; i++)
        zo_fail_at(&err, "/%s", key);
    assert_int_equal(strlen(err.pointer), sizeof err.pointer - 1);
}

static void a_pointer_token_is_escaped(void **state)
{
    (void)state;
    char p[32] = "/a";

    zo_pointer_append(p, sizeof p, "m~n/o"); /* RFC 6901, section 5, has "/m~0n" and "/a~1b" */
    assert_string_equal(p, "/a/m~0n~1o");
    zo_pointer_append(p, sizeof p, "");
    assert_string_equal(p, "/a/m~0n~1o/");
    char small[6] = "";
    zo_pointer_append(small, sizeof small, "abc/d");
    assert_string_equal(small, "/abc"); /* an escape is never cut in two */
    char tiny[5] = "";
    zo_pointer_append(tiny, sizeof tiny, "ab\xE2\x82\xAC");
    assert_string_equal(tiny, "/ab");
}

static void every_code_has_a_slug_of_its_own(void **state)
{
    (void)state;
    for (int i = 0; i < ZO_STATUS_COUNT; i++)
        for (int j = 0; j < i; j++)
            assert_string_not_equal(zo_status_slug((zo_status)i), zo_status_slug((zo_status)j));
    assert_string_equal(zo_status_slug(ZO_OK), "ok");
    assert_string_equal(zo_status_slug(ZO_EINVAL), "invalid");
    assert_string_equal(zo_status_slug(ZO_EINTERNAL), "internal");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(fail_returns_and_fills_the_error),
        cmocka_unit_test(fail_accepts_no_error),
        cmocka_unit_test(fail_may_quote_its_own_message_and_pointer),
        cmocka_unit_test(a_message_is_one_line_of_whole_characters),
        cmocka_unit_test(a_long_pointer_is_cut_and_terminated),
        cmocka_unit_test(a_pointer_token_is_escaped),
        cmocka_unit_test(every_code_has_a_slug_of_its_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
