/* Fixture of the store's tests: a folder of its own, a store in it, and a way to submit writes and wait for them. */
#ifndef ZO_TESTS_STORE_FX_H
#define ZO_TESTS_STORE_FX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <unistd.h>
#include "store/store.h"
#include "unit/scratch.h"

typedef struct fx {
    char dir[256], path[300];
    zo_store *st;
    zo_reader *r;
    zo_arena *arena;
    zo_store_opts opts;
    pthread_mutex_t mu;
    pthread_cond_t back;
    size_t n_batches, n_back;   /* calls of committed, writes in them */
} fx;

/* owner of a write is the number still out of its submitter, or NULL. */
static void fx_committed(zo_write *list, void *ctx)
{
    fx *f = ctx;

    pthread_mutex_lock(&f->mu);
    f->n_batches++;
    for (zo_write *w = list, *next; w; w = next) {
        next = w->next;
        f->n_back++;
        if (w->owner)
            --*(size_t *)w->owner;
    }
    pthread_cond_broadcast(&f->back);
    pthread_mutex_unlock(&f->mu);
}

/* Submit and wait until all are back; the status of the first that failed. */
static inline zo_status fx_commit(fx *f, zo_write *list)
{
    size_t out = 0;
    zo_write *all[64];
    size_t n = 0;

    for (zo_write *w = list; w; w = w->next) {
        assert_true(n < 64);
        w->owner = &out;
        all[n++] = w;
    }
    out = n;
    zo_store_submit(f->st, list);
    pthread_mutex_lock(&f->mu);
    while (out > 0)
        pthread_cond_wait(&f->back, &f->mu);
    pthread_mutex_unlock(&f->mu);
    for (size_t i = 0; i < n; i++)
        if (all[i]->status != ZO_OK)
            return all[i]->status;
    return ZO_OK;
}

static inline zo_status fx_open(fx *f, zo_error *err)
{
    f->opts.path = f->path;
    f->opts.committed = fx_committed;
    f->opts.ctx = f;
    return zo_store_open(&f->opts, &f->st, err);
}

static inline void fx_reopen(fx *f)
{
    zo_error err = {0};

    zo_reader_close(f->r);
    f->r = NULL;
    if (f->st)
        assert_int_equal(zo_store_close(f->st), ZO_OK);
    f->st = NULL;
    if (fx_open(f, &err) != ZO_OK || zo_reader_open(f->st, &f->r, &err) != ZO_OK)
        fail_msg("open: %s", err.message);
}

static inline void fx_empty_dir(const char *dir)
{
    DIR *d = opendir(dir);
    struct dirent *e;
    char file[600];

    while (d && (e = readdir(d))) {
        snprintf(file, sizeof file, "%s/%s", dir, e->d_name);
        unlink(file);
    }
    if (d)
        closedir(d);
}

static inline fx *fx_new(void)
{
    fx *f = calloc(1, sizeof *f);

    assert_true(scratch_folder(f->dir));
    snprintf(f->path, sizeof f->path, "%s/z.db", f->dir);
    f->opts.create = f->opts.migrate = true;
    pthread_mutex_init(&f->mu, NULL);
    pthread_cond_init(&f->back, NULL);
    assert_non_null(f->arena = zo_arena_new(0));
    return f;
}

static inline int fx_setup(void **state)
{
    fx *f = fx_new();

    fx_reopen(f);
    *state = f;
    return 0;
}

static inline int fx_setup_closed(void **state)
{
    *state = fx_new();
    return 0;
}

static inline int fx_teardown(void **state)
{
    fx *f = *state;

    zo_reader_close(f->r);
    zo_store_close(f->st);
    zo_arena_free(f->arena);
    fx_empty_dir(f->dir);
    rmdir(f->dir);
    pthread_mutex_destroy(&f->mu);
    pthread_cond_destroy(&f->back);
    free(f);
    return 0;
}

/* ---- what is written: a function of study and seq, so that a reader can tell ---- */
enum { FX_MAX_BODY = 300 };

static inline size_t fx_body(int64_t study, uint64_t seq, uint8_t out[FX_MAX_BODY])
{
    uint64_t h = (uint64_t)study * 1000003u + seq * 0x9e3779b97f4a7c15u;
    const size_t n = 20 + (size_t)(h >> 20) % 200;

    for (size_t i = 0; i < n; i++) {
        h = h * 6364136223846793005u + 1442695040888963407u;
        out[i] = (uint8_t)(h >> 56);
    }
    return n;
}

