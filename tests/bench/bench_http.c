/* The HTTP room alone, for the ratios of tests/bench/run: a constant GET, and a POST that parses a JSON body and answers JSON
 * on the loop thread. Prints its URL, serves until SIGTERM. */
#include <stdio.h>
#include <string.h>
#include <jansson.h>
#include "codec/jsonread.h"
#include "http/http.h"

static zo_status handle_constant(zo_req *req, zo_error *err)
{
    static const char text[] = "{\"status\":\"ok\"}";
    char *body = zo_malloc(sizeof text);
    if (body == NULL)
        return zo_fail_nomem(err);
    memcpy(body, text, sizeof text);
    zo_req_reply(req, 200, "application/json", body, sizeof text - 1);
    return ZO_OK;
}

static zo_status handle_json(zo_req *req, zo_error *err)
{
    size_t bytes;
    const char *body = zo_req_body(req, &bytes);
    json_error_t e;
    json_t *doc = json_loadb(body, bytes, JSON_REJECT_DUPLICATES, &e);
    if (doc == NULL)
        return zo_fail(err, ZO_EMALFORMED, "", "not JSON");
    char *text = json_dumps(doc, JSON_COMPACT);
    json_decref(doc);
    if (text == NULL)
        return zo_fail_nomem(err);
    zo_req_reply(req, 200, "application/json", text, strlen(text));
    return ZO_OK;
}

static const zo_route routes[] = {
    {ZO_GET, "/constant", ZO_SCOPE_PUBLIC, handle_constant, 0, 0},
    {ZO_POST, "/json", ZO_SCOPE_PUBLIC, handle_json, ZO_ROUTE_BODY_JSON, 0},
};

static void stop(uv_signal_t *signal, int number)
{
    (void)number;
    uv_stop(signal->loop);
}

int main(void)
{
    uv_loop_t *loop = uv_default_loop();
    zo_http *http;
    zo_error err = {0};
    const zo_http_opts opts = {.listen = "127.0.0.1:0", .routes = routes, .n_routes = ZO_LEN(routes)};
    uv_signal_t term;

    if (zo_http_open(loop, &opts, &http, &err) != ZO_OK) {
        fprintf(stderr, "bench_http: %s\n", err.message);
        return 1;
    }
    printf("listening on %s\n", zo_http_url(http));
    fflush(stdout);
    uv_signal_init(loop, &term);
    uv_signal_start(&term, stop, SIGTERM);
    uv_run(loop, UV_RUN_DEFAULT);
    return 0;
}
