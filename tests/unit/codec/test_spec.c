/* A study's spec: every field read to its place, written back complete, and refused by name when it is wrong. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "codec/jsonread.h"
#include "codec/spec.h"

static zo_arena *arena;

static int setup(void **state)
{
    (void)state;
    return (arena = zo_arena_new(0)) ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    zo_arena_free(arena);
    return 0;
}

/* Single quotes stand for double ones. */
static char *quoted(const char *text)
{
    char *copy = zo_strdup(text);

    assert_non_null(copy);
    for (char *p = copy; *p; p++)
        *p = *p == '\'' ? '"' : *p;
    return copy;
}

static zo_status decode(const char *text, zo_spec *out, zo_error *err)
{
    char *copy = quoted(text);
    const zo_status rc = zo_spec_decode_text(copy, strlen(copy), arena, out, err);

    zo_free(copy);
    return rc;
}

static zo_spec decoded(const char *text)
{
    zo_spec spec;
    zo_error err = {0};

    if (decode(text, &spec, &err) != ZO_OK)
        fail_msg("refused at '%s': %s\n%s", err.pointer, err.message, text);
    return spec;
}

static char *encoded(const zo_spec *spec)
{
    zo_json w;
    char *text;

    zo_json_init(&w);
    zo_spec_encode(spec, &w);
    assert_non_null(text = zo_json_take(&w, NULL));
    return text;
}

static void assert_encodes_to(const zo_spec *spec, const char *want)
{
    char *text = encoded(spec), *copy = quoted(want);

    assert_string_equal(text, copy);
    zo_free(text);
    zo_free(copy);
}

#define X "{'name': 'x', 'type': 'float', 'low': 0, 'high': 1}"

static void the_smallest_spec_gets_every_default(void **state)
{
    zo_spec spec = decoded("{'space': [" X "]}");

    (void)state;
    assert_false(spec.has_seed);
    assert_null(spec.name);
    assert_null(spec.title);
    assert_null(spec.metadata);
    spec.study.seed = 7;
    assert_encodes_to(
        &spec,
        "{'seed':7,'space':[{'name':'x','type':'float','low':0,'high':1}],'linear_constraints':[],"
        "'objectives':[{'name':'value','goal':'minimize'}],'constraints':[],'metrics':[],'oracle':'value','noise':'"
        "auto',"
        "'parallelism':1,'lease':'10m','retries':3,'on_expiry':'retry','duplicates':'allow','early_stopping':null,'stop':null,"
        "'budget':{},'solver':{'name':'auto','options':{'sigma':0.3,'sigma_turns':0,'restarts_until':10,'restarts_until_low':0,'axis':true,'prefill':true}}}");
}

/* clang-format off */
static const char full[] =
    "{'name': 'svm-1_A', 'title': 'T', 'metadata': {'k': [1, {'a': null}]}, 'seed': 9007199254740991,"
    "'space': [{'name': 'C', 'type': 'float', 'low': 0.001, 'high': 1000, 'scale': 'log', 'default': 1},"
    "{'name': 'r', 'type': 'float', 'low': 0.1, 'high': 1, 'scale': 'reverse_log'},"
    "{'name': 's', 'type': 'float', 'low': 0, 'high': 1, 'step': 0.25},"
    "{'name': 'n', 'type': 'int', 'low': -3, 'high': 9, 'step': 3, 'default': 0},"
    "{'name': 'kernel', 'type': 'categorical', 'choices': ['rbf', 'poly', 1, true], 'default': 'poly'},"
    "{'name': 'o', 'type': 'ordinal', 'choices': [1, 10, 100]},"
    "{'name': 'b', 'type': 'bool', 'default': false},"
    "{'name': 'f', 'type': 'fixed', 'value': [1, 2.5]},"
    "{'name': 'v', 'type': 'vector', 'size': 3, 'low': -1, 'high': 1, 'default': [0, 0.5, 1]},"
    "{'name': 'degree', 'type': 'int', 'low': 2, 'high': 5, 'when': {'kernel': ['poly'], 'b': true}}],"
    "'linear_constraints': [{'terms': {'s': 1, 'C': -2}, 'op': '<=', 'rhs': 3}, {'terms': {'r': 1}, 'op': '>=', 'rhs': "
    "0}, {'terms': {'C': 1}, 'op': '=', 'rhs': 1}],"
    "'objectives': [{'name': 'error'}, {'name': 'gain', 'goal': 'maximize'}], 'constraints': [{'name': 'seconds', "
    "'upper': 2}, {'name': 'g', 'lower': -1, 'upper': 1}],"
    "'metrics': ['m', 'n'], 'oracle': {'type': 'steps'}, 'noise': 'expected', 'parallelism': 8, 'budget': {'trials': "
    "200, 'seconds': 1.5, 'target': -2},"
    "'lease': '90s', 'retries': 0, 'on_expiry': 'abandon', 'duplicates': 'avoid', 'solver': {'name': 'random', "
    "'options': {}},"
    "'early_stopping': {'rule': 'asha', 'options': {'z': 1, 'a': 'b'}},"
    " 'stop': {'no_improvement': {'trials_per_dimension': 2.5}, 'expected_improvement': {'below': 1e-3, 'window': 7}, 'restarts': {'runs': 4}, 'target_gap': {'within': 0}}}";

