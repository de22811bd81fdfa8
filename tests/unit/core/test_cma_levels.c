/* Levels and choices of CMA-ES: the margin against figures worked out apart from this code, and what must hold always.
 */
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cma/choices.h"
#include "cma/levels.h"

#define assert_close(a, b, tolerance) assert_true(fabs((a) - (b)) <= (tolerance))

static double tail(double z)
{
    return 0.5 * erfc(z / sqrt(2));
}

static void quantiles_invert_the_tail(void **state)
{
    (void)state;
    assert_close(zo_cma_upper_quantile(0.025), 1.959963984540054, 1e-13);
    assert_close(zo_cma_upper_quantile(0.001), 3.090232306167813, 1e-13);
    for (double p = 0.5 - 1e-10; p > 1e-10; p *= 0.97)
        assert_close(tail(zo_cma_upper_quantile(p)) / p, 1, 1e-11);
}

/* One coordinate of ten levels: level k of 0..9 lies at (k + 1/2) / 10. */
struct fx {
    cma_gauss g;
    cma_levels l;
};

static void fx_open(struct fx *x, double m, double deviation)
{
    *x = (struct fx){0};
    assert_int_equal(zo_cma_gauss_init(&x->g, 1, false, NULL), ZO_OK);
    assert_int_equal(zo_cma_levels_init(&x->l, 1, NULL), ZO_OK);
    x->l.count[0] = 10;
    x->l.alpha = 0.05;
    x->g.m[0] = (m + 0.5) / 10;
    zo_cma_gauss_start(&x->g, deviation / 10);
    zo_cma_levels_start(&x->l);
    x->l.success[0] = 1;
}

static void fx_close(struct fx *x)
{
    zo_cma_gauss_fini(&x->g);
    zo_cma_levels_fini(&x->l);
}

/* Figures of a prototype of CatCMA with Margin, in units of a level. */
static void margins_are_the_published_ones(void **state)
{
    static const struct {
        double m, deviation, m_after, A_after, below, above;
    } cases[] = {{3.1, 0.05, 3.0, 5.102135, 0.025, 0.025}, {3.4, 0.2, 3.289904, 2.015098, 0.025, 0.301077}};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(cases); k++) {
        struct fx x;
        fx_open(&x, cases[k].m, cases[k].deviation);
        zo_cma_levels_margin(&x.l, &x.g);
        const double m = 10 * x.g.m[0] - 0.5, s = 10 * zo_cma_deviation(&x.g, 0);
        assert_close(m, cases[k].m_after, 1e-6);
        assert_close(x.g.A[0], cases[k].A_after, 1e-6);
        assert_close(tail((m - 2.5) / s), cases[k].below, 1e-6);
        assert_close(tail((3.5 - m) / s), cases[k].above, 1e-6);
        fx_close(&x);
    }
    struct fx x; /* at the edge A grows until the middle of the cell is as far as the threshold at alpha */
    fx_open(&x, 0.1, 0.05);
    zo_cma_levels_margin(&x.l, &x.g);
    const double s = 10 * zo_cma_deviation(&x.g, 0), z = 1.6448536269514722;
    assert_close(s, 0.5 / z, 1e-9);
    assert_close(tail((0.5 - (10 * x.g.m[0] - 0.5)) / s), 0.05, 1e-9);
    fx_close(&x);
}

/* Without the margin a coordinate whose deviation is 1e-6 of a level would never leave its cell. */
static void every_cell_can_be_left_however_small_sigma_is(void **state)
{
    (void)state;
    for (double m = -0.45; m < 9.5; m += 0.3) {
        struct fx x;
        fx_open(&x, m, 1e-6);
        zo_cma_levels_margin(&x.l, &x.g);
        const double v = x.g.m[0], s = zo_cma_deviation(&x.g, 0), cell = zo_cma_cell(v, 10);
        assert_true(cell == zo_cma_cell((m + 0.5) / 10, 10));
        const double below = cell > 0 ? tail((v - cell / 10) / s) : 0,
                     above = cell < 9 ? tail(((cell + 1) / 10 - v) / s) : 0;
        assert_close(below + above, 0.05, 1e-9);
        fx_close(&x);
    }
}

static void centering_leaves_no_bias(void **state)
{
    enum { MU = 5 };
    struct fx x;
    double v[MU], *best[MU];

    (void)state;
    for (uint64_t k = 0; k < 200; k++) {
        zo_rng r = zo_rng_make(5, ZO_PURPOSE_ASK, k);
        double before = 0, after = 0, room = 0;
        bool mutated = false;
        fx_open(&x, 4.2, 0.5);
        for (size_t i = 0; i < MU; i++) {
            best[i] = &v[i];
            zo_cma_gauss_sample(&x.g, &r, best[i]);
            before += v[i];
            mutated |= zo_cma_cell(v[i], 10) != 4;
        }
        double old[MU], bias = 0;
        for (size_t i = 0; i < MU; i++) {
            old[i] = v[i];
            bias += zo_cma_cell(v[i], 10) != 4 ? (zo_cma_cell(v[i], 10) + 0.5) / 10 - v[i] : 0;
        }
        for (size_t i = 0; i < MU; i++) {
            const double move = 0.45 - old[i];
            room += zo_cma_cell(old[i], 10) == 4 && move * bias < 0 ? fabs(move) : 0;
        }
        zo_cma_levels_center(&x.l, &x.g, best, MU);
        for (size_t i = 0; i < MU; i++) {
            after += v[i];
            assert_true(zo_cma_cell(v[i], 10) == zo_cma_cell(old[i], 10));
            if (zo_cma_cell(old[i], 10) != 4)
                assert_close(v[i], (zo_cma_cell(old[i], 10) + 0.5) / 10, 1e-15);
        }
        assert_int_equal(x.l.success[0], mutated);
        assert_close(after - before, copysign(fmax(0, fabs(bias) - room), bias), 1e-12);
        fx_close(&x);
    }
}

