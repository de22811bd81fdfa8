/* Arena: many allocations, one release. A request's arena dies with its reply, a study's with the study. */
#ifndef ZEROTH_ARENA_H
#define ZEROTH_ARENA_H

#include "zeroth/base.h"

typedef struct zo_arena zo_arena;

/* NULL when out of memory. limit_bytes bounds the sum of all blocks (0: no bound). */
ZO_NODISCARD zo_arena *zo_arena_new(size_t limit_bytes);
void zo_arena_free(zo_arena *a);
/* Forget all blocks but keep one chunk for reuse; what it held is wiped now. */
void zo_arena_reset(zo_arena *a);
/* Zeroed, 64-byte aligned (16-byte for blocks < 64 bytes); NULL at the limit or when out of memory; never NULL for 0
 * bytes. With sanitizers on each block is its own malloc, so overruns and late uses show. */
ZO_NODISCARD void *zo_arena_alloc(zo_arena *a, size_t bytes);
ZO_NODISCARD void *zo_arena_array(zo_arena *a, size_t count, size_t bytes); /* overflow-checked product */
ZO_NODISCARD char *zo_arena_strdup(zo_arena *a, const char *s);
ZO_NODISCARD void *zo_arena_memdup(zo_arena *a, const void *p, size_t bytes);
size_t zo_arena_used_bytes(const zo_arena *a);

#endif
