/* The 24 noiseless functions in the box [-5, 5]^n, scored at 51 precisions from 10^2 to 10^-8. */
#include "functions/bbob.h"
#include "suite.h"

static unsigned group_of(unsigned f)
{
    return bbob_group(f);
}

static bool open_bbob(struct bed_problem *p)
{
    struct bbob *b = zo_calloc(1, sizeof *b);

    p->state = b;
    if (b == NULL || !bbob_init(b, p->f, p->instance, p->n))
        return false;
    bed_targets(p, b->f_opt, 51);
    return true;
}

static void close_bbob(struct bed_problem *p)
{
    if (p->state != NULL)
        bbob_fini(p->state);
    zo_free(p->state);
    p->state = NULL;
}

static void eval_bbob(struct bed_problem *p, zo_rng *rng, const double *x, struct bed_answer *a)
{
    (void)rng;
    a->f = a->f_true = bbob_eval(p->state, x);
    a->feasible = true;
}

static const char *const groups[] = {"sep", "mod", "ill", "multi", "weak"};
static const unsigned budgets[] = {10, 20, 50, 100, 300, 1000, 0};

const struct bed_suite bed_suite_bbob = {
    .name = "bbob",
    .n_functions = BBOB_FUNCTIONS,
    .n_groups = BBOB_GROUPS,
    .groups = groups,
    .group_of = group_of,
    .budgets = budgets,
    .noise = ZO_NOISE_AUTO,
    .open = open_bbob,
    .close = close_bbob,
    .eval = eval_bbob,
};
