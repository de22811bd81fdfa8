/* The directory: which actor answers to an id or a name.
 *
 * A study that is not in memory gets an actor at its first command, known by the string it was asked for; a worker
 * finds its row (actor_resolve). If that row turns out to belong to an actor that is there already (asked for by its id
 * and by its name at once), the newcomer's commands move over and it vanishes. Evicted actors leave no trace here: idle
 * studies cost disk, not memory. */
#include "internal.h"

#include <string.h>

static uint64_t hash_key(zo_table table, int64_t tenant, const char *key,
                         size_t n) /* FNV-1a, finished as in SplitMix64 */
{
    uint64_t h = 0xcbf29ce484222325u ^ (uint64_t)tenant ^ (uint64_t)table << 32;

    for (size_t i = 0; i < n; i++)
        h = (h ^ (uint8_t)key[i]) * 0x100000001b3u;
    h = (h ^ (h >> 30)) * 0xbf58476d1ce4e5b9u;
    return h ^ (h >> 31);
}

zo_status dir_init(zo_runtime *rt, zo_error *err)
{
    rt->n_dir = 256;
    rt->dir = zo_calloc(rt->n_dir, sizeof(dir_entry *));
    return rt->dir ? ZO_OK : zo_fail_nomem(err);
}

void dir_fini(zo_runtime *rt)
{
    zo_free(rt->dir);
    rt->dir = NULL;
}

static dir_entry **find_slot(zo_runtime *rt, zo_table table, int64_t tenant, const char *key, size_t n, uint64_t h)
{
    dir_entry **p = &rt->dir[h & (rt->n_dir - 1)];

    while (*p && !((*p)->hash == h && (*p)->table == table && (*p)->tenant == tenant && (*p)->length == n &&
                   memcmp((*p)->key, key, n) == 0))
        p = &(*p)->next;
    return p;
}

actor *dir_find(zo_runtime *rt, zo_table table, int64_t tenant, const char *key)
{
    size_t n = strlen(key);
    dir_entry *e = *find_slot(rt, table, tenant, key, n, hash_key(table, tenant, key, n));

    return e ? e->actor : NULL;
}

dir_entry *dir_entry_new(zo_table table, int64_t tenant, const char *key)
{
    size_t n = strlen(key);
    dir_entry *e = zo_malloc(sizeof *e + n + 1);

    if (!e)
        return NULL;
    *e = (dir_entry){.hash = hash_key(table, tenant, key, n), .table = table, .tenant = tenant, .length = n};
    memcpy(e->key, key, n + 1);
    return e;
}

static void grow(zo_runtime *rt) /* without memory the chains just get longer */
{
    size_t n = rt->n_dir * 2;
    dir_entry **table = zo_calloc(n, sizeof *table);

    if (!table)
        return;
    for (size_t i = 0; i < rt->n_dir; i++) {
        for (dir_entry *e = rt->dir[i], *next; e; e = next) {
            next = e->next;
            e->next = table[e->hash & (n - 1)];
            table[e->hash & (n - 1)] = e;
        }
    }
    zo_free(rt->dir);
    rt->dir = table;
    rt->n_dir = n;
}

static void unref(dir_entry *e)
{
    if (e->actor->by_key == e)
        e->actor->by_key = NULL;
    if (e->actor->by_name == e)
        e->actor->by_name = NULL;
}

void dir_put(zo_runtime *rt, dir_entry *e, actor *a)
{
    dir_entry **p = find_slot(rt, e->table, e->tenant, e->key, e->length, e->hash), *old = *p;

    e->actor = a;
    if (old) {
        unref(old);
        e->next = old->next;
        *p = e;
        zo_free(old);
        return;
    }
    e->next = NULL;
    *p = e;
    if (++rt->dir_used > rt->n_dir)
        grow(rt);
}

static void remove_entry(zo_runtime *rt, dir_entry *e)
{
    dir_entry **p = find_slot(rt, e->table, e->tenant, e->key, e->length, e->hash);

    ZO_ASSERT(*p == e);
    *p = e->next;
    rt->dir_used--;
    zo_free(e);
}

void dir_forget(zo_runtime *rt, actor *a)
{
    if (a->by_key)
        remove_entry(rt, a->by_key);
    if (a->by_name)
        remove_entry(rt, a->by_name);
    a->by_key = a->by_name = NULL;
}

actor *actor_new(actor_kind kind, zo_table table, int64_t tenant)
{
    actor *a = zo_calloc(1, sizeof *a);

    if (!a)
        return NULL;
    a->kind = kind;
    a->table = table;
    a->tenant = tenant;
    a->heap_index = SIZE_MAX;
    a->next_deadline_ms = INT64_MAX;
    a->lane = kind == ACTOR_MODEL ? LANE_LONG : LANE_SHORT;
    return a;
}

void actor_link(zo_runtime *rt, actor *a)
{
    a->all_next = rt->all;
    if (rt->all)
        rt->all->all_prev = a;
    rt->all = a;
    rt->n_actors++;
    zo_gauge_set(&zo_metric.live_studies, (int64_t)rt->n_actors);
}

