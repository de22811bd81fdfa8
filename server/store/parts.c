/* Parts: what a model keeps of its data, sealed pieces that are put and dropped whole. */
#include "internal.h"

static int64_t sum_of(int64_t part, int64_t model, int64_t kind, int64_t key, const void *body, size_t bytes)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, part);
    zo_sum_int(&s, model);
    zo_sum_int(&s, kind);
    zo_sum_int(&s, key);
    zo_sum_bytes(&s, body, bytes);
    return zo_sum_end(&s);
}

/* A body of the same size is written over where it lies: no page is freed, searched for or made zero, which is two
 * fifths of the cost of a drop and a put. */
zo_status zo_part_put(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, op->u.part.over ? ZO_SQL_PART_OVER : ZO_SQL_PART_PUT, &q, err);
    int rc = SQLITE_OK;

    if (s != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, op->u.part.part);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, op->study);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, op->u.part.kind);
    rc = rc ? rc : sqlite3_bind_int64(q, 4, op->u.part.key);
    rc = rc ? rc : zo_bind_bytes(q, 5, op->u.part.body, op->u.part.bytes);
    rc = rc ? rc
            : sqlite3_bind_int64(q, 6,
                                 sum_of(op->u.part.part, op->study, op->u.part.kind, op->u.part.key, op->u.part.body,
                                        op->u.part.bytes));
    s = zo_conn_finish(&st->conn, q, rc, "store a model's data", err);
    if (s == ZO_OK && op->u.part.over && sqlite3_changes(st->conn.db) != 1)
        return zo_fail(err, ZO_ECONFLICT, "", "a part that is to be written over is not there");
    return s;
}

zo_status zo_part_drop(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    const bool all = op->u.part.part == 0;
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, all ? ZO_SQL_PARTS_DROP : ZO_SQL_PART_DROP, &q, err);
    int rc;

    if (s != ZO_OK)
        return s;
    if (all) {
        rc = sqlite3_bind_int64(q, 1, op->study);
    } else {
        rc = sqlite3_bind_int64(q, 1, op->u.part.part);
        rc = rc ? rc : sqlite3_bind_int64(q, 2, op->study);
    }
    return zo_conn_finish(&st->conn, q, rc, "drop a model's data", err);
}

zo_status zo_reader_part(zo_reader *r, int64_t model, int64_t part, uint32_t *kind_out, int64_t *key_out,
                         void **body_out, size_t *bytes_out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_PART, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, part);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, model);
    rc = rc ? rc : sqlite3_step(q);
    if (rc != SQLITE_ROW) {
        s = rc == SQLITE_DONE ? zo_fail(err, ZO_ENOTFOUND, "", "there is no part %lld", (long long)part)
                              : zo_reader_fail(r, rc, "read a model's data", err);
        goto done;
    }
    const void *blob = sqlite3_column_blob(q, 2);
    const size_t bytes = (size_t)sqlite3_column_bytes(q, 2);
    void *body = zo_memalign64(bytes);
    if (!body || (bytes && !blob)) {
        zo_free(body);
        s = zo_fail_nomem(err);
        goto done;
    }
    if (bytes)
        memcpy(body, blob, bytes);
    *kind_out = (uint32_t)sqlite3_column_int64(q, 0);
    *key_out = sqlite3_column_int64(q, 1);
    if (sqlite3_column_int64(q, 3) != sum_of(part, model, *kind_out, *key_out, body, bytes)) {
        zo_free(body);
        s = zo_reader_damaged(r, "a model's data", model, err);
        goto done;
    }
    *body_out = body;
    *bytes_out = bytes;
done:
    zo_conn_done(q);
    return s;
}

zo_status zo_reader_part_of_kind(zo_reader *r, int64_t model, uint32_t kind, int64_t *part_out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_PART_OF_KIND, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, model);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, kind);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW)
        *part_out = sqlite3_column_int64(q, 0);
    else
        s = zo_reader_fail(r, rc, "find a model's data", err);
    zo_conn_done(q);
    return s;
}

/* A page of parts is read inside one transaction: it must end soon, so it ends after PAGE_BYTES. */
zo_status zo_reader_parts(zo_reader *r, int64_t model,
                          zo_status (*each)(void *ctx, int64_t part, uint32_t kind, int64_t key, const void *body,
                                            size_t bytes),
                          void *ctx, zo_error *err)
{
    enum { PAGE_PARTS = 256, PAGE_BYTES = 4 << 20 };
    int64_t after = 0;
    zo_status s = ZO_OK;
    bool more = true;

    while (more && s == ZO_OK) {
        sqlite3_stmt *q = NULL;
        size_t used = 0;
        int rc;

        if ((s = zo_conn_query(&r->conn, ZO_SQL_PARTS, &q, err)) != ZO_OK)
            return zo_reader_judge(r, s, err);
        rc = sqlite3_bind_int64(q, 1, model);
        rc = rc ? rc : sqlite3_bind_int64(q, 2, after);
        rc = rc ? rc : sqlite3_bind_int(q, 3, PAGE_PARTS);
        more = false;
        while (rc == SQLITE_OK && s == ZO_OK && used < PAGE_BYTES && (rc = sqlite3_step(q)) == SQLITE_ROW) {
            const int64_t part = sqlite3_column_int64(q, 0), kind = sqlite3_column_int64(q, 1),
                          key = sqlite3_column_int64(q, 2);
            const void *body = sqlite3_column_blob(q, 3);
            const size_t bytes = (size_t)sqlite3_column_bytes(q, 3);

            if (bytes && !body) {
                rc = SQLITE_NOMEM;
                break;
            }
            if (sqlite3_column_int64(q, 4) != sum_of(part, model, kind, key, body, bytes))
                s = zo_reader_damaged(r, "a model's data", model, err);
            else
                s = each(ctx, part, (uint32_t)kind, key, body, bytes);
            after = part;
            used += bytes;
            more = true;
            rc = SQLITE_OK;
        }
        if (s == ZO_OK && rc != SQLITE_OK && rc != SQLITE_DONE)
            s = zo_reader_fail(r, rc, "read a model's data", err);
        zo_conn_done(q);
    }
    return s;
}
