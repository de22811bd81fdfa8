/* Reports: intermediate values of a running trial, and the early-stopping rule's answer to each. The answer is in the
 * event, so a replay repeats it whatever the rule would say. A trial that is handed out again starts its reports anew.
 */
#include "study/study_private.h"

enum { MAX_REPORTS = 1000000 };

/* Index of the report at step, or the number of reports. */
static size_t report_at(const struct rare *rare, uint64_t step)
{
    size_t low = 0, high = rare ? rare->n_reports : 0;
    const size_t n = high;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (rare->reports[mid].step < step)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && rare->reports[low].step == step ? low : n;
}

static zo_status values_check(const zo_study *s, const double *values, zo_error *err)
{
    zo_error at = {.pointer = "/values"};

    for (size_t j = 0; j < s->n_values; j++) {
        if (!isinf(values[j]) && !(j < s->n_objectives && isnan(values[j])))
            continue;
        zo_pointer_append(at.pointer, sizeof at.pointer, s->names[j]);
        return zo_fail(err, ZO_EINVAL, at.pointer,
                       isinf(values[j]) ? "numbers are finite" : "a report needs a value for '%.64s'", s->names[j]);
    }
    return ZO_OK;
}

zo_status reported_check(const zo_study *s, const struct rec_reported *r, bool *repeat_out, bool *stop_out,
                         zo_error *err)
{
    struct row row;
    zo_status rc;

    *repeat_out = false;
    if (s->problem.oracle != ZO_ORACLE_STEPS)
        return zo_fail(err, ZO_EUNSUPPORTED, "",
                       "this study's oracle gives one value a trial: reports need \"oracle\": \"steps\"");
    if ((rc = trial_find(s, r->number, &row, err)) != ZO_OK || (rc = values_check(s, r->values, err)) != ZO_OK)
        return rc;
    const struct rare *rare = row_rare(row);
    const size_t i = report_at(rare, r->step), n = rare ? rare->n_reports : 0;
    if (i < n && same_doubles(rare->report_values + i * s->n_values, r->values, s->n_values)) {
        *repeat_out = true;
        *stop_out = rare->reports[i].stop;
        return ZO_OK;
    }
    if (row.g->state[row.i] != ZO_TRIAL_RUNNING)
        return zo_fail(err, ZO_ECONFLICT, "", "trial %llu is %s, not running", (unsigned long long)r->number,
                       zo_trial_state_name(row.g->state[row.i]));
    if (i < n)
        return zo_fail(err, ZO_ECONFLICT, "/step", "step %llu was reported with another value",
                       (unsigned long long)r->step);
    if (n && r->step < rare->reports[n - 1].step)
        return zo_fail(err, ZO_ECONFLICT, "/step", "steps rise: %llu comes after %llu", (unsigned long long)r->step,
                       (unsigned long long)rare->reports[n - 1].step);
    if (n >= MAX_REPORTS)
        return zo_fail(err, ZO_EINVAL, "/step", "a trial has at most %d reports", (int)MAX_REPORTS);
    return ZO_OK;
}

/* The rule's value of a report: the objective, less being better. */
static double rule_value(const zo_study *s, const double *values)
{
    return s->sign[0] * values[0];
}

static bool reports_grow(struct table *t, struct rare *rare)
{
    if (rare->n_reports < rare->cap_reports)
        return true;
    const uint32_t cap = rare->cap_reports ? 2 * rare->cap_reports : 8;
    struct report *reports = zo_realloc(rare->reports, cap * sizeof *reports);
    if (!reports)
        return false;
    rare->reports = reports;
    double *values = zo_realloc(rare->report_values, cap * t->n_values * sizeof *values);
    if (!values)
        return false;
    rare->report_values = values;
    t->bytes += (cap - rare->cap_reports) * (sizeof *reports + t->n_values * sizeof *values);
    rare->cap_reports = cap;
    return true;
}

bool reported_reserve(zo_study *s, const struct rec_reported *r)
{
    const struct row row = table_row(&s->t, r->number);

    if (!table_reserve_rare(&s->t, r->number))
        return false;
    struct rare **rare = &row.g->rare[row.i];
    if (!*rare) {
        if (!(*rare = rare_new()))
            return false;
        s->t.bytes += sizeof **rare;
    }
    return reports_grow(&s->t, *rare) &&
           (!s->rule || s->rule->reserve_report(s->rule_self, *rare, r->step, rule_value(s, r->values)));
}

bool reported_apply(zo_study *s, const struct rec_reported *r, int64_t at_ms, const bool *logged)
{
    const struct row row = table_row(&s->t, r->number);
    struct rare *rare = row_rare(row);
    struct report *report = &rare->reports[rare->n_reports];

    *report = (struct report){.step = r->step, .at_ms = at_ms};
    memcpy(rare->report_values + rare->n_reports * s->n_values, r->values, s->n_values * sizeof(double));
    const bool stopped = rare->n_reports && rare->reports[rare->n_reports - 1].stop;
    rare->n_reports++;
    const bool stop = s->rule && s->rule->report(s->rule_self, rare, r->step, rule_value(s, r->values));
    report->stop = logged ? *logged : stop || stopped; /* a worker that lost the answer hears it again */
    trial_touch(row, s, r->number);
    return report->stop;
}

zo_status zo_study_report(zo_study *s, uint64_t number, uint64_t step, const double *values, zo_now now, zo_events *ev,
                          bool *stop_out, zo_error *err)
{
    struct rec rec = {.kind = ZO_EVENT_REPORTED,
                      .at_ms = now.wall_ms,
                      .u.reported = {.number = number, .step = step, .values = values}};
    bool repeat;
    zo_status rc;

    if ((rc = reported_check(s, &rec.u.reported, &repeat, stop_out, err)) != ZO_OK || repeat)
        return rc;
    if ((rc = solver_pay(s, err)) != ZO_OK)
        return rc;
    if (!reported_reserve(s, &rec.u.reported) || !events_reserve(ev, 1, record_bytes(s, &rec)))
        return zo_fail_nomem(err);
    rec.u.reported.stop = *stop_out = reported_apply(s, &rec.u.reported, now.wall_ms, NULL);
    rec.seq = next_seq(s);
    event_append(ev, s, &rec);
    return zo_study_heartbeat(s, number, 0, now, err); /* whoever reports is alive */
}
