/* What the tests of search spaces share: short ways to write values and specs, and a space that must compile. */
#ifndef ZO_TEST_SPACE_FX_H
#define ZO_TEST_SPACE_FX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/space.h"

#define NUM(x)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_NUMBER, .number = (x)                                                                               \
    }
#define STR(s)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_STRING, .string = (s)                                                                               \
    }
#define BOOLEAN(b)                                                                                                     \
    {                                                                                                                  \
        .kind = ZO_BOOLEAN, .boolean = (b)                                                                             \
    }
#define LIST(a) .choices = (a), .n_choices = ZO_LEN(a)
#define WHEN(w) .when = (w), .n_when = ZO_LEN(w)

static inline zo_space *fx_space_linear(const zo_param_spec *params, size_t n, const zo_linear_spec *linear,
                                        size_t n_linear)
{
    const zo_space_spec spec = {params, n, linear, n_linear};
    zo_space *s = NULL;
    zo_error err = {0};

    if (zo_space_new(&spec, &s, &err) != ZO_OK)
        fail_msg("refused: %s at %s", err.message, err.pointer);
    return s;
}

static inline zo_space *fx_space(const zo_param_spec *params, size_t n)
{
    return fx_space_linear(params, n, NULL, 0);
}

/* The space is refused with this code and pointer, and nothing is written. */
static inline void fx_refused_linear(const zo_param_spec *params, size_t n, const zo_linear_spec *linear,
                                     size_t n_linear, const char *pointer)
{
    const zo_space_spec spec = {params, n, linear, n_linear};
    zo_space *s = NULL;
    zo_error err = {0};

    assert_int_equal(zo_space_new(&spec, &s, &err), ZO_EINVAL);
    assert_int_equal(err.code, ZO_EINVAL);
    assert_string_equal(err.pointer, pointer);
    assert_true(err.message[0] != '\0');
    assert_null(s);
    assert_int_equal(zo_space_new(&spec, &s, NULL), ZO_EINVAL); /* an error may be nobody's */
}

static inline void fx_refused(const zo_param_spec *params, size_t n, const char *pointer)
{
    fx_refused_linear(params, n, NULL, 0, pointer);
}

static inline zo_rng fx_rng(uint64_t number)
{
    return zo_rng_make(20240229, ZO_PURPOSE_ASK, number);
}

#endif
