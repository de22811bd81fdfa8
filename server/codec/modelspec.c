/* See modelspec.h. */
#include "codec/modelspec.h"

#include <stdio.h>
#include <string.h>
#include "codec/jsonread.h"
#include "codec/spec.h"
#include "codec/spec_private.h"

enum { STORED_TOKENS = 8000000, MAX_DESCRIPTION = 16384 };
static const double MAX_SEED = 9007199254740991.0;

const char *const zo_retention_words[] = {"rows", "groups", "none", NULL};
static const char *const target_words[] = {"classes", "real", NULL};
static const char *const expansion_words[] = {"none", "relu", "rff", "rbf", NULL};
static const char *const gamma_words[] = {"fixed", "evidence", "gcv", NULL};
static const char *const solve_words[] = {"deterministic", "fast", NULL};

struct spec_in {
    const json_t *name, *title, *metadata, *classes, *gamma, *range, *expansion, *options, *descriptions;
    const char *kind, *target, *retention, *solve;
    uint64_t inputs, outputs, quant, capacity, seed;
    double target_range;
    bool bias, reweight, refuse_relearn;
};
#define IN(member) offsetof(struct spec_in, member)
enum { F_SEED, F_OUTPUTS, F_TARGET_RANGE };
static const zo_field fields[] = {
    [F_SEED] = {"seed", ZO_F_U64, IN(seed), false, 0, MAX_SEED},
    [F_OUTPUTS] = {"outputs", ZO_F_U64, IN(outputs), false, 1, ZO_MODEL_MAX_OUTPUTS},
    [F_TARGET_RANGE] = {"target_range", ZO_F_F64, IN(target_range), false, 0, 0},
    {"name", ZO_F_ANY, IN(name), false, 0, 0},
    {"title", ZO_F_ANY, IN(title), false, 0, 0},
    {"metadata", ZO_F_ANY, IN(metadata), false, 0, 0},
    {"kind", ZO_F_STRING, IN(kind), true, 0, 0},
    {"inputs", ZO_F_U64, IN(inputs), true, 1, ZO_MODEL_MAX_INPUTS},
    {"target", ZO_F_STRING, IN(target), false, 0, 0},
    {"classes", ZO_F_ARRAY, IN(classes), false, 1, ZO_MODEL_MAX_CLASSES},
    {"gamma", ZO_F_ANY, IN(gamma), false, 0, 0},
    {"range", ZO_F_ANY, IN(range), true, 0, 0},
    {"quant", ZO_F_U64, IN(quant), false, 8, 24},
    {"capacity", ZO_F_U64, IN(capacity), false, 1, 1099511627776.0},
    {"expansion", ZO_F_OBJECT, IN(expansion), false, 0, 0},
    {"bias", ZO_F_BOOL, IN(bias), false, 0, 0},
    {"reweight", ZO_F_BOOL, IN(reweight), false, 0, 0},
    {"solve", ZO_F_STRING, IN(solve), false, 0, 0},
    {"retention", ZO_F_STRING, IN(retention), false, 0, 0},
    {"refuse_relearn", ZO_F_BOOL, IN(refuse_relearn), false, 0, 0},
    {"options", ZO_F_OBJECT, IN(options), false, 0, 0},
    {"descriptions", ZO_F_OBJECT, IN(descriptions), false, 0, 0},
};

static zo_status at(zo_error *err, zo_status rc, const char *key)
{
    char token[sizeof err->pointer] = "";

    zo_pointer_append(token, sizeof token, key);
    zo_fail_at(err, "%s", token);
    return rc;
}

static zo_status word(const char *text, const char *const *words, const char *key, unsigned *out, zo_error *err)
{
    zo_status rc;

    if (!text)
        return ZO_OK;
    return (rc = spec_word(text, words, out, err)) == ZO_OK ? ZO_OK : at(err, rc, key);
}

