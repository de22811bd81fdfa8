/* A live server with a small route table on its own loop thread, an owner thread for what it keeps, and a raw client
 * that speaks bytes. */
#ifndef ZO_TEST_HTTP_FX_H
#define ZO_TEST_HTTP_FX_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>
#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "http/internal.h"

enum { FX_KEPT_MAX = 4096, FX_REPLY_MS = 5000 };

struct fx {
    uv_loop_t loop;
    uv_async_t control;
    zo_http *http;
    zo_http_opts opts;
    pthread_t loop_thread, owner_thread;
    int port;
    atomic_int command; /* FX_STOP, FX_DRAIN */
    atomic_uint drain_ms;
    atomic_int handled, gone, drained, streams_closed, drained_active;
    pthread_mutex_t lock; /* the queue to the owner */
    pthread_cond_t ready;
    zo_req *queue[FX_KEPT_MAX];
    size_t n_queue;
    zo_stream *wanting[64];
    size_t n_wanting;
    bool stop_owner, hold; /* hold: the owner lets kept requests wait */
    zo_req *waiting[64];   /* the loop's: long-polls */
    size_t n_waiting;
};
enum { FX_NONE, FX_STOP, FX_DRAIN, FX_WAKE };

__attribute__((unused)) static char *fx_copy(const char *s, size_t n)
{
    char *copy = zo_malloc(n + 1);
    if (copy) {
        memcpy(copy, s, n);
        copy[n] = '\0';
    }
    return copy;
}

__attribute__((unused)) static struct fx *fx_of(zo_req *r)
{
    return zo_req_app(r);
}

__attribute__((unused)) static void fx_reply_bytes(zo_req *r, unsigned status, const char *type, const char *bytes,
                                                   size_t n)
{
    char *copy = fx_copy(bytes, n);
    zo_error err;
    if (copy) {
        zo_req_reply(r, status, type, copy, n);
        return;
    }
    zo_fail_nomem(&err);
    zo_req_problem(r, &err);
}

__attribute__((unused)) static void fx_reply_text(zo_req *r, unsigned status, const char *text)
{
    fx_reply_bytes(r, status, "text/plain", text, strlen(text));
}

__attribute__((unused)) static zo_status fx_ok(zo_req *r, zo_error *err)
{
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    fx_reply_text(r, 200, "ok");
    return ZO_OK;
}

__attribute__((unused)) static zo_status fx_item(zo_req *r, zo_error *err)
{
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    fx_reply_text(r, 200, zo_req_param(r, "item"));
    return ZO_OK;
}

__attribute__((unused)) static zo_status fx_delete(zo_req *r, zo_error *err)
{
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    zo_req_reply(r, 204, NULL, NULL, 0);
    return ZO_OK;
}

__attribute__((unused)) static void fx_echo_body(zo_req *r)
{
    size_t n;
    const char *body = zo_req_body(r, &n);
    if (body[n] != '\0') /* the promise that every parser leans on */
        abort();
    fx_reply_bytes(r, 200, "application/json", body, n);
}

__attribute__((unused)) static zo_status fx_echo(zo_req *r, zo_error *err)
{
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    fx_echo_body(r);
    return ZO_OK;
}

/* To the owner thread, which echoes. */
__attribute__((unused)) static zo_status fx_later(zo_req *r, zo_error *err)
{
    struct fx *fx = fx_of(r);
    (void)err;
    atomic_fetch_add(&fx->handled, 1);
    zo_req_keep(r);
    pthread_mutex_lock(&fx->lock);
    fx->queue[fx->n_queue++] = r;
    pthread_cond_signal(&fx->ready);
    pthread_mutex_unlock(&fx->lock);
    return ZO_OK;
}

__attribute__((unused)) static void fx_finish_wait(zo_req *r, unsigned status)
{
    struct fx *fx = fx_of(r);
    for (size_t i = 0; i < fx->n_waiting; i++)
        if (fx->waiting[i] == r)
            fx->waiting[i] = fx->waiting[--fx->n_waiting];
    fx_reply_text(r, status, "woken");
    zo_req_done(&r, 1);
}

