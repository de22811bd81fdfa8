#include "cpu.h"

#include <math.h>
#include <time.h>

static const double least_us = 0.01, ratio = 1.02;

double cpu_now_us(void)
{
    struct timespec t;

    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e6 + (double)t.tv_nsec * 1e-3;
}

double cpu_reading_us(void)
{
    double least = INFINITY;

    for (unsigned k = 0; k < 1000; k++) {
        const double start = cpu_now_us();
        least = fmin(least, cpu_now_us() - start);
    }
    return least;
}

void cpu_add(struct cpu_times *t, double us)
{
    const double k = us > least_us ? log(us / least_us) / log(ratio) : 0;

    t->n++;
    t->total_us += us;
    t->most_us = fmax(t->most_us, us);
    t->bucket[k < CPU_BUCKETS ? (size_t)k : CPU_BUCKETS - 1]++;
}

void cpu_merge(struct cpu_times *to, const struct cpu_times *from)
{
    to->n += from->n;
    to->total_us += from->total_us;
    to->most_us = fmax(to->most_us, from->most_us);
    for (size_t k = 0; k < CPU_BUCKETS; k++)
        to->bucket[k] += from->bucket[k];
}

double cpu_mean(const struct cpu_times *t)
{
    return t->n > 0 ? t->total_us / (double)t->n : 0;
}

double cpu_quantile(const struct cpu_times *t, double q)
{
    const double wanted = q * (double)t->n;
    uint64_t seen = 0;

    for (size_t k = 0; k < CPU_BUCKETS; k++) {
        seen += t->bucket[k];
        if ((double)seen >= wanted)
            return least_us * pow(ratio, (double)k + 0.5);
    }
    return t->most_us;
}
