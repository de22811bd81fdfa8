/* What every solver of the registry must do: test_conformance_solvers NAME, and with "gradient" after it once more for
 * those that take gradients beside values. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/tests.h"

enum { SKIPPED = 77 };

const zo_solver *subject;

/* ---- definition and options ---- */

static void the_definition_is_complete(void **state)
{
    (void)state;
    assert_true(strlen(subject->name) > 0 &&
                strspn(subject->name, "abcdefghijklmnopqrstuvwxyz0123456789-") == strlen(subject->name));
    assert_true(strlen(subject->summary) > 0 && strlen(subject->reference) > 0);
    assert_true(strlen(subject->complexity) > 0 && strlen(subject->advice) > 0);
    assert_true(subject->version >= 1 && subject->oracles != 0 && subject->state_bytes > 0);
    assert_non_null(subject->init);
    assert_non_null(subject->ask);
}

static size_t option_bytes(zo_opt_type t)
{
    switch (t) {
    case ZO_OPT_TYPE_F64:
        return sizeof(double);
    case ZO_OPT_TYPE_U64:
        return sizeof(uint64_t);
    case ZO_OPT_TYPE_BOOL:
        return sizeof(bool);
    case ZO_OPT_TYPE_ENUM:
        return sizeof(uint32_t);
    }
    return SIZE_MAX;
}

static void every_default_is_in_range_and_inside_the_struct(void **state)
{
    (void)state;
    for (size_t i = 0; i < subject->n_opts; i++) {
        const zo_opt *o = &subject->opts[i];
        double n_choices = 0;
        assert_true(o->offset + option_bytes(o->type) <= subject->opts_bytes);
        assert_true(strlen(o->doc) > 0);
        if (o->type == ZO_OPT_TYPE_ENUM) {
            while (o->choices[(size_t)n_choices] != NULL)
                n_choices++;
            assert_true(o->def >= 0 && o->def < n_choices);
        } else {
            assert_true(o->def >= o->low && o->def <= o->high);
        }
    }
}

static void assert_refused(const zo_problem *p, const char *name, zo_scalar value, zo_status code)
{
    const zo_named option = {name, value};
    zo_solver_run *run = NULL;
    zo_error err = {0};
    char pointer[128];

    snprintf(pointer, sizeof pointer, "/solver/options/%s", name);
    assert_int_equal(zo_solver_run_new(subject, p, &option, 1, &run, &err), code);
    assert_null(run);
    assert_int_equal(err.code, code);
    assert_string_equal(err.pointer, pointer);
    assert_true(strlen(err.message) > 0);
}

static void a_bad_option_gives_its_pointer(void **state)
{
    const zo_scalar text = {.kind = ZO_STRING, .string = "no such choice"}, number = {.kind = ZO_NUMBER, .number = 1};
    const zo_scalar fraction = {.kind = ZO_NUMBER, .number = 0.5}, nothing = {.kind = ZO_NULL};
    struct bed bed;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 1));
    assert_refused(&bed.problem, "no_such_option", number, ZO_EMALFORMED);
    for (size_t i = 0; i < subject->n_opts; i++) {
        const zo_opt *o = &subject->opts[i];
        assert_refused(&bed.problem, o->name, nothing, ZO_EMALFORMED);
        switch (o->type) {
        case ZO_OPT_TYPE_U64:
            assert_refused(&bed.problem, o->name, fraction, ZO_EMALFORMED);
            /* fall through */
        case ZO_OPT_TYPE_F64:
            assert_refused(&bed.problem, o->name, text, ZO_EMALFORMED);
            assert_refused(&bed.problem, o->name, (zo_scalar){.kind = ZO_NUMBER, .number = o->low - 1}, ZO_EINVAL);
            assert_refused(&bed.problem, o->name, (zo_scalar){.kind = ZO_NUMBER, .number = 2 * o->high + 1}, ZO_EINVAL);
            break;
        case ZO_OPT_TYPE_BOOL:
            assert_refused(&bed.problem, o->name, number, ZO_EMALFORMED);
            break;
        case ZO_OPT_TYPE_ENUM:
            assert_refused(&bed.problem, o->name, number, ZO_EMALFORMED);
            assert_refused(&bed.problem, o->name, text, ZO_EINVAL);
            break;
        }
    }
    bed_close(&bed);
}

