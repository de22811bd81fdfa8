/* The store: the only place with SQL. One writer thread with group commit, any number of read-only connections.
 *
 * A zo_write is one command's effects: all of its ops land in one transaction or none does. The writer takes all
 * waiting writes in one hand-over, commits them as one transaction at synchronous=FULL, then gives the whole list back
 * in one call. A write without ops is a barrier: it comes back after everything submitted before it is durable. If a
 * batch fails every write in it fails alike. ZO_EFULL (disk full) heals by itself; ZO_ESTORE (I/O error, corruption)
 * makes the store read-only until restart. What only one write is to blame for refuses that write alone, and the rest
 * of its batch commits: a name or id that is taken (ZO_ECONFLICT), a study that is deleted or unknown (ZO_ENOTFOUND).
 * An event whose seq does not follow its study's last one (the actor ran ahead of a batch that failed) comes back with
 * that batch's failure, ZO_ECONFLICT if there was none. A batch of barriers alone succeeds also when the store is
 * read-only: reads go on. */
#ifndef ZO_STORE_STORE_H
#define ZO_STORE_STORE_H

#include "zeroth/arena.h"
#include "zeroth/study.h"

typedef struct zo_store zo_store;

/* ---- writes ---- */
typedef enum zo_op_kind {
    ZO_OP_EVENTS,       /* append events of a study */
    ZO_OP_STUDY_CREATE, /* these three also of a model, by table */
    ZO_OP_STUDY_UPDATE, /* state, revision, title, metadata, finished time */
    ZO_OP_STUDY_DELETE, /* mark deleted, free the name; the writer purges rows in the background, 1,000 a batch */
    ZO_OP_SNAPSHOT,     /* put one part (0: head) */
    ZO_OP_IDEMPOTENCY,  /* remember a reply */
    ZO_OP_PART_PUT,     /* a piece of a model's data */
    ZO_OP_PART_DROP,    /* one, or with part 0 all of a model */
    ZO_OP_HISTORY,      /* append to the history of a model or study */
    ZO_OP_REPLIES_DROP, /* forget the remembered replies of a model or study */
    ZO_OP_SCRUB,        /* take trials out of the events of a study, and drop its snapshots */
    ZO_OP_KEY_PUT,      /* into FILE-keys, durable before the rest of the write */
    ZO_OP_KEY_DROP,     /* from FILE-keys, after the rest of the write is durable */
    ZO_OP_TOMBSTONE,    /* into FILE-keys: what was forgotten must not come back with a backup */
} zo_op_kind;

typedef enum zo_table { ZO_STUDIES, ZO_MODELS } zo_table;
enum {
    ZO_KEY_BYTES = 32,
    ZO_TAG_BYTES = 16,
    ZO_KEY_OF_MODEL = 2 /* this bit of a key's number: a model's own, not a group's */
};
typedef struct zo_history { /* strings and blobs lent */
    bool of_study;
    int64_t owner;
    uint64_t seq, request; /* request 0: not a forget */
    int64_t at_ms;
    const char *body;             /* canonical JSON */
    const uint8_t *hash;          /* [32] */
    const uint8_t *digest, *salt; /* [32] each, NULL: none (any more) */
    int64_t erased_ms;            /* 0: not yet */
} zo_history;
typedef struct zo_tombstone {
    int64_t model;
    uint32_t kind; /* what the tag is of; the models' own */
    uint8_t tag[ZO_TAG_BYTES];
    uint64_t request;
} zo_tombstone;

typedef struct zo_study_row { /* strings NULL where absent */
    int64_t study;            /* integer key; events refer to it only */
    int64_t tenant;           /* 1 for now */
    const char *id;           /* "st_" + 26 base32 characters */
    const char *name, *title, *metadata /* JSON text */, *state;
    const char *spec; /* JSON text as stored: canonical, complete with seed */
    int64_t created_ms, updated_ms;
    uint64_t revision;
} zo_study_row;
typedef struct zo_idempotency {
    int64_t tenant;
    const char *key;   /* kept only as a keyed hash */
    const char *route; /* method + pattern + path, as one string */
    const void *body;
    size_t body_bytes; /* kept only as a MAC */
    unsigned status;
    const char *headers; /* "Location: ...\n" lines to repeat, or NULL */
    const char *reply;
    size_t reply_bytes;
    int64_t at_ms;
    int64_t owner; /* whose forgets drop it: a model's key, or less than 0 a study's; 0: none */
} zo_idempotency;