static zo_status read_kind(const char *name, zo_model_config *c, zo_error *err)
{
    char known[256] = "";
    size_t n = 0;

    if ((c->kind = zo_model_kind_find(name)))
        return ZO_OK;
    for (size_t i = 0; i < zo_model_kind_count() && n < sizeof known; i++)
        n += (size_t)snprintf(known + n, sizeof known - n, "%s%s", i ? ", " : "", zo_model_kind_at(i)->name);
    return zo_fail(err, ZO_EINVAL, "/kind", "there is no such kind; there are %s", known);
}

static zo_status read_gamma(const json_t *v, zo_model_config *c, zo_error *err)
{
    unsigned rule = ZO_GAMMA_FIXED;
    zo_status rc;

    if (!v)
        return ZO_OK;
    if (json_is_string(v)) {
        if ((rc = word(json_string_value(v), gamma_words + 1, "gamma", &rule, err)) != ZO_OK)
            return rc;
        c->gamma_rule = (zo_gamma_rule)(rule + 1);
        return ZO_OK;
    }
    if ((rc = zo_json_get_f64(v, &c->gamma, err)) != ZO_OK)
        return zo_fail(err, ZO_EMALFORMED, "/gamma", "must be a number, \"evidence\" or \"gcv\"");
    return ZO_OK;
}

static zo_status read_range(const json_t *v, zo_arena *arena, zo_model_config *c, zo_error *err)
{
    const size_t n = json_is_array(v) ? json_array_size(v) : 1;
    double *range = zo_arena_array(arena, n, sizeof *range);
    zo_status rc;

    if (!range)
        return zo_fail_nomem(err);
    if (json_is_array(v) && n == 0)
        return zo_fail(err, ZO_EINVAL, "/range", "must not be empty");
    for (size_t i = 0; i < n; i++)
        if ((rc = zo_json_get_f64(json_is_array(v) ? json_array_get(v, i) : v, &range[i], err)) != ZO_OK) {
            if (json_is_array(v))
                zo_fail_at(err, "/%zu", i);
            return at(err, rc, "range");
        }
    c->range = range;
    c->n_range = n;
    return ZO_OK;
}

static zo_status read_strings(const json_t *v, const char *key, zo_arena *arena, const char *const **out, size_t *n_out,
                              zo_error *err)
{
    const size_t n = json_array_size(v);
    const char **list = zo_arena_array(arena, n, sizeof *list);
    zo_status rc;

    if (!list)
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const char *text;

        if ((rc = zo_json_get_string(json_array_get(v, i), &text, err)) != ZO_OK) {
            zo_fail_at(err, "/%zu", i);
            return at(err, rc, key);
        }
        if (!(list[i] = zo_arena_strdup(arena, text)))
            return zo_fail_nomem(err);
    }
    *out = list;
    *n_out = n;
    return ZO_OK;
}

static zo_status read_expansion(const json_t *v, zo_model_config *c, zo_error *err)
{
    struct {
        const char *type;
        uint64_t size;
        double scale;
    } in = {.size = 1024, .scale = 1};
    static const zo_field own[] = {
        {"type", ZO_F_STRING, offsetof(__typeof__(in), type), true, 0, 0},
        {"size", ZO_F_U64, offsetof(__typeof__(in), size), false, 1, ZO_MODEL_MAX_FEATURES},
        {"scale", ZO_F_F64, offsetof(__typeof__(in), scale), false, 0, 0},
    };
    unsigned type = 0;
    uint64_t seen = 0;
    zo_status rc;

    if (!v)
        return ZO_OK;
    if ((rc = zo_json_read(v, own, ZO_LEN(own), &in, &seen, err)) != ZO_OK)
        return at(err, rc, "expansion");
    if ((rc = word(in.type, expansion_words, "type", &type, err)) != ZO_OK)
        return at(err, rc, "expansion");
    c->expansion = (zo_expansion)type;
    if (c->expansion == ZO_EXPAND_NONE && (seen & 6))
        return zo_fail(err, ZO_EINVAL, seen & 2 ? "/expansion/size" : "/expansion/scale",
                       "type none has no such option");
    if (c->expansion == ZO_EXPAND_RELU && (seen & 4))
        return zo_fail(err, ZO_EINVAL, "/expansion/scale", "type relu has no scale");
    c->features = (size_t)in.size;
    c->scale = in.scale;
    return ZO_OK;
}