static void every_choice_of_an_option_runs(void **state)
{
    struct script script;
    struct bed bed;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 1));
    script_serial(&script, 30);
    for (size_t i = 0; i < subject->n_opts; i++) {
        const zo_opt *o = &subject->opts[i];
        for (size_t c = 0; o->type == ZO_OPT_TYPE_ENUM ? o->choices[c] != NULL : o->type == ZO_OPT_TYPE_BOOL && c < 2;
             c++) {
            zo_named option = {o->name, {.kind = ZO_BOOLEAN, .boolean = c == 1}};
            struct life l;
            if (o->type == ZO_OPT_TYPE_ENUM)
                option.value = (zo_scalar){.kind = ZO_STRING, .string = o->choices[c]};
            life_start_with(&l, subject, &bed.problem, &option, 1);
            life_play(&l, &script, 0, script.n);
            life_end(&l);
        }
    }
    bed_close(&bed);
}

/* ---- dimensions ---- */

/* A limit on the dimensions is a refusal that names it. */
static bool is_refused(const zo_problem *p)
{
    zo_solver_run *run = NULL;
    zo_error err = {0};
    const zo_status rc = zo_solver_run_new(subject, p, NULL, 0, &run, &err);

    zo_solver_run_free(run);
    if (rc == ZO_OK)
        return false;
    assert_int_equal(rc, ZO_EUNSUPPORTED);
    assert_non_null(strpbrk(err.message, "0123456789"));
    return true;
}

static void play_dimension(size_t n, size_t n_asks)
{
    struct script script;
    struct bed bed;
    struct life l;

    assert_true(bed_open(&bed, subject, BED_BOX, n, 21));
    if (n > 1 && is_refused(&bed.problem)) {
        bed_close(&bed);
        return;
    }
    life_start(&l, subject, &bed.problem);
    script_serial(&script, n_asks);
    life_play(&l, &script, 0, script.n);
    script_mixed(&script, n_asks, 22);
    life_play(&l, &script, 0, script.n);
    for (size_t i = 0; i < l.n_asked && n > 0; i++)
        assert_true(l.verdicts[i] != ZO_ASK_OK || isfinite(l.asked[i * bed.problem.n]));
    assert_true(l.n_told >= (n > 0 ? n_asks : 0) || life_is_over(&l));
    life_end(&l);
    bed_close(&bed);
}

static void nothing_to_search_is_no_trouble(void **state)
{
    (void)state;
    play_dimension(0, 40);
}

static void one_dimension_works(void **state)
{
    (void)state;
    play_dimension(1, 150);
}

static void a_thousand_dimensions_work_or_are_refused_by_the_limit(void **state)
{
    (void)state;
    play_dimension(1000, 40);
}

/* ---- tells ---- */

static void mixed_spaces_constraints_and_objectives_work_if_declared(void **state)
{
    static const enum bed_kind kinds[] = {BED_MIXED, BED_CONSTRAINED, BED_OBJECTIVES};
    struct script script;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++) {
        struct bed bed;
        struct life l;
        if (!bed_open(&bed, subject, kinds[k], 4, 31))
            continue;
        life_start(&l, subject, &bed.problem);
        script_serial(&script, 100);
        life_play(&l, &script, 0, script.n);
        script_mixed(&script, 200, 32);
        life_play(&l, &script, 0, script.n);
        life_end(&l);
        bed_close(&bed);
    }
}

/* Nothing but bad news must neither make the solver wait nor freeze it on one point; it may come to its end by it. What
 * was abandoned says nothing about its point, which may come again. */
