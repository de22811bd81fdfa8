/* See the header. */
#include "models/audit.h"

#include <math.h>
#include <string.h>

#include "models/private.h"
#include "zeroth/rng.h"

enum { MOST_FLOPS_LOG2 = 42 }; /* about two minutes */

/* Rows of one class in a block. */
typedef struct block {
    int32_t *x;
    size_t n;
    const char *label;
} block;

typedef struct audit {
    zo_live *l;
    zo_act *a;
    const zo_learn *probes;
    size_t n_forgotten;
    block *blocks; /* live rows, part by part */
    size_t n_blocks;
    int32_t *half;   /* of the largest block */
    double *margins; /* [2][models][probes] */
} audit;

static size_t inputs(const audit *t)
{
    return t->l->spec.model.inputs;
}

static void audit_fini(audit *t)
{
    for (size_t i = 0; i < t->n_blocks; i++) {
        explicit_bzero(t->blocks[i].x, t->blocks[i].n * inputs(t) * sizeof(int32_t));
        zo_free(t->blocks[i].x);
    }
    zo_free(t->blocks);
    zo_free(t->half);
    zo_free(t->margins);
}

/* ---- the live rows ---- */

static zo_status read_rows(audit *t, zo_error *err)
{
    zo_live *l = t->l;
    size_t most = 1;
    zo_status rc = ZO_OK;

    if (!(t->blocks = zo_calloc(l->n_parts + 1, sizeof *t->blocks)))
        return zo_fail_nomem(err);
    for (uint32_t i = 0; i < l->n_parts && rc == ZO_OK; i++) {
        part_text text;
        zo_rows rows;

        if (!l->parts[i].used || l->parts[i].kind != PART_ROWS || (rc = parts_open(l, t->a, i, &text, err)) != ZO_OK)
            continue;
        int32_t *x = rows_unpack(l, &text, &rows);
        if (x)
            t->blocks[t->n_blocks++] =
                (block){.x = x, .n = text.n, .label = zo_model_class_label(l->model, l->cells[l->parts[i].cell].cls)};
        else
            rc = zo_fail_nomem(err);
        most = text.n > most ? text.n : most;
        part_text_fini(&text);
    }
    if (rc == ZO_OK && !(t->half = zo_malloc(most * inputs(t) * sizeof *t->half)))
        rc = zo_fail_nomem(err);
    return rc;
}

/* ---- models ---- */

static zo_status add(zo_model *m, const int32_t *x, size_t n, const char *label, int sign, zo_error *err)
{
    zo_rows rows = {.x = x, .n = n};
    const zo_status rc = zo_model_class(m, label, &rows.cls, err);

    return rc == ZO_OK && n ? zo_model_accumulate(m, &rows, sign, NULL, err) : rc;
}

static zo_status add_forgotten(const audit *t, zo_model *m, int sign, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < t->n_forgotten && rc == ZO_OK; i++)
        rc = add(m, t->probes->x + i * inputs(t), 1, t->probes->labels[i], sign, err);
    return rc;
}

/* A half of the live rows, the same for the same number. */
static zo_status add_half(const audit *t, zo_model *m, uint64_t number, zo_error *err)
{
    zo_rng rng = zo_rng_make(t->l->spec.model.seed, ZO_PURPOSE_AUDIT, number);
    zo_status rc = ZO_OK;

    for (size_t i = 0; i < t->n_blocks && rc == ZO_OK; i++) {
        const block *b = &t->blocks[i];
        size_t n = 0;

        for (size_t k = 0; k < b->n; k++)
            if (zo_rng_u32(&rng) >> 31)
                memcpy(t->half + n++ * inputs(t), b->x + k * inputs(t), inputs(t) * sizeof *b->x);
        rc = add(m, t->half, n, b->label, 1, err);
    }
    return rc;
}

static zo_status put_margins(const audit *t, zo_model *m, double *out, zo_error *err)
{
    const size_t n = t->probes->n;
    zo_scores s = {0};
    const size_t k = zo_model_score_columns(m, &s);
    uint32_t *order = zo_malloc((zo_model_class_count(m) + 1) * sizeof *order);
    zo_status rc = order && (s.scores = zo_malloc((n * k + 1) * sizeof *s.scores))
                       ? zo_model_predict(m, t->probes->x, n, &s, err)
                       : zo_fail_nomem(err);

    if (rc == ZO_OK)
        zo_model_live_classes(m, order);
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        double own = 0, other = 0;
        bool any = false;

        for (size_t c = 0; c < k; c++) {
            const double v = s.scores[i * k + c];

            if (strcmp(zo_model_class_label(m, order[c]), t->probes->labels[i]) == 0)
                own = v;
            else if (!any || v > other)
                other = v;
            any = any || strcmp(zo_model_class_label(m, order[c]), t->probes->labels[i]) != 0;
        }
        out[i] = own - other;
    }
    zo_free(s.scores);
    zo_free(order);
    return rc;
}

