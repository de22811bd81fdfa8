/* Rows of the trial table in a snapshot: the columns copied in runs of neighbours, then, flattened, what few trials
 * have.
 *
 * Arrays: "rows" (rows, rows with more, predictions: none or one a row), "number", one array a column, "predicted";
 * "rare" six words a trial that has more: its place among the rows, rungs, reports, bytes of reason and of metadata
 * (plus one; 0: none), which vectors it has (standard errors, gradients); and, in that order, their doubles, texts and
 * reports. Loading believes nothing: a row that no sequence of commands can make is refused, as far as anything that
 * works on rows later relies on it. */
#include "study/snapshot.h"

enum { SAVED_FLAGS = FLAG_EXPIRED | FLAG_WITHDRAWN | FLAG_FEASIBLE | FLAG_VALUES | FLAG_FROM_REPORT };
enum { MAX_ATTEMPT = INT32_MAX, MAX_SIZE = INT32_MAX };

/* ---- columns ---- */

enum width { ONE, DIMS, VALUES };
static const struct column {
    const char *name;
    zo_dtype type;
    enum width width;
    size_t at; /* of its pointer in struct segment */
} columns[] = {
    {"v", ZO_F64, DIMS, offsetof(struct segment, v)},
    {"values", ZO_F64, VALUES, offsetof(struct segment, values)},
    {"created", ZO_I64, ONE, offsetof(struct segment, created)},
    {"finished", ZO_I64, ONE, offsetof(struct segment, finished)},
    {"worker", ZO_I32, ONE, offsetof(struct segment, worker)},
    {"provenance", ZO_I32, ONE, offsetof(struct segment, provenance)},
    {"attempt", ZO_I32, ONE, offsetof(struct segment, attempt)},
    {"state", ZO_U8, ONE, offsetof(struct segment, state)},
    {"origin", ZO_U8, ONE, offsetof(struct segment, origin)},
    {"flags", ZO_U8, ONE, offsetof(struct segment, flags)},
};

static size_t column_width(const zo_study *s, const struct column *c)
{
    return c->width == DIMS ? s->n : c->width == VALUES ? s->n_values : 1;
}

static uint8_t *column_data(const struct segment *g, const struct column *c)
{
    uint8_t *p;

    memcpy(&p, (const char *)g + c->at, sizeof p);
    return p;
}

/* Rows from i on that are neighbours in one segment. */
static size_t run_length(const uint64_t *numbers, size_t i, size_t n)
{
    const uint64_t segment = numbers[i] / ZO_SEGMENT_TRIALS;
    size_t end = i + 1;

    while (end < n && numbers[end] == numbers[end - 1] + 1 && numbers[end] / ZO_SEGMENT_TRIALS == segment)
        end++;
    return end - i;
}

static zo_status column_save(const zo_study *s, const struct column *c, const uint64_t *numbers, size_t n,
                             zo_bundle *out, zo_error *err)
{
    const size_t width = column_width(s, c), bytes = width * zo_dtype_bytes(c->type);
    uint8_t *to;
    zo_status rc = array_put(out, c->name, c->type, n * width, &to, err);

    for (size_t i = 0, run; bytes && i < n && rc == ZO_OK; i += run) {
        const struct row r = table_row(&s->t, numbers[i]);
        run = run_length(numbers, i, n);
        memcpy(to + i * bytes, column_data(r.g, c) + r.i * bytes, run * bytes);
    }
    return rc;
}

/* ---- what few trials have ---- */

enum rare_word { RARE_ROW, RARE_RUNGS, RARE_REPORTS, RARE_REASON, RARE_METADATA, RARE_VECTORS, RARE_WORDS };
enum { HAS_STDERR = 1, HAS_GRADIENTS = 2 }; /* bits of RARE_VECTORS */
struct rare_totals {
    size_t text, std_errors, gradients, reports; /* bytes, trials, trials, reports */
};
/* The arrays behind "rare", walked from trial to trial. */
struct rare_arrays {
    uint64_t *words; /* [n][RARE_WORDS] */
    double *numbers; /* [n] cost, best */
    char *text;
    double *std_errors, *gradients, *values;
    uint64_t *step;
    int64_t *at_ms;
    uint8_t *stop;
};

