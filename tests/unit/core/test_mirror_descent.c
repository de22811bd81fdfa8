/* Mirror descent against the multiplicative updates as their papers write them, the regret bound, and its manners. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

enum { N = 10, MEMO = 64 };
static const zo_dim dims[N]; /* reals */

struct world {
    zo_solver_run *run;
    uint64_t next;
    double x[N];
    unsigned char memo[MEMO];
};

static zo_named number(const char *name, double x)
{
    return (zo_named){name, {.kind = ZO_NUMBER, .number = x}};
}

static zo_named word(const char *name, const char *text)
{
    return (zo_named){name, {.kind = ZO_STRING, .string = text}};
}

static zo_status try_start(struct world *w, const double *x0, const zo_named *options, size_t n_options, zo_error *err)
{
    const zo_problem p = {
        .n = N, .dims = dims, .n_objectives = 1, .oracle = ZO_ORACLE_GRADIENT, .parallelism = 1, .seed = 7, .x0 = x0};

    *w = (struct world){0};
    return zo_solver_run_new(zo_solver_find("mirror-descent"), &p, options, n_options, &w->run, err);
}

static struct world start(const double *x0, const zo_named *options, size_t n_options)
{
    struct world w;

    assert_int_equal(try_start(&w, x0, options, n_options, NULL), ZO_OK);
    assert_true(zo_solver_run_memo_bytes(w.run) <= MEMO);
    return w;
}

static zo_verdict ask(struct world *w)
{
    zo_proposal p = {.number = w->next++, .x = w->x, .memo = w->memo};

    memset(w->memo, 0, MEMO);
    assert_int_equal(zo_solver_run_ask(w->run, &p, NULL), ZO_OK);
    return p.verdict;
}

static void tell(struct world *w, double f, const double *g)
{
    const zo_told t = {.number = w->next - 1,
                       .outcome = g ? ZO_TOLD_COMPLETE : ZO_TOLD_FAILED,
                       .own = true,
                       .has_values = g != NULL,
                       .feasible = true,
                       .x = w->x,
                       .memo = w->memo,
                       .f = &f,
                       .df = g};

    assert_int_equal(zo_solver_run_tell(w->run, &t, NULL), ZO_OK);
}

static void assert_close(const double *a, const double *b, double tolerance)
{
    for (size_t i = 0; i < N; i++)
        assert_true(fabs(a[i] - b[i]) <= tolerance);
}

static void draw(zo_portable1 *r, double *g)
{
    for (size_t i = 0; i < N; i++)
        g[i] = zo_portable1_normal(r);
}

/* One more implementation of a step, with the state that its paper has: from x to x, or from parts to parts. */
typedef void (*step_rule)(double *x, double *other, const double *g, double rate);

static void step_box(double *x, double *other, const double *g, double rate)
{
    (void)other;
    for (size_t i = 0; i < N; i++) {
        const double up = x[i] * exp(-rate * g[i]);
        x[i] = up / (up + 1 - x[i]);
    }
}

static void step_positive(double *x, double *other, const double *g, double rate)
{
    (void)other;
    for (size_t i = 0; i < N; i++)
        x[i] = fmin(1, x[i] * exp(-rate * g[i]));
}

static void step_simplex(double *x, double *other, const double *g, double rate)
{
    double sum = 0;

    (void)other;
    for (size_t i = 0; i < N; i++)
        sum += x[i] *= exp(-rate * g[i]);
    for (size_t i = 0; i < N; i++)
        x[i] /= sum;
}

static void step_signed(double *x, double *other, const double *g, double rate)
{
    (void)other;
    for (size_t i = 0; i < N; i++) {
        const double y = x[i] - 0.5, sign = y < 0 ? -1 : 1;
        x[i] = 0.5 + sign * fmin(0.5, fabs(y) * exp(-rate * sign * g[i]));
    }
}

static const double soft = 0.02;

