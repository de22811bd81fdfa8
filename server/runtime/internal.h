/* What the files of the runtime share: actors, records, lanes, and the one lock.
 *
 * One mutex guards the directory, the lanes' queues, the timers' heap and each actor's bookkeeping; it is held for list
 * operations only. A study itself needs no lock: between taking an actor off a lane's queue and giving it back, one
 * worker owns it.
 *
 * A turn is one such ownership. What its commands write is gathered in one record, which becomes one zo_write. An actor
 * has at most one record in the store ("flying"); later turns add to a second one ("pending") that leaves as soon as
 * the first has landed. So a failed commit can never be followed by a later one of the same study, the log has no gap,
 * and a busy study makes few, large writes. Replies wait in the record whose effects they show: in pending if there is
 * one, else in flying, else they go out at once. */
#ifndef ZO_RUNTIME_INTERNAL_H
#define ZO_RUNTIME_INTERNAL_H

#include <pthread.h>
#include "base/clock.h"
#include "base/log.h"
#include "base/metrics.h"
#include "codec/spec.h"
#include "runtime/runtime.h"
#include "store/changes.h"

typedef struct actor actor;
typedef struct record record;
typedef struct worker worker;
typedef struct turn turn;
typedef struct loader loader;

enum {
    TURN_COMMANDS = 64,       /* an actor yields after so many commands ... */
    TURN_NS = 1000000,        /* ... or so long */
    MODEL_TURN_NS = 50000000, /* a model's commands share one digest and one write of its sums */
    RETRY_MS = 1000,          /* after want of memory */
    SNAPSHOT_SEGMENTS = 2,    /* saved per turn at most */
    SNAPSHOT_MIN_EVENTS = 64, /* fewer new events than this are replayed faster than a snapshot is written and read */
    KEY_BUCKETS = 1024,
    NAME_MAX_BYTES = 64,
};

/* ---- lists of commands, linked by next ---- */
typedef struct cmd_list {
    zo_cmd *head, *tail;
    size_t n;
} cmd_list;

static inline void cmds_append(cmd_list *l, zo_cmd *c)
{
    c->next = NULL;
    if (l->tail)
        l->tail->next = c;
    else
        l->head = c;
    l->tail = c;
    l->n++;
}

static inline void cmds_join(cmd_list *l, cmd_list *more) /* more behind l; more is empty afterwards */
{
    if (!more->head)
        return;
    if (l->tail)
        l->tail->next = more->head;
    else
        l->head = more->head;
    l->tail = more->tail;
    l->n += more->n;
    *more = (cmd_list){0};
}

static inline zo_cmd *cmds_pop(cmd_list *l)
{
    zo_cmd *c = l->head;

    if (c) {
        l->head = c->next;
        if (!l->head)
            l->tail = NULL;
        l->n--;
        c->next = NULL;
    }
    return c;
}

/* ---- records ---- */
typedef struct created_op { /* one creation inside a directory's record; in the arena of its changes */
    struct created_op *next;
    actor *actor;
    zo_op create, events;
    zo_study_row row;
    zo_events log;
} created_op;

struct record {
    zo_write write;
    record *next_free;
    actor *actor;
    uint64_t number; /* rises with every new record */
    zo_events log;   /* of the actor's study */
    zo_op events, update, delete_op;
    zo_study_row update_row; /* strings in the arena of more, or static; NULL: unchanged */
    bool updates, deletes;
    zo_changes more; /* replies to remember, snapshot parts, what a model changes */
    created_op *created, **created_tail;
    size_t n_created;
    bool saves_head;
    uint64_t saved_seq;    /* if saves_head */
    size_t saved_segments; /* after it has landed; 0: unchanged */
    cmd_list cmds;         /* finished when it lands */
};

/* ---- actors ---- */
typedef enum actor_kind { ACTOR_STUDY, ACTOR_MODEL, ACTOR_DIRECTORY } actor_kind;
typedef enum lane_kind { LANE_SHORT, LANE_LONG, LANE_COUNT } lane_kind;

typedef struct dir_entry { /* one name or id of an actor */
    struct dir_entry *next;
    uint64_t hash;
    zo_table table;
    int64_t tenant;
    actor *actor;
    size_t length;
    char key[];
} dir_entry;

