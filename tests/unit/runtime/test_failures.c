/* What the runtime does when a commit fails, and what a repeated request with an Idempotency-Key meets. */
#include "harness.h"

/* ---- failed commits ---- */
static void a_failed_commit_drops_what_was_built_on_it(void **state)
{
    fx f;
    cmd m, told[5], read, other;
    uint64_t digest;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    create_study(&f, "b", NULL, NULL);
    for (int i = 0; i < 10; i++) {
        cmd_init(&m, &f, act_bring);
        m.value = i;
        assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    }
    digest = look(&f, "a").digest;
    for (int round = 0; round < 5; round++) {
        atomic_store(&disk, DISK_FULL);
        for (int i = 0; i < 5; i++) { /* two in the first batch, the others while it fails or after */
            cmd_init(&told[i], &f, act_bring);
            told[i].value = 100 + i;
            submit(&f, "a", &told[i]);
            if (i == 1)
                uv_run(&f.loop, UV_RUN_NOWAIT);
        }
        cmd_init(&read, &f, act_look);
        submit(&f, "a", &read);
        cmd_init(&other, &f, act_look);
        assert_int_equal(run_on(&f, "b", &other), ZO_OK);
        for (int i = 0; i < 5; i++) {
            fx_wait(&f, &told[i]);
            assert_int_equal(outcome(&told[i]), ZO_EFULL);
        }
        fx_wait(&f, &read);
        if (outcome(&read) == ZO_OK)
            assert_true(read.digest == digest); /* it ran after the reload, or it failed with what it had seen */
        else
            assert_int_equal(outcome(&read), ZO_EFULL);
        atomic_store(&disk, DISK_FINE); /* heals by itself */
        assert_true(look(&f, "a").digest == digest);
        assert_true(zo_runtime_healthy(f.rt));
    }
    cmd_init(&m, &f, act_bring);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    assert_int_equal(m.number, 10); /* the failed ones left no trace */
    digest = look(&f, "a").digest;
    fx_stop(&f);
    fx_start(&f);
    assert_true(look(&f, "a").digest == digest);
    fx_close(&f);
}

static void an_io_error_makes_it_read_only(void **state)
{
    fx f;
    cmd m, write;
    uint64_t digest;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    cmd_init(&m, &f, act_bring);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    digest = look(&f, "a").digest;
    atomic_store(&disk, DISK_BROKEN);
    cmd_init(&m, &f, act_bring);
    assert_int_equal(run_on(&f, "a", &m), ZO_ESTORE);
    assert_false(zo_runtime_healthy(f.rt));
    atomic_store(&disk, DISK_FINE); /* too late: it stays read-only */
    cmd_init(&write, &f, act_bring);
    write.c.is_write = true;
    assert_int_equal(run_on(&f, "a", &write), ZO_ESTORE);
    assert_int_equal(write.runs, 0);
    assert_true(look(&f, "a").digest == digest);
    fx_stop(&f);
    fx_start(&f);
    assert_true(zo_runtime_healthy(f.rt));
    cmd_init(&m, &f, act_bring);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    fx_close(&f);
}

static void a_failed_creation_leaves_nothing(void **state)
{
    fx f;
    cmd make, use, again;

    (void)state;
    fx_open(&f, NULL);
    atomic_store(&disk, DISK_FULL);
    cmd_init(&make, &f, act_create);
    make.name = "a";
    zo_runtime_submit_directory(f.rt, ZO_STUDIES, 1, &make.c);
    fx_wait(&f, &make);
    assert_int_equal(outcome(&make), ZO_EFULL);
    atomic_store(&disk, DISK_FINE);
    cmd_init(&use, &f, act_look);
    assert_int_equal(run_on(&f, "a", &use), ZO_ENOTFOUND);
    cmd_init(&use, &f, act_look);
    assert_int_equal(run_on(&f, make.id, &use), ZO_ENOTFOUND);
    cmd_init(&again, &f, act_create);
    again.name = "a";
    zo_runtime_submit_directory(f.rt, ZO_STUDIES, 1, &again.c);
    fx_wait(&f, &again);
    assert_int_equal(outcome(&again), ZO_OK);
    assert_int_equal(look(&f, "a").n_trials, 0);
    fx_close(&f);
}

