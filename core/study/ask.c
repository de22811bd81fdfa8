/* Ask: retries of expired and released trials first, then the queue, then the default point, then the solver. count asks in one command
 * are that many single asks; what was given out stays given out if a later one finds nothing or fails.
 *
 * When it ends: the budget in trials is a comparison of counters, so it needs no event and a larger budget or an abandoned trial reopens
 * the study by itself. Target, seconds, a solver that came to its end or gave up, and an exhausted space are facts; each is logged once as
 * ENDED (target in the tell that reaches it, seconds at the tick or ask that sees it, the others in the ask that finds them), and a
 * patch of the budget takes them back. */
#include "study/study_private.h"

#include <stdlib.h>

enum { MAX_COUNT = 1000, MAX_WORKER = 128 };

/* core NUL why: one interned entry (see zo_study_trial). Returns 0 when there is nothing to say. */
static uint32_t intern_provenance(zo_study *s, struct str core, struct str why)
{
    char text[2 * MAX_WHY + 2];

    if (!core.p && !why.p)
        return 0;
    const size_t n_core = core.n < MAX_WHY ? core.n : MAX_WHY, n_why = why.n < MAX_WHY ? why.n : MAX_WHY;
    if (n_core)
        memcpy(text, core.p, n_core);
    text[n_core] = 0;
    if (n_why)
        memcpy(text + n_core + 1, why.p, n_why);
    return intern_add(&s->strings, text, n_core + 1 + n_why);
}

bool asked_reserve(zo_study *s, size_t worker_bytes)
{
    return table_reserve(&s->t, s->t.next) && table_reserve_predicted(&s->t, s->t.next) && pending_reserve(&s->pending, 1) && ends_reserve(s, 1) &&
           intern_reserve(&s->strings, 3, worker_bytes + 2 * MAX_WHY + 2 + MAX_END_WHY) &&
           (s->duplicates != ZO_DUPLICATES_AVOID || seen_reserve(&s->seen, 1));
}

/* The next attempt reports from its first step on. */
static void reports_drop(struct row r)
{
    struct rare *rare = row_rare(r);

    if (rare) {
        rare->n_reports = rare->rungs = 0;
        rare->best = NAN;
    }
}

/* own: the solver of this life proposed it and pending_peek's place holds its memo. now NULL: replay, leases come later. */
void asked_apply(zo_study *s, const struct rec_asked *a, int64_t at_ms, const zo_now *now, bool own)
{
    struct row r;

    if (a->attempt == 1 && a->origin == ZO_ORIGIN_SOLVER) {
        r = trial_add(s, a->number, ZO_TRIAL_QUEUED, ZO_ORIGIN_SOLVER, a->v, at_ms);
        s->asked_solver = true;
        if (s->duplicates == ZO_DUPLICATES_AVOID)
            seen_add(&s->seen, zo_space_hash(s->space, a->v));
    } else {
        r = table_row(&s->t, a->number);
        ring_pop(a->attempt == 1 ? &s->queue : &s->retry);
    }
    if (!r.g->pending[r.i]) {
        const uint32_t i = pending_take(&s->pending, a->number);
        s->pending.items[i].own = own;
        if (!own && s->pending.memo_bytes)
            memset(pending_memo(&s->pending, i), 0, s->pending.memo_bytes);
        r.g->pending[r.i] = i + 1;
    }
    const uint32_t i = r.g->pending[r.i] - 1;
    s->pending.items[i].lease_ms = a->lease_ms ? a->lease_ms : s->lease_ms;
    if (r.g->attempt[r.i]++)
        reports_drop(r);
    r.g->flags[r.i] &= (uint8_t)~FLAG_EXPIRED;
    trial_move(s, r, ZO_TRIAL_RUNNING);
    r.g->worker[r.i] = a->worker.p ? intern_add(&s->strings, a->worker.p, a->worker.n) : 0;
    if (a->attempt == 1)
        r.g->provenance[r.i] = intern_provenance(s, a->core, a->why);
    if (a->attempt == 1 && a->origin == ZO_ORIGIN_SOLVER)
        row_predict(&s->t, r, a->predicted);
    if (!s->first_ask_ms)
        s->first_ask_ms = at_ms ? at_ms : 1;
    if (now) {
        const int64_t ms = (int64_t)s->pending.items[i].lease_ms;
        lease_set(&s->pending, i, now->mono_ms + ms, now->wall_ms + ms);
        if (!s->anchored) {
            s->anchored = true;
            s->anchor_mono = now->mono_ms;
            s->anchor_used_ms = 0;
        }
    }
}

void ended_apply(zo_study *s, const struct rec_ended *r)
{
    s->ended = r->reason;
    s->ended_why = r->why.p ? intern_add(&s->strings, r->why.p, r->why.n) : 0;
}

