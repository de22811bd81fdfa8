/* Outcome constraints of CMA-ES as an augmented Lagrangian: a point's merit is f + sum_i gamma_i t_i + omega_i t_i^2 /
 * 2, with t_i = max(g_i, -gamma_i / omega_i) and g_i <= 0 feasible, in units of its spread in the first generation. The
 * multipliers gamma and the penalties omega follow the best point of each generation, so that the minimum of the merit
 * becomes the constrained one. Sources: "Linearly Convergent Evolution Strategies via Augmented Lagrangian Constraint
 * Handling", Atamna, Auger and Hansen, FOGA 2017, doi:10.1145/3040718.3040732; "Augmented Lagrangian, penalty
 * techniques and surrogate modeling for constrained optimization with CMA-ES", Dufosse and Hansen, GECCO 2021,
 * doi:10.1145/3449639.3459340. */
#ifndef ZO_CMA_LAGRANGIAN_H
#define ZO_CMA_LAGRANGIAN_H

#include "cma/generation.h"

typedef struct cma_lagrangian {
    size_t n, m, span, cap;        /* dimensions, constraints, generations looked back on, points */
    double *gamma, *omega, *scale; /* [m] */
    double *turns;                 /* [m] how often in a row omega moved up (> 0) or down (< 0) */
    uint8_t *settled;              /* [m] gamma and omega have their first values */
    uint8_t *penalised;            /* [m] scratch: some point of the generation was, by this one */
    uint8_t *held;                 /* [span][m] ring: did the best point of the generation hold it? */
    double *f;                     /* [cap] scratch: values by slot, as told */
    uint64_t n_generations;        /* with values, of this run */
} cma_lagrangian;

zo_status zo_cma_lagrangian_init(cma_lagrangian *a, size_t n, size_t m, zo_error *err);
void zo_cma_lagrangian_fini(cma_lagrangian *a);
/* Room for generations of cap points. */
zo_status zo_cma_lagrangian_reserve(cma_lagrangian *a, size_t cap, zo_error *err);
void zo_cma_lagrangian_start(cma_lagrangian *a);
/* Before the ranking: every point with a value counts as feasible, its value is its merit. */
void zo_cma_lagrangian_merit(cma_lagrangian *a, cma_generation *q);
/* After it: multipliers and penalties follow the best point; q->f becomes the values of the points that are feasible,
 * rising. */
void zo_cma_lagrangian_follow(cma_lagrangian *a, cma_generation *q);
void zo_cma_lagrangian_visit(cma_lagrangian *a, zo_visit *v);

#endif
