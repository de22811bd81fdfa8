/* The trial table: columns in segments of ZO_SEGMENT_TRIALS rows. A full segment never moves again; the last one doubles its rows until
 * it is full, so a study of ten trials is small and one of a million costs about 75 bytes a trial beside its doubles. What few trials
 * have (reasons, metadata, standard errors, reports) hangs off the row. Predictions are a column that only segments with any have.
 *
 * All counters live here too: by state, against the budget, open trials of each segment. */
#include "study/study_private.h"

enum { FIRST_ROWS = 16, WHOLE_SEGMENT_BYTES = 1 << 20, OPEN_AT_CLOSE = 64 };

/* Widths of the fixed columns, beside n + n_values doubles. */
enum { ROW_BYTES = 2 * sizeof(int64_t) + 4 * sizeof(uint32_t) + 3 };

void table_init(struct table *t, size_t n, size_t n_values)
{
    *t = (struct table){.n = n, .n_values = n_values};
}

struct rare *rare_new(void)
{
    struct rare *r = zo_calloc(1, sizeof *r);

    if (r)
        r->cost = r->best = NAN;
    return r;
}

void rare_free(struct rare *r)
{
    if (!r)
        return;
    zo_free(r->reason);
    zo_free(r->metadata);
    zo_free(r->std_errors);
    zo_free(r->gradients);
    zo_free(r->reports);
    zo_free(r->report_values);
    zo_free(r);
}

void segment_fini(struct segment *g)
{
    for (size_t i = 0; g->rare && i < g->cap; i++)
        rare_free(g->rare[i]);
    zo_free(g->rare);
    zo_free(g->predicted);
    zo_free(g->block);
    *g = (struct segment){0};
}

void table_fini(struct table *t)
{
    for (size_t i = 0; i < t->n_segs; i++)
        segment_fini(&t->segs[i]);
    zo_free(t->segs);
    zo_free(t->spare);
    *t = (struct table){0};
}

size_t segment_bytes(const struct table *t, size_t cap)
{
    return cap * (ROW_BYTES + (t->n + t->n_values) * sizeof(double));
}

static void *carve(uint8_t **at, size_t bytes)
{
    void *p = *at;

    *at += bytes;
    return p;
}

static void forget_predictions(double *predicted, size_t from, size_t cap)
{
    for (size_t i = from; i < cap; i++)
        predicted[i] = NAN;
}

/* The column of predictions, if there is one; the rows that are new have none. */
static bool predicted_grow(struct table *t, struct segment *g, size_t cap)
{
    double *to;

    if (!g->predicted)
        return true;
    if (!(to = zo_realloc(g->predicted, cap * sizeof *to)))
        return false;
    forget_predictions(to, g->cap, cap);
    t->bytes += (cap - g->cap) * sizeof *to;
    g->predicted = to;
    return true;
}

/* Give g room for cap rows, keeping those it has. */
bool segment_grow(struct table *t, struct segment *g, size_t cap)
{
    struct segment to = *g;
    struct rare **rare = NULL;
    uint8_t *at;

    to.cap = (uint32_t)cap;
    if (!(to.block = at = zo_calloc(cap, ROW_BYTES + (t->n + t->n_values) * sizeof(double))))
        return false;
    if ((g->rare && !(rare = zo_calloc(cap, sizeof *rare))) || !predicted_grow(t, g, cap)) {
        zo_free(rare);
        zo_free(to.block);
        return false;
    }
    to.predicted = g->predicted;
    to.v = carve(&at, cap * t->n * sizeof(double));
    to.values = carve(&at, cap * t->n_values * sizeof(double));
    to.created = carve(&at, cap * sizeof(int64_t));
    to.finished = carve(&at, cap * sizeof(int64_t));
    to.worker = carve(&at, cap * sizeof(uint32_t));
    to.provenance = carve(&at, cap * sizeof(uint32_t));
    to.attempt = carve(&at, cap * sizeof(uint32_t));
    to.pending = carve(&at, cap * sizeof(uint32_t));
    to.state = carve(&at, cap);
    to.origin = carve(&at, cap);
    to.flags = carve(&at, cap);
    memset(to.state, STATE_ABSENT, cap);
    if (g->cap) {
        memcpy(to.v, g->v, g->cap * t->n * sizeof(double));
        memcpy(to.values, g->values, g->cap * t->n_values * sizeof(double));
        memcpy(to.created, g->created, g->cap * sizeof(int64_t));
        memcpy(to.finished, g->finished, g->cap * sizeof(int64_t));
        memcpy(to.worker, g->worker, g->cap * sizeof(uint32_t));
        memcpy(to.provenance, g->provenance, g->cap * sizeof(uint32_t));
        memcpy(to.attempt, g->attempt, g->cap * sizeof(uint32_t));
        memcpy(to.pending, g->pending, g->cap * sizeof(uint32_t));
        memcpy(to.state, g->state, g->cap);
        memcpy(to.origin, g->origin, g->cap);
        memcpy(to.flags, g->flags, g->cap);
    }
    if (rare) {
        memcpy(rare, g->rare, g->cap * sizeof *rare);
        zo_free(g->rare);
        to.rare = rare;
    }
    zo_free(g->block);
    t->bytes += segment_bytes(t, cap) - segment_bytes(t, g->cap);
    *g = to;
    return true;
}

