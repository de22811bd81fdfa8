#include "conformance/bed.h"

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "fault/fault.h"

uint32_t bed_oracle = ZO_ORACLE_VALUE;

/* ---- problems ---- */

static zo_space *open_space(const zo_param_spec *params, size_t n)
{
    const zo_space_spec spec = {.params = params, .n_params = n};
    zo_space *space = NULL;
    zo_error err = {0};

    if (zo_space_new(&spec, &space, &err) != ZO_OK)
        fail_msg("%s: %s", err.pointer, err.message);
    return space;
}

static zo_space *open_mixed(uint32_t traits)
{
    static const zo_scalar words[] = {
        {.kind = ZO_STRING, .string = "a"}, {.kind = ZO_STRING, .string = "b"}, {.kind = ZO_STRING, .string = "c"}};
    static const zo_when when_a = {.parent = "category", .values = words, .n_values = 1};
    zo_param_spec params[9] = {
        {.name = "real", .type = ZO_FLOAT, .low = -2, .high = 3},
        {.name = "log", .type = ZO_FLOAT, .scale = ZO_LOG, .low = 1e-3, .high = 1e3},
    };
    size_t n = 2;

    if (traits & ZO_TRAIT_LEVELS) {
        params[n++] = (zo_param_spec){.name = "int", .type = ZO_INT, .low = 1, .high = 20};
        params[n++] = (zo_param_spec){.name = "stepped", .type = ZO_FLOAT, .low = 0, .high = 1, .step = 0.25};
        params[n++] = (zo_param_spec){.name = "bool", .type = ZO_BOOL};
        params[n++] = (zo_param_spec){.name = "ordinal", .type = ZO_ORDINAL, .choices = words, .n_choices = 3};
    }
    if (traits & ZO_TRAIT_CATEGORY)
        params[n++] = (zo_param_spec){.name = "category", .type = ZO_CATEGORICAL, .choices = words, .n_choices = 3};
    if (traits & ZO_TRAIT_CATEGORY && traits & ZO_TRAIT_CONDITIONAL)
        params[n++] =
            (zo_param_spec){.name = "child", .type = ZO_FLOAT, .low = 0, .high = 1, .when = &when_a, .n_when = 1};
    return open_space(params, n);
}

static bool open_directional(struct bed *b, const zo_solver *s, enum bed_kind kind, size_t n)
{
    zo_step_plan plan;
    zo_error err = {0};

    if (kind != BED_BOX || n == 0)
        return false;
    b->groups[0] = (zo_group){"first", 1};
    b->groups[1] = (zo_group){"rest", n - 1};
    b->directional = (zo_directional){.dimension = n, .groups = b->groups, .n_groups = n > 1 ? 2 : 1};
    b->problem.directional = &b->directional;
    b->problem.budget_trials = 1000; /* there are schedules that need one */
    if (zo_solver_plan(s, &b->problem, NULL, 0, &plan, &err) != ZO_OK)
        fail_msg("%s: %s", s->name, err.message);
    b->problem.n = zo_step_words(&plan);
    return true;
}

bool bed_open(struct bed *b, const zo_solver *s, enum bed_kind kind, size_t n, uint64_t seed)
{
    const zo_param_spec box = {.name = "x", .type = ZO_VECTOR, .size = n, .low = -5, .high = 5};

    *b = (struct bed){.problem = {.n_objectives = 1, .oracle = bed_oracle, .parallelism = 1, .seed = seed}};
    if (bed_oracle == ZO_ORACLE_DIRECTIONAL)
        return open_directional(b, s, kind, n);
    switch (kind) {
    case BED_BOX:
        break;
    case BED_MIXED:
        if (!(s->traits & (ZO_TRAIT_LEVELS | ZO_TRAIT_CATEGORY)) || bed_oracle == ZO_ORACLE_GRADIENT)
            return false;
        break;
    case BED_CONSTRAINED:
        if (!(s->traits & ZO_TRAIT_CONSTRAINTS))
            return false;
        b->problem.n_constraints = 2;
        break;
    case BED_OBJECTIVES:
        if (!(s->traits & ZO_TRAIT_OBJECTIVES))
            return false;
        b->problem.n_objectives = 2;
        break;
    }
    if (kind == BED_MIXED)
        b->space = open_mixed(s->traits);
    else if (n > 0)
        b->space = open_space(&box, 1);
    b->problem.space = b->space;
    b->problem.n = b->space != NULL ? zo_space_n_dims(b->space) : 0;
    b->problem.dims = b->space != NULL ? zo_space_dims(b->space) : NULL;
    return true;
}

void bed_close(struct bed *b)
{
    zo_space_free(b->space);
}

double bed_value(size_t n, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += (x[i] - 0.3 - 0.05 * (double)(i % 3)) * (x[i] - 0.3 - 0.05 * (double)(i % 3));
    return sum;
}

