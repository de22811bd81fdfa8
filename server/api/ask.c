/* Ask, its long-poll, and exchange: tell, then ask, as one command.
 *
 * A long-poll is a command that parks while the solver must wait for results: the runtime runs it again after each
 * change of the study, and for the last time when its time is up, its client has left or the daemon drains. */
#include <string.h>

#include "api/handlers.h"
#include "api/steps.h"
#include "api/study_json.h"
#include "api/tell.h"
#include "api/trial_json.h"
#include "base/clock.h"
#include "codec/jsonread.h"

enum { MAX_COUNT = 1000, MAX_NUMBERS = 1000000, MAX_WAIT_MS = 30000, WORKER_BYTES = 128 };

struct ask_in {
    uint64_t count;
    const json_t *lease;
    const char *worker;
    bool resume;
    uint64_t applied;
};
enum { F_APPLIED };
static const zo_field ask_fields[] = {
    [F_APPLIED] = {"applied", ZO_F_U64, offsetof(struct ask_in, applied), false, 0, 0},
    {"count", ZO_F_U64, offsetof(struct ask_in, count), false, 1, MAX_COUNT},
    {"lease", ZO_F_ANY, offsetof(struct ask_in, lease), false, 0, 0},
    {"worker", ZO_F_STRING, offsetof(struct ask_in, worker), false, 1, WORKER_BYTES},
    {"resume", ZO_F_BOOL, offsetof(struct ask_in, resume), false, 0, 0},
};

/* A reply has a bounded size: of long points it holds fewer than were asked for. */
static size_t bounded(uint64_t count, const zo_study *s)
{
    const size_t n = zo_study_steps(s) ? 0 : zo_space_n_dims(zo_study_space(s)), fit = MAX_NUMBERS / (n + 1);

    return count <= fit ? (size_t)count : fit > 0 ? fit : 1;
}

struct ask {
    zo_ask_args args;
    uint64_t applied; /* directional: steps whose moves the client has */
};

