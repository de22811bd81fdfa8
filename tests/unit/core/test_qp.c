#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "qp/qp.h"
#include "zeroth/rng.h"

enum { N = 3, M = 3, ALL = M + 2 * N };

struct program {
    double H[N][N], g[N], A[M * N], b[M], low[N], high[N];
};

static struct program draw(uint64_t seed)
{
    struct program p;
    double S[N][N];
    zo_rng rng = zo_rng_make(seed, ZO_PURPOSE_INIT, 0);

    zo_rng_normals(&rng, N * N, &S[0][0]);
    for (size_t i = 0; i < N; i++)
        for (size_t j = 0; j < N; j++) {
            p.H[i][j] = i == j ? 0.1 : 0;
            for (size_t k = 0; k < N; k++)
                p.H[i][j] += S[i][k] * S[j][k];
        }
    zo_rng_normals(&rng, N, p.g);
    zo_rng_normals(&rng, M * N, p.A);
    zo_rng_normals(&rng, M, p.b);
    for (size_t i = 0; i < N; i++) {
        p.low[i] = -zo_rng_uniform(&rng);
        p.high[i] = zo_rng_uniform(&rng);
    }
    return p;
}

/* Constraint k as a'd <= c. */
static double row(const struct program *p, size_t k, double a[N])
{
    memset(a, 0, N * sizeof *a);
    if (k < M) {
        memcpy(a, p->A + k * N, N * sizeof *a);
        return p->b[k];
    }
    const size_t i = (k - M) / 2;
    a[i] = (k - M) % 2 ? 1 : -1;
    return (k - M) % 2 ? p->high[i] : -p->low[i];
}

/* Gauss with pivoting; false if singular. */
static bool solve(size_t n, double K[2 * N][2 * N + 1])
{
    for (size_t c = 0; c < n; c++) {
        size_t best = c;
        for (size_t r = c; r < n; r++)
            best = fabs(K[r][c]) > fabs(K[best][c]) ? r : best;
        if (fabs(K[best][c]) < 1e-12)
            return false;
        for (size_t j = 0; j <= n; j++) {
            const double t = K[c][j];
            K[c][j] = K[best][j];
            K[best][j] = t;
        }
        for (size_t r = 0; r < n; r++)
            for (size_t j = n + 1; r != c && j-- > c;)
                K[r][j] -= K[r][c] / K[c][c] * K[c][j];
    }
    for (size_t r = 0; r < n; r++)
        K[r][n] /= K[r][r];
    return true;
}

static double objective(const struct program *p, const double *d)
{
    double f = 0;

    for (size_t i = 0; i < N; i++) {
        f += p->g[i] * d[i];
        for (size_t j = 0; j < N; j++)
            f += 0.5 * d[i] * p->H[i][j] * d[j];
    }
    return f;
}

static bool is_feasible(const struct program *p, const double *d, double slack)
{
    double a[N];

    for (size_t k = 0; k < ALL; k++) {
        const double c = row(p, k, a);
        if (zo_dot(N, a, d) > c + slack)
            return false;
    }
    return true;
}

/* The least value over the equality programs of all sets of at most N constraints whose solution is feasible. */
static double brute_force(const struct program *p)
{
    double best = INFINITY;

    for (unsigned set = 0; set < 1u << ALL; set++) {
        const size_t q = (size_t)__builtin_popcount(set);
        double K[2 * N][2 * N + 1] = {{0}}, d[N];
        size_t r = N;
        if (q > N)
            continue;
        for (size_t i = 0; i < N; i++) {
            for (size_t j = 0; j < N; j++)
                K[i][j] = p->H[i][j];
            K[i][N + q] = -p->g[i];
        }
        for (size_t k = 0; k < ALL; k++) {
            double a[N];
            if (!(set >> k & 1))
                continue;
            K[r][N + q] = row(p, k, a);
            for (size_t i = 0; i < N; i++)
                K[r][i] = K[i][r] = a[i];
            r++;
        }
        if (!solve(N + q, K))
            continue;
        for (size_t i = 0; i < N; i++)
            d[i] = K[i][N + q];
        if (is_feasible(p, d, 1e-9) && objective(p, d) < best)
            best = objective(p, d);
    }
    return best;
}

static void it_finds_the_best_of_all_active_sets(void **state)
{
    zo_qp q = {0};
    zo_mat H = {0};
    size_t n_infeasible = 0;

    (void)state;
    assert_int_equal(zo_qp_init(&q, N, M, NULL), ZO_OK);
    assert_int_equal(zo_mat_init(&H, N, N, NULL), ZO_OK);
    for (uint64_t seed = 0; seed < 500; seed++) {
        const struct program p = draw(seed);
        double d[N], u[M], grad[N];
        for (size_t j = 0; j < N; j++)
            for (size_t i = 0; i < N; i++)
                H.a[i + j * H.ld] = p.H[i][j];
        const double best = brute_force(&p);
        const qp_status status = zo_qp_solve(&q, N, M, &H, p.g, p.A, p.b, p.low, p.high, d, u);
        if (isinf(best)) {
            assert_int_equal(status, QP_INFEASIBLE);
            n_infeasible++;
            continue;
        }
        assert_int_equal(status, QP_SOLVED);
        assert_true(is_feasible(&p, d, 1e-9));
        assert_true(fabs(objective(&p, d) - best) < 1e-8 * (1 + fabs(best)));
        for (size_t i = 0; i < N; i++) { /* inside the box the rows alone balance the gradient */
            grad[i] = p.g[i];
            for (size_t j = 0; j < N; j++)
                grad[i] += p.H[i][j] * d[j];
            for (size_t k = 0; k < M; k++)
                grad[i] += u[k] * p.A[k * N + i];
            if (d[i] > p.low[i] + 1e-9 && d[i] < p.high[i] - 1e-9)
                assert_true(fabs(grad[i]) < 1e-7);
        }
        for (size_t k = 0; k < M; k++)
            assert_true(u[k] >= 0 && (u[k] < 1e-9 || fabs(zo_dot(N, p.A + k * N, d) - p.b[k]) < 1e-8));
    }
    assert_true(n_infeasible > 10 && n_infeasible < 250);
    zo_mat_fini(&H);
    zo_qp_fini(&q);
}

static void a_matrix_that_is_not_positive_is_broken(void **state)
{
    const double zero[2] = {0}, low[2] = {-1, -1}, high[2] = {1, 1};
    double d[2], u[1];
    zo_qp q = {0};
    zo_mat H = {0};

    (void)state;
    assert_int_equal(zo_qp_init(&q, 2, 0, NULL), ZO_OK);
    assert_int_equal(zo_mat_init(&H, 2, 2, NULL), ZO_OK);
    H.a[0] = 1;
    H.a[1 + H.ld] = -1;
    assert_int_equal(zo_qp_solve(&q, 2, 0, &H, zero, NULL, NULL, low, high, d, u), QP_BROKEN);
    zo_mat_fini(&H);
    zo_qp_fini(&q);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_finds_the_best_of_all_active_sets),
        cmocka_unit_test(a_matrix_that_is_not_positive_is_broken),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
