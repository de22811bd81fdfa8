/* The benchmark functions against closed forms, brute force and the properties that their definitions promise. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "functions/bbob.h"
#include "functions/transforms.h"

enum { MAX_N = 40 };

static void open_bbob(struct bbob *p, unsigned f, unsigned instance, size_t n)
{
    if (!bbob_init(p, f, instance, n))
        fail_msg("f%u instance %u in %zu-D", f, instance, n);
}

static double at(struct bbob *p, const double *x)
{
    return bbob_eval(p, x) - p->f_opt;
}

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not within %g of %.17g", a, tolerance, b);
}

static void the_optimum_has_the_optimal_value(void **state)
{
    static const size_t dims[] = {2, 3, 5, 10, 20, 40};
    (void)state;

    for (unsigned f = 1; f <= BBOB_FUNCTIONS; f++)
        for (size_t k = 0; k < ZO_LEN(dims); k++)
            for (unsigned instance = 1; instance <= 5; instance++) {
                struct bbob p;
                open_bbob(&p, f, instance, dims[k]);
                if (!(fabs(at(&p, p.x_opt)) <= 1e-9))
                    fail_msg("f%u instance %u in %zu-D: %g", f, instance, dims[k], at(&p, p.x_opt));
                for (size_t i = 0; i < p.n; i++)
                    assert_true(fabs(p.x_opt[i]) <= 5);
                bbob_fini(&p);
            }
}

static void nothing_in_or_near_the_box_is_better_than_the_optimum(void **state)
{
    static const size_t dims[] = {2, 5, 20};
    zo_rng rng = zo_rng_make(7, ZO_PURPOSE_ASK, 0);
    (void)state;

    for (unsigned f = 1; f <= BBOB_FUNCTIONS; f++)
        for (size_t k = 0; k < ZO_LEN(dims); k++) {
            struct bbob p;
            open_bbob(&p, f, 3, dims[k]);
            for (unsigned trial = 0; trial < 2000; trial++) {
                double x[MAX_N];
                const double radius = pow(10, -8 * zo_rng_uniform(&rng));
                for (size_t i = 0; i < p.n; i++)
                    x[i] = trial % 2 ? 12 * zo_rng_uniform(&rng) - 6 : p.x_opt[i] + radius * zo_rng_normal(&rng);
                const double value = at(&p, x);
                assert_true(isfinite(value));
                if (!(value >= -1e-9))
                    fail_msg("f%u in %zu-D: %g", f, dims[k], value);
            }
            bbob_fini(&p);
        }
}

static void away_from_the_optimum_values_grow(void **state)
{
    (void)state;

    for (unsigned f = 1; f <= BBOB_FUNCTIONS; f++) {
        struct bbob p;
        double x[5];
        open_bbob(&p, f, 2, 5);
        for (size_t i = 0; i < 5; i++)
            x[i] = p.x_opt[i] - copysign(0.7, p.x_opt[i]);
        assert_true(at(&p, x) > 1e-3);
        bbob_fini(&p);
    }
}

static void rotations_are_orthonormal_and_differ(void **state)
{
    (void)state;

    for (size_t n = 1; n <= MAX_N; n += 13) {
        struct bbob p;
        double difference = 0;
        open_bbob(&p, 10, 4, n);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                double r = 0, q = 0;
                for (size_t k = 0; k < n; k++) {
                    r += p.R[i * n + k] * p.R[j * n + k];
                    q += p.Q[k * n + i] * p.Q[k * n + j];
                }
                assert_near(r, i == j, 1e-14 * (double)n);
                assert_near(q, i == j, 1e-14 * (double)n);
                difference = fmax(difference, fabs(p.R[i * n + j] - p.Q[i * n + j]));
            }
        assert_true(n == 1 || difference > 0.1);
        bbob_fini(&p);
    }
}

/* f(x) - f(y) for x and y that differ in one coordinate must not depend on the others. */
static double separability_gap(struct bbob *p)
{
    zo_rng rng = zo_rng_make(11, ZO_PURPOSE_ASK, p->f);
    double gap = 0;

    for (unsigned trial = 0; trial < 50; trial++) {
        double a[5], b[5];
        for (size_t i = 0; i < 5; i++) {
            a[i] = 8 * zo_rng_uniform(&rng) - 4;
            b[i] = 8 * zo_rng_uniform(&rng) - 4;
        }
        const size_t k = trial % 5;
        double a2[5], b2[5];
        memcpy(a2, a, sizeof a);
        memcpy(b2, b, sizeof b);
        b[k] = a[k];
        a2[k] = b2[k] = 8 * zo_rng_uniform(&rng) - 4;
        const double da = at(p, a2) - at(p, a), db = at(p, b2) - at(p, b);
        gap = fmax(gap, fabs(da - db) / (1 + fabs(da) + fabs(at(p, a)) + fabs(at(p, b))));
    }
    return gap;
}

