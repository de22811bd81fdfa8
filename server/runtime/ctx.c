/* What a command may do beside appending events: zo_ctx_... (runtime.h). Each adds to the turn's record. */
#include "internal.h"

#include <string.h>

static turn *turn_of(zo_ctx *x)
{
    return (turn *)(void *)x; /* x is its first member */
}

zo_status zo_ctx_remember(zo_ctx *x, const zo_idempotency *reply, zo_error *err)
{
    turn *t = turn_of(x);
    zo_arena *arena = zo_changes_arena(&t->rec->more, err);
    zo_idempotency *copy = arena ? zo_arena_alloc(arena, sizeof *copy) : NULL;
    zo_op *op;

    if (!copy)
        return zo_fail_nomem(err);
    *copy = *reply;
    /* The request's own parts live until the command is finished, which is after the write. */
    if (reply->key != t->cmd->idempotency_key && reply->key && !(copy->key = zo_arena_strdup(arena, reply->key)))
        return zo_fail_nomem(err);
    if (reply->route != t->cmd->idempotency_route && reply->route &&
        !(copy->route = zo_arena_strdup(arena, reply->route)))
        return zo_fail_nomem(err);
    if (reply->body != t->cmd->body && reply->body &&
        !(copy->body = zo_arena_memdup(arena, reply->body, reply->body_bytes)))
        return zo_fail_nomem(err);
    if (reply->headers && !(copy->headers = zo_arena_strdup(arena, reply->headers)))
        return zo_fail_nomem(err);
    if (reply->reply && !(copy->reply = zo_arena_memdup(arena, reply->reply, reply->reply_bytes)))
        return zo_fail_nomem(err);
    if (!(op = zo_changes_add(&t->rec->more, ZO_OP_IDEMPOTENCY, 0, err)))
        return ZO_ENOMEM;
    op->u.idempotency = copy;
    t->cmd->rt.remembered = true;
    return ZO_OK;
}

zo_status zo_ctx_update_row(zo_ctx *x, const char *title, const char *metadata, zo_error *err)
{
    turn *t = turn_of(x);
    zo_arena *arena = zo_changes_arena(&t->rec->more, err);
    const char *title_copy = arena && title ? zo_arena_strdup(arena, title) : NULL;
    const char *metadata_copy = arena && metadata ? zo_arena_strdup(arena, metadata) : NULL;
    char *own_title = title ? zo_strdup(title) : NULL, *own_metadata = metadata ? zo_strdup(metadata) : NULL;
    char *old_title = NULL, *old_metadata = NULL;

    ZO_ASSERT(t->a && t->a->kind == ACTOR_STUDY);
    if (!arena || (title && (!title_copy || !own_title)) || (metadata && (!metadata_copy || !own_metadata))) {
        zo_free(own_title);
        zo_free(own_metadata);
        return zo_fail_nomem(err);
    }
    rt_lock(x->rt);
    if (title) {
        old_title = t->a->title;
        t->a->row.title = t->a->title = own_title;
        t->rec->update_row.title = title_copy;
    }
    if (metadata) {
        old_metadata = t->a->metadata;
        t->a->row.metadata = t->a->metadata = own_metadata;
        t->rec->update_row.metadata = metadata_copy;
    }
    t->a->row.revision++;
    t->a->row.updated_ms = x->now.wall_ms;
    rt_unlock(x->rt);
    t->rec->updates = true;
    t->rec->update_row.revision = t->a->row.revision;
    t->rec->update_row.updated_ms = x->now.wall_ms;
    zo_free(old_title);
    zo_free(old_metadata);
    return ZO_OK;
}

zo_status zo_ctx_delete(zo_ctx *x, zo_error *err)
{
    turn *t = turn_of(x);

    (void)err;
    ZO_ASSERT(t->a && t->a->kind != ACTOR_DIRECTORY);
    t->rec->deletes = true;
    t->a->deleting = true;
    return ZO_OK;
}

