/* Construction: the spec is copied, checked field by field and compiled. Everything a space owns is in its one arena. */
#include "space/space_private.h"

#include <math.h>
#include <stdio.h>

/* Length of one UTF-8 character at s; 0 if it is none or a control character. */
static size_t character(const unsigned char *s)
{
    static const uint32_t smallest[] = {0, 0, 0x80, 0x800, 0x10000};
    const size_t n = s[0] < 0x80 ? 1 : s[0] >= 0xC0 && s[0] < 0xE0 ? 2 : s[0] >= 0xE0 && s[0] < 0xF0 ? 3 : s[0] >= 0xF0 && s[0] < 0xF8 ? 4 : 0;
    uint32_t code = n == 1 ? s[0] : s[0] & (0x7Fu >> n);

    if (n == 0)
        return 0;
    for (size_t k = 1; k < n; k++) {
        if ((s[k] & 0xC0) != 0x80) /* also at the end of the string */
            return 0;
        code = code << 6 | (s[k] & 0x3F);
    }
    if (code < smallest[n] || code > 0x10FFFF || (code >= 0xD800 && code < 0xE000)) /* overlong, too large, surrogate */
        return 0;
    return code < 0x20 || (code >= 0x7F && code < 0xA0) ? 0 : n;
}

static zo_status check_name(const char *name, zo_error *err)
{
    size_t n_chars = 0;

    if (name == NULL || name[0] == '\0')
        return zo_fail(err, ZO_EINVAL, "/name", "a parameter needs a name");
    for (const unsigned char *at = (const unsigned char *)name; *at != '\0'; n_chars++) {
        const size_t n = character(at);
        if (n == 0)
            return zo_fail(err, ZO_EINVAL, "/name", "a name must be UTF-8 without control characters");
        if (n_chars == MAX_NAME)
            return zo_fail(err, ZO_EINVAL, "/name", "a name has at most %d characters", MAX_NAME);
        at += n;
    }
    return ZO_OK;
}

/* ---- deep copies ---- */

static bool copy_scalar(zo_arena *a, const zo_scalar *from, zo_scalar *to)
{
    *to = *from;
    if (from->kind == ZO_STRING)
        return (to->string = zo_arena_strdup(a, from->string)) != NULL;
    if (from->kind == ZO_NUMBERS)
        return (to->numbers = zo_arena_memdup(a, from->numbers, from->n_numbers * sizeof *from->numbers)) != NULL;
    return true;
}

static bool copy_scalars(zo_arena *a, const zo_scalar *from, size_t n, const zo_scalar **to)
{
    zo_scalar *copy = zo_arena_array(a, n, sizeof *copy);

    if (copy == NULL)
        return false;
    for (size_t k = 0; k < n; k++)
        if (!copy_scalar(a, &from[k], &copy[k]))
            return false;
    *to = copy;
    return true;
}

static bool copy_spec(zo_arena *a, const zo_param_spec *from, zo_param_spec *to)
{
    zo_when *when;

    *to = *from;
    if ((to->name = zo_arena_strdup(a, from->name)) == NULL || !copy_scalars(a, from->choices, from->n_choices, &to->choices) ||
        (from->type == ZO_FIXED && !copy_scalar(a, &from->fixed, &to->fixed)) ||
        (from->has_default && !copy_scalar(a, &from->default_value, &to->default_value)) ||
        (when = zo_arena_array(a, from->n_when, sizeof *when)) == NULL)
        return false;
    to->when = when;
    for (size_t k = 0; k < from->n_when; k++) {
        when[k].n_values = from->when[k].n_values;
        if ((when[k].parent = zo_arena_strdup(a, from->when[k].parent)) == NULL ||
            !copy_scalars(a, from->when[k].values, from->when[k].n_values, &when[k].values))
            return false;
    }
    return true;
}

/* ---- parameters ---- */

static zo_status check_fixed(const zo_scalar *f, zo_error *err)
{
    bool finite = f->kind != ZO_NUMBER || isfinite(f->number);

    if (f->kind == ZO_NULL)
        return zo_fail(err, ZO_EINVAL, "/value", "a fixed parameter needs a value");
    for (size_t k = 0; f->kind == ZO_NUMBERS && k < f->n_numbers; k++)
        finite = finite && isfinite(f->numbers[k]);
    return finite ? ZO_OK : zo_fail(err, ZO_EINVAL, "/value", "the value must be finite");
}

