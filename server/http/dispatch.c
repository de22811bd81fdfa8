/* From the library's callbacks to a route's handler: guard, route, collect the body within its caps, call, reply.
 *
 * A request that is refused on sight gets its answer at once and loses its connection when the body that follows is
 * large or unknown; a small one is read and dropped, so that the connection lives on. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { FIRST_BODY_BYTES = 65536, DROP_FACTOR = 4, DROP_SPARE_BYTES = 1 << 20, MAX_ARRAYS_BYTES = 8 << 20 };

static struct http_conn *conn_of(struct MHD_Connection *c)
{
    return MHD_get_connection_info(c, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
}

void *http_on_target(void *cls, const char *target, struct MHD_Connection *mhd)
{
    struct http_conn *c = conn_of(mhd);

    (void)cls;
    if (!c)
        return NULL;
    http_conn_moved(c);
    c->req = http_request_new(c, target);
    return c->req;
}

static void end(struct http_conn *c, bool sent)
{
    zo_req *r = c->req;

    c->req = NULL;
    if (r) {
        http_record(r, sent);
        http_request_release(r);
    }
}

void http_on_completed(void *cls, struct MHD_Connection *mhd, void **state, enum MHD_RequestTerminationCode how)
{
    struct http_conn *c = conn_of(mhd);

    (void)cls;
    *state = NULL;
    if (c) {
        end(c, how == MHD_REQUEST_TERMINATED_COMPLETED_OK);
        http_conn_idle(c);
    }
}

/* ---- the head ---- */

static unsigned parse_method(const char *name)
{
    static const struct {
        const char *name;
        zo_method method;
    } known[] = {{"GET", ZO_GET},     {"HEAD", ZO_GET},      {"POST", ZO_POST},
                 {"PATCH", ZO_PATCH}, {"DELETE", ZO_DELETE}, {"PUT", ZO_PUT}};

    for (size_t i = 0; i < ZO_LEN(known); i++)
        if (strcmp(name, known[i].name) == 0)
            return known[i].method;
    return 0;
}

static bool is_known_elsewhere(const char *name)
{
    return strcmp(name, "OPTIONS") == 0 || strcmp(name, "TRACE") == 0 || strcmp(name, "CONNECT") == 0;
}

static bool has_body(const zo_req *r)
{
    return r->frame.chunked || r->frame.length > 0;
}

static bool is_type(const char *header, const char *type)
{
    const size_t n = strlen(type);

    return strncasecmp(header, type, n) == 0 &&
           (header[n] == '\0' || header[n] == ';' || header[n] == ' ' || header[n] == '\t');
}

/* Arrays of numbers, where the route takes them. */
static bool is_arrays(const zo_req *r)
{
    const char *type = r->headers[KEPT_CONTENT_TYPE];

    return (r->route->flags & ZO_ROUTE_BODY_ARRAYS) && type && is_type(type, "application/vnd.safetensors");
}

static bool is_accepted_type(const zo_req *r)
{
    const char *type = r->headers[KEPT_CONTENT_TYPE];
    const uint32_t flags = r->route->flags;

    if (!type)
        return false;
    if (flags & ZO_ROUTE_BODY_LINES)
        return is_type(type, "application/x-ndjson") || is_type(type, "application/jsonl") ||
               is_type(type, "application/json");
    return is_type(type, "application/json") || is_arrays(r);
}

static size_t body_limit(const zo_req *r)
{
    const size_t json = r->route->max_body_bytes ? r->route->max_body_bytes : r->http->o.max_json_bytes;

    return is_arrays(r) && json < MAX_ARRAYS_BYTES ? MAX_ARRAYS_BYTES : json;
}

static void refuse_type(zo_req *r)
{
    const uint32_t flags = r->route->flags;

    zo_req_problem_as(r, 415, "unsupported-media-type",
                      flags & ZO_ROUTE_BODY_LINES
                          ? "the Content-Type must be application/x-ndjson, application/jsonl or application/json"
                      : flags & ZO_ROUTE_BODY_ARRAYS
                          ? "the Content-Type must be application/json (curl sends it with --json) or application/vnd.safetensors"
                          : "the Content-Type must be application/json (curl sends it with --json)");
}

