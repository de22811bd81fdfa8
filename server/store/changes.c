/* See changes.h. */
#include "store/changes.h"

void zo_changes_init(zo_changes *c)
{
    *c = (zo_changes){0};
    c->tail = &c->first;
}

void zo_changes_clear(zo_changes *c, size_t keep_bytes)
{
    for (size_t i = 0; i < c->n_blobs; i++)
        zo_free(c->blobs[i]);
    c->n_blobs = c->n = 0;
    c->first = NULL;
    c->tail = &c->first;
    if (c->arena && zo_arena_used_bytes(c->arena) > keep_bytes) {
        zo_arena_free(c->arena);
        c->arena = NULL;
    } else if (c->arena) {
        zo_arena_reset(c->arena);
    }
}

void zo_changes_fini(zo_changes *c)
{
    zo_changes_clear(c, 0);
    zo_arena_free(c->arena);
    zo_free(c->blobs);
    zo_changes_init(c);
}

zo_arena *zo_changes_arena(zo_changes *c, zo_error *err)
{
    if (!c->arena && !(c->arena = zo_arena_new(0)))
        zo_fail_nomem(err);
    return c->arena;
}

zo_op *zo_changes_add(zo_changes *c, zo_op_kind kind, int64_t owner, zo_error *err)
{
    zo_arena *arena = zo_changes_arena(c, err);
    zo_op *op = arena ? zo_arena_alloc(arena, sizeof *op) : NULL;

    if (!op) {
        zo_fail_nomem(err);
        return NULL;
    }
    op->kind = kind;
    op->study = owner;
    *c->tail = op;
    c->tail = &op->next;
    c->n++;
    return op;
}

zo_status zo_changes_take(zo_changes *c, void *blob, zo_error *err)
{
    if (c->n_blobs == c->cap_blobs) {
        const size_t cap = c->cap_blobs ? 2 * c->cap_blobs : 4;
        void **blobs = zo_realloc(c->blobs, cap * sizeof *blobs);

        if (!blobs) {
            zo_free(blob);
            return zo_fail_nomem(err);
        }
        c->blobs = blobs;
        c->cap_blobs = cap;
    }
    c->blobs[c->n_blobs++] = blob;
    return ZO_OK;
}
