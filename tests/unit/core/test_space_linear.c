/* Linear constraints. Judges: closed forms of projections and moments, brute force over small grids, and for every
 * point handed out the constraint itself, added up as a client would. */
#include "space_fx.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#define ROW(terms, op, rhs)                                                                                            \
    {                                                                                                                  \
        (terms), ZO_LEN(terms), (op), (rhs)                                                                            \
    }

static void assert_near(double a, double b, double tolerance)
{
    if (!(fabs(a - b) <= tolerance))
        fail_msg("%.17g is not %.17g within %g", a, b, tolerance);
}

/* Is v on its levels, and does every constraint hold but for `tolerance`? Variables are found by name: "x17" is
 * parameter 17. */
static bool feasible(const zo_space *s, const double *v, const zo_linear_spec *rows, size_t n, double tolerance)
{
    for (size_t i = 0; i < n; i++) {
        double sum = 0;
        for (size_t k = 0; k < rows[i].n_terms; k++)
            sum += rows[i].terms[k].coef * v[strtoul(rows[i].terms[k].name + 1, NULL, 10)];
        if ((rows[i].op != ZO_GE && sum > rows[i].rhs + tolerance) ||
            (rows[i].op != ZO_LE && sum < rows[i].rhs - tolerance))
            return false;
    }
    return zo_space_check(s, v, NULL) == ZO_OK;
}

enum { MANY = 1000 };
static char name_text[MANY][8];

static const char *nth_name(size_t k)
{
    snprintf(name_text[k], sizeof name_text[k], "x%zu", k);
    return name_text[k];
}

static void fill(zo_param_spec *p, zo_term *t, size_t n, zo_param_spec like, double coef)
{
    for (size_t k = 0; k < n; k++) {
        p[k] = like;
        p[k].name = nth_name(k);
        t[k] = (zo_term){nth_name(k), coef};
    }
}

/* ---- construction ---- */

static void mistakes_are_pointed_at(void **state)
{
    static const zo_scalar ab[] = {STR("a"), STR("b")}, on[] = {BOOLEAN(true)};
    static const zo_when when[] = {{"x3", on, 1}};
    const zo_param_spec p[] = {{.name = "x0", .type = ZO_FLOAT, .high = 1},
                               {.name = "x1", .type = ZO_CATEGORICAL, LIST(ab)},
                               {.name = "x2", .type = ZO_FLOAT, .high = 1, WHEN(when)},
                               {.name = "x3", .type = ZO_BOOL},
                               {.name = "x4", .type = ZO_VECTOR, .high = 1, .size = 2},
                               {.name = "x5", .type = ZO_FIXED, .fixed = STR("q")},
                               {.name = "x/6", .type = ZO_BOOL}};
    static const zo_term good[] = {{"x0", 1}}, nan_coef[] = {{"x0", NAN}}, unknown[] = {{"x0", 1}, {"y", 1}},
                         category[] = {{"x1", 1}}, conditional[] = {{"x2", 1}}, boolean[] = {{"x/6", 1}},
                         vector[] = {{"x4", 1}}, fixed[] = {{"x5", 1}}, huge[] = {{"x0", 1e308}};
    const struct {
        zo_linear_spec row;
        const char *pointer;
    } bad[] = {
        {ROW(good, ZO_LE, NAN), "/linear_constraints/1/rhs"},
        {ROW(good, (zo_relation)9, 1), "/linear_constraints/1/op"},
        {{good, 0, ZO_LE, 1}, "/linear_constraints/1/terms"},
        {ROW(nan_coef, ZO_LE, 1), "/linear_constraints/1/terms/x0"},
        {ROW(unknown, ZO_LE, 1), "/linear_constraints/1/terms/y"},
        {ROW(category, ZO_LE, 1), "/linear_constraints/1/terms/x1"},
        {ROW(conditional, ZO_LE, 1), "/linear_constraints/1/terms/x2"},
        {ROW(boolean, ZO_LE, 1), "/linear_constraints/1/terms/x~16"},
        {ROW(vector, ZO_LE, 1), "/linear_constraints/1/terms/x4"},
        {ROW(fixed, ZO_LE, 1), "/linear_constraints/1/terms/x5"},
        {ROW(huge, ZO_LE, 1), "/linear_constraints/1/terms"},
        {ROW(good, ZO_GE, 1.5), "/linear_constraints"},
    };

    (void)state;
    for (size_t k = 0; k < ZO_LEN(bad); k++) {
        const zo_linear_spec rows[] = {ROW(good, ZO_LE, 1), bad[k].row};
        fx_refused_linear(p, ZO_LEN(p), rows, 2, bad[k].pointer);
    }
}

