/* nearest-mean: the class whose mean of features is nearest. Score f'mu - |mu|^2 / 2, which is the squared distance but
 * for what all classes share. From the same sums as ridge, of which it reads B and the counts; gamma is not used.
 * Source: T. Mensink, J. Verbeek, F. Perronnin & G. Csurka, "Distance-based image classification", IEEE TPAMI 35(11),
 * 2013. */
#include "model/kind.h"

static zo_status solve(zo_model *m, zo_error *err)
{
    const size_t d = m->features.n, k = columns_count(m);
    double *b, n;
    zo_status rc = linear_reserve(m, err);

    if (rc != ZO_OK)
        return rc;
    if (!(b = zo_calloc(d * k + k + 1, sizeof *b)))
        return zo_fail_nomem(err);
    columns_moments(m, 0, m->features.scale, b, b + d * k, &n);
    for (size_t c = 0; c < k; c++) {
        const double rows = b[d * k + c];
        double square = 0;

        for (size_t i = 0; i < d; i++) {
            const double mean = rows > 0 ? b[i * k + c] / rows : 0;

            square += mean * mean;
            m->V[i * k + c] = mean * m->features.scale[i];
        }
        m->offset[c] = -square / 2;
    }
    zo_free(b);
    return ZO_OK;
}

static const zo_model_ops ops = {.solve = solve};

const zo_model_kind zo_model_kind_nearest_mean = {
    .name = "nearest-mean",
    .summary = "the class with the nearest mean",
    .reference = "Mensink et al., IEEE TPAMI 35(11), 2013",
    .targets = 1u << ZO_TARGET_CLASSES,
    .ops = &ops,
};
