#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 5715 };

static const zo_dim dims[MAX_DIMS + 1]; /* reals */

static zo_solver_run *start(size_t n, uint64_t seed, bool scramble)
{
    const zo_problem p = {
        .n = n, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = seed};
    const zo_named option = {"scramble", {.kind = ZO_BOOLEAN, .boolean = scramble}};
    zo_solver_run *r = NULL;

    assert_int_equal(zo_solver_run_new(zo_solver_find("sobol"), &p, &option, 1, &r, NULL), ZO_OK);
    return r;
}

static zo_verdict ask(zo_solver_run *r, uint64_t number, double *x)
{
    zo_proposal p = {.number = number, .x = x};

    assert_int_equal(zo_solver_run_ask(r, &p, NULL), ZO_OK);
    return p.verdict;
}

/* The first n_points, row by row. */
static double *points(size_t n, size_t n_points, uint64_t seed, bool scramble)
{
    zo_solver_run *r = start(n, seed, scramble);
    double *x = calloc(n * n_points, sizeof *x);

    assert_non_null(x);
    for (size_t i = 0; i < n_points; i++)
        assert_int_equal(ask(r, i, x + i * n), ZO_ASK_OK);
    zo_solver_run_free(r);
    return x;
}

/* SciPy 1.10, qmc.Sobol(d=8, scramble=False).random(8), in eighths. */
static void the_first_points_are_the_published_ones(void **state)
{
    static const double expected[8][8] = {
        {0, 0, 0, 0, 0, 0, 0, 0}, {4, 4, 4, 4, 4, 4, 4, 4}, {6, 2, 2, 2, 6, 6, 2, 6}, {2, 6, 6, 6, 2, 2, 6, 2},
        {3, 3, 5, 7, 3, 1, 3, 7}, {7, 7, 1, 3, 7, 5, 7, 3}, {5, 1, 7, 5, 5, 7, 1, 1}, {1, 5, 3, 1, 1, 3, 5, 5},
    };
    double *x = points(8, 8, 1, false);

    (void)state;
    for (size_t i = 0; i < 8; i++)
        for (size_t j = 0; j < 8; j++)
            assert_true(x[i * 8 + j] == expected[i][j] / 8);
    free(x);
}

/* The same generator with d=5715, bits=32: point, dimension (from 0), coordinate. Dimensions 1110, 1866, 3666 and 5714
 * end the rows of degrees 13 to 16. */
static void high_dimensions_are_the_published_ones(void **state)
{
    static const struct {
        size_t i, j;
        double x;
    } expected[] = {
        {300, 20, 0x1.79p-1},     {1023, 99, 0x1.0f8p-1},   {1023, 1110, 0x1.2d8p-1}, {1500, 1111, 0x1.80cp-1},
        {2047, 3666, 0x1.73cp-1}, {1234, 4321, 0x1.4c8p-2}, {2047, 5714, 0x1.4dp-3},
    };
    double *x = points(MAX_DIMS, 2048, 1, false);

    (void)state;
    for (size_t k = 0; k < ZO_LEN(expected); k++)
        assert_true(x[expected[k].i * MAX_DIMS + expected[k].j] == expected[k].x);
    free(x);
}

/* ---- nets ---- */

/* All elementary intervals with sides 2^-d[0] .. 2^-d[s-1] hold the same number of the 2^m points at x. */
static void assert_equal_counts(const double *x, size_t s, size_t n_points, const unsigned *d)
{
    unsigned sum = 0;

    for (size_t j = 0; j < s; j++)
        sum += d[j];
    const size_t n_cells = (size_t)1 << sum;
    unsigned *count = calloc(n_cells, sizeof *count);
    assert_non_null(count);
    for (size_t i = 0; i < n_points; i++) {
        size_t cell = 0;
        for (size_t j = 0; j < s; j++)
            cell = cell << d[j] | (size_t)ldexp(x[i * s + j], (int)d[j]);
        count[cell]++;
    }
    for (size_t c = 0; c < n_cells; c++)
        assert_int_equal(count[c], n_points / n_cells);
    free(count);
}

/* Every way to write total as d[j] + ... + d[s-1]. */
static void each_shape(const double *x, size_t s, size_t n_points, unsigned *d, size_t j, unsigned total)
{
    if (j == s - 1) {
        d[j] = total;
        assert_equal_counts(x, s, n_points, d);
        return;
    }
    for (d[j] = 0; d[j] <= total; d[j]++)
        each_shape(x, s, n_points, d, j + 1, total - d[j]);
}

