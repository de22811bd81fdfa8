/* Forgetting: the study becomes the one in which some trials were never told. What the study knows beside its rows is a
 * function of them: it is made anew from the rows that stay, in number order, beside the old; only when all of it is
 * there, the new takes the old one's place and the rows become tombstones. So want of memory changes nothing, and a log
 * from which the forgotten have been scrubbed leads to the same study. */
#include "study/study_private.h"

#include <stdlib.h>

/* ---- what follows from the rows ---- */

struct derived {
    struct front front;
    struct seen seen;
    struct intern strings;
    struct stopping stopping;
    uint64_t best, least;
    double best_f, least_violation;
};
struct rebuilding {
    uint32_t *string_of; /* [old strings + 1] numbers of the new */
    void *rule;
    zo_solver_run *run;
    bool asked_solver, begun;
};

static struct derived derived_of(const zo_study *s)
{
    return (struct derived){s->front, s->seen,  s->strings, s->stopping,
                            s->best,  s->least, s->best_f,  s->least_violation};
}

static void derived_put(zo_study *s, const struct derived *d)
{
    s->front = d->front;
    s->seen = d->seen;
    s->strings = d->strings;
    s->stopping = d->stopping;
    s->best = d->best;
    s->least = d->least;
    s->best_f = d->best_f;
    s->least_violation = d->least_violation;
}

static void derived_clear(zo_study *s)
{
    s->front = (struct front){.m = s->front.m};
    s->seen = (struct seen){0};
    s->strings = (struct intern){0};
    s->best = s->least = UINT64_MAX;
    s->best_f = s->least_violation = 0;
    stopping_clear(s);
}

static void derived_fini(struct derived *d)
{
    if (d->front.f)
        memset(d->front.f, 0, d->front.cap * d->front.m * sizeof *d->front.f);
    front_fini(&d->front);
    seen_fini(&d->seen);
    intern_wipe(&d->strings);
    intern_fini(&d->strings);
}

static void rebuilding_fini(zo_study *s, struct rebuilding *b)
{
    if (b->rule && s->rule->fini)
        s->rule->fini(b->rule);
    zo_free(b->rule);
    zo_free(b->string_of);
    zo_solver_run_free(b->run);
}

/* ---- making it anew ---- */

static bool is_retained(struct row r)
{
    return r.g->state[r.i] != ZO_TRIAL_FORGOTTEN && !(r.g->flags[r.i] & FLAG_BATCH);
}

static bool has_ended(struct row r)
{
    return r.g->state[r.i] != ZO_TRIAL_QUEUED && r.g->state[r.i] != ZO_TRIAL_RUNNING;
}

static bool string_keep(zo_study *s, struct rebuilding *b, const struct intern *old, uint32_t string)
{
    if (!string || b->string_of[string])
        return true;
    const struct intern_entry *e = &old->items[string - 1];
    if (!intern_reserve(&s->strings, 1, e->n))
        return false;
    b->string_of[string] = intern_add(&s->strings, e->p, e->n);
    return true;
}

static bool seen_keep(zo_study *s, struct row r)
{
    if (s->duplicates != ZO_DUPLICATES_AVOID || r.g->state[r.i] == ZO_TRIAL_ABANDONED ||
        r.g->flags[r.i] & FLAG_WITHDRAWN)
        return true;
    if (!seen_reserve(&s->seen, 1))
        return false;
    seen_add(&s->seen, zo_space_hash(s->space, row_v(&s->t, r)));
    return true;
}

/* Reports one after the other, as they came; the row's own account of them is right already. */
static bool rule_keep(zo_study *s, struct rebuilding *b, struct row r)
{
    const struct rare *rare = row_rare(r);
    const size_t n = rare ? rare->n_reports : 0;

    if (!s->rule || n == 0)
        return true;
    struct rare probe = *rare;
    probe.rungs = 0;
    probe.best = NAN;
    probe.n_reports = 0;
    for (size_t i = 0; i < n; i++) {
        const double value = s->sign[0] * rare->report_values[i * s->n_values];
        if (!s->rule->reserve_report(b->rule, &probe, rare->reports[i].step, value))
            return false;
        probe.n_reports++;
        (void)s->rule->report(b->rule, &probe, rare->reports[i].step, value);
    }
    if (r.g->state[r.i] != ZO_TRIAL_COMPLETE)
        return true;
    if (!s->rule->reserve_complete(b->rule, rare, 1))
        return false;
    s->rule->complete(b->rule, rare, s->n_values, s->sign[0]);
    return true;
}

