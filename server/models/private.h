/* Inside models: what a live model is made of.
 *
 * A cell is what shares group, task and class: its rows can be forgotten together. A part is one sealed row of the
 * store: rows of a cell, sums of a cell (when there are many rows and they need not be kept), tags of the rows behind
 * such sums, or the sums of the whole model. The ledger has an entry for every live row. */
#ifndef ZO_MODELS_PRIVATE_H
#define ZO_MODELS_PRIVATE_H

#include "models/live.h"
#include "models/tagmap.h"

typedef enum part_kind { PART_ROWS = 1, PART_SUMS = 2, PART_TAGS = 3, PART_STATE = 4 } part_kind;

#define NO_SLOT UINT32_MAX /* the end of a list of slots */

typedef struct live_group {
    tag name;
    int64_t key; /* that seals its parts: the group's own, or the model's where rows are not kept by group */
    uint8_t secret[ZO_KEY_BYTES];
    uint64_t n;     /* live rows; 0: the slot is free */
    uint32_t cells; /* the first of its list; of a free slot: the next free one */
} live_group;

typedef struct live_cell {
    tag place; /* of group, task and class: what cells are found by */
    tag task;
    uint32_t group, cls;
    uint32_t next, prev; /* of its group's list; next: also of the free ones */
    uint32_t parts;      /* the first of its list */
    uint64_t n;
    uint64_t loose; /* of them in parts of rows */
    bool used;
} live_cell;

typedef struct live_part {
    int64_t id;
    uint32_t cell;       /* NO_SLOT: of the whole model, or sealed with a key that is gone */
    uint32_t next, prev; /* of its cell's list */
    uint32_t n;          /* rows or tags in it; SUMS: none */
    part_kind kind;
    bool used;
    uint64_t transaction; /* that put it, while that is not durable; else 0 */
    uint8_t *sealed;      /* its body until then: readers can't see it yet */
    size_t sealed_bytes;
} live_part;

typedef struct entry {   /* of one live row */
    tag row, id;         /* id all zero: none */
    uint32_t part;       /* slot; UINT32_MAX: the entry is free */
    uint32_t next, prev; /* of those with the same content, the newest first */
    bool picked;
} entry;

typedef struct ledger {
    entry *entries;
    size_t n_entries, cap_entries;
    uint32_t *free_list;
    size_t n_free, cap_free;
    tagmap by_row, by_id; /* by_row: the first of each content, as there may be very many alike */
} ledger;

typedef struct grave {
    tag name;
    tag_kind kind;
    uint64_t request;
} grave;

/* A change that has no history entry yet. */
typedef struct change {
    const char *event; /* "learn", "forget", ... */
    const char *scope; /* of a forget */
    uint64_t request, rows, rows_after, subjects;
    int64_t at_ms;
} change;

struct zo_live {
    zo_arena *arena; /* of the spec */
    zo_model_spec spec;
    zo_model *model;
    int64_t key; /* the model's row */
    char id[32];
    int64_t secret_key;
    uint8_t secret[ZO_KEY_BYTES], tag_secret[ZO_KEY_BYTES];

    live_group *groups;
    size_t n_groups, cap_groups, live_groups;
    uint32_t free_group;
    tagmap by_group;
    live_cell *cells;
    size_t n_cells, cap_cells;
    uint32_t free_cell;
    tagmap by_place;
    live_part *parts;
    size_t n_parts, cap_parts;
    uint32_t *free_parts;
    size_t n_free_parts, cap_free_parts;
    uint32_t *flying; /* slots of parts with a transaction; some may have been dropped since */
    size_t n_flying, cap_flying;
    ledger ledger;
    grave *graves;
    size_t n_graves, cap_graves;
    tagmap by_grave;

    uint64_t transaction;
    uint32_t state_part;     /* slot of PART_STATE; NO_SLOT: none */
    uint64_t loose;          /* rows in parts of rows, which loading adds again unless the cache has them */
    uint64_t uncached;       /* those that it has not */
    uint64_t uncached_since; /* sequence at which the cache was dropped */
    bool cache_stale;        /* what it was made of has been written anew or has left */

    uint64_t sequence, request;                               /* last ones */
    uint8_t hash[CRYPT_HASH_BYTES], before[CRYPT_HASH_BYTES]; /* of the last entry; of the one before the last seal */
    uint64_t shown; /* sequence of the entry that still shows its digest; 0: none */
    change *open;
    size_t n_open, cap_open;
    size_t n_sealed;  /* entries of the last seal */
    bool state_dirty; /* retention none: the sums on disk are older than memory */
    bool digest_known;
    uint8_t digest[CRYPT_HASH_BYTES];
};

