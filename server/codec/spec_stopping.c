/* "stop": the rules for the end of a study, each an object of its thresholds. What is not given stays the rule's
 * default. */
#include <string.h>

#include "codec/spec_private.h"

struct stop_in {
    const json_t *rules[ZO_STOP_RULES];
};
#define RULE(name, which)                                                                                              \
    {                                                                                                                  \
        name, ZO_F_OBJECT, offsetof(struct stop_in, rules) + (which) * sizeof(json_t *), false, 0, 0                   \
    }
static const zo_field rule_fields[] = {
    RULE("no_improvement", ZO_STOP_NO_IMPROVEMENT),
    RULE("expected_improvement", ZO_STOP_EXPECTED_IMPROVEMENT),
    RULE("restarts", ZO_STOP_RESTARTS),
    RULE("target_gap", ZO_STOP_TARGET_GAP),
};

#define IN(member) offsetof(zo_stopping_spec, member)
#define MAX_COUNT 9007199254740991.0
static const zo_field no_improvement_fields[] = {
    {"trials", ZO_F_U64, IN(trials), false, 1, MAX_COUNT},
    {"trials_per_dimension", ZO_F_F64, IN(trials_per_dimension), false, 0.001, 1e9},
};
static const zo_field expected_improvement_fields[] = {
    {"below", ZO_F_F64, IN(below), true, 0, 0},
    {"window", ZO_F_U64, IN(window), false, 1, MAX_COUNT},
};
static const zo_field restarts_fields[] = {{"runs", ZO_F_U64, IN(runs), false, 1, MAX_COUNT}};
static const zo_field target_gap_fields[] = {{"within", ZO_F_F64, IN(within), true, 0, 0}};
static const struct {
    const zo_field *fields;
    size_t n;
} rules[ZO_STOP_RULES] = {
    [ZO_STOP_NO_IMPROVEMENT] = {no_improvement_fields, ZO_LEN(no_improvement_fields)},
    [ZO_STOP_EXPECTED_IMPROVEMENT] = {expected_improvement_fields, ZO_LEN(expected_improvement_fields)},
    [ZO_STOP_RESTARTS] = {restarts_fields, ZO_LEN(restarts_fields)},
    [ZO_STOP_TARGET_GAP] = {target_gap_fields, ZO_LEN(target_gap_fields)},
};

static zo_status in_rule(zo_error *err, zo_status rc, int rule)
{
    (void)zo_fail_at(err, "/%s", rule_fields[rule].name);
    return rc;
}

zo_status spec_decode_stopping(const json_t *doc, zo_stopping_spec *out, zo_error *err)
{
    struct stop_in in = {0};
    zo_stopping_spec s = {0};
    zo_status rc;

    if ((rc = zo_json_read(doc, rule_fields, ZO_LEN(rule_fields), &in, NULL, err)) != ZO_OK)
        return rc;
    for (int rule = 0; rule < ZO_STOP_RULES; rule++) {
        if (!in.rules[rule])
            continue;
        if ((rc = zo_json_read(in.rules[rule], rules[rule].fields, rules[rule].n, &s, NULL, err)) != ZO_OK)
            return in_rule(err, rc, rule);
        s.on[rule] = true;
    }
    if (s.trials && s.trials_per_dimension > 0)
        return zo_fail(err, ZO_EINVAL, "/no_improvement", "give trials or trials_per_dimension, not both");
    if (s.on[ZO_STOP_EXPECTED_IMPROVEMENT] && !(s.below > 0))
        return zo_fail(err, ZO_EINVAL, "/expected_improvement/below", "must be above 0");
    if (s.within < 0)
        return zo_fail(err, ZO_EINVAL, "/target_gap/within", "must not be negative");
    *out = s;
    return ZO_OK;
}

static void put_field(const zo_field *f, const zo_stopping_spec *s, zo_json *w)
{
    const char *at = (const char *)s + f->offset;
    uint64_t count;
    double x;

    if (f->type == ZO_F_U64) {
        memcpy(&count, at, sizeof count);
        if (count)
            zo_json_key_u64(w, f->name, count);
        return;
    }
    memcpy(&x, at, sizeof x);
    if (x > 0 || f->required)
        zo_json_key_double(w, f->name, x);
}

void spec_encode_stopping(const zo_stopping_spec *s, zo_json *w)
{
    bool any = false;

    for (int rule = 0; rule < ZO_STOP_RULES; rule++)
        any = any || s->on[rule];
    if (!any) {
        zo_json_null(w);
        return;
    }
    zo_json_begin_object(w);
    for (int rule = 0; rule < ZO_STOP_RULES; rule++) {
        if (!s->on[rule])
            continue;
        zo_json_key(w, rule_fields[rule].name);
        zo_json_begin_object(w);
        for (size_t i = 0; i < rules[rule].n; i++)
            put_field(&rules[rule].fields[i], s, w);
        zo_json_end_object(w);
    }
    zo_json_end_object(w);
}