__attribute__((unused)) static void fx_on_gone(zo_req *r, void *ctx)
{
    struct fx *fx = ctx;
    atomic_fetch_add(&fx->gone, 1);
    fx_finish_wait(r, 499);
}

/* A long-poll: ends when the client leaves or the test wakes it. */
__attribute__((unused)) static zo_status fx_wait(zo_req *r, zo_error *err)
{
    struct fx *fx = fx_of(r);
    (void)err;
    atomic_fetch_add(&fx->handled, 1);
    zo_req_keep(r);
    zo_req_on_gone(r, fx_on_gone, fx);
    fx->waiting[fx->n_waiting++] = r;
    return ZO_OK;
}

static const zo_status fx_codes[] = {
    ZO_EMALFORMED, ZO_EINVAL, ZO_EUNSUPPORTED, ZO_ENOTFOUND, ZO_ECONFLICT, ZO_EGONE,  ZO_EPRECONDITION, ZO_ETOOLARGE,
    ZO_ELIMIT,     ZO_EBUSY,  ZO_EFULL,        ZO_ESTORE,    ZO_ENUMERIC,  ZO_ENOMEM, ZO_ECANCELED,     ZO_EINTERNAL};

__attribute__((unused)) static zo_status fx_fail(zo_req *r, zo_error *err)
{
    const char *slug = zo_req_param(r, "slug");
    atomic_fetch_add(&fx_of(r)->handled, 1);
    for (size_t i = 0; i < ZO_LEN(fx_codes); i++)
        if (strcmp(zo_status_slug(fx_codes[i]), slug) == 0)
            return zo_fail(err, fx_codes[i], "/a~1b/0", "quote \" and \\");
    return ZO_OK; /* no reply at all */
}

__attribute__((unused)) static zo_status fx_query(zo_req *r, zo_error *err)
{
    static const char *const allowed[] = {"a", "b"};
    char text[600];
    zo_status rc;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    if ((rc = zo_req_query_check(r, allowed, 2, err)) != ZO_OK)
        return rc;
    const char *a = zo_req_query(r, "a"), *b = zo_req_query(r, "b");
    snprintf(text, sizeof text, "a=%s b=%s", a ? a : "(none)", b ? b : "(none)");
    fx_reply_text(r, 200, text);
    return ZO_OK;
}

__attribute__((unused)) static zo_status fx_headers(zo_req *r, zo_error *err)
{
    char text[1024];
    const char *accept = zo_req_header(r, "accept"), *key = zo_req_header(r, "Idempotency-Key"),
               *match = zo_req_header(r, "If-None-Match");
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    snprintf(text, sizeof text, "%s|%s|%s", accept ? accept : "-", key ? key : "-", match ? match : "-");
    zo_req_header_set(r, "ETag", "\"1\"");
    zo_req_header_set(r, "ETag", "\"2\"");
    zo_req_header_set(r, "Cache-Control", "max-age=5");
    fx_reply_text(r, 200, text);
    return ZO_OK;
}

static zo_status fx_same(zo_req *r, zo_error *err)
{
    (void)err;
    atomic_fetch_add(&fx_of(r)->handled, 1);
    zo_req_header_set(r, "ETag", "\"1\"");
    zo_req_reply(r, 304, NULL, NULL, 0);
    return ZO_OK;
}

__attribute__((unused)) static zo_status fx_big(zo_req *r, zo_error *err)
{
    const size_t n = 4 << 20;
    char *text = zo_malloc(n);
    atomic_fetch_add(&fx_of(r)->handled, 1);
    if (!text)
        return zo_fail_nomem(err);
    memset(text, 'x', n);
    zo_req_reply(r, 200, "text/plain", text, n);
    return ZO_OK;
}

__attribute__((unused)) static zo_status fx_metrics(zo_req *r, zo_error *err)
{
    zo_json w;
    size_t n;
    zo_json_init(&w);
    zo_http_metrics_write(fx_of(r)->http, &w);
    char *text = zo_json_take(&w, &n);
    if (!text)
        return zo_fail_nomem(err);
    zo_req_reply(r, 200, "text/plain", text, n);
    return ZO_OK;
}

