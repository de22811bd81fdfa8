/* See consensus.h. */
#include "consensus/consensus.h"

#include <math.h>
#include <string.h>

static const double LEAST_ALPHA = 1e-300, MOST_ALPHA = 1e300;
enum { BISECTIONS = 60 };

bool zo_consensus_weights(size_t n, const double *f, double alpha, double *w)
{
    double least = INFINITY, total = 0;

    for (size_t i = 0; i < n; i++)
        least = fmin(least, f[i]);
    if (!isfinite(least))
        return false;
    for (size_t i = 0; i < n; i++) {
        w[i] = f[i] == least ? 1 : isfinite(f[i]) ? exp(-alpha * (f[i] - least)) : 0;
        total += w[i];
    }
    for (size_t i = 0; i < n; i++)
        w[i] /= total;
    return true;
}

double zo_consensus_size(size_t n, const double *f, double alpha, double *w)
{
    double squares = 0;

    if (!zo_consensus_weights(n, f, alpha, w))
        return 0;
    for (size_t i = 0; i < n; i++)
        squares += w[i] * w[i];
    return 1 / squares;
}

double zo_consensus_alpha(size_t n, const double *f, double share, double *w)
{
    double low = log(LEAST_ALPHA), high = log(MOST_ALPHA);
    size_t n_valued = 0;

    for (size_t i = 0; i < n; i++)
        n_valued += isfinite(f[i]) ? 1 : 0;
    for (int k = 0; k < BISECTIONS; k++) {
        const double middle = 0.5 * (low + high);
        if (zo_consensus_size(n, f, exp(middle), w) > share * (double)n_valued)
            low = middle;
        else
            high = middle;
    }
    return exp(0.5 * (low + high));
}

void zo_consensus_mean(size_t n, size_t d, const double *x, const double *w, double *c)
{
    memset(c, 0, d * sizeof *c);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < d && w[i] > 0; j++)
            c[j] += w[i] * x[i * d + j];
}
