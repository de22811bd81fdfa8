/* A run of CMA-ES that leads by itself: an ask is a sample of today's distribution and never waits; a generation closes
 * at its lambda-th result, whenever and by whatever distribution its points were drawn.
 * Outside points take part like samples, but shortened to a plausible length, and never with a negative weight. */
#include "cma/lead.h"

#include <math.h>
#include <string.h>

/* Mean and step size of what others evaluated before our first ask, if it is enough to tell. */
static void warm_start(cma_run *s)
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
    const double spread = s->gauss.n > 0 ? sqrt(square / (double)(k * s->gauss.n)) : s->config.sigma0;
    for (size_t r = 0; r < k; r++)
        s->gen.w[r] /= total;
    zo_cma_run_start(s, s->restarts.base, fmin(s->config.sigma0, fmax(0.02, spread)));
    zo_cma_choices_update(&s->choices, s->gen.best_chosen, s->gen.w, k);
}

zo_status zo_cma_lead_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    cma_run *s = self;

    (void)err;
    if (s->done) {
        p->verdict = ZO_ASK_DONE;
        return ZO_OK;
    }
    if (s->n_asked == 0)
        warm_start(s);
    zo_cma_run_sample(s, rng, p->memo, p->x);
    s->n_asked++;
    s->pending++;
    if (s->pending > s->peak)
        s->peak = s->pending;
    p->core = s->config.name;
    return ZO_OK;
}

static cma_worth worth_of(const zo_told *t)
{
    if (!t->has_values || (t->outcome != ZO_TOLD_COMPLETE && t->outcome != ZO_TOLD_STOPPED))
        return CMA_FAILED;
    return t->feasible ? CMA_FEASIBLE : CMA_VIOLATES;
}

/* Does a point of others, or of a run that is over, take part? */
static bool is_welcome(const cma_run *s, const cma_point *p, const zo_told *t)
{
    const bool improves = p->worth == CMA_FEASIBLE && p->f < s->best;

    return p->worth != CMA_FAILED && !s->done && (!t->own || improves);
}

zo_status zo_cma_lead_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    cma_run *s = self;
    const cma_memo *memo = t->own ? t->memo : NULL;
    cma_point p = {.number = t->number, .worth = worth_of(t)};
    zo_status rc;

    (void)rng;
    if ((rc = zo_cma_run_reserve(s, err)) != ZO_OK)
        return rc;
    s->pending -= t->own && s->pending > 0;
    if (t->outcome == ZO_TOLD_ABANDONED)
        return ZO_OK;
    if (memo != NULL && !zo_cma_run_owns(s, memo))
        memo = NULL;
    p.f = p.worth == CMA_FAILED ? 0 : t->f[0];
    s->n_told += t->own;
    s->run_evals += memo != NULL;
    s->n_before += s->n_asked == 0 && p.worth != CMA_FAILED;
    if (memo != NULL)
        zo_cma_run_add(s, &p, t->x, t->g, memo);
    else if (is_welcome(s, &p, t))
        zo_cma_run_inject(s, &p, t->x, t->g);
    if (p.worth == CMA_FEASIBLE)
        s->best = fmin(s->best, p.f);
    if (s->gen.size >= s->params.lambda)
        zo_cma_run_close(s);
    return ZO_OK;
}

zo_status zo_cma_lead_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    return zo_cma_run_describe(self, facts, err);
}

void zo_cma_lead_snapshot(void *self, zo_visit *v)
{
    zo_cma_run_visit(self, v);
}

void zo_cma_lead_fini(void *self)
{
    zo_cma_run_fini(self);
}
