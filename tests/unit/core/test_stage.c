/* Stages: whatever the order of the answers, a method sees the same values in the same slots. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "stage/stage.h"

enum { N = 3, CAP = 8 };
enum { LABEL_FIRST, LABEL_SECOND, N_LABELS };
static const char *const labels[N_LABELS] = {"first", "second"};

struct trial {
    double x[N];
    stage_memo memo;
    zo_proposal p;
};

static zo_stage open_stage(uint32_t oracle, size_t n_constraints)
{
    const zo_problem p = {
        .n = N, .n_objectives = 1, .n_constraints = n_constraints, .oracle = oracle, .parallelism = 1};
    zo_stage s = {0};

    assert_int_equal(zo_stage_memo_bytes(&p), sizeof(stage_memo));
    assert_int_equal(zo_stage_init(&s, &p, CAP, "method", labels, N_LABELS, NULL), ZO_OK);
    zo_stage_begin(&s);
    return s;
}

static size_t add(zo_stage *s, double a, double b, double c)
{
    return zo_stage_add(s, (const double[N]){a, b, c}, LABEL_FIRST, NAN);
}

static struct trial *ask(zo_stage *s, struct trial *t)
{
    *t = (struct trial){.p.predicted = NAN};
    t->p.x = t->x;
    t->p.memo = &t->memo;
    return zo_stage_ask(s, &t->p) ? t : NULL;
}

static size_t tell(zo_stage *s, const struct trial *t, zo_outcome outcome, double f)
{
    return zo_stage_tell(s, &(zo_told){.outcome = outcome,
                                       .own = true,
                                       .has_values = outcome == ZO_TOLD_COMPLETE,
                                       .x = t->x,
                                       .memo = &t->memo,
                                       .f = &f});
}

static size_t bring(zo_stage *s, const double *x, double f)
{
    return zo_stage_tell(s, &(zo_told){.outcome = ZO_TOLD_COMPLETE, .has_values = true, .x = x, .f = &f});
}

static void points_are_handed_out_in_order_clipped_and_with_their_provenance(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t;

    (void)state;
    assert_int_equal(zo_stage_add(&s, (const double[N]){-2, 0.25, -0.0}, LABEL_SECOND, 7), 0);
    assert_int_equal(zo_stage_add(&s, (const double[N]){NAN, 1 + 1e-15, 0.5}, 99, NAN), 1);
    assert_non_null(ask(&s, &t));
    assert_memory_equal(t.x, ((const double[N]){0, 0.25, 0}), sizeof t.x);
    assert_string_equal(t.p.core, "method");
    assert_string_equal(t.p.why, "second");
    assert_true(t.p.predicted == 7);
    assert_non_null(ask(&s, &t));
    assert_memory_equal(t.x, ((const double[N]){0.5, 1, 0.5}), sizeof t.x);
    assert_null(t.p.why);
    assert_null(ask(&s, &t));
    zo_stage_fini(&s);
}

static void every_order_of_the_answers_gives_the_same_stage(void **state)
{
    static const size_t orders[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(orders); k++) {
        zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
        struct trial t[3];
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(add(&s, (double)i / 4, 0, 0), i);
            assert_non_null(ask(&s, &t[i]));
        }
        for (size_t i = 0; i < 3; i++) {
            assert_false(zo_stage_is_complete(&s));
            assert_int_equal(tell(&s, &t[orders[k][i]], ZO_TOLD_COMPLETE, 10 + (double)orders[k][i]), orders[k][i]);
        }
        assert_true(zo_stage_is_complete(&s));
        for (size_t i = 0; i < 3; i++) {
            assert_true(zo_stage_f(&s, i) == 10 + (double)i);
            assert_true(zo_stage_x(&s, i)[0] == (double)i / 4);
        }
        zo_stage_fini(&s);
    }
}

static void an_empty_stage_is_never_complete_and_has_nothing_to_ask(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t;

    (void)state;
    assert_false(zo_stage_is_complete(&s));
    assert_null(ask(&s, &t));
    zo_stage_fini(&s);
}

static void a_point_without_a_value_counts_as_infinite_and_the_row_of_them_is_counted(void **state)
{
    static const zo_outcome outcomes[] = {ZO_TOLD_INFEASIBLE, ZO_TOLD_FAILED, ZO_TOLD_STOPPED};
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 1);
    struct trial t;

    (void)state;
    for (size_t i = 0; i < 3; i++) {
        add(&s, 0, (double)i / 4, 0);
        ask(&s, &t);
        assert_int_equal(tell(&s, &t, outcomes[i], 0), i);
        assert_true(zo_stage_f(&s, i) == INFINITY && zo_stage_g(&s, i)[0] == INFINITY);
        assert_int_equal(s.n_failed, i + 1);
    }
    assert_true(zo_stage_is_complete(&s));
    bring(&s, (const double[N]){0.1, 0.1, 0.1}, 1);
    assert_int_equal(s.n_failed, 0);
    zo_stage_fini(&s);
}

static void an_abandoned_trial_is_handed_out_again_and_the_first_answer_wins(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial first, second;

    (void)state;
    add(&s, 0.5, 0.5, 0.5);
    ask(&s, &first);
    assert_int_equal(tell(&s, &first, ZO_TOLD_ABANDONED, 0), STAGE_NONE);
    assert_false(zo_stage_is_complete(&s));
    assert_non_null(ask(&s, &second));
    assert_memory_equal(first.x, second.x, sizeof first.x);
    assert_int_equal(tell(&s, &first, ZO_TOLD_ABANDONED, 0), STAGE_NONE); /* the slot is the second one's now */
    assert_null(ask(&s, &first));
    assert_int_equal(tell(&s, &second, ZO_TOLD_COMPLETE, 2), 0);
    assert_int_equal(tell(&s, &second, ZO_TOLD_COMPLETE, 3), STAGE_NONE);
    assert_true(zo_stage_f(&s, 0) == 2);
    zo_stage_fini(&s);
}

