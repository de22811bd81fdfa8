/* See stage.h. The stage before is kept until the next one begins, so that its answers can be taken over. */
#include "stage/stage.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static zo_status slots_init(stage_slots *q, const zo_stage *s, zo_error *err)
{
    q->x = zo_calloc(s->cap, s->n * sizeof *q->x);
    q->f = zo_calloc(s->cap, sizeof *q->f);
    q->predicted = zo_calloc(s->cap, sizeof *q->predicted);
    q->g = zo_calloc(s->cap, (s->n_g + 1) * sizeof *q->g);
    q->df = s->gradients ? zo_calloc(s->cap, s->n * sizeof *q->df) : NULL;
    q->dg = s->gradients ? zo_calloc(s->cap, (s->n_g * s->n + 1) * sizeof *q->dg) : NULL;
    q->label = zo_calloc(s->cap, sizeof *q->label);
    q->state = zo_calloc(s->cap, sizeof *q->state);
    q->ticket = zo_calloc(s->cap, sizeof *q->ticket);
    return q->x && q->f && q->predicted && q->g && ((q->df && q->dg) || !s->gradients) && q->label && q->state &&
                   q->ticket
               ? ZO_OK
               : zo_fail_nomem(err);
}

static void slots_fini(stage_slots *q)
{
    zo_free(q->x);
    zo_free(q->f);
    zo_free(q->predicted);
    zo_free(q->g);
    zo_free(q->df);
    zo_free(q->dg);
    zo_free(q->label);
    zo_free(q->state);
    zo_free(q->ticket);
}

size_t zo_stage_memo_bytes(const zo_problem *p)
{
    (void)p;
    return sizeof(stage_memo);
}

zo_status zo_stage_init(zo_stage *s, const zo_problem *p, size_t cap, const char *core, const char *const *labels,
                        size_t n_labels, zo_error *err)
{
    zo_status rc;

    s->n = p->n;
    s->n_g = p->n_constraints;
    s->cap = cap;
    s->gradients = p->oracle == ZO_ORACLE_GRADIENT;
    s->core = core;
    s->labels = labels;
    s->n_labels = n_labels;
    if ((rc = slots_init(&s->now, s, err)) != ZO_OK)
        return rc;
    return slots_init(&s->last, s, err);
}

void zo_stage_fini(zo_stage *s)
{
    slots_fini(&s->now);
    slots_fini(&s->last);
}

void zo_stage_begin(zo_stage *s)
{
    const stage_slots last = s->now;

    s->now = s->last;
    s->last = last;
    s->now.size = s->now.n_wanted = 0;
    s->n_left = 0;
}

/* A point comes back from natural units changed in its last bit at times; no method tells such points apart. */
static bool is_same(const double *a, const double *b, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (!(fabs(a[j] - b[j]) <= 4.5e-16))
            return false;
    return true;
}

/* Take over what the stage before knows of the point in slot i. */
static void inherit(zo_stage *s, size_t i)
{
    stage_slots *to = &s->now, *from = &s->last;

    for (size_t k = 0; k < from->size; k++) {
        if (from->state[k] == STAGE_OPEN || !is_same(from->x + k * s->n, to->x + i * s->n, s->n))
            continue;
        to->state[i] = from->state[k];
        to->ticket[i] = from->ticket[k];
        to->f[i] = from->f[k];
        memcpy(to->x + i * s->n, from->x + k * s->n, s->n * sizeof *to->x);
        if (s->n_g)
            memcpy(to->g + i * s->n_g, from->g + k * s->n_g, s->n_g * sizeof *to->g);
        if (s->gradients) {
            memcpy(to->df + i * s->n, from->df + k * s->n, s->n * sizeof *to->df);
            memcpy(to->dg + i * s->n_g * s->n, from->dg + k * s->n_g * s->n, s->n_g * s->n * sizeof *to->dg);
        }
        if (from->state[k] == STAGE_OUT)
            from->state[k] = STAGE_OPEN; /* one slot waits for it: a second one with these bits is asked anew */
        return;
    }
}

static bool is_answered(uint8_t state)
{
    return state == STAGE_VALUED || state == STAGE_FAILED;
}

static size_t add(zo_stage *s, const double *x, uint32_t label, double predicted)
{
    stage_slots *q = &s->now;
    const size_t i = q->size++;

    for (size_t j = 0; j < s->n; j++)
        q->x[i * s->n + j] = isnan(x[j]) ? 0.5 : zo_clip(x[j], 0, 1) + 0.0;
    q->label[i] = label;
    q->predicted[i] = predicted;
    q->state[i] = STAGE_OPEN;
    q->ticket[i] = 0;
    q->f[i] = INFINITY;
    for (size_t j = 0; j < s->n_g; j++)
        q->g[i * s->n_g + j] = INFINITY;
    if (s->gradients) { /* equal states save equal bytes */
        memset(q->df + i * s->n, 0, s->n * sizeof *q->df);
        memset(q->dg + i * s->n_g * s->n, 0, s->n_g * s->n * sizeof *q->dg);
    }
    inherit(s, i);
    return i;
}

size_t zo_stage_add(zo_stage *s, const double *x, uint32_t label, double predicted)
{
    ZO_ASSERT(s->now.size < s->cap && s->now.size == s->now.n_wanted);
    const size_t i = add(s, x, label, predicted);
    s->now.n_wanted++;
    s->n_left += !is_answered(s->now.state[i]);
    return i;
}

bool zo_stage_speculate(zo_stage *s, const double *x, uint32_t label, double predicted)
{
    if (s->now.size == s->cap)
        return false;
    add(s, x, label, predicted);
    return true;
}

