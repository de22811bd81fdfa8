/* Deadlines and bounds: who does not send whole requests in time is cut, who does is not; memory and connections stay
 * within their caps. */
#include "http_fx.h"

#define H "Host: x\r\n"
#define J "Content-Type: application/json\r\n"

/* Milliseconds; a busy machine may add, so what must not be cut stays far below. */
static const zo_http_opts quick = {.first_request_ms = 300, .next_request_ms = 500, .body_ms = 300, .request_ms = 1200};

/* The status that ends the connection (0: silently) and when. */
static int end_of(struct fx_client *c, int64_t since, int64_t *ms_out)
{
    struct fx_reply r;
    int status;

    fx_read(c, false, &r);
    status = r.status;
    fx_reply_free(&r);
    if (status > 0) {
        fx_read(c, false, &r);
        assert_int_equal(r.status, 0);
        fx_reply_free(&r);
    }
    *ms_out = zo_clock_mono_ms() - since;
    return status;
}

static void assert_between(int64_t ms, int64_t low, int64_t high)
{
    if (ms < low || ms > high)
        fail_msg("after %lld ms, not within %lld..%lld", (long long)ms, (long long)low, (long long)high);
}

/* Drip bytes until the peer ends or n are sent. */
static void drip(struct fx_client *c, size_t bytes, useconds_t every_us, size_t n)
{
    char piece[8192];

    memset(piece, 'x', sizeof piece);
    for (size_t sent = 0; sent < n; sent += bytes) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 0) > 0 || !fx_send(c->fd, piece, bytes < n - sent ? bytes : n - sent))
            return;
        usleep(every_us);
    }
}

static void a_silent_connection_is_closed(void **state)
{
    struct fx *fx = fx_start(quick);
    const int64_t since = zo_clock_mono_ms();
    struct fx_client c = fx_open(fx);
    int64_t ms;

    (void)state;
    assert_int_equal(end_of(&c, since, &ms), 0);
    assert_between(ms, 290, 2000);
    fx_close(&c);
    fx_end(fx);
}

static void dripping_headers_is_answered_408(void **state)
{
    struct fx *fx = fx_start(quick);
    const int64_t since = zo_clock_mono_ms();
    struct fx_client c = fx_open(fx);
    struct fx_reply r;
    char value[256];
    int64_t ms;

    (void)state;
    fx_say(c.fd, "GET /ok HTTP/1.1\r\n" H "X: ");
    drip(&c, 1, 20000, 1000);
    fx_read(&c, false, &r);
    assert_int_equal(r.status, 408);
    assert_true(r.complete);
    assert_string_equal(fx_header(&r, "Content-Type", value), "application/problem+json");
    assert_non_null(strstr(r.body, "/errors/timeout"));
    fx_reply_free(&r);
    assert_int_equal(end_of(&c, since, &ms), 0);
    assert_between(ms, 290, 2000);
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_close(&c);
    fx_end(fx);
}

static void dripping_a_body_is_answered_408(void **state)
{
    struct fx *fx = fx_start(quick);
    struct fx_client c = fx_open(fx);
    const int64_t since = zo_clock_mono_ms();
    int64_t ms;

    (void)state;
    fx_say(c.fd, "POST /echo HTTP/1.1\r\n" H J "Content-Length: 1000\r\n\r\n");
    drip(&c, 1, 20000, 1000);
    assert_int_equal(end_of(&c, since, &ms), 408);
    assert_between(ms, 290, 2000);
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_close(&c);
    fx_end(fx);
}

static void a_steady_body_may_take_longer(void **state)
{
    enum { BYTES = 200000 };
    struct fx *fx =
        fx_start((zo_http_opts){.first_request_ms = 300, .next_request_ms = 500, .body_ms = 100, .request_ms = 60000});
    struct fx_client c = fx_open(fx);
    const int64_t since = zo_clock_mono_ms();
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "POST /echo HTTP/1.1\r\n" H J "Content-Length: 200000\r\n\r\n");
    drip(&c, 4000, 10000, BYTES);
    fx_read(&c, false, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.bytes, BYTES);
    assert_true(zo_clock_mono_ms() - since > 300); /* three times body_ms */
    fx_reply_free(&r);
    fx_close(&c);
    fx_end(fx);
}

static void a_whole_request_has_its_own_deadline(void **state)
{
    struct fx *fx = fx_start(quick);
    struct fx_client c = fx_open(fx);
    const int64_t since = zo_clock_mono_ms();
    int64_t ms;

    (void)state;
    fx_say(c.fd, "POST /echo HTTP/1.1\r\n" H J "Content-Length: 1048576\r\n\r\n");
    drip(&c, 2000, 10000, 1 << 20); /* 200 KB/s: fast enough for a body's rate, too slow for 1 MiB */
    assert_int_equal(end_of(&c, since, &ms), 408);
    assert_between(ms, 1190, 4000);
    fx_close(&c);
    fx_end(fx);
}

static void an_idle_connection_is_closed_silently(void **state)
{
    struct fx *fx = fx_start(quick);
    struct fx_client c = fx_open(fx);
    int64_t ms;

    (void)state;
    for (int i = 0; i < 4; i++) { /* past first_request_ms: each reply gives new time */
        assert_int_equal(fx_status(&c, FX_GET_OK), 200);
        usleep(150000);
    }
    assert_int_equal(fx_status(&c, FX_GET_OK), 200);
    const int64_t since = zo_clock_mono_ms();
    assert_int_equal(end_of(&c, since, &ms), 0);
    assert_between(ms, 480, 2000);
    fx_close(&c);
    fx_end(fx);
}

