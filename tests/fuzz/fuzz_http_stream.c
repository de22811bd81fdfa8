/* Any bytes on a connection: no more requests reach a handler than a strict reading of RFC 9112 finds complete ones in
 * them. More would be a request smuggled past a proxy that reads strictly. The reader below shares no code with the
 * server or its library. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/log.h"
#include "http/internal.h"

enum { INPUT_MAX = 16384, TURNS = 64 };

static unsigned n_handled;

/* ---- the strict reader ---- */

struct text {
    const char *p, *end;
};

static bool is_token_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
           (c != '\0' && strchr("!#$%&'*+-.^_`|~", c));
}

static bool take_char(struct text *t, char c)
{
    if (t->p == t->end || *t->p != c)
        return false;
    t->p++;
    return true;
}

/* A line end of the head. The library overwrites it with NULs before the guard sees it, and a lone colon or NUL of a
 * line without a name, too; so any two of these bytes look like CR LF to us. They hide no text, and no proxy lets a
 * nameless header pass. */
static bool take_crlf(struct text *t)
{
    static const char ends[] = {'\r', '\n', '\0', ':'};

    if (t->end - t->p < 2 || !memchr(ends, t->p[0], sizeof ends) || !memchr(ends, t->p[1], sizeof ends) ||
        !memchr(t->p, '\n', 2))
        return false;
    t->p += 2;
    return true;
}

static size_t take_while(struct text *t, bool (*accepts)(char c))
{
    const char *start = t->p;

    while (t->p < t->end && accepts(*t->p))
        t->p++;
    return (size_t)(t->p - start);
}

static bool is_visible(char c)
{
    return (unsigned char)c > ' ' && (unsigned char)c < 0x7f;
}

