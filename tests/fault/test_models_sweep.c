/* n-th failure sweeps over models, runtime and store together: a script of learns, forgets and relabels on three
 * models, one of each retention, each use of one evicting the others; and the k-th allocation, write, sync ... fails,
 * once or for good. The judge is a book of the live rows and a model taught with just those, through none of the code
 * under test but the sums: whatever fails, what was acknowledged is in the digest, what was refused is not (but for the
 * one write whose sync failed, which may turn up), and the script sent again ends where it ends without a fault.
 * ZEROTH_DEEP=1 takes every point. */
#include "fault/runtime_fx.h"

#include <sodium.h>
#include "models/crypt.h"

enum { MODELS = 3, INPUTS = 3, ROWS = 24, SAMPLED = 40 };
static const char *const names[MODELS] = {"rows", "groups", "none"};
static const char *const labels[] = {"cat", "dog", "eel"};

/* ---- the script ---- */
typedef enum what { MAKE, LEARN, IDS, GROUP, CLASS, RESENT, RELABEL, ALL, REMOVE } what;
static const struct {
    int model;
    what what;
    int first, count, name; /* rows; of a group or class: its number; of RELABEL: the new label */
} steps[] = {
    {0, MAKE, 0, 0, 0},   {0, LEARN, 0, 8, 0}, {0, IDS, 2, 2, 0},    {1, MAKE, 0, 0, 0},   {1, LEARN, 0, 6, 0},
    {1, LEARN, 6, 6, 1},  {2, MAKE, 0, 0, 0},  {2, LEARN, 0, 6, 0},  {0, LEARN, 8, 8, 1},  {1, GROUP, 0, 0, 0},
    {2, LEARN, 6, 6, 1},  {0, GROUP, 0, 0, 1}, {2, RESENT, 1, 4, 0}, {1, LEARN, 12, 8, 2}, {0, RELABEL, 4, 2, 2},
    {1, CLASS, 0, 0, 1},  {0, CLASS, 0, 0, 0}, {2, LEARN, 12, 3, 2}, {0, LEARN, 16, 4, 2}, {2, RESENT, 12, 3, 2},
    {1, LEARN, 20, 4, 0}, {1, ALL, 0, 0, 0},   {2, REMOVE, 0, 0, 0}, {0, IDS, 17, 1, 0},
};
enum { STEPS = ZO_LEN(steps) };

static int label_of_row(int row)
{
    return row * 7 % 3;
}

static double entry_of_row(int row, int column)
{
    return (double)(row * 37 % 64 - 32 + 5 * column) / 64;
}

/* ---- the book ---- */
typedef struct book {
    bool made, removed, live[ROWS];
    int label[ROWS], group[ROWS];
    uint64_t changes, requests;
} book;

static bool any_live(const book *b, int group, int label)
{
    for (int r = 0; r < ROWS; r++)
        if (b->live[r] && (group < 0 || b->group[r] == group) && (label < 0 || b->label[r] == label))
            return true;
    return false;
}

static bool all_live(const book *b, int first, int count)
{
    for (int r = first; r < first + count; r++)
        if (!b->live[r])
            return false;
    return true;
}

static bool can(const book *b, int i)
{
    if (steps[i].what == MAKE)
        return !b->made;
    if (!b->made || b->removed)
        return false;
    switch (steps[i].what) {
    case LEARN:
        for (int r = steps[i].first; r < steps[i].first + steps[i].count; r++)
            if (b->live[r])
                return false;
        return true;
    case GROUP:
        return any_live(b, steps[i].name, -1);
    case CLASS:
        return any_live(b, -1, steps[i].name);
    case ALL:
        return any_live(b, -1, -1);
    default:
        return all_live(b, steps[i].first, steps[i].count);
    }
}

static void leave(book *b, int group, int label)
{
    for (int r = 0; r < ROWS; r++)
        if ((group < 0 || b->group[r] == group) && (label < 0 || b->label[r] == label))
            b->live[r] = false;
}

static void apply(book *b, int i)
{
    const int first = steps[i].first, end = first + steps[i].count;

    b->changes++;
    b->requests += steps[i].what >= IDS && steps[i].what <= ALL && steps[i].what != RELABEL;
    switch (steps[i].what) {
    case MAKE:
        b->made = true;
        break;
    case LEARN:
        for (int r = first; r < end; r++) {
            b->live[r] = true;
            b->label[r] = label_of_row(r);
            b->group[r] = steps[i].name;
        }
        break;
    case IDS:
    case RESENT:
        for (int r = first; r < end; r++)
            b->live[r] = false;
        break;
    case RELABEL:
        for (int r = first; r < end; r++)
            b->label[r] = steps[i].name;
        break;
    case GROUP:
        leave(b, steps[i].name, -1);
        break;
    case CLASS:
        leave(b, -1, steps[i].name);
        break;
    case ALL:
        leave(b, -1, -1);
        break;
    case REMOVE:
        b->removed = true;
        break;
    }
}