void study_end(zo_study *s, zo_events *ev, const struct rec_ended *r, zo_now now)
{
    const struct rec rec = {.kind = ZO_EVENT_ENDED, .seq = next_seq(s), .at_ms = now.wall_ms, .u.ended = *r};

    ended_apply(s, r);
    event_append(ev, s, &rec);
}

/* ---- state ---- */

const char *zo_study_state_name(zo_study_state state)
{
    static const char *const names[] = {"active", "paused", "done", "stalled", "infeasible"};

    return (size_t)state < ZO_LEN(names) ? names[state] : "unknown";
}

/* Over by an event, done by the budget, paused, else active; stalled also when the last ask found the solver waiting for tells and no
 * trial is out that could be told. */
zo_study_state zo_study_get_state(const zo_study *s, const char **reason_out)
{
    static const char *const ends[END_REASON_COUNT] = {
        [END_TARGET] = "target",   [END_SECONDS] = "seconds",       [END_CONVERGED] = "converged", [END_EXHAUSTED] = "exhausted",
        [END_STALLED] = "stalled", [END_INFEASIBLE] = "infeasible", [END_STOP] = "stop",
    };
    const char *unused;
    const char **reason = reason_out ? reason_out : &unused;

    *reason = ends[s->ended];
    if (s->ended != END_NONE)
        return s->ended == END_STALLED ? ZO_STUDY_STALLED : s->ended == END_INFEASIBLE ? ZO_STUDY_INFEASIBLE : ZO_STUDY_DONE;
    if (s->budget.trials && s->counts.handed_out >= s->budget.trials) {
        *reason = "budget";
        return ZO_STUDY_DONE;
    }
    if (s->paused) {
        *reason = "paused";
        return ZO_STUDY_PAUSED;
    }
    if (s->waiting && s->pending.n_used == 0) {
        *reason = "waiting";
        return ZO_STUDY_STALLED;
    }
    return ZO_STUDY_ACTIVE;
}

const char *zo_study_end_detail(const zo_study *s)
{
    return s->ended == END_NONE ? NULL : intern_get(&s->strings, s->ended_why);
}

/* ---- the command ---- */

struct asking {
    const zo_ask_args *a;
    zo_now now;
    zo_events *ev;
    struct str worker;
};

static void hand_out(zo_study *s, const struct asking *k, struct rec *rec, bool own)
{
    rec->at_ms = k->now.wall_ms;
    rec->seq = next_seq(s);
    event_append(k->ev, s, rec);
    asked_apply(s, &rec->u.asked, k->now.wall_ms, &k->now, own);
}

static struct str reason_of(const struct provenance *p)
{
    const struct str why = str_of(p->why);

    return (struct str){why.p, why.n < MAX_END_WHY ? why.n : MAX_END_WHY};
}

/* One single ask. *given false: nothing to give. */
static zo_status ask_one(zo_study *s, const struct asking *k, bool *given, uint64_t *number_out, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_ASKED,
                      .u.asked = {.lease_ms = k->a->lease_ms == s->lease_ms ? 0 : k->a->lease_ms, .worker = k->worker, .predicted = NAN}};
    struct rec_asked *a = &rec.u.asked;
    enum proposal what;
    struct provenance why;
    bool own = false;
    zo_status rc;

    *given = false;
    if (!asked_reserve(s, k->worker.n) || !events_reserve(k->ev, 2, record_bytes(s, &rec) + 2 * MAX_WHY + MAX_END_WHY + 64))
        return zo_fail_nomem(err);
    if (ring_front(s, &s->retry, &a->number) || ring_front(s, &s->queue, &a->number)) {
        const struct row r = table_row(&s->t, a->number);
        a->attempt = (uint64_t)r.g->attempt[r.i] + 1;
        a->origin = r.g->origin[r.i];
    } else {
        if ((rc = solver_propose(s, s->v, &what, &why, err)) != ZO_OK)
            return rc;
        switch (what) {
        case PROPOSED:
        case PROPOSED_X0:
            break;
        case NOTHING_YET:
            s->waiting = true;
            return ZO_OK;
        case CONVERGED:
            study_end(s, k->ev, &(struct rec_ended){.reason = END_CONVERGED, .why = reason_of(&why)}, k->now);
            return ZO_OK;
        case STALLED:
            study_end(s, k->ev, &(struct rec_ended){.reason = end_without_value(s), .why = reason_of(&why)}, k->now);
            return ZO_OK;
        case INFEASIBLE:
            study_end(s, k->ev, &(struct rec_ended){.reason = END_INFEASIBLE, .why = reason_of(&why)}, k->now);
            return ZO_OK;
        case EXHAUSTED:
            study_end(s, k->ev, &(struct rec_ended){.reason = END_EXHAUSTED}, k->now);
            return ZO_OK;
        case EXHAUSTED_ASKED:
            study_end(s, k->ev, &(struct rec_ended){.reason = END_EXHAUSTED, .asked = true, .number = s->t.next}, k->now);
            return ZO_OK;
        }
        a->number = s->t.next;
        a->attempt = 1;
        a->origin = ZO_ORIGIN_SOLVER;
        a->v = s->v;
        a->core = str_of(why.core);
        a->why = str_of(why.why);
        a->core.n = a->core.n < MAX_WHY ? a->core.n : MAX_WHY;
        a->why.n = a->why.n < MAX_WHY ? a->why.n : MAX_WHY;
        a->predicted = why.predicted;
        own = what == PROPOSED;
    }
    s->waiting = false;
    hand_out(s, k, &rec, own);
    *number_out = a->number;
    *given = true;
    return ZO_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* The worker's running trials into numbers (room for every pending trial), in order, each under a full new lease. */