static void totals_add(struct rare_totals *t, const uint64_t words[RARE_WORDS])
{
    t->text +=
        (words[RARE_REASON] ? words[RARE_REASON] - 1 : 0) + (words[RARE_METADATA] ? words[RARE_METADATA] - 1 : 0);
    t->std_errors += words[RARE_VECTORS] & HAS_STDERR ? 1 : 0;
    t->gradients += words[RARE_VECTORS] & HAS_GRADIENTS ? 1 : 0;
    t->reports += words[RARE_REPORTS];
}

static void words_of(const struct rare *x, size_t row, uint64_t words[RARE_WORDS])
{
    words[RARE_ROW] = row;
    words[RARE_RUNGS] = x->rungs;
    words[RARE_REPORTS] = x->n_reports;
    words[RARE_REASON] = x->reason ? strlen(x->reason) + 1 : 0;
    words[RARE_METADATA] = x->metadata ? strlen(x->metadata) + 1 : 0;
    words[RARE_VECTORS] = (x->std_errors ? HAS_STDERR : 0) | (x->gradients ? HAS_GRADIENTS : 0);
}

static void text_save(struct rare_arrays *a, const char *text)
{
    const size_t n = text ? strlen(text) : 0;

    if (n)
        memcpy(a->text, text, n);
    a->text += n;
}

static void doubles_save(double **to, const double *from, size_t n)
{
    if (!from)
        return;
    memcpy(*to, from, n * sizeof *from);
    *to += n;
}

static void rare_save_one(const zo_study *s, struct rare_arrays *a, const struct rare *x, size_t row)
{
    const size_t n_values = s->n_values;

    words_of(x, row, a->words);
    a->words += RARE_WORDS;
    *a->numbers++ = x->cost;
    *a->numbers++ = x->best;
    text_save(a, x->reason);
    text_save(a, x->metadata);
    doubles_save(&a->std_errors, x->std_errors, n_values);
    doubles_save(&a->gradients, x->gradients, s->n_gradients);
    for (uint32_t i = 0; i < x->n_reports; i++) {
        *a->step++ = x->reports[i].step;
        *a->at_ms++ = x->reports[i].at_ms;
        *a->stop++ = x->reports[i].stop;
    }
    if (x->n_reports)
        memcpy(a->values, x->report_values, x->n_reports * n_values * sizeof(double));
    a->values += x->n_reports * n_values;
}

