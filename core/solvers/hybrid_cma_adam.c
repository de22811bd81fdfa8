/* Hybrid of CMA-ES and Adam: the global search ranks values, then gradients polish the best points that it found.
 * A cycle: CMA-ES samples until it is over, gains little, or has had its share of the budget; the best of its points,
 * each apart from the others, become starts of descents by Adam, which go side by side; meanwhile and afterwards the
 * next run of CMA-ES searches elsewhere with twice the population, or near the point that was polished.
 * Oracle: gradient (unused by the search, so that a rugged landscape does not mislead it).  Space: reals.  Batch: any
 * while it searches; of the polish one point a descent.  Cost: that of CMA-ES.
 * Departures: the search ends by its gain, not by a fixed generation; the rate of the descents is the spread of the
 * samples at that time; those that fail or stand still begin anew from their best point (descent/adam.h).
 * Sources: "Thin-Shell Object Manipulations With Differentiable Physics Simulations", Wang et al., arXiv:2404.00451
 * (the coupling); those of the parts are in cma_es.c and descent/adam.h. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cma/lead.h"
#include "descent/adam.h"
#include "stage/stage.h"

enum { FULL_DIMS = 300, MAX_TOP = 16, USUAL_TOP = 5 };
static const double apart = 0.01;  /* of starts, in the box's widths */
static const double little = 0.01; /* a gain: of all that the cycle gained so far */
static const double widest_rate = 0.01;

typedef enum { AFTER_RESTART, AFTER_NEAR, AFTER_END } after_rule;
static const char *const after_rules[] = {"restart", "near", "end", NULL};
static const char *const labels[] = {"polish"};

struct hybrid_opts {
    double sigma0, search_share, rate, beta1, beta2;
    uint64_t popsize, stall, polish_top, polish_steps;
    uint32_t after;
    bool active;
};
static const zo_opt hybrid_opt_table[] = {
    CMA_OPT_SIGMA0(struct hybrid_opts),
    CMA_OPT_POPSIZE(struct hybrid_opts),
    CMA_OPT_ACTIVE(struct hybrid_opts),
    ZO_OPT_U64(struct hybrid_opts, stall, 0, 0, 1000000,
               "generations in which less than 1 % was gained, after which the search is polished; 0: by the dimension "
               "and the population"),
    ZO_OPT_F64(struct hybrid_opts, search_share, 0.6, 0.01, 1,
               "share of the trials left that a search may take before its points are polished"),
    ZO_OPT_U64(struct hybrid_opts, polish_top, 0, 0, MAX_TOP,
               "points that are polished; 0: as many as run at once, at most 5"),
    ZO_OPT_U64(struct hybrid_opts, polish_steps, 300, 1, 1000000, "steps of a descent at most"),
    ZO_OPT_F64(struct hybrid_opts, rate, 0, 0, 1,
               "first move of a descent, in widths of the box; 0: the spread of the samples, at most 0.01"),
    ZO_OPT_F64(struct hybrid_opts, beta1, 0.9, 0, 0.999999, "memory of the descents' mean gradient"),
    ZO_OPT_F64(struct hybrid_opts, beta2, 0.9999, 0, 0.999999, "memory of its square"),
    ZO_OPT_ENUM(struct hybrid_opts, after, AFTER_RESTART, after_rules,
                "what follows: restart searches anywhere, near around the polished point with a tenth of the spread as "
                "long as that gains, end comes to an end"),
};

/* The best points of the cycle, best first. */
struct starts {
    size_t size, cap;
    double *x, *g; /* [cap][n] */
    double *f;     /* [cap] */
};
struct hybrid {
    cma_run cma; /* first: the state of lead.h */
    const zo_problem *p;
    struct hybrid_opts o;
    adam_rates rates;
    struct starts starts;
    adam *descents; /* [starts.cap] */
    zo_stage stage; /* a slot for each live descent, in their order */
    uint64_t polishing, done, n_polished;
    uint64_t n_told, cycle_told;        /* valued or not, of all and at the cycle's begin */
    uint64_t run, generation;           /* of CMA-ES, seen last */
    uint64_t n_generations, n_still;    /* of this cycle; of them in a row with little gain */
    double first, mark, best;           /* best values: of the first generation, at the last gain; of all */
    double best_before, from_f, gained; /* best as this polish began; its best start; what the last one gained */
};
struct memo {
    uint64_t of_stage;
    stage_memo stage;
}; /* and the bytes of CMA-ES behind it */

