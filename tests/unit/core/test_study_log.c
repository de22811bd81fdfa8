/* What a log may say and what not: events that decode, but that no study would have written; and a log over several
 * versions of its solver. */
#include "study_fx.h"

/* Replay the whole log with one record in place of event seq (0: after the last) into a new study; the answer for that
 * record. */
static zo_status answer_to(const struct fx *f, uint64_t seq, struct rec rec)
{
    zo_study *s = fx_fresh(f);
    zo_events ev = {0};
    zo_error err = {0};

    rec.seq = seq ? seq : f->n_log + 1;
    rec.at_ms = f->now.wall_ms;
    assert_true(events_reserve(&ev, 1, record_bytes(s, &rec)));
    event_append(&ev, s, &rec);
    fx_replay_into(f, s, (size_t)rec.seq - 1);
    const uint64_t digest = zo_study_digest(s);
    const zo_status rc = zo_study_replay(s, &ev.items[0], &err);
    assert_int_equal(err.code, rc);
    assert_true(rc == ZO_OK || zo_study_digest(s) == digest);
    zo_study_free(s);
    zo_events_fini(&ev);
    return rc;
}

static struct rec told(uint64_t number, zo_trial_state state, const double *values)
{
    return (struct rec){.kind = ZO_EVENT_TOLD,
                        .u.told = {.number = number, .state = state, .values = values, .cost = NAN}};
}

static struct rec brought(uint64_t number, zo_origin origin, const double *v, const double *values)
{
    struct rec rec = told(number, ZO_TRIAL_COMPLETE, values);

    rec.u.told.brought = true;
    rec.u.told.origin = origin;
    rec.u.told.imported = origin == ZO_ORIGIN_IMPORT;
    rec.u.told.v = v;
    return rec;
}

static struct rec asked(uint64_t number, uint64_t attempt, zo_origin origin, const double *v, uint64_t lease_ms)
{
    return (struct rec){
        .kind = ZO_EVENT_ASKED,
        .u.asked = {.number = number, .attempt = attempt, .origin = origin, .v = v, .lease_ms = lease_ms}};
}

/* Trials: 0 complete, 1 running, 2 queued again after its lease, 3 queued and never out. */
static void open_log(struct fx *f)
{
    const zo_study_spec spec = fx_spec();

    fx_open(f, &spec);
    fx_ask_n(f, 3);
    fx_tell(f, 0, 1);
    FX_OK(f, zo_study_heartbeat(f->s, 1, 3 * FX_LEASE_MS, f->now, &f->err));
    fx_tick_after(f, FX_LEASE_MS);
    fx_enqueue(f, 1, 0.5);
    assert_int_equal(fx_state(f, 2), ZO_TRIAL_QUEUED);
}