static void only_the_first_group_is_separable(void **state)
{
    (void)state;

    for (unsigned f = 1; f <= BBOB_FUNCTIONS; f++) {
        struct bbob p;
        open_bbob(&p, f, 1, 5);
        const double gap = separability_gap(&p);
        if (bbob_group(f) == 0 ? gap > 1e-9 : gap < 1e-6)
            fail_msg("f%u: %g", f, gap);
        bbob_fini(&p);
    }
}

static void instances_and_functions_differ_and_repeat(void **state)
{
    struct bbob a, b, c, again;
    (void)state;

    open_bbob(&a, 1, 1, 5);
    open_bbob(&b, 1, 2, 5);
    open_bbob(&c, 2, 1, 5);
    open_bbob(&again, 1, 1, 5);
    assert_true(a.x_opt[0] != b.x_opt[0] && a.x_opt[0] != c.x_opt[0] && a.f_opt != b.f_opt && a.f_opt != c.f_opt);
    assert_memory_equal(a.x_opt, again.x_opt, 5 * sizeof(double));
    assert_true(a.f_opt == again.f_opt);
    bbob_fini(&a);
    bbob_fini(&b);
    bbob_fini(&c);
    bbob_fini(&again);
}

static void optima_spread_over_the_middle_of_the_box(void **state)
{
    double least = 5, most = -5, sum = 0;
    (void)state;

    for (unsigned instance = 1; instance <= 200; instance++) {
        struct bbob p;
        open_bbob(&p, 1, instance, 2);
        least = fmin(least, p.x_opt[1]);
        most = fmax(most, p.x_opt[1]);
        sum += p.x_opt[1];
        bbob_fini(&p);
    }
    assert_true(least < -3.8 && least >= -4 && most > 3.8 && most <= 4 && fabs(sum / 200) < 0.6);
}

static void the_sphere_and_the_slope_are_what_hand_computes(void **state)
{
    struct bbob p;
    double x[3];
    (void)state;

    open_bbob(&p, 1, 1, 3);
    for (size_t i = 0; i < 3; i++)
        x[i] = p.x_opt[i] + (double)i + 1; /* 1 + 4 + 9 */
    assert_near(at(&p, x), 14, 1e-11);
    bbob_fini(&p);

    /* From the middle: 5 (1 + sqrt 10 + 10); beyond the corner nothing more is won. */
    open_bbob(&p, 5, 1, 3);
    const double middle[3] = {0};
    assert_near(at(&p, middle), 5 * (11 + sqrt(10)), 1e-11);
    for (size_t i = 0; i < 3; i++) {
        assert_near(fabs(p.x_opt[i]), 5, 0);
        x[i] = 1.1 * p.x_opt[i];
    }
    assert_near(at(&p, x), 0, 1e-11);
    bbob_fini(&p);
}

