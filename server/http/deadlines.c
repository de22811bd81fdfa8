/* Connections and their deadlines. The library's own timeout counts inactivity only, so that one byte a second holds a
 * connection for ever; here a whole request has to be complete in time:
 *   - the first one within first_request_ms of the accept, a later one within next_request_ms of the reply before;
 *   - a body within body_ms, or longer while it averages BODY_RATE; any request within request_ms of its first line,
 *     a large body within what it takes at LARGE_RATE on top, which is also what it must average: the more memory it
 *     holds, the sooner it has to come;
 *   - a reply, or each piece of a stream, is taken by the client within request_ms.
 * A request that waits for its reply has none. Above 80 % of the connection limit each new connection cuts the oldest
 * one that has not completed a request, and above 95 % the one idle longest: whoever sends whole requests gets through
 * an attack of those who don't.
 *
 * The library also misses the end of a peer's sending when it comes together with data (its events are edge triggered
 * and it reads short), so waiting connections are looked at for it: the fresh ones at each turn, the others once after
 * they have moved.
 *
 * To cut is to shut the socket down; the library notices and closes. One that has begun a request is told 408 first. */
#include "http/internal.h"

#include <stdio.h>

enum { BODY_RATE = 1 << 14, LARGE_RATE = 1 << 17 /* bytes/s */ };
enum { CROWDED_PERCENT = 80, FULL_PERCENT = 95, IDLE_GRACE_MS = 1000 };

static int64_t now_ms(const zo_http *h)
{
    return (int64_t)uv_now(h->loop);
}

static void unlink_conn(struct http_conn *c)
{
    zo_http *h = c->http;

    if (c->prev)
        c->prev->next = c->next;
    else
        h->conns[c->list].first = c->next;
    if (c->next)
        c->next->prev = c->prev;
    else
        h->conns[c->list].last = c->prev;
}

static void append(struct http_conn *c, conn_list list)
{
    zo_http *h = c->http;

    c->list = list;
    c->next = NULL;
    c->prev = h->conns[list].last;
    if (c->prev)
        c->prev->next = c;
    else
        h->conns[list].first = c;
    h->conns[list].last = c;
}

static void move(struct http_conn *c, conn_list list)
{
    if (c->list == CONN_CUT)
        return;
    unlink_conn(c);
    append(c, list);
}

static bool has_begun(const struct http_conn *c)
{
    return c->req && c->req->phase <= REQ_BODY;
}

/* Nothing of a reply has been sent yet, and the library will send none: the socket is ours for this one text. */
static void say_timeout(struct http_conn *c)
{
    char body[256], text[512];

    const int bytes =
        snprintf(body, sizeof body,
                 "{\"type\":\"/errors/timeout\",\"title\":\"Timeout\",\"status\":408,\"detail\":\"the request did not "
                 "arrive in time\",\"pointer\":\"\",\"request_id\":\"%s\"}",
                 c->req->id);
    const int n =
        snprintf(text, sizeof text,
                 "HTTP/1.1 408 Request Timeout\r\nConnection: close\r\nContent-Type: application/problem+json\r\n"
                 "Cache-Control: no-store\r\nX-Request-Id: %s\r\nContent-Length: %d\r\n\r\n%s",
                 c->req->id, bytes, body);
    if (send(c->fd, text, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) > 0)
        c->req->status = 408;
}

/* The memory of its body is free for others at once, whenever the library gets round to its end. */
static void hang_up(struct http_conn *c)
{
    move(c, CONN_CUT);
    if (c->req && c->req->phase == REQ_BODY && !c->req->refused)
        http_body_refuse(c->req);
    shutdown(c->fd, SHUT_RDWR);
}

static void cut(struct http_conn *c)
{
    if (has_begun(c))
        say_timeout(c);
    hang_up(c);
}

static bool is_above(const zo_http *h, unsigned percent)
{
    return h->n_conns * 100 > (size_t)h->o.max_connections * percent;
}

/* The newest fresh connection is the one that needs the room. */
static void make_room(zo_http *h)
{
    struct http_conn *fresh = h->conns[CONN_FRESH].first, *idle = h->conns[CONN_IDLE].first;

    if (fresh && fresh->next)
        cut(fresh);
    else if (idle && is_above(h, FULL_PERCENT) && now_ms(h) + h->o.next_request_ms >= idle->deadline + IDLE_GRACE_MS)
        cut(idle);
}

