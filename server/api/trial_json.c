/* See trial_json.h. What does not apply is left out; number comes first, so that a person who scans a list sees it. */
#include "api/trial_json.h"

#include <math.h>
#include <string.h>
#include "api/gradients.h"
#include "api/steps.h"
#include "codec/params.h"

enum { REPORTS_SHOWN = 1000 };

void zo_api_values_write(const zo_study *s, const double *values, zo_json *w)
{
    const size_t n = zo_study_n_named(s);

    zo_json_begin_object(w);
    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            zo_json_key_double(w, zo_study_value_name(s, i), values[i]);
    zo_json_end_object(w);
}

static bool any_value(const zo_study *s, const double *values)
{
    const size_t n = values ? zo_study_n_named(s) : 0;

    for (size_t i = 0; i < n; i++)
        if (!isnan(values[i]))
            return true;
    return false;
}

static void put_reports(const zo_study *s, const zo_trial *t, zo_json *w)
{
    zo_report r;

    zo_json_key(w, "reports");
    zo_json_begin_array(w);
    for (size_t i = t->n_reports > REPORTS_SHOWN ? t->n_reports - REPORTS_SHOWN : 0; i < t->n_reports; i++) {
        if (!zo_study_trial_report(s, t->number, i, &r))
            continue;
        zo_json_begin_object(w);
        zo_json_key_u64(w, "step", r.step);
        zo_json_key(w, "values");
        zo_api_values_write(s, r.values, w);
        zo_json_key_bool(w, "stop", r.stop);
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
}

static void put_point(const zo_study *s, const zo_trial *t, unsigned parts, zo_json *w)
{
    if (zo_study_steps(s)) {
        api_step_number_write(t, w);
        return;
    }
    zo_json_key(w, "params");
    zo_params_write(zo_study_space(s), t->v, !(parts & ZO_TRIAL_NO_VECTORS), w);
}

void zo_api_trial_write(const zo_study *s, const zo_trial *t, unsigned parts, zo_json *w)
{
    zo_api_trial_write_after(s, t, parts, t->number, w);
}

void zo_api_trial_write_after(const zo_study *s, const zo_trial *t, unsigned parts, uint64_t applied, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_u64(w, "number", t->number);
    zo_json_key_string(w, "state", zo_trial_state_name(t->state));
    if (parts & ZO_TRIAL_ORACLE && zo_study_steps(s))
        api_step_write(s, t, applied, w);
    else if (t->state != ZO_TRIAL_FORGOTTEN)
        put_point(s, t, parts, w);
    if (any_value(s, t->values)) {
        zo_json_key(w, "values");
        zo_api_values_write(s, t->values, w);
    }
    if (any_value(s, t->std_errors)) {
        zo_json_key(w, "stderr");
        zo_api_values_write(s, t->std_errors, w);
    }
    if (parts & ZO_TRIAL_ORACLE && t->gradients) {
        zo_json_key(w, "gradients");
        api_gradients_write(s, t, w);
    }
    if (!isnan(t->cost))
        zo_json_key_double(w, "cost", t->cost);
    if (t->state == ZO_TRIAL_COMPLETE)
        zo_json_key_bool(w, "feasible", t->feasible);
    zo_json_key_string(w, "origin", zo_origin_name(t->origin));
    zo_json_key_u64(w, "attempt", t->attempt);
    if (t->worker)
        zo_json_key_string(w, "worker", t->worker);
    if (t->state == ZO_TRIAL_RUNNING && t->lease_expires_ms)
        zo_json_key_time(w, "lease_expires_at", t->lease_expires_ms);
    if (t->state != ZO_TRIAL_FORGOTTEN)
        zo_json_key_time(w, "created_at", t->created_ms);
    if (t->finished_ms)
        zo_json_key_time(w, "finished_at", t->finished_ms);
    if (t->reason)
        zo_json_key_string(w, "reason", t->reason);
    if (t->core || t->why) {
        zo_json_key(w, "provenance");
        zo_json_begin_object(w);
        if (t->core)
            zo_json_key_string(w, "core", t->core);
        if (t->why)
            zo_json_key_string(w, "why", t->why);
        if (!isnan(t->predicted))
            zo_json_key_double(w, "predicted", t->predicted);
        zo_json_end_object(w);
    }
    if (t->metadata) {
        zo_json_key(w, "metadata");
        zo_json_raw(w, t->metadata, strlen(t->metadata));
    }
    if (parts & ZO_TRIAL_REPORTS && t->n_reports)
        put_reports(s, t, w);
    zo_json_end_object(w);
}

void zo_api_best_write(const zo_study *s, unsigned parts, zo_json *w)
{
    uint64_t number;
    bool feasible;
    zo_trial t;

    if (zo_study_n_objectives(s) != 1 || !zo_study_best(s, &number, &feasible) || !feasible ||
        !zo_study_trial(s, number, &t)) {
        zo_json_null(w);
        return;
    }
    zo_json_begin_object(w);
    zo_json_key_u64(w, "number", t.number);
    put_point(s, &t, parts, w);
    zo_json_key(w, "values");
    zo_api_values_write(s, t.values, w);
    zo_json_end_object(w);
}

void zo_api_trials_write(const zo_study *s, const uint64_t *numbers, size_t n, unsigned parts, zo_json *w)
{
    zo_trial t;

    zo_json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        if (zo_study_trial(s, numbers[i], &t))
            zo_api_trial_write(s, &t, parts, w);
    zo_json_end_array(w);
}
