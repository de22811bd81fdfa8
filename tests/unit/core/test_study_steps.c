/* Directional studies: one step at a time, the record as the trial's vector, answers as values; what is refused; and
 * that the client's x, rebuilt from the log, is the one it had. */
#include "study_fx.h"
#include "step_client.h"

enum { DIM = 12 };
static const zo_group groups[] = {{"first", 5}, {"second", 7}};
static const zo_directional vector = {.dimension = DIM, .groups = groups, .n_groups = 2};
static const char *const metrics[] = {"accuracy"};

static zo_study_spec steps_spec(const char *solver)
{
    zo_study_spec spec = fx_spec();

    spec.space = (zo_space_spec){0};
    spec.oracle = ZO_ORACLE_DIRECTIONAL;
    spec.directional = &vector;
    spec.metrics = metrics;
    spec.n_metrics = 1;
    spec.solver = solver;
    return spec;
}

/* ---- a client ---- */

struct world {
    struct fx f;
    struct step_client c;
    double sign;
};

static void world_open_spec(struct world *w, const zo_study_spec *spec)
{
    fx_open_with(&w->f, spec, NULL);
    client_open(&w->c, spec->seed, spec->directional, zo_study_steps(w->f.s)->plan);
    w->sign = spec->objectives[0].maximize ? -1 : 1;
}

static void world_open(struct world *w, const char *solver)
{
    const zo_study_spec spec = steps_spec(solver);

    world_open_spec(w, &spec);
}

static void world_close(struct world *w)
{
    client_close(&w->c);
    fx_close(&w->f);
}

static double loss(const void *arg, size_t n, const double *x, const double *z)
{
    const struct world *w = arg;
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += z ? 2 * (x[i] - 1) * z[i] : (x[i] - 1) * (x[i] - 1);
    return w->sign * sum;
}

/* The items values: the loss and the metric absent, then the answers. */
static void answer(struct world *w, uint64_t number, double *values)
{
    const zo_trial t = fx_trial(&w->f, number);

    for (size_t j = 0; j < zo_study_n_values(w->f.s); j++)
        values[j] = NAN;
    client_answer(&w->c, t.v, loss, w, values + zo_study_n_named(w->f.s));
}

static uint64_t take(struct world *w)
{
    const uint64_t number = fx_ask(&w->f);

    client_take(&w->c, fx_trial(&w->f, number).v);
    return number;
}

static uint64_t step(struct world *w)
{
    const uint64_t number = take(w);
    double values[CLIENT_ANSWERS_MAX + 2];

    answer(w, number, values);
    assert_true(fx_tell_item(&w->f, fx_item(number, ZO_TRIAL_COMPLETE, values)) > 0);
    return number;
}

/* x as a client that lost it makes it again: 0 and all moves that the study knows of, up to a trial's. */
static void assert_rebuilt(const struct world *w, const zo_study *s, uint64_t last)
{
    struct step_client again;

    client_open(&again, w->f.spec.seed, zo_study_steps(s)->space, zo_study_steps(s)->plan);
    for (uint64_t number = 0; number <= last; number++)
        client_add(&again, zo_study_move(s, number, again.terms), again.x);
    assert_memory_equal(again.x, w->c.x, DIM * sizeof *again.x);
    client_close(&again);
}

/* ---- a life ---- */

static const char *const solvers[] = {"zo-sgd",  "zo-sign",         "zo-momentum",
                                      "zo-adam", "zo-conservative", "forward-gradient"};

static void every_rule_brings_the_loss_down_and_x_can_be_rebuilt(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++) {
        struct world w;
        world_open(&w, solvers[k]);
        for (int i = 0; i < 400; i++)
            step(&w);
        assert_true(loss(&w, DIM, w.c.x, NULL) < 0.05 * DIM);
        assert_rebuilt(&w, w.f.s, 399);
        zo_study *replayed = fx_replayed(&w.f);
        assert_rebuilt(&w, replayed, 399);
        zo_study_free(replayed);
        world_close(&w);
    }
}

static void a_gain_is_climbed(void **state)
{
    static const zo_objective_spec gain[] = {{.name = "gain", .maximize = true}};
    zo_study_spec spec = steps_spec("zo-sgd");
    struct world w;

    (void)state;
    spec.objectives = gain;
    world_open_spec(&w, &spec);
    for (int i = 0; i < 300; i++)
        step(&w);
    assert_true(loss(&w, DIM, w.c.x, NULL) > -0.01 * DIM);
    world_close(&w);
}

