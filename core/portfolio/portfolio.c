/* See portfolio.h. A proposal that the archive knows is answered at once, at no cost, before the next one is asked for.
 * All changes of an ask are made only by asks that give a point; one that runs out of memory may be repeated and goes
 * on where it stood. */
#include "portfolio/portfolio.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stage/stage.h"

enum { MAX_HITS = 1000 };
enum { BY_RUN, BY_REPEAT, BY_FILL }; /* who proposed a trial */
enum { REPEAT_WANTED, REPEAT_OUT, REPEAT_KNOWN, REPEAT_OFF };
static const double FAR_APART = 0.1;
static const double SLOW_SIGMA = 0.03; /* around a point that a slow run came near to */
enum { LARGE = 40 };                   /* dimensions beyond which quasi-Newton runs go on for longer */
/* From so many dimensions on, wide CMA-ES runs find more than quasi-Newton runs from elsewhere, which get a part of the
 * trials. */
enum { WIDE = 8, LOCAL_PART = 5 };
static const double NARROW_SIGMA = 0.2, WIDE_SIGMA = 0.5;

struct memo {
    uint64_t by, id, number; /* who proposed it; which run, as its which */
    uint64_t rest[];         /* the core's own */
};

size_t portfolio_memo_bytes(const zo_problem *p)
{
    size_t most = 0;

    for (uint32_t kind = PF_NONE + 1; kind < PF_KINDS; kind++) {
        const zo_solver *core = pf_core_of(p, kind);
        const size_t bytes = core && core->memo_bytes ? core->memo_bytes(p) : 0;
        most = bytes > most ? bytes : most;
    }
    return sizeof(struct memo) + (most + 7) / 8 * 8;
}

/* ---- set-up ---- */

zo_status portfolio_init(portfolio *s, const zo_problem *p, const pf_opts *o, zo_error *err)
{
    const size_t n = p->n;
    zo_status rc;

    s->p = *p;
    s->p.oracle = ZO_ORACLE_VALUE;
    s->p.noise = ZO_NOISE_NONE;
    s->o = *o;
    s->repeats = p->noise == ZO_NOISE_AUTO && (p->budget_trials == 0 || p->budget_trials >= 20);
    s->repeat = s->repeats ? REPEAT_WANTED : REPEAT_OFF;
    s->stage = o->axis && (p->budget_trials == 0 || p->budget_trials >= 4 * n + 4) ? PF_PROBE : PF_DESCENT;
    s->low = INFINITY;
    s->high = -INFINITY;
    s->n_order = n * (n + 3) + 2;
    s->n_order = s->n_order < 2000 ? s->n_order : 2000;
    pf_archive_init(&s->archive, n);
    pf_pending_init(&s->pending, n, portfolio_memo_bytes(&s->p));
    for (size_t k = 0; k < PF_KINDS; k++)
        s->records[k].best = INFINITY;
    s->v = zo_calloc(n + 1, sizeof *s->v);
    s->u = zo_calloc(n + 1, sizeof *s->u);
    s->ends = zo_calloc(PF_ENDS, n * sizeof *s->ends);
    s->order = zo_calloc(s->n_order, sizeof *s->order);
    if (!s->v || !s->u || !s->ends || !s->order)
        return zo_fail_nomem(err);
    for (size_t k = 0; k < PF_LINES; k++)
        if ((rc = pf_member_init(&s->lines[k], &s->p, err)) != ZO_OK)
            return rc;
    return ZO_OK;
}

void portfolio_fini(portfolio *s)
{
    for (size_t k = 0; k < PF_LINES; k++)
        pf_member_fini(&s->lines[k]);
    pf_archive_fini(&s->archive);
    pf_pending_fini(&s->pending);
    zo_free(s->v);
    zo_free(s->u);
    zo_free(s->ends);
    zo_free(s->order);
}

/* ---- the schedule ---- */

static double best_f(const portfolio *s)
{
    return s->archive.best == ARCHIVE_NONE ? INFINITY : s->archive.f[s->archive.best];
}

static const double *best_x(const portfolio *s)
{
    return s->archive.best == ARCHIVE_NONE ? NULL : pf_archive_x(&s->archive, s->archive.best);
}

static uint64_t restarts_until(const portfolio *s)
{
    const double n = (double)s->p.n;

    return (uint64_t)(n * (s->p.n <= 3 ? s->o.restarts_until_low : s->p.n <= LARGE ? s->o.restarts_until : 100));
}