static bool segments_reserve(struct table *t, size_t n)
{
    if (n > t->cap_segs) {
        const size_t cap = 2 * n;
        struct segment *segs = zo_realloc(t->segs, cap * sizeof *segs);
        if (!segs)
            return false;
        t->segs = segs;
        t->cap_segs = cap;
    }
    for (; t->n_segs < n; t->n_segs++)
        t->segs[t->n_segs] = (struct segment){0};
    return true;
}

bool table_reserve(struct table *t, uint64_t number)
{
    const size_t k = (size_t)(number / ZO_SEGMENT_TRIALS), row = (size_t)(number % ZO_SEGMENT_TRIALS);
    size_t cap;

    if (k >= t->n_segs && !segments_reserve(t, k + 1))
        return false;
    struct segment *g = &t->segs[k];
    if (row < g->cap)
        return true;
    if (k > 0 && segment_bytes(t, ZO_SEGMENT_TRIALS) <= WHOLE_SEGMENT_BYTES) {
        cap = ZO_SEGMENT_TRIALS;
    } else {
        cap = g->cap ? 2 * (size_t)g->cap : FIRST_ROWS;
        while (cap <= row)
            cap *= 2;
    }
    return segment_grow(t, g, cap);
}

bool table_reserve_rare(struct table *t, uint64_t number)
{
    struct segment *g = &t->segs[number / ZO_SEGMENT_TRIALS];

    if (!g->rare) {
        if (!(g->rare = zo_calloc(g->cap, sizeof(struct rare *))))
            return false;
        t->bytes += g->cap * sizeof(struct rare *);
    }
    return true;
}

/* Whether the next trial gets a prediction is seen when its solver has answered and nothing may fail any more: so a column lies ready,
 * one for the whole table. */
bool table_reserve_predicted(struct table *t, uint64_t number)
{
    const struct segment *g = &t->segs[number / ZO_SEGMENT_TRIALS];
    double *to;

    if (g->predicted || t->cap_spare >= g->cap)
        return true;
    if (!(to = zo_realloc(t->spare, g->cap * sizeof *to)))
        return false;
    t->bytes += (g->cap - t->cap_spare) * sizeof *to;
    t->spare = to;
    t->cap_spare = g->cap;
    return true;
}

void row_predict(struct table *t, struct row r, double predicted)
{
    if (!r.g->predicted) {
        if (isnan(predicted))
            return;
        r.g->predicted = t->spare;
        forget_predictions(r.g->predicted, 0, r.g->cap);
        t->bytes -= (t->cap_spare - r.g->cap) * sizeof *t->spare;
        t->spare = NULL;
        t->cap_spare = 0;
    }
    r.g->predicted[r.i] = predicted;
}

struct row table_row(const struct table *t, uint64_t number)
{
    const uint64_t k = number / ZO_SEGMENT_TRIALS;
    const size_t i = (size_t)(number % ZO_SEGMENT_TRIALS);

    if (k >= t->n_segs || i >= t->segs[k].cap || t->segs[k].state[i] == STATE_ABSENT)
        return (struct row){0};
    return (struct row){&t->segs[k], i};
}

