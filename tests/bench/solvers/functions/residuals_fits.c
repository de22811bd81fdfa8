/* Fits of a formula to measured data. */
#include "functions/residuals.h"

#include <math.h>

static void bard(size_t n, size_t m, const double *x, double *r)
{
    static const double y[] = {0.14, 0.18, 0.22, 0.25, 0.29, 0.32, 0.35, 0.39, 0.37, 0.58, 0.73, 0.96, 1.34, 2.1, 4.39};

    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double u = (double)(i + 1), v = 16 - u;
        r[i] = y[i] - x[0] - u / (v * x[1] + fmin(u, v) * x[2]);
    }
}

static void kowalik_osborne(size_t n, size_t m, const double *x, double *r)
{
    static const double u[] = {4, 2, 1, 0.5, 0.25, 0.167, 0.125, 0.1, 0.0833, 0.0714, 0.0625};
    static const double y[] = {0.1957, 0.1947, 0.1735, 0.16, 0.0844, 0.0627, 0.0456, 0.0342, 0.0323, 0.0235, 0.0246};

    (void)n;
    for (size_t i = 0; i < m; i++)
        r[i] = y[i] - x[0] * u[i] * (u[i] + x[1]) / (u[i] * (u[i] + x[2]) + x[3]);
}

static void meyer(size_t n, size_t m, const double *x, double *r)
{
    static const double y[] = {34780, 28610, 23650, 19630, 16370, 13720, 11540, 9744,
                               8261,  7030,  6005,  5147,  4427,  3820,  3307,  2872};

    (void)n;
    for (size_t i = 0; i < m; i++)
        r[i] = x[0] * exp(x[1] / (45 + 5 * (double)(i + 1) + x[2])) - y[i];
}

static void osborne_1(size_t n, size_t m, const double *x, double *r)
{
    static const double y[] = {0.844, 0.908, 0.932, 0.936, 0.925, 0.908, 0.881, 0.85,  0.818, 0.784, 0.751,
                               0.718, 0.685, 0.658, 0.628, 0.603, 0.58,  0.558, 0.538, 0.522, 0.506, 0.49,
                               0.478, 0.467, 0.457, 0.448, 0.438, 0.431, 0.424, 0.42,  0.414, 0.411, 0.406};

    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double t = 10 * (double)i;
        r[i] = y[i] - x[0] - x[1] * exp(-t * x[3]) - x[2] * exp(-t * x[4]);
    }
}

static void osborne_2(size_t n, size_t m, const double *x, double *r)
{
    static const double y[] = {1.366, 1.191, 1.112, 1.013, 0.991, 0.885, 0.831, 0.847, 0.786, 0.725, 0.746,
                               0.679, 0.608, 0.655, 0.616, 0.606, 0.602, 0.626, 0.651, 0.724, 0.649, 0.649,
                               0.694, 0.644, 0.624, 0.661, 0.612, 0.558, 0.533, 0.495, 0.5,   0.423, 0.395,
                               0.375, 0.372, 0.391, 0.396, 0.405, 0.428, 0.429, 0.523, 0.562, 0.607, 0.653,
                               0.672, 0.708, 0.633, 0.668, 0.645, 0.632, 0.591, 0.559, 0.597, 0.625, 0.739,
                               0.71,  0.729, 0.72,  0.636, 0.581, 0.428, 0.292, 0.162, 0.098, 0.054};

    (void)n;
    for (size_t i = 0; i < m; i++) {
        const double t = (double)i / 10;
        double model = x[0] * exp(-t * x[4]);
        for (size_t k = 0; k < 3; k++)
            model += x[1 + k] * exp(-x[5 + k] * (t - x[8 + k]) * (t - x[8 + k]));
        r[i] = y[i] - model;
    }
}

const struct residuals residuals_fits[] = {
    {"Bard", bard, NULL, 1, NULL},
    {"Kowalik-Osborne", kowalik_osborne, (const double[]){0.25, 0.39, 0.415, 0.39}, 0, NULL},
    {"Meyer", meyer, (const double[]){0.02, 4000, 250}, 0, NULL},
    {"Osborne 1", osborne_1, (const double[]){0.5, 1.5, 1, 0.01, 0.02}, 0, NULL},
    {"Osborne 2", osborne_2, (const double[]){1.3, 0.65, 0.65, 0.7, 0.6, 3, 5, 7, 2, 4.5, 5.5}, 0, NULL},
};
