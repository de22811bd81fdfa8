/* Queued points: what the client wants evaluated next. They keep the order in which they came; one that has not been
 * handed out can be withdrawn (trials.c), and its number stays used. */
#include "study/study_private.h"

enum { MAX_QUEUED = 100000 };

zo_status queued_check(const zo_study *s, const double *v, zo_error *err)
{
    return is_directional(s) ? own_points_only(err) : zo_space_check(s->space, v, err);
}

/* number: the trial's; extra: points of this command up to and with this one. */
bool queued_reserve(zo_study *s, uint64_t number, size_t extra, bool metadata, struct rare **rare_out, struct str text)
{
    struct rare *rare = NULL;

    *rare_out = NULL;
    if (!table_reserve(&s->t, number) || !ring_reserve(&s->queue, extra) ||
        (s->duplicates == ZO_DUPLICATES_AVOID && !seen_reserve(&s->seen, extra)))
        return false;
    if (!metadata)
        return true;
    if (!table_reserve_rare(&s->t, number) || !(rare = rare_new()))
        return false;
    if (!(rare->metadata = zo_malloc(text.n + 1))) {
        rare_free(rare);
        return false;
    }
    memcpy(rare->metadata, text.p, text.n);
    rare->metadata[text.n] = 0;
    *rare_out = rare;
    return true;
}

void queued_apply(zo_study *s, const struct rec_queued *r, struct rare *rare, int64_t at_ms)
{
    const struct row row = trial_add(s, r->number, ZO_TRIAL_QUEUED, ZO_ORIGIN_QUEUED, r->v, at_ms);

    if (rare) {
        row.g->rare[row.i] = rare;
        s->t.bytes += sizeof *rare;
    }
    if (s->duplicates == ZO_DUPLICATES_AVOID)
        seen_add(&s->seen, zo_space_hash(s->space, r->v));
    ring_push(&s->queue, r->number);
    s->waiting = false;
}

static zo_status all_prepare(zo_study *s, const double *const *v, const char *const *metadata, size_t n, zo_now now,
                             zo_events *ev, zo_error *err)
{
    size_t event_bytes = 0;
    zo_status rc;

    for (size_t i = 0; i < n; i++) {
        struct batch_item *b = &s->batch[i];
        const struct str text = str_of(metadata ? metadata[i] : NULL);
        b->rec = (struct rec){.kind = ZO_EVENT_QUEUED,
                              .at_ms = now.wall_ms,
                              .u.queued = {.number = s->t.next + i, .v = v[i], .metadata = text}};
        if ((rc = queued_check(s, v[i], err)) != ZO_OK)
            return zo_fail_at(err, "/trials/%zu/params", i);
        if (!queued_reserve(s, s->t.next + i, i + 1, text.p != NULL, &b->rare, text))
            return zo_fail_nomem(err);
        event_bytes += record_bytes(s, &b->rec);
    }
    return events_reserve(ev, n, event_bytes) ? ZO_OK : zo_fail_nomem(err);
}

zo_status zo_study_enqueue(zo_study *s, const double *const *v, const char *const *metadata, size_t n, zo_now now,
                           zo_events *ev, uint64_t *numbers_out, zo_error *err)
{
    zo_status rc;

    if (s->counts.by_state[ZO_TRIAL_QUEUED] + n > MAX_QUEUED)
        return zo_fail(err, ZO_ELIMIT, "/trials", "a study holds at most %d queued trials", (int)MAX_QUEUED);
    if ((rc = solver_pay(s, err)) != ZO_OK || (rc = batch_start(s, n, err)) != ZO_OK)
        return rc;
    if ((rc = all_prepare(s, v, metadata, n, now, ev, err)) != ZO_OK) {
        for (size_t i = 0; i < n; i++)
            rare_free(s->batch[i].rare);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        struct batch_item *b = &s->batch[i];
        numbers_out[i] = b->rec.u.queued.number;
        b->rec.seq = next_seq(s);
        event_append(ev, s, &b->rec);
        queued_apply(s, &b->rec.u.queued, b->rare, now.wall_ms);
    }
    return ZO_OK;
}

zo_status zo_study_withdraw(zo_study *s, uint64_t number, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_WITHDRAWN, .at_ms = now.wall_ms, .u.number = number};
    zo_status rc;

    if ((rc = withdrawn_check(s, number, err)) != ZO_OK || (rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!events_reserve(ev, 1, record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    withdrawn_apply(s, number);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    return ZO_OK;
}
