/* Plain loops: at the sizes of this room a call of a library costs more than the work. */
#ifndef ZO_BOBYQA_VECTOR_H
#define ZO_BOBYQA_VECTOR_H

#include <stddef.h>

static inline double dot(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static inline void add(double *to, double factor, const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] += factor * v[i];
}

#endif