static size_t memo_bytes(const zo_problem *p)
{
    return sizeof(struct memo) + zo_cma_memo_bytes(p);
}

/* ---- set-up ---- */

static void begin_cycle(struct hybrid *s)
{
    s->starts.size = 0;
    s->cycle_told = s->n_told;
    s->run = s->cma.restarts.n;
    s->generation = s->cma.gauss.g;
    s->n_generations = s->n_still = 0;
    s->first = s->mark = INFINITY;
}

static zo_status starts_init(struct starts *q, size_t cap, size_t n, zo_error *err)
{
    q->cap = cap;
    q->x = zo_calloc(cap, (n + 1) * sizeof *q->x);
    q->g = zo_calloc(cap, (n + 1) * sizeof *q->g);
    q->f = zo_calloc(cap, sizeof *q->f);
    return q->x && q->g && q->f ? ZO_OK : zo_fail_nomem(err);
}

static zo_status hybrid_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct hybrid *s = self;
    const struct hybrid_opts *o = opts;
    const size_t usual = p->parallelism < USUAL_TOP ? p->parallelism : USUAL_TOP;
    const size_t top = o->polish_top > 0 ? (size_t)o->polish_top : usual;
    const cma_config config = {.name = "cma-es",
                               .shape = p->n > FULL_DIMS ? CMA_DIAGONAL : CMA_FULL,
                               .active = o->active,
                               .sigma0 = o->sigma0,
                               .popsize = o->popsize,
                               .restarts = CMA_RESTARTS_AUTO};
    zo_status rc;

    s->p = p;
    s->o = *o;
    s->rates = (adam_rates){.beta1 = o->beta1, .beta2 = o->beta2, .max_steps = o->polish_steps};
    if ((rc = zo_cma_run_init(&s->cma, p, &config, rng, err)) != ZO_OK ||
        (rc = starts_init(&s->starts, top, p->n, err)) != ZO_OK ||
        (rc = zo_stage_init(&s->stage, p, top, "adam", labels, ZO_LEN(labels), err)) != ZO_OK)
        return rc;
    if (!(s->descents = zo_calloc(top, sizeof *s->descents)))
        return zo_fail_nomem(err);
    for (size_t i = 0; i < top; i++)
        if ((rc = zo_adam_init(&s->descents[i], p->n, err)) != ZO_OK)
            return rc;
    s->best = s->best_before = s->from_f = INFINITY;
    begin_cycle(s);
    return ZO_OK;
}

static void hybrid_fini(void *self)
{
    struct hybrid *s = self;

    for (size_t i = 0; s->descents && i < s->starts.cap; i++)
        zo_adam_fini(&s->descents[i]);
    zo_free(s->descents);
    zo_stage_fini(&s->stage);
    zo_free(s->starts.x);
    zo_free(s->starts.g);
    zo_free(s->starts.f);
    zo_cma_run_fini(&s->cma);
}

/* ---- starts ---- */

static bool is_near(const double *a, const double *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (fabs(a[i] - b[i]) > apart)
            return false;
    return true;
}

static void move_start(struct starts *q, size_t to, size_t from, size_t n)
{
    memmove(q->x + to * n, q->x + from * n, n * sizeof *q->x);
    memmove(q->g + to * n, q->g + from * n, n * sizeof *q->g);
    q->f[to] = q->f[from];
}

/* Keep a told point if it is one of the best, and better than all near it. Those near it that are worse leave. */
static void note_start(struct starts *q, const zo_told *t, size_t n)
{
    const double f = t->f[0];
    size_t kept = 0, place;

    for (size_t i = 0; i < q->size && q->f[i] <= f; i++)
        if (is_near(q->x + i * n, t->x, n))
            return;
    for (size_t i = 0; i < q->size; i++)
        if (q->f[i] <= f || !is_near(q->x + i * n, t->x, n))
            move_start(q, kept++, i, n);
    q->size = kept;
    for (place = q->size; place > 0 && q->f[place - 1] > f; place--)
        ;
    if (place == q->cap)
        return;
    q->size += q->size < q->cap;
    for (size_t i = q->size - 1; i > place; i--)
        move_start(q, i, i - 1, n);
    memcpy(q->x + place * n, t->x, n * sizeof *q->x);
    memcpy(q->g + place * n, t->df, n * sizeof *q->g);
    q->f[place] = f;
}