/* clang-format on */
static void every_field_is_read_to_its_place(void **state)
{
    const zo_spec spec = decoded(full);
    const zo_study_spec *s = &spec.study;
    const zo_param_spec *p = s->space.params;

    (void)state;
    assert_string_equal(spec.name, "svm-1_A");
    assert_string_equal(spec.title, "T");
    assert_string_equal(spec.metadata, "{\"k\":[1,{\"a\":null}]}");
    assert_true(spec.has_seed && s->seed == UINT64_C(9007199254740991));
    assert_int_equal(s->space.n_params, 10);
    assert_true(p[0].type == ZO_FLOAT && p[0].scale == ZO_LOG && p[0].low == 0.001 && p[0].high == 1000 &&
                p[0].has_default && p[0].default_value.number == 1);
    assert_true(p[1].scale == ZO_REVERSE_LOG && !p[1].has_default && p[2].scale == ZO_LINEAR && p[2].step == 0.25);
    assert_true(p[3].type == ZO_INT && p[3].low == -3 && p[3].high == 9 && p[3].step == 3 &&
                p[3].default_value.number == 0);
    assert_true(p[4].type == ZO_CATEGORICAL && p[4].n_choices == 4 && p[4].choices[2].integral &&
                p[4].choices[3].kind == ZO_BOOLEAN);
    assert_string_equal(p[4].default_value.string, "poly");
    assert_true(p[5].type == ZO_ORDINAL && p[5].choices[1].number == 10);
    assert_true(p[6].type == ZO_BOOL && p[6].has_default && !p[6].default_value.boolean);
    assert_true(p[7].type == ZO_FIXED && p[7].fixed.kind == ZO_NUMBERS && p[7].fixed.n_numbers == 2 &&
                p[7].fixed.numbers[1] == 2.5);
    assert_true(p[8].type == ZO_VECTOR && p[8].size == 3 && p[8].default_value.numbers[1] == 0.5);
    assert_int_equal(p[9].n_when, 2);
    assert_string_equal(p[9].when[0].parent, "b"); /* by name */
    assert_true(p[9].when[0].n_values == 1 && p[9].when[0].values[0].boolean);
    assert_string_equal(p[9].when[1].values[0].string, "poly");
    assert_int_equal(s->space.n_linear, 3);
    assert_true(s->space.linear[0].op == ZO_LE && s->space.linear[1].op == ZO_GE && s->space.linear[2].op == ZO_EQ &&
                s->space.linear[0].rhs == 3);
    assert_string_equal(s->space.linear[0].terms[0].name, "C");
    assert_true(s->space.linear[0].terms[0].coef == -2 && s->space.linear[0].terms[1].coef == 1);
    assert_true(s->n_objectives == 2 && !s->objectives[0].maximize && s->objectives[1].maximize);
    assert_true(s->n_constraints == 2 && s->constraints[0].has_upper && !s->constraints[0].has_lower &&
                s->constraints[0].upper == 2);
    assert_true(s->constraints[1].has_lower && s->constraints[1].lower == -1);
    assert_int_equal(s->n_metrics, 2);
    assert_string_equal(s->metrics[1], "n");
    assert_true(s->oracle == ZO_ORACLE_STEPS && s->noise == ZO_NOISE_EXPECTED && s->parallelism == 8);
    assert_true(s->budget.trials == 200 && s->budget.seconds == 1.5 && s->budget.has_target && s->budget.target == -2);
    assert_true(s->lease_ms == 90000 && s->retries == 0 && s->on_expiry == ZO_EXPIRY_ABANDON &&
                s->duplicates == ZO_DUPLICATES_AVOID);
    assert_string_equal(s->solver, "random");
    assert_string_equal(s->stop_rule, "asha");
    assert_int_equal(s->n_stop_options, 2);
    for (int rule = 0; rule < ZO_STOP_RULES; rule++)
        assert_true(s->stopping.on[rule]);
    assert_true(s->stopping.trials == 0 && s->stopping.trials_per_dimension == 2.5 && s->stopping.below == 1e-3 &&
                s->stopping.window == 7 && s->stopping.runs == 4 && s->stopping.within == 0);
}

