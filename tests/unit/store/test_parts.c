/* Parts of models: put, written over, dropped; and what is refused leaves them as they were. */
#include "unit/store/store_fx.h"

enum { KIND = 4, KEY = 8, OTHER_KEY = 16, MOST = 100000 };

static zo_status commit_op(fx *f, zo_op *op, zo_error *err)
{
    zo_write w = {.ops = op};
    const zo_status s = fx_commit(f, &w);

    if (err)
        *err = w.err;
    return s;
}

static void make_model(fx *f, int64_t model)
{
    char id[30];

    zo_store_new_id(f->st, "md_", id);
    const zo_study_row row = {.study = model, .tenant = 1, .id = id, .state = "active", .spec = "{}", .revision = 1};
    zo_op op = {.kind = ZO_OP_STUDY_CREATE, .study = model, .table = ZO_MODELS, .u.row = &row};

    assert_int_equal(commit_op(f, &op, NULL), ZO_OK);
}

static zo_op part_op(int64_t model, int64_t part, uint8_t fill, size_t bytes)
{
    static uint8_t body[MOST];
    zo_op op = {.kind = ZO_OP_PART_PUT, .study = model, .table = ZO_MODELS};

    memset(body, fill, sizeof body);
    op.u.part.part = part;
    op.u.part.key = KEY;
    op.u.part.kind = KIND;
    op.u.part.body = body;
    op.u.part.bytes = bytes;
    return op;
}

static void assert_reads(fx *f, int64_t model, int64_t part, uint8_t fill, size_t bytes)
{
    zo_reader *r = NULL;
    uint32_t kind = 0;
    int64_t key = 0;
    void *body = NULL;
    size_t n = 0;

    assert_int_equal(zo_reader_open(f->st, &r, NULL), ZO_OK);
    assert_int_equal(zo_reader_part(r, model, part, &kind, &key, &body, &n, NULL), ZO_OK);
    assert_int_equal(kind, KIND);
    assert_int_equal(key, KEY);
    assert_int_equal(n, bytes);
    for (size_t i = 0; i < n; i++)
        assert_int_equal(((uint8_t *)body)[i], fill);
    zo_free(body);
    zo_reader_close(r);
}

/* Of any size: within a page, over many, smaller, larger. */
static void what_is_written_over_is_read(void **state)
{
    static const size_t sizes[] = {10, 10, 5000, 5000, MOST, MOST, 4000, 1, MOST};
    fx *f = *state;
    zo_op op = part_op(1, 7, 1, 100);

    make_model(f, 1);
    assert_int_equal(commit_op(f, &op, NULL), ZO_OK);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        op = part_op(1, 7, (uint8_t)(i + 2), sizes[i]);
        op.u.part.over = true;
        assert_int_equal(commit_op(f, &op, NULL), ZO_OK);
        assert_reads(f, 1, 7, (uint8_t)(i + 2), sizes[i]);
    }
}

static void only_the_very_part_is_written_over(void **state)
{
    fx *f = *state;
    zo_error err;
    zo_op good = part_op(1, 7, 1, 6000);

    make_model(f, 1);
    make_model(f, 2);
    assert_int_equal(commit_op(f, &good, NULL), ZO_OK);
    for (int wrong = 0; wrong < 5; wrong++) {
        zo_op op = part_op(wrong == 0 ? 2 : 1, wrong == 1 ? 8 : 7, 9, 6000);

        op.u.part.kind = wrong == 2 ? KIND - 1 : KIND;
        op.u.part.key = wrong == 3 ? OTHER_KEY : KEY;
        op.u.part.over = wrong != 4; /* 4: one that is there already is not put */
        assert_int_equal(commit_op(f, &op, &err), ZO_ECONFLICT);
        assert_reads(f, 1, 7, 1, 6000);
    }
}

int main(void)
{
#define T(name) cmocka_unit_test_setup_teardown(name, fx_setup, fx_teardown)
    const struct CMUnitTest tests[] = {T(what_is_written_over_is_read), T(only_the_very_part_is_written_over)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
