/* SPSA: simultaneous perturbation stochastic approximation. A step costs two values in any dimension.
 * Step k: g_i = (f(x + c_k D) - f(x - c_k D)) / (2 c_k D_i), D uniform in {-1,+1}^n; x <- clip(x - a_k g).
 * Gains: a_k = a/(A+k+1)^alpha, c_k = c/(k+1)^gamma; A is a tenth of the steps that the budget allows, and a is found from
 * the first slopes, so that the first steps move each coordinate by about `step`.
 * Blocking: the middle of each pair is evaluated too, and a step to a value that is worse by more than the tolerance is
 * taken back.
 * Oracle: value or steps, may be noisy.  Space: real parameters.  Batch: any; x moves whenever a pair is complete, wherever
 * x is by then, so many workers make a gradient that is a few steps old.  Cost: O(n) an ask, memory O(n) an open pair.
 * Departures: the pair's middle is x pulled c_k away from the walls, so that both ends are in the box; a coordinate moves
 * at most 2 `step` at a time; where pairs fail in a row, x goes elsewhere; a better point from outside becomes x. c_k
 * counts pairs, not steps, so that no pair is asked twice.
 * Sources: "Multivariate stochastic approximation using a simultaneous perturbation gradient approximation", Spall, IEEE
 *          Trans. Automatic Control 37(3), 1992, doi:10.1109/9.119632; gains and blocking: "Implementation of the
 *          simultaneous perturbation algorithm for stochastic optimization", Spall, IEEE Trans. Aerospace and Electronic
 *          Systems 34(3), 1998, doi:10.1109/7.705889. */
#include <float.h>
#include <math.h>
#include <string.h>

#include "stage/stage.h"
#include "zeroth/solver.h"

enum { SLOPES = 5, MAX_FAILED = 8, DEFAULT_STABILITY = 10 };
enum side { PLUS, MINUS, MIDDLE, SIDES };
enum { OPEN, OUT, VALUED, FAILED };

struct spsa_opts {
    double step, a, c, alpha, gamma, tolerance;
    uint64_t average;
    bool blocking;
};
static const zo_opt spsa_opt_table[] = {
    ZO_OPT_F64(struct spsa_opts, step, 0.1, 1e-6, 1, "first move of each coordinate, in units of the scaled box"),
    ZO_OPT_F64(struct spsa_opts, a, 0, 0, 1e300, "step gain, in box units per slope; 0: found from the first slopes"),
    ZO_OPT_F64(struct spsa_opts, c, 0, 0, 0.5,
               "perturbation, in units of the scaled box; 0: 0.005, or 0.05 where noise is expected"),
    ZO_OPT_F64(struct spsa_opts, alpha, 0.602, 0, 1, "how fast the step gain falls"),
    ZO_OPT_F64(struct spsa_opts, gamma, 0.101, 0, 0.5, "how fast the perturbation falls"),
    ZO_OPT_U64(struct spsa_opts, average, 1, 1, 1000, "pairs that are averaged for a step"),
    ZO_OPT_BOOL(struct spsa_opts, blocking, false, "take back steps that make the value worse; a third value a pair"),
    ZO_OPT_F64(struct spsa_opts, tolerance, 0, 0, 1e300, "worse by at most this is no reason to take a step back"),
};

/* Pairs that are not complete, in no order. */
struct pairs {
    size_t n, cap;
    uint64_t *id, *seed, *step; /* [cap] seed of D; step at which it was made */
    double *c, *f, *middle;     /* [cap], [cap][SIDES], [cap][dimensions] */
    uint8_t *side;              /* [cap][SIDES] */
};
struct spsa {
    struct spsa_opts o;
    size_t n;
    double *x, *kept, *best, *g, *D; /* [n] iterate; last one not taken back; best point told; sum of slopes; scratch */
    struct pairs pairs;
    double stability;                /* A */
    double kept_f, best_f, slopes;   /* +inf: none; sum of the first slopes' magnitudes */
    uint64_t next, k, n_g, n_slopes, n_failed, n_outside;
};
struct spsa_memo {
    uint64_t pair, side;
};

static size_t spsa_memo_bytes(const zo_problem *p)
{
    (void)p;
    return sizeof(struct spsa_memo);
}