/* ---- cells.c ---- */
void cells_init(zo_live *l);
void cells_fini(zo_live *l);
tag cells_group_tag(const zo_live *l, const char *name); /* NULL: the unnamed one */
tag cells_task_tag(const zo_live *l, const char *name);
uint32_t cells_find_group(const zo_live *l, const tag *name);
/* Entered if need be, with a key of its own where rows are kept by group; the key's op goes to a's changes. */
zo_status cells_group(zo_live *l, zo_act *a, const tag *name, uint32_t *out, zo_error *err);
zo_status cells_enter_group(zo_live *l, const tag *name, int64_t key, const uint8_t secret[ZO_KEY_BYTES], uint32_t *out,
                            zo_error *err);
zo_status cells_cell(zo_live *l, uint32_t group, const tag *task, uint32_t cls, uint32_t *out, zo_error *err);
/* n rows joined or left a cell; without rows a cell vanishes, without cells a group and its key. */
void cells_joined(zo_live *l, uint32_t cell, uint64_t n);
zo_status cells_left(zo_live *l, zo_act *a, uint32_t cell, uint64_t n, zo_error *err);
void cells_loose(zo_live *l, uint32_t cell, uint64_t n); /* rows that it has in parts of rows */
bool cells_keeps_rows(const zo_live *l);

/* ---- parts.c ---- */
typedef struct part_row {
    tag row, id;
    const uint8_t *x; /* inputs + outputs int32, unaligned; NULL in PART_TAGS */
} part_row;
typedef struct part_text { /* an opened part */
    part_kind kind;
    tag group, task;
    const char *label; /* "" for real targets */
    size_t n;
    const uint8_t *rows; /* PART_ROWS, PART_TAGS */
    size_t row_bytes;
    const uint8_t *body; /* PART_SUMS, PART_STATE */
    size_t body_bytes;
    uint8_t *plain; /* owned */
    size_t plain_bytes;
} part_text;
void part_text_fini(part_text *t); /* wiped */
part_row part_text_row(const part_text *t, size_t i);
/* Parse what was opened. ZO_ESTORE: it is not what we write. plain is taken, also on failure. */
zo_status part_parse(const zo_live *l, part_kind kind, uint8_t *plain, size_t n, part_text *out, zo_error *err);
/* Open what is sealed, and parse it. */
zo_status part_unseal(const zo_live *l, part_kind kind, const uint8_t *secret, const void *sealed, size_t bytes,
                      part_text *out, zo_error *err);
zo_status parts_slot(zo_live *l, uint32_t *out, zo_error *err);
void parts_join(zo_live *l, uint32_t slot, uint32_t cell);
/* Read and open a part. */
zo_status parts_open(zo_live *l, zo_act *a, uint32_t slot, part_text *out, zo_error *err);
/* Begin a part's text: its head; rows or a body follow. It is sealed where it lies. */
typedef struct part_draft {
    uint8_t *room; /* of a nonce, the text and the seal */
    size_t n, cap; /* of text */
    size_t rows;
    part_kind kind;
    uint32_t cell;
} part_draft;
zo_status draft_begin(zo_live *l, part_draft *d, part_kind kind, uint32_t cell, size_t more_bytes, zo_error *err);
zo_status draft_row(zo_live *l, part_draft *d, const tag *row, const tag *id, const void *x, size_t bytes,
                    zo_error *err);
void *draft_body(part_draft *d, size_t n, zo_error *err); /* n bytes to be filled; NULL: ZO_ENOMEM */
/* Seal it and append the op that puts it; the slot is new. The draft is empty afterwards, also on failure. */
zo_status draft_put(zo_live *l, zo_act *a, part_draft *d, uint32_t *slot_out, zo_error *err);
/* In the place of a part that is there, of the same kind. */
zo_status draft_put_over(zo_live *l, zo_act *a, part_draft *d, uint32_t slot, zo_error *err);
void draft_fini(part_draft *d);
zo_status parts_drop(zo_live *l, zo_act *a, uint32_t slot, zo_error *err);
void parts_forget_all(zo_live *l); /* without ops */
void parts_settled(zo_live *l, uint64_t transaction);
size_t parts_row_bytes(const zo_live *l, part_kind kind);
size_t parts_limit(const zo_live *l, part_kind kind); /* bytes of rows a part should hold at most */

