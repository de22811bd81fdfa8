/* Auto: one of the other solvers, chosen by what the problem asks for, with the reason.
 * The choice is a function of the problem alone: init makes it again after a restart, it never changes within a study.
 * Oracle: value, steps or gradient.  Space: any.  Batch and cost: the chosen core's.
 * Rule, the first that holds: nothing to search; several objectives (no core steers by more than one); no more points
 * than trials; fewer trials than two generations; else cma-es. A core that refuses the problem passes it on to sobol,
 * that one to random.
 * Measured: the best value of cma-es over that of sobol, medians of 101 runs on a sphere, an ellipsoid and a rippled
 * sphere, real, half integer and half categorical (4 or 20 choices), in 2, 5 and 10 dimensions: 0.7 to 1.3 after 10
 * trials; 0.4 to 1.06 after 20, but 1.3 with one category of 20 choices; below 0.65 everywhere after 100. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "zeroth/solver.h"

enum { MAX_CANDIDATES = 3, ROUNDS = 2, NAME_BYTES = 32 };

struct candidate {
    const char *core, *reason;
};
struct auto_ {
    zo_solver_run *run;
    const char *reason;
};

static struct candidate preferred(const zo_problem *p)
{
    const double budget = p->budget_trials > 0 ? (double)p->budget_trials : INFINITY;
    const double generation = fmax(4 + 3 * log(fmax((double)p->n, 1)), p->parallelism);

    if (p->n == 0)
        return (struct candidate){"random", "there is nothing to search"};
    if (p->n_objectives > 1)
        return (struct candidate){"sobol",
                                  "several objectives: no core here steers by them, so the space is covered evenly"};
    if (p->budget_trials > 0 && p->space != NULL && zo_space_cardinality(p->space) <= p->budget_trials)
        return (struct candidate){"sobol",
                                  "the space has no more points than the budget has trials: it is covered evenly"};
    if (budget < ROUNDS * generation)
        return (struct candidate){"sobol",
                                  "too few trials, one after another, to learn from: the space is covered evenly"};
    return (struct candidate){"cma-es", "one objective and enough trials to learn the shape of the problem"};
}

static void candidates(const zo_problem *p, struct candidate list[MAX_CANDIDATES])
{
    list[0] = preferred(p);
    list[1] = (struct candidate){"sobol", "cma-es does not take this problem: the space is covered evenly"};
    list[2] = (struct candidate){"random", "more dimensions than Sobol's sequence has"};
}

static zo_status auto_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct auto_ *s = self;
    struct candidate list[MAX_CANDIDATES];
    zo_error refusal = {0}; /* one that was passed over is not the caller's */
    zo_status rc = ZO_EUNSUPPORTED;

    (void)opts;
    (void)rng;
    candidates(p, list);
    for (size_t i = 0; i < MAX_CANDIDATES && rc == ZO_EUNSUPPORTED; i++) {
        const zo_solver *core = zo_solver_find(list[i].core);
        if (core != NULL)
            rc = zo_solver_run_new(core, p, NULL, 0, &s->run, &refusal);
        s->reason = list[i].reason;
    }
    if (rc != ZO_OK && err != NULL)
        *err = refusal;
    return rc;
}

/* The most that any core which may be chosen needs. */
static size_t auto_memo_bytes(const zo_problem *p)
{
    struct candidate list[MAX_CANDIDATES];
    size_t most = 0;

    candidates(p, list);
    for (size_t i = 0; i < MAX_CANDIDATES; i++) {
        const zo_solver *core = zo_solver_find(list[i].core);
        if (core == NULL || core->memo_bytes == NULL || zo_solver_accepts(core, p, NULL) != ZO_OK)
            continue;
        const size_t bytes = core->memo_bytes(p);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static zo_status auto_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct auto_ *s = self;
    const zo_status rc = zo_solver_run_ask(s->run, p, err);

    (void)rng; /* the core is given the same one */
    if (rc == ZO_OK && p->core == NULL)
        p->core = zo_solver_run_def(s->run)->name;
    return rc;
}

static zo_status auto_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    (void)rng;
    return zo_solver_run_tell(((struct auto_ *)self)->run, t, err);
}

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

    visit_core(zo_solver_run_def(s->run), v);
    snprintf(prefix, sizeof prefix, "%score.", outer != NULL ? outer : "");
    v->prefix = prefix;
    zo_solver_run_snapshot(s->run, v);
    v->prefix = outer;
}

static zo_status auto_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct auto_ *s = self;
    zo_status rc;

    if ((rc = zo_bundle_set_meta(facts, "running", zo_solver_run_def(s->run)->name, err)) != ZO_OK ||
        (rc = zo_bundle_set_meta(facts, "reason", s->reason, err)) != ZO_OK)
        return rc;
    return zo_solver_run_describe(s->run, facts, err);
}

static void auto_fini(void *self)
{
    zo_solver_run_free(((struct auto_ *)self)->run);
}

const zo_solver zo_solver_auto = {
    .name = "auto",
    .version = 1,
    .summary = "chooses one of the others for the problem, and says which and why",
    .reference = "the rule is in core/solvers/auto.c",
    .complexity = "that of the solver that runs",
    .advice = "always, unless you know better",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_OBJECTIVES | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .state_bytes = sizeof(struct auto_),
    .memo_bytes = auto_memo_bytes,
    .init = auto_init,
    .ask = auto_ask,
    .tell = auto_tell,
    .snapshot = auto_snapshot,
    .describe = auto_describe,
    .fini = auto_fini,
};
