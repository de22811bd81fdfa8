/* One SQLite connection: how it is opened, its prepared statements, and what its result codes mean to us.
 * Settings: write-ahead log at synchronous=FULL (with NORMAL a power cut was measured to lose acknowledged events), no
 * automatic checkpoints (checkpoint.c makes them), deleted bytes overwritten, temporary data in memory only. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

static const char *const sql_text[] = {
#define X(name, text) text,
    ZO_SQL_LIST(X)
#undef X
};

static bool disk_is_full(zo_conn *c, int rc)
{
    const int e = c->db ? sqlite3_system_errno(c->db) : 0;

    if ((rc & 0xff) == SQLITE_FULL)
        return true;
    /* A failed sync must never heal by itself, whatever its errno: the kernel may have dropped the pages. These may: */
    return (e == ENOSPC || e == EDQUOT) &&
           (rc == SQLITE_IOERR_WRITE || rc == SQLITE_IOERR_SHMSIZE || rc == SQLITE_IOERR_SHMOPEN ||
            rc == SQLITE_IOERR_SHMMAP || (rc & 0xff) == SQLITE_CANTOPEN);
}

zo_status zo_conn_fail(zo_conn *c, int rc, const char *what, zo_error *err)
{
    const char *text;
    zo_status s;

    if (c->db && (rc & 0xff) == (sqlite3_extended_errcode(c->db) & 0xff)) {
        rc = sqlite3_extended_errcode(c->db);
        text = sqlite3_errmsg(c->db);
    } else {
        text = sqlite3_errstr(rc);
    }
    if (disk_is_full(c, rc))
        return zo_fail(err, ZO_EFULL, "", "%s: the disk is full", what);
    if (rc == SQLITE_NOMEM || rc == SQLITE_IOERR_NOMEM)
        return zo_fail(err, ZO_ENOMEM, "", "%s: out of memory", what);
    switch (rc & 0xff) {
    case SQLITE_CONSTRAINT:
        s = ZO_ECONFLICT;
        break;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
        s = ZO_EBUSY;
        break;
    case SQLITE_TOOBIG:
        s = ZO_ETOOLARGE;
        break;
    default:
        s = ZO_ESTORE;
    }
    return zo_fail(err, s, "", "%s: %s (SQLite %d)", what, text, rc);
}

zo_status zo_conn_exec(zo_conn *c, const char *sql, const char *what, zo_error *err)
{
    const int rc = sqlite3_exec(c->db, sql, NULL, NULL, NULL);

    return rc == SQLITE_OK ? ZO_OK : zo_conn_fail(c, rc, what, err);
}

zo_status zo_conn_int(zo_conn *c, const char *sql, int64_t *out, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = sqlite3_prepare_v2(c->db, sql, -1, &q, NULL);

    if (rc == SQLITE_OK && ((rc = sqlite3_step(q)) == SQLITE_ROW || rc == SQLITE_DONE)) {
        *out = rc == SQLITE_ROW ? sqlite3_column_int64(q, 0) : 0;
        rc = SQLITE_OK;
    }
    if (rc != SQLITE_OK)
        s = zo_conn_fail(c, rc, "read", err);
    sqlite3_finalize(q);
    return s;
}

/* file:...?immutable=1, with what a URI gives a meaning escaped. */
static zo_status immutable_uri(const char *path, char *uri, size_t size, zo_error *err)
{
    size_t n = (size_t)snprintf(uri, size, "file:");

    for (const char *p = path; *p; p++) {
        if (n + 32 > size)
            return zo_fail(err, ZO_EINVAL, "", "the path of the database is too long");
        if (*p == '?' || *p == '#' || *p == '%')
            n += (size_t)snprintf(uri + n, size - n, "%%%02x", (unsigned)*p);
        else
            uri[n++] = *p;
    }
    snprintf(uri + n, size - n, "?mode=ro&immutable=1");
    return ZO_OK;
}

static zo_status become_wal(zo_conn *c, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = ZO_OK;
    int rc = sqlite3_prepare_v2(c->db, "PRAGMA journal_mode = WAL", -1, &q, NULL);

    if (rc != SQLITE_OK || (rc = sqlite3_step(q)) != SQLITE_ROW)
        s = zo_conn_fail(c, rc, "start the write-ahead log", err);
    else if (strcmp((const char *)sqlite3_column_text(q, 0), "wal") != 0)
        s = zo_fail(err, ZO_ESTORE, "", "this file system can't hold a write-ahead log (no shared memory)");
    sqlite3_finalize(q);
    return s;
}

