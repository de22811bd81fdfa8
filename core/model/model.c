/* A model's life: its configuration checked and copied, its classes. */
#include "model/kind.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { SOLVES_AHEAD = 2, AHEAD_FEATURES = 2048 };

/* ---- the configuration ---- */

static bool is_power_of_two(double x)
{
    int e;

    return x > 0 && isfinite(x) && frexp(x, &e) == 0.5 && e > -200 && e < 200;
}

static zo_status check_sizes(const zo_model_config *c, zo_error *err)
{
    if (c->inputs < 1 || c->inputs > ZO_MODEL_MAX_INPUTS)
        return zo_fail(err, ZO_EINVAL, "/inputs", "inputs must be 1 to %d", ZO_MODEL_MAX_INPUTS);
    if (!(c->kind->targets & 1u << c->target))
        return zo_fail(err, ZO_EUNSUPPORTED, "/target", "%s takes no %s targets", c->kind->name,
                       c->target == ZO_TARGET_REAL ? "real" : "class");
    if (c->target == ZO_TARGET_REAL && (c->outputs < 1 || c->outputs > ZO_MODEL_MAX_OUTPUTS))
        return zo_fail(err, ZO_EINVAL, "/outputs", "outputs must be 1 to %d", ZO_MODEL_MAX_OUTPUTS);
    if (c->quant < 8 || c->quant > 24)
        return zo_fail(err, ZO_EINVAL, "/quant", "quant must be 8 to 24 bits");
    if (c->capacity < 1 || c->capacity > UINT64_C(1) << 40)
        return zo_fail(err, ZO_EINVAL, "/capacity", "capacity must be 1 to 2^40 rows");
    if (!(c->gamma > 0 && c->gamma >= 1e-12 && c->gamma <= 1e12))
        return zo_fail(err, ZO_EINVAL, "/gamma", "gamma must be 1e-12 to 1e12");
    if (c->expansion == ZO_EXPAND_NONE && c->inputs + c->bias > ZO_MODEL_MAX_FEATURES)
        return zo_fail(err, ZO_ETOOLARGE, "/inputs",
                       "without an expansion at most %d inputs, bias included: sums hold a square of them",
                       ZO_MODEL_MAX_FEATURES);
    if (c->expansion != ZO_EXPAND_NONE && (c->features < 1 || c->features + c->bias > ZO_MODEL_MAX_FEATURES))
        return zo_fail(err, ZO_EINVAL, "/expansion/size", "size must be 1 to %d, bias included", ZO_MODEL_MAX_FEATURES);
    if ((c->expansion == ZO_EXPAND_RFF || c->expansion == ZO_EXPAND_RBF) && !(c->scale >= 1e-6 && c->scale <= 1e6))
        return zo_fail(err, ZO_EINVAL, "/expansion/scale", "scale must be 1e-6 to 1e6");
    return ZO_OK;
}

static zo_status check_ranges(const zo_model_config *c, zo_error *err)
{
    if (c->n_range != 1 && c->n_range != c->inputs)
        return zo_fail(err, ZO_EINVAL, "/range", "range is one number or one for each of the %zu inputs", c->inputs);
    for (size_t i = 0; i < c->n_range; i++)
        if (!is_power_of_two(c->range[i])) {
            zo_fail(err, ZO_EINVAL, "", "a range must be a power of two, such as 0.5, 1 or 16");
            return c->n_range == 1 ? zo_fail_at(err, "/range") : zo_fail_at(err, "/range/%zu", i);
        }
    if (c->target == ZO_TARGET_REAL && !is_power_of_two(c->target_range))
        return zo_fail(err, ZO_EINVAL, "/target_range", "target_range must be a power of two");
    return ZO_OK;
}

static zo_status check_classes(const zo_model_config *c, zo_error *err)
{
    if (c->n_classes > ZO_MODEL_MAX_CLASSES)
        return zo_fail(err, ZO_ETOOLARGE, "/classes", "at most %d classes", ZO_MODEL_MAX_CLASSES);
    if (c->n_classes && c->target == ZO_TARGET_REAL)
        return zo_fail(err, ZO_EINVAL, "/classes", "real targets have no classes");
    if (c->reweight && c->target == ZO_TARGET_REAL)
        return zo_fail(err, ZO_EINVAL, "/reweight", "real targets have no classes to weigh");
    for (size_t i = 0; i < c->n_classes; i++) {
        const size_t n = strlen(c->classes[i]);

        if (n == 0 || n > ZO_MODEL_MAX_LABEL) {
            zo_fail(err, ZO_EINVAL, "", "a label has 1 to %d bytes", ZO_MODEL_MAX_LABEL);
            return zo_fail_at(err, "/classes/%zu", i);
        }
        for (size_t k = 0; k < i; k++)
            if (strcmp(c->classes[i], c->classes[k]) == 0) {
                zo_fail(err, ZO_EINVAL, "", "the same label twice");
                return zo_fail_at(err, "/classes/%zu", i);
            }
    }
    return ZO_OK;
}

