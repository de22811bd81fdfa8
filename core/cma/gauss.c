/* The search distribution of CMA-ES. Equations: Hansen, arXiv:1604.00772, with negative weights after Jastrebski and
 * Arnold, CEC 2006. Up to SMALL coordinates the products are our own short loops; beyond, BLAS. */
#include "cma/gauss.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "cma/eigen.h"
#include "cma/lanes.h"

enum { SMALL = 32 };
/* Of sigma, A and D, wide enough for any run, narrow enough that their products are finite. */
static const double SCALE_LOW = 1e-80, SCALE_HIGH = 1e80;

static double *new_vector(size_t n)
{
    double *x = zo_memalign64(n * sizeof *x);

    if (x != NULL)
        memset(x, 0, n * sizeof *x);
    return x;
}

zo_status zo_cma_gauss_init(cma_gauss *g, size_t n, cma_shape shape, zo_error *err)
{
    double **const vectors[] = {&g->m, &g->A, &g->p_sigma, &g->p_c, &g->D, &g->z, &g->y, &g->u};
    zo_status rc;

    g->n = n;
    g->ld = zo_mat_ld(n);
    g->shape = shape;
    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        if ((*vectors[i] = new_vector(g->ld)) == NULL)
            return zo_fail_nomem(err);
    if (shape == CMA_LOW_RANK && (rc = zo_cma_low_rank_init(&g->low, n, err)) != ZO_OK)
        return rc;
    if (n == 0 || shape != CMA_FULL)
        return zo_mat_init(&g->C, n, 1, err);
    if ((rc = zo_mat_init(&g->C, n, n, err)) != ZO_OK || (rc = zo_mat_init(&g->B, n, n, err)) != ZO_OK ||
        (rc = zo_mat_init(&g->T, n, n, err)) != ZO_OK)
        return rc;
    g->work = new_vector(n > SMALL ? zo_eigh_work_size(n) : zo_cma_eigh_work_size(n));
    g->iwork = zo_calloc(zo_eigh_iwork_size(n), sizeof *g->iwork);
    return g->work != NULL && g->iwork != NULL ? ZO_OK : zo_fail_nomem(err);
}

void zo_cma_gauss_fini(cma_gauss *g)
{
    double *const vectors[] = {g->m, g->A, g->p_sigma, g->p_c, g->D, g->z, g->y, g->u, g->work};

    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        zo_free(vectors[i]);
    zo_free(g->iwork);
    zo_mat_fini(&g->C);
    zo_mat_fini(&g->B);
    zo_mat_fini(&g->T);
    zo_cma_low_rank_fini(&g->low);
}

zo_status zo_cma_gauss_reserve(cma_gauss *g, size_t mu, zo_error *err)
{
    return g->shape == CMA_LOW_RANK ? zo_cma_low_rank_reserve(&g->low, mu, err) : ZO_OK;
}

static void factor(cma_gauss *g)
{
    for (size_t j = 0; j < g->n && g->shape == CMA_FULL; j++)
        for (size_t i = 0; i < g->n; i++)
            g->T.a[i + j * g->ld] = g->B.a[i + j * g->ld] * g->D[j];
}

static double *variance(cma_gauss *g, size_t i)
{
    return g->C.a + (g->shape == CMA_FULL ? i + i * g->ld : i);
}

static void forget_shape(cma_gauss *g)
{
    memset(g->C.a, 0, g->C.ld * g->C.cols * sizeof *g->C.a);
    if (g->shape == CMA_FULL && g->n > 0)
        memset(g->B.a, 0, g->B.ld * g->n * sizeof *g->B.a);
    for (size_t i = 0; i < g->n; i++) {
        *variance(g, i) = g->D[i] = 1;
        if (g->shape == CMA_FULL)
            g->B.a[i + i * g->ld] = 1;
    }
    if (g->shape == CMA_LOW_RANK)
        zo_cma_low_rank_start(&g->low);
    memset(g->p_sigma, 0, g->ld * sizeof *g->p_sigma);
    memset(g->p_c, 0, g->ld * sizeof *g->p_c);
    factor(g);
}

