/* Saved states of models as the store keeps them and as clients send them: a byte that names the model, then a
 * safetensors file. Refused, and nothing is changed; or taken, and the model lives soundly on: it saves what it took,
 * solves and predicts or says why not, and a row that comes and goes leaves it as it was.
 *
 * The mutator changes one thing inside the file. A corpus is written by: test_fuzz_model_state with
 * ZO_FUZZ_SEEDS=FOLDER. */
#include <stdio.h>
#include <stdlib.h>

#include "codec/modelspec.h"
#include "codec/safetensors.h"
#include "mutate.h"

enum { MAX_BYTES = 1 << 16, MAX_DIGEST = 1 << 18, ROWS = 5 };

size_t LLVMFuzzerMutate(uint8_t *data, size_t bytes, size_t max) __attribute__((weak));
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned seed);
int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const specs[] = {
    "{\"kind\":\"analytic-ridge\",\"inputs\":3,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,\"bias\":true,"
    "\"seed\":1}",
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,"
    "\"reweight\":true,\"seed\":1}",
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"classes\",\"retention\":\"none\",\"range\":4,"
    "\"capacity\":1073741824,\"quant\":24,\"seed\":1}",
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"real\",\"outputs\":2,\"retention\":\"none\",\"range\":1,"
    "\"target_range\":1,\"gamma\":\"gcv\",\"seed\":1}",
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,"
    "\"expansion\":{\"type\":\"relu\",\"size\":4},\"capacity\":1000,\"seed\":1}",
    "{\"kind\":\"nearest-mean\",\"inputs\":3,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,\"seed\":1}",
    "{\"kind\":\"lda\",\"inputs\":3,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,\"seed\":1}",
    "{\"kind\":\"prototype-bank\",\"inputs\":3,\"target\":\"classes\",\"retention\":\"none\",\"range\":1,\"seed\":1}",
    "{\"kind\":\"noprop-ridge\",\"inputs\":2,\"target\":\"classes\",\"classes\":[\"a\",\"b\"],\"retention\":\"none\","
    "\"range\":1,\"options\":{\"layers\":2,\"draws\":2,\"mix\":3,\"samples\":2},\"seed\":1}",
};

static zo_model *make(unsigned which)
{
    const char *text = specs[which % ZO_LEN(specs)];
    zo_arena *arena = zo_arena_new(0);
    zo_model *m = NULL;
    zo_model_spec spec;
    zo_error err = {0};

    ZO_ASSERT(arena);
    if (zo_model_spec_decode_text(text, strlen(text), arena, &spec, &err) != ZO_OK ||
        zo_model_new(&spec.model, &m, &err) != ZO_OK) {
        fprintf(stderr, "%u %s: %s\n", which, err.pointer, err.message);
        abort();
    }
    zo_arena_free(arena);
    return m;
}

/* ---- states side by side ---- */

struct leaves {
    size_t n;
    uint8_t bytes[MAX_DIGEST];
};

static void put(void *ctx, const void *bytes, size_t n, bool ends_leaf)
{
    struct leaves *l = ctx;

    ZO_ASSERT(l->n + n + 1 <= sizeof l->bytes);
    if (n)
        memcpy(l->bytes + l->n, bytes, n);
    l->n += n;
    l->bytes[l->n++] = ends_leaf;
}

static bool same_state(const zo_model *a, const zo_model *b)
{
    static struct leaves x, y;

    x.n = y.n = 0;
    ZO_ASSERT(zo_model_digest(a, put, &x, NULL) == ZO_OK && zo_model_digest(b, put, &y, NULL) == ZO_OK);
    return x.n == y.n && memcmp(x.bytes, y.bytes, x.n) == 0;
}

/* ---- what lives on ---- */

static void change(zo_model *m, int sign)
{
    const zo_model_config *c = zo_model_configuration(m);
    const zo_status room = zo_model_rows(m) < c->capacity ? ZO_OK : ZO_ETOOLARGE;
    int32_t x[8], y[2];
    double in[8];

    for (size_t i = 0; i < c->inputs; i++)
        in[i] = c->range[0] * (i % 2 ? -1 : 1);
    ZO_ASSERT(zo_model_quantise(m, in, ZO_F64, 1, x, NULL) == ZO_OK);
    zo_rows rows = {.x = x, .n = 1};
    if (c->target == ZO_TARGET_REAL) {
        in[0] = 1;
        in[1] = -1;
        ZO_ASSERT(zo_model_quantise_targets(m, in, ZO_F64, 1, y, NULL) == ZO_OK);
        rows.y = y;
    } else {
        ZO_ASSERT(zo_model_class(m, "a", &rows.cls, NULL) == ZO_OK);
    }
    ZO_ASSERT(zo_model_accumulate(m, &rows, sign, NULL, NULL) == (sign > 0 ? room : ZO_OK));
}