static zo_status spsa_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct spsa *s = self;
    double **const vectors[] = {&s->x, &s->kept, &s->best, &s->g, &s->D};

    (void)rng;
    s->o = *(const struct spsa_opts *)opts;
    if (s->o.c == 0)
        s->o.c = p->noise == ZO_NOISE_EXPECTED ? 0.05 : 0.005;
    s->n = p->n;
    s->kept_f = s->best_f = INFINITY;
    s->stability = p->budget_trials ? 0.1 * (double)p->budget_trials / (2.0 * (double)s->o.average) : DEFAULT_STABILITY;
    for (size_t i = 0; i < ZO_LEN(vectors); i++)
        if ((*vectors[i] = zo_calloc(s->n, sizeof(double))) == NULL)
            return zo_fail_nomem(err);
    for (size_t i = 0; i < s->n; i++)
        s->x[i] = s->kept[i] = p->x0 != NULL ? p->x0[i] : 0.5;
    return ZO_OK;
}

/* ---- pairs ---- */

static bool grow(void *array, size_t n, size_t bytes)
{
    void *old, *to;

    memcpy(&old, array, sizeof old);
    if ((to = zo_realloc(old, n * bytes)) == NULL)
        return false;
    memcpy(array, &to, sizeof to);
    return true;
}

static bool reserve(struct pairs *q, size_t n_pairs, size_t n)
{
    const size_t cap = 2 * n_pairs;

    if (n_pairs <= q->cap)
        return true;
    if (!grow(&q->id, cap, sizeof *q->id) || !grow(&q->seed, cap, sizeof *q->seed) ||
        !grow(&q->step, cap, sizeof *q->step) || !grow(&q->c, cap, sizeof *q->c) ||
        !grow(&q->f, cap, SIDES * sizeof *q->f) || !grow(&q->middle, cap, (n ? n : 1) * sizeof *q->middle) ||
        !grow(&q->side, cap, SIDES))
        return false;
    q->cap = cap;
    return true;
}

/* Far enough from the walls for both ends. */
static void make_pair(struct spsa *s, zo_rng *rng)
{
    struct pairs *q = &s->pairs;
    const size_t i = q->n++;

    q->id[i] = s->next;
    q->seed[i] = zo_rng_u64(rng);
    q->step[i] = s->k;
    q->c[i] = s->o.c / pow((double)s->next++ + 1, s->o.gamma);
    for (size_t side = 0; side < SIDES; side++) {
        q->f[i * SIDES + side] = 0;
        q->side[i * SIDES + side] = side == MIDDLE && !s->o.blocking ? VALUED : OPEN;
    }
    for (size_t j = 0; j < s->n; j++)
        q->middle[i * s->n + j] = zo_clip(s->x[j], q->c[i], 1 - q->c[i]);
}

/* The first side of pair i in one of two states, or SIDES. */
static size_t side_in(const struct pairs *q, size_t i, uint8_t state, uint8_t other)
{
    size_t k = 0;

    while (k < SIDES && q->side[i * SIDES + k] != state && q->side[i * SIDES + k] != other)
        k++;
    return k;
}

/* The oldest pair with an open side, or n. */
static size_t open_pair(const struct pairs *q)
{
    size_t found = q->n;

    for (size_t i = 0; i < q->n; i++)
        if (side_in(q, i, OPEN, OPEN) < SIDES && (found == q->n || q->id[i] < q->id[found]))
            found = i;
    return found;
}

static void drop_pair(struct pairs *q, size_t i, size_t n)
{
    const size_t last = --q->n;

    q->id[i] = q->id[last];
    q->seed[i] = q->seed[last];
    q->step[i] = q->step[last];
    q->c[i] = q->c[last];
    memmove(q->f + i * SIDES, q->f + last * SIDES, SIDES * sizeof *q->f);
    memmove(q->side + i * SIDES, q->side + last * SIDES, SIDES);
    memmove(q->middle + i * n, q->middle + last * n, n * sizeof *q->middle);
}

/* Nothing here has a value: half-way to a point that had one, or anywhere. */
static void go_elsewhere(struct spsa *s, zo_rng *rng)
{
    for (size_t i = 0; i < s->n; i++) {
        const double u = zo_rng_uniform(rng);
        s->x[i] = s->best_f < INFINITY ? 0.5 * (u + s->best[i]) : u;
    }
    s->n_failed = 0;
    s->kept_f = INFINITY;
}

