/* The Gaussian of CMA-ES: one generation against a plain dense computation with explicit inverses, definiteness under
 * random ranking, sampling statistics; the small eigensolver against LAPACK. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "cma/eigen.h"
#include "cma/generation.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

enum { MAX_N = 40, MAX_LAMBDA = 24 };

struct fx {
    cma_gauss g;
    cma_generation q;
    cma_params p;
};

static void fx_open(struct fx *x, size_t n, size_t lambda, bool diagonal)
{
    *x = (struct fx){.q = {.n = n, .ld = zo_mat_ld(n)}};
    assert_int_equal(zo_cma_gauss_init(&x->g, n, diagonal ? CMA_DIAGONAL : CMA_FULL, NULL), ZO_OK);
    assert_int_equal(zo_cma_generation_reserve(&x->q, lambda, NULL), ZO_OK);
    x->p.w = x->q.nominal;
    zo_cma_params_set(&x->p, n, lambda, x->g.shape, true);
    for (size_t i = 0; i < n; i++)
        x->g.m[i] = 0.1 + 0.02 * (double)i;
    zo_cma_gauss_start(&x->g, 0.3);
}

static void fx_close(struct fx *x)
{
    zo_cma_gauss_fini(&x->g);
    zo_cma_generation_fini(&x->q);
}

/* Draw a generation, rank it by key(v), update. Foreign as the test says. */
static void generation(struct fx *x, uint64_t k, double (*key)(size_t n, const double *v, zo_rng *r), bool strange)
{
    zo_rng r = zo_rng_make(7, ZO_PURPOSE_ASK, k);

    zo_cma_generation_clear(&x->q);
    for (size_t i = 0; i < x->p.lambda; i++) {
        const size_t slot = zo_cma_generation_add(&x->q);
        double *v = x->q.v + slot * x->q.ld;
        zo_cma_gauss_sample(&x->g, &r, v);
        x->q.points[slot] = (cma_point){.number = i, .foreign = strange && i % 3 == 0};
        for (size_t j = 0; j < x->g.n && x->q.points[slot].foreign; j++)
            v[j] += 5 * x->g.sigma;
        x->q.points[slot].f = key(x->g.n, v, &r);
    }
    zo_cma_generation_rank(&x->q, &x->g, 0);
    zo_cma_generation_steps(&x->q, &x->g, &x->p);
}

static void update(struct fx *x)
{
    zo_cma_gauss_update(&x->g, &x->p, &x->q.Y, &x->q.U, x->q.w, x->q.scratch);
}

static double tilted(size_t n, const double *v, zo_rng *r)
{
    double s = 0;
    (void)r;
    for (size_t i = 0; i < n; i++)
        s += (double)(i + 1) * v[i] * v[i] + (i > 0 ? v[i] * v[i - 1] : 0);
    return s;
}

static double by_chance(size_t n, const double *v, zo_rng *r)
{
    (void)n;
    (void)v;
    return zo_rng_uniform(r);
}

/* ---- the same generation by the textbook: full matrices, Gauss-Jordan, a root by the Denman-Beavers iteration ---- */
typedef double square[MAX_N][MAX_N];

static void invert(size_t n, square A, square out)
{
    static square M;
    memcpy(M, A, sizeof M);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[i][j] = i == j;
    for (size_t k = 0; k < n; k++) { /* positive definite: no pivoting */
        const double pivot = M[k][k];
        for (size_t j = 0; j < n; j++) {
            M[k][j] /= pivot;
            out[k][j] /= pivot;
        }
        for (size_t i = 0; i < n; i++) {
            const double f = M[i][k];
            for (size_t j = 0; j < n && i != k; j++) {
                M[i][j] -= f * M[k][j];
                out[i][j] -= f * out[k][j];
            }
        }
    }
}

/* out = A^(-1/2) */
static void inverse_root(size_t n, square A, square out)
{
    static square Y, Y_inverse, Z_inverse, next;
    memcpy(Y, A, sizeof Y);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            out[i][j] = i == j;
    for (int k = 0; k < 40; k++) {
        invert(n, Y, Y_inverse);
        invert(n, out, Z_inverse);
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++) {
                next[i][j] = (Y[i][j] + Z_inverse[i][j]) / 2;
                out[i][j] = (out[i][j] + Y_inverse[i][j]) / 2;
            }
        memcpy(Y, next, sizeof Y);
    }
}

