/* Faults and power cuts in what models write: parts in the database, their keys and the tombstones in FILE-keys. The
 * two files can't change at once, so at every point where one has changed and the other has not: a part that is there
 * has its key, a forget that was acknowledged is not undone, one that was not is whole or not there, tombstone included
 * (the history, of the same transaction as the parts, is the judge), and what is marked as erased has no key any more.
 * ZEROTH_DEEP=1 takes every point, else about 60 a sweep. */
#include "unit/store/store_fx.h"

#include "base/log.h"
#include "fault/sweep.h"

enum { GROUPS = 8, STEPS = 14, SAMPLED = 60, OWN_KEY = ZO_KEY_OF_MODEL, PART_BYTES = 3000 };
enum { MAKE, LEARN, FORGET, REMOVE };
static const struct {
    int what, group; /* of MAKE, REMOVE: the model */
} steps[STEPS] = {{MAKE, 1},  {LEARN, 0},  {LEARN, 1},  {LEARN, 2}, {FORGET, 1}, {MAKE, 2},  {LEARN, 3},
                  {LEARN, 4}, {FORGET, 0}, {REMOVE, 2}, {LEARN, 5}, {FORGET, 3}, {LEARN, 6}, {LEARN, 7}};

typedef struct script {
    bool submitted[STEPS], acked[STEPS];
    uint64_t ops[STEPS]; /* operations recorded when the step was acknowledged */
    char first[600];
} script;

static _Atomic uint64_t ops_at_ack;
static _Atomic bool looks_at_ack;
static _Atomic int64_t keys_at_ack; /* in FILE-keys, before any erasure can have begun */

static int64_t count_in_keys(const fx *f, const char *table)
{
    char name[400], sql[100];
    sqlite3 *db = NULL;
    sqlite3_stmt *q = NULL;
    int64_t n = -1;

    snprintf(name, sizeof name, "%s-keys", f->path);
    snprintf(sql, sizeof sql, "SELECT count(*) FROM %s", table);
    if (sqlite3_open(name, &db) == SQLITE_OK && sqlite3_prepare_v2(db, sql, -1, &q, NULL) == SQLITE_OK &&
        sqlite3_step(q) == SQLITE_ROW)
        n = sqlite3_column_int64(q, 0);
    sqlite3_finalize(q);
    sqlite3_close(db);
    return n;
}

static void on_committed(zo_write *list, void *ctx) /* [store] */
{
    ops_at_ack = zo_fault_record_ops();
    if (looks_at_ack)
        keys_at_ack = count_in_keys(ctx, "keys");
    fx_committed(list, ctx);
}

static zo_status open_store(fx *f, const char *vfs, zo_error *err)
{
    f->opts = (zo_store_opts){.path = f->path,
                              .create = true,
                              .migrate = true,
                              .vfs = vfs,
                              .committed = on_committed,
                              .ctx = f,
                              .wal_passive_bytes = 32 << 10,
                              .wal_restart_bytes = 64 << 10};
    return zo_store_open(&f->opts, &f->st, err);
}

static int64_t key_of(int group)
{
    return 8 * (group + 1);
}

static zo_op *chain(zo_op op[8], size_t *n, zo_op_kind kind, int64_t model)
{
    zo_op *o = &op[(*n)++];

    *o = (zo_op){.kind = kind, .study = model, .table = ZO_MODELS};
    if (*n > 1)
        op[*n - 2].next = o;
    return o;
}

static void put_key(zo_op *o, int64_t key)
{
    o->u.key.key = key;
    memset(o->u.key.secret, (int)key, ZO_KEY_BYTES);
}

static zo_tombstone tombstone_of(int64_t model, int group, uint64_t request)
{
    zo_tombstone t = {.model = model, .kind = 1, .request = request};

    memset(t.tag, group + 1, sizeof t.tag);
    return t;
}

