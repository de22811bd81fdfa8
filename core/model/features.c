/* Feature expansions, exact: inputs are integers of q bits, the expansion's matrix is small integers drawn from the
 * seed (never sent or stored), so their product is exact in doubles whatever kernel or batch makes it; only then is it
 * rounded, once, to q bits again.
 *
 *   relu  max(0, P u)                          u_j = x_j / range_j
 *   rff   sqrt(2/D) cos(g u / scale + phase)   Rahimi & Recht, NIPS 2007: the Gaussian kernel exp(-|u - v|^2 / (2
 * scale^2)); g is a sum of twelve uniforms, for a normal draw needs a logarithm, whose bits vary rbf   exp(-|u - c|^2 /
 * (2 scale^2))        centres c drawn from the seed, uniform over the range */
#include "model/kind.h"

#include <cblas.h>
#include <math.h>
#include <string.h>
#include "model/elementary.h"
#include "zeroth/rng.h"

enum { RELU_BITS = 10, RFF_BITS = 16, RFF_MIN_BITS = 4, UNIFORMS = 12, UNIFORM_BITS = 24, EXACT_BITS = 53 };

static const double TWO_PI = 0x1.921fb54442d18p+2;

/* ---- drawing ---- */

static double relu_entry(uint64_t seed, uint64_t i)
{
    return (double)((int64_t)(zo_portable1_u64_at(seed, i) >> (64 - RELU_BITS - 1)) - (1 << RELU_BITS));
}

/* Nearly normal, variance 1, in units of 2^-UNIFORM_BITS. */
static int64_t normal_entry(uint64_t seed, uint64_t i)
{
    int64_t g = -(INT64_C(1) << UNIFORM_BITS) * UNIFORMS / 2;

    for (uint64_t u = 0; u < UNIFORMS; u++)
        g += (int64_t)(zo_portable1_u64_at(seed, i * UNIFORMS + u) >> (64 - UNIFORM_BITS));
    return g;
}

/* Smallest shift that brings every value of a column, for any inputs in range, back to q bits. */
static unsigned relu_shift(const features *f)
{
    double most = 1;
    unsigned shift = 0;

    for (size_t k = 0; k < f->n_expanded; k++) {
        double sum = 0;

        for (size_t j = 0; j < f->inputs; j++)
            sum += fabs(f->P[j * f->n_expanded + k]);
        most = sum > most ? sum : most;
    }
    while (ldexp(1, (int)shift) < most)
        shift++;
    return shift;
}

static zo_status init_relu(features *f, const zo_model_config *c, zo_error *err)
{
    const double unit = (double)(1 << RELU_BITS) * sqrt((double)f->inputs), quantum = ldexp(1, -(int)f->quant);

    for (size_t k = 0; k < f->n_expanded; k++)
        for (size_t j = 0; j < f->inputs; j++)
            f->P[j * f->n_expanded + k] = relu_entry(c->seed, k * f->inputs + j);
    f->shift = relu_shift(f);
    for (size_t k = 0; k < f->n_expanded; k++)
        f->scale[k] = ldexp(quantum, (int)f->shift) / unit;
    (void)err;
    return ZO_OK;
}

static zo_status init_rff(features *f, const zo_model_config *c, zo_error *err)
{
    const double most = (double)UNIFORMS / 2 / (TWO_PI * c->scale); /* of an entry, in turns */
    unsigned bits = RFF_BITS;

    while (bits >= RFF_MIN_BITS && (double)f->inputs * ldexp(most, (int)(f->quant + bits)) >= ldexp(1, EXACT_BITS))
        bits--;
    if (bits < RFF_MIN_BITS)
        return zo_fail(err, ZO_EINVAL, "/expansion/scale",
                       "scale is too small for so many inputs: the phases can't be exact");
    f->shift = f->quant + bits;
    for (size_t k = 0; k < f->n_expanded; k++) {
        for (size_t j = 0; j < f->inputs; j++) {
            const double g = (double)normal_entry(c->seed, k * f->inputs + j);

            f->P[j * f->n_expanded + k] = rint(g / (TWO_PI * c->scale) * ldexp(1, (int)bits - UNIFORM_BITS));
        }
        f->phase[k] = (int64_t)(zo_portable1_u64_at(~c->seed, k) >> (64 - f->shift));
        f->scale[k] = sqrt(2 / (double)f->n_expanded) * ldexp(1, -(int)f->quant);
    }
    return ZO_OK;
}

static zo_status init_rbf(features *f, const zo_model_config *c, zo_error *err)
{
    const int64_t most = INT64_C(1) << f->quant;

    if ((double)f->inputs * ldexp(1, 2 * (int)f->quant + 2) >= ldexp(1, 63))
        return zo_fail(err, ZO_EINVAL, "/quant", "distances of %zu inputs do not fit 64 bits at %u bits", f->inputs,
                       f->quant);
    for (size_t i = 0; i < f->n_expanded * f->inputs; i++)
        f->C[i] = (int32_t)((int64_t)(zo_portable1_u64_at(c->seed, i) >> (64 - f->quant - 1)) - most);
    f->exponent = -1 / (2 * c->scale * c->scale * ldexp(1, 2 * (int)f->quant));
    for (size_t k = 0; k < f->n_expanded; k++)
        f->scale[k] = ldexp(1, -(int)f->quant);
    return ZO_OK;
}

