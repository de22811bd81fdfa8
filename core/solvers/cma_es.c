/* CMA-ES: a Gaussian whose mean, step size and covariance follow the ranking of its samples, with active update,
 * restarts with growing populations, and integers and categories of their own (levels.h, choices.h).
 * Oracle: value or steps (a trial's last value).  Space: any.  Batch: any; a generation closes at its lambda-th result,
 * whenever and by whatever distribution its points were drawn.  Cost: O(n^2) an ask, O(n^3 / lambda) a tell; with a
 * diagonal covariance O(n).
 * Bounds: up to REDRAWS samples are tried for one inside; the last is clipped for evaluation, while the update keeps
 * the sample itself, at a price in the ranking (bounds.h). So the mean can press against a bound and the samples hit it
 * exactly. The same rule serves points that linear constraints moved.
 * Outside points take part like samples, but shortened to a plausible length, and never with a negative weight.
 * Outcome constraints: the feasible before the others, those by their violation; points without a value last.
 * Sources: "The CMA Evolution Strategy: A Tutorial", Hansen, arXiv:1604.00772; "Injecting External Solutions Into
 *          CMA-ES", Hansen, arXiv:1110.4181; those of restarts, levels, choices and bounds are in their files. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cma/bounds.h"
#include "cma/dims.h"
#include "cma/restarts.h"
#include "cma/stops.h"
#include "zeroth/solver.h"

enum { REDRAWS = 3, REDRAW_DIMS = 50, FULL_DIMS = 300, FULL_DIMS_MAX = 2000, GROWTH = 64, MAX_POPSIZE = 10000 };
enum { MAX_ENTRIES = 1 << 22 }; /* of a generation's coordinates */

typedef enum { COVARIANCE_AUTO, COVARIANCE_FULL, COVARIANCE_DIAGONAL } covariance;
typedef enum { RESTARTS_AUTO, RESTARTS_IPOP, RESTARTS_BIPOP, RESTARTS_NONE } restarts;
static const char *const covariances[] = {"auto", "full", "diagonal", NULL};
static const char *const restart_rules[] = {"auto", "ipop", "bipop", "none", NULL};

struct cma_opts {
    uint32_t covariance, restarts;
    double sigma0;
    uint64_t popsize;
    bool active;
};
static const zo_opt cma_opt_table[] = {
    ZO_OPT_ENUM(struct cma_opts, covariance, COVARIANCE_AUTO, covariances,
                "full matrix, diagonal only, or auto: full up to 300 dimensions"),
    ZO_OPT_F64(struct cma_opts, sigma0, 0.2, 1e-6, 1.0, "initial standard deviation, in widths of the (scaled) box"),
    ZO_OPT_U64(struct cma_opts, popsize, 0, 0, MAX_POPSIZE,
               "population of the first run, at least 4; 0: by the dimension and the trials that run at once"),
    ZO_OPT_ENUM(
        struct cma_opts, restarts, RESTARTS_AUTO, restart_rules,
        "what follows a converged run: ipop doubles the population, bipop alternates large and small ones, none "
        "ends; auto: bipop from 1000 trials a dimension on, else ipop"),
    ZO_OPT_BOOL(struct cma_opts, active, true, "let the worst samples shrink the covariance"),
};

struct memo { /* [8 x (2 + n)] what a trial was drawn from, and its sample before clipping */
    uint64_t run, generation;
    double v[];
};

struct cma {
    const zo_problem *p;
    struct cma_opts o;
    cma_dims dims;
    size_t run_lambda; /* population that this run began with */
    size_t lambda_cap; /* of any */
    cma_params params;
    cma_gauss gauss;
    cma_levels levels;
    cma_choices choices;
    cma_generation gen;
    cma_stops stops;
    cma_bounds bounds;
    cma_restarts restarts;
    uint32_t *chosen; /* [n choices] scratch of ask */
    uint64_t run_evals, n_told;
    uint64_t pending, peak;     /* own trials out now; the most since the last close */
    uint64_t n_asked, n_before; /* own asks; outside values before the first of them */
    uint64_t last_stop, done;
    double best; /* of all feasible values */
};

