/* safetensors: bytes written by hand and by another program (numpy, see the fuzz corpus) are read; what we write has
 * the documented layout; every kind of lie in a header is refused. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/bundlejson.h"
#include "codec/jsonread.h"
#include "codec/safetensors.h"
#include "zeroth/rng.h"

/* A file of a header and data_bytes bytes 0, 1, 2...; malloc'd exactly, so that sanitizers see an overrun. */
static char *make(const char *header, size_t data_bytes, size_t *n)
{
    const uint64_t length = strlen(header);
    char *file = zo_malloc(*n = 8 + (size_t)length + data_bytes);

    assert_non_null(file);
    memcpy(file, &length, 8);
    memcpy(file + 8, header, length);
    for (size_t i = 0; i < data_bytes; i++)
        file[8 + length + i] = (char)i;
    return file;
}

static zo_status read_made(const char *header, size_t data_bytes, zo_bundle *b, zo_error *err)
{
    size_t n;
    char *file = make(header, data_bytes, &n);
    const zo_status rc = zo_safetensors_read(file, n, b, err);

    zo_free(file);
    return rc;
}

static void a_file_by_hand_is_read(void **state)
{
    (void)state;
    zo_bundle b;

    assert_int_equal(
        read_made("{\"__metadata__\":{\"k\":\"v\"},\"b\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[6,14]},"
                  "\"a\":{\"dtype\":\"U8\",\"shape\":[2,3],\"data_offsets\":[0,6]},"
                  "\"e\":{\"dtype\":\"F64\",\"shape\":[0,5],\"data_offsets\":[6,6]},"
                  "\"s\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[14,15]}}  ",
                  15, &b, NULL),
        ZO_OK);
    assert_string_equal(zo_bundle_meta(&b, "k"), "v");
    const zo_array *a = zo_bundle_get(&b, "a");
    assert_true(a->dtype == ZO_U8 && a->n_dims == 2 && a->dims[0] == 2 && a->dims[1] == 3);
    assert_memory_equal(a->data, "\0\1\2\3\4\5", 6);
    assert_int_equal(((int32_t *)zo_bundle_get(&b, "b")->data)[1], 0x0D0C0B0A);
    assert_int_equal(zo_bundle_get(&b, "e")->bytes, 0);
    assert_true(zo_bundle_get(&b, "s")->n_dims == 0 && *(uint8_t *)zo_bundle_get(&b, "s")->data == 14);
    zo_bundle_fini(&b);
}

static void a_file_of_another_program_is_read(void **state)
{
    (void)state;
    FILE *f = fopen("tests/fuzz/corpus/safetensors/numpy.safetensors", "rb");
    char file[4096];
    zo_bundle b;

    assert_non_null(f);
    const size_t n = fread(file, 1, sizeof file, f);
    fclose(f);
    assert_int_equal(zo_safetensors_read(file, n, &b, NULL), ZO_OK);
    assert_int_equal(b.n_arrays, 6);
    const double *x = zo_bundle_get(&b, "x")->data; /* numpy.arange(12).reshape(3, 4) / 8 */
    for (int i = 0; i < 12; i++)
        assert_true(x[i] == i / 8.0);
    assert_true(zo_bundle_get(&b, "x")->dims[0] == 3 && zo_bundle_get(&b, "x")->dims[1] == 4);
    assert_true(((float *)zo_bundle_get(&b, "f")->data)[1] == -2.5f);
    assert_true(((int64_t *)zo_bundle_get(&b, "i")->data)[0] == -INT64_C(9007199254740995));
    assert_true(((uint64_t *)zo_bundle_get(&b, "u")->data)[0] == UINT64_MAX);
    assert_true(((int32_t *)zo_bundle_get(&b, "j")->data)[2] == -3);
    assert_string_equal(zo_bundle_get(&b, "o")->data, "raw");
    assert_string_equal(zo_bundle_meta(&b, "json"), "{\"trial\": 3}");
    zo_bundle_fini(&b);
}

