/* The step of a quasi-Newton method in a box: d that minimises g'd + d'Bd/2 with low <= d <= high. */
#ifndef ZO_QN_BOX_QP_H
#define ZO_QN_BOX_QP_H

#include "quasi_newton/hessian.h"

typedef struct qn_box_qp {
    size_t n;
    double *low, *high; /* [n] the caller fills them: low <= 0 <= high */
    uint8_t *side;      /* [n] free, at low, at high */
    size_t *free;       /* [n] indices of the free ones */
    zo_mat F;           /* dense: factor of the free part */
    double *w;          /* [4][n] scratch */
} qn_box_qp;

zo_status qn_box_qp_init(qn_box_qp *q, size_t n, bool dense, zo_error *err);
void qn_box_qp_fini(qn_box_qp *q);
/* d [n] out, inside the box. Dense B: exact, by active sets and Cholesky, O(n^3) a set. Pairs: projected conjugate
 * gradients, at most 50 products. False: B is not positive definite enough. */
bool qn_box_qp_solve(qn_box_qp *q, const qn_hessian *B, const double *g, double *d);

#endif
