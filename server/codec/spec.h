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

enum { ZO_TITLE_MAX_BYTES = 256, ZO_METADATA_MAX_BYTES = 16384 };

/* Decode and fill defaults. Unknown fields are refused. Strings live in the arena. Pointers are those of the document
 * (/space/0/low). What only the space or the solver can judge is left to zo_study_new. */
zo_status zo_spec_decode(const json_t *doc, zo_arena *arena, zo_spec *out, zo_error *err);
/* The same from stored text. */
zo_status zo_spec_decode_text(const char *text, size_t bytes, zo_arena *arena, zo_spec *out, zo_error *err);
/* Canonical complete form (defaults filled in, seed present; name, title, metadata left out): equal specs give equal text. */
void zo_spec_encode(const zo_spec *s, zo_json *w);

/* ---- parts, for the study's JSON and for PATCH ---- */
/* Budget's members that are present in doc, into *io; null removes one if may_remove. */
zo_status zo_spec_decode_budget(const json_t *doc, bool may_remove, zo_budget *io, zo_error *err);
/* Names are 1 to 64 of [A-Za-z0-9_-] and don't look like an id. Pointer "". */
zo_status zo_spec_check_name(const char *name, zo_error *err);
/* An object's compact text into the arena; at most ZO_METADATA_MAX_BYTES. ZO_EMALFORMED: no object; ZO_EINVAL: too long. */
zo_status zo_spec_decode_metadata(const json_t *v, zo_arena *arena, const char **out, zo_error *err);
/* The members of the canonical form but for the budget and the solver, of which a study's JSON shows the present state. */
void zo_spec_encode_members(const zo_spec *s, zo_json *w);
void zo_spec_encode_budget(const zo_budget *b, zo_json *w);    /* one object */
void zo_spec_encode_options(const zo_spec *s, zo_json *w);     /* the solver's, complete: one object */

#endif