static void steps_come_one_at_a_time(void **state)
{
    struct world w;

    (void)state;
    world_open(&w, "zo-sgd");
    const zo_ask_reply reply = fx_ask_n(&w.f, 3);
    assert_int_equal(reply.n, 1);
    assert_string_equal(reply.reason, "waiting");
    assert_true(reply.retry_after_s > 0);
    fx_ask_in_vain(&w.f, ZO_STUDY_ACTIVE, "waiting");
    fx_tell_state(&w.f, reply.numbers[0], ZO_TRIAL_FAILED);
    assert_int_equal(fx_ask(&w.f), 1);
    world_close(&w);
}

static void a_lost_step_is_handed_out_again_as_it_was(void **state)
{
    struct world w;
    double before[64];

    (void)state;
    world_open(&w, "zo-sgd");
    step(&w);
    const uint64_t number = take(&w);
    memcpy(before, fx_trial(&w.f, number).v, w.f.s->n * sizeof *before);
    assert_int_equal(fx_tick_after(&w.f, FX_LEASE_MS + 1), 1);
    assert_int_equal(fx_ask(&w.f), number);
    fx_release(&w.f, number);
    fx_restart(&w.f);
    assert_int_equal(fx_ask(&w.f), number);
    assert_memory_equal(before, fx_trial(&w.f, number).v, w.f.s->n * sizeof *before);
    assert_int_equal(fx_trial(&w.f, number).attempt, 3);
    world_close(&w);
}

static void the_budget_counts_steps(void **state)
{
    zo_study_spec spec = steps_spec("zo-conservative");
    struct world w;

    (void)state;
    spec.budget.trials = 5;
    world_open_spec(&w, &spec);
    for (int i = 0; i < 5; i++)
        step(&w);
    fx_ask_in_vain(&w.f, ZO_STUDY_DONE, "budget");
    world_close(&w);
}

/* ---- values ---- */

static void the_loss_is_what_the_probes_say(void **state)
{
    static const zo_named lr[] = {{"lr", {.kind = ZO_NUMBER, .number = 0.01}}};
    zo_study_spec spec = steps_spec("zo-sgd");
    const double values[] = {NAN, 0.5, 3, 5};
    struct world w;
    uint64_t best;
    bool feasible;

    (void)state;
    spec.options = lr;
    spec.n_options = 1;
    world_open_spec(&w, &spec);
    assert_int_equal(zo_study_n_named(w.f.s), 2);
    assert_int_equal(zo_study_n_values(w.f.s), 4);
    const uint64_t number = take(&w);
    fx_tell_item(&w.f, fx_item(number, ZO_TRIAL_COMPLETE, values));
    const zo_trial t = fx_trial(&w.f, number);
    assert_true(t.has_values && t.feasible && t.values[0] == 4 && t.values[1] == 0.5 && t.values[3] == 5);
    assert_true(zo_study_best(w.f.s, &best, &feasible) && best == number && feasible);
    assert_int_equal(fx_tell_item(&w.f, fx_item(number, ZO_TRIAL_COMPLETE, values)), 0); /* the same again */
    zo_study_free(fx_replayed(&w.f));
    world_close(&w);
}

static void derivatives_say_no_loss_but_the_client_may(void **state)
{
    struct world w;
    double values[64];
    uint64_t best;
    bool feasible;

    (void)state;
    world_open(&w, "forward-gradient");
    step(&w);
    assert_true(isnan(fx_trial(&w.f, 0).values[0]) && !fx_trial(&w.f, 0).has_values);
    assert_false(zo_study_best(w.f.s, &best, &feasible));
    const uint64_t number = take(&w);
    answer(&w, number, values);
    values[0] = 7;
    fx_tell_item(&w.f, fx_item(number, ZO_TRIAL_COMPLETE, values));
    assert_true(zo_study_best(w.f.s, &best, &feasible) && best == number);
    assert_int_equal(fx_tell_item(&w.f, fx_item(number, ZO_TRIAL_COMPLETE, values)), 0);
    values[0] = 8;
    const zo_tell_item other = fx_item(number, ZO_TRIAL_COMPLETE, values);
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &other, 1, NULL), ZO_ECONFLICT, "/trial");
    world_close(&w);
}

