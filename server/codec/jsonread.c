/* JSON reader: bounds, then jansson, then tables; see the header. jansson multiplies memory (77 times for [{},{},...]), so what it
 * may see is counted first. */
#include "codec/jsonread.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* jansson does not always say that it ran out of memory: its lexer drops characters then, which gives a syntax error at best and other
 * data at worst. So its allocations are watched for the length of a parse. */
static _Thread_local bool out_of_memory;

static void *watched_malloc(size_t bytes)
{
    void *p = zo_malloc(bytes);

    out_of_memory |= p == NULL;
    return p;
}

void zo_json_start(void)
{
    json_set_alloc_funcs(watched_malloc, zo_free);
    json_object_seed(0); /* from the system's entropy; on first use otherwise, which would race */
}

/* What is no JSON, and where. */
ZO_PRINTF(3, 4) static zo_status fail_at_position(zo_error *err, size_t position, const char *fmt, ...)
{
    char text[sizeof err->message];
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    const zo_status rc = zo_fail(err, ZO_EMALFORMED, "", "%s", text);
    if (err)
        err->position = position;
    return rc;
}

zo_status zo_json_scan(const char *body, size_t n, const zo_json_limits *limits, zo_error *err)
{
    const unsigned max_depth = limits && limits->depth ? limits->depth : 32;
    const size_t max_tokens = limits && limits->tokens ? limits->tokens : 200000;
    size_t depth = 0, tokens = 1; /* one value, and one more at each comma and colon; containers count even when empty */

    for (size_t i = 0; i < n; i++)
        switch (body[i]) {
        case '"':
            for (i++; i < n && body[i] != '"'; i++)
                if (body[i] == '\\')
                    i++;
            break;
        case '{':
        case '[':
            if (++depth > max_depth)
                return fail_at_position(err, i, "JSON at position %zu is nested deeper than %u", i, max_depth);
            /* fallthrough */
        case ',':
        case ':':
            if (++tokens > max_tokens)
                return zo_fail(err, ZO_ETOOLARGE, "", "JSON has more than %zu keys and values", max_tokens);
            break;
        case '}':
        case ']':
            depth -= depth > 0;
            break;
        default:
            break;
        }
    return ZO_OK;
}

/* What went wrong, without jansson's quotation of the text near it: a body is nobody else's business. */
static const char *parse_reason(enum json_error_code code)
{
    switch (code) {
    case json_error_premature_end_of_input:
        return "it ends too early";
    case json_error_end_of_input_expected:
        return "there is text after its end";
    case json_error_invalid_utf8:
        return "not UTF-8";
    case json_error_null_character:
    case json_error_null_byte_in_key:
        return "a string holds a NUL";
    case json_error_duplicate_key:
        return "a key is given twice";
    case json_error_numeric_overflow:
        return "a number is too large";
    case json_error_stack_overflow:
        return "nested too deep";
    case json_error_unknown:
    case json_error_out_of_memory:
    case json_error_cannot_open_file:
    case json_error_invalid_argument:
    case json_error_invalid_syntax:
    case json_error_invalid_format:
    case json_error_wrong_type:
    case json_error_null_value:
    case json_error_item_not_found:
    case json_error_index_out_of_range:
        break;
    }
    return "unexpected text";
}

zo_status zo_json_parse_any(const char *body, size_t n, const zo_json_limits *limits, json_t **out, zo_error *err)
{
    json_error_t e;
    json_t *doc;
    zo_status rc;

    if (n == 0)
        return zo_fail(err, ZO_EMALFORMED, "", "the body is empty, JSON is expected");
    if ((rc = zo_json_scan(body, n, limits, err)) != ZO_OK)
        return rc;
    out_of_memory = false;
    doc = json_loadb(body, n, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &e);
    if (out_of_memory || (!doc && json_error_code(&e) == json_error_out_of_memory)) {
        json_decref(doc);
        return zo_fail_nomem(err);
    }
    if (!doc)
        return fail_at_position(err, e.position > 0 ? (size_t)e.position : 0,
                                "not valid JSON at line %d, column %d (position %d): %s", e.line, e.column, e.position,
                                parse_reason(json_error_code(&e)));
    *out = doc;
    return ZO_OK;
}

