/* Merging saved states: what no rows could have made is refused and changes nothing; the last value that some could
 * have made is taken. */
#include "model_fx.h"

#include <limits.h>

enum { INPUTS = 3, ROWS = 12 };
__extension__ typedef __int128 wide_int;

struct form {
    const char *name, *kind;
    zo_target target;
    bool reweight, wide;
};

static const struct form forms[] = {
    {"classes", "analytic-ridge", ZO_TARGET_CLASSES, false, false},
    {"classes, sums per class", "analytic-ridge", ZO_TARGET_CLASSES, true, false},
    {"classes, 128 bits", "analytic-ridge", ZO_TARGET_CLASSES, false, true},
    {"classes, sums per class, 128 bits", "analytic-ridge", ZO_TARGET_CLASSES, true, true},
    {"real targets", "analytic-ridge", ZO_TARGET_REAL, false, false},
    {"real targets, 128 bits", "analytic-ridge", ZO_TARGET_REAL, false, true},
    {"layers", "noprop-ridge", ZO_TARGET_CLASSES, false, false},
};

static zo_model *make(const struct form *f)
{
    static const char *const labels[] = {"a", "b"};
    static uint64_t options[64];
    zo_model_config c = fx_config(f->kind, INPUTS, options, NULL, 0);

    if (strcmp(f->kind, "noprop-ridge") == 0) { /* it needs them */
        c.classes = labels;
        c.n_classes = 2;
    }
    c.target = f->target;
    c.outputs = f->target == ZO_TARGET_REAL ? 2 : 0;
    c.target_range = 1;
    c.reweight = f->reweight;
    c.bias = true;
    if (f->wide)
        c.capacity = UINT64_C(1) << 30;
    return fx_model(&c);
}

static zo_model *taught(const struct form *f)
{
    zo_model *m = make(f);
    double x[ROWS * INPUTS];
    int32_t q[ROWS * INPUTS], y[ROWS * 2];
    zo_portable1 g = zo_portable1_make(3);

    for (size_t i = 0; i < ROWS * INPUTS; i++)
        x[i] = 2 * zo_portable1_uniform(&g) - 1;
    if (f->target == ZO_TARGET_CLASSES) {
        fx_change(m, "a", x, 5, 1);
        fx_change(m, "b", x + 5 * INPUTS, ROWS - 5, 1);
        return m;
    }
    assert_int_equal(zo_model_quantise(m, x, ZO_F64, ROWS, q, NULL), ZO_OK);
    assert_int_equal(zo_model_quantise_targets(m, x, ZO_F64, ROWS, y, NULL), ZO_OK);
    const zo_rows rows = {.x = q, .y = y, .n = ROWS};
    assert_int_equal(zo_model_accumulate(m, &rows, 1, NULL, NULL), ZO_OK);
    return m;
}

static zo_array *find(zo_bundle *b, const char *name)
{
    zo_array *a = (zo_array *)(uintptr_t)zo_bundle_get(b, name);

    assert_non_null(a);
    return a;
}

static void set(zo_array *a, size_t entry, size_t i, wide_int v)
{
    const int64_t narrow = (int64_t)v;

    memcpy((char *)a->data + i * entry, entry == 8 ? (const void *)&narrow : (const void *)&v, entry);
}

static void refused(const struct form *f, const zo_bundle *b, const char *what)
{
    zo_model *m = make(f), *empty = make(f);
    zo_error err = {0};

    if (zo_model_merge(m, b, &err) != ZO_EINVAL)
        fail_msg("%s: %s was taken", f->name, what);
    assert_int_equal(zo_model_class_count(m), zo_model_class_count(empty));
    fx_assert_same_state(m, empty);
    zo_model_free(m);
    zo_model_free(empty);
}

static void accepted(const struct form *f, const zo_bundle *b, const char *what)
{
    zo_model *m = make(f);
    zo_error err = {0};

    if (zo_model_merge(m, b, &err) != ZO_OK)
        fail_msg("%s: %s: %s", f->name, what, err.message);
    zo_model_free(m);
}

/* One entry on both sides of its bounds. The saved arrays are the model's own, and are put right again. */
static void probe(const struct form *f, zo_bundle *b, const char *name, size_t i, wide_int low, wide_int high,
                  bool alone)
{
    zo_array *a = find(b, name);
    const size_t entry = f->wide ? 16 : 8;
    char old[16];

    memcpy(old, (char *)a->data + i * entry, entry);
    set(a, entry, i, low - 1);
    refused(f, b, name);
    set(a, entry, i, high + 1);
    refused(f, b, name);
    set(a, entry, i, f->wide ? (wide_int)1 << 126 : INT64_MAX);
    refused(f, b, name);
    set(a, entry, i, f->wide ? -((wide_int)1 << 126) : INT64_MIN);
    refused(f, b, name);
    if (alone) { /* no other array has to agree with it */
        set(a, entry, i, low);
        accepted(f, b, name);
        set(a, entry, i, high);
        accepted(f, b, name);
    }
    memcpy((char *)a->data + i * entry, old, entry);
    accepted(f, b, "as it was");
}

static uint64_t *counts_of(zo_bundle *b)
{
    return find(b, "counts")->data;
}

