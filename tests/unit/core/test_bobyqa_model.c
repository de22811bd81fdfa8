#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>
#include "bobyqa/design.h"
#include "bobyqa/exchange.h"
#include "bobyqa/geometry.h"
#include "bobyqa/inverse.h"
#include "bobyqa/trust.h"
#include "zeroth/rng.h"

enum { MAX_N = 6, MAX_M = 2 * MAX_N + 1, MAX_K = MAX_M + MAX_N + 1 };

/* ---- the twin: the interpolation problem solved whole, in coordinates relative to the best point and the radius ----
 */

struct twin {
    size_t n, m, size;
    double scale, at[MAX_N], u[MAX_M][MAX_N], K[MAX_K][MAX_K];
};

static double dot(size_t n, const double *a, const double *b)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++)
        sum += a[i] * b[i];
    return sum;
}

static void set_matrix(struct twin *t)
{
    memset(t->K, 0, sizeof t->K);
    for (size_t i = 0; i < t->m; i++) {
        for (size_t k = 0; k < t->m; k++)
            t->K[i][k] = 0.5 * pow(dot(t->n, t->u[i], t->u[k]), 2);
        t->K[i][t->m] = t->K[t->m][i] = 1;
        for (size_t j = 0; j < t->n; j++)
            t->K[i][t->m + 1 + j] = t->K[t->m + 1 + j][i] = t->u[i][j];
    }
}

static void set_twin(struct twin *t, const bobyqa_model *q, double scale)
{
    *t = (struct twin){.n = q->n, .m = q->m, .size = q->m + q->n + 1, .scale = scale};
    memcpy(t->at, zo_bobyqa_best(q), q->n * sizeof *t->at);
    for (size_t k = 0; k < q->m; k++)
        for (size_t j = 0; j < q->n; j++)
            t->u[k][j] = (q->x[k * q->n + j] - t->at[j]) / scale;
    set_matrix(t);
}

/* y = K^-1 y by elimination with pivots; returns the determinant of K. */
static double solve(const struct twin *t, double *y)
{
    static double a[MAX_K][MAX_K];
    double det = 1;

    memcpy(a, t->K, sizeof a);
    for (size_t c = 0; c < t->size; c++) {
        size_t pivot = c;
        for (size_t i = c + 1; i < t->size; i++)
            pivot = fabs(a[i][c]) > fabs(a[pivot][c]) ? i : pivot;
        for (size_t j = 0; j < t->size && pivot != c; j++) {
            const double swap = a[c][j];
            a[c][j] = a[pivot][j];
            a[pivot][j] = swap;
        }
        const double swap = y[c];
        y[c] = y[pivot];
        y[pivot] = swap;
        det *= pivot != c ? -a[c][c] : a[c][c];
        for (size_t i = c + 1; i < t->size; i++) {
            const double part = a[i][c] / a[c][c];
            for (size_t j = c; j < t->size; j++)
                a[i][j] -= part * a[c][j];
            y[i] -= part * y[c];
        }
    }
    for (size_t c = t->size; c-- > 0;) {
        for (size_t j = c + 1; j < t->size; j++)
            y[c] -= a[c][j] * y[j];
        y[c] /= a[c][c];
    }
    return det;
}

/* A quadratic around a point: slope there, and second derivatives. */
struct quadratic {
    double at[MAX_N], f, g[MAX_N], H[MAX_N][MAX_N];
};

static double value(size_t n, const struct quadratic *p, const double *x)
{
    double d[MAX_N], sum = p->f;

    for (size_t j = 0; j < n; j++)
        d[j] = x[j] - p->at[j];
    for (size_t j = 0; j < n; j++)
        sum += d[j] * (p->g[j] + 0.5 * dot(n, p->H[j], d));
    return sum;
}

static void move_to(size_t n, struct quadratic *p, const double *x)
{
    double d[MAX_N];
    const double f = value(n, p, x);

    for (size_t j = 0; j < n; j++)
        d[j] = x[j] - p->at[j];
    for (size_t j = 0; j < n; j++)
        p->g[j] += dot(n, p->H[j], d);
    memcpy(p->at, x, n * sizeof *x);
    p->f = f;
}