static void spec_of(int model, char out[256])
{
    snprintf(
        out, 256,
        "{\"kind\":\"analytic-ridge\",\"inputs\":3,\"range\":1,\"target\":\"classes\",\"retention\":\"%s\",\"seed\":1,"
        "\"bias\":true}",
        names[model]);
}

static void quantised(const zo_model *m, int first, int count, int32_t *x)
{
    double v[ROWS * INPUTS];

    for (int r = 0; r < count; r++)
        for (int c = 0; c < INPUTS; c++)
            v[r * INPUTS + c] = entry_of_row(first + r, c);
    if (zo_model_quantise(m, v, ZO_F64, (size_t)count, x, NULL) != ZO_OK)
        abort();
}

/* The digest of a model that never saw anything but the book's live rows. */
static void digest_of(const book *b, int model, uint8_t out[CRYPT_HASH_BYTES])
{
    zo_arena *arena = zo_arena_new(0);
    zo_model_spec spec;
    zo_model *m = NULL;
    char text[256];

    spec_of(model, text);
    assert_int_equal(zo_model_spec_decode_text(text, strlen(text), arena, &spec, NULL), ZO_OK);
    assert_int_equal(zo_model_new(&spec.model, &m, NULL), ZO_OK);
    for (int r = 0; r < ROWS; r++) {
        int32_t x[INPUTS];
        zo_rows rows = {.x = x, .n = 1};

        if (!b->live[r])
            continue;
        quantised(m, r, 1, x);
        assert_int_equal(zo_model_class(m, labels[b->label[r]], &rows.cls, NULL), ZO_OK);
        assert_int_equal(zo_model_accumulate(m, &rows, 1, NULL, NULL), ZO_OK);
    }
    assert_int_equal(crypt_state_digest(m, out, NULL), ZO_OK);
    zo_model_free(m);
    zo_arena_free(arena);
}

/* ---- commands ---- */
typedef struct command {
    cmd m; /* first */
    int step, model;
    uint8_t digest[CRYPT_HASH_BYTES];
    uint64_t sequence, request;
} command;

static void act_make(cmd *m, zo_ctx *x)
{
    zo_study_row row = {.name = names[((command *)(void *)m)->model]}, existing = {0};
    char text[256];
    zo_live *live;

    spec_of(((command *)(void *)m)->model, text);
    row.spec = text;
    m->rc = zo_ctx_create_model(x, &row, &existing, &live, &m->err);
}

static zo_status forget(const command *c, zo_ctx *x, const zo_learn *rows, const char *const *ids, zo_error *err)
{
    char name[16];
    zo_forget in = {.ids = ids, .n_ids = (size_t)steps[c->step].count, .name = name, .rows = *rows};
    zo_forgotten out;

    snprintf(name, sizeof name, "g%d", steps[c->step].name);
    switch (steps[c->step].what) {
    case IDS:
        in.by = ZO_BY_IDS;
        break;
    case GROUP:
        in.by = ZO_BY_GROUP;
        break;
    case CLASS:
        in.by = ZO_BY_CLASS;
        in.name = labels[steps[c->step].name];
        break;
    case RESENT:
        in.by = ZO_BY_ROWS;
        in.rows.ids = NULL;
        break;
    default:
        in.by = ZO_BY_ALL;
    }
    return zo_live_forget(x->live, x->act, &in, &out, err);
}

