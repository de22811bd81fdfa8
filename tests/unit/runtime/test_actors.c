/* Actors, replies and the log; parked commands; the directory; eviction; admission; timers. */
#include "harness.h"

enum { MANY = 500 };

/* ---- order ---- */
static uint64_t seen_seq;
static void act_bring_in_order(cmd *m, zo_ctx *x)
{
    act_bring(m, x);
    if (m->seq <= seen_seq || m->number != (uint64_t)m->value) /* the k-th submitted is the k-th trial */
        m->rc = ZO_EINTERNAL;
    seen_seq = m->seq;
}

static void commands_of_a_study_run_and_finish_in_order(void **state)
{
    fx f;
    cmd *m = calloc(MANY, sizeof *m);
    char id[32];

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, id);
    seen_seq = 0;
    for (int i = 0; i < MANY; i++) {
        cmd_init(&m[i], &f, act_bring_in_order);
        m[i].value = i;
        submit(&f, i % 2 ? "a" : id, &m[i]); /* by name and by id: one actor */
        if (i % 50 == 0)
            uv_run(&f.loop, UV_RUN_NOWAIT);
    }
    fx_wait(&f, &m[MANY - 1]);
    for (int i = 0; i < MANY; i++) {
        assert_int_equal(outcome(&m[i]), ZO_OK);
        assert_int_equal(m[i].order, m[0].order + (unsigned)i);
    }
    assert_int_equal(look(&f, "a").n_trials, MANY);
    free(m);
    fx_close(&f);
}

static void no_reply_runs_ahead_of_the_log(void **state)
{
    fx f;
    cmd tell, read, other, later;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    create_study(&f, "b", NULL, NULL);
    atomic_store(&disk, DISK_HELD);
    cmd_init(&tell, &f, act_bring);
    cmd_init(&read, &f, act_look);
    cmd_init(&other, &f, act_look);
    cmd_init(&later, &f, act_bring);
    submit(&f, "a", &tell);
    submit(&f, "a", &read);
    submit(&f, "b", &other);
    fx_wait(&f, &other); /* another study's read waits for nothing */
    fx_pump(&f, 100);
    submit(&f, "a", &later);
    fx_pump(&f, 100);
    assert_true(tell.runs == 1 && read.runs == 1 && later.runs == 1); /* the actor did not wait for the disk */
    assert_false(is_finished(&f, &tell));
    assert_false(is_finished(&f, &read));
    assert_false(is_finished(&f, &later));
    atomic_store(&disk, DISK_FINE);
    fx_wait(&f, &later);
    assert_true(tell.finished && read.finished);
    assert_true(tell.order < read.order && read.order < later.order);
    assert_int_equal(read.seq, tell.seq);
    fx_close(&f);
}

/* ---- parked commands ---- */
static zo_step step_until_three(cmd *m, zo_ctx *x) /* done when the study has three trials */
{
    m->n_trials = zo_study_n_trials(x->study);
    if (m->n_trials >= 3 || x->timed_out || x->gone)
        return ZO_STEP_DONE;
    return ZO_STEP_WAIT;
}

static void a_parked_command_runs_again_after_each_change(void **state)
{
    fx f;
    cmd wait, bring[3], read;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    cmd_init(&wait, &f, NULL);
    wait.step = step_until_three;
    wait.c.wait_until_ms = zo_clock_mono_ms() + 20000;
    submit(&f, "a", &wait);
    cmd_init(&read, &f, act_look);
    assert_int_equal(run_on(&f, "a", &read), ZO_OK);
    assert_int_equal(wait.runs, 1); /* a read changes nothing */
    for (int i = 0; i < 3; i++) {
        assert_false(is_finished(&f, &wait));
        cmd_init(&bring[i], &f, act_bring);
        assert_int_equal(run_on(&f, "a", &bring[i]), ZO_OK);
    }
    fx_wait(&f, &wait);
    assert_int_equal(wait.n_trials, 3);
    assert_int_equal(wait.runs, 4);
    assert_false(wait.timed_out);
    assert_true(wait.order > bring[1].order); /* it saw the third, so it waited for its commit */
    fx_close(&f);
}

