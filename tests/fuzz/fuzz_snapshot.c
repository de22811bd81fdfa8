/* Saved studies as the store keeps them: a byte that names the spec (hostile.h), then the parts, head first, each its
 * length in four bytes and a safetensors file. Refused, or a study that lives soundly on.
 *
 * Random bytes break the container and get no further, so the mutator works on what is inside: it changes one thing of
 * one array and writes the file anew. A corpus is written by: test_fuzz_snapshot with ZO_FUZZ_SEEDS=FOLDER. */
#include <stdio.h>
#include <stdlib.h>

#include "../hostile.h"
#include "codec/safetensors.h"

enum { ROUNDS = 12, MAX_BYTES = 1 << 16, MAX_LENGTH = 4096 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

/* ---- the container ---- */

struct file {
    unsigned which;
    zo_bundle parts[HOSTILE_PARTS];
    size_t n;
};

static void file_fini(struct file *f)
{
    for (size_t i = 0; i < f->n; i++)
        zo_bundle_fini(&f->parts[i]);
}

/* False: not one; nothing is left to free. */
static bool file_read(const uint8_t *data, size_t bytes, struct file *f)
{
    size_t at = 1;
    uint32_t length;

    if (bytes < 1 || bytes > MAX_BYTES)
        return false;
    *f = (struct file){.which = data[0] % HOSTILE_SPECS};
    while (at < bytes && f->n < HOSTILE_PARTS) {
        if (bytes - at < sizeof length)
            break;
        memcpy(&length, data + at, sizeof length);
        at += sizeof length;
        if (length > bytes - at || zo_safetensors_read(data + at, length, &f->parts[f->n], NULL) != ZO_OK)
            break;
        f->n++;
        at += length;
    }
    if (f->n > 0 && (at == bytes || f->n == HOSTILE_PARTS))
        return true;
    file_fini(f);
    return false;
}

/* Bytes written, or 0 where they do not fit. */
static size_t file_write(const struct file *f, uint8_t *to, size_t max)
{
    size_t at = 1;

    if (max < 1)
        return 0;
    to[0] = (uint8_t)f->which;
    for (size_t i = 0; i < f->n; i++) {
        char *text;
        size_t n;
        if (zo_safetensors_write(&f->parts[i], &text, &n, NULL) != ZO_OK)
            return 0;
        const uint32_t length = (uint32_t)n;
        const bool fits = n + sizeof length <= max - at;
        if (fits) {
            memcpy(to + at, &length, sizeof length);
            memcpy(to + at + sizeof length, text, n);
        }
        zo_free(text);
        if (!fits)
            return 0;
        at += sizeof length + n;
    }
    return at;
}

/* ---- the mutator ---- */

static uint64_t any(uint64_t *state)
{
    const uint64_t word = zo_portable1_u64_at(*state, 1);

    *state = word;
    return word;
}

static uint64_t hostile_word(uint64_t *r)
{
    static const uint64_t words[] = {0, 1, 2, 7, 255, 4095, 4096, UINT32_MAX, UINT64_C(1) << 53, INT64_MAX, UINT64_MAX};
    static const double doubles[] = {NAN, INFINITY, -INFINITY, -1, 0.5, 1, 1e-300, 1e300, -1e300, 1e-9, 1e6};
    uint64_t word;

    if (any(r) % 2)
        return words[any(r) % ZO_LEN(words)];
    memcpy(&word, &doubles[any(r) % ZO_LEN(doubles)], sizeof word);
    return word;
}

/* One element: hostile, near to what it was, another's, or with a bit flipped. */
static void change_element(zo_array *a, uint64_t *r)
{
    const size_t width = zo_dtype_bytes(a->dtype), n = a->bytes / width;
    uint64_t word = 0;

    if (n == 0)
        return;
    uint8_t *at = (uint8_t *)a->data + any(r) % n * width;
    memcpy(&word, at, width);
    switch (any(r) % 5) {
    case 0:
        word = hostile_word(r);
        break;
    case 1:
        word += any(r) % 2 ? 1 : UINT64_MAX;
        break;
    case 2:
        memcpy(&word, (uint8_t *)a->data + any(r) % n * width, width);
        break;
    case 3:
        word ^= UINT64_C(1) << any(r) % (8 * width);
        break;
    default:
        word = any(r) >> any(r) % 64;
    }
    memcpy(at, &word, width);
}

/* Another length, the elements in common kept. */
static void change_length(zo_array *a, uint64_t *r)
{
    const size_t width = zo_dtype_bytes(a->dtype), n = a->bytes / width;
    const size_t more = any(r) % 2 ? n + 1 + any(r) % 3 : n - (n > 0), bytes = more * width;
    uint8_t *data = a->n_dims == 1 && more <= MAX_LENGTH ? zo_memalign64(bytes + 1) : NULL;

    if (!data)
        return;
    memset(data, 0, bytes + 1);
    memcpy(data, a->data, bytes < a->bytes ? bytes : a->bytes);
    zo_free(a->data);
    a->data = data;
    a->bytes = bytes;
    a->dims[0] = more;
}

static void change(struct file *f, uint64_t *r)
{
    zo_bundle *b = &f->parts[any(r) % f->n];

    if (b->n_arrays == 0 || any(r) % 64 == 0) {
        f->which = (unsigned)(any(r) % HOSTILE_SPECS);
        return;
    }
    zo_array *a = &b->arrays[any(r) % b->n_arrays];
    if (any(r) % 16 == 0)
        change_length(a, r);
    else
        change_element(a, r);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned seed)
{
    uint64_t r = seed;
    struct file f;

    if (any(&r) % 32 == 0 || !file_read(data, bytes, &f))
        return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, bytes, max) : bytes;
    for (uint64_t k = 1 + any(&r) % 4; k > 0; k--)
        change(&f, &r);
    const size_t n = file_write(&f, data, max);
    file_fini(&f);
    return n > 0 ? n : bytes;
}

/* ---- seeds ---- */

static void seed_write(const char *folder, unsigned which, uint64_t rounds, bool far)
{
    static uint8_t bytes[MAX_BYTES];
    struct file f = {.which = which};
    char path[4096];
    zo_study *s = hostile_lived(which, rounds, far);

    f.n = hostile_save(s, f.parts);
    const size_t n = file_write(&f, bytes, sizeof bytes);
    ZO_ASSERT(n > 0);
    (void)snprintf(path, sizeof path, "%s/%u-%s", folder, which, far ? "segment" : "head");
    FILE *to = fopen(path, "wb");
    ZO_ASSERT(to && fwrite(bytes, 1, n, to) == n && fclose(to) == 0);
    file_fini(&f);
    zo_study_free(s);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *folder = getenv("ZO_FUZZ_SEEDS");

    (void)argc, (void)argv;
    for (unsigned which = 0; folder && which < HOSTILE_SPECS; which++) {
        seed_write(folder, which, 6, false);
        seed_write(folder, which, 9, true);
    }
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    struct file f;

    if (!file_read(data, bytes, &f))
        return 0;
    zo_study *s = hostile_load(f.which, f.parts, f.n);
    if (s)
        hostile_prove(f.which, s, ROUNDS);
    zo_study_free(s);
    file_fini(&f);
    return 0;
}
