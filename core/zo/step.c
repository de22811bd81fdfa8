/* Records of directional trials, read: the same functions serve the engine, the API and the tests, so that what a
 * client is told and what a solver means can't differ. Nothing here depends on libm but the normal numbers themselves.
 */
#include "zeroth/step.h"

#include <math.h>

#include "zeroth/rng.h"

enum { KEY_DIRECTIONS = 1, KEY_MASKS, KEY_BATCHES, SEEDS_A_STEP = 512, SEED_SHIFT = 11 };

size_t zo_step_words(const zo_step_plan *plan)
{
    return ZO_STEP_COEFS + plan->n_directions;
}

static zo_step_kind kind_of(const double *record)
{
    return (zo_step_kind)record[ZO_STEP_KIND];
}

static uint64_t number_in(double word)
{
    return (uint64_t)word;
}

static bool is_whole(double x, double high)
{
    return x >= 0 && x <= high && x == floor(x);
}

bool zo_step_check(const zo_step_plan *plan, const double *record, uint64_t number)
{
    if (record[ZO_STEP_NUMBER] != (double)number || !is_whole(record[ZO_STEP_KIND], ZO_STEP_KINDS - 1) ||
        !is_whole(record[ZO_STEP_SOURCE], (double)number) ||
        !(record[ZO_STEP_MU] >= 0 && record[ZO_STEP_MU] <= 1e300) || zo_step_n_probes(plan, record) > plan->n_answers)
        return false;
    for (size_t i = ZO_STEP_SCALE; i < zo_step_words(plan); i++)
        if (!isfinite(record[i]))
            return false;
    return true;
}

/* ---- seeds ---- */

static uint64_t seed_of(const zo_steps *s, unsigned key, uint64_t number, uint64_t j)
{
    const uint64_t stream = zo_portable1_u64_at(s->seed, key);

    return zo_portable1_u64_at(stream, number * SEEDS_A_STEP + j) >> SEED_SHIFT;
}

static bool is_spread(zo_step_kind kind)
{
    return kind == ZO_STEP_CURVES_OF_LOSS || kind == ZO_STEP_SLOPES_HERE || kind == ZO_STEP_SLOPES_THERE;
}

/* Direction j of the step of trial `owner`; spread: the step looks at all groups in turn, not at one. */
static zo_step_term term_of(const zo_steps *s, uint64_t owner, size_t j, bool spread, double scale)
{
    zo_step_term t = {.scale = scale, .seed = seed_of(s, KEY_DIRECTIONS, owner, j), .group = SIZE_MAX};

    if (s->plan->keep < 1)
        t.mask = seed_of(s, KEY_MASKS, owner / s->plan->refresh, 0);
    if (s->plan->grouped)
        t.group = (size_t)((owner + (spread ? j : 0)) % s->space->n_groups);
    return t;
}

/* ---- probes ---- */

size_t zo_step_n_probes(const zo_step_plan *plan, const double *record)
{
    switch (kind_of(record)) {
    case ZO_STEP_PAIRS:
        return 2 * plan->n_fresh;
    case ZO_STEP_SIDES:
        return 1 + plan->n_fresh;
    case ZO_STEP_CURVES_OF_LOSS:
        return 1 + 2 * ZO_STEP_CURVES;
    case ZO_STEP_LINE:
        return 3;
    case ZO_STEP_SLOPES:
        return plan->n_fresh;
    case ZO_STEP_SLOPES_HERE:
    case ZO_STEP_SLOPES_THERE:
        return ZO_STEP_CURVES;
    case ZO_STEP_KINDS:
        break;
    }
    return SIZE_MAX;
}

/* The trial whose directions the probes are along. */
static uint64_t owner_of(const double *record)
{
    const zo_step_kind kind = kind_of(record);

    return number_in(record[kind == ZO_STEP_LINE || kind == ZO_STEP_SLOPES_THERE ? ZO_STEP_SOURCE : ZO_STEP_NUMBER]);
}

