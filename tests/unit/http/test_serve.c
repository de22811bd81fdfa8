/* What clients rely on beside the verdicts of single requests: keep-alive, pipelines, delivery in any pieces, many connections, replies from
 * another thread, long-polls whose client leaves, problems and headers. */
#include "http_fx.h"

#include <sys/resource.h>

#define H "Host: x\r\n"
#define J "Content-Type: application/json\r\n"
#define LATER "POST /later HTTP/1.1\r\n" H J "Content-Length: 13\r\n\r\n{\"hello\": 42}"

static struct fx *fx;

static int start(void **state)
{
    (void)state;
    fx = fx_start((zo_http_opts){0});
    return 0;
}

static int finish(void **state)
{
    (void)state;
    fx_end(fx);
    return 0;
}

static void expect(struct fx_client *c, const char *request, int status, const char *body)
{
    struct fx_reply r;

    fx_say(c->fd, request);
    fx_read(c, strncmp(request, "HEAD", 4) == 0, &r);
    assert_int_equal(r.status, status);
    assert_true(r.complete);
    if (body)
        assert_string_equal(r.body, body);
    fx_reply_free(&r);
}

static void replies_carry_the_promised_headers(void **state)
{
    struct fx_client c = fx_open(fx);
    char value[256], first[256];
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, FX_GET_OK "GET /none HTTP/1.1\r\n" H "\r\n");
    for (int i = 0; i < 2; i++) {
        fx_read(&c, false, &r);
        assert_string_equal(fx_header(&r, "Cache-Control", value), "no-store");
        assert_string_equal(fx_header(&r, "X-Content-Type-Options", value), "nosniff");
        assert_non_null(fx_header(&r, "Content-Security-Policy", value));
        assert_non_null(fx_header(&r, "Date", value));
        assert_null(fx_header(&r, "Server", value));
        assert_int_equal(strspn(fx_header(&r, "X-Request-Id", value), "0123456789abcdef"), 16);
        assert_int_equal(strlen(value), 16);
        if (i == 0)
            strcpy(first, value);
        else
            assert_string_not_equal(first, value);
        fx_reply_free(&r);
    }
    fx_close(&c);
}

static void a_handlers_header_replaces_the_default_and_its_own(void **state)
{
    struct fx_client c = fx_open(fx);
    char value[256];
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "GET /headers HTTP/1.1\r\n" H "Accept: a/b\r\nIdempotency-Key: k1\r\naccept: c/d\r\nIf-None-Match: \"1\"\r\nIF-NONE-MATCH: \"2\"\r\n\r\n");
    fx_read(&c, false, &r);
    assert_string_equal(r.body, "a/b, c/d|k1|\"1\", \"2\"");
    assert_string_equal(fx_header(&r, "Cache-Control", value), "max-age=5");
    assert_string_equal(fx_header(&r, "ETag", value), "\"2\"");
    assert_null(strstr(r.head, "\"1\""));
    assert_null(strstr(r.head, "no-store"));
    fx_reply_free(&r);
    fx_close(&c);
}

static const struct { const char *slug; int status; const char *retry_after; } codes[] = {
    {"malformed", 400, NULL}, {"invalid", 422, NULL}, {"unsupported", 422, NULL}, {"not-found", 404, NULL}, {"conflict", 409, NULL}, {"gone", 410, NULL},
    {"precondition", 412, NULL}, {"too-large", 413, NULL}, {"limit", 429, "1"}, {"busy", 503, "1"}, {"full", 507, "5"}, {"store", 503, "5"},
    {"numeric", 422, NULL}, {"memory", 503, "1"}, {"canceled", 503, "1"}, {"internal", 500, NULL},
};

