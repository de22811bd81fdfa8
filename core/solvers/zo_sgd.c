/* Zeroth-order stochastic gradient descent (MeZO): x <- x - lr g, g = (1/q) sum_j s_j z_j, s_j the slope of the loss
 * along the random direction z_j from two losses. In the mean g is the gradient of the loss smoothed over mu; with one
 * direction |g|^2 is n+2 times the gradient's square (n with signs for entries), so about n steps go as far as one
 * along the gradient. Oracle: directional, losses.  Cost: O(q) a step here, two losses a direction at the client.
 * Sources: "Random gradient-free minimization of convex functions", Nesterov and Spokoiny, Found. Comput. Math. 17(2),
 * 2017, doi:10.1007/s10208-015-9296-2; "Fine-tuning language models with just forward passes", Malladi et al., NeurIPS
 * 2023, arXiv:2305.17333; block-wise and sparse: "Revisiting zeroth-order optimization for memory-efficient LLM
 * fine-tuning: a benchmark", Zhang et al., ICML 2024, arXiv:2402.11592. */
#include "zo/descent.h"
#include "zo/moves.h"

static const zo_opt zo_sgd_opts[] = {ZO_DESCENT_OPTS(ZO_SCHEDULE_CONSTANT), ZO_DESCENT_LOSS_OPTS};
static const zo_rule zo_sgd_rule = {.move = zo_move_along};
ZO_DESCENT_ENTRIES(zo_sgd, &zo_sgd_rule)

const zo_solver zo_solver_zo_sgd = {
    .name = "zo-sgd",
    .version = 1,
    .summary = "descent along random directions that the client makes from seeds: two losses a step in any dimension",
    .reference = "Nesterov and Spokoiny, Found. Comput. Math. 17(2), 2017, doi:10.1007/s10208-015-9296-2; Malladi et "
                 "al., NeurIPS "
                 "2023, arXiv:2305.17333",
    .complexity = "O(q) a step of q directions, in any dimension",
    .advice = "the first to try on a huge vector: losses only, the least to send, finds its own step size",
    ZO_DESCENT_FIELDS(zo_sgd),
};
