/* Snapshots, the way back: see snapshot.c. Loading trusts nothing but the spec. */
#include "study/snapshot.h"

#include <stdlib.h>

enum { MAX_TEXT = 1 << 20 };

/* ---- loading the head ---- */

static zo_status head_fits(const zo_study *s, const zo_bundle *head, const uint64_t *w, uint64_t arith_tag,
                           zo_error *err)
{
    const char *solver = zo_bundle_meta(head, "solver");

    if (w[HEAD_LAYOUT] != SNAPSHOT_LAYOUT)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "the snapshot has layout %llu, this build reads %d",
                       (unsigned long long)w[HEAD_LAYOUT], (int)SNAPSHOT_LAYOUT);
    if (!solver || strcmp(solver, s->def->name) != 0 || w[HEAD_SEED] != s->seed || w[HEAD_DIMS] != s->n ||
        w[HEAD_VALUES] != s->n_values || w[HEAD_OBJECTIVES] != s->n_objectives)
        return snapshot_damaged(err, "it belongs to another study");
    if (w[HEAD_VERSION] != s->def->version)
        return zo_fail(err, ZO_ECONFLICT, "", "solver %s is version %u, the snapshot's is %llu", s->def->name,
                       s->def->version, (unsigned long long)w[HEAD_VERSION]);
    if (w[HEAD_TAG] != arith_tag)
        return zo_fail(err, ZO_ECONFLICT, "", "the snapshot was made with another arithmetic");
    return ZO_OK;
}

static zo_status head_words_load(zo_study *s, const uint64_t *w, const double *budget, zo_error *err)
{
    const zo_budget b = {
        .trials = w[HEAD_BUDGET], .seconds = budget[0], .has_target = w[HEAD_HAS_TARGET] != 0, .target = budget[1]};

    if (w[HEAD_CLOSED] > SIZE_MAX / ZO_SEGMENT_TRIALS || w[HEAD_CLOSED] * ZO_SEGMENT_TRIALS > w[HEAD_NEXT] ||
        w[HEAD_NEXT] > INT64_MAX || w[HEAD_SEQ] > INT64_MAX ||
        w[HEAD_NEXT] / ((uint64_t)MAX_NUMBER_GAP + 1) > w[HEAD_SEQ] || /* an event makes a trial, and a gap below it */
        w[HEAD_PAUSED] > 1 || w[HEAD_WAITING] > 1 || w[HEAD_HAS_TARGET] > 1 || w[HEAD_ASKED_SOLVER] > 1 ||
        w[HEAD_FORGOTTEN] > w[HEAD_SEQ] || w[HEAD_ENDED] >= END_REASON_COUNT || w[HEAD_FIRST_ASK] > MAX_MS ||
        w[HEAD_PAUSED_MS] > MAX_MS || w[HEAD_PAUSED_SINCE] > MAX_MS || budget_check(&b, s->n_objectives, NULL) != ZO_OK)
        return snapshot_damaged(err, "a counter is out of range");
    s->budget = b;
    s->seq = w[HEAD_SEQ];
    s->t.next = w[HEAD_NEXT];
    s->t.closed = (size_t)w[HEAD_CLOSED];
    s->best = w[HEAD_BEST];
    s->least = w[HEAD_LEAST];
    s->paused = w[HEAD_PAUSED];
    s->ended = (enum end_reason)w[HEAD_ENDED];
    s->waiting = w[HEAD_WAITING];
    s->asked_solver = w[HEAD_ASKED_SOLVER];
    s->forgotten_seq = w[HEAD_FORGOTTEN];
    s->first_ask_ms = (int64_t)w[HEAD_FIRST_ASK];
    s->paused_ms = (int64_t)w[HEAD_PAUSED_MS];
    s->paused_since_ms = (int64_t)w[HEAD_PAUSED_SINCE];
    return ZO_OK;
}

