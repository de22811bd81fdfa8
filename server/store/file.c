/* The database file before it is opened for good: its lock, whether it is ours, and how a new one comes to be.
 * SQLite's own locks are POSIX locks, which vanish when any descriptor of the file is closed in this process. So
 * nothing here opens the database but SQLite itself; daemons exclude each other by flock on FILE.lock; and to look
 * without touching, the file is first opened "immutable": no locks, no log, no recovery, not a byte written, whoever
 * made it. A new database is built as FILE.creating and renamed, so that a crash leaves none or a whole one. */
#include "internal.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const side_files[] = {"-wal", "-journal", "-shm", ""};

zo_status zo_store_resolve(const char *path, char out[ZO_PATH_BYTES], zo_error *err)
{
    char folder[ZO_PATH_BYTES], real[PATH_MAX];
    const char *slash, *base;
    int n;

    if (!path || !path[0] || strlen(path) >= sizeof folder - 32)
        return zo_fail(err, ZO_EINVAL, "", "the database needs a path of 1 to %zu bytes", sizeof folder - 33);
    if (realpath(path, real)) {
        n = snprintf(out, ZO_PATH_BYTES, "%s", real);
    } else {
        slash = strrchr(path, '/');
        base = slash ? slash + 1 : path;
        snprintf(folder, sizeof folder, "%.*s", slash ? (int)(slash - path) : 1, slash ? path : ".");
        if (!base[0])
            return zo_fail(err, ZO_EINVAL, "", "%.200s is a folder, not a database", path);
        if (!realpath(folder[0] ? folder : "/", real))
            return zo_fail(err, ZO_ENOTFOUND, "", "folder %.200s: %s", folder, strerror(errno));
        n = snprintf(out, ZO_PATH_BYTES, "%s/%s", strcmp(real, "/") == 0 ? "" : real, base);
    }
    if (n < 0 || n >= ZO_PATH_BYTES - 32)
        return zo_fail(err, ZO_EINVAL, "", "the path of the database is too long");
    return ZO_OK;
}

/* create: make FILE.lock if it is missing; else a missing one gives ENOTFOUND. The holder's number stands inside. */
zo_status zo_store_lock(const char *path, bool create, int *fd_out, zo_error *err)
{
    char name[ZO_PATH_BYTES], holder[24] = "";
    int fd;

    snprintf(name, sizeof name, "%s.lock", path);
    fd = open(name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | (create ? O_CREAT : 0), 0600);
    if (fd < 0)
        return zo_fail(err,
                       errno == ENOENT                      ? ZO_ENOTFOUND
                       : errno == ENOSPC || errno == EDQUOT ? ZO_EFULL
                                                            : ZO_ESTORE,
                       "", "lock %.180s: %s", name, strerror(errno));
    if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
        const int e = errno;
        const ssize_t n = pread(fd, holder, sizeof holder - 1, 0);

        holder[n > 0 ? strspn(holder, "0123456789") : 0] = '\0';
        close(fd);
        if (e != EWOULDBLOCK)
            return zo_fail(err, ZO_ESTORE, "", "lock %.180s: %s", name, strerror(e));
        return zo_fail(err, ZO_ECONFLICT, "", "%.180s is in use by another zerothd%s%s", path,
                       holder[0] ? ", process " : "", holder);
    }
    /* For people only, so a full disk does not matter. */
    if (ftruncate(fd, 0) == 0)
        (void)!dprintf(fd, "%ld\n", (long)getpid());
    *fd_out = fd;
    return ZO_OK;
}

/* Bytes of a file beside the database; 0 if it is missing. */
static int64_t bytes_beside(const char *path, const char *suffix)
{
    char name[ZO_PATH_BYTES + 16];
    struct stat sb;

    snprintf(name, sizeof name, "%s%s", path, suffix);
    return stat(name, &sb) == 0 ? (int64_t)sb.st_size : 0;
}

