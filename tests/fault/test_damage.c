/* Files damaged at rest (bit flips, cut ends) and below a running store (removed, moved, main file cut): wrong data is
 * never served, a write that went nowhere is never acknowledged, and every failure is a clear error. */
#include "unit/store/store_fx.h"

#include "base/log.h"

enum { STUDIES = 3, EVENTS = 120 };

typedef struct tally {
    unsigned refused, found, intact;
} tally;

static uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

static void fill(fx *f)
{
    char name[8];

    for (int i = 0; i < STUDIES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        const int64_t key = fx_create(f, name);
        for (uint64_t seq = 2; seq <= EVENTS; seq += 7)
            assert_int_equal(fx_append(f, key, seq, 7), ZO_OK);
    }
}

/* All that can be read is read; what comes back must be what was written. Returns whether some read failed. */
static bool read_all(fx *f)
{
    bool failed = false;
    zo_error err = {0};
    zo_study_row row, *rows;
    size_t n = 0;
    char name[8];

    zo_arena_reset(f->arena);
    for (int i = 0; i < STUDIES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        fx_log l = {.study = i + 1};
        zo_status s = zo_reader_study(f->r, 1, name, f->arena, &row, &err);

        if (s == ZO_OK) {
            assert_int_equal(row.study, i + 1);
            assert_string_equal(row.spec, "{\"seed\":1}");
            assert_string_equal(row.title, "a title");
            assert_string_equal(row.state, "active");
        } else {
            failed = true;
        }
        s = zo_reader_events(f->r, i + 1, 0, fx_each, &l, &err);
        if (l.bad)
            fail_msg("wrong data was served");
        failed = failed || s != ZO_OK || l.n < EVENTS;
    }
    if (zo_reader_studies(f->r, &(zo_study_filter){.tenant = 1, .limit = 9}, f->arena, &rows, &n, &err) != ZO_OK ||
        n != STUDIES)
        failed = true;
    for (size_t i = 0; i < n; i++)
        assert_string_equal(rows[i].title, "a title");
    return failed;
}

static char *load(const char *path, size_t *n)
{
    struct stat sb;
    int fd = open(path, O_RDONLY);

    assert_int_equal(fstat(fd, &sb), 0);
    *n = (size_t)sb.st_size;
    char *p = malloc(*n);
    assert_int_equal(read(fd, p, *n), *n);
    close(fd);
    return p;
}

static void save(const char *path, const char *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

static void use_damaged(fx *f, tally *t)
{
    zo_error err = {0};

    if (fx_open(f, &err) != ZO_OK) {
        assert_true(err.message[0] != '\0');
        t->refused++;
        f->st = NULL;
        return;
    }
    if (zo_reader_open(f->st, &f->r, &err) == ZO_OK) {
        const bool failed = read_all(f);

        (void)fx_append(f, 1, EVENTS + 1, 1); /* may fail, must not crash */
        if (failed)
            t->found++;
        else
            t->intact++;
        zo_reader_close(f->r);
        f->r = NULL;
    } else {
        t->refused++;
    }
    zo_store_close(f->st);
    f->st = NULL;
}

static void flip_and_use(void **state, const char *suffix)
{
    fx *f = *state;
    char file[400], wal[400];
    size_t n, n_main;
    tally t = {0};
    const char *deep = getenv("ZEROTH_DEEP");
    const uint64_t flips = deep && strcmp(deep, "1") == 0 ? 4000 : 300;

    fx_reopen(f);
    fill(f);
    snprintf(file, sizeof file, "%s%s", f->path, suffix);
    snprintf(wal, sizeof wal, "%s-wal", f->path);
    if (!suffix[0]) { /* the log as a crash leaves it, else none */
        zo_reader_close(f->r);
        f->r = NULL;
        zo_store_close(f->st);
        f->st = NULL;
    }
    char *good = load(file, &n), *main_file = load(f->path, &n_main);
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->st = NULL;
    for (uint64_t i = 0; i < flips; i++) {
        const uint64_t at = mix(i * 2 + 1) % (n * 8);

        fx_empty_dir(f->dir);
        save(f->path, main_file, n_main);
        good[at / 8] = (char)(good[at / 8] ^ (char)(1 << at % 8));
        save(file, good, n);
        good[at / 8] = (char)(good[at / 8] ^ (char)(1 << at % 8));
        use_damaged(f, &t);
    }
    print_message("%u refused at start, %u found in reading, %u without effect\n", t.refused, t.found, t.intact);
    assert_true(t.refused + t.found > flips / 10);
    free(good);
    free(main_file);
}

static void a_flipped_bit_is_never_served(void **state)
{
    flip_and_use(state, "");
}

static void a_flipped_bit_in_the_log_is_never_served(void **state)
{
    flip_and_use(state, "-wal");
}

static void a_cut_file_is_never_served(void **state)
{
    fx *f = *state;
    size_t n;
    tally t = {0};

    fx_reopen(f);
    fill(f);
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    f->st = NULL;
    char *good = load(f->path, &n);
    for (uint64_t i = 0; i < 60; i++) {
        fx_empty_dir(f->dir);
        save(f->path, good, 1 + mix(i) % (n - 1));
        use_damaged(f, &t);
    }
    assert_int_equal(t.refused, 60);
    free(good);
}

/* ---- below a running store ---- */
static void expect_read_only(fx *f, int64_t study, uint64_t seq)
{
    assert_int_equal(fx_append(f, study, seq, 1), ZO_ESTORE);
    assert_false(zo_store_writable(f->st));
    assert_int_equal(fx_append(f, study, seq, 1), ZO_ESTORE);
    zo_reader_close(f->r);
    f->r = NULL;
    assert_int_equal(zo_store_close(f->st), ZO_ESTORE);
    f->st = NULL;
}

static void a_removed_file_takes_no_writes(void **state)
{
    static const char *const suffix[] = {"", "-wal"};
    fx *f = *state;
    char file[400];

    for (int i = 0; i < 2; i++) {
        fx_empty_dir(f->dir);
        fx_reopen(f);
        const int64_t a = fx_create(f, "a");
        assert_int_equal(fx_append(f, a, 2, 9), ZO_OK);
        snprintf(file, sizeof file, "%s%s", f->path, suffix[i]);
        assert_int_equal(unlink(file), 0);
        expect_read_only(f, a, 11);
    }
}

static void a_replaced_file_takes_no_writes(void **state)
{
    fx *f = *state;
    char file[400];

    fx_reopen(f);
    const int64_t a = fx_create(f, "a");
    snprintf(file, sizeof file, "%s.moved", f->path);
    assert_int_equal(rename(f->path, file), 0);
    save(f->path, "x", 1);
    expect_read_only(f, a, 2);
}

static void a_cut_database_is_noticed_when_read(void **state)
{
    fx *f = *state;
    zo_error err = {0};
    fx_log l = {.study = 1};

    fx_reopen(f);
    fill(f);
    fx_reopen(f); /* all in the main file */
    assert_int_equal(truncate(f->path, 3 * 4096), 0);
    const zo_status s = zo_reader_events(f->r, 1, 0, fx_each, &l, &err);
    assert_int_equal(s, ZO_ESTORE);
    assert_false(l.bad);
    assert_false(zo_store_writable(f->st));
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup_closed, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_flipped_bit_is_never_served),   T(a_flipped_bit_in_the_log_is_never_served),
        T(a_cut_file_is_never_served),      T(a_removed_file_takes_no_writes),
        T(a_replaced_file_takes_no_writes), T(a_cut_database_is_noticed_when_read),
    };
    zo_log_set_level(ZO_LOG_OFF);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
