/* See draws.h. */
#include "cma/draws.h"

#include <math.h>
#include <string.h>

static const double largest = 64; /* no normal number of 53 bits is as large */

zo_status zo_cma_draws_init(cma_draws *d, cma_draw_rule rule, size_t n, zo_error *err)
{
    const size_t block = n < CMA_DRAW_BLOCK ? n : CMA_DRAW_BLOCK, cap = rule == CMA_DRAW_MIRRORED ? 1 : block;

    *d = (cma_draws){.rule = rule, .n = n};
    return rule == CMA_DRAW_INDEPENDENT || n == 0 ? ZO_OK : zo_mat_init(&d->Z, n, cap, err);
}

void zo_cma_draws_fini(cma_draws *d)
{
    zo_mat_fini(&d->Z);
}

void zo_cma_draws_start(cma_draws *d)
{
    d->size = d->at = 0;
}

static double *vector(const cma_draws *d, size_t k)
{
    return d->Z.a + k * d->Z.ld;
}

/* Gram and Schmidt, twice over, which is enough for all digits; then the old length. */
static void orthogonalise(cma_draws *d, size_t k)
{
    double *z = vector(d, k);
    const double length = sqrt(zo_dot(d->n, z, z));

    for (int pass = 0; pass < 2; pass++)
        for (size_t j = 0; j < k; j++) {
            const double *q = vector(d, j), part = zo_dot(d->n, q, z) / zo_dot(d->n, q, q);
            for (size_t i = 0; i < d->n; i++)
                z[i] -= part * q[i];
        }
    const double left = sqrt(zo_dot(d->n, z, z));
    for (size_t i = 0; i < d->n; i++)
        z[i] *= left > 0 ? length / left : 0;
}

static void draw_block(cma_draws *d, zo_rng *rng, size_t lambda)
{
    const size_t most = d->Z.cols;

    d->size = lambda < most ? lambda : most;
    d->at = 0;
    for (size_t k = 0; k < d->size; k++) {
        zo_rng_normals(rng, d->n, vector(d, k));
        orthogonalise(d, k);
    }
}

void zo_cma_draws_next(cma_draws *d, zo_rng *rng, size_t lambda, double *z)
{
    if (d->rule == CMA_DRAW_INDEPENDENT || d->n == 0) {
        zo_rng_normals(rng, d->n, z);
        return;
    }
    if (d->rule == CMA_DRAW_MIRRORED && d->size == 1) {
        for (size_t i = 0; i < d->n; i++)
            z[i] = -vector(d, 0)[i];
        zo_cma_draws_start(d);
        return;
    }
    if (d->at == d->size)
        draw_block(d, rng, lambda > 0 ? lambda : 1);
    memcpy(z, vector(d, d->at++), d->n * sizeof *z);
}

void zo_cma_draws_visit(cma_draws *d, zo_visit *v)
{
    if (d->rule == CMA_DRAW_INDEPENDENT || d->n == 0)
        return;
    zo_visit_count(v, "draws.size", &d->size, d->Z.cols);
    zo_visit_count(v, "draws.at", &d->at, d->size);
    zo_visit_require(v, "draws.at", d->rule != CMA_DRAW_MIRRORED || d->at == d->size);
    if (v->status == ZO_OK)
        zo_visit_f64_within(v, "draws.z", d->Z.a, d->size * d->Z.ld, -largest, largest);
}