struct row table_next(const struct table *t, uint64_t *number)
{
    for (; *number < t->next; ++*number) {
        const uint64_t k = *number / ZO_SEGMENT_TRIALS;
        const struct row r = table_row(t, *number);
        if (r.g)
            return r;
        if (k >= t->n_segs || !t->segs[k].cap)
            *number = (k + 1) * ZO_SEGMENT_TRIALS - 1;
    }
    return (struct row){0};
}

static bool is_open(const struct segment *g, size_t i)
{
    return (g->state[i] == ZO_TRIAL_QUEUED || g->state[i] == ZO_TRIAL_RUNNING) && !(g->flags[i] & FLAG_WITHDRAWN);
}

/* Numbers handed out by ask count, unless queued again or abandoned. */
static bool against_budget(struct row r)
{
    return r.g->attempt[r.i] > 0 && r.g->state[r.i] != ZO_TRIAL_QUEUED && r.g->state[r.i] != ZO_TRIAL_ABANDONED;
}

static void count(zo_study *s, struct row r, int by)
{
    const uint64_t d = (uint64_t)(int64_t)by;

    if (r.g->flags[r.i] & FLAG_WITHDRAWN)
        return;
    s->counts.by_state[r.g->state[r.i]] += d;
    s->counts.total += d;
    if (against_budget(r))
        s->counts.handed_out += d;
    if (is_open(r.g, r.i))
        r.g->open += (uint32_t)by;
}

/* A segment is closed once it is full and nearly all of its trials have ended: a few stragglers must not keep a million rows in
 * every head. They, and rows that change later, are marked; the rule is a function of the events alone, so a segment saved by an
 * earlier process stays valid. */
static void close_segments(struct table *t)
{
    while ((t->closed + 1) * ZO_SEGMENT_TRIALS <= t->next && t->segs[t->closed].open <= OPEN_AT_CLOSE) {
        struct segment *g = &t->segs[t->closed];
        for (size_t i = 0; i < g->cap; i++)
            if (g->state[i] != STATE_ABSENT && is_open(g, i))
                g->flags[i] |= FLAG_AMENDED;
        t->closed++;
    }
}

void trial_touch(struct row r, const zo_study *s, uint64_t number)
{
    if (number / ZO_SEGMENT_TRIALS < s->t.closed)
        r.g->flags[r.i] |= FLAG_AMENDED;
}

void row_count(zo_study *s, struct row r)
{
    count(s, r, +1);
}

struct row trial_add(zo_study *s, uint64_t number, zo_trial_state state, zo_origin origin, const double *v, int64_t at_ms)
{
    struct table *t = &s->t;
    const struct row r = {&t->segs[number / ZO_SEGMENT_TRIALS], (size_t)(number % ZO_SEGMENT_TRIALS)};
    double *values = row_values(t, r);

    ZO_ASSERT(r.i < r.g->cap && r.g->state[r.i] == STATE_ABSENT);
    if (number >= t->next)
        t->next = number + 1;
    memcpy(row_v(t, r), v, t->n * sizeof *v);
    for (size_t i = 0; i < t->n_values; i++)
        values[i] = NAN;
    r.g->created[r.i] = at_ms;
    r.g->state[r.i] = (uint8_t)state;
    r.g->origin[r.i] = (uint8_t)origin;
    count(s, r, +1);
    trial_touch(r, s, number);
    close_segments(t);
    return r;
}

void trial_move(zo_study *s, struct row r, zo_trial_state to)
{
    const size_t k = (size_t)(r.g - s->t.segs);

    count(s, r, -1);
    r.g->state[r.i] = (uint8_t)to;
    count(s, r, +1);
    if (k < s->t.closed)
        r.g->flags[r.i] |= FLAG_AMENDED;
    else if (k == s->t.closed)
        close_segments(&s->t);
}

