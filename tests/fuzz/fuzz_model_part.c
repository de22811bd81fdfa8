/* Opened parts of models: a byte that names the model and the part's kind, then the part's text. Refused, or all that
 * it says lies inside it; sums and states in it are refused or read. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "codec/safetensors.h"
#include "models/private.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes);

static const char *const specs[] = {
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"classes\",\"retention\":\"rows\",\"range\":1,\"seed\":1}",
    "{\"kind\":\"analytic-ridge\",\"inputs\":2,\"target\":\"real\",\"outputs\":1,\"target_range\":1,\"retention\":"
    "\"groups\",\"range\":1,"
    "\"seed\":1}",
};
static const part_kind kinds[] = {PART_ROWS, PART_SUMS, PART_TAGS, PART_STATE};

/* As much of a live model as a part's text depends on. */
static zo_live *model_of(unsigned which)
{
    static zo_live lives[ZO_LEN(specs)];
    static zo_arena *arenas[ZO_LEN(specs)];
    zo_live *l = &lives[which % ZO_LEN(specs)];
    zo_arena **arena = &arenas[which % ZO_LEN(specs)];
    const char *text = specs[which % ZO_LEN(specs)];

    if (!*arena)
        ZO_ASSERT((*arena = zo_arena_new(0)) != NULL &&
                  zo_model_spec_decode_text(text, strlen(text), *arena, &l->spec, NULL) == ZO_OK &&
                  zo_model_new(&l->spec.model, &l->model, NULL) == ZO_OK);
    return l;
}

static bool inside(const void *p, size_t n, const uint8_t *text, size_t bytes)
{
    const uint8_t *at = p;

    return at >= text && at <= text + bytes && n <= (size_t)(text + bytes - at);
}

static void look_at_rows(const zo_live *l, const part_text *t, const uint8_t *text, size_t bytes)
{
    const zo_model_config *c = &l->spec.model;
    const size_t numbers = c->inputs + (c->target == ZO_TARGET_REAL ? c->outputs : 0);
    static volatile uint8_t read; /* so that an overrun is seen */

    ZO_ASSERT(t->n == 0 || inside(t->rows, t->n * t->row_bytes, text, bytes));
    for (size_t i = 0; i < t->n; i++) {
        const part_row r = part_text_row(t, i);

        ZO_ASSERT((r.x != NULL) == (t->kind == PART_ROWS));
        ZO_ASSERT(!r.x || inside(r.x, numbers * sizeof(int32_t), text, bytes));
        read = r.id.b[ZO_TAG_BYTES - 1];
        if (r.x)
            read = r.x[numbers * sizeof(int32_t) - 1];
    }
    (void)read;
}

static void look_at_body(const zo_live *l, const part_text *t, const uint8_t *text, size_t bytes)
{
    zo_sums *sums = NULL;
    zo_bundle b;

    ZO_ASSERT(inside(t->body, t->body_bytes, text, bytes));
    if (t->kind == PART_STATE) {
        if (zo_safetensors_read(t->body, t->body_bytes, &b, NULL) == ZO_OK)
            zo_bundle_fini(&b);
        return;
    }
    ZO_ASSERT(zo_sums_new(l->model, &sums, NULL) == ZO_OK);
    const zo_status rc = zo_sums_read(l->model, t->body, t->body_bytes, sums, NULL);
    ZO_ASSERT((rc == ZO_OK) == (t->body_bytes == zo_sums_bytes(l->model)));
    zo_sums_free(sums);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t bytes)
{
    part_text t;
    zo_error err = {0};

    if (bytes < 1)
        return 0;
    const zo_live *l = model_of(data[0] & 1);
    const part_kind kind = kinds[data[0] / 2 % ZO_LEN(kinds)];
    uint8_t *text = zo_malloc(bytes); /* part_parse owns it; no byte too many, so that an overrun is seen */

    ZO_ASSERT(text);
    memcpy(text, data + 1, bytes - 1);
    if (part_parse(l, kind, text, bytes - 1, &t, &err) != ZO_OK) {
        ZO_ASSERT(err.code == ZO_ESTORE);
        return 0;
    }
    ZO_ASSERT(t.kind == kind && inside(t.label, strlen(t.label) + 1, text, bytes - 1));
    if (kind == PART_ROWS || kind == PART_TAGS)
        look_at_rows(l, &t, text, bytes - 1);
    else
        look_at_body(l, &t, text, bytes - 1);
    part_text_fini(&t);
    return 0;
}
