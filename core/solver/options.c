/* Options: what a client wrote, checked against a solver's one table and put into its options struct. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "zeroth/solver.h"

static const zo_opt *find(const zo_opt *table, size_t n_opts, const char *name)
{
    for (size_t i = 0; i < n_opts; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

/* "full, diagonal or auto", cut to size. */
static void list_choices(const zo_opt *o, char *text, size_t size)
{
    size_t at = 0;

    text[0] = '\0';
    for (size_t i = 0; o->choices[i] != NULL && at < size; i++) {
        const char *joint = i == 0 ? "" : o->choices[i + 1] != NULL ? ", " : " or ";
        const int n = snprintf(text + at, size - at, "%s%s", joint, o->choices[i]);
        at += n > 0 ? (size_t)n : 0;
    }
}

/* Index of the choice; SIZE_MAX if it is none. */
static size_t choice_of(const zo_opt *o, const char *text)
{
    for (size_t i = 0; o->choices[i] != NULL; i++)
        if (strcmp(o->choices[i], text) == 0)
            return i;
    return SIZE_MAX;
}

static zo_status refuse_unknown(const zo_opt *table, size_t n_opts, const char *name, zo_error *err)
{
    char known[400] = "";
    size_t at = 0;

    for (size_t i = 0; i < n_opts && at < sizeof known; i++)
        at += (size_t)snprintf(known + at, sizeof known - at, "%s%s", i > 0 ? ", " : "", table[i].name);
    return zo_fail(err, ZO_EMALFORMED, "", "there is no option '%.64s'; there %s%s", name,
                   n_opts == 0 ? "are none" : n_opts == 1 ? "is " : "are ", known);
}

/* Pointers are relative to the option. */
static zo_status check(const zo_opt *o, const zo_scalar *given, zo_error *err)
{
    const double x = given->number;
    char choices[160];

    switch (o->type) {
    case ZO_OPT_TYPE_F64:
    case ZO_OPT_TYPE_U64:
        if (given->kind != ZO_NUMBER)
            return zo_fail(err, ZO_EMALFORMED, "", "option '%s' must be a number", o->name);
        if (o->type == ZO_OPT_TYPE_U64 && x != floor(x)) /* also NaN */
            return zo_fail(err, ZO_EMALFORMED, "", "option '%s' must be a whole number", o->name);
        if (!(x >= o->low && x <= o->high))
            return zo_fail(err, ZO_EINVAL, "", "option '%s' is %g; it must be between %g and %g", o->name, x, o->low,
                           o->high);
        return ZO_OK;
    case ZO_OPT_TYPE_BOOL:
        return given->kind == ZO_BOOLEAN ? ZO_OK
                                         : zo_fail(err, ZO_EMALFORMED, "", "option '%s' must be true or false", o->name);
    case ZO_OPT_TYPE_ENUM:
        if (given->kind != ZO_STRING)
            return zo_fail(err, ZO_EMALFORMED, "", "option '%s' must be a string", o->name);
        if (choice_of(o, given->string) != SIZE_MAX)
            return ZO_OK;
        list_choices(o, choices, sizeof choices);
        return zo_fail(err, ZO_EINVAL, "", "option '%s' must be %s", o->name, choices);
    }
    return ZO_OK;
}

static void store(const zo_opt *o, double x, void *out)
{
    void *field = (char *)out + o->offset;

    switch (o->type) {
    case ZO_OPT_TYPE_F64:
        memcpy(field, &x, sizeof x);
        break;
    case ZO_OPT_TYPE_U64:
        memcpy(field, &(uint64_t){(uint64_t)x}, sizeof(uint64_t));
        break;
    case ZO_OPT_TYPE_BOOL:
        memcpy(field, &(bool){x != 0}, sizeof(bool));
        break;
    case ZO_OPT_TYPE_ENUM:
        memcpy(field, &(uint32_t){(uint32_t)x}, sizeof(uint32_t));
        break;
    }
}

static double value_of(const zo_opt *o, const zo_scalar *given)
{
    switch (o->type) {
    case ZO_OPT_TYPE_F64:
    case ZO_OPT_TYPE_U64:
        break;
    case ZO_OPT_TYPE_BOOL:
        return given->boolean;
    case ZO_OPT_TYPE_ENUM:
        return (double)choice_of(o, given->string);
    }
    return given->number;
}

zo_status zo_opts_read(const zo_opt *table, size_t n_opts, const zo_named *given, size_t n, void *out, zo_error *err)
{
    for (size_t i = 0; i < n; i++) {
        const zo_opt *o = find(table, n_opts, given[i].name);
        const zo_status rc = o != NULL ? check(o, &given[i].value, err)
                                       : refuse_unknown(table, n_opts, given[i].name, err);
        if (rc != ZO_OK) {
            if (err != NULL)
                zo_pointer_append(err->pointer, sizeof err->pointer, given[i].name);
            return rc;
        }
    }
    for (size_t i = 0; i < n_opts; i++)
        store(&table[i], table[i].def, out);
    for (size_t i = 0; i < n; i++) {
        const zo_opt *o = find(table, n_opts, given[i].name);
        store(o, value_of(o, &given[i].value), out);
    }
    return ZO_OK;
}
