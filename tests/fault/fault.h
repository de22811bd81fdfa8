/* Faults for tests: the k-th allocation fails (alloc_fault.c, linked in place of core/base/alloc.c), the k-th file operation of
 * SQLite fails (vfs_fault.c, a VFS over the ordinary one), and power cuts (record.c: what was written, synced and when, and the
 * files as they may be found after a cut at any moment). All thread safe; one set per process.
 *
 * A whole daemon takes the same from its environment (zerothd_fault):
 *   ZEROTH_FAULT_ALLOC=K   the K-th allocation fails; K+: all from there on
 *   ZEROTH_FAULT_VFS=OPS:HOW:K, with + alike; OPS of write,sync,truncate,open,shm,read,delete joined by commas or "all";
 *                          HOW is eio, full (no space left) or short (half of a write, then no space)
 *   ZEROTH_FAULT_REPORT=FILE  at exit: how many points were passed, and whether the fault struck */
#ifndef ZO_TESTS_FAULT_H
#define ZO_TESTS_FAULT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* ---- allocation ---- */
void zo_fault_alloc_arm(uint64_t k, bool persistent); /* k from 1, counted from now */
bool zo_fault_alloc_disarm(void);                     /* did it strike? */
uint64_t zo_fault_alloc_calls(void);                  /* since armed (or start) */

/* ---- file operations ---- */
enum {
    ZO_FAULT_WRITE = 1, ZO_FAULT_SYNC = 2, ZO_FAULT_TRUNCATE = 4, ZO_FAULT_OPEN = 8, ZO_FAULT_SHM = 16, ZO_FAULT_READ = 32,
    ZO_FAULT_DELETE = 64, ZO_FAULT_ALL = 127,
};
typedef enum zo_fault_how { ZO_FAULT_EIO, ZO_FAULT_FULL, ZO_FAULT_SHORT } zo_fault_how;
#define ZO_FAULT_VFS "zo-fault"
void zo_fault_vfs_register(bool as_default);
void zo_fault_vfs_arm(unsigned ops, zo_fault_how how, uint64_t k, bool persistent);
bool zo_fault_vfs_disarm(void);
uint64_t zo_fault_vfs_calls(void);

/* ---- power cuts ---- */
/* Record every write, truncation, sync and removal of files in folder through the VFS from now on. Files there are the start. */
void zo_fault_record_start(const char *folder);
void zo_fault_record_stop(void);
uint64_t zo_fault_record_ops(void); /* so far: at an acknowledgement, what it rests on */

/* How many records of a kind there are of the file whose name ends so. */
enum { ZO_RECORD_WRITE, ZO_RECORD_TRUNCATE, ZO_RECORD_SYNC, ZO_RECORD_REMOVE };
uint64_t zo_fault_record_count(int kind, const char *ending);

typedef enum zo_fault_cut {
    ZO_FAULT_CUT_DROP,  /* nothing that was not synced survives */
    ZO_FAULT_CUT_KEEP,  /* all of it does */
    ZO_FAULT_CUT_MIX,   /* each 512-byte sector of each unsynced write, by chance */
    ZO_FAULT_CUT_TEAR,  /* and some sectors survive by half */
} zo_fault_cut;
typedef struct zo_fault_replay zo_fault_replay;
/* deaf: syncs of the log are taken for nothing. A promise that holds even then was not tested. */
zo_fault_replay *zo_fault_replay_new(bool deaf);
void zo_fault_replay_free(zo_fault_replay *r);
void zo_fault_replay_to(zo_fault_replay *r, uint64_t ops); /* forward only: the first ops have happened */
/* Make in folder (emptied) the files as found after a cut now. Shared memory (-shm) is gone. */
void zo_fault_replay_build(const zo_fault_replay *r, const char *folder, zo_fault_cut how, uint64_t seed);

/* Called by the VFS. */
void zo_fault_record(int kind, const char *path, int64_t at, const void *data, size_t bytes);

#endif
