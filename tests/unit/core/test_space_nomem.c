/* The k-th allocation of building a space fails, for every k: ZO_ENOMEM, nothing written, nothing leaked (leak
 * sanitizer), and the next try works. */
#include "space_fx.h"

#include "fault/fault.h"

static const zo_scalar kernels[] = {STR("rbf"), STR("poly")}, on[] = {STR("poly")};
static const zo_when when[] = {{"kernel", on, 1}};
static const double middle[] = {0.5, 0.5};
static const zo_param_spec params[] = {
    {.name = "x", .type = ZO_FLOAT, .high = 1, .has_default = true, .default_value = NUM(0.25)},
    {.name = "y", .type = ZO_FLOAT, .high = 1},
    {.name = "n", .type = ZO_INT, .high = 10},
    {.name = "m", .type = ZO_INT, .high = 10},
    {.name = "kernel", .type = ZO_CATEGORICAL, LIST(kernels)},
    {.name = "degree", .type = ZO_INT, .low = 2, .high = 5, WHEN(when)},
    {.name = "v",
     .type = ZO_VECTOR,
     .high = 1,
     .size = 2,
     .has_default = true,
     .default_value = {.kind = ZO_NUMBERS, .numbers = middle, .n_numbers = 2}},
    {.name = "f", .type = ZO_FIXED, .fixed = STR("q")},
};
static const zo_term sum[] = {{"x", 1}, {"y", 1}}, whole[] = {{"n", 1}, {"m", 1}, {"x", 1}},
                     twice[] = {{"n", 1}, {"m", 2}};
static const zo_linear_spec linear[] = {{sum, 2, ZO_LE, 1}, {whole, 3, ZO_LE, 12.5}, {twice, 2, ZO_EQ, 8}};

static void building_a_space_survives_every_failed_allocation(void **state)
{
    const zo_space_spec spec = {params, ZO_LEN(params), linear, ZO_LEN(linear)};
    zo_status rc = ZO_ENOMEM;
    uint64_t k = 0;

    (void)state;
    while (rc != ZO_OK) {
        zo_space *s = NULL;
        zo_error err = {0};
        zo_fault_alloc_arm(++k, false);
        rc = zo_space_new(&spec, &s, &err);
        assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK); /* every failure is noticed */
        assert_int_equal(err.code, rc);
        assert_true(rc == ZO_OK || (rc == ZO_ENOMEM && s == NULL));
        zo_space_free(s);
    }
    assert_true(k > 10);
}

static void encoding_a_long_point_survives_a_failed_allocation(void **state)
{
    enum { N = 100 };
    double numbers[N] = {0}, v[N];
    const zo_param_spec p = {.name = "v", .type = ZO_VECTOR, .high = 1, .size = N};
    const zo_named given = {"v", {.kind = ZO_NUMBERS, .numbers = numbers, .n_numbers = N}};
    zo_space *s = fx_space(&p, 1);
    zo_error err = {0};

    (void)state;
    v[0] = 7;
    zo_fault_alloc_arm(1, false);
    assert_int_equal(zo_space_encode(s, &given, 1, v, &err), ZO_ENOMEM);
    assert_true(zo_fault_alloc_disarm());
    assert_true(v[0] == 7);
    assert_int_equal(zo_space_encode(s, &given, 1, v, &err), ZO_OK);
    assert_true(v[0] == 0);
    zo_space_free(s);
}

/* What can't report an error must not need memory. */
static void points_are_drawn_and_repaired_without_memory(void **state)
{
    const zo_space_spec spec = {params, ZO_LEN(params), linear, ZO_LEN(linear)};
    zo_space *s = fx_space_linear(spec.params, spec.n_params, spec.linear, spec.n_linear);
    double v[8];
    zo_rng rng = fx_rng(1);

    (void)state;
    zo_fault_alloc_arm(1, true);
    zo_space_sample(s, &rng, v);
    v[0] = v[1] = 1;
    v[2] = v[3] = 10;
    zo_space_repair(s, &rng, v);
    (void)zo_space_hash(s, v);
    assert_true(zo_space_same(s, v, v));
    assert_int_equal(zo_fault_alloc_calls(), 0);
    (void)zo_fault_alloc_disarm();
    assert_true(v[0] + v[1] <= 1 && v[2] + 2 * v[3] == 8);
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(building_a_space_survives_every_failed_allocation),
        cmocka_unit_test(encoding_a_long_point_survives_a_failed_allocation),
        cmocka_unit_test(points_are_drawn_and_repaired_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
