/* Sobol's sequence, Owen-scrambled: every block of 2^k points fills the cube evenly, and each point alone is uniform.
 * Point i is the XOR of the direction numbers V_k over the bits k of Gray's code of i: random access, no running sum.
 * Nested uniform scrambling: binary digit b of a coordinate is flipped by a random bit of its own for each value of the
 * digits before it. The bit is read from a counter-based generator at the place that those digits name, so that the
 * whole tree of flips is one key.
 * Oracle: value, steps or gradient.  Space: any; a level or choice is a cell of the unit interval.  Batch: any.
 * Cost: O(n log i) an ask, no tell.
 * The index counts own asks, so points that others bring leave no holes. The scramble is drawn at a life's first ask: a
 * state rebuilt from outside points alone has lost its index, and goes on with fresh points, not the old ones again.
 * Departure: points outside linear constraints are passed over; where TRIES in a row are outside, a uniform feasible
 * point takes their place.
 * Sources: "Constructing Sobol sequences with better two-dimensional projections", Joe and Kuo, SIAM J. Sci. Comput.
 *          30(5), 2008, doi:10.1137/070709359; "Scrambling Sobol' and Niederreiter-Xing points", Owen, J. Complexity
 *          14(4), 1998, doi:10.1006/jcom.1998.0487. */
#include <string.h>

#include "solvers/joe_kuo.h"
#include "zeroth/solver.h"

enum { BITS = 32, TRIES = 16 };
#define N_POINTS (UINT64_C(1) << BITS)

struct sobol_opts {
    bool scramble;
};
static const zo_opt sobol_opt_table[] = {
    ZO_OPT_BOOL(struct sobol_opts, scramble, true,
                "Owen scrambling; false gives the published sequence, whose first point is a corner"),
};

struct sobol {
    struct sobol_opts o;
    const zo_space *space; /* NULL without linear constraints */
    size_t n;
    uint32_t *V;   /* [BITS][n] direction numbers: digit k of the index after digit k-1 */
    uint32_t *y;   /* [n] digits of the current point, the first one on top */
    double *v[2];  /* [n] a point in natural units, as drawn and as repaired; only with linear constraints */
    uint64_t next; /* index of the next point */
    uint64_t key;  /* of the scramble, once next > 0 */
};

/* V_k of dimension j, of degree s, by the recurrence of the polynomial a over m_1 .. m_s. */
static void direct(struct sobol *s, size_t j, size_t degree, uint32_t a, const uint16_t *m)
{
    for (size_t k = 0; k < BITS; k++) {
        uint32_t *V = &s->V[k * s->n + j];
        if (k < degree) {
            *V = (uint32_t)m[k] << (BITS - 1 - k);
            continue;
        }
        const uint32_t before = V[-(ptrdiff_t)(degree * s->n)];
        *V = before ^ before >> degree;
        for (size_t i = 1; i < degree; i++)
            if (a >> (degree - 1 - i) & 1)
                *V ^= V[-(ptrdiff_t)(i * s->n)];
    }
}

static void directions(struct sobol *s)
{
    const uint16_t *row = joe_kuo;
    size_t j = 1;

    for (size_t k = 0; k < BITS && s->n > 0; k++)
        s->V[k * s->n] = (uint32_t)1 << (BITS - 1 - k); /* van der Corput */
    for (size_t degree = 1; degree <= JOE_KUO_DEGREE; degree++)
        for (size_t r = 0; r < joe_kuo_rows[degree] && j < s->n; r++, j++, row += 1 + degree)
            direct(s, j, degree, row[0], row + 1);
}

static zo_status sobol_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    struct sobol *s = self;
    const bool linear = p->space != NULL && zo_space_has_linear(p->space);

    (void)rng;
    if (p->n > JOE_KUO_DIMS)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver 'sobol' does not support more than %d dimensions",
                       (int)JOE_KUO_DIMS);
    s->o = *(const struct sobol_opts *)opts;
    s->n = p->n;
    s->space = linear ? p->space : NULL;
    s->V = zo_calloc(s->n, BITS * sizeof *s->V);
    s->y = zo_calloc(s->n, sizeof *s->y);
    for (size_t i = 0; i < ZO_LEN(s->v); i++)
        s->v[i] = zo_calloc(linear ? s->n : 0, sizeof *s->v[i]);
    if (s->V == NULL || s->y == NULL || s->v[0] == NULL || s->v[1] == NULL)
        return zo_fail_nomem(err);
    directions(s);
    return ZO_OK;
}

