/* lda: linear discriminant analysis. One covariance for all classes, S = (A - sum_c n_c mu_c mu_c' + gamma I) / n, from
 * the same sums as ridge; score mu_c' S^-1 f - mu_c' S^-1 mu_c / 2 + log prior_c. Source: R. A. Fisher, Annals of
 * Eugenics 7(2), 1936; shrinkage by gamma as in J. H. Friedman, JASA 84(405), 1989. */
#include "model/kind.h"

#include <string.h>
#include "model/elementary.h"

struct lda_opts {
    bool uniform_prior;
};
static const zo_opt opts[] = {
    ZO_OPT_BOOL(struct lda_opts, uniform_prior, false,
                "every class is as likely before a row is seen; else by its share of the rows"),
};

/* S from A: the means' part off, class by class in order. */
static void centre(const double *b, const double *rows, size_t k, zo_mat *S)
{
    for (size_t c = 0; c < k; c++)
        for (size_t j = 0; rows[c] > 0 && j < S->cols; j++) {
            const double t = b[j * k + c] / rows[c];

            for (size_t i = j; i < S->rows; i++)
                S->a[i + j * S->ld] -= t * b[i * k + c];
        }
}

static zo_status fit(zo_model *m, double *b, double *w, zo_mat *S, zo_error *err)
{
    const struct lda_opts *o = m->c.options;
    const size_t d = m->features.n, k = columns_count(m);
    const double *rows = b + d * k;
    double n;
    zo_status rc;

    columns_moments(m, 0, m->features.scale, b, b + d * k, &n);
    sums_matrix(m, 0, m->features.scale, m->c.gamma, S);
    centre(b, rows, k, S);
    for (size_t i = 0; i < d; i++)
        for (size_t c = 0; c < k; c++)
            w[i * k + c] = rows[c] > 0 ? n * b[i * k + c] / rows[c] : 0;
    if ((rc = spd_solve(m, S, w, k, err)) != ZO_OK)
        return rc;
    for (size_t c = 0; c < k; c++) {
        double square = 0;

        for (size_t i = 0; i < d; i++) {
            square += rows[c] > 0 ? w[i * k + c] * b[i * k + c] / rows[c] : 0;
            m->V[i * k + c] = w[i * k + c] * m->features.scale[i];
        }
        m->offset[c] = -square / 2 + (rows[c] > 0 && !o->uniform_prior ? zo_fixed_log(rows[c] / n) : 0);
    }
    return ZO_OK;
}

static zo_status solve(zo_model *m, zo_error *err)
{
    const size_t d = m->features.n, k = columns_count(m);
    double *work;
    zo_mat S = {0};
    zo_status rc = linear_reserve(m, err);

    if (rc != ZO_OK)
        return rc;
    if (!(work = zo_calloc(2 * d * k + k + 1, sizeof *work)))
        return zo_fail_nomem(err);
    if ((rc = zo_mat_init(&S, d, d, err)) == ZO_OK)
        rc = fit(m, work, work + d * k + k, &S, err);
    zo_mat_fini(&S);
    zo_free(work);
    return rc;
}

static const zo_model_ops ops = {.solve = solve};

const zo_model_kind zo_model_kind_lda = {
    .name = "lda",
    .summary = "linear discriminant analysis with one shrunken covariance",
    .reference = "Fisher 1936; Friedman, JASA 84(405), 1989",
    .targets = 1u << ZO_TARGET_CLASSES,
    .traits = ZO_MODEL_REWEIGHT | ZO_MODEL_FAST,
    .opts = opts,
    .n_opts = ZO_LEN(opts),
    .opts_bytes = sizeof(struct lda_opts),
    .ops = &ops,
};