static void act_change(cmd *m, zo_ctx *x)
{
    const command *c = (command *)(void *)m;
    const int first = steps[c->step].first, count = steps[c->step].count;
    int32_t numbers[ROWS * INPUTS];
    char text[ROWS][8], group[8];
    const char *ids[ROWS], *given[ROWS];
    uint64_t sequence;

    snprintf(group, sizeof group, "g%d", steps[c->step].name);
    for (int r = 0; r < count; r++) {
        snprintf(text[r], sizeof text[r], "r%d", first + r);
        ids[r] = text[r];
        given[r] = labels[steps[c->step].what == RELABEL ? steps[c->step].name : label_of_row(first + r)];
    }
    quantised(zo_live_model(x->live), first, count, numbers);
    const zo_learn rows = {
        .n = (size_t)count, .x = numbers, .labels = given, .ids = c->model == 0 ? ids : NULL, .group = group};
    const zo_relabel again = {.n = (size_t)count, .ids = ids, .labels = given};

    if (steps[c->step].what == LEARN)
        m->rc = zo_live_learn(x->live, x->act, &rows, &sequence, &m->err);
    else if (steps[c->step].what == RELABEL)
        m->rc = zo_live_relabel(x->live, x->act, &again, &sequence, &m->err);
    else
        m->rc = forget(c, x, &rows, ids, &m->err);
}

static void act_remove(cmd *m, zo_ctx *x)
{
    if ((m->rc = zo_live_delete(x->live, x->act, &m->err)) != ZO_OK || (m->rc = zo_ctx_delete(x, &m->err)) != ZO_OK)
        zo_ctx_undo(x);
}

static void act_see(cmd *m, zo_ctx *x)
{
    command *c = (command *)(void *)m;

    m->rc = zo_live_digest(x->live, c->digest, &m->err);
    if (m->rc == ZO_OK)
        m->rc = zo_reader_history_last(x->reader, false, x->row->study, &c->sequence, &c->request, &m->err);
}

static zo_status run_command(fx *f, command *c, int model, int step, void (*act)(cmd *, zo_ctx *))
{
    cmd_init(&c->m, f, act);
    c->step = step;
    c->model = model;
    if (act == act_make)
        zo_runtime_submit_directory(f->rt, ZO_MODELS, 1, &c->m.c);
    else
        zo_runtime_submit(f->rt, ZO_MODELS, 1, names[model], &c->m.c);
    fx_wait(f, &c->m);
    return outcome(&c->m);
}

/* ---- a session ---- */
typedef struct session {
    bool started;
    book books[MODELS];
    bool done[STEPS];
    int doubtful;               /* the step whose write failed for good: it may turn up. -1: none */
    char first[600], last[600]; /* what went wrong */
} session;

static bool is_fault(zo_status rc)
{
    return rc == ZO_EFULL || rc == ZO_ESTORE || rc == ZO_ENOMEM || rc == ZO_EBUSY || rc == ZO_EINTERNAL;
}

static void run_step(fx *f, session *s, int i)
{
    static void (*const acts[])(cmd *, zo_ctx *) = {[MAKE] = act_make, [REMOVE] = act_remove};
    book *b = &s->books[steps[i].model];
    command c = {0};

    if (s->done[i] || !can(b, i))
        return;
    const bool other = steps[i].what != MAKE && steps[i].what != REMOVE;
    const zo_status rc = run_command(f, &c, steps[i].model, i, other ? act_change : acts[steps[i].what]);
    if (rc == ZO_OK) {
        apply(b, i);
        s->done[i] = true;
        return;
    }
    const zo_error *e = c.m.c.status != ZO_OK ? &c.m.c.err : &c.m.err;
    if (!is_fault(rc))
        fail_msg("step %d: no fault explains %d: %s; first was %s", i, (int)rc, e->message, s->first);
    snprintf(s->last, sizeof s->last, "step %d: %d: %s", i, (int)rc, e->message);
    if (!s->first[0])
        memcpy(s->first, s->last, sizeof s->first);
    if (s->doubtful < 0 && !zo_store_writable(f->store))
        s->doubtful = i;
}

static void run_script(fx *f, session *s)
{
    zo_error err = {0};

    s->doubtful = -1;
    f->opts.max_resident_bytes = 1;
    f->opts.workers = f->opts.long_workers = 1;
    f->store_opts.wal_passive_bytes = 48 << 10;
    f->store_opts.wal_restart_bytes = 96 << 10;
    if (fx_try_start(f, &err) != ZO_OK) {
        snprintf(s->first, sizeof s->first, "start: %s", err.message);
        return;
    }
    s->started = true;
    for (int i = 0; i < (int)STEPS; i++)
        run_step(f, s, i);
}

