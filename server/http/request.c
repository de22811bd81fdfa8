/* The request object: made from a pool, read by handlers, ended by dispatch.c. Its arena and a small body buffer stay
 * with it in the pool, so that a usual request allocates nothing of its own. */
#include "http/internal.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "base/clock.h"

enum { ARENA_POOLED = 65536 };

/* A bijection of the counter: unique while the daemon lives, not to be guessed by looking. */
static void write_id(zo_http *h, char id[17])
{
    uint64_t z = h->id_seed + ++h->id_count * UINT64_C(0x9e3779b97f4a7c15);

    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    z ^= z >> 31;
    for (int i = 15; i >= 0; i--, z >>= 4)
        id[i] = "0123456789abcdef"[z & 15];
    id[16] = '\0';
}

static zo_req *from_pool(zo_http *h)
{
    zo_req *r = h->pool;

    if (r) {
        h->pool = r->next;
        h->n_pool--;
        return r;
    }
    if ((r = zo_calloc(1, sizeof *r)) && !(r->arena = zo_arena_new(0))) {
        zo_free(r);
        r = NULL;
    }
    return r;
}

zo_req *http_request_new(struct http_conn *c, const char *target)
{
    zo_http *h = c->http;
    zo_req *r = from_pool(h);

    if (!r)
        return NULL;
    r->http = h;
    r->conn = c;
    r->target_bytes = strlen(target);
    r->path = zo_arena_memdup(r->arena, target, r->target_bytes > HTTP_TARGET_MAX ? 1 : r->target_bytes + 1);
    if (!r->path) {
        http_request_free(r);
        return NULL;
    }
    if (r->target_bytes > HTTP_TARGET_MAX)
        r->path[0] = '\0';
    if ((r->query_text = strchr(r->path, '?')))
        *r->query_text++ = '\0';
    write_id(h, r->id);
    r->route_index = h->o.n_routes;
    r->start_ms = (int64_t)uv_now(h->loop);
    r->start_ns = zo_clock_mono_ns();
    return r;
}

static void drop_reply(zo_req *r)
{
    if (!r->reply_static)
        zo_free(r->reply);
    r->reply = NULL;
    r->reply_bytes = 0;
    r->reply_static = false;
}

void http_request_free(zo_req *r)
{
    drop_reply(r);
    http_body_free(r);
    zo_arena_free(r->arena);
    zo_free(r);
}

void http_request_release(zo_req *r)
{
    zo_http *h = r->http;

    if (r->stream)
        http_stream_close(r->stream);
    if (r->active)
        h->n_active--;
    drop_reply(r);
    http_body_drop(r);
    if (h->n_pool == HTTP_REQUESTS_POOLED || zo_arena_used_bytes(r->arena) > ARENA_POOLED) {
        http_request_free(r);
        return;
    }
    zo_arena_reset(r->arena);
    *r = (zo_req){.arena = r->arena, .body = r->body, .body_cap = r->body_cap, .next = h->pool};
    h->pool = r;
    h->n_pool++;
}

/* ---- reading ---- */

void *zo_req_app(const zo_req *r)
{
    return r->http->o.app;
}

const zo_route *zo_req_route(const zo_req *r)
{
    return r->route;
}

/* The index-th {name} of a pattern; NULL when there are fewer. */
static const char *capture_name(const char *pattern, size_t index, size_t *bytes_out)
{
    for (const char *p = strchr(pattern, '{'); p; p = strchr(p, '{')) {
        p++;
        if (index-- == 0) {
            *bytes_out = strcspn(p, "}");
            return p;
        }
    }
    return NULL;
}

const char *zo_req_param(const zo_req *r, const char *name)
{
    const size_t n = strlen(name);
    const char *found, *value = NULL;
    size_t bytes;

    for (size_t i = 0; !value && (found = capture_name(r->route->pattern, i, &bytes)); i++)
        if (bytes == n && memcmp(found, name, n) == 0)
            value = r->captures[i];
    ZO_ASSERT(value);
    return value;
}

const char *zo_req_query(const zo_req *r, const char *name)
{
    for (size_t i = 0; i < r->n_query; i++)
        if (strcmp(r->query[i].name, name) == 0)
            return r->query[i].value;
    return NULL;
}

zo_status zo_req_query_check(const zo_req *r, const char *const *allowed, size_t n, zo_error *err)
{
    for (size_t i = 0; i < r->n_query; i++) {
        const char *name = r->query[i].name;
        size_t k = 0;
        while (k < n && strcmp(allowed[k], name) != 0)
            k++;
        if (k == n)
            return zo_fail(err, ZO_EMALFORMED, "", "unknown query parameter %.64s", name);
        for (size_t j = 0; j < i; j++)
            if (strcmp(r->query[j].name, name) == 0)
                return zo_fail(err, ZO_EMALFORMED, "", "query parameter %s is given twice", name);
    }
    return ZO_OK;
}

const char *zo_req_header(const zo_req *r, const char *name)
{
    for (size_t k = 0; k < KEPT_HEADERS; k++)
        if (strcasecmp(name, http_kept_headers[k]) == 0)
            return r->headers[k];
    return NULL;
}

const char *zo_req_body(const zo_req *r, size_t *bytes_out)
{
    *bytes_out = r->body_bytes;
    return r->body_bytes ? r->body : "";
}

zo_arena *zo_req_arena(zo_req *r)
{
    return r->arena;
}

/* ---- replying ---- */

void zo_req_header_set(zo_req *r, const char *name, const char *value)
{
    struct http_pair *p = r->reply_headers;
    char *copy = zo_arena_strdup(r->arena, value);

    while (p && strcasecmp(p->name, name) != 0)
        p = p->next;
    if (p && copy)
        p->value = copy;
    if (p || !copy || !(p = zo_arena_alloc(r->arena, sizeof *p)) || !(p->name = zo_arena_strdup(r->arena, name)))
        return; /* without memory the reply has a header less */
    p->value = copy;
    p->next = r->reply_headers;
    r->reply_headers = p;
}

void zo_req_reply(zo_req *r, unsigned status, const char *content_type, char *body, size_t bytes)
{
    ZO_ASSERT(!r->stream);
    drop_reply(r);
    r->status = status;
    r->content_type = body ? content_type : NULL;
    r->reply = body;
    r->reply_bytes = body ? bytes : 0;
}

void http_reply_static(zo_req *r, unsigned status, const char *content_type, const char *text)
{
    zo_req_reply(r, status, content_type, NULL, 0);
    r->content_type = content_type;
    r->reply = (char *)(uintptr_t)text;
    r->reply_bytes = strlen(text);
    r->reply_static = true;
}

void zo_req_reply_json(zo_req *r, unsigned status, zo_json *w)
{
    size_t bytes;
    zo_error err = {0};

    zo_json_text(w, "\n", 1); /* a shell's prompt begins a line of its own */
    char *text = zo_json_take(w, &bytes);

    if (text) {
        zo_req_reply(r, status, "application/json", text, bytes);
    } else {
        zo_fail_nomem(&err);
        zo_req_problem(r, &err);
    }
}

unsigned zo_req_status(const zo_req *r)
{
    return r->status;
}

void zo_req_replied_body(const zo_req *r, const char **body, size_t *bytes)
{
    *body = r->reply;
    *bytes = r->reply_bytes;
}
