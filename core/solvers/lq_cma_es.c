/* lq-CMA-ES: CMA-ES whose generations are judged by a global quadratic model as far as that can be trusted.
 * A generation's candidates are evaluated in the order of their model values, one at first, until the model ranks the
 * newest evaluations as they turned out to be (Kendall's tau) or all are evaluated. In the first case the distribution
 * learns from the model's values of all candidates. The model's stationary point is a candidate of each generation.
 * Oracle: value.  Space: floats, linear constraints.  Batch: any; further asks hand out the next best candidates, then
 * more samples.  Cost: O(n^6) an evaluation with the full model (0.1 ms at n = 10, 2 ms at n = 20), O(n^3) with the
 * diagonal one; beyond MODEL_DIMS it is plain CMA-ES.
 * Sources: "A Global Surrogate Assisted CMA-ES", Hansen, GECCO 2019, doi:10.1145/3321707.3321842; those of the
 *          evolution strategy are in core/cma. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "cma/lead.h"
#include "quadratic/model.h"
#include "quadratic/pool.h"

enum { MODEL_DIMS = 200, FULL_DIMS = 300, MOST_ROWS = 1000, EXTRA = 4 };
static const double TRUSTED = 0.85, FIRST_SHARE = 0.02, FIRST_ROWS = 4;

typedef enum { RESTARTS_AUTO, RESTARTS_IPOP, RESTARTS_NONE } restarts;
typedef enum { MODEL_AUTO, MODEL_DIAGONAL, MODEL_LINEAR } model_kind;
static const char *const restart_rules[] = {"auto", "ipop", "none", NULL};
static const char *const model_kinds[] = {"auto", "diagonal", "linear", NULL};
static const char *const kind_names[] = {"linear", "diagonal", "full"};

struct lq_opts {
    double sigma0;
    uint64_t popsize, full_max_n;
    uint32_t restarts, model;
    bool prefill;
};
static const zo_opt lq_opt_table[] = {
    ZO_OPT_F64(struct lq_opts, sigma0, 0.2, 1e-6, 1.0, "initial standard deviation, in widths of the (scaled) box"),
    ZO_OPT_U64(struct lq_opts, popsize, 0, 0, CMA_MAX_POPSIZE,
               "population of the first run, at least 4; 0: by the dimension and the trials that run at once"),
    ZO_OPT_ENUM(struct lq_opts, restarts, RESTARTS_AUTO, restart_rules,
                "what follows a converged run: ipop doubles the population, none ends; auto: ipop, from 1000 trials a "
                "dimension on in turn with small populations"),
    ZO_OPT_ENUM(struct lq_opts, model, MODEL_AUTO, model_kinds,
                "the richest model: a linear one, one with a diagonal Hessian, or auto: a full one up to full_max_n"),
    ZO_OPT_U64(struct lq_opts, full_max_n, 25, 0, 60, "most dimensions of a full quadratic model"),
    ZO_OPT_BOOL(struct lq_opts, prefill, true, "points told before the first ask are the model's first"),
};

struct memo { /* of a trial: the run, the generation and the candidate */
    uint64_t run, generation, index;
};

struct lq {
    cma_run run;
    struct lq_opts o;
    bool modelled;
    quad_model model;
    quad_pool pool;
    cma_memo *sample;           /* scratch */
    uint64_t wanted, evaluated; /* of the pool: evaluations before the model is asked again; so far */
    uint64_t generation;        /* of all runs */
};

/* ---- set-up ---- */

static size_t memo_bytes(const zo_problem *p)
{
    const size_t of_cma = zo_cma_memo_bytes(p);

    return of_cma > sizeof(struct memo) ? of_cma : sizeof(struct memo);
}

static size_t rows_for(const struct lq *s)
{
    return s->run.params.lambda < MOST_ROWS ? s->run.params.lambda : MOST_ROWS;
}

static quad_kind richest(const struct lq_opts *o, size_t n)
{
    switch ((model_kind)o->model) {
    case MODEL_AUTO:
        break;
    case MODEL_DIAGONAL:
        return QUAD_DIAGONAL;
    case MODEL_LINEAR:
        return QUAD_LINEAR;
    }
    return n <= o->full_max_n ? QUAD_FULL : QUAD_DIAGONAL;
}

