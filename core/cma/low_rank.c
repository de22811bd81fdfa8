/* The restricted covariance of VkD-CMA. The update is the one of the full matrix, projected: of
 * U U' = decay V S V' + c_1 p p' + c_mu sum w y y' (in the metric of D) the k leading eigenvectors stay, found in the
 * small Gram matrix U'U, the mean of the other eigenvalues goes to the identity, and D takes the diagonal over.
 * Sources: "Projection-Based Restricted Covariance Matrix Adaptation for High Dimension", Akimoto and Hansen, GECCO
 * 2016, doi:10.1145/2908812.2908863; k by "Online Model Selection for Restricted Covariance Matrix Adaptation", the
 * same, PPSN 2016, doi:10.1007/978-3-319-45823-6_1. Departure: k stays near the logarithm of n, for an update's cost.
 */
#include "cma/low_rank.h"

#include <float.h>
#include <math.h>
#include <string.h>

static const double NEEDED = 30; /* the ratio of variances from which a direction is worth its cost */
static const double MOST_STRETCH = 1e80, FASTEST = 1e6; /* of S and of a logarithm: more has failed */

static size_t most_directions(size_t n)
{
    const size_t usual = zo_cma_population(n);

    return n == 0 ? 0 : usual < n - 1 ? usual : n - 1;
}

zo_status zo_cma_low_rank_init(cma_low_rank *r, size_t n, zo_error *err)
{
    zo_status rc;

    *r = (cma_low_rank){.n = n, .k_most = most_directions(n)};
    r->S = zo_calloc(r->k_most + 1, sizeof *r->S);
    r->a = zo_calloc(r->k_most + 1, sizeof *r->a);
    r->axes_before = zo_calloc(r->k_most + 1, sizeof *r->axes_before);
    r->axis_trend = zo_calloc(r->k_most + 1, sizeof *r->axis_trend);
    r->before = zo_calloc(n + 1, sizeof *r->before);
    r->sum = zo_calloc(n + 1, sizeof *r->sum);
    r->variance_trend = zo_calloc(n + 1, sizeof *r->variance_trend);
    if (!r->S || !r->a || !r->axes_before || !r->axis_trend || !r->before || !r->sum || !r->variance_trend)
        return zo_fail_nomem(err);
    if ((rc = zo_mat_init(&r->V, n, r->k_most, err)) != ZO_OK)
        return rc;
    return zo_cma_low_rank_reserve(r, 2, err);
}

static void free_scratch(cma_low_rank *r)
{
    zo_mat_fini(&r->U);
    zo_mat_fini(&r->G);
    zo_free(r->d);
    zo_free(r->work);
    zo_free(r->iwork);
}

void zo_cma_low_rank_fini(cma_low_rank *r)
{
    double *const vectors[] = {r->S, r->a, r->axes_before, r->axis_trend, r->before, r->sum, r->variance_trend};

    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        zo_free(vectors[i]);
    zo_mat_fini(&r->V);
    free_scratch(r);
}

zo_status zo_cma_low_rank_reserve(cma_low_rank *r, size_t mu, zo_error *err)
{
    cma_low_rank bigger = *r;
    zo_status rc;

    if (r->k_most + mu + 1 <= r->cap)
        return ZO_OK;
    bigger.cap = r->k_most + mu + 1;
    bigger.U = bigger.G = (zo_mat){0};
    bigger.d = zo_memalign64(bigger.cap * sizeof *bigger.d);
    bigger.work = zo_memalign64(zo_eigh_work_size(bigger.cap) * sizeof *bigger.work);
    bigger.iwork = zo_calloc(zo_eigh_iwork_size(bigger.cap), sizeof *bigger.iwork);
    rc = bigger.d && bigger.work && bigger.iwork ? ZO_OK : zo_fail_nomem(err);
    if (rc != ZO_OK || (rc = zo_mat_init(&bigger.U, r->n, bigger.cap, err)) != ZO_OK ||
        (rc = zo_mat_init(&bigger.G, bigger.cap, bigger.cap, err)) != ZO_OK) {
        free_scratch(&bigger);
        return rc;
    }
    free_scratch(r);
    *r = bigger;
    return ZO_OK;
}

/* Columns that nothing is known of. */
static void clear_from(cma_low_rank *r, size_t k)
{
    for (size_t j = k; j < r->k_most; j++) {
        r->S[j] = r->axis_trend[j] = 0;
        memset(r->V.a + j * r->V.ld, 0, r->V.ld * sizeof *r->V.a);
    }
}

void zo_cma_low_rank_start(cma_low_rank *r)
{
    r->k = 0;
    r->changed_at = 0;
    r->sigma_trend = 0;
    memset(r->variance_trend, 0, r->n * sizeof *r->variance_trend);
    clear_from(r, 0);
}

static zo_mat directions(const cma_low_rank *r)
{
    return (zo_mat){.a = r->V.a, .rows = r->n, .cols = r->k, .ld = r->V.ld};
}