static void failures_become_problem_documents(void **state)
{
    struct fx_client c = fx_open(fx);
    char request[128], value[256], want[512];
    struct fx_reply r;

    (void)state;
    assert_int_equal(ZO_LEN(codes), ZO_STATUS_COUNT - 1);
    for (size_t i = 0; i < ZO_LEN(codes); i++) {
        snprintf(request, sizeof request, "GET /fail/%s HTTP/1.1\r\n" H "\r\n", codes[i].slug);
        fx_say(c.fd, request);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, codes[i].status);
        assert_string_equal(fx_header(&r, "Content-Type", value), "application/problem+json");
        const char *retry = fx_header(&r, "Retry-After", value);
        assert_int_equal(retry != NULL, codes[i].retry_after != NULL);
        if (retry)
            assert_string_equal(retry, codes[i].retry_after);
        snprintf(want, sizeof want, "\"status\":%d,\"detail\":\"quote \\\" and \\\\\",\"pointer\":\"/a~1b/0\",\"request_id\":\"", codes[i].status);
        if (!strstr(r.body, want))
            fail_msg("no %s in %s", want, r.body);
        snprintf(want, sizeof want, "{\"type\":\"/errors/%s\",\"title\":\"", codes[i].slug);
        assert_int_equal(strncmp(r.body, want, strlen(want)), 0);
        fx_reply_free(&r);
    }
    expect(&c, "GET /fail/nothing HTTP/1.1\r\n" H "\r\n", 500, NULL); /* a handler that forgets to answer */
    fx_close(&c);
}

static void options_and_405_list_the_methods(void **state)
{
    static const struct { const char *request; int status; const char *allow; } cases[] = {
        {"OPTIONS /v1/items/a HTTP/1.1\r\n" H "\r\n", 204, "GET, HEAD, DELETE, OPTIONS"},
        {"PUT /v1/items/a HTTP/1.1\r\n" H "\r\n", 405, "GET, HEAD, DELETE, OPTIONS"},
        {"GET /echo HTTP/1.1\r\n" H "\r\n", 405, "POST, OPTIONS"},
        {"OPTIONS * HTTP/1.1\r\n" H "\r\n", 204, "GET, HEAD, POST, DELETE, OPTIONS"},
    };
    struct fx_client c = fx_open(fx);
    char value[256];
    struct fx_reply r;

    (void)state;
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        fx_say(c.fd, cases[i].request);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, cases[i].status);
        assert_string_equal(fx_header(&r, "Allow", value), cases[i].allow);
        fx_reply_free(&r);
    }
    fx_close(&c);
}

static void head_is_get_without_its_body(void **state)
{
    struct fx_client c = fx_open(fx);
    char value[256];
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "HEAD /v1/items/abcdef HTTP/1.1\r\n" H "\r\n");
    fx_read(&c, true, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_header(&r, "Content-Length", value), "6");
    fx_reply_free(&r);
    expect(&c, "GET /v1/items/next HTTP/1.1\r\n" H "\r\n", 200, "next");
    fx_close(&c);
}

static void replies_without_a_body_have_none(void **state)
{
    static const struct { const char *request; int status; } cases[] = {{"GET /same HTTP/1.1\r\n" H "\r\n", 304}, {"DELETE /v1/items/a HTTP/1.1\r\n" H "\r\n", 204}};
    struct fx_client c = fx_open(fx);
    struct fx_reply r;
    char value[256];

    (void)state;
    for (size_t i = 0; i < ZO_LEN(cases); i++) {
        fx_say(c.fd, cases[i].request);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, cases[i].status);
        assert_int_equal(r.bytes, 0);
        assert_null(fx_header(&r, "Content-Type", value));
        assert_null(fx_header(&r, "Transfer-Encoding", value));
        fx_reply_free(&r);
        expect(&c, FX_GET_OK, 200, "ok");
    }
    fx_close(&c);
}

