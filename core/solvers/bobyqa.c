/* BOBYQA: quadratic models in a box, without derivatives. A model through 2n+1 points (bobyqa/model.h) is minimized
 * within a radius; each value replaces the point that serves the model least. When steps fail the points are bettered
 * first, and only then the radius is made smaller.
 * Oracle: value; noise is met by starting the model anew, wider, around the best point.  Space: a box of reals, at most
 * 300.  Batch: the first 2n+1 points of a run at once, later points that better the model beside each step.
 * Cost: O(n^2) an evaluation.
 * A run starts at the problem's own point, else at the best one told before the first ask, else at the centre. When it
 * has converged the next starts at a point that others told, if it is the best, else at random, twice as wide.
 * A point without a value counts as a bad one. Departures: the start stays where it is (near a bound the steps adapt),
 * and where the inverse has lost its digits the model is made anew of 2n more points around the best.
 * Sources: "The BOBYQA algorithm for bound constrained optimization without derivatives", Powell, DAMTP 2009/NA06; the
 *          order of the decisions: "PRIMA: Reference Implementation for Powell's Methods", Zhang, arXiv:2302.13246;
 *          restarts under noise: "Improving the Flexibility and Robustness of Model-Based Derivative-Free Optimization
 *          Solvers", Cartis, Fiala, Marteau, Roberts, ACM TOMS 45(3), 2019, doi:10.1145/3338517. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "bobyqa/design.h"
#include "bobyqa/exchange.h"
#include "bobyqa/geometry.h"
#include "bobyqa/inverse.h"
#include "bobyqa/noise.h"
#include "bobyqa/radius.h"
#include "stage/stage.h"

enum { MOST_DIMS = 300, MOST_SPARE = 1024, ROUNDS = 500, FAILURES = 10 /* a dimension */, REBUILDS = 3, FRUITLESS = 2 };

typedef enum { RESTARTS_RANDOM, RESTARTS_NONE } restarts;
static const char *const restart_rules[] = {"random", "none", NULL};

struct bobyqa_opts {
    double rho_begin, rho_end, eta1, eta2, gamma1, gamma2;
    uint32_t restarts;
};
static const zo_opt bobyqa_opt_table[] = {
    ZO_OPT_F64(
        struct bobyqa_opts, rho_begin, 0.1, 1e-6, 0.5,
        "radius of the first run, in widths of the (scaled) box; a run from a random point begins with twice that"),
    ZO_OPT_F64(struct bobyqa_opts, rho_end, 1e-8, 1e-12, 0.1, "radius that ends a run, in widths of the (scaled) box"),
    ZO_OPT_F64(struct bobyqa_opts, eta1, 0.1, 0.0, 0.5, "share of the expected gain below which the radius shrinks"),
    ZO_OPT_F64(struct bobyqa_opts, eta2, 0.7, 0.0, 1.0, "share of the expected gain above which the radius grows"),
    ZO_OPT_F64(struct bobyqa_opts, gamma1, 0.5, 0.1, 0.9, "factor of the radius that shrinks"),
    ZO_OPT_F64(struct bobyqa_opts, gamma2, 2.0, 1.0, 10.0, "factor of the step's length, for a radius that grows"),
    ZO_OPT_ENUM(struct bobyqa_opts, restarts, RESTARTS_RANDOM, restart_rules,
                "what follows a run that has come to its end: one from a random point, or nothing"),
};

enum { LABEL_DESIGN, LABEL_TRUST, LABEL_GEOMETRY, LABEL_REPEAT, LABEL_SPARE };
static const char *const labels[] = {"design", "trust-region", "geometry", "repeat", "speculative"};

/* What the open stage is for. */
typedef enum { PHASE_NEW, PHASE_DESIGN, PHASE_TRUST, PHASE_GEOMETRY, PHASE_LAST, N_PHASES } phase;
static const char *const phases[N_PHASES] = {"new", "design", "trust-region", "geometry", "last step"};

typedef enum { END_NOT, END_CONVERGED, END_STUCK, END_NOISE, END_NOTHING, END_NO_VALUE, END_STALLED, N_ENDS } end;
static const char *const ends[N_ENDS] = {
    NULL,
    "converged",
    "the points no longer determine a model",
    "noise hides any further gain",
    "nothing to search",
    "no point of the start has a value",
    "no point has a value",
};

