/* Out of memory: the k-th allocation fails, for every k, ours and jansson's alike. Each call then reports ZO_ENOMEM, leaves nothing
 * behind (counted here, and by sanitizers) and works when asked again. This file replaces core's allocator at link time. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/bundlejson.h"
#include "codec/jsonread.h"
#include "codec/safetensors.h"

static long countdown = -1, live; /* allocations until one fails, once; blocks not freed */
static bool failed;

static bool fails(void)
{
    if (countdown < 0)
        return false;
    if (countdown-- > 0)
        return false;
    failed = true;
    return true;
}

static void *counted(void *p)
{
    live += p != NULL;
    return p;
}

void *zo_malloc(size_t bytes)
{
    return fails() ? NULL : counted(malloc(bytes ? bytes : 1));
}

void *zo_calloc(size_t count, size_t bytes)
{
    return fails() ? NULL : counted(calloc(count ? count : 1, bytes ? bytes : 1));
}

void *zo_realloc(void *p, size_t bytes)
{
    if (fails())
        return NULL;
    void *q = realloc(p, bytes ? bytes : 1);
    live += !p && q;
    return q;
}

void *zo_memalign64(size_t bytes)
{
    void *p = NULL;

    return fails() || posix_memalign(&p, 64, bytes ? bytes : 1) ? NULL : counted(p);
}

char *zo_strdup(const char *s)
{
    return fails() ? NULL : counted(strdup(s));
}

void zo_free(void *p)
{
    live -= p != NULL;
    free(p);
}

static zo_status fill(zo_bundle *b, zo_error *err)
{
    static const char *const names[] = {"a", "b", "c", "d", "e", "f", "g", "h", "i"};
    const double x[] = {1, 2, 3};
    zo_status rc = ZO_OK;

    zo_bundle_init(b);
    for (size_t i = 0; i < ZO_LEN(names) && rc == ZO_OK; i++)
        if ((rc = zo_bundle_add_f64(b, names[i], x, 3, err)) == ZO_OK)
            rc = zo_bundle_set_meta(b, names[i], "v", err);
    return rc == ZO_OK ? zo_bundle_set_meta(b, "a", "replaced", err) : rc;
}

static zo_status run_bundle(zo_error *err)
{
    zo_bundle b, back;
    char *file;
    size_t n;
    zo_status rc = fill(&b, err);

    if (rc == ZO_OK && (rc = zo_safetensors_write(&b, &file, &n, err)) == ZO_OK) {
        if ((rc = zo_safetensors_read(file, n, &back, err)) == ZO_OK) {
            assert_int_equal(back.n_arrays, 9);
            zo_bundle_fini(&back);
        }
        zo_free(file);
    }
    zo_bundle_fini(&b);
    return rc;
}

static zo_status run_view(zo_error *err)
{
    static const char header[] = "{\"__metadata__\":{\"k\":\"v\"},\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}";
    char file[8 + sizeof header]; /* the text's NUL is the byte of data */
    const uint64_t length = sizeof header - 1;
    zo_tensors t;

    memcpy(file, &length, 8);
    memcpy(file + 8, header, sizeof header);
    const zo_status rc = zo_safetensors_view(file, sizeof file, &t, err);
    if (rc == ZO_OK)
        zo_tensors_fini(&t);
    return rc;
}

static zo_status run_visit(zo_error *err)
{
    zo_bundle b;
    double f[2] = {1, 2};
    uint32_t s[2] = {3, 4};
    size_t n = 2;
    zo_visit v = {.bundle = &b, .prefix = "p.", .err = err};

    zo_bundle_init(&b);
    zo_visit_count(&v, "n", &n, 2);
    zo_visit_f64(&v, "f", f, n);
    zo_visit_u32(&v, "s", s, n);
    zo_bundle_fini(&b);
    return v.status;
}

static zo_status run_json(zo_error *err)
{
    static const char body[] = "{\"name\":\"svm\",\"space\":[{\"low\":0.5,\"when\":{\"k\":[1,2,\"rbf\",null,true]}}],\"x\":[1,2.5]}";
    zo_arena *arena = zo_arena_new(0);
    json_t *doc = NULL;
    zo_scalar s;
    zo_status rc = arena ? ZO_OK : zo_fail_nomem(err);

    if (rc == ZO_OK && (rc = zo_json_parse(body, sizeof body - 1, NULL, &doc, err)) == ZO_OK &&
        (rc = zo_json_scalar(json_object_get(doc, "x"), arena, &s, err)) == ZO_OK &&
        (rc = zo_json_scalar(json_object_get(doc, "name"), arena, &s, err)) == ZO_OK) {
        zo_json w;
        zo_json_init(&w);
        zo_json_begin_array(&w);
        for (int i = 0; i < 1000; i++)
            zo_json_scalar_write(&w, &s);
        zo_json_end_array(&w);
        char *text = zo_json_take(&w, NULL);
        if (!text)
            rc = zo_fail_nomem(err);
        else
            assert_int_equal(strlen(text), 6001);
        zo_free(text);
    }
    json_decref(doc);
    zo_arena_free(arena);
    return rc;
}

static void sweep(zo_status (*run)(zo_error *err))
{
    zo_status rc;
    long k = 0;

    do {
        zo_error err = {0};
        const long before = live;
        failed = false;
        countdown = k++;
        rc = run(&err);
        countdown = -1;
        assert_int_equal(rc, failed ? ZO_ENOMEM : ZO_OK);
        assert_int_equal(err.code, rc);
        assert_int_equal(live, before);
        assert_int_equal(run(&err), ZO_OK);
    } while (rc != ZO_OK);
    assert_true(k > 5);
}

static void a_bundle_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep(run_bundle);
}

static void a_view_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep(run_view);
}

static void a_visit_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep(run_visit);
}

static void a_body_survives_every_failed_allocation(void **state)
{
    (void)state;
    sweep(run_json);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_bundle_survives_every_failed_allocation),
        cmocka_unit_test(a_view_survives_every_failed_allocation),
        cmocka_unit_test(a_visit_survives_every_failed_allocation),
        cmocka_unit_test(a_body_survives_every_failed_allocation),
    };
    zo_json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
