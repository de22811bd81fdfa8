/* The study's side of its solver: what it proposes becomes a point of the space, what was found out is told to it in
 * its own terms (unit cube, to be minimized, constraints as g <= 0).
 *
 * Natural units are the truth: a proposal u is decoded, repaired to v, and the solver is told the encoding of v. With
 * duplicates avoided, a proposal at a seen point is replaced by samples from the trial's REPAIR stream; where those
 * find nothing either, by a walk over the levels of a small space. */
#include "study/study_private.h"

enum { NEW_POINT_TRIES = 200, WALK_POINTS = 1 << 16 };

zo_status solver_start(zo_study *s, zo_solver_run **out, zo_error *err)
{
    return zo_solver_run_new(s->def, &s->problem, s->options, s->n_options, out, err);
}

/* ---- telling ---- */

/* Fill s->f, s->g, s->f_stderr from a row's values. */
static void translate(zo_study *s, const double *values, const double *std_errors)
{
    for (size_t j = 0; j < s->n_objectives; j++) {
        s->f[j] = s->sign[j] * values[j] + 0.0; /* no negative zero: told values compare as clients wrote them */
        s->f_stderr[j] = std_errors ? std_errors[j] : NAN;
    }
    for (size_t j = 0; j < s->n_constraints; j++)
        s->g[j] = constraint_excess(&s->constraints[j], values[s->n_objectives + j]);
}

static bool is_given(const double *row)
{
    return !isnan(row[0]); /* of a row all are, or none */
}

/* Derivatives of s->f and s->g by the unit coordinates into s->df and s->dg; the latter is NaN where there is none. */
static void translate_gradients(zo_study *s, const double *v, const double *values, const double *gradients, zo_told *t)
{
    bool objectives = true, constraints = false;

    for (size_t j = 0; j < s->n_objectives + s->n_constraints; j++) {
        const bool objective = j < s->n_objectives;
        const size_t c = j - s->n_objectives; /* of a constraint */
        const double *from = gradients + j * s->n;
        double *to = objective ? s->df + j * s->n : s->dg + c * s->n;
        const double sign = objective ? s->sign[j] : constraint_slope(&s->constraints[c], values[j]);

        objectives = objectives && (!objective || is_given(from));
        constraints = constraints || (!objective && is_given(from));
        zo_space_gradient_to_unit(s->space, v, from, to);
        for (size_t i = 0; i < s->n; i++)
            to[i] = sign * to[i] + 0.0; /* no negative zero */
    }
    t->df = objectives ? s->df : NULL;
    t->dg = constraints ? s->dg : NULL;
}

/* Answers of a step's probes, to be minimized. */
static const double *translate_answers(zo_study *s, const double *record, const double *values)
{
    const size_t n = zo_step_n_probes(&s->plan, record);

    for (size_t i = 0; i < n; i++)
        s->answers[i] = s->sign[0] * values[s->n_named + i] + 0.0;
    return s->answers;
}

static zo_status tell_row(zo_study *s, zo_solver_run *run, struct row r, uint64_t number, zo_outcome outcome,
                          const void *memo, bool own, zo_error *err)
{
    const struct rare *rare = row_rare(r);
    const double *values = row_values(&s->t, r);
    zo_told t = {.number = number, .outcome = outcome, .own = own, .x = s->u, .memo = own ? memo : NULL};

    t.has_values = (outcome == ZO_TOLD_COMPLETE || outcome == ZO_TOLD_STOPPED) && r.g->flags[r.i] & FLAG_VALUES;
    if (t.has_values) {
        translate(s, values, rare ? rare->std_errors : NULL);
        t.feasible = constraint_violation(s, values) <= 0;
        t.f = s->f;
        t.g = s->g;
        t.f_stderr = rare && rare->std_errors ? s->f_stderr : NULL;
        if (rare && rare->gradients)
            translate_gradients(s, row_v(&s->t, r), values, rare->gradients, &t);
    }
    if (is_directional(s)) {
        t.x = row_v(&s->t, r);
        t.answers = outcome == ZO_TOLD_COMPLETE ? translate_answers(s, t.x, values) : NULL;
    } else {
        zo_space_to_unit(s->space, row_v(&s->t, r), s->u);
    }
    return zo_solver_run_tell(run, &t, err);
}

