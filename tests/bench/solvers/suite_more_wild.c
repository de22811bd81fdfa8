/* Least-squares problems, scored as data profiles: solved at tau when f <= f_L + tau (f(x0) - f_L) within a multiple of
 * n + 1 evaluations, f_L the least value known. The problems have no bounds; the box is ten times as wide as the start
 * is far from 0, in each coordinate, on either side of the start (ten where it is 0), so that a step of a tenth of the
 * half-width is the usual first step of unbounded solvers. The instance number does nothing but seed the solver. */
#include <math.h>
#include "functions/more_wild.h"
#include "suite.h"

enum { BOX = 10 };
static const double taus[] = {1e-3, 1e-5, 1e-7};

static unsigned group_of(unsigned f)
{
    (void)f;
    return 0;
}

static size_t n_of(unsigned f)
{
    struct more_wild w;

    return more_wild_init(&w, f) ? w.n : 0;
}

static bool open_more_wild(struct bed_problem *p)
{
    struct more_wild *w = zo_calloc(1, sizeof *w);

    p->state = w;
    if (w == NULL || !more_wild_init(w, p->f))
        return false;
    p->x0 = w->x0;
    p->f_best = w->f_best;
    p->unit = p->n + 1;
    for (size_t i = 0; i < p->n; i++) {
        const double reach = BOX * (w->x0[i] != 0 ? fabs(w->x0[i]) : 1);
        p->low[i] = w->x0[i] - reach;
        p->high[i] = w->x0[i] + reach;
    }
    p->n_targets = ZO_LEN(taus);
    for (size_t k = 0; k < ZO_LEN(taus); k++)
        p->target[k] = w->f_best + taus[k] * (more_wild_eval(w, w->x0) - w->f_best);
    return true;
}

static void close_more_wild(struct bed_problem *p)
{
    zo_free(p->state);
    p->state = NULL;
}

static void eval_more_wild(struct bed_problem *p, zo_rng *rng, const double *x, struct bed_answer *a)
{
    (void)rng;
    a->f = a->f_true = more_wild_eval(p->state, x);
    a->feasible = isfinite(a->f);
}

static const char *const groups[] = {"all"};
static const unsigned budgets[] = {10, 25, 50, 100, 0};

const struct bed_suite bed_suite_more_wild = {
    .name = "more-wild",
    .n_functions = MORE_WILD_PROBLEMS,
    .n_groups = 1,
    .groups = groups,
    .group_of = group_of,
    .budgets = budgets,
    .noise = ZO_NOISE_AUTO,
    .n_of = n_of,
    .open = open_more_wild,
    .close = close_more_wild,
    .eval = eval_more_wild,
};
