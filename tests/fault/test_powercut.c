/* Power cuts: a workload through the real store, cut at every file operation; then the real store opens what a disk may
 * hold and nothing that was acknowledged may be missing. ZEROTH_DEEP=1 for more work, more kinds
 * of cuts. */
#include "unit/store/store_fx.h"

#include <stdatomic.h>
#include "fault/sweep.h"

enum { MAX_STUDIES = 16, MAX_ACKS = 20000, MAX_OUT = 4, PER_LIST = 5 };
static const int64_t T0 = 4000000000000;

/* One write and what it promises once acknowledged. */
typedef struct job {
    zo_write w;
    zo_op op[4];
    zo_event items[4];
    uint8_t bodies[4][FX_MAX_BODY];
    zo_study_row row;
    zo_idempotency reply;
    char id[30], key[24], snapshot[2000];
    int study;             /* index */
    uint64_t seq;          /* last event in it */
    uint64_t snapshot_seq; /* 0: none */
    bool creates, deletes, replies;
} job;

typedef struct ack {
    uint64_t ops;
    int study;
    uint64_t seq, snapshot_seq;
    bool creates, deletes;
    int reply;
} ack;
typedef struct subject {
    int64_t key;
    char id[30];
    uint64_t submitted, acked, snapshot_acked;
    bool delete_submitted, created, deleted;
} subject;

static struct {
    pthread_mutex_t mu;
    pthread_cond_t back;
    size_t out; /* lists submitted and not back */
    ack acks[MAX_ACKS];
    size_t n_acks;
    subject s[MAX_STUDIES];
    int n_studies;
    uint64_t reply_seq[MAX_ACKS]; /* reply i was stored with event reply_seq[i] of study reply_study[i] */
    int reply_study[MAX_ACKS], n_replies;
} world;

static void acknowledged(zo_write *list, void *ctx) /* [store] */
{
    const uint64_t ops = zo_fault_record_ops();

    (void)ctx;
    pthread_mutex_lock(&world.mu);
    for (zo_write *w = list, *next; w; w = next) {
        job *j = (job *)(void *)w;

        next = w->next;
        assert_int_equal(w->status, ZO_OK);
        world.acks[world.n_acks++] = (ack){.ops = ops,
                                           .study = j->study,
                                           .seq = j->seq,
                                           .snapshot_seq = j->snapshot_seq,
                                           .creates = j->creates,
                                           .deletes = j->deletes};
        if (w->owner)
            world.out--; /* the last of its list */
        free(j);
    }
    pthread_cond_signal(&world.back);
    pthread_mutex_unlock(&world.mu);
}

static uint64_t random_next(uint64_t *s)
{
    *s = *s * 6364136223846793005u + 1442695040888963407u;
    return *s >> 33;
}

static zo_op *add_op(job *j, size_t *n)
{
    zo_op *o = &j->op[(*n)++];

    if (*n > 1)
        j->op[*n - 2].next = o;
    return o;
}

static job *new_study(zo_store *st)
{
    job *j = calloc(1, sizeof *j);
    size_t n = 0;
    subject *s = &world.s[world.n_studies];

    *s = (subject){.key = zo_store_next_study(st), .submitted = 1};
    zo_store_new_id(st, "st_", s->id);
    memcpy(j->id, s->id, sizeof j->id);
    j->row = (zo_study_row){.study = s->key,
                            .tenant = 1,
                            .id = j->id,
                            .state = "active",
                            .spec = "{}",
                            .created_ms = 1,
                            .updated_ms = 1,
                            .revision = 1};
    zo_op *o = add_op(j, &n);
    *o = (zo_op){.kind = ZO_OP_STUDY_CREATE, .u.row = &j->row};
    j->items[0] = fx_event(s->key, 1, j->bodies[0]);
    o = add_op(j, &n);
    *o = (zo_op){.kind = ZO_OP_EVENTS, .study = s->key, .u.events = {j->items, 1}};
    j->op[0].next = o;
    j->study = world.n_studies++;
    j->seq = 1;
    j->creates = true;
    j->w.ops = &j->op[0];
    return j;
}

