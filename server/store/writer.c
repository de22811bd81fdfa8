/* The writer thread: natural group commit. It takes all that waits in one hand-over, commits it as one transaction and
 * gives the list back; what arrives during the commit is the next batch. So there is no timer and no batch size to
 * tune: an idle store commits each write at once, a busy one shares each fsync among hundreds. */
#include "internal.h"

#include <signal.h>
#include <time.h>
#include "base/clock.h"
#include "base/metrics.h"
#include "base/slice.h"

/* One transaction stays well below the log's bound of 64 MiB. */
enum { MAX_BATCH_BYTES = 8 << 20 };

size_t zo_write_bytes(const zo_write *w)
{
    size_t n = sizeof *w;

    for (const zo_op *op = w->ops; op; op = op->next) {
        n += sizeof *op;
        switch (op->kind) {
        case ZO_OP_EVENTS:
            for (size_t i = 0; i < op->u.events.n; i++)
                n += sizeof(zo_event) + op->u.events.items[i].body_bytes;
            break;
        case ZO_OP_STUDY_CREATE:
            n += sizeof(zo_study_row) + strlen(op->u.row->spec);
            break;
        case ZO_OP_SNAPSHOT:
            n += op->u.snapshot.bytes;
            break;
        case ZO_OP_IDEMPOTENCY:
            n += sizeof(zo_idempotency) + op->u.idempotency->reply_bytes + op->u.idempotency->body_bytes;
            break;
        case ZO_OP_PART_PUT:
            n += op->u.part.bytes;
            break;
        case ZO_OP_HISTORY:
            n += sizeof(zo_history) + strlen(op->u.history.entry->body);
            break;
        case ZO_OP_STUDY_UPDATE:
        case ZO_OP_STUDY_DELETE:
            n += sizeof(zo_study_row);
            break;
        case ZO_OP_PART_DROP:
        case ZO_OP_REPLIES_DROP:
        case ZO_OP_SCRUB:
        case ZO_OP_KEY_PUT:
        case ZO_OP_KEY_DROP:
        case ZO_OP_TOMBSTONE:
            break;
        }
    }
    return n;
}

void zo_store_submit(zo_store *st, zo_write *list)
{
    zo_write *last = list;
    size_t n = 0, bytes = 0;
    bool wake;

    if (!list)
        return;
    for (zo_write *w = list; w; last = w, w = w->next) {
        n++;
        bytes += zo_write_bytes(w);
    }
    atomic_fetch_add(&st->n_waiting, n);
    atomic_fetch_add(&st->bytes_waiting, bytes);
    pthread_mutex_lock(&st->mu);
    *st->tail = list;
    st->tail = &last->next;
    wake = st->sleeping;
    st->sleeping = false; /* one signal is enough */
    pthread_mutex_unlock(&st->mu);
    if (wake)
        pthread_cond_signal(&st->wake);
}

size_t zo_store_queue_length(const zo_store *st)
{
    return atomic_load(&st->n_waiting);
}

size_t zo_store_queue_bytes(const zo_store *st)
{
    return atomic_load(&st->bytes_waiting);
}

void zo_writer_undo(zo_store *st)
{
    zo_error err = {0};

    zo_ops_forget_tails(st);
    /* Many errors end the transaction by themselves. One that can be neither committed nor undone must not swallow
     * later writes; for want of memory it is undone before the next begins. */
    if (!sqlite3_get_autocommit(st->conn.db) && zo_conn_run(&st->conn, ZO_SQL_ROLLBACK, &err) != ZO_OK &&
        err.code != ZO_ENOMEM && !sqlite3_get_autocommit(st->conn.db)) {
        zo_fail(&err, ZO_ESTORE, "", "a transaction could not be undone");
        zo_store_break(st, &err);
    }
}

zo_status zo_writer_begin(zo_store *st, zo_error *err)
{
    zo_status s = ZO_OK;

    if (!sqlite3_get_autocommit(st->conn.db))
        s = zo_conn_run(&st->conn, ZO_SQL_ROLLBACK, err);
    return s == ZO_OK ? zo_conn_run(&st->conn, ZO_SQL_BEGIN, err) : s;
}