/* x += V diag((1 + S)^power - 1) V' x */
static void stretch(const cma_low_rank *r, double power, double *x)
{
    const zo_mat V = directions(r);

    if (r->k == 0)
        return;
    zo_gemv(true, 1, &V, x, 0, r->a);
    for (size_t j = 0; j < r->k; j++)
        r->a[j] *= pow(1 + r->S[j], power) - 1;
    zo_gemv(false, 1, &V, r->a, 1, x);
}

void zo_cma_low_rank_color(const cma_low_rank *r, const double *D, const double *z, double *y)
{
    memcpy(y, z, r->n * sizeof *y);
    stretch(r, 0.5, y);
    for (size_t i = 0; i < r->n; i++)
        y[i] *= D[i];
}

void zo_cma_low_rank_whiten(const cma_low_rank *r, const double *D, const double *y, double *u)
{
    for (size_t i = 0; i < r->n; i++)
        u[i] = y[i] / D[i];
    stretch(r, -0.5, u);
}

/* ---- the update ---- */

/* U = [V sqrt(decay S), sqrt(c_mu w_i) y_i / D, sqrt(c_1) p_c / D]; returns its number of columns. */
static size_t gather(cma_low_rank *r, const cma_params *p, double decay, const zo_mat *Y, const double *w,
                     const double *p_c, const double *D)
{
    double *to = r->U.a;

    for (size_t j = 0; j < r->k; j++, to += r->U.ld)
        for (size_t i = 0; i < r->n; i++)
            to[i] = r->V.a[i + j * r->V.ld] * sqrt(decay * r->S[j]);
    for (size_t c = 0; c <= p->mu; c++, to += r->U.ld) {
        const double *from = c < p->mu ? Y->a + c * Y->ld : p_c;
        const double weight = sqrt(c < p->mu ? p->c_mu * w[c] : p->c_1);
        for (size_t i = 0; i < r->n; i++)
            to[i] = weight * from[i] / D[i];
    }
    return r->k + p->mu + 1;
}

/* Eigenvalues of U'U to d, falling, eigenvectors to the columns of G in the same order. */
static bool decompose(cma_low_rank *r, const zo_mat *U, zo_mat *G)
{
    const size_t m = U->cols;

    zo_gemm(true, false, 1, U, U, 0, G);
    if (zo_eigh(G, G, r->d, r->work, r->iwork, NULL) != ZO_OK)
        return false;
    for (size_t j = 0; j < m / 2; j++) {
        const double d = r->d[j];
        r->d[j] = r->d[m - 1 - j];
        r->d[m - 1 - j] = d;
    }
    return true;
}

/* Column j of V and S[j] from the j-th leading eigenvector, beyond gamma; none where there is no more to tell. */
static void take_direction(cma_low_rank *r, const zo_mat *U, const zo_mat *G, size_t j, double gamma, double beta)
{
    double *v = r->V.a + j * r->V.ld;
    const bool any = r->d[j] > 1e-14 * r->d[0] && r->d[j] > gamma;

    r->S[j] = any ? (r->d[j] - gamma) / beta : 0;
    if (any)
        zo_gemv(false, 1 / sqrt(r->d[j]), U, G->a + (U->cols - 1 - j) * G->ld, 0, v);
    else
        memset(v, 0, r->V.ld * sizeof *v);
}

/* out [n] = 1 + sum_j S_j V_ij^2 */
static void diagonal(const cma_low_rank *r, double *out)
{
    for (size_t i = 0; i < r->n; i++)
        out[i] = 1;
    for (size_t j = 0; j < r->k; j++)
        for (size_t i = 0; i < r->n; i++)
            out[i] += r->S[j] * r->V.a[i + j * r->V.ld] * r->V.a[i + j * r->V.ld];
}

static void renew_variances(const cma_low_rank *r, const double *D, double *C)
{
    diagonal(r, C);
    for (size_t i = 0; i < r->n; i++)
        C[i] *= D[i] * D[i];
}

/* The 2n-th root of the determinant. */
static double mean_scale(const cma_low_rank *r, const double *D)
{
    double sum = 0;

    for (size_t i = 0; i < r->n; i++)
        sum += log(D[i]);
    for (size_t j = 0; j < r->k; j++)
        sum += 0.5 * log1p(r->S[j]);
    return exp(sum / (double)r->n);
}

