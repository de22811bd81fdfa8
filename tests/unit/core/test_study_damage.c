/* Damaged snapshots: every array of a saved study, with hostile numbers in place of its own, another length or another
 * type, or gone. It is refused, or the study lives on soundly: nothing in between. Sanitizers see the rest. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "hostile.h"

enum { ROUNDS = 12, LIVED = 40, SAMPLES = 3 };

static const double doubles[] = {NAN, INFINITY, -INFINITY, 0.0, -1.0, 0.5, 1e-300, 1e300, -1e300, 1e9};
static const uint64_t words[] = {0, 1, 2, 3, 255, 4096, 1u << 20, UINT32_MAX, UINT64_C(1) << 53, UINT64_MAX, INT64_MAX};

static size_t n_values(const zo_array *a)
{
    return a->dtype == ZO_F64 ? ZO_LEN(doubles) : ZO_LEN(words);
}

static void put(const zo_array *a, size_t at, size_t value)
{
    uint8_t *to = (uint8_t *)a->data + at * zo_dtype_bytes(a->dtype);

    if (a->dtype == ZO_F64)
        memcpy(to, &doubles[value], sizeof doubles[value]);
    else
        memcpy(to, &words[value], zo_dtype_bytes(a->dtype));
}

/* First, last and some between. */
static size_t place(size_t n, size_t k)
{
    return k == 0 ? 0 : k == 1 ? n - 1 : k * 7919 % n;
}

static size_t let_in;

static void try(unsigned which, const zo_bundle *parts, size_t n)
{
    zo_study *s = hostile_load(which, parts, n);

    if (s) {
        let_in++;
        hostile_prove(which, s, ROUNDS);
        zo_study_free(s);
    }
}

static void damage_values(unsigned which, const zo_bundle *parts, size_t n, const zo_array *a)
{
    const size_t width = zo_dtype_bytes(a->dtype), length = a->bytes / width;

    for (size_t k = 0; k < SAMPLES && k < length; k++) {
        uint8_t *at = (uint8_t *)a->data + place(length, k) * width, kept[8];
        memcpy(kept, at, width);
        for (size_t value = 0; value < n_values(a); value++) {
            put(a, place(length, k), value);
            try(which, parts, n);
        }
        memcpy(at, kept, width);
    }
}

/* The loader's own view of the array: shorter, of another type, of another rank. */
static void damage_shape(unsigned which, const zo_bundle *parts, size_t n, zo_array *a)
{
    const zo_array kept = *a;

    if (a->dims[0] > 0) {
        a->dims[0]--;
        a->bytes -= zo_dtype_bytes(a->dtype);
        a->data = test_malloc(a->bytes); /* of just this size, so that an overrun is seen */
        memcpy(a->data, kept.data, a->bytes);
        try(which, parts, n);
        test_free(a->data);
        *a = kept;
    }
    a->dtype = a->dtype == ZO_F64 ? ZO_U64 : ZO_F64;
    assert_null(hostile_load(which, parts, n));
    *a = kept;
    a->n_dims = 2;
    a->dims[1] = 1;
    assert_null(hostile_load(which, parts, n));
    *a = kept;
    a->name[0] ^= 1;
    assert_null(hostile_load(which, parts, n));
    a->name[0] ^= 1;
}

static void damage(unsigned which)
{
    zo_bundle parts[HOSTILE_PARTS];
    zo_study *s = hostile_lived(which, LIVED, true);
    const size_t n = hostile_save(s, parts);

    assert_true(n == 2);
    zo_study *same = hostile_load(which, parts, n); /* undamaged */
    assert_non_null(same);
    assert_true(zo_study_digest(same) == zo_study_digest(s));
    zo_study_free(same);
    zo_study_free(s);
    let_in = 0;
    for (size_t p = 0; p < n; p++)
        for (size_t i = 0; i < parts[p].n_arrays; i++) {
            damage_values(which, parts, n, &parts[p].arrays[i]);
            damage_shape(which, parts, n, &parts[p].arrays[i]);
        }
    assert_true(let_in > 0); /* some numbers may be anything */
    for (size_t p = 0; p < n; p++)
        zo_bundle_fini(&parts[p]);
}

#define DAMAGE(which, name)                                                                                            \
    static void name(void **state)                                                                                     \
    {                                                                                                                  \
        (void)state;                                                                                                   \
        damage(which);                                                                                                 \
    }
DAMAGE(0, a_damaged_cma_es_of_every_kind_of_dimension_is_refused_or_sound)
DAMAGE(1, a_damaged_cma_es_under_linear_constraints_is_refused_or_sound)
DAMAGE(2, a_damaged_sobol_with_the_median_rule_is_refused_or_sound)
DAMAGE(3, a_damaged_auto_with_asha_is_refused_or_sound)
DAMAGE(4, a_damaged_front_of_two_objectives_is_refused_or_sound)
DAMAGE(5, a_damaged_auto_under_constraints_is_refused_or_sound)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_damaged_cma_es_of_every_kind_of_dimension_is_refused_or_sound),
        cmocka_unit_test(a_damaged_cma_es_under_linear_constraints_is_refused_or_sound),
        cmocka_unit_test(a_damaged_sobol_with_the_median_rule_is_refused_or_sound),
        cmocka_unit_test(a_damaged_auto_with_asha_is_refused_or_sound),
        cmocka_unit_test(a_damaged_front_of_two_objectives_is_refused_or_sound),
        cmocka_unit_test(a_damaged_auto_under_constraints_is_refused_or_sound),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