static void init_none(features *f, const zo_model_config *c)
{
    for (size_t j = 0; j < f->inputs; j++)
        f->scale[j] = ldexp(c->range[c->n_range == 1 ? 0 : j], -(int)f->quant);
}

zo_status features_init(features *f, const zo_model_config *c, zo_error *err)
{
    const size_t expanded = c->expansion == ZO_EXPAND_NONE ? 0 : c->features;
    zo_status rc = ZO_OK;

    *f = (features){.inputs = c->inputs,
                    .type = c->expansion,
                    .bias = c->bias,
                    .quant = c->quant,
                    .n_expanded = expanded,
                    .n = (expanded ? expanded : c->inputs) + c->bias};
    f->scale = zo_calloc(f->n, sizeof *f->scale);
    if (c->expansion == ZO_EXPAND_RELU || c->expansion == ZO_EXPAND_RFF)
        f->P = zo_memalign64(c->inputs * expanded * sizeof *f->P);
    if (c->expansion == ZO_EXPAND_RFF)
        f->phase = zo_calloc(expanded, sizeof *f->phase);
    if (c->expansion == ZO_EXPAND_RBF)
        f->C = zo_calloc(expanded * c->inputs, sizeof *f->C);
    if (!f->scale || (c->expansion == ZO_EXPAND_RBF && !f->C) || (c->expansion == ZO_EXPAND_RFF && !f->phase) ||
        ((c->expansion == ZO_EXPAND_RELU || c->expansion == ZO_EXPAND_RFF) && !f->P)) {
        features_fini(f);
        return zo_fail_nomem(err);
    }
    switch (c->expansion) {
    case ZO_EXPAND_NONE:
        init_none(f, c);
        break;
    case ZO_EXPAND_RELU:
        rc = init_relu(f, c, err);
        break;
    case ZO_EXPAND_RFF:
        rc = init_rff(f, c, err);
        break;
    case ZO_EXPAND_RBF:
        rc = init_rbf(f, c, err);
        break;
    }
    if (c->bias)
        f->scale[f->n - 1] = ldexp(1, -(int)f->quant);
    if (rc != ZO_OK)
        features_fini(f);
    return rc;
}

void features_fini(features *f)
{
    zo_free(f->P);
    zo_free(f->C);
    zo_free(f->phase);
    zo_free(f->scale);
    *f = (features){0};
}

size_t features_bytes(const features *f)
{
    return f->n * sizeof *f->scale + (f->P ? f->inputs * f->n_expanded * sizeof *f->P : 0) +
           (f->C ? f->inputs * f->n_expanded * sizeof *f->C : 0);
}

/* ---- making ---- */

static void project(const features *f, size_t rows, const double *x, double *out)
{
    cblas_dgemm(CblasColMajor, CblasNoTrans, CblasNoTrans, zo_blas_int(f->n_expanded), zo_blas_int(rows),
                zo_blas_int(f->inputs), 1.0, f->P, zo_blas_int(f->n_expanded), x, zo_blas_int(f->inputs), 0.0, out,
                zo_blas_int(f->n));
}

static void relu(const features *f, double *z)
{
    const double unit = ldexp(1, -(int)f->shift);

    for (size_t k = 0; k < f->n_expanded; k++)
        z[k] = z[k] > 0 ? rint(z[k] * unit) : 0;
}

static void cosine(const features *f, double *z)
{
    const int64_t mask = (INT64_C(1) << f->shift) - 1;
    const double turn = ldexp(1, -(int)f->shift), one = ldexp(1, (int)f->quant);

    for (size_t k = 0; k < f->n_expanded; k++)
        z[k] = rint(zo_fixed_cos_turns((double)(((int64_t)z[k] + f->phase[k]) & mask) * turn) * one);
}

static void radial(const features *f, const int32_t *x, double *z)
{
    const double one = ldexp(1, (int)f->quant);

    for (size_t k = 0; k < f->n_expanded; k++) {
        const int32_t *c = f->C + k * f->inputs;
        int64_t square = 0;

        for (size_t j = 0; j < f->inputs; j++) {
            const int64_t t = (int64_t)x[j] - c[j];
            square += t * t;
        }
        z[k] = rint(zo_fixed_exp((double)square * f->exponent) * one);
    }
}

void features_make(const features *f, const int32_t *x, size_t n_rows, double *work, double *out)
{
    const double one = ldexp(1, (int)f->quant);

    if (f->P) {
        for (size_t i = 0; i < n_rows * f->inputs; i++)
            work[i] = x[i];
        project(f, n_rows, work, out);
    }
    for (size_t r = 0; r < n_rows; r++) {
        double *row = out + r * f->n;

        switch (f->type) {
        case ZO_EXPAND_NONE:
            for (size_t j = 0; j < f->inputs; j++)
                row[j] = x[r * f->inputs + j];
            break;
        case ZO_EXPAND_RELU:
            relu(f, row);
            break;
        case ZO_EXPAND_RFF:
            cosine(f, row);
            break;
        case ZO_EXPAND_RBF:
            radial(f, x + r * f->inputs, row);
            break;
        }
        if (f->bias)
            row[f->n - 1] = one;
    }
}
