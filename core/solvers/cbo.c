/* Consensus-based optimization: particles drift toward their consensus, a mean that weighs the better ones more, and
 * scatter by as much as they are away from it.
 * Step: d = x - c; x <- clip(x - lambda dt d + sigma sqrt(dt) N), N = |d| xi / sqrt(n) or d xi componentwise, xi
 * normal. Oracle: value, may be noisy.  Space: reals.  Batch: all particles of a step.  Cost: O(n) an evaluation.
 * Weights exp(-alpha f); by default alpha is chosen at each step so that a share of the particles has a say, and so the
 * method does not depend on the scale of f. A better point from outside takes the place of the worst particle. When all
 * agree the particles start anew.
 * Departures: the isotropic noise is divided by sqrt(n), so that sigma means the same in all dimensions.
 * Source: "Gradient is All You Need?", Riedl, Klock, Geldhauser and Fornasier, arXiv:2306.09778; "A consensus-based
 * model for global optimization", Pinnau, Totzeck, Tse and Martin, M3AS 27(1), 2017, doi:10.1142/S0218202517400061. */
#include <math.h>
#include <string.h>

#include "consensus/swarm.h"

typedef enum { NOISE_ANISOTROPIC, NOISE_ISOTROPIC, NOISE_NONE } noise_kind;
static const char *const noises[] = {"anisotropic", "isotropic", "none", NULL};
typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};
static const char *const labels[] = {"particle"};

struct cbo_opts {
    uint64_t particles;
    double dt, lambda, sigma, sigma_decay, share, alpha, tolerance;
    uint32_t noise, restarts;
};
static const zo_opt cbo_opt_table[] = {
    ZO_OPT_U64(struct cbo_opts, particles, 0, 0, 10000, "particles, at least 2; 0: 10 + 2 sqrt(n)"),
    ZO_OPT_F64(struct cbo_opts, dt, 1, 1e-4, 1, "time step"),
    ZO_OPT_F64(struct cbo_opts, lambda, 1, 0, 10, "drift toward the consensus in a unit of time"),
    ZO_OPT_F64(struct cbo_opts, sigma, 1.2, 0, 100, "scatter in a unit of time, in distances from the consensus"),
    ZO_OPT_F64(struct cbo_opts, sigma_decay, 1, 0.5, 1, "factor of sigma at every step"),
    ZO_OPT_ENUM(struct cbo_opts, noise, NOISE_ANISOTROPIC, noises,
                "scatter by the distance along each axis, by the whole distance, or none"),
    ZO_OPT_F64(struct cbo_opts, share, 0.2, 0, 1, "share of the particles that has a say; 0: by alpha"),
    ZO_OPT_F64(struct cbo_opts, alpha, 1e5, 1e-5, 1e15, "weight exponent, in units of the value, with a share of 0"),
    ZO_OPT_F64(struct cbo_opts, tolerance, 1e-9, 0, 1,
               "mean distance from the consensus at which they agree, in widths of the box"),
    ZO_OPT_ENUM(struct cbo_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows when they agree: a new start, or nothing"),
};

struct cbo {
    swarm swarm; /* first */
    struct cbo_opts o;
    double sigma;
};

static zo_status cbo_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct cbo *s = self;

    (void)rng;
    s->o = *(const struct cbo_opts *)opts;
    s->sigma = s->o.sigma;
    if (s->o.particles == 1)
        return zo_fail(err, ZO_EINVAL, "/particles", "option 'particles' is 1; it must be 0 or at least 2");
    return swarm_init(&s->swarm, p, s->o.particles, "cbo", labels, err);
}

/* Anywhere, but for one at the default point or the best known one. */
static void start(void *self)
{
    struct cbo *s = self;
    swarm *q = &s->swarm;
    zo_rng rng = zo_rng_make(q->p->seed, ZO_PURPOSE_INIT, UINT64_MAX - q->run);

    for (size_t i = 0; i < q->size * q->n; i++)
        q->x[i] = zo_rng_uniform(&rng);
    if (!q->begun && (q->p->x0 || isfinite(q->guest_f)))
        memcpy(q->x, q->p->x0 ? q->p->x0 : q->guest, q->n * sizeof *q->x);
    q->begun = 1;
    q->run++;
    s->sigma = s->o.sigma;
    swarm_emit(q);
}

static zo_status cbo_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct cbo *s = self;

    (void)rng;
    (void)err;
    if (!s->swarm.begun)
        start(s);
    swarm_ask(&s->swarm, p);
    return ZO_OK;
}

/* One particle's step; returns how far it was from the consensus. */
static double move(struct cbo *s, double *x, zo_rng *rng)
{
    const swarm *q = &s->swarm;
    const double scale = s->sigma * sqrt(s->o.dt);
    double square = 0;

    for (size_t j = 0; j < q->n; j++)
        square += (x[j] - q->c[j]) * (x[j] - q->c[j]);
    const double whole = sqrt(square / (double)q->n);
    for (size_t j = 0; j < q->n; j++) {
        const double d = x[j] - q->c[j];
        const double reach = s->o.noise == NOISE_ANISOTROPIC ? d : s->o.noise == NOISE_ISOTROPIC ? whole : 0;
        x[j] = zo_clip(x[j] - s->o.lambda * s->o.dt * d + scale * reach * zo_rng_normal(rng), 0, 1);
    }
    return whole;
}

static void step(void *self)
{
    struct cbo *s = self;
    swarm *q = &s->swarm;
    zo_rng rng = swarm_rng(q);
    double spread = 0;

    if (swarm_agree(q, s->o.alpha, s->o.share)) {
        for (size_t i = 0; i < q->size; i++)
            spread += move(s, q->x + i * q->n, &rng);
        s->sigma *= s->o.sigma_decay;
        if (spread <= s->o.tolerance * (double)q->size) {
            q->over = s->o.restarts == RESTARTS_NONE;
            start(s);
            return;
        }
    } else {
        for (size_t i = 0; i < q->size * q->n; i++)
            q->x[i] = zo_rng_uniform(&rng); /* nothing has a value here */
    }
    swarm_emit(q);
}

static zo_status cbo_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct cbo *s = self;

    (void)rng;
    (void)err;
    swarm_tell(&s->swarm, t, step, start, s);
    return ZO_OK;
}

static void cbo_snapshot(void *self, zo_visit *v)
{
    struct cbo *s = self;

    zo_visit_f64_within(v, "sigma", &s->sigma, 1, 0, 100);
    swarm_visit(&s->swarm, v);
}

static void cbo_fini(void *self)
{
    swarm_fini(&((struct cbo *)self)->swarm);
}

const zo_solver zo_solver_cbo = {
    .name = "cbo",
    .version = 1,
    .summary = "consensus-based optimization: particles that drift to a weighted mean and scatter around it",
    .reference = "Riedl, Klock, Geldhauser and Fornasier, Gradient is All You Need?, arXiv:2306.09778",
    .complexity = "O(n) a trial; memory O(n) a particle",
    .advice = "many workers and many trials on rough, noisy functions",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = cbo_opt_table,
    .n_opts = ZO_LEN(cbo_opt_table),
    .opts_bytes = sizeof(struct cbo_opts),
    .state_bytes = sizeof(struct cbo),
    .memo_bytes = zo_stage_memo_bytes,
    .init = cbo_init,
    .ask = cbo_ask,
    .tell = cbo_tell,
    .snapshot = cbo_snapshot,
    .fini = cbo_fini,
};