static zo_status commit_make(fx *f, int64_t model, zo_error *err)
{
    char id[30], name[8];
    zo_op op[8];
    size_t n = 0;
    zo_tombstone t = tombstone_of(model, 0, 1);

    zo_store_new_id(f->st, "md_", id);
    snprintf(name, sizeof name, "m%d", (int)model);
    const zo_study_row row = {
        .study = model, .tenant = 1, .id = id, .name = name, .state = "active", .spec = "{}", .revision = 1};
    chain(op, &n, ZO_OP_STUDY_CREATE, model)->u.row = &row;
    put_key(chain(op, &n, ZO_OP_KEY_PUT, model), 1000 * model + OWN_KEY);
    if (model == 2) /* something to remove with it */
        chain(op, &n, ZO_OP_TOMBSTONE, model)->u.tombstone = t;
    zo_write w = {.ops = op};
    const zo_status s = fx_commit(f, &w);
    *err = w.err;
    return s;
}

static zo_status commit_remove(fx *f, int64_t model, zo_error *err)
{
    zo_op op[8];
    size_t n = 0;

    chain(op, &n, ZO_OP_STUDY_DELETE, model);
    chain(op, &n, ZO_OP_KEY_DROP, model);
    zo_write w = {.ops = op};
    const zo_status s = fx_commit(f, &w);
    *err = w.err;
    return s;
}

/* Learn or forget a group of model 1: one write, its history entry says which. */
static zo_status commit_group(fx *f, int what, int group, uint64_t seq, uint64_t request, zo_error *err)
{
    static const uint8_t hash[32] = {1};
    uint8_t body[PART_BYTES];
    char text[8];
    zo_op op[8], *o;
    size_t n = 0;

    memset(body, group, sizeof body);
    snprintf(text, sizeof text, "%c%d", what == LEARN ? 'l' : 'f', group);
    const zo_history h = {.owner = 1, .seq = seq, .request = what == FORGET ? request : 0, .body = text, .hash = hash};
    if (what == LEARN) {
        put_key(chain(op, &n, ZO_OP_KEY_PUT, 1), key_of(group));
        o = chain(op, &n, ZO_OP_PART_PUT, 1);
        o->u.part.part = group + 1;
        o->u.part.key = key_of(group);
        o->u.part.body = body;
        o->u.part.bytes = sizeof body;
    } else {
        chain(op, &n, ZO_OP_TOMBSTONE, 1)->u.tombstone = tombstone_of(1, group, request);
        chain(op, &n, ZO_OP_PART_DROP, 1)->u.part.part = group + 1;
        chain(op, &n, ZO_OP_KEY_DROP, 1)->u.key.key = key_of(group);
        chain(op, &n, ZO_OP_REPLIES_DROP, 1);
    }
    o = chain(op, &n, ZO_OP_HISTORY, 1);
    o->u.history.entry = &h;
    zo_write w = {.ops = op};
    const zo_status s = fx_commit(f, &w);
    *err = w.err;
    return s;
}

/* What a step stands on was acknowledged. */
static bool can_try(const script *s, int step)
{
    for (int i = 0; i < step; i++)
        if (!s->acked[i] &&
            ((steps[i].what == MAKE && (steps[i].group == 1) == (steps[step].what != REMOVE)) ||
             (steps[i].what == LEARN && steps[step].what == FORGET && steps[i].group == steps[step].group)))
            return steps[step].what == MAKE;
    return true;
}

static void run_script(fx *f, script *s)
{
    uint64_t seq = 0, request = 0;
    zo_error err = {0};

    for (int i = 0; i < STEPS; i++) {
        zo_status rc;

        if (!can_try(s, i))
            continue;
        s->submitted[i] = true;
        if (steps[i].what == MAKE)
            rc = commit_make(f, steps[i].group, &err);
        else if (steps[i].what == REMOVE)
            rc = commit_remove(f, steps[i].group, &err);
        else
            rc = commit_group(f, steps[i].what, steps[i].group, seq + 1, request + 1, &err);
        s->ops[i] = ops_at_ack;
        s->acked[i] = rc == ZO_OK;
        seq += rc == ZO_OK && steps[i].what != MAKE && steps[i].what != REMOVE;
        request += rc == ZO_OK && steps[i].what == FORGET;
        if (rc != ZO_OK && !s->first[0])
            snprintf(s->first, sizeof s->first, "step %d: %s", i, err.message);
        if (steps[i].what == FORGET || steps[i].what == REMOVE)
            usleep(2000); /* the erasure runs */
    }
}

