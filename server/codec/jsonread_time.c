/* Durations ("90s", "1.5h") and RFC 3339 times from text. Own parsing: strptime and strtod depend on the locale, and accept more. */
#include "codec/jsonread.h"

#include <math.h>
#include <string.h>

zo_status zo_duration_parse(const char *text, int64_t *ms_out, zo_error *err)
{
    static const struct {
        const char *unit;
        double ms;
    } units[] = {{"ms", 1}, {"s", 1e3}, {"m", 6e4}, {"h", 3.6e6}, {"d", 8.64e7}};
    const char *p = text;
    uint64_t digits = 0, scale = 1;
    int n_digits = 0;

    for (; *p >= '0' && *p <= '9'; p++, n_digits++)
        if (n_digits < 15)
            digits = digits * 10 + (uint64_t)(*p - '0');
    if (n_digits > 0 && n_digits <= 12 && *p == '.' && p[1] >= '0' && p[1] <= '9')
        for (p++; *p >= '0' && *p <= '9'; p++)
            if (scale < 1000) { /* three places are enough for any unit's millisecond users */
                digits = digits * 10 + (uint64_t)(*p - '0');
                scale *= 10;
            }
    for (size_t i = 0; n_digits > 0 && i < ZO_LEN(units); i++)
        if (strcmp(p, units[i].unit) == 0) {
            const double ms = rint((double)digits / (double)scale * units[i].ms);
            if (n_digits > 15 || ms > (double)ZO_JSON_INTEGER_MAX)
                return zo_fail(err, ZO_EINVAL, "", "the duration is too long");
            *ms_out = (int64_t)ms;
            return ZO_OK;
        }
    return zo_fail(err, ZO_EMALFORMED, "", "must be a duration such as \"90s\", \"10m\", \"2h\" or \"7d\", or a number of seconds");
}

zo_status zo_json_get_duration(const json_t *v, int64_t *ms_out, zo_error *err)
{
    if (json_is_string(v))
        return zo_duration_parse(json_string_value(v), ms_out, err);
    if (!json_is_number(v))
        return zo_fail(err, ZO_EMALFORMED, "",
                       "must be a duration such as \"90s\", \"10m\", \"2h\" or \"7d\", or a number of seconds");
    const double ms = rint(json_number_value(v) * 1e3);
    if (!(ms >= 0.0) || ms > (double)ZO_JSON_INTEGER_MAX)
        return zo_fail(err, ZO_EINVAL, "", ms < 0.0 ? "a duration must not be negative" : "the duration is too long");
    *ms_out = (int64_t)ms;
    return ZO_OK;
}

/* n digits as a number into *out; the text after them, or NULL. */
static const char *read_digits(const char *p, int n, int *out)
{
    int v = 0;

    for (int i = 0; p && i < n; i++, p++) {
        if (*p < '0' || *p > '9')
            return NULL;
        v = v * 10 + (*p - '0');
    }
    *out = v;
    return p;
}

static const char *read_char(const char *p, const char *any)
{
    return p && *p && strchr(any, *p) ? p + 1 : NULL;
}

static bool is_leap(int year)
{
    return (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
}

static int days_in_month(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

    return days[month - 1] + (month == 2 && is_leap(year));
}

static int64_t days_from_civil(int year, int month, int day)
{
    const int64_t y = year + 400 - (month <= 2); /* from 1 March; 400 years, which are 146097 days, keep it positive */
    const int64_t of_year = (153 * (int64_t)(month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;

    return 365 * y + y / 4 - y / 100 + y / 400 + of_year - 719468 - 146097;
}

zo_status zo_time_parse(const char *text, int64_t *wall_ms_out, zo_error *err)
{
    int year, month, day, hour, minute, second, ms = 0, off_hour = 0, off_minute = 0, sign = 0;
    const char *p = text;

    p = read_char(read_digits(p, 4, &year), "-");
    p = read_char(read_digits(p, 2, &month), "-");
    p = read_char(read_digits(p, 2, &day), "Tt ");
    p = read_char(read_digits(p, 2, &hour), ":");
    p = read_char(read_digits(p, 2, &minute), ":");
    p = read_digits(p, 2, &second);
    if (p && *p == '.') {
        int places = 0;
        for (p++; *p >= '0' && *p <= '9'; p++, places++)
            if (places < 3)
                ms = ms * 10 + (*p - '0');
        for (int i = places; i < 3; i++)
            ms *= 10;
        if (places == 0)
            p = NULL;
    }
    if (p && (*p == 'Z' || *p == 'z')) {
        p++;
    } else if (p && (*p == '+' || *p == '-')) {
        sign = *p == '+' ? 1 : -1;
        p = read_char(read_digits(p + 1, 2, &off_hour), ":");
        p = read_digits(p, 2, &off_minute);
    } else {
        p = NULL;
    }
    if (!p || *p)
        return zo_fail(err, ZO_EMALFORMED, "", "must be an RFC 3339 time such as \"2026-11-24T15:26:00Z\"");
    if (month < 1 || month > 12 || day < 1 || day > days_in_month(year, month) || hour > 23 || minute > 59 || second > 60 ||
        off_hour > 23 || off_minute > 59)
        return zo_fail(err, ZO_EINVAL, "", "no such date or time of day");
    const int64_t seconds = days_from_civil(year, month, day) * 86400 + hour * 3600 + minute * 60 + (second < 60 ? second : 59);
    *wall_ms_out = (seconds - sign * (off_hour * 3600 + off_minute * 60)) * 1000 + ms;
    return ZO_OK;
}

zo_status zo_json_get_time(const json_t *v, int64_t *wall_ms_out, zo_error *err)
{
    if (!json_is_string(v))
        return zo_fail(err, ZO_EMALFORMED, "", "must be an RFC 3339 time such as \"2026-11-24T15:26:00Z\"");
    return zo_time_parse(json_string_value(v), wall_ms_out, err);
}
