/* Opening: what a store makes, what it refuses, and that what it refuses stays as it was. */
#include "unit/store/store_fx.h"

#include <sodium.h>
#include <sys/wait.h>
#include "embedded.h"

/* Names and contents of all files in the fixture's folder, as one hash. */
static void hash_dir(const fx *f, uint8_t out[32])
{
    struct dirent **names;
    const int n = scandir(f->dir, &names, NULL, alphasort);
    crypto_generichash_state h;

    crypto_generichash_init(&h, NULL, 0, 32);
    for (int i = 0; i < n; i++) {
        char file[600], buf[4096];
        ssize_t got;

        snprintf(file, sizeof file, "%s/%s", f->dir, names[i]->d_name);
        crypto_generichash_update(&h, (uint8_t *)names[i]->d_name, strlen(names[i]->d_name) + 1);
        int fd = open(file, O_RDONLY);
        while ((got = read(fd, buf, sizeof buf)) > 0)
            crypto_generichash_update(&h, (uint8_t *)buf, (size_t)got);
        close(fd);
        free(names[i]);
    }
    free(names);
    crypto_generichash_final(&h, out, 32);
}

static void refuse(fx *f, zo_status want, const char *word)
{
    uint8_t before[32], after[32];
    zo_error err = {0};

    hash_dir(f, before);
    for (int create = 0; create <= 1; create++) {
        f->opts.create = create;
        assert_int_equal(fx_open(f, &err), want);
        assert_int_equal(err.code, want);
        if (!strstr(err.message, word))
            fail_msg("\"%s\" lacks \"%s\"", err.message, word);
        assert_null(strchr(err.message, '\n'));
        assert_null(f->st);
        hash_dir(f, after);
        assert_memory_equal(before, after, 32);
    }
}

static void write_file(const char *path, const void *p, size_t n)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

static void fx_shut(fx *f)
{
    zo_reader_close(f->r);
    f->r = NULL;
    assert_int_equal(zo_store_close(f->st), ZO_OK);
    f->st = NULL;
}

static mode_t mode_of(const char *path, const char *suffix)
{
    char file[400];
    struct stat sb;

    snprintf(file, sizeof file, "%s%s", path, suffix);
    return stat(file, &sb) == 0 ? sb.st_mode & 07777 : 0;
}

static void a_new_store_is_private_and_leaves_one_file(void **state)
{
    fx *f = *state;
    const mode_t old = umask(0);

    fx_reopen(f);
    umask(old);
    fx_create(f, "a");
    assert_int_equal(mode_of(f->path, ""), 0600);
    assert_int_equal(mode_of(f->path, "-wal"), 0600);
    assert_int_equal(mode_of(f->path, "-shm"), 0600);
    assert_int_equal(mode_of(f->path, ".lock"), 0600);
    assert_int_equal(mode_of(f->path, ".creating"), 0);
    assert_true(zo_store_fsync_us(f->st) > 0);
    assert_true(zo_store_writable(f->st));
    fx_shut(f);
    assert_int_equal(mode_of(f->path, "-wal"), 0);
    assert_int_equal(mode_of(f->path, "-shm"), 0);
}

static void what_was_written_is_there_after_reopening(void **state)
{
    fx *f = *state;

    fx_reopen(f);
    const int64_t a = fx_create(f, "a"), b = fx_create(f, NULL);
    assert_int_equal(fx_append(f, a, 2, 60), ZO_OK);
    fx_reopen(f);
    assert_int_equal(fx_count(f, a), 61);
    assert_int_equal(fx_count(f, b), 1);
    assert_true(zo_store_next_study(f->st) > b);
    assert_int_equal(fx_append(f, a, 62, 1), ZO_OK); /* goes on where it was */
    assert_int_equal(fx_count(f, a), 62);
}

static void a_missing_file_is_made_only_when_asked(void **state)
{
    fx *f = *state;
    zo_error err = {0};

    f->opts.create = false;
    assert_int_equal(fx_open(f, &err), ZO_ENOTFOUND);
    assert_int_equal(mode_of(f->path, ".lock"), 0);
    write_file(f->path, "", 0);
    assert_int_equal(fx_open(f, &err), ZO_ENOTFOUND);
    f->opts.create = true;
    assert_int_equal(fx_open(f, &err), ZO_OK); /* an empty file becomes a database */
    snprintf(f->path, sizeof f->path, "%s/none/z.db", f->dir);
    zo_store *st;
    assert_int_equal(zo_store_open(&f->opts, &st, &err), ZO_ENOTFOUND);
    f->opts.path = "";
    assert_int_equal(zo_store_open(&f->opts, &st, &err), ZO_EINVAL);
    f->opts.path = f->dir;
    assert_int_equal(zo_store_open(&f->opts, &st, &err), ZO_EINVAL);
}