static void empty_polytopes_are_refused(void **state)
{
    const zo_param_spec real = {.type = ZO_FLOAT, .high = 1}, whole = {.type = ZO_INT, .high = 50};
    zo_param_spec p[3];
    zo_term sum[3], twos[3], difference[2] = {{"x0", 1}, {"x1", -1}},
                             six_ten_fifteen[3] = {{"x0", 6}, {"x1", 10}, {"x2", 15}};

    (void)state;
    fill(p, sum, 3, real, 1);
    const zo_linear_spec above[] = {ROW(sum, ZO_GE, 3.001)}, both[] = {ROW(sum, ZO_LE, 1), ROW(sum, ZO_GE, 1.001)},
                         contrary[] = {ROW(sum, ZO_EQ, 1), ROW(sum, ZO_EQ, 1.5)}, far[] = {ROW(difference, ZO_EQ, 1.5)};
    fx_refused_linear(p, 3, above, 1, "/linear_constraints");
    fx_refused_linear(p, 3, both, 2, "/linear_constraints");
    fx_refused_linear(p, 3, contrary, 2, "/linear_constraints");
    fx_refused_linear(p, 3, far, 1, "/linear_constraints");
    fill(p, twos, 3, whole, 2); /* parity: reals would do, whole numbers do not */
    const zo_linear_spec odd[] = {ROW(twos, ZO_EQ, 7)}, between[] = {ROW(twos, ZO_GE, 6.5), ROW(twos, ZO_LE, 7.5)},
                         small[] = {ROW(six_ten_fifteen, ZO_EQ, 29)}; /* 29 is the Frobenius number of 6, 10, 15 */
    fx_refused_linear(p, 3, odd, 1, "/linear_constraints");
    fx_refused_linear(p, 3, between, 2, "/linear_constraints");
    fx_refused_linear(p, 3, small, 1, "/linear_constraints");
    const zo_linear_spec next[] = {ROW(six_ten_fifteen, ZO_EQ, 30)}; /* and all from 30 on are sums */
    zo_space_free(fx_space_linear(p, 3, next, 1));
    p[0] = (zo_param_spec){.name = "x0", .type = ZO_FIXED, .fixed = NUM(2)};
    const zo_term constant[] = {{"x0", 1}};
    const zo_linear_spec never[] = {ROW(constant, ZO_LE, 1)}, always[] = {ROW(constant, ZO_LE, 2)};
    fx_refused_linear(p, 3, never, 1, "/linear_constraints/0");
    zo_space_free(fx_space_linear(p, 3, always, 1));
}

static void single_points_are_found(void **state)
{
    zo_param_spec p[3];
    zo_term sum[3];
    double v[3] = {0};
    zo_rng rng = fx_rng(1);

    (void)state;
    fill(p, sum, 3, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec corner[] = {ROW(sum, ZO_GE, 3)};
    zo_space *s = fx_space_linear(p, 3, corner, 1);
    zo_space_repair(s, &rng, v);
    for (size_t k = 0; k < 3; k++)
        assert_near(v[k], 1, 1e-9);
    zo_space_sample(s, &rng, v);
    for (size_t k = 0; k < 3; k++)
        assert_near(v[k], 1, 1e-9);
    zo_space_free(s);
}

static void a_complete_default_point_must_be_feasible(void **state)
{
    zo_param_spec p[2];
    zo_term sum[2];

    (void)state;
    fill(p, sum, 2, (zo_param_spec){.type = ZO_FLOAT, .high = 1, .has_default = true, .default_value = NUM(0.6)}, 1);
    const zo_linear_spec tight[] = {ROW(sum, ZO_LE, 1)}, loose[] = {ROW(sum, ZO_LE, 1.2)};
    fx_refused_linear(p, 2, tight, 1, "/linear_constraints");
    zo_space_free(fx_space_linear(p, 2, loose, 1));
    p[0].has_default = false; /* no default point, nothing to refuse */
    zo_space_free(fx_space_linear(p, 2, tight, 1));
}

static void told_points_must_hold_within_a_billionth(void **state)
{
    zo_param_spec p[2];
    zo_term sum[2];
    double v[2];

    (void)state;
    fill(p, sum, 2, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_EQ, 1)};
    zo_space *s = fx_space_linear(p, 2, rows, 1);
    const double off[] = {0, 1e-16, 1e-9, 1e-7};
    for (size_t k = 0; k < ZO_LEN(off); k++) {
        const zo_named named[] = {{"x0", NUM(0.3 + off[k])}, {"x1", NUM(0.7)}};
        zo_error err = {0};
        assert_int_equal(zo_space_encode(s, named, 2, v, &err), k < 3 ? ZO_OK : ZO_EINVAL);
        assert_string_equal(err.pointer, "");
    }
    zo_space_free(s);
    fill(p, sum, 2, (zo_param_spec){.type = ZO_INT, .high = 4e15}, 1); /* integers are judged exactly, however large */
    const zo_linear_spec large[] = {ROW(sum, ZO_LE, 4e15)};
    s = fx_space_linear(p, 2, large, 1);
    const zo_named equal[] = {{"x0", NUM(1e15)}, {"x1", NUM(3e15)}},
                   above[] = {{"x0", NUM(1e15)}, {"x1", NUM(3e15 + 1)}};
    assert_int_equal(zo_space_encode(s, equal, 2, v, NULL), ZO_OK);
    assert_int_equal(zo_space_encode(s, above, 2, v, NULL), ZO_EINVAL);
    zo_space_free(s);
}

