/* A SQLite VFS over the ordinary one: counts file operations, makes the k-th fail, and tells the recorder what was
 * done. */
#include "fault.h"

#include <errno.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

typedef struct file { /* followed by the ordinary VFS's own */
    sqlite3_file base;
    const char *path;
} file;

static sqlite3_vfs *ordinary;
static _Atomic uint64_t calls, strike_at;
static _Atomic unsigned armed_ops = ZO_FAULT_ALL;
static _Atomic int armed_how;
static _Atomic bool persists, struck;

void zo_fault_vfs_arm(unsigned ops, zo_fault_how how, uint64_t k, bool persistent)
{
    atomic_store(&strike_at, 0);
    atomic_store(&calls, 0);
    atomic_store(&struck, false);
    atomic_store(&armed_ops, ops);
    atomic_store(&armed_how, (int)how);
    atomic_store(&persists, persistent);
    atomic_store(&strike_at, k);
}

bool zo_fault_vfs_disarm(void)
{
    atomic_store(&strike_at, 0);
    return atomic_load(&struck);
}

uint64_t zo_fault_vfs_calls(void)
{
    return atomic_load(&calls);
}

static bool strikes(unsigned op)
{
    uint64_t n, k;

    if (!(atomic_load(&armed_ops) & op))
        return false;
    n = atomic_fetch_add(&calls, 1) + 1;
    k = atomic_load(&strike_at);
    if (k == 0 || n < k || (n > k && !atomic_load(&persists)))
        return false;
    atomic_store(&struck, true);
    errno = atomic_load(&armed_how) == ZO_FAULT_EIO ? EIO : ENOSPC;
    return true;
}

static sqlite3_file *below(sqlite3_file *f)
{
    return (sqlite3_file *)(void *)((char *)f + sizeof(file));
}

static const char *path_of(sqlite3_file *f)
{
    return ((file *)(void *)f)->path;
}

/* ---- files ---- */
static int file_close(sqlite3_file *f)
{
    return below(f)->pMethods ? below(f)->pMethods->xClose(below(f)) : SQLITE_OK;
}

static int file_read(sqlite3_file *f, void *p, int n, sqlite3_int64 at)
{
    return strikes(ZO_FAULT_READ) ? SQLITE_IOERR_READ : below(f)->pMethods->xRead(below(f), p, n, at);
}

static int file_write(sqlite3_file *f, const void *p, int n, sqlite3_int64 at)
{
    int rc;

    if (strikes(ZO_FAULT_WRITE)) {
        if (atomic_load(&armed_how) == ZO_FAULT_SHORT && n > 1) {
            zo_fault_record(ZO_RECORD_WRITE, path_of(f), at, p, (size_t)(n / 2));
            (void)below(f)->pMethods->xWrite(below(f), p, n / 2, at);
        }
        return atomic_load(&armed_how) == ZO_FAULT_EIO ? SQLITE_IOERR_WRITE : SQLITE_FULL;
    }
    rc = below(f)->pMethods->xWrite(below(f), p, n, at);
    if (rc == SQLITE_OK)
        zo_fault_record(ZO_RECORD_WRITE, path_of(f), at, p, (size_t)n);
    return rc;
}

static int file_truncate(sqlite3_file *f, sqlite3_int64 size)
{
    int rc;

    if (strikes(ZO_FAULT_TRUNCATE))
        return SQLITE_IOERR_TRUNCATE;
    rc = below(f)->pMethods->xTruncate(below(f), size);
    if (rc == SQLITE_OK)
        zo_fault_record(ZO_RECORD_TRUNCATE, path_of(f), size, NULL, 0);
    return rc;
}

static int file_sync(sqlite3_file *f, int flags)
{
    int rc;

    if (strikes(ZO_FAULT_SYNC))
        return SQLITE_IOERR_FSYNC;
    rc = below(f)->pMethods->xSync(below(f), flags);
    if (rc == SQLITE_OK)
        zo_fault_record(ZO_RECORD_SYNC, path_of(f), 0, NULL, 0);
    return rc;
}

static int file_size(sqlite3_file *f, sqlite3_int64 *out)
{
    return below(f)->pMethods->xFileSize(below(f), out);
}

static int file_lock(sqlite3_file *f, int how)
{
    return below(f)->pMethods->xLock(below(f), how);
}

static int file_unlock(sqlite3_file *f, int how)
{
    return below(f)->pMethods->xUnlock(below(f), how);
}

static int file_check(sqlite3_file *f, int *out)
{
    return below(f)->pMethods->xCheckReservedLock(below(f), out);
}

static int file_control(sqlite3_file *f, int op, void *arg)
{
    return below(f)->pMethods->xFileControl(below(f), op, arg);
}

static int file_sector(sqlite3_file *f)
{
    return below(f)->pMethods->xSectorSize(below(f));
}

static int file_traits(sqlite3_file *f)
{
    return below(f)->pMethods->xDeviceCharacteristics(below(f));
}

static int shm_map(sqlite3_file *f, int page, int size, int extend, void volatile **out)
{
    if (strikes(ZO_FAULT_SHM))
        return atomic_load(&armed_how) == ZO_FAULT_EIO ? SQLITE_IOERR_SHMMAP : SQLITE_IOERR_SHMSIZE;
    return below(f)->pMethods->xShmMap(below(f), page, size, extend, out);
}

static int shm_lock(sqlite3_file *f, int first, int n, int flags)
{
    if ((flags & SQLITE_SHM_LOCK) && strikes(ZO_FAULT_SHM))
        return SQLITE_IOERR_SHMLOCK;
    return below(f)->pMethods->xShmLock(below(f), first, n, flags);
}

