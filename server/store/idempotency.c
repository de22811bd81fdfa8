/* Remembered replies: the same Idempotency-Key with the same request gives the stored reply again, and no second
 * effect. The row is written in the transaction of the effect. Neither key nor request is kept: the key as a keyed
 * BLAKE2b hash by which the row is found, route and body as a keyed BLAKE2b of their own. Kept for a day, at most
 * 10,000 a tenant. */
#include "internal.h"

#include <sodium.h>

enum { HASH_BYTES = 32, MAX_REPLIES = 10000 };
static const int64_t KEPT_MS = 24 * 3600 * 1000ll;

static void hash_key(const zo_store *st, int64_t tenant, const char *key, uint8_t out[HASH_BYTES])
{
    static const uint8_t purpose[8] = "key";
    crypto_generichash_state h;

    crypto_generichash_init(&h, st->secret, ZO_SECRET_BYTES, HASH_BYTES);
    crypto_generichash_update(&h, purpose, sizeof purpose);
    crypto_generichash_update(&h, (const uint8_t *)&tenant, sizeof tenant);
    crypto_generichash_update(&h, (const uint8_t *)key, strlen(key));
    crypto_generichash_final(&h, out, HASH_BYTES);
}

static void mac_request(const zo_store *st, const char *route, const void *body, size_t bytes, uint8_t out[HASH_BYTES])
{
    static const uint8_t purpose[8] = "request";
    crypto_generichash_state h;

    crypto_generichash_init(&h, st->secret, ZO_SECRET_BYTES, HASH_BYTES);
    crypto_generichash_update(&h, purpose, sizeof purpose);
    crypto_generichash_update(&h, (const uint8_t *)route, strlen(route) + 1); /* its NUL parts it from the body */
    if (bytes > 0)
        crypto_generichash_update(&h, body, bytes);
    crypto_generichash_final(&h, out, HASH_BYTES);
}

zo_status zo_reply_secret(zo_store *st, zo_error *err)
{
    zo_conn *c = &st->conn;
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(c, ZO_SQL_SECRET, &q, err);
    bool found;
    int rc;

    if (s != ZO_OK)
        return s;
    if ((rc = sqlite3_bind_text(q, 1, "idempotency", -1, SQLITE_STATIC)) == SQLITE_OK)
        rc = sqlite3_step(q);
    found = rc == SQLITE_ROW;
    if (found && sqlite3_column_bytes(q, 0) == ZO_SECRET_BYTES)
        memcpy(st->secret, sqlite3_column_blob(q, 0), ZO_SECRET_BYTES);
    else if (found)
        s = zo_fail(err, ZO_ESTORE, "", "the secret in the database is damaged");
    else if (rc != SQLITE_DONE)
        s = zo_conn_fail(c, rc, "read the secret", err);
    zo_conn_done(q);
    if (found || s != ZO_OK)
        return s;
    randombytes_buf(st->secret, ZO_SECRET_BYTES);
    if ((s = zo_conn_query(c, ZO_SQL_SECRET_PUT, &q, err)) != ZO_OK)
        return s;
    rc = sqlite3_bind_text(q, 1, "idempotency", -1, SQLITE_STATIC);
    rc = rc ? rc : zo_bind_bytes(q, 2, st->secret, ZO_SECRET_BYTES);
    return zo_conn_finish(c, q, rc, "store the secret", err);
}

static zo_status count(zo_store *st, int64_t tenant, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc;

    if (st->replies >= 0 && st->replies_tenant == tenant)
        return ZO_OK;
    if ((s = zo_conn_query(&st->conn, ZO_SQL_REPLY_COUNT, &q, err)) != ZO_OK)
        return s;
    if ((rc = sqlite3_bind_int64(q, 1, tenant)) == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        st->replies_tenant = tenant;
        st->replies = sqlite3_column_int64(q, 0);
    } else {
        s = zo_conn_fail(&st->conn, rc, "count replies", err);
    }
    zo_conn_done(q);
    return s;
}

zo_status zo_reply_put(zo_store *st, const zo_idempotency *r, zo_error *err) /* [store] */
{
    uint8_t key[HASH_BYTES], mac[HASH_BYTES];
    zo_conn *c = &st->conn;
    sqlite3_stmt *q = NULL;
    zo_status s;
    int rc = SQLITE_OK;

    if ((s = count(st, r->tenant, err)) != ZO_OK)
        return s;
    hash_key(st, r->tenant, r->key, key);
    mac_request(st, r->route, r->body, r->body_bytes, mac);
    /* The same key of more than a day ago makes room; a younger one is a conflict. */
    if ((s = zo_conn_query(c, ZO_SQL_REPLY_DROP_OLD, &q, err)) != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, r->tenant);
    rc = rc ? rc : zo_bind_bytes(q, 2, key, sizeof key);
    rc = rc ? rc : sqlite3_bind_int64(q, 3, r->at_ms - KEPT_MS);
    if ((s = zo_conn_finish(c, q, rc, "drop an old reply", err)) != ZO_OK)
        return s;
    st->replies -= sqlite3_changes64(c->db);
    if ((s = zo_conn_query(c, ZO_SQL_REPLY_PUT, &q, err)) != ZO_OK)
        return s;
    rc = rc ? rc : sqlite3_bind_int64(q, 1, r->tenant);
    rc = rc ? rc : zo_bind_bytes(q, 2, key, sizeof key);
    rc = rc ? rc : zo_bind_bytes(q, 3, mac, sizeof mac);
    rc = rc ? rc : sqlite3_bind_int64(q, 4, r->status);
    rc = rc ? rc : sqlite3_bind_text(q, 5, r->headers, -1, SQLITE_STATIC);
    rc = rc ? rc : zo_bind_bytes(q, 6, r->reply, r->reply_bytes);
    rc = rc ? rc : sqlite3_bind_int64(q, 7, r->at_ms);
    rc = rc ? rc : sqlite3_bind_int64(q, 8, r->owner);
    if ((s = zo_conn_finish(c, q, rc, "remember a reply", err)) != ZO_OK)
        return s;
    st->replies++;
    if (st->replies <= MAX_REPLIES)
        return ZO_OK;
    if ((s = zo_conn_query(c, ZO_SQL_REPLY_DROP_FIRST, &q, err)) != ZO_OK)
        return s;
    rc = sqlite3_bind_int64(q, 1, r->tenant);
    rc = rc ? rc : sqlite3_bind_int64(q, 2, st->replies - MAX_REPLIES);
    if ((s = zo_conn_finish(c, q, rc, "drop the oldest reply", err)) == ZO_OK)
        st->replies -= sqlite3_changes64(c->db);
    return s;
}

