/* A client of a directional solver, in process: it holds x, regenerates directions, and answers with a quadratic,
 * f(x) = 1/2 sum_i l_i (x_i - t_i)^2, l from 0.05 to 1 evenly on a log scale. No study: records are handed over
 * directly. */
#ifndef ZO_TEST_ZO_FX_H
#define ZO_TEST_ZO_FX_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/rng.h"
#include "step_client.h"

struct zo_fx {
    size_t n; /* dimension */
    zo_directional space;
    zo_problem p;
    zo_step_plan plan;
    zo_solver_run *run;
    struct step_client c;
    uint64_t n_losses;
    double noise; /* sigma of what is added to losses */
    zo_portable1 dice;
};

static inline double fx_weight(const struct zo_fx *f, size_t i)
{
    return f->n > 1 ? 0.05 * pow(20, (double)i / (double)(f->n - 1)) : 1;
}

static inline double fx_target(size_t i)
{
    return i % 2 ? 1 : -0.5;
}

static inline double fx_loss_at(const struct zo_fx *f, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < f->n; i++)
        sum += 0.5 * fx_weight(f, i) * (x[i] - fx_target(i)) * (x[i] - fx_target(i));
    return sum;
}

static inline double fx_slope_at(const struct zo_fx *f, const double *x, const double *z)
{
    double sum = 0;

    for (size_t i = 0; i < f->n; i++)
        sum += fx_weight(f, i) * (x[i] - fx_target(i)) * z[i];
    return sum;
}

static inline double fx_loss(const void *arg, size_t n, const double *x, const double *z)
{
    (void)n;
    return z ? fx_slope_at(arg, x, z) : fx_loss_at(arg, x);
}

static inline struct zo_fx *fx_new(const char *solver, size_t n, const zo_group *groups, size_t n_groups,
                                   uint64_t budget, const zo_named *options, size_t n_options)
{
    struct zo_fx *f = calloc(1, sizeof *f);
    zo_error err = {0};

    assert_non_null(f);
    f->n = n;
    f->space = (zo_directional){.dimension = n, .groups = groups, .n_groups = n_groups};
    f->p = (zo_problem){.n_objectives = 1,
                        .oracle = ZO_ORACLE_DIRECTIONAL,
                        .parallelism = 1,
                        .seed = 42,
                        .budget_trials = budget,
                        .directional = &f->space};
    if (zo_solver_plan(zo_solver_find(solver), &f->p, options, n_options, &f->plan, &err) != ZO_OK)
        fail_msg("%s: %s", err.pointer, err.message);
    f->p.n = zo_step_words(&f->plan);
    client_open(&f->c, f->p.seed, &f->space, &f->plan);
    if (zo_solver_run_new(zo_solver_find(solver), &f->p, options, n_options, &f->run, &err) != ZO_OK)
        fail_msg("%s: %s", err.pointer, err.message);
    f->dice = zo_portable1_make(99);
    return f;
}

static inline void fx_free(struct zo_fx *f)
{
    client_close(&f->c);
    zo_solver_run_free(f->run);
    free(f);
}

/* The next step: its record, as the client has taken it. */
static inline const double *fx_ask_step(struct zo_fx *f)
{
    double *r = calloc(f->p.n, sizeof *r);
    zo_proposal p = {.number = f->c.n_records, .x = r};

    assert_non_null(r);
    assert_int_equal(zo_solver_run_ask(f->run, &p, NULL), ZO_OK);
    assert_int_equal(p.verdict, ZO_ASK_OK);
    assert_true(zo_step_check(&f->plan, r, p.number));
    const double *taken = client_take(&f->c, r);
    free(r);
    return taken;
}

static inline void fx_tell_step(struct zo_fx *f, const double *r, zo_outcome outcome, const double *answers)
{
    zo_told t = {.number = (uint64_t)r[ZO_STEP_NUMBER], .outcome = outcome, .own = true, .x = r, .answers = answers};
    double loss = 0;

    t.has_values = t.feasible = answers && zo_step_loss(&f->plan, r, answers, &loss);
    t.f = t.has_values ? &loss : NULL;
    assert_int_equal(zo_solver_run_tell(f->run, &t, NULL), ZO_OK);
}

/* A whole step. */
static inline const double *fx_step(struct zo_fx *f)
{
    double answers[CLIENT_ANSWERS_MAX];
    const double *r = fx_ask_step(f);
    const size_t n = client_answer(&f->c, r, fx_loss, f, answers);

    f->n_losses += n;
    for (size_t i = 0; i < n && f->noise > 0; i++)
        answers[i] += f->noise * zo_portable1_normal(&f->dice);
    fx_tell_step(f, r, ZO_TOLD_COMPLETE, answers);
    return r;
}

static inline void fx_lose(struct zo_fx *f, zo_outcome outcome)
{
    fx_tell_step(f, fx_ask_step(f), outcome, NULL);
}

static inline double fx_fact(const struct zo_fx *f, const char *key)
{
    zo_bundle facts;

    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(f->run, &facts, NULL), ZO_OK);
    const char *text = zo_bundle_meta(&facts, key);
    const double x = text ? strtod(text, NULL) : NAN;
    zo_bundle_fini(&facts);
    return x;
}

#define OPT_NUMBER(key, x)                                                                                             \
    {                                                                                                                  \
        key,                                                                                                           \
        {                                                                                                              \
            .kind = ZO_NUMBER, .number = (x)                                                                           \
        }                                                                                                              \
    }
#define OPT_TRUE(key)                                                                                                  \
    {                                                                                                                  \
        key,                                                                                                           \
        {                                                                                                              \
            .kind = ZO_BOOLEAN, .boolean = true                                                                        \
        }                                                                                                              \
    }
#define OPT_WORD(key, x)                                                                                               \
    {                                                                                                                  \
        key,                                                                                                           \
        {                                                                                                              \
            .kind = ZO_STRING, .string = (x)                                                                           \
        }                                                                                                              \
    }

#endif
