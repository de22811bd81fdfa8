/* Constrained functions from a feasible start, scored at 41 precisions from 10^2 to 10^-6 by feasible points only. One
 * evaluation gives the objective and all constraints. */
#include "functions/constrained.h"
#include "suite.h"

static unsigned group_of(unsigned f)
{
    return (f - 1) / 6;
}

static bool open_constrained(struct bed_problem *p)
{
    struct constrained *c = zo_calloc(1, sizeof *c);

    p->state = c;
    if (c == NULL || !constrained_init(c, p->f, p->instance, p->n))
        return false;
    p->n_constraints = c->m;
    p->x0 = c->x0;
    bed_targets(p, c->f_opt, 41);
    return true;
}

static void close_constrained(struct bed_problem *p)
{
    if (p->state != NULL)
        constrained_fini(p->state);
    zo_free(p->state);
    p->state = NULL;
}

static void eval_constrained(struct bed_problem *p, zo_rng *rng, const double *x, struct bed_answer *a)
{
    (void)rng;
    a->f = a->f_true = constrained_eval(p->state, x, a->g);
    a->feasible = true;
    for (size_t k = 0; k < p->n_constraints; k++)
        a->feasible = a->feasible && a->g[k] <= 0;
}

static const char *const groups[] = {"sph", "ellS", "slope", "ell", "disc", "cigar", "pow", "rasS", "ras"};
static const unsigned budgets[] = {10, 20, 50, 100, 300, 1000, 0};

const struct bed_suite bed_suite_constrained = {
    .name = "constrained",
    .n_functions = CONSTRAINED_FUNCTIONS,
    .n_groups = CONSTRAINED_OBJECTIVES,
    .groups = groups,
    .group_of = group_of,
    .budgets = budgets,
    .noise = ZO_NOISE_AUTO,
    .open = open_constrained,
    .close = close_constrained,
    .eval = eval_constrained,
};
