/* A live model: the sums, the ledger of what they hold, and what of it is on disk.
 *
 * Every command checks all it needs first, then changes memory and appends ops to the caller's changes. A failure
 * before a change leaves everything as it was; one after (want of memory) sets act.undo, and the owner drops the live
 * model and loads it again. What was changed becomes visible in the history by zo_live_seal, once for all commands of
 * one transaction. [worker] One caller at a time. */
#ifndef ZO_MODELS_LIVE_H
#define ZO_MODELS_LIVE_H

#include "codec/jsonwrite.h"
#include "codec/modelspec.h"
#include "models/chain.h"
#include "store/changes.h"

typedef struct zo_live zo_live;

typedef struct zo_act { /* what a command works with */
    zo_store *store;
    zo_reader *reader;
    zo_changes *changes;
    int64_t now_ms; /* wall clock */
    bool undo;      /* out: memory was changed and the command failed */
} zo_act;

/* ---- life ---- */
/* A model that does not exist yet, by the row that it is about to get: its key is put, its history begun. */
zo_status zo_live_new(const zo_study_row *row, zo_act *a, zo_live **out, zo_error *err);
/* From the store. ZO_EGONE: its key was destroyed, or FILE-keys is missing. A backup that is older than its tombstones
 * is brought up to them: a's changes then hold the forgets. Cost: all parts are read; without a fitting cache of sums
 * all rows are added again. */
zo_status zo_live_load(const zo_study_row *row, zo_act *a, zo_live **out, zo_error *err);
void zo_live_free(zo_live *l); /* wiped */
size_t zo_live_bytes(const zo_live *l);
/* Everything up to this transaction (as given to zo_live_begin) is durable. */
void zo_live_settled(zo_live *l, uint64_t transaction);
void zo_live_begin(zo_live *l, uint64_t transaction); /* what follows becomes part of it */
/* The sums are worth saving, and saved: so that loading need not add all rows again. */
bool zo_live_wants_cache(const zo_live *l, bool leaving);
zo_status zo_live_save_cache(zo_live *l, zo_act *a, zo_error *err);
zo_status zo_live_delete(zo_live *l, zo_act *a, zo_error *err); /* keys, tombstones, replies; the row is the caller's */

/* ---- reading ---- */
zo_model *zo_live_model(zo_live *l);
const zo_model_spec *zo_live_spec(const zo_live *l);
uint64_t zo_live_sequence(const zo_live *l); /* of the last change, sealed or not */
size_t zo_live_groups(const zo_live *l);
zo_status zo_live_digest(zo_live *l, uint8_t out[CRYPT_HASH_BYTES],
                         zo_error *err); /* of the present state; kept until it changes */

/* ---- changing ---- */
typedef struct zo_learn {
    size_t n;
    const int32_t *x, *y;      /* quantised [n][inputs], [n][outputs]; y NULL for classes */
    const char *const *labels; /* [n]; NULL for real targets */
    const char *const *ids;    /* [n] or NULL */
    const char *group, *task;  /* NULL: none, which is a name of its own */
} zo_learn;
/* ZO_ECONFLICT /ids/i: live already, or twice; ZO_EGONE /ids/i: forgotten, and refuse_relearn; ZO_EINVAL /labels/i;
 * ZO_ETOOLARGE. */
zo_status zo_live_learn(zo_live *l, zo_act *a, const zo_learn *in, uint64_t *sequence_out, zo_error *err);

/* All live rows of another model of the same configuration and retention are learned here, too; from stays as it is and
 * is as zo_live_load gave it. ZO_ECONFLICT, pointer /from: another configuration, or an id is live in both; ZO_EGONE
 * /from: an id or group was forgotten, and refuse_relearn; ZO_EINVAL /from: more rows than the capacity. */
zo_status zo_live_merge(zo_live *l, zo_act *a, zo_live *from, uint64_t *rows_out, uint64_t *sequence_out,
                        zo_error *err);
/* The sums of a model elsewhere, as zo_model_save and safetensors write them. Its rows have no entries in the ledger:
 * they leave with ALL only. ZO_EUNSUPPORTED where rows can be forgotten by name; ZO_EINVAL: not of this configuration.
 */
zo_status zo_live_merge_state(zo_live *l, zo_act *a, const void *state, size_t n, uint64_t *rows_out,
                              uint64_t *sequence_out, zo_error *err);

typedef enum zo_scope_kind { ZO_BY_IDS, ZO_BY_GROUP, ZO_BY_CLASS, ZO_BY_TASK, ZO_BY_ROWS, ZO_BY_ALL } zo_scope_kind;
extern const char *const zo_scope_names[]; /* "ids", "group", ... */
typedef struct zo_forget {
    zo_scope_kind by;
    const char *const *ids; /* IDS */
    size_t n_ids;
    const char *name; /* GROUP, CLASS, TASK */
    zo_learn rows;    /* ROWS; ids NULL */
} zo_forget;
typedef struct zo_forgotten {
    uint64_t request, sequence, rows;
} zo_forgotten;
/* All or nothing. ZO_ENOTFOUND: never known; ZO_ECONFLICT: forgotten before (the message has the request's number), or
 * rows that are not live (pointer /x/i); ZO_EUNSUPPORTED: not by this in the model's retention. */
zo_status zo_live_forget(zo_live *l, zo_act *a, const zo_forget *in, zo_forgotten *out, zo_error *err);
/* Other labels (or targets) for live rows, by ids. ZO_EUNSUPPORTED where rows are not kept; ZO_ENOTFOUND, ZO_ECONFLICT
 * /ids/i. */
typedef struct zo_relabel {
    size_t n;
    const char *const *ids, *const *labels;
    const int32_t *y;
} zo_relabel;
zo_status zo_live_relabel(zo_live *l, zo_act *a, const zo_relabel *in, uint64_t *sequence_out, zo_error *err);

/* Writes the history of what changed since the last call: one digest for all, because one transaction makes them
 * visible. */
zo_status zo_live_seal(zo_live *l, zo_act *a, zo_error *err);
bool zo_live_is_sealed(const zo_live *l);
/* The certificate of a forget that this transaction has sealed. */
zo_status zo_live_certificate(const zo_live *l, const zo_act *a, uint64_t sequence, zo_json *w, zo_error *err);

#endif
