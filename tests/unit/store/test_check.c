/* The check finds what is planted, names it, and finds nothing in a sound file. */
#include "unit/store/store_fx.h"

typedef struct findings {
    size_t n;
    char last[600];
} findings;

static void report(void *ctx, const char *line)
{
    findings *k = ctx;

    k->n++;
    snprintf(k->last, sizeof k->last, "%s", line);
}

static void fx_shut(fx *f)
{
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->st = NULL;
}

static void fill(fx *f)
{
    const int64_t a = fx_create(f, "a"), b = fx_create(f, "b");
    zo_op op = {.kind = ZO_OP_SNAPSHOT, .study = a, .u.snapshot = {0, 30, "head", 4}};
    zo_idempotency r = {
        .tenant = 1, .key = "k", .route = "r", .status = 200, .reply = "x", .reply_bytes = 1, .at_ms = (int64_t)4e12};
    zo_op reply = {.kind = ZO_OP_IDEMPOTENCY, .u.idempotency = &r};
    zo_write w = {.ops = &op};

    assert_int_equal(fx_append(f, a, 2, 40), ZO_OK);
    assert_int_equal(fx_append(f, b, 2, 40), ZO_OK);
    op.next = &reply;
    assert_int_equal(fx_commit(f, &w), ZO_OK);
}

static void a_sound_file_is_clean(void **state)
{
    fx *f = *state;
    findings k = {0};
    bool clean = false;
    zo_error err = {0};

    fill(f);
    fx_shut(f);
    assert_int_equal(zo_store_check(f->path, report, &k, &clean, &err), ZO_OK);
    if (!clean)
        fail_msg("%s", k.last);
    assert_int_equal(k.n, 0);
    fx_reopen(f); /* and is none the worse for it */
    assert_int_equal(fx_count(f, 1), 41);
}

static void what_is_planted_is_found(void **state)
{
    static const struct {
        const char *sql, *word;
    } plants[] = {
        {"DELETE FROM events WHERE study = 1 AND seq = 7", "some are missing"},
        {"UPDATE events SET seq = seq + 1 WHERE study = 2 AND seq = 41", "some are missing"},
        {"DELETE FROM events WHERE study = 2", "it has no events"},
        {"UPDATE events SET at_ms = 0 WHERE study = 2 AND seq = 9", "event 9 is damaged"},
        {"UPDATE snapshots SET body = x'00'", "snapshot part 0 is damaged"},
        {"DELETE FROM events WHERE study = 1 AND seq > 20", "the log has not"},
        {"UPDATE studies SET title = '' WHERE study = 2", "its row is damaged"},
        {"UPDATE replies SET body = x'00'", "remembered reply 1 is damaged"},
        {"PRAGMA foreign_keys = OFF; DELETE FROM studies WHERE study = 2", "missing row of studies"},
    };
    fx *f = *state;

    for (size_t i = 0; i < sizeof plants / sizeof plants[0]; i++) {
        findings k = {0};
        bool clean = true;
        zo_error err = {0};

        fill(f);
        fx_shut(f);
        fx_sql(f->path, plants[i].sql);
        assert_int_equal(zo_store_check(f->path, report, &k, &clean, &err), ZO_OK);
        assert_false(clean);
        assert_true(k.n > 0);
        if (!strstr(k.last, plants[i].word) && k.n == 1)
            fail_msg("\"%s\" lacks \"%s\"", k.last, plants[i].word);
        fx_empty_dir(f->dir);
        fx_reopen(f);
    }
}

static void damaged_pages_are_findings(void **state)
{
    fx *f = *state;
    findings k = {0};
    bool clean = true;
    zo_error err = {0};
    char junk[4096];

    fill(f);
    fx_shut(f);
    memset(junk, 0xaa, sizeof junk);
    int fd = open(f->path, O_RDWR);
    const off_t size = lseek(fd, 0, SEEK_END);
    for (off_t at = 24 * 4096; at < size; at += 3 * 4096) /* beyond the schema: without it there is nothing to check */
        assert_int_equal(pwrite(fd, junk, sizeof junk, at), sizeof junk);
    close(fd);
    assert_int_equal(zo_store_check(f->path, report, &k, &clean, &err), ZO_OK);
    assert_false(clean);
    assert_true(k.n > 0);
}

static void the_log_of_a_crash_is_part_of_the_file(void **state)
{
    fx *f = *state;
    char copy[300], cmd[1600];
    findings k = {0};
    bool clean = false;
    zo_error err = {0};

    fill(f);
    snprintf(copy, sizeof copy, "%.200s/copy.db", f->dir);
    snprintf(cmd, sizeof cmd, "cp %s %s && cp %s-wal %s-wal", f->path, copy, f->path,
             copy); /* as a crash leaves them */
    assert_int_equal(system(cmd), 0);
    assert_int_equal(zo_store_check(copy, report, &k, &clean, &err), ZO_OK);
    assert_true(clean);
    snprintf(f->path, sizeof f->path, "%s", copy);
    fx_reopen(f);
    assert_int_equal(fx_count(f, 1), 41);
}

static void a_missing_file_is_an_error_not_a_finding(void **state)
{
    fx *f = *state;
    findings k = {0};
    bool clean = true;
    zo_error err = {0};
    char none[400];

    snprintf(none, sizeof none, "%s/none.db", f->dir);
    assert_int_equal(zo_store_check(none, report, &k, &clean, &err), ZO_ENOTFOUND);
    assert_int_equal(k.n, 0);
    assert_int_equal(access(none, F_OK), -1);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_sound_file_is_clean),
        T(what_is_planted_is_found),
        T(damaged_pages_are_findings),
        T(the_log_of_a_crash_is_part_of_the_file),
        T(a_missing_file_is_an_error_not_a_finding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
