/* Symmetric positive definite systems in the model's arithmetic: our fixed-order Cholesky, the same bits on every
 * processor, or LAPACK's where the client chose speed. Solves are of fixed order after either. */
#include "model/kind.h"

#include "model/cholesky.h"

static zo_status too_flat(zo_error *err)
{
    return zo_fail(err, ZO_ENUMERIC, "",
                   "the sums are singular to working precision: create the model with a larger gamma");
}

static zo_status take_factor(const zo_mat *L, zo_fixed_factor *f, zo_error *err)
{
    const zo_status rc = zo_fixed_factor_init(f, L->rows, err);

    if (rc == ZO_OK)
        zo_fixed_factor_load(f, L);
    return rc;
}

static zo_status fast_solve(zo_mat *A, double *X, size_t n, zo_error *err)
{
    zo_fixed_factor f;
    zo_status rc;

    if ((rc = zo_chol(A, A, err)) != ZO_OK || (rc = take_factor(A, &f, err)) != ZO_OK)
        return rc;
    zo_fixed_solve(&f, X, n);
    zo_fixed_factor_fini(&f);
    return ZO_OK;
}

static zo_status fixed_solve(zo_mat *A, double *X, size_t n, bool whole, zo_error *err)
{
    zo_fixed_factor f;
    zo_status rc = zo_fixed_factor_init(&f, A->rows, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = zo_fixed_cholesky(&f, A, 0.0, err)) == ZO_OK) {
        zo_fixed_solve(&f, X, n);
        if (whole)
            zo_fixed_factor_lower(&f, A);
        else
            zo_fixed_factor_diagonal(&f, A);
    }
    zo_fixed_factor_fini(&f);
    return rc;
}

zo_status spd_solve(const zo_model *m, zo_mat *A, double *X, size_t n, bool whole, zo_error *err)
{
    const zo_status rc = m->c.fast ? fast_solve(A, X, n, err) : fixed_solve(A, X, n, whole, err);

    return rc == ZO_ENUMERIC ? too_flat(err) : rc;
}

void spd_forward(const zo_mat *L, double *b)
{
    zo_fixed_forward(L, b);
}

double spd_log_det(const zo_mat *L)
{
    return zo_fixed_log_det(L);
}

zo_status spd_trace_inverse(const zo_model *m, const zo_mat *L, double *out, zo_error *err)
{
    zo_fixed_factor f;
    const zo_status rc = take_factor(L, &f, err);

    (void)m;
    if (rc != ZO_OK)
        return rc;
    *out = zo_fixed_trace_inverse(&f);
    zo_fixed_factor_fini(&f);
    return ZO_OK;
}
