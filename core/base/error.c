/* Errors: codes, slugs, and JSON Pointers that grow from the inside out. Messages go to clients inside JSON, so they are kept
 * to one line of whole UTF-8 characters whatever was formatted into them. */
#include "zeroth/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void zo_assert_failed(const char *expr, const char *file, int line)
{
    fprintf(stderr, "zeroth: assertion failed: %s (%s:%d)\n", expr, file, line);
    abort();
}

/* Length of s without a UTF-8 character that truncation cut in two. */
static size_t whole_utf8(const char *s, size_t n)
{
    size_t k = n;

    while (k > 0 && n - k < 3 && ((unsigned char)s[k - 1] & 0xC0) == 0x80)
        k--;
    if (k == 0)
        return n;
    const unsigned char lead = (unsigned char)s[k - 1];
    const size_t want = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : lead >= 0xC0 ? 2 : 1;
    return n - (k - 1) < want ? k - 1 : n;
}

static void set_line(char *to, size_t size, const char *from)
{
    const size_t full = strlen(from), n = full < size ? full : whole_utf8(from, size - 1);

    for (size_t i = 0; i < n; i++)
        to[i] = (unsigned char)from[i] < 0x20 || from[i] == 0x7F ? ' ' : from[i];
    to[n] = '\0';
}

zo_status zo_fail(zo_error *err, zo_status code, const char *pointer, const char *fmt, ...)
{
    char message[sizeof err->message + 4], at[sizeof err->pointer]; /* the arguments may lie inside *err */
    va_list ap;

    if (!err)
        return code;
    va_start(ap, fmt);
    vsnprintf(message, sizeof message, fmt, ap);
    va_end(ap);
    set_line(at, sizeof at, pointer ? pointer : "");
    err->code = code;
    err->position = 0;
    set_line(err->message, sizeof err->message, message);
    memcpy(err->pointer, at, strlen(at) + 1);
    return code;
}

zo_status zo_fail_at(zo_error *err, const char *prefix_fmt, ...)
{
    char joined[2 * sizeof err->pointer];
    va_list ap;
    size_t n;

    if (!err)
        return ZO_EINTERNAL; /* the code went with the error; callers that pass NULL keep the callee's return value */
    va_start(ap, prefix_fmt);
    vsnprintf(joined, sizeof err->pointer, prefix_fmt, ap);
    va_end(ap);
    n = strlen(joined);
    snprintf(joined + n, sizeof joined - n, "%s", err->pointer);
    set_line(err->pointer, sizeof err->pointer, joined);
    return err->code;
}

zo_status zo_fail_nomem(zo_error *err)
{
    return zo_fail(err, ZO_ENOMEM, "", "out of memory");
}

const char *zo_status_slug(zo_status code)
{
    static const char *const slugs[] = {
        [ZO_OK] = "ok",
#define X(name, slug) [ZO_##name] = slug,
        ZO_STATUS_LIST(X)
#undef X
    };

    return (size_t)code < ZO_LEN(slugs) ? slugs[code] : "internal";
}

void zo_pointer_append(char *pointer, size_t size, const char *key)
{
    size_t n = strlen(pointer);

    if (n + 1 >= size)
        return;
    pointer[n++] = '/';
    while (*key) {
        const unsigned char c = (unsigned char)*key;
        char token[5];
        size_t len = 1;

        if (c == '~' || c == '/') {
            memcpy(token, c == '~' ? "~0" : "~1", len = 2);
            key++;
        } else {
            const size_t want = c >= 0xF0 ? 4 : c >= 0xE0 ? 3 : c >= 0xC0 ? 2 : 1;
            token[0] = *key++;
            while (len < want && *key)
                token[len++] = *key++;
        }
        if (n + len >= size)
            break;
        memcpy(pointer + n, token, len);
        n += len;
    }
    pointer[n] = '\0';
}
