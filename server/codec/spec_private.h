/* What the files of the spec share. */
#ifndef ZO_CODEC_SPEC_PRIVATE_H
#define ZO_CODEC_SPEC_PRIVATE_H

#include "codec/jsonread.h"
#include "codec/jsonwrite.h"
#include "zeroth/study.h"

/* A word of a small enum: its index in words (NULL-terminated), or ZO_EINVAL with the choices in the message. */
zo_status spec_word(const char *text, const char *const *words, unsigned *out, zo_error *err);
/* An object of scalars (options) or numbers into named values, in the arena. Pointer /{name}. */
zo_status spec_named(const json_t *object, zo_arena *arena, const zo_named **out, size_t *n_out, zo_error *err);

zo_status spec_decode_params(const json_t *list, zo_arena *arena, zo_space_spec *out, zo_error *err);
zo_status spec_decode_stopping(const json_t *doc, zo_stopping_spec *out, zo_error *err);
void spec_encode_stopping(const zo_stopping_spec *s, zo_json *w); /* an object, or null without rules */
zo_status spec_decode_linear(const json_t *list, zo_arena *arena, zo_space_spec *out, zo_error *err);

/* {"type": "directional", "dimension": ..., "groups": [...], "generator": "portable-1"} */
zo_status spec_decode_directional(const json_t *v, zo_arena *arena, const zo_directional **out, zo_error *err);
void spec_encode_directional(const zo_directional *d, zo_json *w);

extern const char *const spec_type_words[], *const spec_scale_words[], *const spec_relation_words[];

#endif