void zo_ctx_reload(zo_ctx *x)
{
    turn_of(x)->reload = true;
}

void zo_ctx_undo(zo_ctx *x)
{
    turn_of(x)->undo = true;
}

/* The row of a study whose creation is not durable yet: readers don't see it. Creations of a tenant run on one actor,
 * so all of them are in its two records. */
static bool find_undurable(turn *t, const char *name, zo_study_row *out, bool *nomem)
{
    zo_runtime *rt = t->w->rt;
    bool found = false;

    rt_lock(rt); /* flying lands under it: then the reader sees what it held */
    const record *const in[2] = {t->rec, t->a->flying};
    for (size_t i = 0; i < 2 && !found; i++) {
        for (created_op *c = in[i] ? in[i]->created : NULL; c && !found; c = c->next) {
            if (!c->row.name || strcmp(c->row.name, name) != 0)
                continue;
            zo_arena *s = t->x.scratch;
            const zo_study_row *r = &c->row;

            *out = *r;
            out->id = zo_arena_strdup(s, r->id);
            out->name = zo_arena_strdup(s, r->name);
            out->spec = zo_arena_strdup(s, r->spec);
            out->title = r->title ? zo_arena_strdup(s, r->title) : NULL;
            out->metadata = r->metadata ? zo_arena_strdup(s, r->metadata) : NULL;
            *nomem =
                !out->id || !out->name || !out->spec || (r->title && !out->title) || (r->metadata && !out->metadata);
            found = true;
        }
    }
    rt_unlock(rt);
    return found;
}

/* ZO_ECONFLICT with *existing_out if the name is taken, by what is durable or by what is on its way. */
static zo_status check_name(zo_ctx *x, const zo_study_row *row, zo_study_row *existing_out, zo_error *err)
{
    turn *t = turn_of(x);
    const bool model = t->a->table == ZO_MODELS;
    bool nomem = false;
    zo_error e = {0};
    zo_status rc;

    if (!row->name)
        return ZO_OK;
    if (!find_undurable(t, row->name, existing_out, &nomem)) {
        rc = model ? zo_reader_model(x->reader, t->a->tenant, row->name, x->scratch, existing_out, &e)
                   : zo_reader_study(x->reader, t->a->tenant, row->name, x->scratch, existing_out, &e);
        if (rc == ZO_ENOTFOUND)
            return ZO_OK;
        if (rc != ZO_OK) {
            if (err)
                *err = e;
            return rc;
        }
    }
    return nomem ? zo_fail_nomem(err)
                 : zo_fail(err, ZO_ECONFLICT, "/name", "the name is taken by %s %s", noun_of(t->a), existing_out->id);
}

static zo_status fill_row(zo_ctx *x, zo_study_row *row, const char *state, zo_error *err)
{
    turn *t = turn_of(x);
    const bool model = t->a->table == ZO_MODELS;
    char id[30];

    zo_store_new_id(x->rt->store, model ? "md_" : "st_", id);
    if (!(row->id = zo_arena_strdup(x->scratch, id)))
        return zo_fail_nomem(err);
    row->study = model ? zo_store_next_model(x->rt->store) : zo_store_next_study(x->rt->store);
    row->tenant = t->a->tenant;
    if (!row->state)
        row->state = state;
    if (!row->created_ms)
        row->created_ms = x->now.wall_ms;
    if (!row->updated_ms)
        row->updated_ms = row->created_ms;
    return ZO_OK;
}