/* ---- what is there ---- */
typedef struct found {
    bool part[GROUPS], key[GROUPS], tombstone[GROUPS], learned[GROUPS], forgotten[GROUPS], own_key, of_removed;
    bool pending, damaged;
} found;

static zo_status on_part(void *ctx, int64_t part, uint32_t kind, int64_t key, const void *body, size_t bytes)
{
    found *x = ctx;
    const int group = (int)part - 1;

    (void)kind;
    if (group < 0 || group >= GROUPS || key != key_of(group) || bytes != PART_BYTES ||
        ((const uint8_t *)body)[PART_BYTES - 1] != group)
        x->damaged = true;
    else
        x->part[group] = true;
    return ZO_OK;
}

static zo_status on_key(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES])
{
    found *x = ctx;

    if (secret[ZO_KEY_BYTES - 1] != (uint8_t)key)
        x->damaged = true;
    else if (key & ZO_KEY_OF_MODEL)
        x->own_key = true;
    else
        x->key[key / 8 - 1] = true;
    return ZO_OK;
}

static zo_status on_tombstone(void *ctx, const zo_tombstone *t)
{
    ((found *)ctx)->tombstone[t->tag[0] - 1] = true;
    return ZO_OK;
}

static zo_status on_entry(void *ctx, const zo_history *h)
{
    found *x = ctx;

    (h->body[0] == 'l' ? x->learned : x->forgotten)[h->body[1] - '0'] = true;
    x->pending = x->pending || (h->request && !h->erased_ms);
    return ZO_OK;
}

static zo_status on_removed_key(void *ctx, int64_t key, const uint8_t secret[ZO_KEY_BYTES])
{
    (void)key;
    (void)secret;
    ((found *)ctx)->of_removed = true;
    return ZO_OK;
}

static zo_status on_removed_tombstone(void *ctx, const zo_tombstone *t)
{
    (void)t;
    ((found *)ctx)->of_removed = true;
    return ZO_OK;
}

static zo_status look(fx *f, found *x, zo_error *err)
{
    zo_reader *r = NULL;
    zo_status s = zo_reader_open(f->st, &r, err);

    *x = (found){0};
    if (s == ZO_OK && (s = zo_reader_history(r, false, 1, 0, UINT64_MAX, 100, on_entry, x, err)) == ZO_OK &&
        (s = zo_reader_parts(r, 1, on_part, x, err)) == ZO_OK &&
        (s = zo_reader_keys(r, 1, on_key, on_tombstone, x, err)) == ZO_OK)
        s = zo_reader_keys(r, 2, on_removed_key, on_removed_tombstone, x, err);
    zo_reader_close(r);
    return s;
}

#define WRONG(...) return snprintf(why, size, __VA_ARGS__), false

static bool judge_group(const found *x, const script *s, int g, char *why, size_t size)
{
    bool learn_tried = false, learn_acked = false, forget_tried = false, forget_acked = false;

    for (int i = 0; i < STEPS; i++) {
        if (steps[i].group != g)
            continue;
        learn_tried |= steps[i].what == LEARN && s->submitted[i];
        learn_acked |= steps[i].what == LEARN && s->acked[i];
        forget_tried |= steps[i].what == FORGET && s->submitted[i];
        forget_acked |= steps[i].what == FORGET && s->acked[i];
    }
    if (x->part[g] && !x->key[g])
        WRONG("group %d has a part and no key", g);
    if (x->part[g] != (x->learned[g] && !x->forgotten[g]))
        WRONG("group %d: its part does not fit the history", g);
    if ((learn_acked && !x->learned[g]) || (x->learned[g] && !learn_tried))
        WRONG("group %d: learning it was acknowledged: %d; it is there: %d", g, learn_acked, x->learned[g]);
    if ((forget_acked && !x->forgotten[g]) || (x->forgotten[g] && !forget_tried))
        WRONG("group %d: forgetting it was acknowledged: %d; it is done: %d", g, forget_acked, x->forgotten[g]);
    if (x->forgotten[g] && !x->tombstone[g])
        WRONG("group %d was forgotten and has no tombstone", g);
    if (!x->forgotten[g] && x->tombstone[g])
        WRONG("group %d was not forgotten and has a tombstone: the next start would forget it", g);
    return true;
}

