/* CPU time of the solver alone, as a histogram with buckets 2 % wide: means and quantiles of any number of trials in
 * little room. */
#ifndef ZO_BENCH_CPU_H
#define ZO_BENCH_CPU_H

#include "zeroth/base.h"

enum { CPU_BUCKETS = 1200 };

struct cpu_times {
    uint64_t n;
    double total_us, most_us;
    uint64_t bucket[CPU_BUCKETS]; /* by log of the time, from 10 ns on */
};

/* This thread's CPU time in microseconds, and what two readings cost themselves. */
double cpu_now_us(void);
double cpu_reading_us(void);

void cpu_add(struct cpu_times *t, double us);
void cpu_merge(struct cpu_times *to, const struct cpu_times *from);
double cpu_mean(const struct cpu_times *t);
double cpu_quantile(const struct cpu_times *t, double q);

#endif
