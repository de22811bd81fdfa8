/* Spec to its canonical JSON: fixed order, defaults written out, options complete. The stored text never changes its meaning when a
 * default does. */
#include "codec/spec.h"

#include <string.h>
#include "codec/spec_private.h"

static void put_param(const zo_param_spec *p, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", p->name);
    zo_json_key_string(w, "type", spec_type_words[p->type]);
    if (p->type == ZO_VECTOR)
        zo_json_key_u64(w, "size", p->size);
    if (p->type == ZO_FLOAT || p->type == ZO_INT || p->type == ZO_VECTOR) {
        zo_json_key_double(w, "low", p->low);
        zo_json_key_double(w, "high", p->high);
        if (p->scale != ZO_LINEAR)
            zo_json_key_string(w, "scale", spec_scale_words[p->scale]);
        if (p->step > 0)
            zo_json_key_double(w, "step", p->step);
    }
    if (p->type == ZO_CATEGORICAL || p->type == ZO_ORDINAL) {
        zo_json_key(w, "choices");
        zo_json_begin_array(w);
        for (size_t i = 0; i < p->n_choices; i++)
            zo_json_scalar_write(w, &p->choices[i]);
        zo_json_end_array(w);
    }
    if (p->type == ZO_FIXED) {
        zo_json_key(w, "value");
        zo_json_scalar_write(w, &p->fixed);
    }
    if (p->has_default) {
        zo_json_key(w, "default");
        zo_json_scalar_write(w, &p->default_value);
    }
    if (p->n_when) {
        zo_json_key(w, "when");
        zo_json_begin_object(w);
        for (size_t i = 0; i < p->n_when; i++) {
            zo_json_key(w, p->when[i].parent);
            zo_json_begin_array(w);
            for (size_t k = 0; k < p->when[i].n_values; k++)
                zo_json_scalar_write(w, &p->when[i].values[k]);
            zo_json_end_array(w);
        }
        zo_json_end_object(w);
    }
    zo_json_end_object(w);
}

static void put_space(const zo_space_spec *s, zo_json *w)
{
    zo_json_key(w, "space");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_params; i++)
        put_param(&s->params[i], w);
    zo_json_end_array(w);
    zo_json_key(w, "linear_constraints");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_linear; i++) {
        const zo_linear_spec *l = &s->linear[i];

        zo_json_begin_object(w);
        zo_json_key(w, "terms");
        zo_json_begin_object(w);
        for (size_t k = 0; k < l->n_terms; k++)
            zo_json_key_double(w, l->terms[k].name, l->terms[k].coef);
        zo_json_end_object(w);
        zo_json_key_string(w, "op", spec_relation_words[l->op]);
        zo_json_key_double(w, "rhs", l->rhs);
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
}

static void put_values(const zo_study_spec *s, zo_json *w)
{
    zo_json_key(w, "objectives");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_objectives; i++) {
        zo_json_begin_object(w);
        zo_json_key_string(w, "name", s->objectives[i].name);
        zo_json_key_string(w, "goal", s->objectives[i].maximize ? "maximize" : "minimize");
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
    zo_json_key(w, "constraints");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_constraints; i++) {
        const zo_constraint_spec *c = &s->constraints[i];

        zo_json_begin_object(w);
        zo_json_key_string(w, "name", c->name);
        if (c->has_upper)
            zo_json_key_double(w, "upper", c->upper);
        if (c->has_lower)
            zo_json_key_double(w, "lower", c->lower);
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
    zo_json_key(w, "metrics");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_metrics; i++)
        zo_json_string(w, s->metrics[i]);
    zo_json_end_array(w);
}

void zo_spec_encode_budget(const zo_budget *b, zo_json *w)
{
    zo_json_begin_object(w);
    if (b->trials)
        zo_json_key_u64(w, "trials", b->trials);
    if (b->seconds > 0)
        zo_json_key_double(w, "seconds", b->seconds);
    if (b->has_target)
        zo_json_key_double(w, "target", b->target);
    zo_json_end_object(w);
}

static const zo_scalar *find(const zo_named *given, size_t n, const char *name)
{
    for (size_t i = 0; i < n; i++)
        if (strcmp(given[i].name, name) == 0)
            return &given[i].value;
    return NULL;
}

