/* Models: create, list, get, delete. */
#include <string.h>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/model_json.h"
#include "codec/jsonread.h"

/* ---- as JSON ---- */

static void put_head(const zo_study_row *row, zo_json *w)
{
    zo_json_key_string(w, "id", row->id);
    zo_json_key_string(w, "name", row->name);
    zo_json_key_string(w, "title", row->title && *row->title ? row->title : NULL);
    zo_json_key(w, "metadata");
    if (row->metadata)
        zo_json_raw(w, row->metadata, strlen(row->metadata));
    else
        zo_json_raw(w, "{}", 2);
    zo_json_key_string(w, "state", row->state);
    zo_json_key_time(w, "created_at", row->created_ms);
}

void api_model_classes(zo_model *m, zo_json *w)
{
    const size_t n = zo_model_class_count(m);
    uint32_t *order = zo_malloc((n + 1) * sizeof *order);
    const size_t live = order ? zo_model_live_classes(m, order) : 0;

    w->failed = w->failed || !order;
    zo_json_key(w, "classes");
    zo_json_begin_array(w);
    for (size_t i = 0; i < live; i++) {
        zo_json_begin_object(w);
        zo_json_key_string(w, "label", zo_model_class_label(m, order[i]));
        zo_json_key_u64(w, "rows", zo_model_class_rows(m, order[i]));
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
    zo_free(order);
}

zo_status api_model_digest(zo_live *l, zo_json *w, zo_error *err)
{
    uint8_t digest[CRYPT_HASH_BYTES];
    char hex[2 * CRYPT_HASH_BYTES + 1];
    const zo_status rc = zo_live_digest(l, digest, err);

    if (rc != ZO_OK)
        return rc;
    crypt_hex(digest, sizeof digest, hex);
    zo_json_key_string(w, "state_digest", hex);
    return ZO_OK;
}

static zo_status model_etag(api_cmd *c, const zo_live *l, zo_error *err)
{
    char text[32];

    snprintf(text, sizeof text, "\"%llu\"", (unsigned long long)zo_live_sequence(l));
    c->etag = zo_arena_strdup(zo_req_arena(c->req), text);
    return c->etag ? ZO_OK : zo_fail_nomem(err);
}

static zo_status reply_model(api_cmd *c, const zo_study_row *row, zo_live *l, unsigned status, zo_error *err)
{
    zo_json w;
    zo_status rc;

    if ((rc = model_etag(c, l, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    put_head(row, &w);
    zo_model_spec_encode_members(zo_live_spec(l), &w);
    zo_json_key_u64(&w, "sequence", zo_live_sequence(l));
    zo_json_key_u64(&w, "rows", zo_model_rows(zo_live_model(l)));
    zo_json_key_u64(&w, "groups", zo_live_groups(l));
    zo_json_key_u64(&w, "features", zo_model_features(zo_live_model(l)));
    if (zo_live_spec(l)->model.target == ZO_TARGET_CLASSES)
        api_model_classes(zo_live_model(l), &w);
    if ((rc = api_model_digest(l, &w, err)) != ZO_OK) {
        zo_json_fini(&w);
        return rc;
    }
    zo_json_end_object(&w);
    api_reply(c, status, &w);
    return ZO_OK;
}

/* ---- get ---- */

struct get_cmd {
    api_cmd c;
    const char *if_none_match;
};

static zo_status work_get(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct get_cmd *g = (const struct get_cmd *)(const void *)c;
    zo_status rc;

    if (g->if_none_match) {
        if ((rc = model_etag(c, x->live, err)) != ZO_OK)
            return rc;
        if (api_etag_listed(g->if_none_match, c->etag)) {
            api_reply_empty(c, 304);
            return ZO_OK;
        }
    }
    return reply_model(c, x->row, x->live, 200, err);
}

zo_status api_model_get(zo_req *req, zo_error *err)
{
    struct get_cmd *g;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *g, work_get, NULL, 0, &g, err)) != ZO_OK)
        return rc;
    g->if_none_match = zo_req_header(req, "If-None-Match");
    api_submit_model(&g->c);
    return ZO_OK;
}

/* ---- create ---- */

static zo_status encode_spec(const zo_model_spec *spec, zo_arena *arena, const char **out, zo_error *err)
{
    zo_json w;

    zo_json_init(&w);
    zo_model_spec_encode(spec, &w);
    return api_take_text(&w, arena, out, err);
}

static zo_status create(api_cmd *c, zo_ctx *x, const zo_model_spec *spec, zo_error *err)
{
    zo_arena *arena = zo_req_arena(c->req);
    zo_study_row row = {.name = spec->name, .title = spec->title, .metadata = spec->metadata}, existing = {0};
    char path[64] = "/v1/models/";
    zo_live *live;
    zo_status rc;

    if ((rc = encode_spec(spec, arena, &row.spec, err)) != ZO_OK)
        return rc;
    if ((rc = zo_ctx_create_model(x, &row, &existing, &live, err)) != ZO_OK) {
        if (rc == ZO_ECONFLICT && existing.id)
            c->problem_id = zo_arena_strdup(arena, existing.id);
        return rc;
    }
    strncat(path, row.id, sizeof path - strlen(path) - 1);
    if (!(c->location = zo_arena_strdup(arena, path)))
        return zo_fail_nomem(err);
    return reply_model(c, &row, live, 201, err);
}

static zo_status work_create(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const zo_json_limits limits = {.tokens = 2000000}; /* descriptions of classes are long */
    size_t n;
    const char *body = zo_req_body(c->req, &n);
    zo_model_spec spec;
    json_t *doc;
    zo_status rc;

    if ((rc = zo_json_parse(body, n, &limits, &doc, err)) != ZO_OK)
        return rc;
    rc = zo_model_spec_decode(doc, zo_req_arena(c->req), &spec, err);
    json_decref(doc);
    if (rc == ZO_OK && !spec.has_seed)
        rc = api_draw_seed(&spec.model.seed, err);
    return rc == ZO_OK ? create(c, x, &spec, err) : rc;
}

zo_status api_model_create(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_create, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_directory(c, ZO_MODELS);
    return ZO_OK;
}

/* ---- delete ---- */

static zo_status work_delete(api_cmd *c, zo_ctx *x, zo_error *err)
{
    zo_status rc;

    if ((rc = zo_live_delete(x->live, x->act, err)) != ZO_OK || (rc = zo_ctx_delete(x, err)) != ZO_OK) {
        zo_ctx_undo(x);
        return rc;
    }
    api_reply_empty(c, 204);
    return ZO_OK;
}

zo_status api_model_delete(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if ((rc = api_begin(req, sizeof *c, work_delete, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_model(c);
    return ZO_OK;
}

/* ---- list ---- */

struct list_cmd {
    api_cmd c;
    zo_study_filter filter;
    char list[160];
};

static zo_status work_list(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct list_cmd *q = (struct list_cmd *)(void *)c;
    const size_t limit = q->filter.limit;
    char next[API_CURSOR_CHARS];
    zo_study_row *rows = NULL;
    size_t n = 0;
    zo_json w;
    zo_status rc;

    q->filter.limit = limit + 1;
    rc = zo_reader_studies(x->reader, &q->filter, x->scratch, &rows, &n, err);
    q->filter.limit = limit;
    if (rc != ZO_OK)
        return rc;
    const bool more = n > limit;
    if (more) {
        const api_cursor at = {.number = {(uint64_t)rows[limit - 1].study, (uint64_t)rows[limit - 1].created_ms}};

        n = limit;
        api_cursor_encode(&at, q->list, next);
    }
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "models");
    zo_json_begin_array(&w);
    for (size_t i = 0; i < n; i++) {
        zo_json_begin_object(&w);
        put_head(&rows[i], &w);
        zo_json_end_object(&w);
    }
    zo_json_end_array(&w);
    zo_json_key_string(&w, "next", more ? next : NULL);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_model_list(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"name_prefix", "limit", "cursor"};
    const char *cursor = zo_req_query(req, "cursor"), *prefix = zo_req_query(req, "name_prefix");
    uint64_t limit = 100;
    struct list_cmd *q;
    api_cursor at;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_list, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK ||
        (rc = api_query_u64(req, "limit", 1, 1000, &limit, err)) != ZO_OK)
        return rc;
    if (prefix && strlen(prefix) > 64)
        return zo_fail(err, ZO_EINVAL, "", "query parameter name_prefix has at most 64 bytes");
    q->filter =
        (zo_study_filter){.table = ZO_MODELS, .tenant = API_TENANT, .name_prefix = prefix, .limit = (size_t)limit};
    snprintf(q->list, sizeof q->list, "models %s", prefix ? prefix : "");
    if (cursor) {
        if ((rc = api_cursor_decode(cursor, q->list, &at, err)) != ZO_OK)
            return rc;
        q->filter.has_after = true;
        q->filter.after_study = (int64_t)at.number[0];
        q->filter.after_time = (int64_t)at.number[1];
    }
    api_submit_query(&q->c);
    return ZO_OK;
}
