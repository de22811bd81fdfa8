/* Conservative zeroth-order descent: after the slopes, the loss at x - lr g, x and x + lr g, with the same data; x goes
 * to the smallest of them and stays where it is one of these. So the loss on the data of a step never rises by its
 * move. Each move takes two trials: the slopes, then the three losses, whose perturbations are sums of the directions
 * before. Oracle: directional, losses.  Cost: three losses a move more than zo-sgd. Source: "Revisiting zeroth-order
 * optimization for memory-efficient LLM fine-tuning: a benchmark", Zhang et al., ICML 2024, arXiv:2402.11592. */
#include "zo/descent.h"
#include "zo/moves.h"

static const zo_opt zo_conservative_opts[] = {ZO_DESCENT_OPTS(ZO_SCHEDULE_CONSTANT), ZO_DESCENT_LOSS_OPTS};
static const zo_rule zo_conservative_rule = {.line = true, .move = zo_move_along};
ZO_DESCENT_ENTRIES(zo_conservative, &zo_conservative_rule)

const zo_solver zo_solver_zo_conservative = {
    .name = "zo-conservative",
    .version = 1,
    .summary = "as zo-sgd, but a move is made only if the loss says so: two trials a move",
    .reference = "Zhang et al., ICML 2024, arXiv:2402.11592",
    .complexity = "O(q) a step of q directions, in any dimension",
    .advice = "when a bad move must not happen: no move raises the loss on its data, for three more losses a move",
    ZO_DESCENT_FIELDS(zo_conservative),
};