/* Open with the ordinary VFS and see; once the erasure says that it is done, no key of the forgotten may be left. */
static bool verify(fx *f, const script *s, char *why, size_t size)
{
    bool removed = false, made = false;
    zo_error err = {0};
    found x;

    for (int i = 0; i < STEPS; i++) {
        made |= steps[i].what == MAKE && steps[i].group == 1 && s->acked[i];
        removed |= steps[i].what == REMOVE && s->acked[i];
    }
    if (open_store(f, NULL, &err) != ZO_OK || look(f, &x, &err) != ZO_OK)
        WRONG("%s", err.message);
    for (int g = 0; g < GROUPS; g++)
        if (!judge_group(&x, s, g, why, size))
            return false;
    if (x.damaged || (made && !x.own_key))
        WRONG("a model's own key is missing, or something is damaged");
    for (int i = 0; i < 600 && (x.pending || (removed && x.of_removed)); i++) {
        usleep(5000);
        if (look(f, &x, &err) != ZO_OK)
            WRONG("%s", err.message);
    }
    if (x.pending || (removed && x.of_removed))
        WRONG("the erasure does not come to its end");
    for (int g = 0; g < GROUPS; g++)
        if (x.forgotten[g] && (x.key[g] || !x.tombstone[g]))
            WRONG("group %d is erased, and its %s", g, x.key[g] ? "key is left" : "tombstone is lost");
    return true;
}

/* The key of what was forgotten is gone when the forget is acknowledged, before any erasure at the next start. */
static bool keys_are_gone(const fx *f, const script *s, char *why, size_t size)
{
    char name[400];
    sqlite3 *db = NULL;
    bool good = true;

    snprintf(name, sizeof name, "%s-keys", f->path);
    if (access(name, F_OK) != 0)
        return true;
    assert_int_equal(sqlite3_open(name, &db), SQLITE_OK);
    for (int i = 0; i < STEPS && good; i++)
        if (s->acked[i] && steps[i].what == FORGET) {
            sqlite3_stmt *q = NULL;

            if (sqlite3_prepare_v2(db, "SELECT 1 FROM keys WHERE key = ?1", -1, &q, NULL) != SQLITE_OK ||
                sqlite3_bind_int64(q, 1, key_of(steps[i].group)) != SQLITE_OK || sqlite3_step(q) != SQLITE_DONE) {
                snprintf(why, size, "the key of group %d outlives its forget: %s", steps[i].group, sqlite3_errmsg(db));
                good = false;
            }
            sqlite3_finalize(q);
        }
    sqlite3_close(db);
    return good;
}

/* ---- sweeps ---- */
static bool run(const sweep *w, uint64_t k, uint64_t *points)
{
    void *state;
    char why[600];
    zo_error err = {0};
    script s = {0};

    fx_setup_closed(&state);
    fx *f = state;
    sweep_arm(w, k);
    if (open_store(f, sweep_vfs(w), &err) == ZO_OK)
        run_script(f, &s);
    const bool struck = sweep_disarm(w, points);
    if (!struck && s.first[0])
        fail_msg("without a fault: %s", s.first);
    zo_store_close(f->st);
    f->st = NULL;
    if (!verify(f, &s, why, sizeof why))
        fail_msg("%s %llu: %s; after: %s", w->name, (unsigned long long)k, why, s.first);
    fx_teardown(&state);
    return struck;
}

static void sweep_all(void **state)
{
    sweep_points(*state, SAMPLED, run);
}

/* ---- power cuts ---- */
static void record(fx *f, script *s)
{
    zo_error err = {0};

    assert_int_equal(open_store(f, NULL, &err), ZO_OK); /* recording starts with a sound empty file */
    zo_store_close(f->st);
    zo_fault_record_start(f->dir);
    assert_int_equal(open_store(f, ZO_FAULT_VFS, &err), ZO_OK);
    run_script(f, s);
    for (int i = 0; i < STEPS; i++)
        if (!s->acked[i])
            fail_msg("without a fault: %s", s->first);
    zo_store_close(f->st);
    f->st = NULL;
    zo_fault_record_stop();
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, ".db-wal") >= STEPS);
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, "-keys-wal") >= STEPS);
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, ".db-keys") > 0); /* checkpoints of both files */
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, ".db") > 0);
}