static void oscillation_and_asymmetry_keep_sign_order_and_unity(void **state)
{
    double before = -INFINITY;
    (void)state;

    assert_near(bbob_osz1(0), 0, 0);
    assert_near(bbob_osz1(1), 1, 1e-15); /* log 1 = 0, sin 0 = 0 */
    assert_near(bbob_osz1(-1), -1, 1e-15);
    /* exp(1 + 0.049 (sin 10 + sin 7.9)) and -exp(1 + 0.049 (sin 5.5 + sin 3.1)), by another program */
    assert_near(bbob_osz1(exp(1)), 2.7795556903563563, 1e-12);
    assert_near(bbob_osz1(-exp(1)), -2.6312683084530915, 1e-12);
    for (double x = -5; x <= 5; x += 1e-3) {
        assert_true(bbob_osz1(x) > before);
        before = bbob_osz1(x);
    }
    double x[3] = {4, 4, -4};
    bbob_asy(3, 0.2, x); /* 4^(1 + 0.2 * 1/2 * 2) */
    assert_near(x[0], 4, 0);
    assert_near(x[1], pow(4, 1.2), 1e-12);
    assert_near(x[2], -4, 0);
    const double out[3] = {6, -7, 4};
    assert_near(bbob_penalty(3, out), 5, 1e-14);
}

/* Along its axes, an ellipsoid's value at T_osz's fixed points 1 and -1 is the axis' weight: from 1 to 10^6. */
static void ellipsoids_span_six_decades(void **state)
{
    struct bbob p;
    double x[7];
    (void)state;

    open_bbob(&p, 2, 1, 7);
    for (size_t k = 0; k < 7; k++) {
        memcpy(x, p.x_opt, sizeof x);
        x[k] += k % 2 ? 1 : -1;
        assert_near(at(&p, x) / pow(10, (double)k), 1, 1e-9);
    }
    bbob_fini(&p);

    for (unsigned f = 10; f <= 11; f++) {
        open_bbob(&p, f, 1, 7);
        for (size_t k = 0; k < 7; k++) { /* the k-th row of R is the k-th axis */
            for (size_t i = 0; i < 7; i++)
                x[i] = p.x_opt[i] + p.R[k * 7 + i];
            const double weight = f == 10 ? pow(10, (double)k) : k == 0 ? 1e6 : 1;
            assert_near(at(&p, x) / weight, 1, 1e-6);
        }
        bbob_fini(&p);
    }
}

static void cigar_ridge_and_powers_have_their_shape(void **state)
{
    struct bbob p;
    double x[4], value[2];
    (void)state;

    /* Different powers along axis k: |h|^((2 + 4 k/3)/2). */
    open_bbob(&p, 14, 1, 4);
    for (size_t k = 0; k < 4; k++) {
        for (size_t i = 0; i < 4; i++)
            x[i] = p.x_opt[i] + 0.01 * p.R[k * 4 + i];
        assert_near(at(&p, x) / pow(0.01, 1 + 2.0 * (double)k / 3), 1, 1e-6);
    }
    bbob_fini(&p);

    /* Close to the ridge's top it is a cone: twice as far, twice as high (but for the one smooth direction). */
    open_bbob(&p, 13, 1, 4);
    for (size_t k = 0; k < 2; k++) {
        for (size_t i = 0; i < 4; i++)
            x[i] = p.x_opt[i] + 1e-6 * (double)(k + 1);
        value[k] = at(&p, x);
    }
    assert_near(value[1] / value[0], 2, 1e-3);
    bbob_fini(&p);

    /* Near the optimum, where T_asy is the identity but for rounding, the cigar is a quadratic of condition 10^6: over
     * random directions of length h its values lie between h^2 and 10^6 h^2. */
    open_bbob(&p, 12, 1, 4);
    zo_rng rng = zo_rng_make(5, ZO_PURPOSE_ASK, 0);
    for (unsigned trial = 0; trial < 100; trial++) {
        double d[4], length = 0;
        zo_rng_normals(&rng, 4, d);
        for (size_t i = 0; i < 4; i++)
            length += d[i] * d[i];
        for (size_t i = 0; i < 4; i++)
            x[i] = p.x_opt[i] + 1e-5 * d[i] / sqrt(length);
        assert_true(at(&p, x) >= 0.9e-10 && at(&p, x) <= 1.1e-4);
    }
    bbob_fini(&p);
}