/* One transaction. careful: each write in a savepoint of its own, so that one to blame can be left out; without it,
 * such a write sets *refused and nothing is done. */
static zo_status try_batch(zo_store *st, zo_write *list, bool careful, bool *refused, zo_error *err)
{
    zo_conn *c = &st->conn;
    bool alone;
    zo_status s;

    if ((s = zo_writer_begin(st, err)) != ZO_OK)
        return s;
    for (zo_write *w = list; w; w = w->next) {
        w->status = ZO_OK;
        if (!w->ops)
            continue;
        if (careful && (s = zo_conn_run(c, ZO_SQL_SAVEPOINT, err)) != ZO_OK)
            goto fail;
        w->status = zo_ops_run(st, w, &alone, &w->err);
        if (w->status != ZO_OK && !alone) {
            *err = w->err;
            s = w->status;
            goto fail;
        }
        if (w->status != ZO_OK) {
            *refused = true;
            if (!careful) {
                zo_writer_undo(st);
                return ZO_OK;
            }
            zo_ops_forget_tails(st);
            if ((s = zo_conn_run(c, ZO_SQL_ROLLBACK_TO, err)) != ZO_OK)
                goto fail;
        }
        if (careful && (s = zo_conn_run(c, ZO_SQL_RELEASE, err)) != ZO_OK)
            goto fail;
    }
    if ((s = zo_conn_run(c, ZO_SQL_COMMIT, err)) == ZO_OK)
        return ZO_OK;
fail:
    zo_writer_undo(st);
    return s;
}

static void observe(const zo_write *list, int64_t start_ns)
{
    uint64_t writes = 0, events = 0;

    for (const zo_write *w = list; w; w = w->next) {
        writes++;
        for (const zo_op *op = w->status == ZO_OK ? w->ops : NULL; op; op = op->next)
            if (op->kind == ZO_OP_EVENTS)
                events += op->u.events.n;
    }
    zo_observe(&zo_metric.commit_us, (uint64_t)(zo_clock_mono_ns() - start_ns) / 1000);
    zo_observe(&zo_metric.commit_batch, writes);
    zo_count(&zo_metric.commits, 1);
    zo_count(&zo_metric.events, events);
}

static void run_batch(zo_store *st, zo_write *list)
{
    const int64_t start = zo_clock_mono_ns();
    bool has_ops = false, refused = false;
    zo_error err = {0};
    zo_status s = ZO_OK;

    for (const zo_write *w = list; w; w = w->next)
        has_ops = has_ops || w->ops;
    if (has_ops) {
        if (!atomic_load(&st->writable)) {
            pthread_mutex_lock(&st->broken_mu);
            err = st->broken;
            pthread_mutex_unlock(&st->broken_mu);
            s = err.code;
        } else if ((s = zo_keys_before(st, list, &err)) == ZO_OK &&
                   (s = try_batch(st, list, false, &refused, &err)) == ZO_OK && refused) {
            s = try_batch(st, list, true, &refused, &err);
        }
        if (s == ZO_OK)
            s = zo_store_in_place(st, &err);
        if (s == ZO_OK) {
            st->batch++;
        } else {
            (void)zo_store_judge(st, &err);
            st->last_failure = err;
        }
    }
    for (zo_write *w = list; w; w = w->next) {
        w->batch = st->batch;
        if (s != ZO_OK) {
            w->status = s;
            w->err = err;
        } else if (!has_ops || !w->ops || w->status == ZO_OK) {
            w->status = ZO_OK;
            w->err = (zo_error){0};
        }
    }
    if (has_ops && s == ZO_OK) {
        zo_keys_after(st, list);
        observe(list, start);
    }
}

