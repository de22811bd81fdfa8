/* A descent by Adam from one point: projected to the unit cube, with a falling rate, and a way back.
 * Step k from 1: m <- b1 m + (1 - b1) g, v <- b2 v + (1 - b2) g^2, x <- clip(x - r_k m^ / sqrt(v^ + eps)), where
 * m^ = m / (1 - b1^k) and v^ = v / (1 - b2^k). The rate falls by a tenth every 10 steps.
 * The gradient is taken in units of its largest entry at the start, so that eps, and all else, does not depend on the
 * scale of the values. After STEPS without gain, or a point without value, the descent goes on from its best point with
 * a quarter of the rate; after the SETBACKS-th it is over.
 * Source: "Adam: A Method for Stochastic Optimization", Kingma and Ba, arXiv:1412.6980; eps inside the root. */
#ifndef ZO_DESCENT_ADAM_H
#define ZO_DESCENT_ADAM_H

#include "zeroth/bundle.h"

enum { ADAM_STEPS = 25, ADAM_SETBACKS = 4 };

typedef struct adam_rates {
    double beta1, beta2;
    uint64_t max_steps; /* of a descent */
} adam_rates;

typedef struct adam {
    size_t n;
    double *x;                 /* [n] the next point to evaluate */
    double *best, *g;          /* [n] the best point and its gradient */
    double *m, *v;             /* [n] */
    double best_f, rate, unit; /* unit: the largest entry of the first gradient */
    uint64_t k, n_steps, idle; /* steps since the last setback, and of all; steps without gain */
    uint64_t n_setbacks, live;
} adam;

zo_status zo_adam_init(adam *a, size_t n, zo_error *err);
void zo_adam_fini(adam *a);
/* From x with value f and gradient g: makes the first step. Not live if the gradient is zero. */
void zo_adam_start(adam *a, const adam_rates *r, const double *x, double f, const double *g, double rate);
/* a->x was evaluated, as x [n]: value f with gradient g, or +inf. Makes the next step, or the end. */
void zo_adam_tell(adam *a, const adam_rates *r, const double *x, double f, const double *g);
void zo_adam_visit(adam *a, zo_visit *v);

#endif
