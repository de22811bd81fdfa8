/* Single trials: enqueue, get, withdraw, report, heartbeat, release. Lists are in trial_list.c. */
#include <stdio.h>
#include <string.h>

#include "api/handlers.h"
#include "api/tell.h"
#include "api/trial_json.h"
#include "codec/jsonread.h"
#include "codec/spec.h"

enum { MAX_POINTS = 10000 };

/* ---- enqueue ---- */

struct point_in {
    const json_t *params, *metadata;
};
static const zo_field point_fields[] = {
    {"params", ZO_F_OBJECT, offsetof(struct point_in, params), true, 0, 0},
    {"metadata", ZO_F_ANY, offsetof(struct point_in, metadata), false, 0, 0},
};

struct points {
    size_t n;
    const double **v;
    const char **metadata;
    uint64_t *numbers;
};

static zo_status reserve(struct points *p, size_t n, zo_arena *arena, zo_error *err)
{
    p->n = n;
    p->v = zo_arena_array(arena, n, sizeof *p->v);
    p->metadata = zo_arena_array(arena, n, sizeof *p->metadata);
    p->numbers = zo_arena_array(arena, n, sizeof *p->numbers);
    return p->v && p->metadata && p->numbers ? ZO_OK : zo_fail_nomem(err);
}