struct actor {
    /* under the lock */
    actor *run_next; /* in a lane's queue */
    actor *all_prev, *all_next, *lru_prev, *lru_next;
    actor_kind kind;
    zo_table table;
    int64_t tenant;
    dir_entry *by_key, *by_name; /* by_key: what it was first asked for, later its id */
    cmd_list inbox;
    size_t n_cmds; /* unfinished commands of all stages: admission */
    bool scheduled, running, wake;
    bool resolved; /* row is valid; by_key is the id */
    bool in_lru;
    bool held;    /* created by a directory turn that is not over: must not run yet */
    bool drop;    /* the study in memory is not what the log says or will say once flying has landed: no turn before */
    bool deleted; /* durably */
    bool evict;   /* snapshot and leave memory */
    bool counted_evict; /* its bytes are in rt->evicting_bytes */
    zo_error drop_err;
    record *flying, *pending;
    uint64_t landed;  /* number of the last record that is durable */
    int64_t deadline; /* its key in the heap, if heap_index != SIZE_MAX; may be early, never late */
    size_t heap_index;
    int64_t used_ms, next_deadline_ms;
    size_t bytes;     /* resident memory as last measured */
    zo_study_row row; /* immutable strings in row_block; title and metadata change under the lock */
    char *row_block, *title, *metadata;
    uint64_t saved_seq; /* last event inside the durable head; 0: none */
    size_t saved_segments;
    bool saving; /* a head or segment is in flying or pending */
    /* owned by the worker that runs it, and under the lock while none does */
    lane_kind lane;
    zo_study *study; /* of ACTOR_STUDY */
    zo_live *live;   /* of ACTOR_MODEL */
    loader *load;
    cmd_list parked;
    bool deleting; /* a delete is on its way to the log */
    bool reloaded; /* no turn has seen it since */
};

/* ---- workers ---- */
typedef struct lane {
    pthread_cond_t cond;
    actor *head, *tail;
    cmd_list queries;
    unsigned n_idle, n_woken; /* waiting; signalled but not yet awake */
    bool query_turn;          /* the two kinds alternate */
} lane;

typedef struct zo_team_job team_job; /* team.c */

struct worker {
    zo_runtime *rt;
    lane_kind lane;
    pthread_t thread;
    bool started;
    zo_reader *reader;
    zo_arena *scratch;
    record *spare;        /* so that a turn that writes nothing takes no lock for a record */
    zo_events create_log; /* x->events of a directory command */
};

struct turn { /* what zo_ctx really is */
    zo_ctx x;
    zo_act act; /* x.act */
    worker *w;
    actor *a;
    record *rec; /* pending, or the worker's spare */
    zo_cmd *cmd;
    cmd_list in, done;
    bool draining, no_waiting, save_failed;
    bool undo;   /* nothing of this turn may stay */
    bool reload; /* the study is to be loaded again when it is durable */
    bool tick_failed;
    /* as they were when the turn began */
    bool evict, saving, deleted;
    uint64_t landed;
    uint64_t saved_seq;
    size_t saved_segments;
};

struct zo_runtime {
    zo_runtime_opts o;
    zo_store *store;
    uint64_t arith_tag;
    pthread_mutex_t lock;
    lane lanes[LANE_COUNT];
    worker *workers;
    size_t n_workers;
    zo_team team;   /* for who computes long on a worker */
    team_job *jobs; /* that idle workers may join */
    bool started, stop;
    pthread_t loop_thread;
    struct loop_handles *handles;
    _Atomic bool draining, no_waiting;
    _Atomic uint64_t records; /* numbers given */

    dir_entry **dir; /* hash table, n_dir a power of two */
    size_t n_dir, dir_used;
    actor *all;
    size_t n_actors;
    actor *lru_head, *lru_tail; /* resident studies, most recently used first */
    size_t n_resident, resident_bytes, evicting_bytes;

    actor **heap; /* by deadline */
    size_t n_heap, cap_heap;
    int64_t armed_ms; /* what the loop's timer is set to; INT64_MAX: nothing */

    zo_cmd *keys[KEY_BUCKETS]; /* Idempotency-Keys in flight */
    size_t n_commands, command_bytes;
    cmd_list refused; /* [loop] finished at the next flush */
    record *free_records;
    size_t n_free_records;

    int drain_phase; /* 0 no, 1 finishing commands, 2 evicting studies, 3 done */
    void (*drained)(void *ctx);
    void *drained_ctx;
};

static inline void rt_lock(zo_runtime *rt)
{
    pthread_mutex_lock(&rt->lock);
}
static inline void rt_unlock(zo_runtime *rt)
{
    pthread_mutex_unlock(&rt->lock);
}
static inline zo_now rt_now(void)
{
    return (zo_now){.wall_ms = zo_clock_wall_ms(), .mono_ms = zo_clock_mono_ms()};
}

/* "L": the caller holds the lock. */

/* directory.c */
zo_status dir_init(zo_runtime *rt, zo_error *err);
void dir_fini(zo_runtime *rt);
actor *dir_find(zo_runtime *rt, zo_table table, int64_t tenant, const char *key); /* L */
dir_entry *dir_entry_new(zo_table table, int64_t tenant, const char *key);
void dir_put(zo_runtime *rt, dir_entry *e, actor *a); /* L; takes e, replacing an entry of the same key */
void dir_forget(zo_runtime *rt, actor *a);            /* L; removes the entries that lead to a */
actor *actor_new(actor_kind kind, zo_table table, int64_t tenant);
void actor_link(zo_runtime *rt, actor *a);   /* L */
void actor_unlink(zo_runtime *rt, actor *a); /* L; out of directory, timers, LRU; not freed */
void actor_free(actor *a);                   /* after actor_unlink; frees a resident study too */
zo_status actor_set_row(actor *a, const zo_study_row *row, zo_error *err); /* copies */
/* Find the row of an actor known by a name only. False: the actor was merged into another one or failed, the turn is
 * over. */