static bool take_route(zo_req *r, const struct http_match *m)
{
    r->route = m->route;
    r->route_index = (size_t)(m->route - r->http->o.routes);
    for (size_t i = 0; i < m->n; i++) {
        char *copy = zo_arena_alloc(r->arena, m->bytes[i] + 1);
        if (!copy) {
            zo_req_problem_as(r, 503, "memory", "out of memory");
            return false;
        }
        memcpy(copy, m->start[i], m->bytes[i]);
        r->captures[i] = copy;
    }
    return true;
}

static void refuse_method(zo_req *r, const char *allow)
{
    char detail[128];

    snprintf(detail, sizeof detail, "this path takes %s", allow);
    zo_req_problem_as(r, 405, "method-not-allowed", detail);
}

/* Answers OPTIONS, or refuses, by setting the reply. */
static bool find_route(zo_req *r)
{
    const http_router *router = r->http->router;
    const unsigned method = parse_method(r->method);
    struct http_match m;

    http_router_match(router, method, r->path, &m);
    const char *allow = r->path[0] == '*' ? http_router_allow_all(router) : m.allow;
    if (!method && !is_known_elsewhere(r->method)) {
        zo_req_problem_as(r, 501, "not-implemented", "no such method");
        return false;
    }
    if (!allow) {
        zo_req_problem_as(r, 404, "not-found", "no such path");
        return false;
    }
    if (m.route)
        return take_route(r, &m);
    if (strcmp(r->method, "OPTIONS") == 0)
        zo_req_reply(r, 204, NULL, NULL, 0);
    else
        refuse_method(r, allow);
    zo_req_header_set(r, "Allow", allow);
    return false;
}

static bool read_query(zo_req *r)
{
    zo_error err = {0};

    if (!r->query_text || http_query_parse(r->query_text, r->arena, &r->query, &r->n_query, &err) == ZO_OK)
        return true;
    zo_req_problem(r, &err);
    return false;
}

/* ---- the body ---- */

/* Memory for bytes and a NUL, within the daemon's bound for all bodies. False: refused. */
static bool reserve(zo_req *r, size_t bytes)
{
    zo_http *h = r->http;
    const size_t cap = bytes + 1 > r->body_cap ? bytes + 1 : r->body_cap;

    if (h->inflight_bytes + (cap - r->charged_bytes) > h->o.max_inflight_bytes) {
        zo_req_problem_as(r, 503, "busy", "too many request bodies are in memory");
        return false;
    }
    char *grown = cap > r->body_cap ? zo_realloc(r->body, cap) : r->body;
    if (!grown) {
        zo_req_problem_as(r, 503, "memory", "out of memory");
        return false;
    }
    h->inflight_bytes += cap - r->charged_bytes;
    zo_gauge_add(&zo_metric.inflight_bytes, (int64_t)(cap - r->charged_bytes));
    r->charged_bytes = cap;
    r->body = grown;
    r->body_cap = cap;
    return true;
}

static bool refuse_size(zo_req *r)
{
    zo_req_problem_as(r, 413, "too-large", r->body_limit ? "the body is too large" : "this path takes no body");
    return false;
}

static bool begin_body(zo_req *r)
{
    const bool takes_body = (r->route->flags & (ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_LINES)) != 0;

    if (!has_body(r)) {
        if (!takes_body || (r->route->flags & ZO_ROUTE_BODY_OPTIONAL) || r->frame.has_length)
            return true;
        zo_req_problem_as(r, 411, "length-required", "a body is needed and its length is not given");
        return false;
    }
    r->body_limit = takes_body ? body_limit(r) : 0;
    if (r->frame.length > r->body_limit)
        return refuse_size(r);
    if (takes_body && !is_accepted_type(r)) {
        refuse_type(r);
        return false;
    }
    return reserve(r, r->frame.length < FIRST_BODY_BYTES ? (size_t)r->frame.length : FIRST_BODY_BYTES);
}