/* ---- batch.c: rows gathered from parts for the sums ---- */
typedef struct row_batch {
    zo_live *l;
    zo_sums *sums; /* NULL: the model's own */
    int sign;
    size_t n, cap;
    uint32_t cls;
    int32_t *x; /* [cap][inputs], then [cap][outputs] of real targets */
} row_batch;
/* For at most so many rows at a time; fewer if they are large. */
zo_status batch_begin(row_batch *b, zo_live *l, zo_sums *sums, int sign, size_t most, zo_error *err);
zo_status batch_add(row_batch *b, uint32_t cls, const uint8_t *row, zo_error *err); /* as part_row has it */
zo_status batch_flush(row_batch *b, zo_error *err);
void batch_end(row_batch *b); /* wiped; also one that is all zero */

/* ---- ledger.c ---- */
void ledger_init(ledger *g);
void ledger_fini(ledger *g);
zo_status ledger_reserve(ledger *g, size_t n, zo_error *err); /* for n more puts */
uint32_t ledger_put(ledger *g, const tag *row, const tag *id, uint32_t part);
void ledger_remove(ledger *g, uint32_t e);
/* The newest entry of this content for which accept says yes; UINT32_MAX: none. */
uint32_t ledger_find(const ledger *g, const tag *row, bool (*accept)(const void *ctx, uint32_t e), const void *ctx);
uint32_t ledger_in_part(const ledger *g, const tag *row, uint32_t part); /* the entry of a row of this part */
bool tag_is_zero(const tag *t);

/* ---- graves.c: what was forgotten by name ---- */
uint64_t graves_request(const zo_live *l, tag_kind kind, const tag *name); /* 0: never */
zo_status graves_dig(zo_live *l, zo_act *a, tag_kind kind, const tag *name, uint64_t request, zo_error *err);
zo_status graves_enter(zo_live *l, tag_kind kind, const tag *name, uint64_t request, zo_error *err);

/* ---- rows.c: rows into cells and out of them, without history ---- */
typedef struct row_set { /* rows of one class on their way into a cell */
    size_t n;
    const uint32_t *pick; /* [n]: which of the arrays' rows; NULL: the first n */
    const int32_t *x, *y; /* y NULL for classes */
    const tag *row, *id;  /* id may be NULL */
    uint32_t cls;
} row_set;
zo_status rows_add(zo_live *l, zo_act *a, uint32_t group, const tag *task, const row_set *r, zo_error *err);
/* Rows that are known by their tags only; what they sum up to is not added here. */
zo_status rows_add_tags(zo_live *l, zo_act *a, uint32_t cell, const part_text *tags, zo_error *err);
/* The sums of rows that a cell knows by their tags. */
zo_status rows_add_sums(zo_live *l, zo_act *a, uint32_t cell, const zo_sums *sums, zo_error *err);
/* Every picked entry leaves: parts are written anew without them. Sums are reduced by what parts of rows hold; for
 * entries in parts of tags the caller has done it. n_out counts them. */
zo_status rows_remove_picked(zo_live *l, zo_act *a, const uint32_t *entries, size_t n, zo_error *err);
/* All parts of a cell leave, with their rows. */
zo_status rows_remove_cell(zo_live *l, zo_act *a, uint32_t cell, uint64_t *rows_io, zo_error *err);
#define IN_MOTION (UINT32_MAX - 1) /* entry.part while its row is between two parts */
int32_t *rows_unpack(const zo_live *l, const part_text *t,
                     zo_rows *out); /* x and y of a part of rows; NULL: out of memory */

/* ---- learn.c: may this id, this group be learned? ---- */
zo_status learn_may_id(const zo_live *l, const tag *id, zo_error *err);       /* ZO_ECONFLICT, ZO_EGONE */
zo_status learn_may_group(const zo_live *l, const tag *group, zo_error *err); /* ZO_EGONE */

/* ---- history.c ---- */
zo_status history_note(zo_live *l, const change *c, zo_error *err);
/* live.c: an empty model by its row, which is not in the store yet or not read yet */
zo_status live_make(const zo_study_row *row, zo_store *store, zo_live **out, zo_error *err);
/* live.c: sums of a whole model, as saved, are added */
zo_status live_add_state(zo_live *l, const void *bytes, size_t n, zo_error *err);
/* live.c: retention none writes its sums with the first history of a transaction */
zo_status live_save_state(zo_live *l, zo_act *a, zo_error *err);
const tag *tag_at(const void *owner, uint32_t i); /* learn.c: owner is an array of tags */

/* ---- forget.c: also for tombstones that a backup did not have ---- */
zo_status forget_named(zo_live *l, zo_act *a, tag_kind kind, const tag *names, size_t n, uint64_t *rows_out,
                       zo_error *err);
zo_status live_changed(zo_live *l, zo_act *a, zo_error *err); /* none: put the state; else drop a stale cache */

#endif
