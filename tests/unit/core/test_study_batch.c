/* Batches: every kind of bad item at every position leaves no trace; a batch is worth its items one by one; who gets
 * which number. */
#include "study_fx.h"

#include <stdio.h>

enum { DONE, RUNNING, RUNNING2, QUEUED, N_FIRST };

/* Trial 0 complete (value 1), 1 and 2 running, 3 queued. */
static void open_with_trials(struct fx *f)
{
    const zo_study_spec spec = fx_spec();

    fx_open(f, &spec);
    fx_ask_n(f, 3);
    assert_int_equal(fx_enqueue(f, 0.5, 0.5), QUEUED);
    fx_tell(f, DONE, 1);
}

static const double one = 1, two = 2, infinite = INFINITY, nothing = NAN, inside[] = {-2, 0.25}, outside[] = {-2, 1.25};

static zo_tell_item result_of(uint64_t number, const double *value)
{
    return fx_item(number, ZO_TRIAL_COMPLETE, value);
}

static zo_tell_item brought(const double *v)
{
    return (zo_tell_item){.v = v, .state = ZO_TRIAL_COMPLETE, .values = &one, .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
}

static zo_tell_item imported(uint64_t number)
{
    zo_tell_item item = brought(inside);

    item.origin = ZO_ORIGIN_IMPORT;
    item.has_import_number = true;
    item.import_number = number;
    item.created_ms = 5;
    item.finished_ms = 6;
    return item;
}

/* ---- all or nothing ---- */

static void one_bad_item_anywhere_leaves_no_trace(void **state)
{
    enum { N_GOOD = 5, NEVER = -1 };
    const struct {
        zo_tell_item item;
        zo_status code;
        int mate; /* good item that it clashes with: the later of the two is refused */
    } bad[] = {
        {result_of(99, &one), ZO_ENOTFOUND, NEVER},
        {result_of(QUEUED, &one), ZO_ECONFLICT, NEVER}, /* was never handed out */
        {result_of(DONE, &two), ZO_ECONFLICT, NEVER},   /* another result */
        {result_of(RUNNING2, &infinite), ZO_EINVAL, NEVER},
        {result_of(RUNNING2, &nothing), ZO_EINVAL, NEVER},
        {fx_item(RUNNING2, ZO_TRIAL_RUNNING, NULL), ZO_EINVAL, NEVER},
        {fx_item(RUNNING2, ZO_TRIAL_FAILED, &one), ZO_EINVAL, NEVER},
        {brought(outside), ZO_EINVAL, NEVER},
        {imported(RUNNING2), ZO_ECONFLICT, NEVER},   /* exists */
        {imported(UINT64_MAX), ZO_EINVAL, NEVER},    /* too far away */
        {result_of(RUNNING, &two), ZO_ECONFLICT, 0}, /* told otherwise by another item */
        {imported(20), ZO_ECONFLICT, 3},             /* brought by another item */
    };

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        zo_tell_item good[N_GOOD] = {result_of(RUNNING, &one), result_of(DONE, &one), brought(inside), imported(20),
                                     brought(inside)};
        uint64_t numbers[N_GOOD + 1];
        size_t failed_at;
        struct fx f;
        good[0].reason = "why", good[0].worker = "someone", good[0].metadata = "{}", good[0].std_errors = &one;
        open_with_trials(&f);
        const size_t n_tells = spy.n;
        for (size_t at = 0; at <= N_GOOD; at++) {
            zo_tell_item items[N_GOOD + 1];
            const uint64_t digest = zo_study_digest(f.s);
            for (size_t i = 0; i <= N_GOOD; i++)
                items[i] = i == at ? bad[k].item : good[i - (i > at)];
            failed_at = SIZE_MAX;
            assert_int_equal(zo_study_tell(f.s, items, N_GOOD + 1, f.now, &f.ev, numbers, &failed_at, &f.err),
                             bad[k].code);
            assert_int_equal(f.err.code, bad[k].code);
            assert_int_equal(failed_at, bad[k].mate >= (int)at ? (size_t)bad[k].mate + 1 : at);
            assert_int_equal(f.ev.n + f.ev.n_bytes, 0);
            assert_true(zo_study_digest(f.s) == digest);
            assert_int_equal(spy.n, n_tells);
        }
        FX_OK(&f, zo_study_tell(f.s, good, N_GOOD, f.now, &f.ev, numbers, &failed_at, &f.err));
        static const uint64_t expected[] = {RUNNING, DONE, N_FIRST, 20, 21};
        assert_memory_equal(numbers, expected, sizeof expected);
        assert_int_equal(fx_commit(&f), N_GOOD - 1);
        assert_int_equal(spy.n, n_tells + N_GOOD - 1);
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
}

static void one_bad_point_in_a_queue_leaves_no_trace(void **state)
{
    enum { N = 5 };
    static const char *const notes[N] = {"{}", "{}", "{}", "{}", "{}"};
    const double *points[N];
    uint64_t numbers[N];
    struct fx f;

    (void)state;
    open_with_trials(&f);
    for (size_t at = 0; at < N; at++) {
        char pointer[64];
        const uint64_t digest = zo_study_digest(f.s);
        for (size_t i = 0; i < N; i++)
            points[i] = i == at ? outside : inside;
        (void)snprintf(pointer, sizeof pointer, "/trials/%zu/params", at);
        assert_int_equal(zo_study_enqueue(f.s, points, notes, N, f.now, &f.ev, numbers, &f.err), ZO_EINVAL);
        assert_memory_equal(f.err.pointer, pointer, strlen(pointer));
        assert_int_equal(f.ev.n + f.ev.n_bytes, 0);
        assert_true(zo_study_digest(f.s) == digest);
        assert_int_equal(zo_study_n_trials(f.s), N_FIRST);
    }
    fx_close(&f);
}

/* ---- one by one ---- */

static void the_same_trial_twice_in_a_batch_is_told_once(void **state)
{
    zo_tell_item items[] = {result_of(RUNNING, &one), result_of(RUNNING2, &one), result_of(RUNNING, &one)};
    struct fx f;

    (void)state;
    open_with_trials(&f);
    items[0].reason = "first";
    items[2].reason = "second"; /* refused in a second command, so refused here */
    FX_REFUSED(&f, fx_try_tell(&f, items, 3, NULL), ZO_ECONFLICT, "/trial");
    items[2].reason = NULL;
    items[2].metadata = "{}";
    FX_REFUSED(&f, fx_try_tell(&f, items, 3, NULL), ZO_ECONFLICT, "/trial");
    items[2].metadata = NULL;
    const size_t n_tells = spy.n;
    FX_OK(&f, fx_try_tell(&f, items, 3, NULL));
    assert_int_equal(fx_commit(&f), 2);
    assert_int_equal(spy.n, n_tells + 2);
    assert_string_equal(fx_trial(&f, RUNNING).reason, "first");
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void a_batch_is_worth_its_items_one_by_one(void **state)
{
    const zo_tell_item items[] = {brought(inside), result_of(RUNNING2, &two), imported(9), brought(inside), imported(7),
                                  imported(6),     result_of(RUNNING2, &two)};
    struct fx whole, parts;

    (void)state;
    open_with_trials(&whole);
    open_with_trials(&parts);
    FX_OK(&whole, fx_try_tell(&whole, items, ZO_LEN(items), NULL));
    fx_commit(&whole);
    for (size_t i = 0; i < ZO_LEN(items); i++)
        fx_tell_item(&parts, items[i]);
    assert_true(zo_study_digest(whole.s) == zo_study_digest(parts.s));
    assert_int_equal(whole.n_log, parts.n_log);
    for (size_t i = 0; i < whole.n_log; i++) {
        assert_int_equal(whole.log[i].body_bytes, parts.log[i].body_bytes);
        assert_memory_equal(whole.log[i].body, parts.log[i].body, whole.log[i].body_bytes);
    }
    fx_close(&whole);
    fx_close(&parts);
}

/* ---- numbers ---- */

/* Over segments of the table, backwards, at their ends, with a jump over whole ones. */
static void imports_come_in_any_order(void **state)
{
    static const uint64_t numbers[] = {10000, 4, 4095, 4096, 8191, 12, 9999, 0, 70000, 8192};
    const zo_study_spec spec = fx_spec();
    uint64_t found = 0;
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (size_t i = 0; i < ZO_LEN(numbers); i++) {
        fx_tell_item(&f, imported(numbers[i]));
        const zo_tell_item again = imported(numbers[i]);
        FX_REFUSED(&f, fx_try_tell(&f, &again, 1, NULL), ZO_ECONFLICT, "/number");
    }
    assert_int_equal(zo_study_n_trials(f.s), 70001);
    assert_int_equal(zo_study_counts(f.s).total, ZO_LEN(numbers));
    for (uint64_t number = 0; number <= 70001; number++) {
        zo_trial t;
        if (!zo_study_trial(f.s, number, &t))
            continue;
        bool named = false;
        for (size_t i = 0; i < ZO_LEN(numbers); i++)
            named = named || numbers[i] == number;
        assert_true(named && t.created_ms == 5 && t.finished_ms == 6 && t.v[0] == -2 && t.v[1] == 0.25);
        found++;
    }
    assert_int_equal(found, ZO_LEN(numbers));
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

/* Only an import has a number and times of its own; any other log could not be read again. */
static void a_client_does_not_choose_numbers_or_times(void **state)
{
    zo_tell_item item = imported(50);
    struct fx f;

    (void)state;
    open_with_trials(&f);
    item.origin = ZO_ORIGIN_CLIENT;
    fx_tell_item(&f, item);
    assert_int_equal(zo_study_n_trials(f.s), N_FIRST + 1);
    assert_int_equal(fx_trial(&f, N_FIRST).created_ms, f.now.wall_ms);
    assert_int_equal(fx_trial(&f, N_FIRST).finished_ms, f.now.wall_ms);
    zo_study_free(fx_replayed(&f));
    fx_close(&f);
}

static void a_queue_has_a_limit(void **state)
{
    enum { LIMIT = 100000 };
    const zo_study_spec spec = fx_spec();
    const double **points = calloc(LIMIT + 1, sizeof *points);
    uint64_t *numbers = calloc(LIMIT + 1, sizeof *numbers);
    struct fx f;

    (void)state;
    assert_true(points && numbers);
    for (size_t i = 0; i <= LIMIT; i++)
        points[i] = inside;
    fx_open(&f, &spec);
    FX_REFUSED(&f, zo_study_enqueue(f.s, points, NULL, LIMIT + 1, f.now, &f.ev, numbers, &f.err), ZO_ELIMIT, "/trials");
    FX_OK(&f, zo_study_enqueue(f.s, points, NULL, LIMIT, f.now, &f.ev, numbers, &f.err));
    assert_int_equal(numbers[LIMIT - 1], LIMIT - 1);
    zo_events_clear(&f.ev);
    FX_REFUSED(&f, zo_study_enqueue(f.s, points, NULL, 1, f.now, &f.ev, numbers, &f.err), ZO_ELIMIT, "/trials");
    FX_OK(&f, zo_study_withdraw(f.s, 7, f.now, &f.ev, &f.err));
    FX_OK(&f, zo_study_enqueue(f.s, points, NULL, 1, f.now, &f.ev, numbers, &f.err));
    assert_int_equal(numbers[0], LIMIT);
    fx_close(&f);
    free(points);
    free(numbers);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_bad_item_anywhere_leaves_no_trace),
        cmocka_unit_test(one_bad_point_in_a_queue_leaves_no_trace),
        cmocka_unit_test(the_same_trial_twice_in_a_batch_is_told_once),
        cmocka_unit_test(a_batch_is_worth_its_items_one_by_one),
        cmocka_unit_test(imports_come_in_any_order),
        cmocka_unit_test(a_client_does_not_choose_numbers_or_times),
        cmocka_unit_test(a_queue_has_a_limit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
