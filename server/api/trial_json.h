/* A trial as JSON, the same everywhere: replies, lists, exports. */
#ifndef ZO_API_TRIAL_JSON_H
#define ZO_API_TRIAL_JSON_H

#include "codec/jsonwrite.h"
#include "zeroth/study.h"

/* What is shown beside the rest: its last 1,000 reports; what its oracle is about, gradients or a step's moves and probes; or not shown: its
 * vectors. */
enum { ZO_TRIAL_REPORTS = 1, ZO_TRIAL_ORACLE = 2, ZO_TRIAL_NO_VECTORS = 4 };
void zo_api_trial_write(const zo_study *s, const zo_trial *t, unsigned parts, zo_json *w);
/* The same; of a step, with the moves of all steps after `applied`. */
void zo_api_trial_write_after(const zo_study *s, const zo_trial *t, unsigned parts, uint64_t applied, zo_json *w);
/* Values that are present, by name: one object. */
void zo_api_values_write(const zo_study *s, const double *values, zo_json *w);
/* {"number", "params" or "step", "values"} of the best feasible trial, or null. */
void zo_api_best_write(const zo_study *s, unsigned parts, zo_json *w);
/* An array of the trials of these numbers. */
void zo_api_trials_write(const zo_study *s, const uint64_t *numbers, size_t n, unsigned parts, zo_json *w);

#endif
