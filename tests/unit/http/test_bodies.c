/* Bodies in memory: who may send how much, what a length that is given, or lies, costs, and when it is given back. The
 * gauge of bodies in memory is what the tests look at beside the replies. */
#include "http_fx.h"

#define H "Host: x\r\n"
#define ARRAYS "Content-Type: application/vnd.safetensors\r\n"
#define JSON "Content-Type: application/json\r\n"
#define MIB (1 << 20)

static int64_t inflight(void)
{
    return atomic_load(&zo_metric.inflight_bytes.n);
}

static bool inflight_becomes(int64_t bytes, int within_ms)
{
    for (int ms = 0; ms < within_ms && inflight() != bytes; ms += 5)
        usleep(5000);
    return inflight() == bytes;
}

static void begin(struct fx_client *c, const char *path, const char *type, uint64_t length)
{
    char head[256];

    snprintf(head, sizeof head, "POST %s HTTP/1.1\r\n" H "%sContent-Length: %llu\r\n\r\n", path, type,
             (unsigned long long)length);
    assert_true(fx_say(c->fd, head));
}

/* Text that differs everywhere, so that a piece out of place shows. */
static char *pattern(size_t n)
{
    uint32_t *words = malloc(n + 4);

    assert_non_null(words);
    for (size_t i = 0; i <= n / 4; i++)
        words[i] = (uint32_t)i * 2654435761u;
    return (char *)words;
}

static int status_of(struct fx_client *c)
{
    struct fx_reply r;

    fx_read(c, false, &r);
    const int status = r.status;
    fx_reply_free(&r);
    return status;
}

static void assert_echo(struct fx_client *c, const char *bytes, size_t n)
{
    struct fx_reply r;

    fx_read(c, false, &r);
    assert_int_equal(r.status, 200);
    assert_int_equal(r.bytes, n);
    assert_memory_equal(r.body, bytes, n);
    fx_reply_free(&r);
}

static void each_kind_of_body_has_its_own_limit(void **state)
{
    static const struct {
        const char *path, *type;
        size_t limit;
    } kinds[] = {
        {"/rows", ARRAYS, 9 * MIB + 5}, /* the daemon's bound for large ones */
        {"/rows", JSON, MIB},
        {"/arrays", ARRAYS, 8 * MIB},
        {"/echo", JSON, MIB},
    };
    struct fx *fx = fx_start((zo_http_opts){.max_large_bytes = 9 * MIB + 5});

    (void)state;
    for (size_t i = 0; i < ZO_LEN(kinds); i++) {
        char *body = pattern(kinds[i].limit);
        struct fx_client c = fx_open(fx);
        begin(&c, kinds[i].path, kinds[i].type, kinds[i].limit);
        assert_true(fx_send(c.fd, body, kinds[i].limit));
        assert_echo(&c, body, kinds[i].limit);
        begin(&c, kinds[i].path, kinds[i].type, kinds[i].limit + 1);
        assert_int_equal(status_of(&c), 413);
        fx_close(&c);
        free(body);
    }
    assert_true(inflight_becomes(0, 1000));
    fx_end(fx);
}

static void a_chunked_body_grows_to_any_size_within_its_limit(void **state)
{
    enum { PIECE = 70001, LIMIT = 12 * MIB };
    static const size_t sizes[] = {1, 65535, 65536, (1 << 18) - 1, 1 << 18, (1 << 18) + 1, 3 * MIB, 8 * MIB + 1, LIMIT};
    struct fx *fx = fx_start((zo_http_opts){.max_large_bytes = LIMIT});
    char *body = pattern(LIMIT + PIECE);
    struct fx_client c = fx_open(fx);

    (void)state;
    for (size_t i = 0; i < ZO_LEN(sizes); i++) {
        fx_say(c.fd, "POST /rows HTTP/1.1\r\n" H ARRAYS "Transfer-Encoding: chunked\r\n\r\n");
        for (size_t at = 0; at < sizes[i]; at += PIECE) {
            const size_t n = sizes[i] - at < PIECE ? sizes[i] - at : PIECE;
            char line[32];
            snprintf(line, sizeof line, "%zx\r\n", n);
            fx_say(c.fd, line);
            fx_send(c.fd, body + at, n);
            fx_say(c.fd, "\r\n");
        }
        fx_say(c.fd, "0\r\n\r\n");
        assert_echo(&c, body, sizes[i]);
    }
    fx_close(&c);
    free(body);
    assert_true(inflight_becomes(0, 1000));
    fx_end(fx);
}

