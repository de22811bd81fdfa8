/* core/study/forget.c, scrub.c: a study that forgot trials is the one that never had them. Judged by a fresh study that
 * imports the others under their numbers, by replay of the log with and without the forgotten, and by what is left. */
#include "study_fx.h"

#include "zeroth/solver.h"

enum { ASKS = 20 };

static double value_of(const double *v)
{
    return (v[0] - 1) * (v[0] - 1) + 20 * (v[1] - 0.3) * (v[1] - 0.3);
}

/* n trials asked and told, in a mixed order, some of them failed, stopped, abandoned or with all one can say. */
static void run(struct fx *f, size_t n)
{
    for (size_t k = 0; k < n; k += 2) {
        const zo_ask_reply reply = fx_ask_args(f, &(zo_ask_args){.count = 2, .worker = k % 3 ? "ada" : "bob"});
        for (size_t i = reply.n; i-- > 0;) {
            const uint64_t number = reply.numbers[i];
            double values[] = {value_of(fx_trial(f, number).v), 0.25}, std_errors[] = {0.01, NAN};
            zo_tell_item item = fx_item(number, ZO_TRIAL_COMPLETE, values);
            if (number % 7 == 3)
                item = fx_item(number, ZO_TRIAL_FAILED, NULL);
            if (number % 11 == 5)
                item = fx_item(number, ZO_TRIAL_ABANDONED, NULL);
            if (number % 13 == 6)
                item.state = ZO_TRIAL_STOPPED;
            if (number % 5 == 1) {
                item.metadata = "{\"note\": 1}";
                item.reason = "measured";
                item.cost = 2;
                item.std_errors = item.values ? std_errors : NULL;
            }
            fx_tell_item(f, item);
        }
        if (reply.n < 2)
            return;
    }
}

/* The finished trials that are left, imported into a study of the same spec. Numbers given up are spent on queued
 * points, withdrawn at once, so that both studies come to the same next number. */
static void import_rest(struct fx *to, const struct fx *from)
{
    fx_open_with(to, &from->spec, from->def);
    for (uint64_t number = 0; number < zo_study_n_trials(from->s); number++) {
        const zo_trial t = fx_trial(from, number);
        if (t.state == ZO_TRIAL_FORGOTTEN) {
            if (number + 1 == zo_study_n_trials(from->s)) {
                while (zo_study_n_trials(to->s) <= number) {
                    const uint64_t spent = fx_enqueue(to, 1, 0.5);
                    FX_OK(to, zo_study_withdraw(to->s, spent, to->now, &to->ev, &to->err));
                    fx_commit(to);
                }
            }
            continue;
        }
        fx_tell_item(to, (zo_tell_item){.v = t.v,
                                        .state = t.state,
                                        .values = t.has_values ? t.values : NULL,
                                        .std_errors = t.std_errors,
                                        .gradients = t.gradients,
                                        .cost = t.cost,
                                        .reason = t.reason,
                                        .metadata = t.metadata,
                                        .origin = ZO_ORIGIN_IMPORT,
                                        .has_import_number = true,
                                        .import_number = number,
                                        .created_ms = t.created_ms,
                                        .finished_ms = t.finished_ms});
    }
    assert_int_equal(zo_study_n_trials(to->s), zo_study_n_trials(from->s));
}

static size_t forget(struct fx *f, const uint64_t *numbers, size_t n)
{
    FX_OK(f, zo_study_forget(f->s, numbers, n, 1, f->now, &f->ev, &f->err));
    return fx_commit(f);
}

/* About a share of all trials, in no order. */
static size_t choose(const struct fx *f, zo_portable1 *g, uint64_t of_ten, uint64_t *numbers)
{
    size_t n = 0;

    for (uint64_t number = zo_study_n_trials(f->s); number-- > 0;)
        if (fx_state(f, number) != ZO_TRIAL_FORGOTTEN && zo_portable1_u64(g) % 10 < of_ten)
            numbers[n++] = number;
    return n;
}

static void bytes_sink(void *ctx, const void *bytes, size_t n)
{
    zo_events *to = ctx; /* its bytes alone */

    assert_true(events_reserve(to, 0, n));
    memcpy(to->bytes + to->n_bytes, bytes, n);
    to->n_bytes += n;
}

