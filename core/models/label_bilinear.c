/* label-bilinear: classes by what is said about them. Each class c has a description l_c, a row of numbers from any
 * encoder, and the score of a row's features f is f' M l_c: labels never seen can be scored by their descriptions.
 *
 *   min over M  |F M L' - Y|^2 + gamma |M|^2      F: features, Y: one-hot, L: descriptions of the classes that have
 * rows
 *
 * whose normal equations A M L'L + gamma M = B L, A = F'F, B = F'Y, need only the sums. With an orthogonal Q that makes
 * the rows g_j of Q L orthogonal, of squared length s_j, they fall apart into one positive definite system a direction:
 *
 *   M = sum_j n_j g_j',   (s_j A + gamma I) n_j = B q_j
 *
 * and where descriptions have fewer numbers than there are classes, Q L' gives M = sum_j n_j q_j' with B g_j on the
 * right. Directions of equal length share a factor. A declared class without rows is scored but takes no part in the
 * fit, so forgetting a class is never having seen it. Cost: min(C, e) factors of d^3/3 flops.
 *
 * Descriptions are scaled to unit length unless told otherwise. It is the limit of one head and no nonlinearity of a
 * cross-attention score between text and label description; source of the setting: D. Luo, C. Zhang, Y. Zhang & H. Li,
 * "CrossTune: Black-Box Few-Shot Classification with Label Enhancement", LREC-COLING 2024, arXiv:2403.12468. The closed
 * form is ridge regression with a Kronecker product of inputs. */
#include "model/kind.h"

#include <math.h>
#include <string.h>
#include "model/jacobi.h"

enum { MAX_SIZE = 16384, MAX_DIRECTIONS = 1024 };

struct bilinear_opts {
    bool normalize;
};
static const zo_opt opts[] = {
    ZO_OPT_BOOL(struct bilinear_opts, normalize, true, "descriptions are scaled to unit length"),
};

struct bilinear {
    double *L; /* [classes][e] by index, as used */
    double *M; /* [d][e] in natural units, when solved */
};

/* ---- descriptions ---- */

/* Copy one as it is used. */
static zo_status read_description(const zo_model *m, const double *from, double *to, zo_error *err)
{
    const struct bilinear_opts *o = m->c.options;
    const size_t e = m->c.description_size;
    double largest = 0, square = 0;

    for (size_t i = 0; i < e; i++) {
        if (!(fabs(from[i]) <= 1e100))
            return zo_fail(err, ZO_EINVAL, "/descriptions", "descriptions are finite numbers up to 1e100");
        largest = fabs(from[i]) > largest ? fabs(from[i]) : largest;
        square += from[i] * from[i];
    }
    if (largest < 1e-100)
        return zo_fail(err, ZO_EINVAL, "/descriptions",
                       "a description of zeros says nothing: its scores would all be 0");
    const double norm = o->normalize ? sqrt(square) : 1;
    for (size_t i = 0; i < e; i++)
        to[i] = from[i] / norm;
    return ZO_OK;
}

static const double *find_description(const zo_model_config *c, const char *label)
{
    for (size_t i = 0; i < c->n_described; i++)
        if (strcmp(c->described[i], label) == 0)
            return c->descriptions + i * c->description_size;
    return NULL;
}

static bool same_row(const double *a, const double *b, size_t e)
{
    for (size_t i = 0; i < e; i++)
        if (fabs(a[i] - b[i]) > 1e-12 * (fabs(a[i]) + fabs(b[i])))
            return false;
    return true;
}

static zo_status read_descriptions(zo_model *m, double *L, zo_error *err)
{
    const zo_model_config *c = &m->c;
    const size_t e = c->description_size;
    zo_status rc;

    for (size_t i = 0; i < c->n_classes; i++) {
        const double *row = find_description(c, c->classes[i]);

        if (!row)
            return zo_fail(err, ZO_EINVAL, "/descriptions", "class %.80s has no description", c->classes[i]);
        if ((rc = read_description(m, row, L + i * e, err)) != ZO_OK)
            return rc;
        for (size_t k = 0; k < i; k++)
            if (same_row(L + i * e, L + k * e, e))
                return zo_fail(err, ZO_EINVAL, "/descriptions",
                               "classes %.80s and %.80s have one description: their scores would be equal",
                               c->classes[k], c->classes[i]);
    }
    return ZO_OK;
}

static zo_status check(const zo_model_config *c, zo_error *err)
{
    const size_t e = c->description_size, directions = e < c->n_classes ? e : c->n_classes;

    if (c->n_classes == 0)
        return zo_fail(err, ZO_EINVAL, "/classes",
                       "label-bilinear needs its classes declared, each with a description");
    if (e < 1 || e > MAX_SIZE)
        return zo_fail(err, ZO_EINVAL, "/descriptions", "a description has 1 to %d numbers", MAX_SIZE);
    if (c->n_described != c->n_classes)
        return zo_fail(err, ZO_EINVAL, "/descriptions", "%zu descriptions for %zu classes: each class needs one",
                       c->n_described, c->n_classes);
    if (directions > MAX_DIRECTIONS)
        return zo_fail(err, ZO_ETOOLARGE, "/descriptions",
                       "at most %d classes or %d numbers a description: each is a system", MAX_DIRECTIONS,
                       MAX_DIRECTIONS);
    return ZO_OK;
}

