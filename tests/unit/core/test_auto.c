#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 6000 };

static zo_dim dims[MAX_DIMS]; /* reals, unless a test says otherwise */

static int reset_dims(void **state)
{
    (void)state;
    memset(dims, 0, sizeof dims);
    return 0;
}

static zo_problem problem(size_t n, uint64_t budget)
{
    return (zo_problem){.n = n,
                        .dims = dims,
                        .n_objectives = 1,
                        .oracle = ZO_ORACLE_VALUE,
                        .parallelism = 1,
                        .budget_trials = budget,
                        .seed = 3};
}

static zo_solver_run *start(const char *name, const zo_problem *p)
{
    zo_solver_run *r = NULL;
    zo_error err = {0};

    if (zo_solver_run_new(zo_solver_find(name), p, NULL, 0, &r, &err) != ZO_OK)
        fail_msg("%s: %s", name, err.message);
    assert_int_equal(err.code, ZO_OK); /* a core that was passed over leaves no error behind */
    return r;
}

/* Starts auto and checks what it says of itself; because: a word of the reason. */
static void assert_runs(const zo_problem *p, const char *core, const char *because)
{
    zo_solver_run *r = start("auto", p);
    zo_bundle facts;

    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(r, &facts, NULL), ZO_OK);
    assert_string_equal(zo_bundle_meta(&facts, "running"), core);
    assert_non_null(strstr(zo_bundle_meta(&facts, "reason"), because));
    zo_bundle_fini(&facts);
    zo_solver_run_free(r);
}

static void a_continuous_problem_takes_the_portfolio(void **state)
{
    zo_problem p = problem(5, 0);

    (void)state;
    assert_runs(&p, "axis-search", "axes"); /* unknown budget */
    p = problem(5, 24);
    assert_runs(&p, "axis-search", "axes");
    p.parallelism = 10;
    assert_runs(&p, "axis-search", "axes");
    p = problem(5, 23); /* too few for a probe: 4n + 4 */
    assert_runs(&p, "quasi-newton", "best point");
    p = problem(5, 1000);
    p.oracle = ZO_ORACLE_GRADIENT;
    assert_runs(&p, "quasi-newton", "true gradients");
}

/* Two generations of 4 + 3 ln 5 = 8.8 are 17.7 trials; of ten at a time, 20. */
static void too_few_rounds_on_levels_take_sobol(void **state)
{
    zo_problem p = problem(5, 17);

    (void)state;
    dims[1] = (zo_dim){.kind = ZO_DIM_LEVELS, .levels = 7};
    assert_runs(&p, "sobol", "too few trials");
    p.budget_trials = 18;
    assert_runs(&p, "cma-es", "one objective");
    p.parallelism = 10;
    assert_runs(&p, "sobol", "too few trials");
    p.budget_trials = 20;
    assert_runs(&p, "cma-es", "one objective");
}

static void choices_and_levels_take_cma_es_too(void **state)
{
    zo_problem p = problem(3, 100);

    (void)state;
    dims[1] = (zo_dim){.kind = ZO_DIM_LEVELS, .levels = 7};
    dims[2] = (zo_dim){.kind = ZO_DIM_CATEGORY, .levels = 5};
    assert_runs(&p, "cma-es", "one objective");
}

static void a_space_smaller_than_the_budget_takes_sobol(void **state)
{
    const zo_param_spec params[] = {{.name = "a", .type = ZO_INT, .low = 1, .high = 10},
                                    {.name = "b", .type = ZO_INT, .low = 1, .high = 10}};
    const zo_space_spec spec = {.params = params, .n_params = 2};
    zo_space *space = NULL;
    zo_problem p = problem(2, 100);

    (void)state;
    assert_int_equal(zo_space_new(&spec, &space, NULL), ZO_OK);
    p.space = space;
    p.dims = zo_space_dims(space);
    assert_runs(&p, "sobol", "no more points");
    p.budget_trials = 99;
    assert_runs(&p, "cma-es", "one objective");
    zo_space_free(space);
}

static void several_objectives_take_sobol_and_beyond_its_dimensions_random(void **state)
{
    zo_problem p = problem(4, 1000);

    (void)state;
    p.n_objectives = 2;
    assert_runs(&p, "sobol", "several objectives");
    p.n = MAX_DIMS;
    assert_runs(&p, "random", "dimensions");
}

