/* Random streams over Philox4x32-10: key = the seed's halves, counter = (block, purpose, number's halves), so that no two
 * (seed, purpose, number) share a block. Draws take 32-bit words in order; a 64-bit draw is two words, low first.
 * Normals: the 256-layer ziggurat (see ziggurat.h), 98.8 % of them one 64-bit draw, a multiplication and a comparison; only wedge
 * and tail call libm, and its bits decide an acceptance, hardly ever a value. */
#include "zeroth/rng.h"

#include <math.h>
#include <string.h>

#include "base/philox.h"
#include "base/ziggurat.h"

__extension__ typedef unsigned __int128 uint128;

zo_rng zo_rng_make(uint64_t seed, zo_purpose purpose, uint64_t number)
{
    return (zo_rng){
        .key = {(uint32_t)seed, (uint32_t)(seed >> 32)},
        .counter = {0, (uint32_t)purpose, (uint32_t)number, (uint32_t)(number >> 32)},
    };
}

static inline void refill(zo_rng *r)
{
    philox4x32_10(r->counter, r->key, r->block);
    r->n_left = 4;
    if (++r->counter[0] == 0)
        r->counter[1] += 1u << 16; /* after 2^34 words: purposes stay below 2^16 */
}

static inline uint32_t next32(zo_rng *r)
{
    if (r->n_left == 0)
        refill(r);
    return r->block[4 - r->n_left--];
}

static inline uint64_t next64(zo_rng *r)
{
    if (r->n_left == 0)
        refill(r);
    if (r->n_left >= 2) {
        const uint32_t *w = r->block + 4 - r->n_left;
        r->n_left -= 2;
        return (uint64_t)w[1] << 32 | w[0];
    }
    const uint64_t low = next32(r);
    return (uint64_t)next32(r) << 32 | low;
}

static inline double next_uniform(zo_rng *r)
{
    return (double)(next64(r) >> 11) * 0x1p-53;
}

/* In (0,1]: its logarithm is finite. */
static inline double next_positive(zo_rng *r)
{
    return (double)((next64(r) >> 11) + 1) * 0x1p-53;
}

/* Wedge or tail of the layer: true if x stands, possibly replaced by a point of the tail. */
static __attribute__((noinline)) bool ziggurat_edge(zo_rng *r, unsigned layer, double *x)
{
    if (layer == 0) {
        double a, b;
        do {
            a = -log(next_positive(r)) / ziggurat_x[1];
            b = -log(next_positive(r));
        } while (b + b < a * a);
        *x = ziggurat_x[1] + a;
        return true;
    }
    const double y = ziggurat_f[layer] + next_uniform(r) * (ziggurat_f[layer + 1] - ziggurat_f[layer]);
    return y < exp(-0.5 * *x * *x);
}

/* x, negated if the top bit of w is set: a branch here would be mispredicted every second time. */
static inline double with_sign(double x, uint64_t w)
{
    uint64_t bits;

    memcpy(&bits, &x, sizeof bits);
    bits ^= w & UINT64_C(1) << 63;
    memcpy(&x, &bits, sizeof x);
    return x;
}

static inline double next_normal(zo_rng *r)
{
    for (;;) {
        const uint64_t w = next64(r);
        const unsigned layer = w & 255;
        double x = (double)(int64_t)(w >> 11) * 0x1p-53 * ziggurat_x[layer];
        if (x < ziggurat_x[layer + 1] || ziggurat_edge(r, layer, &x))
            return with_sign(x, w << 55);
    }
}

uint32_t zo_rng_u32(zo_rng *r)
{
    return next32(r);
}

uint64_t zo_rng_u64(zo_rng *r)
{
    return next64(r);
}

double zo_rng_uniform(zo_rng *r)
{
    return next_uniform(r);
}

/* Source: "Fast Random Integer Generation in an Interval", Lemire, ACM TOMACS 29(1), 2019, doi:10.1145/3230636. */
uint64_t zo_rng_below(zo_rng *r, uint64_t n)
{
    ZO_ASSERT(n > 0);
    uint128 product = (uint128)next64(r) * n;
    if ((uint64_t)product < n) {
        const uint64_t threshold = -n % n;
        while ((uint64_t)product < threshold)
            product = (uint128)next64(r) * n;
    }
    return (uint64_t)(product >> 64);
}

double zo_rng_normal(zo_rng *r)
{
    return next_normal(r);
}

void zo_rng_normals(zo_rng *r, size_t n, double *z)
{
    for (size_t i = 0; i < n; i++)
        z[i] = next_normal(r);
}

void zo_rng_signs(zo_rng *r, size_t n, double *s)
{
    uint32_t bits = 0;

    for (size_t i = 0; i < n; i++) {
        if (i % 32 == 0)
            bits = next32(r);
        s[i] = bits & 1 ? 1.0 : -1.0;
        bits >>= 1;
    }
}

void zo_rng_shuffle(zo_rng *r, size_t n, size_t *perm)
{
    for (size_t i = n; i > 1; i--) {
        const size_t j = zo_rng_below(r, i), kept = perm[i - 1];
        perm[i - 1] = perm[j];
        perm[j] = kept;
    }
}
