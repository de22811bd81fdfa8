/* n-th failure sweeps over the store: the k-th allocation, write, sync ... fails, once or for good, for k = 1, 2, ...
 * until none is left to fail. Whatever fails: no crash, no leak, a clear error; nothing that was acknowledged is
 * missing afterwards, nothing half done is there, and after a full disk or exhausted memory the same store goes on.
 * ZEROTH_DEEP=1 takes every point, else about 150 a sweep. */
#include "unit/store/store_fx.h"

#include "base/log.h"
#include "fault/sweep.h"

enum { ROUNDS = 5, PER = 3, STUDIES = 2, SAMPLED = 150 };
static const int64_t T0 = 4000000000000;

typedef struct outcome { /* what the script knows when it is done */
    bool opened, studies[STUDIES];
    int64_t key[STUDIES];
    uint64_t acked[STUDIES], submitted[STUDIES];
    uint64_t reply_seq[ROUNDS]; /* of study 0; 0: none stored */
    bool reply_acked[ROUNDS];
    uint64_t snapshot_acked;
    bool wrong;      /* a read gave what was never written */
    char first[600]; /* first error */
} outcome;

static void note(outcome *o, const zo_error *err)
{
    if (!o->first[0])
        snprintf(o->first, sizeof o->first, "%s", err->message);
}

static zo_status seen(void *ctx, const zo_event *e)
{
    return fx_each(ctx, e);
}

static void read_some(fx *f, outcome *o)
{
    zo_reader *r = NULL;
    zo_error err = {0};
    zo_study_row row, *rows;
    size_t n;
    void *body = NULL;
    uint64_t seq;
    zo_status s = zo_reader_open(f->st, &r, &err);

    if (s == ZO_OK && o->studies[0]) {
        fx_log l = {.study = o->key[0]};

        s = zo_reader_events(r, o->key[0], 0, seen, &l, &err);
        if (l.bad || (s == ZO_OK && (l.n < o->acked[0] || l.n > o->submitted[0])))
            o->wrong = true;
    }
    if (s == ZO_OK) {
        s = zo_reader_study(r, 1, "s0", f->arena, &row, &err);
        if (s == ZO_ENOTFOUND && !o->studies[0])
            s = ZO_OK;
    }
    if (s == ZO_OK)
        s = zo_reader_studies(r, &(zo_study_filter){.tenant = 1, .limit = 10}, f->arena, &rows, &n, &err);
    if (s == ZO_OK && o->snapshot_acked && (s = zo_reader_snapshot(r, o->key[0], 0, &body, &n, &seq, &err)) == ZO_OK)
        zo_free(body);
    if (s != ZO_OK)
        note(o, &err);
    zo_reader_close(r);
}

