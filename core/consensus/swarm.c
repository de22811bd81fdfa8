/* See swarm.h. */
#include "consensus/swarm.h"

#include <math.h>
#include <string.h>

enum { BARREN_STEPS = 3 };

zo_status swarm_init(swarm *s, const zo_problem *p, uint64_t particles, const char *core, const char *const *labels,
                     zo_error *err)
{
    const size_t n = p->n, size = particles ? (size_t)particles : 10 + 2 * (size_t)sqrt((double)n);

    s->p = p;
    s->n = n;
    s->size = size;
    s->guest_f = INFINITY;
    if (size * (n + 1) > SWARM_ENTRIES)
        return zo_fail(err, ZO_EUNSUPPORTED, "", "solver '%s' takes at most %d numbers in all its %zu particles", core,
                       (int)SWARM_ENTRIES, size);
    s->x = zo_calloc(size, (n + 1) * sizeof *s->x);
    s->f = zo_calloc(size, sizeof *s->f);
    s->w = zo_calloc(size, sizeof *s->w);
    s->c = zo_calloc(n + 1, sizeof *s->c);
    s->guest = zo_calloc(n + 1, sizeof *s->guest);
    if (!s->x || !s->f || !s->w || !s->c || !s->guest)
        return zo_fail_nomem(err);
    return zo_stage_init(&s->stage, p, size, core, labels, 1, err);
}

void swarm_fini(swarm *s)
{
    zo_stage_fini(&s->stage);
    zo_free(s->x);
    zo_free(s->f);
    zo_free(s->w);
    zo_free(s->c);
    zo_free(s->guest);
}

void swarm_emit(swarm *s)
{
    zo_stage_begin(&s->stage);
    for (size_t i = 0; i < s->size; i++)
        zo_stage_add(&s->stage, s->x + i * s->n, 0, NAN);
}

bool swarm_ask(swarm *s, zo_proposal *p)
{
    if (!s->over && s->n_barren < BARREN_STEPS && zo_stage_ask(&s->stage, p))
        return true;
    p->verdict = s->over ? ZO_ASK_DONE : s->n_barren >= BARREN_STEPS ? ZO_ASK_STALLED : ZO_ASK_WAIT;
    p->why = s->over ? "the particles agree" : s->n_barren >= BARREN_STEPS ? "no point has a value" : NULL;
    return false;
}

static void seat_guest(swarm *s)
{
    size_t worst = 0;

    for (size_t i = 1; i < s->size; i++)
        worst = s->f[i] > s->f[worst] ? i : worst;
    if (s->guest_f < s->f[worst]) {
        memcpy(s->x + worst * s->n, s->guest, s->n * sizeof *s->x);
        s->f[worst] = s->guest_f;
    }
    s->guest_f = INFINITY;
}

static bool close_step(swarm *s)
{
    if (!s->begun || s->over || s->n_barren >= BARREN_STEPS || !zo_stage_is_complete(&s->stage))
        return false;
    memcpy(s->x, s->stage.now.x, s->size * s->n * sizeof *s->x);
    memcpy(s->f, s->stage.now.f, s->size * sizeof *s->f);
    seat_guest(s);
    s->step++;
    s->over = s->n == 0; /* there is but one point */
    return true;
}

static void hear(swarm *s, const zo_told *t)
{
    if (zo_stage_tell(&s->stage, t) != STAGE_NONE || !zo_told_is_valued(t) || !(t->f[0] < s->guest_f))
        return;
    s->guest_f = t->f[0];
    memcpy(s->guest, t->x, s->n * sizeof *s->guest);
}

void swarm_tell(swarm *s, const zo_told *t, void (*step)(void *self), void (*start)(void *self), void *self)
{
    hear(s, t);
    for (int still = 0; close_step(s); still++)
        (still < SWARM_STILL ? step : start)(self);
}

bool swarm_agree(swarm *s, double alpha, double share)
{
    if (share > 0)
        alpha = zo_consensus_alpha(s->size, s->f, share, s->w);
    if (!zo_consensus_weights(s->size, s->f, alpha, s->w)) {
        s->n_barren++;
        return false;
    }
    s->n_barren = 0;
    zo_consensus_mean(s->size, s->n, s->x, s->w, s->c);
    return true;
}

zo_rng swarm_rng(const swarm *s)
{
    return zo_rng_make(s->p->seed, ZO_PURPOSE_INIT, s->step + 1);
}

void swarm_visit(swarm *s, zo_visit *v)
{
    zo_visit_f64(v, "w", s->w, s->size);
    zo_visit_f64_within(v, "c", s->c, s->n, 0, 1);
    zo_visit_f64_within(v, "guest", s->guest, s->n, 0, 1);
    zo_visit_f64(v, "guest_f", &s->guest_f, 1);
    zo_visit_u64(v, "step", &s->step, 1);
    zo_visit_u64(v, "run", &s->run, 1);
    zo_visit_u64(v, "barren", &s->n_barren, 1);
    zo_visit_u32(v, "begun", &s->begun, 1);
    zo_visit_u32(v, "over", &s->over, 1);
    zo_stage_visit(&s->stage, v);
    zo_visit_require(v, "stage.n_wanted", s->stage.now.n_wanted == (s->begun ? s->size : 0));
    if (v->loading && v->status == ZO_OK && s->begun) {
        memcpy(s->x, s->stage.now.x, s->size * s->n * sizeof *s->x);
        memcpy(s->f, s->stage.now.f, s->size * sizeof *s->f);
    }
}