static void encoding_and_decoding_again_changes_nothing(void **state)
{
    const zo_spec spec = decoded(full);
    char *once = encoded(&spec);
    const zo_spec again = decoded(once);
    char *twice = encoded(&again);

    (void)state;
    assert_string_equal(once, twice);
    assert_non_null(strstr(once, "\"op\":\"<=\""));
    assert_null(strstr(once, "svm-1_A")); /* labels may change: they are no part of it */
    zo_free(once);
    zo_free(twice);
}

static void equal_specs_written_differently_give_equal_text(void **state)
{
    /* clang-format off */
    static const char *const pairs[][2] = {
        {"{'seed': 1, 'space': [" X "]}", "{'space': [{'high': 1.0, 'low': 0e0, 'type': 'float', 'name': 'x', 'scale': 'linear', 'when': {}}], 'seed': 1.0, 'retries': 3, 'lease': 600,"
                                          " 'solver': {'name': 'auto'}, 'oracle': 'value', 'objectives': [{'name': 'value', 'goal': 'minimize'}], 'metrics': [], 'early_stopping': null}"},
        {"{'seed': 1, 'space': [{'name': 'i', 'type': 'int', 'low': 0, 'high': 3}]}", "{'seed': 1, 'space': [{'name': 'i', 'type': 'int', 'low': 0, 'high': 3, 'step': 1}]}"},
        {"{'seed': 1, 'space': [" X ", {'name': 'b', 'type': 'bool'}, {'name': 'c', 'type': 'bool', 'when': {'b': true}}]}",
         "{'seed': 1, 'space': [" X ", {'name': 'b', 'type': 'bool'}, {'name': 'c', 'type': 'bool', 'when': {'b': [true]}}]}"},
        {"{'seed': 1, 'lease': '1.5h', 'space': [" X "]}", "{'seed': 1, 'lease': '90m', 'space': [" X "]}"},
        {"{'seed': 1, 'oracle': 'steps', 'space': [" X "], 'linear_constraints': [{'terms': {'x': 1, 'a': 2}, 'op': '=', 'rhs': 1}]}",
         "{'seed': 1, 'oracle': {'type': 'steps'}, 'space': [" X "], 'linear_constraints': [{'rhs': 1, 'terms': {'a': 2, 'x': 1}, 'op': '='}]}"},
    };
    /* clang-format on */

    (void)state;
    for (size_t i = 0; i < ZO_LEN(pairs); i++) {
        const zo_spec a = decoded(pairs[i][0]), b = decoded(pairs[i][1]);
        char *x = encoded(&a), *y = encoded(&b);
        assert_string_equal(x, y);
        zo_free(x);
        zo_free(y);
    }
}