static zo_status read_options(const json_t *v, zo_arena *arena, zo_model_config *c, zo_error *err)
{
    const zo_model_kind *k = c->kind;
    void *options = zo_arena_alloc(arena, k->opts_bytes);
    const zo_named *given = NULL;
    size_t n = 0;
    zo_status rc = ZO_OK;

    if (!options)
        return zo_fail_nomem(err);
    c->options = options;
    if (v)
        rc = spec_named(v, arena, &given, &n, err);
    if (rc == ZO_OK)
        rc = zo_opts_read(k->opts, k->n_opts, given, n, options, err);
    return rc == ZO_OK ? ZO_OK : at(err, rc, "options");
}

static zo_status read_descriptions(const json_t *v, zo_arena *arena, zo_model_config *c, zo_error *err)
{
    const size_t n = json_object_size(v);
    const char **labels = zo_arena_array(arena, n, sizeof *labels), *key;
    double *rows = NULL;
    json_t *row;
    size_t i = 0, width = 0;

    if (!v)
        return ZO_OK;
    if (!labels)
        return zo_fail_nomem(err);
    if (n == 0 || n > ZO_MODEL_MAX_CLASSES)
        return zo_fail(err, ZO_EINVAL, "/descriptions", "must describe 1 to %d classes", ZO_MODEL_MAX_CLASSES);
    json_object_foreach ((json_t *)(uintptr_t)v, key, row) {
        const size_t size = json_array_size(row);

        if (!json_is_array(row) || size == 0 || size > MAX_DESCRIPTION || (width && size != width)) {
            zo_fail(err, json_is_array(row) ? ZO_EINVAL : ZO_EMALFORMED, "",
                    "must be an array of numbers, as many for every class");
            at(err, err->code, key);
            return at(err, err->code, "descriptions");
        }
        width = size;
        if (!rows && !(rows = zo_arena_array(arena, n * width, sizeof *rows)))
            return zo_fail_nomem(err);
        if (!(labels[i] = zo_arena_strdup(arena, key)))
            return zo_fail_nomem(err);
        for (size_t k = 0; k < width; k++) {
            const zo_status rc = zo_json_get_f64(json_array_get(row, k), &rows[i * width + k], err);

            if (rc != ZO_OK) {
                zo_fail_at(err, "/%zu", k);
                at(err, rc, key);
                return at(err, rc, "descriptions");
            }
        }
        i++;
    }
    c->described = labels;
    c->descriptions = rows;
    c->n_described = n;
    c->description_size = width;
    return ZO_OK;
}

static zo_status read_labels(const struct spec_in *in, zo_arena *arena, zo_model_spec *s, zo_error *err)
{
    zo_status rc;

    if (in->name && !json_is_null(in->name)) {
        if ((rc = zo_json_get_string(in->name, &s->name, err)) != ZO_OK ||
            (rc = zo_spec_check_name(s->name, err)) != ZO_OK)
            return at(err, rc, "name");
        if (!(s->name = zo_arena_strdup(arena, s->name)))
            return zo_fail_nomem(err);
    }
    if (in->title && !json_is_null(in->title)) {
        if ((rc = zo_json_get_string(in->title, &s->title, err)) != ZO_OK)
            return at(err, rc, "title");
        if (strlen(s->title) > ZO_TITLE_MAX_BYTES)
            return zo_fail(err, ZO_EINVAL, "/title", "a title has at most %d bytes", ZO_TITLE_MAX_BYTES);
        if (!(s->title = zo_arena_strdup(arena, s->title)))
            return zo_fail_nomem(err);
    }
    if (in->metadata && !json_is_null(in->metadata) &&
        (rc = zo_spec_decode_metadata(in->metadata, arena, &s->metadata, err)) != ZO_OK)
        return at(err, rc, "metadata");
    return ZO_OK;
}

