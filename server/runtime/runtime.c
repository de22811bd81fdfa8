/* The runtime's outer side: life, submission on the loop thread, drain. */
#include "internal.h"

#include <string.h>
#include <unistd.h>
#include "zeroth/linalg.h"

enum { IDLE_SCAN_MS = 1000 };
static const char directory_key[] = "/directory"; /* no id or name has a slash */

/* The loop's handles outlive the runtime until their close callbacks have run. */
struct loop_handles {
    zo_runtime *rt; /* NULL once it is freed */
    uv_prepare_t flush;
    uv_timer_t deadline, idle;
    uv_async_t wake;
    unsigned n_open;
};

#define ASSERT_LOOP(rt) ZO_ASSERT_SLOW(pthread_equal((rt)->loop_thread, pthread_self()))

zo_status zo_runtime_new(zo_runtime **out, zo_error *err)
{
    zo_runtime *rt = zo_calloc(1, sizeof *rt);

    if (!rt)
        return zo_fail_nomem(err);
    pthread_mutex_init(&rt->lock, NULL);
    for (int i = 0; i < LANE_COUNT; i++)
        pthread_cond_init(&rt->lanes[i].cond, NULL);
    rt->armed_ms = INT64_MAX;
    *out = rt;
    return ZO_OK;
}

void loop_wake(zo_runtime *rt)
{
    uv_async_send(&rt->handles->wake);
}

/* ---- drain: a machine that moves on the loop whenever something was finished ---- */

static void drain_step(zo_runtime *rt)
{
    bool done = false;

    rt_lock(rt);
    if (rt->drain_phase == 1 && rt->n_commands == 0) {
        rt->drain_phase = 2;
        for (actor *a = rt->all; a; a = a->all_next)
            evict_request(rt, a);
        pool_wake(rt);
    }
    if (rt->drain_phase == 2 && rt->n_actors == 0) {
        rt->drain_phase = 3;
        done = true;
    }
    rt_unlock(rt);
    if (done && rt->drained)
        rt->drained(rt->drained_ctx);
}

static void arm(zo_runtime *rt)
{
    int64_t at, now = zo_clock_mono_ms();

    rt_lock(rt);
    at = rt->armed_ms;
    rt_unlock(rt);
    if (at == INT64_MAX)
        return;
    uv_update_time(rt->o.loop);
    /* one more millisecond: both clocks are cut to whole ones */
    uv_timer_start(&rt->handles->deadline, rt->handles->deadline.timer_cb, at <= now ? 0 : (uint64_t)(at - now) + 1, 0);
}

static void on_wake(uv_async_t *h)
{
    zo_runtime *rt = ((struct loop_handles *)h->data)->rt;

    if (!rt)
        return;
    arm(rt);
    if (rt->drain_phase)
        drain_step(rt);
}

static void on_deadline(uv_timer_t *h)
{
    zo_runtime *rt = ((struct loop_handles *)h->data)->rt;

    timer_fire(rt, zo_clock_mono_ms());
    arm(rt);
}

static void on_idle_scan(uv_timer_t *h)
{
    evict_idle(((struct loop_handles *)h->data)->rt, zo_clock_mono_ms());
}

static void on_prepare(uv_prepare_t *h)
{
    zo_runtime_flush(((struct loop_handles *)h->data)->rt);
}

static zo_status open_handles(zo_runtime *rt, zo_error *err)
{
    struct loop_handles *h = rt->handles = zo_calloc(1, sizeof *h);
    int rv;

    if (!h)
        return zo_fail_nomem(err);
    h->rt = rt;
    h->flush.data = h->deadline.data = h->idle.data = h->wake.data = h;
    if ((rv = uv_async_init(rt->o.loop, &h->wake, on_wake)) != 0) {
        zo_free(h);
        rt->handles = NULL;
        return zo_fail(err, ZO_ENOMEM, "", "cannot open the loop's wake-up: %s", uv_strerror(rv));
    }
    uv_prepare_init(rt->o.loop, &h->flush);
    uv_prepare_start(&h->flush, on_prepare);
    uv_timer_init(rt->o.loop, &h->deadline);
    h->deadline.timer_cb = on_deadline;
    uv_timer_init(rt->o.loop, &h->idle);
    uv_timer_start(&h->idle, on_idle_scan, IDLE_SCAN_MS, IDLE_SCAN_MS);
    h->n_open = 4;
    return ZO_OK;
}

