/* Tell: results of trials by number, and points that the client brings (its own, or imported under their numbers).
 *
 * A batch is all or nothing: every item is checked against the state and the items before it, then all memory is
 * reserved, then all are applied in order. The same result again makes no event. A result may come late: from a trial
 * whose lease ran out, whatever became of it, as long as nobody else has told it; the first result wins. */
#include "study/study_private.h"

enum { MAX_REASON = 1024, MAX_TELL_WORKER = 128 };

static bool same_double(double a, double b)
{
    return a == b || (isnan(a) && isnan(b));
}

bool same_doubles(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!same_double(a ? a[i] : NAN, b ? b[i] : NAN))
            return false;
    return true;
}

/* What is not said again does not differ. */
static bool same_text(struct str kept, struct str told)
{
    return !told.p || (kept.p && kept.n == told.n && memcmp(kept.p, told.p, told.n) == 0);
}

/* ---- check ---- */

static zo_status values_check(const zo_study *s, const struct rec_told *r, zo_error *err)
{
    const size_t needed = s->n_objectives + s->n_constraints;
    zo_error at = {0};

    for (size_t j = 0; j < s->n_named; j++) {
        const double x = r->values ? r->values[j] : NAN, e = r->std_errors ? r->std_errors[j] : NAN;
        const char *field = isinf(x) ? "/values" : isinf(e) || e < 0 ? "/stderr" : NULL;

        if (!field && j < needed && r->state == ZO_TRIAL_COMPLETE && isnan(x) && !is_directional(s)) {
            zo_pointer_append(strcpy(at.pointer, "/values"), sizeof at.pointer, s->names[j]);
            return zo_fail(err, ZO_EINVAL, at.pointer, "a complete trial needs a value for '%.64s'", s->names[j]);
        }
        if (!field && j < needed && !isnan(x) && r->state != ZO_TRIAL_COMPLETE && r->state != ZO_TRIAL_STOPPED) {
            zo_pointer_append(strcpy(at.pointer, "/values"), sizeof at.pointer, s->names[j]);
            return zo_fail(err, ZO_EINVAL, at.pointer, "a trial told as %s has no value for '%.64s'",
                           zo_trial_state_name(r->state), s->names[j]);
        }
        if (!field)
            continue;
        zo_pointer_append(strcpy(at.pointer, field), sizeof at.pointer, s->names[j]);
        return zo_fail(err, ZO_EINVAL, at.pointer, "%s",
                       e < 0 ? "a standard error is not negative" : "numbers are finite");
    }
    if (isinf(r->cost) || r->cost < 0)
        return zo_fail(err, ZO_EINVAL, "/cost", "a cost is finite and not negative");
    if (r->reason.n > MAX_REASON)
        return zo_fail(err, ZO_EINVAL, "/reason", "a reason has at most %d bytes", (int)MAX_REASON);
    if (r->worker.n > MAX_TELL_WORKER)
        return zo_fail(err, ZO_EINVAL, "/worker", "a worker's name has at most %d bytes", (int)MAX_TELL_WORKER);
    return ZO_OK;
}

static zo_status gradient_refuse(const char *name, zo_error *err, const char *what)
{
    zo_error at = {0};

    if (name)
        zo_pointer_append(strcpy(at.pointer, "/gradients"), sizeof at.pointer, name);
    return zo_fail(err, ZO_EINVAL, name ? at.pointer : "/gradients", "%s", what);
}

