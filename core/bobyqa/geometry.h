/* The step that betters the points instead of the value: where one of them, far off, is best replaced. */
#ifndef ZO_BOBYQA_GEOMETRY_H
#define ZO_BOBYQA_GEOMETRY_H

#include "bobyqa/model.h"

typedef struct bobyqa_geometry {
    double *x;                                          /* [n] the point */
    double *other, *d, *slope, *cauchy, *curve, *omega; /* scratch: [n] x 5, [m] */
} bobyqa_geometry;

zo_status zo_bobyqa_geometry_init(bobyqa_geometry *g, size_t n, zo_error *err);
void zo_bobyqa_geometry_fini(bobyqa_geometry *g);

/* A point within delta of the best one, and in the cube, that may take the place of point k, which is another: of the
 * lines through the best point and each other one the place where the k-th Lagrange function promises the largest
 * divisor, or the step along that function's gradient if its divisor is larger. Lagrange and divisor of the model are
 * those of the point afterwards. Cost: O(n^2). */
void zo_bobyqa_geometry_step(bobyqa_geometry *g, bobyqa_model *q, size_t k, double delta);

#endif