static zo_status rare_save(const zo_study *s, const uint64_t *numbers, size_t n, size_t n_rare, zo_bundle *out,
                           zo_error *err)
{
    struct rare_totals t = {0};
    struct rare_arrays a;
    zo_status rc;

    for (size_t i = 0; i < n; i++) {
        const struct rare *x = row_rare(table_row(&s->t, numbers[i]));
        uint64_t words[RARE_WORDS];
        if (!x)
            continue;
        words_of(x, i, words);
        totals_add(&t, words);
    }
    if ((rc = array_put(out, "rare", ZO_U64, n_rare * RARE_WORDS, &a.words, err)) != ZO_OK ||
        (rc = array_put(out, "rare.numbers", ZO_F64, 2 * n_rare, &a.numbers, err)) != ZO_OK ||
        (rc = array_put(out, "rare.text", ZO_U8, t.text, &a.text, err)) != ZO_OK ||
        (rc = array_put(out, "rare.stderr", ZO_F64, t.std_errors * s->n_values, &a.std_errors, err)) != ZO_OK ||
        (rc = array_put(out, "rare.gradients", ZO_F64, t.gradients * s->n_gradients, &a.gradients, err)) != ZO_OK ||
        (rc = array_put(out, "report.step", ZO_U64, t.reports, &a.step, err)) != ZO_OK ||
        (rc = array_put(out, "report.at", ZO_I64, t.reports, &a.at_ms, err)) != ZO_OK ||
        (rc = array_put(out, "report.stop", ZO_U8, t.reports, &a.stop, err)) != ZO_OK ||
        (rc = array_put(out, "report.values", ZO_F64, t.reports * s->n_values, &a.values, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const struct rare *x = row_rare(table_row(&s->t, numbers[i]));
        if (x)
            rare_save_one(s, &a, x, i);
    }
    return ZO_OK;
}

/* None at all, or one for each row. */
static size_t count_predictions(const zo_study *s, const uint64_t *numbers, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isnan(row_predicted(table_row(&s->t, numbers[i]))))
            return n;
    return 0;
}

static zo_status predicted_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *out, zo_error *err)
{
    double *to;
    const zo_status rc = array_put(out, "predicted", ZO_F64, n, &to, err);

    for (size_t i = 0; rc == ZO_OK && i < n; i++)
        to[i] = row_predicted(table_row(&s->t, numbers[i]));
    return rc;
}

zo_status rows_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *out, zo_error *err)
{
    uint64_t *sizes, *to;
    size_t n_rare = 0;
    zo_status rc;

    for (size_t i = 0; i < n; i++)
        n_rare += row_rare(table_row(&s->t, numbers[i])) != NULL;
    const size_t n_predicted = count_predictions(s, numbers, n);
    if ((rc = array_put(out, "rows", ZO_U64, 3, &sizes, err)) != ZO_OK ||
        (rc = array_put(out, "number", ZO_U64, n, &to, err)) != ZO_OK)
        return rc;
    sizes[0] = n;
    sizes[1] = n_rare;
    sizes[2] = n_predicted;
    if (n)
        memcpy(to, numbers, n * sizeof *to);
    for (size_t c = 0; c < ZO_LEN(columns) && rc == ZO_OK; c++)
        rc = column_save(s, &columns[c], numbers, n, out, err);
    if (rc == ZO_OK && n) {
        uint8_t *flags = zo_bundle_get(out, "flags")->data;
        for (size_t i = 0; i < n; i++)
            flags[i] &= SAVED_FLAGS;
    }
    if (rc != ZO_OK || (rc = predicted_save(s, numbers, n_predicted, out, err)) != ZO_OK)
        return rc;
    return rare_save(s, numbers, n, n_rare, out, err);
}

/* ---- loading: columns ---- */

static bool numbers_ascend(const uint64_t *numbers, size_t n, uint64_t first, uint64_t end)
{
    for (size_t i = 0; i < n; i++)
        if (numbers[i] < first || numbers[i] >= end || (i > 0 && numbers[i] <= numbers[i - 1]))
            return false;
    return true;
}

/* A row is the head's if it is amended: the segment's is older. */
static bool is_here(const zo_study *s, uint64_t number)
{
    return table_row(&s->t, number).g != NULL;
}

static bool values_fit(const zo_study *s, struct row r)
{
    const double *values = row_values(&s->t, r);
    const zo_trial_state state = r.g->state[r.i];
    const unsigned flags = r.g->flags[r.i];
    bool all;

    for (size_t j = 0; j < s->n_values; j++)
        if (isinf(values[j]))
            return false;
    all = has_all_values(s, values);
    if (all != !!(flags & FLAG_VALUES) || (state == ZO_TRIAL_COMPLETE && !all && !is_directional(s)))
        return false;
    return (state == ZO_TRIAL_COMPLETE && constraint_violation(s, values) <= 0) == !!(flags & FLAG_FEASIBLE);
}

