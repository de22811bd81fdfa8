/* The newest evaluations of a run, newest first: what a model is fitted to. */
#ifndef ZO_QUADRATIC_ROWS_H
#define ZO_QUADRATIC_ROWS_H

#include "zeroth/bundle.h"
#include "zeroth/linalg.h"

typedef struct quad_rows {
    size_t n, ld;
    size_t size, most, cap; /* rows; as many as are kept; as there is room for */
    double *x, *f;          /* [ld x cap], [cap], in slots */
    uint32_t *order;        /* [cap] slots, newest row first; the free ones after them */
    uint32_t *scratch;      /* [cap] of sorting */
} quad_rows;

zo_status zo_quad_rows_init(quad_rows *r, size_t n, size_t cap, zo_error *err);
void zo_quad_rows_fini(quad_rows *r);
/* Room for cap rows. On ZO_ENOMEM nothing has changed. */
zo_status zo_quad_rows_reserve(quad_rows *r, size_t cap, zo_error *err);
void zo_quad_rows_clear(quad_rows *r);
/* From now on keep the newest most rows, for which there is room; true: others are gone. */
bool zo_quad_rows_keep(quad_rows *r, size_t most);
static inline const double *zo_quad_row(const quad_rows *r, size_t i) /* [ld], zero beyond n */
{
    return r->x + r->order[i] * r->ld;
}
static inline double zo_quad_row_f(const quad_rows *r, size_t i)
{
    return r->f[r->order[i]];
}
/* x [n] becomes the newest row and may push out the oldest; f is finite. False: a row has this very x. */
bool zo_quad_rows_add(quad_rows *r, const double *x, double f);
/* The newest k rows by value, best first; equal ones stay in order. Has that moved any? */
bool zo_quad_rows_sort(quad_rows *r, size_t k);
/* by [size]: the slots of all rows, best value first; equal ones newest first. */
void zo_quad_rows_rank(const quad_rows *r, uint32_t *by);
void zo_quad_rows_visit(quad_rows *r, zo_visit *v);

#endif
