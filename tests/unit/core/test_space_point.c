/* Points as clients write them, conditions, defaults, equality and counting. Activity and counts are judged by brute
 * force. */
#include "space_fx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

/* kernel: rbf | poly; degree when poly; refine when degree in 4..5; gamma when rbf or poly and flag */
static const zo_scalar kernels[] = {STR("linear"), STR("rbf"), STR("poly")}, poly[] = {STR("poly")},
                       high_degree[] = {NUM(4), NUM(5)}, curved[] = {STR("rbf"), STR("poly")}, yes[] = {BOOLEAN(true)};
static const zo_when when_poly[] = {{"kernel", poly, 1}}, when_high[] = {{"degree", high_degree, 2}},
                     when_curved[] = {{"kernel", curved, 2}, {"flag", yes, 1}};
static const zo_param_spec svm[] = {
    {.name = "refine", .type = ZO_BOOL, WHEN(when_high)}, /* a child may come before its parents */
    {.name = "kernel", .type = ZO_CATEGORICAL, LIST(kernels)},
    {.name = "degree",
     .type = ZO_INT,
     .low = 2,
     .high = 5,
     WHEN(when_poly),
     .has_default = true,
     .default_value = NUM(3)},
    {.name = "flag", .type = ZO_BOOL},
    {.name = "gamma", .type = ZO_INT, .low = 1, .high = 10, WHEN(when_curved)},
};
enum { REFINE, KERNEL, DEGREE, FLAG, GAMMA, N_SVM };

/* Activity written out by hand. */
static void svm_active(const double *v, bool *on)
{
    on[KERNEL] = on[FLAG] = true;
    on[DEGREE] = v[KERNEL] == 2;
    on[REFINE] = on[DEGREE] && v[DEGREE] >= 4;
    on[GAMMA] = v[KERNEL] >= 1 && v[FLAG] == 1;
}

static void activity_follows_nested_conditions(void **state)
{
    zo_space *s = fx_space(svm, N_SVM);
    double v[N_SVM];
    bool on[N_SVM];
    zo_scalar x;
    uint64_t n_distinct = 0;

    (void)state;
    for (int code = 0; code < 2 * 3 * 4 * 2 * 10; code++) {
        v[REFINE] = code % 2;
        v[KERNEL] = code / 2 % 3;
        v[DEGREE] = 2 + code / 6 % 4;
        v[FLAG] = code / 24 % 2;
        v[GAMMA] = 1 + code / 48;
        svm_active(v, on);
        bool first = true; /* of the points that differ from it in inactive coordinates only */
        for (size_t i = 0; i < N_SVM; i++) {
            assert_int_equal(zo_space_get(s, v, i, &x), on[i]);
            first = first && (on[i] || v[i] == (i == DEGREE ? 2 : i == GAMMA ? 1 : 0));
        }
        n_distinct += first;
    }
    assert_int_equal(zo_space_cardinality(s), n_distinct);
    zo_space_free(s);
}

static void equality_and_hash_look_at_active_coordinates_only(void **state)
{
    zo_space *s = fx_space(svm, N_SVM);
    bool on_a[N_SVM], on_b[N_SVM];
    size_t n_same = 0;

    (void)state;
    for (uint64_t i = 0; i < 20000; i++) {
        zo_rng rng = fx_rng(i);
        double a[N_SVM], b[N_SVM];
        zo_space_sample(s, &rng, a);
        zo_space_sample(s, &rng, b);
        svm_active(a, on_a);
        svm_active(b, on_b);
        bool same = true;
        for (size_t k = 0; k < N_SVM; k++)
            same = same && on_a[k] == on_b[k] && (!on_a[k] || a[k] == b[k]);
        n_same += same;
        assert_int_equal(zo_space_same(s, a, b), same);
        assert_int_equal(zo_space_hash(s, a) == zo_space_hash(s, b), same); /* by chance wrong once in 2^64 */
    }
    assert_true(n_same > 100);
    zo_space_free(s);
    const zo_param_spec x = {.name = "x", .type = ZO_FLOAT, .low = -1, .high = 1};
    s = fx_space(&x, 1);
    assert_true(zo_space_same(s, (double[]){0.0}, (double[]){-0.0}));
    assert_true(zo_space_hash(s, (double[]){0.0}) == zo_space_hash(s, (double[]){-0.0}));
    zo_space_free(s);
}

