/* The 53 smooth least-squares problems of Moré and Wild, "Benchmarking Derivative-Free Optimization Algorithms", SIAM
 * J. Optim. 20(1), 2009, doi:10.1137/080724083: 22 functions, most from Moré, Garbow and Hillstrom, "Testing
 * Unconstrained Optimization Software", ACM TOMS 7(1), 1981, doi:10.1145/355934.355936, in some sizes, from the
 * standard start or from ten times it. */
#ifndef ZO_BENCH_MORE_WILD_H
#define ZO_BENCH_MORE_WILD_H

#include "zeroth/base.h"

enum { MORE_WILD_PROBLEMS = 53, MORE_WILD_MAX_N = 12, MORE_WILD_MAX_M = 65 };

struct more_wild {
    unsigned function; /* 1 to 22 */
    size_t n, m;       /* variables, residuals */
    double x0[MORE_WILD_MAX_N];
    double f_best; /* the least value known */
};

/* False: there is no such problem (they count from 1). */
bool more_wild_init(struct more_wild *p, unsigned problem);
/* r [m]; may overflow far from the start. */
void more_wild_residuals(const struct more_wild *p, const double *x, double *r);
double more_wild_eval(const struct more_wild *p, const double *x); /* sum of squares */
const char *more_wild_name(unsigned function);

#endif