/* Of each objective and constraint: derivatives by all coordinates, or none. */
static zo_status gradients_check(const zo_study *s, const struct rec_told *r, zo_error *err)
{
    if (r->gradients && !s->n_gradients)
        return gradient_refuse(NULL, err, "this study's oracle gives no gradients: they need \"oracle\": \"gradient\"");
    if (r->gradients && r->state != ZO_TRIAL_COMPLETE && r->state != ZO_TRIAL_STOPPED)
        return gradient_refuse(NULL, err, "only complete and stopped trials have gradients");
    for (size_t j = 0; s->n_gradients && j < s->n_objectives + s->n_constraints; j++) {
        const double *row = r->gradients ? r->gradients + j * s->n : NULL;
        size_t given = 0;

        for (size_t i = 0; row && i < s->n; i++) {
            given += isnan(row[i]) ? 0 : 1;
            if (isinf(row[i]))
                return gradient_refuse(s->names[j], err, "derivatives are finite");
        }
        if (given == 0 && j < s->n_objectives && r->state == ZO_TRIAL_COMPLETE)
            return gradient_refuse(s->names[j], err, "a complete trial of this study needs the objective's gradient");
        if (given != 0 && given != s->n)
            return gradient_refuse(s->names[j], err, "a gradient has a derivative by every parameter");
        if (given != 0 && (!r->values || isnan(r->values[j])))
            return gradient_refuse(s->names[j], err, "a gradient comes with its value");
    }
    return ZO_OK;
}

/* A point of the client's own: the number is free. */
static zo_status brought_check(zo_study *s, const struct rec_told *r, zo_error *err)
{
    const uint64_t next = s->t.next;

    if (r->number > next + MAX_NUMBER_GAP)
        return zo_fail(err, ZO_EINVAL, "/number", "number %llu leaves too large a gap after %llu",
                       (unsigned long long)r->number, (unsigned long long)next);
    if (is_directional(s))
        return own_points_only(err);
    if (table_row(&s->t, r->number).g)
        return zo_fail(err, ZO_ECONFLICT, "/number", "trial %llu exists already", (unsigned long long)r->number);
    if (!r->scrubbed && zo_space_check(s->space, r->v, err) != ZO_OK)
        return zo_fail_at(err, "/params");
    return ZO_OK;
}

/* What is kept of a finished trial, against what is told again. */
static bool is_repeat(const zo_study *s, struct row row, const struct rec_told *r)
{
    const struct rare *rare = row_rare(row);
    const size_t derived = is_directional(s) && !s->plan.derivatives; /* values that were not told */

    if (row.g->state[row.i] != r->state)
        return false;
    return same_doubles(row_values(&s->t, row) + derived, r->values ? r->values + derived : NULL, s->n_values - derived) &&
           same_doubles(rare ? rare->std_errors : NULL, r->std_errors, s->n_values) &&
           same_doubles(rare ? rare->gradients : NULL, r->gradients, s->n_gradients) &&
           same_double(rare ? rare->cost : NAN, r->cost) &&
           same_text(str_of(rare ? rare->reason : NULL), r->reason) &&
           same_text(str_of(rare ? rare->metadata : NULL), r->metadata);
}

zo_status told_check(zo_study *s, const struct rec_told *r, bool *repeat_out, zo_error *err)
{
    struct row row;
    zo_status rc;

    *repeat_out = false;
    if (r->state == ZO_TRIAL_QUEUED || r->state == ZO_TRIAL_RUNNING || r->state > ZO_TRIAL_ABANDONED)
        return zo_fail(err, ZO_EINVAL, "/state", "a trial is told complete, infeasible, failed, stopped or abandoned");
    if (!r->scrubbed && ((rc = values_check(s, r, err)) != ZO_OK || (rc = gradients_check(s, r, err)) != ZO_OK))
        return rc;
    if (r->brought)
        return brought_check(s, r, err);
    if ((rc = trial_find(s, r->number, &row, err)) != ZO_OK)
        return zo_fail_at(err, "/trial");
    if (is_directional(s) && (rc = step_told_check(s, row_v(&s->t, row), r, err)) != ZO_OK)
        return rc;
    const zo_trial_state from = row.g->state[row.i];
    if (from == ZO_TRIAL_FORGOTTEN)
        return zo_fail(err, ZO_ECONFLICT, "/trial", "trial %llu was forgotten", (unsigned long long)r->number);
    const bool expired = row.g->flags[row.i] & FLAG_EXPIRED;
    if (from == ZO_TRIAL_QUEUED && row.g->attempt[row.i] == 0)
        return zo_fail(err, ZO_ECONFLICT, "/trial", "trial %llu is queued and was never handed out",
                       (unsigned long long)r->number);
    if (zo_trial_may_move(from, r->state) && (from == ZO_TRIAL_QUEUED || from == ZO_TRIAL_RUNNING || expired))
        return ZO_OK;
    if (is_repeat(s, row, r)) {
        *repeat_out = true;
        return ZO_OK;
    }
    return zo_fail(err, ZO_ECONFLICT, "/trial", "trial %llu is %s already, with another result",
                   (unsigned long long)r->number, zo_trial_state_name(from));
}

