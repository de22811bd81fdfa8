/* The study engine: trials, leases, budget, best and Pareto front, early stopping, and the event log that is their truth.
 *
 * A zo_study is a deterministic function of (spec, events). A command validates everything first; then it applies itself in
 * memory and appends its events to the caller's zo_events; on any error nothing has changed and no event was appended. The
 * caller makes the events durable before it lets the reply out. No I/O, no clock: time comes in with each command.
 * One caller at a time, any thread. */
#ifndef ZEROTH_STUDY_H
#define ZEROTH_STUDY_H

#include "zeroth/arena.h"
#include "zeroth/solver.h"

/* ---- spec ---- */
typedef struct zo_objective_spec { const char *name; bool maximize; } zo_objective_spec;
typedef struct zo_constraint_spec { const char *name; bool has_upper, has_lower; double upper, lower; } zo_constraint_spec;
typedef enum zo_on_expiry { ZO_EXPIRY_RETRY, ZO_EXPIRY_FAIL, ZO_EXPIRY_ABANDON } zo_on_expiry;
typedef enum zo_duplicates { ZO_DUPLICATES_ALLOW, ZO_DUPLICATES_AVOID } zo_duplicates;
typedef struct zo_budget {
    uint64_t trials;             /* 0: none */
    double seconds;              /* 0: none; from the first ask, paused time excluded */
    bool has_target;
    double target;               /* single objective: best feasible value at least this good ends the study */
} zo_budget;
/* Rules that end the whole study (core/study/stopping.c says what each means). 0: the default. */
typedef enum zo_stop_rule { ZO_STOP_NO_IMPROVEMENT, ZO_STOP_EXPECTED_IMPROVEMENT, ZO_STOP_RESTARTS, ZO_STOP_TARGET_GAP, ZO_STOP_RULES } zo_stop_rule;
typedef struct zo_stopping_spec {
    bool on[ZO_STOP_RULES];
    uint64_t trials;             /* no improvement for so many; or, instead, */
    double trials_per_dimension; /* so many times the space's dimensions */
    double below;                /* expected improvement, units of the objective */
    uint64_t window;             /* trials of a window of it */
    uint64_t runs;               /* whole runs without a better value */
    double within;               /* of the budget's target */
} zo_stopping_spec;
typedef struct zo_study_spec {   /* all pointers lent; zo_study_new copies what it keeps */
    uint64_t seed;
    zo_space_spec space;
    const zo_objective_spec *objectives; size_t n_objectives;   /* >= 1 */
    const zo_constraint_spec *constraints; size_t n_constraints;
    const char *const *metrics; size_t n_metrics;               /* stored only */
    uint32_t oracle;             /* one ZO_ORACLE_ bit; VALUE, STEPS, GRADIENT (a real-valued, unconditional space) or DIRECTIONAL for now */
    const zo_directional *directional; /* DIRECTIONAL: its vector; the space is then empty. Else NULL */
    zo_noise noise;
    unsigned parallelism;        /* >= 1 */
    zo_budget budget;
    uint64_t lease_ms;           /* 1 s .. 7 d; default 600000 */
    unsigned retries;            /* default 3 */
    zo_on_expiry on_expiry;
    zo_duplicates duplicates;
    const char *solver; const zo_named *options; size_t n_options;
    const char *stop_rule; const zo_named *stop_options; size_t n_stop_options; /* early stopping of trials; NULL: none */
    zo_stopping_spec stopping;   /* of the study */
} zo_study_spec;

/* ---- trials ---- */
#define ZO_TRIAL_STATE_LIST(X) X(QUEUED, "queued") X(RUNNING, "running") X(COMPLETE, "complete") X(INFEASIBLE, "infeasible") \
    X(FAILED, "failed") X(STOPPED, "stopped") X(ABANDONED, "abandoned") X(FORGOTTEN, "forgotten")
#define X(code, slug) ZO_TRIAL_##code,
typedef enum zo_trial_state { ZO_TRIAL_STATE_LIST(X) ZO_TRIAL_STATE_COUNT } zo_trial_state;
#undef X
typedef enum zo_origin { ZO_ORIGIN_SOLVER, ZO_ORIGIN_QUEUED, ZO_ORIGIN_CLIENT, ZO_ORIGIN_IMPORT } zo_origin;
const char *zo_trial_state_name(zo_trial_state s);
bool zo_trial_state_parse(const char *name, zo_trial_state *out);
const char *zo_origin_name(zo_origin o);