void zo_cma_low_rank_update(cma_low_rank *r, const cma_params *p, double decay, const zo_mat *Y, const double *w,
                            double *p_c, double *D, double *C)
{
    const size_t m = gather(r, p, decay, Y, w, p_c, D);
    const zo_mat U = {.a = r->U.a, .rows = r->n, .cols = m, .ld = r->U.ld};
    zo_mat G = {.a = r->G.a, .rows = m, .cols = m, .ld = r->G.ld};
    double rest = 0;

    memcpy(r->before, C, r->n * sizeof *C);
    for (size_t j = 0; j < r->k; j++)
        r->axes_before[j] = log1p(r->S[j]);
    for (size_t i = 0; i < r->n; i++)
        r->sum[i] = decay;
    for (size_t c = 0; c < m; c++)
        for (size_t i = 0; i < r->n; i++)
            r->sum[i] += U.a[i + c * U.ld] * U.a[i + c * U.ld];
    if (!decompose(r, &U, &G)) {
        D[0] = NAN; /* whoever looks at it gives the shape up */
        return;
    }
    for (size_t j = r->k; j < m; j++)
        rest += r->d[j];
    const double gamma = fmax(0, rest / (double)(r->n - r->k)), beta = decay + gamma;
    for (size_t j = 0; j < r->k; j++)
        take_direction(r, &U, &G, j, gamma, beta);
    diagonal(r, C);
    for (size_t i = 0; i < r->n; i++)
        D[i] *= sqrt(r->sum[i] / C[i]);
    const double scale = 1 / mean_scale(r, D);
    for (size_t i = 0; i < r->n; i++) {
        D[i] *= scale;
        p_c[i] *= scale;
    }
    renew_variances(r, D, C);
}

/* ---- how many directions ---- */

static bool all_needed(const cma_low_rank *r)
{
    for (size_t j = 0; j < r->k; j++)
        if (!(1 + r->S[j] > NEEDED))
            return false;
    return true;
}

/* Directions that are neither wide nor growing go; returns how many stay. */
static size_t drop_idle(cma_low_rank *r)
{
    size_t kept = 0;

    for (size_t j = 0; j < r->k; j++) {
        if (1 + r->S[j] < NEEDED && r->axis_trend[j] < 0)
            continue;
        r->S[kept] = r->S[j];
        r->axis_trend[kept] = r->axis_trend[j];
        memmove(r->V.a + kept++ * r->V.ld, r->V.a + j * r->V.ld, r->V.ld * sizeof *r->V.a);
    }
    clear_from(r, kept);
    return kept;
}

/* One more, or two fifths more. */
static size_t raised(const cma_low_rank *r)
{
    const size_t more = (size_t)ceil(1.414 * (double)r->k), k = more > r->k + 1 ? more : r->k + 1;

    return k < r->k_most ? k : r->k_most;
}

/* True if the diagonal's part has settled. */
static bool follow_trends(cma_low_rank *r, const cma_params *p, double sigma_change, const double *C)
{
    const double n = (double)r->n, rate = fmin(1, (double)p->lambda / n) / 6, speed = p->c_1 + p->c_mu;
    bool settled = true;

    r->sigma_trend += rate * (sigma_change - r->sigma_trend);
    for (size_t i = 0; i < r->n; i++) {
        r->variance_trend[i] += (log(C[i] / r->before[i]) - r->variance_trend[i]) / n;
        settled = settled && fabs(r->variance_trend[i]) < 2 * speed;
    }
    for (size_t j = 0; j < r->k; j++)
        r->axis_trend[j] += (log1p(r->S[j]) - r->axes_before[j] - r->axis_trend[j]) / n;
    return settled && fabs(r->sigma_trend) < 0.1 * rate;
}

void zo_cma_low_rank_adapt(cma_low_rank *r, const cma_params *p, double sigma_change, uint64_t g, const double *D,
                           double *C)
{
    const bool settled = follow_trends(r, p, sigma_change, C);
    const uint64_t pause = 2 * r->n - 1, age = g - r->changed_at;
    size_t k = r->k;

    if (age > pause && settled && all_needed(r))
        k = raised(r);
    else if (age > r->k * pause)
        k = drop_idle(r);
    if (k == r->k)
        return;
    r->k = k;
    r->changed_at = g;
    renew_variances(r, D, C);
}

/* ---- saving ---- */

double zo_cma_low_rank_widest(const cma_low_rank *r)
{
    double most = 0;

    for (size_t j = 0; j < r->k; j++)
        most = fmax(most, r->S[j]);
    return 1 + most;
}

bool zo_cma_low_rank_is_sound(const cma_low_rank *r)
{
    for (size_t j = 0; j < r->k; j++)
        if (!(r->S[j] <= MOST_STRETCH))
            return false;
    return true;
}

void zo_cma_low_rank_visit(cma_low_rank *r, zo_visit *v)
{
    zo_visit_count(v, "k", &r->k, r->k_most);
    zo_visit_u64(v, "k_changed_at", &r->changed_at, 1);
    zo_visit_f64_within(v, "V", r->V.a, r->V.ld * r->V.cols, -1.5, 1.5); /* unit vectors, but for rounding */
    zo_visit_f64_within(v, "S", r->S, r->k_most, 0, MOST_STRETCH);
    zo_visit_f64_within(v, "trend_sigma", &r->sigma_trend, 1, -FASTEST, FASTEST);
    zo_visit_f64_within(v, "trend_variances", r->variance_trend, r->n, -FASTEST, FASTEST);
    zo_visit_f64_within(v, "trend_axes", r->axis_trend, r->k_most, -FASTEST, FASTEST);
}