static void asks_go_on_or_end_when_every_trial_ends_without_a_value(void **state)
{
    static const zo_outcome outcomes[] = {ZO_TOLD_INFEASIBLE, ZO_TOLD_FAILED, ZO_TOLD_STOPPED, ZO_TOLD_ABANDONED};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(outcomes); k++) {
        struct script script;
        struct bed bed;
        struct life l;
        assert_true(bed_open(&bed, subject, BED_BOX, 2, 41));
        script_serial(&script, 100);
        for (size_t i = 0; i < script.n; i++)
            script.ops[i].outcome = outcomes[k];
        const size_t n = bed.problem.n;
        life_start(&l, subject, &bed.problem);
        life_play(&l, &script, 0, script.n);
        assert_int_equal(l.verdicts[0], ZO_ASK_OK);
        for (size_t i = 1; i < l.n_asked; i++) {
            const bool ended = l.verdicts[i] != ZO_ASK_OK;
            assert_true(l.verdicts[i] != ZO_ASK_WAIT && (ended || l.verdicts[i - 1] == ZO_ASK_OK));
            assert_true(ended || outcomes[k] == ZO_TOLD_ABANDONED ||
                        memcmp(l.asked + n * i, l.asked + n * (i - 1), n * sizeof *l.asked) != 0);
        }
        life_end(&l);
        bed_close(&bed);
    }
}

static void tell_next(struct life *l, uint64_t how, zo_portable1 *g)
{
    const uint64_t picks[] = {0, l->n_running - 1, zo_portable1_u64(g)};

    life_step(l, &(struct op){.kind = OP_TELL, .pick = picks[how]}, 0);
}

/* Batches told in order, backwards, and by chance: every order is taken, and the same order gives the same asks. */
static void tells_come_in_any_order(void **state)
{
    enum { BATCH = 12, BATCHES = 10 };

    (void)state;
    for (uint64_t how = 0; how < 3; how++) {
        struct bed bed;
        struct life twins[2];
        assert_true(bed_open(&bed, subject, BED_BOX, 3, 51));
        for (size_t t = 0; t < 2; t++) {
            struct life *l = &twins[t];
            zo_portable1 g = zo_portable1_make(52);
            life_start(l, subject, &bed.problem);
            for (size_t k = 0; k < BATCHES; k++) {
                for (size_t i = 0; i < BATCH; i++)
                    life_step(l, &(struct op){.kind = OP_ASK}, 0);
                while (l->n_running > 0)
                    tell_next(l, how, &g);
            }
            assert_true(l->n_told >= BATCHES);
        }
        assert_true(life_same(&twins[0], &twins[1], 0));
        life_end(&twins[0]);
        life_end(&twins[1]);
        bed_close(&bed);
    }
}

static void outside_points_are_taken_before_the_first_ask_and_between_any_two(void **state)
{
    struct script script;
    struct bed bed;
    struct life l;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 61));
    life_start(&l, subject, &bed.problem);
    for (uint64_t i = 0; i < 50; i++)
        life_step(&l, &(struct op){.kind = OP_BRING, .pick = i}, 0);
    for (uint64_t i = 0; i < 100; i++) {
        life_step(&l, &(struct op){.kind = OP_ASK}, 0);
        life_step(&l, &(struct op){.kind = OP_BRING, .pick = 1000 + i}, 0);
        life_step(&l, &(struct op){.kind = OP_TELL, .pick = i}, 0);
    }
    assert_int_equal(l.n_asked, 100);
    script_serial(&script, 20);
    life_play(&l, &script, 0, script.n);
    life_end(&l);
    bed_close(&bed);
}

/* Who takes parallel trials answers all asks, or as many as it can use; then it waits. */
static void many_asks_without_a_tell_are_answered_if_declared(void **state)
{
    enum { N_ASKS = 300, DIMS = 4 };
    struct bed bed;
    struct life l;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, DIMS, 71));
    bed.problem.parallelism = subject->traits & ZO_TRAIT_PARALLEL ? 8 : 1;
    life_start(&l, subject, &bed.problem);
    for (size_t i = 0; i < N_ASKS; i++)
        life_step(&l, &(struct op){.kind = OP_ASK}, 0);
    if (subject->traits & ZO_TRAIT_PARALLEL) {
        assert_in_range(l.n_running, 1, N_ASKS);
        for (size_t i = 0; i < N_ASKS; i++)
            assert_int_equal(l.verdicts[i], i < l.n_running ? ZO_ASK_OK : ZO_ASK_WAIT);
        for (size_t i = 0; i < l.n_running; i++)
            for (size_t j = 0; j < i; j++)
                assert_memory_not_equal(l.asked + i * DIMS, l.asked + j * DIMS, DIMS * sizeof *l.asked);
    }
    while (l.n_running > 0)
        life_step(&l, &(struct op){.kind = OP_TELL}, 0);
    life_step(&l, &(struct op){.kind = OP_ASK}, 0);
    assert_int_equal(l.verdicts[l.n_asked - 1], ZO_ASK_OK);
    life_end(&l);
    bed_close(&bed);
}