/* Whether the view's arrays are the very bytes of the file, and its values those that were put in, at any address. */
static void a_view_lends_the_files_own_bytes_at_any_address(void **state)
{
    (void)state;
    static const char header[] =
        "{\"__metadata__\":{\"k\":\"v\",\"l\":\"\"},\"d\":{\"dtype\":\"F64\",\"shape\":[2],\"data_offsets\":[1,17]},"
        "\"b\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},"
        "\"f\":{\"dtype\":\"F32\",\"shape\":[1,2],\"data_offsets\":[17,25]},"
        "\"i\":{\"dtype\":\"I64\",\"shape\":[1],\"data_offsets\":[25,33]},"
        "\"j\":{\"dtype\":\"I32\",\"shape\":[2],\"data_offsets\":[33,41]},"
        "\"u\":{\"dtype\":\"U64\",\"shape\":[1],\"data_offsets\":[41,49]},"
        "\"e\":{\"dtype\":\"F64\",\"shape\":[0,7],\"data_offsets\":[49,49]}}";
    static const double d[] = {-0.1, 1e300};
    static const float f[] = {0.5f, -3e38f};
    static const int64_t wide = INT64_MIN + 5;
    static const int32_t narrow[] = {-7, INT32_MAX};
    static const uint64_t u = UINT64_MAX - 2;
    const uint64_t length = sizeof header - 1;
    const size_t n = 8 + (size_t)length + 49;

    for (size_t shift = 0; shift < 8; shift++) {
        char *block = zo_malloc(shift + n), *file = block + shift, *data = file + 8 + length;
        zo_tensors t;
        memcpy(file, &length, 8);
        memcpy(file + 8, header, length);
        data[0] = 42;
        memcpy(data + 1, d, sizeof d);
        memcpy(data + 17, f, sizeof f);
        memcpy(data + 25, &wide, sizeof wide);
        memcpy(data + 33, narrow, sizeof narrow);
        memcpy(data + 41, &u, sizeof u);
        assert_int_equal(zo_safetensors_view(file, n, &t, NULL), ZO_OK);
        assert_true(t.n_arrays == 7 && t.n_meta == 2);
        assert_string_equal(zo_tensors_meta(&t, "k"), "v");
        assert_string_equal(zo_tensors_meta(&t, "l"), "");
        assert_null(zo_tensors_meta(&t, "d"));
        assert_null(zo_tensors_get(&t, "k"));
        assert_string_equal(t.arrays[0].name, "b"); /* first in the data, not in the header */
        assert_ptr_equal(zo_tensors_get(&t, "b")->data, data);
        assert_true(zo_tensors_get(&t, "b")->n_dims == 0 && zo_tensors_get(&t, "b")->bytes == 1);
        assert_ptr_equal(zo_tensors_get(&t, "d")->data, data + 1);
        assert_ptr_equal(zo_tensors_get(&t, "u")->data, data + 41);
        assert_true(zo_tensors_get(&t, "e")->bytes == 0 && zo_tensors_get(&t, "e")->dims[1] == 7);
        assert_true(zo_tensors_get(&t, "f")->dtype == ZO_F32 && zo_tensors_get(&t, "f")->dims[1] == 2);
        for (size_t i = 0; i < 2; i++) {
            assert_true(zo_load_f64(zo_tensors_get(&t, "d")->data, i) == d[i]);
            assert_true(zo_load_f32(zo_tensors_get(&t, "f")->data, i) == f[i]);
            assert_int_equal(zo_load_i32(zo_tensors_get(&t, "j")->data, i), narrow[i]);
        }
        assert_true(zo_load_i64(zo_tensors_get(&t, "i")->data, 0) == wide);
        assert_true(zo_load_u64(zo_tensors_get(&t, "u")->data, 0) == u);
        zo_tensors_fini(&t);
        zo_free(block);
    }
    zo_tensors_fini(NULL);
}

