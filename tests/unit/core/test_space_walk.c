/* The walk through a space of levels: every distinct point once, by comparison of all pairs and by counts made by hand.
 */
#include <stdlib.h>

#include "space_fx.h"

enum { MAX_POINTS = 2000, MAX_DIMS = 5 };

static void walk_finds(const zo_param_spec *params, size_t n_params, size_t expected)
{
    zo_space *s = fx_space(params, n_params);
    const size_t n = zo_space_n_dims(s);
    double(*points)[MAX_DIMS] = calloc(MAX_POINTS, sizeof *points), u[MAX_DIMS], first[MAX_DIMS];
    size_t count = 0;
    bool more;

    assert_non_null(points);
    for (size_t i = 0; i < n; i++)
        first[i] = u[i] = 0.5 / (double)zo_space_dims(s)[i].levels;
    do {
        assert_true(count < expected);
        zo_space_from_unit(s, u, points[count]);
        for (size_t k = 0; k < count; k++)
            assert_false(zo_space_same(s, points[k], points[count]));
        more = zo_space_walk(s, points[count++], u);
    } while (more);
    assert_int_equal(count, expected);
    assert_int_equal(count, zo_space_cardinality(s));
    assert_memory_equal(u, first, n * sizeof *u); /* around */
    free(points);
    zo_space_free(s);
}

static const zo_scalar colours[] = {STR("red"), STR("green"), STR("blue")};

static void a_lattice_is_walked_cell_by_cell(void **state)
{
    static const zo_param_spec params[] = {
        {.name = "i", .type = ZO_INT, .low = -3, .high = 3},
        {.name = "c", .type = ZO_CATEGORICAL, LIST(colours)},
        {.name = "b", .type = ZO_BOOL},
        {.name = "s", .type = ZO_FLOAT, .high = 1, .step = 0.25},
        {.name = "f", .type = ZO_FIXED, .fixed = NUM(1)},
    };

    (void)state;
    walk_finds(params, ZO_LEN(params), 7 * 3 * 2 * 5);
}

static void a_vector_of_levels_is_walked_too(void **state)
{
    static const zo_param_spec params[] = {{.name = "v", .type = ZO_VECTOR, .high = 1, .step = 0.5, .size = 4}};

    (void)state;
    walk_finds(params, 1, 81);
}

/* a in 0..1; b in 0..3 if a = 1; c in 0..2 if b is 1 or 2; d in 0..4 if a = 0: 5 + 2 + 2 * 3 = 13, times e in 0..1. In
 * every order of the list. */
static void inactive_parameters_stand_still(void **state)
{
    static const zo_scalar zero[] = {NUM(0)}, one[] = {NUM(1)}, one_or_two[] = {NUM(1), NUM(2)};
    static const zo_when when_b[] = {{"a", one, 1}}, when_c[] = {{"b", one_or_two, 2}}, when_d[] = {{"a", zero, 1}};
    static const zo_param_spec params[MAX_DIMS] = {
        {.name = "a", .type = ZO_INT, .low = 0, .high = 1},
        {.name = "b", .type = ZO_INT, .low = 0, .high = 3, WHEN(when_b)},
        {.name = "c", .type = ZO_INT, .low = 0, .high = 2, WHEN(when_c)},
        {.name = "d", .type = ZO_INT, .low = 0, .high = 4, WHEN(when_d)},
        {.name = "e", .type = ZO_INT, .low = 0, .high = 1},
    };

    (void)state;
    for (unsigned code = 0; code < 120; code++) { /* the permutations, by their Lehmer codes */
        zo_param_spec rest[MAX_DIMS], order[MAX_DIMS];
        memcpy(rest, params, sizeof rest);
        for (unsigned i = 0, c = code; i < MAX_DIMS; i++) {
            const unsigned left = MAX_DIMS - i, pick = c % left;
            c /= left;
            order[i] = rest[pick];
            memmove(rest + pick, rest + pick + 1, (left - pick - 1) * sizeof *rest);
        }
        walk_finds(order, MAX_DIMS, 26);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_lattice_is_walked_cell_by_cell),
        cmocka_unit_test(a_vector_of_levels_is_walked_too),
        cmocka_unit_test(inactive_parameters_stand_still),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