static void predict(zo_model *m)
{
    const zo_model_config *c = zo_model_configuration(m);
    double scores[256];
    const int32_t x[8] = {1, -1, 100};
    zo_scores s = {.scores = scores};
    const size_t k = zo_model_score_columns(m, &s);
    zo_error err = {0};
    zo_status rc;

    ZO_ASSERT(c->inputs <= ZO_LEN(x));
    if (k == 0 || k > ZO_LEN(scores))
        return;
    rc = zo_model_predict(m, x, 1, &s, &err);
    ZO_ASSERT(rc == ZO_OK || rc == ZO_ENUMERIC || rc == ZO_EINVAL || rc == ZO_ECONFLICT || rc == ZO_EUNSUPPORTED);
    for (size_t i = 0; rc == ZO_OK && i < k; i++)
        ZO_ASSERT(!isnan(scores[i]));
}

static void prove(unsigned which, zo_model *m)
{
    zo_model *again = make(which);
    zo_bundle b;

    zo_bundle_init(&b);
    ZO_ASSERT(zo_model_save(m, &b, NULL) == ZO_OK);
    ZO_ASSERT(zo_model_merge(again, &b, NULL) == ZO_OK);
    ZO_ASSERT(same_state(m, again));
    zo_bundle_fini(&b);
    if (zo_model_rows(m) < zo_model_configuration(m)->capacity) {
        change(m, 1);
        ZO_ASSERT(!same_state(m, again));
        predict(m);
        change(m, -1);
        ZO_ASSERT(same_state(m, again));
    } else {
        change(m, 1); /* refused */
        predict(m);
    }
    zo_model_free(again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    zo_bundle b;
    zo_error err = {0};

    if (bytes < 1 || bytes > MAX_BYTES || zo_safetensors_read(data + 1, bytes - 1, &b, NULL) != ZO_OK)
        return 0;
    zo_model *m = make(data[0]), *empty = make(data[0]);
    const zo_status rc = zo_model_merge(m, &b, &err);

    ZO_ASSERT(rc == ZO_OK || rc == ZO_EINVAL || rc == ZO_ETOOLARGE);
    if (rc == ZO_OK)
        prove(data[0], m);
    else
        ZO_ASSERT(same_state(m, empty) && err.message[0]);
    zo_model_free(m);
    zo_model_free(empty);
    zo_bundle_fini(&b);
    return 0;
}

/* ---- the mutator ---- */

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t bytes, size_t max, unsigned seed)
{
    uint64_t r = seed;
    zo_bundle b;
    char *file;
    size_t n;

    if (mutate_any(&r) % 32 == 0 || bytes < 1 || zo_safetensors_read(data + 1, bytes - 1, &b, NULL) != ZO_OK)
        return LLVMFuzzerMutate ? LLVMFuzzerMutate(data, bytes, max) : bytes;
    for (uint64_t k = 1 + mutate_any(&r) % 4; k > 0 && b.n_arrays; k--)
        mutate_bundle(&b, &r);
    if (zo_safetensors_write(&b, &file, &n, NULL) == ZO_OK) {
        if (1 + n <= max) {
            memcpy(data + 1, file, n);
            bytes = 1 + n;
        }
        zo_free(file);
    }
    zo_bundle_fini(&b);
    return bytes;
}

/* ---- seeds ---- */

static void seed_write(const char *folder, unsigned which)
{
    zo_model *m = make(which);
    char path[4096], *file;
    zo_bundle b;
    size_t n;

    for (size_t i = 0; i < ROWS; i++)
        change(m, 1);
    zo_bundle_init(&b);
    ZO_ASSERT(zo_model_save(m, &b, NULL) == ZO_OK && zo_safetensors_write(&b, &file, &n, NULL) == ZO_OK);
    (void)snprintf(path, sizeof path, "%s/%u", folder, which);
    FILE *to = fopen(path, "wb");
    ZO_ASSERT(to && fputc((int)which, to) != EOF && fwrite(file, 1, n, to) == n && fclose(to) == 0);
    zo_free(file);
    zo_bundle_fini(&b);
    zo_model_free(m);
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    const char *folder = getenv("ZO_FUZZ_SEEDS");

    (void)argc, (void)argv;
    for (unsigned which = 0; folder && which < ZO_LEN(specs); which++)
        seed_write(folder, which);
    return 0;
}
