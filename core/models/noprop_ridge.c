/* noprop-ridge: a classifier in layers that are trained apart, without back-propagation. Layer t is asked for the label
 * u (one-hot) of a row x, given the row and the label under noise, z_{t-1} = sqrt(signal) u + sqrt(1 - signal) noise;
 * each layer is a ridge regression in closed form, so its state is sums and rows can be forgotten exactly:
 *
 *   h_t(x, z) = [features of x, z, max(0, x P1_t + z P2_t)],   W_t = (sum h h' + gamma I)^-1 sum h u'   over rows and
 * draws of noise
 *
 * To predict, z_0 is noise; z_t = a_t W_t' h_t(x, z_{t-1}) + b_t z_{t-1} + spread_t noise; the last layer's W_T' h_T is
 * the score, averaged over some chains. Its variance over the chains is what the model is unsure of.
 *
 * Exactness: noise is keyed by the row's quantised inputs, layer and draw, so forgetting draws what learning drew. z is
 * kept in quanta of 8/2^q, which bounds it: |z| <= sqrt(signal) + 6 sqrt(1 - signal) < 8; when predicting it is cut
 * there. P1, P2 are small integers from the seed in one unit, so their products are exact; the result is rounded once.
 * Chains of prediction are keyed by the row as well: equal rows and states give equal bits.
 *
 * Source: Q. Li, Y. W. Teh & R. Pascanu, "NoProp: Training Neural Networks without Back-propagation or
 * Forward-propagation", arXiv:2503.24322 (discrete time). Departures: ridge layers in place of networks, whose weight
 * (the difference of signal-to-noise ratios) then drops out; label embeddings are one-hot; the last layer's estimate is
 * the readout. */
#include "model/kind.h"

#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include "model/noise.h"
#include "model/schedule.h"
#include "zeroth/rng.h"

enum { ENTRY_BITS = 10, Z_BITS = 3 /* z is in [-8, 8] */, MAX_LAYERS = SCHEDULE_MAX, BLOCK = 16 };

static const uint64_t PROJECTION_KEY = 0x6d69782d6c6179, NOISE_KEY = 0x6e6f6973652d7a, CHAINS = UINT64_C(1) << 32;
static const size_t MAX_ENTRIES = (size_t)1 << 27; /* of all projections: 1 GiB */

struct noprop_opts {
    uint64_t layers, draws, mix, samples;
};
static const zo_opt opts[] = {
    ZO_OPT_U64(struct noprop_opts, layers, 10, 1, MAX_LAYERS, "layers, each a system of its own"),
    ZO_OPT_U64(struct noprop_opts, draws, 4, 1, 64,
               "draws of noise a row and layer is learned with; they count towards the sums' size"),
    ZO_OPT_U64(struct noprop_opts, mix, 100, 1, 2048, "features a layer that mix the row with the noisy label"),
    ZO_OPT_U64(struct noprop_opts, samples, 10, 1, 256, "chains of a prediction, which are averaged"),
};

struct noprop {
    size_t T, x, q, mix, d; /* features of a row: x of its own, q of the label, mix of both: d */
    schedule s;
    double *P1, *P2; /* [T][inputs][mix], [T][q][mix]: integers in one unit */
    double shift;    /* 2^-bits dropped of their sums */
    double *scale;   /* [d] natural units of a quantum */
    double *W;       /* [T][d][q] in quanta, when solved */
};

static double *layer_P1(const zo_model *m, const struct noprop *s, size_t t)
{
    return s->P1 + t * m->c.inputs * s->mix;
}

static double *layer_P2(const struct noprop *s, size_t t)
{
    return s->P2 + t * s->q * s->mix;
}

static double *layer_W(const struct noprop *s, size_t t)
{
    return s->W + t * s->d * s->q;
}

/* ---- life ---- */

static double entry(uint64_t stream, uint64_t i)
{
    return (double)((int64_t)(zo_portable1_u64_at(stream, i) >> (64 - ENTRY_BITS - 1)) - (1 << ENTRY_BITS));
}

