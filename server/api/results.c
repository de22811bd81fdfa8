/* What a study has found: best, Pareto front, and its state down to the solver's arrays. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "api/cursor.h"
#include "api/handlers.h"
#include "api/study_json.h"
#include "api/trial_json.h"
#include "codec/bundlejson.h"
#include "codec/safetensors.h"

/* ---- best ---- */

static zo_status work_best(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const zo_study *s = x->study;
    uint64_t number;
    bool feasible, found;
    zo_trial t;
    zo_json w;

    if (zo_study_n_objectives(s) != 1)
        return zo_fail(err, ZO_EINVAL, "", "several objectives have no one best trial: see /v1/studies/%s/pareto",
                       x->row->id);
    found = zo_study_best(s, &number, &feasible) && zo_study_trial(s, number, &t);
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "trial");
    if (found && feasible)
        zo_api_trial_write(s, &t, 0, &w);
    else
        zo_json_null(&w);
    if (found && !feasible) {
        zo_json_key(&w, "least_infeasible");
        zo_api_trial_write(s, &t, 0, &w);
    }
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_best(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_best, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_study(c);
    return ZO_OK;
}

/* ---- pareto ---- */

struct pareto_cmd {
    api_cmd c;
    uint64_t limit;
    const char *cursor;
};

/* First place in the front whose number is above the last one given. */
static size_t place_after(const uint64_t *numbers, size_t n, uint64_t last)
{
    size_t low = 0, high = n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (numbers[mid] <= last)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static zo_status work_pareto(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct pareto_cmd *q = (const struct pareto_cmd *)(const void *)c;
    const uint64_t *numbers;
    const size_t n = zo_study_pareto(x->study, &numbers);
    char list[64], next[API_CURSOR_CHARS];
    api_cursor at;
    size_t from = 0;
    zo_json w;
    zo_status rc;

    snprintf(list, sizeof list, "pareto %s", x->row->id);
    if (q->cursor) {
        if ((rc = api_cursor_decode(q->cursor, list, &at, err)) != ZO_OK)
            return rc;
        from = place_after(numbers, n, at.number[0]);
    }
    const size_t shown = n - from < q->limit ? n - from : (size_t)q->limit;
    const bool more = from + shown < n;
    if (more) {
        at = (api_cursor){.number = {numbers[from + shown - 1]}};
        api_cursor_encode(&at, list, next);
    }
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "trials");
    zo_api_trials_write(x->study, numbers + from, shown, 0, &w);
    zo_json_key_string(&w, "next", more ? next : NULL);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_pareto(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"limit", "cursor"};
    struct pareto_cmd *q;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_pareto, allowed, ZO_LEN(allowed), &q, err)) != ZO_OK)
        return rc;
    q->limit = 100;
    if ((rc = api_query_u64(req, "limit", 1, 1000, &q->limit, err)) != ZO_OK)
        return rc;
    q->cursor = zo_req_query(req, "cursor");
    api_submit_study(&q->c);
    return ZO_OK;
}

/* ---- state ---- */

struct state_cmd {
    api_cmd c;
    size_t type;
};

static zo_status write_state(const zo_ctx *x, const zo_bundle *head, zo_json *w, zo_error *err)
{
    zo_spec spec;
    char digest[17];
    zo_status rc;

    if ((rc = zo_spec_decode_text(x->row->spec, strlen(x->row->spec), x->scratch, &spec, err)) != ZO_OK)
        return rc;
    snprintf(digest, sizeof digest, "%016" PRIx64, zo_study_digest(x->study));
    zo_json_begin_object(w);
    zo_json_key_string(w, "digest", digest);
    api_state_members(x->study, w);
    zo_json_key_u64(w, "revision", api_revision(x));
    zo_json_key(w, "counts");
    api_counts_write(x->study, w);
    zo_json_key(w, "solver");
    if ((rc = api_solver_write(&spec, x->study, w, err)) != ZO_OK)
        return rc;
    zo_json_key(w, "snapshot");
    zo_bundle_json(head, w);
    zo_json_end_object(w);
    return ZO_OK;
}

static zo_status reply_json(api_cmd *c, const zo_ctx *x, const zo_bundle *head, zo_error *err)
{
    zo_json w;
    zo_status rc;

    zo_json_init(&w);
    if ((rc = write_state(x, head, &w, err)) == ZO_OK)
        api_reply(c, 200, &w);
    else
        zo_json_fini(&w);
    return rc;
}

static zo_status reply_safetensors(api_cmd *c, const zo_bundle *head, zo_error *err)
{
    char *bytes;
    size_t n;
    const zo_status rc = zo_safetensors_write(head, &bytes, &n, err);

    if (rc == ZO_OK)
        zo_req_reply(c->req, 200, api_array_types[API_AS_ARRAYS], bytes, n);
    return rc;
}

static zo_status work_state(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const struct state_cmd *q = (const struct state_cmd *)(const void *)c;
    zo_bundle head;
    zo_status rc;

    zo_bundle_init(&head);
    if ((rc = zo_study_save_head(x->study, zo_runtime_arith_tag(x->rt), &head, err)) == ZO_OK)
        rc = q->type == API_AS_JSON ? reply_json(c, x, &head, err) : reply_safetensors(c, &head, err);
    zo_bundle_fini(&head);
    return rc;
}

zo_status api_state(zo_req *req, zo_error *err)
{
    struct state_cmd *q;
    size_t type;
    zo_status rc;

    if (!api_accepts(req, api_array_types, &type))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *q, work_state, NULL, 0, &q, err)) != ZO_OK)
        return rc;
    q->type = type;
    api_submit_study(&q->c);
    return ZO_OK;
}
