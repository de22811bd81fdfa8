/* zerothd serve: reads flags and environment, opens store, runtime and HTTP on one loop, and takes them down in order.
 *
 * Down: SIGTERM or SIGINT -> no new connections, what is in flight is answered (10 s), the runtime snapshots and waits for the disk,
 * the store checkpoints. A second signal ends at once; the log replays. */
#include <arpa/inet.h>
#include <dlfcn.h>
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cblas.h>
#include <lapacke.h>
#include <uv.h>

#include "api/api.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/slice.h"
#include "cli.h"
#include "zeroth/linalg.h"

enum { COMMANDS_MIB = 16 }; /* what the commands in flight hold beside their bodies */

struct serve_opts {
    const char *db, *listen, *log_level;
    uint64_t workers, long_workers, max_connections, max_body_kib, max_learn_mib, max_inflight_mib, max_memory_mib, evict_idle_s, snapshot_every, drain_s;
    bool allow_remote, idle_priority, no_access_log;
};

/* One row a flag: --name VALUE, or the environment variable ZEROTH_NAME; the flag wins. */
static const struct flag {
    const char *name;
    enum { FLAG_TEXT, FLAG_NUMBER, FLAG_SWITCH } type;
    size_t offset;
    uint64_t low, high;
    const char *value, *help;
} flags[] = {
    {"db", FLAG_TEXT, offsetof(struct serve_opts, db), 0, 0, "FILE", "database file, created if missing (./zeroth.db)"},
    {"listen", FLAG_TEXT, offsetof(struct serve_opts, listen), 0, 0, "HOST:PORT", "address; port 0 picks a free one (127.0.0.1:8470)"},
    {"allow-remote", FLAG_SWITCH, offsetof(struct serve_opts, allow_remote), 0, 0, NULL, "accept an address beyond loopback: there are no keys yet, so only behind a proxy that checks them"},
    {"workers", FLAG_NUMBER, offsetof(struct serve_opts, workers), 0, 256, "N", "threads for quick commands (0: one per core)"},
    {"long-workers", FLAG_NUMBER, offsetof(struct serve_opts, long_workers), 0, 256, "N", "threads for slow solvers (0: half the cores)"},
    {"idle-priority", FLAG_SWITCH, offsetof(struct serve_opts, idle_priority), 0, 0, NULL, "run slow solvers only when the machine is idle otherwise"},
    {"max-connections", FLAG_NUMBER, offsetof(struct serve_opts, max_connections), 16, 1000000, "N", "open connections (4096)"},
    {"max-body", FLAG_NUMBER, offsetof(struct serve_opts, max_body_kib), 1, 1048576, "KIB", "largest JSON body in KiB (1024)"},
    {"max-learn", FLAG_NUMBER, offsetof(struct serve_opts, max_learn_mib), 1, 1024, "MIB", "largest safetensors body of rows to learn in MiB (64)"},
    {"max-inflight", FLAG_NUMBER, offsetof(struct serve_opts, max_inflight_mib), 1, 1048576, "MIB", "request bodies held in memory together (256)"},
    {"max-memory", FLAG_NUMBER, offsetof(struct serve_opts, max_memory_mib), 1, 1048576, "MIB", "live studies in memory before the least recently used are put away (256)"},
    {"evict-idle", FLAG_NUMBER, offsetof(struct serve_opts, evict_idle_s), 1, 31536000, "SECONDS", "put a study away when idle for this long (300)"},
    {"snapshot-every", FLAG_NUMBER, offsetof(struct serve_opts, snapshot_every), 100, 1000000000, "EVENTS", "snapshot a study after this many events (20000)"},
    {"drain-timeout", FLAG_NUMBER, offsetof(struct serve_opts, drain_s), 1, 3600, "SECONDS", "time for requests in flight at SIGTERM (10)"},
    {"log-level", FLAG_TEXT, offsetof(struct serve_opts, log_level), 0, 0, "LEVEL", "debug, info, warn, error or off (info: one line a request)"},
    {"no-access-log", FLAG_SWITCH, offsetof(struct serve_opts, no_access_log), 0, 0, NULL, "no line a request, whatever the level"},
};

