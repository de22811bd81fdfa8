/* A runtime over a real store in a temporary folder, driven from the test's own loop. Commands are structs with a function pointer; the
 * order in which they ran and were finished is recorded. A VFS between SQLite and the file can hold or fail what the writer does. */
#ifndef ZO_TESTS_RUNTIME_HARNESS_H
#define ZO_TESTS_RUNTIME_HARNESS_H

#include <inttypes.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include <cmocka.h>
#include <sqlite3.h>

#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/spec.h"
#include "runtime/runtime.h"
#include "unit/scratch.h"

/* ---- a VFS that can hold or fail the log's syncs and writes ---- */
enum { DISK_FINE, DISK_HELD, DISK_FULL, DISK_BROKEN };
static _Atomic int disk;
static sqlite3_vfs *real_vfs;
static sqlite3_vfs fault_vfs;
struct fault_file { sqlite3_file base; sqlite3_file *real; };
static sqlite3_io_methods fault_methods;

static void nap_ms(long ms)
{
    nanosleep(&(struct timespec){.tv_nsec = ms * 1000000}, NULL);
}
static sqlite3_file *real_of(sqlite3_file *f) { return ((struct fault_file *)(void *)f)->real; }
static int f_close(sqlite3_file *f) { return real_of(f)->pMethods->xClose(real_of(f)); }
static int f_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at) { return real_of(f)->pMethods->xRead(real_of(f), p, n, at); }
static int f_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    if (atomic_load(&disk) == DISK_FULL)
        return SQLITE_FULL;
    return real_of(f)->pMethods->xWrite(real_of(f), p, n, at);
}
static int f_truncate(sqlite3_file *f, sqlite3_int64 n) { return real_of(f)->pMethods->xTruncate(real_of(f), n); }
static int f_sync(sqlite3_file *f, int flags)
{
    while (atomic_load(&disk) == DISK_HELD)
        nap_ms(1);
    if (atomic_load(&disk) == DISK_BROKEN)
        return SQLITE_IOERR_FSYNC;
    return real_of(f)->pMethods->xSync(real_of(f), flags);
}
static int f_size(sqlite3_file *f, sqlite3_int64 *n) { return real_of(f)->pMethods->xFileSize(real_of(f), n); }
static int f_lock(sqlite3_file *f, int l) { return real_of(f)->pMethods->xLock(real_of(f), l); }
static int f_unlock(sqlite3_file *f, int l) { return real_of(f)->pMethods->xUnlock(real_of(f), l); }
static int f_reserved(sqlite3_file *f, int *out) { return real_of(f)->pMethods->xCheckReservedLock(real_of(f), out); }
static int f_control(sqlite3_file *f, int op, void *arg) { return real_of(f)->pMethods->xFileControl(real_of(f), op, arg); }
static int f_sector(sqlite3_file *f) { return real_of(f)->pMethods->xSectorSize(real_of(f)); }
static int f_traits(sqlite3_file *f) { return real_of(f)->pMethods->xDeviceCharacteristics(real_of(f)); }
static int f_map(sqlite3_file *f, int i, int n, int extend, void volatile **p) { return real_of(f)->pMethods->xShmMap(real_of(f), i, n, extend, p); }
static int f_shm_lock(sqlite3_file *f, int o, int n, int flags) { return real_of(f)->pMethods->xShmLock(real_of(f), o, n, flags); }
static void f_barrier(sqlite3_file *f) { real_of(f)->pMethods->xShmBarrier(real_of(f)); }
static int f_unmap(sqlite3_file *f, int del) { return real_of(f)->pMethods->xShmUnmap(real_of(f), del); }
static int v_open(sqlite3_vfs *v, const char *name, sqlite3_file *f, int flags, int *out)
{
    struct fault_file *ff = (struct fault_file *)(void *)f;
    int rc;

    (void)v;
    ff->real = (sqlite3_file *)(void *)(ff + 1);
    rc = real_vfs->xOpen(real_vfs, name, ff->real, flags, out);
    ff->base.pMethods = rc == SQLITE_OK ? &fault_methods : NULL;
    return rc;
}

