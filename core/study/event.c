/* Event bodies: what the log keeps of each command, compact and safe to read from anywhere.
 *
 * byte 0 is the layout's version (1). Then, by kind, in this order (numbers are LEB128 varints in their shortest form, doubles 8 raw
 * little-endian bytes, strings a length and bytes without NUL, vectors a count and doubles; [x] only where its flag is set):
 *   CREATED    seed, dimensions, values, solver version, solver name
 *   ASKED      flags, number, attempt, origin, [lease ms], [worker], [core], [why], [vector], [predicted]
 *              the vector is left out where an earlier event of the same number holds it (retries, queued points)
 *   TOLD       flags, number, state, [origin, vector], [values], [std errors], [cost], [reason], [worker], [metadata],
 *              [created ms, finished ms], [gradients]
 *   REPORTED   stop, number, step, values
 *   EXPIRED    number, outcome (state)          RELEASED, WITHDRAWN  number
 *   QUEUED     flags, number, vector, [metadata]
 *   PATCHED    flags, [trials, seconds, target]  the flags hold has_target and paused
 *   ENDED      reason, flags, [number], [why]    number: the solver was asked for it in vain
 *   REBASED    solver version, arithmetic tag (8 bytes), reason
 * Gradients have the form of values: those of all objectives, then of the constraints, each over the vector.
 * Values are a count, a flag "all present" or else a bitmap, and the doubles that are present. An ASKED of four floats takes about 50
 * bytes, a TOLD of one value 14. Encoding a decoded body gives the same bytes. */
#include "study/study_private.h"

enum { VERSION = 1, MAX_STRING = 1 << 20 };
enum { ASKED_LEASE = 1, ASKED_WORKER = 2, ASKED_CORE = 4, ASKED_WHY = 8, ASKED_V = 16, ASKED_PREDICTED = 32, ASKED_ALL = 63 };
enum {
    TOLD_BROUGHT = 1, TOLD_VALUES = 2, TOLD_STDERR = 4, TOLD_COST = 8, TOLD_REASON = 16, TOLD_WORKER = 32, TOLD_METADATA = 64,
    TOLD_IMPORTED = 128, TOLD_FROM_REPORT = 256, TOLD_GRADIENTS = 512, TOLD_ALL = 1023
};
enum { QUEUED_METADATA = 1 };
enum { PATCHED_BUDGET = 1, PATCHED_HAS_TARGET = 2, PATCHED_HAS_PAUSED = 4, PATCHED_PAUSED = 8, PATCHED_ALL = 15 };
enum { ENDED_ASKED = 1, ENDED_WHY = 2, ENDED_ALL = 3 };

/* ---- the list ---- */

