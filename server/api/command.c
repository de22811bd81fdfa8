/* See command.h. */
#include "api/command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/random.h>
#include "base/clock.h"
#include "codec/jsonread.h"

const char *const api_json_type[] = {"application/json", NULL};
const char *const api_array_types[] = {
    [API_AS_JSON] = "application/json", [API_AS_ARRAYS] = "application/vnd.safetensors", NULL};

zo_status api_at(zo_error *err, zo_status rc, const char *key)
{
    char token[sizeof err->pointer] = "";

    zo_pointer_append(token, sizeof token, key);
    zo_fail_at(err, "%s", token);
    return rc;
}

/* ---- the request's head ---- */

/* Does the media range [p, end) cover type? */
static bool range_covers(const char *p, const char *end, const char *type)
{
    const size_t n = (size_t)(end - p), slash = (size_t)(strchr(type, '/') - type);

    if (n == 3 && memcmp(p, "*/*", 3) == 0)
        return true;
    if (n == slash + 2 && strncasecmp(p, type, slash + 1) == 0 && p[slash + 1] == '*')
        return true;
    return n == strlen(type) && strncasecmp(p, type, n) == 0;
}

static void refuse_accept(zo_req *r, const char *const *types)
{
    char detail[160];
    size_t at = (size_t)snprintf(detail, sizeof detail, "Accept allows none of what there is here: ");

    for (size_t i = 0; types[i] && at < sizeof detail; i++)
        at += (size_t)snprintf(detail + at, sizeof detail - at, "%s%s", i > 0 ? ", " : "", types[i]);
    zo_req_problem_as(r, 406, "not-acceptable", detail);
}

bool api_accepts(zo_req *r, const char *const *types, size_t *index_out)
{
    const char *accept = zo_req_header(r, "Accept");
    double best = 0;
    size_t index = 0;

    if (!accept || !*accept) {
        if (index_out)
            *index_out = 0;
        return true;
    }
    for (const char *p = accept; *p;) {
        const char *end = p + strcspn(p, ","), *range, *stop;
        double q = 1;

        p += strspn(p, " \t");
        range = p;
        stop = p + strcspn(p, ",; \t");
        for (const char *s = memchr(p, ';', p < end ? (size_t)(end - p) : 0); s && s < end;
             s = memchr(s, ';', (size_t)(end - s))) {
            s++;
            s += strspn(s, " \t");
            if ((s[0] == 'q' || s[0] == 'Q') && s[1] == '=')
                q = s[2] == '0' ? (s[3] == '.' ? 0.1 * (double)(s[4] >= '0' && s[4] <= '9' ? s[4] - '0' : 0) : 0) : 1;
        }
        for (size_t i = 0; types[i] && stop > range; i++)
            if (range_covers(range, stop, types[i]) && (q > best || (q == best && q > 0 && i < index))) {
                best = q;
                index = i;
            }
        p = *end ? end + 1 : end;
    }
    if (best <= 0) {
        refuse_accept(r, types);
        return false;
    }
    if (index_out)
        *index_out = index;
    return true;
}

/* Is etag among the header's values? Weak comparison, as for If-None-Match. */
bool api_etag_listed(const char *header, const char *etag)
{
    const size_t n = strlen(etag);

    for (const char *p = header; p && *p;) {
        p += strspn(p, " \t,");
        if (*p == '*')
            return true;
        if (strncmp(p, "W/", 2) == 0)
            p += 2;
        if (strncmp(p, etag, n) == 0 && (p[n] == '\0' || p[n] == ',' || p[n] == ' ' || p[n] == '\t'))
            return true;
        p += strcspn(p, ",");
    }
    return false;
}

zo_status api_query_u64(const zo_req *r, const char *name, uint64_t low, uint64_t high, uint64_t *io, zo_error *err)
{
    const char *text = zo_req_query(r, name);
    uint64_t v = 0;
    size_t n = 0;

    if (!text)
        return ZO_OK;
    for (; text[n] >= '0' && text[n] <= '9' && n < 16; n++)
        v = v * 10 + (uint64_t)(text[n] - '0');
    if (n == 0 || text[n])
        return zo_fail(err, ZO_EMALFORMED, "", "query parameter %s must be an integer of at most 16 digits", name);
    if (v < low || v > high)
        return zo_fail(err, ZO_EINVAL, "", "query parameter %s must be %llu to %llu", name, (unsigned long long)low,
                       (unsigned long long)high);
    *io = v;
    return ZO_OK;
}

zo_status api_query_bool(const zo_req *r, const char *name, bool *io, zo_error *err)
{
    const char *text = zo_req_query(r, name);

    if (!text)
        return ZO_OK;
    if (strcmp(text, "true") != 0 && strcmp(text, "false") != 0)
        return zo_fail(err, ZO_EMALFORMED, "", "query parameter %s must be true or false", name);
    *io = text[0] == 't';
    return ZO_OK;
}

