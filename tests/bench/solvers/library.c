/* The problems as a shared library with plain arguments, for drivers in other languages: peers/bed.py loads it. */
#include <math.h>
#include "suite.h"

/* Dimension of a problem that has its own, 0 for any, -1 for an unknown suite. */
long bed_library_n_of(const char *suite, unsigned f)
{
    const struct bed_suite *s = bed_suite_find(suite);

    if (s == NULL)
        return -1;
    return s->n_of != NULL ? (long)s->n_of(f) : 0;
}

unsigned bed_library_n_functions(const char *suite)
{
    const struct bed_suite *s = bed_suite_find(suite);

    return s != NULL ? s->n_functions : 0;
}

const char *bed_library_group(const char *suite, unsigned f)
{
    const struct bed_suite *s = bed_suite_find(suite);

    return s->groups[s->group_of(f)];
}

/* The i-th budget, 0 past the last. */
unsigned bed_library_budget(const char *suite, unsigned i)
{
    return bed_suite_find(suite)->budgets[i];
}

/* What a solver is told about noise. */
const char *bed_library_noise(const char *suite)
{
    return bed_suite_find(suite)->noise == ZO_NOISE_EXPECTED ? "expected" : "auto";
}

/* NULL: there is no such problem. */
struct bed_problem *bed_library_open(const char *suite, unsigned f, unsigned instance, size_t n)
{
    const struct bed_suite *s = bed_suite_find(suite);
    struct bed_problem *p = zo_calloc(1, sizeof *p);

    if (s == NULL || p == NULL || !bed_problem_open(p, s, f, instance, n)) {
        if (s != NULL && p != NULL)
            bed_problem_close(p);
        zo_free(p);
        return NULL;
    }
    return p;
}

void bed_library_close(struct bed_problem *p)
{
    bed_problem_close(p);
    zo_free(p);
}

size_t bed_library_n_constraints(const struct bed_problem *p)
{
    return p->n_constraints;
}

size_t bed_library_unit(const struct bed_problem *p)
{
    return p->unit;
}

size_t bed_library_targets(const struct bed_problem *p, double *target)
{
    for (size_t k = 0; k < p->n_targets; k++)
        target[k] = p->target[k];
    return p->n_targets;
}

/* low, high, x0 [n]; false: there is no x0. */
bool bed_library_box(const struct bed_problem *p, double *low, double *high, double *x0)
{
    for (size_t i = 0; i < p->n; i++) {
        low[i] = p->low[i];
        high[i] = p->high[i];
        x0[i] = p->x0 != NULL ? p->x0[i] : NAN;
    }
    return p->x0 != NULL;
}

uint64_t bed_library_trace(const struct bed_problem *p)
{
    return p->trace;
}

uint64_t bed_library_seed(uint64_t seed, const struct bed_problem *p)
{
    return bed_seed(seed, p);
}

/* out: the told value, the scored one, then the constraints. True: feasible. */
bool bed_library_eval(struct bed_problem *p, uint64_t run_seed, uint64_t trial, const double *x, double *out)
{
    struct bed_answer a = {.g = out + 2};

    bed_problem_eval(p, run_seed, trial, x, &a);
    out[0] = a.f;
    out[1] = a.f_true;
    return a.feasible;
}
