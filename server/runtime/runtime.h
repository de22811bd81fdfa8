/* The runtime: one actor per live study or model, a worker pool of two lanes, leases and timers, admission control.
 *
 * A command runs on a worker with its study checked out: one at a time per study, in arrival order. What it appended to
 * ctx->events is handed to the store's writer in order, and the command is finished only when that is durable; a
 * command that changed nothing waits for what it could have seen. If the commit fails, the study is dropped and
 * reloaded from the log, and every command of that batch is finished with the error. The runtime knows no JSON and no
 * HTTP. */
#ifndef ZO_RUNTIME_RUNTIME_H
#define ZO_RUNTIME_RUNTIME_H

#include <stdatomic.h>
#include <uv.h>
#include "models/live.h"
#include "store/store.h"

typedef struct zo_runtime zo_runtime;
typedef struct zo_cmd zo_cmd;
typedef struct zo_ctx zo_ctx;

typedef enum zo_step {
    ZO_STEP_DONE, /* the command's outcome (reply or error) is set in the caller's own struct: finish it when durable */
    ZO_STEP_WAIT, /* nothing done: park it and run it again after the study's next change, at its deadline, or at drain
                   */
} zo_step;

/* The runtime's own notes while it holds the command. */
typedef struct zo_cmd_private {
    struct actor *actor; /* NULL for queries */
    zo_cmd *same_bucket; /* chain of the keys in flight */
    int64_t tenant;
    uint32_t key_hash;
    bool keyed, remembered, finished;
    _Atomic bool gone;
} zo_cmd_private;

/* Embedded first in the caller's own struct (which lives until finished). Zero-initialise. */
struct zo_cmd {
    zo_cmd *next;                         /* runtime's, then the list given to finished */
    zo_step (*run)(zo_cmd *c, zo_ctx *x); /* [worker] */
    /* Model commands that changed something set it in run: called when all commands of the turn have run and the
     * history of what they did is written, to say what came of it. A failed turn does not call it. */
    void (*late)(zo_cmd *c, zo_ctx *x); /* [worker] */
    int64_t wait_until_ms;              /* monotonic; 0: never parked */
    size_t bytes;                       /* admission: approximate memory it holds */
    bool is_write;                      /* refused early while the store is read-only */
    /* Idempotency-Key, checked before run: in flight -> ZO_ECONFLICT; known with another body -> ZO_EINVAL; known ->
     * repeat. */
    const char *idempotency_key, *idempotency_route;
    const void *body;
    size_t body_bytes;
    void (*repeat)(zo_cmd *c, const zo_idempotency *stored); /* [worker] set the reply from the stored one */
    /* out: other than ZO_OK when run never happened or its commit failed; then any reply set by run must be thrown away
     */
    zo_status status;
    zo_error err;
    zo_cmd_private rt;
};

/* What run sees. */
struct zo_ctx {
    zo_runtime *rt;
    zo_study *study;         /* NULL for directory, query and model commands */
    zo_live *live;           /* of a model's command; else NULL */
    zo_act *act;             /* models: what their functions work with; also for a directory command of models */
    const zo_study_row *row; /* of the study or model; lent; NULL for directory and query commands */
    zo_now now;
    zo_reader *reader; /* this worker's */
    zo_arena *scratch; /* until run returns */
    zo_events *events; /* append here (the engine's commands do) */
    bool timed_out;    /* last run of a parked command: it must not wait again */
    bool gone;         /* the client left: do nothing, return DONE */
};
/* Effects beside events, in the same transaction. Copied. [worker, inside run] A command with an Idempotency-Key must
 * remember its reply if it changed anything; one that ends without (out of memory) is undone, with all that its turn
 * did beside it. */
zo_status zo_ctx_remember(zo_ctx *x, const zo_idempotency *reply, zo_error *err);
/* NULL: unchanged. row->revision rises by one: it counts changes that make no event, so (zo_study_seq, row->revision)
 * names a version. */
zo_status zo_ctx_update_row(zo_ctx *x, const char *title, const char *metadata, zo_error *err);
zo_status zo_ctx_delete(zo_ctx *x,
                        zo_error *err); /* the study or model is gone once durable; later commands get ENOTFOUND */
/* The study in memory is not what its log will say: it is dropped once this turn's record is durable, and loaded again.
 * No other command runs before. */
