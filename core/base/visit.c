/* Visitor: a solver names its fields once, and the same walk saves them to a bundle or loads them from one. 32-bit words travel as
 * 64-bit ones (the bundle has no such type) and are range-checked on the way back. */
#include "zeroth/bundle.h"

#include <stdio.h>
#include <string.h>

enum { NAME_BYTES = 160 };

static bool full_name(const zo_visit *v, const char *name, char full[NAME_BYTES])
{
    if (v->status != ZO_OK)
        return false;
    const int n = snprintf(full, NAME_BYTES, "%s%s", v->prefix ? v->prefix : "", name);
    ZO_ASSERT(n >= 0 && n < NAME_BYTES);
    return true;
}

static void fail(zo_visit *v, const char *full, const char *what)
{
    char pointer[128] = "";

    zo_pointer_append(pointer, sizeof pointer, full);
    v->status = zo_fail(v->err, ZO_EINVAL, pointer, "saved state: '%s' %s", full, what);
}

/* The array to write into or to read from, or NULL with v->status set (or set before). */
static void *visit(zo_visit *v, const char *name, zo_dtype t, size_t n)
{
    char full[NAME_BYTES];
    void *data = NULL;

    if (!full_name(v, name, full))
        return NULL;
    if (!v->loading) {
        v->status = zo_bundle_add(v->bundle, full, t, 1, &n, &data, v->err);
        return v->status == ZO_OK ? data : NULL;
    }
    const zo_array *a = zo_bundle_get(v->bundle, full);
    if (!a)
        fail(v, full, "is missing");
    else if (a->dtype != t)
        fail(v, full, "has another type");
    else if (a->n_dims != 1 || a->dims[0] != n)
        fail(v, full, "has another size");
    else
        data = a->data;
    return data;
}

static void visit_copy(zo_visit *v, const char *name, zo_dtype t, void *x, size_t n)
{
    void *data = visit(v, name, t, n);
    const size_t bytes = n * zo_dtype_bytes(t);

    if (data && bytes)
        memcpy(v->loading ? x : data, v->loading ? data : x, bytes);
}

void zo_visit_f64(zo_visit *v, const char *name, double *x, size_t n)
{
    visit_copy(v, name, ZO_F64, x, n);
}

size_t zo_visit_length(const zo_visit *v, const char *name)
{
    char full[NAME_BYTES];
    const zo_array *a = full_name(v, name, full) ? zo_bundle_get(v->bundle, full) : NULL;

    return a ? a->bytes / zo_dtype_bytes(a->dtype) : 0;
}

void zo_visit_require(zo_visit *v, const char *name, bool sound)
{
    char full[NAME_BYTES];

    if (v->loading && !sound && full_name(v, name, full))
        fail(v, full, "is out of range");
}

void zo_visit_f64_within(zo_visit *v, const char *name, double *x, size_t n, double low, double high)
{
    bool sound = true;

    zo_visit_f64(v, name, x, n);
    for (size_t i = 0; i < n && v->loading && v->status == ZO_OK; i++)
        sound &= x[i] >= low && x[i] <= high;
    zo_visit_require(v, name, sound);
}

void zo_visit_u64(zo_visit *v, const char *name, uint64_t *x, size_t n)
{
    visit_copy(v, name, ZO_U64, x, n);
}

void zo_visit_u8(zo_visit *v, const char *name, uint8_t *x, size_t n)
{
    visit_copy(v, name, ZO_U8, x, n);
}

void zo_visit_u32(zo_visit *v, const char *name, uint32_t *x, size_t n)
{
    uint64_t *wide = visit(v, name, ZO_U64, n);

    if (!wide)
        return;
    for (size_t i = 0; i < n; i++) {
        if (v->loading && wide[i] > UINT32_MAX) {
            char full[NAME_BYTES];
            full_name(v, name, full);
            fail(v, full, "does not fit 32 bits");
            return;
        }
        if (v->loading)
            x[i] = (uint32_t)wide[i];
        else
            wide[i] = x[i];
    }
}

void zo_visit_count(zo_visit *v, const char *name, size_t *n, size_t max)
{
    uint64_t *saved = visit(v, name, ZO_U64, 1);

    if (!saved)
        return;
    if (!v->loading) {
        *saved = *n;
    } else if (*saved > max) {
        zo_visit_require(v, name, false);
    } else {
        *n = (size_t)*saved;
    }
}
