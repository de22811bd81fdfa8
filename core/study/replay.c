/* Replay: the log's records applied again, with the same steps that the commands take.
 *
 * R2: each ask is executed again, and its candidate must be the logged one bit for bit. As data (R3): candidates are
 * taken from the log and the solver hears nothing, until the rebase gives it a new life with all finished trials as
 * outside points. A record that does not fit the state is damage, whoever wrote it: nothing is applied then. */
#include "study/study_private.h"

void zo_study_begin_data_replay(zo_study *s, uint64_t until_seq)
{
    s->as_data = true;
    s->data_until = until_seq;
}

static zo_status damaged(const struct rec *r, zo_error *err)
{
    return zo_fail(err, ZO_EMALFORMED, "", "event %llu of kind %d does not fit the events before it",
                   (unsigned long long)r->seq, (int)r->kind);
}

static zo_status created_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_created *r = &rec->u.created;
    const bool same_solver = r->solver.n == strlen(s->def->name) && memcmp(r->solver.p, s->def->name, r->solver.n) == 0;

    if (rec->seq != 1 || r->seed != s->seed || r->n != s->n || r->n_values != s->n_values || !same_solver)
        return damaged(rec, err);
    if (r->version != s->def->version && !s->as_data)
        return zo_fail(err, ZO_ECONFLICT, "", "solver %s is version %u now, %llu when the study began", s->def->name,
                       s->def->version, (unsigned long long)r->version);
    return ZO_OK;
}

/* A trial handed out again, or one from the queue: the next in its ring. */
static zo_status asked_again(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_asked *r = &rec->u.asked;
    struct ring *ring = r->attempt == 1 ? &s->queue : &s->retry;
    uint64_t number;

    if (r->v || !ring_front(s, ring, &number) || number != r->number)
        return damaged(rec, err);
    const struct row row = table_row(&s->t, number);
    if ((uint64_t)row.g->attempt[row.i] + 1 != r->attempt || row.g->origin[row.i] != r->origin)
        return damaged(rec, err);
    asked_apply(s, r, rec->at_ms, NULL, false);
    return ZO_OK;
}

/* Ask the solver again, for the trial that the log names next. */
static zo_status asked_anew(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_asked *r = &rec->u.asked;
    enum proposal what = PROPOSED_X0;
    struct provenance why;
    zo_status rc;

    if (!r->v || r->number != s->t.next || (!rec->scrubbed && !point_fits(s, r->v, r->number)))
        return damaged(rec, err);
    if (!s->as_data) {
        if ((rc = solver_propose(s, s->v, &what, &why, err)) != ZO_OK)
            return rc;
        if ((what != PROPOSED && what != PROPOSED_X0) || memcmp(s->v, r->v, s->n * sizeof *s->v) != 0)
            return zo_fail(err, ZO_ECONFLICT, "", "the candidate of trial %llu is not the one that was handed out",
                           (unsigned long long)r->number);
    }
    asked_apply(s, r, rec->at_ms, NULL, what == PROPOSED);
    return ZO_OK;
}

static zo_status asked_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_asked *r = &rec->u.asked;

    if (r->lease_ms && lease_check(r->lease_ms, NULL) != ZO_OK)
        return damaged(rec, err);
    if (!asked_reserve(s, r->worker.n))
        return zo_fail_nomem(err);
    if (r->attempt == 1 && r->origin == ZO_ORIGIN_SOLVER)
        return asked_anew(s, rec, err);
    return asked_again(s, rec, err);
}

static zo_status told_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_told *r = &rec->u.told;
    struct rare *rare;
    bool repeat;
    zo_status rc = told_check(s, r, &repeat, NULL);

    if (rc == ZO_ENOMEM)
        return zo_fail_nomem(err);
    if (rc != ZO_OK || repeat || (r->brought && !r->imported && r->number != s->t.next))
        return damaged(rec, err);
    if ((r->worker.p && !intern_reserve(&s->strings, 1, r->worker.n)) || !told_reserve(s, r, r->number, 1, &rare))
        return zo_fail_nomem(err);
    told_apply(s, r, rare, rec->at_ms);
    return ZO_OK;
}

static zo_status reported_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_reported *r = &rec->u.reported;
    bool repeat, stop;

    if (rec->scrubbed) /* it was there; that is all */
        return released_check(s, r->number, NULL) == ZO_OK ? ZO_OK : damaged(rec, err);
    if (reported_check(s, r, &repeat, &stop, NULL) != ZO_OK || repeat)
        return damaged(rec, err);
    if (!reported_reserve(s, r))
        return zo_fail_nomem(err);
    (void)reported_apply(s, r, rec->at_ms, &r->stop);
    return ZO_OK;
}