/* y = x - 1/2 is the difference of two positive parts whose product is (soft / 2)^2; other is the second of them. */
static double second_part(double x)
{
    return (sqrt((x - 0.5) * (x - 0.5) + soft * soft) - (x - 0.5)) / 2;
}

static void step_pair(double *x, double *other, const double *g, double rate)
{
    for (size_t i = 0; i < N; i++) {
        const double a = (x[i] - 0.5 + other[i]) * exp(-rate * g[i]);
        other[i] *= exp(rate * g[i]);
        x[i] = 0.5 + a - other[i];
        if (x[i] < 0 || x[i] > 1) {
            x[i] = x[i] < 0 ? 0 : 1;
            other[i] = second_part(x[i]);
        }
    }
}

static void each_step_is_the_multiplication_of_the_papers(void **state)
{
    static const struct {
        const char *name;
        step_rule step;
    } geometries[] = {{"box", step_box},
                      {"positive", step_positive},
                      {"simplex", step_simplex},
                      {"signed", step_signed},
                      {"pair", step_pair}};
    double x0[N], sum = 0;

    (void)state;
    for (size_t i = 0; i < N; i++)
        sum += x0[i] = 0.05 + 0.04 * (double)i;
    for (size_t k = 0; k < ZO_LEN(geometries); k++) {
        const zo_named options[] = {word("geometry", geometries[k].name), word("rule", "fixed"), number("rate", 0.05),
                                    number("max_move", 100), number("soft", soft)};
        struct world w = start(x0, options, ZO_LEN(options));
        zo_portable1 r = zo_portable1_make(k);
        double x[N], other[N], g[N];

        for (size_t i = 0; i < N; i++) {
            x[i] = geometries[k].step == step_simplex ? x0[i] / sum : x0[i];
            other[i] = second_part(x0[i]);
        }
        for (int t = 0; t < 30; t++) {
            assert_int_equal(ask(&w), ZO_ASK_OK);
            assert_close(w.x, x, 1e-9);
            draw(&r, g);
            tell(&w, (double)t, g); /* fixed rates do not look at values */
            geometries[k].step(x, other, g, 0.05);
        }
        zo_solver_run_free(w.run);
    }
}

/* Rates that fall: the k-th is the first by the root of k. */
static void a_falling_rate_is_that_of_the_square_root(void **state)
{
    const zo_named options[] = {word("geometry", "positive"), word("rule", "decay"), number("rate", 0.3)};
    struct world w = start(NULL, options, ZO_LEN(options));
    double x[N], g[N], other[N];

    (void)state;
    for (size_t i = 0; i < N; i++) {
        x[i] = 0.5;
        g[i] = (double)i / N;
    }
    for (int t = 0; t < 20; t++) {
        assert_int_equal(ask(&w), ZO_ASK_OK);
        assert_close(w.x, x, 1e-9);
        tell(&w, 0, g);
        step_positive(x, other, g, 0.3 / sqrt(t + 1));
    }
    zo_solver_run_free(w.run);
}

/* Random linear losses with slopes in [-1, 1], the rate that the bound likes best; the comparator is the best corner.
 */
static void the_regret_on_the_simplex_is_within_its_bound(void **state)
{
    enum { T = 2000 };
    const double rate = sqrt(2 * log(N) / T), bound = log(N) / rate + rate * T / 2;

    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++) {
        const zo_named options[] = {word("geometry", "simplex"), word("rule", "fixed"), number("rate", rate)};
        struct world w = start(NULL, options, ZO_LEN(options));
        zo_portable1 r = zo_portable1_make(seed);
        double paid = 0, corner[N] = {0}, g[N];

        for (int t = 0; t < T; t++) {
            double f = 0;
            assert_int_equal(ask(&w), ZO_ASK_OK);
            for (size_t i = 0; i < N; i++) {
                const double bias = i == seed % N ? -0.1 : 0;
                g[i] = fmax(-1, 2 * zo_portable1_uniform(&r) - 1 + bias);
                f += g[i] * w.x[i];
                corner[i] += g[i];
            }
            paid += f;
            tell(&w, f, g);
        }
        double best = corner[0];
        for (size_t i = 1; i < N; i++)
            best = fmin(best, corner[i]);
        assert_true(paid - best <= bound);
        zo_solver_run_free(w.run);
    }
}

