#include "functions/transforms.h"

#include <math.h>

double bbob_fraction(size_t i, size_t n)
{
    return n > 1 ? (double)i / (double)(n - 1) : 0;
}

void bbob_lambda(size_t n, double alpha, double *d)
{
    for (size_t i = 0; i < n; i++)
        d[i] = pow(alpha, 0.5 * bbob_fraction(i, n));
}

double bbob_osz1(double x)
{
    if (x == 0)
        return 0;
    const double h = log(fabs(x)), c1 = x > 0 ? 10 : 5.5, c2 = x > 0 ? 7.9 : 3.1;
    return copysign(exp(h + 0.049 * (sin(c1 * h) + sin(c2 * h))), x);
}

void bbob_osz(size_t n, double *x)
{
    for (size_t i = 0; i < n; i++)
        x[i] = bbob_osz1(x[i]);
}

void bbob_asy(size_t n, double beta, double *x)
{
    for (size_t i = 0; i < n; i++)
        if (x[i] > 0)
            x[i] = pow(x[i], 1 + beta * bbob_fraction(i, n) * sqrt(x[i]));
}

double bbob_penalty(size_t n, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double out = fabs(x[i]) - 5;
        if (out > 0)
            sum += out * out;
    }
    return sum;
}

void bbob_apply(size_t n, const double *A, const double *x, double *y)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t j = 0; j < n; j++)
            sum += A[i * n + j] * x[j];
        y[i] = sum;
    }
}

void bbob_product(size_t n, const double *P, const double *d, const double *S, double *A)
{
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double sum = 0;
            for (size_t k = 0; k < n; k++)
                sum += P[i * n + k] * d[k] * S[k * n + j];
            A[i * n + j] = sum;
        }
}

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

void bbob_rotation(zo_rng *rng, size_t n, double *A)
{
    for (size_t i = 0; i < n; i++) {
        double *row = A + i * n;
        zo_rng_normals(rng, n, row);
        for (size_t k = 0; k < 2 * i; k++) {
            const double *other = A + k % i * n, c = dot(n, row, other);
            for (size_t j = 0; j < n; j++)
                row[j] -= c * other[j];
        }
        const double length = sqrt(dot(n, row, row));
        for (size_t j = 0; j < n; j++)
            row[j] /= length;
    }
}