static void every_lie_in_a_header_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *header;
        size_t data_bytes;
        zo_status rc;
        const char *pointer;
    } bad[] = {
        {"[]", 0, ZO_EMALFORMED, ""},
        {" {}", 0, ZO_EMALFORMED, ""},
        {"{}", 1, ZO_EMALFORMED, ""},
        {"{", 0, ZO_EMALFORMED, ""},
        {"{\"a\":1}", 0, ZO_EMALFORMED, "/a"},
        {"{\"a\":{}}", 0, ZO_EMALFORMED, "/a/dtype"},
        {"{\"a\":{\"dtype\":\"BF16\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, ZO_EUNSUPPORTED, "/a/dtype"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1],\"x\":1}}", 1, ZO_EMALFORMED, "/a/x"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0]}}", 1, ZO_EMALFORMED, "/a/data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1,1]}}", 1, ZO_EMALFORMED, "/a/data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,2]}}", 2, ZO_EMALFORMED, "/a/data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 1, ZO_EMALFORMED, "/a/data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[2,0]}}", 2, ZO_EMALFORMED, "/a/data_offsets"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,0]}}", 0, ZO_EMALFORMED, "/a/shape/0"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1.0],\"data_offsets\":[0,1]}}", 1, ZO_EMALFORMED, "/a/shape/1"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,\"1\"]}}", 1, ZO_EMALFORMED, "/a/data_offsets/1"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[-1,0]}}", 1, ZO_EMALFORMED, "/a/data_offsets/0"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1,1,1,1,1],\"data_offsets\":[0,1]}}", 1, ZO_EUNSUPPORTED, "/a/shape"},
        /* products that wrap: 2^32 * 2^32 = 0 mod 2^64, and 8 * 2^53 * 2^8 */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[4294967296,4294967296],\"data_offsets\":[0,0]}}", 0, ZO_EMALFORMED,
         "/a/shape"},
        {"{\"a\":{\"dtype\":\"F64\",\"shape\":[9007199254740992,256],\"data_offsets\":[0,0]}}", 0, ZO_EMALFORMED,
         "/a/shape"},
        /* overlap, hole, unclaimed end */
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]},\"b\":{\"dtype\":\"U8\",\"shape\":[2],\"data_"
         "offsets\":[1,3]}}",
         3, ZO_EMALFORMED, "/b"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_"
         "offsets\":[2,3]}}",
         3, ZO_EMALFORMED, "/b"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]},\"b\":{\"dtype\":\"U8\",\"shape\":[1],\"data_"
         "offsets\":[0,1]}}",
         1, ZO_EMALFORMED, "/b"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[1,2]}}", 2, ZO_EMALFORMED, "/a"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1],\"data_offsets\":[0,1]}}", 2, ZO_EMALFORMED, ""},
        {"{\"__metadata__\":{\"a\":1}}", 0, ZO_EMALFORMED, "/__metadata__"},
        {"{\"__metadata__\":[]}", 0, ZO_EMALFORMED, "/__metadata__"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_offsets\":[0,1]},\"a\":{\"dtype\":\"U8\",\"shape\":[],\"data_"
         "offsets\":[0,1]}}",
         1, ZO_EMALFORMED, ""},
        {"{\"a\":[[[[[]]]]]}", 0, ZO_EMALFORMED, ""},
    };

    for (size_t i = 0; i < ZO_LEN(bad); i++) {
        zo_bundle b;
        zo_tensors t;
        zo_error err = {0};
        size_t n;
        char *file = make(bad[i].header, bad[i].data_bytes, &n);
        if (zo_safetensors_view(file, n, &t, &err) != bad[i].rc || strcmp(err.pointer, bad[i].pointer) != 0)
            fail_msg("in place: %s: %s at '%s'", bad[i].header, err.message, err.pointer);
        zo_free(file);
        if (read_made(bad[i].header, bad[i].data_bytes, &b, &err) != bad[i].rc ||
            strcmp(err.pointer, bad[i].pointer) != 0)
            fail_msg("%s: %s at '%s'", bad[i].header, err.message, err.pointer);
        assert_int_equal(read_made(bad[i].header, bad[i].data_bytes, &b, NULL), bad[i].rc);
    }
}

static void every_wrong_length_is_refused(void **state)
{
    (void)state;
    size_t n;
    char *file = make("{\"a\":{\"dtype\":\"U8\",\"shape\":[2],\"data_offsets\":[0,2]}}", 2, &n);
    zo_bundle b;
    static const uint64_t lies[] = {0, 1, UINT64_MAX, UINT64_MAX - 7, UINT64_C(1) << 32};

    for (size_t cut = 0; cut < n; cut++) { /* every truncation, in a block of just that size */
        char *part = zo_malloc(cut);
        memcpy(part, file, cut);
        assert_int_equal(zo_safetensors_read(part, cut, &b, NULL), ZO_EMALFORMED);
        zo_free(part);
    }
    for (size_t i = 0; i < ZO_LEN(lies); i++) {
        memcpy(file, &lies[i], 8);
        assert_int_equal(zo_safetensors_read(file, n, &b, NULL), ZO_EMALFORMED);
    }
    zo_free(file);
    const uint64_t long_header = ZO_SAFETENSORS_MAX_HEADER + 1;
    file = zo_calloc(1, 8 + long_header);
    memcpy(file, &long_header, 8);
    assert_int_equal(zo_safetensors_read(file, 8 + long_header, &b, NULL), ZO_ETOOLARGE);
    zo_free(file);
}

static void many_arrays_are_bounded(void **state)
{
    (void)state;
    for (int n = ZO_SAFETENSORS_MAX_ARRAYS; n <= ZO_SAFETENSORS_MAX_ARRAYS + 1; n++) {
        zo_json w;
        zo_bundle b;
        zo_json_init(&w);
        zo_json_begin_object(&w);
        for (int i = 0; i < n; i++)
            zo_json_textf(&w, "%s\"%d\":{\"dtype\":\"F64\",\"shape\":[1,1,1,1],\"data_offsets\":[%d,%d]}", i ? "," : "",
                          i, 8 * i, 8 * i + 8);
        zo_json_end_object(&w);
        char *header = zo_json_take(&w, NULL);
        const zo_status rc = read_made(header, 8 * (size_t)n, &b, NULL);
        assert_int_equal(rc, n <= ZO_SAFETENSORS_MAX_ARRAYS ? ZO_OK : ZO_ETOOLARGE);
        if (rc == ZO_OK)
            zo_bundle_fini(&b);
        zo_free(header);
    }
}