struct bobyqa {
    const zo_problem *p;
    struct bobyqa_opts o;
    bobyqa_rates rates;
    bool noisy;
    size_t n, m, n_spare; /* dimensions; points of the model; speculative ones of a stage */
    zo_stage stage;
    bobyqa_model q;
    bobyqa_trust t;
    bobyqa_geometry g;
    bobyqa_radius r;
    double *start;          /* [n] of this run */
    double *noted, noted_f; /* [n] the best point of others that no run began at; +inf: none */
    double first_f;         /* value of the problem's own point, if told before the first ask; NaN: it was not */
    double *d;              /* [n] scratch */
    double *late, *late_f;  /* [n_spare][n], [n_spare] own points whose stage was over when they came */
    size_t n_late;
    double best;  /* own value */
    double began; /* value at the start of the model: what a run under noise has gained */
    bobyqa_noise noise;
    uint64_t phase, ended, run;
    uint64_t dropping;    /* geometry: the point that goes */
    uint64_t n_misled;    /* poor steps in a row of a model that its memory misleads */
    uint64_t n_rebuilt;   /* models made anew since a step succeeded */
    uint64_t n_fruitless; /* wider starts under noise without gain */
};

/* ---- set-up ---- */

static zo_status allocate(struct bobyqa *s, zo_error *err)
{
    const size_t n = s->n, m = s->m;
    zo_status rc;

    if ((rc = zo_stage_init(&s->stage, s->p, m + 1 + s->n_spare, "bobyqa", labels, ZO_LEN(labels), err)) != ZO_OK ||
        (rc = zo_bobyqa_model_init(&s->q, n, err)) != ZO_OK || (rc = zo_bobyqa_trust_init(&s->t, n, err)) != ZO_OK ||
        (rc = zo_bobyqa_geometry_init(&s->g, n, err)) != ZO_OK)
        return rc;
    s->start = zo_calloc(n, sizeof *s->start);
    s->noted = zo_calloc(n, sizeof *s->noted);
    s->d = zo_calloc(n, sizeof *s->d);
    s->late = zo_calloc(s->n_spare, n * sizeof *s->late);
    s->late_f = zo_calloc(s->n_spare, sizeof *s->late_f);
    return s->start && s->noted && s->d && s->late && s->late_f ? ZO_OK : zo_fail_nomem(err);
}

static zo_status bobyqa_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct bobyqa *s = self;

    (void)rng;
    s->p = p;
    s->o = *(const struct bobyqa_opts *)opts;
    s->rates = (bobyqa_rates){s->o.eta1, s->o.eta2, s->o.gamma1, s->o.gamma2};
    s->n = p->n;
    s->m = 2 * p->n + 1;
    s->noisy = p->noise == ZO_NOISE_EXPECTED;
    s->n_spare = p->parallelism <= 1 ? 0 : p->parallelism - 1 < MOST_SPARE ? p->parallelism - 1 : MOST_SPARE;
    if (p->n > MOST_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "bobyqa is limited to %d dimensions; this space has %zu",
                       (int)MOST_DIMS, p->n);
    if (s->o.rho_end > s->o.rho_begin)
        return zo_fail(err, ZO_EINVAL, "/rho_end", "option 'rho_end' is %g; it must not exceed 'rho_begin', %g",
                       s->o.rho_end, s->o.rho_begin);
    if (s->o.eta1 > s->o.eta2)
        return zo_fail(err, ZO_EINVAL, "/eta1", "option 'eta1' is %g; it must not exceed 'eta2', %g", s->o.eta1,
                       s->o.eta2);
    s->noted_f = s->best = s->began = INFINITY;
    s->first_f = NAN;
    zo_bobyqa_radius_start(&s->r, s->o.rho_begin, s->o.rho_end);
    return allocate(s, err);
}

static void bobyqa_fini(void *self)
{
    struct bobyqa *s = self;

    zo_stage_fini(&s->stage);
    zo_bobyqa_model_fini(&s->q);
    zo_bobyqa_trust_fini(&s->t);
    zo_bobyqa_geometry_fini(&s->g);
    zo_free(s->start);
    zo_free(s->noted);
    zo_free(s->d);
    zo_free(s->late);
    zo_free(s->late_f);
}

/* ---- a run begins ---- */

/* The value at x is known: answer its slot. */
static void answer(struct bobyqa *s, const double *x, double f)
{
    zo_stage_tell(&s->stage, &(zo_told){.outcome = ZO_TOLD_COMPLETE, .has_values = true, .x = x, .f = &f});
}

