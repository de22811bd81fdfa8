/* A stage: points that may be evaluated in any order. A sequential method is written as a row of stages: it adds the
 * points that its next step needs, they are handed out one by one, and the method goes on when all wanted ones are
 * answered. So its path does not depend on the order of the answers.
 *
 * Speculative points are handed out when every wanted one is out: the next stage may need them. A point of a new stage
 * that the stage before had already handed out, to the last bit or two, takes over the answer, or goes on waiting for
 * it. A trial that was abandoned is handed out again, under a new number. A point told from outside answers an open
 * slot at the same place. No allocation after init. */
#ifndef ZO_STAGE_H
#define ZO_STAGE_H

#include "zeroth/solver.h"

#define STAGE_NONE SIZE_MAX

typedef enum stage_state {
    STAGE_OPEN,   /* to be handed out */
    STAGE_OUT,    /* at a worker */
    STAGE_VALUED, /* f, and g, df and dg where there are any */
    STAGE_FAILED, /* evaluated without a value: f is +inf */
} stage_state;

typedef struct stage_slots {
    size_t size, n_wanted; /* slots; the first n_wanted of them must be answered */
    double *x;             /* [cap][n], as evaluated once answered */
    double *f, *predicted; /* [cap] */
    double *g;             /* [cap][n_g] */
    double *df;            /* [cap][n] of the value, gradient oracle only */
    double *dg;            /* [cap][n_g][n] of the constraints, gradient oracle only; a row of NaN: not told */
    uint32_t *label;       /* [cap] what the point is for */
    uint8_t *state;        /* [cap] stage_state */
    uint64_t *ticket;      /* [cap] */
} stage_slots;

typedef struct zo_stage {
    size_t n, n_g, cap;
    bool gradients;
    const char *core;          /* provenance */
    const char *const *labels; /* [n_labels] lent */
    size_t n_labels;
    stage_slots now, last;
    size_t n_left; /* wanted and not answered yet */
    uint64_t next_ticket;
    uint64_t n_failed; /* points without a value in a row */
} zo_stage;

/* What a trial keeps: zo_solver's memo_bytes is sizeof(stage_memo). */
typedef struct stage_memo {
    uint64_t ticket, slot;
} stage_memo;
size_t zo_stage_memo_bytes(const zo_problem *p);

/* cap: slots of the largest stage, speculative ones included. */
zo_status zo_stage_init(zo_stage *s, const zo_problem *p, size_t cap, const char *core, const char *const *labels,
                        size_t n_labels, zo_error *err);
void zo_stage_fini(zo_stage *s);

/* A new, empty stage. */
void zo_stage_begin(zo_stage *s);
/* Add a wanted point; x is copied, clipped to the cube. Returns its slot: 0, 1, 2 ... in the order of adding. All
 * wanted points come before the first speculative one. */
size_t zo_stage_add(zo_stage *s, const double *x, uint32_t label, double predicted);
/* Add a speculative one; false when there is no room. */
bool zo_stage_speculate(zo_stage *s, const double *x, uint32_t label, double predicted);

/* Is x a point of this stage, or one of the last that had been handed out? Adding it may leave nothing to ask. */
bool zo_stage_knows(const zo_stage *s, const double *x);

/* The next point to hand out into p (x, memo, provenance), false if all are out: the solver must wait. */
bool zo_stage_ask(zo_stage *s, zo_proposal *p);
/* The slot of this stage that t answers, or STAGE_NONE: then it is a point from outside, a late answer, or an abandoned
 * trial (t->outcome), whose slot is open again. */
size_t zo_stage_tell(zo_stage *s, const zo_told *t);
static inline bool zo_stage_is_complete(const zo_stage *s)
{
    return s->now.size > 0 && s->n_left == 0;
}

static inline double *zo_stage_x(const zo_stage *s, size_t slot)
{
    return s->now.x + slot * s->n;
}
static inline double zo_stage_f(const zo_stage *s, size_t slot) /* +inf: failed */
{
    return s->now.f[slot];
}
static inline const double *zo_stage_g(const zo_stage *s, size_t slot)
{
    return s->now.g + slot * s->n_g;
}
static inline const double *zo_stage_df(const zo_stage *s, size_t slot)
{
    return s->now.df + slot * s->n;
}
static inline const double *zo_stage_dg(const zo_stage *s, size_t slot)
{
    return s->now.dg + slot * s->n_g * s->n;
}

/* Has t a value to use? */
bool zo_told_is_valued(const zo_told *t);

void zo_stage_visit(zo_stage *s, zo_visit *v);

#endif