/* ---- scripts ---- */

void script_mixed(struct script *s, size_t n_ops, uint64_t seed)
{
    static const zo_outcome outcomes[] = {ZO_TOLD_INFEASIBLE, ZO_TOLD_FAILED, ZO_TOLD_STOPPED, ZO_TOLD_ABANDONED};
    zo_portable1 g = zo_portable1_make(seed);

    s->n = n_ops;
    for (size_t i = 0; i < n_ops; i++) {
        const uint64_t dice = zo_portable1_u64(&g) % 20;
        s->ops[i] = (struct op){
            .kind = dice < 10   ? OP_ASK
                    : dice < 18 ? OP_TELL
                                : OP_BRING,
            .pick = zo_portable1_u64(&g),
            .outcome = zo_portable1_u64(&g) % 4 ? ZO_TOLD_COMPLETE : outcomes[zo_portable1_u64(&g) % 4],
            .has_values = zo_portable1_u64(&g) & 1,
        };
        if (s->ops[i].kind == OP_BRING && s->ops[i].outcome == ZO_TOLD_ABANDONED)
            s->ops[i].outcome = ZO_TOLD_COMPLETE; /* nobody brings a point that nobody tried */
    }
}

void script_serial(struct script *s, size_t n_asks)
{
    s->n = 2 * n_asks;
    for (size_t i = 0; i < s->n; i++)
        s->ops[i] = (struct op){.kind = i % 2 ? OP_TELL : OP_ASK};
}

/* ---- lives ---- */

static void *must_alloc(size_t n, size_t bytes)
{
    void *p = calloc(n ? n : 1, bytes ? bytes : 1);

    assert_non_null(p);
    return p;
}

void life_start(struct life *l, const zo_solver *s, const zo_problem *p)
{
    life_start_with(l, s, p, NULL, 0);
}

void life_start_with(struct life *l, const zo_solver *s, const zo_problem *p, const zo_named *options, size_t n_options)
{
    zo_error err = {0};

    *l = (struct life){.problem = p, .best = INFINITY, .is_directional = p->directional != NULL};
    if (zo_solver_run_new(s, p, options, n_options, &l->run, &err) != ZO_OK)
        fail_msg("%s: %s", s->name, err.message);
    if (l->is_directional) {
        assert_int_equal(zo_solver_plan(s, p, options, n_options, &l->plan, &err), ZO_OK);
        assert_int_equal(zo_step_words(&l->plan), p->n);
        client_open(&l->client, p->seed, p->directional, &l->plan);
    }
    l->memo_bytes = zo_solver_run_memo_bytes(l->run);
    l->x = must_alloc(SCRIPT_MAX * p->n, sizeof *l->x);
    l->memo = must_alloc(SCRIPT_MAX, l->memo_bytes);
    l->asked = must_alloc(SCRIPT_MAX * p->n, sizeof *l->asked);
}

void life_forget_records(struct life *l)
{
    for (size_t i = 0; i < l->n_told; i++) {
        free(l->told[i].x);
        free(l->told[i].answers);
    }
    l->n_told = l->n_asked = 0;
}

void life_end(struct life *l)
{
    zo_solver_run_free(l->run);
    life_forget_records(l);
    if (l->is_directional)
        client_close(&l->client);
    free(l->x);
    free(l->memo);
    free(l->asked);
}

static bool armed(uint64_t fault, zo_status (*act)(struct life *, void *, zo_error *), struct life *l, void *arg)
{
    zo_error err = {0};
    zo_status rc;
    bool struck = false;

    if (fault > 0) {
        zo_fault_alloc_arm(fault, false);
        rc = act(l, arg, &err);
        struck = zo_fault_alloc_disarm();
        assert_int_equal(rc, err.code);
        if (rc == ZO_OK)
            return struck;
        assert_true(struck);
        assert_int_equal(rc, ZO_ENOMEM);
        err = (zo_error){0};
    }
    rc = act(l, arg, &err);
    if (rc != ZO_OK)
        fail_msg("%s: %s", zo_solver_run_def(l->run)->name, err.message);
    return struck;
}

static zo_status act_ask(struct life *l, void *arg, zo_error *err)
{
    zo_proposal *p = arg;

    if (l->memo_bytes > 0)
        memset(p->memo, 0, l->memo_bytes);
    return zo_solver_run_ask(l->run, p, err);
}

static void take_record(struct life *l, const double *record)
{
    zo_step_term terms[ZO_STEP_DIRECTIONS_MAX];

    assert_true(zo_step_check(&l->plan, record, l->next));
    client_take(&l->client, record);
    for (size_t i = 0; i < zo_step_n_probes(&l->plan, record); i++) {
        const size_t n = zo_step_probe(&l->client.steps, record, i, terms);
        assert_true(n <= l->plan.n_directions);
        for (size_t k = 0; k < n; k++)
            assert_true(isfinite(terms[k].scale) && terms[k].seed < UINT64_C(1) << 53);
    }
}

