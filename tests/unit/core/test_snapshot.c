/* core/study/snapshot.c and snapshot_rows.c: whoever goes on from a snapshot and whoever never stopped answer every
 * later command alike. */
#include "unit/core/snapshot_fx.h"

enum { MAX_LIVES = 3 };

static void assert_same_study(zo_study *a, zo_study *b)
{
    const zo_counts x = zo_study_counts(a), y = zo_study_counts(b);
    const uint64_t *front_a = NULL, *front_b = NULL;
    uint64_t best_a = 0, best_b = 0;
    bool feasible_a = false, feasible_b = false;
    const char *reason_a = NULL, *reason_b = NULL;

    assert_int_equal(zo_study_digest(a), zo_study_digest(b));
    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(zo_study_n_trials(a), zo_study_n_trials(b));
    assert_int_equal(zo_study_get_state(a, &reason_a), zo_study_get_state(b, &reason_b));
    assert_ptr_equal(reason_a, reason_b);
    assert_int_equal(zo_study_best(a, &best_a, &feasible_a), zo_study_best(b, &best_b, &feasible_b));
    assert_int_equal(best_a, best_b);
    assert_int_equal(feasible_a, feasible_b);
    const size_t n = zo_study_pareto(a, &front_a);
    assert_int_equal(n, zo_study_pareto(b, &front_b));
    assert_memory_equal(front_a, front_b, n * sizeof *front_a);
    assert_int_equal(zo_study_deadline(a), zo_study_deadline(b));
    assert_int_equal(zo_study_closed_segments(a), zo_study_closed_segments(b));
    assert_int_equal(a->seen.distinct, b->seen.distinct);
}

/* Every trial as a client reads it. */
static void assert_same_trials(const zo_study *a, const zo_study *b)
{
    for (uint64_t k = 0; k < zo_study_n_trials(a); k++) {
        zo_trial x = {0}, y = {0};
        assert_int_equal(zo_study_trial(a, k, &x), zo_study_trial(b, k, &y));
        if (!x.v)
            continue;
        assert_int_equal(x.state, y.state);
        assert_int_equal(x.attempt, y.attempt);
        assert_int_equal(x.lease_expires_ms, y.lease_expires_ms);
        const char *const texts[][2] = {
            {x.worker, y.worker}, {x.reason, y.reason}, {x.core, y.core}, {x.why, y.why}, {x.metadata, y.metadata}};
        for (size_t i = 0; i < ZO_LEN(texts); i++) {
            assert_int_equal(texts[i][0] == NULL, texts[i][1] == NULL);
            if (texts[i][0])
                assert_string_equal(texts[i][0], texts[i][1]);
        }
        assert_int_equal(x.n_reports, y.n_reports);
    }
}

/* One more life from a snapshot of life `of`; leases begin anew in all. */
static void fork_life(struct fx_player *p, struct fx_store *st, const struct fx_spec *x, size_t of)
{
    zo_error err = {0};

    if (fx_save(st, p->studies[of], &err) != ZO_OK)
        fail_msg("save: %s", err.message);
    if (fx_load(st, x, &p->studies[p->n], &err) != ZO_OK)
        fail_msg("load: %s", err.message);
    p->n++;
    for (size_t i = 0; i < p->n; i++)
        zo_study_renew_leases(p->studies[i], p->now);
    assert_same_study(p->studies[0], p->studies[p->n - 1]);
    assert_same_trials(p->studies[0], p->studies[p->n - 1]);
}

static void play(const zo_solver *solver, enum fx_kind kind, uint64_t seed, size_t n_steps, size_t max_count,
                 size_t digest_every)
{
    struct fx_spec x;
    struct fx_player p;
    struct fx_store st;

    if (!fx_spec_fill(&x, solver, kind, seed))
        return;
    fx_store_init(&st);
    fx_player_init(&p, fx_new(&x), 17 * seed + kind);
    p.max_count = max_count;
    p.pauses = max_count < 10;
    for (size_t k = 0; k < n_steps; k++) {
        fx_step(&p);
        if (k % digest_every == 0)
            for (size_t i = 1; i < p.n; i++)
                assert_same_study(p.studies[0], p.studies[i]);
        if (fx_roll(&p, n_steps / 8) == 0) {
            if (p.n == MAX_LIVES)
                fx_player_drop(&p, 1);       /* the first one never stops */
            fork_life(&p, &st, &x, p.n - 1); /* from the latest: a snapshot of a snapshot */
        }
    }
    fork_life(&p, &st, &x, 0);
    assert_true(max_count < 10 || st.n_segments >= 3);
    fx_store_fini(&st);
    fx_player_fini(&p);
}

