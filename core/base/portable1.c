/* portable-1: a generator that a client in any language rebuilds in ten lines. Word i of a seed is SplitMix64's output
 * function of seed + (i+1)*gamma, so any word is reached without the ones before it.
 * Source: "Fast splittable pseudorandom number generators", Steele, Lea, Flood, OOPSLA 2014, doi:10.1145/2660193.2660195. */
#include "zeroth/rng.h"

#include <math.h>

#define GAMMA UINT64_C(0x9E3779B97F4A7C15)
static const double two_pi = 6.283185307179586476925286766559;

static inline uint64_t mix(uint64_t z)
{
    z = (z ^ z >> 30) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ z >> 27) * UINT64_C(0x94D049BB133111EB);
    return z ^ z >> 31;
}

static inline double to_uniform(uint64_t w)
{
    return ((double)(w >> 11) + 0.5) * 0x1p-53; /* the top value rounds to 1: ln 1 = 0 is harmless */
}

zo_portable1 zo_portable1_make(uint64_t seed)
{
    return (zo_portable1){.state = seed};
}

uint64_t zo_portable1_u64(zo_portable1 *g)
{
    return mix(g->state += GAMMA);
}

double zo_portable1_uniform(zo_portable1 *g)
{
    return to_uniform(zo_portable1_u64(g));
}

double zo_portable1_normal(zo_portable1 *g)
{
    if (g->has_spare) {
        g->has_spare = false;
        return g->spare;
    }
    const double radius = sqrt(-2.0 * log(zo_portable1_uniform(g))), angle = two_pi * zo_portable1_uniform(g);
    g->spare = radius * sin(angle);
    g->has_spare = true;
    return radius * cos(angle);
}

uint64_t zo_portable1_u64_at(uint64_t seed, uint64_t i)
{
    return mix(seed + (i + 1) * GAMMA);
}

void zo_portable1_normals_at(uint64_t seed, uint64_t first, size_t n, double *z)
{
    for (size_t i = 0; i < n;) {
        const uint64_t index = first + i, even = index & ~UINT64_C(1);
        const double radius = sqrt(-2.0 * log(to_uniform(zo_portable1_u64_at(seed, even))));
        const double angle = two_pi * to_uniform(zo_portable1_u64_at(seed, even + 1));
        if (index == even)
            z[i++] = radius * cos(angle);
        if (i < n)
            z[i++] = radius * sin(angle);
    }
}

void zo_portable1_signs_at(uint64_t seed, uint64_t first, size_t n, double *s)
{
    for (size_t i = 0; i < n; i++)
        s[i] = zo_portable1_u64_at(seed, first + i) >> 63 ? -1.0 : 1.0;
}