/* ---- reserve ---- */

static char *copy_text(struct str text)
{
    char *to = zo_malloc(text.n + 1);

    if (to) {
        memcpy(to, text.p, text.n);
        to[text.n] = 0;
    }
    return to;
}

/* *out is NULL where there is nothing to copy. */
static bool copy_doubles(const double *from, size_t n, double **out)
{
    *out = from ? zo_malloc(n * sizeof *from) : NULL;
    if (*out)
        memcpy(*out, from, n * sizeof *from);
    return *out || !from;
}

/* What the row keeps beside its columns; *out is NULL where there is nothing. */
static bool rare_prepare(const zo_study *s, const struct rec_told *r, struct rare **out)
{
    struct rare *rare;

    *out = NULL;
    if (!r->reason.p && !r->metadata.p && !r->std_errors && !r->gradients && isnan(r->cost))
        return true;
    if (!(rare = rare_new()))
        return false;
    rare->cost = r->cost;
    if ((r->reason.p && !(rare->reason = copy_text(r->reason))) ||
        (r->metadata.p && !(rare->metadata = copy_text(r->metadata))) ||
        !copy_doubles(r->std_errors, s->n_values, &rare->std_errors) ||
        !copy_doubles(r->gradients, s->n_gradients, &rare->gradients)) {
        rare_free(rare);
        return false;
    }
    *out = rare;
    return true;
}

/* batch: tells of this command up to and with this one. Workers' names are reserved by the caller, for all at once. */
bool told_reserve(zo_study *s, const struct rec_told *r, uint64_t number, size_t batch, struct rare **rare_out)
{
    *rare_out = NULL;
    if ((r->brought && !table_reserve(&s->t, number)) || !ends_reserve(s, batch) || !best_reserve(s, batch) ||
        (s->duplicates == ZO_DUPLICATES_AVOID && !seen_reserve(&s->seen, batch)))
        return false;
    const struct row row = table_row(&s->t, number);
    const struct rare *kept = row.g ? row_rare(row) : NULL;
    if (s->rule && r->state == ZO_TRIAL_COMPLETE && kept && !s->rule->reserve_complete(s->rule_self, kept, batch))
        return false;
    if (!rare_prepare(s, r, rare_out))
        return false;
    if (*rare_out && !table_reserve_rare(&s->t, number)) {
        rare_free(*rare_out);
        *rare_out = NULL;
        return false;
    }
    return true;
}

/* ---- apply ---- */

/* The row takes what was prepared; its reports stay. */
static void rare_install(zo_study *s, struct row row, struct rare *rare)
{
    struct rare *kept = row_rare(row);

    if (!rare)
        return;
    if (rare->gradients && !(kept && kept->gradients))
        s->t.bytes += s->n_gradients * sizeof(double);
    if (!kept) {
        row.g->rare[row.i] = rare;
        s->t.bytes += sizeof *rare;
    } else {
        if (kept->gradients && !rare->gradients)
            s->t.bytes -= s->n_gradients * sizeof(double);
        if (rare->reason) {
            zo_free(kept->reason);
            kept->reason = rare->reason;
        }
        if (rare->metadata) {
            zo_free(kept->metadata);
            kept->metadata = rare->metadata;
        }
        zo_free(kept->std_errors);
        kept->std_errors = rare->std_errors;
        zo_free(kept->gradients);
        kept->gradients = rare->gradients;
        kept->cost = rare->cost;
        rare->reason = rare->metadata = NULL;
        rare->std_errors = rare->gradients = NULL;
        rare_free(rare);
    }
}