static size_t primary_line(const portfolio *s)
{
    return s->stage == PF_MODEL || s->stage == PF_TURN_GLOBAL ? PF_GLOBAL_LINE : PF_LOCAL_LINE;
}

static bool has_had_its_part(const portfolio *s)
{
    return s->p.n >= WIDE && s->records[PF_LOCAL].evals * LOCAL_PART > s->n_told;
}

static double sigma_of_turns(const portfolio *s)
{
    return s->o.sigma_turns > 0 ? s->o.sigma_turns : s->p.n >= WIDE ? WIDE_SIGMA : NARROW_SIGMA;
}

/* What follows a stage whose run is over. */
static uint32_t stage_after(const portfolio *s)
{
    switch ((pf_stage)s->stage) {
    case PF_PROBE:
        return PF_DESCENT;
    case PF_DESCENT:
    case PF_RESTARTS:
        return s->n_told < restarts_until(s) && !s->was_idle ? PF_RESTARTS : PF_MODEL;
    case PF_MODEL:
    case PF_TURN_GLOBAL:
        return has_had_its_part(s) ? PF_TURN_GLOBAL : PF_TURN_LOCAL;
    case PF_TURN_LOCAL:
        return PF_TURN_GLOBAL;
    case PF_STAGES:
        break;
    }
    return s->stage;
}

/* In the root mean square over the coordinates. */
static double distance(const double *a, const double *b, size_t n)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum / (double)n);
}

/* The best point known that is not near to where a quasi-Newton run has ended: the start of another basin, paid for
 * already. NULL: none. */
static const double *far_start(portfolio *s)
{
    const size_t k = pf_archive_order(&s->archive, s->n_order, 1e-5, s->order), n = s->p.n;
    const size_t n_ends = s->n_ends < PF_ENDS ? (size_t)s->n_ends : PF_ENDS;

    for (size_t i = 0; i < k; i++) {
        const double *x = pf_archive_x(&s->archive, s->order[i]);
        size_t e = 0;
        while (e < n_ends && distance(x, s->ends + e * n, n) > FAR_APART)
            e++;
        if (e == n_ends)
            return x;
    }
    return NULL;
}

/* The run that the stage wants on its line; start NULL: anywhere. */
static pf_plan plan_of(portfolio *s, const double **start)
{
    const double base = 4 + floor(3 * log((double)s->p.n));
    pf_plan plan = {.id = s->n_runs + 1};

    *start = NULL;
    switch ((pf_stage)s->stage) {
    case PF_PROBE:
        plan.kind = PF_AXIS;
        *start = s->p.x0 ? s->p.x0 : best_x(s);
        break;
    case PF_DESCENT:
        plan.kind = PF_LOCAL;
        *start = best_x(s) ? best_x(s) : s->p.x0;
        if (!*start) {
            for (size_t i = 0; i < s->p.n; i++)
                s->u[i] = 0.5;
            *start = s->u;
        }
        break;
    case PF_RESTARTS:
    case PF_TURN_LOCAL:
        plan.kind = PF_LOCAL;
        *start = far_start(s);
        break;
    case PF_MODEL:
        plan.kind = PF_GLOBAL;
        plan.sigma = s->was_slow ? SLOW_SIGMA : s->o.sigma;
        *start = best_x(s);
        break;
    case PF_TURN_GLOBAL:
        plan.kind = PF_GLOBAL;
        plan.sigma = sigma_of_turns(s);
        plan.popsize = (uint64_t)fmin(10000, base * pow(2, (double)(s->n_global < 10 ? s->n_global + 1 : 10)));
        break;
    case PF_STAGES:
        break;
    }
    return plan;
}

/* What others paid for teaches the model, worst first; points of a stencil, all but equal, teach it nothing. */
static zo_status prefill(portfolio *s, pf_member *m, zo_error *err)
{
    const size_t k = pf_archive_order(&s->archive, s->n_order, 1e-5, s->order);
    zo_status rc = ZO_OK;

    for (size_t i = k; i-- > 0 && rc != ZO_ENOMEM;) {
        const uint32_t at = s->order[i];
        const zo_told t = {.number = at,
                           .outcome = ZO_TOLD_COMPLETE,
                           .has_values = true,
                           .feasible = true,
                           .x = pf_archive_x(&s->archive, at),
                           .f = &s->archive.f[at]};
        rc = pf_member_tell(m, &t, false, err);
    }
    return rc == ZO_ENOMEM ? rc : ZO_OK;
}

