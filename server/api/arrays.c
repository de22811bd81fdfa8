/* See arrays.h. */
#include "api/arrays.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include "api/trial_json.h"
#include "codec/jsonread.h"
#include "codec/safetensors.h"

enum { TOKEN_BYTES = 512 };

/* ---- a body ---- */

static bool is_safetensors(const zo_req *req)
{
    const char *type = zo_req_header(req, "Content-Type"), *ours = api_array_types[API_AS_ARRAYS];

    return type && strncasecmp(type, ours, strlen(ours)) == 0;
}

zo_status api_body_read(const api_cmd *c, api_body *out, zo_error *err)
{
    const char *bytes, *text;
    size_t n;
    api_body b = {0};
    zo_status rc;

    zo_bundle_init(&b.arrays);
    bytes = zo_req_body(c->req, &n);
    if (n == 0 || !is_safetensors(c->req)) {
        rc = api_parse(c, &b.doc, err);
    } else if ((rc = zo_safetensors_read(bytes, n, &b.arrays, err)) == ZO_OK) {
        text = zo_bundle_meta(&b.arrays, "json");
        rc = text ? zo_json_parse(text, strlen(text), NULL, &b.doc, err)
                  : zo_fail(err, ZO_EMALFORMED, "/__metadata__/json", "the document is missing: it is this string");
    }
    if (rc != ZO_OK) {
        zo_bundle_fini(&b.arrays);
        return rc;
    }
    *out = b;
    return ZO_OK;
}

zo_status api_body_arrays_below(const api_body *b, const char *prefix, zo_error *err)
{
    for (size_t i = 0; i < b->arrays.n_arrays; i++) {
        const char *name = b->arrays.arrays[i].name;
        if (!prefix || strncmp(name, prefix, strlen(prefix)) != 0) {
            zo_fail(err, ZO_EMALFORMED, "", "nothing in the document has such an array");
            return zo_fail_at(err, "/%s", name);
        }
    }
    return ZO_OK;
}

void api_body_fini(api_body *b)
{
    json_decref(b->doc);
    zo_bundle_fini(&b->arrays);
}

/* ---- the arrays of results ---- */

/* The next token of a path, without the escapes of a JSON pointer. False: none, or too long to be a name. */
static bool next_token(const char **path, char token[TOKEN_BYTES])
{
    const char *p = *path;
    size_t n = 0;

    if (!p)
        return false;
    for (; *p && *p != '/' && n + 1 < TOKEN_BYTES; n++, p++) {
        token[n] = *p;
        if (p[0] == '~' && (p[1] == '0' || p[1] == '1'))
            token[n] = *++p == '0' ? '~' : '/';
    }
    token[n] = '\0';
    *path = *p == '/' ? p + 1 : NULL;
    return *p == '\0' || *p == '/';
}

static zo_status find_place(const char *path, const zo_study *s, api_array *a, zo_error *err)
{
    char token[TOKEN_BYTES];
    const bool named = next_token(&path, token), of_point = named && strcmp(token, "params") == 0;
    const size_t n_rows = zo_study_n_objectives(s) + zo_study_n_constraints(s);

    if (zo_study_steps(s))
        return zo_fail(err, ZO_EINVAL, "", "a directional study has no arrays: it takes numbers only");
    if (!of_point && (!named || strcmp(token, "gradients") != 0))
        return zo_fail(err, ZO_EMALFORMED, "", "an array is params/{parameter} or gradients/{value}/{parameter}");
    a->value = API_POINT;
    if (!of_point && next_token(&path, token) && (a->value = zo_study_value_index(s, token, strlen(token))) >= n_rows)
        return zo_fail(err, ZO_EINVAL, "", "no objective or constraint has this name");
    a->param = next_token(&path, token) && !path ? zo_space_find(zo_study_space(s), token) : SIZE_MAX;
    if (a->param == SIZE_MAX)
        return zo_fail(err, ZO_EMALFORMED, "", "unknown parameter");
    if (!of_point && zo_study_oracle(s) != ZO_ORACLE_GRADIENT)
        return zo_fail(err, ZO_EINVAL, "", "this study takes no gradients: they need \"oracle\": \"gradient\"");
    return ZO_OK;
}

static zo_status check_shape(const zo_array *data, const zo_param_spec *p, size_t n_rows, zo_error *err)
{
    const bool is_row = n_rows == 1 && data->n_dims == 1 && data->dims[0] == p->size;

    if (p->type != ZO_VECTOR)
        return zo_fail(err, ZO_EMALFORMED, "", "only a vector is an array: this parameter belongs into the document");
    if (data->dtype != ZO_F64 && data->dtype != ZO_F32)
        return zo_fail(err, ZO_EMALFORMED, "", "the dtype must be F64 or F32");
    if (!is_row && (data->n_dims != 2 || data->dims[0] != n_rows || data->dims[1] != p->size))
        return zo_fail(err, ZO_EINVAL, "", "the shape must be [%zu, %zu]", n_rows, p->size);
    return ZO_OK;
}