/* One that is refused in the middle gives its memory back while the rest still comes. */
static void a_chunked_body_beyond_its_limit_is_given_back_at_once(void **state)
{
    enum { LIMIT = 10 * MIB };
    struct fx *fx = fx_start((zo_http_opts){.max_large_bytes = LIMIT});
    char *body = pattern(LIMIT + 1);
    struct fx_client c = fx_open(fx);
    char line[32];

    (void)state;
    fx_say(c.fd, "POST /rows HTTP/1.1\r\n" H ARRAYS "Transfer-Encoding: chunked\r\n\r\n");
    snprintf(line, sizeof line, "%x\r\n", LIMIT + 1);
    fx_say(c.fd, line);
    assert_true(fx_send(c.fd, body, LIMIT));
    assert_true(inflight_becomes(LIMIT + 1, 2000)); /* the whole limit, no doubling past it */
    fx_send(c.fd, body + LIMIT, 1);
    assert_true(inflight_becomes(0, 2000));
    fx_say(c.fd, "\r\n0\r\n\r\n");
    assert_int_equal(status_of(&c), 413);
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_close(&c);
    free(body);
    fx_end(fx);
}

static size_t resident_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    unsigned long all, resident;

    assert_non_null(f);
    assert_int_equal(fscanf(f, "%lu %lu", &all, &resident), 2);
    fclose(f);
    return resident * (size_t)sysconf(_SC_PAGESIZE);
}

/* A length is room in the books from the first byte; it is memory only as bytes come, and neither once they don't. */
static void a_length_that_promises_too_much_costs_what_was_sent(void **state)
{
    enum { PROMISED = 60 * MIB, N = 3 };
    struct fx *fx = fx_start((zo_http_opts){0});
    struct fx_client liars[N];
    const size_t before = resident_bytes();

    (void)state;
    for (int i = 0; i < N; i++) {
        liars[i] = fx_open(fx);
        begin(&liars[i], "/rows", ARRAYS, PROMISED);
        assert_true(fx_say(liars[i].fd, "a little"));
        assert_true(inflight_becomes((i + 1) * (PROMISED + 1LL), 2000));
    }
    assert_true(resident_bytes() < before + 8 * MIB);
    shutdown(liars[0].fd, SHUT_WR); /* the end of its sending, and it still listens */
    assert_true(inflight_becomes(2 * (PROMISED + 1LL), 2000));
    assert_int_equal(status_of(&liars[0]), 0);
    for (int i = 0; i < N; i++)
        fx_close(&liars[i]);
    assert_true(inflight_becomes(0, 2000));
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_end(fx);
}

/* What is sent beyond the length is the next request, and garbage as such: never part of the body. */
static void a_length_that_promises_too_little_cuts_the_body(void **state)
{
    enum { LENGTH = 9 * MIB };
    struct fx *fx = fx_start((zo_http_opts){0});
    char *body = pattern(LENGTH);
    struct fx_client c = fx_open(fx);

    (void)state;
    begin(&c, "/rows", ARRAYS, LENGTH);
    fx_send(c.fd, body, LENGTH);
    fx_say(c.fd, FX_GET_OK);
    assert_echo(&c, body, LENGTH);
    assert_int_equal(status_of(&c), 200);
    assert_int_equal(atomic_load(&fx->handled), 2);
    begin(&c, "/rows", ARRAYS, LENGTH);
    fx_send(c.fd, body, LENGTH);
    fx_say(c.fd, "\1\2\3 these are rows\r\n\r\n");
    assert_echo(&c, body, LENGTH);
    assert_true(status_of(&c) != 200);
    assert_int_equal(atomic_load(&fx->handled), 3);
    fx_close(&c);
    free(body);
    fx_end(fx);
}

static void an_absurd_length_reserves_nothing(void **state)
{
    static const uint64_t lengths[] = {UINT64_C(1) << 31, UINT64_C(1) << 40, UINT64_C(1) << 53, INT64_MAX};
    struct fx *fx = fx_start((zo_http_opts){.max_large_bytes = (size_t)1 << 30});

    (void)state;
    for (size_t i = 0; i < ZO_LEN(lengths); i++) {
        struct fx_client c = fx_open(fx);
        begin(&c, "/rows", ARRAYS, lengths[i]);
        assert_int_equal(status_of(&c), 413);
        fx_close(&c);
    }
    struct fx_client c =
        fx_open(fx); /* within the route's limit, and yet more than there ever is: no use to come back */
    begin(&c, "/rows", ARRAYS, (uint64_t)1 << 29);
    assert_int_equal(status_of(&c), 413);
    fx_close(&c);
    assert_int_equal(inflight(), 0);
    fx_end(fx);
}

