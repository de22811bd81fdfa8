/* Directional studies: no space; a trial is a step, its vector the step's record (step.h), and its values go on, after
 * those with names, with the answers of the step's probes. So the log, replay, snapshots and the table carry steps as
 * they carry points.
 *
 * The client's x is the sum of all moves so far, and a step's answers are about x after its move: hence one step at a
 * time, no points of the client's own, and every step, whatever came of it, is told to the solver. The loss at x
 * follows from the answers where these are losses; it is the objective's value. Of derivatives it does not; the client
 * may tell it beside them. */
#include "study/study_private.h"

#include <stdio.h>

enum { MAX_GROUPS = 4096, MAX_GROUP_NAME = 64 };
static const uint64_t MAX_DIMENSION = (UINT64_C(1) << 53) - 1;

/* ---- the spec ---- */

static zo_status group_init(const zo_directional *from, size_t i, zo_group *to, zo_arena *arena, zo_error *err)
{
    const char *name = from->groups[i].name;
    const size_t n = name ? strlen(name) : 0;
    zo_status rc = ZO_OK;

    if (n < 1 || n > MAX_GROUP_NAME)
        rc = zo_fail(err, ZO_EINVAL, "/name", "a name has 1 to %d bytes", (int)MAX_GROUP_NAME);
    for (size_t k = 0; k < i && rc == ZO_OK; k++)
        if (strcmp(from->groups[k].name, name) == 0)
            rc = zo_fail(err, ZO_EINVAL, "/name", "'%.64s' is declared twice", name);
    if (rc == ZO_OK && (from->groups[i].size < 1 || from->groups[i].size > from->dimension))
        rc = zo_fail(err, ZO_EINVAL, "/size", "a group has between 1 and dimension entries");
    if (rc != ZO_OK)
        return zo_fail_at(err, "/oracle/groups/%zu", i);
    to[i] = (zo_group){.name = zo_arena_strdup(arena, name), .size = from->groups[i].size};
    return to[i].name ? ZO_OK : zo_fail_nomem(err);
}

/* The copy of what the spec lends. */
static zo_status directional_init(zo_study *s, const zo_directional *from, zo_error *err)
{
    zo_directional *to = zo_arena_alloc(s->arena, sizeof *to);
    zo_group *groups;
    uint64_t sum = 0;
    zo_status rc = ZO_OK;

    if (from->dimension < 1 || from->dimension > MAX_DIMENSION)
        return zo_fail(err, ZO_EINVAL, "/oracle/dimension", "a dimension is between 1 and 2^53 - 1");
    if (from->n_groups > MAX_GROUPS)
        return zo_fail(err, ZO_EINVAL, "/oracle/groups", "an oracle has at most %d groups", (int)MAX_GROUPS);
    if (!to || !(groups = zo_arena_array(s->arena, from->n_groups, sizeof *groups)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < from->n_groups && rc == ZO_OK; i++) {
        rc = group_init(from, i, groups, s->arena, err);
        sum += from->groups[i].size; /* of 4096 below 2^53 */
    }
    if (rc == ZO_OK && from->n_groups > 0 && sum != from->dimension)
        rc = zo_fail(err, ZO_EINVAL, "/oracle/groups", "the groups have %llu entries in all, the dimension is %llu",
                     (unsigned long long)sum, (unsigned long long)from->dimension);
    *to = (zo_directional){.dimension = from->dimension, .groups = groups, .n_groups = from->n_groups};
    s->problem.directional = to;
    return rc;
}

static zo_status senseless(const zo_study_spec *spec, zo_error *err)
{
    if (!spec->directional)
        return zo_fail(err, ZO_EINVAL, "/oracle/dimension", "a directional oracle has a dimension");
    if (spec->space.n_params > 0)
        return zo_fail(err, ZO_EINVAL, "/space", "a directional study has no space: its vector is the client's");
    if (spec->space.n_linear > 0)
        return zo_fail(err, ZO_EINVAL, "/linear_constraints", "a directional study has no parameters to constrain");
    if (spec->parallelism > 1)
        return zo_fail(err, ZO_EINVAL, "/parallelism", "a directional study takes one step at a time");
    if (spec->duplicates == ZO_DUPLICATES_AVOID)
        return zo_fail(err, ZO_EINVAL, "/duplicates", "no step of a directional study is another one again");
    return ZO_OK;
}

zo_status steps_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    zo_status rc;

    if (spec->oracle != ZO_ORACLE_DIRECTIONAL)
        return ZO_OK;
    if ((rc = senseless(spec, err)) != ZO_OK || (rc = directional_init(s, spec->directional, err)) != ZO_OK ||
        (rc = zo_solver_plan(s->def, &s->problem, s->options, s->n_options, &s->plan, err)) != ZO_OK)
        return rc;
    s->steps = (zo_steps){.seed = s->seed, .space = s->problem.directional, .plan = &s->plan};
    s->n = s->problem.n = zo_step_words(&s->plan);
    s->n_values = s->n_named + s->plan.n_answers;
    s->answers = zo_arena_array(s->arena, s->plan.n_answers, sizeof *s->answers);
    return s->answers ? ZO_OK : zo_fail_nomem(err);
}

