/* The long-poll: an ask that waits until its solver can go on. The catalogue's solvers never wait, so this file
 * replaces the registry at link time by one solver that gives one trial and then waits for its result. The daemon is
 * whole: HTTP, API, runtime, store. */
#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "codec/jsonread.h"

/* ---- the one solver ---- */

struct shy {
    uint64_t outstanding;
};

static zo_status shy_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    (void)self;
    (void)p;
    (void)opts;
    (void)rng;
    (void)err;
    return ZO_OK;
}

static zo_status shy_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct shy *s = self;

    (void)rng;
    (void)err;
    p->verdict = s->outstanding ? ZO_ASK_WAIT : ZO_ASK_OK;
    if (!s->outstanding) {
        p->x[0] = 0.5;
        s->outstanding++;
    }
    return ZO_OK;
}

static zo_status shy_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    (void)rng;
    (void)err;
    ((struct shy *)self)->outstanding -= t->own;
    return ZO_OK;
}

static void shy_snapshot(void *self, zo_visit *v)
{
    zo_visit_u64(v, "outstanding", &((struct shy *)self)->outstanding, 1);
}

static const zo_solver shy = {.name = "shy",
                              .version = 1,
                              .summary = "one at a time",
                              .reference = "none",
                              .oracles = ZO_ORACLE_VALUE,
                              .state_bytes = sizeof(struct shy),
                              .init = shy_init,
                              .ask = shy_ask,
                              .tell = shy_tell,
                              .snapshot = shy_snapshot};

size_t zo_solver_count(void)
{
    return 1;
}

const zo_solver *zo_solver_at(size_t i)
{
    return i == 0 ? &shy : NULL;
}

const zo_solver *zo_solver_find(const char *name)
{
    return strcmp(name, shy.name) == 0 ? &shy : NULL;
}

/* ---- the daemon, on a thread of its own ---- */

enum { STOP = 1, WAKE_PARKED };
static struct daemon {
    zo_app app;
    uv_loop_t loop;
    uv_async_t control;
    atomic_int command;
    pthread_t thread;
    pthread_barrier_t ready;
    char folder[32], db[64];
    int port;
    bool failed;
} d;

static void runtime_drained(void *ctx)
{
    (void)ctx;
    uv_stop(&d.loop);
}

static void http_drained(void *ctx)
{
    (void)ctx;
    zo_runtime_drain(d.app.runtime, runtime_drained, NULL);
}

static void on_control(uv_async_t *h)
{
    (void)h;
    switch (atomic_exchange(&d.command, 0)) {
    case STOP:
        zo_runtime_wake_parked(d.app.runtime);
        zo_http_drain(d.app.http, 2000, http_drained, NULL);
        break;
    case WAKE_PARKED:
        zo_runtime_wake_parked(d.app.runtime);
        break;
    default:
        break;
    }
}

static void control(int command)
{
    atomic_store(&d.command, command);
    uv_async_send(&d.control);
}

static bool open_all(void)
{
    zo_error err = {0};

    if (zo_runtime_new(&d.app.runtime, &err) != ZO_OK)
        return false;
    const zo_store_opts so = {
        .path = d.db, .create = true, .migrate = true, .committed = zo_runtime_committed, .ctx = d.app.runtime};
    if (zo_store_open(&so, &d.app.store, &err) != ZO_OK)
        return false;
    const zo_runtime_opts ro = {
        .store = d.app.store, .loop = &d.loop, .workers = 2, .finished = zo_api_finished, .ctx = &d.app};
    if (zo_runtime_start(d.app.runtime, &ro, &err) != ZO_OK)
        return false;
    const zo_http_opts ho = {
        .listen = "127.0.0.1:0", .routes = zo_api_routes, .n_routes = zo_api_n_routes, .app = &d.app};
    return zo_http_open(&d.loop, &ho, &d.app.http, &err) == ZO_OK;
}

static void close_handle(uv_handle_t *h, void *arg)
{
    (void)arg;
    if (!uv_is_closing(h))
        uv_close(h, NULL);
}

static void *serve(void *arg)
{
    (void)arg;
    uv_loop_init(&d.loop);
    uv_async_init(&d.loop, &d.control, on_control);
    d.app.loop = &d.loop;
    d.failed = !open_all();
    d.port = d.failed ? 0 : atoi(strrchr(zo_http_url(d.app.http), ':') + 1);
    pthread_barrier_wait(&d.ready);
    if (!d.failed)
        uv_run(&d.loop, UV_RUN_DEFAULT);
    zo_http_close(d.app.http);
    zo_runtime_stop(d.app.runtime);
    if (d.app.store)
        zo_store_close(d.app.store);
    zo_runtime_free(d.app.runtime);
    uv_walk(&d.loop, close_handle, NULL);
    uv_run(&d.loop, UV_RUN_DEFAULT);
    uv_loop_close(&d.loop);
    return NULL;
}