static zo_status lq_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct lq *s = self;
    zo_status rc;

    s->o = *(const struct lq_opts *)opts;
    s->modelled = p->n > 0 && p->n <= MODEL_DIMS;
    const cma_config config = {.name = "lq-cma-es",
                               .shape = p->n > FULL_DIMS ? CMA_DIAGONAL : CMA_FULL,
                               .active = true,
                               .sigma0 = s->o.sigma0,
                               .popsize = s->o.popsize,
                               .restarts = s->o.restarts == RESTARTS_NONE   ? CMA_RESTARTS_NONE
                                           : s->o.restarts == RESTARTS_IPOP ? CMA_RESTARTS_IPOP
                                                                            : CMA_RESTARTS_AUTO};
    if ((rc = zo_cma_run_init(&s->run, p, &config, rng, err)) != ZO_OK || !s->modelled)
        return rc;
    s->pool.n = p->n;
    s->sample = zo_calloc(1, zo_cma_memo_bytes(p));
    if (!s->sample)
        return zo_fail_nomem(err);
    if ((rc = zo_quad_pool_reserve(&s->pool, s->run.params.lambda, err)) != ZO_OK ||
        (rc = zo_quad_model_init(&s->model, p->n, richest(&s->o, p->n), err)) != ZO_OK ||
        (rc = zo_quad_model_reserve(&s->model, rows_for(s), err)) != ZO_OK)
        return rc;
    zo_quad_model_keep(&s->model, rows_for(s));
    return ZO_OK;
}

static void lq_fini(void *self)
{
    struct lq *s = self;

    zo_cma_run_fini(&s->run);
    zo_quad_model_fini(&s->model);
    zo_quad_pool_fini(&s->pool);
    zo_free(s->sample);
}

/* ---- a generation opens ---- */

static void put(struct lq *s, bool foreign, const double *v, const double *x)
{
    quad_pool *q = &s->pool;
    const size_t n = q->n, i = q->size++;

    memcpy(q->v + i * n, v, n * sizeof *v);
    memcpy(q->x + i * n, x, n * sizeof *x);
    q->f[i] = 0;
    q->state[i] = QUAD_FREE;
    q->foreign[i] = foreign;
}

static void put_sample(struct lq *s, zo_rng *rng)
{
    double *x = s->pool.x + s->pool.size * s->pool.n;

    zo_cma_run_sample(&s->run, rng, s->sample, x);
    put(s, false, s->sample->v, x);
}

/* The model's stationary point, no farther from the mean than samples are, and inside the box. */
static void put_stationary(struct lq *s)
{
    cma_gauss *g = &s->run.gauss;
    const double n = (double)g->n, longest = sqrt(n) + 2 * n / (n + 2);
    double *x = s->sample->v, square = 0;

    if (!zo_quad_model_stationary(&s->model, x))
        return;
    zo_cma_gauss_step(g, x, g->y);
    zo_cma_gauss_whiten(g, g->y, g->u);
    for (size_t j = 0; j < g->n; j++)
        square += g->u[j] * g->u[j];
    if (!isfinite(square))
        return;
    const double part = square > longest * longest ? longest / sqrt(square) : 1;
    for (size_t j = 0; j < g->n; j++)
        x[j] = zo_clip(g->m[j] + part * (x[j] - g->m[j]), 0, 1);
    put(s, true, x, x);
}

static void open_generation(struct lq *s, zo_rng *rng)
{
    const double lambda = (double)s->run.params.lambda, rows = (double)s->model.rows.size;

    s->generation++;
    s->evaluated = 0;
    s->wanted = (uint64_t)(1 + fmax(FIRST_SHARE * lambda, FIRST_ROWS - rows));
    put_stationary(s);
    while (s->pool.size < s->run.params.lambda)
        put_sample(s, rng);
}