/* ---- asking ---- */

zo_status step_propose(zo_study *s, double *v, enum proposal *out, struct provenance *why, zo_error *err)
{
    zo_proposal p = {.number = s->t.next, .x = v};
    zo_status rc;

    if (s->pending.n_used > 0) {
        *out = NOTHING_YET;
        return ZO_OK;
    }
    if ((rc = zo_solver_run_ask(s->run, &p, err)) != ZO_OK)
        return rc;
    if (p.verdict == ZO_ASK_OK && !zo_step_check(&s->plan, v, p.number)) /* its state came from a damaged snapshot */
        return zo_fail(err, ZO_EINTERNAL, "", "the solver proposes a step that can't be");
    *out = proposal_of(p.verdict);
    *why = (struct provenance){p.core ? p.core : s->def->name, p.why, NAN};
    return ZO_OK;
}

bool point_fits(const zo_study *s, const double *v, uint64_t number)
{
    return is_directional(s) ? zo_step_check(&s->plan, v, number) : zo_space_check(s->space, v, NULL) == ZO_OK;
}

zo_status own_points_only(zo_error *err)
{
    return zo_fail(err, ZO_EUNSUPPORTED, "", "a directional study has no points: its steps are those that it asks for");
}

/* ---- telling ---- */

static zo_status answers_check(const zo_study *s, size_t n_probes, const double *answers, zo_error *err)
{
    for (size_t i = 0; i < s->plan.n_answers; i++) {
        if (isinf(answers[i]))
            return zo_fail(err, ZO_EINVAL, "/probes", "numbers are finite");
        if (isnan(answers[i]) == (i < n_probes))
            return zo_fail(err, ZO_EINVAL, "/probes", "the step has %zu probes; probe %zu %s", n_probes, i,
                           i < n_probes ? "has no answer" : "is none of them");
    }
    return ZO_OK;
}

static zo_status loss_check(const zo_study *s, const struct rec_told *r, zo_error *err)
{
    zo_error at = {.pointer = "/values"};

    if (s->plan.derivatives || !r->values || isnan(r->values[0]))
        return ZO_OK;
    zo_pointer_append(at.pointer, sizeof at.pointer, s->names[0]);
    return zo_fail(err, ZO_EINVAL, at.pointer, "'%.64s' follows from the probes and is not told", s->names[0]);
}

zo_status step_told_check(const zo_study *s, const double *record, const struct rec_told *r, zo_error *err)
{
    zo_status rc;

    if (r->state != ZO_TRIAL_COMPLETE && r->state != ZO_TRIAL_FAILED && r->state != ZO_TRIAL_ABANDONED)
        return zo_fail(err, ZO_EINVAL, "/state", "a step is told complete, failed or abandoned");
    if (r->std_errors)
        return zo_fail(err, ZO_EINVAL, "/stderr", "a directional study has no use for standard errors");
    if ((rc = loss_check(s, r, err)) != ZO_OK)
        return rc;
    if (r->values)
        return answers_check(s, r->state == ZO_TRIAL_COMPLETE ? zo_step_n_probes(&s->plan, record) : 0,
                             r->values + s->n_named, err);
    if (r->state == ZO_TRIAL_COMPLETE)
        return zo_fail(err, ZO_EINVAL, "/probes", "a complete step has the answers of its probes");
    return ZO_OK;
}

void step_value(const zo_study *s, const double *record, double *values)
{
    double loss;

    if (zo_step_loss(&s->plan, record, values + s->n_named, &loss))
        values[0] = loss;
}

/* ---- reading ---- */

size_t zo_study_move(const zo_study *s, uint64_t number, zo_step_term *out)
{
    const double *records[ZO_STEP_WINDOW_MAX] = {NULL};

    for (size_t k = 0; k < s->plan.window && k <= number; k++) {
        const struct row r = table_row(&s->t, number - k);
        records[k] = r.g ? row_v(&s->t, r) : NULL;
    }
    return records[0] ? zo_step_move(&s->steps, records, out) : 0;
}