static bool result_keep(zo_study *s, struct rebuilding *b, struct row r, uint64_t number)
{
    const uint64_t best = s->best, least = s->least;
    const zo_trial_state state = r.g->state[r.i];

    if (!b->begun && number >= s->stopping.base) {
        stopping_restart(s);
        b->begun = true;
    }
    if (!has_ended(r))
        return true;
    if (state == ZO_TRIAL_COMPLETE) {
        if (!best_reserve(s, 1))
            return false;
        if (has_all_values(s, row_values(&s->t, r)))
            best_add(s, number, row_values(&s->t, r));
    }
    stopping_tell(s, state != ZO_TRIAL_ABANDONED && r.g->origin[r.i] != ZO_ORIGIN_IMPORT,
                  s->best != best || (s->best == UINT64_MAX && s->least != least));
    return true;
}

static bool row_keep(zo_study *s, struct rebuilding *b, const struct intern *old, struct row r, uint64_t number)
{
    if (is_x0(s, row_v(&s->t, r)) && (has_ended(r) || r.g->origin[r.i] == ZO_ORIGIN_SOLVER))
        b->asked_solver = true;
    return string_keep(s, b, old, r.g->worker[r.i]) && string_keep(s, b, old, r.g->provenance[r.i]) &&
           seen_keep(s, r) && rule_keep(s, b, r) && result_keep(s, b, r, number);
}

static zo_status rebuild(zo_study *s, struct rebuilding *b, const struct intern *old, bool new_life, zo_error *err)
{
    if (!(b->string_of = zo_calloc(old->n + 1, sizeof *b->string_of)) ||
        (s->rule && !(b->rule = zo_calloc(1, s->rule->state_bytes))))
        return zo_fail_nomem(err);
    if (s->rule)
        s->rule->init(b->rule, s->rule_opts);
    for (uint64_t number = 0;; number++) {
        const struct row r = table_next(&s->t, &number);
        if (!r.g)
            break;
        if (is_retained(r) && !row_keep(s, b, old, r, number))
            return zo_fail_nomem(err);
    }
    if (!b->begun)
        stopping_restart(s);
    if (!intern_reserve(&s->strings, 1, MAX_END_WHY)) /* of an end that still follows */
        return zo_fail_nomem(err);
    return new_life ? solver_relive(s, &b->run, err) : ZO_OK;
}

/* ---- taking the old one's place ---- */

static void strings_renumber(zo_study *s, const struct rebuilding *b)
{
    for (uint64_t number = 0;; number++) {
        const struct row r = table_next(&s->t, &number);
        if (!r.g)
            break;
        r.g->worker[r.i] = b->string_of[r.g->worker[r.i]];
        r.g->provenance[r.i] = b->string_of[r.g->provenance[r.i]];
        if (has_ended(r)) /* every part of a snapshot will be saved anew */
            r.g->flags[r.i] &= (uint8_t)~FLAG_AMENDED;
    }
}

/* What commands leave behind where they work. */
static void scratch_wipe(zo_study *s)
{
    double *const points[] = {s->u, s->v, s->v_in, s->lost}, *const values[] = {s->values_in, s->std_in};

    for (size_t i = 0; i < ZO_LEN(points); i++)
        if (s->n)
            memset(points[i], 0, s->n * sizeof(double));
    for (size_t i = 0; i < ZO_LEN(values); i++)
        memset(values[i], 0, s->n_values * sizeof(double));
    memset(s->f, 0, s->n_objectives * sizeof *s->f);
    memset(s->f_stderr, 0, s->n_objectives * sizeof *s->f_stderr);
    if (s->n_constraints)
        memset(s->g, 0, s->n_constraints * sizeof *s->g);
    if (s->n_gradients) {
        memset(s->gradients_in, 0, s->n_gradients * sizeof(double));
        memset(s->df, 0, s->n_objectives * s->n * sizeof(double));
        if (s->n_constraints)
            memset(s->dg, 0, s->n_constraints * s->n * sizeof(double));
    }
    if (s->cap_batch)
        memset(s->batch, 0, s->cap_batch * sizeof *s->batch);
}