void zo_cma_gauss_start(cma_gauss *g, double sigma)
{
    g->sigma = g->sigma0 = sigma;
    g->g = g->g_eigen = g->n_resets = 0;
    g->filled_sigma = g->filled_c = 0;
    for (size_t i = 0; i < g->n; i++)
        g->A[i] = 1;
    forget_shape(g);
}

double zo_cma_deviation(const cma_gauss *g, size_t i)
{
    return g->sigma * g->A[i] * sqrt(zo_cma_variance(g, i));
}

/* y = M x for M = B or T */
static void times(const zo_mat *M, const double *x, double *y)
{
    if (M->cols > SMALL) {
        zo_gemv(false, 1, M, x, 0, y);
        return;
    }
    memset(y, 0, M->ld * sizeof *y);
    for (size_t j = 0; j < M->cols; j++)
        lanes_axpy(M->ld, x[j], M->a + j * M->ld, y);
}

void zo_cma_gauss_sample(cma_gauss *g, zo_rng *rng, double *v)
{
    zo_rng_normals(rng, g->n, g->z);
    zo_cma_gauss_color(g, v);
}

void zo_cma_gauss_color(cma_gauss *g, double *v)
{
    switch (g->shape) {
    case CMA_FULL:
        times(&g->T, g->z, g->y);
        break;
    case CMA_DIAGONAL:
        for (size_t i = 0; i < g->n; i++)
            g->y[i] = g->D[i] * g->z[i];
        break;
    case CMA_LOW_RANK:
        zo_cma_low_rank_color(&g->low, g->D, g->z, g->y);
        break;
    }
    for (size_t i = 0; i < g->n; i++)
        v[i] = g->m[i] + g->sigma * g->A[i] * g->y[i];
}

void zo_cma_gauss_step(const cma_gauss *g, const double *v, double *y)
{
    const double scale = 1 / g->sigma;

    for (size_t i = 0; i < g->n; i++)
        y[i] = (v[i] - g->m[i]) * scale / g->A[i];
    for (size_t i = g->n; i < g->ld; i++)
        y[i] = 0;
}

/* u = B' y */
static void times_transposed(const zo_mat *B, const double *y, double *u)
{
    if (B->cols > SMALL)
        zo_gemv(true, 1, B, y, 0, u);
    else
        for (size_t j = 0; j < B->cols; j++)
            u[j] = lanes_dot(B->ld, B->a + j * B->ld, y);
}

void zo_cma_gauss_whiten(const cma_gauss *g, const double *y, double *u)
{
    switch (g->shape) {
    case CMA_FULL:
        times_transposed(&g->B, y, u);
        for (size_t i = 0; i < g->n; i++)
            u[i] /= g->D[i];
        break;
    case CMA_DIAGONAL:
        for (size_t i = 0; i < g->n; i++)
            u[i] = y[i] / g->D[i];
        break;
    case CMA_LOW_RANK:
        zo_cma_low_rank_whiten(&g->low, g->D, y, u);
        break;
    }
    for (size_t i = g->n; i < g->ld; i++)
        u[i] = 0;
}

void zo_cma_gauss_whiten_all(const cma_gauss *g, const zo_mat *Y, zo_mat *U)
{
    if (g->shape != CMA_FULL || g->n <= SMALL) {
        for (size_t k = 0; k < Y->cols; k++)
            zo_cma_gauss_whiten(g, Y->a + k * Y->ld, U->a + k * U->ld);
        return;
    }
    zo_gemm(true, false, 1, &g->B, Y, 0, U);
    for (size_t k = 0; k < U->cols; k++)
        for (size_t i = 0; i < g->n; i++)
            U->a[i + k * U->ld] /= g->D[i];
}

