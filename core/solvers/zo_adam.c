/* Zeroth-order Adam with one second moment: m <- b1 m + (1-b1) g, v <- b2 v + (1-b2) mean_j s_j^2,
 * x <- x - lr (m / (1-b1^k)) / (sqrt(v / (1-b2^k)) + epsilon), g and s as in zo-sgd.
 * m is a sum of the directions of the last steps, named again in each move as in zo-momentum (66 steps for b1 = 0.9).
 * Oracle: directional, losses.  Cost: as zo-momentum.
 * Departure: v is one number, the mean square of the slopes, where Adam has one for each entry: those would be a second
 * vector for the client to keep. So the step adapts to the size of the gradient and not to each entry's. Sources:
 * "Adam: a method for stochastic optimization", Kingma and Ba, ICLR 2015, arXiv:1412.6980; "ZO-AdaMM: zeroth-order
 * adaptive momentum method for black-box optimization", Chen et al., NeurIPS 2019, arXiv:1910.06513. */
#include "zo/descent.h"

#include <math.h>

static double decay(const zo_descent_opts *o)
{
    return o->beta1;
}

static void move(zo_descent *d, const double *slope, double lr, double *c, double *scale)
{
    const zo_descent_opts *o = &d->o;
    double square = 0;

    for (size_t j = 0; j < d->q; j++) {
        c[j] = slope[j] / (double)d->q;
        square += slope[j] * slope[j] / (double)d->q;
    }
    d->second = o->beta2 * d->second + (1 - o->beta2) * square;
    d->power1 *= o->beta1;
    d->power2 *= o->beta2;
    *scale = -lr * (1 - o->beta1) / (1 - d->power1) / (sqrt(d->second / (1 - d->power2)) + o->epsilon);
}

static const zo_opt zo_adam_opts[] = {
    ZO_DESCENT_OPTS(ZO_SCHEDULE_SQRT),
    ZO_DESCENT_LOSS_OPTS,
    ZO_OPT_F64(zo_descent_opts, beta1, 0.9, 0, 0.999, "how much of the mean of the slopes is kept a step"),
    ZO_OPT_F64(zo_descent_opts, beta2, 0.999, 0, 0.999999, "how much of the mean of their squares is kept a step"),
    ZO_OPT_F64(zo_descent_opts, epsilon, 1e-8, 1e-300, 1, "added to the root of the mean square"),
};
static const zo_rule zo_adam_rule = {.unit = true, .decay = decay, .move = move};
ZO_DESCENT_ENTRIES(zo_adam, &zo_adam_rule)

const zo_solver zo_solver_zo_adam = {
    .name = "zo-adam",
    .version = 1,
    .summary = "as zo-momentum, with a step that adapts to the size of the slopes (one second moment for all entries)",
    .reference = "Kingma and Ba, ICLR 2015, arXiv:1412.6980; Chen et al., NeurIPS 2019, arXiv:1910.06513",
    .complexity = "O(w q) a step, w = 66 remembered steps at beta1 0.9, in any dimension",
    .advice = "losses whose slopes change size by orders of magnitude on the way",
    ZO_DESCENT_FIELDS(zo_adam),
};