/* ---- set-up ---- */

static size_t memo_bytes(const zo_problem *p)
{
    return sizeof(struct memo) + p->n * sizeof(double);
}

/* The population of the next generation of this run: at least as many as ran at once, so that they are not all stale.
 */
static size_t wanted_lambda(const struct cma *s)
{
    const uint64_t most = s->peak < s->lambda_cap ? s->peak : s->lambda_cap;

    return s->o.popsize || most <= s->run_lambda ? s->run_lambda : (size_t)most;
}

static void set_lambda(struct cma *s, size_t lambda)
{
    s->params.w = s->gen.nominal;
    zo_cma_params_set(&s->params, s->gauss.n > 0 ? s->gauss.n : 1, lambda, s->gauss.diagonal, s->o.active);
}

/* Room for whatever population the next close may ask for. */
static zo_status reserve(struct cma *s, zo_error *err)
{
    const size_t large = zo_cma_large(&s->restarts), wanted = wanted_lambda(s), cap = s->gen.cap;
    const zo_status rc = zo_cma_generation_reserve(&s->gen, large > wanted ? large : wanted, err);

    if (rc == ZO_OK && s->gen.cap != cap)
        set_lambda(s, s->params.lambda);
    return rc;
}

static void start_run(struct cma *s, size_t lambda, double sigma)
{
    s->run_lambda = lambda;
    s->run_evals = 0;
    zo_cma_gauss_start(&s->gauss, sigma);
    zo_cma_levels_start(&s->levels);
    zo_cma_choices_start(&s->choices);
    zo_cma_generation_clear(&s->gen);
    set_lambda(s, wanted_lambda(s));
    zo_cma_stops_start(&s->stops, lambda, s->gauss.m);
    zo_cma_bounds_start(&s->bounds, s->gauss.n, lambda);
}

static void random_mean(struct cma *s, zo_rng *rng)
{
    for (size_t j = 0; j < s->gauss.n; j++)
        s->gauss.m[j] = 0.1 + 0.8 * zo_rng_uniform(rng);
}

/* Populations: by the dimension, at least what runs at once; growing as far as memory goes and the budget has 50
 * generations. */
static zo_status plan(struct cma *s, size_t n, zo_error *err)
{
    const uint64_t budget = s->p->budget_trials, room = MAX_ENTRIES / (n + 1);
    const size_t usual = zo_cma_population(n), busy = s->p->parallelism < room ? s->p->parallelism : (size_t)room;
    const size_t base = s->o.popsize > 0 ? (size_t)s->o.popsize : usual > busy ? usual : busy;

    if (base > room)
        return zo_fail(err, ZO_EINVAL, "/popsize", "option 'popsize' is %zu; %zu dimensions allow %d", base, n,
                       (int)room);
    s->lambda_cap = GROWTH * base < room ? GROWTH * base : (size_t)room;
    s->restarts.base = base;
    s->restarts.most = budget > 0 && budget / 50 < s->lambda_cap ? (size_t)(budget / 50) : s->lambda_cap;
    s->restarts.most = s->restarts.most > base ? s->restarts.most : base;
    s->restarts.alternate = s->o.restarts == RESTARTS_BIPOP ||
                            (s->o.restarts == RESTARTS_AUTO && budget > 0 && budget >= 1000 * (uint64_t)s->p->n);
    return ZO_OK;
}

