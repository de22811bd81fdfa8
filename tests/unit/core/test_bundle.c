/* Bundles and the visitor: what is saved comes back, and a damaged bundle is refused naming the field. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/bundle.h"

static void arrays_are_zeroed_aligned_and_found(void **state)
{
    (void)state;
    static const zo_dtype types[] = {ZO_F64, ZO_F32, ZO_I64, ZO_I32, ZO_U64, ZO_U8};
    static const size_t bytes[] = {8, 4, 8, 4, 8, 1};
    zo_bundle b;
    zo_bundle_init(&b);

    for (size_t i = 0; i < 60; i++) {
        char name[8];
        const size_t dims[4] = {i, 2, 3, 1};
        void *data = NULL;
        snprintf(name, sizeof name, "a%zu", i);
        assert_int_equal(zo_bundle_add(&b, name, types[i % 6], i % 5, dims, &data, NULL), ZO_OK);
        assert_int_equal((uintptr_t)data % 64, 0);
        const zo_array *a = zo_bundle_get(&b, name);
        assert_ptr_equal(a->data, data);
        size_t count = 1;
        for (size_t k = 0; k < i % 5; k++)
            count *= dims[k];
        assert_int_equal(a->bytes, count * bytes[i % 6]);
        for (size_t k = 0; k < a->bytes; k++)
            assert_int_equal(((unsigned char *)data)[k], 0);
    }
    assert_int_equal(b.n_arrays, 60);
    assert_null(zo_bundle_get(&b, "a60"));
    zo_bundle_fini(&b);
    zo_bundle_fini(NULL);
}

static void bad_arrays_are_refused(void **state)
{
    (void)state;
    zo_bundle b;
    zo_error err = {0};
    const size_t huge[] = {SIZE_MAX / 4, 2, 1, 1, 1};
    const double x[] = {1, 2};
    zo_bundle_init(&b);

    assert_int_equal(zo_bundle_add_f64(&b, "x", x, 2, &err), ZO_OK);
    assert_int_equal(zo_bundle_add_f64(&b, "x", x, 2, &err), ZO_ECONFLICT);
    assert_int_equal(zo_bundle_add(&b, "y", ZO_U64, 2, huge, NULL, &err), ZO_ETOOLARGE);
    assert_int_equal(zo_bundle_add(&b, "y", ZO_U64, 5, huge, NULL, &err), ZO_EINVAL);
    assert_int_equal(b.n_arrays, 1);
    assert_true(((double *)zo_bundle_get(&b, "x")->data)[1] == 2.0);
    zo_bundle_fini(&b);
}

static void metadata_is_kept_and_replaced(void **state)
{
    (void)state;
    zo_bundle b;
    zo_bundle_init(&b);

    for (int i = 0; i < 20; i++) {
        char key[8];
        snprintf(key, sizeof key, "k%d", i % 10);
        assert_int_equal(zo_bundle_set_meta(&b, key, i < 10 ? "old" : key, NULL), ZO_OK);
    }
    assert_int_equal(b.n_meta, 10);
    assert_string_equal(zo_bundle_meta(&b, "k7"), "k7");
    assert_null(zo_bundle_meta(&b, "k10"));
    zo_bundle_fini(&b);
}

struct fields {
    double f[3];
    uint64_t w[2];
    uint32_t s[3];
    uint8_t c[5];
    size_t n;
};

static void walk(struct fields *x, zo_visit *v)
{
    zo_visit_count(v, "n", &x->n, 5);
    zo_visit_f64(v, "f", x->f, 3);
    zo_visit_u64(v, "w", x->w, 2);
    zo_visit_u32(v, "s", x->s, 3);
    zo_visit_u8(v, "c", x->c, x->n);
}

static void one_walk_saves_and_loads(void **state)
{
    (void)state;
    struct fields a = {{1, -0.0, INFINITY}, {UINT64_MAX, 5}, {UINT32_MAX, 0, 7}, {1, 2, 3, 4, 5}, 4}, z = {0};
    zo_bundle b;
    zo_bundle_init(&b);
    zo_visit v = {.bundle = &b, .prefix = "solver."};

    walk(&a, &v);
    assert_int_equal(v.status, ZO_OK);
    assert_non_null(zo_bundle_get(&b, "solver.f"));
    v.loading = true;
    walk(&z, &v);
    assert_int_equal(v.status, ZO_OK);
    a.c[4] = 0; /* beyond the count */
    assert_memory_equal(a.f, z.f, sizeof a.f);
    assert_memory_equal(a.w, z.w, sizeof a.w);
    assert_memory_equal(a.s, z.s, sizeof a.s);
    assert_memory_equal(a.c, z.c, sizeof a.c);
    assert_int_equal(z.n, 4);
    zo_bundle_fini(&b);
}

static void loading_refuses_missing_mistyped_and_missized_fields(void **state)
{
    (void)state;
    static const struct {
        const char *name;
        zo_dtype type;
        size_t n;
        uint64_t value;
        const char *what;
    } bad[] = {
        {"f", ZO_F64, 2, 0, "size"}, {"f", ZO_U64, 3, 0, "type"},      {"n", ZO_U64, 1, 6, "range"},
        {"n", ZO_U64, 1, UINT64_MAX, "range"}, {"s", ZO_U64, 3, UINT64_C(1) << 32, "32 bits"}, {NULL, 0, 0, 0, "missing"},
    };

    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        struct fields a = {.n = 4}, z = {0};
        zo_bundle b;
        zo_error err = {0};
        void *data;
        zo_bundle_init(&b);
        zo_visit v = {.bundle = &b, .prefix = "", .err = &err};
        walk(&a, &v);
        for (size_t i = 0; i < b.n_arrays; i++) /* make room for the damaged one under the same name */
            if (strcmp(b.arrays[i].name, bad[k].name ? bad[k].name : "w") == 0)
                b.arrays[i].name[0] = '?';
        if (bad[k].name) {
            assert_int_equal(zo_bundle_add(&b, bad[k].name, bad[k].type, 1, &bad[k].n, &data, NULL), ZO_OK);
            memcpy(data, &bad[k].value, sizeof bad[k].value);
        }
        v.loading = true;
        walk(&z, &v);
        assert_int_equal(v.status, ZO_EINVAL);
        assert_int_equal(err.code, ZO_EINVAL);
        assert_non_null(strstr(err.message, bad[k].what));
        char pointer[8] = "";
        zo_pointer_append(pointer, sizeof pointer, bad[k].name ? bad[k].name : "w");
        assert_string_equal(err.pointer, pointer);
        zo_bundle_fini(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrays_are_zeroed_aligned_and_found),
        cmocka_unit_test(bad_arrays_are_refused),
        cmocka_unit_test(metadata_is_kept_and_replaced),
        cmocka_unit_test(one_walk_saves_and_loads),
        cmocka_unit_test(loading_refuses_missing_mistyped_and_missized_fields),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