void actor_unlink(zo_runtime *rt, actor *a)
{
    dir_forget(rt, a);
    timer_remove(rt, a);
    evict_cancel(rt, a);
    evict_remove(rt, a);
    if (a->all_prev)
        a->all_prev->all_next = a->all_next;
    else
        rt->all = a->all_next;
    if (a->all_next)
        a->all_next->all_prev = a->all_prev;
    a->all_prev = a->all_next = NULL;
    rt->n_actors--;
    zo_gauge_set(&zo_metric.live_studies, (int64_t)rt->n_actors);
    if (atomic_load_explicit(&rt->draining, memory_order_relaxed))
        loop_wake(rt);
}

void actor_free(actor *a)
{
    if (!a)
        return;
    ZO_ASSERT(!a->inbox.head && !a->parked.head && !a->flying && !a->pending && !a->n_cmds);
    load_free(a->load);
    zo_study_free(a->study);
    zo_live_free(a->live);
    zo_free(a->row_block);
    zo_free(a->title);
    zo_free(a->metadata);
    zo_free(a);
}

static char *put_string(char **p, const char *s)
{
    char *at = *p;
    size_t n;

    if (!s)
        return NULL;
    n = strlen(s) + 1;
    memcpy(at, s, n);
    *p += n;
    return at;
}

static size_t string_bytes(const char *s)
{
    return s ? strlen(s) + 1 : 0;
}

/* The state's text must outlive the row: use the engine's static strings where it names one. */
static const char *static_state(const char *s)
{
    for (int i = ZO_STUDY_ACTIVE; i <= ZO_STUDY_INFEASIBLE; i++)
        if (s && strcmp(zo_study_state_name((zo_study_state)i), s) == 0)
            return zo_study_state_name((zo_study_state)i);
    return zo_study_state_name(ZO_STUDY_ACTIVE);
}

zo_status actor_set_row(actor *a, const zo_study_row *row, zo_error *err)
{
    char *block = zo_malloc(string_bytes(row->id) + string_bytes(row->name) + string_bytes(row->spec) + 1), *p = block;
    char *title = row->title ? zo_strdup(row->title) : NULL;
    char *metadata = row->metadata ? zo_strdup(row->metadata) : NULL;

    if (!block || (row->title && !title) || (row->metadata && !metadata)) {
        zo_free(block);
        zo_free(title);
        zo_free(metadata);
        return zo_fail_nomem(err);
    }
    zo_free(a->row_block);
    zo_free(a->title);
    zo_free(a->metadata);
    a->row = *row;
    a->row_block = block;
    a->row.id = put_string(&p, row->id);
    a->row.name = put_string(&p, row->name);
    a->row.spec = put_string(&p, row->spec);
    a->row.state = static_state(row->state);
    a->row.title = a->title = title;
    a->row.metadata = a->metadata = metadata;
    return ZO_OK;
}

/* All of a's unrun commands become b's. L */
static void move_commands(zo_runtime *rt, actor *a, cmd_list *in, actor *b)
{
    cmds_join(in, &a->inbox);
    a->inbox = (cmd_list){0};
    for (zo_cmd *c = in->head; c; c = c->next)
        c->rt.actor = b;
    b->n_cmds += in->n;
    a->n_cmds -= in->n;
    cmds_join(&b->inbox, in);
    pool_schedule(rt, b);
}

bool actor_resolve(turn *t)
{
    zo_runtime *rt = t->w->rt;
    actor *a = t->a, *other = NULL;
    dir_entry *by_id = NULL, *by_name = NULL;
    zo_study_row row;
    zo_error err = {0};
    zo_status rc;

    /* An unresolved actor keeps its one entry until here, so its key may be read without the lock. */
    zo_arena_reset(t->w->scratch);
    rc = a->kind == ACTOR_MODEL ? zo_reader_model(t->w->reader, a->tenant, a->by_key->key, t->w->scratch, &row, &err)
                                : zo_reader_study(t->w->reader, a->tenant, a->by_key->key, t->w->scratch, &row, &err);
    if (rc == ZO_OK && (rc = actor_set_row(a, &row, &err)) == ZO_OK) {
        by_id = dir_entry_new(a->table, a->tenant, a->row.id);
        by_name = a->row.name ? dir_entry_new(a->table, a->tenant, a->row.name) : NULL;
        if (!by_id || (a->row.name && !by_name))
            rc = zo_fail_nomem(&err);
    }
    rt_lock(rt);
    if (rc == ZO_OK)
        other = dir_find(rt, a->table, a->tenant, a->row.id);
    if (other && other != a) { /* the same study under its other key: later commands for ours follow */
        a->by_key->actor = other;
        if (!other->by_name)
            other->by_name = a->by_key;
        else
            remove_entry(rt, a->by_key);
        a->by_key = NULL;
        move_commands(rt, a, &t->in, other);
        pool_wake(rt);
        actor_unlink(rt, a);
    } else if (rc == ZO_OK) {
        if (!other) { /* it was asked for by its name */
            a->by_name = a->by_key;
            dir_put(rt, by_id, a);
            a->by_key = by_id;
            by_id = NULL;
        } else if (by_name && !dir_find(rt, a->table, a->tenant, by_name->key)) {
            dir_put(rt, by_name, a);
            a->by_name = by_name;
            by_name = NULL;
        }
        a->resolved = true;
    }
    rt_unlock(rt);
    zo_free(by_id);
    zo_free(by_name);
    if (other && other != a) {
        actor_free(a);
        return false;
    }
    if (rc != ZO_OK) { /* the end of the turn removes it, unless commands have come that the log may know by now */
        cmds_fail(&t->in, &err);
        cmds_join(&t->done, &t->in);
    }
    return true;
}