/* p, changed as little as the points' values allow: least Frobenius norm of the change of H. */
static void interpolate(struct quadratic *p, const bobyqa_model *q, double scale)
{
    static struct twin t;
    double y[MAX_K] = {0};
    const size_t n = q->n, m = q->m;

    set_twin(&t, q, scale);
    move_to(n, p, t.at);
    for (size_t k = 0; k < m; k++)
        y[k] = q->f[k] - value(n, p, q->x + k * n);
    solve(&t, y);
    p->f += y[m];
    for (size_t i = 0; i < n; i++) {
        p->g[i] += y[m + 1 + i] / scale;
        for (size_t j = 0; j < n; j++)
            for (size_t k = 0; k < m; k++)
                p->H[i][j] += y[k] * t.u[k][i] * t.u[k][j] / (scale * scale);
    }
}

/* ---- the model under test, led as the solver leads it ---- */

struct game {
    size_t n;
    bobyqa_model q;
    bobyqa_trust t;
    bobyqa_geometry g;
    double rho;
    struct quadratic twin;
};

static double hilly(size_t n, const double *x)
{
    double sum = 0;

    for (size_t i = 0; i < n; i++) {
        const double next = x[(i + 1) % n], own = 4 * x[i] - 2;
        sum += 10 * pow(own * own - 3 * next, 2) + sin(5 * own + (double)i) + pow(1 - own, 2);
    }
    return 100 + sum;
}

static void begin(struct game *k, size_t n, double rho)
{
    zo_error err;

    *k = (struct game){.n = n, .rho = rho};
    assert_int_equal(zo_bobyqa_model_init(&k->q, n, &err), ZO_OK);
    assert_int_equal(zo_bobyqa_trust_init(&k->t, n, &err), ZO_OK);
    assert_int_equal(zo_bobyqa_geometry_init(&k->g, n, &err), ZO_OK);
    for (size_t i = 0; i < k->q.m; i++) {
        double *x = k->q.x + i * n;
        for (size_t j = 0; j < n; j++)
            x[j] = j == 0 ? 0.99 : 0.3; /* near a bound: a lopsided axis */
        if (i > 0)
            x[(i - 1) % n] += zo_bobyqa_axis_step(x[(i - 1) % n], rho, i > n);
        k->q.f[i] = hilly(n, x);
    }
    assert_true(zo_bobyqa_take_design(&k->q));
    interpolate(&k->twin, &k->q, rho);
}

static void end(struct game *k)
{
    zo_bobyqa_model_fini(&k->q);
    zo_bobyqa_trust_fini(&k->t);
    zo_bobyqa_geometry_fini(&k->g);
}

/* x comes in, at the place of k: into the model by its update, into the twin by a new system. */
static void bring(struct game *g, size_t k, const double *x)
{
    const bobyqa_model *q = &g->q;
    double d[MAX_N];
    const double f = hilly(g->n, x);

    for (size_t j = 0; j < g->n; j++)
        d[j] = x[j] - zo_bobyqa_best(q)[j];
    const double surprise = f - q->f[q->best] - zo_bobyqa_change(q, d);
    zo_bobyqa_replace(&g->q, k, x, f, false, surprise);
    interpolate(&g->twin, q, g->rho);
}

/* One step of either kind; false if it would serve no point. */
static bool step(struct game *g, bool geometry)
{
    double distance, x[MAX_N];
    size_t k = zo_bobyqa_farthest(&g->q, 0, &distance);

    if (geometry) {
        zo_bobyqa_geometry_step(&g->g, &g->q, k, g->rho);
        memcpy(x, g->g.x, g->n * sizeof *x);
    } else {
        zo_bobyqa_trust_step(&g->t, &g->q, g->rho);
        memcpy(x, g->t.x, g->n * sizeof *x);
        zo_bobyqa_lagrange(&g->q, x);
        k = zo_bobyqa_choose_drop(&g->q, x, hilly(g->n, x) < g->q.f[g->q.best], g->rho);
    }
    if (k == g->q.m || !zo_bobyqa_is_safe(&g->q))
        return false;
    bring(g, k, x);
    return true;
}

