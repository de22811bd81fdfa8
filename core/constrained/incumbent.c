/* See incumbent.h. */
#include "constrained/incumbent.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stage/stage.h"

zo_status zo_incumbent_init(zo_incumbent *b, const zo_problem *p, zo_error *err)
{
    *b = (zo_incumbent){.n = p->n, .m = p->n_constraints};
    b->x = zo_calloc(b->n, sizeof *b->x);
    b->g = zo_calloc(b->m, sizeof *b->g);
    return b->x && b->g ? ZO_OK : zo_fail_nomem(err);
}

void zo_incumbent_fini(zo_incumbent *b)
{
    zo_free(b->x);
    zo_free(b->g);
}

double zo_violation(size_t m, const double *g)
{
    double sum = 0;

    for (size_t j = 0; j < m; j++)
        sum += g[j] > 0 ? g[j] : 0;
    return sum;
}

static void take(zo_incumbent *b, const zo_told *t, double violation)
{
    b->known = 1;
    b->feasible = t->feasible;
    b->f = t->f[0];
    b->violation = violation;
    memcpy(b->x, t->x, b->n * sizeof *b->x);
    if (b->m > 0)
        memcpy(b->g, t->g, b->m * sizeof *b->g);
}

bool zo_incumbent_tell(zo_incumbent *b, const zo_told *t)
{
    if (!zo_told_is_valued(t))
        return false;
    const double violation = t->feasible ? 0 : zo_violation(b->m, t->g);
    const bool better = !b->known || (t->feasible && !b->feasible) || (t->feasible && t->f[0] < b->f) ||
                        (!b->feasible && violation < b->violation);
    if (better)
        take(b, t, violation);
    return better;
}

void zo_incumbent_tell_at(zo_incumbent *b, const zo_told *t, const double *x)
{
    if (b->known || !zo_told_is_valued(t))
        return;
    for (size_t i = 0; i < b->n; i++)
        if (fabs(t->x[i] - x[i]) > 1e-12)
            return;
    take(b, t, t->feasible ? 0 : zo_violation(b->m, t->g));
}

void zo_incumbent_visit(zo_incumbent *b, const char *name, zo_visit *v)
{
    const char *outer = v->prefix;
    char prefix[64];

    snprintf(prefix, sizeof prefix, "%s%s.", outer ? outer : "", name);
    v->prefix = prefix;
    zo_visit_u64(v, "known", &b->known, 1);
    zo_visit_u64(v, "feasible", &b->feasible, 1);
    zo_visit_f64_within(v, "x", b->x, b->n, 0, 1);
    zo_visit_f64_within(v, "f", &b->f, 1, -HUGE_VAL, HUGE_VAL);
    zo_visit_f64_within(v, "g", b->g, b->m, -HUGE_VAL, HUGE_VAL);
    zo_visit_f64_within(v, "violation", &b->violation, 1, 0, HUGE_VAL);
    zo_visit_require(v, "known", b->known <= 1);
    v->prefix = outer;
}

void zo_random_start(const zo_problem *p, uint64_t number, double *x)
{
    zo_rng rng = zo_rng_make(p->seed, ZO_PURPOSE_INIT, number);

    for (size_t i = 0; i < p->n; i++)
        x[i] = zo_rng_uniform(&rng);
}
