/* f10 to f14: ill-conditioned unimodal functions. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

static bool setup_ellipsoid(struct bbob *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->w[i] = pow(10, 6 * bbob_fraction(i, p->n));
    return true;
}

static bool setup_discus(struct bbob *p)
{
    for (size_t i = 0; i < p->n; i++)
        p->w[i] = i == 0 ? 1e6 : 1;
    return true;
}

/* z = T_osz(R (x - x_opt)), weighed squares: ellipsoid and discus. */
static double quadratic(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    bbob_osz(p->n, p->z);
    for (size_t i = 0; i < p->n; i++)
        sum += p->w[i] * p->z[i] * p->z[i];
    return sum;
}

static double squares_from_1(size_t n, const double *z)
{
    double sum = 0;

    for (size_t i = 1; i < n; i++)
        sum += z[i] * z[i];
    return sum;
}

static double cigar(struct bbob *p, const double *x)
{
    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    bbob_asy(p->n, 0.5, p->z);
    bbob_apply(p->n, p->R, p->z, p->y);
    return p->y[0] * p->y[0] + 1e6 * squares_from_1(p->n, p->y);
}

/* M = Q Lambda^10 R */
static bool setup_ridge(struct bbob *p)
{
    bbob_lambda(p->n, 10, p->w);
    bbob_product(p->n, p->Q, p->w, p->R, p->M);
    return true;
}

static double ridge(struct bbob *p, const double *x)
{
    bbob_apply(p->n, p->M, bbob_shifted(p, x), p->z);
    return p->z[0] * p->z[0] + 100 * sqrt(squares_from_1(p->n, p->z));
}

static double powers(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    for (size_t i = 0; i < p->n; i++)
        sum += pow(fabs(p->z[i]), 2 + 4 * bbob_fraction(i, p->n));
    return sqrt(sum);
}

const struct bbob_part bbob_ill[5] = {
    {"ellipsoid", 1, setup_ellipsoid, quadratic},
    {"discus", 1, setup_discus, quadratic},
    {"bent cigar", 1, NULL, cigar},
    {"sharp ridge", 1, setup_ridge, ridge},
    {"different powers", 1, NULL, powers},
};
