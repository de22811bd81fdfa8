/* portable-1, the generator of directional studies: entry i of z(seed) from the seed and i alone. Reference; see
 * portable1.py. cc -O2 -ffp-contract=off portable1.c -lm; ./a.out SEED FIRST COUNT prints words, normal entries and
 * signs: without FMA contraction the same bits everywhere with the same libm. */
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static uint64_t word(uint64_t seed, uint64_t i)
{
    const uint64_t s = seed + (i + 1) * UINT64_C(0x9E3779B97F4A7C15);
    uint64_t z = (s ^ s >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static double uniform(uint64_t seed, uint64_t i)
{
    return ((double)(word(seed, i) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t seed, uint64_t i)
{
    const double a = uniform(seed, i & ~UINT64_C(1)), b = uniform(seed, i | 1); /* 2k and 2k + 1 share words */
    const double r = sqrt(-2 * log(a)), t = 2 * 3.141592653589793 * b;
    return i & 1 ? r * sin(t) : r * cos(t);
}

static double sign(uint64_t seed, uint64_t i)
{
    return word(seed, i) >> 63 ? -1 : 1;
}

int main(int argc, char **argv)
{
    const uint64_t seed = argc > 1 ? strtoull(argv[1], NULL, 0) : 0, first = argc > 2 ? strtoull(argv[2], NULL, 0) : 0;
    const uint64_t n = argc > 3 ? strtoull(argv[3], NULL, 0) : 4;

    for (uint64_t i = first; i < first + n; i++)
        printf("%016" PRIx64 " %.17g %g\n", word(seed, i), normal(seed, i), sign(seed, i));
    return 0;
}
