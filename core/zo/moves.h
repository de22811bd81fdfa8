/* The move that several rules make. */
#ifndef ZO_MOVES_H
#define ZO_MOVES_H

#include "zo/descent.h"

/* -lr (1/q) sum_j s_j z_j */
static inline void zo_move_along(zo_descent *d, const double *slope, double lr, double *c, double *scale)
{
    for (size_t j = 0; j < d->q; j++)
        c[j] = slope[j] / (double)d->q;
    *scale = -lr;
}

#endif
