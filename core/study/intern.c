/* Interned strings: open addressing over entries whose bytes lie in chunks, so that lent pointers stay valid as it grows. */
#include "study/intern.h"

#include <string.h>

enum { CHUNK_BYTES = 4096 };

struct intern_chunk {
    struct intern_chunk *next;
    size_t used, cap;
    char bytes[];
};

void intern_fini(struct intern *in)
{
    while (in->chunks) {
        struct intern_chunk *c = in->chunks;
        in->chunks = c->next;
        zo_free(c);
    }
    zo_free(in->items);
    zo_free(in->table);
    *in = (struct intern){0};
}

void intern_wipe(struct intern *in)
{
    for (struct intern_chunk *c = in->chunks; c; c = c->next)
        memset(c->bytes, 0, c->used);
}

static uint64_t hash_of(const char *p, size_t n)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325); /* FNV-1a, then spread */

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)p[i]) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32);
}

static size_t place_of(const struct intern *in, const char *p, size_t n, uint64_t hash)
{
    size_t i = (size_t)hash & (in->n_table - 1);

    for (; in->table[i]; i = (i + 1) & (in->n_table - 1)) {
        const struct intern_entry *e = &in->items[in->table[i] - 1];
        if (e->hash == hash && e->n == n && memcmp(e->p, p, n) == 0)
            break;
    }
    return i;
}

uint32_t intern_find(const struct intern *in, const char *p, size_t n)
{
    return in->n_table ? in->table[place_of(in, p, n, hash_of(p, n))] : 0;
}

bool intern_reserve(struct intern *in, size_t count, size_t bytes)
{
    const size_t text = bytes + count; /* final NULs */

    if (in->n + count > in->cap) {
        const size_t cap = 2 * (in->n + count) + 6;
        struct intern_entry *items = zo_realloc(in->items, cap * sizeof *items);
        if (!items)
            return false;
        in->items = items;
        in->cap = cap;
    }
    if (2 * (in->n + count) > in->n_table) {
        size_t n_table = in->n_table ? in->n_table : 16;
        while (n_table < 2 * (in->n + count))
            n_table *= 2;
        uint32_t *table = zo_calloc(n_table, sizeof *table);
        if (!table)
            return false;
        for (size_t k = 0; k < in->n; k++) {
            size_t i = (size_t)in->items[k].hash & (n_table - 1);
            while (table[i])
                i = (i + 1) & (n_table - 1);
            table[i] = (uint32_t)k + 1;
        }
        zo_free(in->table);
        in->table = table;
        in->n_table = n_table;
    }
    if (!in->chunks || in->chunks->cap - in->chunks->used < text) {
        const size_t first = in->chunks ? CHUNK_BYTES : CHUNK_BYTES / 8, cap = text > first ? text : first;
        struct intern_chunk *c = zo_malloc(sizeof *c + cap);
        if (!c)
            return false;
        *c = (struct intern_chunk){.next = in->chunks, .cap = cap};
        in->chunks = c;
        in->bytes += sizeof *c + cap;
    }
    return true;
}

uint32_t intern_add(struct intern *in, const char *p, size_t n)
{
    const uint64_t hash = hash_of(p, n);
    const size_t i = place_of(in, p, n, hash);

    if (in->table[i])
        return in->table[i];
    struct intern_chunk *c = in->chunks;
    ZO_ASSERT(in->n < in->cap && c->cap - c->used > n);
    char *copy = c->bytes + c->used;
    memcpy(copy, p, n);
    copy[n] = 0;
    c->used += n + 1;
    in->items[in->n] = (struct intern_entry){.hash = hash, .p = copy, .n = (uint32_t)n};
    return in->table[i] = (uint32_t)++in->n;
}