/* Some events; often the study's row, now and then a remembered reply, a snapshot, a deletion. */
static job *new_work(int study, uint64_t *dice)
{
    job *j = calloc(1, sizeof *j);
    subject *s = &world.s[study];
    const uint64_t kind = random_next(dice) % 16;
    const size_t n_events = 1 + random_next(dice) % 4;
    size_t n = 0;

    j->study = study;
    for (size_t i = 0; i < n_events; i++)
        j->items[i] = fx_event(s->key, ++s->submitted, j->bodies[i]);
    j->seq = s->submitted;
    *add_op(j, &n) = (zo_op){.kind = ZO_OP_EVENTS, .study = s->key, .u.events = {j->items, n_events}};
    j->row = (zo_study_row){.revision = s->submitted, .updated_ms = (int64_t)s->submitted};
    *add_op(j, &n) = (zo_op){.kind = ZO_OP_STUDY_UPDATE, .study = s->key, .u.row = &j->row};
    if (kind < 4) {
        snprintf(j->key, sizeof j->key, "key-%d", world.n_replies);
        world.reply_seq[world.n_replies] = s->submitted;
        world.reply_study[world.n_replies++] = study;
        j->reply = (zo_idempotency){.tenant = 1,
                                    .key = j->key,
                                    .route = "r",
                                    .body = "b",
                                    .body_bytes = 1,
                                    .status = 200,
                                    .reply = j->key,
                                    .reply_bytes = strlen(j->key),
                                    .at_ms = T0};
        *add_op(j, &n) = (zo_op){.kind = ZO_OP_IDEMPOTENCY, .u.idempotency = &j->reply};
    } else if (kind == 4) {
        memset(j->snapshot, (int)(s->submitted & 0xff), sizeof j->snapshot);
        j->snapshot_seq = s->submitted;
        *add_op(j, &n) = (zo_op){
            .kind = ZO_OP_SNAPSHOT, .study = s->key, .u.snapshot = {0, s->submitted, j->snapshot, sizeof j->snapshot}};
    } else if (kind == 5 && study >= 4) {
        s->delete_submitted = j->deletes = true;
        *add_op(j, &n) = (zo_op){.kind = ZO_OP_STUDY_DELETE, .study = s->key};
    }
    for (size_t i = 0; i + 1 < n; i++)
        j->op[i].next = &j->op[i + 1];
    j->w.ops = &j->op[0];
    return j;
}

static void submit(zo_store *st, zo_write *list)
{
    zo_write *last = list;

    while (last->next)
        last = last->next;
    last->owner = &world;
    pthread_mutex_lock(&world.mu);
    while (world.out >= MAX_OUT) /* some lists are on their way at once, so that batches form */
        pthread_cond_wait(&world.back, &world.mu);
    world.out++;
    pthread_mutex_unlock(&world.mu);
    zo_store_submit(st, list);
}

static void run_workload(fx *f, int lists)
{
    uint64_t dice = 42;
    zo_error err = {0};

    memset(&world, 0, sizeof world);
    pthread_mutex_init(&world.mu, NULL);
    pthread_cond_init(&world.back, NULL);
    fx_reopen(f); /* make the file; recording starts with a sound empty one */
    zo_reader_close(f->r);
    f->r = NULL;
    zo_store_close(f->st);
    zo_fault_vfs_register(false);
    zo_fault_record_start(f->dir);
    zo_store_opts o = {.path = f->path,
                       .committed = acknowledged,
                       .vfs = ZO_FAULT_VFS,
                       .wal_passive_bytes = 48 << 10,
                       .wal_restart_bytes = 128 << 10};
    if (zo_store_open(&o, &f->st, &err) != ZO_OK)
        fail_msg("%s", err.message);
    for (int i = 0; i < 4; i++)
        submit(f->st, &new_study(f->st)->w);
    for (int i = 0; i < lists; i++) {
        zo_write *list = NULL, **end = &list;

        if (world.n_studies < MAX_STUDIES && random_next(&dice) % 12 == 0) {
            *end = &new_study(f->st)->w;
            end = &(*end)->next;
        }
        for (uint64_t k = 1 + random_next(&dice) % PER_LIST; k > 0; k--) {
            const int study = (int)(random_next(&dice) % (uint64_t)world.n_studies);

            if (!world.s[study].delete_submitted) {
                *end = &new_work(study, &dice)->w;
                end = &(*end)->next;
            }
        }
        if (list)
            submit(f->st, list);
        if (i % 16 == 15)
            usleep(2000); /* idle for a moment: purges run */
    }
    assert_int_equal(zo_store_close(f->st), ZO_OK);
    f->st = NULL;
    zo_fault_record_stop();
    assert_int_equal(world.out, 0);
}

