/* The query string: name=value pairs, percent-decoded in place, '+' as a space as forms send it. */
#include "http/internal.h"

#include <string.h>

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* False on a broken escape, and on an encoded NUL, which would cut the text. */
static bool decode(char *s)
{
    char *to = s;

    for (const char *p = s; *p; p++) {
        if (*p != '%') {
            *to++ = *p == '+' ? ' ' : *p;
            continue;
        }
        const int high = hex_digit(p[1]), low = high < 0 ? -1 : hex_digit(p[2]);
        if (low < 0 || high + low == 0)
            return false;
        *to++ = (char)(high << 4 | low);
        p += 2;
    }
    *to = '\0';
    return true;
}

zo_status http_query_parse(char *text, zo_arena *arena, struct http_pair **out, size_t *n_out, zo_error *err)
{
    struct http_pair *pairs = zo_arena_array(arena, HTTP_QUERY_MAX, sizeof *pairs);
    size_t n = 0;

    if (!pairs)
        return zo_fail_nomem(err);
    for (char *p = text; p;) {
        char *name = p, *value;
        if ((p = strchr(p, '&')))
            *p++ = '\0';
        if (*name == '\0')
            continue; /* "a=1&&b=2" */
        if ((value = strchr(name, '=')))
            *value++ = '\0';
        if (!decode(name) || (value && !decode(value)))
            return zo_fail(err, ZO_EMALFORMED, "", "the query has a broken percent escape");
        if (n == HTTP_QUERY_MAX)
            return zo_fail(err, ZO_EMALFORMED, "", "the query has more than %d parameters", HTTP_QUERY_MAX);
        pairs[n].name = name;
        pairs[n++].value = value ? value : "";
    }
    *out = pairs;
    *n_out = n;
    return ZO_OK;
}
