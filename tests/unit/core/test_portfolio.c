/* core/portfolio: the archive against a plain list, and what a study sees of the schedule. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "portfolio/archive.h"
#include "zeroth/solver.h"

/* ---- the archive ---- */

enum { N = 3, POINTS = 500 };

static void fill_archive(pf_archive *a, double *x, double *f, size_t n_points)
{
    zo_rng rng = zo_rng_make(4, ZO_PURPOSE_INIT, 0);

    pf_archive_init(a, N);
    for (size_t i = 0; i < n_points; i++) {
        for (size_t j = 0; j < N; j++)
            x[i * N + j] = zo_rng_uniform(&rng);
        f[i] = zo_rng_below(&rng, 5) == 0 ? INFINITY : floor(100 * zo_rng_uniform(&rng)); /* with ties */
        assert_int_equal(pf_archive_reserve(a, NULL), ZO_OK);
        pf_archive_add(a, x + i * N, f[i]);
    }
}

static void every_point_is_found_by_its_bits_and_no_other(void **state)
{
    static double x[POINTS * N], f[POINTS];
    pf_archive a;

    (void)state;
    fill_archive(&a, x, f, POINTS);
    for (size_t i = 0; i < POINTS; i++) {
        double other[N];
        memcpy(other, x + i * N, sizeof other);
        assert_int_equal(pf_archive_find(&a, other), i);
        other[N - 1] = nextafter(other[N - 1], 2);
        assert_true(pf_archive_find(&a, other) == ARCHIVE_NONE);
    }
    pf_archive_fini(&a);
}

static void the_best_come_first_and_of_equal_ones_the_older(void **state)
{
    static double x[POINTS * N], f[POINTS];
    uint32_t order[40];
    pf_archive a;

    (void)state;
    fill_archive(&a, x, f, POINTS);
    const size_t k = pf_archive_order(&a, ZO_LEN(order), 0, order);
    assert_int_equal(k, ZO_LEN(order));
    assert_true(f[order[0]] == f[a.best]);
    for (size_t i = 0; i < k; i++) {
        size_t n_before = 0; /* by brute force: how many are better, or as good and older */
        for (size_t j = 0; j < POINTS; j++)
            n_before += f[j] < f[order[i]] || (f[j] == f[order[i]] && j < order[i]);
        assert_int_equal(n_before, i);
    }
    assert_int_equal(pf_archive_order(&a, 0, 0, order), 0);
    pf_archive_fini(&a);
}

static void when_it_is_full_the_old_leave_but_not_the_best(void **state)
{
    const size_t n = 8000; /* few points fit */
    double *x = calloc(n, sizeof *x);
    pf_archive a;

    (void)state;
    assert_non_null(x);
    pf_archive_init(&a, n);
    for (size_t i = 0; i < 3 * a.most; i++) {
        x[0] = (double)i / (double)(3 * a.most);
        assert_int_equal(pf_archive_reserve(&a, NULL), ZO_OK);
        pf_archive_add(&a, x, i == 5 ? -1 : (double)i);
        assert_true(a.size <= a.most);
    }
    assert_true(a.n_dropped > 0);
    assert_true(a.f[a.best] == -1);
    x[0] = 5.0 / (double)(3 * a.most);
    assert_int_equal(pf_archive_find(&a, x), a.best);
    x[0] = 6.0 / (double)(3 * a.most);
    assert_true(pf_archive_find(&a, x) == ARCHIVE_NONE);
    pf_archive_fini(&a);
    free(x);
}

/* ---- the schedule ---- */

enum { DIMS = 4, TRIALS = 600 };
static const zo_dim dims[DIMS]; /* reals */

struct game {
    double (*f)(const double *x, uint64_t number);
    uint64_t seen[TRIALS]; /* hashes of the points */
    size_t n_repeats;      /* points that had been asked for before */
    double best;
    bool workers_vanish; /* one in ten */
    char core[TRIALS][24];
};

static double bowl(const double *x, uint64_t number)
{
    double f = 0;

    (void)number;
    for (size_t i = 0; i < DIMS; i++)
        f += (x[i] - 0.3) * (x[i] - 0.3) + 0.2 * x[i] * x[(i + 1) % DIMS];
    return f;
}

static double noisy_bowl(const double *x, uint64_t number)
{
    zo_rng rng = zo_rng_make(8, ZO_PURPOSE_TELL, number);

    return bowl(x, number) + 0.01 * zo_rng_normal(&rng);
}

static double rugged(const double *x, uint64_t number)
{
    double f = 0;

    (void)number;
    for (size_t i = 0; i < DIMS; i++)
        f += pow(x[i] - 0.4, 2) + 0.1 * (1 - cos(40 * (x[i] - 0.4))) + 0.1 * x[i] * x[(i + 1) % DIMS];
    return f;
}

