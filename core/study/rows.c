#include "study/rows.h"

enum { SAVED_FLAGS = FLAG_EXPIRED | FLAG_WITHDRAWN | FLAG_FEASIBLE | FLAG_VALUES | FLAG_FROM_REPORT | FLAG_AMENDED };

static zo_status damaged(zo_error *err, const char *what)
{
    return zo_fail(err, ZO_EINVAL, "", "saved state: %s", what);
}

const void *bundle_find(const zo_bundle *b, const char *name, zo_dtype t, size_t *n_out, zo_error *err)
{
    const zo_array *a = zo_bundle_get(b, name);

    if (!a || a->dtype != t || a->n_dims != 1) {
        (void)zo_fail(err, ZO_EINVAL, "", "saved state: '%s' is missing or of another type", name);
        return NULL;
    }
    *n_out = a->dims[0];
    return a->data;
}

void *bundle_make(zo_bundle *b, const char *name, zo_dtype t, size_t n, zo_error *err)
{
    void *data = NULL;

    return zo_bundle_add(b, name, t, 1, &n, &data, err) == ZO_OK ? data : NULL;
}

/* ---- columns ---- */

struct columns {
    size_t n;
    uint64_t *number;
    double *v, *values;
    int64_t *created, *finished;
    uint32_t *worker, *provenance, *attempt;
    uint8_t *state, *origin, *flags;
};

/* One row a column: its name, type, width in elements of a trial, and place in struct columns. */
struct column {
    const char *name;
    zo_dtype dtype;
    size_t width;
    void *place;
};
enum { N_COLUMNS = 11 };

static void columns_list(const zo_study *s, struct columns *c, struct column list[N_COLUMNS])
{
    const struct column all[N_COLUMNS] = {
        {"trial.number", ZO_U64, 1, &c->number},
        {"trial.v", ZO_F64, s->n, &c->v},
        {"trial.values", ZO_F64, s->n_values, &c->values},
        {"trial.created", ZO_I64, 1, &c->created},
        {"trial.finished", ZO_I64, 1, &c->finished},
        {"trial.worker", ZO_I32, 1, &c->worker},
        {"trial.provenance", ZO_I32, 1, &c->provenance},
        {"trial.attempt", ZO_I32, 1, &c->attempt},
        {"trial.state", ZO_U8, 1, &c->state},
        {"trial.origin", ZO_U8, 1, &c->origin},
        {"trial.flags", ZO_U8, 1, &c->flags},
    };

    memcpy(list, all, sizeof all);
}

static zo_status columns_make(const zo_study *s, zo_bundle *b, size_t n, struct columns *c, zo_error *err)
{
    struct column list[N_COLUMNS];

    c->n = n;
    columns_list(s, c, list);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        void *data = bundle_make(b, list[i].name, list[i].dtype, n * list[i].width, err);
        if (!data)
            return ZO_ENOMEM;
        memcpy(list[i].place, &data, sizeof data);
    }
    return ZO_OK;
}

static zo_status columns_find(const zo_study *s, const zo_bundle *b, struct columns *c, zo_error *err)
{
    struct column list[N_COLUMNS];
    size_t n;

    columns_list(s, c, list);
    for (size_t i = 0; i < N_COLUMNS; i++) {
        const void *data = bundle_find(b, list[i].name, list[i].dtype, &n, err);
        if (!data)
            return ZO_EINVAL;
        if (i == 0)
            c->n = n;
        else if (n != c->n * list[i].width)
            return damaged(err, "columns of trials differ in length");
        memcpy(list[i].place, &data, sizeof data);
    }
    return ZO_OK;
}

/* ---- what few trials have ---- */

struct rares {
    size_t n, n_reports, n_text, n_std;                  /* rows, and what they hold together */
    uint64_t *row, *reports, *rungs, *reason, *metadata; /* reason, metadata: bytes + 1; 0: none */
    double *cost, *best;
    uint8_t *has_std, *text, *stop;
    double *std_errors, *values;
    uint64_t *step;
    int64_t *at;
};
enum { N_RARE_COLUMNS = 14 };

