/* Snapshots when memory runs out: every allocation fails once; the study that was saved is as before, and a load is
 * refused as a lack of memory, not as damage. */
#include "unit/core/snapshot_fx.h"

#include "fault/fault.h"

static const enum fx_kind kinds[] = {FX_STEPS, FX_MIXED, FX_OBJECTIVES, FX_FEW_POINTS, FX_MEDIAN, FX_ASHA, FX_GRADIENT};

static zo_study *played(const struct fx_spec *x, size_t max_count, size_t n_steps)
{
    struct fx_player p;
    zo_study *s;

    fx_player_init(&p, fx_new(x), 5);
    p.max_count = max_count;
    for (size_t k = 0; k < n_steps; k++)
        fx_step(&p);
    s = p.studies[0];
    p.studies[0] = NULL;
    fx_player_fini(&p);
    return s;
}

static void sweep(const struct fx_spec *x, size_t max_count, size_t n_steps)
{
    zo_study *s = played(x, max_count, n_steps), *loaded = NULL;
    const uint64_t digest = zo_study_digest(s);
    struct fx_store st;
    zo_error err = {0};
    zo_status rc = ZO_ENOMEM;

    fx_store_init(&st);
    for (uint64_t k = 1; rc == ZO_ENOMEM; k++) {
        zo_fault_alloc_arm(k, false);
        rc = fx_save(&st, s, &err);
        assert_int_equal(zo_fault_alloc_disarm(), rc == ZO_ENOMEM);
        assert_int_equal(zo_study_digest(s), digest);
    }
    assert_int_equal(rc, ZO_OK);
    rc = ZO_ENOMEM;
    for (uint64_t k = 1; rc == ZO_ENOMEM; k++) {
        zo_fault_alloc_arm(k, false);
        rc = fx_load(&st, x, &loaded, &err);
        assert_int_equal(zo_fault_alloc_disarm(), rc == ZO_ENOMEM);
    }
    assert_int_equal(rc, ZO_OK);
    assert_int_equal(zo_study_digest(loaded), digest);
    zo_study_free(loaded);
    zo_study_free(s);
    fx_store_fini(&st);
}

static void every_failed_allocation_leaves_a_way_back(void **state)
{
    struct fx_spec x;

    (void)state;
    for (size_t i = 0; i < zo_solver_count(); i++)
        for (size_t k = 0; k < ZO_LEN(kinds); k++)
            if (fx_spec_fill(&x, zo_solver_at(i), kinds[k], 8))
                sweep(&x, 3, 150);
}

static void every_failed_allocation_with_segments_too(void **state)
{
    struct fx_spec x;

    (void)state;
    assert_true(fx_spec_fill(&x, zo_solver_find("random"), FX_PLAIN, 8));
    sweep(&x, 60, 600);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_failed_allocation_leaves_a_way_back),
        cmocka_unit_test(every_failed_allocation_with_segments_too),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
