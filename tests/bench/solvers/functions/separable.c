/* f1 to f5: separable functions. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

static double sphere(struct bbob *p, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < p->n; i++)
        sum += (x[i] - p->x_opt[i]) * (x[i] - p->x_opt[i]);
    return sum;
}

/* w = 10^(6 i/(n-1)) */
static bool setup_ellipsoid(struct bbob *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->w[i] = pow(10, 6 * bbob_fraction(i, p->n));
    return true;
}

static double ellipsoid(struct bbob *p, const double *x)
{
    double *z = bbob_shifted(p, x), sum = 0;

    bbob_osz(p->n, z);
    for (size_t i = 0; i < p->n; i++)
        sum += p->w[i] * z[i] * z[i];
    return sum;
}

static bool setup_rastrigin(struct bbob *p)
{
    bbob_lambda(p->n, 10, p->w);
    return true;
}

static double rastrigin(struct bbob *p, const double *x)
{
    double *z = bbob_shifted(p, x), sum = 0;

    bbob_osz(p->n, z);
    bbob_asy(p->n, 0.2, z);
    for (size_t i = 0; i < p->n; i++) {
        z[i] *= p->w[i];
        sum += z[i] * z[i];
    }
    return bbob_ripple(p->n, z) + sum;
}

/* The skewed coordinates' optima are positive, so that the flat side is the wider one. */
static bool setup_buche(struct bbob *p)
{
    bbob_lambda(p->n, 10, p->w);
    for (size_t i = 0; i < p->n; i += 2)
        p->x_opt[i] = fabs(p->x_opt[i]);
    return true;
}

static double buche(struct bbob *p, const double *x)
{
    double *z = bbob_shifted(p, x), sum = 0;

    bbob_osz(p->n, z);
    for (size_t i = 0; i < p->n; i++) {
        z[i] *= p->w[i] * (z[i] > 0 && i % 2 == 0 ? 10 : 1);
        sum += z[i] * z[i];
    }
    return bbob_ripple(p->n, z) + sum + 100 * bbob_penalty(p->n, x);
}

/* Slopes are w, signed by the corner that is the optimum. */
static bool setup_slope(struct bbob *p)
{
    bbob_corner(p, 5);
    for (size_t i = 0; i < p->n; i++)
        p->w[i] = copysign(pow(10, bbob_fraction(i, p->n)), p->x_opt[i]);
    return true;
}

static double slope(struct bbob *p, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < p->n; i++)
        sum += 5 * fabs(p->w[i]) - p->w[i] * (x[i] * p->x_opt[i] < 25 ? x[i] : p->x_opt[i]);
    return sum;
}

const struct bbob_part bbob_separable[5] = {
    {"sphere", 1, NULL, sphere},
    {"separable ellipsoid", 1, setup_ellipsoid, ellipsoid},
    {"separable Rastrigin", 1, setup_rastrigin, rastrigin},
    {"Bueche-Rastrigin", 1, setup_buche, buche},
    {"linear slope", 1, setup_slope, slope},
};