static void rares_list(const zo_study *s, struct rares *r, struct column list[N_RARE_COLUMNS],
                       size_t lengths[N_RARE_COLUMNS])
{
    const struct column all[N_RARE_COLUMNS] = {
        {"rare.row", ZO_U64, r->n, &r->row},           {"rare.reports", ZO_U64, r->n, &r->reports},
        {"rare.rungs", ZO_U64, r->n, &r->rungs},       {"rare.reason", ZO_U64, r->n, &r->reason},
        {"rare.metadata", ZO_U64, r->n, &r->metadata}, {"rare.cost", ZO_F64, r->n, &r->cost},
        {"rare.best", ZO_F64, r->n, &r->best},         {"rare.has_std", ZO_U8, r->n, &r->has_std},
        {"rare.text", ZO_U8, r->n_text, &r->text},     {"rare.std", ZO_F64, r->n_std * s->n_values, &r->std_errors},
        {"rare.step", ZO_U64, r->n_reports, &r->step}, {"rare.at", ZO_I64, r->n_reports, &r->at},
        {"rare.stop", ZO_U8, r->n_reports, &r->stop},  {"rare.values", ZO_F64, r->n_reports * s->n_values, &r->values},
    };

    memcpy(list, all, sizeof all);
    for (size_t i = 0; i < N_RARE_COLUMNS; i++)
        lengths[i] = all[i].width;
}

static size_t text_bytes(const char *text)
{
    return text ? strlen(text) : 0;
}

static const struct rare *rare_of(const zo_study *s, uint64_t number)
{
    return row_rare(table_row(&s->t, number));
}

static void rare_save(struct rares *to, size_t *k, size_t *text, size_t *std, size_t *report, size_t row,
                      const struct rare *r, size_t n_values)
{
    const size_t i = (*k)++;

    to->row[i] = row;
    to->reports[i] = r->n_reports;
    to->rungs[i] = r->rungs;
    to->reason[i] = r->reason ? text_bytes(r->reason) + 1 : 0;
    to->metadata[i] = r->metadata ? text_bytes(r->metadata) + 1 : 0;
    to->cost[i] = r->cost;
    to->best[i] = r->best;
    to->has_std[i] = r->std_errors != NULL;
    memcpy(to->text + *text, r->reason ? r->reason : "", text_bytes(r->reason));
    *text += text_bytes(r->reason);
    memcpy(to->text + *text, r->metadata ? r->metadata : "", text_bytes(r->metadata));
    *text += text_bytes(r->metadata);
    if (r->std_errors)
        memcpy(to->std_errors + (*std)++ * n_values, r->std_errors, n_values * sizeof(double));
    for (uint32_t j = 0; j < r->n_reports; j++) {
        to->step[*report + j] = r->reports[j].step;
        to->at[*report + j] = r->reports[j].at_ms;
        to->stop[*report + j] = r->reports[j].stop;
    }
    if (r->n_reports)
        memcpy(to->values + *report * n_values, r->report_values, r->n_reports * n_values * sizeof(double));
    *report += r->n_reports;
}

static zo_status rares_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *b, zo_error *err)
{
    struct rares to = {0};
    struct column list[N_RARE_COLUMNS];
    size_t lengths[N_RARE_COLUMNS], k = 0, text = 0, std = 0, report = 0;

    for (size_t i = 0; i < n; i++) {
        const struct rare *r = rare_of(s, numbers[i]);
        if (!r)
            continue;
        to.n++;
        to.n_reports += r->n_reports;
        to.n_text += text_bytes(r->reason) + text_bytes(r->metadata);
        to.n_std += r->std_errors != NULL;
    }
    rares_list(s, &to, list, lengths);
    for (size_t i = 0; i < N_RARE_COLUMNS; i++) {
        void *data = bundle_make(b, list[i].name, list[i].dtype, lengths[i], err);
        if (!data)
            return ZO_ENOMEM;
        memcpy(list[i].place, &data, sizeof data);
    }
    for (size_t i = 0; i < n; i++) {
        const struct rare *r = rare_of(s, numbers[i]);
        if (r)
            rare_save(&to, &k, &text, &std, &report, i, r, s->n_values);
    }
    return ZO_OK;
}

