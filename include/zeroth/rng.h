/* Counter-based randomness. A stream is a value keyed by (seed, purpose, trial number): nothing is stored between
 * calls, so reports, heartbeats and restarts shift no draw. Philox4x32-10 (Salmon et al., SC 2011). */
#ifndef ZEROTH_RNG_H
#define ZEROTH_RNG_H

#include "zeroth/base.h"

/* What the numbers are for. Values are part of the log's meaning: append only. */
typedef enum zo_purpose {
    ZO_PURPOSE_INIT = 1,
    ZO_PURPOSE_ASK = 2,
    ZO_PURPOSE_TELL = 3,
    ZO_PURPOSE_REBASE = 4,
    ZO_PURPOSE_REPAIR = 5, /* space: projection and hit-and-run of an asked trial */
    ZO_PURPOSE_AUDIT = 6,  /* halves of a model's rows */
} zo_purpose;

typedef struct zo_rng {
    uint32_t key[2], counter[4], block[4];
    unsigned n_left;    /* words of block not yet used */
} zo_rng;

zo_rng zo_rng_make(uint64_t seed, zo_purpose purpose, uint64_t number);
uint32_t zo_rng_u32(zo_rng *r);
uint64_t zo_rng_u64(zo_rng *r);
double zo_rng_uniform(zo_rng *r);                     /* [0,1), 53 bits */
uint64_t zo_rng_below(zo_rng *r, uint64_t n);         /* 0..n-1 without bias; n > 0 */
double zo_rng_normal(zo_rng *r);                      /* N(0,1) */
void zo_rng_normals(zo_rng *r, size_t n, double *z);  /* the same draws as n calls of zo_rng_normal */
void zo_rng_signs(zo_rng *r, size_t n, double *s);    /* -1 or +1 */
void zo_rng_shuffle(zo_rng *r, size_t n, size_t *perm); /* permutes what is in perm; all orders equally likely */

/* portable-1: SplitMix64, for everything a client must regenerate itself. */
typedef struct zo_portable1 {
    uint64_t state;
    double spare;       /* second normal of a pair */
    bool has_spare;
} zo_portable1;
zo_portable1 zo_portable1_make(uint64_t seed);
uint64_t zo_portable1_u64(zo_portable1 *g);
double zo_portable1_uniform(zo_portable1 *g);
double zo_portable1_normal(zo_portable1 *g);
/* Random access: word i; normals (or signs) first .. first+n-1 of the seed. Normals 2k and 2k+1 share the words 2k and 2k+1; the sign
 * is -1 where the top bit of word i is set. */
uint64_t zo_portable1_u64_at(uint64_t seed, uint64_t i);
void zo_portable1_normals_at(uint64_t seed, uint64_t first, size_t n, double *z);
void zo_portable1_signs_at(uint64_t seed, uint64_t first, size_t n, double *s);

#endif