static void conditions_that_make_no_sense_are_pointed_at(void **state)
{
    static const zo_scalar one[] = {NUM(1)}, nine[] = {NUM(1), NUM(9)}, truth[] = {BOOLEAN(true)};
    const zo_when on_real[] = {{"x", one, 1}}, on_none[] = {{"nobody/here", one, 1}}, on_self[] = {{"b", truth, 1}},
                  on_missing[] = {{"i", nine, 2}}, on_nothing[] = {{"i", one, 0}}, on_vector[] = {{"v", one, 1}},
                  on_kind[] = {{"i", truth, 1}};
    const struct {
        const zo_when *when;
        const char *pointer;
    } bad[] = {
        {on_real, "/space/3/when/x"},    {on_none, "/space/3/when/nobody~1here"}, {on_self, "/space/3/when/b"},
        {on_missing, "/space/3/when/i"}, {on_nothing, "/space/3/when/i"},         {on_vector, "/space/3/when/v"},
        {on_kind, "/space/3/when/i"},
    };

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        const zo_param_spec p[] = {{.name = "x", .type = ZO_FLOAT, .high = 1},
                                   {.name = "i", .type = ZO_INT, .high = 3},
                                   {.name = "v", .type = ZO_VECTOR, .high = 1, .size = 2},
                                   {.name = "b", .type = ZO_BOOL, .when = bad[k].when, .n_when = 1}};
        fx_refused(p, 4, bad[k].pointer);
    }
}

static void cycles_and_endless_nesting_are_refused(void **state)
{
    enum { LONG = 200 };
    static char names[LONG][8];
    static zo_when links[LONG];
    static zo_param_spec p[LONG];
    static const zo_scalar truth[] = {BOOLEAN(true)};
    const zo_when on_c[] = {{"c", truth, 1}}, on_a[] = {{"a", truth, 1}}, on_b[] = {{"b", truth, 1}};
    const zo_param_spec cycle[] = {{.name = "a", .type = ZO_BOOL, WHEN(on_c)},
                                   {.name = "b", .type = ZO_BOOL, WHEN(on_a)},
                                   {.name = "c", .type = ZO_BOOL, WHEN(on_b)}};
    const zo_space_spec spec = {cycle, 3, NULL, 0};
    zo_space *s = NULL;
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_space_new(&spec, &s, &err), ZO_EINVAL); /* which of the three is named does not matter */
    assert_int_equal(strncmp(err.pointer, "/space/", 7), 0);
    assert_non_null(strstr(err.pointer, "/when/"));
    for (size_t k = 0; k < LONG; k++) {
        snprintf(names[k], sizeof names[k], "p%zu", k);
        p[k] = (zo_param_spec){.name = names[k], .type = ZO_BOOL};
        links[k] = (zo_when){k > 0 ? names[k - 1] : NULL, truth, 1};
        if (k > 0) {
            p[k].when = &links[k];
            p[k].n_when = 1;
        }
    }
    s = fx_space(p, 101);
    assert_int_equal(zo_space_cardinality(s), 102); /* k truths, then a false; or all true */
    zo_space_free(s);
    fx_refused(p, 102, "/space/101/when");
}

/* A condition on a fixed parameter is decided for good. */
static void fixed_parents_switch_children_on_or_off_for_good(void **state)
{
    static const zo_scalar a[] = {STR("a")}, b[] = {STR("b")};
    const zo_when on_a[] = {{"f", a, 1}}, on_b[] = {{"f", b, 1}};
    const zo_param_spec p[] = {{.name = "f", .type = ZO_FIXED, .fixed = STR("a")},
                               {.name = "x", .type = ZO_INT, .high = 1, WHEN(on_a)},
                               {.name = "y", .type = ZO_INT, .high = 2, WHEN(on_b)}};
    zo_space *s = fx_space(p, 3);
    double v[2] = {0, 0};
    zo_scalar out;

    (void)state;
    assert_true(zo_space_get(s, v, 1, &out));
    assert_false(zo_space_get(s, v, 2, &out));
    assert_int_equal(zo_space_cardinality(s), 2);
    zo_space_free(s);
}

