/* core/study/event.c: bodies of events are small, and nothing but what we write is read. */
#include "study_fx.h"

static const zo_constraint_spec limit[] = {{.name = "size", .has_upper = true, .upper = 1}};

/* One event of every kind, with every optional field somewhere. */
static void open_full(struct fx *f)
{
    const double values[] = {1, 0.5}, std_errors[] = {0.1, NAN}, v[] = {1, 0.5}, *const points[] = {v};
    static const char *const notes[] = {"{}"};
    zo_study_spec spec = fx_spec();
    zo_tell_item full = fx_item(0, ZO_TRIAL_COMPLETE, values), brought = full;
    uint64_t number;
    bool stop;

    spec.oracle = ZO_ORACLE_STEPS;
    spec.constraints = limit;
    spec.n_constraints = 1;
    fx_open(f, &spec);
    fx_ask_args(f, &(zo_ask_args){.count = 4, .lease_ms = 2000, .worker = "ada"});
    FX_OK(f, zo_study_report(f->s, 0, 300, values, f->now, &f->ev, &stop, &f->err));
    fx_commit(f);
    full.std_errors = std_errors;
    full.cost = 3;
    full.reason = "why";
    full.worker = "bob";
    full.metadata = "{\"a\": 1}";
    fx_tell_item(f, full);
    brought.by_number = false;
    brought.v = v;
    brought.origin = ZO_ORIGIN_IMPORT;
    brought.created_ms = -5;
    brought.finished_ms = INT64_MAX;
    fx_tell_item(f, brought);
    fx_release(f, 1);
    FX_OK(f, zo_study_enqueue(f->s, points, notes, 1, f->now, &f->ev, &number, &f->err));
    fx_commit(f);
    FX_OK(f, zo_study_withdraw(f->s, number, f->now, &f->ev, &f->err));
    fx_commit(f);
    fx_tick_after(f, 2000);
    fx_pause(f, true);
    FX_OK(f, zo_study_rebase(f->s, "test", UINT64_MAX, f->now, &f->ev, &f->err));
    fx_commit(f);
    fx_budget(f, (zo_budget){.trials = 9, .seconds = 5, .has_target = true, .target = 2}); /* reached: ENDED */
    FX_OK(f, zo_study_forget(f->s, (uint64_t[]){number, 0}, 2, UINT64_MAX, f->now, &f->ev, &f->err));
    fx_commit(f);
}

/* Told gradients: of all, and of the objective alone. */
static void open_gradients(struct fx *f)
{
    const double values[] = {1, 0.5}, all[] = {1, -2, 3, -4}, one[] = {1, -2, NAN, NAN};
    zo_study_spec spec = fx_spec();
    zo_tell_item item = fx_item(0, ZO_TRIAL_COMPLETE, values);

    spec.oracle = ZO_ORACLE_GRADIENT;
    spec.constraints = limit;
    spec.n_constraints = 1;
    fx_open(f, &spec);
    fx_ask_n(f, 2);
    item.gradients = all;
    fx_tell_item(f, item);
    item.number = 1;
    item.gradients = one;
    item.cost = 2;
    fx_tell_item(f, item);
}

static void (*const openers[])(struct fx *) = {open_full, open_gradients};

static void every_kind_of_event_is_read_back(void **state)
{
    unsigned kinds = 0;
    struct fx f;

    (void)state;
    open_full(&f);
    for (size_t i = 0; i < f.n_log; i++) {
        zo_error err = {0};
        assert_int_equal(zo_event_check(&f.log[i], &err), ZO_OK);
        kinds |= 1u << f.log[i].kind;
    }
    assert_int_equal(kinds, (2u << ZO_EVENT_FORGOTTEN) - 2); /* CREATED .. FORGOTTEN */
    fx_close(&f);
}

/* Decoded and encoded again, a record is the same bytes. */
static void encodes_again(void (*open)(struct fx *))
{
    struct fx f;

    open(&f);
    const struct event_shape shape = {.n = f.s->n,
                                      .n_values = f.s->n_values,
                                      .n_gradients = f.s->n_gradients,
                                      .v = f.s->v_in,
                                      .values = f.s->values_in,
                                      .std_errors = f.s->std_in,
                                      .gradients = f.s->gradients_in};
    for (size_t i = 0; i < f.n_log; i++) {
        struct rec r;
        assert_int_equal(event_decode(&f.log[i], &shape, &r, NULL), ZO_OK);
        const size_t bound = record_bytes(f.s, &r);
        assert_true(events_reserve(&f.ev, 1, bound));
        event_append(&f.ev, f.s, &r);
        const zo_event *e = &f.ev.items[f.ev.n - 1];
        assert_true(e->body_bytes <= bound);
        assert_int_equal(e->body_bytes, f.log[i].body_bytes);
        assert_memory_equal(e->body, f.log[i].body, e->body_bytes);
        assert_int_equal(e->seq, f.log[i].seq);
        assert_int_equal(e->at_ms, f.log[i].at_ms);
    }
    zo_events_clear(&f.ev);
    fx_close(&f);
}

