/* See the header. */
#include "model/cholesky.h"

#include <math.h>
#include <string.h>
#include "model/elementary.h"

zo_status zo_fixed_cholesky(const zo_mat *A, zo_mat *L, zo_error *err)
{
    const size_t n = A->rows;

    for (size_t j = 0; j < n; j++) {
        double *c = L->a + j * L->ld;

        if (A->a != L->a)
            memcpy(c + j, A->a + j * A->ld + j, (n - j) * sizeof *c);
        for (size_t k = 0; k < j; k++) {
            const double *b = L->a + k * L->ld, t = b[j];

            for (size_t i = j; i < n; i++)
                c[i] -= b[i] * t;
        }
        if (!(c[j] > 0))
            return zo_fail(err, ZO_ENUMERIC, "", "the matrix is not positive definite at pivot %zu", j);
        const double root = sqrt(c[j]);
        c[j] = root;
        for (size_t i = j + 1; i < n; i++)
            c[i] /= root;
    }
    return ZO_OK;
}

void zo_fixed_forward(const zo_mat *L, double *X, size_t n)
{
    for (size_t j = 0; j < L->rows; j++) {
        double *x = X + j * n;

        for (size_t c = 0; c < n; c++)
            x[c] /= L->a[j + j * L->ld];
        for (size_t i = j + 1; i < L->rows; i++) {
            const double t = L->a[i + j * L->ld];

            for (size_t c = 0; c < n; c++)
                X[i * n + c] -= t * x[c];
        }
    }
}

void zo_fixed_backward(const zo_mat *L, double *X, size_t n)
{
    for (size_t j = L->rows; j-- > 0;) {
        const double *l = L->a + j * L->ld;
        double *x = X + j * n;

        for (size_t i = j + 1; i < L->rows; i++)
            for (size_t c = 0; c < n; c++)
                x[c] -= l[i] * X[i * n + c];
        for (size_t c = 0; c < n; c++)
            x[c] /= l[j];
    }
}

double zo_fixed_log_det(const zo_mat *L)
{
    double sum = 0;

    for (size_t j = 0; j < L->rows; j++)
        sum += zo_fixed_log(L->a[j + j * L->ld]);
    return 2 * sum;
}

zo_status zo_fixed_trace_inverse(const zo_mat *L, double *out, zo_error *err)
{
    const size_t n = L->rows;
    double *x = zo_calloc(n + 1, sizeof *x), sum = 0;

    if (!x)
        return zo_fail_nomem(err);
    for (size_t j = 0; j < n; j++) { /* column j of L^-1: its entries from j on */
        memset(x + j, 0, (n - j) * sizeof *x);
        x[j] = 1;
        for (size_t k = j; k < n; k++) {
            const double *l = L->a + k * L->ld;

            x[k] /= l[k];
            for (size_t i = k + 1; i < n; i++)
                x[i] -= l[i] * x[k];
            sum += x[k] * x[k];
        }
    }
    zo_free(x);
    *out = sum;
    return ZO_OK;
}