/* ---- what is there ---- */
static bool shows(fx *f, int model, const book *b, char *why, size_t size)
{
    uint8_t expected[CRYPT_HASH_BYTES];
    command c = {0};
    const zo_status rc = run_command(f, &c, model, -1, act_see);

    if (rc != ZO_OK) {
        snprintf(why, size, "model %s: %s", names[model], c.m.c.status ? c.m.c.err.message : c.m.err.message);
        return rc == ZO_ENOTFOUND && (!b->made || b->removed);
    }
    if (!b->made || b->removed) {
        snprintf(why, size, "model %s should not be there", names[model]);
        return false;
    }
    digest_of(b, model, expected);
    snprintf(why, size, "model %s: %s; entry %llu, expected %llu; request %llu, expected %llu", names[model],
             memcmp(expected, c.digest, sizeof expected) ? "another digest" : "same digest",
             (unsigned long long)c.sequence, (unsigned long long)b->changes, (unsigned long long)c.request,
             (unsigned long long)b->requests);
    return memcmp(expected, c.digest, sizeof expected) == 0 && c.sequence == b->changes && c.request == b->requests;
}

static void assert_shows_all(fx *f, const session *s, const char *when)
{
    char why[600];

    for (int k = 0; k < MODELS; k++)
        if (!shows(f, k, &s->books[k], why, sizeof why))
            fail_msg("%s: %s; after: %s", when, why, s->first);
}

/* After a restart the doubtful step may have happened; no other may. */
static void settle_doubt(fx *f, session *s)
{
    char why[600];
    const int i = s->doubtful;

    if (i >= 0 && !s->done[i]) {
        book with = s->books[steps[i].model];

        apply(&with, i);
        if (shows(f, steps[i].model, &with, why, sizeof why)) {
            s->books[steps[i].model] = with;
            s->done[i] = true;
        }
    }
    assert_shows_all(f, s, "after the restart");
}

static void on_finding(void *ctx, const char *line)
{
    (void)ctx;
    print_message("check: %s\n", line);
}

/* What could not be done before is done now, and all ends as it would have. */
static void finish(fx *f, session *s)
{
    for (int i = 0; i < (int)STEPS; i++) {
        run_step(f, s, i);
        if (can(&s->books[steps[i].model], i) && !s->done[i])
            fail_msg("a healthy store refuses a step: %s; first was %s", s->last, s->first);
    }
    assert_shows_all(f, s, "at the end");
}

static void verify(fx *f, session *s)
{
    zo_checked all = {.clean = false};
    zo_error err = {0};

    if (s->started && zo_store_writable(f->store)) {
        assert_shows_all(f, s, "after the fault");
        finish(f, s);
    }
    if (s->started)
        fx_stop(f);
    f->store_opts.vfs = NULL;
    if (access(f->path, F_OK) != 0) {
        assert_false(s->books[0].made);
        return;
    }
    fx_start(f);
    settle_doubt(f, s);
    s->doubtful = -1;
    finish(f, s);
    fx_stop(f);
    if (zo_runtime_check(f->path, on_finding, NULL, &all, &err) != ZO_OK || !all.clean)
        fail_msg("check: %s; after: %s", err.message, s->first);
}

/* ---- sweeps ---- */
static bool run(const sweep *w, uint64_t k, uint64_t *points)
{
    session s = {0};
    bool struck;
    fx f;

    fx_init(&f, NULL);
    f.store_opts.vfs = sweep_vfs(w);
    sweep_arm(w, k);
    run_script(&f, &s);
    struck = sweep_disarm(w, points);
    if (!struck && s.first[0])
        fail_msg("without a fault: %s", s.first);
    verify(&f, &s);
    fx_fini(&f);
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
        {"write: full", ZO_FAULT_WRITE, ZO_FAULT_FULL, false, false},
        {"write: full, for good", ZO_FAULT_WRITE, ZO_FAULT_FULL, true, false},
        {"write: short, for good", ZO_FAULT_WRITE, ZO_FAULT_SHORT, true, false},
        {"sync", ZO_FAULT_SYNC, ZO_FAULT_EIO, false, false},
        {"sync, for good", ZO_FAULT_SYNC, ZO_FAULT_EIO, true, false},
        {"open", ZO_FAULT_OPEN, ZO_FAULT_EIO, false, false},
        {"read", ZO_FAULT_READ, ZO_FAULT_EIO, false, false},
        {"anything, for good", ZO_FAULT_ALL, ZO_FAULT_EIO, true, false},
    };
    struct CMUnitTest tests[ZO_LEN(sweeps)];

    if (sodium_init() < 0)
        return 1;
    zo_fault_vfs_register(false);
    for (size_t i = 0; i < ZO_LEN(sweeps); i++)
        tests[i] = (struct CMUnitTest){.name = sweeps[i].name, .test_func = sweep_all, .initial_state = &sweeps[i]};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
