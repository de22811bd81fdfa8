/* Construction of spaces: what is refused, and where the error points; what the dimensions say. */
#include "space_fx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

static void a_space_needs_something_to_search(void **state)
{
    const zo_param_spec fixed = {.name = "f", .type = ZO_FIXED, .fixed = NUM(3)};

    (void)state;
    fx_refused(&fixed, 0, "/space");
    fx_refused(&fixed, 1, "/space");
}

static void ranges_are_checked_field_by_field(void **state)
{
    static const struct {
        zo_param_spec p;
        const char *pointer;
    } bad[] = {
        {{.type = ZO_FLOAT, .low = 1, .high = 0}, "/space/1/high"},
        {{.type = ZO_FLOAT, .low = 1, .high = 1}, "/space/1/high"},
        {{.type = ZO_FLOAT, .low = NAN, .high = 1}, "/space/1/low"},
        {{.type = ZO_FLOAT, .low = 0, .high = INFINITY}, "/space/1/high"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1, .step = -1}, "/space/1/step"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1, .step = NAN}, "/space/1/step"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1, .step = 1e-14}, "/space/1/step"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1e-323, .step = 5e-324}, "/space/1/step"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1, .scale = ZO_LOG}, "/space/1/low"},
        {{.type = ZO_FLOAT, .low = -1, .high = 1, .scale = ZO_REVERSE_LOG}, "/space/1/low"},
        {{.type = ZO_FLOAT, .low = 0, .high = 1, .scale = (zo_scale)7}, "/space/1/scale"},
        {{.type = (zo_type)77, .low = 0, .high = 1}, "/space/1/type"},
        {{.type = ZO_INT, .low = 0.5, .high = 3}, "/space/1/low"},
        {{.type = ZO_INT, .low = 0, .high = 3.5}, "/space/1/high"},
        {{.type = ZO_INT, .low = 4, .high = 3}, "/space/1/high"},
        {{.type = ZO_INT, .low = 0, .high = 3, .step = 0.5}, "/space/1/step"},
        {{.type = ZO_INT, .low = 0, .high = 1e16}, "/space/1/high"},
        {{.type = ZO_INT, .low = -9e15, .high = 9e15}, "/space/1/high"},
        {{.type = ZO_INT, .low = 0, .high = 3, .scale = ZO_LOG}, "/space/1/low"},
        {{.type = ZO_INT, .low = 1, .high = 9e15, .scale = ZO_LOG}, "/space/1/high"},
        {{.type = ZO_VECTOR, .low = 0, .high = 1, .size = 0}, "/space/1/size"},
        {{.type = ZO_VECTOR, .low = 0, .high = 1, .size = 100001}, "/space/1/size"},
        {{.type = ZO_VECTOR, .low = 0, .high = 1, .size = 100000},
         "/space/1/size"}, /* with the other parameter too many */
        {{.type = ZO_VECTOR, .low = 1, .high = 0, .size = 3}, "/space/1/high"},
        {{.type = ZO_CATEGORICAL}, "/space/1/choices"},
        {{.type = ZO_ORDINAL}, "/space/1/choices"},
        {{.type = ZO_CATEGORICAL, .n_choices = 1001}, "/space/1/choices"},
        {{.type = ZO_FIXED, .fixed = {.kind = ZO_NULL}}, "/space/1/value"},
        {{.type = ZO_FIXED, .fixed = NUM(NAN)}, "/space/1/value"},
    };

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        zo_param_spec p[2] = {{.name = "a", .type = ZO_BOOL}, bad[k].p};
        p[1].name = "b";
        fx_refused(p, 2, bad[k].pointer);
    }
}

