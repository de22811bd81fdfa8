/* The end of a run: the rules and constants of the CMA-ES tutorial's program (pycma), with two departures. tolfun and
 * tolfunhist are relative to values above 1. The history that stagnation looks at has a fixed size: when it is full
 * every second entry goes, so that a long run costs no more than a short one. */
#include "cma/stops.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define LONGEST_STRIDE (UINT64_C(1) << 50)

const char *zo_cma_stop_name(cma_stop s)
{
    switch (s) {
    case CMA_GO_ON:
        return "none";
    case CMA_STOP_TOLFUN:
        return "tolfun";
    case CMA_STOP_TOLFUNHIST:
        return "tolfunhist";
    case CMA_STOP_TOLX:
        return "tolx";
    case CMA_STOP_CONDITION:
        return "conditioncov";
    case CMA_STOP_NO_EFFECT:
        return "noeffect";
    case CMA_STOP_FLAT:
        return "flat";
    case CMA_STOP_STAGNATION:
        return "stagnation";
    case CMA_STOP_STILL:
        return "tolxstagnation";
    case CMA_STOP_NUMERIC:
        return "numeric";
    case CMA_STOP_INFEASIBLE:
        return "infeasible";
    }
    return "none";
}

static size_t look_back(size_t n, size_t lambda)
{
    return 10 + (30 * n + lambda - 1) / lambda;
}

zo_status zo_cma_stops_init(cma_stops *s, size_t n, size_t lambda, zo_error *err)
{
    s->n = n;
    s->recent = zo_calloc(look_back(n, lambda), sizeof *s->recent);
    s->still = zo_calloc(n + 1, sizeof *s->still);
    return s->recent && s->still ? ZO_OK : zo_fail_nomem(err);
}

void zo_cma_stops_fini(cma_stops *s)
{
    zo_free(s->recent);
    zo_free(s->still);
}

void zo_cma_stops_start(cma_stops *s, size_t lambda, const double *m)
{
    s->lambda = lambda;
    s->cap_recent = look_back(s->n, lambda);
    s->n_recent = s->n_trend = 0;
    s->n_generations = s->record_at = s->n_flat = s->n_infeasible = s->still_at = 0;
    s->stride = 5;
    s->record = DBL_MAX;
    memcpy(s->still, m, s->n * sizeof *m);
}

static bool flat_history(const cma_stops *s, double tolerance)
{
    double low = DBL_MAX, high = -DBL_MAX;

    if (s->n_recent < s->cap_recent)
        return false;
    for (size_t i = 0; i < s->cap_recent; i++) {
        low = fmin(low, s->recent[i]);
        high = fmax(high, s->recent[i]);
    }
    return high - low < tolerance;
}

static double median_of(const double *x, size_t n)
{
    double a[CMA_TREND];

    for (size_t i = 0; i < n; i++) {
        size_t j = i;
        for (; j > 0 && a[j - 1] > x[i]; j--)
            a[j] = a[j - 1];
        a[j] = x[i];
    }
    return 0.5 * (a[(n - 1) / 2] + a[n / 2]);
}

static void remember_trend(cma_stops *s, double best, double median)
{
    if (s->n_trend == CMA_TREND) {
        s->n_trend /= 2;
        s->stride *= 2;
        for (size_t i = 0; i < s->n_trend; i++) {
            s->best[i] = s->best[2 * i + 1];
            s->median[i] = s->median[2 * i + 1];
        }
    }
    s->best[s->n_trend] = best;
    s->median[s->n_trend++] = median;
}

/* Neither best nor median of the newer half of the window is better than that of the older half. */
static bool stagnates(const cma_stops *s)
{
    const double n = (double)s->n, lambda = (double)s->lambda, g = (double)s->n_generations;
    const double patience = 100 + floor(100 * n * sqrt(n) / lambda);
    const size_t l = (size_t)(fmax(patience / 2, g / 10) / (double)s->stride) + 1;

    if (g <= n * (5 + 100 / lambda) || g <= 500 || s->n_trend < 2 * l || g - (double)s->record_at <= patience / 2)
        return false;
    const double *best = s->best + s->n_trend - l, *median = s->median + s->n_trend - l;
    return median_of(best, l) >= median_of(best - l, l) && median_of(median, l) >= median_of(median - l, l);
}

