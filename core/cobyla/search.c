/* See search.h. */
#include "cobyla/search.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define ALPHA 0.25 /* of rho: the least distance of a vertex from the face opposite to it */
#define BETA 2.1   /* of rho: the longest edge */
#define GAMMA 0.5  /* of rho: how far a badly placed vertex moves */
#define DELTA 1.1  /* of rho: vertices farther than that are dropped first */
#define HUGE_VALUE 1e100
#define RESTART_RHO 0.02
enum { MAX_TRIES = 6, MAX_BLIND_RUNS = 6, MAX_TURNS = 500 };

enum label { LABEL_START, LABEL_SIMPLEX, LABEL_STEP, LABEL_GEOMETRY, LABEL_LAST };
const char *const zo_cobyla_labels[COBYLA_LABELS] = {"start", "simplex", "trust-region", "geometry", "last-step"};

/* ---- values ---- */

/* Differences and squares of what the models hold stay finite. */
static double tame(double y)
{
    return zo_clip(y, -HUGE_VALUE, HUGE_VALUE);
}

static void store(struct cobyla *s, size_t j, const double *x, double f, const double *g)
{
    for (size_t k = 0; k < s->m; k++)
        s->c[k] = tame(g[k]) / (s->is_scaled ? s->scale[k] : 1);
    zo_cobyla_simplex_set(&s->simplex, j, x, tame(f), s->c);
    s->has[j] = 1;
}

static double merit(const struct cobyla *s, size_t j)
{
    return s->simplex.f[j] + s->mu * s->simplex.v[j];
}

static void set_scale(struct cobyla *s)
{
    cobyla_simplex *x = &s->simplex;

    for (size_t k = 0; k < s->m; k++) {
        double most = 0;
        for (size_t j = 0; j <= s->n; j++)
            most = fmax(most, fabs(x->c[j * s->m + k]));
        s->scale[k] = s->o.scale && most > 0 ? most : 1;
        for (size_t j = 0; j <= s->n; j++)
            x->c[j * s->m + k] /= s->scale[k];
    }
    for (size_t j = 0; j <= s->n; j++)
        zo_cobyla_simplex_set(x, j, zo_cobyla_vertex(x, j), x->f[j], x->c + j * s->m);
    s->is_scaled = 1;
}

/* ---- the first simplex ---- */

/* Where vertex j is tried for the tries-th time: along its axis, on the side that has room, then the other, then
 * nearer.
 */
static void place_vertex(struct cobyla *s, size_t j, double *x)
{
    const double *base = zo_cobyla_vertex(&s->simplex, s->n);
    const double length = s->rho * pow(0.25, s->tries[j] / 2);
    double step = s->sign[j] * (s->tries[j] % 2 ? -length : length);

    if (base[j] + step < 0 || base[j] + step > 1)
        step = -step * (s->tries[j] % 2 ? 0.5 : 1);
    memcpy(x, base, s->n * sizeof *x);
    x[j] = zo_clip(base[j] + step, 0, 1);
}

/* Ask what the simplex lacks: one vertex at a time, so that a better one is the base of the next; or all at once. */
static void ask_simplex(struct cobyla *s)
{
    const bool at_once = s->p->parallelism > 1;
    const double *base = zo_cobyla_vertex(&s->simplex, s->n);
    size_t slot;

    s->phase = COBYLA_SIMPLEX;
    zo_stage_begin(&s->stage);
    for (size_t j = 0; j < s->n && (at_once || (s->has[s->n] && s->stage.now.size == 0)); j++) {
        if (s->has[j])
            continue;
        place_vertex(s, j, s->d);
        slot = zo_stage_add(&s->stage, s->d, LABEL_SIMPLEX, NAN);
        s->target[slot] = j;
    }
    if (!s->has[s->n]) { /* last: the engine may have handed it out on its own */
        slot = zo_stage_add(&s->stage, base, LABEL_START, NAN);
        s->target[slot] = s->n;
    }
}

static void lack_vertices(struct cobyla *s)
{
    memset(s->has, 0, s->n);
    memset(s->tries, 0, s->n);
}

