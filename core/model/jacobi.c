/* Rows p < q in turn are rotated in their plane until they are orthogonal; sweeps over all pairs, row by row, until one
 * rotates nothing. Source: M. R. Hestenes, "Inversion of matrices by biorthogonalization and related results", J. SIAM
 * 6(1), 1958; the relative stopping rule is that of J. Demmel & K. Veselic, SIAM J. Matrix Anal. Appl. 13(4), 1992. */
#include "model/jacobi.h"

#include <math.h>

enum { MAX_SWEEPS = 40 };

static const double ORTHOGONAL = 1e-14; /* cosine */
static const double ROUNDING = 1e-14;   /* of a row's norm, to that of the whole */

static double dot(const double *x, const double *y, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] * y[i];
    return sum;
}

static void rotate(double *x, double *y, size_t n, double c, double s)
{
    for (size_t i = 0; i < n; i++) {
        const double t = x[i];

        x[i] = c * t - s * y[i];
        y[i] = s * t + c * y[i];
    }
}

/* Did it rotate? tiny: a squared norm that is rounding. */
static bool orthogonalise(double *x, double *y, size_t width, double *qx, double *qy, size_t n, double tiny)
{
    const double xx = dot(x, x, width), yy = dot(y, y, width), xy = dot(x, y, width);

    if (xx <= tiny || yy <= tiny || fabs(xy) <= ORTHOGONAL * sqrt(xx) * sqrt(yy))
        return false;
    const double zeta = (yy - xx) / (2 * xy);
    const double t = (zeta < 0 ? -1 : 1) / (fabs(zeta) + sqrt(1 + zeta * zeta));
    const double c = 1 / sqrt(1 + t * t), s = c * t;

    rotate(x, y, width, c, s);
    rotate(qx, qy, n, c, s);
    return true;
}

void jacobi_rows(double *G, size_t n, size_t width, double *Q, double *square)
{
    const double tiny = ROUNDING * ROUNDING * dot(G, G, n * width);
    bool rotated = true;

    for (size_t i = 0; i < n * n; i++)
        Q[i] = i % (n + 1) == 0;
    for (int sweep = 0; sweep < MAX_SWEEPS && rotated; sweep++) {
        rotated = false;
        for (size_t p = 0; p < n; p++)
            for (size_t q = p + 1; q < n; q++)
                rotated |= orthogonalise(G + p * width, G + q * width, width, Q + p * n, Q + q * n, n, tiny);
    }
    for (size_t p = 0; p < n; p++) {
        square[p] = dot(G + p * width, G + p * width, width);
        square[p] = square[p] > tiny ? square[p] : 0;
    }
}
