/* `zerothd check`, the store's part: is the file sound, do rows refer to rows, is every log dense, is every row as it
 * was written? */
#include "internal.h"

#include <stdio.h>
#include <unistd.h>

typedef struct check {
    zo_conn c;
    void (*report)(void *ctx, const char *line);
    void *ctx;
    bool clean;
} check;

/* The id of a history's owner, or where its row is gone its key. */
#define OWNER                                                                                                          \
    "coalesce(CASE of_study WHEN 1 THEN (SELECT id FROM studies WHERE study = owner)"                                  \
    " ELSE (SELECT id FROM models WHERE model = owner) END, owner)"
/* An owner whose rows are being purged. */
#define OWNER_LIVES                                                                                                    \
    "NOT EXISTS (SELECT 1 FROM studies WHERE of_study = 1 AND study = owner AND deleted = 1)"                          \
    " AND NOT EXISTS (SELECT 1 FROM models WHERE of_study = 0 AND model = owner AND deleted = 1)"

/* Each query gives one row per finding; the format takes its columns as text. */
static const struct {
    const char *sql;
    const char *format;
} queries[] = {
    {"PRAGMA integrity_check(100)", "structure: %s"},
    {"PRAGMA foreign_key_check", "table %s, row %s: refers to a missing row of %s"},
    {"SELECT e.study, count(*), min(e.seq), max(e.seq) FROM events e JOIN studies s USING (study) WHERE s.deleted = 0"
     " GROUP BY e.study HAVING min(e.seq) <> 1 OR max(e.seq) <> count(*)",
     "study %s: %s events, numbered from %s to %s: some are missing"},
    {"SELECT study, id FROM studies s WHERE deleted = 0 AND NOT EXISTS (SELECT 1 FROM events e WHERE e.study = "
     "s.study)",
     "study %s (%s): it has no events"},
    {"SELECT p.study, p.part, p.seq FROM snapshots p JOIN studies s USING (study) WHERE s.deleted = 0 AND p.seq >"
     " (SELECT coalesce(max(seq), 0) FROM events e WHERE e.study = p.study)",
     "study %s: snapshot part %s holds event %s, which the log has not"},
    {"SELECT study, id FROM studies WHERE sum <> zo_sum(study, tenant, id, name, title, state, created_ms, updated_ms, "
     "revision,"
     " deleted, metadata, spec)",
     "study %s (%s): its row is damaged"},
    {"SELECT study, seq FROM events WHERE sum <> zo_sum(study, seq, kind, at_ms, body)",
     "study %s: event %s is damaged"},
    {"SELECT study, part FROM snapshots WHERE sum <> zo_sum(study, part, seq, body)",
     "study %s: snapshot part %s is damaged"},
    {"SELECT model, id FROM models WHERE sum <> zo_sum(model, tenant, id, name, title, state, created_ms, updated_ms, "
     "revision, deleted, metadata, spec)",
     "model %s (%s): its row is damaged"},
    {"SELECT coalesce((SELECT id FROM models m WHERE m.model = p.model), model), part FROM parts p"
     " WHERE sum <> zo_sum(part, model, kind, key, body)",
     "model %s: part %s is damaged"},
    {"SELECT coalesce((SELECT id FROM models m WHERE m.model = t.model), model) FROM tombstones_due t"
     " WHERE sum <> zo_sum(model, kind, tag, request)",
     "model %s: a tombstone is damaged"},
    {"SELECT " OWNER
     ", seq FROM history WHERE sum <> zo_sum(of_study, owner, seq, request, at_ms, body, hash, digest, salt, "
     "erased_ms)",
     "history of %s: entry %s is damaged"},
    {"SELECT " OWNER ", count(*), min(seq), max(seq) FROM history WHERE " OWNER_LIVES
     " GROUP BY of_study, owner HAVING min(seq) <> 1 OR max(seq) <> count(*)",
     "history of %s: %s entries, numbered from %s to %s: some are missing"},
    {"SELECT id, (SELECT count(*) FROM events e WHERE e.study = s.study AND kind = 12) AS forgets,"
     " (SELECT count(*) FROM history WHERE of_study = 1 AND owner = s.study) AS entries"
     " FROM studies s WHERE deleted = 0 AND forgets <> entries",
     "history of %s: its log has %s forgets, the history %s"},
    {"SELECT reply FROM replies WHERE sum <> zo_sum(tenant, key_hash, body_mac, status, headers, body, at_ms)",
     "remembered reply %s is damaged"},
};

