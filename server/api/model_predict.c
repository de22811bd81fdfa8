/* POST .../predict, GET .../weights, .../state, .../stats: what a model knows. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/model_body.h"
#include "api/model_json.h"
#include "codec/jsonread.h"

/* ---- predict ---- */

struct question {
    bool labels_only, variance;
    double *descriptions;
    const char **described;
    size_t n_described;
};

static void question_fini(struct question *q)
{
    zo_free(q->descriptions);
    zo_free(q->described);
}

static zo_status read_descriptions(const json_t *v, const zo_model *m, struct question *q, zo_error *err)
{
    const size_t width = zo_model_configuration(m)->description_size, n = json_object_size(v);
    const char *key;
    json_t *row;
    size_t i = 0;
    zo_status rc;

    if (!json_is_object(v) || n == 0)
        return zo_fail(err, ZO_EMALFORMED, "/descriptions", "must be an object: a row of numbers for each label");
    if (width == 0)
        return zo_fail(err, ZO_EUNSUPPORTED, "/descriptions", "%s scores no descriptions",
                       zo_model_configuration(m)->kind->name);
    q->descriptions = zo_malloc(n * width * sizeof *q->descriptions);
    q->described = zo_malloc(n * sizeof *q->described);
    if (!q->descriptions || !q->described)
        return zo_fail_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)v, key, row) {
        if (!json_is_array(row) || json_array_size(row) != width) {
            zo_fail(err, json_is_array(row) ? ZO_EINVAL : ZO_EMALFORMED, "", "must be an array of %zu numbers", width);
            api_at(err, err->code, key);
            return api_at(err, err->code, "descriptions");
        }
        for (size_t k = 0; k < width; k++)
            if ((rc = zo_json_get_f64(json_array_get(row, k), &q->descriptions[i * width + k], err)) != ZO_OK) {
                zo_fail_at(err, "/%zu", k);
                api_at(err, rc, key);
                return api_at(err, rc, "descriptions");
            }
        q->described[i++] = key; /* lent by the document */
    }
    q->n_described = n;
    return ZO_OK;
}

static zo_status read_question(const api_rows *r, const zo_model *m, struct question *q, zo_error *err)
{
    const json_t *v;
    const char *mode;
    zo_status rc;

    if ((v = json_object_get(r->doc, "mode")) != NULL) {
        if ((rc = zo_json_get_string(v, &mode, err)) != ZO_OK)
            return api_at(err, rc, "mode");
        if (strcmp(mode, "scores") != 0 && strcmp(mode, "label") != 0)
            return zo_fail(err, ZO_EINVAL, "/mode", "must be one of scores, label");
        q->labels_only = mode[0] == 'l';
        if (q->labels_only && zo_model_configuration(m)->target == ZO_TARGET_REAL)
            return zo_fail(err, ZO_EINVAL, "/mode", "a model of real targets has no labels");
    }
    if ((v = json_object_get(r->doc, "variance")) != NULL && (rc = zo_json_get_bool(v, &q->variance, err)) != ZO_OK)
        return api_at(err, rc, "variance");
    if (q->variance && q->labels_only)
        return zo_fail(err, ZO_EINVAL, "/variance", "goes with scores");
    return (v = json_object_get(r->doc, "descriptions")) != NULL ? read_descriptions(v, m, q, err) : ZO_OK;
}

static const char **column_labels(zo_model *m, const struct question *q, size_t k)
{
    const char **labels = zo_malloc((k + 1) * sizeof *labels);
    uint32_t *order = zo_malloc((zo_model_class_count(m) + 1) * sizeof *order);

    if (labels && order && q->n_described) {
        memcpy(labels, q->described, k * sizeof *labels);
    } else if (labels && order) {
        zo_model_live_classes(m, order);
        for (size_t i = 0; i < k; i++)
            labels[i] = zo_model_class_label(m, order[i]);
    } else {
        zo_free(labels);
        labels = NULL;
    }
    zo_free(order);
    return labels;
}

static void put_matrix(zo_json *w, const char *key, const double *v, size_t n, size_t k)
{
    zo_json_key(w, key);
    zo_json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        zo_json_begin_array(w);
        for (size_t c = 0; c < k; c++)
            zo_json_double(w, v[i * k + c]);
        zo_json_end_array(w);
    }
    zo_json_end_array(w);
}