/* ---- progress ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Solvers that learn nothing by design; auto may be running one of them. */
static bool learns(zo_solver_run *run)
{
    zo_bundle facts;
    bool yes;

    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(run, &facts, NULL), ZO_OK);
    const char *core = zo_bundle_meta(&facts, "running");
    core = core != NULL ? core : zo_solver_run_def(run)->name;
    yes = strcmp(core, "random") != 0 && strcmp(core, "sobol") != 0;
    zo_bundle_fini(&facts);
    return yes;
}

/* The median over seeds of the best of N values on a sphere in [0,1]^4. N uniform points have a ball of radius r around
 * the optimum empty with probability one half when N V_4 r^4 = ln 2, V_4 = pi^2/2. Even coverage comes near that or
 * better; who learns, with 100 trials a dimension, reaches a hundredth of it. */
static void the_sphere_is_descended(void **state)
{
    enum { SEEDS = 11, DIMS = 4, N_ASKS = 200, ROUNDS = 2 };
    const double pi = 3.14159265358979323846, uniform = sqrt(log(2) / (ROUNDS * N_ASKS * pi * pi / 2));
    struct script script;
    double best[SEEDS];
    bool does_learn = false;

    (void)state;
    script_serial(&script, N_ASKS);
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        struct bed bed;
        struct life l;
        assert_true(bed_open(&bed, subject, BED_BOX, DIMS, 1000 + seed));
        life_start(&l, subject, &bed.problem);
        does_learn = learns(l.run);
        for (int round = 0; round < ROUNDS; round++) {
            life_play(&l, &script, 0, script.n);
            life_forget_records(&l);
        }
        best[seed] = l.best;
        life_end(&l);
        bed_close(&bed);
    }
    qsort(best, SEEDS, sizeof *best, ascending);
    assert_true(best[SEEDS / 2] <= (does_learn ? 0.01 : 2) * uniform);
    assert_true(does_learn || best[SEEDS / 2] >= 0.1 * uniform); /* uniform points can't be that lucky */
}

/* ---- steps ---- */

static void a_space_or_anything_of_one_is_refused(void **state)
{
    struct bed bed;
    zo_solver_run *run = NULL;
    zo_error err = {0};

    (void)state;
    assert_int_equal(subject->oracles, ZO_ORACLE_DIRECTIONAL);
    assert_non_null(subject->plan);
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 81));
    zo_problem others[] = {bed.problem, bed.problem, bed.problem, bed.problem};
    others[0].oracle = ZO_ORACLE_VALUE;
    others[1].n_objectives = 2;
    others[2].n_constraints = 1;
    others[3].parallelism = 2;
    for (size_t i = 0; i < ZO_LEN(others); i++) {
        err = (zo_error){0};
        assert_int_equal(zo_solver_run_new(subject, &others[i], NULL, 0, &run, &err), ZO_EUNSUPPORTED);
        assert_string_equal(err.pointer, "/solver/name");
    }
    bed_close(&bed);
}

/* Answers and losses by chance: a step's move is along directions that were probed before, and of each no more than once but by rules
 * that remember more than one step. */
