/* The guard: what makes a proxy in front and this server see different requests is refused before anything else looks
 * at it.
 *
 * libmicrohttpd 0.9.75 takes Content-Length with Transfer-Encoding, two lengths, unknown codings, several hosts, spaces
 * in header names and encoded slashes; each of them can smuggle a second request. A refusal of the framing closes the
 * connection. The path is used raw: with no escapes, empty or dotted segments in it there is one way to read it. */
#include "http/internal.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

const char *const http_kept_headers[KEPT_HEADERS] = {"Content-Type",    "Accept",   "Authorization",
                                                     "Idempotency-Key", "If-Match", "If-None-Match"};
static const bool is_list[KEPT_HEADERS] = {[KEPT_ACCEPT] = true, [KEPT_IF_MATCH] = true, [KEPT_IF_NONE_MATCH] = true};

struct scan {
    zo_req *r;
    unsigned n_length, n_coding, n_host;
    const char *length, *coding, *host;
    const char *fault; /* what is wrong with the headers, for a person */
    size_t accounted;  /* bytes of the head that we have seen */
    bool no_memory;
};

static bool is_token(const char *s, size_t n)
{
    static const char others[] = "!#$%&'*+-.^_`|~";

    for (size_t i = 0; i < n; i++) {
        const char c = s[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || (c && strchr(others, c))))
            return false;
    }
    return n > 0;
}

static bool has_control(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7f)
            return true;
    return false;
}

/* A second field of a list continues it; a second one of a single value is a fault. */
static void keep_header(struct scan *scan, size_t k, const char *value)
{
    zo_req *r = scan->r;
    const char *first = r->headers[k];

    if (!first) {
        if (!(r->headers[k] = zo_arena_strdup(r->arena, value)))
            scan->no_memory = true;
        return;
    }
    if (!is_list[k]) {
        scan->fault = "a header that may come once came twice";
        return;
    }
    const size_t a = strlen(first), b = strlen(value);
    char *joined = zo_arena_alloc(r->arena, a + b + 3);
    if (!joined) {
        scan->no_memory = true;
        return;
    }
    memcpy(joined, first, a);
    memcpy(joined + a, ", ", 2);
    memcpy(joined + a + 2, value, b + 1);
    r->headers[k] = joined;
}

/* Spaces between the colon and the value: both lie in the line as it came. */
static size_t space_before(const char *name, size_t name_bytes, const char *value)
{
    const uintptr_t colon = (uintptr_t)name + name_bytes, at = (uintptr_t)value;

    return at > colon && at - colon <= HTTP_HEADERS_MAX ? at - colon - 1 : 0;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_bytes,
                                 const char *value, size_t value_bytes)
{
    struct scan *scan = cls;

    (void)kind;
    scan->accounted +=
        name_bytes + strlen(":") + (value ? space_before(name, name_bytes, value) : 0) + value_bytes + strlen("\r\n");
    if (!value)
        value = "";
    if (!is_token(name, name_bytes))
        scan->fault = "a header's name has characters that no name has";
    else if (strlen(value) != value_bytes || has_control(value, value_bytes))
        scan->fault = "a header's value has control characters";
    if (scan->fault)
        return MHD_NO;
    if (strcasecmp(name, "Content-Length") == 0) {
        scan->n_length++;
        scan->length = value;
    } else if (strcasecmp(name, "Transfer-Encoding") == 0) {
        scan->n_coding++;
        scan->coding = value;
    } else if (strcasecmp(name, "Host") == 0) {
        scan->n_host++;
        scan->host = value;
    } else if (strcasecmp(name, "Expect") == 0) {
        scan->r->frame.expects_continue = true;
    } else {
        for (size_t k = 0; k < KEPT_HEADERS; k++)
            if (strcasecmp(name, http_kept_headers[k]) == 0)
                keep_header(scan, k, value);
    }
    return scan->no_memory || scan->fault ? MHD_NO : MHD_YES;
}

static bool refuse(zo_req *r, unsigned status, const char *slug, const char *detail)
{
    http_problem(r, status, slug, detail);
    r->close = true;
    return false;
}

static bool read_length(const char *text, uint64_t *out)
{
    uint64_t v = 0;
    size_t n = 0;

    for (; text[n] >= '0' && text[n] <= '9' && n < 19; n++)
        v = v * 10 + (uint64_t)(text[n] - '0');
    *out = v;
    return n > 0 && text[n] == '\0';
}

