#include "model_fx.h"

enum { INPUTS = 12, PER_CLASS = 40, MAP = 32 * 32 };

struct bank_opts_space {
    uint64_t room[4];
};

static zo_model *bank(struct bank_opts_space *o, bool background, double bias)
{
    const zo_named given[] = {{"background", {.kind = ZO_BOOLEAN, .boolean = background}},
                              {"bg_bias", {.kind = ZO_NUMBER, .number = bias}}};
    const zo_model_config c = fx_config("prototype-bank", INPUTS, o, given, 2);

    return fx_model(&c);
}

static void random_direction(zo_rng *rng, double length, double *v)
{
    double norm;

    zo_rng_normals(rng, INPUTS, v);
    norm = 0;
    for (size_t i = 0; i < INPUTS; i++)
        norm += v[i] * v[i];
    for (size_t i = 0; i < INPUTS; i++)
        v[i] *= length / sqrt(norm);
}

static double cosine(const double *a, const double *b)
{
    double ab = 0, aa = 0, bb = 0;

    for (size_t i = 0; i < INPUTS; i++) {
        ab += a[i] * b[i];
        aa += a[i] * a[i];
        bb += b[i] * b[i];
    }
    return aa > 0 && bb > 0 ? ab / sqrt(aa * bb) : 0;
}

static void add_unit(const double *x, double *sum)
{
    double norm = 0;

    for (size_t i = 0; i < INPUTS; i++)
        norm += x[i] * x[i];
    for (size_t i = 0; i < INPUTS; i++)
        sum[i] += x[i] / sqrt(norm);
}

static void scores_are_cosines_to_the_means_of_unit_rows(void **state)
{
    struct bank_opts_space o;
    zo_model *m = bank(&o, false, 0);
    zo_rng rng = zo_rng_make(3, ZO_PURPOSE_INIT, 0);
    double x[3][PER_CLASS * INPUTS], mean[3][INPUTS] = {{0}}, scores[PER_CLASS * 3];
    static const char *const label[] = {"a", "b", "c"};

    (void)state;
    for (size_t c = 0; c < 3; c++) {
        double centre[INPUTS];

        random_direction(&rng, 0.6, centre);
        fx_cloud(&rng, centre, 0.2, PER_CLASS, INPUTS, x[c]);
        for (size_t i = 0; i < PER_CLASS; i++)
            add_unit(x[c] + i * INPUTS, mean[c]);
        fx_change(m, label[c], x[c], PER_CLASS, +1);
    }
    zo_scores io = {.scores = scores};
    fx_scores(m, x[1], PER_CLASS, &io);
    assert_int_equal(io.outputs, 3);
    for (size_t i = 0; i < PER_CLASS; i++)
        for (size_t c = 0; c < 3; c++)
            fx_assert_near(scores[i * 3 + c], cosine(x[1] + i * INPUTS, mean[c]), 1e-5);
    zo_model_free(m);
}

static void directions_are_those_of_natural_units(void **state)
{
    static const double range[] = {1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 64};
    struct bank_opts_space o;
    zo_model_config c = fx_config("prototype-bank", INPUTS, &o, NULL, 0);
    const double a[INPUTS] = {0.25, [11] = 32}, b[INPUTS] = {1, [11] = -1};
    double score;

    (void)state;
    c.range = range;
    c.n_range = INPUTS;
    c.bias = true; /* takes no part */
    zo_model *m = fx_model(&c);
    assert_int_equal(zo_model_features(m), INPUTS);
    fx_change(m, "a", a, 1, +1);
    fx_scores(m, b, 1, &(zo_scores){.scores = &score});
    fx_assert_near(score, cosine(a, b), 1e-5);
    zo_model_free(m);
}

