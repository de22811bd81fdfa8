/* See hessian.h. Damping: r = t y + (1-t) B s with s'r >= 0.2 s'B s keeps B positive definite whatever y is.
 * Source: "A fast algorithm for nonlinearly constrained optimization calculations", Powell, LNM 630, 1978. */
#include "quasi_newton/hessian.h"

#include <math.h>
#include <string.h>

zo_status qn_hessian_init(qn_hessian *h, size_t n, size_t m, zo_error *err)
{
    zo_status rc = ZO_OK;

    h->n = n;
    h->m = m;
    if (m == 0 && (rc = zo_mat_init(&h->B, n, n, err)) != ZO_OK)
        return rc;
    h->s = zo_calloc(m + 1, n * sizeof *h->s);
    h->r = zo_calloc(m + 1, n * sizeof *h->r);
    h->q = zo_calloc(m + 1, n * sizeof *h->q);
    h->sr = zo_calloc(m + 1, sizeof *h->sr);
    h->sq = zo_calloc(m + 1, sizeof *h->sq);
    h->Bs = zo_calloc(n + 1, sizeof *h->Bs);
    h->damped = zo_calloc(n + 1, sizeof *h->damped);
    if (!h->s || !h->r || !h->q || !h->sr || !h->sq || !h->Bs || !h->damped)
        return zo_fail_nomem(err);
    return ZO_OK;
}

void qn_hessian_fini(qn_hessian *h)
{
    zo_mat_fini(&h->B);
    zo_free(h->s);
    zo_free(h->r);
    zo_free(h->q);
    zo_free(h->sr);
    zo_free(h->sq);
    zo_free(h->Bs);
    zo_free(h->damped);
}

void qn_hessian_reset(qn_hessian *h, double b0)
{
    h->b0 = b0;
    h->k = 0;
    for (size_t j = 0; j < h->B.cols; j++) {
        memset(h->B.a + j * h->B.ld, 0, h->B.rows * sizeof *h->B.a);
        h->B.a[j + j * h->B.ld] = b0;
    }
}

/* out = (b0 I + the first k pairs) v */
static void times_pairs(const qn_hessian *h, size_t k, const double *v, double *out)
{
    for (size_t i = 0; i < h->n; i++)
        out[i] = h->b0 * v[i];
    for (size_t j = 0; j < k; j++) {
        const double *r = h->r + j * h->n, *q = h->q + j * h->n;
        zo_axpy(h->n, zo_dot(h->n, r, v) / h->sr[j], r, out);
        zo_axpy(h->n, -zo_dot(h->n, q, v) / h->sq[j], q, out);
    }
}

void qn_hessian_times(const qn_hessian *h, const double *v, double *out)
{
    if (h->m == 0)
        zo_gemv(false, 1, &h->B, v, 0, out);
    else
        times_pairs(h, h->k, v, out);
}

double qn_hessian_diagonal(const qn_hessian *h, size_t i)
{
    double b = h->b0;

    if (h->m == 0)
        return h->B.a[i + i * h->B.ld];
    for (size_t j = 0; j < h->k; j++) {
        const double r = h->r[j * h->n + i], q = h->q[j * h->n + i];
        b += r * r / h->sr[j] - q * q / h->sq[j];
    }
    return b;
}

static void append_pair(qn_hessian *h, const double *s, const double *r)
{
    const size_t n = h->n;

    if (h->k == h->m) {
        memmove(h->s, h->s + n, (h->m - 1) * n * sizeof *h->s);
        memmove(h->r, h->r + n, (h->m - 1) * n * sizeof *h->r);
        h->k--;
    }
    memcpy(h->s + h->k * n, s, n * sizeof *s);
    memcpy(h->r + h->k * n, r, n * sizeof *r);
    h->k++;
    for (size_t j = 0; j < h->k; j++) { /* without the pair that left, every B_j is another */
        const double *sj = h->s + j * n;
        times_pairs(h, j, sj, h->q + j * n);
        h->sr[j] = zo_dot(n, sj, h->r + j * n);
        h->sq[j] = zo_dot(n, sj, h->q + j * n);
        if (!(h->sr[j] > 0 && h->sq[j] > 0)) { /* with an older pair gone, this one may not fit any more */
            memmove(h->s + j * n, sj + n, (h->k - 1 - j) * n * sizeof *h->s);
            memmove(h->r + j * n, h->r + (j + 1) * n, (h->k - 1 - j) * n * sizeof *h->r);
            h->k--;
            j--;
        }
    }
}

static void rank_two(qn_hessian *h, const double *r, double sr, const double *Bs, double sBs)
{
    for (size_t j = 0; j < h->n; j++) {
        const double rj = r[j] / sr, bj = Bs[j] / sBs;
        double *column = h->B.a + j * h->B.ld;
        for (size_t i = j; i < h->n; i++)
            column[i] += r[i] * rj - Bs[i] * bj;
    }
    zo_symmetrise_lower(&h->B);
}

void qn_hessian_update(qn_hessian *h, const double *s, const double *y)
{
    const size_t n = h->n;
    double *Bs = h->Bs, *r = h->damped;

    qn_hessian_times(h, s, Bs);
    const double sBs = zo_dot(n, s, Bs), sy = zo_dot(n, s, y);
    if (!(sBs > 0) || !isfinite(sBs) || !isfinite(sy))
        return;
    const double t = sy >= 0.2 * sBs ? 1 : 0.8 * sBs / (sBs - sy);
    for (size_t i = 0; i < n; i++)
        r[i] = t * y[i] + (1 - t) * Bs[i];
    const double sr = zo_dot(n, s, r);
    if (!(sr > 0) || !isfinite(sr))
        return;
    if (h->m == 0)
        rank_two(h, r, sr, Bs, sBs);
    else
        append_pair(h, s, r);
}

void qn_hessian_visit(qn_hessian *h, zo_visit *v)
{
    zo_visit_f64(v, "b0", &h->b0, 1);
    if (h->m == 0) {
        zo_visit_f64(v, "B", h->B.a, h->B.ld * h->B.cols);
        return;
    }
    zo_visit_count(v, "pairs", &h->k, h->m);
    zo_visit_f64(v, "s", h->s, h->k * h->n);
    zo_visit_f64(v, "r", h->r, h->k * h->n);
    zo_visit_f64(v, "q", h->q, h->k * h->n);
    zo_visit_f64(v, "sr", h->sr, h->k);
    zo_visit_f64(v, "sq", h->sq, h->k);
}
