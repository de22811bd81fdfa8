/* Householder reduction to tridiagonal form, then the implicit QL iteration with Wilkinson's shift, on columns padded
 * to whole lanes. Sources: "Householder's tridiagonalization of a symmetric matrix", Martin, Reinsch and Wilkinson,
 * Numer. Math. 11, 1968, doi:10.1007/BF02161841; "The implicit QL algorithm", Dubrulle, Martin and Wilkinson, Numer.
 * Math. 12, 1968, doi:10.1007/BF02165404. */
#include "cma/eigen.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cma/lanes.h"

enum { MAX_SWEEPS = 50 };

size_t zo_cma_eigh_work_size(size_t n)
{
    const size_t ld = zo_mat_ld(n);

    return ld * n /* symmetric copy */ + ld * n /* reflectors */ + 3 * ld;
}

/* S = A / scale, both triangles. Returns the scale: the largest entry. */
static double copy_scaled(const zo_mat *A, double *S)
{
    const size_t n = A->rows, ld = A->ld;
    double scale = 0;

    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++)
            scale = fmax(scale, fabs(A->a[i + j * ld]));
    if (scale == 0)
        return 0;
    memset(S, 0, ld * n * sizeof *S);
    for (size_t j = 0; j < n; j++)
        for (size_t i = j; i < n; i++)
            S[i + j * ld] = S[j + i * ld] = A->a[i + j * ld] / scale;
    return scale;
}

/* v = the reflector that maps column k of S below the diagonal to a multiple of its first entry, scaled so that H = I -
 * v v'. Returns that multiple; v is 0 if there is nothing to reflect. */
static double reflector(const double *S, size_t n, size_t ld, size_t k, double *v)
{
    const double *x = S + k * ld;
    double square = 0, first = x[k + 1];

    memset(v, 0, ld * sizeof *v);
    for (size_t i = k + 2; i < n; i++)
        square += x[i] * x[i];
    if (square == 0)
        return first;
    const double length = copysign(sqrt(square + first * first), first);
    const double scale = 1 / sqrt(length * (length + first));
    for (size_t i = k + 2; i < n; i++)
        v[i] = x[i] * scale;
    v[k + 1] = (first + length) * scale;
    return -length;
}

/* S <- H S H on what is left of S, with w = S v - (v'S v / 2) v: S - v w' - w v'. */
static void reflect_both(double *S, size_t n, size_t ld, size_t k, const double *v, double *w)
{
    const size_t top = (k + 1) & ~(size_t)7, rows = ld - top;

    memset(w, 0, ld * sizeof *w);
    for (size_t j = k + 1; j < n; j++)
        lanes_axpy(rows, v[j], S + j * ld + top, w + top);
    lanes_axpy(rows, -0.5 * lanes_dot(rows, v + top, w + top), v + top, w + top);
    for (size_t j = k + 1; j < n; j++) {
        lanes_axpy(rows, -w[j], v + top, S + j * ld + top);
        lanes_axpy(rows, -v[j], w + top, S + j * ld + top);
    }
}

/* B <- (I - v v') B; v and the columns of B before k + 1 do not meet. */
static void reflect_left(double *B, size_t n, size_t ld, size_t k, const double *v)
{
    const size_t top = (k + 1) & ~(size_t)7, rows = ld - top;

    for (size_t j = k + 1; j < n; j++)
        lanes_axpy(rows, -lanes_dot(rows, v + top, B + j * ld + top), v + top, B + j * ld + top);
}

/* d, e: diagonal and what lies below it; B: the product of the reflectors. */
static void tridiagonalise(double *S, zo_mat *B, double *V, double *d, double *e, double *w)
{
    const size_t n = B->rows, ld = B->ld;

    for (size_t k = 0; k + 2 < n; k++) {
        e[k] = reflector(S, n, ld, k, V + k * ld);
        reflect_both(S, n, ld, k, V + k * ld, w);
    }
    for (size_t k = 0; k < n; k++)
        d[k] = S[k + k * ld];
    if (n > 1)
        e[n - 2] = S[n - 1 + (n - 2) * ld];
    e[n - 1] = 0;
    memset(B->a, 0, ld * n * sizeof *B->a);
    for (size_t k = 0; k < n; k++)
        B->a[k + k * ld] = 1;
    for (size_t k = n > 2 ? n - 2 : 0; k-- > 0;)
        reflect_left(B->a, n, ld, k, V + k * ld);
}

/* One QL step on rows l..m, which no zero of e divides: chase the bulge up from row m. */
static void ql_step(size_t l, size_t m, double *d, double *e, zo_mat *B)
{
    const double half = (d[l + 1] - d[l]) / (2 * e[l]);
    double shifted = d[m] - d[l] + e[l] / (half + copysign(sqrt(half * half + 1), half)); /* d[m] - shift */
    double c = 1, s = 1, moved = 0;

    for (size_t i = m; i-- > l;) {
        const double bulge = s * e[i], b = c * e[i], length = sqrt(bulge * bulge + shifted * shifted);
        e[i + 1] = length;
        if (length == 0) { /* the matrix splits here by itself */
            d[i + 1] -= moved;
            e[m] = 0;
            return;
        }
        s = bulge / length;
        c = shifted / length;
        const double base = d[i + 1] - moved, gain = (d[i] - base) * s + 2 * c * b;
        moved = s * gain;
        d[i + 1] = base + moved;
        shifted = c * gain - b;
        lanes_rotate(B->ld, c, s, B->a + i * B->ld, B->a + (i + 1) * B->ld);
    }
    d[l] -= moved;
    e[l] = shifted;
    e[m] = 0;
}

static bool iterate(double *d, double *e, zo_mat *B)
{
    const size_t n = B->rows;

    for (size_t l = 0; l < n; l++)
        for (int k = 0;; k++) {
            size_t m = l;
            while (m + 1 < n && fabs(e[m]) > DBL_EPSILON * (fabs(d[m]) + fabs(d[m + 1])))
                m++;
            if (m == l)
                break;
            if (k == MAX_SWEEPS)
                return false;
            ql_step(l, m, d, e, B);
        }
    return true;
}

zo_status zo_cma_eigh(const zo_mat *A, zo_mat *B, double *d, double *work, zo_error *err)
{
    const size_t n = A->rows, ld = A->ld;
    double *S = work, *V = S + ld * n, *e = V + ld * n, *w = e + ld;

    ZO_ASSERT(A->cols == n && B->rows == n && B->ld == ld);
    const double scale = copy_scaled(A, S);
    if (!(scale > 0) || !isfinite(scale))
        return zo_fail(err, ZO_ENUMERIC, "", "the matrix is zero or not finite");
    tridiagonalise(S, B, V, d, e, w);
    if (!iterate(d, e, B))
        return zo_fail(err, ZO_ENUMERIC, "", "the eigenvalues did not converge");
    for (size_t i = 0; i < n; i++)
        d[i] *= scale;
    return ZO_OK;
}