static const char *fault_vfs_name(void)
{
    if (!real_vfs) {
        real_vfs = sqlite3_vfs_find(NULL);
        fault_vfs = *real_vfs;
        fault_vfs.zName = "fault";
        fault_vfs.szOsFile = real_vfs->szOsFile + (int)sizeof(struct fault_file);
        fault_vfs.xOpen = v_open;
        fault_methods = (sqlite3_io_methods){2, f_close, f_read, f_write, f_truncate, f_sync, f_size, f_lock, f_unlock, f_reserved,
            f_control, f_sector, f_traits, f_map, f_shm_lock, f_barrier, f_unmap, NULL, NULL};
        sqlite3_vfs_register(&fault_vfs, 0);
    }
    return "fault";
}

/* ---- the fixture ---- */
typedef struct fx {
    char dir[64], path[96];
    uv_loop_t loop;
    uv_async_t done;
    zo_store *store;
    zo_runtime *rt;
    zo_runtime_opts opts;
    zo_store_opts store_opts;                /* vfs NULL: the one above */
    pthread_mutex_t mu;
    pthread_cond_t changed;                  /* a command was finished */
    unsigned n_finished;
    bool drained;
} fx;

typedef struct cmd cmd;
struct cmd {
    zo_cmd c;
    fx *f;
    void (*act)(cmd *m, zo_ctx *x);          /* sets rc */
    zo_step (*step)(cmd *m, zo_ctx *x);      /* instead of act, when it may wait */
    zo_status rc;
    zo_error err;
    uint64_t number, seq, digest, n_trials;
    size_t count;                            /* to ask */
    double value, x[4];                      /* x: where the first trial of an ask lies */
    double gradients[4];                     /* of value, told if the study takes any */
    const char *name, *spec;                 /* to create */
    char id[32];
    bool finished, timed_out, gone, repeated;
    unsigned order, runs;                    /* of finishing; how often it ran */
};

static const char spec_text[] =
    "{\"seed\": 7, \"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}, "
    "{\"name\": \"y\", \"type\": \"float\", \"low\": -5, \"high\": 5}], "
    "\"objectives\": [{\"name\": \"loss\", \"goal\": \"minimize\"}], \"solver\": {\"name\": \"random\", \"options\": {}}}";
static const char short_lease_text[] =
    "{\"seed\": 7, \"lease\": \"1s\", \"retries\": 0, \"on_expiry\": \"fail\", \"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}], "
    "\"objectives\": [{\"name\": \"loss\", \"goal\": \"minimize\"}], \"solver\": {\"name\": \"random\", \"options\": {}}}";

static inline void on_finished(zo_cmd *list, void *ctx)
{
    fx *f = ctx;

    pthread_mutex_lock(&f->mu);
    for (zo_cmd *c = list, *next; c; c = next) {
        cmd *m = (cmd *)(void *)c;

        next = c->next;
        m->order = f->n_finished++;
        m->finished = true; /* m may vanish from here on */
    }
    pthread_cond_broadcast(&f->changed);
    pthread_mutex_unlock(&f->mu);
    uv_async_send(&f->done);
}

static inline void on_done(uv_async_t *a)
{
    (void)a;
}

/* Run what is left on the loop (closing handles) and close it. */
static inline void fx_close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static inline void fx_close_loop(fx *f)
{
    uv_walk(&f->loop, fx_close_handle, NULL);
    uv_run(&f->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&f->loop), 0);
}

/* All or nothing, for tests that let it fail. */
static inline zo_status fx_try_start(fx *f, zo_error *err)
{
    zo_store_opts so = f->store_opts;
    zo_status rc;

    so.path = f->path;
    so.create = so.migrate = true;
    so.committed = zo_runtime_committed;
    if (!so.vfs)
        so.vfs = fault_vfs_name();
    if ((rc = zo_runtime_new(&f->rt, err)) != ZO_OK)
        return rc;
    so.ctx = f->rt;
    uv_loop_init(&f->loop);
    uv_async_init(&f->loop, &f->done, on_done);
    f->drained = false;
    f->store = NULL;
    if ((rc = zo_store_open(&so, &f->store, err)) == ZO_OK) {
        f->opts.store = f->store;
        f->opts.loop = &f->loop;
        if (!f->opts.finished)
            f->opts.finished = on_finished;
        f->opts.ctx = f;
        rc = zo_runtime_start(f->rt, &f->opts, err);
    }
    if (rc == ZO_OK)
        return ZO_OK;
    zo_runtime_stop(f->rt);
    zo_store_close(f->store);
    zo_runtime_free(f->rt);
    fx_close_loop(f);
    return rc;
}

