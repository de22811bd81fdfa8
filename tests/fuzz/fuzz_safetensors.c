/* Any bytes as a safetensors file: refused, or read into arrays that are written and read again without a change. */
#include <stdint.h>
#include <string.h>

#include "codec/bundlejson.h"
#include "codec/safetensors.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    zo_bundle a, b;
    zo_error err = {0};
    zo_json w;
    char *file;
    size_t bytes, total = 0;

    if (zo_safetensors_read(data, n, &a, &err) != ZO_OK) {
        ZO_ASSERT(err.code == ZO_EMALFORMED || err.code == ZO_ETOOLARGE || err.code == ZO_EUNSUPPORTED);
        return 0;
    }
    ZO_ASSERT(zo_safetensors_write(&a, &file, &bytes, &err) == ZO_OK);
    ZO_ASSERT(zo_safetensors_read(file, bytes, &b, &err) == ZO_OK);
    ZO_ASSERT(a.n_arrays == b.n_arrays && a.n_meta == b.n_meta);
    for (size_t i = 0; i < a.n_arrays; i++) {
        const zo_array *x = &a.arrays[i], *y = zo_bundle_get(&b, x->name);
        ZO_ASSERT(y && x->dtype == y->dtype && x->n_dims == y->n_dims && x->bytes == y->bytes);
        ZO_ASSERT(memcmp(x->dims, y->dims, x->n_dims * sizeof *x->dims) == 0 && memcmp(x->data, y->data, x->bytes) == 0);
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
