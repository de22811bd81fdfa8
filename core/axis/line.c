/* See line.h. Local: Brent's parabolas, kept apart from the ends of the bracket. Global: STEP ("select the easiest
 * point"): an interval is as easy as the parabola that passes through its ends and dips to the target is flat. Sources:
 * Brent, "Algorithms for minimization without derivatives", 1973; Swarzberg, Seront and Bersini, "S.T.E.P.: the easiest
 * way to optimize a function", IEEE ICEC 1994, doi:10.1109/ICEC.1994.349896; the combination: Posik and Baudis,
 * "Dimension selection in axis-parallel Brent-STEP method", GECCO 2015, doi:10.1145/2739482.2768469. */
#include "axis/line.h"

#include <math.h>
#include <string.h>

enum { FIRST_CAP = 16, BISECT_EVERY = 4 };
static const double same_place = 1e-12, least_bracket = 1e-10, least_interval = 1e-9, tiny_bracket = 1e-6;
static const double most_curvature = 100; /* STEP gives up beyond this multiple of what was seen */

/* ---- the list ---- */

zo_status zo_axis_line_init(axis_line *l, zo_error *err)
{
    return zo_axis_line_reserve(l, FIRST_CAP, err);
}

void zo_axis_line_fini(axis_line *l)
{
    zo_free(l->t); /* v and w are in the same block */
}

zo_status zo_axis_line_reserve(axis_line *l, size_t more, zo_error *err)
{
    size_t cap = l->cap > 0 ? l->cap : FIRST_CAP;

    if (l->size + more <= l->cap)
        return ZO_OK;
    while (cap < l->size + more)
        cap *= 2;
    double *t = zo_calloc(cap, 3 * sizeof *t);
    if (t == NULL)
        return zo_fail_nomem(err);
    double *v = t + cap, *w = v + cap;
    if (l->size > 0) {
        memcpy(t, l->t, l->size * sizeof *t);
        memcpy(v, l->v, l->size * sizeof *v);
        memcpy(w, l->w, l->size * sizeof *w);
    }
    zo_free(l->t);
    l->t = t;
    l->v = v;
    l->w = w;
    l->cap = cap;
    return ZO_OK;
}

/* How many of the rising x [n] are less than y. */
static size_t lower_bound(const double *x, size_t n, double y)
{
    size_t low = 0;

    while (low < n) {
        const size_t middle = low + (n - low) / 2;
        if (x[middle] < y)
            low = middle + 1;
        else
            n = middle;
    }
    return low;
}

static void insert(double *x, size_t n, size_t k, double y)
{
    memmove(x + k + 1, x + k, (n - k) * sizeof *x);
    x[k] = y;
}

void zo_axis_line_add(axis_line *l, double t, double v)
{
    const size_t k = lower_bound(l->t, l->size, t);

    ZO_ASSERT(l->size < l->cap);
    insert(l->t, l->size, k, t);
    insert(l->v, l->size, k, v);
    insert(l->w, l->size, lower_bound(l->w, l->size, v), v);
    l->at += l->size > 0 && k <= l->at;
    l->size++;
}

bool zo_axis_line_knows(const axis_line *l, double t)
{
    const size_t k = lower_bound(l->t, l->size, t);

    return (k < l->size && l->t[k] - t < same_place) || (k > 0 && t - l->t[k - 1] < same_place);
}

size_t zo_axis_line_best(const axis_line *l)
{
    size_t best = l->at;

    for (size_t k = 0; k < l->size; k++)
        if (l->v[k] < l->v[best])
            best = k;
    return best;
}

void zo_axis_line_move(axis_line *l, size_t k)
{
    const double v = l->v[k];

    for (size_t i = 0; i < l->size; i++) {
        l->v[i] -= v;
        l->w[i] -= v;
    }
    l->at = k;
}

static size_t n_valued(const axis_line *l)
{
    return lower_bound(l->w, l->size, INFINITY);
}

double zo_axis_line_spread(const axis_line *l)
{
    const size_t n = n_valued(l);

    return n > 0 ? l->w[n - 1] - l->w[0] : 0;
}