zo_status zo_conn_open(zo_conn *c, const char *path, const char *vfs, zo_conn_mode mode, int64_t busy_ms, zo_error *err)
{
    char uri[3 * ZO_PATH_BYTES];
    int flags = SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    zo_status s = ZO_OK;
    int rc;

    zo_conn_init_library();
    memset(c, 0, sizeof *c);
    if (mode == ZO_CONN_IMMUTABLE) {
        if ((s = immutable_uri(path, uri, sizeof uri, err)) != ZO_OK)
            return s;
        path = uri;
        flags |= SQLITE_OPEN_URI;
    }
    flags |= mode == ZO_CONN_WRITE ? SQLITE_OPEN_READWRITE : SQLITE_OPEN_READONLY;
    if ((rc = sqlite3_open_v2(path, &c->db, flags, vfs)) != SQLITE_OK) {
        s = c->db ? zo_conn_fail(c, rc, "open the database", err) : zo_fail_nomem(err);
        goto fail;
    }
    if (mode == ZO_CONN_IMMUTABLE)
        return ZO_OK;
    if ((rc = sqlite3_busy_timeout(c->db, (int)busy_ms)) != SQLITE_OK ||
        (rc = sqlite3_wal_autocheckpoint(c->db, 0)) != SQLITE_OK || (rc = zo_sum_register(c->db)) != SQLITE_OK ||
        (rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL)) != SQLITE_OK ||
        (rc = sqlite3_db_config(c->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL)) != SQLITE_OK) {
        s = zo_conn_fail(c, rc, "open the database", err);
        goto fail;
    }
    if (mode == ZO_CONN_WRITE)
        s = zo_conn_exec(c,
                         "PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA secure_delete = ON;"
                         "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -8192;"
                         "PRAGMA journal_size_limit = 16777216",
                         "set up the connection", err);
    else
        s = zo_conn_exec(c, "PRAGMA temp_store = MEMORY; PRAGMA trusted_schema = OFF; PRAGMA cache_size = -1024",
                         "set up the connection", err);
    if (s == ZO_OK && mode == ZO_CONN_WRITE)
        s = become_wal(c, err);
    if (s == ZO_OK)
        return ZO_OK;
fail:
    zo_conn_close(c);
    return s;
}

void zo_conn_close(zo_conn *c)
{
    for (size_t i = 0; i < ZO_SQL_COUNT; i++)
        sqlite3_finalize(c->q[i]);
    if (c->db)
        ZO_ASSERT(sqlite3_close(c->db) == SQLITE_OK);
    memset(c, 0, sizeof *c);
}

zo_status zo_conn_query(zo_conn *c, zo_sql which, sqlite3_stmt **out, zo_error *err)
{
    if (!c->q[which]) {
        const int rc = sqlite3_prepare_v3(c->db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT, &c->q[which], NULL);

        if (rc != SQLITE_OK)
            return zo_conn_fail(c, rc, "prepare", err);
    }
    *out = c->q[which];
    return ZO_OK;
}

void zo_conn_done(sqlite3_stmt *q)
{
    if (q) {
        sqlite3_reset(q);
        sqlite3_clear_bindings(q);
    }
}

zo_status zo_conn_run(zo_conn *c, zo_sql which, zo_error *err)
{
    sqlite3_stmt *q = NULL;
    zo_status s = zo_conn_query(c, which, &q, err);
    int rc;

    if (s != ZO_OK)
        return s;
    rc = sqlite3_step(q);
    if (rc != SQLITE_DONE && rc != SQLITE_ROW)
        s = zo_conn_fail(c, rc, sql_text[which], err);
    sqlite3_reset(q);
    return s;
}

zo_status zo_sync_folder(const char *path, zo_error *err)
{
    char folder[ZO_PATH_BYTES];
    const char *slash = strrchr(path, '/');
    const size_t n = slash ? (size_t)(slash - path) : 0;
    int fd, rc;

    ZO_ASSERT(n < sizeof folder);
    memcpy(folder, path, n);
    memcpy(folder + n, n > 0 ? "" : slash ? "/" : ".", n > 0 ? 1 : 2);
    if ((fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC)) < 0)
        return zo_fail(err, ZO_ESTORE, "", "open folder %.200s: %s", folder, strerror(errno));
    rc = fsync(fd);
    if (rc != 0)
        zo_fail(err, ZO_ESTORE, "", "sync folder %.200s: %s", folder, strerror(errno));
    close(fd);
    return rc == 0 ? ZO_OK : ZO_ESTORE;
}