static void script(fx *f, const char *vfs, outcome *o)
{
    zo_error err = {0};
    static fx_events e[PER];
    fx_study s;
    char name[8], key[16];
    zo_idempotency reply;
    zo_op reply_op, snapshot_op;

    f->opts.vfs = vfs;
    f->opts.wal_passive_bytes = 40 << 10; /* so that both kinds of checkpoints run */
    f->opts.wal_restart_bytes = 80 << 10;
    if (fx_open(f, &err) != ZO_OK) {
        note(o, &err);
        assert_int_not_equal(err.code, ZO_OK);
        assert_true(err.message[0] != '\0');
        return;
    }
    o->opened = true;
    for (int i = 0; i < STUDIES; i++) {
        snprintf(name, sizeof name, "s%d", i);
        fx_study_set(f, &s, name);
        o->key[i] = s.row.study;
        o->submitted[i] = 1;
        if (fx_commit(f, &s.w) == ZO_OK) {
            o->studies[i] = true;
            o->acked[i] = 1;
        } else {
            note(o, &s.w.err);
        }
    }
    for (int round = 0; round < ROUNDS; round++) {
        /* two writes of study 0, the second with a reply and a snapshot; one of study 1. What failed is not built upon.
         */
        uint64_t at0 = o->acked[0] + 1;
        const uint64_t at1 = o->acked[1] + 1;

        if (!o->studies[0] || !o->studies[1])
            break;
        for (int i = 0; i < PER; i++)
            fx_events_set(&e[i], o->key[i == 1], i == 0 ? at0 : i == 1 ? at1 : at0 + 2, 2);
        snprintf(key, sizeof key, "key-%d", round);
        reply = (zo_idempotency){.tenant = 1,
                                 .key = key,
                                 .route = "r",
                                 .body = "b",
                                 .body_bytes = 1,
                                 .status = 200,
                                 .reply = "x",
                                 .reply_bytes = 1,
                                 .at_ms = T0};
        reply_op = (zo_op){.kind = ZO_OP_IDEMPOTENCY, .u.idempotency = &reply, .next = &snapshot_op};
        snapshot_op = (zo_op){.kind = ZO_OP_SNAPSHOT, .study = o->key[0], .u.snapshot = {0, at0 + 3, e, 20000}};
        e[2].op.next = &reply_op;
        o->reply_seq[round] = at0 + 3;
        o->submitted[0] = at0 + 3;
        o->submitted[1] = at1 + 1;
        e[0].w.next = &e[1].w;
        e[1].w.next = &e[2].w;
        if (fx_commit(f, &e[0].w) != ZO_OK)
            note(o, e[0].w.status ? &e[0].w.err : e[1].w.status ? &e[1].w.err : &e[2].w.err);
        if (e[0].w.status == ZO_OK)
            o->acked[0] = at0 + 1;
        if (e[1].w.status == ZO_OK)
            o->acked[1] = at1 + 1;
        if (e[2].w.status == ZO_OK) {
            assert_int_equal(e[0].w.status, ZO_OK);
            o->acked[0] = at0 + 3;
            o->reply_acked[round] = true;
            o->snapshot_acked = at0 + 3;
        }
        if (round % 2 == 1)
            read_some(f, o);
    }
}

/* With the fault gone: unless an I/O error made it read-only, the store takes writes again. */
static void go_on(fx *f, outcome *o)
{
    if (!o->opened)
        return;
    for (int i = 0; i < STUDIES; i++)
        if (o->studies[i]) {
            const zo_status s = fx_append(f, o->key[i], o->acked[i] + 1, 1);

            if (zo_store_writable(f->st)) {
                if (s != ZO_OK)
                    fail_msg("a writable store refuses a write (%d) after: %s", (int)s, o->first);
                o->acked[i]++;
                o->submitted[i] = o->submitted[i] > o->acked[i] ? o->submitted[i] : o->acked[i];
            } else {
                assert_int_equal(s, ZO_ESTORE);
            }
        }
}

static void print_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_message("check: %s\n", line);
}

static void verify(fx *f, const outcome *o)
{
    bool clean = true;
    zo_error err = {0};
    zo_idempotency got;
    uint64_t n[STUDIES];

    f->opts.vfs = NULL;
    f->opts.wal_passive_bytes = f->opts.wal_restart_bytes = 0;
    if (access(f->path, F_OK) != 0)
        assert_false(o->opened);
    else if (zo_store_check(f->path, print_finding, NULL, &clean, &err) != ZO_OK || !clean)
        fail_msg("check: %s; after: %s", err.message, o->first);
    fx_reopen(f);
    for (int i = 0; i < STUDIES; i++) {
        n[i] = fx_count(f, o->key[i]);
        if (n[i] < o->acked[i] || n[i] > o->submitted[i])
            fail_msg("study %d: %llu events, acknowledged %llu of %llu; after: %s", i, (unsigned long long)n[i],
                     (unsigned long long)o->acked[i], (unsigned long long)o->submitted[i], o->first);
    }
    zo_arena_reset(f->arena);
    for (int i = 0; i < ROUNDS; i++) {
        char key[16];

        snprintf(key, sizeof key, "key-%d", i);
        const zo_status s = zo_reader_idempotency(f->r, 1, key, "r", "b", 1, T0, f->arena, &got, &err);
        if (o->reply_acked[i])
            assert_int_equal(s, ZO_OK);
        if (s == ZO_OK)
            assert_true(n[0] >= o->reply_seq[i]);
    }
    /* and it takes writes */
    if (o->studies[0])
        assert_int_equal(fx_append(f, o->key[0], n[0] + 1, 1), ZO_OK);
    fx_create(f, "afterwards");
}

