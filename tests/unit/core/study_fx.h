/* What the tests of studies share: a study with its log and clock, short commands, and a solver that writes down what it is told. */
#ifndef ZO_TEST_STUDY_FX_H
#define ZO_TEST_STUDY_FX_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "study/study_private.h"

enum { FX_LEASE_MS = 60000, FX_LOG = 4096 };

/* ---- the spy: proposes by chance, remembers every tell; its state counts both, so that the digest sees each ---- */

struct spy_told {
    uint64_t number, memo;
    zo_outcome outcome;
    bool own, has_values, feasible, has_stderr, has_df, has_dg;
    double x[4], f[4], g[4], f_stderr[4], df[16], dg[16];
};
static struct {
    zo_verdict verdict; /* the next asks' */
    const char *why;    /* their reason */
    bool predicts;
    double predicted;   /* by the next asks, if it predicts; to be minimized */
    bool corner;        /* propose the corner 0 */
    size_t n;
    struct spy_told told[FX_LOG];
} spy;

struct spy_state {
    const zo_problem *p;
    uint64_t asks, tells;
};

static inline size_t spy_memo_bytes(const zo_problem *p)
{
    (void)p;
    return sizeof(uint64_t);
}

static inline zo_status spy_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    (void)opts, (void)rng, (void)err;
    ((struct spy_state *)self)->p = p;
    return ZO_OK;
}

static inline zo_status spy_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct spy_state *s = self;
    const uint64_t memo = p->number + 1000;

    (void)err;
    p->verdict = spy.verdict;
    p->why = spy.why;
    if (spy.verdict != ZO_ASK_OK)
        return ZO_OK;
    s->asks++;
    for (size_t i = 0; i < s->p->n; i++)
        p->x[i] = spy.corner ? 0 : zo_rng_uniform(rng);
    memcpy(p->memo, &memo, sizeof memo);
    p->core = "spy";
    if (spy.predicts)
        p->predicted = spy.predicted;
    return ZO_OK;
}

static inline zo_status spy_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct spy_state *s = self;
    struct spy_told *to = &spy.told[spy.n++ % FX_LOG];

    (void)rng, (void)err;
    assert_true(s->p->n <= 4 && s->p->n_objectives <= 4 && s->p->n_constraints <= 4);
    *to = (struct spy_told){.number = t->number,
                            .outcome = t->outcome,
                            .own = t->own,
                            .has_values = t->has_values,
                            .feasible = t->feasible,
                            .has_stderr = t->f_stderr != NULL,
                            .has_df = t->df != NULL,
                            .has_dg = t->dg != NULL};
    memcpy(to->x, t->x, s->p->n * sizeof *t->x);
    if (t->has_values) {
        memcpy(to->f, t->f, s->p->n_objectives * sizeof *t->f);
        memcpy(to->g, t->g, s->p->n_constraints * sizeof *t->g);
    }
    if (t->f_stderr)
        memcpy(to->f_stderr, t->f_stderr, s->p->n_objectives * sizeof *t->f);
    if (t->df)
        memcpy(to->df, t->df, s->p->n_objectives * s->p->n * sizeof *t->df);
    if (t->dg)
        memcpy(to->dg, t->dg, s->p->n_constraints * s->p->n * sizeof *t->dg);
    assert_int_equal(t->own, t->memo != NULL);
    if (t->memo)
        memcpy(&to->memo, t->memo, sizeof to->memo);
    s->tells = mix64(mix64(s->tells, t->number), (uint64_t)t->outcome << 8 | t->own);
    return ZO_OK;
}

static inline void spy_snapshot(void *self, zo_visit *v)
{
    struct spy_state *s = self;

    zo_visit_u64(v, "asks", &s->asks, 1);
    zo_visit_u64(v, "tells", &s->tells, 1);
}

static const zo_solver spy_solver = {
    .name = "spy",
    .version = 1,
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS | ZO_ORACLE_GRADIENT,
    .traits = ~0u,
    .state_bytes = sizeof(struct spy_state),
    .memo_bytes = spy_memo_bytes,
    .init = spy_init,
    .ask = spy_ask,
    .tell = spy_tell,
    .snapshot = spy_snapshot,
};

/* ---- a study ---- */

static const zo_param_spec fx_box[] = {{.name = "x", .type = ZO_FLOAT, .low = -5, .high = 5},
                                       {.name = "y", .type = ZO_FLOAT, .low = 0, .high = 1}};
static const zo_objective_spec fx_loss[] = {{.name = "loss"}};

struct fx {
    zo_study_spec spec;
    const zo_solver *def; /* NULL: the one the spec names */
    zo_study *s;
    zo_events ev;         /* of the last command */
    zo_event log[FX_LOG]; /* of all commands; bodies of its own */
    size_t n_log;
    zo_arena *arena;
    zo_now now;
    zo_error err;
};

