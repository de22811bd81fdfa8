/* FILE-keys: the keys that open models' parts, and the tombstones of what was forgotten. A file of its own, so that a
 * backup of the database carries neither: a key destroyed here seals its data in every backup for good, and a tombstone
 * finds forgotten data that an older backup brought back.
 *
 * Two files can't change in one transaction. So keys are durable before the write that needs them (one too many does no
 * harm), and destroyed only after the write that no longer does (kept a moment too long does none either; the erasure
 * of the forget is not called done before). Tombstones stand in the database first and are copied (tombstones.c). It is
 * a write-ahead log database like the other, with deleted bytes overwritten. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <unistd.h>
#include "base/log.h"

static const char schema[] =
    "CREATE TABLE IF NOT EXISTS keys (key INTEGER PRIMARY KEY, model INTEGER NOT NULL, secret BLOB NOT NULL) STRICT;"
    "CREATE INDEX IF NOT EXISTS keys_by_model ON keys (model);"
    "CREATE TABLE IF NOT EXISTS tombstones (model INTEGER NOT NULL, kind INTEGER NOT NULL, tag BLOB NOT NULL,"
    " request INTEGER NOT NULL, PRIMARY KEY (model, kind, tag)) STRICT, WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS tag_key (one INTEGER PRIMARY KEY CHECK (one = 1), secret BLOB NOT NULL) STRICT;";

void zo_keys_file_name(const char *path, char *out, size_t size)
{
    snprintf(out, size, "%s-keys", path);
}

static zo_status fail(sqlite3 *db, int rc, const char *what, zo_error *err)
{
    zo_conn c = {.db = db};

    return zo_conn_fail(&c, rc, what, err);
}

/* Made with our mode before SQLite touches it. */
static zo_status make_file(const char *name, zo_error *err)
{
    const int fd = open(name, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

    if (fd < 0)
        return zo_fail(err, errno == ENOSPC || errno == EDQUOT ? ZO_EFULL : ZO_ESTORE, "", "create %.200s: %s", name,
                       strerror(errno));
    close(fd);
    return zo_sync_folder(name, err);
}

static zo_status open_file(const zo_store *st, sqlite3 **out, zo_error *err)
{
    char name[ZO_PATH_BYTES + 16];
    zo_status s;
    int rc;

    *out = NULL;
    zo_keys_file_name(st->path, name, sizeof name);
    if (access(name, F_OK) != 0 && (s = make_file(name, err)) != ZO_OK)
        return s;
    rc = sqlite3_open_v2(name, out, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, st->vfs);
    if (rc == SQLITE_OK && (rc = sqlite3_busy_timeout(*out, (int)st->busy_ms)) == SQLITE_OK)
        rc = sqlite3_exec(*out,
                          "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA secure_delete = ON;"
                          "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -256",
                          NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(*out, schema, NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return ZO_OK;
    s = fail(*out, rc, "open FILE-keys", err);
    sqlite3_close_v2(*out);
    *out = NULL;
    return s;
}

/* *out stays NULL where there is no file. An inspected store is to be left as it was found: only a connection that may
 * write takes the side files away when it closes. */
static int open_to_read(const zo_store *st, sqlite3 **out)
{
    const int mode = st->inspect ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    char name[ZO_PATH_BYTES + 16];
    int rc;

    *out = NULL;
    zo_keys_file_name(st->path, name, sizeof name);
    if (access(name, F_OK) != 0)
        return SQLITE_OK;
    rc = sqlite3_open_v2(name, out, mode | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, st->vfs);
    return rc ? rc : sqlite3_busy_timeout(*out, (int)st->busy_ms);
}

static zo_status open_keys(zo_store *st, zo_error *err)
{
    return st->keys ? ZO_OK : open_file(st, &st->keys, err);
}

void zo_keys_close(zo_store *st)
{
    if (st->keys)
        sqlite3_close_v2(st->keys);
    st->keys = NULL;
}

static int run(sqlite3 *db, const char *sql, int64_t a, int64_t b, const void *blob, size_t bytes)
{
    sqlite3_stmt *q = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &q, NULL);

    if (rc == SQLITE_OK) {
        const int n = sqlite3_bind_parameter_count(q);

        rc = sqlite3_bind_int64(q, 1, a);
        rc = rc || n < 2 ? rc : sqlite3_bind_int64(q, 2, b);
        rc = rc || n < 3 ? rc : sqlite3_bind_blob(q, 3, blob, (int)bytes, SQLITE_STATIC);
        rc = rc ? rc : sqlite3_step(q);
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
    }
    sqlite3_finalize(q);
    return rc;
}

static int before(sqlite3 *db, const zo_op *op)
{
    return run(db, "INSERT OR IGNORE INTO keys (key, model, secret) VALUES (?1, ?2, ?3)", op->u.key.key, op->study,
               op->u.key.secret, ZO_KEY_BYTES);
}

static int after(sqlite3 *db, const zo_op *op)
{
    int rc;

    if (op->kind == ZO_OP_TOMBSTONE)
        return zo_tombstone_bury(db, &op->u.tombstone);
    if (op->u.key.key)
        return run(db, "DELETE FROM keys WHERE key = ?1 AND model = ?2", op->u.key.key, op->study, NULL, 0);
    rc = run(db, "DELETE FROM keys WHERE model = ?1", op->study, 0, NULL, 0);
    return rc ? rc : run(db, "DELETE FROM tombstones WHERE model = ?1", op->study, 0, NULL, 0);
}

static bool is_before(const zo_write *w, const zo_op *op)
{
    (void)w;
    return op->kind == ZO_OP_KEY_PUT;
}

/* Not those of a write that was refused while the rest of its batch landed: its data is still there. */
static bool is_after(const zo_write *w, const zo_op *op)
{
    return w->status == ZO_OK && (op->kind == ZO_OP_KEY_DROP || op->kind == ZO_OP_TOMBSTONE);
}

/* A rollback needs memory, too: what could not be undone then is undone first now. */
static int begin(sqlite3 *db)
{
    const int rc = sqlite3_get_autocommit(db) ? SQLITE_OK : sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);

    return rc == SQLITE_OK ? sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL) : rc;
}

