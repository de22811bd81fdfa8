/* Microseconds of processor per ask and tell of the CMA-ES family in process, on the sphere. Of cma-es a line a dimension,
 * "n microseconds", which peer_cmaes.py prints in the same form; then of the others, and of large dimensions, with the solver's name first. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "zeroth/solver.h"

enum { MAX_DIMS = 10000, REPEATS = 7 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static void must(zo_status rc, const zo_error *err)
{
    if (rc != ZO_OK) {
        fprintf(stderr, "bench_cma: %s\n", err->message);
        exit(1);
    }
}

static double us_per_pair(const char *solver, size_t n, uint64_t seed, size_t evals)
{
    zo_param_spec x = {.name = "x", .type = ZO_VECTOR, .size = n, .low = -5, .high = 5};
    const zo_space_spec spec = {.params = &x, .n_params = 1};
    zo_space *space;
    zo_solver_run *run;
    zo_error err = {0};

    must(zo_space_new(&spec, &space, &err), &err);
    const zo_problem problem = {.space = space, .n = n, .dims = zo_space_dims(space), .n_objectives = 1, .oracle = ZO_ORACLE_VALUE,
                                .parallelism = 1, .seed = seed};
    must(zo_solver_run_new(zo_solver_find(solver), &problem, NULL, 0, &run, &err), &err);
    void *memo = zo_calloc(1, zo_solver_run_memo_bytes(run) + 1);
    if (memo == NULL)
        exit(1);
    static double u[MAX_DIMS];
    const double start = now_us();
    for (uint64_t k = 0; k < evals; k++) {
        zo_proposal p = {.number = k, .x = u, .memo = memo};
        must(zo_solver_run_ask(run, &p, &err), &err);
        double f = 0;
        for (size_t i = 0; i < n; i++)
            f += (u[i] - 0.3) * (u[i] - 0.3);
        const zo_told t = {.number = k, .outcome = ZO_TOLD_COMPLETE, .own = true, .has_values = true, .feasible = true, .x = u,
                           .memo = memo, .f = &f};
        must(zo_solver_run_tell(run, &t, &err), &err);
    }
    const double spent = now_us() - start;
    zo_free(memo);
    zo_solver_run_free(run);
    zo_space_free(space);
    return spent / (double)evals;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(void)
{
    static const size_t dims[] = {3, 10, 30, 100};
    static const struct {
        const char *solver;
        size_t n, evals;
    } large[] = {{"cma-es", 300, 6000}, {"sep-cma-es", 100, 20000}, {"sep-cma-es", 10000, 3000}, {"vkd-cma-es", 100, 20000}, {"vkd-cma-es", 10000, 3000}};

    for (size_t k = 0; k < ZO_LEN(dims); k++) {
        double us[REPEATS];
        for (size_t i = 0; i < REPEATS; i++)
            us[i] = us_per_pair("cma-es", dims[k], i + 1, 200 * dims[k]); /* as far as the sphere still improves */
        qsort(us, REPEATS, sizeof *us, ascending);
        printf("%zu %.3f\n", dims[k], us[REPEATS / 2]);
    }
    for (size_t k = 0; k < ZO_LEN(large); k++)
        printf("%s %zu %.3f\n", large[k].solver, large[k].n, us_per_pair(large[k].solver, large[k].n, 1, large[k].evals));
    return 0;
}
