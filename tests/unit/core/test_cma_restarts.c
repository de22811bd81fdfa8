/* IPOP and BIPOP: populations, budgets and step sizes of the runs that follow one another. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cma/restarts.h"

static void ipop_doubles_up_to_its_most(void **state)
{
    cma_restarts r = {.base = 10, .most = 100};
    static const size_t known[] = {20, 40, 80, 100, 100};
    size_t lambda = 10;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(known); k++) {
        zo_rng rng = zo_rng_make(1, ZO_PURPOSE_INIT, k + 1);
        assert_int_equal(zo_cma_large(&r), known[k]);
        assert_true(zo_cma_restart(&r, &rng, lambda, 1000, true, &lambda) == 1);
        assert_int_equal(lambda, known[k]);
        assert_int_equal(r.budget, 0);
    }
}

static void without_budget_for_a_large_run_the_base_is_tried_again(void **state)
{
    cma_restarts r = {.base = 10, .most = 640};
    zo_rng rng = zo_rng_make(1, ZO_PURPOSE_INIT, 1);
    size_t lambda;

    (void)state;
    zo_cma_restart(&r, &rng, 10, 1000, false, &lambda);
    assert_int_equal(lambda, 10);
    assert_int_equal(zo_cma_large(&r), 20);
}

/* The rules of BIPOP as its paper states them, replayed: a small run follows while the small ones have spent less than
 * the large ones (the first run counts for neither); its population lies between the base and half the last large one,
 * its budget is half of that one's evaluations, its step size 1 to 1/100 of the first. */
static void bipop_alternates_by_what_each_regime_has_spent(void **state)
{
    cma_restarts r = {.base = 10, .most = 640, .alternate = true};
    uint64_t spent[2] = {0, 0}, last_large_evals = 0;
    size_t lambda = 10, last_large = 0, n_large = 0, n_small = 0;
    bool small = false, first = true;

    (void)state;
    for (uint64_t k = 1; k <= 40; k++) {
        const uint64_t evals = small ? r.budget : 100 * lambda;
        zo_rng rng = zo_rng_make(3, ZO_PURPOSE_INIT, k);
        spent[small] += first ? 0 : evals;
        if (!small && !first) {
            last_large = lambda;
            last_large_evals = evals;
        }
        const bool small_next = !first && spent[1] < spent[0];
        const double factor = zo_cma_restart(&r, &rng, lambda, evals, true, &lambda);
        first = false;
        small = small_next;
        assert_int_equal(r.small, small);
        if (small) {
            assert_in_range(lambda, 10, last_large / 2 > 10 ? last_large / 2 : 10);
            assert_int_equal(r.budget, last_large_evals / 2);
            assert_true(factor <= 1 && factor >= 0.01);
        } else {
            n_large++;
            assert_int_equal(lambda, n_large < 6 ? (size_t)10 << n_large : 640);
            assert_true(factor == 1);
        }
        n_small += small;
    }
    assert_true(n_small > n_large && n_large >= 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(ipop_doubles_up_to_its_most),
        cmocka_unit_test(without_budget_for_a_large_run_the_base_is_tried_again),
        cmocka_unit_test(bipop_alternates_by_what_each_regime_has_spent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
