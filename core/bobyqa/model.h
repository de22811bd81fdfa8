/* The quadratic model of BOBYQA: through m = 2n+1 points, and of all such quadratics the one whose second derivatives
 * changed least (Frobenius norm) when the last point came in.
 *     Q(x) = f_best + g'd + d'(H + sum_k q_k z_k z_k')d / 2,   d = x - x_best,   z_k = x_k - base
 * The inverse of the interpolation problem's matrix is kept as Powell does: the rows of the points and of the
 * coordinates in B, the block of the points among themselves as Z Z'.
 * Sources: "The BOBYQA algorithm for bound constrained optimization without derivatives", Powell, DAMTP 2009/NA06;
 *          "Least Frobenius norm updating of quadratic models that satisfy interpolation conditions", Powell,
 *          Mathematical Programming 100, 2004, doi:10.1007/s10107-003-0490-7. */
#ifndef ZO_BOBYQA_MODEL_H
#define ZO_BOBYQA_MODEL_H

#include "zeroth/bundle.h"

typedef struct bobyqa_model {
    size_t n, m, best;
    double *base; /* [n] */
    double *x;    /* [m][n] the points, as evaluated */
    double *z;    /* [m][n] x - base */
    double *f;    /* [m] */
    uint8_t *bad; /* [m] the point has no value: f stands in for one */
    double *B;    /* [m + n][n] */
    double *Z;    /* [n][m], a column of the paper's a row here */
    double *g;    /* [n] */
    double *H;    /* [n][n] */
    double *q;    /* [m] */
    /* For a point that may come in, by zo_bobyqa_lagrange: the values of the Lagrange functions there, and what the
     * inverse's update would be divided by. Like scratch, not part of the state. */
    double *lagrange; /* [m + n] */
    double *divisor;  /* [m] */
    double beta;
    double *own_g, *own_q; /* [n], [m] of zo_bobyqa_forgetful */
    double *scratch;       /* [2 m + 4 n] */
} bobyqa_model;

zo_status zo_bobyqa_model_init(bobyqa_model *q, size_t n, zo_error *err);
void zo_bobyqa_model_fini(bobyqa_model *q);

/* The model through 2n+1 points: x0 = x[0] and on axis i two more, 1+i and 1+n+i, that differ from it by their steps on
 * that axis alone; x, f and bad are set by the caller, base is set to x0. The steps are not zero and not equal. */
void zo_bobyqa_model_start(bobyqa_model *q);

/* out = the model's second derivatives times v; not v itself. */
void zo_bobyqa_curve(const bobyqa_model *q, const double *v, double *out);
/* Q(x_best + d) - f_best. */
double zo_bobyqa_change(const bobyqa_model *q, const double *d);
/* Second derivative along axis i. */
double zo_bobyqa_bend(const bobyqa_model *q, size_t i);

static inline const double *zo_bobyqa_best(const bobyqa_model *q)
{
    return q->x + q->best * q->n;
}

/* x with the value f takes the place of point k; zo_bobyqa_lagrange was called for x. A value better than all becomes
 * the best. surprise: f less what the model said. */
void zo_bobyqa_replace(bobyqa_model *q, size_t k, const double *x, double f, bool bad, double surprise);

/* The interpolant with the least second derivatives of its own, without memory of earlier models: its gradient at the
 * best point and its q (its H is zero) go to own_g and own_q. zo_bobyqa_forget makes it the model. */
void zo_bobyqa_forgetful(bobyqa_model *q);
void zo_bobyqa_forget(bobyqa_model *q);

/* Distance of point k from x, squared. */
double zo_bobyqa_distance2(const bobyqa_model *q, size_t k, const double *x);
bool zo_bobyqa_is_sound(const bobyqa_model *q); /* all numbers are finite */
void zo_bobyqa_model_visit(bobyqa_model *q, zo_visit *v);

/* x_best + d, put into the unit cube; bounds are met exactly. */
void zo_bobyqa_place(const bobyqa_model *q, const double *d, double *x);

#endif
