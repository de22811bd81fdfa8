/* The search distribution N(m, sigma^2 A C A) of CMA-ES: sampling, the update from a ranked generation, the
 * eigendecomposition. C is a full matrix, its diagonal, or a diagonal with a few directions. A is a diagonal that
 * levels (levels.h) keep wide; elsewhere it is 1. */
#ifndef ZO_CMA_GAUSS_H
#define ZO_CMA_GAUSS_H

#include "zeroth/linalg.h"
#include "zeroth/bundle.h"
#include "zeroth/rng.h"
#include "cma/low_rank.h"
#include "cma/params.h"

#define CMA_FARTHEST 1e6 /* that a mean or sample may be from the unit cube */

typedef struct cma_gauss {
    size_t n, ld;
    cma_shape shape;
    double sigma, sigma0;
    double *m, *A, *p_sigma, *p_c, *D; /* [ld], zero beyond n; C = B diag(D)^2 B' as of g_eigen */
    double *z, *y, *u;                 /* [ld] scratch */
    zo_mat C, B, T; /* [n x n]; of C the lower triangle; T = B diag(D). Not full: C is the diagonal [n x 1], no B, T */
    cma_low_rank low;
    double *work;
    int *iwork;
    uint64_t g, g_eigen; /* generation; the one of B and D */
    bool new_paths; /* account for paths that have not filled yet, as it takes where lambda changes: then these are */
    double filled_sigma, filled_c; /* the mean squares of p_sigma and p_c under random ranking, which begin at 0 */
    uint64_t n_resets;             /* C given up because arithmetic failed */
} cma_gauss;

zo_status zo_cma_gauss_init(cma_gauss *g, size_t n, cma_shape shape, zo_error *err);
void zo_cma_gauss_fini(cma_gauss *g);
/* Room for updates of mu steps. On ZO_ENOMEM nothing has changed. */
zo_status zo_cma_gauss_reserve(cma_gauss *g, size_t mu, zo_error *err);
/* Begin at g->m, which the caller wrote: C = I, A = 1, paths and counters 0. */
void zo_cma_gauss_start(cma_gauss *g, double sigma);
static inline double zo_cma_variance(const cma_gauss *g, size_t i) /* C_ii */
{
    return g->C.a[g->shape == CMA_FULL ? i + i * g->C.ld : i];
}
double zo_cma_deviation(const cma_gauss *g, size_t i); /* sigma A_i sqrt(C_ii) */
/* v [n]: one sample. */
void zo_cma_gauss_sample(cma_gauss *g, zo_rng *rng, double *v);
void zo_cma_gauss_color(cma_gauss *g, double *v); /* the sample v that the normal numbers g->z [n] make */
/* y [ld] = (v - m) / (sigma A), zero beyond n. */
void zo_cma_gauss_step(const cma_gauss *g, const double *v, double *y);
/* u [ld] = D^-1 B' y, whose length is the Mahalanobis length of y. */
void zo_cma_gauss_whiten(const cma_gauss *g, const double *y, double *u);
void zo_cma_gauss_whiten_all(const cma_gauss *g, const zo_mat *Y, zo_mat *U); /* column by column */
/* One generation. Y [n x lambda]: steps by rank, best first; U: the same, whitened. w [lambda]: the weights by rank, of
 * which some negative ones may be 0; scratch [lambda]. Y is used up. */
void zo_cma_gauss_update(cma_gauss *g, const cma_params *p, zo_mat *Y, const zo_mat *U, const double *w,
                         double *scratch);
/* B and D of today's C, if those in use are old enough. */
void zo_cma_gauss_decompose(cma_gauss *g, const cma_params *p);
void zo_cma_gauss_limit(cma_gauss *g,
                        double widest); /* of the coordinates' deviations, without A: sigma shrinks to it */
void zo_cma_gauss_keep(cma_gauss *g, double narrowest); /* of the axes' deviations: sigma grows to it */
/* False: arithmetic has failed, the mean or a scale is beyond all that a search of the unit cube comes to. */
bool zo_cma_gauss_is_sound(const cma_gauss *g);
void zo_cma_gauss_visit(cma_gauss *g, zo_visit *v);

#endif
