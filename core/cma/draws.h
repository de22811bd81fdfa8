/* The normal numbers behind the samples of CMA-ES: each vector by itself, in pairs z and -z, or in blocks of orthogonal
 * ones whose lengths are those of independent vectors. Pairs and blocks spread a small population more evenly. Source:
 * "Mirrored Sampling and Sequential Selection for Evolution Strategies", Brockhoff, Auger, Hansen, Arnold and Hohm,
 * PPSN 2010, doi:10.1007/978-3-642-15844-5_2; "Mirrored Orthogonal Sampling with Pairwise Selection in Evolution
 * Strategies", Wang, Emmerich and Back, SAC 2014, doi:10.1145/2554850.2555089. */
#ifndef ZO_CMA_DRAWS_H
#define ZO_CMA_DRAWS_H

#include "zeroth/bundle.h"
#include "zeroth/linalg.h"
#include "zeroth/rng.h"

typedef enum cma_draw_rule { CMA_DRAW_INDEPENDENT, CMA_DRAW_MIRRORED, CMA_DRAW_ORTHOGONAL } cma_draw_rule;
enum { CMA_DRAW_BLOCK = 64 }; /* vectors of a block at most */

typedef struct cma_draws {
    cma_draw_rule rule;
    size_t n, size, at; /* entries of a vector; vectors in the block, and how many of them are used */
    zo_mat Z;           /* [n x cap] the block; of a pair, the first */
} cma_draws;

zo_status zo_cma_draws_init(cma_draws *d, cma_draw_rule rule, size_t n, zo_error *err);
void zo_cma_draws_fini(cma_draws *d);
void zo_cma_draws_start(cma_draws *d); /* forget what is left of the block */
/* The next vector z [n]; blocks are as large as the population. */
void zo_cma_draws_next(cma_draws *d, zo_rng *rng, size_t lambda, double *z);
void zo_cma_draws_visit(cma_draws *d, zo_visit *v);

#endif