/* from: a point whose values are known, or NULL: x's are not. */
static void start_run(struct cobyla *s, const double *x, const zo_incumbent *from, double rho)
{
    zo_rng rng = zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, 2 * s->run + 1);

    s->rho = fmax(rho, s->o.rho_end);
    s->mu = 0;
    s->is_scaled = 0;
    s->n_rebuilt = 0;
    zo_rng_signs(&rng, s->n, s->sign);
    lack_vertices(s);
    s->has[s->n] = 0;
    memmove(zo_cobyla_vertex(&s->simplex, s->n), x, s->n * sizeof *x);
    if (from != NULL)
        store(s, s->n, from->x, from->f, from->g);
    ask_simplex(s);
}

/* From where the user says, else from the best point that was told, else from the middle. */
void zo_cobyla_start(struct cobyla *s)
{
    if (s->p->x0 != NULL) {
        start_run(s, s->p->x0, s->given.known ? &s->given : NULL, s->o.rho_begin);
    } else if (s->best.known && s->best.feasible) {
        start_run(s, s->best.x, &s->best, s->o.rho_begin);
    } else {
        for (size_t i = 0; i < s->n; i++)
            s->other[i] = 0.5;
        start_run(s, s->other, NULL, s->o.rho_begin);
    }
}

void zo_cobyla_end(struct cobyla *s, zo_verdict verdict)
{
    s->phase = COBYLA_OVER;
    s->verdict = verdict;
}

static void start_anywhere(struct cobyla *s)
{
    zo_random_start(s->p, 2 * s->run, s->other);
    start_run(s, s->other, NULL, s->o.rho_begin);
}

static void end_run(struct cobyla *s)
{
    s->run++;
    s->n_runs_blind = s->best.feasible ? 0 : s->n_runs_blind + 1;
    if (s->n_runs_blind >= MAX_BLIND_RUNS || (s->o.restarts == COBYLA_RESTARTS_NONE && !s->best.feasible)) {
        zo_cobyla_end(s, ZO_ASK_INFEASIBLE);
    } else if (s->o.restarts == COBYLA_RESTARTS_NONE || s->n == 0) {
        zo_cobyla_end(s, ZO_ASK_DONE);
    } else if (s->run == 1 && s->best.feasible) {
        start_run(s, s->best.x, &s->best, fmin(RESTART_RHO, s->o.rho_begin));
    } else {
        start_anywhere(s);
    }
}

/* ---- steps ---- */

/* The vertex of least merit becomes the base. */
static void choose_base(struct cobyla *s)
{
    const cobyla_simplex *x = &s->simplex;
    size_t best = s->n;

    for (size_t j = 0; j < s->n; j++)
        if (merit(s, j) < merit(s, best) || (s->mu == 0 && merit(s, j) == merit(s, best) && x->v[j] < x->v[best]))
            best = j;
    if (best != s->n)
        zo_cobyla_simplex_rebase(&s->simplex, best);
}

/* The farthest in the box and within r along sign * row; returns its share of the row's edge. */
static double aim(const struct cobyla *s, const double *row, double sign, double r, double *d)
{
    const double *base = zo_cobyla_vertex(&s->simplex, s->n);
    double length = r / zo_norm2(s->n, row), before = 0;

    while (length > before) { /* what bounds cut off, the free coordinates make up for */
        double cut = 0, free = 0;
        before = length;
        for (size_t i = 0; i < s->n; i++) {
            const double want = sign * length * row[i];
            d[i] = zo_clip(want, -base[i], 1 - base[i]);
            if (d[i] != want)
                cut += d[i] * d[i];
            else
                free += row[i] * row[i];
        }
        if (cut > 0 && free > 0 && r * r > cut && sqrt((r * r - cut) / free) > length * (1 + 1e-12))
            length = sqrt((r * r - cut) / free);
    }
    return fabs(zo_dot(s->n, row, d));
}

static double predicted_violation(const struct cobyla *s, const double *d)
{
    const cobyla_simplex *x = &s->simplex;
    double most = 0;

    for (size_t k = 0; k < s->m; k++)
        most = fmax(most, x->c[s->n * s->m + k] + zo_dot(s->n, x->A + k * s->n, d));
    return most;
}