/* Without x0, but with enough points of others: the mean and spread of their best. */
static void warm_start(struct lq *s)
{
    const quad_rows *rows = &s->model.rows;
    const size_t n = s->run.gauss.n, tenth = (rows->size + 9) / 10, k = tenth > 3 ? tenth : 3;
    double *m = s->run.gauss.m, square = 0;

    if (s->run.p->x0 != NULL || rows->size < 2 * n || rows->size < k)
        return;
    zo_quad_rows_rank(rows, s->model.by);
    memset(m, 0, n * sizeof *m);
    for (size_t r = 0; r < k; r++)
        zo_axpy(n, 1 / (double)k, rows->x + s->model.by[r] * rows->ld, m);
    for (size_t r = 0; r < k; r++)
        for (size_t j = 0; j < n; j++)
            square += pow(rows->x[s->model.by[r] * rows->ld + j] - m[j], 2);
    zo_cma_run_start(&s->run, s->run.restarts.base, fmin(s->o.sigma0, fmax(0.02, sqrt(square / (double)(k * n)))));
}

/* ---- ask ---- */

static void judge_by_model(struct lq *s)
{
    for (size_t i = 0; i < s->pool.size; i++)
        s->pool.worth[i] = s->model.rows.size > 1 ? zo_quad_model_value(&s->model, s->pool.x + i * s->pool.n) : 0;
}

/* The candidate to evaluate next: the best by the model, or one more sample. */
static size_t next_candidate(struct lq *s, zo_rng *rng)
{
    size_t i;

    judge_by_model(s);
    i = zo_quad_pool_best_free(&s->pool);
    if (i == SIZE_MAX && s->pool.size < s->pool.cap) {
        i = s->pool.size;
        put_sample(s, rng);
    }
    return i;
}

static zo_status reserve(struct lq *s, zo_error *err)
{
    const size_t most = EXTRA * s->run.lambda_cap;
    size_t cap = s->pool.cap;
    zo_status rc;

    if ((rc = zo_cma_run_reserve(&s->run, err)) != ZO_OK)
        return rc;
    if (s->pool.size == cap)
        cap = 2 * cap < most ? 2 * cap : most;
    if (cap < s->run.gen.cap)
        cap = s->run.gen.cap;
    if ((rc = zo_quad_pool_reserve(&s->pool, cap, err)) != ZO_OK)
        return rc;
    return zo_quad_model_reserve(&s->model, cap < MOST_ROWS ? cap : MOST_ROWS, err);
}

static zo_status lq_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct lq *s = self;
    struct memo *memo = p->memo;
    zo_status rc;

    p->core = "lq-cma-es";
    if (s->run.done) {
        p->verdict = ZO_ASK_DONE;
        p->why = zo_cma_stop_name((cma_stop)s->run.last_stop);
        return ZO_OK;
    }
    p->why = "sample";
    if (!s->modelled)
        return zo_cma_lead_ask(&s->run, rng, p, err);
    if ((rc = reserve(s, err)) != ZO_OK)
        return rc;
    if (s->run.n_asked == 0)
        warm_start(s);
    if (s->pool.size == 0)
        open_generation(s, rng);
    const size_t i = next_candidate(s, rng);
    *memo = (struct memo){.run = s->run.restarts.n, .generation = s->generation, .index = i};
    if (i == SIZE_MAX) {
        zo_cma_run_sample(&s->run, rng, s->sample, p->x);
    } else {
        memcpy(p->x, s->pool.x + i * s->pool.n, s->pool.n * sizeof *p->x);
        s->pool.state[i] = QUAD_OUT;
        p->why = s->pool.foreign[i] ? "model-optimum" : "sample";
        if (s->model.rows.size > 1)
            p->predicted = zo_quad_model_predict(&s->model, p->x);
    }
    s->run.n_asked++;
    s->run.pending++;
    if (s->run.pending > s->run.peak)
        s->run.peak = s->run.pending;
    return ZO_OK;
}

/* ---- a generation closes ---- */

/* worth = what the distribution is told: true values, of who has one, or the model's, moved so that the least of them
 * is the least true one. */