static zo_status read_point(const json_t *doc, const zo_study *s, zo_arena *arena, struct points *p, size_t i,
                            zo_error *err)
{
    struct point_in in = {0};
    zo_status rc;

    if ((rc = zo_json_read(doc, point_fields, ZO_LEN(point_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if ((rc = api_point_read(in.params, NULL, 0, s, arena, &p->v[i], err)) != ZO_OK)
        return api_at(err, rc, "params");
    if (in.metadata && (rc = zo_spec_decode_metadata(in.metadata, arena, &p->metadata[i], err)) != ZO_OK)
        return api_at(err, rc, "metadata");
    return ZO_OK;
}

static zo_status read_list(const json_t *list, const zo_study *s, zo_arena *arena, struct points *p, zo_error *err)
{
    const size_t n = json_array_size(list);
    zo_status rc;

    if (!json_is_array(list))
        return zo_fail(err, ZO_EMALFORMED, "", "must be an array");
    if (n == 0 || n > MAX_POINTS)
        return zo_fail(err, ZO_EINVAL, "", "must have 1 to %d points", MAX_POINTS);
    if ((rc = reserve(p, n, arena, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < n; i++)
        if ((rc = read_point(json_array_get(list, i), s, arena, p, i, err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    return ZO_OK;
}

/* {"params": ..., "metadata": ...} or {"trials": [...]} */
static zo_status read_points(const json_t *doc, const zo_study *s, zo_arena *arena, struct points *p, zo_error *err)
{
    const json_t *list = json_object_get(doc, "trials");
    const char *key;
    json_t *v;
    zo_status rc;

    if (!list)
        return (rc = reserve(p, 1, arena, err)) != ZO_OK ? rc : read_point(doc, s, arena, p, 0, err);
    json_object_foreach ((json_t *)(uintptr_t)doc, key, v)
        if (v != list)
            return api_at(err, zo_fail(err, ZO_EMALFORMED, "", "trials come alone"), key);
    return (rc = read_list(list, s, arena, p, err)) != ZO_OK ? api_at(err, rc, "trials") : ZO_OK;
}

static zo_status locate(api_cmd *c, const zo_ctx *x, uint64_t number, zo_error *err)
{
    char path[96];

    snprintf(path, sizeof path, "/v1/studies/%s/trials/%llu", x->row->id, (unsigned long long)number);
    c->location = zo_arena_strdup(zo_req_arena(c->req), path);
    return c->location ? ZO_OK : zo_fail_nomem(err);
}

static zo_status work_enqueue(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct points p;
    json_t *doc;
    zo_json w;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    rc = read_points(doc, x->study, x->scratch, &p, err);
    json_decref(doc);
    if (rc != ZO_OK ||
        (rc = zo_study_enqueue(x->study, p.v, p.metadata, p.n, x->now, x->events, p.numbers, err)) != ZO_OK ||
        (rc = locate(c, x, p.numbers[0], err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "trials");
    zo_api_trials_write(x->study, p.numbers, p.n, 0, &w);
    zo_json_end_object(&w);
    api_reply(c, 201, &w);
    return ZO_OK;
}

zo_status api_trial_enqueue(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_enqueue, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_study(c);
    return ZO_OK;
}

/* ---- one trial ---- */

struct trial_cmd {
    api_cmd c;
    uint64_t number;
    uint64_t applied; /* UINT64_MAX: not given */
};

static uint64_t number_of(const api_cmd *c)
{
    return ((const struct trial_cmd *)(const void *)c)->number;
}

static zo_status submit_trial(zo_req *req, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *), zo_error *err)
{
    struct trial_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work, NULL, 0, &q, err)) != ZO_OK ||
        (rc = api_path_number(req, &q->number, err)) != ZO_OK)
        return rc;
    api_submit_study(&q->c);
    return ZO_OK;
}

static zo_status find(const zo_ctx *x, uint64_t number, zo_trial *out, zo_error *err)
{
    if (!zo_study_trial(x->study, number, out) || out->withdrawn)
        return zo_fail(err, ZO_ENOTFOUND, "", "no trial %llu in this study", (unsigned long long)number);
    return ZO_OK;
}

static zo_status work_get(api_cmd *c, zo_ctx *x, zo_error *err)
{
    uint64_t applied = ((const struct trial_cmd *)(const void *)c)->applied;
    zo_trial t;
    zo_json w;
    zo_status rc;

    if ((rc = find(x, number_of(c), &t, err)) != ZO_OK)
        return rc;
    if (applied != UINT64_MAX && (!zo_study_steps(x->study) || applied > t.number + 1))
        return zo_fail(err, ZO_EINVAL, "", "query parameter applied is a step of a directional study, none after the trial's own");
    if (applied == UINT64_MAX)
        applied = t.number; /* the step's own move */
    zo_json_init(&w);
    zo_api_trial_write_after(x->study, &t, ZO_TRIAL_REPORTS | ZO_TRIAL_ORACLE, applied, &w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_trial_get(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"applied"};
    struct trial_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_get, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK ||
        (rc = api_path_number(req, &q->number, err)) != ZO_OK)
        return rc;
    q->applied = UINT64_MAX;
    if ((rc = api_query_u64(req, "applied", 0, ZO_JSON_INTEGER_MAX, &q->applied, err)) != ZO_OK)
        return rc;
    api_submit_study(&q->c);
    return ZO_OK;
}

static zo_status work_withdraw(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const zo_status rc = zo_study_withdraw(x->study, number_of(c), x->now, x->events, err);

    if (rc == ZO_OK)
        api_reply_empty(c, 204);
    return rc;
}

zo_status api_trial_withdraw(zo_req *req, zo_error *err)
{
    return submit_trial(req, work_withdraw, err);
}

/* ---- report ---- */

struct report_in {
    uint64_t step;
    const json_t *values, *value;
};
static const zo_field report_fields[] = {
    {"step", ZO_F_U64, offsetof(struct report_in, step), true, 0, 0},
    {"values", ZO_F_OBJECT, offsetof(struct report_in, values), false, 0, 0},
    {"value", ZO_F_ANY, offsetof(struct report_in, value), false, 0, 0},
};

static zo_status read_report(const json_t *doc, const zo_ctx *x, uint64_t *step, const double **values, zo_error *err)
{
    struct report_in in = {0};
    zo_status rc;

    if ((rc = zo_json_read(doc, report_fields, ZO_LEN(report_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if (!in.values && !in.value)
        return zo_fail(err, ZO_EMALFORMED, "/values", "this field is missing");
    *step = in.step;
    return api_values_read(in.values, in.value, x->study, x->scratch, values, err);
}

static zo_status work_report(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const double *values = NULL;
    uint64_t step = 0;
    bool stop;
    json_t *doc;
    zo_json w;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    rc = read_report(doc, x, &step, &values, err);
    json_decref(doc);
    if (rc != ZO_OK ||
        (rc = zo_study_report(x->study, number_of(c), step, values, x->now, x->events, &stop, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_bool(&w, "stop", stop);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_trial_report(zo_req *req, zo_error *err)
{
    return submit_trial(req, work_report, err);
}

/* ---- heartbeat, release ---- */

static zo_status read_heartbeat(const json_t *doc, uint64_t *lease_ms, zo_error *err)
{
    static const zo_field fields[] = {{"lease", ZO_F_ANY, 0, false, 0, 0}};
    const json_t *lease = NULL;
    zo_status rc;

    *lease_ms = 0;
    if (!doc)
        return ZO_OK;
    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &lease, NULL, err)) != ZO_OK || !lease)
        return rc;
    return (rc = api_read_lease(lease, lease_ms, err)) != ZO_OK ? api_at(err, rc, "lease") : ZO_OK;
}

static zo_status work_heartbeat(api_cmd *c, zo_ctx *x, zo_error *err)
{
    uint64_t lease_ms;
    json_t *doc;
    zo_trial t;
    zo_json w;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    rc = read_heartbeat(doc, &lease_ms, err);
    json_decref(doc);
    if (rc != ZO_OK || (rc = zo_study_heartbeat(x->study, number_of(c), lease_ms, x->now, err)) != ZO_OK ||
        (rc = find(x, number_of(c), &t, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_time(&w, "lease_expires_at", t.lease_expires_ms);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_trial_heartbeat(zo_req *req, zo_error *err)
{
    return submit_trial(req, work_heartbeat, err);
}

static zo_status work_release(api_cmd *c, zo_ctx *x, zo_error *err)
{
    json_t *doc;
    zo_trial t;
    zo_json w;
    zo_status rc;

    if ((rc = api_parse(c, &doc, err)) != ZO_OK)
        return rc;
    rc = doc ? zo_json_read(doc, NULL, 0, NULL, NULL, err) : ZO_OK; /* no field is known */
    json_decref(doc);
    if (rc != ZO_OK || (rc = zo_study_release(x->study, number_of(c), x->now, x->events, err)) != ZO_OK ||
        (rc = find(x, number_of(c), &t, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_api_trial_write(x->study, &t, 0, &w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_trial_release(zo_req *req, zo_error *err)
{
    return submit_trial(req, work_release, err);
}
