/* f6 to f9: functions of low or moderate conditioning. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

/* M = Q Lambda^10 R */
static bool setup_sector(struct bbob *p)
{
    bbob_lambda(p->n, 10, p->w);
    bbob_product(p->n, p->Q, p->w, p->R, p->M);
    return true;
}

static double sector(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->M, bbob_shifted(p, x), p->z);
    for (size_t i = 0; i < p->n; i++) {
        const double s = p->z[i] * p->x_opt[i] > 0 ? 100 : 1;
        sum += s * p->z[i] * s * p->z[i];
    }
    return pow(bbob_osz1(sum), 0.9);
}

/* M = Lambda^10 R; w = 10^(2 i/(n-1)) weighs the steps after their rotation by Q. */
static bool setup_step(struct bbob *p)
{
    bbob_lambda(p->n, 10, p->w);
    for (size_t i = 0; i < p->n; i++) {
        for (size_t j = 0; j < p->n; j++)
            p->M[i * p->n + j] = p->w[i] * p->R[i * p->n + j];
        p->w[i] = pow(10, 2 * bbob_fraction(i, p->n));
    }
    return true;
}

static double step(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->M, bbob_shifted(p, x), p->z);
    const double first = fabs(p->z[0]);
    for (size_t i = 0; i < p->n; i++)
        p->z[i] = fabs(p->z[i]) > 0.5 ? floor(0.5 + p->z[i]) : floor(0.5 + 10 * p->z[i]) / 10;
    bbob_apply(p->n, p->Q, p->z, p->y);
    for (size_t i = 0; i < p->n; i++)
        sum += p->w[i] * p->y[i] * p->y[i];
    return 0.1 * fmax(first / 1e4, sum) + bbob_penalty(p->n, x);
}

static double chain(size_t n, const double *z)
{
    double sum = 0;

    for (size_t i = 0; i + 1 < n; i++) {
        const double a = z[i] * z[i] - z[i + 1], b = z[i] - 1;
        sum += 100 * a * a + b * b;
    }
    return sum;
}

/* The optimum keeps to [-3, 3], so that the valley's other end is in the box too. */
static bool setup_rosenbrock(struct bbob *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->x_opt[i] *= 0.75;
    return bbob_setup_rosenbrock(p);
}

static double rosenbrock(struct bbob *p, const double *x)
{
    double *z = bbob_shifted(p, x);

    for (size_t i = 0; i < p->n; i++)
        z[i] = p->factor * z[i] + 1;
    return chain(p->n, z);
}

static double rosenbrock_rotated(struct bbob *p, const double *x)
{
    bbob_apply(p->n, p->M, x, p->z);
    for (size_t i = 0; i < p->n; i++)
        p->z[i] += 0.5;
    return chain(p->n, p->z);
}

const struct bbob_part bbob_moderate[4] = {
    {"attractive sector", 1, setup_sector, sector},
    {"step ellipsoid", 1, setup_step, step},
    {"Rosenbrock", 2, setup_rosenbrock, rosenbrock},
    {"rotated Rosenbrock", 2, bbob_setup_rosenbrock_rotated, rosenbrock_rotated},
};