static double rise(const bobyqa_model *q)
{
    double most = 0;

    for (size_t k = 0; k < q->m; k++)
        most = fmax(most, q->f[k] - q->f[q->best]);
    return most;
}

static void assert_interpolates(const struct game *g)
{
    const bobyqa_model *q = &g->q;
    double d[MAX_N];

    for (size_t k = 0; k < q->m; k++) {
        for (size_t j = 0; j < g->n; j++)
            d[j] = q->x[k * g->n + j] - zo_bobyqa_best(q)[j];
        assert_true(fabs(q->f[q->best] + zo_bobyqa_change(q, d) - q->f[k]) <= 1e-8 * rise(q));
    }
}

/* Largest difference of g and H, relative to the largest entry. */
static double difference(const struct game *g, const struct quadratic *p)
{
    const bobyqa_model *q = &g->q;
    double off_g = 0, off_H = 0, large_g = 0, large_H = 0, e[MAX_N], column[MAX_N];

    for (size_t i = 0; i < g->n; i++) {
        off_g = fmax(off_g, fabs(q->g[i] - p->g[i]));
        large_g = fmax(large_g, fabs(p->g[i]));
        memset(e, 0, sizeof e);
        e[i] = 1;
        zo_bobyqa_curve(q, e, column);
        for (size_t j = 0; j < g->n; j++) {
            off_H = fmax(off_H, fabs(column[j] - p->H[i][j]));
            large_H = fmax(large_H, fabs(p->H[i][j]));
        }
    }
    return fmax(off_g / (large_g + large_H * g->rho), off_H / large_H);
}

/* Shrinking radii, a geometry step after every two others, and now and then a new base. */
static void lead(struct game *g, void (*check)(struct game *g))
{
    check(g);
    for (size_t i = 0; i < 30 * g->n; i++) {
        if (i % (3 * g->n) == 3 * g->n - 1) /* slower than the points follow, or nothing keeps its digits */
            g->rho *= 0.6;
        if (i % 7 == 6)
            zo_bobyqa_rebase(&g->q);
        if (step(g, i % 3 == 2))
            check(g);
    }
}

static void check_twin(struct game *g)
{
    assert_interpolates(g);
    assert_true(difference(g, &g->twin) <= 1e-8);
}

static void the_updated_model_is_that_of_the_whole_system(void **state)
{
    (void)state;
    for (size_t n = 1; n <= MAX_N; n++) {
        static struct game g;
        begin(&g, n, 0.1);
        lead(&g, check_twin);
        end(&g);
    }
}

static void check_forgetful(struct game *g)
{
    struct quadratic p = {0};
    double d[MAX_N], own[MAX_N] = {0};

    interpolate(&p, &g->q, g->rho);
    zo_bobyqa_forgetful(&g->q);
    for (size_t k = 0; k < g->q.m; k++)
        for (size_t i = 0; i < g->n; i++)
            own[i] += g->q.own_q[k] * g->q.z[k * g->n + i] * g->q.z[k * g->n + i];
    for (size_t i = 0; i < g->n; i++)
        d[i] = fabs(p.H[i][i]) + fabs(p.g[i]) / g->rho;
    for (size_t i = 0; i < g->n; i++) {
        double size = 0;
        for (size_t j = 0; j < g->n; j++)
            size = fmax(size, d[j]);
        assert_true(fabs(g->q.own_g[i] - p.g[i]) <= 1e-7 * size * g->rho);
        assert_true(fabs(own[i] - p.H[i][i]) <= 1e-7 * size);
    }
}

static void the_forgetful_model_has_the_least_second_derivatives(void **state)
{
    static struct game g;

    (void)state;
    begin(&g, 4, 0.1);
    lead(&g, check_forgetful);
    end(&g);
}

