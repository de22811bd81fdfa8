/* The writer: order, group commit, what is refused alone, many submitters, the bound of the log. */
#include "unit/store/store_fx.h"

#include "base/clock.h"
#include "base/metrics.h"

static void a_write_is_readable_when_it_is_back(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");

    for (uint64_t seq = 2; seq < 200; seq += 3) {
        assert_int_equal(fx_append(f, a, seq, 3), ZO_OK);
        assert_int_equal(fx_count(f, a), seq + 2);
    }
    assert_int_equal(zo_store_queue_length(f->st), 0);
    assert_int_equal(zo_store_queue_bytes(f->st), 0);
}

/* ---- order ---- */
enum { ORDERED = 60 };
typedef struct order {
    pthread_mutex_t mu;
    zo_write *seen[ORDERED];
    size_t n;
    uint64_t batch;
    bool falling;
} order;

static void note_order(zo_write *list, void *ctx)
{
    order *o = ctx;

    pthread_mutex_lock(&o->mu);
    for (; list; list = list->next) {
        o->seen[o->n++] = list;
        if (list->batch < o->batch)
            o->falling = true;
        o->batch = list->batch;
    }
    pthread_mutex_unlock(&o->mu);
}

static void writes_and_barriers_come_back_in_order(void **state)
{
    fx *f = *state;
    static fx_events events[ORDERED];
    static zo_write barriers[ORDERED];
    order o = {.mu = PTHREAD_MUTEX_INITIALIZER};
    zo_write *list[ORDERED];
    zo_error err = {0};
    const int64_t a = fx_create(f, "a");
    uint64_t seq = 2;

    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->opts.committed = note_order;
    f->opts.ctx = &o;
    assert_int_equal(zo_store_open(&f->opts, &f->st, &err), ZO_OK);
    for (size_t i = 0; i < ORDERED; i++) {
        barriers[i] = (zo_write){0};
        list[i] = i % 3 == 2 ? &barriers[i] : fx_events_set(&events[i], a, seq++, 1);
        if (i % 4 != 0)
            list[i - 1]->next = list[i]; /* submitted in lists of four */
    }
    for (size_t i = 0; i < ORDERED; i += 4)
        zo_store_submit(f->st, list[i]);
    zo_store_submit(f->st, NULL);
    assert_int_equal(zo_store_close(f->st), ZO_OK); /* finishes what was submitted */
    f->st = NULL;
    assert_int_equal(o.n, ORDERED);
    assert_false(o.falling);
    for (size_t i = 0; i < ORDERED; i++) {
        assert_ptr_equal(o.seen[i], list[i]);
        assert_int_equal(list[i]->status, ZO_OK);
    }
    fx_reopen(f);
    assert_int_equal(fx_count(f, a), seq - 1);
}

static void a_barrier_alone_commits_nothing(void **state)
{
    fx *f = *state;
    zo_write w = {0};
    const uint64_t commits = atomic_load(&zo_metric.commits.n);

    assert_int_equal(fx_commit(f, &w), ZO_OK);
    assert_int_equal(atomic_load(&zo_metric.commits.n), commits);
}

/* ---- refusals ---- */
static void a_gap_refuses_its_write_alone(void **state)
{
    fx *f = *state;
    static fx_events e[4];
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");
    zo_write *w[4] = {fx_events_set(&e[0], a, 2, 2), fx_events_set(&e[1], b, 3, 1) /* 2 is missing */,
                      fx_events_set(&e[2], a, 4, 1), fx_events_set(&e[3], b, 2, 1)};

    for (size_t i = 0; i < 3; i++)
        w[i]->next = w[i + 1];
    assert_int_equal(fx_commit(f, w[0]), ZO_ECONFLICT);
    assert_int_equal(w[0]->status, ZO_OK);
    assert_int_equal(w[1]->status, ZO_ECONFLICT);
    assert_non_null(strstr(w[1]->err.message, "does not follow"));
    assert_int_equal(w[2]->status, ZO_OK);
    assert_int_equal(w[3]->status, ZO_OK);
    assert_int_equal(fx_count(f, a), 4);
    assert_int_equal(fx_count(f, b), 2);
    assert_int_equal(fx_append(f, a, 4, 1), ZO_ECONFLICT); /* again */
    assert_int_equal(fx_append(f, a, 5, 1), ZO_OK);
    assert_true(zo_store_writable(f->st));
}

