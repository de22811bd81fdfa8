/* safetensors; see the header. Nothing of a read file is believed: the header's length, every dtype, the product of
 * every shape and its agreement with the offsets are checked, and the arrays must tile the data exactly, in any order.
 */
#include "codec/safetensors.h"

#include <stdlib.h>
#include <string.h>

#include "codec/jsonread.h"
#include "codec/jsonwrite.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "array data are copied as they are: little-endian");

static const char *const dtype_names[] = {
    [ZO_F64] = "F64", [ZO_F32] = "F32", [ZO_I64] = "I64", [ZO_I32] = "I32", [ZO_U64] = "U64", [ZO_U8] = "U8",
};

const char *zo_dtype_name(zo_dtype t)
{
    ZO_ASSERT((size_t)t < ZO_LEN(dtype_names));
    return dtype_names[t];
}

/* One entry of the header, checked on its own. */
struct entry {
    const char *name;
    zo_dtype dtype;
    size_t n_dims, dims[4], begin, end;
};

static int by_begin(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;

    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    if (x->end != y->end)
        return x->end < y->end ? -1 : 1; /* empty arrays first, so that neighbours touch */
    return strcmp(x->name, y->name);     /* empty ones at the same place */
}

static zo_status read_size(const json_t *v, size_t *out, zo_error *err)
{
    uint64_t k;
    const zo_status rc = json_is_integer(v) ? zo_json_get_u64(v, &k, err) : ZO_EMALFORMED;

    if (rc != ZO_OK)
        return zo_fail(err, ZO_EMALFORMED, "", "must be an integer from 0 to 2^53");
    *out = (size_t)k;
    return ZO_OK;
}

static zo_status read_dtype(const char *name, zo_dtype *out, zo_error *err)
{
    for (size_t i = 0; i < ZO_LEN(dtype_names); i++)
        if (strcmp(name, dtype_names[i]) == 0) {
            *out = (zo_dtype)i;
            return ZO_OK;
        }
    return zo_fail(err, ZO_EUNSUPPORTED, "/dtype", "dtype must be one of F64, F32, I64, I32, U64, U8");
}

static zo_status read_entry(const json_t *v, struct entry *e, size_t data_bytes, zo_error *err)
{
    struct {
        const char *dtype;
        const json_t *shape, *offsets;
    } f;
    static const zo_field fields[] = {
        {"dtype", ZO_F_STRING, offsetof(__typeof__(f), dtype), true, 0, 0},
        {"shape", ZO_F_ARRAY, offsetof(__typeof__(f), shape), true, 0, 0},
        {"data_offsets", ZO_F_ARRAY, offsetof(__typeof__(f), offsets), true, 2, 2},
    };
    zo_status rc;

    if ((rc = zo_json_read(v, fields, ZO_LEN(fields), &f, NULL, err)) != ZO_OK)
        return zo_fail(err, ZO_EMALFORMED, err->pointer, "%s",
                       err->message); /* two offsets are the format, not a range */
    if ((rc = read_dtype(f.dtype, &e->dtype, err)) != ZO_OK)
        return rc;
    e->n_dims = json_array_size(f.shape);
    if (e->n_dims > ZO_LEN(e->dims))
        return zo_fail(err, ZO_EUNSUPPORTED, "/shape", "at most %zu dimensions are kept", ZO_LEN(e->dims));
    size_t bytes = zo_dtype_bytes(e->dtype);
    for (size_t i = 0; i < e->n_dims; i++) {
        if (read_size(json_array_get(f.shape, i), &e->dims[i], err) != ZO_OK)
            return zo_fail_at(err, "/shape/%zu", i);
        if (__builtin_mul_overflow(bytes, e->dims[i], &bytes))
            return zo_fail(err, ZO_EMALFORMED, "/shape", "the product of the shape is too large");
    }
    if (read_size(json_array_get(f.offsets, 0), &e->begin, err) != ZO_OK)
        return zo_fail_at(err, "/data_offsets/0");
    if (read_size(json_array_get(f.offsets, 1), &e->end, err) != ZO_OK)
        return zo_fail_at(err, "/data_offsets/1");
    if (e->begin > e->end || e->end > data_bytes)
        return zo_fail(err, ZO_EMALFORMED, "/data_offsets", "offsets %zu to %zu do not lie in the %zu bytes of data",
                       e->begin, e->end, data_bytes);
    if (e->end - e->begin != bytes)
        return zo_fail(err, ZO_EMALFORMED, "/data_offsets", "shape and dtype need %zu bytes, the offsets span %zu",
                       bytes, e->end - e->begin);
    return ZO_OK;
}

