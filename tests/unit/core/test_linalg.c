/* Linear algebra: wrappers against plain triple loops and closed forms, refusals, and the arithmetic tag. */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "zeroth/linalg.h"
#include "zeroth/rng.h"

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

static double at(const zo_mat *m, bool trans, size_t i, size_t j)
{
    return trans ? m->a[j + i * m->ld] : m->a[i + j * m->ld];
}

static void columns_are_aligned_and_zeroed(void **state)
{
    (void)state;
    for (size_t rows = 0; rows < 20; rows++) {
        zo_mat m;
        assert_int_equal(zo_mat_init(&m, rows, 3, NULL), ZO_OK);
        assert_true(m.ld >= rows && m.ld % 8 == 0 && m.ld >= 8);
        for (size_t j = 0; j < 3; j++)
            assert_int_equal((uintptr_t)(m.a + j * m.ld) % 64, 0);
        for (size_t k = 0; k < 3 * m.ld; k++)
            assert_true(m.a[k] == 0.0);
        zo_mat_fini(&m);
    }
    zo_mat huge;
    zo_error err;
    assert_int_equal(zo_mat_init(&huge, INT32_MAX - 9, INT32_MAX, &err), ZO_ENOMEM);
    assert_int_equal(zo_mat_init(&huge, (size_t)INT32_MAX + 1, 1, &err), ZO_ENOMEM);
}

static void gemm_equals_the_triple_loop(void **state)
{
    (void)state;
    for (int ta = 0; ta < 2; ta++)
        for (int tb = 0; tb < 2; tb++) {
            const size_t m = 13, k = 9, n = 17;
            zo_mat A = ta ? make(k, m, 1) : make(m, k, 1), B = tb ? make(n, k, 2) : make(k, n, 2), C = make(m, n, 3);
            double want[13 * 17];
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < m; i++) {
                    double s = 0;
                    for (size_t l = 0; l < k; l++)
                        s += at(&A, ta, i, l) * at(&B, tb, l, j);
                    want[i + j * m] = 1.5 * s - 0.5 * C.a[i + j * C.ld];
                }
            zo_gemm(ta, tb, 1.5, &A, &B, -0.5, &C);
            for (size_t j = 0; j < n; j++)
                for (size_t i = 0; i < m; i++)
                    assert_true(fabs(C.a[i + j * C.ld] - want[i + j * m]) < 1e-13);
            zo_mat_fini(&A);
            zo_mat_fini(&B);
            zo_mat_fini(&C);
        }
}

static void vector_operations_equal_plain_loops(void **state)
{
    (void)state;
    zo_mat A = make(11, 6, 4);
    double x[11], y[11], want[11], s;

    for (int trans = 0; trans < 2; trans++) {
        const size_t n_y = trans ? 6 : 11, n_x = trans ? 11 : 6;
        for (size_t i = 0; i < 11; i++) {
            x[i] = 1.0 / (double)(i + 1);
            y[i] = (double)i;
        }
        for (size_t i = 0; i < n_y; i++) {
            s = 0;
            for (size_t j = 0; j < n_x; j++)
                s += at(&A, trans, i, j) * x[j];
            want[i] = 2 * s + 3 * y[i];
        }
        zo_gemv(trans, 2, &A, x, 3, y);
        for (size_t i = 0; i < n_y; i++)
            assert_true(fabs(y[i] - want[i]) < 1e-13);
    }
    const double a[] = {3, 4}, b[] = {5, -2};
    double c[] = {1, 1};
    assert_true(zo_dot(2, a, b) == 7.0 && zo_norm2(2, a) == 5.0);
    zo_axpy(2, 2, a, c);
    assert_true(c[0] == 7.0 && c[1] == 9.0);
    const zo_mat empty = {.a = A.a, .rows = 2, .cols = 0, .ld = 8};
    zo_gemv(false, 1, &empty, a, 0.5, c);
    assert_true(c[0] == 3.5 && c[1] == 4.5); /* an empty sum still scales y */
    zo_mat_fini(&A);
}

static void syrk_fills_the_lower_triangle(void **state)
{
    (void)state;
    zo_mat A = make(10, 4, 5), C = make(10, 10, 6), before = make(10, 10, 6);

    zo_syrk(2, &A, 1, &C);
    for (size_t j = 0; j < 10; j++)
        for (size_t i = 0; i < 10; i++) {
            double s = before.a[i + j * before.ld];
            for (size_t l = 0; i >= j && l < 4; l++)
                s += 2 * A.a[i + l * A.ld] * A.a[j + l * A.ld];
            assert_true(fabs(C.a[i + j * C.ld] - s) < 1e-14);
        }
    zo_symmetrise_lower(&C);
    for (size_t j = 0; j < 10; j++)
        for (size_t i = 0; i < 10; i++)
            assert_true(C.a[i + j * C.ld] == C.a[j + i * C.ld]);
    zo_mat_fini(&A);
    zo_mat_fini(&C);
    zo_mat_fini(&before);
}