static void a_refused_write_leaves_none_of_its_effects(void **state)
{
    fx *f = *state;
    static fx_events e;
    fx_study s;
    zo_study_row row;
    zo_error err = {0};
    const int64_t a = fx_create(f, "a");

    /* events of a, then a study whose name is taken: both must go */
    fx_events_set(&e, a, 2, 1);
    fx_study_set(f, &s, "a");
    e.op.next = &s.create;
    assert_int_equal(fx_commit(f, &e.w), ZO_ECONFLICT);
    assert_int_equal(fx_count(f, a), 1);
    assert_int_equal(zo_reader_study(f->r, 1, s.id, f->arena, &row, &err), ZO_ENOTFOUND);
    assert_int_equal(fx_append(f, a, 2, 1), ZO_OK);
    /* an unknown study */
    assert_int_equal(fx_append(f, 4711, 1, 1), ZO_ENOTFOUND);
    zo_op op = {.kind = ZO_OP_STUDY_UPDATE, .study = 4711, .u.row = &(zo_study_row){.state = "done"}};
    zo_write w = {.ops = &op};
    assert_int_equal(fx_commit(f, &w), ZO_ENOTFOUND);
    op = (zo_op){.kind = ZO_OP_STUDY_DELETE, .study = 4711};
    assert_int_equal(fx_commit(f, &w), ZO_ENOTFOUND);
    op = (zo_op){.kind = ZO_OP_SNAPSHOT, .study = 4711, .u.snapshot = {.body = "x", .bytes = 1}};
    assert_int_equal(fx_commit(f, &w), ZO_ECONFLICT);
}

static void a_deleted_study_takes_no_more_events(void **state)
{
    fx *f = *state;
    static fx_events e;
    const int64_t a = fx_create(f, "a");
    zo_op op = {.kind = ZO_OP_STUDY_DELETE, .study = a};
    zo_write w = {.ops = &op};

    w.next = fx_events_set(&e, a, 2, 1);
    assert_int_equal(fx_commit(f, &w), ZO_ENOTFOUND);
    assert_int_equal(w.status, ZO_OK);
    assert_int_equal(e.w.status, ZO_ENOTFOUND);
}

static void many_refused_writes_stay_cheap(void **state)
{
    fx *f = *state;
    enum { N = 400 };
    static fx_events e[N];
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");
    size_t out = N;
    const int64_t start = zo_clock_mono_ms();

    for (size_t i = 0; i < N; i++) {
        fx_events_set(&e[i], i % 2 ? a : b, i % 2 ? 2 + i / 2 : 1000 + i, 1); /* b's are all out of order */
        e[i].w.owner = &out;
        if (i > 0)
            e[i - 1].w.next = &e[i].w;
    }
    zo_store_submit(f->st, &e[0].w);
    pthread_mutex_lock(&f->mu);
    while (out > 0)
        pthread_cond_wait(&f->back, &f->mu);
    pthread_mutex_unlock(&f->mu);
    for (size_t i = 0; i < N; i++)
        assert_int_equal(e[i].w.status, i % 2 ? ZO_OK : ZO_ECONFLICT);
    assert_int_equal(fx_count(f, a), 1 + N / 2);
    assert_true(zo_clock_mono_ms() - start < 2000);
}

/* ---- many submitters and readers at once ---- */
enum { SUBMITTERS = 4, ROUNDS = 150, PER_ROUND = 8 };
typedef struct client {
    fx *f;
    int64_t study;
    zo_status worst;
    _Atomic bool *stop;
    uint64_t reads;
} client;

static void *submit_many(void *arg)
{
    client *c = arg;
    fx_events *e = calloc(PER_ROUND, sizeof *e);
    uint64_t seq = 2;

    for (size_t i = 0; i < ROUNDS; i++) {
        size_t out = PER_ROUND;

        for (size_t k = 0; k < PER_ROUND; k++) {
            fx_events_set(&e[k], c->study, seq++, 1);
            e[k].w.owner = &out;
        }
        for (size_t k = 0; k < PER_ROUND; k++) /* one by one, as an actor does that does not wait for the disk */
            zo_store_submit(c->f->st, &e[k].w);
        pthread_mutex_lock(&c->f->mu);
        while (out > 0)
            pthread_cond_wait(&c->f->back, &c->f->mu);
        pthread_mutex_unlock(&c->f->mu);
        for (size_t k = 0; k < PER_ROUND; k++)
            if (e[k].w.status != ZO_OK)
                c->worst = e[k].w.status;
    }
    free(e);
    return NULL;
}

static void *read_many(void *arg)
{
    client *c = arg;
    zo_reader *r = NULL;
    uint64_t last = 0;
    zo_error err = {0};

    if ((c->worst = zo_reader_open(c->f->st, &r, &err)) != ZO_OK)
        return NULL;
    while (!atomic_load(c->stop)) {
        fx_log l = {.study = c->study};

        if ((c->worst = zo_reader_events(r, c->study, 0, fx_each, &l, &err)) != ZO_OK || l.bad || l.n < last) {
            c->worst = c->worst ? c->worst : ZO_EINTERNAL; /* a read never goes back */
            break;
        }
        last = l.n;
        c->reads++;
    }
    zo_reader_close(r);
    return NULL;
}

