/* The catalogue: the registry as JSON. */
#include "api/solvers.h"

#include "api/handlers.h"
#include "zeroth/solver.h"

static const char *const oracle_names[] = {"value",       "steps",      "gradient", "hessian_vector",
                                           "directional", "preference", "denoiser", "score"};
static const char *const trait_names[] = {"levels",     "category", "conditional", "constraints",  "linear",
                                          "objectives", "noise",    "parallel",    "deterministic"};

static void put_bits(uint32_t bits, const char *const *names, size_t n, zo_json *w)
{
    zo_json_begin_array(w);
    for (size_t i = 0; i < n; i++)
        if (bits >> i & 1)
            zo_json_string(w, names[i]);
    zo_json_end_array(w);
}

static void put_range(const zo_opt *o, zo_json *w)
{
    zo_json_key_double(w, "default", o->def);
    zo_json_key_double(w, "low", o->low);
    zo_json_key_double(w, "high", o->high);
}

void zo_api_option_write(const zo_opt *o, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", o->name);
    switch (o->type) {
    case ZO_OPT_TYPE_F64:
        zo_json_key_string(w, "type", "number");
        put_range(o, w);
        break;
    case ZO_OPT_TYPE_U64:
        zo_json_key_string(w, "type", "integer");
        put_range(o, w);
        break;
    case ZO_OPT_TYPE_BOOL:
        zo_json_key_string(w, "type", "boolean");
        zo_json_key_bool(w, "default", o->def != 0);
        break;
    case ZO_OPT_TYPE_ENUM:
        zo_json_key_string(w, "type", "enum");
        zo_json_key_string(w, "default", o->choices[(size_t)o->def]);
        zo_json_key(w, "choices");
        zo_json_begin_array(w);
        for (size_t i = 0; o->choices[i]; i++)
            zo_json_string(w, o->choices[i]);
        zo_json_end_array(w);
        break;
    }
    zo_json_key_string(w, "doc", o->doc);
    zo_json_end_object(w);
}

static void put_solver(const zo_solver *s, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "name", s->name);
    zo_json_key_u64(w, "version", s->version);
    zo_json_key_string(w, "summary", s->summary);
    zo_json_key_string(w, "reference", s->reference);
    zo_json_key_string(w, "complexity", s->complexity);
    zo_json_key_string(w, "advice", s->advice);
    zo_json_key(w, "oracles");
    put_bits(s->oracles, oracle_names, ZO_LEN(oracle_names), w);
    zo_json_key(w, "traits");
    put_bits(s->traits, trait_names, ZO_LEN(trait_names), w);
    zo_json_key_string(w, "cost", s->cost == ZO_COST_MODEL ? "model" : "cheap");
    zo_json_key(w, "options");
    zo_json_begin_array(w);
    for (size_t i = 0; i < s->n_opts; i++)
        zo_api_option_write(&s->opts[i], w);
    zo_json_end_array(w);
    zo_json_end_object(w);
}

void zo_api_solvers_write(zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key(w, "solvers");
    zo_json_begin_array(w);
    for (size_t i = 0; i < zo_solver_count(); i++)
        put_solver(zo_solver_at(i), w);
    zo_json_end_array(w);
    zo_json_end_object(w);
}

zo_status api_solver_list(zo_req *req, zo_error *err)
{
    zo_json w;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = zo_req_query_check(req, NULL, 0, err)) != ZO_OK)
        return rc;
    zo_json_init(&w);
    zo_api_solvers_write(&w);
    zo_req_reply_json(req, 200, &w);
    return ZO_OK;
}

zo_status api_solver_get(zo_req *req, zo_error *err)
{
    const zo_solver *s = zo_solver_find(zo_req_param(req, "solver"));
    zo_json w;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = zo_req_query_check(req, NULL, 0, err)) != ZO_OK)
        return rc;
    if (!s)
        return zo_fail(err, ZO_ENOTFOUND, "", "no such solver: GET /v1/solvers lists them");
    zo_json_init(&w);
    put_solver(s, &w);
    zo_req_reply_json(req, 200, &w);
    return ZO_OK;
}