/* Nothing is left of a forgotten trial, but whether it counts against the budget. */
static bool tombstone_fits(const zo_study *s, struct row r)
{
    const struct segment *g = r.g;
    const double *v = row_v(&s->t, r), *values = row_values(&s->t, r);

    for (size_t i = 0; i < s->n; i++)
        if (v[i] != 0)
            return false;
    for (size_t j = 0; j < s->n_values; j++)
        if (!isnan(values[j]))
            return false;
    return !is_directional(s) && g->attempt[r.i] <= 1 && !g->flags[r.i] && !g->worker[r.i] && !g->provenance[r.i] &&
           !g->created[r.i] && !g->finished[r.i];
}

static bool row_fits(const zo_study *s, struct row r, uint64_t number, bool in_head)
{
    const struct segment *g = r.g;
    const unsigned state = g->state[r.i], flags = g->flags[r.i], attempt = g->attempt[r.i];
    const bool withdrawn = flags & FLAG_WITHDRAWN, queued = state == ZO_TRIAL_QUEUED;

    if (state >= ZO_TRIAL_STATE_COUNT || g->origin[r.i] > ZO_ORIGIN_IMPORT || flags & ~(unsigned)SAVED_FLAGS ||
        attempt > MAX_ATTEMPT)
        return false;
    if (state == ZO_TRIAL_FORGOTTEN)
        return tombstone_fits(s, r);
    if (g->worker[r.i] > s->strings.n || g->provenance[r.i] > s->strings.n ||
        (g->provenance[r.i] && !s->loading->is_provenance[g->provenance[r.i]]))
        return false;
    if ((withdrawn && (!queued || attempt)) || (queued && !attempt && g->origin[r.i] != ZO_ORIGIN_QUEUED) ||
        (state == ZO_TRIAL_RUNNING && !attempt))
        return false;
    if (!in_head && (queued || state == ZO_TRIAL_RUNNING) && !withdrawn)
        return false;
    return point_fits(s, row_v(&s->t, r), number) && values_fit(s, r);
}

/* Check a row that has just come, and let everything that counts rows know of it. */
static zo_status row_arrives(zo_study *s, uint64_t number, bool in_head, zo_error *err)
{
    const struct row r = {&s->t.segs[number / ZO_SEGMENT_TRIALS], (size_t)(number % ZO_SEGMENT_TRIALS)};
    const struct segment *g = r.g;

    if (!row_fits(s, r, number, in_head))
        return snapshot_damaged(err, "a trial contradicts itself");
    row_count(s, r);
    if (in_head)
        trial_touch(r, s, number);
    if (s->duplicates == ZO_DUPLICATES_AVOID && g->state[r.i] != ZO_TRIAL_ABANDONED &&
        g->state[r.i] != ZO_TRIAL_FORGOTTEN && !(g->flags[r.i] & FLAG_WITHDRAWN)) {
        if (!seen_reserve(&s->seen, 1))
            return zo_fail_nomem(err);
        seen_add(&s->seen, zo_space_hash(s->space, row_v(&s->t, r)));
    }
    return ZO_OK;
}

/* n rows from place `from` of the arrays, neighbours in one segment and all new. */
static zo_status run_load(zo_study *s, const uint8_t *const *data, const uint64_t *numbers, size_t from, size_t n,
                          bool in_head, zo_error *err)
{
    const uint64_t first = numbers[from];
    zo_status rc = ZO_OK;

    if (!table_reserve(&s->t, first + n - 1))
        return zo_fail_nomem(err);
    const struct segment *g = &s->t.segs[first / ZO_SEGMENT_TRIALS];
    for (size_t c = 0; c < ZO_LEN(columns); c++) {
        const size_t bytes = column_width(s, &columns[c]) * zo_dtype_bytes(columns[c].type);
        if (bytes)
            memcpy(column_data(g, &columns[c]) + first % ZO_SEGMENT_TRIALS * bytes, data[c] + from * bytes, n * bytes);
    }
    for (size_t i = 0; i < n && rc == ZO_OK; i++)
        rc = row_arrives(s, first + i, in_head, err);
    return rc;
}