static void same_retained(const struct fx *a, const struct fx *b)
{
    zo_events x = {0}, y = {0};

    zo_study_retained(a->s, bytes_sink, &x);
    zo_study_retained(b->s, bytes_sink, &y);
    assert_int_equal(x.n_bytes, y.n_bytes);
    if (x.n_bytes)
        assert_memory_equal(x.bytes, y.bytes, x.n_bytes);
    zo_events_fini(&x);
    zo_events_fini(&y);
}

/* The next asks of both, bit for bit, with tells between. */
static void same_asks(struct fx *a, struct fx *b)
{
    for (size_t i = 0; i < ASKS; i++) {
        const zo_ask_reply x = fx_ask_n(a, 1), y = fx_ask_n(b, 1);
        assert_int_equal(x.n, y.n);
        assert_int_equal(x.state, y.state);
        if (x.n == 0)
            return;
        assert_int_equal(x.numbers[0], y.numbers[0]);
        const zo_trial s = fx_trial(a, x.numbers[0]), t = fx_trial(b, x.numbers[0]);
        assert_memory_equal(s.v, t.v, a->s->n * sizeof(double));
        const double values[] = {value_of(s.v), 0.25};
        fx_tell_item(a, fx_item(x.numbers[0], ZO_TRIAL_COMPLETE, values));
        fx_tell_item(b, fx_item(x.numbers[0], ZO_TRIAL_COMPLETE, values));
    }
}

/* ---- the log ---- */

/* Events before the last FORGOTTEN, scrubbed of its trials; returns how many were touched. */
static size_t scrub(struct fx *f)
{
    const uint64_t until = zo_study_forgotten_seq(f->s);
    uint64_t numbers[FX_LOG];
    size_t n = 0, n_touched = 0;

    for (uint64_t number = 0; number < zo_study_n_trials(f->s); number++)
        if (fx_state(f, number) == ZO_TRIAL_FORGOTTEN)
            numbers[n++] = number;
    for (size_t i = 0; i + 1 < until; i++) {
        zo_event *e = &f->log[i];
        zo_events out = {0};
        bool touched;
        FX_OK(f, zo_event_scrub(e, numbers, n, &out, &touched, &f->err));
        assert_int_equal(out.n, touched);
        if (touched) {
            assert_true(out.items[0].seq == e->seq && out.items[0].kind == e->kind && out.items[0].at_ms == e->at_ms);
            assert_true(out.items[0].body_bytes <= e->body_bytes);
            assert_int_equal(zo_event_check(&out.items[0], &f->err), ZO_OK);
            free((void *)(uintptr_t)e->body);
            uint8_t *body = malloc(out.items[0].body_bytes);
            assert_non_null(body);
            memcpy(body, out.items[0].body, out.items[0].body_bytes);
            e->body = body;
            e->body_bytes = out.items[0].body_bytes;
            zo_events_clear(&out);
            FX_OK(f, zo_event_scrub(e, numbers, n, &out, &touched, &f->err)); /* once is enough */
            assert_false(touched);
            n_touched++;
        }
        zo_events_fini(&out);
    }
    return n_touched;
}

/* The log up to its last FORGOTTEN as data, then executed again: the same study. */
static void same_by_log(const struct fx *f)
{
    zo_study *s = fx_fresh(f);

    zo_study_begin_data_replay(s, zo_study_forgotten_seq(f->s));
    fx_replay_into(f, s, f->n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f->s));
    const zo_counts a = zo_study_counts(s), b = zo_study_counts(f->s);
    assert_memory_equal(&a, &b, sizeof a);
    zo_study_free(s);
}

static bool holds(const uint8_t *in, size_t n, const void *what, size_t bytes)
{
    for (size_t at = 0; at + bytes <= n; at++)
        if (memcmp(in + at, what, bytes) == 0)
            return true;
    return false;
}

/* ---- the same as never told ---- */

static bool takes(const zo_study_spec *spec)
{
    zo_study *s = NULL;
    zo_error err = {0};
    const bool ok = zo_study_new(spec, (zo_now){0}, NULL, &s, &err) == ZO_OK;

    zo_study_free(s);
    return ok;
}

