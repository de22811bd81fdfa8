/* Results between JSON and the engine: what tell, exchange and import share. */
#ifndef ZO_API_TELL_H
#define ZO_API_TELL_H

#include "api/arrays.h"

typedef struct api_results {
    zo_tell_item *items;
    size_t n;
    bool many;               /* it came as {"results": [...]}: the reply has "trials" */
    uint64_t *numbers;       /* [n], of the trials told */
} api_results;

/* doc: a result, or {"results": [...]}; arrays: those beside it, below prefix. Everything is copied into the arena. Pointers are those of
 * doc, and for an array as a whole its path. */
zo_status api_results_read(const json_t *doc, const zo_bundle *arrays, const char *prefix, const zo_study *s, zo_arena *arena,
                           api_results *out, zo_error *err);
zo_status api_results_apply(const api_results *t, zo_ctx *x, zo_error *err);
/* {"trial": {...} or "trials": [...], "best": ...}; arrays, if they go apart, below prefix. */
void api_results_write(const api_results *t, const zo_study *s, const char *prefix, api_out *o);

/* A line of an import: the same with a number and times, and what only the server knows ignored. *skip_out: a queued or running
 * trial, which has no result; then out is not filled. */
zo_status api_line_read(const json_t *doc, const zo_study *s, zo_arena *arena, zo_tell_item *out, bool *skip_out, zo_error *err);

/* {"params": {...}}'s value as a vector in the arena; pointers begin with the parameter's name. arrays may be NULL, else their row stands
 * beside params, which then may be NULL. */
zo_status api_point_read(const json_t *params, const api_arrays *arrays, size_t row, const zo_study *s, zo_arena *arena,
                         const double **out, zo_error *err);
/* "values" (a map of declared names) or "value" (of the one objective) into [n_values], NaN where absent. NULL where not given; *out is
 * NULL when neither is. Pointers begin with /values or /value. */
zo_status api_values_read(const json_t *values, const json_t *value, const zo_study *s, zo_arena *arena, const double **out, zo_error *err);

#endif
