#include "model_fx.h"
#include "model/noise.h"
#include "model/schedule.h"

enum { INPUTS = 2, CLASSES = 3, TRAIN = 150, TEST = 100, LAYERS = 5, DRAWS = 3, MIX = 60 };

static const char *const labels[CLASSES] = {"c", "a", "b"};

/* ---- schedule and noise ---- */

static void a_step_keeps_the_moments_of_the_schedule(void **state)
{
    (void)state;
    for (size_t n = 1; n <= SCHEDULE_MAX; n++) {
        schedule s;

        schedule_cosine(&s, n);
        assert_true(s.signal[0] == 1e-4 && s.signal[n] == 1 - 1e-4);
        for (size_t t = 1; t <= n; t++) {
            assert_true(s.signal[t] > s.signal[t - 1]);
            fx_assert_near(s.a[t] + s.b[t] * sqrt(s.signal[t - 1]), sqrt(s.signal[t]), 1e-14);
            fx_assert_near(s.b[t] * s.b[t] * (1 - s.signal[t - 1]) + s.spread[t] * s.spread[t], 1 - s.signal[t], 1e-14);
        }
    }
}

static void signals_follow_the_squared_cosine(void **state)
{
    const double quarter = 1.5707963267948966;
    schedule s;

    (void)state;
    schedule_cosine(&s, 10);
    for (size_t t = 1; t < 10; t++)
        fx_assert_near(s.signal[t],
                       1 - pow(cos(quarter * ((double)t / 10 + 0.008) / 1.008) / cos(quarter * 0.008 / 1.008), 2),
                       1e-14);
}

static void a_perfect_estimate_ends_at_the_label_under_the_last_noise(void **state)
{
    enum { DRAWN = 100000 };
    const double u = 0.8;
    double sum = 0, square = 0;
    schedule s;

    (void)state;
    schedule_cosine(&s, 10);
    for (uint64_t i = 0; i < DRAWN; i++) {
        double z = noise_at(noise_stream(5, 0, i), 0);

        for (size_t t = 1; t <= 10; t++)
            z = s.a[t] * u + s.b[t] * z + s.spread[t] * noise_at(noise_stream(5, t, i), 0);
        sum += z;
        square += z * z;
    }
    const double mean = sum / DRAWN, variance = square / DRAWN - mean * mean, expected = 1 - s.signal[10];
    fx_assert_near(mean, sqrt(s.signal[10]) * u, 3 * sqrt(expected / DRAWN));
    fx_assert_near(variance, expected, 3 * expected * sqrt(2.0 / DRAWN));
}

static void noise_has_the_moments_of_a_normal_and_a_bound(void **state)
{
    enum { DRAWN = 200000 };
    double sum = 0, square = 0, fourth = 0, lag = 0, last = 0;

    (void)state;
    for (uint64_t i = 0; i < DRAWN; i++) {
        const double z = noise_at(noise_stream(9, i / 500, i / 50 % 10), i % 50);

        assert_true(fabs(z) <= NOISE_MOST);
        sum += z;
        square += z * z;
        fourth += z * z * z * z;
        lag += z * last;
        last = z;
    }
    fx_assert_near(sum / DRAWN, 0, 4 / sqrt(DRAWN));
    fx_assert_near(square / DRAWN, 1, 4 * sqrt(2.0 / DRAWN));
    fx_assert_near(fourth / DRAWN, 2.9, 4 * sqrt(96.0 / DRAWN)); /* of twelve uniforms: 3 - 6/5/12 */
    fx_assert_near(lag / DRAWN, 0, 4 / sqrt(DRAWN));
}

static void rows_that_differ_in_one_quantum_have_other_noise(void **state)
{
    const int32_t a[3] = {1, -2, 3}, b[3] = {1, -2, 4}, c[3] = {-2, 1, 3};

    (void)state;
    assert_true(noise_row(1, a, 3) == noise_row(1, a, 3));
    assert_true(noise_row(1, a, 3) != noise_row(1, b, 3));
    assert_true(noise_row(1, a, 3) != noise_row(1, c, 3));
    assert_true(noise_row(1, a, 3) != noise_row(2, a, 3));
}