static void on_closed(uv_handle_t *handle)
{
    struct loop_handles *h = handle->data;

    if (--h->n_open == 0)
        zo_free(h);
}

zo_status zo_runtime_start(zo_runtime *rt, const zo_runtime_opts *o, zo_error *err)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    zo_status rc;

    rt->o = *o;
    rt->store = o->store;
    rt->loop_thread = pthread_self();
    if (cores < 1)
        cores = 1;
    if (!rt->o.workers)
        rt->o.workers = (unsigned)cores;
    if (!rt->o.long_workers)
        rt->o.long_workers = cores >= 2 ? (unsigned)cores / 2 : 1;
    if (!rt->o.max_resident_bytes)
        rt->o.max_resident_bytes = (size_t)256 << 20;
    if (!rt->o.evict_idle_s)
        rt->o.evict_idle_s = 300;
    if (!rt->o.max_commands)
        rt->o.max_commands = 8192;
    if (!rt->o.max_command_bytes)
        rt->o.max_command_bytes = (size_t)272 << 20;
    if (!rt->o.max_study_commands)
        rt->o.max_study_commands = 1024;
    if (!rt->o.snapshot_every_events)
        rt->o.snapshot_every_events = 20000;
    team_init(rt, (unsigned)cores);
    if (!(rt->arith_tag = zo_arith_tag())) /* a wrong one would rebase every study that is loaded */
        return zo_fail_nomem(err);
    if ((rc = dir_init(rt, err)) != ZO_OK || (rc = open_handles(rt, err)) != ZO_OK ||
        (rc = pool_start(rt, err)) != ZO_OK)
        return rc;
    rt->started = true;
    return ZO_OK;
}

uint64_t zo_runtime_arith_tag(const zo_runtime *rt)
{
    return rt->arith_tag;
}

const char *zo_runtime_unhealthy_reason(const zo_runtime *rt)
{
    if (!rt->started)
        return "starting";
    if (atomic_load_explicit(&rt->draining, memory_order_relaxed))
        return "draining";
    if (!zo_store_writable(rt->store))
        return "the database is read-only after an I/O error";
    return NULL;
}

bool zo_runtime_healthy(const zo_runtime *rt)
{
    return zo_runtime_unhealthy_reason(rt) == NULL;
}

/* ---- submission ---- */

static void enqueue(zo_runtime *rt, actor *a, zo_cmd *c) /* L */
{
    c->rt.actor = a;
    rt->n_commands++;
    rt->command_bytes += c->bytes;
    if (a) {
        a->n_cmds++;
        cmds_append(&a->inbox, c);
        pool_schedule(rt, a);
    } else {
        cmds_append(&rt->lanes[LANE_SHORT].queries, c);
    }
}

/* A new actor under one key. L */
static actor *enter(zo_runtime *rt, actor_kind kind, zo_table table, int64_t tenant, const char *key, zo_error *err)
{
    actor *a = actor_new(kind, table, tenant);
    dir_entry *e = dir_entry_new(table, tenant, key);

    if (!a || !e || timers_reserve(rt, err) != ZO_OK) {
        actor_free(a);
        zo_free(e);
        zo_fail_nomem(err);
        return NULL;
    }
    actor_link(rt, a);
    dir_put(rt, e, a);
    a->by_key = e;
    return a;
}

static void submit_to(zo_runtime *rt, actor_kind kind, zo_table table, int64_t tenant, const char *key, zo_cmd *c)
{
    bool refused = false;
    actor *a;

    ASSERT_LOOP(rt);
    c->rt.tenant = tenant;
    c->status = ZO_OK;
    rt_lock(rt);
    a = dir_find(rt, table, tenant, key);
    if (!admit(rt, c, a)) {
        refused = true;
    } else if (!a && !(a = enter(rt, kind, table, tenant, key, &c->err))) {
        refuse(c, ZO_ENOMEM, "out of memory");
        refused = true;
    }
    if (!refused)
        enqueue(rt, a, c);
    rt_unlock(rt);
    if (refused)
        cmds_append(&rt->refused, c);
}

void zo_runtime_submit(zo_runtime *rt, zo_table table, int64_t tenant, const char *id_or_name, zo_cmd *c)
{
    size_t n = strnlen(id_or_name, NAME_MAX_BYTES + 1);

    if (n == 0 || n > NAME_MAX_BYTES || strchr(id_or_name, '/')) {
        refuse(c, ZO_ENOTFOUND, table == ZO_MODELS ? "no such model" : "no such study");
        cmds_append(&rt->refused, c);
        return;
    }
    submit_to(rt, table == ZO_MODELS ? ACTOR_MODEL : ACTOR_STUDY, table, tenant, id_or_name, c);
}