/* Diamonds of conditions must not cost exponential time: 2^40 paths here. */
static void diamonds_are_decided_once(void **state)
{
    enum { LAYERS = 40 };
    static char names[2 * LAYERS][8];
    static zo_when links[2 * LAYERS][2];
    static zo_param_spec p[2 * LAYERS];
    static const zo_scalar truth[] = {BOOLEAN(true)};
    double v[2 * LAYERS];
    zo_scalar out;

    (void)state;
    for (size_t k = 0; k < 2 * LAYERS; k++) {
        snprintf(names[k], sizeof names[k], "p%zu", k);
        p[k] = (zo_param_spec){.name = names[k], .type = ZO_BOOL};
        v[k] = 1;
        if (k < 2)
            continue;
        links[k][0] = (zo_when){names[k / 2 * 2 - 2], truth, 1};
        links[k][1] = (zo_when){names[k / 2 * 2 - 1], truth, 1};
        p[k].when = links[k];
        p[k].n_when = 2;
    }
    zo_space *s = fx_space(p, 2 * LAYERS);
    assert_true(zo_space_get(s, v, 2 * LAYERS - 1, &out));
    v[0] = 0;
    assert_false(zo_space_get(s, v, 2 * LAYERS - 1, &out));
    zo_space_free(s);
}

/* Twenty flags, each with a child of three values and that one with a grandchild: (1 + 2 + 5)^20 points. */
static void independent_trees_are_counted_exactly(void **state)
{
    enum { TREES = 20 };
    static char names[3 * TREES][8];
    static zo_when links[3 * TREES];
    static zo_param_spec p[3 * TREES];
    static const zo_scalar truth[] = {BOOLEAN(true)}, two[] = {NUM(2), NUM(2)};
    uint64_t want = 1;

    (void)state;
    for (size_t k = 0; k < TREES; k++) {
        for (size_t l = 0; l < 3; l++)
            snprintf(names[3 * k + l], sizeof names[0], "p%zu", 3 * k + l);
        links[3 * k + 1] = (zo_when){names[3 * k], truth, 1};
        links[3 * k + 2] = (zo_when){names[3 * k + 1], two, 2};
        p[3 * k] = (zo_param_spec){.name = names[3 * k], .type = ZO_BOOL};
        p[3 * k + 1] = (zo_param_spec){
            .name = names[3 * k + 1], .type = ZO_INT, .high = 2, .when = &links[3 * k + 1], .n_when = 1};
        p[3 * k + 2] = (zo_param_spec){
            .name = names[3 * k + 2], .type = ZO_INT, .high = 4, .when = &links[3 * k + 2], .n_when = 1};
        want *= 1 + 2 + 5;
    }
    zo_space *s = fx_space(p, ZO_LEN(p));
    assert_true(zo_space_cardinality(s) == want);
    zo_space_free(s);
}

static void cardinality_saturates(void **state)
{
    const zo_param_spec wide[] = {{.name = "a", .type = ZO_INT, .high = 4294967295.0},
                                  {.name = "b", .type = ZO_INT, .high = 4294967294.0},
                                  {.name = "c", .type = ZO_BOOL}},
                        real[] = {{.name = "a", .type = ZO_FLOAT, .high = 1}},
                        vector[] = {{.name = "a", .type = ZO_VECTOR, .high = 1, .step = 0.5, .size = 4}};

    (void)state;
    zo_space *s = fx_space(wide, 2);
    assert_true(zo_space_cardinality(s) == UINT64_C(4294967296) * UINT64_C(4294967295));
    zo_space_free(s);
    s = fx_space(wide, 3);
    assert_true(zo_space_cardinality(s) == UINT64_MAX);
    zo_space_free(s);
    s = fx_space(real, 1);
    assert_true(zo_space_cardinality(s) == UINT64_MAX);
    zo_space_free(s);
    s = fx_space(vector, 1);
    assert_int_equal(zo_space_cardinality(s), 81);
    zo_space_free(s);
}

/* ---- named points ---- */

static void assert_refused(const zo_space *s, const zo_named *given, size_t n, zo_status code, const char *pointer)
{
    double v[16];
    zo_error err = {0};

    v[0] = 77;
    assert_int_equal(zo_space_encode(s, given, n, v, &err), code);
    assert_string_equal(err.pointer, pointer);
    assert_true(v[0] == 77); /* written on success only */
    assert_int_equal(zo_space_encode(s, given, n, v, NULL), code);
}

