#include "campaign.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static size_t n_blocks(const struct bed_campaign *c)
{
    return c->n_dims > 0 ? c->n_dims : 1;
}

/* Lists the entries when out is not NULL; their number either way. */
static size_t list(const struct bed_campaign *c, unsigned slots, struct bed_entry *out)
{
    size_t k = 0;

    for (size_t s = 0; s < c->n_solvers; s++)
        for (size_t d = 0; d < n_blocks(c); d++)
            for (unsigned f = 1; f <= c->suite->n_functions; f++)
                for (unsigned i = c->first_instance; i <= c->last_instance && c->functions[f - 1]; i++, k++)
                    if (out != NULL)
                        out[k] = (struct bed_entry){.solver = s,
                                                    .f = f,
                                                    .instance = i,
                                                    .slots = slots,
                                                    .n = c->suite->n_of != NULL ? c->suite->n_of(f) : c->dims[d]};
    return k;
}

size_t bed_dim_index(const struct bed_campaign *c, const struct bed_entry *e)
{
    for (size_t d = 0; d < c->n_dims; d++)
        if (c->dims[d] == e->n)
            return d;
    return 0;
}

static void run_entry(const struct bed_campaign *c, struct bed_entry *e, struct cpu_times *cpu)
{
    const struct bed_solver *solver = &c->solvers[e->solver];
    const struct bed_setup setup = {.solver = solver->def,
                                    .options = solver->options,
                                    .n_options = solver->n_options,
                                    .slots = e->slots,
                                    .shuffle = c->shuffle,
                                    .lost = c->lost,
                                    .noise = c->noise,
                                    .seed = c->seed};
    struct bed_problem p;

    if (bed_problem_open(&p, c->suite, e->f, e->instance, e->n)) {
        e->unit = p.unit;
        e->n_targets = p.n_targets;
        e->f_best = p.f_best;
        bed_drive(&setup, &p, (uint64_t)c->budget * p.unit, &e->result, cpu);
        e->trace = p.trace;
    } else {
        e->result.end = BED_FAILED;
        snprintf(e->result.message, sizeof e->result.message, "no such problem");
    }
    bed_problem_close(&p);
}

/* The share of one of several processes: every jobs-th entry. */
static void run_share(const struct bed_campaign *c, struct bed_table *t, unsigned job, struct cpu_times *cpu)
{
    for (size_t k = job; k < t->n_entries; k += c->jobs) {
        struct bed_entry *e = &t->entries[k];
        run_entry(c, e, &cpu[e->solver * n_blocks(c) + bed_dim_index(c, e)]);
    }
}

static bool run_processes(const struct bed_campaign *c, struct bed_table *t, struct cpu_times *cpu, size_t n_cpu)
{
    bool ok = true;

    fflush(NULL);
    for (unsigned job = 0; job < c->jobs; job++) {
        const pid_t pid = fork();
        if (pid < 0)
            return false;
        if (pid == 0) {
            run_share(c, t, job, cpu + job * n_cpu);
            _exit(0);
        }
    }
    for (unsigned job = 0; job < c->jobs; job++) {
        int status = 0;
        ok = wait(&status) > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0 && ok;
    }
    return ok;
}

bool bed_campaign_run(const struct bed_campaign *c, unsigned slots, struct bed_table *out)
{
    const size_t n_entries = list(c, slots, NULL), n_cpu = c->n_solvers * n_blocks(c);

    /* Shared, so that the processes leave their results where the first one reads them. */
    out->bytes = n_entries * sizeof(struct bed_entry) + c->jobs * n_cpu * sizeof(struct cpu_times);
    void *memory = mmap(NULL, out->bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return false;
    out->cpu = memory;
    out->entries = (struct bed_entry *)(out->cpu + c->jobs * n_cpu);
    out->n_entries = list(c, slots, out->entries);
    if (c->jobs == 1)
        run_share(c, out, 0, out->cpu);
    else if (!run_processes(c, out, out->cpu, n_cpu))
        return false;
    for (unsigned job = 1; job < c->jobs; job++)
        for (size_t k = 0; k < n_cpu; k++)
            cpu_merge(&out->cpu[k], &out->cpu[job * n_cpu + k]);
    return true;
}

void bed_table_free(struct bed_table *t)
{
    if (t->entries != NULL)
        munmap(t->cpu, t->bytes);
    *t = (struct bed_table){0};
}