static void a_target_ends_the_study(void **state)
{
    zo_study_spec spec = steps_spec("zo-sgd");
    struct world w;

    (void)state;
    spec.budget = (zo_budget){.has_target = true, .target = 1};
    world_open_spec(&w, &spec);
    for (int i = 0; i < 400 && zo_study_get_state(w.f.s, NULL) == ZO_STUDY_ACTIVE; i++)
        step(&w);
    fx_is(&w.f, ZO_STUDY_DONE, "target");
    assert_true(loss(&w, DIM, w.c.x, NULL) < 1.1);
    world_close(&w);
}

/* ---- refusals ---- */

static void tells_that_make_no_sense_are_refused(void **state)
{
    struct world w;
    double values[64], std_errors[64];
    zo_tell_item item;

    (void)state;
    world_open(&w, "zo-conservative");
    const uint64_t number = take(&w);
    const size_t n_named = zo_study_n_named(w.f.s), n = zo_step_n_probes(w.c.steps.plan, fx_trial(&w.f, number).v);
    answer(&w, number, values);
    item = fx_item(number, ZO_TRIAL_COMPLETE, values);
    FX_REFUSED(
        &w.f,
        fx_try_tell(&w.f, &(zo_tell_item){.by_number = true, .number = number, .state = ZO_TRIAL_COMPLETE, .cost = NAN},
                    1, NULL),
        ZO_EINVAL, "/probes");
    values[0] = 1;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/values/loss");
    values[0] = NAN;
    const double kept = values[n_named + n - 1];
    values[n_named + n - 1] = NAN;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/probes");
    values[n_named + n - 1] = INFINITY;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/probes");
    values[n_named + n - 1] = kept;
    static const zo_trial_state states[] = {ZO_TRIAL_STOPPED, ZO_TRIAL_INFEASIBLE};
    for (size_t i = 0; i < ZO_LEN(states); i++) {
        const zo_tell_item other = fx_item(number, states[i], NULL);
        FX_REFUSED(&w.f, fx_try_tell(&w.f, &other, 1, NULL), ZO_EINVAL, "/state");
    }
    item.state = ZO_TRIAL_FAILED;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/probes");
    item.state = ZO_TRIAL_COMPLETE;
    for (size_t j = 0; j < ZO_LEN(std_errors); j++)
        std_errors[j] = 0.1;
    item.std_errors = std_errors;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/stderr");
    item.std_errors = NULL;
    assert_int_equal(fx_tell_item(&w.f, item), 1);
    /* the next one has fewer probes: what is too many is refused too */
    const uint64_t next = take(&w);
    assert_true(zo_step_n_probes(w.c.steps.plan, fx_trial(&w.f, next).v) < n);
    item.number = next;
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &item, 1, NULL), ZO_EINVAL, "/probes");
    world_close(&w);
}