static zo_status new_or_missing(const char *path, bool create, const char *why, zo_file_kind *out, zo_error *err)
{
    if (!create)
        return zo_fail(err, ZO_ENOTFOUND, "", "%.200s: %s", path, why);
    for (size_t i = 0; i < 2; i++)
        if (bytes_beside(path, side_files[i]) > 0)
            return zo_fail(err, ZO_EINVAL, "", "%.180s: %s, but %s of a database lies beside it: put the database back",
                           path, why, i == 0 ? "the log (-wal)" : "the journal (-journal)");
    *out = ZO_FILE_NEW;
    return ZO_OK;
}

static zo_status refuse_version(const char *path, int version, zo_error *err)
{
    if (version > zo_migrate_latest())
        return zo_fail(err, ZO_EUNSUPPORTED, "", "%.160s has schema %d, newer than this zerothd knows (%d)", path,
                       version, zo_migrate_latest());
    return ZO_OK;
}

/* Whether the head and the length of the main file fit each other; a log beside it may explain that they don't. */
static zo_status look(zo_conn *c, const char *path, zo_error *err)
{
    int64_t id = 0, pages = 0;
    bool damaged = false;
    int version = 0;
    struct stat sb;
    zo_status s;
    zo_error e = {0};

    s = zo_conn_int(c, "PRAGMA application_id", &id, &e);
    if (s != ZO_OK && (sqlite3_errcode(c->db) & 0xff) == SQLITE_CORRUPT) {
        /* The file is shorter than its head says. Look at the head all the same. */
        damaged = true;
        if ((s = zo_conn_exec(c, "PRAGMA writable_schema = ON", "look", &e)) == ZO_OK)
            s = zo_conn_int(c, "PRAGMA application_id", &id, &e);
    }
    if (s != ZO_OK) {
        const int rc = sqlite3_errcode(c->db) & 0xff;

        if (rc == SQLITE_NOTADB || rc == SQLITE_CORRUPT)
            return zo_fail(err, ZO_EINVAL, "", "%.200s is not a database", path);
        return zo_fail(err, s, "", "%.120s: %.120s", path, e.message);
    }
    if (id != ZO_APPLICATION_ID)
        return zo_fail(err, ZO_EINVAL, "", "%.200s is a database of another program", path);
    if ((s = zo_migrate_version(c, &version, err)) != ZO_OK || (s = refuse_version(path, version, err)) != ZO_OK)
        return s;
    if (stat(path, &sb) == 0 && sb.st_size % 4096 != 0)
        damaged = true; /* SQLite takes a part of a page for a whole one */
    if (!damaged && zo_conn_int(c, "SELECT count(*) FROM sqlite_schema", &pages, &e) != ZO_OK)
        damaged = true;
    if (damaged && bytes_beside(path, "-wal") == 0)
        return zo_fail(err, ZO_ESTORE, "", "%.200s is truncated or damaged: restore a backup", path);
    return ZO_OK;
}

zo_status zo_store_identify(const char *path, const char *vfs, bool create, zo_file_kind *out, zo_error *err)
{
    struct stat sb;
    zo_conn c;
    zo_status s;

    if (stat(path, &sb) != 0) {
        if (errno != ENOENT)
            return zo_fail(err, ZO_ESTORE, "", "%.200s: %s", path, strerror(errno));
        return new_or_missing(path, create, "there is no such file", out, err);
    }
    if (!S_ISREG(sb.st_mode))
        return zo_fail(err, ZO_EINVAL, "", "%.200s is not a regular file", path);
    if (sb.st_size == 0)
        return new_or_missing(path, create, "the file is empty", out, err);
    if ((s = zo_conn_open(&c, path, vfs, ZO_CONN_IMMUTABLE, 0, err)) != ZO_OK)
        return s;
    s = look(&c, path, err);
    zo_conn_close(&c);
    if (s == ZO_OK)
        *out = ZO_FILE_OURS;
    return s;
}