bool actor_resolve(turn *t);

/* pool.c */
zo_status pool_start(zo_runtime *rt, zo_error *err);
void pool_stop(zo_runtime *rt);
void pool_schedule(zo_runtime *rt, actor *a); /* L; queues a unless it is queued, held or running */
void pool_wake(zo_runtime *rt);               /* L; signal idle workers if there is work */

/* team.c */
void team_init(zo_runtime *rt, unsigned cores);
bool team_help(worker *w); /* L, given up and taken again; false: nobody needs help */

/* actor.c */
void actor_turn(worker *w, actor *a, cmd_list *in, record *pending); /* a->running is set */
void query_run(worker *w, zo_cmd *c);

/* models.c: a turn of a model */
void run_model(turn *t);
bool ensure_model(turn *t); /* false: what waits for it has failed */
bool model_may_leave(const turn *t);
bool model_wants_turn(const turn *t); /* one without commands, to solve ahead */

/* wait.c */
void wait_park(turn *t, zo_cmd *c);
/* Run again what must be: after a change all, else those whose time is over, whose client left, or all at drain. */
void wait_rerun(turn *t, bool changed);
int64_t wait_deadline(const actor *a);
void turn_run_one(turn *t, zo_cmd *c, bool timed_out); /* actor.c */
void turn_run_commands(turn *t);
void turn_fail_all(turn *t, const zo_error *e); /* what came and what is parked */
static inline bool is_resident(const actor *a)
{
    return a->study || a->live;
}
static inline const char *noun_of(const actor *a)
{
    return a->table == ZO_MODELS ? "model" : "study";
}

/* record.c */
record *record_get(zo_runtime *rt, zo_error *err); /* takes the lock */
void record_put(zo_runtime *rt, record *r);        /* L; must hold no commands */
void record_destroy(record *r);
bool record_has_effect(const record *r);
void record_seal(record *r);                                                   /* lay out write.ops */
void record_set_state(record *r, actor *a, const char *state, int64_t now_ms); /* L */
zo_status record_add_snapshot(record *r, int64_t study, uint32_t part, uint64_t seq, char *body, size_t bytes,
                              zo_error *err);

/* commit.c */
void cmds_fail(cmd_list *l, const zo_error *e);
void cmds_finish(zo_runtime *rt, cmd_list *l); /* L; accounting; then call rt_deliver without the lock */
void rt_deliver(zo_runtime *rt, cmd_list *l);  /* calls o.finished */
void record_fail(zo_runtime *rt, record *r, const zo_error *e,
                 cmd_list *done); /* L; drops its actors, takes its commands */

/* inflight.c: Idempotency-Keys. True: the command must not run (its status or reply is set). */
bool key_check(turn *t, zo_cmd *c);
void key_release(zo_runtime *rt, zo_cmd *c); /* L */

/* load.c */
typedef enum load_result { LOAD_DONE, LOAD_MORE, LOAD_FAILED } load_result;
load_result load_step(turn *t, zo_error *err);
void load_free(loader *l);
/* ZO_ECONFLICT: the head is another solver version's or another processor's; *seq_out is its last event then, too. */
zo_status load_snapshot(zo_reader *r, int64_t study, uint64_t arith_tag, zo_study *s, uint64_t *seq_out,
                        size_t *segments_out, zo_error *err);

/* snapshot.c */
void snapshot_step(turn *t);             /* add the next parts to the record */
bool snapshot_is_current(const turn *t); /* good enough to drop the study */

/* evict.c */
void evict_touch(zo_runtime *rt, actor *a, int64_t now_ms);   /* L */
void evict_remove(zo_runtime *rt, actor *a);                  /* L */
void evict_set_bytes(zo_runtime *rt, actor *a, size_t bytes); /* L */
void evict_for_memory(zo_runtime *rt);                        /* L */
void evict_idle(zo_runtime *rt, int64_t now_ms);              /* [loop] takes the lock */
void evict_request(zo_runtime *rt, actor *a);                 /* L */
void evict_cancel(zo_runtime *rt, actor *a);                  /* L */

/* timers.c */
zo_status timers_reserve(zo_runtime *rt, zo_error *err);       /* L; room for one more actor */
void timer_set(zo_runtime *rt, actor *a, int64_t deadline_ms); /* L; never moves a deadline later */
void timer_remove(zo_runtime *rt, actor *a);                   /* L */
void timer_fire(zo_runtime *rt, int64_t now_ms);               /* [loop] */
void loop_wake(zo_runtime *rt);                                /* [any] */

/* admission.c */
bool admit(zo_runtime *rt, zo_cmd *c, const actor *a); /* L; false: status is set */
void refuse(zo_cmd *c, zo_status status, const char *why);

#endif