/* The descent that was begun early goes on as the stage's own, unless a better start has turned up. */
static void adopt_early(portfolio *s)
{
    pf_member *early = &s->lines[PF_EARLY_LINE];

    if (!early->run)
        return;
    if (early->best <= best_f(s)) {
        const pf_member local = s->lines[PF_LOCAL_LINE];
        s->lines[PF_LOCAL_LINE] = *early;
        *early = local;
    }
    pf_member_end(early);
}

static void next_stage(portfolio *s)
{
    const uint32_t from = s->stage;

    s->stage = stage_after(s);
    if (from == PF_PROBE)
        adopt_early(s);
}

static zo_status start_run(portfolio *s, pf_member *m, const pf_plan *plan, const double *start, bool *ok,
                           zo_error *err)
{
    zo_status rc = pf_member_start(m, plan, start, ok, err);

    if (rc == ZO_OK && *ok && plan->kind == PF_GLOBAL && s->o.prefill && start && (rc = prefill(s, m, err)) != ZO_OK)
        pf_member_end(m);
    if (rc != ZO_OK || !*ok)
        return rc;
    s->n_runs++;
    s->n_global += s->stage == PF_TURN_GLOBAL && plan->kind == PF_GLOBAL;
    s->records[plan->kind].runs++;
    return ZO_OK;
}

static void end_run(portfolio *s, pf_member *m, const char *why)
{
    pf_record *r = &s->records[m->plan.kind];

    if (m->plan.kind == PF_LOCAL && isfinite(m->best))
        memcpy(s->ends + s->n_ends++ % PF_ENDS * s->p.n, m->x_best, s->p.n * sizeof *s->ends);
    if (m->plan.kind == PF_LOCAL) {
        s->was_slow = pf_member_is_slow(m);
        s->was_idle = m->best >= m->first_best;
    }

    memset(r->last_end, 0, sizeof r->last_end);
    snprintf((char *)r->last_end, sizeof r->last_end, "%s", why ? why : "ended");
    pf_member_end(m);
}

/* May the run on the stage's line go on? Ends it if not. */
static void check_limits(portfolio *s, pf_member *m)
{
    const uint64_t budget = s->p.budget_trials, n = s->p.n;

    if (!m->run)
        return;
    if (s->stage == PF_PROBE && budget > 0 && s->n_told >= budget * 4 / 5 && s->n_told > 2 * n + 3)
        end_run(s, m, "most of the budget is used");
    else if (s->stage == PF_DESCENT && m->n_evals > 150 * n && m->n_evals > budget / 2)
        end_run(s, m, "long enough");
    else if (s->stage == PF_DESCENT && pf_member_is_slow(m))
        end_run(s, m, "slow");
    else if (s->stage == PF_DESCENT && m->n_evals > m->last_gain_at + 20 * (n + 1))
        end_run(s, m, "no gain");
}

/* The line of the stage, with a run; stages that no core serves are passed over. */
static zo_status ensure_primary(portfolio *s, pf_member **out, zo_error *err)
{
    zo_status rc = ZO_OK;

    for (size_t tries = 0; tries < 2 * PF_STAGES; tries++) {
        pf_member *m = &s->lines[primary_line(s)];
        const double *start;
        bool ok;
        const bool was_live = m->run != NULL;
        check_limits(s, m);
        if (was_live && !m->run)
            next_stage(s);
        m = &s->lines[primary_line(s)];
        *out = m;
        if (m->run)
            return ZO_OK;
        const pf_plan plan = plan_of(s, &start);
        if ((rc = start_run(s, m, &plan, start, &ok, err)) != ZO_OK || ok)
            return rc;
        next_stage(s);
    }
    *out = NULL;
    return ZO_OK;
}

/* While the probe is out, the descent that may follow it. */
static zo_status ensure_early(portfolio *s, pf_member **out, zo_error *err)
{
    pf_member *m = &s->lines[PF_EARLY_LINE];
    const pf_plan plan = {.kind = PF_LOCAL, .id = s->n_runs + 1};
    zo_status rc = ZO_OK;
    bool ok;

    if (s->stage == PF_PROBE && !m->run && s->archive.n_valued > s->p.n && s->n_told <= 3 * s->p.n + 16)
        rc = start_run(s, m, &plan, best_x(s), &ok, err);
    *out = rc == ZO_OK && m->run ? m : NULL;
    return rc;
}

