/* Pairs and blocks of normal vectors: their geometry exactly, and what they do for a whole run. */
#include "cma/draws.h"
#include "cma_fx.h"

enum { N = 7 };

static void a_pair_is_a_vector_and_its_mirror_image(void **state)
{
    cma_draws d;
    zo_rng rng = zo_rng_make(1, ZO_PURPOSE_ASK, 0), same = rng;
    double a[N], b[N], z[N];

    (void)state;
    assert_int_equal(zo_cma_draws_init(&d, CMA_DRAW_MIRRORED, N, NULL), ZO_OK);
    for (int pair = 0; pair < 5; pair++) {
        zo_cma_draws_next(&d, &rng, 9, a);
        zo_cma_draws_next(&d, &rng, 9, b);
        zo_rng_normals(&same, N, z);
        for (size_t i = 0; i < N; i++)
            assert_true(a[i] == z[i] && b[i] == -z[i]);
    }
    zo_cma_draws_fini(&d);
}

static void a_block_is_orthogonal_and_as_long_as_independent_vectors(void **state)
{
    static const size_t populations[] = {4, N, 20};

    (void)state;
    for (size_t p = 0; p < ZO_LEN(populations); p++) {
        const size_t size = populations[p] < N ? populations[p] : N;
        cma_draws d;
        zo_rng rng = zo_rng_make(2, ZO_PURPOSE_ASK, p), same = rng;
        double z[N][N], free[N];
        assert_int_equal(zo_cma_draws_init(&d, CMA_DRAW_ORTHOGONAL, N, NULL), ZO_OK);
        for (int block = 0; block < 3; block++)
            for (size_t k = 0; k < size; k++) {
                zo_cma_draws_next(&d, &rng, populations[p], z[k]);
                zo_rng_normals(&same, N, free);
                const double length = zo_dot(N, z[k], z[k]);
                assert_true(fabs(length / zo_dot(N, free, free) - 1) < 1e-12);
                for (size_t j = 0; j < k; j++)
                    assert_true(fabs(zo_dot(N, z[j], z[k])) < 1e-12 * length);
            }
        zo_cma_draws_fini(&d);
    }
}

/* The mean of the squares of one coordinate over many blocks: the vectors are uniform in direction. */
static void a_block_has_no_favourite_direction(void **state)
{
    enum { BLOCKS = 4000 };
    cma_draws d;
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_ASK, 0);
    double z[N], square[N] = {0};

    (void)state;
    assert_int_equal(zo_cma_draws_init(&d, CMA_DRAW_ORTHOGONAL, N, NULL), ZO_OK);
    for (int k = 0; k < BLOCKS * N; k++) {
        zo_cma_draws_next(&d, &rng, N, z);
        for (size_t i = 0; i < N; i++)
            square[i] += z[i] * z[i] / (BLOCKS * N);
    }
    for (size_t i = 0; i < N; i++) /* of a normal number 1; the standard error of so many is .0085 or less */
        assert_true(fabs(square[i] - 1) < 0.04);
    zo_cma_draws_fini(&d);
}

/* Median evaluations to 1e-9 of the sphere and of an ellipsoid: no rule is worse than the other by more than a little.
 */
static void runs_converge_by_every_rule(void **state)
{
    static const objective functions[] = {sphere, ellipsoid};
    static const char *const rules[] = {"independent", "mirrored", "orthogonal"};

    (void)state;
    for (size_t f = 0; f < ZO_LEN(functions); f++) {
        double taken[3];
        for (size_t rule = 0; rule < 3; rule++) {
            size_t evals[SEEDS];
            for (uint64_t seed = 0; seed < SEEDS; seed++) {
                const zo_named given = {.name = "sampling", .value = {.kind = ZO_STRING, .string = rules[rule]}};
                struct fx x;
                fx_open(&x, N, functions[f], seed + 1);
                x.problem.dims = x.dims;
                fx_from(&x, 2);
                assert_int_equal(zo_solver_run_new(zo_solver_find("cma-es"), &x.problem, &given, 1, &x.run, NULL),
                                 ZO_OK);
                x.memo_bytes = zo_solver_run_memo_bytes(x.run);
                evals[seed] = minimise(&x, 1e-9, 20000);
                fx_close(&x);
            }
            taken[rule] = (double)median(evals, SEEDS);
        }
        for (size_t rule = 1; rule < 3; rule++)
            if (taken[rule] > (rule == 1 ? 1.6 : 1.25) * taken[0] || taken[rule] < 0.6 * taken[0])
                fail_msg("%s: %g evaluations, independent: %g", rules[rule], taken[rule], taken[0]);
    }
}

/* A study saved at any trial, between the two of a pair or within a block, goes on with the same points. */
static void a_snapshot_between_two_of_a_kind_goes_on_bit_for_bit(void **state)
{
    static const char *const rules[] = {"mirrored", "orthogonal"};

    (void)state;
    for (size_t rule = 0; rule < ZO_LEN(rules); rule++)
        for (size_t at = 1; at < 30; at += 3) {
            const zo_named given = {.name = "sampling", .value = {.kind = ZO_STRING, .string = rules[rule]}};
            struct fx x, y;
            struct trial t, u;
            zo_bundle b;
            fx_open(&x, N, sphere, 5);
            fx_open(&y, N, sphere, 5);
            x.problem.dims = x.dims;
            y.problem.dims = y.dims;
            assert_int_equal(zo_solver_run_new(zo_solver_find("cma-es"), &x.problem, &given, 1, &x.run, NULL), ZO_OK);
            assert_int_equal(zo_solver_run_new(zo_solver_find("cma-es"), &y.problem, &given, 1, &y.run, NULL), ZO_OK);
            for (size_t k = 0; k < at; k++) {
                assert_true(ask(&x, k, &t));
                tell_as(&x, &t, true, ZO_TOLD_COMPLETE);
            }
            zo_bundle_init(&b);
            zo_visit save = {.bundle = &b}, load = {.bundle = &b, .loading = true};
            zo_solver_run_snapshot(x.run, &save);
            zo_solver_run_snapshot(y.run, &load);
            assert_int_equal(save.status, ZO_OK);
            assert_int_equal(load.status, ZO_OK);
            for (size_t k = at; k < at + 30; k++) {
                assert_true(ask(&x, k, &t) && ask(&y, k, &u));
                assert_memory_equal(t.u, u.u, N * sizeof *t.u);
                tell_as(&x, &t, true, ZO_TOLD_COMPLETE);
                tell_as(&y, &u, true, ZO_TOLD_COMPLETE);
            }
            zo_bundle_fini(&b);
            fx_close(&x);
            fx_close(&y);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_pair_is_a_vector_and_its_mirror_image),
        cmocka_unit_test(a_block_is_orthogonal_and_as_long_as_independent_vectors),
        cmocka_unit_test(a_block_has_no_favourite_direction),
        cmocka_unit_test(runs_converge_by_every_rule),
        cmocka_unit_test(a_snapshot_between_two_of_a_kind_goes_on_bit_for_bit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
