/* The search space of a spec: parameters, conditions, linear constraints. One table of fields for all parameter types, and for each
 * type the fields it may and must have. Parents and terms are sorted by name, since JSON objects have no order: the same space written by
 * any client is the same spec. */
#include "codec/spec_private.h"

#include <stdlib.h>
#include <string.h>

enum { MAX_PARAMS = 10000, MAX_CHOICES = 1000, MAX_PARENTS = 64, MAX_LINEAR = 1000, MAX_VECTOR = 100000, NAME_BYTES = 128 };

const char *const spec_type_words[] = {"float", "int", "categorical", "ordinal", "bool", "fixed", "vector", NULL};
const char *const spec_scale_words[] = {"linear", "log", "reverse_log", NULL};
const char *const spec_relation_words[] = {"<=", ">=", "=", NULL};

struct param_in {
    const char *name, *type, *scale;
    double low, high, step;
    uint64_t size;
    const json_t *choices, *value, *def, *when;
};
enum { F_NAME, F_TYPE, F_SCALE, F_LOW, F_HIGH, F_STEP, F_SIZE, F_CHOICES, F_VALUE, F_DEFAULT, F_WHEN };
#define IN(member) offsetof(struct param_in, member)
static const zo_field param_fields[] = {
    [F_NAME] = {"name", ZO_F_STRING, IN(name), true, 1, NAME_BYTES},
    [F_TYPE] = {"type", ZO_F_STRING, IN(type), true, 0, 0},
    [F_SCALE] = {"scale", ZO_F_STRING, IN(scale), false, 0, 0},
    [F_LOW] = {"low", ZO_F_F64, IN(low), false, 0, 0},
    [F_HIGH] = {"high", ZO_F_F64, IN(high), false, 0, 0},
    [F_STEP] = {"step", ZO_F_F64, IN(step), false, 0, 0},
    [F_SIZE] = {"size", ZO_F_U64, IN(size), false, 1, MAX_VECTOR},
    [F_CHOICES] = {"choices", ZO_F_ARRAY, IN(choices), false, 1, MAX_CHOICES},
    [F_VALUE] = {"value", ZO_F_ANY, IN(value), false, 0, 0},
    [F_DEFAULT] = {"default", ZO_F_ANY, IN(def), false, 0, 0},
    [F_WHEN] = {"when", ZO_F_OBJECT, IN(when), false, 0, 0},
};
#define BIT(f) (UINT64_C(1) << (f))
static const uint64_t common = BIT(F_NAME) | BIT(F_TYPE) | BIT(F_WHEN);
static const struct {
    uint64_t needs, allows;
} type_fields[] = {
    [ZO_FLOAT] = {BIT(F_LOW) | BIT(F_HIGH), BIT(F_SCALE) | BIT(F_STEP) | BIT(F_DEFAULT)},
    [ZO_INT] = {BIT(F_LOW) | BIT(F_HIGH), BIT(F_SCALE) | BIT(F_STEP) | BIT(F_DEFAULT)},
    [ZO_CATEGORICAL] = {BIT(F_CHOICES), BIT(F_DEFAULT)},
    [ZO_ORDINAL] = {BIT(F_CHOICES), BIT(F_DEFAULT)},
    [ZO_BOOL] = {0, BIT(F_DEFAULT)},
    [ZO_FIXED] = {BIT(F_VALUE), 0},
    [ZO_VECTOR] = {BIT(F_SIZE) | BIT(F_LOW) | BIT(F_HIGH), BIT(F_SCALE) | BIT(F_STEP) | BIT(F_DEFAULT)},
};

static zo_status at(zo_error *err, zo_status rc, const char *key)
{
    char token[sizeof err->pointer] = "";

    zo_pointer_append(token, sizeof token, key);
    zo_fail_at(err, "%s", token);
    return rc;
}

/* A string, number or boolean. */
static zo_status read_plain(const json_t *v, zo_arena *arena, zo_scalar *out, zo_error *err)
{
    const zo_status rc = zo_json_scalar(v, arena, out, err);

    if (rc == ZO_OK && (out->kind == ZO_NULL || out->kind == ZO_NUMBERS))
        return zo_fail(err, ZO_EMALFORMED, "", "must be a string, number or boolean");
    return rc;
}

