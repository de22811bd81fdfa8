/* Without memory: every allocation of a run's life is made to fail once. What failed says ZO_ENOMEM and has changed
 * nothing. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>
#include "conformance/tests.h"
#include "fault/fault.h"

enum { OPS = 120 };

void a_new_run_without_memory_fails_and_leaves_nothing(void **state)
{
    struct bed bed;
    zo_status rc;
    uint64_t k = 0;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 1));
    do {
        zo_solver_run *run = NULL;
        zo_error err = {0};
        zo_fault_alloc_arm(++k, false);
        rc = zo_solver_run_new(subject, &bed.problem, NULL, 0, &run, &err);
        const bool struck = zo_fault_alloc_disarm();
        assert_int_equal(rc, struck ? ZO_ENOMEM : ZO_OK);
        assert_int_equal(err.code, rc);
        assert_true((run == NULL) == struck);
        zo_solver_run_free(run);
    } while (rc != ZO_OK);
    assert_true(k > 2); /* the handle, its state, its options */
    bed_close(&bed);
}

void asks_and_tells_without_memory_change_nothing(void **state)
{
    static const enum bed_kind kinds[] = {BED_BOX, BED_MIXED};
    struct script script;

    (void)state;
    for (size_t i = 0; i < ZO_LEN(kinds); i++) {
        struct bed bed;
        struct life quiet;
        bool struck = true;
        if (!bed_open(&bed, subject, kinds[i], 3, 2))
            continue;
        script_mixed(&script, OPS, 700 + i);
        life_start(&quiet, subject, &bed.problem);
        life_play(&quiet, &script, 0, script.n);
        for (uint64_t k = 1; struck; k++) { /* the k-th allocation of every single step */
            struct life l;
            struck = false;
            life_start(&l, subject, &bed.problem);
            for (size_t at = 0; at < script.n; at++)
                struck |= life_step(&l, &script.ops[at], k);
            assert_true(life_same(&quiet, &l, 0));
            life_end(&l);
        }
        life_end(&quiet);
        bed_close(&bed);
    }
}

static zo_status visit(zo_solver_run *run, zo_bundle *b, bool loading, uint64_t fault, bool *struck)
{
    zo_error err = {0};
    zo_visit v = {.bundle = b, .loading = loading, .prefix = "", .err = &err};

    zo_fault_alloc_arm(fault, false);
    zo_solver_run_snapshot(run, &v);
    *struck = zo_fault_alloc_disarm();
    assert_int_equal(err.code, v.status);
    return v.status;
}

void saving_without_memory_changes_nothing(void **state)
{
    struct script script;
    struct bed bed;
    struct life quiet, l;
    zo_status rc = ZO_ENOMEM;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 2));
    script_mixed(&script, OPS, 800);
    life_start(&quiet, subject, &bed.problem);
    life_play(&quiet, &script, 0, script.n);
    life_start(&l, subject, &bed.problem);
    life_play(&l, &script, 0, script.n / 2);
    for (uint64_t k = 1; rc != ZO_OK; k++) {
        zo_bundle b;
        bool struck;
        zo_bundle_init(&b);
        rc = visit(l.run, &b, false, k, &struck);
        assert_int_equal(rc, struck ? ZO_ENOMEM : ZO_OK);
        zo_bundle_fini(&b);
    }
    life_play(&l, &script, script.n / 2, script.n);
    assert_true(life_same(&quiet, &l, 0));
    life_end(&quiet);
    life_end(&l);
    bed_close(&bed);
}

void loading_without_memory_fails_and_may_be_repeated(void **state)
{
    struct script script;
    struct bed bed;
    struct life quiet, l;
    zo_status rc = ZO_ENOMEM;
    zo_bundle b;
    bool struck;

    (void)state;
    assert_true(bed_open(&bed, subject, BED_BOX, 3, 2));
    script_mixed(&script, OPS, 900);
    life_start(&quiet, subject, &bed.problem);
    life_play(&quiet, &script, 0, script.n);
    life_start(&l, subject, &bed.problem);
    life_play(&l, &script, 0, script.n / 2);
    zo_bundle_init(&b);
    assert_int_equal(visit(l.run, &b, false, 0, &struck), ZO_OK);
    for (uint64_t k = 1; rc != ZO_OK; k++) {
        zo_solver_run_free(l.run);
        assert_int_equal(zo_solver_run_new(subject, &bed.problem, NULL, 0, &l.run, NULL), ZO_OK);
        rc = visit(l.run, &b, true, k, &struck);
        assert_int_equal(rc, struck ? ZO_ENOMEM : ZO_OK);
    }
    zo_bundle_fini(&b);
    life_play(&l, &script, script.n / 2, script.n);
    assert_true(life_same(&quiet, &l, 0));
    life_end(&quiet);
    life_end(&l);
    bed_close(&bed);
}
