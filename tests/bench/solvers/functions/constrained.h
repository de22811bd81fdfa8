/* Constrained functions in the manner of the bbob-constrained suite (Hansen, Auger, Brockhoff and others): nine
 * objectives, each with six numbers of constraints, whose optimum is known by construction.
 *
 * In coordinates z with the optimum at 0, every constraint is a half space through 0 (active) or past it (inactive).
 * The first one's normal is minus the objective's gradient there, so that with a quasiconvex objective 0 is optimal,
 * and all others contain the direction p of that gradient, which is therefore feasible. The Rastrigin objectives have
 * their own optimum at 0 instead. Then space is bent by T_osz or T_asy and moved: z = T(x - x_opt), which leaves the
 * optimum where it is. */
#ifndef ZO_BENCH_CONSTRAINED_H
#define ZO_BENCH_CONSTRAINED_H

#include "zeroth/base.h"

enum { CONSTRAINED_FUNCTIONS = 54, CONSTRAINED_OBJECTIVES = 9 };

struct constrained {
    unsigned f, objective; /* f from 1; objective from 0 */
    size_t n, m, n_active;
    double f_opt, scale; /* f = scale * objective + f_opt, 0 at the optimum */
    double *x_opt, *x0;  /* [n]; x0 is feasible and in [-5, 5]^n */
    double *centre;      /* [n] the objective's own optimum, in z */
    double *R;           /* [n x n] */
    double *A, *b;       /* [m x n], [m]: A z <= b */
    double *w, *y, *z;   /* [n] weights and scratch */
    double at_origin;    /* the objective at z = 0 */
    double *memory;
};

/* False: there is no such function (n >= 2), or no memory. */
bool constrained_init(struct constrained *p, unsigned f, unsigned instance, size_t n);
void constrained_fini(struct constrained *p);
/* g [m], <= 0 is feasible. */
double constrained_eval(struct constrained *p, const double *x, double *g);
const char *constrained_objective_name(unsigned objective);

#endif