/* A unit of P1 is a quantum of x by 2^-10 / sqrt(inputs); P2's, over sqrt(q), is rounded to it. */
static void draw_projections(const zo_model *m, struct noprop *s, size_t t)
{
    const size_t inputs = m->c.inputs, n = inputs * s->mix;
    const uint64_t stream = zo_portable1_u64_at(m->c.seed ^ PROJECTION_KEY, t);
    const double unit = ldexp(sqrt((double)inputs / (double)s->q), Z_BITS);
    double *P1 = layer_P1(m, s, t), *P2 = layer_P2(s, t);

    for (size_t i = 0; i < n; i++)
        P1[i] = entry(stream, i);
    for (size_t i = 0; i < s->q * s->mix; i++)
        P2[i] = rint(entry(stream, n + i) * unit);
}

/* The largest sum a column of a layer can give, in inputs and z of one. */
static double largest_sum(const zo_model *m, const struct noprop *s, size_t t)
{
    const double *P1 = layer_P1(m, s, t), *P2 = layer_P2(s, t);
    double most = 1;

    for (size_t k = 0; k < s->mix; k++) {
        double sum = 0;

        for (size_t j = 0; j < m->c.inputs; j++)
            sum += fabs(P1[j * s->mix + k]);
        for (size_t j = 0; j < s->q; j++)
            sum += fabs(P2[j * s->mix + k]);
        most = sum > most ? sum : most;
    }
    return most;
}

static void set_projections(const zo_model *m, struct noprop *s)
{
    const double unit = ldexp(sqrt((double)m->c.inputs), ENTRY_BITS), quantum = ldexp(1, -(int)m->c.quant);
    double most = 1;
    int bits = 0;

    for (size_t t = 0; t < s->T; t++) {
        draw_projections(m, s, t);
        const double sum = largest_sum(m, s, t);
        most = sum > most ? sum : most;
    }
    while (ldexp(1, bits) < most)
        bits++;
    s->shift = ldexp(1, -bits);
    memcpy(s->scale, m->features.scale, s->x * sizeof *s->scale);
    for (size_t i = 0; i < s->q; i++)
        s->scale[s->x + i] = ldexp(quantum, Z_BITS);
    for (size_t i = 0; i < s->mix; i++)
        s->scale[s->x + s->q + i] = ldexp(quantum, bits) / unit;
}

static zo_status check(const zo_model *m, const struct noprop *s, zo_error *err)
{
    if (s->q < 2)
        return zo_fail(err, ZO_EINVAL, "/classes",
                       "noprop-ridge needs its classes declared, two or more: noise is put on them");
    if (s->d > ZO_MODEL_MAX_FEATURES)
        return zo_fail(err, ZO_ETOOLARGE, "/options/mix",
                       "a layer has %zu features (of rows, classes and mix), more than %d", s->d,
                       ZO_MODEL_MAX_FEATURES);
    if (s->T * s->mix * (m->c.inputs + s->q) > MAX_ENTRIES)
        return zo_fail(err, ZO_ETOOLARGE, "/options/mix", "the layers' projections are larger than %zu numbers",
                       MAX_ENTRIES);
    return ZO_OK;
}

static zo_status allocate(zo_model *m, struct noprop *s, zo_error *err)
{
    const size_t n1 = s->T * m->c.inputs * s->mix, n2 = s->T * s->q * s->mix, w = s->T * s->d * s->q;

    s->P1 = zo_memalign64(n1 * sizeof *s->P1);
    s->P2 = zo_memalign64(n2 * sizeof *s->P2);
    s->scale = zo_calloc(s->d, sizeof *s->scale);
    s->W = zo_calloc(w, sizeof *s->W);
    m->layers = zo_calloc(s->T, sizeof *m->layers);
    if (!s->P1 || !s->P2 || !s->scale || !s->W || !m->layers)
        return zo_fail_nomem(err);
    m->self_bytes = sizeof *s + (n1 + n2 + w + s->d) * sizeof(double);
    return ZO_OK;
}

