/* A study's life: its spec is checked and compiled, its solver started. What never changes afterwards lies in one
 * arena. */
#include "study/study_private.h"

#include <stdio.h>

enum { MAX_VALUES = 1000, MAX_VALUE_NAME = 64, MAX_RETRIES = 1000000, MAX_PARALLELISM = 100000, MAX_GRADIENTS = 1000000 };

/* ---- copies into the arena ---- */

static bool copy_scalar(zo_arena *a, const zo_scalar *from, zo_scalar *to)
{
    *to = *from;
    if (from->kind == ZO_STRING)
        return (to->string = zo_arena_strdup(a, from->string)) != NULL;
    if (from->kind == ZO_NUMBERS)
        return (to->numbers = zo_arena_memdup(a, from->numbers, from->n_numbers * sizeof(double))) != NULL;
    return true;
}

static bool copy_options(zo_study *s, const zo_study_spec *spec)
{
    if (!(s->options = zo_arena_array(s->arena, spec->n_options, sizeof *s->options)))
        return false;
    for (size_t i = 0; i < spec->n_options; i++)
        if (!(s->options[i].name = zo_arena_strdup(s->arena, spec->options[i].name)) ||
            !copy_scalar(s->arena, &spec->options[i].value, &s->options[i].value))
            return false;
    s->n_options = spec->n_options;
    return true;
}

/* ---- values: objectives, constraints, metrics ---- */

static zo_status name_init(zo_study *s, size_t j, const char *name, const char *list, size_t i, bool is_object,
                           zo_error *err)
{
    char pointer[64];
    const size_t n = name ? strlen(name) : 0;

    (void)snprintf(pointer, sizeof pointer, "/%s/%zu%s", list, i, is_object ? "/name" : "");
    if (n < 1 || n > MAX_VALUE_NAME)
        return zo_fail(err, ZO_EINVAL, pointer, "a name has 1 to %d bytes", (int)MAX_VALUE_NAME);
    for (size_t k = 0; k < j; k++)
        if (strcmp(s->names[k], name) == 0)
            return zo_fail(err, ZO_EINVAL, pointer, "'%.64s' is declared twice", name);
    return (s->names[j] = zo_arena_strdup(s->arena, name)) ? ZO_OK : zo_fail_nomem(err);
}

static zo_status constraint_init(struct constraint *to, const zo_constraint_spec *from, size_t i, zo_error *err)
{
    if (!from->has_upper && !from->has_lower) {
        (void)zo_fail(err, ZO_EINVAL, "", "a constraint has an upper or a lower bound");
        return zo_fail_at(err, "/constraints/%zu", i);
    }
    if ((from->has_upper && !isfinite(from->upper)) || (from->has_lower && !isfinite(from->lower)) ||
        (from->has_upper && from->has_lower && from->lower > from->upper)) {
        (void)zo_fail(err, ZO_EINVAL, "/lower", "bounds are finite, and lower is not above upper");
        return zo_fail_at(err, "/constraints/%zu", i);
    }
    *to = (struct constraint){from->has_upper, from->has_lower, from->upper, from->lower};
    return ZO_OK;
}

static zo_status values_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    zo_status rc = ZO_OK;
    size_t j = 0;

    s->n_objectives = spec->n_objectives;
    s->n_constraints = spec->n_constraints;
    s->n_named = s->n_values = spec->n_objectives + spec->n_constraints + spec->n_metrics;
    if (spec->n_objectives < 1)
        return zo_fail(err, ZO_EINVAL, "/objectives", "a study has at least one objective");
    if (s->n_values > MAX_VALUES)
        return zo_fail(err, ZO_EINVAL, "/objectives", "a study has at most %d objectives, constraints and metrics",
                       (int)MAX_VALUES);
    if (!(s->names = zo_arena_array(s->arena, s->n_values, sizeof *s->names)) ||
        !(s->sign = zo_arena_array(s->arena, s->n_objectives, sizeof *s->sign)) ||
        !(s->constraints = zo_arena_array(s->arena, s->n_constraints, sizeof *s->constraints)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < spec->n_objectives && rc == ZO_OK; i++) {
        s->sign[i] = spec->objectives[i].maximize ? -1 : 1;
        rc = name_init(s, j++, spec->objectives[i].name, "objectives", i, true, err);
    }
    for (size_t i = 0; i < spec->n_constraints && rc == ZO_OK; i++)
        if ((rc = name_init(s, j++, spec->constraints[i].name, "constraints", i, true, err)) == ZO_OK)
            rc = constraint_init(&s->constraints[i], &spec->constraints[i], i, err);
    for (size_t i = 0; i < spec->n_metrics && rc == ZO_OK; i++)
        rc = name_init(s, j++, spec->metrics[i], "metrics", i, false, err);
    return rc;
}

/* ---- the rest of the spec ---- */