static void take_worth(struct lq *s, bool by_model)
{
    quad_pool *q = &s->pool;
    double least_true = DBL_MAX, least = DBL_MAX;

    if (!by_model) {
        for (size_t i = 0; i < q->size; i++)
            q->worth[i] = q->state[i] == QUAD_VALUED ? q->f[i] : INFINITY;
        return;
    }
    judge_by_model(s);
    for (size_t i = 0; i < q->size; i++) {
        least = fmin(least, q->worth[i]);
        least_true = q->state[i] == QUAD_VALUED ? fmin(least_true, q->f[i]) : least_true;
    }
    for (size_t i = 0; i < q->size; i++)
        q->worth[i] = zo_clip(q->worth[i] - least + least_true, -DBL_MAX, DBL_MAX);
}

/* The best candidates fill the places that outside points have left. */
static void fill_generation(struct lq *s)
{
    quad_pool *q = &s->pool;
    cma_memo *sample = s->sample;

    zo_quad_pool_rank(q);
    for (size_t r = 0; r < q->size && s->run.gen.size < s->run.params.lambda; r++) {
        const size_t i = q->by[r];
        if (q->state[i] != QUAD_FAILED && q->worth[i] == INFINITY)
            continue;
        const cma_point p = {.number = i,
                             .worth = q->state[i] == QUAD_FAILED ? CMA_FAILED : CMA_FEASIBLE,
                             .f = q->state[i] == QUAD_FAILED ? 0 : q->worth[i],
                             .foreign = q->foreign[i]};
        sample->run = s->run.restarts.n;
        sample->generation = s->run.gauss.g;
        memcpy(sample->v, q->v + i * q->n, q->n * sizeof *q->v);
        zo_cma_run_add(&s->run, &p, q->x + i * q->n, NULL, p.foreign ? NULL : sample);
    }
}

static void close_generation(struct lq *s, bool by_model)
{
    take_worth(s, by_model);
    fill_generation(s);
    s->pool.size = 0;
    if (zo_cma_run_close(&s->run))
        zo_quad_model_start(&s->model);
    zo_quad_model_keep(&s->model, rows_for(s));
}

/* Enough evaluated for now: does the model know the rest? */
static void pass_gate(struct lq *s)
{
    const double lambda = (double)s->run.params.lambda, evaluated = (double)s->evaluated;

    if (s->evaluated >= s->run.params.lambda) {
        close_generation(s, false);
        return;
    }
    while (s->evaluated >= s->wanted) {
        const size_t newest = (size_t)fmax(15, fmin(1.2 * evaluated, 0.75 * lambda));
        zo_quad_model_sort(&s->model, s->evaluated);
        if (zo_quad_model_tau(&s->model, newest) >= TRUSTED && zo_quad_pool_count(&s->pool, QUAD_VALUED) > 0) {
            close_generation(s, true);
            return;
        }
        s->wanted += (s->wanted + 1) / 2;
    }
}

/* ---- tell ---- */

/* The trial's candidate, if its generation is still open. */
static size_t candidate_of(const struct lq *s, const struct memo *memo)
{
    const bool is_open = memo != NULL && memo->generation == s->generation && memo->run == s->run.restarts.n &&
                         memo->index < s->pool.size;

    return is_open && s->pool.state[memo->index] == QUAD_OUT ? (size_t)memo->index : SIZE_MAX;
}

static void take_result(struct lq *s, size_t i, const zo_told *t, bool valued)
{
    if (t->outcome == ZO_TOLD_ABANDONED) {
        s->pool.state[i] = QUAD_FREE;
        return;
    }
    s->pool.state[i] = valued ? QUAD_VALUED : QUAD_FAILED;
    s->pool.f[i] = valued ? t->f[0] : 0;
    memcpy(s->pool.x + i * s->pool.n, t->x, s->pool.n * sizeof *t->x);
    s->evaluated++;
}