static zo_status read_scalars(const json_t *list, zo_arena *arena, const zo_scalar **out, size_t *n_out, zo_error *err)
{
    const size_t n = json_array_size(list);
    zo_scalar *s = zo_arena_array(arena, n, sizeof *s);
    zo_status rc;

    if (!s)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if ((rc = read_plain(json_array_get(list, i), arena, &s[i], err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    *out = s;
    *n_out = n;
    return ZO_OK;
}

static int by_parent(const void *a, const void *b)
{
    return strcmp(((const zo_when *)a)->parent, ((const zo_when *)b)->parent);
}

static zo_status read_when(const json_t *object, zo_arena *arena, zo_param_spec *p, zo_error *err)
{
    const size_t n = json_object_size(object);
    zo_when *when;
    const char *key;
    json_t *v;
    zo_status rc;
    size_t i = 0;

    if (n == 0)
        return ZO_OK;
    if (n > MAX_PARENTS)
        return zo_fail(err, ZO_EINVAL, "", "a condition has at most %d parents", MAX_PARENTS);
    if (!(when = zo_arena_array(arena, n, sizeof *when)))
        return zo_fail_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
        zo_when *w = &when[i++];

        if (!(w->parent = zo_arena_strdup(arena, key)))
            return zo_fail_nomem(err);
        if (json_is_array(v)) {
            if (json_array_size(v) == 0 || json_array_size(v) > MAX_CHOICES)
                return at(err, zo_fail(err, ZO_EINVAL, "", "must list 1 to %d values", MAX_CHOICES), key);
            if ((rc = read_scalars(v, arena, &w->values, &w->n_values, err)) != ZO_OK)
                return at(err, rc, key);
        } else {
            zo_scalar *one = zo_arena_alloc(arena, sizeof *one);
            if (!one)
                return zo_fail_nomem(err);
            if ((rc = read_plain(v, arena, one, err)) != ZO_OK)
                return at(err, rc, key);
            w->values = one;
            w->n_values = 1;
        }
    }
    qsort(when, n, sizeof *when, by_parent);
    p->when = when;
    p->n_when = n;
    return ZO_OK;
}

static zo_status read_param(const json_t *doc, zo_arena *arena, zo_param_spec *p, zo_error *err)
{
    struct param_in in = {0};
    uint64_t seen;
    unsigned word;
    zo_status rc;

    if ((rc = zo_json_read(doc, param_fields, ZO_LEN(param_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    if ((rc = spec_word(in.type, spec_type_words, &word, err)) != ZO_OK)
        return at(err, rc, "type");
    p->type = (zo_type)word;
    const uint64_t excess = seen & ~(common | type_fields[word].needs | type_fields[word].allows);
    const uint64_t lacking = type_fields[word].needs & ~seen;
    for (size_t f = 0; f < ZO_LEN(param_fields); f++) {
        if (excess & BIT(f))
            return at(err, zo_fail(err, ZO_EMALFORMED, "", "unknown field of a parameter of type %s", in.type), param_fields[f].name);
        if (lacking & BIT(f))
            return at(err, zo_fail(err, ZO_EMALFORMED, "", "a parameter of type %s needs this field", in.type), param_fields[f].name);
    }
    if (!(p->name = zo_arena_strdup(arena, in.name)))
        return zo_fail_nomem(err);
    if (in.scale) {
        if ((rc = spec_word(in.scale, spec_scale_words, &word, err)) != ZO_OK)
            return at(err, rc, "scale");
        p->scale = (zo_scale)word;
    }
    if ((seen & BIT(F_STEP)) && !(in.step > 0))
        return zo_fail(err, ZO_EINVAL, "/step", "step %g must be above 0", in.step);
    p->low = in.low;
    p->high = in.high;
    p->step = p->type == ZO_INT && in.step == 1 ? 0 : in.step; /* 1 is what an int has without one */
    p->size = (size_t)in.size;
    if (in.choices && (rc = read_scalars(in.choices, arena, &p->choices, &p->n_choices, err)) != ZO_OK)
        return at(err, rc, "choices");
    if (in.value && (rc = zo_json_scalar(in.value, arena, &p->fixed, err)) == ZO_OK && p->fixed.kind == ZO_NULL)
        rc = zo_fail(err, ZO_EMALFORMED, "", "must not be null");
    if (rc != ZO_OK)
        return at(err, rc, "value");
    if (in.def) {
        if ((rc = zo_json_scalar(in.def, arena, &p->default_value, err)) == ZO_OK && p->default_value.kind == ZO_NULL)
            rc = zo_fail(err, ZO_EMALFORMED, "", "must not be null");
        if (rc != ZO_OK)
            return at(err, rc, "default");
        p->has_default = true;
    }
    if (in.when && (rc = read_when(in.when, arena, p, err)) != ZO_OK)
        return at(err, rc, "when");
    return ZO_OK;
}

zo_status spec_decode_params(const json_t *list, zo_arena *arena, zo_space_spec *out, zo_error *err)
{
    const size_t n = json_array_size(list);
    zo_param_spec *params;
    zo_status rc;

    if (n == 0 || n > MAX_PARAMS)
        return zo_fail(err, ZO_EINVAL, "", "a space has 1 to %d parameters", MAX_PARAMS);
    if (!(params = zo_arena_array(arena, n, sizeof *params)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if ((rc = read_param(json_array_get(list, i), arena, &params[i], err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    out->params = params;
    out->n_params = n;
    return ZO_OK;
}

static int by_term(const void *a, const void *b)
{
    return strcmp(((const zo_term *)a)->name, ((const zo_term *)b)->name);
}

struct linear_in {
    const json_t *terms;
    const char *op;
    double rhs;
};
static const zo_field linear_fields[] = {
    {"terms", ZO_F_OBJECT, offsetof(struct linear_in, terms), true, 0, 0},
    {"op", ZO_F_STRING, offsetof(struct linear_in, op), true, 0, 0},
    {"rhs", ZO_F_F64, offsetof(struct linear_in, rhs), true, 0, 0},
};

static zo_status read_linear(const json_t *doc, zo_arena *arena, zo_linear_spec *l, zo_error *err)
{
    struct linear_in in = {0};
    const char *key;
    json_t *v;
    unsigned word;
    size_t i = 0;
    zo_status rc;

    if ((rc = zo_json_read(doc, linear_fields, ZO_LEN(linear_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if ((rc = spec_word(in.op, spec_relation_words, &word, err)) != ZO_OK)
        return at(err, rc, "op");
    l->op = (zo_relation)word;
    l->rhs = in.rhs;
    l->n_terms = json_object_size(in.terms);
    if (l->n_terms == 0 || l->n_terms > MAX_PARAMS)
        return zo_fail(err, ZO_EINVAL, "/terms", "must have 1 to %d terms", MAX_PARAMS);
    zo_term *terms = zo_arena_array(arena, l->n_terms, sizeof *terms);
    if (!terms)
        return zo_fail_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)in.terms, key, v) {
        if ((rc = zo_json_get_f64(v, &terms[i].coef, err)) != ZO_OK) {
            at(err, rc, key);
            return at(err, rc, "terms");
        }
        if (!(terms[i++].name = zo_arena_strdup(arena, key)))
            return zo_fail_nomem(err);
    }
    qsort(terms, l->n_terms, sizeof *terms, by_term);
    l->terms = terms;
    return ZO_OK;
}

zo_status spec_decode_linear(const json_t *list, zo_arena *arena, zo_space_spec *out, zo_error *err)
{
    const size_t n = json_array_size(list);
    zo_linear_spec *linear;
    zo_status rc;

    if (n > MAX_LINEAR)
        return zo_fail(err, ZO_EINVAL, "", "at most %d linear constraints", MAX_LINEAR);
    if (!(linear = zo_arena_array(arena, n, sizeof *linear)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        if ((rc = read_linear(json_array_get(list, i), arena, &linear[i], err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return rc;
        }
    out->linear = n ? linear : NULL;
    out->n_linear = n;
    return ZO_OK;
}