/* ---- streams: chunks "0,", "1,", ... made by the owner ---- */

struct fx_stream {
    struct fx *fx;
    int n, total, abort_at;
    bool sync;
    bool owed, busy, closed; /* under fx->lock: the last of the owner and the close frees */
};

__attribute__((unused)) static void fx_push(zo_stream *s, struct fx_stream *t)
{
    char text[32];
    if (t->n == t->abort_at) {
        zo_stream_abort(s);
        return;
    }
    const int len = snprintf(text, sizeof text, "%d,", t->n++);
    const bool last = t->n == t->total; /* t is not ours once the push has been made */
    char *chunk = fx_copy(text, (size_t)len);
    if (chunk)
        zo_stream_push(s, chunk, (size_t)len, last);
    else
        zo_stream_abort(s);
}

__attribute__((unused)) static void fx_more(zo_stream *s, void *ctx)
{
    struct fx_stream *t = ctx;
    if (t->sync) {
        fx_push(s, t);
        return;
    }
    pthread_mutex_lock(&t->fx->lock);
    t->owed = true;
    t->fx->wanting[t->fx->n_wanting++] = s;
    pthread_cond_signal(&t->fx->ready);
    pthread_mutex_unlock(&t->fx->lock);
}

__attribute__((unused)) static void fx_stream_closed(zo_stream *s, void *ctx)
{
    struct fx_stream *t = ctx;
    struct fx *fx = t->fx;
    (void)s;
    pthread_mutex_lock(&fx->lock);
    t->closed = true;
    const bool mine = !t->owed && !t->busy;
    pthread_mutex_unlock(&fx->lock);
    if (mine)
        free(t);
    atomic_fetch_add(&fx->streams_closed, 1);
}

/* The owner's: t is taken while s can't be freed, since the push is owed. */
__attribute__((unused)) static void fx_serve_stream(struct fx *fx, zo_stream *s)
{
    pthread_mutex_lock(&fx->lock);
    struct fx_stream *t = s->ctx;
    t->owed = false;
    t->busy = true;
    pthread_mutex_unlock(&fx->lock);
    fx_push(s, t);
    pthread_mutex_lock(&fx->lock);
    t->busy = false;
    const bool mine = t->closed && !t->owed;
    pthread_mutex_unlock(&fx->lock);
    if (mine)
        free(t);
}

__attribute__((unused)) static zo_status fx_stream(zo_req *r, zo_error *err)
{
    struct fx_stream *t = calloc(1, sizeof *t);
    atomic_fetch_add(&fx_of(r)->handled, 1);
    t->fx = fx_of(r);
    t->total = atoi(zo_req_param(r, "chunks"));
    t->abort_at = zo_req_query(r, "abort") ? atoi(zo_req_query(r, "abort")) : -1;
    t->sync = zo_req_query(r, "sync") != NULL;
    if (!zo_req_stream(r, "application/x-ndjson", fx_more, fx_stream_closed, t)) {
        free(t);
        return zo_fail_nomem(err);
    }
    return ZO_OK;
}