/* Sobol's theorem: any block of 2^m points that starts at a multiple of 2^m is a (t,m,s)-net, t the sum of (degree - 1)
 * over the polynomials, of degrees 1, 1, 2, 3, 3 here. Scrambling keeps it, each with probability one. */
static void scrambled_points_are_nets(void **state)
{
    static const unsigned t[] = {0, 0, 0, 1, 3, 5};
    enum { M = 9, BLOCK = 1 << M };
    unsigned d[5];

    (void)state;
    for (size_t s = 1; s <= 5; s++)
        for (uint64_t seed = 0; seed < 4; seed++) {
            double *x = points(s, 3 * BLOCK, seed, true);
            for (size_t block = 0; block < 3; block++)
                each_shape(x + block * BLOCK * s, s, BLOCK, d, 0, M - t[s]);
            free(x);
        }
}

static void every_dimension_alone_is_evenly_filled(void **state)
{
    enum { N = 1000, POINTS = 256 };
    double *x = points(N, POINTS, 3, true);

    (void)state;
    for (size_t j = 0; j < N; j++) {
        bool seen[POINTS] = {false};
        for (size_t i = 0; i < POINTS; i++) {
            const size_t cell = (size_t)(x[i * N + j] * POINTS);
            assert_true(cell < POINTS && !seen[cell]);
            seen[cell] = true;
        }
    }
    free(x);
}

/* A level's cell has two ends that cut an elementary interval, in each of the nets of 512 and 128 points. */
static void levels_are_chosen_equally_often(void **state)
{
    enum { POINTS = 640, LEVELS = 5, DIMS = 3 };
    double *x = points(DIMS, POINTS, 4, true);
    unsigned count[DIMS][LEVELS] = {{0}};

    (void)state;
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j < DIMS; j++)
            count[j][(size_t)(x[i * DIMS + j] * LEVELS)]++;
    for (size_t j = 0; j < DIMS; j++)
        for (size_t k = 0; k < LEVELS; k++)
            assert_in_range(count[j][k], POINTS / LEVELS - 4, POINTS / LEVELS + 4);
    free(x);
}

/* ---- scrambling ---- */

static unsigned common_digits(double a, double b)
{
    unsigned k = 0;

    while (k < 32 && floor(ldexp(a, (int)k + 1)) == floor(ldexp(b, (int)k + 1)))
        k++;
    return k;
}

/* Nested: two points share as many digits after as before. Uniform: below a shared digit the flips differ between its
 * two values in half of the dimensions, which a digital shift would never do. */
static void scrambling_is_nested_and_uniform(void **state)
{
    enum { N = 200, POINTS = 32 };
    double *plain = points(N, POINTS, 5, false), *x = points(N, POINTS, 5, true);
    unsigned differ = 0;

    (void)state;
    for (size_t j = 0; j < N; j++) {
        int flip[2] = {-1, -1};
        for (size_t i = 0; i < POINTS; i++) {
            const double a = plain[i * N + j], b = x[i * N + j];
            for (size_t k = 0; k < i; k++)
                assert_int_equal(common_digits(a, plain[k * N + j]), common_digits(b, x[k * N + j]));
            flip[a >= 0.5] = ((int)(a * 4) ^ (int)(b * 4)) & 1;
        }
        differ += flip[0] != flip[1];
    }
    assert_in_range(differ, 70, 130); /* binomial(200, 1/2): more than four deviations off */
    free(plain);
    free(x);
}

/* Over seeds each point is uniform: 16 cells a coordinate, chi-square with 15 degrees of freedom; 50 is passed once in
 * 80,000. */
static void every_point_is_uniform_over_seeds(void **state)
{
    enum { SEEDS = 3200, CELLS = 16, POINTS = 5, N = 2 };
    unsigned count[POINTS][N][CELLS] = {{{0}}};

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double *x = points(N, POINTS, seed, true);
        for (size_t i = 0; i < POINTS; i++)
            for (size_t j = 0; j < N; j++)
                count[i][j][(size_t)(x[i * N + j] * CELLS)]++;
        free(x);
    }
    for (size_t i = 0; i < POINTS; i++)
        for (size_t j = 0; j < N; j++) {
            double chi2 = 0;
            for (size_t c = 0; c < CELLS; c++)
                chi2 += pow(count[i][j][c] - (double)SEEDS / CELLS, 2) / ((double)SEEDS / CELLS);
            assert_true(chi2 < 50);
        }
}

/* f = product of (x_j + 1/2) has mean 1 and variance (13/12)^s - 1. With N points at random the mean has the standard
 * error sqrt(variance / N); scrambled points must come within a fiftieth of that, without bias. */
