/* The rules of zeroth-order descent, each against its formula on dense vectors: the reference holds x, v and m, the
 * solver seeds and scalars. Directions come from the seeds that the solver names, by the generator itself. */
#include "zo_fx.h"

enum { DIM = 50, MAX_Q = 4, SPARSE_DIM = 200 };
#define LR 0.01
#define MU 1e-3

struct dense {
    double x[DIM], v[DIM], second, p1, p2;
    uint64_t moves;
};

/* Directions of a step, from its probes' seeds and nothing else. */
static size_t directions_of(struct zo_fx *f, const double *r, double z[][DIM])
{
    const size_t q = f->plan.n_fresh, stride = r[ZO_STEP_KIND] == ZO_STEP_PAIRS ? 2 : 1;
    const size_t first = r[ZO_STEP_KIND] == ZO_STEP_SIDES ? 1 : 0;

    for (size_t j = 0; j < q; j++) {
        assert_int_equal(zo_step_probe(&f->c.steps, r, first + j * stride, f->c.terms), 1);
        if (f->plan.signs)
            zo_portable1_signs_at(f->c.terms[0].seed, 0, DIM, z[j]);
        else
            zo_portable1_normals_at(f->c.terms[0].seed, 0, DIM, z[j]);
    }
    return q;
}

static double loss_beside(const struct zo_fx *f, const double *x, const double *z, double h)
{
    double at[DIM];

    for (size_t i = 0; i < DIM; i++)
        at[i] = x[i] + h * z[i];
    return fx_loss_at(f, at);
}

/* g and the slopes at the reference's own x. */
static void estimate(struct zo_fx *f, const double *r, const double *x, double *g, double *s, bool signs)
{
    static double z[MAX_Q][DIM];
    const size_t q = directions_of(f, r, z);

    memset(g, 0, DIM * sizeof *g);
    for (size_t j = 0; j < q; j++) {
        if (f->plan.derivatives)
            s[j] = fx_slope_at(f, x, z[j]);
        else if (r[ZO_STEP_KIND] == ZO_STEP_SIDES)
            s[j] = (loss_beside(f, x, z[j], MU) - fx_loss_at(f, x)) / MU;
        else
            s[j] = (loss_beside(f, x, z[j], MU) - loss_beside(f, x, z[j], -MU)) / (2 * MU);
        const double c = signs ? (s[j] > 0) - (s[j] < 0) : s[j];
        for (size_t i = 0; i < DIM; i++)
            g[i] += c * z[j][i] / (double)q;
    }
}

static double distance(const double *a, const double *b)
{
    double d = 0, size = 0;

    for (size_t i = 0; i < DIM; i++) {
        d += (a[i] - b[i]) * (a[i] - b[i]);
        size += b[i] * b[i];
    }
    return d > 0 ? sqrt(d / size) : 0;
}

enum rule { SGD, SIGN, MOMENTUM, ADAM };

static void dense_move(struct dense *d, enum rule rule, const double *g, const double *s, size_t q, double lr)
{
    double square = 0;

    for (size_t j = 0; j < q; j++)
        square += s[j] * s[j] / (double)q;
    d->moves++;
    d->second = 0.999 * d->second + 0.001 * square;
    const double mean = 1 - pow(0.9, (double)d->moves), vh = d->second / (1 - pow(0.999, (double)d->moves));
    for (size_t i = 0; i < DIM; i++) {
        switch (rule) {
        case SGD:
        case SIGN:
            d->x[i] -= lr * g[i];
            break;
        case MOMENTUM:
            d->v[i] = 0.9 * d->v[i] + g[i];
            d->x[i] -= lr * d->v[i];
            break;
        case ADAM:
            d->v[i] = 0.9 * d->v[i] + 0.1 * g[i];
            d->x[i] -= lr * d->v[i] / mean / (sqrt(vh) + 1e-8);
            break;
        }
    }
}