typedef struct zo_op {
    struct zo_op *next;
    zo_op_kind kind;
    zo_table table; /* CREATE, UPDATE, DELETE */
    int64_t study;  /* EVENTS, UPDATE, DELETE, SNAPSHOT; of a model: its key */
    union {
        struct {
            const zo_event *items;
            size_t n;
        } events;
        const zo_study_row *row; /* CREATE; UPDATE: NULL fields stay */
        struct {
            const uint64_t *numbers;
            size_t n;
        } scrub; /* ascending */
        struct {
            uint32_t part;
            uint64_t seq;
            const void *body;
            size_t bytes;
        } snapshot;
        const zo_idempotency *idempotency;
        struct {
            int64_t part, key;
            uint32_t kind;
            bool over; /* the part is there, with this key and kind: another body, best of the same size */
            const void *body;
            size_t bytes;
        } part;
        struct {
            const zo_history *entry;
            uint64_t fade; /* seq of the entry whose digest and salt go; 0: none */
        } history;
        struct {
            int64_t key;
            uint8_t secret[ZO_KEY_BYTES];
        } key; /* DROP: key 0 is all keys and tombstones of the model */
        zo_tombstone tombstone;
    } u;
} zo_op;

typedef struct zo_write {
    struct zo_write *next; /* the store's while submitted */
    zo_op *ops;            /* lent, with all they point to, until it comes back */
    void *owner;           /* the caller's */
    zo_status status;      /* out */
    zo_error err;          /* out */
    uint64_t batch;        /* out: transaction number */
} zo_write;

/* ---- life ---- */
typedef struct zo_store_opts {
    const char *path;
    bool create;     /* make the file when it is missing (serve); false for check, export */
    bool migrate;    /* apply pending migrations; false: refuse an older schema */
    bool inspect;    /* for check: nothing is purged, expired or erased, and FILE-keys is only read, never made */
    const char *vfs; /* NULL: default; fault tests name theirs */
    /* [store] All writes of one transaction come back in submission order, linked by next. */
    void (*committed)(zo_write *list, void *ctx);
    void *ctx;
    int64_t busy_timeout_ms; /* 0: 5000 */
    size_t wal_passive_bytes,
        wal_restart_bytes; /* log size for a checkpoint beside the writer (0: 4 MiB), in it (0: 16 MiB) */
} zo_store_opts;

/* Open: lock FILE.lock (flock; ZO_ECONFLICT when another daemon holds it), refuse what is not ours (application id,
 * newer schema, truncated, not a database) with one clear line and the file untouched, mode 0600, WAL, FULL,
 * foreign_keys, secure_delete, migrate, start the writer thread (own short scheduling slice, EPERM tolerated). */
zo_status zo_store_open(const zo_store_opts *o, zo_store **out, zo_error *err);
/* Finish what was submitted, checkpoint (TRUNCATE), close, unlock. Returns the store's last health. */
zo_status zo_store_close(zo_store *st);
/* Apply pending migrations and report: for `zerothd migrate`. from/to schema versions out. */
zo_status zo_store_migrate(const char *path, int *from_out, int *to_out, zo_error *err);

/* [any] Submit a list (linked by next) in order: one lock, one signal. Never blocks on the disk. After a sticky failure
 * the writes come back with ZO_ESTORE. */
void zo_store_submit(zo_store *st, zo_write *list);
size_t zo_store_queue_length(const zo_store *st); /* [any] writes waiting or in flight */
size_t zo_store_queue_bytes(const zo_store *st);  /* [any] approximate */
bool zo_store_writable(const zo_store *st);       /* [any] false after an I/O error: /readyz */
int64_t zo_store_next_study(zo_store *st);        /* [any] a fresh integer key */
int64_t zo_store_next_model(zo_store *st);
int64_t zo_store_next_part(zo_store *st);
int64_t zo_store_next_key(zo_store *st,
                          bool of_model); /* random: never one that was used before, not even in a backup */
/* [any] The secret by which names and rows become tags, in FILE-keys, made when it is first asked for. One for all
 * models of the store, so that models can be merged. ZO_EGONE: an inspected store has none. */
zo_status zo_store_tag_key(zo_store *st, uint8_t out[ZO_KEY_BYTES], zo_error *err);
void zo_store_new_id(zo_store *st, const char prefix[3], char out[30]); /* [any] "st_" + 26 random base32 characters */
double zo_store_fsync_us(zo_store *st); /* [any] measured at open: median of a few 4 KiB fdatasyncs beside the file */

/* ---- reading: one reader per thread; committed rows only; a read transaction lasts one call ---- */
typedef struct zo_reader zo_reader;
zo_status zo_reader_open(zo_store *st, zo_reader **out, zo_error *err);
void zo_reader_close(zo_reader *r);
/* Give back the cached pages: before a pause of unknown length, as they may hold what is to be erased meanwhile. */
void zo_reader_rest(zo_reader *r);
/* By id ("st_...") or by name within the tenant. Strings into arena. ZO_ENOTFOUND. */
zo_status zo_reader_study(zo_reader *r, int64_t tenant, const char *id_or_name, zo_arena *arena, zo_study_row *out,
                          zo_error *err);