static void large_bodies_leave_room_for_the_others(void **state)
{
    enum { ALL = 40 * MIB, LARGE = 17 * MIB };
    struct fx *fx = fx_start((zo_http_opts){.max_inflight_bytes = ALL});
    struct fx_client a = fx_open(fx), b = fx_open(fx), c = fx_open(fx), small = fx_open(fx);
    char *body = pattern(LARGE), value[256];
    struct fx_reply r;

    (void)state;
    begin(&a, "/rows", ARRAYS, LARGE);
    begin(&b, "/rows", ARRAYS, LARGE);
    assert_true(inflight_becomes(2 * (LARGE + 1LL), 2000));
    begin(&c, "/rows", ARRAYS, 9 * MIB); /* would fit the whole, does not fit seven eighths */
    fx_read(&c, false, &r);
    assert_int_equal(r.status, 503);
    assert_string_equal(fx_header(&r, "Retry-After", value), "1");
    fx_reply_free(&r);
    begin(&small, "/echo", JSON, MIB);
    fx_send(small.fd, body, MIB);
    assert_echo(&small, body, MIB);
    fx_send(a.fd, body, LARGE); /* who was let in is served to the end */
    assert_echo(&a, body, LARGE);
    assert_true(inflight_becomes(LARGE + 1LL, 2000));
    fx_close(&c);
    c = fx_open(fx);
    begin(&c, "/rows", ARRAYS, 9 * MIB);
    fx_send(c.fd, body, 9 * MIB);
    assert_echo(&c, body, 9 * MIB);
    fx_close(&a);
    fx_close(&b);
    fx_close(&c);
    fx_close(&small);
    assert_true(inflight_becomes(0, 2000));
    free(body);
    fx_end(fx);
}

/* ---- deadlines ---- */

/* Send n bytes in pieces a hundredth of a second apart; false when the peer ended it. */
static bool drip(struct fx_client *c, const char *body, size_t piece, size_t n)
{
    for (size_t at = 0; at < n; at += piece) {
        struct pollfd p = {.fd = c->fd, .events = POLLIN};
        if (poll(&p, 1, 0) > 0 || !fx_send(c->fd, body + at, piece < n - at ? piece : n - at))
            return false;
        usleep(10000);
    }
    return true;
}

static const zo_http_opts quick = {.first_request_ms = 300, .next_request_ms = 500, .body_ms = 300, .request_ms = 900};

static void a_large_body_has_the_time_its_size_needs(void **state)
{
    enum { LENGTH = 9 * MIB, SLOW = 2 * MIB };
    struct fx *fx = fx_start(quick);
    char *body = pattern(LENGTH);
    struct fx_client c = fx_open(fx);
    const int64_t since = zo_clock_mono_ms();

    (void)state;
    begin(&c, "/rows", ARRAYS, LENGTH);
    assert_true(drip(&c, body, 16000, SLOW)); /* 1.3 s at least: an ordinary request would be cut */
    assert_true(zo_clock_mono_ms() - since > 1200);
    assert_true(fx_send(c.fd, body + SLOW, LENGTH - SLOW));
    assert_echo(&c, body, LENGTH);
    fx_close(&c);
    free(body);
    fx_end(fx);
}

/* 20 to 50 KB/s keep an ordinary body alive; what holds megabytes has to come sooner. */
static void a_large_body_that_drips_is_cut_and_given_back(void **state)
{
    enum { LENGTH = 20 * MIB };
    struct fx *fx = fx_start(quick);
    char *body = pattern(LENGTH);
    struct fx_client c = fx_open(fx);

    (void)state;
    begin(&c, "/rows", ARRAYS, LENGTH);
    assert_false(drip(&c, body, 500, LENGTH));
    assert_int_equal(inflight(), 0); /* while the connection is still there */
    assert_int_equal(status_of(&c), 408);
    assert_int_equal(atomic_load(&fx->handled), 0);
    fx_close(&c);
    free(body);
    fx_end(fx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_kind_of_body_has_its_own_limit),
        cmocka_unit_test(a_chunked_body_grows_to_any_size_within_its_limit),
        cmocka_unit_test(a_chunked_body_beyond_its_limit_is_given_back_at_once),
        cmocka_unit_test(a_length_that_promises_too_much_costs_what_was_sent),
        cmocka_unit_test(a_length_that_promises_too_little_cuts_the_body),
        cmocka_unit_test(an_absurd_length_reserves_nothing),
        cmocka_unit_test(large_bodies_leave_room_for_the_others),
        cmocka_unit_test(a_large_body_has_the_time_its_size_needs),
        cmocka_unit_test(a_large_body_that_drips_is_cut_and_given_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