static const zo_route fx_routes[] = {
    {ZO_GET, "/ok", ZO_SCOPE_PUBLIC, fx_ok, 0, 0},
    {ZO_GET, "/openapi.yaml", ZO_SCOPE_PUBLIC, fx_ok, 0, 0},
    {ZO_GET, "/v1/items/{item}", ZO_SCOPE_READ, fx_item, 0, 0},
    {ZO_DELETE, "/v1/items/{item}", ZO_SCOPE_WRITE, fx_delete, 0, 0},
    {ZO_POST, "/echo", ZO_SCOPE_WRITE, fx_echo, ZO_ROUTE_BODY_JSON, 0},
    {ZO_POST, "/later", ZO_SCOPE_WRITE, fx_later, ZO_ROUTE_BODY_JSON, 0},
    {ZO_POST, "/maybe", ZO_SCOPE_WRITE, fx_echo, ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_OPTIONAL, 0},
    {ZO_POST, "/lines", ZO_SCOPE_WRITE, fx_echo, ZO_ROUTE_BODY_LINES, 1000},
    {ZO_POST, "/arrays", ZO_SCOPE_WRITE, fx_echo, ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_ARRAYS, 0},
    {ZO_POST, "/rows", ZO_SCOPE_WRITE, fx_echo, ZO_ROUTE_BODY_JSON | ZO_ROUTE_BODY_ARRAYS | ZO_ROUTE_BODY_LARGE, 0},
    {ZO_GET, "/wait", ZO_SCOPE_READ, fx_wait, 0, 0},
    {ZO_GET, "/fail/{slug}", ZO_SCOPE_READ, fx_fail, 0, 0},
    {ZO_GET, "/query", ZO_SCOPE_READ, fx_query, 0, 0},
    {ZO_GET, "/headers", ZO_SCOPE_READ, fx_headers, 0, 0},
    {ZO_GET, "/same", ZO_SCOPE_READ, fx_same, 0, 0},
    {ZO_GET, "/big", ZO_SCOPE_READ, fx_big, 0, 0},
    {ZO_GET, "/metrics", ZO_SCOPE_ADMIN, fx_metrics, 0, 0},
    {ZO_GET, "/stream/{chunks}", ZO_SCOPE_READ, fx_stream, 0, 0},
};

/* ---- the owner thread ---- */

__attribute__((unused)) static void *fx_own(void *arg)
{
    struct fx *fx = arg;
    zo_req *batch[FX_KEPT_MAX];
    zo_stream *wanting[64];

    pthread_mutex_lock(&fx->lock);
    for (;;) {
        while (!fx->stop_owner && (fx->n_queue == 0 || fx->hold) && (fx->n_wanting == 0 || fx->hold))
            pthread_cond_wait(&fx->ready, &fx->lock);
        const size_t n = fx->n_queue, n_wanting = fx->n_wanting;
        if (fx->stop_owner && n == 0 && n_wanting == 0)
            break;
        memcpy(batch, fx->queue, n * sizeof *batch);
        memcpy(wanting, fx->wanting, n_wanting * sizeof *wanting);
        fx->n_queue = fx->n_wanting = 0;
        pthread_mutex_unlock(&fx->lock);
        for (size_t i = 0; i < n; i++)
            fx_echo_body(batch[i]);
        zo_req_done(batch, n);
        for (size_t i = 0; i < n_wanting; i++)
            fx_serve_stream(fx, wanting[i]);
        pthread_mutex_lock(&fx->lock);
    }
    pthread_mutex_unlock(&fx->lock);
    return NULL;
}

__attribute__((unused)) static void fx_hold(struct fx *fx, bool hold)
{
    pthread_mutex_lock(&fx->lock);
    fx->hold = hold;
    pthread_cond_signal(&fx->ready);
    pthread_mutex_unlock(&fx->lock);
}

/* ---- the loop thread ---- */

__attribute__((unused)) static void fx_on_drained(void *ctx)
{
    struct fx *fx = ctx;
    atomic_store(&fx->drained_active, (int)fx->http->n_active);
    atomic_fetch_add(&fx->drained, 1);
}

__attribute__((unused)) static void fx_on_control(uv_async_t *a)
{
    struct fx *fx = a->data;
    const int command = atomic_exchange(&fx->command, FX_NONE);

    if (command == FX_STOP)
        uv_stop(&fx->loop);
    else if (command == FX_DRAIN)
        zo_http_drain(fx->http, atomic_load(&fx->drain_ms), fx_on_drained, fx);
    else if (command == FX_WAKE)
        while (fx->n_waiting > 0)
            fx_finish_wait(fx->waiting[0], 200);
}

__attribute__((unused)) static void *fx_loop(void *arg)
{
    struct fx *fx = arg;
    uv_run(&fx->loop, UV_RUN_DEFAULT);
    return NULL;
}

__attribute__((unused)) static void fx_command(struct fx *fx, int command)
{
    atomic_store(&fx->command, command);
    uv_async_send(&fx->control);
}

