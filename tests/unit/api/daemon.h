/* A whole daemon (HTTP, API, runtime, store) on a thread of its own, over a file in a temporary folder, and a client: one connection a
 * request. */
#ifndef ZO_TESTS_API_DAEMON_H
#define ZO_TESTS_API_DAEMON_H

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
#include "base/log.h"
#include "codec/jsonread.h"
#include "unit/scratch.h"

enum { STOP = 1, WAKE_PARKED };
static struct daemon {
    zo_app app;
    uv_loop_t loop;
    uv_async_t control;
    atomic_int command;
    pthread_t thread;
    pthread_barrier_t ready;
    char folder[SCRATCH_BYTES], db[64];
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

__attribute__((unused)) static void control(int command)
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

static char reply[1 << 16];

__attribute__((unused)) static const char *call(const char *method, const char *path, const char *body)
{
    take_reply(send_request(method, path, "", body), 5000, reply, sizeof reply);
    return reply;
}

__attribute__((unused)) static void assert_says(const char *text, const char *part)
{
    if (!strstr(text, part))
        fail_msg("expected %s in\n%s", part, text);
}

static int daemon_start(void **state)
{
    (void)state;
    if (!scratch_folder(d.folder))
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

static void daemon_join(void)
{
    control(STOP);
    pthread_join(d.thread, NULL);
    pthread_barrier_destroy(&d.ready);
}

static int daemon_clean(void **state)
{
    static const char *const tails[] = {"", "-wal", "-shm", ".lock"};
    char path[80];

    (void)state;
    for (size_t i = 0; i < ZO_LEN(tails); i++) {
        snprintf(path, sizeof path, "%s%s", d.db, tails[i]);
        unlink(path);
    }
    return rmdir(d.folder);
}

__attribute__((unused)) static int daemon_stop(void **state)
{
    daemon_join();
    return daemon_clean(state);
}

#endif