/* ---- polish ---- */

/* The spread of the samples: the mean deviation of a coordinate. */
static double spread(const struct hybrid *s)
{
    double sum = 0;

    for (size_t i = 0; i < s->cma.gauss.n; i++)
        sum += zo_cma_deviation(&s->cma.gauss, i);
    return s->cma.gauss.n > 0 ? zo_clip(sum / (double)s->cma.gauss.n, 1e-9, widest_rate) : widest_rate;
}

static size_t best_descent(const struct hybrid *s)
{
    size_t best = 0;

    for (size_t i = 1; i < s->starts.cap; i++)
        if (s->descents[i].best_f < s->descents[best].best_f)
            best = i;
    return best;
}

/* The next run of CMA-ES is around the best point polished. */
static void search_near(struct hybrid *s)
{
    const adam *d = &s->descents[best_descent(s)];

    s->cma.restarts.n++;
    zo_cma_dims_mean(&s->cma.dims, d->best, s->cma.gauss.m);
    zo_cma_run_start(&s->cma, s->cma.run_lambda, fmax(1e-6, 0.1 * s->o.sigma0));
}

static void end_polish(struct hybrid *s)
{
    const double best = s->descents[best_descent(s)].best_f;

    s->polishing = 0;
    s->gained = best < s->from_f ? s->from_f - best : 0;
    zo_stage_begin(&s->stage);
    if (s->o.after == AFTER_END)
        s->done = 1;
    else if (s->o.after == AFTER_NEAR && best < s->best_before) {
        search_near(s);
        begin_cycle(s);
    } else if (s->o.after == AFTER_NEAR) {
        zo_cma_run_restart(&s->cma);
        begin_cycle(s);
    }
}

static void tell_descents(struct hybrid *s)
{
    size_t slot = 0;

    for (size_t i = 0; i < s->starts.cap; i++)
        if (s->descents[i].live) {
            zo_adam_tell(&s->descents[i], &s->rates, zo_stage_x(&s->stage, slot), zo_stage_f(&s->stage, slot),
                         zo_stage_df(&s->stage, slot));
            slot++;
        }
}

/* A stage of the live descents' next points; false: none is live. */
static bool fill_stage(struct hybrid *s)
{
    bool any = false;

    zo_stage_begin(&s->stage);
    for (size_t i = 0; i < s->starts.cap; i++)
        if (s->descents[i].live) {
            zo_stage_add(&s->stage, s->descents[i].x, 0, NAN);
            any = true;
        }
    return any;
}

/* A stage may be complete at once: its points were evaluated before. Every round is a step of each live descent. */
static void go_on(struct hybrid *s)
{
    while (fill_stage(s)) {
        if (!zo_stage_is_complete(&s->stage))
            return;
        tell_descents(s);
    }
    end_polish(s);
}

static void begin_polish(struct hybrid *s)
{
    const double rate = s->o.rate > 0 ? s->o.rate : spread(s);
    const struct starts *q = &s->starts;

    s->polishing = 1;
    s->n_polished++;
    s->from_f = q->size > 0 ? q->f[0] : INFINITY;
    s->best_before = s->best;
    for (size_t i = 0; i < q->cap; i++) {
        s->descents[i].live = 0;
        s->descents[i].best_f = INFINITY;
    }
    for (size_t i = 0; i < q->size; i++)
        zo_adam_start(&s->descents[i], &s->rates, q->x + i * s->p->n, q->f[i], q->g + i * s->p->n, rate);
    if (s->o.after == AFTER_RESTART && s->cma.restarts.n == s->run)
        zo_cma_run_restart(&s->cma); /* slots that the descents leave idle begin it */
    begin_cycle(s);
    go_on(s);
}

/* ---- ask ---- */

static bool ask_stage(struct hybrid *s, zo_proposal *p)
{
    struct memo *memo = p->memo;
    zo_proposal q = *p;

    q.memo = &memo->stage;
    if (!s->polishing || !zo_stage_ask(&s->stage, &q))
        return false;
    q.memo = p->memo;
    *p = q;
    memo->of_stage = 1;
    return true;
}