static zo_status init(zo_model *m, zo_error *err)
{
    const struct noprop_opts *o = m->c.options;
    struct noprop *s = zo_calloc(1, sizeof *s);
    zo_status rc;

    if (!(m->self = s))
        return zo_fail_nomem(err);
    s->T = (size_t)o->layers;
    s->x = m->features.n;
    s->q = m->c.n_classes;
    s->mix = (size_t)o->mix;
    s->d = s->x + s->q + s->mix;
    if ((rc = check(m, s, err)) != ZO_OK || (rc = allocate(m, s, err)) != ZO_OK)
        return rc;
    schedule_cosine(&s->s, s->T);
    set_projections(m, s);
    for (size_t t = 0; t < s->T; t++)
        m->layers[t].d = s->d;
    m->n_layers = s->T;
    m->draws = (size_t)o->draws;
    m->work = m->c.inputs + s->x + s->mix;
    m->want_factor = true; /* variance needs no other solution */
    return ZO_OK;
}

static void fini(zo_model *m)
{
    struct noprop *s = m->self;

    if (!s)
        return;
    zo_free(s->P1);
    zo_free(s->P2);
    zo_free(s->scale);
    zo_free(s->W);
    zo_free(s);
}

static void unsolve(zo_model *m)
{
    const struct noprop *s = m->self;

    explicit_bzero(s->W, s->T * s->d * s->q * sizeof *s->W);
}

/* ---- features ---- */

/* x P1_t of rows: [n][mix]; x [n][inputs] in doubles. Exact. */
static void project_rows(const zo_model *m, const struct noprop *s, size_t t, const double *x, size_t n, double *out)
{
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, zo_blas_int(s->mix), zo_blas_int(n),
                zo_blas_int(m->c.inputs), 1.0, layer_P1(m, s, t), zo_blas_int(s->mix), x, zo_blas_int(m->c.inputs), 0.0,
                out, zo_blas_int(s->mix));
}

/* max(0, x P1 + z P2), rounded to q bits. */
static void mix_label(const struct noprop *s, size_t t, const double *projected, const double *z, double *out)
{
    const double *P2 = layer_P2(s, t);

    memcpy(out, projected, s->mix * sizeof *out);
    for (size_t c = 0; c < s->q; c++)
        for (size_t k = 0; k < s->mix; k++)
            out[k] += z[c] * P2[c * s->mix + k];
    for (size_t k = 0; k < s->mix; k++)
        out[k] = out[k] > 0 ? rint(out[k] * s->shift) : 0;
}

static size_t column_of(const zo_model *m, uint32_t cls)
{
    size_t c = 0;

    while (m->order[c] != cls)
        c++;
    return c;
}

/* The label under noise, in quanta. */
static void blur_label(const zo_model *m, double signal, size_t label, uint64_t stream, size_t q, double *z)
{
    const double one = ldexp(1, (int)m->c.quant - Z_BITS), kept = sqrt(signal) * one, noise = sqrt(1 - signal) * one;

    for (size_t c = 0; c < q; c++)
        z[c] = rint((c == label ? kept : 0) + noise * noise_at(stream, c));
}

static void to_doubles(const int32_t *x, size_t n, double *out)
{
    for (size_t i = 0; i < n; i++)
        out[i] = x[i];
}

/* Of the first draw: the row's own features, in place, and its projection, which stays in work. */
static void start_rows(const zo_model *m, size_t layer, const zo_rows *r, double *work, double *own, double *projected,
                       double *out)
{
    const struct noprop *s = m->self;

    features_make(&m->features, r->x, r->n, work, own);
    for (size_t i = 0; i < r->n; i++)
        memcpy(out + i * s->d, own + i * s->x, s->x * sizeof *out);
    to_doubles(r->x, r->n * m->c.inputs, work);
    project_rows(m, s, layer, work, r->n, projected);
}

static void make_features(const zo_model *m, size_t layer, size_t draw, const zo_rows *r, double *work, double *out)
{
    const struct noprop *s = m->self;
    const size_t inputs = m->c.inputs, label = column_of(m, r->cls);
    double *own = work + r->n * inputs, *projected = own + r->n * s->x;

    if (draw == 0)
        start_rows(m, layer, r, work, own, projected, out);
    for (size_t i = 0; i < r->n; i++) {
        const uint64_t row = noise_row(m->c.seed ^ NOISE_KEY, r->x + i * inputs, inputs);
        double *z = out + i * s->d + s->x;

        blur_label(m, s->s.signal[layer], label, noise_stream(row, layer, draw), s->q, z);
        mix_label(s, layer, projected + i * s->mix, z, z + s->q);
    }
}