void zo_ctx_reload(zo_ctx *x);
/* Memory was changed and the command can't be finished: all that this turn did is undone, its commands fail. */
void zo_ctx_undo(zo_ctx *x);
/* Directory command only: make study (taken on success; its CREATED event is in x->events) known under a fresh id and
 * row->name; fills row->study and row->id (lent by ctx scratch). ZO_ECONFLICT when the name is taken: then
 * *existing_out is that study's row. */
zo_status zo_ctx_create(zo_ctx *x, zo_study_row *row, zo_study *study, zo_study_row *existing_out, zo_error *err);
/* The same for a model, which is made here from row->spec; *live_out is lent until run returns. */
zo_status zo_ctx_create_model(zo_ctx *x, zo_study_row *row, zo_study_row *existing_out, zo_live **live_out,
                              zo_error *err);

typedef struct zo_runtime_opts {
    zo_store *store;
    uv_loop_t *loop;
    unsigned workers;          /* short lane threads; 0: number of cores */
    unsigned long_workers;     /* 0: max(1, cores/2) */
    size_t max_resident_bytes; /* live studies; 0: 256 MiB; least recently used are snapshotted and evicted above it */
    unsigned evict_idle_s;     /* 0: 300 */
    size_t max_commands, max_command_bytes, max_study_commands; /* 0: 8192, 272 MiB, 1024 */
    uint64_t snapshot_every_events;                             /* 0: 20000 */
    bool idle_priority;                                         /* SCHED_IDLE for the long lane instead of nice 10 */
    /* [any] Finished commands, linked by next. Called from store and worker threads. */
    void (*finished)(zo_cmd *list, void *ctx);
    void *ctx;
} zo_runtime_opts;

/* The store must be open with committed = zo_runtime_committed and ctx = the runtime: so open the store with a forward
 * declared zo_runtime allocated by zo_runtime_new, then zo_runtime_start. */
zo_status zo_runtime_new(zo_runtime **out, zo_error *err);
void zo_runtime_committed(zo_write *list, void *runtime); /* [store] */
zo_status zo_runtime_start(zo_runtime *rt, const zo_runtime_opts *o, zo_error *err);
/* [loop] Run on the study with this id or name. Never fails: a refusal (ENOTFOUND, EBUSY, ESTORE)
 * comes through finished like any outcome. Commands submitted within one loop iteration are handed to the pool together
 * by zo_runtime_flush. */
void zo_runtime_submit(zo_runtime *rt, zo_table table, int64_t tenant, const char *id_or_name, zo_cmd *c);
/* Create studies or models: one at a time per tenant. */
void zo_runtime_submit_directory(zo_runtime *rt, zo_table table, int64_t tenant, zo_cmd *c);
void zo_runtime_submit_query(zo_runtime *rt, zo_cmd *c); /* reader only, any worker, no order */
void zo_runtime_flush(zo_runtime *rt);                   /* [loop] also runs by itself before the loop polls */
/* [loop] The client of a parked command left: it is run once more with gone set, then finished. */
void zo_runtime_gone(zo_runtime *rt, zo_cmd *c);
/* [loop] From now on nothing waits: parked commands are run for the last time (timed_out). Before the HTTP server
 * drains. */
void zo_runtime_wake_parked(zo_runtime *rt);
/* [loop] As wake_parked, then finish what is waiting, refuse new ones, snapshot live studies; drained is called on the
 * loop when all is durable. */
void zo_runtime_drain(zo_runtime *rt, void (*drained)(void *ctx), void *ctx);
bool zo_runtime_healthy(const zo_runtime *rt); /* [any] workers alive, store writable, not draining */
const char *zo_runtime_unhealthy_reason(const zo_runtime *rt);
/* [loop] After drain (or a failed start): joins the threads and closes their readers; then the store may be closed.
 * NULL is fine. */
void zo_runtime_stop(zo_runtime *rt);
/* [loop] Stops if need be. Run the loop once more afterwards: its handles are closing. NULL is fine. */
void zo_runtime_free(zo_runtime *rt);
uint64_t zo_runtime_arith_tag(const zo_runtime *rt);

/* Offline, for `zerothd check`: replay every study of a file by R2 and compare; load every model, whose sums must be
 * those that its history names; hash every history again. Nothing is changed. Findings through report, a line each. */
typedef struct zo_checked {
    bool clean;
    uint64_t studies, models;
} zo_checked;
zo_status zo_runtime_check(const char *path, void (*report)(void *ctx, const char *line), void *ctx,
                           zo_checked *out, zo_error *err);

#endif
