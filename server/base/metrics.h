/* Counters, gauges and latency histograms, relaxed atomics, written out as Prometheus text. Any thread, no allocation on use. */
#ifndef ZO_BASE_METRICS_H
#define ZO_BASE_METRICS_H

#include <stdatomic.h>
#include "codec/jsonwrite.h"

typedef struct zo_counter { _Atomic uint64_t n; } zo_counter;
typedef struct zo_gauge { _Atomic int64_t n; } zo_gauge;
enum { ZO_HISTOGRAM_BUCKETS = 24 };
typedef struct zo_histogram { _Atomic uint64_t bucket[ZO_HISTOGRAM_BUCKETS], sum; } zo_histogram; /* powers of two from 1; sum in the unit observed */
/* The daemon's metrics, one static struct: process-wide facts, never read by a solver. */
typedef struct zo_metrics {
    zo_histogram ask_us, tell_us, commit_us, commit_batch;
    zo_counter commits, events, snapshots, replays, evictions, expiries, rejected_busy;
    zo_gauge live_studies, resident_studies, writer_queue, actor_queue, connections, suspended, inflight_bytes;
} zo_metrics;
extern zo_metrics zo_metric;

void zo_count(zo_counter *c, uint64_t n);
void zo_gauge_add(zo_gauge *g, int64_t n);
void zo_gauge_set(zo_gauge *g, int64_t n);
void zo_observe(zo_histogram *h, uint64_t value);
/* Append all of zo_metric plus process facts (RSS, CPU seconds, open fds, start time) in Prometheus text form. */
void zo_metrics_write(zo_json *raw_text);
/* Append one line: name{labels} value. For http's per-route counters. labels may be NULL. */
void zo_metrics_line(zo_json *raw_text, const char *name, const char *labels, double value);

#endif