static void every_move_is_handed_out_once(void **state)
{
    struct script script;
    struct bed bed;
    struct life l;
    size_t n_moves = 0;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 91));
    script_mixed(&script, 300, 92);
    life_start(&l, subject, &bed.problem);
    life_play(&l, &script, 0, script.n);
    const size_t n = l.client.n_records;
    for (size_t i = 0; i < n; i++) {
        const double *r = l.client.records[i];
        if (r[ZO_STEP_SCALE] == 0)
            continue;
        n_moves++;
        assert_true(r[ZO_STEP_SOURCE] < (double)i);
        for (size_t j = 0; j < i; j++)
            assert_true(l.client.records[j][ZO_STEP_SCALE] == 0 || l.client.records[j][ZO_STEP_SOURCE] != r[ZO_STEP_SOURCE]);
    }
    assert_true(n_moves > n / 5);
    life_end(&l);
    bed_close(&bed);
}

int main(int argc, char **argv)
{
    /* What of a study's life concerns any solver. */
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_definition_is_complete),
        cmocka_unit_test(every_default_is_in_range_and_inside_the_struct),
        cmocka_unit_test(a_bad_option_gives_its_pointer),
        cmocka_unit_test(every_choice_of_an_option_runs),
        cmocka_unit_test(one_dimension_works),
        cmocka_unit_test(a_thousand_dimensions_work_or_are_refused_by_the_limit),
        cmocka_unit_test(asks_go_on_or_end_when_every_trial_ends_without_a_value),
        cmocka_unit_test(the_sphere_is_descended),
        cmocka_unit_test(equal_seeds_give_equal_asks),
        cmocka_unit_test(another_seed_gives_other_asks_where_chance_has_a_part),
        cmocka_unit_test(a_snapshot_anywhere_goes_on_bit_for_bit),
        cmocka_unit_test(a_snapshot_late_in_life_goes_on_bit_for_bit),
        cmocka_unit_test(saving_and_loading_a_snapshot_changes_no_byte),
        cmocka_unit_test(a_snapshot_with_a_missing_field_is_refused),
        cmocka_unit_test(a_life_rebuilt_from_outside_points_is_deterministic),
        cmocka_unit_test(a_new_run_without_memory_fails_and_leaves_nothing),
        cmocka_unit_test(asks_and_tells_without_memory_change_nothing),
        cmocka_unit_test(saving_without_memory_changes_nothing),
        cmocka_unit_test(loading_without_memory_fails_and_may_be_repeated),
        cmocka_unit_test(asks_are_those_of_the_version),
    };
    /* What only a study with a space has: nothing to search, several kinds of it, several trials at once, outside points. */
    static const struct CMUnitTest tests_of_spaces[] = {
        cmocka_unit_test(nothing_to_search_is_no_trouble),
        cmocka_unit_test(mixed_spaces_constraints_and_objectives_work_if_declared),
        cmocka_unit_test(tells_come_in_any_order),
        cmocka_unit_test(outside_points_are_taken_before_the_first_ask_and_between_any_two),
        cmocka_unit_test(many_asks_without_a_tell_are_answered_if_declared),
    };
    /* What only a directional one has. */
    static const struct CMUnitTest tests_of_steps[] = {
        cmocka_unit_test(a_space_or_anything_of_one_is_refused),
        cmocka_unit_test(every_move_is_handed_out_once),
    };

    const bool gradients = argc == 3 && strcmp(argv[2], "gradient") == 0;

    if ((argc != 2 && !gradients) || (subject = zo_solver_find(argv[1])) == NULL) {
        fprintf(stderr, "usage: %s SOLVER (one of the registry) [gradient]\n", argv[0]);
        return 2;
    }
    const bool directional = !(subject->oracles & (ZO_ORACLE_VALUE | ZO_ORACLE_GRADIENT));
    if (gradients && (~subject->oracles & (ZO_ORACLE_VALUE | ZO_ORACLE_GRADIENT)))
        return SKIPPED;
    if (gradients || !(subject->oracles & ZO_ORACLE_VALUE))
        bed_oracle = directional ? ZO_ORACLE_DIRECTIONAL : ZO_ORACLE_GRADIENT;
    const int failed = cmocka_run_group_tests_name(argv[1], tests, NULL, NULL);
    return failed + (directional ? cmocka_run_group_tests_name("steps", tests_of_steps, NULL, NULL)
                                 : cmocka_run_group_tests_name("spaces", tests_of_spaces, NULL, NULL));
}