/* The point of the model that a slot of the design is for: 0 is the start. The engine itself hands out the start that
 * the space declares; it stands last in the first run, to be answered by that trial. */
static size_t design_point(const struct bobyqa *s, size_t slot)
{
    return s->run > 0 || s->p->x0 == NULL ? slot : (slot + 1) % s->m;
}

/* A stage of points around start, delta apart. f: its value; NaN if it is not known. Under noise it is evaluated twice:
 * the difference tells the noise. */
static void begin_design(struct bobyqa *s, double f)
{
    s->phase = PHASE_DESIGN;
    s->n_misled = 0;
    s->n_late = 0;
    zo_stage_begin(&s->stage);
    for (size_t slot = 0; slot < s->m; slot++) {
        const size_t k = design_point(s, slot), i = k > s->n ? k - s->n : k;
        memcpy(s->d, s->start, s->n * sizeof *s->d);
        if (k > 0)
            s->d[i - 1] += zo_bobyqa_axis_step(s->start[i - 1], s->r.delta, k > s->n);
        zo_stage_add(&s->stage, s->d, LABEL_DESIGN, NAN);
    }
    if (s->noisy)
        zo_stage_add(&s->stage, s->start, LABEL_REPEAT, NAN);
    if (!isnan(f))
        answer(s, s->start, f);
}

static void begin_first_run(struct bobyqa *s)
{
    double f = NAN;

    if (s->p->x0 != NULL) {
        memcpy(s->start, s->p->x0, s->n * sizeof *s->start);
        f = s->first_f;
    } else if (isfinite(s->noted_f)) {
        memcpy(s->start, s->noted, s->n * sizeof *s->start);
        f = s->noted_f;
        s->noted_f = INFINITY;
    } else {
        for (size_t i = 0; i < s->n; i++)
            s->start[i] = 0.5;
    }
    begin_design(s, f);
}

static void stop(struct bobyqa *s, end why)
{
    s->ended = why;
}

/* The next run, if there is to be one. It draws from a stream of its own, so that it does not matter which trial ended
 * the last. */
static void end_run(struct bobyqa *s, end why)
{
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, ++s->run);
    double f = NAN;

    if (s->o.restarts == RESTARTS_NONE) {
        stop(s, why);
        return;
    }
    if (s->noted_f < s->best) {
        memcpy(s->start, s->noted, s->n * sizeof *s->start);
        f = s->noted_f;
    } else {
        for (size_t i = 0; i < s->n; i++)
            s->start[i] = zo_rng_uniform(&rng);
    }
    s->noted_f = INFINITY;
    s->n_rebuilt = s->n_fruitless = 0;
    s->began = INFINITY;
    zo_bobyqa_radius_start(&s->r, fmin(0.5, 2 * s->o.rho_begin), s->o.rho_end);
    begin_design(s, f);
}

/* The model is of no use any more: anew, around x. */
static void rebuild(struct bobyqa *s, const double *x, double f)
{
    if (++s->n_rebuilt >= REBUILDS) {
        end_run(s, END_STUCK);
        return;
    }
    memmove(s->start, x, s->n * sizeof *s->start);
    zo_bobyqa_radius_start(&s->r, s->r.delta, s->o.rho_end);
    begin_design(s, f);
}

/* ---- points come in ---- */

static double fbest(const struct bobyqa *s)
{
    return s->q.f[s->q.best];
}

static void subtract(const struct bobyqa *s, const double *x, double *d)
{
    const double *best = zo_bobyqa_best(&s->q);

    for (size_t j = 0; j < s->n; j++)
        d[j] = x[j] - best[j];
}

static double length_of(const double *d, size_t n)
{
    double square = 0;

    for (size_t j = 0; j < n; j++)
        square += d[j] * d[j];
    return sqrt(square);
}

/* Three poor steps in a row, while memory misleads the model. */
static void try_forgetting(struct bobyqa *s, double ratio)
{
    s->n_misled = ratio <= 0.01 && zo_bobyqa_memory_misleads(&s->q) ? s->n_misled + 1 : 0;
    if (s->n_misled < 3)
        return;
    zo_bobyqa_forget(&s->q);
    s->n_misled = 0;
}

