/* Linear least squares, by the normal equations where they are good enough, else by an orthogonal method. */
#ifndef ZO_QUADRATIC_LSQ_H
#define ZO_QUADRATIC_LSQ_H

#include "zeroth/linalg.h"

typedef struct quad_lsq {
    size_t cap_rows, cap_cols;
    zo_mat N;                /* [cap_cols x cap_cols] normal matrix, then its factor */
    zo_mat A;                /* [max(rows, cols) x cap_cols] of the orthogonal method */
    double *scale, *b, *res; /* [cap_cols], [max(rows, cols)], [cap_rows] */
    double *work;
    size_t n_work;
    int *pivot;
} quad_lsq;

zo_status zo_quad_lsq_init(quad_lsq *q, size_t cap_rows, size_t cap_cols, zo_error *err);
void zo_quad_lsq_fini(quad_lsq *q);
/* c [cols] minimises |F'c - y|, for F [cols x rows] (a column for each equation) and y [rows]; the shortest c, in units
 * of the coefficients' own scales, if many do. Returns false, with c = 0, when arithmetic fails.
 * Cost: cols^2 rows flops, several times that where the columns are nearly dependent. */
bool zo_quad_lsq_solve(quad_lsq *q, const zo_mat *F, const double *y, double *c);

#endif