zo_status api_path_number(const zo_req *r, uint64_t *out, zo_error *err)
{
    const char *text = zo_req_param(r, "number");
    uint64_t v = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9' && n < 16; n++)
        v = v * 10 + (uint64_t)(text[n] - '0');
    if (n == 0 || text[n] || (n > 1 && text[0] == '0'))
        return zo_fail(err, ZO_ENOTFOUND, "", "no such trial: trials are numbered from 0");
    *out = v;
    return ZO_OK;
}

zo_status api_read_lease(const json_t *v, uint64_t *ms_out, zo_error *err)
{
    int64_t ms;
    zo_status rc = zo_json_get_duration(v, &ms, err);

    if (rc == ZO_EMALFORMED && json_is_string(v))
        rc = zo_fail(err, ZO_EINVAL, "", "must be a duration such as \"90s\", \"10m\", \"2h\" or \"7d\"");
    if (rc == ZO_OK && (ms < 1000 || ms > INT64_C(7) * 86400 * 1000))
        rc = zo_fail(err, ZO_EINVAL, "", "a lease is between 1 second and 7 days");
    if (rc == ZO_OK)
        *ms_out = (uint64_t)ms;
    return rc;
}

/* "POST /v1/studies/svm/ask": what a remembered reply belongs to. */
static const char *route_text(zo_req *req)
{
    const char *pattern = zo_req_route(req)->pattern;
    char text[512] = "POST ";
    size_t n = 5;

    for (const char *p = pattern; *p;) {
        if (*p == '{') {
            const char *end = strchr(p, '}');
            char name[32];
            snprintf(name, sizeof name, "%.*s", (int)(end - p - 1), p + 1);
            const char *value = zo_req_param(req, name);
            const size_t len = strlen(value);
            if (n + len + 1 >= sizeof text)
                break;
            memcpy(text + n, value, len);
            n += len;
            p = end + 1;
        } else if (n + 2 < sizeof text) {
            text[n++] = *p++;
        } else {
            break;
        }
    }
    text[n] = '\0';
    return zo_arena_strdup(zo_req_arena(req), text);
}

static zo_status check_key(const char *key, zo_error *err)
{
    const size_t n = strlen(key);
    bool visible = true;

    for (size_t i = 0; i < n; i++)
        visible = visible && key[i] > ' ' && key[i] <= '~';
    if (n == 0 || n > 255 || !visible)
        return zo_fail(err, ZO_EMALFORMED, "", "an Idempotency-Key has 1 to 255 visible ASCII characters");
    return ZO_OK;
}

/* ---- on the worker ---- */

/* Remember a 2xx reply with the headers that its repetition needs. */
static zo_status remember(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const unsigned status = zo_req_status(c->req);
    char headers[256];
    zo_idempotency reply = {.tenant = API_TENANT,
                            .key = c->cmd.idempotency_key,
                            .route = c->cmd.idempotency_route,
                            .body = c->cmd.body,
                            .body_bytes = c->cmd.body_bytes,
                            .status = status,
                            .at_ms = x->now.wall_ms,
                            .owner = !x->row   ? 0
                                     : x->live ? x->row->study
                                               : -x->row->study};

    if (status < 200 || status > 299)
        return ZO_OK;
    zo_req_replied_body(c->req, &reply.reply, &reply.reply_bytes);
    if (c->repeated) {
        reply.reply = c->repeated;
        reply.reply_bytes = strlen(c->repeated);
    }
    if (c->location || c->etag || c->apart) {
        snprintf(headers, sizeof headers, "%s%s%s%s%s%s%s%s%s", c->location ? "Location: " : "",
                 c->location ? c->location : "", c->location ? "\n" : "", c->etag ? "ETag: " : "",
                 c->etag ? c->etag : "", c->etag ? "\n" : "", c->apart ? "Content-Type: " : "",
                 c->apart ? api_array_types[API_AS_ARRAYS] : "", c->apart ? "\n" : "");
        reply.headers = headers;
    }
    return zo_ctx_remember(x, &reply, err);
}

static void repeat(zo_cmd *cmd, const zo_idempotency *stored)
{
    api_cmd *c = (api_cmd *)(void *)cmd;
    char *body = zo_malloc(stored->reply_bytes + 1);
    const char *type = api_array_types[API_AS_JSON];
    char line[256];
    zo_error err;

    if (!body) {
        zo_fail_nomem(&err);
        zo_req_problem(c->req, &err);
        return;
    }
    if (stored->reply_bytes)
        memcpy(body, stored->reply, stored->reply_bytes);
    body[stored->reply_bytes] = '\0';
    for (const char *h = stored->headers; h && *h;) {
        const char *end = strchr(h, '\n'), *colon = strchr(h, ':');
        if (!end || !colon || colon > end || (size_t)(end - h) >= sizeof line)
            break;
        memcpy(line, h, (size_t)(end - h));
        line[end - h] = line[colon - h] = '\0';
        if (strcmp(line, "Content-Type") == 0) /* there is one beside JSON */
            type = api_array_types[API_AS_ARRAYS];
        else
            zo_req_header_set(c->req, line, line + (colon - h) + 2);
        h = end + 1;
    }
    zo_req_reply(c->req, stored->status, type, body, stored->reply_bytes);
}

