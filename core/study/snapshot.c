/* Snapshots: the study's memory as bundles. The head holds the solver, what is open, the unclosed tail of the table,
 * and those rows of closed segments that changed since they were closed (FLAG_AMENDED); each closed segment is a bundle
 * of its own, saved once.
 *
 * Loading: head first, with its rows; then the segments, which fill in only the rows that are not there; then finish,
 * which links what names trials (leases, queues, best, front) and counts. All of it is checked as a stranger's would
 * be: a snapshot that does not fit is refused and the log is replayed instead. The study is then of no further use: the
 * caller drops it. */
#include "study/rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#define FORMAT "1"
enum { MAX_STRINGS = 1 << 24 };

/* A snapshot half-way in. */
struct loading {
    zo_bundle late;         /* the head's arrays that need the segments' rows first */
    uint8_t *is_provenance; /* [strings + 1] */
    size_t n_segments, n_loaded;
    uint64_t best, least;
};
static const char *const late_arrays[] = {
    "pending.number", "pending.lease", "pending.expiries", "pending.own", "pending.memo", "retry", "queue", "front"};

void loading_free(struct loading *l)
{
    if (!l)
        return;
    zo_bundle_fini(&l->late);
    zo_free(l->is_provenance);
    zo_free(l);
}

/* ---- segments ---- */

size_t zo_study_closed_segments(const zo_study *s)
{
    return s->t.closed;
}

zo_status zo_study_save_segment(const zo_study *s, size_t i, zo_bundle *out, zo_error *err)
{
    const uint64_t first = (uint64_t)i * ZO_SEGMENT_TRIALS;
    uint64_t *numbers = zo_malloc(ZO_SEGMENT_TRIALS * sizeof *numbers);
    size_t n = 0;

    if (!numbers)
        return zo_fail_nomem(err);
    for (uint64_t k = 0; k < ZO_SEGMENT_TRIALS; k++)
        if (table_row(&s->t, first + k).g)
            numbers[n++] = first + k;
    const zo_status rc = rows_save(s, numbers, n, out, err);
    zo_free(numbers);
    return rc;
}

/* ---- the head: saving ---- */

/* Rows that the head carries. */
static bool in_head(const zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    return r.g && (number / ZO_SEGMENT_TRIALS >= s->t.closed || r.g->flags[r.i] & FLAG_AMENDED);
}

static zo_status head_rows_save(const zo_study *s, zo_bundle *b, zo_error *err)
{
    size_t n = 0, k = 0;

    for (uint64_t number = 0; number < s->t.next; number++)
        n += in_head(s, number);
    uint64_t *numbers = zo_malloc((n ? n : 1) * sizeof *numbers);
    if (!numbers)
        return zo_fail_nomem(err);
    for (uint64_t number = 0; number < s->t.next; number++)
        if (in_head(s, number))
            numbers[k++] = number;
    const zo_status rc = rows_save(s, numbers, n, b, err);
    zo_free(numbers);
    return rc;
}

static zo_status strings_save(const zo_study *s, zo_bundle *b, zo_error *err)
{
    const struct intern *in = &s->strings;
    size_t bytes = 0;
    uint64_t *length = bundle_make(b, "string.bytes", ZO_U64, in->n, err);

    for (size_t i = 0; length && i < in->n; i++)
        bytes += length[i] = in->items[i].n;
    uint8_t *text = length ? bundle_make(b, "string.text", ZO_U8, bytes, err) : NULL;
    if (!text)
        return ZO_ENOMEM;
    for (size_t i = 0; i < in->n; text += length[i++])
        memcpy(text, in->items[i].p, length[i]);
    return ZO_OK;
}

static zo_status pending_save(const zo_study *s, zo_bundle *b, zo_error *err)
{
    const struct pending_pool *p = &s->pending;
    uint64_t *number = bundle_make(b, "pending.number", ZO_U64, p->n_used, err);
    uint64_t *lease = number ? bundle_make(b, "pending.lease", ZO_U64, p->n_used, err) : NULL;
    uint64_t *expiries = lease ? bundle_make(b, "pending.expiries", ZO_U64, p->n_used, err) : NULL;
    uint8_t *own = expiries ? bundle_make(b, "pending.own", ZO_U8, p->n_used, err) : NULL;
    uint8_t *memo = own ? bundle_make(b, "pending.memo", ZO_U8, p->n_used * p->memo_bytes, err) : NULL;
    size_t k = 0;

    if (!memo)
        return ZO_ENOMEM;
    for (uint32_t i = 0; i < p->n; i++) {
        const struct pending *e = &p->items[i];
        if (!e->used)
            continue;
        number[k] = e->number;
        lease[k] = e->lease_ms;
        expiries[k] = e->expiries;
        own[k] = e->own;
        if (p->memo_bytes)
            memcpy(memo + k * p->memo_bytes, pending_memo(p, i), p->memo_bytes);
        k++;
    }
    return ZO_OK;
}

