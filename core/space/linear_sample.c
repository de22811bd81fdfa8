/* Sampling: a walk of fixed length from the centre whose every step keeps the target distribution, which is uniform in
 * the encoded cube, conditioned on the polytope. Steps along one axis of a variable that no equation holds: a draw from
 * its encoded interval, levels included (Gibbs); two axes, where one equation ties the reals; or all of them, in the
 * equations' null space: uniform on the chord in natural units, accepted by the ratio of the densities where some scale
 * is not linear (Metropolis); the lattice of levels that equations tie: likewise, by whole steps. */
#include "space/polytope.h"
#include "zeroth/linalg.h"

#include <math.h>
#include <string.h>

enum { SWEEPS = 12, FULL_STEPS = 60, FULL_STEPS_AT_MOST = 200 };

struct walk {
    const struct polytope *p;
    zo_rng *rng;
    bool curved; /* some variable's scale is not linear */
    size_t n_tied_reals, *tied_reals;
    double *x, *slack, *g;
    struct direction d;
    double *dense; /* [n] for directions that are made in full */
};

/* Log of the density of variable j, in natural units, that is uniform in encoded ones; up to a constant. */
static double log_density(const struct polytope *p, size_t j, double x)
{
    const struct domain *d = p->domain[j];
    double v;

    if (d->scale == ZO_LINEAR)
        return 0;
    v = polytope_value(p, j, x);
    if (d->levels > 0)
        return log(domain_to_unit(d, v + d->step / 2) - domain_to_unit(d, v - d->step / 2));
    return -log(d->scale == ZO_LOG ? v : d->low + d->high - v);
}

/* Log of the ratio of the densities at x + t d and at x. */
static double log_ratio(const struct walk *w, double t)
{
    double ratio = 0;

    for (size_t k = 0; k < w->d.n; k++) {
        const size_t j = w->d.at[k];
        ratio += log_density(w->p, j, zo_clip(w->x[j] + t * w->d.by[k], 0, 1)) - log_density(w->p, j, w->x[j]);
    }
    return ratio;
}

/* x += t d if the densities allow it. */
static void go(struct walk *w, double t)
{
    if (w->curved && log(1 - zo_rng_uniform(w->rng)) > log_ratio(w, t))
        return;
    polytope_move(w->p, w->x, &w->d, t);
    zo_axpy(w->p->m, -t, w->g, w->slack);
}

static double uniform_on(struct walk *w, double low, double high)
{
    return low + zo_rng_uniform(w->rng) * (high - low);
}

/* ---- one axis ---- */

static double draw_real(struct walk *w, const struct domain *d, double low, double high)
{
    const double u = uniform_on(w, domain_to_unit(d, low), domain_to_unit(d, high));

    return zo_clip(domain_from_unit(d, u), low, high);
}

static double draw_level(struct walk *w, size_t j, double from, double to)
{
    const struct domain *d = w->p->domain[j];
    const double low = domain_level(d, from), high = domain_level(d, to);

    if (d->scale == ZO_LINEAR)
        return domain_level(d, from + (double)zo_rng_below(w->rng, (uint64_t)(to - from) + 1));
    return zo_clip(
        domain_from_unit(d, uniform_on(w, domain_to_unit(d, low - d->step / 2), domain_to_unit(d, high + d->step / 2))),
        low, high);
}

static void axis_step(struct walk *w, size_t j)
{
    const struct polytope *p = w->p;
    const double before = w->x[j];
    double v;

    w->d.n = 1;
    w->d.at[0] = j;
    w->d.by[0] = 1;
    const struct chord c = polytope_chord(p, w->x, w->slack, &w->d, w->g);
    if (j < p->n_real) {
        v = draw_real(w, p->domain[j], polytope_value(p, j, before + c.low), polytope_value(p, j, before + c.high));
    } else {
        const double steps = polytope_level_count(p, j), k = rint(before * steps);
        v = draw_level(w, j, fmax(0, k + ceil(c.low * steps - 1e-9)), fmin(steps, k + floor(c.high * steps + 1e-9)));
    }
    w->x[j] = polytope_scaled(p, j, v);
    zo_axpy(p->m, before - w->x[j], w->g, w->slack);
}

/* ---- in the null space ---- */

/* The direction from its full form. What is nothing but rounding is left out: the equations hold it. */
static void set_direction(struct walk *w)
{
    w->d.n = 0;
    for (size_t j = 0; j < w->p->n; j++)
        if (fabs(w->dense[j]) > 1e-14) {
            w->d.at[w->d.n] = j;
            w->d.by[w->d.n++] = w->dense[j];
        }
}