zo_status zo_model_spec_decode(const json_t *doc, zo_arena *arena, zo_model_spec *out, zo_error *err)
{
    struct spec_in in = {.quant = ZO_MODEL_DEFAULT_QUANT, .capacity = ZO_MODEL_DEFAULT_CAPACITY, .target_range = 1};
    zo_model_spec s = {.model = {.gamma = 0.1, .scale = 1}};
    unsigned target = ZO_TARGET_CLASSES, retention = ZO_RETAIN_GROUPS, solve = 0;
    uint64_t seen = 0;
    zo_model_config *c = &s.model;
    zo_status rc;

    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &in, &seen, err)) != ZO_OK ||
        (rc = read_labels(&in, arena, &s, err)) != ZO_OK || (rc = read_kind(in.kind, c, err)) != ZO_OK ||
        (rc = word(in.target, target_words, "target", &target, err)) != ZO_OK ||
        (rc = word(in.retention, zo_retention_words, "retention", &retention, err)) != ZO_OK ||
        (rc = word(in.solve, solve_words, "solve", &solve, err)) != ZO_OK ||
        (rc = read_gamma(in.gamma, c, err)) != ZO_OK || (rc = read_range(in.range, arena, c, err)) != ZO_OK ||
        (rc = read_expansion(in.expansion, c, err)) != ZO_OK ||
        (rc = read_options(in.options, arena, c, err)) != ZO_OK ||
        (rc = read_descriptions(in.descriptions, arena, c, err)) != ZO_OK)
        return rc;
    c->target = (zo_target)target;
    if (c->target == ZO_TARGET_REAL && !(seen & 1u << F_OUTPUTS))
        return zo_fail(err, ZO_EMALFORMED, "/outputs", "is missing: how many numbers a row's target has");
    if (c->target == ZO_TARGET_CLASSES && (seen & (1u << F_OUTPUTS | 1u << F_TARGET_RANGE)))
        return zo_fail(err, ZO_EINVAL, seen & 1u << F_OUTPUTS ? "/outputs" : "/target_range", "is for real targets");
    if (c->target == ZO_TARGET_REAL && !(seen & 1u << F_TARGET_RANGE))
        return zo_fail(err, ZO_EMALFORMED, "/target_range", "is missing: a power of two that bounds the targets");
    if (in.classes && (rc = read_strings(in.classes, "classes", arena, &c->classes, &c->n_classes, err)) != ZO_OK)
        return rc;
    c->inputs = (size_t)in.inputs;
    c->outputs = (size_t)in.outputs;
    c->quant = (unsigned)in.quant;
    c->capacity = in.capacity;
    c->target_range = in.target_range;
    c->seed = in.seed;
    c->bias = in.bias;
    c->reweight = in.reweight;
    c->fast = solve != 0;
    s.retention = (zo_retention)retention;
    s.refuse_relearn = in.refuse_relearn;
    s.has_seed = seen & 1u << F_SEED;
    *out = s;
    return ZO_OK;
}

zo_status zo_model_spec_decode_text(const char *text, size_t bytes, zo_arena *arena, zo_model_spec *out, zo_error *err)
{
    static const zo_json_limits limits = {.tokens = STORED_TOKENS};
    json_t *doc;
    zo_status rc = zo_json_parse(text, bytes, &limits, &doc, err);

    if (rc != ZO_OK)
        return rc;
    rc = zo_model_spec_decode(doc, arena, out, err);
    json_decref(doc);
    return rc;
}

/* ---- encode ---- */