/* n steps of both; x of the client is compared once the last move has been handed out. */
static void compare(const char *solver, enum rule rule, const zo_named *options, size_t n_options, size_t n, bool root,
                    double tolerance)
{
    struct zo_fx *f = fx_new(solver, DIM, NULL, 0, 0, options, n_options);
    struct dense d = {0};
    double g[DIM], s[MAX_Q];

    for (size_t k = 0; k < n; k++) {
        const double *r = fx_step(f);
        estimate(f, r, d.x, g, s, rule == SIGN);
        dense_move(&d, rule, g, s, f->plan.n_fresh, root ? LR / sqrt((double)k + 1) : LR);
    }
    fx_ask_step(f);
    assert_true(fx_loss_at(f, d.x) < 0.98 * fx_loss_at(f, (double[DIM]){0})); /* it did go somewhere */
    if (!(distance(f->c.x, d.x) <= tolerance))
        fail_msg("%s is %g away from the formula", solver, distance(f->c.x, d.x));
    fx_free(f);
}

static void sgd_is_its_formula_with_any_sides_directions_and_entries(void **state)
{
    static const zo_named one[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU)};
    static const zo_named three[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU), OPT_NUMBER("directions", 3),
                                     OPT_WORD("sides", "one"), OPT_WORD("distribution", "rademacher")};
    static const zo_named root[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU), OPT_WORD("schedule", "sqrt")};

    (void)state;
    compare("zo-sgd", SGD, one, ZO_LEN(one), 200, false, 1e-10);
    compare("zo-sgd", SGD, three, ZO_LEN(three), 200, false, 1e-9);
    compare("zo-sgd", SGD, root, ZO_LEN(root), 200, true, 1e-10);
}

static void sign_is_its_formula(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU), OPT_WORD("schedule", "constant"),
                                 OPT_NUMBER("directions", 2)};

    (void)state;
    compare("zo-sign", SIGN, o, ZO_LEN(o), 200, false, 1e-10);
}

/* What is older than 66 steps has lost its weight but for a thousandth. */
static void momentum_is_its_formula_up_to_the_window(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU), OPT_NUMBER("directions", 4)};
    struct zo_fx *f = fx_new("zo-momentum", DIM, NULL, 0, 0, o, ZO_LEN(o));

    (void)state;
    assert_int_equal(f->plan.window, 66);
    fx_free(f);
    compare("zo-momentum", MOMENTUM, o, ZO_LEN(o), 66, false, 1e-10);
    compare("zo-momentum", MOMENTUM, o, ZO_LEN(o), 300, false, 1e-3);
}

static void adam_is_its_formula_with_one_second_moment(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("mu", MU), OPT_WORD("schedule", "constant")};

    (void)state;
    compare("zo-adam", ADAM, o, ZO_LEN(o), 66, false, 1e-10);
    compare("zo-adam", ADAM, o, ZO_LEN(o), 300, false, 1e-3);
}

static void forward_gradient_is_its_formula(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("directions", 2)};

    (void)state;
    compare("forward-gradient", SGD, o, ZO_LEN(o), 200, false, 1e-12);
}

/* Every other trial is the choice among three losses; x goes to the least, and the loss never rises. */
static void conservative_moves_to_the_least_of_three_and_never_up(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", 0.3), OPT_NUMBER("mu", MU), OPT_NUMBER("directions", 2)};
    struct zo_fx *f = fx_new("zo-conservative", DIM, NULL, 0, 0, o, ZO_LEN(o));
    double x[DIM] = {0}, g[DIM], s[MAX_Q], last = INFINITY;
    size_t stayed = 0, turned = 0;

    (void)state;
    for (size_t k = 0; k < 200; k++) {
        const double *r = fx_step(f);
        assert_true(distance(f->c.x, x) <= 1e-10);
        assert_true(fx_loss_at(f, f->c.x) <= last);
        last = fx_loss_at(f, f->c.x);
        estimate(f, r, x, g, s, false);
        r = fx_step(f);
        assert_int_equal(r[ZO_STEP_KIND], ZO_STEP_LINE);
        const double ahead = loss_beside(f, x, g, -0.3), behind = loss_beside(f, x, g, 0.3);
        const double h = ahead < last && ahead <= behind ? -0.3 : behind < last ? 0.3 : 0;
        for (size_t i = 0; i < DIM; i++)
            x[i] += h * g[i];
        stayed += h == 0;
        turned += h > 0;
    }
    assert_true(stayed > 5); /* this lr is too long for some */
    assert_true(turned < 5); /* the quadratic's slopes point the right way */
    fx_free(f);
}

