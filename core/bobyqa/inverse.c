/* See inverse.h. Letters as in Powell 2004: Omega = Z Z', and B with the rows of the points above those of the
 * coordinates; the row and column of the constant term are never needed. Cost: O(n^2). */
#include "bobyqa/inverse.h"

#include <math.h>
#include <string.h>

#include "bobyqa/vector.h"

void zo_bobyqa_omega(const bobyqa_model *q, size_t k, double *out)
{
    memset(out, 0, q->m * sizeof *out);
    for (size_t j = 0; j < q->n; j++)
        add(out, q->Z[j * q->m + k], q->Z + j * q->m, q->m);
}

/* The column that x would be in the matrix, less that of the best point, is (w, d): (w, d) times the inverse gives the
 * Lagrange functions, and the quadratic form of it gives beta. */
void zo_bobyqa_lagrange(bobyqa_model *q, const double *x)
{
    const size_t n = q->n, m = q->m;
    const double *best = zo_bobyqa_best(q), *origin = q->z + q->best * n;
    double *w = q->scratch, *d = w + m, form = 0;

    for (size_t j = 0; j < n; j++)
        d[j] = x[j] - best[j];
    for (size_t k = 0; k < m; k++) {
        const double *z = q->z + k * n, along = dot(z, d, n);
        w[k] = along * (0.5 * along + dot(z, origin, n));
        q->lagrange[k] = dot(q->B + k * n, d, n);
        q->divisor[k] = 0;
    }
    for (size_t j = 0; j < n; j++) {
        const double *row = q->Z + j * m, part = dot(row, w, m);
        form += part * part;
        for (size_t k = 0; k < m; k++) {
            q->lagrange[k] += part * row[k];
            q->divisor[k] += row[k] * row[k];
        }
    }
    double *lower = q->lagrange + m;
    memset(lower, 0, n * sizeof *lower);
    for (size_t k = 0; k < m; k++)
        add(lower, w[k], q->B + k * n, n);
    form += dot(lower, d, n);
    for (size_t i = 0; i < n; i++)
        lower[i] += dot(q->B + (m + i) * n, d, n);
    form += dot(lower, d, n);
    const double dd = dot(d, d, n), along = dot(d, origin, n);
    q->beta = along * along + dd * (dot(origin, origin, n) + 2 * along + 0.5 * dd) - form;
    q->lagrange[q->best] += 1;
    for (size_t k = 0; k < m; k++)
        q->divisor[k] = q->beta * q->divisor[k] + q->lagrange[k] * q->lagrange[k];
}

/* Rotate the rows of Z until only the first has an entry at point k. */
static void gather(bobyqa_model *q, size_t k)
{
    const size_t m = q->m;
    double *first = q->Z;

    for (size_t j = 1; j < q->n; j++) {
        double *row = q->Z + j * m;
        const double length = hypot(first[k], row[k]);
        if (row[k] == 0)
            continue;
        const double c = first[k] / length, s = row[k] / length;
        for (size_t i = 0; i < m; i++) {
            const double old = first[i];
            first[i] = c * old + s * row[i];
            row[i] = c * row[i] - s * old;
        }
        row[k] = 0;
    }
}

void zo_bobyqa_inverse_update(bobyqa_model *q, size_t k)
{
    const size_t n = q->n, m = q->m;
    double *column = q->scratch, *lagrange = q->lagrange; /* column k of the inverse */

    gather(q, k);
    for (size_t i = 0; i < m; i++)
        column[i] = q->Z[k] * q->Z[i];
    memcpy(column + m, q->B + k * n, n * sizeof *column);
    const double alpha = column[k], tau = lagrange[k], divisor = alpha * q->beta + tau * tau, root = sqrt(divisor);
    const double keep = tau / root, mix = q->Z[k] / root;
    lagrange[k] -= 1;
    for (size_t i = 0; i < m; i++)
        q->Z[i] = keep * q->Z[i] - mix * lagrange[i];
    for (size_t j = 0; j < n; j++) {
        const double a = (alpha * lagrange[m + j] - tau * column[m + j]) / divisor;
        const double b = (-q->beta * column[m + j] - tau * lagrange[m + j]) / divisor;
        for (size_t i = 0; i <= m + j; i++)
            q->B[i * n + j] += a * lagrange[i] + b * column[i];
        for (size_t i = 0; i < j; i++)
            q->B[(m + j) * n + i] = q->B[(m + i) * n + j];
    }
}

/* ---- the move of the base ---- */

/* The model's second derivatives stay what they are: H takes up what the points' part loses. */
static void rebase_model(bobyqa_model *q, const double *shift, double *half)
{
    const size_t n = q->n;
    double total = 0;

    memset(half, 0, n * sizeof *half);
    for (size_t k = 0; k < q->m; k++) {
        add(half, q->q[k], q->z + k * n, n);
        total += q->q[k];
    }
    add(half, -0.5 * total, shift, n);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            q->H[i * n + j] += half[i] * shift[j] + shift[i] * half[j];
}

/* y = s (z - shift / 2) + |shift|^2 / 4 shift, s = z'shift - |shift|^2 / 2: what the move adds to a point's columns. */
static void moved(const bobyqa_model *q, size_t k, const double *shift, double s, double quarter, double *y)
{
    const double *z = q->z + k * q->n;

    for (size_t i = 0; i < q->n; i++)
        y[i] = s * (z[i] - 0.5 * shift[i]) + quarter * shift[i];
}

static void rebase_inverse(bobyqa_model *q, const double *shift, double *y, double *sum, double *s)
{
    const size_t n = q->n, m = q->m;
    const double shift2 = dot(shift, shift, n);
    double *corner = q->B + m * n;

    for (size_t k = 0; k < m; k++) {
        const double *b = q->B + k * n;
        s[k] = dot(q->z + k * n, shift, n) - 0.5 * shift2;
        moved(q, k, shift, s[k], 0.25 * shift2, y);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                corner[i * n + j] += b[i] * y[j] + y[i] * b[j];
    }
    for (size_t r = 0; r < n; r++) {
        const double *row = q->Z + r * m;
        memset(sum, 0, n * sizeof *sum);
        for (size_t k = 0; k < m; k++) {
            moved(q, k, shift, s[k], 0.25 * shift2, y);
            add(sum, row[k], y, n);
        }
        for (size_t k = 0; k < m; k++)
            add(q->B + k * n, row[k], sum, n);
        for (size_t i = 0; i < n; i++)
            add(corner + i * n, sum[i], sum, n);
    }
}

void zo_bobyqa_rebase(bobyqa_model *q)
{
    const size_t n = q->n;
    double *shift = q->scratch, *y = shift + n, *sum = y + n, *s = sum + n;

    memcpy(shift, q->z + q->best * n, n * sizeof *shift);
    rebase_inverse(q, shift, y, sum, s);
    rebase_model(q, shift, y);
    memcpy(q->base, zo_bobyqa_best(q), n * sizeof *q->base);
    for (size_t k = 0; k < q->m; k++)
        for (size_t j = 0; j < n; j++)
            q->z[k * n + j] = q->x[k * n + j] - q->base[j];
}