static void absorb_all(struct bobyqa *s)
{
    const stage_slots *now = &s->stage.now;

    for (size_t i = now->n_wanted; i < now->size; i++)
        if (now->state[i] == STAGE_VALUED)
            zo_bobyqa_absorb(&s->q, now->x + i * s->n, zo_bobyqa_tame(now->f[i]), s->r.rho);
    for (size_t i = 0; i < s->n_late; i++)
        zo_bobyqa_absorb(&s->q, s->late + i * s->n, zo_bobyqa_tame(s->late_f[i]), s->r.rho);
    s->n_late = 0;
}

/* ---- what to do next ---- */

static void ask_for(struct bobyqa *s, phase what, const double *x, uint32_t label, double predicted)
{
    s->phase = what;
    zo_stage_begin(&s->stage);
    zo_stage_add(&s->stage, x, label, predicted);
}

/* How far from the best a point that betters the geometry may be, in place of one at this distance. */
static double geometry_radius(const bobyqa_radius *r, double distance)
{
    return fmax(fmin(0.1 * distance, r->delta), r->rho);
}

static void ask_geometry(struct bobyqa *s, size_t k, double distance)
{
    zo_bobyqa_geometry_step(&s->g, &s->q, k, geometry_radius(&s->r, distance));
    if (!(s->q.divisor[k] > 0.5 * s->q.lagrange[k] * s->q.lagrange[k])) {
        rebuild(s, zo_bobyqa_best(&s->q), fbest(s));
        return;
    }
    s->dropping = k;
    subtract(s, s->g.x, s->d);
    ask_for(s, PHASE_GEOMETRY, s->g.x, LABEL_GEOMETRY, fbest(s) + zo_bobyqa_change(&s->q, s->d));
}

/* Smaller radii would model the noise: the same again, wider, around the best, unless that brought nothing twice. */
static void widen(struct bobyqa *s)
{
    s->n_fruitless = s->began - fbest(s) > 2 * zo_bobyqa_noise_sigma(&s->noise) ? 0 : s->n_fruitless + 1;
    if (s->n_fruitless > FRUITLESS) {
        end_run(s, END_NOISE);
        return;
    }
    memcpy(s->start, zo_bobyqa_best(&s->q), s->n * sizeof *s->start);
    zo_bobyqa_radius_start(&s->r, s->o.rho_begin, s->o.rho_end);
    begin_design(s, NAN);
}

/* The step that was judged last. */
struct step {
    bool evaluated, dropped; /* else it was too short, or promised nothing; a point of the model made room for it */
    double ratio, length;
    bool is_short;
};

/* Better the points, or make rho smaller. True if that made a stage, or ended the run. */
static bool decide(struct bobyqa *s, struct step step)
{
    double distance;
    const size_t far = zo_bobyqa_farthest(&s->q, 0, &distance);
    const double delta = s->r.delta, rho = s->r.rho;
    const bool close = distance <= fmax(delta, 10 * rho);
    const bool adequate = close || (step.is_short && zo_bobyqa_radius_is_accurate(&s->r, &s->t, &s->q));
    const bool failed = !step.evaluated || !step.dropped;

    if (!adequate && (failed || step.ratio <= s->o.eta1)) {
        ask_geometry(s, far, distance);
        return true;
    }
    if (!adequate || !(failed || step.ratio <= 0) || fmax(delta, step.length) > rho)
        return false;
    if (s->noisy && zo_bobyqa_noise_hides(&s->noise, &s->q, rho)) {
        widen(s);
        return true;
    }
    if (zo_bobyqa_radius_reduce(&s->r))
        return false;
    if (!step.evaluated && step.length > 0.1 * rho)
        ask_for(s, PHASE_LAST, s->t.x, LABEL_TRUST, fbest(s) - s->t.gain);
    else
        end_run(s, END_CONVERGED);
    return true;
}

static void rebase_if_far(struct bobyqa *s)
{
    const double *z = s->q.z + s->q.best * s->n, far = length_of(z, s->n);

    if (far * far >= 1e3 * s->r.delta * s->r.delta)
        zo_bobyqa_rebase(&s->q);
}

