/* core/solver/nearest.c: the names a refusal suggests, judged by distances counted by hand. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

static const char *first(const char *name)
{
    const zo_solver *near[1];

    assert_int_equal(zo_solver_nearest(name, 1, near), 1);
    return near[0]->name;
}

static void a_slip_of_the_pen_finds_its_solver(void **state)
{
    (void)state;
    assert_string_equal(first("cmaes"), "cma-es");          /* one insertion */
    assert_string_equal(first("neldermeed"), "nelder-mead"); /* an insertion and a replacement */
    assert_string_equal(first("sobbol"), "sobol");          /* one deletion */
    assert_string_equal(first("rnadom"), "random");         /* two replacements */
}

static void a_part_of_a_name_finds_it(void **state)
{
    (void)state;
    assert_string_equal(first("hopping"), "consensus-hopping");
    assert_string_equal(first("nelder"), "nelder-mead");
}

static void the_nearest_come_first_each_once(void **state)
{
    const zo_solver *near[64];

    (void)state;
    assert_int_equal(zo_solver_nearest("vkd-cma-es", 3, near), 3);
    assert_string_equal(near[0]->name, "vkd-cma-es"); /* distance 0 */
    const size_t n = zo_solver_nearest("", ZO_LEN(near), near); /* distance: the length of the name */
    assert_int_equal(n, zo_solver_count());
    for (size_t i = 1; i < n; i++)
        assert_true(strlen(near[i - 1]->name) < strlen(near[i]->name) ||
                    (strlen(near[i - 1]->name) == strlen(near[i]->name) && strcmp(near[i - 1]->name, near[i]->name) < 0));
    assert_int_equal(zo_solver_nearest("x", 0, near), 0);
}

static void a_name_of_any_length_is_answered(void **state)
{
    char name[1000];
    const zo_solver *near[2];

    (void)state;
    memset(name, 'z', sizeof name - 1);
    name[sizeof name - 1] = '\0';
    assert_int_equal(zo_solver_nearest(name, 2, near), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slip_of_the_pen_finds_its_solver),
        cmocka_unit_test(a_part_of_a_name_finds_it),
        cmocka_unit_test(the_nearest_come_first_each_once),
        cmocka_unit_test(a_name_of_any_length_is_answered),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