void told_apply(zo_study *s, const struct rec_told *r, struct rare *rare, int64_t at_ms)
{
    const bool avoid = s->duplicates == ZO_DUPLICATES_AVOID;
    const uint64_t best = s->best, least = s->least;
    bool counted = false; /* as a trial whose lease ran out */
    struct row row;

    if (r->brought) {
        const int64_t created = r->imported && r->created_ms ? r->created_ms : at_ms;
        row = trial_add(s, r->number, r->state, r->origin, r->v, created);
        if (avoid)
            seen_add(&s->seen, zo_space_hash(s->space, r->v));
        s->asked_solver = s->asked_solver || (r->imported && is_x0(s, r->v)); /* it had its turn elsewhere */
    } else {
        row = table_row(&s->t, r->number);
        counted = row.g->flags[row.i] & FLAG_EXPIRED && row.g->state[row.i] == ZO_TRIAL_FAILED;
        if (avoid && row.g->state[row.i] == ZO_TRIAL_ABANDONED) /* it left when it was abandoned */
            seen_add(&s->seen, zo_space_hash(s->space, row_v(&s->t, row)));
    }
    double *values = row_values(&s->t, row);
    for (size_t j = 0; j < s->n_values; j++)
        values[j] = r->values ? r->values[j] : NAN;
    if (is_directional(s) && r->state == ZO_TRIAL_COMPLETE)
        step_value(s, row_v(&s->t, row), values);
    row.g->flags[row.i] &= (uint8_t)~FLAG_EXPIRED;
    if (r->values && has_all_values(s, values))
        row.g->flags[row.i] |= FLAG_VALUES;
    if (r->from_report)
        row.g->flags[row.i] |= FLAG_FROM_REPORT;
    if (r->worker.p)
        row.g->worker[row.i] = intern_add(&s->strings, r->worker.p, r->worker.n);
    row.g->finished[row.i] = r->imported && r->finished_ms ? r->finished_ms : at_ms;
    rare_install(s, row, rare);
    trial_end(s, row, r->number, r->state);
    if (r->state == ZO_TRIAL_COMPLETE && r->values) {
        const struct rare *kept = row_rare(row);
        best_add(s, r->number, values);
        if (s->rule && kept && kept->n_reports)
            s->rule->complete(s->rule_self, kept, s->n_values, s->sign[0]);
    }
    stopping_tell(s, r->state != ZO_TRIAL_ABANDONED && !r->imported && !counted,
                  s->best != best || (s->best == UINT64_MAX && s->least != least));
}

/* ---- the command ---- */

zo_status batch_start(zo_study *s, size_t n, zo_error *err)
{
    if (n > s->cap_batch) {
        const size_t cap = n == 1 ? 1 : 2 * n;
        struct batch_item *batch = zo_realloc(s->batch, cap * sizeof *batch);
        if (!batch)
            return zo_fail_nomem(err);
        s->batch = batch;
        s->cap_batch = cap;
    }
    for (size_t i = 0; i < n; i++)
        s->batch[i] = (struct batch_item){0};
    return ZO_OK;
}

/* Values of a stopped trial that come without any: its last report's. */
static void take_last_report(const zo_study *s, struct rec_told *r)
{
    const struct row row = table_row(&s->t, r->number);
    const struct rare *rare = row.g ? row_rare(row) : NULL;

    if (r->state == ZO_TRIAL_STOPPED && !r->brought && !r->values && rare && rare->n_reports) {
        r->values = rare->report_values + (rare->n_reports - 1) * s->n_values;
        r->from_report = true;
    }
}