static void put_labels(zo_json *w, const char *const *labels, const double *scores, size_t n, size_t k)
{
    zo_json_key(w, "labels");
    zo_json_begin_array(w);
    for (size_t i = 0; i < n; i++) {
        size_t best = 0;

        for (size_t c = 1; c < k; c++)
            if (scores[i * k + c] > scores[i * k + best])
                best = c;
        zo_json_string(w, k ? labels[best] : NULL);
    }
    zo_json_end_array(w);
}

static zo_status reply_scores(api_cmd *c, zo_model *m, const struct question *q, const zo_scores *s, size_t n,
                              zo_error *err)
{
    const bool classes = zo_model_configuration(m)->target == ZO_TARGET_CLASSES;
    const char **labels = classes ? column_labels(m, q, s->outputs) : NULL;
    zo_json w;

    if (classes && !labels)
        return zo_fail_nomem(err);
    zo_json_init(&w);
    zo_json_begin_object(&w);
    if (classes) {
        put_labels(&w, labels, s->scores, n, s->outputs);
        zo_json_key(&w, "classes");
        zo_json_begin_array(&w);
        for (size_t i = 0; i < s->outputs; i++)
            zo_json_string(&w, labels[i]);
        zo_json_end_array(&w);
    }
    if (!q->labels_only)
        put_matrix(&w, "scores", s->scores, n, s->outputs);
    if (q->variance)
        put_matrix(&w, "variance", s->variance, n, s->outputs);
    zo_json_end_object(&w);
    zo_free(labels);
    api_reply(c, 200, &w);
    return ZO_OK;
}

static zo_status answer(api_cmd *c, zo_model *m, const api_rows *r, const struct question *q, zo_error *err)
{
    zo_scores s = {.descriptions = q->descriptions, .n_described = q->n_described};
    const size_t n = r->rows.n, cells = n * zo_model_score_columns(m, &s);
    zo_status rc;

    s.scores = zo_malloc((2 * cells + 1) * sizeof *s.scores);
    if (!s.scores)
        return zo_fail_nomem(err);
    if (q->variance)
        s.variance = s.scores + cells;
    if ((rc = zo_model_predict(m, r->rows.x, n, &s, err)) == ZO_OK)
        rc = reply_scores(c, m, q, &s, n, err);
    zo_free(s.scores);
    return rc;
}

static zo_status work_predict(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const char *const known[] = {"mode", "variance", "descriptions", NULL};
    zo_model *m = zo_live_model(x->live);
    struct question q = {0};
    api_rows r;
    zo_status rc = api_rows_read(c, m, ROWS_X, ROWS_X, known, &r, err);

    if (rc == ZO_OK && (rc = read_question(&r, m, &q, err)) == ZO_OK)
        rc = answer(c, m, &r, &q, err);
    question_fini(&q);
    api_rows_fini(&r);
    return rc;
}

zo_status api_model_predict(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_predict, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    c->cmd.is_write = false;
    api_submit_model(c);
    return ZO_OK;
}

/* ---- weights and state: bundles ---- */

static zo_status digest_etag(api_cmd *c, zo_live *l, char hex[2 * CRYPT_HASH_BYTES + 1], zo_error *err)
{
    uint8_t digest[CRYPT_HASH_BYTES];
    char quoted[2 * CRYPT_HASH_BYTES + 3];
    const zo_status rc = zo_live_digest(l, digest, err);

    if (rc != ZO_OK)
        return rc;
    crypt_hex(digest, sizeof digest, hex);
    snprintf(quoted, sizeof quoted, "\"%s\"", hex);
    return (c->etag = zo_arena_strdup(zo_req_arena(c->req), quoted)) ? ZO_OK : zo_fail_nomem(err);
}

static zo_status add_labels(zo_model *m, zo_bundle *b, zo_error *err)
{
    uint32_t *order = zo_malloc((zo_model_class_count(m) + 1) * sizeof *order);
    const size_t n = order ? zo_model_live_classes(m, order) : 0;
    zo_status rc = order ? ZO_OK : zo_fail_nomem(err);

    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        char key[32];

        snprintf(key, sizeof key, "class.%zu", i);
        rc = zo_bundle_set_meta(b, key, zo_model_class_label(m, order[i]), err);
    }
    zo_free(order);
    return rc;
}

