#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/rng.h"
#include "zeroth/solver.h"

enum { MAX_DIMS = 12, MAX_SLOTS = 8 };
static const zo_dim dims[MAX_DIMS]; /* reals */

/* ---- the problems: x = 10 u - 5, optimum of sphere and ellipsoid at 1.3 ---- */

typedef double (*function)(size_t n, const double *x);

static double sphere(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i < n; i++)
        f += (x[i] - 1.3) * (x[i] - 1.3);
    return f;
}

static double ellipsoid(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i < n; i++)
        f += pow(10, 6 * (double)i / (double)(n - 1)) * (x[i] - 1.3) * (x[i] - 1.3);
    return f;
}

static double rosenbrock(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i + 1 < n; i++)
        f += 100 * pow(x[i + 1] - x[i] * x[i], 2) + pow(1 - x[i], 2);
    return f;
}

/* Least at a corner: x = (-5, 5, -5, 5 ...), where it is 0. */
static double corner(size_t n, const double *x)
{
    double f = 0;

    for (size_t i = 0; i < n; i++)
        f += i % 2 == 0 ? 5 + x[i] + 0.1 * pow(5 + x[i], 2) : 5 - x[i] + 0.1 * pow(5 - x[i], 2);
    return f;
}

static double flat(size_t n, const double *x)
{
    (void)n;
    (void)x;
    return 7;
}

/* Two bowls; the one around -2.5 is the deeper. */
static double two_bowls(size_t n, const double *x)
{
    double a = 0, b = 1;

    for (size_t i = 0; i < n; i++) {
        a += pow(x[i] + 2.5, 2);
        b += pow(x[i] - 2.5, 2);
    }
    return fmin(a, b);
}

struct play {
    function f;
    size_t n, slots;
    double start, noise; /* start: of each coordinate in the cube; NaN: the problem has none */
    uint64_t limit;
    const zo_named *options;
    size_t n_options;
    /* found */
    uint64_t n_evals, rounds;
    zo_verdict verdict;
    const char *why;
    double best, first[MAX_DIMS], last_best[MAX_DIMS];
    uint64_t at_coarse, at_fine; /* evaluations to 1e-2 and 1e-8 */
    zo_solver_run *run;
    double x0[MAX_DIMS];
};

static void open_play(struct play *k)
{
    const zo_problem p = {.n = k->n,
                          .dims = dims,
                          .n_objectives = 1,
                          .oracle = ZO_ORACLE_VALUE,
                          .noise = k->noise > 0 ? ZO_NOISE_EXPECTED : ZO_NOISE_NONE,
                          .parallelism = k->slots > 0 ? (unsigned)k->slots : 1,
                          .seed = 5,
                          .x0 = isnan(k->start) ? NULL : k->x0};

    for (size_t i = 0; i < k->n; i++)
        k->x0[i] = k->start;
    k->best = INFINITY;
    assert_int_equal(zo_solver_run_new(zo_solver_find("bobyqa"), &p, k->options, k->n_options, &k->run, NULL), ZO_OK);
}

static double value(const struct play *k, const double *u)
{
    double x[MAX_DIMS];

    for (size_t i = 0; i < k->n; i++)
        x[i] = 10 * u[i] - 5;
    return k->f(k->n, x);
}

static void tell_outside(struct play *k, const double *u)
{
    const double f = value(k, u);

    assert_int_equal(
        zo_solver_run_tell(
            k->run,
            &(zo_told){
                .number = 1000000, .outcome = ZO_TOLD_COMPLETE, .has_values = true, .feasible = true, .x = u, .f = &f},
            NULL),
        ZO_OK);
}

static void count(struct play *k, const double *u, double clean)
{
    k->n_evals++;
    if (clean < k->best) {
        k->best = clean;
        memcpy(k->last_best, u, k->n * sizeof *u);
    }
    if (k->at_coarse == 0 && k->best <= 1e-2)
        k->at_coarse = k->n_evals;
    if (k->at_fine == 0 && k->best <= 1e-8)
        k->at_fine = k->n_evals;
}