static void the_next_asks_are_those_of_a_study_that_imports_the_rest(void **state)
{
    static const char *const names[] = {"random", "sobol",  "cma-es",    "nelder-mead",
                                        "auto",   "bobyqa", "lq-cma-es", "direct-l"};
    static const uint64_t shares[] = {1, 5, 9, 10};
    size_t n_done = 0;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(names); k++)
        for (size_t share = 0; share < ZO_LEN(shares); share++) {
            zo_portable1 g = zo_portable1_make(100 * k + share);
            zo_study_spec spec = fx_spec();
            struct fx *f = calloc(1, sizeof *f), *fresh = calloc(1, sizeof *fresh);
            uint64_t numbers[128];
            assert_true(f && fresh);
            spec.solver = names[k];
            spec.seed = 11 + k;
            if (takes(&spec)) {
                fx_open_with(f, &spec, NULL);
                run(f, 60);
                for (int round = 0; round < 2; round++) { /* and again, over a tombstone or two */
                    const size_t n = choose(f, &g, shares[share], numbers);
                    if (n == 0)
                        break;
                    assert_int_equal(forget(f, numbers, n), 1);
                    same_by_log(f);
                    assert_true(scrub(f) >= n);
                    same_by_log(f);
                    import_rest(fresh, f);
                    same_retained(f, fresh);
                    assert_true(f->s->best == fresh->s->best);
                    same_asks(f, fresh);
                    same_by_log(f);
                    fx_close(fresh);
                    n_done++;
                }
                fx_close(f);
            }
            free(f);
            free(fresh);
        }
    assert_true(n_done >= 40);
}

/* ---- what else follows ---- */

static void nothing_is_left_but_number_and_budget(void **state)
{
    static const char secret[] = "{\"patient\": \"Ada Lovelace\"}";
    const double value = 0.123456789, v[] = {2.718281828, 0.5}, *const points[] = {v};
    static const char *const notes[] = {secret};
    zo_study_spec spec = fx_spec();
    uint64_t queued;
    struct fx f;

    (void)state;
    spec.budget.trials = 5;
    fx_open(&f, &spec);
    spy.predicts = true;
    spy.predicted = value;
    FX_OK(&f, zo_study_enqueue(f.s, points, notes, 1, f.now, &f.ev, &queued, &f.err));
    fx_commit(&f);
    fx_ask_args(&f, &(zo_ask_args){.count = 4, .worker = "doctor-who"});
    for (uint64_t number = 0; number < 3; number++) {
        zo_tell_item item = fx_item(number, ZO_TRIAL_COMPLETE, &value);
        item.reason = item.metadata = secret;
        item.worker = "doctor-who";
        fx_tell_item(&f, item);
    }
    fx_tell_item(&f, (zo_tell_item){.by_number = true, .number = 3, .state = ZO_TRIAL_ABANDONED, .cost = NAN});
    const zo_counts before = zo_study_counts(f.s);
    assert_int_equal(before.handed_out, 3);
    forget(&f, (uint64_t[]){3, 0, 1, 2}, 4);
    const zo_counts after = zo_study_counts(f.s);
    assert_int_equal(after.by_state[ZO_TRIAL_FORGOTTEN], 4);
    assert_int_equal(after.by_state[ZO_TRIAL_COMPLETE] + after.by_state[ZO_TRIAL_ABANDONED], 0);
    assert_true(after.handed_out == before.handed_out && after.total == before.total);
    for (uint64_t number = 0; number < 4; number++) {
        const zo_trial t = fx_trial(&f, number);
        assert_int_equal(t.state, ZO_TRIAL_FORGOTTEN);
        assert_false(t.has_values || t.worker || t.reason || t.metadata || t.std_errors || t.core || t.why ||
                     t.n_reports);
        assert_true(t.v[0] == 0 && t.v[1] == 0 && isnan(t.values[0]) && isnan(t.cost) && isnan(t.predicted));
        assert_true(t.created_ms == 0 && t.finished_ms == 0);
    }
    assert_false(zo_study_best(f.s, &queued, NULL));
    assert_int_equal(f.s->strings.n, 0);
    scrub(&f);
    for (size_t i = 0; i < f.n_log; i++) {
        assert_false(holds(f.log[i].body, f.log[i].body_bytes, "Ada", 3));
        assert_false(holds(f.log[i].body, f.log[i].body_bytes, "doctor", 6));
        assert_false(holds(f.log[i].body, f.log[i].body_bytes, &value, sizeof value));
        assert_false(holds(f.log[i].body, f.log[i].body_bytes, v, sizeof *v));
    }
    same_by_log(&f);
    fx_ask_n(&f, 5); /* the budget has two left */
    assert_int_equal(zo_study_counts(f.s).handed_out, 5);
    assert_int_equal(zo_study_n_trials(f.s), 6);
    fx_close(&f);
}