static void a_pipeline_is_answered_in_order(void **state)
{
    enum { N = 60 };
    struct fx_client c = fx_open(fx);
    char text[N * 160] = "", want[32];

    (void)state;
    for (int i = 0; i < N; i++) /* replies at once and from the owner by turns */
        if (i % 2 == 0)
            sprintf(text + strlen(text), "GET /v1/items/n%d HTTP/1.1\r\n" H "\r\n", i);
        else
            sprintf(text + strlen(text), "POST /later HTTP/1.1\r\n" H J "Content-Length: 3\r\n\r\n%3d", i);
    fx_say(c.fd, text);
    for (int i = 0; i < N; i++) {
        struct fx_reply r;
        snprintf(want, sizeof want, i % 2 == 0 ? "n%d" : "%3d", i);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, 200);
        assert_string_equal(r.body, want);
        fx_reply_free(&r);
    }
    fx_close(&c);
}

static void a_request_split_anywhere_is_the_same(void **state)
{
    static const char text[] = LATER FX_GET_OK;
    const size_t n = sizeof text - 1;
    struct fx_client c = fx_open(fx);

    (void)state;
    for (size_t split = 1; split < n; split++) {
        fx_send(c.fd, text, split);
        usleep(1000);
        fx_send(c.fd, text + split, n - split);
        expect(&c, "", 200, "{\"hello\": 42}");
        expect(&c, "", 200, "ok");
    }
    fx_close(&c);
}

static void a_half_close_after_the_request_is_answered(void **state)
{
    static const char *const requests[] = {FX_GET_OK, LATER};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(requests); i++) {
        struct fx_client c = fx_open(fx);
        struct fx_reply r;
        fx_say(c.fd, requests[i]);
        shutdown(c.fd, SHUT_WR);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, 200);
        fx_reply_free(&r);
        fx_read(&c, false, &r);
        assert_int_equal(r.status, 0); /* closed soon after, not at the idle deadline */
        fx_close(&c);
    }
}

static void big_replies_arrive_whole(void **state)
{
    struct fx_client c = fx_open(fx);
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "GET /big HTTP/1.1\r\n" H "\r\n" FX_GET_OK);
    fx_read(&c, false, &r);
    assert_int_equal(r.bytes, 4 << 20);
    assert_int_equal(strspn(r.body, "x"), 4 << 20);
    fx_reply_free(&r);
    expect(&c, "", 200, "ok");
    fx_close(&c);
}

/* Bodies of every size around the steps in which buffers grow, with a length and chunked. */
static void bodies_of_every_size_come_back(void **state)
{
    static const size_t sizes[] = {1, 2, 63, 4094, 4095, 4096, 4097, 65535, 65536, 65537, 131072, 131073, 300000, 1 << 20};
    struct fx_client c = fx_open(fx);

    (void)state;
    for (size_t i = 0; i < ZO_LEN(sizes); i++)
        for (int chunked = 0; chunked < 2; chunked++) {
            char head[160], size[32];
            struct fx_reply r;
            char *body = malloc(sizes[i]);
            assert_non_null(body);
            for (size_t k = 0; k < sizes[i]; k++)
                body[k] = (char)('a' + (k * 7 + i) % 26);
            snprintf(head, sizeof head, "POST /%s HTTP/1.1\r\n" H J, i % 2 ? "echo" : "later");
            fx_say(c.fd, head);
            if (!chunked) {
                snprintf(head, sizeof head, "Content-Length: %zu\r\n\r\n", sizes[i]);
                fx_say(c.fd, head);
                fx_send(c.fd, body, sizes[i]);
            } else {
                fx_say(c.fd, "Transfer-Encoding: chunked\r\n\r\n");
                for (size_t at = 0, step = 1; at < sizes[i]; at += step, step = step * 3 + 1) {
                    step = step < sizes[i] - at ? step : sizes[i] - at;
                    snprintf(size, sizeof size, "%zx\r\n", step);
                    fx_say(c.fd, size);
                    fx_send(c.fd, body + at, step);
                    fx_say(c.fd, "\r\n");
                }
                fx_say(c.fd, "0\r\n\r\n");
            }
            fx_read(&c, false, &r);
            assert_int_equal(r.status, 200);
            assert_int_equal(r.bytes, sizes[i]);
            assert_memory_equal(r.body, body, sizes[i]);
            fx_reply_free(&r);
            free(body);
        }
    fx_close(&c);
}

