/* Snapshots: a study in parts. Each closed segment of the trial table is a part of its own, saved once; the head has
 * all else: the solver, the rows that are open or changed after their segment was closed, the trials after the last
 * closed segment, who holds which lease, queues, names, the best. What can be computed again from the rows is:
 * counters, values of the front, points seen.
 *
 * A closed segment's part holds the rows that are not amended; the head holds those. Amended rows stay so, so a part
 * saved long ago fits every later head: where both have a row, the head's is the newer. Strings are only ever added, so
 * numbers of strings in old parts stay right. Only where trials are forgotten all parts are void.
 *
 * Loading trusts nothing but the spec: a damaged part is refused (ZO_EINVAL), and the study, which can then only be
 * freed, is rebuilt from its log. */
#include "study/snapshot.h"

#include <stdlib.h>

/* ---- arrays ---- */

static const uint64_t nothing[1]; /* what arrays of no elements point to */

zo_status snapshot_damaged(zo_error *err, const char *what)
{
    return zo_fail(err, ZO_EINVAL, "", "damaged snapshot: %s", what);
}

zo_status array_put(zo_bundle *b, const char *name, zo_dtype type, size_t n, void *out, zo_error *err)
{
    const void *none = nothing;
    void *data = NULL;
    zo_status rc = n ? zo_bundle_add(b, name, type, 1, &n, &data, err) : ZO_OK;

    memcpy(out, n ? (const void *)&data : (const void *)&none, sizeof data);
    return rc;
}

zo_status array_get(const zo_bundle *b, const char *name, zo_dtype type, size_t n, void *out, zo_error *err)
{
    const zo_array *a = zo_bundle_get(b, name);
    const void *data = n && a ? a->data : nothing;

    if (n ? !a || a->dtype != type || a->n_dims != 1 || a->dims[0] != n : a != NULL)
        return zo_fail(err, ZO_EINVAL, "", "damaged snapshot: '%s' has another type or size", name);
    memcpy(out, &data, sizeof data);
    return ZO_OK;
}

/* ---- which rows go where ---- */

static bool is_row(const struct segment *g, size_t i)
{
    return g->state[i] != STATE_ABSENT;
}

/* Numbers of the rows of segment k that belong to the head (or to the segment's own part), into numbers unless NULL. */
static size_t segment_rows(const struct table *t, size_t k, bool of_head, uint64_t *numbers)
{
    const struct segment *g = &t->segs[k];
    size_t n = 0;

    for (size_t i = 0; i < g->cap; i++) {
        if (!is_row(g, i) || (k >= t->closed || g->flags[i] & FLAG_AMENDED) != of_head)
            continue;
        if (numbers)
            numbers[n] = k * ZO_SEGMENT_TRIALS + i;
        n++;
    }
    return n;
}

static size_t head_rows(const struct table *t, uint64_t *numbers)
{
    size_t n = 0;

    for (size_t k = 0; k < t->n_segs; k++)
        n += segment_rows(t, k, true, numbers ? numbers + n : NULL);
    return n;
}

/* ---- saving the head ---- */

static uint64_t word_of(int64_t x)
{
    return (uint64_t)x;
}

static bool is_waiting_row(const zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    return r.g && r.g->state[r.i] == ZO_TRIAL_QUEUED && !(r.g->flags[r.i] & FLAG_WITHDRAWN);
}

/* What a ring still has to give; the rest of it is passed over anyway. */
static size_t ring_waiting(const zo_study *s, const struct ring *ring, uint64_t *numbers)
{
    size_t n = 0;

    for (size_t i = 0; i < ring->n; i++) {
        if (!is_waiting_row(s, ring_at(ring, i)))
            continue;
        if (numbers)
            numbers[n] = ring_at(ring, i);
        n++;
    }
    return n;
}

static zo_status ring_save(const zo_study *s, const struct ring *ring, size_t n, const char *name, zo_bundle *out,
                           zo_error *err)
{
    uint64_t *to;
    zo_status rc = array_put(out, name, ZO_U64, n, &to, err);

    if (rc == ZO_OK && n)
        (void)ring_waiting(s, ring, to);
    return rc;
}

