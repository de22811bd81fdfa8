/* Eigendecomposition of a small symmetric matrix: LAPACK's cost per call is most of its time below some 30 rows. */
#ifndef ZO_CMA_EIGEN_H
#define ZO_CMA_EIGEN_H

#include "zeroth/linalg.h"

/* A = B diag(d) B'. A [n x n], of which the lower triangle is read, must be finite; B [n x n] out, d [ld] out, in no
 * order. A and B have ld rows, zero beyond n; work: zo_cma_eigh_work_size(n) doubles, 64-byte aligned. ZO_ENUMERIC if
 * it did not converge; B and d are then undefined. */
size_t zo_cma_eigh_work_size(size_t n);
zo_status zo_cma_eigh(const zo_mat *A, zo_mat *B, double *d, double *work, zo_error *err);

#endif