static zo_status compare_retrained(const audit *t, zo_audit *out, zo_error *err)
{
    uint8_t ours[CRYPT_HASH_BYTES], theirs[CRYPT_HASH_BYTES];
    zo_model *m;
    zo_status rc = zo_model_new(&t->l->spec.model, &m, err);

    if (rc != ZO_OK)
        return rc;
    for (size_t i = 0; i < t->n_blocks && rc == ZO_OK; i++)
        rc = add(m, t->blocks[i].x, t->blocks[i].n, t->blocks[i].label, 1, err);
    if (rc == ZO_OK && (rc = crypt_state_digest(m, theirs, err)) == ZO_OK &&
        (rc = zo_live_digest(t->l, ours, err)) == ZO_OK)
        out->equal = crypt_equal(ours, theirs);
    out->rows = zo_model_rows(m);
    zo_model_free(m);
    return rc;
}

static zo_status make_pair(const audit *t, size_t number, size_t n_models, zo_error *err)
{
    double *forgot = t->margins + number * t->probes->n, *never = forgot + n_models * t->probes->n;
    zo_model *m;
    zo_status rc;

    if ((rc = zo_model_new(&t->l->spec.model, &m, err)) != ZO_OK)
        return rc;
    if ((rc = add_forgotten(t, m, 1, err)) == ZO_OK && (rc = add_half(t, m, number, err)) == ZO_OK &&
        (rc = add_forgotten(t, m, -1, err)) == ZO_OK)
        rc = put_margins(t, m, forgot, err);
    zo_model_free(m);
    if (rc != ZO_OK || (rc = zo_model_new(&t->l->spec.model, &m, err)) != ZO_OK)
        return rc;
    if ((rc = add_half(t, m, number, err)) == ZO_OK)
        rc = put_margins(t, m, never, err);
    zo_model_free(m);
    return rc;
}

/* ---- figures ---- */

static void spread(const audit *t, size_t from, size_t to, size_t n_models, double *work, zo_audit_spread *out)
{
    const size_t n = t->probes->n;
    double *a = work, *b = a + n_models, *both = b + n_models, *kl = both + 2 * n_models;

    for (size_t i = from; i < to; i++) {
        for (size_t k = 0; k < n_models; k++) {
            a[k] = t->margins[k * n + i];
            b[k] = t->margins[(n_models + k) * n + i];
        }
        kl[i - from] = zo_klom(a, n_models, b, n_models, both);
    }
    zo_sort(kl, to - from);
    *out = (zo_audit_spread){zo_quantile(kl, to - from, 0.5), zo_quantile(kl, to - from, 0.95),
                             zo_quantile(kl, to - from, 0.99), kl[to - from - 1]};
}

static zo_status figures(const audit *t, size_t n_models, zo_audit *out, zo_error *err)
{
    const size_t n = t->probes->n, f = t->n_forgotten;
    double *work = zo_malloc((4 * n_models + 2 * n) * sizeof *work);
    zo_status rc;

    if (!work)
        return zo_fail_nomem(err);
    spread(t, 0, f, n_models, work, &out->forgotten);
    spread(t, f, n, n_models, work, &out->held_out);
    if ((rc = put_margins(t, t->l->model, work, err)) == ZO_OK)
        out->membership = zo_membership_auc(work, f, work + f, n - f, work + n);
    zo_free(work);
    return rc;
}

static zo_status check(const zo_live *l, const zo_learn *probes, size_t n_held_out, size_t n_models, zo_error *err)
{
    const double d = (double)zo_model_features(l->model), rows = (double)zo_model_rows(l->model),
                 flops = ((double)n_models + 1) * (rows + 2 * (double)probes->n + d) * d * d;

    if (l->spec.retention != ZO_RETAIN_ROWS)
        return zo_fail(err, ZO_EUNSUPPORTED, "",
                       "only a model that keeps its rows (retention rows) can be trained again");
    if (l->spec.model.target != ZO_TARGET_CLASSES)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "real targets have no margins");
    if (n_held_out < 2 || n_held_out > probes->n - 2 || probes->n < 4)
        return zo_fail(err, ZO_EINVAL, "/held_out",
                       "of the rows in x, the last held_out were never learned and those before were forgotten: at "
                       "least 2 of each");
    if (flops > ldexp(1, MOST_FLOPS_LOG2))
        return zo_fail(err, ZO_ETOOLARGE, "/models", "%zu pairs of models from these rows take minutes: ask for fewer",
                       n_models);
    return ZO_OK;
}

zo_status zo_live_audit(zo_live *l, zo_act *a, const zo_learn *probes, size_t n_held_out, size_t n_models,
                        zo_audit *out, zo_error *err)
{
    audit t = {.l = l, .a = a, .probes = probes};
    zo_status rc = check(l, probes, n_held_out, n_models, err);

    *out = (zo_audit){0};
    if (rc != ZO_OK)
        return rc;
    t.n_forgotten = probes->n - n_held_out;
    if (!(t.margins = zo_malloc(2 * n_models * probes->n * sizeof *t.margins)))
        rc = zo_fail_nomem(err);
    else if ((rc = read_rows(&t, err)) == ZO_OK)
        rc = compare_retrained(&t, out, err);
    for (size_t i = 0; i < n_models && rc == ZO_OK; i++)
        rc = make_pair(&t, i, n_models, err);
    if (rc == ZO_OK)
        rc = figures(&t, n_models, out, err);
    audit_fini(&t);
    return rc;
}