static void nothing_to_search_takes_random(void **state)
{
    zo_problem p = problem(0, 0);

    (void)state;
    assert_runs(&p, "random", "nothing");
}

/* Asks and tells pass through untouched: the core alone would have proposed the same, and its name is on every
 * proposal. */
static void it_is_the_core_it_runs(void **state)
{
    static const char *const cores[] = {"cma-es", "sobol"};

    (void)state;
    dims[3] = (zo_dim){.kind = ZO_DIM_LEVELS, .levels = 7};
    for (size_t k = 0; k < ZO_LEN(cores); k++) {
        const zo_problem p = problem(4, k == 0 ? 1000 : 10);
        zo_solver_run *twins[] = {start("auto", &p), start(cores[k], &p)};
        double x[2][4];
        _Alignas(64) unsigned char memo[2][1024] = {{0}};
        assert_true(zo_solver_run_memo_bytes(twins[0]) >= zo_solver_run_memo_bytes(twins[1]));
        assert_true(zo_solver_run_memo_bytes(twins[0]) <= sizeof memo[0]);
        for (uint64_t i = 0; i < 100; i++) {
            for (size_t t = 0; t < 2; t++) {
                zo_proposal ask = {.number = i, .x = x[t], .memo = memo[t]};
                memset(memo[t], 0, sizeof memo[t]);
                assert_int_equal(zo_solver_run_ask(twins[t], &ask, NULL), ZO_OK);
                const double f = (ask.x[0] - 0.2) * (ask.x[0] - 0.2) + ask.x[1] * ask.x[2];
                const zo_told told = {.number = i,
                                      .own = true,
                                      .has_values = true,
                                      .feasible = true,
                                      .x = x[t],
                                      .memo = memo[t],
                                      .f = &f};
                assert_int_equal(zo_solver_run_tell(twins[t], &told, NULL), ZO_OK);
                if (t == 0)
                    assert_string_equal(ask.core, cores[k]);
            }
            assert_memory_equal(x[0], x[1], sizeof x[0]);
        }
        zo_solver_run_free(twins[0]);
        zo_solver_run_free(twins[1]);
    }
}

static zo_status visit(zo_solver_run *r, zo_bundle *b, bool loading)
{
    zo_visit v = {.bundle = b, .loading = loading, .prefix = "p."};

    zo_solver_run_snapshot(r, &v);
    assert_string_equal(v.prefix, "p.");
    return v.status;
}

static void the_state_of_another_core_or_version_is_refused(void **state)
{
    const zo_problem p = problem(2, 10);
    zo_bundle b;

    (void)state;
    dims[1] = (zo_dim){.kind = ZO_DIM_LEVELS, .levels = 7};
    for (size_t k = 0; k < 3; k++) {
        zo_solver_run *r = start("auto", &p), *again = start("auto", &p);
        zo_bundle_init(&b);
        assert_int_equal(visit(r, &b, false), ZO_OK);
        const zo_array *a = zo_bundle_get(&b, k == 1 ? "p.core" : "p.core_version");
        assert_non_null(a);
        if (k > 0)
            *(unsigned char *)a->data += 1;
        assert_int_equal(visit(again, &b, true), k > 0 ? ZO_ECONFLICT : ZO_OK);
        zo_bundle_fini(&b);
        zo_solver_run_free(r);
        zo_solver_run_free(again);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(a_continuous_problem_takes_the_portfolio, reset_dims),
        cmocka_unit_test_setup(too_few_rounds_on_levels_take_sobol, reset_dims),
        cmocka_unit_test_setup(choices_and_levels_take_cma_es_too, reset_dims),
        cmocka_unit_test_setup(a_space_smaller_than_the_budget_takes_sobol, reset_dims),
        cmocka_unit_test_setup(several_objectives_take_sobol_and_beyond_its_dimensions_random, reset_dims),
        cmocka_unit_test_setup(nothing_to_search_takes_random, reset_dims),
        cmocka_unit_test_setup(it_is_the_core_it_runs, reset_dims),
        cmocka_unit_test_setup(the_state_of_another_core_or_version_is_refused, reset_dims),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
