/* core/study/early_stop.c and order.c: verdicts over random report streams against rules that look at everything again
 * each time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "study/study_private.h"

enum { TRIALS = 200, STEPS = 40 };

/* ---- a log of reports, and the rule fed with it ---- */

struct stream {
    const struct stop_rule *rule;
    _Alignas(64) unsigned char opts[64];
    void *self;
    struct rare *trials[TRIALS];
    bool complete[TRIALS];
    struct {
        size_t trial;
        uint64_t step;
        double value;
    } log[TRIALS * STEPS];
    size_t n;
    zo_portable1 dice;
};

static void stream_open(struct stream *x, const char *rule, const zo_named *options, size_t n, uint64_t seed)
{
    zo_error err = {0};

    *x = (struct stream){.rule = stop_rule_find(rule), .dice = zo_portable1_make(seed)};
    assert_non_null(x->rule);
    assert_true(x->rule->opts_bytes <= sizeof x->opts);
    assert_int_equal(zo_opts_read(x->rule->opts, x->rule->n_opts, options, n, x->opts, &err), ZO_OK);
    assert_non_null(x->self = zo_calloc(1, x->rule->state_bytes));
    x->rule->init(x->self, x->opts);
    for (size_t i = 0; i < TRIALS; i++) {
        assert_non_null(x->trials[i] = rare_new());
        assert_non_null(x->trials[i]->reports = zo_calloc(STEPS, sizeof(struct report)));
        assert_non_null(x->trials[i]->report_values = zo_calloc(STEPS, sizeof(double)));
    }
}

static void stream_close(struct stream *x)
{
    x->rule->fini(x->self);
    zo_free(x->self);
    for (size_t i = 0; i < TRIALS; i++)
        rare_free(x->trials[i]);
}

static bool stream_report(struct stream *x, size_t trial, uint64_t step, double value)
{
    struct rare *r = x->trials[trial];

    assert_true(r->n_reports < STEPS);
    assert_true(x->rule->reserve_report(x->self, r, step, value));
    r->reports[r->n_reports].step = step;
    r->report_values[r->n_reports++] = value;
    x->log[x->n].trial = trial;
    x->log[x->n].step = step;
    x->log[x->n++].value = value;
    return x->rule->report(x->self, r, step, value);
}

static void stream_complete(struct stream *x, size_t trial)
{
    assert_true(x->rule->reserve_complete(x->self, x->trials[trial], 1));
    x->rule->complete(x->self, x->trials[trial], 1, 1);
    x->complete[trial] = true;
}

/* The rule dies; another is loaded from what it saved. */
static void stream_restart(struct stream *x)
{
    zo_error err = {0};
    zo_bundle b;
    zo_visit v = {.bundle = &b, .prefix = "stop.", .err = &err};

    zo_bundle_init(&b);
    x->rule->visit(x->self, &v);
    assert_int_equal(v.status, ZO_OK);
    x->rule->fini(x->self);
    memset(x->self, 0, x->rule->state_bytes);
    x->rule->init(x->self, x->opts);
    v.loading = true;
    x->rule->visit(x->self, &v);
    assert_int_equal(v.status, ZO_OK);
    zo_bundle_fini(&b);
}

/* Values from a small set, so that there are ties. */
static double some_value(struct stream *x)
{
    return (double)(zo_portable1_u64(&x->dice) % 25) / 8 - 1;
}