static void many_connections(size_t n, const char *request)
{
    struct fx_client *c = calloc(n, sizeof *c);

    assert_non_null(c);
    for (size_t i = 0; i < n; i++)
        c[i] = fx_open(fx);
    for (int round = 0; round < 3; round++) {
        for (size_t i = 0; i < n; i++)
            fx_say(c[i].fd, request);
        for (size_t i = 0; i < n; i++)
            expect(&c[i], "", 200, NULL);
    }
    for (size_t i = 0; i < n; i++)
        fx_close(&c[i]);
    free(c);
}

static void a_thousand_connections_live_on(void **state)
{
    struct rlimit files;

    (void)state;
    getrlimit(RLIMIT_NOFILE, &files);
    files.rlim_cur = files.rlim_max;
    setrlimit(RLIMIT_NOFILE, &files);
    if (files.rlim_cur < 2200)
        skip();
    many_connections(1000, FX_GET_OK);
    many_connections(1000, LATER);
}

/* One epoll_wait of the library returns at most 128 events; its own thread hangs when it returns exactly that many. */
static void exactly_128_connections_are_served(void **state)
{
    (void)state;
    for (size_t n = 127; n <= 129; n++)
        many_connections(n, FX_GET_OK);
    many_connections(256, LATER);
}

static void a_batch_given_back_at_once_is_answered(void **state)
{
    enum { N = 200 };
    struct fx_client c[N];

    (void)state;
    fx_hold(fx, true);
    const int before = atomic_load(&fx->handled);
    for (int i = 0; i < N; i++) {
        c[i] = fx_open(fx);
        fx_say(c[i].fd, LATER);
    }
    assert_true(fx_await(&fx->handled, before + N));
    struct fx_client probe = fx_open(fx);
    expect(&probe, FX_GET_OK, 200, "ok"); /* the loop is free meanwhile */
    fx_close(&probe);
    fx_hold(fx, false);
    for (int i = 0; i < N; i++) {
        expect(&c[i], "", 200, "{\"hello\": 42}");
        fx_close(&c[i]);
    }
}

