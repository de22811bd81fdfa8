/* A bundle as JSON; see the header. */
#include "codec/bundlejson.h"

#include "codec/safetensors.h"

static void write_data(const zo_array *a, zo_json *w)
{
    const size_t n = a->bytes / zo_dtype_bytes(a->dtype);

    zo_json_begin_array(w);
    for (size_t i = 0; i < n && !zo_json_failed(w); i++)
        switch (a->dtype) {
        case ZO_F64:
            zo_json_double(w, ((const double *)a->data)[i]);
            break;
        case ZO_F32:
            zo_json_double(w, (double)((const float *)a->data)[i]);
            break;
        case ZO_I64:
            zo_json_i64(w, ((const int64_t *)a->data)[i]);
            break;
        case ZO_I32:
            zo_json_i64(w, ((const int32_t *)a->data)[i]);
            break;
        case ZO_U64:
            zo_json_u64(w, ((const uint64_t *)a->data)[i]);
            break;
        case ZO_U8:
            zo_json_u64(w, ((const uint8_t *)a->data)[i]);
            break;
        }
    zo_json_end_array(w);
}

void zo_bundle_json(const zo_bundle *b, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key(w, "arrays");
    zo_json_begin_object(w);
    for (size_t i = 0; i < b->n_arrays; i++) {
        const zo_array *a = &b->arrays[i];
        zo_json_key(w, a->name);
        zo_json_begin_object(w);
        zo_json_key_string(w, "dtype", zo_dtype_name(a->dtype));
        zo_json_key(w, "shape");
        zo_json_begin_array(w);
        for (size_t k = 0; k < a->n_dims; k++)
            zo_json_u64(w, a->dims[k]);
        zo_json_end_array(w);
        zo_json_key(w, "data");
        write_data(a, w);
        zo_json_end_object(w);
    }
    zo_json_end_object(w);
    zo_json_key(w, "meta");
    zo_json_begin_object(w);
    for (size_t i = 0; i < b->n_meta; i++)
        zo_json_key_string(w, b->meta[i].key, b->meta[i].value);
    zo_json_end_object(w);
    zo_json_end_object(w);
}
