/* Arithmetic on tiles of eight by eight doubles whose bits are the same on every processor: each element has its
 * products subtracted one by one in a stated order, a multiplication and a subtraction each (never fused), and one
 * division. Wider registers only hold more elements at a time.
 *
 * A tile is 64 doubles, column by column: (r,c) at 8 c + r. A strip is eight rows of a matrix cut into tiles, left to
 * right: (r,k) at 8 k + r. All tiles are 64-byte aligned. */
#ifndef ZO_MODEL_TILES_H
#define ZO_MODEL_TILES_H

#include "zeroth/base.h"

enum { ZO_TILE = 8, ZO_TILE_DOUBLES = 64 };

/* One set of functions for each width of registers. Nothing overlaps, unless said. */
typedef struct zo_tile_ops {
    /* C -= A B', with A and B strips of n tiles: (r,c) loses a(r,k) b(c,k) for k ascending. A may be B. */
    void (*subtract)(const double *A, const double *B, size_t n, double *C);
    /* X <- X inv(L'), the lower triangle of L read: column p is divided by l(p,p) once columns 0 to p - 1 have been
     * taken off. */
    void (*divide)(const double *L, double *X);
    /* Each of the n tiles C of a strip -= X times the tile of B below it: (r,c) loses x(r,k) b(k,c) for k descending.
     */
    void (*subtract_rows)(const double *X, const double *B, size_t n, double *C);
    /* X <- X inv(L): column p is divided once columns 7 down to p + 1 have been taken off. */
    void (*divide_rows)(const double *L, double *X);
} zo_tile_ops;

/* Vectors of two doubles, which every x86-64 has. */
const zo_tile_ops *zo_tile_ops_plain(void);
/* The widest this processor can use. */
const zo_tile_ops *zo_tile_ops_best(void);

/* X <- its lower Cholesky factor, zero above the diagonal. ZO_TILE, or the index of the first pivot that is not a
 * positive finite number: X is then undefined. */
size_t zo_tile_factor(double *X);

#endif
