/* Tell: one result or several, each of a trial handed out or of a point the client brings. See tell.h. */
#include "api/tell.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "api/gradients.h"
#include "api/handlers.h"
#include "api/steps.h"
#include "api/trial_json.h"
#include "codec/jsonread.h"
#include "codec/params.h"
#include "codec/spec.h"

enum { MAX_RESULTS = 10000, REASON_BYTES = 1024, WORKER_BYTES = 128 };

struct result_in {
    uint64_t number;
    const json_t *params, *values, *value, *gradients, *probes, *std_error, *metadata, *ignored;
    double cost;
    const char *state, *reason, *worker;
    int64_t created_ms, finished_ms;
};
#define IN(member) offsetof(struct result_in, member)
enum { F_NUMBER, F_PARAMS, F_STATE, F_VALUES, F_VALUE, F_GRADIENTS, F_PROBES, F_STDERR, F_COST, F_REASON, F_WORKER, F_METADATA };
/* clang-format off */
#define RESULT_FIELDS(number_name)                                              \
    [F_NUMBER] = {number_name, ZO_F_U64, IN(number), false, 0, 0},              \
    [F_PARAMS] = {"params", ZO_F_OBJECT, IN(params), false, 0, 0},              \
    [F_STATE] = {"state", ZO_F_STRING, IN(state), false, 0, 0},                 \
    [F_VALUES] = {"values", ZO_F_OBJECT, IN(values), false, 0, 0},              \
    [F_VALUE] = {"value", ZO_F_ANY, IN(value), false, 0, 0},                    \
    [F_GRADIENTS] = {"gradients", ZO_F_OBJECT, IN(gradients), false, 0, 0},    \
    [F_PROBES] = {"probes", ZO_F_ARRAY, IN(probes), false, 0, 0},               \
    [F_STDERR] = {"stderr", ZO_F_ANY, IN(std_error), false, 0, 0},              \
    [F_COST] = {"cost", ZO_F_F64, IN(cost), false, 0, DBL_MAX},                 \
    [F_REASON] = {"reason", ZO_F_STRING, IN(reason), false, 0, REASON_BYTES},   \
    [F_WORKER] = {"worker", ZO_F_STRING, IN(worker), false, 1, WORKER_BYTES},   \
    [F_METADATA] = {"metadata", ZO_F_ANY, IN(metadata), false, 0, 0}
#define IGNORED(name) {name, ZO_F_ANY, IN(ignored), false, 0, 0}
static const zo_field result_fields[] = {RESULT_FIELDS("trial")};
static const zo_field line_fields[] = {
    RESULT_FIELDS("number"),
    {"created_at", ZO_F_TIME_MS, IN(created_ms), false, 0, 0},
    {"finished_at", ZO_F_TIME_MS, IN(finished_ms), false, 0, 0},
    IGNORED("feasible"), IGNORED("origin"), IGNORED("attempt"), IGNORED("lease_expires_at"),
    IGNORED("provenance"), IGNORED("reports"),
};
/* clang-format on */

/* A vector parameter's row of an array as one more named value. */
static zo_status add_array(api_array *a, size_t row, const zo_study *s, zo_arena *arena, zo_named *named, size_t *n,
                           zo_error *err)
{
    const zo_param_spec *p = zo_space_param(zo_study_space(s), a->param);
    double *numbers = zo_arena_array(arena, p->size, sizeof *numbers);
    zo_status rc;

    if (!numbers)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < *n; i++)
        if (strcmp(named[i].name, p->name) == 0)
            return api_at(err, zo_fail(err, ZO_EMALFORMED, "", "is in the document and beside it"), p->name);
    if ((rc = api_array_row(a, row, numbers, err)) != ZO_OK)
        return api_at(err, rc, p->name);
    named[*n].name = p->name;
    named[(*n)++].value = (zo_scalar){.kind = ZO_NUMBERS, .numbers = numbers, .n_numbers = p->size};
    return ZO_OK;
}

static zo_status add_arrays(const api_arrays *arrays, size_t row, const zo_study *s, zo_arena *arena, zo_named **io,
                            size_t *n, zo_error *err)
{
    zo_named *named = zo_arena_array(arena, *n + arrays->n, sizeof *named);
    zo_status rc;

    if (!named)
        return zo_fail_nomem(err);
    if (*n)
        memcpy(named, *io, *n * sizeof *named);
    for (size_t i = 0; i < arrays->n; i++)
        if (arrays->list[i].value == API_POINT &&
            (rc = add_array(&arrays->list[i], row, s, arena, named, n, err)) != ZO_OK)
            return rc;
    *io = named;
    return ZO_OK;
}

