/* The HTTP server: libmicrohttpd in external-epoll mode on one libuv loop. See request.h for what handlers see. */
#ifndef ZO_HTTP_HTTP_H
#define ZO_HTTP_HTTP_H

#include <uv.h>
#include "http/request.h"

typedef struct zo_http zo_http;
typedef struct zo_http_opts {
    const char *listen;              /* "127.0.0.1:8470", "[::1]:0", "0.0.0.0:80", "localhost:0" */
    const zo_route *routes; size_t n_routes;
    void *app;
    unsigned max_connections;        /* default 4096, lowered to RLIMIT_NOFILE - 64 with a warning */
    size_t max_json_bytes;           /* default 1 MiB */
    size_t max_large_bytes;          /* safetensors where a route takes large ones; default 64 MiB */
    size_t max_inflight_bytes;       /* bodies in memory over all requests; default 256 MiB -> 503 + Retry-After */
    unsigned first_request_ms, next_request_ms, body_ms, request_ms; /* deadlines: 10 s, 75 s, 30 s, 60 s; 0: default */
    bool access_log;
} zo_http_opts;

/* Bind and listen; requests are served once the loop runs. Errors are one line for a person. */
zo_status zo_http_open(uv_loop_t *loop, const zo_http_opts *o, zo_http **out, zo_error *err);
const char *zo_http_url(const zo_http *h);           /* "http://127.0.0.1:41234" */
/* Stop accepting; answer what is in flight (new requests on kept connections get 503 + Connection: close); calls drained on the
 * loop when no request is left or after deadline_ms. Long-polls are told to finish through `draining` of zo_http_is_draining. */
void zo_http_drain(zo_http *h, unsigned deadline_ms, void (*drained)(void *ctx), void *ctx);
bool zo_http_is_draining(const zo_http *h);
/* [loop] Append the counters and latencies of each route, and of requests without one, as Prometheus text. */
void zo_http_metrics_write(const zo_http *h, zo_json *raw_text);
void zo_http_close(zo_http *h);                      /* frees all; the loop's handles are closed and run once more by the caller */

#endif