__attribute__((unused)) static struct fx *fx_start(zo_http_opts o)
{
    struct fx *fx = calloc(1, sizeof *fx);
    zo_error err = {0};

    zo_log_set_level(ZO_ERROR);
    o.listen = "127.0.0.1:0";
    o.routes = fx_routes;
    o.n_routes = ZO_LEN(fx_routes);
    o.app = fx;
    fx->opts = o;
    pthread_mutex_init(&fx->lock, NULL);
    pthread_cond_init(&fx->ready, NULL);
    assert_int_equal(uv_loop_init(&fx->loop), 0);
    uv_async_init(&fx->loop, &fx->control, fx_on_control);
    fx->control.data = fx;
    if (zo_http_open(&fx->loop, &o, &fx->http, &err) != ZO_OK)
        fail_msg("%s", err.message);
    fx->port = atoi(strrchr(zo_http_url(fx->http), ':') + 1);
    assert_int_equal(pthread_create(&fx->owner_thread, NULL, fx_own, fx), 0);
    assert_int_equal(pthread_create(&fx->loop_thread, NULL, fx_loop, fx), 0);
    return fx;
}

__attribute__((unused)) static void fx_stop_owner(struct fx *fx)
{
    pthread_mutex_lock(&fx->lock);
    fx->stop_owner = true;
    fx->hold = false;
    pthread_cond_signal(&fx->ready);
    pthread_mutex_unlock(&fx->lock);
    pthread_join(fx->owner_thread, NULL);
}

__attribute__((unused)) static void fx_stop_loop(struct fx *fx)
{
    fx_command(fx, FX_STOP);
    pthread_join(fx->loop_thread, NULL);
    zo_http_close(fx->http);
    uv_close((uv_handle_t *)&fx->control, NULL);
    uv_run(&fx->loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&fx->loop), 0);
}

__attribute__((unused)) static void fx_free(struct fx *fx)
{
    pthread_mutex_destroy(&fx->lock);
    pthread_cond_destroy(&fx->ready);
    free(fx);
}

__attribute__((unused)) static void fx_end(struct fx *fx)
{
    fx_stop_loop(fx);
    fx_stop_owner(fx);
    fx_free(fx);
}

/* ---- the raw client ---- */

__attribute__((unused)) static int fx_connect(const struct fx *fx)
{
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)fx->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), one = 1;
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    return fd;
}

/* All of it, or as much as a peer that has closed takes. */
__attribute__((unused)) static bool fx_send(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        const ssize_t k = send(fd, bytes, n, MSG_NOSIGNAL);
        if (k <= 0)
            return false;
        bytes += k;
        n -= (size_t)k;
    }
    return true;
}

__attribute__((unused)) static bool fx_say(int fd, const char *text)
{
    return fx_send(fd, text, strlen(text));
}

/* One byte more into the buffer: 1; the end: 0; nothing within ms: -1. */
__attribute__((unused)) static int fx_recv(int fd, char *to, size_t max, int ms, size_t *n)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    const int ready = poll(&p, 1, ms);
    if (ready <= 0)
        return -1;
    const ssize_t k = recv(fd, to, max, 0);
    *n = k > 0 ? (size_t)k : 0;
    return k > 0;
}

struct fx_reply {
    int status; /* 0: the connection has ended; -1: nothing came in time */
    char head[2048];
    char *body; /* malloc'd, NUL-terminated */
    size_t bytes;
    bool complete; /* the body ended as its framing says */
};

/* Bytes received beyond the last reply, so that pipelined replies come apart. */
struct fx_client {
    int fd;
    char *buffer;
    size_t n, cap;
    bool ended;
};

__attribute__((unused)) static struct fx_client fx_open(const struct fx *fx)
{
    return (struct fx_client){.fd = fx_connect(fx)};
}

__attribute__((unused)) static void fx_close(struct fx_client *c)
{
    close(c->fd);
    free(c->buffer);
    memset(c, 0, sizeof *c);
}

/* False when no byte came within ms or the peer has ended. */
__attribute__((unused)) static bool fx_fill(struct fx_client *c, int ms)
{
    size_t n = 0;
    if (c->ended)
        return false;
    if (c->cap - c->n < 65536) {
        c->cap = 2 * c->cap + 65536;
        c->buffer = realloc(c->buffer, c->cap);
        assert_non_null(c->buffer);
    }
    const int got = fx_recv(c->fd, c->buffer + c->n, c->cap - c->n - 1, ms, &n);
    if (got == 0)
        c->ended = true;
    c->n += n;
    return n > 0;
}

