/* See run.h. The matrix is that of a quasi-Newton method (core/quasi_newton), of the Lagrangian. Where the linearised
 * constraints contradict each other, all may be exceeded by the same amount, at a high price. */
#include "sqp/run.h"

#include <math.h>
#include <string.h>

enum { LABEL_START, LABEL_STENCIL, LABEL_LINE, LABEL_CORRECTION, LABEL_AHEAD, N_LABELS };
static const char *const labels[N_LABELS] = {"start", "stencil", "line-search", "second-order-correction",
                                             "speculative"};
static const double ELASTIC = 1e4, FAR = 1e10, SHORTEST_STEP = 1e-11, FEASIBLE = 1e-8;

const char *sqp_end_name(uint32_t end)
{
    static const char *const names[SQP_ENDS] = {"", "converged", "stalled", "failed start"};

    return end < SQP_ENDS ? names[end] : "";
}

zo_status sqp_run_init(sqp_run *r, const zo_problem *p, const sqp_opts *o, zo_error *err)
{
    const size_t n = p->n, m = p->n_constraints;
    double **const vectors[] = {&r->b,     &r->low, &r->high,   &r->step,  &r->gq,     &r->x,
                                &r->g,     &r->c,   &r->g_last, &r->s,     &r->d,      &r->y,
                                &r->trial, &r->mu,  &r->lambda, &r->scale, &r->c_trial};
    zo_status rc;

    r->o = o;
    r->n = n;
    r->m = m;
    if ((rc = zo_stage_init(&r->stage, p, 2 * n + 2, "sqp", labels, N_LABELS, err)) != ZO_OK ||
        (rc = qn_hessian_init(&r->B, n, 0, err)) != ZO_OK || (rc = zo_qp_init(&r->qp, n + 1, m, err)) != ZO_OK ||
        (rc = zo_mat_init(&r->H, n + 1, n + 1, err)) != ZO_OK)
        return rc;
    for (size_t k = 0; k < ZO_LEN(vectors); k++)
        if (!(*vectors[k] = zo_calloc(n + m + 1, sizeof(double))))
            return zo_fail_nomem(err);
    r->A = zo_calloc(m + 1, (n + 1) * sizeof *r->A);
    r->J = zo_calloc(m + 1, (n + 1) * sizeof *r->J);
    r->J_last = zo_calloc(m + 1, (n + 1) * sizeof *r->J_last);
    return r->A && r->J && r->J_last ? ZO_OK : zo_fail_nomem(err);
}

void sqp_run_fini(sqp_run *r)
{
    double *const vectors[] = {r->b,      r->low,    r->high,    r->step, r->gq, r->x,     r->g,
                               r->c,      r->g_last, r->s,       r->d,    r->y,  r->trial, r->mu,
                               r->lambda, r->scale,  r->c_trial, r->A,    r->J,  r->J_last};

    zo_stage_fini(&r->stage);
    qn_hessian_fini(&r->B);
    zo_qp_fini(&r->qp);
    zo_mat_fini(&r->H);
    for (size_t k = 0; k < ZO_LEN(vectors); k++)
        zo_free(vectors[k]);
}

static void finish(sqp_run *r, sqp_end end)
{
    r->phase = SQP_IDLE;
    r->end = end;
    zo_stage_begin(&r->stage);
}

/* ---- the stencil ---- */

static void add_stencil(sqp_run *r, const double *x, bool wanted)
{
    for (size_t i = 0; i < r->n && (wanted || !r->stage.gradients); i++) {
        memcpy(r->trial, x, r->n * sizeof *x);
        r->trial[i] += x[i] + r->o->h > 1 ? -r->o->h : r->o->h;
        if (wanted)
            zo_stage_add(&r->stage, r->trial, LABEL_STENCIL, NAN);
        else if (!zo_stage_speculate(&r->stage, r->trial, LABEL_AHEAD, NAN))
            return;
    }
}

/* Did the client tell all derivatives of the point in slot 0? Then they are in g and J. */
static bool read_gradients(sqp_run *r)
{
    const size_t n = r->n;

    if (!r->stage.gradients)
        return false;
    const double *df = zo_stage_df(&r->stage, 0), *dg = zo_stage_dg(&r->stage, 0);
    for (size_t k = 0; k < r->m * n; k++)
        if (!isfinite(dg[k]))
            return false;
    memcpy(r->g, df, n * sizeof *r->g);
    for (size_t j = 0; j < r->m; j++)
        for (size_t i = 0; i < n; i++)
            r->J[j * n + i] = dg[j * n + i] / r->scale[j];
    return true;
}

static void learn(sqp_run *r);

/* Slopes at x, whose answer is in slot 0: told, or by differences. */
static void begin_slopes(sqp_run *r)
{
    const bool told = read_gradients(r);

    zo_stage_begin(&r->stage);
    r->phase = SQP_STENCIL;
    if (told)
        learn(r);
    else
        add_stencil(r, r->x, true);
}