/* The other line, for slots that would be idle. */
static zo_status ensure_other(portfolio *s, pf_member **out, zo_error *err)
{
    const bool local = primary_line(s) == PF_LOCAL_LINE;
    pf_member *m = &s->lines[local ? PF_GLOBAL_LINE : PF_LOCAL_LINE];
    pf_plan plan = {.kind = local ? PF_GLOBAL : PF_LOCAL, .id = s->n_runs + 1, .sigma = s->o.sigma};
    bool ok;

    *out = NULL;
    if (!m->run && s->archive.n_valued > s->p.n) {
        const zo_status rc = start_run(s, m, &plan, local ? best_x(s) : NULL, &ok, err);
        if (rc != ZO_OK)
            return rc;
    }
    if (m->run)
        *out = m;
    return ZO_OK;
}

/* ---- ask ---- */

/* The point as it will be told back: what the space makes of it. */
static void settle(portfolio *s, double *x)
{
    for (size_t i = 0; i < s->p.n; i++)
        x[i] = isnan(x[i]) ? 0.5 : zo_clip(x[i], 0, 1);
    if (!s->p.space)
        return;
    zo_space_from_unit(s->p.space, x, s->v);
    zo_space_to_unit(s->p.space, s->v, x);
}

/* The archive knows x: the core has its answer. */
static zo_status answer(portfolio *s, pf_member *m, const zo_proposal *p, size_t at, zo_error *err)
{
    const double f = s->archive.f[at];
    const bool valued = isfinite(f);
    const zo_told t = {.number = m->n_pulled - 1,
                       .outcome = valued ? ZO_TOLD_COMPLETE : ZO_TOLD_FAILED,
                       .own = true,
                       .has_values = valued,
                       .feasible = true,
                       .x = p->x,
                       .memo = p->memo,
                       .f = &f};

    s->n_hits++;
    s->records[m->plan.kind].hits++;
    return pf_member_tell(m, &t, false, err);
}

enum pull { PULLED, PULL_WAITS, PULL_ENDS, PULL_AGAIN };

/* One point of a member's run into p. */
static zo_status pull(portfolio *s, pf_member *m, zo_proposal *p, enum pull *what, zo_error *err)
{
    struct memo *memo = p->memo;
    zo_proposal q = *p;
    zo_status rc;

    q.memo = memo->rest;
    memset(memo->rest, 0, portfolio_memo_bytes(&s->p) - sizeof *memo);
    if ((rc = pf_member_ask(m, &q, err)) != ZO_OK)
        return rc;
    if (q.verdict != ZO_ASK_OK) {
        *what = q.verdict == ZO_ASK_WAIT ? PULL_WAITS : PULL_ENDS;
        if (*what == PULL_ENDS)
            end_run(s, m, q.why);
        return ZO_OK;
    }
    settle(s, q.x);
    const size_t at = pf_archive_find(&s->archive, q.x);
    if (at != ARCHIVE_NONE) {
        *what = PULL_AGAIN;
        return answer(s, m, &q, at, err);
    }
    *what = PULLED;
    *memo = (struct memo){.by = BY_RUN, .id = m->plan.id, .number = m->n_pulled - 1};
    p->core = q.core ? q.core : zo_solver_run_def(m->run)->name;
    p->why = q.why;
    p->predicted = q.predicted;
    pf_pending_add(&s->pending, p->x, memo, p->number, m->plan.id, s->n_told, false);
    return ZO_OK;
}

/* A point that the run of m waits for and whose worker seems lost goes out once more. */
static bool give_again(portfolio *s, const pf_member *m, zo_proposal *p)
{
    pf_pending *q = &s->pending;
    const size_t i = pf_pending_overdue(q, m->plan.id, s->n_told);

    if (i == PENDING_NONE)
        return false;
    memcpy(p->x, q->x + i * s->p.n, s->p.n * sizeof *p->x);
    memcpy(p->memo, q->memo + i * q->memo_words, q->memo_words * sizeof *q->memo);
    q->again[i] = 1;
    q->n_fresh--;
    pf_pending_add(q, p->x, p->memo, p->number, m->plan.id, s->n_told, true);
    p->core = zo_solver_run_def(m->run)->name;
    p->why = "its first worker seems lost";
    return true;
}