/* What is still queued; entries that were told or withdrawn meanwhile are dropped here. */
static zo_status ring_save(const zo_study *s, const struct ring *ring, const char *name, zo_bundle *b, zo_error *err)
{
    size_t n = 0;

    for (int pass = 0; pass < 2; pass++) {
        uint64_t *to = pass ? bundle_make(b, name, ZO_U64, n, err) : NULL;
        if (pass && !to)
            return ZO_ENOMEM;
        n = 0;
        for (size_t i = 0; i < ring->n; i++) {
            const struct row r = table_row(&s->t, ring_at(ring, i));
            if (r.g->state[r.i] != ZO_TRIAL_QUEUED || r.g->flags[r.i] & FLAG_WITHDRAWN)
                continue;
            if (to)
                to[n] = ring_at(ring, i);
            n++;
        }
    }
    return ZO_OK;
}

static zo_status front_save(const zo_study *s, zo_bundle *b, zo_error *err)
{
    uint64_t *number = bundle_make(b, "front", ZO_U64, s->front.n, err);

    if (!number)
        return ZO_ENOMEM;
    if (s->front.n)
        memcpy(number, s->front.number, s->front.n * sizeof *number);
    return ZO_OK;
}

/* Scalars, the same walk both ways. */
struct scalars {
    uint64_t next, closed, first_ask_ms, paused_ms, paused_since_ms, best, least;
    uint8_t paused, asked_solver, ended, has_target;
};

static void scalars_visit(zo_study *s, struct scalars *x, zo_visit *v)
{
    zo_visit_u64(v, "seq", &s->seq, 1);
    zo_visit_u64(v, "next", &x->next, 1);
    zo_visit_u64(v, "closed", &x->closed, 1);
    zo_visit_u64(v, "budget.trials", &s->budget.trials, 1);
    zo_visit_f64(v, "budget.seconds", &s->budget.seconds, 1);
    zo_visit_u8(v, "budget.has_target", &x->has_target, 1);
    zo_visit_f64(v, "budget.target", &s->budget.target, 1);
    zo_visit_u8(v, "paused", &x->paused, 1);
    zo_visit_u8(v, "asked_solver", &x->asked_solver, 1);
    zo_visit_u8(v, "ended", &x->ended, 1);
    zo_visit_u64(v, "first_ask_ms", &x->first_ask_ms, 1);
    zo_visit_u64(v, "paused_ms", &x->paused_ms, 1);
    zo_visit_u64(v, "paused_since_ms", &x->paused_since_ms, 1);
    zo_visit_u64(v, "best", &x->best, 1);
    zo_visit_u64(v, "least", &x->least, 1);
}

static void parts_visit(zo_study *s, zo_visit *v)
{
    if (s->rule) {
        v->prefix = "rule.";
        s->rule->visit(s->rule_self, v);
    }
    v->prefix = "solver.";
    zo_solver_run_snapshot(s->run, v);
}

