/* Functions of any number of variables, and the heart dipole. */
#include "functions/residuals.h"

#include <math.h>

static void watson(size_t n, size_t m, const double *x, double *r)
{
    for (size_t i = 0; i + 2 < m; i++) {
        const double t = (double)(i + 1) / 29;
        double value = 0, slope = 0; /* of the polynomial x at t, by Horner's rule */
        for (size_t j = n; j-- > 0;) {
            slope = slope * t + value;
            value = value * t + x[j];
        }
        r[i] = slope - value * value - 1;
    }
    r[m - 2] = x[0];
    r[m - 1] = x[1] - x[0] * x[0] - 1;
}

/* Means of the shifted Chebyshev polynomials at the x_j, less their integrals over [0, 1]. */
static void chebyquad(size_t n, size_t m, const double *x, double *r)
{
    for (size_t i = 0; i < m; i++)
        r[i] = 0;
    for (size_t j = 0; j < n; j++) {
        const double y = 2 * x[j] - 1;
        double before = 1, now = y;
        for (size_t i = 0; i < m; i++) {
            r[i] += now / (double)n;
            const double next = 2 * y * now - before;
            before = now;
            now = next;
        }
    }
    for (size_t k = 2; k <= m; k += 2) /* the odd ones' integrals vanish */
        r[k - 1] += 1 / (double)(k * k - 1);
}

static void start_chebyquad(size_t n, double *x)
{
    for (size_t j = 0; j < n; j++)
        x[j] = (double)(j + 1) / (double)(n + 1);
}

static void brown_almost_linear(size_t n, size_t m, const double *x, double *r)
{
    double sum = 0, product = 1;

    for (size_t j = 0; j < n; j++) {
        sum += x[j];
        product *= x[j];
    }
    for (size_t i = 0; i + 1 < m; i++)
        r[i] = x[i] + sum - (double)(n + 1);
    r[m - 1] = product - 1;
}

static void bdqrtic(size_t n, size_t m, const double *x, double *r)
{
    const size_t half = m / 2;

    for (size_t i = 0; i < half; i++) {
        r[i] = 3 - 4 * x[i];
        r[half + i] = 5 * x[n - 1] * x[n - 1];
        for (size_t k = 0; k < 4; k++)
            r[half + i] += (double)(k + 1) * x[i + k] * x[i + k];
    }
}

static void cube(size_t n, size_t m, const double *x, double *r)
{
    (void)m;
    r[0] = x[0] - 1;
    for (size_t i = 1; i < n; i++)
        r[i] = 10 * (x[i] - x[i - 1] * x[i - 1] * x[i - 1]);
}

static double mancino_sum(size_t n, size_t i, double x)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++) {
        const double v = sqrt(x * x + (double)(i + 1) / (double)(j + 1));
        sum += v * (pow(sin(log(v)), 5) + pow(cos(log(v)), 5));
    }
    return sum;
}

static void mancino(size_t n, size_t m, const double *x, double *r)
{
    (void)m;
    for (size_t i = 0; i < n; i++)
        r[i] = 1400 * x[i] + pow((double)i - 49, 3) + mancino_sum(n, i, x[i]);
}

static void start_mancino(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = -8.710996e-4 * (pow((double)i - 49, 3) + mancino_sum(n, i, 0));
}

/* Moments of two dipoles: with complex strengths a_k = x_k + i x_{k+2} and places z_k = x_{k+4} + i x_{k+6}, the sums
 * of a_k z_k^p for p = 0 to 3 are to be what was measured. */
static void heart(size_t n, size_t m, const double *x, double *r)
{
    static const double moment[] = {-0.69, -0.044, -1.57, -1.31, -2.65, 2.0, -12.6, 9.48};

    (void)n, (void)m;
    for (size_t p = 0; p < 4; p++)
        for (size_t part = 0; part < 2; part++)
            r[2 * p + part] = -moment[2 * p + part];
    for (size_t k = 0; k < 2; k++) {
        double re = x[k], im = x[k + 2];
        for (size_t p = 0; p < 4; p++) {
            r[2 * p] += re;
            r[2 * p + 1] += im;
            const double next = re * x[k + 4] - im * x[k + 6];
            im = re * x[k + 6] + im * x[k + 4];
            re = next;
        }
    }
}

const struct residuals residuals_sized[] = {
    {"Watson", watson, NULL, 0.5, NULL},
    {"Chebyquad", chebyquad, NULL, 0, start_chebyquad},
    {"Brown almost-linear", brown_almost_linear, NULL, 0.5, NULL},
    {"bdqrtic", bdqrtic, NULL, 1, NULL},
    {"cube", cube, NULL, 0.5, NULL},
    {"Mancino", mancino, NULL, 0, start_mancino},
    {"heart dipole", heart, (const double[]){-0.3, -0.39, 0.3, -0.344, -1.2, 2.69, 1.59, -1.5}, 0, NULL},
};
