/* Which point of the model a new one should take the place of. */
#ifndef ZO_BOBYQA_EXCHANGE_H
#define ZO_BOBYQA_EXCHANGE_H

#include "bobyqa/model.h"

/* The point that x should replace, after zo_bobyqa_lagrange; m: none, x serves the model less than any other. better: x
 * is to be the best. Far points go first. */
size_t zo_bobyqa_choose_drop(const bobyqa_model *q, const double *x, bool better, double rho);
/* Has the inverse kept the digits that the point of the last zo_bobyqa_lagrange needs? */
bool zo_bobyqa_is_safe(const bobyqa_model *q);
/* A point beside the plan, with its value: into the model if it serves it. */
void zo_bobyqa_absorb(bobyqa_model *q, const double *x, double f, double rho);

/* The point at place j in the order of distance from the best, farthest first, of equals the earlier; j < m - 1. */
size_t zo_bobyqa_farthest(const bobyqa_model *q, size_t j, double *distance);

/* Is the slope of the model without memory so much shorter that what the model remembers must mislead it? */
bool zo_bobyqa_memory_misleads(bobyqa_model *q);

#endif