static void go_anywhere(struct walk *w)
{
    const struct chord c = polytope_chord(w->p, w->x, w->slack, &w->d, w->g);

    if (c.high > c.low && isfinite(c.high - c.low))
        go(w, uniform_on(w, c.low, c.high));
}

/* Two of the reals that the one equation ties. */
static void pair_step(struct walk *w)
{
    const size_t a = zo_rng_below(w->rng, w->n_tied_reals), b = zo_rng_below(w->rng, w->n_tied_reals - 1);

    w->d.n = 2;
    w->d.at[0] = w->tied_reals[a];
    w->d.at[1] = w->tied_reals[b + (b >= a)];
    w->d.by[0] = w->p->Q[w->d.at[1]];
    w->d.by[1] = -w->p->Q[w->d.at[0]];
    go_anywhere(w);
}

static void full_step(struct walk *w)
{
    const struct polytope *p = w->p;

    memset(w->dense, 0, p->n * sizeof *w->dense);
    zo_rng_normals(w->rng, p->n_real, w->dense);
    for (size_t pass = 0; pass < 2; pass++)
        for (size_t k = 0; k < p->n_q; k++) {
            const double *q = p->Q + k * p->n_real;
            zo_axpy(p->n_real, -zo_dot(p->n_real, q, w->dense), q, w->dense);
        }
    set_direction(w);
    go_anywhere(w);
}

/* Along the sum or difference of up to three basis vectors of the lattice: with fewer, a walk in a narrow box may not
 * get everywhere. */
static void lattice_step(struct walk *w)
{
    const struct polytope *p = w->p;

    memset(w->dense, 0, p->n * sizeof *w->dense);
    for (size_t left = 1 + zo_rng_below(w->rng, 3); left > 0; left--) {
        const double *move = p->moves + zo_rng_below(w->rng, p->n_moves) * p->n,
                     sign = zo_rng_below(w->rng, 2) ? 1 : -1;
        zo_axpy(p->n, sign, move, w->dense);
    }
    set_direction(w);
    const struct chord c = polytope_chord(p, w->x, w->slack, &w->d, w->g);
    const double from = ceil(c.low - 1e-9), to = floor(c.high + 1e-9);
    if (to > from && to - from < MAX_INTEGER)
        go(w, from + (double)zo_rng_below(w->rng, (uint64_t)(to - from) + 1));
}

static void walk_on(struct walk *w)
{
    const struct polytope *p = w->p;
    const size_t wanted = p->n_real == 0 ? 0 : FULL_STEPS + 2 * p->n_real,
                 full = wanted < FULL_STEPS_AT_MOST ? wanted : FULL_STEPS_AT_MOST;

    for (size_t sweep = 0; sweep < SWEEPS; sweep++) {
        equations_restore(p, w->x);
        polytope_slack(p, w->x, w->slack);
        for (size_t k = 0; k < full / SWEEPS; k++)
            full_step(w);
        for (size_t k = 0; p->n_moves > 0 && k < 2 * p->n_moves + 4; k++)
            lattice_step(w);
        for (size_t k = 0; p->n_q == 1 && w->n_tied_reals > 1 && k < 2 * w->n_tied_reals; k++)
            pair_step(w);
        for (size_t j = 0; j < p->n; j++)
            if (!p->tied[j])
                axis_step(w, j);
    }
    equations_restore(p, w->x);
}

void linear_sample(const zo_space *s, zo_rng *rng, double *v)
{
    const struct polytope *p = s->linear;
    _Alignas(64) double x[MAX_VARIABLES], dense[MAX_VARIABLES], by[MAX_VARIABLES], slack[MAX_LINEAR], g[MAX_LINEAR];
    size_t tied_reals[MAX_VARIABLES], at[MAX_VARIABLES];
    struct walk w = {
        .p = p, .rng = rng, .tied_reals = tied_reals, .x = x, .slack = slack, .g = g, .d = {0, at, by}, .dense = dense};

    memcpy(x, p->centre, p->n * sizeof *x);
    for (size_t j = 0; j < p->n; j++)
        w.curved |= p->domain[j]->scale != ZO_LINEAR;
    for (size_t j = 0; j < p->n_real; j++)
        if (p->tied[j])
            tied_reals[w.n_tied_reals++] = j;
    walk_on(&w);
    for (size_t j = 0; j < p->n; j++)
        dense[j] = polytope_value(p, j, x[j]);
    const bool fine = polytope_holds(p, dense, 0.1); /* but for rounding, always */
    for (size_t j = 0; j < p->n; j++)
        v[p->dim[j]] = fine ? dense[j] : p->centre_v[j];
}