static void points_and_reports_are_refused(void **state)
{
    const double point[64] = {0}, *const points[] = {point}, value = 1;
    struct world w;
    uint64_t number;
    bool stop;

    (void)state;
    world_open(&w, "zo-sgd");
    take(&w);
    FX_REFUSED(&w.f, zo_study_enqueue(w.f.s, points, NULL, 1, w.f.now, &w.f.ev, &number, &w.f.err), ZO_EUNSUPPORTED,
               "/trials/0/params");
    const zo_tell_item brought = {.v = point, .state = ZO_TRIAL_FAILED, .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
    FX_REFUSED(&w.f, fx_try_tell(&w.f, &brought, 1, NULL), ZO_EUNSUPPORTED, "");
    FX_REFUSED(&w.f, zo_study_report(w.f.s, 0, 1, &value, w.f.now, &w.f.ev, &stop, &w.f.err), ZO_EUNSUPPORTED, "");
    world_close(&w);
}

static void assert_spec_refused(const zo_study_spec *spec, zo_status code, const char *pointer)
{
    zo_study *s = NULL;
    zo_error err = {0};

    assert_int_equal(zo_study_new(spec, (zo_now){0}, NULL, &s, &err), code);
    assert_string_equal(err.pointer, pointer);
    assert_true(err.message[0]);
}

static void specs_that_make_no_sense_are_refused(void **state)
{
    static const zo_objective_spec two[] = {{.name = "loss"}, {.name = "size"}};
    static const zo_constraint_spec limits[] = {{.name = "seconds", .has_upper = true, .upper = 2}};
    static const zo_named grouped[] = {{"groups", {.kind = ZO_BOOLEAN, .boolean = true}}};
    static const zo_named cosine[] = {{"schedule", {.kind = ZO_STRING, .string = "cosine"}}};
    static const zo_named many[] = {{"directions", {.kind = ZO_NUMBER, .number = 100}}};
    zo_study_spec spec;
    zo_directional bad;

    (void)state;
#define REFUSED(solver, code, pointer, ...)                                                                            \
    do {                                                                                                               \
        spec = steps_spec(solver);                                                                                     \
        bad = vector;                                                                                                  \
        spec.directional = &bad;                                                                                       \
        __VA_ARGS__;                                                                                                   \
        assert_spec_refused(&spec, code, pointer);                                                                     \
    } while (0)
    REFUSED("zo-sgd", ZO_EINVAL, "/space", spec.space = (zo_space_spec){.params = fx_box, .n_params = 1});
    REFUSED("zo-sgd", ZO_EINVAL, "/parallelism", spec.parallelism = 2);
    REFUSED("zo-sgd", ZO_EINVAL, "/duplicates", spec.duplicates = ZO_DUPLICATES_AVOID);
    REFUSED("zo-sgd", ZO_EINVAL, "/early_stopping/rule", spec.stop_rule = "median");
    REFUSED("zo-sgd", ZO_EUNSUPPORTED, "/solver/name", (spec.objectives = two, spec.n_objectives = 2));
    REFUSED("zo-sgd", ZO_EUNSUPPORTED, "/solver/name", (spec.constraints = limits, spec.n_constraints = 1));
    REFUSED("cma-es", ZO_EUNSUPPORTED, "/solver/name", (void)0);
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/dimension", spec.directional = NULL);
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/dimension", bad.dimension = 0);
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/dimension", bad.dimension = UINT64_C(1) << 53);
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/groups", bad.dimension = 13);
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/groups/0/name", bad.groups = ((const zo_group[]){{"", 5}, {"b", 7}}));
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/groups/1/name", bad.groups = ((const zo_group[]){{"a", 5}, {"a", 7}}));
    REFUSED("zo-sgd", ZO_EINVAL, "/oracle/groups/1/size", bad.groups = ((const zo_group[]){{"a", 12}, {"b", 0}}));
    REFUSED("zo-sgd", ZO_EINVAL, "/solver/options/groups",
            (bad.n_groups = 0, spec.options = grouped, spec.n_options = 1));
    REFUSED("zo-sgd", ZO_EINVAL, "/solver/options/schedule", (spec.options = cosine, spec.n_options = 1));
    REFUSED("zo-momentum", ZO_EINVAL, "/solver/options/directions", (spec.options = many, spec.n_options = 1));
#undef REFUSED
    spec = fx_spec();
    spec.solver = "zo-sgd";
    assert_spec_refused(&spec, ZO_EUNSUPPORTED, "/solver/name");
}

/* ---- replay ---- */

/* Everything that can happen to a step, and the client's x all along. */
static void adventure(struct world *w, uint64_t first, uint64_t n)
{
    double values[CLIENT_ANSWERS_MAX + 2];

    for (uint64_t i = first; i < first + n; i++) {
        const uint64_t number = take(w);
        answer(w, number, values);
        const zo_tell_item done = fx_item(number, ZO_TRIAL_COMPLETE, values);
        switch (i % 7) {
        case 2:
            fx_tell_state(&w->f, number, ZO_TRIAL_FAILED);
            break;
        case 4:
            fx_tell_state(&w->f, number, ZO_TRIAL_ABANDONED);
            break;
        case 5: /* the client comes back late, but before anybody has asked */
            fx_tick_after(&w->f, FX_LEASE_MS + 1);
            fx_tell_item(&w->f, done);
            break;
        case 6:
            fx_release(&w->f, number);
            assert_int_equal(fx_ask(&w->f), number);
            fx_tell_item(&w->f, done);
            break;
        default:
            fx_tell_item(&w->f, done);
        }
        fx_pass(&w->f, 10);
    }
}

static void the_log_replays_whatever_happened(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++)
        for (int on_expiry = ZO_EXPIRY_RETRY; on_expiry <= ZO_EXPIRY_ABANDON; on_expiry++) {
            zo_study_spec spec = steps_spec(solvers[k]);
            struct world w;
            spec.on_expiry = (zo_on_expiry)on_expiry;
            world_open_spec(&w, &spec);
            adventure(&w, 0, 40);
            fx_restart(&w.f);
            adventure(&w, 40, 40);
            zo_study_free(fx_replayed(&w.f));
            assert_rebuilt(&w, w.f.s, zo_study_n_trials(w.f.s) - 1);
            world_close(&w);
        }
}

