/* Streams: a chunked body whose chunks another thread makes.
 *
 * The library pulls; when there is nothing to give, `more` is called and the connection suspended until the push
 * arrives in the inbox. At any time at most one push is owed. A stream ends with its request; a push still owed then
 * frees it. */
#include "http/internal.h"

#include <string.h>

enum { BLOCK_BYTES = 32768 };

zo_stream *zo_req_stream(zo_req *r, const char *content_type, void (*more)(zo_stream *s, void *ctx),
                         void (*closed)(zo_stream *s, void *ctx), void *ctx)
{
    zo_stream *s = zo_calloc(1, sizeof *s);

    if (!s)
        return NULL;
    ZO_ASSERT(!r->stream);
    s->http = r->http;
    s->req = r;
    s->more = more;
    s->closed = closed;
    s->ctx = ctx;
    http_ref(s->http);
    r->stream = s;
    r->status = 200;
    r->content_type = content_type;
    return s;
}

/* Take what has been pushed. Returns false if there is nothing. */
static bool take_push(zo_stream *s)
{
    pthread_mutex_lock(&s->http->lock);
    const bool taken = s->has_push;
    if (taken) {
        zo_free(s->chunk);
        s->chunk = s->pushed;
        s->bytes = s->pushed_bytes;
        s->sent = 0;
        s->last = s->pushed_last;
        s->abort = s->pushed_abort;
        s->pushed = NULL;
        s->has_push = false;
    }
    pthread_mutex_unlock(&s->http->lock);
    return taken;
}

static void ask_for_more(zo_stream *s)
{
    pthread_mutex_lock(&s->http->lock);
    s->owed = true;
    pthread_mutex_unlock(&s->http->lock);
    s->more(s, s->ctx);
}

/* The library wants bytes. 0 means suspended. */
static ssize_t read_stream(void *cls, uint64_t position, char *to, size_t max)
{
    zo_stream *s = cls;

    (void)position;
    http_conn_replying(s->req->conn);
    while (s->sent == s->bytes && !s->last && !s->abort && !take_push(s)) {
        ask_for_more(s);
        if (take_push(s))
            continue;
        http_conn_suspend(s->req->conn);
        return 0;
    }
    if (s->abort)
        return MHD_CONTENT_READER_END_WITH_ERROR;
    const size_t left = s->bytes - s->sent, n = left < max ? left : max;
    if (n == 0)
        return MHD_CONTENT_READER_END_OF_STREAM;
    memcpy(to, s->chunk + s->sent, n);
    s->sent += n;
    s->req->reply_bytes += n;
    return (ssize_t)n;
}

struct MHD_Response *http_stream_response(zo_stream *s)
{
    return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, BLOCK_BYTES, read_stream, s, NULL);
}

static void push(zo_stream *s, char *data, size_t bytes, bool last, bool abort)
{
    zo_http *h = s->http;

    pthread_mutex_lock(&h->lock);
    ZO_ASSERT(s->owed);
    s->owed = false;
    if (!s->detached) {
        s->pushed = data;
        s->pushed_bytes = bytes;
        s->pushed_last = last;
        s->pushed_abort = abort;
        s->has_push = true;
        http_inbox_add_stream(s);
        pthread_mutex_unlock(&h->lock);
        return;
    }
    pthread_mutex_unlock(&h->lock);
    zo_free(data);
    zo_free(s);
    http_unref(h);
}

void zo_stream_push(zo_stream *s, char *data, size_t bytes, bool last)
{
    push(s, data, bytes, last, false);
}

void zo_stream_abort(zo_stream *s)
{
    push(s, NULL, 0, true, true);
}

void http_stream_deliver(zo_stream *s)
{
    if (s->req->conn->suspended && take_push(s)) /* else the reader has taken it already */
        http_conn_resume(s->req->conn);
}

/* Out of the inbox, so that the loop does not meet it there; lock held. */
static void unqueue(zo_stream *s)
{
    zo_stream **at = &s->http->streams;

    while (s->queued && *at != s)
        at = &(*at)->next;
    if (s->queued)
        *at = s->next;
    s->queued = false;
}

void http_stream_close(zo_stream *s)
{
    zo_http *h = s->http;

    s->closed(s, s->ctx);
    zo_free(s->chunk);
    s->chunk = NULL;
    pthread_mutex_lock(&h->lock);
    unqueue(s);
    zo_free(s->pushed);
    s->pushed = NULL;
    s->detached = true;
    const bool owed = s->owed;
    pthread_mutex_unlock(&h->lock);
    if (owed)
        return; /* the push frees it */
    zo_free(s);
    http_unref(h);
}
