/* Open and close the store: refuse what is not ours before touching it, lock, create or migrate, start the two threads.
 */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include "base/clock.h"
#include "base/log.h"

enum { SYNC_PROBES = 5 };

void zo_store_break(zo_store *st, const zo_error *err)
{
    bool first;

    pthread_mutex_lock(&st->broken_mu);
    first = atomic_exchange(&st->writable, false);
    if (first)
        st->broken = *err;
    pthread_mutex_unlock(&st->broken_mu);
    if (first) {
        char text[300];

        zo_log(ZO_ERROR, "store", "state=read-only until=restart reason=%s",
               zo_log_quote(text, sizeof text, err->message));
    }
}

zo_status zo_store_judge(zo_store *st, const zo_error *err)
{
    if (err->code == ZO_ESTORE)
        zo_store_break(st, err);
    return err->code;
}

bool zo_store_writable(const zo_store *st)
{
    return atomic_load(&st->writable);
}

double zo_store_fsync_us(zo_store *st)
{
    return st->fsync_us;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Median of a few 4 KiB fdatasyncs to a nameless file in the database's folder; 0 if that can't be measured. */
static double measure_sync(const char *path)
{
    static const char block[4096];
    double us[SYNC_PROBES];
    char name[ZO_PATH_BYTES + 16];
    int fd, n = 0;

    snprintf(name, sizeof name, "%s.syncXXXXXX", path);
    if ((fd = mkostemp(name, O_CLOEXEC)) < 0)
        return 0.0;
    (void)unlink(name);
    while (n < SYNC_PROBES) {
        const int64_t start = zo_clock_mono_ns();

        if (pwrite(fd, block, sizeof block, (off_t)n * (off_t)sizeof block) != (ssize_t)sizeof block ||
            fdatasync(fd) != 0)
            break;
        us[n++] = (double)(zo_clock_mono_ns() - start) / 1e3;
    }
    close(fd);
    if (n < SYNC_PROBES)
        return 0.0;
    qsort(us, SYNC_PROBES, sizeof us[0], by_value);
    return us[SYNC_PROBES / 2];
}

/* Lock and know: on success the lock is held and the file is ours, or made. An existing lock file is taken before the
 * database is looked at (its owner may be writing); a missing one is made after, so that beside a foreign file nothing
 * appears. */
static zo_status acquire(const char *path, const char *vfs, bool create, int *lock_out, zo_error *err)
{
    zo_file_kind kind = ZO_FILE_OURS;
    int fd = -1;
    zo_status s = zo_store_lock(path, false, &fd, err);

    if (s == ZO_ENOTFOUND) {
        if ((s = zo_store_identify(path, vfs, create, &kind, err)) != ZO_OK)
            return s;
        s = zo_store_lock(path, true, &fd, err);
    }
    if (s != ZO_OK)
        return s;
    if ((s = zo_store_identify(path, vfs, create, &kind, err)) == ZO_OK && kind == ZO_FILE_NEW)
        s = zo_store_create(path, vfs, err);
    if (s != ZO_OK)
        close(fd);
    else
        *lock_out = fd;
    return s;
}

static void warn_about_mode(const char *path)
{
    struct stat sb;

    if (stat(path, &sb) == 0 && (sb.st_mode & 077) != 0)
        zo_log(ZO_WARN, "store", "mode=%03o advice=\"others may read the database: chmod 600\"",
               (unsigned)(sb.st_mode & 0777));
}

static zo_status load(zo_store *st, const zo_store_opts *o, zo_error *err)
{
    int64_t last = 0, last_key = 0, pending = 0;
    int from = 0, to = 0;
    zo_status s;

    if ((s = zo_conn_open(&st->conn, st->path, st->vfs, ZO_CONN_WRITE, st->busy_ms, err)) != ZO_OK ||
        (s = zo_store_verify(&st->conn, st->path, o->migrate || o->create, err)) != ZO_OK ||
        (s = zo_migrate_apply(&st->conn, &from, &to, err)) != ZO_OK)
        return s;
    if (to != from)
        zo_log(ZO_INFO, "migrate", "from=%d to=%d", from, to);
    if ((s = zo_reply_secret(st, err)) != ZO_OK ||
        (s = zo_conn_int(&st->conn, "SELECT max(study) FROM studies", &last, err)) != ZO_OK)
        return s;
    atomic_store(&st->next_study, last + 1);
    if ((s = zo_conn_int(&st->conn, "SELECT max(model) FROM models", &last, err)) != ZO_OK)
        return s;
    if ((s = zo_keys_last_model(st, &last_key, err)) != ZO_OK)
        return s;
    atomic_store(&st->next_model, (last > last_key ? last : last_key) + 1);
    if ((s = zo_conn_int(&st->conn, "SELECT max(part) FROM parts", &last, err)) != ZO_OK ||
        (s = zo_conn_int(&st->conn,
                         "SELECT (SELECT count(*) FROM history WHERE request IS NOT NULL AND erased_ms IS NULL) +"
                         " (SELECT count(*) FROM models WHERE deleted = 1) + (SELECT count(*) FROM tombstones_due)",
                         &pending, err)) != ZO_OK)
        return s;
    atomic_store(&st->next_part, last + 1);
    if (pending > 0) { /* a forget or a deletion whose erasure was cut short, perhaps before FILE-keys was written */
        st->keys_left = true;
        zo_erase_request(st);
    }
    return zo_store_in_place(st, err);
}

zo_status zo_store_open(const zo_store_opts *o, zo_store **out, zo_error *err)
{
    char path[ZO_PATH_BYTES];
    zo_store *st = NULL;
    zo_status s;
    int lock = -1;

    if (sodium_init() < 0)
        return zo_fail(err, ZO_EINTERNAL, "", "libsodium does not start");
    zo_conn_init_library();
    if ((s = zo_store_resolve(o->path, path, err)) != ZO_OK ||
        (s = acquire(path, o->vfs, o->create, &lock, err)) != ZO_OK)
        return s;
    if (!(st = zo_calloc(1, sizeof *st))) {
        close(lock);
        return zo_fail_nomem(err);
    }
    st->lock_fd = lock;
    st->inspect = o->inspect;
    st->committed = o->committed;
    st->ctx = o->ctx;
    st->busy_ms = o->busy_timeout_ms > 0 ? o->busy_timeout_ms : 5000;
    st->wal_passive_bytes = o->wal_passive_bytes ? o->wal_passive_bytes : (size_t)4 << 20;
    st->wal_restart_bytes = o->wal_restart_bytes ? o->wal_restart_bytes : (size_t)16 << 20;
    st->tail = &st->head;
    st->epoch = 1;
    st->replies = -1;
    st->purge_due = st->purge_models_due = true;
    atomic_store(&st->writable, true);
    pthread_mutex_init(&st->mu, NULL);
    pthread_mutex_init(&st->broken_mu, NULL);
    pthread_mutex_init(&st->tag_mu, NULL);
    pthread_mutex_init(&st->checkpoint_mu, NULL);
    pthread_cond_init(&st->checkpoint_wake, NULL);
    pthread_cond_init(&st->checkpoint_idle, NULL);
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&st->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (!(st->path = zo_strdup(path)) || (o->vfs && !(st->vfs = zo_strdup(o->vfs)))) {
        s = zo_fail_nomem(err);
        goto fail;
    }
    if ((s = load(st, o, err)) != ZO_OK)
        goto fail;
    warn_about_mode(st->path);
    st->fsync_us = measure_sync(st->path);
    if ((s = zo_checkpoint_start(st, err)) != ZO_OK || (s = zo_writer_start(st, err)) != ZO_OK)
        goto fail;
    *out = st;
    return ZO_OK;
fail:
    (void)zo_store_close(st);
    return s;
}

/* The last commits into the main file, and the log away: what an orderly end leaves is one file. After a failed write
 * or sync the log is the only good copy and stays as it is. */
static void final_checkpoint(zo_store *st)
{
    zo_error err = {0};
    int rc;

    if (!st->conn.db || !atomic_load(&st->writable))
        return;
    rc = sqlite3_wal_checkpoint_v2(st->conn.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    if (rc == SQLITE_OK) {
        sqlite3_db_config(st->conn.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    } else {
        zo_conn_fail(&st->conn, rc, "checkpoint", &err);
        (void)zo_store_judge(st, &err); /* a full disk or a foreign reader only means that the log stays */
    }
}

zo_status zo_store_close(zo_store *st)
{
    const bool was_open = st && st->writer_runs;
    zo_status s;

    if (!st)
        return ZO_OK;
    zo_writer_stop(st);
    zo_checkpoint_stop(st);
    if (was_open)
        final_checkpoint(st);
    zo_keys_close(st);
    zo_conn_close(&st->conn);
    s = atomic_load(&st->writable) ? ZO_OK : ZO_ESTORE;
    close(st->lock_fd);
    sodium_memzero(st->secret, sizeof st->secret);
    pthread_mutex_destroy(&st->mu);
    pthread_mutex_destroy(&st->broken_mu);
    pthread_mutex_destroy(&st->tag_mu);
    explicit_bzero(st->tag_key, sizeof st->tag_key);
    pthread_mutex_destroy(&st->checkpoint_mu);
    pthread_cond_destroy(&st->wake);
    pthread_cond_destroy(&st->checkpoint_wake);
    pthread_cond_destroy(&st->checkpoint_idle);
    zo_free(st->path);
    zo_free(st->vfs);
    zo_free(st);
    return s;
}

zo_status zo_store_migrate(const char *path, int *from_out, int *to_out, zo_error *err)
{
    char full[ZO_PATH_BYTES];
    zo_conn c;
    zo_status s;
    int lock = -1, rc;

    zo_conn_init_library();
    if ((s = zo_store_resolve(path, full, err)) != ZO_OK || (s = acquire(full, NULL, false, &lock, err)) != ZO_OK)
        return s;
    if ((s = zo_conn_open(&c, full, NULL, ZO_CONN_WRITE, 5000, err)) == ZO_OK) {
        if ((s = zo_store_verify(&c, full, true, err)) == ZO_OK &&
            (s = zo_migrate_apply(&c, from_out, to_out, err)) == ZO_OK) {
            rc = sqlite3_wal_checkpoint_v2(c.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
            if (rc == SQLITE_OK)
                sqlite3_db_config(c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
            else
                s = zo_conn_fail(&c, rc, "checkpoint", err);
        }
        zo_conn_close(&c);
    }
    close(lock);
    return s;
}
