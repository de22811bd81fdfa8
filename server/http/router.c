/* The router: a tree of path segments made once from the route table. It works on the raw path: nothing is decoded, so
 * that what a proxy in front compares is what we compare. A literal segment wins over a capture; when the literal's
 * subtree has no match the capture is tried. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>

enum { METHODS = 5 };

struct node {
    const char *segment; /* in the pattern; NULL for a capture and for the root */
    size_t bytes;
    struct node *child;   /* literals */
    struct node *capture; /* {name} */
    struct node *sibling;
    const zo_route *routes[METHODS];
    bool is_end;
    char allow[64];
};

struct http_router {
    struct node root;
    zo_arena *arena;
    char allow_all[64];
};

static void write_allow(const zo_route *const routes[METHODS], char allow[64])
{
    static const char *const names[METHODS] = {"GET, HEAD, ", "POST, ", "PATCH, ", "DELETE, ", "PUT, "};

    allow[0] = '\0';
    for (size_t i = 0; i < METHODS; i++)
        if (routes[i])
            strcat(allow, names[i]);
    strcat(allow, "OPTIONS");
}

static struct node *find_literal(const struct node *n, const char *segment, size_t bytes)
{
    struct node *c = n->child;

    while (c && (c->bytes != bytes || memcmp(c->segment, segment, bytes) != 0))
        c = c->sibling;
    return c;
}

static struct node *enter(http_router *t, struct node *n, const char *segment, size_t bytes)
{
    const bool is_capture = bytes > 0 && segment[0] == '{';
    struct node *c = is_capture ? n->capture : find_literal(n, segment, bytes);

    if (c || !(c = zo_arena_alloc(t->arena, sizeof *c)))
        return c;
    if (is_capture) {
        n->capture = c;
    } else {
        c->segment = segment;
        c->bytes = bytes;
        c->sibling = n->child;
        n->child = c;
    }
    return c;
}

static zo_status add(http_router *t, const zo_route *route, zo_error *err)
{
    const size_t method = (size_t)__builtin_ctz((unsigned)route->method);
    struct node *n = &t->root;
    size_t n_captures = 0;

    for (const char *p = route->pattern; *p == '/';) {
        const size_t bytes = strcspn(p + 1, "/");
        if (p[1] == '{' && ++n_captures > HTTP_CAPTURES_MAX)
            return zo_fail(err, ZO_EINTERNAL, "", "route %s has too many captures", route->pattern);
        if (!(n = enter(t, n, p + 1, bytes)))
            return zo_fail_nomem(err);
        p += 1 + bytes;
    }
    if (method >= METHODS || n->routes[method])
        return zo_fail(err, ZO_EINTERNAL, "", "route %s is listed twice", route->pattern);
    n->routes[method] = route;
    n->is_end = true;
    write_allow(n->routes, n->allow);
    return ZO_OK;
}

zo_status http_router_new(const zo_route *routes, size_t n, http_router **out, zo_error *err)
{
    const zo_route *any[METHODS] = {NULL};
    http_router *t = zo_calloc(1, sizeof *t);
    zo_status rc = ZO_OK;

    if (!t || !(t->arena = zo_arena_new(0))) {
        zo_free(t);
        return zo_fail_nomem(err);
    }
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        rc = add(t, &routes[i], err);
        any[__builtin_ctz((unsigned)routes[i].method) % METHODS] = &routes[i];
    }
    if (rc != ZO_OK) {
        http_router_free(t);
        return rc;
    }
    write_allow(any, t->allow_all);
    *out = t;
    return ZO_OK;
}

void http_router_free(http_router *t)
{
    if (t)
        zo_arena_free(t->arena);
    zo_free(t);
}

/* What a capture may hold: identifiers, names and numbers. */
static bool is_capturable(const char *s, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        const char c = s[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return false;
    }
    return bytes > 0;
}

/* The node at which path, which starts with '/' or is empty, ends. Depth is bounded by that of the table. */
static const struct node *walk(const struct node *n, const char *path, struct http_match *m)
{
    const struct node *next, *end;

    if (*path == '\0')
        return n->is_end ? n : NULL;
    if (*path != '/')
        return NULL;
    const char *segment = path + 1;
    const size_t bytes = strcspn(segment, "/");
    if ((next = find_literal(n, segment, bytes)) && (end = walk(next, segment + bytes, m)))
        return end;
    if (!n->capture || m->n == HTTP_CAPTURES_MAX || !is_capturable(segment, bytes))
        return NULL;
    m->start[m->n] = segment;
    m->bytes[m->n++] = bytes;
    if (!(end = walk(n->capture, segment + bytes, m)))
        m->n--;
    return end;
}

void http_router_match(const http_router *t, unsigned method, const char *path, struct http_match *out)
{
    memset(out, 0, sizeof *out);
    const struct node *n = walk(&t->root, path, out);
    if (!n)
        return;
    out->allow = n->allow;
    if (method)
        out->route = n->routes[__builtin_ctz(method)];
}

const char *http_router_allow_all(const http_router *t)
{
    return t->allow_all;
}
