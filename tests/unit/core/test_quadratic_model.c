/* The quadratic model against LAPACK's dgelsd on the plain formulation, and against functions that it can hold. */
#include <lapacke.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "quadratic/model.h"
#include "zeroth/rng.h"

enum { N = 4, MOST = 200 };

static quad_model open_model(size_t n, quad_kind most, size_t rows)
{
    quad_model m;

    assert_int_equal(zo_quad_model_init(&m, n, most, NULL), ZO_OK);
    assert_int_equal(zo_quad_model_reserve(&m, rows, NULL), ZO_OK);
    zo_quad_model_keep(&m, rows);
    return m;
}

static size_t plain_features(quad_kind kind, size_t n, const double *x, double *z)
{
    size_t at = 0;

    z[at++] = 1;
    for (size_t i = 0; i < n; i++)
        z[at++] = x[i];
    for (size_t i = 0; i < n && kind >= QUAD_DIAGONAL; i++)
        z[at++] = x[i] * x[i];
    for (size_t i = 0; i < n && kind == QUAD_FULL; i++)
        for (size_t j = i + 1; j < n; j++)
            z[at++] = x[i] * x[j];
    return at;
}

struct row {
    double x[N], f;
};

static int by_value(const void *a, const void *b)
{
    const double x = ((const struct row *)a)->f, y = ((const struct row *)b)->f;
    return (x > y) - (x < y);
}

/* Weighted least squares as the paper states it: in x itself, by singular values. */
static void plain_fit(quad_kind kind, struct row *rows, size_t size, double *c)
{
    const size_t df = zo_quad_df(kind, N),
                 k = (size_t)fmin((double)size, fmax((double)df + 2, 0.75 * (double)(size + 1)));
    double A[MOST * MOST], b[MOST], z[MOST], s[MOST];
    lapack_int rank;

    qsort(rows, size, sizeof *rows, by_value);
    for (size_t r = 0; r < k; r++) {
        const double w = 20 - 19 * (double)r / (double)(k - 1);
        plain_features(kind, N, rows[r].x, z);
        for (size_t j = 0; j < df; j++)
            A[r + j * k] = w * z[j];
        b[r] = w * rows[r].f;
    }
    assert_int_equal(LAPACKE_dgelsd(LAPACK_COL_MAJOR, (int)k, (int)df, 1, A, (int)k, b, MOST, s, 1e-15, &rank), 0);
    assert_int_equal(rank, df);
    memcpy(c, b, df * sizeof *c);
}

/* No model holds this one. */
static double wavy(const double *x)
{
    return sin(3 * x[0]) + x[1] * x[2] * x[2] + exp(x[3] - x[0]) + 5 * x[2] * x[2];
}

static void assert_like_plain_fit(quad_kind kind, size_t size, double spread)
{
    zo_rng rng = zo_rng_make(7, ZO_PURPOSE_INIT, size);
    quad_model m = open_model(N, QUAD_FULL, MOST);
    struct row rows[MOST];
    double c[MOST], z[MOST];

    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < N; j++)
            rows[i].x[j] = 0.5 + spread * (zo_rng_uniform(&rng) - 0.5);
        rows[i].f = wavy(rows[i].x);
        assert_true(zo_quad_model_add(&m, rows[i].x, rows[i].f));
    }
    assert_int_equal(m.kind, kind);
    plain_fit(kind, rows, size, c);
    for (int i = 0; i < 20; i++) {
        double x[N], sum = 0;
        for (size_t j = 0; j < N; j++)
            x[j] = 0.5 + spread * (zo_rng_uniform(&rng) - 0.5);
        const size_t df = plain_features(kind, N, x, z);
        for (size_t j = 0; j < df; j++)
            sum += c[j] * z[j];
        assert_true(fabs(zo_quad_model_predict(&m, x) - sum) < 1e-12 * fabs(sum));
    }
    zo_quad_model_fini(&m);
}

static void every_kind_agrees_with_singular_values_on_the_plain_formulation(void **state)
{
    (void)state;
    assert_like_plain_fit(QUAD_LINEAR, 12, 1);
    assert_like_plain_fit(QUAD_DIAGONAL, 20, 1);
    assert_like_plain_fit(QUAD_FULL, 23, 1);
    assert_like_plain_fit(QUAD_FULL, 40, 0.01);
}

