#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

struct opts {
    double rate;
    uint64_t size;
    bool fast;
    uint32_t mode;
    double untouched; /* not in the table */
};
static const char *const modes[] = {"auto", "full", "diagonal", NULL};
static const zo_opt table[] = {
    ZO_OPT_F64(struct opts, rate, 0.25, 0.0, 10.0, "a rate"),
    ZO_OPT_U64(struct opts, size, 7, 2, 9007199254740992.0, "a size"),
    ZO_OPT_BOOL(struct opts, fast, true, "a switch"),
    ZO_OPT_ENUM(struct opts, mode, 2, modes, "a mode"),
};

static zo_named number(const char *name, double x)
{
    return (zo_named){name, {.kind = ZO_NUMBER, .number = x}};
}

static zo_named text(const char *name, const char *s)
{
    return (zo_named){name, {.kind = ZO_STRING, .string = s}};
}

static zo_named boolean(const char *name, bool b)
{
    return (zo_named){name, {.kind = ZO_BOOLEAN, .boolean = b}};
}

static void defaults_fill_what_is_not_given(void **state)
{
    struct opts o = {.rate = 99, .size = 99, .fast = false, .mode = 99, .untouched = 5};

    (void)state;
    assert_int_equal(zo_opts_read(table, ZO_LEN(table), NULL, 0, &o, NULL), ZO_OK);
    assert_true(o.rate == 0.25 && o.size == 7 && o.fast && o.mode == 2 && o.untouched == 5);
}

static void given_values_are_read_in_any_order(void **state)
{
    const zo_named given[] = {text("mode", "full"), boolean("fast", false), number("size", 9007199254740992.0),
                              number("rate", 10)};
    struct opts o = {0};

    (void)state;
    assert_int_equal(zo_opts_read(table, ZO_LEN(table), given, ZO_LEN(given), &o, NULL), ZO_OK);
    assert_true(o.rate == 10 && o.size == UINT64_C(9007199254740992) && !o.fast && o.mode == 1);
}

/* The bad one comes second, after a good one that must leave no trace. */
static void assert_refused(zo_named bad, zo_status code, const char *pointer, const char *said)
{
    const zo_named given[] = {number("rate", 3), bad};
    struct opts o, before;
    zo_error err = {0};

    memset(&o, 0x5A, sizeof o);
    memcpy(&before, &o, sizeof o);
    assert_int_equal(zo_opts_read(table, ZO_LEN(table), given, ZO_LEN(given), &o, &err), code);
    assert_int_equal(err.code, code);
    assert_string_equal(err.pointer, pointer);
    assert_non_null(strstr(err.message, said));
    assert_memory_equal(&o, &before, sizeof o);
    assert_int_equal(zo_opts_read(table, ZO_LEN(table), given, ZO_LEN(given), &o, NULL), code);
}

static void a_wrong_type_is_malformed(void **state)
{
    (void)state;
    assert_refused(text("rate", "1"), ZO_EMALFORMED, "/rate", "number");
    assert_refused(boolean("size", true), ZO_EMALFORMED, "/size", "number");
    assert_refused(number("size", 2.5), ZO_EMALFORMED, "/size", "whole");
    assert_refused(number("size", NAN), ZO_EMALFORMED, "/size", "whole");
    assert_refused(number("fast", 1), ZO_EMALFORMED, "/fast", "true or false");
    assert_refused(number("mode", 1), ZO_EMALFORMED, "/mode", "string");
    assert_refused((zo_named){"rate", {.kind = ZO_NULL}}, ZO_EMALFORMED, "/rate", "number");
}

static void an_unknown_name_is_malformed_and_its_pointer_escaped(void **state)
{
    (void)state;
    assert_refused(number("ratio", 1), ZO_EMALFORMED, "/ratio", "ratio");
    assert_refused(number("a/b~c", 1), ZO_EMALFORMED, "/a~1b~0c", "a/b~c");
    assert_refused(number("", 1), ZO_EMALFORMED, "/", "no option");
}

static void out_of_range_is_invalid_and_says_the_range(void **state)
{
    (void)state;
    assert_refused(number("rate", nextafter(10, 11)), ZO_EINVAL, "/rate", "between 0 and 10");
    assert_refused(number("rate", -0x1p-1074), ZO_EINVAL, "/rate", "between 0 and 10");
    assert_refused(number("rate", NAN), ZO_EINVAL, "/rate", "between 0 and 10");
    assert_refused(number("rate", INFINITY), ZO_EINVAL, "/rate", "between 0 and 10");
    assert_refused(number("size", 1), ZO_EINVAL, "/size", "between 2 and");
    assert_refused(number("size", -3), ZO_EINVAL, "/size", "between 2 and");
    assert_refused(number("size", 1e300), ZO_EINVAL, "/size", "between 2 and");
    assert_refused(text("mode", "Full"), ZO_EINVAL, "/mode", "auto, full or diagonal");
}

static void an_empty_table_takes_nothing(void **state)
{
    const zo_named given = number("x", 1);
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_opts_read(NULL, 0, NULL, 0, NULL, &err), ZO_OK);
    assert_int_equal(zo_opts_read(NULL, 0, &given, 1, NULL, &err), ZO_EMALFORMED);
    assert_string_equal(err.pointer, "/x");
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_fill_what_is_not_given),
        cmocka_unit_test(given_values_are_read_in_any_order),
        cmocka_unit_test(a_wrong_type_is_malformed),
        cmocka_unit_test(an_unknown_name_is_malformed_and_its_pointer_escaped),
        cmocka_unit_test(out_of_range_is_invalid_and_says_the_range),
        cmocka_unit_test(an_empty_table_takes_nothing),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