static void a_clients_leaving_ends_its_long_poll(void **state)
{
    enum { N = 20 };
    struct fx_client c[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        c[i] = fx_open(fx);
        fx_say(c[i].fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    }
    assert_true(fx_await(&fx->handled, N));
    assert_int_equal(atomic_load(&fx->gone), 0);
    for (int i = 0; i < N / 2; i++)
        fx_close(&c[i]);
    assert_true(fx_await(&fx->gone, N / 2));
    fx_command(fx, FX_WAKE);
    for (int i = N / 2; i < N; i++) {
        expect(&c[i], "", 200, "woken");
        expect(&c[i], FX_GET_OK, 200, "ok"); /* the socket was given back whole */
        fx_close(&c[i]);
    }
    assert_int_equal(atomic_load(&fx->gone), N / 2);
}

static void a_client_that_leaves_before_its_reply_does_no_harm(void **state)
{
    (void)state;
    fx_hold(fx, true);
    const int before = atomic_load(&fx->handled);
    for (int i = 0; i < 50; i++) {
        struct fx_client c = fx_open(fx);
        fx_say(c.fd, LATER);
        assert_true(fx_await(&fx->handled, before + i + 1));
        const struct linger reset = {.l_onoff = 1};
        if (i % 2)
            setsockopt(c.fd, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
        fx_close(&c);
    }
    fx_hold(fx, false);
    struct fx_client c = fx_open(fx);
    expect(&c, LATER, 200, "{\"hello\": 42}");
    fx_close(&c);
}

/* The metrics page is a handler's: it runs on the loop. */
static void the_counters_tell_requests_by_route_and_status(void **state)
{
    static const char *const lines[] = {
        "zeroth_http_requests_total{method=\"GET\",route=\"/v1/items/{item}\",status=\"200\"} 3\n",
        "zeroth_http_requests_total{method=\"GET\",route=\"/fail/{slug}\",status=\"410\"} 1\n",
        "zeroth_http_requests_total{method=\"\",route=\"\",status=\"404\"} 1\n",
        "zeroth_http_request_seconds_count{method=\"GET\",route=\"/v1/items/{item}\"} 3\n",
        "zeroth_http_request_seconds_bucket{method=\"GET\",route=\"/v1/items/{item}\",le=\"+Inf\"} 3\n",
    };
    struct fx_client c = fx_open(fx);
    struct fx_reply r;

    (void)state;
    for (int i = 0; i < 3; i++)
        expect(&c, "GET /v1/items/a HTTP/1.1\r\n" H "\r\n", 200, "a");
    expect(&c, "GET /none HTTP/1.1\r\n" H "\r\n", 404, NULL);
    expect(&c, "GET /fail/gone HTTP/1.1\r\n" H "\r\n", 410, NULL);
    fx_say(c.fd, "GET /metrics HTTP/1.1\r\n" H "\r\n");
    fx_read(&c, false, &r);
    for (size_t i = 0; i < ZO_LEN(lines); i++)
        if (!strstr(r.body, lines[i]))
            fail_msg("no %s in\n%s", lines[i], r.body);
    fx_reply_free(&r);
    fx_close(&c);
}

/* One line a request, on stderr, with nothing a client wrote beyond method and path, and those escaped. */
static void the_access_log_has_one_line_a_request(void **state)
{
    char text[4096] = "";
    int ends[2], n_lines = 0;
    const int saved = dup(STDERR_FILENO);

    (void)state;
    assert_int_equal(pipe(ends), 0);
    dup2(ends[1], STDERR_FILENO);
    struct fx *logged = fx_start((zo_http_opts){.access_log = true});
    zo_log_set_level(ZO_INFO);
    struct fx_client c = fx_open(logged);
    expect(&c, "GET /query?a=secret HTTP/1.1\r\n" H "Authorization: Bearer secret\r\n\r\n", 200, NULL);
    expect(&c, "POST /later HTTP/1.1\r\n" H J "Content-Length: 8\r\n\r\n\"secret\"", 200, NULL);
    expect(&c, "GET /a\"status=200 HTTP/1.1\r\n" H "\r\n", 404, NULL);
    fx_close(&c);
    fx_end(logged);
    zo_log_set_level(ZO_ERROR);
    dup2(saved, STDERR_FILENO);
    close(saved);
    close(ends[1]);
    assert_true(read(ends[0], text, sizeof text - 1) > 0);
    close(ends[0]);
    for (const char *p = text; (p = strchr(p, '\n')); p++)
        n_lines++;
    assert_int_equal(n_lines, 3);
    assert_null(strstr(text, "secret"));
    assert_non_null(strstr(text, " method=\"GET\" path=\"/query\" route=/query status=200 in=0 out="));
    assert_non_null(strstr(text, " method=\"POST\" path=\"/later\" route=/later status=200 in=8 out=8 ms="));
    assert_non_null(strstr(text, " path=\"/a\\\"status=200\" route=- status=404 "));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, finish)
    const struct CMUnitTest tests[] = {
        T(replies_carry_the_promised_headers),
        T(a_handlers_header_replaces_the_default_and_its_own),
        T(failures_become_problem_documents),
        T(options_and_405_list_the_methods),
        T(head_is_get_without_its_body),
        T(replies_without_a_body_have_none),
        T(a_pipeline_is_answered_in_order),
        T(a_request_split_anywhere_is_the_same),
        T(a_half_close_after_the_request_is_answered),
        T(big_replies_arrive_whole),
        T(bodies_of_every_size_come_back),
        T(a_thousand_connections_live_on),
        T(exactly_128_connections_are_served),
        T(a_batch_given_back_at_once_is_answered),
        T(a_clients_leaving_ends_its_long_poll),
        T(a_client_that_leaves_before_its_reply_does_no_harm),
        T(the_counters_tell_requests_by_route_and_status),
        T(the_access_log_has_one_line_a_request),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
