/* Between points of the unit cube and what is sampled. */
#include "cma/dims.h"

#include <math.h>

static const double MOVED = 1e-9; /* more than encoding and decoding does to a coordinate */

static cma_role role_of(const zo_dim *d)
{
    if (d->kind == ZO_DIM_REAL)
        return CMA_REAL;
    if (d->levels <= 1)
        return CMA_FIXED;
    return d->kind == ZO_DIM_CATEGORY || d->levels == 2 ? CMA_CHOICE : CMA_LEVEL;
}

size_t zo_cma_dims_gauss(const zo_problem *p)
{
    size_t n = 0;

    for (size_t i = 0; i < p->n; i++)
        n += role_of(&p->dims[i]) == CMA_REAL || role_of(&p->dims[i]) == CMA_LEVEL;
    return n;
}

zo_status zo_cma_dims_init(cma_dims *d, const zo_problem *p, zo_error *err)
{
    *d = (cma_dims){.dims = p->dims, .n = p->n, .linear = p->space != NULL && zo_space_has_linear(p->space)};
    d->role = zo_calloc(p->n + 1, sizeof *d->role);
    d->where = zo_calloc(p->n + 1, sizeof *d->where);
    d->is_real = zo_calloc(p->n + 1, sizeof *d->is_real);
    if (!d->role || !d->where || !d->is_real)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < p->n; i++) {
        const cma_role role = role_of(&p->dims[i]);
        d->role[i] = (uint8_t)role;
        if (role == CMA_REAL)
            d->is_real[d->n_gauss] = 1;
        if (role == CMA_REAL || role == CMA_LEVEL)
            d->where[i] = d->n_gauss++;
        if (role == CMA_CHOICE)
            d->where[i] = d->n_choices++;
        d->n_levels += role == CMA_LEVEL;
    }
    const size_t n = d->n_gauss + d->n_choices;
    d->share = n > 0 ? (double)(d->n_levels + d->n_choices) / (double)n : 1;
    return ZO_OK;
}

void zo_cma_dims_fini(cma_dims *d)
{
    zo_free(d->role);
    zo_free(d->where);
    zo_free(d->is_real);
}

zo_status zo_cma_dims_discrete(const cma_dims *d, cma_levels *l, cma_choices *c, zo_error *err)
{
    size_t *count = zo_calloc(d->n_choices + 1, sizeof *count), at = 0;
    zo_status rc = count ? zo_cma_levels_init(l, d->n_levels, err) : zo_fail_nomem(err);

    for (size_t i = 0; i < d->n && rc == ZO_OK; i++) {
        if (d->role[i] == CMA_CHOICE)
            count[d->where[i]] = (size_t)d->dims[i].levels;
        if (d->role[i] == CMA_LEVEL) {
            l->coord[at] = d->where[i];
            l->count[at++] = (double)d->dims[i].levels;
        }
    }
    if (rc == ZO_OK)
        rc = zo_cma_choices_init(c, d->n_choices, count, err);
    if (d->n_levels + d->n_choices > 0)
        l->alpha = c->alpha = 1 - pow(0.73, 1 / (double)(d->n_levels + d->n_choices));
    zo_free(count);
    return rc;
}

void zo_cma_dims_mean(const cma_dims *d, const double *x, double *m)
{
    for (size_t i = 0; i < d->n; i++)
        if (d->role[i] == CMA_REAL || d->role[i] == CMA_LEVEL)
            m[d->where[i]] = zo_clip(x[i], 1e-3, 1 - 1e-3);
}

static double middle(double cell, double count)
{
    return (cell + 0.5) / count;
}

void zo_cma_dims_write(const cma_dims *d, const double *v, const uint32_t *chosen, double *x)
{
    for (size_t i = 0; i < d->n; i++) {
        const double count = (double)d->dims[i].levels;
        switch ((cma_role)d->role[i]) {
        case CMA_FIXED:
            x[i] = 0.5;
            break;
        case CMA_REAL:
            x[i] = zo_clip(v[d->where[i]], 0, 1);
            break;
        case CMA_LEVEL:
            x[i] = middle(zo_cma_cell(v[d->where[i]], count), count);
            break;
        case CMA_CHOICE:
            x[i] = middle(chosen[d->where[i]], count);
            break;
        }
    }
}

/* Outside a bound, or of linear constraints, the sample stays, and its distance counts. */
static double read_real(const cma_dims *d, double x, double sample, cma_point *p)
{
    const bool moved = fabs(zo_clip(sample, 0, 1) - x) >= MOVED;
    const double v = moved && !d->linear ? x : sample;

    p->stale |= moved;
    if (fabs(v - x) >= MOVED)
        p->off += (v - x) * (v - x);
    return v;
}

void zo_cma_dims_read(const cma_dims *d, const double *x, const double *sample, double *v, uint32_t *chosen,
                      cma_point *p)
{
    for (size_t i = 0; i < d->n; i++) {
        const size_t j = d->where[i];
        const double count = (double)d->dims[i].levels;
        if (d->role[i] == CMA_CHOICE) {
            chosen[j] = (uint32_t)zo_cma_cell(x[i], count);
        } else if (d->role[i] == CMA_REAL) {
            v[j] = read_real(d, x[i], sample ? sample[j] : x[i], p);
        } else if (d->role[i] == CMA_LEVEL) {
            const bool same = sample && zo_cma_cell(sample[j], count) == zo_cma_cell(x[i], count);
            v[j] = same ? sample[j] : middle(zo_cma_cell(x[i], count), count);
            p->stale |= !same;
        }
    }
}