static void end_work(api_cmd *c, zo_ctx *x, zo_status rc, zo_error *err)
{
    if (rc == ZO_OK && c->cmd.idempotency_key)
        rc = remember(c, x, err);
    if (rc == ZO_OK)
        return;
    err->code = rc;
    zo_req_problem_with(c->req, err, c->problem_id ? "id" : NULL, c->problem_id);
}

static void late(zo_cmd *cmd, zo_ctx *x)
{
    api_cmd *c = (api_cmd *)(void *)cmd;
    zo_error err = {0};
    const zo_status rc = c->after(c, x, &err);

    if (rc != ZO_OK) /* what it did must not stay: the client would be told that it failed */
        zo_ctx_undo(x);
    end_work(c, x, rc, &err);
}

static zo_step run(zo_cmd *cmd, zo_ctx *x)
{
    api_cmd *c = (api_cmd *)(void *)cmd;
    zo_error err = {0};
    zo_status rc;

    if (x->gone) {
        zo_fail(&err, ZO_ECANCELED, "", "the client has left");
        zo_req_problem(c->req, &err);
        return ZO_STEP_DONE;
    }
    c->wait = false;
    rc = c->work(c, x, &err);
    if (rc == ZO_OK && c->wait && c->may_wait && !x->timed_out)
        return ZO_STEP_WAIT;
    if (rc == ZO_OK && c->after) {
        c->cmd.late = late;
        return ZO_STEP_DONE;
    }
    end_work(c, x, rc, &err);
    return ZO_STEP_DONE;
}

zo_status api_parse(const api_cmd *c, json_t **out, zo_error *err)
{
    size_t n;
    const char *body = zo_req_body(c->req, &n);

    *out = NULL;
    if (n == 0 && (zo_req_route(c->req)->flags & ZO_ROUTE_BODY_OPTIONAL))
        return ZO_OK;
    return zo_json_parse(body, n, NULL, out, err);
}

static void set_headers(api_cmd *c)
{
    if (c->location)
        zo_req_header_set(c->req, "Location", c->location);
    if (c->etag)
        zo_req_header_set(c->req, "ETag", c->etag);
}

zo_status api_draw_seed(uint64_t *out, zo_error *err)
{
    if (getrandom(out, sizeof *out, 0) != (ssize_t)sizeof *out)
        return zo_fail(err, ZO_EINTERNAL, "", "no random numbers from the system");
    *out &= (UINT64_C(1) << 53) - 1;
    return ZO_OK;
}

zo_status api_take_text(zo_json *w, zo_arena *arena, const char **out, zo_error *err)
{
    size_t bytes;
    char *text = zo_json_take(w, &bytes);

    if (!text)
        return zo_fail_nomem(err);
    *out = zo_arena_memdup(arena, text, bytes + 1);
    zo_free(text);
    return *out ? ZO_OK : zo_fail_nomem(err);
}

void api_reply(api_cmd *c, unsigned status, zo_json *w)
{
    set_headers(c);
    zo_req_reply_json(c->req, status, w);
}

void api_reply_empty(api_cmd *c, unsigned status)
{
    set_headers(c);
    zo_req_reply(c->req, status, NULL, NULL, 0);
}

uint64_t api_revision(const zo_ctx *x)
{
    return zo_study_seq(x->study) + x->row->revision; /* neither ever falls */
}

zo_status api_etag(api_cmd *c, const zo_ctx *x, zo_error *err)
{
    char text[32];

    snprintf(text, sizeof text, "\"%llu\"", (unsigned long long)api_revision(x));
    c->etag = zo_arena_strdup(zo_req_arena(c->req), text);
    return c->etag ? ZO_OK : zo_fail_nomem(err);
}

/* ---- there and back ---- */

