/* Parked commands: long-polls that found nothing to do. They run again, oldest first, after any change of their study,
 * for the last time at their deadline or at drain, and once with gone set when their client has left. The list belongs
 * to the actor and is touched by the worker that runs it; the loop only sets flags and schedules the actor. */
#include "internal.h"

void wait_park(turn *t, zo_cmd *c)
{
    cmds_append(&t->a->parked, c);
}

void wait_rerun(turn *t, bool changed)
{
    actor *a = t->a;
    cmd_list list = a->parked;
    int64_t now_ms = zo_clock_mono_ms();
    zo_cmd *c;

    a->parked = (cmd_list){0};
    while ((c = cmds_pop(&list)) != NULL) {
        bool over = t->no_waiting || c->wait_until_ms <= now_ms;

        if (changed || over || a->deleting || atomic_load_explicit(&c->rt.gone, memory_order_relaxed))
            turn_run_one(t, c, over); /* parks it again when it must go on waiting */
        else
            cmds_append(&a->parked, c);
    }
}

int64_t wait_deadline(const actor *a)
{
    int64_t first = INT64_MAX;

    for (const zo_cmd *c = a->parked.head; c; c = c->next)
        if (c->wait_until_ms < first)
            first = c->wait_until_ms;
    return first;
}
