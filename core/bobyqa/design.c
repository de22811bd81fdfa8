/* See design.h. */
#include "bobyqa/design.h"

#include <math.h>

double zo_bobyqa_axis_step(double start, double step, bool second)
{
    const double above = 1 - start, below = start;

    if (above >= step / 2 && below >= step / 2)
        return second ? -fmin(step, below) : fmin(step, above);
    if (above > below)
        return second ? fmin(2 * step, above) : step;
    return second ? -fmin(2 * step, below) : -step;
}

double zo_bobyqa_stand_in(const bobyqa_model *q)
{
    double low = INFINITY, high = -INFINITY;

    for (size_t k = 0; k < q->m; k++) {
        if (q->bad[k])
            continue;
        low = fmin(low, q->f[k]);
        high = fmax(high, q->f[k]);
    }
    return zo_bobyqa_tame(low + (high > low ? 10 * (high - low) : fmax(1, fabs(low))));
}

bool zo_bobyqa_take_design(bobyqa_model *q)
{
    size_t n_bad = 0;

    for (size_t k = 0; k < q->m; k++) {
        q->bad[k] = (uint8_t)!isfinite(q->f[k]);
        q->f[k] = q->bad[k] ? 0 : zo_bobyqa_tame(q->f[k]);
        n_bad += q->bad[k];
    }
    if (n_bad == q->m)
        return false;
    const double stand_in = zo_bobyqa_stand_in(q);
    for (size_t k = 0; k < q->m; k++)
        q->f[k] = q->bad[k] ? stand_in : q->f[k];
    zo_bobyqa_model_start(q);
    return true;
}
