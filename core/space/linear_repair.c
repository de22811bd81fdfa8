/* Repair: the feasible point nearest to v, distances being measured in ranges.
 *
 * Reals alone: the projection. Its dual is solved row by row, each step the exact projection on one row and the box;
 * what rounding and a finite number of sweeps leave is taken back by moving the least towards the centre, so that the
 * result always is feasible. With levels: the levels of v are kept if the reals can make up for them. Otherwise the
 * search starts from the first feasible point among roundings between the relaxed projection and the centre, and moves
 * levels, alone, in pairs and along the equations' lattice, as long as that brings it nearer; where there are few of
 * them, an exhaustive search follows (linear_nearest.c). */
#include "space/polytope.h"

#include <math.h>
#include <string.h>

#define MARGIN 1e-13  /* kept from inequalities, so that a client's own sum is on the right side */
#define SETTLED 1e-14 /* change of a multiplier, in ranges */
#define MAX_WORK 1e7  /* products of one projection */
enum {
    MAX_SWEEPS = 5000,
    SWEEPS_WITH_LEVELS = 300,
    MAX_ROUNDS = 8,
    MAX_IMPROVEMENTS = 40,
    ALL_PAIRS_UP_TO = 48,
    RANDOM_PAIRS = 1024
};

/* ---- projection ---- */

/* Row `a` with multiplier shifted by t: its sum, and how fast that falls. */
static double row_at(size_t n, const double *a, const double *y, double t, double *slope)
{
    double sum = 0;

    *slope = 0;
    for (size_t j = 0; j < n; j++) {
        const double at = y[j] - t * a[j];
        sum += a[j] * zo_clip(at, 0, 1);
        if (at > 0 && at < 1)
            *slope += a[j] * a[j];
    }
    return sum;
}

/* The t at which the row's sum is rhs: Newton's method, which is finite on pieces of lines, inside a bracket. */
static double solve_row(size_t n, const double *a, const double *y, double rhs)
{
    double low = 0, high = 0, t = 0, slope;

    for (size_t j = 0; j < n; j++) {
        const double at_0 = a[j] != 0 ? y[j] / a[j] : 0, at_1 = a[j] != 0 ? (y[j] - 1) / a[j] : 0;
        low = fmin(low, fmin(at_0, at_1));
        high = fmax(high, fmax(at_0, at_1));
    }
    for (int k = 0; k < 200 && high > low; k++) {
        const double over = row_at(n, a, y, t, &slope) - rhs;
        if (fabs(over) <= 1e-16)
            break;
        if (over > 0)
            low = t;
        else
            high = t;
        const double next = slope > 0 ? t + over / slope : NAN;
        const double to = next > low && next < high ? next : low + (high - low) / 2;
        if (to == t)
            break;
        t = to;
    }
    return t;
}

/* The dual's value: half the square of the distance is at least this, for every feasible point. */
static double bound(const struct polytope *p, size_t n_free, const double *target, const double *y,
                    const double *multiplier, const double *rhs)
{
    double sum = 0, slope;

    for (size_t j = 0; j < n_free; j++) {
        const double d = zo_clip(y[j], 0, 1) - target[j];
        sum += d * d / 2;
    }
    for (size_t i = 0; i < p->m; i++)
        if (multiplier[i] != 0)
            sum += multiplier[i] * (row_at(n_free, p->rows + i * p->n, y, 0, &slope) - rhs[i]);
    return sum;
}

/* x[0..n_free) becomes the point nearest to target, as far as max_sweeps and MAX_WORK go; the other variables stay.
 * False: no point within the square root of limit2. */
static bool project(const struct polytope *p, size_t n_free, const double *target, size_t max_sweeps, double limit2,
                    double *x)
{
    double y[MAX_VARIABLES], multiplier[MAX_LINEAR] = {0}, rhs[MAX_LINEAR], change = 1, work = 0;

    memcpy(y, target, n_free * sizeof *y);
    for (size_t i = 0; i < p->m; i++) {
        const double *a = p->rows + i * p->n;
        double least = 0;
        rhs[i] = p->b[i] - (p->equal[i] ? 0 : MARGIN);
        for (size_t j = n_free; j < p->n; j++)
            rhs[i] -= a[j] * x[j];
        for (size_t j = 0; j < n_free; j++)
            least += fmin(a[j], 0);
        if (least > rhs[i] + 1e-9)
            return false;
    }
    for (size_t sweep = 0; sweep < max_sweeps && change > SETTLED && work < MAX_WORK; sweep++) {
        change = 0;
        for (size_t i = 0; i < p->m; i++) {
            const double *a = p->rows + i * p->n;
            double slope, t = -multiplier[i];
            if (p->equal[i] || row_at(n_free, a, y, t, &slope) > rhs[i])
                t = solve_row(n_free, a, y, rhs[i]);
            if (!p->equal[i])
                t = fmax(t, -multiplier[i]);
            multiplier[i] += t;
            change = fmax(change, fabs(t));
            for (size_t j = 0; t != 0 && j < n_free; j++)
                y[j] -= t * a[j];
        }
        work += 4.0 * (double)p->m * (double)n_free;
        if (bound(p, n_free, target, y, multiplier, rhs) > limit2 / 2 + 1e-9)
            return false;
    }
    for (size_t j = 0; j < n_free; j++)
        x[j] = zo_clip(y[j], 0, 1);
    return true;
}

