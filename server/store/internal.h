/* Inside the store: the connection, the store's own struct, and what its files call of each other. */
#ifndef ZO_STORE_INTERNAL_H
#define ZO_STORE_INTERNAL_H

#include <pthread.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <string.h>
#include "store/store.h"

#define ZO_APPLICATION_ID 0x7a65726f /* "zero" */
enum { ZO_SECRET_BYTES = 32, ZO_PATH_BYTES = 4096 };

/* Studies and models have rows of the same columns: P names the statements, T the table, K its key. */
#define ZO_SQL_ROW_COLUMNS "tenant, id, name, title, state, created_ms, updated_ms, revision, metadata, spec, sum"
#define ZO_SQL_ROWS(X, P, T, K)                                                                                        \
    X(P##_PUT, "INSERT INTO " T " (" K ", tenant, id, name, title, state, created_ms, updated_ms, revision,"           \
               " deleted, metadata, spec, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11,"               \
               " zo_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, 0, ?10, ?11))")                                            \
    X(P##_UPDATE, "UPDATE " T " SET title = coalesce(?2, title), state = coalesce(?3, state),"                         \
                  " updated_ms = coalesce(?4, updated_ms), revision = coalesce(?5, revision),"                         \
                  " metadata = coalesce(?6, metadata),"                                                                \
                  " sum = zo_sum(" K ", tenant, id, name, coalesce(?2, title), coalesce(?3, state), created_ms,"       \
                  " coalesce(?4, updated_ms), coalesce(?5, revision), deleted, coalesce(?6, metadata), spec)"          \
                  " WHERE " K " = ?1 AND deleted = 0")                                                                 \
    X(P##_DELETE, "UPDATE " T " SET deleted = 1, name = NULL, sum = zo_sum(" K ", tenant, id, NULL, title,"            \
                  " state, created_ms, updated_ms, revision, 1, metadata, spec) WHERE " K " = ?1 AND deleted = 0")     \
    X(P##_BY_ID, "SELECT " K ", " ZO_SQL_ROW_COLUMNS " FROM " T " WHERE tenant = ?1 AND id = ?2 AND deleted = 0")      \
    X(P##_BY_NAME, "SELECT " K ", " ZO_SQL_ROW_COLUMNS " FROM " T " WHERE tenant = ?1 AND name = ?2 AND deleted = 0")

/* ---- statements: each prepared once per connection, at first use ---- */
#define ZO_SQL_LIST(X)                                                                                                 \
    X(BEGIN, "BEGIN IMMEDIATE")                                                                                        \
    X(COMMIT, "COMMIT")                                                                                                \
    X(ROLLBACK, "ROLLBACK")                                                                                            \
    X(SAVEPOINT, "SAVEPOINT w")                                                                                        \
    X(ROLLBACK_TO, "ROLLBACK TO w")                                                                                    \
    X(RELEASE, "RELEASE w")                                                                                            \
    X(LAST_SEQ, "SELECT deleted, (SELECT max(seq) FROM events WHERE study = ?1) FROM studies WHERE study = ?1")        \
    X(EVENT_PUT, "INSERT INTO events (study, seq, kind, at_ms, body, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")            \
    X(EVENTS, "SELECT seq, kind, at_ms, body, sum FROM events WHERE study = ?1 AND seq > ?2 ORDER BY seq LIMIT ?3")    \
    X(LAST_REBASE, "SELECT max(seq) FROM events WHERE study = ?1 AND kind IN (11, 12)")                                \
    X(EVENT_SCRUB, "UPDATE events SET body = ?3, sum = ?4 WHERE study = ?1 AND seq = ?2")                              \
    X(SNAPSHOTS_DROP, "DELETE FROM snapshots WHERE study = ?1")                                                        \
    ZO_SQL_ROWS(X, STUDY, "studies", "study")                                                                          \
    ZO_SQL_ROWS(X, MODEL, "models", "model")                                                                           \
    X(TOMBSTONE_PUT, "INSERT INTO tombstones_due (model, kind, tag, request, sum)"                                     \
                     " VALUES (?1, ?2, ?3, ?4, zo_sum(?1, ?2, ?3, ?4)) ON CONFLICT (model, kind, tag)"                 \
                     " DO UPDATE SET request = excluded.request, sum = excluded.sum")                                  \
    X(TOMBSTONES_DUE, "SELECT model, kind, tag, request, sum = zo_sum(model, kind, tag, request)"                      \
                      " FROM tombstones_due WHERE model = ?1 OR ?1 = 0")                                               \
    X(TOMBSTONES_DROP, "DELETE FROM tombstones_due WHERE model = ?1 OR ?1 = 0")                                        \
    X(PART_PUT, "INSERT INTO parts (part, model, kind, key, body, sum) VALUES (?1, ?2, ?3, ?4, ?5, ?6)")               \
    X(PART_OVER, "UPDATE parts SET body = ?5, sum = ?6 WHERE part = ?1 AND model = ?2 AND kind = ?3 AND key = ?4")     \
    X(PART_DROP, "DELETE FROM parts WHERE part = ?1 AND model = ?2")                                                   \
    X(PARTS_DROP, "DELETE FROM parts WHERE model = ?1")                                                                \
    X(PART, "SELECT kind, key, body, sum FROM parts WHERE part = ?1 AND model = ?2")                                   \
    X(PART_OF_KIND, "SELECT max(part) FROM parts WHERE model = ?1 AND kind = ?2")                                      \
    X(PARTS, "SELECT part, kind, key, body, sum FROM parts WHERE model = ?1 AND part > ?2 ORDER BY part LIMIT ?3")     \
    X(HISTORY_FORGET_DIGESTS, "UPDATE history SET digest = NULL, salt = NULL, sum = zo_sum(of_study, owner, seq,"      \
                              " request, at_ms, body, hash, NULL, NULL, erased_ms)"                                    \
                              " WHERE of_study = ?1 AND owner = ?2 AND seq = ?3")                                      \
    X(HISTORY_PUT, "INSERT INTO history (of_study, owner, seq, request, at_ms, body, hash, digest, salt, sum)"         \
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9,"                                                      \
                   " zo_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, NULL))")                                               \
    X(HISTORY_PAGE, "SELECT seq, request, at_ms, body, hash, digest, salt, erased_ms, sum FROM history"                \
                    " WHERE of_study = ?1 AND owner = ?2 AND seq > ?3 AND seq < ?4 ORDER BY seq LIMIT ?5")             \
    X(HISTORY_LAST, "SELECT max(seq), max(request) FROM history WHERE of_study = ?1 AND owner = ?2")                   \
    X(HISTORY_REQUEST, "SELECT seq FROM history WHERE of_study = ?1 AND owner = ?2 AND request = ?3")                  \
    X(HISTORY_PENDING, "SELECT count(*) FROM history WHERE request IS NOT NULL AND erased_ms IS NULL")                 \
    X(HISTORY_ERASED, "UPDATE history SET erased_ms = ?1, sum = zo_sum(of_study, owner, seq, request, at_ms, body,"    \
                      " hash, digest, salt, ?1) WHERE request IS NOT NULL AND erased_ms IS NULL")                      \
    X(REPLIES_OF_OWNER, "DELETE FROM replies WHERE owner = ?1 OR owner IS NULL")                                       \
    X(PURGE_NEXT_MODEL, "SELECT model FROM models WHERE deleted = 1 LIMIT 1")                                          \
    X(PURGE_PARTS, "DELETE FROM parts WHERE part IN (SELECT part FROM parts WHERE model = ?1 LIMIT ?2)")               \
    X(PURGE_HISTORY, "DELETE FROM history WHERE entry IN"                                                              \
                     " (SELECT entry FROM history WHERE of_study = 0 AND owner = ?1 LIMIT ?2)")                        \
    X(PURGE_STUDY_HISTORY, "DELETE FROM history WHERE entry IN"                                                        \
                           " (SELECT entry FROM history WHERE of_study = 1 AND owner = ?1 LIMIT ?2)")                  \
    X(PURGE_MODEL, "DELETE FROM models WHERE model = ?1")                                                              \
    X(STUDY_MAX, "SELECT max(study) FROM studies")                                                                     \
    X(SNAPSHOT_PUT, "INSERT INTO snapshots (study, part, seq, body, sum) VALUES (?1, ?2, ?3, ?4, ?5)"                  \
                    " ON CONFLICT (study, part) DO UPDATE SET seq = excluded.seq, body = excluded.body,"               \
                    " sum = excluded.sum")                                                                             \
    X(SNAPSHOT, "SELECT seq, body, sum FROM snapshots WHERE study = ?1 AND part = ?2")                                 \
    X(REPLY_PUT, "INSERT INTO replies (tenant, key_hash, body_mac, status, headers, body, at_ms, owner, sum)"          \
                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, zo_sum(?1, ?2, ?3, ?4, ?5, ?6, ?7))")                       \
    X(REPLY_DROP_OLD, "DELETE FROM replies WHERE tenant = ?1 AND key_hash = ?2 AND at_ms <= ?3")                       \
    X(REPLY_COUNT, "SELECT count(*) FROM replies WHERE tenant = ?1")                                                   \
    X(REPLY_DROP_FIRST, "DELETE FROM replies WHERE reply IN"                                                           \
                        " (SELECT reply FROM replies WHERE tenant = ?1 ORDER BY at_ms, reply LIMIT ?2)")               \
    X(REPLY_EXPIRE, "DELETE FROM replies WHERE reply IN (SELECT r.reply FROM tenants t JOIN replies r"                 \
                    " ON r.tenant = t.tenant AND r.at_ms <= ?1 LIMIT ?2)")                                             \
    X(REPLY, "SELECT body_mac, status, headers, body, at_ms, sum FROM replies WHERE tenant = ?1 AND key_hash = ?2")    \
    X(PURGE_NEXT, "SELECT study FROM studies WHERE deleted = 1 LIMIT 1")                                               \
    X(PURGE_EVENTS, "DELETE FROM events WHERE event IN"                                                                \
                    " (SELECT event FROM events WHERE study = ?1 ORDER BY seq LIMIT ?2)")                              \
    X(PURGE_SNAPSHOTS, "DELETE FROM snapshots WHERE snapshot IN"                                                       \
                       " (SELECT snapshot FROM snapshots WHERE study = ?1 LIMIT ?2)")                                  \
    X(PURGE_STUDY, "DELETE FROM studies WHERE study = ?1")                                                             \
    X(SECRET, "SELECT value FROM secrets WHERE name = ?1")                                                             \
    X(SECRET_PUT, "INSERT INTO secrets (name, value) VALUES (?1, ?2)")