/* Digits y of one coordinate, scrambled: node 1, 2-3, 4-7 ... of the tree is the place of digit 0, 1, 2 ...; the word
 * below the last digit is the rest of the number, which no two points share. */
static double scramble(uint64_t key, uint32_t y)
{
    uint64_t flips = 0;

    for (unsigned b = 0; b < BITS; b++) {
        const uint64_t node = ((uint64_t)1 << BITS | y) >> (BITS - b);
        flips = flips << 1 | zo_portable1_u64_at(key, node) >> 63;
    }
    const uint64_t rest = zo_portable1_u64_at(key, (uint64_t)1 << BITS | y) >> (11 + BITS);
    return (double)((y ^ flips) << (53 - BITS) | rest) * 0x1p-53;
}

static void point(struct sobol *s, uint64_t index, double *x)
{
    const uint64_t gray = index ^ index >> 1;

    memset(s->y, 0, s->n * sizeof *s->y);
    for (size_t k = 0; gray >> k != 0; k++)
        if (gray >> k & 1)
            for (size_t j = 0; j < s->n; j++)
                s->y[j] ^= s->V[k * s->n + j];
    for (size_t j = 0; j < s->n; j++)
        x[j] = s->o.scramble ? scramble(zo_portable1_u64_at(s->key, j), s->y[j]) : s->y[j] * 0x1p-32;
}

/* Does x, decoded, satisfy the linear constraints? */
static bool is_feasible(struct sobol *s, zo_rng *rng, const double *x)
{
    zo_space_from_unit(s->space, x, s->v[0]);
    memcpy(s->v[1], s->v[0], s->n * sizeof *s->v[0]);
    zo_space_repair(s->space, rng, s->v[1]);
    return memcmp(s->v[0], s->v[1], s->n * sizeof *s->v[0]) == 0;
}

static zo_status sobol_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    struct sobol *s = self;

    (void)err;
    if (s->next == 0)
        s->key = zo_rng_u64(rng);
    for (unsigned k = 0; k < TRIES && s->next < N_POINTS; k++) {
        point(s, s->next++, p->x);
        if (s->space == NULL || is_feasible(s, rng, p->x))
            return ZO_OK;
    }
    if (s->space == NULL) {
        p->verdict = ZO_ASK_DONE; /* all 2^32 points were asked */
        return ZO_OK;
    }
    zo_space_sample(s->space, rng, s->v[0]);
    zo_space_to_unit(s->space, s->v[0], p->x);
    p->why = "feasible random point";
    return ZO_OK;
}

static void sobol_snapshot(void *self, zo_visit *v)
{
    struct sobol *s = self;

    zo_visit_u64(v, "next", &s->next, 1);
    zo_visit_require(v, "next", s->next <= N_POINTS);
    zo_visit_u64(v, "key", &s->key, 1);
}

static void sobol_fini(void *self)
{
    struct sobol *s = self;

    zo_free(s->V);
    zo_free(s->y);
    for (size_t i = 0; i < ZO_LEN(s->v); i++)
        zo_free(s->v[i]);
}

const zo_solver zo_solver_sobol = {
    .name = "sobol",
    .version = 1,
    .summary = "even coverage by an Owen-scrambled low-discrepancy sequence",
    .reference = "Joe and Kuo, SIAM J. Sci. Comput. 30(5), 2008, doi:10.1137/070709359; "
                 "Owen, J. Complexity 14(4), 1998, doi:10.1006/jcom.1998.0487",
    .complexity = "O(n) an ask",
    .advice = "even coverage: a first look, or many parallel trials at once",
    .oracles = ZO_ORACLE_VALUE | ZO_ORACLE_STEPS | ZO_ORACLE_GRADIENT,
    .traits = ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY | ZO_TRAIT_CONDITIONAL | ZO_TRAIT_CONSTRAINTS | ZO_TRAIT_LINEAR |
              ZO_TRAIT_OBJECTIVES | ZO_TRAIT_NOISE | ZO_TRAIT_PARALLEL,
    .cost = ZO_COST_CHEAP,
    .opts = sobol_opt_table,
    .n_opts = ZO_LEN(sobol_opt_table),
    .opts_bytes = sizeof(struct sobol_opts),
    .state_bytes = sizeof(struct sobol),
    .init = sobol_init,
    .ask = sobol_ask,
    .snapshot = sobol_snapshot,
    .fini = sobol_fini,
};
