/* Arena: zeroed, aligned, bounded, and reusable after a reset. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "zeroth/arena.h"

static void blocks_are_zeroed_aligned_and_disjoint(void **state)
{
    (void)state;
    zo_arena *a = zo_arena_new(0);
    unsigned char *blocks[2000];
    size_t sum = 0;

    assert_non_null(a);
    for (size_t round = 0; round < 3; round++) {
        sum = 0;
        for (size_t i = 0; i < ZO_LEN(blocks); i++) {
            const size_t n = i % 97 == 0 ? 20000 + i : i % 211;
            blocks[i] = zo_arena_alloc(a, n);
            assert_non_null(blocks[i]);
            assert_int_equal((uintptr_t)blocks[i] % (n < 64 ? 16 : 64), 0);
            for (size_t k = 0; k < n; k++)
                assert_int_equal(blocks[i][k], 0);
            memset(blocks[i], (int)(i & 255), n);
            sum += n ? n : 1;
        }
        for (size_t i = 0; i < ZO_LEN(blocks); i++) {
            const size_t n = i % 97 == 0 ? 20000 + i : i % 211;
            for (size_t k = 0; k < n; k++)
                assert_int_equal(blocks[i][k], i & 255);
        }
        assert_int_equal(zo_arena_used_bytes(a), sum);
        zo_arena_reset(a);
        assert_int_equal(zo_arena_used_bytes(a), 0);
    }
    zo_arena_free(a);
}

static void the_limit_holds_and_a_refusal_changes_nothing(void **state)
{
    (void)state;
    zo_arena *a = zo_arena_new(1000);

    assert_non_null(zo_arena_alloc(a, 600));
    assert_null(zo_arena_alloc(a, 401));
    assert_int_equal(zo_arena_used_bytes(a), 600);
    assert_non_null(zo_arena_alloc(a, 400));
    assert_null(zo_arena_alloc(a, 1));
    zo_arena_reset(a);
    assert_non_null(zo_arena_alloc(a, 1000));
    zo_arena_free(a);
}

static void an_overflowing_product_is_refused(void **state)
{
    (void)state;
    zo_arena *a = zo_arena_new(0);

    assert_null(zo_arena_array(a, SIZE_MAX / 4, 8));
    assert_null(zo_arena_alloc(a, SIZE_MAX));
    assert_non_null(zo_arena_array(a, 0, 8));
    assert_non_null(zo_arena_array(a, 5, 8));
    zo_arena_free(a);
}

static void copies_are_equal(void **state)
{
    (void)state;
    zo_arena *a = zo_arena_new(0);
    const int v[] = {1, 2, 3};

    assert_string_equal(zo_arena_strdup(a, "trial"), "trial");
    assert_memory_equal(zo_arena_memdup(a, v, sizeof v), v, sizeof v);
    zo_arena_free(a);
    zo_arena_free(NULL);
}

static void the_allocator_aligns_and_checks_products(void **state)
{
    (void)state;
    for (size_t n = 0; n < 300; n += 7) {
        char *p = zo_memalign64(n);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 64, 0);
        memset(p, 1, n);
        zo_free(p);
    }
    assert_null(zo_calloc(SIZE_MAX / 2, 3));
    zo_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_are_zeroed_aligned_and_disjoint),
        cmocka_unit_test(the_limit_holds_and_a_refusal_changes_nothing),
        cmocka_unit_test(an_overflowing_product_is_refused),
        cmocka_unit_test(copies_are_equal),
        cmocka_unit_test(the_allocator_aligns_and_checks_products),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
