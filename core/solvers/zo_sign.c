/* Zeroth-order descent by signs: x <- x - lr (1/q) sum_j sign(s_j) z_j. A move's length does not depend on the slopes,
 * so outliers and heavy noise don't throw it; it does not shrink near the minimum either, hence the falling schedule by
 * default. Oracle: directional, losses.  Cost: as zo-sgd. Departure: the sign is that of each direction's slope, as the
 * benchmark's code has it. The entry-wise sign of the classical method would need the sum of the directions at the
 * client. Sources: "signSGD via zeroth-order oracle", Liu, Chen, Chen, Hong, ICLR 2019; "Revisiting zeroth-order
 * optimization for memory-efficient LLM fine-tuning: a benchmark", Zhang et al., ICML 2024, arXiv:2402.11592. */
#include "zo/descent.h"

static void move(zo_descent *d, const double *slope, double lr, double *c, double *scale)
{
    for (size_t j = 0; j < d->q; j++)
        c[j] = (double)((slope[j] > 0) - (slope[j] < 0)) / (double)d->q;
    *scale = -lr;
}

static const zo_opt zo_sign_opts[] = {ZO_DESCENT_OPTS(ZO_SCHEDULE_SQRT), ZO_DESCENT_LOSS_OPTS};
static const zo_rule zo_sign_rule = {.unit = true, .move = move};
ZO_DESCENT_ENTRIES(zo_sign, &zo_sign_rule)

const zo_solver zo_solver_zo_sign = {
    .name = "zo-sign",
    .version = 1,
    .summary = "as zo-sgd, by the signs of the slopes: moves whose length no outlier changes",
    .reference = "Liu, Chen, Chen, Hong, ICLR 2019; Zhang et al., ICML 2024, arXiv:2402.11592",
    .complexity = "O(q) a step of q directions, in any dimension",
    .advice = "losses with heavy-tailed noise or outliers, which zo-sgd would follow",
    ZO_DESCENT_FIELDS(zo_sign),
};