static void a_snapshot_anywhere_goes_on_bit_for_bit(void **state)
{
    (void)state;
    for (size_t i = 0; i < zo_solver_count(); i++)
        for (int kind = 0; kind < FX_KINDS; kind++)
            for (uint64_t seed = 1; seed <= 2; seed++)
                play(zo_solver_at(i), (enum fx_kind)kind, seed, 400, 3, 1);
}

static void closed_segments_saved_once_fit_every_later_head(void **state)
{
    static const enum fx_kind kinds[] = {FX_MIXED, FX_OBJECTIVES, FX_ASHA};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++)
        play(zo_solver_find("random"), kinds[k], 5 + k, 2500, 60, 250);
}

/* ---- a study with something of everything ---- */

static struct fx_spec rich_spec;

static zo_study *rich_study(enum fx_kind kind, size_t n_steps, size_t max_count)
{
    struct fx_player p;
    zo_study *s;

    assert_true(fx_spec_fill(&rich_spec, zo_solver_find(kind == FX_STEPS ? "zo-momentum" : "random"), kind, 3));
    fx_player_init(&p, fx_new(&rich_spec), 99);
    p.max_count = max_count;
    for (size_t k = 0; k < n_steps; k++)
        fx_step(&p);
    s = p.studies[0];
    p.studies[0] = NULL;
    fx_player_fini(&p);
    return s;
}

static void another_version_or_arithmetic_is_a_conflict(void **state)
{
    zo_study *s = rich_study(FX_MIXED, 50, 3), *to;
    zo_error err = {0};
    struct fx_store st;
    uint64_t seq;
    size_t n;

    (void)state;
    fx_store_init(&st);
    assert_int_equal(fx_save(&st, s, &err), ZO_OK);
    to = fx_new(&rich_spec);
    assert_int_equal(zo_study_load_head(to, &st.head, FX_TAG + 1, &n, &seq, &err), ZO_ECONFLICT);
    zo_study_free(to);

    zo_solver newer = *zo_solver_find("random");
    newer.version++;
    assert_int_equal(study_new_with(&rich_spec.spec, &newer, (zo_now){0}, NULL, &to, &err), ZO_OK);
    assert_int_equal(zo_study_load_head(to, &st.head, FX_TAG, &n, &seq, &err), ZO_ECONFLICT);
    zo_study_free(to);

    struct fx_spec other = rich_spec;
    other.spec.seed++;
    to = fx_new(&other);
    assert_int_equal(zo_study_load_head(to, &st.head, FX_TAG, &n, &seq, &err), ZO_EINVAL);
    zo_study_free(to);
    fx_store_fini(&st);
    zo_study_free(s);
}

static void segments_come_in_order_and_all(void **state)
{
    zo_study *s = rich_study(FX_PLAIN, 600, 60), *to;
    zo_error err = {0};
    struct fx_store st;
    uint64_t seq;
    size_t n;

    (void)state;
    fx_store_init(&st);
    assert_int_equal(fx_save(&st, s, &err), ZO_OK);
    assert_in_range(st.n_segments, 1, FX_SEGMENTS);
    to = fx_new(&rich_spec);
    assert_int_not_equal(zo_study_load_segment(to, 0, &st.segments[0], &err), ZO_OK);
    assert_int_equal(zo_study_load_head(to, &st.head, FX_TAG, &n, &seq, &err), ZO_OK);
    assert_int_equal(n, st.n_segments);
    assert_int_not_equal(zo_study_load_finish(to, &err), ZO_OK);
    assert_int_not_equal(zo_study_load_segment(to, 1, &st.segments[0], &err), ZO_OK);
    assert_int_equal(zo_study_load_segment(to, 0, &st.segments[0], &err), ZO_OK);
    assert_int_not_equal(zo_study_load_segment(to, 0, &st.segments[0], &err), ZO_OK);
    zo_study_free(to);
    assert_int_not_equal(zo_study_save_segment(s, st.n_segments, &(zo_bundle){0}, &err), ZO_OK);
    fx_store_fini(&st);
    zo_study_free(s);
}

/* ---- damage ---- */

/* Whatever was accepted must bear use: all of it is read, and commands run. */
static void use(zo_study *study, uint64_t seed)
{
    struct fx_player p;

    fx_player_init(&p, study, seed);
    zo_study_renew_leases(study, p.now);
    (void)zo_study_digest(study);
    assert_same_trials(study, study);
    for (size_t k = 0; k < 60; k++)
        fx_step(&p);
    p.now.mono_ms += 100000000;
    FX_ALL(&p, zo_study_tick(s, p.now, ev, err));
    fx_ask(&p);
    fx_player_fini(&p);
}