/* Half the truth is zero: least squares with the rates found from the values. */
static double least_squares(const double *A, const double *b, const double *x, double *g)
{
    enum { ROWS = 50 };
    double f = 0;

    memset(g, 0, N * sizeof *g);
    for (size_t k = 0; k < ROWS; k++) {
        double e = -b[k];
        for (size_t i = 0; i < N; i++)
            e += A[k * N + i] * x[i];
        for (size_t i = 0; i < N; i++)
            g[i] += e * A[k * N + i];
        f += e * e / 2;
    }
    return f;
}

static void non_negative_least_squares_are_solved(void **state)
{
    enum { ROWS = 50 };
    const zo_named options[] = {word("geometry", "positive")};
    double A[ROWS * N], b[ROWS], truth[N], g[N], f = INFINITY;
    zo_portable1 r = zo_portable1_make(11);
    struct world w = start(NULL, options, ZO_LEN(options));

    (void)state;
    for (size_t i = 0; i < N; i++)
        truth[i] = i % 2 ? 0 : 0.2 + 0.06 * (double)i;
    for (size_t k = 0; k < ROWS; k++) {
        b[k] = 0;
        for (size_t i = 0; i < N; i++)
            b[k] += (A[k * N + i] = zo_portable1_normal(&r)) * truth[i];
    }
    for (int t = 0; t < 2000; t++) {
        assert_int_equal(ask(&w), ZO_ASK_OK);
        for (size_t i = 0; i < N; i++)
            assert_true(w.x[i] > 0);
        const double here = least_squares(A, b, w.x, g);
        f = fmin(f, here);
        tell(&w, here, g);
    }
    assert_true(sqrt(2 * f) < 1e-2);
    zo_solver_run_free(w.run);
}

static void no_sign_ever_changes(void **state)
{
    static const double rates[] = {0.1, 1, 1e6};
    double x0[N], g[N];

    (void)state;
    for (size_t i = 0; i < N; i++)
        x0[i] = i % 2 ? 0.9 : 0.2;
    for (size_t k = 0; k < ZO_LEN(rates); k++) {
        const zo_named options[] = {word("geometry", "signed"), word("rule", "fixed"), number("rate", rates[k]),
                                    number("max_move", 100), number("max_runs", 1)};
        struct world w = start(x0, options, ZO_LEN(options));
        zo_portable1 r = zo_portable1_make(k);
        int t;
        for (t = 0; t < 1000 && ask(&w) == ZO_ASK_OK; t++) {
            for (size_t i = 0; i < N; i++)
                assert_true(i % 2 ? w.x[i] >= 0.5 && w.x[i] <= 1 : w.x[i] <= 0.5 && w.x[i] >= 0);
            draw(&r, g);
            tell(&w, 0, g);
        }
        assert_true(t > (k < 2 ? 999 : 2)); /* the last has soon put all at a wall or in the middle */
        zo_solver_run_free(w.run);
    }
}

static void a_start_that_can_never_move_is_refused_by_its_index(void **state)
{
    double x0[N];
    struct world w;
    zo_error err = {0};

    (void)state;
    for (size_t i = 0; i < N; i++)
        x0[i] = 0.25;
    x0[4] = 0;
    assert_int_equal(try_start(&w, x0, (zo_named[]){word("geometry", "positive")}, 1, &err), ZO_EINVAL);
    assert_string_equal(err.pointer, "/solver/options/geometry");
    assert_non_null(strstr(err.message, "dimension 4"));
    x0[4] = 0.5;
    assert_int_equal(try_start(&w, x0, (zo_named[]){word("geometry", "signed")}, 1, &err), ZO_EINVAL);
    assert_int_equal(try_start(&w, x0, (zo_named[]){word("geometry", "positive")}, 1, &err), ZO_OK);
    zo_solver_run_free(w.run);
}

