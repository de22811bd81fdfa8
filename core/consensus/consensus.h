/* The consensus of particles: their mean, weighted by exp(-alpha f). */
#ifndef ZO_CONSENSUS_H
#define ZO_CONSENSUS_H

#include <stdbool.h>
#include <stddef.h>

/* Weights w [n] of sum 1 for the values f [n]; +inf weighs nothing. Only differences of values matter, none overflows.
 * False: no value is finite. */
bool zo_consensus_weights(size_t n, const double *f, double alpha, double *w);
/* (sum w)^2 / sum w^2 of the weights for alpha: how many particles have a say, from n to 1. w [n] scratch. */
double zo_consensus_size(size_t n, const double *f, double alpha, double *w);
/* The alpha at which share of those with a value have a say. */
double zo_consensus_alpha(size_t n, const double *f, double share, double *w);
/* c [d] = sum of w_i x_i, x [n][d]. */
void zo_consensus_mean(size_t n, size_t d, const double *x, const double *w, double *c);

#endif