static void shm_barrier(sqlite3_file *f)
{
    below(f)->pMethods->xShmBarrier(below(f));
}

static int shm_unmap(sqlite3_file *f, int remove)
{
    return below(f)->pMethods->xShmUnmap(below(f), remove);
}

static const sqlite3_io_methods file_methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check,
    .xFileControl = file_control,
    .xSectorSize = file_sector,
    .xDeviceCharacteristics = file_traits,
    .xShmMap = shm_map,
    .xShmLock = shm_lock,
    .xShmBarrier = shm_barrier,
    .xShmUnmap = shm_unmap,
};

/* ---- the VFS ---- */
static int vfs_open(sqlite3_vfs *v, const char *path, sqlite3_file *f, int flags, int *flags_out)
{
    int rc;

    (void)v;
    f->pMethods = NULL;
    ((file *)(void *)f)->path = path; /* SQLite keeps it as long as the file */
    if (strikes(ZO_FAULT_OPEN))
        return SQLITE_CANTOPEN;
    rc = ordinary->xOpen(ordinary, path, below(f), flags, flags_out);
    if (below(f)->pMethods)
        f->pMethods = &file_methods;
    return rc;
}

static int vfs_delete(sqlite3_vfs *v, const char *path, int sync_folder)
{
    int rc;

    (void)v;
    if (strikes(ZO_FAULT_DELETE))
        return SQLITE_IOERR_DELETE;
    rc = ordinary->xDelete(ordinary, path, sync_folder);
    if (rc == SQLITE_OK)
        zo_fault_record(ZO_RECORD_REMOVE, path, sync_folder, NULL, 0);
    return rc;
}

static int vfs_access(sqlite3_vfs *v, const char *path, int flags, int *out)
{
    (void)v;
    return ordinary->xAccess(ordinary, path, flags, out);
}

static int vfs_full_path(sqlite3_vfs *v, const char *path, int n, char *out)
{
    (void)v;
    return ordinary->xFullPathname(ordinary, path, n, out);
}

static int vfs_random(sqlite3_vfs *v, int n, char *out)
{
    (void)v;
    return ordinary->xRandomness(ordinary, n, out);
}

static int vfs_sleep(sqlite3_vfs *v, int us)
{
    (void)v;
    return ordinary->xSleep(ordinary, us);
}

static int vfs_time(sqlite3_vfs *v, double *out)
{
    (void)v;
    return ordinary->xCurrentTime(ordinary, out);
}

static int vfs_time64(sqlite3_vfs *v, sqlite3_int64 *out)
{
    (void)v;
    return ordinary->xCurrentTimeInt64(ordinary, out);
}

static int vfs_error(sqlite3_vfs *v, int n, char *out)
{
    (void)v;
    (void)n;
    (void)out;
    return errno;
}

static sqlite3_vfs shim = {
    .iVersion = 2,
    .zName = ZO_FAULT_VFS,
    .xOpen = vfs_open,
    .xDelete = vfs_delete,
    .xAccess = vfs_access,
    .xFullPathname = vfs_full_path,
    .xRandomness = vfs_random,
    .xSleep = vfs_sleep,
    .xCurrentTime = vfs_time,
    .xGetLastError = vfs_error,
    .xCurrentTimeInt64 = vfs_time64,
};

/* The store sets SQLite's threads and memory up before it starts; registering a VFS starts it. */
__attribute__((weak)) void zo_conn_init_library(void);

void zo_fault_vfs_register(bool as_default)
{
    if (zo_conn_init_library)
        zo_conn_init_library();
    if (!ordinary) {
        ordinary = sqlite3_vfs_find(NULL);
        shim.szOsFile = (int)sizeof(file) + ordinary->szOsFile;
        shim.mxPathname = ordinary->mxPathname;
    }
    sqlite3_vfs_register(&shim, as_default);
}

static unsigned parse_ops(const char *s, size_t n)
{
    static const char *const names[] = {"write", "sync", "truncate", "open", "shm", "read", "delete"};
    unsigned ops = 0;

    while (n > 0) {
        const char *comma = memchr(s, ',', n);
        const size_t length = comma ? (size_t)(comma - s) : n;

        if (length == 3 && memcmp(s, "all", 3) == 0)
            ops = ZO_FAULT_ALL;
        for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++)
            if (strlen(names[i]) == length && memcmp(s, names[i], length) == 0)
                ops |= 1u << i;
        n -= comma ? length + 1 : n;
        s += length + 1;
    }
    return ops;
}

__attribute__((constructor)) static void arm_from_environment(void)
{
    const char *s = getenv("ZEROTH_FAULT_VFS");
    const char *how = s ? strchr(s, ':') : NULL, *k = how ? strchr(how + 1, ':') : NULL;
    char *end;

    if (!s)
        return;
    if (!k || parse_ops(s, (size_t)(how - s)) == 0) {
        fprintf(stderr, "ZEROTH_FAULT_VFS=OPS:HOW:K\n");
        abort();
    }
    zo_fault_vfs_register(true);
    const uint64_t count = strtoull(k + 1, &end, 10);
    zo_fault_vfs_arm(parse_ops(s, (size_t)(how - s)),
                     how[1] == 'e'   ? ZO_FAULT_EIO
                     : how[1] == 'f' ? ZO_FAULT_FULL
                                     : ZO_FAULT_SHORT,
                     count, *end == '+');
}

__attribute__((destructor)) static void report(void)
{
    const char *name = getenv("ZEROTH_FAULT_REPORT");
    FILE *f = name ? fopen(name, "a") : NULL;

    if (f) {
        fprintf(f, "vfs calls=%llu struck=%d\n", (unsigned long long)atomic_load(&calls), (int)atomic_load(&struck));
        fclose(f);
    }
}