static void a_failed_delete_leaves_the_study(void **state)
{
    fx f;
    cmd del, after;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    atomic_store(&disk, DISK_FULL);
    cmd_init(&del, &f, act_delete);
    cmd_init(&after, &f, act_bring);
    submit(&f, "a", &del);
    submit(&f, "a", &after);
    fx_wait(&f, &after);
    assert_int_equal(outcome(&del), ZO_EFULL);
    assert_int_equal(outcome(&after), ZO_EFULL);
    atomic_store(&disk, DISK_FINE);
    cmd_init(&after, &f, act_bring);
    assert_int_equal(run_on(&f, "a", &after), ZO_OK);
    assert_int_equal(after.number, 0);
    fx_close(&f);
}

/* ---- idempotency ---- */
static void act_keyed(cmd *m, zo_ctx *x)
{
    char reply[32];

    act_bring(m, x);
    snprintf(reply, sizeof reply, "trial %d", (int)m->number);
    zo_idempotency r = {.tenant = 1, .key = m->c.idempotency_key, .route = m->c.idempotency_route, .body = m->c.body,
                        .body_bytes = m->c.body_bytes, .status = 200, .headers = "X: 1\n", .reply = reply,
                        .reply_bytes = strlen(reply), .at_ms = x->now.wall_ms};
    if (m->rc == ZO_OK)
        m->rc = zo_ctx_remember(x, &r, &m->err);
}

static void repeat(zo_cmd *c, const zo_idempotency *stored)
{
    cmd *m = (cmd *)(void *)c;
    char text[32];

    m->repeated = true;
    assert_int_equal(stored->status, 200);
    assert_string_equal(stored->headers, "X: 1\n");
    snprintf(text, sizeof text, "%.*s", (int)stored->reply_bytes, stored->reply); /* it has no NUL of its own */
    assert_int_equal(sscanf(text, "trial %" SCNu64, &m->number), 1);
}

static void keyed_init(cmd *m, fx *f, const char *key, const char *body)
{
    cmd_init(m, f, act_keyed);
    m->c.idempotency_key = key;
    m->c.idempotency_route = "POST /x";
    m->c.body = body;
    m->c.body_bytes = strlen(body);
    m->c.repeat = repeat;
}

static void a_key_in_flight_is_refused_and_a_known_one_repeats(void **state)
{
    fx f;
    cmd first, twin, again, other, foreign;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    create_study(&f, "b", NULL, NULL);
    atomic_store(&disk, DISK_HELD);
    keyed_init(&first, &f, "k1", "body");
    submit(&f, "a", &first);
    fx_pump(&f, 50);
    assert_int_equal(first.runs, 1);
    keyed_init(&twin, &f, "k1", "body"); /* on another study, so that it waits for nothing */
    assert_int_equal(run_on(&f, "b", &twin), ZO_ECONFLICT);
    assert_int_equal(twin.runs, 0);
    atomic_store(&disk, DISK_FINE);
    fx_wait(&f, &first);
    assert_int_equal(outcome(&first), ZO_OK);
    for (int i = 0; i < 3; i++) {
        keyed_init(&again, &f, "k1", "body");
        assert_int_equal(run_on(&f, "a", &again), ZO_OK);
        assert_true(again.repeated && again.runs == 0);
        assert_int_equal(again.number, first.number);
        keyed_init(&other, &f, "k1", "another body");
        assert_int_equal(run_on(&f, "a", &other), ZO_EINVAL);
        assert_int_equal(other.runs, 0);
        if (i == 1) {
            fx_stop(&f);
            fx_start(&f);
        }
    }
    keyed_init(&foreign, &f, "k2", "body");
    assert_int_equal(run_on(&f, "a", &foreign), ZO_OK);
    assert_int_equal(foreign.runs, 1);
    assert_int_equal(look(&f, "a").n_trials, 2);
    fx_close(&f);
}

static void a_key_whose_commit_failed_is_free_again(void **state)
{
    fx f;
    cmd first, again;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    atomic_store(&disk, DISK_FULL);
    keyed_init(&first, &f, "k", "body");
    assert_int_equal(run_on(&f, "a", &first), ZO_EFULL);
    atomic_store(&disk, DISK_FINE);
    keyed_init(&again, &f, "k", "body");
    assert_int_equal(run_on(&f, "a", &again), ZO_OK);
    assert_int_equal(again.runs, 1);
    assert_int_equal(look(&f, "a").n_trials, 1);
    fx_close(&f);
}

