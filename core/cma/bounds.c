/* Bounds: the sample outside keeps its place in the update, and pays kappa delta |x - clip x|^2 / n in the ranking.
 * delta is the median over the last generations of the quartiles' distance per variance of the step, so f may have any
 * scale. After Hansen, Niederberger, Guzzella and Koumoutsakos, IEEE TEC 13(1), 2009, doi:10.1109/TEVC.2008.924423,
 * addendum; departure: one weight for all coordinates, with kappa small, as samples inside are tried first. */
#include "cma/bounds.h"

#include <float.h>
#include <math.h>

static const double KAPPA = 0.3;

zo_status zo_cma_bounds_init(cma_bounds *b, const uint8_t *is_real, size_t n, zo_error *err)
{
    b->is_real = is_real;
    for (size_t j = 0; j < n; j++)
        b->n_real += is_real[j];
    b->spreads = zo_calloc(20 + 3 * n, sizeof *b->spreads);
    b->sorted = zo_calloc(20 + 3 * n, sizeof *b->sorted);
    return b->spreads && b->sorted ? ZO_OK : zo_fail_nomem(err);
}

void zo_cma_bounds_fini(cma_bounds *b)
{
    zo_free(b->spreads);
    zo_free(b->sorted);
}

void zo_cma_bounds_start(cma_bounds *b, size_t n, size_t lambda)
{
    b->n = b->next = 0;
    b->cap = 20 + 3 * n / lambda;
}

bool zo_cma_is_inside(const cma_bounds *b, const double *v, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (b->is_real[j] && !(v[j] >= 0 && v[j] <= 1))
            return false;
    return true;
}

static double spread_of(const cma_bounds *b, const cma_generation *q, const cma_gauss *g, size_t lambda)
{
    const size_t last = q->n_f - 1, low = (lambda + 1) / 4, high = 3 * (lambda + 1) / 4;
    double variance = 0;

    for (size_t j = 0; j < g->n; j++)
        if (b->is_real[j])
            variance += zo_cma_variance(g, j);
    variance *= g->sigma * g->sigma / (double)b->n_real;
    return (q->f[high < last ? high : last] - q->f[low < last ? low : last]) / variance;
}

static double median(const cma_bounds *b)
{
    double *a = b->sorted;

    for (size_t i = 0; i < b->n; i++) {
        size_t j = i;
        for (; j > 0 && a[j - 1] > b->spreads[i]; j--)
            a[j] = a[j - 1];
        a[j] = b->spreads[i];
    }
    return b->n > 0 ? 0.5 * (a[(b->n - 1) / 2] + a[b->n / 2]) : 0;
}

double zo_cma_bounds_penalty(cma_bounds *b, const cma_generation *q, const cma_gauss *g, size_t lambda)
{
    bool any = false;

    if (q->n_f == 0 || b->n_real == 0)
        return 0;
    const double spread = spread_of(b, q, g, lambda);
    if (isfinite(spread) && spread > 0) {
        b->spreads[b->next] = spread;
        b->next = (b->next + 1) % b->cap;
        b->n += b->n < b->cap;
    }
    for (size_t k = 0; k < q->size && !any; k++)
        any = q->points[k].off > 0;
    return any ? KAPPA / (double)b->n_real * median(b) : 0;
}

void zo_cma_bounds_visit(cma_bounds *b, zo_visit *v)
{
    zo_visit_count(v, "n_spreads", &b->n, b->cap);
    zo_visit_count(v, "next_spread", &b->next, b->cap - 1);
    zo_visit_f64_within(v, "spreads", b->spreads, b->cap, 0, DBL_MAX);
}
