/* See member.h. */
#include "portfolio/member.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { LARGE = 100 }; /* dimensions from which a low-rank covariance pays */
enum { WINDOW = 12, MARKS = 4 };
static const double SHRINKS = 0.8; /* a quick run gains less than this share of the last window's gain */

static const zo_solver *first_that_accepts(const zo_problem *p, const char *const *names, size_t n_names)
{
    for (size_t i = 0; i < n_names; i++) {
        const zo_solver *s = zo_solver_find(names[i]);
        if (s && zo_solver_accepts(s, p, NULL) == ZO_OK)
            return s;
    }
    return NULL;
}

const zo_solver *pf_core_of(const zo_problem *p, uint32_t kind)
{
    static const char *const axis[] = {"axis-search"}, *const local[] = {"quasi-newton"};
    static const char *const global[] = {"lq-cma-es", "cma-es"}, *const large[] = {"vkd-cma-es", "cma-es"};

    switch ((pf_kind)kind) {
    case PF_AXIS:
        return first_that_accepts(p, axis, ZO_LEN(axis));
    case PF_LOCAL:
        return first_that_accepts(p, local, ZO_LEN(local));
    case PF_GLOBAL:
        return p->n > LARGE ? first_that_accepts(p, large, ZO_LEN(large))
                            : first_that_accepts(p, global, ZO_LEN(global));
    case PF_NONE:
    case PF_KINDS:
        break;
    }
    return NULL;
}

zo_status pf_member_init(pf_member *m, const zo_problem *outer, zo_error *err)
{
    m->outer = outer;
    m->start = zo_calloc(outer->n + 1, sizeof *m->start);
    m->x_best = zo_calloc(outer->n + 1, sizeof *m->x_best);
    return m->start && m->x_best ? ZO_OK : zo_fail_nomem(err);
}

void pf_member_fini(pf_member *m)
{
    zo_solver_run_free(m->run);
    zo_free(m->start);
    zo_free(m->x_best);
}

void pf_member_end(pf_member *m)
{
    zo_solver_run_free(m->run);
    m->run = NULL;
    m->plan.kind = PF_NONE;
}

static size_t options_of(const pf_plan *plan, zo_named *out)
{
    size_t n = 0;

    if (plan->kind == PF_LOCAL) {
        out[n++] = (zo_named){"max_runs", {.kind = ZO_NUMBER, .integral = true, .number = 1}};
        out[n++] = (zo_named){"start", {.kind = ZO_STRING, .string = plan->has_start ? "auto" : "random"}};
    } else if (plan->kind == PF_GLOBAL) {
        out[n++] = (zo_named){"sigma0", {.kind = ZO_NUMBER, .number = plan->sigma}};
        out[n++] = (zo_named){"restarts", {.kind = ZO_STRING, .string = "none"}};
        if (plan->popsize > 0)
            out[n++] = (zo_named){"popsize", {.kind = ZO_NUMBER, .integral = true, .number = (double)plan->popsize}};
    }
    return n;
}

zo_status pf_member_start(pf_member *m, const pf_plan *plan, const double *start, bool *ok, zo_error *err)
{
    const zo_solver *core = pf_core_of(m->outer, plan->kind);
    zo_error refusal = {0};
    zo_solver_run *run = NULL;
    zo_named options[4];
    zo_status rc;

    *ok = false;
    if (!core)
        return ZO_OK;
    pf_member_end(m);
    m->plan = *plan;
    m->plan.has_start = start != NULL;
    if (start && start != m->start)
        memcpy(m->start, start, m->outer->n * sizeof *start);
    zo_rng stream = zo_rng_make(m->outer->seed, ZO_PURPOSE_INIT, plan->id);
    m->problem = *m->outer;
    m->problem.seed = zo_rng_u64(&stream) >> 11;
    m->problem.x0 = start ? m->start : NULL;
    rc = zo_solver_run_new(core, &m->problem, options, options_of(&m->plan, options), &run, &refusal);
    if (rc != ZO_OK) {
        m->plan.kind = PF_NONE;
        return rc == ZO_ENOMEM ? zo_fail_nomem(err) : ZO_OK;
    }
    m->run = run;
    m->n_pulled = m->n_evals = m->n_hits = m->last_gain_at = 0;
    m->best = m->first_best = INFINITY;
    for (size_t k = 0; k < MARKS; k++)
        m->marks[k] = INFINITY;
    *ok = true;
    return ZO_OK;
}

