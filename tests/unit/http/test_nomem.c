/* Out of memory: the k-th allocation of ours fails, for every k of a script of requests, once and from there on. A
 * client then gets the reply, a 503 or a closed connection; never silence, never half a reply that looks whole; and the
 * server goes on. Nothing leaks. This file replaces core's allocator at link time. */
#include "http_fx.h"

#define H "Host: x\r\n"
#define J "Content-Type: application/json\r\n"

static atomic_long countdown = -1, live; /* allocations until one fails; blocks not freed */
static atomic_bool persists, failed;

static bool fails(void)
{
    if (atomic_load(&countdown) < 0)
        return false;
    const long k = atomic_fetch_sub(&countdown, 1);
    if (k > 0)
        return false;
    atomic_store(&countdown, atomic_load(&persists) ? 0 : -1);
    atomic_store(&failed, true);
    return true;
}

static void *counted(void *p)
{
    atomic_fetch_add(&live, p != NULL);
    return p;
}

void *zo_malloc(size_t bytes)
{
    return fails() ? NULL : counted(malloc(bytes ? bytes : 1));
}

void *zo_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *zo_realloc(void *p, size_t bytes)
{
    if (fails())
        return NULL;
    void *q = realloc(p, bytes ? bytes : 1);
    atomic_fetch_add(&live, !p && q);
    return q;
}

void *zo_memalign64(size_t bytes)
{
    void *p = NULL;

    return fails() || posix_memalign(&p, 64, bytes ? bytes : 1) ? NULL : counted(p);
}

char *zo_strdup(const char *s)
{
    return fails() ? NULL : counted(strdup(s));
}

void zo_free(void *p)
{
    atomic_fetch_sub(&live, p != NULL);
    free(p);
}

static void arm(long k, bool persistent)
{
    atomic_store(&failed, false);
    atomic_store(&persists, persistent);
    atomic_store(&countdown, k);
}

static bool disarm(void)
{
    atomic_store(&countdown, -1);
    return atomic_load(&failed);
}

static void opening_reports_and_leaves_nothing(void **state)
{
    uv_loop_t loop;
    zo_status rc;
    long k = 0;

    (void)state;
    uv_loop_init(&loop);
    do {
        const zo_http_opts o = {.listen = "127.0.0.1:0", .routes = fx_routes, .n_routes = ZO_LEN(fx_routes)};
        const long before = atomic_load(&live);
        zo_http *h = NULL;
        zo_error err = {0};
        arm(k++, false);
        rc = zo_http_open(&loop, &o, &h, &err);
        assert_int_equal(disarm(), rc != ZO_OK);
        assert_int_equal(rc, rc == ZO_OK ? ZO_OK : ZO_ENOMEM);
        zo_http_close(h);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(atomic_load(&live), before);
    } while (rc != ZO_OK);
    assert_true(k > 4);
    assert_int_equal(uv_loop_close(&loop), 0);
}

static const struct {
    const char *request;
    int status;
    size_t fill;
} script[] = {
    {FX_GET_OK, 200, 0},
    {"GET /v1/items/a HTTP/1.1\r\n" H "\r\n", 200, 0},
    {"HEAD /v1/items/a HTTP/1.1\r\n" H "\r\n", 200, 0},
    {"GET /query?a=1&b=2 HTTP/1.1\r\n" H "\r\n", 200, 0},
    {"GET /headers HTTP/1.1\r\n" H "Accept: a/b\r\nAccept: c/d\r\nIdempotency-Key: k\r\n\r\n", 200, 0},
    {"GET /none HTTP/1.1\r\n" H "\r\n", 404, 0},
    {"OPTIONS /ok HTTP/1.1\r\n" H "\r\n", 204, 0},
    {"POST /echo HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}", 200, 0},
    {"POST /echo HTTP/1.1\r\n" H J "Content-Length: 150000\r\n\r\n", 200, 150000},
    {"POST /later HTTP/1.1\r\n" H J "Content-Length: 2\r\n\r\n{}", 200, 0},
    {"POST /later HTTP/1.1\r\n" H J "Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n", 200, 0},
    {"GET /stream/3 HTTP/1.1\r\n" H "\r\n", 200, 0},
    {"GET /stream/3?sync=1 HTTP/1.1\r\n" H "\r\n", 200, 0},
    {"GET /fail/conflict HTTP/1.1\r\n" H "\r\n", 409, 0},
    {"GET /metrics HTTP/1.1\r\n" H "\r\n", 200, 0},
};

/* Returns how many were not answered as usual. */
static int play(struct fx *fx, long k)
{
    int lost = 0;

    for (size_t i = 0; i < ZO_LEN(script); i++) {
        struct fx_client c = fx_open(fx);
        char *filler = script[i].fill ? calloc(1, script[i].fill) : NULL;
        struct fx_reply r;
        fx_say(c.fd, script[i].request);
        if (filler)
            fx_send(c.fd, filler, script[i].fill);
        free(filler);
        fx_read(&c, strncmp(script[i].request, "HEAD", 4) == 0, &r);
        if (r.status == -1)
            fail_msg("silence after allocation %ld at: %s", k, script[i].request);
        if (r.status != script[i].status && r.status != 503 && r.status != 0)
            fail_msg("%d after allocation %ld at: %s", r.status, k, script[i].request);
        if (r.status > 0 && !r.complete && !c.ended)
            fail_msg("half a reply after allocation %ld at: %s", k, script[i].request);
        lost += r.status != script[i].status || !r.complete;
        fx_reply_free(&r);
        fx_close(&c);
    }
    return lost;
}

static void sweep(bool persistent, long step)
{
    struct fx *fx = fx_start((zo_http_opts){0});
    bool struck;
    long k = 0, n_lost = 0;

    do {
        arm(k, persistent);
        n_lost += play(fx, k);
        struck = disarm();
        k += step;
    } while (struck && k < 3000);
    assert_false(struck); /* the sweep has reached the end of the script */
    assert_true(k > 40 && n_lost > 0);
    assert_int_equal(play(fx, -1), 0); /* all is well again */
    fx_end(fx);
    assert_int_equal(atomic_load(&live), 0);
}

static void one_failure_costs_one_request_at_most_its_connection(void **state)
{
    (void)state;
    sweep(false, 1);
}

static void lasting_failure_is_survived(void **state)
{
    (void)state;
    sweep(true, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opening_reports_and_leaves_nothing),
        cmocka_unit_test(one_failure_costs_one_request_at_most_its_connection),
        cmocka_unit_test(lasting_failure_is_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
