/* Learning rows into exact sums against LAPACK's float64 product of as many, in the same run. Takes sizes, prints a
 * line for each, in milliseconds of processor, the least of interleaved repeats: "d sums dsyrk sums/dsyrk
 * dsyrk_rows_per_s". sums is 256 quantised rows of one class into the int64 triangle of a live model; dsyrk is of 256
 * rows of doubles. */
#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "zeroth/linalg.h"
#include "zeroth/model.h"
#include "zeroth/rng.h"

enum { ROWS = 256, REPEATS = 30 };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void must(zo_status rc, const zo_error *err)
{
    if (rc != ZO_OK) {
        fprintf(stderr, "bench_sums: %s\n", err->message);
        exit(1);
    }
}

static void measure(size_t d)
{
    const double range = 1;
    const zo_model_config c = {.kind = zo_model_kind_find("analytic-ridge"),
                               .inputs = d,
                               .target = ZO_TARGET_CLASSES,
                               .range = &range,
                               .n_range = 1,
                               .quant = 20,
                               .capacity = (UINT64_C(1) << 23) - 1,
                               .gamma = 1};
    zo_portable1 g = zo_portable1_make(d);
    int32_t *x = malloc(ROWS * d * sizeof *x);
    double best[2] = {1e300, 1e300};
    zo_error err = {0};
    zo_mat X, A;
    zo_model *m;
    uint32_t cls;

    must(zo_model_new(&c, &m, &err), &err);
    must(zo_model_class(m, "a", &cls, &err), &err);
    must(zo_mat_init(&X, d, ROWS, &err), &err);
    must(zo_mat_init(&A, d, d, &err), &err);
    if (!x)
        must(zo_fail_nomem(&err), &err);
    for (size_t i = 0; i < ROWS * d; i++)
        x[i] = (int32_t)((zo_portable1_uniform(&g) - 0.5) * (1 << 21));
    for (size_t i = 0; i < d; i++)
        for (size_t k = 0; k < ROWS; k++)
            X.a[i + k * X.ld] = x[k * d + i];
    const zo_rows rows = {.x = x, .n = ROWS, .cls = cls};
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double t = now_ms();
        must(zo_model_accumulate(m, &rows, 1, NULL, &err), &err);
        t = now_ms() - t;
        best[0] = t < best[0] ? t : best[0];
        t = now_ms();
        zo_syrk(1.0, &X, 0.0, &A);
        t = now_ms() - t;
        best[1] = t < best[1] ? t : best[1];
    }
    printf("%zu %.3f %.3f %.2f %.0f\n", d, best[0], best[1], best[0] / best[1], ROWS / best[1] * 1e3);
    zo_mat_fini(&X);
    zo_mat_fini(&A);
    zo_model_free(m);
    free(x);
}

int main(int argc, char **argv)
{
    mallopt(M_MMAP_THRESHOLD, 16 << 20); /* as zerothd has it */
    mallopt(M_TRIM_THRESHOLD, 16 << 20);
    for (int i = 1; i < argc; i++) {
        char *end;
        const unsigned long d = strtoul(argv[i], &end, 10);

        if (*end || d < 1 || d > 8192) {
            fprintf(stderr, "usage: bench_sums D...   (1 to 8192)\n");
            return 64;
        }
        measure(d);
    }
    return 0;
}