/* The next transaction's worth of *rest, cut off; *rest is what remains. */
static zo_write *cut_batch(zo_write **rest, size_t *n_out, size_t *bytes_out)
{
    zo_write *list = *rest, *w = list;
    size_t n = 1, bytes = zo_write_bytes(w);

    while (w->next && bytes < MAX_BATCH_BYTES) {
        w = w->next;
        n++;
        bytes += zo_write_bytes(w);
    }
    *rest = w->next;
    w->next = NULL;
    *n_out = n;
    *bytes_out = bytes;
    return list;
}

static void sleep_until(zo_store *st, int64_t until_ms) /* holding mu */
{
    const struct timespec t = {.tv_sec = until_ms / 1000, .tv_nsec = until_ms % 1000 * 1000000};

    st->sleeping = true;
    pthread_cond_timedwait(&st->wake, &st->mu, &t);
    st->sleeping = false;
}

static int64_t housekeeping_ms(const zo_store *st)
{
    const int64_t purge = zo_purge_next_ms(st), erase = zo_erase_next_ms(st);

    if (st->inspect)
        return INT64_MAX;
    return purge < erase ? purge : erase;
}

static void keep_house(zo_store *st)
{
    if (zo_erase_next_ms(st) <= zo_clock_mono_ms())
        zo_erase_step(st);
    if (zo_purge_next_ms(st) <= zo_clock_mono_ms())
        zo_purge_step(st);
}

/* All that waits; NULL when the store stops. House-keeping fills idle time; under endless load it gets a turn now and
 * then. */
static zo_write *take_all(zo_store *st)
{
    zo_write *list;

    pthread_mutex_lock(&st->mu);
    while (!st->head && !st->stopping) {
        const int64_t next = housekeeping_ms(st);

        if (next > zo_clock_mono_ms()) {
            sleep_until(st, next);
        } else {
            pthread_mutex_unlock(&st->mu);
            keep_house(st);
            pthread_mutex_lock(&st->mu);
        }
    }
    list = st->head;
    st->head = NULL;
    st->tail = &st->head;
    pthread_mutex_unlock(&st->mu);
    return list;
}

static void *writer(void *arg)
{
    enum { TURN_MS = 1000 };
    zo_store *st = arg;
    zo_write *rest;
    int64_t turn_ms = zo_clock_mono_ms() + TURN_MS;

    pthread_setname_np(pthread_self(), "zo-store");
    zo_slice_short();
    while ((rest = take_all(st))) {
        while (rest) {
            size_t n, bytes;
            zo_write *list = cut_batch(&rest, &n, &bytes);

            run_batch(st, list);
            zo_gauge_set(&zo_metric.writer_queue, (int64_t)(atomic_fetch_sub(&st->n_waiting, n) - n));
            atomic_fetch_sub(&st->bytes_waiting, bytes);
            st->committed(list, st->ctx);
            zo_checkpoint_after_commit(st);
        }
        if (zo_clock_mono_ms() >= turn_ms) {
            turn_ms = zo_clock_mono_ms() + TURN_MS;
            if (housekeeping_ms(st) <= zo_clock_mono_ms())
                keep_house(st);
        }
    }
    return NULL;
}

zo_status zo_writer_start(zo_store *st, zo_error *err)
{
    sigset_t all, old;
    int rc;

    sigfillset(&all); /* signals are the loop's; a write beyond RLIMIT_FSIZE must be an error, not a SIGXFSZ */
    pthread_sigmask(SIG_SETMASK, &all, &old);
    rc = pthread_create(&st->writer, NULL, writer, st);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    if (rc != 0)
        return zo_fail(err, ZO_ENOMEM, "", "start the writer thread: %s", strerror(rc));
    st->writer_runs = true;
    return ZO_OK;
}

void zo_writer_stop(zo_store *st)
{
    if (!st->writer_runs)
        return;
    pthread_mutex_lock(&st->mu);
    st->stopping = true;
    pthread_cond_signal(&st->wake);
    pthread_mutex_unlock(&st->mu);
    pthread_join(st->writer, NULL);
    st->writer_runs = false;
}
