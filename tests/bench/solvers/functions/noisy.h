/* Noise models of Hansen, Finck, Ros, Auger, "Real-Parameter Black-Box Optimization Benchmarking 2009: Noisy Functions
 * Definitions", INRIA RR-6869: 30 functions, ten noiseless ones under Gaussian, uniform and Cauchy noise that grows
 * with f - f_opt. The penalty outside of the box is left out: nothing there is ever asked. */
#ifndef ZO_BENCH_NOISY_H
#define ZO_BENCH_NOISY_H

#include "zeroth/rng.h"

enum { NOISY_FUNCTIONS = 30 };
enum noise_kind { NOISE_GAUSS, NOISE_UNIFORM, NOISE_CAUCHY };

/* f from 1 (f101 of the report) to 30. */
unsigned noisy_base(unsigned f); /* the noiseless function */
enum noise_kind noisy_kind(unsigned f);
bool noisy_severe(unsigned f);
/* above: f - f_opt >= 0 without noise. */
double noisy_value(enum noise_kind kind, bool severe, size_t n, double above, zo_rng *rng);

#endif
