/* Reading logs. A reader is one read-only connection for one thread; it sees committed rows only.
 * Each call is a read transaction of its own, and never longer than a page: an old transaction would keep the log from
 * starting over. */
#include "internal.h"

#include <stdio.h>

zo_status zo_reader_judge(zo_reader *r, zo_status s, const zo_error *err)
{
    if (s == ZO_ESTORE) {
        zo_error e = {0};

        zo_fail(&e, s, "", "%s", err ? err->message : "a read failed");
        zo_store_break(r->st, &e);
    }
    return s;
}

zo_status zo_reader_fail(zo_reader *r, int rc, const char *what, zo_error *err)
{
    zo_error e = {0};
    const zo_status s = zo_conn_fail(&r->conn, rc, what, &e);

    if (err)
        *err = e;
    return zo_reader_judge(r, s, &e);
}

zo_status zo_reader_damaged(zo_reader *r, const char *what, int64_t study, zo_error *err)
{
    zo_error e = {0};

    zo_fail(&e, ZO_ESTORE, "", "%s is damaged (study %lld): restore a backup", what, (long long)study);
    if (err)
        *err = e;
    return zo_reader_judge(r, ZO_ESTORE, &e);
}

zo_status zo_reader_open(zo_store *st, zo_reader **out, zo_error *err)
{
    zo_reader *r = zo_calloc(1, sizeof *r);
    zo_status s;

    if (!r)
        return zo_fail_nomem(err);
    r->st = st;
    if ((s = zo_conn_open(&r->conn, st->path, st->vfs, ZO_CONN_READ, st->busy_ms, err)) != ZO_OK) {
        zo_free(r);
        return s;
    }
    *out = r;
    return ZO_OK;
}

void zo_reader_close(zo_reader *r)
{
    if (!r)
        return;
    for (size_t i = 0; i < ZO_LEN(r->lists); i++)
        sqlite3_finalize(r->lists[i]);
    zo_conn_close(&r->conn);
    zo_free(r->page);
    zo_free(r);
}

void zo_reader_rest(zo_reader *r)
{
    sqlite3_db_release_memory(r->conn.db);
    if (r->page_cap)
        explicit_bzero(r->page, r->page_cap);
}

/* ---- events ---- */

static bool reserve_page(zo_reader *r, size_t bytes)
{
    uint8_t *p;

    if (bytes <= r->page_cap)
        return true;
    bytes = bytes > 2 * r->page_cap ? bytes : 2 * r->page_cap;
    if (!(p = zo_realloc(r->page, bytes)))
        return false;
    r->page = p;
    r->page_cap = bytes;
    return true;
}

/* A gap is damage, unless the study was deleted and is being purged from its start. */
static zo_status gap(zo_reader *r, int64_t study, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_LAST_SEQ, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_DONE || (rc == SQLITE_ROW && sqlite3_column_int(q, 0) != 0))
        s = zo_fail(err, ZO_ENOTFOUND, "", "study %lld was deleted", (long long)study);
    else if (rc == SQLITE_ROW)
        s = zo_reader_damaged(r, "an event log", study, err);
    else
        s = zo_reader_fail(r, rc, "read events", err);
    zo_conn_done(q);
    return s;
}

/* Copy up to a page of events after seq into r->items: the callback may take its time, and a transaction must not. */
static zo_status read_page(zo_reader *r, int64_t study, uint64_t after, size_t *n_out, zo_error *err)
{
    size_t n = 0, used = 0;
    bool is_gap = false;
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_EVENTS, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, (int64_t)after);
    rc = rc ? rc : sqlite3_bind_int(q, 3, ZO_PAGE_EVENTS);
    while (rc == SQLITE_OK && used < ZO_PAGE_BYTES && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const void *blob = sqlite3_column_blob(q, 3);
        zo_event *e = &r->items[n];

        *e = (zo_event){.seq = (uint64_t)sqlite3_column_int64(q, 0),
                        .kind = (zo_event_kind)sqlite3_column_int(q, 1),
                        .at_ms = sqlite3_column_int64(q, 2),
                        .body = blob,
                        .body_bytes = (size_t)sqlite3_column_bytes(q, 3)};
        if (e->body_bytes > 0 && !blob) {
            rc = sqlite3_errcode(r->conn.db);
            break;
        }
        if ((is_gap = e->seq != after + n + 1)) {
            rc = SQLITE_DONE;
            break;
        }
        if (sqlite3_column_int64(q, 4) != zo_sum_event(study, e)) {
            s = zo_reader_damaged(r, "an event", study, err);
            goto done;
        }
        if (!reserve_page(r, used + e->body_bytes + 1)) {
            s = zo_fail_nomem(err);
            goto done;
        }
        if (e->body_bytes > 0)
            memcpy(r->page + used, blob, e->body_bytes);
        used += e->body_bytes;
        n++;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK && rc != SQLITE_DONE) {
        s = zo_reader_fail(r, rc, "read events", err);
        goto done;
    }
    used = 0;
    for (size_t i = 0; i < n; i++) { /* the page may have moved while it grew */
        r->items[i].body = r->page + used;
        used += r->items[i].body_bytes;
    }
    *n_out = n;
done:
    zo_conn_done(q);
    return s == ZO_OK && is_gap ? gap(r, study, err) : s;
}

zo_status zo_reader_events(zo_reader *r, int64_t study, uint64_t after, zo_status (*each)(void *ctx, const zo_event *e),
                           void *ctx, zo_error *err)
{
    size_t n = 0;
    zo_status s;

    do {
        if ((s = read_page(r, study, after, &n, err)) != ZO_OK)
            return s;
        for (size_t i = 0; i < n; i++)
            if ((s = each(ctx, &r->items[i])) != ZO_OK)
                return s;
        after += n;
    } while (n > 0);
    return ZO_OK;
}

zo_status zo_reader_last_rebase(zo_reader *r, int64_t study, uint64_t *seq_out, zo_error *err)
{
    _Static_assert(ZO_EVENT_REBASED == 11 && ZO_EVENT_FORGOTTEN == 12,
                   "the literals in LAST_REBASE and in the index events_rebased");
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_LAST_REBASE, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *seq_out = (uint64_t)sqlite3_column_int64(q, 0);
    else
        s = zo_reader_fail(r, rc, "find the last rebase", err);
    zo_conn_done(q);
    return s;
}