static void integrals_are_far_better_than_at_random(void **state)
{
    enum { S = 4, POINTS = 1024, SEEDS = 40 };
    const double at_random = sqrt((pow(13.0 / 12, S) - 1) / POINTS);
    double sum = 0, sum2 = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double *x = points(S, POINTS, seed, true), mean = 0;
        for (size_t i = 0; i < POINTS; i++) {
            double f = 1;
            for (size_t j = 0; j < S; j++)
                f *= x[i * S + j] + 0.5;
            mean += f / POINTS;
        }
        sum += mean - 1;
        sum2 += (mean - 1) * (mean - 1);
        free(x);
    }
    const double rms = sqrt(sum2 / SEEDS);
    assert_true(rms < at_random / 50);
    assert_true(fabs(sum / SEEDS) < 4 * rms / sqrt(SEEDS));
}

/* L2 star discrepancy by Warnock's formula; N random points have (2^-s - 3^-s) / N for its square in the mean.
 * SciPy 1.10's scrambled points have 0.164 to 0.196 of that over 12 seeds. */
static void the_discrepancy_is_a_fifth_of_that_of_random_points_as_scipy_s(void **state)
{
    enum { S = 5, N = 256, SEEDS = 8 };
    double mean = 0;

    (void)state;
    for (uint64_t seed = 0; seed < SEEDS; seed++) {
        double *x = points(S, N, seed, true), pairs = 0, singles = 0;
        for (size_t i = 0; i < N; i++) {
            double single = 1;
            for (size_t j = 0; j < S; j++)
                single *= (1 - x[i * S + j] * x[i * S + j]) / 2;
            singles += single;
            for (size_t k = 0; k < N; k++) {
                double pair = 1;
                for (size_t j = 0; j < S; j++)
                    pair *= 1 - fmax(x[i * S + j], x[k * S + j]);
                pairs += pair;
            }
        }
        mean += (pow(3, -S) - 2 * singles / N + pairs / N / N) / SEEDS;
        free(x);
    }
    mean /= (pow(2, -S) - pow(3, -S)) / N;
    assert_true(mean > 0.15 && mean < 0.21);
}

/* ---- index ---- */

static void points_of_others_leave_no_hole(void **state)
{
    enum { N = 3, POINTS = 20 };
    double *x = points(N, POINTS, 8, true), y[N], f = 1;
    zo_solver_run *r = start(N, 8, true);

    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        const zo_told outside = {
            .number = 2 * i + 1, .has_values = true, .feasible = true, .x = x + (POINTS - 1) * N, .f = &f};
        assert_int_equal(ask(r, 2 * i, y), ZO_ASK_OK);
        assert_memory_equal(y, x + i * N, sizeof y);
        assert_int_equal(zo_solver_run_tell(r, &outside, NULL), ZO_OK);
    }
    zo_solver_run_free(r);
    free(x);
}

/* R3 knows no index any more: a life that starts at a later trial must not repeat what the one before has asked. */
static void a_later_life_has_points_of_its_own(void **state)
{
    enum { N = 2, POINTS = 64 };
    double *x = points(N, POINTS, 8, true), y[N];
    zo_solver_run *r = start(N, 8, true);

    (void)state;
    for (uint64_t i = 0; i < POINTS; i++) {
        assert_int_equal(ask(r, POINTS + i, y), ZO_ASK_OK);
        for (size_t k = 0; k < POINTS; k++)
            assert_memory_not_equal(y, x + k * N, sizeof y);
    }
    zo_solver_run_free(r);
    free(x);
}

static void the_sequence_ends_after_its_last_point(void **state)
{
    zo_solver_run *r = start(1, 1, true);
    zo_bundle b;
    zo_visit v = {.bundle = &b, .prefix = ""};
    void *word;
    double x;

    (void)state;
    zo_bundle_init(&b);
    assert_int_equal(zo_bundle_add(&b, "next", ZO_U64, 1, (size_t[]){1}, &word, NULL), ZO_OK);
    memcpy(word, &(uint64_t){UINT32_MAX}, sizeof(uint64_t));
    assert_int_equal(zo_bundle_add(&b, "key", ZO_U64, 1, (size_t[]){1}, NULL, NULL), ZO_OK);
    v.loading = true;
    zo_solver_run_snapshot(r, &v);
    assert_int_equal(v.status, ZO_OK);
    assert_int_equal(ask(r, 1, &x), ZO_ASK_OK);
    assert_int_equal(ask(r, 2, &x), ZO_ASK_DONE);
    assert_int_equal(ask(r, 3, &x), ZO_ASK_DONE);
    zo_bundle_fini(&b);
    zo_solver_run_free(r);
}

