/* What the files of core/study share: the study's memory, laid out for the hot path, and the steps that commands and replay have in
 * common.
 *
 * A command makes a record (struct rec), the very thing the log keeps, in four steps: check it against the state, reserve all memory it
 * can need, apply it, append it. Replay decodes a record and takes the same steps but the last. Applying and appending can't fail; so
 * a command that is refused, or runs out of memory, leaves no trace.
 *
 * Tells reach the solver through a short queue (owed tells): the table and the log are first, the solver follows at the end of the same
 * command. A solver that is out of memory keeps its tell owed; the next command pays it first, before it changes anything. */
#ifndef ZO_STUDY_PRIVATE_H
#define ZO_STUDY_PRIVATE_H

#include "zeroth/study.h"

#include <math.h>
#include <string.h>

#include "study/intern.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "event bodies hold doubles as they lie in memory");

/* ---- the trial table (trials.c): segments of columns, so that growth copies at most one segment ---- */

struct report {
    uint64_t step;
    int64_t at_ms;
    bool stop;
};
/* What few trials have. */
struct rare {
    char *reason, *metadata;
    double *std_errors;              /* [n_values] or NULL */
    double *gradients;               /* [n_gradients] or NULL */
    double cost;                     /* NaN: absent */
    struct report *reports;
    double *report_values;           /* [cap_reports * n_values] */
    uint32_t n_reports, cap_reports;
    uint32_t rungs;                  /* early stopping: rungs this trial has been judged at */
    double best;                     /* early stopping: best value so far, less is better; NaN: none */
};

enum {
    FLAG_EXPIRED = 1, /* its lease ran out and it was not handed out again since: a late tell is welcome */
    FLAG_WITHDRAWN = 2,
    FLAG_FEASIBLE = 4,     /* complete, and all constraints hold */
    FLAG_VALUES = 8,       /* all objectives and constraints have a value */
    FLAG_FROM_REPORT = 16, /* stopped: its value is its last report */
    FLAG_AMENDED = 32,     /* in a closed segment, and open or changed since it was closed: heads carry this row */
    FLAG_BATCH = 64,       /* named by an earlier item of the tell being checked, or to be forgotten */
    FLAG_SCRUBBED = 128,   /* replay: an event of it was scrubbed, so it will be forgotten */
};
enum { STATE_ABSENT = 0xff };
enum { MAX_NUMBER_GAP = 10000000 }; /* that an import may leave below its number */

struct segment {
    double *v, *values;              /* [cap][n], [cap][n_values] */
    int64_t *created, *finished;     /* wall ms, 0: absent */
    uint32_t *worker, *provenance;   /* interned, 0: none */
    uint32_t *attempt;
    uint32_t *pending;               /* index + 1 in the pending pool, 0: none */
    uint8_t *state, *origin, *flags;
    struct rare **rare;              /* NULL while no trial of the segment needs one */
    double *predicted;               /* [cap] in the client's sign, NaN: nothing; NULL while no trial of the segment has one */
    void *block;                     /* all columns but rare and predicted */
    uint32_t cap;                    /* rows */
    uint32_t open;                   /* queued or running */
};
struct row {
    struct segment *g;
    size_t i;
};
struct table {
    struct segment *segs;
    size_t n_segs, cap_segs;
    size_t n, n_values;              /* doubles per row */
    size_t closed;                   /* segments 0 .. closed-1 are closed (see snapshot.c) */
    uint64_t next;                   /* next number; of those below some never were (import leaves gaps) */
    double *spare;                   /* [cap_spare] becomes the next segment's column of predictions */
    size_t cap_spare;
    size_t bytes;
};

/* ---- trials that were handed out and have not ended (lease.c) ---- */

struct pending {
    uint64_t number, lease_ms;
    int64_t expires_mono, expires_wall;
    uint32_t heap;                   /* position + 1 in the heap of expiries, 0: not under a lease */
    uint32_t expiries;               /* leases that ran out so far */
    uint32_t next_free;
    bool used, own;                  /* own: this life of the solver proposed it, the memo is what it wrote */
};
struct pending_pool {
    struct pending *items;
    uint8_t *memos;
    uint32_t *heap;
    uint32_t n, cap, n_heap, free_list, n_used;
    size_t memo_bytes;
};

