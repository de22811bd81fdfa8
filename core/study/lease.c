/* Leases: trials that were handed out, and the heap of their expiries on monotonic time. A pending trial keeps what the solver wrote
 * for it (the memo) until it ends, through any number of expiries and new hand-outs.
 *
 * Also here, because they are a lease's ends: expiry, heartbeat, release, the queue of trials to be handed out again, and the end of
 * the study by seconds. Heartbeats are not logged: after a restart every running trial gets a full new lease. */
#include "study/study_private.h"

enum { MIN_LEASE_MS = 1000 };
static const uint64_t MAX_LEASE_MS = UINT64_C(7) * 24 * 3600 * 1000;

/* ---- pool and heap ---- */

void pending_fini(struct pending_pool *p)
{
    zo_free(p->items);
    zo_free(p->memos);
    zo_free(p->heap);
    *p = (struct pending_pool){0};
}

bool pending_reserve(struct pending_pool *p, size_t extra)
{
    if (p->n_used + extra <= p->cap)
        return true;
    size_t cap = p->cap ? p->cap : 4;
    while (cap < p->n_used + extra)
        cap *= 2;
    struct pending *items = zo_realloc(p->items, cap * sizeof *items);
    if (!items)
        return false;
    p->items = items;
    uint32_t *heap = zo_realloc(p->heap, cap * sizeof *heap);
    if (!heap)
        return false;
    p->heap = heap;
    if (p->memo_bytes) {
        uint8_t *memos = zo_realloc(p->memos, cap * p->memo_bytes);
        if (!memos)
            return false;
        p->memos = memos;
    }
    p->cap = (uint32_t)cap;
    return true;
}

uint32_t pending_peek(const struct pending_pool *p)
{
    return p->free_list ? p->free_list - 1 : p->n;
}

void *pending_memo(const struct pending_pool *p, uint32_t i)
{
    return p->memo_bytes ? p->memos + i * p->memo_bytes : NULL;
}

uint32_t pending_take(struct pending_pool *p, uint64_t number)
{
    const uint32_t i = pending_peek(p);

    ZO_ASSERT(i < p->cap);
    if (p->free_list)
        p->free_list = p->items[i].next_free;
    else
        p->n++;
    p->items[i] = (struct pending){.number = number, .used = true, .expires_mono = INT64_MAX};
    p->n_used++;
    return i;
}

void pending_free(struct pending_pool *p, uint32_t i)
{
    ZO_ASSERT(p->items[i].used && !p->items[i].heap);
    p->items[i].used = false;
    p->items[i].next_free = p->free_list;
    p->free_list = i + 1;
    p->n_used--;
}

static bool earlier(const struct pending_pool *p, uint32_t a, uint32_t b)
{
    const struct pending *x = &p->items[a], *y = &p->items[b];

    return x->expires_mono < y->expires_mono || (x->expires_mono == y->expires_mono && x->number < y->number);
}

static void put(struct pending_pool *p, uint32_t at, uint32_t i)
{
    p->heap[at] = i;
    p->items[i].heap = at + 1;
}

