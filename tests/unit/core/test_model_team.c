/* A team changes nothing: state and weights are the same bits, whichever member does which piece and in whatever order
 * the pieces end. */
#include "model_fx.h"

enum { D = 700, ROWS = 900, WIDTH = 3 };

struct fake { /* of one thread: it does pieces one by one as many threads might end them */
    zo_team team;
    size_t calls, pieces;
};

static void backwards(const zo_team *t, zo_piece *piece, void *ctx, size_t n)
{
    struct fake *f = (struct fake *)(uintptr_t)t;

    f->calls++;
    f->pieces += n;
    for (size_t i = n; i-- > 0;)
        piece(ctx, i, (unsigned)(i * 7 + f->calls) % WIDTH);
}

static struct fake make_fake(void)
{
    return (struct fake){.team = {.width = WIDTH, .run = backwards}};
}

static zo_model *taught(zo_model_config *c, const zo_team *team, const double *x)
{
    zo_model *m = fx_model(c);

    zo_model_set_team(m, team);
    for (size_t i = 0; i < 3; i++) {
        static const char *const labels[] = {"a", "b", "c"};

        fx_change(m, labels[i], x + i * (ROWS / 3) * c->inputs, ROWS / 3, 1);
    }
    fx_change(m, "b", x + (ROWS / 3 + 40) * c->inputs, 64, -1);
    assert_int_equal(zo_model_solve(m, NULL), ZO_OK);
    return m;
}

static void assert_same_weights(zo_model *a, zo_model *b)
{
    zo_bundle v, w;

    zo_bundle_init(&v);
    zo_bundle_init(&w);
    assert_int_equal(zo_model_weights(a, &v, NULL), ZO_OK);
    assert_int_equal(zo_model_weights(b, &w, NULL), ZO_OK);
    assert_int_equal(v.n_arrays, w.n_arrays);
    assert_true(v.n_arrays > 0);
    for (size_t i = 0; i < v.n_arrays; i++) {
        assert_int_equal(v.arrays[i].bytes, w.arrays[i].bytes);
        assert_memory_equal(v.arrays[i].data, w.arrays[i].data, v.arrays[i].bytes);
    }
    zo_bundle_fini(&v);
    zo_bundle_fini(&w);
}

static void compare(zo_model_config *c)
{
    struct fake fake = make_fake();
    double *x = calloc(ROWS * c->inputs, sizeof *x);
    zo_portable1 g = zo_portable1_make(5);

    assert_non_null(x);
    for (size_t i = 0; i < ROWS * c->inputs; i++)
        x[i] = 2 * zo_portable1_uniform(&g) - 1;
    zo_model *alone = taught(c, NULL, x), *together = taught(c, &fake.team, x);

    assert_true(fake.calls > 10 &&
                fake.pieces > 3 * fake.calls / 2); /* it was asked, for more than one piece at a time */
    fx_assert_same_state(alone, together);
    assert_same_weights(alone, together);
    zo_model_free(alone);
    zo_model_free(together);
    free(x);
}

static void a_team_gives_the_bits_of_one(void **state)
{
    zo_model_config c = fx_config("analytic-ridge", D - 1, NULL, NULL, 0);

    (void)state;
    c.bias = true;
    compare(&c);
}

static void also_with_expansion_wide_sums_and_sums_per_class(void **state)
{
    zo_model_config c = fx_config("analytic-ridge", 30, NULL, NULL, 0);

    (void)state;
    c.expansion = ZO_EXPAND_RELU;
    c.features = D;
    c.quant = 24;
    c.capacity = UINT64_C(1) << 30;
    c.reweight = true;
    compare(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_team_gives_the_bits_of_one),
        cmocka_unit_test(also_with_expansion_wide_sums_and_sums_per_class),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