static zo_status hybrid_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct hybrid *s = self;
    zo_proposal q = *p;
    zo_status rc;

    if (s->done) {
        p->verdict = ZO_ASK_DONE;
        p->why = "polished";
        return ZO_OK;
    }
    if (ask_stage(s, p))
        return ZO_OK;
    if (s->polishing && (s->o.after != AFTER_RESTART || s->stage.now.size >= s->p->parallelism)) {
        p->verdict = ZO_ASK_WAIT;
        return ZO_OK;
    }
    q.memo = (struct memo *)p->memo + 1;
    if ((rc = zo_cma_lead_ask(&s->cma, rng, &q, err)) != ZO_OK)
        return rc;
    q.memo = p->memo;
    q.why = "sample";
    *p = q;
    return ZO_OK;
}

/* ---- tell ---- */

static bool has_gained(const struct hybrid *s)
{
    return s->mark - s->starts.f[0] > little * (s->first - s->starts.f[0]);
}

/* A generation of this cycle was closed. */
static void note_generation(struct hybrid *s)
{
    s->n_generations++;
    if (s->starts.size == 0)
        return;
    if (s->first == INFINITY)
        s->first = s->mark = s->starts.f[0];
    else if (has_gained(s)) {
        s->mark = s->starts.f[0];
        s->n_still = 0;
    } else
        s->n_still++;
}

static bool has_had_its_share(const struct hybrid *s)
{
    const uint64_t budget = s->p->budget_trials;

    return budget > s->cycle_told && s->starts.size > 0 &&
           (double)(s->n_told - s->cycle_told) >= s->o.search_share * (double)(budget - s->cycle_told);
}

static bool is_time_to_polish(struct hybrid *s)
{
    const uint64_t usual = 10 + 30 * (uint64_t)s->p->n / s->cma.params.lambda;
    const bool over = s->cma.restarts.n != s->run;

    if (over || s->cma.gauss.g != s->generation)
        note_generation(s);
    s->generation = s->cma.gauss.g;
    return over || s->n_still >= (s->o.stall > 0 ? s->o.stall : usual) || has_had_its_share(s);
}

static zo_status tell_cma(struct hybrid *s, zo_rng *rng, const zo_told *t, zo_error *err)
{
    zo_told own = *t;

    if (t->own)
        own.memo = (const struct memo *)t->memo + 1;
    return zo_cma_lead_tell(&s->cma, rng, &own, err);
}

static void tell_stage(struct hybrid *s, const zo_told *t)
{
    const struct memo *memo = t->memo;
    zo_told own = *t;

    if (t->own)
        own.memo = &memo->stage;
    if (s->polishing && zo_stage_tell(&s->stage, &own) != STAGE_NONE && zo_stage_is_complete(&s->stage)) {
        tell_descents(s);
        go_on(s);
    }
}

/* What every told point counts for. */
static void note(struct hybrid *s, const zo_told *t, bool of_stage)
{
    const bool valued = zo_told_is_valued(t);

    s->n_told += t->own && t->outcome != ZO_TOLD_ABANDONED;
    s->cma.n_told += of_stage && t->outcome != ZO_TOLD_ABANDONED;
    if (valued)
        s->best = fmin(s->best, t->f[0]);
    if (valued && t->df != NULL && !of_stage)
        note_start(&s->starts, t, s->p->n);
}

static zo_status hybrid_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct hybrid *s = self;
    const bool of_stage = t->own && ((const struct memo *)t->memo)->of_stage;
    zo_status rc;

    if (!of_stage && (rc = tell_cma(s, rng, t, err)) != ZO_OK)
        return rc;
    note(s, t, of_stage);
    if (of_stage || !t->own)
        tell_stage(s, t);
    if (!s->polishing && !s->done && is_time_to_polish(s))
        begin_polish(s);
    return ZO_OK;
}

/* ---- snapshot, description ---- */

static void visit_starts(struct hybrid *s, zo_visit *v)
{
    struct starts *q = &s->starts;
    const size_t n = s->p->n;

    zo_visit_count(v, "starts", &q->size, q->cap);
    zo_visit_f64_within(v, "starts.x", q->x, q->size * n, 0, 1);
    zo_visit_f64_within(v, "starts.g", q->g, q->size * n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "starts.f", q->f, q->size, -DBL_MAX, DBL_MAX);
}

