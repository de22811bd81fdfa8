/* A turn: one worker, one actor, the commands that were waiting.
 *
 * Order inside a turn: drop what a failed commit left behind, find and load the study, let leases expire, run commands
 * in arrival order (at most TURN_COMMANDS or TURN_NS), let parked commands look again, note a changed state, add
 * snapshot parts, and hand everything over under the lock. */
#include "internal.h"

#include <string.h>

/* A count that rises with everything a command adds to the record. */
static size_t effects(const record *r)
{
    return r->log.n + r->n_created + r->updates + r->deletes;
}

/* A command with an Idempotency-Key that had an effect but could not have its reply remembered (for want of memory)
 * would have a second effect when it is sent again. So the first one must not stay: the turn is undone like one whose
 * commit failed. */
void turn_run_one(turn *t, zo_cmd *c, bool timed_out)
{
    zo_ctx *x = &t->x;
    size_t before;

    if (t->a->deleting) { /* this answer goes out with the delete */
        refuse(c, ZO_ENOTFOUND, t->a->table == ZO_MODELS ? "no such model" : "no such study");
        cmds_append(&t->done, c);
        return;
    }
    if (c->idempotency_key && !c->rt.keyed && key_check(t, c)) {
        cmds_append(&t->done, c);
        return;
    }
    t->cmd = c;
    before = effects(t->rec);
    for (;;) {
        x->now = rt_now();
        x->timed_out = timed_out || t->no_waiting;
        x->gone = atomic_load_explicit(&c->rt.gone, memory_order_relaxed);
        zo_arena_reset(t->w->scratch);
        if (c->run(c, x) == ZO_STEP_DONE) {
            t->undo = t->undo || t->act.undo ||
                      (c->idempotency_key && effects(t->rec) != before && !c->rt.remembered && !c->late);
            cmds_append(&t->done, c);
            return;
        }
        if (!x->timed_out && !x->gone && t->a->kind == ACTOR_STUDY && c->wait_until_ms > x->now.mono_ms) {
            wait_park(t, c);
            return;
        }
        ZO_ASSERT(!timed_out); /* told that its time is over, it must not wait again */
        timed_out = true;
    }
}

void query_run(worker *w, zo_cmd *c)
{
    turn t = {.w = w, .cmd = c};
    cmd_list done = {0};

    t.x = (zo_ctx){.rt = w->rt,
                   .reader = w->reader,
                   .scratch = w->scratch,
                   .now = rt_now(),
                   .gone = atomic_load_explicit(&c->rt.gone, memory_order_relaxed),
                   .timed_out = true};
    zo_arena_reset(w->scratch);
    const zo_step step = c->run(c, &t.x);
    ZO_ASSERT(step == ZO_STEP_DONE); /* a query has nothing to wait for */
    cmds_append(&done, c);
    rt_lock(w->rt);
    cmds_finish(w->rt, &done);
    rt_unlock(w->rt);
    rt_deliver(w->rt, &done);
}

static uint64_t study_seq(const actor *a)
{
    return a->study ? zo_study_seq(a->study) : 0;
}

/* Leases that are over, the end by seconds. */
static void tick(turn *t)
{
    zo_now now = rt_now();
    size_t before = t->rec->log.n;
    zo_error err = {0};
    uint64_t expired = 0;

    if (zo_study_deadline(t->a->study) > now.mono_ms || t->a->deleting)
        return;
    if (zo_study_tick(t->a->study, now, &t->rec->log, &err) != ZO_OK) {
        t->tick_failed = true;
        zo_log(ZO_WARN, "tick", "study=%s error=\"%s\"", t->a->row.id, err.message);
    }
    for (size_t i = before; i < t->rec->log.n; i++)
        expired += t->rec->log.items[i].kind == ZO_EVENT_EXPIRED;
    zo_count(&zo_metric.expiries, expired);
}