static void an_abandoned_trial_may_still_be_answered(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t;

    (void)state;
    add(&s, 0.5, 0.5, 0.5);
    ask(&s, &t);
    tell(&s, &t, ZO_TOLD_ABANDONED, 0);
    assert_int_equal(tell(&s, &t, ZO_TOLD_COMPLETE, 4), 0);
    assert_true(zo_stage_is_complete(&s) && zo_stage_f(&s, 0) == 4);
    zo_stage_fini(&s);
}

static void an_outside_point_answers_the_open_slot_at_its_place_only(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t;

    (void)state;
    add(&s, 0.1, 0.2, 0.3);
    add(&s, 0.4, 0.5, 0.6);
    assert_int_equal(bring(&s, (const double[N]){0.4, 0.5, 0.6 + 1e-14}, 1), STAGE_NONE);
    assert_int_equal(bring(&s, (const double[N]){0.4, 0.5, nextafter(0.6, 1)}, 1),
                     1); /* there and back by natural units */
    ask(&s, &t);
    assert_true(t.x[0] == 0.1);
    assert_int_equal(bring(&s, t.x, 2), STAGE_NONE); /* it is at a worker */
    assert_null(ask(&s, &(struct trial){0}));
    assert_int_equal(tell(&s, &t, ZO_TOLD_COMPLETE, 3), 0);
    assert_true(zo_stage_is_complete(&s) && zo_stage_f(&s, 0) == 3 && zo_stage_f(&s, 1) == 1);
    zo_stage_fini(&s);
}

static void a_late_answer_of_an_earlier_stage_fills_no_slot(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial old, t;

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    assert_true(zo_stage_speculate(&s, (const double[N]){0.9, 0.9, 0.9}, LABEL_SECOND, NAN));
    ask(&s, &t);
    ask(&s, &old);
    tell(&s, &t, ZO_TOLD_COMPLETE, 1);
    assert_true(zo_stage_is_complete(&s));
    for (size_t k = 0; k < 2; k++) { /* also in the slots that were its own */
        zo_stage_begin(&s);
        add(&s, 0.2, 0.2, (double)k / 4);
        add(&s, 0.3, 0.3, (double)k / 4);
        assert_int_equal(tell(&s, &old, ZO_TOLD_COMPLETE, 1), STAGE_NONE);
    }
    zo_stage_fini(&s);
}

static void speculative_points_go_out_last_and_are_not_waited_for(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t[CAP];

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    for (size_t i = 1; i < CAP; i++)
        assert_true(zo_stage_speculate(&s, (const double[N]){0.1, 0.2, (double)i / 16}, LABEL_SECOND, NAN));
    assert_false(zo_stage_speculate(&s, (const double[N]){0.9, 0.9, 0.9}, LABEL_SECOND, NAN));
    ask(&s, &t[0]);
    ask(&s, &t[1]);
    assert_string_equal(t[0].p.why, "first");
    assert_string_equal(t[1].p.why, "second");
    tell(&s, &t[1], ZO_TOLD_COMPLETE, 1);
    assert_false(zo_stage_is_complete(&s));
    tell(&s, &t[0], ZO_TOLD_COMPLETE, 1);
    assert_true(zo_stage_is_complete(&s));
    zo_stage_fini(&s);
}