/* ---- block-wise and sparse ---- */

static void a_step_moves_one_group_and_groups_take_turns(void **state)
{
    static const zo_group groups[] = {{"a", 20}, {"b", 5}, {"c", 25}};
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_TRUE("groups")};
    static const size_t low[] = {0, 20, 25, 50};
    struct zo_fx *f = fx_new("zo-sgd", DIM, groups, 3, 0, o, ZO_LEN(o));
    size_t moved[3] = {0};

    (void)state;
    for (size_t k = 0; k < 31; k++) {
        double before[DIM];
        memcpy(before, f->c.x, sizeof before);
        fx_step(f);
        if (k == 0)
            continue;
        const size_t g = (k - 1) % 3; /* of the step before, whose slopes it follows */
        for (size_t i = 0; i < DIM; i++) {
            assert_true((f->c.x[i] != before[i]) == (i >= low[g] && i < low[g + 1]));
            moved[g] += f->c.x[i] != before[i];
        }
    }
    assert_int_equal(moved[0], 200);
    assert_int_equal(moved[1], 50);
    assert_int_equal(moved[2], 250);
    fx_free(f);
}

static size_t count_moved(struct zo_fx *f, bool *moved)
{
    double before[SPARSE_DIM];
    size_t n = 0;

    memcpy(before, f->c.x, sizeof before);
    fx_step(f);
    for (size_t i = 0; i < SPARSE_DIM; i++)
        n += moved[i] = f->c.x[i] != before[i];
    return n;
}

/* 200 entries kept with probability 0.3: 60 in the mean, sigma 6.5 a choice, shared by 4 steps. */
static void a_sparse_step_moves_the_kept_entries_for_as_long_as_told(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_NUMBER("keep", 0.3), OPT_NUMBER("refresh", 4)};
    struct zo_fx *f = fx_new("zo-sgd", SPARSE_DIM, NULL, 0, 0, o, ZO_LEN(o));
    bool moved[SPARSE_DIM], last[SPARSE_DIM] = {0};
    size_t n_changes = 0, total = 0;

    (void)state;
    fx_step(f);
    for (size_t k = 0; k < 40; k++) {
        total += count_moved(f, moved);
        n_changes += k > 0 && memcmp(moved, last, sizeof moved) != 0;
        memcpy(last, moved, sizeof moved);
    }
    assert_int_equal(n_changes, 9);
    assert_true(fabs((double)total / 40 - 60) < 4 * 6.5 / sqrt(10));
    fx_free(f);
}

/* ---- step size ---- */

/* The trace of the Hessian from eight z'Hz: its relative error has deviation sqrt(2 tr H^2 / 8) / tr H, here 0.09. */
static void the_step_size_found_is_that_of_the_trace(void **state)
{
    static const char *const solvers[] = {"zo-sgd", "zo-conservative", "forward-gradient"};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++) {
        struct zo_fx *f = fx_new(solvers[k], 100, NULL, 0, 0, NULL, 0);
        double trace = 0;
        for (size_t i = 0; i < f->n; i++)
            trace += fx_weight(f, i);
        for (int i = 0; i < 3; i++)
            fx_step(f);
        assert_true(fabs(fx_fact(f, "trace") / trace - 1) < 0.45);
        assert_true(fabs(fx_fact(f, "lr") * 3 * fx_fact(f, "trace") - 1) < 1e-4);
        fx_free(f);
    }
}