static zo_status cma_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct cma *s = self;
    zo_status rc;

    s->p = p;
    s->o = *(const struct cma_opts *)opts;
    if (s->o.popsize > 0 && s->o.popsize < 4)
        return zo_fail(err, ZO_EINVAL, "/popsize", "option 'popsize' is %d; it must be 0 or at least 4",
                       (int)s->o.popsize);
    if ((rc = zo_cma_dims_init(&s->dims, p, err)) != ZO_OK)
        return rc;
    const size_t n = s->dims.n_gauss, n_choices = s->dims.n_choices;
    if (s->o.covariance == COVARIANCE_FULL && n > FULL_DIMS_MAX)
        return zo_fail(err, ZO_EINVAL, "/covariance", "a full covariance is limited to %d dimensions",
                       (int)FULL_DIMS_MAX);
    const bool diagonal =
        s->o.covariance == COVARIANCE_DIAGONAL || (s->o.covariance == COVARIANCE_AUTO && n > FULL_DIMS);
    s->gen = (cma_generation){.n = n, .ld = zo_mat_ld(n), .n_choices = n_choices, .n_g = p->n_constraints};
    s->chosen = zo_calloc(n_choices + 1, sizeof *s->chosen);
    if (!s->chosen)
        return zo_fail_nomem(err);
    if ((rc = plan(s, n + n_choices, err)) != ZO_OK || (rc = zo_cma_gauss_init(&s->gauss, n, diagonal, err)) != ZO_OK ||
        (rc = zo_cma_dims_discrete(&s->dims, &s->levels, &s->choices, err)) != ZO_OK ||
        (rc = zo_cma_bounds_init(&s->bounds, s->dims.is_real, n, err)) != ZO_OK ||
        (rc = zo_cma_stops_init(&s->stops, n, 4, err)) != ZO_OK ||
        (rc = zo_cma_generation_reserve(&s->gen, zo_cma_large(&s->restarts), err)) != ZO_OK)
        return rc;
    s->best = INFINITY;
    random_mean(s, rng);
    if (p->x0 != NULL)
        zo_cma_dims_mean(&s->dims, p->x0, s->gauss.m);
    start_run(s, s->restarts.base, s->o.sigma0);
    return ZO_OK;
}

static void cma_fini(void *self)
{
    struct cma *s = self;

    zo_cma_dims_fini(&s->dims);
    zo_free(s->chosen);
    zo_cma_gauss_fini(&s->gauss);
    zo_cma_levels_fini(&s->levels);
    zo_cma_choices_fini(&s->choices);
    zo_cma_generation_fini(&s->gen);
    zo_cma_bounds_fini(&s->bounds);
    zo_cma_stops_fini(&s->stops);
}

/* ---- ask ---- */

/* Mean and step size of what others evaluated before our first ask, if it is enough to tell. */
static void warm_start(struct cma *s)
{
    const size_t tenth = (size_t)((s->n_before + 9) / 10);
    size_t k = tenth > 3 ? tenth : 3;
    double total = 0, square = 0;

    if (s->n_before < 2 * s->p->n || s->gen.size < 3)
        return;
    k = k < s->gen.size ? k : s->gen.size;
    zo_cma_generation_rank(&s->gen, &s->gauss, 0);
    memset(s->gauss.m, 0, s->gauss.n * sizeof *s->gauss.m);
    for (size_t r = 0; r < k; r++) {
        s->gen.w[r] = log((double)k + 0.5) - log((double)r + 1);
        total += s->gen.w[r];
    }
    for (size_t r = 0; r < k; r++)
        for (size_t j = 0; j < s->gauss.n; j++)
            s->gauss.m[j] += s->gen.w[r] / total * s->gen.best[r][j];
    for (size_t r = 0; r < k; r++)
        for (size_t j = 0; j < s->gauss.n; j++)
            square += pow(s->gen.best[r][j] - s->gauss.m[j], 2);
    const double spread = s->gauss.n > 0 ? sqrt(square / (double)(k * s->gauss.n)) : s->o.sigma0;
    for (size_t r = 0; r < k; r++)
        s->gen.w[r] /= total;
    start_run(s, s->restarts.base, fmin(s->o.sigma0, fmax(0.02, spread)));
    zo_cma_choices_update(&s->choices, s->gen.best_chosen, s->gen.w, k);
}

