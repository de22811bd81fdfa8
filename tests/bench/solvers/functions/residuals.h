/* The 22 functions of more_wild.h: each writes the residuals r [m] at x [n] and the standard start. */
#ifndef ZO_BENCH_RESIDUALS_H
#define ZO_BENCH_RESIDUALS_H

#include "zeroth/base.h"

struct residuals {
    const char *name;
    void (*at)(size_t n, size_t m, const double *x, double *r);
    const double *start; /* [n]; NULL: all coordinates start_all, or made by start_of */
    double start_all;
    void (*start_of)(size_t n, double *x);
};
/* Linear, classic and of any dimension, fits to data: functions 1-7 and 12-14; 11, 15, 16, 19-22; 8-10, 17, 18. */
extern const struct residuals residuals_small[], residuals_sized[], residuals_fits[];

#endif