/* Entry i belongs at or above, or at or below, position at: sift it. */
static void sift(struct pending_pool *p, uint32_t at, uint32_t i)
{
    while (at > 0 && earlier(p, i, p->heap[(at - 1) / 2])) {
        put(p, at, p->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    for (;;) {
        uint32_t child = 2 * at + 1;
        if (child >= p->n_heap)
            break;
        if (child + 1 < p->n_heap && earlier(p, p->heap[child + 1], p->heap[child]))
            child++;
        if (!earlier(p, p->heap[child], i))
            break;
        put(p, at, p->heap[child]);
        at = child;
    }
    put(p, at, i);
}

void lease_set(struct pending_pool *p, uint32_t i, int64_t expires_mono, int64_t expires_wall)
{
    struct pending *e = &p->items[i];

    e->expires_mono = expires_mono;
    e->expires_wall = expires_wall;
    sift(p, e->heap ? e->heap - 1 : p->n_heap++, i);
}

void lease_drop(struct pending_pool *p, uint32_t i)
{
    struct pending *e = &p->items[i];

    if (!e->heap)
        return;
    const uint32_t at = e->heap - 1, last = p->heap[--p->n_heap];
    e->heap = 0;
    e->expires_wall = 0;
    if (last != i)
        sift(p, at, last);
}

/* ---- rings: first in, first out ---- */

bool ring_reserve(struct ring *r, size_t extra)
{
    if (r->n + extra <= r->cap)
        return true;
    size_t cap = r->cap ? r->cap : 8;
    while (cap < r->n + extra)
        cap *= 2;
    uint64_t *a = zo_malloc(cap * sizeof *a);
    if (!a)
        return false;
    for (size_t i = 0; i < r->n; i++)
        a[i] = ring_at(r, i);
    zo_free(r->a);
    *r = (struct ring){.a = a, .n = r->n, .cap = cap};
    return true;
}

void ring_push(struct ring *r, uint64_t x)
{
    ZO_ASSERT(r->n < r->cap);
    r->a[(r->head + r->n++) & (r->cap - 1)] = x;
}

void ring_pop(struct ring *r)
{
    r->head = (r->head + 1) & (r->cap - 1);
    r->n--;
}

bool ring_front(zo_study *s, struct ring *r, uint64_t *number_out)
{
    for (; r->n; ring_pop(r)) {
        const struct row row = table_row(&s->t, ring_at(r, 0));
        if (row.g->state[row.i] == ZO_TRIAL_QUEUED && !(row.g->flags[row.i] & FLAG_WITHDRAWN)) {
            *number_out = ring_at(r, 0);
            return true;
        }
    }
    return false;
}

/* ---- ends ---- */

bool ends_reserve(zo_study *s, size_t extra)
{
    if (s->n_owed + extra > s->cap_owed) {
        const size_t cap = 2 * (s->n_owed + extra) + 2;
        struct owed *owed = zo_realloc(s->owed, cap * sizeof *owed);
        if (!owed)
            return false;
        s->owed = owed;
        s->cap_owed = cap;
    }
    return true;
}

static const uint8_t outcomes[ZO_TRIAL_STATE_COUNT] = {
    [ZO_TRIAL_COMPLETE] = ZO_TOLD_COMPLETE, [ZO_TRIAL_INFEASIBLE] = ZO_TOLD_INFEASIBLE, [ZO_TRIAL_FAILED] = ZO_TOLD_FAILED,
    [ZO_TRIAL_STOPPED] = ZO_TOLD_STOPPED,   [ZO_TRIAL_ABANDONED] = ZO_TOLD_ABANDONED,
};

void trial_end(zo_study *s, struct row r, uint64_t number, zo_trial_state state)
{
    const uint32_t pending = r.g->pending[r.i];
    const bool own = pending && s->pending.items[pending - 1].own;

    trial_move(s, r, state);
    s->waiting = false; /* the solver is about to hear something new */
    r.g->pending[r.i] = 0;
    if (pending)
        lease_drop(&s->pending, pending - 1);
    if (s->duplicates == ZO_DUPLICATES_AVOID && state == ZO_TRIAL_ABANDONED)
        seen_remove(&s->seen, zo_space_hash(s->space, row_v(&s->t, r)));
    /* An outside point that was abandoned is nothing the solver knows of; but a step has moved x. */
    if (!s->as_data && (own || state != ZO_TRIAL_ABANDONED || is_directional(s))) {
        ZO_ASSERT(s->n_owed < s->cap_owed);
        s->owed[s->n_owed++] = (struct owed){.number = number, .pending = pending, .outcome = outcomes[state]};
    } else if (pending) {
        pending_free(&s->pending, pending - 1);
    }
}

void expired_apply(zo_study *s, const struct rec_expired *e, int64_t at_ms)
{
    const struct row r = table_row(&s->t, e->number);
    const uint32_t pending = r.g->pending[r.i];

    r.g->flags[r.i] |= FLAG_EXPIRED;
    if (e->outcome == ZO_TRIAL_QUEUED) {
        s->pending.items[pending - 1].expiries++;
        lease_drop(&s->pending, pending - 1);
        trial_move(s, r, ZO_TRIAL_QUEUED);
        ring_push(&s->retry, e->number);
    } else {
        r.g->finished[r.i] = at_ms;
        trial_end(s, r, e->number, e->outcome);
        stopping_tell(s, e->outcome != ZO_TRIAL_ABANDONED, false);
    }
}

void released_apply(zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    lease_drop(&s->pending, r.g->pending[r.i] - 1);
    trial_move(s, r, ZO_TRIAL_QUEUED);
    ring_push(&s->retry, number);
}

/* ---- commands ---- */

zo_status lease_check(uint64_t lease_ms, zo_error *err)
{
    if (lease_ms < MIN_LEASE_MS || lease_ms > MAX_LEASE_MS)
        return zo_fail(err, ZO_EINVAL, "/lease", "a lease is between 1 second and 7 days");
    return ZO_OK;
}

static zo_status running_check(const zo_study *s, uint64_t number, struct row *out, zo_error *err)
{
    zo_status rc = trial_find(s, number, out, err);

    if (rc == ZO_OK && out->g->state[out->i] != ZO_TRIAL_RUNNING)
        rc = zo_fail(err, ZO_ECONFLICT, "", "trial %llu is %s, not running", (unsigned long long)number,
                     zo_trial_state_name(out->g->state[out->i]));
    return rc;
}

zo_status zo_study_heartbeat(zo_study *s, uint64_t number, uint64_t lease_ms, zo_now now, zo_error *err)
{
    struct row r;
    zo_status rc;

    if ((lease_ms && (rc = lease_check(lease_ms, err)) != ZO_OK) || (rc = running_check(s, number, &r, err)) != ZO_OK)
        return rc;
    const uint32_t i = r.g->pending[r.i] - 1;
    const int64_t ms = (int64_t)(lease_ms ? lease_ms : s->pending.items[i].lease_ms);
    lease_set(&s->pending, i, now.mono_ms + ms, now.wall_ms + ms);
    return ZO_OK;
}

zo_status released_check(const zo_study *s, uint64_t number, zo_error *err)
{
    struct row r;

    return running_check(s, number, &r, err);
}

zo_status zo_study_release(zo_study *s, uint64_t number, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_RELEASED, .at_ms = now.wall_ms, .u.number = number};
    zo_status rc;

    if ((rc = released_check(s, number, err)) != ZO_OK || (rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!ring_reserve(&s->retry, 1) || !events_reserve(ev, 1, record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    released_apply(s, number);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    return ZO_OK;
}

static zo_trial_state outcome_of_expiry(const zo_study *s, const struct pending *p)
{
    switch (s->on_expiry) {
    case ZO_EXPIRY_RETRY:
        return p->expiries < s->retries ? ZO_TRIAL_QUEUED : ZO_TRIAL_FAILED;
    case ZO_EXPIRY_FAIL:
        return ZO_TRIAL_FAILED;
    case ZO_EXPIRY_ABANDON:
        return ZO_TRIAL_ABANDONED;
    }
    return ZO_TRIAL_FAILED;
}

/* Leases over at mono, by walking the top of the heap. */
static size_t count_due(const struct pending_pool *p, uint32_t at, int64_t mono)
{
    if (at >= p->n_heap || p->items[p->heap[at]].expires_mono > mono)
        return 0;
    return 1 + count_due(p, 2 * at + 1, mono) + count_due(p, 2 * at + 2, mono);
}

bool seconds_are_over(const zo_study *s, zo_now now)
{
    return s->budget.seconds > 0 && s->ended == END_NONE && s->first_ask_ms && !s->paused &&
           (double)seconds_used_ms(s, now.mono_ms) >= s->budget.seconds * 1e3;
}

zo_status zo_study_tick(zo_study *s, zo_now now, zo_events *ev, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_EXPIRED, .at_ms = now.wall_ms, .u.expired = {.number = s->t.next}};
    const size_t due = count_due(&s->pending, 0, now.mono_ms);
    const bool over = seconds_are_over(s, now);
    zo_status rc;

    if (!due && !over)
        return ZO_OK;
    if ((rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!ends_reserve(s, due) || !ring_reserve(&s->retry, due) || !events_reserve(ev, due + 1, (due + 1) * record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    for (size_t k = 0; k < due; k++) {
        const struct pending *p = &s->pending.items[s->pending.heap[0]];
        rec.u.expired = (struct rec_expired){.number = p->number, .outcome = outcome_of_expiry(s, p)};
        expired_apply(s, &rec.u.expired, now.wall_ms);
        rec.seq = next_seq(s);
        event_append(ev, s, &rec);
    }
    if (over)
        study_end(s, ev, &(struct rec_ended){.reason = END_SECONDS}, now);
    (void)solver_pay(s, NULL);
    return ZO_OK;
}

int64_t zo_study_deadline(const zo_study *s)
{
    int64_t at = s->pending.n_heap ? s->pending.items[s->pending.heap[0]].expires_mono : INT64_MAX;

    if (s->budget.seconds > 0 && s->ended == END_NONE && s->anchored && !s->paused) {
        const double end = (double)s->anchor_mono + ceil(s->budget.seconds * 1e3) - (double)s->anchor_used_ms;
        if (end < (double)at)
            at = (int64_t)end;
    }
    return at;
}

/* ---- seconds ---- */

int64_t seconds_used_ms(const zo_study *s, int64_t mono_ms)
{
    if (!s->first_ask_ms || !s->anchored)
        return s->anchor_used_ms;
    return s->anchor_used_ms + (s->paused ? 0 : mono_ms - s->anchor_mono);
}

double zo_study_seconds_used(const zo_study *s, zo_now now)
{
    return (double)seconds_used_ms(s, now.mono_ms) / 1e3;
}

void zo_study_renew_leases(zo_study *s, zo_now now)
{
    for (uint32_t i = 0; i < s->pending.n; i++) {
        const struct pending *p = &s->pending.items[i];
        struct row r;
        if (!p->used || !(r = table_row(&s->t, p->number)).g || r.g->state[r.i] != ZO_TRIAL_RUNNING)
            continue;
        lease_set(&s->pending, i, now.mono_ms + (int64_t)p->lease_ms, now.wall_ms + (int64_t)p->lease_ms);
    }
    if (s->first_ask_ms) {
        /* Wall time counts while nobody had the study in memory; a clock set back must not give time away twice. */
        const int64_t until = s->paused ? s->paused_since_ms : now.wall_ms;
        const int64_t used = until - s->first_ask_ms - s->paused_ms;
        s->anchor_used_ms = used > 0 ? used : 0;
        s->anchor_mono = now.mono_ms;
        s->anchored = true;
    }
}