static void arm(zo_http *h)
{
    unsigned least = h->o.first_request_ms;

    least = h->o.next_request_ms < least ? h->o.next_request_ms : least;
    least = h->o.body_ms < least ? h->o.body_ms : least;
    least = h->o.request_ms < least ? h->o.request_ms : least;
    const uint64_t period = least / 4 < 10 ? 10 : least / 4 > 250 ? 250 : least / 4;
    uv_timer_start(&h->reaper, http_reap, period, period);
}

static void opened(zo_http *h, struct MHD_Connection *mhd, void **context)
{
    struct http_conn *c = zo_calloc(1, sizeof *c);
    const int fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;

    if (!c) {
        shutdown(fd, SHUT_RDWR); /* without context its requests are refused */
        return;
    }
    c->http = h;
    c->mhd = mhd;
    c->fd = fd;
    c->deadline = now_ms(h) + h->o.first_request_ms;
    append(c, CONN_FRESH);
    *context = c;
    zo_gauge_add(&zo_metric.connections, 1);
    if (++h->n_conns == 1)
        arm(h);
    if (is_above(h, CROWDED_PERCENT))
        make_room(h);
}

static void closed(zo_http *h, struct http_conn *c)
{
    if (c->req) {
        http_record(c->req, false);
        http_request_release(c->req);
    }
    unlink_conn(c);
    zo_free(c);
    zo_gauge_add(&zo_metric.connections, -1);
    h->need_run = true; /* at its limit the library listens again only when run once more */
    if (--h->n_conns == 0)
        uv_timer_stop(&h->reaper);
}

void http_on_connection(void *cls, struct MHD_Connection *mhd, void **context, enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED)
        opened(cls, mhd, context);
    else if (*context)
        closed(cls, *context);
}

void http_conn_busy(struct http_conn *c)
{
    move(c, CONN_BUSY);
    http_conn_replying(c);
}

void http_conn_suspend(struct http_conn *c)
{
    c->suspended = true;
    c->deadline = INT64_MAX;
    zo_gauge_add(&zo_metric.suspended, 1);
    MHD_suspend_connection(c->mhd);
}

void http_conn_resume(struct http_conn *c)
{
    c->suspended = false;
    http_conn_replying(c);
    zo_gauge_add(&zo_metric.suspended, -1);
    MHD_resume_connection(c->mhd);
}

void http_conn_replying(struct http_conn *c)
{
    c->deadline = now_ms(c->http) + c->http->o.request_ms;
}

void http_conn_idle(struct http_conn *c)
{
    move(c, CONN_IDLE);
    c->deadline = now_ms(c->http) + c->http->o.next_request_ms;
    c->settled = false;
}

void http_conn_moved(struct http_conn *c)
{
    c->settled = false;
}

static bool is_late(const struct http_conn *c, int64_t now)
{
    const zo_req *r = c->req;

    if (!has_begun(c) || r->phase == REQ_HEAD)
        return now >= c->deadline;
    const bool is_large = http_body_is_large(r);
    const int64_t elapsed = now - r->body_ms, rate = is_large ? LARGE_RATE : BODY_RATE;
    const int64_t extra_ms = is_large ? (int64_t)r->body_cap * 1000 / LARGE_RATE : 0;
    const bool is_slow =
        elapsed >= c->http->o.body_ms && (int64_t)(r->body_bytes + r->dropped_bytes) * 1000 < elapsed * rate;
    return is_slow || now >= r->start_ms + c->http->o.request_ms + extra_ms;
}

/* The peer has sent all it will, and it is no whole request. */
static bool has_ended(struct http_conn *c)
{
    char byte;

    if (c->list == CONN_BUSY || c->settled)
        return false;
    c->settled = c->list != CONN_FRESH;
    return recv(c->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT) == 0;
}

void http_reap(uv_timer_t *t)
{
    zo_http *h = t->data;
    const int64_t now = now_ms(h);
    const bool is_behind = uv_is_active((uv_handle_t *)&h->idle); /* the library has bytes it has not looked at yet */

    for (conn_list list = CONN_FRESH; list < CONN_CUT; list++)
        for (struct http_conn *c = h->conns[list].first, *next; c; c = next) {
            next = c->next;
            if (is_late(c, now))
                cut(c);
            else if (!is_behind && has_ended(c))
                hang_up(c);
        }
}
