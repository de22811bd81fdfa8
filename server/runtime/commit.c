/* The end of commands: when a record has landed its commands are finished, in order; when it has failed they fail
 * alike, and so do those that had already built on it, and its studies are dropped, to be reloaded from the log at
 * their next command. */
#include "internal.h"

void cmds_fail(cmd_list *l, const zo_error *e)
{
    for (zo_cmd *c = l->head; c; c = c->next) {
        c->status = e->code;
        c->err = *e;
    }
}

void cmds_finish(zo_runtime *rt, cmd_list *l)
{
    for (zo_cmd *c = l->head; c; c = c->next) {
        if (c->rt.keyed)
            key_release(rt, c);
        if (c->rt.actor)
            c->rt.actor->n_cmds--;
        c->rt.actor = NULL;
        c->rt.finished = true;
        rt->n_commands--;
        rt->command_bytes -= c->bytes;
    }
    zo_gauge_set(&zo_metric.actor_queue, (int64_t)rt->n_commands);
    if (l->head && rt->n_commands == 0 && atomic_load_explicit(&rt->draining, memory_order_relaxed))
        loop_wake(rt);
}

void rt_deliver(zo_runtime *rt, cmd_list *l)
{
    if (l->head)
        rt->o.finished(l->head, rt->o.ctx);
    *l = (cmd_list){0};
}

static void drop_actor(zo_runtime *rt, actor *a, const zo_error *e)
{
    a->drop = true;
    a->drop_err = *e;
    a->saving = false;
    a->wake = true;
    pool_schedule(rt, a);
}

void record_fail(zo_runtime *rt, record *r, const zo_error *e, cmd_list *done)
{
    cmds_fail(&r->cmds, e);
    cmds_join(done, &r->cmds);
    drop_actor(rt, r->actor, e);
    for (created_op *c = r->created; c; c = c->next) {
        c->actor->flying = NULL;
        if (c->actor->pending) {
            record *p = c->actor->pending;

            c->actor->pending = NULL;
            record_fail(rt, p, e, done); /* of a study: one level deep */
        }
        drop_actor(rt, c->actor, e);
    }
    record_put(rt, r);
}

/* The actor has no record in the store any more: its next one may go. */
static void send_pending(zo_runtime *rt, actor *a, zo_write ***tail)
{
    record *r = a->pending;

    a->flying = r;
    a->pending = NULL;
    if (!r) {
        if (a->drop)
            pool_schedule(rt, a);
        return;
    }
    record_seal(r);
    **tail = &r->write;
    *tail = &r->write.next;
}

static void landed(zo_runtime *rt, record *r, zo_write ***tail, cmd_list *done)
{
    actor *a = r->actor;
    created_op *c;

    a->landed = r->number;
    for (c = r->created; c; c = c->next)
        c->actor->landed = r->number;

    if (r->saves_head)
        a->saved_seq = r->saved_seq;
    if (r->saved_segments)
        a->saved_segments = r->saved_segments;
    if (r->saves_head || r->saved_segments) {
        a->saving = false;
        a->wake = true; /* more segments, or now it can go */
        pool_schedule(rt, a);
        if (r->saves_head)
            zo_count(&zo_metric.snapshots, 1);
    }
    if (r->deletes) {
        a->deleted = true;
        dir_forget(rt, a);
        a->wake = true;
        pool_schedule(rt, a);
    }
    for (c = r->created; c; c = c->next)
        send_pending(rt, c->actor, tail);
    send_pending(rt, a, tail);
    if (a->evict && !a->flying) {
        a->wake = true;
        pool_schedule(rt, a);
    }
    cmds_join(done, &r->cmds);
    record_put(rt, r);
}

void zo_runtime_committed(zo_write *list, void *runtime)
{
    zo_runtime *rt = runtime;
    zo_write *again = NULL, **tail = &again;
    cmd_list done = {0};

    rt_lock(rt);
    for (zo_write *w = list, *next; w; w = next) {
        record *r = w->owner;

        next = w->next;
        if (w->status == ZO_OK) {
            landed(rt, r, &tail, &done);
        } else {
            zo_error e = w->err;
            record *p = r->actor->pending;

            e.code = w->status;
            r->actor->flying = NULL;
            r->actor->pending = NULL;
            record_fail(rt, r, &e, &done);
            if (p)
                record_fail(rt, p, &e, &done);
        }
    }
    *tail = NULL;
    cmds_finish(rt, &done);
    evict_for_memory(rt);
    pool_wake(rt);
    rt_unlock(rt);
    if (again)
        zo_store_submit(rt->store, again);
    rt_deliver(rt, &done);
}
