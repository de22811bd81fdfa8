/* Any bytes as a safetensors file: refused, or read into arrays that are written and read again without a change. The
 * view in place and the copy agree, also when nothing in the bytes is aligned. */
#include <stdint.h>
#include <string.h>

#include "codec/bundlejson.h"
#include "codec/safetensors.h"

/* The same answer as the copy's, from bytes at an odd address in a block that ends where they do. */
static void view_agrees(const uint8_t *data, size_t n, const zo_bundle *copy, const zo_error *err)
{
    uint8_t *odd = zo_malloc(n + 1);
    zo_error own = {0};
    zo_tensors t;

    ZO_ASSERT(odd);
    if (n)
        memcpy(odd + 1, data, n);
    const zo_status rc = zo_safetensors_view(odd + 1, n, &t, &own);
    ZO_ASSERT(rc == err->code && strcmp(own.message, err->message) == 0 && strcmp(own.pointer, err->pointer) == 0);
    if (rc == ZO_OK) {
        ZO_ASSERT(t.n_arrays == copy->n_arrays && t.n_meta == copy->n_meta);
        for (size_t i = 0; i < t.n_arrays; i++) {
            const zo_tensor *x = &t.arrays[i];
            const zo_array *y = zo_bundle_get(copy, x->name);
            ZO_ASSERT(y && x == zo_tensors_get(&t, x->name) && x->dtype == y->dtype && x->n_dims == y->n_dims &&
                      x->bytes == y->bytes);
            ZO_ASSERT(memcmp(x->dims, y->dims, x->n_dims * sizeof *x->dims) == 0 &&
                      memcmp(x->data, y->data, x->bytes) == 0);
            ZO_ASSERT((const uint8_t *)x->data > odd + 8 && (const uint8_t *)x->data + x->bytes <= odd + 1 + n);
        }
        for (size_t i = 0; i < t.n_meta; i++)
            ZO_ASSERT(strcmp(zo_bundle_meta(copy, t.meta[i].key), zo_tensors_meta(&t, t.meta[i].key)) == 0);
        zo_tensors_fini(&t);
    }
    zo_free(odd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    zo_bundle a, b;
    zo_error err = {0};
    zo_json w;
    char *file;
    size_t bytes, total = 0;

    if (zo_safetensors_read(data, n, &a, &err) != ZO_OK) {
        ZO_ASSERT(err.code == ZO_EMALFORMED || err.code == ZO_ETOOLARGE || err.code == ZO_EUNSUPPORTED);
        view_agrees(data, n, NULL, &err);
        return 0;
    }
    view_agrees(data, n, &a, &err);
    ZO_ASSERT(zo_safetensors_write(&a, &file, &bytes, &err) == ZO_OK);
    ZO_ASSERT(zo_safetensors_read(file, bytes, &b, &err) == ZO_OK);
    ZO_ASSERT(a.n_arrays == b.n_arrays && a.n_meta == b.n_meta);
    for (size_t i = 0; i < a.n_arrays; i++) {
        const zo_array *x = &a.arrays[i], *y = zo_bundle_get(&b, x->name);
        ZO_ASSERT(y && x->dtype == y->dtype && x->n_dims == y->n_dims && x->bytes == y->bytes);
        ZO_ASSERT(memcmp(x->dims, y->dims, x->n_dims * sizeof *x->dims) == 0 &&
                  memcmp(x->data, y->data, x->bytes) == 0);
        total += x->bytes;
    }
    ZO_ASSERT(total <= n);
    for (size_t i = 0; i < a.n_meta; i++)
        ZO_ASSERT(strcmp(zo_bundle_meta(&b, a.meta[i].key), a.meta[i].value) == 0);
    zo_json_init(&w);
    zo_bundle_json(&a, &w);
    ZO_ASSERT(!zo_json_failed(&w));
    zo_json_fini(&w);
    zo_free(file);
    zo_bundle_fini(&a);
    zo_bundle_fini(&b);
    return 0;
}