static void put_given(const zo_named *given, size_t n, zo_json *w)
{
    const char *last = NULL;

    for (size_t k = 0; k < n; k++) { /* by name: a JSON object has no order */
        const zo_named *next = NULL;
        for (size_t i = 0; i < n; i++)
            if ((!last || strcmp(given[i].name, last) > 0) && (!next || strcmp(given[i].name, next->name) < 0))
                next = &given[i];
        if (!next)
            return;
        zo_json_key(w, next->name);
        zo_json_scalar_write(w, &next->value);
        last = next->name;
    }
}

static void put_default(const zo_opt *o, zo_json *w)
{
    switch (o->type) {
    case ZO_OPT_TYPE_F64:
    case ZO_OPT_TYPE_U64:
        if (o->def >= o->low && o->def <= o->high) /* a default that could not be given stays the solver's own affair */
            zo_json_key_double(w, o->name, o->def);
        break;
    case ZO_OPT_TYPE_BOOL:
        zo_json_key_bool(w, o->name, o->def != 0);
        break;
    case ZO_OPT_TYPE_ENUM:
        zo_json_key_string(w, o->name, o->choices[(size_t)o->def]);
        break;
    }
}

void zo_spec_encode_options(const zo_spec *s, zo_json *w)
{
    const zo_solver *solver = zo_solver_find(s->study.solver);

    zo_json_begin_object(w);
    if (!solver)
        put_given(s->study.options, s->study.n_options, w);
    for (size_t i = 0; solver && i < solver->n_opts; i++) {
        const zo_scalar *v = find(s->study.options, s->study.n_options, solver->opts[i].name);
        if (v) {
            zo_json_key(w, solver->opts[i].name);
            zo_json_scalar_write(w, v);
        } else {
            put_default(&solver->opts[i], w);
        }
    }
    zo_json_end_object(w);
}

static void put_early_stopping(const zo_study_spec *s, zo_json *w)
{
    if (!s->stop_rule) {
        zo_json_null(w);
        return;
    }
    zo_json_begin_object(w);
    zo_json_key_string(w, "rule", s->stop_rule);
    zo_json_key(w, "options");
    zo_json_begin_object(w);
    put_given(s->stop_options, s->n_stop_options, w);
    zo_json_end_object(w);
    zo_json_end_object(w);
}

void zo_spec_encode_members(const zo_spec *spec, zo_json *w)
{
    const zo_study_spec *s = &spec->study;
    static const char *const noise[] = {"auto", "none", "expected"};
    static const char *const expiry[] = {"retry", "fail", "abandon"};

    zo_json_key_u64(w, "seed", s->seed);
    if (!s->directional)
        put_space(&s->space, w);
    put_values(s, w);
    zo_json_key(w, "oracle");
    if (s->directional)
        spec_encode_directional(s->directional, w);
    else
        zo_json_string(w, s->oracle == ZO_ORACLE_GRADIENT ? "gradient" : s->oracle == ZO_ORACLE_STEPS ? "steps" : "value");
    zo_json_key_string(w, "noise", noise[s->noise]);
    zo_json_key_u64(w, "parallelism", s->parallelism);
    zo_json_key(w, "lease");
    zo_json_duration(w, (int64_t)s->lease_ms);
    zo_json_key_u64(w, "retries", s->retries);
    zo_json_key_string(w, "on_expiry", expiry[s->on_expiry]);
    zo_json_key_string(w, "duplicates", s->duplicates == ZO_DUPLICATES_AVOID ? "avoid" : "allow");
    zo_json_key(w, "early_stopping");
    put_early_stopping(s, w);
    zo_json_key(w, "stop");
    spec_encode_stopping(&s->stopping, w);
}

void zo_spec_encode(const zo_spec *s, zo_json *w)
{
    zo_json_begin_object(w);
    zo_spec_encode_members(s, w);
    zo_json_key(w, "budget");
    zo_spec_encode_budget(&s->study.budget, w);
    zo_json_key(w, "solver");
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", s->study.solver);
    zo_json_key(w, "options");
    zo_spec_encode_options(s, w);
    zo_json_end_object(w);
    zo_json_end_object(w);
}
