/* A solver of the CMA-ES family as a whole, driven by hand on functions whose minimum is known. */
#ifndef ZO_TESTS_CMA_FX_H
#define ZO_TESTS_CMA_FX_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/solver.h"

enum { MAX_N = 128, MAX_OUT = 64, SEEDS = 9 };

/* x in natural units, u in the cube; returns f, writes g [n_g]. NaN: the trial failed. */
typedef double (*objective)(size_t n, const double *x, const double *u, double *g);

struct fx {
    const char *solver;
    size_t n, n_g;
    zo_dim dims[MAX_N];
    double x0[MAX_N], low, high;
    zo_problem problem;
    zo_solver_run *run;
    size_t memo_bytes;
    objective f;
    double best, best_u[MAX_N];
};

static inline void fx_open(struct fx *x, size_t n, objective f, uint64_t seed)
{
    *x = (struct fx){.solver = "cma-es", .n = n, .f = f, .low = -5, .high = 5, .best = INFINITY};
    x->problem = (zo_problem){.n = n, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = seed};
}

static inline void fx_from(struct fx *x, double natural)
{
    for (size_t i = 0; i < x->n; i++)
        x->x0[i] = (natural - x->low) / (x->high - x->low);
    x->problem.x0 = x->x0;
}

/* One numeric option, or none. Before it: x->solver, if it is not cma-es. */
static inline void fx_start(struct fx *x, const char *option, double value)
{
    const zo_named given = {.name = option,
                            .value = {.kind = ZO_NUMBER, .number = value, .integral = value == floor(value)}};
    zo_error err = {0};

    x->problem.dims = x->dims;
    x->problem.n_constraints = x->n_g;
    assert_int_equal(zo_solver_run_new(zo_solver_find(x->solver), &x->problem, &given, option != NULL, &x->run, &err),
                     ZO_OK);
    x->memo_bytes = zo_solver_run_memo_bytes(x->run);
}

static inline void fx_close(struct fx *x)
{
    zo_solver_run_free(x->run);
}

struct trial {
    uint64_t number;
    double u[MAX_N];
    double memo[MAX_N + 2];
};

static inline bool ask(struct fx *x, uint64_t number, struct trial *t)
{
    *t = (struct trial){.number = number};
    zo_proposal p = {.number = number, .x = t->u, .memo = t->memo};
    assert_int_equal(zo_solver_run_ask(x->run, &p, NULL), ZO_OK);
    for (size_t i = 0; i < x->n && p.verdict == ZO_ASK_OK; i++)
        assert_true(t->u[i] >= 0 && t->u[i] <= 1);
    return p.verdict == ZO_ASK_OK;
}

static inline double evaluate(struct fx *x, const double *u, double *g)
{
    double natural[MAX_N];

    for (size_t i = 0; i < x->n; i++)
        natural[i] = x->low + (x->high - x->low) * u[i];
    return x->f(x->n, natural, u, g);
}

static inline void tell_as(struct fx *x, struct trial *t, bool own, zo_outcome outcome)
{
    double g[4] = {0};
    double f = evaluate(x, t->u, g);
    const bool valued = outcome == ZO_TOLD_COMPLETE && !isnan(f);
    bool feasible = true;

    for (size_t i = 0; i < x->n_g; i++)
        feasible &= g[i] <= 0;
    const zo_told told = {.number = t->number,
                          .outcome = outcome == ZO_TOLD_COMPLETE && !valued ? ZO_TOLD_FAILED : outcome,
                          .own = own,
                          .has_values = valued,
                          .feasible = feasible,
                          .x = t->u,
                          .memo = own ? t->memo : NULL,
                          .f = &f,
                          .g = g};
    assert_int_equal(zo_solver_run_tell(x->run, &told, NULL), ZO_OK);
    if (valued && feasible && f < x->best) {
        x->best = f;
        memcpy(x->best_u, t->u, x->n * sizeof *t->u);
    }
}

/* Ask and tell until best <= target; how many evaluations it took, or most. */
static inline size_t minimise(struct fx *x, double target, size_t most)
{
    struct trial t;
    size_t k = 0;

    for (; k < most && x->best > target; k++) {
        assert_true(ask(x, k, &t));
        tell_as(x, &t, true, ZO_TOLD_COMPLETE);
    }
    return k;
}

static inline int rising(const void *a, const void *b)
{
    const size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

static inline size_t median(size_t *a, size_t n)
{
    qsort(a, n, sizeof *a, rising);
    return a[n / 2];
}

static inline void fact_is(struct fx *x, const char *key, const char *value)
{
    zo_bundle facts;
    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(x->run, &facts, NULL), ZO_OK);
    assert_non_null(zo_bundle_meta(&facts, key));
    assert_string_equal(zo_bundle_meta(&facts, key), value);
    zo_bundle_fini(&facts);
}

static inline double fact(struct fx *x, const char *key)
{
    zo_bundle facts;
    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(x->run, &facts, NULL), ZO_OK);
    const double value = strtod(zo_bundle_meta(&facts, key), NULL);
    zo_bundle_fini(&facts);
    return value;
}

/* ---- functions ---- */

static inline double weighted(size_t n, const double *x, double first, double last)
{
    double s = 0;
    for (size_t i = 0; i < n; i++)
        s += first * pow(last / first, (double)i / (double)(n > 1 ? n - 1 : 1)) * x[i] * x[i];
    return s;
}

#define OBJECTIVE(name) static inline double name(size_t n, const double *x, const double *u, double *g)
OBJECTIVE(sphere)
{
    (void)u;
    (void)g;
    return weighted(n, x, 1, 1);
}

OBJECTIVE(ellipsoid)
{
    (void)u;
    (void)g;
    return weighted(n, x, 1, 1e6);
}

OBJECTIVE(cigar)
{
    (void)u;
    (void)g;
    return x[0] * x[0] + weighted(n - 1, x + 1, 1e6, 1e6);
}

OBJECTIVE(tablet)
{
    (void)u;
    (void)g;
    return 1e6 * x[0] * x[0] + weighted(n - 1, x + 1, 1, 1);
}

OBJECTIVE(rosenbrock)
{
    double s = 0;
    (void)u;
    (void)g;
    for (size_t i = 0; i + 1 < n; i++)
        s += 100 * pow(x[i] * x[i] - x[i + 1], 2) + pow(x[i] - 1, 2);
    return s;
}

/* The ellipsoid in axes turned by reflections in two fixed vectors. */
OBJECTIVE(turned_ellipsoid)
{
    double y[MAX_N];
    memcpy(y, x, n * sizeof *y);
    for (int k = 0; k < 2; k++) {
        double dot = 0, square = 0;
        for (size_t i = 0; i < n; i++) {
            const double v = sin(1.3 * (double)(i + 1) + k);
            dot += v * y[i];
            square += v * v;
        }
        for (size_t i = 0; i < n; i++)
            y[i] -= 2 * dot / square * sin(1.3 * (double)(i + 1) + k);
    }
    return ellipsoid(n, y, u, g);
}

#endif
