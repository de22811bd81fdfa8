/* Snapshots: closed segments of the trial table, each stored once, and the head (solver, counters, open trials). They
 * are a cache: whatever goes wrong here costs a longer replay and nothing else. One step adds a few segments or the
 * head to the turn's record, so a long table is saved over many turns, with commands in between. */
#include "internal.h"

#include "codec/safetensors.h"

bool snapshot_is_current(const turn *t)
{
    return !t->a->study || t->save_failed || zo_study_seq(t->a->study) - t->saved_seq < SNAPSHOT_MIN_EVENTS;
}

static zo_status add_part(turn *t, uint32_t part, zo_bundle *b, zo_error *err)
{
    char *body = NULL;
    size_t bytes = 0;
    zo_status rc = zo_safetensors_write(b, &body, &bytes, err);

    if (rc != ZO_OK)
        return rc;
    return record_add_snapshot(t->rec, t->a->row.study, part, zo_study_seq(t->a->study), body, bytes, err);
}

void snapshot_step(turn *t)
{
    actor *a = t->a;
    zo_study *s = a->study;
    uint64_t behind = zo_study_seq(s) - t->saved_seq;
    size_t closed, saved = t->saved_segments, end;
    zo_error err = {0};
    zo_status rc = ZO_OK;
    zo_bundle b;

    if (t->saving || behind < (t->evict ? SNAPSHOT_MIN_EVENTS : t->w->rt->o.snapshot_every_events))
        return;
    closed = zo_study_closed_segments(s);
    end = saved + SNAPSHOT_SEGMENTS < closed ? saved + SNAPSHOT_SEGMENTS : closed;
    for (; saved < end && rc == ZO_OK; saved++) {
        zo_bundle_init(&b);
        rc = zo_study_save_segment(s, saved, &b, &err);
        if (rc == ZO_OK)
            rc = add_part(t, (uint32_t)(saved + 1), &b, &err);
        zo_bundle_fini(&b);
    }
    if (rc == ZO_OK && saved == closed) {
        zo_bundle_init(&b);
        rc = zo_study_save_head(s, t->w->rt->arith_tag, &b, &err);
        if (rc == ZO_OK)
            rc = add_part(t, 0, &b, &err);
        zo_bundle_fini(&b);
        if (rc == ZO_OK) {
            t->rec->saves_head = true;
            t->rec->saved_seq = zo_study_seq(s);
        }
    }
    if (rc != ZO_OK) {
        zo_log(ZO_WARN, "snapshot", "study=%s error=\"%s\"", a->row.id, err.message);
        t->save_failed = true;
        t->saved_seq = zo_study_seq(s); /* not again before as many events */
        return;
    }
    t->rec->saved_segments = saved;
}