static void many_submitters_share_commits_beside_readers(void **state)
{
    fx *f = *state;
    pthread_t t[SUBMITTERS], reader[2];
    client c[SUBMITTERS], rc[2];
    _Atomic bool stop = false;
    const size_t batches = f->n_batches, back = f->n_back;
    char name[16];

    for (size_t i = 0; i < SUBMITTERS; i++) {
        snprintf(name, sizeof name, "s%zu", i);
        c[i] = (client){.f = f, .study = fx_create(f, name)};
    }
    for (size_t i = 0; i < 2; i++) {
        rc[i] = (client){.f = f, .study = c[i].study, .stop = &stop};
        assert_int_equal(pthread_create(&reader[i], NULL, read_many, &rc[i]), 0);
    }
    for (size_t i = 0; i < SUBMITTERS; i++)
        assert_int_equal(pthread_create(&t[i], NULL, submit_many, &c[i]), 0);
    for (size_t i = 0; i < SUBMITTERS; i++)
        pthread_join(t[i], NULL);
    atomic_store(&stop, true);
    for (size_t i = 0; i < 2; i++) {
        pthread_join(reader[i], NULL);
        assert_int_equal(rc[i].worst, ZO_OK);
        assert_true(rc[i].reads > 0);
    }
    for (size_t i = 0; i < SUBMITTERS; i++) {
        assert_int_equal(c[i].worst, ZO_OK);
        assert_int_equal(fx_count(f, c[i].study), 1 + ROUNDS * PER_ROUND);
    }
    assert_int_equal(f->n_back - back, SUBMITTERS + SUBMITTERS * ROUNDS * PER_ROUND);
    print_message("%zu writes in %zu commits\n", f->n_back - back, f->n_batches - batches);
}

/* Another program; it waits for what the store may just be doing to its log. */
static sqlite3 *take_write_lock(const char *path)
{
    sqlite3 *db = NULL;

    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_busy_timeout(db, 10000), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    return db;
}

static void what_arrives_during_a_commit_is_one_batch(void **state)
{
    fx *f = *state;
    enum { N = 64 };
    static fx_events e[N];
    sqlite3 *other;
    size_t out = N;
    const int64_t a = fx_create(f, "a");
    const size_t batches = f->n_batches;

    /* Another program holds the write lock; meanwhile the first write waits for it and the others queue up. */
    other = take_write_lock(f->path);
    for (size_t i = 0; i < N; i++) {
        fx_events_set(&e[i], a, 2 + i, 1);
        e[i].w.owner = &out;
        zo_store_submit(f->st, &e[i].w);
        if (i == 0)
            usleep(20000);
    }
    assert_int_equal(zo_store_queue_length(f->st), N);
    assert_true(zo_store_queue_bytes(f->st) > N * 20);
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    pthread_mutex_lock(&f->mu);
    while (out > 0)
        pthread_cond_wait(&f->back, &f->mu);
    pthread_mutex_unlock(&f->mu);
    assert_in_range(f->n_batches - batches, 1, 3);
    assert_int_equal(fx_count(f, a), 1 + N);
}

static void a_lock_held_too_long_is_busy_and_heals(void **state)
{
    fx *f = *state;
    sqlite3 *other;
    const int64_t a = fx_create(f, "a");

    f->opts.busy_timeout_ms = 50;
    fx_reopen(f);
    other = take_write_lock(f->path);
    assert_int_equal(fx_append(f, a, 2, 1), ZO_EBUSY);
    /* what was built on the failed write fails alike, once the lock is gone */
    sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL);
    sqlite3_close(other);
    assert_int_equal(fx_append(f, a, 3, 1), ZO_EBUSY);
    assert_true(zo_store_writable(f->st));
    assert_int_equal(fx_append(f, a, 2, 1), ZO_OK);
}