/* Gradients along i from the point in slot i; none where it has no value. */
static void read_slopes(sqp_run *r, size_t i)
{
    const double step = zo_stage_x(&r->stage, i)[i] - r->x[i], f = zo_stage_f(&r->stage, i);
    const bool known = isfinite(f) && step != 0;

    r->g[i] = known ? (f - r->f) / step : 0;
    for (size_t j = 0; j < r->m; j++)
        r->J[j * r->n + i] = known ? (zo_stage_g(&r->stage, i)[j] / r->scale[j] - r->c[j]) / step : 0;
}

/* By the first stencil of a run: every constraint is about 1, or changes by about 1 across the box. */
static void set_scale(sqp_run *r)
{
    for (size_t j = 0; j < r->m; j++) {
        const double size = fmax(fabs(r->c[j]), zo_norm2(r->n, r->J + j * r->n));
        if (!(size > 0) || !isfinite(size))
            continue;
        r->scale[j] = size;
        r->c[j] /= size;
        for (size_t i = 0; i < r->n; i++)
            r->J[j * r->n + i] /= size;
    }
}

/* ---- the program ---- */

static double excess(double c)
{
    return c > 0 ? c : 0;
}

static double violation(size_t m, const double *c)
{
    double sum = 0;

    for (size_t j = 0; j < m; j++)
        sum += excess(c[j]);
    return sum;
}

static double largest(const double *g, size_t n)
{
    double most = 0;

    for (size_t i = 0; i < n; i++)
        most = fmax(most, fabs(g[i]));
    return most;
}

/* Solve for r->step, with k variables: n, or n+1 where the constraints may be exceeded. about [m]: their values at d =
 * 0 in the linear model. */
static qp_status solve(sqp_run *r, size_t k, const double *about, double margin, double *multipliers)
{
    const size_t n = r->n;

    for (size_t j = 0; j < n; j++)
        memcpy(r->H.a + j * r->H.ld, r->B.B.a + j * r->B.B.ld, n * sizeof(double));
    memcpy(r->gq, r->g, n * sizeof *r->g);
    for (size_t i = 0; i < n; i++) {
        r->low[i] = -r->x[i];
        r->high[i] = 1 - r->x[i];
    }
    for (size_t j = 0; j < r->m; j++) {
        memcpy(r->A + j * k, r->J + j * n, n * sizeof *r->A);
        r->b[j] = -about[j] - margin;
        if (k > n)
            r->A[j * k + n] = -1;
    }
    if (k > n) {
        const double price = ELASTIC * fmax(largest(r->g, n), 1e-12);
        r->gq[n] = price;
        r->low[n] = 0;
        r->high[n] = FAR;
        for (size_t i = 0; i < n; i++)
            r->H.a[n + i * r->H.ld] = r->H.a[i + n * r->H.ld] = 0;
        r->H.a[n + n * r->H.ld] = 1e-6 * price;
    }
    zo_mat H = r->H;
    H.rows = H.cols = k;
    return zo_qp_solve(&r->qp, k, r->m, &H, r->gq, r->A, r->b, r->low, r->high, r->step, multipliers);
}

static void update_weights(sqp_run *r)
{
    for (size_t j = 0; j < r->m; j++)
        r->mu[j] = r->n_steps == 0 ? r->lambda[j] : fmax(r->lambda[j], (r->mu[j] + r->lambda[j]) / 2);
}

/* The direction in r->d; false if it does not lead down on the merit function. */
static bool find_direction(sqp_run *r)
{
    qp_status status = solve(r, r->n, r->c, r->o->margin, r->lambda);

    if (status == QP_INFEASIBLE) /* two constraints may leave less room than that between them */
        status = solve(r, r->n, r->c, 0, r->lambda);
    if (status == QP_INFEASIBLE)
        status = solve(r, r->n + 1, r->c, 0, r->lambda);
    if (status != QP_SOLVED)
        return false;
    memcpy(r->d, r->step, r->n * sizeof *r->d);
    update_weights(r);
    r->slope = zo_dot(r->n, r->g, r->d);
    for (size_t j = 0; j < r->m; j++)
        r->slope -= r->mu[j] * (excess(r->c[j]) - excess(r->c[j] + zo_dot(r->n, r->J + j * r->n, r->d)));
    return r->slope < 0 && isfinite(r->slope);
}

static double merit(const sqp_run *r, double f, const double *c)
{
    for (size_t j = 0; j < r->m; j++)
        f += r->mu[j] * excess(c[j]);
    return f;
}

/* ---- an iteration ---- */

static void reset(sqp_run *r, double b0)
{
    r->b0 = b0;
    r->fresh = true;
    qn_hessian_reset(&r->B, b0);
}

