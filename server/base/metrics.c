/* See metrics.h. Prometheus text exposition format, version 0.0.4. */
#include "base/metrics.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <dirent.h>
#include <unistd.h>

zo_metrics zo_metric;

void zo_count(zo_counter *c, uint64_t n)
{
    atomic_fetch_add_explicit(&c->n, n, memory_order_relaxed);
}

void zo_gauge_add(zo_gauge *g, int64_t n)
{
    atomic_fetch_add_explicit(&g->n, n, memory_order_relaxed);
}

void zo_gauge_set(zo_gauge *g, int64_t n)
{
    atomic_store_explicit(&g->n, n, memory_order_relaxed);
}

/* Bucket k holds values in (2^(k-1), 2^k]; the last one everything above. */
void zo_observe(zo_histogram *h, uint64_t value)
{
    size_t k = value <= 1 ? 0 : 64 - (size_t)__builtin_clzll(value - 1);

    if (k >= ZO_HISTOGRAM_BUCKETS)
        k = ZO_HISTOGRAM_BUCKETS - 1;
    atomic_fetch_add_explicit(&h->bucket[k], 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&h->sum, value, memory_order_relaxed);
}

void zo_metrics_line(zo_json *w, const char *name, const char *labels, double value)
{
    char number[ZO_DOUBLE_CHARS];
    const size_t n = zo_double_print(value, number);

    if (labels != NULL)
        zo_json_textf(w, "%s{%s} %.*s\n", name, labels, (int)n, number);
    else
        zo_json_textf(w, "%s %.*s\n", name, (int)n, number);
}

static void write_type(zo_json *w, const char *name, const char *type, const char *help)
{
    zo_json_textf(w, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, type);
}

/* scale turns the unit observed into the base unit that the name promises. */
static void write_histogram(zo_json *w, const char *name, const char *help, const zo_histogram *h, double scale)
{
    char full[96], label[64];
    uint64_t total = 0;

    write_type(w, name, "histogram", help);
    snprintf(full, sizeof full, "%s_bucket", name);
    for (size_t k = 0; k < ZO_HISTOGRAM_BUCKETS; k++) {
        total += atomic_load_explicit(&h->bucket[k], memory_order_relaxed);
        if (k + 1 < ZO_HISTOGRAM_BUCKETS)
            snprintf(label, sizeof label, "le=\"%.9g\"", (double)(UINT64_C(1) << k) * scale);
        else
            snprintf(label, sizeof label, "le=\"+Inf\"");
        zo_metrics_line(w, full, label, (double)total);
    }
    snprintf(full, sizeof full, "%s_sum", name);
    zo_metrics_line(w, full, NULL, (double)atomic_load_explicit(&h->sum, memory_order_relaxed) * scale);
    snprintf(full, sizeof full, "%s_count", name);
    zo_metrics_line(w, full, NULL, (double)total);
}

static void write_counter(zo_json *w, const char *name, const char *help, const zo_counter *c)
{
    write_type(w, name, "counter", help);
    zo_metrics_line(w, name, NULL, (double)atomic_load_explicit(&c->n, memory_order_relaxed));
}

static void write_gauge(zo_json *w, const char *name, const char *help, const zo_gauge *g)
{
    write_type(w, name, "gauge", help);
    zo_metrics_line(w, name, NULL, (double)atomic_load_explicit(&g->n, memory_order_relaxed));
}

static void write_process(zo_json *w)
{
    struct rusage used;
    unsigned long pages = 0, resident = 0;
    FILE *statm = fopen("/proc/self/statm", "r");

    if (statm != NULL) {
        if (fscanf(statm, "%lu %lu", &pages, &resident) == 2) {
            write_type(w, "process_resident_memory_bytes", "gauge", "Memory in RAM.");
            zo_metrics_line(w, "process_resident_memory_bytes", NULL, (double)resident * (double)sysconf(_SC_PAGESIZE));
        }
        fclose(statm);
    }
    if (getrusage(RUSAGE_SELF, &used) == 0) {
        write_type(w, "process_cpu_seconds_total", "counter", "Processor time, user and system.");
        zo_metrics_line(w, "process_cpu_seconds_total", NULL, (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                                                                  1e-6 * (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec));
    }
    DIR *fds = opendir("/proc/self/fd");
    if (fds != NULL) {
        double n = -3; /* ".", ".." and this directory itself */
        while (readdir(fds) != NULL)
            n++;
        closedir(fds);
        write_type(w, "process_open_fds", "gauge", "Open file descriptors.");
        zo_metrics_line(w, "process_open_fds", NULL, n);
    }
}

void zo_metrics_write(zo_json *w)
{
    const zo_metrics *m = &zo_metric;

    write_histogram(w, "zeroth_ask_seconds", "Time from dispatch of an ask to its durable end.", &m->ask_us, 1e-6);
    write_histogram(w, "zeroth_tell_seconds", "Time from dispatch of a tell to its durable end.", &m->tell_us, 1e-6);
    write_histogram(w, "zeroth_commit_seconds", "Time of one commit, fsync included.", &m->commit_us, 1e-6);
    write_histogram(w, "zeroth_commit_writes", "Writes that shared one commit.", &m->commit_batch, 1);
    write_counter(w, "zeroth_commits_total", "Commits.", &m->commits);
    write_counter(w, "zeroth_events_total", "Events appended.", &m->events);
    write_counter(w, "zeroth_snapshots_total", "Snapshots saved.", &m->snapshots);
    write_counter(w, "zeroth_replays_total", "Studies loaded from their log.", &m->replays);
    write_counter(w, "zeroth_evictions_total", "Studies put away.", &m->evictions);
    write_counter(w, "zeroth_lease_expiries_total", "Leases that ran out.", &m->expiries);
    write_counter(w, "zeroth_rejected_busy_total", "Commands refused for load.", &m->rejected_busy);
    write_gauge(w, "zeroth_live_studies", "Studies and directories with a mailbox.", &m->live_studies);
    write_gauge(w, "zeroth_resident_studies", "Studies loaded in memory.", &m->resident_studies);
    write_gauge(w, "zeroth_writer_queue", "Writes waiting for a commit or in one.", &m->writer_queue);
    write_gauge(w, "zeroth_actor_queue", "Commands waiting for a worker.", &m->actor_queue);
    write_gauge(w, "zeroth_http_connections", "Open connections.", &m->connections);
    write_gauge(w, "zeroth_http_suspended", "Requests waiting for their reply.", &m->suspended);
    write_gauge(w, "zeroth_http_inflight_bytes", "Request bodies in memory.", &m->inflight_bytes);
    write_process(w);
}