/* ---- projection ---- */

static void a_feasible_point_is_left_alone(void **state)
{
    zo_param_spec p[3];
    zo_term sum[3];
    double v[] = {0.1, 0.2, 0.3}, again[3];
    zo_rng rng = fx_rng(1);

    (void)state;
    fill(p, sum, 3, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_LE, 1)};
    zo_space *s = fx_space_linear(p, 3, rows, 1);
    zo_space_repair(s, &rng, v);
    assert_true(v[0] == 0.1 && v[1] == 0.2 && v[2] == 0.3);
    v[0] = v[1] = 0.9;
    zo_space_repair(s, &rng, v);
    memcpy(again, v, sizeof v);
    zo_space_repair(s, &rng, again); /* a repaired point is feasible: nothing more to do */
    assert_memory_equal(again, v, sizeof v);
    zo_space_free(s);
}

static void a_half_space_is_projected_on_in_closed_form(void **state)
{
    /* ranges 1, 10, 100: in scaled units the row is (1, 20, -50) y <= b, the projection y - a max(0, a y - b) / |a|^2
     */
    const zo_param_spec p[] = {{.name = "x0", .type = ZO_FLOAT, .low = 2, .high = 3},
                               {.name = "x1", .type = ZO_FLOAT, .low = -5, .high = 5},
                               {.name = "x2", .type = ZO_FLOAT, .low = 0, .high = 100}};
    const zo_term t[] = {{"x0", 1}, {"x1", 2}, {"x2", -0.5}};
    const zo_linear_spec rows[] = {ROW(t, ZO_LE, -16)};
    zo_space *s = fx_space_linear(p, 3, rows, 1);
    double v[] = {2.5, 1, 40}, a[] = {1, 20, -50}, y[] = {0.5, 0.6, 0.4};
    const double b = -16 - 2 + 10, over = 1 * 0.5 + 20 * 0.6 - 50 * 0.4 - b, norm2 = 1 + 400 + 2500;
    zo_rng rng = fx_rng(1);

    (void)state;
    assert_true(over > 0);
    zo_space_repair(s, &rng, v);
    for (size_t k = 0; k < 3; k++)
        y[k] -= a[k] * over / norm2;
    assert_near(v[0], 2 + y[0], 1e-11);
    assert_near(v[1], -5 + 10 * y[1], 1e-10);
    assert_near(v[2], 100 * y[2], 1e-9);
    assert_true(feasible(s, v, rows, 1, 0));
    zo_space_free(s);
}

/* On the simplex: max(0, y - threshold), the threshold by sorting. */
static int descending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x < y) - (x > y);
}

static void the_simplex_is_projected_on_in_closed_form(void **state)
{
    enum { N = 50 };
    zo_param_spec p[N];
    zo_term sum[N];
    double v[N], y[N], sorted[N];

    (void)state;
    fill(p, sum, N, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_EQ, 1)};
    zo_space *s = fx_space_linear(p, N, rows, 1);
    for (uint64_t trial = 0; trial < 50; trial++) {
        zo_rng rng = fx_rng(trial);
        for (size_t k = 0; k < N; k++)
            v[k] = y[k] = sorted[k] = pow(zo_rng_uniform(&rng), (double)trial);
        qsort(sorted, N, sizeof *sorted, descending);
        double total = 0, threshold = 0;
        for (size_t k = 0; k < N; k++) {
            total += sorted[k];
            if (sorted[k] - (total - 1) / (double)(k + 1) > 0)
                threshold = (total - 1) / (double)(k + 1);
        }
        zo_space_repair(s, &rng, v);
        for (size_t k = 0; k < N; k++)
            assert_near(v[k], fmax(0, y[k] - threshold), 1e-10);
        assert_true(feasible(s, v, rows, 1, 1e-14));
    }
    zo_space_free(s);
}

/* Several rows: the projection x of y is known by its condition, (y - x)(z - x) <= 0 for every feasible z. */
static void projections_meet_the_variational_inequality(void **state)
{
    enum { N = 6, M = 5, TRIALS = 60 };
    zo_param_spec p[N];
    zo_term t[M][N];
    zo_linear_spec rows[M];
    double v[N], y[N], z[N];

    (void)state;
    for (uint64_t trial = 0; trial < TRIALS; trial++) {
        zo_rng rng = fx_rng(trial);
        for (size_t i = 0; i < M; i++) {
            double at_middle = 0;
            fill(p, t[i], N, (zo_param_spec){.type = ZO_FLOAT, .low = -1, .high = 1}, 0);
            for (size_t k = 0; k < N; k++)
                t[i][k].coef = zo_rng_normal(&rng);
            at_middle = i == 0 ? 0 : 0.3 + zo_rng_uniform(&rng); /* the origin is feasible */
            rows[i] = (zo_linear_spec){t[i], N, i == 0 ? ZO_EQ : ZO_LE, at_middle};
        }
        zo_space *s = fx_space_linear(p, N, rows, M);
        for (size_t k = 0; k < N; k++)
            v[k] = y[k] = zo_rng_uniform(&rng) < 0.5 ? -1 : 1;
        zo_space_repair(s, &rng, v);
        assert_true(feasible(s, v, rows, M, 1e-13));
        for (int i = 0; i < 200; i++) {
            double product = 0;
            zo_space_sample(s, &rng, z);
            assert_true(feasible(s, z, rows, M, 1e-13));
            for (size_t k = 0; k < N; k++)
                product += (y[k] - v[k]) * (z[k] - v[k]);
            assert_true(product <= 1e-9);
        }
        zo_space_free(s);
    }
}

