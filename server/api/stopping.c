/* GET .../stopping: what each rule for the end of a study says now, with the numbers behind it. */
#include <math.h>
#include <string.h>

#include "api/handlers.h"
#include "api/study_json.h"
#include "api/trial_json.h"

static bool is_count(const char *name)
{
    static const char *const measures[] = {"below", "expected", "within", "target", "gap"};

    for (size_t i = 0; i < ZO_LEN(measures); i++)
        if (strcmp(name, measures[i]) == 0)
            return false;
    return true;
}

static void put_rule(const zo_stop_verdict *v, zo_json *w)
{
    zo_json_begin_object(w);
    zo_json_key_string(w, "rule", v->rule);
    zo_json_key_bool(w, "enabled", v->on);
    zo_json_key_bool(w, "fires", v->fires);
    zo_json_key_string(w, "because", v->because);
    zo_json_key(w, "numbers");
    zo_json_begin_object(w);
    for (size_t i = 0; i < v->n; i++) {
        if (is_count(v->numbers[i].name))
            zo_json_key_u64(w, v->numbers[i].name, (uint64_t)v->numbers[i].value);
        else
            zo_json_key_double(w, v->numbers[i].name, v->numbers[i].value);
    }
    zo_json_end_object(w);
    zo_json_end_object(w);
}

static zo_status work_stopping(api_cmd *c, zo_ctx *x, zo_error *err)
{
    const zo_study *s = x->study;
    zo_stop_verdict v;
    zo_json w;

    if (zo_study_n_objectives(s) != 1)
        return zo_fail(err, ZO_EINVAL, "", "stopping rules need a single objective");
    zo_json_init(&w);
    zo_json_begin_object(&w);
    api_state_members(s, &w);
    zo_json_key_string(&w, "stopped_by", zo_study_stopped_by(s));
    zo_json_key(&w, "best");
    zo_api_best_write(s, 0, &w);
    zo_json_key(&w, "rules");
    zo_json_begin_array(&w);
    for (int rule = 0; rule < ZO_STOP_RULES; rule++) {
        zo_study_stopping(s, (zo_stop_rule)rule, &v);
        put_rule(&v, &w);
    }
    zo_json_end_array(&w);
    zo_json_end_object(&w);
    api_reply(c, 200, &w);
    return ZO_OK;
}

zo_status api_stopping(zo_req *req, zo_error *err)
{
    api_cmd *c;
    zo_status rc;

    if (!api_accepts(req, api_json_type, NULL))
        return ZO_OK;
    if ((rc = api_begin(req, sizeof *c, work_stopping, NULL, 0, &c, err)) != ZO_OK)
        return rc;
    api_submit_study(c);
    return ZO_OK;
}