zo_status api_begin(zo_req *req, size_t bytes, zo_status (*work)(api_cmd *, zo_ctx *, zo_error *),
                    const char *const *allowed, size_t n_allowed, void *out, zo_error *err)
{
    const zo_route *route = zo_req_route(req);
    size_t body_bytes;
    const char *body = zo_req_body(req, &body_bytes), *key;
    api_cmd *c;
    zo_status rc;

    if ((rc = zo_req_query_check(req, allowed, n_allowed, err)) != ZO_OK)
        return rc;
    if (!(c = zo_arena_alloc(zo_req_arena(req), bytes)))
        return zo_fail_nomem(err);
    c->req = req;
    c->app = zo_req_app(req);
    c->work = work;
    c->cmd.run = run;
    c->cmd.repeat = repeat;
    c->cmd.bytes = body_bytes + 1024;
    c->cmd.is_write = (route->method & (ZO_POST | ZO_PATCH | ZO_DELETE | ZO_PUT)) != 0;
    if (route->method == ZO_POST && (key = zo_req_header(req, "Idempotency-Key")) != NULL) {
        if ((rc = check_key(key, err)) != ZO_OK)
            return rc;
        c->cmd.idempotency_key = key;
        c->cmd.body = body;
        c->cmd.body_bytes = body_bytes;
        if (!(c->cmd.idempotency_route = route_text(req)))
            return zo_fail_nomem(err);
    }
    memcpy(out, &c, sizeof c);
    return ZO_OK;
}

static void start(api_cmd *c)
{
    c->start_ns = zo_clock_mono_ns();
    zo_req_keep(c->req);
}

void api_submit_study(api_cmd *c)
{
    start(c);
    zo_runtime_submit(c->app->runtime, ZO_STUDIES, API_TENANT, zo_req_param(c->req, "study"), &c->cmd);
}

void api_submit_model(api_cmd *c)
{
    start(c);
    zo_runtime_submit(c->app->runtime, ZO_MODELS, API_TENANT, zo_req_param(c->req, "model"), &c->cmd);
}

void api_submit_directory(api_cmd *c, zo_table table)
{
    start(c);
    zo_runtime_submit_directory(c->app->runtime, table, API_TENANT, &c->cmd);
}

void api_submit_query(api_cmd *c)
{
    start(c);
    zo_runtime_submit_query(c->app->runtime, &c->cmd);
}

/* ---- from a worker or the writer back to the loop: a stack of commands and one wake-up ---- */

static void on_hop(uv_async_t *h)
{
    zo_app *app = h->data;
    api_cmd *c = atomic_exchange(&app->hops, NULL), *in_order = NULL;

    while (c) {
        api_cmd *next = c->hop_next;
        c->hop_next = in_order;
        in_order = c;
        c = next;
    }
    while (in_order) {
        c = in_order;
        in_order = c->hop_next;
        c->hop(c);
    }
}

zo_status api_hop_open(zo_app *app, zo_error *err)
{
    if (app->hop_is_open)
        return ZO_OK;
    app->hop.data = app;
    if (uv_async_init(app->loop, &app->hop, on_hop) != 0)
        return zo_fail(err, ZO_ENOMEM, "", "the loop is out of resources");
    uv_unref((uv_handle_t *)&app->hop);
    app->hop_is_open = true;
    return ZO_OK;
}

void api_hop(api_cmd *c, void (*fn)(api_cmd *c))
{
    zo_app *app = c->app;

    c->hop = fn;
    c->hop_next = atomic_load(&app->hops);
    while (!atomic_compare_exchange_weak(&app->hops, &c->hop_next, c))
        ;
    uv_async_send(&app->hop);
}

static void renew(api_cmd *c)
{
    const zo_cmd old = c->cmd;

    c->cmd = (zo_cmd){.run = old.run,
                      .repeat = old.repeat,
                      .bytes = old.bytes,
                      .is_write = old.is_write,
                      .idempotency_key = old.idempotency_key,
                      .idempotency_route = old.idempotency_route,
                      .body = old.body,
                      .body_bytes = old.body_bytes};
}

void api_resubmit(api_cmd *c, zo_table table, const char *id)
{
    renew(c);
    zo_runtime_submit(c->app->runtime, table, API_TENANT, id, &c->cmd);
}

void api_resubmit_directory(api_cmd *c, zo_table table)
{
    renew(c);
    zo_runtime_submit_directory(c->app->runtime, table, API_TENANT, &c->cmd);
}

void zo_api_finished(zo_cmd *list, void *app)
{
    zo_req *done[128];
    size_t n = 0;

    (void)app;
    for (zo_cmd *cmd = list, *next; cmd; cmd = next) {
        api_cmd *c = (api_cmd *)(void *)cmd;

        next = cmd->next; /* gone with the request */
        if (cmd->status != ZO_OK && c->req) {
            cmd->err.code = cmd->status;
            zo_req_problem(c->req, &cmd->err);
        }
        if (c->histogram)
            zo_observe(c->histogram, (uint64_t)((zo_clock_mono_ns() - c->start_ns) / 1000));
        if (c->finish) {
            c->finish(c);
            continue;
        }
        done[n++] = c->req;
        if (n == ZO_LEN(done)) {
            zo_req_done(done, n);
            n = 0;
        }
    }
    if (n)
        zo_req_done(done, n);
}