static void three_failures_in_a_row_halve_the_step_size(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", 0.5)};
    struct zo_fx *f = fx_new("zo-sgd", 3, NULL, 0, 0, o, ZO_LEN(o));

    (void)state;
    fx_step(f);
    fx_lose(f, ZO_TOLD_FAILED);
    fx_lose(f, ZO_TOLD_FAILED);
    fx_step(f);
    fx_lose(f, ZO_TOLD_FAILED);
    fx_lose(f, ZO_TOLD_ABANDONED); /* says nothing */
    fx_lose(f, ZO_TOLD_FAILED);
    assert_true(fx_fact(f, "lr") == 0.5);
    fx_lose(f, ZO_TOLD_FAILED);
    assert_true(fx_fact(f, "lr") == 0.25);
    assert_int_equal(fx_fact(f, "failed_steps"), 5);
    fx_free(f);
}

static void a_failed_step_moves_nothing_and_no_move_is_sent_twice(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR)};
    static const zo_outcome outcomes[] = {ZO_TOLD_FAILED, ZO_TOLD_ABANDONED};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(outcomes); k++) {
        struct zo_fx *f = fx_new("zo-sgd", DIM, NULL, 0, 0, o, ZO_LEN(o));
        fx_step(f);
        fx_lose(f, outcomes[k]); /* has the first step's move */
        fx_ask_step(f);
        assert_int_equal(f->c.n_terms, 0);
        fx_free(f);
    }
}

static void equal_losses_step_after_step_are_warned_of(void **state)
{
    static const zo_named o[] = {OPT_NUMBER("lr", LR)};
    struct zo_fx *f = fx_new("zo-sgd", DIM, NULL, 0, 0, o, ZO_LEN(o));
    const double same[] = {1, 1};
    zo_bundle facts;

    (void)state;
    for (int i = 0; i < 5; i++)
        fx_tell_step(f, fx_ask_step(f), ZO_TOLD_COMPLETE, same);
    zo_bundle_init(&facts);
    assert_int_equal(zo_solver_run_describe(f->run, &facts, NULL), ZO_OK);
    assert_non_null(strstr(zo_bundle_meta(&facts, "warning"), "mu_too_small"));
    zo_bundle_fini(&facts);
    fx_free(f);
}

/* ---- convergence ---- */

/* Relative loss after so many values of the client's. */
static double descend(const char *solver, size_t n, const zo_named *options, size_t n_options, uint64_t losses,
                      double noise)
{
    struct zo_fx *f = fx_new(solver, n, NULL, 0, 20000, options, n_options);
    const double start = fx_loss_at(f, f->c.x);

    f->noise = noise;
    while (f->n_losses < losses)
        fx_step(f);
    fx_ask_step(f);
    const double relative = fx_loss_at(f, f->c.x) / start;
    fx_free(f);
    return relative;
}

/* In the mean a step of one direction takes (1 - lr l_i)^2 off each square, while lr is small against 2 / (trace + 2
 * l): the slowest, l = 0.05, has weight 2 lr l a step. The bounds are a hundredth's grace on what other implementations
 * of these formulas reached on this quadratic with 40000 values. */
static void each_rule_descends_the_quadratic(void **state)
{
    static const zo_named lr2[] = {OPT_NUMBER("lr", 1e-2)},
                          lr3[] = {OPT_NUMBER("lr", 1e-3), OPT_WORD("schedule", "constant")};
    static const zo_named sparse[] = {OPT_NUMBER("lr", 5e-2), OPT_NUMBER("keep", 0.1)};

    (void)state;
    assert_true(descend("zo-sgd", 100, lr2, 1, 40000, 0) < 1e-9);
    assert_true(descend("zo-sgd", 100, NULL, 0, 40000, 0) < 2e-10);
    assert_true(descend("zo-sign", 100, lr3, 2, 40000, 0) < 4e-3);
    assert_true(descend("zo-conservative", 100, lr2, 1, 40000, 0) < 1e-4);
    assert_true(descend("forward-gradient", 100, lr2, 1, 39000, 0) < 2e-18);
    assert_true(descend("zo-sgd", 100, sparse, 2, 40000, 0) < 3e-5);
}

