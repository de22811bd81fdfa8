/* Taking trials out of a study's log: each event that speaks of them is replaced by what is left of it, in the
 * transaction of the forget. The log stays dense, and replaying it gives the study without them. Snapshots hold them,
 * too, and go. */
#include "internal.h"

enum { PAGE = 256 };

struct page {
    zo_events kept; /* what is left of the events it touched */
    uint64_t last;
    bool more;
};

/* A cursor and updates don't mix: a page is read first, then written. */
static zo_status read_page(zo_store *st, const zo_op *op, struct page *p, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, ZO_SQL_EVENTS, &q, err);
    int rc;

    zo_events_clear(&p->kept);
    p->more = false;
    if (s != ZO_OK)
        return s;
    rc = sqlite3_bind_int64(q, 1, op->study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, (int64_t)p->last);
    rc = rc ? rc : sqlite3_bind_int(q, 3, PAGE);
    while (rc == SQLITE_OK && s == ZO_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const zo_event e = {.seq = (uint64_t)sqlite3_column_int64(q, 0),
                            .kind = (zo_event_kind)sqlite3_column_int(q, 1),
                            .at_ms = sqlite3_column_int64(q, 2),
                            .body = sqlite3_column_blob(q, 3),
                            .body_bytes = (size_t)sqlite3_column_bytes(q, 3)};
        bool touched;

        s = zo_event_scrub(&e, op->u.scrub.numbers, op->u.scrub.n, &p->kept, &touched, err);
        p->last = e.seq;
        p->more = true;
        rc = SQLITE_OK;
    }
    if (s == ZO_OK && rc != SQLITE_OK && rc != SQLITE_DONE)
        s = zo_conn_fail(&st->conn, rc, "read events", err);
    zo_conn_done(q);
    return s;
}

static zo_status write_page(zo_store *st, int64_t study, const struct page *p, zo_error *err)
{
    zo_status s = ZO_OK;

    for (size_t i = 0; i < p->kept.n && s == ZO_OK; i++) {
        const zo_event *e = &p->kept.items[i];
        sqlite3_stmt *q = NULL;
        int rc;

        if ((s = zo_conn_query(&st->conn, ZO_SQL_EVENT_SCRUB, &q, err)) != ZO_OK)
            return s;
        rc = sqlite3_bind_int64(q, 1, study);
        rc = rc ? rc : sqlite3_bind_int64(q, 2, (int64_t)e->seq);
        rc = rc ? rc : zo_bind_bytes(q, 3, e->body, e->body_bytes);
        rc = rc ? rc : sqlite3_bind_int64(q, 4, zo_sum_event(study, e));
        s = zo_conn_finish(&st->conn, q, rc, "scrub an event", err);
    }
    return s;
}

zo_status zo_scrub_events(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    struct page p = {.more = true};
    zo_status s = ZO_OK;

    while (s == ZO_OK && p.more)
        if ((s = read_page(st, op, &p, err)) == ZO_OK)
            s = write_page(st, op->study, &p, err);
    zo_events_clear(&p.kept);
    zo_events_fini(&p.kept);
    if (s == ZO_OK)
        s = zo_conn_query(&st->conn, ZO_SQL_SNAPSHOTS_DROP, &q, err);
    return s == ZO_OK ? zo_conn_finish(&st->conn, q, sqlite3_bind_int64(q, 1, op->study), "drop snapshots", err) : s;
}
