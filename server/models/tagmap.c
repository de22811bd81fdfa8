/* See tagmap.h: open addressing with linear probing; removal shifts back what follows, so there are no tombstones to
 * clean up. */
#include "models/tagmap.h"

#include <string.h>

void tagmap_init(tagmap *m, const tag *(*key)(const void *owner, uint32_t index), const void *owner)
{
    *m = (tagmap){.key = key, .owner = owner};
}

void tagmap_fini(tagmap *m)
{
    zo_free(m->slots);
    m->slots = NULL;
    m->n_slots = m->used = 0;
}

static size_t home(const tagmap *m, const tag *t)
{
    uint64_t h;

    memcpy(&h, t->b, sizeof h);
    return (size_t)h & (m->n_slots - 1);
}

static void insert(tagmap *m, uint32_t index)
{
    size_t i = home(m, m->key(m->owner, index));

    while (m->slots[i])
        i = (i + 1) & (m->n_slots - 1);
    m->slots[i] = index + 1;
}

zo_status tagmap_reserve(tagmap *m, size_t n, zo_error *err)
{
    size_t want = m->n_slots ? m->n_slots : 16;
    tagmap old = *m;

    while ((m->used + n) * 3 > want * 2)
        want *= 2;
    if (want == m->n_slots)
        return ZO_OK;
    if (!(m->slots = zo_calloc(want, sizeof *m->slots))) {
        *m = old;
        return zo_fail_nomem(err);
    }
    m->n_slots = want;
    for (size_t i = 0; i < old.n_slots; i++)
        if (old.slots[i])
            insert(m, old.slots[i] - 1);
    zo_free(old.slots);
    return ZO_OK;
}

void tagmap_put(tagmap *m, uint32_t index)
{
    ZO_ASSERT_SLOW((m->used + 1) * 3 <= m->n_slots * 2);
    insert(m, index);
    m->used++;
}

static size_t place(const tagmap *m, uint32_t index)
{
    size_t i = home(m, m->key(m->owner, index));

    while (m->slots[i] != index + 1) {
        ZO_ASSERT(m->slots[i]);
        i = (i + 1) & (m->n_slots - 1);
    }
    return i;
}

void tagmap_swap(tagmap *m, uint32_t from, uint32_t to)
{
    m->slots[place(m, from)] = to + 1;
}

void tagmap_remove(tagmap *m, uint32_t index)
{
    const size_t mask = m->n_slots - 1;
    size_t i = place(m, index);

    for (size_t k = (i + 1) & mask; m->slots[k]; k = (k + 1) & mask) {
        const size_t h = home(m, m->key(m->owner, m->slots[k] - 1));

        if (((k - h) & mask) >= ((k - i) & mask)) { /* its home is at i or before */
            m->slots[i] = m->slots[k];
            i = k;
        }
    }
    m->slots[i] = 0;
    m->used--;
}

uint32_t tagmap_find(const tagmap *m, const tag *t, bool (*accept)(const void *ctx, uint32_t index), const void *ctx)
{
    if (!m->n_slots)
        return UINT32_MAX;
    for (size_t i = home(m, t); m->slots[i]; i = (i + 1) & (m->n_slots - 1)) {
        const uint32_t index = m->slots[i] - 1;

        if (memcmp(m->key(m->owner, index), t, sizeof *t) == 0 && (!accept || accept(ctx, index)))
            return index;
    }
    return UINT32_MAX;
}
