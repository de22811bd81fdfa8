/* Noise that belongs to a row: nearly normal numbers keyed by the row's quantised inputs, made of integers only. What
 * was added with a row can be drawn again, to the bit, when the row is forgotten; where it stands in which batch does
 * not matter. */
#ifndef ZO_MODEL_NOISE_H
#define ZO_MODEL_NOISE_H

#include "zeroth/base.h"

enum { NOISE_MOST = 6 }; /* |noise| is at most this */

uint64_t noise_row(uint64_t seed, const int32_t *x, size_t n);
/* The stream of one draw of a row in one layer. */
uint64_t noise_stream(uint64_t row, uint64_t layer, uint64_t draw);
/* Number i of a stream: a sum of twelve uniforms, a multiple of 2^-16, of mean 0 and variance 1 - 2^-32. */
double noise_at(uint64_t stream, uint64_t i);

#endif