static void names_must_be_short_clean_utf8_and_unique(void **state)
{
    static const char *const bad[] = {
        "", "a\nb", "\x7f", "\xc3", "\xc3(", "\xc0\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xc2\x85", "\xff"};
    static const char *const good[] = {"a/b~c", "\xc3\xa9", "\xe2\x82\xac", "\xf0\x9f\x98\x80", " "};
    char name[65 * 2 + 1] = "";
    zo_param_spec p[3] = {
        {.name = "a", .type = ZO_BOOL}, {.name = "b", .type = ZO_BOOL}, {.name = "a", .type = ZO_BOOL}};

    (void)state;
    fx_refused(p, 3, "/space/2/name");
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        p[0].name = bad[k];
        fx_refused(p, 1, "/space/0/name");
    }
    p[0].name = NULL;
    fx_refused(p, 1, "/space/0/name");
    for (size_t k = 0; k < ZO_LEN(good); k++) {
        p[0].name = good[k];
        zo_space_free(fx_space(p, 1));
    }
    for (size_t k = 0; k < 64; k++) /* 64 characters of two bytes each pass, 65 do not */
        memcpy(name + 2 * k, "\xc3\xa9", 2);
    p[0].name = name;
    zo_space_free(fx_space(p, 1));
    memcpy(name + 128, "\xc3\xa9", 2);
    fx_refused(p, 1, "/space/0/name");
}

static void choices_must_be_distinct_scalars(void **state)
{
    static const zo_scalar twice[] = {STR("x"), NUM(1), BOOLEAN(true), NUM(1.0)},
                           null[] = {STR("x"), {.kind = ZO_NULL}}, nan_[] = {NUM(NAN)},
                           good[] = {STR("1"), NUM(1), BOOLEAN(true), BOOLEAN(false), NUM(0), STR("")};
    const zo_param_spec p[] = {{.name = "c", .type = ZO_CATEGORICAL, LIST(twice)},
                               {.name = "c", .type = ZO_CATEGORICAL, LIST(null)},
                               {.name = "c", .type = ZO_ORDINAL, LIST(nan_)},
                               {.name = "c", .type = ZO_CATEGORICAL, LIST(good)}};

    (void)state;
    fx_refused(&p[0], 1, "/space/0/choices/3");
    fx_refused(&p[1], 1, "/space/0/choices/1");
    fx_refused(&p[2], 1, "/space/0/choices/0");
    zo_space *s = fx_space(&p[3], 1);
    assert_int_equal(zo_space_cardinality(s), 6);
    zo_space_free(s);
}

static void defaults_must_be_values_of_their_parameter(void **state)
{
    static const zo_scalar abc[] = {STR("a"), STR("b")};
    static const double three[] = {0, 0.5, 2}, two[] = {0, 0.5};
    static const struct {
        zo_param_spec p;
        const char *pointer;
    } bad[] = {
        {{.type = ZO_FLOAT, .high = 1, .default_value = NUM(1.5)}, "/space/0/default"},
        {{.type = ZO_FLOAT, .high = 1, .step = 0.25, .default_value = NUM(0.3)}, "/space/0/default"},
        {{.type = ZO_INT, .high = 5, .default_value = NUM(2.5)}, "/space/0/default"},
        {{.type = ZO_CATEGORICAL, LIST(abc), .default_value = STR("c")}, "/space/0/default"},
        {{.type = ZO_VECTOR,
          .high = 1,
          .size = 3,
          .default_value = {.kind = ZO_NUMBERS, .numbers = two, .n_numbers = 2}},
         "/space/0/default"},
        {{.type = ZO_VECTOR,
          .high = 1,
          .size = 3,
          .default_value = {.kind = ZO_NUMBERS, .numbers = three, .n_numbers = 3}},
         "/space/0/default/2"},
    };
    zo_space *s = NULL;
    zo_error err = {0};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        zo_param_spec p = bad[k].p;
        p.name = "p";
        p.has_default = true;
        fx_refused(&p, 1, bad[k].pointer);
    }
    const zo_param_spec wrong = {.name = "p", .type = ZO_BOOL, .has_default = true, .default_value = NUM(1)};
    assert_int_equal(zo_space_new(&(zo_space_spec){&wrong, 1, NULL, 0}, &s, &err), ZO_EMALFORMED);
    assert_string_equal(err.pointer, "/space/0/default");
}

