/* What the definitions share: the transformations of section 0.2 and random rotations. Indices run from 0, i/(n-1) is 0
 * for n = 1. */
#ifndef ZO_BENCH_TRANSFORMS_H
#define ZO_BENCH_TRANSFORMS_H

#include "zeroth/rng.h"

/* i/(n-1) */
double bbob_fraction(size_t i, size_t n);
/* Diagonal of Lambda^alpha: alpha^(i / (2(n-1))). */
void bbob_lambda(size_t n, double alpha, double *d);
double bbob_osz1(double x);                                             /* T_osz of one number */
void bbob_osz(size_t n, double *x);                                     /* in place */
void bbob_asy(size_t n, double beta, double *x);                        /* T_asy^beta in place */
double bbob_penalty(size_t n, const double *x);                         /* f_pen */
void bbob_apply(size_t n, const double *A, const double *x, double *y); /* y = A x, row-major, no aliasing */
/* A = P diag(d) S */
void bbob_product(size_t n, const double *P, const double *d, const double *S, double *A);
/* Gram-Schmidt on normal rows, twice, so that it is orthonormal to the last digits. */
void bbob_rotation(zo_rng *rng, size_t n, double *A);

#endif
