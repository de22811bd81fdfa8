/* Steps of directional studies between JSON and the engine. */
#ifndef ZO_API_STEPS_H
#define ZO_API_STEPS_H

#include "codec/jsonwrite.h"
#include "zeroth/study.h"

#include <jansson.h>

/* "step", and with the rest: "apply", "more", "probes", "batch_seed", "directions". applied: steps whose moves x has,
 * none after the trial's own; apply holds those after them, the oldest first, a page of them where they are many. */
void api_step_number_write(const zo_trial *t, zo_json *w);
void api_step_write(const zo_study *s, const zo_trial *t, uint64_t applied, zo_json *w);

/* "probes" of a result into values [n_values], made of NaN where *values is NULL. Pointers begin with /{index}. */
zo_status api_probes_read(const json_t *list, const zo_study *s, zo_arena *arena, const double **values, zo_error *err);
/* "applied" of an ask: directional studies need it, others have none. */
zo_status api_applied_check(const zo_study *s, bool given, uint64_t applied, zo_error *err);

#endif