/* Rounds of asks until the limit, the target or an end, told in reverse order. */
static void play(struct play *k)
{
    static double u[MAX_SLOTS][MAX_DIMS];
    static char memo[MAX_SLOTS][256];
    const size_t slots = k->slots > 0 ? k->slots : 1;

    assert_true(zo_solver_run_memo_bytes(k->run) <= sizeof memo[0]);
    while (k->at_fine == 0 && k->n_evals < k->limit) {
        size_t out = 0;
        for (; out < slots; out++) {
            memset(memo[out], 0, sizeof memo[out]);
            zo_proposal q = {.number = k->n_evals + out, .x = u[out], .memo = memo[out]};
            assert_int_equal(zo_solver_run_ask(k->run, &q, NULL), ZO_OK);
            k->verdict = q.verdict;
            k->why = q.why;
            if (q.verdict != ZO_ASK_OK)
                break;
            assert_string_equal(q.core, "bobyqa");
            assert_non_null(q.why);
            if (k->n_evals + out == 0)
                memcpy(k->first, u[0], k->n * sizeof u[0][0]);
        }
        if (out == 0)
            return;
        for (size_t i = out; i-- > 0;) {
            const double clean = value(k, u[i]);
            zo_rng rng = zo_rng_make(77, ZO_PURPOSE_TELL, k->n_evals);
            const double f = clean + k->noise * zo_rng_normal(&rng);
            const zo_told t = {.number = k->n_evals - k->n_evals % slots + i,
                               .outcome = ZO_TOLD_COMPLETE,
                               .own = true,
                               .has_values = true,
                               .feasible = true,
                               .x = u[i],
                               .memo = memo[i],
                               .f = &f};
            assert_int_equal(zo_solver_run_tell(k->run, &t, NULL), ZO_OK);
            count(k, u[i], clean);
        }
        k->rounds++;
    }
}

static void close_play(struct play *k)
{
    zo_solver_run_free(k->run);
}

static void play_whole(struct play *k)
{
    open_play(k);
    play(k);
    close_play(k);
}

static const zo_named no_restarts = {"restarts", {.kind = ZO_STRING, .string = "none"}};

/* Counts of NLopt's BOBYQA from the same start with the same first radius. Another compiler's rounding shifts them. */
static void it_takes_as_many_evaluations_as_published_runs(void **state)
{
    static const struct {
        function f;
        size_t n;
        double coarse, fine;
    } cases[] = {{sphere, 5, 15, 15},      {sphere, 10, 25, 25},      {ellipsoid, 5, 17, 17},
                 {ellipsoid, 10, 50, 110}, {rosenbrock, 5, 300, 396}, {rosenbrock, 10, 1379, 1531}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        struct play game = {.f = cases[k].f, .n = cases[k].n, .start = 0.2, .limit = 4000};
        play_whole(&game);
        if (getenv("ZEROTH_PRINT"))
            print_message("n %zu: %llu %llu, NLopt %g %g\n", cases[k].n, (unsigned long long)game.at_coarse,
                          (unsigned long long)game.at_fine, cases[k].coarse, cases[k].fine);
        assert_in_range(game.at_coarse, 1, (uint64_t)(1.4 * cases[k].coarse));
        assert_in_range(game.at_fine, 1, (uint64_t)(1.4 * cases[k].fine));
    }
}

/* 2n+1 points make a model of any separable quadratic exact; the next steps reach its optimum. */
static void one_dimension_is_enough(void **state)
{
    struct play game = {.f = sphere, .n = 1, .start = 0.2, .limit = 30};

    (void)state;
    play_whole(&game);
    assert_in_range(game.at_fine, 4, 12);
}

static void bounds_are_met_exactly(void **state)
{
    struct play game = {.f = corner, .n = 5, .start = 0.43, .limit = 200};

    (void)state;
    play_whole(&game);
    assert_true(game.best == 0);
    for (size_t i = 0; i < 5; i++)
        assert_true(game.last_best[i] == (i % 2 == 0 ? 0.0 : 1.0));
    assert_in_range(game.n_evals, 1, 40);
}

static void without_restarts_it_ends_and_says_why(void **state)
{
    struct play game = {.f = two_bowls, .n = 2, .start = 0.8, .limit = 1000, .options = &no_restarts, .n_options = 1};

    (void)state;
    play_whole(&game);
    assert_int_equal(game.verdict, ZO_ASK_DONE);
    assert_string_equal(game.why, "converged");
    assert_true(fabs(game.best - 1) < 1e-9); /* the bowl that it began in */
    assert_true(game.n_evals < 100);
}