/* Small grids: no feasible point at all is nearer than the one found. */
static void whole_points_are_repaired_to_the_nearest(void **state)
{
    enum { N = 3, SIDE = 9 };
    size_t worse = 0, n = 0;

    (void)state;
    for (uint64_t trial = 0; trial < 200; trial++) {
        zo_rng rng = fx_rng(trial);
        zo_param_spec p[N];
        zo_term t[2][N];
        zo_linear_spec rows[2];
        zo_space *s = NULL;
        double v[N], y[N], z[N], best = INFINITY, found = 0;
        for (size_t i = 0; i < 2; i++) {
            fill(p, t[i], N, (zo_param_spec){.type = ZO_INT, .high = SIDE - 1}, 0);
            for (size_t k = 0; k < N; k++)
                t[i][k].coef = (double)zo_rng_below(&rng, 9) - 3;
            rows[i] =
                (zo_linear_spec){t[i], N, i == 0 && trial % 2 == 0 ? ZO_EQ : ZO_LE, (double)zo_rng_below(&rng, 20)};
        }
        for (size_t k = 0; k < N; k++)
            v[k] = y[k] = (double)zo_rng_below(&rng, SIDE);
        const zo_space_spec spec = {p, N, rows, 2};
        zo_error err = {0};
        const zo_status rc = zo_space_new(&spec, &s, &err);
        if (rc == ZO_OK)
            zo_space_repair(s, &rng, v);
        for (int code = 0; code < SIDE * SIDE * SIDE; code++) {
            double sums[2] = {0}, d = 0;
            for (size_t k = 0, c = (size_t)code; k < N; k++, c /= SIDE) {
                z[k] = (double)(c % SIDE);
                d += (z[k] - y[k]) * (z[k] - y[k]);
                for (size_t i = 0; i < 2; i++)
                    sums[i] += t[i][k].coef * z[k];
            }
            if (sums[1] <= rows[1].rhs && (rows[0].op == ZO_EQ ? sums[0] == rows[0].rhs : sums[0] <= rows[0].rhs))
                best = fmin(best, d);
        }
        assert_int_equal(rc == ZO_OK, isfinite(best)); /* refused exactly if there is no point */
        if (rc != ZO_OK)
            continue;
        assert_true(feasible(s, v, rows, 2, 0));
        for (size_t k = 0; k < N; k++)
            found += (v[k] - y[k]) * (v[k] - y[k]);
        n++;
        worse += found > best;
        assert_true(found >= best);
        zo_space_free(s);
    }
    printf("nearest in %zu of %zu\n", n - worse, n);
    assert_true(n > 100 && worse * 20 <= n);
}

/* Mixed: the best real for every level, by the closed form, and the best of those. */
static void mixed_points_keep_their_levels_when_reals_can_make_up(void **state)
{
    const zo_param_spec p[] = {{.name = "x0", .type = ZO_FLOAT, .high = 1},
                               {.name = "x1", .type = ZO_FLOAT, .high = 1},
                               {.name = "x2", .type = ZO_FLOAT, .high = 1, .step = 0.1}};
    const zo_term sum[] = {{"x0", 1}, {"x1", 1}, {"x2", 1}};
    const zo_linear_spec rows[] = {ROW(sum, ZO_EQ, 1)};
    zo_space *s = fx_space_linear(p, 3, rows, 1);
    double v[] = {0.5, 0.6, 0.3};
    zo_rng rng = fx_rng(3);

    (void)state;
    zo_space_repair(s, &rng, v);
    assert_true(v[2] == 0.3);
    assert_near(v[0], 0.3, 1e-12);
    assert_near(v[1], 0.4, 1e-12);
    zo_space_free(s);
    const zo_linear_spec less[] = {ROW(sum, ZO_LE, 0.35)};
    s = fx_space_linear(p, 3, less, 1);
    double w[] = {0, 0, 0.9}; /* 0.4 and more are out, whatever the reals */
    zo_space_repair(s, &rng, w);
    assert_true(w[0] == 0 && w[1] == 0 && w[2] == 0.3);
    zo_space_free(s);
}

/* ---- sampling ---- */

struct moments {
    double mean[3], mean2[3], cross;
};

static struct moments moments_of(const zo_space *s, size_t n_dims, size_t n, const zo_linear_spec *rows, size_t n_rows)
{
    struct moments m = {0};