static struct rec rec_of(const zo_study *s, const zo_tell_item *item, uint64_t next, zo_now now)
{
    const bool imported = !item->by_number && item->origin == ZO_ORIGIN_IMPORT;
    struct rec rec = {.kind = ZO_EVENT_TOLD,
                      .at_ms = now.wall_ms,
                      .u.told = {.number = item->by_number           ? item->number
                                           : imported && item->has_import_number ? item->import_number
                                                                                 : next,
                                 .state = item->state,
                                 .brought = !item->by_number,
                                 .imported = imported,
                                 .origin = item->origin,
                                 .v = item->v,
                                 .values = item->values,
                                 .std_errors = item->std_errors,
                                 .gradients = item->gradients,
                                 .cost = item->cost,
                                 .reason = str_of(item->reason),
                                 .worker = str_of(item->worker),
                                 .metadata = str_of(item->metadata),
                                 .created_ms = imported ? item->created_ms : 0,
                                 .finished_ms = imported ? item->finished_ms : 0}};
    bool any = false, any_gradient = !s->n_gradients; /* where there can be none, the check says so */

    ZO_ASSERT(item->by_number || item->origin == ZO_ORIGIN_CLIENT || item->origin == ZO_ORIGIN_IMPORT);
    for (size_t j = 0; item->values && j < s->n_values; j++)
        any = any || !isnan(item->values[j]);
    if (!any)
        rec.u.told.values = NULL;
    for (size_t j = 0; item->gradients && j < s->n_gradients && !any_gradient; j++)
        any_gradient = !isnan(item->gradients[j]);
    if (!any_gradient)
        rec.u.told.gradients = NULL;
    take_last_report(s, &rec.u.told);
    return rec;
}

static bool same_result(const zo_study *s, const struct rec_told *a, const struct rec_told *b)
{
    return a->state == b->state && same_doubles(a->values, b->values, s->n_values) &&
           same_doubles(a->std_errors, b->std_errors, s->n_values) &&
           same_doubles(a->gradients, b->gradients, s->n_gradients) && same_double(a->cost, b->cost) &&
           same_text(a->reason, b->reason) && same_text(a->metadata, b->metadata);
}

/* The item before i that holds the mark of this trial; there is one. */
static const struct rec_told *earlier_item(const zo_study *s, size_t i, uint64_t number)
{
    do
        i--;
    while (!s->batch[i].marked || s->batch[i].rec.u.told.number != number);
    return &s->batch[i].rec.u.told;
}

/* Flags of a reserved row, which need not exist yet. */
static uint8_t *flags_of(zo_study *s, uint64_t number)
{
    return &s->t.segs[number / ZO_SEGMENT_TRIALS].flags[number % ZO_SEGMENT_TRIALS];
}

/* Check item i against the state and the items before it, and reserve what it needs. next: number of the next point
 * brought. */
static zo_status item_prepare(zo_study *s, size_t i, uint64_t *next, zo_error *err)
{
    struct batch_item *b = &s->batch[i];
    const struct rec_told *r = &b->rec.u.told;
    zo_status rc = told_check(s, r, &b->repeat, err);

    if (rc != ZO_OK || b->repeat)
        return rc;
    if (r->brought && !table_reserve(&s->t, r->number))
        return zo_fail_nomem(err);
    if (*flags_of(s, r->number) & FLAG_BATCH) {
        if (r->brought || !same_result(s, earlier_item(s, i, r->number), r))
            return zo_fail(err, ZO_ECONFLICT, r->brought ? "/number" : "/trial", "trial %llu is told twice here",
                           (unsigned long long)r->number);
        b->repeat = true;
        return ZO_OK;
    }
    *flags_of(s, r->number) |= FLAG_BATCH;
    b->marked = true;
    if (!told_reserve(s, r, r->number, i + 1, &b->rare))
        return zo_fail_nomem(err);
    if (r->number >= *next)
        *next = r->number + 1;
    return ZO_OK;
}

