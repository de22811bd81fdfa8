/* Weights that are solved before anybody asks. */
#include "model_fx.h"

/* Two for each time that weights are asked for; none before, none where one takes long. */
static void solves_ahead_are_counted(void **state)
{
    static double x[2100] = {0.5};
    zo_model_config c = fx_config("analytic-ridge", 3, NULL, NULL, 0);
    zo_model *m = fx_model(&c);

    (void)state;
    fx_change(m, "a", x, 1, 1);
    assert_false(zo_model_wants_solve(m));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(zo_model_solve(m, NULL), ZO_OK);
        assert_false(zo_model_wants_solve(m)); /* it is solved */
        for (int i = 0; i < 4; i++) {
            fx_change(m, "a", x, 1, 1);
            assert_int_equal(zo_model_wants_solve(m), i < 2);
            if (i < 2)
                assert_int_equal(zo_model_solve_ahead(m, NULL), ZO_OK);
            assert_int_equal(zo_model_is_solved(m), i < 2);
        }
    }
    zo_model_free(m);
    c = fx_config("analytic-ridge", 2049, NULL, NULL, 0);
    m = fx_model(&c);
    fx_change(m, "a", x, 1, 1);
    assert_int_equal(zo_model_solve(m, NULL), ZO_OK);
    fx_change(m, "a", x, 1, -1);
    assert_false(zo_model_wants_solve(m));
    zo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(solves_ahead_are_counted),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