static double first_scale(const sqp_run *r)
{
    const double most = r->o->b_first * largest(r->g, r->n);

    return most > 0 && isfinite(most) ? most : 1;
}

static void begin_line(sqp_run *r, double a)
{
    for (size_t i = 0; i < r->n; i++)
        r->trial[i] = zo_clip(r->x[i] + a * r->d[i], 0, 1);
    zo_stage_begin(&r->stage);
    r->phase = SQP_LINE;
    r->corrects = false;
    r->a = a;
    zo_stage_add(&r->stage, r->trial, LABEL_LINE, NAN);
    memcpy(r->y, r->trial, r->n * sizeof *r->y);
    add_stencil(r, r->y, false);
}

static void next_step(sqp_run *r)
{
    while (!find_direction(r)) {
        if (r->n_resets++ >= r->o->resets) {
            finish(r, SQP_CONVERGED);
            return;
        }
        reset(r, first_scale(r));
    }
    r->n_tries = 0;
    begin_line(r, 1);
}

/* By how much the gradient of the Lagrangian changed along s, in r->y. */
static void lagrangian_change(sqp_run *r)
{
    for (size_t i = 0; i < r->n; i++) {
        r->y[i] = r->g[i] - r->g_last[i];
        for (size_t j = 0; j < r->m; j++)
            r->y[i] += r->lambda[j] * (r->J[j * r->n + i] - r->J_last[j * r->n + i]);
    }
}

static void learn(sqp_run *r)
{
    for (size_t i = 0; i < r->n; i++)
        if (!isfinite(r->g[i])) {
            finish(r, SQP_STALLED);
            return;
        }
    for (size_t i = 0; i < r->n * r->m; i++)
        if (!isfinite(r->J[i])) {
            finish(r, SQP_STALLED);
            return;
        }
    if (!r->has_last) {
        set_scale(r);
        reset(r, first_scale(r));
    } else {
        lagrangian_change(r);
        const double sy = zo_dot(r->n, r->s, r->y), b = r->o->b_scale * sy / zo_dot(r->n, r->s, r->s);
        if (r->fresh && b > 0 && isfinite(b))
            reset(r, b);
        r->fresh = false;
        qn_hessian_update(&r->B, r->s, r->y);
    }
    next_step(r);
}

static void accept(sqp_run *r)
{
    const double *to = zo_stage_x(&r->stage, 0), f = zo_stage_f(&r->stage, 0), gain = r->f - f;

    for (size_t i = 0; i < r->n; i++)
        r->s[i] = to[i] - r->x[i];
    memcpy(r->x, to, r->n * sizeof *r->x);
    memcpy(r->g_last, r->g, r->n * sizeof *r->g);
    memcpy(r->J_last, r->J, r->n * r->m * sizeof *r->J);
    memcpy(r->c, r->c_trial, r->m * sizeof *r->c);
    r->has_last = true;
    r->f = f;
    r->n_steps++;
    r->f_low = fmin(r->f_low, f);
    const bool still = fabs(gain) < r->o->ftol * fmin(1, r->f_first - r->f_low) && violation(r->m, r->c) < FEASIBLE;
    if (still || zo_norm2(r->n, r->s) < SHORTEST_STEP)
        finish(r, SQP_CONVERGED);
    else
        begin_slopes(r);
}

/* A full step that curved constraints refused: another try toward the linear constraints through the point it reached.
 */
static bool correct(sqp_run *r)
{
    if (r->a != 1 || r->corrects || violation(r->m, r->c_trial) <= violation(r->m, r->c))
        return false;
    for (size_t j = 0; j < r->m; j++)
        r->c_trial[j] -= zo_dot(r->n, r->J + j * r->n, r->d);
    if (solve(r, r->n, r->c_trial, r->o->margin, r->y) != QP_SOLVED) /* y: multipliers that nobody needs */
        return false;
    for (size_t i = 0; i < r->n; i++)
        r->trial[i] = zo_clip(r->x[i] + r->step[i], 0, 1);
    zo_stage_begin(&r->stage);
    zo_stage_add(&r->stage, r->trial, LABEL_CORRECTION, NAN);
    r->corrects = true;
    return true;
}

static void shorten(sqp_run *r, double change)
{
    const double gain = r->a * r->slope;
    const double factor = isfinite(change) ? fmax(r->o->backtrack_min, gain / (2 * (gain - change))) : 0.1;

    if (++r->n_tries < r->o->ls_max) {
        begin_line(r, r->a * (isfinite(factor) ? fmin(factor, 0.9) : 0.1));
    } else if (r->fresh || r->n_resets++ >= r->o->resets) {
        finish(r, SQP_STALLED);
    } else {
        reset(r, r->b0);
        next_step(r);
    }
}

/* ---- what an answer brings ---- */