/* From here on what arrives is counted and dropped. The buffer goes back at once. */
static void drop_body(zo_req *r)
{
    r->refused = true;
    r->dropped_bytes = r->body_bytes;
    http_request_drop_body(r);
}

/* False when the connection is to be closed: it never stops sending what nobody reads. */
static bool take_body(zo_req *r, const char *data, size_t bytes)
{
    if (!r->refused && bytes > r->body_limit - r->body_bytes) {
        refuse_size(r);
        drop_body(r);
    }
    if (!r->refused && r->body_bytes + bytes + 1 > r->body_cap) {
        const size_t need = r->body_bytes + bytes, twice = 2 * r->body_cap;
        const size_t want = need > twice ? need : twice < r->body_limit ? twice : r->body_limit;
        if (!reserve(r, want))
            drop_body(r);
    }
    if (r->refused) {
        r->dropped_bytes += bytes;
        return r->dropped_bytes <= r->body_limit * DROP_FACTOR + DROP_SPARE_BYTES;
    }
    memcpy(r->body + r->body_bytes, data, bytes);
    r->body_bytes += bytes;
    return true;
}

/* ---- the handler ---- */

static enum MHD_Result wait_for_owner(zo_req *r)
{
    r->phase = REQ_KEPT;
    http_conn_suspend(r->conn);
    if (r->gone)
        http_gone_start(r);
    return MHD_YES;
}

static enum MHD_Result finish(zo_req *r)
{
    if (r->status == 0)
        zo_req_problem_as(r, 500, "internal", "the request ended without an answer");
    return http_reply_queue(r);
}

static enum MHD_Result handle(zo_req *r)
{
    zo_error err = {0};

    http_conn_busy(r->conn);
    if (r->refused)
        return finish(r);
    if (r->body)
        r->body[r->body_bytes] = '\0';
    r->phase = REQ_HANDLED;
    const zo_status rc = r->route->handler(r, &err);
    if (r->keep)
        return wait_for_owner(r);
    if (rc != ZO_OK) {
        err.code = rc;
        zo_req_problem(r, &err);
    }
    return finish(r);
}

/* ---- the first call, the body's calls, the last one, and the one after a resume ---- */

static enum MHD_Result refuse_head(zo_req *r)
{
    if (has_body(r) && (r->frame.chunked || r->frame.length > HTTP_DRAIN_BODY_MAX || r->frame.expects_continue))
        r->close = true;
    if (r->close)
        return http_reply_queue(r);
    drop_body(r);
    return MHD_YES;
}

static bool accept_head(zo_req *r, struct MHD_Connection *c, const char *method, const char *version)
{
    if (!http_guard(r, c, method, version))
        return false;
    r->active = true;
    r->http->n_active++;
    if (r->http->draining) {
        zo_req_problem_as(r, 503, "busy", "the server is stopping");
        r->close = true;
        return false;
    }
    return find_route(r) && read_query(r) && begin_body(r);
}

static enum MHD_Result on_head(zo_req *r, struct MHD_Connection *c, const char *method, const char *version)
{
    if (!(r->method = zo_arena_strdup(r->arena, method)))
        return MHD_NO;
    r->head = strcmp(method, "HEAD") == 0;
    r->phase = REQ_BODY;
    r->body_ms = (int64_t)uv_now(r->http->loop);
    return accept_head(r, c, method, version) ? MHD_YES : refuse_head(r);
}

enum MHD_Result http_on_request(void *cls, struct MHD_Connection *c, const char *url, const char *method,
                                const char *version, const char *upload, size_t *upload_bytes, void **state)
{
    zo_req *r = *state;

    (void)cls;
    (void)url;
    if (!r)
        return MHD_NO; /* out of memory */
    if (r->phase == REQ_HEAD)
        return on_head(r, c, method, version);
    if (r->phase == REQ_REPLYING)
        return finish(r);
    if (*upload_bytes == 0)
        return handle(r);
    http_conn_moved(r->conn);
    const bool ok = take_body(r, upload, *upload_bytes);
    *upload_bytes = 0;
    return ok ? MHD_YES : MHD_NO;
}