static zo_status rules_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    s->seed = spec->seed;
    s->lease_ms = spec->lease_ms;
    s->retries = spec->retries;
    s->on_expiry = spec->on_expiry;
    s->duplicates = spec->duplicates;
    s->budget = spec->budget;
    if (spec->oracle != ZO_ORACLE_VALUE && spec->oracle != ZO_ORACLE_STEPS && spec->oracle != ZO_ORACLE_GRADIENT &&
        spec->oracle != ZO_ORACLE_DIRECTIONAL)
        return zo_fail(err, ZO_EUNSUPPORTED, "/oracle", "a study's oracle is value, steps, gradient or directional");
    if (spec->parallelism < 1 || spec->parallelism > MAX_PARALLELISM)
        return zo_fail(err, ZO_EINVAL, "/parallelism", "parallelism is between 1 and %d", (int)MAX_PARALLELISM);
    if (spec->retries > MAX_RETRIES)
        return zo_fail(err, ZO_EINVAL, "/retries", "retries are at most %d", (int)MAX_RETRIES);
    if (budget_check(&s->budget, s->n_objectives, err) != ZO_OK)
        return zo_fail_at(err, "/budget");
    return lease_check(spec->lease_ms, err);
}

static zo_status stop_rule_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    void *opts;

    if (!spec->stop_rule)
        return ZO_OK;
    const struct stop_rule *rule = stop_rule_find(spec->stop_rule);
    if (!rule)
        return zo_fail(err, ZO_EINVAL, "/early_stopping/rule", "there is no rule '%.64s'; there are asha and median",
                       spec->stop_rule);
    if (!(opts = zo_arena_alloc(s->arena, rule->opts_bytes)) ||
        !(s->rule_self = zo_arena_alloc(s->arena, rule->state_bytes)))
        return zo_fail_nomem(err);
    if (zo_opts_read(rule->opts, rule->n_opts, spec->stop_options, spec->n_stop_options, opts, err) != ZO_OK)
        return zo_fail_at(err, "/early_stopping/options");
    if (s->n_objectives > 1)
        return zo_fail(err, ZO_EUNSUPPORTED, "/early_stopping/rule", "early stopping needs a single objective");
    if (spec->oracle != ZO_ORACLE_STEPS)
        return zo_fail(err, ZO_EINVAL, "/early_stopping/rule",
                       "early stopping judges reports: it needs \"oracle\": \"steps\"");
    rule->init(s->rule_self, opts);
    s->rule_opts = opts;
    s->rule = rule;
    return ZO_OK;
}

/* The default point, if the space has a complete one: the first ask. */
static zo_status x0_init(zo_study *s, zo_error *err)
{
    double *u;

    if (is_directional(s))
        return ZO_OK;
    if (!(s->x0 = zo_arena_array(s->arena, s->n, sizeof(double))) ||
        !(u = zo_arena_array(s->arena, s->n, sizeof(double))))
        return zo_fail_nomem(err);
    if (!zo_space_default(s->space, s->x0)) {
        s->x0 = NULL;
        return ZO_OK;
    }
    if (zo_space_check(s->space, s->x0, err) != ZO_OK)
        return zo_fail_at(err, "/space");
    zo_space_to_unit(s->space, s->x0, u);
    s->problem.x0 = u;
    return ZO_OK;
}

static zo_status space_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    zo_status rc;

    if (spec->oracle == ZO_ORACLE_DIRECTIONAL)
        return ZO_OK;
    if ((rc = zo_space_new(&spec->space, &s->space, err)) != ZO_OK)
        return rc;
    s->n = zo_space_n_dims(s->space);
    s->cardinality = zo_space_cardinality(s->space);
    return ZO_OK;
}

static zo_status scratch_init(zo_study *s, zo_error *err)
{
    double **const scratch[] = {&s->u, &s->v, &s->v_in, &s->lost};
    double **const value_scratch[] = {&s->values_in, &s->std_in};

    for (size_t i = 0; i < ZO_LEN(scratch); i++)
        if (!(*scratch[i] = zo_arena_array(s->arena, s->n, sizeof(double))))
            return zo_fail_nomem(err);
    for (size_t i = 0; i < ZO_LEN(value_scratch); i++)
        if (!(*value_scratch[i] = zo_arena_array(s->arena, s->n_values, sizeof(double))))
            return zo_fail_nomem(err);
    if (!(s->f = zo_arena_array(s->arena, s->n_objectives, sizeof(double))) ||
        !(s->f_stderr = zo_arena_array(s->arena, s->n_objectives, sizeof(double))) ||
        !(s->g = zo_arena_array(s->arena, s->n_constraints, sizeof(double))))
        return zo_fail_nomem(err);
    table_init(&s->t, s->n, s->n_values);
    s->front.m = s->n_objectives;
    return ZO_OK;
}

