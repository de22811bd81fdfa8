/* Power cuts under asks, tells and checkpoints: a workload through the runtime, cut at every file operation; then the
 * log is opened as a disk may hold it, replayed with every candidate computed again, and compared with what clients had
 * been told by then. ZEROTH_DEEP=1 cuts everywhere and in all ways. */
#include "fault/runtime_fx.h"

enum { STUDIES = 3, MAX_ACKS = 4000 };

/* One acknowledgement: what it rests on and what it promised. */
typedef struct ack {
    uint64_t ops;
    int study;
    enum ack_kind { ACK_ASK, ACK_TELL, ACK_BRING } kind;
    uint64_t number;
    double value; /* x for an ask */
} ack;

static ack acks[MAX_ACKS];
static size_t n_acks;
static unsigned n_sent[STUDIES]; /* commands that may have made a trial */
static uint64_t made_at;         /* operations when all studies were acknowledged */

typedef struct order {
    cmd m;
    int study;
    enum ack_kind kind;
    uint64_t ops;
} order;

static const char *const names[STUDIES] = {"s0", "s1", "s2"};
static const char *const specs[STUDIES] = {
    NULL,
    "{\"seed\": 9, \"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, \"high\": 1}, "
    "{\"name\": \"y\", \"type\": \"float\", \"low\": -5, \"high\": 5}], "
    "\"objectives\": [{\"name\": \"loss\", \"goal\": \"minimize\"}], \"solver\": {\"name\": \"sobol\", \"options\": "
    "{}}}",
    "{\"seed\": 9, \"lease\": \"1s\", \"retries\": 9, \"space\": [{\"name\": \"x\", \"type\": \"float\", \"low\": 0, "
    "\"high\": 1}, "
    "{\"name\": \"y\", \"type\": \"float\", \"low\": -5, \"high\": 5}], "
    "\"objectives\": [{\"name\": \"loss\", \"goal\": \"minimize\"}], \"solver\": {\"name\": \"auto\", \"options\": "
    "{}}}",
};

/* Called where the daemon would send its replies. */
static void on_acknowledged(zo_cmd *list, void *ctx)
{
    const uint64_t ops = zo_fault_record_ops();

    for (zo_cmd *c = list; c; c = c->next)
        ((order *)(void *)c)->ops = ops;
    on_finished(list, ctx);
}

static void note(order *o)
{
    assert_int_equal(outcome(&o->m), ZO_OK);
    assert_true(n_acks < MAX_ACKS);
    acks[n_acks++] = (ack){.ops = o->ops,
                           .study = o->study,
                           .kind = o->kind,
                           .number = o->m.number,
                           .value = o->kind == ACK_ASK ? o->m.x[0] : o->m.value};
}

static void send_to(fx *f, order *o, int study, enum ack_kind kind, void (*act)(cmd *, zo_ctx *))
{
    cmd_init(&o->m, f, act);
    o->study = study;
    o->kind = kind;
    submit(f, names[study], &o->m);
}

static void workload(fx *f, int rounds)
{
    enum { AT_ONCE = 6 };
    order made[STUDIES], o[AT_ONCE];

    for (int s = 0; s < STUDIES; s++) {
        cmd_init(&made[s].m, f, act_create);
        made[s].m.name = names[s];
        made[s].m.spec = specs[s];
        zo_runtime_submit_directory(f->rt, ZO_STUDIES, 1, &made[s].m.c);
        fx_wait(f, &made[s].m);
        assert_int_equal(outcome(&made[s].m), ZO_OK);
    }
    made_at = zo_fault_record_ops();
    for (int r = 0; r < rounds; r++) {
        uint64_t asked[AT_ONCE];

        for (int i = 0; i < AT_ONCE; i++) {
            send_to(f, &o[i], (r + i) % STUDIES, ACK_ASK, act_ask);
            n_sent[(r + i) % STUDIES]++;
        }
        for (int i = 0; i < AT_ONCE; i++) {
            fx_wait(f, &o[i].m);
            note(&o[i]);
            asked[i] = o[i].m.number;
        }
        for (int i = 0; i < AT_ONCE; i++) {
            const int study = (r + i) % STUDIES;

            if (i % 3 == 2) {
                send_to(f, &o[i], study, ACK_BRING, act_bring);
                n_sent[study]++;
            } else {
                send_to(f, &o[i], study, ACK_TELL, act_tell);
                o[i].m.number = asked[i];
            }
            o[i].m.value = 10.0 * r + i;
        }
        for (int i = 0; i < AT_ONCE; i++) {
            fx_wait(f, &o[i].m);
            note(&o[i]);
        }
        if (r % 10 == 9) { /* and again in between, from snapshots */
            fx_stop(f);
            fx_start(f);
        }
    }
}