/* The same for a model ("md_..."). */
zo_status zo_reader_model(zo_reader *r, int64_t tenant, const char *id_or_name, zo_arena *arena, zo_study_row *out,
                          zo_error *err);
typedef struct zo_study_filter {
    zo_table table;
    int64_t tenant;
    const char *state, *name_prefix; /* NULL: any */
    bool descending;                 /* by (created, key) */
    enum { ZO_SORT_CREATED, ZO_SORT_NAME, ZO_SORT_UPDATED } sort;
    bool has_after;
    int64_t after_study;
    int64_t after_time;
    const char *after_name; /* cursor: strictly after this row */
    size_t limit;
} zo_study_filter;
/* One page, spec left out (NULL). */
zo_status zo_reader_studies(zo_reader *r, const zo_study_filter *f, zo_arena *arena, zo_study_row **rows_out,
                            size_t *n_out, zo_error *err);
/* Events with seq > after, in order, until the callback returns other than ZO_OK. Bodies are lent for the call. Long
 * logs are read in pages so that no read transaction exceeds 50 ms. */
zo_status zo_reader_events(zo_reader *r, int64_t study, uint64_t after, zo_status (*each)(void *ctx, const zo_event *e),
                           void *ctx, zo_error *err);
/* Largest seq of a REBASED or FORGOTTEN event, 0 if none: replay needs it first. */
zo_status zo_reader_last_rebase(zo_reader *r, int64_t study, uint64_t *seq_out, zo_error *err);
/* One snapshot part: body zo_malloc'd, 64-byte aligned, freed by the caller. ZO_ENOTFOUND. */
zo_status zo_reader_snapshot(zo_reader *r, int64_t study, uint32_t part, void **body_out, size_t *bytes_out,
                             uint64_t *seq_out, zo_error *err);
/* ZO_ENOTFOUND: never seen (or expired after 24 h). ZO_EINVAL: known with another body or route (422). ZO_OK: reply to
 * repeat. */
zo_status zo_reader_idempotency(zo_reader *r, int64_t tenant, const char *key, const char *route, const void *body,
                                size_t body_bytes, int64_t now_ms, zo_arena *arena, zo_idempotency *out, zo_error *err);

/* ---- models ---- */
/* One part: body zo_malloc'd, the caller's. ZO_ENOTFOUND. */
zo_status zo_reader_part(zo_reader *r, int64_t model, int64_t part, uint32_t *kind_out, int64_t *key_out,
                         void **body_out, size_t *bytes_out, zo_error *err);
/* The newest part of a kind; 0: there is none. */
zo_status zo_reader_part_of_kind(zo_reader *r, int64_t model, uint32_t kind, int64_t *part_out, zo_error *err);
/* All parts in order of their numbers; body is lent for the call. Read in pages, so each is a transaction of its own.
 */
zo_status zo_reader_parts(zo_reader *r, int64_t model,
                          zo_status (*each)(void *ctx, int64_t part, uint32_t kind, int64_t key, const void *body,
                                            size_t bytes),
                          void *ctx, zo_error *err);
/* Entries with after < seq < before in order, at most limit, until each returns other than ZO_OK; lent for the call. */
zo_status zo_reader_history(zo_reader *r, bool of_study, int64_t owner, uint64_t after, uint64_t before, size_t limit,
                            zo_status (*each)(void *ctx, const zo_history *h), void *ctx, zo_error *err);
/* Last seq and last request; 0: none. */
zo_status zo_reader_history_last(zo_reader *r, bool of_study, int64_t owner, uint64_t *seq_out, uint64_t *request_out,
                                 zo_error *err);
/* The seq of a forget request. ZO_ENOTFOUND. */
zo_status zo_reader_request(zo_reader *r, bool of_study, int64_t owner, uint64_t request, uint64_t *seq_out,
                            zo_error *err);
/* Keys and tombstones of a model from FILE-keys; secret is lent. No file: none. */
zo_status zo_reader_keys(zo_reader *r, int64_t model,
                         zo_status (*key)(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES]),
                         zo_status (*tombstone)(void *ctx, const zo_tombstone *t), void *ctx, zo_error *err);

/* ---- offline: `zerothd check` ---- */
/* Structure: integrity_check (of FILE-keys, too), foreign_key_check, dense seq per study. Calls report once per
 * finding; true when clean. The replay (R2) of every study and the loading of every model are the runtime's part. */
zo_status zo_store_check(const char *path, void (*report)(void *ctx, const char *line), void *ctx, bool *clean_out,
                         zo_error *err);

#endif