/* Slots of a first stage: wanted, answered in time, failed, still out, never handed out. */
static void speculative_answers_are_taken_over(void **state)
{
    static const double x[5][N] = {{0, 0, 0}, {0.1, 0, 0}, {0.2, 0, 0}, {0.3, 0, 0}, {0.4, 0, 0}};
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 1);
    struct trial t[5], again;
    const double f = 5, g = -1;

    (void)state;
    zo_stage_add(&s, x[0], LABEL_FIRST, NAN);
    for (size_t i = 1; i < 5; i++)
        zo_stage_speculate(&s, x[i], LABEL_SECOND, NAN);
    for (size_t i = 0; i < 4; i++)
        ask(&s, &t[i]);
    zo_stage_tell(&s, &(zo_told){.outcome = ZO_TOLD_COMPLETE,
                                 .own = true,
                                 .has_values = true,
                                 .x = t[1].x,
                                 .memo = &t[1].memo,
                                 .f = &f,
                                 .g = &g});
    tell(&s, &t[2], ZO_TOLD_FAILED, 0);
    zo_stage_tell(&s, &(zo_told){.outcome = ZO_TOLD_FAILED, .own = true, .x = t[0].x, .memo = &t[0].memo});
    assert_true(zo_stage_is_complete(&s));
    zo_stage_begin(&s);
    for (size_t i = 5; i-- > 1;)
        zo_stage_add(&s, x[i], LABEL_FIRST, NAN);
    assert_true(zo_stage_f(&s, 3) == 5 && zo_stage_g(&s, 3)[0] == -1);
    assert_true(zo_stage_f(&s, 2) == INFINITY);
    assert_int_equal(s.n_left, 2);
    assert_non_null(ask(&s, &again));
    assert_memory_equal(again.x, x[4], sizeof x[4]);
    assert_null(ask(&s, &again)); /* the one that is out is waited for */
    assert_int_equal(
        zo_stage_tell(&s, &(zo_told){.outcome = ZO_TOLD_FAILED, .own = true, .x = t[3].x, .memo = &t[3].memo}), 1);
    zo_stage_fini(&s);
}

static void two_new_slots_with_the_bits_of_one_that_is_out_are_both_answered(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t, out, twin;

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    zo_stage_speculate(&s, (const double[N]){0.5, 0.5, 0.5}, LABEL_FIRST, NAN);
    ask(&s, &t);
    ask(&s, &out);
    tell(&s, &t, ZO_TOLD_COMPLETE, 1);
    zo_stage_begin(&s);
    add(&s, 0.5, 0.5, 0.5);
    add(&s, 0.5, 0.5, 0.5);
    assert_non_null(ask(&s, &twin));
    assert_int_equal(tell(&s, &out, ZO_TOLD_COMPLETE, 1), 0);
    assert_int_equal(tell(&s, &twin, ZO_TOLD_COMPLETE, 1), 1);
    assert_true(zo_stage_is_complete(&s));
    zo_stage_fini(&s);
}

static void an_abandoned_trial_that_a_new_stage_waits_for_is_handed_out_again(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);
    struct trial t, out;

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    zo_stage_speculate(&s, (const double[N]){0.5, 0.5, 0.5}, LABEL_FIRST, NAN);
    ask(&s, &t);
    ask(&s, &out);
    tell(&s, &t, ZO_TOLD_COMPLETE, 1);
    zo_stage_begin(&s);
    add(&s, 0.5, 0.5, 0.5);
    assert_null(ask(&s, &t));
    tell(&s, &out, ZO_TOLD_ABANDONED, 0);
    assert_non_null(ask(&s, &t));
    assert_int_equal(tell(&s, &t, ZO_TOLD_COMPLETE, 1), 0);
    assert_true(zo_stage_is_complete(&s));
    zo_stage_fini(&s);
}

static void a_value_without_its_gradient_is_a_failure_where_gradients_are_told(void **state)
{
    static const double df[N] = {1, 2, 3};
    zo_stage s = open_stage(ZO_ORACLE_GRADIENT, 0);
    struct trial t;
    const double f = 1;

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    add(&s, 0.2, 0.2, 0.2);
    ask(&s, &t);
    zo_stage_tell(&s, &(zo_told){.outcome = ZO_TOLD_COMPLETE,
                                 .own = true,
                                 .has_values = true,
                                 .x = t.x,
                                 .memo = &t.memo,
                                 .f = &f,
                                 .df = df});
    ask(&s, &t);
    tell(&s, &t, ZO_TOLD_COMPLETE, 1);
    assert_memory_equal(zo_stage_df(&s, 0), df, sizeof df);
    assert_true(zo_stage_f(&s, 0) == 1 && zo_stage_f(&s, 1) == INFINITY);
    zo_stage_fini(&s);
}

