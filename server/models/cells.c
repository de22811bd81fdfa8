/* Groups and cells: who the rows belong to. A group has a key of its own, so that its rows can be destroyed wherever
 * copies of the database are; the key is made with the group's first row and dropped with its last. */
#include "models/private.h"

#include <string.h>

static const tag *group_name(const void *owner, uint32_t i)
{
    return &((const zo_live *)owner)->groups[i].name;
}

static const tag *cell_place(const void *owner, uint32_t i)
{
    return &((const zo_live *)owner)->cells[i].place;
}

zo_status cells_init(zo_live *l, zo_error *err)
{
    (void)err;
    tagmap_init(&l->by_group, group_name, l);
    tagmap_init(&l->by_place, cell_place, l);
    return ZO_OK;
}

void cells_fini(zo_live *l)
{
    if (l->groups)
        explicit_bzero(l->groups, l->n_groups * sizeof *l->groups);
    zo_free(l->groups);
    zo_free(l->cells);
    tagmap_fini(&l->by_group);
    tagmap_fini(&l->by_place);
}

bool cells_keeps_rows(const zo_live *l)
{
    return l->spec.retention != ZO_RETAIN_NONE;
}

tag cells_group_tag(const zo_live *l, const char *name)
{
    return name ? crypt_tag(l->tag_secret, TAG_GROUP, name, strlen(name) + 1)
                : crypt_tag(l->tag_secret, TAG_GROUP, "", 0);
}

tag cells_task_tag(const zo_live *l, const char *name)
{
    return name ? crypt_tag(l->tag_secret, TAG_TASK, name, strlen(name) + 1)
                : crypt_tag(l->tag_secret, TAG_TASK, "", 0);
}

uint32_t cells_find_group(const zo_live *l, const tag *name)
{
    return tagmap_find(&l->by_group, name, NULL, NULL);
}

zo_status cells_enter_group(zo_live *l, const tag *name, int64_t key, const uint8_t secret[ZO_KEY_BYTES], uint32_t *out,
                            zo_error *err)
{
    uint32_t i = 0;
    zo_status rc;

    if ((rc = tagmap_reserve(&l->by_group, 1, err)) != ZO_OK)
        return rc;
    i = (uint32_t)l->n_groups;
    if (l->n_groups == l->cap_groups) {
        const size_t cap = l->cap_groups ? 2 * l->cap_groups : 8;
        live_group *groups = zo_malloc(cap * sizeof *groups);

        if (!groups)
            return zo_fail_nomem(err);
        if (l->n_groups) { /* not realloc: secrets must not stay behind */
            memcpy(groups, l->groups, l->n_groups * sizeof *groups);
            explicit_bzero(l->groups, l->n_groups * sizeof *groups);
        }
        zo_free(l->groups);
        l->groups = groups;
        l->cap_groups = cap;
    }
    l->groups[i] = (live_group){.name = *name, .key = key};
    memcpy(l->groups[i].secret, secret, ZO_KEY_BYTES);
    l->n_groups++;
    l->live_groups++;
    tagmap_put(&l->by_group, i);
    *out = i;
    return ZO_OK;
}

zo_status cells_group(zo_live *l, zo_act *a, const tag *name, uint32_t *out, zo_error *err)
{
    uint8_t secret[ZO_KEY_BYTES];
    zo_op *op;
    int64_t key;
    zo_status rc;

    if ((*out = cells_find_group(l, name)) != UINT32_MAX)
        return ZO_OK;
    if (!cells_keeps_rows(l)) /* one state for all: one key */
        return cells_enter_group(l, name, l->secret_key, l->secret, out, err);
    key = zo_store_next_key(a->store, false);
    crypt_random(secret, sizeof secret);
    rc = cells_enter_group(l, name, key, secret, out, err);
    if (rc == ZO_OK && (op = zo_changes_add(a->changes, ZO_OP_KEY_PUT, l->key, err)) != NULL) {
        op->u.key.key = key;
        memcpy(op->u.key.secret, secret, sizeof secret);
    } else if (rc == ZO_OK) {
        rc = ZO_ENOMEM;
    }
    explicit_bzero(secret, sizeof secret);
    return rc;
}

static tag place_of(const zo_live *l, uint32_t group, const tag *task, uint32_t cls)
{
    struct {
        tag group, task;
        uint32_t cls;
    } p = {l->groups[group].name, *task, cls};

    return crypt_tag(l->secret, TAG_ALL, &p, sizeof p);
}

zo_status cells_cell(zo_live *l, uint32_t group, const tag *task, uint32_t cls, uint32_t *out, zo_error *err)
{
    const tag place = place_of(l, group, task, cls);
    zo_status rc;

    if ((*out = tagmap_find(&l->by_place, &place, NULL, NULL)) != UINT32_MAX)
        return ZO_OK;
    if ((rc = tagmap_reserve(&l->by_place, 1, err)) != ZO_OK)
        return rc;
    if (l->n_cells == l->cap_cells) {
        const size_t cap = l->cap_cells ? 2 * l->cap_cells : 16;
        live_cell *cells = zo_realloc(l->cells, cap * sizeof *cells);

        if (!cells)
            return zo_fail_nomem(err);
        l->cells = cells;
        l->cap_cells = cap;
    }
    *out = (uint32_t)l->n_cells++;
    l->cells[*out] = (live_cell){.place = place, .task = *task, .group = group, .cls = cls, .used = true};
    tagmap_put(&l->by_place, *out);
    return ZO_OK;
}

void cells_joined(zo_live *l, uint32_t c, uint64_t n)
{
    l->cells[c].n += n;
    l->groups[l->cells[c].group].n += n;
}

void cells_loose(zo_live *l, uint32_t c, uint64_t n)
{
    l->loose += n - l->cells[c].loose;
    l->cells[c].loose = n;
}

zo_status cells_left(zo_live *l, zo_act *a, uint32_t c, uint64_t n, zo_error *err)
{
    live_group *g = &l->groups[l->cells[c].group];
    zo_op *op;

    l->cells[c].n -= n;
    g->n -= n;
    if (g->n > 0)
        return ZO_OK;
    if (cells_keeps_rows(l)) {
        if (!(op = zo_changes_add(a->changes, ZO_OP_KEY_DROP, l->key, err)))
            return ZO_ENOMEM;
        op->u.key.key = g->key;
    }
    /* its cells are empty, too: neither is found any more, and a group of that name begins anew */
    for (size_t i = 0; i < l->n_cells; i++)
        if (l->cells[i].used && l->cells[i].group == l->cells[c].group) {
            tagmap_remove(&l->by_place, (uint32_t)i);
            l->cells[i].used = false;
        }
    tagmap_remove(&l->by_group, l->cells[c].group);
    explicit_bzero(g->secret, sizeof g->secret);
    g->name = (tag){{0}};
    l->live_groups--;
    return ZO_OK;
}
