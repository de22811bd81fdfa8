/* Deleted studies vanish in steps, beside the writes of others, and go on vanishing after a restart. */
#include "unit/store/store_fx.h"

static int64_t rows_of(fx *f, const char *table, int64_t study)
{
    char sql[100];
    sqlite3 *db;
    sqlite3_stmt *q;
    int64_t n;

    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s WHERE study = %lld", table, (long long)study);
    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READONLY, NULL), SQLITE_OK);
    sqlite3_busy_timeout(db, 1000);
    assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &q, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static void fill(fx *f, int64_t study)
{
    uint64_t seq = 2;
    zo_op op = {.kind = ZO_OP_SNAPSHOT, .study = study};
    zo_write w = {.ops = &op};

    for (; seq < 2500; seq += 60)
        assert_int_equal(fx_append(f, study, seq, 60), ZO_OK);
    for (uint32_t part = 0; part < 20; part++) {
        op.u.snapshot.part = part;
        op.u.snapshot.seq = 1;
        op.u.snapshot.body = "s";
        op.u.snapshot.bytes = 1;
        assert_int_equal(fx_commit(f, &w), ZO_OK);
    }
}

static void delete (fx *f, int64_t study)
{
    zo_op op = {.kind = ZO_OP_STUDY_DELETE, .study = study};
    zo_write w = {.ops = &op};

    assert_int_equal(fx_commit(f, &w), ZO_OK);
}

static void wait_until_gone(fx *f, int64_t study)
{
    for (int i = 0; i < 500 && rows_of(f, "studies", study) > 0; i++)
        usleep(10000);
    assert_int_equal(rows_of(f, "studies", study), 0);
    assert_int_equal(rows_of(f, "events", study), 0);
    assert_int_equal(rows_of(f, "snapshots", study), 0);
}

static void a_deleted_study_is_purged_when_idle(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");

    fill(f, a);
    fill(f, b);
    assert_true(rows_of(f, "events", a) > 2000);
    delete (f, a);
    wait_until_gone(f, a);
    const uint64_t n = fx_count(f, b);
    assert_int_equal(rows_of(f, "events", b), n);
    assert_int_equal(rows_of(f, "snapshots", b), 20);
    assert_int_equal(fx_append(f, b, n + 1, 1), ZO_OK);
}

static void purging_goes_on_after_a_restart(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");

    fill(f, a);
    delete (f, a);
    fx_reopen(f); /* stopped before or amid the purge */
    wait_until_gone(f, a);
}

static void a_busy_store_purges_too(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");
    enum { SETS = 2, N = 32 };
    static fx_events e[SETS][N];
    static size_t out[SETS];
    uint64_t seq = 2;

    fill(f, a);
    delete (f, a);
    for (int round = 0; round < 200000; round++) { /* the queue never empties */
        const int s = round % SETS;

        pthread_mutex_lock(&f->mu);
        while (out[s] > 0)
            pthread_cond_wait(&f->back, &f->mu);
        out[s] = N;
        pthread_mutex_unlock(&f->mu);
        for (size_t i = 0; i < N; i++) {
            assert_int_equal(e[s][i].w.status, ZO_OK);
            fx_events_set(&e[s][i], b, seq++, 1);
            e[s][i].w.owner = &out[s];
            e[s][i].w.next = i + 1 < N ? &e[s][i + 1].w : NULL;
        }
        zo_store_submit(f->st, &e[s][0].w);
        if (round % 1000 == 999 && rows_of(f, "studies", a) == 0)
            break;
    }
    pthread_mutex_lock(&f->mu);
    while (out[0] + out[1] > 0)
        pthread_cond_wait(&f->back, &f->mu);
    pthread_mutex_unlock(&f->mu);
    wait_until_gone(f, a);
    assert_int_equal(fx_count(f, b), seq - 1);
}

static void a_reader_of_a_half_purged_log_is_told(void **state)
{
    fx *f = *state;
    fx_log l = {0};
    zo_error err = {0};
    const int64_t a = fx_create(f, "a");

    fill(f, a);
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->st = NULL;
    /* as a crash amid the purge leaves it */
    fx_sql(f->path, "UPDATE studies SET deleted = 1, name = NULL; DELETE FROM events WHERE seq < 100");
    assert_int_equal(fx_open(f, &err), ZO_OK);
    assert_int_equal(zo_reader_open(f->st, &f->r, &err), ZO_OK);
    l.study = a;
    const zo_status s = zo_reader_events(f->r, a, 0, fx_each, &l, &err);
    assert_true(s == ZO_ENOTFOUND || s == ZO_OK); /* OK: all gone already */
    assert_int_equal(l.n, 0);
    assert_true(zo_store_writable(f->st));
    wait_until_gone(f, a);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_deleted_study_is_purged_when_idle),
        T(purging_goes_on_after_a_restart),
        T(a_busy_store_purges_too),
        T(a_reader_of_a_half_purged_log_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
