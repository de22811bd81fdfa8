/* Streams: chunks made by another thread arrive in order and whole, or visibly broken; each stream is closed once. */
#include "http_fx.h"

#define H "Host: x\r\n"

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
    if (fx)
        fx_end(fx);
    return 0;
}

static char *expected(int n)
{
    char *text = calloc(1, (size_t)n * 8 + 1), *p = text;
    assert_non_null(text);
    for (int i = 0; i < n; i++)
        p += sprintf(p, "%d,", i);
    return text;
}

static void read_stream(struct fx_client *c, const char *request, int n)
{
    struct fx_reply r;
    char *want = expected(n), value[256];

    fx_say(c->fd, request);
    fx_read(c, false, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_header(&r, "Content-Type", value), "application/x-ndjson");
    assert_true(r.complete);
    assert_string_equal(r.body, want);
    fx_reply_free(&r);
    free(want);
}

static void chunks_arrive_in_order(void **state)
{
    struct fx_client c = fx_open(fx);

    (void)state;
    read_stream(&c, "GET /stream/1 HTTP/1.1\r\n" H "\r\n", 1);
    read_stream(&c, "GET /stream/2 HTTP/1.1\r\n" H "\r\n", 2);
    read_stream(&c, "GET /stream/3000 HTTP/1.1\r\n" H "\r\n", 3000);
    read_stream(&c, "GET /stream/3000?sync=1 HTTP/1.1\r\n" H "\r\n", 3000);
    assert_int_equal(fx_status(&c, FX_GET_OK), 200);
    assert_true(fx_await(&fx->streams_closed, 4));
    fx_close(&c);
}

static void many_streams_at_once(void **state)
{
    enum { N = 30 };
    struct fx_client c[N];
    char *want = expected(200);

    (void)state;
    for (int i = 0; i < N; i++) {
        c[i] = fx_open(fx);
        fx_say(c[i].fd, "GET /stream/200 HTTP/1.1\r\n" H "\r\n");
    }
    for (int i = 0; i < N; i++) {
        struct fx_reply r;
        fx_read(&c[i], false, &r);
        assert_true(r.complete);
        assert_string_equal(r.body, want);
        fx_reply_free(&r);
        fx_close(&c[i]);
    }
    assert_true(fx_await(&fx->streams_closed, N));
    free(want);
}

static void a_head_has_no_body_and_asks_for_none(void **state)
{
    struct fx_client c = fx_open(fx);
    struct fx_reply r;
    char value[256];

    (void)state;
    fx_say(c.fd, "HEAD /stream/5 HTTP/1.1\r\n" H "\r\n");
    fx_read(&c, true, &r);
    assert_int_equal(r.status, 200);
    assert_string_equal(fx_header(&r, "Content-Type", value), "application/x-ndjson");
    fx_reply_free(&r);
    assert_int_equal(fx_status(&c, FX_GET_OK), 200); /* nothing in between */
    assert_int_equal(atomic_load(&fx->streams_closed), 1);
    fx_close(&c);
}

static void an_abort_shows_in_the_framing(void **state)
{
    static const char *const requests[] = {"GET /stream/9?abort=0 HTTP/1.1\r\n" H "\r\n",
                                           "GET /stream/9?abort=5 HTTP/1.1\r\n" H "\r\n",
                                           "GET /stream/9?abort=5&sync=1 HTTP/1.1\r\n" H "\r\n"};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(requests); i++) {
        struct fx_client c = fx_open(fx);
        struct fx_reply r;
        fx_say(c.fd, requests[i]);
        fx_read(&c, false, &r);
        assert_false(r.complete);
        assert_true(c.ended);
        if (i == 1)
            assert_string_equal(r.body, "0,1,2,3,4,");
        fx_reply_free(&r);
        fx_close(&c);
    }
    assert_true(fx_await(&fx->streams_closed, 3));
}

static void a_client_of_1_0_reads_to_the_end(void **state)
{
    struct fx_client c = fx_open(fx);
    char *want = expected(50);

    (void)state;
    fx_say(c.fd, "GET /stream/50 HTTP/1.0\r\n\r\n");
    while (fx_fill(&c, FX_REPLY_MS))
        ;
    assert_true(c.ended);
    c.buffer[c.n] = '\0';
    assert_string_equal(strstr(c.buffer, "\r\n\r\n") + 4, want);
    assert_null(strstr(c.buffer, "chunked"));
    free(want);
    fx_close(&c);
}

static void a_client_that_leaves_ends_its_stream(void **state)
{
    (void)state;
    for (int i = 0; i < 10; i++) {
        struct fx_client c = fx_open(fx);
        fx_say(c.fd, "GET /stream/100000000 HTTP/1.1\r\n" H "\r\n");
        assert_true(fx_fill(&c, FX_REPLY_MS));
        fx_close(&c);
    }
    assert_true(fx_await(&fx->streams_closed, 10));
}

static void closing_the_server_leaves_the_owed_push_to_its_owner(void **state)
{
    enum { N = 5 };
    struct fx_client c[N];

    (void)state;
    for (int i = 0; i < N; i++) {
        c[i] = fx_open(fx);
        fx_say(c[i].fd, "GET /stream/100000000 HTTP/1.1\r\n" H "\r\n");
        assert_true(fx_fill(&c[i], FX_REPLY_MS));
    }
    fx_hold(fx, true);
    usleep(50000); /* all are waiting now, or pushed to just before */
    fx_stop_loop(fx);
    assert_int_equal(atomic_load(&fx->streams_closed), N);
    fx_stop_owner(fx); /* pushes what it owes */
    for (int i = 0; i < N; i++)
        fx_close(&c[i]);
    fx_free(fx);
    fx = NULL;
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, start, finish)
    const struct CMUnitTest tests[] = {
        T(chunks_arrive_in_order),
        T(many_streams_at_once),
        T(a_head_has_no_body_and_asks_for_none),
        T(an_abort_shows_in_the_framing),
        T(a_client_of_1_0_reads_to_the_end),
        T(a_client_that_leaves_ends_its_stream),
        T(closing_the_server_leaves_the_owed_push_to_its_owner),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
