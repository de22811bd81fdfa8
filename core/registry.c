/* The registries: registry.def made into tables, one of study solvers and one of model kinds. */
#include <string.h>

#include "zeroth/model.h"
#include "zeroth/solver.h"

#define ZO_SOLVER(id) extern const zo_solver zo_solver_##id;
#define ZO_MODEL(id) extern const zo_model_kind zo_model_kind_##id;
#include "registry.def"

static const zo_solver *const solvers[] = {
#define ZO_SOLVER(id) &zo_solver_##id,
#include "registry.def"
};

static const zo_model_kind *const kinds[] = {
#define ZO_MODEL(id) &zo_model_kind_##id,
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

size_t zo_model_kind_count(void)
{
    return ZO_LEN(kinds);
}

const zo_model_kind *zo_model_kind_at(size_t i)
{
    return i < ZO_LEN(kinds) ? kinds[i] : NULL;
}

const zo_model_kind *zo_model_kind_find(const char *name)
{
    for (size_t i = 0; i < ZO_LEN(kinds); i++)
        if (strcmp(kinds[i]->name, name) == 0)
            return kinds[i];
    return NULL;
}