zo_status zo_json_parse(const char *body, size_t n, const zo_json_limits *limits, json_t **out, zo_error *err)
{
    json_t *doc;
    const zo_status rc = zo_json_parse_any(body, n, limits, &doc, err);

    if (rc != ZO_OK)
        return rc;
    if (!json_is_object(doc)) {
        json_decref(doc);
        return zo_fail(err, ZO_EMALFORMED, "", "a JSON object is expected");
    }
    *out = doc;
    return ZO_OK;
}

static zo_status wrong_type(zo_error *err, const char *want)
{
    return zo_fail(err, ZO_EMALFORMED, "", "must be %s", want);
}

zo_status zo_json_get_f64(const json_t *v, double *out, zo_error *err)
{
    if (!json_is_number(v))
        return wrong_type(err, "a number");
    *out = json_number_value(v);
    return ZO_OK;
}

zo_status zo_json_get_i64(const json_t *v, int64_t *out, zo_error *err)
{
    if (json_is_integer(v)) {
        const json_int_t k = json_integer_value(v);
        if (k < -ZO_JSON_INTEGER_MAX || k > ZO_JSON_INTEGER_MAX)
            return zo_fail(err, ZO_EINVAL, "", "an integer's size must not exceed 2^53");
        *out = k;
        return ZO_OK;
    }
    if (!json_is_real(v) || json_real_value(v) != trunc(json_real_value(v)))
        return wrong_type(err, "an integer");
    if (fabs(json_real_value(v)) > (double)ZO_JSON_INTEGER_MAX)
        return zo_fail(err, ZO_EINVAL, "", "an integer's size must not exceed 2^53");
    *out = (int64_t)json_real_value(v);
    return ZO_OK;
}

zo_status zo_json_get_u64(const json_t *v, uint64_t *out, zo_error *err)
{
    int64_t k;
    const zo_status rc = zo_json_get_i64(v, &k, err);

    if (rc != ZO_OK)
        return rc;
    if (k < 0)
        return zo_fail(err, ZO_EINVAL, "", "must not be negative");
    *out = (uint64_t)k;
    return ZO_OK;
}

zo_status zo_json_get_bool(const json_t *v, bool *out, zo_error *err)
{
    if (!json_is_boolean(v))
        return wrong_type(err, "true or false");
    *out = json_is_true(v);
    return ZO_OK;
}

zo_status zo_json_get_string(const json_t *v, const char **out, zo_error *err)
{
    if (!json_is_string(v))
        return wrong_type(err, "a string");
    *out = json_string_value(v);
    return ZO_OK;
}

static zo_status scalar_numbers(const json_t *v, zo_arena *arena, zo_scalar *out, zo_error *err)
{
    const size_t n = json_array_size(v);
    double *x = zo_arena_array(arena, n, sizeof *x);

    if (!x)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const zo_status rc = zo_json_get_f64(json_array_get(v, i), &x[i], err);
        if (rc != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    }
    *out = (zo_scalar){.kind = ZO_NUMBERS, .numbers = x, .n_numbers = n};
    return ZO_OK;
}

zo_status zo_json_scalar(const json_t *v, zo_arena *arena, zo_scalar *out, zo_error *err)
{
    switch (json_typeof(v)) {
    case JSON_NULL:
        *out = (zo_scalar){.kind = ZO_NULL};
        return ZO_OK;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = (zo_scalar){.kind = ZO_BOOLEAN, .boolean = json_is_true(v)};
        return ZO_OK;
    case JSON_REAL:
        *out = (zo_scalar){.kind = ZO_NUMBER, .number = json_real_value(v)};
        return ZO_OK;
    case JSON_INTEGER: {
        int64_t k;
        const zo_status rc = zo_json_get_i64(v, &k, err);
        if (rc == ZO_OK)
            *out = (zo_scalar){.kind = ZO_NUMBER, .integral = true, .number = (double)k};
        return rc;
    }
    case JSON_STRING: {
        const char *s = zo_arena_strdup(arena, json_string_value(v));
        if (!s)
            return zo_fail_nomem(err);
        *out = (zo_scalar){.kind = ZO_STRING, .string = s};
        return ZO_OK;
    }
    case JSON_ARRAY:
        return scalar_numbers(v, arena, out, err);
    case JSON_OBJECT:
        break;
    }
    return wrong_type(err, "a number, string, boolean or array of numbers");
}

