/* Patch: another budget, pause and resume. A new budget takes an end back; whether it is over again is seen at once for
 * the target, at the next ask or tick for seconds, and by comparison for trials. */
#include "study/study_private.h"

#define MAX_TRIALS UINT64_C(9007199254740992)
#define MAX_SECONDS 1e10

/* Pointers are relative to the budget. */
zo_status budget_check(const zo_budget *b, size_t n_objectives, zo_error *err)
{
    if (b->trials > MAX_TRIALS)
        return zo_fail(err, ZO_EINVAL, "/trials", "a budget has at most 2^53 trials");
    if (!(b->seconds >= 0 && b->seconds <= MAX_SECONDS))
        return zo_fail(err, ZO_EINVAL, "/seconds", "a budget in seconds is positive and at most %g", MAX_SECONDS);
    if (b->has_target && n_objectives != 1)
        return zo_fail(err, ZO_EINVAL, "/target", "a target needs a single objective");
    if (b->has_target && !isfinite(b->target))
        return zo_fail(err, ZO_EINVAL, "/target", "a target is finite");
    return ZO_OK;
}

zo_status patched_check(const zo_study *s, const zo_patch *p, zo_error *err)
{
    if (p->has_budget && budget_check(&p->budget, s->n_objectives, err) != ZO_OK)
        return zo_fail_at(err, "/budget");
    return ZO_OK;
}

static void pause_or_resume(zo_study *s, bool paused, int64_t at_ms, const zo_now *now)
{
    if (paused == s->paused)
        return;
    if (paused) {
        if (now)
            s->anchor_used_ms = seconds_used_ms(s, now->mono_ms);
        s->paused_since_ms = at_ms;
    } else {
        if (s->first_ask_ms && at_ms > s->paused_since_ms)
            s->paused_ms += at_ms - s->paused_since_ms;
        s->paused_since_ms = 0;
        if (now)
            s->anchor_mono = now->mono_ms;
    }
    s->paused = paused;
}

void patched_apply(zo_study *s, const zo_patch *p, int64_t at_ms, const zo_now *now)
{
    if (p->has_budget) {
        s->budget = p->budget;
        if (s->ended == END_STOP)
            stopping_reset(s);
        s->ended = END_NONE;
        s->ended_why = 0;
    }
    if (p->has_paused)
        pause_or_resume(s, p->paused, at_ms, now);
}

zo_status zo_study_patch(zo_study *s, const zo_patch *p, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_PATCHED, .at_ms = now.wall_ms, .u.patched = {*p}};
    zo_status rc;

    if ((rc = patched_check(s, p, err)) != ZO_OK || (rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!p->has_budget && (!p->has_paused || p->paused == s->paused))
        return ZO_OK;
    if (!events_reserve(ev, 2, record_bytes(s, &rec) + 64))
        return zo_fail_nomem(err);
    patched_apply(s, p, now.wall_ms, &now);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    if (s->ended == END_NONE && target_reached(s))
        study_end(s, ev, &(struct rec_ended){.reason = END_TARGET}, now);
    return ZO_OK;
}