static void a_parked_command_ends_at_its_time_or_when_its_client_leaves(void **state)
{
    fx f;
    cmd late, left;
    int64_t start;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    start = zo_clock_mono_ms();
    cmd_init(&late, &f, NULL);
    late.step = step_until_three;
    late.c.wait_until_ms = start + 150;
    cmd_init(&left, &f, NULL);
    left.step = step_until_three;
    left.c.wait_until_ms = start + 20000;
    submit(&f, "a", &late);
    submit(&f, "a", &left);
    fx_wait(&f, &late);
    assert_true(late.timed_out && zo_clock_mono_ms() - start >= 150 && zo_clock_mono_ms() - start < 5000);
    assert_false(is_finished(&f, &left));
    zo_runtime_gone(f.rt, &left.c);
    fx_wait(&f, &left);
    assert_true(left.gone);
    zo_runtime_gone(f.rt, &left.c); /* harmless once finished */
    fx_close(&f);
}

static void drain_ends_waiting_and_refuses_what_comes(void **state)
{
    fx f;
    cmd wait, late;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, NULL);
    cmd_init(&wait, &f, NULL);
    wait.step = step_until_three;
    wait.c.wait_until_ms = zo_clock_mono_ms() + 20000;
    submit(&f, "a", &wait);
    fx_pump(&f, 20);
    zo_runtime_wake_parked(f.rt);
    fx_wait(&f, &wait);
    assert_true(wait.timed_out);
    assert_true(zo_runtime_healthy(f.rt));
    zo_runtime_drain(f.rt, on_drained, &f);
    assert_false(zo_runtime_healthy(f.rt));
    assert_string_equal(zo_runtime_unhealthy_reason(f.rt), "draining");
    cmd_init(&late, &f, act_look);
    assert_int_equal(run_on(&f, "a", &late), ZO_EBUSY);
    assert_int_equal(late.runs, 0);
    while (!f.drained)
        uv_run(&f.loop, UV_RUN_ONCE);
    fx_close(&f);
}

/* ---- the directory ---- */
static void a_study_is_found_by_id_and_name_after_a_restart(void **state)
{
    fx f;
    cmd m[8], none;
    char id[32];
    uint64_t digest;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, id);
    for (int i = 0; i < 8; i++) {
        cmd_init(&m[i], &f, act_bring);
        m[i].value = i;
        assert_int_equal(run_on(&f, "a", &m[i]), ZO_OK);
    }
    digest = look(&f, "a").digest;
    for (int round = 0; round < 20; round++) {
        fx_stop(&f);
        fx_start(&f);
        for (int i = 0; i < 8; i++) { /* both keys at once, before either is known */
            cmd_init(&m[i], &f, act_look);
            submit(&f, (i + round) % 2 ? id : "a", &m[i]);
        }
        for (int i = 0; i < 8; i++) {
            fx_wait(&f, &m[i]);
            assert_int_equal(outcome(&m[i]), ZO_OK);
            assert_string_equal(m[i].id, id);
            assert_true(m[i].digest == digest);
        }
    }
    for (int i = 0; i < 3; i++) {
        static const char *const unknown[] = {"nobody", "st_aaaaaaaaaaaaaaaaaaaaaaaaaa", "a/b"};

        cmd_init(&none, &f, act_look);
        assert_int_equal(run_on(&f, unknown[i], &none), ZO_ENOTFOUND);
        assert_int_equal(none.runs, 0);
    }
    fx_close(&f);
}

static void a_name_is_taken_from_the_moment_of_its_creation(void **state)
{
    fx f;
    cmd m[20], use;
    unsigned made = 0, refused = 0;
    const char *id = NULL;

    (void)state;
    fx_open(&f, NULL);
    atomic_store(&disk, DISK_HELD);
    for (int i = 0; i < 20; i++) {
        cmd_init(&m[i], &f, act_create);
        m[i].name = "same";
        zo_runtime_submit_directory(f.rt, ZO_STUDIES, 1, &m[i].c);
        if (i % 7 == 0)
            fx_pump(&f, 20);
    }
    fx_pump(&f, 50);
    cmd_init(&use, &f, act_bring); /* of a study that is not durable yet */
    submit(&f, "same", &use);
    fx_pump(&f, 50);
    assert_int_equal(f.n_finished, 0);
    atomic_store(&disk, DISK_FINE);
    fx_wait(&f, &use);
    assert_int_equal(outcome(&use), ZO_OK);
    for (int i = 0; i < 20; i++) {
        fx_wait(&f, &m[i]);
        if (outcome(&m[i]) == ZO_OK) {
            made++;
            id = m[i].id;
        } else {
            refused += outcome(&m[i]) == ZO_ECONFLICT;
        }
    }
    assert_int_equal(made, 1);
    assert_int_equal(refused, 19);
    for (int i = 0; i < 20; i++)
        assert_string_equal(m[i].id, id);
    assert_string_equal(look(&f, "same").id, id);
    fx_close(&f);
}