static void more_dimensions_than_there_are_numbers_for_are_refused(void **state)
{
    const zo_problem p = {
        .n = MAX_DIMS + 1, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1};
    zo_solver_run *r = NULL;
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_solver_run_new(zo_solver_find("sobol"), &p, NULL, 0, &r, &err), ZO_EUNSUPPORTED);
    assert_string_equal(err.pointer, "/solver/name");
    assert_non_null(strstr(err.message, "5715"));
    assert_null(r);
}

/* ---- linear constraints ---- */

static zo_space *linear_space(zo_relation op, double rhs)
{
    const zo_param_spec params[] = {{.name = "a", .type = ZO_FLOAT, .low = 0, .high = 1},
                                    {.name = "b", .type = ZO_FLOAT, .low = 0, .high = 1}};
    const zo_term terms[] = {{"a", 1}, {"b", 1}};
    const zo_linear_spec linear = {terms, 2, op, rhs};
    const zo_space_spec spec = {params, 2, &linear, 1};
    zo_space *space = NULL;

    assert_int_equal(zo_space_new(&spec, &space, NULL), ZO_OK);
    return space;
}

static zo_solver_run *start_in(const zo_space *space)
{
    const zo_problem p = {.space = space,
                          .n = 2,
                          .dims = zo_space_dims(space),
                          .n_objectives = 1,
                          .oracle = ZO_ORACLE_VALUE,
                          .parallelism = 1,
                          .seed = 2};
    zo_solver_run *r = NULL;

    assert_int_equal(zo_solver_run_new(zo_solver_find("sobol"), &p, NULL, 0, &r, NULL), ZO_OK);
    return r;
}

/* Over a + b <= 1 the square [0, 1/2)^2 is half of the triangle. At random 1,000 points would miss 500 by 16 in the
 * mean. */
static void infeasible_points_are_passed_over_and_the_rest_is_even(void **state)
{
    zo_space *space = linear_space(ZO_LE, 1);
    zo_solver_run *r = start_in(space);
    unsigned inside = 0;

    (void)state;
    for (uint64_t i = 0; i < 1000; i++) {
        double x[2];
        assert_int_equal(ask(r, i, x), ZO_ASK_OK);
        assert_true(x[0] + x[1] <= 1 + 1e-9);
        inside += x[0] < 0.5 && x[1] < 0.5;
    }
    assert_in_range(inside, 494, 506);
    zo_solver_run_free(r);
    zo_space_free(space);
}

static void a_thin_polytope_is_sampled_instead(void **state)
{
    zo_space *space = linear_space(ZO_EQ, 0.5);
    zo_solver_run *r = start_in(space);
    double low = 1, high = 0;

    (void)state;
    for (uint64_t i = 0; i < 100; i++) {
        double x[2];
        zo_proposal p = {.number = i, .x = x};
        assert_int_equal(zo_solver_run_ask(r, &p, NULL), ZO_OK);
        assert_int_equal(p.verdict, ZO_ASK_OK);
        assert_string_equal(p.why, "feasible random point");
        assert_true(fabs(x[0] + x[1] - 0.5) <= 1e-9);
        low = fmin(low, x[0]);
        high = fmax(high, x[0]);
    }
    assert_true(low < 0.05 && high > 0.45);
    zo_solver_run_free(r);
    zo_space_free(space);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_first_points_are_the_published_ones),
        cmocka_unit_test(high_dimensions_are_the_published_ones),
        cmocka_unit_test(scrambled_points_are_nets),
        cmocka_unit_test(every_dimension_alone_is_evenly_filled),
        cmocka_unit_test(levels_are_chosen_equally_often),
        cmocka_unit_test(scrambling_is_nested_and_uniform),
        cmocka_unit_test(every_point_is_uniform_over_seeds),
        cmocka_unit_test(integrals_are_far_better_than_at_random),
        cmocka_unit_test(the_discrepancy_is_a_fifth_of_that_of_random_points_as_scipy_s),
        cmocka_unit_test(points_of_others_leave_no_hole),
        cmocka_unit_test(a_later_life_has_points_of_its_own),
        cmocka_unit_test(the_sequence_ends_after_its_last_point),
        cmocka_unit_test(more_dimensions_than_there_are_numbers_for_are_refused),
        cmocka_unit_test(infeasible_points_are_passed_over_and_the_rest_is_even),
        cmocka_unit_test(a_thin_polytope_is_sampled_instead),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