static zo_status head_words_save(const zo_study *s, uint64_t arith_tag, zo_bundle *out, zo_error *err)
{
    double *budget;
    uint64_t *w;
    zo_status rc;

    if ((rc = array_put(out, "head", ZO_U64, HEAD_WORDS, &w, err)) != ZO_OK ||
        (rc = array_put(out, "budget", ZO_F64, 2, &budget, err)) != ZO_OK)
        return rc;
    budget[0] = s->budget.seconds;
    budget[1] = s->budget.has_target ? s->budget.target : 0;
    w[HEAD_LAYOUT] = SNAPSHOT_LAYOUT;
    w[HEAD_VERSION] = s->def->version;
    w[HEAD_TAG] = arith_tag;
    w[HEAD_SEED] = s->seed;
    w[HEAD_DIMS] = s->n;
    w[HEAD_VALUES] = s->n_values;
    w[HEAD_OBJECTIVES] = s->n_objectives;
    w[HEAD_SEQ] = s->seq;
    w[HEAD_NEXT] = s->t.next;
    w[HEAD_CLOSED] = s->t.closed;
    w[HEAD_STRINGS] = s->strings.n;
    w[HEAD_PENDING] = s->pending.n_used;
    w[HEAD_RETRY] = ring_waiting(s, &s->retry, NULL);
    w[HEAD_QUEUE] = ring_waiting(s, &s->queue, NULL);
    w[HEAD_FRONT] = s->front.n;
    w[HEAD_BEST] = s->best;
    w[HEAD_LEAST] = s->least;
    w[HEAD_PAUSED] = s->paused;
    w[HEAD_ENDED] = s->ended;
    w[HEAD_WAITING] = s->waiting;
    w[HEAD_FIRST_ASK] = word_of(s->first_ask_ms);
    w[HEAD_PAUSED_MS] = word_of(s->paused_ms);
    w[HEAD_PAUSED_SINCE] = word_of(s->paused_since_ms);
    w[HEAD_BUDGET] = s->budget.trials;
    w[HEAD_HAS_TARGET] = s->budget.has_target;
    w[HEAD_ASKED_SOLVER] = s->asked_solver;
    w[HEAD_FORGOTTEN] = s->forgotten_seq;
    if ((rc = ring_save(s, &s->retry, (size_t)w[HEAD_RETRY], "retry", out, err)) != ZO_OK)
        return rc;
    return ring_save(s, &s->queue, (size_t)w[HEAD_QUEUE], "queue", out, err);
}

