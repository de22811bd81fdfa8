/* Early-stopping rules for single trials, judged at each report. A rule is a table entry: name, options, and what it does with reports
 * and finished trials; adding one touches this file and the table at its end. Values come less-is-better.
 *
 * median  Stop when the trial's best value so far is worse than the median of what the complete trials reported at the same step.
 *         Source: "Google Vizier: a service for black-box optimization", KDD 2017, section 3.2.3, doi:10.1145/3097983.3098043.
 *         Departure: the median of values at the step, not of running averages.
 * asha    Asynchronous successive halving: at the steps r, r eta, r eta^2, ... (rungs) a trial goes on only if it is among the best
 *         1/eta of all that have reached the rung so far; the first one always is.
 *         Source: "A system for massively parallel hyperparameter tuning", MLSys 2020, arXiv:1810.05934, algorithm 2, with the
 *         decision at the rung itself, so that no trial waits. */
#include "study/order.h"
#include "study/study_private.h"

/* ---- median ---- */

struct median_opts {
    uint64_t n_startup_trials, n_warmup_steps, interval_steps;
};
static const zo_opt median_opts[] = {
    ZO_OPT_U64(struct median_opts, n_startup_trials, 5, 1, 1000000,
               "complete trials with reports before any trial is stopped"),
    ZO_OPT_U64(struct median_opts, n_warmup_steps, 0, 0, 9007199254740992.0, "no trial is stopped before this step"),
    ZO_OPT_U64(struct median_opts, interval_steps, 1, 1, 1000000000, "judge the first report in every so many steps after the warm-up"),
};

struct median_step {
    uint64_t step;
    struct order values; /* of complete trials */
};
struct median {
    const struct median_opts *o;
    struct median_step *steps; /* ascending */
    size_t n, cap;
    uint64_t n_complete;
};

static void median_init(void *self, const void *opts)
{
    ((struct median *)self)->o = opts;
}

static void median_fini(void *self)
{
    struct median *m = self;

    for (size_t i = 0; i < m->n; i++)
        order_fini(&m->steps[i].values);
    zo_free(m->steps);
}

