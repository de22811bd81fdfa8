/* Arithmetic tag: which bits this processor gives. libm and OpenBLAS choose code by the processor's features, so equal source gives
 * unequal last bits elsewhere. A fixed probe of what core calls is hashed (FNV-1a, 64 bits, over the results' bits in order):
 * equal tags promise equal bits, unequal tags make a replay go by the log's candidates. */
#include "zeroth/linalg.h"

#include <cblas.h>
#include <lapacke.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "zeroth/rng.h"

char *openblas_get_corename(void);
int openblas_get_num_threads(void);

enum { N_ARGS = 1000, N_MAX = 130 };

static void hash_doubles(uint64_t *h, const double *x, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t w;
        memcpy(&w, x + i, sizeof w);
        for (int b = 0; b < 64; b += 8)
            *h = (*h ^ (w >> b & 255)) * UINT64_C(0x100000001B3);
    }
}

static void probe_libm(uint64_t *h)
{
    zo_portable1 g = zo_portable1_make(1);

    for (int i = 0; i < N_ARGS; i++) {
        const double u = zo_portable1_uniform(&g), v = zo_portable1_uniform(&g);
        const double x = 20.0 * (u - 0.5), p = ldexp(0.5 + v, (int)(40.0 * u) - 20);
        const double y[] = {log(p),   log1p(p), log2(p), exp(x),  exp2(x), expm1(x), sin(x),  cos(x),  tan(x), atan(x),
                            tanh(x),  pow(p, v), erf(x), erfc(x), cbrt(x), asin(v),  cosh(x), sinh(x), hypot(x, p)};
        hash_doubles(h, y, ZO_LEN(y));
    }
}

/* One size: A random, C = A A' + n I (spd), its factor, a solve with it, its eigenpairs, and the level-1 and 2 kernels. */
static bool probe_blas(uint64_t *h, size_t n)
{
    zo_mat A = {0}, C = {0}, L = {0};
    double *work = zo_memalign64((zo_eigh_work_size(n) + 3 * N_MAX) * sizeof *work);
    int *iwork = zo_calloc(zo_eigh_iwork_size(n), sizeof *iwork);
    zo_portable1 g = zo_portable1_make(n);
    bool ok = false;

    if (!work || !iwork || zo_mat_init(&A, n, n, NULL) || zo_mat_init(&C, n, n, NULL) || zo_mat_init(&L, n, n, NULL))
        goto done;
    for (size_t j = 0; j < n; j++)
        for (size_t i = 0; i < n; i++)
            A.a[i + j * A.ld] = zo_portable1_uniform(&g) - 0.5;
    zo_gemm(false, true, 1.0, &A, &A, 0.0, &C);
    hash_doubles(h, C.a, C.ld * n);
    zo_syrk(1.0, &A, 0.0, &C);
    for (size_t i = 0; i < n; i++)
        C.a[i + i * C.ld] += (double)n;
    if (zo_chol(&C, &L, NULL) != ZO_OK)
        goto done;
    hash_doubles(h, L.a, L.ld * n);
    double *x = work, *y = work + n;
    memcpy(x, A.a, n * sizeof *x);
    zo_gemv(true, 1.5, &A, x, 0.0, y);
    zo_axpy(n, zo_dot(n, x, y), x, y);
    zo_chol_solve(&L, y, x);
    hash_doubles(h, x, 2 * n);
    const double norm = zo_norm2(n, x);
    hash_doubles(h, &norm, 1);
    cblas_dtrsm(CblasColMajor, CblasLeft, CblasLower, CblasNoTrans, CblasNonUnit, zo_blas_int(n), zo_blas_int(n), 1.0, L.a,
                zo_blas_int(L.ld), A.a, zo_blas_int(A.ld));
    hash_doubles(h, A.a, A.ld * n);
    double *d = work + zo_eigh_work_size(n);
    if (zo_eigh(&C, &C, d, work, iwork, NULL) != ZO_OK)
        goto done;
    hash_doubles(h, d, n);
    hash_doubles(h, C.a, C.ld * n);
    ok = true;
done:
    zo_mat_fini(&A);
    zo_mat_fini(&C);
    zo_mat_fini(&L);
    zo_free(work);
    zo_free(iwork);
    return ok;
}

uint64_t zo_arith_tag(void)
{
    uint64_t h = UINT64_C(0xCBF29CE484222325);

    probe_libm(&h);
    return probe_blas(&h, 7) && probe_blas(&h, 33) && probe_blas(&h, N_MAX) ? h : 0;
}

void zo_blas_describe(char *core, size_t size)
{
    snprintf(core, size, "%s", openblas_get_corename());
}

int zo_blas_threads(void)
{
    return openblas_get_num_threads();
}