static zo_status reply_bundle(api_cmd *c, zo_bundle *b, zo_error *err)
{
    char *bytes = NULL;
    size_t n = 0;
    const zo_status rc = zo_safetensors_write(b, &bytes, &n, err);

    if (rc != ZO_OK)
        return rc;
    zo_req_header_set(c->req, "ETag", c->etag);
    zo_req_reply(c->req, 200, api_array_types[API_AS_ARRAYS], bytes, n);
    return ZO_OK;
}

static zo_status work_weights(api_cmd *c, zo_ctx *x, zo_error *err)
{
    zo_model *m = zo_live_model(x->live);
    char hex[2 * CRYPT_HASH_BYTES + 1];
    zo_bundle b;
    zo_status rc;

    zo_bundle_init(&b);
    if ((rc = digest_etag(c, x->live, hex, err)) == ZO_OK && (rc = zo_model_weights(m, &b, err)) == ZO_OK &&
        (rc = zo_bundle_set_meta(&b, "state_digest", hex, err)) == ZO_OK &&
        (rc = zo_bundle_set_meta(&b, "kind", zo_model_configuration(m)->kind->name, err)) == ZO_OK &&
        (zo_model_configuration(m)->target == ZO_TARGET_REAL || (rc = add_labels(m, &b, err)) == ZO_OK))
        rc = reply_bundle(c, &b, err);
    zo_bundle_fini(&b);
    return rc;
}

static zo_status work_state(api_cmd *c, zo_ctx *x, zo_error *err)
{
    char hex[2 * CRYPT_HASH_BYTES + 1];
    uint8_t config[CRYPT_HASH_BYTES];
    zo_bundle b;
    zo_status rc;

    zo_bundle_init(&b);
    if ((rc = digest_etag(c, x->live, hex, err)) == ZO_OK &&
        (rc = zo_model_save(zo_live_model(x->live), &b, err)) == ZO_OK &&
        (rc = zo_bundle_set_meta(&b, "state_digest", hex, err)) == ZO_OK &&
        (rc = crypt_config_digest(zo_live_model(x->live), config, err)) == ZO_OK) {
        crypt_hex(config, sizeof config, hex);
        if ((rc = zo_bundle_set_meta(&b, "config_digest", hex, err)) == ZO_OK)
            rc = reply_bundle(c, &b, err);
    }
    zo_bundle_fini(&b);
    return rc;
}

static zo_status submit_bundle(zo_req *req, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *), zo_error *err)
{
    static const char *const types[] = {"application/vnd.safetensors", NULL};
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, types, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_model(c);
    return ZO_OK;
}

zo_status api_model_weights(zo_req *req, zo_error *err)
{
    return submit_bundle(req, work_weights, err);
}

zo_status api_model_state(zo_req *req, zo_error *err)
{
    return submit_bundle(req, work_state, err);
}

/* ---- stats ---- */

static zo_status work_stats(api_cmd *c, zo_ctx *x, zo_error *err)
{
    zo_model *m = zo_live_model(x->live);
    zo_model_figure figures[64];
    zo_json w;
    zo_status rc = zo_model_solve(m, err);

    if (rc != ZO_OK)
        return rc;
    const size_t n = zo_model_figures(m, figures, ZO_LEN(figures));
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_u64(&w, "sequence", zo_live_sequence(x->live));
    zo_json_key_u64(&w, "rows", zo_model_rows(m));
    zo_json_key_u64(&w, "groups", zo_live_groups(x->live));
    zo_json_key_u64(&w, "features", zo_model_features(m));
    zo_json_key_u64(&w, "memory_bytes", zo_live_bytes(x->live));
    if (zo_model_configuration(m)->target == ZO_TARGET_CLASSES)
        api_model_classes(m, &w);
    zo_json_key(&w, "figures");
    zo_json_begin_object(&w);
    for (size_t i = 0; i < n; i++)
        zo_json_key_double(&w, figures[i].name, figures[i].value);
    zo_json_end_object(&w);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_model_stats(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_stats, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_model(c);
    return ZO_OK;
}
