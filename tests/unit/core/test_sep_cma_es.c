/* The solver sep-cma-es on functions whose minimum is known. */
#include "cma_fx.h"

static void start(struct fx *x, size_t n, objective f, uint64_t seed)
{
    fx_open(x, n, f, seed);
    x->solver = "sep-cma-es";
    fx_from(x, 1);
    fx_start(x, "sigma0", 0.1);
}

/* From x = 1 to 1e-8 at n = 100, by a prototype written apart from this code. */
static void evaluations_are_those_of_another_program(void **state)
{
    static const struct {
        objective f;
        size_t other;
    } cases[] = {{sphere, 10130}, {ellipsoid, 27500}, {cigar, 21900}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        size_t evals[3];
        for (uint64_t seed = 0; seed < ZO_LEN(evals); seed++) {
            struct fx x;
            start(&x, 100, cases[k].f, seed + 1);
            evals[seed] = minimise(&x, 1e-8, 60000);
            fx_close(&x);
        }
        assert_in_range(median(evals, ZO_LEN(evals)), cases[k].other * 3 / 4, cases[k].other * 5 / 4);
    }
}

/* It is cma-es with that covariance. */
static void it_asks_what_cma_es_with_a_diagonal_covariance_asks(void **state)
{
    const zo_named given[] = {{"sigma0", {.kind = ZO_NUMBER, .number = 0.1}},
                              {"covariance", {.kind = ZO_STRING, .string = "diagonal"}}};
    struct fx x, y;
    struct trial s, t;

    (void)state;
    start(&x, 7, ellipsoid, 3);
    fx_open(&y, 7, ellipsoid, 3);
    fx_from(&y, 1);
    y.problem.dims = y.dims;
    assert_int_equal(zo_solver_run_new(zo_solver_find("cma-es"), &y.problem, given, 2, &y.run, NULL), ZO_OK);
    for (uint64_t k = 0; k < 500; k++) {
        assert_true(ask(&x, k, &s) && ask(&y, k, &t));
        assert_memory_equal(s.u, t.u, 7 * sizeof *s.u);
        tell_as(&x, &s, true, ZO_TOLD_COMPLETE);
        tell_as(&y, &t, true, ZO_TOLD_COMPLETE);
    }
    fx_close(&x);
    fx_close(&y);
}

/* In linear time, else this would take minutes. */
static void ten_thousand_dimensions_get_better(void **state)
{
    enum { N = 10000, EVALS = 4000 };
    static zo_dim dims[N];
    static double u[N], memo[N + 2];
    const zo_problem p = {
        .dims = dims, .n = N, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = 5};
    const zo_named sigma = {"sigma0", {.kind = ZO_NUMBER, .number = 0.02}};
    zo_solver_run *run;
    double first = 0, last = 0;

    (void)state;
    assert_int_equal(zo_solver_run_new(zo_solver_find("sep-cma-es"), &p, &sigma, 1, &run, NULL), ZO_OK);
    for (uint64_t k = 0; k < EVALS; k++) {
        zo_proposal a = {.number = k, .x = u, .memo = memo};
        assert_int_equal(zo_solver_run_ask(run, &a, NULL), ZO_OK);
        double f = 0;
        for (size_t i = 0; i < N; i++)
            f += (u[i] - 0.5) * (u[i] - 0.5);
        *(k < 31 ? &first : &last) = f;
        const zo_told t = {.number = k,
                           .outcome = ZO_TOLD_COMPLETE,
                           .own = true,
                           .has_values = true,
                           .feasible = true,
                           .x = u,
                           .memo = memo,
                           .f = &f};
        assert_int_equal(zo_solver_run_tell(run, &t, NULL), ZO_OK);
    }
    assert_true(last < 0.9 * first);
    zo_solver_run_free(run);
}

static void more_dimensions_than_it_is_made_for_are_refused(void **state)
{
    static zo_dim dims[100001];
    const zo_problem p = {
        .dims = dims, .n = 100001, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = 5};
    zo_solver_run *run;
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_solver_run_new(zo_solver_find("sep-cma-es"), &p, NULL, 0, &run, &err), ZO_EUNSUPPORTED);
    assert_string_equal(err.pointer, "/solver/name");
    assert_non_null(strstr(err.message, "100000"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(evaluations_are_those_of_another_program),
        cmocka_unit_test(it_asks_what_cma_es_with_a_diagonal_covariance_asks),
        cmocka_unit_test(ten_thousand_dimensions_get_better),
        cmocka_unit_test(more_dimensions_than_it_is_made_for_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