/* Go on until a point is wanted. */
static void next_stage(struct bobyqa *s)
{
    for (int round = 0; round < ROUNDS; round++) {
        rebase_if_far(s);
        zo_bobyqa_trust_step(&s->t, &s->q, s->r.delta);
        struct step step = {.length = fmin(s->r.delta, s->t.length)};
        step.is_short = step.length <= 0.5 * s->r.rho;
        if (!step.is_short && s->t.gain > 0) {
            ask_for(s, PHASE_TRUST, s->t.x, LABEL_TRUST, fbest(s) - s->t.gain);
            return;
        }
        zo_bobyqa_radius_shrink(&s->r);
        if (decide(s, step))
            return;
    }
    end_run(s, END_STUCK);
}

/* ---- a stage is complete ---- */

/* The start was evaluated twice. */
static void take_repeat(struct bobyqa *s, double f)
{
    double *first = s->q.f;

    if (!isfinite(f) || !isfinite(*first))
        return;
    const double half = 0.5 * (zo_bobyqa_tame(*first) - zo_bobyqa_tame(f));
    zo_bobyqa_noise_add(&s->noise, 2 * half * half);
    *first = 0.5 * *first + 0.5 * f;
}

static void take_design(struct bobyqa *s)
{
    for (size_t slot = 0; slot < s->m; slot++) {
        const size_t k = design_point(s, slot);
        memcpy(s->q.x + k * s->n, zo_stage_x(&s->stage, slot), s->n * sizeof *s->q.x);
        s->q.f[k] = zo_stage_f(&s->stage, slot);
    }
    if (s->noisy)
        take_repeat(s, zo_stage_f(&s->stage, s->m));
    if (!zo_bobyqa_take_design(&s->q)) {
        if (s->stage.n_failed > FAILURES * (s->n + 1))
            stop(s, END_STALLED);
        else
            end_run(s, END_NO_VALUE);
        return;
    }
    s->began = fbest(s);
    absorb_all(s);
    if (zo_bobyqa_is_sound(&s->q))
        next_stage(s);
    else
        rebuild(s, zo_bobyqa_best(&s->q), fbest(s));
}

/* The answer to the only wanted point. */
struct answer {
    const double *x;
    double f, surprise, gain, length; /* gain: what the model said */
    bool bad, better;
};

static struct answer answer_of(struct bobyqa *s)
{
    struct answer a = {.x = zo_stage_x(&s->stage, 0), .f = zo_stage_f(&s->stage, 0)};

    a.bad = !isfinite(a.f);
    a.f = a.bad ? zo_bobyqa_stand_in(&s->q) : zo_bobyqa_tame(a.f);
    a.better = !a.bad && a.f < fbest(s);
    subtract(s, a.x, s->d);
    a.length = length_of(s->d, s->n);
    a.gain = -zo_bobyqa_change(&s->q, s->d);
    a.surprise = a.f - fbest(s) + a.gain;
    return a;
}

static void take_trust(struct bobyqa *s)
{
    const struct answer a = answer_of(s);
    struct step step = {.evaluated = true, .length = fmin(s->r.delta, a.length)};
    const double gained = fbest(s) - a.f;

    step.ratio = a.gain > 0 ? gained / a.gain : gained > 0 ? 1 : -1;
    zo_bobyqa_radius_note(&s->r, step.length, a.surprise);
    zo_bobyqa_radius_judge(&s->r, &s->rates, step.length, step.ratio);
    zo_bobyqa_lagrange(&s->q, a.x);
    const size_t k = zo_bobyqa_choose_drop(&s->q, a.x, a.better, s->r.rho);
    if (a.better && (k == s->m || !zo_bobyqa_is_safe(&s->q))) {
        rebuild(s, a.x, a.f);
        return;
    }
    step.dropped = k < s->m;
    if (step.dropped) {
        zo_bobyqa_replace(&s->q, k, a.x, a.f, a.bad, a.surprise);
        try_forgetting(s, step.ratio);
    }
    s->n_rebuilt = a.better ? 0 : s->n_rebuilt;
    absorb_all(s);
    if (!zo_bobyqa_is_sound(&s->q))
        rebuild(s, zo_bobyqa_best(&s->q), fbest(s));
    else if (!decide(s, step))
        next_stage(s);
}

static void take_geometry(struct bobyqa *s)
{
    const struct answer a = answer_of(s);

    zo_bobyqa_radius_note(&s->r, a.length, a.surprise);
    zo_bobyqa_lagrange(&s->q, a.x);
    if (s->q.divisor[s->dropping] > 0)
        zo_bobyqa_replace(&s->q, (size_t)s->dropping, a.x, a.f, a.bad, a.surprise);
    absorb_all(s);
    if (zo_bobyqa_is_sound(&s->q))
        next_stage(s);
    else
        rebuild(s, zo_bobyqa_best(&s->q), fbest(s));
}

