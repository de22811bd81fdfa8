/* A study as JSON: its complete spec, and its present state. */
#ifndef ZO_API_STUDY_JSON_H
#define ZO_API_STUDY_JSON_H

#include "codec/spec.h"
#include "store/store.h"

/* One object. row NULL: a draft (dry run), name and labels from the spec, without id, times and counts. */
zo_status api_study_write(const zo_study_row *row, const zo_spec *spec, const zo_study *s, uint64_t revision, zo_json *w, zo_error *err);
void api_counts_write(const zo_study *s, zo_json *w);
/* {"name", "version", "options", "running", "reason", "facts"} */
zo_status api_solver_write(const zo_spec *spec, const zo_study *s, zo_json *w, zo_error *err);
/* Members state and reason. */
void api_state_members(const zo_study *s, zo_json *w);
/* Members of a list's item, from the row alone. */
void api_summary_write(const zo_study_row *row, zo_json *w);

#endif
