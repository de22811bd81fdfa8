/* Spec from JSON: one table for the document, one for each part. What is absent gets its default here, so that the core and the stored
 * text are always complete. */
#include "codec/spec.h"

#include <string.h>
#include "codec/jsonread.h"
#include "codec/params.h"
#include "codec/spec_private.h"

enum { MAX_OBJECTIVES = 16, MAX_CONSTRAINTS = 64, MAX_METRICS = 64, MAX_OPTIONS = 64, VALUE_NAME_BYTES = 64, STORED_TOKENS = 4000000 };
static const int64_t MIN_LEASE_MS = 1000, MAX_LEASE_MS = INT64_C(7) * 86400 * 1000;
static const double MAX_SEED = 9007199254740991.0;

static zo_status at(zo_error *err, zo_status rc, const char *key)
{
    char token[sizeof err->pointer] = "";

    zo_pointer_append(token, sizeof token, key);
    zo_fail_at(err, "%s", token);
    return rc;
}

static zo_status at_index(zo_error *err, zo_status rc, size_t i)
{
    zo_fail_at(err, "/%zu", i);
    return rc;
}

zo_status spec_word(const char *text, const char *const *words, unsigned *out, zo_error *err)
{
    char list[160] = "";
    size_t n = 0;

    for (unsigned i = 0; words[i]; i++) {
        if (strcmp(text, words[i]) == 0) {
            *out = i;
            return ZO_OK;
        }
        const size_t len = strlen(words[i]);
        if (n + len + 3 < sizeof list) {
            memcpy(list + n, i ? ", " : "", i ? 2 : 0);
            n += i ? 2 : 0;
            memcpy(list + n, words[i], len + 1);
            n += len;
        }
    }
    return zo_fail(err, ZO_EINVAL, "", "must be one of %s", list);
}

zo_status spec_named(const json_t *object, zo_arena *arena, const zo_named **out, size_t *n_out, zo_error *err)
{
    const size_t n = json_object_size(object);
    zo_named *named;
    const char *key;
    json_t *v;
    size_t i = 0;
    zo_status rc;

    if (n > MAX_OPTIONS)
        return zo_fail(err, ZO_EINVAL, "", "at most %d options", MAX_OPTIONS);
    if (!(named = zo_arena_array(arena, n, sizeof *named)))
        return zo_fail_nomem(err);
    json_object_foreach ((json_t *)(uintptr_t)object, key, v) {
        if (!(named[i].name = zo_arena_strdup(arena, key)))
            return zo_fail_nomem(err);
        if ((rc = zo_json_scalar(v, arena, &named[i++].value, err)) != ZO_OK)
            return at(err, rc, key);
    }
    *out = named;
    *n_out = n;
    return ZO_OK;
}

/* ---- the document ---- */

struct spec_in {
    uint64_t seed, parallelism, retries;
    const json_t *name, *title, *metadata, *space, *linear, *objectives, *constraints, *metrics, *oracle, *budget, *lease, *solver,
        *early_stopping, *stop;
    const char *noise, *on_expiry, *duplicates;
};
#define IN(member) offsetof(struct spec_in, member)
enum { F_SEED };
static const zo_field spec_fields[] = {
    [F_SEED] = {"seed", ZO_F_U64, IN(seed), false, 0, MAX_SEED},
    {"name", ZO_F_ANY, IN(name), false, 0, 0},
    {"title", ZO_F_ANY, IN(title), false, 0, 0},
    {"metadata", ZO_F_ANY, IN(metadata), false, 0, 0},
    {"space", ZO_F_ARRAY, IN(space), false, 0, 0}, /* see read_space */
    {"linear_constraints", ZO_F_ARRAY, IN(linear), false, 0, 0},
    {"objectives", ZO_F_ARRAY, IN(objectives), false, 1, MAX_OBJECTIVES},
    {"constraints", ZO_F_ARRAY, IN(constraints), false, 0, MAX_CONSTRAINTS},
    {"metrics", ZO_F_ARRAY, IN(metrics), false, 0, MAX_METRICS},
    {"oracle", ZO_F_ANY, IN(oracle), false, 0, 0},
    {"noise", ZO_F_STRING, IN(noise), false, 0, 0},
    {"parallelism", ZO_F_U64, IN(parallelism), false, 1, 100000},
    {"budget", ZO_F_OBJECT, IN(budget), false, 0, 0},
    {"lease", ZO_F_ANY, IN(lease), false, 0, 0},
    {"retries", ZO_F_U64, IN(retries), false, 0, 1000000},
    {"on_expiry", ZO_F_STRING, IN(on_expiry), false, 0, 0},
    {"duplicates", ZO_F_STRING, IN(duplicates), false, 0, 0},
    {"solver", ZO_F_OBJECT, IN(solver), false, 0, 0},
    {"early_stopping", ZO_F_ANY, IN(early_stopping), false, 0, 0},
    {"stop", ZO_F_ANY, IN(stop), false, 0, 0},
};

