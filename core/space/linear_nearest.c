/* The nearest levels, by exhaustion: depth first over the grid variables, levels in the order of their distance from
 * the target. A branch is cut when its levels alone are as far as the best point known, or when some row can't be met
 * whatever the rest does. */
#include "space/polytope.h"

#include <math.h>
#include <string.h>

enum { MAX_GRID = 12, MAX_NODES = 20000, MAX_SETTLED = 50 };

struct nearest {
    const struct polytope *p;
    const double *target;
    settle_fn *settle;
    double *best, best2; /* the point, and the square of its distance */
    double *x;
    size_t n_nodes, n_settled;
    double low[MAX_LINEAR], high[MAX_LINEAR]; /* of each row, less its right-hand side, over what is still open */
};

static double square(double x)
{
    return x * x;
}

/* Row sums as variable j, open until now, is set to x (sign 1), or is opened again (-1). */
static void narrow(struct nearest *s, size_t j, double x, double sign)
{
    const double *col = s->p->cols + j * s->p->m;

    for (size_t i = 0; i < s->p->m; i++) {
        s->low[i] += sign * (col[i] * x - fmin(col[i], 0));
        s->high[i] += sign * (col[i] * x - fmax(col[i], 0));
    }
}

static bool hopeless(const struct nearest *s)
{
    for (size_t i = 0; i < s->p->m; i++)
        if (s->low[i] > 1e-9 || (s->p->equal[i] && s->high[i] < -1e-9))
            return true;
    return false;
}

static void leaf(struct nearest *s, double so_far)
{
    const struct polytope *p = s->p;
    double x[MAX_VARIABLES], d2 = 0;

    memcpy(x, s->x, p->n * sizeof *x);
    s->n_settled++;
    if (!s->settle(p, s->target, s->best2 - so_far, x))
        return;
    for (size_t j = 0; j < p->n; j++)
        d2 += square(x[j] - s->target[j]);
    if (d2 < s->best2) {
        s->best2 = d2;
        memcpy(s->best, x, p->n * sizeof *x);
    }
}

static void visit(struct nearest *s, size_t j, double so_far)
{
    const double steps = j < s->p->n ? polytope_level_count(s->p, j) : 0;

    if (j == s->p->n) {
        leaf(s, so_far);
        return;
    }
    const double at = rint(s->target[j] * steps); /* the target is on its levels */
    for (double k = 0; k <= steps; k++)
        for (int side = 1; side >= (k == 0 ? 1 : -1); side -= 2) {
            const double level = at + side * k, d2 = so_far + square(level / steps - s->target[j]);
            if (level < 0 || level > steps)
                continue;
            if (!(d2 < s->best2 * (1 - 1e-12)) && k > 0)
                return; /* and all that follow are farther */
            if (s->n_nodes++ >= MAX_NODES || s->n_settled >= MAX_SETTLED)
                return;
            s->x[j] = level / steps;
            narrow(s, j, s->x[j], 1);
            if (!hopeless(s))
                visit(s, j + 1, d2);
            narrow(s, j, s->x[j], -1);
        }
}

void nearest_levels(const struct polytope *p, const double *target, settle_fn *settle, double *x)
{
    double scratch[MAX_VARIABLES];
    struct nearest s = {.p = p, .target = target, .settle = settle, .best = x, .x = scratch};

    if (p->n - p->n_real > MAX_GRID)
        return;
    memcpy(scratch, target, p->n * sizeof *scratch);
    for (size_t j = 0; j < p->n; j++)
        s.best2 += square(x[j] - target[j]);
    for (size_t i = 0; i < p->m; i++) {
        s.low[i] = s.high[i] = -p->b[i];
        for (size_t j = 0; j < p->n; j++) {
            s.low[i] += fmin(p->rows[i * p->n + j], 0);
            s.high[i] += fmax(p->rows[i * p->n + j], 0);
        }
    }
    visit(&s, p->n_real, 0);
}