/* ---- solving ---- */

static zo_status solve_layer(zo_model *m, size_t t, double *b, zo_mat *A, zo_error *err)
{
    struct noprop *s = m->self;
    double *W = layer_W(s, t), n;
    zo_status rc;

    sums_matrix(m, t, s->scale, m->c.gamma, A);
    columns_moments(m, t, s->scale, b, b + s->d * s->q, &n);
    if ((rc = spd_solve(m, A, b, s->q, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < s->d; i++)
        for (size_t c = 0; c < s->q; c++)
            W[i * s->q + c] = b[i * s->q + c] * s->scale[i];
    return ZO_OK;
}

static zo_status solve(zo_model *m, zo_error *err)
{
    const struct noprop *s = m->self;
    const size_t n = (s->d + 1) * s->q;
    double *b = zo_calloc(n, sizeof *b);
    zo_mat A = {0};
    zo_status rc = b ? zo_mat_init(&A, s->d, s->d, err) : zo_fail_nomem(err);

    for (size_t t = 0; t < s->T && rc == ZO_OK; t++)
        rc = solve_layer(m, t, b, &A, err);
    if (b)
        explicit_bzero(b, n * sizeof *b);
    if (A.a)
        explicit_bzero(A.a, A.ld * A.cols * sizeof(double));
    zo_free(b);
    zo_mat_fini(&A);
    m->gamma = m->c.gamma;
    return rc;
}

/* ---- prediction ---- */

/* Scratch of a block of rows, in one piece. */
struct scratch {
    double *x, *own;   /* [BLOCK][inputs], [BLOCK][x] */
    double *projected; /* [T][BLOCK][mix] */
    double *base;      /* [T][q] what a row's own features add to each layer's estimate */
    double *z, *mixed; /* [q], [mix]; side by side, as in a layer's features */
    double *u;         /* [q] estimate */
    size_t bytes;
};

static zo_status scratch_init(const zo_model *m, const struct noprop *s, struct scratch *w, zo_error *err)
{
    const size_t x = BLOCK * m->c.inputs, own = BLOCK * s->x, projected = s->T * BLOCK * s->mix, base = s->T * s->q;

    w->bytes = (x + own + projected + base + s->q + s->mix + s->q) * sizeof(double);
    if (!(w->x = zo_memalign64(w->bytes)))
        return zo_fail_nomem(err);
    w->own = w->x + x;
    w->projected = w->own + own;
    w->base = w->projected + projected;
    w->z = w->base + base;
    w->mixed = w->z + s->q;
    w->u = w->mixed + s->mix;
    return ZO_OK;
}

/* u += W' h over n features. */
static void add_features(const double *h, const double *W, size_t n, size_t q, double *u)
{
    for (size_t i = 0; i < n; i++)
        for (size_t c = 0; c < q; c++)
            u[c] += h[i] * W[i * q + c];
}

static double clip(double z, double most)
{
    return z > most ? most : z < -most ? -most : z;
}

/* One chain from noise to the last layer's estimate, in w->u. row: of the block. */
static void run_chain(const zo_model *m, const struct noprop *s, size_t row, uint64_t key, uint64_t chain,
                      struct scratch *w)
{
    const double most = ldexp(1, (int)m->c.quant), one = ldexp(1, (int)m->c.quant - Z_BITS);

    blur_label(m, 0, s->q, noise_stream(key, 0, CHAINS + chain), s->q, w->z);
    for (size_t t = 0; t < s->T; t++) {
        const uint64_t stream = noise_stream(key, t + 1, CHAINS + chain);
        const double a = s->s.a[t + 1] * one, b = s->s.b[t + 1], spread = s->s.spread[t + 1] * one;

        mix_label(s, t, w->projected + (t * BLOCK + row) * s->mix, w->z, w->mixed);
        memcpy(w->u, w->base + t * s->q, s->q * sizeof *w->u);
        add_features(w->z, layer_W(s, t) + s->x * s->q, s->q + s->mix, s->q, w->u);
        for (size_t c = 0; c < s->q; c++)
            w->z[c] = clip(rint(a * w->u[c] + b * w->z[c] + spread * noise_at(stream, c)), most);
    }
}

/* Mean and variance over the chains, one after the other (Welford). */
static void predict_row(const zo_model *m, const struct noprop *s, size_t row, uint64_t key, struct scratch *w,
                        double *mean, double *variance)
{
    const struct noprop_opts *o = m->c.options;

    memset(w->base, 0, s->T * s->q * sizeof *w->base);
    for (size_t t = 0; t < s->T; t++)
        add_features(w->own + row * s->x, layer_W(s, t), s->x, s->q, w->base + t * s->q);
    memset(mean, 0, s->q * sizeof *mean);
    if (variance)
        memset(variance, 0, s->q * sizeof *variance);
    for (uint64_t i = 0; i < o->samples; i++) {
        run_chain(m, s, row, key, i, w);
        for (size_t c = 0; c < s->q; c++) {
            const double off = w->u[c] - mean[c];

            mean[c] += off / (double)(i + 1);
            if (variance)
                variance[c] += off * (w->u[c] - mean[c]) / (double)(o->samples - 1);
        }
    }
}

static zo_status predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    const struct noprop_opts *o = m->c.options;
    const struct noprop *s = m->self;
    const size_t inputs = m->c.inputs, q = s->q;
    struct scratch w = {0};
    zo_status rc;

    if (io->variance && o->samples < 2)
        return zo_fail(err, ZO_EUNSUPPORTED, "/variance",
                       "one chain has no variance: the model was created with samples 1");
    if ((rc = scratch_init(m, s, &w, err)) != ZO_OK)
        return rc;
    for (size_t first = 0; first < n; first += BLOCK) {
        const size_t rows = n - first < BLOCK ? n - first : BLOCK;

        features_make(&m->features, x + first * inputs, rows, w.x, w.own);
        to_doubles(x + first * inputs, rows * inputs, w.x);
        for (size_t t = 0; t < s->T; t++)
            project_rows(m, s, t, w.x, rows, w.projected + t * BLOCK * s->mix);
        for (size_t r = 0; r < rows; r++) {
            const size_t at = first + r;
            const uint64_t key = noise_row(m->c.seed ^ NOISE_KEY, x + at * inputs, inputs);

            predict_row(m, s, r, key, &w, io->scores + at * q, io->variance ? io->variance + at * q : NULL);
        }
    }
    explicit_bzero(w.x, w.bytes);
    zo_free(w.x);
    return ZO_OK;
}

static zo_status weights(zo_model *m, zo_bundle *b, zo_error *err)
{
    const struct noprop *s = m->self;
    const size_t dims[2] = {s->d, s->q};
    zo_status rc;

    for (size_t t = 0; t < s->T; t++) {
        const double *W = layer_W(s, t);
        char name[32];
        double *w = NULL;

        snprintf(name, sizeof name, "weights.%zu", t);
        if ((rc = zo_bundle_add(b, name, ZO_F64, 2, dims, (void **)&w, err)) != ZO_OK)
            return rc;
        for (size_t i = 0; i < s->d; i++)
            for (size_t c = 0; c < s->q; c++)
                w[i * s->q + c] = W[i * s->q + c] / s->scale[i];
    }
    if ((rc = zo_bundle_add_f64(b, "signal", s->s.signal, s->T + 1, err)) != ZO_OK)
        return rc;
    return zo_bundle_add_f64(b, "feature_scale", s->scale, s->d, err);
}

static const zo_model_ops ops = {.init = init,
                                 .fini = fini,
                                 .unsolve = unsolve,
                                 .features = make_features,
                                 .solve = solve,
                                 .predict = predict,
                                 .weights = weights,
                                 .has_variance = true};

const zo_model_kind zo_model_kind_noprop_ridge = {
    .name = "noprop-ridge",
    .summary = "layers that denoise the label, each a ridge regression trained by itself",
    .reference = "Li, Teh & Pascanu, NoProp, arXiv:2503.24322",
    .targets = 1u << ZO_TARGET_CLASSES,
    .traits = ZO_MODEL_REWEIGHT | ZO_MODEL_FAST,
    .opts = opts,
    .n_opts = ZO_LEN(opts),
    .opts_bytes = sizeof(struct noprop_opts),
    .ops = &ops,
};