static inline void fx_start(fx *f)
{
    zo_error err = {0};

    if (fx_try_start(f, &err) != ZO_OK)
        fail_msg("%s", err.message);
}

/* An empty folder for the file, nothing started. */
static inline void fx_init(fx *f, const zo_runtime_opts *o)
{
    *f = (fx){0};
    if (o)
        f->opts = *o;
    if (!f->opts.workers)
        f->opts.workers = 2;
    pthread_mutex_init(&f->mu, NULL);
    pthread_cond_init(&f->changed, NULL);
    assert_true(scratch_folder(f->dir));
    snprintf(f->path, sizeof f->path, "%s/t.db", f->dir);
    zo_log_set_level(getenv("ZO_TEST_LOG") ? ZO_DEBUG : ZO_LOG_OFF);
    atomic_store(&disk, DISK_FINE);
}

static inline void fx_open(fx *f, const zo_runtime_opts *o)
{
    fx_init(f, o);
    fx_start(f);
}

static inline void on_drained(void *ctx)
{
    ((fx *)ctx)->drained = true;
}

/* Drain and take everything down. */
static inline void fx_stop(fx *f)
{
    zo_runtime_drain(f->rt, on_drained, f);
    while (!f->drained)
        uv_run(&f->loop, UV_RUN_ONCE);
    zo_runtime_stop(f->rt);
    zo_store_close(f->store);
    zo_runtime_free(f->rt);
    fx_close_loop(f);
}

static inline void fx_fini(fx *f) /* stopped */
{
    char line[128];

    snprintf(line, sizeof line, "rm -rf %s", f->dir);
    assert_int_equal(system(line), 0);
    pthread_cond_destroy(&f->changed);
    pthread_mutex_destroy(&f->mu);
}

static inline void fx_close(fx *f)
{
    atomic_store(&disk, DISK_FINE);
    fx_stop(f);
    fx_fini(f);
}

static inline bool is_finished(fx *f, const cmd *m)
{
    bool yes;

    pthread_mutex_lock(&f->mu);
    yes = m->finished;
    pthread_mutex_unlock(&f->mu);
    return yes;
}

static inline void fx_pump(fx *f, int64_t ms) /* let the loop run for so long */
{
    int64_t end = zo_clock_mono_ms() + ms;

    while (zo_clock_mono_ms() < end) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        nap_ms(1);
    }
}

static inline void fx_wait(fx *f, const cmd *m)
{
    int64_t end = zo_clock_mono_ms() + 30000;

    while (!is_finished(f, m)) {
        uv_run(&f->loop, UV_RUN_NOWAIT);
        if (!is_finished(f, m))
            usleep(200);
        if (zo_clock_mono_ms() > end)
            fail_msg("a command was not finished in 30 s");
    }
}

/* ---- commands ---- */
static inline zo_step run_cmd(zo_cmd *c, zo_ctx *x)
{
    cmd *m = (cmd *)(void *)c;

    m->runs++;
    m->timed_out = x->timed_out;
    m->gone = x->gone;
    if (m->step)
        return m->step(m, x);
    m->act(m, x);
    return ZO_STEP_DONE;
}

static inline void cmd_init(cmd *m, fx *f, void (*act)(cmd *, zo_ctx *))
{
    *m = (cmd){.f = f, .act = act, .c = {.run = run_cmd, .bytes = 100}};
}

/* The outcome as a client would see it. */
static inline zo_status outcome(const cmd *m)
{
    return m->c.status != ZO_OK ? m->c.status : m->rc;
}

static inline void act_create(cmd *m, zo_ctx *x)
{
    zo_spec spec;
    zo_study *s = NULL;
    zo_study_row row = {.name = m->name, .spec = m->spec ? m->spec : spec_text}, existing = {0};

    if ((m->rc = zo_spec_decode_text(row.spec, strlen(row.spec), x->scratch, &spec, &m->err)) != ZO_OK ||
        (m->rc = zo_study_new(&spec.study, x->now, x->events, &s, &m->err)) != ZO_OK)
        return;
    m->rc = zo_ctx_create(x, &row, s, &existing, &m->err);
    if (m->rc == ZO_OK) {
        snprintf(m->id, sizeof m->id, "%s", row.id);
        return;
    }
    zo_study_free(s);
    if (m->rc == ZO_ECONFLICT)
        snprintf(m->id, sizeof m->id, "%s", existing.id);
}

