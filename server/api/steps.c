/* See steps.h. A client that has all but the newest move gets one; one that lost x gets them all, page by page. */
#include "api/steps.h"

#include <math.h>
#include <string.h>

#include "api/command.h"
#include "codec/jsonread.h"

enum { MAX_TERMS = 100000 }; /* of a page: about 6 MiB */

/* ---- writing ---- */

static void write_term(const zo_steps *steps, const zo_step_term *t, const char *scale_name, zo_json *w)
{
    zo_json_key_u64(w, "seed", t->seed);
    zo_json_key_double(w, scale_name, t->scale);
    if (t->group != SIZE_MAX)
        zo_json_key_string(w, "group", steps->space->groups[t->group].name);
    if (steps->plan->keep < 1)
        zo_json_key_u64(w, "mask", t->mask);
}

/* Moves of the steps after `applied` up to the trial's; true: some are left for another page. */
static bool write_moves(const zo_study *s, const zo_trial *t, uint64_t applied, zo_step_term *terms, zo_json *w)
{
    const zo_steps *steps = zo_study_steps(s);
    size_t shown = 0;

    for (uint64_t number = applied; number <= t->number; number++) {
        const size_t n = zo_study_move(s, number, terms);
        if (shown > 0 && shown + n > MAX_TERMS)
            return true;
        shown += n;
        for (size_t i = 0; i < n; i++) {
            zo_json_begin_object(w);
            zo_json_key_u64(w, "step", number + 1);
            write_term(steps, &terms[i], "coef", w);
            zo_json_end_object(w);
        }
    }
    return false;
}

static void write_probe(const zo_study *s, const zo_trial *t, size_t i, zo_step_term *terms, zo_json *w)
{
    const zo_steps *steps = zo_study_steps(s);
    const size_t n = zo_step_probe(steps, t->v, i, terms);
    const double answer = t->values[zo_study_n_named(s) + i];

    zo_json_begin_object(w);
    zo_json_key_u64(w, "id", i);
    zo_json_key(w, "terms");
    zo_json_begin_array(w);
    for (size_t k = 0; k < n; k++) {
        zo_json_begin_object(w);
        write_term(steps, &terms[k], "scale", w);
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
    if (!isnan(answer))
        zo_json_key_double(w, steps->plan->derivatives ? "jvp" : "value", answer);
    zo_json_end_object(w);
}

void api_step_number_write(const zo_trial *t, zo_json *w)
{
    zo_json_key_u64(w, "step", t->number + 1);
}

void api_step_write(const zo_study *s, const zo_trial *t, uint64_t applied, zo_json *w)
{
    const zo_steps *steps = zo_study_steps(s);
    zo_step_term *terms = zo_malloc(ZO_STEP_TERMS_MAX * sizeof *terms);

    if (!terms) {
        w->failed = true;
        return;
    }
    api_step_number_write(t, w);
    zo_json_key(w, "apply");
    zo_json_begin_array(w);
    const bool more = write_moves(s, t, applied, terms, w);
    zo_json_end_array(w);
    zo_json_key_bool(w, "more", more);
    zo_json_key(w, "probes");
    zo_json_begin_array(w);
    for (size_t i = 0; i < zo_step_n_probes(steps->plan, t->v); i++)
        write_probe(s, t, i, terms, w);
    zo_json_end_array(w);
    zo_json_key_string(w, "answer", steps->plan->derivatives ? "jvp" : "value");
    zo_json_key_u64(w, "batch_seed", zo_step_batch_seed(steps, t->v));
    zo_json_key(w, "directions");
    zo_json_begin_object(w);
    zo_json_key_string(w, "distribution", steps->plan->signs ? "rademacher" : "gaussian");
    zo_json_key_double(w, "keep", steps->plan->keep);
    zo_json_end_object(w);
    zo_free(terms);
}

/* ---- reading ---- */

struct probe_in {
    uint64_t id;
    double value, jvp;
};
enum { F_ID, F_VALUE, F_JVP };
static const zo_field probe_fields[] = {
    [F_ID] = {"id", ZO_F_U64, offsetof(struct probe_in, id), true, 0, 0},
    [F_VALUE] = {"value", ZO_F_F64, offsetof(struct probe_in, value), false, 0, 0},
    [F_JVP] = {"jvp", ZO_F_F64, offsetof(struct probe_in, jvp), false, 0, 0},
};

static zo_status read_probe(const json_t *doc, const zo_step_plan *plan, double *answers, zo_error *err)
{
    struct probe_in in = {.value = NAN, .jvp = NAN};
    const char *wanted = plan->derivatives ? "jvp" : "value", *other = plan->derivatives ? "value" : "jvp";
    zo_status rc;

    if ((rc = zo_json_read(doc, probe_fields, ZO_LEN(probe_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    const double answer = plan->derivatives ? in.jvp : in.value;
    if (!isnan(plan->derivatives ? in.value : in.jvp))
        return api_at(err, zo_fail(err, ZO_EINVAL, "", "this study's probes are answered by %s", wanted), other);
    if (isnan(answer))
        return api_at(err, zo_fail(err, ZO_EMALFORMED, "", "this field is missing"), wanted);
    if (in.id >= plan->n_answers)
        return zo_fail(err, ZO_EINVAL, "/id", "no step of this study has so many probes");
    if (!isnan(answers[in.id]))
        return zo_fail(err, ZO_EINVAL, "/id", "this probe is answered twice");
    answers[in.id] = answer;
    return ZO_OK;
}

zo_status api_probes_read(const json_t *list, const zo_study *s, zo_arena *arena, const double **values, zo_error *err)
{
    const zo_steps *steps = zo_study_steps(s);
    const size_t n_values = zo_study_n_values(s), n_named = zo_study_n_named(s);
    double *read;
    zo_status rc;

    if (!steps)
        return zo_fail(err, ZO_EINVAL, "", "this study has no probes: only a directional oracle has");
    if (!(read = zo_arena_array(arena, n_values, sizeof *read)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n_values; i++)
        read[i] = *values && i < n_named ? (*values)[i] : NAN;
    for (size_t i = 0; i < json_array_size(list); i++)
        if ((rc = read_probe(json_array_get(list, i), steps->plan, read + n_named, err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    *values = read;
    return ZO_OK;
}

zo_status api_applied_check(const zo_study *s, bool given, uint64_t applied, zo_error *err)
{
    if (!zo_study_steps(s))
        return given
                   ? zo_fail(err, ZO_EINVAL, "/applied", "this study has no steps to apply: only a directional one has")
                   : ZO_OK;
    if (!given)
        return zo_fail(err, ZO_EMALFORMED, "/applied",
                       "this field is missing: the last step whose moves x has, 0 for none");
    if (applied > zo_study_n_trials(s))
        return zo_fail(err, ZO_EINVAL, "/applied", "step %llu has not been handed out: the last one is %llu",
                       (unsigned long long)applied, (unsigned long long)zo_study_n_trials(s));
    return ZO_OK;
}