static zo_status strings_load(zo_study *s, const zo_bundle *head, uint64_t n, zo_error *err)
{
    const uint64_t *sizes;
    const char *text;
    size_t bytes = 0;
    zo_status rc;

    if (n > UINT32_MAX)
        return snapshot_damaged(err, "a counter is out of range");
    if ((rc = array_get(head, "string.bytes", ZO_U64, (size_t)n, &sizes, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        if (sizes[i] > MAX_TEXT)
            return snapshot_damaged(err, "'string.bytes' is out of range");
        bytes += (size_t)sizes[i];
    }
    if ((rc = array_get(head, "string.text", ZO_U8, bytes, &text, err)) != ZO_OK)
        return rc;
    if (!(s->loading->is_provenance = zo_calloc((size_t)n + 1, sizeof(bool))) ||
        (n && !intern_reserve(&s->strings, (size_t)n, bytes)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        const size_t size = (size_t)sizes[i];
        if (intern_add(&s->strings, text, size) != i + 1)
            return snapshot_damaged(err, "a string is there twice");
        s->loading->is_provenance[i + 1] = size && memchr(text, 0, size) != NULL;
        text += size;
    }
    return ZO_OK;
}

/* A row that a queue or a pending trial names, for the first time: FLAG_BATCH marks those named. */
static bool name_row(const zo_study *s, uint64_t number, struct row *out)
{
    *out = table_row(&s->t, number);
    if (!out->g || out->g->flags[out->i] & (FLAG_WITHDRAWN | FLAG_BATCH))
        return false;
    out->g->flags[out->i] |= FLAG_BATCH;
    return true;
}

static void unname_rows(const zo_study *s, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct row r = table_row(&s->t, numbers[i]);
        if (r.g)
            r.g->flags[r.i] &= (uint8_t)~FLAG_BATCH;
    }
}

static zo_status ring_load(zo_study *s, struct ring *ring, const zo_bundle *head, const char *name, uint64_t n,
                           bool again, zo_error *err)
{
    const uint64_t *numbers;
    zo_status rc;

    if (n > s->counts.by_state[ZO_TRIAL_QUEUED])
        return snapshot_damaged(err, "a queue is longer than the trials queued");
    if ((rc = array_get(head, name, ZO_U64, (size_t)n, &numbers, err)) != ZO_OK)
        return rc;
    if (n && !ring_reserve(ring, (size_t)n))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n && rc == ZO_OK; i++) {
        struct row r;
        if (!name_row(s, numbers[i], &r) || r.g->state[r.i] != ZO_TRIAL_QUEUED || (r.g->attempt[r.i] > 0) != again)
            rc = snapshot_damaged(err, "a queue names a trial that can't be in it");
        else
            ring_push(ring, numbers[i]);
    }
    unname_rows(s, numbers, (size_t)n);
    return rc;
}

static zo_status rings_load(zo_study *s, const zo_bundle *head, const uint64_t *w, zo_error *err)
{
    zo_status rc;

    if ((rc = ring_load(s, &s->retry, head, "retry", w[HEAD_RETRY], true, err)) != ZO_OK ||
        (rc = ring_load(s, &s->queue, head, "queue", w[HEAD_QUEUE], false, err)) != ZO_OK)
        return rc;
    if (s->retry.n + s->queue.n != s->counts.by_state[ZO_TRIAL_QUEUED])
        return snapshot_damaged(err, "a queued trial is in no queue");
    return ZO_OK;
}

static zo_status pending_load_one(zo_study *s, const uint64_t *w, const uint8_t *memo, zo_error *err)
{
    const struct row r = table_row(&s->t, w[PENDING_NUMBER]);
    struct pending_pool *p = &s->pending;

    if (!r.g || r.g->flags[r.i] & FLAG_WITHDRAWN || r.g->pending[r.i] || r.g->attempt[r.i] == 0 ||
        (r.g->state[r.i] != ZO_TRIAL_RUNNING && r.g->state[r.i] != ZO_TRIAL_QUEUED) ||
        lease_check(w[PENDING_LEASE], NULL) != ZO_OK || w[PENDING_EXPIRIES] > UINT32_MAX || w[PENDING_OWN] > 1)
        return snapshot_damaged(err, "a pending trial contradicts the table");
    const uint32_t i = pending_take(p, w[PENDING_NUMBER]);
    p->items[i].lease_ms = w[PENDING_LEASE];
    p->items[i].expiries = (uint32_t)w[PENDING_EXPIRIES];
    p->items[i].own = w[PENDING_OWN];
    if (p->memo_bytes)
        memcpy(pending_memo(p, i), memo, p->memo_bytes);
    r.g->pending[r.i] = i + 1;
    return ZO_OK;
}

static zo_status pending_load(zo_study *s, const zo_bundle *head, uint64_t n, zo_error *err)
{
    const size_t memo_bytes = s->pending.memo_bytes;
    const uint64_t *w;
    const uint8_t *memos;
    zo_status rc;

    if (n != s->counts.by_state[ZO_TRIAL_RUNNING] + s->retry.n || n > INT32_MAX)
        return snapshot_damaged(err, "pending trials and the table differ in number");
    if ((rc = array_get(head, "pending", ZO_U64, (size_t)n * PENDING_WORDS, &w, err)) != ZO_OK ||
        (rc = array_get(head, "memos", ZO_U8, (size_t)n * memo_bytes, &memos, err)) != ZO_OK)
        return rc;
    if (!pending_reserve(&s->pending, (size_t)n))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        rc = pending_load_one(s, w + i * PENDING_WORDS, memos + i * memo_bytes, err);
    return rc;
}

/* Members' numbers only: their rows may be in segments yet to come. */
static zo_status front_load(struct front *p, const zo_bundle *head, uint64_t n, zo_error *err)
{
    const uint64_t *numbers;
    zo_status rc;

    if (n && p->m < 2)
        return snapshot_damaged(err, "a Pareto front of one objective");
    if ((rc = array_get(head, "front", ZO_U64, (size_t)n, &numbers, err)) != ZO_OK)
        return rc;
    if (n && !front_reserve(p, (size_t)n))
        return zo_fail_nomem(err);
    if (n)
        memcpy(p->number, numbers, (size_t)n * sizeof *numbers);
    p->n = (size_t)n;
    return ZO_OK;
}

static zo_status ended_load(zo_study *s, const zo_bundle *head, zo_error *err)
{
    const uint64_t *why;
    zo_status rc;

    if ((rc = array_get(head, "ended.why", ZO_U64, 1, &why, err)) != ZO_OK)
        return rc;
    if (*why > s->strings.n || (*why && s->ended == END_NONE))
        return snapshot_damaged(err, "'ended.why' is out of range");
    s->ended_why = (uint32_t)*why;
    return ZO_OK;
}

static zo_status stopping_get(zo_study *s, const zo_bundle *head, zo_error *err)
{
    const double *words;
    zo_status rc;

    if ((rc = array_get(head, "stopping", ZO_F64, stopping_words(), &words, err)) != ZO_OK)
        return rc;
    return stopping_load(&s->stopping, words) ? ZO_OK : snapshot_damaged(err, "'stopping' is out of range");
}

static zo_status head_load(zo_study *s, const zo_bundle *head, const uint64_t *w, zo_error *err)
{
    const double *budget;
    zo_status rc;

    if ((rc = array_get(head, "budget", ZO_F64, 2, &budget, err)) != ZO_OK ||
        (rc = head_words_load(s, w, budget, err)) != ZO_OK ||
        (rc = strings_load(s, head, w[HEAD_STRINGS], err)) != ZO_OK || (rc = ended_load(s, head, err)) != ZO_OK ||
        (rc = stopping_get(s, head, err)) != ZO_OK || (rc = rows_load(s, head, 0, w[HEAD_NEXT], true, err)) != ZO_OK ||
        (rc = rings_load(s, head, w, err)) != ZO_OK || (rc = pending_load(s, head, w[HEAD_PENDING], err)) != ZO_OK ||
        (rc = front_load(&s->front, head, w[HEAD_FRONT], err)) != ZO_OK)
        return rc;
    zo_bundle lent = *head; /* loading only reads it */
    return guests_visit(s, &lent, true, err);
}

void loading_free(struct loading *l)
{
    if (l)
        zo_free(l->is_provenance);
    zo_free(l);
}

zo_status zo_study_load_head(zo_study *s, const zo_bundle *head, uint64_t arith_tag, size_t *n_segments_out,
                             uint64_t *seq_out, zo_error *err)
{
    const uint64_t *w;
    zo_status rc;

    if (s->seq || s->t.next || s->loading)
        return zo_fail(err, ZO_ECONFLICT, "", "a snapshot loads into a new study");
    if ((rc = array_get(head, "head", ZO_U64, HEAD_WORDS, &w, err)) != ZO_OK ||
        (rc = head_fits(s, head, w, arith_tag, err)) != ZO_OK)
        return rc;
    if (!(s->loading = zo_calloc(1, sizeof *s->loading)))
        return zo_fail_nomem(err);
    if ((rc = head_load(s, head, w, err)) != ZO_OK)
        return rc;
    *n_segments_out = s->loading->n_segments = s->t.closed;
    *seq_out = s->seq;
    return ZO_OK;
}

/* ---- loading segments, and the end ---- */

zo_status zo_study_load_segment(zo_study *s, size_t i, const zo_bundle *segment, zo_error *err)
{
    const uint64_t *index, first = (uint64_t)i * ZO_SEGMENT_TRIALS;
    zo_status rc;

    if (!s->loading || i != s->loading->n_loaded || i >= s->loading->n_segments)
        return zo_fail(err, ZO_ECONFLICT, "", "segment %zu is not the next to load", i);
    if ((rc = array_get(segment, "segment", ZO_U64, SEGMENT_WORDS, &index, err)) != ZO_OK)
        return rc;
    if (index[SEGMENT_FORGOTTEN] != s->forgotten_seq)
        return snapshot_damaged(err, "a segment from before trials were forgotten");
    if (index[SEGMENT_INDEX] != i)
        return snapshot_damaged(err, "a segment of another number");
    if ((rc = rows_load(s, segment, first, first + ZO_SEGMENT_TRIALS, false, err)) == ZO_OK)
        s->loading->n_loaded++;
    return rc;
}

static const double *complete_values(const zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    return r.g && r.g->state[r.i] == ZO_TRIAL_COMPLETE && r.g->flags[r.i] & FLAG_VALUES ? row_values(&s->t, r) : NULL;
}

static zo_status best_finish(zo_study *s, zo_error *err)
{
    const double *best = complete_values(s, s->best), *least = complete_values(s, s->least);

    if ((s->best != UINT64_MAX && (!best || s->n_objectives > 1 || constraint_violation(s, best) > 0)) ||
        (s->least != UINT64_MAX && (!least || s->n_objectives > 1 || !(constraint_violation(s, least) > 0))))
        return snapshot_damaged(err, "the best trial can't be it");
    if (best)
        s->best_f = s->sign[0] * best[0];
    if (least)
        s->least_violation = constraint_violation(s, least);
    return ZO_OK;
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* Values of the members, and their order by number. Of two objectives, the members are a staircase. */
static zo_status front_finish(zo_study *s, zo_error *err)
{
    struct front *p = &s->front;
    const size_t m = p->m;

    for (size_t i = 0; i < p->n; i++) {
        const double *values = complete_values(s, p->number[i]);
        double *f = p->f + i * m;
        if (!values || constraint_violation(s, values) > 0)
            return snapshot_damaged(err, "a member of the Pareto front can't be one");
        for (size_t j = 0; j < m; j++)
            f[j] = s->sign[j] * values[j];
        if (m == 2 && i > 0 && !(f[0] > f[-2] && f[1] < f[-1]))
            return snapshot_damaged(err, "the Pareto front is out of order");
        p->sorted[i] = p->number[i];
    }
    if (p->n)
        qsort(p->sorted, p->n, sizeof *p->sorted, by_number);
    for (size_t i = 1; i < p->n; i++)
        if (p->sorted[i] == p->sorted[i - 1])
            return snapshot_damaged(err, "a trial is in the Pareto front twice");
    return ZO_OK;
}

zo_status zo_study_load_finish(zo_study *s, zo_error *err)
{
    zo_status rc;

    if (!s->loading || s->loading->n_loaded != s->loading->n_segments)
        return zo_fail(err, ZO_ECONFLICT, "", "the snapshot is not loaded in full");
    if (s->t.next && !table_row(&s->t, s->t.next - 1).g)
        return snapshot_damaged(err, "the last trial is missing");
    if ((rc = best_finish(s, err)) != ZO_OK || (rc = front_finish(s, err)) != ZO_OK)
        return rc;
    loading_free(s->loading);
    s->loading = NULL;
    return ZO_OK;
}
