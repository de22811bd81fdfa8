/* The covariance D (I + V S V') D of CMA-ES in large dimensions: a diagonal and k directions beside it, whose number
 * follows need. Its determinant stays 1; all of the scale is in sigma. */
#ifndef ZO_CMA_LOW_RANK_H
#define ZO_CMA_LOW_RANK_H

#include "cma/params.h"
#include "zeroth/bundle.h"
#include "zeroth/linalg.h"

typedef struct cma_low_rank {
    size_t n, k, k_most;
    zo_mat V;    /* [n x k_most], the first k columns orthonormal or 0 */
    double *S;   /* [k_most] >= 0 */
    double *a;   /* [k_most] scratch */
    size_t cap;  /* columns of what follows, scratch of the update */
    zo_mat U, G; /* [n x cap] what is added up; [cap x cap] its Gram matrix, and eigenvectors */
    double *d, *work;
    int *iwork;
    double *before, *sum;   /* [n] variances before the update; its diagonal */
    double *axes_before;    /* [k_most] ln(1 + S) before it */
    double sigma_trend;     /* averages of change: of ln sigma, */
    double *variance_trend; /* [n] of ln C_ii, */
    double *axis_trend;     /* [k_most] of ln(1 + S) */
    uint64_t changed_at;    /* generation of the last change of k */
} cma_low_rank;

zo_status zo_cma_low_rank_init(cma_low_rank *r, size_t n, zo_error *err);
void zo_cma_low_rank_fini(cma_low_rank *r);
/* Room for updates of mu steps. On ZO_ENOMEM nothing has changed. */
zo_status zo_cma_low_rank_reserve(cma_low_rank *r, size_t mu, zo_error *err);
void zo_cma_low_rank_start(cma_low_rank *r); /* k = 0 */
/* y = D sqrt(I + V S V') z; D [n] */
void zo_cma_low_rank_color(const cma_low_rank *r, const double *D, const double *z, double *y);
/* u = (I + V S V')^-1/2 D^-1 y */
void zo_cma_low_rank_whiten(const cma_low_rank *r, const double *D, const double *y, double *u);
/* C <- decay C + c_1 p_c p_c' + c_mu sum w y y' over the mu best of Y, as near as k directions come to it. D and C [n],
 * the variances, are renewed; p_c keeps C's scale. */
void zo_cma_low_rank_update(cma_low_rank *r, const cma_params *p, double decay, const zo_mat *Y, const double *w,
                            double *p_c, double *D, double *C);
/* After the update of generation g, in which ln sigma changed by so much: another k if that has settled. */
void zo_cma_low_rank_adapt(cma_low_rank *r, const cma_params *p, double sigma_change, uint64_t g, const double *D,
                           double *C);
double zo_cma_low_rank_widest(const cma_low_rank *r); /* largest eigenvalue of I + V S V' */
bool zo_cma_low_rank_is_sound(const cma_low_rank *r);
void zo_cma_low_rank_visit(cma_low_rank *r, zo_visit *v);

#endif
