/* Mirror descent: gradient steps in a curved geometry, where a step multiplies instead of adding and so never crosses a
 * wall or a sign. Step: theta <- theta - r g, where theta = grad phi(y) and phi says which geometry:
 *   box       y = u, sum u ln u + (1 - u) ln(1 - u): theta is the logit; both walls are far away
 *   positive  y = u, sum u ln u - u: u_i <- u_i exp(-r g_i), the exponentiated gradient; up to the upper wall
 *   simplex   the same, and then all are scaled so that their sum stays the mass
 *   signed    y = u - 1/2: y_i <- y_i exp(-r sign(y_i) g_i); a sign is kept for good
 *   pair      y = u - 1/2 = a - b: a <- a exp(-r g), b <- b exp(r g) with a b = (soft / 2)^2: y = soft sinh(theta)
 * u is the unit cube's coordinate, so that the middle of a box from -h to h is the zero of the last two.
 * Rates: halved until the value falls enough and doubled after a step that did at once (armijo), the same for all steps
 * (fixed), or falling with the square root of the step (decay). A run that moves no more is followed by one elsewhere.
 * Oracle: gradient.  Space: reals.  Batch: the halved rates are tried beside the first.  Cost: O(n) a trial.
 * Guarantee: on the simplex, with gradients up to G in every entry, fixed rates and T steps of convex values, the mean
 * regret is at most ln(n) / (r T) + r G^2 / 2.
 * Sources: "Exponentiated gradient versus gradient descent for linear predictors", Kivinen and Warmuth, Information and
 *          Computation 132(1), 1997, doi:10.1006/inco.1996.2612; "Mirror descent and nonlinear projected subgradient
 *          methods for convex optimization", Beck and Teboulle, Operations Research Letters 31(3), 2003,
 *          doi:10.1016/S0167-6377(02)00231-6; pair: "Exponentiated Gradient Meets Gradient Descent", Ghai, Hazan and
 *          Singer, arXiv:1902.01903; signed: "Dale meets Langevin", Shetty et al., arXiv:2510.02730. */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "stage/stage.h"

enum { MAX_SIDE = 8, MAX_HALVED = 50 };
static const double deepest = -690;   /* of a logarithm: exp(deepest) is a number still */
static const double inside = 1e-3;    /* what a start keeps from the walls of a box */
static const double enough = 1e-4;    /* share of the predicted gain that a step must bring */
static const double first_move = 0.5; /* largest exponent of the first step */

typedef enum { GEOMETRY_BOX, GEOMETRY_POSITIVE, GEOMETRY_SIMPLEX, GEOMETRY_SIGNED, GEOMETRY_PAIR } geometry;
typedef enum { RULE_AUTO, RULE_ARMIJO, RULE_FIXED, RULE_DECAY } rate_rule;
static const char *const geometries[] = {"box", "positive", "simplex", "signed", "pair", NULL};
static const char *const rules[] = {"auto", "armijo", "fixed", "decay", NULL};
enum { LABEL_START, LABEL_STEP, LABEL_SHORTER };
static const char *const labels[] = {"start", "step", "shorter step"};

struct mirror_opts {
    uint32_t geometry, rule;
    double rate, max_move, mass, soft;
    uint64_t max_runs;
};
static const zo_opt mirror_opt_table[] = {
    ZO_OPT_ENUM(struct mirror_opts, geometry, GEOMETRY_BOX, geometries,
                "what steps multiply: the distance from both walls, from the lower wall, the same with a constant sum, "
                "the distance from the middle, or two parts whose difference that is"),
    ZO_OPT_ENUM(struct mirror_opts, rule, RULE_AUTO, rules,
                "rates by the values, fixed, or falling with the square root of the step; auto: armijo, or decay where "
                "noise is expected"),
    ZO_OPT_F64(struct mirror_opts, rate, 0, 0, 1e100,
               "first rate, exponent per slope along the box; 0: the largest exponent of the first step is 0.5"),
    ZO_OPT_F64(struct mirror_opts, max_move, 1, 1e-6, 100, "largest exponent of a step"),
    ZO_OPT_F64(struct mirror_opts, mass, 1, 1e-6, 1, "sum of the coordinates on the simplex, in widths of the box"),
    ZO_OPT_F64(struct mirror_opts, soft, 0.01, 1e-9, 1,
               "distance from the middle, in widths of the box, below which steps of a pair add rather than multiply"),
    ZO_OPT_U64(struct mirror_opts, max_runs, 0, 0, 1000000, "runs, each from a start of its own; 0: no limit"),
};

