/* See simplex.h. Vertices are kept as they were evaluated, edges are differences of them: both are exact to the last
 * bit, so that only the inverse gathers rounding errors. */
#include "cobyla/simplex.h"

#include <math.h>
#include <string.h>

#include "zeroth/linalg.h"

zo_status zo_cobyla_simplex_init(cobyla_simplex *s, size_t n, size_t m, zo_error *err)
{
    *s = (cobyla_simplex){.n = n, .m = m};
    s->x = zo_calloc(n + 1, n * sizeof *s->x);
    s->f = zo_calloc(n + 1, sizeof *s->f);
    s->c = zo_calloc(n + 1, m * sizeof *s->c);
    s->v = zo_calloc(n + 1, sizeof *s->v);
    s->inverse = zo_calloc(n, n * sizeof *s->inverse);
    s->sigma = zo_calloc(n, sizeof *s->sigma);
    s->eta = zo_calloc(n, sizeof *s->eta);
    s->g = zo_calloc(n, sizeof *s->g);
    s->A = zo_calloc(m, n * sizeof *s->A);
    s->edges = zo_calloc(n, n * sizeof *s->edges);
    return s->x && s->f && s->c && s->v && s->inverse && s->sigma && s->eta && s->g && s->A && s->edges
               ? ZO_OK
               : zo_fail_nomem(err);
}

void zo_cobyla_simplex_fini(cobyla_simplex *s)
{
    zo_free(s->x);
    zo_free(s->f);
    zo_free(s->c);
    zo_free(s->v);
    zo_free(s->inverse);
    zo_free(s->sigma);
    zo_free(s->eta);
    zo_free(s->g);
    zo_free(s->A);
    zo_free(s->edges);
}

void zo_cobyla_simplex_visit(cobyla_simplex *s, zo_visit *v)
{
    zo_visit_f64_within(v, "vertices", s->x, (s->n + 1) * s->n, 0, 1);
    zo_visit_f64(v, "values", s->f, s->n + 1);
    zo_visit_f64(v, "constraints", s->c, (s->n + 1) * s->m);
    zo_visit_f64(v, "violations", s->v, s->n + 1);
    zo_visit_f64(v, "inverse", s->inverse, s->n * s->n);
}

void zo_cobyla_simplex_set(cobyla_simplex *s, size_t j, const double *x, double f, const double *c)
{
    double most = 0;

    memmove(zo_cobyla_vertex(s, j), x, s->n * sizeof *x);
    s->f[j] = f;
    for (size_t k = 0; k < s->m; k++) {
        s->c[j * s->m + k] = c[k];
        most = fmax(most, c[k]);
    }
    s->v[j] = most;
}

/* ---- the inverse ---- */

static void edge(const cobyla_simplex *s, size_t j, double *e)
{
    const double *x = zo_cobyla_vertex(s, j), *base = zo_cobyla_vertex(s, s->n);

    for (size_t i = 0; i < s->n; i++)
        e[i] = x[i] - base[i];
}

static void swap_rows(double *a, double *b, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const double t = a[i];
        a[i] = b[i];
        b[i] = t;
    }
}

/* Gauss and Jordan with row pivots on E (row i, column j: coordinate i of edge j) beside the identity. */
bool zo_cobyla_simplex_invert(cobyla_simplex *s)
{
    const size_t n = s->n;
    double *E = s->edges, *I = s->inverse;

    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) {
            E[i * n + j] = zo_cobyla_vertex(s, j)[i] - zo_cobyla_vertex(s, n)[i];
            I[i * n + j] = i == j;
        }
    for (size_t k = 0; k < n; k++) {
        size_t p = k;
        for (size_t i = k + 1; i < n; i++)
            if (fabs(E[i * n + k]) > fabs(E[p * n + k]))
                p = i;
        const double pivot = E[p * n + k];
        if (pivot == 0 || !isfinite(1 / pivot))
            return false;
        swap_rows(E + k * n, E + p * n, p != k ? n : 0);
        swap_rows(I + k * n, I + p * n, p != k ? n : 0);
        for (size_t j = 0; j < n; j++) {
            E[k * n + j] /= pivot;
            I[k * n + j] /= pivot;
        }
        for (size_t i = 0; i < n; i++) {
            const double factor = E[i * n + k];
            if (i == k || factor == 0)
                continue;
            zo_axpy(n, -factor, E + k * n, E + i * n);
            zo_axpy(n, -factor, I + k * n, I + i * n);
        }
    }
    return true;
}