static void big_lists_are_cut_and_the_log_stays_bounded(void **state)
{
    fx *f = *state;
    enum { N = 48, BYTES = 1 << 20 };
    static zo_write w[N];
    static zo_op op[N];
    const int64_t a = fx_create(f, "a");
    char wal[400];
    struct stat sb;
    size_t out;
    off_t largest = 0;
    uint8_t *body = calloc(1, BYTES);

    snprintf(wal, sizeof wal, "%s-wal", f->path);
    for (int round = 0; round < 3; round++) { /* 3 x 48 MiB */
        const size_t batches = f->n_batches;

        out = N;
        for (size_t i = 0; i < N; i++) {
            op[i] = (zo_op){.kind = ZO_OP_SNAPSHOT,
                            .study = a,
                            .u.snapshot = {.part = (uint32_t)i, .seq = 1, .body = body, .bytes = BYTES}};
            w[i] = (zo_write){.ops = &op[i], .owner = &out, .next = i + 1 < N ? &w[i + 1] : NULL};
        }
        zo_store_submit(f->st, &w[0]);
        pthread_mutex_lock(&f->mu);
        while (out > 0) {
            pthread_cond_wait(&f->back, &f->mu);
            if (stat(wal, &sb) == 0 && sb.st_size > largest)
                largest = sb.st_size;
        }
        pthread_mutex_unlock(&f->mu);
        for (size_t i = 0; i < N; i++)
            assert_int_equal(w[i].status, ZO_OK);
        assert_true(f->n_batches - batches >= 6);
    }
    free(body);
    print_message("largest log %.1f MB\n", (double)largest / 1e6);
    assert_true(largest <= 64 << 20);
}

/* A reader that never ends its transactions for long, and writers that never pause: the log must start over now and
 * then. */
static void the_log_is_bounded_under_endless_load(void **state)
{
    fx *f = *state;
    client c = {.f = f, .study = fx_create(f, "a")};
    _Atomic bool stop = false;
    pthread_t t;
    char wal[400];
    struct stat sb;
    off_t largest = 0;
    fx_events *e = calloc(64, sizeof *e);
    const int64_t b = fx_create(f, "b"), until = zo_clock_mono_ms() + 2000;
    uint64_t seq = 2;
    static uint8_t body[3000];

    snprintf(wal, sizeof wal, "%s-wal", f->path);
    c.stop = &stop;
    assert_int_equal(fx_append(f, c.study, 2, 64), ZO_OK);
    assert_int_equal(pthread_create(&t, NULL, read_many, &c), 0);
    while (zo_clock_mono_ms() < until) {
        for (size_t i = 0; i < 64; i++) {
            fx_events_set(&e[i], b, seq++, 1);
            e[i].items[0].body = body;
            e[i].items[0].body_bytes = sizeof body;
            e[i].w.next = i < 63 ? &e[i + 1].w : NULL;
        }
        assert_int_equal(fx_commit(f, &e[0].w), ZO_OK);
        if (stat(wal, &sb) == 0 && sb.st_size > largest)
            largest = sb.st_size;
    }
    atomic_store(&stop, true);
    pthread_join(t, NULL);
    free(e);
    assert_int_equal(c.worst, ZO_OK);
    print_message("%.0f MB written, largest log %.1f MB, %llu reads\n", (double)seq * 3e-3, (double)largest / 1e6,
                  (unsigned long long)c.reads);
    assert_true(largest <= 64 << 20);
}

static void commits_and_events_are_counted(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");
    const uint64_t commits = atomic_load(&zo_metric.commits.n), events = atomic_load(&zo_metric.events.n);

    assert_int_equal(fx_append(f, a, 2, 7), ZO_OK);
    assert_int_equal(fx_append(f, a, 99, 7), ZO_ECONFLICT);
    assert_int_equal(atomic_load(&zo_metric.events.n) - events, 7);
    assert_in_range(atomic_load(&zo_metric.commits.n) - commits, 1, 2);
}

static void ids_are_random_and_well_formed(void **state)
{
    fx *f = *state;
    char id[2][30];

    for (size_t i = 0; i < 2; i++) {
        zo_store_new_id(f->st, "st_", id[i]);
        assert_int_equal(strlen(id[i]), 29);
        assert_int_equal(strncmp(id[i], "st_", 3), 0);
        assert_int_equal(strspn(id[i] + 3, "abcdefghijklmnopqrstuvwxyz234567"), 26);
    }
    assert_string_not_equal(id[0], id[1]);
    const int64_t key = zo_store_next_study(f->st);
    assert_int_equal(zo_store_next_study(f->st), key + 1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_write_is_readable_when_it_is_back),
        T(writes_and_barriers_come_back_in_order),
        T(a_barrier_alone_commits_nothing),
        T(a_gap_refuses_its_write_alone),
        T(a_refused_write_leaves_none_of_its_effects),
        T(a_deleted_study_takes_no_more_events),
        T(many_refused_writes_stay_cheap),
        T(many_submitters_share_commits_beside_readers),
        T(what_arrives_during_a_commit_is_one_batch),
        T(a_lock_held_too_long_is_busy_and_heals),
        T(big_lists_are_cut_and_the_log_stays_bounded),
        T(the_log_is_bounded_under_endless_load),
        T(commits_and_events_are_counted),
        T(ids_are_random_and_well_formed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
