/* JSON writer: see the header. Strings are scanned once; runs that need no escape are copied whole. */
#include "codec/jsonwrite.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void zo_json_init(zo_json *w)
{
    *w = (zo_json){0};
}

void zo_json_fini(zo_json *w)
{
    if (!w)
        return;
    zo_free(w->text);
    *w = (zo_json){0};
}

bool zo_json_failed(const zo_json *w)
{
    return w->failed;
}

void zo_json_reset(zo_json *w)
{
    w->len = 0;
    w->comma = w->failed = false;
}

/* Room for n more bytes and a terminator, or NULL. */
static char *reserve(zo_json *w, size_t n)
{
    size_t cap = w->cap ? w->cap : 256;
    char *text;

    if (w->failed)
        return NULL;
    if (w->cap - w->len > n)
        return w->text + w->len;
    while (cap - w->len <= n) {
        if (cap > SIZE_MAX / 4) {
            w->failed = true;
            return NULL;
        }
        cap *= 2;
    }
    if (!(text = zo_realloc(w->text, cap))) {
        w->failed = true;
        return NULL;
    }
    w->text = text;
    w->cap = cap;
    return text + w->len;
}

static void append(zo_json *w, const char *text, size_t n)
{
    char *to = reserve(w, n);

    if (!to || n == 0)
        return;
    memcpy(to, text, n);
    w->len += n;
}

/* A new line of JSON lines starts afresh. */
void zo_json_text(zo_json *w, const char *text, size_t n)
{
    append(w, text, n);
    w->comma = false;
}

void zo_json_textf(zo_json *w, const char *fmt, ...)
{
    va_list ap;
    char small[256], *to;

    va_start(ap, fmt);
    const int n = vsnprintf(small, sizeof small, fmt, ap);
    va_end(ap);
    if (n < 0) {
        w->failed = true;
    } else if ((size_t)n < sizeof small) {
        zo_json_text(w, small, (size_t)n);
    } else if ((to = reserve(w, (size_t)n + 1))) {
        va_start(ap, fmt);
        vsnprintf(to, (size_t)n + 1, fmt, ap);
        va_end(ap);
        w->len += (size_t)n;
        w->comma = false;
    }
}

char *zo_json_take(zo_json *w, size_t *bytes_out)
{
    char *text = reserve(w, 0);

    if (!text) {
        zo_json_fini(w);
        return NULL;
    }
    *text = '\0';
    text = w->text;
    if (bytes_out)
        *bytes_out = w->len;
    *w = (zo_json){0};
    return text;
}

static void put(zo_json *w, char c)
{
    char *to = reserve(w, 1);

    if (!to)
        return;
    *to = c;
    w->len++;
}

/* Before a value. */
static void separate(zo_json *w)
{
    if (w->comma)
        put(w, ',');
    w->comma = true;
}

void zo_json_begin_object(zo_json *w)
{
    separate(w);
    put(w, '{');
    w->comma = false;
}

void zo_json_end_object(zo_json *w)
{
    put(w, '}');
    w->comma = true;
}

void zo_json_begin_array(zo_json *w)
{
    separate(w);
    put(w, '[');
    w->comma = false;
}

void zo_json_end_array(zo_json *w)
{
    put(w, ']');
    w->comma = true;
}

/* Length of the well-formed UTF-8 sequence at s[0..n), 0 if there is none (Unicode 15, table 3-7). */
static size_t utf8_length(const unsigned char *s, size_t n)
{
    const unsigned char c = s[0];
    unsigned char low = 0x80, high = 0xBF;
    size_t want;

    if (c < 0x80)
        return 1;
    if (c < 0xC2 || c > 0xF4)
        return 0;
    want = c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    if (c == 0xE0)
        low = 0xA0;
    else if (c == 0xED)
        high = 0x9F;
    else if (c == 0xF0)
        low = 0x90;
    else if (c == 0xF4)
        high = 0x8F;
    if (n < want || s[1] < low || s[1] > high)
        return 0;
    for (size_t i = 2; i < want; i++)
        if ((s[i] & 0xC0) != 0x80)
            return 0;
    return want;
}