static zo_status check_bounds(const zo_field *f, double x, const char *what, zo_error *err)
{
    if ((f->low == 0.0 && f->high == 0.0) || (x >= f->low && x <= f->high))
        return ZO_OK;
    if (x < f->low)
        return zo_fail(err, ZO_EINVAL, "", "%smust be at least %.15g", what, f->low);
    return zo_fail(err, ZO_EINVAL, "", "%smust be at most %.15g", what, f->high);
}

static zo_status read_field(const zo_field *f, const json_t *v, void *to, zo_error *err)
{
    zo_status rc;

    switch (f->type) {
    case ZO_F_STRING:
        if ((rc = zo_json_get_string(v, to, err)) != ZO_OK)
            return rc;
        return check_bounds(f, (double)json_string_length(v), "its length in bytes ", err);
    case ZO_F_F64:
        if ((rc = zo_json_get_f64(v, to, err)) != ZO_OK)
            return rc;
        return check_bounds(f, *(double *)to, "", err);
    case ZO_F_U64:
        if ((rc = zo_json_get_u64(v, to, err)) != ZO_OK)
            return rc;
        return check_bounds(f, (double)*(uint64_t *)to, "", err);
    case ZO_F_BOOL:
        return zo_json_get_bool(v, to, err);
    case ZO_F_DURATION_MS:
        if ((rc = zo_json_get_duration(v, to, err)) != ZO_OK)
            return rc;
        return check_bounds(f, (double)*(int64_t *)to, "in milliseconds, it ", err);
    case ZO_F_TIME_MS:
        return zo_json_get_time(v, to, err);
    case ZO_F_OBJECT:
        if (!json_is_object(v))
            return wrong_type(err, "an object");
        break;
    case ZO_F_ARRAY:
        if (!json_is_array(v))
            return wrong_type(err, "an array");
        if ((rc = check_bounds(f, (double)json_array_size(v), "its length ", err)) != ZO_OK)
            return rc;
        break;
    case ZO_F_ANY:
        break;
    }
    *(const json_t **)to = v;
    return ZO_OK;
}

static zo_status at_name(zo_error *err, zo_status rc, const char *name)
{
    char token[sizeof err->pointer] = "";

    zo_pointer_append(token, sizeof token, name);
    zo_fail_at(err, "%s", token);
    return rc;
}

zo_status zo_json_read(const json_t *obj, const zo_field *fields, size_t n, void *out, uint64_t *seen_out, zo_error *err)
{
    uint64_t seen = 0;
    const char *key;
    json_t *v;
    zo_status rc;

    ZO_ASSERT(n <= 64);
    if (!json_is_object(obj))
        return wrong_type(err, "an object");
    json_object_foreach ((json_t *)(uintptr_t)obj, key, v) {
        size_t i = 0;
        while (i < n && strcmp(fields[i].name, key) != 0)
            i++;
        if (i == n)
            return at_name(err, zo_fail(err, ZO_EMALFORMED, "", "unknown field"), key);
        if ((rc = read_field(&fields[i], v, (char *)out + fields[i].offset, err)) != ZO_OK)
            return at_name(err, rc, key);
        seen |= UINT64_C(1) << i;
    }
    for (size_t i = 0; i < n; i++)
        if (fields[i].required && !(seen >> i & 1))
            return at_name(err, zo_fail(err, ZO_EMALFORMED, "", "this field is missing"), fields[i].name);
    if (seen_out)
        *seen_out = seen;
    return ZO_OK;
}