/* p_sigma from the whitened mean step; is p_c to stall because p_sigma is too long? */
static bool step_size_path(cma_gauss *g, const cma_params *p, const double *u_mean)
{
    const double c = p->c_sigma, n = (double)g->n;

    if (g->shape == CMA_FULL)
        times(&g->B, u_mean, g->z);
    else
        memcpy(g->z, u_mean, g->ld * sizeof *g->z);
    lanes_scale(g->ld, 1 - c, g->p_sigma);
    lanes_axpy(g->ld, sqrt(c * (2 - c) * p->mu_eff), g->z, g->p_sigma);
    g->g++;
    g->filled_sigma = (1 - c) * (1 - c) * g->filled_sigma + c * (2 - c);
    const double filled = g->new_paths ? g->filled_sigma : 1 - pow(1 - c, 2 * (double)g->g);
    return lanes_dot(g->ld, g->p_sigma, g->p_sigma) / (n * filled) >= 2 + 4 / (n + 1);
}

/* C <- decay C + c_1 p_c p_c' + c_mu sum w y y', on the lower triangle in whole blocks of rows. */
static void add_outer_small(cma_gauss *g, const cma_params *p, double decay, const zo_mat *Y, const double *w)
{
    for (size_t j = 0; j < g->n; j++) {
        const size_t top = j & ~(size_t)7, rows = g->ld - top;
        double *c = g->C.a + j * g->ld + top;
        lanes_scale(rows, decay, c);
        lanes_axpy(rows, p->c_1 * g->p_c[j], g->p_c + top, c);
        for (size_t k = 0; k < p->lambda; k++)
            lanes_axpy(rows, p->c_mu * w[k] * Y->a[j + k * Y->ld], Y->a + k * Y->ld + top, c);
    }
}

static void add_outer_large(cma_gauss *g, const cma_params *p, double decay, zo_mat *Y, const double *w)
{
    const zo_mat better = {.a = Y->a, .rows = g->n, .cols = p->mu, .ld = Y->ld};
    const zo_mat worse = {.a = Y->a + p->mu * Y->ld, .rows = g->n, .cols = p->lambda - p->mu, .ld = Y->ld};
    const zo_mat path = {.a = g->p_c, .rows = g->n, .cols = 1, .ld = g->ld};

    for (size_t k = 0; k < p->lambda; k++)
        lanes_scale(Y->ld, sqrt(fabs(w[k])), Y->a + k * Y->ld);
    zo_syrk(p->c_mu, &better, decay, &g->C);
    zo_syrk(-p->c_mu, &worse, 1, &g->C);
    zo_syrk(p->c_1, &path, 1, &g->C);
}

static void add_outer_diagonal(cma_gauss *g, const cma_params *p, double decay, const zo_mat *Y, const double *w)
{
    double *c = g->C.a;

    for (size_t i = 0; i < g->n; i++)
        c[i] = decay * c[i] + p->c_1 * g->p_c[i] * g->p_c[i];
    for (size_t k = 0; k < p->lambda; k++)
        for (size_t i = 0; i < g->n; i++)
            c[i] += p->c_mu * w[k] * Y->a[i + k * Y->ld] * Y->a[i + k * Y->ld];
}

static void add_outer(cma_gauss *g, const cma_params *p, double decay, zo_mat *Y, const double *w)
{
    switch (g->shape) {
    case CMA_FULL:
        if (g->n > SMALL)
            add_outer_large(g, p, decay, Y, w);
        else
            add_outer_small(g, p, decay, Y, w);
        break;
    case CMA_DIAGONAL:
        add_outer_diagonal(g, p, decay, Y, w);
        break;
    case CMA_LOW_RANK:
        zo_cma_low_rank_update(&g->low, p, decay, Y, w, g->p_c, g->D, g->C.a);
        break;
    }
}

/* Negative weights act along unit directions of the metric: C cannot lose more than it has. Returns the decay that
 * keeps C's expectation under random ranking; w_out [lambda] in the scratch of the caller. */
static double active_weights(const cma_gauss *g, const cma_params *p, const zo_mat *U, const double *w, double *w_out)
{
    double sum = 0;

    for (size_t k = 0; k < p->lambda; k++) {
        const double *u = U->a + k * U->ld;
        sum += w[k];
        w_out[k] = w[k] >= 0 ? w[k] : w[k] * (double)g->n / (lanes_dot(g->ld, u, u) + DBL_MIN);
    }
    return sum;
}

