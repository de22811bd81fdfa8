/* POST .../verify-forgetting: is the model the one that never saw what it forgot, and could anybody tell from its
 * answers. */
#include "api/handlers.h"
#include "api/model_body.h"
#include "codec/jsonread.h"
#include "models/audit.h"

enum { MODELS = 20, MOST_MODELS = 1000 };

static void put_spread(zo_json *w, const char *key, const zo_audit_spread *s)
{
    zo_json_key(w, key);
    zo_json_begin_object(w);
    zo_json_key_double(w, "median", s->median);
    zo_json_key_double(w, "p95", s->p95);
    zo_json_key_double(w, "p99", s->p99);
    zo_json_key_double(w, "max", s->largest);
    zo_json_end_object(w);
}

static void reply(api_cmd *c, const zo_audit *a, size_t n_models)
{
    zo_json w;

    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "retrained");
    zo_json_begin_object(&w);
    zo_json_key_bool(&w, "equal", a->equal);
    zo_json_key_u64(&w, "rows", a->rows);
    zo_json_end_object(&w);
    zo_json_key(&w, "klom");
    zo_json_begin_object(&w);
    zo_json_key_u64(&w, "models", n_models);
    put_spread(&w, "forgotten", &a->forgotten);
    put_spread(&w, "held_out", &a->held_out);
    zo_json_end_object(&w);
    zo_json_key(&w, "membership");
    zo_json_begin_object(&w);
    zo_json_key_double(&w, "auc", a->membership.value);
    zo_json_key_double(&w, "low", a->membership.low);
    zo_json_key_double(&w, "high", a->membership.high);
    zo_json_end_object(&w);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
}

static zo_status read_count(const api_rows *r, const char *key, uint64_t low, uint64_t high, uint64_t *io,
                            zo_error *err)
{
    const json_t *v = json_object_get(r->doc, key);
    zo_status rc;

    if (!v)
        return ZO_OK;
    if ((rc = zo_json_get_u64(v, io, err)) == ZO_OK && (*io < low || *io > high))
        rc = zo_fail(err, ZO_EINVAL, "", "must be %llu to %llu", (unsigned long long)low, (unsigned long long)high);
    return rc == ZO_OK ? ZO_OK : api_at(err, rc, key);
}

static zo_status work_audit(api_cmd *c, zo_ctx *x, zo_error *err)
{
    static const char *const known[] = {"held_out", "models", NULL};
    uint64_t held_out = 0, models = MODELS;
    zo_audit a;
    api_rows r;
    zo_status rc =
        api_rows_read(c, zo_live_model(x->live), ROWS_X | ROWS_TARGETS, ROWS_X | ROWS_TARGETS, known, &r, err);

    if (rc == ZO_OK && (rc = read_count(&r, "held_out", 0, r.rows.n, &held_out, err)) == ZO_OK &&
        (rc = read_count(&r, "models", 2, MOST_MODELS, &models, err)) == ZO_OK &&
        (rc = zo_live_audit(x->live, x->act, &r.rows, (size_t)held_out, (size_t)models, &a, err)) == ZO_OK)
        reply(c, &a, (size_t)models);
    api_rows_fini(&r);
    return rc;
}

zo_status api_model_audit(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_audit, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    c->cmd.is_write = false;
    api_submit_model(c);
    return ZO_OK;
}