    for (uint64_t i = 0; i < n; i++) {
        double v[3];
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, n_rows, 1e-14));
        for (size_t k = 0; k < n_dims; k++) {
            m.mean[k] += v[k] / (double)n;
            m.mean2[k] += v[k] * v[k] / (double)n;
        }
        m.cross += v[0] * v[1] / (double)n;
    }
    return m;
}

static void samples_are_uniform_on_a_triangle(void **state)
{
    enum { N = 10000 };
    zo_param_spec p[2];
    zo_term sum[2];

    (void)state;
    fill(p, sum, 2, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_LE, 1)};
    zo_space *s = fx_space_linear(p, 2, rows, 1);
    const struct moments m = moments_of(s, 2, N, rows, 1);
    for (size_t k = 0; k < 2;
         k++) { /* Dirichlet(1, 1, 1): means 1/3, squares 1/6, products 1/12; sd of x^2 0.21, of xy 0.07 */
        assert_near(m.mean[k], 1.0 / 3, 5 * sqrt(1.0 / 18 / N));
        assert_near(m.mean2[k], 1.0 / 6, 5 * 0.21 / sqrt(N));
    }
    assert_near(m.cross, 1.0 / 12, 5 * 0.08 / sqrt(N));
    zo_space_free(s);
}

static void samples_are_uniform_on_a_simplex_of_an_equation(void **state)
{
    enum { N = 10000 };
    zo_param_spec p[3];
    zo_term sum[3];

    (void)state;
    fill(p, sum, 3, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_EQ, 1)}, pair[] = {ROW(sum, ZO_LE, 1), ROW(sum, ZO_GE, 1)};
    for (int form = 0; form < 2; form++) { /* an equation may be written as two inequalities */
        zo_space *s = form == 0 ? fx_space_linear(p, 3, rows, 1) : fx_space_linear(p, 3, pair, 2);
        const struct moments m = moments_of(s, 3, N, rows, 1);
        for (size_t k = 0; k < 3; k++) {
            assert_near(m.mean[k], 1.0 / 3, 5 * sqrt(1.0 / 18 / N));
            assert_near(m.mean2[k], 1.0 / 6, 5 * 0.21 / sqrt(N));
        }
        assert_near(m.cross, 1.0 / 12, 5 * 0.08 / sqrt(N));
        zo_space_free(s);
    }
}

/* x0 log over [0.01, 1], x1 linear, x0 + x1 <= 1: E by integration of the density 1/x0 over the triangle. */
static void samples_are_uniform_in_encoded_units_on_log_scales(void **state)
{
    enum { N = 10000 };
    const zo_param_spec p[] = {{.name = "x0", .type = ZO_FLOAT, .low = 0.01, .high = 1, .scale = ZO_LOG},
                               {.name = "x1", .type = ZO_FLOAT, .low = 0, .high = 1}};
    const zo_term sum[] = {{"x0", 1}, {"x1", 1}};
    const zo_linear_spec rows[] = {ROW(sum, ZO_LE, 1)}, equal[] = {ROW(sum, ZO_EQ, 1)};
    const double l = log(100);

    (void)state;
    /* weight of x0: (1 - x)/x; its integral l - 0.99; of x (1 - x)/x: 0.99 - (1 - 1e-4)/2; x1 is half of 1 - x */
    const double mass = l - 0.99, first = (0.99 - (1 - 1e-4) / 2) / mass;
    zo_space *s = fx_space_linear(p, 2, rows, 1);
    struct moments m = moments_of(s, 2, N, rows, 1);
    assert_near(m.mean[0], first, 5 * 0.2 / sqrt(N));
    assert_near(m.mean[1], (1 - first) / 2, 5 * 0.3 / sqrt(N));
    zo_space_free(s);
    s = fx_space_linear(p, 2, equal, 1); /* on the segment the density is 1/x0 */
    m = moments_of(s, 2, N, equal, 1);
    assert_near(m.mean[0], 0.99 / l, 5 * 0.25 / sqrt(N));
    zo_space_free(s);
}

/* Every feasible whole point, counted by brute force, comes up equally often: chi-squared over the cells. */
static void assert_uniform_on_grid(const zo_param_spec *p, size_t side, const zo_linear_spec *rows, size_t n_rows)
{
    enum { N = 10000, CELLS = 1000 };
    unsigned count[CELLS] = {0};
    size_t n_cells = 0;
    zo_space *s = fx_space_linear(p, 3, rows, n_rows);
    double chi2 = 0;

    for (uint64_t i = 0; i < N; i++) {
        double v[3];
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, n_rows, 0));
        count[(size_t)v[0] + side * ((size_t)v[1] + side * (size_t)v[2])]++;
    }
    for (size_t c = 0; c < side * side * side; c++) {
        const double v[3] = {(double)(c % side), (double)(c / side % side), (double)(c / side / side)};
        n_cells += feasible(s, v, rows, n_rows, 0);
    }
    assert_true(n_cells > 10);
    const double mean = (double)N / (double)n_cells;
    for (size_t c = 0; c < side * side * side; c++) {
        const double v[3] = {(double)(c % side), (double)(c / side % side), (double)(c / side / side)};
        if (feasible(s, v, rows, n_rows, 0))
            chi2 += (count[c] - mean) * (count[c] - mean) / mean;
    }
    assert_near(chi2, (double)n_cells - 1, 5 * sqrt(2 * (double)(n_cells - 1)));
    zo_space_free(s);
}

