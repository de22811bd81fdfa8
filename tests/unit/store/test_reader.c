/* Reading: studies by id, name and page; logs by page; snapshots; and that damage is found, not served. */
#include "unit/store/store_fx.h"

static zo_status update(fx *f, int64_t study, const zo_study_row *row)
{
    zo_op op = {.kind = ZO_OP_STUDY_UPDATE, .study = study, .u.row = row};
    zo_write w = {.ops = &op};

    return fx_commit(f, &w);
}

static zo_status delete (fx *f, int64_t study)
{
    zo_op op = {.kind = ZO_OP_STUDY_DELETE, .study = study};
    zo_write w = {.ops = &op};

    return fx_commit(f, &w);
}

static void a_study_is_found_by_id_and_by_name(void **state)
{
    fx *f = *state;
    fx_study s, unnamed;
    zo_study_row row;
    zo_error err = {0};

    assert_int_equal(fx_commit(f, fx_study_set(f, &s, "svm-1")), ZO_OK);
    assert_int_equal(fx_commit(f, fx_study_set(f, &unnamed, NULL)), ZO_OK);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(zo_reader_study(f->r, 1, i ? "svm-1" : s.id, f->arena, &row, &err), ZO_OK);
        assert_int_equal(row.study, s.row.study);
        assert_int_equal(row.tenant, 1);
        assert_string_equal(row.id, s.id);
        assert_string_equal(row.name, "svm-1");
        assert_string_equal(row.title, "a title");
        assert_string_equal(row.metadata, "{\"a\":1}");
        assert_string_equal(row.state, "active");
        assert_string_equal(row.spec, "{\"seed\":1}");
        assert_int_equal(row.created_ms, s.row.created_ms);
        assert_int_equal(row.updated_ms, s.row.updated_ms);
        assert_int_equal(row.revision, 1);
    }
    assert_int_equal(zo_reader_study(f->r, 1, unnamed.id, f->arena, &row, &err), ZO_OK);
    assert_null(row.name);
    assert_int_equal(zo_reader_study(f->r, 1, "svm", f->arena, &row, &err), ZO_ENOTFOUND);
    assert_int_equal(zo_reader_study(f->r, 2, "svm-1", f->arena, &row, &err), ZO_ENOTFOUND); /* another tenant's */
    assert_int_equal(zo_reader_study(f->r, 2, s.id, f->arena, &row, &err), ZO_ENOTFOUND);
    assert_int_equal(zo_reader_study(f->r, 1, "", f->arena, &row, NULL), ZO_ENOTFOUND);
    zo_arena *small = zo_arena_new(16);
    assert_int_equal(zo_reader_study(f->r, 1, "svm-1", small, &row, &err), ZO_ENOMEM);
    zo_arena_free(small);
}

static void an_update_changes_what_it_names(void **state)
{
    fx *f = *state;
    zo_study_row row;
    zo_error err = {0};
    const int64_t a = fx_create(f, "a");

    assert_int_equal(update(f, a, &(zo_study_row){.state = "done", .revision = 9}), ZO_OK);
    assert_int_equal(update(f, a, &(zo_study_row){.title = "new", .updated_ms = 77}), ZO_OK);
    assert_int_equal(update(f, a, &(zo_study_row){.metadata = "{}"}), ZO_OK);
    assert_int_equal(zo_reader_study(f->r, 1, "a", f->arena, &row, &err), ZO_OK);
    assert_string_equal(row.state, "done");
    assert_string_equal(row.title, "new");
    assert_string_equal(row.metadata, "{}");
    assert_int_equal(row.revision, 9);
    assert_int_equal(row.updated_ms, 77);
    assert_string_equal(row.spec, "{\"seed\":1}");
}

static void a_deleted_name_is_free_again(void **state)
{
    fx *f = *state;
    zo_study_row row;
    zo_error err = {0};
    fx_study s;
    const int64_t a = fx_create(f, "a");

    assert_int_equal(fx_commit(f, fx_study_set(f, &s, "a")), ZO_ECONFLICT);
    assert_int_equal(delete (f, a), ZO_OK);
    assert_int_equal(delete (f, a), ZO_ENOTFOUND);
    assert_int_equal(zo_reader_study(f->r, 1, "a", f->arena, &row, &err), ZO_ENOTFOUND);
    const int64_t b = fx_create(f, "a");
    assert_int_equal(zo_reader_study(f->r, 1, "a", f->arena, &row, &err), ZO_OK);
    assert_int_equal(row.study, b);
}

/* ---- lists ---- */
enum { STUDIES = 23 };

