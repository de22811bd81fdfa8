/* Gradients between JSON and the engine: {"loss": {"x": [...], "lr": 0.3}}, by objective or constraint, then by parameter, in natural
 * units. */
#ifndef ZO_API_GRADIENTS_H
#define ZO_API_GRADIENTS_H

#include <jansson.h>
#include "api/arrays.h"
#include "codec/jsonwrite.h"
#include "zeroth/arena.h"
#include "zeroth/study.h"

/* doc may be NULL; arrays may be NULL, else their row stands beside doc's members. *out [n_objectives + n_constraints][n_dims] in the arena, rows that are not given NaN; NULL when none is. Which of them
 * a trial must have, the engine knows. ZO_EMALFORMED: wrong types, unknown or missing parameters; ZO_EINVAL: names without a gradient, a
 * vector of another length. Pointers are below the document's. */
zo_status api_gradients_read(const json_t *doc, const api_arrays *arrays, size_t row, const zo_study *s, zo_arena *arena,
                             const double **out, zo_error *err);
/* Those that the trial has: one object. */
void api_gradients_write(const zo_study *s, const zo_trial *t, zo_json *w);

#endif