static void replace(zo_study *s, struct rebuilding *b, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        trial_forget(s, table_row(&s->t, numbers[i]));
    strings_renumber(s, b);
    predictions_drop(&s->t);
    if (s->rule) {
        if (s->rule->fini)
            s->rule->fini(s->rule_self);
        memcpy(s->rule_self, b->rule, s->rule->state_bytes);
        zo_free(b->rule);
        b->rule = NULL;
    }
    if (b->run) {
        solver_replace(s, b->run);
        b->run = NULL;
    }
    if (s->ended != END_SECONDS)
        s->ended = END_NONE;
    s->ended_why = 0;
    s->asked_solver = b->asked_solver;
    s->waiting = false;
    scratch_wipe(s);
}

static void mark(zo_study *s, const uint64_t *numbers, size_t n, bool on)
{
    for (size_t i = 0; i < n; i++) {
        const struct row r = table_row(&s->t, numbers[i]);
        r.g->flags[r.i] = (uint8_t)(on ? r.g->flags[r.i] | FLAG_BATCH : r.g->flags[r.i] & ~FLAG_BATCH);
    }
}

zo_status forget_apply(zo_study *s, const uint64_t *numbers, size_t n, bool new_life, zo_error *err)
{
    struct derived old = derived_of(s);
    struct rebuilding b = {0};

    mark(s, numbers, n, true);
    derived_clear(s);
    const zo_status rc = rebuild(s, &b, &old.strings, new_life, err);
    mark(s, numbers, n, false);
    if (rc == ZO_OK) {
        replace(s, &b, numbers, n);
    } else {
        struct derived unfinished = derived_of(s);
        derived_put(s, &old);
        old = unfinished;
    }
    derived_fini(&old);
    rebuilding_fini(s, &b);
    return rc;
}

/* ---- the command ---- */

zo_status forget_check(const zo_study *s, uint64_t number, zo_error *err)
{
    const struct row r = table_row(&s->t, number);
    const unsigned long long shown = number;

    if (!r.g)
        return zo_fail(err, ZO_ENOTFOUND, "", "no trial %llu in this study", shown);
    if (r.g->state[r.i] == ZO_TRIAL_FORGOTTEN)
        return zo_fail(err, ZO_ECONFLICT, "", "trial %llu was forgotten before", shown);
    if (has_ended(r) || r.g->flags[r.i] & FLAG_WITHDRAWN)
        return ZO_OK;
    if (r.g->state[r.i] == ZO_TRIAL_QUEUED && r.g->attempt[r.i] == 0)
        return zo_fail(err, ZO_ECONFLICT, "", "trial %llu is queued: withdraw it first", shown);
    return zo_fail(err, ZO_ECONFLICT, "", "trial %llu is %s: tell it abandoned first", shown,
                   zo_trial_state_name(r.g->state[r.i]));
}

/* Each can be forgotten, and is named once. */
static zo_status numbers_check(zo_study *s, const uint64_t *numbers, size_t n, zo_error *err)
{
    zo_status rc = ZO_OK;
    size_t i = 0;

    for (; i < n; i++) {
        if ((rc = forget_check(s, numbers[i], err)) != ZO_OK)
            break;
        const struct row r = table_row(&s->t, numbers[i]);
        if (r.g->flags[r.i] & FLAG_BATCH) {
            rc = zo_fail(err, ZO_EINVAL, "", "trial %llu is named twice", (unsigned long long)numbers[i]);
            break;
        }
        r.g->flags[r.i] |= FLAG_BATCH;
    }
    mark(s, numbers, i, false);
    return rc == ZO_OK ? ZO_OK : zo_fail_at(err, "/trials/%zu", i);
}