static void a_waiting_request_has_no_deadline(void **state)
{
    struct fx *fx = fx_start(quick);
    struct fx_client c = fx_open(fx);
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "GET /wait HTTP/1.1\r\n" H "\r\n");
    usleep(1800000);
    fx_command(fx, FX_WAKE);
    fx_read(&c, false, &r);
    assert_int_equal(r.status, 200);
    fx_reply_free(&r);
    assert_int_equal(atomic_load(&fx->gone), 0);
    fx_close(&c);
    fx_end(fx);
}

static void a_reader_that_stalls_is_cut(void **state)
{
    struct fx *fx = fx_start(quick);
    struct fx_client c = fx_open(fx);
    struct fx_reply r;

    (void)state;
    fx_say(c.fd, "GET /big HTTP/1.1\r\n" H "\r\n"
                 "GET /big HTTP/1.1\r\n" H "\r\n"
                 "GET /big HTTP/1.1\r\n" H "\r\n");
    usleep(2500000);
    bool cut = false;
    for (int i = 0; i < 3 && !cut; i++) {
        fx_read(&c, false, &r);
        cut = r.status <= 0 || !r.complete;
        fx_reply_free(&r);
    }
    assert_true(cut);
    fx_close(&c);
    fx_end(fx);
}

static void silent_connections_give_way_above_80_percent(void **state)
{
    enum { CAP = 20, ATTACK = 60 };
    struct fx *fx = fx_start((zo_http_opts){.max_connections = CAP});
    struct fx_client kept[4], attack[ATTACK], probe;

    (void)state;
    for (size_t i = 0; i < ZO_LEN(kept); i++) {
        kept[i] = fx_open(fx);
        assert_int_equal(fx_status(&kept[i], FX_GET_OK), 200);
    }
    for (int i = 0; i < ATTACK; i++) {
        attack[i] = fx_open(fx);
        fx_say(attack[i].fd, "GET /ok HTTP/1.1\r\n");
    }
    probe = fx_open(fx);
    assert_int_equal(fx_status(&probe, FX_GET_OK), 200); /* long before any deadline */
    for (size_t i = 0; i < ZO_LEN(kept); i++)
        assert_int_equal(fx_status(&kept[i], FX_GET_OK), 200); /* who has completed a request stays */
    int64_t ms;
    end_of(&attack[0], zo_clock_mono_ms(), &ms); /* the oldest went first */
    assert_true(ms < 2000);
    for (int i = 0; i < ATTACK; i++)
        fx_close(&attack[i]);
    for (size_t i = 0; i < ZO_LEN(kept); i++)
        fx_close(&kept[i]);
    fx_close(&probe);
    fx_end(fx);
}

static void bodies_in_memory_are_bounded(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){.max_inflight_bytes = 100000});
    struct fx_client a = fx_open(fx), b = fx_open(fx);
    struct fx_reply r;
    char value[256], body[60001];

    (void)state;
    memset(body, 'x', 60000);
    body[60000] = '\0';
    const char *head = "POST /echo HTTP/1.1\r\n" H J "Content-Length: 60000\r\n\r\n";
    fx_say(a.fd, head);
    fx_send(a.fd, body, 30000);
    usleep(100000);
    fx_say(b.fd, head);
    fx_say(b.fd, body);
    fx_read(&b, false, &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(fx_header(&r, "Retry-After", value), "1");
    fx_reply_free(&r);
    fx_send(a.fd, body, 30000);
    fx_read(&a, false, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.bytes, 60000);
    fx_reply_free(&r);
    for (int i = 0; i < 5; i++) { /* given back each time */
        fx_say(b.fd, head);
        fx_say(b.fd, body);
        fx_read(&b, false, &r);
        assert_int_equal(r.status, 200);
        fx_reply_free(&r);
    }
    fx_close(&a);
    fx_close(&b);
    fx_end(fx);
}

static void a_body_without_end_is_cut(void **state)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client c = fx_open(fx);
    char chunk[4106];
    size_t sent = 0;

    (void)state;
    memset(chunk, 'x', sizeof chunk);
    memcpy(chunk, "1000\r\n", 6);
    memcpy(chunk + 4102, "\r\n", 2);
    fx_say(c.fd, "POST /lines HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n");
    while (sent < (64 << 20) && fx_send(c.fd, chunk, 4104))
        sent += 4096;
    assert_true(sent < (16 << 20)); /* 1 MiB and what the sockets hold */
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_close(&c);
    fx_end(fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_silent_connection_is_closed),
        cmocka_unit_test(dripping_headers_is_answered_408),
        cmocka_unit_test(dripping_a_body_is_answered_408),
        cmocka_unit_test(a_steady_body_may_take_longer),
        cmocka_unit_test(a_whole_request_has_its_own_deadline),
        cmocka_unit_test(an_idle_connection_is_closed_silently),
        cmocka_unit_test(a_waiting_request_has_no_deadline),
        cmocka_unit_test(a_reader_that_stalls_is_cut),
        cmocka_unit_test(silent_connections_give_way_above_80_percent),
        cmocka_unit_test(bodies_in_memory_are_bounded),
        cmocka_unit_test(a_body_without_end_is_cut),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