static zo_status labels_save(const zo_study *s, uint64_t arith_tag, zo_bundle *b, zo_error *err)
{
    char version[24], tag[24];
    zo_status rc;

    (void)snprintf(version, sizeof version, "%u", s->def->version);
    (void)snprintf(tag, sizeof tag, "%016" PRIx64, arith_tag);
    if ((rc = zo_bundle_set_meta(b, "format", FORMAT, err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(b, "solver", s->def->name, err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(b, "version", version, err)) != ZO_OK)
        return rc;
    return zo_bundle_set_meta(b, "arithmetic", tag, err);
}

zo_status zo_study_save_head(zo_study *s, uint64_t arith_tag, zo_bundle *out, zo_error *err)
{
    struct scalars x = {.next = s->t.next,
                        .closed = s->t.closed,
                        .first_ask_ms = (uint64_t)s->first_ask_ms,
                        .paused_ms = (uint64_t)s->paused_ms,
                        .paused_since_ms = (uint64_t)s->paused_since_ms,
                        .best = s->best,
                        .least = s->least,
                        .paused = s->paused,
                        .asked_solver = s->asked_solver,
                        .ended = (uint8_t)s->ended,
                        .has_target = s->budget.has_target};
    zo_visit v = {.bundle = out, .prefix = "", .err = err};
    zo_status rc;

    if ((rc = solver_pay(s, err)) != ZO_OK || (rc = labels_save(s, arith_tag, out, err)) != ZO_OK)
        return rc;
    scalars_visit(s, &x, &v);
    parts_visit(s, &v);
    if (v.status != ZO_OK)
        return v.status;
    if ((rc = strings_save(s, out, err)) != ZO_OK || (rc = head_rows_save(s, out, err)) != ZO_OK ||
        (rc = pending_save(s, out, err)) != ZO_OK || (rc = ring_save(s, &s->retry, "retry", out, err)) != ZO_OK ||
        (rc = ring_save(s, &s->queue, "queue", out, err)) != ZO_OK)
        return rc;
    return front_save(s, out, err);
}

/* ---- loading ---- */

static zo_status damaged(zo_error *err, const char *what)
{
    return zo_fail(err, ZO_EINVAL, "", "saved state: %s", what);
}

static zo_status labels_check(const zo_study *s, uint64_t arith_tag, const zo_bundle *b, zo_error *err)
{
    const char *format = zo_bundle_meta(b, "format"), *solver = zo_bundle_meta(b, "solver");
    const char *version = zo_bundle_meta(b, "version"), *tag = zo_bundle_meta(b, "arithmetic");
    char own_version[24], own_tag[24];

    (void)snprintf(own_version, sizeof own_version, "%u", s->def->version);
    (void)snprintf(own_tag, sizeof own_tag, "%016" PRIx64, arith_tag);
    if (!format || !solver || !version || !tag || strcmp(solver, s->def->name) != 0)
        return damaged(err, "it is not this study's");
    if (strcmp(format, FORMAT) != 0 || strcmp(version, own_version) != 0 || strcmp(tag, own_tag) != 0)
        return zo_fail(err, ZO_ECONFLICT, "", "saved state: of another version or another arithmetic");
    return ZO_OK;
}

static zo_status strings_load(zo_study *s, struct loading *l, const zo_bundle *b, zo_error *err)
{
    size_t n, n_text, at = 0;
    const uint64_t *length = bundle_find(b, "string.bytes", ZO_U64, &n, err);
    const uint8_t *text = length ? bundle_find(b, "string.text", ZO_U8, &n_text, err) : NULL;

    if (!text)
        return ZO_EINVAL;
    if (n > MAX_STRINGS)
        return damaged(err, "too many strings");
    if (!(l->is_provenance = zo_calloc(n + 1, 1)) || (n && !intern_reserve(&s->strings, n, n_text)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; at += (size_t)length[i++]) {
        if (length[i] > n_text - at || intern_add(&s->strings, (const char *)text + at, (size_t)length[i]) != i + 1)
            return damaged(err, "strings are cut off or repeat");
        l->is_provenance[i + 1] = memchr(text + at, 0, (size_t)length[i]) != NULL;
    }
    return at == n_text ? ZO_OK : damaged(err, "strings are cut off or repeat");
}

static zo_status late_copy(struct loading *l, const zo_bundle *b, zo_error *err)
{
    for (size_t i = 0; i < ZO_LEN(late_arrays); i++) {
        const zo_array *a = zo_bundle_get(b, late_arrays[i]);
        void *data;
        zo_status rc;
        if (!a)
            return damaged(err, "a part is missing");
        if ((rc = zo_bundle_add(&l->late, a->name, a->dtype, a->n_dims, a->dims, &data, err)) != ZO_OK)
            return rc;
        memcpy(data, a->data, a->bytes);
    }
    return ZO_OK;
}

static zo_status scalars_load(zo_study *s, struct loading *l, const struct scalars *x, zo_error *err)
{
    s->budget.has_target = x->has_target;
    if (x->closed > x->next / ZO_SEGMENT_TRIALS || x->ended >= END_REASON_COUNT ||
        budget_check(&s->budget, s->n_objectives, NULL) != ZO_OK)
        return damaged(err, "a number is out of range");
    s->t.next = x->next;
    s->t.closed = l->n_segments = (size_t)x->closed;
    s->paused = x->paused;
    s->asked_solver = x->asked_solver;
    s->ended = x->ended;
    s->first_ask_ms = (int64_t)x->first_ask_ms;
    s->paused_ms = (int64_t)x->paused_ms;
    s->paused_since_ms = (int64_t)x->paused_since_ms;
    l->best = x->best;
    l->least = x->least;
    return ZO_OK;
}

zo_status zo_study_load_head(zo_study *s, const zo_bundle *head, uint64_t arith_tag, size_t *n_segments_out,
                             uint64_t *seq_out, zo_error *err)
{
    struct scalars x = {0};
    zo_bundle view = *head; /* the visitor only reads when it loads */
    zo_visit v = {.bundle = &view, .loading = true, .prefix = "", .err = err};
    zo_status rc;

    if ((rc = labels_check(s, arith_tag, head, err)) != ZO_OK)
        return rc;
    if (!(s->loading = zo_calloc(1, sizeof *s->loading)))
        return zo_fail_nomem(err);
    zo_bundle_init(&s->loading->late);
    scalars_visit(s, &x, &v);
    parts_visit(s, &v);
    if (v.status != ZO_OK)
        return v.status;
    if ((rc = scalars_load(s, s->loading, &x, err)) != ZO_OK ||
        (rc = strings_load(s, s->loading, head, err)) != ZO_OK ||
        (rc = rows_load(s, 0, s->t.next, s->loading->is_provenance, head, err)) != ZO_OK ||
        (rc = late_copy(s->loading, head, err)) != ZO_OK)
        return rc;
    *n_segments_out = s->loading->n_segments;
    *seq_out = s->seq;
    return ZO_OK;
}

zo_status zo_study_load_segment(zo_study *s, size_t i, const zo_bundle *segment, zo_error *err)
{
    const uint64_t first = (uint64_t)i * ZO_SEGMENT_TRIALS;

    if (!s->loading || i != s->loading->n_loaded || i >= s->loading->n_segments)
        return damaged(err, "segments come in another order");
    s->loading->n_loaded++;
    return rows_load(s, first, first + ZO_SEGMENT_TRIALS, s->loading->is_provenance, segment, err);
}

/* ---- finish: what names trials ---- */

static bool is_queued(const zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    return r.g && r.g->state[r.i] == ZO_TRIAL_QUEUED && !(r.g->flags[r.i] & FLAG_WITHDRAWN);
}

static zo_status ring_load(zo_study *s, const zo_bundle *b, const char *name, struct ring *ring, zo_error *err)
{
    size_t n;
    const uint64_t *number = bundle_find(b, name, ZO_U64, &n, err);

    if (!number)
        return ZO_EINVAL;
    if (!ring_reserve(ring, n))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if (!is_queued(s, number[i]))
            return damaged(err, "a queue holds a trial that is not queued");
        ring_push(ring, number[i]);
    }
    return ZO_OK;
}

static zo_status pending_load(zo_study *s, const zo_bundle *b, zo_error *err)
{
    struct pending_pool *p = &s->pending;
    size_t n, lengths[4];
    const uint64_t *number = bundle_find(b, "pending.number", ZO_U64, &n, err);
    const uint64_t *lease = number ? bundle_find(b, "pending.lease", ZO_U64, &lengths[0], err) : NULL;
    const uint64_t *expiries = lease ? bundle_find(b, "pending.expiries", ZO_U64, &lengths[1], err) : NULL;
    const uint8_t *own = expiries ? bundle_find(b, "pending.own", ZO_U8, &lengths[2], err) : NULL;
    const uint8_t *memo = own ? bundle_find(b, "pending.memo", ZO_U8, &lengths[3], err) : NULL;

    if (!memo)
        return ZO_EINVAL;
    if (lengths[0] != n || lengths[1] != n || lengths[2] != n || lengths[3] != n * p->memo_bytes)
        return damaged(err, "columns of pending trials differ in length");
    if (!pending_reserve(p, n))
        return zo_fail_nomem(err);
    for (size_t k = 0; k < n; k++) {
        const struct row r = table_row(&s->t, number[k]);
        if (!r.g || r.g->pending[r.i] || (r.g->state[r.i] != ZO_TRIAL_QUEUED && r.g->state[r.i] != ZO_TRIAL_RUNNING) ||
            !r.g->attempt[r.i] || expiries[k] > UINT32_MAX || lease_check(lease[k], NULL) != ZO_OK)
            return damaged(err, "a pending trial is not pending");
        const uint32_t i = pending_take(p, number[k]);
        p->items[i].lease_ms = lease[k];
        p->items[i].expiries = (uint32_t)expiries[k];
        p->items[i].own = own[k];
        if (p->memo_bytes)
            memcpy(pending_memo(p, i), memo + k * p->memo_bytes, p->memo_bytes);
        r.g->pending[r.i] = i + 1;
    }
    return ZO_OK;
}

static bool is_complete(const zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    return r.g && r.g->state[r.i] == ZO_TRIAL_COMPLETE && has_all_values(s, row_values(&s->t, r));
}

static int ascending(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

static zo_status front_load(zo_study *s, const zo_bundle *b, zo_error *err)
{
    struct front *p = &s->front;
    size_t n;
    const uint64_t *number = bundle_find(b, "front", ZO_U64, &n, err);

    if (!number)
        return ZO_EINVAL;
    if (n && (s->n_objectives == 1 || !front_reserve(p, n)))
        return s->n_objectives == 1 ? damaged(err, "a front of a single objective") : zo_fail_nomem(err);
    for (size_t i = 0; i < n; i++) {
        if (!is_complete(s, number[i]))
            return damaged(err, "the front holds a trial without values");
        const double *values = row_values(&s->t, table_row(&s->t, number[i]));
        for (size_t j = 0; j < s->n_objectives; j++)
            p->f[i * s->n_objectives + j] = s->sign[j] * values[j];
        if (s->n_objectives == 2 && i > 0 && p->f[2 * i] <= p->f[2 * i - 2])
            return damaged(err, "the front is not in order");
        p->number[i] = p->sorted[i] = number[i];
    }
    p->n = n;
    if (n)
        qsort(p->sorted, n, sizeof *p->sorted, ascending);
    return ZO_OK;
}

static zo_status best_load(zo_study *s, zo_error *err)
{
    const uint64_t best = s->loading->best, least = s->loading->least;

    if ((best != UINT64_MAX && !is_complete(s, best)) || (least != UINT64_MAX && !is_complete(s, least)))
        return damaged(err, "the best trial has no values");
    s->best = best;
    s->least = least;
    if (best != UINT64_MAX)
        s->best_f = s->sign[0] * row_values(&s->t, table_row(&s->t, best))[0];
    if (least != UINT64_MAX)
        s->least_violation = constraint_violation(s, row_values(&s->t, table_row(&s->t, least)));
    return ZO_OK;
}

/* Every open trial is in its place: running ones are pending, queued ones in a ring. */
static zo_status open_check(const zo_study *s, zo_error *err)
{
    for (size_t k = 0; k < s->t.n_segs; k++) {
        const struct segment *g = &s->t.segs[k];
        for (size_t i = 0; g->open && i < g->cap; i++)
            if (g->state[i] == ZO_TRIAL_RUNNING && !g->pending[i])
                return damaged(err, "a running trial has no lease");
    }
    if (s->retry.n + s->queue.n != s->counts.by_state[ZO_TRIAL_QUEUED])
        return damaged(err, "a queued trial is in no queue");
    return ZO_OK;
}

static zo_status seen_rebuild(zo_study *s, zo_error *err)
{
    if (s->duplicates != ZO_DUPLICATES_AVOID)
        return ZO_OK;
    if (!seen_reserve(&s->seen, (size_t)(s->t.next - s->t.absent)))
        return zo_fail_nomem(err);
    for (uint64_t number = 0; number < s->t.next; number++) {
        const struct row r = table_row(&s->t, number);
        if (r.g && r.g->state[r.i] != ZO_TRIAL_ABANDONED && !(r.g->flags[r.i] & FLAG_WITHDRAWN))
            seen_add(&s->seen, zo_space_hash(s->space, row_v(&s->t, r)));
    }
    return ZO_OK;
}

zo_status zo_study_load_finish(zo_study *s, zo_error *err)
{
    zo_status rc;

    if (!s->loading || s->loading->n_loaded != s->loading->n_segments)
        return damaged(err, "segments are missing");
    const zo_bundle *late = &s->loading->late;
    if ((rc = rows_count(s, err)) != ZO_OK || (rc = ring_load(s, late, "retry", &s->retry, err)) != ZO_OK ||
        (rc = ring_load(s, late, "queue", &s->queue, err)) != ZO_OK || (rc = pending_load(s, late, err)) != ZO_OK ||
        (rc = open_check(s, err)) != ZO_OK || (rc = front_load(s, late, err)) != ZO_OK ||
        (rc = best_load(s, err)) != ZO_OK || (rc = seen_rebuild(s, err)) != ZO_OK)
        return rc;
    loading_free(s->loading);
    s->loading = NULL;
    return ZO_OK;
}