static void print_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_message("check: %s\n", line);
}

typedef struct verdict {
    uint64_t lost;
    char why[600];
} verdict;

#define LOST(...) (v->lost++, (void)snprintf(v->why, sizeof v->why, __VA_ARGS__))

static void verify_study(zo_reader *r, const subject *s, zo_arena *arena, uint64_t *n_out, verdict *v)
{
    zo_study_row row;
    zo_error err = {0};
    fx_log l = {.study = s->key};
    const zo_status rc = zo_reader_study(r, 1, s->id, arena, &row, &err);

    *n_out = UINT64_MAX; /* unknown: deleted */
    if (rc == ZO_ENOTFOUND) {
        if (s->created && !s->delete_submitted)
            LOST("study %lld is missing", (long long)s->key);
        if (!s->created && !s->delete_submitted) /* else it may have come and gone unacknowledged */
            *n_out = 0;
        return;
    }
    if (rc != ZO_OK) {
        LOST("%s", err.message);
        return;
    }
    if (s->deleted)
        LOST("study %lld came back from deletion", (long long)s->key);
    if (zo_reader_events(r, s->key, 0, fx_each, &l, &err) != ZO_OK)
        LOST("%s", err.message);
    else if (l.bad || l.n < s->acked || l.n > s->submitted)
        LOST("study %lld: %llu events, acknowledged %llu of %llu", (long long)s->key, (unsigned long long)l.n,
             (unsigned long long)s->acked, (unsigned long long)s->submitted);
    else if (row.revision != l.n)
        LOST("study %lld: revision %llu beside %llu events", (long long)s->key, (unsigned long long)row.revision,
             (unsigned long long)l.n);
    if (s->snapshot_acked > 0) {
        void *body = NULL;
        size_t bytes;
        uint64_t seq = 0;

        if (zo_reader_snapshot(r, s->key, 0, &body, &bytes, &seq, &err) != ZO_OK || seq < s->snapshot_acked ||
            seq > l.n)
            LOST("study %lld: snapshot of event %llu", (long long)s->key, (unsigned long long)seq);
        zo_free(body);
    }
    *n_out = l.n;
}

static void verify(fx *f, bool with_write, verdict *v)
{
    bool clean = true;
    zo_error err = {0};
    uint64_t n[MAX_STUDIES];
    zo_store *st = NULL;
    zo_reader *r = NULL;
    zo_store_opts o = {.path = f->path, .committed = fx_committed, .ctx = f};

    v->lost = 0;
    if (zo_store_check(f->path, print_finding, NULL, &clean, &err) != ZO_OK || !clean) {
        LOST("check: %s", err.message);
        return;
    }
    if (zo_store_open(&o, &st, &err) != ZO_OK || zo_reader_open(st, &r, &err) != ZO_OK) {
        LOST("open: %s", err.message);
        zo_store_close(st);
        return;
    }
    zo_arena_reset(f->arena);
    for (int i = 0; i < world.n_studies; i++)
        verify_study(r, &world.s[i], f->arena, &n[i], v);
    /* A reply is remembered if and only if its event is in the log: one transaction. */
    for (int i = 0; i < world.n_replies; i++) {
        zo_idempotency got;
        char key[24];
        const uint64_t have = n[world.reply_study[i]];

        if (have == UINT64_MAX)
            continue;
        snprintf(key, sizeof key, "key-%d", i);
        if ((zo_reader_idempotency(r, 1, key, "r", "b", 1, T0, f->arena, &got, &err) == ZO_OK) !=
            (have >= world.reply_seq[i]))
            LOST("%s does not fit its event", key);
    }
    if (with_write && n[0] != UINT64_MAX && n[0] > 0) {
        f->st = st;
        if (fx_append(f, world.s[0].key, n[0] + 1, 3) != ZO_OK)
            LOST("the store does not take writes");
        f->st = NULL;
    }
    zo_reader_close(r);
    if (zo_store_close(st) != ZO_OK)
        LOST("the store closed with a failure");
}