static zo_status cma_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct cma *s = self;
    struct memo *memo = p->memo;

    (void)err;
    if (s->done) {
        p->verdict = ZO_ASK_DONE;
        return ZO_OK;
    }
    if (s->n_asked == 0)
        warm_start(s);
    const int redraws = s->gauss.n <= REDRAW_DIMS ? REDRAWS : 0;
    for (int k = 0; k <= redraws; k++) {
        zo_cma_gauss_sample(&s->gauss, rng, memo->v);
        if (zo_cma_is_inside(&s->bounds, memo->v, s->gauss.n))
            break;
    }
    zo_cma_choices_sample(&s->choices, rng, s->chosen);
    zo_cma_dims_write(&s->dims, memo->v, s->chosen, p->x);
    memo->run = s->restarts.n;
    memo->generation = s->gauss.g;
    s->n_asked++;
    s->pending++;
    if (s->pending > s->peak)
        s->peak = s->pending;
    p->core = "cma-es";
    return ZO_OK;
}

/* ---- restarts ---- */

/* The next run draws from a stream of its own, so that it does not matter which trial closed the last one. */
static void restart(struct cma *s)
{
    const uint64_t left = s->p->budget_trials > s->n_told ? s->p->budget_trials - s->n_told : 0;
    const bool spare = s->p->budget_trials == 0 || left >= 300 + 30 * (uint64_t)s->p->n;
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->restarts.n + 1);
    size_t lambda;
    const double factor = zo_cma_restart(&s->restarts, &rng, s->run_lambda, s->run_evals, spare, &lambda);

    random_mean(s, &rng);
    start_run(s, lambda, fmax(1e-6, s->o.sigma0 * factor));
}

/* ---- a generation closes ---- */

/* Rank the generation; returns how many of its points have a value. */
static size_t rank(struct cma *s)
{
    cma_generation *q = &s->gen;
    size_t n_valued = 0;

    zo_cma_generation_rank(q, &s->gauss, 0);
    q->n_f = 0;
    for (size_t r = 0; r < q->size; r++) {
        n_valued += q->ranks[r].worth != CMA_FAILED;
        if (q->ranks[r].worth == CMA_FEASIBLE)
            q->f[q->n_f++] = q->ranks[r].key;
    }
    const double cost = zo_cma_bounds_penalty(&s->bounds, q, &s->gauss, s->params.lambda);
    if (cost > 0)
        zo_cma_generation_rank(q, &s->gauss, cost);
    return n_valued;
}

static void learn(struct cma *s)
{
    cma_gauss *g = &s->gauss;

    zo_cma_choices_update(&s->choices, s->gen.best_chosen, s->params.w, s->params.mu);
    if (g->n == 0) {
        g->g++;
        return;
    }
    zo_cma_levels_center(&s->levels, g, s->gen.best, s->params.mu);
    zo_cma_generation_steps(&s->gen, g, &s->params);
    zo_cma_gauss_update(g, &s->params, &s->gen.Y, &s->gen.U, s->gen.w, s->gen.scratch);
    zo_cma_gauss_limit(g, 1.0 / 3); /* of the box: more does not help */
    zo_cma_gauss_decompose(g, &s->params);
    if (s->levels.n > 0) {
        zo_cma_gauss_keep(g, 1e-15); /* A is divided by it */
        zo_cma_levels_margin(&s->levels, g);
    }
}

/* Most of the generation failed: too little to learn from. The mean goes to those that have a value, if any; otherwise
 * nearer to the mean may be better. */
static void flee(struct cma *s, size_t n_valued)
{
    const size_t n = n_valued < s->params.mu ? n_valued : s->params.mu;
    double total = 0;

    for (size_t r = 0; r < n; r++)
        total += s->params.w[r];
    for (size_t j = 0; j < s->gauss.n; j++) {
        double m = 0;
        for (size_t r = 0; r < n; r++)
            m += s->params.w[r] / total * s->gen.best[r][j];
        s->gauss.m[j] = n > 0 ? m : s->gauss.m[j];
    }
    s->gauss.sigma *= n > 0 ? 1 : 0.8;
    s->gauss.g++;
}

static cma_stop close_generation(struct cma *s)
{
    const size_t n_valued = rank(s);

    if (2 * n_valued < s->params.lambda) {
        flee(s, n_valued);
        return ++s->stops.n_infeasible >= 10 ? CMA_STOP_INFEASIBLE : CMA_GO_ON;
    }
    s->stops.n_infeasible = 0;
    learn(s);
    const cma_stop stop = zo_cma_stops_check(&s->stops, &s->gauss, s->gen.f, s->gen.n_f, s->params.lambda,
                                             s->dims.is_real, s->dims.share);
    if (s->stops.n_flat == 1)
        s->gauss.sigma *= 1.5;
    return stop;
}

