/* Out of memory in a whole daemon: for each kind of request the k-th allocation from its arrival on fails, for k = 1,
 * 2, ... until none is left to fail. The reply is then the usual one, or a 503, or the connection ends; never a crash.
 * Repeated with its Idempotency-Key the request has its one effect and its one reply; a read repeated gives what it
 * always gave. At the end the log replays. */
#include "unit/api/daemon.h"

#include "fault/fault.h"

enum { MAX_POINTS = 2000, TRIES = 20, REPLY_MS = 10000 };

static const struct step {
    const char *method, *path, *body;
    int status;
    unsigned events; /* by which the study's revision rises; 0: a read */
} steps[] = {
    {"GET", "/v1/studies/s", "", 200, 0},
    {"GET", "/v1/studies?limit=2", "", 200, 0},
    {"GET", "/v1/studies/s/trials?sort=-value&limit=3", "", 200, 0},
    {"GET", "/v1/studies/s/trials/0", "", 200, 0},
    {"GET", "/v1/studies/s/best", "", 200, 0},
    {"GET", "/v1/studies/s/pareto", "", 200, 0},
    {"GET", "/v1/studies/s/state", "", 200, 0},
    {"GET", "/v1/solvers", "", 200, 0},
    {"GET", "/openapi.yaml", "", 200, 0},
    {"GET", "/healthz", "", 200, 0},
    {"POST", "/v1/studies/s/ask", "{\"count\": 2, \"worker\": \"w\"}", 200, 2},
    {"POST", "/v1/studies/s/tell",
     "{\"params\": {\"x\": 0.5, \"c\": \"b\"}, \"value\": 1, \"metadata\": {\"k\": 1}, \"stderr\": 1}", 200, 1},
    {"POST", "/v1/studies/s/tell",
     "{\"results\": [{\"params\": {\"x\": 0.5, \"c\": \"b\"}, \"value\": 1}, {\"params\": {\"x\": 1, \"c\": \"a\"}, "
     "\"state\": \"failed\", \"reason\": \"r\"}]}",
     200, 2},
    {"POST", "/v1/studies/s/exchange",
     "{\"tell\": {\"params\": {\"x\": 0.5, \"c\": \"b\"}, \"value\": 1}, \"ask\": {}}", 200, 2},
    {"POST", "/v1/studies/s/trials",
     "{\"trials\": [{\"params\": {\"x\": 0.5, \"c\": \"b\"}, \"metadata\": {}}, {\"params\": {\"x\": 1, \"c\": "
     "\"a\"}}]}",
     201, 2},
    {"POST", "/v1/studies/s/import", "{\"params\": {\"x\": 0.5, \"c\": \"b\"}, \"value\": 2, \"worker\": \"w\"}", 200,
     1},
    {"PATCH", "/v1/studies/s", "{\"title\": \"T\", \"metadata\": {\"k\": [1]}, \"budget\": {\"trials\": 9000}}", 200,
     0},
    {"GET", "/v1/studies/s/export?format=csv", "", 200, 0},
    {"POST", "/v1/studies/s/trials/1/heartbeat", "{\"lease\": \"1h\"}", 200, 0},
};

static char first[1 << 20], second[1 << 20];

/* Status of a reply; 0: the connection ended without one. */
static int status_of(const char *text)
{
    return strncmp(text, "HTTP/1.1 ", 9) == 0 ? atoi(text + 9) : 0;
}

static const char *body_of(const char *text)
{
    const char *gap = strstr(text, "\r\n\r\n");

    return gap ? gap + 4 : "";
}

static int send_with_key(const struct step *s, const char *key, char *to, size_t size)
{
    take_reply(send_request(s->method, s->path, key, s->body), REPLY_MS, to, size);
    return status_of(to);
}

/* A reply that broke off in its middle is none. */
static bool is_whole(const char *text)
{
    const char *length = strstr(text, "Content-Length: ");

    return length && strlen(body_of(text)) == strtoul(length + 16, NULL, 10);
}

