/* The fixed-order Cholesky factor: bits against plain loops in the order its header states, on every width of registers
 * and every way to cut the work; values against LAPACK and residuals; refusals. */
#include <float.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "model/cholesky.h"
#include "zeroth/rng.h"

static const size_t sizes[] = {1, 2, 3, 7, 8, 9, 63, 64, 65, 100, 257, 513};

static zo_mat make(size_t rows, size_t cols, uint64_t seed)
{
    zo_mat m;
    zo_portable1 g = zo_portable1_make(seed);

    assert_int_equal(zo_mat_init(&m, rows, cols, NULL), ZO_OK);
    for (size_t j = 0; j < cols; j++)
        for (size_t i = 0; i < rows; i++)
            m.a[i + j * m.ld] = 2 * zo_portable1_uniform(&g) - 1;
    return m;
}

/* X X' of an n by 2n matrix of uniform entries: positive definite, its condition moderate. NaN above the diagonal. */
static zo_mat make_gram(size_t n, uint64_t seed)
{
    zo_mat X = make(n, 2 * n, seed), A = make(n, n, 0);

    zo_syrk(1.0, &X, 0.0, &A);
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < j; i++)
            A.a[i + j * A.ld] = NAN;
    zo_mat_fini(&X);
    return A;
}

static void assert_same_bits(const zo_mat *x, const zo_mat *y)
{
    assert_true(x->rows == y->rows && x->cols == y->cols);
    for (size_t j = 0; j < x->cols; j++)
        assert_memory_equal(x->a + j * x->ld, y->a + j * y->ld, x->rows * sizeof *x->a);
}

/* The header's sentences as loops. */
static void plain_factor(const zo_mat *A, double ridge, zo_mat *L)
{
    const size_t n = A->rows;

    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++) {
            double *l = L->a + i + j * L->ld;
            *l = i < j ? 0.0 : A->a[i + j * A->ld];
            if (i == j)
                *l += ridge;
            for (size_t k = 0; i >= j && k < j; k++)
                *l -= L->a[i + k * L->ld] * L->a[j + k * L->ld];
            if (i == j)
                *l = sqrt(*l);
            else if (i > j)
                *l /= L->a[j + j * L->ld];
        }
}

static void plain_solve_lower(const zo_mat *L, zo_mat *B)
{
    for (size_t j = 0; j < B->cols; j++)
        for (size_t i = 0; i < L->rows; i++) {
            double *x = B->a + j * B->ld;
            for (size_t k = 0; k < i; k++)
                x[i] -= L->a[i + k * L->ld] * x[k];
            x[i] /= L->a[i + i * L->ld];
        }
}

static void plain_solve_upper(const zo_mat *L, zo_mat *B)
{
    for (size_t j = 0; j < B->cols; j++)
        for (size_t i = L->rows; i-- > 0;) {
            double *x = B->a + j * B->ld;
            for (size_t k = L->rows; k-- > i + 1;)
                x[i] -= L->a[k + i * L->ld] * x[k];
            x[i] /= L->a[i + i * L->ld];
        }
}

static void the_factor_has_the_bits_of_the_stated_order(void **state)
{
    static const size_t cuts[][2] = {{1, 1}, {2, 5}, {3, 1}, {16, 16}, {7, 100}, {100, 3}};
    const zo_tile_ops *const ops[] = {zo_tile_ops_plain(), zo_tile_ops_best()};

    (void)state;
    for (size_t s = 0; s < ZO_LEN(sizes); s++) {
        const size_t n = sizes[s];
        zo_mat A = make_gram(n, n), L = make(n, n, 1), want = make(n, n, 2);
        zo_fixed_factor f;
        plain_factor(&A, 0.25, &want);
        assert_int_equal(zo_fixed_factor_init(&f, n, NULL), ZO_OK);
        for (size_t k = 0; k < ZO_LEN(cuts) * ZO_LEN(ops); k++) {
            f.ops = ops[k % ZO_LEN(ops)];
            f.panel = cuts[k / ZO_LEN(ops)][0];
            f.block = cuts[k / ZO_LEN(ops)][1];
            assert_int_equal(zo_fixed_cholesky(&f, &A, 0.25, NULL), ZO_OK);
            zo_fixed_factor_lower(&f, &L);
            assert_same_bits(&L, &want);
        }
        zo_fixed_factor_fini(&f);
        zo_mat_fini(&A);
        zo_mat_fini(&L);
        zo_mat_fini(&want);
    }
}