static void advance_start(sqp_run *r)
{
    if (r->stage.now.state[0] == STAGE_FAILED) {
        finish(r, SQP_FAILED_START);
        return;
    }
    memcpy(r->x, zo_stage_x(&r->stage, 0), r->n * sizeof *r->x);
    r->f = r->f_first = r->f_low = zo_stage_f(&r->stage, 0);
    for (size_t j = 0; j < r->m; j++) {
        r->scale[j] = 1;
        r->c[j] = zo_stage_g(&r->stage, 0)[j];
    }
    begin_slopes(r);
}

static void advance_line(sqp_run *r)
{
    const double f = zo_stage_f(&r->stage, 0);

    for (size_t j = 0; j < r->m; j++)
        r->c_trial[j] = zo_stage_g(&r->stage, 0)[j] / r->scale[j];
    const double change = merit(r, f, r->c_trial) - merit(r, r->f, r->c);
    if (isfinite(change) && change <= r->o->armijo * r->a * r->slope)
        accept(r);
    else if (!isfinite(change) || !correct(r))
        shorten(r, change);
}

static void advance(sqp_run *r)
{
    switch ((sqp_phase)r->phase) {
    case SQP_START:
        advance_start(r);
        break;
    case SQP_STENCIL:
        for (size_t i = 0; i < r->n; i++)
            read_slopes(r, i);
        learn(r);
        break;
    case SQP_LINE:
        advance_line(r);
        break;
    case SQP_IDLE:
    case SQP_PHASES:
        break;
    }
}

void sqp_run_start(sqp_run *r, const double *x)
{
    r->fresh = r->has_last = r->corrects = false;
    r->n_resets = r->n_steps = 0;
    r->end = SQP_GOES_ON;
    r->f = INFINITY;
    memcpy(r->x, x, r->n * sizeof *x);
    zo_stage_begin(&r->stage);
    zo_stage_begin(&r->stage); /* twice: nothing to take over either */
    r->phase = SQP_START;
    zo_stage_add(&r->stage, x, LABEL_START, NAN);
    add_stencil(r, x, false);
}

bool sqp_run_tell(sqp_run *r, const zo_told *t)
{
    if (!sqp_run_is_live(r) || zo_stage_tell(&r->stage, t) == STAGE_NONE)
        return false;
    while (sqp_run_is_live(r) && zo_stage_is_complete(&r->stage))
        advance(r);
    return true;
}

void sqp_run_visit(sqp_run *r, zo_visit *v)
{
    double *const scalars[] = {&r->f, &r->f_first, &r->f_low, &r->slope, &r->a, &r->b0};
    double values[ZO_LEN(scalars)];

    zo_stage_visit(&r->stage, v);
    qn_hessian_visit(&r->B, v);
    zo_visit_f64_within(v, "run.x", r->x, r->n, 0, 1);
    zo_visit_f64(v, "run.g", r->g, r->n);
    zo_visit_f64(v, "run.c", r->c, r->m);
    zo_visit_f64(v, "run.J", r->J, r->n * r->m);
    zo_visit_f64(v, "run.g_last", r->g_last, r->n);
    zo_visit_f64(v, "run.J_last", r->J_last, r->n * r->m);
    zo_visit_f64(v, "run.s", r->s, r->n);
    zo_visit_f64(v, "run.d", r->d, r->n);
    zo_visit_f64(v, "run.scale", r->scale, r->m);
    zo_visit_f64(v, "run.lambda", r->lambda, r->m);
    zo_visit_f64(v, "run.mu", r->mu, r->m);
    for (size_t k = 0; k < ZO_LEN(scalars); k++)
        values[k] = *scalars[k];
    zo_visit_f64(v, "run.scalars", values, ZO_LEN(values));
    for (size_t k = 0; k < ZO_LEN(scalars); k++)
        *scalars[k] = values[k];
    uint64_t counts[] = {r->n_resets, r->n_tries, r->n_steps};
    zo_visit_u64(v, "run.counts", counts, ZO_LEN(counts));
    r->n_resets = counts[0];
    r->n_tries = counts[1];
    r->n_steps = counts[2];
    uint32_t flags[] = {r->fresh, r->has_last, r->corrects};
    zo_visit_u32(v, "run.flags", flags, ZO_LEN(flags));
    r->fresh = flags[0] != 0;
    r->has_last = flags[1] != 0;
    r->corrects = flags[2] != 0;
    zo_visit_u32(v, "run.phase", &r->phase, 1);
    zo_visit_require(v, "run.phase", r->phase < SQP_PHASES);
    zo_visit_u32(v, "run.end", &r->end, 1);
    zo_visit_require(v, "stage.n_wanted",
                     r->stage.now.n_wanted == (r->phase == SQP_IDLE      ? 0
                                               : r->phase == SQP_STENCIL ? r->n
                                                                         : 1));
}
