/* Auto: the portfolio of cores for continuous problems, else one of the other solvers, with the reason.
 * The choice is a function of the problem alone: init makes it again after a restart. One thing may change it later:
 * when the portfolio's second look at its first point gives another value, the study goes over to a core for noisy
 * values, which hears all that was told so far. Space: any.  Oracle: value, steps or gradient.  Batch and cost: the
 * chosen core's. Rule, the first that holds: nothing to search; several objectives (no core steers by more than one);
 * no more points than trials; gradients; outcome constraints on a continuous space; noise; a continuous space: the
 * portfolio (core/portfolio/portfolio.h); fewer trials than two generations; else cma-es. A core that refuses the
 * problem passes it on to the next of its line, in the end to cma-es, sobol and random. Measured for the last two
 * lines: the best value of cma-es over that of sobol, medians of 101 runs on a sphere, an ellipsoid and a rippled
 * sphere, real, half integer and half categorical (4 or 20 choices), in 2, 5 and 10 dimensions: 0.7 to 1.3 after 10
 * trials; 0.4 to 1.06 after 20, but 1.3 with one category of 20 choices; below 0.65 everywhere after 100. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "portfolio/portfolio.h"

enum { MAX_CANDIDATES = 5, ROUNDS = 2, NAME_BYTES = 32 };

static const zo_opt auto_opt_table[] = {
    ZO_OPT_F64(pf_opts, sigma, 0.3, 1e-6, 1,
               "deviation of the first CMA-ES run around the best point, in widths of the box"),
    ZO_OPT_F64(pf_opts, sigma_turns, 0, 0, 1,
               "deviation of the later CMA-ES runs, in widths of the box; 0: 0.2, from 8 dimensions on 0.5"),
    ZO_OPT_F64(pf_opts, restarts_until, 10, 0, 10000,
               "quasi-Newton restarts come before CMA-ES up to this many trials a dimension"),
    ZO_OPT_F64(pf_opts, restarts_until_low, 0, 0, 10000, "the same, up to three dimensions"),
    ZO_OPT_BOOL(pf_opts, axis, true, "begin with a probe for separability, and with line searches where it succeeds"),
    ZO_OPT_BOOL(pf_opts, prefill, true, "teach the model of the first CMA-ES run what others evaluated"),
};

struct candidate {
    const char *core, *reason;
};
struct auto_ {
    const zo_problem *p;
    bool uses_portfolio;
    portfolio portfolio;
    zo_solver_run *run; /* the one core; with a portfolio only once noise was seen */
    zo_problem noisy;   /* the problem that it is given then */
    const char *reason;
};
struct memo {
    uint64_t alone; /* proposed by the one core, not by the portfolio */
    uint64_t rest[];
};

/* ---- the rule ---- */

static bool is_continuous(const zo_problem *p)
{
    for (size_t i = 0; i < p->n; i++)
        if (p->dims[i].kind != ZO_DIM_REAL || p->dims[i].conditional)
            return false;
    return p->n > 0 && !(p->space && zo_space_has_linear(p->space));
}

static bool wants_portfolio(const zo_problem *p)
{
    return is_continuous(p) && p->n_objectives == 1 && p->n_constraints == 0 && p->oracle == ZO_ORACLE_VALUE &&
           p->noise != ZO_NOISE_EXPECTED;
}

static size_t first_choices(const zo_problem *p, struct candidate *list)
{
    const double budget = p->budget_trials > 0 ? (double)p->budget_trials : INFINITY, n = (double)p->n;
    const double generation = fmax(4 + 3 * log(fmax(n, 1)), p->parallelism);
    size_t k = 0;

    if (p->n == 0) {
        list[k++] = (struct candidate){"random", "there is nothing to search"};
    } else if (p->n_objectives > 1) {
        list[k++] = (struct candidate){
            "sobol", "several objectives: no core here steers by them, so the space is covered evenly"};
    } else if (p->budget_trials > 0 && p->space && zo_space_cardinality(p->space) <= p->budget_trials) {
        list[k++] = (struct candidate){"sobol",
                                       "the space has no more points than the budget has trials: it is covered evenly"};
    } else if (p->oracle == ZO_ORACLE_GRADIENT) {
        list[k++] = p->n_constraints > 0
                        ? (struct candidate){"sqp", "outcome constraints with true gradients: quadratic programs"}
                        : (struct candidate){"quasi-newton", "true gradients make a quasi-Newton method the fastest"};
    } else if (p->n_constraints > 0 && is_continuous(p) && p->noise != ZO_NOISE_EXPECTED && budget <= 1000 * n) {
        list[k++] = (struct candidate){"sqp", "outcome constraints: quadratic programs on differences"};
        list[k++] = (struct candidate){"cobyla", "outcome constraints: linear models of all values"};
    } else if (p->n_constraints > 0 && is_continuous(p)) {
        list[k++] =
            (struct candidate){"al-cma-es", "outcome constraints with noise or many trials: an augmented Lagrangian"};
    } else if (p->noise == ZO_NOISE_EXPECTED && is_continuous(p)) {
        list[k++] = (struct candidate){"psa-cma-es", "noisy values: the population grows as far as they need it"};
    } else if (budget < ROUNDS * generation) {
        list[k++] = (struct candidate){"sobol",
                                       "too few trials, one after another, to learn from: the space is covered evenly"};
    }
    return k;
}