static double predicted_merit(const struct cobyla *s, const double *d)
{
    return zo_dot(s->n, s->simplex.g, d) + s->mu * predicted_violation(s, d);
}

static void add_moved(struct cobyla *s, const double *d, enum label label, size_t target, double predicted)
{
    const double *base = zo_cobyla_vertex(&s->simplex, s->n);

    for (size_t i = 0; i < s->n; i++)
        s->shares[i] = base[i] + d[i];
    s->target[zo_stage_add(&s->stage, s->shares, label, predicted)] = target;
}

/* A better place for vertex j: off the face opposite to it, on the side of the lower merit if the box leaves a choice.
 */
static void add_geometry(struct cobyla *s, size_t j)
{
    const cobyla_simplex *x = &s->simplex;
    const double *row = x->inverse + j * s->n, r = GAMMA * s->rho, enough = ALPHA * s->rho;
    const double up = x->sigma[j] * aim(s, row, 1, r, s->d), down = x->sigma[j] * aim(s, row, -1, r, s->other);
    const bool choice = fmin(up, down) >= enough;
    const bool is_down = choice ? predicted_merit(s, s->other) < predicted_merit(s, s->d) : down > up;
    const double *d = is_down ? s->other : s->d;

    add_moved(s, d, LABEL_GEOMETRY, j, x->f[s->n] + zo_dot(s->n, x->g, d));
}

static size_t worst_vertex(const struct cobyla *s)
{
    const cobyla_simplex *x = &s->simplex;
    size_t longest = 0, flattest = 0;

    for (size_t j = 1; j < s->n; j++) {
        longest = x->eta[j] > x->eta[longest] ? j : longest;
        flattest = x->sigma[j] < x->sigma[flattest] ? j : flattest;
    }
    return x->eta[longest] > BETA * s->rho ? longest : flattest;
}

static void ask_geometry(struct cobyla *s)
{
    const cobyla_simplex *x = &s->simplex;
    const size_t worst = worst_vertex(s);

    s->phase = COBYLA_GEOMETRY;
    zo_stage_begin(&s->stage);
    add_geometry(s, worst);
    for (size_t j = 0; j < s->n && s->p->parallelism > 1; j++)
        if (j != worst && (x->eta[j] > BETA * s->rho || x->sigma[j] < ALPHA * s->rho))
            add_geometry(s, j);
}

/* Enough weight on the violation for the step in d to be downhill. False if another vertex is the best by it. */
static bool raise_penalty(struct cobyla *s)
{
    const double needed = s->relief > 0 ? fmin(s->rise / s->relief, HUGE_VALUE) : 0;

    if (s->mu >= 1.5 * needed)
        return true;
    s->mu = 2 * needed;
    for (size_t j = 0; j < s->n; j++)
        if (merit(s, j) < merit(s, s->n))
            return false;
    return true;
}

/* The spread of f over the least of the constraints' ranges is weight enough for what is left. */
static void lower_penalty(struct cobyla *s)
{
    const cobyla_simplex *x = &s->simplex;
    double f_low = INFINITY, f_high = -INFINITY, least = INFINITY;

    for (size_t j = 0; j <= s->n; j++) {
        f_low = fmin(f_low, x->f[j]);
        f_high = fmax(f_high, x->f[j]);
    }
    for (size_t k = 0; k < s->m; k++) {
        double low = INFINITY, high = -INFINITY;
        for (size_t j = 0; j <= s->n; j++) {
            low = fmin(low, x->c[j * s->m + k]);
            high = fmax(high, x->c[j * s->m + k]);
        }
        if (high > low / 2)
            least = fmin(least, high - fmin(low, 0));
    }
    if (isinf(least))
        s->mu = 0;
    else if (f_high - f_low < s->mu * least)
        s->mu = (f_high - f_low) / least;
}

static void shrink(struct cobyla *s)
{
    s->rho *= 0.5;
    if (s->rho <= 1.5 * s->o.rho_end)
        s->rho = s->o.rho_end;
    s->n_rebuilt = 0;
    if (s->mu > 0)
        lower_penalty(s);
}