static zo_status spsa_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    static const double signs[SIDES] = {1, -1, 0};
    static const char *const why[SIDES] = {"forward end of a pair", "backward end of a pair", "middle of a pair"};
    struct spsa *s = self;
    struct pairs *q = &s->pairs;
    size_t i = open_pair(q);

    if (i == q->n) {
        if (!reserve(q, q->n + 1, s->n))
            return zo_fail_nomem(err);
        if (s->n_failed >= MAX_FAILED)
            go_elsewhere(s, rng);
        make_pair(s, rng);
    }
    const size_t side = side_in(q, i, OPEN, OPEN);
    zo_portable1_signs_at(q->seed[i], 0, s->n, s->D);
    for (size_t j = 0; j < s->n; j++)
        p->x[j] = zo_clip(q->middle[i * s->n + j] + signs[side] * q->c[i] * s->D[j], 0, 1);
    q->side[i * SIDES + side] = OUT;
    *(struct spsa_memo *)p->memo = (struct spsa_memo){q->id[i], side};
    p->why = why[side];
    return ZO_OK;
}

/* ---- steps ---- */

static void step(struct spsa *s)
{
    const double mean = s->n_slopes ? s->slopes / (double)s->n_slopes : 0;
    const double a = s->o.a > 0   ? s->o.a
                     : mean > 0 ? s->o.step * pow(s->stability + 1, s->o.alpha) / mean
                                : 0;
    const double gain = a / pow(s->stability + (double)s->k + 1, s->o.alpha) / (double)s->n_g, most = 2 * s->o.step;

    for (size_t i = 0; i < s->n; i++) {
        const double move = gain * s->g[i];
        if (isfinite(move))
            s->x[i] = zo_clip(s->x[i] - zo_clip(move, -most, most), 0, 1);
        s->g[i] = 0;
    }
    s->n_g = 0;
    s->k++;
}

/* False when the step that led to the middle of pair i is taken back. */
static bool is_kept(struct spsa *s, size_t i)
{
    const double f = s->pairs.f[i * SIDES + MIDDLE];

    if (!s->o.blocking || s->pairs.step[i] != s->k)
        return true;
    if (f > s->kept_f + s->o.tolerance) {
        memcpy(s->x, s->kept, s->n * sizeof *s->x);
        memset(s->g, 0, s->n * sizeof *s->g);
        s->n_g = 0;
        s->k++; /* the next steps are shorter */
        return false;
    }
    s->kept_f = f;
    memcpy(s->kept, s->x, s->n * sizeof *s->x);
    return true;
}

/* Pair i is complete. */
static void take(struct spsa *s, size_t i)
{
    const double *f = s->pairs.f + i * SIDES;
    const double slope = (f[PLUS] - f[MINUS]) / (2 * s->pairs.c[i]);

    if (side_in(&s->pairs, i, FAILED, FAILED) < SIDES || !isfinite(slope)) {
        s->n_failed++;
        return;
    }
    s->n_failed = 0;
    if (!is_kept(s, i))
        return;
    if (s->n_slopes < SLOPES) {
        s->slopes += fabs(slope);
        s->n_slopes++;
    }
    zo_portable1_signs_at(s->pairs.seed[i], 0, s->n, s->D);
    for (size_t j = 0; j < s->n; j++)
        s->g[j] += slope * s->D[j];
    if (++s->n_g == s->o.average)
        step(s);
}

/* ---- tells ---- */

static void note_best(struct spsa *s, const zo_told *t)
{
    if (!zo_told_is_valued(t) || t->f[0] >= s->best_f)
        return;
    s->best_f = t->f[0];
    memcpy(s->best, t->x, s->n * sizeof *s->best);
    if (!t->own) {
        memcpy(s->x, t->x, s->n * sizeof *s->x);
        memcpy(s->kept, t->x, s->n * sizeof *s->x);
        s->kept_f = t->f[0];
    }
}

/* Points told before the first ask count as the steps of an earlier life. */
static void count_outside(struct spsa *s, const zo_told *t)
{
    if (s->next == 0 && zo_told_is_valued(t) && ++s->n_outside % (2 * s->o.average) == 0)
        s->k++;
}