static int by_ops(const void *a, const void *b)
{
    const ack *x = a, *y = b;

    return (x->ops > y->ops) - (x->ops < y->ops);
}

static char why[400];
static bool lost(const char *fmt, ...) ZO_PRINTF(1, 2);
static bool lost(const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    vsnprintf(why, sizeof why, fmt, ap);
    va_end(ap);
    return false;
}

static void on_finding(void *ctx, const char *line)
{
    (void)ctx;
    lost("check: %s", line);
}

static zo_status replay_one(void *ctx, const zo_event *e)
{
    zo_error err;

    return zo_study_replay(ctx, e, &err);
}

/* The study as its log has it, every ask done again and compared (R2). False: something is wrong with it. */
static bool read_study(zo_reader *r, int s, bool *there_out, census *out)
{
    zo_arena *arena = zo_arena_new(0);
    zo_study *study = NULL;
    zo_study_row row;
    zo_spec spec;
    zo_error err = {0};
    zo_status rc = zo_reader_study(r, 1, names[s], arena, &row, &err);

    *there_out = rc == ZO_OK;
    out->n = 0;
    if (rc == ZO_OK && (rc = zo_spec_decode_text(row.spec, strlen(row.spec), arena, &spec, &err)) == ZO_OK &&
        (rc = zo_study_new(&spec.study, (zo_now){0}, NULL, &study, &err)) == ZO_OK &&
        (rc = zo_reader_events(r, row.study, 0, replay_one, study, &err)) == ZO_OK)
        census_of(study, out);
    zo_study_free(study);
    zo_arena_free(arena);
    return rc == ZO_OK || !*there_out || lost("study %s: replay: %s", names[s], err.message);
}

/* check: the snapshots against the log, too. */
static bool holds(fx *f, size_t n_due, uint64_t ops, bool check)
{
    static census held[STUDIES];
    bool there[STUDIES], sound = true;
    zo_checked all = {.clean = false};
    zo_error err = {0};
    zo_store *st = NULL;
    zo_reader *r = NULL;
    zo_store_opts so = {.path = f->path};

    if (check && zo_runtime_check(f->path, on_finding, NULL, &all, &err) != ZO_OK)
        return lost("check: %s", err.message);
    if (check && !all.clean)
        return false;
    if (zo_store_open(&so, &st, &err) != ZO_OK || zo_reader_open(st, &r, &err) != ZO_OK)
        return lost("open: %s", err.message);
    for (int s = 0; s < STUDIES; s++)
        sound = read_study(r, s, &there[s], &held[s]) && sound;
    zo_reader_close(r);
    assert_int_equal(zo_store_close(st), ZO_OK);
    if (!sound)
        return false;
    for (int s = 0; s < STUDIES; s++) {
        if (!there[s] && ops >= made_at)
            return lost("study %s is missing", names[s]);
        if (held[s].n > n_sent[s])
            return lost("study %s has %llu trials of %u", names[s], (unsigned long long)held[s].n, n_sent[s]);
    }
    for (size_t i = 0; i < n_due; i++) {
        const ack *k = &acks[i];
        const census *c = &held[k->study];

        if (k->number >= c->n)
            return lost("trial %llu of %s is missing", (unsigned long long)k->number, names[k->study]);
        if (k->kind == ACK_ASK ? c->t[k->number].x != k->value
                               : c->t[k->number].state != ZO_TRIAL_COMPLETE || c->t[k->number].value != k->value)
            return lost("trial %llu of %s is another one", (unsigned long long)k->number, names[k->study]);
    }
    return true;
}