static zo_status columns_load(zo_study *s, const zo_bundle *in, const uint64_t *numbers, size_t n, bool in_head,
                              zo_error *err)
{
    const uint8_t *data[ZO_LEN(columns)];
    zo_status rc = ZO_OK;

    for (size_t c = 0; c < ZO_LEN(columns) && rc == ZO_OK; c++)
        rc = array_get(in, columns[c].name, columns[c].type, n * column_width(s, &columns[c]), &data[c], err);
    for (size_t i = 0, run; i < n && rc == ZO_OK; i += run) {
        const size_t neighbours = run_length(numbers, i, n);
        for (run = 0; run < neighbours && !is_here(s, numbers[i + run]); run++)
            ;
        if (run == 0)
            run = 1;
        else
            rc = run_load(s, data, numbers, i, run, in_head, err);
    }
    return rc;
}

/* A segment's row that the head has amended keeps the head's. */
static zo_status predicted_load(zo_study *s, const zo_bundle *in, const uint64_t *numbers, size_t n, bool in_head,
                                zo_error *err)
{
    const double *predicted;
    zo_status rc;

    if ((rc = array_get(in, "predicted", ZO_F64, n, &predicted, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const struct row r = table_row(&s->t, numbers[i]);
        if (isinf(predicted[i]))
            return snapshot_damaged(err, "a prediction is out of range");
        if (!in_head && r.g->flags[r.i] & FLAG_AMENDED)
            continue;
        if (!table_reserve_predicted(&s->t, numbers[i]))
            return zo_fail_nomem(err);
        row_predict(&s->t, r, predicted[i]);
    }
    return ZO_OK;
}

/* ---- loading: what few trials have ---- */

static char *text_load(struct rare_arrays *a, uint64_t word)
{
    const size_t n = (size_t)word - 1;
    char *text = zo_malloc(n + 1);

    if (text) {
        memcpy(text, a->text, n);
        text[n] = 0;
    }
    a->text += n;
    return text;
}

static bool doubles_fit(const double *x, size_t n, double low)
{
    for (size_t i = 0; i < n; i++)
        if (isinf(x[i]) || x[i] < low)
            return false;
    return true;
}

static bool reports_fit(const zo_study *s, const struct rare_arrays *a, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (a->stop[i] > 1 || (i > 0 && a->step[i] <= a->step[i - 1]))
            return false;
        for (size_t j = 0; j < s->n_objectives; j++)
            if (isnan(a->values[i * s->n_values + j]))
                return false;
    }
    return doubles_fit(a->values, n * s->n_values, -INFINITY);
}

/* Of each row all derivatives, or none. */
static bool gradients_fit(const zo_study *s, const double *x)
{
    for (size_t i = 0; i < s->n_gradients; i++)
        if (isinf(x[i]) || isnan(x[i]) != isnan(x[i - i % s->n]))
            return false;
    return true;
}

static bool rare_fits(const zo_study *s, const struct rare_arrays *a, const uint64_t *words)
{
    const size_t n_reason = words[RARE_REASON] ? (size_t)words[RARE_REASON] - 1 : 0;
    const size_t n_text = n_reason + (words[RARE_METADATA] ? (size_t)words[RARE_METADATA] - 1 : 0);

    return doubles_fit(a->numbers, 1, 0) && doubles_fit(a->numbers + 1, 1, -INFINITY) &&
           (!n_text || !memchr(a->text, 0, n_text)) &&
           (!(words[RARE_VECTORS] & HAS_STDERR) || doubles_fit(a->std_errors, s->n_values, 0)) &&
           (!(words[RARE_VECTORS] & HAS_GRADIENTS) || gradients_fit(s, a->gradients)) &&
           reports_fit(s, a, (size_t)words[RARE_REPORTS]);
}

static bool rare_copy_reports(zo_study *s, struct rare *x, const struct rare_arrays *a, size_t n)
{
    if (!(x->reports = zo_calloc(n, sizeof *x->reports)) ||
        !(x->report_values = zo_calloc(n * s->n_values, sizeof(double))))
        return false;
    for (size_t i = 0; i < n; i++)
        x->reports[i] = (struct report){.step = a->step[i], .at_ms = a->at_ms[i], .stop = a->stop[i]};
    memcpy(x->report_values, a->values, n * s->n_values * sizeof(double));
    x->n_reports = x->cap_reports = (uint32_t)n;
    s->t.bytes += n * (sizeof *x->reports + s->n_values * sizeof(double));
    return true;
}

static double *doubles_load(const double *from, size_t n)
{
    double *x = zo_malloc(n * sizeof *x);

    if (x)
        memcpy(x, from, n * sizeof *x);
    return x;
}

/* Fill x, which its row owns already, and move a on. */
static bool rare_copy(zo_study *s, struct rare *x, struct rare_arrays *a, const uint64_t *words)
{
    x->cost = a->numbers[0];
    x->best = a->numbers[1];
    x->rungs = (uint32_t)words[RARE_RUNGS];
    if ((words[RARE_REASON] && !(x->reason = text_load(a, words[RARE_REASON]))) ||
        (words[RARE_METADATA] && !(x->metadata = text_load(a, words[RARE_METADATA]))))
        return false;
    if (words[RARE_VECTORS] & HAS_STDERR && !(x->std_errors = doubles_load(a->std_errors, s->n_values)))
        return false;
    if (words[RARE_VECTORS] & HAS_GRADIENTS) {
        if (!(x->gradients = doubles_load(a->gradients, s->n_gradients)))
            return false;
        s->t.bytes += s->n_gradients * sizeof(double);
    }
    return !words[RARE_REPORTS] || rare_copy_reports(s, x, a, (size_t)words[RARE_REPORTS]);
}

/* Move a over one trial's part; its text is moved by text_load, or here when the trial is passed over. */
static void rare_pass(const zo_study *s, struct rare_arrays *a, const uint64_t *words)
{
    a->numbers += 2;
    if (words[RARE_VECTORS] & HAS_STDERR)
        a->std_errors += s->n_values;
    if (words[RARE_VECTORS] & HAS_GRADIENTS)
        a->gradients += s->n_gradients;
    a->step += words[RARE_REPORTS];
    a->at_ms += words[RARE_REPORTS];
    a->stop += words[RARE_REPORTS];
    a->values += words[RARE_REPORTS] * s->n_values;
}

/* A segment's row that the head has amended keeps the head's. */
static zo_status rare_load_one(zo_study *s, struct rare_arrays *a, const uint64_t *words, uint64_t number, bool in_head,
                               zo_error *err)
{
    const struct row r = table_row(&s->t, number);
    struct rare_totals t = {0};
    char *const text = a->text;

    if (!rare_fits(s, a, words) || r.g->state[r.i] == ZO_TRIAL_FORGOTTEN)
        return snapshot_damaged(err, "what a trial has beside its values is out of range");
    if (in_head || !(r.g->flags[r.i] & FLAG_AMENDED)) {
        if (!table_reserve_rare(&s->t, number) || !(r.g->rare[r.i] = rare_new()))
            return zo_fail_nomem(err);
        s->t.bytes += sizeof(struct rare);
        if (!rare_copy(s, r.g->rare[r.i], a, words))
            return zo_fail_nomem(err);
    }
    totals_add(&t, words);
    a->text = text + t.text;
    rare_pass(s, a, words);
    return ZO_OK;
}

static bool words_fit(const zo_study *s, const uint64_t *words, size_t n_rare, size_t n, struct rare_totals *t)
{
    for (size_t i = 0; i < n_rare; i++, words += RARE_WORDS) {
        if (words[RARE_ROW] >= n || (i > 0 && words[RARE_ROW] <= words[RARE_ROW - RARE_WORDS]) ||
            words[RARE_VECTORS] > (HAS_STDERR | HAS_GRADIENTS) ||
            (words[RARE_VECTORS] & HAS_GRADIENTS && !s->n_gradients))
            return false;
        for (size_t w = RARE_RUNGS; w <= RARE_METADATA; w++)
            if (words[w] > MAX_SIZE)
                return false;
        totals_add(t, words);
    }
    return true;
}

static zo_status rare_load(zo_study *s, const zo_bundle *in, const uint64_t *numbers, size_t n, size_t n_rare,
                           bool in_head, zo_error *err)
{
    struct rare_totals t = {0};
    struct rare_arrays a;
    zo_status rc;

    if (n_rare > n)
        return snapshot_damaged(err, "more trials have reports and notes than there are");
    if ((rc = array_get(in, "rare", ZO_U64, n_rare * RARE_WORDS, &a.words, err)) != ZO_OK)
        return rc;
    if (!words_fit(s, a.words, n_rare, n, &t))
        return snapshot_damaged(err, "'rare' is out of range");
    if ((rc = array_get(in, "rare.numbers", ZO_F64, 2 * n_rare, &a.numbers, err)) != ZO_OK ||
        (rc = array_get(in, "rare.text", ZO_U8, t.text, &a.text, err)) != ZO_OK ||
        (rc = array_get(in, "rare.stderr", ZO_F64, t.std_errors * s->n_values, &a.std_errors, err)) != ZO_OK ||
        (rc = array_get(in, "rare.gradients", ZO_F64, t.gradients * s->n_gradients, &a.gradients, err)) != ZO_OK ||
        (rc = array_get(in, "report.step", ZO_U64, t.reports, &a.step, err)) != ZO_OK ||
        (rc = array_get(in, "report.at", ZO_I64, t.reports, &a.at_ms, err)) != ZO_OK ||
        (rc = array_get(in, "report.stop", ZO_U8, t.reports, &a.stop, err)) != ZO_OK ||
        (rc = array_get(in, "report.values", ZO_F64, t.reports * s->n_values, &a.values, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < n_rare && rc == ZO_OK; i++) {
        const uint64_t *words = a.words + i * RARE_WORDS;
        rc = rare_load_one(s, &a, words, numbers[words[RARE_ROW]], in_head, err);
    }
    return rc;
}

zo_status rows_load(zo_study *s, const zo_bundle *in, uint64_t first, uint64_t end, bool in_head, zo_error *err)
{
    const uint64_t *sizes, *numbers;
    zo_status rc;

    if ((rc = array_get(in, "rows", ZO_U64, 3, &sizes, err)) != ZO_OK ||
        (rc = array_get(in, "number", ZO_U64, (size_t)sizes[0], &numbers, err)) != ZO_OK)
        return rc;
    const size_t n = (size_t)sizes[0];
    if (!numbers_ascend(numbers, n, first, end))
        return snapshot_damaged(err, "the numbers of trials are out of order");
    /* The last trial there is comes with the head, or fills the last closed segment. */
    if (in_head && end != s->t.closed * ZO_SEGMENT_TRIALS && (n == 0 || numbers[n - 1] != end - 1))
        return snapshot_damaged(err, "the last trial is missing");
    if (sizes[2] != 0 && sizes[2] != n)
        return snapshot_damaged(err, "some predictions are missing");
    if ((rc = columns_load(s, in, numbers, n, in_head, err)) != ZO_OK ||
        (rc = predicted_load(s, in, numbers, (size_t)sizes[2], in_head, err)) != ZO_OK)
        return rc;
    return rare_load(s, in, numbers, n, (size_t)sizes[1], in_head, err);
}
