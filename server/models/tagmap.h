/* Tag map: from 16-byte keyed tags to indices of the owner's array, several per tag allowed. Tags are keyed hashes, so
 * their first bytes serve as the hash. Four bytes a slot: the tags themselves are read from the owner's array. */
#ifndef ZO_MODELS_TAGMAP_H
#define ZO_MODELS_TAGMAP_H

#include "models/crypt.h"

typedef struct tagmap {
    const tag *(*key)(const void *owner, uint32_t index);
    const void *owner;
    uint32_t *slots; /* index + 1; 0: empty */
    size_t n_slots, used;
} tagmap;

void tagmap_init(tagmap *m, const tag *(*key)(const void *owner, uint32_t index), const void *owner);
void tagmap_fini(tagmap *m);
/* Room for n more without failing. */
zo_status tagmap_reserve(tagmap *m, size_t n, zo_error *err);
void tagmap_put(tagmap *m, uint32_t index); /* after tagmap_reserve */
void tagmap_remove(tagmap *m, uint32_t index);
void tagmap_swap(tagmap *m, uint32_t from, uint32_t to); /* to, of the same tag, takes the place of from */
/* The first index with this tag for which accept (may be NULL) says yes; UINT32_MAX: none. */
uint32_t tagmap_find(const tagmap *m, const tag *t, bool (*accept)(const void *ctx, uint32_t index), const void *ctx);

#endif
