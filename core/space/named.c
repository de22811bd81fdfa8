/* Between what a client writes, {"C": 1.7, "kernel": "rbf"}, and the natural vector. */
#include "space/space_private.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool zo_scalar_equal(const zo_scalar *a, const zo_scalar *b)
{
    if (a->kind != b->kind)
        return false;
    switch (a->kind) {
    case ZO_NULL:
        return true;
    case ZO_NUMBER:
        return a->number == b->number;
    case ZO_STRING:
        return strcmp(a->string, b->string) == 0;
    case ZO_BOOLEAN:
        return a->boolean == b->boolean;
    case ZO_NUMBERS:
        if (a->n_numbers != b->n_numbers)
            return false;
        for (size_t i = 0; i < a->n_numbers; i++)
            if (a->numbers[i] != b->numbers[i])
                return false;
        return true;
    }
    return false;
}

/* Names are found by bisection, not by a hash: a client chooses them, and could choose them to collide. qsort has no context argument,
 * so what is sorted carries its key. */
struct name_key {
    const char *name;
    uint32_t param;
};

static int name_compare(const void *a, const void *b)
{
    const struct name_key *x = a, *y = b;
    const int order = strcmp(x->name, y->name);

    return order != 0 ? order : (x->param > y->param) - (x->param < y->param);
}

zo_status names_init(zo_space *s, zo_error *err)
{
    struct name_key *keys = zo_calloc(s->n_params, sizeof *keys);
    size_t twice = SIZE_MAX;
    zo_status rc = ZO_OK;

    if (keys == NULL)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n_params; i++)
        keys[i] = (struct name_key){s->specs[i].name, (uint32_t)i};
    qsort(keys, s->n_params, sizeof *keys, name_compare);
    for (size_t k = 0; k < s->n_params; k++) {
        s->by_name[k] = keys[k].param;
        if (k > 0 && strcmp(keys[k - 1].name, keys[k].name) == 0 && keys[k].param < twice)
            twice = keys[k].param;
    }
    zo_free(keys);
    if (twice != SIZE_MAX) {
        rc = zo_fail(err, ZO_EINVAL, "/name", "the name %s is taken by an earlier parameter", s->specs[twice].name);
        if (err != NULL)
            zo_fail_at(err, "/space/%zu", twice);
    }
    return rc;
}

