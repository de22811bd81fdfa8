/* The study solver's interface: a static const definition, one options table, and reverse communication.
 *
 * Solvers live in the unit cube, minimize, and can be told any evaluated point, their own or not: that one rule gives resume,
 * warm start, enqueued points, import and exact forgetting. Each ask and tell is handed a generator keyed by (seed, purpose,
 * trial number); a solver stores none. Memory is allocated in init; one whose state must grow grows it first thing in tell or
 * ask, before it changes anything, so that ZO_ENOMEM leaves the state as it was. One caller at a time, any thread. */
#ifndef ZEROTH_SOLVER_H
#define ZEROTH_SOLVER_H

#include "zeroth/bundle.h"
#include "zeroth/space.h"
#include "zeroth/step.h"

/* ---- options: one table validates requests and fills GET /v1/solvers, OpenAPI and forms ---- */
typedef enum zo_opt_type { ZO_OPT_TYPE_F64, ZO_OPT_TYPE_U64, ZO_OPT_TYPE_BOOL, ZO_OPT_TYPE_ENUM } zo_opt_type;
typedef struct zo_opt {
    const char *name;
    zo_opt_type type;
    size_t offset;               /* into the options struct: double, uint64_t, bool, uint32_t (index of the choice) */
    double def, low, high;       /* ENUM: def is the index */
    const char *const *choices;  /* ENUM: NULL-terminated */
    const char *doc;             /* one sentence with the unit */
} zo_opt;
#define ZO_OPT_F64(S, f, def, low, high, doc) {#f, ZO_OPT_TYPE_F64, offsetof(S, f), def, low, high, NULL, doc}
#define ZO_OPT_U64(S, f, def, low, high, doc) {#f, ZO_OPT_TYPE_U64, offsetof(S, f), def, low, high, NULL, doc}
#define ZO_OPT_BOOL(S, f, def, doc) {#f, ZO_OPT_TYPE_BOOL, offsetof(S, f), def, 0, 1, NULL, doc}
#define ZO_OPT_ENUM(S, f, def, choices, doc) {#f, ZO_OPT_TYPE_ENUM, offsetof(S, f), def, 0, 0, choices, doc}
/* Fill the struct at out with defaults, then with given [n]. Pointer is /{name}: ZO_EMALFORMED wrong type or unknown name,
 * ZO_EINVAL out of range. */
zo_status zo_opts_read(const zo_opt *table, size_t n_opts, const zo_named *given, size_t n, void *out, zo_error *err);

/* ---- what a solver is given ---- */
typedef enum zo_noise { ZO_NOISE_AUTO, ZO_NOISE_NONE, ZO_NOISE_EXPECTED } zo_noise;
enum { ZO_ORACLE_VALUE = 1 << 0, ZO_ORACLE_STEPS = 1 << 1, ZO_ORACLE_GRADIENT = 1 << 2, ZO_ORACLE_HESSIAN_VECTOR = 1 << 3,
       ZO_ORACLE_DIRECTIONAL = 1 << 4, ZO_ORACLE_PREFERENCE = 1 << 5, ZO_ORACLE_DENOISER = 1 << 6, ZO_ORACLE_SCORE = 1 << 7 };
/* What a solver can use; the study's needs that are not covered are refused at creation, naming solver and feature. */
enum { ZO_TRAIT_LEVELS = 1 << 0,       /* int, ordinal, bool, stepped */
       ZO_TRAIT_CATEGORY = 1 << 1, ZO_TRAIT_CONDITIONAL = 1 << 2,
       ZO_TRAIT_CONSTRAINTS = 1 << 3,  /* outcome constraints */
       ZO_TRAIT_LINEAR = 1 << 4,       /* linear constraints (by the space's repair) */
       ZO_TRAIT_OBJECTIVES = 1 << 5,   /* several */
       ZO_TRAIT_NOISE = 1 << 6,
       ZO_TRAIT_PARALLEL = 1 << 7,     /* several trials out at once; it may wait for answers when a whole stage of its method is out */
       ZO_TRAIT_DETERMINISTIC = 1 << 8 /* no need of a study: the first asks, up to a restart, do not depend on the seed */ };
typedef enum zo_cost { ZO_COST_CHEAP /* < 1 ms an ask */, ZO_COST_MODEL /* may take longer: long lane, ask-ahead */ } zo_cost;

typedef struct zo_problem {
    const zo_space *space;       /* outlives the solver */
    size_t n;                    /* dimensions, may be 0 (all fixed) */
    const zo_dim *dims;          /* [n] */
    size_t n_objectives, n_constraints;
    uint32_t oracle;             /* one ZO_ORACLE_ bit */
    zo_noise noise;
    uint64_t budget_trials;      /* 0: unknown */
    unsigned parallelism;        /* hint, >= 1 */
    uint64_t seed;
    const double *x0;            /* [n] unit, from the space's defaults; NULL if none. The engine itself makes it the first ask. */
    const zo_directional *directional; /* directional oracle, else NULL: then there is no space, dims is NULL, and x of a proposal is a
                                        * step's record (step.h), of n doubles in no cube */
} zo_problem;

typedef enum zo_verdict { ZO_ASK_OK, ZO_ASK_WAIT /* needs tells first */,
                          ZO_ASK_DONE /* came to its end: why is the rule that held */,
                          ZO_ASK_STALLED /* gave up: why */,
                          ZO_ASK_INFEASIBLE /* found no point that holds the constraints, or none with a value: why */ } zo_verdict;