static size_t candidates(const zo_problem *p, struct candidate list[MAX_CANDIDATES])
{
    size_t k = first_choices(p, list);

    if (k == 0 || k > 1 || p->n_constraints > 0 || p->noise == ZO_NOISE_EXPECTED || p->oracle == ZO_ORACLE_GRADIENT)
        list[k++] = (struct candidate){"cma-es", "one objective and enough trials to learn the shape of the problem"};
    if (k < MAX_CANDIDATES)
        list[k++] = (struct candidate){"sobol", "no core here learns from this problem: the space is covered evenly"};
    if (k < MAX_CANDIDATES)
        list[k++] = (struct candidate){"random", "more dimensions than Sobol's sequence has"};
    return k;
}

static zo_status start_alone(struct auto_ *s, const zo_problem *p, zo_error *err)
{
    struct candidate list[MAX_CANDIDATES];
    const size_t n = candidates(p, list);
    zo_error refusal = {0}; /* one that was passed over is not the caller's */
    zo_status rc = ZO_EUNSUPPORTED;

    for (size_t i = 0; i < n && rc == ZO_EUNSUPPORTED; i++) {
        const zo_solver *core = zo_solver_find(list[i].core);
        if (core != NULL)
            rc = zo_solver_run_new(core, p, NULL, 0, &s->run, &refusal);
        s->reason = list[i].reason;
    }
    if (rc != ZO_OK && err != NULL)
        *err = refusal;
    return rc;
}

static zo_problem as_noisy(const zo_problem *p)
{
    zo_problem noisy = *p;

    noisy.noise = ZO_NOISE_EXPECTED;
    return noisy;
}

static zo_status auto_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct auto_ *s = self;

    (void)rng;
    s->p = p;
    s->noisy = as_noisy(p);
    s->uses_portfolio = wants_portfolio(p);
    return s->uses_portfolio ? portfolio_init(&s->portfolio, p, opts, err) : start_alone(s, p, err);
}

static void auto_fini(void *self)
{
    struct auto_ *s = self;

    if (s->uses_portfolio)
        portfolio_fini(&s->portfolio);
    zo_solver_run_free(s->run);
}