/* Lists the header's __metadata__; its strings stay where they are. */
static zo_status read_metadata(json_t *v, zo_tensors *t, zo_error *err)
{
    const char *key;
    json_t *value;

    if (!json_is_object(v))
        return zo_fail(err, ZO_EMALFORMED, "/__metadata__", "must be an object of strings");
    if (json_object_size(v) > ZO_SAFETENSORS_MAX_ARRAYS)
        return zo_fail(err, ZO_ETOOLARGE, "/__metadata__", "more than %d entries", ZO_SAFETENSORS_MAX_ARRAYS);
    if (!(t->meta = zo_calloc(json_object_size(v) + 1, sizeof *t->meta)))
        return zo_fail_nomem(err);
    json_object_foreach (v, key, value) {
        if (!json_is_string(value))
            return zo_fail(err, ZO_EMALFORMED, "/__metadata__", "must be an object of strings");
        t->meta[t->n_meta++] = (zo_tensor_text){key, json_string_value(value)};
    }
    return ZO_OK;
}

/* The entries must tile [0, data_bytes) when sorted; each is then an array at its place. */
static zo_status place_arrays(struct entry *e, size_t n, const char *data, size_t data_bytes, zo_tensors *t,
                              zo_error *err)
{
    size_t at = 0;

    if (n)
        qsort(e, n, sizeof *e, by_begin);
    for (size_t i = 0; i < n; i++) {
        if (e[i].begin != at) {
            char pointer[sizeof err->pointer] = "";
            zo_pointer_append(pointer, sizeof pointer, e[i].name);
            return zo_fail(err, ZO_EMALFORMED, pointer,
                           "arrays must neither overlap nor leave holes: %zu expected, %zu found", at, e[i].begin);
        }
        zo_tensor *a = &t->arrays[t->n_arrays++];
        *a = (zo_tensor){
            .name = e[i].name, .dtype = e[i].dtype, .n_dims = e[i].n_dims, .data = data + at, .bytes = e[i].end - at};
        memcpy(a->dims, e[i].dims, sizeof a->dims);
        at = e[i].end;
    }
    if (at != data_bytes)
        return zo_fail(err, ZO_EMALFORMED, "", "%zu bytes of data belong to no array", data_bytes - at);
    return ZO_OK;
}

/* Every member of the header on its own, then the arrays together. */
static zo_status read_header(json_t *header, const char *data, size_t data_bytes, zo_tensors *t, zo_error *err)
{
    struct entry *entries = zo_calloc(json_object_size(header) + 1, sizeof *entries);
    const char *key;
    json_t *v;
    size_t n = 0;
    zo_status rc = ZO_OK;

    t->arrays = zo_calloc(json_object_size(header) + 1, sizeof *t->arrays);
    if (!entries || !t->arrays)
        rc = zo_fail_nomem(err);
    json_object_foreach (header, key, v) {
        if (rc != ZO_OK)
            break;
        if (strcmp(key, "__metadata__") == 0) {
            rc = read_metadata(v, t, err);
        } else {
            entries[n].name = key;
            if ((rc = read_entry(v, &entries[n++], data_bytes, err)) != ZO_OK) {
                char token[sizeof err->pointer] = "";
                zo_pointer_append(token, sizeof token, key);
                zo_fail_at(err, "%s", token);
            }
        }
    }
    if (rc == ZO_OK)
        rc = place_arrays(entries, n, data, data_bytes, t, err);
    zo_free(entries);
    return rc;
}