static void rosenbrock_is_its_textbook_form(void **state)
{
    struct bbob p;
    double x[3];
    (void)state;

    /* z = (0, 0, 0) costs 1 a link, z = (-1, 1, 1) costs 4. */
    open_bbob(&p, 8, 1, 3);
    for (size_t i = 0; i < 3; i++)
        x[i] = p.x_opt[i] - 1;
    assert_near(at(&p, x), 2, 1e-11);
    x[0] = p.x_opt[0] - 2;
    x[1] = p.x_opt[1];
    x[2] = p.x_opt[2];
    assert_near(at(&p, x), 4, 1e-11);
    for (size_t i = 0; i < 3; i++)
        assert_true(fabs(p.x_opt[i]) <= 3);
    bbob_fini(&p);

    /* In the middle of the box z = 1/2: (1/4 - 1/2)^2 100 + 1/4 a link. f19 makes of it s/4000 - cos s. */
    const double middle[3] = {0}, link = 6.5;
    open_bbob(&p, 9, 1, 3);
    assert_near(at(&p, middle), 2 * link, 1e-11);
    bbob_fini(&p);
    open_bbob(&p, 19, 1, 3);
    assert_near(at(&p, middle), 10 * (link / 4000 - cos(link)) + 10, 1e-11);
    bbob_fini(&p);
}

/* One dimension leaves of the Rastrigin family z^2 + 10 (1 - cos 2 pi z), z the oscillated distance. */
static void rastrigin_in_one_dimension_is_its_closed_form(void **state)
{
    (void)state;

    for (unsigned f = 3; f <= 15; f += 12) {
        struct bbob p;
        open_bbob(&p, f, 1, 1);
        for (double h = -2; h <= 2; h += 0.37) {
            const double x = p.x_opt[0] + h, turn = f == 15 ? p.R[0] : 1, z = bbob_osz1(turn * h);
            assert_near(at(&p, &x), z * z + 10 - 10 * cos(2 * M_PI * z), 1e-10);
        }
        bbob_fini(&p);
    }
    struct bbob p; /* f4: the positive side is ten times steeper */
    open_bbob(&p, 4, 1, 1);
    assert_true(p.x_opt[0] >= 0);
    const double right = p.x_opt[0] + 1, left = p.x_opt[0] - 1;
    assert_near(at(&p, &right) - 100 * bbob_penalty(1, &right), 100, 1e-9);
    assert_near(at(&p, &left), 1, 1e-9);
    bbob_fini(&p);
}

static void the_step_function_has_plateaus(void **state)
{
    struct bbob p;
    double x[2], y[2];
    unsigned same = 0;
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_ASK, 0);
    (void)state;

    open_bbob(&p, 7, 1, 2);
    for (unsigned trial = 0; trial < 200; trial++) {
        for (size_t i = 0; i < 2; i++) {
            x[i] = 9 * zo_rng_uniform(&rng) - 4.5;
            y[i] = x[i] + 1e-4;
        }
        same += bbob_eval(&p, x) == bbob_eval(&p, y);
    }
    assert_true(same > 180);
    bbob_fini(&p);
}

static void the_weierstrass_function_is_one_at_a_half_period(void **state)
{
    struct bbob p;
    (void)state;

    /* One dimension, R = +-1, Lambda = 1: z = +-T_osz(+-h). At z = 1/2 all cosines are 1: (2 - 2^-11 + 2 - 2^-11)^3
     * * 10. */
    open_bbob(&p, 16, 1, 1);
    double low = 0, high = 2;
    for (unsigned k = 0; k < 60; k++) {
        const double middle = (low + high) / 2;
        *(fabs(bbob_osz1(p.R[0] * middle)) < 0.5 ? &low : &high) = middle;
    }
    const double x = p.x_opt[0] + low;
    assert_near(at(&p, &x) - 10 * bbob_penalty(1, &x), 10 * pow(4 - pow(2, -10), 3), 1e-3);
    bbob_fini(&p);
}

