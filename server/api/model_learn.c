/* POST .../learn, /forget, /relabel, /merge: what changes a model. The reply is made when the history of the turn is
 * written, so that it can name the digest of the state that its commit makes visible; a repetition of the request gets
 * the reply without it, for digests are not kept. */
#include <string.h>

#include "api/handlers.h"
#include "api/model_body.h"
#include "api/model_json.h"
#include "codec/jsonread.h"

struct change_cmd {
    api_cmd c;
    uint64_t rows; /* learned, relabelled */
    uint64_t sequence;
    zo_forgotten forgotten;
};

static zo_status keep_repeated(api_cmd *c, zo_json *w, zo_error *err)
{
    zo_json_end_object(w);
    zo_json_text(w, "\n", 1);
    return api_take_text(w, zo_req_arena(c->req), &c->repeated, err);
}

/* ---- learn ---- */

static void put_learned(const struct change_cmd *q, const zo_ctx *x, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_u64(w, "sequence", q->sequence);
    zo_json_key_u64(w, "learned", q->rows);
    zo_json_key_u64(w, "rows", zo_model_rows(zo_live_model(x->live)));
}

static zo_status after_learn(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct change_cmd *q = (const struct change_cmd *)(const void *)c;
    zo_json w;
    zo_status rc;

    zo_json_init(&w);
    put_learned(q, x, &w);
    if (c->cmd.idempotency_key && (rc = keep_repeated(c, &w, err)) != ZO_OK)
        goto fail;
    if (c->cmd.idempotency_key)
        put_learned(q, x, &w);
    if ((rc = api_model_digest(x->live, &w, err)) != ZO_OK)
        goto fail;
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
fail:
    zo_json_fini(&w);
    return rc;
}

static zo_status work_learn(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct change_cmd *q = (struct change_cmd *)(void *)c;
    api_rows r;
    zo_status rc = api_rows_read(c, zo_live_model(x->live), ROWS_X | ROWS_TARGETS | ROWS_IDS | ROWS_PLACE,
                                 ROWS_X | ROWS_TARGETS, NULL, &r, err);

    if (rc == ZO_OK)
        rc = zo_live_learn(x->live, x->act, &r.rows, &q->sequence, err);
    q->rows = r.rows.n;
    api_rows_fini(&r);
    if (rc == ZO_OK)
        c->after = after_learn;
    return rc;
}

/* ---- relabel ---- */

static zo_status work_relabel(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct change_cmd *q = (struct change_cmd *)(void *)c;
    api_rows r;
    zo_status rc =
        api_rows_read(c, zo_live_model(x->live), ROWS_TARGETS | ROWS_IDS, ROWS_TARGETS | ROWS_IDS, NULL, &r, err);

    if (rc == ZO_OK) {
        const zo_relabel in = {.n = r.rows.n, .ids = r.rows.ids, .labels = r.rows.labels, .y = r.rows.y};
        rc = zo_live_relabel(x->live, x->act, &in, &q->sequence, err);
    }
    q->rows = r.rows.n;
    api_rows_fini(&r);
    if (rc == ZO_OK)
        c->after = after_learn;
    return rc;
}

/* ---- merge ---- */

/* The other model as it is on disk: its own commands may go on, so what was read must have stayed the same. */
static zo_status load_other(const zo_ctx *x, const char *name, zo_changes *changes, zo_live **out, zo_error *err)
{
    zo_act act = {.store = x->act->store, .reader = x->act->reader, .changes = changes, .now_ms = x->act->now_ms};
    zo_study_row row;
    uint64_t before, after, request;
    zo_status rc;

    if ((rc = zo_reader_model(x->reader, API_TENANT, name, x->scratch, &row, err)) != ZO_OK)
        return rc;
    if ((rc = zo_reader_history_last(x->reader, false, row.study, &before, &request, err)) != ZO_OK)
        return rc;
    rc = zo_live_load(&row, &act, out, err);
    if (zo_reader_history_last(x->reader, false, row.study, &after, &request, NULL) == ZO_OK && after != before) {
        if (rc == ZO_OK)
            zo_live_free(*out);
        return zo_fail(err, ZO_ECONFLICT, "", "it was changed while it was read: try again");
    }
    return rc;
}

static zo_status merge_other(struct change_cmd *q, zo_ctx *x, const char *name, zo_error *err)
{
    zo_changes changes;
    zo_live *other = NULL;
    zo_status rc;

    zo_changes_init(&changes);
    rc = load_other(x, name, &changes, &other, err);
    if (rc != ZO_OK)
        zo_fail_at(err, "/from");
    else if (changes.first)
        rc = zo_fail(err, ZO_ECONFLICT, "/from", "it comes from a backup and must forget again: read it once first");
    else
        rc = zo_live_merge(x->live, x->act, other, &q->rows, &q->sequence, err);
    zo_live_free(other);
    zo_changes_fini(&changes);
    return rc;
}

static zo_status work_merge(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const zo_field fields[] = {{"from", ZO_F_STRING, 0, true, 1, 64}};
    struct change_cmd *q = (struct change_cmd *)(void *)c;
    const char *from;
    json_t *doc;
    zo_status rc;

    if (api_is_safetensors(c->req)) {
        size_t n;
        const char *body = zo_req_body(c->req, &n);

        rc = zo_live_merge_state(x->live, x->act, body, n, &q->rows, &q->sequence, err);
    } else if ((rc = api_parse(c, &doc, err)) == ZO_OK) {
        if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &from, NULL, err)) == ZO_OK)
            rc = merge_other(q, x, from, err);
        json_decref(doc);
    }
    if (rc == ZO_OK)
        c->after = after_learn;
    return rc;
}

