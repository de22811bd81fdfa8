/* Histories: an append-only chain of what was learned and forgotten. The newest entry alone shows the state's digest
 * and the salt of its commitment; the next forget takes both away, so that old digests can't confirm a guess at what
 * was forgotten. */
#include "internal.h"

enum { HASH_BYTES = 32 };

static zo_status fade(zo_store *st, const zo_history *h, uint64_t seq, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, ZO_SQL_HISTORY_FORGET_DIGESTS, &q, err);
    int rc;

    if (s != ZO_OK)
        return s;
    rc = sqlite3_bind_int(q, 1, h->of_study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, h->owner);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, (int64_t)seq);
    return zo_conn_finish(&st->conn, q, rc, "fade a digest", err);
}

static int bind_optional(sqlite3_stmt *q, int i, const uint8_t *p)
{
    return p ? sqlite3_bind_blob(q, i, p, HASH_BYTES, SQLITE_STATIC) : sqlite3_bind_null(q, i);
}

zo_status zo_history_put(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    const zo_history *h = op->u.history.entry;
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = SQLITE_OK;

    if (op->u.history.fade && (s = fade(st, h, op->u.history.fade, err)) != ZO_OK)
        return s;
    if ((s = zo_conn_query(&st->conn, ZO_SQL_HISTORY_PUT, &q, err)) != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int(q, 1, h->of_study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, h->owner);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, (int64_t)h->seq);
    if (h->request)
        rc = rc ? rc : sqlite3_bind_int64(q, 4, (int64_t)h->request);
    rc = rc ? rc : sqlite3_bind_int64(q, 5, h->at_ms);
    rc = rc ? rc : sqlite3_bind_text(q, 6, h->body, -1, SQLITE_STATIC);
    rc = rc ? rc : sqlite3_bind_blob(q, 7, h->hash, HASH_BYTES, SQLITE_STATIC);
    rc = rc ? rc : bind_optional(q, 8, h->digest);
    rc = rc ? rc : bind_optional(q, 9, h->salt);
    if ((s = zo_conn_finish(&st->conn, q, rc, "append to a history", err)) == ZO_OK && h->request)
        zo_erase_request(st);
    return s;
}

/* ---- reading ---- */

static int64_t sum_of_row(bool of_study, int64_t owner, sqlite3_stmt *q)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, of_study);
    zo_sum_int(&s, owner);
    for (int i = 0; i < 8; i++) {
        switch (sqlite3_column_type(q, i)) {
        case SQLITE_INTEGER:
            zo_sum_int(&s, sqlite3_column_int64(q, i));
            break;
        case SQLITE_NULL:
            zo_sum_text(&s, NULL);
            break;
        default: {
            const void *p = sqlite3_column_blob(q, i);

            zo_sum_bytes(&s, p ? p : "", p ? (size_t)sqlite3_column_bytes(q, i) : 0);
        }
        }
    }
    return zo_sum_end(&s);
}

static const uint8_t *hash_column(sqlite3_stmt *q, int i)
{
    return sqlite3_column_bytes(q, i) == HASH_BYTES ? sqlite3_column_blob(q, i) : NULL;
}

zo_status zo_reader_history(zo_reader *r, bool of_study, int64_t owner, uint64_t after, uint64_t before, size_t limit,
                            zo_status (*each)(void *ctx, const zo_history *h), void *ctx, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_HISTORY_PAGE, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int(q, 1, of_study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, owner);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, (int64_t)after);
    rc = rc ? rc : sqlite3_bind_int64(q, 4, before > INT64_MAX ? INT64_MAX : (int64_t)before);
    rc = rc ? rc : sqlite3_bind_int64(q, 5, (int64_t)limit);
    while (rc == SQLITE_OK && s == ZO_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        const zo_history h = {.of_study = of_study,
                              .owner = owner,
                              .seq = (uint64_t)sqlite3_column_int64(q, 0),
                              .request = (uint64_t)sqlite3_column_int64(q, 1),
                              .at_ms = sqlite3_column_int64(q, 2),
                              .body = (const char *)sqlite3_column_text(q, 3),
                              .hash = hash_column(q, 4),
                              .digest = hash_column(q, 5),
                              .salt = hash_column(q, 6),
                              .erased_ms = sqlite3_column_int64(q, 7)};

        if (sqlite3_errcode(r->conn.db) == SQLITE_NOMEM)
            s = zo_fail_nomem(err);
        else if (!h.body || !h.hash || sqlite3_column_int64(q, 8) != sum_of_row(of_study, owner, q))
            s = zo_reader_damaged(r, "a history", owner, err);
        else
            s = each(ctx, &h);
        rc = SQLITE_OK;
    }
    if (s == ZO_OK && rc != SQLITE_DONE)
        s = zo_reader_fail(r, rc, "read a history", err);
    zo_conn_done(q);
    return s;
}

static zo_status two_numbers(zo_reader *r, zo_sql which, bool of_study, int64_t owner, uint64_t request,
                             uint64_t out[2], zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, which, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int(q, 1, of_study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, owner);
    if (which == ZO_SQL_HISTORY_REQUEST)
        rc = rc ? rc : sqlite3_bind_int64(q, 3, (int64_t)request);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        out[0] = (uint64_t)sqlite3_column_int64(q, 0);
        out[1] = which == ZO_SQL_HISTORY_LAST ? (uint64_t)sqlite3_column_int64(q, 1) : 0;
    } else if (rc == SQLITE_DONE) {
        s = zo_fail(err, ZO_ENOTFOUND, "", "there is no forget request %llu", (unsigned long long)request);
    } else {
        s = zo_reader_fail(r, rc, "read a history", err);
    }
    zo_conn_done(q);
    return s;
}

zo_status zo_reader_history_last(zo_reader *r, bool of_study, int64_t owner, uint64_t *seq_out, uint64_t *request_out,
                                 zo_error *err)
{
    uint64_t v[2] = {0, 0};
    const zo_status s = two_numbers(r, ZO_SQL_HISTORY_LAST, of_study, owner, 0, v, err);

    if (s == ZO_OK) {
        *seq_out = v[0];
        *request_out = v[1];
    }
    return s;
}

zo_status zo_reader_request(zo_reader *r, bool of_study, int64_t owner, uint64_t request, uint64_t *seq_out,
                            zo_error *err)
{
    uint64_t v[2] = {0, 0};
    const zo_status s = two_numbers(r, ZO_SQL_HISTORY_REQUEST, of_study, owner, request, v, err);

    if (s == ZO_OK)
        *seq_out = v[0];
    return s;
}