zo_status api_point_read(const json_t *params, const api_arrays *arrays, size_t row, const zo_study *s, zo_arena *arena,
                         const double **out, zo_error *err)
{
    const zo_space *space = zo_study_space(s);
    zo_named *named = NULL;
    double *v;
    size_t n = 0;
    zo_status rc;

    if (!space)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "a directional study has no points: its steps are those that it asks for");
    if (!(v = zo_arena_array(arena, zo_space_n_dims(space), sizeof *v)))
        return zo_fail_nomem(err);
    if ((params && (rc = zo_params_read(params, arena, &named, &n, err)) != ZO_OK) ||
        (arrays && (rc = add_arrays(arrays, row, s, arena, &named, &n, err)) != ZO_OK) ||
        (rc = zo_space_encode(space, named, n, v, err)) != ZO_OK)
        return rc;
    *out = v;
    return ZO_OK;
}

static double *no_values(const zo_study *s, zo_arena *arena)
{
    const size_t n = zo_study_n_values(s);
    double *values = zo_arena_array(arena, n, sizeof *values);

    for (size_t i = 0; values && i < n; i++)
        values[i] = NAN;
    return values;
}

/* A map of declared names, each at least low, into values. */
static zo_status read_map(const json_t *map, const zo_study *s, double low, double *values, zo_error *err)
{
    const char *key;
    json_t *v;
    zo_status rc;

    json_object_foreach ((json_t *)(uintptr_t)map, key, v) {
        const size_t i = zo_study_value_index(s, key, strlen(key));

        if (i == SIZE_MAX)
            return api_at(err, zo_fail(err, ZO_EINVAL, "", "this study declares no value of this name"), key);
        if ((rc = zo_json_get_f64(v, &values[i], err)) != ZO_OK)
            return api_at(err, rc, key);
        if (values[i] < low)
            return api_at(err, zo_fail(err, ZO_EINVAL, "", "must not be negative"), key);
    }
    return ZO_OK;
}

static zo_status one_objective(const zo_study *s, zo_error *err)
{
    if (zo_study_n_objectives(s) == 1)
        return ZO_OK;
    return zo_fail(err, ZO_EINVAL, "", "this study has %zu objectives: give them by name", zo_study_n_objectives(s));
}

zo_status api_values_read(const json_t *values, const json_t *value, const zo_study *s, zo_arena *arena,
                          const double **out, zo_error *err)
{
    double *read = NULL;
    zo_status rc;

    if (values && value)
        return zo_fail(err, ZO_EMALFORMED, "/value", "give value or values, not both");
    if ((values || value) && !(read = no_values(s, arena)))
        return zo_fail_nomem(err);
    if (values && (rc = read_map(values, s, -INFINITY, read, err)) != ZO_OK)
        return api_at(err, rc, "values");
    if (value && ((rc = zo_json_get_f64(value, read, err)) != ZO_OK || (rc = one_objective(s, err)) != ZO_OK))
        return api_at(err, rc, "value");
    *out = read;
    return ZO_OK;
}

static zo_status read_std_errors(const json_t *v, const zo_study *s, zo_arena *arena, const double **out, zo_error *err)
{
    double *read = no_values(s, arena);
    zo_status rc;

    if (!read)
        return zo_fail_nomem(err);
    *out = read;
    if (json_is_object(v))
        return read_map(v, s, 0, read, err);
    if (!json_is_number(v))
        return zo_fail(err, ZO_EMALFORMED, "", "must be a number, or an object of numbers by name");
    if ((rc = zo_json_get_f64(v, read, err)) != ZO_OK || (rc = one_objective(s, err)) != ZO_OK)
        return rc;
    return read[0] < 0 ? zo_fail(err, ZO_EINVAL, "", "must not be negative") : ZO_OK;
}

static zo_status keep(const char *text, zo_arena *arena, const char **out, zo_error *err)
{
    if (text && !(*out = zo_arena_strdup(arena, text)))
        return zo_fail_nomem(err);
    return ZO_OK;
}

/* queued and running are no results; *open_out says so, where the caller wants to know. */
static zo_status read_state(const char *text, zo_trial_state *out, bool *open_out, zo_error *err)
{
    *out = ZO_TRIAL_COMPLETE;
    if (open_out)
        *open_out = false;
    if (!text)
        return ZO_OK;
    if (!zo_trial_state_parse(text, out) || (!open_out && (*out == ZO_TRIAL_QUEUED || *out == ZO_TRIAL_RUNNING)))
        return zo_fail(err, ZO_EINVAL, "/state", "must be one of complete, infeasible, failed, stopped, abandoned");
    if (open_out)
        *open_out = *out == ZO_TRIAL_QUEUED || *out == ZO_TRIAL_RUNNING;
    return ZO_OK;
}

