/* Cholesky factors and triangular solves in one fixed order of operations: each element's products are subtracted one by one, in
 * increasing k, without fused multiply-add. So bits depend on neither processor, vector width, block size nor BLAS. */
#ifndef ZO_MODEL_CHOLESKY_H
#define ZO_MODEL_CHOLESKY_H

#include "zeroth/linalg.h"

/* A [n x n], its lower triangle read; L may be A, strict upper triangle undefined. n^3/3 flops. ZO_ENUMERIC: a pivot <= 0. */
zo_status zo_fixed_cholesky(const zo_mat *A, zo_mat *L, zo_error *err);
/* X [rows][n] row-major, in place: L X = B, and L' X = B. n d^2 flops. */
void zo_fixed_forward(const zo_mat *L, double *X, size_t n);
void zo_fixed_backward(const zo_mat *L, double *X, size_t n);
double zo_fixed_log_det(const zo_mat *L); /* of L L' */
/* Trace of (L L')^-1. ZO_ENOMEM. n^3/3 flops. */
zo_status zo_fixed_trace_inverse(const zo_mat *L, double *out, zo_error *err);

#endif
