/* The inverse of the interpolation problem's matrix: what a point would do to it, its update, the move of its base. */
#ifndef ZO_BOBYQA_INVERSE_H
#define ZO_BOBYQA_INVERSE_H

#include "bobyqa/model.h"

/* Fill lagrange, divisor and beta for the point x: lagrange[k] is the k-th Lagrange function there, divisor[k] what the
 * update divides by if x takes the place of point k. */
void zo_bobyqa_lagrange(bobyqa_model *q, const double *x);
/* out [m] = row k of Z Z'. */
void zo_bobyqa_omega(const bobyqa_model *q, size_t k, double *out);
/* Point k goes, the one of the last zo_bobyqa_lagrange comes; divisor[k] is not zero. */
void zo_bobyqa_inverse_update(bobyqa_model *q, size_t k);
/* Move the base to the best point, so that differences from it keep their digits. */
void zo_bobyqa_rebase(bobyqa_model *q);

#endif
