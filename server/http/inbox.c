/* From any thread to the loop: finished requests and chunks of streams, in order of arrival. One lock and at most one
 * wake-up for a batch; a wake-up is sent only when the inbox was empty. The loop alone resumes connections, and pumps
 * afterwards, since the library would not notice by itself. */
#include "http/internal.h"

static bool is_empty(const zo_http *h)
{
    return !h->done_first && !h->streams;
}

void zo_req_keep(zo_req *r)
{
    ZO_ASSERT(r->phase == REQ_HANDLED && !r->keep);
    r->keep = true;
    http_ref(r->http);
}

static void free_orphan(zo_req *r)
{
    zo_http *h = r->http;

    if (r->stream)
        http_stream_close(r->stream);
    http_request_free(r);
    http_unref(h);
}

void zo_req_done(zo_req *const *reqs, size_t n)
{
    if (n == 0)
        return;
    zo_http *h = reqs[0]->http;

    pthread_mutex_lock(&h->lock);
    if (h->closed) {
        pthread_mutex_unlock(&h->lock);
        for (size_t i = 0; i < n; i++)
            free_orphan(reqs[i]);
        return;
    }
    const bool was_empty = is_empty(h);
    for (size_t i = 0; i < n; i++) {
        reqs[i]->next = NULL;
        if (h->done_last)
            h->done_last->next = reqs[i];
        else
            h->done_first = reqs[i];
        h->done_last = reqs[i];
    }
    if (was_empty)
        uv_async_send(&h->wake); /* under the lock, so that closing can't come between */
    pthread_mutex_unlock(&h->lock);
}

void http_inbox_add_stream(zo_stream *s)
{
    zo_http *h = s->http;

    if (s->queued)
        return;
    if (is_empty(h))
        uv_async_send(&h->wake);
    s->queued = true;
    s->next = h->streams;
    h->streams = s;
}

/* Lock held. */
static zo_req *take_done(zo_http *h, zo_stream **streams_out)
{
    zo_req *done = h->done_first;
    h->done_first = h->done_last = NULL;
    *streams_out = NULL;
    for (zo_stream *s = h->streams; s; s = s->next) {
        s->queued = false; /* from here on another push may link it anew */
        s->taken = *streams_out;
        *streams_out = s;
    }
    h->streams = NULL;
    return done;
}

/* The request is the loop's again. */
static void take_back(zo_req *r)
{
    http_gone_stop(r);
    r->phase = REQ_REPLYING;
    http_unref(r->http);
}

void http_on_wake(uv_async_t *a)
{
    zo_http *h = a->data;
    zo_stream *streams;

    pthread_mutex_lock(&h->lock);
    zo_req *r = take_done(h, &streams);
    pthread_mutex_unlock(&h->lock);
    while (r) {
        zo_req *next = r->next;
        take_back(r);
        http_conn_resume(r->conn);
        r = next;
    }
    for (; streams; streams = streams->taken)
        http_stream_deliver(streams);
    http_pump(h);
}

static void orphan(zo_req *r)
{
    http_gone_stop(r);
    http_body_uncharge(r);
    r->conn->req = NULL;
    r->conn = NULL;
}

void http_inbox_close(zo_http *h)
{
    zo_stream *streams;

    pthread_mutex_lock(&h->lock);
    h->closed = true;
    for (zo_req *r = take_done(h, &streams), *next; r; r = next) {
        next = r->next;
        take_back(r);
    }
    for (struct http_conn *c = h->conns[CONN_BUSY].first; c; c = c->next)
        if (c->req && c->req->phase == REQ_KEPT)
            orphan(c->req); /* before its owner may see that the inbox is closed, and free it */
    pthread_mutex_unlock(&h->lock);
}