static void print_help(void)
{
    puts("usage: zerothd serve [OPTIONS]\n\nServe the API until SIGTERM or SIGINT. The first line on stdout is \"listening on http://HOST:PORT\", once it accepts;\n"
         "the log goes to stderr. Each option is also an environment variable: --max-body is ZEROTH_MAX_BODY.\n");
    for (size_t i = 0; i < ZO_LEN(flags); i++) {
        char left[48];
        snprintf(left, sizeof left, "--%s%s%s", flags[i].name, flags[i].value != NULL ? " " : "", flags[i].value != NULL ? flags[i].value : "");
        printf("  %-26s %s\n", left, flags[i].help);
    }
}

static bool set_flag(const struct flag *f, struct serve_opts *o, const char *text, const char *origin)
{
    char *at = (char *)o + f->offset, *end;

    switch (f->type) {
    case FLAG_TEXT:
        *(const char **)(void *)at = text;
        return true;
    case FLAG_SWITCH:
        if (strcmp(text, "1") == 0 || strcmp(text, "true") == 0 || strcmp(text, "0") == 0 || strcmp(text, "false") == 0 || text[0] == '\0') {
            *(bool *)at = text[0] == '1' || text[0] == 't';
            return true;
        }
        fprintf(stderr, "zerothd serve: %s takes true or false, not %s\n", origin, text);
        return false;
    case FLAG_NUMBER:
        break;
    }
    errno = 0;
    const unsigned long long n = strtoull(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || text[0] == '-' || n < f->low || n > f->high) {
        fprintf(stderr, "zerothd serve: %s takes a number from %" PRIu64 " to %" PRIu64 ", not %s\n", origin, f->low, f->high, text);
        return false;
    }
    *(uint64_t *)(void *)at = n;
    return true;
}

static bool read_environment(struct serve_opts *o)
{
    for (size_t i = 0; i < ZO_LEN(flags); i++) {
        char name[64] = "ZEROTH_";
        for (size_t k = 0; flags[i].name[k] != '\0'; k++) {
            const char c = flags[i].name[k];
            name[7 + k] = c == '-' ? '_' : (char)(c - 'a' + 'A');
            name[8 + k] = '\0';
        }
        const char *text = getenv(name);
        if (text != NULL && !set_flag(&flags[i], o, text, name))
            return false;
    }
    return true;
}

/* Returns -1 to go on, else the exit status. */
static int read_flags(int argc, char **argv, struct serve_opts *o)
{
    for (int i = 1; i < argc; i++) {
        const struct flag *f = NULL;
        const char *equals = strchr(argv[i], '=');
        const size_t length = equals != NULL ? (size_t)(equals - argv[i]) : strlen(argv[i]);

        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            print_help();
            return ZO_EXIT_OK;
        }
        for (size_t k = 0; k < ZO_LEN(flags) && f == NULL; k++)
            if (length == strlen(flags[k].name) + 2 && strncmp(argv[i], "--", 2) == 0 && memcmp(argv[i] + 2, flags[k].name, length - 2) == 0)
                f = &flags[k];
        if (f == NULL) {
            fprintf(stderr, "zerothd serve: unknown option %s (see zerothd serve --help)\n", argv[i]);
            return ZO_EXIT_USAGE;
        }
        char origin[32];
        snprintf(origin, sizeof origin, "--%s", f->name);
        const char *text = equals != NULL ? equals + 1 : f->type == FLAG_SWITCH ? "true" : i + 1 < argc ? argv[++i] : NULL;
        if (text == NULL) {
            fprintf(stderr, "zerothd serve: %s needs a value\n", origin);
            return ZO_EXIT_USAGE;
        }
        if (!set_flag(f, o, text, origin))
            return ZO_EXIT_USAGE;
    }
    return -1;
}

