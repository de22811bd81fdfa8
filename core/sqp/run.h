/* One run of sequential quadratic programming in the unit cube, from a start to its end, as stages: the start, the
 * stencil of finite differences of the value and all constraints, the line search on a merit function, and again the
 * stencil.
 *
 * Constraints are divided by their size in the first stencil, and kept a very little inside of their bounds, so that
 * the points where a run ends are feasible ones. */
#ifndef ZO_SQP_RUN_H
#define ZO_SQP_RUN_H

#include "qp/qp.h"
#include "quasi_newton/hessian.h"
#include "stage/stage.h"

typedef struct sqp_opts {
    double h, b_first, b_scale, armijo, backtrack_min, ftol, margin;
    uint64_t ls_max, resets;
    uint32_t restarts;
} sqp_opts;

typedef enum sqp_phase { SQP_IDLE, SQP_START, SQP_STENCIL, SQP_LINE, SQP_PHASES } sqp_phase;
typedef enum sqp_end { SQP_GOES_ON, SQP_CONVERGED, SQP_STALLED, SQP_FAILED_START, SQP_ENDS } sqp_end;

typedef struct sqp_run {
    const sqp_opts *o;
    size_t n, m;
    zo_stage stage;
    qn_hessian B;
    zo_qp qp;                    /* of n+1 variables: the last one is how far all constraints may be exceeded */
    zo_mat H;                    /* [n+1][n+1] */
    double *A, *b;               /* [m][n+1], [m] rows of the program */
    double *low, *high, *step;   /* [n+1] */
    double *gq;                  /* [n+1] */
    double *x, *g, *c, *J;       /* [n], [n], [m], [m][n] iterate, gradient, scaled constraints, their gradients */
    double *g_last, *J_last, *s; /* before the step s */
    double *d, *y, *trial;       /* [n] direction; scratch */
    double *scale, *lambda, *mu; /* [m] of the constraints; multipliers; weights in the merit function */
    double *c_trial;             /* [m] scratch */
    double f, f_first, f_low, slope, a, b0;
    uint64_t n_resets, n_tries, n_steps;
    uint32_t phase, end;
    bool fresh, has_last, corrects; /* corrects: the point that is out is a second-order correction */
} sqp_run;

zo_status sqp_run_init(sqp_run *r, const zo_problem *p, const sqp_opts *o, zo_error *err);
void sqp_run_fini(sqp_run *r);
void sqp_run_start(sqp_run *r, const double *x);
static inline bool sqp_run_is_live(const sqp_run *r)
{
    return r->phase != SQP_IDLE;
}
/* As qn_run_tell. */
bool sqp_run_tell(sqp_run *r, const zo_told *t);
void sqp_run_visit(sqp_run *r, zo_visit *v);
const char *sqp_end_name(uint32_t end);

#endif