size_t space_find(const zo_space *s, const char *name)
{
    size_t from = 0, to = s->n_params;

    while (from < to) {
        const size_t middle = from + (to - from) / 2, i = s->by_name[middle];
        const int order = strcmp(name, s->specs[i].name);
        if (order == 0)
            return i;
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return SIZE_MAX;
}

/* A total order over strings, numbers and booleans that agrees with zo_scalar_equal. */
static int choice_compare(const zo_scalar *a, const zo_scalar *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    switch (a->kind) {
    case ZO_NUMBER:
        return (a->number > b->number) - (a->number < b->number);
    case ZO_STRING:
        return strcmp(a->string, b->string);
    case ZO_BOOLEAN:
        return (int)a->boolean - (int)b->boolean;
    case ZO_NULL:
    case ZO_NUMBERS:
        break;
    }
    return 0;
}

struct choice_key {
    const zo_scalar *value;
    uint32_t index;
};

static int choice_key_compare(const void *a, const void *b)
{
    const struct choice_key *x = a, *y = b;
    const int order = choice_compare(x->value, y->value);

    return order != 0 ? order : (x->index > y->index) - (x->index < y->index);
}

zo_status choices_init(zo_space *s, size_t i, zo_error *err)
{
    const zo_param_spec *spec = &s->specs[i];
    struct choice_key keys[MAX_CHOICES];
    char pointer[32];
    uint32_t twice = UINT32_MAX;

    if (spec->n_choices < 1 || spec->n_choices > MAX_CHOICES)
        return zo_fail(err, ZO_EINVAL, "/choices", "%zu choices; there must be 1 to %d", spec->n_choices, MAX_CHOICES);
    for (uint32_t k = 0; k < spec->n_choices; k++) {
        const zo_scalar *c = &spec->choices[k];
        snprintf(pointer, sizeof pointer, "/choices/%u", k);
        if (c->kind == ZO_NULL || c->kind == ZO_NUMBERS)
            return zo_fail(err, ZO_EINVAL, pointer, "a choice must be a string, a number or a boolean");
        if (c->kind == ZO_NUMBER && !isfinite(c->number))
            return zo_fail(err, ZO_EINVAL, pointer, "a choice must be finite");
        keys[k] = (struct choice_key){c, k};
    }
    qsort(keys, spec->n_choices, sizeof *keys, choice_key_compare);
    if ((s->params[i].by_value = zo_arena_array(s->arena, spec->n_choices, sizeof *s->params[i].by_value)) == NULL)
        return zo_fail_nomem(err);
    for (size_t k = 0; k < spec->n_choices; k++) {
        s->params[i].by_value[k] = keys[k].index;
        if (k > 0 && choice_compare(keys[k - 1].value, keys[k].value) == 0 && keys[k].index < twice)
            twice = keys[k].index;
    }
    if (twice == UINT32_MAX)
        return ZO_OK;
    snprintf(pointer, sizeof pointer, "/choices/%u", twice);
    return zo_fail(err, ZO_EINVAL, pointer, "this choice is already in the list");
}

/* Index of the choice; SIZE_MAX if it is none. */
static size_t find_choice(const zo_param_spec *spec, const uint32_t *by_value, const zo_scalar *given)
{
    size_t from = 0, to = spec->n_choices;

    while (from < to) {
        const size_t middle = from + (to - from) / 2;
        const int order = choice_compare(given, &spec->choices[by_value[middle]]);
        if (order == 0)
            return by_value[middle];
        if (order < 0)
            to = middle;
        else
            from = middle + 1;
    }
    return SIZE_MAX;
}

static zo_status read_number(const struct domain *d, double x, double *out, zo_error *err)
{
    double off;

    if (!isfinite(x))
        return zo_fail(err, ZO_EINVAL, "", "the value must be finite");
    if (d->levels == 0) {
        if (x < d->low || x > d->high)
            return zo_fail(err, ZO_EINVAL, "", "%.15g is outside [%.15g, %.15g]", x, d->low, d->high);
        *out = x;
        return ZO_OK;
    }
    const double level = domain_snap(d, x, &off);
    if (!(off <= 1e-9)) {
        if (x < d->low || x > d->high)
            return zo_fail(err, ZO_EINVAL, "", "%.15g is outside [%.15g, %.15g]", x, d->low, d->high);
        if (d->step == 1 && !d->stepped_float)
            return zo_fail(err, ZO_EINVAL, "", "%.15g is not an integer", x);
        return zo_fail(err, ZO_EINVAL, "", "%.15g is not %.15g plus a multiple of %.15g", x, d->base, d->step);
    }
    *out = level;
    return ZO_OK;
}

zo_status space_read(const zo_space *s, size_t i, const zo_scalar *given, double *v, zo_error *err)
{
    const zo_param_spec *spec = &s->specs[i];
    const struct param *p = &s->params[i];
    size_t choice;
    zo_status rc;

    switch (spec->type) {
    case ZO_FLOAT:
    case ZO_INT:
        if (given->kind != ZO_NUMBER)
            return zo_fail(err, ZO_EMALFORMED, "", "expected a number");
        return read_number(&p->domain, given->number, v, err);
    case ZO_BOOL:
        if (given->kind != ZO_BOOLEAN)
            return zo_fail(err, ZO_EMALFORMED, "", "expected true or false");
        *v = given->boolean ? 1 : 0;
        return ZO_OK;
    case ZO_CATEGORICAL:
    case ZO_ORDINAL:
        if (given->kind == ZO_NULL || given->kind == ZO_NUMBERS)
            return zo_fail(err, ZO_EMALFORMED, "", "expected one of the choices");
        if ((choice = find_choice(spec, p->by_value, given)) == SIZE_MAX)
            return zo_fail(err, ZO_EINVAL, "", "the value is not one of the choices");
        *v = (double)choice;
        return ZO_OK;
    case ZO_FIXED:
        if (!zo_scalar_equal(&spec->fixed, given))
            return zo_fail(err, ZO_EINVAL, "", "a fixed parameter has only its one value");
        return ZO_OK;
    case ZO_VECTOR:
        if (given->kind != ZO_NUMBERS)
            return zo_fail(err, ZO_EMALFORMED, "", "expected an array of %zu numbers", spec->size);
        if (given->n_numbers != spec->size)
            return zo_fail(err, ZO_EINVAL, "", "expected %zu numbers, not %zu", spec->size, given->n_numbers);
        for (size_t k = 0; k < spec->size; k++)
            if ((rc = read_number(&p->domain, given->numbers[k], &v[k], err)) != ZO_OK)
                return err != NULL ? zo_fail_at(err, "/%zu", k) : rc;
        return ZO_OK;
    }
    return zo_fail(err, ZO_EINTERNAL, "", "unknown parameter type");
}

/* "/name" before what the callee pointed to. */
static zo_status fail_under(zo_error *err, zo_status rc, const char *name)
{
    char pointer[sizeof err->pointer] = "";

    zo_pointer_append(pointer, sizeof pointer, name);
    return err != NULL ? zo_fail_at(err, "%s", pointer) : rc;
}

static void fill_inactive(const zo_space *s, size_t i, double *v)
{
    const struct param *p = &s->params[i];

    for (size_t k = 0; k < p->n_dims; k++)
        v[p->first_dim + k] = p->default_values != NULL ? p->default_values[k] : domain_from_unit(&p->domain, 0.5);
}

static zo_status check_presence(const zo_space *s, const double *v, const uint64_t *seen, zo_error *err)
{
    uint64_t active[PARAM_WORDS];

    if (s->has_conditions)
        space_activity(s, v, active);
    for (size_t r = 0; r < s->n_params; r++) { /* parents first: a missing parent, not its child, is the mistake */
        const size_t i = s->order[r];
        const bool given = bit_get(seen, i), on = !s->has_conditions || bit_get(active, i);
        if (on && !given && s->specs[i].type != ZO_FIXED)
            return fail_under(err, zo_fail(err, ZO_EMALFORMED, "", "a value is missing"), s->specs[i].name);
        if (!on && given)
            return fail_under(err, zo_fail(err, ZO_EINVAL, "", "not active at this point: leave it out"), s->specs[i].name);
    }
    return ZO_OK;
}

static zo_status encode_into(const zo_space *s, const zo_named *given, size_t n, uint64_t *seen, double *v, zo_error *err)
{
    zo_status rc;

    for (size_t k = 0, next = 0; k < n; k++) {
        /* clients keep the space's order and leave out what is inactive: look behind the one before first */
        const size_t i = next < s->n_params && strcmp(s->specs[next].name, given[k].name) == 0 ? next : space_find(s, given[k].name);
        if (i == SIZE_MAX)
            return fail_under(err, zo_fail(err, ZO_EMALFORMED, "", "the space has no such parameter"), given[k].name);
        if (bit_get(seen, i))
            return fail_under(err, zo_fail(err, ZO_EMALFORMED, "", "given twice"), given[k].name);
        bit_set(seen, i);
        if ((rc = space_read(s, i, &given[k].value, v + s->params[i].first_dim, err)) != ZO_OK)
            return fail_under(err, rc, given[k].name);
        next = i + 1;
    }
    if (n < s->n_params)
        for (size_t i = 0; i < s->n_params; i++)
            if (!bit_get(seen, i))
                fill_inactive(s, i, v);
    if ((s->has_conditions || n < s->n_params) && (rc = check_presence(s, v, seen, err)) != ZO_OK)
        return rc;
    return s->linear != NULL ? linear_check(s, v, err) : ZO_OK;
}

zo_status zo_space_encode(const zo_space *s, const zo_named *params, size_t n, double *v, zo_error *err)
{
    uint64_t seen[PARAM_WORDS];
    double few[64], *scratch = few; /* v is the caller's, and written on success only */
    zo_status rc;

    if (s->n_dims > ZO_LEN(few) && (scratch = zo_malloc(s->n_dims * sizeof *scratch)) == NULL)
        return zo_fail_nomem(err);
    memset(seen, 0, (s->n_params / 64 + 1) * sizeof *seen);
    if ((rc = encode_into(s, params, n, seen, scratch, err)) == ZO_OK)
        memcpy(v, scratch, s->n_dims * sizeof *v);
    if (scratch != few)
        zo_free(scratch);
    return rc;
}

bool zo_space_get(const zo_space *s, const double *v, size_t i, zo_scalar *out)
{
    const zo_param_spec *spec = &s->specs[i];
    const struct param *p = &s->params[i];

    if (!space_active(s, v, i))
        return false;
    const double x = p->n_dims > 0 ? v[p->first_dim] : 0;
    *out = (zo_scalar){.kind = ZO_NUMBER, .number = x};
    switch (spec->type) {
    case ZO_FLOAT:
        break;
    case ZO_INT:
        out->integral = true;
        break;
    case ZO_BOOL:
        *out = (zo_scalar){.kind = ZO_BOOLEAN, .boolean = x != 0};
        break;
    case ZO_CATEGORICAL:
    case ZO_ORDINAL:
        *out = spec->choices[(size_t)x];
        break;
    case ZO_FIXED:
        *out = spec->fixed;
        break;
    case ZO_VECTOR:
        *out = (zo_scalar){.kind = ZO_NUMBERS, .numbers = v + p->first_dim, .n_numbers = p->n_dims};
        break;
    }
    return true;
}
