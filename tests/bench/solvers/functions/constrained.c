#include "functions/constrained.h"

#include <math.h>
#include <string.h>
#include "functions/transforms.h"

/* ---- the nine objectives, in y = R (z - centre) or z - centre ---- */

enum bend { BEND_NONE, BEND_OSZ, BEND_ASY, BEND_BOTH };
struct objective {
    const char *name;
    bool rotated, own_optimum;
    enum bend bend;
    double scale; /* the suite's own, which has most starts 10^2 to 10^4 above the optimum */
    double (*weight)(double fraction);
    double (*value)(size_t n, const double *w, const double *y);
    /* Of value; NULL where the optimum is its own. */
    void (*gradient)(size_t n, const double *w, const double *y, double *g);
};

static double one(double fraction)
{
    (void)fraction;
    return 1;
}

static double six_decades(double fraction)
{
    return pow(10, 6 * fraction);
}

static double one_decade(double fraction)
{
    return pow(10, fraction);
}

static double first_heavy(double fraction)
{
    return fraction > 0 ? 1 : 1e6;
}

static double first_light(double fraction)
{
    return fraction > 0 ? 1e6 : 1;
}

static double two_to_six(double fraction)
{
    return 2 + 4 * fraction;
}

static double quadratic(size_t n, const double *w, const double *y)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += w[i] * y[i] * y[i];
    return sum;
}

static void quadratic_gradient(size_t n, const double *w, const double *y, double *g)
{
    for (size_t i = 0; i < n; i++)
        g[i] = 2 * w[i] * y[i];
}

static double slope(size_t n, const double *w, const double *y)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += w[i] * y[i];
    return sum;
}

static void slope_gradient(size_t n, const double *w, const double *y, double *g)
{
    (void)y;
    memcpy(g, w, n * sizeof *g);
}

static double powers(size_t n, const double *w, const double *y)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += pow(fabs(y[i]), w[i]);
    return sqrt(sum);
}

static void powers_gradient(size_t n, const double *w, const double *y, double *g)
{
    const double root = powers(n, w, y);

    for (size_t i = 0; i < n; i++)
        g[i] = copysign(w[i] * pow(fabs(y[i]), w[i] - 1) / (2 * root), y[i]);
}

static double rastrigin(size_t n, const double *w, const double *y)
{
    double sum = 0;

    (void)w;
    for (size_t i = 0; i < n; i++)
        sum += 10 * (1 - cos(2 * M_PI * y[i])) + y[i] * y[i];
    return sum;
}

static const struct objective objectives[CONSTRAINED_OBJECTIVES] = {
    {"sphere", false, false, BEND_NONE, 10, one, quadratic, quadratic_gradient},
    {"separable ellipsoid", false, false, BEND_OSZ, 1e-4, six_decades, quadratic, quadratic_gradient},
    {"linear slope", false, false, BEND_NONE, 10, one_decade, slope, slope_gradient},
    {"ellipsoid", true, false, BEND_OSZ, 1e-4, six_decades, quadratic, quadratic_gradient},
    {"discus", true, false, BEND_OSZ, 1e-4, first_heavy, quadratic, quadratic_gradient},
    {"bent cigar", true, false, BEND_ASY, 1e-4, first_light, quadratic, quadratic_gradient},
    {"different powers", true, false, BEND_NONE, 1, two_to_six, powers, powers_gradient},
    {"separable Rastrigin", false, true, BEND_BOTH, 10, one, rastrigin, NULL},
    {"Rastrigin", true, true, BEND_BOTH, 10, one, rastrigin, NULL},
};

const char *constrained_objective_name(unsigned objective)
{
    return objectives[objective].name;
}

static double objective_at(struct constrained *p, const double *z)
{
    double d[p->n];
    const struct objective *o = &objectives[p->objective];

    for (size_t i = 0; i < p->n; i++)
        d[i] = z[i] - p->centre[i];
    if (o->rotated)
        bbob_apply(p->n, p->R, d, p->y);
    else
        memcpy(p->y, d, sizeof d);
    return o->value(p->n, p->w, p->y);
}

/* Of the objective at z = 0, scaled to length 1; any direction where it vanishes. */
static void direction_at_origin(struct constrained *p, zo_rng *rng, double *direction)
{
    const struct objective *o = &objectives[p->objective];
    double g[p->n], length = 0;

    zo_rng_normals(rng, p->n, direction);
    if (!o->own_optimum) {
        objective_at(p, (const double *)memset(p->z, 0, p->n * sizeof *p->z));
        o->gradient(p->n, p->w, p->y, g);
        for (size_t j = 0; j < p->n; j++) {
            direction[j] = o->rotated ? 0 : g[j];
            for (size_t i = 0; i < p->n && o->rotated; i++)
                direction[j] += p->R[i * p->n + j] * g[i];
        }
    }
    for (size_t j = 0; j < p->n; j++)
        length += direction[j] * direction[j];
    for (size_t j = 0; j < p->n; j++)
        direction[j] /= sqrt(length);
}

/* ---- space, bent ---- */

