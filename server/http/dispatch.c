/* From the library's callbacks to a route's handler: guard, route, collect the body (body.c), call, reply.
 *
 * A request that is refused on sight gets its answer at once and loses its connection when the body that follows is
 * large or unknown; a small one is read and dropped, so that the connection lives on. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>

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
    if (http_has_body(r) && (r->frame.chunked || r->frame.length > HTTP_DRAIN_BODY_MAX || r->frame.expects_continue))
        r->close = true;
    if (r->close)
        return http_reply_queue(r);
    http_body_refuse(r);
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
    return find_route(r) && read_query(r) && http_body_begin(r);
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
    if (r->conn->list == CONN_CUT)
        return MHD_NO; /* its end may come after bytes that had arrived before */
    if (r->phase == REQ_HEAD)
        return on_head(r, c, method, version);
    if (r->phase == REQ_REPLYING)
        return finish(r);
    if (*upload_bytes == 0)
        return handle(r);
    http_conn_moved(r->conn);
    const bool ok = http_body_take(r, upload, *upload_bytes);
    *upload_bytes = 0;
    return ok ? MHD_YES : MHD_NO;
}