/* A Lagrange function is the least-norm interpolant of a unit vector; the divisor is the ratio of the determinants of
 * the system with the new point and without. */
static void check_lagrange(struct game *g)
{
    static struct twin t, after;
    const bobyqa_model *q = &g->q;
    double x[MAX_N], y[MAX_K], u[MAX_N];
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_TELL, (uint64_t)(1e6 * g->rho));

    for (size_t j = 0; j < g->n; j++)
        x[j] = zo_clip(zo_bobyqa_best(q)[j] + g->rho * (2 * zo_rng_uniform(&rng) - 1), 0, 1);
    zo_bobyqa_lagrange(&g->q, x);
    set_twin(&t, q, g->rho);
    for (size_t j = 0; j < g->n; j++)
        u[j] = (x[j] - t.at[j]) / g->rho;
    for (size_t k = 0; k < q->m; k++) {
        memset(y, 0, sizeof y);
        y[k] = 1;
        const double det = solve(&t, y);
        double here = y[q->m];
        for (size_t j = 0; j < g->n; j++)
            here += y[q->m + 1 + j] * u[j];
        for (size_t i = 0; i < q->m; i++)
            here += 0.5 * y[i] * pow(dot(g->n, t.u[i], u), 2);
        assert_true(fabs(here - q->lagrange[k]) <= 1e-7 * (1 + fabs(here)));
        after = t;
        memcpy(after.u[k], u, sizeof u);
        set_matrix(&after);
        memset(y, 0, sizeof y);
        const double ratio = solve(&after, y) / det;
        assert_true(fabs(ratio - q->divisor[k]) <= 1e-6 * (1 + fabs(ratio)));
    }
}

static void lagrange_functions_and_divisors_are_those_of_the_whole_system(void **state)
{
    static struct game g;

    (void)state;
    begin(&g, 3, 0.1);
    lead(&g, check_lagrange);
    end(&g);
}

/* The geometry step's divisor against the best of many points at random within its reach. */
static void a_geometry_step_is_nearly_as_good_as_the_best_place(void **state)
{
    static struct game g;
    zo_rng rng = zo_rng_make(9, ZO_PURPOSE_TELL, 0);

    (void)state;
    begin(&g, 3, 0.1);
    for (size_t round = 0; round < 40; round++) {
        double distance, x[MAX_N], most = 0;
        step(&g, false);
        const size_t k = zo_bobyqa_farthest(&g.q, 0, &distance);
        zo_bobyqa_geometry_step(&g.g, &g.q, k, g.rho);
        const double found = g.q.divisor[k];
        double length2 = 0;
        for (size_t j = 0; j < g.n; j++) {
            assert_true(g.g.x[j] >= 0 && g.g.x[j] <= 1);
            length2 += pow(g.g.x[j] - zo_bobyqa_best(&g.q)[j], 2);
        }
        assert_true(length2 <= pow(g.rho * (1 + 1e-12), 2));
        for (size_t i = 0; i < 3000; i++) {
            double square = 0;
            for (size_t j = 0; j < g.n; j++) {
                x[j] = zo_clip(zo_bobyqa_best(&g.q)[j] + g.rho * (2 * zo_rng_uniform(&rng) - 1), 0, 1);
                square += pow(x[j] - zo_bobyqa_best(&g.q)[j], 2);
            }
            if (square > g.rho * g.rho)
                continue;
            zo_bobyqa_lagrange(&g.q, x);
            most = fmax(most, g.q.divisor[k]);
        }
        if (getenv("ZEROTH_PRINT"))
            print_message("divisor %g of %g\n", found, most);
        assert_true(found >= 0.1 * most);
        g.rho *= 0.9;
    }
    end(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_updated_model_is_that_of_the_whole_system),
        cmocka_unit_test(the_forgetful_model_has_the_least_second_derivatives),
        cmocka_unit_test(lagrange_functions_and_divisors_are_those_of_the_whole_system),
        cmocka_unit_test(a_geometry_step_is_nearly_as_good_as_the_best_place),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