static void samples_are_uniform_on_whole_points(void **state)
{
    zo_param_spec p[3];
    zo_term sum[3];
    const zo_term knapsack[] = {{"x0", 3}, {"x1", 5}, {"x2", 7}}, difference[] = {{"x0", 2}, {"x1", -1}};

    (void)state;
    fill(p, sum, 3, (zo_param_spec){.type = ZO_INT, .high = 9}, 1);
    const zo_linear_spec filled[] = {ROW(knapsack, ZO_LE, 40)}, equal[] = {ROW(sum, ZO_EQ, 10)},
                         both[] = {ROW(sum, ZO_LE, 15), ROW(difference, ZO_GE, 1)}, odd[] = {ROW(knapsack, ZO_EQ, 60)};
    assert_uniform_on_grid(p, 10, filled, 1);
    assert_uniform_on_grid(p, 10, equal, 1);
    assert_uniform_on_grid(p, 10, both, 2);
    assert_uniform_on_grid(p, 10, odd, 1);
}

/* x0 + x1/10 <= 0.7, x1 whole: P(x1 = k) is proportional to the length 0.7 - k/10. */
static void samples_are_uniform_on_mixed_points(void **state)
{
    enum { N = 10000 };
    const zo_param_spec p[] = {{.name = "x0", .type = ZO_FLOAT, .high = 1}, {.name = "x1", .type = ZO_INT, .high = 10}};
    const zo_term t[] = {{"x0", 1}, {"x1", 0.1}};
    const zo_linear_spec rows[] = {ROW(t, ZO_LE, 0.7)};
    zo_space *s = fx_space_linear(p, 2, rows, 1);
    unsigned count[11] = {0};

    (void)state;
    for (uint64_t i = 0; i < N; i++) {
        double v[2];
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, 1, 1e-15));
        count[(size_t)v[1]]++;
    }
    for (int k = 0; k < 7; k++) {
        const double share = (0.7 - 0.1 * k) / 2.8;
        assert_near(count[k] / (double)N, share, 5 * sqrt(share / N));
    }
    zo_space_free(s);
}