static void fill(portfolio *s, zo_rng *rng, zo_proposal *p)
{
    struct memo *memo = p->memo;

    for (size_t i = 0; i < s->p.n; i++)
        p->x[i] = zo_rng_uniform(rng);
    settle(s, p->x);
    *memo = (struct memo){.by = BY_FILL};
    p->core = "random";
    p->why = "others wait for answers";
}

static bool ask_again_for_noise(portfolio *s, zo_proposal *p)
{
    struct memo *memo = p->memo;

    if (s->repeat != REPEAT_WANTED || s->archive.n_valued == 0 || s->archive.n_dropped > 0)
        return false;
    size_t first = 0;
    while (!isfinite(s->archive.f[first]))
        first++;
    memcpy(p->x, pf_archive_x(&s->archive, first), s->p.n * sizeof *p->x);
    s->repeat_first = s->archive.f[first];
    s->repeat = REPEAT_OUT;
    *memo = (struct memo){.by = BY_REPEAT};
    p->core = "auto";
    p->why = "is there noise?";
    return true;
}

/* Points of m's run, or of the run that follows it on the line that ensure keeps, until one is new. */
typedef zo_status ensure_line(portfolio *s, pf_member **out, zo_error *err);

static zo_status ask_line(portfolio *s, ensure_line *ensure, zo_proposal *p, enum pull *what, pf_member **m,
                          zo_error *err)
{
    zo_status rc;

    for (*what = PULL_AGAIN; *what == PULL_AGAIN || *what == PULL_ENDS;) {
        *m = NULL;
        if (s->n_hits >= MAX_HITS || (rc = ensure(s, m, err)) != ZO_OK || !*m)
            return s->n_hits >= MAX_HITS ? ZO_OK : rc;
        const bool primary = *m == &s->lines[primary_line(s)];
        if ((rc = pull(s, *m, p, what, err)) != ZO_OK)
            return rc;
        if (*what == PULL_ENDS && primary)
            next_stage(s);
    }
    return ZO_OK;
}

zo_status portfolio_ask(portfolio *s, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    static ensure_line *const lines[] = {ensure_primary, ensure_early, ensure_other};
    zo_status rc;

    if ((rc = pf_pending_reserve(&s->pending, err)) != ZO_OK)
        return rc;
    if (ask_again_for_noise(s, p))
        return ZO_OK;
    for (size_t k = 0; k < ZO_LEN(lines); k++) {
        enum pull what = PULL_AGAIN;
        pf_member *m = NULL;
        if ((rc = ask_line(s, lines[k], p, &what, &m, err)) != ZO_OK)
            return rc;
        if (what == PULLED || (what == PULL_WAITS && give_again(s, m, p))) {
            s->n_hits = 0;
            return ZO_OK;
        }
    }
    fill(s, rng, p);
    s->n_hits = 0;
    return ZO_OK;
}

/* ---- tell ---- */

static void hear_repeat(portfolio *s, const zo_told *t)
{
    const size_t at = pf_archive_find(&s->archive, t->x);

    if (t->outcome == ZO_TOLD_ABANDONED) {
        s->repeat = REPEAT_WANTED;
        return;
    }
    s->repeat = REPEAT_KNOWN;
    if (!zo_told_is_valued(t) || at == ARCHIVE_NONE)
        return;
    s->repeat_second = t->f[0];
    s->noisy = fabs(t->f[0] - s->repeat_first) > 1e-12 * fmax(fabs(t->f[0]), fabs(s->repeat_first));
}

/* What the study gains by an evaluation is the core's that asked for it. */
static void record(portfolio *s, uint32_t kind, const zo_told *t)
{
    pf_record *r = &s->records[kind];

    r->evals++;
    if (!zo_told_is_valued(t))
        return;
    r->best = fmin(r->best, t->f[0]);
    if (t->f[0] < best_f(s)) {
        r->records++;
        r->gain += isfinite(best_f(s)) ? best_f(s) - t->f[0] : 0;
    }
}

static pf_member *find_run(portfolio *s, uint64_t id)
{
    for (size_t k = 0; k < PF_LINES; k++)
        if (s->lines[k].run && s->lines[k].plan.id == id)
            return &s->lines[k];
    return NULL;
}

