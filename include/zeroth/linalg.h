/* Dense linear algebra over OpenBLAS/LAPACKE: column-major, 64-byte aligned columns, one thread, checked sizes. */
#ifndef ZEROTH_LINALG_H
#define ZEROTH_LINALG_H

#include "zeroth/error.h"

/* Column-major view: (i,j) at a[i + j*ld], ld >= rows; zo_mat_ld(rows) keeps every column 64-byte aligned. */
typedef struct zo_mat {
    double *a;
    size_t rows, cols, ld;
} zo_mat;

size_t zo_mat_ld(size_t rows); /* rows rounded up to 8 */
/* Allocate zeroed storage with zo_memalign64; free with zo_mat_fini. ZO_ENOMEM. */
zo_status zo_mat_init(zo_mat *m, size_t rows, size_t cols, zo_error *err);
void zo_mat_fini(zo_mat *m);

/* The one checked cast of a size for BLAS/LAPACK; asserts size <= INT32_MAX. */
int zo_blas_int(size_t n);

double zo_dot(size_t n, const double *x, const double *y);
double zo_norm2(size_t n, const double *x);
void zo_axpy(size_t n, double alpha, const double *x, double *y);
/* y = alpha*op(A)x + beta*y */
void zo_gemv(bool trans, double alpha, const zo_mat *A, const double *x, double beta, double *y);
/* C = alpha*op(A)op(B) + beta*C */
void zo_gemm(bool trans_a, bool trans_b, double alpha, const zo_mat *A, const zo_mat *B, double beta, zo_mat *C);
/* Lower triangle of C = alpha*A*A' + beta*C */
void zo_syrk(double alpha, const zo_mat *A, double beta, zo_mat *C);
/* Copy the lower triangle onto the upper one: C is exactly symmetric afterwards. */
void zo_symmetrise_lower(zo_mat *C);

/* Lower Cholesky factor, A = L L'.  A [n x n] spd, only its lower triangle read; L out, strict upper zeroed; may be A.
 * ZO_ENUMERIC at a pivot <= 0; L is then undefined. n^3/3 flops, no allocation. */
zo_status zo_chol(const zo_mat *A, zo_mat *L, zo_error *err);
/* x = (L L')^-1 b, in place allowed. */
void zo_chol_solve(const zo_mat *L, const double *b, double *x);

/* Symmetric eigendecomposition A = B diag(d) B' (dsyevd). A's lower triangle read; B [n x n] out (may be A); d [n] ascending.
 * work: zo_eigh_work_size(n) doubles and zo_eigh_iwork_size(n) ints. Every entry must be finite (checked: ZO_ENUMERIC). */
size_t zo_eigh_work_size(size_t n);
size_t zo_eigh_iwork_size(size_t n);
zo_status zo_eigh(const zo_mat *A, zo_mat *B, double *d, double *work, int *iwork, zo_error *err);

/* Arithmetic tag: hash of a fixed probe of libm and BLAS/LAPACK results on this processor. Equal tags promise
 * equal bits. ~5 ms; call once at start. 0 when out of memory: no tag is. */
uint64_t zo_arith_tag(void);
void zo_blas_describe(char *core, size_t size);
/* Threads BLAS will use now; anything but 1 breaks determinism and is refused at start-up. */
int zo_blas_threads(void);

#endif
