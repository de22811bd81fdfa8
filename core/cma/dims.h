/* The dimensions of the unit cube as CMA-ES sees them: coordinates of a Gaussian, and choices. */
#ifndef ZO_CMA_DIMS_H
#define ZO_CMA_DIMS_H

#include "cma/choices.h"
#include "cma/generation.h"
#include "cma/levels.h"
#include "zeroth/solver.h"

typedef enum cma_role { CMA_FIXED, CMA_REAL, CMA_LEVEL, CMA_CHOICE } cma_role;

typedef struct cma_dims {
    const zo_dim *dims; /* [n] lent */
    bool linear;        /* linear constraints move points */
    size_t n, n_gauss, n_levels, n_choices;
    uint8_t *role;    /* [n] cma_role */
    size_t *where;    /* [n] coordinate of the Gaussian, or index among the choices */
    uint8_t *is_real; /* [n_gauss] */
    double share;     /* of levels and choices among all that is searched */
} cma_dims;

size_t zo_cma_dims_gauss(const zo_problem *p); /* coordinates of the Gaussian */
/* Two levels have no order to speak of: they are a choice. One is fixed. */
zo_status zo_cma_dims_init(cma_dims *d, const zo_problem *p, zo_error *err);
void zo_cma_dims_fini(cma_dims *d);
zo_status zo_cma_dims_discrete(const cma_dims *d, cma_levels *l, cma_choices *c, zo_error *err); /* initialises both */
/* Mean m [n_gauss] at the point x, off the bounds. */
void zo_cma_dims_mean(const cma_dims *d, const double *x, double *m);
/* Sample v [n_gauss], chosen [n_choices] to the point x [n] that is evaluated for it. */
void zo_cma_dims_write(const cma_dims *d, const double *v, const uint32_t *chosen, double *x);
/* The point x that was evaluated to v and chosen, with p's distance off. sample [n_gauss], or NULL: what was drawn for
 * it, which v is wherever it still stands for x; where it does not, p is stale. */
void zo_cma_dims_read(const cma_dims *d, const double *x, const double *sample, double *v, uint32_t *chosen,
                      cma_point *p);

#endif