static void advance(struct bobyqa *s)
{
    switch ((phase)s->phase) {
    case PHASE_DESIGN:
        take_design(s);
        break;
    case PHASE_TRUST:
        take_trust(s);
        break;
    case PHASE_GEOMETRY:
        take_geometry(s);
        break;
    case PHASE_LAST:
        end_run(s, END_CONVERGED);
        break;
    case PHASE_NEW:
    case N_PHASES:
        break;
    }
}

/* ---- tell ---- */

/* A point of others: perhaps where the next run begins. */
static void note(struct bobyqa *s, const zo_told *t)
{
    if (s->phase == PHASE_NEW && s->p->x0 != NULL && memcmp(t->x, s->p->x0, s->n * sizeof *t->x) == 0)
        s->first_f = t->f[0];
    if (t->f[0] < s->noted_f && t->f[0] < s->best) {
        s->noted_f = t->f[0];
        memcpy(s->noted, t->x, s->n * sizeof *s->noted);
    }
}

static void keep_late(struct bobyqa *s, const zo_told *t)
{
    if (s->n_late == s->n_spare || s->phase == PHASE_NEW)
        return;
    memcpy(s->late + s->n_late * s->n, t->x, s->n * sizeof *s->late);
    s->late_f[s->n_late++] = t->f[0];
}

static zo_status bobyqa_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct bobyqa *s = self;
    const size_t slot = zo_stage_tell(&s->stage, t);

    (void)rng;
    (void)err;
    if (s->ended || t->outcome == ZO_TOLD_ABANDONED)
        return ZO_OK;
    if (s->n == 0) {
        stop(s, END_NOTHING);
        return ZO_OK;
    }
    if (zo_told_is_valued(t)) {
        if (slot == STAGE_NONE && !t->own)
            note(s, t);
        else if (slot == STAGE_NONE)
            keep_late(s, t);
        else
            s->best = fmin(s->best, t->f[0]);
        if (t->f_stderr != NULL)
            zo_bobyqa_noise_add(&s->noise, t->f_stderr[0] * t->f_stderr[0]);
    }
    for (int round = 0; round < ROUNDS && !s->ended && zo_stage_is_complete(&s->stage); round++)
        advance(s);
    if (!s->ended && zo_stage_is_complete(&s->stage))
        stop(s, END_STUCK);
    return ZO_OK;
}

/* ---- ask ---- */

/* A point for a worker that would be idle: one that betters the geometry, as long as there are any; then one by chance,
 * as near as the next step. */
static bool speculate(struct bobyqa *s, zo_rng *rng)
{
    const size_t done = s->stage.now.size - s->stage.now.n_wanted, j = done + (s->phase == PHASE_GEOMETRY);
    const bool has_model = s->phase != PHASE_DESIGN;
    double distance = 0;

    if (has_model && j + 1 < s->m) {
        const size_t k = zo_bobyqa_farthest(&s->q, j, &distance);
        zo_bobyqa_geometry_step(&s->g, &s->q, k, geometry_radius(&s->r, distance));
        subtract(s, s->g.x, s->d);
        if (s->q.divisor[k] > 0 && !zo_stage_knows(&s->stage, s->g.x))
            return zo_stage_speculate(&s->stage, s->g.x, LABEL_SPARE, fbest(s) + zo_bobyqa_change(&s->q, s->d));
    }
    const double *center = has_model ? zo_bobyqa_best(&s->q) : s->start;
    for (size_t i = 0; i < s->n; i++)
        s->d[i] = zo_clip(center[i] + s->r.delta * (2 * zo_rng_uniform(rng) - 1), 0, 1);
    return !zo_stage_knows(&s->stage, s->d) && zo_stage_speculate(&s->stage, s->d, LABEL_SPARE, NAN);
}

static zo_status bobyqa_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct bobyqa *s = self;

    (void)err;
    if (s->ended) {
        p->verdict = s->ended == END_STALLED ? ZO_ASK_STALLED : ZO_ASK_DONE;
        p->why = ends[s->ended];
        return ZO_OK;
    }
    if (s->phase == PHASE_NEW)
        begin_first_run(s);
    if (zo_stage_ask(&s->stage, p))
        return ZO_OK;
    const bool room = s->n > 0 && s->stage.now.size < s->stage.now.n_wanted + s->n_spare;
    if (!room || !speculate(s, rng) || !zo_stage_ask(&s->stage, p))
        p->verdict = ZO_ASK_WAIT;
    return ZO_OK;
}