static zo_status check_traits(const zo_model_config *c, zo_error *err)
{
    const zo_model_kind *k = c->kind;

    if (c->reweight && !(k->traits & ZO_MODEL_REWEIGHT))
        return zo_fail(err, ZO_EUNSUPPORTED, "/reweight", "%s weighs its classes in no way", k->name);
    if (c->gamma_rule != ZO_GAMMA_FIXED && !(k->traits & ZO_MODEL_GAMMA_RULE))
        return zo_fail(err, ZO_EUNSUPPORTED, "/gamma", "%s can't choose gamma: give a number", k->name);
    if (c->fast && !(k->traits & ZO_MODEL_FAST))
        return zo_fail(err, ZO_EUNSUPPORTED, "/fast", "%s solves no system that could be faster", k->name);
    if (c->n_described > 0 && !(k->traits & ZO_MODEL_DESCRIPTIONS))
        return zo_fail(err, ZO_EUNSUPPORTED, "/descriptions", "%s knows classes by no description", k->name);
    return ZO_OK;
}

static void *copy(const void *p, size_t bytes)
{
    void *q = zo_malloc(bytes);

    return q && bytes ? memcpy(q, p, bytes) : q;
}

static char **copy_texts(const char *const *texts, size_t n)
{
    char **list = zo_calloc(n + 1, sizeof *list);

    for (size_t i = 0; list && i < n; i++)
        if (!(list[i] = zo_strdup(texts[i]))) {
            while (i-- > 0)
                zo_free(list[i]);
            zo_free(list);
            return NULL;
        }
    return list;
}

static void free_texts(const char *const *list, size_t n)
{
    for (size_t i = 0; list && i < n; i++)
        zo_free((void *)(uintptr_t)list[i]);
    zo_free((void *)(uintptr_t)list);
}

static zo_status copy_config(zo_model *m, const zo_model_config *c, zo_error *err)
{
    m->c = *c;
    m->c.range = copy(c->range, c->n_range * sizeof *c->range);
    m->c.classes = (const char *const *)copy_texts(c->classes, c->n_classes);
    m->c.options = copy(c->options, c->kind->opts_bytes);
    m->c.described = (const char *const *)copy_texts(c->described, c->n_described);
    m->c.descriptions = copy(c->descriptions, c->n_described * c->description_size * sizeof *c->descriptions);
    return m->c.range && m->c.classes && m->c.options && m->c.described && m->c.descriptions ? ZO_OK
                                                                                             : zo_fail_nomem(err);
}

/* ---- life ---- */

static zo_status choose_width(zo_model *m, zo_error *err)
{
    const unsigned bits = 2 * m->c.quant;
    uint64_t samples;

    if (__builtin_mul_overflow(m->c.capacity, (uint64_t)m->draws, &samples) || samples >= UINT64_C(1) << 50)
        return zo_fail(err, ZO_EINVAL, "/capacity", "capacity is too large");
    m->wide = samples >= UINT64_C(1) << (63 - bits);
    m->block_rows = UINT64_C(1) << (53 - bits);
    return ZO_OK;
}

zo_status zo_model_new(const zo_model_config *c, zo_model **out, zo_error *err)
{
    zo_model *m;
    uint32_t unused;
    zo_status rc;

    if ((rc = check_sizes(c, err)) != ZO_OK || (rc = check_ranges(c, err)) != ZO_OK ||
        (rc = check_classes(c, err)) != ZO_OK || (rc = check_traits(c, err)) != ZO_OK)
        return rc;
    if (!(m = zo_calloc(1, sizeof *m)))
        return zo_fail_nomem(err);
    m->draws = m->n_layers = 1;
    m->work = c->inputs;
    if ((rc = copy_config(m, c, err)) != ZO_OK || (rc = features_init(&m->features, &m->c, err)) != ZO_OK)
        goto fail;
    if (c->kind->ops->init && (rc = c->kind->ops->init(m, err)) != ZO_OK)
        goto fail;
    if (!m->layers) {
        if (!(m->layers = zo_calloc(1, sizeof *m->layers))) {
            rc = zo_fail_nomem(err);
            goto fail;
        }
        m->layers[0].d = m->features.n;
    }
    if ((rc = choose_width(m, err)) != ZO_OK ||
        (rc = sums_alloc(m, true, c->target == ZO_TARGET_REAL, &m->total, err)) != ZO_OK)
        goto fail;
    for (size_t i = 0; i < c->n_classes && rc == ZO_OK; i++)
        rc = zo_model_class(m, c->classes[i], &unused, err);
    if (rc != ZO_OK)
        goto fail;
    *out = m;
    return ZO_OK;
fail:
    zo_model_free(m);
    return rc;
}

