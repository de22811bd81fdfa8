/* A member of the portfolio: one run of one core, from its own start to its own end. */
#ifndef ZO_PORTFOLIO_MEMBER_H
#define ZO_PORTFOLIO_MEMBER_H

#include "zeroth/solver.h"

/* What a member runs. */
typedef enum pf_kind { PF_NONE, PF_AXIS, PF_LOCAL, PF_GLOBAL, PF_KINDS } pf_kind;

/* All that is needed to make the run again. */
typedef struct pf_plan {
    uint32_t kind;
    uint64_t id;      /* which run of the study, from 1: its stream of chance */
    uint64_t popsize; /* PF_GLOBAL; 0: its own */
    double sigma;     /* PF_GLOBAL */
    bool has_start;
} pf_plan;

typedef struct pf_member {
    const zo_problem *outer;
    pf_plan plan;
    double *start;  /* [n] */
    double *x_best; /* [n] where the run found its best value */
    zo_problem problem;
    zo_solver_run *run;                               /* NULL: none */
    uint64_t n_pulled, n_evals, n_hits, last_gain_at; /* last: evaluation of this run that last improved it */
    double best, first_best;
    double marks[4]; /* the best values at the ends of the last windows of 12(n+1) evaluations, newest first */
} pf_member;

zo_status pf_member_init(pf_member *m, const zo_problem *outer, zo_error *err);
void pf_member_fini(pf_member *m);
/* The core that kind stands for in this problem; NULL if none takes it. */
const zo_solver *pf_core_of(const zo_problem *p, uint32_t kind);
/* Start plan at start [n], NULL: the core's own choice; the run before it is over. *ok false: no core takes it. */
zo_status pf_member_start(pf_member *m, const pf_plan *plan, const double *start, bool *ok, zo_error *err);
void pf_member_end(pf_member *m);
/* Three windows in a row, none of which gained much less than the one before: a long way to go at this pace. */
bool pf_member_is_slow(const pf_member *m);
/* The next point of the run; p's memo is the run's. p's number is kept. */
zo_status pf_member_ask(pf_member *m, zo_proposal *p, zo_error *err);
zo_status pf_member_tell(pf_member *m, const zo_told *t, bool paid, zo_error *err);
void pf_member_visit(pf_member *m, zo_visit *v);

#endif
