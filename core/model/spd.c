/* Symmetric positive definite systems in the model's arithmetic: our fixed-order Cholesky, the same bits on every
 * processor, or LAPACK's where the client chose speed. Solves are of fixed order after either. */
#include "model/kind.h"

#include <string.h>

static zo_status too_flat(zo_status rc, zo_error *err)
{
    if (rc != ZO_ENUMERIC)
        return rc;
    return zo_fail(err, ZO_ENUMERIC, "",
                   "the sums are singular to working precision: create the model with a larger gamma");
}

static zo_status factor(const zo_model *m, zo_mat *A, zo_fixed_factor *f, zo_error *err)
{
    zo_status rc;

    f->team = m->team;
    if (!m->c.fast)
        return zo_fixed_cholesky(f, A, 0.0, err);
    if ((rc = zo_chol(A, A, err)) == ZO_OK)
        zo_fixed_factor_load(f, A);
    return rc;
}

static zo_status fast_factor(const zo_model *m, size_t layer, const double *scale, double gamma, zo_fixed_factor *f,
                             zo_error *err)
{
    zo_mat A;
    zo_status rc = zo_mat_init(&A, f->n, f->n, err);

    if (rc != ZO_OK)
        return rc;
    sums_matrix(m, layer, scale, gamma, &A);
    rc = factor(m, &A, f, err);
    explicit_bzero(A.a, A.ld * A.cols * sizeof *A.a);
    zo_mat_fini(&A);
    return rc;
}

zo_status spd_factor(const zo_model *m, size_t layer, const double *scale, double gamma, zo_fixed_factor *f,
                     zo_error *err)
{
    if (m->c.fast)
        return too_flat(fast_factor(m, layer, scale, gamma, f, err), err);
    f->team = m->team;
    sums_to_factor(m, layer, scale, gamma, f);
    return too_flat(zo_fixed_factor_run(f, err), err);
}

zo_status spd_solve(const zo_model *m, zo_mat *A, double *X, size_t n, zo_error *err)
{
    zo_fixed_factor f;
    zo_status rc = zo_fixed_factor_init(&f, A->rows, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = factor(m, A, &f, err)) == ZO_OK)
        zo_fixed_solve(&f, X, n);
    zo_fixed_factor_fini(&f);
    return too_flat(rc, err);
}
