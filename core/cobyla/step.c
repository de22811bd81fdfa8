/* See step.h. Rows 0 .. m-1 are the constraints a'd + v <= t, rows m + 2i and m + 2i + 1 the bounds of coordinate i,
 * which t does not relax. With multipliers lambda >= 0 of the active rows N, d = -s g - N lambda.
 * Source: "A Direct Search Optimization Method That Models the Objective and Constraint Functions by Linear
 *         Interpolation", Powell, 1994, doi:10.1007/978-94-015-8330-5_4, section 2; the paths are followed exactly, as
 * in parametric quadratic programming. */
#include "cobyla/step.h"

#include <float.h>
#include <math.h>
#include <string.h>

#define TINY 1e-11 /* relative: a rate or a remainder that is rounding */

typedef enum { LOWER_VIOLATION, LOWER_OBJECTIVE } walk_kind;
typedef enum { EVENT_END, EVENT_ADD, EVENT_DROP } event_kind;
typedef struct event {
    event_kind kind;
    size_t index; /* row to add, place to drop */
    double at;    /* how far along the path */
} event;

zo_status zo_cobyla_step_init(cobyla_step *s, size_t n, size_t m, zo_error *err)
{
    *s = (cobyla_step){.n = n, .m = m, .n_rows = m + 2 * n};
    s->active = zo_calloc(n, sizeof *s->active);
    s->is_active = zo_calloc(s->n_rows, sizeof *s->is_active);
    s->lambda = zo_calloc(n, sizeof *s->lambda);
    s->move = zo_calloc(n, sizeof *s->move);
    s->lambda_move = zo_calloc(n, sizeof *s->lambda_move);
    s->z = zo_calloc(n, sizeof *s->z);
    s->norm = zo_calloc(m, sizeof *s->norm);
    if (!s->active || !s->is_active || !s->lambda || !s->move || !s->lambda_move || !s->z || !s->norm)
        return zo_fail_nomem(err);
    return zo_qp_factor_init(&s->factor, n, err);
}

void zo_cobyla_step_fini(cobyla_step *s)
{
    zo_free(s->active);
    zo_free(s->is_active);
    zo_free(s->lambda);
    zo_free(s->move);
    zo_free(s->lambda_move);
    zo_free(s->z);
    zo_free(s->norm);
    zo_qp_factor_fini(&s->factor);
}

/* ---- rows ---- */

static double row_dot(const cobyla_step *s, size_t k, const double *y)
{
    if (k < s->m)
        return zo_dot(s->n, s->A + k * s->n, y);
    return (k - s->m) % 2 ? y[(k - s->m) / 2] : -y[(k - s->m) / 2];
}

static double row_norm(const cobyla_step *s, size_t k)
{
    return k < s->m ? s->norm[k] : 1;
}

/* How much t relaxes it. */
static double row_weight(const cobyla_step *s, size_t k)
{
    return k < s->m ? 1 : 0;
}

/* Room that is left at d. */
static double row_slack(const cobyla_step *s, size_t k, const double *d)
{
    const size_t i = (k - s->m) / 2;

    if (k < s->m)
        return s->t - s->v[k] - row_dot(s, k, d);
    return (k - s->m) % 2 ? 1 - s->x[i] - d[i] : s->x[i] + d[i];
}

static void row_project(cobyla_step *s, size_t k)
{
    if (k < s->m)
        zo_qp_factor_project(&s->factor, s->A + k * s->n, s->z);
    else
        zo_qp_factor_project_axis(&s->factor, (k - s->m) / 2, (k - s->m) % 2 ? 1 : -1, s->z);
}

/* ---- the path's direction ---- */

/* Per unit of t: N'move = -weights, move the shortest such. */
static void direct_down(cobyla_step *s)
{
    const qp_factor *f = &s->factor;

    for (size_t j = 0; j < f->q; j++)
        s->z[j] = row_weight(s, s->active[j]);
    zo_qp_factor_solve_transposed(f, s->z, s->z);
    zo_qp_factor_solve(f, s->z, s->lambda_move);
    for (size_t j = 0; j < f->q; j++)
        s->z[j] = -s->z[j];
    zo_qp_factor_combine(f, 0, f->q, s->z, s->move);
}

/* Per unit of s |g|: move is -g/|g| without its part along the active rows. */
static void direct_along(cobyla_step *s)
{
    const qp_factor *f = &s->factor;

    zo_qp_factor_project(f, s->g, s->z);
    for (size_t j = 0; j < s->n; j++)
        s->z[j] /= -s->g_norm;
    zo_qp_factor_solve(f, s->z, s->lambda_move);
    zo_qp_factor_combine(f, f->q, s->n, s->z, s->move);
    if (zo_norm2(s->n, s->move) <= TINY)
        memset(s->move, 0, s->n * sizeof *s->move);
}

/* ---- what ends a piece of the path ---- */

/* Where d + a move leaves the ball: the larger root, by the form that does not cancel. */
static double to_ball(const cobyla_step *s, const double *d)
{
    const double mm = zo_dot(s->n, s->move, s->move), dm = zo_dot(s->n, d, s->move);
    const double room = s->rho * s->rho - zo_dot(s->n, d, d);

    if (mm == 0)
        return INFINITY;
    if (room <= 0)
        return 0;
    const double root = sqrt(dm * dm + mm * room);
    return dm > 0 ? room / (dm + root) : (root - dm) / mm;
}

