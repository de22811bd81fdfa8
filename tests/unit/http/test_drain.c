/* Coming up and going down: addresses, draining with and without requests in flight, closing under requests that others
 * have. */
#include "http_fx.h"

#define H "Host: x\r\n"
#define J "Content-Type: application/json\r\n"
#define LATER "POST /later HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}"

static void draining_waits_for_what_is_in_flight(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client held = fx_open(fx), kept = fx_open(fx), silent = fx_open(fx);
    struct fx_reply r;
    char value[256];

    (void)state;
    assert_int_equal(fx_status(&kept, FX_GET_OK), 200);
    fx_hold(fx, true);
    fx_say(held.fd, LATER);
    assert_true(fx_await(&fx->handled, 2));
    atomic_store(&fx->drain_ms, 60000);
    fx_command(fx, FX_DRAIN);
    usleep(200000);
    assert_int_equal(atomic_load(&fx->drained), 0);

    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)fx->port), .sin_addr = {htonl(INADDR_LOOPBACK)}};
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), -1); /* nobody listens */
    close(fd);

    fx_say(kept.fd, FX_GET_OK);
    fx_read(&kept, false, &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(fx_header(&r, "Connection", value), "close");
    assert_string_equal(fx_header(&r, "Retry-After", value), "1");
    fx_reply_free(&r);

    fx_hold(fx, false);
    fx_read(&held, false, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(r.body, "{}");
    assert_string_equal(fx_header(&r, "Connection", value), "close");
    fx_reply_free(&r);
    assert_true(fx_await(&fx->drained, 1));
    assert_int_equal(atomic_load(&fx->drained_active), 0);
    assert_int_equal(atomic_load(&fx->handled), 2); /* the late one reached no handler */
    fx_close(&held);
    fx_close(&kept);
    fx_close(&silent);
    fx_end(fx);
}

static void draining_ends_at_its_deadline(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client held = fx_open(fx);

    (void)state;
    fx_hold(fx, true);
    fx_say(held.fd, LATER);
    assert_true(fx_await(&fx->handled, 1));
    atomic_store(&fx->drain_ms, 100);
    fx_command(fx, FX_DRAIN);
    assert_true(fx_await(&fx->drained, 1));
    assert_int_equal(atomic_load(&fx->drained_active), 1);
    fx_stop_loop(fx);
    assert_int_equal(atomic_load(&fx->drained), 1);
    fx_stop_owner(fx);
    fx_free(fx);
    fx_close(&held);
}

static void an_idle_server_is_drained_at_once(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client c = fx_open(fx);

    (void)state;
    assert_int_equal(fx_status(&c, FX_GET_OK), 200);
    atomic_store(&fx->drain_ms, 60000);
    fx_command(fx, FX_DRAIN);
    assert_true(fx_await(&fx->drained, 1));
    usleep(50000);
    assert_int_equal(atomic_load(&fx->drained), 1);
    fx_close(&c);
    fx_end(fx);
}

static void requests_of_others_survive_the_close(void **state)
{
    enum { N = 40 };
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client c[N + 2];

    (void)state;
    fx_hold(fx, true);
    for (int i = 0; i < N; i++) {
        c[i] = fx_open(fx);
        fx_say(c[i].fd, LATER);
    }
    c[N] = fx_open(fx);
    fx_say(c[N].fd, "POST /echo HTTP/1.1\r\n" H J "Content-Length: 100000\r\n\r\n half a body");
    c[N + 1] = fx_open(fx);
    fx_say(c[N + 1].fd, "GET /big HTTP/1.1\r\n" H "\r\n"); /* its reply is stuck half way */
    assert_true(fx_await(&fx->handled, N + 1));
    fx_stop_loop(fx);
    fx_stop_owner(fx); /* reads bodies, replies and gives back what nobody waits for any more */
    for (int i = 0; i < N + 2; i++)
        fx_close(&c[i]);
    fx_free(fx);
}

static void a_close_in_the_middle_of_traffic_is_clean(void **state)
{
    (void)state;
    for (int round = 0; round < 20; round++) {
        struct fx *fx = fx_start((zo_http_opts){0});
        struct fx_client c[32];
        for (size_t i = 0; i < ZO_LEN(c); i++) {
            c[i] = fx_open(fx);
            for (int k = 0; k < 8; k++)
                fx_say(c[i].fd, LATER);
        }
        assert_true(fx_await(&fx->handled, 20 + 10 * round));
        fx_end(fx); /* while requests pass through every state */
        for (size_t i = 0; i < ZO_LEN(c); i++)
            fx_close(&c[i]);
    }
}

static void addresses_are_checked(void **state)
{
    static const char *const bad[] = {"",
                                      ":",
                                      ":80",
                                      "127.0.0.1",
                                      "127.0.0.1:",
                                      "127.0.0.1:x",
                                      "127.0.0.1:99999",
                                      "::1:80",
                                      "[::1]",
                                      "[]:80",
                                      "no.such.host.invalid:80",
                                      "127.0.0.1:-1",
                                      "203.0.113.7:0"};
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        const zo_http_opts o = {.listen = bad[i], .routes = fx_routes, .n_routes = ZO_LEN(fx_routes)};
        zo_http *h = NULL;
        zo_error err = {0};
        if (zo_http_open(&loop, &o, &h, &err) == ZO_OK)
            fail_msg("%s", bad[i]);
        assert_null(h);
        assert_null(strchr(err.message, '\n'));
        assert_true(strlen(err.message) > 10);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static void a_taken_address_is_an_error(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    char text[64];
    uv_loop_t loop;
    zo_http *h = NULL;
    zo_error err = {0};

    (void)state;
    uv_loop_init(&loop);
    snprintf(text, sizeof text, "127.0.0.1:%d", fx->port);
    const zo_http_opts o = {.listen = text, .routes = fx_routes, .n_routes = ZO_LEN(fx_routes)};
    assert_int_equal(zo_http_open(&loop, &o, &h, &err), ZO_ESTORE);
    assert_non_null(strstr(err.message, "in use"));
    uv_run(&loop, UV_RUN_DEFAULT);
    uv_loop_close(&loop);
    fx_end(fx);
}

static void names_and_ipv6_are_addresses(void **state)
{
    static const struct {
        const char *listen, *url;
    } good[] = {{"localhost:0", "http://"}, {"[::1]:0", "http://[::1]:"}, {"0.0.0.0:0", "http://0.0.0.0:"}};
    uv_loop_t loop;

    (void)state;
    uv_loop_init(&loop);
    for (size_t i = 0; i < ZO_LEN(good); i++) {
        const zo_http_opts o = {.listen = good[i].listen, .routes = fx_routes, .n_routes = ZO_LEN(fx_routes)};
        zo_http *h = NULL;
        zo_error err = {0};
        if (zo_http_open(&loop, &o, &h, &err) != ZO_OK) {
            assert_non_null(strstr(good[i].listen, "[::1]")); /* a machine without IPv6 */
            continue;
        }
        assert_int_equal(strncmp(zo_http_url(h), good[i].url, strlen(good[i].url)), 0);
        assert_true(atoi(strrchr(zo_http_url(h), ':') + 1) > 0);
        zo_http_close(h);
    }
    uv_run(&loop, UV_RUN_DEFAULT);
    assert_int_equal(uv_loop_close(&loop), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(draining_waits_for_what_is_in_flight),
        cmocka_unit_test(draining_ends_at_its_deadline),
        cmocka_unit_test(an_idle_server_is_drained_at_once),
        cmocka_unit_test(requests_of_others_survive_the_close),
        cmocka_unit_test(a_close_in_the_middle_of_traffic_is_clean),
        cmocka_unit_test(addresses_are_checked),
        cmocka_unit_test(a_taken_address_is_an_error),
        cmocka_unit_test(names_and_ipv6_are_addresses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
