/* The ledger: an entry for every live row, found by the tag of its content or of its id. It is what makes "forget this
 * row" checkable: sums alone accept any subtraction, also of rows that were never added. */
#include "models/private.h"

#include <string.h>

static const tag *row_tag(const void *owner, uint32_t i)
{
    return &((const ledger *)owner)->entries[i].row;
}

static const tag *id_tag(const void *owner, uint32_t i)
{
    return &((const ledger *)owner)->entries[i].id;
}

bool tag_is_zero(const tag *t)
{
    static const tag zero;

    return memcmp(t, &zero, sizeof zero) == 0;
}

void ledger_init(ledger *g)
{
    *g = (ledger){0};
    tagmap_init(&g->by_row, row_tag, g);
    tagmap_init(&g->by_id, id_tag, g);
}

void ledger_fini(ledger *g)
{
    tagmap_fini(&g->by_row);
    tagmap_fini(&g->by_id);
    zo_free(g->entries);
    zo_free(g->free_list);
    ledger_init(g);
}

static zo_status grow(void **p, size_t *cap, size_t want, size_t bytes, zo_error *err)
{
    size_t fresh = *cap ? *cap : 64;
    void *q;

    if (want <= *cap)
        return ZO_OK;
    while (fresh < want)
        fresh *= 2;
    if (!(q = zo_realloc(*p, fresh * bytes)))
        return zo_fail_nomem(err);
    *p = q;
    *cap = fresh;
    return ZO_OK;
}

zo_status ledger_reserve(ledger *g, size_t n, zo_error *err)
{
    const size_t fresh = n > g->n_free ? n - g->n_free : 0;
    zo_status rc;

    if (g->n_entries + fresh >= UINT32_MAX - 1)
        return zo_fail(err, ZO_ETOOLARGE, "", "a model keeps account of at most 2^32 - 2 rows");
    /* every entry may become free, so the list of free ones grows with them and removal never fails */
    if ((rc = grow((void **)&g->entries, &g->cap_entries, g->n_entries + fresh, sizeof *g->entries, err)) != ZO_OK ||
        (rc = grow((void **)&g->free_list, &g->cap_free, g->n_entries + fresh, sizeof *g->free_list, err)) != ZO_OK ||
        (rc = tagmap_reserve(&g->by_row, n, err)) != ZO_OK)
        return rc;
    return tagmap_reserve(&g->by_id, n, err);
}

uint32_t ledger_put(ledger *g, const tag *row, const tag *id, uint32_t part)
{
    const uint32_t e = g->n_free ? g->free_list[--g->n_free] : (uint32_t)g->n_entries++;
    const uint32_t alike = tagmap_find(&g->by_row, row, NULL, NULL);

    g->entries[e] = (entry){.row = *row, .id = *id, .part = part, .next = alike, .prev = NO_SLOT};
    if (alike == NO_SLOT) {
        tagmap_put(&g->by_row, e);
    } else {
        tagmap_swap(&g->by_row, alike, e);
        g->entries[alike].prev = e;
    }
    if (!tag_is_zero(id))
        tagmap_put(&g->by_id, e);
    return e;
}

void ledger_remove(ledger *g, uint32_t e)
{
    const uint32_t next = g->entries[e].next, prev = g->entries[e].prev;

    if (prev != NO_SLOT)
        g->entries[prev].next = next;
    else if (next != NO_SLOT)
        tagmap_swap(&g->by_row, e, next);
    else
        tagmap_remove(&g->by_row, e);
    if (next != NO_SLOT)
        g->entries[next].prev = prev;
    if (!tag_is_zero(&g->entries[e].id))
        tagmap_remove(&g->by_id, e);
    g->entries[e] = (entry){.part = UINT32_MAX};
    g->free_list[g->n_free++] = e;
}

uint32_t ledger_find(const ledger *g, const tag *row, bool (*accept)(const void *ctx, uint32_t e), const void *ctx)
{
    uint32_t e = tagmap_find(&g->by_row, row, NULL, NULL);

    while (e != NO_SLOT && !accept(ctx, e))
        e = g->entries[e].next;
    return e;
}

struct place {
    const ledger *g;
    uint32_t part;
};

static bool is_in_part(const void *ctx, uint32_t e)
{
    const struct place *p = ctx;

    return p->g->entries[e].part == p->part;
}

uint32_t ledger_in_part(const ledger *g, const tag *row, uint32_t part)
{
    const struct place p = {g, part};

    return ledger_find(g, row, is_in_part, &p);
}