static void put_options(const zo_model_config *c, zo_json *w)
{
    zo_json_begin_object(w);
    for (size_t i = 0; i < c->kind->n_opts; i++) {
        const zo_opt *o = &c->kind->opts[i];
        const char *field = (const char *)c->options + o->offset;
        union {
            double f64;
            uint64_t u64;
            bool boolean;
            uint32_t choice;
        } v;

        zo_json_key(w, o->name);
        switch (o->type) {
        case ZO_OPT_TYPE_F64:
            memcpy(&v.f64, field, sizeof v.f64);
            zo_json_double(w, v.f64);
            break;
        case ZO_OPT_TYPE_U64:
            memcpy(&v.u64, field, sizeof v.u64);
            zo_json_u64(w, v.u64);
            break;
        case ZO_OPT_TYPE_BOOL:
            memcpy(&v.boolean, field, sizeof v.boolean);
            zo_json_bool(w, v.boolean);
            break;
        case ZO_OPT_TYPE_ENUM:
            memcpy(&v.choice, field, sizeof v.choice);
            zo_json_string(w, o->choices[v.choice]);
            break;
        }
    }
    zo_json_end_object(w);
}

static void put_expansion(const zo_model_config *c, zo_json *w)
{
    zo_json_key(w, "expansion");
    zo_json_begin_object(w);
    zo_json_key_string(w, "type", expansion_words[c->expansion]);
    if (c->expansion != ZO_EXPAND_NONE)
        zo_json_key_u64(w, "size", c->features);
    if (c->expansion == ZO_EXPAND_RFF || c->expansion == ZO_EXPAND_RBF)
        zo_json_key_double(w, "scale", c->scale);
    zo_json_end_object(w);
}

static void put_descriptions(const zo_model_config *c, zo_json *w)
{
    zo_json_key(w, "descriptions");
    zo_json_begin_object(w);
    for (size_t i = 0; i < c->n_described; i++) {
        zo_json_key(w, c->described[i]);
        zo_json_begin_array(w);
        for (size_t k = 0; k < c->description_size; k++)
            zo_json_double(w, c->descriptions[i * c->description_size + k]);
        zo_json_end_array(w);
    }
    zo_json_end_object(w);
}

void zo_model_spec_encode_members(const zo_model_spec *s, zo_json *w)
{
    const zo_model_config *c = &s->model;

    zo_json_key_string(w, "kind", c->kind->name);
    zo_json_key_u64(w, "inputs", c->inputs);
    zo_json_key_string(w, "target", target_words[c->target]);
    if (c->target == ZO_TARGET_REAL) {
        zo_json_key_u64(w, "outputs", c->outputs);
        zo_json_key_double(w, "target_range", c->target_range);
    }
    if (c->gamma_rule == ZO_GAMMA_FIXED)
        zo_json_key_double(w, "gamma", c->gamma);
    else
        zo_json_key_string(w, "gamma", gamma_words[c->gamma_rule]);
    zo_json_key(w, "range");
    if (c->n_range == 1) {
        zo_json_double(w, c->range[0]);
    } else {
        zo_json_begin_array(w);
        for (size_t i = 0; i < c->n_range; i++)
            zo_json_double(w, c->range[i]);
        zo_json_end_array(w);
    }
    zo_json_key_u64(w, "quant", c->quant);
    zo_json_key_u64(w, "capacity", c->capacity);
    put_expansion(c, w);
    zo_json_key_bool(w, "bias", c->bias);
    zo_json_key_bool(w, "reweight", c->reweight);
    zo_json_key_string(w, "solve", solve_words[c->fast]);
    zo_json_key_string(w, "retention", zo_retention_words[s->retention]);
    zo_json_key_bool(w, "refuse_relearn", s->refuse_relearn);
    zo_json_key_u64(w, "seed", c->seed);
    zo_json_key(w, "options");
    put_options(c, w);
    if (c->n_described)
        put_descriptions(c, w);
}

void zo_model_spec_encode(const zo_model_spec *s, zo_json *w)
{
    const zo_model_config *c = &s->model;

    zo_json_begin_object(w);
    zo_model_spec_encode_members(s, w);
    if (c->n_classes) {
        zo_json_key(w, "classes");
        zo_json_begin_array(w);
        for (size_t i = 0; i < c->n_classes; i++)
            zo_json_string(w, c->classes[i]);
        zo_json_end_array(w);
    }
    zo_json_end_object(w);
}