__attribute__((unused)) static void fx_consume(struct fx_client *c, size_t n)
{
    memmove(c->buffer, c->buffer + n, c->n - n);
    c->n -= n;
}

static const char *fx_header(const struct fx_reply *r, const char *name, char value[256])
{
    const size_t n = strlen(name);
    for (const char *p = strstr(r->head, "\r\n"); p && p[2]; p = strstr(p + 2, "\r\n"))
        if (strncasecmp(p + 2, name, n) == 0 && p[2 + n] == ':') {
            const char *v = p + 3 + n + strspn(p + 3 + n, " ");
            snprintf(value, 256, "%.*s", (int)strcspn(v, "\r"), v);
            return value;
        }
    return NULL;
}

__attribute__((unused)) static void fx_take_chunked(struct fx_client *c, struct fx_reply *r, int ms)
{
    r->body = calloc(1, 1);
    for (;;) {
        char *line;
        while (c->n == 0 || !(line = memmem(c->buffer, c->n, "\r\n", 2)))
            if (!fx_fill(c, ms))
                return;
        const size_t size = strtoul(c->buffer, NULL, 16), skip = (size_t)(line - c->buffer) + 2;
        while (c->n < skip + size + 2)
            if (!fx_fill(c, ms))
                return;
        r->body = realloc(r->body, r->bytes + size + 1);
        memcpy(r->body + r->bytes, c->buffer + skip, size);
        r->bytes += size;
        r->body[r->bytes] = '\0';
        fx_consume(c, skip + size + 2);
        if (size == 0) {
            r->complete = true;
            return;
        }
    }
}

/* The next reply. is_head: it has no body whatever its headers say. */
__attribute__((unused)) static void fx_read(struct fx_client *c, bool is_head, struct fx_reply *r)
{
    char value[256], *end;

    memset(r, 0, sizeof *r);
    while (c->n < 4 || !(end = memmem(c->buffer, c->n, "\r\n\r\n", 4)))
        if (!fx_fill(c, FX_REPLY_MS)) {
            r->status = c->ended ? 0 : -1;
            return;
        }
    const size_t head = (size_t)(end - c->buffer) + 4;
    assert_true(head < sizeof r->head);
    memcpy(r->head, c->buffer, head);
    fx_consume(c, head);
    assert_int_equal(sscanf(r->head, "HTTP/1.%*d %d ", &r->status), 1);
    if (fx_header(r, "Transfer-Encoding", value) && !is_head) {
        fx_take_chunked(c, r, FX_REPLY_MS);
        return;
    }
    const size_t bytes = fx_header(r, "Content-Length", value) && !is_head ? strtoul(value, NULL, 10) : 0;
    while (c->n < bytes && fx_fill(c, FX_REPLY_MS))
        ;
    r->complete = c->n >= bytes;
    r->bytes = r->complete ? bytes : c->n;
    r->body = calloc(1, r->bytes + 1);
    if (r->bytes > 0) {
        memcpy(r->body, c->buffer, r->bytes);
        fx_consume(c, r->bytes);
    }
}

__attribute__((unused)) static void fx_reply_free(struct fx_reply *r)
{
    free(r->body);
    r->body = NULL;
}

/* Send text, return the status of the one reply. */
__attribute__((unused)) static int fx_status(struct fx_client *c, const char *text)
{
    struct fx_reply r;
    fx_say(c->fd, text);
    fx_read(c, strncmp(text, "HEAD", 4) == 0, &r);
    fx_reply_free(&r);
    return r.status;
}

#define FX_GET_OK "GET /ok HTTP/1.1\r\nHost: x\r\n\r\n"

/* Until an atomic reaches a value, at most 5 s. */
__attribute__((unused)) static bool fx_await(atomic_int *what, int value)
{
    for (int i = 0; i < 500 && atomic_load(what) < value; i++)
        usleep(10000);
    return atomic_load(what) >= value;
}

#endif
