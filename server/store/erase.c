/* Erasure: after a forget the deleted bytes are overwritten in the main file only when the log has been copied into it,
 * and stay in the log until it is truncated. So the writer runs a TRUNCATE checkpoint, at most once a second for all
 * forgets since, and only then are they marked erased. A reader that still needs the log makes it wait; that is said,
 * not hidden (erased_ms stays empty). */
#include "internal.h"

#include "base/clock.h"
#include "base/log.h"

enum { COALESCE_MS = 1000, BUSY_MS = 200, PATIENCE_MS = 100 };

void zo_erase_request(zo_store *st)
{
    st->erase_due = true;
}

int64_t zo_erase_next_ms(const zo_store *st)
{
    if (!st->erase_due || !atomic_load(&st->writable))
        return INT64_MAX;
    return st->erase_ms;
}

static zo_status truncate_log(zo_store *st, zo_error *err)
{
    int rc;

    sqlite3_busy_timeout(st->conn.db, PATIENCE_MS);
    rc = sqlite3_wal_checkpoint_v2(st->conn.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    sqlite3_busy_timeout(st->conn.db, (int)st->busy_ms);
    if (rc != SQLITE_OK)
        return zo_conn_fail(&st->conn, rc, "empty the log", err);
    zo_checkpoint_truncated(st);
    return ZO_OK;
}

static zo_status mark(zo_store *st, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s;

    if ((s = zo_writer_begin(st, err)) != ZO_OK ||
        (s = zo_conn_query(&st->conn, ZO_SQL_HISTORY_ERASED, &q, err)) != ZO_OK)
        return s;
    s = zo_conn_finish(&st->conn, q, sqlite3_bind_int64(q, 1, zo_clock_wall_ms()), "mark as erased", err);
    if (s == ZO_OK)
        s = zo_tombstones_drop(st, 0, err); /* FILE-keys has them */
    return s == ZO_OK ? zo_conn_run(&st->conn, ZO_SQL_COMMIT, err) : s;
}

void zo_erase_step(zo_store *st)
{
    const int64_t now = zo_clock_mono_ms();
    zo_error err = {0};
    zo_status s = truncate_log(st, &err);

    if (s == ZO_OK)
        s = zo_keys_erase(st, &err);
    if (s == ZO_OK)
        s = mark(st, &err);
    st->erase_busy = s == ZO_EBUSY;
    if (s == ZO_OK) {
        st->erase_due = false;
        st->erase_ms = now + COALESCE_MS;
        return;
    }
    zo_writer_undo(st);
    (void)zo_store_judge(st, &err);
    st->erase_ms = now + (s == ZO_EBUSY ? BUSY_MS : COALESCE_MS);
}