/* 1/2 sum c_i (x_i - a_i)^2 with its least at a wall for some: there the derivative may stay, elsewhere it vanishes. */
static double bowl(const double *x, double *g)
{
    double f = 0;

    for (size_t i = 0; i < N; i++) {
        const double c = pow(10, 2 * (double)i / (N - 1)), d = x[i] - (i == 3 ? -0.2 : 0.3 + 0.05 * (double)i);
        f += c * d * d / 2;
        g[i] = c * d;
    }
    return f;
}

static void a_bowl_is_solved_to_its_wall_and_values_never_rise(void **state)
{
    struct world w = start(NULL, NULL, 0);
    double g[N], best = INFINITY, at[N] = {0};

    (void)state;
    for (int t = 0; t < 1500; t++) {
        assert_int_equal(ask(&w), ZO_ASK_OK);
        const double f = bowl(w.x, g);
        if (f < best) {
            best = f;
            memcpy(at, w.x, sizeof at);
        }
        tell(&w, f, g);
    }
    bowl(at, g);
    for (size_t i = 0; i < N; i++)
        assert_true(i == 3 ? at[i] < 1e-3 && g[i] > 0 : fabs(g[i]) < 1e-3);
    zo_solver_run_free(w.run);
}

static void a_run_that_moves_no_more_is_followed_by_another_or_the_end(void **state)
{
    const double zero[N] = {0};

    (void)state;
    for (int limited = 0; limited < 2; limited++) {
        struct world w = start(NULL, (zo_named[]){number("max_runs", 2)}, (size_t)limited);
        double first[N];
        assert_int_equal(ask(&w), ZO_ASK_OK);
        memcpy(first, w.x, sizeof first);
        tell(&w, 1, zero);
        assert_int_equal(ask(&w), ZO_ASK_OK);
        assert_memory_not_equal(first, w.x, sizeof first);
        tell(&w, 1, zero);
        assert_int_equal(ask(&w), limited ? ZO_ASK_DONE : ZO_ASK_OK);
        zo_solver_run_free(w.run);
    }
}

static void a_failed_step_is_halved(void **state)
{
    struct world w = start(NULL, NULL, 0);
    double g[N], from[N], tried[N];

    (void)state;
    assert_int_equal(ask(&w), ZO_ASK_OK);
    memcpy(from, w.x, sizeof from);
    tell(&w, bowl(w.x, g), g);
    assert_int_equal(ask(&w), ZO_ASK_OK);
    memcpy(tried, w.x, sizeof tried);
    tell(&w, 0, NULL);
    assert_int_equal(ask(&w), ZO_ASK_OK);
    for (size_t i = 0; i < N; i++) {
        const double whole = log(tried[i] / (1 - tried[i])) - log(from[i] / (1 - from[i]));
        const double half = log(w.x[i] / (1 - w.x[i])) - log(from[i] / (1 - from[i]));
        assert_true(fabs(half - whole / 2) < 1e-9);
    }
    zo_solver_run_free(w.run);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_step_is_the_multiplication_of_the_papers),
        cmocka_unit_test(a_falling_rate_is_that_of_the_square_root),
        cmocka_unit_test(the_regret_on_the_simplex_is_within_its_bound),
        cmocka_unit_test(non_negative_least_squares_are_solved),
        cmocka_unit_test(no_sign_ever_changes),
        cmocka_unit_test(a_start_that_can_never_move_is_refused_by_its_index),
        cmocka_unit_test(a_bowl_is_solved_to_its_wall_and_values_never_rise),
        cmocka_unit_test(a_run_that_moves_no_more_is_followed_by_another_or_the_end),
        cmocka_unit_test(a_failed_step_is_halved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
