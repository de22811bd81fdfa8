/* The fixed-order Cholesky against LAPACK's on the same matrix in the same run. A line a size, in milliseconds of processor,
 * the least of interleaved repeats: "d fixed plain dpotrf dsyrk solve trace fixed/dpotrf fixed/dsyrk". plain is the same
 * code on vectors of two; dsyrk is of d columns; solve is of ten right-hand sides; trace is of the inverse. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "model/cholesky.h"
#include "zeroth/rng.h"

enum { COLUMNS = 10, MAX_REPEATS = 20 };
enum { FIXED, PLAIN, DPOTRF, DSYRK, SOLVE, TRACE, N_TIMES };

static double now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e3 + (double)t.tv_nsec * 1e-6;
}

static void must(zo_status rc, const zo_error *err)
{
    if (rc != ZO_OK) {
        fprintf(stderr, "bench_cholesky: %s\n", err->message);
        exit(1);
    }
}

struct work {
    zo_mat X, A, L; /* A = X X' + I */
    double *b;      /* [d][COLUMNS] */
    zo_fixed_factor f;
    double trace;
};

static void work_init(struct work *w, size_t d)
{
    zo_portable1 g = zo_portable1_make(d);
    zo_error err = {0};

    must(zo_mat_init(&w->X, d, d, &err), &err);
    must(zo_mat_init(&w->A, d, d, &err), &err);
    must(zo_mat_init(&w->L, d, d, &err), &err);
    must(zo_fixed_factor_init(&w->f, d, &err), &err);
    if (!(w->b = zo_calloc(d * COLUMNS, sizeof *w->b)))
        must(zo_fail_nomem(&err), &err);
    for (size_t i = 0; i < d * w->X.ld; i++)
        w->X.a[i] = zo_portable1_uniform(&g) - 0.5;
    zo_syrk(1.0, &w->X, 0.0, &w->A);
    for (size_t i = 0; i < d; i++)
        w->A.a[i + i * w->A.ld] += 1.0;
}

static void work_fini(struct work *w)
{
    zo_mat_fini(&w->X);
    zo_mat_fini(&w->A);
    zo_mat_fini(&w->L);
    zo_fixed_factor_fini(&w->f);
    zo_free(w->b);
}

static void run_one(struct work *w, int what)
{
    zo_error err = {0};

    switch (what) {
    case FIXED:
    case PLAIN:
        w->f.ops = what == PLAIN ? zo_tile_ops_plain() : zo_tile_ops_best();
        must(zo_fixed_cholesky(&w->f, &w->A, 0.0, &err), &err);
        w->f.ops = zo_tile_ops_best();
        break;
    case DPOTRF:
        must(zo_chol(&w->A, &w->L, &err), &err);
        break;
    case DSYRK:
        zo_syrk(1.0, &w->X, 0.0, &w->L);
        break;
    case SOLVE:
        for (size_t i = 0; i < w->f.n * COLUMNS; i++)
            w->b[i] = 1.0;
        zo_fixed_solve(&w->f, w->b, COLUMNS);
        break;
    case TRACE:
        w->trace = zo_fixed_trace_inverse(&w->f);
        break;
    }
}

static void measure(size_t d)
{
    const size_t repeats = d > 1024 ? MAX_REPEATS / 4 : MAX_REPEATS;
    double least[N_TIMES];
    struct work w;

    work_init(&w, d);
    for (int k = 0; k < N_TIMES; k++)
        least[k] = INFINITY;
    for (size_t r = 0; r < repeats; r++)
        for (int k = 0; k < N_TIMES; k++) {
            const double start = now_ms();
            run_one(&w, k);
            least[k] = fmin(least[k], now_ms() - start);
        }
    printf("%zu", d);
    for (int k = 0; k < N_TIMES; k++)
        printf(" %.3f", least[k]);
    printf(" %.2f %.2f\n", least[FIXED] / least[DPOTRF], least[FIXED] / least[DSYRK]);
    work_fini(&w);
}

int main(void)
{
    for (size_t d = 256; d <= 2048; d *= 2)
        measure(d);
    return 0;
}
