/* Tombstones of what was forgotten live in FILE-keys, so that they outlive a restored backup of the database. They get
 * there by way of a table of the database (migration 0003): written in the transaction of their forget, copied before
 * it is acknowledged, copied again by the erasure if that failed, and dropped when the erasure is done. */
#include "internal.h"

static int bind(sqlite3_stmt *q, const zo_tombstone *t)
{
    int rc = sqlite3_bind_int64(q, 1, t->model);

    rc = rc ? rc : sqlite3_bind_int64(q, 2, t->kind);
    rc = rc ? rc : sqlite3_bind_blob(q, 3, t->tag, ZO_TAG_BYTES, SQLITE_STATIC);
    return rc ? rc : sqlite3_bind_int64(q, 4, (int64_t)t->request);
}

zo_status zo_tombstone_put(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    const zo_status s = zo_conn_query(&st->conn, ZO_SQL_TOMBSTONE_PUT, &q, err);

    return s == ZO_OK ? zo_conn_finish(&st->conn, q, bind(q, &op->u.tombstone), "note a tombstone", err) : s;
}

zo_status zo_tombstones_drop(zo_store *st, int64_t model, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    const zo_status s = zo_conn_query(&st->conn, ZO_SQL_TOMBSTONES_DROP, &q, err);

    return s == ZO_OK ? zo_conn_finish(&st->conn, q, sqlite3_bind_int64(q, 1, model), "drop tombstones", err) : s;
}

/* A model's request numbers only grow, so the greater is the newer: what an old copy of the database still has to copy
 * changes nothing. */
int zo_tombstone_bury(sqlite3 *keys, const zo_tombstone *t)
{
    sqlite3_stmt *q = NULL;
    int rc =
        sqlite3_prepare_v2(keys,
                           "INSERT INTO tombstones (model, kind, tag, request) VALUES (?1, ?2, ?3, ?4)"
                           " ON CONFLICT (model, kind, tag) DO UPDATE SET request = max(request, excluded.request)",
                           -1, &q, NULL);

    rc = rc ? rc : bind(q, t);
    rc = rc ? rc : sqlite3_step(q);
    sqlite3_finalize(q);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static zo_status read_due(zo_conn *c, int64_t model, zo_status (*each)(void *ctx, const zo_tombstone *t), void *ctx,
                          zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(c, ZO_SQL_TOMBSTONES_DUE, &q, err);
    int rc = s == ZO_OK ? sqlite3_bind_int64(q, 1, model) : SQLITE_OK;

    if (s != ZO_OK)
        return s;
    while (rc == SQLITE_OK && s == ZO_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        zo_tombstone t = {.model = sqlite3_column_int64(q, 0),
                          .kind = (uint32_t)sqlite3_column_int64(q, 1),
                          .request = (uint64_t)sqlite3_column_int64(q, 3)};
        const void *tag = sqlite3_column_blob(q, 2);

        if (!sqlite3_column_int(q, 4) || !tag || sqlite3_column_bytes(q, 2) != ZO_TAG_BYTES) {
            s = zo_fail(err, ZO_ESTORE, "", "a tombstone of model %lld is damaged", (long long)t.model);
            break;
        }
        memcpy(t.tag, tag, ZO_TAG_BYTES);
        s = each(ctx, &t);
        rc = SQLITE_OK;
    }
    if (s == ZO_OK && rc != SQLITE_DONE)
        s = zo_conn_fail(c, rc, "read tombstones", err);
    zo_conn_done(q);
    return s;
}

struct copying {
    sqlite3 *keys;
    int rc;
};

static zo_status copy_one(void *ctx, const zo_tombstone *t)
{
    struct copying *c = ctx;

    c->rc = zo_tombstone_bury(c->keys, t);
    return c->rc == SQLITE_OK ? ZO_OK : ZO_ESTORE;
}

zo_status zo_tombstones_copy(zo_store *st, int *keys_rc, zo_error *err) /* [store] */
{
    struct copying c = {.keys = st->keys};
    const zo_status s = read_due(&st->conn, 0, copy_one, &c, err);

    *keys_rc = c.rc;
    return s;
}

zo_status zo_tombstones_due(zo_reader *r, int64_t model, zo_status (*each)(void *ctx, const zo_tombstone *t), void *ctx,
                            zo_error *err)
{
    return zo_reader_judge(r, read_due(&r->conn, model, each, ctx, err), err);
}