/* B row-major, as the solves take it */
static double *rows_of(const zo_mat *B)
{
    double *X = zo_calloc(B->rows * B->cols, sizeof *X);

    assert_non_null(X);
    for (size_t j = 0; j < B->cols; j++)
        for (size_t i = 0; i < B->rows; i++)
            X[i * B->cols + j] = B->a[i + j * B->ld];
    return X;
}

static void assert_rows_have_the_bits(const double *X, const zo_mat *want)
{
    double *rows = rows_of(want);

    assert_memory_equal(X, rows, want->rows * want->cols * sizeof *X);
    zo_free(rows);
}

static void the_solves_have_the_bits_of_the_stated_order(void **state)
{
    static const size_t counts[] = {1, 8, 9, 33, 70};
    const zo_tile_ops *const ops[] = {zo_tile_ops_plain(), zo_tile_ops_best()};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(sizes) * ZO_LEN(counts); k++) {
        const size_t n = sizes[k / ZO_LEN(counts)], m = counts[k % ZO_LEN(counts)];
        zo_mat A = make_gram(n, n), L = make(n, n, 1), want = make(n, m, 3);
        double *X = rows_of(&want), *both = rows_of(&want);
        zo_fixed_factor f;
        plain_factor(&A, 0.0, &L);
        assert_int_equal(zo_fixed_factor_init(&f, n, NULL), ZO_OK);
        if (k % 3)
            zo_fixed_factor_load(&f, &L);
        else
            assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
        f.ops = ops[k % ZO_LEN(ops)];
        zo_fixed_solve_lower(&f, X, m);
        plain_solve_lower(&L, &want);
        assert_rows_have_the_bits(X, &want);
        plain_solve_upper(&L, &want);
        f.ops = ops[(k + 1) % ZO_LEN(ops)];
        zo_fixed_solve_upper(&f, X, m);
        assert_rows_have_the_bits(X, &want);
        zo_fixed_solve(&f, both, m);
        assert_rows_have_the_bits(both, &want);
        zo_fixed_factor_fini(&f);
        zo_mat_fini(&A);
        zo_mat_fini(&L);
        zo_mat_fini(&want);
        zo_free(X);
        zo_free(both);
    }
}

/* max |A - L L'| over the lower triangle, and the largest |a(i,j)| */
static double residual(const zo_mat *A, const zo_mat *L, double *largest_out)
{
    zo_mat R = make(A->rows, A->rows, 0);
    double worst = 0, largest = 0;

    zo_syrk(1.0, L, 0.0, &R);
    for (size_t j = 0; j < A->rows; j++)
        for (size_t i = j; i < A->rows; i++) {
            worst = fmax(worst, fabs(A->a[i + j * A->ld] - R.a[i + j * R.ld]));
            largest = fmax(largest, fabs(A->a[i + j * A->ld]));
        }
    zo_mat_fini(&R);
    *largest_out = largest;
    return worst;
}

static void the_product_of_the_factor_is_the_matrix_and_lapack_agrees(void **state)
{
    (void)state;
    for (size_t s = 0; s < ZO_LEN(sizes); s++) {
        const size_t n = sizes[s];
        zo_mat A = make_gram(n, n), L = make(n, n, 1), lapack = make(n, n, 2);
        zo_fixed_factor f;
        double largest;
        assert_int_equal(zo_fixed_factor_init(&f, n, NULL), ZO_OK);
        assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
        zo_fixed_factor_lower(&f, &L);
        const double worst = residual(&A, &L, &largest);
        assert_true(worst <= (double)(n + 1) * DBL_EPSILON *
                                 largest); /* Higham's bound, theorem 10.3, with room for dsyrk's own error */
        assert_int_equal(zo_chol(&A, &lapack, NULL), ZO_OK);
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < n; i++)
                assert_true(fabs(L.a[i + j * L.ld] - lapack.a[i + j * L.ld]) <= 1e-12 * sqrt(largest));
        zo_fixed_factor_fini(&f);
        zo_mat_fini(&A);
        zo_mat_fini(&L);
        zo_mat_fini(&lapack);
    }
}