static inline void act_ask(cmd *m, zo_ctx *x)
{
    zo_ask_args a = {.count = m->count ? m->count : 1, .worker = "w"};
    zo_ask_reply r = {0};

    m->rc = zo_study_ask(x->study, &a, x->now, x->events, x->scratch, &r, &m->err);
    if (m->rc == ZO_OK && r.n) {
        const size_t n = zo_space_n_dims(zo_study_space(x->study));
        zo_trial t;

        m->number = r.numbers[0];
        if (!zo_study_trial(x->study, m->number, &t)) {
            m->rc = ZO_EINTERNAL;
            return;
        }
        for (size_t i = 0; i < n && i < 4; i++)
            m->x[i] = t.v[i];
    }
    m->count = m->rc == ZO_OK ? r.n : 0;
    m->seq = zo_study_seq(x->study);
}

static inline void act_tell(cmd *m, zo_ctx *x)
{
    zo_tell_item item = {.by_number = true, .number = m->number, .state = ZO_TRIAL_COMPLETE, .values = &m->value, .cost = (double)NAN};
    size_t at;

    if (zo_study_oracle(x->study) == ZO_ORACLE_GRADIENT)
        item.gradients = m->gradients;
    m->rc = zo_study_tell(x->study, &item, 1, x->now, x->events, &m->number, &at, &m->err);
    m->seq = zo_study_seq(x->study);
}

/* A point the client brings: one event a tell. */
static inline void act_bring(cmd *m, zo_ctx *x)
{
    double v[2] = {0.5, 5 * sin(m->value)};
    zo_tell_item item = {.v = v, .state = ZO_TRIAL_COMPLETE, .values = &m->value, .cost = (double)NAN, .origin = ZO_ORIGIN_CLIENT};
    size_t at;

    m->rc = zo_study_tell(x->study, &item, 1, x->now, x->events, &m->number, &at, &m->err);
    m->seq = zo_study_seq(x->study);
}

static inline void act_look(cmd *m, zo_ctx *x)
{
    m->seq = zo_study_seq(x->study);
    m->digest = zo_study_digest(x->study);
    m->n_trials = zo_study_n_trials(x->study);
    m->rc = ZO_OK;
    snprintf(m->id, sizeof m->id, "%s", x->row->id);
}

/* x and state (in count) of trial number */
static inline void act_trial(cmd *m, zo_ctx *x)
{
    const size_t n = zo_space_n_dims(zo_study_space(x->study));
    zo_trial t;

    m->rc = zo_study_trial(x->study, m->number, &t) ? ZO_OK : ZO_ENOTFOUND;
    if (m->rc != ZO_OK)
        return;
    for (size_t i = 0; i < n && i < 4; i++)
        m->x[i] = t.v[i];
    m->count = t.state;
}

static inline void act_delete(cmd *m, zo_ctx *x)
{
    m->rc = zo_ctx_delete(x, &m->err);
}

static inline void submit(fx *f, const char *study, cmd *m)
{
    zo_runtime_submit(f->rt, ZO_STUDIES, 1, study, &m->c);
}

static inline zo_status run_on(fx *f, const char *study, cmd *m)
{
    submit(f, study, m);
    fx_wait(f, m);
    return outcome(m);
}

static inline void create_study(fx *f, const char *name, const char *spec, char id[32])
{
    cmd m;

    cmd_init(&m, f, act_create);
    m.name = name;
    m.spec = spec;
    zo_runtime_submit_directory(f->rt, ZO_STUDIES, 1, &m.c);
    fx_wait(f, &m);
    if (outcome(&m) != ZO_OK)
        fail_msg("create: %s %s %s", m.c.err.message, m.err.pointer, m.err.message);
    if (id)
        strcpy(id, m.id);
}

static inline cmd look(fx *f, const char *study)
{
    cmd m;

    cmd_init(&m, f, act_look);
    if (run_on(f, study, &m) != ZO_OK)
        fail_msg("look: %s", m.c.err.message);
    return m;
}

#endif