static void mistakes_in_points_are_pointed_at(void **state)
{
    static const double three[] = {0.5, 0.25, 2}, two[] = {0.5, 0.25};
    static const zo_scalar mixed[] = {STR("1"), NUM(1), BOOLEAN(true)};
    const zo_param_spec p[] = {{.name = "a/b", .type = ZO_FLOAT, .high = 1},
                               {.name = "i", .type = ZO_INT, .high = 9, .step = 3},
                               {.name = "c", .type = ZO_CATEGORICAL, LIST(mixed)},
                               {.name = "v", .type = ZO_VECTOR, .high = 1, .size = 3},
                               {.name = "f", .type = ZO_FIXED, .fixed = NUM(3)}};
    const struct {
        zo_named given;
        zo_status code;
        const char *pointer;
    } bad[] = {
        {{"zz", NUM(1)}, ZO_EMALFORMED, "/zz"},
        {{"a/b", NUM(1.5)}, ZO_EINVAL, "/a~1b"},
        {{"a/b", NUM(NAN)}, ZO_EINVAL, "/a~1b"},
        {{"a/b", STR("1")}, ZO_EMALFORMED, "/a~1b"},
        {{"a/b", {.kind = ZO_NULL}}, ZO_EMALFORMED, "/a~1b"},
        {{"i", NUM(4)}, ZO_EINVAL, "/i"},
        {{"i", NUM(12)}, ZO_EINVAL, "/i"},
        {{"i", BOOLEAN(true)}, ZO_EMALFORMED, "/i"},
        {{"c", NUM(2)}, ZO_EINVAL, "/c"},
        {{"c", STR("true")}, ZO_EINVAL, "/c"},
        {{"c", {.kind = ZO_NUMBERS}}, ZO_EMALFORMED, "/c"},
        {{"v", NUM(0.5)}, ZO_EMALFORMED, "/v"},
        {{"v", {.kind = ZO_NUMBERS, .numbers = two, .n_numbers = 2}}, ZO_EINVAL, "/v"},
        {{"v", {.kind = ZO_NUMBERS, .numbers = three, .n_numbers = 3}}, ZO_EINVAL, "/v/2"},
        {{"f", NUM(4)}, ZO_EINVAL, "/f"},
        {{"a/b", NUM(0.5)}, ZO_EMALFORMED, "/i"}, /* the first that is missing */
    };
    zo_space *s = fx_space(p, 5);

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++)
        assert_refused(s, &bad[k].given, 1, bad[k].code, bad[k].pointer);
    const zo_named twice[] = {{"a/b", NUM(0.5)}, {"a/b", NUM(0.5)}};
    assert_refused(s, twice, 2, ZO_EMALFORMED, "/a~1b");
    zo_space_free(s);
    s = fx_space(svm, N_SVM);
    const zo_named inactive[] = {{"kernel", STR("rbf")}, {"flag", BOOLEAN(false)}, {"degree", NUM(3)}},
                   missing[] = {{"kernel", STR("poly")}, {"flag", BOOLEAN(false)}};
    assert_refused(s, inactive, 3, ZO_EINVAL, "/degree");
    assert_refused(s, missing, 2, ZO_EMALFORMED, "/degree");
    zo_space_free(s);
}

/* get, in any order, then encode: the same point, inactive coordinates at their default or middle. */
static void every_point_survives_being_written_out(void **state)
{
    static const zo_scalar mixed[] = {STR("1"), NUM(1), BOOLEAN(true), BOOLEAN(false), NUM(-2.5)};
    zo_param_spec p[N_SVM + 6];
    zo_space *s;

    (void)state;
    memcpy(p, svm, sizeof svm);
    p[N_SVM] = (zo_param_spec){.name = "x", .type = ZO_FLOAT, .low = 1e-6, .high = 10, .scale = ZO_REVERSE_LOG};
    p[N_SVM + 1] = (zo_param_spec){.name = "v", .type = ZO_VECTOR, .low = -1, .high = 1, .size = 3};
    p[N_SVM + 2] = (zo_param_spec){.name = "o", .type = ZO_ORDINAL, LIST(mixed)};
    p[N_SVM + 3] = (zo_param_spec){.name = "s", .type = ZO_FLOAT, .low = 0.1, .high = 3.3, .step = 0.1};
    p[N_SVM + 4] = (zo_param_spec){.name = "f", .type = ZO_FIXED, .fixed = STR("q")};
    p[N_SVM + 5] = (zo_param_spec){.name = "big", .type = ZO_INT, .low = -9e15, .high = -1};
    s = fx_space(p, ZO_LEN(p));
    for (uint64_t trial = 0; trial < 2000; trial++) {
        zo_rng rng = fx_rng(trial);
        zo_named given[ZO_LEN(p)];
        size_t order[ZO_LEN(p)], n = 0;
        double v[16], w[16];
        zo_scalar x;
        zo_space_sample(s, &rng, v);
        for (size_t k = 0; k < ZO_LEN(p); k++)
            order[k] = k;
        zo_rng_shuffle(&rng, ZO_LEN(p), order);
        for (size_t k = 0; k < ZO_LEN(p); k++)
            if (zo_space_get(s, v, order[k], &x) &&
                (p[order[k]].type != ZO_FIXED || trial % 2 == 0)) /* may be left out */
                given[n++] = (zo_named){p[order[k]].name, x};
        assert_int_equal(zo_space_encode(s, given, n, w, NULL), ZO_OK);
        assert_true(zo_space_same(s, v, w));
        assert_int_equal(zo_space_check(s, w, NULL), ZO_OK);
        if (!zo_space_get(s, v, DEGREE, &x))
            assert_true(w[DEGREE] == 3);
        else
            assert_true(x.kind == ZO_NUMBER && x.integral);
    }
    zo_space_free(s);
}