struct ring {
    uint64_t *a;
    size_t head, n, cap;             /* cap: a power of two */
};

struct owed {
    uint64_t number;
    uint32_t pending;                /* index + 1, freed once told; 0: none */
    uint8_t outcome;
    bool unasked;                    /* the proposal of an exhausted ask: its point is study->lost */
};

/* ---- best.c, pareto.c, duplicates.c ---- */

struct front {
    double *f;                       /* [cap][n_objectives], less is better */
    uint64_t *number;                /* [cap], in the order of f: by f[0] when there are two objectives */
    uint64_t *sorted;                /* [cap], ascending */
    size_t n, cap, m;
};
struct seen {                        /* hash of point -> trials at it */
    uint64_t *hash;
    uint32_t *count;                 /* 0 and hash 0: free */
    size_t n_used, cap;
    uint64_t distinct;
};

struct stop_rule;

/* ---- records: what an event says (event.c) ---- */

struct str {
    const char *p;                   /* NULL: absent */
    size_t n;
};
struct rec_asked {
    uint64_t number, lease_ms;       /* lease_ms 0: the study's */
    uint64_t attempt;
    zo_origin origin;
    const double *v;                 /* [n]; NULL when an earlier event holds it */
    struct str worker, core, why;
    double predicted;                /* in the client's sign; NaN: nothing */
};
struct rec_told {
    uint64_t number;
    zo_trial_state state;
    bool brought, from_report, imported;
    bool scrubbed;                   /* v is zeros, and of all else there is nothing */
    zo_origin origin;                /* brought */
    const double *v;                 /* brought */
    const double *values;            /* [n_values] or NULL; NaN: absent */
    const double *std_errors;        /* likewise */
    const double *gradients;         /* [n_gradients] or NULL; a row all NaN: absent */
    double cost;                     /* NaN: absent */
    struct str reason, worker, metadata;
    int64_t created_ms, finished_ms; /* imported */
};
struct rec_reported { uint64_t number, step; const double *values; bool stop; };
struct rec_queued { uint64_t number; const double *v; struct str metadata; };
struct rec_expired { uint64_t number; zo_trial_state outcome; };
struct rec_patched { zo_patch patch; };
enum end_reason { END_NONE, END_TARGET, END_SECONDS, END_CONVERGED, END_EXHAUSTED, END_STALLED, END_INFEASIBLE, END_STOP, END_REASON_COUNT };
struct rec_ended {
    enum end_reason reason;
    bool asked;                      /* the solver was asked for number in vain */
    uint64_t number;
    struct str why;                  /* a sentence for people */
};
struct rec_rebased { struct str reason; uint64_t version, tag; };
struct rec_forgotten {
    uint64_t request, version;
    size_t n;
    const uint64_t *numbers; /* ascending; NULL in a decoded record, which has them packed */
    const uint8_t *packed;
    size_t packed_bytes;
};
struct rec_created { uint64_t seed, n, n_values, version; struct str solver; };
struct rec {
    zo_event_kind kind;
    bool scrubbed; /* ASKED, TOLD, REPORTED, QUEUED: only number and state are left */
    uint64_t seq;
    int64_t at_ms;
    union {
        struct rec_created created;
        struct rec_asked asked;
        struct rec_told told;
        struct rec_reported reported;
        struct rec_expired expired;
        uint64_t number;             /* RELEASED, WITHDRAWN */
        struct rec_queued queued;
        struct rec_patched patched;
        struct rec_ended ended;
        struct rec_rebased rebased;
        struct rec_forgotten forgotten;
    } u;
};
/* Where a decoder puts vectors; NULL buffers: only checked. */
struct event_shape {
    size_t n, n_values, n_gradients;
    double *v, *values, *std_errors, *gradients;
};

/* ---- stopping.c ---- */

struct stopping {
    bool on[ZO_STOP_RULES];
    uint64_t limit, window, runs_limit;  /* from the spec or by default */
    double below, within;                /* below 0: relative to the best value */
    uint64_t n, n_record;                /* trials that count; n when the best value last improved */
    uint64_t base;                       /* trials from this number on count: a patch began the counts anew there */
    uint64_t runs_record;                /* runs that the solver had begun then */
    uint64_t n_windows;                  /* whose gain is known */
    double mark, gain;                   /* best value at the end of the last window, INFINITY: none; expected gain of the next */
    bool is_new;                         /* an improvement the solver does not know yet */
};

