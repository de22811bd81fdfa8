/* The worker pool: two lanes of threads, each with its queue of actors that have something to do. The short lane
 * answers asks and tells; the long one (niced, or SCHED_IDLE) runs solvers whose ask may take long and replays long
 * logs, so that neither delays the other. A worker takes an actor with all its waiting commands, gives it a turn, and
 * puts it back at the end of the queue.
 *
 * Hand-over: the loop queues without waking anybody; one signal per flush wakes one worker, which wakes the next if
 * there is more than one actor's work. So the loop pays for one futex call at most, however many commands came in. */
#include "internal.h"

#include <errno.h>
#include <sched.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/scrub.h"

void pool_schedule(zo_runtime *rt, actor *a)
{
    lane *l;

    if (a->scheduled || a->running || a->held) /* while it runs, a->lane is the worker's */
        return;
    if (a->drop && a->flying) /* it is reloaded from a log that has the record in flight: landed() comes back to it */
        return;
    l = &rt->lanes[a->lane];
    a->scheduled = true;
    a->run_next = NULL;
    if (l->tail)
        l->tail->run_next = a;
    else
        l->head = a;
    l->tail = a;
}

void pool_wake(zo_runtime *rt)
{
    for (int i = 0; i < LANE_COUNT; i++) {
        lane *l = &rt->lanes[i];

        if ((l->head || l->queries.head) && l->n_idle > 0 && l->n_woken == 0) {
            l->n_woken++;
            pthread_cond_signal(&l->cond);
        }
    }
}

static void lower_priority(const worker *w)
{
    if (w->rt->o.idle_priority) {
        struct sched_param none = {0};

        if (pthread_setschedparam(pthread_self(), SCHED_IDLE, &none) == 0)
            return;
    }
    /* nice is per thread on Linux */
    if (setpriority(PRIO_PROCESS, (id_t)syscall(SYS_gettid), 10) != 0)
        zo_log(ZO_DEBUG, "priority", "lane=long error=%d", errno);
}

/* Nothing of the last command waits with us for the next. */
static void forget_command(worker *w)
{
    zo_arena_reset(w->scratch);
    zo_events_clear(&w->create_log);
    zo_reader_rest(w->reader);
    zo_scrub();
}

static void *worker_main(void *arg)
{
    worker *w = arg;
    zo_runtime *rt = w->rt;
    lane *l = &rt->lanes[w->lane];
    bool clean = true;

    pthread_setname_np(pthread_self(), w->lane == LANE_LONG ? "zo-long" : "zo-short");
    if (w->lane == LANE_LONG)
        lower_priority(w);
    rt_lock(rt);
    while (!rt->stop) {
        bool query = l->queries.head && (l->query_turn || !l->head);

        if (!query && !l->head && team_help(w)) {
            clean = false;
            continue;
        }
        if (!query && !l->head && !clean) {
            rt_unlock(rt);
            forget_command(w);
            rt_lock(rt);
            clean = true;
            continue;
        }
        if (!query && !l->head) {
            l->n_idle++;
            pthread_cond_wait(&l->cond, &rt->lock);
            l->n_idle--;
            if (l->n_woken > 0)
                l->n_woken--;
            continue;
        }
        clean = false;
        l->query_turn = !query;
        if (query) {
            zo_cmd *c = cmds_pop(&l->queries);

            pool_wake(rt);
            rt_unlock(rt);
            query_run(w, c);
        } else {
            actor *a = l->head;
            cmd_list in = a->inbox;
            record *pending = a->pending;

            l->head = a->run_next;
            if (!l->head)
                l->tail = NULL;
            a->run_next = NULL;
            a->scheduled = false;
            a->running = true;
            a->inbox = (cmd_list){0};
            a->pending = NULL;
            pool_wake(rt);
            actor_turn(w, a, &in, pending); /* unlocks */
        }
        rt_lock(rt);
    }
    rt_unlock(rt);
    return NULL;
}

zo_status pool_start(zo_runtime *rt, zo_error *err)
{
    size_t n = (size_t)rt->o.workers + rt->o.long_workers;
    zo_status rc;

    rt->workers = zo_calloc(n, sizeof *rt->workers);
    if (!rt->workers)
        return zo_fail_nomem(err);
    rt->n_workers = n;
    for (size_t i = 0; i < n; i++) {
        worker *w = &rt->workers[i];
        pthread_attr_t attr;
        int rv;

        w->rt = rt;
        w->lane = i < rt->o.workers ? LANE_SHORT : LANE_LONG;
        if ((rc = zo_reader_open(rt->store, &w->reader, err)) != ZO_OK)
            return rc;
        if (!(w->scratch = zo_arena_new(0)))
            return zo_fail_nomem(err);
        pthread_attr_init(&attr);
        pthread_attr_setstacksize(&attr, (size_t)8 << 20); /* LAPACK kernels keep buffers on the stack */
        rv = pthread_create(&w->thread, &attr, worker_main, w);
        pthread_attr_destroy(&attr);
        if (rv != 0)
            return zo_fail(err, ZO_ENOMEM, "", "cannot start a worker thread: %s", strerror(rv));
        w->started = true;
    }
    return ZO_OK;
}

void pool_stop(zo_runtime *rt)
{
    rt_lock(rt);
    rt->stop = true;
    for (int i = 0; i < LANE_COUNT; i++)
        pthread_cond_broadcast(&rt->lanes[i].cond);
    rt_unlock(rt);
    for (size_t i = 0; i < rt->n_workers; i++) {
        worker *w = &rt->workers[i];

        if (w->started)
            pthread_join(w->thread, NULL);
        zo_reader_close(w->reader);
        zo_arena_free(w->scratch);
        record_destroy(w->spare);
        zo_events_fini(&w->create_log);
    }
    zo_free(rt->workers);
    rt->workers = NULL;
    rt->n_workers = 0;
}