enum { M = ZO_EMALFORMED, V = ZO_EINVAL, U = ZO_EUNSUPPORTED };
struct refusal {
    const char *text;
    int code;
    const char *pointer;
};

static void assert_refused(const char *text, int code, const char *pointer)
{
    zo_spec spec = {.name = "untouched"};
    zo_error err = {0};

    if (decode(text, &spec, &err) != (zo_status)code || err.code != (zo_status)code ||
        strcmp(err.pointer, pointer) != 0)
        fail_msg("%s: code %d at '%s' (%s), expected %d at '%s'", text, err.code, err.pointer, err.message, code,
                 pointer);
    assert_string_equal(spec.name, "untouched");
}

/* Members of the document beside a good space. */
static void wrong_members_are_refused_by_name(void **state)
{
    /* clang-format off */
    static const struct refusal rows[] = {
        {"'zz': 1", M, "/zz"}, {"'Seed': 1", M, "/Seed"}, {"'a/b~': 1", M, "/a~1b~0"},
        {"'seed': -1", V, "/seed"}, {"'seed': 1.5", M, "/seed"}, {"'seed': '1'", M, "/seed"}, {"'seed': null", M, "/seed"}, {"'seed': 9007199254740992", V, "/seed"}, {"'seed': 9223372036854775807", V, "/seed"},
        {"'name': 1", M, "/name"}, {"'name': ''", V, "/name"}, {"'name': 'a b'", V, "/name"}, {"'name': 'a/b'", V, "/name"}, {"'name': 'st_x'", V, "/name"}, {"'name': 'jb_x'", V, "/name"}, {"'name': 'md_x'", V, "/name"},
        {"'name': 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa'", V, "/name"},
        {"'title': 1", M, "/title"}, {"'title': []", M, "/title"}, {"'metadata': 1", M, "/metadata"}, {"'metadata': []", M, "/metadata"}, {"'metadata': 'x'", M, "/metadata"},
        {"'linear_constraints': {}", M, "/linear_constraints"}, {"'linear_constraints': [1]", M, "/linear_constraints/0"}, {"'linear_constraints': [{}]", M, "/linear_constraints/0/terms"},
        {"'linear_constraints': [{'terms': {}, 'op': '=', 'rhs': 1}]", V, "/linear_constraints/0/terms"}, {"'linear_constraints': [{'terms': {'x': '1'}, 'op': '=', 'rhs': 1}]", M, "/linear_constraints/0/terms/x"},
        {"'linear_constraints': [{'terms': {'x': 1}, 'op': '<', 'rhs': 1}]", V, "/linear_constraints/0/op"}, {"'linear_constraints': [{'terms': {'x': 1}, 'op': 1, 'rhs': 1}]", M, "/linear_constraints/0/op"},
        {"'linear_constraints': [{'terms': {'x': 1}, 'op': '=', 'rhs': 'a'}]", M, "/linear_constraints/0/rhs"}, {"'linear_constraints': [{'terms': {'x': 1}, 'op': '='}]", M, "/linear_constraints/0/rhs"},
        {"'linear_constraints': [{'terms': {'x': 1}, 'op': '=', 'rhs': 1, 'zz': 1}]", M, "/linear_constraints/0/zz"}, {"'linear_constraints': [{'terms': [], 'op': '=', 'rhs': 1}]", M, "/linear_constraints/0/terms"},
        {"'objectives': {}", M, "/objectives"}, {"'objectives': []", V, "/objectives"}, {"'objectives': ['a']", M, "/objectives/0"}, {"'objectives': [{}]", M, "/objectives/0/name"}, {"'objectives': [{'name': ''}]", V, "/objectives/0/name"},
        {"'objectives': [{'name': 1}]", M, "/objectives/0/name"}, {"'objectives': [{'name': 'a'}, {'name': 'b', 'goal': 'up'}]", V, "/objectives/1/goal"}, {"'objectives': [{'name': 'a', 'goal': 1}]", M, "/objectives/0/goal"}, {"'objectives': [{'name': 'a', 'zz': 1}]", M, "/objectives/0/zz"},
        {"'constraints': 1", M, "/constraints"}, {"'constraints': [{'name': 'c'}]", V, "/constraints/0"}, {"'constraints': [{'upper': 1}]", M, "/constraints/0/name"}, {"'constraints': [{'name': 'c', 'upper': '1'}]", M, "/constraints/0/upper"},
        {"'constraints': [{'name': 'c', 'lower': null}]", M, "/constraints/0/lower"}, {"'constraints': [{'name': 'c', 'upper': 1, 'zz': 1}]", M, "/constraints/0/zz"},
        {"'metrics': 'm'", M, "/metrics"}, {"'metrics': [1]", M, "/metrics/0"}, {"'metrics': ['a', '']", V, "/metrics/1"},
        {"'oracle': 1", M, "/oracle"}, {"'oracle': 'magic'", V, "/oracle"}, {"'oracle': 'hessian_vector'", U, "/oracle"}, {"'oracle': {}", M, "/oracle/type"}, {"'oracle': {'type': 1}", M, "/oracle/type"}, {"'oracle': {'type': 'value', 'zz': 1}", M, "/oracle/zz"},
        {"'noise': 'loud'", V, "/noise"}, {"'noise': 1", M, "/noise"}, {"'parallelism': 0", V, "/parallelism"}, {"'parallelism': 100001", V, "/parallelism"}, {"'parallelism': 'x'", M, "/parallelism"},
        {"'budget': 5", M, "/budget"}, {"'budget': {'trials': 0}", V, "/budget/trials"}, {"'budget': {'trials': -1}", V, "/budget/trials"}, {"'budget': {'trials': 1.5}", M, "/budget/trials"}, {"'budget': {'trials': null}", M, "/budget/trials"},
        {"'budget': {'seconds': 0}", V, "/budget/seconds"}, {"'budget': {'seconds': -1}", V, "/budget/seconds"}, {"'budget': {'seconds': 1e11}", V, "/budget/seconds"}, {"'budget': {'seconds': '1'}", M, "/budget/seconds"}, {"'budget': {'target': '1'}", M, "/budget/target"}, {"'budget': {'euros': 1}", M, "/budget/euros"},
        {"'lease': '10ms'", V, "/lease"}, {"'lease': '8d'", V, "/lease"}, {"'lease': 'soon'", V, "/lease"}, {"'lease': 0.5", V, "/lease"}, {"'lease': true", M, "/lease"}, {"'lease': {}", M, "/lease"},
        {"'retries': -1", V, "/retries"}, {"'retries': 'x'", M, "/retries"}, {"'retries': 1000001", V, "/retries"}, {"'on_expiry': 'panic'", V, "/on_expiry"}, {"'on_expiry': 1", M, "/on_expiry"}, {"'duplicates': 'never'", V, "/duplicates"}, {"'duplicates': false", M, "/duplicates"},
        {"'solver': 'random'", M, "/solver"}, {"'solver': {}", M, "/solver/name"}, {"'solver': {'name': 1}", M, "/solver/name"}, {"'solver': {'name': 'a', 'options': 1}", M, "/solver/options"}, {"'solver': {'name': 'a', 'zz': 1}", M, "/solver/zz"}, {"'solver': {'name': 'a', 'options': {'o': {}}}", M, "/solver/options/o"},
        {"'early_stopping': 1", M, "/early_stopping"}, {"'early_stopping': {}", M, "/early_stopping/rule"}, {"'early_stopping': {'rule': 1}", M, "/early_stopping/rule"}, {"'early_stopping': {'rule': 'a', 'zz': 1}", M, "/early_stopping/zz"}, {"'early_stopping': {'rule': 'a', 'options': []}", M, "/early_stopping/options"},
        {"'stop': {'rule': 'x'}", M, "/stop/rule"}, {"'stop': 1", M, "/stop"}, {"'stop': {'restarts': 3}", M, "/stop/restarts"}, {"'stop': {'restarts': {'runs': 0}}", V, "/stop/restarts/runs"}, {"'stop': {'restarts': {'zz': 1}}", M, "/stop/restarts/zz"},
        {"'stop': {'no_improvement': {'trials': 0}}", V, "/stop/no_improvement/trials"}, {"'stop': {'no_improvement': {'trials': 5, 'trials_per_dimension': 2}}", V, "/stop/no_improvement"}, {"'stop': {'no_improvement': {'trials_per_dimension': 0}}", V, "/stop/no_improvement/trials_per_dimension"},
        {"'stop': {'expected_improvement': {}}", M, "/stop/expected_improvement/below"}, {"'stop': {'expected_improvement': {'below': 0}}", V, "/stop/expected_improvement/below"}, {"'stop': {'target_gap': {'within': -1}}", V, "/stop/target_gap/within"}, {"'stop': {'target_gap': {}}", M, "/stop/target_gap/within"},
    };
    /* clang-format on */
    char text[512];

    (void)state;
    for (size_t i = 0; i < ZO_LEN(rows); i++) {
        snprintf(text, sizeof text, "{'space': [" X "], %s}", rows[i].text);
        assert_refused(text, rows[i].code, rows[i].pointer);
    }
}