zo_status zo_safetensors_view(const void *bytes, size_t n, zo_tensors *out, zo_error *err)
{
    static const zo_json_limits limits = {.depth = 4, .tokens = 50 * ZO_SAFETENSORS_MAX_ARRAYS};
    const char *file = bytes;
    json_t *header = NULL;
    uint64_t header_bytes;
    zo_error own;
    zo_status rc;

    if (!err)
        err = &own; /* pointers are prefixed on the way, which needs the error */
    if (n < 8)
        return zo_fail(err, ZO_EMALFORMED, "", "too short for a safetensors file");
    memcpy(&header_bytes, file, 8);
    if (header_bytes > n - 8)
        return zo_fail(err, ZO_EMALFORMED, "", "the safetensors header is longer than the file");
    if (header_bytes > ZO_SAFETENSORS_MAX_HEADER)
        return zo_fail(err, ZO_ETOOLARGE, "", "the safetensors header is longer than %d bytes",
                       ZO_SAFETENSORS_MAX_HEADER);
    if (header_bytes == 0 || file[8] != '{')
        return zo_fail(err, ZO_EMALFORMED, "", "the safetensors header must begin with '{'");
    if ((rc = zo_json_parse(file + 8, (size_t)header_bytes, &limits, &header, err)) != ZO_OK)
        return rc;
    zo_tensors t = {.header = header};
    rc = json_object_size(header) > ZO_SAFETENSORS_MAX_ARRAYS
             ? zo_fail(err, ZO_ETOOLARGE, "", "more than %d arrays", ZO_SAFETENSORS_MAX_ARRAYS)
             : read_header(header, file + 8 + header_bytes, n - 8 - (size_t)header_bytes, &t, err);
    if (rc == ZO_OK)
        *out = t;
    else
        zo_tensors_fini(&t);
    return rc;
}

void zo_tensors_fini(zo_tensors *t)
{
    if (!t)
        return;
    zo_free(t->arrays);
    zo_free(t->meta);
    json_decref(t->header);
    *t = (zo_tensors){0};
}

const zo_tensor *zo_tensors_get(const zo_tensors *t, const char *name)
{
    for (size_t i = 0; i < t->n_arrays; i++)
        if (strcmp(t->arrays[i].name, name) == 0)
            return &t->arrays[i];
    return NULL;
}

const char *zo_tensors_meta(const zo_tensors *t, const char *key)
{
    for (size_t i = 0; i < t->n_meta; i++)
        if (strcmp(t->meta[i].key, key) == 0)
            return t->meta[i].value;
    return NULL;
}

static zo_status copy_view(const zo_tensors *t, zo_bundle *b, zo_error *err)
{
    void *to;
    zo_status rc;

    for (size_t i = 0; i < t->n_meta; i++)
        if ((rc = zo_bundle_set_meta(b, t->meta[i].key, t->meta[i].value, err)) != ZO_OK)
            return rc;
    for (size_t i = 0; i < t->n_arrays; i++) {
        const zo_tensor *a = &t->arrays[i];
        if ((rc = zo_bundle_add(b, a->name, a->dtype, a->n_dims, a->dims, &to, err)) != ZO_OK)
            return rc;
        if (a->bytes)
            memcpy(to, a->data, a->bytes);
    }
    return ZO_OK;
}

zo_status zo_safetensors_read(const void *bytes, size_t n, zo_bundle *out, zo_error *err)
{
    zo_tensors t;
    zo_bundle b;
    zo_status rc = zo_safetensors_view(bytes, n, &t, err);

    if (rc != ZO_OK)
        return rc;
    zo_bundle_init(&b);
    if ((rc = copy_view(&t, &b, err)) == ZO_OK)
        *out = b;
    else
        zo_bundle_fini(&b);
    zo_tensors_fini(&t);
    return rc;
}

