/* Is there a point? A simplex method for bounded variables, on the condensed tableau (one row a constraint, one column
 * a variable that is not in the basis), that only ever minimises the sum of violations; and over it, for levels, a
 * bounded depth-first branch and bound. Vertices have at most one fractional level a constraint, so the search is short
 * unless the problem is a puzzle. */
#include "space/polytope.h"
#include "zeroth/linalg.h"

#include <math.h>
#include <string.h>

#define FEASIBLE 1e-9 /* sum of violations of rows of unit length */
#define PIVOT 1e-9
enum { MAX_NODES = 5000, MAX_DEPTH = 5000 };
#define MAX_FLOPS 5e8 /* of one search: some tenths of a second */

struct lp {
    zo_arena *arena;
    const struct polytope *p;
    size_t n, m;
    double *T;                /* [m][n] basic i = const - T[i] . nonbasic */
    double *low, *high, *x;   /* [n + m] by variable; n + i is the slack of row i */
    double *gradient;         /* [n] */
    size_t *basic, *nonbasic; /* [m], [n] */
    struct node *stack;       /* [MAX_DEPTH] */
    double *from, *to;        /* [n] bounds of the search's node */
    double flops;
};

struct node {
    size_t j;
    double from, to; /* to be put back */
    double other_from, other_to;
    bool last;
};

struct lp *lp_new(const struct polytope *p)
{
    zo_arena *a = zo_arena_new(0);
    struct lp *lp = a != NULL ? zo_arena_alloc(a, sizeof *lp) : NULL;
    const size_t n = p->n, m = p->m;

    if (lp == NULL) {
        zo_arena_free(a);
        return NULL;
    }
    *lp = (struct lp){.arena = a, .p = p, .n = n, .m = m};
    if ((lp->T = zo_arena_array(a, m * n, sizeof *lp->T)) == NULL ||
        (lp->low = zo_arena_array(a, n + m, sizeof *lp->low)) == NULL ||
        (lp->high = zo_arena_array(a, n + m, sizeof *lp->high)) == NULL ||
        (lp->x = zo_arena_array(a, n + m, sizeof *lp->x)) == NULL ||
        (lp->gradient = zo_arena_array(a, n, sizeof *lp->gradient)) == NULL ||
        (lp->basic = zo_arena_array(a, m, sizeof *lp->basic)) == NULL ||
        (lp->nonbasic = zo_arena_array(a, n, sizeof *lp->nonbasic)) == NULL ||
        (lp->from = zo_arena_array(a, n, sizeof *lp->from)) == NULL ||
        (lp->to = zo_arena_array(a, n, sizeof *lp->to)) == NULL ||
        (lp->stack = zo_arena_array(a, MAX_DEPTH, sizeof *lp->stack)) == NULL) {
        lp_free(lp);
        return NULL;
    }
    return lp;
}

void lp_free(struct lp *lp)
{
    if (lp != NULL)
        zo_arena_free(lp->arena);
}

static void start(struct lp *lp, const double *low, const double *high, double shrink)
{
    const struct polytope *p = lp->p;

    memcpy(lp->T, p->rows, lp->m * lp->n * sizeof *lp->T);
    for (size_t j = 0; j < lp->n; j++) {
        lp->nonbasic[j] = j;
        lp->low[j] = low[j];
        lp->high[j] = high[j];
        lp->x[j] = low[j];
    }
    for (size_t i = 0; i < lp->m; i++) {
        double slack = p->b[i] - (p->equal[i] ? 0 : shrink * p->real_norm[i]);
        for (size_t j = 0; j < lp->n; j++)
            slack -= p->rows[i * lp->n + j] * low[j];
        lp->basic[i] = lp->n + i;
        lp->x[lp->n + i] = slack;
        lp->low[lp->n + i] = 0;
        lp->high[lp->n + i] = p->equal[i] ? 0 : INFINITY;
    }
}

static double violation(const struct lp *lp, size_t k)
{
    return lp->x[k] < lp->low[k] ? lp->x[k] - lp->low[k] : lp->x[k] > lp->high[k] ? lp->x[k] - lp->high[k] : 0;
}

/* Sum of violations; its gradient over the nonbasic variables. */
static double measure(struct lp *lp)
{
    double sum = 0;

    memset(lp->gradient, 0, lp->n * sizeof *lp->gradient);
    for (size_t i = 0; i < lp->m; i++) {
        const double v = violation(lp, lp->basic[i]), *row = lp->T + i * lp->n;
        sum += fabs(v);
        if (fabs(v) <= 1e-13)
            continue;
        zo_axpy(lp->n, v < 0 ? 1 : -1, row, lp->gradient);
    }
    return sum;
}

/* Steepest column, or after many steps the first by number (Bland's rule, which can't cycle). SIZE_MAX: at the minimum.
 */
