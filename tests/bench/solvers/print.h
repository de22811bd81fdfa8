/* What a campaign's table says, on stdout, and the file that keeps it. */
#ifndef ZO_BENCH_PRINT_H
#define ZO_BENCH_PRINT_H

#include "campaign.h"

/* Mean share of targets reached within budget units, over the solver's entries of a dimension (by index), of a group
 * (-1: all), of a function (0: all). NaN: no such entry. */
double bed_share(const struct bed_campaign *c, const struct bed_table *t, size_t solver, size_t dim, int group,
                 unsigned f, unsigned budget);
void bed_print_shares(const struct bed_campaign *c, const struct bed_table *t);
/* Share of the problems that reach each target: for suites of few targets. */
void bed_print_profiles(const struct bed_campaign *c, const struct bed_table *t);
/* Where not all runs found a feasible point. */
void bed_print_feasible(const struct bed_campaign *c, const struct bed_table *t);
/* Values below those known so far, which the suite's table of best values should then hold. */
void bed_print_better(const struct bed_campaign *c, const struct bed_table *t);
void bed_print_cpu(const struct bed_campaign *c, const struct bed_table *t);
/* Runs that ended early, grouped. */
void bed_print_ends(const struct bed_campaign *c, const struct bed_table *t);
/* Geometric mean over (problem, target both reach) of evaluations one at a time over rounds of many. */
void bed_print_speedup(const struct bed_campaign *c, const struct bed_table *one, const struct bed_table *many);
/* One line a (solver, dimension). */
bool bed_write_cpu(const char *path, const struct bed_campaign *c, const struct bed_table *t);
/* One line a (run, target). */
bool bed_write_csv(const char *path, const struct bed_campaign *c, const struct bed_table *t);

#endif