/* Only of a point that moves in all its coordinates are there derivatives. */
static zo_status gradients_init(zo_study *s, const zo_study_spec *spec, zo_error *err)
{
    const size_t n_rows = s->n_objectives + s->n_constraints;

    if (spec->oracle != ZO_ORACLE_GRADIENT)
        return ZO_OK;
    const zo_dim *dims = zo_space_dims(s->space);
    for (size_t i = 0; i < s->n; i++)
        if (dims[i].kind != ZO_DIM_REAL || dims[i].conditional) {
            (void)zo_fail(err, ZO_EUNSUPPORTED, "",
                          "a study with gradients has only float and vector parameters, without step or condition");
            return zo_fail_at(err, "/space/%zu", dims[i].param);
        }
    if (s->n > MAX_GRADIENTS / n_rows)
        return zo_fail(err, ZO_EINVAL, "/space", "a trial's gradients have at most %d derivatives, not %zu times %zu",
                       (int)MAX_GRADIENTS, s->n, n_rows);
    s->n_gradients = s->n * n_rows;
    if (!(s->gradients_in = zo_arena_array(s->arena, s->n_gradients, sizeof(double))) ||
        !(s->df = zo_arena_array(s->arena, s->n_objectives * s->n, sizeof(double))) ||
        !(s->dg = zo_arena_array(s->arena, s->n_constraints * s->n, sizeof(double))))
        return zo_fail_nomem(err);
    return ZO_OK;
}

static zo_status refuse_solver(const char *name, zo_error *err)
{
    const zo_solver *near[3];
    char names[160] = "";
    size_t at = 0;

    const size_t n = zo_solver_nearest(name, ZO_LEN(near), near);
    for (size_t i = 0; i < n; i++)
        at += (size_t)snprintf(names + at, sizeof names - at, "%s'%s'", i == 0 ? "" : i + 1 < n ? ", " : " and ", near[i]->name);
    return zo_fail(err, ZO_EINVAL, "/solver/name", "there is no solver '%.64s'; of the %zu in the catalogue %s are the nearest",
                   name, zo_solver_count(), names);
}

/* The solver's definition and the problem, as far as the spec says. */
static zo_status problem_init(zo_study *s, const zo_study_spec *spec, const zo_solver *def, zo_error *err)
{
    s->def = def ? def : zo_solver_find(spec->solver);
    if (!s->def)
        return refuse_solver(spec->solver, err);
    s->problem = (zo_problem){.space = s->space,
                              .n = s->n,
                              .dims = s->space ? zo_space_dims(s->space) : NULL,
                              .n_objectives = s->n_objectives,
                              .n_constraints = s->n_constraints,
                              .oracle = spec->oracle,
                              .noise = spec->noise,
                              .budget_trials = spec->budget.trials,
                              .parallelism = spec->parallelism,
                              .seed = spec->seed};
    return copy_options(s, spec) ? ZO_OK : zo_fail_nomem(err);
}

static zo_status solver_init(zo_study *s, zo_error *err)
{
    zo_status rc;

    if ((rc = x0_init(s, err)) != ZO_OK || (rc = solver_start(s, &s->run, err)) != ZO_OK)
        return rc;
    s->pending.memo_bytes = zo_solver_run_memo_bytes(s->run);
    return ZO_OK;
}

static zo_status created_emit(zo_study *s, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_CREATED,
                      .at_ms = now.wall_ms,
                      .u.created = {.seed = s->seed,
                                    .n = s->n,
                                    .n_values = s->n_values,
                                    .version = s->def->version,
                                    .solver = str_of(s->def->name)}};

    if (!events_reserve(ev, 1, record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    return ZO_OK;
}

zo_status study_new_with(const zo_study_spec *spec, const zo_solver *def, zo_now now, zo_events *ev, zo_study **out,
                         zo_error *err)
{
    zo_study *s = zo_calloc(1, sizeof *s);
    zo_status rc;

    if (!s)
        return zo_fail_nomem(err);
    s->best = s->least = UINT64_MAX;
    if (!(s->arena = zo_arena_new(0)))
        rc = zo_fail_nomem(err);
    else if ((rc = values_init(s, spec, err)) == ZO_OK && (rc = rules_init(s, spec, err)) == ZO_OK &&
             (rc = space_init(s, spec, err)) == ZO_OK && (rc = gradients_init(s, spec, err)) == ZO_OK &&
             (rc = stop_rule_init(s, spec, err)) == ZO_OK && (rc = problem_init(s, spec, def, err)) == ZO_OK &&
             (rc = steps_init(s, spec, err)) == ZO_OK && (rc = scratch_init(s, err)) == ZO_OK &&
             (rc = solver_init(s, err)) == ZO_OK && (rc = stopping_init(s, spec, err)) == ZO_OK && ev)
        rc = created_emit(s, now, ev, err);
    if (rc != ZO_OK) {
        zo_study_free(s);
        return rc;
    }
    *out = s;
    return ZO_OK;
}

zo_status zo_study_new(const zo_study_spec *spec, zo_now now, zo_events *ev, zo_study **out, zo_error *err)
{
    return study_new_with(spec, NULL, now, ev, out, err);
}

void zo_study_free(zo_study *s)
{
    if (!s)
        return;
    loading_free(s->loading);
    zo_solver_run_free(s->run);
    if (s->rule && s->rule->fini)
        s->rule->fini(s->rule_self);
    table_fini(&s->t);
    pending_fini(&s->pending);
    front_fini(&s->front);
    seen_fini(&s->seen);
    intern_fini(&s->strings);
    zo_free(s->retry.a);
    zo_free(s->queue.a);
    zo_free(s->owed);
    zo_free(s->batch);
    zo_space_free(s->space);
    zo_arena_free(s->arena);
    zo_free(s);
}
