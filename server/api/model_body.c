/* See model_body.h. */
#include "api/model_body.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "codec/jsonread.h"

enum { MAX_NAME = 256, LABEL_CHARS = 24 };
static const zo_json_limits row_limits = {.tokens = 2000000}; /* a row is many tokens; the body's size bounds them */

static void *own(api_rows *r, size_t bytes)
{
    void *p = r->n_owned < ZO_LEN(r->owned) ? zo_malloc(bytes ? bytes : 1) : NULL;

    if (!p)
        return NULL;
    r->bytes[r->n_owned] = bytes;
    r->owned[r->n_owned++] = p;
    return p;
}

void api_rows_fini(api_rows *r)
{
    for (size_t i = 0; i < r->n_owned; i++) {
        explicit_bzero(r->owned[i], r->bytes[i]);
        zo_free(r->owned[i]);
    }
    json_decref(r->doc);
    zo_tensors_fini(&r->view);
    *r = (api_rows){0};
}

/* ---- the two forms ---- */

bool api_is_safetensors(const zo_req *req)
{
    const char *type = zo_req_header(req, "Content-Type"), *ours = api_array_types[API_AS_ARRAYS];

    return type && strncasecmp(type, ours, strlen(ours)) == 0;
}

static zo_status open_body(const api_cmd *c, api_rows *r, zo_error *err)
{
    size_t n;
    const char *bytes = zo_req_body(c->req, &n), *text;
    zo_status rc;

    if (!api_is_safetensors(c->req))
        return zo_json_parse(bytes, n, &row_limits, &r->doc, err);
    if ((rc = zo_safetensors_view(bytes, n, &r->view, err)) != ZO_OK)
        return rc;
    text = zo_tensors_meta(&r->view, "json");
    return text                       ? zo_json_parse(text, strlen(text), &row_limits, &r->doc, err)
           : (r->doc = json_object()) ? ZO_OK
                                      : zo_fail_nomem(err);
}

static bool is_known(const char *key, unsigned fields, const char *const *known)
{
    static const struct {
        const char *key;
        unsigned field;
    } ours[] = {{"x", ROWS_X},     {"y", ROWS_TARGETS},   {"labels", ROWS_TARGETS},
                {"ids", ROWS_IDS}, {"group", ROWS_PLACE}, {"task", ROWS_PLACE}};

    for (size_t i = 0; i < ZO_LEN(ours); i++)
        if ((fields & ours[i].field) && strcmp(key, ours[i].key) == 0)
            return true;
    for (; known && *known; known++)
        if (strcmp(key, *known) == 0)
            return true;
    return false;
}

static zo_status check_members(const api_rows *r, unsigned fields, const char *const *known, zo_error *err)
{
    const char *key;
    json_t *v;

    json_object_foreach (r->doc, key, v) {
        if (is_known(key, fields, known))
            continue;
        zo_fail(err, ZO_EMALFORMED, "", "unknown field");
        return api_at(err, ZO_EMALFORMED, key);
    }
    for (size_t i = 0; i < r->view.n_arrays; i++) {
        key = r->view.arrays[i].name;
        if (is_known(key, fields, NULL) && (key[0] == 'x' || key[0] == 'y' || strcmp(key, "labels") == 0) &&
            !json_object_get(r->doc, key))
            continue;
        zo_fail(err, ZO_EMALFORMED, "", "unknown array, or one that is in the document, too");
        return api_at(err, ZO_EMALFORMED, key);
    }
    return ZO_OK;
}

/* ---- numbers ---- */

typedef zo_status quantise_fn(const zo_model *m, const void *x, zo_dtype t, size_t n, int32_t *out, zo_error *err);

static zo_status json_row(const json_t *row, size_t i, size_t columns, double *out, zo_error *err)
{
    zo_status rc;

    if (!json_is_array(row)) {
        zo_fail(err, ZO_EMALFORMED, "", "must be an array of rows, each an array of numbers");
        return zo_fail_at(err, "/%zu", i);
    }
    if (json_array_size(row) != columns) {
        zo_fail(err, ZO_EINVAL, "", "has %zu numbers where the model needs %zu", json_array_size(row), columns);
        return zo_fail_at(err, "/%zu", i);
    }
    for (size_t k = 0; k < columns; k++)
        if ((rc = zo_json_get_f64(json_array_get(row, k), &out[k], err)) != ZO_OK)
            return zo_fail_at(err, "/%zu/%zu", i, k);
    return ZO_OK;
}

static zo_status from_json(api_rows *r, const json_t *v, const zo_model *m, size_t columns, quantise_fn *quantise,
                           size_t *n_out, int32_t **out, zo_error *err)
{
    const size_t n = json_array_size(v);
    double *row = zo_malloc(columns * sizeof *row);
    zo_status rc = ZO_OK;

    if (!row || !(*out = own(r, n * columns * sizeof **out)))
        rc = zo_fail_nomem(err);
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        if ((rc = json_row(json_array_get(v, i), i, columns, row, err)) != ZO_OK)
            break;
        if ((rc = quantise(m, row, ZO_F64, 1, *out + i * columns, err)) != ZO_OK) {
            char column[sizeof err->pointer];

            memmove(column, strchr(err->pointer + 1, '/'),
                    strlen(strchr(err->pointer + 1, '/')) + 1); /* "/0/7": the row is i */
            memcpy(err->pointer, column, sizeof column);
            zo_fail_at(err, "/%zu", i);
        }
    }
    if (row)
        explicit_bzero(row, columns * sizeof *row);
    zo_free(row);
    *n_out = n;
    return rc;
}

