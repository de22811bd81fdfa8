/* Singular directions by one-sided Jacobi rotations, in one fixed order of operations: no BLAS, no libm but sqrt. */
#ifndef ZO_MODEL_JACOBI_H
#define ZO_MODEL_JACOBI_H

#include "zeroth/error.h"

/* G [n][width] row-major is turned, in place, into Q G0 whose rows are orthogonal to working precision; Q [n][n] out is
 * orthogonal. square [n] out: squared norms of the rows of G; exactly 0, for a row that is rounding only. Rows keep
 * their place where they are orthogonal already. Cost: about 8 n^2 (3 width + n) flops; n <= width is the cheap way
 * round. */
void jacobi_rows(double *G, size_t n, size_t width, double *Q, double *square);

#endif
