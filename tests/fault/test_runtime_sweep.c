/* n-th failure sweeps over runtime, engine and store together: a script of about 60 commands, and the k-th allocation,
 * write, sync ... fails, once or for good. Whatever fails: no crash, no leak, every command is answered; what was
 * acknowledged is in the log, what was not is there once at most, and a keyed command sent again until it is
 * acknowledged has exactly one effect. Unless a failed write or sync made the store read-only, the same runtime goes on
 * by itself. ZEROTH_DEEP=1 takes every point. */
#include "fault/runtime_fx.h"

enum { BRINGS = 16, PAIRS = 10, SAMPLED = 25 };

typedef struct script {
    bool started;
    bool made; /* study "a" is acknowledged */
    zo_status bring[BRINGS], tell[PAIRS], ask[PAIRS];
    uint64_t number[PAIRS]; /* of the trial asked */
    unsigned n_asked_least, n_asked_most;
    zo_status make_b, del_b;
    bool wrong; /* an answer that no fault explains */
    char first[600];
} script;

static double bring_value(int i)
{
    return 1000.0 + i;
}
static double tell_value(int i)
{
    return 2000.0 + i;
}
static bool keyed(int i)
{
    return i % 2 == 0;
}

static zo_status note(script *s, const cmd *m)
{
    const zo_status rc = outcome(m);
    const zo_error *e = m->c.status != ZO_OK ? &m->c.err : &m->err;

    if (rc == ZO_OK)
        return rc;
    if (!s->first[0])
        snprintf(s->first, sizeof s->first, "%d: %s", (int)rc, e->message);
    if (rc != ZO_EFULL && rc != ZO_ESTORE && rc != ZO_ENOMEM && rc != ZO_EBUSY && rc != ZO_EINTERNAL &&
        !(rc == ZO_ENOTFOUND && !s->made))
        s->wrong = true;
    return rc;
}

static void bring_init(cmd *m, fx *f, int i, char key[16])
{
    cmd_init(m, f, act_bring_keyed);
    m->value = bring_value(i);
    if (keyed(i)) {
        snprintf(key, 16, "bring-%d", i);
        key_set(m, key);
    }
}

/* Four at once, so that a record waits while another flies. */
static void bring_four(fx *f, script *s, int first)
{
    cmd m[4];
    char keys[4][16];

    for (int i = 0; i < 4; i++) {
        bring_init(&m[i], f, first + i, keys[i]);
        submit(f, "a", &m[i]);
    }
    for (int i = 0; i < 4; i++) {
        fx_wait(f, &m[i]);
        s->bring[first + i] = note(s, &m[i]);
    }
}

static void ask_and_tell(fx *f, script *s, int i)
{
    cmd m;

    cmd_init(&m, f, act_ask);
    m.count = 2;
    s->ask[i] = run_on(f, "a", &m);
    note(s, &m);
    s->n_asked_most += 2;
    if (s->ask[i] != ZO_OK || m.count == 0)
        return;
    s->n_asked_least += (unsigned)m.count;
    s->number[i] = m.number;
    cmd_init(&m, f, act_tell);
    m.number = s->number[i];
    m.value = tell_value(i);
    run_on(f, "a", &m);
    s->tell[i] = note(s, &m);
}

static void act_retitle(cmd *m, zo_ctx *x)
{
    m->rc = zo_ctx_update_row(x, "title", "{}", &m->err);
}

static zo_step step_wait_once(cmd *m, zo_ctx *x)
{
    m->rc = ZO_OK;
    return m->runs > 1 || x->timed_out ? ZO_STEP_DONE : ZO_STEP_WAIT;
}

static zo_status make(fx *f, script *s, const char *name, const char *key)
{
    cmd m;

    cmd_init(&m, f, act_create_keyed);
    m.name = name;
    key_set(&m, key);
    zo_runtime_submit_directory(f->rt, ZO_STUDIES, 1, &m.c);
    fx_wait(f, &m);
    if (outcome(&m) == ZO_ECONFLICT) /* never: its key says that it is ours */
        s->wrong = true;
    return note(s, &m);
}

