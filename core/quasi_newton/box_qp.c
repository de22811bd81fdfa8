/* See box_qp.h. Dense: solve on the free variables, put every one that leaves the box on its bound, repeat; then
 * release the bound with the multiplier that is most wrong. Pairs: conjugate gradients on the free variables from a
 * projected gradient point, the set of free ones renewed when a step leaves the box. */
#include "quasi_newton/box_qp.h"

#include <math.h>
#include <string.h>

enum { FREE, AT_LOW, AT_HIGH };
enum { MAX_PRODUCTS = 50 };

zo_status qn_box_qp_init(qn_box_qp *q, size_t n, bool dense, zo_error *err)
{
    zo_status rc = ZO_OK;

    q->n = n;
    if (dense && (rc = zo_mat_init(&q->F, n, n, err)) != ZO_OK)
        return rc;
    q->low = zo_calloc(n + 1, sizeof *q->low);
    q->high = zo_calloc(n + 1, sizeof *q->high);
    q->side = zo_calloc(n + 1, sizeof *q->side);
    q->free = zo_calloc(n + 1, sizeof *q->free);
    q->w = zo_calloc(n + 1, 4 * sizeof *q->w);
    return q->low && q->high && q->side && q->free && q->w ? ZO_OK : zo_fail_nomem(err);
}

void qn_box_qp_fini(qn_box_qp *q)
{
    zo_mat_fini(&q->F);
    zo_free(q->low);
    zo_free(q->high);
    zo_free(q->side);
    zo_free(q->free);
    zo_free(q->w);
}

static void start_set(qn_box_qp *q, const double *g, double *d)
{
    for (size_t i = 0; i < q->n; i++) {
        q->side[i] = g[i] > 0 && q->low[i] >= 0 ? AT_LOW : g[i] < 0 && q->high[i] <= 0 ? AT_HIGH : FREE;
        d[i] = 0;
    }
}

static size_t collect_free(qn_box_qp *q)
{
    size_t n_free = 0;

    for (size_t i = 0; i < q->n; i++)
        if (q->side[i] == FREE)
            q->free[n_free++] = i;
    return n_free;
}

/* z [n_free]: the minimiser over the free variables, the others where they are. */
static bool solve_free(qn_box_qp *q, const zo_mat *B, const double *g, const double *d, size_t n_free, double *z)
{
    double *rhs = q->w;

    for (size_t k = 0; k < n_free; k++) {
        const size_t i = q->free[k];
        const double *column = B->a + i * B->ld;
        double sum = g[i];
        for (size_t j = 0; j < q->n; j++)
            sum += q->side[j] == FREE ? 0 : column[j] * d[j];
        rhs[k] = -sum;
        for (size_t l = k; l < n_free; l++)
            q->F.a[l + k * q->F.ld] = column[q->free[l]];
    }
    zo_mat F = q->F;
    F.rows = F.cols = n_free;
    if (zo_chol(&F, &F, NULL) != ZO_OK)
        return false;
    zo_chol_solve(&F, rhs, z);
    return true;
}

/* Those that left the box go to its side. */
static bool bind_outside(qn_box_qp *q, size_t n_free, const double *z, double *d)
{
    bool any = false;

    for (size_t k = 0; k < n_free; k++) {
        const size_t i = q->free[k];
        q->side[i] = z[k] < q->low[i] ? AT_LOW : z[k] > q->high[i] ? AT_HIGH : FREE;
        d[i] = q->side[i] == AT_LOW ? q->low[i] : q->side[i] == AT_HIGH ? q->high[i] : z[k];
        any = any || q->side[i] != FREE;
    }
    return any;
}

/* The gradient w = g + B d at a bound must point out of the box. */
static bool release_worst(qn_box_qp *q, const qn_hessian *B, const double *g, const double *d)
{
    double *w = q->w, worst = 0;
    size_t at = q->n;

    qn_hessian_times(B, d, w);
    for (size_t i = 0; i < q->n; i++) {
        const double wrong = q->side[i] == AT_LOW ? -(w[i] + g[i]) : q->side[i] == AT_HIGH ? w[i] + g[i] : 0;
        if (wrong > worst && wrong > 1e-12 * (fabs(g[i]) + fabs(w[i]))) {
            worst = wrong;
            at = i;
        }
    }
    if (at == q->n)
        return false;
    q->side[at] = FREE;
    return true;
}

static bool solve_dense(qn_box_qp *q, const qn_hessian *B, const double *g, double *d)
{
    double *z = q->w + q->n;

    start_set(q, g, d);
    for (size_t round = 0; round < 4 * q->n + 10; round++) {
        const size_t n_free = collect_free(q);
        if (n_free > 0 && !solve_free(q, &B->B, g, d, n_free, z))
            return false;
        if (bind_outside(q, n_free, z, d))
            continue;
        if (!release_worst(q, B, g, d))
            break;
    }
    return true;
}

/* ---- limited memory ---- */

static void project(const qn_box_qp *q, double *d)
{
    for (size_t i = 0; i < q->n; i++)
        d[i] = zo_clip(d[i], q->low[i], q->high[i]);
}

/* How far d + t p stays in the box, at most 1e300. */
static double room(const qn_box_qp *q, const double *d, const double *p)
{
    double t = 1e300;

    for (size_t i = 0; i < q->n; i++) {
        if (p[i] > 0)
            t = fmin(t, (q->high[i] - d[i]) / p[i]);
        else if (p[i] < 0)
            t = fmin(t, (q->low[i] - d[i]) / p[i]);
    }
    return t;
}

static bool solve_pairs(qn_box_qp *q, const qn_hessian *B, const double *g, double *d)
{
    const size_t n = q->n;
    double *r = q->w, *p = q->w + n, *Bp = q->w + 2 * n;
    double rr = 0;
    bool restart = true;

    start_set(q, g, d);
    memcpy(r, g, n * sizeof *r); /* r = g + B d */
    const double small = 1e-10 * zo_norm2(n, g);
    for (unsigned k = 0; k < MAX_PRODUCTS; k++) {
        if (restart) {
            for (size_t i = 0; i < n; i++) {
                const bool out = (d[i] <= q->low[i] && r[i] > 0) || (d[i] >= q->high[i] && r[i] < 0);
                q->side[i] = out ? AT_LOW : FREE;
                p[i] = out ? 0 : -r[i];
            }
            rr = zo_dot(n, p, p);
            restart = false;
        }
        if (sqrt(rr) <= small)
            break;
        qn_hessian_times(B, p, Bp);
        const double curvature = zo_dot(n, p, Bp), limit = room(q, d, p);
        if (!(curvature > 0))
            return false;
        const double t = fmin(-zo_dot(n, r, p) / curvature, limit);
        zo_axpy(n, t, p, d);
        project(q, d);
        zo_axpy(n, t, Bp, r);
        if (t >= limit) {
            restart = true;
            continue;
        }
        double next = 0;
        for (size_t i = 0; i < n; i++)
            next += q->side[i] == FREE ? r[i] * r[i] : 0;
        for (size_t i = 0; i < n; i++)
            p[i] = q->side[i] == FREE ? next / rr * p[i] - r[i] : 0;
        rr = next;
        restart = sqrt(next) <= small; /* solved on this set: is another one better? */
    }
    return true;
}

bool qn_box_qp_solve(qn_box_qp *q, const qn_hessian *B, const double *g, double *d)
{
    const bool solved = B->m == 0 ? solve_dense(q, B, g, d) : solve_pairs(q, B, g, d);

    project(q, d);
    for (size_t i = 0; i < q->n; i++)
        if (!isfinite(d[i]))
            return false;
    return solved;
}