static void next_generation(struct cma *s)
{
    const cma_stop stop = close_generation(s);

    zo_cma_generation_clear(&s->gen);
    if (stop != CMA_GO_ON) {
        s->last_stop = stop;
        s->done = s->o.restarts == RESTARTS_NONE;
    }
    if (!s->done && (stop != CMA_GO_ON || (s->restarts.budget > 0 && s->run_evals >= s->restarts.budget)))
        restart(s);
    else if (wanted_lambda(s) != s->params.lambda)
        set_lambda(s, wanted_lambda(s));
    s->peak = s->pending;
}

/* ---- tell ---- */

static cma_worth worth_of(const zo_told *t)
{
    if (!t->has_values || (t->outcome != ZO_TOLD_COMPLETE && t->outcome != ZO_TOLD_STOPPED))
        return CMA_FAILED;
    return t->feasible ? CMA_FEASIBLE : CMA_VIOLATES;
}

/* A memo may come from a saved study, which may be damaged. */
static bool is_sound(const struct memo *memo, size_t n)
{
    for (size_t j = 0; j < n; j++)
        if (!(fabs(memo->v[j]) <= CMA_FARTHEST))
            return false;
    return true;
}

static void fill(struct cma *s, size_t slot, cma_point p, const zo_told *t, const struct memo *memo)
{
    cma_generation *q = &s->gen;

    zo_cma_dims_read(&s->dims, t->x, memo ? memo->v : NULL, q->v + slot * q->ld, q->chosen + slot * q->n_choices, &p);
    q->points[slot] = p;
    double *g = q->g + slot * q->n_g;
    for (size_t i = 0; i < q->n_g; i++)
        g[i] = p.worth == CMA_FAILED ? 0 : t->g[i]; /* not what another point left here: states are compared */
}

/* Where the point takes part: a new place, that of a worse outside point, or nowhere. */
static size_t place_of(struct cma *s, const cma_point *p, const zo_told *t)
{
    const bool late = t->own && p->foreign; /* from a run that is over */

    if (!p->foreign)
        return zo_cma_generation_add(&s->gen);
    if (p->worth == CMA_FAILED || s->done || (late && !(p->worth == CMA_FEASIBLE && p->f < s->best)))
        return SIZE_MAX;
    return zo_cma_generation_inject(&s->gen, p, t->g, s->params.lambda / 2);
}

static zo_status cma_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct cma *s = self;
    const struct memo *memo = t->own ? t->memo : NULL;
    cma_point p = {.number = t->number, .worth = worth_of(t)};
    zo_status rc;

    (void)rng;
    if ((rc = reserve(s, err)) != ZO_OK)
        return rc;
    s->pending -= t->own && s->pending > 0;
    if (t->outcome == ZO_TOLD_ABANDONED)
        return ZO_OK;
    if (memo != NULL && (memo->run != s->restarts.n || !is_sound(memo, s->gauss.n)))
        memo = NULL;
    p.f = p.worth == CMA_FAILED ? 0 : t->f[0];
    p.foreign = memo == NULL;
    p.stale = memo != NULL && memo->generation != s->gauss.g;
    s->n_told += t->own;
    s->run_evals += memo != NULL;
    s->n_before += s->n_asked == 0 && p.worth != CMA_FAILED;
    const size_t slot = place_of(s, &p, t);
    if (p.worth == CMA_FEASIBLE)
        s->best = fmin(s->best, p.f);
    if (slot == SIZE_MAX)
        return ZO_OK;
    fill(s, slot, p, t, memo);
    if (s->gen.size >= s->params.lambda)
        next_generation(s);
    return ZO_OK;
}

/* ---- what it is doing; saving it ---- */