static zo_status rares_find(const zo_study *s, const zo_bundle *b, struct rares *from, zo_error *err)
{
    struct column list[N_RARE_COLUMNS];
    size_t lengths[N_RARE_COLUMNS], found[N_RARE_COLUMNS];

    *from = (struct rares){0};
    rares_list(s, from, list, lengths);
    for (size_t i = 0; i < N_RARE_COLUMNS; i++) {
        const void *data = bundle_find(b, list[i].name, list[i].dtype, &found[i], err);
        if (!data)
            return ZO_EINVAL;
        memcpy(list[i].place, &data, sizeof data);
    }
    from->n = found[0];
    from->n_text = found[8];
    from->n_reports = found[10];
    for (size_t i = 0; i < from->n; i++)
        from->n_std += from->has_std[i] != 0;
    rares_list(s, from, list, lengths);
    for (size_t i = 0; i < N_RARE_COLUMNS; i++)
        if (found[i] != lengths[i])
            return damaged(err, "columns of reports and reasons differ in length");
    return ZO_OK;
}

/* bytes + 1 of the text that begins at *at, into a string of its own. */
static zo_status take_text(const struct rares *from, size_t *at, uint64_t coded, char **out, zo_error *err)
{
    if (!coded)
        return ZO_OK;
    const uint64_t n = coded - 1;
    if (n > from->n_text - *at || memchr(from->text + *at, 0, (size_t)n))
        return damaged(err, "a reason or metadata is cut off");
    if (!(*out = zo_malloc((size_t)n + 1)))
        return zo_fail_nomem(err);
    memcpy(*out, from->text + *at, (size_t)n);
    (*out)[n] = 0;
    *at += (size_t)n;
    return ZO_OK;
}

static zo_status take_reports(const zo_study *s, const struct rares *from, size_t at, uint64_t n, struct rare *r,
                              zo_error *err)
{
    if (n > from->n_reports - at || n > UINT32_MAX)
        return damaged(err, "reports are cut off");
    if (!n)
        return ZO_OK;
    if (!(r->reports = zo_malloc((size_t)n * sizeof *r->reports)) ||
        !(r->report_values = zo_malloc((size_t)n * s->n_values * sizeof(double))))
        return zo_fail_nomem(err);
    for (size_t j = 0; j < n; j++) {
        r->reports[j] =
            (struct report){.step = from->step[at + j], .at_ms = from->at[at + j], .stop = from->stop[at + j]};
        if (j > 0 && r->reports[j].step <= r->reports[j - 1].step)
            return damaged(err, "the steps of reports do not rise");
    }
    memcpy(r->report_values, from->values + at * s->n_values, (size_t)n * s->n_values * sizeof(double));
    r->n_reports = r->cap_reports = (uint32_t)n;
    return ZO_OK;
}

struct rare_cursor {
    struct rares from;
    size_t k, text, std, report;
};

/* The rare part of row, if it has one; *out is the caller's. */
static zo_status rare_load(const zo_study *s, struct rare_cursor *c, size_t row, struct rare **out, zo_error *err)
{
    const struct rares *from = &c->from;
    const size_t i = c->k;
    struct rare *r;
    zo_status rc;

    *out = NULL;
    if (i >= from->n || from->row[i] != row)
        return ZO_OK;
    if (!(r = *out = rare_new()))
        return zo_fail_nomem(err);
    c->k++;
    if ((rc = take_text(from, &c->text, from->reason[i], &r->reason, err)) != ZO_OK ||
        (rc = take_text(from, &c->text, from->metadata[i], &r->metadata, err)) != ZO_OK ||
        (rc = take_reports(s, from, c->report, from->reports[i], r, err)) != ZO_OK)
        return rc;
    c->report += r->n_reports;
    r->rungs = (uint32_t)from->rungs[i];
    r->cost = from->cost[i];
    r->best = from->best[i];
    if (from->has_std[i]) {
        if (!(r->std_errors = zo_malloc(s->n_values * sizeof(double))))
            return zo_fail_nomem(err);
        memcpy(r->std_errors, from->std_errors + c->std++ * s->n_values, s->n_values * sizeof(double));
    }
    return ZO_OK;
}

/* ---- rows ---- */

