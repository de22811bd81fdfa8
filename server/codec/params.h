/* A point as JSON, and any JSON value as text. */
#ifndef ZO_CODEC_PARAMS_H
#define ZO_CODEC_PARAMS_H

#include <jansson.h>
#include "codec/jsonwrite.h"
#include "zeroth/arena.h"

/* {"C": 1.7, "kernel": "rbf"} -> named values for zo_space_encode. Names are lent by the json_t, the rest is in the arena.
 * ZO_EMALFORMED: no object (pointer ""), or a value that no parameter can have (pointer /{name}). */
zo_status zo_params_read(const json_t *object, zo_arena *arena, zo_named **out, size_t *n_out, zo_error *err);
/* The active parameters of vector v, as one object; without the vectors among them where those travel apart. */
void zo_params_write(const zo_space *s, const double *v, bool vectors, zo_json *w);
/* Any JSON value, written anew: compact, keys in their order, numbers shortest. */
void zo_json_value_write(zo_json *w, const json_t *v);

#endif
