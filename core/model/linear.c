/* Linear scores: V' f + offset, in one fixed order of operations, so that equal states and rows give equal bits in any
 * batch. */
#include "model/kind.h"

#include <string.h>

static zo_status renew(double **p, size_t n, zo_error *err)
{
    double *fresh = zo_calloc(n ? n : 1, sizeof *fresh);

    if (!fresh)
        return zo_fail_nomem(err);
    zo_free(*p);
    *p = fresh;
    return ZO_OK;
}

zo_status linear_reserve(zo_model *m, zo_error *err)
{
    const size_t k = columns_count(m), d = m->layers[0].d;
    zo_status rc;

    if ((rc = renew(&m->V, d * k, err)) != ZO_OK || (rc = renew(&m->offset, k, err)) != ZO_OK ||
        (rc = renew(&m->noise, k, err)) != ZO_OK)
        return rc;
    m->n_columns = k;
    return ZO_OK;
}

static void score(size_t d, size_t k, const double *V, const double *offset, const double *f, double *out)
{
    if (offset)
        memcpy(out, offset, k * sizeof *out);
    else
        memset(out, 0, k * sizeof *out);
    for (size_t i = 0; i < d; i++) {
        const double *v = V + i * k;

        for (size_t c = 0; c < k; c++)
            out[c] += f[i] * v[c];
    }
}

enum { BLOCK = 64 }; /* rows at a time */

/* noise_c (1 + f' (A + gamma I)^-1 f) of n rows; work [d][n] */
static void spread(zo_model *m, const double *f, size_t n, double *work, double *out)
{
    const size_t d = m->features.n;
    double h[BLOCK] = {0};

    for (size_t i = 0; i < d; i++)
        for (size_t r = 0; r < n; r++)
            work[i * n + r] = f[r * d + i] * m->features.scale[i];
    zo_fixed_solve_lower(&m->factor, work, n);
    for (size_t i = 0; i < d; i++)
        for (size_t r = 0; r < n; r++)
            h[r] += work[i * n + r] * work[i * n + r];
    for (size_t r = 0; r < n; r++)
        for (size_t c = 0; c < m->n_columns; c++)
            out[r * m->n_columns + c] = m->noise[c] * (1 + h[r]);
}

/* variance [n][k] may be NULL */
static zo_status predict(zo_model *m, const double *V, const double *offset, size_t k, const int32_t *x, size_t n,
                         double *scores, double *variance, zo_error *err)
{
    const size_t d = m->layers[0].d, inputs = m->c.inputs, block = n < BLOCK ? n : BLOCK;
    const size_t n_work = block * (variance && m->work < d ? d : m->work);
    double *f = zo_memalign64(block * d * sizeof *f), *work = zo_memalign64(n_work * sizeof *work);

    if (!f || !work) {
        zo_free(f);
        zo_free(work);
        return zo_fail_nomem(err);
    }
    for (size_t first = 0; first < n; first += block) {
        const zo_rows rows = {.x = x + first * inputs, .n = n - first < block ? n - first : block};

        layer_features(m, 0, 0, &rows, work, f);
        for (size_t r = 0; r < rows.n; r++)
            score(d, k, V, offset, f + r * d, scores + (first + r) * k);
        if (variance)
            spread(m, f, rows.n, work, variance + first * k);
    }
    explicit_bzero(f, block * d * sizeof *f);
    explicit_bzero(work, n_work * sizeof *work);
    zo_free(f);
    zo_free(work);
    return ZO_OK;
}

zo_status linear_score(zo_model *m, const double *V, const double *offset, size_t k, const int32_t *x, size_t n,
                       double *scores, zo_error *err)
{
    return predict(m, V, offset, k, x, n, scores, NULL, err);
}

zo_status linear_predict(zo_model *m, const int32_t *x, size_t n, zo_scores *io, zo_error *err)
{
    return predict(m, m->V, m->offset, m->n_columns, x, n, io->scores, io->variance, err);
}

zo_status linear_weights(zo_model *m, zo_bundle *b, zo_error *err)
{
    const size_t d = m->features.n, k = m->n_columns, dims[2] = {d, k};
    double *w = NULL;
    zo_status rc = zo_bundle_add(b, "weights", ZO_F64, 2, dims, (void **)&w, err);

    if (rc != ZO_OK)
        return rc;
    for (size_t i = 0; i < d; i++)
        for (size_t c = 0; c < k; c++)
            w[i * k + c] = m->V[i * k + c] / m->features.scale[i];
    if ((rc = zo_bundle_add_f64(b, "offset", m->offset, k, err)) != ZO_OK)
        return rc;
    return zo_bundle_add_f64(b, "feature_scale", m->features.scale, d, err);
}