/* Cut after each operation; at each, the acknowledged state is what had come back by then. */
static uint64_t cut_everywhere(fx *f, bool deaf, uint64_t every, const zo_fault_cut *kinds, size_t n_kinds,
                               verdict *first)
{
    const uint64_t n = zo_fault_record_ops();
    zo_fault_replay *r = zo_fault_replay_new(deaf);
    size_t a = 0;
    uint64_t cuts = 0, bad = 0;

    for (int i = 0; i < world.n_studies; i++) {
        world.s[i].acked = world.s[i].snapshot_acked = 0;
        world.s[i].created = world.s[i].deleted = false;
    }
    for (uint64_t i = 0; i <= n; i += every) {
        zo_fault_replay_to(r, i);
        for (; a < world.n_acks && world.acks[a].ops <= i; a++) {
            const ack *k = &world.acks[a];
            subject *s = &world.s[k->study];

            s->acked = k->seq;
            s->created = s->created || k->creates;
            s->deleted = s->deleted || k->deletes;
            s->snapshot_acked = k->snapshot_seq ? k->snapshot_seq : s->snapshot_acked;
        }
        for (size_t k = 0; k < n_kinds; k++) {
            verdict v;

            zo_fault_replay_build(r, f->dir, kinds[k], i * 7919 + k);
            verify(f, i % 16 == 0, &v);
            cuts++;
            if (v.lost > 0 && bad++ == 0) {
                *first = v;
                if (!deaf)
                    print_message("cut after %llu of %llu operations, kind %d: %s\n", (unsigned long long)i,
                                  (unsigned long long)n, (int)kinds[k], v.why);
            }
        }
    }
    zo_fault_replay_free(r);
    print_message("%llu operations, %llu cuts, %llu with losses\n", (unsigned long long)n, (unsigned long long)cuts,
                  (unsigned long long)bad);
    return bad;
}

static void nothing_acknowledged_is_lost(void **state)
{
    fx *f = *state;
    verdict first = {0};
    static const zo_fault_cut all[] = {ZO_FAULT_CUT_DROP, ZO_FAULT_CUT_KEEP, ZO_FAULT_CUT_MIX, ZO_FAULT_CUT_TEAR,
                                       ZO_FAULT_CUT_TEAR};
    static const zo_fault_cut few[] = {ZO_FAULT_CUT_DROP, ZO_FAULT_CUT_TEAR};

    run_workload(f, deep() ? 400 : 120);
    print_message("%zu writes, %d studies, %d replies\n", world.n_acks, world.n_studies, world.n_replies);
    print_message("%llu commits synced, %llu checkpoints\n",
                  (unsigned long long)zo_fault_record_count(ZO_RECORD_SYNC, "-wal"),
                  (unsigned long long)zo_fault_record_count(ZO_RECORD_SYNC, ".db"));
    assert_true(zo_fault_record_ops() > 300);
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, ".db") >= 5); /* cuts amid checkpoints, and the log starts over */
    if (deep())
        assert_int_equal(cut_everywhere(f, false, 1, all, 5, &first), 0);
    else
        assert_int_equal(cut_everywhere(f, false, 1, few, 2, &first), 0);
}

/* The counter-test: a disk that ignores syncs of the log must make this very harness find losses. */
static void a_disk_that_ignores_syncs_is_caught(void **state)
{
    fx *f = *state;
    verdict first = {0};
    static const zo_fault_cut drop[] = {ZO_FAULT_CUT_DROP};

    run_workload(f, 40);
    assert_true(cut_everywhere(f, true, 7, drop, 1, &first) > 0);
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup_closed, fx_teardown)
    const struct CMUnitTest tests[] = {T(nothing_acknowledged_is_lost), T(a_disk_that_ignores_syncs_is_caught)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