static void what_others_said_stays_but_not_what_was_predicted_for_them(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    spy.predicts = true;
    spy.predicted = 42;
    fx_ask_args(&f, &(zo_ask_args){.count = 2, .worker = "ada"});
    fx_tell(&f, 0, 1);
    zo_tell_item item = fx_item(1, ZO_TRIAL_COMPLETE, &(double){2});
    item.metadata = "{}";
    fx_tell_item(&f, item);
    const double x = fx_trial(&f, 1).v[0];
    forget(&f, (uint64_t[]){0}, 1);
    const zo_trial t = fx_trial(&f, 1);
    assert_true(t.v[0] == x && t.values[0] == 2 && isnan(t.predicted));
    assert_string_equal(t.worker, "ada");
    assert_string_equal(t.metadata, "{}");
    assert_string_equal(t.core, "spy");
    assert_int_equal(scrub(&f), 3); /* ASKED and TOLD of 0, the prediction of 1 */
    same_by_log(&f);
    fx_close(&f);
}

static void the_best_and_the_end_it_made_are_taken_back(void **state)
{
    zo_study_spec spec = fx_spec();
    uint64_t best;
    bool feasible;
    struct fx f;

    (void)state;
    spec.budget = (zo_budget){.has_target = true, .target = 1};
    fx_open(&f, &spec);
    fx_ask_n(&f, 3);
    fx_tell(&f, 0, 5);
    fx_tell(&f, 1, 3);
    fx_tell(&f, 2, 0.5);
    fx_is(&f, ZO_STUDY_DONE, "target");
    assert_int_equal(forget(&f, (uint64_t[]){2}, 1), 1);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    assert_true(zo_study_best(f.s, &best, &feasible) && best == 1 && feasible);
    fx_ask(&f);
    fx_tell(&f, 3, 0.25);
    fx_is(&f, ZO_STUDY_DONE, "target");
    assert_int_equal(forget(&f, (uint64_t[]){1}, 1), 2); /* and ENDED again, for it still follows */
    fx_is(&f, ZO_STUDY_DONE, "target");
    scrub(&f);
    same_by_log(&f);
    fx_close(&f);
}

static void an_end_by_a_rule_is_judged_again_over_the_rest(void **state)
{
    zo_study_spec spec = fx_spec();
    zo_stop_verdict v;
    struct fx f;

    (void)state;
    spec.stopping.on[ZO_STOP_NO_IMPROVEMENT] = true;
    spec.stopping.trials = 5;
    fx_open(&f, &spec);
    for (uint64_t k = 0; k < 7; k++)
        fx_tell(&f, fx_ask(&f), k == 1 ? 0 : 9); /* the best is trial 1; five more, and it ends */
    fx_is(&f, ZO_STUDY_DONE, "stop");
    assert_int_equal(forget(&f, (uint64_t[]){0}, 1), 2);
    fx_is(&f, ZO_STUDY_DONE, "stop");
    assert_int_equal(forget(&f, (uint64_t[]){4}, 1), 1);
    fx_is(&f, ZO_STUDY_ACTIVE, NULL);
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    assert_true(v.numbers[0].value == 4);
    fx_tell(&f, fx_ask(&f), 9);
    fx_is(&f, ZO_STUDY_DONE, "stop");
    scrub(&f);
    same_by_log(&f);
    fx_budget(&f, (zo_budget){0}); /* counts begin anew here, for what is forgotten later too */
    for (uint64_t k = 0; k < 3; k++)
        fx_tell(&f, fx_ask(&f), 9);
    forget(&f, (uint64_t[]){2, 9}, 2);
    zo_study_stopping(f.s, ZO_STOP_NO_IMPROVEMENT, &v);
    assert_true(v.numbers[0].value == 2);
    fx_close(&f);
}