/* ---- the study ---- */

struct constraint {
    bool has_upper, has_lower;
    double upper, lower;
};

struct zo_study {
    zo_arena *arena;                 /* what never changes */
    /* spec */
    uint64_t seed, lease_ms, retries;
    size_t n, n_objectives, n_constraints;
    size_t n_named, n_values;        /* values with names; and with the answers of a directional step */
    size_t n_gradients;              /* n for each objective and constraint; 0: the oracle gives none */
    const char **names;              /* [n_named]: objectives, constraints, metrics */
    double *sign;                    /* [n_objectives] +1 minimize, -1 maximize */
    struct constraint *constraints;
    zo_on_expiry on_expiry;
    zo_duplicates duplicates;
    zo_space *space;                 /* NULL: a directional study, whose vectors are records */
    zo_problem problem;
    zo_step_plan plan;               /* directional, with the next */
    zo_steps steps;
    const zo_solver *def;
    zo_named *options;
    size_t n_options;
    zo_solver_run *run;
    double *x0;                      /* [n] natural, NULL: none */
    uint64_t cardinality;
    /* log */
    uint64_t seq;
    bool as_data;                    /* R3: records are applied without the solver */
    uint64_t data_until;
    uint64_t forgotten_seq; /* of the last FORGOTTEN, 0: none */
    uint64_t n_scrubbed;    /* rows with FLAG_SCRUBBED */
    /* state */
    struct table t;
    struct intern strings;
    zo_counts counts;
    zo_budget budget;
    bool paused, asked_solver,
        waiting; /* asked_solver: x0, which would be the first, has had its turn; waiting: last ask found WAIT */
    enum end_reason ended;
    uint32_t ended_why;              /* interned, 0: none */
    struct ring retry, queue;
    struct pending_pool pending;
    struct owed *owed;
    size_t n_owed, cap_owed;
    struct front front;
    uint64_t best, least;            /* UINT64_MAX: none */
    double best_f, least_violation;
    struct seen seen;
    const struct stop_rule *rule;
    const void *rule_opts;
    void *rule_self;
    struct stopping stopping;
    /* seconds: wall times of events rebuild what the monotonic anchor counts while we run */
    int64_t first_ask_ms, paused_ms, paused_since_ms;
    int64_t anchor_mono, anchor_used_ms;
    bool anchored;
    /* scratch */
    double *u, *v, *v_in, *values_in, *std_in, *gradients_in, *f, *g, *f_stderr, *df, *dg, *answers, *lost;
    struct batch_item *batch;
    size_t cap_batch;
    struct loading *loading;         /* a snapshot half-way in */
};

/* study.c. def: a definition of the test's own, NULL: looked up by spec->solver. */
zo_status study_new_with(const zo_study_spec *spec, const zo_solver *def, zo_now now, zo_events *ev, zo_study **out, zo_error *err);

/* event.c. Reserve room for n records whose encoded sizes sum to at most bytes; encode then can't fail. */
ZO_NODISCARD bool events_reserve(zo_events *e, size_t n, size_t bytes);
size_t record_bytes(const zo_study *s, const struct rec *r);          /* upper bound */
void event_append(zo_events *e, const zo_study *s, const struct rec *r);
void forgotten_numbers(const struct rec_forgotten *r, uint64_t *out); /* of a decoded record, [n] */
zo_status event_decode(const zo_event *e, const struct event_shape *shape, struct rec *out, zo_error *err);
static inline struct str str_of(const char *p)
{
    return (struct str){p, p ? strlen(p) : 0};
}