static bool has_point(const struct result_in *in, const api_arrays *arrays)
{
    bool has = in->params != NULL;

    for (size_t i = 0; arrays && i < arrays->n; i++)
        has |= arrays->list[i].value == API_POINT;
    return has;
}

/* What results and lines have in common. A row of arrays holds a point where no trial is named, and gradients where it
 * is complete. */
static zo_status read_common(const struct result_in *in, const api_arrays *arrays, size_t row, const zo_study *s,
                             zo_arena *arena, zo_tell_item *t, zo_error *err)
{
    const api_arrays *gradients = t->state == ZO_TRIAL_COMPLETE ? arrays : NULL;
    zo_status rc;

    if (!t->by_number && (rc = api_point_read(in->params, arrays, row, s, arena, &t->v, err)) != ZO_OK)
        return api_at(err, rc, "params");
    if ((rc = api_values_read(in->values, in->value, s, arena, &t->values, err)) != ZO_OK)
        return rc;
    if ((rc = api_gradients_read(in->gradients, gradients, row, s, arena, &t->gradients, err)) != ZO_OK)
        return api_at(err, rc, "gradients");
    if (in->probes && (rc = api_probes_read(in->probes, s, arena, &t->values, err)) != ZO_OK)
        return api_at(err, rc, "probes");
    if (in->std_error && (rc = read_std_errors(in->std_error, s, arena, &t->std_errors, err)) != ZO_OK)
        return api_at(err, rc, "stderr");
    if (in->metadata && (rc = zo_spec_decode_metadata(in->metadata, arena, &t->metadata, err)) != ZO_OK)
        return api_at(err, rc, "metadata");
    if ((rc = keep(in->reason, arena, &t->reason, err)) != ZO_OK)
        return rc;
    t->cost = in->cost;
    return keep(in->worker, arena, &t->worker, err);
}

