/* core/solver/run.c and accepts.c, with a solver that writes down what it is given. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>
#include "zeroth/solver.h"

struct spy_opts {
    uint64_t mood; /* 1: refuses to start, 2: refuses option 'mood' */
};
static const zo_opt spy_table[] = {ZO_OPT_U64(struct spy_opts, mood, 0, 0, 2, "what init says")};
struct spy {
    const zo_problem *problem;
    uint64_t mood, drawn;
    unsigned char block[100];
};
static struct spy *spy; /* the last one started */
static int n_finished;

static zo_status spy_init(void *self, const zo_problem *p, const void *opts, zo_rng *rng, zo_error *err)
{
    static const unsigned char zeros[sizeof spy->block];

    spy = self;
    assert_int_equal((uintptr_t)self % 64, 0);
    assert_memory_equal(spy->block, zeros, sizeof zeros);
    spy->problem = p;
    spy->mood = ((const struct spy_opts *)opts)->mood;
    spy->drawn = zo_rng_u64(rng);
    return spy->mood == 1   ? zo_fail(err, ZO_EUNSUPPORTED, "", "not today")
           : spy->mood == 2 ? zo_fail(err, ZO_EINVAL, "/mood", "bad mood")
                            : ZO_OK;
}

static zo_status spy_ask(void *self, zo_rng *rng, zo_proposal *p, zo_error *err)
{
    (void)err;
    assert_int_equal(p->verdict, ZO_ASK_OK);
    assert_null(p->core);
    assert_null(p->why);
    ((struct spy *)self)->drawn = zo_rng_u64(rng);
    return ZO_OK;
}

static zo_status spy_tell(void *self, zo_rng *rng, const zo_told *t, zo_error *err)
{
    (void)err;
    (void)t;
    ((struct spy *)self)->drawn = zo_rng_u64(rng);
    return ZO_OK;
}

static size_t spy_memo_bytes(const zo_problem *p)
{
    return 3 * p->n;
}

static void spy_fini(void *self)
{
    assert_ptr_equal(self, spy);
    n_finished++;
}

static const zo_solver full = {
    .name = "spy",
    .version = 1,
    .oracles = ZO_ORACLE_VALUE,
    .traits = ~0u,
    .opts = spy_table,
    .n_opts = ZO_LEN(spy_table),
    .opts_bytes = sizeof(struct spy_opts),
    .state_bytes = sizeof(struct spy),
    .memo_bytes = spy_memo_bytes,
    .init = spy_init,
    .ask = spy_ask,
    .tell = spy_tell,
    .fini = spy_fini,
};
static const zo_dim real[2] = {{.kind = ZO_DIM_REAL}, {.kind = ZO_DIM_REAL}};
static const zo_problem plain = {
    .n = 2, .dims = real, .n_objectives = 1, .oracle = ZO_ORACLE_VALUE, .parallelism = 1, .seed = 77};

static uint64_t first_word(zo_purpose purpose, uint64_t number)
{
    zo_rng r = zo_rng_make(77, purpose, number);

    return zo_rng_u64(&r);
}

static void each_call_has_the_generator_of_its_purpose_and_trial(void **state)
{
    zo_solver_run *r = NULL;
    zo_proposal p = {.number = 5, .verdict = ZO_ASK_DONE, .core = "stale", .why = "stale"};
    const zo_told t = {.number = 9};

    (void)state;
    assert_int_equal(zo_solver_run_new(&full, &plain, NULL, 0, &r, NULL), ZO_OK);
    assert_int_equal(spy->drawn, first_word(ZO_PURPOSE_INIT, 0));
    assert_int_equal(zo_solver_run_ask(r, &p, NULL), ZO_OK);
    assert_int_equal(spy->drawn, first_word(ZO_PURPOSE_ASK, 5));
    assert_int_equal(zo_solver_run_tell(r, &t, NULL), ZO_OK);
    assert_int_equal(spy->drawn, first_word(ZO_PURPOSE_TELL, 9));
    zo_solver_run_free(r);
}

static void the_problem_is_copied_and_the_memo_measured(void **state)
{
    zo_problem p = plain;
    zo_solver_run *r = NULL;

    (void)state;
    assert_int_equal(zo_solver_run_new(&full, &p, NULL, 0, &r, NULL), ZO_OK);
    p.seed = 1;
    assert_int_equal(spy->problem->seed, 77);
    assert_int_equal(zo_solver_run_memo_bytes(r), 6);
    assert_ptr_equal(zo_solver_run_def(r), &full);
    zo_solver_run_free(r);
}

static void a_refused_start_is_finished_once_and_has_a_pointer(void **state)
{
    static const struct {
        double mood;
        zo_status code;
        const char *pointer;
    } rows[] = {{1, ZO_EUNSUPPORTED, "/solver/name"}, {2, ZO_EINVAL, "/solver/options/mood"}};

    (void)state;
    for (size_t i = 0; i < ZO_LEN(rows); i++) {
        const zo_named mood = {"mood", {.kind = ZO_NUMBER, .number = rows[i].mood}};
        zo_solver_run *r = NULL;
        zo_error err = {0};
        n_finished = 0;
        assert_int_equal(zo_solver_run_new(&full, &plain, &mood, 1, &r, &err), rows[i].code);
        assert_string_equal(err.pointer, rows[i].pointer);
        assert_null(r);
        assert_int_equal(n_finished, 1);
    }
    zo_solver_run_free(NULL);
}

