/* See study_json.h. */
#include "api/study_json.h"

#include <stdlib.h>
#include <string.h>

static void put_labels(const char *name, const char *title, const char *metadata, zo_json *w)
{
    zo_json_key_string(w, "name", name);
    zo_json_key_string(w, "title", title && *title ? title : NULL); /* "": removed by PATCH */
    zo_json_key(w, "metadata");
    if (metadata)
        zo_json_raw(w, metadata, strlen(metadata));
    else
        zo_json_raw(w, "{}", 2);
}

void api_state_members(const zo_study *s, zo_json *w)
{
    const char *reason = NULL;

    zo_json_key_string(w, "state", zo_study_state_name(zo_study_get_state(s, &reason)));
    if (reason)
        zo_json_key_string(w, "reason", reason);
    if (zo_study_end_detail(s))
        zo_json_key_string(w, "detail", zo_study_end_detail(s));
}

void api_counts_write(const zo_study *s, zo_json *w)
{
    const zo_counts c = zo_study_counts(s);

    zo_json_begin_object(w);
    for (int i = 0; i < ZO_TRIAL_STATE_COUNT; i++)
        zo_json_key_u64(w, zo_trial_state_name((zo_trial_state)i), c.by_state[i]);
    zo_json_key_u64(w, "total", c.total);
    zo_json_key_u64(w, "handed_out", c.handed_out);
    zo_json_end_object(w);
}

/* ---- the solver's facts: short strings by name; those of one of its cores have the name CORE.WHAT ---- */

/* First what every client may look for. */
static const char *const known_facts[] = {"running", "reason", "stage"};

static bool is_known_fact(const char *key)
{
    for (size_t i = 0; i < ZO_LEN(known_facts); i++)
        if (strcmp(key, known_facts[i]) == 0)
            return true;
    return false;
}

static void put_core_fact(const char *what, const char *text, double sign, zo_json *w)
{
    if (strcmp(what, "best") == 0)
        zo_json_key_double(w, what, sign * strtod(text, NULL) + 0.0);
    else if (strcmp(what, "gain") == 0)
        zo_json_key_double(w, what, strtod(text, NULL));
    else if (strcmp(what, "last_end") == 0)
        zo_json_key_string(w, what, text);
    else
        zo_json_key_u64(w, what, strtoull(text, NULL, 10));
}

/* The facts of one core are neighbours. */
static void put_cores(const zo_bundle *facts, double sign, zo_json *w)
{
    const char *core = NULL;
    size_t n = 0;

    for (size_t i = 0; i < facts->n_meta; i++) {
        const char *key = facts->meta[i].key, *dot = strchr(key, '.');

        if (!dot)
            continue;
        if (!core) {
            zo_json_key(w, "cores");
            zo_json_begin_array(w);
        }
        if (!core || n != (size_t)(dot - key) || memcmp(core, key, n) != 0) {
            if (core)
                zo_json_end_object(w);
            core = key;
            n = (size_t)(dot - key);
            zo_json_begin_object(w);
            zo_json_key(w, "name");
            zo_json_string_n(w, core, n);
        }
        put_core_fact(dot + 1, facts->meta[i].value, sign, w);
    }
    if (core) {
        zo_json_end_object(w);
        zo_json_end_array(w);
    }
}

static void put_facts(const zo_bundle *facts, double sign, zo_json *w)
{
    bool more = false;

    for (size_t i = 0; i < ZO_LEN(known_facts); i++)
        if (zo_bundle_meta(facts, known_facts[i]))
            zo_json_key_string(w, known_facts[i], zo_bundle_meta(facts, known_facts[i]));
    put_cores(facts, sign, w);
    for (size_t i = 0; i < facts->n_meta; i++) {
        if (is_known_fact(facts->meta[i].key) || strchr(facts->meta[i].key, '.'))
            continue;
        if (!more) {
            zo_json_key(w, "facts");
            zo_json_begin_object(w);
            more = true;
        }
        zo_json_key_string(w, facts->meta[i].key, facts->meta[i].value);
    }
    if (more)
        zo_json_end_object(w);
}

zo_status api_solver_write(const zo_spec *spec, const zo_study *s, zo_json *w, zo_error *err)
{
    const zo_solver *solver = zo_study_solver(s);
    zo_bundle facts;
    zo_status rc;

    zo_bundle_init(&facts);
    if ((rc = zo_study_describe(s, &facts, err)) != ZO_OK) {
        zo_bundle_fini(&facts);
        return rc;
    }
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", solver->name);
    zo_json_key_u64(w, "version", solver->version);
    zo_json_key(w, "options");
    zo_spec_encode_options(spec, w);
    put_facts(&facts, spec->study.objectives[0].maximize ? -1 : 1, w);
    zo_json_end_object(w);
    zo_bundle_fini(&facts);
    return ZO_OK;
}

zo_status api_study_write(const zo_study_row *row, const zo_spec *spec, const zo_study *s, uint64_t revision,
                          zo_json *w, zo_error *err)
{
    const zo_budget budget = zo_study_budget(s);
    zo_status rc;

    zo_json_begin_object(w);
    if (row) {
        zo_json_key_string(w, "id", row->id);
        put_labels(row->name, row->title, row->metadata, w);
    } else {
        put_labels(spec->name, spec->title, spec->metadata, w);
    }
    api_state_members(s, w);
    zo_json_key(w, "budget");
    zo_spec_encode_budget(&budget, w);
    zo_json_key(w, "solver");
    if ((rc = api_solver_write(spec, s, w, err)) != ZO_OK)
        return rc;
    if (row) {
        zo_json_key(w, "counts");
        api_counts_write(s, w);
        zo_json_key_time(w, "created_at", row->created_ms);
        zo_json_key_time(w, "updated_at", row->updated_ms);
        zo_json_key_u64(w, "revision", revision);
    }
    zo_spec_encode_members(spec, w);
    zo_json_end_object(w);
    return ZO_OK;
}

void api_summary_write(const zo_study_row *row, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "id", row->id);
    put_labels(row->name, row->title, row->metadata, w);
    zo_json_key_string(w, "state", row->state);
    zo_json_key_time(w, "created_at", row->created_ms);
    zo_json_key_time(w, "updated_at", row->updated_ms);
    zo_json_end_object(w);
}