/* ---- the model ---- */

struct fx {
    uint64_t room[8];
    zo_model_config c;
    double train[CLASSES][TRAIN * INPUTS], test[CLASSES][TEST * INPUTS];
};

/* Three rings round one centre: no line parts them. */
static void draw_rings(zo_rng *rng, size_t c, size_t n, double *x)
{
    for (size_t i = 0; i < n; i++) {
        const double angle = 6.283185307179586 * zo_rng_uniform(rng);
        const double radius = 0.15 + 0.3 * (double)c + 0.03 * zo_rng_normal(rng);

        x[2 * i] = radius * cos(angle);
        x[2 * i + 1] = radius * sin(angle);
    }
}

static void make(struct fx *f)
{
    const zo_named given[] = {{"layers", {.kind = ZO_NUMBER, .number = LAYERS}},
                              {"draws", {.kind = ZO_NUMBER, .number = DRAWS}},
                              {"mix", {.kind = ZO_NUMBER, .number = MIX}}};
    zo_rng rng = zo_rng_make(7, ZO_PURPOSE_INIT, 0);

    f->c = fx_config("noprop-ridge", INPUTS, f->room, given, ZO_LEN(given));
    f->c.classes = labels;
    f->c.n_classes = CLASSES;
    f->c.bias = true;
    f->c.gamma = 0.1;
    for (size_t c = 0; c < CLASSES; c++) {
        draw_rings(&rng, c, TRAIN, f->train[c]);
        draw_rings(&rng, c, TEST, f->test[c]);
    }
}

static zo_model *learn(struct fx *f)
{
    zo_model *m = fx_model(&f->c);

    for (size_t c = 0; c < CLASSES; c++)
        fx_change(m, labels[c], f->train[c], TRAIN, +1);
    return m;
}

/* Share of the test rows whose best column is theirs. Columns are sorted: a, b, c. */
static double accuracy(struct fx *f, zo_model *m)
{
    static const size_t column[CLASSES] = {2, 0, 1};
    double scores[TEST * CLASSES];
    size_t right = 0;

    for (size_t c = 0; c < CLASSES; c++) {
        fx_scores(m, f->test[c], TEST, &(zo_scores){.scores = scores});
        for (size_t i = 0; i < TEST; i++)
            right += fx_argmax(scores + i * CLASSES, CLASSES) == column[c];
    }
    return (double)right / (TEST * CLASSES);
}

static void the_mix_finds_what_the_rows_own_features_can_not_tell(void **state)
{
    struct fx f;

    (void)state;
    make(&f);
    zo_model *m = learn(&f);
    assert_true(accuracy(&f, m) >= 0.75);
    f.c.kind = zo_model_kind_find("analytic-ridge");
    zo_model *ridge = learn(&f);
    assert_true(accuracy(&f, ridge) <= 0.5);
    zo_model_free(m);
    zo_model_free(ridge);
}

static void rings_are_told_apart_by_expanded_rows(void **state)
{
    struct fx f;

    (void)state;
    make(&f);
    f.c.expansion = ZO_EXPAND_RFF;
    f.c.features = 40;
    f.c.scale = 0.3;
    zo_model *m = learn(&f);
    assert_true(accuracy(&f, m) >= 0.97);
    zo_model_free(m);
}

