/* Twin studies in many worlds, one of them in want of memory: every command to it fails at its first allocation, then
 * at its second, and so on until it is done. Refused, it has changed nothing; done, its events are its twin's to the
 * byte. */
#include "study_worlds.h"

#include "fault/fault.h"

enum { OPS = 300 };

/* The command with the k-th allocation failing, for all k; the dice are thrown once. Returns the answer of the last,
 * which had all. */
static zo_status in_want(struct fx *f, zo_portable1 *g, uint64_t *n_refused)
{
    zo_status rc = ZO_ENOMEM;
    zo_portable1 thrown;

    for (uint64_t k = 1; rc == ZO_ENOMEM; k++) {
        const uint64_t digest = zo_study_digest(f->s);
        const zo_counts before = zo_study_counts(f->s);
        const int64_t deadline = zo_study_deadline(f->s);
        thrown = *g;
        f->err = (zo_error){0};
        zo_fault_alloc_arm(k, false);
        rc = world_command(f, &thrown);
        const bool struck = zo_fault_alloc_disarm();
        if (rc != ZO_ENOMEM)
            break;
        const zo_counts after = zo_study_counts(f->s);
        ++*n_refused;
        assert_true(struck);
        assert_int_equal(f->err.code, ZO_ENOMEM);
        assert_int_equal(f->ev.n + f->ev.n_bytes, 0);
        assert_true(zo_study_digest(f->s) == digest);
        assert_memory_equal(&before, &after, sizeof before);
        assert_int_equal(zo_study_deadline(f->s), deadline);
    }
    *g = thrown;
    return rc;
}

static void want_of_memory_changes_no_event(void **state)
{
    uint64_t n_refused = 0;

    (void)state;
    world_max_count = 1; /* an ask for many may get some, and the rest by the next ask */
    for (size_t world = 0; world < ZO_LEN(worlds); world++)
        for (size_t k = 0; k < ZO_LEN(solvers); k++) {
            struct fx *rich = calloc(1, sizeof *rich), *poor = calloc(1, sizeof *poor);
            zo_portable1 g = zo_portable1_make(10 * world + k), h = g;
            assert_true(rich && poor);
            if (open_world(rich, world, solvers[k], 3)) {
                assert_true(open_world(poor, world, solvers[k], 3));
                for (size_t i = 0; i < OPS; i++) {
                    world_pass(rich, &g);
                    world_pass(poor, &h);
                    assert_int_equal(world_command(rich, &g), in_want(poor, &h, &n_refused));
                    fx_commit(rich);
                    fx_commit(poor);
                    FX_OK(poor, solver_pay(poor->s, &poor->err)); /* a tell that its solver had no memory for */
                    assert_true(zo_study_digest(rich->s) == zo_study_digest(poor->s));
                    zo_events_fini(&poor->ev); /* so that events need memory again */
                }
                same_events(rich, poor, 0);
                zo_study_free(fx_replayed(poor));
                fx_close(rich);
                fx_close(poor);
            }
            free(rich);
            free(poor);
        }
    assert_true(n_refused > 5000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(want_of_memory_changes_no_event),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