/* The most that any core which may be chosen needs. */
static size_t most_memo(const zo_problem *p)
{
    struct candidate list[MAX_CANDIDATES];
    const size_t n = candidates(p, list);
    size_t most = 0;

    for (size_t i = 0; i < n; i++) {
        const zo_solver *core = zo_solver_find(list[i].core);
        if (core == NULL || core->memo_bytes == NULL || zo_solver_accepts(core, p, NULL) != ZO_OK)
            continue;
        const size_t bytes = core->memo_bytes(p);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static size_t auto_memo_bytes(const zo_problem *p)
{
    const zo_problem noisy = as_noisy(p);
    const size_t alone = most_memo(wants_portfolio(p) ? &noisy : p);
    const size_t together = wants_portfolio(p) ? portfolio_memo_bytes(p) : 0;

    return sizeof(struct memo) + (alone > together ? alone : together);
}

/* ---- ask and tell ---- */

/* Noise was seen: all that is known goes to a core that bears it. */
static zo_status go_over(struct auto_ *s, zo_error *err)
{
    const pf_archive *a = &s->portfolio.archive;
    zo_status rc = start_alone(s, &s->noisy, err);

    for (size_t i = 0; i < a->size && rc == ZO_OK; i++) {
        const bool valued = isfinite(a->f[i]);
        const zo_told t = {.number = i,
                           .outcome = valued ? ZO_TOLD_COMPLETE : ZO_TOLD_FAILED,
                           .has_values = valued,
                           .feasible = true,
                           .x = pf_archive_x(a, i),
                           .f = &a->f[i]};
        rc = zo_solver_run_tell(s->run, &t, err);
    }
    if (rc != ZO_OK) {
        zo_solver_run_free(s->run);
        s->run = NULL;
    }
    return rc;
}

static zo_status auto_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct auto_ *s = self;
    struct memo *memo = p->memo;
    zo_proposal q = *p;
    zo_status rc;

    q.memo = memo->rest;
    if (!s->run && s->portfolio.noisy && (rc = go_over(s, err)) != ZO_OK)
        return rc;
    rc = s->run ? zo_solver_run_ask(s->run, &q, err) : portfolio_ask(&s->portfolio, rng, &q, err);
    if (rc != ZO_OK)
        return rc;
    memo->alone = s->run != NULL;
    if (s->run && q.core == NULL)
        q.core = zo_solver_run_def(s->run)->name;
    q.memo = p->memo;
    *p = q;
    return ZO_OK;
}

static zo_status auto_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct auto_ *s = self;
    const struct memo *memo = t->memo;
    zo_told inner = *t;

    (void)rng;
    inner.own = t->own && (memo->alone != 0) == (s->run != NULL);
    inner.memo = inner.own ? memo->rest : NULL;
    return s->run ? zo_solver_run_tell(s->run, &inner, err) : portfolio_tell(&s->portfolio, &inner, err);
}

/* ---- snapshot, description ---- */

/* The saved state is of the core that init has chosen: same name, same version. */
static void visit_core(const zo_solver *core, zo_visit *v)
{
    uint8_t name[NAME_BYTES] = {0}, saved[NAME_BYTES];
    uint64_t version = core->version;

    snprintf((char *)name, sizeof name, "%s", core->name);
    memcpy(saved, name, sizeof saved);
    zo_visit_u8(v, "core", saved, sizeof saved);
    zo_visit_u64(v, "core_version", &version, 1);
    if (v->status == ZO_OK && (memcmp(saved, name, sizeof name) != 0 || version != core->version))
        v->status = zo_fail(v->err, ZO_ECONFLICT, "", "saved state: not of '%s' version %u", core->name, core->version);
}

static void auto_snapshot(void *self, zo_visit *v)
{
    struct auto_ *s = self;
    const char *outer = v->prefix;
    char prefix[NAME_BYTES * 2];
    uint32_t alone = s->run != NULL;

    zo_visit_u32(v, "alone", &alone, 1);
    if (v->loading && v->status == ZO_OK && alone && !s->run)
        v->status = start_alone(s, &s->noisy, v->err);
    zo_visit_require(v, "alone", (alone != 0) == (s->run != NULL));
    if (v->status != ZO_OK)
        return;
    snprintf(prefix, sizeof prefix, "%score.", outer != NULL ? outer : "");
    if (s->run) {
        visit_core(zo_solver_run_def(s->run), v);
        v->prefix = prefix;
        zo_solver_run_snapshot(s->run, v);
    } else {
        v->prefix = prefix;
        portfolio_visit(&s->portfolio, v);
    }
    v->prefix = outer;
}

static zo_status auto_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct auto_ *s = self;
    zo_status rc;

    if (!s->run)
        return portfolio_describe(&s->portfolio, facts, err);
    if ((rc = zo_bundle_set_meta(facts, "running", zo_solver_run_def(s->run)->name, err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(facts, "reason", s->reason, err)) != ZO_OK)
        return rc;
    return zo_solver_run_describe(s->run, facts, err);
}

const zo_solver zo_solver_auto = {
    .name = "auto",
    .version = 3,
    .summary =
        "a portfolio of cores over one archive for continuous problems, else the solver that suits; says which and why",
    .reference = "the schedule is in core/portfolio/portfolio.h, the rule in core/solvers/auto.c",
    .complexity = "that of the core that runs; memory O(n) a trial, at most 8 MiB",
    .advice = "always, unless you know better",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_OBJECTIVES | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = auto_opt_table,
    .n_opts = ZO_LEN(auto_opt_table),
    .opts_bytes = sizeof(pf_opts),
    .state_bytes = sizeof(struct auto_),
    .memo_bytes = auto_memo_bytes,
    .init = auto_init,
    .ask = auto_ask,
    .tell = auto_tell,
    .snapshot = auto_snapshot,
    .describe = auto_describe,
    .fini = auto_fini,
};