static bool no_effect(const cma_gauss *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (g->m[i] == g->m[i] + 0.2 * g->sigma * sqrt(zo_cma_variance(g, i)))
            return true;
    if (g->shape != CMA_FULL)
        return false;
    const size_t axis = g->g % g->n;
    for (size_t i = 0; i < g->n; i++)
        if (g->m[i] != g->m[i] + 0.1 * g->sigma * g->T.a[i + axis * g->ld])
            return false;
    return true;
}

static bool shrunk(const cma_gauss *g, const uint8_t *is_real)
{
    bool any = false;

    for (size_t i = 0; i < g->n; i++) {
        if (!is_real[i])
            continue;
        if (zo_cma_deviation(g, i) >= 1e-11 || g->sigma * fabs(g->p_c[i]) >= 1e-11)
            return false;
        any = true;
    }
    return any;
}

static bool ill_conditioned(const cma_gauss *g)
{
    double low = DBL_MAX, high = 0;

    for (size_t i = 0; i < g->n; i++) {
        low = fmin(low, g->D[i]);
        high = fmax(high, g->D[i]);
    }
    if (g->shape == CMA_LOW_RANK)
        high *= sqrt(zo_cma_low_rank_widest(&g->low));
    return high > 1e7 * low;
}

/* Has the mean stayed within 1e-9 for long? */
static bool stands_still(cma_stops *s, const cma_gauss *g)
{
    double square = 0;

    for (size_t i = 0; i < g->n; i++)
        square += (g->m[i] - s->still[i]) * (g->m[i] - s->still[i]);
    if (square >= 1e-18) {
        memcpy(s->still, g->m, g->n * sizeof *g->m);
        s->still_at = g->g;
        return false;
    }
    return (double)(g->g - s->still_at) > 20 + 0.1 * (double)g->g;
}

cma_stop zo_cma_stops_check(cma_stops *s, const cma_gauss *g, const double *f, size_t n_f, size_t lambda,
                            const uint8_t *is_real, double share)
{
    if (g->n_resets >= 3 || !zo_cma_gauss_is_sound(g))
        return CMA_STOP_NUMERIC;
    if (n_f == 0)
        return CMA_GO_ON;
    const double scale = fmax(1, fabs(f[0])), best = f[0], median = f[n_f / 2];
    const size_t upper = (3 * lambda + 3) / 4 - 1;
    s->recent[s->n_generations % s->cap_recent] = best;
    s->n_recent += s->n_recent < s->cap_recent;
    s->n_generations++;
    if (best < s->record) {
        s->record = best;
        s->record_at = s->n_generations;
    }
    s->n_flat = upper < n_f && f[upper] == best ? s->n_flat + 1 : 0;

    if ((double)s->n_flat > (share > 0 ? 3 + 30 * share : 1))
        return CMA_STOP_FLAT;
    if (g->n == 0)
        return CMA_GO_ON;
    if (shrunk(g, is_real))
        return CMA_STOP_TOLX;
    if (ill_conditioned(g))
        return CMA_STOP_CONDITION;
    if (no_effect(g))
        return CMA_STOP_NO_EFFECT;
    if (share < 1 && f[n_f - 1] - best < 1e-11 * scale && flat_history(s, 1e-11 * scale))
        return CMA_STOP_TOLFUN;
    if (share < 1 && flat_history(s, 1e-12 * scale))
        return CMA_STOP_TOLFUNHIST;
    if (share == 0 && stands_still(s, g))
        return CMA_STOP_STILL;
    if (s->n_generations % s->stride == 0) {
        remember_trend(s, best, median);
        if (stagnates(s))
            return CMA_STOP_STAGNATION;
    }
    return CMA_GO_ON;
}

void zo_cma_stops_visit(cma_stops *s, zo_visit *v)
{
    uint64_t *const fields[] = {&s->n_generations, &s->stride,       &s->record_at,
                                &s->n_flat,        &s->n_infeasible, &s->still_at};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_count(v, "stop_n_recent", &s->n_recent, s->cap_recent);
    zo_visit_count(v, "stop_n_trend", &s->n_trend, CMA_TREND);
    zo_visit_u64(v, "stop_counts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
    zo_visit_require(v, "stop_counts", s->stride >= 1 && s->stride <= LONGEST_STRIDE);
    zo_visit_f64_within(v, "stop_recent", s->recent, s->cap_recent, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "stop_best", s->best, CMA_TREND, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "stop_median", s->median, CMA_TREND, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "stop_record", &s->record, 1, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "stop_still", s->still, s->n, -CMA_FARTHEST, CMA_FARTHEST);
}