/* doc NULL: all defaults. Strings are lent by doc. */
static zo_status read_ask(const json_t *doc, const zo_study *s, struct ask *ask, zo_error *err)
{
    struct ask_in in = {.count = 1};
    zo_ask_args *out = &ask->args;
    uint64_t seen = 0;
    zo_status rc;

    *ask = (struct ask){.args.count = 1};
    if (doc && (rc = zo_json_read(doc, ask_fields, ZO_LEN(ask_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    if ((rc = api_applied_check(s, seen >> F_APPLIED & 1, in.applied, err)) != ZO_OK)
        return rc;
    if (in.lease && (rc = api_read_lease(in.lease, &out->lease_ms, err)) != ZO_OK)
        return api_at(err, rc, "lease");
    if (in.resume && !in.worker)
        return zo_fail(err, ZO_EINVAL, "/worker", "resume needs the worker's name");
    out->count = bounded(in.count, s);
    out->worker = in.worker;
    out->resume = in.resume;
    ask->applied = in.applied;
    return ZO_OK;
}

static void write_steps(const zo_ask_reply *r, const zo_study *s, uint64_t applied, zo_json *w)
{
    zo_trial t;

    zo_json_begin_array(w);
    for (size_t i = 0; i < r->n; i++)
        if (zo_study_trial(s, r->numbers[i], &t))
            zo_api_trial_write_after(s, &t, ZO_TRIAL_ORACLE, applied, w);
    zo_json_end_array(w);
}

static void write_ask(const zo_ask_reply *r, const zo_study *s, uint64_t applied, const char *prefix, api_out *o)
{
    zo_json *w = &o->w;

    zo_json_begin_object(w);
    zo_json_key(w, "trials");
    if (zo_study_steps(s))
        write_steps(r, s, applied, w);
    else
        zo_api_trials_write(s, r->numbers, r->n, o->parts, w);
    if (r->reason) {
        zo_json_key_string(w, "state", zo_study_state_name(r->state));
        zo_json_key_string(w, "reason", r->reason);
        if (r->detail)
            zo_json_key_string(w, "detail", r->detail);
        if (r->retry_after_s > 0)
            zo_json_key_double(w, "retry_after", r->retry_after_s);
    }
    zo_json_end_object(w);
    api_out_points(o, s, r->numbers, r->n, prefix);
}

/* ---- ask ---- */

static zo_status work_ask(api_cmd *c, zo_ctx *x, zo_error *err)
{
    struct ask ask;
    zo_ask_reply reply;
    api_body body;
    api_out o;
    zo_status rc;

    if ((rc = api_body_read(c, &body, err)) != ZO_OK)
        return rc;
    if ((rc = api_body_arrays_below(&body, NULL, err)) == ZO_OK &&
        (rc = read_ask(body.doc, x->study, &ask, err)) == ZO_OK)
        rc = zo_study_ask(x->study, &ask.args, x->now, x->events, x->scratch, &reply, err);
    api_body_fini(&body);
    if (rc != ZO_OK)
        return rc;
    if (c->may_wait && !x->timed_out && reply.n == 0 && reply.reason && strcmp(reply.reason, "waiting") == 0) {
        c->wait = true;
        return ZO_OK;
    }
    api_out_init(&o, c);
    write_ask(&reply, x->study, ask.applied, "", &o);
    api_out_reply(&o, 200);
    return ZO_OK;
}

static void client_left(zo_req *req, void *ctx)
{
    api_cmd *c = ctx;

    (void)req;
    zo_runtime_gone(c->app->runtime, &c->cmd);
}

static zo_status read_wait(const zo_req *req, int64_t *ms_out, zo_error *err)
{
    const char *text = zo_req_query(req, "wait");

    *ms_out = 0;
    if (!text)
        return ZO_OK;
    if (zo_duration_parse(text, ms_out, NULL) != ZO_OK)
        return zo_fail(err, ZO_EMALFORMED, "", "query parameter wait must be a duration such as 10s");
    if (*ms_out > MAX_WAIT_MS)
        return zo_fail(err, ZO_EINVAL, "", "query parameter wait is at most 30s");
    return ZO_OK;
}

zo_status api_ask(zo_req *req, zo_error *err)
{
    static const char *const allowed[] = {"wait"};
    int64_t wait_ms;
    bool apart;
    api_cmd *c;
    zo_status rc;

    if (!api_accepts_arrays(req, &apart))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_ask, allowed, ZO_LEN(allowed), &c, err)) != ZO_OK ||
        (rc = read_wait(req, &wait_ms, err)) != ZO_OK)
        return rc;
    c->apart = apart;
    if (wait_ms > 0) {
        c->may_wait = true;
        c->cmd.wait_until_ms = zo_clock_mono_ms() + wait_ms;
        zo_req_on_gone(req, client_left, c); /* so that no trial goes to a client that has left */
    } else {
        c->histogram = &zo_metric.ask_us;
    }
    api_submit_study(c);
    return ZO_OK;
}

/* ---- exchange ---- */

struct exchange_in {
    const json_t *tell, *ask;
};
static const zo_field exchange_fields[] = {
    {"tell", ZO_F_OBJECT, offsetof(struct exchange_in, tell), false, 0, 0},
    {"ask", ZO_F_OBJECT, offsetof(struct exchange_in, ask), false, 0, 0},
};

/* All that can be refused is refused before the tell changes anything. */
static zo_status exchange(const api_body *body, zo_ctx *x, api_out *o, zo_error *err)
{
    struct exchange_in in = {0};
    api_results results = {0};
    struct ask ask;
    zo_ask_reply reply;
    zo_status rc;

    if ((rc = zo_json_read(body->doc, exchange_fields, ZO_LEN(exchange_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if (!in.tell && !in.ask)
        return zo_fail(err, ZO_EMALFORMED, "", "give tell, ask or both");
    if ((rc = api_body_arrays_below(body, in.tell ? "tell/" : NULL, err)) != ZO_OK)
        return rc;
    if (in.tell &&
        (rc = api_results_read(in.tell, &body->arrays, "tell/", x->study, x->scratch, &results, err)) != ZO_OK)
        return api_at(err, rc, "tell");
    if (in.ask && (rc = read_ask(in.ask, x->study, &ask, err)) != ZO_OK)
        return api_at(err, rc, "ask");
    if (in.tell && (rc = api_results_apply(&results, x, err)) != ZO_OK)
        return api_at(err, rc, "tell");
    zo_json_begin_object(&o->w);
    if (in.tell) {
        zo_json_key(&o->w, "tell");
        api_results_write(&results, x->study, "tell/", o);
    }
    if (in.ask) {
        if ((rc = zo_study_ask(x->study, &ask.args, x->now, x->events, x->scratch, &reply, err)) != ZO_OK)
            return api_at(err, rc, "ask");
        zo_json_key(&o->w, "ask");
        write_ask(&reply, x->study, ask.applied, "ask/", o);
    }
    zo_json_end_object(&o->w);
    return ZO_OK;
}

static zo_status work_exchange(api_cmd *c, zo_ctx *x, zo_error *err)
{
    api_body body;
    api_out o;
    zo_status rc;

    if ((rc = api_body_read(c, &body, err)) != ZO_OK)
        return rc;
    api_out_init(&o, c);
    rc = exchange(&body, x, &o, err);
    api_body_fini(&body);
    if (rc == ZO_OK)
        api_out_reply(&o, 200);
    else
        api_out_fini(&o);
    return rc;
}

zo_status api_exchange(zo_req *req, zo_error *err)
{
    bool apart;
    api_cmd *c;
    zo_status rc;

    if (!api_accepts_arrays(req, &apart))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_exchange, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    c->apart = apart;
    api_submit_study(c);
    return ZO_OK;
}
