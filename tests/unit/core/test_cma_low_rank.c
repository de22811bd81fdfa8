/* The restricted covariance of CMA-ES against dense matrices: its root and inverse root, and one update against the
 * eigenvectors of the full sum. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cma/low_rank.h"
#include "zeroth/rng.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { N = 12, LAMBDA = 8, K = 3, LD = 16 };

struct fx {
    cma_low_rank r;
    cma_params p;
    double w[LAMBDA], D[N], C[N], p_c[LD];
    zo_mat Y;
    zo_rng rng;
};

/* K orthonormal directions, by Gram and Schmidt. */
static void choose_directions(struct fx *x)
{
    x->r.k = K;
    for (size_t j = 0; j < K; j++) {
        double *v = x->r.V.a + j * x->r.V.ld;
        zo_rng_normals(&x->rng, N, v);
        for (size_t i = 0; i < j; i++)
            zo_axpy(N, -zo_dot(N, v, x->r.V.a + i * x->r.V.ld), x->r.V.a + i * x->r.V.ld, v);
        const double length = zo_norm2(N, v);
        for (size_t i = 0; i < N; i++)
            v[i] /= length;
        x->r.S[j] = 10.0 * (double)(K - j);
    }
}

static void fx_open(struct fx *x)
{
    *x = (struct fx){.rng = zo_rng_make(11, ZO_PURPOSE_ASK, 1)};
    x->p.w = x->w;
    zo_cma_params_set(&x->p, N, LAMBDA, CMA_LOW_RANK, false);
    zo_cma_params_directions(&x->p, N, K);
    assert_int_equal(zo_cma_low_rank_init(&x->r, N, NULL), ZO_OK);
    assert_int_equal(zo_cma_low_rank_reserve(&x->r, LAMBDA / 2, NULL), ZO_OK);
    zo_cma_low_rank_start(&x->r);
    assert_int_equal(zo_mat_init(&x->Y, N, LAMBDA, NULL), ZO_OK);
    choose_directions(x);
    for (size_t k = 0; k < LAMBDA; k++)
        zo_rng_normals(&x->rng, N, x->Y.a + k * x->Y.ld);
    zo_rng_normals(&x->rng, N, x->p_c);
    for (size_t i = 0; i < N; i++) {
        x->D[i] = 0.5 + 0.1 * (double)i;
        x->C[i] = 1;
    }
}

static void fx_close(struct fx *x)
{
    zo_cma_low_rank_fini(&x->r);
    zo_mat_fini(&x->Y);
}

/* M = D (I + V S V') D */
static void dense(const struct fx *x, double M[N][N])
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = i == j;
            for (size_t k = 0; k < x->r.k; k++)
                sum += x->r.S[k] * x->r.V.a[i + k * x->r.V.ld] * x->r.V.a[j + k * x->r.V.ld];
            M[i][j] = x->D[i] * sum * x->D[j];
        }
}

/* Coloring the unit vectors gives a root R of the matrix: R R' = D (I + V S V') D. */
static void coloring_is_a_root_and_whitening_its_inverse(void **state)
{
    double M[N][N], R[N][N], back[LD] = {0};
    struct fx x;

    (void)state;
    fx_open(&x);
    dense(&x, M);
    for (size_t j = 0; j < N; j++) {
        double e[LD] = {0}, y[LD] = {0};
        e[j] = 1;
        zo_cma_low_rank_color(&x.r, x.D, e, y);
        for (size_t i = 0; i < N; i++)
            R[i][j] = y[i];
        zo_cma_low_rank_whiten(&x.r, x.D, y, back);
        for (size_t i = 0; i < N; i++)
            assert_close(back[i], e[i], 1e-12);
    }
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = 0;
            for (size_t k = 0; k < N; k++)
                sum += R[i][k] * R[j][k];
            assert_close(sum, M[i][j], 1e-12 * (1 + fabs(M[i][j])));
        }
    fx_close(&x);
}

/* F = decay (I + V S V') + c_1 p p' + c_mu sum w y y' in the metric of D, before the update. */
static void full_sum(const struct fx *x, double decay, zo_mat *F)
{
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            double sum = i == j ? decay : 0;
            for (size_t k = 0; k < x->r.k; k++)
                sum += decay * x->r.S[k] * x->r.V.a[i + k * x->r.V.ld] * x->r.V.a[j + k * x->r.V.ld];
            sum += x->p.c_1 * x->p_c[i] / x->D[i] * x->p_c[j] / x->D[j];
            for (size_t k = 0; k < x->p.mu; k++)
                sum += x->p.c_mu * x->w[k] * x->Y.a[i + k * x->Y.ld] / x->D[i] * x->Y.a[j + k * x->Y.ld] / x->D[j];
            F->a[i + j * F->ld] = sum;
        }
}

/* The leading eigenvectors of the full sum stay, with eigenvalues that keep its trace; its diagonal stays up to one
 * factor; the determinant is 1. */
static void an_update_keeps_the_leading_eigenvectors_the_trace_and_the_diagonal(void **state)
{
    const double decay = 0.9;
    double d[LD], work[4096], D[N], before[LD], log_det = 0;
    zo_mat F, B;
    int iwork[256];
    struct fx x;

    (void)state;
    fx_open(&x);
    assert_true(zo_eigh_work_size(N) <= ZO_LEN(work) && zo_eigh_iwork_size(N) <= ZO_LEN(iwork));
    assert_int_equal(zo_mat_init(&F, N, N, NULL), ZO_OK);
    assert_int_equal(zo_mat_init(&B, N, N, NULL), ZO_OK);
    full_sum(&x, decay, &F);
    assert_int_equal(zo_eigh(&F, &B, d, work, iwork, NULL), ZO_OK);
    memcpy(D, x.D, sizeof D);
    memcpy(before, x.p_c, sizeof before);
    zo_cma_low_rank_update(&x.r, &x.p, decay, &x.Y, x.w, x.p_c, x.D, x.C);

    double rest = 0;
    for (size_t j = 0; j < N - K; j++)
        rest += d[j] / (N - K); /* the identity's part of what stays */
    for (size_t j = 0; j < K; j++) {
        const size_t c = N - 1 - j;
        assert_close(rest * (1 + x.r.S[j]), d[c], 1e-10 * d[c]);
        assert_close(fabs(zo_dot(N, x.r.V.a + j * x.r.V.ld, B.a + c * B.ld)), 1, 1e-10);
    }
    const double scale = x.p_c[0] / before[0];
    for (size_t i = 0; i < N; i++) {
        assert_close(x.p_c[i], scale * before[i], 1e-12);
        const double wanted = scale * scale * D[i] * D[i] * F.a[i + i * F.ld];
        assert_close(x.C[i], wanted, 1e-10 * wanted);
        log_det += 2 * log(x.D[i]);
    }
    for (size_t j = 0; j < K; j++)
        log_det += log1p(x.r.S[j]);
    assert_close(log_det, 0, 1e-10);
    zo_mat_fini(&F);
    zo_mat_fini(&B);
    fx_close(&x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(coloring_is_a_root_and_whitening_its_inverse),
        cmocka_unit_test(an_update_keeps_the_leading_eigenvectors_the_trace_and_the_diagonal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
