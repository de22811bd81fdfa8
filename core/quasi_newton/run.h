/* One run of a quasi-Newton method in the unit cube, from a start to its end, as stages: the start, the stencil of
 * finite differences, the line search, and again the stencil. With the gradient oracle there are no stencils.
 *
 * What makes it fast: difference steps near the rounding limit, chosen by the curvature known so far; a first matrix
 * far below the true curvature, so that unexplored directions are tried with long steps that interpolation cuts back;
 * one gradient is n values, not 2n; and every run goes to its end. */
#ifndef ZO_QN_RUN_H
#define ZO_QN_RUN_H

#include "quasi_newton/box_qp.h"
#include "stage/stage.h"

typedef struct qn_opts {
    double h_first, h_factor, h_min, h_max;
    double b_first, b_scale;
    double armijo, backtrack_min, ftol;
    uint64_t ls_max, resets, history, max_runs;
    uint32_t start;
} qn_opts;

typedef enum qn_phase { QN_IDLE, QN_START, QN_NOISE, QN_STENCIL, QN_RETRY, QN_LINE, QN_PHASES } qn_phase;
typedef enum qn_end { QN_GOES_ON, QN_CONVERGED, QN_STALLED, QN_FAILED_START, QN_ENDS } qn_end;

typedef struct qn_run {
    const qn_opts *o;
    size_t n;
    bool gradients, noisy;
    zo_stage stage;
    qn_hessian B;
    qn_box_qp qp;
    double *x, *g;                          /* [n] iterate and its gradient */
    double *s, *g_last;                     /* [n] the step that led to x, and the gradient before it */
    double *d, *y, *trial;                  /* [n] direction; scratch */
    double f, f_first, f_low, slope, curve; /* slope g'd, curve d'Bd */
    double f_line;                          /* f where the last line search began */
    double a, a_taken, b0, eps_f;           /* step length; the last one taken; scale of the last reset; noise */
    uint32_t phase, end;
    uint64_t n_resets, n_tries, n_steps;
    bool fresh, has_last; /* B says nothing yet; s and g_last are valid */
} qn_run;

zo_status qn_run_init(qn_run *r, const zo_problem *p, const qn_opts *o, zo_error *err);
void qn_run_fini(qn_run *r);
/* Begin at x; what is pending from before is forgotten. */
void qn_run_start(qn_run *r, const double *x);
static inline bool qn_run_is_live(const qn_run *r)
{
    return r->phase != QN_IDLE;
}
/* The answer t to one of its points, or one with the bits of an open one; false if it is none of them. Goes as far on
 * as answers allow. */
bool qn_run_tell(qn_run *r, const zo_told *t);
void qn_run_visit(qn_run *r, zo_visit *v);
const char *qn_end_name(uint32_t end);

#endif