void zo_runtime_submit_directory(zo_runtime *rt, zo_table table, int64_t tenant, zo_cmd *c)
{
    submit_to(rt, ACTOR_DIRECTORY, table, tenant, directory_key, c);
}

void zo_runtime_submit_query(zo_runtime *rt, zo_cmd *c)
{
    bool refused;

    ASSERT_LOOP(rt);
    c->status = ZO_OK;
    rt_lock(rt);
    refused = !admit(rt, c, NULL);
    if (!refused)
        enqueue(rt, NULL, c);
    rt_unlock(rt);
    if (refused)
        cmds_append(&rt->refused, c);
}

void zo_runtime_flush(zo_runtime *rt)
{
    cmd_list refused = rt->refused;

    ASSERT_LOOP(rt);
    rt_lock(rt);
    pool_wake(rt);
    rt_unlock(rt);
    rt->refused = (cmd_list){0};
    for (zo_cmd *c = refused.head; c; c = c->next)
        c->rt.finished = true;
    rt_deliver(rt, &refused);
}

void zo_runtime_gone(zo_runtime *rt, zo_cmd *c)
{
    actor *a;

    ASSERT_LOOP(rt);
    atomic_store_explicit(&c->rt.gone, true, memory_order_relaxed);
    rt_lock(rt);
    a = c->rt.finished ? NULL : c->rt.actor;
    if (a) {
        a->wake = true;
        pool_schedule(rt, a);
        pool_wake(rt);
    }
    rt_unlock(rt);
}

/* L */
static void end_waiting(zo_runtime *rt)
{
    atomic_store_explicit(&rt->no_waiting, true, memory_order_relaxed);
    for (actor *a = rt->all; a; a = a->all_next) {
        if (!a->n_cmds)
            continue;
        a->wake = true;
        pool_schedule(rt, a);
    }
    pool_wake(rt);
}

void zo_runtime_wake_parked(zo_runtime *rt)
{
    ASSERT_LOOP(rt);
    rt_lock(rt);
    end_waiting(rt);
    rt_unlock(rt);
}

void zo_runtime_drain(zo_runtime *rt, void (*drained)(void *ctx), void *ctx)
{
    ASSERT_LOOP(rt);
    rt->drained = drained;
    rt->drained_ctx = ctx;
    zo_runtime_flush(rt);
    rt_lock(rt);
    atomic_store_explicit(&rt->draining, true, memory_order_relaxed);
    rt->drain_phase = 1;
    end_waiting(rt);
    rt_unlock(rt);
    loop_wake(rt);
}

void zo_runtime_stop(zo_runtime *rt)
{
    if (!rt)
        return;
    if (rt->handles) {
        uv_timer_stop(&rt->handles->idle);
        uv_timer_stop(&rt->handles->deadline);
        uv_prepare_stop(&rt->handles->flush);
    }
    pool_stop(rt);
}

void zo_runtime_free(zo_runtime *rt)
{
    if (!rt)
        return;
    zo_runtime_stop(rt);
    if (rt->handles) { /* only now: workers and the writer may have used them until here */
        struct loop_handles *h = rt->handles;

        h->rt = NULL;
        uv_close((uv_handle_t *)&h->flush, on_closed);
        uv_close((uv_handle_t *)&h->deadline, on_closed);
        uv_close((uv_handle_t *)&h->idle, on_closed);
        uv_close((uv_handle_t *)&h->wake, on_closed);
    }
    for (record *r = rt->free_records, *next; r; r = next) {
        next = r->next_free;
        record_destroy(r);
    }
    for (actor *a = rt->all, *next; a; a = next) { /* only after a failed start or without a drain */
        next = a->all_next;
        a->inbox = a->parked = (cmd_list){0};
        a->flying = a->pending = NULL;
        a->n_cmds = 0;
        zo_free(a->by_key);
        zo_free(a->by_name);
        actor_free(a);
    }
    zo_free(rt->heap);
    dir_fini(rt);
    for (int i = 0; i < LANE_COUNT; i++)
        pthread_cond_destroy(&rt->lanes[i].cond);
    pthread_mutex_destroy(&rt->lock);
    zo_free(rt);
}
