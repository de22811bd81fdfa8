/* Levels inside the Gaussian. A keeps the probability of another cell at alpha or above although sigma shrinks;
 * centering takes out the drift that comes from points of one cell being equal. As in the authors' programs the mean
 * moves by sigma times the mean of y = (v - m) / (sigma A), without A. Sources: "CMA-ES with Margin", Hamano, Saito,
 * Nomura and Shirakawa, GECCO 2022, arXiv:2205.13482; "CatCMA with Margin", Hamano, Saito, Nomura, Uchida and
 * Shirakawa, GECCO 2025, arXiv:2504.07884. */
#include "cma/levels.h"

#include <math.h>
#include <string.h>

static const double P_LEAST = 1e-10; /* of a tail: its quantile and its complement stay well apart from rounding */

zo_status zo_cma_levels_init(cma_levels *l, size_t n, zo_error *err)
{
    l->n = n;
    l->coord = zo_calloc(n + 1, sizeof *l->coord);
    l->count = zo_calloc(n + 1, sizeof *l->count);
    l->p_mutate = zo_calloc(n + 1, sizeof *l->p_mutate);
    l->success = zo_calloc(n + 1, sizeof *l->success);
    return l->coord && l->count && l->p_mutate && l->success ? ZO_OK : zo_fail_nomem(err);
}

void zo_cma_levels_fini(cma_levels *l)
{
    zo_free(l->coord);
    zo_free(l->count);
    zo_free(l->p_mutate);
    zo_free(l->success);
}

void zo_cma_levels_start(cma_levels *l)
{
    for (size_t i = 0; i < l->n; i++)
        l->p_mutate[i] = 0.5;
}

static double tail(double z) /* P(N(0,1) > z) */
{
    return 0.5 * erfc(z * M_SQRT1_2);
}

/* Abramowitz and Stegun 26.2.23 (error below 4.5e-4), then two steps of Halley's method on erfc. */
double zo_cma_upper_quantile(double p)
{
    const double t = sqrt(-2 * log(p));
    double z = t - (2.515517 + t * (0.802853 + t * 0.010328)) / (1 + t * (1.432788 + t * (0.189269 + t * 0.001308)));

    for (int k = 0; k < 2; k++) {
        const double newton = (tail(z) - p) * sqrt(2 * M_PI) * exp(0.5 * z * z);
        z += newton / (1 - 0.5 * z * newton);
    }
    return z;
}

static double middle(double cell, double count)
{
    return (cell + 0.5) / count;
}

static void center_one(cma_levels *l, const cma_gauss *g, size_t i, double *const *best, size_t mu)
{
    const size_t j = l->coord[i];
    const double count = l->count[i], mean_cell = zo_cma_cell(g->m[j], count), home = middle(mean_cell, count);
    double bias = 0, against = 0;

    for (size_t k = 0; k < mu; k++) {
        const double cell = zo_cma_cell(best[k][j], count);
        if (cell != mean_cell)
            bias += middle(cell, count) - best[k][j];
        l->success[i] |= cell != mean_cell;
    }
    for (size_t k = 0; k < mu; k++) { /* what the others could move toward their cell's middle against the bias */
        const double move = home - best[k][j];
        if (zo_cma_cell(best[k][j], count) == mean_cell && move * bias < 0)
            against += move;
    }
    const double part = against != 0 ? fmin(1, -bias / against) : 0;
    for (size_t k = 0; k < mu; k++) {
        const double cell = zo_cma_cell(best[k][j], count), move = home - best[k][j];
        if (cell != mean_cell)
            best[k][j] = middle(cell, count);
        else if (move * bias < 0)
            best[k][j] += part * move;
    }
}

void zo_cma_levels_center(cma_levels *l, const cma_gauss *g, double *const *best, size_t mu)
{
    memset(l->success, 0, l->n * sizeof *l->success);
    for (size_t i = 0; i < l->n; i++)
        center_one(l, g, i, best, mu);
}

/* The mean lies in the first or last cell: one threshold, beyond which p is to stay. */
static void margin_edge(cma_levels *l, cma_gauss *g, size_t i, double threshold, double home)
{
    const size_t j = l->coord[i];
    const double root = g->sigma * sqrt(zo_cma_variance(g, j)), m = g->m[j];
    double p = fmax(tail(fabs(m - threshold) / (root * g->A[j])), l->alpha);

    if (!l->success[i])
        p = fmin(p, l->p_mutate[i]);
    p = zo_clip(p, P_LEAST, 0.5 - P_LEAST);
    g->A[j] = fmax(g->A[j], fabs(home - threshold) / (root * zo_cma_upper_quantile(fmin(l->alpha, 0.5 - P_LEAST))));
    g->m[j] = threshold + copysign(root * g->A[j] * zo_cma_upper_quantile(p), m - threshold);
    l->p_mutate[i] = p;
}

/* The mean lies in an inner cell: a and b are to stay below and above it. */
static void margin_inner(cma_levels *l, cma_gauss *g, size_t i, double low, double up)
{
    const size_t j = l->coord[i];
    const double root = g->sigma * sqrt(zo_cma_variance(g, j)), s = root * g->A[j], half = l->alpha / 2;
    const double p_low = tail((g->m[j] - low) / s), p_up = tail((up - g->m[j]) / s);
    double a = fmax(p_low, half), b = fmax(p_up, half), c = 1 - p_low - p_up, floor_c = half;

    if (!l->success[i]) {
        floor_c = 1 - l->p_mutate[i];
        c = fmax(c, floor_c);
    }
    const double room = l->success[i] ? a + b + c - 3 * half : a + b + c - l->alpha - floor_c;
    const double share = room > 0 ? (1 - a - b - c) / room : 0;
    a = zo_clip(a + share * (a - half), P_LEAST, 0.5 - P_LEAST);
    b = zo_clip(b + share * (b - half), P_LEAST, 0.5 - P_LEAST);
    const double z_low = zo_cma_upper_quantile(a), z_up = zo_cma_upper_quantile(b);
    g->A[j] = (up - low) / ((z_low + z_up) * root);
    g->m[j] = (low * z_up + up * z_low) / (z_low + z_up);
    l->p_mutate[i] = a + b;
}

void zo_cma_levels_margin(cma_levels *l, cma_gauss *g)
{
    for (size_t i = 0; i < l->n; i++) {
        const double count = l->count[i], cell = zo_cma_cell(g->m[l->coord[i]], count);
        if (cell == 0 || cell == count - 1)
            margin_edge(l, g, i, (cell == 0 ? 1 : count - 1) / count, middle(cell, count));
        else
            margin_inner(l, g, i, cell / count, (cell + 1) / count);
    }
}

void zo_cma_levels_visit(cma_levels *l, zo_visit *v)
{
    zo_visit_f64_within(v, "p_mutate", l->p_mutate, l->n, 0, 1);
}
