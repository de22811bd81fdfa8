/* The simplex of linear interpolation: n+1 vertices with the values there, the inverse of its edges, and the linear
 * models of the objective and of each constraint through them. */
#ifndef ZO_COBYLA_SIMPLEX_H
#define ZO_COBYLA_SIMPLEX_H

#include "zeroth/solver.h"

typedef struct cobyla_simplex {
    size_t n, m;
    double *x;       /* [n+1][n] vertices; the last is the base, the edges lead from it to the others */
    double *f;       /* [n+1] */
    double *c;       /* [n+1][m] constraints, <= 0 where they hold */
    double *v;       /* [n+1] greatest violation, >= 0 */
    double *inverse; /* [n][n] row j: its product with edge j is 1, with the others 0 */
    double *sigma;   /* [n] distance of vertex j from the face opposite to it */
    double *eta;     /* [n] length of edge j */
    double *g, *A;   /* [n], [m][n] gradients of the models */
    double *edges;   /* [n][n] scratch */
} cobyla_simplex;

zo_status zo_cobyla_simplex_init(cobyla_simplex *s, size_t n, size_t m, zo_error *err);
void zo_cobyla_simplex_fini(cobyla_simplex *s);
void zo_cobyla_simplex_visit(cobyla_simplex *s, zo_visit *v);

static inline double *zo_cobyla_vertex(const cobyla_simplex *s, size_t j)
{
    return s->x + j * s->n;
}
/* Write vertex j and its values; the inverse is not touched. */
void zo_cobyla_simplex_set(cobyla_simplex *s, size_t j, const double *x, double f, const double *c);
/* The inverse from the edges, O(n^3); false if they are dependent. */
bool zo_cobyla_simplex_invert(cobyla_simplex *s);
/* Has rounding spoiled the inverse? O(n^2). */
bool zo_cobyla_simplex_is_spoiled(cobyla_simplex *s);
/* Make vertex j the base, and the base vertex j. O(n^2) */
void zo_cobyla_simplex_rebase(cobyla_simplex *s, size_t j);
/* y [n]: the inverse times d, the share of each edge in it. */
void zo_cobyla_simplex_shares(const cobyla_simplex *s, const double *d, double *y);
/* Move vertex j to x = base + d, d having the given shares; keeps the inverse up to date. share j must not vanish.
 * O(n^2) */
void zo_cobyla_simplex_move(cobyla_simplex *s, size_t j, const double *x, double f, const double *c, double *shares);
/* sigma and eta; true if no sigma is below alpha rho and no eta above beta rho. */
bool zo_cobyla_simplex_measure(cobyla_simplex *s, double low, double high);
/* g and A. O(n^2 m) */
void zo_cobyla_simplex_models(cobyla_simplex *s);

#endif
