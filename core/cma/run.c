/* Runs of CMA-ES: set-up, sampling, what a closed generation does, restarts.
 * Bounds: up to REDRAWS samples are tried for one inside; the last is clipped for evaluation, while the update keeps
 * the sample itself, at a price in the ranking (bounds.h). So the mean can press against a bound and the samples hit it
 * exactly. The same rule serves points that linear constraints moved. */
#include "cma/run.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

enum { REDRAWS = 3, REDRAW_DIMS = 50, GROWTH = 64 };
enum { MAX_ENTRIES = 1 << 22 }; /* of a generation's coordinates */

const char *const zo_cma_restart_rules[] = {"auto", "ipop", "bipop", "none", NULL};

size_t zo_cma_memo_bytes(const zo_problem *p)
{
    return sizeof(cma_memo) + p->n * sizeof(double);
}

/* ---- set-up ---- */

/* The population of the next generation of this run: at least as many as ran at once, so that they are not all stale.
 */
static size_t wanted_lambda(const cma_run *s)
{
    const uint64_t most = s->peak < s->lambda_cap ? s->peak : s->lambda_cap;
    const size_t least = s->config.adapts_population ? zo_cma_psa_lambda(&s->psa) : s->run_lambda;

    return s->config.popsize || most <= least ? least : (size_t)most;
}

static void set_directions(cma_run *s)
{
    if (s->gauss.shape == CMA_LOW_RANK && s->gauss.n > 0)
        zo_cma_params_directions(&s->params, s->gauss.n, s->gauss.low.k);
}

static void set_lambda(cma_run *s, size_t lambda)
{
    s->params.w = s->gen.nominal;
    zo_cma_params_set(&s->params, s->gauss.n > 0 ? s->gauss.n : 1, lambda, s->gauss.shape, s->config.active);
    set_directions(s);
}

static zo_status grow(cma_run *s, size_t lambda, zo_error *err)
{
    zo_status rc = zo_cma_gauss_reserve(&s->gauss, lambda / 2, err);

    if (rc == ZO_OK && s->config.lagrangian)
        rc = zo_cma_lagrangian_reserve(&s->lagrangian, lambda, err);
    return rc != ZO_OK ? rc : zo_cma_generation_reserve(&s->gen, lambda, err);
}

zo_status zo_cma_run_reserve(cma_run *s, zo_error *err)
{
    const size_t wanted = wanted_lambda(s), cap = s->gen.cap;
    const size_t adapted = s->config.adapts_population ? zo_cma_psa_next_most(&s->psa) : wanted;
    const size_t large = zo_cma_large(&s->restarts), most = wanted > adapted ? wanted : adapted;
    const zo_status rc = grow(s, large > most ? large : most, err);

    if (rc == ZO_OK && s->gen.cap != cap)
        set_lambda(s, s->params.lambda);
    return rc;
}

void zo_cma_run_start(cma_run *s, size_t lambda, double sigma)
{
    s->run_lambda = lambda;
    s->run_evals = 0;
    zo_cma_gauss_start(&s->gauss, sigma);
    zo_cma_levels_start(&s->levels);
    zo_cma_choices_start(&s->choices);
    zo_cma_generation_clear(&s->gen);
    zo_cma_draws_start(&s->draws);
    if (s->config.adapts_population)
        zo_cma_psa_start(&s->psa, lambda, s->lambda_cap);
    if (s->config.lagrangian)
        zo_cma_lagrangian_start(&s->lagrangian);
    set_lambda(s, wanted_lambda(s));
    zo_cma_stops_start(&s->stops, lambda, s->gauss.m);
    zo_cma_bounds_start(&s->bounds, s->gauss.n, lambda);
}

void zo_cma_run_random_mean(cma_run *s, zo_rng *rng)
{
    for (size_t j = 0; j < s->gauss.n; j++)
        s->gauss.m[j] = 0.1 + 0.8 * zo_rng_uniform(rng);
}

/* Populations: by the dimension, at least what runs at once; growing as far as memory goes and the budget has 50
 * generations. */
