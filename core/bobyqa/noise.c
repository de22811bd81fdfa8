/* See noise.h. */
#include "bobyqa/noise.h"

#include <float.h>
#include <math.h>

#include "bobyqa/vector.h"

void zo_bobyqa_noise_add(bobyqa_noise *e, double variance)
{
    if (!(variance > 0 && variance < 1e200)) /* 0: the same evaluation told twice, or no noise at all */
        return;
    e->sum2 += variance;
    e->n++;
}

double zo_bobyqa_noise_sigma(const bobyqa_noise *e)
{
    return e->n > 0 ? sqrt(e->sum2 / e->n) : 0;
}

bool zo_bobyqa_noise_hides(const bobyqa_noise *e, const bobyqa_model *q, double rho)
{
    double bend = 0;

    for (size_t i = 0; i < q->n; i++)
        bend = fmax(bend, fabs(zo_bobyqa_bend(q, i)));
    return rho * (sqrt(dot(q->g, q->g, q->n)) + 0.5 * bend * rho) < zo_bobyqa_noise_sigma(e);
}

void zo_bobyqa_noise_visit(bobyqa_noise *e, zo_visit *v)
{
    zo_visit_f64_within(v, "noise2", &e->sum2, 1, 0, DBL_MAX);
    zo_visit_f64_within(v, "n_noise", &e->n, 1, 0, DBL_MAX);
}