/* One parameter, beside a good one before it. */
static void wrong_parameters_are_refused_by_place_and_name(void **state)
{
    /* clang-format off */
    static const struct refusal rows[] = {
        {"1", M, ""}, {"{}", M, "/name"}, {"{'name': 'a'}", M, "/type"}, {"{'name': '', 'type': 'bool'}", V, "/name"}, {"{'name': 5, 'type': 'bool'}", M, "/name"}, {"{'name': 'a', 'type': 'double'}", V, "/type"}, {"{'name': 'a', 'type': 1}", M, "/type"},
        {"{'name': 'a', 'type': 'float', 'high': 1}", M, "/low"}, {"{'name': 'a', 'type': 'float', 'low': 1}", M, "/high"}, {"{'name': 'a', 'type': 'float', 'low': '0', 'high': 1}", M, "/low"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': null}", M, "/high"},
        {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'scale': 'cubic'}", V, "/scale"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'scale': 1}", M, "/scale"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'step': 0}", V, "/step"},
        {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'step': -1}", V, "/step"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'step': 'x'}", M, "/step"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'choices': [1]}", M, "/choices"},
        {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'size': 1}", M, "/size"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'value': 1}", M, "/value"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'zz': 1}", M, "/zz"},
        {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'default': null}", M, "/default"}, {"{'name': 'a', 'type': 'float', 'low': 0, 'high': 1, 'default': {}}", M, "/default"}, {"{'name': 'a', 'type': 'vector', 'size': 2, 'low': 0, 'high': 1, 'default': [0, 'x']}", M, "/default/1"},
        {"{'name': 'a', 'type': 'categorical'}", M, "/choices"}, {"{'name': 'a', 'type': 'categorical', 'choices': []}", V, "/choices"}, {"{'name': 'a', 'type': 'categorical', 'choices': 'ab'}", M, "/choices"}, {"{'name': 'a', 'type': 'categorical', 'choices': ['a', null]}", M, "/choices/1"},
        {"{'name': 'a', 'type': 'categorical', 'choices': [[1]]}", M, "/choices/0"}, {"{'name': 'a', 'type': 'categorical', 'choices': [{}]}", M, "/choices/0"}, {"{'name': 'a', 'type': 'categorical', 'choices': [1], 'low': 1}", M, "/low"}, {"{'name': 'a', 'type': 'ordinal', 'choices': [9007199254740993]}", V, "/choices/0"},
        {"{'name': 'a', 'type': 'bool', 'low': 0}", M, "/low"}, {"{'name': 'a', 'type': 'fixed'}", M, "/value"}, {"{'name': 'a', 'type': 'fixed', 'value': null}", M, "/value"}, {"{'name': 'a', 'type': 'fixed', 'value': {}}", M, "/value"}, {"{'name': 'a', 'type': 'fixed', 'value': 1, 'default': 1}", M, "/default"},
        {"{'name': 'a', 'type': 'vector', 'low': 0, 'high': 1}", M, "/size"}, {"{'name': 'a', 'type': 'vector', 'size': 0, 'low': 0, 'high': 1}", V, "/size"}, {"{'name': 'a', 'type': 'vector', 'size': 100001, 'low': 0, 'high': 1}", V, "/size"}, {"{'name': 'a', 'type': 'vector', 'size': 1.5, 'low': 0, 'high': 1}", M, "/size"},
        {"{'name': 'a', 'type': 'bool', 'when': []}", M, "/when"}, {"{'name': 'a', 'type': 'bool', 'when': 1}", M, "/when"}, {"{'name': 'a', 'type': 'bool', 'when': {'x': []}}", V, "/when/x"}, {"{'name': 'a', 'type': 'bool', 'when': {'x': null}}", M, "/when/x"}, {"{'name': 'a', 'type': 'bool', 'when': {'x': [1, {}]}}", M, "/when/x/1"},
    };
    /* clang-format on */
    char text[512], pointer[64];

    (void)state;
    for (size_t i = 0; i < ZO_LEN(rows); i++) {
        snprintf(text, sizeof text, "{'space': [" X ", %s]}", rows[i].text);
        snprintf(pointer, sizeof pointer, "/space/1%s", rows[i].pointer);
        assert_refused(text, rows[i].code, pointer);
    }
    assert_refused("{}", M, "/space");
    assert_refused("{'space': {}}", M, "/space");
    assert_refused("{'space': []}", V, "/space");
    assert_refused("{'space': null}", M, "/space");
}

