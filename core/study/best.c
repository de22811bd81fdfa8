/* The best trial, kept as results come: the best feasible complete trial; while none is feasible the least infeasible, by the sum of
 * constraint violations. The first of equals stays. With several objectives the Pareto front (pareto.c) takes its place. */
#include "study/study_private.h"

#include <float.h>

double constraint_excess(const struct constraint *c, double value)
{
    const double over = c->has_upper ? value - c->upper : -INFINITY;
    const double under = c->has_lower ? c->lower - value : -INFINITY;

    return zo_clip(over > under ? over : under, -DBL_MAX, DBL_MAX); /* solvers are told finite numbers */
}

double constraint_slope(const struct constraint *c, double value)
{
    return c->has_upper && (!c->has_lower || value - c->upper >= c->lower - value) ? 1 : -1;
}

double constraint_violation(const zo_study *s, const double *values)
{
    double sum = 0;

    for (size_t j = 0; j < s->n_constraints; j++) {
        const double g = constraint_excess(&s->constraints[j], values[s->n_objectives + j]);
        if (g > 0)
            sum += g;
    }
    return sum;
}

bool has_all_values(const zo_study *s, const double *values)
{
    for (size_t j = 0; j < s->n_objectives + s->n_constraints; j++)
        if (isnan(values[j]))
            return false;
    return true;
}

bool best_reserve(zo_study *s, size_t extra)
{
    return s->n_objectives == 1 || front_reserve(&s->front, extra);
}

void best_add(zo_study *s, uint64_t number, const double *values)
{
    const struct row r = table_row(&s->t, number);
    const double violation = constraint_violation(s, values);

    if (violation > 0) {
        if (s->n_objectives == 1 && (s->least == UINT64_MAX || violation < s->least_violation)) {
            s->least = number;
            s->least_violation = violation;
        }
        return;
    }
    r.g->flags[r.i] |= FLAG_FEASIBLE;
    if (s->n_objectives > 1) {
        for (size_t j = 0; j < s->n_objectives; j++)
            s->f[j] = s->sign[j] * values[j];
        front_add(&s->front, number, s->f);
    } else if (!isnan(values[0]) && (s->best == UINT64_MAX || s->sign[0] * values[0] < s->best_f)) {
        s->best = number;
        s->best_f = s->sign[0] * values[0];
    }
}

bool target_reached(const zo_study *s)
{
    return s->budget.has_target && s->best != UINT64_MAX && s->best_f <= s->sign[0] * s->budget.target;
}

bool zo_study_best(const zo_study *s, uint64_t *best_out, bool *feasible_out)
{
    const bool feasible = s->best != UINT64_MAX;

    if (s->n_objectives > 1 || (!feasible && s->least == UINT64_MAX))
        return false;
    *best_out = feasible ? s->best : s->least;
    if (feasible_out)
        *feasible_out = feasible;
    return true;
}

size_t zo_study_pareto(const zo_study *s, const uint64_t **numbers_out)
{
    if (s->n_objectives > 1) {
        *numbers_out = s->front.sorted;
        return s->front.n;
    }
    *numbers_out = &s->best;
    return s->best != UINT64_MAX;
}

size_t zo_study_n_constraints(const zo_study *s)
{
    return s->n_constraints;
}

size_t zo_study_n_objectives(const zo_study *s)
{
    return s->n_objectives;
}
