/* The trust-region step of linear models: among the shortest vectors in a ball and in the box that make the greatest
 * violation of the linear constraints least, follow the one that lowers the linear objective without raising it.
 * Both stages are walks along a piecewise linear path: d(t), the shortest vector whose violation is at most t, as t
 * falls, then d(s), the point of that polyhedron that is nearest to -s g, as s grows. */
#ifndef ZO_COBYLA_STEP_H
#define ZO_COBYLA_STEP_H

#include "qp/factor.h"

typedef struct cobyla_step {
    size_t n, m, n_rows; /* dimensions; constraints; these and the 2n bounds */
    qp_factor factor;
    size_t *active;              /* [n] rows */
    uint8_t *is_active;          /* [n_rows] */
    double *lambda;              /* [n] multipliers of the active rows */
    double *move;                /* [n] of d along the path */
    double *lambda_move;         /* [n] */
    double *z;                   /* [n] scratch */
    double *norm;                /* [m] of the rows */
    const double *x, *g, *A, *v; /* lent during a call */
    double g_norm, rho, t;
} cobyla_step;

zo_status zo_cobyla_step_init(cobyla_step *s, size_t n, size_t m, zo_error *err);
void zo_cobyla_step_fini(cobyla_step *s);

/* At x [n] in the unit cube, with g [n] the gradient of the objective, v [m] the constraints' values, <= 0 where they
 * hold, and A [m][n] their gradients: d [n] of length <= rho. Returns the greatest violation that is predicted, >= 0.
 * At most 10 (n + m) steps of O(n (n + m)). */
double zo_cobyla_step_find(cobyla_step *s, const double *x, const double *g, const double *v, const double *A,
                           double rho, double *d);

#endif