static void run_script(fx *f, script *s)
{
    zo_error err = {0};
    cmd m, wait;

    for (int i = 0; i < BRINGS; i++)
        s->bring[i] = ZO_EBUSY; /* not tried */
    for (int i = 0; i < PAIRS; i++)
        s->tell[i] = s->ask[i] = ZO_EBUSY;
    s->make_b = s->del_b = ZO_EBUSY;
    f->opts.max_resident_bytes = 1; /* each use of the other study evicts this one */
    f->opts.snapshot_every_events = 30;
    f->opts.workers = f->opts.long_workers = 1;
    f->store_opts.wal_passive_bytes = 48 << 10;
    f->store_opts.wal_restart_bytes = 96 << 10;
    if (fx_try_start(f, &err) != ZO_OK) {
        snprintf(s->first, sizeof s->first, "start: %s", err.message);
        return;
    }
    s->started = true;
    s->made = make(f, s, "a", "make-a") == ZO_OK;
    if (!s->made)
        return;
    cmd_init(&wait, f, NULL);
    wait.step = step_wait_once;
    wait.c.wait_until_ms = zo_clock_mono_ms() + 10000;
    submit(f, "a", &wait);
    for (int i = 0; i < PAIRS / 2; i++)
        ask_and_tell(f, s, i);
    bring_four(f, s, 0);
    if (is_finished(f, &wait))
        note(s, &wait);
    s->make_b = make(f, s, "b", "make-b");
    bring_four(f, s, 4);
    cmd_init(&m, f, act_retitle);
    run_on(f, "a", &m);
    note(s, &m);
    if (s->make_b == ZO_OK) {
        cmd_init(&m, f, act_look); /* evicts a */
        run_on(f, "b", &m);
        note(s, &m);
    }
    for (int i = PAIRS / 2; i < PAIRS; i++)
        ask_and_tell(f, s, i);
    if (s->make_b == ZO_OK) {
        cmd_init(&m, f, act_delete);
        s->del_b = run_on(f, "b", &m);
        note(s, &m);
    }
    bring_four(f, s, 8);
    bring_four(f, s, 12);
    if (!is_finished(f, &wait)) { /* no change came through */
        zo_runtime_wake_parked(f->rt);
        fx_wait(f, &wait);
    }
}

/* The fault is gone. Send again what has a key. */
static void go_on(fx *f, script *s)
{
    const bool writable = zo_store_writable(f->store);

    s->wrong = false;
    if (!s->made)
        s->made = make(f, s, "a", "make-a") == ZO_OK;
    if (!writable) {
        assert_false(zo_runtime_healthy(f->rt));
        return;
    }
    if (!s->made)
        fail_msg("a writable store refuses a study: %s", s->first);
    for (int i = 0; i < BRINGS; i++) {
        char key[16];
        cmd m;

        if (!keyed(i))
            continue;
        bring_init(&m, f, i, key);
        if (run_on(f, "a", &m) != ZO_OK)
            fail_msg("a writable store refuses a command: %s; first was %s", m.c.err.message, s->first);
        if (s->bring[i] == ZO_OK)
            assert_true(m.repeated);
        s->bring[i] = ZO_OK;
    }
}

static census held;
static void act_census(cmd *m, zo_ctx *x)
{
    census_of(x->study, &held);
    m->digest = zo_study_digest(x->study);
    m->rc = ZO_OK;
}

static void compare(const script *s)
{
    unsigned asked = 0;

    for (int i = 0; i < BRINGS; i++) {
        const unsigned n = census_count(&held, bring_value(i));

        if (n > 1 || (s->bring[i] == ZO_OK && n != 1))
            fail_msg("bring %d (answer %d): %u effects; after: %s", i, (int)s->bring[i], n, s->first);
    }
    for (int i = 0; i < PAIRS; i++)
        if (s->tell[i] == ZO_OK) {
            assert_true(s->number[i] < held.n);
            if (held.t[s->number[i]].state != ZO_TRIAL_COMPLETE || held.t[s->number[i]].value != tell_value(i))
                fail_msg("tell %d is lost; after: %s", i, s->first);
        }
    for (uint64_t i = 0; i < held.n; i++)
        asked += held.t[i].state == ZO_TRIAL_RUNNING || (held.t[i].value >= 2000 && held.t[i].value < 3000);
    if (asked < s->n_asked_least || asked > s->n_asked_most)
        fail_msg("%u trials asked, acknowledged %u of %u; after: %s", asked, s->n_asked_least, s->n_asked_most,
                 s->first);
}

