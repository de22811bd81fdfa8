/* Noisy functions in the box [-5, 5]^n; the solver is told noisy values and scored by those without noise, at 51
 * precisions. */
#include "functions/bbob.h"
#include "functions/noisy.h"
#include "suite.h"

static unsigned group_of(unsigned f)
{
    return f <= 6 ? 0 : f <= 21 ? 1 : 2;
}

static bool open_noisy(struct bed_problem *p)
{
    struct bbob *b = zo_calloc(1, sizeof *b);

    p->state = b;
    if (b == NULL || !bbob_init(b, noisy_base(p->f), p->instance, p->n))
        return false;
    bed_targets(p, b->f_opt, 51);
    return true;
}

static void close_noisy(struct bed_problem *p)
{
    if (p->state != NULL)
        bbob_fini(p->state);
    zo_free(p->state);
    p->state = NULL;
}

static void eval_noisy(struct bed_problem *p, zo_rng *rng, const double *x, struct bed_answer *a)
{
    struct bbob *b = p->state;

    a->f_true = bbob_eval(b, x);
    a->f = b->f_opt + noisy_value(noisy_kind(p->f), noisy_severe(p->f), p->n, a->f_true - b->f_opt, rng);
    a->feasible = true;
}

static const char *const groups[] = {"mod", "sev", "multi"};
static const unsigned budgets[] = {10, 20, 50, 100, 300, 1000, 3000, 0};

const struct bed_suite bed_suite_noisy = {
    .name = "noisy",
    .n_functions = NOISY_FUNCTIONS,
    .n_groups = 3,
    .groups = groups,
    .group_of = group_of,
    .budgets = budgets,
    .noise = ZO_NOISE_EXPECTED,
    .open = open_noisy,
    .close = close_noisy,
    .eval = eval_noisy,
};
