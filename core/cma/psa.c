/* PSA-CMA-ES. The path p of the changes of (m, C), each divided by the root of the square length it would have if the
 * ranking were random, has a square length of about filled then; alpha times more says that the updates have a
 * direction, and fewer samples are enough. After a change of lambda the step size moves by what is best on the sphere.
 * Source: "PSA-CMA-ES: CMA-ES with Population Size Adaptation", Nishida and Akimoto, GECCO 2018,
 *         doi:10.1145/3205455.3205467. */
#include "cma/psa.h"

#include <math.h>
#include <string.h>

#include "cma/levels.h"

static const double ALPHA = 1.4, BETA = 0.4; /* target of the path's square length; rate of the path */
static const double LONGEST = 1e80;          /* of the path: more has failed */

zo_status zo_cma_psa_init(cma_psa *s, size_t n, zo_error *err)
{
    zo_mat p_m = {0};
    zo_status rc;

    if ((rc = zo_cma_change_init(&s->change, n, err)) != ZO_OK || n == 0)
        return rc;
    if ((rc = zo_mat_init(&p_m, n, 1, err)) != ZO_OK)
        return rc;
    s->p_m = p_m.a;
    return zo_mat_init(&s->p_S, n, n, err);
}

void zo_cma_psa_fini(cma_psa *s)
{
    zo_cma_change_fini(&s->change);
    zo_free(s->p_m);
    zo_mat_fini(&s->p_S);
}

static void forget_path(cma_psa *s)
{
    s->filled = 0;
    if (s->change.n == 0)
        return;
    memset(s->p_m, 0, s->p_S.ld * sizeof *s->p_m);
    memset(s->p_S.a, 0, s->p_S.ld * s->change.n * sizeof *s->p_S.a);
}

void zo_cma_psa_start(cma_psa *s, size_t least, size_t most)
{
    s->lambda = s->least = (double)least;
    s->most = (double)most;
    forget_path(s);
}

void zo_cma_psa_begin(cma_psa *s, const cma_gauss *g)
{
    zo_cma_change_begin(&s->change, g);
}

/* Expected square length of the change of one generation under random ranking. */
static double expected(const cma_gauss *g, const cma_params *p)
{
    const double n = (double)g->n, me = p->mu_eff, chi2 = p->chi * p->chi;
    const double c_s = p->c_sigma / p->d_sigma, c_c = p->c_c, c_1 = p->c_1, c_mu = p->c_mu, f = g->filled_c;
    const double sigma = g->filled_sigma * (n - chi2) / chi2 * c_s * c_s;
    double cubes = 0;

    for (size_t k = 0; k < p->mu; k++)
        cubes += p->w[k] * p->w[k] * p->w[k];
    const double rank_mu = (n * n + n) * c_mu * c_mu / me;
    const double both = (n * n + n) * c_c * (2 - c_c) * c_1 * c_mu * me * cubes;
    const double rank_one = c_1 * c_1 * (f * f * n * n + (1 - 2 * f + 2 * f * f) * n);
    return n / me + 2 * n * sigma + 0.5 * (1 + 8 * sigma) * (rank_mu + both + rank_one);
}

static double add_to_path(double *path, const double *change, size_t n, double scale)
{
    double square = 0;

    for (size_t i = 0; i < n; i++) {
        path[i] = (1 - BETA) * path[i] + scale * change[i];
        square += path[i] * path[i];
    }
    return square;
}

void zo_cma_psa_end(cma_psa *s, const cma_gauss *g, const cma_params *p)
{
    if (!zo_cma_change_end(&s->change, g)) {
        forget_path(s);
        return;
    }
    const double scale = sqrt(BETA * (2 - BETA) / expected(g, p));
    const double square =
        add_to_path(s->p_m, s->change.dm, g->n, scale) + add_to_path(s->p_S.a, s->change.dS.a, s->p_S.ld * g->n, scale);

    s->filled = (1 - BETA) * (1 - BETA) * s->filled + BETA * (2 - BETA);
    if (!(square <= LONGEST)) {
        forget_path(s);
        return;
    }
    s->lambda = zo_clip(s->lambda * exp(BETA * (s->filled - square / ALPHA)), s->least, s->most);
}

size_t zo_cma_psa_lambda(const cma_psa *s)
{
    return (size_t)lround(s->lambda);
}

size_t zo_cma_psa_next_most(const cma_psa *s)
{
    return (size_t)fmin(s->most, ceil(s->lambda * exp(BETA)));
}

double zo_cma_psa_step(const cma_params *p, size_t n_dims)
{
    const double n = (double)n_dims;
    double c = 0;

    for (size_t i = 0; i < p->mu; i++)
        c += p->w[i] * zo_cma_upper_quantile(((double)i + 0.625) / ((double)p->lambda + 0.25));
    return n * c * p->mu_eff / (n - 1 + c * c * p->mu_eff);
}

void zo_cma_psa_visit(cma_psa *s, zo_visit *v)
{
    zo_visit_f64_within(v, "psa_lambda", &s->lambda, 1, s->least, s->most);
    zo_visit_f64_within(v, "psa_filled", &s->filled, 1, 0, 1);
    zo_visit_f64_within(v, "psa_m", s->p_m, s->change.n, -LONGEST, LONGEST);
    zo_visit_f64_within(v, "psa_S", s->p_S.a, s->p_S.ld * s->change.n, -LONGEST, LONGEST);
}
