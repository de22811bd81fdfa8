/* A model's turn: load it if need be, run what came, write one history for all of it, then let the commands say what
 * came of them. While that goes to the disk, a turn with nothing else to do computes the weights that will be asked
 * for. */
#include "internal.h"

/* The row is read again: between finding it and here it may have been deleted, or its creation have failed. */
static zo_status load(turn *t, zo_error *err)
{
    actor *a = t->a;
    zo_study_row row;
    zo_status rc;

    zo_arena_reset(t->w->scratch);
    if ((rc = zo_reader_model(t->w->reader, a->tenant, a->row.id, t->w->scratch, &row, err)) != ZO_OK ||
        (rc = actor_set_row(a, &row, err)) != ZO_OK)
        return rc;
    return zo_live_load(&a->row, &t->act, &a->live, err);
}

bool ensure_model(turn *t)
{
    actor *a = t->a;
    const int64_t start_ns = zo_clock_mono_ns();
    const size_t before = t->rec->more.n;
    zo_error err = {0};

    if (a->live)
        return true;
    if (load(t, &err) == ZO_OK) {
        const int64_t ms = (zo_clock_mono_ns() - start_ns) / 1000000;

        zo_count(&zo_metric.replays, 1);
        if (ms > 1000)
            zo_log(ZO_INFO, "load", "model=%s ms=%lld", a->row.id, (long long)ms);
        return true;
    }
    if (err.code != ZO_ENOTFOUND)
        zo_log(ZO_ERROR, "load", "model=%s error=\"%s\"", a->row.id, err.message);
    err.pointer[0] = 0;
    t->undo = t->undo || t->rec->more.n != before;
    turn_fail_all(t, &err);
    return false;
}

static void run_late(turn *t)
{
    for (zo_cmd *c = t->done.head; c && !t->undo; c = c->next) {
        void (*late)(zo_cmd *, zo_ctx *) = c->late;

        if (!late)
            continue;
        c->late = NULL;
        t->cmd = c;
        zo_arena_reset(t->w->scratch);
        late(c, &t->x);
        t->undo = t->act.undo || (c->idempotency_key && !c->rt.remembered);
    }
}

static void save_cache(turn *t)
{
    zo_error err = {0};

    if (zo_live_save_cache(t->a->live, &t->act, &err) == ZO_OK)
        return;
    zo_log(ZO_WARN, "snapshot", "model=%s error=\"%s\"", t->a->row.id, err.message);
    t->undo = true;
}

void run_model(turn *t)
{
    zo_live *live = t->a->live;
    zo_runtime *rt = t->w->rt;
    zo_error err = {0};

    t->x.live = live;
    zo_model_set_team(zo_live_model(live), &rt->team);
    zo_live_settled(live, t->landed);
    zo_live_begin(live, t->rec->number);
    t->act.now_ms = zo_clock_wall_ms();
    turn_run_commands(t);
    if (!t->undo && !zo_live_is_sealed(live) && zo_live_seal(live, &t->act, &err) != ZO_OK) {
        zo_log(ZO_ERROR, "history", "model=%s error=\"%s\"", t->a->row.id, err.message);
        t->undo = true;
    }
    run_late(t);
    if (!t->undo && !t->a->deleting && zo_live_wants_cache(live, t->evict))
        save_cache(t);
    if (!t->done.head && model_wants_turn(t))
        (void)zo_model_solve_ahead(zo_live_model(live), NULL); /* whoever asks will hear of a failure */
}

bool model_wants_turn(const turn *t)
{
    return t->a->live && !t->evict && !t->draining && !t->undo && !t->a->deleting &&
           zo_model_wants_solve(zo_live_model(t->a->live));
}

bool model_may_leave(const turn *t)
{
    return !zo_live_wants_cache(t->a->live, true);
}