void zo_model_free(zo_model *m)
{
    if (!m)
        return;
    for (size_t i = 0; i < m->n_classes; i++) {
        zo_free(m->classes[i].label);
        zo_sums_free(m->classes[i].sums);
    }
    zo_sums_free(m->total);
    if (m->c.kind && m->c.kind->ops->fini)
        m->c.kind->ops->fini(m);
    features_fini(&m->features);
    zo_free(m->classes);
    zo_free(m->order);
    zo_free(m->layers);
    zo_free(m->V);
    zo_free(m->offset);
    zo_free(m->noise);
    zo_fixed_factor_fini(&m->factor);
    zo_free((void *)(uintptr_t)m->c.range);
    free_texts(m->c.classes, m->c.n_classes);
    free_texts(m->c.described, m->c.n_described);
    zo_free((void *)(uintptr_t)m->c.descriptions);
    zo_free((void *)(uintptr_t)m->c.options);
    zo_free(m);
}

const zo_model_config *zo_model_configuration(const zo_model *m)
{
    return &m->c;
}

size_t zo_model_memory_bytes(const zo_model *m)
{
    const size_t entry = sums_entry_bytes(m);
    size_t n = sizeof *m + m->self_bytes + features_bytes(&m->features) +
               (m->factor.tiles ? zo_fixed_factor_bytes(m->factor.n) : 0);

    for (size_t l = 0; l < m->n_layers; l++) {
        const size_t d = m->layers[l].d;

        n += entry * sums_triangle(d) * (m->c.reweight ? 1 + m->n_classes : 1);
        n += entry * d * (m->c.target == ZO_TARGET_REAL ? m->c.outputs : m->n_classes);
        n += d * m->n_columns * sizeof(double);
    }
    return n + m->n_classes * (sizeof(model_class) + 64);
}

uint64_t zo_model_rows(const zo_model *m)
{
    return m->total->n;
}

size_t zo_model_features(const zo_model *m)
{
    return m->layers[0].d;
}

size_t zo_model_outputs(const zo_model *m)
{
    return columns_count(m);
}

/* ---- classes ---- */

