/* The registry of study solvers: registry.def made into a table. The one of model kinds is model/registry.c. */
#include <string.h>

#include "zeroth/solver.h"

#define ZO_SOLVER(id) extern const zo_solver zo_solver_##id;
#include "registry.def"

static const zo_solver *const solvers[] = {
#define ZO_SOLVER(id) &zo_solver_##id,
#include "registry.def"
};

size_t zo_solver_count(void)
{
    return ZO_LEN(solvers);
}

const zo_solver *zo_solver_at(size_t i)
{
    return i < ZO_LEN(solvers) ? solvers[i] : NULL;
}

const zo_solver *zo_solver_find(const char *name)
{
    for (size_t i = 0; i < ZO_LEN(solvers); i++)
        if (strcmp(solvers[i]->name, name) == 0)
            return solvers[i];
    return NULL;
}