static inline zo_study_spec fx_spec(void)
{
    return (zo_study_spec){.seed = 7,
                           .space = {.params = fx_box, .n_params = ZO_LEN(fx_box)},
                           .objectives = fx_loss,
                           .n_objectives = 1,
                           .oracle = ZO_ORACLE_VALUE,
                           .parallelism = 1,
                           .lease_ms = FX_LEASE_MS,
                           .retries = 3,
                           .solver = "random"};
}

/* Move the last command's events to the log. */
static inline size_t fx_commit(struct fx *f)
{
    const size_t n = f->ev.n;

    for (size_t i = 0; i < n; i++) {
        assert_true(f->n_log < FX_LOG);
        zo_event *to = &f->log[f->n_log++];
        *to = f->ev.items[i];
        assert_int_equal(to->seq, f->n_log); /* dense, from 1 */
        uint8_t *body = malloc(to->body_bytes ? to->body_bytes : 1);
        assert_non_null(body);
        memcpy(body, to->body, to->body_bytes);
        to->body = body;
    }
    zo_events_clear(&f->ev);
    return n;
}

static inline void fx_open_with(struct fx *f, const zo_study_spec *spec, const zo_solver *def)
{
    *f = (struct fx){.spec = *spec, .def = def, .now = {.wall_ms = 1700000000000, .mono_ms = 5000}};
    memset(&spy, 0, sizeof spy);
    f->arena = zo_arena_new(0);
    assert_non_null(f->arena);
    if (study_new_with(&f->spec, def, f->now, &f->ev, &f->s, &f->err) != ZO_OK)
        fail_msg("refused: %s at %s", f->err.message, f->err.pointer);
    assert_int_equal(fx_commit(f), 1);
}

static inline void fx_open(struct fx *f, const zo_study_spec *spec)
{
    fx_open_with(f, spec, &spy_solver);
}

static inline void fx_close(struct fx *f)
{
    for (size_t i = 0; i < f->n_log; i++)
        free((void *)(uintptr_t)f->log[i].body);
    zo_events_fini(&f->ev);
    zo_arena_free(f->arena);
    zo_study_free(f->s);
}

static inline void fx_pass(struct fx *f, int64_t ms)
{
    f->now.wall_ms += ms;
    f->now.mono_ms += ms;
}