#define X(name, text) ZO_SQL_##name,
typedef enum zo_sql { ZO_SQL_LIST(X) ZO_SQL_COUNT } zo_sql;
#undef X

typedef struct zo_conn { /* one connection; one thread at a time */
    sqlite3 *db;
    sqlite3_stmt *q[ZO_SQL_COUNT];
} zo_conn;

typedef enum zo_conn_mode { ZO_CONN_IMMUTABLE, ZO_CONN_READ, ZO_CONN_WRITE } zo_conn_mode;
/* Once per process, before any other use of SQLite: threading mode, no global statistics mutex, our allocator. */
void zo_conn_init_library(void);
/* IMMUTABLE: the main file alone, no locks, no side files, nothing written. READ and WRITE set the pragmas of the
 * store. */
zo_status zo_conn_open(zo_conn *c, const char *path, const char *vfs, zo_conn_mode mode, int64_t busy_ms,
                       zo_error *err);
void zo_conn_close(zo_conn *c);
/* The statement, ready to bind. Give it back with zo_conn_done, which resets it and drops its bindings. */
zo_status zo_conn_query(zo_conn *c, zo_sql which, sqlite3_stmt **out, zo_error *err);
void zo_conn_done(sqlite3_stmt *q);
/* Run a statement without parameters and results. */
zo_status zo_conn_run(zo_conn *c, zo_sql which, zo_error *err);
zo_status zo_conn_exec(zo_conn *c, const char *sql, const char *what, zo_error *err);
/* First column of the first row of a one-off statement; 0 if NULL or no row. */
zo_status zo_conn_int(zo_conn *c, const char *sql, int64_t *out, zo_error *err);
/* Map SQLite's extended result code to a status and a message. Full disk: EFULL. Out of memory: ENOMEM. A broken
 * constraint: ECONFLICT. Locked: EBUSY. All else, I/O errors above all: ESTORE. */