zo_status pf_member_ask(pf_member *m, zo_proposal *p, zo_error *err)
{
    const uint64_t number = p->number;
    zo_status rc;

    p->number = m->n_pulled;
    rc = zo_solver_run_ask(m->run, p, err);
    p->number = number;
    if (rc == ZO_OK && p->verdict == ZO_ASK_OK)
        m->n_pulled++;
    return rc;
}

static void mark(pf_member *m)
{
    if (m->n_evals % (WINDOW * (m->outer->n + 1)) != 0)
        return;
    memmove(m->marks + 1, m->marks, (MARKS - 1) * sizeof *m->marks);
    m->marks[0] = m->best;
}

bool pf_member_is_slow(const pf_member *m)
{
    const double *b = m->marks;

    return isfinite(b[3]) && b[1] - b[0] > SHRINKS * (b[2] - b[1]) && b[2] - b[1] > SHRINKS * (b[3] - b[2]);
}

zo_status pf_member_tell(pf_member *m, const zo_told *t, bool paid, zo_error *err)
{
    const zo_status rc = zo_solver_run_tell(m->run, t, err);

    if (rc == ZO_ENOMEM || !t->own || t->outcome == ZO_TOLD_ABANDONED)
        return rc;
    m->n_evals += paid;
    m->n_hits += !paid;
    if (t->has_values && t->f[0] < m->best) {
        m->best = t->f[0];
        memcpy(m->x_best, t->x, m->outer->n * sizeof *t->x);
        m->last_gain_at = m->n_evals;
        if (isinf(m->first_best))
            m->first_best = m->best;
    }
    if (paid)
        mark(m);
    return rc;
}

void pf_member_visit(pf_member *m, zo_visit *v)
{
    const char *outer = v->prefix;
    pf_plan plan = m->plan;
    uint32_t has_start = plan.has_start;
    char prefix[96];

    zo_visit_u32(v, "kind", &plan.kind, 1);
    zo_visit_u64(v, "id", &plan.id, 1);
    zo_visit_u64(v, "popsize", &plan.popsize, 1);
    zo_visit_f64(v, "sigma", &plan.sigma, 1);
    zo_visit_u32(v, "has_start", &has_start, 1);
    zo_visit_f64_within(v, "start", m->start, m->outer->n, 0, 1);
    zo_visit_f64_within(v, "x_best", m->x_best, m->outer->n, 0, 1);
    zo_visit_require(v, "kind", plan.kind < PF_KINDS);
    plan.has_start = has_start != 0;
    if (v->loading && v->status == ZO_OK && plan.kind == PF_NONE)
        m->plan = plan;
    if (v->loading && v->status == ZO_OK && plan.kind != PF_NONE) {
        bool ok;
        v->status = pf_member_start(m, &plan, has_start ? m->start : NULL, &ok, v->err);
        zo_visit_require(v, "kind", ok);
    }
    uint64_t counts[] = {m->n_pulled, m->n_evals, m->n_hits, m->last_gain_at};
    double values[] = {m->best, m->first_best, m->marks[0], m->marks[1], m->marks[2], m->marks[3]};
    zo_visit_u64(v, "counts", counts, ZO_LEN(counts));
    zo_visit_f64(v, "values", values, ZO_LEN(values));
    m->n_pulled = counts[0];
    m->n_evals = counts[1];
    m->n_hits = counts[2];
    m->last_gain_at = counts[3];
    m->best = values[0];
    m->first_best = values[1];
    memcpy(m->marks, values + 2, sizeof m->marks);
    if (v->status != ZO_OK || !m->run)
        return;
    uint64_t version = zo_solver_run_def(m->run)->version;
    zo_visit_u64(v, "version", &version, 1);
    if (v->status == ZO_OK && version != zo_solver_run_def(m->run)->version)
        v->status = zo_fail(v->err, ZO_ECONFLICT, "", "saved state: of another version of '%s'",
                            zo_solver_run_def(m->run)->name);
    snprintf(prefix, sizeof prefix, "%srun.", outer ? outer : "");
    v->prefix = prefix;
    if (v->status == ZO_OK)
        zo_solver_run_snapshot(m->run, v);
    v->prefix = outer;
}
