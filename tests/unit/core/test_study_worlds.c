/* Twin studies in many worlds: both get the same commands by chance, one of them is rebuilt from its log now and then,
 * by R2 or from its last rebase or forget on. Every event must be the same to the byte, for as long as they live. And
 * damage at every event of such lives. */
#include "study_worlds.h"

enum { OPS = 900, SEEDS = 3, DAMAGED = 150, FLIPS = 12 };

/* ---- twins ---- */

/* From a log with a rebase: everything before it as data. */
static void rebuild(struct fx *f, uint64_t rebased_at)
{
    zo_study *s = fx_fresh(f);

    if (rebased_at)
        zo_study_begin_data_replay(s, rebased_at);
    fx_replay_into(f, s, f->n_log);
    assert_true(zo_study_digest(s) == zo_study_digest(f->s));
    zo_study_free(f->s);
    f->s = s;
}

static void same_readings(const struct fx *a, const struct fx *b)
{
    const zo_counts x = zo_study_counts(a->s), y = zo_study_counts(b->s);
    const uint64_t *front_a, *front_b;
    uint64_t best_a = 0, best_b = 0;
    bool feasible_a = false, feasible_b = false;
    const size_t n = zo_study_pareto(a->s, &front_a);

    assert_memory_equal(&x, &y, sizeof x);
    assert_int_equal(zo_study_pareto(b->s, &front_b), n);
    if (n)
        assert_memory_equal(front_a, front_b, n * sizeof *front_a);
    assert_int_equal(zo_study_best(a->s, &best_a, &feasible_a), zo_study_best(b->s, &best_b, &feasible_b));
    assert_true(best_a == best_b && feasible_a == feasible_b);
    assert_int_equal(zo_study_deadline(a->s), zo_study_deadline(b->s));
    assert_true(zo_study_digest(a->s) == zo_study_digest(b->s));
}

/* A few of the trials that can be forgotten; false: none can. */
static bool forget_by_chance(struct fx *f, zo_portable1 *g)
{
    uint64_t numbers[4];
    size_t n = 0;

    for (uint64_t k = 0; k < 12 && n < ZO_LEN(numbers); k++) {
        const uint64_t number = below_n(g, zo_study_n_trials(f->s));
        bool again = forget_check(f->s, number, NULL) != ZO_OK;
        for (size_t i = 0; i < n; i++)
            again = again || numbers[i] == number;
        if (!again)
            numbers[n++] = number;
    }
    if (n == 0)
        return false;
    FX_OK(f, zo_study_forget(f->s, numbers, n, 1, f->now, &f->ev, &f->err));
    return true;
}

static void live(struct fx *whole, struct fx *parts, uint64_t seed)
{
    zo_portable1 g = zo_portable1_make(seed), h = g, chance = zo_portable1_make(~seed);
    uint64_t rebased_at = 0;

    for (size_t i = 0; i < OPS && whole->n_log < FX_LOG - 64; i++) {
        const size_t from = whole->n_log;
        world_pass(whole, &g);
        world_pass(parts, &h);
        assert_int_equal(world_command(whole, &g), world_command(parts, &h));
        fx_commit(whole);
        fx_commit(parts);
        same_events(whole, parts, from);
        if (below_n(&chance, 25) == 0) {
            rebuild(parts, below_n(&chance, 2) ? rebased_at : 0);
            zo_study_renew_leases(parts->s, parts->now);
            zo_study_renew_leases(whole->s, whole->now);
            same_readings(whole, parts);
        }
        if (below_n(&chance, 80) == 0) {
            FX_OK(whole, zo_study_rebase(whole->s, "test", 1, whole->now, &whole->ev, &whole->err));
            FX_OK(parts, zo_study_rebase(parts->s, "test", 1, parts->now, &parts->ev, &parts->err));
            fx_commit(whole);
            fx_commit(parts);
            rebased_at = zo_study_seq(whole->s);
        }
        if (below_n(&chance, 80) == 0) {
            const size_t before = whole->n_log;
            const bool forgot = forget_by_chance(whole, &g);
            assert_int_equal(forget_by_chance(parts, &h), forgot);
            fx_commit(whole);
            fx_commit(parts);
            same_events(whole, parts, before);
            rebased_at = forgot ? zo_study_forgotten_seq(whole->s) : rebased_at;
        }
    }
    rebuild(parts, rebased_at);
}