static void lists_end_where_they_are_said_to(void **state)
{
    static const struct {
        const char *before, *item, *after, *pointer;
        size_t max;
    } rows[] = {
        {"{'space': [" X "], 'objectives': [", "{'name': 'o'}", "]}", "/objectives", 16},
        {"{'space': [" X "], 'constraints': [", "{'name': 'c', 'upper': 1}", "]}", "/constraints", 64},
        {"{'space': [" X "], 'metrics': [", "'m'", "]}", "/metrics", 64},
        {"{'space': [" X "], 'linear_constraints': [", "{'terms': {'x': 1}, 'op': '=', 'rhs': 1}", "]}",
         "/linear_constraints", 1000},
        {"{'space': [{'name': 'a', 'type': 'ordinal', 'choices': [", "1", "]}]}", "/space/0/choices", 1000},
        {"{'space': [{'name': 'a', 'type': 'bool', 'when': {'x': [", "1", "]}}]}", "/space/0/when/x", 1000},
        {"{'space': [", "{'name': 'b', 'type': 'bool'}", "]}", "/space", 10000},
    };

    (void)state;
    for (size_t i = 0; i < ZO_LEN(rows); i++)
        for (size_t more = 0; more < 2; more++) {
            const size_t n = rows[i].max + more, size = 256 + n * (strlen(rows[i].item) + 1);
            char *text = zo_malloc(size);
            size_t at;
            assert_non_null(text);
            at = (size_t)snprintf(text, size, "%s", rows[i].before);
            for (size_t k = 0; k < n; k++)
                at += (size_t)snprintf(text + at, size - at, "%s%s", k ? "," : "", rows[i].item);
            snprintf(text + at, size - at, "%s", rows[i].after);
            if (more)
                assert_refused(text, V, rows[i].pointer);
            else
                decoded(text);
            zo_free(text);
        }
}

