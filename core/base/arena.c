/* Arena: bump allocation in chunks that double from 1 KiB to 1 MiB; a block too big for a chunk gets its own. Small
 * first chunks keep an idle study cheap, doubling keeps a large one fast. A byte is zeroed when its chunk first hands
 * it out, and from then on by each reset: what was in an arena is gone when it is reset, at no more cost than zeroing
 * each block once. With sanitizers on every block is its own malloc instead. */
#include "zeroth/arena.h"

#include <string.h>

enum { CHUNK_FIRST = 1024, CHUNK_LAST = 1 << 20, HEADER = 64 };

struct chunk {
    struct chunk *next;
    size_t bytes, used; /* of the payload, which starts HEADER bytes in, 64-byte aligned */
    size_t known;       /* so many bytes of it are zero or in use; the rest is as malloc gave it */
};
_Static_assert(sizeof(struct chunk) <= HEADER, "the payload must stay 64-byte aligned");

struct zo_arena {
    struct chunk *chunks; /* newest first; the newest is the one being filled */
    size_t limit, used, next_bytes;
#ifdef ZO_SANITIZED
    void **blocks;
    size_t n_blocks, cap_blocks;
#endif
};

zo_arena *zo_arena_new(size_t limit_bytes)
{
    zo_arena *a = zo_calloc(1, sizeof *a);

    if (a) {
        a->limit = limit_bytes;
        a->next_bytes = CHUNK_FIRST - HEADER;
    }
    return a;
}

static void free_chunks(struct chunk *c)
{
    while (c) {
        struct chunk *next = c->next;
        zo_free(c);
        c = next;
    }
}

#ifdef ZO_SANITIZED
static void free_blocks(zo_arena *a)
{
    for (size_t i = 0; i < a->n_blocks; i++)
        zo_free(a->blocks[i]);
    a->n_blocks = 0;
}

static void *take(zo_arena *a, size_t bytes)
{
    void *p;

    if (a->n_blocks == a->cap_blocks) {
        const size_t cap = a->cap_blocks ? 2 * a->cap_blocks : 16;
        void **grown = zo_realloc(a->blocks, cap * sizeof *grown);
        if (!grown)
            return NULL;
        a->blocks = grown;
        a->cap_blocks = cap;
    }
    if (!(p = zo_memalign64(bytes)))
        return NULL;
    a->blocks[a->n_blocks++] = p;
    return memset(p, 0, bytes);
}
#else
static char *payload(struct chunk *c)
{
    return (char *)c + HEADER;
}

static void *take(zo_arena *a, size_t bytes)
{
    const size_t align = bytes < 64 ? 16 : 64;
    struct chunk *c = a->chunks;
    size_t at = c ? (c->used + align - 1) & ~(align - 1) : 0;

    if (!c || at > c->bytes || c->bytes - at < bytes) {
        const size_t want = bytes > a->next_bytes ? bytes : a->next_bytes;
        struct chunk *fresh = zo_memalign64(HEADER + want);
        if (!fresh)
            return NULL;
        fresh->bytes = want;
        fresh->used = fresh->known = 0;
        at = 0;
        if (c && bytes > a->next_bytes) { /* a big block's own chunk goes second: the newest still has room */
            fresh->next = c->next;
            c->next = fresh;
        } else {
            fresh->next = c;
            a->chunks = fresh;
            if (a->next_bytes < CHUNK_LAST - HEADER)
                a->next_bytes = 2 * a->next_bytes + HEADER;
        }
        c = fresh;
    }
    c->used = at + bytes;
    if (c->used > c->known) {
        memset(payload(c) + c->known, 0, c->used - c->known);
        c->known = c->used;
    }
    return payload(c) + at;
}
#endif

void *zo_arena_alloc(zo_arena *a, size_t bytes)
{
    void *p;

    if (bytes == 0)
        bytes = 1;
    if (bytes > SIZE_MAX / 2 || (a->limit && bytes > a->limit - a->used))
        return NULL;
    if (!(p = take(a, bytes)))
        return NULL;
    a->used += bytes;
    return p;
}

void *zo_arena_array(zo_arena *a, size_t count, size_t bytes)
{
    size_t product;

    return __builtin_mul_overflow(count, bytes, &product) ? NULL : zo_arena_alloc(a, product);
}

void *zo_arena_memdup(zo_arena *a, const void *p, size_t bytes)
{
    void *q = zo_arena_alloc(a, bytes);

    if (q && bytes)
        memcpy(q, p, bytes);
    return q;
}

char *zo_arena_strdup(zo_arena *a, const char *s)
{
    return zo_arena_memdup(a, s, strlen(s) + 1);
}

size_t zo_arena_used_bytes(const zo_arena *a)
{
    return a->used;
}

void zo_arena_reset(zo_arena *a)
{
#ifdef ZO_SANITIZED
    free_blocks(a);
#else
    struct chunk *kept = a->chunks;

    if (kept) {
        free_chunks(kept->next);
        kept->next = NULL;
        memset(payload(kept), 0, kept->used);
        kept->used = 0;
    }
#endif
    a->used = 0;
}

void zo_arena_free(zo_arena *a)
{
    if (!a)
        return;
#ifdef ZO_SANITIZED
    free_blocks(a);
    zo_free(a->blocks);
#endif
    free_chunks(a->chunks);
    zo_free(a);
}
