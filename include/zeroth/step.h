/* Directional studies: the client holds a vector x of up to 2^53 entries, the server only seeds and scalars.
 *
 * One trial is one step, one at a time; trial number t is step t + 1. A step first moves x along directions of earlier steps,
 * then asks for the loss at, or the derivative along, a few perturbations of x (its probes). A direction is a vector of
 * portable-1 numbers: entry i comes from word i of its seed, so a client makes any slice of it without the rest.
 *
 * All that a step says is in its record, the vector that the engine keeps of its trial; seeds follow from the study's seed and
 * trial numbers. So the log holds the whole history of x in a few doubles a step, and x at any step is x0 and that history. */
#ifndef ZEROTH_STEP_H
#define ZEROTH_STEP_H

#include "zeroth/base.h"

/* ---- what the study declares ---- */
typedef struct zo_group { const char *name; uint64_t size; } zo_group; /* a slice of x; they lie one after the other */
typedef struct zo_directional {
    uint64_t dimension;      /* 1 .. 2^53 - 1 */
    const zo_group *groups;  /* of n_groups; their sizes sum to dimension. None: x is one piece */
    size_t n_groups;
} zo_directional;

/* ---- what its solver declares ---- */
typedef struct zo_step_plan {
    size_t n_directions;     /* of a step, at most: a record has so many coefficients */
    size_t n_answers;        /* probes of a step, at most */
    size_t n_fresh;          /* directions of an ordinary step */
    bool derivatives;        /* probes ask for derivatives along a direction, not for losses */
    bool signs;              /* entries of a direction are -1 and +1, not normal */
    bool grouped;            /* the directions of a step are of one group, group after group */
    double keep;             /* in (0,1]: each entry of a direction is kept with this probability, else it is 0 */
    uint64_t refresh;        /* steps that share a choice of entries */
    size_t window;           /* a move takes the coefficients of so many steps back, its own included */
    double decay;            /* each step's counting so many times those of the step after it */
} zo_step_plan;
enum { ZO_STEP_DIRECTIONS_MAX = 256, ZO_STEP_WINDOW_MAX = 256, ZO_STEP_TERMS_MAX = 4096 /* window x directions */, ZO_STEP_CURVES = 8 };

/* ---- records ---- */
typedef enum zo_step_kind {
    ZO_STEP_PAIRS,    /* the loss on both sides of x along each direction: x + mu z, x - mu z */
    ZO_STEP_SIDES,    /* the loss at x, and at x + mu z for each direction */
    ZO_STEP_CURVES_OF_LOSS, /* the loss at x, and on both sides along ZO_STEP_CURVES directions */
    ZO_STEP_LINE,     /* the loss at x, and at x - c z and x + c z summed over the directions of an earlier step */
    ZO_STEP_SLOPES,   /* the derivative along each direction */
    ZO_STEP_SLOPES_HERE,  /* the derivatives along ZO_STEP_CURVES directions */
    ZO_STEP_SLOPES_THERE, /* the same ones again, after a move along their sum */
    ZO_STEP_KINDS
} zo_step_kind;
enum {
    ZO_STEP_NUMBER,   /* of the trial */
    ZO_STEP_KIND,
    ZO_STEP_SOURCE,   /* trial whose directions the coefficients belong to */
    ZO_STEP_SCALE,    /* of the move; 0: x stays */
    ZO_STEP_MU,       /* how far probes are from x */
    ZO_STEP_COEFS     /* and on: one for each direction of the source */
};
size_t zo_step_words(const zo_step_plan *plan); /* doubles of a record */
/* Is this a record that trial `number` of such a study can have? */
bool zo_step_check(const zo_step_plan *plan, const double *record, uint64_t number);

/* ---- reading a record ---- */
typedef struct zo_step_term {
    double scale;            /* times z(seed) */
    uint64_t seed, mask;     /* 0 .. 2^53 - 1; mask: seed of the entries that are kept, where the plan keeps not all */
    size_t group;            /* SIZE_MAX: all of x */
} zo_step_term;
typedef struct zo_steps {    /* what reading needs; all lent */
    uint64_t seed;           /* of the study */
    const zo_directional *space;
    const zo_step_plan *plan;
} zo_steps;
size_t zo_step_n_probes(const zo_step_plan *plan, const double *record);
/* Terms of probe i, into out [plan->n_directions]; their number. */
size_t zo_step_probe(const zo_steps *s, const double *record, size_t i, zo_step_term *out);
/* The move that begins the step of records[0]: into out [window * n_directions]; their number. records [window]: those of the steps
 * before, newest first; NULL: none. A coefficient c of a record k steps back gives scale * (decay^k * c), scale being that of records[0],
 * decay^k by repeated multiplication. Zeros are left out. */
size_t zo_step_move(const zo_steps *s, const double *const *records, zo_step_term *out);
/* Seed for the step's choice of data: probes that are compared have the same one. */
uint64_t zo_step_batch_seed(const zo_steps *s, const double *record);
/* The loss at x as far as the answers tell it: mean over the probes, or the one at x itself. False: they don't. */
bool zo_step_loss(const zo_step_plan *plan, const double *record, const double *answers, double *out);

/* ---- a direction as numbers ---- */
/* Entries first .. first + n - 1 of z, 0 outside the term's group and where they are not kept. */
void zo_step_direction(const zo_steps *s, const zo_step_term *t, uint64_t first, size_t n, double *z);

#endif
