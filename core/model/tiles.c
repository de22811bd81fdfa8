/* The operations are written once, in tiles_body.inc, and compiled for each width of registers. The choice between them
 * is made here, by hand: the resolvers behind target_clones run before the sanitizers are ready. */
#include "model/tiles.h"

#include <float.h>
#include <math.h>
#include <string.h>

enum { NEAR = 16 }; /* tiles of a strip that stay in the first cache while the parts of a tile pass over them */

#define LANES 2
#define NAME(x) x##_2
#define ATTRIBUTES
#include "model/tiles_body.inc"

#ifdef __x86_64__
#define LANES 4
#define NAME(x) x##_4
#define ATTRIBUTES __attribute__((target("avx2"))) /* not "fma": no product can be fused, whatever the flags */
#include "model/tiles_body.inc"
#endif

const zo_tile_ops *zo_tile_ops_plain(void)
{
    return &ops_2;
}

const zo_tile_ops *zo_tile_ops_best(void)
{
#ifdef __x86_64__
    if (__builtin_cpu_supports("avx2"))
        return &ops_4;
#endif
    return &ops_2;
}

size_t zo_tile_factor(double *X)
{
    for (size_t p = 0; p < ZO_TILE; p++) {
        double *x = X + ZO_TILE * p;
        if (!(x[p] > 0.0 && x[p] <= DBL_MAX)) /* a NaN fails too */
            return p;
        x[p] = sqrt(x[p]);
        memset(x, 0, p * sizeof *x);
        for (size_t r = p + 1; r < ZO_TILE; r++)
            x[r] /= x[p];
        for (size_t q = p + 1; q < ZO_TILE; q++)
            for (size_t r = q; r < ZO_TILE; r++)
                X[ZO_TILE * q + r] -= x[r] * x[q];
    }
    return ZO_TILE;
}