zo_status zo_conn_fail(zo_conn *c, int rc, const char *what, zo_error *err);
/* Make every fdatasync'd rename or creation in path's folder durable. */
zo_status zo_sync_folder(const char *path, zo_error *err);

/* ---- row checksums ---- */
typedef struct zo_sum {
    uint64_t h;
} zo_sum;
static const zo_sum ZO_SUM_START = {0x9e3779b97f4a7c15u};
void zo_sum_int(zo_sum *s, int64_t x);
void zo_sum_bytes(zo_sum *s, const void *p, size_t bytes);
void zo_sum_text(zo_sum *s, const char *text); /* NULL is NULL */
int64_t zo_sum_end(const zo_sum *s);
int zo_sum_register(sqlite3 *db); /* zo_sum(...) in SQL gives the same */
int64_t zo_sum_event(int64_t study, const zo_event *e);
int64_t zo_sum_snapshot(int64_t study, uint32_t part, uint64_t seq, const void *body, size_t bytes);

/* ---- the store ---- */
enum { ZO_TAIL_SLOTS = 8192 };
typedef struct zo_tail {
    int64_t study;
    uint64_t last;
    uint32_t epoch;
    bool deleted;
} zo_tail;

struct zo_store {
    char *path, *vfs; /* path: absolute, symbolic links resolved */
    int lock_fd;
    bool inspect;                 /* as zo_store_opts has it */
    uint64_t db_inode, wal_inode; /* as opened; the log's 0 until it is first seen */
    int64_t busy_ms;
    void (*committed)(zo_write *list, void *ctx);
    void *ctx;
    size_t wal_passive_bytes, wal_restart_bytes;
    uint8_t secret[ZO_SECRET_BYTES];
    double fsync_us;
    _Atomic int64_t next_study, next_model, next_part;

