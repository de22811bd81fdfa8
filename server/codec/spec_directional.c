/* The directional oracle of a spec: how long the client's vector is, and its slices. */
#include "codec/spec_private.h"

#include <string.h>

enum { MAX_GROUPS = 4096, GROUP_NAME_BYTES = 64 };
static const double MAX_DIMENSION = 9007199254740991.0;

struct oracle_in {
    const char *type, *generator;
    uint64_t dimension;
    const json_t *groups;
};
#define IN(member) offsetof(struct oracle_in, member)
static const zo_field oracle_fields[] = {
    {"type", ZO_F_STRING, IN(type), true, 0, 0},
    {"dimension", ZO_F_U64, IN(dimension), true, 1, MAX_DIMENSION},
    {"groups", ZO_F_ARRAY, IN(groups), false, 0, MAX_GROUPS},
    {"generator", ZO_F_STRING, IN(generator), false, 0, 0},
};
static const zo_field group_fields[] = {
    {"name", ZO_F_STRING, offsetof(zo_group, name), true, 1, GROUP_NAME_BYTES},
    {"size", ZO_F_U64, offsetof(zo_group, size), true, 1, MAX_DIMENSION},
};

static zo_status read_groups(const json_t *list, zo_arena *arena, zo_directional *d, zo_error *err)
{
    zo_group *groups;
    zo_status rc;

    d->n_groups = json_array_size(list);
    if (!(d->groups = groups = zo_arena_array(arena, d->n_groups, sizeof *groups)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < d->n_groups; i++) {
        if ((rc = zo_json_read(json_array_get(list, i), group_fields, ZO_LEN(group_fields), &groups[i], NULL, err)) !=
            ZO_OK) {
            zo_fail_at(err, "/groups/%zu", i);
            return rc;
        }
        if (!(groups[i].name = zo_arena_strdup(arena, groups[i].name)))
            return zo_fail_nomem(err);
    }
    return ZO_OK;
}

zo_status spec_decode_directional(const json_t *v, zo_arena *arena, const zo_directional **out, zo_error *err)
{
    struct oracle_in in = {.generator = "portable-1"};
    zo_directional *d = zo_arena_alloc(arena, sizeof *d);
    zo_status rc;

    if (!d)
        return zo_fail_nomem(err);
    if (!json_is_object(v))
        return zo_fail(err, ZO_EMALFORMED, "", "a directional oracle is an object with type and dimension");
    if ((rc = zo_json_read(v, oracle_fields, ZO_LEN(oracle_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if (strcmp(in.generator, "portable-1") != 0)
        return zo_fail(err, ZO_EINVAL, "/generator", "the generator is portable-1");
    d->dimension = in.dimension;
    if (in.groups && (rc = read_groups(in.groups, arena, d, err)) != ZO_OK)
        return rc;
    *out = d;
    return ZO_OK;
}

void spec_encode_directional(const zo_directional *d, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "type", "directional");
    zo_json_key_u64(w, "dimension", d->dimension);
    zo_json_key(w, "groups");
    zo_json_begin_array(w);
    for (size_t i = 0; i < d->n_groups; i++) {
        zo_json_begin_object(w);
        zo_json_key_string(w, "name", d->groups[i].name);
        zo_json_key_u64(w, "size", d->groups[i].size);
        zo_json_end_object(w);
    }
    zo_json_end_array(w);
    zo_json_key_string(w, "generator", "portable-1");
    zo_json_end_object(w);
}
