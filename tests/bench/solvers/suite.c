#include "suite.h"

#include <math.h>
#include <string.h>

static const uint64_t TRACE_BASIS = UINT64_C(0xcbf29ce484222325);

static const struct bed_suite *const suites[] = {&bed_suite_bbob, &bed_suite_constrained, &bed_suite_more_wild,
                                                 &bed_suite_noisy};

const struct bed_suite *bed_suite_find(const char *name)
{
    for (size_t i = 0; i < ZO_LEN(suites); i++)
        if (strcmp(suites[i]->name, name) == 0)
            return suites[i];
    return NULL;
}

bool bed_problem_open(struct bed_problem *p, const struct bed_suite *suite, unsigned f, unsigned instance, size_t n)
{
    *p = (struct bed_problem){.suite = suite, .f = f, .instance = instance, .n = n, .unit = n};
    if (f < 1 || f > suite->n_functions || n < 1 || (suite->n_of != NULL && suite->n_of(f) != n))
        return false;
    p->low = zo_calloc(2 * n, sizeof *p->low);
    if (p->low == NULL)
        return false;
    p->high = p->low + n;
    for (size_t i = 0; i < n; i++) {
        p->low[i] = -5;
        p->high[i] = 5;
    }
    p->trace = TRACE_BASIS;
    return suite->open(p);
}

void bed_problem_close(struct bed_problem *p)
{
    p->suite->close(p);
    zo_free(p->low);
    p->low = p->high = NULL;
}

/* FNV-1a */
static uint64_t digest(uint64_t h, const double *v, size_t n)
{
    const unsigned char *byte = (const unsigned char *)v;

    for (size_t i = 0; i < n * sizeof *v; i++)
        h = (h ^ byte[i]) * UINT64_C(0x100000001b3);
    return h;
}

void bed_problem_eval(struct bed_problem *p, uint64_t run_seed, uint64_t trial, const double *x, struct bed_answer *a)
{
    /* A purpose that solvers are not handed streams of. */
    zo_rng rng = zo_rng_make(run_seed, ZO_PURPOSE_REPAIR, trial);

    p->suite->eval(p, &rng, x, a);
    p->trace = digest(digest(digest(p->trace, x, p->n), &a->f, 1), a->g, p->n_constraints);
}

uint64_t bed_seed(uint64_t seed, const struct bed_problem *p)
{
    const uint64_t key = (uint64_t)p->f << 40 | (uint64_t)p->instance << 16 | p->n;

    return zo_portable1_u64_at(seed, key) >> 11;
}

void bed_targets(struct bed_problem *p, double f_opt, size_t n_targets)
{
    p->f_best = f_opt;
    p->n_targets = n_targets;
    for (size_t k = 0; k < n_targets; k++)
        p->target[k] = f_opt + pow(10, 2 - 0.2 * (double)k);
}
