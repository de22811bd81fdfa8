/* The first points of a run: a start and two more on each axis. */
#ifndef ZO_BOBYQA_DESIGN_H
#define ZO_BOBYQA_DESIGN_H

#include "bobyqa/model.h"

/* The step of the first (second: false) or second point from start on one axis: step to both sides; where the cube ends
 * nearer, to its bound; where that is too near, both on the other side. Never zero, never equal; step <= 1/2. */
double zo_bobyqa_axis_step(double start, double step, bool second);

/* A point without a value (f is not finite) counts as worse than all by ten times what the others differ. */
double zo_bobyqa_stand_in(const bobyqa_model *q);
/* Make the model of its points x with values f, +inf where there is none; false if none has one. */
bool zo_bobyqa_take_design(bobyqa_model *q);

/* Values are kept within a range whose squares are numbers. */
static inline double zo_bobyqa_tame(double f)
{
    return zo_clip(f, -1e100, 1e100);
}

#endif
