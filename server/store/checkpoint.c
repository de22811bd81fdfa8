/* Checkpoints: copying the log into the main file.
 * A helper connection on its own thread runs PASSIVE ones, which disturb nobody, but alone they let the log grow
 * without end (291 MB in 8 s were measured), for the log starts over only when a checkpoint has caught up and no reader
 * needs it. So above 16 MiB the writer itself runs a RESTART between two commits: little is left to copy, and readers
 * hold their transactions 50 ms at most. A failed write or sync of the main file makes the store read-only: the log
 * still holds everything, and is then kept as it is. */
#include "internal.h"

#include <signal.h>
#include "base/clock.h"

enum { PATIENCE_MS = 100, LARGE = 3 /* times wal_restart_bytes: then wait for helper and readers */ };

static void fail(zo_store *st, zo_conn *c, int rc)
{
    zo_error err = {0};

    if (zo_conn_fail(c, rc, "checkpoint", &err) == ZO_ESTORE)
        zo_store_break(st, &err);
}

static void *helper(void *arg)
{
    zo_store *st = arg;

    pthread_setname_np(pthread_self(), "zo-checkpoint");
    pthread_mutex_lock(&st->checkpoint_mu);
    for (;;) {
        int rc, in_log = 0, copied = 0;

        while (!st->checkpoint_wanted && !st->checkpoint_stop)
            pthread_cond_wait(&st->checkpoint_wake, &st->checkpoint_mu);
        if (st->checkpoint_stop)
            break;
        st->checkpoint_wanted = false;
        st->checkpoint_busy = true;
        pthread_mutex_unlock(&st->checkpoint_mu);
        rc = atomic_load(&st->writable) ? sqlite3_wal_checkpoint_v2(st->checkpoint_conn.db, "main",
                                                                    SQLITE_CHECKPOINT_PASSIVE, &in_log, &copied)
                                        : SQLITE_BUSY;
        if (rc != SQLITE_OK && rc != SQLITE_BUSY)
            fail(st, &st->checkpoint_conn, rc);
        pthread_mutex_lock(&st->checkpoint_mu);
        if (rc == SQLITE_OK && copied > 0)
            st->checkpointed_bytes = (uint64_t)copied * 4096;
        st->checkpoint_busy = false;
        pthread_cond_broadcast(&st->checkpoint_idle);
    }
    pthread_mutex_unlock(&st->checkpoint_mu);
    return NULL;
}

static int note_log_size(void *arg, sqlite3 *db, const char *name, int pages)
{
    zo_store *st = arg;

    (void)db;
    (void)name;
    atomic_store(&st->wal_bytes, (uint64_t)pages * 4096);
    return SQLITE_OK;
}

zo_status zo_checkpoint_start(zo_store *st, zo_error *err)
{
    sigset_t all, old;
    zo_status s;
    int rc;

    sqlite3_wal_hook(st->conn.db, note_log_size, st);
    if ((s = zo_conn_open(&st->checkpoint_conn, st->path, st->vfs, ZO_CONN_WRITE, PATIENCE_MS, err)) != ZO_OK)
        return s;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&st->checkpointer, NULL, helper, st);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return zo_fail(err, ZO_ENOMEM, "", "start the checkpoint thread: %s", strerror(rc));
    st->checkpointer_runs = true;
    return ZO_OK;
}

void zo_checkpoint_stop(zo_store *st)
{
    if (st->checkpointer_runs) {
        pthread_mutex_lock(&st->checkpoint_mu);
        st->checkpoint_stop = true;
        pthread_cond_signal(&st->checkpoint_wake);
        pthread_mutex_unlock(&st->checkpoint_mu);
        pthread_join(st->checkpointer, NULL);
        st->checkpointer_runs = false;
    }
    zo_conn_close(&st->checkpoint_conn);
}

void zo_checkpoint_truncated(zo_store *st) /* [store] */
{
    atomic_store(&st->wal_bytes, 0);
    pthread_mutex_lock(&st->checkpoint_mu);
    st->checkpointed_bytes = 0;
    pthread_mutex_unlock(&st->checkpoint_mu);
}

static void restart_log(zo_store *st, bool large)
{
    int rc;

    sqlite3_busy_timeout(st->conn.db, large ? (int)st->busy_ms : PATIENCE_MS);
    rc = sqlite3_wal_checkpoint_v2(st->conn.db, "main", SQLITE_CHECKPOINT_RESTART, NULL, NULL);
    sqlite3_busy_timeout(st->conn.db, (int)st->busy_ms);
    if (rc == SQLITE_OK) {
        zo_checkpoint_truncated(st);
        return;
    }
    if (rc != SQLITE_BUSY)
        fail(st, &st->conn, rc); /* full disk: the commits will say so */
    st->restart_ms = zo_clock_mono_ms() + PATIENCE_MS;
}

void zo_checkpoint_after_commit(zo_store *st) /* [store] */
{
    const uint64_t bytes = atomic_load(&st->wal_bytes);
    const bool large = bytes >= LARGE * st->wal_restart_bytes;
    bool busy;

    if (bytes < st->wal_passive_bytes)
        return;
    pthread_mutex_lock(&st->checkpoint_mu);
    if (bytes < st->checkpointed_bytes)
        st->checkpointed_bytes = 0; /* the log started over by itself */
    if (large)
        while (st->checkpoint_busy)
            pthread_cond_wait(&st->checkpoint_idle, &st->checkpoint_mu);
    busy = st->checkpoint_busy;
    if (bytes < st->wal_restart_bytes && !busy && bytes - st->checkpointed_bytes >= st->wal_passive_bytes) {
        st->checkpoint_wanted = true;
        pthread_cond_signal(&st->checkpoint_wake);
    }
    pthread_mutex_unlock(&st->checkpoint_mu);
    if (bytes >= st->wal_restart_bytes && !busy && (large || zo_clock_mono_ms() >= st->restart_ms))
        restart_log(st, large);
}