bool zo_stage_knows(const zo_stage *s, const double *x)
{
    for (size_t i = 0; i < s->now.size; i++)
        if (is_same(s->now.x + i * s->n, x, s->n))
            return true;
    for (size_t i = 0; i < s->last.size; i++)
        if (s->last.state[i] != STAGE_OPEN && is_same(s->last.x + i * s->n, x, s->n))
            return true;
    return false;
}

bool zo_stage_ask(zo_stage *s, zo_proposal *p)
{
    stage_slots *q = &s->now;
    stage_memo *memo = p->memo;
    size_t i = 0;

    while (i < q->size && q->state[i] != STAGE_OPEN)
        i++;
    if (i == q->size)
        return false;
    q->state[i] = STAGE_OUT;
    q->ticket[i] = ++s->next_ticket;
    memo->ticket = q->ticket[i];
    memo->slot = i;
    memcpy(p->x, q->x + i * s->n, s->n * sizeof *p->x);
    p->core = s->core;
    p->why = q->label[i] < s->n_labels ? s->labels[q->label[i]] : NULL;
    p->predicted = q->predicted[i];
    return true;
}

/* Slot i waits for this trial. It may be open again: an abandoned trial that is answered all the same. */
static bool awaits(const stage_slots *q, size_t i, const stage_memo *memo)
{
    return memo->ticket > 0 && q->ticket[i] == memo->ticket && !is_answered(q->state[i]);
}

static size_t slot_of(const zo_stage *s, const stage_memo *memo)
{
    if (memo->slot < s->now.size && awaits(&s->now, (size_t)memo->slot, memo))
        return (size_t)memo->slot;
    for (size_t i = 0; i < s->now.size; i++)
        if (awaits(&s->now, i, memo))
            return i;
    return STAGE_NONE;
}

static size_t slot_at(const zo_stage *s, const double *x)
{
    for (size_t i = 0; i < s->now.size; i++)
        if (s->now.state[i] == STAGE_OPEN && is_same(s->now.x + i * s->n, x, s->n))
            return i;
    return STAGE_NONE;
}

bool zo_told_is_valued(const zo_told *t)
{
    return t->has_values && (t->outcome == ZO_TOLD_COMPLETE || t->outcome == ZO_TOLD_STOPPED);
}

size_t zo_stage_tell(zo_stage *s, const zo_told *t)
{
    const bool valued = zo_told_is_valued(t) && (t->df != NULL || !s->gradients);
    stage_slots *q = &s->now;
    size_t i;

    if (t->outcome == ZO_TOLD_ABANDONED) {
        if (t->own && (i = slot_of(s, t->memo)) != STAGE_NONE)
            q->state[i] = STAGE_OPEN;
        return STAGE_NONE;
    }
    s->n_failed = valued ? 0 : s->n_failed + 1;
    if ((i = t->own ? slot_of(s, t->memo) : slot_at(s, t->x)) == STAGE_NONE)
        return STAGE_NONE;
    q->state[i] = valued ? STAGE_VALUED : STAGE_FAILED;
    memcpy(q->x + i * s->n, t->x, s->n * sizeof *q->x);
    q->f[i] = valued ? t->f[0] : INFINITY;
    for (size_t j = 0; j < s->n_g; j++)
        q->g[i * s->n_g + j] = valued ? t->g[j] : INFINITY;
    if (s->gradients && valued) {
        memcpy(q->df + i * s->n, t->df, s->n * sizeof *q->df);
        for (size_t k = 0; k < s->n_g * s->n; k++)
            q->dg[i * s->n_g * s->n + k] = t->dg != NULL ? t->dg[k] : NAN;
    }
    s->n_left -= i < q->n_wanted;
    return i;
}

/* ---- snapshot ---- */

static void slots_visit(stage_slots *q, const zo_stage *s, const char *prefix, zo_visit *v)
{
    const char *outer = v->prefix;
    char name[64];

    snprintf(name, sizeof name, "%s%s", outer ? outer : "", prefix);
    v->prefix = name;
    zo_visit_count(v, "size", &q->size, s->cap);
    zo_visit_count(v, "n_wanted", &q->n_wanted, q->size);
    zo_visit_f64_within(v, "x", q->x, q->size * s->n, 0, 1);
    zo_visit_f64(v, "f", q->f, q->size);
    zo_visit_f64(v, "predicted", q->predicted, q->size);
    zo_visit_f64(v, "g", q->g, q->size * s->n_g);
    if (s->gradients) {
        zo_visit_f64(v, "df", q->df, q->size * s->n);
        zo_visit_f64(v, "dg", q->dg, q->size * s->n_g * s->n);
    }
    zo_visit_u32(v, "label", q->label, q->size);
    zo_visit_u8(v, "state", q->state, q->size);
    zo_visit_u64(v, "ticket", q->ticket, q->size);
    for (size_t i = 0; v->status == ZO_OK && i < q->size; i++)
        zo_visit_require(v, "state", q->state[i] <= STAGE_FAILED);
    for (size_t i = 0; v->status == ZO_OK && i < q->size; i++)
        zo_visit_require(v, "f", q->state[i] == STAGE_VALUED ? isfinite(q->f[i]) : true);
    v->prefix = outer;
}

void zo_stage_visit(zo_stage *s, zo_visit *v)
{
    slots_visit(&s->now, s, "stage.", v);
    slots_visit(&s->last, s, "last.", v);
    zo_visit_u64(v, "next_ticket", &s->next_ticket, 1);
    zo_visit_u64(v, "n_failed", &s->n_failed, 1);
    if (!v->loading || v->status != ZO_OK)
        return;
    s->n_left = 0;
    for (size_t i = 0; i < s->now.n_wanted; i++)
        s->n_left += !is_answered(s->now.state[i]);
}
