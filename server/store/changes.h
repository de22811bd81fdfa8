/* Changes: a list of ops in the making, with the memory that they refer to. One owner at a time. */
#ifndef ZO_STORE_CHANGES_H
#define ZO_STORE_CHANGES_H

#include "store/store.h"

typedef struct zo_changes {
    zo_op *first, **tail;
    size_t n;
    zo_arena *arena; /* made at the first use */
    void **blobs;    /* zo_malloc'd bodies, freed with the changes */
    size_t n_blobs, cap_blobs;
} zo_changes;

void zo_changes_init(zo_changes *c);
/* Forget the ops; the arena is kept for reuse unless it has grown beyond keep_bytes. */
void zo_changes_clear(zo_changes *c, size_t keep_bytes);
void zo_changes_fini(zo_changes *c);
zo_arena *zo_changes_arena(zo_changes *c, zo_error *err); /* NULL: ZO_ENOMEM */
/* A zeroed op at the end of the list; NULL: ZO_ENOMEM. */
zo_op *zo_changes_add(zo_changes *c, zo_op_kind kind, int64_t owner, zo_error *err);
/* blob is taken, also on failure. */
zo_status zo_changes_take(zo_changes *c, void *blob, zo_error *err);

#endif
