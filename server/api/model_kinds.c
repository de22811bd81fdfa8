/* The catalogue of model kinds. */
#include "api/handlers.h"
#include "api/solvers.h"
#include "zeroth/model.h"

static void put_traits(const zo_model_kind *k, zo_json *w)
{
    static const struct {
        unsigned trait;
        const char *name;
    } names[] = {{ZO_MODEL_REWEIGHT, "reweight"},
                 {ZO_MODEL_GAMMA_RULE, "gamma_rule"},
                 {ZO_MODEL_FAST, "fast"},
                 {ZO_MODEL_DESCRIPTIONS, "descriptions"}};

    zo_json_begin_array(w);
    for (size_t i = 0; i < ZO_LEN(names); i++)
        if (k->traits & names[i].trait)
            zo_json_string(w, names[i].name);
    zo_json_end_array(w);
}

static void put_kind(const zo_model_kind *k, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", k->name);
    zo_json_key_string(w, "summary", k->summary);
    zo_json_key_string(w, "reference", k->reference);
    zo_json_key(w, "targets");
    zo_json_begin_array(w);
    if (k->targets & 1u << ZO_TARGET_CLASSES)
        zo_json_string(w, "classes");
    if (k->targets & 1u << ZO_TARGET_REAL)
        zo_json_string(w, "real");
    zo_json_end_array(w);
    zo_json_key(w, "traits");
    put_traits(k, w);
    zo_json_key(w, "options");
    zo_json_begin_array(w);
    for (size_t i = 0; i < k->n_opts; i++)
        zo_api_option_write(&k->opts[i], w);
    zo_json_end_array(w);
    zo_json_end_object(w);
}

zo_status api_model_kinds(zo_req *req, zo_error *err)
{
    zo_json w;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = zo_req_query_check(req, NULL, 0, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_json_begin_object(&w);
    zo_json_key(&w, "kinds");
    zo_json_begin_array(&w);
    for (size_t i = 0; i < zo_model_kind_count(); i++)
        put_kind(zo_model_kind_at(i), &w);
    zo_json_end_array(&w);
    zo_json_end_object(&w);
    zo_req_reply_json(req, 200, &w);
    return ZO_OK;
}
