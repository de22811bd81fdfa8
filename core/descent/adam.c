/* See adam.h. */
#include "descent/adam.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double eps = 1e-8, decay = 0.9, cut = 0.25, shortest = 1e-14;
enum { DECAY_STEPS = 10 };

zo_status zo_adam_init(adam *a, size_t n, zo_error *err)
{
    double **const vectors[] = {&a->x, &a->best, &a->g, &a->m, &a->v};

    a->n = n;
    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        if (!(*vectors[i] = zo_calloc(n + 1, sizeof **vectors[i])))
            return zo_fail_nomem(err);
    a->best_f = INFINITY;
    a->unit = 1;
    return ZO_OK;
}

void zo_adam_fini(adam *a)
{
    zo_free(a->x);
    zo_free(a->best);
    zo_free(a->g);
    zo_free(a->m);
    zo_free(a->v);
}

static double largest(const double *g, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(g[i]));
    return most;
}

/* x by one step along g; returns the longest move of a coordinate. */
static double step(adam *a, const adam_rates *r, const double *g)
{
    a->k++;
    a->n_steps++;
    const double k = (double)a->k, rate = a->rate * pow(decay, (double)(a->k / DECAY_STEPS));
    const double c1 = 1 - pow(r->beta1, k), c2 = 1 - pow(r->beta2, k);
    double longest = 0;

    for (size_t i = 0; i < a->n; i++) {
        const double u = zo_clip(g[i] / a->unit, -1e100, 1e100), from = a->x[i];
        a->m[i] = r->beta1 * a->m[i] + (1 - r->beta1) * u;
        a->v[i] = r->beta2 * a->v[i] + (1 - r->beta2) * u * u;
        a->x[i] = zo_clip(from - rate * (a->m[i] / c1) / sqrt(a->v[i] / c2 + eps), 0, 1);
        longest = fmax(longest, fabs(a->x[i] - from));
    }
    return longest;
}

/* A step that moves nothing ends the descent: at a corner, or where the gradient is zero. */
static void go_on(adam *a, const adam_rates *r, const double *g)
{
    a->live = a->n_steps < r->max_steps && step(a, r, g) > shortest;
}

static void go_back(adam *a, const adam_rates *r)
{
    if (++a->n_setbacks == ADAM_SETBACKS) {
        a->live = 0;
        return;
    }
    a->rate *= cut;
    a->k = a->idle = 0;
    memcpy(a->x, a->best, a->n * sizeof *a->x);
    memset(a->m, 0, a->n * sizeof *a->m);
    memset(a->v, 0, a->n * sizeof *a->v);
    go_on(a, r, a->g);
}

static void keep(adam *a, const double *x, double f, const double *g)
{
    a->best_f = f;
    memcpy(a->best, x, a->n * sizeof *a->best);
    memcpy(a->g, g, a->n * sizeof *a->g);
}

void zo_adam_start(adam *a, const adam_rates *r, const double *x, double f, const double *g, double rate)
{
    keep(a, x, f, g);
    memcpy(a->x, x, a->n * sizeof *a->x);
    memset(a->m, 0, a->n * sizeof *a->m);
    memset(a->v, 0, a->n * sizeof *a->v);
    a->rate = rate;
    a->k = a->n_steps = a->idle = a->n_setbacks = 0;
    a->unit = fmax(largest(g, a->n), DBL_MIN);
    go_on(a, r, g);
}

void zo_adam_tell(adam *a, const adam_rates *r, const double *x, double f, const double *g)
{
    if (f == INFINITY) {
        go_back(a, r);
        return;
    }
    memcpy(a->x, x, a->n * sizeof *a->x);
    a->idle = f < a->best_f ? 0 : a->idle + 1;
    if (f < a->best_f)
        keep(a, x, f, g);
    if (a->idle >= ADAM_STEPS)
        go_back(a, r);
    else
        go_on(a, r, g);
}

void zo_adam_visit(adam *a, zo_visit *v)
{
    uint64_t counts[] = {a->k, a->n_steps, a->idle, a->n_setbacks, a->live};

    zo_visit_f64_within(v, "x", a->x, a->n, 0, 1);
    zo_visit_f64_within(v, "best", a->best, a->n, 0, 1);
    zo_visit_f64_within(v, "g", a->g, a->n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "m", a->m, a->n, -1e100, 1e100);
    zo_visit_f64_within(v, "v", a->v, a->n, 0, 1e200);
    zo_visit_f64_within(v, "best_f", &a->best_f, 1, -DBL_MAX, INFINITY);
    zo_visit_f64_within(v, "rate", &a->rate, 1, 0, 1);
    zo_visit_f64_within(v, "unit", &a->unit, 1, DBL_MIN, DBL_MAX);
    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    a->k = counts[0];
    a->n_steps = counts[1];
    a->idle = counts[2];
    a->n_setbacks = counts[3];
    a->live = counts[4];
    zo_visit_require(v, "counts", a->idle <= ADAM_STEPS && a->n_setbacks <= ADAM_SETBACKS && a->live <= 1);
}
