/* Categorical distributions moved by their natural gradient, the step adapted to the gradient's signal-to-noise ratio
 * (ASNG). Sources: "Adaptive Stochastic Natural Gradient Method for One-Shot Neural Architecture Search", Akimoto et
 * al., ICML 2019, arXiv:1905.08537; joined with a Gaussian as in "CatCMA", Hamano et al., GECCO 2024, arXiv:2405.09962.
 * Departure: the step's exponential average has a rate of at most 1. */
#include "cma/choices.h"

#include <math.h>
#include <string.h>

static const double SIGNAL = 1.5; /* the ratio that keeps the step as it is */

zo_status zo_cma_choices_init(cma_choices *c, size_t n, const size_t *count, zo_error *err)
{
    c->n = n;
    if ((c->first = zo_calloc(n + 1, sizeof *c->first)) == NULL)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        c->first[i + 1] = c->first[i] + count[i];
    c->n_q = c->first[n];
    c->q = zo_calloc(c->n_q + 1, sizeof *c->q);
    c->s = zo_calloc(c->n_q + 1, sizeof *c->s);
    c->v = zo_calloc(c->n_q + 1, sizeof *c->v);
    c->G = zo_calloc(c->n_q + 1, sizeof *c->G);
    return c->q && c->s && c->v && c->G ? ZO_OK : zo_fail_nomem(err);
}

void zo_cma_choices_fini(cma_choices *c)
{
    zo_free(c->first);
    zo_free(c->q);
    zo_free(c->s);
    zo_free(c->v);
    zo_free(c->G);
}

void zo_cma_choices_start(cma_choices *c)
{
    for (size_t i = 0; i < c->n; i++)
        for (size_t k = c->first[i]; k < c->first[i + 1]; k++)
            c->q[k] = 1 / (double)(c->first[i + 1] - c->first[i]);
    memset(c->s, 0, c->n_q * sizeof *c->s);
    c->delta = 1;
    c->gamma = 0;
}

void zo_cma_choices_sample(const cma_choices *c, zo_rng *rng, uint32_t *chosen)
{
    for (size_t i = 0; i < c->n; i++) {
        const double *q = c->q + c->first[i];
        const size_t last = c->first[i + 1] - c->first[i] - 1;
        double u = zo_rng_uniform(rng);
        uint32_t k = 0;
        while (k < last && u >= q[k])
            u -= q[k++];
        chosen[i] = k;
    }
}

/* v = F^(1/2) G of category i, over all but its last probability; returns its squared length. */
static double natural(cma_choices *c, size_t i)
{
    const size_t first = c->first[i], last = c->first[i + 1] - 1;
    double sum = 0, square = 0;

    for (size_t k = first; k < last; k++)
        sum += c->G[k];
    for (size_t k = first; k < last; k++) {
        const double root = sqrt(c->q[k]);
        c->v[k] = c->G[k] / root + root * sum / (c->q[last] + sqrt(c->q[last]));
        square += c->v[k] * c->v[k];
    }
    return square;
}

/* No choice may die out: lift to the least probability, and take the excess from what lies above it. */
static void keep_margin(double *q, size_t K, double alpha)
{
    const double least = alpha / (double)(K - 1);
    double sum = 0, total = 0;

    for (size_t k = 0; k < K; k++)
        sum += q[k] = fmax(q[k], least);
    const double above = sum - (double)K * least;
    const double part = above > 0 ? (sum - 1) / above : 0;
    for (size_t k = 0; k < K; k++)
        total += q[k] -= part * (q[k] - least);
    for (size_t k = 0; k < K; k++)
        q[k] /= total;
}

static double path_rate(const cma_choices *c)
{
    return fmin(1, 1 / (c->delta * sqrt((double)(c->n_q - c->n))));
}

static void adapt_step(cma_choices *c, double length)
{
    const double rate = path_rate(c), gain = sqrt(rate * (2 - rate));
    double square = 0;

    for (size_t k = 0; k < c->n_q; k++) {
        c->s[k] = (1 - rate) * c->s[k] + gain * c->v[k] / length;
        square += c->s[k] * c->s[k];
    }
    c->gamma = (1 - rate) * (1 - rate) * c->gamma + rate * (2 - rate);
    c->delta *= exp(rate * (c->gamma - square / SIGNAL));
}

void zo_cma_choices_update(cma_choices *c, const uint32_t *const *best, const double *w, size_t mu)
{
    double square = 0;

    for (size_t i = 0; i < c->n; i++) { /* G = sum w (one-hot - q), by category */
        for (size_t k = c->first[i]; k < c->first[i + 1]; k++)
            c->G[k] = -c->q[k];
        for (size_t k = 0; k < mu; k++)
            c->G[c->first[i] + best[k][i]] += w[k];
        square += natural(c, i);
    }
    if (!(square > 0))
        return; /* all the weight already lies where q does */
    const double length = sqrt(square);
    for (size_t k = 0; k < c->n_q; k++)
        c->q[k] += c->G[k] / (c->delta * length);
    adapt_step(c, length);
    for (size_t i = 0; i < c->n; i++)
        keep_margin(c->q + c->first[i], c->first[i + 1] - c->first[i], c->alpha);
}

bool zo_cma_choices_valid(const cma_choices *c, const uint32_t *chosen, size_t n_points)
{
    for (size_t k = 0; k < n_points * c->n; k++)
        if (chosen[k] >= c->first[k % c->n + 1] - c->first[k % c->n])
            return false;
    return true;
}

static bool are_distributions(const cma_choices *c)
{
    for (size_t i = 0; i < c->n; i++) {
        double sum = 0;
        for (size_t k = c->first[i]; k < c->first[i + 1]; k++)
            sum += c->q[k];
        if (fabs(sum - 1) > 1e-9)
            return false;
    }
    return true;
}

/* Steps of length 1 can't make the path longer than sqrt(2/rate); a longer one would make delta vanish. */
static bool path_is_plausible(const cma_choices *c)
{
    double square = 0;

    for (size_t k = 0; k < c->n_q; k++)
        square += c->s[k] * c->s[k];
    return c->n_q == 0 || path_rate(c) * square <= 10;
}

void zo_cma_choices_visit(cma_choices *c, zo_visit *v)
{
    zo_visit_f64_within(v, "q", c->q, c->n_q, 1e-12, 1);
    zo_visit_require(v, "q", are_distributions(c));
    zo_visit_f64_within(v, "q_path", c->s, c->n_q, -1e12, 1e12);
    zo_visit_f64_within(v, "q_delta", &c->delta, 1, 1e-9, 1e30);
    zo_visit_f64_within(v, "q_gamma", &c->gamma, 1, 0, 1);
    zo_visit_require(v, "q_path", path_is_plausible(c));
}
