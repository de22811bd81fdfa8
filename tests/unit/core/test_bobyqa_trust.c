#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bobyqa/trust.h"
#include "zeroth/rng.h"

enum { GRID = 240 };

/* A model in 2-D whose best point, slope and second derivatives are drawn; every second best point is on a bound. */
static void draw(bobyqa_model *q, zo_rng *rng, bool convex)
{
    double a[2][2];

    for (size_t i = 0; i < 2; i++) {
        q->x[i] = zo_rng_uniform(rng);
        if (zo_rng_uniform(rng) < 0.3)
            q->x[i] = q->x[i] < 0.5 ? 0 : 1;
        q->g[i] = zo_rng_normal(rng);
        for (size_t j = 0; j < 2; j++)
            a[i][j] = 3 * zo_rng_normal(rng);
    }
    for (size_t i = 0; i < 2; i++)
        for (size_t j = 0; j < 2; j++)
            q->H[2 * i + j] = convex ? a[i][0] * a[j][0] + a[i][1] * a[j][1] : a[i][j] + a[j][i];
}

/* The largest gain on a grid in polar coordinates around the best point, and on the box's edges. */
static double brute_force(const bobyqa_model *q, double delta)
{
    double most = 0;

    for (size_t i = 0; i <= GRID; i++)
        for (size_t k = 0; k < 2 * GRID; k++) {
            const double r = delta * (double)i / GRID, angle = M_PI * (double)k / GRID;
            const double d[2] = {zo_clip(q->x[0] + r * cos(angle), 0, 1) - q->x[0],
                                 zo_clip(q->x[1] + r * sin(angle), 0, 1) - q->x[1]};
            most = fmax(most, -zo_bobyqa_change(q, d));
        }
    return most;
}

static double least_share(bool convex, double *mean)
{
    bobyqa_model q = {0};
    bobyqa_trust t = {0};
    zo_error err;
    zo_rng rng = zo_rng_make(11, ZO_PURPOSE_TELL, convex);
    double least = 1;

    *mean = 0;
    assert_int_equal(zo_bobyqa_model_init(&q, 2, &err), ZO_OK);
    assert_int_equal(zo_bobyqa_trust_init(&t, 2, &err), ZO_OK);
    for (size_t round = 0; round < 300; round++) {
        draw(&q, &rng, convex);
        const double delta = pow(10, -2 * zo_rng_uniform(&rng));
        zo_bobyqa_trust_step(&t, &q, delta);
        const double most = brute_force(&q, delta);
        for (size_t i = 0; i < 2; i++)
            assert_true(t.x[i] >= 0 && t.x[i] <= 1);
        assert_true(t.length <= delta * (1 + 1e-12));
        assert_true(fabs(t.gain + zo_bobyqa_change(&q, t.d)) <= 1e-12 * (1 + fabs(t.gain)));
        assert_true(t.gain <= most * 1.01 + 1e-12);
        const double share = most > 0 ? t.gain / most : 1;
        least = fmin(least, share);
        *mean += share / 300;
    }
    zo_bobyqa_model_fini(&q);
    zo_bobyqa_trust_fini(&t);
    return least;
}

/* A coordinate that met its bound stays there, which costs a part now and then. */
static void a_step_of_a_convex_model_is_about_the_best_within_the_radius(void **state)
{
    double mean;
    const double least = least_share(true, &mean);

    (void)state;
    if (getenv("ZEROTH_PRINT"))
        print_message("convex: least %g mean %g\n", least, mean);
    assert_true(least > 0.5 && mean > 0.99);
}

/* Where the model bends down there are several local minima on the rim: one of the better ones will do. */
static void a_step_of_any_model_gains_a_fair_part_of_the_best(void **state)
{
    double mean;
    const double least = least_share(false, &mean);

    (void)state;
    if (getenv("ZEROTH_PRINT"))
        print_message("indefinite: least %g mean %g\n", least, mean);
    assert_true(least > 0.01 && mean > 0.94);
}

/* sum_i c_i (x_i - to_i)^2 with the optimum inside the radius: known exactly, bounds included. */
static void a_separable_model_is_solved_to_its_bounds(void **state)
{
    enum { N = 6 };
    bobyqa_model q = {0};
    bobyqa_trust t = {0};
    zo_error err;
    const double to[N] = {-0.2, 1.3, 0.4, 0.5, 1.1, 0.6};

    (void)state;
    assert_int_equal(zo_bobyqa_model_init(&q, N, &err), ZO_OK);
    assert_int_equal(zo_bobyqa_trust_init(&t, N, &err), ZO_OK);
    for (size_t i = 0; i < N; i++) {
        const double c = 1 + (double)i;
        q.x[i] = 0.5;
        q.g[i] = 2 * c * (0.5 - to[i]);
        q.H[i * N + i] = 2 * c;
    }
    zo_bobyqa_trust_step(&t, &q, 2);
    for (size_t i = 0; i < N; i++) {
        if (to[i] < 0 || to[i] > 1)
            assert_true(t.x[i] == (to[i] > 1)); /* not a hair beside it */
        else
            assert_true(fabs(t.x[i] - to[i]) < 0.02);
    }
    zo_bobyqa_model_fini(&q);
    zo_bobyqa_trust_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_of_a_convex_model_is_about_the_best_within_the_radius),
        cmocka_unit_test(a_step_of_any_model_gains_a_fair_part_of_the_best),
        cmocka_unit_test(a_separable_model_is_solved_to_its_bounds),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
