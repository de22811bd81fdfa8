/* Idempotency keys. A key is "in flight" from its command's first run until that command is finished, that is, durable:
 * in between the log does not know it yet. The set is asked before the log, and a key enters it in the same step, so of
 * two commands with one key exactly one runs. */
#include "internal.h"

#include <string.h>

static uint32_t key_hash(int64_t tenant, const char *key)
{
    uint32_t h = 2166136261u ^ (uint32_t)tenant;

    for (; *key; key++)
        h = (h ^ (uint8_t)*key) * 16777619u;
    return h;
}

static bool enter(zo_runtime *rt, zo_cmd *c) /* L; false: somebody else's */
{
    zo_cmd **bucket;

    c->rt.key_hash = key_hash(c->rt.tenant, c->idempotency_key);
    bucket = &rt->keys[c->rt.key_hash % KEY_BUCKETS];
    for (zo_cmd *o = *bucket; o; o = o->rt.same_bucket)
        if (o->rt.key_hash == c->rt.key_hash && o->rt.tenant == c->rt.tenant &&
            strcmp(o->idempotency_key, c->idempotency_key) == 0)
            return false;
    c->rt.same_bucket = *bucket;
    *bucket = c;
    c->rt.keyed = true;
    return true;
}

void key_release(zo_runtime *rt, zo_cmd *c)
{
    zo_cmd **p = &rt->keys[c->rt.key_hash % KEY_BUCKETS];

    while (*p != c)
        p = &(*p)->rt.same_bucket;
    *p = c->rt.same_bucket;
    c->rt.keyed = false;
}

bool key_check(turn *t, zo_cmd *c)
{
    zo_runtime *rt = t->w->rt;
    zo_idempotency stored;
    bool ours;

    rt_lock(rt);
    ours = enter(rt, c);
    rt_unlock(rt);
    if (!ours) {
        refuse(c, ZO_ECONFLICT, "a request with this Idempotency-Key is still running");
        return true;
    }
    zo_arena_reset(t->w->scratch);
    c->status = zo_reader_idempotency(t->w->reader, c->rt.tenant, c->idempotency_key, c->idempotency_route, c->body,
                                      c->body_bytes, zo_clock_wall_ms(), t->w->scratch, &stored, &c->err);
    if (c->status == ZO_ENOTFOUND) {
        c->status = ZO_OK;
        c->err = (zo_error){0};
        return false;
    }
    if (c->status == ZO_OK)
        c->repeat(c, &stored);
    return true;
}
