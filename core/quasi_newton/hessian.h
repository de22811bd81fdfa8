/* The quadratic model's matrix B of a quasi-Newton method: symmetric, positive definite, built from steps and gradient
 * differences by damped BFGS (Powell 1978). Dense, or the newest pairs of a limited memory. */
#ifndef ZO_QN_HESSIAN_H
#define ZO_QN_HESSIAN_H

#include "zeroth/bundle.h"
#include "zeroth/linalg.h"

typedef struct qn_hessian {
    size_t n, m;         /* dimensions; pairs at most, 0: dense */
    double b0;           /* B = b0 I at the last reset */
    zo_mat B;            /* dense: both triangles */
    size_t k;            /* pairs held */
    double *s, *r, *q;   /* [m][n] steps, damped differences, B_k s_k; oldest first */
    double *sr, *sq;     /* [m] s'r and s'q */
    double *Bs, *damped; /* [n] scratch */
} qn_hessian;

zo_status qn_hessian_init(qn_hessian *h, size_t n, size_t m, zo_error *err);
void qn_hessian_fini(qn_hessian *h);
void qn_hessian_reset(qn_hessian *h, double b0);
double qn_hessian_diagonal(const qn_hessian *h, size_t i);
void qn_hessian_times(const qn_hessian *h, const double *v, double *out); /* out = B v */
/* Learn that the gradient changed by y along s [n]. O(n^2), or O(m^2 n). */
void qn_hessian_update(qn_hessian *h, const double *s, const double *y);
void qn_hessian_visit(qn_hessian *h, zo_visit *v);

#endif
