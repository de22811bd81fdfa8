/* A quadratic model of the objective, fitted to the newest evaluations of a run: linear at first, with a diagonal and
 * then a full Hessian as soon as there are rows enough for its coefficients. */
#ifndef ZO_QUADRATIC_MODEL_H
#define ZO_QUADRATIC_MODEL_H

#include "quadratic/lsq.h"
#include "quadratic/rows.h"

typedef enum quad_kind { QUAD_LINEAR, QUAD_DIAGONAL, QUAD_FULL } quad_kind;

typedef struct quad_model {
    size_t n, ld;
    quad_kind kind, most; /* as of now; allowed */
    quad_rows rows;
    bool stale; /* the fit below is not of these rows */
    /* the fit: f(x) = base + unit (c0 + g't + t'Ht), x = center + M t */
    double base, unit, c0;
    double *center, *g; /* [ld] */
    zo_mat M, H;        /* [n x n] lower triangular; symmetric */
    bool skewed;        /* M is more than its diagonal */
    /* scratch */
    zo_mat F, L;                  /* [df x cap] features by row; [n x n] */
    double *y, *c, *t, *d, *work; /* [cap], [df], [ld], [ld], of eigenvalues */
    double *values[2];            /* [cap] of rows: told, model's */
    int *iwork;
    uint32_t *by; /* [cap] */
    quad_lsq lsq;
} quad_model;

size_t zo_quad_df(quad_kind kind, size_t n); /* coefficients */

/* Empty. most: the richest kind. Keeps the newest 2 df rows, df of that kind. */
zo_status zo_quad_model_init(quad_model *m, size_t n, quad_kind most, zo_error *err);
void zo_quad_model_fini(quad_model *m);
/* Room to keep that many rows; what is there stays. On ZO_ENOMEM nothing has changed. */
zo_status zo_quad_model_reserve(quad_model *m, size_t rows, zo_error *err);
/* Keep the newest rows, at least 2 df, for which there is room. */
void zo_quad_model_keep(quad_model *m, size_t rows);
void zo_quad_model_start(quad_model *m); /* empty and linear again */
/* x [n] is the newest row; false, and nothing has changed, if a row has this very x. f is finite. */
bool zo_quad_model_add(quad_model *m, const double *x, double f);
void zo_quad_model_sort(quad_model *m, size_t k); /* the newest k rows, best first */

/* These fit first if rows have changed: O(rows df^2). */
/* Model at x [n], and that less the best row's value, so that differences keep their digits; 0 without rows. O(n^2). */
double zo_quad_model_predict(quad_model *m, const double *x);
double zo_quad_model_value(quad_model *m, const double *x);
/* Kendall's tau-b between told and model's values of the newest k rows, 0 if there are less than 3. */
double zo_quad_model_tau(quad_model *m, size_t k);
/* x [n]: where the gradient vanishes, the nearest such point to the best row if there are many; of a linear model one
 * far down the slope. False: there is none. */
bool zo_quad_model_stationary(quad_model *m, double *x);
void zo_quad_model_visit(quad_model *m, zo_visit *v);

#endif
