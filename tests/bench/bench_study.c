/* Microseconds per ask of a study that has 100 trials, and of one that has 100,000: one line a solver. Medians of blocks. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include "zeroth/study.h"

enum { BLOCK = 50, BLOCKS = 41, DIMS = 4 };

static double now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void must(zo_status rc, const zo_error *err)
{
    if (rc != ZO_OK) {
        fprintf(stderr, "bench_study: %s\n", err->message);
        exit(1);
    }
}

static zo_study *study_new(const char *solver, zo_events *ev)
{
    zo_param_spec params[DIMS];
    static const char *names[DIMS] = {"a", "b", "c", "d"};
    for (size_t i = 0; i < DIMS; i++)
        params[i] = (zo_param_spec){.name = names[i], .type = ZO_FLOAT, .low = 0, .high = 1};
    const zo_objective_spec objective = {.name = "f"};
    const zo_study_spec spec = {.seed = 1, .space = {.params = params, .n_params = DIMS}, .objectives = &objective, .n_objectives = 1,
                                .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .lease_ms = 600000, .retries = 3, .solver = solver};
    zo_study *s;
    zo_error err = {0};
    must(zo_study_new(&spec, (zo_now){1, 1}, ev, &s, &err), &err);
    return s;
}

/* Ask and tell n trials; returns the microseconds spent in the asks alone. */
static double rounds(zo_study *s, zo_events *ev, zo_arena *arena, size_t n)
{
    double spent = 0;
    zo_error err = {0};
    for (size_t i = 0; i < n; i++) {
        const zo_ask_args args = {.count = 1};
        zo_ask_reply reply;
        zo_trial t;
        const double start = now_us();
        must(zo_study_ask(s, &args, (zo_now){1, 1}, ev, arena, &reply, &err), &err);
        spent += now_us() - start;
        if (reply.n != 1 || !zo_study_trial(s, reply.numbers[0], &t))
            exit(2);
        double f = 0;
        for (size_t k = 0; k < DIMS; k++)
            f += (t.v[k] - 0.3) * (t.v[k] - 0.3) * (double)(1 + k * 100);
        const zo_tell_item item = {.by_number = true, .number = t.number, .state = ZO_TRIAL_COMPLETE, .values = &f, .cost = __builtin_nan("")};
        uint64_t number;
        size_t failed;
        must(zo_study_tell(s, &item, 1, (zo_now){1, 1}, ev, &number, &failed, &err), &err);
        zo_events_clear(ev);
        zo_arena_reset(arena);
    }
    return spent;
}

int main(void)
{
    static const char *const solvers[] = {"random", "sobol", "cma-es"};
    zo_events ev = {0};
    zo_arena *arena = zo_arena_new(0);

    for (size_t k = 0; k < ZO_LEN(solvers); k++) {
        double small[BLOCKS], large[BLOCKS];
        zo_study *big = study_new(solvers[k], &ev);
        rounds(big, &ev, arena, 100000);
        for (size_t b = 0; b < BLOCKS; b++) { /* interleaved: a slow spell of the machine hits both alike */
            zo_study *s = study_new(solvers[k], &ev);
            rounds(s, &ev, arena, 100);
            small[b] = rounds(s, &ev, arena, BLOCK) / BLOCK;
            large[b] = rounds(big, &ev, arena, BLOCK) / BLOCK;
            zo_study_free(s);
        }
        qsort(small, BLOCKS, sizeof *small, ascending);
        qsort(large, BLOCKS, sizeof *large, ascending);
        printf("%s %.3f %.3f\n", solvers[k], small[BLOCKS / 2], large[BLOCKS / 2]);
        zo_study_free(big);
    }
    zo_events_fini(&ev);
    zo_arena_free(arena);
    return 0;
}
