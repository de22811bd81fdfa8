/* One dimension's values and its map to [0,1].
 *
 * Real: linear, log, or reverse log, x = low + high - L(1-u) with L the log map. Levels (int, stepped float, choices): a linear scale
 * cuts [0,1] into equal cells; a log scale maps [low - step/2, high + step/2] and rounds, so the cell of a level is the image of the
 * half step around it. Encoding gives a point inside the cell that decodes to the same level, always: a log scale must therefore not
 * have steps finer than its logarithms can tell apart, and a linear one with more than 2^50 levels is done in integers. */
#include "space/space_private.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

__extension__ typedef unsigned __int128 uint128;

/* Steps as fine as this, relative to the largest value, survive printing at 15 digits and a log and exp (each within 1e-13). */
#define FINEST_STEP 1e-12
#define WIDE_LEVELS 1125899906842624 /* 2^50 */

static double round_15_digits(double x)
{
    char text[32];

    snprintf(text, sizeof text, "%.15g", x);
    return strtod(text, NULL);
}

double domain_level(const struct domain *d, double k)
{
    const double v = d->base + k * d->step;

    return d->stepped_float ? round_15_digits(v) : v;
}

static zo_status count_int_levels(struct domain *d, zo_error *err)
{
    const int64_t span = (int64_t)d->high - (int64_t)d->low;

    if (span >= (INT64_C(1) << 53))
        return zo_fail(err, ZO_EINVAL, "/high", "[%.17g, %.17g] holds more than 2^53 integers", d->low, d->high);
    d->levels = d->step > (double)span ? 1 : (uint64_t)(span / (int64_t)d->step) + 1;
    return ZO_OK;
}

static zo_status count_float_levels(struct domain *d, zo_error *err)
{
    const double largest = fmax(fabs(d->low), fabs(d->high));

    if (d->step < DBL_MIN || d->step < FINEST_STEP * largest)
        return zo_fail(err, ZO_EINVAL, "/step", "step %.15g is too fine for values up to %.15g", d->step, largest);
    /* (0.3 - 0) / 0.1 is below 3: allow for the rounding of the three numbers and of the quotient. Halves can't overflow. */
    const double slack = 1e-9 + 4 * 0x1p-52 * (largest / d->step);
    d->levels = (uint64_t)floor((d->high / 2 - d->low / 2) / (d->step / 2) + slack) + 1;
    return ZO_OK;
}

static zo_status log_ends(struct domain *d, const char *step_field, zo_error *err)
{
    if (!(d->low > 0))
        return zo_fail(err, ZO_EINVAL, "/low", "low %.15g must be above 0 on a log scale", d->low);
    if (d->levels > 1 && d->step < FINEST_STEP * d->high)
        return zo_fail(err, ZO_EINVAL, step_field, "step %.15g is too fine for a log scale up to %.15g", d->step, d->high);
    const double border = d->low - d->step / 2; /* at or below 0 it has no logarithm: half way to 0 then */
    d->log_low = log(border > 0 ? border : d->low / 2);
    d->log_high = log(d->high + d->step / 2);
    return ZO_OK;
}

static zo_status check_range(const zo_param_spec *spec, zo_error *err)
{
    if (!isfinite(spec->low))
        return zo_fail(err, ZO_EINVAL, "/low", "low must be finite");
    if (!isfinite(spec->high))
        return zo_fail(err, ZO_EINVAL, "/high", "high must be finite");
    if (!isfinite(spec->step) || spec->step < 0)
        return zo_fail(err, ZO_EINVAL, "/step", "step %.15g must be above 0", spec->step);
    if (spec->scale != ZO_LINEAR && spec->scale != ZO_LOG && spec->scale != ZO_REVERSE_LOG)
        return zo_fail(err, ZO_EINVAL, "/scale", "unknown scale");
    if (spec->type != ZO_INT) {
        if (!(spec->high > spec->low))
            return zo_fail(err, ZO_EINVAL, "/high", "high %.15g must exceed low %.15g", spec->high, spec->low);
        return ZO_OK;
    }
    if (spec->low != floor(spec->low) || fabs(spec->low) > MAX_INTEGER)
        return zo_fail(err, ZO_EINVAL, "/low", "low %.17g must be an integer within 2^53", spec->low);
    if (spec->high != floor(spec->high) || fabs(spec->high) > MAX_INTEGER)
        return zo_fail(err, ZO_EINVAL, "/high", "high %.17g must be an integer within 2^53", spec->high);
    if (spec->step != floor(spec->step))
        return zo_fail(err, ZO_EINVAL, "/step", "step %.15g of an int must be an integer", spec->step);
    if (spec->high < spec->low) /* one value is a range of integers */
        return zo_fail(err, ZO_EINVAL, "/high", "high %.17g must not be below low %.17g", spec->high, spec->low);
    return ZO_OK;
}