static zo_status bind_one(const zo_array *data, const char *path, size_t n_rows, const zo_study *s, api_array *out,
                          zo_error *err)
{
    api_array a = {.data = data, .path = path};
    zo_status rc;

    if ((rc = find_place(path, s, &a, err)) != ZO_OK ||
        (rc = check_shape(data, zo_space_param(zo_study_space(s), a.param), n_rows, err)) != ZO_OK) {
        zo_fail_at(err, "/%s", path);
        return rc;
    }
    *out = a;
    return ZO_OK;
}

zo_status api_arrays_bind(const zo_bundle *b, const char *prefix, size_t n_rows, const zo_study *s, zo_arena *arena,
                          api_arrays *out, zo_error *err)
{
    const size_t skip = strlen(prefix);
    api_arrays t = {.n = b->n_arrays};
    zo_status rc;

    if (t.n > 0 && !(t.list = zo_arena_array(arena, t.n, sizeof *t.list)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < t.n; i++)
        if ((rc = bind_one(&b->arrays[i], b->arrays[i].name + skip, n_rows, s, &t.list[i], err)) != ZO_OK)
            return rc;
    *out = t;
    return ZO_OK;
}

zo_status api_array_row(api_array *a, size_t row, double *to, zo_error *err)
{
    const size_t n = a->data->dims[a->data->n_dims - 1];
    const float *f = (const float *)a->data->data + row * n;

    a->is_read = true;
    if (a->data->dtype == ZO_F64)
        memcpy(to, (const double *)a->data->data + row * n, n * sizeof *to);
    else
        for (size_t i = 0; i < n; i++)
            to[i] = (double)f[i];
    for (size_t i = 0; i < n; i++)
        if (!isfinite(to[i])) {
            zo_fail(err, ZO_EINVAL, "", "must be finite");
            return zo_fail_at(err, "/%zu", i);
        }
    return ZO_OK;
}

zo_status api_arrays_check(const api_arrays *a, zo_error *err)
{
    for (size_t i = 0; i < a->n; i++)
        if (!a->list[i].is_read) {
            zo_fail(err, ZO_EMALFORMED, "", "no result of this body has such an array");
            return zo_fail_at(err, "/%s", a->list[i].path);
        }
    return ZO_OK;
}

/* ---- a reply ---- */

bool api_accepts_arrays(zo_req *r, bool *apart_out)
{
    size_t type;

    if (!api_accepts(r, api_array_types, &type))
        return false;
    *apart_out = type == API_AS_ARRAYS;
    return true;
}

void api_out_init(api_out *o, api_cmd *c)
{
    *o = (api_out){.c = c, .parts = c->apart ? ZO_TRIAL_NO_VECTORS : 0};
    zo_json_init(&o->w);
    zo_bundle_init(&o->arrays);
}

void api_out_fini(api_out *o)
{
    zo_json_fini(&o->w);
    zo_bundle_fini(&o->arrays);
}

static zo_status put(const zo_study *s, const uint64_t *numbers, size_t n, size_t param, const char *prefix,
                     zo_bundle *out, zo_error *err)
{
    const zo_space *space = zo_study_space(s);
    const zo_param_spec *p = zo_space_param(space, param);
    char name[2 * TOKEN_BYTES];
    void *data;
    zo_scalar x;
    zo_trial t;
    zo_status rc;

    snprintf(name, sizeof name, "%sparams", prefix);
    zo_pointer_append(name, sizeof name, p->name);
    if ((rc = zo_bundle_add(out, name, ZO_F64, 2, (size_t[]){n, p->size}, &data, err)) != ZO_OK)
        return rc;
    double *to = data;
    for (size_t k = 0; k < n; k++, to += p->size) {
        const bool active = zo_study_trial(s, numbers[k], &t) && zo_space_get(space, t.v, param, &x);
        for (size_t i = 0; i < p->size; i++)
            to[i] = active ? x.numbers[i] : NAN;
    }
    return ZO_OK;
}

void api_out_points(api_out *o, const zo_study *s, const uint64_t *numbers, size_t n, const char *prefix)
{
    const zo_space *space = zo_study_space(s);

    for (size_t i = 0; space && o->c->apart && o->err.code == ZO_OK && i < zo_space_n_params(space); i++)
        if (zo_space_param(space, i)->type == ZO_VECTOR)
            put(s, numbers, n, i, prefix, &o->arrays, &o->err);
}

static void reply_apart(api_out *o, unsigned status)
{
    char *text = zo_json_take(&o->w, NULL), *bytes;
    size_t n;

    if (!text)
        zo_fail_nomem(&o->err);
    if (o->err.code == ZO_OK && zo_bundle_set_meta(&o->arrays, "json", text, &o->err) == ZO_OK &&
        zo_safetensors_write(&o->arrays, &bytes, &n, &o->err) == ZO_OK)
        zo_req_reply(o->c->req, status, api_array_types[API_AS_ARRAYS], bytes, n);
    else
        zo_req_problem(o->c->req, &o->err);
    zo_free(text);
}

void api_out_reply(api_out *o, unsigned status)
{
    if (o->c->apart)
        reply_apart(o, status);
    else
        api_reply(o->c, status, &o->w);
    api_out_fini(o);
}