static void the_front_has_what_was_hidden(void **state)
{
    static const zo_objective_spec two[] = {{.name = "a"}, {.name = "b"}};
    static const double values[][2] = {{1, 5}, {3, 3}, {5, 1}, {2, 2}, {4, 4}};
    zo_study_spec spec = fx_spec();
    const uint64_t *front;
    struct fx f;

    (void)state;
    spec.objectives = two;
    spec.n_objectives = 2;
    fx_open(&f, &spec);
    for (uint64_t k = 0; k < ZO_LEN(values); k++)
        fx_tell_item(&f, fx_item(fx_ask(&f), ZO_TRIAL_COMPLETE, values[k]));
    assert_int_equal(zo_study_pareto(f.s, &front), 3); /* 0, 2 and 3, which covers 1 */
    forget(&f, (uint64_t[]){3}, 1);
    assert_int_equal(zo_study_pareto(f.s, &front), 3);
    assert_true(front[0] == 0 && front[1] == 1 && front[2] == 2);
    forget(&f, (uint64_t[]){0, 1, 2, 4}, 4);
    assert_int_equal(zo_study_pareto(f.s, &front), 0);
    fx_close(&f);
}

static void a_forgotten_point_is_new_again(void **state)
{
    static const zo_param_spec levels[] = {{.name = "n", .type = ZO_INT, .low = 0, .high = 3}};
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    spec.space = (zo_space_spec){.params = levels, .n_params = 1};
    spec.duplicates = ZO_DUPLICATES_AVOID;
    fx_open_with(&f, &spec, NULL);
    for (uint64_t k = 0; k < 4; k++)
        fx_tell(&f, fx_ask(&f), 1);
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
    const double v = fx_trial(&f, 2).v[0];
    forget(&f, (uint64_t[]){2}, 1);
    assert_true(fx_trial(&f, fx_ask(&f)).v[0] == v);
    fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
    scrub(&f);
    same_by_log(&f);
    fx_close(&f);
}

/* With asha, eta 2, a trial goes on if it is in the better half of the rung. */
static void early_stopping_does_not_know_the_forgotten(void **state)
{
    static const zo_named eta[] = {{"reduction_factor", {.kind = ZO_NUMBER, .integral = true, .number = 2}}};
    zo_study_spec spec = fx_spec();
    bool stop;
    struct fx f;

    (void)state;
    spec.oracle = ZO_ORACLE_STEPS;
    spec.stop_rule = "asha";
    spec.stop_options = eta;
    spec.n_stop_options = 1;
    fx_open(&f, &spec);
    fx_ask_n(&f, 4);
    for (uint64_t k = 0; k < 2; k++) {
        FX_OK(&f, zo_study_report(f.s, k, 1, &(double){(double)k + 1}, f.now, &f.ev, &stop, &f.err));
        fx_commit(&f);
        fx_tell(&f, k, 1);
    }
    forget(&f, (uint64_t[]){0}, 1);
    assert_int_equal(zo_study_report(f.s, 0, 1, &(double){1}, f.now, &f.ev, &stop, &f.err), ZO_ECONFLICT);
    FX_OK(&f, zo_study_report(f.s, 2, 1, &(double){1.5}, f.now, &f.ev, &stop, &f.err));
    fx_commit(&f);
    assert_false(stop); /* worse than 0's, better than 1's */
    scrub(&f);
    same_by_log(&f);
    fx_close(&f);
}

static void the_default_point_has_its_turn_as_if_never_asked(void **state)
{
    static const zo_param_spec defaults[] = {{.name = "x",
                                              .type = ZO_FLOAT,
                                              .low = -5,
                                              .high = 5,
                                              .has_default = true,
                                              .default_value = {.kind = ZO_NUMBER, .number = 1.5}},
                                             {.name = "y",
                                              .type = ZO_FLOAT,
                                              .low = 0,
                                              .high = 1,
                                              .has_default = true,
                                              .default_value = {.kind = ZO_NUMBER, .number = 0.25}}};

    (void)state;
    for (uint64_t gone = 0; gone < 2; gone++) { /* the default point itself, or another */
        zo_study_spec spec = fx_spec();
        struct fx f, fresh;
        spec.space = (zo_space_spec){.params = defaults, .n_params = 2};
        spec.solver = "cma-es";
        fx_open_with(&f, &spec, NULL);
        run(&f, 10);
        assert_true(fx_trial(&f, 0).v[0] == 1.5);
        forget(&f, &gone, 1);
        import_rest(&fresh, &f);
        same_asks(&f, &fresh);
        assert_int_equal(fx_trial(&f, 10).v[0] == 1.5, gone == 0);
        same_by_log(&f);
        fx_close(&f);
        fx_close(&fresh);
    }
}

