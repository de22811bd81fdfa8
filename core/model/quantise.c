/* Numbers to integers: x / range * 2^quant, rounded to nearest, ties to even. The division by a power of two is exact,
 * so the result is the same on every machine. Values beyond the range are refused, never clipped: a range that grew
 * with the data would depend on it. */
#include "model/kind.h"

#include <math.h>
#include <string.h>

static double load(const void *x, zo_dtype t, size_t i)
{
    if (t == ZO_F32) {
        float f;
        memcpy(&f, (const char *)x + i * sizeof f, sizeof f);
        return f;
    }
    double d;
    memcpy(&d, (const char *)x + i * sizeof d, sizeof d);
    return d;
}

static zo_status refuse(double v, size_t i, size_t columns, double range, zo_error *err)
{
    if (!isfinite(v))
        zo_fail(err, ZO_EINVAL, "", "must be a finite number");
    else
        zo_fail(err, ZO_EINVAL, "", "is beyond the declared range of %g", range);
    return zo_fail_at(err, "/%zu/%zu", i / columns, i % columns);
}

zo_status zo_model_quantise(const zo_model *m, const void *x, zo_dtype t, size_t n, int32_t *out, zo_error *err)
{
    const double one = ldexp(1, (int)m->c.quant);
    const size_t columns = m->c.inputs;
    const bool common = m->c.n_range == 1;

    for (size_t r = 0, i = 0; r < n; r++)
        for (size_t j = 0; j < columns; j++, i++) {
            const double v = load(x, t, i), range = m->c.range[common ? 0 : j];

            if (!(fabs(v) <= range))
                return refuse(v, i, columns, range, err);
            out[i] = (int32_t)rint(v * (one / range));
        }
    return ZO_OK;
}

zo_status zo_model_quantise_targets(const zo_model *m, const void *y, zo_dtype t, size_t n, int32_t *out, zo_error *err)
{
    const double per_unit = ldexp(1, (int)m->c.quant) / m->c.target_range;

    for (size_t i = 0; i < n * m->c.outputs; i++) {
        const double v = load(y, t, i);

        if (!(fabs(v) <= m->c.target_range))
            return refuse(v, i, m->c.outputs, m->c.target_range, err);
        out[i] = (int32_t)rint(v * per_unit);
    }
    return ZO_OK;
}