/* Place of step, or where it belongs. */
static size_t median_place(const struct median *m, uint64_t step)
{
    size_t low = 0, high = m->n;

    while (low < high) {
        const size_t mid = low + (high - low) / 2;
        if (m->steps[mid].step < step)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static bool has_step(const struct median *m, size_t place, uint64_t step)
{
    return place < m->n && m->steps[place].step == step;
}

static bool median_grow(struct median *m)
{
    if (m->n < m->cap)
        return true;
    const size_t cap = m->cap ? 2 * m->cap : 16;
    struct median_step *steps = zo_realloc(m->steps, cap * sizeof *steps);
    if (!steps)
        return false;
    m->steps = steps;
    m->cap = cap;
    return true;
}

static bool median_reserve_report(void *self, const struct rare *r, uint64_t step, double value)
{
    (void)self, (void)r, (void)step, (void)value;
    return true;
}

static bool median_reserve_complete(void *self, const struct rare *r, size_t extra)
{
    struct median *m = self;

    for (uint32_t i = 0; i < r->n_reports; i++) {
        const uint64_t step = r->reports[i].step;
        const size_t at = median_place(m, step);
        if (!has_step(m, at, step)) {
            if (!median_grow(m))
                return false;
            memmove(m->steps + at + 1, m->steps + at, (m->n - at) * sizeof *m->steps);
            m->steps[at] = (struct median_step){.step = step};
            m->n++;
        }
        if (!order_reserve(&m->steps[at].values, extra))
            return false;
    }
    return true;
}

static double median_of(const struct order *o)
{
    return o->n_low > o->n_high ? order_low(o) : 0.5 * order_low(o) + 0.5 * order_high(o);
}

/* Is the trial's last report its first in an interval of steps? Clients need not report at every step. */
static bool is_judged(const struct median_opts *o, const struct rare *r, uint64_t step)
{
    if (step < o->n_warmup_steps)
        return false;
    if (r->n_reports < 2 || r->reports[r->n_reports - 2].step < o->n_warmup_steps)
        return true;
    const uint64_t before = r->reports[r->n_reports - 2].step - o->n_warmup_steps;
    return before / o->interval_steps != (step - o->n_warmup_steps) / o->interval_steps;
}

static bool median_report(void *self, struct rare *r, uint64_t step, double value)
{
    const struct median *m = self;
    const size_t at = median_place(m, step);

    if (isnan(r->best) || value < r->best)
        r->best = value;
    if (m->n_complete < m->o->n_startup_trials || !is_judged(m->o, r, step) || !has_step(m, at, step) ||
        !order_count(&m->steps[at].values))
        return false;
    return r->best > median_of(&m->steps[at].values);
}

static void median_complete(void *self, const struct rare *r, size_t stride, double sign)
{
    struct median *m = self;

    for (uint32_t i = 0; i < r->n_reports; i++) {
        struct order *o = &m->steps[median_place(m, r->reports[i].step)].values;
        order_add(o, sign * r->report_values[i * stride], (order_count(o) + 2) / 2);
    }
    m->n_complete++;
}

/* Loading: make the steps, ascending and empty. */
static zo_status median_load_steps(struct median *m, const uint64_t *steps, size_t n, zo_error *err)
{
    for (size_t i = 0; i < n; i++) {
        if (i > 0 && steps[i] <= steps[i - 1])
            return zo_fail(err, ZO_EINVAL, "", "saved state: the steps of the median rule do not rise");
        if (!median_grow(m))
            return zo_fail_nomem(err);
        m->steps[m->n++] = (struct median_step){.step = steps[i]};
    }
    return ZO_OK;
}

static void median_visit(void *self, zo_visit *v)
{
    struct median *m = self;
    size_t n = m->n;

    zo_visit_u64(v, "complete", &m->n_complete, 1);
    zo_visit_count(v, "n_steps", &n, v->loading ? zo_visit_length(v, "steps") : n);
    if (v->status != ZO_OK)
        return;
    uint64_t *steps = zo_calloc(n + 1, sizeof *steps);
    struct order **orders = zo_calloc(n + 1, sizeof *orders);
    if (!steps || !orders)
        v->status = zo_fail_nomem(v->err);
    for (size_t i = 0; i < n && !v->loading && v->status == ZO_OK; i++)
        steps[i] = m->steps[i].step;
    zo_visit_u64(v, "steps", steps, n);
    if (v->loading && v->status == ZO_OK)
        v->status = median_load_steps(m, steps, n, v->err);
    for (size_t i = 0; i < n && v->status == ZO_OK; i++)
        orders[i] = &m->steps[i].values;
    order_visit(orders, n, v, "step");
    for (size_t i = 0; i < n && v->loading && v->status == ZO_OK; i++)
        if (orders[i]->n_low != (order_count(orders[i]) + 1) / 2)
            v->status = zo_fail(v->err, ZO_EINVAL, "", "saved state: a median of the median rule is off its middle");
    zo_free(orders);
    zo_free(steps);
}

/* ---- asha ---- */

struct asha_opts {
    uint64_t min_resource, reduction_factor;
};
static const zo_opt asha_opts[] = {
    ZO_OPT_U64(struct asha_opts, min_resource, 1, 1, 1000000000,
               "step of the first rung: no trial is stopped before it"),
    ZO_OPT_U64(struct asha_opts, reduction_factor, 4, 2, 1000,
               "of this many trials at a rung one goes on, and the next rung is this much later"),
};
enum { MAX_RUNGS = 64 };
struct asha {
    const struct asha_opts *o;
    struct order rungs[MAX_RUNGS];
};

static void asha_init(void *self, const void *opts)
{
    ((struct asha *)self)->o = opts;
}

static void asha_fini(void *self)
{
    struct asha *a = self;

    for (size_t k = 0; k < MAX_RUNGS; k++)
        order_fini(&a->rungs[k]);
}

/* Rungs at or before step. */
static uint32_t asha_reached(const struct asha *a, uint64_t step)
{
    uint64_t at = a->o->min_resource;
    uint32_t n = 0;

    while (n < MAX_RUNGS && at <= step) {
        n++;
        if (at > UINT64_MAX / a->o->reduction_factor)
            break;
        at *= a->o->reduction_factor;
    }
    return n;
}

static bool asha_reserve_report(void *self, const struct rare *r, uint64_t step, double value)
{
    struct asha *a = self;
    const uint32_t reached = asha_reached(a, step);

    (void)value;
    for (uint32_t k = r->rungs; k < reached; k++)
        if (!order_reserve(&a->rungs[k], 1))
            return false;
    return true;
}

static bool asha_reserve_complete(void *self, const struct rare *r, size_t extra)
{
    (void)self, (void)r, (void)extra;
    return true;
}

/* The best floor(n/eta) of n go on, but never fewer than one. */
static size_t asha_promoted(const struct asha *a, size_t n)
{
    const size_t k = n / (size_t)a->o->reduction_factor;

    return k ? k : 1;
}

static bool asha_report(void *self, struct rare *r, uint64_t step, double value)
{
    struct asha *a = self;
    const uint32_t reached = asha_reached(a, step);
    bool stop = false;

    for (; r->rungs < reached; r->rungs++) {
        struct order *rung = &a->rungs[r->rungs];
        order_add(rung, value, asha_promoted(a, order_count(rung) + 1));
        stop = stop || value > order_low(rung);
    }
    return stop;
}

static void asha_complete(void *self, const struct rare *r, size_t stride, double sign)
{
    (void)self, (void)r, (void)stride, (void)sign;
}

static void asha_visit(void *self, zo_visit *v)
{
    struct asha *a = self;
    struct order *rungs[MAX_RUNGS];

    for (size_t k = 0; k < MAX_RUNGS; k++)
        rungs[k] = &a->rungs[k];
    order_visit(rungs, MAX_RUNGS, v, "rung");
    for (size_t k = 0; k < MAX_RUNGS && v->loading && v->status == ZO_OK; k++)
        if (order_count(rungs[k]) && rungs[k]->n_low != asha_promoted(a, order_count(rungs[k])))
            v->status = zo_fail(v->err, ZO_EINVAL, "", "saved state: a rung of asha holds the wrong number of values");
}

/* ---- the table ---- */

static const struct stop_rule rules[] = {
    {
        .name = "asha",
        .summary = "asynchronous successive halving",
        .opts = asha_opts,
        .n_opts = ZO_LEN(asha_opts),
        .opts_bytes = sizeof(struct asha_opts),
        .state_bytes = sizeof(struct asha),
        .init = asha_init,
        .reserve_report = asha_reserve_report,
        .reserve_complete = asha_reserve_complete,
        .report = asha_report,
        .complete = asha_complete,
        .visit = asha_visit,
        .fini = asha_fini,
    },
    {
        .name = "median",
        .summary = "worse than the median of complete trials at the same step",
        .opts = median_opts,
        .n_opts = ZO_LEN(median_opts),
        .opts_bytes = sizeof(struct median_opts),
        .state_bytes = sizeof(struct median),
        .init = median_init,
        .reserve_report = median_reserve_report,
        .reserve_complete = median_reserve_complete,
        .report = median_report,
        .complete = median_complete,
        .visit = median_visit,
        .fini = median_fini,
    },
};

const struct stop_rule *stop_rule_find(const char *name)
{
    for (size_t i = 0; i < ZO_LEN(rules); i++)
        if (strcmp(rules[i].name, name) == 0)
            return &rules[i];
    return NULL;
}