static double bend1(enum bend bend, size_t i, size_t n, double x)
{
    if (bend == BEND_OSZ || bend == BEND_BOTH)
        x = bbob_osz1(x);
    if ((bend == BEND_ASY || bend == BEND_BOTH) && x > 0)
        x = pow(x, 1 + (bend == BEND_ASY ? 0.5 : 0.2) * bbob_fraction(i, n) * sqrt(x));
    return x;
}

/* x with bend1(x) = z, by bisection: T is increasing and |z| is moderate. */
static double unbend1(enum bend bend, size_t i, size_t n, double z)
{
    double low = -100, high = 100;

    if (z == 0 || bend == BEND_NONE)
        return z;
    for (unsigned k = 0; k < 200; k++) {
        const double middle = (low + high) / 2;
        *(bend1(bend, i, n, middle) < z ? &low : &high) = middle;
    }
    return high;
}

double constrained_eval(struct constrained *p, const double *x, double *g)
{
    for (size_t i = 0; i < p->n; i++)
        p->z[i] = bend1(objectives[p->objective].bend, i, p->n, x[i] - p->x_opt[i]);
    for (size_t k = 0; k < p->m; k++) {
        g[k] = -p->b[k];
        for (size_t i = 0; i < p->n; i++)
            g[k] += p->A[k * p->n + i] * p->z[i];
    }
    return p->scale * (objective_at(p, p->z) - p->at_origin) + p->f_opt;
}

/* ---- drawing one ---- */

static void count_constraints(struct constrained *p, unsigned f)
{
    const size_t active[6] = {1, 2, 6, 6 + p->n / 2, 6 + p->n, 6 + 3 * p->n};

    p->n_active = active[(f - 1) % 6];
    p->m = p->n_active + p->n_active / 2;
}

static bool open_memory(struct constrained *p)
{
    const size_t n = p->n;
    double *at = zo_calloc(n * n + p->m * (n + 1) + 6 * n, sizeof *at);

    p->memory = at;
    if (at == NULL)
        return false;
    p->R = at;
    p->A = p->R + n * n;
    p->b = p->A + p->m * n;
    p->x_opt = p->b + p->m;
    p->x0 = p->x_opt + n;
    p->centre = p->x0 + n;
    p->w = p->centre + n;
    p->y = p->w + n;
    p->z = p->y + n;
    return true;
}

/* Normals point away from p; the inactive ones stand back by up to half the box. */
static void draw_constraints(struct constrained *p, zo_rng *rng, const double *direction)
{
    const size_t n = p->n;

    for (size_t k = 0; k < p->m; k++) {
        double *a = p->A + k * n, along = 0, length = 0;
        zo_rng_normals(rng, n, a);
        for (size_t i = 0; i < n; i++) {
            a[i] = k == 0 ? -direction[i] : a[i];
            along += a[i] * direction[i];
            length += a[i] * a[i];
        }
        for (size_t i = 0; i < n; i++)
            a[i] *= (along > 0 ? -1 : 1) / sqrt(length);
        p->b[k] = k < p->n_active ? 0 : 0.1 + 2.4 * zo_rng_uniform(rng);
    }
}

/* As far as 4 along p, but inside the box. */
static void place_start(struct constrained *p, const double *direction)
{
    const enum bend bend = objectives[p->objective].bend;
    bool inside = false;

    for (double far = 4; !inside; far /= 2) {
        inside = true;
        for (size_t i = 0; i < p->n; i++) {
            p->x0[i] = p->x_opt[i] + unbend1(bend, i, p->n, far * direction[i]);
            inside = inside && fabs(p->x0[i]) <= 5;
        }
    }
}

bool constrained_init(struct constrained *p, unsigned f, unsigned instance, size_t n)
{
    *p = (struct constrained){.f = f, .n = n};
    if (f < 1 || f > CONSTRAINED_FUNCTIONS || n < 2)
        return false;
    p->objective = (f - 1) / 6;
    count_constraints(p, f);
    if (!open_memory(p))
        return false;
    const struct objective *o = &objectives[p->objective];
    zo_rng rng = zo_rng_make(UINT64_C(0xc045) << 48 | (uint64_t)f << 32 | instance, ZO_PURPOSE_INIT, 0);
    double direction[n];
    for (size_t i = 0; i < n; i++) {
        p->x_opt[i] = 8 * zo_rng_uniform(&rng) - 4;
        p->centre[i] = o->own_optimum ? 0 : 8 * zo_rng_uniform(&rng) - 4;
        p->w[i] = o->weight(bbob_fraction(i, n));
    }
    p->f_opt = round(2000 * zo_rng_uniform(&rng) - 1000);
    bbob_rotation(&rng, n, p->R);
    direction_at_origin(p, &rng, direction);
    draw_constraints(p, &rng, direction);
    place_start(p, direction);
    p->at_origin = objective_at(p, (const double *)memset(p->z, 0, n * sizeof *p->z));
    p->scale = o->scale;
    return true;
}

void constrained_fini(struct constrained *p)
{
    zo_free(p->memory);
    *p = (struct constrained){0};
}
