/* What a model's outputs are, in order: real targets, or classes by the bytes of their labels; and the moments of each.
 */
#include "model/kind.h"

#include <string.h>

static bool is_listed(const zo_model *m, uint32_t i)
{
    return m->c.n_classes > 0 || m->classes[i].n > 0;
}

size_t zo_model_live_classes(const zo_model *m, uint32_t *indices)
{
    size_t n = 0;

    for (size_t i = 0; i < m->n_classes; i++) {
        if (!is_listed(m, m->order[i]))
            continue;
        if (indices)
            indices[n] = m->order[i];
        n++;
    }
    return n;
}

size_t columns_count(const zo_model *m)
{
    return m->c.target == ZO_TARGET_REAL ? m->c.outputs : zo_model_live_classes(m, NULL);
}

void columns_moments(const zo_model *m, size_t layer, const double *scale, double *b, double *yy, double *n_out)
{
    const size_t d = m->layers[layer].d, k = columns_count(m);

    *n_out = (double)m->total->n;
    if (m->c.target == ZO_TARGET_REAL) {
        const layer_sums *s = &m->total->layers[layer];
        const double quantum = m->c.target_range / (double)(UINT64_C(1) << m->c.quant);

        for (size_t c = 0; c < k; c++) {
            yy[c] = sums_get(m, s->yy, c) * quantum * quantum;
            for (size_t i = 0; i < d; i++)
                b[i * k + c] = sums_get(m, s->B, c * d + i) * scale[i] * quantum;
        }
        return;
    }
    size_t live = 0, at = 0;
    for (size_t i = 0; i < m->n_classes; i++)
        live += m->classes[i].n > 0;
    for (size_t c = 0; c < m->n_classes; c++) {
        const model_class *cls = &m->classes[m->order[c]];
        const double n = (double)cls->n;
        const double weight = m->c.reweight && n > 0 ? (double)m->total->n / ((double)live * n) : 1;

        if (!is_listed(m, m->order[c]))
            continue;
        yy[at] = n * weight;
        for (size_t i = 0; i < d; i++)
            b[i * k + at] = sums_get(m, cls->sums->layers[layer].B, i) * scale[i] * weight;
        at++;
    }
}