/* One run with a fault at point k; false when there was no such point. */
static bool run(const sweep *w, uint64_t k, uint64_t *points)
{
    void *state;
    bool struck;
    outcome o = {0};

    fx_setup_closed(&state);
    fx *f = state;
    sweep_arm(w, k);
    script(f, sweep_vfs(w), &o);
    struck = sweep_disarm(w, points);
    if (o.wrong)
        fail_msg("%s %llu: a read was wrong; after: %s", w->name, (unsigned long long)k, o.first);
    if (!struck && o.first[0])
        fail_msg("without a fault: %s", o.first);
    go_on(f, &o);
    zo_store_close(f->st);
    f->st = NULL;
    verify(f, &o);
    fx_teardown(&state);
    return struck;
}

static void sweep_all(void **state)
{
    sweep_points(*state, SAMPLED, run);
}

int main(void)
{
    static sweep sweeps[] = {
        {"allocation", 0, 0, false, true},
        {"allocation, for good", 0, 0, true, true},
        {"write: EIO", ZO_FAULT_WRITE, ZO_FAULT_EIO, false, false},
        {"write: EIO, for good", ZO_FAULT_WRITE, ZO_FAULT_EIO, true, false},
        {"write: full", ZO_FAULT_WRITE, ZO_FAULT_FULL, false, false},
        {"write: full, for good", ZO_FAULT_WRITE, ZO_FAULT_FULL, true, false},
        {"write: short", ZO_FAULT_WRITE, ZO_FAULT_SHORT, false, false},
        {"write: short, for good", ZO_FAULT_WRITE, ZO_FAULT_SHORT, true, false},
        {"sync", ZO_FAULT_SYNC, ZO_FAULT_EIO, false, false},
        {"sync, for good", ZO_FAULT_SYNC, ZO_FAULT_EIO, true, false},
        {"sync: full", ZO_FAULT_SYNC, ZO_FAULT_FULL, false, false},
        {"truncate", ZO_FAULT_TRUNCATE, ZO_FAULT_EIO, false, false},
        {"open", ZO_FAULT_OPEN, ZO_FAULT_EIO, false, false},
        {"open, for good", ZO_FAULT_OPEN, ZO_FAULT_EIO, true, false},
        {"open: full", ZO_FAULT_OPEN, ZO_FAULT_FULL, false, false},
        {"shared memory: EIO", ZO_FAULT_SHM, ZO_FAULT_EIO, false, false},
        {"shared memory: full", ZO_FAULT_SHM, ZO_FAULT_FULL, false, false},
        {"shared memory, for good", ZO_FAULT_SHM, ZO_FAULT_EIO, true, false},
        {"read", ZO_FAULT_READ, ZO_FAULT_EIO, false, false},
        {"read, for good", ZO_FAULT_READ, ZO_FAULT_EIO, true, false},
        {"delete", ZO_FAULT_DELETE, ZO_FAULT_EIO, false, false},
        {"anything, for good", ZO_FAULT_ALL, ZO_FAULT_EIO, true, false},
    };
    struct CMUnitTest tests[sizeof sweeps / sizeof sweeps[0]];

    zo_fault_vfs_register(false);
    zo_log_set_level(ZO_LOG_OFF);
    for (size_t i = 0; i < sizeof sweeps / sizeof sweeps[0]; i++)
        tests[i] = (struct CMUnitTest){.name = sweeps[i].name, .test_func = sweep_all, .initial_state = &sweeps[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