static void labels_end_where_they_are_said_to(void **state)
{
    static const struct {
        const char *format;
        const char *pointer;
        int most; /* of the letters: what makes the value exactly as long as is kept */
    } rows[] = {
        {"{'space': [" X "], 'name': '%s'}", "/name", 64},
        {"{'space': [" X "], 'title': '%s'}", "/title", ZO_TITLE_MAX_BYTES},
        {"{'space': [" X "], 'metadata': {'k': '%s'}}", "/metadata", ZO_METADATA_MAX_BYTES - 8},
        {"{'space': [" X "], 'objectives': [{'name': '%s'}]}", "/objectives/0/name", 64},
        {"{'space': [" X "], 'metrics': ['%s']}", "/metrics/0", 64},
        {"{'space': [{'name': '%s', 'type': 'bool'}]}", "/space/0/name", 128},
    };
    static char letters[20000], text[21000];

    (void)state;
    for (size_t i = 0; i < ZO_LEN(rows); i++)
        for (int more = 0; more < 2; more++) {
            memset(letters, 0, sizeof letters);
            memset(letters, 'a', (size_t)(rows[i].most + more));
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
            snprintf(text, sizeof text, rows[i].format, letters);
#pragma GCC diagnostic pop
            if (more)
                assert_refused(text, V, rows[i].pointer);
            else
                decoded(text);
        }
}

