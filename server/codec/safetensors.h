/* safetensors: a bundle as bytes. 8-byte little-endian header length, a JSON header of dtype, shape and data_offsets
 * per array and of __metadata__ strings, then the arrays' raw little-endian, row-major data without holes.
 * Source: "Safetensors format", github.com/huggingface/safetensors, README. Any thread. */
#ifndef ZO_CODEC_SAFETENSORS_H
#define ZO_CODEC_SAFETENSORS_H

#include <string.h>

#include "zeroth/bundle.h"

enum { ZO_SAFETENSORS_MAX_HEADER = 1 << 20, ZO_SAFETENSORS_MAX_ARRAYS = 1024 };

/* Hostile-input safe; memory is bounded by about twice n plus 77 times the header. *out is initialised here and must be
 * freed with zo_bundle_fini on success; on failure nothing is left to free. ZO_EMALFORMED: not the format;
 * ZO_EUNSUPPORTED: a dtype or rank we don't keep; ZO_ETOOLARGE: too many arrays or too long a header. The pointer is
 * /{array}/{field} inside the header. */
zo_status zo_safetensors_read(const void *bytes, size_t n, zo_bundle *out, zo_error *err);
/* *bytes_out is zo_malloc'd and the caller's. Arrays are written widest type first (else in the bundle's order), which
 * aligns each. */
zo_status zo_safetensors_write(const zo_bundle *b, char **bytes_out, size_t *n_out, zo_error *err);
/* The same into memory of the caller's: the plan knows how much, for a bundle that stays as it is until the end. */
typedef struct zo_tensors_plan {
    size_t bytes; /* of the file */
    size_t *order, header_bytes;
    char *header; /* with its length before it */
} zo_tensors_plan;
zo_status zo_safetensors_plan(const zo_bundle *b, zo_tensors_plan *out, zo_error *err); /* ZO_EINVAL: a name */
void zo_safetensors_fill(const zo_bundle *b, const zo_tensors_plan *p, void *out);
void zo_tensors_plan_fini(zo_tensors_plan *p); /* also one that is all zero */
/* "F64" and so on. */
const char *zo_dtype_name(zo_dtype t);

/* ---- a file in place: the arrays stay in the caller's bytes ---- */

typedef struct zo_tensor {
    const char *name; /* lent by the view */
    zo_dtype dtype;
    size_t n_dims, dims[4];
    const void *data; /* row-major, inside the caller's bytes; NOT aligned: read it by zo_load_f64 & co. or memcpy */
    size_t bytes;
} zo_tensor;

typedef struct zo_tensor_text {
    const char *key, *value; /* lent by the view */
} zo_tensor_text;

typedef struct zo_tensors {
    zo_tensor *arrays; /* in the order of their data */
    zo_tensor_text *meta;
    size_t n_arrays, n_meta;
    void *header; /* owns the strings */
} zo_tensors;

/* As zo_safetensors_read, with the same checks and errors, but no array is copied: memory is bounded by 77 times the
 * header. The bytes must outlive the view; zo_tensors_fini frees what the view owns, and on failure nothing is left to
 * free. */
zo_status zo_safetensors_view(const void *bytes, size_t n, zo_tensors *out, zo_error *err);
void zo_tensors_fini(zo_tensors *t);
const zo_tensor *zo_tensors_get(const zo_tensors *t, const char *name); /* NULL if absent */
const char *zo_tensors_meta(const zo_tensors *t, const char *key);      /* NULL if absent */

/* Element i of unaligned data of that type: one load instruction. */
static inline double zo_load_f64(const void *data, size_t i)
{
    double x;

    memcpy(&x, (const char *)data + i * sizeof x, sizeof x);
    return x;
}

static inline float zo_load_f32(const void *data, size_t i)
{
    float x;

    memcpy(&x, (const char *)data + i * sizeof x, sizeof x);
    return x;
}

static inline int64_t zo_load_i64(const void *data, size_t i)
{
    int64_t x;

    memcpy(&x, (const char *)data + i * sizeof x, sizeof x);
    return x;
}

static inline int32_t zo_load_i32(const void *data, size_t i)
{
    int32_t x;

    memcpy(&x, (const char *)data + i * sizeof x, sizeof x);
    return x;
}

static inline uint64_t zo_load_u64(const void *data, size_t i)
{
    return (uint64_t)zo_load_i64(data, i);
}

#endif
