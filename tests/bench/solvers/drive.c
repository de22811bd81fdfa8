#include "drive.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

enum { ASKS_PER_EVALUATION = 4 }; /* so that a run whose workers are all lost comes to an end */

/* A trial that was handed out. */
struct flight {
    uint64_t number;
    bool own;
    double *v, *u; /* [n] as handed out; encoded again, as it is told */
    void *memo;
    double us; /* that its ask took */
};
struct drive {
    const struct bed_setup *s;
    struct bed_problem *p;
    struct bed_result *r;
    struct cpu_times *cpu;
    zo_space *space;
    zo_problem problem;
    zo_solver_run *run;
    uint64_t next;            /* trial */
    double *x0, *g;           /* [n], [n_constraints] */
    struct flight *flights;   /* [2 slots] */
    size_t n_flights, n_lost; /* the lost ones of the round before come first */
    void *reals, *memos;
    size_t memo_bytes;
    double reading_us, spent_us; /* spent by asks that gave no trial */
    bool done, failed;
};

/* One vector where the box is a cube, else a number a coordinate. */
static zo_space *open_space(const struct bed_problem *p)
{
    const size_t n = p->n;
    zo_param_spec *params = zo_calloc(n, sizeof *params);
    char(*names)[24] = zo_calloc(n, sizeof *names);
    zo_space *space = NULL;
    bool cube = true;

    if (params == NULL || names == NULL)
        goto done;
    for (size_t i = 0; i < n; i++) {
        snprintf(names[i], sizeof names[i], "x%zu", i);
        params[i] = (zo_param_spec){.name = names[i], .type = ZO_FLOAT, .low = p->low[i], .high = p->high[i]};
        if (p->x0 != NULL) {
            params[i].has_default = true;
            params[i].default_value = (zo_scalar){.kind = ZO_NUMBER, .number = p->x0[i]};
        }
        cube = cube && p->low[i] == p->low[0] && p->high[i] == p->high[0];
    }
    if (cube) {
        params[0].name = "x";
        params[0].type = ZO_VECTOR;
        params[0].size = n;
        params[0].default_value = (zo_scalar){.kind = ZO_NUMBERS, .numbers = p->x0, .n_numbers = n};
    }
    const zo_space_spec spec = {.params = params, .n_params = cube ? 1 : n};
    zo_space_new(&spec, &space, NULL);
done:
    zo_free(params);
    zo_free(names);
    return space;
}

void bed_note(struct bed_result *r, const struct bed_problem *p, const struct bed_answer *a)
{
    r->evals++;
    if (!a->feasible)
        return;
    if (!r->feasible || a->f_true < r->best)
        r->best = a->f_true;
    r->feasible = true;
    for (size_t k = 0; k < p->n_targets; k++)
        if (r->hit_evals[k] == 0 && a->f_true <= p->target[k]) {
            r->hit_evals[k] = r->evals;
            r->hit_rounds[k] = r->rounds;
        }
}

static void fail(struct drive *d, const char *what, const zo_error *err)
{
    d->failed = true;
    d->r->end = BED_FAILED;
    snprintf(d->r->message, sizeof d->r->message, "%s: %.40s %.72s", what, err->pointer, err->message);
}

/* ---- life ---- */

static bool open_memory(struct drive *d)
{
    const size_t n = d->p->n, n_flights = 2 * (size_t)d->s->slots;

    d->memo_bytes = (zo_solver_run_memo_bytes(d->run) + 63) / 64 * 64;
    d->flights = zo_calloc(n_flights, sizeof *d->flights);
    d->reals = zo_calloc(2 * n_flights * n + d->p->n_constraints, sizeof(double));
    d->memos = zo_memalign64(n_flights * d->memo_bytes + 64);
    if (d->flights == NULL || d->reals == NULL || d->memos == NULL)
        return false;
    d->g = d->reals;
    double *u = d->g + d->p->n_constraints, *v = u + n_flights * n;
    for (size_t i = 0; i < n_flights; i++)
        d->flights[i] =
            (struct flight){.u = u + i * n, .v = v + i * n, .memo = (unsigned char *)d->memos + i * d->memo_bytes};
    return true;
}

static bool open_drive(struct drive *d)
{
    zo_error err = {.message = "out of memory"};

    d->reading_us = cpu_reading_us();
    d->space = open_space(d->p);
    d->x0 = d->p->x0 != NULL ? zo_calloc(d->p->n, sizeof(double)) : NULL;
    if (d->space == NULL || (d->p->x0 != NULL && d->x0 == NULL)) {
        fail(d, "open", &err);
        return false;
    }
    if (d->x0 != NULL)
        zo_space_to_unit(d->space, d->p->x0, d->x0);
    d->problem.space = d->space;
    d->problem.dims = zo_space_dims(d->space);
    d->problem.x0 = d->x0;
    if (zo_solver_run_new(d->s->solver, &d->problem, d->s->options, d->s->n_options, &d->run, &err) != ZO_OK ||
        !open_memory(d)) {
        fail(d, "create", &err);
        return false;
    }
    return true;
}

static void close_drive(struct drive *d)
{
    zo_free(d->memos);
    zo_free(d->reals);
    zo_free(d->flights);
    zo_solver_run_free(d->run);
    zo_free(d->x0);
    zo_space_free(d->space);
}

/* ---- one round ---- */

