/* Any bytes as a body: the pre-scan may not be fooled about depth and tokens by what the parser then accepts, and what
 * was parsed is written by our writer as the same document. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "codec/jsonread.h"
#include "codec/jsonwrite.h"

static void write_value(zo_json *w, const json_t *v, unsigned depth, size_t *n_values)
{
    const char *key;
    json_t *child;
    size_t i;

    ++*n_values;
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        ZO_ASSERT(depth < 8);
        zo_json_begin_object(w);
        json_object_foreach ((json_t *)(uintptr_t)v, key, child) {
            ++*n_values;
            zo_json_key(w, key);
            write_value(w, child, depth + 1, n_values);
        }
        zo_json_end_object(w);
        break;
    case JSON_ARRAY:
        ZO_ASSERT(depth < 8);
        zo_json_begin_array(w);
        json_array_foreach (v, i, child)
            write_value(w, child, depth + 1, n_values);
        zo_json_end_array(w);
        break;
    case JSON_STRING:
        zo_json_string_n(w, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        zo_json_i64(w, json_integer_value(v));
        break;
    case JSON_REAL:
        zo_json_double(w, json_real_value(v));
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        zo_json_bool(w, json_is_true(v));
        break;
    case JSON_NULL:
        zo_json_null(w);
        break;
    }
}

/* json_equal, but 1 equals 1.0: the writer prints whole numbers without a fraction. */
static bool same(const json_t *a, const json_t *b)
{
    const char *key;
    json_t *child;

    if (json_is_number(a) && json_is_number(b))
        return json_number_value(a) == json_number_value(b);
    if (json_typeof(a) != json_typeof(b))
        return false;
    if (json_is_array(a)) {
        bool ok = json_array_size(a) == json_array_size(b);
        for (size_t i = 0; ok && i < json_array_size(a); i++)
            ok = same(json_array_get(a, i), json_array_get(b, i));
        return ok;
    }
    if (json_is_object(a)) {
        bool ok = json_object_size(a) == json_object_size(b);
        json_object_foreach ((json_t *)(uintptr_t)a, key, child)
            ok = ok && json_object_get(b, key) && same(child, json_object_get(b, key));
        return ok;
    }
    return json_equal(a, b);
}

static void read_values(const json_t *doc)
{
    struct {
        const char *s;
        double d;
        uint64_t u;
        int64_t ms, at;
        const json_t *any;
    } t;
    static const zo_field fields[] = {
        {"s", ZO_F_STRING, offsetof(__typeof__(t), s), false, 0, 8},
        {"d", ZO_F_F64, offsetof(__typeof__(t), d), false, -1, 1},
        {"u", ZO_F_U64, offsetof(__typeof__(t), u), false, 0, 0},
        {"l", ZO_F_DURATION_MS, offsetof(__typeof__(t), ms), false, 0, 0},
        {"t", ZO_F_TIME_MS, offsetof(__typeof__(t), at), false, 0, 0},
        {"a", ZO_F_ANY, offsetof(__typeof__(t), any), false, 0, 0},
    };
    zo_arena *arena = zo_arena_new(1 << 20);
    zo_error err = {0};
    zo_scalar s;
    const char *key;
    json_t *v;

    ZO_ASSERT(arena != NULL);
    if (zo_json_read(doc, fields, ZO_LEN(fields), &t, NULL, &err) != ZO_OK)
        ZO_ASSERT(err.pointer[0] == '/' || !json_is_object(doc));
    json_object_foreach ((json_t *)(uintptr_t)doc, key, v)
        if (zo_json_scalar(v, arena, &s, &err) == ZO_OK) {
            zo_json w;
            zo_json_init(&w);
            zo_json_scalar_write(&w, &s);
            char *text = zo_json_take(&w, NULL);
            json_t *back = json_loads(text, JSON_DECODE_ANY, NULL);
            ZO_ASSERT(back != NULL && same(v, back));
            json_decref(back);
            zo_free(text);
        }
    zo_arena_free(arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    static const zo_json_limits limits = {.depth = 8, .tokens = 64};
    json_t *doc, *back;
    size_t bytes, n_values = 0;
    zo_error err = {0};
    zo_json w;

    if (zo_json_parse((const char *)data, n, &limits, &doc, &err) != ZO_OK) {
        ZO_ASSERT(err.code == ZO_EMALFORMED || err.code == ZO_ETOOLARGE);
        return 0;
    }
    zo_json_init(&w);
    write_value(&w, doc, 0, &n_values);
    ZO_ASSERT(n_values <= limits.tokens);
    char *text = zo_json_take(&w, &bytes);
    ZO_ASSERT(zo_json_parse(text, bytes, &limits, &back, &err) == ZO_OK);
    ZO_ASSERT(same(doc, back));
    read_values(doc);
    json_decref(back);
    json_decref(doc);
    zo_free(text);
    return 0;
}