struct textbook {
    double m[MAX_N], p_sigma[MAX_N], p_c[MAX_N], sigma;
    square C;
    uint64_t g;
};

static void textbook_of(const cma_gauss *g, struct textbook *t)
{
    *t = (struct textbook){.sigma = g->sigma, .g = g->g};
    for (size_t i = 0; i < g->n; i++) {
        t->m[i] = g->m[i];
        t->p_sigma[i] = g->p_sigma[i];
        t->p_c[i] = g->p_c[i];
        for (size_t j = 0; j <= i; j++)
            t->C[i][j] = t->C[j][i] = g->shape == CMA_DIAGONAL ? (i == j ? g->C.a[i] : 0) : g->C.a[i + j * g->C.ld];
    }
}

/* Hansen, arXiv:1604.00772, equations 38 to 47 and the injection's clipping; v: samples by rank. */
static void textbook_generation(struct textbook *t, const struct fx *x, bool diagonal)
{
    static square root;
    const size_t n = x->g.n, lambda = x->p.lambda;
    const cma_params *p = &x->p;
    static double y[MAX_LAMBDA][MAX_N];
    double mean[MAX_N] = {0}, w[MAX_LAMBDA], sum = 0, norm2 = 0;

    inverse_root(n, t->C, root);
    for (size_t k = 0; k < lambda; k++) {
        double length2 = 0;
        const bool foreign = x->q.points[x->q.ranks[k].slot].foreign;
        for (size_t i = 0; i < n; i++)
            y[k][i] = (x->q.best[k][i] - t->m[i]) / t->sigma;
        for (size_t i = 0; i < n; i++) {
            double u = 0;
            for (size_t j = 0; j < n; j++)
                u += root[i][j] * y[k][j];
            length2 += u * u;
        }
        const double most = sqrt((double)n) + 2 * (double)n / ((double)n + 2);
        if (foreign && length2 > most * most) {
            for (size_t i = 0; i < n; i++)
                y[k][i] *= most / sqrt(length2);
            length2 = most * most;
        }
        w[k] = foreign && p->w[k] < 0 ? 0 : p->w[k];
        sum += w[k];
        if (w[k] < 0)
            w[k] *= (double)n / length2;
        for (size_t i = 0; i < n; i++)
            mean[i] += w[k] > 0 ? w[k] * y[k][i] : 0;
    }
    for (size_t i = 0; i < n; i++) {
        double u = 0;
        for (size_t j = 0; j < n; j++)
            u += root[i][j] * mean[j];
        t->p_sigma[i] = (1 - p->c_sigma) * t->p_sigma[i] + sqrt(p->c_sigma * (2 - p->c_sigma) * p->mu_eff) * u;
        norm2 += t->p_sigma[i] * t->p_sigma[i];
        t->m[i] += t->sigma * mean[i];
    }
    const double filled = 1 - pow(1 - p->c_sigma, 2 * (double)(t->g + 1));
    const double h = sqrt(norm2 / filled) < sqrt((double)n * (2 + 4 / ((double)n + 1)));
    const double decay = 1 + p->c_1 * (1 - h) * p->c_c * (2 - p->c_c) - p->c_1 - p->c_mu * sum;
    for (size_t i = 0; i < n; i++)
        t->p_c[i] = (1 - p->c_c) * t->p_c[i] + h * sqrt(p->c_c * (2 - p->c_c) * p->mu_eff) * mean[i];
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++) {
            double c = decay * t->C[i][j] + p->c_1 * t->p_c[i] * t->p_c[j];
            for (size_t k = 0; k < lambda; k++)
                c += p->c_mu * w[k] * y[k][i] * y[k][j];
            t->C[i][j] = diagonal && i != j ? 0 : c;
        }
    const double chi = sqrt((double)n) * (1 - 1 / (4.0 * (double)n) + 1 / (21.0 * (double)(n * n)));
    t->sigma *= exp(fmin(1, p->c_sigma / p->d_sigma * (sqrt(norm2) / chi - 1)));
    t->g++;
}

static void assert_like_the_textbook(const cma_gauss *g, const struct textbook *t)
{
    assert_close(g->sigma / t->sigma, 1, 1e-10);
    for (size_t i = 0; i < g->n; i++) {
        assert_close(g->m[i], t->m[i], 1e-10);
        assert_close(g->p_sigma[i], t->p_sigma[i], 1e-9);
        assert_close(g->p_c[i], t->p_c[i], 1e-9);
        for (size_t j = 0; j <= i && g->shape == CMA_FULL; j++)
            assert_close(g->C.a[i + j * g->C.ld], t->C[i][j], 1e-9);
        if (g->shape == CMA_DIAGONAL)
            assert_close(g->C.a[i], t->C[i][i], 1e-9);
    }
}

