/* How noisy a function is, from nine values along a line. */
#ifndef ZO_QN_NOISE_H
#define ZO_QN_NOISE_H

#include <stddef.h>

enum { QN_NOISE_POINTS = 9 };

/* f [9]: values at equal, very short distances. The standard deviation of their noise, 0 if they show none that is
 * consistent. Cost: 36 subtractions. */
double qn_noise(const double *f);

#endif
