/* Who waits for a reply and leaves: libmicrohttpd does not look at the socket of a suspended connection, so the loop
 * watches it for a disconnect. A client that only closes its sending side looks the same and counts as gone too; it
 * still gets its reply. */
#include "http/internal.h"

struct gone_watch {
    uv_poll_t poll;
    zo_http *http;
    zo_req *req;
};

static void on_closed(uv_handle_t *handle)
{
    struct gone_watch *w = handle->data;

    http_unref(w->http);
    zo_free(w);
}

static void on_disconnect(uv_poll_t *poll, int status, int events)
{
    struct gone_watch *w = poll->data;
    zo_req *r = w->req;

    (void)status; /* an error is a disconnect, too */
    (void)events;
    uv_poll_stop(poll); /* once: the socket stays as it is */
    if (r->gone)
        r->gone(r, r->gone_ctx);
}

/* Without memory for it the wait merely lasts as long as it would have. */
void http_gone_start(zo_req *r)
{
    struct gone_watch *w = zo_malloc(sizeof *w);

    if (!w)
        return;
    if (uv_poll_init(r->http->loop, &w->poll, r->conn->fd) != 0) {
        zo_free(w);
        return;
    }
    http_ref(r->http);
    w->http = r->http;
    w->req = r;
    w->poll.data = w;
    r->watch = w;
    uv_poll_start(&w->poll, UV_DISCONNECT, on_disconnect);
}

/* Before the library gets the socket back. */
void http_gone_stop(zo_req *r)
{
    if (r->watch)
        uv_close((uv_handle_t *)&r->watch->poll, on_closed);
    r->watch = NULL;
}

void zo_req_on_gone(zo_req *r, void (*gone)(zo_req *r, void *ctx), void *ctx)
{
    r->gone = gone;
    r->gone_ctx = ctx;
    if (!gone)
        http_gone_stop(r);
    else if (r->conn && r->conn->suspended && !r->watch)
        http_gone_start(r);
}
