/* Event bodies: what the log keeps of each command, compact and safe to read from anywhere.
 *
 * byte 0 is the layout's version (1). Then, by kind, in this order (numbers are LEB128 varints in their shortest form,
 * doubles 8 raw little-endian bytes, strings a length and bytes without NUL, vectors a count and doubles; [x] only
 * where its flag is set): CREATED    seed, dimensions, values, solver version, solver name ASKED      flags, number,
 * attempt, origin, [lease ms], [worker], [core], [why], [vector], [predicted] the vector is left out where an earlier
 * event of the same number holds it (retries, queued points) TOLD       flags, number, state, [origin, vector],
 * [values], [std errors], [cost], [reason], [worker], [metadata], [created ms, finished ms], [gradients] REPORTED stop,
 * number, step, values EXPIRED    number, outcome (state)          RELEASED, WITHDRAWN  number QUEUED     flags,
 * number, vector, [metadata] PATCHED    flags, [trials, seconds, target]  the flags hold has_target and paused ENDED
 * reason, flags, [number], [why]    number: the solver was asked for it in vain REBASED    solver version, arithmetic
 * tag (8 bytes), reason FORGOTTEN  request, solver version, count, first number, then how far each next one lies beyond
 * its neighbour or byte 0 is 0x81: what is left when the trial was forgotten (scrub.c), enough for numbers and states
 * to go their way: ASKED      number, attempt, origin            TOLD  number, state, brought, [origin] REPORTED,
 * QUEUED  number Gradients have the form of values: those of all objectives, then of the constraints, each over the
 * vector. Values are a count, a flag "all present" or else a bitmap, and the doubles that are present. An ASKED of four
 * floats takes about 50 bytes, a TOLD of one value 14. Encoding a decoded body gives the same bytes. */
#include "study/event_codec.h"

/* ---- the list ---- */

/* The buffers stay, what was in them does not. */
void zo_events_clear(zo_events *e)
{
    if (e->n_bytes)
        memset(e->bytes, 0, e->n_bytes);
    e->n = 0;
    e->n_bytes = 0;
}

void zo_events_fini(zo_events *e)
{
    zo_free(e->items);
    zo_free(e->bytes);
    *e = (zo_events){0};
}

bool events_reserve(zo_events *e, size_t n, size_t bytes)
{
    if (e->n + n > e->cap) {
        const size_t cap = 2 * (e->n + n) + 6;
        zo_event *items = zo_realloc(e->items, cap * sizeof *items);
        if (!items)
            return false;
        e->items = items;
        e->cap = cap;
    }
    if (e->n_bytes + bytes > e->cap_bytes) {
        const size_t cap = 2 * (e->n_bytes + bytes) + 64;
        uint8_t *to = zo_malloc(cap);
        if (!to)
            return false;
        if (e->n_bytes)
            memcpy(to, e->bytes, e->n_bytes);
        size_t at = 0;
        for (size_t i = 0; i < e->n; i++) { /* bodies lie one after the other */
            e->items[i].body = to + at;
            at += e->items[i].body_bytes;
        }
        zo_free(e->bytes);
        e->bytes = to;
        e->cap_bytes = cap;
    }
    return true;
}

/* ---- writing: into memory reserved before ---- */

static uint8_t *put_varint(uint8_t *p, uint64_t x)
{
    for (; x >= 0x80; x >>= 7)
        *p++ = (uint8_t)(x | 0x80);
    *p++ = (uint8_t)x;
    return p;
}

static uint8_t *put_raw(uint8_t *p, const void *from, size_t bytes)
{
    if (bytes)
        memcpy(p, from, bytes);
    return p + bytes;
}

static uint8_t *put_str(uint8_t *p, struct str s)
{
    return put_raw(put_varint(p, s.n), s.p, s.n);
}

static uint8_t *put_vector(uint8_t *p, const double *v, size_t n)
{
    return put_raw(put_varint(p, n), v, n * sizeof *v);
}

static uint8_t *put_values(uint8_t *p, const double *x, size_t n)
{
    const size_t map_bytes = (n + 7) / 8;
    uint8_t *map;
    bool all = true;

    for (size_t i = 0; i < n; i++)
        all = all && !isnan(x[i]);
    p = put_varint(p, n);
    *p++ = all;
    if (all)
        return put_raw(p, x, n * sizeof *x);
    map = p;
    memset(map, 0, map_bytes);
    p += map_bytes;
    for (size_t i = 0; i < n; i++)
        if (!isnan(x[i])) {
            map[i / 8] |= (uint8_t)(1u << (i % 8));
            p = put_raw(p, &x[i], sizeof *x);
        }
    return p;
}

/* Signed times: zigzag, so that a time before 1970 stays short too. */
static uint64_t zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (x < 0 ? UINT64_MAX : 0);
}

