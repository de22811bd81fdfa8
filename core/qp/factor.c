/* See factor.h. The rotations are those of Goldfarb and Idnani, Math. Programming 27, 1983, doi:10.1007/BF02591962. */
#include "qp/factor.h"

#include <math.h>
#include <string.h>

static double *column(const zo_mat *m, size_t j)
{
    return m->a + j * m->ld;
}

zo_status zo_qp_factor_init(qp_factor *f, size_t n, zo_error *err)
{
    zo_status rc;

    f->n = n;
    f->q = 0;
    if ((rc = zo_mat_init(&f->J, n, n, err)) != ZO_OK)
        return rc;
    return zo_mat_init(&f->R, n, n, err);
}

void zo_qp_factor_fini(qp_factor *f)
{
    zo_mat_fini(&f->J);
    zo_mat_fini(&f->R);
}

void zo_qp_factor_identity(qp_factor *f)
{
    f->q = 0;
    for (size_t j = 0; j < f->n; j++) {
        memset(column(&f->J, j), 0, f->n * sizeof(double));
        column(&f->J, j)[j] = 1;
    }
}

/* Column j of L^-T is row j of L^-1: solve L y = e_k column by column, and store transposed. */
void zo_qp_factor_metric(qp_factor *f, const zo_mat *L)
{
    const size_t n = f->n;

    f->q = 0;
    for (size_t j = 0; j < n; j++) {
        double *y = column(&f->J, j); /* upper triangular: y[j+1..] = 0 */
        memset(y, 0, n * sizeof *y);
        y[j] = 1 / L->a[j + j * L->ld];
        for (size_t i = j; i-- > 0;) {
            const double *l = L->a + i * L->ld;
            double sum = 0;
            for (size_t k = i + 1; k <= j; k++)
                sum += l[k] * y[k];
            y[i] = -sum / l[i];
        }
    }
}

void zo_qp_factor_project(const qp_factor *f, const double *a, double *z)
{
    for (size_t j = 0; j < f->n; j++)
        z[j] = zo_dot(f->n, column(&f->J, j), a);
}

void zo_qp_factor_project_axis(const qp_factor *f, size_t i, double sign, double *z)
{
    for (size_t j = 0; j < f->n; j++)
        z[j] = sign * column(&f->J, j)[i];
}

/* The rotation that takes (a, b) to (r, 0); false if it is none. */
static bool rotation(double a, double b, double *c, double *s, double *r)
{
    if (b == 0)
        return false;
    *r = hypot(a, b);
    *c = a / *r;
    *s = b / *r;
    return true;
}

static void rotate_columns(const zo_mat *m, size_t i, size_t j, double c, double s)
{
    double *x = column(m, i), *y = column(m, j);

    for (size_t k = 0; k < m->rows; k++) {
        const double t = c * x[k] + s * y[k];
        y[k] = c * y[k] - s * x[k];
        x[k] = t;
    }
}

void zo_qp_factor_add(qp_factor *f, double *z)
{
    double c, s;

    ZO_ASSERT(f->q < f->n);
    for (size_t j = f->n - 1; j > f->q; j--) {
        if (!rotation(z[j - 1], z[j], &c, &s, &z[j - 1]))
            continue;
        z[j] = 0;
        rotate_columns(&f->J, j - 1, j, c, s);
    }
    memcpy(column(&f->R, f->q), z, (f->q + 1) * sizeof *z);
    f->q++;
}

void zo_qp_factor_drop(qp_factor *f, size_t j)
{
    double c, s;

    ZO_ASSERT(j < f->q);
    for (size_t k = j + 1; k < f->q; k++)
        memmove(column(&f->R, k - 1), column(&f->R, k), (k + 1) * sizeof(double));
    f->q--;
    for (size_t k = j; k < f->q; k++) {
        double *r = column(&f->R, k);
        if (!rotation(r[k], r[k + 1], &c, &s, &r[k]))
            continue;
        r[k + 1] = 0;
        for (size_t l = k + 1; l < f->q; l++) {
            double *y = column(&f->R, l);
            const double t = c * y[k] + s * y[k + 1];
            y[k + 1] = c * y[k + 1] - s * y[k];
            y[k] = t;
        }
        rotate_columns(&f->J, k, k + 1, c, s);
    }
}

void zo_qp_factor_solve(const qp_factor *f, const double *z, double *y)
{
    if (y != z && f->q > 0)
        memcpy(y, z, f->q * sizeof *y);
    for (size_t j = f->q; j-- > 0;) {
        const double *r = column(&f->R, j);
        y[j] /= r[j];
        for (size_t i = 0; i < j; i++)
            y[i] -= y[j] * r[i];
    }
}

void zo_qp_factor_solve_transposed(const qp_factor *f, const double *z, double *y)
{
    for (size_t j = 0; j < f->q; j++) {
        const double *r = column(&f->R, j);
        double sum = z[j];
        for (size_t i = 0; i < j; i++)
            sum -= r[i] * y[i];
        y[j] = sum / r[j];
    }
}

void zo_qp_factor_combine(const qp_factor *f, size_t from, size_t to, const double *z, double *y)
{
    memset(y, 0, f->n * sizeof *y);
    for (size_t j = from; j < to; j++)
        zo_axpy(f->n, z[j], column(&f->J, j), y);
}