static zo_status visit(zo_stage *s, zo_bundle *b, bool loading)
{
    zo_error err = {0};
    zo_visit v = {.bundle = b, .loading = loading, .prefix = "", .err = &err};

    zo_stage_visit(s, &v);
    return v.status;
}

/* Cut after one answer, with one point out, one open, and the stage before still there to be taken over. */
static void a_saved_stage_goes_on_where_it_was(void **state)
{
    zo_stage lives[2] = {open_stage(ZO_ORACLE_VALUE, 0), open_stage(ZO_ORACLE_VALUE, 0)};
    zo_stage *s = &lives[0];
    struct trial t[4];
    zo_bundle b;

    (void)state;
    add(s, 0.1, 0.1, 0.1);
    zo_stage_speculate(s, (const double[N]){0.9, 0.9, 0.9}, LABEL_SECOND, 3);
    ask(s, &t[0]);
    ask(s, &t[1]);
    tell(s, &t[0], ZO_TOLD_COMPLETE, 1);
    zo_stage_begin(s);
    for (size_t i = 0; i < 3; i++)
        add(s, 0.2, 0.2, (double)i / 4);
    ask(s, &t[2]);
    ask(s, &t[3]);
    tell(s, &t[2], ZO_TOLD_COMPLETE, 6);
    zo_bundle_init(&b);
    assert_int_equal(visit(s, &b, false), ZO_OK);
    assert_int_equal(visit(&lives[1], &b, true), ZO_OK);
    zo_bundle_fini(&b);
    for (size_t k = 0; k < 2; k++) {
        struct trial next;
        s = &lives[k];
        assert_int_equal(s->n_left, 2);
        assert_true(zo_stage_f(s, 0) == 6);
        assert_non_null(ask(s, &next));
        assert_true(next.x[2] == 0.5);
        assert_int_equal(next.memo.ticket, 5);
        assert_int_equal(tell(s, &t[3], ZO_TOLD_COMPLETE, 7), 1);
        assert_int_equal(tell(s, &next, ZO_TOLD_COMPLETE, 8), 2);
        assert_true(zo_stage_is_complete(s));
        zo_stage_fini(s);
    }
}

static void a_damaged_stage_is_refused(void **state)
{
    zo_stage s = open_stage(ZO_ORACLE_VALUE, 0);

    (void)state;
    add(&s, 0.1, 0.1, 0.1);
    for (size_t k = 0; k < 3; k++) {
        zo_stage other = open_stage(ZO_ORACLE_VALUE, 0);
        zo_bundle b;
        zo_bundle_init(&b);
        assert_int_equal(visit(&s, &b, false), ZO_OK);
        const zo_array *x = zo_bundle_get(&b, "stage.x"), *f = zo_bundle_get(&b, "stage.f");
        const zo_array *states = zo_bundle_get(&b, "stage.state");
        assert_true(x != NULL && f != NULL && states != NULL);
        if (k == 0)
            ((double *)x->data)[1] = 1.5;
        else
            ((uint8_t *)states->data)[0] = k == 1 ? STAGE_VALUED : STAGE_FAILED + 1; /* valued: f is infinite */
        assert_int_not_equal(visit(&other, &b, true), ZO_OK);
        zo_bundle_fini(&b);
        zo_stage_fini(&other);
    }
    zo_stage_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(points_are_handed_out_in_order_clipped_and_with_their_provenance),
        cmocka_unit_test(every_order_of_the_answers_gives_the_same_stage),
        cmocka_unit_test(an_empty_stage_is_never_complete_and_has_nothing_to_ask),
        cmocka_unit_test(a_point_without_a_value_counts_as_infinite_and_the_row_of_them_is_counted),
        cmocka_unit_test(an_abandoned_trial_is_handed_out_again_and_the_first_answer_wins),
        cmocka_unit_test(an_abandoned_trial_may_still_be_answered),
        cmocka_unit_test(an_outside_point_answers_the_open_slot_at_its_place_only),
        cmocka_unit_test(a_late_answer_of_an_earlier_stage_fills_no_slot),
        cmocka_unit_test(speculative_points_go_out_last_and_are_not_waited_for),
        cmocka_unit_test(speculative_answers_are_taken_over),
        cmocka_unit_test(two_new_slots_with_the_bits_of_one_that_is_out_are_both_answered),
        cmocka_unit_test(an_abandoned_trial_that_a_new_stage_waits_for_is_handed_out_again),
        cmocka_unit_test(a_value_without_its_gradient_is_a_failure_where_gradients_are_told),
        cmocka_unit_test(a_saved_stage_goes_on_where_it_was),
        cmocka_unit_test(a_damaged_stage_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
