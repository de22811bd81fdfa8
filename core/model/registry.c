/* The registry of model kinds: registry.def made into a table. */
#include <string.h>

#include "zeroth/model.h"

#define ZO_MODEL(id) extern const zo_model_kind zo_model_kind_##id;
#include "registry.def"

static const zo_model_kind *const kinds[] = {
#define ZO_MODEL(id) &zo_model_kind_##id,
#include "registry.def"
};

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