static zo_status tell_unasked(zo_study *s, const struct owed *o, zo_error *err)
{
    const zo_told t = {.number = o->number,
                       .outcome = ZO_TOLD_ABANDONED,
                       .own = true,
                       .x = s->u,
                       .memo = pending_memo(&s->pending, o->pending - 1)};

    zo_space_to_unit(s->space, s->lost, s->u);
    return zo_solver_run_tell(s->run, &t, err);
}

zo_status solver_pay(zo_study *s, zo_error *err)
{
    zo_error unheard = {0}; /* prefixing an error that nobody wants would lose its code */
    size_t paid = 0;
    zo_status rc = ZO_OK;

    if (!err)
        err = &unheard;
    for (; paid < s->n_owed; paid++) {
        const struct owed *o = &s->owed[paid];
        const bool own = o->pending && s->pending.items[o->pending - 1].own;
        if (o->unasked)
            rc = tell_unasked(s, o, err);
        else
            rc = tell_row(s, s->run, table_row(&s->t, o->number), o->number, o->outcome,
                          own ? pending_memo(&s->pending, o->pending - 1) : NULL, own, err);
        if (rc == ZO_ENOMEM)
            break;
        /* Any other refusal is the solver's own loss, and the same in every replay. */
        if (o->pending)
            pending_free(&s->pending, o->pending - 1);
        rc = ZO_OK;
    }
    if (paid && paid < s->n_owed)
        memmove(s->owed, s->owed + paid, (s->n_owed - paid) * sizeof *s->owed);
    s->n_owed -= paid;
    return rc;
}

/* ---- asking ---- */

static bool is_seen(const zo_study *s, const double *v)
{
    return s->duplicates == ZO_DUPLICATES_AVOID && seen_has(&s->seen, zo_space_hash(s->space, v));
}

bool is_x0(const zo_study *s, const double *v)
{
    return s->x0 && memcmp(v, s->x0, s->n * sizeof *v) == 0;
}

static bool all_levels(const zo_study *s)
{
    for (size_t i = 0; i < s->n; i++)
        if (s->problem.dims[i].kind == ZO_DIM_REAL)
            return false;
    return true;
}

/* Replace the seen point in v by a new one. */
static bool find_new(zo_study *s, zo_rng *rng, double *v)
{
    for (unsigned k = 0; k < NEW_POINT_TRIES; k++) {
        zo_space_sample(s->space, rng, v);
        if (!is_seen(s, v))
            return true;
    }
    if (!all_levels(s))
        return false;
    for (size_t i = 0; i < s->n; i++)
        s->u[i] = 0.5 / (double)s->problem.dims[i].levels;
    bool more = true;
    for (unsigned k = 0; k < WALK_POINTS && more; k++) {
        zo_space_from_unit(s->space, s->u, v);
        more = zo_space_walk(s->space, v, s->u);
        zo_space_repair(s->space, rng, v); /* off the walk when the combination is infeasible, then usually seen */
        if (!is_seen(s, v))
            return true;
    }
    return false;
}

enum proposal proposal_of(zo_verdict verdict)
{
    static const enum proposal proposals[] = {
        [ZO_ASK_OK] = PROPOSED,     [ZO_ASK_WAIT] = NOTHING_YET,      [ZO_ASK_DONE] = CONVERGED,
        [ZO_ASK_STALLED] = STALLED, [ZO_ASK_INFEASIBLE] = INFEASIBLE,
    };

    return proposals[verdict];
}

/* What the solver expects, in the client's sign. Of several objectives nobody says which. */
static double prediction(const zo_study *s, double predicted)
{
    return s->n_objectives == 1 && isfinite(predicted) ? s->sign[0] * predicted + 0.0 : NAN;
}

