/* prototype-bank: one direction for each class, scored by cosine. A row's features are scaled to unit length; a class's
 * prototype is the mean of its rows, scaled to unit length; a row's score for a class is the cosine between the two.
 * Nothing is trained, so classes and rows come and go exactly.
 *
 * Unit length is a part of the features, not of the sums: each feature is divided by the row's norm and rounded to q
 * bits. Division and square root are rounded correctly by IEEE 754 and the order is fixed, so the integers are the same
 * on every processor, and what is subtracted is what was added. The constant feature (bias) takes no part, for it would
 * turn every direction towards one axis. A row of zeros has no direction: it adds nothing to the sums and scores 0
 * everywhere.
 *
 * Background (option): the class labelled "background" is negative, its rows being what surrounds the others. Its score
 * is its cosine, but at least bg_bias, so a row that is like no class falls to it. A label map is the argmax over the
 * score columns of the rows of a feature map, one a place; where column "background" wins, no class is there.
 *
 * Source: L. Karazija, I. Laina, A. Vedaldi & C. Rupprecht, "Diffusion Models for Zero-Shot Open-Vocabulary
 * Segmentation", arXiv:2306.09316. Departure: of its prototypes only those of class level are kept. Those of instances
 * and parts (means of single images, centres of k-means) are no sums over rows but need the rows themselves, which a
 * model may never store; an image can be a class of its own where its prototype is wanted. */
#include "model/kind.h"

#include <math.h>
#include <string.h>

struct bank_opts {
    bool background;
    double bg_bias;
};
static const zo_opt opts[] = {
    ZO_OPT_BOOL(struct bank_opts, background, false, "the class labelled \"background\" is negative"),
    ZO_OPT_F64(struct bank_opts, bg_bias, 0, -1, 1, "least score of the negative class, a cosine"),
};

static const char BACKGROUND[] = "background";
static const double NO_DIRECTION = -1; /* score of a class without rows: the least a cosine can be */

static zo_status init(zo_model *m, zo_error *err)
{
    if (!(m->layers = zo_calloc(1, sizeof *m->layers)))
        return zo_fail_nomem(err);
    m->layers[0].d = m->features.n - m->c.bias;
    m->work = m->c.inputs + m->features.n;
    return ZO_OK;
}

/* Features in natural units to integers of a unit vector. */
static void to_unit(const features *f, size_t d, const double *from, double one, double *to)
{
    double square = 0;

    for (size_t i = 0; i < d; i++) {
        to[i] = from[i] * f->scale[i];
        square += to[i] * to[i];
    }
    const double norm = sqrt(square);
    for (size_t i = 0; i < d; i++)
        to[i] = norm > 0 ? rint(to[i] / norm * one) : 0;
}

static void make_features(const zo_model *m, size_t layer, size_t draw, const zo_rows *r, double *work, double *out)
{
    const size_t d = m->layers[layer].d, n = m->features.n;
    const double one = ldexp(1, (int)m->c.quant);
    double *raw = work + r->n * m->c.inputs;

    (void)draw;
    features_make(&m->features, r->x, r->n, work, raw);
    for (size_t i = 0; i < r->n; i++)
        to_unit(&m->features, d, raw + i * n, one, out + i * d);
}

/* The sum of a class's rows, scaled to unit length, as a column of V: scores are cosines. */
static void set_prototype(zo_model *m, size_t column, const double *b)
{
    const size_t d = m->layers[0].d, k = m->n_columns;
    const double quantum = ldexp(1, -(int)m->c.quant);
    double square = 0;

    for (size_t i = 0; i < d; i++)
        square += b[i * k + column] * b[i * k + column];
    const double norm = sqrt(square);
    for (size_t i = 0; i < d; i++)
        m->V[i * k + column] = norm > 0 ? b[i * k + column] / norm * quantum : 0;
    m->offset[column] = norm > 0 ? 0 : NO_DIRECTION;
}

static zo_status solve(zo_model *m, zo_error *err)
{
    const size_t d = m->layers[0].d, k = columns_count(m);
    double *b, *quanta, n;
    zo_status rc = linear_reserve(m, err);

    if (rc != ZO_OK)
        return rc;
    if (!(b = zo_calloc(d * k + k + d, sizeof *b)))
        return zo_fail_nomem(err);
    quanta = b + d * k + k;
    for (size_t i = 0; i < d; i++)
        quanta[i] = ldexp(1, -(int)m->c.quant);
    columns_moments(m, 0, quanta, b, b + d * k, &n);
    for (size_t c = 0; c < k; c++)
        set_prototype(m, c, b);
    explicit_bzero(b, d * k * sizeof *b);
    zo_free(b);
    return ZO_OK;
}

/* The negative class's column, or k. */
static size_t background_column(const zo_model *m, size_t k)
{
    const struct bank_opts *o = m->c.options;
    size_t at = 0;

    for (size_t i = 0; o->background && i < m->n_classes; i++) {
        const model_class *c = &m->classes[m->order[i]];

        if (c->n == 0 && m->c.n_classes == 0) /* not live: it has no column */
            continue;
        if (strcmp(c->label, BACKGROUND) == 0)
            return at;
        at++;
    }
    return k;
}

static zo_status predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    const struct bank_opts *o = m->c.options;
    const size_t k = m->n_columns, background = background_column(m, k);
    const zo_status rc = linear_score(m, m->V, m->offset, k, x, n, io->scores, err);

    for (size_t r = 0; rc == ZO_OK && background < k && r < n; r++) {
        double *score = &io->scores[r * k + background];

        *score = *score > o->bg_bias ? *score : o->bg_bias;
    }
    return rc;
}

static zo_status weights(zo_model *m, zo_bundle *b, zo_error *err)
{
    const size_t d = m->layers[0].d, k = m->n_columns, dims[2] = {k, d};
    const double one = ldexp(1, (int)m->c.quant);
    double *p = NULL;
    const zo_status rc = zo_bundle_add(b, "prototypes", ZO_F64, 2, dims, (void **)&p, err);

    for (size_t c = 0; rc == ZO_OK && c < k; c++)
        for (size_t i = 0; i < d; i++)
            p[c * d + i] = m->V[i * k + c] * one;
    return rc;
}

static const zo_model_ops ops = {
    .init = init, .features = make_features, .solve = solve, .predict = predict, .weights = weights};

const zo_model_kind zo_model_kind_prototype_bank = {
    .name = "prototype-bank",
    .summary = "the class whose prototype has the largest cosine, with a class for what is none",
    .reference = "Karazija et al., arXiv:2306.09316",
    .targets = 1u << ZO_TARGET_CLASSES,
    .opts = opts,
    .n_opts = ZO_LEN(opts),
    .opts_bytes = sizeof(struct bank_opts),
    .ops = &ops,
};