/* Overwritten before it is freed: what was forgotten must not be found in free memory. */
static void rare_wipe(zo_study *s, struct rare *x)
{
    const size_t report_bytes = sizeof *x->reports + s->n_values * sizeof(double);

    s->t.bytes -= sizeof *x + (x->gradients ? s->n_gradients * sizeof(double) : 0) + x->cap_reports * report_bytes;
    if (x->reason)
        memset(x->reason, 0, strlen(x->reason));
    if (x->metadata)
        memset(x->metadata, 0, strlen(x->metadata));
    if (x->std_errors)
        memset(x->std_errors, 0, s->n_values * sizeof *x->std_errors);
    if (x->gradients)
        memset(x->gradients, 0, s->n_gradients * sizeof *x->gradients);
    if (x->reports)
        memset(x->reports, 0, x->cap_reports * sizeof *x->reports);
    if (x->report_values)
        memset(x->report_values, 0, x->cap_reports * s->n_values * sizeof *x->report_values);
    x->cost = x->best = NAN;
    rare_free(x);
}

void trial_forget(zo_study *s, struct row r)
{
    struct segment *g = r.g;
    double *values = row_values(&s->t, r);
    const bool counts = against_budget(r);

    count(s, r, -1);
    s->n_scrubbed -= g->flags[r.i] & FLAG_SCRUBBED ? 1 : 0;
    if (row_rare(r)) {
        rare_wipe(s, g->rare[r.i]);
        g->rare[r.i] = NULL;
    }
    memset(row_v(&s->t, r), 0, s->n * sizeof(double));
    for (size_t j = 0; j < s->n_values; j++)
        values[j] = NAN;
    g->created[r.i] = g->finished[r.i] = 0;
    g->worker[r.i] = g->provenance[r.i] = 0;
    g->attempt[r.i] = counts;
    g->flags[r.i] = 0;
    g->state[r.i] = ZO_TRIAL_FORGOTTEN;
    count(s, r, +1);
}

void predictions_drop(struct table *t)
{
    for (size_t k = 0; k < t->n_segs; k++) {
        struct segment *g = &t->segs[k];
        if (!g->predicted)
            continue;
        memset(g->predicted, 0, g->cap * sizeof *g->predicted);
        zo_free(g->predicted);
        g->predicted = NULL;
        t->bytes -= g->cap * sizeof *g->predicted;
    }
}

zo_status withdrawn_check(const zo_study *s, uint64_t number, zo_error *err)
{
    struct row r;
    zo_status rc = trial_find(s, number, &r, err);

    if (rc != ZO_OK)
        return rc;
    if (r.g->state[r.i] != ZO_TRIAL_QUEUED)
        return zo_fail(err, ZO_ECONFLICT, "", "trial %llu is %s: only a queued trial can be withdrawn", (unsigned long long)number,
                       zo_trial_state_name(r.g->state[r.i]));
    if (r.g->attempt[r.i])
        return zo_fail(err, ZO_ECONFLICT, "", "trial %llu is queued after it was handed out: tell it abandoned instead",
                       (unsigned long long)number);
    return ZO_OK;
}

void withdrawn_apply(zo_study *s, uint64_t number)
{
    const struct row r = table_row(&s->t, number);

    count(s, r, -1);
    r.g->flags[r.i] |= FLAG_WITHDRAWN;
    trial_touch(r, s, number);
    if (s->duplicates == ZO_DUPLICATES_AVOID)
        seen_remove(&s->seen, zo_space_hash(s->space, row_v(&s->t, r)));
    close_segments(&s->t);
}

zo_status trial_find(const zo_study *s, uint64_t number, struct row *out, zo_error *err)
{
    *out = table_row(&s->t, number);
    if (!out->g || (out->g->flags[out->i] & FLAG_WITHDRAWN))
        return zo_fail(err, ZO_ENOTFOUND, "", "no trial %llu in this study", (unsigned long long)number);
    return ZO_OK;
}

/* ---- reading ---- */

static const char *const state_names[] = {
#define X(code, slug) slug,
    ZO_TRIAL_STATE_LIST(X)
#undef X
};

const char *zo_trial_state_name(zo_trial_state state)
{
    return (size_t)state < ZO_LEN(state_names) ? state_names[state] : "absent";
}

bool zo_trial_state_parse(const char *name, zo_trial_state *out)
{
    for (size_t i = 0; i < ZO_LEN(state_names); i++)
        if (strcmp(name, state_names[i]) == 0) {
            *out = (zo_trial_state)i;
            return true;
        }
    return false;
}