static void what_was_forgotten_was_never_there_to_the_bit(void **state)
{
    struct fx f;
    double got[TEST * CLASSES], expected[TEST * CLASSES];

    (void)state;
    make(&f);
    zo_model *m = learn(&f), *fresh = fx_model(&f.c);
    fx_scores(m, f.test[0], 1, &(zo_scores){.scores = got});
    fx_change(m, labels[1], f.train[1] + 60 * INPUTS, TRAIN - 60, -1); /* all of a class, in other pieces */
    fx_change(m, labels[1], f.train[1], 60, -1);
    fx_change(m, labels[2], f.train[2] + 100 * INPUTS, 3, -1);
    fx_change(fresh, labels[2], f.train[2] + 103 * INPUTS, TRAIN - 103, +1);
    fx_change(fresh, labels[0], f.train[0], TRAIN, +1);
    fx_change(fresh, labels[2], f.train[2], 100, +1);
    fx_assert_same_state(m, fresh);
    fx_scores(m, f.test[0], TEST, &(zo_scores){.scores = got});
    fx_scores(fresh, f.test[0], TEST, &(zo_scores){.scores = expected});
    assert_memory_equal(got, expected, sizeof got);
    zo_model_free(m);
    zo_model_free(fresh);
}

static void everything_forgotten_leaves_the_new_model(void **state)
{
    struct fx f;
    double scores[CLASSES];

    (void)state;
    make(&f);
    zo_model *m = learn(&f), *fresh = fx_model(&f.c);
    for (size_t c = 0; c < CLASSES; c++)
        fx_change(m, labels[c], f.train[c], TRAIN, -1);
    fx_assert_same_state(m, fresh);
    fx_scores(m, f.test[0], 1, &(zo_scores){.scores = scores});
    for (size_t c = 0; c < CLASSES; c++)
        assert_true(scores[c] == 0);
    zo_model_free(m);
    zo_model_free(fresh);
}

static void a_row_scores_the_same_alone_and_in_a_batch(void **state)
{
    struct fx f;
    double batch[TEST * CLASSES], batch_variance[TEST * CLASSES], one[CLASSES], variance[CLASSES];

    (void)state;
    make(&f);
    zo_model *m = learn(&f);
    fx_scores(m, f.test[1], TEST, &(zo_scores){.scores = batch, .variance = batch_variance});
    for (size_t i = 0; i < TEST; i++) {
        fx_scores(m, f.test[1] + i * INPUTS, 1, &(zo_scores){.scores = one, .variance = variance});
        assert_memory_equal(one, batch + i * CLASSES, sizeof one);
        assert_memory_equal(variance, batch_variance + i * CLASSES, sizeof variance);
        for (size_t c = 0; c < CLASSES; c++)
            assert_true(variance[c] >= 0);
    }
    zo_model_free(m);
}

/* The sums of a layer, in natural units: F'F (lower and upper) and a class's F'1. */
static void read_sums(const zo_bundle *state, size_t layer, const double *scale, size_t d, double *A, double *B)
{
    char name[32];
    const int64_t *a, *b;

    snprintf(name, sizeof name, "A.%zu", layer);
    a = zo_bundle_get(state, name)->data;
    snprintf(name, sizeof name, "class_B.%zu", layer);
    b = zo_bundle_get(state, name)->data;
    for (size_t i = 0, at = 0; i < d; i++)
        for (size_t j = i; j < d; j++, at++)
            A[i * d + j] = A[j * d + i] = (double)a[at] * scale[i] * scale[j];
    for (size_t c = 0; c < CLASSES; c++)
        for (size_t i = 0; i < d; i++)
            B[i * CLASSES + c] = (double)b[c * d + i] * scale[i];
}