static zo_status decode_budget(const char *text, bool may_remove, zo_budget *io, zo_error *err)
{
    char *copy = quoted(text);
    json_t *doc = NULL;

    assert_int_equal(zo_json_parse(copy, strlen(copy), NULL, &doc, err), ZO_OK);
    const zo_status rc = zo_spec_decode_budget(doc, may_remove, io, err);
    json_decref(doc);
    zo_free(copy);
    return rc;
}

static void a_patched_budget_keeps_what_is_absent_and_drops_what_is_null(void **state)
{
    zo_budget b = {.trials = 5, .seconds = 2, .has_target = true, .target = 1};
    zo_error err = {0};

    (void)state;
    assert_int_equal(decode_budget("{'trials': 9}", true, &b, &err), ZO_OK);
    assert_true(b.trials == 9 && b.seconds == 2 && b.has_target && b.target == 1);
    assert_int_equal(decode_budget("{'target': null, 'seconds': null}", true, &b, &err), ZO_OK);
    assert_true(b.trials == 9 && b.seconds == 0 && !b.has_target);
    assert_int_equal(decode_budget("{'target': 0}", true, &b, &err), ZO_OK);
    assert_true(b.has_target && b.target == 0);
    assert_int_equal(decode_budget("{'trials': 3, 'seconds': -1}", true, &b, &err), ZO_EINVAL);
    assert_string_equal(err.pointer, "/seconds");
    assert_true(b.trials == 9); /* nothing of what was refused */
    assert_int_equal(decode_budget("{'trials': null}", false, &b, &err), ZO_EMALFORMED);
}

static void text_that_is_no_object_is_refused(void **state)
{
    (void)state;
    assert_refused("", M, "");
    assert_refused("[]", M, "");
    assert_refused("{'space': [" X "], 'space': []}", M, "");
    assert_refused("{'space': [" X "]", M, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_smallest_spec_gets_every_default, setup, teardown),
        cmocka_unit_test_setup_teardown(every_field_is_read_to_its_place, setup, teardown),
        cmocka_unit_test_setup_teardown(encoding_and_decoding_again_changes_nothing, setup, teardown),
        cmocka_unit_test_setup_teardown(equal_specs_written_differently_give_equal_text, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_members_are_refused_by_name, setup, teardown),
        cmocka_unit_test_setup_teardown(wrong_parameters_are_refused_by_place_and_name, setup, teardown),
        cmocka_unit_test_setup_teardown(lists_end_where_they_are_said_to, setup, teardown),
        cmocka_unit_test_setup_teardown(labels_end_where_they_are_said_to, setup, teardown),
        cmocka_unit_test_setup_teardown(a_patched_budget_keeps_what_is_absent_and_drops_what_is_null, setup, teardown),
        cmocka_unit_test_setup_teardown(text_that_is_no_object_is_refused, setup, teardown),
    };
    zo_json_start();
    return cmocka_run_group_tests(tests, NULL, NULL);
}