/* Walk all pages of a filter; the keys in order. */
static size_t walk(fx *f, zo_study_filter flt, size_t limit, int64_t keys[STUDIES + 1])
{
    size_t n = 0, got;
    zo_study_row *rows;
    zo_error err = {0};

    flt.limit = limit;
    do {
        if (zo_reader_studies(f->r, &flt, f->arena, &rows, &got, &err) != ZO_OK)
            fail_msg("%s", err.message);
        assert_true(got <= limit);
        for (size_t i = 0; i < got; i++) {
            assert_true(n < STUDIES + 1);
            assert_null(rows[i].spec);
            assert_non_null(rows[i].id);
            keys[n++] = rows[i].study;
        }
        if (got > 0) {
            const zo_study_row *last = &rows[got - 1];

            flt.has_after = true;
            flt.after_study = last->study;
            flt.after_time = flt.sort == ZO_SORT_UPDATED ? last->updated_ms : last->created_ms;
            flt.after_name = last->name;
        }
    } while (got == limit);
    return n;
}

static void lists_sort_filter_and_page(void **state)
{
    fx *f = *state;
    int64_t key[STUDIES], by_created[STUDIES + 1], got[STUDIES + 1];
    char name[20];

    for (int i = 0; i < STUDIES; i++) {
        fx_study s;

        snprintf(name, sizeof name, "%c%02d", i % 2 ? 'b' : 'a', (i * 7) % STUDIES);
        fx_study_set(f, &s, i % 5 == 4 ? NULL : name); /* some have no name */
        s.row.created_ms = 1000 + i / 4;               /* some share their time */
        s.row.updated_ms = 5000 - i / 3;
        s.row.state = i % 3 ? "active" : "done";
        assert_int_equal(fx_commit(f, &s.w), ZO_OK);
        key[i] = s.row.study;
    }
    for (unsigned sort = 0; sort < 3; sort++)
        for (size_t limit = 1; limit <= STUDIES + 1; limit += limit == 1 ? 1 : 5) {
            zo_study_filter flt = {.tenant = 1, .sort = sort};

            assert_int_equal(walk(f, flt, limit, by_created), STUDIES);
            flt.descending = true;
            assert_int_equal(walk(f, flt, limit, got), STUDIES);
            for (size_t i = 0; i < STUDIES; i++)
                assert_int_equal(got[i], by_created[STUDIES - 1 - i]);
            if (sort == ZO_SORT_CREATED)
                assert_memory_equal(by_created, key, sizeof key);
            if (sort == ZO_SORT_UPDATED) /* later ones were updated earlier; ties by key */
                assert_int_equal(by_created[STUDIES - 1], key[2]);
            if (sort == ZO_SORT_NAME) {
                assert_int_equal(by_created[0], key[4]); /* no name comes first */
                assert_int_equal(by_created[4], key[0]); /* a00 */
            }
        }
    assert_int_equal(walk(f, (zo_study_filter){.tenant = 1, .state = "done"}, 3, got), 8);
    assert_int_equal(walk(f, (zo_study_filter){.tenant = 1, .state = "none"}, 3, got), 0);
    assert_int_equal(walk(f, (zo_study_filter){.tenant = 2}, 3, got), 0);
    size_t n_b = 0;
    for (int i = 0; i < STUDIES; i++)
        n_b += i % 2 == 1 && i % 5 != 4;
    for (unsigned sort = 0; sort < 3; sort++)
        assert_int_equal(walk(f, (zo_study_filter){.tenant = 1, .name_prefix = "b", .sort = sort}, 2, got), n_b);
    assert_int_equal(walk(f, (zo_study_filter){.tenant = 1, .name_prefix = "b1", .state = "done"}, 2, got) > 0, 1);
    assert_int_equal(delete (f, key[3]), ZO_OK);
    assert_int_equal(walk(f, (zo_study_filter){.tenant = 1}, 4, got), STUDIES - 1);
    /* limit 0 is an empty page */
    zo_study_row *rows;
    size_t n = 9;
    assert_int_equal(zo_reader_studies(f->r, &(zo_study_filter){.tenant = 1}, f->arena, &rows, &n, NULL), ZO_OK);
    assert_int_equal(n, 0);
}

/* ---- logs ---- */
static void a_long_log_is_read_whole_in_pages(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");
    uint64_t seq = 2;
    zo_error err = {0};

    for (int i = 0; i < 20; i++) {
        assert_int_equal(fx_append(f, a, seq, 61), ZO_OK);
        assert_int_equal(fx_append(f, b, 2 + (uint64_t)i, 1), ZO_OK); /* another study's rows in between */
        seq += 61;
    }
    assert_int_equal(fx_count(f, a), seq - 1);
    assert_int_equal(fx_count(f, b), 21);
    fx_log l = {.study = a};
    assert_int_equal(zo_reader_events(f->r, a, 1000, fx_each, &l, &err), ZO_OK);
    assert_int_equal(l.n, seq - 1 - 1000);
    l = (fx_log){.study = a, .stop_at = 700};
    assert_int_equal(zo_reader_events(f->r, a, 0, fx_each, &l, &err), ZO_ECANCELED);
    assert_int_equal(l.n, 700);
    l = (fx_log){.study = a};
    assert_int_equal(zo_reader_events(f->r, a, seq - 1, fx_each, &l, &err), ZO_OK); /* nothing new */
    assert_int_equal(zo_reader_events(f->r, 999, 0, fx_each, &l, &err), ZO_OK);
    assert_int_equal(l.n, 0);
    uint64_t rebase = 1;
    assert_int_equal(zo_reader_last_rebase(f->r, a, &rebase, &err), ZO_OK);
    assert_int_equal(rebase, (seq - 1) / 50 * 50);
    assert_int_equal(zo_reader_last_rebase(f->r, b, &rebase, &err), ZO_OK);
    assert_int_equal(rebase, 0);
}