static void put_escape(zo_json *w, unsigned char c)
{
    static const char hex[] = "0123456789abcdef";
    char text[6] = {'\\', 'u', '0', '0', hex[c >> 4], hex[c & 15]};
    size_t n = 2;

    switch (c) {
    case '"':
    case '\\':
        text[1] = (char)c;
        break;
    case '\n':
        text[1] = 'n';
        break;
    case '\r':
        text[1] = 'r';
        break;
    case '\t':
        text[1] = 't';
        break;
    case '\b':
        text[1] = 'b';
        break;
    case '\f':
        text[1] = 'f';
        break;
    default:
        n = 6;
    }
    append(w, text, n);
}

static void put_quoted(zo_json *w, const char *s, size_t n)
{
    const unsigned char *u = (const unsigned char *)s;
    size_t run = 0, i = 0;

    put(w, '"');
    while (i < n) {
        const unsigned char c = u[i];
        const bool plain = c >= 0x20 && c < 0x7F && c != '"' && c != '\\';
        const size_t len = plain || c == 0x7F ? 1 : c < 0x80 ? 0 : utf8_length(u + i, n - i);
        if (len) {
            i += len;
            continue;
        }
        append(w, s + run, i - run);
        if (c < 0x80)
            put_escape(w, c);
        else
            append(w, "\xEF\xBF\xBD", 3);
        run = ++i;
    }
    append(w, s + run, n - run);
    put(w, '"');
}

void zo_json_key(zo_json *w, const char *key)
{
    separate(w);
    put_quoted(w, key, strlen(key));
    put(w, ':');
    w->comma = false;
}

void zo_json_string_n(zo_json *w, const char *s, size_t n)
{
    separate(w);
    put_quoted(w, s, n);
}

void zo_json_string(zo_json *w, const char *s)
{
    if (s)
        zo_json_string_n(w, s, strlen(s));
    else
        zo_json_null(w);
}

void zo_json_raw(zo_json *w, const char *text, size_t n)
{
    separate(w);
    append(w, text, n);
}

void zo_json_u64(zo_json *w, uint64_t v)
{
    char text[20];

    zo_json_raw(w, text, zo_u64_print(v, text));
}

void zo_json_i64(zo_json *w, int64_t v)
{
    char text[21] = "-";

    if (v >= 0)
        zo_json_u64(w, (uint64_t)v);
    else
        zo_json_raw(w, text, 1 + zo_u64_print(-(uint64_t)v, text + 1));
}

void zo_json_bool(zo_json *w, bool v)
{
    zo_json_raw(w, v ? "true" : "false", v ? 4 : 5);
}

void zo_json_null(zo_json *w)
{
    zo_json_raw(w, "null", 4);
}

void zo_json_double(zo_json *w, double v)
{
    if (!isfinite(v)) {
        zo_json_null(w);
        return;
    }
    separate(w);
    char *to = reserve(w, ZO_DOUBLE_CHARS);
    if (to)
        w->len += zo_double_print(v, to);
}

/* Days since 1970-01-01 to a date of the Gregorian calendar, years counted from 1 March so that the leap day comes last. */
static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    days += 719468; /* from 0000-03-01 */
    const int64_t era = (days >= 0 ? days : days - 146096) / 146097, of_era = days - era * 146097;
    const int64_t year_of_era = (of_era - of_era / 1460 + of_era / 36524 - of_era / 146096) / 365;
    const int64_t of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100), m = (5 * of_year + 2) / 153;

    *day = (int)(of_year - (153 * m + 2) / 5 + 1);
    *month = (int)(m < 10 ? m + 3 : m - 9);
    *year = (int)(year_of_era + era * 400 + (*month <= 2));
}