static uint8_t *put_asked(uint8_t *p, const struct rec_asked *r, size_t n)
{
    *p++ = (uint8_t)((r->lease_ms ? ASKED_LEASE : 0) | (r->worker.p ? ASKED_WORKER : 0) | (r->core.p ? ASKED_CORE : 0) |
                     (r->why.p ? ASKED_WHY : 0) | (r->v ? ASKED_V : 0) | (isnan(r->predicted) ? 0 : ASKED_PREDICTED));
    p = put_varint(p, r->number);
    p = put_varint(p, r->attempt);
    *p++ = (uint8_t)r->origin;
    if (r->lease_ms)
        p = put_varint(p, r->lease_ms);
    if (r->worker.p)
        p = put_str(p, r->worker);
    if (r->core.p)
        p = put_str(p, r->core);
    if (r->why.p)
        p = put_str(p, r->why);
    if (r->v)
        p = put_vector(p, r->v, n);
    if (!isnan(r->predicted))
        p = put_raw(p, &r->predicted, sizeof r->predicted);
    return p;
}

static uint8_t *put_told(uint8_t *p, const struct rec_told *r, const zo_study *s)
{
    const unsigned flags = (r->brought ? TOLD_BROUGHT : 0u) | (r->values ? TOLD_VALUES : 0u) |
                           (r->std_errors ? TOLD_STDERR : 0u) | (isnan(r->cost) ? 0u : TOLD_COST) |
                           (r->reason.p ? TOLD_REASON : 0u) | (r->worker.p ? TOLD_WORKER : 0u) |
                           (r->metadata.p ? TOLD_METADATA : 0u) | (r->imported ? TOLD_IMPORTED : 0u) |
                           (r->from_report ? TOLD_FROM_REPORT : 0u) | (r->gradients ? TOLD_GRADIENTS : 0u);
    p = put_varint(p, flags);
    p = put_varint(p, r->number);
    *p++ = (uint8_t)r->state;
    if (r->brought) {
        *p++ = (uint8_t)r->origin;
        p = put_vector(p, r->v, s->n);
    }
    if (r->values)
        p = put_values(p, r->values, s->n_values);
    if (r->std_errors)
        p = put_values(p, r->std_errors, s->n_values);
    if (!isnan(r->cost))
        p = put_raw(p, &r->cost, sizeof r->cost);
    if (r->reason.p)
        p = put_str(p, r->reason);
    if (r->worker.p)
        p = put_str(p, r->worker);
    if (r->metadata.p)
        p = put_str(p, r->metadata);
    if (r->imported) {
        p = put_varint(p, zigzag(r->created_ms));
        p = put_varint(p, zigzag(r->finished_ms));
    }
    if (r->gradients)
        p = put_values(p, r->gradients, s->n_gradients);
    return p;
}

static uint8_t *put_patched(uint8_t *p, const zo_patch *r)
{
    *p++ = (uint8_t)((r->has_budget ? PATCHED_BUDGET : 0) |
                     (r->has_budget && r->budget.has_target ? PATCHED_HAS_TARGET : 0) |
                     (r->has_paused ? PATCHED_HAS_PAUSED : 0) | (r->has_paused && r->paused ? PATCHED_PAUSED : 0));
    if (r->has_budget) {
        p = put_varint(p, r->budget.trials);
        p = put_raw(p, &r->budget.seconds, sizeof(double));
        if (r->budget.has_target)
            p = put_raw(p, &r->budget.target, sizeof(double));
    }
    return p;
}

static size_t values_bytes(size_t n)
{
    return 12 + n / 8 + n * sizeof(double);
}

/* What a scrubbed record still says, after its first byte. */
static uint8_t *put_scrubbed(uint8_t *p, const struct rec *r)
{
    switch (r->kind) {
    case ZO_EVENT_ASKED:
        p = put_varint(p, r->u.asked.number);
        p = put_varint(p, r->u.asked.attempt);
        *p++ = (uint8_t)r->u.asked.origin;
        break;
    case ZO_EVENT_TOLD:
        p = put_varint(p, r->u.told.number);
        *p++ = (uint8_t)r->u.told.state;
        *p++ = r->u.told.brought;
        if (r->u.told.brought)
            *p++ = (uint8_t)r->u.told.origin;
        break;
    case ZO_EVENT_REPORTED:
        p = put_varint(p, r->u.reported.number);
        break;
    case ZO_EVENT_QUEUED:
        p = put_varint(p, r->u.queued.number);
        break;
    case ZO_EVENT_CREATED:
    case ZO_EVENT_EXPIRED:
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
    case ZO_EVENT_PATCHED:
    case ZO_EVENT_ENDED:
    case ZO_EVENT_REBASED:
    case ZO_EVENT_FORGOTTEN:
        break; /* they say nothing of a trial but its number */
    }
    return p;
}