/* The Hilbert-like matrix min(i,j)+1 has the factor of ones: A = L L' exactly. */
static void chol_finds_a_known_factor(void **state)
{
    (void)state;
    for (size_t n = 1; n < 40; n += 6) {
        zo_mat A, L;
        double b[40], x[40];
        assert_int_equal(zo_mat_init(&A, n, n, NULL), ZO_OK);
        assert_int_equal(zo_mat_init(&L, n, n, NULL), ZO_OK);
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < n; i++)
                A.a[i + j * A.ld] = i < j ? NAN : (double)(j + 1); /* the upper triangle must not be read */
        for (size_t i = 0; i < n * L.ld; i++)
            L.a[i] = 7;
        assert_int_equal(zo_chol(&A, &L, NULL), ZO_OK);
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < n; i++)
                assert_true(fabs(L.a[i + j * L.ld] - (i >= j ? 1.0 : 0.0)) < 1e-14);
        /* A x = b for x = 1: b_i = sum_j min(i,j)+1 */
        for (size_t i = 0; i < n; i++) {
            b[i] = 0;
            for (size_t j = 0; j < n; j++)
                b[i] += (double)((i < j ? i : j) + 1);
        }
        zo_chol_solve(&L, b, x);
        zo_chol_solve(&L, b, b);
        for (size_t i = 0; i < n; i++)
            assert_true(fabs(x[i] - 1) < 1e-9 && x[i] == b[i]);
        assert_int_equal(zo_chol(&A, &A, NULL), ZO_OK); /* in place */
        for (size_t k = 0; k < n; k++)
            assert_memory_equal(A.a + k * A.ld, L.a + k * L.ld, n * sizeof(double));
        zo_mat_fini(&A);
        zo_mat_fini(&L);
    }
}

static void chol_names_the_failing_pivot(void **state)
{
    (void)state;
    zo_error err = {0};

    for (size_t n = 3; n <= 200; n += 197)
        for (int nan = 0; nan < 2; nan++) {
            zo_mat A;
            assert_int_equal(zo_mat_init(&A, n, n, NULL), ZO_OK);
            for (size_t i = 0; i < n; i++)
                A.a[i + i * A.ld] = 1;
            A.a[2 + 2 * A.ld] = nan ? NAN : -1;
            assert_int_equal(zo_chol(&A, &A, &err), ZO_ENUMERIC);
            assert_non_null(strstr(err.message, "pivot 2"));
            zo_mat_fini(&A);
        }
}

/* The second-difference matrix has eigenvalues 2 - 2 cos(k pi/(n+1)). */
static void eigh_gives_known_eigenvalues_and_orthonormal_vectors(void **state)
{
    (void)state;
    const size_t sizes[] = {1, 2, 7, 33, 80};

    for (size_t s = 0; s < ZO_LEN(sizes); s++) {
        const size_t n = sizes[s];
        zo_mat A, B, G;
        double *d = zo_malloc(n * sizeof *d), *work = zo_memalign64(zo_eigh_work_size(n) * sizeof *work);
        int *iwork = zo_malloc(zo_eigh_iwork_size(n) * sizeof *iwork);
        assert_true(d && work && iwork);
        assert_true(!zo_mat_init(&A, n, n, NULL) && !zo_mat_init(&B, n, n, NULL) && !zo_mat_init(&G, n, n, NULL));
        for (size_t i = 0; i < n; i++) {
            A.a[i + i * A.ld] = 2;
            if (i + 1 < n) {
                A.a[i + 1 + i * A.ld] = -1;
                A.a[i + (i + 1) * A.ld] = NAN; /* the upper triangle must not be read */
            }
        }
        assert_int_equal(zo_eigh(&A, &B, d, work, iwork, NULL), ZO_OK);
        for (size_t k = 0; k < n; k++)
            assert_true(fabs(d[k] - (2 - 2 * cos((double)(k + 1) * acos(-1.0) / (double)(n + 1)))) < 1e-13);
        zo_gemm(true, false, 1, &B, &B, 0, &G);
        for (size_t j = 0; j < n; j++)
            for (size_t i = 0; i < n; i++)
                assert_true(fabs(G.a[i + j * G.ld] - (i == j)) < 1e-13);
        assert_int_equal(zo_eigh(&A, &A, d, work, iwork, NULL), ZO_OK); /* in place */
        assert_memory_equal(A.a, B.a, n * sizeof(double));
        zo_error err = {0};
        A.a[n - 1] = INFINITY;
        assert_int_equal(zo_eigh(&A, &B, d, work, iwork, &err), ZO_ENUMERIC);
        zo_mat_fini(&A);
        zo_mat_fini(&B);
        zo_mat_fini(&G);
        zo_free(d);
        zo_free(work);
        zo_free(iwork);
    }
}

static void the_tag_is_stable_and_quick(void **state)
{
    (void)state;
    struct timespec a, b;
    const uint64_t tag = zo_arith_tag();
    char core[32] = "";

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &a);
    assert_true(tag != 0 && zo_arith_tag() == tag);
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &b);
    const double ms = (double)(b.tv_sec - a.tv_sec) * 1e3 + (double)(b.tv_nsec - a.tv_nsec) * 1e-6;
    assert_true(ms < 100); /* a few ms; the margin is for sanitizers */
    zo_blas_describe(core, sizeof core);
    assert_true(core[0] != '\0');
    print_message("tag %016llx, core %s, %.1f ms\n", (unsigned long long)tag, core, ms);
    const char *want = getenv("OPENBLAS_NUM_THREADS");
    if (want)
        assert_int_equal(zo_blas_threads(), atoi(want));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(columns_are_aligned_and_zeroed),
        cmocka_unit_test(gemm_equals_the_triple_loop),
        cmocka_unit_test(vector_operations_equal_plain_loops),
        cmocka_unit_test(syrk_fills_the_lower_triangle),
        cmocka_unit_test(chol_finds_a_known_factor),
        cmocka_unit_test(chol_names_the_failing_pivot),
        cmocka_unit_test(eigh_gives_known_eigenvalues_and_orthonormal_vectors),
        cmocka_unit_test(the_tag_is_stable_and_quick),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