static void encoding_what_was_decoded_gives_the_same_bytes(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(openers); k++)
        encodes_again(openers[k]);
}

/* A block of just n bytes, so that sanitizers see a byte read beyond. */
static zo_status check_copy(const zo_event *e, size_t n, const uint8_t *bytes)
{
    uint8_t *copy = malloc(n ? n : 1);
    zo_error err = {0};
    zo_event cut = *e;

    assert_non_null(copy);
    memcpy(copy, bytes, n);
    cut.body = copy;
    cut.body_bytes = n;
    const zo_status rc = zo_event_check(&cut, &err);
    assert_int_equal(rc, err.code);
    free(copy);
    return rc;
}

static void is_refused_cut_or_longer(void (*open)(struct fx *))
{
    uint8_t longer[512];
    struct fx f;

    open(&f);
    for (size_t i = 0; i < f.n_log; i++) {
        const zo_event *e = &f.log[i];
        for (size_t n = 0; n < e->body_bytes; n++)
            assert_int_equal(check_copy(e, n, e->body), ZO_EMALFORMED);
        assert_true(e->body_bytes < sizeof longer);
        memcpy(longer, e->body, e->body_bytes);
        longer[e->body_bytes] = 0;
        assert_int_equal(check_copy(e, e->body_bytes + 1, longer), ZO_EMALFORMED);
    }
    fx_close(&f);
}

static void a_body_cut_anywhere_or_too_long_is_refused(void **state)
{
    const zo_event none = {.seq = 1, .kind = ZO_EVENT_RELEASED};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(openers); k++)
        is_refused_cut_or_longer(openers[k]);
    assert_int_equal(zo_event_check(&none, NULL), ZO_EMALFORMED);
}

static void reads_changed_bytes(void (*open)(struct fx *))
{
    uint8_t changed[512];
    struct fx f;
    size_t n_ok = 0, n_bad = 0;

    open(&f);
    for (size_t i = 0; i < f.n_log; i++)
        for (size_t at = 0; at < f.log[i].body_bytes; at++)
            for (unsigned x = 1; x < 256; x++) {
                memcpy(changed, f.log[i].body, f.log[i].body_bytes);
                changed[at] ^= (uint8_t)x;
                const zo_status rc = check_copy(&f.log[i], f.log[i].body_bytes, changed);
                assert_true(rc == ZO_OK || rc == ZO_EMALFORMED || (at == 0 && rc == ZO_EUNSUPPORTED));
                *(rc == ZO_OK ? &n_ok : &n_bad) += 1;
            }
    assert_true(n_ok > 1000 && n_bad > 1000);
    fx_close(&f);
}

static void a_changed_byte_never_crashes_the_reader(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(openers); k++)
        reads_changed_bytes(openers[k]);
}

#define REFUSED(event_kind, status, ...)                                                                               \
    do {                                                                                                               \
        static const uint8_t bytes[] = {__VA_ARGS__};                                                                  \
        const zo_event e = {.seq = 1, .kind = (event_kind)};                                                           \
        assert_int_equal(check_copy(&e, sizeof bytes, bytes), (status));                                               \
    } while (0)

