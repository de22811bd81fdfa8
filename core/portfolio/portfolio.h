/* The schedule for continuous spaces without noise: one core at a time has its whole run, all share one archive.
 *
 *   probe     a small design around the start: is the function separable?
 *   axis      if it is: line searches along the axes, to their end
 *   descent   quasi-Newton from the best point, to its end, or until it only creeps
 *   restarts  quasi-Newton from elsewhere, up to some trials a dimension, while the runs gain anything
 *   model     CMA-ES with a quadratic model from the best point
 *   turns     a quasi-Newton run from elsewhere and a CMA-ES run of twice the population, in turn; from 8 dimensions on
 *             wide CMA-ES runs alone while quasi-Newton has had a fifth of the trials
 *
 * Elsewhere is the best point known that lies apart from all ends of such runs, else a random one.
 *
 * Points that wait for other answers leave slots idle. These go, in this order, to a second copy of a point whose
 * worker seems lost, to the descent while the probe is still out, and to the other of the two lines, local and global.
 */
#ifndef ZO_PORTFOLIO_H
#define ZO_PORTFOLIO_H

#include "portfolio/archive.h"
#include "portfolio/member.h"
#include "portfolio/pending.h"

typedef enum pf_stage {
    PF_PROBE,
    PF_DESCENT,
    PF_RESTARTS,
    PF_MODEL,
    PF_TURN_LOCAL,
    PF_TURN_GLOBAL,
    PF_STAGES
} pf_stage;
enum { PF_LOCAL_LINE, PF_GLOBAL_LINE, PF_EARLY_LINE /* the descent, begun while the probe waits */, PF_LINES };
enum { PF_TEXT = 48, PF_ENDS = 32 };

typedef struct pf_opts {
    double sigma;                              /* of the first CMA-ES run */
    double sigma_turns;                        /* of the later ones, 0: by the dimension */
    double restarts_until, restarts_until_low; /* trials a dimension; up to 3 dimensions */
    bool axis, prefill;
} pf_opts;

/* What a core has done, over all its runs. */
typedef struct pf_record {
    uint64_t runs, evals, hits, records; /* records: how often it found a new best point */
    double best, gain;                   /* gain: by how much in all */
    uint8_t last_end[PF_TEXT];
} pf_record;

typedef struct portfolio {
    zo_problem p; /* as the cores see it */
    pf_opts o;
    bool repeats; /* is the first point evaluated twice, to see noise? */
    pf_archive archive;
    pf_pending pending;
    pf_member lines[PF_LINES];
    pf_record records[PF_KINDS];
    uint32_t stage;
    uint64_t n_told, n_runs, n_global; /* n_runs: of any core; n_global: CMA-ES runs in the turns */
    uint64_t n_hits;                   /* in a row */
    uint32_t repeat;                   /* state of the second look at the first point */
    double repeat_first, repeat_second;
    double low, high; /* of the first 2n+1 values */
    double *v, *u;    /* [n] scratch */
    double *ends;     /* [PF_ENDS][n] ring: where quasi-Newton runs have ended */
    uint64_t n_ends;
    uint32_t *order; /* [n_order] scratch */
    size_t n_order;
    bool noisy;
    bool was_slow, was_idle; /* the last quasi-Newton run: ended while it only crept; without any gain */
} portfolio;

/* p outlives the portfolio. */
zo_status portfolio_init(portfolio *s, const zo_problem *p, const pf_opts *o, zo_error *err);
void portfolio_fini(portfolio *s);
size_t portfolio_memo_bytes(const zo_problem *p);
/* Always gives a point: what would have to wait for answers is replaced by a point from somewhere else. */
zo_status portfolio_ask(portfolio *s, zo_rng *rng, zo_proposal *p, zo_error *err);
zo_status portfolio_tell(portfolio *s, const zo_told *t, zo_error *err);
void portfolio_visit(portfolio *s, zo_visit *v);
zo_status portfolio_describe(const portfolio *s, zo_bundle *facts, zo_error *err);

#endif
