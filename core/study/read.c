/* Reading a study: names, facts, size, and the digest by which tests and /state compare two studies. */
#include "study/study_private.h"

const zo_space *zo_study_space(const zo_study *s)
{
    return s->space;
}

const zo_steps *zo_study_steps(const zo_study *s)
{
    return is_directional(s) ? &s->steps : NULL;
}

size_t zo_study_n_named(const zo_study *s)
{
    return s->n_named;
}

size_t zo_study_n_values(const zo_study *s)
{
    return s->n_values;
}

size_t zo_study_value_index(const zo_study *s, const char *name, size_t length)
{
    for (size_t j = 0; j < s->n_named; j++)
        if (strlen(s->names[j]) == length && memcmp(s->names[j], name, length) == 0)
            return j;
    return SIZE_MAX;
}

const char *zo_study_value_name(const zo_study *s, size_t i)
{
    return s->names[i];
}

uint32_t zo_study_oracle(const zo_study *s)
{
    return s->problem.oracle;
}

zo_budget zo_study_budget(const zo_study *s)
{
    return s->budget;
}

uint64_t zo_study_forgotten_seq(const zo_study *s)
{
    return s->forgotten_seq;
}

uint64_t zo_study_seq(const zo_study *s)
{
    return s->seq;
}

const zo_solver *zo_study_solver(const zo_study *s)
{
    return s->def;
}

zo_status zo_study_describe(const zo_study *s, zo_bundle *facts, zo_error *err)
{
    return zo_solver_run_describe(s->run, facts, err);
}

size_t zo_study_memory_bytes(const zo_study *s)
{
    const size_t pending = s->pending.cap * (sizeof(struct pending) + sizeof(uint32_t) + s->pending.memo_bytes);
    const size_t front = s->front.cap * (s->front.m + 2) * sizeof(double);
    const size_t seen = s->seen.cap * (sizeof(uint64_t) + sizeof(uint32_t));

    return sizeof *s + s->def->state_bytes + zo_arena_used_bytes(s->arena) + s->t.bytes +
           s->t.cap_segs * sizeof(struct segment) + s->strings.bytes + pending + front + seen +
           (s->retry.cap + s->queue.cap) * sizeof(uint64_t);
}

/* ---- digest ---- */

static uint64_t mix_bytes(uint64_t h, const void *p, size_t bytes)
{
    const uint8_t *at = p;
    uint64_t x;

    h = mix64(h, bytes);
    for (; bytes >= sizeof x; bytes -= sizeof x, at += sizeof x) {
        memcpy(&x, at, sizeof x);
        h = mix64(h, x);
    }
    for (x = 0; bytes > 0; bytes--)
        x = x << 8 | at[bytes - 1];
    return mix64(h, x);
}

/* The bits of a NaN say nothing. */
static uint64_t mix_values(uint64_t h, const double *x, size_t n)
{
    for (size_t j = 0; j < n; j++)
        h = isnan(x[j]) ? mix64(h, j) : mix_bytes(h, &x[j], sizeof x[j]);
    return h;
}

static uint64_t mix_text(uint64_t h, const char *text)
{
    return text ? mix_bytes(h, text, strlen(text)) : mix64(h, 1);
}

/* What is there, not whether memory is held for it. */
static uint64_t mix_rare(uint64_t h, const struct rare *rare, size_t n_values, size_t n_gradients)
{
    if (!rare)
        return h;
    if (rare->reason)
        h = mix_text(mix64(h, 1), rare->reason);
    if (rare->metadata)
        h = mix_text(mix64(h, 2), rare->metadata);
    if (rare->std_errors)
        h = mix_values(h, rare->std_errors, n_values);
    if (rare->gradients)
        h = mix_values(h, rare->gradients, n_gradients);
    if (!isnan(rare->cost))
        h = mix_bytes(h, &rare->cost, sizeof rare->cost);
    for (uint32_t i = 0; i < rare->n_reports; i++) {
        h = mix64(mix64(h, rare->reports[i].step), rare->reports[i].stop);
        h = mix_values(h, rare->report_values + i * n_values, n_values);
    }
    return h;
}

static uint64_t mix_trial(uint64_t h, const zo_study *s, uint64_t number, struct row r)
{
    enum { TOLD_FLAGS = FLAG_EXPIRED | FLAG_WITHDRAWN | FLAG_FEASIBLE | FLAG_VALUES | FLAG_FROM_REPORT };
    const struct segment *g = r.g;

    h = mix64(mix64(h, number),
              (uint64_t)g->state[r.i] << 16 | (uint64_t)g->origin[r.i] << 8 | (g->flags[r.i] & TOLD_FLAGS));
    h = mix64(h, g->attempt[r.i]);
    h = mix_bytes(h, row_v(&s->t, r), s->n * sizeof(double));
    h = mix_values(h, row_values(&s->t, r), s->n_values);
    h = mix64(mix64(h, (uint64_t)g->created[r.i]), (uint64_t)g->finished[r.i]);
    h = mix_text(h, intern_get(&s->strings, g->worker[r.i]));
    const double predicted = row_predicted(r);
    if (!isnan(predicted))
        h = mix_bytes(h, &predicted, sizeof predicted);
    return mix_rare(h, row_rare(r), s->n_values, s->n_gradients);
}

static uint64_t mix_ring(uint64_t h, const zo_study *s, const struct ring *ring)
{
    for (size_t i = 0; i < ring->n; i++) {
        const struct row r = table_row(&s->t, ring_at(ring, i));
        if (r.g->state[r.i] == ZO_TRIAL_QUEUED && !(r.g->flags[r.i] & FLAG_WITHDRAWN))
            h = mix64(h, ring_at(ring, i));
    }
    return mix64(h, 2);
}

static uint64_t mix_solver(uint64_t h, const zo_study *s)
{
    zo_bundle b;
    zo_visit v = {.bundle = &b, .prefix = ""};

    zo_bundle_init(&b);
    zo_solver_run_snapshot(s->run, &v);
    h = mix64(h, v.status);
    for (size_t i = 0; i < b.n_arrays; i++)
        h = mix_bytes(mix_text(h, b.arrays[i].name), b.arrays[i].data, b.arrays[i].bytes);
    for (size_t i = 0; i < b.n_meta; i++)
        h = mix_text(mix_text(h, b.meta[i].key), b.meta[i].value);
    zo_bundle_fini(&b);
    return h;
}

uint64_t zo_study_digest(zo_study *s)
{
    zo_error unpaid = {0};
    uint64_t h = mix64(s->seed, s->t.next);

    (void)solver_pay(s, &unpaid); /* out of memory once more: the next command tries again */
    h = mix64(mix64(h, s->seq), (uint64_t)s->paused << 8 | (uint64_t)s->ended);
    if (s->ended_why)
        h = mix_text(h, intern_get(&s->strings, s->ended_why));
    h = mix64(h, s->budget.trials);
    h = mix_bytes(h, &s->budget.seconds, sizeof s->budget.seconds);
    h = s->budget.has_target ? mix_bytes(h, &s->budget.target, sizeof s->budget.target) : mix64(h, 1);
    h = mix64(mix64(h, (uint64_t)s->first_ask_ms), (uint64_t)s->paused_ms);
    for (uint64_t number = 0; number < s->t.next; number++) {
        const struct row r = table_row(&s->t, number);
        if (r.g)
            h = mix_trial(h, s, number, r);
    }
    h = mix_ring(mix_ring(h, s, &s->retry), s, &s->queue);
    return mix_solver(h, s);
}