zo_status rows_save(const zo_study *s, const uint64_t *numbers, size_t n, zo_bundle *b, zo_error *err)
{
    struct columns to;
    zo_status rc = columns_make(s, b, n, &to, err);

    if (rc != ZO_OK)
        return rc;
    for (size_t i = 0; i < n; i++) {
        const struct row r = table_row(&s->t, numbers[i]);
        const struct segment *g = r.g;
        to.number[i] = numbers[i];
        memcpy(to.v + i * s->n, row_v(&s->t, r), s->n * sizeof(double));
        memcpy(to.values + i * s->n_values, row_values(&s->t, r), s->n_values * sizeof(double));
        to.created[i] = g->created[r.i];
        to.finished[i] = g->finished[r.i];
        to.worker[i] = g->worker[r.i];
        to.provenance[i] = g->provenance[r.i];
        to.attempt[i] = g->attempt[r.i];
        to.state[i] = g->state[r.i];
        to.origin[i] = g->origin[r.i];
        to.flags[i] = g->flags[r.i] & SAVED_FLAGS;
    }
    return rares_save(s, numbers, n, b, err);
}

static bool row_is_sound(const zo_study *s, const struct columns *c, size_t i, const uint8_t *is_provenance)
{
    for (size_t j = 0; j < s->n_values; j++)
        if (isinf(c->values[i * s->n_values + j]))
            return false;
    return c->state[i] < ZO_TRIAL_STATE_COUNT && c->origin[i] <= ZO_ORIGIN_IMPORT &&
           !(c->flags[i] & ~(unsigned)SAVED_FLAGS) && c->worker[i] <= s->strings.n &&
           c->provenance[i] <= s->strings.n && (!c->provenance[i] || is_provenance[c->provenance[i]]) &&
           zo_space_check(s->space, c->v + i * s->n, NULL) == ZO_OK;
}

static zo_status row_load(zo_study *s, const struct columns *c, size_t i, struct rare_cursor *rares, zo_error *err)
{
    const uint64_t number = c->number[i];
    struct table *t = &s->t;
    struct rare *rare;
    zo_status rc = rare_load(s, rares, i, &rare, err);

    if (rc == ZO_OK && !table_row(t, number).g) {
        if (!table_reserve(t, number) || (rare && !table_reserve_rare(t, number))) {
            rc = zo_fail_nomem(err);
        } else {
            const struct row r = {&t->segs[number / ZO_SEGMENT_TRIALS], (size_t)(number % ZO_SEGMENT_TRIALS)};
            struct segment *g = r.g;
            memcpy(row_v(t, r), c->v + i * s->n, s->n * sizeof(double));
            memcpy(row_values(t, r), c->values + i * s->n_values, s->n_values * sizeof(double));
            g->created[r.i] = c->created[i];
            g->finished[r.i] = c->finished[i];
            g->worker[r.i] = c->worker[i];
            g->provenance[r.i] = c->provenance[i];
            g->attempt[r.i] = c->attempt[i];
            g->state[r.i] = c->state[i];
            g->origin[r.i] = c->origin[i];
            g->flags[r.i] = c->flags[i];
            if (rare)
                g->rare[r.i] = rare;
            return ZO_OK;
        }
    }
    rare_free(rare);
    return rc;
}

zo_status rows_load(zo_study *s, uint64_t first, uint64_t end, const uint8_t *is_provenance, const zo_bundle *b,
                    zo_error *err)
{
    struct columns c;
    struct rare_cursor rares = {0};
    zo_status rc;

    if ((rc = columns_find(s, b, &c, err)) != ZO_OK || (rc = rares_find(s, b, &rares.from, err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < c.n && rc == ZO_OK; i++) {
        if (c.number[i] < first || c.number[i] >= end || (i > 0 && c.number[i] <= c.number[i - 1]) ||
            !row_is_sound(s, &c, i, is_provenance))
            return damaged(err, "a trial is not one of this study's");
        rc = row_load(s, &c, i, &rares, err);
    }
    if (rc == ZO_OK && rares.k != rares.from.n)
        return damaged(err, "reports or reasons without a trial");
    return rc;
}

zo_status rows_count(zo_study *s, zo_error *err)
{
    struct table *t = &s->t;

    s->counts = (zo_counts){0};
    t->absent = t->next;
    for (size_t k = 0; k < t->n_segs; k++) {
        struct segment *g = &t->segs[k];
        g->open = 0;
        for (size_t i = 0; i < g->cap; i++) {
            if (g->state[i] == STATE_ABSENT)
                continue;
            t->absent--;
            row_count(s, (struct row){g, i});
        }
    }
    if (t->n_segs < t->closed || t->closed * ZO_SEGMENT_TRIALS > t->next)
        return damaged(err, "closed segments are missing");
    return ZO_OK;
}
