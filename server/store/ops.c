/* What a write does to the tables, inside the writer's transaction.
 * A study's events must be dense. An actor runs ahead of the disk, so after a failed batch it may still hand over
 * events that follow lost ones; they must not be written. The last seq of recently written studies is kept in a small
 * direct-mapped table, and asked from the index on a miss; the table is forgotten whenever a transaction or a part of
 * it was undone. */
#include "internal.h"

int zo_bind_bytes(sqlite3_stmt *q, int i, const void *p, size_t bytes)
{
    return sqlite3_bind_blob64(q, i, p ? p : "", bytes, SQLITE_STATIC);
}

zo_status zo_conn_finish(zo_conn *c, sqlite3_stmt *q, int bound, const char *what, zo_error *err)
{
    const int rc = bound == SQLITE_OK ? sqlite3_step(q) : bound;
    const zo_status s = rc == SQLITE_DONE ? ZO_OK : zo_conn_fail(c, rc, what, err);

    zo_conn_done(q);
    return s;
}

void zo_ops_forget_tails(zo_store *st)
{
    st->epoch++;
    st->replies = -1;
}

static zo_tail *tail_slot(zo_store *st, int64_t study)
{
    return &st->tails[((uint64_t)study * 0x9e3779b97f4a7c15u >> 40) % ZO_TAIL_SLOTS];
}

/* The study's tail, from the table or the index. ENOTFOUND: no such study. */
static zo_status tail_get(zo_store *st, int64_t study, zo_tail **out, zo_error *err)
{
    zo_tail *t = tail_slot(st, study);
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc;

    if (t->study != study || t->epoch != st->epoch) {
        if ((s = zo_conn_query(&st->conn, ZO_SQL_LAST_SEQ, &q, err)) != ZO_OK)
            return s;
        if ((rc = sqlite3_bind_int64(q, 1, study)) == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
            *t = (zo_tail){.study = study,
                           .epoch = st->epoch,
                           .deleted = sqlite3_column_int(q, 0) != 0,
                           .last = (uint64_t)sqlite3_column_int64(q, 1)};
        else if (rc == SQLITE_DONE)
            s = zo_fail(err, ZO_ENOTFOUND, "", "there is no study %lld", (long long)study);
        else
            s = zo_conn_fail(&st->conn, rc, "read the end of a log", err);
        zo_conn_done(q);
    }
    if (s == ZO_OK && t->deleted)
        s = zo_fail(err, ZO_ENOTFOUND, "", "study %lld was deleted", (long long)study);
    *out = t;
    return s;
}

static zo_status put_events(zo_store *st, const zo_op *op, bool *alone, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_tail *t = NULL;
    zo_status s;
    int rc = SQLITE_OK;

    if ((s = tail_get(st, op->study, &t, err)) != ZO_OK ||
        (s = zo_conn_query(&st->conn, ZO_SQL_EVENT_PUT, &q, err)) != ZO_OK) {
        *alone = s == ZO_ENOTFOUND;
        return s;
    }
    if ((rc = sqlite3_bind_int64(q, 1, op->study)) != SQLITE_OK)
        s = zo_conn_fail(&st->conn, rc, "append event", err);
    for (size_t i = 0; s == ZO_OK && i < op->u.events.n; i++) {
        const zo_event *e = &op->u.events.items[i];

        if (e->seq != t->last + 1) {
            *alone = true;
            if (st->last_failure.code == ZO_OK) {
                s = zo_fail(err, ZO_ECONFLICT, "", "event %llu of study %lld does not follow event %llu",
                            (unsigned long long)e->seq, (long long)op->study, (unsigned long long)t->last);
            } else {
                *err = st->last_failure;
                s = err->code;
            }
            break;
        }
        if ((rc = sqlite3_bind_int64(q, 2, (int64_t)e->seq)) != SQLITE_OK ||
            (rc = sqlite3_bind_int(q, 3, (int)e->kind)) != SQLITE_OK ||
            (rc = sqlite3_bind_int64(q, 4, e->at_ms)) != SQLITE_OK ||
            (rc = zo_bind_bytes(q, 5, e->body, e->body_bytes)) != SQLITE_OK ||
            (rc = sqlite3_bind_int64(q, 6, zo_sum_event(op->study, e))) != SQLITE_OK ||
            (rc = sqlite3_step(q)) != SQLITE_DONE)
            s = zo_conn_fail(&st->conn, rc, "append event", err);
        else
            t->last = e->seq;
        sqlite3_reset(q);
    }
    zo_conn_done(q);
    return s;
}

/* Updates and deletes that met no row. */
static zo_status require_change(zo_store *st, const zo_op *op, bool *alone, zo_error *err)
{
    if (sqlite3_changes(st->conn.db) > 0)
        return ZO_OK;
    *alone = true;
    return zo_fail(err, ZO_ENOTFOUND, "", "there is no %s %lld", op->table == ZO_MODELS ? "model" : "study",
                   (long long)op->study);
}

static zo_status delete_row(zo_store *st, const zo_op *op, bool *alone, zo_error *err)
{
    zo_status s = zo_row_delete(st, op->table, op->study, err);

    if (s != ZO_OK || (s = require_change(st, op, alone, err)) != ZO_OK)
        return s;
    if (op->table == ZO_STUDIES) {
        zo_tail *t = tail_slot(st, op->study);

        if (t->study == op->study)
            t->epoch = st->epoch - 1;
        st->purge_due = true;
    } else {
        st->purge_models_due = true;
        return zo_tombstones_drop(st, op->study, err);
    }
    return ZO_OK;
}

zo_status zo_ops_run(zo_store *st, const zo_write *w, bool *alone_out, zo_error *err)
{
    bool alone = false;
    zo_status s = ZO_OK;

    for (const zo_op *op = w->ops; op && s == ZO_OK; op = op->next)
        switch (op->kind) {
        case ZO_OP_EVENTS:
            s = put_events(st, op, &alone, err);
            break;
        case ZO_OP_STUDY_CREATE:
            s = zo_row_create(st, op->table, op->u.row, err);
            break;
        case ZO_OP_STUDY_UPDATE:
            if ((s = zo_row_update(st, op->table, op->study, op->u.row, err)) == ZO_OK)
                s = require_change(st, op, &alone, err);
            break;
        case ZO_OP_STUDY_DELETE:
            s = delete_row(st, op, &alone, err);
            break;
        case ZO_OP_SNAPSHOT:
            s = zo_snapshot_put(st, op, err);
            break;
        case ZO_OP_IDEMPOTENCY:
            s = zo_reply_put(st, op->u.idempotency, err);
            break;
        case ZO_OP_PART_PUT:
            s = zo_part_put(st, op, err);
            break;
        case ZO_OP_PART_DROP:
            s = zo_part_drop(st, op, err);
            break;
        case ZO_OP_HISTORY:
            s = zo_history_put(st, op, err);
            break;
        case ZO_OP_SCRUB:
            s = zo_scrub_events(st, op, err);
            break;
        case ZO_OP_REPLIES_DROP:
            s = zo_replies_drop(st, op->study, err);
            break;
        case ZO_OP_TOMBSTONE:
            s = zo_tombstone_put(st, op, err);
            break;
        case ZO_OP_KEY_PUT: /* these are done before and after the transaction */
        case ZO_OP_KEY_DROP:
            break;
        }
    /* A broken constraint or an outsized value is the write's own fault, too. */
    *alone_out = alone || s == ZO_ECONFLICT || s == ZO_ETOOLARGE;
    return s;
}