static void nearer(event *e, event_kind kind, size_t index, double at)
{
    if (at < e->at)
        *e = (event){.kind = kind, .index = index, .at = at};
}

static event next_event(const cobyla_step *s, walk_kind kind, const double *d)
{
    const double length = zo_norm2(s->n, s->move);
    event e = {.kind = EVENT_END, .at = to_ball(s, d)};

    if (kind == LOWER_VIOLATION)
        nearer(&e, EVENT_END, 0, s->t);
    for (size_t k = 0; k < s->n_rows; k++) {
        if (s->is_active[k])
            continue;
        const double weight = kind == LOWER_VIOLATION ? row_weight(s, k) : 0;
        const double rate = row_dot(s, k, s->move) + weight;
        if (rate > TINY * (row_norm(s, k) * length + weight))
            nearer(&e, EVENT_ADD, k, fmax(0, row_slack(s, k, d)) / rate);
    }
    for (size_t j = 0; j < s->factor.q; j++)
        if (s->lambda_move[j] < 0)
            nearer(&e, EVENT_DROP, j, s->lambda[j] / -s->lambda_move[j]);
    return e;
}

/* ---- changing the active rows ---- */

static void drop(cobyla_step *s, size_t j)
{
    const size_t q = s->factor.q;

    s->is_active[s->active[j]] = 0;
    memmove(s->active + j, s->active + j + 1, (q - j - 1) * sizeof *s->active);
    memmove(s->lambda + j, s->lambda + j + 1, (q - j - 1) * sizeof *s->lambda);
    zo_qp_factor_drop(&s->factor, j);
}

/* Row k is a combination r of the active ones: it takes the place of the first whose multiplier it drives to zero.
 * *share: its own multiplier then. False if there is none: the violation is the least. */
static bool exchange(cobyla_step *s, double *share)
{
    double *r = s->lambda_move;
    size_t out = SIZE_MAX;

    zo_qp_factor_solve(&s->factor, s->z, r);
    for (size_t j = 0; j < s->factor.q; j++) {
        if (r[j] <= TINY || (out != SIZE_MAX && s->lambda[j] / r[j] >= *share))
            continue;
        out = j;
        *share = s->lambda[j] / r[j];
    }
    if (out == SIZE_MAX)
        return false;
    for (size_t j = 0; j < s->factor.q; j++)
        s->lambda[j] = fmax(0, s->lambda[j] - *share * r[j]);
    drop(s, out);
    return true;
}

static bool add(cobyla_step *s, size_t k)
{
    double share = 0;

    row_project(s, k);
    if (zo_norm2(s->n - s->factor.q, s->z + s->factor.q) <= TINY * row_norm(s, k)) {
        if (!exchange(s, &share))
            return false;
        row_project(s, k);
        if (zo_norm2(s->n - s->factor.q, s->z + s->factor.q) <= TINY * row_norm(s, k))
            return false;
    }
    s->active[s->factor.q] = k;
    s->is_active[k] = 1;
    s->lambda[s->factor.q] = share;
    zo_qp_factor_add(&s->factor, s->z);
    return true;
}

/* ---- walking ---- */

static void walk(cobyla_step *s, walk_kind kind, double *d)
{
    for (size_t step = 0; step < 10 * (s->n + s->m) + 10; step++) {
        if (kind == LOWER_VIOLATION)
            direct_down(s);
        else
            direct_along(s);
        const event e = next_event(s, kind, d);
        if (!isfinite(e.at))
            return;
        zo_axpy(s->n, e.at, s->move, d);
        for (size_t j = 0; j < s->factor.q; j++)
            s->lambda[j] = fmax(0, s->lambda[j] + e.at * s->lambda_move[j]);
        if (kind == LOWER_VIOLATION)
            s->t = fmax(0, s->t - e.at);
        if (e.kind == EVENT_DROP)
            drop(s, e.index);
        else if (e.kind == EVENT_END || !add(s, e.index))
            return;
    }
}

/* Rounding: back into the box and the ball. */
static void tidy(const cobyla_step *s, double *d)
{
    for (size_t i = 0; i < s->n; i++)
        d[i] = isfinite(d[i]) ? zo_clip(d[i], -s->x[i], 1 - s->x[i]) : 0;
    const double length = zo_norm2(s->n, d);
    for (size_t i = 0; i < s->n && length > s->rho; i++)
        d[i] *= s->rho / length;
}

static double violation(const cobyla_step *s, const double *d)
{
    double most = 0;

    for (size_t k = 0; k < s->m; k++)
        most = fmax(most, s->v[k] + row_dot(s, k, d));
    return most;
}

double zo_cobyla_step_find(cobyla_step *s, const double *x, const double *g, const double *v, const double *A,
                           double rho, double *d)
{
    s->x = x;
    s->g = g;
    s->v = v;
    s->A = A;
    s->rho = rho;
    s->g_norm = zo_norm2(s->n, g);
    memset(d, 0, s->n * sizeof *d);
    memset(s->is_active, 0, s->n_rows * sizeof *s->is_active);
    for (size_t k = 0; k < s->m; k++)
        s->norm[k] = zo_norm2(s->n, A + k * s->n);
    zo_qp_factor_identity(&s->factor);
    s->t = violation(s, d);
    if (s->t > 0)
        walk(s, LOWER_VIOLATION, d);
    if (s->g_norm > 0 && zo_norm2(s->n, d) < rho * (1 - DBL_EPSILON))
        walk(s, LOWER_OBJECTIVE, d);
    tidy(s, d);
    return violation(s, d);
}
