/* A study's spec between JSON and the core's struct: the API reads it from a request, the runtime from the store. */
#ifndef ZO_CODEC_SPEC_H
#define ZO_CODEC_SPEC_H

#include <jansson.h>
#include "codec/jsonwrite.h"
#include "zeroth/study.h"

typedef struct zo_spec {
    zo_study_spec study;
    const char *name, *title;        /* NULL where absent */
    const char *metadata;            /* JSON text of an object, <= 16 KiB; NULL where absent */
    bool has_seed;                   /* else the caller draws one before it encodes */
} zo_spec;

/* Decode and fill defaults. Unknown fields are refused. Strings live in the arena. Pointers are those of the document
 * (/space/0/low). What only the space or the solver can judge is left to zo_study_new. */
zo_status zo_spec_decode(const json_t *doc, zo_arena *arena, zo_spec *out, zo_error *err);
/* The same from stored text. */
zo_status zo_spec_decode_text(const char *text, size_t bytes, zo_arena *arena, zo_spec *out, zo_error *err);
/* Canonical complete form (defaults filled in, seed present; name, title, metadata left out): equal specs give equal text. */
void zo_spec_encode(const zo_spec *s, zo_json *w);

#endif
