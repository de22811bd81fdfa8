/* A really full disk: a small tmpfs. Writes fail with ZO_EFULL, nothing acknowledged is lost, reads go on, and when
 * space returns the same store takes writes again. Needs the right to mount; without it the test says so and is skipped
 * (77). */
#include "unit/store/store_fx.h"

#include <errno.h>
#include <sched.h>
#include <sys/mount.h>
#include "base/log.h"

enum { SKIPPED = 77 };
static char mount_point[64];

/* A file that takes all the space there is but left bytes. */
static void fill_up(const char *path, size_t left)
{
    static char block[1024];
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);

    while (write(fd, block, sizeof block) > 0)
        ;
    struct stat sb;
    assert_int_equal(fstat(fd, &sb), 0);
    assert_int_equal(ftruncate(fd, sb.st_size > (off_t)left ? sb.st_size - (off_t)left : 0), 0);
    close(fd);
}

static void fx_in(fx *f)
{
    memset(f, 0, sizeof *f);
    snprintf(f->dir, sizeof f->dir, "%s", mount_point);
    snprintf(f->path, sizeof f->path, "%s/z.db", f->dir);
    f->opts.create = f->opts.migrate = true;
    f->opts.wal_passive_bytes = 64 << 10;
    f->opts.wal_restart_bytes = 256 << 10;
    pthread_mutex_init(&f->mu, NULL);
    pthread_cond_init(&f->back, NULL);
    f->arena = zo_arena_new(0);
}

static void mount_small(unsigned kib)
{
    char options[32];

    snprintf(options, sizeof options, "size=%uk,mode=700", kib);
    if (mount("none", mount_point, "tmpfs", 0, options) != 0)
        fail_msg("mount: %s", strerror(errno));
}

static void a_full_disk_heals_by_itself(void **state)
{
    (void)state;
    for (unsigned kib = 900; kib <= 1500; kib += 76) {
        fx f;
        uint64_t seq = 2, fulls = 0;
        zo_error err = {0};
        char ballast[100];
        bool clean = false;

        mount_small(kib);
        fx_in(&f);
        snprintf(ballast, sizeof ballast, "%s/ballast", mount_point);
        if (fx_open(&f, &err) != ZO_OK || zo_reader_open(f.st, &f.r, &err) != ZO_OK)
            fail_msg("%s", err.message);
        const int64_t a = fx_create(&f, "a");
        for (int phase = 0; phase < 4; phase++) {
            /* until the disk is full */
            for (int i = 0; i < 3000; i++) {
                if (phase > 0 && i == 5)
                    fill_up(ballast, (size_t)(phase - 1) * 9000);
                const zo_status s = fx_append(&f, a, seq, 5);
                if (s == ZO_OK) {
                    seq += 5;
                    continue;
                }
                assert_int_equal(s, ZO_EFULL);
                fulls++;
                assert_true(zo_store_writable(f.st));
                if (fx_append(&f, a, seq, 1) == ZO_OK) /* one event may still fit where five did not */
                    seq += 1;
                break;
            }
            assert_true(fulls > (uint64_t)phase);
            assert_int_equal(fx_count(&f, a), seq - 1); /* reads go on */
            if (phase == 0) /* no ballast to remove yet: the daemon's own rows fill it; grow the disk */
                assert_int_equal(mount("none", mount_point, "tmpfs", MS_REMOUNT, "size=4m"), 0);
            else
                assert_int_equal(unlink(ballast), 0);
            const zo_status s = fx_append(&f, a, seq, 5);
            if (s != ZO_OK)
                fail_msg("space is back, but a write gives %d", (int)s);
            seq += 5;
        }
        zo_reader_close(f.r);
        assert_int_equal(zo_store_close(f.st), ZO_OK);
        assert_int_equal(zo_store_check(f.path, NULL, NULL, &clean, &err), ZO_OK);
        assert_true(clean);
        f.r = NULL;
        f.st = NULL;
        fx_reopen(&f);
        assert_int_equal(fx_count(&f, a), seq - 1);
        zo_reader_close(f.r);
        zo_store_close(f.st);
        zo_arena_free(f.arena);
        assert_int_equal(umount(mount_point), 0);
    }
}

static void a_store_can_not_be_made_on_a_full_disk(void **state)
{
    (void)state;
    for (unsigned kib = 8; kib <= 160; kib += 8) {
        fx f;
        zo_error err = {0};

        mount_small(kib);
        fx_in(&f);
        const zo_status s = fx_open(&f, &err);
        if (s != ZO_OK) {
            assert_int_equal(s, ZO_EFULL);
            assert_int_equal(mount("none", mount_point, "tmpfs", MS_REMOUNT, "size=4m"), 0);
            f.st = NULL;
            fx_reopen(&f); /* what was begun is no obstacle */
            fx_create(&f, "a");
        }
        zo_reader_close(f.r);
        zo_store_close(f.st);
        zo_arena_free(f.arena);
        assert_int_equal(umount(mount_point), 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_full_disk_heals_by_itself),
                                       cmocka_unit_test(a_store_can_not_be_made_on_a_full_disk)};

    snprintf(mount_point, sizeof mount_point, "/tmp/zo-full-XXXXXX");
    if (!mkdtemp(mount_point))
        return 1;
    /* A mount namespace of our own: nothing stays behind, whatever happens. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("none", mount_point, "tmpfs", 0, "size=64k") != 0) {
        fprintf(stderr, "*** SKIPPED: no right to mount a tmpfs (%s), so a full disk was not tested ***\n",
                strerror(errno));
        rmdir(mount_point);
        return SKIPPED;
    }
    umount(mount_point);
    zo_log_set_level(ZO_LOG_OFF);
    const int failed = cmocka_run_group_tests(tests, NULL, NULL);
    umount2(mount_point, MNT_DETACH);
    rmdir(mount_point);
    return failed;
}
