/* See qp.h. From the unconstrained minimum the most violated constraint is made active, one after another, by steps
 * along which the multipliers of the active ones stay positive; one whose multiplier would turn is dropped. Source: "A
 * numerically stable dual method for solving strictly convex quadratic programs", Goldfarb and Idnani, Math.
 *         Programming 27, 1983, doi:10.1007/BF02591962. */
#include "qp/qp.h"

#include <math.h>
#include <string.h>

zo_status zo_qp_init(zo_qp *q, size_t n, size_t m, zo_error *err)
{
    zo_status rc;

    q->n = n;
    q->m = m;
    if ((rc = zo_mat_init(&q->L, n, n, err)) != ZO_OK || (rc = zo_qp_factor_init(&q->factor, n, err)) != ZO_OK)
        return rc;
    q->u = zo_calloc(n + 1, sizeof *q->u);
    q->active = zo_calloc(n + 1, sizeof *q->active);
    q->is_active = zo_calloc(m + 2 * n + 1, sizeof *q->is_active);
    q->z = zo_calloc(n + 1, sizeof *q->z);
    q->r = zo_calloc(n + 1, sizeof *q->r);
    q->step = zo_calloc(n + 1, sizeof *q->step);
    return q->u && q->active && q->is_active && q->z && q->r && q->step ? ZO_OK : zo_fail_nomem(err);
}

void zo_qp_fini(zo_qp *q)
{
    zo_mat_fini(&q->L);
    zo_qp_factor_fini(&q->factor);
    zo_free(q->u);
    zo_free(q->active);
    zo_free(q->is_active);
    zo_free(q->z);
    zo_free(q->r);
    zo_free(q->step);
}

/* The problem at hand. */
struct program {
    size_t n, m;
    const double *A, *b, *low, *high;
    const double *d;
};

/* How much constraint k holds at d, negative: violated; relative to the size of its terms. */
static double room(const struct program *p, size_t k)
{
    if (k >= p->m) {
        const size_t i = (k - p->m) / 2;
        return (k - p->m) % 2 ? p->high[i] - p->d[i] : p->d[i] - p->low[i];
    }
    const double *a = p->A + k * p->n;
    double sum = p->b[k];
    for (size_t i = 0; i < p->n; i++)
        sum -= a[i] * p->d[i];
    return sum;
}

static double scale_of(const struct program *p, size_t k)
{
    double scale;

    if (k >= p->m)
        return 1e-14 * (1 + fabs(p->d[(k - p->m) / 2]));
    scale = fabs(p->b[k]);
    for (size_t i = 0; i < p->n; i++)
        scale += fabs(p->A[k * p->n + i] * p->d[i]);
    return 1e-13 * scale + 1e-300;
}

/* The most violated one that is not active, or m + 2n. Rows are compared by distance. */
static size_t most_violated(const zo_qp *q, const struct program *p)
{
    double worst = 0;
    size_t at = p->m + 2 * p->n;

    for (size_t k = 0; k < p->m + 2 * p->n; k++) {
        const double s = q->is_active[k] ? 0 : room(p, k);
        if (!(s < -scale_of(p, k)))
            continue;
        const double norm = k < p->m ? zo_norm2(p->n, p->A + k * p->n) : 1;
        if (s / norm < worst) {
            worst = s / norm;
            at = k;
        }
    }
    return at;
}

/* z = J'n of constraint k, written as n'd >= its bound. */
static void project(const zo_qp *q, const struct program *p, size_t k, double *z)
{
    if (k >= p->m) {
        zo_qp_factor_project_axis(&q->factor, (k - p->m) / 2, (k - p->m) % 2 ? -1 : 1, z);
        return;
    }
    zo_qp_factor_project(&q->factor, p->A + k * p->n, z);
    for (size_t i = 0; i < p->n; i++)
        z[i] = -z[i];
}

static void drop(zo_qp *q, size_t j)
{
    const size_t after = q->factor.q - j - 1;

    q->is_active[q->active[j]] = 0;
    zo_qp_factor_drop(&q->factor, j);
    memmove(q->active + j, q->active + j + 1, after * sizeof *q->active);
    memmove(q->u + j, q->u + j + 1, (after + 1) * sizeof *q->u); /* with that of the one that is being added */
}

/* Make constraint k active. */
static qp_status activate(zo_qp *q, const struct program *p, size_t k, double *d, size_t *changes)
{
    qp_factor *f = &q->factor;

    q->u[f->q] = 0;
    for (;;) {
        if ((*changes)-- == 0)
            return QP_BROKEN;
        project(q, p, k, q->z);
        zo_qp_factor_solve(f, q->z, q->r);
        double tail = 0, whole = 0, t1 = INFINITY;
        size_t leaves = f->q;
        for (size_t i = 0; i < p->n; i++) {
            whole += q->z[i] * q->z[i];
            tail += i < f->q ? 0 : q->z[i] * q->z[i];
        }
        for (size_t j = 0; j < f->q; j++)
            if (q->r[j] > 0 && q->u[j] / q->r[j] < t1) {
                t1 = q->u[j] / q->r[j];
                leaves = j;
            }
        const bool can_move = tail > 1e-22 * whole && f->q < p->n;
        const double t2 = can_move ? fmax(0, -room(p, k)) / tail : INFINITY, t = fmin(t1, t2);
        if (!isfinite(t))
            return isinf(t) ? QP_INFEASIBLE : QP_BROKEN;
        if (can_move) {
            zo_qp_factor_combine(f, f->q, p->n, q->z, q->step);
            zo_axpy(p->n, t, q->step, d);
        }
        for (size_t j = 0; j < f->q; j++)
            q->u[j] -= t * q->r[j];
        q->u[f->q] += t;
        if (t == t2) {
            q->active[f->q] = (uint32_t)k;
            q->is_active[k] = 1;
            zo_qp_factor_add(f, q->z);
            return QP_SOLVED;
        }
        drop(q, leaves);
    }
}

qp_status zo_qp_solve(zo_qp *q, size_t n, size_t m, const zo_mat *H, const double *g, const double *A, const double *b,
                      const double *low, const double *high, double *d, double *multipliers)
{
    const struct program p = {.n = n, .m = m, .A = A, .b = b, .low = low, .high = high, .d = d};
    zo_mat L = q->L;
    size_t changes = 10 * (n + m) + 20;

    L.rows = L.cols = n;
    if (zo_chol(H, &L, NULL) != ZO_OK)
        return QP_BROKEN;
    for (size_t i = 0; i < n; i++)
        d[i] = -g[i];
    zo_chol_solve(&L, d, d);
    q->factor.n = n;
    zo_qp_factor_metric(&q->factor, &L);
    memset(q->is_active, 0, (m + 2 * n) * sizeof *q->is_active);
    for (size_t k; (k = most_violated(q, &p)) < m + 2 * n;) {
        const qp_status status = activate(q, &p, k, d, &changes);
        if (status != QP_SOLVED)
            return status;
    }
    memset(multipliers, 0, m * sizeof *multipliers);
    for (size_t j = 0; j < q->factor.q; j++)
        if (q->active[j] < m)
            multipliers[q->active[j]] = fmax(0, q->u[j]);
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(d[i]))
            return QP_BROKEN;
        d[i] = zo_clip(d[i], low[i], high[i]);
    }
    return QP_SOLVED;
}