/* trials.c */
void table_init(struct table *t, size_t n, size_t n_values);
void table_fini(struct table *t);
ZO_NODISCARD bool table_reserve(struct table *t, uint64_t number);     /* a row for number, its v and values unset */
ZO_NODISCARD bool table_reserve_rare(struct table *t, uint64_t number);
ZO_NODISCARD bool table_reserve_predicted(struct table *t, uint64_t number); /* of a reserved row */
void row_predict(struct table *t, struct row r, double predicted);     /* reserved */
static inline double row_predicted(struct row r)
{
    return r.g->predicted ? r.g->predicted[r.i] : NAN;
}
struct row table_row(const struct table *t, uint64_t number);          /* .g NULL: no such trial */
/* The first row at or after *number, which moves to it; .g NULL: none. */
struct row table_next(const struct table *t, uint64_t *number);
ZO_NODISCARD struct rare *rare_new(void);
void rare_free(struct rare *r);
static inline struct rare *row_rare(struct row r)
{
    return r.g->rare ? r.g->rare[r.i] : NULL;
}
static inline double *row_v(const struct table *t, struct row r)
{
    return r.g->v + r.i * t->n;
}
static inline double *row_values(const struct table *t, struct row r)
{
    return r.g->values + r.i * t->n_values;
}
/* Make the reserved row of number exist (it must not yet), queued or running or ended, and count it. */
struct row trial_add(zo_study *s, uint64_t number, zo_trial_state state, zo_origin origin, const double *v, int64_t at_ms);
void trial_forget(zo_study *s, struct row r); /* a trial that ended or was withdrawn becomes a tombstone */
void predictions_drop(struct table *t);       /* of all trials */
void row_count(zo_study *s, struct row r);                              /* a loaded row enters the counters */
/* Move an existing trial, keeping all counters. */
void trial_move(zo_study *s, struct row r, zo_trial_state to);
void trial_touch(struct row r, const zo_study *s, uint64_t number);    /* a row of a closed segment changed otherwise */
zo_status trial_find(const zo_study *s, uint64_t number, struct row *out, zo_error *err); /* ZO_ENOTFOUND also when withdrawn */
size_t segment_bytes(const struct table *t, size_t cap);
ZO_NODISCARD bool segment_grow(struct table *t, struct segment *g, size_t cap);
void segment_fini(struct segment *g);

/* lease.c */
void pending_fini(struct pending_pool *p);
ZO_NODISCARD bool pending_reserve(struct pending_pool *p, size_t extra);
uint32_t pending_take(struct pending_pool *p, uint64_t number);         /* index; reserved; memo as the caller left it */
uint32_t pending_peek(const struct pending_pool *p);                    /* index that pending_take would give */
void pending_free(struct pending_pool *p, uint32_t i);
void *pending_memo(const struct pending_pool *p, uint32_t i);
void lease_set(struct pending_pool *p, uint32_t i, int64_t expires_mono, int64_t expires_wall);
void lease_drop(struct pending_pool *p, uint32_t i);
ZO_NODISCARD bool ring_reserve(struct ring *r, size_t extra);
void ring_push(struct ring *r, uint64_t x);
static inline uint64_t ring_at(const struct ring *r, size_t i)
{
    return r->a[(r->head + i) & (r->cap - 1)];
}
void ring_pop(struct ring *r);
/* Drop what was told or withdrawn meanwhile from the front; false when the ring is empty then. */
bool ring_front(zo_study *s, struct ring *r, uint64_t *number_out);
zo_status lease_check(uint64_t lease_ms, zo_error *err);
int64_t seconds_used_ms(const zo_study *s, int64_t mono_ms);
bool seconds_are_over(const zo_study *s, zo_now now);
/* A trial leaves running (or the retry queue) for good: the solver is told, the lease dropped. Reserved by ends_reserve. */
ZO_NODISCARD bool ends_reserve(zo_study *s, size_t extra);
void trial_end(zo_study *s, struct row r, uint64_t number, zo_trial_state state);

/* link.c: the study's side of its solver */
zo_status solver_start(zo_study *s, zo_solver_run **out, zo_error *err);
/* Pay what is owed; ZO_ENOMEM: the rest stays owed. */
zo_status solver_pay(zo_study *s, zo_error *err);
enum proposal { PROPOSED, PROPOSED_X0, NOTHING_YET, CONVERGED, STALLED, INFEASIBLE, EXHAUSTED, EXHAUSTED_ASKED };
enum proposal proposal_of(zo_verdict verdict);
struct provenance { const char *core, *why; double predicted /* in the client's sign; NaN: nothing */; };
/* Candidate for the next number into v; the memo into pending_peek's place. EXHAUSTED_ASKED: the solver's proposal had nowhere to
 * go; it is owed an abandoned tell (reserved by ends_reserve). CONVERGED, STALLED, INFEASIBLE: why->why is the solver's reason. */
