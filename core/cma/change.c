/* See change.h. The square root of the covariance is the symmetric one, so that changes of successive generations can
 * be added up. The entries of dS with i != j count twice in its length: the matrix is full. */
#include "cma/change.h"

#include <math.h>
#include <string.h>

zo_status zo_cma_change_init(cma_change *c, size_t n, zo_error *err)
{
    zo_mat m = {0}, dm = {0};
    zo_status rc;

    c->n = n;
    if (n == 0)
        return ZO_OK;
    if ((rc = zo_mat_init(&m, n, 1, err)) != ZO_OK)
        return rc;
    c->m = m.a;
    if ((rc = zo_mat_init(&dm, n, 1, err)) != ZO_OK)
        return rc;
    c->dm = dm.a;
    if ((rc = zo_mat_init(&c->C, n, n, err)) != ZO_OK || (rc = zo_mat_init(&c->dS, n, n, err)) != ZO_OK)
        return rc;
    return zo_mat_init(&c->T, n, n, err);
}

void zo_cma_change_fini(cma_change *c)
{
    zo_free(c->m);
    zo_free(c->dm);
    zo_mat_fini(&c->C);
    zo_mat_fini(&c->dS);
    zo_mat_fini(&c->T);
}

void zo_cma_change_begin(cma_change *c, const cma_gauss *g)
{
    c->sigma = g->sigma;
    if (c->n == 0)
        return;
    memcpy(c->m, g->m, g->ld * sizeof *c->m);
    memcpy(c->C.a, g->C.a, g->ld * g->n * sizeof *c->C.a);
}

static void divide_rows(zo_mat *M, const double *d)
{
    for (size_t j = 0; j < M->cols; j++)
        for (size_t i = 0; i < M->rows; i++)
            M->a[i + j * M->ld] /= d[i];
}

static void transpose(zo_mat *M)
{
    for (size_t j = 0; j < M->cols; j++)
        for (size_t i = j + 1; i < M->rows; i++) {
            const double t = M->a[i + j * M->ld];
            M->a[i + j * M->ld] = M->a[j + i * M->ld];
            M->a[j + i * M->ld] = t;
        }
}

/* S <- C^-1/2 S C^-1/2 for a symmetric S */
static void into_metric(cma_change *c, const cma_gauss *g)
{
    for (int side = 0; side < 2; side++) {
        zo_gemm(true, false, 1, &g->B, &c->dS, 0, &c->T);
        divide_rows(&c->T, g->D);
        zo_gemm(false, false, 1, &g->B, &c->T, 0, &c->dS);
        transpose(&c->dS);
    }
}

bool zo_cma_change_end(cma_change *c, const cma_gauss *g)
{
    const double grown = (g->sigma / c->sigma) * (g->sigma / c->sigma);
    const zo_mat dm = {.a = c->dm, .rows = c->n, .cols = 1, .ld = g->ld};
    zo_mat t = {.a = c->T.a, .rows = c->n, .cols = 1, .ld = c->T.ld};
    double sum = 0;

    if (c->n == 0)
        return false;
    for (size_t i = 0; i < c->n; i++)
        c->dm[i] = (g->m[i] - c->m[i]) / c->sigma;
    zo_gemv(true, 1, &g->B, c->dm, 0, t.a);
    divide_rows(&t, g->D);
    zo_gemv(false, 1, &g->B, t.a, 0, dm.a);

    for (size_t j = 0; j < c->n; j++)
        for (size_t i = j; i < c->n; i++)
            c->dS.a[i + j * c->dS.ld] = (grown * g->C.a[i + j * g->C.ld] - c->C.a[i + j * c->C.ld]) / sqrt(2);
    zo_symmetrise_lower(&c->dS);
    into_metric(c, g);
    for (size_t i = 0; i < c->n; i++)
        sum += c->dm[i];
    for (size_t k = 0; k < c->dS.ld * c->n; k++)
        sum += fabs(c->dS.a[k]);
    return isfinite(sum);
}