static void large_and_empty_bodies_come_back(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");
    enum { BIG = 3 << 20 };
    uint8_t *body = malloc(BIG);
    zo_event e[2] = {{.seq = 2, .kind = ZO_EVENT_TOLD, .body = body, .body_bytes = BIG},
                     {.seq = 3, .kind = ZO_EVENT_TOLD}};
    zo_op op = {.kind = ZO_OP_EVENTS, .study = a, .u.events = {e, 2}};
    zo_write w = {.ops = &op};
    fx_log l = {.study = a};

    for (size_t i = 0; i < BIG; i++)
        body[i] = (uint8_t)(i * 31 >> 3);
    assert_int_equal(fx_commit(f, &w), ZO_OK);
    assert_int_equal(zo_reader_events(f->r, a, 1, fx_each, &l, NULL), ZO_OK); /* sums are checked on the way */
    assert_int_equal(l.n, 2);
    free(body);
}

static zo_status write_inside(void *ctx, const zo_event *e)
{
    fx *f = ctx;
    char file[400];
    struct stat sb;

    /* No transaction is open while the callback runs: the writer can start the log over below our feet. */
    if (e->seq == 1) {
        assert_int_equal(fx_append(f, 1, 200, 64), ZO_OK);
        sqlite3 *db;
        assert_int_equal(sqlite3_open(f->path, &db), SQLITE_OK);
        assert_int_equal(sqlite3_exec(db, "SELECT count(*) FROM events", NULL, NULL, NULL),
                         SQLITE_OK); /* finds the log */
        assert_int_equal(sqlite3_wal_checkpoint_v2(db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL), SQLITE_OK);
        sqlite3_close(db);
        snprintf(file, sizeof file, "%s-wal", f->path);
        assert_true(stat(file, &sb) == 0 && sb.st_size == 0);
    }
    return fx_is_event(1, e) ? ZO_OK : ZO_EINTERNAL;
}

static void no_transaction_is_held_during_callbacks(void **state)
{
    fx *f = *state;

    assert_int_equal(fx_create(f, "a"), 1);
    for (uint64_t seq = 2; seq < 200; seq += 33)
        assert_int_equal(fx_append(f, 1, seq, 33), ZO_OK);
    assert_int_equal(zo_reader_events(f->r, 1, 0, write_inside, f, NULL), ZO_OK);
    assert_int_equal(fx_count(f, 1), 263);
}

/* ---- snapshots ---- */
static zo_status snapshot(fx *f, int64_t study, uint32_t part, uint64_t seq, const void *p, size_t n)
{
    zo_op op = {.kind = ZO_OP_SNAPSHOT, .study = study, .u.snapshot = {part, seq, p, n}};
    zo_write w = {.ops = &op};

    return fx_commit(f, &w);
}

static void snapshots_are_kept_by_part(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");
    void *body;
    size_t bytes;
    uint64_t seq;
    zo_error err = {0};

    assert_int_equal(zo_reader_snapshot(f->r, a, 0, &body, &bytes, &seq, &err), ZO_ENOTFOUND);
    assert_int_equal(fx_append(f, a, 2, 30), ZO_OK);
    assert_int_equal(snapshot(f, a, 0, 10, "head one", 8), ZO_OK);
    assert_int_equal(snapshot(f, a, 1, 5, "segment", 7), ZO_OK);
    assert_int_equal(snapshot(f, a, 2, 9, "", 0), ZO_OK);
    assert_int_equal(snapshot(f, a, 0, 20, "head two!", 9), ZO_OK); /* replaces the first */
    assert_int_equal(zo_reader_snapshot(f->r, a, 0, &body, &bytes, &seq, &err), ZO_OK);
    assert_int_equal(bytes, 9);
    assert_memory_equal(body, "head two!", 9);
    assert_int_equal((uintptr_t)body % 64, 0);
    assert_int_equal(seq, 20);
    zo_free(body);
    assert_int_equal(zo_reader_snapshot(f->r, a, 2, &body, &bytes, &seq, &err), ZO_OK);
    assert_int_equal(bytes, 0);
    zo_free(body);
    assert_int_equal(zo_reader_snapshot(f->r, a, 1, &body, &bytes, &seq, &err), ZO_OK);
    assert_int_equal(bytes, 7);
    zo_free(body);
    assert_int_equal(zo_reader_snapshot(f->r, a, 3, &body, &bytes, &seq, &err), ZO_ENOTFOUND);
}