/* By number, except for localhost: a name such as 127.example.com may lead anywhere. */
static bool is_loopback(const char *listen)
{
    const char *colon = strrchr(listen, ':');
    const size_t n = colon != NULL ? (size_t)(colon - listen) : 0;
    char host[INET_ADDRSTRLEN];
    struct in_addr address;

    if (strncmp(listen, "[::1]:", 6) == 0 || strncmp(listen, "localhost:", 10) == 0)
        return true;
    if (n >= sizeof host)
        return false;
    memcpy(host, listen, n);
    host[n] = '\0';
    return inet_pton(AF_INET, host, &address) == 1 && ntohl(address.s_addr) >> 24 == 127;
}

/* What determinism rests on: one BLAS thread, and LAPACK's routines from OpenBLAS, not from the alternatives system. */
static zo_status check_arithmetic(zo_error *err)
{
    Dl_info eigen, blas;

    if (zo_blas_threads() != 1)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "BLAS runs with %d threads: set OPENBLAS_NUM_THREADS=1", zo_blas_threads());
    const void *dsyevd = dlsym(RTLD_DEFAULT, "dsyevd_"), *dgemm = dlsym(RTLD_DEFAULT, "cblas_dgemm");
    if (dsyevd == NULL || dgemm == NULL || dladdr(dsyevd, &eigen) == 0 || dladdr(dgemm, &blas) == 0)
        return ZO_OK; /* linked statically: nothing can come between */
    if (strcmp(eigen.dli_fname, blas.dli_fname) != 0)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "dsyevd comes from %.80s but dgemm from %.80s: both must be OpenBLAS's", eigen.dli_fname, blas.dli_fname);
    return ZO_OK;
}

struct daemon {
    struct serve_opts o;
    zo_app app;
    uv_loop_t loop;
    uv_signal_t term, interrupt;
    int n_signals;
};

static void runtime_drained(void *ctx)
{
    struct daemon *d = ctx;
    uv_stop(&d->loop);
}

static void http_drained(void *ctx)
{
    struct daemon *d = ctx;
    zo_runtime_drain(d->app.runtime, runtime_drained, d);
}

static void on_signal(uv_signal_t *signal, int number)
{
    struct daemon *d = signal->data;

    if (++d->n_signals > 1)
        _exit(128 + number); /* asked twice: the log replays */
    zo_log(ZO_INFO, "draining", "signal=%d", number);
    zo_runtime_wake_parked(d->app.runtime);
    zo_http_drain(d->app.http, (unsigned)d->o.drain_s * 1000, http_drained, d);
}