static void write_header(const zo_bundle *b, const size_t *order, zo_json *w)
{
    size_t at = 0;

    zo_json_begin_object(w);
    if (b->n_meta) {
        zo_json_key(w, "__metadata__");
        zo_json_begin_object(w);
        for (size_t i = 0; i < b->n_meta; i++)
            zo_json_key_string(w, b->meta[i].key, b->meta[i].value);
        zo_json_end_object(w);
    }
    for (size_t i = 0; i < b->n_arrays; i++) {
        const zo_array *a = &b->arrays[order[i]];
        zo_json_key(w, a->name);
        zo_json_begin_object(w);
        zo_json_key_string(w, "dtype", zo_dtype_name(a->dtype));
        zo_json_key(w, "shape");
        zo_json_begin_array(w);
        for (size_t k = 0; k < a->n_dims; k++)
            zo_json_u64(w, a->dims[k]);
        zo_json_end_array(w);
        zo_json_key(w, "data_offsets");
        zo_json_begin_array(w);
        zo_json_u64(w, at);
        zo_json_u64(w, at += a->bytes);
        zo_json_end_array(w);
        zo_json_end_object(w);
    }
    zo_json_end_object(w);
}

zo_status zo_safetensors_plan(const zo_bundle *b, zo_tensors_plan *out, zo_error *err)
{
    zo_tensors_plan p = {0};
    size_t n_ordered = 0;
    zo_json w;

    if (zo_bundle_get(b, "__metadata__"))
        return zo_fail(err, ZO_EINVAL, "", "no array can be named __metadata__");
    if (!(p.order = zo_malloc((b->n_arrays + 1) * sizeof *p.order)))
        return zo_fail_nomem(err);
    for (size_t width = 8; width;
         width /= 2) /* widest first, else the bundle's order: every array is naturally aligned */
        for (size_t i = 0; i < b->n_arrays; i++)
            if (zo_dtype_bytes(b->arrays[i].dtype) == width)
                p.order[n_ordered++] = i;
    ZO_ASSERT(n_ordered == b->n_arrays);
    zo_json_init(&w);
    zo_json_text(&w, "????????", 8);
    write_header(b, p.order, &w);
    zo_json_text(&w, "       ", (8 - w.len % 8) % 8);
    if (!(p.header = zo_json_take(&w, &p.header_bytes))) {
        zo_tensors_plan_fini(&p);
        return zo_fail_nomem(err);
    }
    const uint64_t length = p.header_bytes - 8;
    memcpy(p.header, &length, sizeof length);
    p.bytes = p.header_bytes;
    for (size_t i = 0; i < b->n_arrays; i++)
        p.bytes += b->arrays[i].bytes;
    *out = p;
    return ZO_OK;
}

void zo_safetensors_fill(const zo_bundle *b, const zo_tensors_plan *p, void *out)
{
    char *to = out;

    memcpy(to, p->header, p->header_bytes);
    to += p->header_bytes;
    for (size_t i = 0; i < b->n_arrays; i++) {
        const zo_array *a = &b->arrays[p->order[i]];

        if (a->bytes)
            memcpy(to, a->data, a->bytes);
        to += a->bytes;
    }
}

void zo_tensors_plan_fini(zo_tensors_plan *p)
{
    zo_free(p->order);
    zo_free(p->header);
    *p = (zo_tensors_plan){0};
}

zo_status zo_safetensors_write(const zo_bundle *b, char **bytes_out, size_t *n_out, zo_error *err)
{
    zo_tensors_plan p;
    char *bytes;
    zo_status rc = zo_safetensors_plan(b, &p, err);

    if (rc != ZO_OK)
        return rc;
    if ((bytes = zo_malloc(p.bytes))) {
        zo_safetensors_fill(b, &p, bytes);
        *bytes_out = bytes;
        *n_out = p.bytes;
    } else {
        rc = zo_fail_nomem(err);
    }
    zo_tensors_plan_fini(&p);
    return rc;
}