static void a_class_added_and_removed_leaves_no_trace(void **state)
{
    struct bank_opts_space o;
    zo_model *m = bank(&o, false, 0), *without = bank(&o, false, 0);
    zo_rng rng = zo_rng_make(4, ZO_PURPOSE_INIT, 0);
    double x[3][PER_CLASS * INPUTS], zero[INPUTS] = {0}, got[PER_CLASS * 2], expected[PER_CLASS * 2];
    static const char *const label[] = {"a", "b", "c"};

    (void)state;
    for (size_t c = 0; c < 3; c++) {
        fx_cloud(&rng, zero, 0.4, PER_CLASS, INPUTS, x[c]);
        fx_change(m, label[c], x[c], PER_CLASS, +1);
    }
    fx_scores(m, x[0], 1, &(zo_scores){.scores = got}); /* solved in between */
    fx_change(m, "b", x[1] + 10 * INPUTS, PER_CLASS - 10, -1);
    fx_change(m, "b", x[1], 10, -1);
    fx_change(m, "a", x[0] + 5 * INPUTS, 1, -1); /* and a row */
    fx_change(without, "c", x[2], PER_CLASS, +1);
    fx_change(without, "a", x[0] + 6 * INPUTS, PER_CLASS - 6, +1);
    fx_change(without, "a", x[0], 5, +1);
    fx_assert_same_state(m, without);
    fx_scores(m, x[1], PER_CLASS, &(zo_scores){.scores = got});
    fx_scores(without, x[1], PER_CLASS, &(zo_scores){.scores = expected});
    assert_memory_equal(got, expected, sizeof got);
    zo_model_free(m);
    zo_model_free(without);
}

static void rows_of_zeros_add_nothing_and_score_nothing(void **state)
{
    struct bank_opts_space o;
    zo_model *m = bank(&o, false, 0), *plain = bank(&o, false, 0);
    const double one[INPUTS] = {0.5, -0.25}, zero[INPUTS] = {0};
    double got[1], expected[1];

    (void)state;
    fx_change(m, "a", one, 1, +1);
    fx_change(m, "a", zero, 1, +1);
    fx_change(plain, "a", one, 1, +1);
    fx_scores(m, one, 1, &(zo_scores){.scores = got});
    fx_scores(plain, one, 1, &(zo_scores){.scores = expected});
    assert_memory_equal(got, expected, sizeof got);
    fx_assert_near(got[0], 1, 1e-5);
    fx_scores(m, zero, 1, &(zo_scores){.scores = got});
    assert_true(got[0] == 0);
    zo_model_free(m);
    zo_model_free(plain);
}

static void a_declared_class_without_rows_is_never_the_best(void **state)
{
    static const char *const classes[] = {"a", "b"};
    struct bank_opts_space o;
    zo_model_config c = fx_config("prototype-bank", INPUTS, &o, NULL, 0);
    const double one[INPUTS] = {0.5}, other[INPUTS] = {-0.4, 0.1};
    double scores[2];

    (void)state;
    c.classes = classes;
    c.n_classes = 2;
    zo_model *m = fx_model(&c);
    fx_change(m, "b", one, 1, +1);
    fx_scores(m, other, 1, &(zo_scores){.scores = scores});
    assert_true(scores[0] == -1);
    assert_true(scores[1] > -1 && scores[1] < 0);
    zo_model_free(m);
}

/* ---- label maps: 32 x 32 places whose quarters are three classes and their surroundings ---- */

struct world {
    double centre[5][INPUTS]; /* a, b, c, background; 4: a distractor that no class is */
};

static const char *const labels[] = {"a", "b", "c", "background"};

static struct world make_world(zo_rng *rng)
{
    struct world w;

    for (size_t c = 0; c < 5; c++)
        random_direction(rng, 0.5, w.centre[c]);
    for (size_t i = 0; i < INPUTS; i++) /* it shares the surroundings */
        w.centre[4][i] = 0.5 * w.centre[4][i] + 0.9 * w.centre[3][i];
    return w;
}

/* A row drawn round a direction; concentration 0: round none. */
static void draw(zo_rng *rng, const double *centre, double concentration, double *x)
{
    double v[INPUTS];

    random_direction(rng, 0.3, v);
    for (size_t i = 0; i < INPUTS; i++)
        x[i] = 0.2 * (concentration * centre[i] + v[i]); /* within the range */
}

static size_t true_class(size_t place)
{
    return (place / 32 >= 16 ? 2u : 0) + (place % 32 >= 16 ? 1u : 0);
}

static void teach(zo_model *m, zo_rng *rng, const struct world *w, double concentration, size_t n_classes)
{
    for (size_t c = 0; c < n_classes; c++)
        for (size_t i = 0; i < PER_CLASS; i++) {
            double x[INPUTS];

            draw(rng, w->centre[c], concentration, x);
            fx_change(m, labels[c], x, 1, +1);
        }
}

/* Mean over a, b and c of intersection over union; place's fourth quarter is drawn round centre[fourth]. Columns are
 * sorted: a, b, background, c. */