static int by_value(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* ---- median, in words: worse than the median of complete trials ---- */

struct median_words {
    uint64_t startup, warmup, interval;
};

static bool median_says(const struct stream *x, const struct median_words *o, size_t trial, uint64_t step)
{
    static double at_step[TRIALS];
    size_t n = 0, n_complete = 0;
    double best = INFINITY;
    bool first_in_interval = true;

    for (size_t i = 0; i < TRIALS; i++)
        n_complete += x->complete[i];
    for (size_t i = 0; i < x->n; i++) {
        if (x->log[i].trial == trial)
            best = fmin(best, x->log[i].value);
        if (x->log[i].trial == trial && x->log[i].step < step && x->log[i].step >= o->warmup && step >= o->warmup &&
            (x->log[i].step - o->warmup) / o->interval == (step - o->warmup) / o->interval)
            first_in_interval = false;
        if (x->complete[x->log[i].trial] && x->log[i].step == step)
            at_step[n++] = x->log[i].value;
    }
    if (n_complete < o->startup || step < o->warmup || n == 0 || !first_in_interval)
        return false;
    qsort(at_step, n, sizeof *at_step, by_value);
    return best > (n % 2 ? at_step[n / 2] : (at_step[n / 2 - 1] + at_step[n / 2]) / 2);
}

/* Random trials in parallel: each reports at rising steps, completes, or is given up. */
static size_t play_median(const struct median_words *o, uint64_t seed)
{
    static struct stream x;
    const zo_named options[] = {{"n_startup_trials", {.kind = ZO_NUMBER, .number = (double)o->startup}},
                                {"n_warmup_steps", {.kind = ZO_NUMBER, .number = (double)o->warmup}},
                                {"interval_steps", {.kind = ZO_NUMBER, .number = (double)o->interval}}};
    static uint64_t next_step[TRIALS];
    size_t stopped = 0;

    memset(next_step, 0, sizeof next_step);
    stream_open(&x, "median", options, ZO_LEN(options), seed);
    for (size_t k = 0; k < 2500; k++) {
        const size_t trial = (k / 30 + zo_portable1_u64(&x.dice) % 20) % TRIALS;
        if (k % 400 == 399)
            stream_restart(&x);
        if (x.complete[trial] || x.trials[trial]->n_reports == STEPS)
            continue;
        if (x.trials[trial]->n_reports && zo_portable1_u64(&x.dice) % 12 == 0) {
            stream_complete(&x, trial);
            continue;
        }
        const uint64_t step = next_step[trial] + zo_portable1_u64(&x.dice) % 3;
        next_step[trial] = step + 1;
        const bool stop = stream_report(&x, trial, step, some_value(&x));
        assert_int_equal(stop, median_says(&x, o, trial, step));
        stopped += stop;
    }
    stream_close(&x);
    return stopped;
}

static void median_decides_as_its_words_say(void **state)
{
    static const struct median_words options[] = {{5, 0, 1}, {1, 0, 1}, {3, 4, 1}, {2, 0, 5}, {1, 3, 4}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(options); k++)
        for (uint64_t seed = 1; seed <= 4; seed++)
            assert_true(play_median(&options[k], seed) > 10);
}

static void median_stops_only_what_is_strictly_worse(void **state)
{
    const zo_named options[] = {{"n_startup_trials", {.kind = ZO_NUMBER, .number = 5}}};
    static struct stream x;

    (void)state;
    stream_open(&x, "median", options, 1, 1);
    for (size_t i = 0; i < 5; i++) {
        assert_false(stream_report(&x, i, 3, (double)(i + 1)));
        stream_complete(&x, i);
    }
    assert_false(stream_report(&x, 10, 3, 3.0));
    assert_true(stream_report(&x, 11, 3, 3.0001));
    assert_false(stream_report(&x, 12, 4, 100)); /* nobody complete was there */
    stream_close(&x);
}

/* ---- asha, in words: among the best floor(n/eta), at least one, of all that reached the rung ---- */

static bool asha_says(const struct stream *x, uint64_t r, uint64_t eta, size_t trial, uint64_t step)
{
    bool stop = false;

    for (uint64_t rung = r; rung <= step; rung *= eta) {
        static double values[TRIALS];
        static bool there[TRIALS];
        size_t n = 0;
        double mine = NAN;
        bool judged = false;
        memset(there, 0, sizeof there);
        for (size_t i = 0; i < x->n; i++) { /* each trial counts with its first report at or past the rung */
            const size_t t = x->log[i].trial;
            if (x->log[i].step < rung || there[t])
                continue;
            there[t] = true;
            values[n++] = x->log[i].value;
            if (t == trial && x->log[i].step == step) {
                mine = x->log[i].value;
                judged = true;
            }
        }
        if (!judged)
            continue;
        qsort(values, n, sizeof *values, by_value);
        stop = stop || mine > values[n / eta > 0 ? n / eta - 1 : 0];
    }
    return stop;
}

static size_t play_asha(uint64_t r, uint64_t eta, uint64_t seed)
{
    const zo_named options[] = {{"min_resource", {.kind = ZO_NUMBER, .number = (double)r}},
                                {"reduction_factor", {.kind = ZO_NUMBER, .number = (double)eta}}};
    static struct stream x;
    static uint64_t next_step[TRIALS];
    size_t stopped = 0;

    memset(next_step, 0, sizeof next_step);
    stream_open(&x, "asha", options, 2, seed);
    for (size_t k = 0; k < 2500; k++) {
        const size_t trial = (k / 15 + zo_portable1_u64(&x.dice) % 30) % TRIALS;
        if (k % 400 == 399)
            stream_restart(&x);
        if (x.trials[trial]->n_reports == STEPS)
            continue;
        const uint64_t step = next_step[trial] + zo_portable1_u64(&x.dice) % 6;
        next_step[trial] = step + 1;
        const bool stop = stream_report(&x, trial, step, some_value(&x));
        assert_int_equal(stop, asha_says(&x, r, eta, trial, step));
        stopped += stop;
    }
    stream_close(&x);
    return stopped;
}

static void asha_decides_as_its_words_say(void **state)
{
    static const uint64_t options[][2] = {{1, 2}, {1, 3}, {1, 4}, {2, 3}, {5, 2}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(options); k++)
        for (uint64_t seed = 1; seed <= 4; seed++)
            assert_true(play_asha(options[k][0], options[k][1], seed) > 10);
}

static void asha_lets_the_best_third_pass(void **state)
{
    static const double values[] = {5, 4, 6, 3, 7, 2};
    static const bool stops[] = {false, false, true, false, true, false};
    const zo_named options[] = {{"reduction_factor", {.kind = ZO_NUMBER, .number = 3}}};
    static struct stream x;

    (void)state;
    stream_open(&x, "asha", options, 1, 1);
    for (size_t i = 0; i < ZO_LEN(values); i++)
        assert_int_equal(stream_report(&x, i, 1, values[i]), stops[i]);
    stream_close(&x);
}

static void asha_has_rungs_up_to_the_largest_step(void **state)
{
    const zo_named options[] = {{"reduction_factor", {.kind = ZO_NUMBER, .number = 2}}};
    static struct stream x;

    (void)state;
    stream_open(&x, "asha", options, 1, 1);
    assert_false(stream_report(&x, 0, UINT64_MAX, 1));
    assert_int_equal(x.trials[0]->rungs, 64);
    assert_true(stream_report(&x, 1, UINT64_MAX, 2));
    stream_restart(&x);
    assert_false(stream_report(&x, 2, UINT64_MAX, 1));
    stream_close(&x);
}

static void a_rule_that_nobody_wrote_is_not_found(void **state)
{
    (void)state;
    assert_null(stop_rule_find("hunch"));
    assert_string_equal(stop_rule_find("median")->name, "median");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(median_decides_as_its_words_say),
        cmocka_unit_test(median_stops_only_what_is_strictly_worse),
        cmocka_unit_test(asha_decides_as_its_words_say),
        cmocka_unit_test(asha_lets_the_best_third_pass),
        cmocka_unit_test(asha_has_rungs_up_to_the_largest_step),
        cmocka_unit_test(a_rule_that_nobody_wrote_is_not_found),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