static void dimensions_tell_solvers_kind_levels_and_parameter(void **state)
{
    static const zo_scalar abc[] = {STR("a"), STR("b"), STR("c")}, on[] = {BOOLEAN(true)};
    static const zo_when when[] = {{"flag", on, 1}};
    const zo_param_spec p[] = {
        {.name = "x", .type = ZO_FLOAT, .high = 1},
        {.name = "fix", .type = ZO_FIXED, .fixed = STR("q")},
        {.name = "s", .type = ZO_FLOAT, .high = 1, .step = 0.25},
        {.name = "i", .type = ZO_INT, .low = -3, .high = 4},
        {.name = "i3", .type = ZO_INT, .low = 1, .high = 9, .step = 3}, /* 1 4 7 */
        {.name = "c", .type = ZO_CATEGORICAL, LIST(abc), WHEN(when)},
        {.name = "o", .type = ZO_ORDINAL, LIST(abc)},
        {.name = "flag", .type = ZO_BOOL},
        {.name = "v", .type = ZO_VECTOR, .low = -1, .high = 1, .size = 2},
    };
    static const zo_dim want[] = {
        {ZO_DIM_REAL, 0, 0, false},   {ZO_DIM_LEVELS, 5, 2, false},  {ZO_DIM_LEVELS, 8, 3, false},
        {ZO_DIM_LEVELS, 3, 4, false}, {ZO_DIM_CATEGORY, 3, 5, true}, {ZO_DIM_LEVELS, 3, 6, false},
        {ZO_DIM_LEVELS, 2, 7, false}, {ZO_DIM_REAL, 0, 8, false},    {ZO_DIM_REAL, 0, 8, false}};

    (void)state;
    zo_space *s = fx_space(p, ZO_LEN(p));
    assert_int_equal(zo_space_n_params(s), ZO_LEN(p));
    assert_int_equal(zo_space_n_dims(s), ZO_LEN(want));
    for (size_t j = 0; j < ZO_LEN(want); j++) {
        const zo_dim *d = &zo_space_dims(s)[j];
        assert_int_equal(d->kind, want[j].kind);
        assert_int_equal(d->levels, want[j].levels);
        assert_int_equal(d->param, want[j].param);
        assert_int_equal(d->conditional, want[j].conditional);
    }
    assert_true(zo_space_has_conditions(s));
    assert_false(zo_space_has_linear(s));
    zo_space_free(s);
    zo_space_free(NULL);
}

/* The caller's spec may change or vanish afterwards. */
static void a_space_keeps_deep_copies_of_its_spec(void **state)
{
    char name[] = "kernel", choice[] = "rbf", parent[] = "kernel", child[] = "degree";
    double numbers[] = {1, 2};
    zo_scalar choices[] = {STR(choice), STR("poly")}, on[] = {STR(choice)};
    zo_when when[] = {{parent, on, 1}};
    zo_param_spec p[] = {
        {.name = name, .type = ZO_CATEGORICAL, LIST(choices)},
        {.name = child, .type = ZO_INT, .low = 2, .high = 5, WHEN(when)},
        {.name = "f", .type = ZO_FIXED, .fixed = {.kind = ZO_NUMBERS, .numbers = numbers, .n_numbers = 2}}};
    zo_space *s = fx_space(p, 3);

    (void)state;
    name[0] = choice[0] = parent[0] = child[0] = '?';
    numbers[0] = 9;
    memset(choices, 0, sizeof choices);
    memset(on, 0, sizeof on);
    memset(when, 0, sizeof when);
    memset(p, 0, sizeof p);
    assert_string_equal(zo_space_param(s, 0)->name, "kernel");
    assert_string_equal(zo_space_param(s, 0)->choices[0].string, "rbf");
    assert_string_equal(zo_space_param(s, 1)->when[0].parent, "kernel");
    assert_string_equal(zo_space_param(s, 1)->when[0].values[0].string, "rbf");
    assert_true(zo_space_param(s, 2)->fixed.numbers[0] == 1);
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_space_needs_something_to_search),
        cmocka_unit_test(ranges_are_checked_field_by_field),
        cmocka_unit_test(names_must_be_short_clean_utf8_and_unique),
        cmocka_unit_test(choices_must_be_distinct_scalars),
        cmocka_unit_test(defaults_must_be_values_of_their_parameter),
        cmocka_unit_test(dimensions_tell_solvers_kind_levels_and_parameter),
        cmocka_unit_test(a_space_keeps_deep_copies_of_its_spec),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