static zo_status plan(cma_run *s, size_t n, zo_error *err)
{
    const uint64_t budget = s->p->budget_trials, room = MAX_ENTRIES / (n + 1);
    const size_t usual = zo_cma_population(n), busy = s->p->parallelism < room ? s->p->parallelism : (size_t)room;
    const size_t base = s->config.popsize > 0 ? (size_t)s->config.popsize : usual > busy ? usual : busy;

    if (base > room)
        return zo_fail(err, ZO_EINVAL, "/popsize", "option 'popsize' is %zu; %zu dimensions allow %d", base, n,
                       (int)room);
    const size_t growth = s->config.growth > 0 ? (size_t)s->config.growth : GROWTH;
    s->lambda_cap = growth * base < room ? growth * base : (size_t)room;
    s->restarts.base = base;
    s->restarts.most = budget > 0 && budget / 50 < s->lambda_cap ? (size_t)(budget / 50) : s->lambda_cap;
    s->restarts.most = s->restarts.most > base ? s->restarts.most : base;
    s->restarts.alternate =
        s->config.restarts == CMA_RESTARTS_BIPOP ||
        (s->config.restarts == CMA_RESTARTS_AUTO && budget > 0 && budget >= 1000 * (uint64_t)s->p->n);
    return ZO_OK;
}

zo_status zo_cma_run_init(cma_run *s, const zo_problem *p, const cma_config *config, zo_rng *rng, zo_error *err)
{
    zo_status rc;

    s->p = p;
    s->config = *config;
    if (config->popsize > 0 && config->popsize < 4)
        return zo_fail(err, ZO_EINVAL, "/popsize", "option 'popsize' is %d; it must be 0 or at least 4",
                       (int)config->popsize);
    if ((rc = zo_cma_dims_init(&s->dims, p, err)) != ZO_OK)
        return rc;
    const size_t n = s->dims.n_gauss, n_choices = s->dims.n_choices;
    s->gen = (cma_generation){.n = n, .ld = zo_mat_ld(n), .n_choices = n_choices, .n_g = p->n_constraints};
    s->chosen = zo_calloc(n_choices + 1, sizeof *s->chosen);
    if (!s->chosen)
        return zo_fail_nomem(err);
    if ((rc = plan(s, n + n_choices, err)) != ZO_OK ||
        (rc = zo_cma_gauss_init(&s->gauss, n, config->shape, err)) != ZO_OK ||
        (rc = zo_cma_dims_discrete(&s->dims, &s->levels, &s->choices, err)) != ZO_OK ||
        (rc = zo_cma_bounds_init(&s->bounds, s->dims.is_real, n, err)) != ZO_OK ||
        (rc = zo_cma_stops_init(&s->stops, n, 4, err)) != ZO_OK ||
        (rc = zo_cma_draws_init(&s->draws, config->draws, n, err)) != ZO_OK ||
        (config->adapts_population && (rc = zo_cma_psa_init(&s->psa, n, err)) != ZO_OK) ||
        (config->lagrangian && (rc = zo_cma_lagrangian_init(&s->lagrangian, n, p->n_constraints, err)) != ZO_OK) ||
        (rc = grow(s, zo_cma_large(&s->restarts), err)) != ZO_OK)
        return rc;
    s->gauss.new_paths = config->adapts_population;
    s->gen.paired = config->draws == CMA_DRAW_MIRRORED;
    s->best = INFINITY;
    zo_cma_run_random_mean(s, rng);
    if (p->x0 != NULL)
        zo_cma_dims_mean(&s->dims, p->x0, s->gauss.m);
    zo_cma_run_start(s, s->restarts.base, config->sigma0);
    return ZO_OK;
}

void zo_cma_run_fini(cma_run *s)
{
    zo_cma_dims_fini(&s->dims);
    zo_free(s->chosen);
    zo_cma_gauss_fini(&s->gauss);
    zo_cma_draws_fini(&s->draws);
    zo_cma_psa_fini(&s->psa);
    zo_cma_lagrangian_fini(&s->lagrangian);
    zo_cma_levels_fini(&s->levels);
    zo_cma_choices_fini(&s->choices);
    zo_cma_generation_fini(&s->gen);
    zo_cma_bounds_fini(&s->bounds);
    zo_cma_stops_fini(&s->stops);
}

/* ---- samples ---- */

void zo_cma_run_sample(cma_run *s, zo_rng *rng, cma_memo *memo, double *x)
{
    const int redraws = s->gauss.n <= REDRAW_DIMS ? REDRAWS : 0;

    for (int k = 0; k <= redraws; k++) {
        if (k == 0) {
            zo_cma_draws_next(&s->draws, rng, s->params.lambda, s->gauss.z);
            zo_cma_gauss_color(&s->gauss, memo->v);
        } else {
            zo_cma_gauss_sample(&s->gauss, rng, memo->v);
        }
        if (zo_cma_is_inside(&s->bounds, memo->v, s->gauss.n))
            break;
    }
    zo_cma_choices_sample(&s->choices, rng, s->chosen);
    zo_cma_dims_write(&s->dims, memo->v, s->chosen, x);
    memo->run = s->restarts.n;
    memo->generation = s->gauss.g;
}

