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

static const char irregular[] = "the head has folded, nameless or cut lines, or bare line feeds";

struct scan {
    zo_req *r;
    unsigned n_length, n_coding, n_host;
    const char *length, *coding, *host;
    const char *fault; /* what is wrong with the headers, for a person */
    const char *at;    /* where the next line starts in the head as it came; NULL: not looked at */
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

/* The texts lie in the head as it came, one after the other: what stands between two of them is a line end, and nothing
 * else. */
static bool follows(struct scan *scan, const char *name, size_t name_bytes, const char *value, size_t value_bytes)
{
    const uintptr_t colon = (uintptr_t)name + name_bytes, start = (uintptr_t)value;

    if (!scan->at)
        return true;
    if (name != scan->at || start <= colon || start - colon > HTTP_HEADERS_MAX)
        return false;
    scan->at = value + value_bytes + strlen("\r\n");
    return true;
}

static enum MHD_Result on_header(void *cls, enum MHD_ValueKind kind, const char *name, size_t name_bytes,
                                 const char *value, size_t value_bytes)
{
    struct scan *scan = cls;

    (void)kind;
    if (!value)
        value = "";
    if (!follows(scan, name, name_bytes, value, value_bytes))
        scan->fault = irregular;
    else if (!is_token(name, name_bytes))
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
    zo_req_problem_as(r, status, slug, detail);
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

    if (!is_token(r->method, strlen(r->method)))
        return refuse(r, 400, "malformed", "the method has characters that no method has");
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

/* Every byte of the head is to be one that we have seen: the old parser drops continuation lines, takes a line without
 * a name for the end, and cuts texts at a NUL, where a proxy in front may have understood a framing header. Bare line
 * feeds go the same way. The new parser refuses all of these itself. */
static void begin_scan(struct scan *scan, const char *method, const char *version)
{
    const char *line = method + strlen(method) + strlen(" ") + scan->r->target_bytes + strlen(" ");

    if (strncmp(MHD_get_version(), "0.", 2) != 0)
        return;
    if (version != line)
        scan->fault = irregular;
    scan->at = version + strlen(version) + strlen("\r\n");
}

static void end_scan(struct scan *scan, const char *method, size_t head_bytes)
{
    if (!scan->fault && scan->at && (size_t)(scan->at - method) + strlen("\r\n") != head_bytes)
        scan->fault = irregular;
}

static bool check_headers(zo_req *r, const struct scan *scan, bool is_1_0)
{
    if (scan->no_memory)
        return refuse(r, 503, "memory", "out of memory");
    if (scan->fault)
        return refuse(r, 400, "malformed", scan->fault);
    return check_framing(r, scan, is_1_0) && check_host(r, scan, is_1_0);
}

bool http_guard(zo_req *r, struct MHD_Connection *c, const char *method, const char *version)
{
    struct scan scan = {.r = r};
    const bool is_1_0 = strcmp(version, "HTTP/1.0") == 0;
    const size_t bytes = MHD_get_connection_info(c, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)->header_size;

    if (!is_1_0 && strncmp(version, "HTTP/1.", 7) != 0)
        return refuse(r, 505, "malformed", "this server speaks HTTP/1.1");
    begin_scan(&scan, method, version);
    if (!scan.fault)
        MHD_get_connection_values_n(c, MHD_HEADER_KIND, on_header, &scan);
    end_scan(&scan, method, bytes);
    if (!check_headers(r, &scan, is_1_0) || !check_target(r))
        return false;
    if (bytes > r->target_bytes + HTTP_HEADERS_MAX)
        return refuse(r, 431, "headers-too-large", "the headers have at most 8192 bytes");
    return true;
}
