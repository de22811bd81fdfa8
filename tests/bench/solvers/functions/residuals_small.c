/* Linear functions and the classics of two to four variables. */
#include "functions/residuals.h"

#include <math.h>

static void linear(size_t n, size_t m, const double *x, double *r)
{
    double sum = 0;

    for (size_t j = 0; j < n; j++)
        sum += x[j];
    for (size_t i = 0; i < m; i++)
        r[i] = (i < n ? x[i] : 0) - 2 * sum / (double)m - 1;
}

/* sum j x_j over j = from .. to - 1, counted from 1 */
static double weighed(const double *x, size_t from, size_t to)
{
    double sum = 0;

    for (size_t j = from; j < to; j++)
        sum += (double)j * x[j - 1];
    return sum;
}

static void rank_one(size_t n, size_t m, const double *x, double *r)
{
    const double sum = weighed(x, 1, n + 1);

    for (size_t i = 0; i < m; i++)
        r[i] = (double)(i + 1) * sum - 1;
}

static void rank_one_zeros(size_t n, size_t m, const double *x, double *r)
{
    const double sum = weighed(x, 2, n);

    for (size_t i = 0; i < m; i++)
        r[i] = (i + 1 < m ? (double)i * sum : 0) - 1;
}

static void rosenbrock(size_t n, size_t m, const double *x, double *r)
{
    (void)n, (void)m;
    r[0] = 10 * (x[1] - x[0] * x[0]);
    r[1] = 1 - x[0];
}

static void helical_valley(size_t n, size_t m, const double *x, double *r)
{
    /* The angle in turns, from -1/4 to 3/4. */
    double turns = atan2(x[1], x[0]) / (2 * M_PI);

    (void)n, (void)m;
    if (turns < -0.25)
        turns += 1;
    r[0] = 10 * (x[2] - 10 * turns);
    r[1] = 10 * (hypot(x[0], x[1]) - 1);
    r[2] = x[2];
}

static void powell_singular(size_t n, size_t m, const double *x, double *r)
{
    const double a = x[1] - 2 * x[2], b = x[0] - x[3];

    (void)n, (void)m;
    r[0] = x[0] + 10 * x[1];
    r[1] = sqrt(5) * (x[2] - x[3]);
    r[2] = a * a;
    r[3] = sqrt(10) * b * b;
}

static void freudenstein_roth(size_t n, size_t m, const double *x, double *r)
{
    const double y = x[1];

    (void)n, (void)m;
    r[0] = x[0] - 13 + ((5 - y) * y - 2) * y;
    r[1] = x[0] - 29 + ((y + 1) * y - 14) * y;
}

static void box(size_t n, size_t m, const double *x, double *r)
{
    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double k = (double)(i + 1), t = k / 10;
        r[i] = exp(-t * x[0]) - exp(-t * x[1]) - x[2] * (exp(-t) - exp(-k));
    }
}

static void jennrich_sampson(size_t n, size_t m, const double *x, double *r)
{
    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double k = (double)(i + 1);
        r[i] = 2 + 2 * k - exp(k * x[0]) - exp(k * x[1]);
    }
}

static void brown_dennis(size_t n, size_t m, const double *x, double *r)
{
    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double t = (double)(i + 1) / 5, a = x[0] + t * x[1] - exp(t), b = x[2] + x[3] * sin(t) - cos(t);
        r[i] = a * a + b * b;
    }
}

const struct residuals residuals_small[] = {
    {"linear, full rank", linear, NULL, 1, NULL},
    {"linear, rank 1", rank_one, NULL, 1, NULL},
    {"linear, rank 1, zero columns and rows", rank_one_zeros, NULL, 1, NULL},
    {"Rosenbrock", rosenbrock, (const double[]){-1.2, 1}, 0, NULL},
    {"helical valley", helical_valley, (const double[]){-1, 0, 0}, 0, NULL},
    {"Powell singular", powell_singular, (const double[]){3, -1, 0, 1}, 0, NULL},
    {"Freudenstein-Roth", freudenstein_roth, (const double[]){0.5, -2}, 0, NULL},
    {"Box, three-dimensional", box, (const double[]){0, 10, 20}, 0, NULL},
    {"Jennrich-Sampson", jennrich_sampson, (const double[]){0.3, 0.4}, 0, NULL},
    {"Brown-Dennis", brown_dennis, (const double[]){25, 5, -5, -1}, 0, NULL},
};