/* ---- life ---- */

static zo_status init(zo_model *m, zo_error *err)
{
    const size_t e = m->c.description_size, d = m->features.n;
    struct bilinear *s;
    zo_status rc = check(&m->c, err);

    if (rc != ZO_OK)
        return rc;
    if (!(m->self = s = zo_calloc(1, sizeof *s)))
        return zo_fail_nomem(err);
    s->L = zo_calloc(m->c.n_classes * e, sizeof *s->L);
    s->M = zo_calloc(d * e, sizeof *s->M);
    if (!s->L || !s->M)
        return zo_fail_nomem(err);
    m->self_bytes = sizeof *s + (m->c.n_classes + d) * e * sizeof(double);
    return read_descriptions(m, s->L, err);
}

static void fini(zo_model *m)
{
    struct bilinear *s = m->self;

    if (!s)
        return;
    zo_free(s->L);
    zo_free(s->M);
    zo_free(s);
}

static void unsolve(zo_model *m)
{
    struct bilinear *s = m->self;

    explicit_bzero(s->M, m->features.n * m->c.description_size * sizeof *s->M);
}

/* ---- solving ---- */

struct fit {
    size_t d, e, classes, live; /* classes: columns of b; live: those with rows */
    bool by_class;              /* a direction is a mix of classes; else of the numbers of descriptions */
    size_t n, width;            /* G is [n][width] */
    double *b;                  /* [d][classes] */
    double *G, *Q, *square;     /* [n][width], [n][n], [n] */
    double *X;                  /* [d][n] right-hand sides, then solutions */
    uint32_t *column;           /* [live] columns of b */
    size_t *group;              /* [n] directions of one length */
    zo_mat A;
};

static void fit_fini(struct fit *f)
{
    if (f->b)
        explicit_bzero(f->b, f->d * f->classes * sizeof *f->b);
    if (f->X)
        explicit_bzero(f->X, f->d * f->n * sizeof *f->X);
    zo_free(f->b);
    zo_free(f->G);
    zo_free(f->Q);
    zo_free(f->square);
    zo_free(f->X);
    zo_free(f->column);
    zo_free(f->group);
    if (f->A.a)
        explicit_bzero(f->A.a, f->A.ld * f->A.cols * sizeof(double));
    zo_mat_fini(&f->A);
}

/* G = the live descriptions, or their transpose, whichever has fewer rows. */
static void fill_descriptions(const zo_model *m, struct fit *f)
{
    const struct bilinear *s = m->self;

    for (size_t i = 0; i < f->live; i++) {
        const double *l = s->L + m->order[f->column[i]] * f->e;

        for (size_t k = 0; k < f->e; k++)
            f->G[f->by_class ? i * f->width + k : k * f->width + i] = l[k];
    }
}

static zo_status fit_init(const zo_model *m, struct fit *f, zo_error *err)
{
    double rows;
    double *counts;

    *f = (struct fit){.d = m->features.n, .e = m->c.description_size, .classes = m->n_classes};
    if (!(f->column = zo_calloc(f->classes, sizeof *f->column)) ||
        !(f->b = zo_calloc(f->d * f->classes + f->classes, sizeof *f->b)))
        return zo_fail_nomem(err);
    for (size_t c = 0; c < f->classes; c++)
        if (m->classes[m->order[c]].n > 0)
            f->column[f->live++] = (uint32_t)c;
    f->by_class = f->live <= f->e;
    f->n = f->by_class ? f->live : f->e;
    f->width = f->by_class ? f->e : f->live;
    f->G = zo_calloc(f->n * f->width + 1, sizeof *f->G);
    f->Q = zo_calloc(f->n * f->n + 1, sizeof *f->Q);
    f->square = zo_calloc(f->n + 1, sizeof *f->square);
    f->X = zo_calloc(f->d * f->n + 1, sizeof *f->X);
    f->group = zo_calloc(f->n + 1, sizeof *f->group);
    if (!f->G || !f->Q || !f->square || !f->X || !f->group)
        return zo_fail_nomem(err);
    counts = f->b + f->d * f->classes;
    columns_moments(m, 0, m->features.scale, f->b, counts, &rows);
    fill_descriptions(m, f);
    jacobi_rows(f->G, f->n, f->width, f->Q, f->square);
    return zo_mat_init(&f->A, f->d, f->d, err);
}

/* Directions not before j that are exactly as long as it. */
static size_t find_group(struct fit *f, size_t j)
{
    size_t n = 0;

    for (size_t k = j; k < f->n; k++)
        if (f->square[k] == f->square[j])
            f->group[n++] = k;
    return n;
}

