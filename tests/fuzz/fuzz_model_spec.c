/* Any bytes as a model's spec: refused with a pointer, or decoded into one that is written and read again without a
 * change; and where the kind takes it, a model of it has the same configuration both times. */
#include <stdint.h>
#include <string.h>

#include "codec/modelspec.h"

enum { LEAF_BYTES = 1 << 16 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

struct leaf {
    size_t n;
    uint8_t bytes[LEAF_BYTES];
};

static void put(void *ctx, const void *bytes, size_t n, bool ends_leaf)
{
    struct leaf *l = ctx;

    (void)ends_leaf;
    if (n > sizeof l->bytes - l->n)
        n = sizeof l->bytes - l->n;
    if (n)
        memcpy(l->bytes + l->n, bytes, n);
    l->n += n;
}

/* Models of a size that costs time have nothing to say about decoding. */
static bool is_small(const zo_model_config *c)
{
    return c->inputs <= 64 && c->outputs <= 16 && c->features <= 64 && c->n_classes <= 16 && c->n_described <= 16;
}

static void compare_models(const zo_model_spec *a, const zo_model_spec *b)
{
    static struct leaf x, y;
    zo_model *m = NULL, *w = NULL;
    zo_error err = {0}, again = {0};
    const zo_status rc = zo_model_new(&a->model, &m, &err);

    ZO_ASSERT(zo_model_new(&b->model, &w, &again) == rc);
    ZO_ASSERT(strcmp(err.pointer, again.pointer) == 0 && strcmp(err.message, again.message) == 0);
    if (rc != ZO_OK) {
        ZO_ASSERT(rc == ZO_EINVAL || rc == ZO_EUNSUPPORTED || rc == ZO_ETOOLARGE || rc == ZO_ENOMEM);
        return;
    }
    x.n = y.n = 0;
    ZO_ASSERT(zo_model_config_leaf(m, put, &x, NULL) == ZO_OK && zo_model_config_leaf(w, put, &y, NULL) == ZO_OK);
    ZO_ASSERT(x.n == y.n && memcmp(x.bytes, y.bytes, x.n) == 0);
    zo_model_free(m);
    zo_model_free(w);
}

static char *encode(const zo_model_spec *s, size_t *bytes)
{
    zo_json w;
    char *text;

    zo_json_init(&w);
    zo_model_spec_encode(s, &w);
    text = zo_json_take(&w, bytes);
    zo_json_fini(&w);
    ZO_ASSERT(text);
    return text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    zo_arena *arena = zo_arena_new(0);
    zo_model_spec a, b;
    zo_error err = {0};

    ZO_ASSERT(arena);
    const zo_status rc = zo_model_spec_decode_text((const char *)data, bytes, arena, &a, &err);
    if (rc == ZO_OK) {
        a.has_seed = true; /* the caller draws one */
        size_t n, n_again;
        char *text = encode(&a, &n);
        ZO_ASSERT(zo_model_spec_decode_text(text, n, arena, &b, &err) == ZO_OK);
        char *again = encode(&b, &n_again);
        ZO_ASSERT(n == n_again && memcmp(text, again, n) == 0);
        if (is_small(&a.model))
            compare_models(&a, &b);
        zo_free(text);
        zo_free(again);
    } else {
        ZO_ASSERT(err.message[0] && (err.pointer[0] == '/' || err.pointer[0] == '\0'));
    }
    zo_arena_free(arena);
    return 0;
}
