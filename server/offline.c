/* See offline.h. */
#include "offline.h"

#include <uv.h>

struct zo_offline {
    uv_loop_t loop;
    uv_async_t wake; /* a command has finished */
    zo_store *store;
    zo_runtime *runtime;
};

static void on_wake(uv_async_t *wake)
{
    (void)wake; /* run_to_end looks again */
}

static void finished(zo_cmd *list, void *ctx)
{
    zo_offline *o = ctx;

    for (zo_cmd *cmd = list, *next; cmd; cmd = next) {
        zo_offline_cmd *c = (zo_offline_cmd *)(void *)cmd;
        next = cmd->next;
        atomic_store(&c->finished, true);
    }
    uv_async_send(&o->wake);
}

static zo_step run(zo_cmd *cmd, zo_ctx *x)
{
    zo_offline_cmd *c = (zo_offline_cmd *)(void *)cmd;

    c->status = c->work(c, x, &c->err);
    return ZO_STEP_DONE;
}

static zo_status start(zo_offline *o, const char *path, bool create, zo_error *err)
{
    zo_status rc;

    if ((rc = zo_runtime_new(&o->runtime, err)) != ZO_OK)
        return rc;
    const zo_store_opts store = {
        .path = path, .create = create, .migrate = create, .committed = zo_runtime_committed, .ctx = o->runtime};
    if ((rc = zo_store_open(&store, &o->store, err)) != ZO_OK)
        return rc;
    const zo_runtime_opts runtime = {
        .store = o->store, .loop = &o->loop, .workers = 1, .long_workers = 1, .finished = finished, .ctx = o};
    return zo_runtime_start(o->runtime, &runtime, err);
}

zo_status zo_offline_open(const char *path, bool create, zo_offline **out, zo_error *err)
{
    zo_offline *o = zo_calloc(1, sizeof *o);
    zo_status rc;

    if (!o)
        return zo_fail_nomem(err);
    if (uv_loop_init(&o->loop) != 0) {
        zo_free(o);
        return zo_fail_nomem(err);
    }
    if (uv_async_init(&o->loop, &o->wake, on_wake) != 0)
        rc = zo_fail_nomem(err);
    else
        rc = start(o, path, create, err);
    if (rc != ZO_OK) {
        zo_offline_close(o);
        return rc;
    }
    *out = o;
    return ZO_OK;
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void zo_offline_close(zo_offline *o)
{
    if (!o)
        return;
    zo_runtime_stop(o->runtime);
    if (o->store)
        zo_store_close(o->store);
    zo_runtime_free(o->runtime);
    uv_walk(&o->loop, close_handle, NULL);
    uv_run(&o->loop, UV_RUN_DEFAULT);
    uv_loop_close(&o->loop);
    zo_free(o);
}

static void prepare(zo_offline *o, zo_offline_cmd *c)
{
    c->in = o;
    c->cmd = (zo_cmd){.run = run, .bytes = 1024};
    c->status = ZO_OK;
    c->err = (zo_error){0};
    atomic_store(&c->finished, false);
}

static zo_status run_to_end(zo_offline *o, zo_offline_cmd *c, zo_error *err)
{
    while (!atomic_load(&c->finished))
        uv_run(&o->loop, UV_RUN_ONCE);
    if (c->cmd.status != ZO_OK) {
        *err = c->cmd.err;
        return err->code = c->cmd.status;
    }
    if (c->status != ZO_OK) {
        *err = c->err;
        err->code = c->status;
    }
    return c->status;
}

zo_status zo_offline_study(zo_offline *o, const char *id_or_name, zo_offline_cmd *c, zo_error *err)
{
    prepare(o, c);
    zo_runtime_submit(o->runtime, ZO_STUDIES, 1, id_or_name, &c->cmd);
    return run_to_end(o, c, err);
}

zo_status zo_offline_directory(zo_offline *o, zo_offline_cmd *c, zo_error *err)
{
    prepare(o, c);
    zo_runtime_submit_directory(o->runtime, ZO_STUDIES, 1, &c->cmd);
    return run_to_end(o, c, err);
}

zo_status zo_offline_query(zo_offline *o, zo_offline_cmd *c, zo_error *err)
{
    prepare(o, c);
    zo_runtime_submit_query(o->runtime, &c->cmd);
    return run_to_end(o, c, err);
}