void turn_run_commands(turn *t)
{
    const int64_t turn_ns = t->a->kind == ACTOR_MODEL ? MODEL_TURN_NS : TURN_NS;
    int64_t start_ns = zo_clock_mono_ns();
    unsigned n = 0;
    zo_cmd *c;

    while (n < TURN_COMMANDS && !t->undo && !t->reload && (c = cmds_pop(&t->in)) != NULL) {
        if (t->a->kind == ACTOR_DIRECTORY && t->x.events)
            zo_events_clear(t->x.events);
        turn_run_one(t, c, false);
        n++;
        if (t->in.head && zo_clock_mono_ns() - start_ns > turn_ns)
            break;
    }
}

void turn_fail_all(turn *t, const zo_error *e)
{
    cmds_join(&t->in, &t->a->parked);
    cmds_fail(&t->in, e);
    cmds_join(&t->done, &t->in);
}

static void run_deleted(turn *t)
{
    zo_error gone = {0};

    zo_fail(&gone, ZO_ENOTFOUND, "", "no such %s", noun_of(t->a));
    turn_fail_all(t, &gone);
}

static void run_study(turn *t)
{
    actor *a = t->a;
    uint64_t seq;
    bool first = true, changed = false;

    t->x.study = a->study;
    seq = a->reloaded ? 0 : study_seq(a); /* what was parked before a reload must look again */
    a->reloaded = false;
    tick(t);
    turn_run_commands(t);
    /* It ends: each further round needs a change, which a parked command makes only by being finished. */
    while (a->parked.head && !t->reload) {
        changed = study_seq(a) != seq;
        if (!changed && !first)
            break;
        seq = study_seq(a);
        first = false;
        wait_rerun(t, changed);
    }
    if (!a->deleting && !t->reload)
        snapshot_step(t);
}

/* Load, and when it can't be done finish everything that waits for it. False: no commands may run in this turn. */
static bool ensure_study(turn *t, bool *more_out)
{
    actor *a = t->a;
    zo_error err = {0};
    load_result lr;

    if (a->study)
        return true;
    lr = load_step(t, &err);
    if (lr == LOAD_DONE)
        a->reloaded = true;
    if (lr == LOAD_DONE && (a->lane == LANE_SHORT || t->w->lane == LANE_LONG))
        return true;
    *more_out = lr != LOAD_FAILED; /* the rest of the log, or all of the work, belongs on the long lane */
    if (lr == LOAD_FAILED) {
        if (err.code != ZO_ENOTFOUND)
            zo_log(ZO_ERROR, "load", "study=%s error=\"%s\"", a->row.id, err.message);
        turn_fail_all(t, &err);
    }
    return false;
}

static void drop_study(actor *a)
{
    load_free(a->load);
    a->load = NULL;
    zo_study_free(a->study);
    zo_live_free(a->live);
    a->study = NULL;
    a->live = NULL;
    a->deleting = false;
}

/* Under the lock: where the turn's commands wait for their effects. Returns the record to submit, if any. */
static record *settle(turn *t, cmd_list *finished)
{
    zo_runtime *rt = t->w->rt;
    actor *a = t->a;
    record *r = t->rec;

    if (t->undo && !a->drop) {
        a->drop = true;
        zo_fail_nomem(&a->drop_err);
    }
    if (a->drop) { /* a commit failed while we ran: what we did was built on it */
        cmds_fail(&t->done, &a->drop_err);
        cmds_join(&r->cmds, &t->done);
        record_fail(rt, r, &a->drop_err, finished);
        return NULL;
    }
    if (r->saves_head || r->saved_segments)
        a->saving = true;
    if (record_has_effect(r) || r->cmds.head) {
        cmds_join(&r->cmds, &t->done);
        if (a->flying) {
            a->pending = r;
            return NULL;
        }
        a->flying = r;
        record_seal(r);
        return r;
    }
    if (!t->w->spare)
        t->w->spare = r;
    else
        record_put(rt, r);
    if (a->flying)
        cmds_join(&a->flying->cmds, &t->done);
    else
        cmds_join(finished, &t->done);
    return NULL;
}