static void twins_stay_twins_when_one_is_rebuilt(void **state)
{
    size_t n_lives = 0;

    (void)state;
    for (size_t world = 0; world < ZO_LEN(worlds); world++)
        for (size_t k = 0; k < ZO_LEN(solvers); k++)
            for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                struct fx *whole = calloc(1, sizeof *whole), *parts = calloc(1, sizeof *parts);
                assert_true(whole && parts);
                if (open_world(whole, world, solvers[k], seed)) {
                    assert_true(open_world(parts, world, solvers[k], seed));
                    live(whole, parts, 1000 * world + 10 * k + seed);
                    assert_true(whole->n_log > OPS / 10);
                    fx_close(whole);
                    fx_close(parts);
                    n_lives++;
                }
                free(whole);
                free(parts);
            }
    assert_true(n_lives >= 4 * ZO_LEN(worlds) * SEEDS);
}

/* ---- damage ---- */

static zo_study *replayed_to(const struct fx *f, size_t n)
{
    zo_study *s = fx_fresh(f);

    fx_replay_into(f, s, n);
    return s;
}

/* Offer s one damaged event. Refused as damage: nothing has changed. Taken, or refused for another candidate (the
 * solver has been asked then): such a study is of no further use. */
static zo_study *offer(const struct fx *f, zo_study *s, const zo_event *e, size_t *n_refused)
{
    const uint64_t digest = zo_study_digest(s);
    const zo_counts before = zo_study_counts(s);
    zo_error err = {0};
    const zo_status rc = zo_study_replay(s, e, &err);
    const zo_counts after = zo_study_counts(s);

    assert_int_equal(rc, err.code);
    if (rc == ZO_OK || rc == ZO_ECONFLICT) {
        zo_study_renew_leases(s, f->now);
        zo_study_free(s);
        return replayed_to(f, (size_t)e->seq - 1);
    }
    assert_true(rc == ZO_EMALFORMED || rc == ZO_EUNSUPPORTED);
    assert_true(zo_study_digest(s) == digest);
    assert_memory_equal(&before, &after, sizeof before);
    ++*n_refused;
    return s;
}

static void a_damaged_event_is_refused_without_a_trace(void **state)
{
    (void)state;
    for (size_t world = 0; world < ZO_LEN(worlds); world++) {
        struct fx *f = calloc(1, sizeof *f);
        zo_portable1 g = zo_portable1_make(world);
        size_t n_refused = 0, n_cut = 0;
        assert_non_null(f);
        assert_true(open_world(f, world, NULL, 5));
        while (f->n_log < DAMAGED) {
            world_pass(f, &g);
            (void)world_command(f, &g);
            fx_commit(f);
        }
        zo_study *s = fx_fresh(f);
        for (size_t i = 0; i < DAMAGED; i++) {
            const zo_event good = f->log[i];
            for (size_t bytes = 0; bytes < good.body_bytes; bytes++) { /* a body of its own, so that overruns show */
                uint8_t *body = malloc(bytes + !bytes);
                assert_non_null(body);
                memcpy(body, good.body, bytes);
                const size_t before = n_refused;
                s = offer(f, s, &(zo_event){good.seq, good.kind, good.at_ms, body, bytes}, &n_refused);
                assert_int_equal(n_refused, before + 1);
                free(body);
                n_cut++;
            }
            for (int flip = 0; flip < FLIPS; flip++) {
                uint8_t *body = malloc(good.body_bytes);
                assert_non_null(body);
                memcpy(body, good.body, good.body_bytes);
                body[below_n(&g, good.body_bytes)] ^= (uint8_t)(1 + below_n(&g, 255));
                const zo_event_kind kind = below_n(&g, 8) ? good.kind : (zo_event_kind)below_n(&g, 14);
                s = offer(f, s, &(zo_event){good.seq, kind, good.at_ms, body, good.body_bytes}, &n_refused);
                free(body);
            }
            fx_replay_into(f, s, i + 1);
        }
        assert_true(n_cut > 10 * DAMAGED && n_refused > n_cut + FLIPS * DAMAGED / 4);
        zo_study_free(s);
        fx_close(f);
        free(f);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(twins_stay_twins_when_one_is_rebuilt),
        cmocka_unit_test(a_damaged_event_is_refused_without_a_trace),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