static int by_number(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

    return (x > y) - (x < y);
}

/* An end that the retained trials reach too stays; its reason is found anew. What only the solver knows it says when
 * asked. */
static void judge_again(zo_study *s, enum end_reason was, zo_events *ev, zo_now now)
{
    char why[MAX_END_WHY];
    struct rec_ended end = {.reason = END_NONE};

    if (s->ended != END_NONE)
        return;
    if (target_reached(s))
        end.reason = END_TARGET;
    else if (was == END_STOP && stopping_end(s, why, sizeof why))
        end = (struct rec_ended){.reason = END_STOP, .why = str_of(why)};
    else if ((was == END_STALLED || was == END_INFEASIBLE) && vain_end(s, 0, why, sizeof why))
        end = (struct rec_ended){.reason = end_without_value(s), .why = str_of(why)};
    if (end.reason != END_NONE)
        study_end(s, ev, &end, now);
}

zo_status zo_study_forget(zo_study *s, const uint64_t *numbers, size_t n, uint64_t request, zo_now now, zo_events *ev,
                          zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_FORGOTTEN,
                      .at_ms = now.wall_ms,
                      .u.forgotten = {.request = request, .version = s->def->version, .n = n}};
    const enum end_reason was = s->ended;
    uint64_t *sorted;
    zo_status rc;

    if (is_directional(s))
        return zo_fail(err, ZO_EUNSUPPORTED, "", "a directional study can't forget steps: x has moved by them");
    if (n < 1)
        return zo_fail(err, ZO_EINVAL, "/trials", "at least one trial is named");
    if ((rc = numbers_check(s, numbers, n, err)) != ZO_OK || (rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!(sorted = zo_malloc(n * sizeof *sorted)))
        return zo_fail_nomem(err);
    memcpy(sorted, numbers, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_number);
    rec.u.forgotten.numbers = sorted;
    if (!events_reserve(ev, 2, record_bytes(s, &rec) + 64 + MAX_END_WHY))
        rc = zo_fail_nomem(err);
    else
        rc = forget_apply(s, sorted, n, true, err);
    if (rc == ZO_OK) {
        stopping_rebase(s);
        rec.seq = s->forgotten_seq = next_seq(s);
        event_append(ev, s, &rec);
        judge_again(s, was, ev, now);
    }
    zo_free(sorted);
    return rc;
}

/* ---- what is retained ---- */

static void put_doubles(zo_study_sink *sink, void *ctx, const double *x, size_t n)
{
    static const uint64_t nothing = UINT64_MAX; /* the bits of a NaN say nothing */

    for (size_t i = 0; i < n; i++)
        sink(ctx, !x || isnan(x[i]) ? (const void *)&nothing : &x[i], sizeof nothing);
}

static void put_text(zo_study_sink *sink, void *ctx, const char *text)
{
    const uint64_t n = text ? strlen(text) : UINT64_MAX;

    sink(ctx, &n, sizeof n);
    if (text)
        sink(ctx, text, (size_t)n);
}

void zo_study_retained(const zo_study *s, zo_study_sink *sink, void *ctx)
{
    for (uint64_t number = 0;; number++) {
        const struct row r = table_next(&s->t, &number);
        if (!r.g)
            break;
        if (!has_ended(r) || !is_retained(r))
            continue;
        const struct rare *rare = row_rare(r);
        const uint64_t words[] = {number, r.g->state[r.i]};
        sink(ctx, words, sizeof words);
        put_doubles(sink, ctx, row_v(&s->t, r), s->n);
        put_doubles(sink, ctx, row_values(&s->t, r), s->n_values);
        put_doubles(sink, ctx, rare ? rare->std_errors : NULL, s->n_values);
        put_doubles(sink, ctx, rare ? rare->gradients : NULL, s->n_gradients);
        put_doubles(sink, ctx, rare ? &rare->cost : NULL, 1);
        put_text(sink, ctx, rare ? rare->reason : NULL);
        put_text(sink, ctx, rare ? rare->metadata : NULL);
    }
}