void zo_cma_gauss_update(cma_gauss *g, const cma_params *p, zo_mat *Y, const zo_mat *U, const double *w,
                         double *scratch)
{
    double *y_mean = g->y, *u_mean = g->u;

    memset(y_mean, 0, g->ld * sizeof *y_mean);
    memset(u_mean, 0, g->ld * sizeof *u_mean);
    for (size_t k = 0; k < p->mu; k++) {
        lanes_axpy(g->ld, w[k], Y->a + k * Y->ld, y_mean);
        lanes_axpy(g->ld, w[k], U->a + k * U->ld, u_mean);
    }
    for (size_t i = 0; i < g->n; i++)
        g->m[i] += g->sigma * y_mean[i]; /* A widens what is evaluated, not the step: levels.c */

    const bool stalled = step_size_path(g, p, u_mean);
    const double c = p->c_c, sum = active_weights(g, p, U, w, scratch);
    g->filled_c = (1 - c) * (1 - c) * g->filled_c + (stalled ? 0 : c * (2 - c));
    const double rank_one = g->new_paths ? p->c_1 * g->filled_c : p->c_1 - (stalled ? p->c_1 * c * (2 - c) : 0);
    const double decay = 1 - rank_one - p->c_mu * sum;
    lanes_scale(g->ld, 1 - c, g->p_c);
    if (!stalled)
        lanes_axpy(g->ld, sqrt(c * (2 - c) * p->mu_eff), y_mean, g->p_c);
    add_outer(g, p, decay, Y, scratch);
    const double length = sqrt(lanes_dot(g->ld, g->p_sigma, g->p_sigma));
    const double usual = g->new_paths ? sqrt(g->filled_sigma) : 1;
    const double change = fmin(1, p->c_sigma / p->d_sigma * (length / p->chi - usual));
    g->sigma *= exp(change);
    if (g->shape == CMA_LOW_RANK)
        zo_cma_low_rank_adapt(&g->low, p, change, g->g, g->D, g->C.a);
}

static void reset_shape(cma_gauss *g)
{
    forget_shape(g);
    g->n_resets++;
}

/* Eigenvalues to their roots; those lost to rounding are lifted, as C is. */
static void take_roots(cma_gauss *g)
{
    double low = DBL_MAX, high = 0;

    for (size_t i = 0; i < g->n; i++) {
        low = fmin(low, g->D[i]);
        high = fmax(high, g->D[i]);
    }
    const double lift = low > 0 ? 0 : 1e-14 * high - low;
    if (!(high > 0) || !isfinite(high + lift)) {
        reset_shape(g);
        return;
    }
    for (size_t i = 0; i < g->n; i++) {
        g->D[i] = sqrt(g->D[i] + lift);
        *variance(g, i) += lift;
    }
    factor(g);
}

static bool is_finite(const double *x, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += x[i] - x[i];
    return sum == 0;
}

/* D = the eigenvalues, B the eigenvectors; false if C is not finite, or LAPACK gave up. */
static bool eigenvalues(cma_gauss *g)
{
    if (!is_finite(g->C.a, g->C.ld * g->C.cols))
        return false;
    if (g->shape == CMA_DIAGONAL)
        memcpy(g->D, g->C.a, g->n * sizeof *g->D);
    else if (g->n <= SMALL)
        return zo_cma_eigh(&g->C, &g->B, g->D, g->work, NULL) == ZO_OK;
    else
        return zo_eigh(&g->C, &g->B, g->D, g->work, g->iwork, NULL) == ZO_OK;
    return true;
}

/* Fold the excess of sigma into C, before it overflows. */
static void fold(cma_gauss *g)
{
    const double excess = g->sigma / g->sigma0;

    if (excess <= 1e9)
        return;
    for (size_t j = 0; j < g->C.cols; j++)
        lanes_scale(g->C.ld, excess * excess, g->C.a + j * g->C.ld);
    lanes_scale(g->ld, excess, g->p_c);
    g->sigma = g->sigma0;
}

