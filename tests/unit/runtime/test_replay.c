/* The three ways a study comes back, each through the store, for every solver there is: from its
 * snapshot (R1), from its log by doing everything again (R2), and as data told to a fresh solver when another processor
 * wrote the log (R3). The judge is a study that nobody disturbed, in the test's own memory. */
#include "harness.h"

#include "runtime/internal.h"
#include "store/internal.h"

enum { TRIALS = 130, MORE = 40, BATCH = 5 };

static double loss_at(const double *x)
{
    return (x[0] - 0.3) * (x[0] - 0.3) + 0.1 * (x[1] - 1.0) * (x[1] - 1.0);
}

static void slope_at(const double *x, double out[2])
{
    out[0] = 2 * (x[0] - 0.3);
    out[1] = 0.2 * (x[1] - 1.0);
}

static const char with_slopes[] = "\"oracle\": \"gradient\", "; /* in the spec of solvers that take nothing else */

static void spec_for(const zo_solver *solver, char out[512])
{
    snprintf(out, 512,
             "{%s\"seed\": 7, \"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}, "
             "{\"name\": \"y\", \"type\": \"float\", \"low\": -5, \"high\": 5}], "
             "\"objectives\": [{\"name\": \"loss\", \"goal\": \"minimize\"}], \"solver\": {\"name\": \"%s\", "
             "\"options\": {}}}",
             solver->oracles & ZO_ORACLE_VALUE ? "" : with_slopes, solver->name);
}

/* A solver may wait for answers, or have come to its end: both sides then give nothing. */
#define NOTHING UINT64_MAX

/* ---- the undisturbed twin ---- */
typedef struct twin {
    zo_arena *arena;
    zo_spec spec;
    zo_study *study;
    zo_events events;
} twin;

static void twin_open(twin *w, const char *spec)
{
    zo_error err = {0};

    *w = (twin){.arena = zo_arena_new(0)};
    assert_int_equal(zo_spec_decode_text(spec, strlen(spec), w->arena, &w->spec, &err), ZO_OK);
    assert_int_equal(zo_study_new(&w->spec.study, (zo_now){1, 1}, &w->events, &w->study, &err), ZO_OK);
}

static uint64_t twin_ask(twin *w, double x[2])
{
    zo_ask_args a = {.count = 1, .worker = "w"};
    zo_ask_reply r = {0};
    zo_error err = {0};
    zo_trial t;

    assert_int_equal(zo_study_ask(w->study, &a, (zo_now){1, 1}, &w->events, w->arena, &r, &err), ZO_OK);
    if (r.n == 0)
        return NOTHING;
    assert_true(zo_study_trial(w->study, r.numbers[0], &t));
    memcpy(x, t.v, 2 * sizeof *x);
    return r.numbers[0];
}

static void twin_tell(twin *w, uint64_t number, const double *x)
{
    double slope[2];
    const double value = loss_at(x);
    zo_tell_item item = {.by_number = true,
                         .number = number,
                         .state = ZO_TRIAL_COMPLETE,
                         .values = &value,
                         .gradients = zo_study_oracle(w->study) == ZO_ORACLE_GRADIENT ? slope : NULL,
                         .cost = (double)NAN};
    zo_error err = {0};
    size_t at;

    slope_at(x, slope);
    assert_int_equal(zo_study_tell(w->study, &item, 1, (zo_now){1, 1}, &w->events, &number, &at, &err), ZO_OK);
}

static void twin_close(twin *w)
{
    zo_study_free(w->study);
    zo_events_fini(&w->events);
    zo_arena_free(w->arena);
}

/* ---- the same through the runtime ---- */
static uint64_t ask_at(fx *f, double x[2])
{
    cmd m;

    cmd_init(&m, f, act_ask);
    assert_int_equal(run_on(f, "a", &m), ZO_OK);
    if (m.count == 0)
        return NOTHING;
    memcpy(x, m.x, 2 * sizeof *x);
    return m.number;
}

static void tell_at(fx *f, uint64_t number, const double *x)
{
    cmd m;

    cmd_init(&m, f, act_tell);
    m.number = number;
    m.value = loss_at(x);
    slope_at(x, m.gradients);
    assert_int_equal(run_on(f, "a", &m), ZO_OK);
}

/* n rounds of BATCH asks and as many tells, last first, both sides; the asks must agree to the last bit. One trial is
 * left running each round. */