static void equal_keys_give_equal_points(void **state)
{
    zo_param_spec p[4];
    zo_term sum[4];
    double a[4], b[4];

    (void)state;
    fill(p, sum, 4, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    p[3] = (zo_param_spec){.name = "x3", .type = ZO_INT, .high = 3};
    const zo_linear_spec rows[] = {ROW(sum, ZO_LE, 2)};
    zo_space *s = fx_space_linear(p, 4, rows, 1), *other = fx_space_linear(p, 4, rows, 1);
    for (uint64_t i = 0; i < 20; i++) {
        zo_rng r1 = fx_rng(i), r2 = fx_rng(i);
        zo_space_sample(s, &r1, a);
        zo_space_sample(other, &r2, b);
        assert_memory_equal(a, b, sizeof a);
        a[0] = b[0] = a[1] = b[1] = 1;
        zo_space_repair(s, &r1, a);
        zo_space_repair(other, &r2, b);
        assert_memory_equal(a, b, sizeof a);
    }
    zo_space_free(s);
    zo_space_free(other);
}

/* Whatever the mix of types and rows: what comes out is feasible and on its levels. */
static void every_point_is_feasible_in_random_mixed_spaces(void **state)
{
    enum { N = 12, M = 4 };
    size_t n_spaces = 0;

    (void)state;
    for (uint64_t trial = 0; trial < 90; trial++) {
        zo_rng rng = fx_rng(trial);
        zo_param_spec p[N];
        zo_term t[M][N];
        zo_linear_spec rows[M];
        double inside[N], v[N];
        for (size_t k = 0; k < N; k++) {
            const uint64_t kind = zo_rng_below(&rng, 5);
            p[k] = kind == 0   ? (zo_param_spec){.type = ZO_INT, .low = -4, .high = 20}
                   : kind == 1 ? (zo_param_spec){.type = ZO_FLOAT, .low = 0, .high = 2, .step = 0.05}
                   : kind == 2 ? (zo_param_spec){.type = ZO_INT, .low = 1, .high = 4096, .scale = ZO_LOG}
                   : kind == 3 ? (zo_param_spec){.type = ZO_FLOAT, .low = 1e-3, .high = 10, .scale = ZO_LOG}
                               : (zo_param_spec){.type = ZO_FLOAT, .low = -1, .high = 1};
            p[k].name = nth_name(k);
        }
        zo_space *box = fx_space(p, N);
        zo_space_sample(box, &rng, inside); /* the rows are drawn around a point, so there is one */
        zo_space_free(box);
        for (size_t i = 0; i < M; i++) {
            rows[i] = (zo_linear_spec){t[i], N, i == 0 && trial % 3 == 0 ? ZO_EQ : i % 2 ? ZO_LE : ZO_GE, 0};
            for (size_t k = 0; k < N; k++) {
                t[i][k] = (zo_term){nth_name(k), zo_rng_uniform(&rng) < 0.5 ? 0 : (double)zo_rng_below(&rng, 7) - 3};
                rows[i].rhs += t[i][k].coef * inside[k];
            }
            t[i][0].coef += t[i][0].coef == 0;
            rows[i].rhs = 0;
            for (size_t k = 0; k < N; k++)
                rows[i].rhs += t[i][k].coef * inside[k];
        }
        zo_space *s = fx_space_linear(p, N, rows, M);
        n_spaces++;
        for (int i = 0; i < 20; i++) {
            zo_space_sample(s, &rng, v);
            assert_true(
                feasible(s, v, rows, M, 1e-6)); /* terms up to 12,000: a billionth of that is allowed to clients */
            for (size_t k = 0; k < N; k++)
                v[k] = zo_space_dims(s)[k].kind == ZO_DIM_REAL && zo_rng_uniform(&rng) < 0.3 ? p[k].high : v[k];
            double u[N];
            for (size_t k = 0; k < N; k++)
                u[k] = zo_rng_uniform(&rng);
            zo_space_from_unit(s, u, v);
            zo_space_repair(s, &rng, v);
            assert_true(feasible(s, v, rows, M, 1e-6));
        }
        zo_space_free(s);
    }
    assert_int_equal(n_spaces, 90);
}

/* Many levels: the search for the nearest is no longer exhaustive, and what comes out still is feasible. */
static void hundreds_of_whole_parameters_work(void **state)
{
    enum { N = 120 };
    zo_param_spec p[N];
    zo_term sum[N], half[N / 2];
    double v[N], y[N];

    (void)state;
    fill(p, sum, N, (zo_param_spec){.type = ZO_INT, .high = 10}, 1);
    for (size_t k = 0; k < N / 2; k++)
        half[k] = (zo_term){nth_name(k), 2};
    const zo_linear_spec both[] = {ROW(half, ZO_LE, 400), ROW(sum, ZO_EQ, 500)}, less[] = {ROW(sum, ZO_LE, 500)};
    for (int form = 0; form < 2; form++) {
        zo_space *s = form == 0 ? fx_space_linear(p, N, both, 2) : fx_space_linear(p, N, less, 1);
        for (uint64_t i = 0; i < 5; i++) {
            double total = 0, moved = 0;
            zo_rng rng = fx_rng(i);
            zo_space_sample(s, &rng, v);
            assert_true(feasible(s, v, form == 0 ? both : less, form == 0 ? 2 : 1, 0));
            for (size_t k = 0; k < N; k++)
                total += v[k] = y[k] = (double)zo_rng_below(&rng, 11);
            zo_space_repair(s, &rng, v);
            assert_true(feasible(s, v, form == 0 ? both : less, form == 0 ? 2 : 1, 0));
            for (size_t k = 0; k < N; k++)
                moved += fabs(v[k] - y[k]);
            if (form ==
                1) /* by whole steps no less than the excess, and by no more if each step is one the right way */
                assert_true(moved == fmax(0, total - 500));
        }
        zo_space_free(s);
    }
}

/* Wide ranges: 3a + 5b + 7c = 10^9 + 7 has whole solutions, 3a + 6b + 9c = 10^9 (which is 1 modulo 3) has none. */
static void whole_equations_over_wide_ranges_are_solved(void **state)
{
    zo_param_spec p[3];
    zo_term sum[3];
    const zo_term t[] = {{"x0", 3}, {"x1", 5}, {"x2", 7}}, thirds[] = {{"x0", 3}, {"x1", 6}, {"x2", 9}};
    const zo_linear_spec rows[] = {ROW(t, ZO_EQ, 1000000007)}, none[] = {ROW(thirds, ZO_EQ, 1e9)};
    double v[3];

    (void)state;
    fill(p, sum, 3, (zo_param_spec){.type = ZO_INT, .high = 1e9}, 1);
    fx_refused_linear(p, 3, none, 1, "/linear_constraints");
    zo_space *s = fx_space_linear(p, 3, rows, 1);
    for (uint64_t i = 0; i < 50; i++) {
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, 1, 0));
        for (size_t k = 0; k < 3; k++)
            v[k] = (double)zo_rng_below(&rng, 1000000001);
        zo_space_repair(s, &rng, v);
        assert_true(feasible(s, v, rows, 1, 0));
    }
    zo_space_free(s);
}

