/* Scrubbing: what a forget leaves of the events before it. The log stays dense and its events stay in their order;
 * those of a forgotten trial keep its number and the way of its states, so that replay as data still counts and queues
 * rightly. What others' events owe to the forgotten goes too: predictions, which interpolate what was told, and the
 * sentence of an end, which may quote the best value. */
#include "study/event_codec.h"

#include <stdlib.h>

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static bool is_named(const uint64_t *numbers, size_t n, uint64_t number)
{
    return n && bsearch(&number, numbers, n, sizeof number, by_number);
}

/* Whose payload a record carries; false: nobody's. */
static bool payload_of(const struct rec *r, uint64_t *number_out)
{
    switch (r->kind) {
    case ZO_EVENT_ASKED:
        *number_out = r->u.asked.number;
        return true;
    case ZO_EVENT_TOLD:
        *number_out = r->u.told.number;
        return true;
    case ZO_EVENT_REPORTED:
        *number_out = r->u.reported.number;
        return true;
    case ZO_EVENT_QUEUED:
        *number_out = r->u.queued.number;
        return true;
    case ZO_EVENT_CREATED:
    case ZO_EVENT_EXPIRED:
    case ZO_EVENT_RELEASED:
    case ZO_EVENT_WITHDRAWN:
    case ZO_EVENT_PATCHED:
    case ZO_EVENT_ENDED:
    case ZO_EVENT_REBASED:
    case ZO_EVENT_FORGOTTEN:
        break;
    }
    return false;
}

/* The body is copied without its prediction, which is its last part. */
static zo_status predicted_scrub(const zo_event *e, zo_events *out, zo_error *err)
{
    const size_t bytes = e->body_bytes - sizeof(double);

    if (!events_reserve(out, 1, bytes))
        return zo_fail_nomem(err);
    uint8_t *body = out->bytes + out->n_bytes;
    memcpy(body, e->body, bytes);
    body[1] &= (uint8_t)~ASKED_PREDICTED;
    out->items[out->n] = *e;
    out->items[out->n].body = body;
    out->items[out->n++].body_bytes = bytes;
    out->n_bytes += bytes;
    return ZO_OK;
}

zo_status zo_event_scrub(const zo_event *e, const uint64_t *numbers, size_t n, zo_events *out, bool *touched_out,
                         zo_error *err)
{
    static const zo_study no_study; /* neither of the records written here has a vector */
    struct rec r;
    uint64_t number = 0;
    zo_status rc = event_decode(e, NULL, &r, err);

    if (rc != ZO_OK)
        return rc;
    const bool named = !r.scrubbed && payload_of(&r, &number) && is_named(numbers, n, number);
    *touched_out = named || (r.kind == ZO_EVENT_ENDED && r.u.ended.why.p) ||
                   (r.kind == ZO_EVENT_ASKED && !isnan(r.u.asked.predicted));
    if (!*touched_out)
        return ZO_OK;
    if (!named && r.kind == ZO_EVENT_ASKED)
        return predicted_scrub(e, out, err);
    r.scrubbed = named;
    if (r.kind == ZO_EVENT_ENDED)
        r.u.ended.why = (struct str){0};
    if (!events_reserve(out, 1, record_bytes(&no_study, &r)))
        return zo_fail_nomem(err);
    event_append(out, &no_study, &r);
    return ZO_OK;
}
