/* Bundle: a small ordered set of named, shaped, typed arrays and named scalars and strings. It crosses every wall that is
 * not plain JSON: vectors, weights, a solver's saved state. Its JSON and safetensors forms live in server/codec. */
#ifndef ZEROTH_BUNDLE_H
#define ZEROTH_BUNDLE_H

#include "zeroth/error.h"

typedef enum zo_dtype { ZO_F64, ZO_F32, ZO_I64, ZO_I32, ZO_U64, ZO_U8 } zo_dtype;
size_t zo_dtype_bytes(zo_dtype t);

typedef struct zo_array { /* row-major as on the wire; data owned by the bundle, unless lent to it */
    char *name;
    zo_dtype dtype;
    size_t n_dims, dims[4];
    void *data;         /* 64-byte aligned */
    size_t bytes;
    bool is_lent;
} zo_array;

typedef struct zo_meta { char *key, *value; } zo_meta; /* scalars are kept as strings: safetensors metadata */

typedef struct zo_bundle {
    zo_array *arrays;
    size_t n_arrays, cap_arrays;
    zo_meta *meta;
    size_t n_meta, cap_meta;
} zo_bundle;

void zo_bundle_init(zo_bundle *b);
void zo_bundle_fini(zo_bundle *b);
/* Add an array; its zeroed storage is returned in *data_out. ZO_ECONFLICT if the name exists; ZO_ENOMEM. */
zo_status zo_bundle_add(zo_bundle *b, const char *name, zo_dtype t, size_t n_dims, const size_t *dims, void **data_out,
                        zo_error *err);
/* The same with data that is the caller's and outlives the bundle: for what is only to be written. */
zo_status zo_bundle_lend(zo_bundle *b, const char *name, zo_dtype t, size_t n_dims, const size_t *dims,
                         const void *data, zo_error *err);
zo_status zo_bundle_add_f64(zo_bundle *b, const char *name, const double *x, size_t n, zo_error *err);
const zo_array *zo_bundle_get(const zo_bundle *b, const char *name); /* NULL if absent */
zo_status zo_bundle_set_meta(zo_bundle *b, const char *key, const char *value, zo_error *err);
const char *zo_bundle_meta(const zo_bundle *b, const char *key);     /* NULL if absent */

/* Visitor: one function of a solver visits its fields both to save and to load, so the two can't drift apart.
 * The first failure is kept in v->status and later calls do nothing: check once at the end. Loading checks type and size. */
typedef struct zo_visit {
    zo_bundle *bundle;
    bool loading;
    const char *prefix; /* put before every name; "" or "solver." */
    zo_status status;
    zo_error *err;
} zo_visit;
void zo_visit_f64(zo_visit *v, const char *name, double *x, size_t n);
void zo_visit_u64(zo_visit *v, const char *name, uint64_t *x, size_t n);
void zo_visit_u32(zo_visit *v, const char *name, uint32_t *x, size_t n);
void zo_visit_u8(zo_visit *v, const char *name, uint8_t *x, size_t n);
/* Length of a growable field: saved, or loaded into *n (<= max). The caller then reserves and visits the data. */
void zo_visit_count(zo_visit *v, const char *name, size_t *n, size_t max);
/* Loading: how many elements were saved under name, 0 if none: a size that is read bounds memory only up to this. */
size_t zo_visit_length(const zo_visit *v, const char *name);
/* Saved state may be damaged: as zo_visit_f64, but loading refuses whatever is no number from low to high. */
void zo_visit_f64_within(zo_visit *v, const char *name, double *x, size_t n, double low, double high);
/* Loading: refuse what was read under name unless it is sound. Saving: nothing. */
void zo_visit_require(zo_visit *v, const char *name, bool sound);

#endif
