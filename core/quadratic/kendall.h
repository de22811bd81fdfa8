/* Rank correlation. */
#ifndef ZO_QUADRATIC_KENDALL_H
#define ZO_QUADRATIC_KENDALL_H

#include "zeroth/base.h"

/* Kendall's tau-b of n pairs, -1 .. 1; 0 where it is undefined: fewer than two pairs, or one side is constant.
 * O(n^2). */
double zo_kendall(const double *x, const double *y, size_t n);

#endif