zo_status zo_store_verify(zo_conn *c, const char *path, bool older_ok, zo_error *err)
{
    int64_t id = 0, n = 0;
    int version = 0;
    zo_status s;

    if ((s = zo_conn_int(c, "PRAGMA application_id", &id, err)) != ZO_OK)
        return s;
    if (id != ZO_APPLICATION_ID)
        return zo_fail(err, ZO_EINVAL, "", "%.200s is a database of another program", path);
    if ((s = zo_migrate_version(c, &version, err)) != ZO_OK || (s = refuse_version(path, version, err)) != ZO_OK)
        return s;
    if (version < zo_migrate_latest() && !older_ok)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "%.160s has schema %d, older than %d: run zerothd migrate", path,
                       version, zo_migrate_latest());
    return zo_conn_int(c, "SELECT count(*) FROM sqlite_schema", &n, err);
}

static void remove_all(const char *name)
{
    char file[ZO_PATH_BYTES + 32];

    for (size_t i = 0; i < ZO_LEN(side_files); i++) {
        snprintf(file, sizeof file, "%s%s", name, side_files[i]);
        (void)unlink(file);
    }
}

static zo_status fill_new(const char *name, const char *vfs, zo_error *err)
{
    char id[64];
    zo_conn c;
    zo_status s;
    int rc;

    if ((s = zo_conn_open(&c, name, vfs, ZO_CONN_WRITE, 1000, err)) != ZO_OK)
        return s;
    snprintf(id, sizeof id, "PRAGMA application_id = %d", ZO_APPLICATION_ID);
    if ((s = zo_conn_exec(&c, id, "create the database", err)) == ZO_OK &&
        (s = zo_migrate_apply(&c, NULL, NULL, err)) == ZO_OK) {
        rc = sqlite3_wal_checkpoint_v2(c.db, "main", SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
        if (rc != SQLITE_OK)
            s = zo_conn_fail(&c, rc, "create the database", err);
    }
    if (s == ZO_OK)
        sqlite3_db_config(c.db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, NULL);
    zo_conn_close(&c);
    return s;
}

zo_status zo_store_create(const char *path, const char *vfs, zo_error *err)
{
    char name[ZO_PATH_BYTES + 16];
    zo_status s;
    int fd;

    snprintf(name, sizeof name, "%s.creating", path);
    remove_all(name);
    /* Made here, so that its mode (which its log inherits) does not depend on the umask; closed before SQLite locks it.
     */
    fd = open(name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return zo_fail(err, errno == ENOSPC || errno == EDQUOT ? ZO_EFULL : ZO_ESTORE, "", "create %.200s: %s", path,
                       strerror(errno));
    close(fd);
    if ((s = fill_new(name, vfs, err)) == ZO_OK && rename(name, path) != 0)
        s = zo_fail(err, ZO_ESTORE, "", "create %.200s: %s", path, strerror(errno));
    if (s == ZO_OK)
        s = zo_sync_folder(path, err);
    else
        remove_all(name);
    return s;
}

zo_status zo_store_in_place(zo_store *st, zo_error *err)
{
    char wal[ZO_PATH_BYTES + 16];
    struct stat db, log;

    snprintf(wal, sizeof wal, "%s-wal", st->path);
    if (stat(st->path, &db) != 0 || (st->db_inode != 0 && (uint64_t)db.st_ino != st->db_inode))
        return zo_fail(err, ZO_ESTORE, "", "the database was moved or removed while in use");
    if (stat(wal, &log) != 0 || (st->wal_inode != 0 && (uint64_t)log.st_ino != st->wal_inode))
        return zo_fail(err, ZO_ESTORE, "", "the log (-wal) was moved or removed while in use");
    st->db_inode = (uint64_t)db.st_ino;
    st->wal_inode = (uint64_t)log.st_ino;
    return ZO_OK;
}
