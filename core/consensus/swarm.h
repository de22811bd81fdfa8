/* What the consensus methods share: a stage of N particles, a better point from outside among them, restarts. */
#ifndef ZO_CONSENSUS_SWARM_H
#define ZO_CONSENSUS_SWARM_H

#include "consensus/consensus.h"
#include "stage/stage.h"

enum { SWARM_ENTRIES = 1 << 21 }; /* particles x dimensions */
enum { SWARM_STILL = 100 };       /* steps without a new point before the particles start anew */

typedef struct swarm {
    const zo_problem *p;
    size_t n, size; /* dimensions, particles */
    zo_stage stage;
    double *x, *f, *w; /* [size][n], [size], [size] particles, their values, weights */
    double *c;         /* [n] consensus */
    double *guest;     /* [n] best point from outside since the last step */
    double guest_f;
    uint64_t step, run, n_barren; /* of all runs; runs begun; steps in a row without any value */
    uint32_t begun, over;
} swarm;

/* particles 0: 10 + 2 sqrt n. core, labels: provenance, one label. ZO_EUNSUPPORTED when they do not fit. */
zo_status swarm_init(swarm *s, const zo_problem *p, uint64_t particles, const char *core, const char *const *labels,
                     zo_error *err);
void swarm_fini(swarm *s);
/* Hand out x as it is now. */
void swarm_emit(swarm *s);
/* False: nothing to hand out; p has the verdict. */
bool swarm_ask(swarm *s, zo_proposal *p);
/* Step is called when all particles have their values in f: x is where they were evaluated, a guest took the worst
 * place; it emits the next step. That may be over at once, when every point of it was evaluated in this one; after
 * SWARM_STILL such steps, start is called. */
void swarm_tell(swarm *s, const zo_told *t, void (*step)(void *self), void (*start)(void *self), void *self);
/* Weights and consensus, by alpha or (share > 0) by the share that has a say. False: no particle has a value. */
bool swarm_agree(swarm *s, double alpha, double share);
/* The generator of this step: whoever closes it. */
zo_rng swarm_rng(const swarm *s);
void swarm_visit(swarm *s, zo_visit *v);

#endif
