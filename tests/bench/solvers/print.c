#include "print.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

static size_t n_blocks(const struct bed_campaign *c)
{
    return c->n_dims > 0 ? c->n_dims : 1;
}

static double entry_share(const struct bed_entry *e, unsigned budget)
{
    unsigned reached = 0;

    for (size_t k = 0; k < e->n_targets; k++)
        reached += e->result.hit_evals[k] > 0 && e->result.hit_evals[k] <= budget * e->unit;
    return e->n_targets > 0 ? (double)reached / (double)e->n_targets : 0;
}

double bed_share(const struct bed_campaign *c, const struct bed_table *t, size_t solver, size_t dim, int group,
                 unsigned f, unsigned budget)
{
    double sum = 0;
    size_t n = 0;

    for (size_t k = 0; k < t->n_entries; k++) {
        const struct bed_entry *e = &t->entries[k];
        if (e->solver != solver || bed_dim_index(c, e) != dim || (f > 0 && e->f != f) ||
            (group >= 0 && c->suite->group_of(e->f) != (unsigned)group))
            continue;
        sum += entry_share(e, budget);
        n++;
    }
    return n > 0 ? sum / (double)n : NAN;
}

static void print_cell(double share)
{
    if (isnan(share))
        printf("      -");
    else
        printf("  %.3f", share);
}

static void print_budget(const struct bed_campaign *c, const struct bed_table *t, size_t solver, size_t dim,
                         unsigned budget)
{
    printf("%5zu %6u", c->n_dims > 0 ? c->dims[dim] : 0, budget);
    print_cell(bed_share(c, t, solver, dim, -1, 0, budget));
    for (unsigned g = 0; g < c->suite->n_groups; g++)
        print_cell(bed_share(c, t, solver, dim, (int)g, 0, budget));
    printf("\n");
}

static void print_functions(const struct bed_campaign *c, const struct bed_table *t, size_t solver, size_t dim)
{
    printf("%5zu f:", c->n_dims > 0 ? c->dims[dim] : 0);
    for (unsigned f = 1; f <= c->suite->n_functions; f++)
        if (c->functions[f - 1])
            printf(" %u:%.2f", f, bed_share(c, t, solver, dim, -1, f, c->budget));
    printf("\n");
}

void bed_print_shares(const struct bed_campaign *c, const struct bed_table *t)
{
    for (size_t s = 0; s < c->n_solvers; s++) {
        printf("\n%s on %s, instances %u-%u, %u slot%s: share of targets within budget x dimension\n",
               c->solvers[s].label, c->suite->name, c->first_instance, c->last_instance, t->entries[0].slots,
               t->entries[0].slots > 1 ? "s" : "");
        printf("    n budget    all");
        for (unsigned g = 0; g < c->suite->n_groups; g++)
            printf("  %5s", c->suite->groups[g]);
        printf("\n");
        for (size_t d = 0; d < n_blocks(c); d++) {
            for (const unsigned *b = c->suite->budgets; *b > 0 && *b < c->budget; b++)
                print_budget(c, t, s, d, *b);
            print_budget(c, t, s, d, c->budget);
        }
        for (size_t d = 0; d < n_blocks(c); d++)
            print_functions(c, t, s, d);
    }
}

/* Data profiles: a column a target, where a suite has few. */
static void print_profile(const struct bed_campaign *c, const struct bed_table *t, size_t solver)
{
    printf("%s: solved within budget, a column a target\n", c->solvers[solver].label);
    for (const unsigned *b = c->suite->budgets; *b > 0 && *b <= c->budget; b++) {
        printf("%12u", *b);
        for (size_t k = 0; k < t->entries[0].n_targets; k++) {
            size_t n = 0, solved = 0;
            for (size_t i = 0; i < t->n_entries; i++) {
                const struct bed_entry *e = &t->entries[i];
                n += e->solver == solver;
                solved += e->solver == solver && e->result.hit_evals[k] > 0 && e->result.hit_evals[k] <= *b * e->unit;
            }
            printf("  %.3f", (double)solved / (double)n);
        }
        printf("\n");
    }
}

void bed_print_profiles(const struct bed_campaign *c, const struct bed_table *t)
{
    printf("\n");
    for (size_t s = 0; s < c->n_solvers; s++)
        print_profile(c, t, s);
}

void bed_print_feasible(const struct bed_campaign *c, const struct bed_table *t)
{
    for (size_t s = 0; s < c->n_solvers; s++) {
        size_t n = 0, feasible = 0;
        for (size_t i = 0; i < t->n_entries; i++) {
            n += t->entries[i].solver == s;
            feasible += t->entries[i].solver == s && t->entries[i].result.feasible;
        }
        if (feasible < n)
            printf("%s: %zu of %zu runs end with a feasible point\n", c->solvers[s].label, feasible, n);
    }
}

void bed_print_better(const struct bed_campaign *c, const struct bed_table *t)
{
    for (size_t k = 0; k < t->n_entries; k++) {
        const struct bed_entry *e = &t->entries[k];
        if (e->result.feasible && e->result.best < e->f_best - 1e-9 * fabs(e->f_best) - 1e-20)
            printf("%s f%u: %.17g is better than the best known, %.17g\n", c->suite->name, e->f, e->result.best,
                   e->f_best);
    }
}