static zo_status strings_save(const struct intern *in, zo_bundle *out, zo_error *err)
{
    size_t bytes = 0;
    uint64_t *sizes;
    char *text;
    zo_status rc;

    for (size_t i = 0; i < in->n; i++)
        bytes += in->items[i].n;
    if ((rc = array_put(out, "string.bytes", ZO_U64, in->n, &sizes, err)) != ZO_OK ||
        (rc = array_put(out, "string.text", ZO_U8, bytes, &text, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < in->n; i++) {
        sizes[i] = in->items[i].n;
        memcpy(text, in->items[i].p, in->items[i].n);
        text += in->items[i].n;
    }
    return ZO_OK;
}

/* The number of the string that says why the study is over, 0: none does. */
static zo_status ended_save(const zo_study *s, zo_bundle *out, zo_error *err)
{
    uint64_t *to;
    const zo_status rc = array_put(out, "ended.why", ZO_U64, 1, &to, err);

    if (rc == ZO_OK)
        *to = s->ended_why;
    return rc;
}

static zo_status stopping_put(const zo_study *s, zo_bundle *out, zo_error *err)
{
    double *words;
    const zo_status rc = array_put(out, "stopping", ZO_F64, stopping_words(), &words, err);

    if (rc == ZO_OK)
        stopping_save(&s->stopping, words);
    return rc;
}

/* Pending trials close up: their places in the pool mean nothing. */
static zo_status pending_save(const struct pending_pool *p, zo_bundle *out, zo_error *err)
{
    uint64_t *w;
    uint8_t *memos;
    zo_status rc;

    if ((rc = array_put(out, "pending", ZO_U64, (size_t)p->n_used * PENDING_WORDS, &w, err)) != ZO_OK ||
        (rc = array_put(out, "memos", ZO_U8, p->n_used * p->memo_bytes, &memos, err)) != ZO_OK)
        return rc;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct pending *e = &p->items[i];
        if (!e->used)
            continue;
        w[PENDING_NUMBER] = e->number;
        w[PENDING_LEASE] = e->lease_ms;
        w[PENDING_EXPIRIES] = e->expiries;
        w[PENDING_OWN] = e->own;
        w += PENDING_WORDS;
        if (p->memo_bytes)
            memcpy(memos, pending_memo(p, i), p->memo_bytes);
        memos += p->memo_bytes;
    }
    return ZO_OK;
}

static zo_status front_save(const struct front *p, zo_bundle *out, zo_error *err)
{
    uint64_t *to;
    zo_status rc = array_put(out, "front", ZO_U64, p->n, &to, err);

    if (rc == ZO_OK && p->n)
        memcpy(to, p->number, p->n * sizeof *to);
    return rc;
}

zo_status guests_visit(zo_study *s, zo_bundle *b, bool loading, zo_error *err)
{
    zo_visit v = {.bundle = b, .loading = loading, .prefix = "solver.", .err = err};

    zo_solver_run_snapshot(s->run, &v);
    v.prefix = "stop.";
    if (v.status == ZO_OK && s->rule)
        s->rule->visit(s->rule_self, &v);
    return v.status;
}

static zo_status head_rows_save(const zo_study *s, zo_bundle *out, zo_error *err)
{
    const size_t n = head_rows(&s->t, NULL);
    uint64_t *numbers = zo_malloc(n * sizeof *numbers);
    zo_status rc;

    if (!numbers)
        return zo_fail_nomem(err);
    (void)head_rows(&s->t, numbers);
    rc = rows_save(s, numbers, n, out, err);
    zo_free(numbers);
    return rc;
}

zo_status zo_study_save_head(zo_study *s, uint64_t arith_tag, zo_bundle *out, zo_error *err)
{
    zo_status rc;

    if (s->as_data || s->loading)
        return zo_fail(err, ZO_ECONFLICT, "", "the study is not whole: it is being replayed");
    if ((rc = solver_pay(s, err)) != ZO_OK || (rc = zo_bundle_set_meta(out, "solver", s->def->name, err)) != ZO_OK ||
        (rc = head_words_save(s, arith_tag, out, err)) != ZO_OK ||
        (rc = strings_save(&s->strings, out, err)) != ZO_OK || (rc = ended_save(s, out, err)) != ZO_OK ||
        (rc = head_rows_save(s, out, err)) != ZO_OK || (rc = stopping_put(s, out, err)) != ZO_OK ||
        (rc = pending_save(&s->pending, out, err)) != ZO_OK || (rc = front_save(&s->front, out, err)) != ZO_OK)
        return rc;
    return guests_visit(s, out, false, err);
}

/* ---- saving segments ---- */

size_t zo_study_closed_segments(const zo_study *s)
{
    return s->t.closed;
}

zo_status zo_study_save_segment(const zo_study *s, size_t i, zo_bundle *out, zo_error *err)
{
    uint64_t *numbers, *index;
    zo_status rc;

    if (i >= s->t.closed)
        return zo_fail(err, ZO_EINVAL, "", "segment %zu is not closed", i);
    if (!(numbers = zo_malloc(ZO_SEGMENT_TRIALS * sizeof *numbers)))
        return zo_fail_nomem(err);
    if ((rc = array_put(out, "segment", ZO_U64, SEGMENT_WORDS, &index, err)) == ZO_OK) {
        index[SEGMENT_INDEX] = i;
        index[SEGMENT_FORGOTTEN] = s->forgotten_seq;
        rc = rows_save(s, numbers, segment_rows(&s->t, i, false, numbers), out, err);
    }
    zo_free(numbers);
    return rc;
}