static void layers_hold_the_blurred_labels_and_weights_solve_their_normal_equations(void **state)
{
    enum { D = INPUTS + 1 + CLASSES + MIX };
    struct fx f;
    double A[D * D], B[D * CLASSES];
    zo_bundle sums, weights;

    (void)state;
    make(&f);
    f.c.capacity = 100000; /* 64-bit sums */
    zo_model *m = learn(&f);
    assert_int_equal(zo_model_features(m), D);
    zo_bundle_init(&sums);
    zo_bundle_init(&weights);
    assert_int_equal(zo_model_save(m, &sums, NULL), ZO_OK);
    assert_int_equal(zo_model_weights(m, &weights, NULL), ZO_OK);
    const double *scale = zo_bundle_get(&weights, "feature_scale")->data;
    const double *signal = zo_bundle_get(&weights, "signal")->data;
    for (size_t t = 0; t < LAYERS; t++) {
        const double n = TRAIN * DRAWS, noise = 1 - signal[t];
        char name[32];

        read_sums(&sums, t, scale, D, A, B);
        snprintf(name, sizeof name, "weights.%zu", t);
        const double *W = zo_bundle_get(&weights, name)->data;
        for (size_t i = 0; i < D; i++)
            for (size_t c = 0; c < CLASSES; c++) {
                double left = f.c.gamma * W[i * CLASSES + c];

                for (size_t k = 0; k < D; k++)
                    left += A[i * D + k] * W[k * CLASSES + c];
                fx_assert_near(left, B[i * CLASSES + c], 1e-8);
            }
        fx_assert_near(A[2 * D + 2], n * CLASSES, 1e-6); /* the constant feature counts rows and draws */
        for (size_t c = 0; c < CLASSES; c++)
            for (size_t z = 0; z < CLASSES; z++)
                fx_assert_near(B[(INPUTS + 1 + z) * CLASSES + c] / n, z == c ? sqrt(signal[t]) : 0,
                               4 * sqrt(noise / n) + 1e-5);
        for (size_t z = INPUTS + 1; z < INPUTS + 1 + CLASSES; z++)
            fx_assert_near(A[z * D + z] / (n * CLASSES), signal[t] / CLASSES + noise, 4 * sqrt(2 / (n * CLASSES)));
    }
    zo_bundle_fini(&sums);
    zo_bundle_fini(&weights);
    zo_model_free(m);
}

static void what_it_can_not_do_is_refused(void **state)
{
    static double range[] = {1};
    const zo_named one[] = {{"samples", {.kind = ZO_NUMBER, .number = 1}}};
    struct fx f;
    uint64_t room[8];
    double scores[CLASSES];
    int32_t x[INPUTS] = {0};
    zo_error err = {0};

    (void)state;
    make(&f);
    f.c.n_classes = 0;
    fx_refused(&f.c, ZO_EINVAL, "/classes");
    f.c.n_classes = CLASSES;
    f.c.gamma_rule = ZO_GAMMA_EVIDENCE;
    fx_refused(&f.c, ZO_EUNSUPPORTED, "/gamma");
    f.c.gamma_rule = ZO_GAMMA_FIXED;
    f.c.inputs = 4095; /* with bias all a layer may have */
    f.c.range = range;
    fx_refused(&f.c, ZO_ETOOLARGE, "/options/mix");
    zo_model_config c = fx_config("noprop-ridge", INPUTS, room, one, 1);
    c.classes = labels;
    c.n_classes = CLASSES;
    zo_model *m = fx_model(&c);
    zo_scores io = {.scores = scores, .variance = scores};
    assert_int_equal(zo_model_predict(m, x, 1, &io, &err), ZO_EUNSUPPORTED);
    assert_string_equal(err.pointer, "/variance");
    zo_model_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_step_keeps_the_moments_of_the_schedule),
        cmocka_unit_test(signals_follow_the_squared_cosine),
        cmocka_unit_test(a_perfect_estimate_ends_at_the_label_under_the_last_noise),
        cmocka_unit_test(noise_has_the_moments_of_a_normal_and_a_bound),
        cmocka_unit_test(rows_that_differ_in_one_quantum_have_other_noise),
        cmocka_unit_test(the_mix_finds_what_the_rows_own_features_can_not_tell),
        cmocka_unit_test(rings_are_told_apart_by_expanded_rows),
        cmocka_unit_test(what_was_forgotten_was_never_there_to_the_bit),
        cmocka_unit_test(everything_forgotten_leaves_the_new_model),
        cmocka_unit_test(a_row_scores_the_same_alone_and_in_a_batch),
        cmocka_unit_test(layers_hold_the_blurred_labels_and_weights_solve_their_normal_equations),
        cmocka_unit_test(what_it_can_not_do_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
