/* The state as a whole: what is hashed and saved. */
#include "model/kind.h"

#include <stdio.h>
#include <string.h>

/* ---- digest ---- */

enum { LEAF_BYTES = 128 << 10 }; /* so that many threads can hash one array */

typedef void put_fn(void *ctx, const void *bytes, size_t n, bool ends_leaf);

static void put_u64(put_fn *put, void *ctx, uint64_t v)
{
    put(ctx, &v, sizeof v, false);
}

static void put_text(put_fn *put, void *ctx, const char *text)
{
    const size_t n = strlen(text);

    put_u64(put, ctx, n);
    put(ctx, text, n, false);
}

/* An option struct has padding: each field on its own. */
static void put_options(const zo_model *m, put_fn *put, void *ctx)
{
    const zo_model_kind *k = m->c.kind;

    for (size_t i = 0; i < k->n_opts; i++) {
        static const size_t bytes[] = {[ZO_OPT_TYPE_F64] = sizeof(double),
                                       [ZO_OPT_TYPE_U64] = sizeof(uint64_t),
                                       [ZO_OPT_TYPE_BOOL] = sizeof(bool),
                                       [ZO_OPT_TYPE_ENUM] = sizeof(uint32_t)};

        put_text(put, ctx, k->opts[i].name);
        put(ctx, (const char *)m->c.options + k->opts[i].offset, bytes[k->opts[i].type], false);
    }
}

zo_status zo_model_config_leaf(const zo_model *m, put_fn *put, void *ctx, zo_error *err)
{
    const zo_model_config *c = &m->c;

    (void)err;
    put_text(put, ctx, "zeroth-model-1");
    put_text(put, ctx, c->kind->name);
    put_u64(put, ctx, c->inputs);
    put_u64(put, ctx, c->target);
    put_u64(put, ctx, c->target == ZO_TARGET_REAL ? c->outputs : 0);
    put_u64(put, ctx, c->gamma_rule);
    put(ctx, &c->gamma, sizeof c->gamma, false);
    for (size_t i = 0; i < c->n_range; i++)
        put(ctx, &c->range[i], sizeof c->range[i], false);
    if (c->target == ZO_TARGET_REAL)
        put(ctx, &c->target_range, sizeof c->target_range, false);
    put_u64(put, ctx, c->quant);
    put_u64(put, ctx, c->capacity);
    put_u64(put, ctx, c->expansion);
    if (c->expansion != ZO_EXPAND_NONE) {
        put_u64(put, ctx, c->features);
        put(ctx, &c->scale, sizeof c->scale, false);
    }
    put_u64(put, ctx, c->seed);
    put_u64(put, ctx, (uint64_t)c->bias | (uint64_t)c->reweight << 1 | (uint64_t)c->fast << 2);
    put_u64(put, ctx, c->n_classes);
    for (size_t i = 0; i < c->n_classes; i++)
        put_text(put, ctx, c->classes[i]);
    put_options(m, put, ctx);
    put_u64(put, ctx, c->n_described);
    for (size_t i = 0; i < c->n_described; i++) {
        put_text(put, ctx, c->described[i]);
        put(ctx, c->descriptions + i * c->description_size, c->description_size * sizeof(double), false);
    }
    put(ctx, "", 0, true);
    return ZO_OK;
}

static void put_array(const zo_model *m, put_fn *put, void *ctx, const void *array, size_t n)
{
    const uint8_t *at = array;

    for (size_t left = array ? n * sums_entry_bytes(m) : 0, piece; left > 0; left -= piece, at += piece) {
        piece = left < LEAF_BYTES ? left : LEAF_BYTES;
        put(ctx, at, piece, true);
    }
}