static size_t choose_column(const struct lp *lp, bool bland)
{
    size_t best = SIZE_MAX;
    double steepest = 1e-10;

    for (size_t j = 0; j < lp->n; j++) {
        const size_t k = lp->nonbasic[j];
        const double g = lp->gradient[j], room = g < 0 ? lp->high[k] - lp->x[k] : lp->x[k] - lp->low[k];
        if (!(room > 0) || fabs(g) <= (bland ? 1e-10 : steepest))
            continue;
        if (bland && best != SIZE_MAX && k > lp->nonbasic[best])
            continue;
        best = j;
        steepest = fabs(g);
    }
    return best;
}

/* How far basic variable k may change at this rate: to the bound it meets, or, being outside, to the bound it comes
 * back to. */
static double reach(const struct lp *lp, size_t k, double rate, double *bound)
{
    const double v = violation(lp, k);

    if (fabs(rate) < PIVOT || (fabs(v) > 1e-13 && v * rate > 0))
        return INFINITY;
    *bound = (rate > 0) == (fabs(v) <= 1e-13) ? lp->high[k] : lp->low[k];
    return fmax(0, (*bound - lp->x[k]) / rate);
}

static void pivot(struct lp *lp, size_t r, size_t c)
{
    double *pivot_row = lp->T + r * lp->n;
    const double inverse = 1 / pivot_row[c];
    const size_t k = lp->basic[r];

    for (size_t j = 0; j < lp->n; j++)
        pivot_row[j] *= inverse;
    pivot_row[c] = inverse;
    for (size_t i = 0; i < lp->m; i++) {
        double *row = lp->T + i * lp->n;
        const double f = row[c];
        if (i == r || f == 0)
            continue;
        row[c] = 0;
        zo_axpy(lp->n, -f, pivot_row, row);
    }
    lp->basic[r] = lp->nonbasic[c];
    lp->nonbasic[c] = k;
}

static void step(struct lp *lp, size_t c, bool bland)
{
    const size_t entering = lp->nonbasic[c];
    const double sign = lp->gradient[c] < 0 ? 1 : -1;
    double length = sign > 0 ? lp->high[entering] - lp->x[entering] : lp->x[entering] - lp->low[entering];
    double bound = 0, leaving_bound = 0, size = 0;
    size_t r = SIZE_MAX;

    for (size_t i = 0; i < lp->m; i++) {
        const double t = lp->T[i * lp->n + c], at = reach(lp, lp->basic[i], -t * sign, &bound);
        const bool tie =
            at <= length + 1e-12 && (r == SIZE_MAX || (bland ? lp->basic[i] < lp->basic[r] : fabs(t) > size));
        if (at < length - 1e-12 || (tie && at <= length)) {
            length = fmin(at, length);
            r = i;
            size = fabs(t);
            leaving_bound = bound;
        }
    }
    for (size_t i = 0; i < lp->m; i++)
        lp->x[lp->basic[i]] -= lp->T[i * lp->n + c] * sign * length;
    lp->x[entering] += sign * length;
    if (r == SIZE_MAX) {
        lp->x[entering] = sign > 0 ? lp->high[entering] : lp->low[entering];
        return;
    }
    lp->x[lp->basic[r]] = leaving_bound;
    pivot(lp, r, c);
}

bool lp_feasible(struct lp *lp, const double *low, const double *high, double shrink, double *x)
{
    const size_t patience = 20 * (lp->n + lp->m) + 100;

    for (size_t j = 0; j < lp->n; j++)
        if (low[j] > high[j])
            return false;
    start(lp, low, high, shrink);
    for (size_t k = 0; k < 10 * patience; k++) {
        const double sum = measure(lp);
        lp->flops += 4.0 * (double)lp->m * (double)lp->n;
        const size_t c = choose_column(lp, k > patience);
        if (c != SIZE_MAX) { /* as exactly as can be: wide ranges of levels need the digits */
            step(lp, c, k > patience);
            continue;
        }
        for (size_t j = 0; j < lp->n; j++)
            x[j] = zo_clip(lp->x[j], low[j], high[j]);
        return sum <= FEASIBLE;
    }
    return false;
}

/* ---- levels ---- */

/* The grid variable farthest from a level; SIZE_MAX if all are on one. */
static size_t most_fractional(const struct polytope *p, const double *x)
{
    size_t best = SIZE_MAX;
    double far = 1e-6;

    for (size_t j = p->n_real; j < p->n; j++) {
        const double k = x[j] * polytope_level_count(p, j), off = fabs(k - rint(k));
        if (off > far) {
            far = off;
            best = j;
        }
    }
    return best;
}

