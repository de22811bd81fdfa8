/* Duplicates avoided: what counts as seen, against a plain list; and trees of conditions, of which every point is
 * found. */
#include "study_fx.h"

#define STR(s)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_STRING, .string = (s)                                                                               \
    }

static zo_study_spec avoiding(const zo_param_spec *params, size_t n)
{
    zo_study_spec spec = fx_spec();

    spec.space = (zo_space_spec){.params = params, .n_params = n};
    spec.duplicates = ZO_DUPLICATES_AVOID;
    return spec;
}

/* ---- exhaustion ---- */

/* Ask until there is nothing left: all points differ, and there are as many as expected. */
static void every_point_once(const zo_study_spec *spec, size_t expected)
{
    for (int corner = 0; corner < 2; corner++) { /* a solver that proposes by chance, one that always says the same */
        struct fx f;
        fx_open(&f, spec);
        spy.corner = corner;
        for (size_t i = 0; i < expected; i++) {
            const zo_ask_reply r = fx_ask_n(&f, 1);
            if (r.n != 1)
                fail_msg("exhausted after %zu points of %zu", i, expected);
            for (uint64_t k = 0; k < r.numbers[0]; k++)
                assert_false(zo_space_same(zo_study_space(f.s), fx_trial(&f, k).v, fx_trial(&f, r.numbers[0]).v));
        }
        fx_ask_in_vain(&f, ZO_STUDY_DONE, "exhausted");
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
}

/* Three methods, each with a parameter of its own: 600 points in a lattice of 24 million cells. */
static void each_point_of_a_tree_of_conditions_is_found(void **state)
{
    static const zo_scalar methods[] = {STR("a"), STR("b"), STR("c")};
    static const zo_when when[] = {{"method", &methods[0], 1}, {"method", &methods[1], 1}, {"method", &methods[2], 1}};
    static const char *const names[] = {"p", "q", "r"};
    const zo_param_spec method = {.name = "method", .type = ZO_CATEGORICAL, .choices = methods, .n_choices = 3};

    (void)state;
    for (size_t place = 0; place < 4; place += 3) { /* the parent may be listed first or last */
        zo_param_spec params[4];
        for (size_t i = 0, k = 0; i < 4; i++)
            if (i == place)
                params[i] = method;
            else
                params[i] =
                    (zo_param_spec){
                        .name = names[k], .type = ZO_INT, .low = 0, .high = 199, .when = &when[k], .n_when = 1},
                k++;
        const zo_study_spec spec = avoiding(params, 4);
        every_point_once(&spec, 600);
    }
}

/* a in 0..1; b in 0..3 if a = 1; c in 0..2 if b is 1 or 2; d in 0..4 if a = 0 : 5 + 2 + 2 * 3 = 13, times e in 0..1. */
static void each_point_of_a_chain_of_conditions_is_found(void **state)
{
#define NUM(x)                                                                                                         \
    {                                                                                                                  \
        .kind = ZO_NUMBER, .integral = true, .number = (x)                                                             \
    }
    static const zo_scalar zero[] = {NUM(0)}, one[] = {NUM(1)}, one_or_two[] = {NUM(1), NUM(2)};
    static const zo_when when_b[] = {{"a", one, 1}}, when_c[] = {{"b", one_or_two, 2}}, when_d[] = {{"a", zero, 1}};
    static const zo_param_spec params[] = {
        {.name = "c", .type = ZO_INT, .low = 0, .high = 2, .when = when_c, .n_when = 1},
        {.name = "b", .type = ZO_INT, .low = 0, .high = 3, .when = when_b, .n_when = 1},
        {.name = "e", .type = ZO_INT, .low = 0, .high = 1},
        {.name = "a", .type = ZO_INT, .low = 0, .high = 1},
        {.name = "d", .type = ZO_INT, .low = 0, .high = 4, .when = when_d, .n_when = 1},
    };
    const zo_study_spec spec = avoiding(params, ZO_LEN(params));

    (void)state;
    every_point_once(&spec, 26);
}

/* ---- what counts as seen ---- */

enum { SIDE = 6 };
static const zo_param_spec square[] = {{.name = "i", .type = ZO_INT, .low = 0, .high = SIDE - 1},
                                       {.name = "j", .type = ZO_INT, .low = 0, .high = SIDE - 1}};

/* Trials at (i, j) that are neither abandoned nor withdrawn. */
static size_t trials_at(const struct fx *f, const double *v, uint64_t but)
{
    size_t n = 0;

    for (uint64_t k = 0; k < zo_study_n_trials(f->s); k++) {
        zo_trial t;
        if (k == but || !zo_study_trial(f->s, k, &t) || t.withdrawn || t.state == ZO_TRIAL_ABANDONED)
            continue;
        n += t.v[0] == v[0] && t.v[1] == v[1];
    }
    return n;
}

static size_t n_seen(const struct fx *f)
{
    size_t n = 0;

    for (int cell = 0; cell < SIDE * SIDE; cell++)
        n += trials_at(f, (const double[]){cell / SIDE, cell % SIDE}, UINT64_MAX) > 0;
    return n;
}

static void new_points_are_at_no_trial_that_counts(void **state)
{
    size_t n_new = 0, n_full = 0;

    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        zo_portable1 g = zo_portable1_make(seed);
        zo_study_spec spec = avoiding(square, 2);
        struct fx f;
        spec.on_expiry = seed % 2 ? ZO_EXPIRY_ABANDON : ZO_EXPIRY_RETRY;
        spec.retries = 1;
        fx_open(&f, &spec);
        spy.corner = seed % 3 == 0;
        for (size_t k = 0; k < 400; k++) {
            const uint64_t next = zo_study_n_trials(f.s),
                           pick = next ? next - 1 - zo_portable1_u64(&g) % (next < 20 ? next : 20) : 0;
            const double i = (double)(zo_portable1_u64(&g) % SIDE), j = (double)(zo_portable1_u64(&g) % SIDE),
                         value = 1;
            const uint64_t dice = zo_portable1_u64(&g) % 16;
            zo_tell_item item = fx_item(pick, ZO_TRIAL_ABANDONED, NULL);
            if (dice < 6) {
                fx_budget(&f, (zo_budget){0}); /* reopens an exhausted one */
                const zo_ask_reply r = fx_ask_n(&f, 1);
                if (r.n == 0) {
                    assert_int_equal(n_seen(&f), SIDE * SIDE);
                    n_full++;
                } else if (fx_trial(&f, r.numbers[0]).attempt == 1 &&
                           fx_trial(&f, r.numbers[0]).origin == ZO_ORIGIN_SOLVER) {
                    assert_int_equal(trials_at(&f, fx_trial(&f, r.numbers[0]).v, r.numbers[0]), 0);
                    n_new++;
                }
            } else if (dice < 10) {
                (void)fx_try_tell(&f, &item, 1, NULL);
            } else if (dice < 12) {
                item = fx_item(pick, ZO_TRIAL_COMPLETE, &value); /* a late one brings an abandoned point back */
                (void)fx_try_tell(&f, &item, 1, NULL);
            } else if (dice == 12) {
                fx_bring(&f, i, j, 1);
            } else if (dice == 13) {
                fx_enqueue(&f, i, j);
            } else if (dice == 14) {
                (void)zo_study_withdraw(f.s, pick, f.now, &f.ev, &f.err);
            } else {
                fx_tick_after(&f, FX_LEASE_MS / 3);
            }
            fx_commit(&f);
        }
        zo_study_free(fx_replayed(&f));
        fx_close(&f);
    }
    assert_true(n_new > 200 && n_full > 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_point_of_a_tree_of_conditions_is_found),
        cmocka_unit_test(each_point_of_a_chain_of_conditions_is_found),
        cmocka_unit_test(new_points_are_at_no_trial_that_counts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
