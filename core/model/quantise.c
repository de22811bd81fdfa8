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

enum { PIECE = 256 }; /* rows */

struct quantising {
    const zo_model *m;
    const void *x;
    zo_dtype t;
    size_t n;
    int32_t *out;
    size_t *bad; /* of each piece: the first number that is refused; SIZE_MAX: none */
};

static void quantise_piece(void *ctx, size_t piece, unsigned member)
{
    const struct quantising *q = ctx;
    const double *ranges = q->m->c.range, one = ldexp(1, (int)q->m->c.quant);
    const size_t columns = q->m->c.inputs, first = piece * PIECE, end = q->n - first < PIECE ? q->n : first + PIECE;
    const bool common = q->m->c.n_range == 1;
    double range = ranges[0], per_unit = one / range;

    (void)member;
    q->bad[piece] = SIZE_MAX;
    for (size_t r = first, i = first * columns; r < end; r++)
        for (size_t j = 0; j < columns; j++, i++) {
            const double v = load(q->x, q->t, i);

            if (!common) {
                range = ranges[j];
                per_unit = one / range;
            }
            if (!(fabs(v) <= range)) {
                q->bad[piece] = i;
                return;
            }
            q->out[i] = (int32_t)lrint(v * per_unit); /* one instruction, where rint is a call */
        }
}

zo_status zo_model_quantise(const zo_model *m, const void *x, zo_dtype t, size_t n, int32_t *out, zo_error *err)
{
    const size_t pieces = (n + PIECE - 1) / PIECE, columns = m->c.inputs;
    size_t one_bad, *bad = pieces > 1 ? zo_malloc(pieces * sizeof *bad) : &one_bad;
    struct quantising q = {m, x, t, n, out, bad};
    zo_status rc = ZO_OK;

    if (!bad)
        return zo_fail_nomem(err);
    zo_team_run(m->team, quantise_piece, &q, pieces);
    for (size_t p = 0; p < pieces && rc == ZO_OK; p++)
        if (bad[p] != SIZE_MAX)
            rc = refuse(load(x, t, bad[p]), bad[p], columns, m->c.range[m->c.n_range == 1 ? 0 : bad[p] % columns], err);
    if (bad != &one_bad)
        zo_free(bad);
    return rc;
}

zo_status zo_model_quantise_targets(const zo_model *m, const void *y, zo_dtype t, size_t n, int32_t *out, zo_error *err)
{
    const double per_unit = ldexp(1, (int)m->c.quant) / m->c.target_range;

    for (size_t i = 0; i < n * m->c.outputs; i++) {
        const double v = load(y, t, i);

        if (!(fabs(v) <= m->c.target_range))
            return refuse(v, i, m->c.outputs, m->c.target_range, err);
        out[i] = (int32_t)lrint(v * per_unit);
    }
    return ZO_OK;
}