/* slots asks, then their tells, last first. */
static void play(struct game *g, size_t slots, zo_bundle *facts)
{
    const zo_problem p = {.n = DIMS,
                          .dims = dims,
                          .n_objectives = 1,
                          .oracle = ZO_ORACLE_VALUE,
                          .parallelism = (unsigned)slots,
                          .budget_trials = TRIALS,
                          .seed = 3};
    zo_solver_run *r = NULL;

    g->n_repeats = 0;
    g->best = INFINITY;
    assert_int_equal(zo_solver_run_new(zo_solver_find("auto"), &p, NULL, 0, &r, NULL), ZO_OK);
    const size_t bytes = zo_solver_run_memo_bytes(r);
    unsigned char *memo = calloc(slots, bytes);
    double *x = calloc(slots, DIMS * sizeof *x);
    assert_true(memo && x);
    for (size_t from = 0; from + slots <= TRIALS; from += slots) {
        for (size_t k = 0; k < slots; k++) {
            zo_proposal q = {.number = from + k, .x = x + k * DIMS, .memo = memo + k * bytes};
            memset(q.memo, 0, bytes);
            assert_int_equal(zo_solver_run_ask(r, &q, NULL), ZO_OK);
            assert_int_equal(q.verdict, ZO_ASK_OK); /* it never waits */
            strncpy(g->core[from + k], q.core, sizeof g->core[0] - 1);
            uint64_t h = 14695981039346656037u;
            for (size_t i = 0; i < DIMS * sizeof *x; i++)
                h = (h ^ ((unsigned char *)q.x)[i]) * 1099511628211u;
            for (size_t i = 0; i < from; i++)
                g->n_repeats += g->seen[i] == h;
            g->seen[from + k] = h;
        }
        for (size_t k = slots; k-- > 0;) {
            const double f = g->f(x + k * DIMS, from + k);
            if (g->workers_vanish && (from + k) % 10 == 7)
                continue;
            const zo_told t = {.number = from + k,
                               .own = true,
                               .has_values = true,
                               .feasible = true,
                               .x = x + k * DIMS,
                               .memo = memo + k * bytes,
                               .f = &f};
            assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
            g->best = fmin(g->best, bowl(x + k * DIMS, 0));
        }
    }
    if (facts)
        assert_int_equal(zo_solver_run_describe(r, facts, NULL), ZO_OK);
    zo_solver_run_free(r);
    free(memo);
    free(x);
}

static size_t count(const struct game *g, const char *core)
{
    size_t n = 0;

    for (size_t i = 0; i < TRIALS; i++)
        n += strcmp(g->core[i], core) == 0;
    return n;
}

/* The one repeat is the look for noise. */
static void nothing_is_paid_for_twice(void **state)
{
    static struct game g = {.f = rugged};

    (void)state;
    play(&g, 1, NULL);
    assert_int_equal(g.n_repeats, 1);
    assert_string_equal(g.core[1], "auto");
    assert_true(count(&g, "axis-search") > 2 * DIMS && count(&g, "quasi-newton") > 0 && count(&g, "lq-cma-es") > 0);
}

static void sixteen_slots_are_never_left_waiting(void **state)
{
    static struct game g = {.f = rugged};

    (void)state;
    play(&g, 16, NULL);
    assert_true(g.n_repeats <= 1);
    assert_true(count(&g, "random") < TRIALS / 4);
}

/* A sequential method waits for every answer; what never comes is asked for again. */
static void a_worker_that_vanishes_stops_nothing(void **state)
{
    static struct game g = {.f = bowl, .workers_vanish = true};

    (void)state;
    play(&g, 4, NULL);
    assert_true(g.n_repeats > 1);
    const double lossy = g.best;
    g.workers_vanish = false;
    play(&g, 4, NULL);
    assert_true(fabs(lossy - g.best) < 1e-9);
}

static void noise_is_seen_and_takes_another_core(void **state)
{
    static struct game g = {.f = noisy_bowl};
    zo_bundle facts;

    (void)state;
    zo_bundle_init(&facts);
    play(&g, 1, &facts);
    assert_true(count(&g, "quasi-newton") == 0);
    assert_non_null(strstr(zo_bundle_meta(&facts, "running"), "cma-es"));
    zo_bundle_fini(&facts);
}

/* What each core did adds up to the trials, and the best of them is the best. */
static void it_says_what_each_core_earned(void **state)
{
    static struct game g = {.f = bowl};
    static const char *const cores[] = {"axis-search", "quasi-newton", "lq-cma-es"};
    unsigned long long evaluations = 0;
    double best = INFINITY;
    zo_bundle facts;

    (void)state;
    zo_bundle_init(&facts);
    play(&g, 1, &facts);
    for (size_t i = 0; i < ZO_LEN(cores); i++) {
        char key[64];
        snprintf(key, sizeof key, "%s.evaluations", cores[i]);
        if (zo_bundle_meta(&facts, key))
            evaluations += strtoull(zo_bundle_meta(&facts, key), NULL, 10);
        snprintf(key, sizeof key, "%s.best", cores[i]);
        if (zo_bundle_meta(&facts, key))
            best = fmin(best, strtod(zo_bundle_meta(&facts, key), NULL));
    }
    assert_int_equal(evaluations, TRIALS - 1);
    assert_true(best == g.best);
    zo_bundle_fini(&facts);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_point_is_found_by_its_bits_and_no_other),
        cmocka_unit_test(the_best_come_first_and_of_equal_ones_the_older),
        cmocka_unit_test(when_it_is_full_the_old_leave_but_not_the_best),
        cmocka_unit_test(nothing_is_paid_for_twice),
        cmocka_unit_test(sixteen_slots_are_never_left_waiting),
        cmocka_unit_test(a_worker_that_vanishes_stops_nothing),
        cmocka_unit_test(noise_is_seen_and_takes_another_core),
        cmocka_unit_test(it_says_what_each_core_earned),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