static zo_status expired_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_expired *r = &rec->u.expired;

    if (released_check(s, r->number, NULL) != ZO_OK ||
        (r->outcome != ZO_TRIAL_QUEUED && r->outcome != ZO_TRIAL_FAILED && r->outcome != ZO_TRIAL_ABANDONED))
        return damaged(rec, err);
    if (!ends_reserve(s, 1) || !ring_reserve(&s->retry, 1))
        return zo_fail_nomem(err);
    expired_apply(s, r, rec->at_ms);
    return ZO_OK;
}

static zo_status released_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    if (released_check(s, rec->u.number, NULL) != ZO_OK)
        return damaged(rec, err);
    if (!ring_reserve(&s->retry, 1))
        return zo_fail_nomem(err);
    released_apply(s, rec->u.number);
    return ZO_OK;
}

static zo_status queued_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_queued *r = &rec->u.queued;
    struct rare *rare;

    if (r->number != s->t.next || (rec->scrubbed ? is_directional(s) : queued_check(s, r->v, NULL) != ZO_OK))
        return damaged(rec, err);
    if (!queued_reserve(s, r->number, 1, r->metadata.p != NULL, &rare, r->metadata))
        return zo_fail_nomem(err);
    queued_apply(s, r, rare, rec->at_ms);
    return ZO_OK;
}

static zo_status withdrawn_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    if (withdrawn_check(s, rec->u.number, NULL) != ZO_OK)
        return damaged(rec, err);
    withdrawn_apply(s, rec->u.number);
    return ZO_OK;
}

static zo_status patched_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    if (patched_check(s, &rec->u.patched.patch, NULL) != ZO_OK)
        return damaged(rec, err);
    patched_apply(s, &rec->u.patched.patch, rec->at_ms, NULL);
    return ZO_OK;
}

/* Where the solver had been asked in vain, it is asked in vain again: its state moved with it. */
static zo_status ended_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_ended *r = &rec->u.ended;
    enum proposal what;
    struct provenance why;
    zo_status rc;

    if (r->asked && !s->as_data) {
        if (r->number != s->t.next)
            return damaged(rec, err);
        if (!pending_reserve(&s->pending, 1) || !ends_reserve(s, 1))
            return zo_fail_nomem(err);
        if ((rc = solver_propose(s, s->v, &what, &why, err)) != ZO_OK)
            return rc;
        if (what != EXHAUSTED_ASKED)
            return zo_fail(err, ZO_ECONFLICT, "",
                           "the solver finds a new point where the log says that there was none");
    }
    if (r->why.p && !intern_reserve(&s->strings, 1, r->why.n))
        return zo_fail_nomem(err);
    ended_apply(s, r);
    return ZO_OK;
}

static zo_status rebased_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_rebased *r = &rec->u.rebased;
    zo_status rc;

    if (s->as_data && rec->seq < s->data_until)
        return ZO_OK;
    if (s->n_scrubbed)
        return damaged(rec, err);
    if (r->version != s->def->version)
        return zo_fail(err, ZO_ECONFLICT, "", "solver %s is version %u now, %llu when the study was rebased",
                       s->def->name, s->def->version, (unsigned long long)r->version);
    if ((rc = solver_rebase(s, err)) != ZO_OK)
        return rc;
    s->as_data = false;
    stopping_rebase(s);
    return ZO_OK;
}

static zo_status forgotten_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    const struct rec_forgotten *r = &rec->u.forgotten;
    const bool new_life = !s->as_data || rec->seq >= s->data_until;
    uint64_t *numbers;
    zo_status rc = ZO_OK;

    if (is_directional(s))
        return damaged(rec, err);
    if (new_life && r->version != s->def->version)
        return zo_fail(err, ZO_ECONFLICT, "", "solver %s is version %u now, %llu when trials were forgotten",
                       s->def->name, s->def->version, (unsigned long long)r->version);
    if (!(numbers = zo_malloc(r->n * sizeof *numbers)))
        return zo_fail_nomem(err);
    forgotten_numbers(r, numbers);
    uint64_t n_scrubbed = s->n_scrubbed;
    for (size_t i = 0; i < r->n && rc == ZO_OK; i++) {
        if (forget_check(s, numbers[i], NULL) != ZO_OK) {
            rc = damaged(rec, err);
            break;
        }
        const struct row row = table_row(&s->t, numbers[i]);
        n_scrubbed -= row.g->flags[row.i] & FLAG_SCRUBBED ? 1 : 0;
    }
    if (rc == ZO_OK && new_life && n_scrubbed > 0) /* events of trials that nobody forgot */
        rc = damaged(rec, err);
    if (rc == ZO_OK)
        rc = forget_apply(s, numbers, r->n, new_life, err);
    if (rc == ZO_OK) {
        s->forgotten_seq = rec->seq;
        s->as_data = s->as_data && !new_life;
        if (new_life)
            stopping_rebase(s);
    }
    zo_free(numbers);
    return rc;
}