static char *print_digits(char *to, int v, int n)
{
    for (int i = n; i-- > 0; v /= 10)
        to[i] = (char)('0' + v % 10);
    return to + n;
}

/* Every trial has two or three times: digit by digit takes a tenth of what snprintf does. */
size_t zo_time_print(int64_t wall_ms, char text[ZO_TIME_CHARS])
{
    const int64_t first = INT64_C(-62167219200000), last = INT64_C(253402300799999), day_ms = 86400000;
    int year, month, day;
    char *to = text;

    wall_ms = wall_ms < first ? first : wall_ms > last ? last : wall_ms;
    int64_t days = wall_ms / day_ms, rest = wall_ms % day_ms;
    if (rest < 0) {
        rest += day_ms;
        days--;
    }
    civil_from_days(days, &year, &month, &day);
    const int of_day = (int)rest;
    to = print_digits(to, year, 4);
    *to++ = '-';
    to = print_digits(to, month, 2);
    *to++ = '-';
    to = print_digits(to, day, 2);
    *to++ = 'T';
    to = print_digits(to, of_day / 3600000, 2);
    *to++ = ':';
    to = print_digits(to, of_day / 60000 % 60, 2);
    *to++ = ':';
    to = print_digits(to, of_day / 1000 % 60, 2);
    *to++ = '.';
    to = print_digits(to, of_day % 1000, 3);
    *to++ = 'Z';
    return (size_t)(to - text);
}

void zo_json_time(zo_json *w, int64_t wall_ms)
{
    char text[ZO_TIME_CHARS];

    zo_json_string_n(w, text, zo_time_print(wall_ms, text));
}

void zo_json_duration(zo_json *w, int64_t ms)
{
    static const struct {
        int64_t ms;
        const char *unit;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    char text[32];
    size_t i = 0;

    while (units[i].ms > 1 && ms % units[i].ms != 0)
        i++;
    if (ms == 0)
        i = 3;
    zo_json_string_n(w, text, (size_t)snprintf(text, sizeof text, "%" PRId64 "%s", ms / units[i].ms, units[i].unit));
}

void zo_json_scalar_write(zo_json *w, const zo_scalar *s)
{
    switch (s->kind) {
    case ZO_NULL:
        zo_json_null(w);
        break;
    case ZO_NUMBER:
        zo_json_double(w, s->number); /* whole numbers come out as integers by themselves */
        break;
    case ZO_STRING:
        zo_json_string(w, s->string);
        break;
    case ZO_BOOLEAN:
        zo_json_bool(w, s->boolean);
        break;
    case ZO_NUMBERS:
        zo_json_begin_array(w);
        for (size_t i = 0; i < s->n_numbers; i++)
            zo_json_double(w, s->numbers[i]);
        zo_json_end_array(w);
        break;
    }
}

void zo_json_key_string(zo_json *w, const char *key, const char *s)
{
    zo_json_key(w, key);
    zo_json_string(w, s);
}

void zo_json_key_u64(zo_json *w, const char *key, uint64_t v)
{
    zo_json_key(w, key);
    zo_json_u64(w, v);
}

void zo_json_key_i64(zo_json *w, const char *key, int64_t v)
{
    zo_json_key(w, key);
    zo_json_i64(w, v);
}

void zo_json_key_bool(zo_json *w, const char *key, bool v)
{
    zo_json_key(w, key);
    zo_json_bool(w, v);
}

void zo_json_key_double(zo_json *w, const char *key, double v)
{
    zo_json_key(w, key);
    zo_json_double(w, v);
}

void zo_json_key_time(zo_json *w, const char *key, int64_t wall_ms)
{
    zo_json_key(w, key);
    zo_json_time(w, wall_ms);
}

void zo_json_key_null(zo_json *w, const char *key)
{
    zo_json_key(w, key);
    zo_json_null(w);
}