static void fill(zo_bundle *b, zo_rng *r)
{
    const size_t n = zo_rng_below(r, 8);

    zo_bundle_init(b);
    for (size_t i = 0; i < n; i++) {
        char name[40];
        size_t dims[4];
        void *data;
        for (int k = 0; k < 4; k++)
            dims[k] = zo_rng_below(r, 5);
        snprintf(name, sizeof name, "%s%zu", i % 2 ? "solver.x/\"" : "\xC3\xA9", i);
        assert_int_equal(zo_bundle_add(b, name, (zo_dtype)zo_rng_below(r, 6), zo_rng_below(r, 5), dims, &data, NULL),
                         ZO_OK);
        for (size_t k = 0; k < b->arrays[i].bytes; k++)
            ((uint8_t *)data)[k] = (uint8_t)zo_rng_below(r, 256);
        if (i % 3 == 0)
            assert_int_equal(zo_bundle_set_meta(b, name, "a \"value\"\n", NULL), ZO_OK);
    }
}

static void what_is_written_is_laid_out_and_comes_back(void **state)
{
    (void)state;
    zo_rng r = zo_rng_make(21, ZO_PURPOSE_INIT, 0);

    for (int round = 0; round < 500; round++) {
        zo_bundle b, back;
        char *file;
        size_t n;
        uint64_t header;
        fill(&b, &r);
        assert_int_equal(zo_safetensors_write(&b, &file, &n, NULL), ZO_OK);
        memcpy(&header, file, 8);
        assert_int_equal((8 + header) % 8, 0);
        json_t *doc = json_loadb(file + 8, header, 0, NULL); /* trailing spaces are white space */
        assert_non_null(doc);
        assert_int_equal(json_object_size(doc), b.n_arrays + (b.n_meta > 0));
        for (size_t i = 0; i < b.n_arrays; i++) {
            const json_t *a = json_object_get(doc, b.arrays[i].name), *at = json_object_get(a, "data_offsets");
            const size_t begin = (size_t)json_integer_value(json_array_get(at, 0)),
                         end = (size_t)json_integer_value(json_array_get(at, 1));
            assert_int_equal(end - begin, b.arrays[i].bytes);
            assert_int_equal(begin % zo_dtype_bytes(b.arrays[i].dtype), 0);
            assert_memory_equal(file + 8 + header + begin, b.arrays[i].data, b.arrays[i].bytes);
        }
        json_decref(doc);
        assert_int_equal(zo_safetensors_read(file, n, &back, NULL), ZO_OK);
        assert_int_equal(back.n_arrays, b.n_arrays);
        assert_int_equal(back.n_meta, b.n_meta);
        for (size_t i = 0; i < b.n_arrays; i++) {
            const zo_array *x = &b.arrays[i], *y = zo_bundle_get(&back, x->name);
            assert_true(y && y->dtype == x->dtype && y->n_dims == x->n_dims && y->bytes == x->bytes);
            assert_memory_equal(x->dims, y->dims, x->n_dims * sizeof *x->dims);
            assert_memory_equal(x->data, y->data, x->bytes);
        }
        for (size_t i = 0; i < b.n_meta; i++)
            assert_string_equal(zo_bundle_meta(&back, b.meta[i].key), b.meta[i].value);
        zo_free(file);
        zo_bundle_fini(&back);
        zo_bundle_fini(&b);
    }
}

static void the_reserved_name_is_refused(void **state)
{
    (void)state;
    zo_bundle b;
    char *file = NULL;
    size_t n;

    zo_bundle_init(&b);
    assert_int_equal(zo_bundle_add_f64(&b, "__metadata__", NULL, 0, NULL), ZO_OK);
    assert_int_equal(zo_safetensors_write(&b, &file, &n, NULL), ZO_EINVAL);
    zo_bundle_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_by_hand_is_read),
        cmocka_unit_test(a_file_of_another_program_is_read),
        cmocka_unit_test(a_view_lends_the_files_own_bytes_at_any_address),
        cmocka_unit_test(every_lie_in_a_header_is_refused),
        cmocka_unit_test(every_wrong_length_is_refused),
        cmocka_unit_test(many_arrays_are_bounded),
        cmocka_unit_test(what_is_written_is_laid_out_and_comes_back),
        cmocka_unit_test(the_reserved_name_is_refused),
    };
    zo_json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
