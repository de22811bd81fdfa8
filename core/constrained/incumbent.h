/* The best point that a study has told, by feasibility first, and what a solver under constraints does with it: where
 * it starts, and what it says when it ends. */
#ifndef ZO_CONSTRAINED_INCUMBENT_H
#define ZO_CONSTRAINED_INCUMBENT_H

#include "zeroth/solver.h"

typedef struct zo_incumbent {
    size_t n, m;
    uint64_t known; /* 0: none yet */
    uint64_t feasible;
    double *x;        /* [n] */
    double f, *g;     /* [m] <= 0 is feasible */
    double violation; /* sum of max(0, g) */
} zo_incumbent;

zo_status zo_incumbent_init(zo_incumbent *b, const zo_problem *p, zo_error *err);
void zo_incumbent_fini(zo_incumbent *b);
/* Sum of what exceeds zero. */
double zo_violation(size_t m, const double *g);
/* Take the told point if it has a value and is better; true if so. */
bool zo_incumbent_tell(zo_incumbent *b, const zo_told *t);
/* Take it unless one is there, if it is the point x but for rounding. */
void zo_incumbent_tell_at(zo_incumbent *b, const zo_told *t, const double *x);
void zo_incumbent_visit(zo_incumbent *b, const char *name, zo_visit *v);

/* x uniform in the cube, from a stream that number names. */
void zo_random_start(const zo_problem *p, uint64_t number, double *x);

#endif