/* The legal moves, one table: true when a client's or the lease's move from -> to is allowed. */
bool zo_trial_may_move(zo_trial_state from, zo_trial_state to);

typedef struct zo_report { uint64_t step; const double *values; /* [n_values], NaN: absent */ bool stop; int64_t at_ms; } zo_report;
/* A view of one trial, lent until the next command on the study. Values are in the client's sign, in the order
 * objectives, constraints, metrics, NaN where absent; a directional study's go on with the answers of the step's probes
 * (n_values in all, n_named without those). Strings are NULL where absent. A forgotten trial has nothing but its number,
 * state and origin: v is all zeros, which need not be a point, and attempt says only whether it counts against the budget. */
typedef struct zo_trial {
    uint64_t number;
    zo_trial_state state;
    zo_origin origin;
    unsigned attempt;            /* 1 for the first hand-out; 0 while never handed out */
    bool has_values, feasible;   /* feasible: computed, on complete trials */
    bool withdrawn;              /* a queued trial that was deleted; not listed */
    const double *v;             /* [n_dims] natural vector; of a directional study the step's record (step.h) */
    const double *values, *std_errors; /* std_errors NULL if none given */
    const double *gradients;     /* [n_objectives + n_constraints][n_dims] natural units; a row of NaN: not given. NULL: none */
    double cost;                 /* NaN: absent */
    const char *worker, *reason, *core, *why, *metadata;
    double predicted;            /* what the solver's model expected of the objective when it proposed the point; NaN: nothing */
    int64_t created_ms, finished_ms, lease_expires_ms; /* wall; 0: absent */
    size_t n_reports;
} zo_trial;

/* ---- events: one row each in the log ---- */
#define ZO_EVENT_LIST(X) X(CREATED, 1) X(ASKED, 2) X(TOLD, 3) X(REPORTED, 4) X(EXPIRED, 5) X(RELEASED, 6) X(QUEUED, 7) \
    X(WITHDRAWN, 8) X(PATCHED, 9) X(ENDED, 10) X(REBASED, 11) X(FORGOTTEN, 12)
#define X(name, value) ZO_EVENT_##name = value,
typedef enum zo_event_kind { ZO_EVENT_LIST(X) } zo_event_kind;
#undef X
typedef struct zo_event {
    uint64_t seq;                /* dense per study, from 1 (created) */
    zo_event_kind kind;
    int64_t at_ms;               /* wall time, for people: never reaches a solver */
    const uint8_t *body;         /* compact, versioned, little-endian; see core/study/event.c */
    size_t body_bytes;
} zo_event;
/* Events of one command, in order. Zero-initialise; bodies live in its own buffer; clear keeps the memory. */
typedef struct zo_events {
    zo_event *items; size_t n, cap;
    uint8_t *bytes; size_t n_bytes, cap_bytes;
} zo_events;
void zo_events_clear(zo_events *e);
void zo_events_fini(zo_events *e);

typedef struct zo_now { int64_t wall_ms, mono_ms; } zo_now;

/* ---- life ---- */
typedef struct zo_study zo_study;
typedef enum zo_study_state { ZO_STUDY_ACTIVE, ZO_STUDY_PAUSED, ZO_STUDY_DONE, ZO_STUDY_STALLED, ZO_STUDY_INFEASIBLE } zo_study_state;
const char *zo_study_state_name(zo_study_state s);

/* New study: checks spec, space and solver (error pointers are those of the JSON spec: /space/0/low, /solver/options/popsize,
 * /objectives/1/name, /early_stopping/rule ...), then init of the solver. Emits CREATED unless ev is NULL (replay, dry run). */
zo_status zo_study_new(const zo_study_spec *spec, zo_now now, zo_events *ev, zo_study **out, zo_error *err);
void zo_study_free(zo_study *s);

