/* A request's body in memory: who may send one, of what type and size, and where it lies.
 *
 * A body whose length is known has one buffer of that length from the start, so that it is never copied and never held
 * twice; a chunked one grows. A large buffer is the system's pages: they cost memory only as bytes arrive, so that a
 * length which lies costs none, they can grow without a copy, and they are gone from the process when given back. The
 * whole length counts as in memory at once: what has been let in is not refused half way because of others. Bodies
 * beyond what any route takes leave an eighth of the daemon's bound to the rest, so that a few uploads, or a few liars,
 * don't lock everyone out. */
#include "http/internal.h"

#include <string.h>
#include <strings.h>
#include <sys/mman.h>

enum {
    FIRST_CHUNKED_BYTES = 65536,
    MAPPED_BYTES = 1 << 18,
    HUGE_BYTES = 8 << 20,
    DROP_FACTOR = 4,
    DROP_SPARE_BYTES = 1 << 20
};

/* ---- who may send what ---- */

bool http_has_body(const zo_req *r)
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
    const zo_http_opts *o = &r->http->o;
    const size_t json = r->route->max_body_bytes ? r->route->max_body_bytes : o->max_json_bytes;
    const size_t arrays = r->route->flags & ZO_ROUTE_BODY_LARGE ? o->max_large_bytes : HTTP_ARRAYS_MAX;

    return is_arrays(r) && json < arrays ? arrays : json;
}

static bool refuse_type(zo_req *r)
{
    const uint32_t flags = r->route->flags;

    zo_req_problem_as(
        r, 415, "unsupported-media-type",
        flags & ZO_ROUTE_BODY_LINES
            ? "the Content-Type must be application/x-ndjson, application/jsonl or application/json"
        : flags & ZO_ROUTE_BODY_ARRAYS
            ? "the Content-Type must be application/json (curl sends it with --json) or application/vnd.safetensors"
            : "the Content-Type must be application/json (curl sends it with --json)");
    return false;
}

static bool refuse_size(zo_req *r)
{
    zo_req_problem_as(r, 413, "too-large", r->body_limit ? "the body is too large" : "this path takes no body");
    return false;
}

/* ---- the buffer ---- */

bool http_body_is_large(const zo_req *r)
{
    return r->body_cap > HTTP_ARRAYS_MAX + 1;
}

static char *map(size_t bytes)
{
    char *p = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

    if (p == MAP_FAILED)
        return NULL;
    madvise(p, bytes, MADV_DONTDUMP);
    if (bytes >= HUGE_BYTES) /* the loop takes 8,000 page faults fewer for 32 MiB */
        madvise(p, bytes, MADV_HUGEPAGE);
    return p;
}

static void free_buffer(zo_req *r)
{
    if (r->body_mapped)
        munmap(r->body, r->body_cap);
    else
        zo_free(r->body);
    r->body = NULL;
    r->body_cap = 0;
    r->body_mapped = false;
}

/* To cap bytes, with what has come so far. False: out of memory, nothing changed. */
static bool grow_buffer(zo_req *r, size_t cap)
{
    char *grown;

    if (r->body_mapped) {
        grown = mremap(r->body, r->body_cap, cap, MREMAP_MAYMOVE);
        if (grown == MAP_FAILED)
            return false;
    } else if (cap < MAPPED_BYTES) {
        if (!(grown = zo_realloc(r->body, cap)))
            return false;
    } else {
        if (!(grown = map(cap)))
            return false;
        if (r->body_bytes)
            memcpy(grown, r->body, r->body_bytes);
        free_buffer(r);
        r->body_mapped = true;
    }
    r->body = grown;
    r->body_cap = cap;
    return true;
}

/* How much of all bodies' memory a buffer of cap bytes may take part in. */
static size_t bound(const zo_http *h, size_t cap)
{
    return cap > HTTP_ARRAYS_MAX + 1 ? h->o.max_inflight_bytes - h->o.max_inflight_bytes / 8 : h->o.max_inflight_bytes;
}

