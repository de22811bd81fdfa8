/* What remains of a request: one log line, the counters of its route. Never a body, a header or a query. */
#include "http/internal.h"

#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

/* Every status this server sends; the last entry stands for requests that ended without a reply. */
static const unsigned statuses[] = {200, 201, 202, 204, 304, 400, 401, 403, 404, 405, 406, 408, 409, 410, 411,
                                    412, 413, 414, 415, 422, 428, 429, 431, 500, 501, 503, 505, 507, 0};
_Static_assert(ZO_LEN(statuses) <= HTTP_STATUSES, "a counter for each status");

static const char *const method_names[] = {"GET", "POST", "PATCH", "DELETE", "PUT"};

static size_t status_index(unsigned status)
{
    size_t i = 0;

    while (i < ZO_LEN(statuses) - 1 && statuses[i] != status)
        i++;
    return i;
}

static void write_line(const zo_req *r, bool sent, int64_t us)
{
    char method[24], path[384];

    zo_log(ZO_INFO, "request", "id=%s method=%s path=%s route=%s status=%u in=%zu out=%zu ms=%.3f%s", r->id,
           zo_log_quote(method, sizeof method, r->method ? r->method : ""), zo_log_quote(path, sizeof path, r->path),
           r->route ? r->route->pattern : "-", r->status, r->body_bytes + r->dropped_bytes, r->reply_bytes,
           (double)us * 1e-3, sent ? "" : " aborted=true");
}

void http_record(zo_req *r, bool sent)
{
    struct http_route_metrics *m = &r->http->metrics[r->route_index];
    const int64_t us = (zo_clock_mono_ns() - r->start_ns) / 1000;

    m->count[status_index(r->status)]++;
    zo_observe(&m->us, us > 0 ? (uint64_t)us : 0);
    if (r->http->o.access_log)
        write_line(r, sent, us);
}

/* ---- Prometheus text ---- */

static void route_labels(const zo_http *h, size_t i, char *text, size_t size)
{
    if (i == h->o.n_routes)
        snprintf(text, size, "method=\"\",route=\"\"");
    else
        snprintf(text, size, "method=\"%s\",route=\"%s\"", method_names[__builtin_ctz((unsigned)h->o.routes[i].method)],
                 h->o.routes[i].pattern);
}

static void write_counts(const zo_http *h, zo_json *w)
{
    char route[192], labels[224];

    zo_json_textf(w, "# HELP zeroth_http_requests_total Requests by route and status; status 0 ended without a reply.\n"
                     "# TYPE zeroth_http_requests_total counter\n");
    for (size_t i = 0; i <= h->o.n_routes; i++) {
        route_labels(h, i, route, sizeof route);
        for (size_t k = 0; k < ZO_LEN(statuses); k++) {
            if (h->metrics[i].count[k] == 0)
                continue;
            snprintf(labels, sizeof labels, "%s,status=\"%u\"", route, statuses[k]);
            zo_metrics_line(w, "zeroth_http_requests_total", labels, (double)h->metrics[i].count[k]);
        }
    }
}

static void write_latency(const zo_histogram *us, const char *route, zo_json *w)
{
    char labels[224];
    uint64_t total = 0;

    for (size_t k = 0; k < ZO_HISTOGRAM_BUCKETS; k++) {
        total += atomic_load_explicit(&us->bucket[k], memory_order_relaxed);
        if (k + 1 < ZO_HISTOGRAM_BUCKETS)
            snprintf(labels, sizeof labels, "%s,le=\"%.9g\"", route, (double)(UINT64_C(1) << k) * 1e-6);
        else
            snprintf(labels, sizeof labels, "%s,le=\"+Inf\"", route);
        zo_metrics_line(w, "zeroth_http_request_seconds_bucket", labels, (double)total);
    }
    zo_metrics_line(w, "zeroth_http_request_seconds_sum", route,
                    (double)atomic_load_explicit(&us->sum, memory_order_relaxed) * 1e-6);
    zo_metrics_line(w, "zeroth_http_request_seconds_count", route, (double)total);
}

void zo_http_metrics_write(const zo_http *h, zo_json *w)
{
    char route[192];

    write_counts(h, w);
    zo_json_textf(w, "# HELP zeroth_http_request_seconds Time from the request line to the end of the reply.\n"
                     "# TYPE zeroth_http_request_seconds histogram\n");
    for (size_t i = 0; i <= h->o.n_routes; i++) {
        uint64_t n = 0;
        for (size_t k = 0; k < ZO_LEN(statuses); k++)
            n += h->metrics[i].count[k];
        route_labels(h, i, route, sizeof route);
        if (n > 0)
            write_latency(&h->metrics[i].us, route, w);
    }
}