/* ---- commands ---- */
typedef struct zo_ask_args {
    size_t count;                /* 1 .. 1000 */
    uint64_t lease_ms;           /* 0: the study's */
    const char *worker;          /* or NULL */
    bool resume;                 /* hand worker its own running trials back first (they count) */
} zo_ask_args;
typedef struct zo_ask_reply {
    uint64_t *numbers;           /* [n], in the arena passed */
    size_t n;
    zo_study_state state;
    const char *reason;          /* as of zo_study_get_state, or "waiting"; NULL when n == count */
    const char *detail;          /* as of zo_study_end_detail */
    double retry_after_s;        /* > 0 when asking again can help */
} zo_ask_reply;
/* count single asks: retries of expired trials first, then the queue, then x0, then the solver. Fewer than count is normal. */
zo_status zo_study_ask(zo_study *s, const zo_ask_args *a, zo_now now, zo_events *ev, zo_arena *arena, zo_ask_reply *out, zo_error *err);

typedef struct zo_tell_item {
    bool by_number; uint64_t number;     /* else a point the client brings: v */
    const double *v;                     /* [n_dims], from zo_space_encode */
    zo_trial_state state;                /* COMPLETE, INFEASIBLE, FAILED, STOPPED, ABANDONED */
    const double *values;                /* [n_values], NaN absent; COMPLETE needs all objectives and constraints. A directional step needs
                                          * the answers of its probes instead; its loss follows from them, where they are losses */
    const double *std_errors;            /* [n_values] or NULL */
    const double *gradients;             /* [n_objectives + n_constraints][n_dims] natural units, of the values in the client's sign; a
                                          * row of NaN: absent. NULL: none. COMPLETE needs those of all objectives if the oracle is
                                          * GRADIENT; no other oracle takes any */
    double cost;                         /* NaN: absent */
    const char *reason, *worker, *metadata;
    zo_origin origin;                    /* of a brought point: CLIENT or IMPORT */
    bool has_import_number; uint64_t import_number; /* import under its own number (must be free) */
    int64_t created_ms, finished_ms;     /* import only; 0: now */
} zo_tell_item;
/* All or nothing; errors are prefixed /results/{i} by the caller. The same result for a finished trial again is OK and makes no
 * event; another result is ZO_ECONFLICT naming the current state. numbers_out [n]. failed_at_out: index of the item refused. */
zo_status zo_study_tell(zo_study *s, const zo_tell_item *items, size_t n, zo_now now, zo_events *ev, uint64_t *numbers_out,
                        size_t *failed_at_out, zo_error *err);
/* Undo support for exchange (tell + ask as one command): ask never fails for reasons of data, so tell first, then ask. */

/* Queue points; numbers are given at once, state queued. */
zo_status zo_study_enqueue(zo_study *s, const double *const *v, const char *const *metadata, size_t n, zo_now now, zo_events *ev,
                           uint64_t *numbers_out, zo_error *err);
zo_status zo_study_withdraw(zo_study *s, uint64_t number, zo_now now, zo_events *ev, zo_error *err);
/* Intermediate value; *stop_out is the decision, also stored. Steps rise; the same step and values repeat the answer. */
zo_status zo_study_report(zo_study *s, uint64_t number, uint64_t step, const double *values, zo_now now, zo_events *ev, bool *stop_out,
                          zo_error *err);
zo_status zo_study_heartbeat(zo_study *s, uint64_t number, uint64_t lease_ms, zo_now now, zo_error *err); /* not logged */
zo_status zo_study_release(zo_study *s, uint64_t number, zo_now now, zo_events *ev, zo_error *err);       /* back, before new points */
typedef struct zo_patch { bool has_budget; zo_budget budget; bool has_paused, paused; } zo_patch;
zo_status zo_study_patch(zo_study *s, const zo_patch *p, zo_now now, zo_events *ev, zo_error *err);
/* The study as if these trials had never been told: the solver begins a new life and hears of all others as outside points,
 * in number order; best, front, stopping, early stopping and points seen follow from those too. An end that no longer
 * follows is taken back. The numbers stay, are never given out again and count against the budget as before; nothing else
 * is left of them, nor of what the solver predicted for any trial. request goes into the event.
 * Refused, pointer /trials/{i}: ZO_ENOTFOUND no such trial; ZO_ECONFLICT it is queued, running or forgotten already;
 * ZO_EINVAL named twice. ZO_EUNSUPPORTED: a directional study, whose x has moved by its steps. Cost: that of a rebase.
 * Snapshots from before are of no use: the caller deletes them all, and scrubs the events before (zo_event_scrub). */