/* The share of the way from a point with room r to one with room R that gives room: the least, up to all of it. */
static double share_for(double room, double r, double R)
{
    if (r >= room || R <= r || (R < 1e-9 && r > -1e-12)) /* no room anywhere: rounding is no reason to go */
        return 0;
    return fmin(1, (room - r) / (R - r));
}

/* x, whose equations hold, and whose levels are the centre's, moved towards the centre until all holds. */
static void pull_in(const struct polytope *p, double *x)
{
    _Alignas(64) double slack[MAX_LINEAR], inner[MAX_LINEAR], share = 0;

    polytope_slack(p, x, slack);
    polytope_slack(p, p->centre, inner);
    for (size_t i = 0; i < p->m; i++)
        if (!p->equal[i])
            share = fmax(share, share_for(fmin(MARGIN, inner[i]), slack[i], inner[i]));
    for (size_t j = 0; j < p->n_real; j++) {
        share = fmax(share, share_for(0, x[j], p->centre[j]));
        share = fmax(share, share_for(0, 1 - x[j], 1 - p->centre[j]));
    }
    for (size_t j = 0; j < p->n_real; j++)
        x[j] = zo_clip(x[j] + share * (p->centre[j] - x[j]), 0, 1);
}

static bool holds(const struct polytope *p, const double *x)
{
    double v[MAX_VARIABLES];

    for (size_t j = 0; j < p->n; j++)
        v[j] = polytope_value(p, j, x[j]);
    return polytope_holds(p, v, 0.01);
}

/* The reals nearest to target, given x's levels; false if there are none within the square root of limit2. */
static bool settle_reals(const struct polytope *p, const double *target, double limit2, double *x)
{
    const size_t n_grid = p->n - p->n_real;

    if (!project(p, p->n_real, target, n_grid > 0 ? SWEEPS_WITH_LEVELS : MAX_SWEEPS, limit2, x))
        return false;
    equations_restore(p, x);
    if (memcmp(x + p->n_real, p->centre + p->n_real, n_grid * sizeof *x) == 0)
        pull_in(p, x);
    for (size_t j = 0; j < p->n_real; j++)
        x[j] = zo_clip(x[j], 0, 1);
    return holds(p, x);
}

/* ---- levels ---- */

struct search {
    const struct polytope *p;
    const double *target;
    double *x, *slack;
    struct direction d;
};

/* Along the direction, as many whole steps as bring x nearest to the target. */
static bool try_move(struct search *s)
{
    const struct polytope *p = s->p;
    _Alignas(64) double g[MAX_LINEAR];
    double down = 0, length2 = 0;

    for (size_t k = 0; k < s->d.n; k++) {
        down -= s->d.by[k] * (s->x[s->d.at[k]] - s->target[s->d.at[k]]);
        length2 += s->d.by[k] * s->d.by[k];
    }
    if (length2 == 0 || fabs(down) < 0.5 * length2 + 1e-12)
        return false;
    const struct chord c = polytope_chord(p, s->x, s->slack, &s->d, g);
    const double t = zo_clip(rint(down / length2), ceil(c.low - 1e-9), floor(c.high + 1e-9));
    if (t == 0 || t * (2 * down - t * length2) <= 1e-12)
        return false;
    polytope_move(p, s->x, &s->d, t);
    polytope_slack(p, s->x, s->slack);
    return true;
}

static bool try_pair(struct search *s, size_t i, size_t j)
{
    bool better = false;

    s->d.n = 2;
    s->d.at[0] = i;
    s->d.at[1] = j;
    s->d.by[0] = 1 / polytope_level_count(s->p, i);
    for (int sign = -1; sign <= 1; sign += 2) {
        s->d.by[1] = sign / polytope_level_count(s->p, j);
        better |= try_move(s);
    }
    return better;
}

static bool try_pairs(struct search *s, zo_rng *rng, const size_t *loose, size_t n_loose)
{
    bool better = false;

    if (n_loose <= ALL_PAIRS_UP_TO) {
        for (size_t a = 0; a < n_loose; a++)
            for (size_t b = a + 1; b < n_loose; b++)
                better |= try_pair(s, loose[a], loose[b]);
        return better;
    }
    for (size_t k = 0; k < RANDOM_PAIRS; k++) {
        const size_t a = zo_rng_below(rng, n_loose), b = zo_rng_below(rng, n_loose - 1);
        better |= try_pair(s, loose[a], loose[b + (b >= a)]);
    }
    return better;
}

