/* The service itself: index, health, readiness, metrics, and the API's document. All answered on the loop. */
#include <string.h>

#include "api/handlers.h"
#include "embedded.h"

/* True: the reply is the caller's to make. False: replied, or *rc is the failure. */
static bool begin(zo_req *req, const char *const *types, zo_status *rc, zo_error *err)
{
    *rc = ZO_OK;
    if (!api_accepts(req, types, NULL))
        return false;
    return (*rc = zo_req_query_check(req, NULL, 0, err)) == ZO_OK;
}

zo_status api_index(zo_req *req, zo_error *err)
{
    static const char *const links[][2] = {{"studies", "/v1/studies"},    {"solvers", "/v1/solvers"},
                                           {"document", "/openapi.yaml"}, {"health", "/healthz"},
                                           {"ready", "/readyz"},          {"metrics", "/metrics"}};
    zo_json w;
    zo_status rc;

    if (!begin(req, api_json_type, &rc, err))
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_string(&w, "name", "zeroth");
    zo_json_key_string(&w, "version", ZO_VERSION);
    for (size_t i = 0; i < ZO_LEN(links); i++)
        zo_json_key_string(&w, links[i][0], links[i][1]);
    zo_json_end_object(&w);
    zo_req_reply_json(req, 200, &w);
    return ZO_OK;
}

static void reply_status(zo_req *req, const char *status)
{
    zo_json w;

    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key_string(&w, "status", status);
    zo_json_end_object(&w);
    zo_req_reply_json(req, 200, &w);
}

zo_status api_health(zo_req *req, zo_error *err)
{
    zo_status rc;

    if (begin(req, api_json_type, &rc, err))
        reply_status(req, "ok");
    return rc;
}

zo_status api_ready(zo_req *req, zo_error *err)
{
    const zo_app *app = zo_req_app(req);
    zo_status rc;

    if (!begin(req, api_json_type, &rc, err))
        return rc;
    if (zo_http_is_draining(app->http))
        return zo_fail(err, ZO_EBUSY, "", "the daemon is shutting down");
    if (!zo_runtime_healthy(app->runtime))
        return zo_fail(err, ZO_EBUSY, "", "%s", zo_runtime_unhealthy_reason(app->runtime));
    reply_status(req, "ready");
    return ZO_OK;
}

static zo_status reply_text(zo_req *req, const char *type, zo_json *w, zo_error *err)
{
    size_t n;
    char *text = zo_json_take(w, &n);

    if (!text)
        return zo_fail_nomem(err);
    zo_req_reply(req, 200, type, text, n);
    return ZO_OK;
}

zo_status api_metrics(zo_req *req, zo_error *err)
{
    static const char *const types[] = {"text/plain", NULL};
    const zo_app *app = zo_req_app(req);
    zo_json w;
    zo_status rc;

    if (!begin(req, types, &rc, err))
        return rc;
    zo_json_init(&w);
    zo_metrics_write(&w);
    zo_http_metrics_write(app->http, &w);
    return reply_text(req, "text/plain; version=0.0.4; charset=utf-8", &w, err);
}

zo_status api_document(zo_req *req, zo_error *err)
{
    static const char *const types[] = {"application/yaml", "text/yaml", "text/plain", NULL};
    zo_json w;
    zo_status rc;

    if (!begin(req, types, &rc, err))
        return rc;
    zo_json_init(&w);
    zo_json_text(&w, zo_embedded_openapi[0].data, zo_embedded_openapi[0].bytes);
    return reply_text(req, "application/yaml", &w, err);
}