static void restarts_find_the_other_bowl(void **state)
{
    struct play game = {.f = two_bowls, .n = 2, .start = 0.8, .limit = 1000};

    (void)state;
    play_whole(&game);
    assert_true(game.at_fine > 0);
}

static void a_constant_function_ends_a_run_soon(void **state)
{
    struct play game = {.f = flat, .n = 5, .start = 0.5, .limit = 2000, .options = &no_restarts, .n_options = 1};

    (void)state;
    play_whole(&game);
    assert_int_equal(game.verdict, ZO_ASK_DONE);
    assert_in_range(game.n_evals, 11, 20 * 6);
}

static void it_starts_at_the_center_when_nothing_is_known(void **state)
{
    struct play game = {.f = sphere, .n = 3, .start = NAN, .limit = 1};

    (void)state;
    play_whole(&game);
    for (size_t i = 0; i < 3; i++)
        assert_true(game.first[i] == 0.5);
}

static void it_starts_at_the_best_point_told_before(void **state)
{
    struct play game = {.f = sphere, .n = 3, .start = NAN, .limit = 6};
    const double good[3] = {0.6, 0.7, 0.65}, bad[3] = {0.1, 0.9, 0.2};
    size_t moved = 0;

    (void)state;
    open_play(&game);
    tell_outside(&game, bad);
    tell_outside(&game, good);
    play(&game);
    close_play(&game);
    for (size_t i = 0; i < 3; i++)
        moved += game.first[i] != good[i];
    assert_int_equal(moved, 1); /* its value is known: an axis point comes first */
}

static void a_declared_start_is_not_evaluated_twice(void **state)
{
    struct play game = {.f = sphere, .n = 5, .start = 0.2, .limit = 100};

    (void)state;
    open_play(&game);
    tell_outside(&game, game.x0); /* the study evaluates it by itself */
    play(&game);
    close_play(&game);
    assert_in_range(game.at_fine, 12, 14); /* one less than the 15 of a whole run */
}

static void idle_slots_save_rounds(void **state)
{
    struct play one = {.f = rosenbrock, .n = 6, .start = 0.2, .limit = 6000};
    struct play many = one;

    (void)state;
    many.slots = 8;
    play_whole(&one);
    play_whole(&many);
    if (getenv("ZEROTH_PRINT"))
        print_message("rounds %llu, with 8 slots %llu\n", (unsigned long long)one.rounds,
                      (unsigned long long)many.rounds);
    assert_true(one.at_fine > 0 && many.at_fine > 0);
    assert_true(3 * many.rounds < 2 * one.rounds);
}

/* sigma .5 at values from 160 down to 0: far below what a step of 1e-8 could tell. */
static void noise_makes_it_start_anew_around_the_best(void **state)
{
    struct play game = {.f = sphere, .n = 5, .start = 0.2, .noise = 0.5, .limit = 500};

    (void)state;
    play_whole(&game);
    if (getenv("ZEROTH_PRINT"))
        print_message("noise: best %g\n", game.best);
    assert_true(game.best < 0.5);
}

static void more_dimensions_than_it_can_bear_are_refused(void **state)
{
    static zo_dim many[301];
    const zo_problem p = {.n = 301, .dims = many, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1};
    zo_solver_run *r = NULL;
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_solver_run_new(zo_solver_find("bobyqa"), &p, NULL, 0, &r, &err), ZO_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "300"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_takes_as_many_evaluations_as_published_runs),
        cmocka_unit_test(one_dimension_is_enough),
        cmocka_unit_test(bounds_are_met_exactly),
        cmocka_unit_test(without_restarts_it_ends_and_says_why),
        cmocka_unit_test(restarts_find_the_other_bowl),
        cmocka_unit_test(a_constant_function_ends_a_run_soon),
        cmocka_unit_test(it_starts_at_the_center_when_nothing_is_known),
        cmocka_unit_test(it_starts_at_the_best_point_told_before),
        cmocka_unit_test(a_declared_start_is_not_evaluated_twice),
        cmocka_unit_test(idle_slots_save_rounds),
        cmocka_unit_test(noise_makes_it_start_anew_around_the_best),
        cmocka_unit_test(more_dimensions_than_it_can_bear_are_refused),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