/* The sum of the edges has share 1 of each. */
bool zo_cobyla_simplex_is_spoiled(cobyla_simplex *s)
{
    const double *base = zo_cobyla_vertex(s, s->n);
    double *sum = s->edges, *share = s->edges + s->n;
    bool spoiled = false;

    if (s->n < 2)
        return false;
    for (size_t i = 0; i < s->n; i++) {
        sum[i] = 0;
        for (size_t j = 0; j < s->n; j++)
            sum[i] += zo_cobyla_vertex(s, j)[i] - base[i];
    }
    zo_cobyla_simplex_shares(s, sum, share);
    for (size_t j = 0; j < s->n; j++)
        spoiled |= !(fabs(share[j] - 1) <= 1e-6);
    return spoiled;
}

void zo_cobyla_simplex_rebase(cobyla_simplex *s, size_t j)
{
    const size_t n = s->n;
    double *row = s->inverse + j * n, t;

    swap_rows(zo_cobyla_vertex(s, j), zo_cobyla_vertex(s, n), n);
    swap_rows(s->c + j * s->m, s->c + n * s->m, s->m);
    t = s->f[j], s->f[j] = s->f[n], s->f[n] = t;
    t = s->v[j], s->v[j] = s->v[n], s->v[n] = t;
    for (size_t k = 0; k < n; k++)
        if (k != j)
            zo_axpy(n, 1, s->inverse + k * n, row);
    for (size_t i = 0; i < n; i++)
        row[i] = -row[i];
}

void zo_cobyla_simplex_shares(const cobyla_simplex *s, const double *d, double *y)
{
    for (size_t j = 0; j < s->n; j++)
        y[j] = zo_dot(s->n, s->inverse + j * s->n, d);
}

void zo_cobyla_simplex_move(cobyla_simplex *s, size_t j, const double *x, double f, const double *c, double *shares)
{
    double *row = s->inverse + j * s->n;

    for (size_t i = 0; i < s->n; i++)
        row[i] /= shares[j];
    for (size_t k = 0; k < s->n; k++)
        if (k != j)
            zo_axpy(s->n, -shares[k], row, s->inverse + k * s->n);
    zo_cobyla_simplex_set(s, j, x, f, c);
}

/* ---- what it tells ---- */

bool zo_cobyla_simplex_measure(cobyla_simplex *s, double low, double high)
{
    bool good = true;

    for (size_t j = 0; j < s->n; j++) {
        edge(s, j, s->edges);
        s->eta[j] = zo_norm2(s->n, s->edges);
        s->sigma[j] = 1 / zo_norm2(s->n, s->inverse + j * s->n);
        good &= s->sigma[j] >= low && s->eta[j] <= high;
    }
    return good;
}

/* Gradient = sum over the edges of the difference along it times its row of the inverse. */
static void model(const cobyla_simplex *s, const double *values, size_t stride, double *gradient)
{
    memset(gradient, 0, s->n * sizeof *gradient);
    for (size_t j = 0; j < s->n; j++)
        zo_axpy(s->n, values[j * stride] - values[s->n * stride], s->inverse + j * s->n, gradient);
}

void zo_cobyla_simplex_models(cobyla_simplex *s)
{
    model(s, s->f, 1, s->g);
    for (size_t k = 0; k < s->m; k++)
        model(s, s->c + k, s->m, s->A + k * s->n);
}
