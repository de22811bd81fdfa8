/* Vectors padded with zeros to a multiple of eight doubles, 64-byte aligned: the short loops of small dimensions without BLAS's cost
 * per call and without a remainder. The order of every sum is fixed. */
#ifndef ZO_CMA_LANES_H
#define ZO_CMA_LANES_H

#include "zeroth/base.h"

typedef double lanes __attribute__((vector_size(64), may_alias));

/* y += a x; ld is a multiple of 8 */
static inline void lanes_axpy(size_t ld, double a, const double *x, double *y)
{
    const lanes *X = __builtin_assume_aligned(x, 64);
    lanes *Y = __builtin_assume_aligned(y, 64);

    for (size_t b = 0; b < ld / 8; b++)
        Y[b] += a * X[b];
}

static inline void lanes_scale(size_t ld, double a, double *y)
{
    lanes *Y = __builtin_assume_aligned(y, 64);

    for (size_t b = 0; b < ld / 8; b++)
        Y[b] *= a;
}

static inline double lanes_dot(size_t ld, const double *x, const double *y)
{
    const lanes *X = __builtin_assume_aligned(x, 64), *Y = __builtin_assume_aligned(y, 64);
    lanes s = {0};

    for (size_t b = 0; b < ld / 8; b++)
        s += X[b] * Y[b];
    return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]));
}

#endif