/* Of a trial with a scrubbed event nothing may be believed: by the end of the data it must have been forgotten. */
static void scrubbed_mark(zo_study *s, const struct rec *rec)
{
    const uint64_t number = rec->kind == ZO_EVENT_ASKED      ? rec->u.asked.number
                            : rec->kind == ZO_EVENT_TOLD     ? rec->u.told.number
                            : rec->kind == ZO_EVENT_REPORTED ? rec->u.reported.number
                                                             : rec->u.queued.number;
    const struct row r = table_row(&s->t, number);

    s->n_scrubbed += r.g->flags[r.i] & FLAG_SCRUBBED ? 0 : 1;
    r.g->flags[r.i] |= FLAG_SCRUBBED;
}

static zo_status record_replay(zo_study *s, const struct rec *rec, zo_error *err)
{
    if (rec->scrubbed && !s->as_data)
        return zo_fail(err, ZO_ECONFLICT, "",
                       "event %llu is of a trial that was forgotten: the log is data up to there",
                       (unsigned long long)rec->seq);
    switch (rec->kind) {
    case ZO_EVENT_CREATED:
        return created_replay(s, rec, err);
    case ZO_EVENT_ASKED:
        return asked_replay(s, rec, err);
    case ZO_EVENT_TOLD:
        return told_replay(s, rec, err);
    case ZO_EVENT_REPORTED:
        return reported_replay(s, rec, err);
    case ZO_EVENT_EXPIRED:
        return expired_replay(s, rec, err);
    case ZO_EVENT_RELEASED:
        return released_replay(s, rec, err);
    case ZO_EVENT_QUEUED:
        return queued_replay(s, rec, err);
    case ZO_EVENT_WITHDRAWN:
        return withdrawn_replay(s, rec, err);
    case ZO_EVENT_PATCHED:
        return patched_replay(s, rec, err);
    case ZO_EVENT_ENDED:
        return ended_replay(s, rec, err);
    case ZO_EVENT_REBASED:
        return rebased_replay(s, rec, err);
    case ZO_EVENT_FORGOTTEN:
        return forgotten_replay(s, rec, err);
    }
    return damaged(rec, err);
}

zo_status zo_study_replay(zo_study *s, const zo_event *e, zo_error *err)
{
    const struct event_shape shape = {.n = s->n,
                                      .n_values = s->n_values,
                                      .n_gradients = s->n_gradients,
                                      .v = s->v_in,
                                      .values = s->values_in,
                                      .std_errors = s->std_in,
                                      .gradients = s->gradients_in};
    struct rec rec;
    zo_status rc;

    if (e->seq != s->seq + 1)
        return zo_fail(err, ZO_EMALFORMED, "", "event %llu follows event %llu: the log has a gap",
                       (unsigned long long)e->seq, (unsigned long long)s->seq);
    if ((rc = event_decode(e, &shape, &rec, err)) != ZO_OK || (rc = solver_pay(s, err)) != ZO_OK ||
        (rc = record_replay(s, &rec, err)) != ZO_OK)
        return rc;
    s->seq = e->seq;
    if (rec.scrubbed)
        scrubbed_mark(s, &rec);
    (void)solver_pay(s, NULL); /* what stays owed is paid with the next event */
    stopping_paid(s);
    return ZO_OK;
}

zo_status zo_study_rebase(zo_study *s, const char *reason, uint64_t arith_tag, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_REBASED,
                      .at_ms = now.wall_ms,
                      .u.rebased = {.reason = str_of(reason), .version = s->def->version, .tag = arith_tag}};
    zo_status rc;

    if (s->n_scrubbed)
        return zo_fail(err, ZO_EMALFORMED, "", "the log lacks events of trials that were not forgotten");
    if (!events_reserve(ev, 1, record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    if ((rc = solver_rebase(s, err)) != ZO_OK)
        return rc;
    s->as_data = false;
    stopping_rebase(s);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    return ZO_OK;
}