static void trials_that_run_are_told_to_the_new_solver_later(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 4);
    fx_tell(&f, 0, 1);
    fx_tell(&f, 1, 2);
    fx_release(&f, 3);
    spy.n = 0;
    forget(&f, (uint64_t[]){1}, 1);
    assert_true(spy.n == 1 && spy.told[0].number == 0 && !spy.told[0].own);
    fx_tell(&f, 2, 3);
    assert_true(spy.n == 2 && spy.told[1].number == 2 && !spy.told[1].own);
    assert_int_equal(fx_ask(&f), 3);
    scrub(&f);
    same_by_log(&f);
    fx_close(&f);
}

/* ---- refusals ---- */

#define FORGET(...)                                                                                                    \
    zo_study_forget(f.s, (uint64_t[]){__VA_ARGS__}, ZO_LEN(((uint64_t[]){__VA_ARGS__})), 1, f.now, &f.ev, &f.err)

static void what_can_not_be_forgotten_is_refused_and_nothing_changes(void **state)
{
    zo_study_spec spec = fx_spec();
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 4);
    fx_tell(&f, 0, 1);
    fx_tell(&f, 1, 2);
    fx_release(&f, 3);
    fx_enqueue(&f, 1, 0.5);
    FX_REFUSED(&f, FORGET(0, 99), ZO_ENOTFOUND, "/trials/1");
    FX_REFUSED(&f, FORGET(0, 2), ZO_ECONFLICT, "/trials/1");
    FX_REFUSED(&f, FORGET(3, 0), ZO_ECONFLICT, "/trials/0");
    FX_REFUSED(&f, FORGET(4), ZO_ECONFLICT, "/trials/0");
    FX_REFUSED(&f, FORGET(0, 1, 0), ZO_EINVAL, "/trials/2");
    FX_REFUSED(&f, zo_study_forget(f.s, NULL, 0, 1, f.now, &f.ev, &f.err), ZO_EINVAL, "/trials");
    forget(&f, (uint64_t[]){0}, 1);
    FX_REFUSED(&f, FORGET(1, 0), ZO_ECONFLICT, "/trials/1");
    const zo_tell_item again = fx_item(0, ZO_TRIAL_COMPLETE, &(double){1});
    FX_REFUSED(&f, fx_try_tell(&f, &again, 1, NULL), ZO_ECONFLICT, "/trial");
    FX_REFUSED(&f, fx_try_import(&f, 0, 1, 1), ZO_ECONFLICT, "/number");
    FX_OK(&f, zo_study_withdraw(f.s, 4, f.now, &f.ev, &f.err));
    fx_commit(&f);
    forget(&f, (uint64_t[]){4}, 1); /* a point that was withdrawn is data too */
    scrub(&f);
    same_by_log(&f);
    fx_close(&f);
}

/* ---- damage ---- */

static void a_scrubbed_log_is_data_and_only_of_forgotten_trials(void **state)
{
    zo_study_spec spec = fx_spec();
    zo_error err = {0};
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    fx_ask_n(&f, 2);
    fx_tell(&f, 0, 1);
    fx_tell(&f, 1, 2);
    forget(&f, (uint64_t[]){1}, 1);
    scrub(&f);
    zo_study *s = fx_fresh(&f);
    fx_replay_into(&f, s, 2);
    assert_int_equal(zo_study_replay(s, &f.log[2], &err), ZO_ECONFLICT); /* so that the reader takes it as data */
    zo_study_free(s);
    zo_events out = {0};
    bool touched;
    FX_OK(&f, zo_event_scrub(&f.log[1], (uint64_t[]){0}, 1, &out, &touched, &f.err));
    assert_true(touched);
    s = fx_fresh(&f);
    zo_study_begin_data_replay(s, f.n_log);
    fx_replay_into(&f, s, 1);
    assert_int_equal(zo_study_replay(s, &out.items[0], &err), ZO_OK);
    fx_replay_into(&f, s, f.n_log - 1);
    assert_int_equal(zo_study_replay(s, &f.log[f.n_log - 1], &err), ZO_EMALFORMED); /* trial 0 is not in it */
    zo_study_free(s);
    zo_events_fini(&out);
    fx_close(&f);
}