static void an_effect_whose_reply_is_not_remembered_does_not_stay(void **state)
{
    fx f;
    cmd before, beside, forgetful, after, again;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    atomic_store(&disk, DISK_HELD);
    cmd_init(&before, &f, act_bring);
    submit(&f, "a", &before);
    fx_pump(&f, 50);
    cmd_init(&beside, &f, act_bring);
    submit(&f, "a", &beside);
    keyed_init(&forgetful, &f, "k", "body");
    forgetful.act = act_bring; /* as when there is no memory for the reply */
    submit(&f, "a", &forgetful);
    fx_wait(&f, &forgetful); /* without the disk */
    assert_int_equal(outcome(&forgetful), ZO_ENOMEM);
    fx_wait(&f, &beside);
    assert_int_equal(outcome(&beside), ZO_ENOMEM); /* its turn was the same */
    cmd_init(&after, &f, act_bring);
    submit(&f, "a", &after);
    fx_pump(&f, 50);
    assert_int_equal(after.runs, 0); /* the log does not have the first one yet */
    assert_false(is_finished(&f, &before));
    atomic_store(&disk, DISK_FINE);
    fx_wait(&f, &after);
    assert_int_equal(outcome(&before), ZO_OK);
    assert_int_equal(outcome(&after), ZO_OK);
    assert_int_equal(after.number, 1);
    keyed_init(&again, &f, "k", "body");
    assert_int_equal(run_on(&f, "a", &again), ZO_OK);
    assert_int_equal(again.runs, 1);
    assert_int_equal(again.number, 2);
    fx_close(&f);
}

static void a_creation_whose_reply_is_not_remembered_does_not_stay(void **state)
{
    fx f;
    cmd make, use;

    (void)state;
    fx_open(&f, NULL);
    keyed_init(&make, &f, "k", "body");
    make.act = act_create;
    make.name = "a";
    zo_runtime_submit_directory(f.rt, ZO_STUDIES, 1, &make.c);
    fx_wait(&f, &make);
    assert_int_equal(outcome(&make), ZO_ENOMEM);
    cmd_init(&use, &f, act_look);
    assert_int_equal(run_on(&f, "a", &use), ZO_ENOTFOUND);
    create_study(&f, "a", NULL, NULL);
    fx_close(&f);
}

static void many_twins_have_one_effect(void **state)
{
    enum { TWINS = 40, KEYS = 25 };
    fx f;
    cmd *m = calloc(TWINS * KEYS, sizeof *m);
    char keys[KEYS][8];

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    for (int k = 0; k < KEYS; k++) {
        snprintf(keys[k], sizeof keys[k], "k%d", k);
        for (int i = 0; i < TWINS; i++) {
            keyed_init(&m[k * TWINS + i], &f, keys[k], "body");
            submit(&f, "a", &m[k * TWINS + i]);
            if (i % 10 == 0)
                fx_pump(&f, 1);
        }
    }
    for (int i = 0; i < TWINS * KEYS; i++) {
        fx_wait(&f, &m[i]);
        if (i % TWINS)
            assert_true(outcome(&m[i]) == ZO_ECONFLICT || (m[i].repeated && outcome(&m[i]) == ZO_OK));
    }
    assert_int_equal(look(&f, "a").n_trials, KEYS);
    free(m);
    fx_close(&f);
}

/* ---- rows ---- */
static void act_retitle(cmd *m, zo_ctx *x)
{
    m->rc = zo_ctx_update_row(x, "new title", "{\"k\": 1}", &m->err);
}
static void act_title(cmd *m, zo_ctx *x)
{
    m->rc = x->row->title && strcmp(x->row->title, "new title") == 0 && strcmp(x->row->metadata, "{\"k\": 1}") == 0 ? ZO_OK : ZO_EINTERNAL;
    m->seq = x->row->revision;
}

static void a_row_is_updated_with_its_record(void **state)
{
    fx f;
    cmd m;
    uint64_t revision;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    cmd_init(&m, &f, act_retitle);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    cmd_init(&m, &f, act_title);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    revision = m.seq;
    assert_true(revision > 0);
    fx_stop(&f);
    fx_start(&f);
    cmd_init(&m, &f, act_title);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    assert_int_equal(m.seq, revision);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_failed_commit_drops_what_was_built_on_it),
        cmocka_unit_test(an_io_error_makes_it_read_only),
        cmocka_unit_test(a_failed_creation_leaves_nothing),
        cmocka_unit_test(a_failed_delete_leaves_the_study),
        cmocka_unit_test(a_key_in_flight_is_refused_and_a_known_one_repeats),
        cmocka_unit_test(a_key_whose_commit_failed_is_free_again),
        cmocka_unit_test(an_effect_whose_reply_is_not_remembered_does_not_stay),
        cmocka_unit_test(a_creation_whose_reply_is_not_remembered_does_not_stay),
        cmocka_unit_test(many_twins_have_one_effect),
        cmocka_unit_test(a_row_is_updated_with_its_record),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
