/* What every kind of model promises, whichever it is. */
#include "model_fx.h"

enum { INPUTS = 3, ROWS = 20 };

static const char *const labels[] = {"a", "b"};
static const double descriptions[] = {1, 0, 0.5, 1};

/* A configuration the kind takes. */
static zo_model_config config(const zo_model_kind *k, uint64_t *room)
{
    zo_model_config c = fx_config(k->name, INPUTS, room, NULL, 0);

    c.classes = labels;
    c.n_classes = 2;
    if (k->traits & ZO_MODEL_DESCRIPTIONS) {
        c.described = labels;
        c.descriptions = descriptions;
        c.n_described = c.description_size = 2;
    }
    return c;
}

static void refuse_unless(const zo_model_kind *k, unsigned trait, const zo_model_config *c, const char *pointer)
{
    if (k->traits & trait)
        zo_model_free(fx_model(c));
    else
        fx_refused(c, ZO_EUNSUPPORTED, pointer);
}

static void what_a_kind_can_not_use_is_refused_and_the_rest_is_taken(void **state)
{
    (void)state;
    for (size_t i = 0; i < zo_model_kind_count(); i++) {
        const zo_model_kind *k = zo_model_kind_at(i);
        uint64_t room[32];
        zo_model_config c = config(k, room);

        assert_true(k->opts_bytes <= sizeof room);
        c.reweight = true;
        refuse_unless(k, ZO_MODEL_REWEIGHT, &c, "/reweight");
        c.reweight = false;
        c.fast = true;
        refuse_unless(k, ZO_MODEL_FAST, &c, "/fast");
        c.fast = false;
        c.gamma_rule = ZO_GAMMA_GCV;
        refuse_unless(k, ZO_MODEL_GAMMA_RULE, &c, "/gamma");
        c.gamma_rule = ZO_GAMMA_FIXED;
        c.n_described = 2;
        c.described = labels;
        c.descriptions = descriptions;
        c.description_size = 2;
        refuse_unless(k, ZO_MODEL_DESCRIPTIONS, &c, "/descriptions");
    }
}

/* In each kind: any batches, forgotten in others, are the rows that stayed. */
static void states_and_scores_are_of_the_live_rows_only(void **state)
{
    (void)state;
    for (size_t i = 0; i < zo_model_kind_count(); i++)
        for (unsigned reweight = 0; reweight < 2; reweight++) {
            const zo_model_kind *k = zo_model_kind_at(i);
            uint64_t room[32];
            zo_model_config c = config(k, room);
            zo_rng rng = zo_rng_make(5, ZO_PURPOSE_INIT, i);
            const double zero[INPUTS] = {0};
            double x[2][ROWS * INPUTS], got[2 * ROWS], expected[2 * ROWS];

            if (reweight && !(k->traits & ZO_MODEL_REWEIGHT))
                continue;
            c.reweight = reweight;
            c.expansion = ZO_EXPAND_RELU;
            c.features = 7;
            c.bias = true;
            zo_model *m = fx_model(&c), *fresh = fx_model(&c);
            for (size_t l = 0; l < 2; l++) {
                fx_cloud(&rng, zero, 0.4, ROWS, INPUTS, x[l]);
                fx_change(m, labels[l], x[l], ROWS, +1);
            }
            fx_scores(m, x[0], ROWS, &(zo_scores){.scores = got});
            fx_change(m, labels[1], x[1], 5, -1);
            fx_change(m, labels[0], x[0] + 12 * INPUTS, 8, -1);
            fx_change(fresh, labels[1], x[1] + 11 * INPUTS, ROWS - 11, +1);
            fx_change(fresh, labels[0], x[0], 12, +1);
            fx_change(fresh, labels[1], x[1] + 5 * INPUTS, 6, +1);
            fx_assert_same_state(m, fresh);
            fx_scores(m, x[0], ROWS, &(zo_scores){.scores = got});
            fx_scores(fresh, x[0], ROWS, &(zo_scores){.scores = expected});
            assert_memory_equal(got, expected, sizeof got);
            zo_model_free(m);
            zo_model_free(fresh);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_a_kind_can_not_use_is_refused_and_the_rest_is_taken),
        cmocka_unit_test(states_and_scores_are_of_the_live_rows_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
