/* Open, drain and close. See internal.h for who owns what. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "base/log.h"

enum { RESERVED_FDS = 64, MIN_CONNECTIONS = 4, POOL_INCREMENT = 1024 };

/* ---- lifetime: the memory outlives the last uv handle, kept request and stream ---- */

void http_ref(zo_http *h)
{
    atomic_fetch_add_explicit(&h->refs, 1, memory_order_relaxed);
}

void http_unref(zo_http *h)
{
    if (atomic_fetch_sub_explicit(&h->refs, 1, memory_order_acq_rel) != 1)
        return;
    pthread_mutex_destroy(&h->lock);
    http_router_free(h->router);
    zo_free(h->metrics);
    zo_free(h);
}

void http_handle_closed(uv_handle_t *handle)
{
    http_unref(handle->data);
}

/* ---- open ---- */

static unsigned or_default(unsigned value, unsigned fallback)
{
    return value ? value : fallback;
}

static void set_defaults(zo_http *h, const zo_http_opts *o)
{
    struct rlimit files;

    h->o = *o;
    h->o.listen = NULL; /* the caller's text */
    h->o.max_connections = or_default(o->max_connections, 4096);
    h->o.max_json_bytes = o->max_json_bytes ? o->max_json_bytes : (size_t)1 << 20;
    h->o.max_large_bytes = o->max_large_bytes ? o->max_large_bytes : (size_t)64 << 20;
    h->o.max_inflight_bytes = o->max_inflight_bytes ? o->max_inflight_bytes : (size_t)256 << 20;
    h->o.first_request_ms = or_default(o->first_request_ms, 10000);
    h->o.next_request_ms = or_default(o->next_request_ms, 75000);
    h->o.body_ms = or_default(o->body_ms, 30000);
    h->o.request_ms = or_default(o->request_ms, 60000);
    if (getrlimit(RLIMIT_NOFILE, &files) != 0 || files.rlim_cur >= (rlim_t)h->o.max_connections + RESERVED_FDS)
        return;
    const rlim_t room =
        files.rlim_cur > RESERVED_FDS + MIN_CONNECTIONS ? files.rlim_cur - RESERVED_FDS : MIN_CONNECTIONS;
    zo_log(ZO_WARN, "connections-lowered", "from=%u to=%u open_files=%llu", h->o.max_connections, (unsigned)room,
           (unsigned long long)files.rlim_cur);
    h->o.max_connections = (unsigned)room;
}

/* The router works on the raw path; the library shall not decode. */
static size_t leave_escaped(void *cls, struct MHD_Connection *c, char *s)
{
    (void)cls;
    (void)c;
    return strlen(s);
}

static void log_library(void *cls, const char *fmt, va_list args) ZO_PRINTF(2, 0);
static void log_library(void *cls, const char *fmt, va_list args)
{
    char text[256], quoted[300];

    (void)cls;
    if (!zo_log_enabled(ZO_DEBUG))
        return;
    vsnprintf(text, sizeof text, fmt, args);
    zo_log(ZO_DEBUG, "http-library", "text=%s", zo_log_quote(quoted, sizeof quoted, text));
}

/* No timeout of the library's: deadlines.c has better ones. The logger comes first, for what the other options have to
 * say. */
static zo_status start_library(zo_http *h, int fd, zo_error *err)
{
    h->mhd =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_USE_ERROR_LOG, 0, NULL, NULL, http_on_request,
                         h, MHD_OPTION_EXTERNAL_LOGGER, log_library, NULL, MHD_OPTION_LISTEN_SOCKET, fd,
                         MHD_OPTION_CONNECTION_LIMIT, h->o.max_connections, MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                         (size_t)HTTP_POOL_BYTES, MHD_OPTION_CONNECTION_MEMORY_INCREMENT, (size_t)POOL_INCREMENT,
                         MHD_OPTION_CONNECTION_TIMEOUT, 0U, MHD_OPTION_URI_LOG_CALLBACK, http_on_target, h,
                         MHD_OPTION_UNESCAPE_CALLBACK, leave_escaped, NULL, MHD_OPTION_NOTIFY_CONNECTION,
                         http_on_connection, h, MHD_OPTION_NOTIFY_COMPLETED, http_on_completed, h, MHD_OPTION_END);
    if (h->mhd)
        return ZO_OK;
    close(fd);
    return zo_fail(err, ZO_EINTERNAL, "", "the HTTP library does not start");
}

