/* A suite: problems to be solved, by number, instance and dimension, and what counts as progress on them. */
#ifndef ZO_BENCH_SUITE_H
#define ZO_BENCH_SUITE_H

#include "zeroth/solver.h"

enum { BED_MAX_TARGETS = 51, BED_MAX_FUNCTIONS = 64 };

struct bed_answer {
    double f;      /* what the solver is told; not finite: the trial fails */
    double f_true; /* what is scored: f without noise */
    double *g;     /* [n_constraints] <= 0 is feasible; the caller's room */
    bool feasible;
};
struct bed_problem {
    const struct bed_suite *suite;
    unsigned f, instance;
    size_t n, n_constraints;
    double *low, *high; /* [n] the box; -5 and 5 before open */
    const double *x0;   /* [n], the first point to try; NULL: the solver's choice */
    size_t unit;        /* budgets are multiples of this; n before open */
    double f_best;      /* the least value known, most often proved */
    size_t n_targets;
    double target[BED_MAX_TARGETS]; /* values of f to reach, hardest last */
    uint64_t trace; /* digest of all points evaluated so far and of what was told of them, in their order */
    void *state;
};
struct bed_suite {
    const char *name;
    unsigned n_functions, n_groups;
    const char *const *groups; /* [n_groups] */
    unsigned (*group_of)(unsigned f);
    const unsigned *budgets;             /* in units, ascending, 0 at the end */
    zo_noise noise;                      /* what the solver is told */
    size_t (*n_of)(unsigned f);          /* NULL: any dimension; else the problem's own */
    bool (*open)(struct bed_problem *p); /* false: there is none, or no memory; close is called all the same */
    void (*close)(struct bed_problem *p);
    void (*eval)(struct bed_problem *p, zo_rng *rng, const double *x, struct bed_answer *a);
};
extern const struct bed_suite bed_suite_bbob, bed_suite_constrained, bed_suite_more_wild, bed_suite_noisy;

const struct bed_suite *bed_suite_find(const char *name); /* NULL if unknown */

bool bed_problem_open(struct bed_problem *p, const struct bed_suite *suite, unsigned f, unsigned instance, size_t n);
void bed_problem_close(struct bed_problem *p);
/* Evaluates what a run's trial of this number asks: the noise, if any, is a function of the run's seed and the number.
 */
void bed_problem_eval(struct bed_problem *p, uint64_t run_seed, uint64_t trial, const double *x, struct bed_answer *a);

/* The seed of a run: the study's own, so that any driver makes the same one. Below 2^53. */
uint64_t bed_seed(uint64_t seed, const struct bed_problem *p);

/* Precision targets 10^2, 10^1.8 ... above f_opt, n_targets of them. */
void bed_targets(struct bed_problem *p, double f_opt, size_t n_targets);

#endif
