/* Zeroth-order descent with seeds and scalars: what the solvers of the directional oracle share. A rule says how the slopes
 * along random directions become a move; here is all else: step size, schedule, failed steps, replay, saving.
 *
 * Step size `lr`: 0 finds it. On a quadratic with Hessian H, a step along one direction contracts in the mean while
 * lr < 2/(tr H + 2 l), l its largest eigenvalue; the trace is the mean of z'Hz, which the curvature along a few directions gives.
 * With q directions a step the bound becomes 2q/(tr H + (q+1) l); l <= tr H, so lr = q/((q+2) tr H) is safe for all.
 * A step without answers moves nothing; every third in a row halves the step size. */
#ifndef ZO_DESCENT_H
#define ZO_DESCENT_H

#include "zeroth/solver.h"

typedef struct zo_descent_opts { /* of all rules; each has those of its table, the rest are 0 */
    double lr, mu, keep, momentum, beta1, beta2, epsilon;
    uint64_t directions, refresh;
    uint32_t sides, distribution, schedule;
    bool groups;
} zo_descent_opts;
enum { ZO_SIDES_BOTH, ZO_SIDES_ONE };
enum { ZO_DISTRIBUTION_GAUSSIAN, ZO_DISTRIBUTION_RADEMACHER };
enum { ZO_SCHEDULE_CONSTANT, ZO_SCHEDULE_COSINE, ZO_SCHEDULE_SQRT };
extern const char *const zo_sides_choices[], *const zo_distribution_choices[], *const zo_schedule_choices[];

/* clang-format off */
#define ZO_DESCENT_OPTS(schedule_default)                                                                                       \
    ZO_OPT_F64(zo_descent_opts, lr, 0, 0, 1e6, "step size; 0: found from the curvature at the start"),                          \
    ZO_OPT_U64(zo_descent_opts, directions, 1, 1, ZO_STEP_DIRECTIONS_MAX, "random directions that a step averages"),            \
    ZO_OPT_ENUM(zo_descent_opts, distribution, ZO_DISTRIBUTION_GAUSSIAN, zo_distribution_choices, "entries of a direction"),    \
    ZO_OPT_ENUM(zo_descent_opts, schedule, schedule_default, zo_schedule_choices,                                              \
                "step size over the moves: as it is, falling to 0 over the budget, or as one over the root"),                   \
    ZO_OPT_BOOL(zo_descent_opts, groups, false, "block-wise: each step perturbs and moves one of the oracle's groups, in turn"), \
    ZO_OPT_F64(zo_descent_opts, keep, 1, 1e-6, 1, "sparse: each entry of a direction is kept with this probability"),          \
    ZO_OPT_U64(zo_descent_opts, refresh, 1, 1, 1000000, "sparse: steps that share a choice of entries")
#define ZO_DESCENT_LOSS_OPTS                                                                                                    \
    ZO_OPT_F64(zo_descent_opts, mu, 1e-3, 1e-8, 1, "how far from x the loss is probed, in units of a direction"),               \
    ZO_OPT_ENUM(zo_descent_opts, sides, ZO_SIDES_BOTH, zo_sides_choices,                                                        \
                "both: central differences, two losses a direction; one: forward ones, a loss a direction and one at x")
/* clang-format on */

typedef struct zo_descent zo_descent;
typedef struct zo_rule {
    bool derivatives;   /* probes ask for derivatives */
    bool line;          /* each move is chosen by three losses, of a trial of its own */
    bool unit;          /* moves don't grow with the slopes: a found lr is scaled by their size */
    /* Moves go on: the factor a step later; NULL: they don't. */
    double (*decay)(const zo_descent_opts *o);
    /* Coefficients c [q], of which c_j z_j are summed, and the scale of the move, from the slopes of the step just told. lr: of the
     * schedule. */
    void (*move)(zo_descent *d, const double *slope, double lr, double *c, double *scale);
} zo_rule;

struct zo_descent {
    const zo_rule *rule;
    zo_descent_opts o;
    zo_step_plan plan;
    size_t q;                        /* directions a step */
    uint64_t budget;                 /* moves that the budget allows, 0: unknown */
    uint32_t phase;
    bool has_move;                   /* scale, source and coefs are to be sent with the next step */
    double lr, trace, scale, *coefs; /* lr 0: to be found; coefs [plan.n_directions] */
    double slopes[ZO_STEP_CURVES];   /* along the first directions */
    double second, power1, power2;   /* the rule's own: mean square of slopes, beta1^moves, beta2^moves */
    uint64_t source, newest;         /* newest: trial asked or told, plus one; 0: none */
    uint64_t n_moves, n_failed, n_failed_in_row, n_halved, n_equal;
};

/* The functions of a solver's definition; rule is static. */
zo_status zo_descent_plan(const zo_rule *rule, const zo_problem *p, const void *opts, zo_step_plan *out, zo_error *err);
zo_status zo_descent_init(zo_descent *d, const zo_rule *rule, const zo_problem *p, const void *opts, zo_error *err);
zo_status zo_descent_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err);
zo_status zo_descent_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err);
void zo_descent_snapshot(void *self, zo_visit *v);
zo_status zo_descent_describe(const void *self, zo_bundle *facts, zo_error *err);
void zo_descent_fini(void *self);

/* What the definitions of the family have in common: plan and init of a rule, and the fields; the option table is id_opts. */
/* clang-format off */
#define ZO_DESCENT_ENTRIES(id, rule)                                                                                      \
    static zo_status id##_plan(const zo_problem *p, const void *opts, zo_step_plan *out, zo_error *err)                   \
    {                                                                                                                     \
        return zo_descent_plan(rule, p, opts, out, err);                                                                  \
    }                                                                                                                     \
    static zo_status id##_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)             \
    {                                                                                                                     \
        (void)rng;                                                                                                        \
        return zo_descent_init(self, rule, p, opts, err);                                                                 \
    }
#define ZO_DESCENT_FIELDS(id)                                                                                             \
    .oracles = ZO_ORACLE_DIRECTIONAL, .traits = ZO_TRAIT_NOISE, .cost = ZO_COST_CHEAP,                                    \
    .opts = id##_opts, .n_opts = ZO_LEN(id##_opts), .opts_bytes = sizeof(zo_descent_opts),                                \
    .state_bytes = sizeof(zo_descent), .plan = id##_plan, .init = id##_init, .ask = zo_descent_ask,                       \
    .tell = zo_descent_tell, .snapshot = zo_descent_snapshot, .describe = zo_descent_describe, .fini = zo_descent_fini
/* clang-format on */

#endif