static void rules_with_memory_descend_a_smaller_one(void **state)
{
    (void)state;
    assert_true(descend("zo-momentum", 10, NULL, 0, 6000, 0) < 1e-6);
    assert_true(descend("zo-adam", 10, NULL, 0, 6000, 0) < 1e-3);
    assert_true(descend("zo-sign", 10, NULL, 0, 6000, 0) < 1e-2);
}

static void noise_slows_every_rule_and_stops_none(void **state)
{
    static const char *const solvers[] = {"zo-sgd", "zo-sign", "zo-momentum", "zo-adam", "zo-conservative"};
    static const zo_named o[] = {OPT_NUMBER("mu", 0.1), OPT_WORD("schedule", "sqrt")};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(solvers); k++) {
        const double left = descend(solvers[k], 10, o, ZO_LEN(o), 6000, 1e-3);
        if (!(left < 0.1))
            fail_msg("%s leaves %g", solvers[k], left);
    }
}

/* E g is the gradient, E |g|^2 = (n + 2) |grad|^2 with normal entries, n |grad|^2 with signs. */
static void estimates_have_the_gradient_as_mean_and_the_known_square(void **state)
{
    enum { N = 100000 };

    (void)state;
    for (int signs = 0; signs < 2; signs++) {
        const zo_named o[] = {OPT_NUMBER("lr", LR), OPT_WORD("distribution", signs ? "rademacher" : "gaussian")};
        struct zo_fx *f = fx_new("forward-gradient", DIM, NULL, 0, 0, o, 2);
        double mean[DIM] = {0}, gradient[DIM], z[DIM], square = 0, size = 0, off = 0;
        for (size_t i = 0; i < DIM; i++) {
            double unit[DIM] = {0};
            unit[i] = 1;
            gradient[i] = fx_slope_at(f, f->c.x, unit);
            size += gradient[i] * gradient[i];
        }
        for (uint64_t k = 0; k < N; k++) {
            double record[8] = {(double)k, ZO_STEP_SLOPES, (double)k};
            assert_int_equal(zo_step_probe(&f->c.steps, record, 0, f->c.terms), 1);
            zo_step_direction(&f->c.steps, f->c.terms, 0, DIM, z);
            const double s = fx_slope_at(f, f->c.x, z);
            for (size_t i = 0; i < DIM; i++) {
                mean[i] += s * z[i] / N;
                square += s * z[i] * s * z[i] / N;
            }
        }
        for (size_t i = 0; i < DIM; i++)
            off += (mean[i] - gradient[i]) * (mean[i] - gradient[i]);
        assert_true(sqrt(off / size) < 0.03); /* expected: sqrt(51 / N) = 0.023 */
        assert_true(fabs(square / size - (signs ? 50 : 52)) < 1);
        fx_free(f);
    }
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(sgd_is_its_formula_with_any_sides_directions_and_entries),
        cmocka_unit_test(sign_is_its_formula),
        cmocka_unit_test(momentum_is_its_formula_up_to_the_window),
        cmocka_unit_test(adam_is_its_formula_with_one_second_moment),
        cmocka_unit_test(forward_gradient_is_its_formula),
        cmocka_unit_test(conservative_moves_to_the_least_of_three_and_never_up),
        cmocka_unit_test(a_step_moves_one_group_and_groups_take_turns),
        cmocka_unit_test(a_sparse_step_moves_the_kept_entries_for_as_long_as_told),
        cmocka_unit_test(the_step_size_found_is_that_of_the_trace),
        cmocka_unit_test(three_failures_in_a_row_halve_the_step_size),
        cmocka_unit_test(a_failed_step_moves_nothing_and_no_move_is_sent_twice),
        cmocka_unit_test(equal_losses_step_after_step_are_warned_of),
        cmocka_unit_test(each_rule_descends_the_quadratic),
        cmocka_unit_test(rules_with_memory_descend_a_smaller_one),
        cmocka_unit_test(noise_slows_every_rule_and_stops_none),
        cmocka_unit_test(estimates_have_the_gradient_as_mean_and_the_known_square),
    };

    return cmocka_run_group_tests_name("zo rules", tests, NULL, NULL);
}
