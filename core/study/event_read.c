/* Reading event bodies from anywhere (event.c has the layout): nothing is believed, and only what we write is read. */
#include "study/event_codec.h"

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
    const uint8_t *at =
        n <= (size_t)(c->p ? c->end - c->p : 0) / sizeof(double) ? get_raw(c, (size_t)n * sizeof(double)) : NULL;

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

    if (!c->p || n > (size_t)(c->end - c->p) * 8 || (shape && n != n_out) ||
        (!all && !(map = get_raw(c, (size_t)(n + 7) / 8))))
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
    r->state = get_byte(c, ZO_TRIAL_ABANDONED);
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
        r->gradients =
            shape && shape->n_gradients == 0 ? (c->p = NULL, NULL) : get_values(c, shape, to.gradients, to.n_gradients);
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

/* Numbers rise: what is kept is how far each lies beyond its neighbour. */
static void get_forgotten(struct cursor *c, struct rec_forgotten *r)
{
    uint64_t last = 0;

    r->request = get_varint(c);
    r->version = get_varint(c);
    const uint64_t n = get_varint(c);
    if (!c->p || n < 1 || n > (size_t)(c->end - c->p)) {
        c->p = NULL;
        return;
    }
    r->n = (size_t)n;
    r->packed = c->p;
    for (uint64_t i = 0; i < n && c->p; i++) {
        const uint64_t step = get_varint(c);
        if (i > 0 && (last == UINT64_MAX || step > UINT64_MAX - 1 - last))
            c->p = NULL;
        last = i ? last + 1 + step : step;
    }
    r->packed_bytes = c->p ? (size_t)(c->p - r->packed) : 0;
}

void forgotten_numbers(const struct rec_forgotten *r, uint64_t *out)
{
    struct cursor c = {r->packed, r->packed + r->packed_bytes};

    for (size_t i = 0; i < r->n; i++) {
        const uint64_t step = get_varint(&c);
        out[i] = i ? out[i - 1] + 1 + step : step;
    }
}

/* The vector that is gone. */
static const double *zeros(const struct event_shape *shape)
{
    if (shape && shape->n)
        memset(shape->v, 0, shape->n * sizeof *shape->v);
    return shape ? shape->v : NULL;
}

static void get_scrubbed(struct cursor *c, const struct event_shape *shape, struct rec *out)
{
    out->scrubbed = true;
    switch (out->kind) {
    case ZO_EVENT_ASKED:
        out->u.asked.number = get_varint(c);
        out->u.asked.attempt = get_varint(c);
        out->u.asked.origin = get_byte(c, ZO_ORIGIN_IMPORT);
        out->u.asked.predicted = NAN;
        out->u.asked.v = out->u.asked.attempt == 1 && out->u.asked.origin == ZO_ORIGIN_SOLVER ? zeros(shape) : NULL;
        break;
    case ZO_EVENT_TOLD:
        out->u.told.number = get_varint(c);
        out->u.told.state = get_byte(c, ZO_TRIAL_ABANDONED);
        out->u.told.brought = get_byte(c, 1);
        out->u.told.cost = NAN;
        out->u.told.scrubbed = true;
        if (out->u.told.brought) {
            out->u.told.origin = get_byte(c, ZO_ORIGIN_IMPORT);
            out->u.told.imported = out->u.told.origin == ZO_ORIGIN_IMPORT;
            out->u.told.v = zeros(shape);
            if (out->u.told.origin != ZO_ORIGIN_CLIENT && !out->u.told.imported)
                c->p = NULL;
        }
        break;
    case ZO_EVENT_REPORTED:
        out->u.reported.number = get_varint(c);
        break;
    case ZO_EVENT_QUEUED:
        out->u.queued.number = get_varint(c);
        out->u.queued.v = zeros(shape);
        break;
    default: /* nothing of it is ever scrubbed */
        c->p = NULL;
    }
}

static void get_whole(struct cursor *c, const struct event_shape *shape, struct rec *out)
{
    const struct event_shape to = shape ? *shape : (struct event_shape){0};
    const uint8_t *tag;

    switch (out->kind) {
    case ZO_EVENT_CREATED:
        out->u.created.seed = get_varint(c);
        out->u.created.n = get_varint(c);
        out->u.created.n_values = get_varint(c);
        out->u.created.version = get_varint(c);
        out->u.created.solver = get_str(c);
        break;
    case ZO_EVENT_ASKED:
        get_asked(c, shape, &out->u.asked);
        break;
    case ZO_EVENT_TOLD:
        get_told(c, shape, &out->u.told);
        break;
    case ZO_EVENT_REPORTED:
        out->u.reported.stop = get_byte(c, 1);
        out->u.reported.number = get_varint(c);
        out->u.reported.step = get_varint(c);
        out->u.reported.values = get_values(c, shape, to.values, to.n_values);
        break;
    case ZO_EVENT_EXPIRED:
        out->u.expired.number = get_varint(c);
        out->u.expired.outcome = get_byte(c, ZO_TRIAL_ABANDONED);
        break;
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
        out->u.number = get_varint(c);
        break;
    case ZO_EVENT_QUEUED: {
        const unsigned flags = get_byte(c, QUEUED_METADATA);
        out->u.queued.number = get_varint(c);
        out->u.queued.v = get_vector(c, shape);
        if (flags)
            out->u.queued.metadata = get_str(c);
        break;
    }
    case ZO_EVENT_PATCHED:
        get_patched(c, &out->u.patched.patch);
        break;
    case ZO_EVENT_ENDED:
        get_ended(c, &out->u.ended);
        break;
    case ZO_EVENT_REBASED:
        out->u.rebased.version = get_varint(c);
        if ((tag = get_raw(c, sizeof out->u.rebased.tag)))
            memcpy(&out->u.rebased.tag, tag, sizeof out->u.rebased.tag);
        out->u.rebased.reason = get_str(c);
        break;
    case ZO_EVENT_FORGOTTEN:
        get_forgotten(c, &out->u.forgotten);
        break;
    default: /* a number from the disk, not from the enum */
        c->p = NULL;
    }
}

zo_status event_decode(const zo_event *e, const struct event_shape *shape, struct rec *out, zo_error *err)
{
    struct cursor c = {e->body, e->body ? e->body + e->body_bytes : NULL};

    *out = (struct rec){.kind = e->kind, .seq = e->seq, .at_ms = e->at_ms};
    const uint8_t *version = get_raw(&c, 1);
    if (version && *version != VERSION && *version != SCRUBBED)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "event %llu has layout %u, this build reads %u",
                       (unsigned long long)e->seq, *version, (unsigned)VERSION);
    if (version && *version == SCRUBBED)
        get_scrubbed(&c, shape, out);
    else
        get_whole(&c, shape, out);
    if (!c.p || c.p != c.end)
        return zo_fail(err, ZO_EMALFORMED, "", "event %llu of kind %d is damaged", (unsigned long long)e->seq,
                       (int)e->kind);
    return ZO_OK;
}

zo_status zo_event_check(const zo_event *e, zo_error *err)
{
    struct rec r;

    return event_decode(e, NULL, &r, err);
}