/* ---- choices ---- */

static void probabilities_stay_probabilities_and_learn_the_better_choice(void **state)
{
    enum { N = 3, LAMBDA = 8, MU = 4 };
    static const size_t count[N] = {2, 3, 7};
    const double w[MU] = {0.5, 0.3, 0.15, 0.05};
    uint32_t drawn[LAMBDA][N];
    const uint32_t *best[LAMBDA];
    cma_choices c = {0};

    (void)state;
    assert_int_equal(zo_cma_choices_init(&c, N, count, NULL), ZO_OK);
    c.alpha = 1 - pow(0.73, 1.0 / N);
    zo_cma_choices_start(&c);
    for (uint64_t g = 0; g < 300; g++) {
        size_t n = 0;
        for (uint32_t k = 0; k < LAMBDA; k++) {
            zo_rng r = zo_rng_make(g, ZO_PURPOSE_ASK, k);
            zo_cma_choices_sample(&c, &r, drawn[k]);
        }
        for (int score = N; score >= 0; score--) /* the more zeros the better */
            for (size_t k = 0; k < LAMBDA; k++)
                if ((drawn[k][0] == 0) + (drawn[k][1] == 0) + (drawn[k][2] == 0) == score)
                    best[n++] = drawn[k];
        zo_cma_choices_update(&c, best, w, MU);
        for (size_t i = 0; i < N; i++) {
            double sum = 0;
            for (size_t k = c.first[i]; k < c.first[i + 1]; k++) {
                assert_true(c.q[k] >= c.alpha / (double)(count[i] - 1) * (1 - 1e-9));
                sum += c.q[k];
            }
            assert_close(sum, 1, 1e-12);
        }
    }
    for (size_t i = 0; i < N; i++)
        assert_close(c.q[c.first[i]], 1 - c.alpha, 1e-6); /* all that the margin leaves */
    zo_cma_choices_fini(&c);
}

/* With random ranking the steps of the path point anywhere: the step, which begins at 1, must become much shorter. */
static void without_a_signal_choices_move_slowly(void **state)
{
    enum { N = 2, MU = 4 };
    static const size_t count[N] = {3, 4};
    const double w[MU] = {0.25, 0.25, 0.25, 0.25};
    uint32_t drawn[MU][N];
    const uint32_t *best[MU];
    cma_choices c = {0};
    double slowness = 0;

    (void)state;
    assert_int_equal(zo_cma_choices_init(&c, N, count, NULL), ZO_OK);
    c.alpha = 1 - sqrt(0.73);
    zo_cma_choices_start(&c);
    for (uint64_t g = 0; g < 3000; g++) {
        for (uint32_t k = 0; k < MU; k++) {
            zo_rng r = zo_rng_make(g, ZO_PURPOSE_ASK, k);
            zo_cma_choices_sample(&c, &r, drawn[k]);
            best[k] = drawn[k];
        }
        zo_cma_choices_update(&c, best, w, MU);
        slowness += c.delta / 3000;
    }
    assert_true(slowness > 5);
    zo_cma_choices_fini(&c);
}

static void choices_are_drawn_by_their_probability(void **state)
{
    enum { COUNT = 100000 };
    static const size_t count[1] = {3};
    const double q[3] = {0.2, 0.5, 0.3};
    double seen[3] = {0};
    cma_choices c = {0};

    (void)state;
    assert_int_equal(zo_cma_choices_init(&c, 1, count, NULL), ZO_OK);
    for (size_t k = 0; k < 3; k++)
        c.q[k] = q[k];
    for (uint64_t k = 0; k < COUNT; k++) {
        zo_rng r = zo_rng_make(1, ZO_PURPOSE_ASK, k);
        uint32_t chosen;
        zo_cma_choices_sample(&c, &r, &chosen);
        seen[chosen] += 1.0 / COUNT;
    }
    for (size_t k = 0; k < 3; k++)
        assert_close(seen[k], q[k], 5 * sqrt(q[k] * (1 - q[k]) / COUNT));
    zo_cma_choices_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quantiles_invert_the_tail),
        cmocka_unit_test(margins_are_the_published_ones),
        cmocka_unit_test(every_cell_can_be_left_however_small_sigma_is),
        cmocka_unit_test(centering_leaves_no_bias),
        cmocka_unit_test(probabilities_stay_probabilities_and_learn_the_better_choice),
        cmocka_unit_test(without_a_signal_choices_move_slowly),
        cmocka_unit_test(choices_are_drawn_by_their_probability),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