static void an_event_that_no_study_writes_is_refused(void **state)
{
    const double value = 2, v[] = {1, 0.5}, off[] = {99, 0.5}, none = NAN;
    const uint64_t next = 4;
    struct fx f;

    (void)state;
    open_log(&f);
    const struct {
        struct rec rec;
        bool good;
    } cases[] = {
        {told(1, ZO_TRIAL_COMPLETE, &value), true},
        {told(2, ZO_TRIAL_FAILED, NULL), true}, /* late */
        {told(1, ZO_TRIAL_COMPLETE, NULL), false},
        {told(1, ZO_TRIAL_COMPLETE, &none), false},
        {told(1, ZO_TRIAL_RUNNING, NULL), false},
        {told(0, ZO_TRIAL_COMPLETE, &value), false},             /* another result */
        {told(0, ZO_TRIAL_COMPLETE, &(const double){1}), false}, /* a repeat makes no event */
        {told(3, ZO_TRIAL_FAILED, NULL), false},                 /* never handed out */
        {told(next, ZO_TRIAL_FAILED, NULL), false},
        {brought(next, ZO_ORIGIN_CLIENT, v, &value), true},
        {brought(next + 1, ZO_ORIGIN_CLIENT, v, &value), false}, /* clients don't choose */
        {brought(next, ZO_ORIGIN_CLIENT, off, &value), false},
        {brought(next + 7, ZO_ORIGIN_IMPORT, v, &value), true},
        {brought(0, ZO_ORIGIN_IMPORT, v, &value), false},
        {brought(UINT64_MAX, ZO_ORIGIN_IMPORT, v, &value), false},
        {asked(2, 2, ZO_ORIGIN_SOLVER, NULL, 0), true}, /* the retry */
        {asked(2, 2, ZO_ORIGIN_SOLVER, NULL, 999), false},
        {asked(2, 2, ZO_ORIGIN_SOLVER, NULL, UINT64_MAX), false},
        {asked(2, 3, ZO_ORIGIN_SOLVER, NULL, 0), false},
        {asked(2, 2, ZO_ORIGIN_QUEUED, NULL, 0), false},
        {asked(1, 2, ZO_ORIGIN_SOLVER, NULL, 0), false}, /* runs */
        {asked(3, 1, ZO_ORIGIN_QUEUED, NULL, 0), true},
        {asked(3, 1, ZO_ORIGIN_QUEUED, v, 0), false}, /* its point is in the log already */
        {asked(3, 2, ZO_ORIGIN_QUEUED, NULL, 0), false},
        {asked(next, 1, ZO_ORIGIN_SOLVER, off, 0), false},
        {asked(next + 1, 1, ZO_ORIGIN_SOLVER, v, 0), false},
        {{.kind = ZO_EVENT_EXPIRED, .u.expired = {1, ZO_TRIAL_QUEUED}}, true},
        {{.kind = ZO_EVENT_EXPIRED, .u.expired = {1, ZO_TRIAL_COMPLETE}}, false},
        {{.kind = ZO_EVENT_EXPIRED, .u.expired = {2, ZO_TRIAL_FAILED}}, false},
        {{.kind = ZO_EVENT_RELEASED, .u.number = 1}, true},
        {{.kind = ZO_EVENT_RELEASED, .u.number = 2}, false},
        {{.kind = ZO_EVENT_WITHDRAWN, .u.number = 3}, true},
        {{.kind = ZO_EVENT_WITHDRAWN, .u.number = 2}, false},
        {{.kind = ZO_EVENT_QUEUED, .u.queued = {.number = next, .v = v}}, true},
        {{.kind = ZO_EVENT_QUEUED, .u.queued = {.number = next + 1, .v = v}}, false},
        {{.kind = ZO_EVENT_QUEUED, .u.queued = {.number = next, .v = off}}, false},
        {{.kind = ZO_EVENT_PATCHED, .u.patched = {{.has_budget = true, .budget = {.seconds = -1}}}}, false},
        {{.kind = ZO_EVENT_ENDED, .u.ended = {.reason = END_EXHAUSTED, .asked = true, .number = next + 1}}, false},
        {{.kind = ZO_EVENT_CREATED,
          .u.created = {.seed = 7, .n = 2, .n_values = 1, .version = 1, .solver = {"spy", 3}}},
         false},
    };
    for (size_t i = 0; i < ZO_LEN(cases); i++)
        if (answer_to(&f, 0, cases[i].rec) != (cases[i].good ? ZO_OK : ZO_EMALFORMED))
            fail_msg("case %zu", i);
    fx_close(&f);
}

static void only_the_event_that_made_this_study_is_its_first(void **state)
{
    const struct rec_created is = {.seed = 7, .n = 2, .n_values = 1, .version = 1, .solver = {"spy", 3}};
    struct rec rec = {.kind = ZO_EVENT_CREATED, .u.created = is};
    struct fx f;

    (void)state;
    open_log(&f);
    assert_int_equal(answer_to(&f, 1, rec), ZO_OK);
    rec.u.created.n_values = 2;
    assert_int_equal(answer_to(&f, 1, rec), ZO_EMALFORMED);
    rec.u.created = is;
    rec.u.created.n = 3;
    assert_int_equal(answer_to(&f, 1, rec), ZO_EMALFORMED);
    rec.u.created = is;
    rec.u.created.solver.n = 2;
    assert_int_equal(answer_to(&f, 1, rec), ZO_EMALFORMED);
    rec.u.created = is;
    rec.u.created.version = 2;
    assert_int_equal(answer_to(&f, 1, rec), ZO_ECONFLICT);
    fx_close(&f);
}

/* Rebased under version 1, then under version 2: the log before the last rebase is data, whatever its solver was. */
static void a_log_over_several_versions_is_read_from_the_last_rebase_on(void **state)
{
    zo_solver newer = spy_solver;
    struct fx f;

    (void)state;
    newer.version = 2;
    open_log(&f);
    FX_OK(&f, zo_study_rebase(f.s, "test", 1, f.now, &f.ev, &f.err));
    fx_commit(&f);
    fx_ask_n(&f, 4);
    f.def = &newer;
    zo_study *s = fx_fresh(&f);
    zo_study_begin_data_replay(s, UINT64_MAX);
    fx_replay_into(&f, s, f.n_log);
    zo_study_free(f.s);
    f.s = s;
    zo_study_renew_leases(s, f.now);
    FX_OK(&f, zo_study_rebase(f.s, "newer", 1, f.now, &f.ev, &f.err));
    fx_commit(&f);
    const uint64_t rebased_at = f.n_log;
    fx_tell(&f, fx_ask(&f), 3);
    fx_ask_n(&f, 2);
    s = fx_fresh(&f);
    zo_study_begin_data_replay(s, rebased_at);
    fx_replay_into(&f, s, f.n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    zo_study_free(s);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_event_that_no_study_writes_is_refused),
        cmocka_unit_test(only_the_event_that_made_this_study_is_its_first),
        cmocka_unit_test(a_log_over_several_versions_is_read_from_the_last_rebase_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