/* Numbers of four bytes become integers of four bytes where they lie, in the request's own body: a batch is up to
 * hundreds of megabytes, and fresh pages for it cost as much as the sums of its rows. A body that is remembered with
 * its Idempotency-Key must stay as it is. */
static int32_t *in_place(const api_rows *r, const zo_tensor *t)
{
    const uintptr_t at = (uintptr_t)t->data;

    return r->may_overwrite && t->dtype == ZO_F32 && at % _Alignof(int32_t) == 0 ? (int32_t *)at : NULL;
}

static zo_status from_tensor(api_rows *r, const zo_tensor *t, const zo_model *m, size_t columns, quantise_fn *quantise,
                             size_t *n_out, int32_t **out, zo_error *err)
{
    if (t->dtype != ZO_F32 && t->dtype != ZO_F64)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "must be F32 or F64");
    if (t->n_dims != 2 || t->dims[1] != columns)
        return zo_fail(err, ZO_EINVAL, "", "must have the shape [rows, %zu]", columns);
    if (!(*out = in_place(r, t)) && !(*out = own(r, t->dims[0] * columns * sizeof **out)))
        return zo_fail_nomem(err);
    *n_out = t->dims[0];
    return quantise(m, t->data, t->dtype, t->dims[0], *out, err);
}

static zo_status read_matrix(api_rows *r, const char *key, const zo_model *m, size_t columns, quantise_fn *quantise,
                             size_t *n_out, int32_t **out, bool *found, zo_error *err)
{
    const json_t *v = json_object_get(r->doc, key);
    const zo_tensor *t = zo_tensors_get(&r->view, key);
    zo_status rc = ZO_OK;

    *found = v || t;
    if (v && !json_is_array(v))
        rc = zo_fail(err, ZO_EMALFORMED, "", "must be an array of rows, each an array of numbers");
    else if (v)
        rc = from_json(r, v, m, columns, quantise, n_out, out, err);
    else if (t)
        rc = from_tensor(r, t, m, columns, quantise, n_out, out, err);
    return rc == ZO_OK ? ZO_OK : api_at(err, rc, key);
}

/* ---- texts ---- */