static void the_trace_of_the_inverse_is_that_of_solved_unit_vectors(void **state)
{
    (void)state;
    for (size_t s = 0; s < ZO_LEN(sizes); s++) {
        const size_t n = sizes[s];
        zo_mat A = make_gram(n, n), L = make(n, n, 1);
        double x[513], want = 0;
        zo_fixed_factor f;
        assert_int_equal(zo_chol(&A, &L, NULL), ZO_OK);
        for (size_t i = 0; i < n; i++) {
            memset(x, 0, sizeof x);
            x[i] = 1.0;
            zo_chol_solve(&L, x, x);
            want += x[i];
        }
        assert_int_equal(zo_fixed_factor_init(&f, n, NULL), ZO_OK);
        assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
        const double got = zo_fixed_trace_inverse(&f);
        assert_true(fabs(got - want) <= 1e-12 * want);
        f.ops = zo_tile_ops_plain();
        assert_true(zo_fixed_trace_inverse(&f) == got);
        zo_fixed_factor_fini(&f);
        zo_mat_fini(&A);
        zo_mat_fini(&L);
    }
}

static void the_log_determinant_is_the_sum_of_the_logs_of_the_diagonal(void **state)
{
    enum { N = 700 };
    zo_fixed_factor f;
    zo_mat L;

    (void)state;
    assert_int_equal(zo_mat_init(&L, N, N, NULL), ZO_OK);
    assert_int_equal(zo_fixed_factor_init(&f, N, NULL), ZO_OK);
    for (int scale = -150; scale <= 150; scale += 50) { /* whose product leaves the range of doubles */
        zo_portable1 g = zo_portable1_make(9);
        long double want = 0;
        for (size_t i = 0; i < N; i++) {
            L.a[i + i * L.ld] = (0.1 + zo_portable1_uniform(&g)) * pow(10, scale);
            want += 2 * logl((long double)L.a[i + i * L.ld]);
        }
        zo_fixed_factor_load(&f, &L);
        assert_true(fabsl(zo_fixed_log_det(&f) - want) <= 4 * N * DBL_EPSILON + 2 * DBL_EPSILON * fabsl(want));
    }
    zo_mat_fini(&L);
    zo_fixed_factor_fini(&f);
    assert_int_equal(zo_fixed_factor_init(&f, 0, NULL), ZO_OK);
    assert_true(zo_fixed_log_det(&f) == 0.0);
    zo_fixed_factor_fini(&f);
}

static void a_column_does_not_depend_on_its_neighbours(void **state)
{
    enum { N = 65, M = 41, BAD = 7 };
    zo_mat A = make_gram(N, 5), B = make(N, M, 6);
    B.a[N / 2 + BAD * B.ld] = INFINITY; /* not even by 0 inf = NaN */
    double *all = rows_of(&B);
    zo_fixed_factor f;

    (void)state;
    assert_int_equal(zo_fixed_factor_init(&f, N, NULL), ZO_OK);
    assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
    zo_fixed_solve(&f, all, M);
    for (size_t j = 0; j < M; j++) {
        double *one = B.a + j * B.ld;
        zo_fixed_solve(&f, one, 1);
        for (size_t i = 0; j != BAD && i < N; i++)
            assert_memory_equal(&one[i], &all[i * M + j], sizeof *one);
    }
    zo_fixed_factor_fini(&f);
    zo_mat_fini(&A);
    zo_mat_fini(&B);
    zo_free(all);
}

