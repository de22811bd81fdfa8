/* What the files of snapshots share: the words of a head, arrays of a bundle, and a snapshot half-way in. */
#ifndef ZO_STUDY_SNAPSHOT_H
#define ZO_STUDY_SNAPSHOT_H

#include "study/study_private.h"

enum { SNAPSHOT_LAYOUT = 3 };
#define MAX_MS (UINT64_C(1) << 53) /* sums of a few can't overflow */
enum {
    HEAD_LAYOUT,
    HEAD_VERSION,
    HEAD_TAG,
    HEAD_SEED,
    HEAD_DIMS,
    HEAD_VALUES,
    HEAD_OBJECTIVES,
    HEAD_SEQ,
    HEAD_NEXT,
    HEAD_CLOSED,
    HEAD_STRINGS,
    HEAD_PENDING,
    HEAD_RETRY,
    HEAD_QUEUE,
    HEAD_FRONT,
    HEAD_BEST,
    HEAD_LEAST,
    HEAD_PAUSED,
    HEAD_ENDED,
    HEAD_WAITING,
    HEAD_FIRST_ASK,
    HEAD_PAUSED_MS,
    HEAD_PAUSED_SINCE,
    HEAD_BUDGET,
    HEAD_HAS_TARGET,
    HEAD_ASKED_SOLVER,
    HEAD_FORGOTTEN,
    HEAD_WORDS
};
enum {
    SEGMENT_INDEX,
    SEGMENT_FORGOTTEN,
    SEGMENT_WORDS
}; /* a segment from before trials were forgotten fits no later head */
enum { PENDING_NUMBER, PENDING_LEASE, PENDING_EXPIRIES, PENDING_OWN, PENDING_WORDS };

/* A snapshot half-way in: the head is applied, segments come one after the other. */
struct loading {
    size_t n_segments, n_loaded;
    bool *is_provenance; /* [strings.n + 1] interned string 1.. has the form core NUL why */
};

/* Arrays of n elements; those of none are left out. put: zeroed storage in *out. get: type and size are checked. */
zo_status array_put(zo_bundle *b, const char *name, zo_dtype type, size_t n, void *out, zo_error *err);
zo_status array_get(const zo_bundle *b, const char *name, zo_dtype type, size_t n, void *out, zo_error *err);
zo_status snapshot_damaged(zo_error *err, const char *what);

/* Rows of the trial table with all that hangs off them. numbers ascend. */
zo_status rows_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *out, zo_error *err);
/* Into a table that holds no other rows of [first, end) than the head's amended ones, which stay. in_head: rows may be
 * open, and those of closed segments are amended. Everything is checked; after a failure the study can only be freed.
 */
zo_status rows_load(zo_study *s, const zo_bundle *in, uint64_t first, uint64_t end, bool in_head, zo_error *err);

/* The parts that save and load themselves: the solver and the early-stopping rule. */
zo_status guests_visit(zo_study *s, zo_bundle *b, bool loading, zo_error *err);

#endif
