/* Unordered choices: an independent categorical distribution for each, moved along the natural gradient with an
 * adaptive step. */
#ifndef ZO_CMA_CHOICES_H
#define ZO_CMA_CHOICES_H

#include "zeroth/bundle.h"
#include "zeroth/rng.h"

typedef struct cma_choices {
    size_t n, n_q;       /* categories; all their choices together */
    size_t *first;       /* [n+1] where the probabilities of each begin */
    double *q;           /* [n_q] probabilities */
    double *s;           /* [n_q] path of the natural gradient; 0 at the last choice of each, as v */
    double *G, *v;       /* [n_q] scratch: gradient, natural gradient */
    double alpha;        /* a choice other than the most likely one keeps alpha/(K-1) */
    double delta, gamma; /* inverse step; how far the path has filled */
} cma_choices;

/* Room for n categories of count[i] >= 2 choices; the caller sets alpha. */
zo_status zo_cma_choices_init(cma_choices *c, size_t n, const size_t *count, zo_error *err);
void zo_cma_choices_fini(cma_choices *c);
void zo_cma_choices_start(cma_choices *c);
void zo_cma_choices_sample(const cma_choices *c, zo_rng *rng, uint32_t *chosen); /* chosen [n] */
/* best[k][n]: what the mu selected chose; w their weights, of sum 1. */
void zo_cma_choices_update(cma_choices *c, const uint32_t *const *best, const double *w, size_t mu);
bool zo_cma_choices_valid(const cma_choices *c, const uint32_t *chosen, size_t n_points); /* chosen [n_points][n] */
void zo_cma_choices_visit(cma_choices *c, zo_visit *v);

#endif