/* Several equations drawn through a known whole point: Euclid's algorithm must not lose it in long numbers. */
static void systems_of_whole_equations_keep_their_solutions(void **state)
{
    enum { N = 30, M = 4 };
    zo_param_spec p[N];
    zo_term t[M][N];
    zo_linear_spec rows[M];
    double v[N], inside[N];

    (void)state;
    for (uint64_t trial = 0; trial < 20; trial++) {
        zo_rng rng = fx_rng(trial);
        for (size_t k = 0; k < N; k++)
            inside[k] = 300 + (double)zo_rng_below(&rng, 400);
        for (size_t i = 0; i < M; i++) {
            rows[i] = (zo_linear_spec){t[i], N, ZO_EQ, 0};
            fill(p, t[i], N, (zo_param_spec){.type = ZO_INT, .high = 1000}, 0);
            for (size_t k = 0; k < N; k++) {
                t[i][k].coef = (double)zo_rng_below(&rng, 100);
                rows[i].rhs += t[i][k].coef * inside[k];
            }
        }
        zo_space *s = fx_space_linear(p, N, rows, M);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, M, 0));
        for (size_t k = 0; k < N; k++)
            v[k] = (double)zo_rng_below(&rng, 1001);
        zo_space_repair(s, &rng, v);
        assert_true(feasible(s, v, rows, M, 0));
        zo_space_free(s);
    }
}

static void too_large_systems_are_refused(void **state)
{
    static zo_param_spec p[MANY];
    static zo_term sum[MANY];
    static zo_linear_spec rows[1001];

    (void)state;
    fill(p, sum, MANY, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    for (size_t i = 0; i < ZO_LEN(rows); i++)
        rows[i] = (zo_linear_spec){sum, i == 0 ? MANY : 1, ZO_LE, 1};
    fx_refused_linear(p, MANY, rows, 1001, "/linear_constraints");
    fx_refused_linear(p, MANY, rows, 101, "/linear_constraints");
    fill(p, sum, MANY, (zo_param_spec){.type = ZO_INT, .high = 1}, 1);
    const zo_linear_spec equal[] = {{sum, 161, ZO_EQ, 3}};
    fx_refused_linear(p, MANY, equal, 1, "/linear_constraints");
}

/* A thousand dimensions: mean of a coordinate on the simplex 1/n, of its square 2/(n(n+1)). */
static void a_thousand_dimensions_work(void **state)
{
    static zo_param_spec p[MANY];
    static zo_term sum[MANY];
    static double v[MANY];
    double mean2 = 0;

    (void)state;
    fill(p, sum, MANY, (zo_param_spec){.type = ZO_FLOAT, .high = 1}, 1);
    const zo_linear_spec rows[] = {ROW(sum, ZO_EQ, 1)};
    zo_space *s = fx_space_linear(p, MANY, rows, 1);
    for (uint64_t i = 0; i < 20; i++) {
        zo_rng rng = fx_rng(i);
        zo_space_sample(s, &rng, v);
        assert_true(feasible(s, v, rows, 1, 1e-12));
        for (size_t k = 0; k < MANY; k++)
            mean2 += v[k] * v[k] / 20;
        for (size_t k = 0; k < MANY; k++)
            v[k] = zo_rng_uniform(&rng);
        zo_space_repair(s, &rng, v);
        assert_true(feasible(s, v, rows, 1, 1e-12));
    }
    assert_near(mean2 * (MANY + 1) / 2, 1, 0.2); /* a fifth: 20 walks are not yet mixed to the last digit */
    zo_space_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mistakes_are_pointed_at),
        cmocka_unit_test(empty_polytopes_are_refused),
        cmocka_unit_test(single_points_are_found),
        cmocka_unit_test(a_complete_default_point_must_be_feasible),
        cmocka_unit_test(told_points_must_hold_within_a_billionth),
        cmocka_unit_test(a_feasible_point_is_left_alone),
        cmocka_unit_test(a_half_space_is_projected_on_in_closed_form),
        cmocka_unit_test(the_simplex_is_projected_on_in_closed_form),
        cmocka_unit_test(projections_meet_the_variational_inequality),
        cmocka_unit_test(whole_points_are_repaired_to_the_nearest),
        cmocka_unit_test(mixed_points_keep_their_levels_when_reals_can_make_up),
        cmocka_unit_test(samples_are_uniform_on_a_triangle),
        cmocka_unit_test(samples_are_uniform_on_a_simplex_of_an_equation),
        cmocka_unit_test(samples_are_uniform_in_encoded_units_on_log_scales),
        cmocka_unit_test(samples_are_uniform_on_whole_points),
        cmocka_unit_test(samples_are_uniform_on_mixed_points),
        cmocka_unit_test(equal_keys_give_equal_points),
        cmocka_unit_test(every_point_is_feasible_in_random_mixed_spaces),
        cmocka_unit_test(hundreds_of_whole_parameters_work),
        cmocka_unit_test(whole_equations_over_wide_ranges_are_solved),
        cmocka_unit_test(systems_of_whole_equations_keep_their_solutions),
        cmocka_unit_test(too_large_systems_are_refused),
        cmocka_unit_test(a_thousand_dimensions_work),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