static void a_deleted_study_is_not_found_and_its_name_is_free(void **state)
{
    fx f;
    cmd del, after[10], wait;
    char first[32], second[32];

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", NULL, first);
    cmd_init(&wait, &f, NULL);
    wait.step = step_until_three;
    wait.c.wait_until_ms = zo_clock_mono_ms() + 20000;
    submit(&f, "a", &wait);
    fx_pump(&f, 20);
    cmd_init(&del, &f, act_delete);
    submit(&f, "a", &del);
    for (int i = 0; i < 10; i++) {
        cmd_init(&after[i], &f, act_bring);
        submit(&f, i % 2 ? "a" : first, &after[i]);
    }
    fx_wait(&f, &del);
    assert_int_equal(outcome(&del), ZO_OK);
    for (int i = 0; i < 10; i++) {
        fx_wait(&f, &after[i]);
        assert_int_equal(outcome(&after[i]), ZO_ENOTFOUND);
    }
    fx_wait(&f, &wait);
    assert_int_equal(outcome(&wait), ZO_ENOTFOUND);
    create_study(&f, "a", NULL, second);
    assert_string_not_equal(first, second);
    assert_string_equal(look(&f, "a").id, second);
    fx_close(&f);
}

/* ---- eviction ---- */
static void an_evicted_study_comes_back_equal(void **state)
{
    zo_runtime_opts o = {.evict_idle_s = 1, .snapshot_every_events = 100};
    fx f;
    cmd m, before, after;

    (void)state;
    fx_open(&f, &o);
    create_study(&f, "a", NULL, NULL);
    for (int i = 0; i < 150; i++) {
        cmd_init(&m, &f, act_ask);
        assert_int_equal(run_on(&f, "a", &m), ZO_OK);
        uint64_t number = m.number;
        cmd_init(&m, &f, act_tell);
        m.number = number;
        m.value = cos(i);
        assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    }
    before = look(&f, "a");
    int64_t end = zo_clock_mono_ms() + 10000;
    uint64_t evictions = atomic_load(&zo_metric.evictions.n);
    while (atomic_load(&zo_metric.resident_studies.n) > 0 && zo_clock_mono_ms() < end)
        fx_pump(&f, 20);
    assert_int_equal(atomic_load(&zo_metric.resident_studies.n), 0);
    assert_true(atomic_load(&zo_metric.evictions.n) > evictions);
    assert_int_equal(atomic_load(&zo_metric.live_studies.n), 1); /* only the tenant's directory is left */
    after = look(&f, "a");
    assert_true(after.digest == before.digest);
    assert_int_equal(after.seq, before.seq);
    fx_close(&f);
}

static void memory_is_bounded_by_eviction_and_nothing_is_lost(void **state)
{
    enum { STUDIES = 40, ROUNDS = 12 };
    zo_runtime_opts o = {.max_resident_bytes = 100000, .snapshot_every_events = 200};
    fx f;
    cmd *m = calloc(STUDIES * ROUNDS, sizeof *m);
    uint64_t digests[STUDIES];
    char name[16];

    (void)state;
    fx_open(&f, &o);
    for (int s = 0; s < STUDIES; s++) {
        snprintf(name, sizeof name, "s%d", s);
        create_study(&f, name, NULL, NULL);
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int s = 0; s < STUDIES; s++) {
            cmd *c = &m[r * STUDIES + s];

            cmd_init(c, &f, r % 2 ? act_ask : act_bring); /* leases too: such studies are evicted last */
            c->count = 10;
            c->value = r;
            snprintf(name, sizeof name, "s%d", s);
            submit(&f, name, c);
        }
        fx_pump(&f, 10);
    }
    for (int i = 0; i < STUDIES * ROUNDS; i++) {
        fx_wait(&f, &m[i]);
        assert_int_equal(outcome(&m[i]), ZO_OK);
    }
    int64_t end = zo_clock_mono_ms() + 10000;
    while (atomic_load(&zo_metric.resident_studies.n) >= STUDIES && zo_clock_mono_ms() < end)
        fx_pump(&f, 20);
    assert_true(atomic_load(&zo_metric.resident_studies.n) < STUDIES);
    for (int s = 0; s < STUDIES; s++) {
        snprintf(name, sizeof name, "s%d", s);
        cmd l = look(&f, name);
        digests[s] = l.digest;
        assert_int_equal(l.n_trials, ROUNDS / 2 + 10 * ROUNDS / 2);
    }
    fx_stop(&f);
    fx_start(&f);
    for (int s = 0; s < STUDIES; s++) {
        snprintf(name, sizeof name, "s%d", s);
        assert_true(look(&f, name).digest == digests[s]);
    }
    free(m);
    fx_close(&f);
}