zo_status domain_init(struct domain *d, const zo_param_spec *spec, zo_error *err)
{
    zo_status rc;

    *d = (struct domain){.scale = ZO_LINEAR, .step = 1};
    switch (spec->type) {
    case ZO_CATEGORICAL:
    case ZO_ORDINAL:
    case ZO_BOOL:
        d->levels = spec->type == ZO_BOOL ? 2 : spec->n_choices;
        d->high = (double)d->levels - 1;
        return ZO_OK;
    case ZO_FIXED:
        return ZO_OK;
    case ZO_FLOAT:
    case ZO_INT:
    case ZO_VECTOR:
        break;
    }
    if ((rc = check_range(spec, err)) != ZO_OK)
        return rc;
    d->scale = spec->scale;
    d->low = d->base = spec->low;
    d->high = spec->high;
    d->step = spec->type == ZO_INT && spec->step == 0 ? 1 : spec->step;
    d->stepped_float = spec->type != ZO_INT && d->step > 0;
    if (d->step > 0) {
        if ((rc = d->stepped_float ? count_float_levels(d, err) : count_int_levels(d, err)) != ZO_OK)
            return rc;
        d->low = domain_level(d, 0); /* also printed at 15 digits */
        d->high = domain_level(d, (double)(d->levels - 1));
    }
    return d->scale == ZO_LINEAR ? ZO_OK : log_ends(d, spec->step > 0 ? "/step" : "/high", err);
}

static double log_map(const struct domain *d, double u)
{
    return exp(d->log_low + u * (d->log_high - d->log_low));
}

static double log_unmap(const struct domain *d, double x)
{
    return (log(x) - d->log_low) / (d->log_high - d->log_low);
}

double domain_snap(const struct domain *d, double v, double *off_out)
{
    const double k = d->levels > 1 ? zo_clip(rint((v - d->base) / d->step), 0, (double)(d->levels - 1)) : 0;
    const double snapped = domain_level(d, k);

    *off_out = fabs(v - snapped) / d->step;
    return snapped;
}

/* floor(u L), and a u in the middle of cell k. Up to 2^50 levels the roundings of (k + 0.5) / L * L stay below a half. */
static double cell_of(uint64_t levels, double u)
{
    if (levels <= WIDE_LEVELS)
        return zo_clip(floor(u * (double)levels), 0, (double)(levels - 1));
    if (u >= 1)
        return (double)(levels - 1);
    return (double)(uint64_t)((uint128)(uint64_t)(u * 0x1p53) * levels >> 53);
}

static double middle_of(uint64_t levels, double k)
{
    if (levels <= WIDE_LEVELS)
        return (k + 0.5) / (double)levels;
    /* a cell is at least 2^-53 wide: the grid point at or below its middle, or the next one if that is in the cell before */
    uint64_t j = (uint64_t)((((uint128)(uint64_t)k * 2 + 1) << 52) / levels);
    if ((uint64_t)((uint128)j * levels >> 53) < (uint64_t)k)
        j++;
    return (double)j * 0x1p-53;
}

double domain_from_unit(const struct domain *d, double u)
{
    double v = d->low, off;

    if (!(u > 0)) /* NaN too */
        u = 0;
    if (d->levels == 1 || u == 0)
        return d->low;
    if (u >= 1)
        return d->high;
    switch (d->scale) {
    case ZO_LINEAR:
        if (d->levels > 0)
            return domain_level(d, cell_of(d->levels, u));
        v = d->low * (1 - u) + d->high * u; /* the difference of the ends may overflow */
        break;
    case ZO_LOG:
        v = log_map(d, u);
        break;
    case ZO_REVERSE_LOG:
        v = d->low + d->high - log_map(d, 1 - u);
        break;
    }
    v = zo_clip(v, d->low, d->high);
    return d->levels > 0 ? domain_snap(d, v, &off) : v;
}

double domain_to_unit(const struct domain *d, double v)
{
    double u = 0.5;

    if (d->levels == 1)
        return 0.5;
    if (d->levels == 0 && v <= d->low)
        return 0;
    if (d->levels == 0 && v >= d->high)
        return 1;
    switch (d->scale) {
    case ZO_LINEAR:
        if (d->levels > 0)
            return middle_of(d->levels, zo_clip(rint((v - d->base) / d->step), 0, (double)(d->levels - 1)));
        if (isfinite(d->high - d->low))
            u = (v - d->low) / (d->high - d->low);
        else
            u = (v / 2 - d->low / 2) / (d->high / 2 - d->low / 2);
        break;
    case ZO_LOG:
        u = log_unmap(d, v);
        break;
    case ZO_REVERSE_LOG:
        u = 1 - log_unmap(d, d->low + d->high - v);
        break;
    }
    return zo_clip(u, 0, 1);
}

/* dv/du is high - low, or on the log scales the distance from the map's zero times the logarithm of the ratio of the ends. */
double domain_scale_derivative(const struct domain *d, double v, double dv)
{
    const double ratio = d->log_high - d->log_low;
    double du = 0;

    ZO_ASSERT(d->levels == 0);
    switch (d->scale) {
    case ZO_LINEAR:
        du = 2 * (dv * (d->high / 2 - d->low / 2)); /* the difference of the ends may overflow */
        break;
    case ZO_LOG:
        du = dv * (v * ratio);
        break;
    case ZO_REVERSE_LOG:
        du = dv * ((d->low + d->high - v) * ratio);
        break;
    }
    return zo_clip(du, -DBL_MAX, DBL_MAX);
}