static bool scales_are_sound(const cma_gauss *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!(g->D[i] >= SCALE_LOW && g->D[i] <= SCALE_HIGH && g->C.a[i] <= SCALE_HIGH))
            return false;
    return zo_cma_low_rank_is_sound(&g->low);
}

void zo_cma_gauss_decompose(cma_gauss *g, const cma_params *p)
{
    const double gap = g->shape == CMA_FULL ? fmax(1, floor(1 / (10 * (double)g->n * (p->c_1 + p->c_mu)))) : 1;

    if (g->n == 0 || (double)(g->g - g->g_eigen) < gap)
        return;
    g->g_eigen = g->g;
    if (!is_finite(g->p_sigma, g->n) || !is_finite(g->p_c, g->n)) {
        reset_shape(g);
    } else if (g->shape == CMA_LOW_RANK) { /* its update has renewed D; its scale is in sigma */
        if (!scales_are_sound(g))
            reset_shape(g);
    } else {
        fold(g);
        if (eigenvalues(g))
            take_roots(g);
        else
            reset_shape(g);
    }
}

void zo_cma_gauss_limit(cma_gauss *g, double widest)
{
    double most = 0;

    for (size_t j = 0; j < g->n; j++)
        most = fmax(most, zo_cma_variance(g, j));
    const double deviation = g->sigma * sqrt(most);
    if (deviation > widest)
        g->sigma *= widest / deviation;
}

void zo_cma_gauss_keep(cma_gauss *g, double narrowest)
{
    double low = DBL_MAX;

    for (size_t j = 0; j < g->n; j++)
        low = fmin(low, g->D[j]);
    g->sigma = fmax(g->sigma, narrowest / low);
}

bool zo_cma_gauss_is_sound(const cma_gauss *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!(fabs(g->m[i]) <= CMA_FARTHEST && g->A[i] >= SCALE_LOW && g->A[i] <= SCALE_HIGH))
            return false;
    return g->sigma >= SCALE_LOW && g->sigma <= SCALE_HIGH;
}

static bool has_variances(const cma_gauss *g)
{
    for (size_t i = 0; i < g->n; i++)
        if (!(zo_cma_variance(g, i) > 0))
            return false;
    return true;
}

void zo_cma_gauss_visit(cma_gauss *g, zo_visit *v)
{
    const double far = CMA_FARTHEST, low = SCALE_LOW, high = SCALE_HIGH;

    zo_visit_f64_within(v, "sigma", &g->sigma, 1, low, high);
    zo_visit_f64_within(v, "sigma0", &g->sigma0, 1, low, high);
    zo_visit_u64(v, "generation", &g->g, 1);
    zo_visit_u64(v, "generation_eigen", &g->g_eigen, 1);
    zo_visit_u64(v, "resets", &g->n_resets, 1);
    zo_visit_f64_within(v, "m", g->m, g->n, -far, far);
    zo_visit_f64_within(v, "A", g->A, g->n, low, high);
    zo_visit_f64_within(v, "p_sigma", g->p_sigma, g->n, -high, high);
    zo_visit_f64_within(v, "p_c", g->p_c, g->n, -high, high);
    zo_visit_f64_within(v, "D", g->D, g->n, low, high);
    zo_visit_f64_within(v, "C", g->C.a, g->C.ld * g->C.cols, -high, high);
    zo_visit_require(v, "C", has_variances(g));
    if (g->shape == CMA_LOW_RANK)
        zo_cma_low_rank_visit(&g->low, v);
    if (g->new_paths) {
        zo_visit_f64_within(v, "filled_sigma", &g->filled_sigma, 1, 0, 1);
        zo_visit_f64_within(v, "filled_c", &g->filled_c, 1, 0, 1);
    }
    if (g->shape == CMA_FULL && g->n > 0)
        zo_visit_f64_within(v, "B", g->B.a, g->B.ld * g->B.cols, -1.5, 1.5); /* unit vectors, but for rounding */
    if (v->loading && v->status == ZO_OK)
        factor(g);
}