zo_status solver_propose(zo_study *s, double *v, enum proposal *out, struct provenance *why, zo_error *err)
{
    const uint64_t number = s->t.next;
    const uint32_t pending = pending_peek(&s->pending);
    zo_proposal p = {.number = number, .x = s->u, .memo = pending_memo(&s->pending, pending)};
    zo_status rc;

    *why = (struct provenance){.predicted = NAN};
    if (is_directional(s))
        return step_propose(s, v, out, why, err);
    if (s->x0 && !s->asked_solver && !is_seen(s, s->x0)) {
        memcpy(v, s->x0, s->n * sizeof *v);
        why->why = "default point";
        *out = PROPOSED_X0;
        return ZO_OK;
    }
    if (s->duplicates == ZO_DUPLICATES_AVOID && s->seen.distinct >= s->cardinality) {
        *out = EXHAUSTED;
        return ZO_OK;
    }
    if (p.memo)
        memset(p.memo, 0, s->pending.memo_bytes);
    if ((rc = zo_solver_run_ask(s->run, &p, err)) != ZO_OK)
        return rc;
    if (p.verdict != ZO_ASK_OK) {
        *out = proposal_of(p.verdict);
        why->why = p.why;
        return ZO_OK;
    }
    for (size_t i = 0; i < s->n; i++)
        if (!(s->u[i] >= 0 && s->u[i] <= 1)) /* a solver's slip, or NaN, must not get out */
            s->u[i] = isnan(s->u[i]) ? 0.5 : zo_clip(s->u[i], 0, 1);
    zo_space_from_unit(s->space, s->u, v);
    *out = PROPOSED;
    *why = (struct provenance){p.core ? p.core : s->def->name, p.why, prediction(s, p.predicted)};
    if (zo_space_has_linear(s->space) || s->duplicates == ZO_DUPLICATES_AVOID) {
        zo_rng rng = zo_rng_make(s->seed, ZO_PURPOSE_REPAIR, number);
        memcpy(s->lost, v, s->n * sizeof *v);
        zo_space_repair(s->space, &rng, v);
        if (memcmp(s->lost, v, s->n * sizeof *v) != 0)
            why->predicted = NAN; /* of another point */
        if (is_seen(s, v)) {
            memcpy(s->lost, v, s->n * sizeof *v);
            if (find_new(s, &rng, v)) {
                why->why = "instead of a duplicate";
                why->predicted = NAN;
            } else {
                /* The solver did propose; it is told that nobody went. */
                const uint32_t i = pending_take(&s->pending, number);
                s->pending.items[i].own = true;
                s->owed[s->n_owed++] = (struct owed){.number = number, .pending = i + 1, .unasked = true};
                *out = EXHAUSTED_ASKED;
            }
        }
    }
    return ZO_OK;
}

/* ---- R3 ---- */

static const zo_outcome outcome_of[ZO_TRIAL_STATE_COUNT] = {
    [ZO_TRIAL_COMPLETE] = ZO_TOLD_COMPLETE,
    [ZO_TRIAL_INFEASIBLE] = ZO_TOLD_INFEASIBLE,
    [ZO_TRIAL_FAILED] = ZO_TOLD_FAILED,
    [ZO_TRIAL_STOPPED] = ZO_TOLD_STOPPED,
    [ZO_TRIAL_ABANDONED] = ZO_TOLD_ABANDONED,
};

/* init, then every finished trial as an outside point, in number order; but not those that are about to be forgotten.
 * Of a directional study it is told the abandoned steps as well: x has moved by them. */
zo_status solver_relive(zo_study *s, zo_solver_run **out, zo_error *err)
{
    zo_solver_run *run = NULL;
    zo_status rc = solver_start(s, &run, err);

    for (uint64_t number = 0; rc == ZO_OK; number++) {
        const struct row r = table_next(&s->t, &number);
        if (!r.g)
            break;
        const zo_trial_state state = r.g->state[r.i];
        if (state == ZO_TRIAL_QUEUED || state == ZO_TRIAL_RUNNING || state == ZO_TRIAL_FORGOTTEN ||
            (state == ZO_TRIAL_ABANDONED && !is_directional(s)) || r.g->flags[r.i] & FLAG_BATCH)
            continue;
        rc = tell_row(s, run, r, number, outcome_of[state], NULL, false, err);
        if (rc != ZO_ENOMEM)
            rc = ZO_OK;
    }
    if (rc != ZO_OK)
        zo_solver_run_free(run);
    else
        *out = run;
    return rc;
}

/* What runs now is unknown to the new life and will be told as an outside point too. */
void solver_replace(zo_study *s, zo_solver_run *run)
{
    zo_solver_run_free(s->run);
    s->run = run;
    for (uint32_t i = 0; i < s->pending.n; i++)
        s->pending.items[i].own = false;
    for (size_t k = 0; k < s->n_owed; k++) /* told just now */
        if (s->owed[k].pending)
            pending_free(&s->pending, s->owed[k].pending - 1);
    s->n_owed = 0;
}

/* The old life goes on if memory runs out. */
zo_status solver_rebase(zo_study *s, zo_error *err)
{
    zo_solver_run *run;
    const zo_status rc = solver_relive(s, &run, err);

    if (rc == ZO_OK)
        solver_replace(s, run);
    return rc;
}
