/* See exchange.h. The weight of distance, its fourth power, is that of PRIMA. */
#include "bobyqa/exchange.h"

#include <math.h>
#include <string.h>

#include "bobyqa/inverse.h"

static double weight(double distance2, double rho)
{
    const double far = fmax(1, distance2 / (rho * rho));

    return far * far * (far * far);
}

size_t zo_bobyqa_choose_drop(const bobyqa_model *q, const double *x, bool better, double rho)
{
    const double *center = better ? x : zo_bobyqa_best(q);
    double most = better ? 0 : 1;
    size_t drop = q->m;

    for (size_t k = 0; k < q->m; k++) {
        if (k == q->best && !better)
            continue;
        const double score = q->divisor[k] * weight(zo_bobyqa_distance2(q, k, center), rho);
        if (score > most) {
            most = score;
            drop = k;
        }
    }
    return drop;
}

bool zo_bobyqa_is_safe(const bobyqa_model *q)
{
    double largest = 0, divisor = 0;

    for (size_t k = 0; k < q->m; k++) {
        largest = fmax(largest, q->lagrange[k] * q->lagrange[k]);
        divisor = fmax(divisor, q->divisor[k]);
    }
    return divisor > 0.5 * largest;
}

void zo_bobyqa_absorb(bobyqa_model *q, const double *x, double f, double rho)
{
    const double *best = zo_bobyqa_best(q), f_best = q->f[q->best];
    double *d = q->scratch; /* zo_bobyqa_change needs none */

    for (size_t j = 0; j < q->n; j++)
        d[j] = x[j] - best[j];
    const double surprise = f - f_best - zo_bobyqa_change(q, d);
    zo_bobyqa_lagrange(q, x);
    const size_t k = zo_bobyqa_choose_drop(q, x, f < f_best, rho);
    if (k < q->m && zo_bobyqa_is_safe(q))
        zo_bobyqa_replace(q, k, x, f, false, surprise);
}

size_t zo_bobyqa_farthest(const bobyqa_model *q, size_t j, double *distance)
{
    double *distance2 = q->scratch;
    size_t far = 0;

    for (size_t k = 0; k < q->m; k++)
        distance2[k] = k == q->best ? -1 : zo_bobyqa_distance2(q, k, zo_bobyqa_best(q));
    for (size_t i = 0; i <= j; i++) {
        if (i > 0)
            distance2[far] = -1;
        far = 0;
        for (size_t k = 1; k < q->m; k++)
            far = distance2[k] > distance2[far] ? k : far;
    }
    *distance = sqrt(distance2[far]);
    return far;
}

static double inward2(const bobyqa_model *q, const double *slope)
{
    const double *best = zo_bobyqa_best(q);
    double sum = 0;

    for (size_t j = 0; j < q->n; j++)
        if (!(best[j] <= 0 && slope[j] > 0) && !(best[j] >= 1 && slope[j] < 0))
            sum += slope[j] * slope[j];
    return sum;
}

bool zo_bobyqa_memory_misleads(bobyqa_model *q)
{
    zo_bobyqa_forgetful(q);
    return inward2(q, q->g) >= 10 * inward2(q, q->own_g);
}