static void any_leading_dimension_will_do(void **state)
{
    enum { N = 19, LD = 23 };
    static double a[N * LD], l[N * LD];
    zo_mat A = make_gram(N, 8), L = make(N, N, 0);
    zo_mat odd = {.a = a, .rows = N, .cols = N, .ld = LD}, odd_out = {.a = l, .rows = N, .cols = N, .ld = LD};
    zo_fixed_factor f;

    (void)state;
    for (size_t j = 0; j < N; j++)
        memcpy(a + j * LD, A.a + j * A.ld, N * sizeof *a);
    assert_int_equal(zo_fixed_factor_init(&f, N, NULL), ZO_OK);
    assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
    zo_fixed_factor_lower(&f, &L);
    assert_int_equal(zo_fixed_cholesky(&f, &odd, 0.0, NULL), ZO_OK);
    zo_fixed_factor_lower(&f, &odd_out);
    assert_same_bits(&L, &odd_out);
    zo_fixed_factor_fini(&f);
    zo_mat_fini(&A);
    zo_mat_fini(&L);
}

static void a_matrix_that_is_not_positive_names_its_first_bad_pivot(void **state)
{
    static const double bad[] = {0.0, -1.0, NAN, INFINITY};
    enum { N = 300 };
    zo_mat A;
    zo_fixed_factor f;
    zo_error err;

    (void)state;
    assert_int_equal(zo_mat_init(&A, N, N, NULL), ZO_OK);
    assert_int_equal(zo_fixed_factor_init(&f, N, NULL), ZO_OK);
    for (size_t k = 0; k < N * ZO_LEN(bad); k++) {
        const size_t pivot = k / ZO_LEN(bad);
        char want[16];
        for (size_t i = 0; i < N; i++)
            A.a[i + i * A.ld] = i < pivot ? 4.0 : bad[k % ZO_LEN(bad)];
        assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, &err), ZO_ENUMERIC);
        snprintf(want, sizeof want, "pivot %zu", pivot);
        assert_string_equal(strstr(err.message, "pivot"), want);
    }
    for (size_t i = 0; i < N; i++)
        A.a[i + i * A.ld] = -1.0;
    assert_int_equal(zo_fixed_cholesky(&f, &A, 2.0, &err), ZO_OK); /* the ridge makes it positive */
    assert_true(zo_fixed_trace_inverse(&f) == N);
    zo_fixed_factor_fini(&f);
    zo_mat_fini(&A);
}

static void no_rows_and_too_many_rows_are_handled(void **state)
{
    zo_fixed_factor f;
    zo_error err;
    zo_mat A = {.ld = 8};

    (void)state;
    assert_int_equal(zo_fixed_factor_init(&f, 0, &err), ZO_OK);
    assert_int_equal(zo_fixed_cholesky(&f, &A, 1.0, &err), ZO_OK);
    zo_fixed_solve(&f, NULL, 3);
    assert_true(zo_fixed_trace_inverse(&f) == 0.0);
    zo_fixed_factor_fini(&f);
    assert_int_equal(zo_fixed_factor_init(&f, SIZE_MAX / 8, &err), ZO_ENOMEM);
    zo_fixed_factor_fini(NULL);
    assert_int_equal(zo_fixed_factor_bytes(1024), 4 * 1024 * 1024 + 288 * 1024);
    assert_int_equal(zo_fixed_factor_bytes(1017), zo_fixed_factor_bytes(1024));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_factor_has_the_bits_of_the_stated_order),
        cmocka_unit_test(the_solves_have_the_bits_of_the_stated_order),
        cmocka_unit_test(the_product_of_the_factor_is_the_matrix_and_lapack_agrees),
        cmocka_unit_test(the_trace_of_the_inverse_is_that_of_solved_unit_vectors),
        cmocka_unit_test(the_log_determinant_is_the_sum_of_the_logs_of_the_diagonal),
        cmocka_unit_test(a_column_does_not_depend_on_its_neighbours),
        cmocka_unit_test(any_leading_dimension_will_do),
        cmocka_unit_test(a_matrix_that_is_not_positive_names_its_first_bad_pivot),
        cmocka_unit_test(no_rows_and_too_many_rows_are_handled),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