/* Another version: the solver gets a new life from what is kept, x stays what it is, and no move is made twice. */
static void a_rebased_study_goes_on_from_the_same_x(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++)
        for (uint64_t cut = 20; cut < 34; cut++) {
            struct world w;
            world_open(&w, solvers[k]);
            adventure(&w, 0, cut);
            if (cut % 2) /* a step is out */
                take(&w);
            zo_study *s = fx_fresh(&w.f);
            zo_study_begin_data_replay(s, UINT64_MAX);
            fx_replay_into(&w.f, s, w.f.n_log);
            FX_OK(&w.f, zo_study_rebase(s, "test", 1, w.f.now, &w.f.ev, &w.f.err));
            fx_commit(&w.f);
            zo_study_free(w.f.s);
            w.f.s = s;
            zo_study_renew_leases(s, w.f.now);
            if (cut % 2)
                fx_tell_state(&w.f, zo_study_n_trials(s) - 1, ZO_TRIAL_ABANDONED);
            for (int i = 0; i < 200; i++)
                step(&w);
            const uint64_t last = zo_study_n_trials(s) - 1;
            assert_rebuilt(&w, s, last);
            for (uint64_t a = 0; a <= last; a++)
                for (uint64_t b = 0; b < a; b++)
                    assert_true(fx_trial(&w.f, a).v[ZO_STEP_SCALE] == 0 || fx_trial(&w.f, b).v[ZO_STEP_SCALE] == 0 ||
                                fx_trial(&w.f, a).v[ZO_STEP_SOURCE] != fx_trial(&w.f, b).v[ZO_STEP_SOURCE]);
            assert_true(loss(&w, DIM, w.c.x, NULL) < 0.2 * DIM);
            world_close(&w);
        }
}

static void a_record_that_can_not_be_is_damage(void **state)
{
    struct world w;
    zo_error err = {0};

    (void)state;
    world_open(&w, "zo-sgd");
    step(&w);
    zo_study *s = fx_fresh(&w.f);
    fx_replay_into(&w.f, s, 1);
    const double kind = 99;
    uint8_t *body = (uint8_t *)(uintptr_t)w.f.log[1].body; /* the vector is the event's end */
    memcpy(body + w.f.log[1].body_bytes - (w.f.s->n - ZO_STEP_KIND) * sizeof kind, &kind, sizeof kind);
    assert_int_equal(zo_study_replay(s, &w.f.log[1], &err), ZO_EMALFORMED);
    zo_study_free(s);
    world_close(&w);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rule_brings_the_loss_down_and_x_can_be_rebuilt),
        cmocka_unit_test(a_gain_is_climbed),
        cmocka_unit_test(steps_come_one_at_a_time),
        cmocka_unit_test(a_lost_step_is_handed_out_again_as_it_was),
        cmocka_unit_test(the_budget_counts_steps),
        cmocka_unit_test(the_loss_is_what_the_probes_say),
        cmocka_unit_test(derivatives_say_no_loss_but_the_client_may),
        cmocka_unit_test(a_target_ends_the_study),
        cmocka_unit_test(tells_that_make_no_sense_are_refused),
        cmocka_unit_test(points_and_reports_are_refused),
        cmocka_unit_test(specs_that_make_no_sense_are_refused),
        cmocka_unit_test(the_log_replays_whatever_happened),
        cmocka_unit_test(a_rebased_study_goes_on_from_the_same_x),
        cmocka_unit_test(a_record_that_can_not_be_is_damage),
    };

    return cmocka_run_group_tests_name("study steps", tests, NULL, NULL);
}
