/* Snapshots: a cache beside the log, in parts. Part 0, the head, is replaced each time; the others are written once. */
#include "internal.h"

#include "base/log.h"

zo_status zo_snapshot_put(zo_store *st, const zo_op *op, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, ZO_SQL_SNAPSHOT_PUT, &q, err);
    const int64_t sum =
        zo_sum_snapshot(op->study, op->u.snapshot.part, op->u.snapshot.seq, op->u.snapshot.body, op->u.snapshot.bytes);
    int rc = SQLITE_OK;

    if (s != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, op->study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, op->u.snapshot.part);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, (int64_t)op->u.snapshot.seq);
    rc = rc ? rc : zo_bind_bytes(q, 4, op->u.snapshot.body, op->u.snapshot.bytes);
    rc = rc ? rc : sqlite3_bind_int64(q, 5, sum);
    return zo_conn_finish(&st->conn, q, rc, "store a snapshot", err);
}

zo_status zo_reader_snapshot(zo_reader *r, int64_t study, uint32_t part, void **body_out, size_t *bytes_out,
                             uint64_t *seq_out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_SNAPSHOT, &q, err);
    const void *blob;
    void *body = NULL;
    uint64_t seq;
    size_t bytes;
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    rc = sqlite3_bind_int64(q, 1, study);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, part);
    rc = rc ? rc : sqlite3_step(q);
    if (rc != SQLITE_ROW) {
        s = rc == SQLITE_DONE
                ? zo_fail(err, ZO_ENOTFOUND, "", "study %lld has no snapshot part %u", (long long)study, part)
                : zo_reader_fail(r, rc, "read a snapshot", err);
        goto done;
    }
    seq = (uint64_t)sqlite3_column_int64(q, 0);
    blob = sqlite3_column_blob(q, 1);
    bytes = (size_t)sqlite3_column_bytes(q, 1);
    if (!(body = zo_memalign64(bytes)) || (bytes > 0 && !blob)) {
        zo_free(body);
        s = bytes > 0 && !blob ? zo_reader_fail(r, sqlite3_errcode(r->conn.db), "read a snapshot", err)
                               : zo_fail_nomem(err);
        goto done;
    }
    if (bytes > 0)
        memcpy(body, blob, bytes);
    if (sqlite3_column_int64(q, 2) != zo_sum_snapshot(study, part, seq, body, bytes)) {
        /* It is only a cache: without it the log is replayed. */
        zo_free(body);
        zo_log(ZO_ERROR, "store", "damaged=snapshot study=%lld part=%u", (long long)study, part);
        s = zo_fail(err, ZO_ENOTFOUND, "", "snapshot part %u of study %lld is damaged", part, (long long)study);
        goto done;
    }
    *body_out = body;
    *bytes_out = bytes;
    *seq_out = seq;
done:
    zo_conn_done(q);
    return s;
}