/* Over the columns as zo_sum(...) of REPLY_PUT has them. */
static int64_t sum_of(const zo_idempotency *r, const uint8_t key[HASH_BYTES], const void *mac, size_t mac_bytes)
{
    zo_sum s = ZO_SUM_START;

    zo_sum_int(&s, r->tenant);
    zo_sum_bytes(&s, key, HASH_BYTES);
    zo_sum_bytes(&s, mac, mac_bytes);
    zo_sum_int(&s, r->status);
    zo_sum_text(&s, r->headers);
    zo_sum_bytes(&s, r->reply, r->reply_bytes);
    zo_sum_int(&s, r->at_ms);
    return zo_sum_end(&s);
}

zo_status zo_reader_idempotency(zo_reader *r, int64_t tenant, const char *key, const char *route, const void *body,
                                size_t body_bytes, int64_t now_ms, zo_arena *arena, zo_idempotency *out, zo_error *err)
{
    uint8_t hash[HASH_BYTES], mac[HASH_BYTES];
    zo_idempotency found = {.tenant = tenant, .key = key, .route = route, .body = body, .body_bytes = body_bytes};
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&r->conn, ZO_SQL_REPLY, &q, err);
    int rc;

    if (s != ZO_OK)
        return zo_reader_judge(r, s, err);
    hash_key(r->st, tenant, key, hash);
    rc = sqlite3_bind_int64(q, 1, tenant);
    rc = rc ? rc : zo_bind_bytes(q, 2, hash, sizeof hash);
    rc = rc ? rc : sqlite3_step(q);
    if (rc == SQLITE_DONE) {
        s = zo_fail(err, ZO_ENOTFOUND, "", "this Idempotency-Key was not seen before");
        goto done;
    }
    if (rc != SQLITE_ROW) {
        s = zo_reader_fail(r, rc, "look up a reply", err);
        goto done;
    }
    found.status = (unsigned)sqlite3_column_int(q, 1);
    found.headers = (const char *)sqlite3_column_text(q, 2);
    found.reply = sqlite3_column_blob(q, 3);
    found.reply_bytes = (size_t)sqlite3_column_bytes(q, 3);
    found.at_ms = sqlite3_column_int64(q, 4);
    if ((sqlite3_column_type(q, 2) != SQLITE_NULL && !found.headers) || (found.reply_bytes > 0 && !found.reply)) {
        s = zo_fail_nomem(err);
        goto done;
    }
    if (sqlite3_column_int64(q, 5) !=
        sum_of(&found, hash, sqlite3_column_blob(q, 0), (size_t)sqlite3_column_bytes(q, 0))) {
        s = zo_reader_damaged(r, "a remembered reply", 0, err);
        goto done;
    }
    if (found.at_ms <= now_ms - KEPT_MS) {
        s = zo_fail(err, ZO_ENOTFOUND, "", "this Idempotency-Key has expired");
        goto done;
    }
    mac_request(r->st, route, body, body_bytes, mac);
    if (sqlite3_column_bytes(q, 0) != HASH_BYTES || sodium_memcmp(mac, sqlite3_column_blob(q, 0), HASH_BYTES) != 0) {
        s = zo_fail(err, ZO_EINVAL, "", "this Idempotency-Key was used with another request");
        goto done;
    }
    if ((found.headers && !(found.headers = zo_arena_strdup(arena, found.headers))) ||
        !(found.reply = zo_arena_memdup(arena, found.reply_bytes ? found.reply : "", found.reply_bytes))) {
        s = zo_fail_nomem(err);
        goto done;
    }
    *out = found;
done:
    zo_conn_done(q);
    return s;
}

/* Also those that an earlier version remembered without an owner. */
zo_status zo_replies_drop(zo_store *st, int64_t owner, zo_error *err) /* [store] */
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(&st->conn, ZO_SQL_REPLIES_OF_OWNER, &q, err);

    if (s == ZO_OK)
        s = zo_conn_finish(&st->conn, q, sqlite3_bind_int64(q, 1, owner), "drop remembered replies", err);
    st->replies = -1; /* counted again when wanted */
    return s;
}