/* ---- forget ---- */

static void put_forgotten(const struct change_cmd *q, const zo_ctx *x, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_u64(w, "request", q->forgotten.request);
    zo_json_key_string(w, "state", "done");
    zo_json_key_u64(w, "sequence", q->sequence);
    zo_json_key_u64(w, "forgotten", q->forgotten.rows);
    zo_json_key_u64(w, "rows", zo_model_rows(zo_live_model(x->live)));
}

static zo_status after_forget(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct change_cmd *q = (const struct change_cmd *)(const void *)c;
    zo_json w;
    zo_status rc;

    zo_json_init(&w);
    put_forgotten(q, x, &w);
    if (c->cmd.idempotency_key && (rc = keep_repeated(c, &w, err)) != ZO_OK)
        goto fail;
    if (c->cmd.idempotency_key)
        put_forgotten(q, x, &w);
    if ((rc = api_model_digest(x->live, &w, err)) != ZO_OK)
        goto fail;
    zo_json_key(&w, "certificate");
    if ((rc = zo_live_certificate(x->live, x->act, q->sequence, &w, err)) != ZO_OK)
        goto fail;
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
fail:
    zo_json_fini(&w);
    return rc;
}

static zo_status read_scope(api_rows *r, zo_forget *out, zo_error *err)
{
    static const struct {
        const char *key;
        zo_scope_kind by;
    } scopes[] = {
        {"ids", ZO_BY_IDS}, {"group", ZO_BY_GROUP}, {"class", ZO_BY_CLASS}, {"task", ZO_BY_TASK}, {"all", ZO_BY_ALL}};
    const char *found = NULL;
    bool all = false;
    zo_status rc;

    if (r->has_x) { /* group and task then say where the rows were */
        for (size_t i = 0; i < ZO_LEN(scopes); i++)
            if (json_object_get(r->doc, scopes[i].key) && scopes[i].by != ZO_BY_GROUP && scopes[i].by != ZO_BY_TASK) {
                zo_fail(err, ZO_EMALFORMED, "", "does not go with rows sent again");
                return api_at(err, ZO_EMALFORMED, scopes[i].key);
            }
        out->by = ZO_BY_ROWS;
        out->rows = r->rows;
        return ZO_OK;
    }
    for (size_t i = 0; i < ZO_LEN(scopes); i++) {
        if (!json_object_get(r->doc, scopes[i].key))
            continue;
        if (found)
            return zo_fail(
                err, ZO_EMALFORMED, "",
                "one of ids, group, class, task, all, or rows sent again (x with labels or y); not both %s and %s",
                found, scopes[i].key);
        found = scopes[i].key;
        out->by = scopes[i].by;
    }
    if (!found)
        return zo_fail(err, ZO_EMALFORMED, "",
                       "says nothing to forget: ids, group, class, task, all, or rows sent again (x with labels or y)");
    switch (out->by) {
    case ZO_BY_IDS:
        out->ids = r->rows.ids;
        out->n_ids = r->rows.n;
        return out->n_ids ? ZO_OK : zo_fail(err, ZO_EINVAL, "/ids", "has no ids");
    case ZO_BY_ALL:
        if ((rc = zo_json_get_bool(json_object_get(r->doc, "all"), &all, err)) != ZO_OK)
            return api_at(err, rc, "all");
        return all ? ZO_OK : zo_fail(err, ZO_EINVAL, "/all", "must be true");
    default:
        if ((rc = zo_json_get_string(json_object_get(r->doc, found), &out->name, err)) != ZO_OK)
            return api_at(err, rc, found);
        return ZO_OK;
    }
}

static zo_status work_forget(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const char *const known[] = {"class", "all", NULL};
    struct change_cmd *q = (struct change_cmd *)(void *)c;
    zo_forget in = {0};
    api_rows r;
    zo_status rc =
        api_rows_read(c, zo_live_model(x->live), ROWS_X | ROWS_TARGETS | ROWS_IDS | ROWS_PLACE, 0, known, &r, err);

    if (rc == ZO_OK && (rc = read_scope(&r, &in, err)) == ZO_OK)
        rc = zo_live_forget(x->live, x->act, &in, &q->forgotten, err);
    api_rows_fini(&r);
    q->sequence = q->forgotten.sequence;
    if (rc == ZO_OK)
        c->after = after_forget;
    return rc;
}

/* ---- handlers ---- */

static zo_status submit(zo_req *req, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *), zo_error *err)
{
    struct change_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work, NULL, 0, &q, err)) != ZO_OK)
        return rc;
    api_submit_model(&q->c);
    return ZO_OK;
}

zo_status api_model_learn(zo_req *req, zo_error *err)
{
    return submit(req, work_learn, err);
}

zo_status api_model_relabel(zo_req *req, zo_error *err)
{
    return submit(req, work_relabel, err);
}

zo_status api_model_merge(zo_req *req, zo_error *err)
{
    return submit(req, work_merge, err);
}

zo_status api_model_forget(zo_req *req, zo_error *err)
{
    return submit(req, work_forget, err);
}
