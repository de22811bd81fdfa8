/* Many runs: every solver on every problem of a suite, on one or more processes. */
#ifndef ZO_BENCH_CAMPAIGN_H
#define ZO_BENCH_CAMPAIGN_H

#include "drive.h"

enum { BED_MAX_DIMS = 16, BED_MAX_SOLVERS = 16, BED_MAX_OPTIONS = 16 };

struct bed_solver {
    const char *label; /* as it was written: name,option=value... */
    const zo_solver *def;
    zo_named options[BED_MAX_OPTIONS];
    size_t n_options;
};
struct bed_campaign {
    const struct bed_suite *suite;
    struct bed_solver solvers[BED_MAX_SOLVERS];
    size_t n_solvers;
    size_t dims[BED_MAX_DIMS];
    size_t n_dims;      /* 0 where the suite's problems have their own dimension */
    bool functions[64]; /* [f - 1] */
    unsigned first_instance, last_instance;
    unsigned budget; /* in the problems' units */
    unsigned slots;
    bool shuffle;
    double lost;
    zo_noise noise;
    uint64_t seed;
    unsigned jobs;
};
/* One run. */
struct bed_entry {
    size_t solver;
    unsigned f, instance, slots;
    size_t n, unit, n_targets;
    uint64_t trace; /* of the problem, at the end */
    double f_best;  /* least value known; the result may be below only where the suite's is not proved */
    struct bed_result result;
};
struct bed_table {
    struct bed_entry *entries; /* by solver, then dimension, function, instance */
    size_t n_entries;
    struct cpu_times *cpu; /* [n_solvers][max(n_dims, 1)] */
    size_t bytes;
};

/* Runs all; entries with slots of their own choice (0: the campaign's). False: out of memory or a process died. */
bool bed_campaign_run(const struct bed_campaign *c, unsigned slots, struct bed_table *out);
void bed_table_free(struct bed_table *t);
/* Index of an entry's dimension among the campaign's; 0 where problems have their own. */
size_t bed_dim_index(const struct bed_campaign *c, const struct bed_entry *e);

#endif