#define FX_OK(f, call)                                                                                                 \
    do {                                                                                                               \
        if ((call) != ZO_OK)                                                                                           \
            fail_msg("%s: %s at '%s'", #call, (f)->err.message, (f)->err.pointer);                                     \
    } while (0)

/* The call is refused with this code and pointer; nothing has changed and no event was made. */
#define FX_REFUSED(f, call, status, at)                                                                                \
    do {                                                                                                               \
        const uint64_t before = zo_study_digest((f)->s);                                                               \
        (f)->err = (zo_error){0};                                                                                      \
        assert_int_equal((call), (status));                                                                            \
        assert_int_equal((f)->err.code, (status));                                                                     \
        assert_string_equal((f)->err.pointer, (at));                                                                   \
        assert_true((f)->err.message[0]);                                                                              \
        assert_int_equal((f)->ev.n, 0);                                                                                \
        assert_true(zo_study_digest((f)->s) == before);                                                                \
    } while (0)

/* ---- commands ---- */

static inline zo_ask_reply fx_ask_args(struct fx *f, const zo_ask_args *args)
{
    zo_ask_reply reply = {0};

    FX_OK(f, zo_study_ask(f->s, args, f->now, &f->ev, f->arena, &reply, &f->err));
    fx_commit(f);
    return reply;
}

static inline zo_ask_reply fx_ask_n(struct fx *f, size_t n)
{
    return fx_ask_args(f, &(zo_ask_args){.count = n});
}

static inline uint64_t fx_ask(struct fx *f)
{
    const zo_ask_reply reply = fx_ask_n(f, 1);

    assert_int_equal(reply.n, 1);
    assert_null(reply.reason);
    return reply.numbers[0];
}

/* Nothing to give, for this reason. */
static inline void fx_ask_in_vain(struct fx *f, zo_study_state state, const char *reason)
{
    const zo_ask_reply reply = fx_ask_n(f, 1);

    assert_int_equal(reply.n, 0);
    assert_int_equal(reply.state, state);
    assert_string_equal(reply.reason, reason);
}

static inline zo_tell_item fx_item(uint64_t number, zo_trial_state state, const double *values)
{
    return (zo_tell_item){.by_number = true, .number = number, .state = state, .values = values, .cost = NAN};
}

static inline zo_status fx_try_tell(struct fx *f, const zo_tell_item *items, size_t n, uint64_t *numbers)
{
    uint64_t unused[64];
    size_t failed_at;

    assert_true(numbers || n <= ZO_LEN(unused));
    return zo_study_tell(f->s, items, n, f->now, &f->ev, numbers ? numbers : unused, &failed_at, &f->err);
}

/* Returns the number of events. */
static inline size_t fx_tell_item(struct fx *f, zo_tell_item item)
{
    FX_OK(f, fx_try_tell(f, &item, 1, NULL));
    return fx_commit(f);
}

static inline size_t fx_tell(struct fx *f, uint64_t number, double value)
{
    return fx_tell_item(f, fx_item(number, ZO_TRIAL_COMPLETE, &value));
}

static inline size_t fx_tell_state(struct fx *f, uint64_t number, zo_trial_state state)
{
    return fx_tell_item(f, fx_item(number, state, NULL));
}

/* A point of the client's own. */
static inline uint64_t fx_bring(struct fx *f, double x, double y, double value)
{
    const double v[] = {x, y};
    const zo_tell_item item = {
        .v = v, .state = ZO_TRIAL_COMPLETE, .values = &value, .cost = NAN, .origin = ZO_ORIGIN_CLIENT};
    uint64_t number;

    FX_OK(f, fx_try_tell(f, &item, 1, &number));
    assert_int_equal(fx_commit(f), 1);
    return number;
}

static inline zo_status fx_try_import(struct fx *f, uint64_t number, double x, double value)
{
    const double v[] = {x, 0.5};
    const zo_tell_item item = {.v = v,
                               .state = ZO_TRIAL_COMPLETE,
                               .values = &value,
                               .cost = NAN,
                               .origin = ZO_ORIGIN_IMPORT,
                               .has_import_number = true,
                               .import_number = number,
                               .created_ms = 11,
                               .finished_ms = 22};

    return fx_try_tell(f, &item, 1, NULL);
}

static inline uint64_t fx_enqueue(struct fx *f, double x, double y)
{
    const double v[] = {x, y}, *const points[] = {v};
    uint64_t number;

    FX_OK(f, zo_study_enqueue(f->s, points, NULL, 1, f->now, &f->ev, &number, &f->err));
    assert_int_equal(fx_commit(f), 1);
    return number;
}

static inline size_t fx_tick_after(struct fx *f, int64_t ms)
{
    fx_pass(f, ms);
    FX_OK(f, zo_study_tick(f->s, f->now, &f->ev, &f->err));
    return fx_commit(f);
}

static inline void fx_release(struct fx *f, uint64_t number)
{
    FX_OK(f, zo_study_release(f->s, number, f->now, &f->ev, &f->err));
    assert_int_equal(fx_commit(f), 1);
}

static inline size_t fx_patch(struct fx *f, zo_patch patch)
{
    FX_OK(f, zo_study_patch(f->s, &patch, f->now, &f->ev, &f->err));
    return fx_commit(f);
}

static inline size_t fx_pause(struct fx *f, bool paused)
{
    return fx_patch(f, (zo_patch){.has_paused = true, .paused = paused});
}

static inline size_t fx_budget(struct fx *f, zo_budget budget)
{
    return fx_patch(f, (zo_patch){.has_budget = true, .budget = budget});
}

/* ---- reading ---- */

static inline zo_trial fx_trial(const struct fx *f, uint64_t number)
{
    zo_trial t;

    assert_true(zo_study_trial(f->s, number, &t));
    return t;
}

static inline zo_trial_state fx_state(const struct fx *f, uint64_t number)
{
    return fx_trial(f, number).state;
}

static inline void fx_is(const struct fx *f, zo_study_state state, const char *reason)
{
    const char *is;

    assert_int_equal(zo_study_get_state(f->s, &is), state);
    if (reason)
        assert_string_equal(is, reason);
    else
        assert_null(is);
}

/* ---- replay ---- */

static inline zo_study *fx_fresh(const struct fx *f)
{
    zo_study *s = NULL;
    zo_error err = {0};

    if (study_new_with(&f->spec, f->def, (zo_now){0}, NULL, &s, &err) != ZO_OK)
        fail_msg("%s", err.message);
    return s;
}

static inline void fx_replay_into(const struct fx *f, zo_study *s, size_t n)
{
    zo_error err = {0};

    for (size_t i = (size_t)zo_study_seq(s); i < n; i++)
        if (zo_study_replay(s, &f->log[i], &err) != ZO_OK)
            fail_msg("event %zu of kind %d: %s", i + 1, (int)f->log[i].kind, err.message);
}

/* R2: the whole log into a new study, which must be the same. */
static inline zo_study *fx_replayed(const struct fx *f)
{
    zo_study *s = fx_fresh(f);

    fx_replay_into(f, s, f->n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f->s));
    return s;
}

/* The daemon restarts: the study is what its log says, leases are new. */
static inline void fx_restart(struct fx *f)
{
    zo_study *s = fx_replayed(f);

    zo_study_free(f->s);
    f->s = s;
    zo_study_renew_leases(s, f->now);
}

#endif