void bed_print_cpu(const struct bed_campaign *c, const struct bed_table *t)
{
    printf("\nCPU us per ask+tell\n%-24s     n      mean    median       p99\n", "");
    for (size_t s = 0; s < c->n_solvers; s++)
        for (size_t d = 0; d < n_blocks(c); d++) {
            const struct cpu_times *cpu = &t->cpu[s * n_blocks(c) + d];
            printf("%-24s %5zu %9.2f %9.2f %9.2f\n", c->solvers[s].label, c->n_dims > 0 ? c->dims[d] : 0, cpu_mean(cpu),
                   cpu_quantile(cpu, 0.5), cpu_quantile(cpu, 0.99));
        }
}

void bed_print_ends(const struct bed_campaign *c, const struct bed_table *t)
{
    for (size_t s = 0; s < c->n_solvers; s++) {
        size_t ends[BED_FAILED + 1] = {0};
        const struct bed_entry *failed = NULL;
        for (size_t k = 0; k < t->n_entries; k++) {
            const struct bed_entry *e = &t->entries[k];
            if (e->solver != s)
                continue;
            ends[e->result.end]++;
            if (e->result.end == BED_FAILED && failed == NULL)
                failed = e;
        }
        if (ends[BED_CONVERGED] + ends[BED_STALLED] + ends[BED_FAILED] > 0)
            printf("%s: before the budget ended %zu runs converged, %zu stalled, %zu failed\n", c->solvers[s].label,
                   ends[BED_CONVERGED], ends[BED_STALLED], ends[BED_FAILED]);
        if (failed != NULL)
            printf("  first failure: f%u instance %u in %zu-D: %s\n", failed->f, failed->instance, failed->n,
                   failed->result.message);
    }
}

void bed_print_speedup(const struct bed_campaign *c, const struct bed_table *one, const struct bed_table *many)
{
    printf(
        "\nspeed-up by %u slots: evaluations one at a time over rounds, geometric mean over targets that both reach\n",
        many->entries[0].slots);
    for (size_t s = 0; s < c->n_solvers; s++)
        for (size_t d = 0; d < n_blocks(c); d++) {
            double sum = 0;
            size_t n = 0;
            for (size_t k = 0; k < one->n_entries; k++) {
                const struct bed_entry *a = &one->entries[k], *b = &many->entries[k];
                if (a->solver != s || bed_dim_index(c, a) != d)
                    continue;
                for (size_t i = 0; i < a->n_targets; i++)
                    if (a->result.hit_evals[i] > 0 && b->result.hit_evals[i] > 0) {
                        sum += log((double)a->result.hit_evals[i] / (double)b->result.hit_rounds[i]);
                        n++;
                    }
            }
            printf("%-24s %5zu  %.2f  (%zu targets)\n", c->solvers[s].label, c->n_dims > 0 ? c->dims[d] : 0,
                   n > 0 ? exp(sum / (double)n) : NAN, n);
        }
}

bool bed_write_cpu(const char *path, const struct bed_campaign *c, const struct bed_table *t)
{
    FILE *out = fopen(path, "w");

    if (out == NULL)
        return false;
    fprintf(out, "solver,suite,n,cpu_mean_us,cpu_median_us,cpu_p99_us\n");
    for (size_t s = 0; s < c->n_solvers; s++)
        for (size_t d = 0; d < n_blocks(c); d++) {
            const struct cpu_times *cpu = &t->cpu[s * n_blocks(c) + d];
            fprintf(out, "%s,%s,%zu,%.3f,%.3f,%.3f\n", c->solvers[s].label, c->suite->name,
                    c->n_dims > 0 ? c->dims[d] : 0, cpu_mean(cpu), cpu_quantile(cpu, 0.5), cpu_quantile(cpu, 0.99));
        }
    return fclose(out) == 0;
}

bool bed_write_csv(const char *path, const struct bed_campaign *c, const struct bed_table *t)
{
    FILE *out = fopen(path, "w");

    if (out == NULL)
        return false;
    fprintf(out, "solver,suite,f,n,instance,seed,slots,unit,target,evals,rounds,best,trace\n");
    for (size_t k = 0; k < t->n_entries; k++) {
        const struct bed_entry *e = &t->entries[k];
        char best[32] = "";
        if (e->result.feasible)
            snprintf(best, sizeof best, "%.17g", e->result.best);
        for (size_t i = 0; i < e->n_targets; i++)
            fprintf(out, "%s,%s,%u,%zu,%u,%" PRIu64 ",%u,%zu,%zu,%" PRIu32 ",%" PRIu32 ",%s,%016" PRIx64 "\n",
                    c->solvers[e->solver].label, c->suite->name, e->f, e->n, e->instance, c->seed, e->slots, e->unit, i,
                    e->result.hit_evals[i], e->result.hit_rounds[i], best, e->trace);
    }
    return fclose(out) == 0;
}
