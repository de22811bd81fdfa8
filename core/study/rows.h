/* Rows of the trial table as columns of a bundle, and back. */
#ifndef ZO_STUDY_ROWS_H
#define ZO_STUDY_ROWS_H

#include "study/study_private.h"

/* An array of one dimension, of this type: its storage and length, or NULL with err set. */
const void *bundle_find(const zo_bundle *b, const char *name, zo_dtype t, size_t *n_out, zo_error *err);
void *bundle_make(zo_bundle *b, const char *name, zo_dtype t, size_t n, zo_error *err);

/* numbers [n], ascending, of rows that exist. */
zo_status rows_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *b, zo_error *err);
/* Rows with numbers in [first, end); a row that is there already stays as it is. is_provenance [strings + 1].
 * Everything is checked as a stranger's: ZO_EINVAL. Counters are not kept: see rows_count. */
zo_status rows_load(zo_study *s, uint64_t first, uint64_t end, const uint8_t *is_provenance, const zo_bundle *b,
                    zo_error *err);
/* Counters of the table, from its rows; ZO_EINVAL when the closed segments can't be. */
zo_status rows_count(zo_study *s, zo_error *err);

#endif