static void a_peak_stands_on_every_centre(void **state)
{
    (void)state;

    /* In two dimensions a fine grid finds the best value close to the optimum, and many local optima for 101 peaks. */
    struct bbob p;
    open_bbob(&p, 21, 1, 2);
    double best = INFINITY, at_best[2] = {0};
    unsigned optima = 0;
    enum { GRID = 400 };
    static double grid[GRID + 1][GRID + 1];
    for (int i = 0; i <= GRID; i++)
        for (int j = 0; j <= GRID; j++) {
            const double x[2] = {10.0 * i / GRID - 5, 10.0 * j / GRID - 5};
            grid[i][j] = at(&p, x);
            if (grid[i][j] < best) {
                best = grid[i][j];
                memcpy(at_best, x, sizeof x);
            }
        }
    for (int i = 1; i < GRID; i++)
        for (int j = 1; j < GRID; j++)
            optima += grid[i][j] < grid[i - 1][j] && grid[i][j] < grid[i + 1][j] && grid[i][j] < grid[i][j - 1] &&
                      grid[i][j] < grid[i][j + 1];
    assert_true(hypot(at_best[0] - p.x_opt[0], at_best[1] - p.x_opt[1]) < 0.1);
    assert_true(optima > 10);
    bbob_fini(&p);
}

static void schwefel_and_lunacek_hide_their_optimum_in_a_corner_or_funnel(void **state)
{
    struct bbob p;
    double x[5];
    (void)state;

    open_bbob(&p, 20, 1, 5);
    for (size_t i = 0; i < 5; i++)
        assert_near(fabs(p.x_opt[i]), 4.2096874633 / 2, 1e-12);
    bbob_fini(&p);

    /* The wrong funnel's bottom, mu_1 in every coordinate, costs n plus the ripple, and its sphere part is the lesser
     * one. */
    open_bbob(&p, 24, 1, 5);
    const double s = 1 - 1 / (2 * sqrt(25) - 8.2), mu_1 = -sqrt((2.5 * 2.5 - 1) / s);
    double ripple = 0;
    for (size_t i = 0; i < 5; i++)
        x[i] = copysign(mu_1 / 2, -p.x_opt[i]);
    for (size_t i = 0; i < 5; i++) {
        double z = 0;
        for (size_t k = 0; k < 5; k++)
            for (size_t j = 0; j < 5; j++)
                z += p.Q[i * 5 + k] * pow(10, 0.25 * (double)k) * p.R[k * 5 + j] * (mu_1 - 2.5);
        ripple += 10 * (1 - cos(2 * M_PI * z));
    }
    assert_near(at(&p, x), 5 + ripple, 1e-8);
    bbob_fini(&p);
}

static void too_few_dimensions_are_refused(void **state)
{
    struct bbob p;
    unsigned accepted = 0;
    (void)state;

    for (unsigned f = 0; f <= BBOB_FUNCTIONS + 1; f++) {
        accepted += bbob_init(&p, f, 1, 1);
        bbob_fini(&p);
    }
    assert_int_equal(accepted, 24 - 6);
    assert_false(bbob_init(&p, 1, 1, 0));
    bbob_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_optimum_has_the_optimal_value),
        cmocka_unit_test(nothing_in_or_near_the_box_is_better_than_the_optimum),
        cmocka_unit_test(away_from_the_optimum_values_grow),
        cmocka_unit_test(rotations_are_orthonormal_and_differ),
        cmocka_unit_test(only_the_first_group_is_separable),
        cmocka_unit_test(instances_and_functions_differ_and_repeat),
        cmocka_unit_test(optima_spread_over_the_middle_of_the_box),
        cmocka_unit_test(the_sphere_and_the_slope_are_what_hand_computes),
        cmocka_unit_test(oscillation_and_asymmetry_keep_sign_order_and_unity),
        cmocka_unit_test(ellipsoids_span_six_decades),
        cmocka_unit_test(cigar_ridge_and_powers_have_their_shape),
        cmocka_unit_test(rosenbrock_is_its_textbook_form),
        cmocka_unit_test(rastrigin_in_one_dimension_is_its_closed_form),
        cmocka_unit_test(the_step_function_has_plateaus),
        cmocka_unit_test(the_weierstrass_function_is_one_at_a_half_period),
        cmocka_unit_test(a_peak_stands_on_every_centre),
        cmocka_unit_test(schwefel_and_lunacek_hide_their_optimum_in_a_corner_or_funnel),
        cmocka_unit_test(too_few_dimensions_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