static uint8_t *put_forgotten(uint8_t *p, const struct rec_forgotten *r)
{
    p = put_varint(p, r->request);
    p = put_varint(p, r->version);
    p = put_varint(p, r->n);
    if (!r->numbers)
        return put_raw(p, r->packed, r->packed_bytes);
    for (size_t i = 0; i < r->n; i++)
        p = put_varint(p, i ? r->numbers[i] - r->numbers[i - 1] - 1 : r->numbers[0]);
    return p;
}

size_t record_bytes(const zo_study *s, const struct rec *r)
{
    const size_t vector = 10 + s->n * sizeof(double), values = values_bytes(s->n_values);

    if (r->scrubbed)
        return 40;
    switch (r->kind) {
    case ZO_EVENT_CREATED:
        return 64 + r->u.created.solver.n;
    case ZO_EVENT_ASKED:
        return 88 + r->u.asked.worker.n + r->u.asked.core.n + r->u.asked.why.n + vector;
    case ZO_EVENT_TOLD:
        return 112 + (r->u.told.brought ? vector : 0) + 2 * values +
               (r->u.told.gradients ? values_bytes(s->n_gradients) : 0) + r->u.told.reason.n + r->u.told.worker.n +
               r->u.told.metadata.n;
    case ZO_EVENT_REPORTED:
        return 32 + values;
    case ZO_EVENT_QUEUED:
        return 32 + vector + r->u.queued.metadata.n;
    case ZO_EVENT_ENDED:
        return 40 + r->u.ended.why.n;
    case ZO_EVENT_REBASED:
        return 40 + r->u.rebased.reason.n;
    case ZO_EVENT_EXPIRED:
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
    case ZO_EVENT_PATCHED:
        return 40;
    case ZO_EVENT_FORGOTTEN:
        return 40 + (r->u.forgotten.numbers ? 10 * r->u.forgotten.n : r->u.forgotten.packed_bytes);
    }
    return 0;
}

static uint8_t *put_whole(uint8_t *p, const zo_study *s, const struct rec *r)
{
    switch (r->kind) {
    case ZO_EVENT_CREATED:
        p = put_varint(p, r->u.created.seed);
        p = put_varint(p, r->u.created.n);
        p = put_varint(p, r->u.created.n_values);
        p = put_varint(p, r->u.created.version);
        p = put_str(p, r->u.created.solver);
        break;
    case ZO_EVENT_ASKED:
        p = put_asked(p, &r->u.asked, s->n);
        break;
    case ZO_EVENT_TOLD:
        p = put_told(p, &r->u.told, s);
        break;
    case ZO_EVENT_REPORTED:
        *p++ = r->u.reported.stop;
        p = put_varint(p, r->u.reported.number);
        p = put_varint(p, r->u.reported.step);
        p = put_values(p, r->u.reported.values, s->n_values);
        break;
    case ZO_EVENT_EXPIRED:
        p = put_varint(p, r->u.expired.number);
        *p++ = (uint8_t)r->u.expired.outcome;
        break;
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
        p = put_varint(p, r->u.number);
        break;
    case ZO_EVENT_QUEUED:
        *p++ = r->u.queued.metadata.p ? QUEUED_METADATA : 0;
        p = put_varint(p, r->u.queued.number);
        p = put_vector(p, r->u.queued.v, s->n);
        if (r->u.queued.metadata.p)
            p = put_str(p, r->u.queued.metadata);
        break;
    case ZO_EVENT_PATCHED:
        p = put_patched(p, &r->u.patched.patch);
        break;
    case ZO_EVENT_ENDED:
        *p++ = (uint8_t)r->u.ended.reason;
        *p++ = (uint8_t)((r->u.ended.asked ? ENDED_ASKED : 0) | (r->u.ended.why.p ? ENDED_WHY : 0));
        if (r->u.ended.asked)
            p = put_varint(p, r->u.ended.number);
        if (r->u.ended.why.p)
            p = put_str(p, r->u.ended.why);
        break;
    case ZO_EVENT_REBASED:
        p = put_varint(p, r->u.rebased.version);
        p = put_raw(p, &r->u.rebased.tag, sizeof r->u.rebased.tag);
        p = put_str(p, r->u.rebased.reason);
        break;
    case ZO_EVENT_FORGOTTEN:
        p = put_forgotten(p, &r->u.forgotten);
        break;
    }
    return p;
}

void event_append(zo_events *e, const zo_study *s, const struct rec *r)
{
    uint8_t *const body = e->bytes + e->n_bytes, *p = body;

    *p++ = r->scrubbed ? SCRUBBED : VERSION;
    p = r->scrubbed ? put_scrubbed(p, r) : put_whole(p, s, r);
    const size_t bytes = (size_t)(p - body);
    ZO_ASSERT(e->n < e->cap && e->n_bytes + bytes <= e->cap_bytes);
    e->items[e->n++] = (zo_event){.seq = r->seq, .kind = r->kind, .at_ms = r->at_ms, .body = body, .body_bytes = bytes};
    e->n_bytes += bytes;
}