static unsigned long revision(void)
{
    const char *text = call("GET", "/v1/studies/s", ""), *at = strstr(text, "\"revision\":");

    if (!at)
        fail_msg("no revision in %s", text);
    return strtoul(at + 11, NULL, 10);
}

/* Again until it is answered; the daemon has memory now. */
static void repeat(const struct step *s, const char *key, unsigned long k)
{
    int status = 503;

    for (int i = 0; i < TRIES && (status == 503 || status == 409); i++)
        status = send_with_key(s, key, second, sizeof second);
    if (status != s->status)
        fail_msg("%s %s, allocation %lu: repeated, the reply is\n%s", s->method, s->path, k, second);
}

static void sweep(const struct step *s, size_t index)
{
    char key[64] = "", want[64];
    unsigned long k = 1, before = 0;
    bool struck = true;

    for (; struck && k <= MAX_POINTS; k++) {
        if (s->events) {
            snprintf(key, sizeof key, "Idempotency-Key: %zu-%lu\r\n", index, k);
            before = revision();
        }
        zo_fault_alloc_arm(k, false);
        const int status = send_with_key(s, key, first, sizeof first);
        struck = zo_fault_alloc_disarm();
        if (status != s->status && status != 503 && status != 0)
            fail_msg("%s %s, allocation %lu: the reply is\n%s", s->method, s->path, k, first);
        repeat(s, key, k);
        if (status == s->status && is_whole(first) && s->events && strcmp(body_of(first), body_of(second)) != 0)
            fail_msg("%s %s, allocation %lu: two replies to one key:\n%s\n%s", s->method, s->path, k, first, second);
        if (s->events && revision() != before + s->events)
            fail_msg("%s %s, allocation %lu: the revision went from %lu to %lu", s->method, s->path, k, before,
                     revision());
    }
    snprintf(want, sizeof want, "%s %s", s->method, s->path);
    if (struck || k < 4)
        fail_msg("%s: %lu points", want, k);
    print_message("  %-45s %lu points\n", want, k - 2);
}

static void every_request_survives_each_failed_allocation(void **state)
{
    (void)state;
    assert_says(call("POST", "/v1/studies",
                     "{\"name\": \"s\", \"seed\": 1, \"solver\": {\"name\": \"cma-es\"}, \"space\": [{\"name\": \"x\", "
                     "\"type\": \"float\", \"low\": 0, "
                     "\"high\": 1}, {\"name\": \"c\", \"type\": \"categorical\", \"choices\": [\"a\", \"b\"]}]}"),
                "201 Created");
    assert_says(call("POST", "/v1/studies/s/ask", "{\"count\": 4, \"worker\": \"w\", \"lease\": \"7d\"}"), "200 OK");
    assert_says(call("POST", "/v1/studies/s/tell", "{\"trial\": 0, \"value\": 1}"), "200 OK");
    for (size_t i = 0; i < ZO_LEN(steps); i++)
        sweep(&steps[i], i);
}

/* A creation's effect is a study: each name once, with one id. */
static void every_creation_survives_each_failed_allocation(void **state)
{
    static char path[64], body[256], key[64];
    const struct step s = {"POST", "/v1/studies", body, 201, 1};
    unsigned long k = 1;
    bool struck = true;

    (void)state;
    for (; struck && k <= MAX_POINTS; k++) {
        snprintf(body, sizeof body,
                 "{\"name\": \"made%lu\", \"solver\": {\"name\": \"sobol\"}, \"space\": [{\"name\": \"x\", \"type\": "
                 "\"float\", \"low\": 0, \"high\": 1}]}",
                 k);
        snprintf(path, sizeof path, "/v1/studies/made%lu", k);
        snprintf(key, sizeof key, "Idempotency-Key: make-%lu\r\n", k);
        zo_fault_alloc_arm(k, false);
        const int status = send_with_key(&s, key, first, sizeof first);
        struck = zo_fault_alloc_disarm();
        if (status != 201 && status != 503 && status != 0)
            fail_msg("allocation %lu: the reply is\n%s", k, first);
        repeat(&s, key, k);
        const char *found = call("GET", path, "");
        if (status_of(found) != 200 || strcmp(body_of(found), body_of(second)) != 0)
            fail_msg("allocation %lu: created\n%s\nfound\n%s", k, second, found);
    }
    assert_false(struck);
    print_message("  POST /v1/studies: %lu points\n", k - 2);
}

