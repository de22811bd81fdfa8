/* Bundle: names to arrays and strings, kept in the order they were added. A handful of entries, so lookup is a plain
 * scan. */
#include "zeroth/bundle.h"

#include <string.h>

size_t zo_dtype_bytes(zo_dtype t)
{
    switch (t) {
    case ZO_F64:
    case ZO_I64:
    case ZO_U64:
        return 8;
    case ZO_F32:
    case ZO_I32:
        return 4;
    case ZO_U8:
        return 1;
    }
    return 0;
}

void zo_bundle_init(zo_bundle *b)
{
    *b = (zo_bundle){0};
}

void zo_bundle_fini(zo_bundle *b)
{
    if (!b)
        return;
    for (size_t i = 0; i < b->n_arrays; i++) {
        zo_free(b->arrays[i].name);
        if (!b->arrays[i].is_lent)
            zo_free(b->arrays[i].data);
    }
    for (size_t i = 0; i < b->n_meta; i++) {
        zo_free(b->meta[i].key);
        zo_free(b->meta[i].value);
    }
    zo_free(b->arrays);
    zo_free(b->meta);
    *b = (zo_bundle){0};
}

const zo_array *zo_bundle_get(const zo_bundle *b, const char *name)
{
    for (size_t i = 0; i < b->n_arrays; i++)
        if (strcmp(b->arrays[i].name, name) == 0)
            return &b->arrays[i];
    return NULL;
}

/* Room for one more of a growing list: *list then has *cap > n entries. */
static bool reserve(void **list, size_t n, size_t *cap, size_t bytes)
{
    if (n < *cap)
        return true;
    const size_t grown = *cap ? 2 * *cap : 8;
    void *p = zo_realloc(*list, grown * bytes);
    if (!p)
        return false;
    *list = p;
    *cap = grown;
    return true;
}

/* lent: NULL for zeroed storage of the bundle's own. */
static zo_status add(zo_bundle *b, const char *name, zo_dtype t, size_t n_dims, const size_t *dims, const void *lent,
                     zo_error *err)
{
    zo_array a = {.dtype = t, .n_dims = n_dims, .bytes = zo_dtype_bytes(t)};
    void *list = b->arrays;

    if (n_dims > ZO_LEN(a.dims))
        return zo_fail(err, ZO_EINVAL, "", "array '%s' has %zu dimensions, at most %zu are kept", name, n_dims,
                       ZO_LEN(a.dims));
    for (size_t i = 0; i < n_dims; i++) {
        a.dims[i] = dims[i];
        if (__builtin_mul_overflow(a.bytes, dims[i], &a.bytes))
            return zo_fail(err, ZO_ETOOLARGE, "", "array '%s' is too large", name);
    }
    if (zo_bundle_get(b, name))
        return zo_fail(err, ZO_ECONFLICT, "", "array '%s' is there twice", name);
    if (!reserve(&list, b->n_arrays, &b->cap_arrays, sizeof a))
        return zo_fail_nomem(err);
    b->arrays = list;
    a.name = zo_strdup(name);
    a.is_lent = lent != NULL;
    a.data = lent ? (void *)(uintptr_t)lent : zo_memalign64(a.bytes);
    if (!a.name || !a.data) {
        zo_free(a.name);
        if (!lent)
            zo_free(a.data);
        return zo_fail_nomem(err);
    }
    if (!lent)
        memset(a.data, 0, a.bytes);
    b->arrays[b->n_arrays++] = a;
    return ZO_OK;
}

zo_status zo_bundle_add(zo_bundle *b, const char *name, zo_dtype t, size_t n_dims, const size_t *dims, void **data_out,
                        zo_error *err)
{
    const zo_status rc = add(b, name, t, n_dims, dims, NULL, err);

    if (rc == ZO_OK && data_out)
        *data_out = b->arrays[b->n_arrays - 1].data;
    return rc;
}

zo_status zo_bundle_lend(zo_bundle *b, const char *name, zo_dtype t, size_t n_dims, const size_t *dims,
                         const void *data, zo_error *err)
{
    return add(b, name, t, n_dims, dims, data, err);
}

zo_status zo_bundle_add_f64(zo_bundle *b, const char *name, const double *x, size_t n, zo_error *err)
{
    void *data;
    const zo_status rc = zo_bundle_add(b, name, ZO_F64, 1, &n, &data, err);

    if (rc == ZO_OK && n)
        memcpy(data, x, n * sizeof *x);
    return rc;
}

const char *zo_bundle_meta(const zo_bundle *b, const char *key)
{
    for (size_t i = 0; i < b->n_meta; i++)
        if (strcmp(b->meta[i].key, key) == 0)
            return b->meta[i].value;
    return NULL;
}

/* A second set of the same key replaces its value. */
zo_status zo_bundle_set_meta(zo_bundle *b, const char *key, const char *value, zo_error *err)
{
    zo_meta m = {.value = zo_strdup(value)};
    void *list = b->meta;

    if (!m.value)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < b->n_meta; i++)
        if (strcmp(b->meta[i].key, key) == 0) {
            zo_free(b->meta[i].value);
            b->meta[i].value = m.value;
            return ZO_OK;
        }
    const bool ok = reserve(&list, b->n_meta, &b->cap_meta, sizeof m);
    b->meta = list;
    if (!ok || !(m.key = zo_strdup(key))) {
        zo_free(m.value);
        return zo_fail_nomem(err);
    }
    b->meta[b->n_meta++] = m;
    return ZO_OK;
}
