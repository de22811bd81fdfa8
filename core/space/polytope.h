/* The polytope of the linear constraints, shared by linear*.c.
 *
 * Its n variables are the parameters that occur in a constraint, reals first, then those on a grid of levels. Each is
 * scaled to x = (value - low) / (high - low) in [0,1]; level k of L is x = k/(L-1). Rows are A x <= b or A x = b, each
 * of unit length. */
#ifndef ZO_POLYTOPE_H
#define ZO_POLYTOPE_H

#include "space/space_private.h"

enum {
    MAX_VARIABLES = 2000, /* parameters in linear constraints: vectors of so many are on the stack */
    MAX_TIED = 160,       /* parameters with levels in equations */
};

struct polytope {
    size_t n, n_real, m;
    const struct domain **domain; /* [n] */
    size_t *dim;                  /* [n] coordinate in the natural vector */
    double *rows, *cols;          /* A, [m][n] and [n][m] */
    double *b;
    bool *equal;
    double *real_norm; /* [m] length of the row's real part */
    /* the same in natural units: coef v <= rhs + slop; slop 0 where the arithmetic is exact */
    double *coef, *rhs, *slop;
    size_t *spec; /* [m] number of the constraint it came from */
    /* the equations, orthonormal in their real parts: Q x_real + W x_grid = q; and what they say of the grid alone */
    size_t n_q;
    double *Q, *W, *q; /* [n_q][n_real], [n_q][n - n_real], [n_q] */
    bool *tied;        /* [n] occurs in an equation */
    /* Directions that keep the equations and move tied levels by whole steps, reals giving way: [n_moves][n] */
    size_t n_moves;
    double *moves;
    double *planes;   /* [n_moves][n] their grid parts made orthogonal, for rounding to the lattice */
    double *origin;   /* [n] tied levels that the equations allow, not always within bounds */
    double *centre;   /* [n] feasible, inside where there is an inside */
    double *centre_v; /* [n] the same in natural units */
};

/* A linear program's only question here: is there an x with low <= x <= high and A x <= b - shrink * real_norm (= b in
 * equations)? linear_lp.c */
struct lp;
struct lp *lp_new(const struct polytope *p); /* NULL: out of memory */
void lp_free(struct lp *lp);
bool lp_feasible(struct lp *lp, const double *low, const double *high, double shrink, double *x);
/* A feasible point whose grid variables are on levels, as far inside as is easily had. False: none was found, and
 * *proved_out tells whether there is none. Looks at a bounded number of cases. */
bool lp_find_point(struct lp *lp, double *x, bool *proved_out);

/* linear_equations.c: fills Q, W, q and moves. ZO_EINVAL: the equations have no solution in whole levels. */
zo_status equations_init(struct polytope *p, zo_arena *arena, zo_error *err);
/* Shift the reals of x, the least, so that the equations hold. */
void equations_restore(const struct polytope *p, double *x);
/* The tied levels of x become ones, near by, that the equations allow. */
void equations_round(const struct polytope *p, double *x);

/* linear_nearest.c: x, feasible, becomes the nearest feasible point to target if a bounded search can tell; `settle`
 * finds the reals nearest to the target for x's levels, if there are any within the square root of limit2. */
typedef bool settle_fn(const struct polytope *p, const double *target, double limit2, double *x);
void nearest_levels(const struct polytope *p, const double *target, settle_fn *settle, double *x);

/* linear.c */
double polytope_value(const struct polytope *p, size_t j, double x); /* natural; snaps to the level */
double polytope_scaled(const struct polytope *p, size_t j, double v);
double polytope_level_count(const struct polytope *p, size_t j); /* L - 1: steps between 0 and 1 */
/* v: natural values of its variables, [n]. share: of the slop of a client's point that is allowed. */
bool polytope_holds(const struct polytope *p, const double *v, double share);
void polytope_slack(const struct polytope *p, const double *x, double *slack); /* b - A x, [m] */
/* A direction, by what is not zero in it. */
struct direction {
    size_t n;
    size_t *at;
    double *by;
};
/* The interval of t for which x + t d keeps the bounds and inequalities; slack as above. Always holds 0. g [m]: A d
 * out. */
struct chord {
    double low, high;
};
struct chord polytope_chord(const struct polytope *p, const double *x, const double *slack, const struct direction *d,
                            double *g);
/* x += t d, clipped, grid variables rounded to their levels. */
void polytope_move(const struct polytope *p, double *x, const struct direction *d, double t);

#endif