/* Basis vector a of the lattice, less vector b unless they are the same. */
static bool try_lattice(struct search *s, size_t a, size_t b)
{
    const struct polytope *p = s->p;

    s->d.n = 0;
    for (size_t j = 0; j < p->n; j++) {
        const double d = p->moves[a * p->n + j] - (a != b ? p->moves[b * p->n + j] : 0);
        if (d != 0) {
            s->d.at[s->d.n] = j;
            s->d.by[s->d.n++] = d;
        }
    }
    return try_move(s);
}

static bool try_lattices(struct search *s, zo_rng *rng)
{
    const size_t n = s->p->n_moves;
    bool better = false;

    for (size_t a = 0; a < n; a++)
        better |= try_lattice(s, a, a);
    for (size_t a = 0; a < n && n <= ALL_PAIRS_UP_TO; a++)
        for (size_t b = a + 1; b < n; b++)
            better |= try_lattice(s, a, b);
    for (size_t k = 0; n > ALL_PAIRS_UP_TO && k < RANDOM_PAIRS; k++)
        better |= try_lattice(s, zo_rng_below(rng, n), zo_rng_below(rng, n));
    return better;
}

/* From a feasible x: moves of levels, until none brings it nearer. */
static void improve(const struct polytope *p, zo_rng *rng, const double *target, double *x)
{
    size_t at[MAX_VARIABLES], loose[MAX_VARIABLES], n_loose = 0;
    _Alignas(64) double by[MAX_VARIABLES], slack[MAX_LINEAR];
    struct search s = {.p = p, .target = target, .x = x, .slack = slack, .d = {0, at, by}};
    bool better = true;

    for (size_t j = p->n_real; j < p->n; j++)
        if (!p->tied[j])
            loose[n_loose++] = j;
    polytope_slack(p, x, slack);
    for (size_t k = 0; better && k < MAX_IMPROVEMENTS; k++) {
        better = false;
        for (size_t l = 0; l < n_loose; l++) {
            s.d.n = 1;
            at[0] = loose[l];
            by[0] = 1 / polytope_level_count(p, loose[l]);
            better |= try_move(&s);
        }
        if (n_loose > 1)
            better |= try_pairs(&s, rng, loose, n_loose);
        better |= try_lattices(&s, rng);
    }
}

/* The first rounding on the way from the relaxed projection to the centre for which reals are found. */
static void start_near(const struct polytope *p, const double *target, double *x)
{
    enum { STOPS = 8 };
    double relaxed[MAX_VARIABLES];

    memcpy(relaxed, target, p->n * sizeof *relaxed);
    project(p, p->n, target, SWEEPS_WITH_LEVELS, (double)p->n, relaxed);
    for (int k = 0; k < STOPS; k++) {
        for (size_t j = p->n_real; j < p->n; j++) {
            const double steps = polytope_level_count(p, j), to = relaxed[j] + (p->centre[j] - relaxed[j]) * k / STOPS;
            x[j] = rint(to * steps) / steps;
        }
        if (settle_reals(p, target, (double)p->n, x))
            return;
    }
    memcpy(x, p->centre, p->n * sizeof *x);
}

static double distance2(size_t n, const double *x, const double *y)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += (x[j] - y[j]) * (x[j] - y[j]);
    return sum;
}

static void repair_levels(const struct polytope *p, zo_rng *rng, const double *target, double *x)
{
    _Alignas(64) double next[MAX_VARIABLES];

    if (settle_reals(p, target, (double)p->n, x))
        return;
    start_near(p, target, x);
    for (size_t k = 0; k < MAX_ROUNDS; k++) {
        memcpy(next, x, p->n * sizeof *next);
        improve(p, rng, target, next);
        if (p->n_real > 0 && !settle_reals(p, target, (double)p->n, next))
            break;
        if (!holds(p, next) || distance2(p->n, next, target) >= distance2(p->n, x, target))
            break;
        memcpy(x, next, p->n * sizeof *x);
    }
    nearest_levels(p, target, settle_reals, x);
}

void linear_repair(const zo_space *s, zo_rng *rng, double *v)
{
    const struct polytope *p = s->linear;
    _Alignas(64) double mine[MAX_VARIABLES], target[MAX_VARIABLES], x[MAX_VARIABLES];

    for (size_t j = 0; j < p->n; j++)
        mine[j] = v[p->dim[j]];
    if (polytope_holds(p, mine, 0.01))
        return;
    for (size_t j = 0; j < p->n; j++)
        x[j] = target[j] = polytope_scaled(p, j, mine[j]);
    if (p->n_real == p->n)
        settle_reals(p, target, (double)p->n, x);
    else
        repair_levels(p, rng, target, x);
    for (size_t j = 0; j < p->n; j++)
        if (x[j] != target[j])
            mine[j] = polytope_value(p, j, x[j]);
    const bool fine = polytope_holds(p, mine, 0.1); /* but for rounding, always */
    for (size_t j = 0; j < p->n; j++)
        v[p->dim[j]] = fine ? mine[j] : p->centre_v[j];
}