static bool is_field_char(char c)
{
    return c == '\t' || ((unsigned char)c >= ' ' && c != 0x7f);
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

struct frame {
    unsigned n_length, n_coding;
    size_t length;
};

static bool read_field(struct text *t, struct frame *f)
{
    const char *name = t->p;
    const size_t n = take_while(t, is_token_char);

    if (n == 0 || !take_char(t, ':'))
        return false;
    while (take_char(t, ' ') || take_char(t, '\t'))
        ;
    const char *value = t->p;
    size_t m = take_while(t, is_field_char);
    if (!take_crlf(t))
        return false;
    while (m > 0 && (value[m - 1] == ' ' || value[m - 1] == '\t'))
        m--;
    if (n == 14 && strncasecmp(name, "Content-Length", n) == 0) {
        f->n_length++;
        f->length = 0;
        for (size_t i = 0; i < m; i++) {
            if (!is_digit(value[i]) || f->length > INPUT_MAX)
                return false;
            f->length = f->length * 10 + (size_t)(value[i] - '0');
        }
        return m > 0;
    }
    if (n == 17 && strncasecmp(name, "Transfer-Encoding", n) == 0) {
        f->n_coding++;
        return m == 7 && strncasecmp(value, "chunked", m) == 0;
    }
    return true;
}

/* Line ends inside a chunked body may be bare: the library takes them, and a proxy in front writes its own. */
static bool take_line_end(struct text *t)
{
    take_char(t, '\r');
    return take_char(t, '\n');
}

static bool skip_line(struct text *t)
{
    const char *end = memchr(t->p, '\n', (size_t)(t->end - t->p));

    if (!end)
        return false;
    t->p = end + 1;
    return true;
}

static int hex(char c)
{
    return is_digit(c) ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool read_chunks(struct text *t)
{
    for (;;) {
        size_t size = 0, digits = 0;
        for (; t->p < t->end && hex(*t->p) >= 0; t->p++, digits++) {
            if (size > INPUT_MAX)
                return false;
            size = size * 16 + (size_t)hex(*t->p);
        }
        if (digits == 0 || (t->p < t->end && *t->p != ';' && *t->p != '\r' && *t->p != '\n') || !skip_line(t))
            return false;
        if (size == 0)
            break;
        if ((size_t)(t->end - t->p) < size)
            return false;
        t->p += size;
        if (!take_line_end(t))
            return false;
    }
    for (;;) { /* trailers; one without a name is the last to the library, and a proxy passes none on */
        const bool last = t->p < t->end && (*t->p == ':' || *t->p == '\0');
        if (take_line_end(t))
            return true;
        if (!skip_line(t))
            return false;
        if (last)
            return true;
    }
}

/* Empty lines before a request line are to be ignored. The library takes one that begins with NUL for empty; no proxy
 * lets it pass. */
static void skip_empty_lines(struct text *t)
{
    while (t->p < t->end && (*t->p == '\r' || *t->p == '\n' || *t->p == '\0'))
        if (*t->p++ == '\0' && !skip_line(t))
            return;
}

static bool read_request(struct text *t)
{
    struct frame f = {0};

    skip_empty_lines(t);
    if (take_while(t, is_visible) == 0 || !take_char(t, ' ') || take_while(t, is_visible) == 0 || !take_char(t, ' ') ||
        t->end - t->p < 8 || memcmp(t->p, "HTTP/1.", 7) != 0 || !is_digit(t->p[7]))
        return false;
    t->p += 8;
    if (!take_crlf(t))
        return false;
    while (!take_crlf(t))
        if (!read_field(t, &f))
            return false;
    if (f.n_length + f.n_coding > 1)
        return false;
    if (f.n_coding)
        return read_chunks(t);
    if ((size_t)(t->end - t->p) < f.length)
        return false;
    t->p += f.length;
    return true;
}

static unsigned count_requests(const uint8_t *data, size_t size)
{
    struct text t = {(const char *)data, (const char *)data + size};
    unsigned n = 0;

    while (t.p < t.end && read_request(&t))
        n++;
    return n;
}

/* ---- the server, on one thread ---- */

static zo_status handle(zo_req *r, zo_error *err)
{
    size_t n;

    (void)err;
    n_handled++;
    ZO_ASSERT(zo_req_body(r, &n)[n] == '\0');
    zo_req_reply(r, 200, NULL, NULL, 0);
    return ZO_OK;
}

static const zo_route routes[] = {
    {ZO_GET, "/", ZO_SCOPE_PUBLIC, handle, 0, 0},
    {ZO_GET, "/a/{b}", ZO_SCOPE_PUBLIC, handle, 0, 0},
    {ZO_POST, "/p", ZO_SCOPE_PUBLIC, handle, ZO_ROUTE_BODY_JSON, 0},
    {ZO_POST, "/m", ZO_SCOPE_PUBLIC, handle, ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_OPTIONAL, 100},
};

static uv_loop_t loop;

static zo_http *open_server(void)
{
    const zo_http_opts o = {.listen = "127.0.0.1:0", .routes = routes, .n_routes = ZO_LEN(routes)};
    zo_http *h;
    zo_error err;

    zo_log_set_level(ZO_LOG_OFF);
    ZO_ASSERT(uv_loop_init(&loop) == 0 && zo_http_open(&loop, &o, &h, &err) == ZO_OK);
    return h;
}

static void converse(zo_http *h, const uint8_t *data, size_t size)
{
    const struct sockaddr_un address = {.sun_family = AF_UNIX};
    char reply[4096];
    int ends[2];

    ZO_ASSERT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, ends) == 0);
    ZO_ASSERT(send(ends[1], data, size, MSG_NOSIGNAL) == (ssize_t)size || size == 0);
    shutdown(ends[1], SHUT_WR);
    ZO_ASSERT(MHD_add_connection(h->mhd, ends[0], (const struct sockaddr *)&address, sizeof address) == MHD_YES);
    for (int i = 0; i < TURNS && h->n_conns > 0; i++) {
        http_pump(h);
        while (recv(ends[1], reply, sizeof reply, MSG_DONTWAIT) > 0)
            ;
        if (i == TURNS / 2)
            shutdown(ends[1], SHUT_RDWR); /* half a request: it would wait for its deadline */
    }
    close(ends[1]);
    for (int i = 0; i < TURNS && h->n_conns > 0; i++)
        http_pump(h);
    ZO_ASSERT(h->n_conns == 0 && h->n_active == 0 && h->inflight_bytes == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static zo_http *h;

    if (!h)
        h = open_server();
    if (size > INPUT_MAX)
        return 0;
    n_handled = 0;
    converse(h, data, size);
    ZO_ASSERT(n_handled <= count_requests(data, size));
    return 0;
}
