/* See params.h. jansson's own dump is not used: it prints 0.1 as 0.10000000000000001. */
#include "codec/params.h"

#include "codec/jsonread.h"

zo_status zo_params_read(const json_t *object, zo_arena *arena, zo_named **out, size_t *n_out, zo_error *err)
{
    zo_named *named;
    const char *key;
    json_t *v;
    size_t n = 0;

    if (!json_is_object(object))
        return zo_fail(err, ZO_EMALFORMED, "", "must be an object of parameters");
    if (!(named = zo_arena_array(arena, json_object_size(object), sizeof *named)))
        return zo_fail_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
        zo_scalar *s = &named[n].value;
        zo_status rc = ZO_OK;

        named[n++].name = key;
        if (json_is_real(v))
            *s = (zo_scalar){.kind = ZO_NUMBER, .number = json_real_value(v)};
        else if (json_is_null(v))
            rc = zo_fail(err, ZO_EMALFORMED, "", "must not be null");
        else
            rc = zo_json_scalar(v, arena, s, err);
        if (rc != ZO_OK) {
            char token[sizeof err->pointer] = "";
            zo_pointer_append(token, sizeof token, key);
            zo_fail_at(err, "%s", token);
            return rc;
        }
    }
    *out = named;
    *n_out = n;
    return ZO_OK;
}

void zo_params_write(const zo_space *s, const double *v, bool vectors, zo_json *w)
{
    const size_t n = zo_space_n_params(s);
    zo_scalar x;

    zo_json_begin_object(w);
    for (size_t i = 0; i < n; i++) {
        if (!zo_space_get(s, v, i, &x) || (!vectors && zo_space_param(s, i)->type == ZO_VECTOR))
            continue;
        zo_json_key(w, zo_space_param(s, i)->name);
        zo_json_scalar_write(w, &x);
    }
    zo_json_end_object(w);
}

void zo_json_value_write(zo_json *w, const json_t *v)
{
    const char *key;
    json_t *child;
    size_t i;

    switch (json_typeof(v)) {
    case JSON_OBJECT:
        zo_json_begin_object(w);
        json_object_foreach ((json_t *)(uintptr_t)v, key, child) {
            zo_json_key(w, key);
            zo_json_value_write(w, child);
        }
        zo_json_end_object(w);
        break;
    case JSON_ARRAY:
        zo_json_begin_array(w);
        json_array_foreach (v, i, child)
            zo_json_value_write(w, child);
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
