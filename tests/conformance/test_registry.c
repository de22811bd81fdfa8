/* registry.def against the folder: every solver has its line, every line its file, and names are sorted. */
#include <dirent.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

#define FOLDER "core/solvers"

static char *read_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    char *text = NULL;
    size_t n = 0, cap = 0, got;

    assert_non_null(f);
    do {
        cap = 2 * cap + 4096;
        assert_non_null(text = realloc(text, cap + 1));
        got = fread(text + n, 1, cap - n, f);
        n += got;
    } while (got > 0);
    fclose(f);
    text[n] = '\0';
    return text;
}

/* The k of `const zo_solver zo_solver_k =` in text after *at, or NULL. */
static const char *next_definition(const char **at, char *id, size_t size)
{
    static const char lead[] = "const zo_solver zo_solver_";
    const char *found = strstr(*at, lead);

    if (found == NULL)
        return NULL;
    found += strlen(lead);
    const size_t n = strcspn(found, " =;\n");
    assert_true(n < size);
    memcpy(id, found, n);
    id[n] = '\0';
    *at = found + n;
    return id;
}

static void every_definition_has_a_line_and_every_line_a_definition(void **state)
{
    char *registry = read_file("core/registry.def");
    DIR *folder = opendir(FOLDER);
    struct dirent *entry;
    size_t n_found = 0;

    (void)state;
    assert_non_null(folder);
    while ((entry = readdir(folder)) != NULL) {
        char path[512], id[64], line[96];
        const size_t n = strlen(entry->d_name);
        if (n < 3 || strcmp(entry->d_name + n - 2, ".c") != 0)
            continue;
        snprintf(path, sizeof path, FOLDER "/%s", entry->d_name);
        char *text = read_file(path);
        for (const char *at = text; next_definition(&at, id, sizeof id) != NULL; n_found++) {
            snprintf(line, sizeof line, "\nZO_SOLVER(%s)\n", id);
            if (strstr(registry, line) == NULL)
                fail_msg("%s defines zo_solver_%s, but core/registry.def has no line ZO_SOLVER(%s)", path, id, id);
        }
        free(text);
    }
    closedir(folder);
    assert_int_equal(n_found, zo_solver_count());
    free(registry);
}

static void names_are_sorted_and_found(void **state)
{
    (void)state;
    assert_true(zo_solver_count() > 0);
    for (size_t i = 0; i < zo_solver_count(); i++) {
        const zo_solver *s = zo_solver_at(i);
        assert_ptr_equal(zo_solver_find(s->name), s);
        assert_true(i == 0 || strcmp(zo_solver_at(i - 1)->name, s->name) < 0);
    }
    assert_null(zo_solver_at(zo_solver_count()));
    assert_null(zo_solver_find("no-such-solver"));
    assert_null(zo_solver_find(""));
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_definition_has_a_line_and_every_line_a_definition),
        cmocka_unit_test(names_are_sorted_and_found),
    };

    return cmocka_run_group_tests_name("registry", tests, NULL, NULL);
}
