/* See gradients.h. */
#include "api/gradients.h"

#include <math.h>
#include <string.h>

#include "api/command.h"
#include "codec/jsonread.h"

static size_t n_rows(const zo_study *s)
{
    return zo_study_n_objectives(s) + zo_study_n_constraints(s);
}

/* ---- reading ---- */

static zo_status read_vector(const json_t *v, size_t n, double *to, zo_error *err)
{
    zo_status rc;

    if (!json_is_array(v))
        return zo_fail(err, ZO_EMALFORMED, "", "expected an array of %zu numbers", n);
    if (json_array_size(v) != n)
        return zo_fail(err, ZO_EINVAL, "", "expected %zu numbers, not %zu", n, json_array_size(v));
    for (size_t i = 0; i < n; i++)
        if ((rc = zo_json_get_f64(json_array_get(v, i), &to[i], err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    return ZO_OK;
}

/* The derivatives by one parameter into their places of row. */
static zo_status read_param(const json_t *v, const char *name, const zo_space *space, double *row, zo_error *err)
{
    const size_t param = zo_space_find(space, name);
    size_t first, n;

    if (param == SIZE_MAX)
        return zo_fail(err, ZO_EMALFORMED, "", "unknown parameter");
    n = zo_space_place(space, param, &first);
    if (n == 0)
        return zo_fail(err, ZO_EINVAL, "", "a fixed parameter has no derivative");
    return zo_space_param(space, param)->type == ZO_VECTOR ? read_vector(v, n, row + first, err)
                                                           : zo_json_get_f64(v, row + first, err);
}

static zo_status read_row(const json_t *doc, const zo_space *space, double *row, zo_error *err)
{
    const char *key;
    json_t *v;
    zo_status rc;

    if (!json_is_object(doc))
        return zo_fail(err, ZO_EMALFORMED, "", "must be an object of derivatives by parameter");
    json_object_foreach ((json_t *)(uintptr_t)doc, key, v)
        if ((rc = read_param(v, key, space, row, err)) != ZO_OK)
            return api_at(err, rc, key);
    return ZO_OK;
}

static zo_status find_row(const zo_study *s, const char *name, size_t *out, zo_error *err)
{
    *out = zo_study_value_index(s, name, strlen(name));
    if (*out == SIZE_MAX)
        return zo_fail(err, ZO_EINVAL, "", "this study declares no value of this name");
    if (*out >= n_rows(s))
        return zo_fail(err, ZO_EINVAL, "", "a metric has no gradient: it is stored only");
    return ZO_OK;
}

/* What is read so far, NaN where nothing is. */
struct rows {
    const zo_study *s;
    const zo_space *space;
    size_t n;       /* in a row */
    double *at;     /* [n_rows][n] */
    bool *is_given; /* [n_rows] begun, at least */
};

static zo_status new_rows(const zo_study *s, zo_arena *arena, struct rows *out, zo_error *err)
{
    struct rows r = {.s = s, .space = zo_study_space(s), .n = zo_space_n_dims(zo_study_space(s))};

    r.at = zo_arena_array(arena, n_rows(s) * r.n, sizeof *r.at);
    r.is_given = zo_arena_array(arena, n_rows(s), sizeof *r.is_given);
    if (!r.at || !r.is_given)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n_rows(s) * r.n; i++)
        r.at[i] = NAN;
    *out = r;
    return ZO_OK;
}

static zo_status read_document(const json_t *doc, struct rows *r, zo_error *err)
{
    const char *key;
    json_t *v;
    size_t j;
    zo_status rc;

    json_object_foreach ((json_t *)(uintptr_t)doc, key, v) {
        if ((rc = find_row(r->s, key, &j, err)) != ZO_OK ||
            (rc = read_row(v, r->space, r->at + j * r->n, err)) != ZO_OK)
            return api_at(err, rc, key);
        r->is_given[j] = true;
    }
    return ZO_OK;
}

/* One array's row: a vector's place, which the document left free. */
static zo_status read_array(api_array *a, size_t row, struct rows *r, zo_error *err)
{
    size_t first;

    zo_space_place(r->space, a->param, &first);
    double *to = r->at + a->value * r->n + first;
    if (!isnan(*to))
        return zo_fail(err, ZO_EMALFORMED, "", "is in the document and beside it");
    r->is_given[a->value] = true;
    return api_array_row(a, row, to, err);
}

static zo_status at_value(const struct rows *r, size_t value, size_t param, zo_status rc, zo_error *err)
{
    api_at(err, rc, zo_space_param(r->space, param)->name);
    return api_at(err, rc, zo_study_value_name(r->s, value));
}

static zo_status read_arrays(const api_arrays *arrays, size_t row, struct rows *r, zo_error *err)
{
    zo_status rc;

    for (size_t i = 0; i < arrays->n; i++) {
        api_array *a = &arrays->list[i];
        if (a->value != API_POINT && (rc = read_array(a, row, r, err)) != ZO_OK)
            return at_value(r, a->value, a->param, rc, err);
    }
    return ZO_OK;
}

/* A gradient that is given is given whole. */
static zo_status find_missing(const struct rows *r, zo_error *err)
{
    for (size_t j = 0; j < n_rows(r->s); j++)
        for (size_t i = 0; r->is_given[j] && i < zo_space_n_params(r->space); i++) {
            size_t first;
            if (zo_space_place(r->space, i, &first) > 0 && isnan(r->at[j * r->n + first]))
                return at_value(r, j, i, zo_fail(err, ZO_EMALFORMED, "", "a derivative is missing"), err);
        }
    return ZO_OK;
}

static bool has_gradients(const api_arrays *arrays)
{
    for (size_t i = 0; arrays && i < arrays->n; i++)
        if (arrays->list[i].value != API_POINT)
            return true;
    return false;
}

zo_status api_gradients_read(const json_t *doc, const api_arrays *arrays, size_t row, const zo_study *s,
                             zo_arena *arena, const double **out, zo_error *err)
{
    struct rows r = {0};
    zo_status rc;

    *out = NULL;
    if (doc && zo_study_oracle(s) != ZO_ORACLE_GRADIENT)
        return zo_fail(err, ZO_EINVAL, "", "this study takes no gradients: they need \"oracle\": \"gradient\"");
    if (json_object_size(doc) == 0 && !has_gradients(arrays))
        return ZO_OK;
    if ((rc = new_rows(s, arena, &r, err)) != ZO_OK || (rc = read_document(doc, &r, err)) != ZO_OK ||
        (arrays && (rc = read_arrays(arrays, row, &r, err)) != ZO_OK) || (rc = find_missing(&r, err)) != ZO_OK)
        return rc;
    *out = r.at;
    return ZO_OK;
}

/* ---- writing ---- */

static void write_row(const zo_space *space, const double *row, zo_json *w)
{
    zo_json_begin_object(w);
    for (size_t i = 0; i < zo_space_n_params(space); i++) {
        const zo_param_spec *p = zo_space_param(space, i);
        size_t first;
        const size_t n = zo_space_place(space, i, &first);

        if (n == 0)
            continue;
        zo_json_key(w, p->name);
        if (p->type == ZO_VECTOR)
            zo_json_scalar_write(w, &(zo_scalar){.kind = ZO_NUMBERS, .numbers = row + first, .n_numbers = n});
        else
            zo_json_double(w, row[first]);
    }
    zo_json_end_object(w);
}

void api_gradients_write(const zo_study *s, const zo_trial *t, zo_json *w)
{
    const zo_space *space = zo_study_space(s);
    const size_t n = zo_space_n_dims(space);

    zo_json_begin_object(w);
    for (size_t j = 0; t->gradients && j < n_rows(s); j++) {
        if (isnan(t->gradients[j * n]))
            continue;
        zo_json_key(w, zo_study_value_name(s, j));
        write_row(space, t->gradients + j * n, w);
    }
    zo_json_end_object(w);
}