static uint64_t cut_everywhere(fx *f, const script *whole, bool deaf, uint64_t every)
{
    static const zo_fault_cut kinds[] = {ZO_FAULT_CUT_DROP, ZO_FAULT_CUT_TEAR, ZO_FAULT_CUT_KEEP, ZO_FAULT_CUT_MIX};
    zo_fault_replay *r = zo_fault_replay_new(deaf);
    const uint64_t n = zo_fault_record_ops();
    uint64_t bad = 0, cuts = 0;
    char why[600];

    for (uint64_t i = 0; i <= n; i += every) {
        script s = *whole;

        for (int k = 0; k < STEPS; k++)
            s.acked[k] = s.ops[k] <= i;
        zo_fault_replay_to(r, i);
        for (size_t k = 0; k < (deaf ? 1 : deep() ? 4 : 2); k++, cuts++) {
            zo_fault_replay_build(r, f->dir, kinds[k], i * 7919 + k);
            if (!keys_are_gone(f, &s, why, sizeof why) || !verify(f, &s, why, sizeof why))
                if (bad++ == 0 && !deaf)
                    print_message("cut after %llu of %llu, kind %d: %s\n", (unsigned long long)i, (unsigned long long)n,
                                  (int)kinds[k], why);
            zo_store_close(f->st);
            f->st = NULL;
        }
    }
    zo_fault_replay_free(r);
    print_message("%llu operations, %llu cuts, %llu with losses\n", (unsigned long long)n, (unsigned long long)cuts,
                  (unsigned long long)bad);
    return bad;
}

static void two_files_agree_after_any_power_cut(void **state)
{
    script s = {0};

    record(*state, &s);
    assert_int_equal(cut_everywhere(*state, &s, false, deep() ? 1 : 2), 0);
}

/* The counter-test: this very harness must find the losses of a disk that ignores syncs. */
static void a_disk_that_ignores_syncs_is_caught(void **state)
{
    script s = {0};

    record(*state, &s);
    assert_true(cut_everywhere(*state, &s, true, 7) > 0);
}

/* A write that is refused while others of its batch land changes neither file. */
static void a_refused_forget_destroys_no_key(void **state)
{
    static const uint8_t hash[32] = {1};
    fx *f = *state;
    zo_error err = {0};
    zo_op op[8];
    size_t n = 0;
    found x;

    assert_int_equal(open_store(f, NULL, &err), ZO_OK);
    assert_int_equal(commit_make(f, 1, &err), ZO_OK);
    assert_int_equal(commit_group(f, LEARN, 0, 1, 0, &err), ZO_OK);
    chain(op, &n, ZO_OP_PART_DROP, 1)->u.part.part = 1;
    chain(op, &n, ZO_OP_KEY_DROP, 1)->u.key.key = key_of(0);
    const zo_history taken = {.owner = 1, .seq = 1, .request = 1, .body = "f0", .hash = hash};
    chain(op, &n, ZO_OP_HISTORY, 1)->u.history.entry = &taken;
    zo_write w = {.ops = op};
    assert_int_equal(fx_commit(f, &w), ZO_ECONFLICT);
    assert_int_equal(look(f, &x, &err), ZO_OK);
    assert_true(x.part[0] && x.key[0]);
}

/* One forget in a store that stays open, whose k-th write fails. When it could not touch FILE-keys after its commit,
 * the erasure must. True: that is what happened. */