static void both(fx *f, twin *w, int n)
{
    for (int i = 0; i < n; i += BATCH) {
        uint64_t number[BATCH];
        double x[BATCH][2], y[2];

        for (int k = 0; k < BATCH; k++) {
            number[k] = ask_at(f, x[k]);
            assert_true(twin_ask(w, y) == number[k]);
            if (number[k] != NOTHING)
                assert_memory_equal(x[k], y, sizeof y);
        }
        for (int k = BATCH - 1; k > 0; k--) {
            if (number[k] == NOTHING)
                continue;
            tell_at(f, number[k], x[k]);
            twin_tell(w, number[k], x[k]);
        }
    }
}

static bool came_from_snapshot(fx *f)
{
    bool yes = false;

    rt_lock(f->rt);
    for (actor *a = f->rt->all; a; a = a->all_next)
        yes = yes || (a->kind == ACTOR_STUDY && a->saved_seq > 0);
    rt_unlock(f->rt);
    return yes;
}

/* With the file closed. */
static int64_t sql(fx *f, const char *text)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    int64_t n = 0;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(db, text, -1, &q, NULL), SQLITE_OK);
    if (sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    assert_int_equal(sqlite3_finalize(q), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
    return n;
}

/* A solver that comes to its end too soon, or waits for the trials that are left running, leaves no study to go on with. */
static bool goes_on(const char *spec)
{
    bool given = true;
    twin w;

    twin_open(&w, spec);
    for (int i = 0; i < TRIALS + 4 * MORE && given; i += BATCH) {
        uint64_t number[BATCH];
        double x[BATCH][2];
        for (int k = 0; k < BATCH; k++)
            given = (number[k] = twin_ask(&w, x[k])) != NOTHING;
        for (int k = BATCH - 1; k > 0; k--)
            if (number[k] != NOTHING)
                twin_tell(&w, number[k], x[k]);
    }
    twin_close(&w);
    return given;
}

static void for_each_solver(void (*run)(const char *spec))
{
    char spec[512];
    size_t n_run = 0;

    for (size_t i = 0; i < zo_solver_count(); i++) {
        if (!(zo_solver_at(i)->oracles & (ZO_ORACLE_VALUE | ZO_ORACLE_GRADIENT)))
            continue; /* steps have no points to compare: unit.core.study_steps and api.directional */
        spec_for(zo_solver_at(i), spec);
        if (!goes_on(spec))
            continue;
        run(spec);
        n_run++;
    }
    assert_true(n_run >= 4);
}

static void run_r1(const char *spec)
{
    fx f;
    twin w;

    fx_open(&f, NULL);
    twin_open(&w, spec);
    create_study(&f, "a", spec, NULL);
    both(&f, &w, TRIALS);
    for (int round = 0; round < 3; round++) {
        fx_stop(&f); /* saves it */
        fx_start(&f);
        both(&f, &w, MORE);
        assert_true(came_from_snapshot(&f));
        assert_int_equal(look(&f, "a").seq, zo_study_seq(w.study));
    }
    twin_close(&w);
    fx_close(&f);
}

static void a_study_goes_on_from_its_snapshot_as_if_undisturbed(void **state)
{
    (void)state;
    for_each_solver(run_r1);
}

static void run_r1_with_a_tail(const char *spec)
{
    zo_runtime_opts o = {.snapshot_every_events = 100};
    fx f;
    twin w;

    fx_open(&f, &o);
    twin_open(&w, spec);
    create_study(&f, "a", spec, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    assert_true(sql(&f, "SELECT (SELECT max(seq) FROM events) > (SELECT seq FROM snapshots WHERE part = 0)"));
    fx_start(&f);
    both(&f, &w, MORE);
    assert_true(came_from_snapshot(&f));
    twin_close(&w);
    fx_close(&f);
}

static void events_after_a_snapshot_are_replayed_on_top(void **state)
{
    (void)state;
    for_each_solver(run_r1_with_a_tail);
}

static void run_r2(const char *spec)
{
    fx f;
    twin w;
    uint64_t digest;

    fx_open(&f, NULL);
    twin_open(&w, spec);
    create_study(&f, "a", spec, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    fx_start(&f);
    digest = look(&f, "a").digest;
    assert_true(came_from_snapshot(&f));
    fx_stop(&f);
    sql(&f, "DELETE FROM snapshots");
    fx_start(&f);
    assert_true(look(&f, "a").digest == digest);
    assert_false(came_from_snapshot(&f));
    both(&f, &w, MORE);
    fx_stop(&f);
    assert_int_equal(sql(&f, "SELECT count(*) FROM events WHERE kind = 11"), 0);
    twin_close(&w);
    fx_fini(&f);
}

static void without_a_snapshot_the_log_gives_the_same_study(void **state)
{
    (void)state;
    for_each_solver(run_r2);
}

static void run_damaged(const char *spec)
{
    fx f;
    twin w;

    fx_open(&f, NULL);
    twin_open(&w, spec);
    create_study(&f, "a", spec, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    sql(&f, "UPDATE snapshots SET body = zeroblob(length(body))");
    fx_start(&f);
    both(&f, &w, MORE);
    assert_true(zo_runtime_healthy(f.rt));
    twin_close(&w);
    fx_close(&f);
}

static void a_damaged_snapshot_costs_a_replay_and_nothing_else(void **state)
{
    (void)state;
    for_each_solver(run_damaged);
}

static void fx_start_elsewhere(fx *f) /* on a processor whose arithmetic differs */
{
    fx_start(f);
    f->rt->arith_tag ^= 0x5555;
}

static void copy_file(fx *f, const char *to)
{
    char line[256];

    snprintf(line, sizeof line, "cp %s %s", f->path, to);
    assert_int_equal(system(line), 0);
}

static void run_r3(const char *spec)
{
    enum { LAST = MORE };
    fx f;
    twin w;
    double first[LAST][2], again[2];
    char saved[128];
    cmd before, after;

    fx_open(&f, NULL);
    twin_open(&w, spec);
    create_study(&f, "a", spec, NULL);
    both(&f, &w, TRIALS);
    before = look(&f, "a");
    fx_stop(&f);
    fx_start_elsewhere(&f);
    after = look(&f, "a");
    assert_int_equal(after.n_trials, before.n_trials); /* what was handed out stays as it was */
    assert_int_equal(after.seq, before.seq + 1);
    for (uint64_t k = 0; k < before.n_trials; k++) {
        cmd t;
        zo_trial mine;

        cmd_init(&t, &f, act_trial);
        t.number = k;
        assert_int_equal(run_on(&f, "a", &t), ZO_OK);
        assert_true(zo_study_trial(w.study, k, &mine));
        assert_memory_equal(t.x, mine.v, 2 * sizeof *mine.v);
        assert_int_equal(t.count, mine.state);
    }
    fx_stop(&f);
    assert_int_equal(sql(&f, "SELECT count(*) FROM events WHERE kind = 11"), 1);
    snprintf(saved, sizeof saved, "%s.saved", f.path);
    copy_file(&f, saved);
    for (int way = 0; way < 3;
         way++) { /* from here on it is as deterministic as ever: R1, R2 after R3, and once more disturbed */
        if (way) {
            char line[512];

            fx_stop(&f);
            snprintf(line, sizeof line, "cp %s %s && rm -f %s-wal %s-shm", saved, f.path, f.path, f.path);
            assert_int_equal(system(line), 0);
            if (way == 1)
                sql(&f, "DELETE FROM snapshots");
        }
        fx_start_elsewhere(&f);
        for (int i = 0; i < LAST; i++) {
            uint64_t number = ask_at(&f, again);

            if (number == NOTHING)
                continue;
            if (!way)
                memcpy(first[i], again, sizeof again);
            assert_memory_equal(first[i], again, sizeof again);
            tell_at(&f, number, again);
            if (way == 2 && i == LAST / 2) {
                fx_stop(&f);
                fx_start_elsewhere(&f);
            }
        }
    }
    fx_stop(&f);
    assert_int_equal(sql(&f, "SELECT count(*) FROM events WHERE kind = 11"), 1); /* the tag is the new one now */
    twin_close(&w);
    fx_fini(&f);
}

static void another_processor_makes_a_rebase_event(void **state)
{
    (void)state;
    for_each_solver(run_r3);
}

/* ---- zerothd check ---- */
static unsigned n_findings;
static char last_finding[700];

static void on_finding(void *ctx, const char *line)
{
    (void)ctx;
    n_findings++;
    snprintf(last_finding, sizeof last_finding, "%s", line);
}

static bool check_is_clean(fx *f)
{
    zo_checked all = {.clean = false};
    zo_error err = {0};

    n_findings = 0;
    last_finding[0] = 0;
    if (zo_runtime_check(f->path, on_finding, NULL, &all, &err) != ZO_OK)
        fail_msg("%s", err.message);
    assert_true(all.clean == (n_findings == 0));
    return all.clean;
}

/* Change one byte of an event's body and give the row the checksum that belongs to it, as a forger would. */
static void forge(fx *f, int kind, size_t byte_from_end)
{
    sqlite3 *db;
    sqlite3_stmt *q;
    uint8_t body[512];
    zo_event e = {.kind = (zo_event_kind)kind, .body = body};
    int64_t study;

    assert_int_equal(sqlite3_open_v2(f->path, &db, SQLITE_OPEN_READWRITE, NULL), SQLITE_OK);
    assert_int_equal(
        sqlite3_prepare_v2(db,
                           "SELECT study, seq, at_ms, body FROM events WHERE kind = ?1 ORDER BY seq LIMIT 1 OFFSET 20",
                           -1, &q, NULL),
        SQLITE_OK);
    sqlite3_bind_int(q, 1, kind);
    assert_int_equal(sqlite3_step(q), SQLITE_ROW);
    study = sqlite3_column_int64(q, 0);
    e.seq = (uint64_t)sqlite3_column_int64(q, 1);
    e.at_ms = sqlite3_column_int64(q, 2);
    e.body_bytes = (size_t)sqlite3_column_bytes(q, 3);
    assert_true(e.body_bytes <= sizeof body && e.body_bytes > byte_from_end);
    memcpy(body, sqlite3_column_blob(q, 3), e.body_bytes);
    sqlite3_finalize(q);
    body[e.body_bytes - 1 - byte_from_end] ^= 1;
    assert_int_equal(
        sqlite3_prepare_v2(db, "UPDATE events SET body = ?1, sum = ?2 WHERE study = ?3 AND seq = ?4", -1, &q, NULL),
        SQLITE_OK);
    sqlite3_bind_blob(q, 1, body, (int)e.body_bytes, SQLITE_STATIC);
    sqlite3_bind_int64(q, 2, zo_sum_event(study, &e));
    sqlite3_bind_int64(q, 3, study);
    sqlite3_bind_int64(q, 4, (int64_t)e.seq);
    assert_int_equal(sqlite3_step(q), SQLITE_DONE);
    sqlite3_finalize(q);
    sqlite3_close(db);
}

static void check_finds_a_forged_log(void **state)
{
    fx f;
    twin w;

    (void)state;
    fx_open(&f, NULL);
    twin_open(&w, spec_text);
    create_study(&f, "a", spec_text, NULL);
    create_study(&f, "b", NULL, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    assert_true(check_is_clean(&f));
    forge(&f, ZO_EVENT_ASKED, 7); /* the low byte of the last coordinate handed out */
    assert_false(check_is_clean(&f));
    assert_non_null(strstr(last_finding, "replay differs at event"));
    forge(&f, ZO_EVENT_ASKED, 7); /* back */
    assert_true(check_is_clean(&f));
    forge(&f, ZO_EVENT_TOLD, 7); /* a value: the snapshot knows better */
    assert_false(check_is_clean(&f));
    assert_non_null(strstr(last_finding, "snapshot"));
    forge(&f, ZO_EVENT_TOLD, 7);
    assert_true(check_is_clean(&f));
    twin_close(&w);
    fx_fini(&f);
}

static void check_finds_a_damaged_row(void **state)
{
    fx f;
    twin w;
    zo_checked all = {.clean = true};
    zo_error err = {0};

    (void)state;
    fx_open(&f, NULL);
    twin_open(&w, spec_text);
    create_study(&f, "a", spec_text, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    sql(&f, "UPDATE events SET at_ms = at_ms + 1 WHERE seq = 30");
    n_findings = 0;
    assert_true(zo_runtime_check(f.path, on_finding, NULL, &all, &err) != ZO_OK || !all.clean);
    assert_true(n_findings > 0);
    sql(&f, "UPDATE events SET at_ms = at_ms - 1 WHERE seq = 30");
    assert_true(check_is_clean(&f));
    twin_close(&w);
    fx_fini(&f);
}

static void a_rebased_log_passes_the_check(void **state)
{
    fx f;
    twin w;
    double x[2];

    (void)state;
    fx_open(&f, NULL);
    twin_open(&w, spec_text);
    create_study(&f, "a", spec_text, NULL);
    both(&f, &w, TRIALS);
    fx_stop(&f);
    fx_start_elsewhere(&f);
    for (int i = 0; i < MORE; i++) {
        uint64_t number = ask_at(&f, x);

        tell_at(&f, number, x);
    }
    fx_stop(&f);
    assert_true(check_is_clean(&f));
    twin_close(&w);
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_study_goes_on_from_its_snapshot_as_if_undisturbed),
        cmocka_unit_test(events_after_a_snapshot_are_replayed_on_top),
        cmocka_unit_test(without_a_snapshot_the_log_gives_the_same_study),
        cmocka_unit_test(a_damaged_snapshot_costs_a_replay_and_nothing_else),
        cmocka_unit_test(another_processor_makes_a_rebase_event),
        cmocka_unit_test(check_finds_a_forged_log),
        cmocka_unit_test(check_finds_a_damaged_row),
        cmocka_unit_test(a_rebased_log_passes_the_check),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
