/* Fork and join on the pool: a worker that computes long hands pieces to workers that have nothing to do. A worker of
 * the short lane looks up after each piece and leaves when there is work of its own; the one that asked does what is
 * left. */
#include "internal.h"

#include <sched.h>

struct zo_team_job {
    zo_piece *piece;
    void *ctx;
    size_t n;
    _Atomic size_t next;
    unsigned joined, inside; /* L: members there have been besides the first; those at work */
    int cpu;                 /* where the first one was when it asked */
    team_job *below;
    pthread_cond_t left;
};

static bool piece_taken(team_job *j, unsigned member)
{
    const size_t i = atomic_fetch_add_explicit(&j->next, 1, memory_order_relaxed);

    if (i >= j->n)
        return false;
    j->piece(j->ctx, i, member);
    return true;
}

static void unlink_job(zo_runtime *rt, const team_job *j) /* L */
{
    for (team_job **at = &rt->jobs; *at; at = &(*at)->below)
        if (*at == j) {
            *at = j->below;
            return;
        }
}

/* Pieces are tenths of a millisecond, and the kernel may leave a thread that it wakes where it last slept, beside the
 * one that asked for it, for milliseconds while another processor idles (Linux 6.12 and later: a thread that blocks
 * early stays on its queue). So a helper that finds itself there goes elsewhere by itself; after that it may run
 * anywhere again. */
static void step_aside(int cpu)
{
    cpu_set_t all, others;

    if (cpu < 0 || cpu >= CPU_SETSIZE || sched_getcpu() != cpu || sched_getaffinity(0, sizeof all, &all) != 0)
        return;
    others = all;
    CPU_CLR((size_t)cpu, &others);
    if (CPU_COUNT(&others) > 0 && sched_setaffinity(0, sizeof others, &others) == 0)
        (void)sched_setaffinity(0, sizeof all, &all);
}

bool team_help(worker *w)
{
    zo_runtime *rt = w->rt;
    const lane *l = &rt->lanes[w->lane];
    team_job *j = rt->jobs;
    unsigned member;
    bool more = true;

    if (!j)
        return false;
    member = ++j->joined;
    if (member + 1 == rt->team.width)
        unlink_job(rt, j);
    j->inside++;
    rt_unlock(rt);
    step_aside(j->cpu);
    rt_lock(rt);
    while (more && !l->head && !l->queries.head) {
        rt_unlock(rt);
        more = piece_taken(j, member);
        rt_lock(rt);
    }
    if (--j->inside == 0)
        pthread_cond_signal(&j->left);
    return true;
}

static void run(const zo_team *t, zo_piece *piece, void *ctx, size_t n)
{
    zo_runtime *rt = (zo_runtime *)((char *)(uintptr_t)t - offsetof(zo_runtime, team));
    team_job j = {.piece = piece, .ctx = ctx, .n = n, .cpu = sched_getcpu()};
    unsigned wanted = t->width - 1;

    pthread_cond_init(&j.left, NULL);
    rt_lock(rt);
    j.below = rt->jobs;
    rt->jobs = &j;
    for (int i = LANE_COUNT; i-- > 0;)
        for (unsigned k = rt->lanes[i].n_idle; k > 0 && wanted > 0; k--, wanted--)
            pthread_cond_signal(&rt->lanes[i].cond);
    rt_unlock(rt);
    while (piece_taken(&j, 0))
        ;
    rt_lock(rt);
    unlink_job(rt, &j);
    while (j.inside > 0)
        pthread_cond_wait(&j.left, &rt->lock);
    rt_unlock(rt);
    pthread_cond_destroy(&j.left);
}

void team_init(zo_runtime *rt, unsigned cores)
{
    const unsigned n = rt->o.workers + rt->o.long_workers, most = n < cores ? n : cores;

    rt->team = (zo_team){.width = most < 1 ? 1 : most > ZO_TEAM_MOST ? ZO_TEAM_MOST : most, .run = run};
}
