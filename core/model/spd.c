/* Symmetric positive definite systems in the model's arithmetic: our fixed-order Cholesky, the same bits on every
 * processor, or LAPACK's where the client chose speed. */
#include "model/kind.h"

#include <math.h>
#include "model/cholesky.h"

static zo_status too_flat(zo_error *err)
{
    return zo_fail(err, ZO_ENUMERIC, "",
                   "the sums are singular to working precision: create the model with a larger gamma");
}

zo_status spd_factor(const zo_model *m, zo_mat *A, zo_error *err)
{
    const zo_status rc = m->c.fast ? zo_chol(A, A, err) : zo_fixed_cholesky(A, A, err);

    return rc == ZO_ENUMERIC ? too_flat(err) : rc;
}

zo_status spd_solve(const zo_model *m, const zo_mat *L, double *X, size_t n, zo_error *err)
{
    (void)m;
    (void)err;
    zo_fixed_forward(L, X, n);
    zo_fixed_backward(L, X, n);
    return ZO_OK;
}

void spd_forward(const zo_mat *L, double *b)
{
    zo_fixed_forward(L, b, 1);
}

double spd_log_det(const zo_mat *L)
{
    return zo_fixed_log_det(L);
}

zo_status spd_trace_inverse(const zo_model *m, const zo_mat *L, double *out, zo_error *err)
{
    (void)m;
    return zo_fixed_trace_inverse(L, out, err);
}