zo_status solver_propose(zo_study *s, double *v, enum proposal *out, struct provenance *why, zo_error *err);
/* A new life that has heard of every finished trial, and its taking the place of the old one. */
zo_status solver_relive(zo_study *s, zo_solver_run **out, zo_error *err);
void solver_replace(zo_study *s, zo_solver_run *run);
zo_status solver_rebase(zo_study *s, zo_error *err);

/* steps.c: what is different in a directional study */
static inline bool is_directional(const zo_study *s)
{
    return s->problem.directional != NULL;
}
/* Before the solver is started, after its definition is known: sets n and n_values. */
zo_status steps_init(zo_study *s, const zo_study_spec *spec, zo_error *err);
zo_status step_propose(zo_study *s, double *v, enum proposal *out, struct provenance *why, zo_error *err);
zo_status step_told_check(const zo_study *s, const double *record, const struct rec_told *r, zo_error *err);
void step_value(const zo_study *s, const double *record, double *values); /* the loss, from the answers */
zo_status own_points_only(zo_error *err);                               /* what a point of the client's is told */
/* Can v be what trial `number` proposes? */
bool point_fits(const zo_study *s, const double *v, uint64_t number);

/* best.c */
double constraint_violation(const zo_study *s, const double *values);   /* sum over constraints; 0: feasible */
double constraint_excess(const struct constraint *c, double value);     /* <= 0: holds */
double constraint_slope(const struct constraint *c, double value);      /* of the excess by the value: 1 or -1 */
bool has_all_values(const zo_study *s, const double *values);
ZO_NODISCARD bool best_reserve(zo_study *s, size_t extra);
void best_add(zo_study *s, uint64_t number, const double *values);      /* of a complete trial; sets its FLAG_FEASIBLE */
bool target_reached(const zo_study *s);
/* pareto.c */
ZO_NODISCARD bool front_reserve(struct front *p, size_t extra);
void front_add(struct front *p, uint64_t number, const double *f);      /* reserved */
void front_fini(struct front *p);
/* duplicates.c */
ZO_NODISCARD bool seen_reserve(struct seen *p, size_t extra);
bool seen_has(const struct seen *p, uint64_t hash);
void seen_add(struct seen *p, uint64_t hash);
void seen_remove(struct seen *p, uint64_t hash);
void seen_fini(struct seen *p);

/* One item of the batch being told or queued; cleared by batch_start. */
struct batch_item {
    struct rec rec;
    struct rare *rare;               /* prepared, for the row to take; NULL: none */
    bool repeat;                     /* nothing new: no event */
    bool marked;                     /* its row carries FLAG_BATCH */
};
zo_status batch_start(zo_study *s, size_t n, zo_error *err);