static bool step_ask(struct life *l, uint64_t fault)
{
    if (l->is_directional && l->n_running > 0)
        return false; /* the engine's rule, not the solver's */
    const size_t n = l->problem->n, at = l->n_running;
    zo_proposal p = {
        .number = l->next, .x = l->x + at * n, .memo = l->memo_bytes ? l->memo + at * l->memo_bytes : NULL};
    const bool struck = armed(fault, act_ask, l, &p);

    if (p.verdict == ZO_ASK_OK && l->is_directional)
        take_record(l, p.x);
    for (size_t i = 0; i < n && p.verdict == ZO_ASK_OK && !l->is_directional; i++)
        assert_true(p.x[i] >= 0 && p.x[i] <= 1);
    if (p.verdict == ZO_ASK_OK) {
        memcpy(l->asked + l->n_asked * n, p.x, n * sizeof *p.x);
        l->running[l->n_running++] = l->next++;
    }
    l->verdicts[l->n_asked++] = p.verdict;
    return struck;
}

static zo_status act_tell(struct life *l, void *arg, zo_error *err)
{
    return zo_solver_run_tell(l->run, arg, err);
}

/* Derivatives of both objectives and both constraints: [2][n] each. */
static void differentiate(size_t n, const double *x, double *df, double *dg)
{
    memset(df, 0, 2 * n * sizeof *df);
    memset(dg, 0, 2 * n * sizeof *dg);
    for (size_t i = 0; i < n; i++)
        df[i] = 2 * (x[i] - 0.3 - 0.05 * (double)(i % 3));
    if (n == 0)
        return;
    df[n] = 1;
    dg[0] = -1;
    dg[2 * n - 1] = 1;
}

/* Losses of the bed, or its derivatives. */
static double client_value(const void *arg, size_t n, const double *x, const double *z)
{
    double sum = 0;

    (void)arg;
    if (z == NULL)
        return bed_value(n, x);
    for (size_t i = 0; i < n; i++)
        sum += 2 * (x[i] - 0.3 - 0.05 * (double)(i % 3)) * z[i];
    return sum;
}

/* x: the record; answers: of its probes. */
static bool tell_answers(struct life *l, uint64_t number, zo_outcome outcome, const double *x, const double *answers,
                         uint64_t fault)
{
    const bool complete = outcome == ZO_TOLD_COMPLETE;
    zo_told t = {.number = number, .outcome = outcome, .own = true, .x = x, .answers = complete ? answers : NULL};
    double loss = 0;

    t.has_values = t.feasible = complete && zo_step_loss(&l->plan, x, answers, &loss);
    t.f = t.has_values ? &loss : NULL;
    if (complete && bed_value(l->client.n, l->client.x) < l->best)
        l->best = bed_value(l->client.n, l->client.x);
    return armed(fault, act_tell, l, &t);
}

static bool tell(struct life *l, uint64_t number, zo_outcome outcome, bool has_values, const double *x,
                 const void *memo, bool own, uint64_t fault)
{
    const size_t n = l->problem->n;
    const double f[] = {bed_value(n, x), n > 0 ? x[0] : 0}, g[] = {n > 0 ? 0.2 - x[0] : 0, n > 0 ? x[n - 1] - 0.9 : 0};
    const bool valued = outcome == ZO_TOLD_COMPLETE || (outcome == ZO_TOLD_STOPPED && has_values);
    const zo_told t = {
        .number = number,
        .outcome = outcome,
        .own = own,
        .has_values = valued,
        .feasible = valued && (l->problem->n_constraints == 0 || (g[0] <= 0 && g[1] <= 0)),
        .x = x,
        .memo = own && l->memo_bytes ? memo : NULL,
        .f = valued ? f : NULL,
        .g = valued && l->problem->n_constraints ? g : NULL,
    };
    const bool slopes = valued && l->problem->oracle == ZO_ORACLE_GRADIENT;
    double *df = must_alloc(2 * n, sizeof *df), *dg = must_alloc(2 * n, sizeof *dg);
    zo_told copy = t;

    differentiate(n, x, df, dg);
    if (slopes && (outcome == ZO_TOLD_COMPLETE || number % 2)) /* a stopped trial may have them */
        copy.df = df;
    if (slopes && l->problem->n_constraints && number % 3) /* and constraints' come as they come */
        copy.dg = dg;
    if (number % 3 == 1)
        for (size_t i = 0; i < n; i++)
            dg[i] = NAN;
    const bool struck = armed(fault, act_tell, l, &copy);
    free(df);
    free(dg);
    if (outcome == ZO_TOLD_COMPLETE && f[0] < l->best)
        l->best = f[0];
    return struck;
}