/* ---- near the best point ---- */

/* Half the second derivative of the parabola through the points k - 1, k, k + 1. */
static double bend(const axis_line *l, size_t k)
{
    const double *t = l->t + k - 1, *v = l->v + k - 1;

    return ((v[2] - v[1]) / (t[2] - t[1]) - (v[1] - v[0]) / (t[1] - t[0])) / (t[2] - t[0]);
}

static double vertex(const axis_line *l, size_t k, double a)
{
    const double *t = l->t + k - 1, *v = l->v + k - 1;
    const double slope = (v[1] - v[0]) / (t[1] - t[0]) + a * (t[1] - t[0]); /* at k */

    return t[1] - slope / (2 * a);
}

double zo_axis_line_vertex(const axis_line *l, double most)
{
    const double from = l->t[l->at], a = bend(l, 1);
    double to = a > 0 ? vertex(l, 1, a) : NAN;

    if (isnan(to))
        to = l->v[0] < l->v[2] ? -INFINITY : l->v[0] > l->v[2] ? INFINITY : from;
    return zo_clip(zo_clip(to, from - most, from + most), 0, 1);
}

static double new_place(const axis_line *l, double t)
{
    return isfinite(t) && !zo_axis_line_knows(l, t) ? t : NAN;
}

/* The best point b lies between its neighbours a and c. */
static double inside(axis_line *l, size_t k)
{
    const double a = l->t[k - 1], b = l->t[k], c = l->t[k + 1], longer = c - b > b - a ? c : a;

    if (c - a < least_bracket)
        return NAN;
    const double half_bend = bend(l, k);
    if (c - a > tiny_bracket && isfinite(half_bend))
        l->curvature = fmax(l->curvature, 2 * half_bend);
    if (l->n_local % BISECT_EVERY == 0)
        return (b + longer) / 2;
    const double shortest = fmax(least_bracket, 1e-3 * fmin(b - a, c - b));
    double t = half_bend > 0 ? vertex(l, k, half_bend) : NAN;
    if (!isfinite(t))
        t = (a + c) / 2;
    if (fabs(t - b) < shortest)
        t = longer > b ? b + shortest : b - shortest;
    return zo_clip(t, a + 0.01 * (c - a), c - 0.01 * (c - a));
}

double zo_axis_line_local(axis_line *l)
{
    const size_t k = zo_axis_line_best(l);

    if (l->size < 2 || l->size >= AXIS_MOST_POINTS)
        return NAN;
    l->n_local++;
    if (k > 0 && k + 1 < l->size)
        return new_place(l, inside(l, k));
    const double gap = k == 0 ? l->t[1] - l->t[0] : l->t[k - 1] - l->t[k];
    return fabs(gap) < least_bracket ? NAN : new_place(l, l->t[k] + 0.1 * gap);
}

/* ---- anywhere ---- */

/* The easiest interval, SIZE_MAX if none is left, and the root of half the second derivative that it takes. */
static size_t easiest(const axis_line *l, double *root)
{
    const double low = l->w[0], median = l->w[n_valued(l) / 2];
    const double target = low - fmax(1e-8, isfinite(median) ? 0.01 * (median - low) : 0);
    size_t k = SIZE_MAX;

    *root = INFINITY;
    for (size_t j = 0; j + 1 < l->size; j++) {
        const double width = l->t[j + 1] - l->t[j];
        const double r = (sqrt(l->v[j] - target) + sqrt(l->v[j + 1] - target)) / width;
        if (width < least_interval || !(r < *root))
            continue;
        *root = r;
        k = j;
    }
    return k;
}

double zo_axis_line_step(const axis_line *l)
{
    double root;
    size_t k;

    if (l->size < 2 || l->size >= AXIS_MOST_POINTS || (k = easiest(l, &root)) == SIZE_MAX)
        return NAN;
    return new_place(l, l->t[k] + (l->t[k + 1] - l->t[k]) / 2);
}