/* ---- admission ---- */
static void queues_are_bounded(void **state)
{
    zo_runtime_opts o = {.max_study_commands = 10, .max_commands = 15, .max_command_bytes = 5000};
    fx f;
    cmd a[11], b[6], big;

    (void)state;
    fx_open(&f, &o);
    create_study(&f, "a", NULL, NULL);
    create_study(&f, "b", NULL, NULL);
    atomic_store(&disk, DISK_HELD);
    for (int i = 0; i < 11; i++) {
        cmd_init(&a[i], &f, act_bring);
        submit(&f, "a", &a[i]);
    }
    fx_wait(&f, &a[10]);
    assert_int_equal(outcome(&a[10]), ZO_EBUSY);
    assert_int_equal(a[10].runs, 0);
    cmd_init(&big, &f, act_bring);
    big.c.bytes = 4500;
    assert_int_equal(run_on(&f, "b", &big), ZO_EBUSY);
    for (int i = 0; i < 6; i++) {
        cmd_init(&b[i], &f, act_bring);
        submit(&f, "b", &b[i]);
    }
    fx_wait(&f, &b[5]);
    assert_int_equal(outcome(&b[5]), ZO_EBUSY);
    atomic_store(&disk, DISK_FINE);
    for (int i = 0; i < 10; i++) {
        fx_wait(&f, &a[i]);
        assert_int_equal(outcome(&a[i]), ZO_OK);
    }
    for (int i = 0; i < 5; i++) {
        fx_wait(&f, &b[i]);
        assert_int_equal(outcome(&b[i]), ZO_OK);
    }
    cmd_init(&big, &f, act_bring);
    big.c.bytes = 4500;
    assert_int_equal(run_on(&f, "b", &big), ZO_OK); /* room again */
    fx_close(&f);
}

/* ---- leases ---- */
static zo_trial_state trial_state;
static void act_state(cmd *m, zo_ctx *x)
{
    zo_trial t;

    m->rc = zo_study_trial(x->study, m->number, &t) ? ZO_OK : ZO_ENOTFOUND;
    trial_state = t.state;
    m->seq = zo_study_seq(x->study);
}

static void wait_for_expiry(fx *f, uint64_t before)
{
    int64_t end = zo_clock_mono_ms() + 20000;

    while (atomic_load(&zo_metric.expiries.n) == before && zo_clock_mono_ms() < end)
        fx_pump(f, 5);
}

static void a_lease_expires_by_itself(void **state)
{
    fx f;
    cmd m;
    int64_t start;
    uint64_t expiries = atomic_load(&zo_metric.expiries.n);

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", short_lease_text, NULL);
    start = zo_clock_mono_ms();
    cmd_init(&m, &f, act_ask);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    assert_int_equal(m.number, 0);
    wait_for_expiry(&f, expiries); /* nobody asks: the timer does it */
    assert_true(zo_clock_mono_ms() - start >= 1000);
    assert_int_equal(atomic_load(&zo_metric.expiries.n), expiries + 1);
    cmd_init(&m, &f, act_state);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    assert_int_equal(trial_state, ZO_TRIAL_FAILED);
    /* the expiry is in the log */
    uint64_t digest = look(&f, "a").digest;
    fx_stop(&f);
    fx_start(&f);
    assert_true(look(&f, "a").digest == digest);
    fx_close(&f);
}