/* What can be said of parameter i alone, before the others are known. Pointers are relative to it. */
static zo_status compile_param(zo_space *s, size_t i, const zo_param_spec *given, zo_error *err)
{
    struct param *p = &s->params[i];
    zo_param_spec *spec = &s->specs[i];
    zo_status rc;

    if ((rc = check_name(given->name, err)) != ZO_OK)
        return rc;
    if (given->type == ZO_CATEGORICAL || given->type == ZO_ORDINAL) {
        if (given->n_choices > MAX_CHOICES) /* before so many are copied */
            return zo_fail(err, ZO_EINVAL, "/choices", "%zu choices; there must be 1 to %d", given->n_choices, MAX_CHOICES);
    }
    if (!copy_spec(s->arena, given, spec))
        return zo_fail_nomem(err);
    switch (spec->type) {
    case ZO_FLOAT:
    case ZO_INT:
    case ZO_BOOL:
        p->n_dims = 1;
        break;
    case ZO_CATEGORICAL:
    case ZO_ORDINAL:
        p->n_dims = 1;
        if ((rc = choices_init(s, i, err)) != ZO_OK)
            return rc;
        break;
    case ZO_FIXED:
        if ((rc = check_fixed(&spec->fixed, err)) != ZO_OK)
            return rc;
        break;
    case ZO_VECTOR:
        if (spec->size < 1 || spec->size > MAX_DIMS)
            return zo_fail(err, ZO_EINVAL, "/size", "size %zu; it must be 1 to %d", spec->size, MAX_DIMS);
        p->n_dims = spec->size;
        break;
    default: /* a number that a caller in C made up */
        return zo_fail(err, ZO_EINVAL, "/type", "unknown type of parameter");
    }
    if ((rc = domain_init(&p->domain, spec, err)) != ZO_OK)
        return rc;
    if (!spec->has_default)
        return ZO_OK;
    if ((p->default_values = zo_arena_array(s->arena, p->n_dims, sizeof *p->default_values)) == NULL)
        return zo_fail_nomem(err);
    if ((rc = space_read(s, i, &spec->default_value, p->default_values, err)) != ZO_OK)
        return err != NULL ? zo_fail_at(err, "/default") : rc;
    return ZO_OK;
}

static void fill_dims(zo_space *s, size_t i)
{
    const struct param *p = &s->params[i];
    const zo_type type = s->specs[i].type;

    /* Two levels are ordered either way, so a bool is a level like a 0/1 int: solvers need no special case for it. */
    for (size_t k = 0; k < p->n_dims; k++)
        s->dims[p->first_dim + k] = (zo_dim){
            .kind = p->domain.levels == 0 ? ZO_DIM_REAL : type == ZO_CATEGORICAL ? ZO_DIM_CATEGORY : ZO_DIM_LEVELS,
            .levels = p->domain.levels,
            .param = i,
        };
}

static zo_status compile(zo_space *s, const zo_space_spec *spec, zo_error *err)
{
    const size_t n = spec->n_params;
    zo_status rc;

    s->n_params = n;
    if ((s->specs = zo_arena_array(s->arena, n, sizeof *s->specs)) == NULL ||
        (s->params = zo_arena_array(s->arena, n, sizeof *s->params)) == NULL ||
        (s->by_name = zo_arena_array(s->arena, n, sizeof *s->by_name)) == NULL ||
        (s->order = zo_arena_array(s->arena, n, sizeof *s->order)) == NULL ||
        (s->rank = zo_arena_array(s->arena, n, sizeof *s->rank)) == NULL)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if ((rc = compile_param(s, i, &spec->params[i], err)) != ZO_OK)
            return err != NULL && rc != ZO_ENOMEM ? zo_fail_at(err, "/space/%zu", i) : rc;
        s->params[i].first_dim = s->n_dims;
        s->n_dims += s->params[i].n_dims;
        if (s->n_dims > MAX_DIMS) {
            rc = zo_fail(err, ZO_EINVAL, s->specs[i].type == ZO_VECTOR ? "/size" : "", "a space has at most %d dimensions", MAX_DIMS);
            return err != NULL ? zo_fail_at(err, "/space/%zu", i) : rc;
        }
    }
    if (s->n_dims == 0)
        return zo_fail(err, ZO_EINVAL, "/space", "nothing to search: every parameter is fixed");
    if ((s->dims = zo_arena_array(s->arena, s->n_dims, sizeof *s->dims)) == NULL)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++)
        fill_dims(s, i);
    if ((rc = names_init(s, err)) != ZO_OK || (rc = conditions_init(s, err)) != ZO_OK ||
        (rc = count_points(s, &s->cardinality, err)) != ZO_OK)
        return rc;
    return spec->n_linear > 0 ? linear_init(s, spec->linear, spec->n_linear, err) : ZO_OK;
}

zo_status zo_space_new(const zo_space_spec *spec, zo_space **out, zo_error *err)
{
    zo_arena *arena;
    zo_space *s;
    zo_status rc;

    if (spec->n_params < 1 || spec->n_params > MAX_PARAMS)
        return zo_fail(err, ZO_EINVAL, "/space", "%zu parameters; there must be 1 to %d", spec->n_params, MAX_PARAMS);
    if ((arena = zo_arena_new(0)) == NULL)
        return zo_fail_nomem(err);
    if ((s = zo_arena_alloc(arena, sizeof *s)) == NULL) {
        zo_arena_free(arena);
        return zo_fail_nomem(err);
    }
    s->arena = arena;
    if ((rc = compile(s, spec, err)) != ZO_OK) {
        zo_space_free(s);
        return rc;
    }
    *out = s;
    return ZO_OK;
}

void zo_space_free(zo_space *s)
{
    if (s != NULL)
        zo_arena_free(s->arena);
}

size_t zo_space_n_dims(const zo_space *s)
{
    return s->n_dims;
}

const zo_dim *zo_space_dims(const zo_space *s)
{
    return s->dims;
}

size_t zo_space_n_params(const zo_space *s)
{
    return s->n_params;
}

const zo_param_spec *zo_space_param(const zo_space *s, size_t i)
{
    return &s->specs[i];
}

size_t zo_space_find(const zo_space *s, const char *name)
{
    return space_find(s, name);
}

size_t zo_space_place(const zo_space *s, size_t i, size_t *first_out)
{
    *first_out = s->params[i].first_dim;
    return s->params[i].n_dims;
}

bool zo_space_has_linear(const zo_space *s)
{
    return s->linear != NULL;
}

bool zo_space_has_conditions(const zo_space *s)
{
    return s->has_conditions;
}