/* Bytes written out by hand from the layout in the file's head. */
static void the_layout_is_the_one_written_down(void **state)
{
    (void)state;
    REFUSED(ZO_EVENT_RELEASED, ZO_OK, 1, 5);
    REFUSED(ZO_EVENT_RELEASED, ZO_OK, 1, 0x80, 1);
    REFUSED(ZO_EVENT_RELEASED, ZO_EMALFORMED, 1, 0x85, 0); /* longer than need be */
    REFUSED(ZO_EVENT_RELEASED, ZO_OK, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1);
    REFUSED(ZO_EVENT_RELEASED, ZO_EMALFORMED, 1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 2); /* 2^64 and more */
    REFUSED(ZO_EVENT_RELEASED, ZO_EUNSUPPORTED, 2, 5);
    REFUSED(ZO_EVENT_EXPIRED, ZO_OK, 1, 5, ZO_TRIAL_FAILED);
    REFUSED(ZO_EVENT_EXPIRED, ZO_EMALFORMED, 1, 5, ZO_TRIAL_STATE_COUNT);
    REFUSED(ZO_EVENT_ENDED, ZO_OK, 1, END_TARGET, 0);
    REFUSED(ZO_EVENT_ENDED, ZO_EMALFORMED, 1, END_NONE, 0);
    REFUSED(ZO_EVENT_PATCHED, ZO_OK, 1, 4);
    REFUSED(ZO_EVENT_PATCHED, ZO_EMALFORMED, 1, 8); /* paused, without the flag that says so */
    REFUSED(ZO_EVENT_PATCHED, ZO_EMALFORMED, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0xf8, 0x7f); /* NaN seconds */
    REFUSED(ZO_EVENT_QUEUED, ZO_OK, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f);
    REFUSED(ZO_EVENT_QUEUED, ZO_EMALFORMED, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f); /* infinity */
    REFUSED(ZO_EVENT_QUEUED, ZO_EMALFORMED, 1, 0, 0, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1); /* 2^64 numbers */
    REFUSED(ZO_EVENT_QUEUED, ZO_EMALFORMED, 1, 1, 0, 0, 2, 'a', 0); /* a NUL in a string */
    REFUSED(ZO_EVENT_REPORTED, ZO_OK, 1, 0, 0, 3, 2, 0, 2, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f); /* the second of two values */
    REFUSED(ZO_EVENT_REPORTED, ZO_EMALFORMED, 1, 0, 0, 3, 2, 0, 6, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f); /* a third of two */
    REFUSED(ZO_EVENT_TOLD, ZO_OK, 1, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_CLIENT, 0); /* a point of the client's, no dimensions */
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_SOLVER, 0); /* nobody brings a solver's point */
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_QUEUED, 0);
    REFUSED(ZO_EVENT_TOLD, ZO_OK, 1, 0x81, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_IMPORT, 0, 0, 0); /* times of an import */
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 0x81, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_CLIENT, 0, 0, 0);
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 1, 7, ZO_TRIAL_FAILED, ZO_ORIGIN_IMPORT, 0);
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 0x80, 1, 7, ZO_TRIAL_FAILED, 0, 0);
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 0x80, 2, 7, ZO_TRIAL_COMPLETE); /* "the last report" without a value */
    REFUSED(ZO_EVENT_TOLD, ZO_OK, 1, 0x80, 4, 7, ZO_TRIAL_COMPLETE, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x3f); /* half a gradient */
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 0x80, 4, 7, ZO_TRIAL_COMPLETE, 1, 1, 0, 0, 0, 0, 0, 0, 0xf0, 0x7f); /* infinity */
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 1, 0x80, 8, 7, ZO_TRIAL_COMPLETE); /* a flag that is not ours */
    REFUSED(ZO_EVENT_FORGOTTEN, ZO_OK, 1, 5, 1, 3, 7, 0, 1);                 /* request 5, version 1: trials 7, 8, 10 */
    REFUSED(ZO_EVENT_FORGOTTEN, ZO_EMALFORMED, 1, 5, 1, 0);                  /* of nothing */
    REFUSED(ZO_EVENT_FORGOTTEN, ZO_EMALFORMED, 1, 5, 1, 3, 7, 0);            /* one short */
    REFUSED(ZO_EVENT_FORGOTTEN, ZO_EMALFORMED, 1, 5, 1, 2, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1,
            0);                                                   /* beyond 2^64 */
    REFUSED(ZO_EVENT_ASKED, ZO_OK, 0x81, 7, 1, ZO_ORIGIN_SOLVER); /* scrubbed */
    REFUSED(ZO_EVENT_ASKED, ZO_EMALFORMED, 0x81, 7, 1, ZO_ORIGIN_IMPORT + 1);
    REFUSED(ZO_EVENT_TOLD, ZO_OK, 0x81, 7, ZO_TRIAL_FAILED, 0);
    REFUSED(ZO_EVENT_TOLD, ZO_OK, 0x81, 7, ZO_TRIAL_FAILED, 1, ZO_ORIGIN_CLIENT);
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 0x81, 7, ZO_TRIAL_FAILED, 1, ZO_ORIGIN_SOLVER);
    REFUSED(ZO_EVENT_TOLD, ZO_EMALFORMED, 0x81, 7, ZO_TRIAL_FORGOTTEN, 0);
    REFUSED(ZO_EVENT_REPORTED, ZO_OK, 0x81, 7);
    REFUSED(ZO_EVENT_QUEUED, ZO_OK, 0x81, 7);
    REFUSED(ZO_EVENT_RELEASED, ZO_EMALFORMED, 0x81, 7); /* there is nothing to scrub */
    REFUSED((zo_event_kind)99, ZO_EMALFORMED, 1, 5);
}

/* Figures that the file's head claims. */
static void events_of_a_small_study_are_small(void **state)
{
    static const zo_param_spec four[] = {{.name = "x", .type = ZO_VECTOR, .size = 4, .low = 0, .high = 1}};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.space = (zo_space_spec){.params = four, .n_params = 1};
    spec.solver = "random";
    fx_open_with(&f, &spec, NULL);
    fx_tell(&f, fx_ask(&f), 1);
    assert_true(f.log[1].body_bytes <= 52);
    assert_true(f.log[2].body_bytes <= 14);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_of_event_is_read_back),
        cmocka_unit_test(encoding_what_was_decoded_gives_the_same_bytes),
        cmocka_unit_test(a_body_cut_anywhere_or_too_long_is_refused),
        cmocka_unit_test(a_changed_byte_never_crashes_the_reader),
        cmocka_unit_test(the_layout_is_the_one_written_down),
        cmocka_unit_test(events_of_a_small_study_are_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