/* All directions of the source, weighed by the coefficients times scale. */
static size_t sum_terms(const zo_steps *s, const double *record, double scale, zo_step_term *out)
{
    size_t n = 0;

    for (size_t j = 0; j < s->plan->n_fresh; j++)
        if (record[ZO_STEP_COEFS + j] != 0)
            out[n++] = term_of(s, owner_of(record), j, false, scale * record[ZO_STEP_COEFS + j]);
    return n;
}

size_t zo_step_probe(const zo_steps *s, const double *record, size_t i, zo_step_term *out)
{
    const zo_step_kind kind = kind_of(record);
    const uint64_t owner = owner_of(record);
    const double mu = record[ZO_STEP_MU];

    switch (kind) {
    case ZO_STEP_PAIRS:
        out[0] = term_of(s, owner, i / 2, false, i % 2 ? -mu : mu);
        return 1;
    case ZO_STEP_SIDES:
        if (i > 0)
            out[0] = term_of(s, owner, i - 1, false, mu);
        return i > 0;
    case ZO_STEP_CURVES_OF_LOSS:
        if (i > 0)
            out[0] = term_of(s, owner, (i - 1) / 2, true, i % 2 ? mu : -mu);
        return i > 0;
    case ZO_STEP_LINE:
        return i > 0 ? sum_terms(s, record, i == 1 ? -1 : 1, out) : 0;
    case ZO_STEP_SLOPES:
    case ZO_STEP_SLOPES_HERE:
    case ZO_STEP_SLOPES_THERE:
        out[0] = term_of(s, owner, i, is_spread(kind), 1);
        return 1;
    case ZO_STEP_KINDS:
        break;
    }
    return 0;
}

size_t zo_step_move(const zo_steps *s, const double *const *records, zo_step_term *out)
{
    const double scale = records[0][ZO_STEP_SCALE];
    double weight = 1;
    size_t n = 0;

    for (size_t k = 0; k < s->plan->window && scale != 0; k++, weight *= s->plan->decay) {
        const double *r = records[k];
        if (r == NULL || r[ZO_STEP_SCALE] == 0)
            continue;
        for (size_t j = 0; j < s->plan->n_directions; j++) {
            const double c = scale * (weight * r[ZO_STEP_COEFS + j]);
            if (c != 0)
                out[n++] = term_of(s, number_in(r[ZO_STEP_SOURCE]), j, kind_of(r) == ZO_STEP_SLOPES_THERE, c);
        }
    }
    return n;
}

uint64_t zo_step_batch_seed(const zo_steps *s, const double *record)
{
    return seed_of(s, KEY_BATCHES, owner_of(record), 0);
}

bool zo_step_loss(const zo_step_plan *plan, const double *record, const double *answers, double *out)
{
    const size_t n = zo_step_n_probes(plan, record);
    double mean = 0;

    if (plan->derivatives)
        return false;
    *out = answers[0];
    if (kind_of(record) != ZO_STEP_PAIRS)
        return true;
    for (size_t i = 0; i < n; i++)
        mean += answers[i] / (double)n; /* their sum could overflow */
    *out = mean;
    return true;
}

/* ---- numbers ---- */

static bool is_kept(uint64_t mask, uint64_t i, double keep)
{
    return ((double)(zo_portable1_u64_at(mask, i) >> SEED_SHIFT) + 0.5) * 0x1p-53 < keep;
}

void zo_step_direction(const zo_steps *s, const zo_step_term *t, uint64_t first, size_t n, double *z)
{
    uint64_t low = 0, high = s->space->dimension;

    if (s->plan->signs)
        zo_portable1_signs_at(t->seed, first, n, z);
    else
        zo_portable1_normals_at(t->seed, first, n, z);
    if (t->group != SIZE_MAX) {
        for (size_t g = 0; g < t->group; g++)
            low += s->space->groups[g].size;
        high = low + s->space->groups[t->group].size;
    }
    for (size_t i = 0; i < n; i++) {
        const uint64_t at = first + i;
        if (at < low || at >= high || (s->plan->keep < 1 && !is_kept(t->mask, at, s->plan->keep)))
            z[i] = 0;
    }
}