/* The step gains nothing: repair the simplex, or halve the region. False when that is the end. */
static bool settle(struct cobyla *s, bool good)
{
    if (!good) {
        s->after_geometry = 0;
        return true;
    }
    if (s->rho <= s->o.rho_end)
        return false;
    shrink(s);
    return true;
}

/* A sound inverse; false: the simplex is flat. */
static bool is_sound(struct cobyla *s)
{
    if (!zo_cobyla_simplex_is_spoiled(&s->simplex))
        return true;
    return zo_cobyla_simplex_invert(&s->simplex) && !zo_cobyla_simplex_is_spoiled(&s->simplex);
}

static void ask_step(struct cobyla *s, enum label label)
{
    s->phase = label == LABEL_LAST ? COBYLA_LAST : COBYLA_STEP;
    zo_stage_begin(&s->stage);
    add_moved(s, s->d, label, s->n, s->simplex.f[s->n] + s->rise);
}

/* The last step was too short to be tried: now it is. */
static void finish(struct cobyla *s)
{
    if (zo_norm2(s->n, s->d) > 0)
        ask_step(s, LABEL_LAST);
    else
        end_run(s);
}

static void rebuild(struct cobyla *s)
{
    if (s->n_rebuilt++ > 0) {
        end_run(s);
        return;
    }
    lack_vertices(s);
    ask_simplex(s);
}

/* Ask the next point, or end the run. */
static void decide(struct cobyla *s)
{
    cobyla_simplex *x = &s->simplex;

    for (int turn = 0; turn < MAX_TURNS; turn++) {
        choose_base(s);
        if (!is_sound(s)) {
            rebuild(s);
            return;
        }
        zo_cobyla_simplex_models(x);
        const bool good = zo_cobyla_simplex_measure(x, ALPHA * s->rho, BETA * s->rho);
        if (!good && !s->after_geometry) {
            ask_geometry(s);
            return;
        }
        const double left =
            zo_cobyla_step_find(&s->step, zo_cobyla_vertex(x, s->n), x->g, x->c + s->n * s->m, x->A, s->rho, s->d);
        s->rise = zo_dot(s->n, x->g, s->d);
        s->relief = x->v[s->n] - left;
        if (zo_norm2(s->n, s->d) < 0.5 * s->rho) {
            if (settle(s, good))
                continue;
            finish(s);
            return;
        }
        if (!raise_penalty(s))
            continue;
        ask_step(s, LABEL_STEP);
        return;
    }
    end_run(s);
}

/* ---- answers ---- */

static void take_simplex(struct cobyla *s)
{
    bool is_whole = true;

    for (size_t slot = 0; slot < s->stage.now.size; slot++) {
        const size_t j = (size_t)s->target[slot];
        if (isfinite(zo_stage_f(&s->stage, slot))) {
            store(s, j, zo_stage_x(&s->stage, slot), zo_stage_f(&s->stage, slot), zo_stage_g(&s->stage, slot));
            if (j < s->n && s->p->parallelism <= 1 && s->simplex.f[j] < s->simplex.f[s->n])
                zo_cobyla_simplex_rebase(&s->simplex, j);
        } else if (j == s->n || ++s->tries[j] >= MAX_TRIES) { /* no values around here */
            s->run++;
            start_anywhere(s);
            return;
        }
    }
    for (size_t j = 0; j <= s->n; j++)
        is_whole &= s->has[j];
    if (!is_whole) {
        ask_simplex(s);
        return;
    }
    if (!s->is_scaled)
        set_scale(s);
    s->after_geometry = 1;
    if (s->n > 0 && zo_cobyla_simplex_invert(&s->simplex))
        decide(s);
    else
        end_run(s);
}

/* The displacement of the answer in a slot from the base, and the edges' shares of it. */
static void measure_answer(struct cobyla *s, size_t slot)
{
    const double *x = zo_stage_x(&s->stage, slot), *base = zo_cobyla_vertex(&s->simplex, s->n);

    for (size_t i = 0; i < s->n; i++)
        s->d[i] = x[i] - base[i];
    zo_cobyla_simplex_shares(&s->simplex, s->d, s->shares);
}