const char *zo_origin_name(zo_origin o)
{
    static const char *const names[] = {"solver", "queued", "client", "import"};

    return (size_t)o < ZO_LEN(names) ? names[o] : "unknown";
}

/* Rows: from; bits: to. The engine adds who may do it: only ask makes queued trials run; queued to an end needs an earlier hand-out
 * (a late tell); failed and abandoned move only if a lease made them so. */
bool zo_trial_may_move(zo_trial_state from, zo_trial_state to)
{
    enum {
        ENDS = 1 << ZO_TRIAL_COMPLETE | 1 << ZO_TRIAL_INFEASIBLE | 1 << ZO_TRIAL_FAILED | 1 << ZO_TRIAL_STOPPED,
    };
    static const unsigned moves[ZO_TRIAL_STATE_COUNT] = {
        [ZO_TRIAL_QUEUED] = 1 << ZO_TRIAL_RUNNING | ENDS | 1 << ZO_TRIAL_ABANDONED,
        [ZO_TRIAL_RUNNING] = 1 << ZO_TRIAL_QUEUED | ENDS | 1 << ZO_TRIAL_ABANDONED,
        [ZO_TRIAL_FAILED] = ENDS,
        [ZO_TRIAL_ABANDONED] = ENDS,
    };
    return (size_t)from < ZO_TRIAL_STATE_COUNT && (size_t)to < ZO_TRIAL_STATE_COUNT && (moves[from] >> to & 1);
}

uint64_t zo_study_n_trials(const zo_study *s)
{
    return s->t.next;
}

zo_counts zo_study_counts(const zo_study *s)
{
    return s->counts;
}

bool zo_study_trial(const zo_study *s, uint64_t number, zo_trial *out)
{
    const struct row r = table_row(&s->t, number);

    if (!r.g)
        return false;
    const struct segment *g = r.g;
    const struct rare *rare = row_rare(r);
    const char *core = intern_get(&s->strings, g->provenance[r.i]);
    const bool ended_by_lease = g->flags[r.i] & FLAG_EXPIRED && g->state[r.i] != ZO_TRIAL_QUEUED;
    const char *why = core ? core + strlen(core) + 1 : NULL; /* one entry: core NUL why */
    *out = (zo_trial){
        .number = number,
        .state = g->state[r.i],
        .origin = g->origin[r.i],
        .attempt = g->attempt[r.i],
        .has_values = g->flags[r.i] & FLAG_VALUES,
        .feasible = g->flags[r.i] & FLAG_FEASIBLE,
        .withdrawn = g->flags[r.i] & FLAG_WITHDRAWN,
        .v = row_v(&s->t, r),
        .values = row_values(&s->t, r),
        .std_errors = rare ? rare->std_errors : NULL,
        .gradients = rare ? rare->gradients : NULL,
        .cost = rare ? rare->cost : NAN,
        .worker = intern_get(&s->strings, g->worker[r.i]),
        .reason = rare && rare->reason ? rare->reason : ended_by_lease ? "the lease ran out" : NULL,
        .core = core && *core ? core : NULL,
        .why = why && *why ? why : NULL,
        .predicted = row_predicted(r),
        .metadata = rare ? rare->metadata : NULL,
        .created_ms = g->created[r.i],
        .finished_ms = g->finished[r.i],
        .n_reports = rare ? rare->n_reports : 0,
    };
    if (g->pending[r.i] && g->state[r.i] == ZO_TRIAL_RUNNING)
        out->lease_expires_ms = s->pending.items[g->pending[r.i] - 1].expires_wall;
    return true;
}

bool zo_study_trial_report(const zo_study *s, uint64_t number, size_t i, zo_report *out)
{
    const struct row r = table_row(&s->t, number);
    const struct rare *rare = r.g ? row_rare(r) : NULL;

    if (!rare || i >= rare->n_reports)
        return false;
    *out = (zo_report){.step = rare->reports[i].step,
                       .values = rare->report_values + i * s->n_values,
                       .stop = rare->reports[i].stop,
                       .at_ms = rare->reports[i].at_ms};
    return true;
}