    pthread_mutex_t mu; /* guards the next five */
    pthread_cond_t wake;
    zo_write *head, **tail;
    bool sleeping, stopping;
    _Atomic size_t n_waiting, bytes_waiting;

    _Atomic bool writable;
    pthread_mutex_t broken_mu;
    zo_error broken; /* why not writable */

    /* [store] */
    pthread_t writer;
    bool writer_runs;
    zo_conn conn;
    uint64_t batch;                  /* transactions committed since open */
    zo_tail tails[ZO_TAIL_SLOTS];    /* last seq of recently written studies, direct mapped */
    uint32_t epoch;                  /* tails of another epoch are unknown: raised whenever a transaction was undone */
    zo_error last_failure;           /* of the last failed batch: given to writes that were built on it */
    int64_t replies_tenant, replies; /* remembered replies of one tenant, -1: unknown */
    bool purge_due, purge_models_due;
    sqlite3 *keys;          /* FILE-keys; NULL until the first key */
    pthread_mutex_t tag_mu; /* guards the next two */
    bool has_tag_key;
    uint8_t tag_key[ZO_KEY_BYTES];
    bool keys_left; /* FILE-keys is behind: keys to destroy, tombstones to copy that could not be yet */
    bool erase_due, erase_busy;
    int64_t erase_ms;            /* monotonic: not before this */
    int64_t purge_ms, expire_ms; /* monotonic: purge, expire old replies not before this */
    _Atomic uint64_t wal_bytes;  /* after the last commit */
    int64_t restart_ms;          /* monotonic: not again before */

    pthread_t checkpointer;
    bool checkpointer_runs;
    zo_conn checkpoint_conn;
    pthread_mutex_t checkpoint_mu; /* guards the next four */
    pthread_cond_t checkpoint_wake, checkpoint_idle;
    bool checkpoint_wanted, checkpoint_busy, checkpoint_stop;
    uint64_t checkpointed_bytes; /* of the present log */
};

/* [any] The store is read-only from now on: keep the first reason. */
void zo_store_break(zo_store *st, const zo_error *err);
/* ESTORE breaks the store; all else passes. Returns err->code. */
zo_status zo_store_judge(zo_store *st, const zo_error *err);

/* open.c */
zo_status zo_store_lock(const char *path, bool create, int *fd_out, zo_error *err);
/* Absolute path with symbolic links resolved; the file itself need not exist. */
zo_status zo_store_resolve(const char *path, char out[ZO_PATH_BYTES], zo_error *err);
typedef enum zo_file_kind { ZO_FILE_OURS, ZO_FILE_NEW } zo_file_kind;
zo_status zo_store_identify(const char *path, const char *vfs, bool create, zo_file_kind *out, zo_error *err);
zo_status zo_store_create(const char *path, const char *vfs, zo_error *err);
/* [store] ESTORE when database or log were moved or removed below us: what is written then goes nowhere. */
zo_status zo_store_in_place(zo_store *st, zo_error *err);
/* The same question to an open connection, log included. */
zo_status zo_store_verify(zo_conn *c, const char *path, bool older_ok, zo_error *err);
/* migrate.c */
int zo_migrate_latest(void);
zo_status zo_migrate_version(zo_conn *c, int *out, zo_error *err);
zo_status zo_migrate_apply(zo_conn *c, int *from_out, int *to_out, zo_error *err);
/* writer.c */
zo_status zo_writer_start(zo_store *st, zo_error *err);
void zo_writer_stop(zo_store *st);
/* [store] Begin a transaction, after undoing one that could not be undone before. */
zo_status zo_writer_begin(zo_store *st, zo_error *err);
/* [store] Undo what is open, if anything is; what could not be (ENOMEM apart) breaks the store. */
void zo_writer_undo(zo_store *st);
size_t zo_write_bytes(const zo_write *w);
/* ops.c: run a write's ops inside the open transaction. A failure with *alone_out is to blame on this write alone, any
 * other is the whole batch's. */