/* Memory for bytes and a NUL, within the daemon's bound for all bodies. False: refused. */
static bool reserve(zo_req *r, size_t bytes)
{
    zo_http *h = r->http;
    const size_t cap = bytes + 1 > r->body_cap ? bytes + 1 : r->body_cap, more = cap - r->charged_bytes;

    if (cap > bound(h, cap)) {
        zo_req_problem_as(r, 413, "too-large", "the body is larger than the memory for all bodies");
        return false;
    }
    if (h->inflight_bytes + more > bound(h, cap)) {
        zo_req_problem_as(r, 503, "busy", "too many request bodies are in memory");
        return false;
    }
    if (cap > r->body_cap && !grow_buffer(r, cap)) {
        zo_req_problem_as(r, 503, "memory", "out of memory");
        return false;
    }
    h->inflight_bytes += more;
    zo_gauge_add(&zo_metric.inflight_bytes, (int64_t)more);
    r->charged_bytes = cap;
    return true;
}

/* ---- its life ---- */

bool http_body_begin(zo_req *r)
{
    const bool takes_body = (r->route->flags & (ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_LINES)) != 0;

    if (!http_has_body(r)) {
        if (!takes_body || (r->route->flags & ZO_ROUTE_BODY_OPTIONAL) || r->frame.has_length)
            return true;
        zo_req_problem_as(r, 411, "length-required", "a body is needed and its length is not given");
        return false;
    }
    r->body_limit = takes_body ? body_limit(r) : 0;
    if (r->frame.length > r->body_limit)
        return refuse_size(r);
    if (takes_body && !is_accepted_type(r))
        return refuse_type(r);
    if (r->frame.chunked)
        return reserve(r, r->body_limit < FIRST_CHUNKED_BYTES ? r->body_limit : FIRST_CHUNKED_BYTES);
    return reserve(r, (size_t)r->frame.length);
}

void http_body_refuse(zo_req *r)
{
    const size_t limit = r->body_limit < HTTP_ARRAYS_MAX ? r->body_limit : HTTP_ARRAYS_MAX;

    r->refused = true;
    r->dropped_bytes = r->body_bytes;
    r->dropped_limit = r->body_bytes + limit * DROP_FACTOR + DROP_SPARE_BYTES;
    http_body_drop(r);
}

bool http_body_take(zo_req *r, const char *data, size_t bytes)
{
    if (!r->refused && bytes > r->body_limit - r->body_bytes) {
        refuse_size(r);
        http_body_refuse(r);
    }
    if (!r->refused && r->body_bytes + bytes + 1 > r->body_cap) {
        const size_t need = r->body_bytes + bytes, twice = 2 * r->body_cap;
        const size_t want = need > twice ? need : twice < r->body_limit ? twice : r->body_limit;
        if (!reserve(r, want))
            http_body_refuse(r);
    }
    if (r->refused) {
        r->dropped_bytes += bytes;
        return r->dropped_bytes <= r->dropped_limit;
    }
    memcpy(r->body + r->body_bytes, data, bytes);
    r->body_bytes += bytes;
    return true;
}

void http_body_uncharge(zo_req *r)
{
    r->http->inflight_bytes -= r->charged_bytes;
    zo_gauge_add(&zo_metric.inflight_bytes, -(int64_t)r->charged_bytes);
    r->charged_bytes = 0;
}

/* A small buffer is kept for what comes next; what was sent does not stay in it. */
void http_body_drop(zo_req *r)
{
    http_body_uncharge(r);
    if (r->body_cap > HTTP_BODY_POOLED)
        free_buffer(r);
    else if (r->body)
        memset(r->body, 0, r->body_bytes);
    r->body_bytes = 0;
}

void http_body_free(zo_req *r)
{
    free_buffer(r);
}