static void values_come_back_in_the_clients_types(void **state)
{
    static const zo_scalar mixed[] = {STR("1"), {.kind = ZO_NUMBER, .number = 1, .integral = true}, BOOLEAN(true)};
    const zo_param_spec p = {.name = "c", .type = ZO_CATEGORICAL, LIST(mixed)};
    zo_space *s = fx_space(&p, 1);
    zo_scalar out;

    (void)state;
    for (size_t k = 0; k < 3; k++) {
        double v = (double)k, w;
        assert_true(zo_space_get(s, &v, 0, &out));
        assert_true(zo_scalar_equal(&out, &mixed[k]));
        assert_int_equal(out.integral, k == 1);
        assert_int_equal(zo_space_encode(s, &(zo_named){"c", out}, 1, &w, NULL), ZO_OK);
        assert_true(w == v);
    }
    zo_space_free(s);
}

static void scalars_are_equal_by_kind_and_value(void **state)
{
    static const double a[] = {1, 2}, b[] = {1, 2}, c[] = {1, 3};
    const zo_scalar all[] = {NUM(1),
                             NUM(0),
                             STR("1"),
                             STR(""),
                             BOOLEAN(true),
                             BOOLEAN(false),
                             {.kind = ZO_NULL},
                             {.kind = ZO_NUMBERS, .numbers = a, .n_numbers = 2},
                             {.kind = ZO_NUMBERS, .numbers = c, .n_numbers = 2},
                             {.kind = ZO_NUMBERS, .numbers = a, .n_numbers = 1}};
    const zo_scalar one = {.kind = ZO_NUMBER, .number = 1.0, .integral = true},
                    same = {.kind = ZO_NUMBERS, .numbers = b, .n_numbers = 2};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(all); i++)
        for (size_t j = 0; j < ZO_LEN(all); j++)
            assert_int_equal(zo_scalar_equal(&all[i], &all[j]), i == j);
    assert_true(zo_scalar_equal(&all[0], &one));
    assert_true(zo_scalar_equal(&all[7], &same));
}

static void the_default_point_is_complete_or_none(void **state)
{
    zo_param_spec p[N_SVM];
    double v[N_SVM];

    (void)state;
    memcpy(p, svm, sizeof svm);
    p[KERNEL].has_default = p[FLAG].has_default = true;
    p[KERNEL].default_value = (zo_scalar)STR("poly");
    p[FLAG].default_value = (zo_scalar)BOOLEAN(false);
    zo_space *s = fx_space(p, N_SVM); /* gamma and refine have none and are not active */
    assert_true(zo_space_default(s, v));
    assert_true(v[KERNEL] == 2 && v[DEGREE] == 3 && v[FLAG] == 0);
    assert_int_equal(zo_space_check(s, v, NULL), ZO_OK);
    zo_space_free(s);
    p[DEGREE].default_value = (zo_scalar)NUM(4); /* makes refine active */
    s = fx_space(p, N_SVM);
    assert_false(zo_space_default(s, v));
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(activity_follows_nested_conditions),
        cmocka_unit_test(equality_and_hash_look_at_active_coordinates_only),
        cmocka_unit_test(conditions_that_make_no_sense_are_pointed_at),
        cmocka_unit_test(cycles_and_endless_nesting_are_refused),
        cmocka_unit_test(fixed_parents_switch_children_on_or_off_for_good),
        cmocka_unit_test(diamonds_are_decided_once),
        cmocka_unit_test(independent_trees_are_counted_exactly),
        cmocka_unit_test(cardinality_saturates),
        cmocka_unit_test(mistakes_in_points_are_pointed_at),
        cmocka_unit_test(every_point_survives_being_written_out),
        cmocka_unit_test(values_come_back_in_the_clients_types),
        cmocka_unit_test(scalars_are_equal_by_kind_and_value),
        cmocka_unit_test(the_default_point_is_complete_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