/* x's grid set to the nearest levels and the reals found anew. */
static bool settle(struct lp *lp, double shrink, double *x)
{
    const struct polytope *p = lp->p;
    _Alignas(64) double low[MAX_VARIABLES], high[MAX_VARIABLES], v[MAX_VARIABLES];

    for (size_t j = 0; j < p->n; j++) {
        const double steps = j < p->n_real ? 0 : polytope_level_count(p, j);
        low[j] = j < p->n_real ? shrink : rint(x[j] * steps) / steps;
        high[j] = j < p->n_real ? 1 - shrink : low[j];
    }
    if (!lp_feasible(lp, low, high, shrink, x))
        return false;
    equations_restore(p, x);
    for (size_t j = 0; j < p->n; j++)
        v[j] = polytope_value(p, j, x[j]);
    return polytope_holds(p, v, 0.1);
}

static void branch(struct lp *lp, struct node *node, size_t j, double x)
{
    const double steps = polytope_level_count(lp->p, j), k = floor(x * steps);
    const bool up = x * steps - k > 0.5;

    *node = (struct node){.j = j, .from = lp->from[j], .to = lp->to[j]};
    node->other_from = up ? lp->from[j] : (k + 1) / steps;
    node->other_to = up ? k / steps : lp->to[j];
    lp->from[j] = up ? (k + 1) / steps : lp->from[j];
    lp->to[j] = up ? lp->to[j] : k / steps;
}

/* Depth first, the nearer side first. *proved_out: the whole tree was seen. */
static bool search(struct lp *lp, double shrink, double *x, bool *proved_out)
{
    const struct polytope *p = lp->p;
    size_t depth = 0;
    bool whole = true;

    *proved_out = false;
    lp->flops = 0;
    for (size_t j = 0; j < p->n; j++) {
        lp->from[j] = j < p->n_real ? shrink : 0;
        lp->to[j] = j < p->n_real ? 1 - shrink : 1;
    }
    for (size_t nodes = 0; nodes < MAX_NODES && lp->flops < MAX_FLOPS; nodes++) {
        if (lp_feasible(lp, lp->from, lp->to, shrink, x)) {
            const size_t j = most_fractional(p, x);
            const double at = j < p->n ? x[j] : 0;
            if ((j == SIZE_MAX || nodes == 0) && settle(lp, shrink, x))
                return true;
            /* "Whole" within the tolerance, and yet no point: what that proves is nothing. */
            if (j != SIZE_MAX && depth < MAX_DEPTH) {
                branch(lp, &lp->stack[depth++], j, at);
                continue;
            }
            whole = false;
        }
        while (depth > 0 && lp->stack[depth - 1].last) {
            depth--;
            lp->from[lp->stack[depth].j] = lp->stack[depth].from;
            lp->to[lp->stack[depth].j] = lp->stack[depth].to;
        }
        if (depth == 0) {
            *proved_out = whole;
            return false;
        }
        struct node *node = &lp->stack[depth - 1];
        lp->from[node->j] = node->other_from;
        lp->to[node->j] = node->other_to;
        node->last = true;
    }
    return false;
}

/* A ball of radius r in the first n_round variables; the others are anywhere. */
static bool fits(struct lp *lp, size_t n_round, double r, double *x)
{
    _Alignas(64) double low[MAX_VARIABLES], high[MAX_VARIABLES];

    for (size_t j = 0; j < lp->n; j++) {
        low[j] = j < n_round ? r : 0;
        high[j] = j < n_round ? 1 - r : 1;
    }
    return lp_feasible(lp, low, high, r, x);
}

/* The largest of some balls that fits into the reals' part of the relaxed polytope, by bisection. 0: none well above
 * the tolerance. */
static double widest(struct lp *lp, double *x)
{
    static const int exponents[] = {2, 4, 6, 8, 11, 14, 19, 26};
    size_t from = 0, to = ZO_LEN(exponents);

    if (lp->p->n_real == 0)
        return 0;
    while (from < to) {
        const size_t middle = (from + to) / 2;
        if (fits(lp, lp->p->n_real, ldexp(1, -exponents[middle]), x))
            to = middle;
        else
            from = middle + 1;
    }
    return to < ZO_LEN(exponents) ? ldexp(1, -exponents[to]) : 0;
}

/* Where equations tie levels of wide ranges, branching finds no end: the lattice point next to a point well inside. */
static bool on_lattice(struct lp *lp, double *x)
{
    for (int k = 2; lp->p->n_moves > 0 && k <= 10; k += 2) {
        if (!fits(lp, lp->p->n, ldexp(1, -k), x))
            continue;
        equations_round(lp->p, x);
        if (settle(lp, 0, x))
            return true;
    }
    return false;
}

bool lp_find_point(struct lp *lp, double *x, bool *proved_out)
{
    const double r = widest(lp, x);
    bool proved;

    *proved_out = false;
    for (double shrink = r; shrink > r / 1000; shrink /= 8)
        if (search(lp, shrink, x, &proved))
            return true;
    return on_lattice(lp, x) || search(lp, 0, x, proved_out);
}