static bool check_framing(zo_req *r, const struct scan *scan, bool is_1_0)
{
    if (scan->n_length > 1)
        return refuse(r, 400, "malformed", "more than one Content-Length");
    if (scan->n_coding > 0 && scan->n_length > 0)
        return refuse(r, 400, "malformed", "both Content-Length and Transfer-Encoding");
    if (scan->n_coding > 1 || (scan->n_coding > 0 && is_1_0))
        return refuse(r, 400, "malformed", "Transfer-Encoding comes twice, or with HTTP/1.0");
    if (scan->n_coding > 0 && strcasecmp(scan->coding, "chunked") != 0)
        return refuse(r, 501, "not-implemented", "no transfer coding but chunked is known");
    if (scan->n_length > 0 && !read_length(scan->length, &r->frame.length))
        return refuse(r, 400, "malformed", "Content-Length is no number");
    r->frame.has_length = scan->n_length > 0;
    r->frame.chunked = scan->n_coding > 0;
    return true;
}

/* What a host, an IPv6 literal and a port are made of, and white space after it. Empty is allowed. */
static bool is_host(const char *s)
{
    s += strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789.-_:[]");
    return s[strspn(s, " \t")] == '\0';
}

static bool check_host(zo_req *r, const struct scan *scan, bool is_1_0)
{
    if (scan->n_host > 1 || (scan->n_host == 0 && !is_1_0))
        return refuse(r, 400, "malformed", "a request has exactly one Host");
    if (scan->host && !is_host(scan->host))
        return refuse(r, 400, "malformed", "Host is no host");
    return true;
}

static bool check_target(zo_req *r)
{
    const char *path = r->path;

    if (r->target_bytes > HTTP_TARGET_MAX)
        return refuse(r, 414, "uri-too-long", "a URI has at most 4096 bytes");
    if (strcmp(path, "*") == 0 && strcmp(r->method, "OPTIONS") == 0 && !r->query_text)
        return true;
    if (path[0] != '/')
        return refuse(r, 400, "malformed", "the request target must be a path");
    for (const char *p = path; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '%' || *p == '\\' || *p == '#' ||
            (*p == '/' && (p[1] == '/' || p[1] == '.')))
            return refuse(r, 400, "malformed",
                          "the path has escapes, empty or dotted segments, or characters that no path has");
    for (const char *p = r->query_text ? r->query_text : ""; *p; p++)
        if ((unsigned char)*p <= ' ' || (unsigned char)*p >= 0x7f || *p == '#')
            return refuse(r, 400, "malformed", "the query has characters that no query has");
    return true;
}

/* Every byte of the head has been seen. The old parser drops what it does not understand, continuation lines and names
 * of no characters, and cuts texts at a NUL; a proxy in front may have understood a framing header there. Bare line
 * feeds are refused by the same sum. The new parser refuses all of these itself. */
static bool check_complete(zo_req *r, const struct scan *scan, const char *version, size_t head_bytes)
{
    const size_t line =
        strlen(r->method) + strlen(" ") + r->target_bytes + strlen(" ") + strlen(version) + strlen("\r\n");

    if (strncmp(MHD_get_version(), "0.", 2) != 0 || head_bytes == line + scan->accounted + strlen("\r\n"))
        return true;
    return refuse(r, 400, "malformed", "the head has folded, nameless or cut lines, or bare line feeds");
}

static bool check_headers(zo_req *r, const struct scan *scan, bool is_1_0)
{
    if (scan->no_memory)
        return refuse(r, 503, "memory", "out of memory");
    if (scan->fault)
        return refuse(r, 400, "malformed", scan->fault);
    return check_framing(r, scan, is_1_0) && check_host(r, scan, is_1_0);
}

bool http_guard(zo_req *r, struct MHD_Connection *c, const char *version)
{
    struct scan scan = {.r = r};
    const bool is_1_0 = strcmp(version, "HTTP/1.0") == 0;

    if (!is_1_0 && strncmp(version, "HTTP/1.", 7) != 0)
        return refuse(r, 505, "malformed", "this server speaks HTTP/1.1");
    MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_header, &scan);
    const size_t bytes = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;
    if (!check_headers(r, &scan, is_1_0) || !check_complete(r, &scan, version, bytes) || !check_target(r))
        return false;
    if (bytes > r->target_bytes + HTTP_HEADERS_MAX)
        return refuse(r, 431, "headers-too-large", "the headers have at most 8192 bytes");
    return true;
}
