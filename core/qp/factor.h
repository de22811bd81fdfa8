/* Orthogonal factors of a growing and shrinking set of vectors: with N = [a_1 .. a_q] the gradients of the active
 * constraints and J = L^-T Q, where L L' = H, J'N = [R; 0], R upper triangular. So the first q columns of J span H^-1 N,
 * the others the directions along which the active constraints do not change. Rotations keep J orthonormal in H. */
#ifndef ZO_QP_FACTOR_H
#define ZO_QP_FACTOR_H

#include "zeroth/linalg.h"

typedef struct qp_factor {
    size_t n, q;
    zo_mat J; /* [n x n] */
    zo_mat R; /* [n x n], the first q columns */
} qp_factor;

zo_status zo_qp_factor_init(qp_factor *f, size_t n, zo_error *err);
void zo_qp_factor_fini(qp_factor *f);

/* No active constraint; H = I. */
void zo_qp_factor_identity(qp_factor *f);
/* No active constraint; H = L L', L lower triangular. O(n^3/3) */
void zo_qp_factor_metric(qp_factor *f, const zo_mat *L);

/* z [n] = J'a. */
void zo_qp_factor_project(const qp_factor *f, const double *a, double *z);
/* The same for a = sign e_i. */
void zo_qp_factor_project_axis(const qp_factor *f, size_t i, double sign, double *z);
/* Append the vector whose J'a is z, which is overwritten. q < n, and z must not vanish from q on. O(n (n-q)) */
void zo_qp_factor_add(qp_factor *f, double *z);
/* Remove the j-th. O(n (q-j)) */
void zo_qp_factor_drop(qp_factor *f, size_t j);

/* R y = z and R'y = z, [q]; y may be z. */
void zo_qp_factor_solve(const qp_factor *f, const double *z, double *y);
void zo_qp_factor_solve_transposed(const qp_factor *f, const double *z, double *y);
/* y [n] = J z over the columns from .. to-1. */
void zo_qp_factor_combine(const qp_factor *f, size_t from, size_t to, const double *z, double *y);

#endif