static zo_status spsa_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    struct spsa *s = self;
    struct pairs *q = &s->pairs;
    const struct spsa_memo *memo = t->memo;
    size_t i = 0;

    (void)rng;
    (void)err;
    note_best(s, t);
    if (!t->own) {
        count_outside(s, t);
        return ZO_OK;
    }
    while (i < q->n && q->id[i] != memo->pair)
        i++;
    if (i == q->n || memo->side >= SIDES)
        return ZO_OK;
    uint8_t *side = &q->side[i * SIDES + memo->side];
    if (t->outcome == ZO_TOLD_ABANDONED) {
        *side = OPEN;
        return ZO_OK;
    }
    *side = zo_told_is_valued(t) ? VALUED : FAILED;
    q->f[i * SIDES + memo->side] = zo_told_is_valued(t) ? t->f[0] : 0;
    if (side_in(q, i, OPEN, OUT) < SIDES)
        return ZO_OK;
    take(s, i);
    drop_pair(q, i, s->n);
    return ZO_OK;
}

/* ---- snapshot ---- */

static void visit_pairs(struct spsa *s, zo_visit *v)
{
    struct pairs *q = &s->pairs;
    size_t n = q->n;
    bool sound = true;

    zo_visit_count(v, "pairs", &n, zo_visit_length(v, "pair.id"));
    if (v->loading && v->status == ZO_OK && !reserve(q, n, s->n))
        v->status = zo_fail_nomem(v->err);
    if (v->status != ZO_OK)
        return;
    q->n = n;
    zo_visit_u64(v, "pair.id", q->id, n);
    zo_visit_u64(v, "pair.seed", q->seed, n);
    zo_visit_u64(v, "pair.step", q->step, n);
    zo_visit_f64_within(v, "pair.c", q->c, n, 0, 0.5);
    zo_visit_f64_within(v, "pair.f", q->f, n * SIDES, -DBL_MAX, DBL_MAX);
    zo_visit_f64_within(v, "pair.middle", q->middle, n * s->n, 0, 1);
    zo_visit_u8(v, "pair.side", q->side, n * SIDES);
    for (size_t i = 0; i < n * SIDES && v->status == ZO_OK; i++)
        sound = sound && q->side[i] <= FAILED;
    zo_visit_require(v, "pair.side", sound);
}

static void spsa_snapshot(void *self, zo_visit *v)
{
    struct spsa *s = self;
    double reals[] = {s->kept_f, s->best_f, s->slopes};
    uint64_t *const words[] = {&s->next, &s->k, &s->n_g, &s->n_slopes, &s->n_failed, &s->n_outside};
    static const char *const names[] = {"next", "k", "n_g", "n_slopes", "n_failed", "n_outside"};

    zo_visit_f64_within(v, "x", s->x, s->n, 0, 1);
    zo_visit_f64_within(v, "kept", s->kept, s->n, 0, 1);
    zo_visit_f64_within(v, "best", s->best, s->n, 0, 1);
    zo_visit_f64(v, "g", s->g, s->n);
    zo_visit_f64_within(v, "reals", reals, ZO_LEN(reals), -DBL_MAX, INFINITY);
    s->kept_f = reals[0];
    s->best_f = reals[1];
    s->slopes = reals[2];
    for (size_t i = 0; i < ZO_LEN(words); i++)
        zo_visit_u64(v, names[i], words[i], 1);
    zo_visit_require(v, "n_g", s->n_g < s->o.average);
    visit_pairs(s, v);
}

static void spsa_fini(void *self)
{
    struct spsa *s = self;

    zo_free(s->x);
    zo_free(s->kept);
    zo_free(s->best);
    zo_free(s->g);
    zo_free(s->D);
    zo_free(s->pairs.id);
    zo_free(s->pairs.seed);
    zo_free(s->pairs.step);
    zo_free(s->pairs.c);
    zo_free(s->pairs.f);
    zo_free(s->pairs.middle);
    zo_free(s->pairs.side);
}

const zo_solver zo_solver_spsa = {
    .name = "spsa",
    .version = 1,
    .summary = "gradient-free descent from two noisy values a step, in any dimension",
    .reference = "Spall, IEEE Trans. Automatic Control 37(3), 1992, doi:10.1109/9.119632; gains: Spall, IEEE Trans. "
                 "Aerospace and Electronic Systems 34(3), 1998, doi:10.1109/7.705889",
    .complexity = "O(n) a trial",
    .advice = "noisy values and many dimensions, two trials a step",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS,
    .traits = ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = spsa_opt_table,
    .n_opts = ZO_LEN(spsa_opt_table),
    .opts_bytes = sizeof(struct spsa_opts),
    .state_bytes = sizeof(struct spsa),
    .memo_bytes = spsa_memo_bytes,
    .init = spsa_init,
    .ask = spsa_ask,
    .tell = spsa_tell,
    .snapshot = spsa_snapshot,
    .fini = spsa_fini,
};
