/* The solvers whose names come nearest to a name that is none: what a refusal suggests. Nearness is the edit distance of
 * Levenshtein (1966), and a name that holds the other one counts as near. */
#include <string.h>

#include "zeroth/solver.h"

enum { LONGEST = 64 };

static size_t smallest(size_t a, size_t b, size_t c)
{
    const size_t ab = a < b ? a : b;
    return ab < c ? ab : c;
}

/* Edits (insert, delete, replace a character) that make b of a, seen to LONGEST characters. */
static size_t distance(const char *a, const char *b)
{
    const size_t n = strnlen(b, LONGEST);
    size_t row[LONGEST + 1]; /* from what was read of a to each beginning of b */

    for (size_t j = 0; j <= n; j++)
        row[j] = j;
    for (size_t i = 0; i < LONGEST && a[i] != '\0'; i++) {
        size_t corner = row[0];
        row[0] = i + 1;
        for (size_t j = 0; j < n; j++) {
            const size_t replaced = corner + (a[i] != b[j]);
            corner = row[j + 1];
            row[j + 1] = smallest(row[j] + 1, row[j + 1] + 1, replaced);
        }
    }
    return row[n];
}

static size_t farness(const char *name, const char *solver)
{
    const bool inside = name[0] != '\0' && strstr(solver, name) != NULL;
    return inside ? 1 : distance(name, solver);
}

size_t zo_solver_nearest(const char *name, size_t k, const zo_solver **nearest)
{
    size_t n = 0;

    for (size_t i = 0; i < zo_solver_count(); i++) {
        const zo_solver *s = zo_solver_at(i);
        const size_t far = farness(name, s->name);
        size_t at = n < k ? n : k;
        while (at > 0 && far < farness(name, nearest[at - 1]->name))
            at--;
        if (at == k)
            continue;
        n += n < k;
        memmove(nearest + at + 1, nearest + at, (n - at - 1) * sizeof *nearest);
        nearest[at] = s;
    }
    return n;
}