static void found(check *k, const char *line)
{
    k->clean = false;
    k->report(k->ctx, line);
}

static const char *text(sqlite3_stmt *q, int column)
{
    const char *s = column < sqlite3_column_count(q) ? (const char *)sqlite3_column_text(q, column) : NULL;

    return s ? s : "";
}

/* FILE-keys, if there is one. Whether it holds what the models need shows when they are loaded. Nothing is written; but
 * only a connection that may write takes its side files away when it closes. */
static zo_status check_keys(check *k, const char *path, zo_error *err)
{
    char name[ZO_PATH_BYTES + 16], line[512];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int rc;

    zo_keys_file_name(path, name, sizeof name);
    if (access(name, F_OK) != 0)
        return ZO_OK;
    rc = sqlite3_open_v2(name, &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE, NULL);
    rc = rc ? rc : sqlite3_busy_timeout(db, 5000);
    rc = rc ? rc : sqlite3_prepare_v2(db, "PRAGMA integrity_check(100)", -1, &q, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (strcmp(text(q, 0), "ok") == 0)
            continue;
        snprintf(line, sizeof line, "FILE-keys: structure: %s", text(q, 0));
        found(k, line);
    }
    const bool no_memory = (rc & 0xff) == SQLITE_NOMEM;
    if (rc != SQLITE_DONE && !no_memory) {
        snprintf(line, sizeof line, "FILE-keys: %s", sqlite3_errmsg(db));
        found(k, line);
    }
    sqlite3_finalize(q);
    sqlite3_close(db);
    return no_memory ? zo_fail_nomem(err) : ZO_OK;
}

static zo_status run(check *k, size_t i, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_error e = {0};
    zo_status s = ZO_OK;
    char line[512];
    int rc = sqlite3_prepare_v2(k->c.db, queries[i].sql, -1, &q, NULL);

    while (rc == SQLITE_OK && (rc = sqlite3_step(q)) == SQLITE_ROW) {
        rc = SQLITE_OK;
        if (i == 0 && strcmp(text(q, 0), "ok") == 0)
            continue;
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
        snprintf(line, sizeof line, queries[i].format, text(q, 0), text(q, 1), text(q, 2), text(q, 3));
#pragma GCC diagnostic pop
        found(k, line);
    }
    if (rc != SQLITE_DONE) {
        s = zo_conn_fail(&k->c, rc, "check", &e);
        if ((rc & 0xff) == SQLITE_CORRUPT || (rc & 0xff) == SQLITE_NOTADB) {
            found(k, e.message); /* a finding, not a failure to look */
            s = ZO_OK;
        } else if (err) {
            *err = e;
        }
    }
    sqlite3_finalize(q);
    return s;
}

zo_status zo_store_check(const char *path, void (*report)(void *ctx, const char *line), void *ctx, bool *clean_out,
                         zo_error *err)
{
    char full[ZO_PATH_BYTES];
    check k = {.report = report, .ctx = ctx, .clean = true};
    zo_file_kind kind;
    zo_status s;
    int lock = -1;

    zo_conn_init_library();
    if ((s = zo_store_resolve(path, full, err)) != ZO_OK)
        return s;
    /* Looked at first, so that beside a foreign file no lock appears; and again under the lock. */
    if ((s = zo_store_lock(full, false, &lock, err)) == ZO_ENOTFOUND &&
        (s = zo_store_identify(full, NULL, false, &kind, err)) == ZO_OK)
        s = zo_store_lock(full, true, &lock, err);
    if (s != ZO_OK)
        return s;
    if ((s = zo_store_identify(full, NULL, false, &kind, err)) != ZO_OK ||
        (s = zo_conn_open(&k.c, full, NULL, ZO_CONN_READ, 5000, err)) != ZO_OK)
        goto unlock;
    zo_error e = {0};
    if ((s = zo_store_verify(&k.c, full, false, &e)) == ZO_OK) {
        for (size_t i = 0; s == ZO_OK && i < ZO_LEN(queries); i++)
            s = run(&k, i, err);
        if (s == ZO_OK)
            s = check_keys(&k, full, err);
    } else if (s == ZO_ESTORE) { /* not even its schema can be read */
        found(&k, e.message);
        s = ZO_OK;
    } else if (err) {
        *err = e;
    }
    zo_conn_close(&k.c);
unlock:
    close(lock);
    if (s == ZO_OK)
        *clean_out = k.clean;
    return s;
}
