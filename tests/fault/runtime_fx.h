/* For the fault tests of the runtime: commands whose effects can be found again, and a census of what a study holds. */
#ifndef ZO_TESTS_FAULT_RUNTIME_FX_H
#define ZO_TESTS_FAULT_RUNTIME_FX_H

#include "unit/runtime/harness.h"
#include "fault/sweep.h"

enum { MAX_TRIALS = 4000 };

/* ---- what a study holds ---- */
typedef struct census {
    uint64_t n;
    struct {
        zo_trial_state state;
        double value, x;
        bool withdrawn;
    } t[MAX_TRIALS];
} census;

static inline void census_of(const zo_study *s, census *out)
{
    out->n = zo_study_n_trials(s);
    for (uint64_t i = 0; i < out->n; i++) {
        zo_trial t;

        if (i == MAX_TRIALS || !zo_study_trial(s, i, &t))
            abort(); /* on a worker, where cmocka can't fail a test */
        out->t[i].state = t.state;
        out->t[i].value = t.has_values ? t.values[0] : (double)NAN;
        out->t[i].x = t.v[0];
        out->t[i].withdrawn = t.withdrawn;
    }
}

static inline unsigned census_count(const census *c, double value)
{
    unsigned n = 0;

    for (uint64_t i = 0; i < c->n; i++)
        n += c->t[i].value == value;
    return n;
}

/* ---- keyed commands ---- */
/* What act_... did, and its reply remembered as the trial's number. */
static inline void remember_number(cmd *m, zo_ctx *x)
{
    char reply[32];

    snprintf(reply, sizeof reply, "%llu", (unsigned long long)m->number);
    zo_idempotency r = {.tenant = 1,
                        .key = m->c.idempotency_key,
                        .route = m->c.idempotency_route,
                        .body = m->c.body,
                        .body_bytes = m->c.body_bytes,
                        .status = 200,
                        .reply = reply,
                        .reply_bytes = strlen(reply),
                        .at_ms = x->now.wall_ms};
    if (m->rc == ZO_OK && m->c.idempotency_key)
        m->rc = zo_ctx_remember(x, &r, &m->err);
}

static inline void act_bring_keyed(cmd *m, zo_ctx *x)
{
    act_bring(m, x);
    remember_number(m, x);
}

static inline void act_create_keyed(cmd *m, zo_ctx *x)
{
    act_create(m, x);
    remember_number(m, x);
}

static inline void take_number(zo_cmd *c, const zo_idempotency *stored)
{
    cmd *m = (cmd *)(void *)c;
    char text[32] = {0};

    memcpy(text, stored->reply, stored->reply_bytes < 31 ? stored->reply_bytes : 31);
    m->number = strtoull(text, NULL, 10);
    m->repeated = true;
    m->rc = ZO_OK;
}

static inline void key_set(cmd *m, const char *key)
{
    m->c.idempotency_key = key;
    m->c.idempotency_route = "POST /x";
    m->c.body = "body";
    m->c.body_bytes = 4;
    m->c.repeat = take_number;
}

#endif
