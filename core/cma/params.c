/* Strategy constants of CMA-ES: the defaults of "The CMA Evolution Strategy: A Tutorial", Hansen, arXiv:1604.00772,
 * table 1, with the 1/4 in c_mu of its author's own program; a diagonal C has the rates of "A Simple Modification in
 * CMA-ES Achieving Linear Time and Space Complexity", Ros and Hansen, PPSN 2008, scaled by (n + 1.5)/3; for those of
 * directions see low_rank.c. */
#include "cma/params.h"

#include <math.h>

size_t zo_cma_population(size_t n)
{
    return 4 + (n > 1 ? (size_t)(3 * log((double)n)) : 0);
}

/* (sum w)^2 / sum w^2 */
static double effective(const double *w, size_t n)
{
    double sum = 0, squares = 0;

    for (size_t i = 0; i < n; i++) {
        sum += w[i];
        squares += w[i] * w[i];
    }
    return squares > 0 ? sum * sum / squares : 0;
}

static void scale_to(double *w, size_t n, double total)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += fabs(w[i]);
    for (size_t i = 0; i < n; i++)
        w[i] *= sum > 0 ? total / sum : 0;
}

void zo_cma_params_set(cma_params *p, size_t n_dims, size_t lambda, cma_shape shape, bool active)
{
    const double n = (double)n_dims, l = (double)lambda;
    const bool diagonal = shape == CMA_DIAGONAL;

    p->lambda = lambda;
    p->mu = 0;
    for (size_t i = 0; i < lambda; i++) {
        p->w[i] = log((l + 1) / 2) - log((double)i + 1);
        p->mu += p->w[i] > 0;
    }
    const double me = p->mu_eff = effective(p->w, p->mu);
    const double me_neg = effective(p->w + p->mu, lambda - p->mu);
    const double speed = diagonal ? (n + 1.5) / 3 : 1;

    p->c_sigma = (me + 2) / (n + me + 5);
    p->d_sigma = 1 + 2 * fmax(0, sqrt((me - 1) / (n + 1)) - 1) + p->c_sigma;
    p->c_c = diagonal ? (1 + 1 / n + me / n) / (sqrt(n) + 1 / n + 2 * me / n) : (4 + me / n) / (n + 4 + 2 * me / n);
    p->c_1 = fmin(1, speed * fmin(1, l / 6) * 2 / ((n + 1.3) * (n + 1.3) + me));
    p->c_mu = fmin(1 - p->c_1, speed * 2 * (0.25 + me - 2 + 1 / me) / ((n + 2) * (n + 2) + me));
    p->chi = sqrt(n) * (1 - 1 / (4 * n) + 1 / (21 * n * n));

    const double stays_definite = fmax(0, (1 - p->c_1 - p->c_mu) / (n * p->c_mu));
    const double a = active && shape != CMA_LOW_RANK && p->c_mu > 0
                         ? fmin(fmin(1 + p->c_1 / p->c_mu, 1 + 2 * me_neg / (me + 2)), stays_definite)
                         : 0;
    scale_to(p->w, p->mu, 1);
    scale_to(p->w + p->mu, lambda - p->mu, a);
    if (shape == CMA_LOW_RANK)
        zo_cma_params_directions(p, n_dims, 0);
}

void zo_cma_params_directions(cma_params *p, size_t n_dims, size_t k)
{
    const double n = (double)n_dims, free = n * (double)(k + 1), few = 2 * (double)(k + 2), me = p->mu_eff;

    p->c_1 = 2 / (free + n + few + me);
    p->c_c = sqrt(p->c_1);
    p->c_mu = fmin(1 - p->c_1, 2 * (me - 2 + 1 / me) / (free + 2 * few + me));
}
