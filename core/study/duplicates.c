/* Points seen: a counted set of hashes of the points that are told or pending, kept only under duplicates "avoid". A point leaves when its
 * last trial is abandoned or withdrawn. Open addressing; an entry whose count fell to zero keeps its place until the table grows. */
#include "study/study_private.h"

void seen_fini(struct seen *p)
{
    zo_free(p->hash);
    zo_free(p->count);
    *p = (struct seen){0};
}

/* Hash 0 marks a free place. */
static uint64_t key_of(uint64_t hash)
{
    return hash ? hash : 1;
}

static size_t place_of(const struct seen *p, uint64_t key)
{
    size_t i = (size_t)mix64(0, key) & (p->cap - 1);

    while (p->hash[i] && p->hash[i] != key)
        i = (i + 1) & (p->cap - 1);
    return i;
}

bool seen_reserve(struct seen *p, size_t extra)
{
    if (2 * (p->n_used + extra) <= p->cap)
        return true;
    struct seen to = {.cap = 16};
    while (to.cap < 4 * (p->distinct + extra))
        to.cap *= 2;
    to.hash = zo_calloc(to.cap, sizeof *to.hash);
    to.count = zo_calloc(to.cap, sizeof *to.count);
    if (!to.hash || !to.count) {
        seen_fini(&to);
        return false;
    }
    for (size_t i = 0; i < p->cap; i++)
        if (p->count[i]) {
            const size_t j = place_of(&to, p->hash[i]);
            to.hash[j] = p->hash[i];
            to.count[j] = p->count[i];
            to.n_used++;
        }
    to.distinct = p->distinct;
    seen_fini(p);
    *p = to;
    return true;
}

bool seen_has(const struct seen *p, uint64_t hash)
{
    return p->cap && p->count[place_of(p, key_of(hash))];
}

void seen_add(struct seen *p, uint64_t hash)
{
    const uint64_t key = key_of(hash);
    const size_t i = place_of(p, key);

    if (!p->hash[i]) {
        ZO_ASSERT(p->n_used + 1 < p->cap);
        p->hash[i] = key;
        p->n_used++;
    }
    if (p->count[i]++ == 0)
        p->distinct++;
}

void seen_remove(struct seen *p, uint64_t hash)
{
    const size_t i = place_of(p, key_of(hash));

    if (p->count[i] && --p->count[i] == 0)
        p->distinct--;
}