static void a_generation_is_the_textbook_s(void **state)
{
    static struct textbook t;
    static const struct {
        size_t n, lambda;
        bool diagonal, strange;
    } cases[] = {{1, 4, false, false}, {2, 6, false, false},  {10, 10, false, false}, {10, 10, false, true},
                 {9, 24, true, false}, {33, 14, false, true}, {40, 15, false, false}, {40, 15, true, true}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        struct fx x;
        fx_open(&x, cases[k].n, cases[k].lambda, cases[k].diagonal);
        for (uint64_t g = 0; g < 12; g++) {
            zo_cma_gauss_decompose(&x.g, &x.p);
            if (x.g.g_eigen != x.g.g) { /* what is compared is one step; laziness has a test of its own */
                x.g.g_eigen = 0;
                zo_cma_gauss_decompose(&x.g, &x.p);
            }
            generation(&x, g, tilted, cases[k].strange);
            textbook_of(&x.g, &t);
            textbook_generation(&t, &x, cases[k].diagonal);
            update(&x);
            assert_like_the_textbook(&x.g, &t);
        }
        fx_close(&x);
    }
}

/* Active update: whatever the ranking, no eigenvalue is lost. sigma and m are put back so that only C walks. */
static void covariance_stays_definite_under_random_ranking(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 12; n += 11)
        for (int diagonal = 0; diagonal < 2; diagonal++) {
            struct fx x;
            zo_mat L = {0};
            fx_open(&x, n, zo_cma_population(n), diagonal);
            assert_int_equal(zo_mat_init(&L, n, n, NULL), ZO_OK);
            for (uint64_t g = 0; g < 10000; g++) {
                generation(&x, g, by_chance, false);
                update(&x);
                zo_cma_gauss_decompose(&x.g, &x.p);
                x.g.sigma = 0.3;
                memset(x.g.m, 0, n * sizeof *x.g.m);
                if (!diagonal && g % 100 == 0) /* by another method than that which keeps watch in there */
                    assert_int_equal(zo_chol(&x.g.C, &L, NULL), ZO_OK);
                for (size_t i = 0; i < n; i++)
                    assert_true(zo_cma_variance(&x.g, i) > 0 && x.g.D[i] > 0);
            }
            assert_int_equal(x.g.n_resets, 0);
            zo_mat_fini(&L);
            fx_close(&x);
        }
}

static void samples_have_the_mean_and_the_covariance(void **state)
{
    enum { N = 3, COUNT = 200000 };
    const double C[N][N] = {{4, 1, 0.5}, {1, 2, -0.3}, {0.5, -0.3, 1}};
    double mean[N] = {0}, second[N][N] = {{0}};
    struct fx x;

    (void)state;
    fx_open(&x, N, 10, false);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++)
            x.g.C.a[i + j * x.g.C.ld] = C[i][j];
    x.g.g = 100;
    zo_cma_gauss_decompose(&x.g, &x.p);
    for (uint64_t k = 0; k < COUNT; k++) {
        zo_rng r = zo_rng_make(3, ZO_PURPOSE_ASK, k);
        double v[N];
        zo_cma_gauss_sample(&x.g, &r, v);
        for (size_t i = 0; i < N; i++) {
            v[i] = (v[i] - x.g.m[i]) / x.g.sigma;
            mean[i] += v[i] / COUNT;
            for (size_t j = 0; j <= i; j++)
                second[i][j] += v[i] * v[j] / COUNT;
        }
    }
    for (size_t i = 0; i < N; i++) { /* 5 standard errors: sqrt(C_ii / COUNT) and sqrt((C_ii C_jj + C_ij^2) / COUNT) */
        assert_close(mean[i], 0, 5 * sqrt(C[i][i] / COUNT));
        for (size_t j = 0; j <= i; j++)
            assert_close(second[i][j], C[i][j], 5 * sqrt((C[i][i] * C[j][j] + C[i][j] * C[i][j]) / COUNT));
    }
    fx_close(&x);
}

