/* Deadlines: a binary heap of actors by the monotonic time of their next lease expiry, end by seconds, or long-poll's
 * end. One timer of the loop follows its top. A key may be too early (a tell has removed the oldest lease): the actor
 * then just has an empty turn and enters its next time. It is never too late. That spares the heap one move per
 * command. */
#include "internal.h"

static void put_at(zo_runtime *rt, size_t i, actor *a)
{
    rt->heap[i] = a;
    a->heap_index = i;
}

static void sift_up(zo_runtime *rt, size_t i)
{
    actor *a = rt->heap[i];

    for (; i > 0 && rt->heap[(i - 1) / 2]->deadline > a->deadline; i = (i - 1) / 2)
        put_at(rt, i, rt->heap[(i - 1) / 2]);
    put_at(rt, i, a);
}

static void sift_down(zo_runtime *rt, size_t i)
{
    actor *a = rt->heap[i];

    for (;;) {
        size_t child = 2 * i + 1;

        if (child + 1 < rt->n_heap && rt->heap[child + 1]->deadline < rt->heap[child]->deadline)
            child++;
        if (child >= rt->n_heap || rt->heap[child]->deadline >= a->deadline)
            break;
        put_at(rt, i, rt->heap[child]);
        i = child;
    }
    put_at(rt, i, a);
}

zo_status timers_reserve(zo_runtime *rt, zo_error *err)
{
    size_t cap = rt->cap_heap ? rt->cap_heap * 2 : 64;
    actor **heap;

    if (rt->n_actors < rt->cap_heap) /* each actor is in the heap at most once */
        return ZO_OK;
    heap = zo_realloc(rt->heap, cap * sizeof *heap);
    if (!heap)
        return zo_fail_nomem(err);
    rt->heap = heap;
    rt->cap_heap = cap;
    return ZO_OK;
}

void timer_set(zo_runtime *rt, actor *a, int64_t deadline_ms)
{
    if (deadline_ms == INT64_MAX)
        return;
    if (a->heap_index == SIZE_MAX) {
        ZO_ASSERT(rt->n_heap < rt->cap_heap);
        a->deadline = deadline_ms;
        put_at(rt, rt->n_heap++, a);
    } else if (deadline_ms < a->deadline) {
        a->deadline = deadline_ms;
    } else {
        return;
    }
    sift_up(rt, a->heap_index);
    if (rt->heap[0]->deadline < rt->armed_ms) {
        rt->armed_ms = rt->heap[0]->deadline;
        loop_wake(rt);
    }
}

void timer_remove(zo_runtime *rt, actor *a)
{
    size_t i = a->heap_index;

    if (i == SIZE_MAX)
        return;
    a->heap_index = SIZE_MAX;
    rt->n_heap--;
    if (i == rt->n_heap)
        return;
    put_at(rt, i, rt->heap[rt->n_heap]);
    sift_up(rt, i);
    sift_down(rt, rt->heap[i]->heap_index);
}

void timer_fire(zo_runtime *rt, int64_t now_ms)
{
    rt_lock(rt);
    while (rt->n_heap && rt->heap[0]->deadline <= now_ms) {
        actor *a = rt->heap[0];

        timer_remove(rt, a);
        a->wake = true;
        pool_schedule(rt, a);
    }
    rt->armed_ms = rt->n_heap ? rt->heap[0]->deadline : INT64_MAX;
    pool_wake(rt);
    rt_unlock(rt);
}
