/* The pump: libmicrohttpd in external-epoll mode driven by the libuv loop.
 *
 * The library has no wake-up of its own in this mode, and its inner epoll is edge triggered: whatever it has left to do
 * it tells only through MHD_get_timeout. So each wake-up runs it until it has nothing due; when there is always more,
 * the other handles of the loop get a turn between rounds. */
#include "http/internal.h"

#include "base/scrub.h"

enum { ROUNDS = 8 };

static void on_idle(uv_idle_t *idle)
{
    http_pump(idle->data);
}

static void on_timer(uv_timer_t *timer)
{
    http_pump(timer->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    http_pump(poll->data);
}

void http_pump(zo_http *h)
{
    MHD_UNSIGNED_LONG_LONG due_ms = 0;
    bool is_due, has_timer;
    int round = 0;

    ZO_ASSERT(!h->in_run);
    h->in_run = true;
    do {
        h->need_run = false;
        MHD_run(h->mhd);
        has_timer = MHD_get_timeout(h->mhd, &due_ms) == MHD_YES;
        is_due = h->need_run || (has_timer && due_ms == 0);
    } while (is_due && ++round < ROUNDS);
    h->in_run = false;
    if (is_due)
        uv_idle_start(&h->idle, on_idle);
    else
        uv_idle_stop(&h->idle);
    if (has_timer && due_ms > 0)
        uv_timer_start(&h->pump_timer, on_timer, due_ms, 0);
    else
        uv_timer_stop(&h->pump_timer);
    http_check_drained(h);
    zo_scrub();
}

zo_status http_pump_open(zo_http *h, zo_error *err)
{
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->mhd, MHD_DAEMON_INFO_EPOLL_FD);

    if (!info || uv_poll_init(h->loop, &h->poll, info->epoll_fd) != 0)
        return zo_fail(err, ZO_EINTERNAL, "", "can't watch the HTTP library's events");
    h->poll.data = h;
    http_ref(h);
    if (uv_poll_start(&h->poll, UV_READABLE, on_readable) != 0)
        return zo_fail(err, ZO_EINTERNAL, "", "can't watch the HTTP library's events");
    return ZO_OK;
}

void http_pump_stop(zo_http *h)
{
    if (h->poll.data)
        uv_close((uv_handle_t *)&h->poll, http_handle_closed);
}