zo_status zo_study_forget(zo_study *s, const uint64_t *numbers, size_t n, uint64_t request, zo_now now, zo_events *ev, zo_error *err);
/* Expire every lease that is over at now.mono_ms, end the study when its seconds are. Call when zo_study_deadline says so. */
zo_status zo_study_tick(zo_study *s, zo_now now, zo_events *ev, zo_error *err);
/* Monotonic time of the next expiry or of the end by seconds; INT64_MAX if none. O(1). */
int64_t zo_study_deadline(const zo_study *s);

/* ---- reading (lent until the next command) ---- */
const zo_space *zo_study_space(const zo_study *s);       /* NULL: a directional study has none */
const zo_steps *zo_study_steps(const zo_study *s);       /* how records read; NULL: not a directional study */
/* The move that begins the step of this trial, as zo_step_move. */
size_t zo_study_move(const zo_study *s, uint64_t number, zo_step_term *out);
size_t zo_study_n_values(const zo_study *s);
size_t zo_study_n_named(const zo_study *s);              /* the first of them have names, the rest are answers of probes */
size_t zo_study_n_objectives(const zo_study *s);         /* the first of them are the objectives */
size_t zo_study_n_constraints(const zo_study *s);        /* and the next of them the constraints */
uint32_t zo_study_oracle(const zo_study *s);             /* its ZO_ORACLE_ bit */
/* Index of a declared objective, constraint or metric in values, or SIZE_MAX. */
size_t zo_study_value_index(const zo_study *s, const char *name, size_t length);
const char *zo_study_value_name(const zo_study *s, size_t i);
typedef struct zo_counts { uint64_t by_state[ZO_TRIAL_STATE_COUNT], handed_out /* against the budget */, total; } zo_counts;
zo_counts zo_study_counts(const zo_study *s);
uint64_t zo_study_n_trials(const zo_study *s);           /* next number; numbers below may be withdrawn or absent (import) */
bool zo_study_trial(const zo_study *s, uint64_t number, zo_trial *out); /* false: no such trial */
bool zo_study_trial_report(const zo_study *s, uint64_t number, size_t i, zo_report *out);
/* reason, static: "budget" "target" "seconds" "converged" "exhausted" "stalled" "infeasible" "stop" "paused" "waiting"; NULL: active. */
zo_study_state zo_study_get_state(const zo_study *s, const char **reason_out);
/* One sentence on the end of an ended study, from its solver or from the rule that stopped it; NULL: nothing to add. */
const char *zo_study_end_detail(const zo_study *s);
/* What a stopping rule says now, on or not, of a study with a single objective. Numbers that are not known are left out. */
typedef struct zo_stop_number { const char *name; double value; } zo_stop_number;
typedef struct zo_stop_verdict {
    const char *rule;
    bool on, fires;
    char because[160];           /* one sentence with the numbers */
    zo_stop_number numbers[5];
    size_t n;
} zo_stop_verdict;
void zo_study_stopping(const zo_study *s, zo_stop_rule rule, zo_stop_verdict *out);
const char *zo_study_stopped_by(const zo_study *s);      /* the rule that ended it, static; NULL: none did */
zo_budget zo_study_budget(const zo_study *s);
double zo_study_seconds_used(const zo_study *s, zo_now now);
uint64_t zo_study_seq(const zo_study *s);                /* last event: the ETag's revision */
/* Best feasible complete trial (single objective) or, when none is feasible, the least infeasible; false when there is none. */
bool zo_study_best(const zo_study *s, uint64_t *best_out, bool *feasible_out);
/* Pareto front of feasible complete trials, sorted by number; lent array. */
size_t zo_study_pareto(const zo_study *s, const uint64_t **numbers_out);
/* Signed comparison for lists sorted by one objective: best first; absent values last. */
const zo_solver *zo_study_solver(const zo_study *s);
zo_status zo_study_describe(const zo_study *s, zo_bundle *facts, zo_error *err); /* solver's facts: running, reason, ... */
/* Over trials, budget, state and the solver's snapshot: tests and /state. Pays first what the solver is owed of earlier tells: what counts is
 * what the log says, not what memory allowed. O(trials). */