static void visit_scalars(struct hybrid *s, zo_visit *v)
{
    uint64_t *const words[] = {&s->polishing, &s->done,       &s->n_polished,    &s->n_told, &s->cycle_told,
                               &s->run,       &s->generation, &s->n_generations, &s->n_still};
    double *const reals[] = {&s->first, &s->mark, &s->best, &s->best_before, &s->from_f, &s->gained};
    uint64_t w[ZO_LEN(words)];
    double r[ZO_LEN(reals)];

    for (size_t i = 0; i < ZO_LEN(w); i++)
        w[i] = *words[i];
    for (size_t i = 0; i < ZO_LEN(r); i++)
        r[i] = *reals[i];
    zo_visit_u64(v, "words", w, ZO_LEN(w));
    zo_visit_f64_within(v, "reals", r, ZO_LEN(r), -DBL_MAX, INFINITY);
    for (size_t i = 0; i < ZO_LEN(w); i++)
        *words[i] = w[i];
    for (size_t i = 0; i < ZO_LEN(r); i++)
        *reals[i] = r[i];
    zo_visit_require(v, "words", s->polishing <= 1 && s->done <= 1 && s->cycle_told <= s->n_told);
}

static void visit_descents(struct hybrid *s, zo_visit *v)
{
    const char *outer = v->prefix;
    char prefix[64];
    size_t n_live = 0;

    for (size_t i = 0; i < s->starts.cap; i++) {
        snprintf(prefix, sizeof prefix, "%sdescent%zu.", outer ? outer : "", i);
        v->prefix = prefix;
        zo_adam_visit(&s->descents[i], v);
        n_live += s->descents[i].live;
    }
    snprintf(prefix, sizeof prefix, "%spolish.", outer ? outer : "");
    v->prefix = prefix;
    zo_stage_visit(&s->stage, v);
    v->prefix = outer;
    zo_visit_require(v, "polish.stage.n_wanted", s->stage.now.n_wanted == (s->polishing ? n_live : 0));
}

static void hybrid_snapshot(void *self, zo_visit *v)
{
    struct hybrid *s = self;

    zo_cma_run_visit(&s->cma, v);
    visit_scalars(s, v);
    visit_starts(s, v);
    visit_descents(s, v);
}

static zo_status hybrid_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct hybrid *s = self;
    char text[32];
    zo_status rc;

    if ((rc = zo_cma_run_describe(&s->cma, facts, err)) != ZO_OK || (rc = zo_bundle_set_meta(facts, "phase",
                                                                                             s->done        ? "end"
                                                                                             : s->polishing ? "polish"
                                                                                                            : "search",
                                                                                             err)) != ZO_OK)
        return rc;
    snprintf(text, sizeof text, "%llu", (unsigned long long)s->n_polished);
    if ((rc = zo_bundle_set_meta(facts, "polished", text, err)) != ZO_OK || s->n_polished == 0)
        return rc;
    snprintf(text, sizeof text, "%.6g", s->gained);
    return zo_bundle_set_meta(facts, "last_polish_gained", text, err);
}

const zo_solver zo_solver_hybrid_cma_adam = {
    .name = "hybrid-cma-adam",
    .version = 1,
    .summary = "global search by CMA-ES, then descents by Adam from the best points it found",
    .reference =
        "Wang et al., Thin-Shell Object Manipulations With Differentiable Physics Simulations, arXiv:2404.00451; "
        "Kingma and Ba, Adam, arXiv:1412.6980",
    .complexity = "that of cma-es while it searches, O(n) a trial while it polishes",
    .advice = "gradients that mislead from afar: rugged or discontinuous landscapes, smooth close to the optimum",
    .oracles = ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_LINEAR | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = hybrid_opt_table,
    .n_opts = ZO_LEN(hybrid_opt_table),
    .opts_bytes = sizeof(struct hybrid_opts),
    .state_bytes = sizeof(struct hybrid),
    .memo_bytes = memo_bytes,
    .init = hybrid_init,
    .ask = hybrid_ask,
    .tell = hybrid_tell,
    .snapshot = hybrid_snapshot,
    .describe = hybrid_describe,
    .fini = hybrid_fini,
};