/* ---- a client: one connection a request ---- */

static int send_request(const char *method, const char *path, const char *headers, const char *body)
{
    const int fd = socket(AF_INET, SOCK_STREAM, 0);
    const struct sockaddr_in to = {
        .sin_family = AF_INET, .sin_port = htons((uint16_t)d.port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    char text[1024];

    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&to, sizeof to), 0);
    const int n = snprintf(text, sizeof text,
                           "%s %s HTTP/1.1\r\nHost: t\r\nConnection: close\r\nContent-Type: application/json\r\n"
                           "Content-Length: %zu\r\n%s\r\n%s",
                           method, path, strlen(body), headers, body);
    assert_true(n > 0 && n < (int)sizeof text);
    assert_int_equal(send(fd, text, (size_t)n, MSG_NOSIGNAL), n);
    return fd;
}

static bool has_reply(int fd, int ms)
{
    return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, ms) > 0;
}

/* The whole reply, or a failed test after ms; closes. */
static void take_reply(int fd, int ms, char *to, size_t size)
{
    size_t n = 0;
    ssize_t got = 1;

    while (got > 0) {
        if (!has_reply(fd, ms))
            fail_msg("no reply within %d ms", ms);
        got = recv(fd, to + n, size - 1 - n, 0);
        n += got > 0 ? (size_t)got : 0;
    }
    to[n] = '\0';
    close(fd);
}

static char reply[8192];

static const char *call(const char *method, const char *path, const char *body)
{
    take_reply(send_request(method, path, "", body), 5000, reply, sizeof reply);
    return reply;
}

static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected %s in\n%s", part, text);
}

static void new_study(const char *name)
{
    char body[256];

    snprintf(body, sizeof body,
             "{\"name\": \"%s\", \"seed\": 1, \"solver\": {\"name\": \"shy\"},"
             "\"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}]}",
             name);
    assert_says(call("POST", "/v1/studies", body), "201 Created");
}

/* ---- tests ---- */

static void without_wait_the_answer_comes_at_once(void **state)
{
    (void)state;
    new_study("now");
    assert_says(call("POST", "/v1/studies/now/ask", "{}"), "\"number\":0");
    assert_says(call("POST", "/v1/studies/now/ask", "{}"),
                "{\"trials\":[],\"state\":\"active\",\"reason\":\"waiting\",\"retry_after\":1}");
}

static void a_waiting_ask_is_answered_by_the_tell_that_makes_it_possible(void **state)
{
    char waited[4096];

    (void)state;
    new_study("tell");
    assert_says(call("POST", "/v1/studies/tell/ask?wait=10s", "{}"), "\"number\":0"); /* nothing to wait for */
    const int fd = send_request("POST", "/v1/studies/tell/ask?wait=10s", "", "{\"count\": 3}");
    assert_false(has_reply(fd, 250));
    assert_says(call("POST", "/v1/studies/tell/tell", "{\"trial\": 0, \"value\": 1}"), "200 OK");
    take_reply(fd, 3000, waited, sizeof waited);
    assert_says(waited, "\"number\":1");
    assert_says(waited, "\"reason\":\"waiting\""); /* for the other two */
    assert_null(strstr(waited, "\"number\":2"));
}

static void a_wait_that_is_over_says_so(void **state)
{
    (void)state;
    new_study("over");
    call("POST", "/v1/studies/over/ask", "{}");
    const int64_t start = zo_clock_mono_ms();
    assert_says(call("POST", "/v1/studies/over/ask?wait=400ms", "{}"),
                "\"trials\":[],\"state\":\"active\",\"reason\":\"waiting\"");
    const int64_t took = zo_clock_mono_ms() - start;
    assert_true(took >= 400 && took < 4000);
}

