/* One entry a function: setup (may be NULL) draws and precomputes, value is f - f_opt. */
#ifndef ZO_BENCH_PARTS_H
#define ZO_BENCH_PARTS_H

#include "functions/bbob.h"
#include "zeroth/rng.h"

struct bbob_part {
    const char *name;
    size_t least_n;
    bool (*setup)(struct bbob *p); /* false: out of memory */
    double (*value)(struct bbob *p, const double *x);
};
extern const struct bbob_part bbob_separable[5], bbob_moderate[4], bbob_ill[5], bbob_multi[5], bbob_weak[5];

/* What a stream of random numbers is for. */
enum bbob_draw { DRAW_X_OPT, DRAW_F_OPT, DRAW_R, DRAW_Q, DRAW_SIGNS, DRAW_PEAKS };
zo_rng bbob_stream(const struct bbob *p, enum bbob_draw draw);

/* y = x - x_opt, to be transformed. */
double *bbob_shifted(struct bbob *p, const double *x);
/* The sum of 10 (n - sum cos(2 pi z)), the ripple of the Rastrigin family. */
double bbob_ripple(size_t n, const double *z);
/* Rosenbrock's scale max(1, sqrt(n)/8) goes to p->factor. */
bool bbob_setup_rosenbrock(struct bbob *p);
/* z = factor R x + 1/2, whose optimum is where z = 1: M and x_opt. */
bool bbob_setup_rosenbrock_rotated(struct bbob *p);
/* x_opt = size times a random sign, per coordinate. */
void bbob_corner(struct bbob *p, double size);

/* Gallagher's Gaussian peaks (f21, f22). */
bool bbob_peaks_setup(struct bbob *p, size_t n_peaks, double alpha_opt, double reach, double x_opt_scale);
double bbob_peaks_value(struct bbob *p, const double *x);
void bbob_peaks_free(struct bbob_peaks *peaks);

#endif