static void lost_arithmetic_is_found_and_undone(void **state)
{
    struct fx x;

    (void)state;
    fx_open(&x, 5, 8, false);
    x.g.C.a[3] = NAN;
    x.g.g = 100;
    zo_cma_gauss_decompose(&x.g, &x.p);
    assert_int_equal(x.g.n_resets, 1);
    for (size_t i = 0; i < 5; i++)
        assert_true(x.g.D[i] == 1 && zo_cma_variance(&x.g, i) == 1);
    for (size_t i = 0; i < 5; i++) /* rank one: four eigenvalues are 0, or rounded below */
        for (size_t j = 0; j < 5; j++)
            x.g.C.a[i + j * x.g.C.ld] = (double)((i + 1) * (j + 1));
    x.g.g = 200;
    zo_cma_gauss_decompose(&x.g, &x.p);
    assert_int_equal(x.g.n_resets, 1);
    for (size_t i = 0; i < 5; i++)
        assert_true(x.g.D[i] > 0);
    fx_close(&x);
}

/* ---- the small eigensolver ---- */

static void check_eigen(size_t n, const zo_mat *A)
{
    zo_mat B = {0}, L = {0};
    double *work = zo_memalign64(zo_cma_eigh_work_size(n) * sizeof *work), d[64], known[64];
    double *lapack = zo_memalign64(zo_eigh_work_size(n) * sizeof *lapack), size = 0;
    int iwork[400];

    assert_true(work && lapack);
    assert_int_equal(zo_mat_init(&B, n, n, NULL), ZO_OK);
    assert_int_equal(zo_mat_init(&L, n, n, NULL), ZO_OK);
    assert_int_equal(zo_cma_eigh(A, &B, d, work, NULL), ZO_OK);
    assert_int_equal(zo_eigh(A, &L, known, lapack, iwork, NULL), ZO_OK);
    for (size_t i = 0; i < n; i++)
        size = fmax(size, fabs(known[i]));
    for (size_t i = 0; i < n; i++) { /* A = B d B', B'B = 1, nothing in the padding */
        for (size_t j = 0; j <= i; j++) {
            double a = 0, one = 0;
            for (size_t k = 0; k < n; k++) {
                a += B.a[i + k * B.ld] * d[k] * B.a[j + k * B.ld];
                one += B.a[k + i * B.ld] * B.a[k + j * B.ld];
            }
            assert_close(a, A->a[i + j * A->ld], 1e-13 * (double)n * size);
            assert_close(one, i == j, 1e-13 * (double)n);
        }
        for (size_t k = n; k < B.ld; k++)
            assert_true(B.a[k + i * B.ld] == 0);
    }
    for (size_t i = 0; i < n; i++) { /* the i-th smallest is LAPACK's */
        size_t least = i;
        for (size_t k = i; k < n; k++)
            least = d[k] < d[least] ? k : least;
        const double kept = d[least];
        d[least] = d[i];
        d[i] = kept;
        assert_close(d[i], known[i], 1e-13 * size);
    }
    zo_free(work);
    zo_free(lapack);
    zo_mat_fini(&B);
    zo_mat_fini(&L);
}

static void small_matrices_decompose_as_by_lapack(void **state)
{
    (void)state;
    for (size_t n = 1; n <= 40; n++)
        for (int kind = 0; kind < 4; kind++) {
            zo_rng r = zo_rng_make(n, ZO_PURPOSE_ASK, (uint64_t)kind);
            zo_mat A = {0};
            assert_int_equal(zo_mat_init(&A, n, n, NULL), ZO_OK);
            for (size_t j = 0; j < n; j++) /* dense, diagonal with repetitions, graded over 1e14, tiny */
                for (size_t i = j; i < n; i++)
                    A.a[i + j * A.ld] = kind == 0   ? zo_rng_normal(&r)
                                        : kind == 1 ? (i == j) * (double)(i % 3)
                                        : kind == 2
                                            ? zo_rng_normal(&r) * pow(10, -14 * (double)(i + j) / (2.0 * (double)n))
                                            : 1e-200 * zo_rng_normal(&r);
            A.a[0] += kind == 1;
            check_eigen(n, &A);
            zo_mat_fini(&A);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_generation_is_the_textbook_s),
        cmocka_unit_test(covariance_stays_definite_under_random_ranking),
        cmocka_unit_test(samples_have_the_mean_and_the_covariance),
        cmocka_unit_test(lost_arithmetic_is_found_and_undone),
        cmocka_unit_test(small_matrices_decompose_as_by_lapack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