static zo_status read_result(const json_t *doc, const api_arrays *arrays, size_t row, const zo_study *s,
                             zo_arena *arena, zo_tell_item *out, zo_error *err)
{
    struct result_in in = {.cost = NAN};
    zo_tell_item t = {.origin = ZO_ORIGIN_CLIENT};
    uint64_t seen;
    zo_status rc;

    if ((rc = zo_json_read(doc, result_fields, ZO_LEN(result_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    t.by_number = seen >> F_NUMBER & 1;
    t.number = in.number;
    if (t.by_number && in.params)
        return zo_fail(err, ZO_EMALFORMED, "/params", "give trial or params, not both");
    if (!t.by_number && !has_point(&in, arrays))
        return zo_fail(err, ZO_EMALFORMED, "", "a result needs trial, or params for a point of your own");
    if ((rc = read_state(in.state, &t.state, NULL, err)) != ZO_OK ||
        (rc = read_common(&in, arrays, row, s, arena, &t, err)) != ZO_OK)
        return rc;
    *out = t;
    return ZO_OK;
}

zo_status api_line_read(const json_t *doc, const zo_study *s, zo_arena *arena, zo_tell_item *out, bool *skip_out,
                        zo_error *err)
{
    struct result_in in = {.cost = NAN};
    zo_tell_item t = {.origin = ZO_ORIGIN_IMPORT};
    uint64_t seen;
    zo_status rc;

    if ((rc = zo_json_read(doc, line_fields, ZO_LEN(line_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    if (zo_study_steps(s))
        return zo_fail(err, ZO_EUNSUPPORTED, "", "steps of a directional study can't be imported: its vector is with its client");
    if (!in.params)
        return zo_fail(err, ZO_EMALFORMED, "/params", "this field is missing");
    if ((rc = read_state(in.state, &t.state, skip_out, err)) != ZO_OK || *skip_out)
        return rc;
    t.has_import_number = seen >> F_NUMBER & 1;
    t.import_number = in.number;
    t.created_ms = in.created_ms;
    t.finished_ms = in.finished_ms;
    if ((rc = read_common(&in, NULL, 0, s, arena, &t, err)) != ZO_OK)
        return rc;
    *out = t;
    return ZO_OK;
}

static zo_status reserve(api_results *t, size_t n, zo_arena *arena, zo_error *err)
{
    t->n = n;
    t->items = zo_arena_array(arena, n, sizeof *t->items);
    t->numbers = zo_arena_array(arena, n, sizeof *t->numbers);
    return t->items && t->numbers ? ZO_OK : zo_fail_nomem(err);
}

static zo_status read_results(const json_t *list, const api_arrays *arrays, const zo_study *s, zo_arena *arena,
                              api_results *t, zo_error *err)
{
    zo_status rc;

    for (size_t i = 0; i < t->n; i++)
        if ((rc = read_result(json_array_get(list, i), arrays, i, s, arena, &t->items[i], err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    return ZO_OK;
}

static zo_status check_list(const json_t *doc, const json_t *results, zo_error *err)
{
    const size_t n = json_array_size(results);
    const char *key;
    json_t *v;

    json_object_foreach ((json_t *)(uintptr_t)doc, key, v)
        if (v != results)
            return api_at(err, zo_fail(err, ZO_EMALFORMED, "", "results come alone"), key);
    if (!json_is_array(results))
        return zo_fail(err, ZO_EMALFORMED, "/results", "must be an array");
    if (n == 0 || n > MAX_RESULTS)
        return zo_fail(err, ZO_EINVAL, "/results", "must have 1 to %d results", MAX_RESULTS);
    return ZO_OK;
}

zo_status api_results_read(const json_t *doc, const zo_bundle *arrays, const char *prefix, const zo_study *s,
                           zo_arena *arena, api_results *out, zo_error *err)
{
    const json_t *results = json_object_get(doc, "results");
    api_results t = {.many = results != NULL};
    api_arrays rows;
    zo_status rc;

    if (t.many && (rc = check_list(doc, results, err)) != ZO_OK)
        return rc;
    if ((rc = reserve(&t, t.many ? json_array_size(results) : 1, arena, err)) != ZO_OK ||
        (rc = api_arrays_bind(arrays, prefix, t.n, s, arena, &rows, err)) != ZO_OK)
        return rc;
    if (!t.many && (rc = read_result(doc, &rows, 0, s, arena, t.items, err)) != ZO_OK)
        return rc;
    if (t.many && (rc = read_results(results, &rows, s, arena, &t, err)) != ZO_OK)
        return api_at(err, rc, "results");
    if ((rc = api_arrays_check(&rows, err)) != ZO_OK)
        return rc;
    *out = t;
    return ZO_OK;
}

zo_status api_results_apply(const api_results *t, zo_ctx *x, zo_error *err)
{
    size_t failed_at = SIZE_MAX;
    const zo_status rc = zo_study_tell(x->study, t->items, t->n, x->now, x->events, t->numbers, &failed_at, err);

    if (rc != ZO_OK && rc != ZO_ENOMEM && t->many && failed_at < t->n)
        zo_fail_at(err, "/results/%zu", failed_at);
    return rc;
}

/* "best/params/{parameter}" of the one that zo_api_best_write shows. */
static void put_best(const zo_study *s, const char *prefix, api_out *o)
{
    char below[32];
    uint64_t number;
    bool feasible;

    snprintf(below, sizeof below, "%sbest/", prefix);
    if (zo_study_n_objectives(s) == 1 && zo_study_best(s, &number, &feasible) && feasible)
        api_out_points(o, s, &number, 1, below);
}

void api_results_write(const api_results *t, const zo_study *s, const char *prefix, api_out *o)
{
    zo_trial trial;

    zo_json_begin_object(&o->w);
    if (t->many) {
        zo_json_key(&o->w, "trials");
        zo_api_trials_write(s, t->numbers, t->n, o->parts, &o->w);
    } else if (zo_study_trial(s, t->numbers[0], &trial)) {
        zo_json_key(&o->w, "trial");
        zo_api_trial_write(s, &trial, o->parts, &o->w);
    }
    zo_json_key(&o->w, "best");
    zo_api_best_write(s, o->parts, &o->w);
    zo_json_end_object(&o->w);
    api_out_points(o, s, t->numbers, t->n, prefix);
    put_best(s, prefix, o);
}

static zo_status work_tell(api_cmd *c, zo_ctx *x, zo_error *err)
{
    api_body body;
    api_results t;
    api_out o;
    zo_status rc;

    if ((rc = api_body_read(c, &body, err)) != ZO_OK)
        return rc;
    rc = api_results_read(body.doc, &body.arrays, "", x->study, x->scratch, &t, err);
    api_body_fini(&body);
    if (rc != ZO_OK || (rc = api_results_apply(&t, x, err)) != ZO_OK)
        return rc;
    api_out_init(&o, c);
    api_results_write(&t, x->study, "", &o);
    api_out_reply(&o, 200);
    return ZO_OK;
}

zo_status api_tell(zo_req *req, zo_error *err)
{
    bool apart;
    api_cmd *c;
    zo_status rc;

    if (!api_accepts_arrays(req, &apart))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_tell, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    c->apart = apart;
    c->histogram = &zo_metric.tell_us;
    api_submit_study(c);
    return ZO_OK;
}
