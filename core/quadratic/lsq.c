/* Least squares. The normal equations of columns scaled to unit length square the condition, so they are taken only
 * when their Cholesky factor shows a safe distance from singularity, and are refined once with the residual of the
 * equations themselves. The other way is a complete orthogonal decomposition with pivoting (dgelsy), which gives the
 * shortest solution where there are many. */
#include "quadratic/lsq.h"

#include <cblas.h>
#include <float.h>
#include <lapacke.h>
#include <math.h>
#include <string.h>

static const double SAFE_PIVOT = 1e-10; /* of a factor whose matrix has a unit diagonal, squared */

static size_t at_least_one(size_t n)
{
    return n > 0 ? n : 1;
}

static size_t work_size(size_t rows, size_t cols)
{
    const lapack_int m = zo_blas_int(rows), n = zo_blas_int(cols), most = m > n ? m : n;
    lapack_int rank = 0;
    double size = 0;

    LAPACKE_dgelsy_work(LAPACK_COL_MAJOR, m, n, 1, NULL, most, NULL, most, NULL, DBL_EPSILON, &rank, &size, -1);
    return (size_t)size;
}

zo_status zo_quad_lsq_init(quad_lsq *q, size_t cap_rows, size_t cap_cols, zo_error *err)
{
    const size_t most = cap_rows > cap_cols ? cap_rows : cap_cols;
    zo_status rc;

    *q = (quad_lsq){.cap_rows = cap_rows, .cap_cols = cap_cols};
    if ((rc = zo_mat_init(&q->N, cap_cols, cap_cols, err)) != ZO_OK ||
        (rc = zo_mat_init(&q->A, most, cap_cols, err)) != ZO_OK)
        return rc;
    q->n_work = work_size(cap_rows, cap_cols);
    q->scale = zo_memalign64(at_least_one(cap_cols) * sizeof *q->scale);
    q->b = zo_memalign64(at_least_one(most) * sizeof *q->b);
    q->res = zo_memalign64(at_least_one(cap_rows) * sizeof *q->res);
    q->work = zo_memalign64(at_least_one(q->n_work) * sizeof *q->work);
    q->pivot = zo_calloc(at_least_one(cap_cols), sizeof *q->pivot);
    return q->scale && q->b && q->res && q->work && q->pivot ? ZO_OK : zo_fail_nomem(err);
}

void zo_quad_lsq_fini(quad_lsq *q)
{
    zo_mat_fini(&q->N);
    zo_mat_fini(&q->A);
    zo_free(q->scale);
    zo_free(q->b);
    zo_free(q->res);
    zo_free(q->work);
    zo_free(q->pivot);
    *q = (quad_lsq){0};
}

/* N = the normal matrix with unit diagonal; a column of zeros becomes one of the identity, and its coefficient 0. */
static void normal_matrix(quad_lsq *q, const zo_mat *F)
{
    zo_mat *N = &q->N;

    N->rows = N->cols = F->rows;
    N->ld = zo_mat_ld(F->rows);
    zo_syrk(1, F, 0, N);
    for (size_t j = 0; j < N->cols; j++) {
        const double length = sqrt(N->a[j + j * N->ld]);
        q->scale[j] = length > 0 ? 1 / length : 0;
    }
    for (size_t j = 0; j < N->cols; j++) {
        for (size_t i = j + 1; i < N->rows; i++)
            N->a[i + j * N->ld] *= q->scale[i] * q->scale[j];
        N->a[j + j * N->ld] = 1;
    }
}

/* L L' = N in place; is it far from singular? */
static bool factor(zo_mat *N)
{
    const lapack_int n = zo_blas_int(N->cols);

    if (LAPACKE_dpotrf_work(LAPACK_COL_MAJOR, 'L', n, N->a, zo_blas_int(N->ld)) != 0)
        return false;
    for (size_t j = 0; j < N->cols; j++) {
        const double pivot = N->a[j + j * N->ld];
        if (!(pivot * pivot >= SAFE_PIVOT))
            return false;
    }
    return true;
}

/* c += the solution for the right-hand side r [rows]. */
static void add_solution(quad_lsq *q, const zo_mat *F, const double *r, double *c)
{
    const zo_mat *N = &q->N;
    const int n = zo_blas_int(N->cols), ld = zo_blas_int(N->ld);
    double *b = q->b;

    zo_gemv(false, 1, F, r, 0, b);
    for (size_t j = 0; j < N->cols; j++)
        b[j] *= q->scale[j];
    cblas_dtrsv(CblasColMajor, CblasLower, CblasNoTrans, CblasNonUnit, n, N->a, ld, b, 1);
    cblas_dtrsv(CblasColMajor, CblasLower, CblasTrans, CblasNonUnit, n, N->a, ld, b, 1);
    for (size_t j = 0; j < N->cols; j++)
        c[j] += q->scale[j] * b[j];
}

static bool solve_normal(quad_lsq *q, const zo_mat *F, const double *y, double *c)
{
    if (F->cols < F->rows || !factor(&q->N))
        return false;
    add_solution(q, F, y, c);
    memcpy(q->res, y, F->cols * sizeof *y);
    zo_gemv(true, -1, F, c, 1, q->res);
    add_solution(q, F, q->res, c);
    return true;
}

static bool solve_orthogonal(quad_lsq *q, const zo_mat *F, const double *y, double *c)
{
    const size_t rows = F->cols, cols = F->rows, most = rows > cols ? rows : cols;
    const double tolerance = DBL_EPSILON * (double)most;
    lapack_int rank = 0;

    for (size_t j = 0; j < cols; j++) {
        q->pivot[j] = 0;
        for (size_t i = 0; i < rows; i++)
            q->A.a[i + j * q->A.ld] = q->scale[j] * F->a[j + i * F->ld];
    }
    memcpy(q->b, y, rows * sizeof *y);
    const lapack_int info =
        LAPACKE_dgelsy_work(LAPACK_COL_MAJOR, zo_blas_int(rows), zo_blas_int(cols), 1, q->A.a, zo_blas_int(q->A.ld),
                            q->b, zo_blas_int(most), q->pivot, tolerance, &rank, q->work, zo_blas_int(q->n_work));
    for (size_t j = 0; j < cols; j++)
        c[j] = q->scale[j] * q->b[j];
    return info == 0;
}

static bool is_finite(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] - x[i];
    return sum == 0;
}

bool zo_quad_lsq_solve(quad_lsq *q, const zo_mat *F, const double *y, double *c)
{
    ZO_ASSERT(F->cols <= q->cap_rows && F->rows <= q->cap_cols);
    memset(c, 0, F->rows * sizeof *c);
    normal_matrix(q, F);
    if (!is_finite(q->scale, F->rows) || !is_finite(y, F->cols))
        return false;
    if ((solve_normal(q, F, y, c) || solve_orthogonal(q, F, y, c)) && is_finite(c, F->rows))
        return true;
    memset(c, 0, F->rows * sizeof *c);
    return false;
}
