/* axis-search: a sum of multimodal functions of one parameter is solved in a few dozen evaluations an axis, as by a
 * program written apart from this one; what is no sum is seen by the probe and left alone. */
#include "cma_fx.h"

#define PI 3.14159265358979323846

/* 10 n + sum (y^2 - 10 cos 2 pi y), y = x - 1.3: 0 at 1.3, some 10 minima along each axis. */
OBJECTIVE(shifted_rastrigin)
{
    double f = 10 * (double)n;

    (void)u;
    (void)g;
    for (size_t i = 0; i < n; i++) {
        const double y = x[i] - 1.3;
        f += y * y - 10 * cos(2 * PI * y);
    }
    return f;
}

/* The slope ends in a corner of the box. */
OBJECTIVE(slope)
{
    double f = 0;

    (void)u;
    (void)g;
    for (size_t i = 0; i < n; i++)
        f += (double)(i + 1) * x[i];
    return f;
}

/* A quadratic whose axes are turned by 45 degrees in the plane of the first two. */
OBJECTIVE(turned)
{
    (void)u;
    (void)g;
    return 100 * pow(x[0] + x[1] - 1, 2) + pow(x[0] - x[1] + 2, 2) + weighted(n - 2, x + 2, 1, 1);
}

OBJECTIVE(flat)
{
    (void)n;
    (void)x;
    (void)u;
    (void)g;
    return 7;
}

static void start_at_centre(struct fx *x, size_t n, objective f)
{
    fx_open(x, n, f, 1);
    x->solver = "axis-search";
    fx_start(x, NULL, 0);
}

/* Evaluations until the target is reached. */
static size_t to_target(size_t n, objective f, double target, size_t most)
{
    struct fx x;

    start_at_centre(&x, n, f);
    const size_t taken = minimise(&x, target, most);
    fx_close(&x);
    return taken;
}

static void many_minima_on_each_axis_cost_some_forty_evaluations_an_axis(void **state)
{
    static const struct {
        size_t n, near, exact; /* evaluations of the other program, to 1e-2 and to 1e-8 */
    } cases[] = {{2, 81, 88}, {5, 202, 218}, {10, 407, 438}};

    (void)state;
    for (size_t c = 0; c < ZO_LEN(cases); c++) {
        assert_true((double)to_target(cases[c].n, shifted_rastrigin, 1e-2, 2000) <= 1.3 * (double)cases[c].near);
        assert_true((double)to_target(cases[c].n, shifted_rastrigin, 1e-8, 2000) <= 1.3 * (double)cases[c].exact);
    }
}

/* The ends of every axis are among the first points asked after the probe: the corner is met in one round. */
static void a_slope_is_solved_by_the_ends_of_the_axes(void **state)
{
    enum { N = 6 };

    (void)state;
    /* the probe takes 2n + 1 points and a check or two, a round of ends 2n, the meeting point one */
    assert_true(to_target(N, slope, -5.0 * N * (N + 1) / 2, 500) <= 2 * N + 1 + 3 + 2 * N + 1);
}

/* Ask and tell until the solver ends; why it did. */
static const char *end_of(objective f, size_t n, size_t *evaluations, zo_verdict *verdict)
{
    struct fx x;
    struct trial t;
    zo_proposal p;

    start_at_centre(&x, n, f);
    for (*evaluations = 0; *evaluations < 1000; ++*evaluations) {
        t = (struct trial){.number = *evaluations};
        p = (zo_proposal){.number = t.number, .x = t.u, .memo = t.memo};
        assert_int_equal(zo_solver_run_ask(x.run, &p, NULL), ZO_OK);
        if (p.verdict != ZO_ASK_OK)
            break;
        tell_as(&x, &t, true, ZO_TOLD_COMPLETE);
    }
    *verdict = p.verdict;
    fx_close(&x);
    return p.why;
}

static void what_is_no_sum_is_seen_within_the_probe(void **state)
{
    static const size_t sizes[] = {2, 4, 9};
    size_t evaluations;
    zo_verdict verdict;

    (void)state;
    for (size_t k = 0; k < ZO_LEN(sizes); k++) {
        assert_string_equal(end_of(turned, sizes[k], &evaluations, &verdict), "not separable");
        assert_int_equal(verdict, ZO_ASK_DONE);
        assert_true(evaluations <= 3 * sizes[k] + 4); /* 2n + 1, the vertices of some parabolas, the check */
        assert_string_equal(end_of(rosenbrock, sizes[k], &evaluations, &verdict), "not separable");
        assert_true(evaluations <= 3 * sizes[k] + 4);
    }
    assert_string_equal(end_of(flat, 3, &evaluations, &verdict), "flat around the start");
    assert_true(evaluations <= 3 * 3 + 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_minima_on_each_axis_cost_some_forty_evaluations_an_axis),
        cmocka_unit_test(a_slope_is_solved_by_the_ends_of_the_axes),
        cmocka_unit_test(what_is_no_sum_is_seen_within_the_probe),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