/* Under the lock: may the actor leave memory, wholly or its study only? */
static bool may_leave(const turn *t)
{
    const actor *a = t->a;

    if (a->inbox.head || t->in.head || a->parked.head || a->flying || a->pending || a->n_cmds)
        return false;
    if (a->kind == ACTOR_DIRECTORY)
        return t->draining;
    if (a->deleted || !a->resolved || (!is_resident(a) && !a->load && a->next_deadline_ms == INT64_MAX))
        return true;
    return a->evict && (a->live ? model_may_leave(t) : snapshot_is_current(t));
}

/* When the study in memory needs its next turn without being asked; a failed tick is not tried again at once. */
static int64_t next_deadline(const turn *t, int64_t now_ms)
{
    int64_t at = zo_study_deadline(t->a->study), parked = wait_deadline(t->a);

    if (t->tick_failed && at < now_ms + RETRY_MS)
        at = now_ms + RETRY_MS;
    return parked < at ? parked : at;
}

/* Under the lock: the turn's creations are whole, their studies may run. */
static void release_created(turn *t)
{
    for (created_op *c = t->rec->created; c; c = c->next) {
        if (!c->actor->held)
            continue;
        c->actor->held = false;
        if (c->actor->inbox.head || c->actor->wake)
            pool_schedule(t->w->rt, c->actor);
    }
}

/* Under the lock: its next deadline, its place among the resident studies, its size. */
static void keep_books(turn *t, int64_t now_ms, int64_t deadline_ms, size_t bytes, bool used)
{
    zo_runtime *rt = t->w->rt;
    actor *a = t->a;

    if (a->study)
        a->next_deadline_ms = deadline_ms;
    else if (a->next_deadline_ms <= now_ms || a->deleted)
        a->next_deadline_ms = INT64_MAX;
    timer_set(rt, a, a->next_deadline_ms);
    if (!is_resident(a)) {
        evict_remove(rt, a);
        return;
    }
    if (used || !a->in_lru)
        evict_touch(rt, a, now_ms);
    evict_set_bytes(rt, a, bytes);
    if (used && a->evict && !t->draining)
        evict_cancel(rt, a);
}

/* Under the lock: an actor that may leave does so; one that has a deadline only gives up its study. True: it is the
 * caller's to free, as is *study_out. */
static bool leave(turn *t, zo_study **study_out)
{
    zo_runtime *rt = t->w->rt;
    actor *a = t->a;
    const bool stays = a->evict && a->next_deadline_ms != INT64_MAX && !t->draining && !a->deleted;

    if (a->drop || !may_leave(t))
        return false;
    if (a->evict)
        zo_count(&zo_metric.evictions, 1);
    if (!stays) {
        actor_unlink(rt, a);
        return true;
    }
    *study_out = a->study;
    a->study = NULL;
    evict_cancel(rt, a);
    evict_remove(rt, a);
    return false;
}

static void end_turn(turn *t, bool loading)
{
    zo_runtime *rt = t->w->rt;
    actor *a = t->a;
    cmd_list finished = {0};
    zo_study *evicted = NULL;
    const bool used = t->done.head != NULL;
    const int64_t now_ms = zo_clock_mono_ms();
    const int64_t deadline_ms = a->study ? next_deadline(t, now_ms) : INT64_MAX;
    const size_t bytes = a->study  ? zo_study_memory_bytes(a->study) + sizeof *a
                         : a->live ? zo_live_bytes(a->live) + sizeof *a
                                   : 0;

    rt_lock(rt);
    if (a->study && !a->deleting && !t->reload && a->kind == ACTOR_STUDY) {
        const char *state = zo_study_state_name(zo_study_get_state(a->study, NULL));

        if (strcmp(state, a->row.state) != 0)
            record_set_state(t->rec, a, state, zo_clock_wall_ms());
    }
    release_created(t);
    record *submit = settle(t, &finished);
    if (t->reload && !a->drop) /* pool_schedule waits for the record that is in flight */
        a->drop = true;
    cmds_finish(rt, &finished);
    cmds_join(&t->in, &a->inbox); /* what was not run comes first */
    a->inbox = t->in;
    t->in = (cmd_list){0};
    keep_books(t, now_ms, deadline_ms, bytes, used);
    const bool leaves = leave(t, &evicted);
    if (!leaves) {
        a->running = false;
        if (a->inbox.head || a->wake || a->drop || loading || model_wants_turn(t))
            pool_schedule(rt, a);
        else if (a->evict && (a->n_cmds || !is_resident(a)))
            evict_cancel(rt, a); /* it is in use again */
    }
    evict_for_memory(rt);
    pool_wake(rt);
    rt_unlock(rt);
    if (submit)
        zo_store_submit(rt->store, &submit->write);
    rt_deliver(rt, &finished);
    if (leaves)
        actor_free(a);
    zo_study_free(evicted);
}