/* the commands' common steps: check (ZO_* and a pointer), reserve, apply */
void asked_apply(zo_study *s, const struct rec_asked *r, int64_t at_ms, const zo_now *now, bool own);
ZO_NODISCARD bool asked_reserve(zo_study *s, size_t worker_bytes);
zo_status told_check(zo_study *s, const struct rec_told *r, bool *repeat_out, zo_error *err);
bool same_doubles(const double *a, const double *b, size_t n);               /* NaN equals NaN; NULL is all NaN */
ZO_NODISCARD bool told_reserve(zo_study *s, const struct rec_told *r, uint64_t number, size_t batch, struct rare **rare_out);
void told_apply(zo_study *s, const struct rec_told *r, struct rare *rare, int64_t at_ms);
zo_status reported_check(const zo_study *s, const struct rec_reported *r, bool *repeat_out, bool *stop_out, zo_error *err);
ZO_NODISCARD bool reported_reserve(zo_study *s, const struct rec_reported *r);
bool reported_apply(zo_study *s, const struct rec_reported *r, int64_t at_ms, const bool *logged); /* the decision */
zo_status queued_check(const zo_study *s, const double *v, zo_error *err);
ZO_NODISCARD bool queued_reserve(zo_study *s, uint64_t number, size_t extra, bool metadata, struct rare **rare_out, struct str text);
void queued_apply(zo_study *s, const struct rec_queued *r, struct rare *rare, int64_t at_ms);
zo_status withdrawn_check(const zo_study *s, uint64_t number, zo_error *err);
void withdrawn_apply(zo_study *s, uint64_t number);
zo_status released_check(const zo_study *s, uint64_t number, zo_error *err);
void released_apply(zo_study *s, uint64_t number);
void expired_apply(zo_study *s, const struct rec_expired *r, int64_t at_ms);
zo_status budget_check(const zo_budget *b, size_t n_objectives, zo_error *err);
zo_status patched_check(const zo_study *s, const zo_patch *p, zo_error *err);
void patched_apply(zo_study *s, const zo_patch *p, int64_t at_ms, const zo_now *now);
void ended_apply(zo_study *s, const struct rec_ended *r);
enum { MAX_WHY = 128, MAX_END_WHY = 240 }; /* bytes kept of a reason; of that of an end */
/* Append ENDED for reason; reserved. */
void study_end(zo_study *s, zo_events *ev, const struct rec_ended *r, zo_now now);
static inline uint64_t next_seq(zo_study *s)
{
    return ++s->seq;
}

/* forget.c. numbers ascend; each can be forgotten. new_life: the solver begins one, else it will later. */
zo_status forget_check(const zo_study *s, uint64_t number, zo_error *err);
zo_status forget_apply(zo_study *s, const uint64_t *numbers, size_t n, bool new_life, zo_error *err);
bool is_x0(const zo_study *s, const double *v); /* link.c */

/* stopping.c. tell: a result was applied, and the best value is up to date; paid: the solver has heard of it too. */
zo_status stopping_init(zo_study *s, const zo_study_spec *spec, zo_error *err);
void stopping_tell(zo_study *s, bool counts, bool improved);
void stopping_paid(zo_study *s);
void stopping_rebase(zo_study *s);
void stopping_reset(zo_study *s);
void stopping_clear(zo_study *s);   /* before trials are counted again, in number order */
void stopping_restart(zo_study *s); /* counts begin here; the best value stays */
bool stopping_end(const zo_study *s, char *why, size_t bytes);          /* does a rule that is on fire? */
size_t stopping_words(void);
void stopping_save(const struct stopping *p, double *words);
bool stopping_load(struct stopping *p, const double *words);
/* A study none of whose trials gives a value is over when max(200, 50(n+1)) have ended, and, taken up again, at each doubling. */
uint64_t vain_trials(const zo_study *s);
bool vain_end(const zo_study *s, uint64_t before, char *why, size_t bytes);
/* How a study ends that can't go on: infeasible if its trials have been nothing else, else stalled. */
enum end_reason end_without_value(const zo_study *s);

/* snapshot.c */
void loading_free(struct loading *l);   /* NULL is fine */

/* early_stop.c: the registry of rules for single trials */
struct stop_rule {
    const char *name, *summary;
    const zo_opt *opts;
    size_t n_opts, opts_bytes, state_bytes;
    void (*init)(void *self, const void *opts);
    /* Memory for the report about to be made by a trial (its report's value less-is-better; NaN: none), and for extra completions of
     * a trial with the reports in r. */
    bool (*reserve_report)(void *self, const struct rare *r, uint64_t step, double value);
    bool (*reserve_complete)(void *self, const struct rare *r, size_t extra);
    /* The report is already in r, as its last; value is less-is-better. */
    bool (*report)(void *self, struct rare *r, uint64_t step, double value);
    /* values: the trial's reports in column `stride`, sign applied by the rule's caller through value_of. */
    void (*complete)(void *self, const struct rare *r, size_t stride, double sign);
    void (*visit)(void *self, zo_visit *v);
    void (*fini)(void *self);
};
const struct stop_rule *stop_rule_find(const char *name);

static inline uint64_t mix64(uint64_t h, uint64_t x)
{
    h = (h ^ x) * UINT64_C(0x9E3779B97F4A7C15);
    return h ^ (h >> 29);
}

#endif
