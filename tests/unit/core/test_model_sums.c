/* Sums of rows, judged by adding integers one by one: whatever number of threads BLAS has, and as the factor reads
 * them. */
#include "model_fx.h"

#include "model/kind.h"

void openblas_set_num_threads(int n); /* OpenBLAS declares it in its own cblas.h only */

enum { D = 203, MOST = 600 };

/* Numbers that are as large as they may be among small ones, so that a rounded product would show. */
static int32_t *make_rows(unsigned quant)
{
    int32_t *x = calloc(MOST * D, sizeof *x);
    zo_portable1 g = zo_portable1_make(quant);
    const int32_t top = (int32_t)(UINT32_C(1) << quant);

    assert_non_null(x);
    for (size_t i = 0; i < MOST * D; i++) {
        const double u = zo_portable1_uniform(&g);

        x[i] = i % 7 == 0 ? top : i % 11 == 0 ? -top : (int32_t)((u - 0.5) * 2 * top);
    }
    return x;
}

static void assert_sums(const zo_model *m, const int32_t *x, size_t n)
{
    const layer_sums *s = &m->total->layers[0];
    size_t at = 0;

    for (size_t j = 0; j < D; j++)
        for (size_t i = j; i < D; i++, at++) {
            zo_i128 want = 0;

            for (size_t r = 0; r < n; r++)
                want += (zo_i128)x[r * D + i] * x[r * D + j];
            assert_true((m->wide ? ((const zo_i128 *)s->A)[at] : ((const int64_t *)s->A)[at]) == want);
        }
    for (size_t i = 0; i < D; i++) {
        const void *B = m->classes[0].sums->layers[0].B;
        zo_i128 want = 0;

        for (size_t r = 0; r < n; r++)
            want += x[r * D + i];
        assert_true((m->wide ? ((const zo_i128 *)B)[i] : ((const int64_t *)B)[i]) == want);
    }
}

static void learn_and_forget(zo_model_config *c, const int32_t *x, size_t n)
{
    zo_model *m = fx_model(c);
    zo_rows rows = {.x = x, .n = n};

    assert_int_equal(zo_model_class(m, "a", &rows.cls, NULL), ZO_OK);
    assert_int_equal(zo_model_accumulate(m, &rows, 1, NULL, NULL), ZO_OK);
    assert_sums(m, x, n);
    rows.n = n - n / 3;
    rows.x = x + n / 3 * D;
    assert_int_equal(zo_model_accumulate(m, &rows, -1, NULL, NULL), ZO_OK);
    assert_sums(m, x, n / 3);
    zo_model_free(m);
}

static void sums_are_those_of_integers_whatever_the_threads(void **state)
{
    static const size_t counts[] = {1, 2, 64, MOST};
    static const unsigned quants[] = {20, 24};

    (void)state;
    for (size_t q = 0; q < ZO_LEN(quants); q++) {
        int32_t *x = make_rows(quants[q]);
        zo_model_config c = fx_config("analytic-ridge", D, NULL, NULL, 0);

        c.quant = quants[q];
        c.capacity = quants[q] == 24 ? UINT64_C(1) << 30 : c.capacity;
        for (int threads = 1; threads <= 2; threads++) {
            openblas_set_num_threads(threads);
            for (size_t k = 0; k < ZO_LEN(counts); k++)
                learn_and_forget(&c, x, counts[k]);
        }
        openblas_set_num_threads(1);
        free(x);
    }
}

/* The sums go to the factor's tiles without a matrix between: the same bits. */
static void a_factor_of_the_sums_is_that_of_their_matrix(void **state)
{
    int32_t *x = make_rows(20);
    double scale[D];
    zo_model_config c = fx_config("analytic-ridge", D, NULL, NULL, 0);
    zo_model *m = fx_model(&c);
    zo_rows rows = {.x = x, .n = MOST};
    zo_fixed_factor f, g;
    zo_mat A, L, M;

    (void)state;
    for (size_t i = 0; i < D; i++)
        scale[i] = ldexp(1 + (double)(i % 5), -20);
    assert_int_equal(zo_model_class(m, "a", &rows.cls, NULL), ZO_OK);
    assert_int_equal(zo_model_accumulate(m, &rows, 1, NULL, NULL), ZO_OK);
    assert_int_equal(zo_mat_init(&A, D, D, NULL) | zo_mat_init(&L, D, D, NULL) | zo_mat_init(&M, D, D, NULL), ZO_OK);
    assert_int_equal(zo_fixed_factor_init(&f, D, NULL) | zo_fixed_factor_init(&g, D, NULL), ZO_OK);
    for (size_t j = 0, at = 0; j < D; j++)
        for (size_t i = j; i < D; i++, at++)
            A.a[i + j * A.ld] =
                (double)((const int64_t *)m->total->layers[0].A)[at] * scale[i] * scale[j] + 0.5 * (i == j);
    assert_int_equal(zo_fixed_cholesky(&f, &A, 0.0, NULL), ZO_OK);
    assert_int_equal(spd_factor(m, 0, scale, 0.5, &g, NULL), ZO_OK);
    zo_fixed_factor_lower(&f, &L);
    zo_fixed_factor_lower(&g, &M);
    for (size_t j = 0; j < D; j++)
        assert_memory_equal(L.a + j * L.ld, M.a + j * M.ld, D * sizeof(double));
    zo_fixed_factor_fini(&f);
    zo_fixed_factor_fini(&g);
    zo_mat_fini(&A);
    zo_mat_fini(&L);
    zo_mat_fini(&M);
    zo_model_free(m);
    free(x);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sums_are_those_of_integers_whatever_the_threads),
        cmocka_unit_test(a_factor_of_the_sums_is_that_of_their_matrix),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
