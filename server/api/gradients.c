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

static zo_status find_missing(const zo_space *space, const double *row, zo_error *err)
{
    for (size_t i = 0; i < zo_space_n_params(space); i++) {
        size_t first;
        if (zo_space_place(space, i, &first) > 0 && isnan(row[first]))
            return api_at(err, zo_fail(err, ZO_EMALFORMED, "", "a derivative is missing"),
                          zo_space_param(space, i)->name);
    }
    return ZO_OK;
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
    return find_missing(space, row, err);
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

zo_status api_gradients_read(const json_t *doc, const zo_study *s, zo_arena *arena, const double **out, zo_error *err)
{
    const zo_space *space = zo_study_space(s);
    const size_t n = zo_space_n_dims(space);
    double *read;
    const char *key;
    json_t *v;
    size_t row;
    zo_status rc;

    *out = NULL;
    if (!doc)
        return ZO_OK;
    if (zo_study_oracle(s) != ZO_ORACLE_GRADIENT)
        return zo_fail(err, ZO_EINVAL, "", "this study takes no gradients: they need \"oracle\": \"gradient\"");
    if (!(read = zo_arena_array(arena, n_rows(s) * n, sizeof *read)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n_rows(s) * n; i++)
        read[i] = NAN;
    json_object_foreach ((json_t *)(uintptr_t)doc, key, v)
        if ((rc = find_row(s, key, &row, err)) != ZO_OK || (rc = read_row(v, space, read + row * n, err)) != ZO_OK)
            return api_at(err, rc, key);
    *out = read;
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
