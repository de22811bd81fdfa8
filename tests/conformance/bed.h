/* A test bed for any solver: problems, and a life, which plays the engine's part: it asks, keeps memos, tells, brings
 * points of its own, and writes down every answer. What it does is a script fixed beforehand, so two lives can be
 * compared bit for bit.
 *
 * Directional solvers play the same scripts by the engine's rules for them: one trial at a time, no outside points; n
 * is the dimension of the client's vector, which the life holds, and candidates are records. */
#ifndef ZO_TESTS_BED_H
#define ZO_TESTS_BED_H

#include "step_client.h"
#include "zeroth/solver.h"

/* ---- problems ---- */
enum bed_kind {
    BED_BOX,         /* a vector of n reals; of directional solvers, n > 0 entries in two groups */
    BED_MIXED,       /* what the solver's traits allow of log, int, stepped, ordinal, bool, categorical and conditional
                        parameters */
    BED_CONSTRAINED, /* a box and two outcome constraints */
    BED_OBJECTIVES,  /* a box and two objectives */
};
struct bed {
    zo_space *space; /* NULL without dimensions */
    zo_problem problem;
    zo_group groups[2]; /* directional, with the next */
    zo_directional directional;
};
/* What the problems' clients answer, one ZO_ORACLE_ bit: VALUE, GRADIENT with the true derivatives, or DIRECTIONAL. */
extern uint32_t bed_oracle;
/* False if the solver's traits don't allow the kind, or the oracle does not. */
bool bed_open(struct bed *b, const zo_solver *s, enum bed_kind kind, size_t n, uint64_t seed);
void bed_close(struct bed *b);

/* ---- scripts ---- */
enum { SCRIPT_MAX = 512 };
enum op_kind { OP_ASK, OP_TELL, OP_BRING };
struct op {
    enum op_kind kind;
    uint64_t pick; /* TELL: which of the running trials; BRING: seed of the point */
    zo_outcome outcome;
    bool has_values; /* STOPPED */
};
struct script {
    struct op ops[SCRIPT_MAX];
    size_t n;
};
/* Asks, tells out of order with every outcome, and outside points, mixed by chance. */
void script_mixed(struct script *s, size_t n_ops, uint64_t seed);
/* n asks, each told complete at once. */
void script_serial(struct script *s, size_t n_asks);

/* ---- lives ---- */
struct told {
    uint64_t number;
    zo_outcome outcome;
    bool has_values;
    double *x;
    double *answers; /* directional: [CLIENT_ANSWERS_MAX] */
};
struct life {
    const zo_problem *problem;
    zo_solver_run *run;
    size_t memo_bytes;
    uint64_t next; /* trial */
    size_t n_running;
    uint64_t running[SCRIPT_MAX];
    double *x;           /* [SCRIPT_MAX][n] of the running trials */
    unsigned char *memo; /* [SCRIPT_MAX][memo_bytes] */
    size_t n_told;
    struct told told[SCRIPT_MAX];
    size_t n_asked;
    double *asked; /* [SCRIPT_MAX][n] every answer */
    zo_verdict verdicts[SCRIPT_MAX];
    double best; /* value of objective 0 so far */
    bool is_directional;
    zo_step_plan plan;
    struct step_client client;
};
void life_start(struct life *l, const zo_solver *s, const zo_problem *p);
void life_start_with(struct life *l, const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options);
void life_end(struct life *l);
/* One step. fault > 0: its fault-th allocation fails, the step then must say ZO_ENOMEM and is done again. True if the
 * fault struck. */
bool life_step(struct life *l, const struct op *op, uint64_t fault);
void life_play(struct life *l, const struct script *s, size_t from, size_t to);
/* Everything finished so far in l is told to another life as outside points, in number order; its numbers go on after
 * them. */
void life_retell(struct life *to, const struct life *l);
/* Has the solver come to an end? It said so at the last ask. */
bool life_is_over(const struct life *l);
/* Make room: what was told and answered so far is no longer written down. */
void life_forget_records(struct life *l);
/* Same verdicts and candidates in every bit, from the given answer on. */
bool life_same(const struct life *a, const struct life *b, size_t from);

/* Objective 0 of the bed at x (directional: at the client's x, which starts at 0): a sphere around (0.3, 0.35, 0.4, 0.3 ...). */
double bed_value(size_t n, const double *x);

#endif