/* ---- damage ---- */
static void damaged(fx *f, const char *sql)
{
    zo_reader_close(f->r);
    zo_store_close(f->st);
    f->r = NULL;
    f->st = NULL;
    fx_sql(f->path, sql);
    fx_reopen(f);
}

static void a_flipped_bit_in_an_event_is_found(void **state)
{
    static const char *const flips[] = {
        "UPDATE events SET body = CAST(substr(body, 1, 5) || x'00' || substr(body, 7) AS BLOB) WHERE seq = 3",
        "UPDATE events SET kind = 2 WHERE seq = 3",
        "UPDATE events SET at_ms = at_ms + 1 WHERE seq = 3",
        "UPDATE events SET study = 2 WHERE study = 1 AND seq = 4",
        "DELETE FROM events WHERE seq = 3",
        "UPDATE events SET body = x'' WHERE seq = 1",
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        fx_log l = {0};
        zo_error err = {0};
        const int64_t a = fx_create(f, NULL);

        l.study = a;
        assert_int_equal(a, 1);
        fx_create(f, NULL);
        assert_int_equal(fx_append(f, a, 2, 4), ZO_OK);
        damaged(f, flips[i]);
        assert_int_equal(zo_reader_events(f->r, a, 0, fx_each, &l, &err), ZO_ESTORE);
        assert_false(l.bad); /* nothing wrong was served before the damage was met */
        assert_true(l.n < 5);
        assert_false(zo_store_writable(f->st));
        assert_int_equal(fx_append(f, a, 6, 1), ZO_ESTORE);
        assert_int_equal(fx_commit(f, &(zo_write){0}), ZO_OK); /* reads go on */
        zo_reader_close(f->r);
        f->r = NULL;
        assert_int_equal(zo_store_close(f->st), ZO_ESTORE);
        f->st = NULL;
        fx_empty_dir(f->dir);
        fx_reopen(f);
    }
}

static void a_flipped_bit_in_a_study_is_found(void **state)
{
    static const char *const flips[] = {
        "UPDATE studies SET title = 'b title'", "UPDATE studies SET spec = '{\"seed\":2}'",
        "UPDATE studies SET state = 'done'",    "UPDATE studies SET revision = 3",
        "UPDATE studies SET metadata = NULL",   "UPDATE studies SET tenant = 1, created_ms = 5",
    };
    fx *f = *state;
    zo_study_row row, *rows;
    size_t n;
    zo_error err = {0};

    for (size_t i = 0; i < sizeof flips / sizeof flips[0]; i++) {
        fx_create(f, "a");
        damaged(f, flips[i]);
        assert_int_equal(zo_reader_study(f->r, 1, "a", f->arena, &row, &err), ZO_ESTORE);
        assert_int_equal(
            zo_reader_studies(f->r, &(zo_study_filter){.tenant = 1, .limit = 9}, f->arena, &rows, &n, &err), ZO_ESTORE);
        assert_false(zo_store_writable(f->st));
        zo_reader_close(f->r);
        f->r = NULL;
        assert_int_equal(zo_store_close(f->st), ZO_ESTORE);
        f->st = NULL;
        fx_empty_dir(f->dir);
        fx_reopen(f);
    }
}

static void a_damaged_snapshot_counts_as_none(void **state)
{
    fx *f = *state;
    const int64_t a = fx_create(f, "a");
    void *body;
    size_t bytes;
    uint64_t seq;
    zo_error err = {0};

    assert_int_equal(snapshot(f, a, 0, 1, "head", 4), ZO_OK);
    damaged(f, "UPDATE snapshots SET body = x'00010203'");
    assert_int_equal(zo_reader_snapshot(f->r, a, 0, &body, &bytes, &seq, &err), ZO_ENOTFOUND);
    assert_true(zo_store_writable(f->st));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_study_is_found_by_id_and_by_name),
        T(an_update_changes_what_it_names),
        T(a_deleted_name_is_free_again),
        T(lists_sort_filter_and_page),
        T(a_long_log_is_read_whole_in_pages),
        T(large_and_empty_bodies_come_back),
        T(no_transaction_is_held_during_callbacks),
        T(snapshots_are_kept_by_part),
        T(a_flipped_bit_in_an_event_is_found),
        T(a_flipped_bit_in_a_study_is_found),
        T(a_damaged_snapshot_counts_as_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
