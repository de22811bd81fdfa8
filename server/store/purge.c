/* House-keeping of the writer, in steps small enough to go between two batches: the rows of deleted studies, 1,000 a
 * step, and remembered replies that are older than a day. */
#include "internal.h"

#include "base/clock.h"

enum { STEP_ROWS = 1000, STEP_SNAPSHOTS = 8, STEP_PARTS = 64, RETRY_MS = 1000, EXPIRE_EVERY_MS = 3600 * 1000 };

int64_t zo_purge_next_ms(const zo_store *st)
{
    if (!atomic_load(&st->writable))
        return zo_clock_mono_ms() + EXPIRE_EVERY_MS;
    return (st->purge_due || st->purge_models_due) && st->purge_ms < st->expire_ms ? st->purge_ms : st->expire_ms;
}

/* Run one DELETE with two parameters; *n_out rows went. */
static zo_status drop(zo_store *st, zo_sql which, int64_t a, int64_t limit, int64_t *n_out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, which, &q, err);
    int rc;

    if (s != ZO_OK)
        return s;
    rc = sqlite3_bind_int64(q, 1, a);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(q) > 1)
        rc = sqlite3_bind_int64(q, 2, limit);
    s = zo_conn_finish(&st->conn, q, rc, "purge", err);
    *n_out = s == ZO_OK ? sqlite3_changes64(st->conn.db) : 0;
    return s;
}

static zo_status find_deleted(zo_store *st, zo_sql which, int64_t *key_out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, which, &q, err);
    int rc;

    if (s != ZO_OK)
        return s;
    rc = sqlite3_step(q);
    *key_out = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        s = zo_conn_fail(&st->conn, rc, "purge", err);
    zo_conn_done(q);
    return s;
}

static zo_status purge_some(zo_store *st, int64_t study, zo_error *err)
{
    int64_t n = 0;
    zo_status s = drop(st, ZO_SQL_PURGE_EVENTS, study, STEP_ROWS, &n, err);

    if (s != ZO_OK || n == STEP_ROWS)
        return s;
    if ((s = drop(st, ZO_SQL_PURGE_SNAPSHOTS, study, STEP_SNAPSHOTS, &n, err)) != ZO_OK || n == STEP_SNAPSHOTS)
        return s;
    if ((s = drop(st, ZO_SQL_PURGE_STUDY_HISTORY, study, STEP_ROWS, &n, err)) != ZO_OK || n == STEP_ROWS)
        return s;
    return drop(st, ZO_SQL_PURGE_STUDY, study, 0, &n, err);
}

static zo_status purge_model(zo_store *st, int64_t model, zo_error *err)
{
    int64_t n = 0;
    zo_status s = drop(st, ZO_SQL_PURGE_PARTS, model, STEP_PARTS, &n, err);

    if (s != ZO_OK || n == STEP_PARTS)
        return s;
    if ((s = drop(st, ZO_SQL_PURGE_HISTORY, model, STEP_ROWS, &n, err)) != ZO_OK || n == STEP_ROWS)
        return s;
    /* With its row would go the only trace of keys that are still to be destroyed. */
    if (st->keys_left && (s = zo_keys_erase(st, err)) != ZO_OK)
        return s;
    return drop(st, ZO_SQL_PURGE_MODEL, model, 0, &n, err);
}

static zo_status expire_some(zo_store *st, bool *more, zo_error *err)
{
    int64_t n = 0;
    const int64_t day_ago = zo_clock_wall_ms() - 24 * 3600 * 1000ll;
    zo_status s = drop(st, ZO_SQL_REPLY_EXPIRE, day_ago, STEP_ROWS, &n, err);

    *more = n == STEP_ROWS;
    if (n > 0)
        st->replies = -1;
    return s;
}

static zo_status step(zo_store *st, int64_t now, zo_error *err)
{
    int64_t study = 0, model = 0;
    bool more = false;
    zo_status s;

    if (st->purge_due && st->purge_ms <= now) {
        if ((s = find_deleted(st, ZO_SQL_PURGE_NEXT, &study, err)) != ZO_OK)
            return s;
        st->purge_due = study != 0;
    }
    if (study == 0 && st->purge_models_due && st->purge_ms <= now) {
        if ((s = find_deleted(st, ZO_SQL_PURGE_NEXT_MODEL, &model, err)) != ZO_OK)
            return s;
        st->purge_models_due = model != 0;
        if (model == 0)
            zo_erase_request(st); /* what was dropped leaves the log, too */
    }
    if (study == 0 && model == 0 && st->expire_ms > now)
        return ZO_OK;
    if ((s = zo_writer_begin(st, err)) != ZO_OK)
        return s;
    s = study != 0   ? purge_some(st, study, err)
        : model != 0 ? purge_model(st, model, err)
                     : expire_some(st, &more, err);
    if (s == ZO_OK)
        s = zo_conn_run(&st->conn, ZO_SQL_COMMIT, err);
    if (s == ZO_OK && study == 0 && model == 0 && !more)
        st->expire_ms = now + EXPIRE_EVERY_MS;
    return s;
}

void zo_purge_step(zo_store *st)
{
    const int64_t now = zo_clock_mono_ms();
    zo_error err = {0};
    const zo_status s = step(st, now, &err);

    if (s != ZO_OK) {
        zo_writer_undo(st);
        (void)zo_store_judge(st, &err);
        st->purge_ms = now + RETRY_MS; /* full, busy or out of memory: later */
        st->expire_ms = st->expire_ms > now + RETRY_MS ? st->expire_ms : now + RETRY_MS;
    }
    zo_checkpoint_after_commit(st);
}
