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

void cells_init(zo_live *l)
{
    l->groups = NULL;
    l->cells = NULL;
    l->n_groups = l->cap_groups = l->live_groups = l->n_cells = l->cap_cells = 0;
    l->free_group = l->free_cell = NO_SLOT;
    tagmap_init(&l->by_group, group_name, l);
    tagmap_init(&l->by_place, cell_place, l);
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

static zo_status group_slot(zo_live *l, uint32_t *out, zo_error *err)
{
    if (l->free_group != NO_SLOT) {
        *out = l->free_group;
        l->free_group = l->groups[*out].cells;
        return ZO_OK;
    }
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
    *out = (uint32_t)l->n_groups++;
    return ZO_OK;
}

zo_status cells_enter_group(zo_live *l, const tag *name, int64_t key, const uint8_t secret[ZO_KEY_BYTES], uint32_t *out,
                            zo_error *err)
{
    zo_status rc;

    if ((rc = tagmap_reserve(&l->by_group, 1, err)) != ZO_OK || (rc = group_slot(l, out, err)) != ZO_OK)
        return rc;
    l->groups[*out] = (live_group){.name = *name, .key = key, .cells = NO_SLOT};
    memcpy(l->groups[*out].secret, secret, ZO_KEY_BYTES);
    l->live_groups++;
    tagmap_put(&l->by_group, *out);
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

static zo_status cell_slot(zo_live *l, uint32_t *out, zo_error *err)
{
    if (l->free_cell != NO_SLOT) {
        *out = l->free_cell;
        l->free_cell = l->cells[*out].next;
        return ZO_OK;
    }
    if (l->n_cells == l->cap_cells) {
        const size_t cap = l->cap_cells ? 2 * l->cap_cells : 16;
        live_cell *cells = zo_realloc(l->cells, cap * sizeof *cells);

        if (!cells)
            return zo_fail_nomem(err);
        l->cells = cells;
        l->cap_cells = cap;
    }
    *out = (uint32_t)l->n_cells++;
    return ZO_OK;
}

zo_status cells_cell(zo_live *l, uint32_t group, const tag *task, uint32_t cls, uint32_t *out, zo_error *err)
{
    const tag place = place_of(l, group, task, cls);
    zo_status rc;

    if ((*out = tagmap_find(&l->by_place, &place, NULL, NULL)) != UINT32_MAX)
        return ZO_OK;
    if ((rc = tagmap_reserve(&l->by_place, 1, err)) != ZO_OK || (rc = cell_slot(l, out, err)) != ZO_OK)
        return rc;
    l->cells[*out] = (live_cell){.place = place,
                                 .task = *task,
                                 .group = group,
                                 .cls = cls,
                                 .next = l->groups[group].cells,
                                 .prev = NO_SLOT,
                                 .parts = NO_SLOT,
                                 .used = true};
    if (l->cells[*out].next != NO_SLOT)
        l->cells[l->cells[*out].next].prev = *out;
    l->groups[group].cells = *out;
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

static void free_empty_cell(zo_live *l, uint32_t c)
{
    const live_cell *cell = &l->cells[c];

    ZO_ASSERT(cell->parts == NO_SLOT);
    if (cell->next != NO_SLOT)
        l->cells[cell->next].prev = cell->prev;
    if (cell->prev != NO_SLOT)
        l->cells[cell->prev].next = cell->next;
    else
        l->groups[cell->group].cells = cell->next;
    tagmap_remove(&l->by_place, c);
    l->cells[c] = (live_cell){.next = l->free_cell};
    l->free_cell = c;
}

static void free_empty_group(zo_live *l, uint32_t g)
{
    ZO_ASSERT(l->groups[g].cells == NO_SLOT);
    tagmap_remove(&l->by_group, g);
    explicit_bzero(&l->groups[g], sizeof l->groups[g]);
    l->groups[g].cells = l->free_group;
    l->free_group = g;
    l->live_groups--;
}

zo_status cells_left(zo_live *l, zo_act *a, uint32_t c, uint64_t n, zo_error *err)
{
    const uint32_t g = l->cells[c].group;
    zo_op *op;

    l->cells[c].n -= n;
    l->groups[g].n -= n;
    if (l->cells[c].n == 0)
        free_empty_cell(l, c);
    if (l->groups[g].n > 0)
        return ZO_OK;
    if (cells_keeps_rows(l)) {
        if (!(op = zo_changes_add(a->changes, ZO_OP_KEY_DROP, l->key, err)))
            return ZO_ENOMEM;
        op->u.key.key = l->groups[g].key;
    }
    free_empty_group(l, g);
    return ZO_OK;
}