bool zo_axis_line_is_spent(const axis_line *l)
{
    const size_t k = zo_axis_line_best(l);
    const double a = l->t[k > 0 ? k - 1 : 0], c = l->t[k + 1 < l->size ? k + 1 : k];
    double root;

    if (l->size >= AXIS_MOST_POINTS || easiest(l, &root) == SIZE_MAX)
        return true;
    return c - a < tiny_bracket && 2 * root * root > most_curvature * l->curvature;
}

/* ---- snapshot: all lines' points in one row ---- */

enum { N_COUNTS = 3 };

/* Loading: what the row of points must have. */
static bool counts_are_sound(const uint64_t *counts, size_t n, size_t total)
{
    uint64_t sum = 0;

    for (size_t i = 0; i < n; i++, counts += N_COUNTS) {
        if (counts[0] > AXIS_MOST_POINTS || (counts[1] >= counts[0] && counts[1] > 0))
            return false;
        sum += counts[0];
    }
    return sum == total;
}

static bool points_are_sound(const double *t, const double *values, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if ((k > 0 && !(t[k - 1] < t[k])) || !(values[k] > -INFINITY))
            return false;
    return true;
}

static void load_line(axis_line *l, const uint64_t *counts, const double *t, const double *values, zo_visit *v)
{
    const size_t size = (size_t)counts[0];

    zo_visit_require(v, "line.t", points_are_sound(t, values, size));
    if (v->status == ZO_OK)
        v->status = zo_axis_line_reserve(l, size, v->err);
    if (v->status != ZO_OK)
        return;
    for (size_t k = 0; k < size; k++)
        zo_axis_line_add(l, t[k], values[k]);
    l->at = (size_t)counts[1];
    l->n_local = counts[2];
}

/* row [2][total]: all places, all values. */
static void visit_points(axis_line *lines, size_t n, const uint64_t *counts, double *row, size_t total, zo_visit *v)
{
    double *t = row, *values = row + total;

    for (size_t i = 0, k = 0; !v->loading && i < n; k += lines[i++].size) {
        memcpy(t + k, lines[i].t, lines[i].size * sizeof *t);
        memcpy(values + k, lines[i].v, lines[i].size * sizeof *t);
    }
    zo_visit_f64_within(v, "line.t", t, total, 0, 1);
    zo_visit_f64(v, "line.v", values, total);
    for (size_t i = 0, k = 0; v->loading && v->status == ZO_OK && i < n; k += counts[N_COUNTS * i++])
        load_line(&lines[i], counts + N_COUNTS * i, t + k, values + k, v);
}

/* What is no point. Returns how many points there are. */
static size_t visit_counts(axis_line *lines, size_t n, uint64_t *counts, double *curvature, zo_visit *v)
{
    size_t total = 0;

    for (size_t i = 0; i < n; i++) {
        counts[N_COUNTS * i] = lines[i].size;
        counts[N_COUNTS * i + 1] = lines[i].at;
        counts[N_COUNTS * i + 2] = lines[i].n_local;
        curvature[i] = lines[i].curvature;
        total += lines[i].size;
    }
    zo_visit_u64(v, "line.counts", counts, N_COUNTS * n);
    zo_visit_f64_within(v, "line.curvature", curvature, n, 0, INFINITY);
    if (!v->loading)
        return total;
    total = zo_visit_length(v, "line.t");
    zo_visit_require(v, "line.counts", counts_are_sound(counts, n, total));
    for (size_t i = 0; i < n; i++)
        lines[i].curvature = curvature[i];
    return total;
}

void zo_axis_lines_visit(axis_line *lines, size_t n, zo_visit *v)
{
    uint64_t *counts = zo_calloc(n, N_COUNTS * sizeof *counts);
    double *curvature = zo_calloc(n, sizeof *curvature), *row = NULL;

    if (counts != NULL && curvature != NULL) {
        const size_t total = visit_counts(lines, n, counts, curvature, v);
        row = zo_calloc(total, 2 * sizeof *row);
        if (row != NULL)
            visit_points(lines, n, counts, row, total, v);
    }
    if (v->status == ZO_OK && row == NULL)
        v->status = zo_fail_nomem(v->err);
    zo_free(counts);
    zo_free(curvature);
    zo_free(row);
}