static uint64_t cut(fx *f, bool deaf, uint64_t every, const zo_fault_cut *kinds, size_t n_kinds)
{
    const uint64_t n = zo_fault_record_ops();
    zo_fault_replay *r = zo_fault_replay_new(deaf);
    size_t due = 0;
    uint64_t cuts = 0, bad = 0;

    for (uint64_t i = 0; i <= n; i += every) {
        zo_fault_replay_to(r, i);
        while (due < n_acks && acks[due].ops <= i)
            due++;
        for (size_t k = 0; k < n_kinds; k++) {
            zo_fault_replay_build(r, f->dir, kinds[k], i * 7919 + k);
            cuts++;
            if (holds(f, due, i, cuts % 8 == 0))
                continue;
            if (bad++ == 0 && !deaf)
                print_message("cut after %llu of %llu operations, kind %d: %s\n", (unsigned long long)i,
                              (unsigned long long)n, (int)kinds[k], why);
        }
    }
    zo_fault_replay_free(r);
    print_message("%llu operations, %zu acknowledgements, %llu cuts, %llu with losses\n", (unsigned long long)n, n_acks,
                  (unsigned long long)cuts, (unsigned long long)bad);
    return bad;
}

static void start_recording(fx *f)
{
    zo_runtime_opts o = {.snapshot_every_events = 60, .evict_idle_s = 1};

    fx_init(f, &o);
    n_acks = 0;
    memset(n_sent, 0, sizeof n_sent);
    fx_start(f); /* make the file; recording starts with a sound empty one */
    fx_stop(f);
    f->opts.finished = on_acknowledged;
    f->store_opts = (zo_store_opts){.vfs = ZO_FAULT_VFS, .wal_passive_bytes = 48 << 10, .wal_restart_bytes = 128 << 10};
    zo_fault_record_start(f->dir);
    fx_start(f);
}

static void stop_recording(fx *f)
{
    fx_stop(f);
    zo_fault_record_stop();
    qsort(acks, n_acks, sizeof *acks, by_ops);
}

static void nothing_acknowledged_is_lost(void **state)
{
    static const zo_fault_cut all[] = {ZO_FAULT_CUT_DROP, ZO_FAULT_CUT_KEEP, ZO_FAULT_CUT_MIX, ZO_FAULT_CUT_TEAR,
                                       ZO_FAULT_CUT_TEAR};
    static const zo_fault_cut few[] = {ZO_FAULT_CUT_DROP, ZO_FAULT_CUT_TEAR};
    fx f;

    (void)state;
    start_recording(&f);
    workload(&f, deep() ? 150 : 60);
    stop_recording(&f);
    assert_true(zo_fault_record_ops() > 300);
    assert_true(zo_fault_record_count(ZO_RECORD_SYNC, ".db") >= 5); /* cuts amid checkpoints */
    assert_int_equal(deep() ? cut(&f, false, 1, all, ZO_LEN(all)) : cut(&f, false, 4, few, ZO_LEN(few)), 0);
    fx_fini(&f);
}

/* The counter-test: a disk that ignores syncs of the log must make this very harness find losses. */
static void a_disk_that_ignores_syncs_is_caught(void **state)
{
    static const zo_fault_cut drop[] = {ZO_FAULT_CUT_DROP};
    fx f;

    (void)state;
    start_recording(&f);
    workload(&f, 20);
    stop_recording(&f);
    assert_true(cut(&f, true, 7, drop, 1) > 0);
    fx_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_acknowledged_is_lost),
        cmocka_unit_test(a_disk_that_ignores_syncs_is_caught),
    };

    zo_fault_vfs_register(false);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