static inline zo_event fx_event(int64_t study, uint64_t seq, uint8_t buf[FX_MAX_BODY])
{
    return (zo_event){.seq = seq, .kind = seq == 1 ? ZO_EVENT_CREATED : seq % 50 == 0 ? ZO_EVENT_REBASED : ZO_EVENT_TOLD,
                      .at_ms = 1000 + (int64_t)seq, .body_bytes = fx_body(study, seq, buf), .body = buf};
}

static inline bool fx_is_event(int64_t study, const zo_event *e)
{
    uint8_t buf[FX_MAX_BODY];
    const zo_event want = fx_event(study, e->seq, buf);

    return e->kind == want.kind && e->at_ms == want.at_ms && e->body_bytes == want.body_bytes &&
           memcmp(e->body, want.body, want.body_bytes) == 0;
}

/* A write of n events of one study from seq on. */
typedef struct fx_events {
    zo_write w;
    zo_op op;
    zo_event items[64];
    uint8_t bodies[64][FX_MAX_BODY];
} fx_events;

static inline zo_write *fx_events_set(fx_events *e, int64_t study, uint64_t seq, size_t n)
{
    assert_true(n <= 64);
    for (size_t i = 0; i < n; i++)
        e->items[i] = fx_event(study, seq + i, e->bodies[i]);
    e->op = (zo_op){.kind = ZO_OP_EVENTS, .study = study, .u.events = {e->items, n}};
    e->w = (zo_write){.ops = &e->op};
    return &e->w;
}

typedef struct fx_study {
    zo_write w;
    zo_op create, events;
    zo_study_row row;
    zo_event first;
    char id[30];
    uint8_t body[FX_MAX_BODY];
} fx_study;

static inline zo_write *fx_study_set(fx *f, fx_study *s, const char *name)
{
    const int64_t key = zo_store_next_study(f->st);

    zo_store_new_id(f->st, "st_", s->id);
    s->row = (zo_study_row){.study = key, .tenant = 1, .id = s->id, .name = name, .title = "a title", .metadata = "{\"a\":1}",
                            .state = "active", .spec = "{\"seed\":1}", .created_ms = 1000 + key, .updated_ms = 2000 - key,
                            .revision = 1};
    s->first = fx_event(key, 1, s->body);
    s->create = (zo_op){.kind = ZO_OP_STUDY_CREATE, .u.row = &s->row, .next = &s->events};
    s->events = (zo_op){.kind = ZO_OP_EVENTS, .study = key, .u.events = {&s->first, 1}};
    s->w = (zo_write){.ops = &s->create};
    return &s->w;
}

static inline int64_t fx_create(fx *f, const char *name)
{
    fx_study s;
    const zo_status rc = fx_commit(f, fx_study_set(f, &s, name));

    if (rc != ZO_OK)
        fail_msg("create: %s", s.w.err.message);
    return s.row.study;
}

static inline zo_status fx_append(fx *f, int64_t study, uint64_t seq, size_t n)
{
    fx_events *e = calloc(1, sizeof *e);
    const zo_status rc = fx_commit(f, fx_events_set(e, study, seq, n));

    free(e);
    return rc;
}

typedef struct fx_log { int64_t study; uint64_t n, stop_at; bool bad; } fx_log;

static inline zo_status fx_each(void *ctx, const zo_event *e)
{
    fx_log *l = ctx;

    l->n++;
    if (!fx_is_event(l->study, e))
        l->bad = true;
    return l->stop_at && e->seq == l->stop_at ? ZO_ECANCELED : ZO_OK;
}

/* Number of events of a study, each as written. */
static inline uint64_t fx_count_with(zo_reader *r, int64_t study)
{
    fx_log l = {.study = study};
    zo_error err = {0};

    if (zo_reader_events(r, study, 0, fx_each, &l, &err) != ZO_OK)
        fail_msg("read: %s", err.message);
    assert_false(l.bad);
    return l.n;
}

static inline uint64_t fx_count(fx *f, int64_t study)
{
    return fx_count_with(f->r, study);
}

/* Run SQL on the closed file as another program would. */
static inline void fx_sql(const char *path, const char *sql)
{
    sqlite3 *db = NULL;
    char *msg = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    if (sqlite3_exec(db, sql, NULL, NULL, &msg) != SQLITE_OK)
        fail_msg("%s: %s", sql, msg);
    sqlite3_close(db);
}

#endif