/* A solver's state is the same before and after an ask that it answers with anything but OK: such asks are not logged. */
typedef struct zo_proposal {
    uint64_t number;             /* in: the trial it becomes */
    double *x;                   /* out [n], unit cube; the engine decodes, repairs, and tells back the repaired point */
    void *memo;                  /* out [memo_bytes], zeroed: kept with the trial, given back at its tell, in snapshots */
    zo_verdict verdict;          /* out */
    const char *core, *why;      /* out, optional static strings: provenance ("cma-es", "sample"), or the reason for an end */
    double predicted;            /* out: what its model expects of the value, to be minimized; NaN: nothing */
} zo_proposal;

typedef enum zo_outcome { ZO_TOLD_COMPLETE, ZO_TOLD_INFEASIBLE /* the client says x has no value */, ZO_TOLD_FAILED,
                          ZO_TOLD_STOPPED /* early; f may be the last report */, ZO_TOLD_ABANDONED } zo_outcome;
typedef struct zo_told {
    uint64_t number;             /* trial */
    zo_outcome outcome;
    bool own;                    /* this solver proposed it in its present life: memo is what it wrote */
    bool has_values;             /* f, g are valid (COMPLETE always, but for steps whose answers give no loss) */
    bool feasible;               /* all outcome constraints hold */
    const double *x;             /* [n] unit, as evaluated */
    const void *memo;            /* NULL unless own */
    const double *f;             /* [n_objectives], to be minimized (maximization arrives negated), finite */
    const double *g;             /* [n_constraints], <= 0 is feasible */
    const double *f_stderr;      /* [n_objectives] or NULL; NaN where unknown */
    const double *df, *dg;       /* gradient oracle: [n_objectives][n], [n_constraints][n] along the unit cube, of f and g as told here. df is
                                  * finite, a row of dg that was not told is NaN. NULL: not told, also of stopped trials that have f */
    const double *answers;       /* directional oracle, COMPLETE: [zo_step_n_probes], finite, of a loss to be minimized. Else NULL */
} zo_told;

typedef struct zo_solver {
    const char *name, *summary, *reference;
    const char *complexity;      /* cost law of an ask and its tell, and of memory: "O(n^2), every n+1 trials O(n^3)" */
    const char *advice;          /* when to pick it, against its neighbours, in one sentence */
    uint32_t version;            /* rises whenever the same seed and tells give other asks */
    uint32_t oracles, traits;
    zo_cost cost;
    const zo_opt *opts;
    size_t n_opts, opts_bytes;   /* opts_bytes: the options struct's size */
    size_t state_bytes;          /* zeroed block handed to init as self */
    size_t (*memo_bytes)(const zo_problem *p);  /* NULL: 0 */
    /* Directional solvers: how their steps read. p->n is not set yet. Errors as of init. Others: NULL. */
    zo_status (*plan)(const zo_problem *p, const void *opts, zo_step_plan *out, zo_error *err);
    /* Refuse what it can't do beyond traits (ZO_EUNSUPPORTED), allocate. opts: filled by zo_opts_read; p and opts outlive the state.
     * A refused option's pointer is /{name}; without pointer it is the solver as a whole. */
    zo_status (*init)(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err);
    zo_status (*ask)(void *self, zo_rng *rng, zo_proposal *p, zo_error *err);
    zo_status (*tell)(void *self, zo_rng *rng, const zo_told *t, zo_error *err); /* NULL: learns nothing */
    /* Visits every field that init does not rebuild, to save and to load. NULL: there are none. After a failed load the state may only
     * be freed. */
    void (*snapshot)(void *self, zo_visit *v);
    /* Optional: what it is doing, as short scalar facts for GET study (keys and values are copied by set_meta). */
    zo_status (*describe)(const void *self, zo_bundle *facts, zo_error *err);
    void (*fini)(void *self);    /* must accept a state whose init failed half-way */
} zo_solver;

/* Registry, sorted by name. */
size_t zo_solver_count(void);
const zo_solver *zo_solver_at(size_t i);
const zo_solver *zo_solver_find(const char *name); /* NULL if unknown */
/* The (up to) k solvers whose names are nearest to name, the nearest first, of equal ones the first by name; returns how many. */
size_t zo_solver_nearest(const char *name, size_t k, const zo_solver **nearest);
/* Refuse a problem the solver's traits don't cover: ZO_EUNSUPPORTED, pointer /solver/name, message names solver and feature. */
zo_status zo_solver_accepts(const zo_solver *s, const zo_problem *p, zo_error *err);

/* The plan of a directional solver with these options; the problem's n becomes zo_step_words of it. Refuses as zo_solver_run_new does. */
zo_status zo_solver_plan(const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options, zo_step_plan *out,
                         zo_error *err);

/* A running solver: definition + options + state in one handle (heap). The engine and auto use this, tests too. The problem is
 * copied, what it points to must outlive the run. Whatever zo_solver_accepts refuses is refused here as well. */
typedef struct zo_solver_run zo_solver_run;
zo_status zo_solver_run_new(const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options,
                            zo_solver_run **out, zo_error *err); /* option errors: pointer /solver/options/{name} */
void zo_solver_run_free(zo_solver_run *r);
size_t zo_solver_run_memo_bytes(const zo_solver_run *r);
zo_status zo_solver_run_ask(zo_solver_run *r, zo_proposal *p, zo_error *err);   /* makes rng(seed, ASK, p->number) */
zo_status zo_solver_run_tell(zo_solver_run *r, const zo_told *t, zo_error *err); /* makes rng(seed, TELL, t->number) */
void zo_solver_run_snapshot(zo_solver_run *r, zo_visit *v);
zo_status zo_solver_run_describe(const zo_solver_run *r, zo_bundle *facts, zo_error *err);
const zo_solver *zo_solver_run_def(const zo_solver_run *r);

#endif