static void no_trial_goes_to_a_client_that_has_left(void **state)
{
    char waited[4096];

    (void)state;
    new_study("left");
    call("POST", "/v1/studies/left/ask", "{}");
    const int gone = send_request("POST", "/v1/studies/left/ask?wait=20s", "", "{\"worker\": \"gone\"}");
    assert_false(has_reply(gone, 100));
    const int here = send_request("POST", "/v1/studies/left/ask?wait=20s", "", "{\"worker\": \"here\"}");
    assert_false(has_reply(here, 100));
    close(gone);
    assert_false(has_reply(here, 300)); /* time for the loop to see it */
    assert_says(call("POST", "/v1/studies/left/tell", "{\"trial\": 0, \"value\": 1}"), "200 OK");
    take_reply(here, 3000, waited, sizeof waited);
    assert_says(waited, "\"number\":1");
    assert_says(waited, "\"worker\":\"here\"");
    assert_says(call("GET", "/v1/studies/left", ""), "\"running\":1");
}

static void a_parked_ask_holds_its_key_and_its_reply_is_repeated(void **state)
{
    static char first[4096], second[4096];
    static const char key[] = "Idempotency-Key: once\r\n", path[] = "/v1/studies/key/ask?wait=10s";

    (void)state;
    new_study("key");
    call("POST", "/v1/studies/key/ask", "{}");
    const int fd = send_request("POST", path, key, "{}");
    assert_false(has_reply(fd, 100));
    take_reply(send_request("POST", path, key, "{}"), 3000, second, sizeof second);
    assert_says(second, "409 Conflict");
    call("POST", "/v1/studies/key/tell", "{\"trial\": 0, \"value\": 1}");
    take_reply(fd, 3000, first, sizeof first);
    take_reply(send_request("POST", path, key, "{}"), 3000, second, sizeof second);
    assert_says(first, "\"number\":1");
    assert_string_equal(strstr(first, "\r\n\r\n"), strstr(second, "\r\n\r\n"));
    assert_says(call("GET", "/v1/studies/key", ""), "\"total\":2");
}

static void a_study_deleted_under_a_waiting_ask_answers_it(void **state)
{
    char waited[4096];

    (void)state;
    new_study("deleted");
    call("POST", "/v1/studies/deleted/ask", "{}");
    const int fd = send_request("POST", "/v1/studies/deleted/ask?wait=20s", "", "{}");
    assert_false(has_reply(fd, 100));
    assert_says(call("DELETE", "/v1/studies/deleted", ""), "204");
    take_reply(fd, 3000, waited, sizeof waited);
    assert_says(waited, "404 Not Found");
}

static void a_daemon_that_drains_lets_nobody_wait(void **state)
{
    char waited[4096];

    (void)state;
    new_study("drain");
    call("POST", "/v1/studies/drain/ask", "{}");
    const int fd = send_request("POST", "/v1/studies/drain/ask?wait=20s", "", "{}");
    assert_false(has_reply(fd, 100));
    control(WAKE_PARKED);
    take_reply(fd, 3000, waited, sizeof waited);
    assert_says(waited, "\"reason\":\"waiting\"");
    assert_says(call("POST", "/v1/studies/drain/ask?wait=20s", "{}"), "\"reason\":\"waiting\""); /* at once */
}

static int start(void **state)
{
    (void)state;
    strcpy(d.folder, "/tmp/zo-wait-XXXXXX");
    if (!mkdtemp(d.folder))
        return -1;
    snprintf(d.db, sizeof d.db, "%s/x.db", d.folder);
    zo_json_start();
    zo_log_set_level(ZO_LOG_OFF);
    pthread_barrier_init(&d.ready, NULL, 2);
    if (pthread_create(&d.thread, NULL, serve, NULL) != 0)
        return -1;
    pthread_barrier_wait(&d.ready);
    return d.failed ? -1 : 0;
}

static int stop(void **state)
{
    static const char *const tails[] = {"", "-wal", "-shm", ".lock"};
    char path[80];

    (void)state;
    control(STOP);
    pthread_join(d.thread, NULL);
    pthread_barrier_destroy(&d.ready);
    for (size_t i = 0; i < ZO_LEN(tails); i++) {
        snprintf(path, sizeof path, "%s%s", d.db, tails[i]);
        unlink(path);
    }
    return rmdir(d.folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(without_wait_the_answer_comes_at_once),
        cmocka_unit_test(a_waiting_ask_is_answered_by_the_tell_that_makes_it_possible),
        cmocka_unit_test(a_wait_that_is_over_says_so),
        cmocka_unit_test(no_trial_goes_to_a_client_that_has_left),
        cmocka_unit_test(a_parked_ask_holds_its_key_and_its_reply_is_repeated),
        cmocka_unit_test(a_study_deleted_under_a_waiting_ask_answers_it),
        cmocka_unit_test(a_daemon_that_drains_lets_nobody_wait), /* last: nobody waits afterwards */
    };
    return cmocka_run_group_tests(tests, start, stop);
}