enum { PHASE_IDLE, PHASE_START, PHASE_STEP };
struct mirror {
    const zo_problem *p;
    struct mirror_opts o;
    zo_stage stage;
    double *theta, *x, *g; /* [n] where the run is: dual, point, gradient */
    double *trial, *dual;  /* [n] scratch: a candidate */
    double *sign;          /* [n] of y, in the geometry signed */
    double *best, best_f;  /* [n] the best point told before the first ask */
    double f, rate;        /* value at x; rate of the next step before it is halved */
    uint64_t phase, k, n_halved;
    uint64_t n_runs, n_failed; /* runs begun; told without a value in a row */
};

/* ---- the geometries ---- */

static bool has_middle(const struct mirror *s)
{
    return s->o.geometry == GEOMETRY_SIGNED || s->o.geometry == GEOMETRY_PAIR;
}

/* theta of coordinate u. */
static double to_dual(const struct mirror *s, double u)
{
    const double y = has_middle(s) ? u - 0.5 : u;

    switch ((geometry)s->o.geometry) {
    case GEOMETRY_BOX:
        return log(u / (1 - u));
    case GEOMETRY_POSITIVE:
    case GEOMETRY_SIMPLEX:
    case GEOMETRY_SIGNED:
        return y == 0 ? deepest : fmax(log(fabs(y)), deepest);
    case GEOMETRY_PAIR:
        return asinh(y / s->o.soft);
    }
    return 0;
}

/* The coordinate of theta, inside the cube. */
static double from_dual(const struct mirror *s, double theta, double sign)
{
    switch ((geometry)s->o.geometry) {
    case GEOMETRY_BOX:
        return 1 / (1 + exp(-theta));
    case GEOMETRY_POSITIVE:
    case GEOMETRY_SIMPLEX:
        return exp(theta);
    case GEOMETRY_SIGNED:
        return 0.5 + sign * exp(theta);
    case GEOMETRY_PAIR:
        return 0.5 + s->o.soft * sinh(theta);
    }
    return 0;
}

/* The bounds of theta: where the walls are, or where numbers end. */
static double clip_dual(const struct mirror *s, double theta)
{
    const double half = asinh(0.5 / s->o.soft);

    switch ((geometry)s->o.geometry) {
    case GEOMETRY_BOX:
        return zo_clip(theta, deepest, -deepest);
    case GEOMETRY_POSITIVE:
        return zo_clip(theta, deepest, 0);
    case GEOMETRY_SIMPLEX:
        return fmax(theta, deepest);
    case GEOMETRY_SIGNED:
        return zo_clip(theta, deepest, log(0.5));
    case GEOMETRY_PAIR:
        return zo_clip(theta, -half, half);
    }
    return 0;
}

/* theta shifted so that the sum of its exponentials is the mass. What has gone under stays there. */
static void onto_simplex(const struct mirror *s, double *theta)
{
    double most = deepest, sum = 0;

    for (size_t i = 0; i < s->p->n; i++)
        most = fmax(most, theta[i]);
    for (size_t i = 0; i < s->p->n; i++)
        sum += exp(theta[i] - most);
    for (size_t i = 0; i < s->p->n; i++)
        theta[i] = fmax(theta[i] - most - log(sum) + log(s->o.mass), deepest);
}

static void write_point(const struct mirror *s, const double *theta, double *x)
{
    for (size_t i = 0; i < s->p->n; i++)
        x[i] = zo_clip(from_dual(s, theta[i], s->sign[i]), 0, 1);
}

/* u, off the walls, and off the middle where that is one. */
static double off_walls(const struct mirror *s, double u)
{
    if (s->o.geometry == GEOMETRY_SIGNED && fabs(u - 0.5) < inside)
        return u < 0.5 ? 0.5 - inside : 0.5 + inside;
    return zo_clip(u, inside, 1 - inside);
}

/* The run is at x, or as near to it as the geometry allows. */
static void take_place(struct mirror *s, const double *x)
{
    for (size_t i = 0; i < s->p->n; i++) {
        const double u = s->o.geometry == GEOMETRY_BOX ? off_walls(s, x[i]) : x[i];
        s->sign[i] = u < 0.5 ? -1 : 1;
        s->theta[i] = clip_dual(s, to_dual(s, u));
    }
    if (s->o.geometry == GEOMETRY_SIMPLEX)
        onto_simplex(s, s->theta);
    write_point(s, s->theta, s->x);
}