void zo_events_clear(zo_events *e)
{
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
    const unsigned flags = (r->brought ? TOLD_BROUGHT : 0u) | (r->values ? TOLD_VALUES : 0u) | (r->std_errors ? TOLD_STDERR : 0u) |
                           (isnan(r->cost) ? 0u : TOLD_COST) | (r->reason.p ? TOLD_REASON : 0u) | (r->worker.p ? TOLD_WORKER : 0u) |
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
    *p++ = (uint8_t)((r->has_budget ? PATCHED_BUDGET : 0) | (r->has_budget && r->budget.has_target ? PATCHED_HAS_TARGET : 0) |
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

size_t record_bytes(const zo_study *s, const struct rec *r)
{
    const size_t vector = 10 + s->n * sizeof(double), values = values_bytes(s->n_values);

    switch (r->kind) {
    case ZO_EVENT_CREATED:
        return 64 + r->u.created.solver.n;
    case ZO_EVENT_ASKED:
        return 88 + r->u.asked.worker.n + r->u.asked.core.n + r->u.asked.why.n + vector;
    case ZO_EVENT_TOLD:
        return 112 + (r->u.told.brought ? vector : 0) + 2 * values + (r->u.told.gradients ? values_bytes(s->n_gradients) : 0) +
               r->u.told.reason.n + r->u.told.worker.n + r->u.told.metadata.n;
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
    case ZO_EVENT_FORGOTTEN:
        return 40;
    }
    return 0;
}

void event_append(zo_events *e, const zo_study *s, const struct rec *r)
{
    uint8_t *const body = e->bytes + e->n_bytes, *p = body;

    *p++ = VERSION;
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
        break;
    }
    const size_t bytes = (size_t)(p - body);
    ZO_ASSERT(e->n < e->cap && e->n_bytes + bytes <= e->cap_bytes);
    e->items[e->n++] = (zo_event){.seq = r->seq, .kind = r->kind, .at_ms = r->at_ms, .body = body, .body_bytes = bytes};
    e->n_bytes += bytes;
}

/* ---- reading: every get checks; after the first failure p stays NULL ---- */

struct cursor {
    const uint8_t *p, *end;
};

static uint64_t get_varint(struct cursor *c)
{
    uint64_t x = 0;

    for (unsigned shift = 0; c->p && c->p < c->end && shift < 64; shift += 7) {
        const uint8_t b = *c->p++;
        if ((shift == 63 && b > 1) || (b == 0 && shift > 0))
            break;
        x |= (uint64_t)(b & 0x7f) << shift;
        if (!(b & 0x80))
            return x;
    }
    c->p = NULL;
    return 0;
}

static const uint8_t *get_raw(struct cursor *c, size_t bytes)
{
    const uint8_t *at = c->p;

    if (!at || (size_t)(c->end - at) < bytes)
        return c->p = NULL;
    c->p += bytes;
    return at;
}

static unsigned get_byte(struct cursor *c, unsigned max)
{
    const uint8_t *at = get_raw(c, 1);

    if (at && *at <= max)
        return *at;
    c->p = NULL;
    return 0;
}

static double get_finite(struct cursor *c)
{
    const uint8_t *at = get_raw(c, sizeof(double));
    double x = 0;

    if (at)
        memcpy(&x, at, sizeof x);
    if (!isfinite(x))
        c->p = NULL;
    return x;
}

static struct str get_str(struct cursor *c)
{
    const uint64_t n = get_varint(c);
    const uint8_t *at = n <= MAX_STRING ? get_raw(c, (size_t)n) : (c->p = NULL);

    if (!at || memchr(at, 0, (size_t)n)) {
        c->p = NULL;
        return (struct str){0};
    }
    return (struct str){(const char *)at, (size_t)n};
}

static const double *get_vector(struct cursor *c, const struct event_shape *shape)
{
    const uint64_t n = get_varint(c);
    const uint8_t *at = n <= (size_t)(c->p ? c->end - c->p : 0) / sizeof(double) ? get_raw(c, (size_t)n * sizeof(double)) : NULL;

    if (!at || (shape && n != shape->n))
        return c->p = NULL, NULL;
    for (size_t i = 0; i < n; i++) {
        double x;
        memcpy(&x, at + i * sizeof x, sizeof x);
        if (!isfinite(x))
            return c->p = NULL, NULL;
    }
    if (!shape)
        return NULL;
    memcpy(shape->v, at, (size_t)n * sizeof(double));
    return shape->v;
}

static const double *get_values(struct cursor *c, const struct event_shape *shape, double *out, size_t n_out)
{
    const uint64_t n = get_varint(c);
    const bool all = get_byte(c, 1);
    const uint8_t *map = NULL;

    if (!c->p || n > (size_t)(c->end - c->p) * 8 || (shape && n != n_out) || (!all && !(map = get_raw(c, (size_t)(n + 7) / 8))))
        return c->p = NULL, NULL;
    if (map && n % 8 && map[n / 8] >> (n % 8))
        return c->p = NULL, NULL;
    size_t present = 0;
    for (size_t i = 0; i < n; i++) {
        const bool here = all || map[i / 8] >> (i % 8) & 1;
        const double x = here ? get_finite(c) : NAN;
        if (!c->p)
            return NULL;
        present += here;
        if (shape)
            out[i] = x;
    }
    if (!all && present == n)
        c->p = NULL; /* not the form we write */
    return shape && c->p ? out : NULL;
}

static int64_t get_time(struct cursor *c)
{
    const uint64_t x = get_varint(c);

    return (int64_t)((x >> 1) ^ (x & 1 ? UINT64_MAX : 0));
}

static void get_asked(struct cursor *c, const struct event_shape *shape, struct rec_asked *r)
{
    const unsigned flags = get_byte(c, ASKED_ALL);

    r->number = get_varint(c);
    r->attempt = get_varint(c);
    r->origin = get_byte(c, ZO_ORIGIN_IMPORT);
    r->predicted = NAN;
    if (flags & ASKED_LEASE && !(r->lease_ms = get_varint(c)))
        c->p = NULL;
    if (flags & ASKED_WORKER)
        r->worker = get_str(c);
    if (flags & ASKED_CORE)
        r->core = get_str(c);
    if (flags & ASKED_WHY)
        r->why = get_str(c);
    if (flags & ASKED_V)
        r->v = get_vector(c, shape);
    if (flags & ASKED_PREDICTED)
        r->predicted = get_finite(c);
}

static void get_told(struct cursor *c, const struct event_shape *shape, struct rec_told *r)
{
    const struct event_shape to = shape ? *shape : (struct event_shape){0};
    const uint64_t flags = get_varint(c);

    if (flags > TOLD_ALL)
        c->p = NULL;
    r->number = get_varint(c);
    r->state = get_byte(c, ZO_TRIAL_STATE_COUNT - 1);
    r->brought = flags & TOLD_BROUGHT;
    r->imported = flags & TOLD_IMPORTED;
    r->from_report = flags & TOLD_FROM_REPORT;
    r->cost = NAN;
    if (r->brought) {
        r->origin = get_byte(c, ZO_ORIGIN_IMPORT);
        r->v = get_vector(c, shape);
        if (r->origin != ZO_ORIGIN_CLIENT && r->origin != ZO_ORIGIN_IMPORT)
            c->p = NULL;
    }
    if (r->imported != (r->brought && r->origin == ZO_ORIGIN_IMPORT) ||
        (r->from_report && (r->brought || r->state != ZO_TRIAL_STOPPED || !(flags & TOLD_VALUES))))
        c->p = NULL;
    if (flags & TOLD_VALUES)
        r->values = get_values(c, shape, to.values, to.n_values);
    if (flags & TOLD_STDERR)
        r->std_errors = get_values(c, shape, to.std_errors, to.n_values);
    if (flags & TOLD_COST)
        r->cost = get_finite(c);
    if (flags & TOLD_REASON)
        r->reason = get_str(c);
    if (flags & TOLD_WORKER)
        r->worker = get_str(c);
    if (flags & TOLD_METADATA)
        r->metadata = get_str(c);
    if (flags & TOLD_IMPORTED) {
        r->created_ms = get_time(c);
        r->finished_ms = get_time(c);
    }
    if (flags & TOLD_GRADIENTS)
        r->gradients = shape && shape->n_gradients == 0 ? (c->p = NULL, NULL) : get_values(c, shape, to.gradients, to.n_gradients);
}

static void get_patched(struct cursor *c, zo_patch *r)
{
    const unsigned flags = get_byte(c, PATCHED_ALL);

    r->has_budget = flags & PATCHED_BUDGET;
    r->has_paused = flags & PATCHED_HAS_PAUSED;
    r->paused = flags & PATCHED_PAUSED;
    r->budget.has_target = flags & PATCHED_HAS_TARGET;
    if ((r->budget.has_target && !r->has_budget) || (r->paused && !r->has_paused))
        c->p = NULL;
    if (r->has_budget) {
        r->budget.trials = get_varint(c);
        r->budget.seconds = get_finite(c);
        if (r->budget.has_target)
            r->budget.target = get_finite(c);
    }
}

static void get_ended(struct cursor *c, struct rec_ended *r)
{
    r->reason = get_byte(c, END_REASON_COUNT - 1);
    const unsigned flags = get_byte(c, ENDED_ALL);
    r->asked = flags & ENDED_ASKED;
    if (r->asked)
        r->number = get_varint(c);
    if (flags & ENDED_WHY)
        r->why = get_str(c);
    if (r->reason == END_NONE || r->why.n > MAX_END_WHY)
        c->p = NULL;
}

zo_status event_decode(const zo_event *e, const struct event_shape *shape, struct rec *out, zo_error *err)
{
    const struct event_shape to = shape ? *shape : (struct event_shape){0};
    struct cursor c = {e->body, e->body ? e->body + e->body_bytes : NULL};
    const uint8_t *tag;

    *out = (struct rec){.kind = e->kind, .seq = e->seq, .at_ms = e->at_ms};
    const uint8_t *version = get_raw(&c, 1);
    if (version && *version != VERSION)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "event %llu has layout %u, this build reads %u", (unsigned long long)e->seq, *version,
                       (unsigned)VERSION);
    switch (e->kind) {
    case ZO_EVENT_CREATED:
        out->u.created.seed = get_varint(&c);
        out->u.created.n = get_varint(&c);
        out->u.created.n_values = get_varint(&c);
        out->u.created.version = get_varint(&c);
        out->u.created.solver = get_str(&c);
        break;
    case ZO_EVENT_ASKED:
        get_asked(&c, shape, &out->u.asked);
        break;
    case ZO_EVENT_TOLD:
        get_told(&c, shape, &out->u.told);
        break;
    case ZO_EVENT_REPORTED:
        out->u.reported.stop = get_byte(&c, 1);
        out->u.reported.number = get_varint(&c);
        out->u.reported.step = get_varint(&c);
        out->u.reported.values = get_values(&c, shape, to.values, to.n_values);
        break;
    case ZO_EVENT_EXPIRED:
        out->u.expired.number = get_varint(&c);
        out->u.expired.outcome = get_byte(&c, ZO_TRIAL_STATE_COUNT - 1);
        break;
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
        out->u.number = get_varint(&c);
        break;
    case ZO_EVENT_QUEUED: {
        const unsigned flags = get_byte(&c, QUEUED_METADATA);
        out->u.queued.number = get_varint(&c);
        out->u.queued.v = get_vector(&c, shape);
        if (flags)
            out->u.queued.metadata = get_str(&c);
        break;
    }
    case ZO_EVENT_PATCHED:
        get_patched(&c, &out->u.patched.patch);
        break;
    case ZO_EVENT_ENDED:
        get_ended(&c, &out->u.ended);
        break;
    case ZO_EVENT_REBASED:
        out->u.rebased.version = get_varint(&c);
        if ((tag = get_raw(&c, sizeof out->u.rebased.tag)))
            memcpy(&out->u.rebased.tag, tag, sizeof out->u.rebased.tag);
        out->u.rebased.reason = get_str(&c);
        break;
    case ZO_EVENT_FORGOTTEN:
        return zo_fail(err, ZO_EUNSUPPORTED, "", "event %llu: this build can't forget trials", (unsigned long long)e->seq);
    default: /* a number from the disk, not from the enum */
        c.p = NULL;
    }
    if (!c.p || c.p != c.end)
        return zo_fail(err, ZO_EMALFORMED, "", "event %llu of kind %d is damaged", (unsigned long long)e->seq, (int)e->kind);
    return ZO_OK;
}

zo_status zo_event_check(const zo_event *e, zo_error *err)
{
    struct rec r;

    return event_decode(e, NULL, &r, err);
}