static size_t damaged_and_used;

static void try_damaged(const struct fx_store *st, uint64_t seed)
{
    zo_study *s = NULL;
    zo_error err = {0};

    if (fx_load(st, &rich_spec, &s, &err) == ZO_OK) {
        damaged_and_used++;
        use(s, seed);
    }
}

static void damage_bundle(const struct fx_store *st, zo_bundle *b, zo_portable1 *dice)
{
    zo_error err = {0};
    zo_study *s = NULL;

    for (size_t i = 0; i < b->n_arrays; i++) {
        zo_array *a = &b->arrays[i], whole = *a;
        a->name = (char[]){"?"}; /* gone */
        assert_int_not_equal(fx_load(st, &rich_spec, &s, &err), ZO_OK);
        a->name = whole.name;
        a->dtype = a->dtype == ZO_U8 ? ZO_I32 : ZO_U8;
        assert_int_not_equal(fx_load(st, &rich_spec, &s, &err), ZO_OK);
        a->dtype = whole.dtype;
        if (a->dims[0] == 0)
            continue;
        a->dims[0]--; /* short */
        a->bytes -= zo_dtype_bytes(a->dtype);
        assert_int_not_equal(fx_load(st, &rich_spec, &s, &err), ZO_OK);
        *a = whole;
        for (size_t k = 0; k < 24; k++) { /* an element is another */
            const size_t width = zo_dtype_bytes(a->dtype), at = zo_portable1_u64(dice) % a->dims[0];
            const uint64_t raw = zo_portable1_u64(dice);
            uint8_t *p = (uint8_t *)a->data + at * width, keep[8];
            static const uint64_t edges[] = {
                0, 1, 2, 0xff, UINT64_MAX, INT64_MAX, 0x7ff0000000000000, 0x7ff8000000000000, 1 << 20};
            const uint64_t x = raw % 3 == 0 ? raw : raw % 3 == 1 ? edges[raw / 3 % ZO_LEN(edges)] : raw / 3 % 64;
            memcpy(keep, p, width);
            memcpy(p, &x, width);
            try_damaged(st, raw);
            memcpy(p, keep, width);
        }
    }
    for (size_t i = 0; i < b->n_meta; i++) {
        char *const key = b->meta[i].key, *const value = b->meta[i].value;
        b->meta[i].key = (char[]){"?"};
        assert_int_not_equal(fx_load(st, &rich_spec, &s, &err), ZO_OK);
        b->meta[i].key = key;
        b->meta[i].value = (char[]){"sobol"};
        assert_int_not_equal(fx_load(st, &rich_spec, &s, &err), ZO_OK);
        b->meta[i].value = value;
    }
}

static void damage_is_refused_or_bears_use(void **state)
{
    static const enum fx_kind kinds[] = {FX_MIXED, FX_OBJECTIVES, FX_FEW_POINTS, FX_MEDIAN, FX_ASHA, FX_GRADIENT, FX_STEPS};
    zo_portable1 dice = zo_portable1_make(4);
    zo_error err = {0};

    (void)state;
    for (size_t k = 0; k < ZO_LEN(kinds); k++) {
        zo_study *s = rich_study(kinds[k], 120, 3);
        struct fx_store st;
        fx_store_init(&st);
        assert_int_equal(fx_save(&st, s, &err), ZO_OK);
        damage_bundle(&st, &st.head, &dice);
        zo_study_free(s);
        fx_store_fini(&st);
    }
    assert_true(damaged_and_used > 50); /* other values of the same shape can't all be seen */
}

static void a_damaged_segment_is_refused_or_bears_use(void **state)
{
    zo_study *s = rich_study(FX_PLAIN, 500, 60);
    zo_portable1 dice = zo_portable1_make(5);
    zo_error err = {0};
    struct fx_store st;

    (void)state;
    fx_store_init(&st);
    assert_int_equal(fx_save(&st, s, &err), ZO_OK);
    assert_in_range(st.n_segments, 1, FX_SEGMENTS);
    damage_bundle(&st, &st.segments[0], &dice);
    zo_study_free(s);
    fx_store_fini(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_snapshot_anywhere_goes_on_bit_for_bit),
        cmocka_unit_test(closed_segments_saved_once_fit_every_later_head),
        cmocka_unit_test(another_version_or_arithmetic_is_a_conflict),
        cmocka_unit_test(segments_come_in_order_and_all),
        cmocka_unit_test(damage_is_refused_or_bears_use),
        cmocka_unit_test(a_damaged_segment_is_refused_or_bears_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
