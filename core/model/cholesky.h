/* Cholesky factors, triangular solves and what follows from them, with the same bits on every x86-64 processor: no
 * BLAS, no libm but sqrt (which IEEE 754 rounds correctly), and for every element one stated order of operations. */
#ifndef ZO_MODEL_CHOLESKY_H
#define ZO_MODEL_CHOLESKY_H

#include "model/tiles.h"
#include "zeroth/linalg.h"
#include "zeroth/team.h"

/* A lower Cholesky factor, A + ridge I = L L', and scratch for its solves, in one block of zo_fixed_factor_bytes(n).
 * The solves write to the scratch: one thread at a time. */
typedef struct zo_fixed_factor {
    size_t n;
    double *tiles;   /* the lower triangle in strips of eight rows, one after the other (model/tiles.h) */
    double *scratch; /* right-hand sides in strips of eight */
    /* How the work is cut and who helps, set by init (nobody). No bit depends on it: tests change it. */
    const zo_tile_ops *ops;
    const zo_team *team; /* lent */
    size_t panel,
        block; /* strips: columns that are factored before the rest is updated; rows that stay in the second cache */
} zo_fixed_factor;

/* 4 n^2 + 288 n, n being rounded up to a multiple of 8: 4.3 MiB at n = 1024. */
size_t zo_fixed_factor_bytes(size_t n);
/* Allocates for matrices of n rows, n <= 2^20. ZO_ENOMEM. fini wipes the block: a factor tells of the data behind it.
 */
zo_status zo_fixed_factor_init(zo_fixed_factor *f, size_t n, zo_error *err);
void zo_fixed_factor_fini(zo_fixed_factor *f);

/* Factor A + ridge I.  A [n x n], only its lower triangle read.  n^3/3 flops, no allocation.
 * l(i,j): the products l(i,k) l(j,k) are subtracted from a(i,j) for k ascending, then it is divided by l(j,j).
 * ZO_ENUMERIC at a pivot that is not a positive finite number (the message has its index, from 0); L is then undefined.
 */
zo_status zo_fixed_cholesky(zo_fixed_factor *f, const zo_mat *A, double ridge, zo_error *err);

/* The same of a matrix that comes column by column, all of them before run: a [n - j] from the diagonal down, which the
 * factor's scratch may hold (32 n doubles). Several threads may bring columns at a time. */
void zo_fixed_factor_column(zo_fixed_factor *f, size_t j, const double *a);
zo_status zo_fixed_factor_run(zo_fixed_factor *f, zo_error *err);

/* L [n x n] out, zero above the diagonal. */
void zo_fixed_factor_lower(const zo_fixed_factor *f, zo_mat *L);

/* L [n x n], a lower factor from elsewhere. */
void zo_fixed_factor_load(zo_fixed_factor *f, const zo_mat *L);

/* X <- inv(L) X, X <- inv(L') X, and both: X <- inv(A + ridge I) X.  X [n][cols] row-major, n^2 flops a column and
 * triangle. x(i) loses l(i,k) x(k) for k ascending from 0 in the first, l(k,i) x(k) for k descending from n - 1 in the
 * second, then it is divided by l(i,i). A column's bits do not depend on the other columns. */
void zo_fixed_solve_lower(zo_fixed_factor *f, double *X, size_t cols);
void zo_fixed_solve_upper(zo_fixed_factor *f, double *X, size_t cols);
void zo_fixed_solve(zo_fixed_factor *f, double *X, size_t cols);

/* Trace of inv(A + ridge I): the sum of the squares of inv(L). n^3/3 flops. */
double zo_fixed_trace_inverse(zo_fixed_factor *f);

/* log det (A + ridge I) */
double zo_fixed_log_det(const zo_fixed_factor *f);

#endif