static void a_text_file_is_refused_untouched(void **state)
{
    fx *f = *state;
    char big[9000];

    write_file(f->path, "hello", 5);
    refuse(f, ZO_EINVAL, "not a database");
    memset(big, 'x', sizeof big);
    write_file(f->path, big, sizeof big);
    refuse(f, ZO_EINVAL, "not a database");
    memset(big, 0, sizeof big);
    write_file(f->path, big, sizeof big);
    refuse(f, ZO_EINVAL, "database");
}

static void another_programs_database_is_refused_untouched(void **state)
{
    fx *f = *state;

    fx_sql(f->path, "PRAGMA application_id = 42; CREATE TABLE t (x); INSERT INTO t VALUES (1)");
    refuse(f, ZO_EINVAL, "another program");
    /* One in write-ahead mode whose owner crashed: its log must not be copied into it. */
    unlink(f->path);
    pid_t pid = fork();
    if (pid == 0) {
        fx_sql(f->path, "PRAGMA journal_mode = WAL; CREATE TABLE t (x)");
        sqlite3 *db;
        sqlite3_open(f->path, &db);
        sqlite3_exec(db, "PRAGMA wal_autocheckpoint = 0; INSERT INTO t VALUES (1)", NULL, NULL, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    assert_int_not_equal(mode_of(f->path, "-wal"), 0);
    refuse(f, ZO_EINVAL, "another program");
    zo_error err = {0};
    bool clean = false;
    int from, to;
    uint8_t before[32], after[32];
    hash_dir(f, before);
    assert_int_equal(zo_store_check(f->path, NULL, NULL, &clean, &err), ZO_EINVAL);
    assert_int_equal(zo_store_migrate(f->path, &from, &to, &err), ZO_EINVAL);
    hash_dir(f, after);
    assert_memory_equal(before, after, 32);
}

static void a_newer_schema_is_refused_untouched(void **state)
{
    fx *f = *state;

    fx_reopen(f);
    fx_shut(f);
    fx_sql(f->path, "PRAGMA user_version = 9999");
    refuse(f, ZO_EUNSUPPORTED, "newer");
    zo_error err = {0};
    int from, to;
    assert_int_equal(zo_store_migrate(f->path, &from, &to, &err), ZO_EUNSUPPORTED);
}

static void a_newer_schema_that_stands_only_in_the_log_is_refused(void **state)
{
    fx *f = *state;

    fx_reopen(f);
    fx_shut(f);
    pid_t pid = fork();
    if (pid == 0) { /* a newer daemon that died just after its migration */
        sqlite3 *db;
        sqlite3_open(f->path, &db);
        sqlite3_exec(db, "PRAGMA wal_autocheckpoint = 0; PRAGMA user_version = 9999", NULL, NULL, NULL);
        _exit(0);
    }
    waitpid(pid, NULL, 0);
    char wal[400];
    uint8_t before[32], after[32];
    zo_error err = {0};
    snprintf(wal, sizeof wal, "%s-shm", f->path);
    unlink(wal);
    hash_dir(f, before);
    assert_int_equal(fx_open(f, &err), ZO_EUNSUPPORTED);
    unlink(wal); /* the log's index, rebuilt for reading, is all that may appear */
    hash_dir(f, after);
    assert_memory_equal(before, after, 32);
}

static void a_truncated_file_is_refused_untouched(void **state)
{
    fx *f = *state;
    struct stat sb;

    fx_reopen(f);
    fx_shut(f);
    assert_int_equal(stat(f->path, &sb), 0);
    assert_int_equal(truncate(f->path, sb.st_size - 4096), 0);
    refuse(f, ZO_ESTORE, "truncated");
    assert_int_equal(truncate(f->path, 4096), 0);
    refuse(f, ZO_ESTORE, "truncated");
    assert_int_equal(truncate(f->path, 700), 0);
    refuse(f, ZO_ESTORE, "truncated");
}

static void a_log_without_its_database_is_not_lost(void **state)
{
    fx *f = *state;
    char wal[400];

    snprintf(wal, sizeof wal, "%s-wal", f->path);
    write_file(wal, "precious", 8);
    zo_error err = {0};
    assert_int_equal(fx_open(f, &err), ZO_EINVAL);
    assert_non_null(strstr(err.message, "put the database back"));
    assert_int_equal(mode_of(f->path, ""), 0);
    assert_int_equal(mode_of(f->path, "-wal"), 0600);
}

static void a_second_process_is_refused(void **state)
{
    fx *f = *state;
    zo_error err = {0};
    zo_store *second = NULL;
    char link[300];
    bool clean;

    fx_reopen(f);
    pid_t pid = fork();
    if (pid == 0) {
        zo_store_opts o = f->opts;
        const zo_status s = zo_store_open(&o, &second, &err);

        _exit(s == ZO_ECONFLICT && strstr(err.message, "in use") ? 0 : 1);
    }
    int how = -1;
    waitpid(pid, &how, 0);
    assert_int_equal(how, 0);
    /* nor in this process, nor by another name */
    assert_int_equal(zo_store_open(&f->opts, &second, &err), ZO_ECONFLICT);
    snprintf(link, sizeof link, "%s/link", f->dir);
    assert_int_equal(symlink(f->path, link), 0);
    f->opts.path = link;
    assert_int_equal(zo_store_open(&f->opts, &second, &err), ZO_ECONFLICT);
    assert_int_equal(zo_store_check(f->path, NULL, NULL, &clean, &err), ZO_ECONFLICT);
    fx_create(f, "still-works");
}

static void odd_names_work(void **state)
{
    fx *f = *state;

    snprintf(f->path, sizeof f->path, "%s/a?b#c%%d e.db", f->dir);
    fx_reopen(f);
    const int64_t a = fx_create(f, "a");
    fx_reopen(f);
    assert_int_equal(fx_count(f, a), 1);
    assert_int_equal(mode_of(f->path, ""), 0600);
}

static void leftovers_of_a_crashed_creation_do_no_harm(void **state)
{
    fx *f = *state;
    char file[400];

    snprintf(file, sizeof file, "%s.creating", f->path);
    write_file(file, "half a database", 15);
    snprintf(file, sizeof file, "%s.creating-wal", f->path);
    write_file(file, "half a log", 10);
    fx_reopen(f);
    fx_create(f, "a");
    assert_int_equal(mode_of(f->path, ".creating"), 0);
    assert_int_equal(mode_of(f->path, ".creating-wal"), 0);
}

static void an_older_schema_waits_for_its_migration(void **state)
{
    fx *f = *state;
    zo_error err = {0};
    int from = -1, to = -1;
    int64_t v;

    /* Version 0 with our mark: what comes before the first migration. */
    fx_sql(f->path, "PRAGMA application_id = 0x7a65726f");
    f->opts.create = f->opts.migrate = false;
    assert_int_equal(fx_open(f, &err), ZO_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "older"));
    assert_int_equal(zo_store_migrate(f->path, &from, &to, &err), ZO_OK);
    assert_int_equal(from, 0);
    v = strtol(zo_embedded_migrations[zo_n_embedded_migrations - 1].name, NULL, 10);
    assert_int_equal(to, v);
    assert_int_equal(zo_store_migrate(f->path, &from, &to, &err), ZO_OK);
    assert_int_equal(from, v);
    assert_int_equal(to, v);
    assert_int_equal(fx_open(f, &err), ZO_OK);
    fx_create(f, "a");
}

static void a_damaged_page_one_is_found(void **state)
{
    fx *f = *state;

    fx_reopen(f);
    fx_shut(f);
    int fd = open(f->path, O_RDWR);
    char junk[200];
    memset(junk, 0xee, sizeof junk);
    assert_int_equal(pwrite(fd, junk, sizeof junk, 100), sizeof junk); /* the head of the schema's page */
    close(fd);
    refuse(f, ZO_ESTORE, "damaged");
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup_closed, fx_teardown)
    const struct CMUnitTest tests[] = {
        T(a_new_store_is_private_and_leaves_one_file),
        T(what_was_written_is_there_after_reopening),
        T(a_missing_file_is_made_only_when_asked),
        T(a_text_file_is_refused_untouched),
        T(another_programs_database_is_refused_untouched),
        T(a_newer_schema_is_refused_untouched),
        T(a_newer_schema_that_stands_only_in_the_log_is_refused),
        T(a_truncated_file_is_refused_untouched),
        T(a_log_without_its_database_is_not_lost),
        T(a_second_process_is_refused),
        T(odd_names_work),
        T(leftovers_of_a_crashed_creation_do_no_harm),
        T(an_older_schema_waits_for_its_migration),
        T(a_damaged_page_one_is_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
