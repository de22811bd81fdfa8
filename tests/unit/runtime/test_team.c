/* A worker that computes long is helped by workers that have nothing to do. */
#include "harness.h"

#include "runtime/internal.h"

enum { PIECES = 200, STUDIES = 3, ROUNDS = 20, WIDTH = 4 };

struct job {
    _Atomic unsigned done[PIECES]; /* times */
    _Atomic bool at_work[WIDTH];
    _Atomic unsigned members; /* set of those seen */
    _Atomic bool wrong;
    long piece_ms;
};
static struct job jobs[STUDIES];

static void piece(void *ctx, size_t i, unsigned member)
{
    struct job *j = ctx;

    if (member >= WIDTH || atomic_exchange(&j->at_work[member % WIDTH], true))
        atomic_store(&j->wrong, true);
    atomic_fetch_or(&j->members, 1u << member);
    atomic_fetch_add(&j->done[i], 1);
    if (j->piece_ms)
        nap_ms(j->piece_ms);
    atomic_store(&j->at_work[member % WIDTH], false);
}

static void act_compute(cmd *m, zo_ctx *x)
{
    struct job *j = &jobs[m->number];

    (void)x;
    for (size_t k = 0; k < m->count; k++)
        zo_team_run(&m->f->rt->team, piece, j, PIECES);
    m->rc = ZO_OK;
}

static void open_with_studies(fx *f, unsigned workers)
{
    fx_open(f, &(zo_runtime_opts){.workers = workers, .long_workers = 1});
    f->rt->team.width = WIDTH; /* whatever this machine has */
    for (size_t i = 0; i < STUDIES; i++) {
        char name[2] = {(char)('a' + i), 0};

        create_study(f, name, NULL, NULL);
        memset(&jobs[i], 0, sizeof jobs[i]);
    }
}

static void every_piece_is_done_once_by_one_member_at_a_time(void **state)
{
    fx f;
    cmd m[STUDIES];

    (void)state;
    open_with_studies(&f, 4);
    for (size_t i = 0; i < STUDIES; i++) {
        char name[2] = {(char)('a' + i), 0};

        cmd_init(&m[i], &f, act_compute);
        m[i].number = i;
        m[i].count = ROUNDS;
        submit(&f, name, &m[i]);
    }
    for (size_t i = 0; i < STUDIES; i++) {
        fx_wait(&f, &m[i]);
        assert_int_equal(outcome(&m[i]), ZO_OK);
        assert_false(jobs[i].wrong);
        for (size_t k = 0; k < PIECES; k++)
            assert_int_equal(jobs[i].done[k], ROUNDS);
    }
    fx_close(&f);
}

static void a_helper_leaves_when_it_has_work_of_its_own(void **state)
{
    fx f;
    cmd slow, quick;
    const int64_t end = zo_clock_mono_ms() + 10000;

    (void)state;
    open_with_studies(&f, 2); /* one computes, the other and the long lane's help */
    jobs[0].piece_ms = 2;
    cmd_init(&slow, &f, act_compute);
    slow.count = 3;
    submit(&f, "a", &slow);
    fx_pump(&f, 1);
    while (jobs[0].members != 7u && zo_clock_mono_ms() < end)
        fx_pump(&f, 1);
    assert_int_equal(jobs[0].members, 7u);
    cmd_init(&quick, &f, act_look);
    assert_int_equal(run_on(&f, "b", &quick), ZO_OK);
    assert_false(is_finished(&f, &slow));
    fx_wait(&f, &slow);
    assert_true(quick.order < slow.order);
    assert_false(jobs[0].wrong);
    fx_close(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_piece_is_done_once_by_one_member_at_a_time),
        cmocka_unit_test(a_helper_leaves_when_it_has_work_of_its_own),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
