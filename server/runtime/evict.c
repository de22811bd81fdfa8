/* Memory: which studies stay resident. Least recently used first, a study is snapshotted and dropped when it was idle
 * for evict_idle_s or when all together are above max_resident_bytes.
 *
 * Idle eviction leaves a study alone while it has a deadline (a running lease or a limit of seconds). Memory eviction
 * takes such studies last; then the actor stays behind without its study, and its deadline reloads it. As after a
 * restart a running trial then gets a full new lease: under memory pressure leases can last longer, never shorter. The
 * study used last is never taken for memory, so one study above the limit works, alone. */
#include "internal.h"

static void list_remove(zo_runtime *rt, actor *a)
{
    if (a->lru_prev)
        a->lru_prev->lru_next = a->lru_next;
    else
        rt->lru_head = a->lru_next;
    if (a->lru_next)
        a->lru_next->lru_prev = a->lru_prev;
    else
        rt->lru_tail = a->lru_prev;
    a->lru_prev = a->lru_next = NULL;
}

void evict_touch(zo_runtime *rt, actor *a, int64_t now_ms)
{
    a->used_ms = now_ms;
    if (a->in_lru && rt->lru_head == a)
        return;
    if (a->in_lru) {
        list_remove(rt, a);
    } else {
        rt->n_resident++;
        zo_gauge_set(&zo_metric.resident_studies, (int64_t)rt->n_resident);
    }
    a->in_lru = true;
    a->lru_next = rt->lru_head;
    if (rt->lru_head)
        rt->lru_head->lru_prev = a;
    else
        rt->lru_tail = a;
    rt->lru_head = a;
}

void evict_remove(zo_runtime *rt, actor *a)
{
    evict_set_bytes(rt, a, 0);
    if (!a->in_lru)
        return;
    list_remove(rt, a);
    a->in_lru = false;
    rt->n_resident--;
    zo_gauge_set(&zo_metric.resident_studies, (int64_t)rt->n_resident);
}

void evict_set_bytes(zo_runtime *rt, actor *a, size_t bytes)
{
    rt->resident_bytes += bytes - a->bytes; /* modular: right also when it shrinks */
    if (a->counted_evict)
        rt->evicting_bytes += bytes - a->bytes;
    a->bytes = bytes;
}

void evict_request(zo_runtime *rt, actor *a)
{
    a->evict = true;
    if (!a->counted_evict) {
        a->counted_evict = true;
        rt->evicting_bytes += a->bytes;
    }
    a->wake = true;
    pool_schedule(rt, a);
}

void evict_cancel(zo_runtime *rt, actor *a)
{
    a->evict = false;
    if (a->counted_evict) {
        a->counted_evict = false;
        rt->evicting_bytes -= a->bytes;
    }
}

static bool idle_now(const actor *a)
{
    return !a->n_cmds && !a->running && !a->scheduled && !a->evict && !a->flying && !a->pending;
}

void evict_for_memory(zo_runtime *rt)
{
    if (rt->resident_bytes - rt->evicting_bytes <= rt->o.max_resident_bytes)
        return;
    for (int pass = 0; pass < 2; pass++) {
        unsigned looked = 0; /* bounded: this runs under the lock; the next turn goes on */

        for (actor *a = rt->lru_tail; a && a != rt->lru_head && looked < 256; a = a->lru_prev, looked++) {
            if (rt->resident_bytes - rt->evicting_bytes <= rt->o.max_resident_bytes)
                return;
            if (idle_now(a) && (pass == 1 || a->next_deadline_ms == INT64_MAX))
                evict_request(rt, a);
        }
    }
}

void evict_idle(zo_runtime *rt, int64_t now_ms)
{
    int64_t before = now_ms - (int64_t)rt->o.evict_idle_s * 1000;
    unsigned looked = 0;

    rt_lock(rt);
    for (actor *a = rt->lru_tail; a && a->used_ms <= before && looked < 1000; a = a->lru_prev, looked++)
        if (idle_now(a) && a->next_deadline_ms == INT64_MAX)
            evict_request(rt, a);
    evict_for_memory(rt);
    pool_wake(rt);
    rt_unlock(rt);
}