/* f(x) = sum of d_i ((R (x - o))_i)^2 with R a product of plane rotations. */
static double ellipsoid(const double *x, size_t n, double condition, bool rotated)
{
    double t[32], sum = 0;

    for (size_t i = 0; i < n; i++)
        t[i] = x[i] - 0.3 - 0.02 * (double)i;
    for (size_t i = 0; i + 1 < n && rotated; i++) {
        const double a = t[i], b = t[i + 1];
        t[i] = 0.8 * a - 0.6 * b;
        t[i + 1] = 0.6 * a + 0.8 * b;
    }
    for (size_t i = 0; i < n; i++)
        sum += pow(condition, n > 1 ? (double)i / (double)(n - 1) : 0) * t[i] * t[i];
    return sum;
}

static void assert_finds_optimum(size_t n, quad_kind kind, size_t size, double condition, bool rotated, double scale)
{
    zo_rng rng = zo_rng_make(9, ZO_PURPOSE_INIT, size);
    quad_model m = open_model(n, QUAD_FULL, 0);
    double x[32];

    for (size_t i = 0; i < size; i++) {
        for (size_t j = 0; j < n; j++)
            x[j] = zo_rng_uniform(&rng);
        zo_quad_model_add(&m, x, 1e3 + scale * ellipsoid(x, n, condition, rotated));
    }
    assert_int_equal(m.kind, kind);
    assert_true(zo_quad_model_tau(&m, size) > 0.999);
    assert_true(zo_quad_model_stationary(&m, x));
    for (size_t j = 0; j < n; j++)
        assert_true(fabs(x[j] - 0.3 - 0.02 * (double)j) < 1e-6);
    zo_quad_model_fini(&m);
}

static void the_optimum_of_a_quadratic_is_found_exactly(void **state)
{
    (void)state;
    assert_finds_optimum(1, QUAD_DIAGONAL, 6, 1, false, 1);
    assert_finds_optimum(5, QUAD_DIAGONAL, 17, 1e6, false, 1);
    assert_finds_optimum(5, QUAD_FULL, 32, 1e6, true, 1);
    assert_finds_optimum(10, QUAD_FULL, 100, 1e6, true, 1);
    assert_finds_optimum(20, QUAD_FULL, 350, 1e2, true, 1e3);
}

/* Rows of a search that closes in, on a long valley: neither the plain columns nor their normal equations are any
 * good, yet the optimum is. */
static void rows_of_every_size_along_a_valley_are_no_trouble(void **state)
{
    zo_rng rng = zo_rng_make(4, ZO_PURPOSE_INIT, 0);
    quad_model m = open_model(5, QUAD_FULL, 0);
    double x[5], best = INFINITY;

    (void)state;
    for (int i = 0; i < 40; i++) {
        const double radius = pow(10, -0.1 * i);
        for (size_t j = 0; j < 5; j++)
            x[j] = 0.3 + 0.02 * (double)j + 0.2 * radius * (zo_rng_uniform(&rng) - 0.5);
        best = fmin(best, ellipsoid(x, 5, 1e6, true));
        zo_quad_model_add(&m, x, ellipsoid(x, 5, 1e6, true));
    }
    assert_int_equal(m.kind, QUAD_FULL);
    assert_true(zo_quad_model_stationary(&m, x));
    assert_true(ellipsoid(x, 5, 1e6, true) < 1e-6 * best);
    zo_quad_model_fini(&m);
}

static void a_linear_model_points_down_the_slope(void **state)
{
    const double points[3][2] = {{0.2, 0.5}, {0.4, 0.5}, {0.2, 0.6}};
    quad_model m = open_model(2, QUAD_LINEAR, 0);
    double x[2];

    (void)state;
    for (size_t i = 0; i < 3; i++)
        zo_quad_model_add(&m, points[i], 3 * points[i][0] - 4 * points[i][1]);
    assert_true(zo_quad_model_stationary(&m, x)); /* from the best point, (0.2, 0.6), along (-3, 4) */
    assert_true(fabs((x[0] - 0.2) / (x[1] - 0.6) + 0.75) < 1e-9);
    assert_true(x[1] > 10);
    zo_quad_model_fini(&m);
}

static void a_row_is_kept_once_and_the_oldest_goes(void **state)
{
    quad_model m = open_model(1, QUAD_LINEAR, 0); /* keeps 4 */
    double x = 0;

    (void)state;
    for (int i = 0; i < 6; i++) {
        x = 0.1 * i;
        assert_true(zo_quad_model_add(&m, &x, -i));
        assert_false(zo_quad_model_add(&m, &x, 7));
    }
    assert_int_equal(m.rows.size, 4);
    for (size_t i = 0; i < 4; i++)
        assert_true(zo_quad_row_f(&m.rows, i) == -5 + (double)i);
    zo_quad_model_fini(&m);
}