zo_status zo_ops_run(zo_store *st, const zo_write *w, bool *alone_out, zo_error *err);
int zo_bind_bytes(sqlite3_stmt *q, int i, const void *p, size_t bytes); /* an empty blob, not NULL, for no bytes */
/* Step a statement that gives no rows, and give it back. */
zo_status zo_conn_finish(zo_conn *c, sqlite3_stmt *q, int bound, const char *what, zo_error *err);
void zo_ops_forget_tails(zo_store *st);
/* idempotency.c, snapshot.c */
zo_status zo_reply_secret(zo_store *st, zo_error *err);
zo_status zo_reply_put(zo_store *st, const zo_idempotency *r, zo_error *err);
zo_status zo_replies_drop(zo_store *st, int64_t owner, zo_error *err);
zo_status zo_scrub_events(zo_store *st, const zo_op *op, zo_error *err); /* scrub.c */
zo_status zo_snapshot_put(zo_store *st, const zo_op *op, zo_error *err);
/* purge.c: [store] one small step of house-keeping, if one is due; and when (monotonic) the next is. */
void zo_purge_step(zo_store *st);
int64_t zo_purge_next_ms(const zo_store *st);
/* checkpoint.c */
zo_status zo_checkpoint_start(zo_store *st, zo_error *err);
void zo_checkpoint_stop(zo_store *st);
void zo_checkpoint_after_commit(zo_store *st);
void zo_checkpoint_truncated(zo_store *st); /* the log is empty */

/* rows.c: the rows of studies and models, written inside the transaction. */
zo_status zo_row_create(zo_store *st, zo_table table, const zo_study_row *r, zo_error *err);
zo_status zo_row_update(zo_store *st, zo_table table, int64_t key, const zo_study_row *r, zo_error *err);
zo_status zo_row_delete(zo_store *st, zo_table table, int64_t key, zo_error *err);
/* parts.c, history.c */
zo_status zo_part_put(zo_store *st, const zo_op *op, zo_error *err);
zo_status zo_part_drop(zo_store *st, const zo_op *op, zo_error *err);
zo_status zo_history_put(zo_store *st, const zo_op *op, zo_error *err);
/* tombstones.c: into the database, from there into FILE-keys, and out of it (model 0: of all). *keys_rc is SQLite's
 * result for FILE-keys: where that is not SQLITE_OK err says nothing. */
zo_status zo_tombstone_put(zo_store *st, const zo_op *op, zo_error *err);
int zo_tombstone_bury(sqlite3 *keys, const zo_tombstone *t);
zo_status zo_tombstones_copy(zo_store *st, int *keys_rc, zo_error *err);
zo_status zo_tombstones_drop(zo_store *st, int64_t model, zo_error *err);
zo_status zo_tombstones_due(zo_reader *r, int64_t model, zo_status (*each)(void *ctx, const zo_tombstone *t), void *ctx,
                            zo_error *err);
/* keys.c: keys that a batch needs before it, keys and tombstones as it left them after it, and at the end of an erasure
 * what could not be done then, and its log. */
void zo_keys_file_name(const char *path, char *out, size_t size);
zo_status zo_keys_before(zo_store *st, const zo_write *list, zo_error *err);
void zo_keys_after(zo_store *st, const zo_write *list);
zo_status zo_keys_erase(zo_store *st, zo_error *err);
zo_status zo_keys_last_model(zo_store *st, int64_t *out, zo_error *err);
void zo_keys_close(zo_store *st);
/* erase.c: [store] after a forget, the log is emptied; when (monotonic) the next try is due. */
void zo_erase_request(zo_store *st);
void zo_erase_step(zo_store *st);
int64_t zo_erase_next_ms(const zo_store *st);

enum { ZO_PAGE_EVENTS = 256, ZO_PAGE_BYTES = 256 << 10 };
struct zo_reader {
    zo_store *st;
    zo_conn conn;
    sqlite3_stmt *lists[48];        /* one per table, sort, direction, cursor, prefix */
    zo_event items[ZO_PAGE_EVENTS]; /* events of one page, copied out of the transaction */
    uint8_t *page;
    size_t page_cap;
};
/* A failure of SQLite in a reader. One that is ESTORE makes the store read-only too: the disk is not to be trusted. */
zo_status zo_reader_fail(zo_reader *r, int rc, const char *what, zo_error *err);
/* The same for a failure that already stands in err (which may be NULL). */
zo_status zo_reader_judge(zo_reader *r, zo_status s, const zo_error *err);
/* A row whose checksum is wrong. */
zo_status zo_reader_damaged(zo_reader *r, const char *what, int64_t study, zo_error *err);

#endif
