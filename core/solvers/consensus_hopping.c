/* Consensus hopping: from the consensus of a cloud of points to that of a cloud around it; a gradient method that asks
 * for values only. Step: x_i = clip(c + s xi_i), xi normal; c <- consensus of the x_i. For a linear f that is a
 * gradient step of alpha s^2, for a quadratic one an implicit step. Oracle: value, may be noisy.  Space: reals.  Batch:
 * all points of a step.  Cost: O(n) an evaluation. By default alpha is chosen at each step so that a share of the
 * points has a say. s follows the progress of the consensus: it grows while c moves on, and shrinks while c stays. When
 * s is below the tolerance the search starts anew. Departure: the source lowers s by a fixed plan. Source: "Gradient is
 * All You Need?", Riedl, Klock, Geldhauser and Fornasier, arXiv:2306.09778. */
#include <math.h>
#include <string.h>

#include "consensus/swarm.h"

typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};
static const char *const labels[] = {"hop"};

struct hop_opts {
    uint64_t particles;
    double s, decay, share, alpha, tolerance;
    uint32_t restarts;
};
static const zo_opt hop_opt_table[] = {
    ZO_OPT_U64(struct hop_opts, particles, 0, 0, 10000, "points of a step, at least 2; 0: 10 + 2 sqrt(n)"),
    ZO_OPT_F64(struct hop_opts, s, 0.2, 1e-9, 1, "first deviation of the cloud, in widths of the box"),
    ZO_OPT_F64(struct hop_opts, decay, 0.9, 0.1, 1,
               "factor of the deviation where the consensus stays; its root's inverse where it moves on"),
    ZO_OPT_F64(struct hop_opts, share, 0.2, 0, 1, "share of the points that has a say; 0: by alpha"),
    ZO_OPT_F64(struct hop_opts, alpha, 1e5, 1e-5, 1e15, "weight exponent, in units of the value, with a share of 0"),
    ZO_OPT_F64(struct hop_opts, tolerance, 1e-9, 0, 1,
               "deviation at which the search has come to its end, in widths of the box"),
    ZO_OPT_ENUM(struct hop_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows then: a new start anywhere, or nothing"),
};

struct hop {
    swarm swarm; /* first */
    struct hop_opts o;
    double s;
    double *from; /* [n] where the cloud is centred */
};

static zo_status hop_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct hop *s = self;

    (void)rng;
    s->o = *(const struct hop_opts *)opts;
    s->s = s->o.s;
    if (s->o.particles == 1)
        return zo_fail(err, ZO_EINVAL, "/particles", "option 'particles' is 1; it must be 0 or at least 2");
    if (!(s->from = zo_calloc(p->n + 1, sizeof *s->from)))
        return zo_fail_nomem(err);
    return swarm_init(&s->swarm, p, s->o.particles, "consensus-hopping", labels, err);
}

static void hop_fini(void *self)
{
    struct hop *s = self;

    zo_free(s->from);
    swarm_fini(&s->swarm);
}

/* A cloud around where we are, and that point itself. */
static void scatter(struct hop *s, zo_rng *rng)
{
    swarm *q = &s->swarm;

    memcpy(q->x, s->from, q->n * sizeof *q->x);
    for (size_t i = 1; i < q->size; i++)
        for (size_t j = 0; j < q->n; j++)
            q->x[i * q->n + j] = zo_clip(s->from[j] + s->s * zo_rng_normal(rng), 0, 1);
    swarm_emit(q);
}

static void start(void *self)
{
    struct hop *s = self;
    swarm *q = &s->swarm;
    zo_rng rng = zo_rng_make(q->p->seed, ZO_PURPOSE_INIT, UINT64_MAX - q->run);
    const double *known = q->begun ? NULL : q->p->x0 ? q->p->x0 : isfinite(q->guest_f) ? q->guest : NULL;

    for (size_t j = 0; j < q->n; j++)
        s->from[j] = known ? known[j] : zo_rng_uniform(&rng);
    q->begun = 1;
    q->run++;
    s->s = s->o.s;
    scatter(s, &rng);
}

static zo_status hop_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct hop *s = self;

    (void)rng;
    (void)err;
    if (!s->swarm.begun)
        start(s);
    swarm_ask(&s->swarm, p);
    return ZO_OK;
}

/* Did the consensus move on, compared with the error of a mean of so many points? */
static bool moved_on(const struct hop *s)
{
    const swarm *q = &s->swarm;
    double square = 0, n_say = 0;

    for (size_t j = 0; j < q->n; j++)
        square += (q->c[j] - s->from[j]) * (q->c[j] - s->from[j]);
    for (size_t i = 0; i < q->size; i++)
        n_say += q->w[i] * q->w[i];
    return square > 1.5 * (double)q->n * s->s * s->s * n_say;
}

static void step(void *self)
{
    struct hop *s = self;
    swarm *q = &s->swarm;
    zo_rng rng = swarm_rng(q);

    if (swarm_agree(q, s->o.alpha, s->o.share)) {
        s->s = fmin(s->o.s, s->s * (moved_on(s) ? 1 / sqrt(s->o.decay) : s->o.decay));
        memcpy(s->from, q->c, q->n * sizeof *s->from);
        if (s->s <= s->o.tolerance) {
            q->over = s->o.restarts == RESTARTS_NONE;
            start(s);
            return;
        }
    } else {
        for (size_t j = 0; j < q->n; j++)
            s->from[j] = zo_rng_uniform(&rng); /* nothing has a value here */
    }
    scatter(s, &rng);
}

static zo_status hop_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct hop *s = self;

    (void)rng;
    (void)err;
    swarm_tell(&s->swarm, t, step, start, s);
    return ZO_OK;
}

static void hop_snapshot(void *self, zo_visit *v)
{
    struct hop *s = self;

    zo_visit_f64_within(v, "s", &s->s, 1, 0, 1);
    zo_visit_f64_within(v, "from", s->from, s->swarm.n, 0, 1);
    swarm_visit(&s->swarm, v);
}

const zo_solver zo_solver_consensus_hopping = {
    .name = "consensus-hopping",
    .version = 1,
    .summary = "hops from consensus to consensus of a cloud of points: descent on a smoothed function, by values only",
    .reference = "Riedl, Klock, Geldhauser and Fornasier, Gradient is All You Need?, arXiv:2306.09778",
    .complexity = "O(n) a trial; memory O(n) a point of a step",
    .advice = "many workers on noisy or rough functions with one large valley",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = hop_opt_table,
    .n_opts = ZO_LEN(hop_opt_table),
    .opts_bytes = sizeof(struct hop_opts),
    .state_bytes = sizeof(struct hop),
    .memo_bytes = zo_stage_memo_bytes,
    .init = hop_init,
    .ask = hop_ask,
    .tell = hop_tell,
    .snapshot = hop_snapshot,
    .fini = hop_fini,
};