static void batch_unmark(zo_study *s, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (s->batch[i].marked)
            *flags_of(s, s->batch[i].rec.u.told.number) &= (uint8_t)~FLAG_BATCH;
}

static zo_status logs_reserve(zo_study *s, size_t n, zo_events *ev, zo_error *err)
{
    size_t n_strings = 1, string_bytes = MAX_END_WHY, event_bytes = 64 + MAX_END_WHY; /* of an end */

    for (size_t i = 0; i < n; i++) {
        const struct batch_item *b = &s->batch[i];
        if (b->repeat)
            continue;
        n_strings += b->rec.u.told.worker.p != NULL;
        string_bytes += b->rec.u.told.worker.n;
        event_bytes += record_bytes(s, &b->rec);
    }
    if (!intern_reserve(&s->strings, n_strings, string_bytes) || !events_reserve(ev, n + 1, event_bytes))
        return zo_fail_nomem(err);
    return ZO_OK;
}

static zo_status batch_prepare(zo_study *s, const zo_tell_item *items, size_t n, zo_now now, zo_events *ev,
                               size_t *failed_at, zo_error *err)
{
    uint64_t next = s->t.next;
    zo_status rc = ZO_OK;

    for (*failed_at = 0; *failed_at < n; ++*failed_at) {
        s->batch[*failed_at].rec = rec_of(s, &items[*failed_at], next, now);
        if ((rc = item_prepare(s, *failed_at, &next, err)) != ZO_OK)
            return rc;
    }
    *failed_at = 0;
    return logs_reserve(s, n, ev, err);
}

/* Is the study over by what was told just now? Imports may reach the target; of the rules only trials of the study's own make one fire.
 * vain: vain_trials before. */
static void judge(zo_study *s, bool own, uint64_t vain, zo_events *ev, zo_now now)
{
    char why[MAX_END_WHY];
    struct rec_ended end = {.reason = END_NONE};

    if (target_reached(s))
        end.reason = END_TARGET;
    else if (own && stopping_end(s, why, sizeof why))
        end = (struct rec_ended){.reason = END_STOP, .why = str_of(why)};
    else if (own && vain_end(s, vain, why, sizeof why))
        end = (struct rec_ended){.reason = end_without_value(s), .why = str_of(why)};
    if (end.reason != END_NONE)
        study_end(s, ev, &end, now);
}

zo_status zo_study_tell(zo_study *s, const zo_tell_item *items, size_t n, zo_now now, zo_events *ev,
                        uint64_t *numbers_out, size_t *failed_at_out, zo_error *err)
{
    const uint64_t vain = vain_trials(s);
    bool any = false, own = false;
    zo_status rc;

    *failed_at_out = 0;
    if ((rc = solver_pay(s, err)) != ZO_OK || (rc = batch_start(s, n, err)) != ZO_OK)
        return rc;
    rc = batch_prepare(s, items, n, now, ev, failed_at_out, err);
    batch_unmark(s, n);
    if (rc != ZO_OK) {
        for (size_t i = 0; i < n; i++)
            rare_free(s->batch[i].rare);
        return rc;
    }
    for (size_t i = 0; i < n; i++) {
        struct batch_item *b = &s->batch[i];
        numbers_out[i] = b->rec.u.told.number;
        if (b->repeat)
            continue;
        b->rec.seq = next_seq(s);
        event_append(ev, s, &b->rec);
        told_apply(s, &b->rec.u.told, b->rare, now.wall_ms);
        (void)solver_pay(s, NULL); /* one by one, as in a replay */
        stopping_paid(s);
        any = true;
        own = own || !b->rec.u.told.imported;
    }
    if (any && s->ended == END_NONE)
        judge(s, own, vain, ev, now);
    return ZO_OK;
}
