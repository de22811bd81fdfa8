/* A model's spec between JSON and the core's struct: the API reads it from a request, the models' room from the store. */
#ifndef ZO_CODEC_MODELSPEC_H
#define ZO_CODEC_MODELSPEC_H

#include <jansson.h>
#include "codec/jsonwrite.h"
#include "zeroth/arena.h"
#include "zeroth/model.h"

typedef struct zo_model_spec {
    zo_model_config model;
    zo_retention retention;
    bool refuse_relearn;             /* what was forgotten by id or group may not be learned again */
    const char *name, *title;        /* NULL where absent */
    const char *metadata;            /* JSON text of an object; NULL where absent */
    bool has_seed;                   /* else the caller draws one before it encodes */
} zo_model_spec;

extern const char *const zo_retention_words[]; /* rows, groups, none */

/* Decode and fill defaults; unknown fields are refused. Strings and arrays live in the arena. Pointers are those of the document. What
 * only the kind can judge is left to zo_model_new. */
zo_status zo_model_spec_decode(const json_t *doc, zo_arena *arena, zo_model_spec *out, zo_error *err);
zo_status zo_model_spec_decode_text(const char *text, size_t bytes, zo_arena *arena, zo_model_spec *out, zo_error *err);
/* Canonical complete form (seed present; name, title, metadata left out): equal specs give equal text. members: without the braces. */
void zo_model_spec_encode(const zo_model_spec *s, zo_json *w);
/* but for the declared classes */
void zo_model_spec_encode_members(const zo_model_spec *s, zo_json *w);

#endif