static zo_status lq_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct lq *s = self;
    const struct memo *memo = t->own ? t->memo : NULL;
    zo_status rc;

    (void)rng;
    if (!s->modelled)
        return zo_cma_lead_tell(&s->run, rng, t, err);
    if ((rc = reserve(s, err)) != ZO_OK)
        return rc;
    const bool valued = t->has_values && (t->outcome == ZO_TOLD_COMPLETE || t->outcome == ZO_TOLD_STOPPED);
    const bool current = memo != NULL && memo->run == s->run.restarts.n, early = s->run.n_asked == 0;
    const size_t i = candidate_of(s, memo);
    s->run.pending -= t->own && s->run.pending > 0;
    s->run.n_told += t->own && t->outcome != ZO_TOLD_ABANDONED;
    s->run.run_evals += current && t->outcome != ZO_TOLD_ABANDONED;
    if (valued && (current || (!t->own && (s->o.prefill || !early))))
        zo_quad_model_add(&s->model, t->x, t->f[0]);
    if (valued && !current && !early && !s->run.done && t->f[0] < s->run.best)
        zo_cma_run_inject(&s->run, &(cma_point){.number = t->number, .f = t->f[0], .foreign = true}, t->x, NULL);
    if (valued)
        s->run.best = fmin(s->run.best, t->f[0]);
    if (i == SIZE_MAX)
        return ZO_OK;
    take_result(s, i, t, valued);
    pass_gate(s);
    return ZO_OK;
}

/* ---- what it is doing; saving it ---- */

static zo_status lq_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct lq *s = self;
    const zo_status rc = zo_cma_run_describe(&s->run, facts, err);

    return rc != ZO_OK ? rc : zo_bundle_set_meta(facts, "model", s->modelled ? kind_names[s->model.kind] : "none", err);
}

static void visit_counts(struct lq *s, zo_visit *v)
{
    uint64_t *const fields[] = {&s->wanted, &s->evaluated, &s->generation};
    uint64_t values[ZO_LEN(fields)];

    for (size_t i = 0; i < ZO_LEN(fields); i++)
        values[i] = *fields[i];
    zo_visit_u64(v, "pool_counts", values, ZO_LEN(values));
    for (size_t i = 0; i < ZO_LEN(fields) && v->loading && v->status == ZO_OK; i++)
        *fields[i] = values[i];
}

static bool pool_is_sound(const struct lq *s)
{
    const quad_pool *q = &s->pool;
    const size_t evaluated = zo_quad_pool_count(q, QUAD_VALUED) + zo_quad_pool_count(q, QUAD_FAILED);

    return q->size == 0 || (q->size >= s->run.params.lambda && s->evaluated == evaluated &&
                            evaluated < s->run.params.lambda && evaluated < s->wanted && s->wanted <= 2 * q->cap + 5);
}

static void lq_snapshot(void *self, zo_visit *v)
{
    struct lq *s = self;

    zo_cma_run_visit(&s->run, v);
    if (!s->modelled)
        return;
    const size_t size = zo_visit_length(v, "pool_state"), most = EXTRA * s->run.lambda_cap;
    if (v->loading && v->status == ZO_OK)
        v->status = zo_quad_pool_reserve(&s->pool, size < most ? size : most, v->err);
    if (v->loading && v->status == ZO_OK)
        v->status = zo_quad_model_reserve(&s->model, rows_for(s), v->err);
    if (v->status != ZO_OK)
        return;
    zo_quad_model_keep(&s->model, rows_for(s));
    zo_quad_model_visit(&s->model, v);
    zo_quad_pool_visit(&s->pool, v);
    visit_counts(s, v);
    zo_visit_require(v, "pool_counts", pool_is_sound(s));
}

const zo_solver zo_solver_lq_cma_es = {
    .name = "lq-cma-es",
    .version = 1,
    .summary = "CMA-ES with a global quadratic model that spares most evaluations of smooth functions",
    .reference = "Hansen, A Global Surrogate Assisted CMA-ES, GECCO 2019, doi:10.1145/3321707.3321842",
    .complexity = "O(n^2) an ask; a fit of the model O(n^6) at most, up to 25 dimensions, else O(n^3)",
    .advice = "30 to 1000 trials a dimension, smooth or rugged, without exact separability",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_LINEAR | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = lq_opt_table,
    .n_opts = ZO_LEN(lq_opt_table),
    .opts_bytes = sizeof(struct lq_opts),
    .state_bytes = sizeof(struct lq),
    .memo_bytes = memo_bytes,
    .init = lq_init,
    .ask = lq_ask,
    .tell = lq_tell,
    .snapshot = lq_snapshot,
    .describe = lq_describe,
    .fini = lq_fini,
};
