/* Vectors padded with zeros to a multiple of eight doubles, 64-byte aligned: the short loops of small dimensions
 * without BLAS's cost per call and without a remainder. The order of every sum is fixed. */
#ifndef ZO_CMA_LANES_H
#define ZO_CMA_LANES_H

#include "zeroth/base.h"

typedef double lanes __attribute__((vector_size(16), may_alias)); /* what every x86-64 and aarch64 has in a register */

/* y += a x; ld is a multiple of 8, here and below */
static inline void lanes_axpy(size_t ld, double a, const double *x, double *y)
{
    const lanes *X = __builtin_assume_aligned(x, 64), k = {a, a};
    lanes *Y = __builtin_assume_aligned(y, 64);

    for (size_t b = 0; b < ld / 2; b += 4) {
        Y[b] += k * X[b];
        Y[b + 1] += k * X[b + 1];
        Y[b + 2] += k * X[b + 2];
        Y[b + 3] += k * X[b + 3];
    }
}

static inline void lanes_scale(size_t ld, double a, double *y)
{
    lanes *Y = __builtin_assume_aligned(y, 64);
    const lanes k = {a, a};

    for (size_t b = 0; b < ld / 2; b++)
        Y[b] *= k;
}

static inline double lanes_dot(size_t ld, const double *x, const double *y)
{
    const lanes *X = __builtin_assume_aligned(x, 64), *Y = __builtin_assume_aligned(y, 64);
    lanes s0 = {0}, s1 = {0}, s2 = {0}, s3 = {0};

    for (size_t b = 0; b < ld / 2; b += 4) {
        s0 += X[b] * Y[b];
        s1 += X[b + 1] * Y[b + 1];
        s2 += X[b + 2] * Y[b + 2];
        s3 += X[b + 3] * Y[b + 3];
    }
    const lanes sum = (s0 + s2) + (s1 + s3);
    return sum[0] + sum[1];
}

/* (x, y) <- (c x - s y, s x + c y) */
static inline void lanes_rotate(size_t ld, double c, double s, double *x, double *y)
{
    lanes *X = __builtin_assume_aligned(x, 64), *Y = __builtin_assume_aligned(y, 64);
    const lanes cc = {c, c}, ss = {s, s};

    for (size_t b = 0; b < ld / 2; b++) {
        const lanes old = X[b];
        X[b] = cc * old - ss * Y[b];
        Y[b] = ss * old + cc * Y[b];
    }
}

#endif