bool zo_cma_run_owns(const cma_run *s, const cma_memo *memo)
{
    if (memo->run != s->restarts.n)
        return false;
    for (size_t j = 0; j < s->gauss.n; j++)
        if (!(fabs(memo->v[j]) <= CMA_FARTHEST))
            return false;
    return true;
}

static void fill(cma_run *s, size_t slot, cma_point p, const double *x, const double *g, const cma_memo *memo)
{
    cma_generation *q = &s->gen;

    p.foreign = memo == NULL;
    p.stale = memo != NULL && memo->generation != s->gauss.g;
    zo_cma_dims_read(&s->dims, x, memo ? memo->v : NULL, q->v + slot * q->ld, q->chosen + slot * q->n_choices, &p);
    q->points[slot] = p;
    for (size_t i = 0; i < q->n_g; i++)
        q->g[slot * q->n_g + i] = p.worth == CMA_FAILED ? 0 : g[i]; /* not what another point left here: states are
                                                                      compared */
}

void zo_cma_run_add(cma_run *s, const cma_point *p, const double *x, const double *g, const cma_memo *memo)
{
    fill(s, zo_cma_generation_add(&s->gen), *p, x, g, memo);
}

bool zo_cma_run_inject(cma_run *s, const cma_point *p, const double *x, const double *g)
{
    const size_t slot = zo_cma_generation_inject(&s->gen, p, g, s->params.lambda / 2);

    if (slot == SIZE_MAX)
        return false;
    fill(s, slot, *p, x, g, NULL);
    return true;
}

/* ---- restarts ---- */

/* The next run draws from a stream of its own, so that it does not matter which trial closed the last one. */
void zo_cma_run_restart(cma_run *s)
{
    const uint64_t left = s->p->budget_trials > s->n_told ? s->p->budget_trials - s->n_told : 0;
    const bool spare = s->p->budget_trials == 0 || left >= 300 + 30 * (uint64_t)s->p->n;
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->restarts.n + 1);
    size_t lambda;
    const double factor = zo_cma_restart(&s->restarts, &rng, s->run_lambda, s->run_evals, spare, &lambda);

    zo_cma_run_random_mean(s, &rng);
    zo_cma_run_start(s, lambda, fmax(1e-6, s->config.sigma0 * factor));
}

/* ---- a generation closes ---- */

/* Rank the generation; returns how many of its points have a value. */
static size_t rank(cma_run *s)
{
    cma_generation *q = &s->gen;
    size_t n_valued = 0;

    if (s->config.lagrangian)
        zo_cma_lagrangian_merit(&s->lagrangian, q);
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
    if (s->config.lagrangian)
        zo_cma_lagrangian_follow(&s->lagrangian, q);
    return n_valued;
}

static void learn(cma_run *s)
{
    cma_gauss *g = &s->gauss;

    zo_cma_choices_update(&s->choices, s->gen.best_chosen, s->params.w, s->params.mu);
    if (g->n == 0) {
        g->g++;
        return;
    }
    zo_cma_levels_center(&s->levels, g, s->gen.best, s->params.mu);
    zo_cma_generation_steps(&s->gen, g, &s->params);
    if (s->config.adapts_population)
        zo_cma_psa_begin(&s->psa, g);
    zo_cma_gauss_update(g, &s->params, &s->gen.Y, &s->gen.U, s->gen.w, s->gen.scratch);
    if (s->config.adapts_population)
        zo_cma_psa_end(&s->psa, g, &s->params);
    set_directions(s);
    zo_cma_gauss_limit(g, 1.0 / 3); /* of the box: more does not help */
    zo_cma_gauss_decompose(g, &s->params);
    if (s->levels.n > 0) {
        zo_cma_gauss_keep(g, 1e-15); /* A is divided by it */
        zo_cma_levels_margin(&s->levels, g);
    }
}

/* Most of the generation failed: too little to learn from. The mean goes to those that have a value, if any; otherwise
 * nearer to the mean may be better. */
static void flee(cma_run *s, size_t n_valued)
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

