/* Convex quadratic programs: min g'd + d'Hd/2 under A d <= b and low <= d <= high, by a dual active set method. */
#ifndef ZO_QP_QP_H
#define ZO_QP_QP_H

#include "qp/factor.h"

typedef enum qp_status {
    QP_SOLVED,
    QP_INFEASIBLE, /* no d holds all constraints */
    QP_BROKEN      /* H is not positive definite, or arithmetic failed */
} qp_status;

typedef struct zo_qp {
    size_t n, m; /* the most that it has room for */
    zo_mat L;
    qp_factor factor;
    double *u;            /* [n+1] multipliers of the active ones */
    uint32_t *active;     /* [n+1] row k < m of A, m+2i: low of i, m+2i+1: high of i */
    uint8_t *is_active;   /* [m+2n] */
    double *z, *r, *step; /* [n] scratch */
} zo_qp;

zo_status zo_qp_init(zo_qp *q, size_t n, size_t m, zo_error *err);
void zo_qp_fini(zo_qp *q);
/* H [n x n], its lower triangle read; g [n]; A [m][n] by rows, b [m]; low <= high [n]. d [n] out; multipliers [m] >= 0
 * of the rows out. n, m at most those of init. Cost: n^3/3 and O(n^2 + n m) for each of at most 10 (n + m) changes of
 * the active set. */
qp_status zo_qp_solve(zo_qp *q, size_t n, size_t m, const zo_mat *H, const double *g, const double *A, const double *b,
                      const double *low, const double *high, double *d, double *multipliers);

#endif