static void move_vertex(struct cobyla *s, size_t j, size_t slot)
{
    const double *g = zo_stage_g(&s->stage, slot);

    for (size_t k = 0; k < s->m; k++)
        s->c[k] = tame(g[k]) / s->scale[k];
    zo_cobyla_simplex_move(&s->simplex, j, zo_stage_x(&s->stage, slot), tame(zo_stage_f(&s->stage, slot)), s->c,
                           s->shares);
}

static void take_geometry(struct cobyla *s)
{
    bool failed = false;

    for (size_t slot = 0; slot < s->stage.now.size; slot++) {
        const size_t j = (size_t)s->target[slot];
        if (!isfinite(zo_stage_f(&s->stage, slot))) {
            failed = true;
            continue;
        }
        measure_answer(s, slot);
        if (fabs(s->shares[j]) * s->simplex.sigma[j] > 0.1 * s->rho) /* others may have moved its face */
            move_vertex(s, j, slot);
    }
    s->after_geometry = !failed;
    if (failed && s->rho <= s->o.rho_end) {
        end_run(s);
        return;
    }
    if (failed)
        shrink(s);
    decide(s);
}

/* The vertex that the new point replaces, n: none. It must keep the simplex well shaped, and should be far away. */
static size_t vertex_to_drop(const struct cobyla *s, double gain)
{
    const cobyla_simplex *x = &s->simplex;
    double most = gain > 0 ? 0 : 1, farthest = DELTA * s->rho;
    size_t drop = s->n, far = s->n;

    for (size_t j = 0; j < s->n; j++) {
        const double share = fabs(s->shares[j]), distance = share * x->sigma[j];
        double edge = x->eta[j];
        if (share > most) {
            most = share;
            drop = j;
        }
        if (distance < ALPHA * s->rho && distance < x->sigma[j])
            continue;
        if (gain > 0) {
            edge = 0;
            for (size_t i = 0; i < s->n; i++) {
                const double e = zo_cobyla_vertex(x, j)[i] - zo_cobyla_vertex(x, s->n)[i] - s->d[i];
                edge += e * e;
            }
            edge = sqrt(edge);
        }
        if (edge > farthest) {
            farthest = edge;
            far = j;
        }
    }
    return far < s->n ? far : drop;
}

static double scaled_violation(const struct cobyla *s, const double *g)
{
    double most = 0;

    for (size_t k = 0; k < s->m; k++)
        most = fmax(most, tame(g[k]) / s->scale[k]);
    return most;
}

/* Did the step gain a tenth of what the models promised? Its point takes a vertex's place if that is of use. */
static bool take_step(struct cobyla *s)
{
    const cobyla_simplex *x = &s->simplex;
    const double f = tame(zo_stage_f(&s->stage, 0));

    if (!isfinite(zo_stage_f(&s->stage, 0)))
        return false;
    const double v = scaled_violation(s, zo_stage_g(&s->stage, 0));
    double promised = s->mu * s->relief - s->rise, gain = merit(s, s->n) - (f + s->mu * v);
    if (s->mu == 0 && f == x->f[s->n]) {
        promised = s->relief;
        gain = x->v[s->n] - v;
    }
    measure_answer(s, 0);
    const size_t j = vertex_to_drop(s, gain);
    if (j == s->n)
        return false;
    move_vertex(s, j, 0);
    return gain > 0 && gain >= 0.1 * promised;
}

void zo_cobyla_advance(struct cobyla *s)
{
    switch ((cobyla_phase)s->phase) {
    case COBYLA_SIMPLEX:
        take_simplex(s);
        break;
    case COBYLA_STEP: {
        const bool good = zo_cobyla_simplex_measure(&s->simplex, ALPHA * s->rho, BETA * s->rho);
        s->after_geometry = 1;
        if (take_step(s) || settle(s, good))
            decide(s);
        else
            end_run(s);
        break;
    }
    case COBYLA_GEOMETRY:
        zo_cobyla_simplex_measure(&s->simplex, 0, 0);
        take_geometry(s);
        break;
    case COBYLA_LAST:
        end_run(s);
        break;
    case COBYLA_NEW:
    case COBYLA_OVER:
    case COBYLA_COUNT:
        break;
    }
}
