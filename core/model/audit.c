/* See the header. */
#include "zeroth/audit.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

void zo_sort(double *v, size_t n)
{
    if (n > 1)
        qsort(v, n, sizeof *v, ascending);
}

double zo_quantile(const double *sorted, size_t n, double q)
{
    const double at = q * (double)(n - 1);
    const size_t i = (size_t)at;

    return i + 1 < n ? sorted[i] + (at - (double)i) * (sorted[i + 1] - sorted[i]) : sorted[n - 1];
}

/* ---- KL of margins ---- */

static void histogram(const double *v, size_t n, const double *edges, double *mass)
{
    double sum = 0;

    for (size_t i = 0; i < ZO_KLOM_BINS; i++)
        mass[i] = 1e-5;
    for (size_t i = 0; i < n; i++) {
        size_t bin = 0;

        while (bin < ZO_KLOM_BINS - 1 && v[i] > edges[bin])
            bin++;
        mass[bin] += 1 / (double)n;
    }
    for (size_t i = 0; i < ZO_KLOM_BINS; i++)
        sum += mass[i];
    for (size_t i = 0; i < ZO_KLOM_BINS; i++)
        mass[i] /= sum;
}

double zo_klom(const double *a, size_t na, const double *b, size_t nb, double *work)
{
    double edges[ZO_KLOM_BINS - 1], p[ZO_KLOM_BINS], q[ZO_KLOM_BINS], kl = 0;

    memcpy(work, a, na * sizeof *a);
    memcpy(work + na, b, nb * sizeof *b);
    zo_sort(work, na + nb);
    for (size_t i = 0; i < ZO_KLOM_BINS - 1; i++)
        edges[i] = zo_quantile(work, na + nb, (double)(i + 1) / ZO_KLOM_BINS);
    histogram(a, na, edges, p);
    histogram(b, nb, edges, q);
    for (size_t i = 0; i < ZO_KLOM_BINS; i++)
        kl += p[i] * log(p[i] / q[i]);
    return kl > 0 ? kl : 0;
}

/* ---- membership ---- */

/* Mean and variance of the mean of the placements of v's among sorted[n]: for each, the share that is lower, ties half.
 */
static double placements(const double *v, size_t m, const double *sorted, size_t n, double *variance_out)
{
    double mean = 0, squares = 0;

    for (size_t i = 0; i < m; i++) {
        size_t low = 0, high = n, below;

        while (low < high) { /* how many are lower */
            const size_t mid = low + (high - low) / 2;
            if (sorted[mid] < v[i])
                low = mid + 1;
            else
                high = mid;
        }
        below = low;
        for (high = n; low < high;) { /* how many are not higher */
            const size_t mid = low + (high - low) / 2;
            if (sorted[mid] <= v[i])
                low = mid + 1;
            else
                high = mid;
        }
        const double place = ((double)below + 0.5 * (double)(low - below)) / (double)n;
        const double old = mean;
        mean += (place - mean) / (double)(i + 1);
        squares += (place - old) * (place - mean);
    }
    *variance_out = squares / (double)(m - 1) / (double)m;
    return mean;
}

zo_auc zo_membership_auc(const double *member, size_t n_members, const double *other, size_t n_others, double *work)
{
    double of_members, of_others;

    memcpy(work, other, n_others * sizeof *other);
    zo_sort(work, n_others);
    const double value = placements(member, n_members, work, n_others, &of_members);
    memcpy(work, member, n_members * sizeof *member);
    zo_sort(work, n_members);
    placements(other, n_others, work, n_members, &of_others);
    const double half = 2.5758293035489004 * sqrt(of_members + of_others);
    return (zo_auc){value, fmax(0, value - half), fmin(1, value + half)};
}