/* n_j for a group, divided by s_j: (A + gamma/s_j I) (s_j n_j) = right-hand side. */
static zo_status solve_group(const zo_model *m, struct fit *f, size_t n, double square, zo_error *err)
{
    sums_matrix(m, 0, m->features.scale, m->c.gamma / square, &f->A);
    for (size_t i = 0; i < f->d; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t at = f->group[j];
            const double *mix = f->by_class ? f->Q + at * f->n : f->G + at * f->width, *b = f->b + i * f->classes;
            double sum = 0;

            for (size_t c = 0; c < f->live; c++)
                sum += b[f->column[c]] * mix[c];
            f->X[i * n + j] = sum;
        }
    return spd_solve(m, &f->A, f->X, n, err);
}

static void add_group(struct fit *f, size_t n, double square, double *M)
{
    for (size_t i = 0; i < f->d; i++)
        for (size_t j = 0; j < n; j++) {
            const size_t at = f->group[j];
            const double *out = f->by_class ? f->G + at * f->width : f->Q + at * f->n, t = f->X[i * n + j] / square;

            for (size_t k = 0; k < f->e; k++)
                M[i * f->e + k] += t * out[k];
        }
}

static zo_status solve_directions(const zo_model *m, struct fit *f, double *M, zo_error *err)
{
    zo_status rc;

    memset(M, 0, f->d * f->e * sizeof *M);
    for (size_t j = 0; j < f->n; j++) {
        const double square = f->square[j];
        const size_t n = find_group(f, j);

        if (!(square > 0)) /* no length, or done */
            continue;
        if ((rc = solve_group(m, f, n, square, err)) != ZO_OK)
            return rc;
        add_group(f, n, square, M);
        for (size_t k = 0; k < n; k++)
            f->square[f->group[k]] = 0;
    }
    return ZO_OK;
}

/* Column of V, in quanta, for a description as it is used. */
static void project(const zo_model *m, const double *l, size_t column, size_t k, double *V)
{
    const struct bilinear *s = m->self;
    const size_t e = m->c.description_size;

    for (size_t i = 0; i < m->features.n; i++) {
        double sum = 0;

        for (size_t t = 0; t < e; t++)
            sum += s->M[i * e + t] * l[t];
        V[i * k + column] = sum * m->features.scale[i];
    }
}

static zo_status solve(zo_model *m, zo_error *err)
{
    struct bilinear *s = m->self;
    struct fit f;
    zo_status rc = linear_reserve(m, err);

    if (rc != ZO_OK)
        return rc;
    if ((rc = fit_init(m, &f, err)) == ZO_OK)
        rc = solve_directions(m, &f, s->M, err);
    fit_fini(&f);
    for (size_t c = 0; rc == ZO_OK && c < m->n_columns; c++)
        project(m, s->L + m->order[c] * m->c.description_size, c, m->n_columns, m->V);
    m->gamma = m->c.gamma;
    return rc;
}

/* ---- scores ---- */

/* Descriptions of the request: the same bits as a class with that description would have. */
static zo_status predict_described(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    const size_t d = m->features.n, e = m->c.description_size, k = io->n_described;
    double *V = zo_calloc(d * k + 1, sizeof *V), *l = zo_calloc(e, sizeof *l);
    zo_status rc = V && l ? ZO_OK : zo_fail_nomem(err);

    for (size_t c = 0; c < k && rc == ZO_OK; c++)
        if ((rc = read_description(m, io->descriptions + c * e, l, err)) == ZO_OK)
            project(m, l, c, k, V);
    if (rc == ZO_OK)
        rc = linear_score(m, V, NULL, k, x, n, io->scores, err);
    if (V)
        explicit_bzero(V, d * k * sizeof *V);
    zo_free(V);
    zo_free(l);
    return rc;
}

static zo_status predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    return io->descriptions ? predict_described(m, x, n, io, err)
                            : linear_score(m, m->V, m->offset, m->n_columns, x, n, io->scores, err);
}

static zo_status weights(zo_model *m, zo_bundle *b, zo_error *err)
{
    const struct bilinear *s = m->self;
    const size_t dims[2] = {m->features.n, m->c.description_size};
    void *M;
    zo_status rc = linear_weights(m, b, err);

    if (rc == ZO_OK && (rc = zo_bundle_add(b, "bilinear", ZO_F64, 2, dims, &M, err)) == ZO_OK)
        memcpy(M, s->M, dims[0] * dims[1] * sizeof *s->M);
    return rc;
}

static const zo_model_ops ops = {
    .init = init, .fini = fini, .unsolve = unsolve, .solve = solve, .predict = predict, .weights = weights};

const zo_model_kind zo_model_kind_label_bilinear = {
    .name = "label-bilinear",
    .summary = "ridge regression between rows and descriptions of classes; scores labels never seen",
    .reference = "Luo et al., CrossTune, LREC-COLING 2024, arXiv:2403.12468",
    .targets = 1u << ZO_TARGET_CLASSES,
    .traits = ZO_MODEL_REWEIGHT | ZO_MODEL_FAST | ZO_MODEL_DESCRIPTIONS,
    .opts = opts,
    .n_opts = ZO_LEN(opts),
    .opts_bytes = sizeof(struct bilinear_opts),
    .ops = &ops,
};
