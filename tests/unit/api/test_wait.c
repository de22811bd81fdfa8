/* The long-poll: an ask that waits until its solver can go on. The catalogue's solvers never wait, so this file
 * replaces the registry at link time by one solver that gives one trial and then waits for its result. The daemon is
 * whole: HTTP, API, runtime, store. */
#include "unit/api/daemon.h"

#include "base/clock.h"

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
    return cmocka_run_group_tests(tests, daemon_start, daemon_stop);
}