/* A new actor for row, held until this turn is over; it takes study or live. */
static zo_status enter_created(zo_ctx *x, const zo_study_row *row, zo_study *study, zo_live *live, zo_error *err)
{
    turn *t = turn_of(x);
    zo_runtime *rt = t->w->rt;
    zo_arena *arena = zo_changes_arena(&t->rec->more, err);
    created_op *op = arena ? zo_arena_alloc(arena, sizeof *op) : NULL;
    actor *n = actor_new(live ? ACTOR_MODEL : ACTOR_STUDY, t->a->table, t->a->tenant), *other;
    dir_entry *by_id = dir_entry_new(t->a->table, t->a->tenant, row->id);
    dir_entry *by_name = row->name ? dir_entry_new(t->a->table, t->a->tenant, row->name) : NULL;

    if (!op || !n || !by_id || (row->name && !by_name) || actor_set_row(n, row, err) != ZO_OK)
        goto nomem;
    *op = (created_op){.actor = n, .row = n->row};
    if ((n->row.title && !(op->row.title = zo_arena_strdup(arena, n->row.title))) ||
        (n->row.metadata && !(op->row.metadata = zo_arena_strdup(arena, n->row.metadata))))
        goto nomem;
    n->resolved = true;
    n->held = true;
    if (study)
        n->lane = zo_study_solver(study)->cost == ZO_COST_MODEL ? LANE_LONG : LANE_SHORT;

    rt_lock(rt);
    if (timers_reserve(rt, err) != ZO_OK) {
        rt_unlock(rt);
        goto nomem;
    }
    n->study = study;
    n->live = live;
    n->flying = t->rec;
    if (x->events) {
        op->log = *x->events; /* taken */
        *x->events = (zo_events){0};
    }
    *t->rec->created_tail = op;
    t->rec->created_tail = &op->next;
    t->rec->n_created++;
    actor_link(rt, n);
    dir_put(rt, by_id, n);
    n->by_key = by_id;
    other = by_name ? dir_find(rt, t->a->table, t->a->tenant, by_name->key) : NULL;
    if (by_name && (!other || other->resolved)) { /* else it is looking for the row now and will find n by its id */
        dir_put(rt, by_name, n);
        n->by_name = by_name;
        by_name = NULL;
    }
    evict_touch(rt, n, x->now.mono_ms);
    n->next_deadline_ms = study ? zo_study_deadline(study) : INT64_MAX;
    timer_set(rt, n, n->next_deadline_ms);
    evict_set_bytes(rt, n, (study ? zo_study_memory_bytes(study) : zo_live_bytes(live)) + sizeof *n);
    rt_unlock(rt);
    zo_free(by_name);
    return ZO_OK;
nomem:
    zo_free(by_id);
    zo_free(by_name);
    actor_free(n);
    return zo_fail_nomem(err);
}

zo_status zo_ctx_create(zo_ctx *x, zo_study_row *row, zo_study *study, zo_study_row *existing_out, zo_error *err)
{
    zo_status rc;

    ZO_ASSERT(turn_of(x)->a && turn_of(x)->a->kind == ACTOR_DIRECTORY);
    if ((rc = check_name(x, row, existing_out, err)) != ZO_OK ||
        (rc = fill_row(x, row, zo_study_state_name(zo_study_get_state(study, NULL)), err)) != ZO_OK)
        return rc;
    return enter_created(x, row, study, NULL, err);
}

zo_status zo_ctx_create_model(zo_ctx *x, zo_study_row *row, zo_study_row *existing_out, zo_live **live_out,
                              zo_error *err)
{
    turn *t = turn_of(x);
    zo_live *live;
    zo_status rc;

    ZO_ASSERT(t->a && t->a->kind == ACTOR_DIRECTORY && t->a->table == ZO_MODELS);
    if ((rc = check_name(x, row, existing_out, err)) != ZO_OK || (rc = fill_row(x, row, "active", err)) != ZO_OK ||
        (rc = zo_live_new(row, x->act, &live, err)) != ZO_OK)
        return rc;
    zo_live_begin(live, t->rec->number);
    if ((rc = zo_live_seal(live, x->act, err)) != ZO_OK || (rc = enter_created(x, row, NULL, live, err)) != ZO_OK) {
        zo_live_free(live);
        t->undo = true; /* its first changes are in the record */
        return rc;
    }
    *live_out = live;
    return ZO_OK;
}