static size_t place_of(const zo_model *m, const char *label, bool *found)
{
    size_t low = 0, high = m->n_classes;

    *found = false;
    while (low < high) {
        const size_t mid = (low + high) / 2;
        const int order = strcmp(m->classes[m->order[mid]].label, label);

        if (order == 0) {
            *found = true;
            return mid;
        }
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static zo_status reserve_class(zo_model *m, zo_error *err)
{
    const size_t cap = m->cap_classes ? 2 * m->cap_classes : 16;
    model_class *classes;
    uint32_t *order;

    if (m->n_classes < m->cap_classes)
        return ZO_OK;
    if (!(classes = zo_realloc(m->classes, cap * sizeof *classes)))
        return zo_fail_nomem(err);
    m->classes = classes;
    if (!(order = zo_realloc(m->order, cap * sizeof *order)))
        return zo_fail_nomem(err);
    m->order = order;
    m->cap_classes = cap;
    return ZO_OK;
}

zo_status zo_model_class(zo_model *m, const char *label, uint32_t *out, zo_error *err)
{
    const size_t n = strlen(label);
    model_class fresh = {0};
    bool found;
    size_t at = place_of(m, label, &found);
    zo_status rc;

    if (found) {
        *out = m->order[at];
        return ZO_OK;
    }
    if (m->c.target == ZO_TARGET_REAL)
        return zo_fail(err, ZO_EINVAL, "", "the model has real targets, no classes");
    if (m->c.n_classes && m->n_classes >= m->c.n_classes) /* the declared ones are in */
        return zo_fail(err, ZO_EINVAL, "", "the label is not among the declared classes");
    if (n == 0 || n > ZO_MODEL_MAX_LABEL)
        return zo_fail(err, ZO_EINVAL, "", "a label has 1 to %d bytes", ZO_MODEL_MAX_LABEL);
    if (m->n_classes >= ZO_MODEL_MAX_CLASSES)
        return zo_fail(err, ZO_ETOOLARGE, "", "at most %d classes", ZO_MODEL_MAX_CLASSES);
    if ((rc = reserve_class(m, err)) != ZO_OK || (rc = sums_alloc(m, m->c.reweight, true, &fresh.sums, err)) != ZO_OK)
        return rc;
    if (!(fresh.label = zo_strdup(label))) {
        zo_sums_free(fresh.sums);
        return zo_fail_nomem(err);
    }
    memmove(m->order + at + 1, m->order + at, (m->n_classes - at) * sizeof *m->order);
    m->order[at] = (uint32_t)m->n_classes;
    *out = m->order[at];
    m->classes[m->n_classes++] = fresh;
    return ZO_OK;
}

size_t zo_model_class_count(const zo_model *m)
{
    return m->n_classes;
}

const char *zo_model_class_label(const zo_model *m, uint32_t i)
{
    return m->classes[i].label;
}

uint64_t zo_model_class_rows(const zo_model *m, uint32_t i)
{
    return m->classes[i].n;
}

/* ---- solved or not ---- */

bool zo_model_is_solved(const zo_model *m)
{
    return m->solved;
}

void model_unsolve(zo_model *m)
{
    m->solved = false;
    m->n_figures = 0;
    /* old weights would tell what was forgotten */
    if (m->c.kind->ops->unsolve)
        m->c.kind->ops->unsolve(m);
    if (m->V)
        explicit_bzero(m->V, m->layers[0].d * m->n_columns * sizeof *m->V);
    zo_fixed_factor_fini(&m->factor);
}

void model_figure(zo_model *m, const char *name, double value)
{
    if (m->n_figures == ZO_LEN(m->figures))
        return;
    snprintf(m->figures[m->n_figures].name, sizeof m->figures[0].name, "%s", name);
    m->figures[m->n_figures++].value = value;
}

static zo_status solve(zo_model *m, zo_error *err)
{
    zo_status rc;

    if (m->solved)
        return ZO_OK;
    model_unsolve(m);
    if ((rc = m->c.kind->ops->solve(m, err)) == ZO_OK)
        m->solved = true;
    return rc;
}

zo_status zo_model_solve(zo_model *m, zo_error *err)
{
    m->ahead = SOLVES_AHEAD;
    return solve(m, err);
}

bool zo_model_wants_solve(const zo_model *m)
{
    for (size_t l = 0; l < m->n_layers; l++)
        if (m->layers[l].d > AHEAD_FEATURES)
            return false;
    return m->ahead > 0 && !m->solved;
}

zo_status zo_model_solve_ahead(zo_model *m, zo_error *err)
{
    m->ahead -= m->ahead > 0 && !m->solved;
    return solve(m, err);
}

void zo_model_set_team(zo_model *m, const zo_team *t)
{
    m->team = t;
}

const zo_team *zo_model_team(const zo_model *m)
{
    return m->team;
}

zo_status zo_model_weights(zo_model *m, zo_bundle *b, zo_error *err)
{
    zo_status rc = zo_model_solve(m, err);

    if (rc != ZO_OK)
        return rc;
    return m->c.kind->ops->weights ? m->c.kind->ops->weights(m, b, err) : linear_weights(m, b, err);
}

size_t zo_model_score_columns(const zo_model *m, const zo_scores *s)
{
    return s->descriptions ? s->n_described : columns_count(m);
}

zo_status zo_model_predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    zo_status rc;

    if (io->variance && !m->c.kind->ops->has_variance)
        return zo_fail(err, ZO_EUNSUPPORTED, "/variance", "%s has no predictive variance", m->c.kind->name);
    if (io->descriptions && !(m->c.kind->traits & ZO_MODEL_DESCRIPTIONS))
        return zo_fail(err, ZO_EUNSUPPORTED, "/descriptions", "%s scores no descriptions", m->c.kind->name);
    if (io->variance && !m->want_factor) {
        m->want_factor = true;
        m->solved = false;
    }
    if ((rc = zo_model_solve(m, err)) != ZO_OK)
        return rc;
    io->outputs = zo_model_score_columns(m, io);
    return m->c.kind->ops->predict ? m->c.kind->ops->predict(m, x, n, io, err) : linear_predict(m, x, n, io, err);
}

size_t zo_model_figures(zo_model *m, zo_model_figure *out, size_t max)
{
    const size_t n = m->n_figures < max ? m->n_figures : max;

    if (n)
        memcpy(out, m->figures, n * sizeof *out);
    return n;
}