/* The step of this rate into dual and trial; false: it moves nothing. */
static bool try_step(struct mirror *s, double rate)
{
    const bool is_signed = s->o.geometry == GEOMETRY_SIGNED;
    double longest = 0;

    for (size_t i = 0; i < s->p->n; i++) {
        const double move = zo_clip(rate * s->g[i], -s->o.max_move, s->o.max_move);
        s->dual[i] = clip_dual(s, s->theta[i] - (is_signed ? s->sign[i] * move : move));
    }
    if (s->o.geometry == GEOMETRY_SIMPLEX)
        onto_simplex(s, s->dual);
    write_point(s, s->dual, s->trial);
    for (size_t i = 0; i < s->p->n; i++)
        longest = fmax(longest, fabs(s->trial[i] - s->x[i]));
    return longest > 1e-15;
}

/* ---- set-up ---- */

/* Steps that multiply do not leave a zero. */
static zo_status check_start(const struct mirror *s, zo_error *err)
{
    const bool is_positive = s->o.geometry == GEOMETRY_POSITIVE, is_signed = s->o.geometry == GEOMETRY_SIGNED;

    for (size_t i = 0; s->p->x0 && i < s->p->n; i++)
        if ((is_positive && s->p->x0[i] == 0) || (is_signed && s->p->x0[i] == 0.5))
            return zo_fail(err, ZO_EINVAL, "/geometry",
                           "the default of dimension %zu lies %s, which this geometry never leaves", i,
                           is_positive ? "at its lower bound" : "in the middle of its range");
    return ZO_OK;
}

static zo_status mirror_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct mirror *s = self;
    double **const vectors[] = {&s->theta, &s->x, &s->g, &s->trial, &s->dual, &s->sign, &s->best};
    const size_t side = p->parallelism < MAX_SIDE ? p->parallelism : MAX_SIDE;
    zo_status rc;

    (void)rng;
    s->p = p;
    s->o = *(const struct mirror_opts *)opts;
    s->best_f = INFINITY;
    if (s->o.rule == RULE_AUTO)
        s->o.rule = p->noise == ZO_NOISE_EXPECTED ? RULE_DECAY : RULE_ARMIJO;
    if ((rc = check_start(s, err)) != ZO_OK ||
        (rc = zo_stage_init(&s->stage, p, side > 0 ? side : 1, "mirror-descent", labels, ZO_LEN(labels), err)) != ZO_OK)
        return rc;
    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        if (!(*vectors[i] = zo_calloc(p->n + 1, sizeof **vectors[i])))
            return zo_fail_nomem(err);
    return ZO_OK;
}

static void mirror_fini(void *self)
{
    struct mirror *s = self;

    zo_stage_fini(&s->stage);
    zo_free(s->theta);
    zo_free(s->x);
    zo_free(s->g);
    zo_free(s->trial);
    zo_free(s->dual);
    zo_free(s->sign);
    zo_free(s->best);
}

/* ---- runs ---- */

/* On the simplex any point is as likely as any other; elsewhere uniform. */
static double anywhere(const struct mirror *s, zo_rng *rng)
{
    const double u = zo_rng_uniform(rng);

    return s->o.geometry == GEOMETRY_SIMPLEX ? -log1p(-u) / (double)s->p->n : off_walls(s, u);
}

/* The first run's start when nothing is known: the middle, or where steps that multiply have both ways open. */
static double usual_start(const struct mirror *s)
{
    return s->o.geometry == GEOMETRY_SIMPLEX  ? s->o.mass / (double)s->p->n
           : s->o.geometry == GEOMETRY_SIGNED ? 0.75
                                              : 0.5;
}

/* The default point, zeros and all; or the best one known. */
static double first_start(const struct mirror *s, size_t i)
{
    return s->p->x0 ? s->p->x0[i] : s->best_f < INFINITY ? off_walls(s, s->best[i]) : usual_start(s);
}

static void start_run(struct mirror *s)
{
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->n_runs + 1);

    for (size_t i = 0; i < s->p->n; i++)
        s->trial[i] = s->n_runs == 0 ? first_start(s, i) : anywhere(s, &rng);
    take_place(s, s->trial);
    s->n_runs++;
    s->phase = PHASE_START;
    s->k = s->n_halved = 0;
    zo_stage_begin(&s->stage);
    zo_stage_add(&s->stage, s->x, LABEL_START, NAN);
}