static double map_score(zo_model *m, zo_rng *rng, const struct world *w, double concentration, size_t fourth)
{
    static const size_t class_of[] = {0, 1, 3, 2};
    double *x = calloc(MAP * INPUTS, sizeof *x), scores[4], both[4] = {0}, either[4] = {0};

    assert_non_null(x);
    for (size_t p = 0; p < MAP; p++) {
        const size_t is = true_class(p);

        draw(rng, w->centre[is == 3 ? fourth : is], concentration, x + p * INPUTS);
        zo_scores io = {.scores = scores};
        fx_scores(m, x + p * INPUTS, 1, &io);
        const size_t best = fx_argmax(scores, io.outputs), said = io.outputs == 4 ? class_of[best] : best;

        both[is] += said == is;
        either[is]++;
        either[said] += said != is;
    }
    free(x);
    return (both[0] / either[0] + both[1] / either[1] + both[2] / either[2]) / 3;
}

static double one_map(uint64_t seed, double concentration, size_t n_classes, size_t fourth)
{
    struct bank_opts_space o;
    zo_model *m = bank(&o, true, -1);
    zo_rng rng = zo_rng_make(seed, ZO_PURPOSE_INIT, 0);
    const struct world w = make_world(&rng);

    teach(m, &rng, &w, concentration, n_classes);
    const double score = map_score(m, &rng, &w, concentration, fourth);
    zo_model_free(m);
    return score;
}

static void label_maps_are_right_where_classes_are_tight_and_chance_where_there_are_none(void **state)
{
    (void)state;
    assert_true(one_map(1, 3, 4, 3) > 0.95);
    const double chance = one_map(1, 0, 4, 3); /* one in four: 1/7 of the union */
    assert_true(chance > 0.08 && chance < 0.21);
}

static void a_negative_class_keeps_distractors_out_of_the_others(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 10; seed++)
        assert_true(one_map(seed, 2, 4, 4) > one_map(seed, 2, 3, 4));
}

static void the_negative_class_scores_at_least_its_bias(void **state)
{
    struct bank_opts_space o;
    zo_model *m = bank(&o, true, 0.7);
    const double a[INPUTS] = {0.5}, ground[INPUTS] = {0, 0.5}, between[INPUTS] = {0.5, 0.25};
    double scores[2];

    (void)state;
    fx_change(m, "a", a, 1, +1);
    fx_scores(m, between, 1, &(zo_scores){.scores = scores});
    fx_assert_near(scores[0], 2 / sqrt(5), 1e-5); /* no such class yet: nothing is raised */
    fx_change(m, "background", ground, 1, +1);
    fx_scores(m, between, 1, &(zo_scores){.scores = scores});
    fx_assert_near(scores[0], 2 / sqrt(5), 1e-5);
    assert_true(scores[1] == 0.7);
    fx_scores(m, ground, 1, &(zo_scores){.scores = scores});
    fx_assert_near(scores[1], 1, 1e-5);
    zo_model_free(m);
}

static void what_it_does_not_do_is_refused(void **state)
{
    struct bank_opts_space o;
    zo_model_config c = fx_config("prototype-bank", INPUTS, &o, NULL, 0);

    (void)state;
    c.reweight = true;
    fx_refused(&c, ZO_EUNSUPPORTED, "/reweight");
    c.reweight = false;
    c.fast = true;
    fx_refused(&c, ZO_EUNSUPPORTED, "/fast");
    c.fast = false;
    c.gamma_rule = ZO_GAMMA_EVIDENCE;
    fx_refused(&c, ZO_EUNSUPPORTED, "/gamma");
    c.gamma_rule = ZO_GAMMA_FIXED;
    c.n_described = 1;
    fx_refused(&c, ZO_EUNSUPPORTED, "/descriptions");
    c.n_described = 0;
    c.target = ZO_TARGET_REAL;
    c.outputs = 1;
    c.target_range = 1;
    fx_refused(&c, ZO_EUNSUPPORTED, "/target");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scores_are_cosines_to_the_means_of_unit_rows),
        cmocka_unit_test(directions_are_those_of_natural_units),
        cmocka_unit_test(a_class_added_and_removed_leaves_no_trace),
        cmocka_unit_test(rows_of_zeros_add_nothing_and_score_nothing),
        cmocka_unit_test(a_declared_class_without_rows_is_never_the_best),
        cmocka_unit_test(label_maps_are_right_where_classes_are_tight_and_chance_where_there_are_none),
        cmocka_unit_test(a_negative_class_keeps_distractors_out_of_the_others),
        cmocka_unit_test(the_negative_class_scores_at_least_its_bias),
        cmocka_unit_test(what_it_does_not_do_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