static void optional_functions_may_be_missing(void **state)
{
    zo_solver bare = full;
    zo_solver_run *r = NULL;
    zo_visit v = {0};

    (void)state;
    bare.memo_bytes = NULL;
    bare.tell = NULL;
    bare.fini = NULL;
    assert_int_equal(zo_solver_run_new(&bare, &plain, NULL, 0, &r, NULL), ZO_OK);
    assert_int_equal(zo_solver_run_memo_bytes(r), 0);
    assert_int_equal(zo_solver_run_tell(r, &(zo_told){0}, NULL), ZO_OK);
    zo_solver_run_snapshot(r, &v);
    assert_int_equal(v.status, ZO_OK);
    assert_int_equal(zo_solver_run_describe(r, NULL, NULL), ZO_OK);
    zo_solver_run_free(r);
}

/* ---- accepts ---- */

static void each_need_that_is_not_covered_is_refused_by_name(void **state)
{
    static const zo_dim levels[2] = {{.kind = ZO_DIM_REAL}, {.kind = ZO_DIM_LEVELS, .levels = 3}};
    static const zo_dim category[2] = {{.kind = ZO_DIM_CATEGORY, .levels = 3}, {.kind = ZO_DIM_REAL}};
    static const zo_dim child[2] = {{.kind = ZO_DIM_REAL}, {.kind = ZO_DIM_REAL, .conditional = true}};
    struct {
        uint32_t trait;
        zo_problem p;
        const char *said;
    } rows[] = {
        {ZO_TRAIT_LEVELS, plain, "integer"},          {ZO_TRAIT_CATEGORY, plain, "categorical"},
        {ZO_TRAIT_CONDITIONAL, plain, "conditional"}, {ZO_TRAIT_CONSTRAINTS, plain, "outcome constraints"},
        {ZO_TRAIT_OBJECTIVES, plain, "objectives"},   {ZO_TRAIT_NOISE, plain, "noisy"},
        {ZO_TRAIT_PARALLEL, plain, "parallel"},
    };

    (void)state;
    rows[0].p.dims = levels;
    rows[1].p.dims = category;
    rows[2].p.dims = child;
    rows[3].p.n_constraints = 1;
    rows[4].p.n_objectives = 2;
    rows[5].p.noise = ZO_NOISE_EXPECTED;
    rows[6].p.parallelism = 2;
    for (size_t i = 0; i < ZO_LEN(rows); i++) {
        zo_solver without = full;
        zo_solver_run *r = NULL;
        zo_error err = {0};
        without.traits &= ~rows[i].trait;
        assert_int_equal(zo_solver_accepts(&without, &plain, NULL), ZO_OK);
        assert_int_equal(zo_solver_accepts(&full, &rows[i].p, NULL), ZO_OK);
        assert_int_equal(zo_solver_accepts(&without, &rows[i].p, &err), ZO_EUNSUPPORTED);
        assert_string_equal(err.pointer, "/solver/name");
        assert_non_null(strstr(err.message, "spy"));
        assert_non_null(strstr(err.message, rows[i].said));
        assert_int_equal(zo_solver_run_new(&without, &rows[i].p, NULL, 0, &r, NULL), ZO_EUNSUPPORTED);
        assert_null(r);
    }
}

static void another_oracle_is_refused(void **state)
{
    zo_problem p = plain;
    zo_error err = {0};

    (void)state;
    p.oracle = ZO_ORACLE_GRADIENT;
    assert_int_equal(zo_solver_accepts(&full, &p, &err), ZO_EUNSUPPORTED);
    assert_string_equal(err.pointer, "/solver/name");
    assert_non_null(strstr(err.message, "oracle"));
}

static void linear_constraints_need_their_trait(void **state)
{
    const zo_param_spec params[] = {{.name = "a", .type = ZO_FLOAT, .low = 0, .high = 1},
                                    {.name = "b", .type = ZO_FLOAT, .low = 0, .high = 1}};
    const zo_term terms[] = {{"a", 1}, {"b", 1}};
    const zo_linear_spec linear = {terms, 2, ZO_LE, 1};
    const zo_space_spec spec = {params, 2, &linear, 1};
    zo_solver without = full;
    zo_problem p = plain;
    zo_space *space;
    zo_error err = {0};

    (void)state;
    assert_int_equal(zo_space_new(&spec, &space, NULL), ZO_OK);
    p.space = space;
    without.traits &= ~(uint32_t)ZO_TRAIT_LINEAR;
    assert_int_equal(zo_solver_accepts(&full, &p, NULL), ZO_OK);
    assert_int_equal(zo_solver_accepts(&without, &p, &err), ZO_EUNSUPPORTED);
    assert_non_null(strstr(err.message, "linear"));
    zo_space_free(space);
}

int main(void)
{
    static const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_call_has_the_generator_of_its_purpose_and_trial),
        cmocka_unit_test(the_problem_is_copied_and_the_memo_measured),
        cmocka_unit_test(a_refused_start_is_finished_once_and_has_a_pointer),
        cmocka_unit_test(optional_functions_may_be_missing),
        cmocka_unit_test(each_need_that_is_not_covered_is_refused_by_name),
        cmocka_unit_test(another_oracle_is_refused),
        cmocka_unit_test(linear_constraints_need_their_trait),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