static zo_status fact(zo_bundle *facts, zo_error *err, const char *key, const char *format, double x)
{
    char text[40];

    snprintf(text, sizeof text, format, x);
    return zo_bundle_set_meta(facts, key, text, err);
}

static zo_status cma_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct cma *s = self;
    zo_status rc;

    if ((rc = fact(facts, err, "restarts", "%.0f", (double)s->restarts.n)) != ZO_OK ||
        (rc = fact(facts, err, "generation", "%.0f", (double)s->gauss.g)) != ZO_OK ||
        (rc = fact(facts, err, "population", "%.0f", (double)s->params.lambda)) != ZO_OK ||
        (rc = fact(facts, err, "sigma", "%.6g", s->gauss.sigma)) != ZO_OK ||
        (rc = zo_bundle_set_meta(facts, "covariance", s->gauss.diagonal ? "diagonal" : "full", err)) != ZO_OK)
        return rc;
    if (s->last_stop != CMA_GO_ON)
        rc = zo_bundle_set_meta(facts, "last_stop", zo_cma_stop_name((cma_stop)s->last_stop), err);
    return rc;
}

static void visit_counts(struct cma *s, zo_visit *v)
{
    uint64_t *const fields[] = {&s->run_evals, &s->n_told,   &s->pending,   &s->peak,
                                &s->n_asked,   &s->n_before, &s->last_stop, &s->done};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_u64(v, "counts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
    zo_visit_require(v, "counts",
                     s->pending <= s->peak && s->peak <= s->n_asked && s->last_stop <= CMA_STOP_INFEASIBLE &&
                         s->done <= 1);
}

/* Sizes first: loading needs the room. */
static void visit_sizes(struct cma *s, zo_visit *v)
{
    const size_t most = s->lambda_cap;
    size_t lambda = s->params.lambda;

    zo_visit_count(v, "lambda", &lambda, most);
    zo_visit_count(v, "run_lambda", &s->run_lambda, most);
    if (!v->loading || v->status != ZO_OK)
        return;
    zo_visit_require(v, "lambda", lambda >= 4 && s->run_lambda >= 4);
    if (v->status == ZO_OK)
        v->status = zo_cma_generation_reserve(&s->gen, lambda, v->err);
    if (v->status != ZO_OK)
        return;
    set_lambda(s, lambda);
    zo_cma_stops_start(&s->stops, s->run_lambda, s->gauss.m);
    zo_cma_bounds_start(&s->bounds, s->gauss.n, s->run_lambda);
}

static void cma_snapshot(void *self, zo_visit *v)
{
    struct cma *s = self;

    visit_sizes(s, v);
    visit_counts(s, v);
    zo_visit_f64_within(v, "best", &s->best, 1, -DBL_MAX, INFINITY);
    zo_cma_bounds_visit(&s->bounds, v);
    zo_cma_restarts_visit(&s->restarts, v);
    zo_cma_gauss_visit(&s->gauss, v);
    zo_cma_levels_visit(&s->levels, v);
    zo_cma_choices_visit(&s->choices, v);
    zo_cma_generation_visit(&s->gen, s->params.lambda, v);
    zo_cma_stops_visit(&s->stops, v);
    zo_visit_require(v, "chosen", zo_cma_choices_valid(&s->choices, s->gen.chosen, s->gen.size));
}

const zo_solver zo_solver_cma_es = {
    .name = "cma-es",
    .version = 1,
    .summary =
        "evolution strategy that learns scale and correlation; active, with restarts; integers and categories included",
    .reference = "Hansen, The CMA Evolution Strategy: A Tutorial, arXiv:1604.00772; Hamano et al., CatCMA with Margin, "
                 "arXiv:2504.07884",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = cma_opt_table,
    .n_opts = ZO_LEN(cma_opt_table),
    .opts_bytes = sizeof(struct cma_opts),
    .state_bytes = sizeof(struct cma),
    .memo_bytes = memo_bytes,
    .init = cma_init,
    .ask = cma_ask,
    .tell = cma_tell,
    .snapshot = cma_snapshot,
    .describe = cma_describe,
    .fini = cma_fini,
};
