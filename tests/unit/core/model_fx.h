/* Shared by the tests of model kinds: small models, rows from a generator, and the state as bytes. */
#ifndef MODEL_FX_H
#define MODEL_FX_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/model.h"
#include "zeroth/rng.h"

static const double fx_unit_range[1] = {1};

/* A configuration with the service's defaults and range 1; opts: the kind's defaults, changed by given [n]. */
static inline zo_model_config fx_config(const char *kind, size_t inputs, void *opts, const zo_named *given, size_t n)
{
    const zo_model_kind *k = zo_model_kind_find(kind);

    assert_non_null(k);
    assert_int_equal(zo_opts_read(k->opts, k->n_opts, given, n, opts, NULL), ZO_OK);
    return (zo_model_config){.kind = k,
                             .inputs = inputs,
                             .gamma = 1,
                             .range = fx_unit_range,
                             .n_range = 1,
                             .quant = ZO_MODEL_DEFAULT_QUANT,
                             .capacity = ZO_MODEL_DEFAULT_CAPACITY,
                             .seed = 1,
                             .scale = 1,
                             .options = opts};
}

static inline zo_model *fx_model(const zo_model_config *c)
{
    zo_model *m = NULL;
    zo_error err = {0};

    if (zo_model_new(c, &m, &err) != ZO_OK)
        fail_msg("%s: %s", err.pointer, err.message);
    return m;
}

/* Creation fails with this code and pointer. */
static inline void fx_refused(const zo_model_config *c, zo_status code, const char *pointer)
{
    zo_model *m = NULL;
    zo_error err = {0};

    assert_int_equal(zo_model_new(c, &m, &err), code);
    assert_string_equal(err.pointer, pointer);
    assert_null(m);
}

/* n rows round a centre, in [-1, 1]. */
static inline void fx_cloud(zo_rng *rng, const double *centre, double spread, size_t n, size_t inputs, double *x)
{
    for (size_t i = 0; i < n * inputs; i++)
        x[i] = fmax(-1, fmin(1, centre[i % inputs] + spread * zo_rng_normal(rng)));
}

/* Learn (+1) or forget (-1) rows of a class. */
static inline void fx_change(zo_model *m, const char *label, const double *x, size_t n, int sign)
{
    int32_t *q = calloc(n * zo_model_configuration(m)->inputs, sizeof *q);
    zo_rows rows = {.x = q, .n = n};

    assert_non_null(q);
    assert_int_equal(zo_model_class(m, label, &rows.cls, NULL), ZO_OK);
    assert_int_equal(zo_model_quantise(m, x, ZO_F64, n, q, NULL), ZO_OK);
    assert_int_equal(zo_model_accumulate(m, &rows, sign, NULL, NULL), ZO_OK);
    free(q);
}

static inline void fx_scores(zo_model *m, const double *x, size_t n, zo_scores *io)
{
    int32_t *q = calloc(n * zo_model_configuration(m)->inputs, sizeof *q);
    zo_error err = {0};

    assert_non_null(q);
    assert_int_equal(zo_model_quantise(m, x, ZO_F64, n, q, NULL), ZO_OK);
    if (zo_model_predict(m, q, n, io, &err) != ZO_OK)
        fail_msg("%s: %s", err.pointer, err.message);
    free(q);
}

struct fx_state {
    char *bytes;
    size_t n;
};

static inline void fx_put(void *ctx, const void *bytes, size_t n, bool ends_leaf)
{
    struct fx_state *s = ctx;

    s->bytes = realloc(s->bytes, s->n + n + 1);
    assert_non_null(s->bytes);
    if (n)
        memcpy(s->bytes + s->n, bytes, n);
    s->n += n;
    s->bytes[s->n] = '|';
    s->n += ends_leaf;
}

static inline struct fx_state fx_state_of(const zo_model *m)
{
    struct fx_state s = {0};

    assert_int_equal(zo_model_digest(m, fx_put, &s, NULL), ZO_OK);
    return s;
}

static inline void fx_assert_same_state(const zo_model *a, const zo_model *b)
{
    struct fx_state s = fx_state_of(a), t = fx_state_of(b);

    assert_int_equal(s.n, t.n);
    assert_memory_equal(s.bytes, t.bytes, s.n);
    free(s.bytes);
    free(t.bytes);
}

static inline void fx_assert_near(double got, double expected, double margin)
{
    if (!(fabs(got - expected) <= margin))
        fail_msg("%.17g is not within %g of %.17g", got, margin, expected);
}

static inline size_t fx_argmax(const double *score, size_t k)
{
    size_t best = 0;

    for (size_t c = 1; c < k; c++)
        best = score[c] > score[best] ? c : best;
    return best;
}

#endif