static void undo(sqlite3 *db)
{
    if (!sqlite3_get_autocommit(db))
        sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL);
}

/* All such ops of the list in one transaction. */
static zo_status apply(zo_store *st, const zo_write *list, bool (*is_ours)(const zo_write *, const zo_op *),
                       int (*step)(sqlite3 *, const zo_op *), zo_error *err)
{
    bool any = false;
    zo_status s;
    int rc;

    for (const zo_write *w = list; w && !any; w = w->next)
        for (const zo_op *op = w->ops; op && !any; op = op->next)
            any = is_ours(w, op);
    if (!any)
        return ZO_OK;
    if ((s = open_keys(st, err)) != ZO_OK)
        return s;
    rc = begin(st->keys);
    for (const zo_write *w = list; w && rc == SQLITE_OK; w = w->next)
        for (const zo_op *op = w->ops; op && rc == SQLITE_OK; op = op->next)
            if (is_ours(w, op))
                rc = step(st->keys, op);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(st->keys, "COMMIT", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        return ZO_OK;
    s = fail(st->keys, rc, "write FILE-keys", err);
    undo(st->keys);
    return s;
}

zo_status zo_keys_before(zo_store *st, const zo_write *list, zo_error *err) /* [store] */
{
    return apply(st, list, is_before, before, err);
}

/* What failed is found again by the erasure: no key of a live group may be missing, any other may go, and the database
 * still has the tombstones. */
void zo_keys_after(zo_store *st, const zo_write *list) /* [store] */
{
    zo_error err = {0};

    if (apply(st, list, is_after, after, &err) == ZO_OK)
        return;
    st->keys_left = true;
    zo_erase_request(st);
    zo_log(ZO_WARN, "keys", "error=\"%s\" retry=at-erasure", err.message);
}

/* ---- what is left over ---- */

static zo_status is_live(zo_store *st, int64_t model, bool *out, zo_error *err)
{
    char text[100];
    int64_t n = 0;
    zo_status s;

    snprintf(text, sizeof text, "SELECT count(*) FROM models WHERE model = %lld AND deleted = 0", (long long)model);
    s = zo_conn_int(&st->conn, text, &n, err);
    *out = n > 0;
    return s;
}

static int query(sqlite3 *db, const char *sql, int64_t model, sqlite3_stmt **out)
{
    const int rc = sqlite3_prepare_v2(db, sql, -1, out, NULL);

    return rc || sqlite3_bind_parameter_count(*out) == 0 ? rc : sqlite3_bind_int64(*out, 1, model);
}

/* Steps on to the next key; *out is beyond every key at the end. */
static int next_key(sqlite3_stmt *q, int64_t *out)
{
    const int rc = sqlite3_step(q);

    *out = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : INT64_MAX;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A group's key is needed while a part names it, the model's own always: two sorted lists, side by side. */
static zo_status sweep_keys_of(zo_store *st, int64_t model, zo_error *err)
{
    sqlite3_stmt *have = NULL, *used = NULL;
    int64_t key = 0, part_key = 0;
    zo_status s = ZO_OK;
    int rc = query(st->conn.db, "SELECT DISTINCT key FROM parts WHERE model = ?1 ORDER BY key", model, &used);

    rc = rc ? rc : next_key(used, &part_key);
    if (rc != SQLITE_OK)
        s = zo_conn_fail(&st->conn, rc, "list a model's keys", err);
    rc = query(st->keys, "SELECT key FROM keys WHERE model = ?1 ORDER BY key", model, &have);
    rc = rc ? rc : next_key(have, &key);
    while (s == ZO_OK && rc == SQLITE_OK && key < INT64_MAX) {
        if (part_key < key) {
            if ((rc = next_key(used, &part_key)) != SQLITE_OK)
                s = zo_conn_fail(&st->conn, rc, "list a model's keys", err);
            continue;
        }
        if (part_key != key && !(key & ZO_KEY_OF_MODEL))
            rc = run(st->keys, "DELETE FROM keys WHERE key = ?1", key, 0, NULL, 0);
        rc = rc ? rc : next_key(have, &key);
    }
    if (s == ZO_OK && rc != SQLITE_OK)
        s = fail(st->keys, rc, "sweep FILE-keys", err);
    sqlite3_finalize(have);
    sqlite3_finalize(used);
    return s;
}

static zo_status sweep_model(zo_store *st, int64_t model, zo_error *err)
{
    bool live = false;
    const zo_status s = is_live(st, model, &live, err);
    int rc;

    if (s != ZO_OK || live)
        return s == ZO_OK ? sweep_keys_of(st, model, err) : s;
    rc = run(st->keys, "DELETE FROM keys WHERE model = ?1", model, 0, NULL, 0);
    rc = rc ? rc : run(st->keys, "DELETE FROM tombstones WHERE model = ?1", model, 0, NULL, 0);
    return rc == SQLITE_OK ? ZO_OK : fail(st->keys, rc, "sweep FILE-keys", err);
}

static zo_status sweep_models(zo_store *st, zo_error *err)
{
    int64_t model = -1;
    zo_status s = ZO_OK;

    while (s == ZO_OK) { /* one by one, as their rows go meanwhile */
        sqlite3_stmt *q = NULL;
        int rc = query(st->keys,
                       "SELECT min(model) FROM (SELECT min(model) AS model FROM keys WHERE model > ?1"
                       " UNION ALL SELECT min(model) FROM tombstones WHERE model > ?1)",
                       model, &q);

        rc = rc ? rc : sqlite3_step(q);
        const bool more = rc == SQLITE_ROW && sqlite3_column_type(q, 0) == SQLITE_INTEGER;
        model = more ? sqlite3_column_int64(q, 0) : 0;
        sqlite3_finalize(q);
        if (rc != SQLITE_ROW)
            return fail(st->keys, rc, "sweep FILE-keys", err);
        if (!more)
            return ZO_OK;
        s = sweep_model(st, model, err);
    }
    return s;
}

static zo_status copy_tombstones(zo_store *st, zo_error *err)
{
    int rc = SQLITE_OK;
    const zo_status s = zo_tombstones_copy(st, &rc, err);

    return rc == SQLITE_OK ? s : fail(st->keys, rc, "write FILE-keys", err);
}

/* Copies what is due, destroys what nothing needs: one sync for all of it. */
static zo_status catch_up(zo_store *st, zo_error *err)
{
    int rc = begin(st->keys);
    zo_status s = rc == SQLITE_OK ? copy_tombstones(st, err) : fail(st->keys, rc, "write FILE-keys", err);

    if (s == ZO_OK)
        s = sweep_models(st, err);
    if (s == ZO_OK && (rc = sqlite3_exec(st->keys, "COMMIT", NULL, NULL, NULL)) != SQLITE_OK)
        s = fail(st->keys, rc, "write FILE-keys", err);
    undo(st->keys);
    return s;
}

zo_status zo_keys_erase(zo_store *st, zo_error *err) /* [store] */
{
    char name[ZO_PATH_BYTES + 16];
    zo_status s;
    int rc;

    zo_keys_file_name(st->path, name, sizeof name);
    if (!st->keys && access(name, F_OK) != 0)
        return ZO_OK;
    if ((s = open_keys(st, err)) != ZO_OK)
        return s;
    if (st->keys_left && (s = catch_up(st, err)) != ZO_OK)
        return s;
    rc = sqlite3_wal_checkpoint_v2(st->keys, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc != SQLITE_OK)
        return fail(st->keys, rc, "checkpoint FILE-keys", err);
    st->keys_left = false;
    return ZO_OK;
}

/* A damaged file says so when its models are loaded; studies do without it. */
static zo_status do_without(zo_status s, const zo_error *err)
{
    if (s != ZO_ESTORE)
        return s;
    zo_log(ZO_WARN, "keys", "error=\"%s\"", err->message);
    return ZO_OK;
}

/* The greatest number of a model it knows: a new model must not get one of these, or it would inherit what is left of
 * a creation that failed, or of a model that is newer than a restored copy of the database. */
zo_status zo_keys_last_model(zo_store *st, int64_t *out, zo_error *err)
{
    char name[ZO_PATH_BYTES + 16];
    sqlite3_stmt *q = NULL;
    zo_status s;
    int rc;

    *out = 0;
    zo_keys_file_name(st->path, name, sizeof name);
    if (st->inspect || access(name, F_OK) != 0)
        return ZO_OK;
    if ((s = open_keys(st, err)) != ZO_OK)
        return do_without(s, err);
    rc = sqlite3_prepare_v2(st->keys,
                            "SELECT max(coalesce((SELECT max(model) FROM keys), 0),"
                            " coalesce((SELECT max(model) FROM tombstones), 0))",
                            -1, &q, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW)
        *out = sqlite3_column_int64(q, 0);
    s = rc == SQLITE_ROW ? ZO_OK : fail(st->keys, rc, "read FILE-keys", err);
    sqlite3_finalize(q);
    return do_without(s, err);
}

/* ---- the key of tags ---- */

static int make_tag_key(sqlite3 *db)
{
    uint8_t fresh[ZO_KEY_BYTES];
    int rc;

    randombytes_buf(fresh, sizeof fresh);
    rc = run(db, "INSERT OR IGNORE INTO tag_key (one, secret) SELECT ?1, ?3 WHERE ?2", 1, 1, fresh, sizeof fresh);
    explicit_bzero(fresh, sizeof fresh);
    return rc;
}

static zo_status read_tag_key(zo_store *st, sqlite3 *db, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = sqlite3_prepare_v2(db, "SELECT secret FROM tag_key", -1, &q, NULL);

    if (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW && sqlite3_column_bytes(q, 0) == ZO_KEY_BYTES) {
        memcpy(st->tag_key, sqlite3_column_blob(q, 0), ZO_KEY_BYTES);
        st->has_tag_key = true;
    } else {
        s = fail(db, rc == SQLITE_ROW ? SQLITE_CORRUPT : rc, "read FILE-keys", err);
    }
    sqlite3_finalize(q);
    return s;
}

static zo_status find_tag_key(zo_store *st, zo_error *err)
{
    sqlite3 *db = NULL;
    zo_status s = ZO_OK;
    int rc;

    if (st->inspect) {
        rc = open_to_read(st, &db);
        if (rc == SQLITE_OK && !db)
            return zo_fail(err, ZO_EGONE, "", "FILE-keys, which holds its key, is missing");
    } else {
        if ((s = open_file(st, &db, err)) != ZO_OK)
            return s;
        rc = make_tag_key(db);
    }
    s = rc == SQLITE_OK ? read_tag_key(st, db, err) : fail(db, rc, "open FILE-keys", err);
    sqlite3_close(db);
    return s;
}

zo_status zo_store_tag_key(zo_store *st, uint8_t out[ZO_KEY_BYTES], zo_error *err) /* [any] */
{
    zo_status s = ZO_OK;

    pthread_mutex_lock(&st->tag_mu);
    if (!st->has_tag_key)
        s = find_tag_key(st, err);
    if (s == ZO_OK)
        memcpy(out, st->tag_key, ZO_KEY_BYTES);
    pthread_mutex_unlock(&st->tag_mu);
    return s;
}

/* ---- reading ---- */

static zo_status read_keys(sqlite3 *db, int64_t model,
                           zo_status (*key)(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES]), void *ctx,
                           int *rc_out)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = query(db, "SELECT key, secret FROM keys WHERE model = ?1", model, &q);

    while (rc == SQLITE_OK && s == ZO_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        if (sqlite3_column_bytes(q, 1) == ZO_KEY_BYTES)
            s = key(ctx, sqlite3_column_int64(q, 0), sqlite3_column_blob(q, 1));
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    *rc_out = rc == SQLITE_DONE ? SQLITE_OK : rc;
    return s;
}

static zo_status read_tombstones(sqlite3 *db, int64_t model, zo_status (*tombstone)(void *ctx, const zo_tombstone *t),
                                 void *ctx, int *rc_out)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = query(db, "SELECT kind, tag, request FROM tombstones WHERE model = ?1 ORDER BY request", model, &q);

    while (rc == SQLITE_OK && s == ZO_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        zo_tombstone t = {.model = model,
                          .kind = (uint32_t)sqlite3_column_int(q, 0),
                          .request = (uint64_t)sqlite3_column_int64(q, 2)};

        if (sqlite3_column_bytes(q, 1) == ZO_TAG_BYTES) {
            memcpy(t.tag, sqlite3_column_blob(q, 1), ZO_TAG_BYTES);
            s = tombstone(ctx, &t);
        }
        rc = SQLITE_OK;
    }
    sqlite3_finalize(q);
    *rc_out = rc == SQLITE_DONE ? SQLITE_OK : rc;
    return s;
}

zo_status zo_reader_keys(zo_reader *r, int64_t model,
                         zo_status (*key)(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES]),
                         zo_status (*tombstone)(void *ctx, const zo_tombstone *t), void *ctx, zo_error *err)
{
    sqlite3 *db = NULL;
    /* Those in the database first: what leaves it meanwhile is in FILE-keys by then. */
    zo_status s = zo_tombstones_due(r, model, tombstone, ctx, err);
    int rc = s == ZO_OK ? open_to_read(r->st, &db) : SQLITE_OK;

    if (s != ZO_OK || (rc == SQLITE_OK && !db))
        return s;
    if (rc == SQLITE_OK)
        s = read_keys(db, model, key, ctx, &rc);
    if (rc == SQLITE_OK && s == ZO_OK)
        s = read_tombstones(db, model, tombstone, ctx, &rc);
    if (s == ZO_OK && rc != SQLITE_OK && rc != SQLITE_ERROR) /* that: the file was made, its tables not yet */
        s = fail(db, rc, "read FILE-keys", err);
    sqlite3_close(db);
    return s;
}