static double first_rate(const struct mirror *s)
{
    double most = 0;

    for (size_t i = 0; i < s->p->n; i++)
        most = fmax(most, fabs(s->g[i]));
    return s->o.rate > 0 ? s->o.rate : most > 0 ? fmin(first_move / most, 1e300) : 0;
}

/* Of the step in hand, halved as often as n_halved says. */
static double rate_now(const struct mirror *s, uint64_t n_halved)
{
    const double rate = s->o.rule == RULE_DECAY ? s->rate / sqrt((double)s->k + 1) : s->rate;

    return ldexp(rate, -(int)n_halved);
}

/* A stage with the next step, and beside it those it may be halved to. False: no step moves anything. */
static bool fill_stage(struct mirror *s)
{
    if (s->n_halved > MAX_HALVED || !try_step(s, rate_now(s, s->n_halved)))
        return false;
    zo_stage_begin(&s->stage);
    zo_stage_add(&s->stage, s->trial, s->n_halved ? LABEL_SHORTER : LABEL_STEP, NAN);
    for (uint64_t j = s->n_halved + 1; s->o.rule == RULE_ARMIJO && s->stage.now.size < s->stage.cap; j++)
        if (!try_step(s, rate_now(s, j)) || !zo_stage_speculate(&s->stage, s->trial, LABEL_SHORTER, NAN))
            break;
    return true;
}

static bool is_enough(const struct mirror *s, double f)
{
    double slope = 0;

    for (size_t i = 0; i < s->p->n; i++)
        slope += s->g[i] * (s->trial[i] - s->x[i]);
    return s->o.rule != RULE_ARMIJO || f < s->f + fmin(enough * slope, 0);
}

static void take_step(struct mirror *s)
{
    if (s->o.rule == RULE_ARMIJO)
        s->rate = s->n_halved == 0 ? fmin(2 * s->rate, 1e300) : rate_now(s, s->n_halved);
    memcpy(s->theta, s->dual, s->p->n * sizeof *s->theta);
    memcpy(s->x, s->trial, s->p->n * sizeof *s->x);
    memcpy(s->g, zo_stage_df(&s->stage, 0), s->p->n * sizeof *s->g);
    s->f = zo_stage_f(&s->stage, 0);
    s->n_halved = 0;
    s->k++;
}

/* The stage is complete. False: the run is over. */
static bool advance(struct mirror *s)
{
    const double f = zo_stage_f(&s->stage, 0);

    if (s->phase == PHASE_START) {
        if (f == INFINITY)
            return false;
        s->f = f;
        memcpy(s->g, zo_stage_df(&s->stage, 0), s->p->n * sizeof *s->g);
        s->rate = first_rate(s);
        s->phase = PHASE_STEP;
    } else {
        try_step(s, rate_now(s, s->n_halved)); /* it again, for trial and dual */
        if (f < INFINITY && is_enough(s, f))
            take_step(s);
        else
            s->n_halved++;
    }
    return fill_stage(s);
}

/* ---- the solver ---- */

static bool is_stalled(const struct mirror *s)
{
    return s->n_failed > 10 * ((uint64_t)s->p->n + 1);
}

static zo_status mirror_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct mirror *s = self;

    (void)rng;
    (void)err;
    if (is_stalled(s)) {
        p->verdict = ZO_ASK_STALLED;
        p->why = "no point has a value";
        return ZO_OK;
    }
    if (s->phase == PHASE_IDLE && s->o.max_runs > 0 && s->n_runs >= s->o.max_runs) {
        p->verdict = ZO_ASK_DONE;
        p->why = "converged";
        return ZO_OK;
    }
    if (s->phase == PHASE_IDLE)
        start_run(s);
    if (!zo_stage_ask(&s->stage, p))
        p->verdict = ZO_ASK_WAIT;
    return ZO_OK;
}

static void note_best(struct mirror *s, const zo_told *t)
{
    if (s->n_runs > 0 || !zo_told_is_valued(t) || !(t->f[0] < s->best_f))
        return;
    s->best_f = t->f[0];
    memcpy(s->best, t->x, s->p->n * sizeof *s->best);
}