/* ---- what it is doing; saving it ---- */

static zo_status fact(zo_bundle *facts, zo_error *err, const char *key, const char *format, double x)
{
    char text[40];

    snprintf(text, sizeof text, format, x);
    return zo_bundle_set_meta(facts, key, text, err);
}

static zo_status bobyqa_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct bobyqa *s = self;
    zo_status rc;

    if ((rc = zo_bundle_set_meta(facts, "phase", s->ended ? ends[s->ended] : phases[s->phase], err)) != ZO_OK ||
        (rc = fact(facts, err, "restarts", "%.0f", (double)s->run)) != ZO_OK ||
        (rc = fact(facts, err, "delta", "%.6g", s->r.delta)) != ZO_OK ||
        (rc = fact(facts, err, "rho", "%.6g", s->r.rho)) != ZO_OK)
        return rc;
    return s->noise.n > 0 ? fact(facts, err, "noise", "%.6g", zo_bobyqa_noise_sigma(&s->noise)) : ZO_OK;
}

static void bobyqa_snapshot(void *self, zo_visit *v)
{
    struct bobyqa *s = self;
    uint64_t *const counts[] = {&s->phase,    &s->ended,     &s->run,        &s->dropping,
                                &s->n_misled, &s->n_rebuilt, &s->n_fruitless};
    uint64_t values[ZO_LEN(counts)];

    for (size_t i = 0; i < ZO_LEN(counts); i++)
        values[i] = *counts[i];
    zo_visit_u64(v, "counts", values, ZO_LEN(counts));
    for (size_t i = 0; i < ZO_LEN(counts) && v->loading && v->status == ZO_OK; i++)
        *counts[i] = values[i];
    zo_visit_require(v, "counts", s->phase < N_PHASES && s->ended < N_ENDS && s->dropping < s->m);
    zo_stage_visit(&s->stage, v);
    zo_bobyqa_model_visit(&s->q, v);
    zo_bobyqa_radius_visit(&s->r, v);
    zo_visit_f64_within(v, "start", s->start, s->n, 0, 1);
    zo_visit_f64_within(v, "noted", s->noted, s->n, 0, 1);
    zo_visit_f64_within(v, "noted_f", &s->noted_f, 1, -DBL_MAX, INFINITY);
    zo_visit_f64(v, "first_f", &s->first_f, 1);
    zo_visit_f64_within(v, "own_best", &s->best, 1, -DBL_MAX, INFINITY);
    zo_visit_f64_within(v, "began", &s->began, 1, -DBL_MAX, INFINITY);
    zo_bobyqa_noise_visit(&s->noise, v);
    zo_visit_count(v, "n_late", &s->n_late, s->n_spare);
    zo_visit_f64_within(v, "late", s->late, s->n_late * s->n, 0, 1);
    zo_visit_f64_within(v, "late_f", s->late_f, s->n_late, -DBL_MAX, DBL_MAX);
}

const zo_solver zo_solver_bobyqa = {
    .name = "bobyqa",
    .version = 1,
    .summary = "quadratic models in a trust region, from few values; smooth objectives, from a given start",
    .reference =
        "Powell, The BOBYQA algorithm for bound constrained optimization without derivatives, DAMTP 2009/NA06; "
        "Zhang, PRIMA, arXiv:2302.13246",
    .oracles = ZO_ORACLE_VALUE,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .complexity = "O(n^2) an evaluation; memory O(n^2)",
    .advice =
        "few evaluations of a smooth objective from a given start, n <= 300; quasi-newton is better from many starts",
    .cost = ZO_COST_CHEAP,
    .opts = bobyqa_opt_table,
    .n_opts = ZO_LEN(bobyqa_opt_table),
    .opts_bytes = sizeof(struct bobyqa_opts),
    .state_bytes = sizeof(struct bobyqa),
    .memo_bytes = zo_stage_memo_bytes,
    .init = bobyqa_init,
    .ask = bobyqa_ask,
    .tell = bobyqa_tell,
    .snapshot = bobyqa_snapshot,
    .describe = bobyqa_describe,
    .fini = bobyqa_fini,
};