static zo_status open_all(struct daemon *d, zo_error *err)
{
    const struct serve_opts *o = &d->o;
    zo_status rc;

    if ((rc = check_arithmetic(err)) != ZO_OK || (rc = zo_runtime_new(&d->app.runtime, err)) != ZO_OK)
        return rc;
    const zo_store_opts store = {.path = o->db, .create = true, .migrate = true, .committed = zo_runtime_committed, .ctx = d->app.runtime};
    if ((rc = zo_store_open(&store, &d->app.store, err)) != ZO_OK)
        return rc;
    const zo_runtime_opts runtime = {.store = d->app.store, .loop = &d->loop, .workers = (unsigned)o->workers, .long_workers = (unsigned)o->long_workers,
                                     .max_command_bytes = (o->max_inflight_mib + COMMANDS_MIB) << 20, .max_resident_bytes = o->max_memory_mib << 20, .evict_idle_s = (unsigned)o->evict_idle_s,
                                     .snapshot_every_events = o->snapshot_every, .idle_priority = o->idle_priority, .finished = zo_api_finished, .ctx = &d->app};
    if ((rc = zo_runtime_start(d->app.runtime, &runtime, err)) != ZO_OK)
        return rc;
    const zo_http_opts http = {.listen = o->listen, .routes = zo_api_routes, .n_routes = zo_api_n_routes, .app = &d->app, .max_connections = (unsigned)o->max_connections,
                               .max_json_bytes = o->max_body_kib << 10, .max_large_bytes = o->max_learn_mib << 20, .max_inflight_bytes = o->max_inflight_mib << 20,
                               .access_log = !o->no_access_log && zo_log_enabled(ZO_INFO)};
    return zo_http_open(&d->loop, &http, &d->app.http, err);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

/* Takes down whatever open_all brought up; returns the store's health. */
static zo_status close_all(struct daemon *d)
{
    zo_status health = ZO_OK;

    zo_http_close(d->app.http);
    zo_runtime_stop(d->app.runtime);
    if (d->app.store != NULL)
        health = zo_store_close(d->app.store);
    zo_runtime_free(d->app.runtime);
    uv_walk(&d->loop, close_handle, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    return health;
}

int zo_cli_serve(int argc, char **argv)
{
    struct daemon d = {.o = {.db = "zeroth.db", .listen = "127.0.0.1:8470", .log_level = "info", .max_connections = 4096, .max_body_kib = 1024,
                             .max_learn_mib = 64, .max_inflight_mib = 256, .max_memory_mib = 256, .evict_idle_s = 300, .snapshot_every = 20000, .drain_s = 10}};
    zo_log_level level;
    zo_error err = {0};

    if (!read_environment(&d.o))
        return ZO_EXIT_USAGE;
    const int stop = read_flags(argc, argv, &d.o);
    if (stop >= 0)
        return stop;
    if (!zo_log_level_parse(d.o.log_level, &level)) {
        fprintf(stderr, "zerothd serve: --log-level takes debug, info, warn, error or off, not %s\n", d.o.log_level);
        return ZO_EXIT_USAGE;
    }
    zo_log_set_level(level);
    if (strchr(d.o.listen, ':') == NULL) {
        fprintf(stderr, "zerothd serve: --listen takes HOST:PORT, such as 127.0.0.1:8470, not %s\n", d.o.listen);
        return ZO_EXIT_USAGE;
    }
    if (!is_loopback(d.o.listen) && !d.o.allow_remote) {
        fprintf(stderr, "zerothd serve: %s is reachable from other machines and there are no keys yet: put a reverse proxy that checks them in front "
                        "of a loopback address, or say --allow-remote\n", d.o.listen);
        return ZO_EXIT_USAGE;
    }
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_IGN);
    zo_slice_short();
    uv_loop_init(&d.loop);
    d.app.loop = &d.loop;
    d.app.max_trials_page = 1000;
    if (open_all(&d, &err) != ZO_OK) {
        close_all(&d);
        return zo_cli_fail("serve", &err);
    }
    uv_signal_init(&d.loop, &d.term);
    uv_signal_init(&d.loop, &d.interrupt);
    d.term.data = d.interrupt.data = &d;
    uv_signal_start(&d.term, on_signal, SIGTERM);
    uv_signal_start(&d.interrupt, on_signal, SIGINT);
    printf("listening on %s\n", zo_http_url(d.app.http));
    fflush(stdout);
    zo_log(ZO_INFO, "start", "version=%s url=%s db=%s fsync_us=%.0f tag=%016" PRIx64, ZO_VERSION, zo_http_url(d.app.http), d.o.db,
           zo_store_fsync_us(d.app.store), zo_runtime_arith_tag(d.app.runtime));
    uv_run(&d.loop, UV_RUN_DEFAULT);
    const zo_status health = close_all(&d);
    zo_log(ZO_INFO, "stop", "store=%s", zo_status_slug(health));
    return health == ZO_ESTORE ? ZO_EXIT_IO : ZO_EXIT_OK;
}
