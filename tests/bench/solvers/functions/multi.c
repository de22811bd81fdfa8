/* f15 to f19: multimodal functions with a global structure. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

/* M = R Lambda^alpha Q */
static bool setup_between(struct bbob *p, double alpha)
{
    bbob_lambda(p->n, alpha, p->w);
    bbob_product(p->n, p->R, p->w, p->Q, p->M);
    return true;
}

static bool setup_rastrigin(struct bbob *p)
{
    return setup_between(p, 10);
}

static double rastrigin(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    bbob_osz(p->n, p->z);
    bbob_asy(p->n, 0.2, p->z);
    bbob_apply(p->n, p->M, p->z, p->y);
    for (size_t i = 0; i < p->n; i++)
        sum += p->y[i] * p->y[i];
    return bbob_ripple(p->n, p->y) + sum;
}

static bool setup_weierstrass(struct bbob *p)
{
    return setup_between(p, 0.01);
}

static double weierstrass_sum(double z)
{
    double sum = 0, a = 1, b = 1;

    for (unsigned k = 0; k < 12; k++, a /= 2, b *= 3)
        sum += a * cos(2 * M_PI * b * (z + 0.5));
    return sum;
}

static double weierstrass(struct bbob *p, const double *x)
{
    const double n = (double)p->n;
    double sum = 0;

    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    bbob_osz(p->n, p->z);
    bbob_apply(p->n, p->M, p->z, p->y);
    for (size_t i = 0; i < p->n; i++)
        sum += weierstrass_sum(p->y[i]);
    return 10 * pow(sum / n - weierstrass_sum(0), 3) + 10 / n * bbob_penalty(p->n, x);
}

/* M = Lambda^alpha Q */
static bool setup_schaffer_of(struct bbob *p, double alpha)
{
    bbob_lambda(p->n, alpha, p->w);
    for (size_t i = 0; i < p->n; i++)
        for (size_t j = 0; j < p->n; j++)
            p->M[i * p->n + j] = p->w[i] * p->Q[i * p->n + j];
    return true;
}

static bool setup_schaffer(struct bbob *p)
{
    return setup_schaffer_of(p, 10);
}

static bool setup_schaffer_ill(struct bbob *p)
{
    return setup_schaffer_of(p, 1000);
}

static double schaffer(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->R, bbob_shifted(p, x), p->z);
    bbob_asy(p->n, 0.5, p->z);
    bbob_apply(p->n, p->M, p->z, p->y);
    for (size_t i = 0; i + 1 < p->n; i++) {
        const double s = hypot(p->y[i], p->y[i + 1]), wave = sin(50 * pow(s, 0.2));
        sum += sqrt(s) * (1 + wave * wave);
    }
    const double mean = sum / (double)(p->n - 1);
    return mean * mean + 10 * bbob_penalty(p->n, x);
}

static double griewank_rosenbrock(struct bbob *p, const double *x)
{
    double sum = 0;

    bbob_apply(p->n, p->M, x, p->z);
    for (size_t i = 0; i < p->n; i++)
        p->z[i] += 0.5;
    for (size_t i = 0; i + 1 < p->n; i++) {
        const double a = p->z[i] * p->z[i] - p->z[i + 1], b = p->z[i] - 1, s = 100 * a * a + b * b;
        sum += s / 4000 - cos(s);
    }
    return 10 * sum / (double)(p->n - 1) + 10;
}

const struct bbob_part bbob_multi[5] = {
    {"Rastrigin", 1, setup_rastrigin, rastrigin},
    {"Weierstrass", 1, setup_weierstrass, weierstrass},
    {"Schaffer F7", 2, setup_schaffer, schaffer},
    {"Schaffer F7, ill-conditioned", 2, setup_schaffer_ill, schaffer},
    {"Griewank-Rosenbrock", 2, bbob_setup_rosenbrock_rotated, griewank_rosenbrock},
};