static void each_bound(void **state)
{
    (void)state;
    for (size_t k = 0; k < ZO_LEN(forms); k++) {
        const struct form *f = &forms[k];
        const wide_int one = 1 << ZO_MODEL_DEFAULT_QUANT, square = one * one;
        zo_model *m = taught(f);
        const bool plain = strcmp(f->kind, "analytic-ridge") == 0;
        zo_bundle b;

        zo_bundle_init(&b);
        assert_int_equal(zo_model_save(m, &b, NULL), ZO_OK);
        accepted(f, &b, "what rows made");
        if (plain) {
            const size_t last = 4 * 5 / 2 - 1; /* the bias' square */

            probe(f, &b, "A.0", 0, 0, ROWS * square, !f->reweight);
            probe(f, &b, "A.0", 1, -ROWS * square, ROWS * square, !f->reweight);
            probe(f, &b, "A.0", 4, 0, ROWS * square, !f->reweight); /* the second row's diagonal */
            probe(f, &b, "A.0", last, 0, ROWS * square, !f->reweight);
        }
        if (plain && f->target == ZO_TARGET_CLASSES) {
            probe(f, &b, "class_B.0", 2, -5 * one, 5 * one, true);
            probe(f, &b, "class_B.0", 4, -7 * one, 7 * one, true); /* the second class */
        }
        if (f->reweight) {
            probe(f, &b, "class_A.0", 0, 0, 5 * square, false);
            probe(f, &b, "class_A.0", 10 + 1, -7 * square, 7 * square, false);
        }
        if (f->target == ZO_TARGET_REAL) {
            probe(f, &b, "B.0", 7, -ROWS * square, ROWS * square, true);
            probe(f, &b, "yy.0", 1, 0, ROWS * square, true);
        }
        zo_bundle_fini(&b);
        zo_model_free(m);
    }
}

static void shares_must_add_up(void **state)
{
    const struct form *f = &forms[1];
    zo_model *m = taught(f);
    zo_bundle b;

    (void)state;
    zo_bundle_init(&b);
    assert_int_equal(zo_model_save(m, &b, NULL), ZO_OK);
    int64_t *A = find(&b, "A.0")->data, *share = find(&b, "class_A.0")->data;
    A[0]--;
    refused(f, &b, "a sum that is not its shares'");
    share[0]--; /* together they are right again */
    accepted(f, &b, "a sum that is its shares'");
    A[0]++;
    zo_bundle_fini(&b);
    zo_model_free(m);
}

static void counts_and_labels(void **state)
{
    const struct form *f = &forms[0];
    zo_model *m = taught(f);
    zo_bundle b;

    (void)state;
    zo_bundle_init(&b);
    assert_int_equal(zo_model_save(m, &b, NULL), ZO_OK);
    uint64_t *n = counts_of(&b);
    n[0]++;
    refused(f, &b, "a count too many");
    n[1]++; /* it adds up, and looser bounds hold, too */
    accepted(f, &b, "counts that add up");
    n[0] -= n[1];
    n[1] = 0;
    refused(f, &b, "a class without rows");
    n[0] = 0;
    n[1] = 5;
    n[2] = UINT64_MAX - 4; /* they add up to 0 */
    refused(f, &b, "counts that wrap");
    n[0] = ROWS;
    n[2] = ROWS - 5;
    accepted(f, &b, "as it was");
    assert_int_equal(zo_bundle_set_meta(&b, "class.1", "a", NULL), ZO_OK);
    refused(f, &b, "a class twice");
    assert_int_equal(zo_bundle_set_meta(&b, "class.1", "", NULL), ZO_OK);
    zo_model *to = make(f);
    assert_int_equal(zo_model_merge(to, &b, NULL), ZO_EINVAL);
    assert_int_equal(zo_model_rows(to), 0);
    zo_model_free(to);
    zo_bundle_fini(&b);
    zo_model_free(m);
}

/* Whatever is merged first, capacity bounds all that follows: no sum can leave its integer. */
static void the_greatest_sums_fit(void **state)
{
    static uint64_t options[64];
    zo_model_config c = fx_config("analytic-ridge", 2, options, NULL, 0);
    double x[2] = {1, -1};
    const size_t half = 1 << 10;

    (void)state;
    c.quant = 24;
    c.capacity = (UINT64_C(1) << 15) - 1; /* the most for which 64 bits are enough */
    zo_model *m = fx_model(&c), *sum = fx_model(&c);
    for (size_t i = 0; i < half; i++)
        fx_change(m, "a", x, 1, 1);
    for (size_t i = 0; i < 31; i++) {
        zo_bundle b;

        zo_bundle_init(&b);
        assert_int_equal(zo_model_save(m, &b, NULL), ZO_OK);
        assert_int_equal(find(&b, "A.0")->bytes, 3 * 8);
        assert_int_equal(zo_model_merge(sum, &b, NULL), ZO_OK);
        zo_bundle_fini(&b);
    }
    for (size_t i = 0; i < half - 1; i++)
        fx_change(sum, "a", x, 1, 1);
    zo_bundle b;
    zo_bundle_init(&b);
    assert_int_equal(zo_model_save(sum, &b, NULL), ZO_OK);
    const int64_t *A = find(&b, "A.0")->data, n = (INT64_C(1) << 15) - 1;
    assert_true(A[0] == n << 48 && A[1] == -(n << 48) && A[2] == n << 48);
    zo_bundle_fini(&b);
    zo_model_free(m);
    zo_model_free(sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_bound),
        cmocka_unit_test(shares_must_add_up),
        cmocka_unit_test(counts_and_labels),
        cmocka_unit_test(the_greatest_sums_fit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
