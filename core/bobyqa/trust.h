/* The step that a trust region method takes: the model's least value, about, within a distance and the cube. */
#ifndef ZO_BOBYQA_TRUST_H
#define ZO_BOBYQA_TRUST_H

#include "bobyqa/model.h"

typedef struct bobyqa_trust {
    double *x, *d;     /* [n] the point, and its difference from the best one */
    double *slope;     /* [n] the model's gradient at x */
    double length;     /* of d */
    double gain;       /* of the model at x, >= 0 */
    double least_bend; /* of the model along the directions taken; 0: the distance ended the step, or it is not known */
    /* scratch */
    double *s, *hs, *hd; /* [n] */
    uint8_t *held;       /* [n] at a bound: +1 low, +2 high */
} bobyqa_trust;

zo_status zo_bobyqa_trust_init(bobyqa_trust *t, size_t n, zo_error *err);
void zo_bobyqa_trust_fini(bobyqa_trust *t);

/* Truncated conjugate gradients in the free coordinates; a step that meets a bound holds it there and starts anew; one
 * that meets the sphere goes on along it, in planes of the step and the gradient, while that pays. Cost: O(n^2) an
 * iteration, at most 10 n of them. */
void zo_bobyqa_trust_step(bobyqa_trust *t, const bobyqa_model *q, double delta);

#endif