static zo_status open_handles(zo_http *h, zo_error *err)
{
    uv_handle_t *const handles[] = {(uv_handle_t *)&h->idle, (uv_handle_t *)&h->pump_timer, (uv_handle_t *)&h->reaper,
                                    (uv_handle_t *)&h->drain_timer, (uv_handle_t *)&h->wake};

    if (uv_async_init(h->loop, &h->wake, http_on_wake) != 0)
        return zo_fail(err, ZO_EINTERNAL, "", "the loop is out of resources");
    uv_idle_init(h->loop, &h->idle);
    uv_timer_init(h->loop, &h->pump_timer);
    uv_timer_init(h->loop, &h->reaper);
    uv_timer_init(h->loop, &h->drain_timer);
    for (size_t i = 0; i < ZO_LEN(handles); i++) {
        handles[i]->data = h;
        http_ref(h);
    }
    return ZO_OK;
}

static zo_status start(zo_http *h, const zo_http_opts *o, zo_error *err)
{
    int fd;
    zo_status rc;

    if (getrandom(&h->id_seed, sizeof h->id_seed, 0) != (ssize_t)sizeof h->id_seed)
        return zo_fail(err, ZO_EINTERNAL, "", "no random numbers from the system");
    if (!(h->metrics = zo_calloc(o->n_routes + 1, sizeof *h->metrics)))
        return zo_fail_nomem(err);
    if ((rc = http_router_new(o->routes, o->n_routes, &h->router, err)) != ZO_OK ||
        (rc = http_listen(o->listen, &fd, h->url, sizeof h->url, err)) != ZO_OK ||
        (rc = start_library(h, fd, err)) != ZO_OK || (rc = open_handles(h, err)) != ZO_OK)
        return rc;
    return http_pump_open(h, err);
}

zo_status zo_http_open(uv_loop_t *loop, const zo_http_opts *o, zo_http **out, zo_error *err)
{
    zo_http *h = zo_calloc(1, sizeof *h);
    zo_status rc;

    if (!h)
        return zo_fail_nomem(err);
    atomic_init(&h->refs, 1);
    pthread_mutex_init(&h->lock, NULL);
    h->loop = loop;
    set_defaults(h, o);
    if ((rc = start(h, o, err)) != ZO_OK) {
        zo_http_close(h);
        return rc;
    }
    *out = h;
    return ZO_OK;
}

const char *zo_http_url(const zo_http *h)
{
    return h->url;
}

/* ---- drain ---- */

static void on_drained(uv_timer_t *t)
{
    zo_http *h = t->data;

    if (h->drained_called)
        return;
    h->drained_called = true;
    if (h->n_active > 0)
        zo_log(ZO_WARN, "drain-deadline", "requests=%zu", h->n_active);
    h->drained(h->drained_ctx);
}

void http_check_drained(zo_http *h)
{
    if (h->draining && !h->drained_called && h->n_active == 0)
        uv_timer_start(&h->drain_timer, on_drained, 0, 0);
}

void zo_http_drain(zo_http *h, unsigned deadline_ms, void (*drained)(void *ctx), void *ctx)
{
    ZO_ASSERT(!h->draining);
    h->draining = true;
    h->drained = drained;
    h->drained_ctx = ctx;
    const int fd = MHD_quiesce_daemon(h->mhd);
    if (fd >= 0)
        close(fd);
    uv_timer_start(&h->drain_timer, on_drained, deadline_ms, 0);
    http_check_drained(h);
}

bool zo_http_is_draining(const zo_http *h)
{
    return h->draining;
}

/* ---- close ---- */

/* The library does not stop with suspended connections. */
static void resume_all(zo_http *h)
{
    for (conn_list list = CONN_FRESH; list < CONN_LISTS; list++)
        for (struct http_conn *c = h->conns[list].first; c; c = c->next)
            if (c->suspended)
                http_conn_resume(c);
}

static void free_pool(zo_http *h)
{
    for (zo_req *r = h->pool, *next; r; r = next) {
        next = r->next;
        http_request_free(r);
    }
    h->pool = NULL;
}

/* open_handles' handles are open together or not at all. */
static void close_handles(zo_http *h)
{
    uv_handle_t *const handles[] = {(uv_handle_t *)&h->idle, (uv_handle_t *)&h->pump_timer, (uv_handle_t *)&h->reaper,
                                    (uv_handle_t *)&h->drain_timer, (uv_handle_t *)&h->wake};

    for (size_t i = 0; h->wake.data && i < ZO_LEN(handles); i++)
        uv_close(handles[i], http_handle_closed);
}

void zo_http_close(zo_http *h)
{
    if (!h)
        return;
    http_inbox_close(h);
    http_pump_stop(h);
    if (h->mhd) {
        resume_all(h);
        MHD_stop_daemon(h->mhd);
    }
    close_handles(h);
    free_pool(h);
    http_unref(h);
}