static bool forget_with_a_lost_write(fx *f, uint64_t k, bool *struck)
{
    zo_error err = {0};
    found x;

    assert_int_equal(open_store(f, ZO_FAULT_VFS, &err), ZO_OK);
    assert_int_equal(commit_make(f, 1, &err), ZO_OK);
    assert_int_equal(commit_group(f, LEARN, 0, 1, 0, &err), ZO_OK);
    assert_int_equal(count_in_keys(f, "keys"), 2); /* the model's and the group's */
    looks_at_ack = true;
    zo_fault_vfs_arm(ZO_FAULT_WRITE, ZO_FAULT_EIO, k, false);
    const zo_status rc = commit_group(f, FORGET, 0, 2, 1, &err);
    looks_at_ack = false;
    for (x.pending = rc == ZO_OK; x.pending && zo_store_writable(f->st); usleep(5000))
        assert_int_equal(look(f, &x, &err), ZO_OK);
    if (rc == ZO_OK && !x.pending) { /* a write to the database that fails stops all of them until a restart */
        assert_int_equal(count_in_keys(f, "keys"), 1);
        assert_int_equal(count_in_keys(f, "tombstones"), 1);
    }
    *struck = zo_fault_vfs_disarm();
    return rc == ZO_OK && keys_at_ack == 2;
}

static void the_erasure_makes_up_for_what_a_forget_could_not(void **state)
{
    bool struck = true;
    int made_up = 0;

    (void)state;
    for (uint64_t k = 1; struck; k++) {
        void *own;

        fx_setup_closed(&own);
        made_up += forget_with_a_lost_write(own, k, &struck);
        fx_teardown(&own);
    }
    assert_true(made_up > 0);
    print_message("%d writes after the commit made up for\n", made_up);
}

/* A number that FILE-keys knows belongs to a model that this database does not have (any more). */
static void a_new_model_inherits_no_tombstones(void **state)
{
    fx *f = *state;
    zo_error err = {0};
    char name[400];

    assert_int_equal(open_store(f, NULL, &err), ZO_OK);
    assert_int_equal(commit_make(f, 1, &err), ZO_OK);
    zo_store_close(f->st);
    f->st = NULL;
    snprintf(name, sizeof name, "%s-keys", f->path);
    fx_sql(name, "INSERT INTO tombstones (model, kind, tag, request) VALUES (7, 1, x'01', 1)");
    assert_int_equal(open_store(f, NULL, &err), ZO_OK);
    assert_int_equal(zo_store_next_model(f->st), 8);
}

int main(void)
{
    static sweep sweeps[] = {
        {"allocation", 0, 0, false, true},
        {"allocation, for good", 0, 0, true, true},
        {"write: EIO", ZO_FAULT_WRITE, ZO_FAULT_EIO, false, false},
        {"write: full", ZO_FAULT_WRITE, ZO_FAULT_FULL, false, false},
        {"write: full, for good", ZO_FAULT_WRITE, ZO_FAULT_FULL, true, false},
        {"write: short", ZO_FAULT_WRITE, ZO_FAULT_SHORT, false, false},
        {"sync", ZO_FAULT_SYNC, ZO_FAULT_EIO, false, false},
        {"sync, for good", ZO_FAULT_SYNC, ZO_FAULT_EIO, true, false},
        {"open", ZO_FAULT_OPEN, ZO_FAULT_EIO, false, false},
        {"shared memory", ZO_FAULT_SHM, ZO_FAULT_EIO, false, false},
        {"truncate", ZO_FAULT_TRUNCATE, ZO_FAULT_EIO, false, false},
        {"read", ZO_FAULT_READ, ZO_FAULT_EIO, false, false},
        {"anything, for good", ZO_FAULT_ALL, ZO_FAULT_EIO, true, false},
    };
    enum { N = sizeof sweeps / sizeof sweeps[0] };
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup_closed, fx_teardown)
    struct CMUnitTest tests[N + 5] = {[N] = T(two_files_agree_after_any_power_cut),
                                      [N + 1] = T(a_disk_that_ignores_syncs_is_caught),
                                      [N + 2] = T(a_refused_forget_destroys_no_key),
                                      [N + 3] = T(a_new_model_inherits_no_tombstones),
                                      [N + 4] = cmocka_unit_test(the_erasure_makes_up_for_what_a_forget_could_not)};

    zo_fault_vfs_register(false);
    zo_log_set_level(ZO_LOG_OFF);
    for (size_t i = 0; i < N; i++)
        tests[i] = (struct CMUnitTest){.name = sweeps[i].name, .test_func = sweep_all, .initial_state = &sweeps[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
