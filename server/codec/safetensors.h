/* safetensors: a bundle as bytes. 8-byte little-endian header length, a JSON header of dtype, shape and data_offsets per array and of
 * __metadata__ strings, then the arrays' raw little-endian, row-major data without holes.
 * Source: "Safetensors format", github.com/huggingface/safetensors, README. Any thread. */
#ifndef ZO_CODEC_SAFETENSORS_H
#define ZO_CODEC_SAFETENSORS_H

#include "zeroth/bundle.h"

enum { ZO_SAFETENSORS_MAX_HEADER = 1 << 20, ZO_SAFETENSORS_MAX_ARRAYS = 1024 };

/* Hostile-input safe; memory is bounded by about twice n plus 77 times the header. *out is initialised here and must be freed with
 * zo_bundle_fini on success; on failure nothing is left to free. ZO_EMALFORMED: not the format; ZO_EUNSUPPORTED: a dtype or rank we
 * don't keep; ZO_ETOOLARGE: too many arrays or too long a header. The pointer is /{array}/{field} inside the header. */
zo_status zo_safetensors_read(const void *bytes, size_t n, zo_bundle *out, zo_error *err);
/* *bytes_out is zo_malloc'd and the caller's. Arrays are written widest type first (else in the bundle's order), which aligns each. */
zo_status zo_safetensors_write(const zo_bundle *b, char **bytes_out, size_t *n_out, zo_error *err);
/* "F64" and so on. */
const char *zo_dtype_name(zo_dtype t);

#endif