/* ---- many clients, so that a failure strikes while other commands are on their way to the disk ---- */

enum { CLIENTS = 4, TELLS = 150 };
static atomic_int clients_left;
static atomic_bool went_wrong;

/* One tell under its key until it is taken. */
static bool tell_once(int client, int i)
{
    char key[64], text[4096];
    const char *body =
        "{\"results\": [{\"params\": {\"x\": 0.5}, \"value\": 1}, {\"params\": {\"x\": 1}, \"value\": 2}]}";

    snprintf(key, sizeof key, "Idempotency-Key: c%d-%d\r\n", client, i);
    for (int k = 0; k < 200; k++) {
        take_reply(send_request("POST", "/v1/studies/many/tell", key, body), REPLY_MS, text, sizeof text);
        if (status_of(text) == 200)
            return true;
        if (status_of(text) != 503 && status_of(text) != 409 && status_of(text) != 0)
            break;
    }
    fprintf(stderr, "client %d, tell %d: %s\n", client, i, text);
    return false;
}

static void *client_main(void *arg)
{
    for (int i = 0; i < TELLS; i++)
        if (!tell_once((int)(intptr_t)arg, i))
            atomic_store(&went_wrong, true);
    atomic_fetch_sub(&clients_left, 1);
    return NULL;
}

static void each_of_many_clients_has_each_effect_once(void **state)
{
    pthread_t threads[CLIENTS];
    char want[64];
    unsigned struck = 0;

    (void)state;
    assert_says(
        call("POST", "/v1/studies",
             "{\"name\": \"many\", \"seed\": 1, \"solver\": {\"name\": \"cma-es\"}, \"space\": [{\"name\": \"x\", "
             "\"type\": \"float\", \"low\": 0, \"high\": 1}]}"),
        "201 Created");
    atomic_store(&clients_left, CLIENTS);
    for (intptr_t i = 0; i < CLIENTS; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, client_main, (void *)i), 0);
    for (uint64_t k = 1; atomic_load(&clients_left) > 0; k = k % 150 + 1) {
        zo_fault_alloc_arm(k, false);
        usleep(2000);
        struck += zo_fault_alloc_disarm();
    }
    for (size_t i = 0; i < CLIENTS; i++)
        pthread_join(threads[i], NULL);
    assert_false(atomic_load(&went_wrong));
    assert_true(struck > 50);
    snprintf(want, sizeof want, "\"complete\":%d,", 2 * CLIENTS * TELLS);
    assert_says(call("GET", "/v1/studies/many", ""), want);
    print_message("  %d clients: %u failed allocations\n", CLIENTS, struck);
}

static int stop_and_replay(void **state);

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_request_survives_each_failed_allocation),
        cmocka_unit_test(every_creation_survives_each_failed_allocation),
        cmocka_unit_test(each_of_many_clients_has_each_effect_once),
    };
    return cmocka_run_group_tests(tests, daemon_start, stop_and_replay);
}

static void print_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_error("%s\n", line);
}

static int stop_and_replay(void **state)
{
    zo_checked all = {.clean = false};
    zo_error err = {0};

    daemon_join();
    if (zo_runtime_check(d.db, print_finding, NULL, &all, &err) != ZO_OK)
        print_error("%s\n", err.message);
    return daemon_clean(state) != 0 || !all.clean;
}
