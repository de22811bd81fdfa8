/* The 24 noiseless functions of the black-box optimization benchmark, written from their definitions: Hansen, Finck,
 * Ros, Auger, "Real-Parameter Black-Box Optimization Benchmarking 2009: Noiseless Functions Definitions", INRIA
 * RR-6829.
 *
 * Shifts, rotations, peaks and offsets are drawn from our own generator, keyed by (function, instance), so no instance
 * equals one that is published elsewhere. The box to search is [-5, 5]^n; every optimum lies in it. The same functions
 * in 40 dimensions stand for the large-scale suite, which differs from them by block rotations and other weights. */
#ifndef ZO_BENCH_BBOB_H
#define ZO_BENCH_BBOB_H

#include "zeroth/base.h"

enum { BBOB_FUNCTIONS = 24, BBOB_GROUPS = 5 };

struct bbob_peaks;
struct bbob {
    unsigned f, instance; /* f from 1 */
    size_t n;
    double f_opt;  /* the least value ... */
    double *x_opt; /* ... and where: [n] */
    double *R, *Q; /* [n x n] row-major rotations */
    double *M;     /* [n x n] the function's product of them, if it has one */
    double *w;     /* [n] the function's weights, powers or scales */
    double *y, *z; /* [n] scratch of an evaluation */
    double factor; /* of the Rosenbrock family; scale of the second funnel of f24 */
    struct bbob_peaks *peaks;
    double *memory;
};

/* False when there is no such function, when memory ran out, or when n is too small: f8, f9, f17, f18, f19 chain
 * neighbouring coordinates and f24's second funnel exists from n = 2 on; the others take n = 1. */
bool bbob_init(struct bbob *p, unsigned f, unsigned instance, size_t n);
void bbob_fini(struct bbob *p); /* accepts one whose init failed */
/* Writes p's scratch: one evaluation of p at a time. */
double bbob_eval(struct bbob *p, const double *x);

const char *bbob_name(unsigned f);
/* 0 separable, 1 moderate, 2 ill-conditioned, 3 multimodal, 4 weak structure. */
unsigned bbob_group(unsigned f);
const char *bbob_group_name(unsigned group);

#endif