static void sorting_the_newest_leaves_the_others(void **state)
{
    static const double values[] = {1, 9, 3, 7, 5}, sorted[] = {3, 5, 7, 9, 1};
    quad_model m = open_model(1, QUAD_DIAGONAL, 8);

    (void)state;
    for (size_t i = 0; i < ZO_LEN(values); i++)
        zo_quad_model_add(&m, &(double){0.1 * (double)i}, values[i]);
    zo_quad_model_sort(&m, 4);
    for (size_t i = 0; i < ZO_LEN(values); i++)
        assert_true(zo_quad_row_f(&m.rows, i) == sorted[i]);
    zo_quad_model_fini(&m);
}

static void more_room_keeps_the_rows(void **state)
{
    quad_model m = open_model(2, QUAD_DIAGONAL, 0);
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_INIT, 0);
    const double probe[] = {0.7, 0.1};

    (void)state;
    for (int i = 0; i < 25; i++) {
        const double x[] = {zo_rng_uniform(&rng), zo_rng_uniform(&rng)};
        zo_quad_model_add(&m, x, ellipsoid(x, 2, 10, true));
    }
    const double before = zo_quad_model_value(&m, probe);
    assert_int_equal(zo_quad_model_reserve(&m, 100, NULL), ZO_OK);
    zo_quad_model_keep(&m, 100);
    assert_int_equal(m.rows.most, 100);
    m.stale = true;
    assert_true(zo_quad_model_value(&m, probe) == before);
    zo_quad_model_fini(&m);
}

static void who_keeps_less_keeps_the_newest(void **state)
{
    quad_model m = open_model(1, QUAD_LINEAR, 9);
    double x;

    (void)state;
    for (int i = 0; i < 13; i++) {
        x = 0.05 * i;
        zo_quad_model_add(&m, &x, -i);
    }
    zo_quad_model_keep(&m, 5);
    assert_int_equal(m.rows.size, 5);
    for (int i = 13; i < 15; i++) {
        for (size_t k = 0; k < 5; k++) {
            assert_true(zo_quad_row_f(&m.rows, k) == (double)k - i + 1);
            assert_true(zo_quad_row(&m.rows, k)[0] == 0.05 * (i - 1 - (int)k));
        }
        x = 0.05 * i;
        zo_quad_model_add(&m, &x, -i);
    }
    zo_quad_model_fini(&m);
}

static void values_beyond_reason_and_plateaus_give_finite_models(void **state)
{
    static const double odd[] = {1e300, -1e300, 0, 5, 5, 5, 1e-300, 5};

    (void)state;
    for (int constant = 0; constant < 2; constant++) {
        quad_model m = open_model(2, QUAD_FULL, 0);
        zo_rng rng = zo_rng_make(5, ZO_PURPOSE_INIT, 0);
        double x[2];
        for (size_t i = 0; i < 24; i++) {
            x[0] = zo_rng_uniform(&rng);
            x[1] = 1; /* on the bound, as all of them */
            zo_quad_model_add(&m, x, constant ? 2 : odd[i % ZO_LEN(odd)]);
            assert_true(isfinite(zo_quad_model_value(&m, x)));
            assert_true(isfinite(zo_quad_model_tau(&m, 12)));
            if (zo_quad_model_stationary(&m, x))
                assert_true(isfinite(x[0]) && isfinite(x[1]));
        }
        zo_quad_model_fini(&m);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_kind_agrees_with_singular_values_on_the_plain_formulation),
        cmocka_unit_test(the_optimum_of_a_quadratic_is_found_exactly),
        cmocka_unit_test(rows_of_every_size_along_a_valley_are_no_trouble),
        cmocka_unit_test(a_linear_model_points_down_the_slope),
        cmocka_unit_test(a_row_is_kept_once_and_the_oldest_goes),
        cmocka_unit_test(sorting_the_newest_leaves_the_others),
        cmocka_unit_test(more_room_keeps_the_rows),
        cmocka_unit_test(who_keeps_less_keeps_the_newest),
        cmocka_unit_test(values_beyond_reason_and_plateaus_give_finite_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
