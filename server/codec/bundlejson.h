/* A bundle as JSON, for people and for clients without a safetensors reader. */
#ifndef ZO_CODEC_BUNDLEJSON_H
#define ZO_CODEC_BUNDLEJSON_H

#include "codec/jsonwrite.h"
#include "zeroth/bundle.h"

/* {"arrays": {"name": {"dtype": "F64", "shape": [2, 3], "data": [six numbers, row-major]}}, "meta": {"key": "value"}}
 * Non-finite values become null; 64-bit integers are written exactly, also beyond 2^53. */
void zo_bundle_json(const zo_bundle *b, zo_json *w);

#endif