static void on_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_message("check: %s\n", line);
}

static void verify(fx *f, const script *s, bool memory_too)
{
    bool clean = false;
    zo_checked all = {.clean = false};
    zo_error err = {0};
    cmd m, b;
    uint64_t digest = 0;

    if (memory_too) { /* what the disturbed runtime shows is what the log holds */
        cmd_init(&m, f, act_census);
        if (run_on(f, "a", &m) == ZO_OK) {
            compare(s);
            if (zo_store_writable(f->store)) /* else a commit whose sync failed may turn up in the log after all */
                digest = m.digest;
        } else {
            assert_false(zo_store_writable(f->store) && s->made);
        }
    }
    if (s->started)
        fx_stop(f);
    f->store_opts.vfs = NULL;
    if (access(f->path, F_OK) != 0) {
        assert_false(s->made);
        return;
    }
    if (zo_store_check(f->path, on_finding, NULL, &clean, &err) != ZO_OK || !clean)
        fail_msg("check: %s; after: %s", err.message, s->first);
    fx_start(f); /* finishes a creation that was cut short */
    cmd_init(&m, f, act_census);
    const zo_status rc = run_on(f, "a", &m);
    if (rc == ZO_OK) {
        compare(s);
        if (digest && digest != m.digest)
            fail_msg("the log holds another study than was shown; after: %s", s->first);
        cmd_init(&m, f, act_bring);
        assert_int_equal(run_on(f, "a", &m), ZO_OK);
    } else {
        assert_int_equal(rc, ZO_ENOTFOUND);
        assert_false(s->made);
    }
    cmd_init(&b, f, act_look);
    const zo_status b_is = run_on(f, "b", &b);
    assert_true(b_is == ZO_OK || b_is == ZO_ENOTFOUND);
    if (s->del_b == ZO_OK)
        assert_int_equal(b_is, ZO_ENOTFOUND);
    else if (s->make_b == ZO_OK && s->del_b == ZO_EBUSY)
        assert_int_equal(b_is, ZO_OK);
    fx_stop(f);
    if (zo_runtime_check(f->path, on_finding, NULL, &all, &err) != ZO_OK || !all.clean)
        fail_msg("replay: %s; after: %s", err.message, s->first);
}

static bool run(const sweep *w, uint64_t k, uint64_t *points)
{
    fx f;
    script s = {0};
    bool struck;

    fx_init(&f, NULL);
    f.store_opts.vfs = sweep_vfs(w);
    sweep_arm(w, k);
    run_script(&f, &s);
    struck = sweep_disarm(w, points);
    if (s.wrong)
        fail_msg("%s %llu: a wrong answer: %s", w->name, (unsigned long long)k, s.first);
    if (!struck && s.first[0])
        fail_msg("without a fault: %s", s.first);
    if (s.started)
        go_on(&f, &s);
    verify(&f, &s, s.started);
    fx_fini(&f);
    return struck;
}

static void sweep_all(void **state)
{
    sweep_points(*state, SAMPLED, run);
}

int main(void)
{
    static sweep sweeps[] = {
        {"allocation", 0, 0, false, true},
        {"allocation, for good", 0, 0, true, true},
        {"write: EIO", ZO_FAULT_WRITE, ZO_FAULT_EIO, false, false},
        {"write: full", ZO_FAULT_WRITE, ZO_FAULT_FULL, false, false},
        {"write: full, for good", ZO_FAULT_WRITE, ZO_FAULT_FULL, true, false},
        {"write: short, for good", ZO_FAULT_WRITE, ZO_FAULT_SHORT, true, false},
        {"sync", ZO_FAULT_SYNC, ZO_FAULT_EIO, false, false},
        {"sync, for good", ZO_FAULT_SYNC, ZO_FAULT_EIO, true, false},
        {"read", ZO_FAULT_READ, ZO_FAULT_EIO, false, false},
        {"anything, for good", ZO_FAULT_ALL, ZO_FAULT_EIO, true, false},
    };
    struct CMUnitTest tests[ZO_LEN(sweeps)];

    zo_fault_vfs_register(false);
    for (size_t i = 0; i < ZO_LEN(sweeps); i++)
        tests[i] = (struct CMUnitTest){.name = sweeps[i].name, .test_func = sweep_all, .initial_state = &sweeps[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
