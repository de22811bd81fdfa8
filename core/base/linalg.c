/* Dense linear algebra over OpenBLAS and LAPACKE: column-major, columns 64-byte aligned, every size narrowed by one checked cast.
 * LAPACKE's _work forms are used: no allocation and no NaN scan behind our back. info < 0 is our bug, info > 0 the data's. */
#include "zeroth/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

size_t zo_mat_ld(size_t rows)
{
    return rows ? (rows + 7) & ~(size_t)7 : 8;
}

zo_status zo_mat_init(zo_mat *m, size_t rows, size_t cols, zo_error *err)
{
    size_t bytes;
    double *a;

    if (rows > INT32_MAX - 8 || cols > INT32_MAX || __builtin_mul_overflow(zo_mat_ld(rows) * sizeof *a, cols, &bytes))
        return zo_fail(err, ZO_ENOMEM, "", "a %zu by %zu matrix is too large", rows, cols);
    if (!(a = zo_memalign64(bytes)))
        return zo_fail_nomem(err);
    memset(a, 0, bytes);
    *m = (zo_mat){.a = a, .rows = rows, .cols = cols, .ld = zo_mat_ld(rows)};
    return ZO_OK;
}

void zo_mat_fini(zo_mat *m)
{
    if (m)
        zo_free(m->a);
    if (m)
        *m = (zo_mat){0};
}

int zo_blas_int(size_t n)
{
    ZO_ASSERT(n <= INT32_MAX);
    return (int)n;
}

double zo_dot(size_t n, const double *x, const double *y)
{
    return cblas_ddot(zo_blas_int(n), x, 1, y, 1);
}

double zo_norm2(size_t n, const double *x)
{
    return cblas_dnrm2(zo_blas_int(n), x, 1);
}

void zo_axpy(size_t n, double alpha, const double *x, double *y)
{
    cblas_daxpy(zo_blas_int(n), alpha, x, 1, y, 1);
}

void zo_gemv(bool trans, double alpha, const zo_mat *A, const double *x, double beta, double *y)
{
    const size_t n_y = trans ? A->cols : A->rows, n_x = trans ? A->rows : A->cols;

    if (n_x == 0) { /* BLAS returns early then and would leave y unscaled */
        for (size_t i = 0; i < n_y; i++)
            y[i] = beta == 0.0 ? 0.0 : beta * y[i];
        return;
    }
    cblas_dgemv(CblasColMajor, trans ? CblasTrans : CblasNoTrans, zo_blas_int(A->rows), zo_blas_int(A->cols), alpha, A->a,
                zo_blas_int(A->ld), x, 1, beta, y, 1);
}

void zo_gemm(bool trans_a, bool trans_b, double alpha, const zo_mat *A, const zo_mat *B, double beta, zo_mat *C)
{
    const size_t m = trans_a ? A->cols : A->rows, k = trans_a ? A->rows : A->cols;
    const size_t k_b = trans_b ? B->cols : B->rows, n = trans_b ? B->rows : B->cols;

    ZO_ASSERT(k == k_b && C->rows == m && C->cols == n);
    cblas_dgemm(CblasColMajor, trans_a ? CblasTrans : CblasNoTrans, trans_b ? CblasTrans : CblasNoTrans, zo_blas_int(m),
                zo_blas_int(n), zo_blas_int(k), alpha, A->a, zo_blas_int(A->ld), B->a, zo_blas_int(B->ld), beta, C->a,
                zo_blas_int(C->ld));
}

void zo_syrk(double alpha, const zo_mat *A, double beta, zo_mat *C)
{
    ZO_ASSERT(C->rows == A->rows && C->cols == A->rows);
    cblas_dsyrk(CblasColMajor, CblasLower, CblasNoTrans, zo_blas_int(A->rows), zo_blas_int(A->cols), alpha, A->a,
                zo_blas_int(A->ld), beta, C->a, zo_blas_int(C->ld));
}

void zo_symmetrise_lower(zo_mat *C)
{
    ZO_ASSERT(C->rows == C->cols);
    for (size_t j = 0; j < C->cols; j++)
        for (size_t i = j + 1; i < C->rows; i++)
            C->a[j + i * C->ld] = C->a[i + j * C->ld];
}

static void copy_lower(const zo_mat *A, zo_mat *B)
{
    if (A->a == B->a)
        return;
    for (size_t j = 0; j < A->cols; j++)
        memcpy(B->a + j + j * B->ld, A->a + j + j * A->ld, (A->rows - j) * sizeof(double));
}

zo_status zo_chol(const zo_mat *A, zo_mat *L, zo_error *err)
{
    const size_t n = A->rows;

    ZO_ASSERT(A->cols == n && L->rows == n && L->cols == n);
    if (n == 0)
        return ZO_OK;
    copy_lower(A, L);
    const lapack_int info = LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', zo_blas_int(n), L->a, zo_blas_int(L->ld));
    ZO_ASSERT(info >= 0);
    if (info > 0)
        return zo_fail(err, ZO_ENUMERIC, "", "matrix is not positive definite: pivot %d", (int)info - 1);
    /* A NaN passes every comparison with zero inside dpotrf's kernels; it then reaches the last pivot. */
    for (size_t j = 0; j < n; j++) {
        const double pivot = L->a[j + j * L->ld];
        if (!(pivot > 0.0) || isinf(pivot))
            return zo_fail(err, ZO_ENUMERIC, "", "matrix is not positive definite: pivot %zu", j);
        memset(L->a + j * L->ld, 0, j * sizeof(double));
    }
    return ZO_OK;
}

void zo_chol_solve(const zo_mat *L, const double *b, double *x)
{
    const size_t n = L->rows;

    if (n == 0)
        return;
    if (x != b)
        memcpy(x, b, n * sizeof *x);
    cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, zo_blas_int(n), L->a, zo_blas_int(L->ld), x, 1);
    cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, zo_blas_int(n), L->a, zo_blas_int(L->ld), x, 1);
}

/* The minima of LAPACK's documentation for jobz = 'V'; they also hold the blocked reduction's optimum from n = 16 on. */
size_t zo_eigh_work_size(size_t n)
{
    return 1 + 6 * n + 2 * n * n;
}

size_t zo_eigh_iwork_size(size_t n)
{
    return 3 + 5 * n;
}

zo_status zo_eigh(const zo_mat *A, zo_mat *B, double *d, double *work, int *iwork, zo_error *err)
{
    const size_t n = A->rows;

    ZO_ASSERT(A->cols == n && B->rows == n && B->cols == n);
    if (n == 0)
        return ZO_OK;
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++)
            if (!isfinite(A->a[i + j * A->ld]))
                return zo_fail(err, ZO_ENUMERIC, "", "entry (%zu, %zu) of the matrix is not finite", i, j);
    copy_lower(A, B);
    const lapack_int info =
        LAPACKE_dsyevd_work(LAPACK_COL_MAJOR, 'V', 'L', zo_blas_int(n), B->a, zo_blas_int(B->ld), d, work,
                            zo_blas_int(zo_eigh_work_size(n)), iwork, zo_blas_int(zo_eigh_iwork_size(n)));
    ZO_ASSERT(info >= 0);
    if (info > 0)
        return zo_fail(err, ZO_ENUMERIC, "", "the eigenvalues did not converge");
    return ZO_OK;
}