static zo_status mirror_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct mirror *s = self;

    (void)rng;
    (void)err;
    note_best(s, t);
    if (t->outcome != ZO_TOLD_ABANDONED)
        s->n_failed = zo_told_is_valued(t) ? 0 : s->n_failed + 1;
    if (s->phase == PHASE_IDLE || zo_stage_tell(&s->stage, t) == STAGE_NONE)
        return ZO_OK;
    while (zo_stage_is_complete(&s->stage))
        if (!advance(s)) {
            s->phase = PHASE_IDLE;
            zo_stage_begin(&s->stage);
        }
    return ZO_OK;
}

static void mirror_snapshot(void *self, zo_visit *v)
{
    struct mirror *s = self;
    const size_t n = s->p->n;
    uint64_t *const words[] = {&s->phase, &s->k, &s->n_halved, &s->n_runs, &s->n_failed};
    static const char *const names[] = {"phase", "k", "n_halved", "n_runs", "n_unvalued"};

    for (size_t i = 0; i < ZO_LEN(words); i++)
        zo_visit_u64(v, names[i], words[i], 1);
    zo_visit_f64_within(v, "theta", s->theta, n, deepest, -deepest);
    zo_visit_f64_within(v, "x", s->x, n, 0, 1);
    zo_visit_f64_within(v, "g", s->g, n, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "sign", s->sign, n, -1, 1);
    zo_visit_f64_within(v, "best", s->best, n, 0, 1);
    zo_visit_f64_within(v, "best_f", &s->best_f, 1, -DBL_MAX, INFINITY);
    zo_visit_f64_within(v, "f", &s->f, 1, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "rate", &s->rate, 1, 0, DBL_MAX);
    zo_stage_visit(&s->stage, v);
    zo_visit_require(v, "phase",
                     s->phase <= PHASE_STEP && s->n_halved <= MAX_HALVED + 1 &&
                         s->stage.now.n_wanted == (s->phase != PHASE_IDLE));
}

/* Coordinates that steps have driven to a wall, or to the zero of their sign. */
static size_t count_at_wall(const struct mirror *s)
{
    size_t count = 0;

    for (size_t i = 0; i < s->p->n; i++) {
        const double u = s->x[i], off = s->o.geometry == GEOMETRY_SIGNED ? fabs(u - 0.5) : fmin(u, 1 - u);
        count += off < 1e-12;
    }
    return s->n_runs > 0 ? count : 0;
}

static zo_status mirror_describe(const void *self, zo_bundle *facts, zo_error *err)
{
    const struct mirror *s = self;
    const struct {
        const char *key;
        double value;
    } known[] = {
        {"runs", (double)s->n_runs}, {"steps", (double)s->k}, {"rate", s->rate}, {"at_wall", (double)count_at_wall(s)}};
    char text[40];
    zo_status rc;

    for (size_t i = 0; i < ZO_LEN(known); i++) {
        snprintf(text, sizeof text, "%.6g", known[i].value);
        if ((rc = zo_bundle_set_meta(facts, known[i].key, text, err)) != ZO_OK)
            return rc;
    }
    return zo_bundle_set_meta(facts, "geometry", geometries[s->o.geometry], err);
}

const zo_solver zo_solver_mirror_descent = {
    .name = "mirror-descent",
    .version = 1,
    .summary = "gradient steps that multiply: positive, signed or simplex variables that never cross a wall",
    .reference = "Kivinen and Warmuth, Information and Computation 132(1), 1997, doi:10.1006/inco.1996.2612; Beck and "
                 "Teboulle, Operations Research Letters 31(3), 2003, doi:10.1016/S0167-6377(02)00231-6",
    .complexity = "O(n) a trial, memory O(n)",
    .advice = "many dimensions with gradients where weights are positive, sparse or sum to one, or values are noisy",
    .oracles = ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL | ZO_TRAIT_DETERMINISTIC,
    .cost = ZO_COST_CHEAP,
    .opts = mirror_opt_table,
    .n_opts = ZO_LEN(mirror_opt_table),
    .opts_bytes = sizeof(struct mirror_opts),
    .state_bytes = sizeof(struct mirror),
    .memo_bytes = zo_stage_memo_bytes,
    .init = mirror_init,
    .ask = mirror_ask,
    .tell = mirror_tell,
    .snapshot = mirror_snapshot,
    .describe = mirror_describe,
    .fini = mirror_fini,
};