static struct told *note_told(struct life *l, uint64_t number, const struct op *op, const double *x)
{
    struct told *t = &l->told[l->n_told++];

    *t = (struct told){.number = number,
                       .outcome = op->outcome,
                       .has_values = op->has_values,
                       .x = must_alloc(l->problem->n, sizeof *x)};
    memcpy(t->x, x, l->problem->n * sizeof *x);
    return t;
}

static bool step_tell_record(struct life *l, const struct op *op, uint64_t fault)
{
    struct told *t = note_told(l, l->running[0], op, l->x);

    t->answers = must_alloc(CLIENT_ANSWERS_MAX, sizeof *t->answers);
    client_answer(&l->client, t->x, client_value, NULL, t->answers);
    l->n_running = 0;
    return tell_answers(l, t->number, t->outcome, t->x, t->answers, fault);
}

/* The engine tells the point as decoded, so levels come back as their cells' centres. */
static void snap(const struct life *l, double *x)
{
    const size_t n = l->problem->n;
    double *v = must_alloc(n, sizeof *v);

    if (l->problem->space != NULL) {
        zo_space_from_unit(l->problem->space, x, v);
        zo_space_to_unit(l->problem->space, v, x);
    }
    free(v);
}

static bool step_tell(struct life *l, const struct op *op, uint64_t fault)
{
    const size_t n = l->problem->n;

    if (l->n_running == 0)
        return false;
    if (l->is_directional)
        return step_tell_record(l, op, fault);
    const size_t at = op->pick % l->n_running, last = l->n_running - 1;
    double *x = l->x + at * n;
    unsigned char *memo = l->memo + at * l->memo_bytes;
    snap(l, x);
    const bool struck = tell(l, l->running[at], op->outcome, op->has_values, x, memo, true, fault);
    note_told(l, l->running[at], op, x);
    l->running[at] = l->running[last];
    memmove(x, l->x + last * n, n * sizeof *x);
    memmove(memo, l->memo + last * l->memo_bytes, l->memo_bytes);
    l->n_running--;
    return struck;
}

static bool step_bring(struct life *l, const struct op *op, uint64_t fault)
{
    if (l->is_directional)
        return false; /* steps are the solver's own */
    const size_t n = l->problem->n;
    double *x = must_alloc(n, sizeof *x);
    zo_portable1 g = zo_portable1_make(op->pick);

    for (size_t i = 0; i < n; i++)
        x[i] = zo_portable1_uniform(&g);
    snap(l, x);
    const bool struck = tell(l, l->next, op->outcome, op->has_values, x, NULL, false, fault);
    note_told(l, l->next++, op, x);
    free(x);
    return struck;
}

bool life_step(struct life *l, const struct op *op, uint64_t fault)
{
    switch (op->kind) {
    case OP_ASK:
        return step_ask(l, fault);
    case OP_TELL:
        return step_tell(l, op, fault);
    case OP_BRING:
        return step_bring(l, op, fault);
    }
    return false;
}

void life_play(struct life *l, const struct script *s, size_t from, size_t to)
{
    for (size_t i = from; i < to; i++)
        life_step(l, &s->ops[i], 0);
}

/* x has moved by the steps of the old life, also by those that came to nothing: the solver is told of them all. */
static void retell_records(struct life *to, const struct life *l)
{
    for (size_t i = 0; i < l->client.n_records; i++)
        client_take(&to->client, l->client.records[i]);
    for (size_t i = 0; i < l->n_told; i++)
        tell_answers(to, l->told[i].number, l->told[i].outcome, l->told[i].x, l->told[i].answers, 0);
    to->next = l->next;
}

void life_retell(struct life *to, const struct life *l)
{
    if (l->is_directional) {
        retell_records(to, l);
        return;
    }
    for (uint64_t number = 0; number < l->next; number++)
        for (size_t i = 0; i < l->n_told; i++)
            if (l->told[i].number == number && l->told[i].outcome != ZO_TOLD_ABANDONED)
                tell(to, number, l->told[i].outcome, l->told[i].has_values, l->told[i].x, NULL, false, 0);
    to->next = l->next;
}

bool life_is_over(const struct life *l)
{
    const zo_verdict last = l->n_asked > 0 ? l->verdicts[l->n_asked - 1] : ZO_ASK_OK;

    return last != ZO_ASK_OK && last != ZO_ASK_WAIT;
}

bool life_same(const struct life *a, const struct life *b, size_t from)
{
    const size_t n = a->problem->n, n_asked = a->n_asked - from;

    return a->n_asked == b->n_asked && a->n_asked >= from &&
           memcmp(a->verdicts + from, b->verdicts + from, n_asked * sizeof *a->verdicts) == 0 &&
           memcmp(a->asked + from * n, b->asked + from * n, n_asked * n * sizeof *a->asked) == 0;
}