static size_t resume(zo_study *s, const struct asking *k, uint64_t *numbers)
{
    const uint32_t worker = k->worker.p ? intern_find(&s->strings, k->worker.p, k->worker.n) : 0;
    struct pending_pool *p = &s->pending;
    size_t n = 0;

    for (uint32_t h = 0; worker && h < p->n_heap; h++) {
        const struct row r = table_row(&s->t, p->items[p->heap[h]].number);
        if (r.g->worker[r.i] == worker)
            numbers[n++] = p->items[p->heap[h]].number;
    }
    qsort(numbers, n, sizeof *numbers, by_number);
    n = n < k->a->count ? n : k->a->count;
    for (size_t i = 0; i < n; i++) {
        const struct row r = table_row(&s->t, numbers[i]);
        const uint32_t at = r.g->pending[r.i] - 1;
        const int64_t ms = (int64_t)(k->a->lease_ms ? k->a->lease_ms : p->items[at].lease_ms);
        lease_set(p, at, k->now.mono_ms + ms, k->now.wall_ms + ms);
    }
    return n;
}

/* When asking again can help: soon while the solver waits, when the next lease may run out, not at all without either. */
static double retry_after(const zo_study *s, zo_study_state state, zo_now now)
{
    const int64_t expiry = s->pending.n_heap ? s->pending.items[s->pending.heap[0]].expires_mono - now.mono_ms : 0;

    if (s->ended == END_NONE && (state == ZO_STUDY_ACTIVE || state == ZO_STUDY_STALLED))
        return 1;
    if (state == ZO_STUDY_PAUSED)
        return 10;
    if (s->ended == END_NONE && s->pending.n_heap)
        return zo_clip((double)expiry / 1e3, 1, 60);
    return 0;
}

zo_status zo_study_ask(zo_study *s, const zo_ask_args *a, zo_now now, zo_events *ev, zo_arena *arena, zo_ask_reply *out, zo_error *err)
{
    const struct asking k = {.a = a, .now = now, .ev = ev, .worker = str_of(a->worker)};
    zo_ask_reply reply = {0};
    bool given = true;
    zo_status rc;

    if (a->count < 1 || a->count > MAX_COUNT)
        return zo_fail(err, ZO_EINVAL, "/count", "count is between 1 and %d", (int)MAX_COUNT);
    if (a->lease_ms && (rc = lease_check(a->lease_ms, err)) != ZO_OK)
        return rc;
    if (k.worker.n > MAX_WORKER)
        return zo_fail(err, ZO_EINVAL, "/worker", "a worker's name has at most %d bytes", (int)MAX_WORKER);
    if (a->resume && !a->worker)
        return zo_fail(err, ZO_EINVAL, "/resume", "resume needs the worker's name");
    if ((rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!(reply.numbers = zo_arena_array(arena, a->count + (a->resume ? s->pending.n_heap : 0), sizeof *reply.numbers)) ||
        !events_reserve(ev, 1, 64))
        return zo_fail_nomem(err);
    if (a->resume)
        reply.n = resume(s, &k, reply.numbers);
    if (seconds_are_over(s, now))
        study_end(s, ev, &(struct rec_ended){.reason = END_SECONDS}, now);
    while (reply.n < a->count && given) {
        const zo_study_state state = zo_study_get_state(s, NULL);
        const size_t n_events = ev->n;
        if (s->ended != END_NONE || state == ZO_STUDY_DONE || state == ZO_STUDY_PAUSED)
            break;
        rc = ask_one(s, &k, &given, &reply.numbers[reply.n], err);
        if (rc != ZO_OK && reply.n == 0 && ev->n == n_events)
            return rc;
        if (rc != ZO_OK)
            break; /* what was given before stays given */
        reply.n += given;
    }
    (void)solver_pay(s, NULL);
    reply.state = zo_study_get_state(s, &reply.reason);
    if (reply.n == a->count) {
        reply.reason = NULL;
    } else {
        if (!reply.reason)
            reply.reason = "waiting";
        reply.detail = zo_study_end_detail(s);
        reply.retry_after_s = retry_after(s, reply.state, now);
    }
    if (reply.n == a->count && reply.state == ZO_STUDY_STALLED)
        reply.state = ZO_STUDY_ACTIVE;
    *out = reply;
    return ZO_OK;
}