/* Snapshots after a forget load; tombstones are in closed segments and in the head. */
static void a_snapshot_carries_tombstones(void **state)
{
    enum { N = ZO_SEGMENT_TRIALS + 100 };
    static double v[N][2], values[N];
    static zo_tell_item items[N];
    static uint64_t numbers[N];
    zo_study_spec spec = fx_spec();
    zo_bundle head, old, segment;
    size_t n, failed_at;
    uint64_t seq;
    zo_error err = {0};
    struct fx f;

    (void)state;
    fx_open(&f, &spec);
    for (size_t i = 0; i < N; i++) {
        v[i][0] = (double)(i % 10) - 5;
        v[i][1] = (double)(i % 7) / 7;
        values[i] = (double)(i % 1000);
        items[i] = (zo_tell_item){
            .v = v[i], .state = ZO_TRIAL_COMPLETE, .values = &values[i], .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
        if (i % 9 == 0)
            items[i].metadata = "{}", items[i].worker = "ada";
    }
    FX_OK(&f, zo_study_tell(f.s, items, N, f.now, &f.ev, numbers, &failed_at, &f.err));
    assert_int_equal(zo_study_closed_segments(f.s), 1);
    zo_bundle_init(&old);
    FX_OK(&f, zo_study_save_segment(f.s, 0, &old, &f.err));
    FX_OK(&f, zo_study_forget(f.s, (uint64_t[]){0, 17, 4095, 4100}, 4, 1, f.now, &f.ev, &f.err));
    zo_bundle_init(&head);
    zo_bundle_init(&segment);
    FX_OK(&f, zo_study_save_head(f.s, 5, &head, &f.err));
    FX_OK(&f, zo_study_save_segment(f.s, 0, &segment, &f.err));
    zo_study *s = fx_fresh(&f);
    FX_OK(&f, zo_study_load_head(s, &head, 5, &n, &seq, &f.err));
    assert_int_equal(zo_study_load_segment(s, 0, &old, &err), ZO_EINVAL);
    zo_study_free(s);
    s = fx_fresh(&f);
    FX_OK(&f, zo_study_load_head(s, &head, 5, &n, &seq, &f.err));
    FX_OK(&f, zo_study_load_segment(s, 0, &segment, &f.err));
    FX_OK(&f, zo_study_load_finish(s, &f.err));
    assert_int_equal(zo_study_counts(s).by_state[ZO_TRIAL_FORGOTTEN], 4);
    assert_true(zo_study_digest(s) == zo_study_digest(f.s));
    assert_int_equal(zo_study_forgotten_seq(s), zo_study_forgotten_seq(f.s));
    zo_study_free(s);
    zo_bundle_fini(&head);
    zo_bundle_fini(&old);
    zo_bundle_fini(&segment);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_next_asks_are_those_of_a_study_that_imports_the_rest),
        cmocka_unit_test(nothing_is_left_but_number_and_budget),
        cmocka_unit_test(what_others_said_stays_but_not_what_was_predicted_for_them),
        cmocka_unit_test(the_best_and_the_end_it_made_are_taken_back),
        cmocka_unit_test(an_end_by_a_rule_is_judged_again_over_the_rest),
        cmocka_unit_test(the_front_has_what_was_hidden),
        cmocka_unit_test(a_forgotten_point_is_new_again),
        cmocka_unit_test(early_stopping_does_not_know_the_forgotten),
        cmocka_unit_test(the_default_point_has_its_turn_as_if_never_asked),
        cmocka_unit_test(trials_that_run_are_told_to_the_new_solver_later),
        cmocka_unit_test(what_can_not_be_forgotten_is_refused_and_nothing_changes),
        cmocka_unit_test(a_scrubbed_log_is_data_and_only_of_forgotten_trials),
        cmocka_unit_test(a_snapshot_carries_tombstones),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
