/* See the header. portable-1 is the hash: word x of a seed is the seed of what follows. */
#include "model/noise.h"

#include "zeroth/rng.h"

enum { WORDS = 3, PARTS = 4, PART_BITS = 16 };

uint64_t noise_row(uint64_t seed, const int32_t *x, size_t n)
{
    uint64_t h = seed;

    for (size_t j = 0; j < n; j++)
        h = zo_portable1_u64_at(h, (uint32_t)x[j]);
    return h;
}

uint64_t noise_stream(uint64_t row, uint64_t layer, uint64_t draw)
{
    return zo_portable1_u64_at(zo_portable1_u64_at(row, layer), draw);
}

double noise_at(uint64_t stream, uint64_t i)
{
    const int64_t mask = (INT64_C(1) << PART_BITS) - 1;
    int64_t sum = -(WORDS * PARTS / 2) * mask;

    for (uint64_t w = 0; w < WORDS; w++) {
        const uint64_t word = zo_portable1_u64_at(stream, WORDS * i + w);

        for (unsigned p = 0; p < PARTS; p++)
            sum += (int64_t)(word >> (PART_BITS * p)) & mask;
    }
    return (double)sum * 0x1p-16;
}