static void a_running_trial_gets_a_new_lease_after_a_restart(void **state)
{
    fx f;
    cmd m;
    uint64_t expiries;
    int64_t start;

    (void)state;
    fx_open(&f, NULL);
    create_study(&f, "a", short_lease_text, NULL);
    cmd_init(&m, &f, act_ask);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    fx_stop(&f);
    nap_ms(999);
    nap_ms(200); /* the first lease would be over */
    expiries = atomic_load(&zo_metric.expiries.n);
    fx_start(&f);
    start = zo_clock_mono_ms();
    cmd_init(&m, &f, act_look); /* loads it */
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    wait_for_expiry(&f, expiries);
    assert_true(zo_clock_mono_ms() - start >= 1000);
    cmd_init(&m, &f, act_state);
    assert_int_equal(run_on(&f, "a", &m), ZO_OK);
    assert_int_equal(trial_state, ZO_TRIAL_FAILED);
    fx_close(&f);
}

/* ---- many studies at once ---- */
static void a_thousand_studies_interleave(void **state)
{
    enum { STUDIES = 1000, ROUNDS = 8 };
    zo_runtime_opts o = {.max_resident_bytes = 4 << 20, .snapshot_every_events = 70, .max_commands = 100000, .workers = 4};
    fx f;
    cmd *m = calloc(STUDIES * ROUNDS, sizeof *m), *made = calloc(STUDIES, sizeof *made);
    char(*names)[16] = calloc(STUDIES, sizeof *names);

    (void)state;
    fx_open(&f, &o);
    for (int s = 0; s < STUDIES; s++) {
        snprintf(names[s], sizeof names[s], "s%d", s);
        cmd_init(&made[s], &f, act_create);
        made[s].name = names[s];
        zo_runtime_submit_directory(f.rt, ZO_STUDIES, 1, &made[s].c);
        if (s % 500 == 499) /* within the bound of one actor */
            fx_wait(&f, &made[s]);
    }
    for (int r = 0; r < ROUNDS; r++) {
        for (int s = 0; s < STUDIES; s++) {
            cmd *c = &m[r * STUDIES + s];

            cmd_init(c, &f, r % 3 == 1 ? act_look : r % 3 == 2 ? act_ask : act_bring);
            c->value = r;
            submit(&f, (r + s) % 2 ? names[s] : made[s].id, c);
            if (s % 100 == 0)
                uv_run(&f.loop, UV_RUN_NOWAIT);
        }
    }
    for (int i = 0; i < STUDIES * ROUNDS; i++) {
        fx_wait(&f, &m[i]);
        assert_int_equal(outcome(&m[i]), ZO_OK);
        if (i >= 2 * STUDIES) { /* per study and key they ran in order, also across evictions */
            const uint64_t before = m[i - 2 * STUDIES].seq;
            assert_true(m[i].act == act_look ? m[i].seq >= before : m[i].seq > before);
        }
    }
    for (int s = 0; s < STUDIES; s += 37) {
        cmd l = look(&f, names[s]);
        assert_int_equal(l.n_trials, 5); /* rounds 0, 2, 3, 5, 6 */
    }
    free(m);
    free(made);
    free(names);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(commands_of_a_study_run_and_finish_in_order),
        cmocka_unit_test(no_reply_runs_ahead_of_the_log),
        cmocka_unit_test(a_parked_command_runs_again_after_each_change),
        cmocka_unit_test(a_parked_command_ends_at_its_time_or_when_its_client_leaves),
        cmocka_unit_test(drain_ends_waiting_and_refuses_what_comes),
        cmocka_unit_test(a_study_is_found_by_id_and_name_after_a_restart),
        cmocka_unit_test(a_name_is_taken_from_the_moment_of_its_creation),
        cmocka_unit_test(a_deleted_study_is_not_found_and_its_name_is_free),
        cmocka_unit_test(an_evicted_study_comes_back_equal),
        cmocka_unit_test(memory_is_bounded_by_eviction_and_nothing_is_lost),
        cmocka_unit_test(queues_are_bounded),
        cmocka_unit_test(a_lease_expires_by_itself),
        cmocka_unit_test(a_running_trial_gets_a_new_lease_after_a_restart),
        cmocka_unit_test(a_thousand_studies_interleave),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
