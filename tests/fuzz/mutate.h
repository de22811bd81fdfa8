/* Changes inside a bundle, for mutators that write the file anew: random bytes would break the container and get no
 * further. Each is made by the word r, a generator's state. */
#ifndef ZO_FUZZ_MUTATE_H
#define ZO_FUZZ_MUTATE_H

#include <math.h>
#include <stdint.h>
#include <string.h>

#include "zeroth/bundle.h"
#include "zeroth/rng.h"

enum { MUTATE_MAX_LENGTH = 4096 };

static inline uint64_t mutate_any(uint64_t *state)
{
    const uint64_t word = zo_portable1_u64_at(*state, 1);

    *state = word;
    return word;
}

static inline uint64_t mutate_word(uint64_t *r)
{
    static const uint64_t words[] = {0, 1, 2, 7, 255, 4095, 4096, UINT32_MAX, UINT64_C(1) << 53, INT64_MAX, UINT64_MAX};
    static const double doubles[] = {NAN, INFINITY, -INFINITY, -1, 0.5, 1, 1e-300, 1e300, -1e300, 1e-9, 1e6};
    uint64_t word;

    if (mutate_any(r) % 2)
        return words[mutate_any(r) % ZO_LEN(words)];
    memcpy(&word, &doubles[mutate_any(r) % ZO_LEN(doubles)], sizeof word);
    return word;
}

/* One element: hostile, near to what it was, another's, or with a bit flipped. */
static inline void mutate_element(zo_array *a, uint64_t *r)
{
    const size_t width = zo_dtype_bytes(a->dtype), n = a->bytes / width;
    uint64_t word = 0;

    if (n == 0)
        return;
    uint8_t *at = (uint8_t *)a->data + mutate_any(r) % n * width;
    memcpy(&word, at, width);
    switch (mutate_any(r) % 5) {
    case 0:
        word = mutate_word(r);
        break;
    case 1:
        word += mutate_any(r) % 2 ? 1 : UINT64_MAX;
        break;
    case 2:
        memcpy(&word, (uint8_t *)a->data + mutate_any(r) % n * width, width);
        break;
    case 3:
        word ^= UINT64_C(1) << mutate_any(r) % (8 * width);
        break;
    default:
        word = mutate_any(r) >> mutate_any(r) % 64;
    }
    memcpy(at, &word, width);
}

/* Another length, the elements in common kept. */
static inline void mutate_length(zo_array *a, uint64_t *r)
{
    const size_t width = zo_dtype_bytes(a->dtype), n = a->bytes / width;
    const size_t more = mutate_any(r) % 2 ? n + 1 + mutate_any(r) % 3 : n - (n > 0), bytes = more * width;
    uint8_t *data = a->n_dims == 1 && more <= MUTATE_MAX_LENGTH ? zo_memalign64(bytes + 1) : NULL;

    if (!data)
        return;
    memset(data, 0, bytes + 1);
    memcpy(data, a->data, bytes < a->bytes ? bytes : a->bytes);
    zo_free(a->data);
    a->data = data;
    a->bytes = bytes;
    a->dims[0] = more;
}

/* One thing of one array: seldom its length, else an element. */
static inline void mutate_bundle(zo_bundle *b, uint64_t *r)
{
    zo_array *a = &b->arrays[mutate_any(r) % b->n_arrays];

    if (mutate_any(r) % 16 == 0)
        mutate_length(a, r);
    else
        mutate_element(a, r);
}

#endif
