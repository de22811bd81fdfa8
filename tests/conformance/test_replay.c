/* The three replay levels of a solver: R1 snapshot and go on, R2 the same commands again, R3 all points as outside
 * points. */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
#include "conformance/tests.h"

enum { OPS = 160, CUT_EVERY = 7 };
static const enum bed_kind kinds[] = {BED_BOX, BED_MIXED, BED_CONSTRAINED, BED_OBJECTIVES};

void equal_seeds_give_equal_asks(void **state)
{
    struct script script;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++) {
        struct bed bed;
        struct life a, b;
        if (!bed_open(&bed, subject, kinds[k], 5, 11))
            continue;
        script_mixed(&script, OPS, 100 + k);
        life_start(&a, subject, &bed.problem);
        life_start(&b, subject, &bed.problem);
        life_play(&a, &script, 0, script.n);
        life_play(&b, &script, 0, script.n);
        assert_true(a.n_asked > (a.is_directional ? 25 : 50)); /* one at a time: fewer */
        assert_true(life_same(&a, &b, 0));
        life_end(&a);
        life_end(&b);
        bed_close(&bed);
    }
}

void another_seed_gives_other_asks_where_chance_has_a_part(void **state)
{
    struct script script;
    struct bed bed;
    struct life a, b;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 4, 11));
    zo_problem other = bed.problem;
    other.seed = 12;
    script_serial(&script, bed.problem.oracle == ZO_ORACLE_GRADIENT ? 2 : 20); /* with gradients a restart comes soon */
    life_start(&a, subject, &bed.problem);
    life_start(&b, subject, &other);
    life_play(&a, &script, 0, script.n);
    life_play(&b, &script, 0, script.n);
    assert_true(life_same(&a, &b, 0) == ((subject->traits & ZO_TRAIT_DETERMINISTIC) != 0));
    life_end(&a);
    life_end(&b);
    bed_close(&bed);
}

static void save(zo_solver_run *run, zo_bundle *b)
{
    zo_error err = {0};
    zo_visit v = {.bundle = b, .prefix = "solver.", .err = &err};

    zo_bundle_init(b);
    zo_solver_run_snapshot(run, &v);
    if (v.status != ZO_OK)
        fail_msg("save: %s", err.message);
}

static zo_solver_run *fresh(const zo_problem *p)
{
    zo_solver_run *run = NULL;
    zo_error err = {0};

    if (zo_solver_run_new(subject, p, NULL, 0, &run, &err) != ZO_OK)
        fail_msg("new: %s", err.message);
    return run;
}

static zo_status load(zo_solver_run *run, zo_bundle *b)
{
    zo_error err = {0};
    zo_visit v = {.bundle = b, .loading = true, .prefix = "solver.", .err = &err};

    zo_solver_run_snapshot(run, &v);
    assert_int_equal(v.status, err.code);
    return v.status;
}

/* The life loses its solver, and goes on with one that init and the snapshot made. */
static void restart(struct life *l)
{
    zo_bundle b;

    save(l->run, &b);
    zo_solver_run_free(l->run);
    l->run = fresh(l->problem);
    assert_int_equal(load(l->run, &b), ZO_OK);
    zo_bundle_fini(&b);
}

void a_snapshot_anywhere_goes_on_bit_for_bit(void **state)
{
    struct script script;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++) {
        struct bed bed;
        struct life whole;
        if (!bed_open(&bed, subject, kinds[k], 3, 5))
            continue;
        script_mixed(&script, OPS, 200 + k);
        life_start(&whole, subject, &bed.problem);
        life_play(&whole, &script, 0, script.n);
        for (size_t cut = 0; cut < script.n; cut += CUT_EVERY) {
            struct life parts;
            life_start(&parts, subject, &bed.problem);
            life_play(&parts, &script, 0, cut);
            restart(&parts);
            life_play(&parts, &script, cut, script.n);
            assert_true(life_same(&whole, &parts, 0));
            life_end(&parts);
        }
        life_end(&whole);
        bed_close(&bed);
    }
}

/* Past convergence and whatever a solver then does: restarts, larger populations. */
void a_snapshot_late_in_life_goes_on_bit_for_bit(void **state)
{
    enum { N_ASKS = 240, ROUNDS = 12 };
    struct script script;
    struct bed bed;
    struct life whole, parts;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 2, 6));
    script_serial(&script, N_ASKS);
    life_start(&whole, subject, &bed.problem);
    life_start(&parts, subject, &bed.problem);
    for (int round = 0; round < ROUNDS; round++) {
        life_play(&whole, &script, 0, script.n);
        life_play(&parts, &script, 0, script.n);
        assert_true(life_same(&whole, &parts, 0));
        life_forget_records(&whole);
        life_forget_records(&parts);
        restart(&parts);
    }
    life_end(&whole);
    life_end(&parts);
    bed_close(&bed);
}

static void assert_bundles_equal(const zo_bundle *a, const zo_bundle *b)
{
    assert_int_equal(a->n_arrays, b->n_arrays);
    for (size_t i = 0; i < a->n_arrays; i++) {
        const zo_array *x = &a->arrays[i], *y = &b->arrays[i];
        assert_string_equal(x->name, y->name);
        assert_int_equal(x->dtype, y->dtype);
        assert_int_equal(x->bytes, y->bytes);
        assert_memory_equal(x->data, y->data, x->bytes);
    }
}

void saving_and_loading_a_snapshot_changes_no_byte(void **state)
{
    struct script script;
    struct bed bed;
    struct life l;
    zo_bundle first, second;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 4, 3));
    script_mixed(&script, OPS, 300);
    life_start(&l, subject, &bed.problem);
    life_play(&l, &script, 0, script.n);
    save(l.run, &first);
    restart(&l);
    save(l.run, &second);
    assert_bundles_equal(&first, &second);
    zo_bundle_fini(&first);
    zo_bundle_fini(&second);
    life_end(&l);
    bed_close(&bed);
}

void a_snapshot_with_a_missing_field_is_refused(void **state)
{
    struct script script;
    struct bed bed;
    struct life l;
    zo_bundle b;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 4, 3));
    script_mixed(&script, OPS, 400);
    life_start(&l, subject, &bed.problem);
    life_play(&l, &script, 0, script.n);
    save(l.run, &b);
    for (size_t i = 0; i < b.n_arrays; i++) {
        zo_solver_run *run = fresh(&bed.problem);
        char *name = b.arrays[i].name, hidden[] = "?";
        b.arrays[i].name = hidden;
        assert_int_not_equal(load(run, &b), ZO_OK);
        b.arrays[i].name = name;
        zo_solver_run_free(run);
    }
    zo_bundle_fini(&b);
    life_end(&l);
    bed_close(&bed);
}

void a_life_rebuilt_from_outside_points_is_deterministic(void **state)
{
    struct script before, after;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++) {
        struct bed bed;
        struct life old, a, b;
        if (!bed_open(&bed, subject, kinds[k], 3, 9))
            continue;
        script_mixed(&before, OPS, 500 + k);
        script_mixed(&after, OPS, 600 + k);
        life_start(&old, subject, &bed.problem);
        life_play(&old, &before, 0, before.n);
        life_start(&a, subject, &bed.problem);
        life_start(&b, subject, &bed.problem);
        life_retell(&a, &old);
        life_retell(&b, &old);
        life_play(&a, &after, 0, after.n);
        life_play(&b, &after, 0, after.n);
        assert_true(life_same(&a, &b, 0));
        life_end(&old);
        life_end(&a);
        life_end(&b);
        bed_close(&bed);
    }
}
