/* One solver on one problem, in process: the engine's part is played here (points are decoded before they are evaluated
 * and told back re-encoded; a default point is tried first), in rounds of as many asks as there are slots. */
#ifndef ZO_BENCH_DRIVE_H
#define ZO_BENCH_DRIVE_H

#include "cpu.h"
#include "suite.h"

enum { BED_MAX_SLOTS = 4096 };

struct bed_setup {
    const zo_solver *solver;
    const zo_named *options;
    size_t n_options;
    unsigned slots; /* asks a round */
    bool shuffle;   /* tell a round in random order */
    double lost;    /* probability that a trial's worker is never heard of again; it is given up one round later */
    zo_noise noise;
    uint64_t seed;
};
enum bed_end {
    BED_BUDGET,
    BED_CONVERGED /* the solver says it is done */,
    BED_STALLED /* waits for nothing */,
    BED_FAILED
};
struct bed_result {
    enum bed_end end;
    uint32_t evals, rounds;              /* spent; lost trials are no evaluations */
    uint32_t hit_evals[BED_MAX_TARGETS]; /* until the target was reached, 0: never */
    uint32_t hit_rounds[BED_MAX_TARGETS];
    double best;       /* noise-free, feasible */
    bool feasible;     /* a feasible point was found */
    char message[128]; /* of BED_FAILED */
};

/* Note an evaluated point. */
void bed_note(struct bed_result *r, const struct bed_problem *p, const struct bed_answer *a);

void bed_drive(const struct bed_setup *s, struct bed_problem *p, uint64_t budget, struct bed_result *r,
               struct cpu_times *cpu);

#endif
