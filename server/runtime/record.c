/* Records: what turns of one actor write, gathered for one zo_write. They are recycled with their buffers. */
#include "internal.h"

enum { KEEP_RECORDS = 64, KEEP_BYTES = 1 << 20 };

record *record_get(zo_runtime *rt, zo_error *err)
{
    record *r;

    rt_lock(rt);
    r = rt->free_records;
    if (r) {
        rt->free_records = r->next_free;
        rt->n_free_records--;
    }
    rt_unlock(rt);
    if (!r && !(r = zo_calloc(1, sizeof *r))) {
        zo_fail_nomem(err);
        return NULL;
    }
    r->next_free = NULL;
    if (!r->more.tail)
        zo_changes_init(&r->more);
    r->created_tail = &r->created;
    return r;
}

static void release_contents(record *r)
{
    for (created_op *c = r->created; c; c = c->next)
        zo_events_fini(&c->log);
    r->created = NULL;
    r->n_created = 0;
}

void record_destroy(record *r)
{
    if (!r)
        return;
    ZO_ASSERT(!r->cmds.head);
    release_contents(r);
    zo_events_fini(&r->log);
    zo_changes_fini(&r->more);
    zo_free(r);
}

void record_put(zo_runtime *rt, record *r)
{
    ZO_ASSERT(!r->cmds.head);
    release_contents(r);
    if (rt->n_free_records >= KEEP_RECORDS || r->log.cap_bytes > KEEP_BYTES) {
        record_destroy(r);
        return;
    }
    zo_events_clear(&r->log);
    zo_changes_clear(&r->more, KEEP_BYTES);
    *r = (record){.log = r->log, .more = r->more, .next_free = rt->free_records};
    r->more.tail = &r->more.first; /* it has moved with the struct */
    rt->free_records = r;
    rt->n_free_records++;
}

bool record_has_effect(const record *r)
{
    return r->log.n || r->updates || r->deletes || r->more.first || r->created;
}

/* Creations come first: what follows may refer to them. */
void record_seal(record *r)
{
    zo_op **tail = &r->write.ops;
    const int64_t study = r->actor->row.study;
    const zo_table table = r->actor->table;

    for (created_op *c = r->created; c; c = c->next) {
        c->create =
            (zo_op){.kind = ZO_OP_STUDY_CREATE, .table = c->actor->table, .study = c->row.study, .u.row = &c->row};
        *tail = &c->create;
        tail = &c->create.next;
        if (c->log.n) {
            c->events = (zo_op){.kind = ZO_OP_EVENTS, .study = c->row.study, .u.events = {c->log.items, c->log.n}};
            *tail = &c->events;
            tail = &c->events.next;
        }
    }
    if (r->log.n) {
        r->events = (zo_op){.kind = ZO_OP_EVENTS, .study = study, .u.events = {r->log.items, r->log.n}};
        *tail = &r->events;
        tail = &r->events.next;
    }
    if (r->updates) {
        r->update_row.study = study;
        r->update = (zo_op){.kind = ZO_OP_STUDY_UPDATE, .table = table, .study = study, .u.row = &r->update_row};
        *tail = &r->update;
        tail = &r->update.next;
    }
    *tail = r->more.first;
    if (r->more.first)
        tail = r->more.tail;
    if (r->deletes) {
        r->delete_op = (zo_op){.kind = ZO_OP_STUDY_DELETE, .table = table, .study = study};
        *tail = &r->delete_op;
        tail = &r->delete_op.next;
    }
    *tail = NULL;
    r->write.owner = r;
    r->write.next = NULL;
    r->write.status = ZO_OK;
}

void record_set_state(record *r, actor *a, const char *state, int64_t now_ms)
{
    a->row.state = state;
    a->row.updated_ms = now_ms;
    r->updates = true;
    r->update_row.state = state;
    r->update_row.updated_ms = now_ms;
    r->update_row.revision = a->row.revision;
}

zo_status record_add_snapshot(record *r, int64_t study, uint32_t part, uint64_t seq, char *body, size_t bytes,
                              zo_error *err)
{
    zo_op *op;

    if (zo_changes_take(&r->more, body, err) != ZO_OK || !(op = zo_changes_add(&r->more, ZO_OP_SNAPSHOT, study, err)))
        return ZO_ENOMEM;
    op->u.snapshot.part = part;
    op->u.snapshot.seq = seq;
    op->u.snapshot.body = body;
    op->u.snapshot.bytes = bytes;
    return ZO_OK;
}