static zo_status hear_own(portfolio *s, const zo_told *t, zo_error *err)
{
    const struct memo *memo = t->memo;
    pf_member *m;
    zo_status rc;

    if (memo->by == BY_REPEAT)
        hear_repeat(s, t);
    if (memo->by != BY_RUN || !(m = find_run(s, memo->id)))
        return ZO_OK;
    zo_told own = *t;
    own.number = memo->number;
    own.memo = memo->rest;
    if ((rc = pf_member_tell(m, &own, true, err)) == ZO_ENOMEM)
        return rc;
    if (t->outcome != ZO_TOLD_ABANDONED)
        record(s, m->plan.kind, t);
    return ZO_OK;
}

/* A better point from outside is news for the run of the stage. */
static zo_status hear_foreign(portfolio *s, const zo_told *t, zo_error *err)
{
    pf_member *m = &s->lines[primary_line(s)];

    if (!m->run || !zo_told_is_valued(t) || !(t->f[0] < best_f(s)))
        return ZO_OK;
    return pf_member_tell(m, t, true, err) == ZO_ENOMEM ? ZO_ENOMEM : ZO_OK;
}

zo_status portfolio_tell(portfolio *s, const zo_told *t, zo_error *err)
{
    zo_status rc;

    if ((rc = pf_archive_reserve(&s->archive, err)) != ZO_OK ||
        (rc = t->own ? hear_own(s, t, err) : hear_foreign(s, t, err)) != ZO_OK)
        return rc;
    if (t->own)
        pf_pending_remove(&s->pending, t->number);
    if (t->outcome == ZO_TOLD_ABANDONED)
        return ZO_OK;
    s->n_told++;
    if (zo_told_is_valued(t) && s->n_told <= 2 * s->p.n + 1) {
        s->low = fmin(s->low, t->f[0]);
        s->high = fmax(s->high, t->f[0]);
    }
    pf_archive_add(&s->archive, t->x, zo_told_is_valued(t) ? t->f[0] : INFINITY);
    return ZO_OK;
}

/* ---- snapshot ---- */

void portfolio_visit(portfolio *s, zo_visit *v)
{
    const char *outer = v->prefix;
    char prefix[64];
    uint64_t counts[] = {s->n_told, s->n_runs, s->n_global, s->n_hits, s->n_ends};
    double values[] = {s->repeat_first, s->repeat_second, s->low, s->high};
    uint32_t flags[] = {s->noisy, s->was_slow, s->was_idle};

    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    zo_visit_f64(v, "values", values, ZO_LEN(values));
    zo_visit_u32(v, "stage", &s->stage, 1);
    zo_visit_require(v, "stage", s->stage < PF_STAGES);
    zo_visit_u32(v, "repeat", &s->repeat, 1);
    zo_visit_require(v, "repeat", s->repeat <= REPEAT_OFF);
    zo_visit_u32(v, "flags", flags, ZO_LEN(flags));
    s->n_told = counts[0];
    s->n_runs = counts[1];
    s->n_global = counts[2];
    s->n_hits = counts[3];
    s->n_ends = counts[4];
    s->repeat_first = values[0];
    s->repeat_second = values[1];
    s->low = values[2];
    s->high = values[3];
    s->noisy = flags[0] != 0;
    s->was_slow = flags[1] != 0;
    s->was_idle = flags[2] != 0;
    zo_visit_f64_within(v, "ends", s->ends, PF_ENDS * s->p.n, 0, 1);
    pf_archive_visit(&s->archive, v);
    pf_pending_visit(&s->pending, v);
    for (size_t k = 1; k < PF_KINDS; k++) {
        pf_record *r = &s->records[k];
        uint64_t n[] = {r->runs, r->evals, r->hits, r->records};
        double x[] = {r->best, r->gain};
        snprintf(prefix, sizeof prefix, "%srecord%zu.", outer ? outer : "", k);
        v->prefix = prefix;
        zo_visit_u64(v, "counts", n, ZO_LEN(n));
        zo_visit_f64(v, "values", x, ZO_LEN(x));
        zo_visit_u8(v, "last_end", r->last_end, sizeof r->last_end);
        r->runs = n[0];
        r->evals = n[1];
        r->hits = n[2];
        r->records = n[3];
        r->best = x[0];
        r->gain = x[1];
        r->last_end[sizeof r->last_end - 1] = 0;
    }
    for (size_t k = 0; k < PF_LINES; k++) {
        snprintf(prefix, sizeof prefix, "%sline%zu.", outer ? outer : "", k);
        v->prefix = prefix;
        pf_member_visit(&s->lines[k], v);
    }
    v->prefix = outer;
}