uint64_t zo_study_digest(zo_study *s);
/* Bytes of what the study has learned: every finished trial that is not forgotten, in number order, as an import would
 * bring it. Equal for a study that forgot and one that imported the rest, so a hash of it, after the spec's, is what a
 * certificate shows. */
typedef void zo_study_sink(void *ctx, const void *bytes, size_t n);
void zo_study_retained(const zo_study *s, zo_study_sink *sink, void *ctx);
uint64_t zo_study_forgotten_seq(const zo_study *s);      /* of the last FORGOTTEN event, 0: none; older snapshots are void */
size_t zo_study_memory_bytes(const zo_study *s);

/* ---- replay and snapshots ---- */
/* Apply one logged event. check: R2, asks are re-executed and must give the logged candidate: ZO_ECONFLICT if not (the study
 * must then be rebuilt with zo_study_rebase). Events must come in seq order without gaps. mono_ms for leases: every running
 * trial gets a full new lease by zo_study_renew_leases after the last event. */
zo_status zo_study_replay(zo_study *s, const zo_event *e, zo_error *err);
void zo_study_renew_leases(zo_study *s, zo_now now);
/* R3: the log applied without asking the solver (candidates are data), then solver init and a tell of every retained finished
 * trial as an outside point, in number order. Usage: s = zo_study_new(spec); zo_study_begin_data_replay(s); replay every event;
 * zo_study_rebase(s, reason, ...) emits REBASED. Replaying a log that holds REBASED or FORGOTTEN events does the same by
 * itself: R3 up to the last of them, R2 after it (the reader passes its seq first). */
void zo_study_begin_data_replay(zo_study *s, uint64_t until_seq);
zo_status zo_study_rebase(zo_study *s, const char *reason, uint64_t arith_tag, zo_now now, zo_events *ev, zo_error *err);

/* Snapshot in parts. Part 0, the head: solver state, counters, queue, best, tail of the trial table. Parts 1..k: closed
 * segments of ZO_SEGMENT_TRIALS trials, immutable once all their trials are finished, so each is stored once. */
enum { ZO_SEGMENT_TRIALS = 4096 };
size_t zo_study_closed_segments(const zo_study *s);
zo_status zo_study_save_segment(const zo_study *s, size_t i, zo_bundle *out, zo_error *err);     /* 0-based */
zo_status zo_study_save_head(zo_study *s, uint64_t arith_tag, zo_bundle *out, zo_error *err);
/* Load into a fresh zo_study_new(spec, ev NULL): the head says how many segments it needs. ZO_ECONFLICT when solver version or
 * arithmetic tag differ: fall back to the log. seq_out: last event inside. */
zo_status zo_study_load_head(zo_study *s, const zo_bundle *head, uint64_t arith_tag, size_t *n_segments_out, uint64_t *seq_out, zo_error *err);
zo_status zo_study_load_segment(zo_study *s, size_t i, const zo_bundle *segment, zo_error *err);
zo_status zo_study_load_finish(zo_study *s, zo_error *err);

/* Take out of one event, of those before a FORGOTTEN, what its trials (numbers, ascending) have said: vectors, values,
 * texts, names, steps; and whoever it is about, what was found with their help: predictions, and the sentence of an end.
 * *touched_out: the event so changed, with the seq, kind and time it had, was appended to out; else it can stay. A log
 * scrubbed in part or in full replays, as data, to the same study. Only ASKED, TOLD, REPORTED, QUEUED and ENDED are ever
 * touched; twice scrubbed is once scrubbed. */
zo_status zo_event_scrub(const zo_event *e, const uint64_t *numbers, size_t n, zo_events *out, bool *touched_out, zo_error *err);

/* Fuzz and tools: check an event body without a study. */
zo_status zo_event_check(const zo_event *e, zo_error *err);

#endif
