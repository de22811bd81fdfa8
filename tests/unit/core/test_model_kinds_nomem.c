/* The k-th allocation of each step of a model's life fails, for every k and kind: ZO_ENOMEM, the state as it was,
 * nothing leaked (leak sanitizer), and the next try works. */
#include "model_fx.h"

#include "fault/fault.h"

enum { INPUTS = 3, ROWS = 4 };

static const char *const labels[] = {"a", "b"};
static const double descriptions[] = {1, 0, 0.5, 1};
static const double x[ROWS * INPUTS] = {0.5, 0.25, -0.5, 0.125, 0, 0.75, -0.25, 0.5, 0.5, 0.25, -1, 1};

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

static zo_model *create(const zo_model_config *c)
{
    zo_status rc = ZO_ENOMEM;
    zo_model *m = NULL;
    uint64_t k = 0;

    while (rc != ZO_OK) {
        zo_error err = {0};

        zo_fault_alloc_arm(++k, false);
        rc = zo_model_new(c, &m, &err);
        assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK);
        assert_true(rc == ZO_OK || (rc == ZO_ENOMEM && m == NULL));
    }
    assert_true(k > 5);
    return m;
}

static void change(zo_model *m, uint32_t cls, const int32_t *q, int sign)
{
    const zo_rows rows = {.x = q, .n = ROWS, .cls = cls};
    zo_status rc = ZO_ENOMEM;

    for (uint64_t k = 1; rc != ZO_OK; k++) {
        struct fx_state before = fx_state_of(m), after;

        zo_fault_alloc_arm(k, false);
        rc = zo_model_accumulate(m, &rows, sign, NULL, NULL);
        assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK);
        after = fx_state_of(m);
        if (rc != ZO_OK) {
            assert_int_equal(rc, ZO_ENOMEM);
            assert_int_equal(before.n, after.n);
            assert_memory_equal(before.bytes, after.bytes, after.n);
        }
        free(before.bytes);
        free(after.bytes);
    }
}

static void predict(zo_model *m, const int32_t *q, zo_scores *io)
{
    zo_status rc = ZO_ENOMEM;

    for (uint64_t k = 1; rc != ZO_OK; k++) {
        zo_fault_alloc_arm(k, false);
        rc = zo_model_predict(m, q, ROWS, io, NULL);
        assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK);
        assert_true(rc == ZO_OK || rc == ZO_ENOMEM);
    }
}

static void weights(zo_model *m)
{
    zo_status rc = ZO_ENOMEM;

    for (uint64_t k = 1; rc != ZO_OK; k++) {
        zo_bundle b;

        zo_bundle_init(&b);
        zo_fault_alloc_arm(k, false);
        rc = zo_model_weights(m, &b, NULL);
        assert_int_equal(zo_fault_alloc_disarm(), rc != ZO_OK);
        assert_true(rc == ZO_OK || rc == ZO_ENOMEM);
        zo_bundle_fini(&b);
    }
}

static void models_survive_every_failed_allocation(void **state)
{
    (void)state;
    for (size_t i = 0; i < zo_model_kind_count(); i++) {
        const zo_model_kind *k = zo_model_kind_at(i);
        uint64_t room[32];
        const zo_model_config c = config(k, room);
        zo_model *m = create(&c), *calm = fx_model(&c);
        double got[2 * ROWS], expected[2 * ROWS];
        int32_t q[ROWS * INPUTS];

        assert_int_equal(zo_model_quantise(m, x, ZO_F64, ROWS, q, NULL), ZO_OK);
        change(m, 0, q, +1);
        change(m, 1, q, +1);
        change(m, 0, q, -1);
        fx_change(calm, labels[1], x, ROWS, +1);
        fx_assert_same_state(m, calm);
        predict(m, q, &(zo_scores){.scores = got});
        weights(m);
        fx_scores(calm, x, ROWS, &(zo_scores){.scores = expected});
        assert_memory_equal(got, expected, sizeof got);
        if (k->traits & ZO_MODEL_DESCRIPTIONS)
            predict(m, q, &(zo_scores){.scores = got, .descriptions = descriptions, .n_described = 2});
        zo_model_free(m);
        zo_model_free(calm);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(models_survive_every_failed_allocation)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
