/* The candidates of a generation, of which only some will be evaluated. */
#ifndef ZO_QUADRATIC_POOL_H
#define ZO_QUADRATIC_POOL_H

#include "zeroth/bundle.h"

typedef enum quad_state { QUAD_FREE, QUAD_OUT /* with a client */, QUAD_VALUED, QUAD_FAILED } quad_state;

typedef struct quad_pool {
    size_t n, size, cap;
    double *v, *x;    /* [n x cap] samples, and the points that stand for them */
    double *f;        /* [cap] of those valued, else 0 */
    double *worth;    /* [cap] scratch: model's value */
    uint32_t *by;     /* [cap] scratch: candidates in some order */
    uint8_t *state;   /* [cap] quad_state */
    uint8_t *foreign; /* [cap] is no sample, x stands for itself */
} quad_pool;

void zo_quad_pool_fini(quad_pool *q);
/* Room for cap candidates; what is there stays. On ZO_ENOMEM nothing has changed. */
zo_status zo_quad_pool_reserve(quad_pool *q, size_t cap, zo_error *err);
size_t zo_quad_pool_count(const quad_pool *q, quad_state state);
/* Of those that are free, the one of least worth, the first if there are several; SIZE_MAX: none is free. */
size_t zo_quad_pool_best_free(const quad_pool *q);
/* by = all candidates, those that failed last, the others by worth; equal ones stay in order. */
void zo_quad_pool_rank(quad_pool *q);
void zo_quad_pool_visit(quad_pool *q, zo_visit *v); /* when loading, there is room for all */

#endif
