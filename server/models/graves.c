/* Tombstones: tags of what was forgotten by name. They answer "when was this forgotten?", refuse what must not be
 * learned again, and in FILE-keys they find what an older backup brings back. */
#include "models/private.h"

#include <string.h>

struct kind_of {
    const zo_live *l;
    tag_kind kind;
};

static bool has_kind(const void *ctx, uint32_t i)
{
    const struct kind_of *k = ctx;

    return k->l->graves[i].kind == k->kind;
}

uint64_t graves_request(const zo_live *l, tag_kind kind, const tag *name)
{
    const struct kind_of k = {l, kind};
    const uint32_t i = tagmap_find(&l->by_grave, name, has_kind, &k);

    return i == UINT32_MAX ? 0 : l->graves[i].request;
}

zo_status graves_enter(zo_live *l, tag_kind kind, const tag *name, uint64_t request, zo_error *err)
{
    const struct kind_of k = {l, kind};
    const uint32_t i = tagmap_find(&l->by_grave, name, has_kind, &k);
    zo_status rc;

    if (i != UINT32_MAX) {
        if (request > l->graves[i].request)
            l->graves[i].request = request;
        return ZO_OK;
    }
    if ((rc = tagmap_reserve(&l->by_grave, 1, err)) != ZO_OK)
        return rc;
    if (l->n_graves == l->cap_graves) {
        const size_t cap = l->cap_graves ? 2 * l->cap_graves : 16;
        grave *graves = zo_realloc(l->graves, cap * sizeof *graves);

        if (!graves)
            return zo_fail_nomem(err);
        l->graves = graves;
        l->cap_graves = cap;
    }
    l->graves[l->n_graves] = (grave){.name = *name, .kind = kind, .request = request};
    tagmap_put(&l->by_grave, (uint32_t)l->n_graves++);
    return ZO_OK;
}

zo_status graves_dig(zo_live *l, zo_act *a, tag_kind kind, const tag *name, uint64_t request, zo_error *err)
{
    const zo_status rc = graves_enter(l, kind, name, request, err);
    zo_op *op;

    if (rc != ZO_OK)
        return rc;
    if (!(op = zo_changes_add(a->changes, ZO_OP_TOMBSTONE, l->key, err)))
        return ZO_ENOMEM;
    op->u.tombstone = (zo_tombstone){.model = l->key, .kind = kind, .request = request};
    memcpy(op->u.tombstone.tag, name->b, sizeof name->b);
    return ZO_OK;
}
