/* Saved studies as the store keeps them: a byte that names the spec (hostile.h), then the parts, head first, each its
 * length in four bytes and a safetensors file. Refused, or a study that lives soundly on.
 *
 * Random bytes break the container and get no further, so the mutator works on what is inside: it changes one thing of
 * one array and writes the file anew. A corpus is written by: test_fuzz_snapshot with ZO_FUZZ_SEEDS=FOLDER. */
#include <stdio.h>
#include <stdlib.h>

#include "../hostile.h"
#include "codec/safetensors.h"
#include "mutate.h"

enum { ROUNDS = 12, MAX_BYTES = 1 << 16 };

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

static void change(struct file *f, uint64_t *r)
{
    zo_bundle *b = &f->parts[mutate_any(r) % f->n];

    if (b->n_arrays == 0 || mutate_any(r) % 64 == 0)
        f->which = (unsigned)(mutate_any(r) % HOSTILE_SPECS);
    else
        mutate_bundle(b, r);
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned seed)
{
    uint64_t r = seed;
    struct file f;

    if (mutate_any(&r) % 32 == 0 || !file_read(data, bytes, &f))
        return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, bytes, max) : bytes;
    for (uint64_t k = 1 + mutate_any(&r) % 4; k > 0; k--)
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
