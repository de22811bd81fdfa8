/* f20 to f24: multimodal functions with weak global structure. */
#include "functions/parts.h"
#include "functions/transforms.h"

#include <math.h>

/* Where z sin(sqrt z) is largest on [0, 500], in hundreds, and a hundredth of that largest value. */
static const double schwefel_at = 4.2096874633, schwefel_top = 4.189828872724339;

static bool setup_schwefel(struct bbob *p)
{
    bbob_corner(p, schwefel_at / 2);
    bbob_lambda(p->n, 10, p->w);
    return true;
}

static double schwefel(struct bbob *p, const double *x)
{
    double sum = 0, before = 0;

    for (size_t i = 0; i < p->n; i++) {
        const double mirrored = 2 * copysign(x[i], x[i] * p->x_opt[i]), off = mirrored - schwefel_at;
        const double z = 100 * (p->w[i] * (off + 0.25 * before) + schwefel_at);
        before = off;
        sum += z * sin(sqrt(fabs(z)));
        p->z[i] = z / 100;
    }
    return schwefel_top - sum / (100 * (double)p->n) + 100 * bbob_penalty(p->n, p->z);
}

static bool setup_gallagher_101(struct bbob *p)
{
    return bbob_peaks_setup(p, 101, 1e3, 5, 1);
}

static bool setup_gallagher_21(struct bbob *p)
{
    return bbob_peaks_setup(p, 21, 1e6, 4.9, 0.98);
}

/* M = Q Lambda^100 R */
static bool setup_100(struct bbob *p)
{
    bbob_lambda(p->n, 100, p->w);
    bbob_product(p->n, p->Q, p->w, p->R, p->M);
    return true;
}

static double katsuura(struct bbob *p, const double *x)
{
    const double n = (double)p->n;
    double product = 1;

    bbob_apply(p->n, p->M, bbob_shifted(p, x), p->z);
    for (size_t i = 0; i < p->n; i++) {
        double sum = 0, scale = 2;
        for (unsigned j = 1; j <= 32; j++, scale *= 2)
            sum += fabs(scale * p->z[i] - nearbyint(scale * p->z[i])) / scale;
        product *= pow(1 + (double)(i + 1) * sum, 10 / pow(n, 1.2));
    }
    return 10 / (n * n) * (product - 1) + bbob_penalty(p->n, x);
}

static const double mu_0 = 2.5;

static bool setup_lunacek(struct bbob *p)
{
    p->factor = 1 - 1 / (2 * sqrt((double)p->n + 20) - 8.2);
    bbob_corner(p, mu_0 / 2);
    return setup_100(p);
}

static double lunacek(struct bbob *p, const double *x)
{
    const double mu_1 = -sqrt((mu_0 * mu_0 - 1) / p->factor);
    double near = 0, far = (double)p->n;

    for (size_t i = 0; i < p->n; i++) {
        const double h = 2 * copysign(x[i], x[i] * p->x_opt[i]);
        near += (h - mu_0) * (h - mu_0);
        far += p->factor * (h - mu_1) * (h - mu_1);
        p->y[i] = h - mu_0;
    }
    bbob_apply(p->n, p->M, p->y, p->z);
    return fmin(near, far) + bbob_ripple(p->n, p->z) + 1e4 * bbob_penalty(p->n, x);
}

const struct bbob_part bbob_weak[5] = {
    {"Schwefel", 1, setup_schwefel, schwefel},
    {"Gallagher, 101 peaks", 1, setup_gallagher_101, bbob_peaks_value},
    {"Gallagher, 21 peaks", 1, setup_gallagher_21, bbob_peaks_value},
    {"Katsuura", 1, setup_100, katsuura},
    {"Lunacek bi-Rastrigin", 2, setup_lunacek, lunacek},
};