zo_status api_rows_strings(api_rows *r, const json_t *v, const char *key, const char *const **out, size_t *n_out,
                           zo_error *err)
{
    const size_t n = json_array_size(v);
    const char **list;
    zo_status rc;

    if (!json_is_array(v)) {
        zo_fail(err, ZO_EMALFORMED, "", "must be an array of strings");
        return api_at(err, ZO_EMALFORMED, key);
    }
    if (!(list = own(r, n * sizeof *list)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if ((rc = zo_json_get_string(json_array_get(v, i), &list[i], err)) == ZO_OK &&
            (!list[i][0] || strlen(list[i]) > MAX_NAME))
            rc = zo_fail(err, ZO_EINVAL, "", "must have 1 to %d bytes", MAX_NAME);
        if (rc != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return api_at(err, rc, key);
        }
    }
    *out = list;
    *n_out = n;
    return ZO_OK;
}

static zo_status number_label(const zo_tensor *t, size_t i, char *text, zo_error *err)
{
    long long v;

    switch (t->dtype) {
    case ZO_U8:
        v = ((const uint8_t *)t->data)[i];
        break;
    case ZO_I32: {
        int32_t k;
        memcpy(&k, (const char *)t->data + i * sizeof k, sizeof k);
        v = k;
        break;
    }
    case ZO_I64: {
        int64_t k;
        memcpy(&k, (const char *)t->data + i * sizeof k, sizeof k);
        v = k;
        break;
    }
    case ZO_F64:
    case ZO_F32:
    case ZO_U64:
    default:
        return zo_fail(err, ZO_EUNSUPPORTED, "", "labels must be U8, I32 or I64, or strings in the document");
    }
    snprintf(text, LABEL_CHARS, "%lld", v);
    return ZO_OK;
}

static zo_status labels_of_tensor(api_rows *r, const zo_tensor *t, size_t *n_out, zo_error *err)
{
    const size_t n = t->n_dims == 1 ? t->dims[0] : 0;
    char *text;
    const char **list;
    zo_status rc;

    if (t->n_dims != 1)
        return zo_fail(err, ZO_EINVAL, "", "must have the shape [rows]");
    if (!(list = own(r, n * sizeof *list)) || !(text = own(r, n * LABEL_CHARS)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        list[i] = text + i * LABEL_CHARS;
        if ((rc = number_label(t, i, text + i * LABEL_CHARS, err)) != ZO_OK)
            return rc;
    }
    r->rows.labels = list;
    *n_out = n;
    return ZO_OK;
}

static zo_status count_must_be(size_t n, size_t rows, const char *key, zo_error *err)
{
    char pointer[32] = "";

    if (n == rows)
        return ZO_OK;
    zo_pointer_append(pointer, sizeof pointer, key);
    return zo_fail(err, ZO_EINVAL, pointer, "has %zu entries for %zu rows", n, rows);
}

static zo_status read_labels(api_rows *r, const zo_model_config *c, bool needed, zo_error *err)
{
    const json_t *v = json_object_get(r->doc, "labels");
    const zo_tensor *t = zo_tensors_get(&r->view, "labels");
    size_t n = 0;
    zo_status rc;

    if (c->target == ZO_TARGET_REAL)
        return v || t ? zo_fail(err, ZO_EINVAL, "/labels", "this model has real targets: send y") : ZO_OK;
    if (!v && !t)
        return needed ? zo_fail(err, ZO_EMALFORMED, "/labels", "is missing") : ZO_OK;
    rc = v ? api_rows_strings(r, v, "labels", &r->rows.labels, &n, err) : labels_of_tensor(r, t, &n, err);
    if (rc != ZO_OK)
        return v ? rc : api_at(err, rc, "labels");
    return r->has_x || n != r->rows.n ? count_must_be(n, r->rows.n, "labels", err) : ZO_OK;
}

static zo_status read_targets(api_rows *r, const zo_model *m, bool needed, zo_error *err)
{
    const zo_model_config *c = zo_model_configuration(m);
    size_t n = 0;
    bool found = false;
    int32_t *y = NULL;
    zo_status rc;

    if (c->target == ZO_TARGET_CLASSES) {
        if (json_object_get(r->doc, "y") || zo_tensors_get(&r->view, "y"))
            return zo_fail(err, ZO_EINVAL, "/y", "this model has classes: send labels");
        return read_labels(r, c, needed, err);
    }
    if ((rc = read_labels(r, c, needed, err)) != ZO_OK ||
        (rc = read_matrix(r, "y", m, c->outputs, zo_model_quantise_targets, &n, &y, &found, err)) != ZO_OK)
        return rc;
    if (!found)
        return needed ? zo_fail(err, ZO_EMALFORMED, "/y", "is missing") : ZO_OK;
    r->rows.y = y;
    return count_must_be(n, r->rows.n, "y", err);
}

static zo_status read_name(const api_rows *r, const char *key, const char **out, zo_error *err)
{
    const json_t *v = json_object_get(r->doc, key);
    zo_status rc;

    if (!v || json_is_null(v))
        return ZO_OK;
    if ((rc = zo_json_get_string(v, out, err)) == ZO_OK && strlen(*out) > MAX_NAME)
        rc = zo_fail(err, ZO_EINVAL, "", "has at most %d bytes", MAX_NAME);
    return rc == ZO_OK ? ZO_OK : api_at(err, rc, key);
}

zo_status api_rows_read(const api_cmd *c, const zo_model *m, unsigned fields, unsigned need, const char *const *known,
                        api_rows *out, zo_error *err)
{
    const json_t *ids;
    size_t n = 0;
    int32_t *x = NULL;
    zo_status rc;

    *out = (api_rows){.may_overwrite = !c->cmd.idempotency_key};
    if ((rc = open_body(c, out, err)) != ZO_OK || (rc = check_members(out, fields, known, err)) != ZO_OK)
        return rc;
    if (fields & ROWS_X) {
        if ((rc = read_matrix(out, "x", m, zo_model_configuration(m)->inputs, zo_model_quantise, &out->rows.n, &x,
                              &out->has_x, err)) != ZO_OK)
            return rc;
        out->rows.x = x;
        if (!out->has_x && (need & ROWS_X))
            return zo_fail(err, ZO_EMALFORMED, "/x", "is missing");
        if (out->has_x && out->rows.n == 0)
            return zo_fail(err, ZO_EINVAL, "/x", "has no rows");
    }
    if ((fields & ROWS_IDS) && (ids = json_object_get(out->doc, "ids")) != NULL) {
        if ((rc = api_rows_strings(out, ids, "ids", &out->rows.ids, &n, err)) != ZO_OK ||
            (out->has_x && (rc = count_must_be(n, out->rows.n, "ids", err)) != ZO_OK))
            return rc;
        if (!out->has_x)
            out->rows.n = n;
    } else if (need & ROWS_IDS) {
        return zo_fail(err, ZO_EMALFORMED, "/ids", "is missing");
    }
    if ((fields & ROWS_TARGETS) && (rc = read_targets(out, m, (need & ROWS_TARGETS) || out->has_x, err)) != ZO_OK)
        return rc;
    if ((fields & ROWS_PLACE) && ((rc = read_name(out, "group", &out->rows.group, err)) != ZO_OK ||
                                  (rc = read_name(out, "task", &out->rows.task, err)) != ZO_OK))
        return rc;
    return ZO_OK;
}
