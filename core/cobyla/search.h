/* The runs of cobyla as stages: the first simplex, then steps of the models and vertices moved, until the region is as
 * small as rho_end; and what follows a run. See core/solvers/cobyla.c. */
#ifndef ZO_COBYLA_SEARCH_H
#define ZO_COBYLA_SEARCH_H

#include "cobyla/simplex.h"
#include "cobyla/step.h"
#include "constrained/incumbent.h"
#include "stage/stage.h"

typedef enum { COBYLA_RESTARTS_RANDOM, COBYLA_RESTARTS_NONE } cobyla_restarts;
struct cobyla_opts {
    double rho_begin, rho_end;
    uint32_t restarts;
    bool scale;
};

typedef enum {
    COBYLA_NEW,
    COBYLA_SIMPLEX,
    COBYLA_STEP,
    COBYLA_GEOMETRY,
    COBYLA_LAST,
    COBYLA_OVER,
    COBYLA_COUNT
} cobyla_phase;

struct cobyla {
    const zo_problem *p;
    struct cobyla_opts o;
    size_t n, m;
    zo_stage stage;
    zo_incumbent best, given; /* of all that was told; at the problem's start point */
    cobyla_simplex simplex;
    cobyla_step step;
    double *scale;              /* [m] constraints are divided by */
    double *sign;               /* [n] of the first edges */
    double *d, *other, *shares; /* [n] scratch */
    double *c;                  /* [m] scratch */
    uint64_t *target;           /* [n+1] vertex that a slot is for */
    uint8_t *has;               /* [n+1] vertices that have values */
    uint8_t *tries;             /* [n] places tried for a vertex */
    double rho, mu;
    double rise, relief; /* predicted for the step at a worker: of f, of the violation (down) */
    uint64_t phase, verdict, run, n_runs_blind;
    uint64_t is_scaled, after_geometry, n_rebuilt;
};

void zo_cobyla_start(struct cobyla *s);                   /* the first run */
void zo_cobyla_advance(struct cobyla *s);                 /* the stage is complete */
void zo_cobyla_end(struct cobyla *s, zo_verdict verdict); /* for good */
extern const char *const zo_cobyla_labels[];
enum { COBYLA_LABELS = 5 };

#endif