static double spent_since(const struct drive *d, double start)
{
    const double us = cpu_now_us() - start - d->reading_us;

    return us > 0 ? us : 0;
}

/* True: one more flight. */
static bool ask(struct drive *d)
{
    struct flight *t = &d->flights[d->n_flights];
    zo_proposal p = {.number = d->next, .x = t->u, .memo = d->memo_bytes > 0 ? t->memo : NULL};
    zo_error err = {0};

    t->number = d->next;
    t->us = 0;
    t->own = d->next > 0 || d->x0 == NULL;
    if (!t->own) {
        memcpy(t->u, d->x0, d->p->n * sizeof *t->u);
    } else {
        memset(t->memo, 0, d->memo_bytes);
        const double start = cpu_now_us();
        const zo_status rc = zo_solver_run_ask(d->run, &p, &err);
        t->us = d->spent_us + spent_since(d, start);
        d->spent_us = 0;
        if (rc != ZO_OK)
            fail(d, "ask", &err);
        d->done = p.verdict == ZO_ASK_DONE;
        if (rc != ZO_OK || p.verdict != ZO_ASK_OK) {
            d->spent_us = t->us;
            return false;
        }
    }
    for (size_t i = 0; i < d->p->n; i++)
        if (!(t->u[i] >= 0 && t->u[i] <= 1)) {
            fail(d, "ask", &(zo_error){.message = "outside the unit cube"});
            return false;
        }
    if (t->own)
        zo_space_from_unit(d->space, t->u, t->v);
    else
        memcpy(t->v, d->p->x0, d->p->n * sizeof *t->v);
    zo_space_to_unit(d->space, t->v, t->u);
    d->next++;
    d->n_flights++;
    return true;
}

static void tell(struct drive *d, const struct flight *t, zo_told told)
{
    zo_error err = {0};

    told.number = t->number;
    told.own = t->own;
    told.x = t->u;
    told.memo = t->own && d->memo_bytes > 0 ? t->memo : NULL;
    const double start = cpu_now_us();
    const zo_status rc = zo_solver_run_tell(d->run, &told, &err);
    cpu_add(d->cpu, t->us + spent_since(d, start));
    if (rc != ZO_OK)
        fail(d, "tell", &err);
}

static void evaluate(struct drive *d, const struct flight *t)
{
    struct bed_answer a = {.g = d->g};

    bed_problem_eval(d->p, d->problem.seed, t->number, t->v, &a);
    bed_note(d->r, d->p, &a);
    a.f += 0.0; /* no negative zero, as the engine has it */
    if (isfinite(a.f))
        tell(d, t,
             (zo_told){.outcome = ZO_TOLD_COMPLETE, .has_values = true, .feasible = a.feasible, .f = &a.f, .g = d->g});
    else
        tell(d, t, (zo_told){.outcome = ZO_TOLD_FAILED});
}

static void swap(struct flight *a, struct flight *b)
{
    const struct flight t = *a;

    *a = *b;
    *b = t;
}

/* The round's flights come back; some workers never do, and their trials are given up at the end of the next round. */
static void land_round(struct drive *d, zo_rng *rng)
{
    size_t kept = 0;
    const size_t old = d->n_lost;

    for (size_t i = d->n_flights; d->s->shuffle && i > old + 1; i--)
        swap(&d->flights[i - 1], &d->flights[old + zo_rng_below(rng, i - old)]);
    for (size_t i = old; i < d->n_flights && !d->failed; i++) {
        if (d->s->lost > 0 && zo_rng_uniform(rng) < d->s->lost)
            swap(&d->flights[old + kept++], &d->flights[i]);
        else
            evaluate(d, &d->flights[i]);
    }
    for (size_t i = 0; i < old && !d->failed; i++)
        tell(d, &d->flights[i], (zo_told){.outcome = ZO_TOLD_ABANDONED});
    for (size_t i = 0; i < kept; i++)
        swap(&d->flights[i], &d->flights[old + i]);
    d->n_lost = d->n_flights = kept;
}

void bed_drive(const struct bed_setup *s, struct bed_problem *p, uint64_t budget, struct bed_result *r,
               struct cpu_times *cpu)
{
    struct drive d = {.s = s, .p = p, .r = r, .cpu = cpu};
    zo_rng rng = zo_rng_make(bed_seed(s->seed, p), ZO_PURPOSE_REBASE, 0); /* order and losses */

    *r = (struct bed_result){.end = BED_BUDGET};
    d.problem = (zo_problem){.n = p->n,
                             .n_objectives = 1,
                             .n_constraints = p->n_constraints,
                             .oracle = ZO_ORACLE_VALUE,
                             .noise = s->noise,
                             .budget_trials = budget,
                             .parallelism = s->slots,
                             .seed = bed_seed(s->seed, p)};
    bool alive = open_drive(&d);
    while (alive && !d.failed && r->evals < budget && d.next < ASKS_PER_EVALUATION * budget) {
        r->rounds++;
        for (size_t i = 0; i < s->slots && r->evals + d.n_flights - d.n_lost < budget; i++)
            if (!ask(&d))
                break;
        if (d.n_flights == 0 && !d.failed) { /* nothing to hear of */
            r->end = d.done ? BED_CONVERGED : BED_STALLED;
            break;
        }
        if (!d.failed)
            land_round(&d, &rng);
    }
    close_drive(&d);
}