static const char *const noise_words[] = {"auto", "none", "expected", NULL};
static const char *const expiry_words[] = {"retry", "fail", "abandon", NULL};
static const char *const duplicates_words[] = {"allow", "avoid", NULL};
static const char *const goal_words[] = {"minimize", "maximize", NULL};
static const char *const oracle_words[] = {"value", "steps", "gradient", "hessian_vector", "directional", "preference", "denoiser", "score", NULL};

zo_status zo_spec_check_name(const char *name, zo_error *err)
{
    const size_t n = strlen(name);

    if (n == 0 || n > 64)
        return zo_fail(err, ZO_EINVAL, "", "a name has 1 to 64 characters");
    for (size_t i = 0; i < n; i++) {
        const char c = name[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-'))
            return zo_fail(err, ZO_EINVAL, "", "a name has only letters, digits, _ and -");
    }
    if (strncmp(name, "st_", 3) == 0 || strncmp(name, "jb_", 3) == 0 || strncmp(name, "md_", 3) == 0)
        return zo_fail(err, ZO_EINVAL, "", "a name does not begin with st_, jb_ or md_: ids do");
    return ZO_OK;
}

zo_status zo_spec_decode_metadata(const json_t *v, zo_arena *arena, const char **out, zo_error *err)
{
    zo_json w;
    size_t bytes;
    char *text;

    if (!json_is_object(v))
        return zo_fail(err, ZO_EMALFORMED, "", "must be an object");
    zo_json_init(&w);
    zo_json_value_write(&w, v);
    if (!(text = zo_json_take(&w, &bytes)))
        return zo_fail_nomem(err);
    if (bytes > ZO_METADATA_MAX_BYTES) {
        zo_free(text);
        return zo_fail(err, ZO_EINVAL, "", "has %zu bytes as JSON, at most %d are kept", bytes, ZO_METADATA_MAX_BYTES);
    }
    *out = zo_arena_memdup(arena, text, bytes + 1);
    zo_free(text);
    return *out ? ZO_OK : zo_fail_nomem(err);
}

static zo_status read_labels(const struct spec_in *in, zo_arena *arena, zo_spec *out, zo_error *err)
{
    const char *text;
    zo_status rc;

    if (in->name && !json_is_null(in->name)) {
        if ((rc = zo_json_get_string(in->name, &text, err)) != ZO_OK || (rc = zo_spec_check_name(text, err)) != ZO_OK)
            return at(err, rc, "name");
        if (!(out->name = zo_arena_strdup(arena, text)))
            return zo_fail_nomem(err);
    }
    if (in->title && !json_is_null(in->title)) {
        if ((rc = zo_json_get_string(in->title, &text, err)) != ZO_OK)
            return at(err, rc, "title");
        if (json_string_length(in->title) > ZO_TITLE_MAX_BYTES)
            return zo_fail(err, ZO_EINVAL, "/title", "a title has at most %d bytes", ZO_TITLE_MAX_BYTES);
        if (!(out->title = zo_arena_strdup(arena, text)))
            return zo_fail_nomem(err);
    }
    if (in->metadata && !json_is_null(in->metadata) && (rc = zo_spec_decode_metadata(in->metadata, arena, &out->metadata, err)) != ZO_OK)
        return at(err, rc, "metadata");
    return ZO_OK;
}

static zo_status read_objectives(const json_t *list, zo_arena *arena, zo_study_spec *s, zo_error *err)
{
    struct {
        const char *name, *goal;
    } in;
    const zo_field fields[] = {{"name", ZO_F_STRING, 0, true, 1, VALUE_NAME_BYTES}, {"goal", ZO_F_STRING, sizeof in.name, false, 0, 0}};
    static const zo_objective_spec one = {.name = "value"};
    zo_objective_spec *o;
    unsigned word;
    zo_status rc;

    if (!list) {
        s->objectives = &one;
        s->n_objectives = 1;
        return ZO_OK;
    }
    s->n_objectives = json_array_size(list);
    if (!(s->objectives = o = zo_arena_array(arena, s->n_objectives, sizeof *o)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n_objectives; i++) {
        in.name = in.goal = NULL;
        if ((rc = zo_json_read(json_array_get(list, i), fields, ZO_LEN(fields), &in, NULL, err)) != ZO_OK)
            return at_index(err, rc, i);
        if (in.goal && (rc = spec_word(in.goal, goal_words, &word, err)) != ZO_OK) {
            at(err, rc, "goal");
            return at_index(err, rc, i);
        }
        o[i].maximize = in.goal && word == 1;
        if (!(o[i].name = zo_arena_strdup(arena, in.name)))
            return zo_fail_nomem(err);
    }
    return ZO_OK;
}

struct constraint_in {
    const char *name;
    double upper, lower;
};

static zo_status read_constraints(const json_t *list, zo_arena *arena, zo_study_spec *s, zo_error *err)
{
    static const zo_field fields[] = {{"name", ZO_F_STRING, offsetof(struct constraint_in, name), true, 1, VALUE_NAME_BYTES},
                                      {"upper", ZO_F_F64, offsetof(struct constraint_in, upper), false, 0, 0},
                                      {"lower", ZO_F_F64, offsetof(struct constraint_in, lower), false, 0, 0}};
    zo_constraint_spec *c;
    zo_status rc;

    if (!list || json_array_size(list) == 0)
        return ZO_OK;
    s->n_constraints = json_array_size(list);
    if (!(s->constraints = c = zo_arena_array(arena, s->n_constraints, sizeof *c)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n_constraints; i++) {
        struct constraint_in in = {0};
        uint64_t seen;

        if ((rc = zo_json_read(json_array_get(list, i), fields, ZO_LEN(fields), &in, &seen, err)) != ZO_OK)
            return at_index(err, rc, i);
        c[i] = (zo_constraint_spec){.has_upper = seen >> 1 & 1, .has_lower = seen >> 2 & 1, .upper = in.upper, .lower = in.lower};
        if (!c[i].has_upper && !c[i].has_lower)
            return at_index(err, zo_fail(err, ZO_EINVAL, "", "a constraint needs upper or lower"), i);
        if (!(c[i].name = zo_arena_strdup(arena, in.name)))
            return zo_fail_nomem(err);
    }
    return ZO_OK;
}

static zo_status read_metrics(const json_t *list, zo_arena *arena, zo_study_spec *s, zo_error *err)
{
    const char **names;
    zo_status rc;

    if (!list || json_array_size(list) == 0)
        return ZO_OK;
    s->n_metrics = json_array_size(list);
    if (!(names = zo_arena_array(arena, s->n_metrics, sizeof *names)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n_metrics; i++) {
        const json_t *v = json_array_get(list, i);
        const char *text;

        if ((rc = zo_json_get_string(v, &text, err)) != ZO_OK)
            return at_index(err, rc, i);
        if (json_string_length(v) == 0 || json_string_length(v) > VALUE_NAME_BYTES)
            return at_index(err, zo_fail(err, ZO_EINVAL, "", "a name has 1 to %d bytes", VALUE_NAME_BYTES), i);
        if (!(names[i] = zo_arena_strdup(arena, text)))
            return zo_fail_nomem(err);
    }
    s->metrics = names;
    return ZO_OK;
}

static zo_status read_oracle(const json_t *v, zo_arena *arena, zo_study_spec *s, zo_error *err)
{
    static const zo_field fields[] = {{"type", ZO_F_STRING, 0, true, 0, 0}};
    const bool is_object = json_is_object(v);
    const char *type;
    unsigned word;
    zo_status rc;

    if (is_object && !json_object_get(v, "type"))
        return zo_json_read(v, fields, 1, &type, NULL, err); /* says what is missing */
    if ((rc = zo_json_get_string(is_object ? json_object_get(v, "type") : v, &type, err)) != ZO_OK ||
        (rc = spec_word(type, oracle_words, &word, err)) != ZO_OK)
        return is_object ? at(err, rc, "type") : rc;
    s->oracle = 1u << word;
    switch (s->oracle) {
    case ZO_ORACLE_VALUE:
    case ZO_ORACLE_STEPS:
    case ZO_ORACLE_GRADIENT:
        return is_object ? zo_json_read(v, fields, 1, &type, NULL, err) : ZO_OK;
    case ZO_ORACLE_DIRECTIONAL:
        s->solver = "zo-sgd"; /* unless one is named */
        return spec_decode_directional(v, arena, &s->directional, err);
    default:
        return zo_fail(err, ZO_EUNSUPPORTED, "", "this daemon knows the oracles value, steps, gradient and directional, not yet %s", type);
    }
}

/* A directional study has no space, all others have one. */
static zo_status read_space(const struct spec_in *in, zo_arena *arena, zo_study_spec *s, zo_error *err)
{
    const bool directional = s->oracle == ZO_ORACLE_DIRECTIONAL;
    zo_status rc;

    if (directional && in->space)
        return zo_fail(err, ZO_EINVAL, "/space", "a directional study has no space: its vector is the client's");
    if (directional && in->linear)
        return zo_fail(err, ZO_EINVAL, "/linear_constraints", "a directional study has no parameters to constrain");
    if (directional)
        return ZO_OK;
    if (!in->space)
        return zo_fail(err, ZO_EMALFORMED, "/space", "this field is missing");
    if ((rc = spec_decode_params(in->space, arena, &s->space, err)) != ZO_OK)
        return at(err, rc, "space");
    if (in->linear && (rc = spec_decode_linear(in->linear, arena, &s->space, err)) != ZO_OK)
        return at(err, rc, "linear_constraints");
    return ZO_OK;
}

static zo_status read_lease(const json_t *v, uint64_t *ms_out, zo_error *err)
{
    int64_t ms;
    zo_status rc = zo_json_get_duration(v, &ms, err);

    if (rc == ZO_EMALFORMED && json_is_string(v)) /* the right JSON type */
        rc = zo_fail(err, ZO_EINVAL, "", "must be a duration such as \"90s\", \"10m\", \"2h\" or \"7d\"");
    if (rc != ZO_OK)
        return rc;
    if (ms < MIN_LEASE_MS || ms > MAX_LEASE_MS)
        return zo_fail(err, ZO_EINVAL, "", "a lease is between 1 second and 7 days");
    *ms_out = (uint64_t)ms;
    return ZO_OK;
}

zo_status zo_spec_decode_budget(const json_t *doc, bool may_remove, zo_budget *io, zo_error *err)
{
    zo_budget b = *io;
    const char *key;
    json_t *v;
    zo_status rc = ZO_OK;

    json_object_foreach ((json_t *)(uintptr_t)doc, key, v) {
        const bool remove = may_remove && json_is_null(v);

        if (strcmp(key, "trials") == 0) {
            b.trials = 0;
            if (!remove && (rc = zo_json_get_u64(v, &b.trials, err)) == ZO_OK && b.trials == 0)
                rc = zo_fail(err, ZO_EINVAL, "", "must be at least 1");
        } else if (strcmp(key, "seconds") == 0) {
            b.seconds = 0;
            if (!remove && (rc = zo_json_get_f64(v, &b.seconds, err)) == ZO_OK && !(b.seconds >= 1e-3 && b.seconds <= 1e10))
                rc = zo_fail(err, ZO_EINVAL, "", "must be between 0.001 and 1e10");
        } else if (strcmp(key, "target") == 0) {
            b.target = 0;
            b.has_target = !remove;
            if (!remove)
                rc = zo_json_get_f64(v, &b.target, err);
        } else {
            rc = zo_fail(err, ZO_EMALFORMED, "", "unknown field");
        }
        if (rc != ZO_OK)
            return at(err, rc, key);
    }
    *io = b;
    return ZO_OK;
}

/* {"name" or "rule": ..., "options": {...}} */
static zo_status read_choice(const json_t *doc, const char *key, zo_arena *arena, const char **name, const zo_named **options,
                             size_t *n_options, zo_error *err)
{
    struct {
        const char *name;
        const json_t *options;
    } in = {0};
    const zo_field fields[] = {{key, ZO_F_STRING, 0, true, 0, 0}, {"options", ZO_F_OBJECT, sizeof in.name, false, 0, 0}};
    zo_status rc;

    if ((rc = zo_json_read(doc, fields, ZO_LEN(fields), &in, NULL, err)) != ZO_OK)
        return rc;
    if (!(*name = zo_arena_strdup(arena, in.name)))
        return zo_fail_nomem(err);
    if (in.options && (rc = spec_named(in.options, arena, options, n_options, err)) != ZO_OK)
        return at(err, rc, "options");
    return ZO_OK;
}

static zo_status read_words(const struct spec_in *in, zo_study_spec *s, zo_error *err)
{
    unsigned word;
    zo_status rc;

    if (in->noise) {
        if ((rc = spec_word(in->noise, noise_words, &word, err)) != ZO_OK)
            return at(err, rc, "noise");
        s->noise = (zo_noise)word;
    }
    if (in->on_expiry) {
        if ((rc = spec_word(in->on_expiry, expiry_words, &word, err)) != ZO_OK)
            return at(err, rc, "on_expiry");
        s->on_expiry = (zo_on_expiry)word;
    }
    if (in->duplicates) {
        if ((rc = spec_word(in->duplicates, duplicates_words, &word, err)) != ZO_OK)
            return at(err, rc, "duplicates");
        s->duplicates = (zo_duplicates)word;
    }
    return ZO_OK;
}

zo_status zo_spec_decode(const json_t *doc, zo_arena *arena, zo_spec *out, zo_error *err)
{
    struct spec_in in = {.parallelism = 1, .retries = 3};
    zo_spec spec = {.study = {.oracle = ZO_ORACLE_VALUE, .lease_ms = 600000, .solver = "auto"}};
    zo_study_spec *s = &spec.study;
    uint64_t seen;
    zo_status rc;

    if ((rc = zo_json_read(doc, spec_fields, ZO_LEN(spec_fields), &in, &seen, err)) != ZO_OK)
        return rc;
    spec.has_seed = seen >> F_SEED & 1;
    s->seed = in.seed;
    s->parallelism = (unsigned)in.parallelism;
    s->retries = (unsigned)in.retries;
    if ((rc = read_labels(&in, arena, &spec, err)) != ZO_OK)
        return rc;
    if (in.oracle && (rc = read_oracle(in.oracle, arena, s, err)) != ZO_OK)
        return at(err, rc, "oracle");
    if ((rc = read_space(&in, arena, s, err)) != ZO_OK)
        return rc;
    if ((rc = read_objectives(in.objectives, arena, s, err)) != ZO_OK)
        return at(err, rc, "objectives");
    if ((rc = read_constraints(in.constraints, arena, s, err)) != ZO_OK)
        return at(err, rc, "constraints");
    if ((rc = read_metrics(in.metrics, arena, s, err)) != ZO_OK)
        return at(err, rc, "metrics");
    if ((rc = read_words(&in, s, err)) != ZO_OK)
        return rc;
    if (in.budget && (rc = zo_spec_decode_budget(in.budget, false, &s->budget, err)) != ZO_OK)
        return at(err, rc, "budget");
    if (in.lease && (rc = read_lease(in.lease, &s->lease_ms, err)) != ZO_OK)
        return at(err, rc, "lease");
    if (in.solver && (rc = read_choice(in.solver, "name", arena, &s->solver, &s->options, &s->n_options, err)) != ZO_OK)
        return at(err, rc, "solver");
    if (in.early_stopping && !json_is_null(in.early_stopping) &&
        (rc = read_choice(in.early_stopping, "rule", arena, &s->stop_rule, &s->stop_options, &s->n_stop_options, err)) != ZO_OK)
        return at(err, rc, "early_stopping");
    if (in.stop && !json_is_null(in.stop) && (rc = spec_decode_stopping(in.stop, &s->stopping, err)) != ZO_OK)
        return at(err, rc, "stop");
    *out = spec;
    return ZO_OK;
}

zo_status zo_spec_decode_text(const char *text, size_t bytes, zo_arena *arena, zo_spec *out, zo_error *err)
{
    const zo_json_limits limits = {.tokens = STORED_TOKENS}; /* it was within the limits of a request once; the canonical form has more */
    json_t *doc;
    zo_status rc;

    if ((rc = zo_json_parse(text, bytes, &limits, &doc, err)) != ZO_OK)
        return rc;
    rc = zo_spec_decode(doc, arena, out, err);
    json_decref(doc);
    return rc;
}