/* A study that is not resident is loaded for commands and for its deadline, not to be evicted. */
static bool has_work(const turn *t, bool dropped)
{
    const actor *a = t->a;

    return t->deleted || t->in.head || a->parked.head || is_resident(a) || (a->load && !t->draining) ||
           !(dropped || t->evict || t->draining);
}

void actor_turn(worker *w, actor *a, cmd_list *in, record *pending)
{
    turn t = {.w = w, .a = a, .in = *in, .rec = pending};
    zo_runtime *rt = w->rt;
    bool drop = a->drop, loading = false;
    zo_error err = {0};

    a->drop = false;
    a->wake = false;
    if (rt->drain_phase == 2) /* also if an eviction that was under way before has taken the wish back */
        a->evict = true;
    t.evict = a->evict;
    t.deleted = a->deleted;
    t.landed = a->landed;
    t.saving = a->saving;
    t.saved_seq = a->saved_seq;
    t.saved_segments = a->saved_segments;
    t.draining = atomic_load_explicit(&rt->draining, memory_order_relaxed);
    t.no_waiting = atomic_load_explicit(&rt->no_waiting, memory_order_relaxed);
    rt_unlock(rt);

    if (!t.rec) {
        t.rec = w->spare;
        w->spare = NULL;
    }
    if (!t.rec && !(t.rec = record_get(rt, &err))) { /* no memory: nothing can run; try the rest again later */
        cmd_list failed = t.in;

        cmds_join(&failed, &a->parked);
        cmds_fail(&failed, &err);
        rt_lock(rt);
        a->running = false;
        a->drop = a->drop || drop;
        cmds_finish(rt, &failed);
        /* for whatever else this turn was: an expiry, an eviction, a reload */
        timer_set(rt, a, zo_clock_mono_ms() + RETRY_MS);
        if (a->inbox.head)
            pool_schedule(rt, a);
        rt_unlock(rt);
        rt_deliver(rt, &failed);
        return;
    }
    if (!pending)
        t.rec->number = atomic_fetch_add(&rt->records, 1) + 1;
    t.rec->actor = a;
    t.act = (zo_act){.store = rt->store, .reader = w->reader, .changes = &t.rec->more, .now_ms = zo_clock_wall_ms()};
    t.x = (zo_ctx){.rt = rt,
                   .reader = w->reader,
                   .scratch = w->scratch,
                   .act = &t.act,
                   .events = a->table == ZO_MODELS        ? NULL
                             : a->kind == ACTOR_DIRECTORY ? &w->create_log
                                                          : &t.rec->log};
    if (drop)
        drop_study(a);
    if (a->kind == ACTOR_DIRECTORY) {
        turn_run_commands(&t);
    } else {
        if (!a->resolved && t.in.head && !actor_resolve(&t)) {
            rt_lock(rt);
            record_put(rt, t.rec);
            rt_unlock(rt);
            return;
        }
        t.x.row = &a->row;
        if (a->resolved && has_work(&t, drop)) {
            if (t.deleted)
                run_deleted(&t);
            else if (a->kind == ACTOR_MODEL && ensure_model(&t))
                run_model(&t);
            else if (a->kind == ACTOR_STUDY && ensure_study(&t, &loading))
                run_study(&t);
        }
    }
    end_turn(&t, loading);
}