static cma_stop judge(cma_run *s)
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
    if (s->config.lagrangian) /* few points are feasible, and values change with the multipliers */
        return stop == CMA_STOP_TOLFUN || stop == CMA_STOP_TOLFUNHIST || stop == CMA_STOP_FLAT ? CMA_GO_ON : stop;
    if (s->stops.n_flat == 1)
        s->gauss.sigma *= 1.5;
    return stop;
}

/* Another population for the next generation. */
static void change_lambda(cma_run *s)
{
    const size_t lambda = wanted_lambda(s);

    if (lambda == s->params.lambda)
        return;
    const double before = s->config.adapts_population ? zo_cma_psa_step(&s->params, s->gauss.n) : 1;
    set_lambda(s, lambda);
    if (s->config.adapts_population && s->gauss.n > 0)
        s->gauss.sigma *= zo_cma_psa_step(&s->params, s->gauss.n) / before;
}

bool zo_cma_run_close(cma_run *s)
{
    const cma_stop stop = judge(s);

    zo_cma_generation_clear(&s->gen);
    if (stop != CMA_GO_ON) {
        s->last_stop = stop;
        s->done = s->config.restarts == CMA_RESTARTS_NONE;
    }
    const bool over = stop != CMA_GO_ON || (s->restarts.budget > 0 && s->run_evals >= s->restarts.budget);
    if (over && !s->done)
        zo_cma_run_restart(s);
    else if (!s->done)
        change_lambda(s);
    s->peak = s->pending;
    return over && !s->done;
}

/* ---- what it is doing; saving it ---- */

static zo_status fact(zo_bundle *facts, zo_error *err, const char *key, const char *format, double x)
{
    char text[40];

    snprintf(text, sizeof text, format, x);
    return zo_bundle_set_meta(facts, key, text, err);
}

zo_status zo_cma_run_describe(const cma_run *s, zo_bundle *facts, zo_error *err)
{
    zo_status rc;

    if ((rc = fact(facts, err, "restarts", "%.0f", (double)s->restarts.n)) != ZO_OK ||
        (rc = fact(facts, err, "generation", "%.0f", (double)s->gauss.g)) != ZO_OK ||
        (rc = fact(facts, err, "population", "%.0f", (double)s->params.lambda)) != ZO_OK ||
        (rc = fact(facts, err, "sigma", "%.6g", s->gauss.sigma)) != ZO_OK)
        return rc;
    if (s->last_stop != CMA_GO_ON)
        rc = zo_bundle_set_meta(facts, "last_stop", zo_cma_stop_name((cma_stop)s->last_stop), err);
    return rc;
}

static void visit_counts(cma_run *s, zo_visit *v)
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
static void visit_sizes(cma_run *s, zo_visit *v)
{
    const size_t most = s->lambda_cap;
    size_t lambda = s->params.lambda;

    zo_visit_count(v, "lambda", &lambda, most);
    zo_visit_count(v, "run_lambda", &s->run_lambda, most);
    if (!v->loading || v->status != ZO_OK)
        return;
    zo_visit_require(v, "lambda", lambda >= 4 && s->run_lambda >= 4);
    if (v->status == ZO_OK)
        v->status = grow(s, lambda, v->err);
    if (v->status != ZO_OK)
        return;
    set_lambda(s, lambda);
    zo_cma_stops_start(&s->stops, s->run_lambda, s->gauss.m);
    zo_cma_bounds_start(&s->bounds, s->gauss.n, s->run_lambda);
    if (s->config.adapts_population)
        zo_cma_psa_start(&s->psa, s->run_lambda, s->lambda_cap);
}

void zo_cma_run_visit(cma_run *s, zo_visit *v)
{
    visit_sizes(s, v);
    visit_counts(s, v);
    zo_visit_f64_within(v, "best", &s->best, 1, -DBL_MAX, INFINITY);
    zo_cma_bounds_visit(&s->bounds, v);
    zo_cma_restarts_visit(&s->restarts, v);
    zo_cma_gauss_visit(&s->gauss, v);
    zo_cma_draws_visit(&s->draws, v);
    if (s->config.adapts_population)
        zo_cma_psa_visit(&s->psa, v);
    if (s->config.lagrangian)
        zo_cma_lagrangian_visit(&s->lagrangian, v);
    set_directions(s);
    zo_cma_levels_visit(&s->levels, v);
    zo_cma_choices_visit(&s->choices, v);
    zo_cma_generation_visit(&s->gen, s->params.lambda, v);
    zo_cma_stops_visit(&s->stops, v);
    zo_visit_require(v, "chosen", zo_cma_choices_valid(&s->choices, s->gen.chosen, s->gen.size));
}