zo_status zo_model_digest(const zo_model *m, put_fn *put, void *ctx, zo_error *err)
{
    const zo_status rc = zo_model_config_leaf(m, put, ctx, err);

    if (rc != ZO_OK)
        return rc;
    put_u64(put, ctx, m->total->n);
    for (size_t i = 0; i < m->n_classes; i++) {
        const model_class *c = &m->classes[m->order[i]];

        if (c->n == 0)
            continue;
        put_text(put, ctx, c->label);
        put_u64(put, ctx, c->n);
    }
    put(ctx, "", 0, true);
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d, k = sums_width(m);

        put_array(m, put, ctx, m->total->layers[l].A, sums_triangle(d));
        put_array(m, put, ctx, m->total->layers[l].B, k * d);
        put_array(m, put, ctx, m->total->layers[l].yy, k);
        for (size_t i = 0; i < m->n_classes; i++) {
            const model_class *c = &m->classes[m->order[i]];

            if (c->n == 0)
                continue;
            put_array(m, put, ctx, c->sums->layers[l].B, d);
            put_array(m, put, ctx, c->sums->layers[l].A, sums_triangle(d));
        }
    }
    return ZO_OK;
}

/* ---- save ---- */

static zo_status lend(zo_bundle *b, const zo_model *m, const char *name, size_t layer, const void *array, size_t n,
                      zo_error *err)
{
    const size_t dims[2] = {n, 2};
    char full[64];

    if (!array)
        return ZO_OK;
    snprintf(full, sizeof full, "%s.%zu", name, layer);
    return zo_bundle_lend(b, full, m->wide ? ZO_U64 : ZO_I64, m->wide ? 2 : 1, dims, array, err);
}

/* Live classes in order: their arrays are one after the other. */
static zo_status add_class_array(zo_bundle *b, const zo_model *m, const char *name, size_t layer, bool of_A,
                                 zo_error *err)
{
    const size_t d = m->layers[layer].d, n = of_A ? sums_triangle(d) : d, entry = sums_entry_bytes(m);
    size_t live = 0;
    char full[64];
    char *to;
    zo_status rc;

    for (size_t i = 0; i < m->n_classes; i++)
        live += m->classes[i].n > 0;
    const size_t dims[3] = {live, n, 2};
    snprintf(full, sizeof full, "%s.%zu", name, layer);
    if ((rc = zo_bundle_add(b, full, m->wide ? ZO_U64 : ZO_I64, m->wide ? 3 : 2, dims, (void **)&to, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < m->n_classes; i++) {
        const model_class *c = &m->classes[m->order[i]];

        if (c->n == 0)
            continue;
        memcpy(to, of_A ? c->sums->layers[layer].A : c->sums->layers[layer].B, n * entry);
        to += n * entry;
    }
    return ZO_OK;
}

zo_status zo_model_save(const zo_model *m, zo_bundle *b, zo_error *err)
{
    const bool classes = m->c.target == ZO_TARGET_CLASSES;
    uint64_t *counts;
    size_t live = 0, dims[1];
    zo_status rc;

    for (size_t i = 0; i < m->n_classes; i++)
        live += m->classes[i].n > 0;
    dims[0] = 1 + live;
    if ((rc = zo_bundle_add(b, "counts", ZO_U64, 1, dims, (void **)&counts, err)) != ZO_OK)
        return rc;
    counts[0] = m->total->n;
    live = 0;
    for (size_t i = 0; i < m->n_classes; i++) {
        const model_class *c = &m->classes[m->order[i]];
        char key[32];

        if (c->n == 0)
            continue;
        snprintf(key, sizeof key, "class.%zu", live);
        if ((rc = zo_bundle_set_meta(b, key, c->label, err)) != ZO_OK)
            return rc;
        counts[++live] = c->n;
    }
    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d, k = sums_width(m);

        if ((rc = lend(b, m, "A", l, m->total->layers[l].A, sums_triangle(d), err)) != ZO_OK ||
            (rc = lend(b, m, "B", l, m->total->layers[l].B, k * d, err)) != ZO_OK ||
            (rc = lend(b, m, "yy", l, m->total->layers[l].yy, k, err)) != ZO_OK ||
            (classes && (rc = add_class_array(b, m, "class_B", l, false, err)) != ZO_OK) ||
            (m->c.reweight && (rc = add_class_array(b, m, "class_A", l, true, err)) != ZO_OK))
            return rc;
    }
    return ZO_OK;
}
